"""What representations promise: one row per image, no labels, and refusal of what cannot be learned on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pcl import seed as seeds
from pcl.engine import augment
from pcl.engine.stage import Augmentation
from pcl.errors import UserError
from pcl.plan import Plan
from pcl.representations import base, store
from pcl.representations.base import Source, projection
from pcl.representations.network import NetworkSettings
from pcl.representations.network import Representation as Network
from pcl.representations.pixels import PixelSettings
from pcl.representations.pixels import Representation as Pixels
from pcl.run import execute


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 256, (n, 1, 4, 4), dtype=np.uint8) for name, n in (("train", 30), ("test", 7))}


def nothing(layer, images):
    raise AssertionError("no network is asked")


def test_pixels_are_rows_in_0_1(images):
    rows = Pixels(PixelSettings(kind="pixels")).features(Source(images, nothing))
    for split, own in images.items():
        assert rows[split].dtype == np.float32 and np.allclose(
            rows[split] * 255, own.reshape(len(own), -1), atol=1e-4
        )


def test_components_keep_distances_and_are_fitted_to_training_images_alone(images):
    all_of_them, _ = Pixels(PixelSettings(kind="pixels", components=16)).made(Source(images, nothing))
    pixels = Pixels(PixelSettings(kind="pixels")).features(Source(images, nothing))
    for split in images:
        before, after = (np.linalg.norm(r[split][0] - r[split][1]) for r in (pixels, all_of_them))
        assert after == pytest.approx(before, rel=1e-4)
    other = images | {"test": images["test"][:3]}
    few, _ = Pixels(PixelSettings(kind="pixels", components=3)).made(Source(images, nothing))
    fewer, _ = Pixels(PixelSettings(kind="pixels", components=3)).made(Source(other, nothing))
    assert few["train"].shape == (30, 3) and np.array_equal(few["train"], fewer["train"])
    variance = few["train"].var(0)
    assert (np.diff(variance) <= 0).all()


def test_more_components_than_there_are_is_refused(images):
    with pytest.raises(UserError, match="components: 17, but the training images have at most 16"):
        projection(images["train"].reshape(30, -1).astype(np.float32), 17)


def test_a_network_gives_the_layer_that_is_named(images):
    asked = []
    rows = {split: np.ones((len(own), 2), np.float32) for split, own in images.items()}

    def layer(name, shown):
        asked.append((name, shown))
        return rows

    settings = NetworkSettings(kind="network", arm="cc", layer="instance")
    assert Network(settings).features(Source(images, layer)) is rows and asked == [("instance", images)]


@pytest.mark.parametrize("layer", ["features", "instance", "cluster"])
def test_a_layer_of_a_trained_network_is_what_the_network_computes(workspace, tiny_config, layer):
    content = tiny_config.model_dump()
    content["representations"]["cc"] = {"kind": "network", "arm": "cc", "layer": layer}
    plan = Plan(type(tiny_config).model_validate(content))
    run = plan.run("digits10-2", "any", "cc", 0)
    execute.train(run)
    features = plan.features("digits10-2", "cc", 0)
    rows = store.read(execute.represent(features))
    from pcl.run import network

    method, session = network.opened(run)
    session.network.load_state_dict(run.folder.read_weights())
    session.network.eval()
    with torch.inference_mode():
        seen = method.embed(session.network, session.images.unaugmented(np.arange(5)))
        expected = seen if layer == "features" else session.network[layer](seen)
    assert np.allclose(rows["train"][:5], expected.numpy(), atol=1e-4)
    assert not hasattr(rows["train"], "flags") or not rows["train"].flags.writeable


class TestViews:
    SETTINGS = PixelSettings(kind="pixels", views=3, augmentation={"crop_area": [0.4, 0.9]})

    def views(self, images, seed=0, **changes):
        settings = self.SETTINGS.model_copy(update=changes)
        rows, pieces = Pixels(settings).made(Source(images, nothing), seed)
        return rows, np.concatenate(list(pieces)).reshape(settings.views, len(images["train"]), -1)

    def test_a_view_is_what_the_representation_makes_of_the_changed_image(self, images):
        """Each image by itself, from its own row of draws, in whatever batch it was made."""
        _, found = self.views(images)
        for number in (0, 2):
            draws = seeds.numpy_generator(0, "views", number).random((30, augment.DRAWS), np.float32)
            for i in (0, 7, 29):
                one = torch.from_numpy(images["train"][[i]])
                shown = augment.changed(one, self.SETTINGS.augmentation, draws[[i]]).numpy()
                expected = Pixels(PixelSettings(kind="pixels")).features(Source({"train": shown}, nothing))["train"]
                assert np.array_equal(found[number, i], expected[0])

    def test_an_image_is_changed_as_a_batch_of_random_views_is(self, images):
        """The same numbers, drawn image by image or operation by operation, give the same pixels."""
        pixels = torch.from_numpy(images["train"])
        recipe = Augmentation(**self.SETTINGS.augmentation.model_dump(), mean=(0.0,), std=(1.0,))
        drawn = augment.view(pixels, 4, recipe, torch.Generator().manual_seed(3))
        generator = torch.Generator().manual_seed(3)
        draws = torch.stack([torch.rand(30, generator=generator) for _ in range(augment.DRAWS)], dim=1)
        shown = augment.changed(pixels, self.SETTINGS.augmentation, draws.numpy())
        assert torch.allclose(shown.float(), drawn * 255, atol=0.51)

    def test_views_differ_and_depend_on_the_seed_and_not_on_what_else_is_there(self, images, monkeypatch):
        rows, found = self.views(images)
        assert (found.reshape(90, -1)[:, None] != rows["train"]).any(-1).mean() > 0.95
        assert not np.array_equal(found[0], found[1])
        assert np.array_equal(self.views(images)[1], found)
        assert not np.array_equal(self.views(images, seed=1)[1], found)
        few = images | {"train": images["train"][:11]}
        assert np.array_equal(self.views(few)[1], found[:, :11])
        monkeypatch.setattr(base, "AT_ONCE", 7)
        assert np.array_equal(self.views(images)[1], found)

    def test_views_get_the_components_of_the_images(self, images):
        rows, found = self.views(images, components=5)
        whole, unreduced = self.views(images)
        fitted = projection(whole["train"], 5)
        assert np.array_equal(rows["test"], fitted(whole["test"]))
        assert np.allclose(found[1], fitted(unreduced[1]), atol=1e-5)

    def test_they_lie_beside_the_rows_memory_mapped_and_are_read_on_wish(self, tmp_path, images):
        folder = tmp_path / "key" / "seed0"
        rows, found = self.views(images)
        store.write(folder, rows, {}, 3, iter(found.reshape(9, 10, -1)))
        assert store.read(folder).keys() == {"train", "test"}
        read = store.read(folder, views=True)["views"]
        assert isinstance(read, np.memmap) and np.array_equal(read, found)
        expected = tmp_path / "expected.npy"
        np.save(expected, found)
        assert np.array_equal(np.load(folder / "views.npy"), np.load(expected))

    def test_damage_is_refused_by_name_and_so_is_what_is_no_number(self, tmp_path, images):
        folder = tmp_path / "key" / "seed0"
        rows, found = self.views(images)
        found[1, 2, 3] = np.inf
        with pytest.raises(UserError, match="features of views are no numbers"):
            store.write(folder, rows, {}, 3, found)
        assert not (folder / "views.npy").exists() and not (folder / "manifest.json").exists()
        store.write(folder, rows, {}, 3, self.views(images)[1])
        content = bytearray((folder / "views.npy").read_bytes())
        content[-2] ^= 3
        (folder / "views.npy").write_bytes(content)
        store.read(folder)
        with pytest.raises(UserError, match=r"views\.npy: "):
            store.read(folder, views=True)

    def test_without_views_the_key_is_that_of_before(self, tiny_config):
        """Written down from the revision before views were there."""
        content = tiny_config.model_dump()
        content["representations"]["few"] = {"kind": "pixels", "components": 5}
        content["representations"]["said"] = {"kind": "pixels", "components": 5, "views": 0}
        content["representations"]["viewed"] = {"kind": "pixels", "components": 5, "views": 2}
        content["representations"]["other"] = content["representations"]["viewed"] | {"augmentation": {"flip": 0.0}}
        plan = Plan(type(tiny_config).model_validate(content))
        keys = {name: plan.features("digits10-2", name, 0).key for name in ("few", "said", "viewed", "other")}
        assert keys["few"] == keys["said"] == "e53e571d"
        assert len(set(keys.values())) == 3


class TestStore:
    @pytest.fixture
    def rows(self):
        rng = np.random.default_rng(0)
        return {name: rng.normal(size=(n, 3)).astype(np.float32) for name, n in (("train", 9), ("test", 4))}

    def test_rows_come_back_memory_mapped(self, tmp_path, rows):
        folder = tmp_path / "key" / "seed0"
        store.write(folder, rows, {"kind": "pixels"})
        found = store.read(folder)
        assert all(
            isinstance(found[split], np.memmap) and np.array_equal(found[split], rows[split]) for split in rows
        )
        assert json.loads((folder / "manifest.json").read_text())["spec"] == {"kind": "pixels"}

    def test_what_is_no_number_is_refused(self, tmp_path, rows):
        rows["test"][1, 1] = np.nan
        with pytest.raises(UserError, match="features of test images are no numbers"):
            store.write(tmp_path, rows, {})
        assert list(tmp_path.iterdir()) == []

    def test_features_that_are_all_equal_are_refused(self, tmp_path, rows):
        rows["train"][:] = 1
        with pytest.raises(UserError, match="are equal, so nothing can be learned"):
            store.write(tmp_path, rows, {})

    @pytest.mark.parametrize("name", ["train.npy", "manifest.json"])
    def test_damage_is_refused_by_name(self, tmp_path, rows, name):
        folder = tmp_path / "key" / "seed0"
        store.write(folder, rows, {})
        path = folder / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 3
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{name}: "):
            store.read(folder)

    @pytest.mark.parametrize("name", ["train.npy", "manifest.json"])
    def test_a_file_that_is_gone_is_named(self, tmp_path, rows, name):
        store.write(tmp_path, rows, {})
        (tmp_path / name).unlink()
        with pytest.raises(UserError, match=f"{name}: "):
            store.read(tmp_path)

    def test_features_of_another_place_are_refused(self, tmp_path, rows):
        store.write(tmp_path / "one" / "seed0", rows, {})
        other = tmp_path / "two" / "seed0"
        other.parent.mkdir()
        (tmp_path / "one" / "seed0").rename(other)
        with pytest.raises(UserError, match="damaged, or not the file that was written here"):
            store.read(other)


def test_a_run_sees_several_side_by_side_each_row_of_length_one(workspace, tiny_config):
    from pcl.run import inputs

    content = tiny_config.model_dump()
    content["representations"]["few"] = {"kind": "pixels", "components": 5}
    content["arms"]["kmeans"]["features"] = ["pixels", "few"]
    plan = Plan(type(tiny_config).model_validate(content))
    run = plan.run("digits10-2", "any", "kmeans", 0)
    for features in run.features:
        execute.represent(features)
    rows = inputs.features(run)["train"]
    assert rows.shape == (1408, 64 + 5)
    assert np.allclose(np.linalg.norm(rows[:, :64], axis=1), 1, atol=1e-5)
    assert np.allclose(np.linalg.norm(rows[:, 64:], axis=1), 1, atol=1e-5)
    assert Path(execute.train(run)).exists()


def test_missing_features_and_too_many_components_are_named(workspace, tiny_config):
    from pcl.run import inputs

    content = tiny_config.model_dump()
    content["representations"]["many"] = {"kind": "pixels", "components": 500}
    content["arms"]["kmeans"]["features"] = ["many"]
    run = Plan(type(tiny_config).model_validate(content)).run("digits10-2", "any", "kmeans", 0)
    with pytest.raises(UserError, match="many"):
        inputs.features(run)
    with pytest.raises(UserError, match=r"representations\.many: components: 500"):
        execute.represent(run.features[0])
