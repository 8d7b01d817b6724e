"""Every method with a network, on frozen features in the place of images."""

import csv
import math
import tracemalloc
from contextlib import chdir

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pcl import artifacts, config, registry
from pcl.engine.images import Cached
from pcl.engine.stage import Backbone, DeepSettings
from pcl.errors import UserError
from pcl.methods.base import DeepMethod
from pcl.plan import Plan
from pcl.representations import store
from pcl.run import execute, inputs, network

METHODS = {name: registry.get("pcl.methods", "Method", name) for name in registry.names("pcl.methods", "Method")}
DEEP = [name for name, cls in METHODS.items() if cls.network]
PLACE = ("digits10-4", "personalized")
SEEN = {"kind": "pixels", "components": 12, "views": 3, "augmentation": {"crop_area": [0.5, 1.0], "flip": 0.0}}


def planned(tiny_config, **changes):
    """The tests' study, every network of which stands on the representation `seen`."""
    content = tiny_config.model_dump()
    content["representations"]["seen"] = SEEN | changes
    content["studies"]["tiny"]["training"]["backbone"] = {"frozen": "seen", "width": 4}
    return content


def plan_of(content):
    return Plan(config.validate(config.Config, content, "params.yaml"))


def complete(run):
    """Train a run and whatever it starts from; its folder."""
    for features in run.representations:
        execute.represent(features)
    if run.pretraining is not None and not run.pretraining.folder.complete:
        execute.pretrain(run)
    return execute.train(run)


def files(folder):
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != "provenance.json"}


@pytest.fixture
def place(empty, monkeypatch):
    """An empty working folder in which data and target clusters are there already."""
    monkeypatch.chdir(empty("frozen"))


class TestEveryMethod:
    @pytest.mark.parametrize("method", DEEP)
    def test_trains_assigns_and_goes_on_to_the_same_bytes(self, empty, tiny_config, method):
        run = plan_of(planned(tiny_config)).run(*PLACE, method, 0)
        with chdir(empty("once")):
            folder = complete(run).resolve()
        with (folder / "history.csv").open() as file:
            rows = list(csv.DictReader(file))
        found = [float(value) for row in rows for name, value in row.items() if name.startswith("loss_") and value]
        assert found and all(map(math.isfinite, found))
        with np.load(folder / "assignments.npz") as saved:
            assert len(saved["train_cluster"]) == 1408 and len(saved["test_cluster"]) == 389
        kills = []
        write = artifacts.write

        def write_and_die(path, content):
            write(path, content)
            if path.name == "state.pt":
                kills.append(path)
                raise KeyboardInterrupt

        with chdir(empty("again")), pytest.MonkeyPatch.context() as patch:
            patch.setattr(artifacts, "write", write_and_die)
            while True:
                try:
                    again = complete(run).resolve()
                    break
                except KeyboardInterrupt:
                    pass
        assert len(kills) > 1
        assert files(again) == files(folder)


class TestBatches:
    @pytest.fixture
    def cached(self):
        rng = np.random.default_rng(0)
        rows = {name: rng.normal(3, 2, (n, 5)).astype(np.float32) for name, n in (("train", 40), ("test", 9))}
        views = rng.normal(3, 2, (4, 40, 5)).astype(np.float32)
        return Cached(rows, DeepSettings(backbone={"frozen": "seen"}, batch_size=8), torch.device("cpu"), views)

    def test_rows_are_moved_and_scaled_by_what_the_training_images_are(self, cached):
        train = cached.unaugmented(np.arange(40)).numpy()
        assert np.allclose(train.mean(0), 0, atol=1e-5) and train.var(0).mean() == pytest.approx(1, abs=1e-5)
        ratio = cached.splits["train"].std(0) / train.std(0)
        assert np.allclose(ratio, ratio[0], rtol=1e-4)  # one number for all features: likeness stays
        test = cached.unaugmented(np.arange(9), "test").numpy()
        expected = (cached.splits["test"] - cached.splits["train"].mean(0)) / ratio[0]
        assert np.allclose(test, expected, atol=1e-4)

    @pytest.mark.parametrize("recipe", ["standard", "weak", "strong"])
    def test_a_view_is_one_of_an_images_own_each_as_often(self, cached, recipe):
        generator, index, counts = torch.Generator().manual_seed(0), np.array([7, 0, 39]), np.zeros((3, 4))
        for _ in range(400):
            rows = cached.view(index, recipe, generator).numpy() / cached.scale + cached.mean
            for i, row in zip(index, rows, strict=True):
                match = np.isclose(cached.views[:, i], row, atol=1e-4).all(1)
                assert match.sum() == 1
                counts[index.tolist().index(i)] += match
        assert (abs(counts - 100) < 4 * math.sqrt(400 * 0.25 * 0.75)).all()

    def test_views_follow_from_the_seed_the_epoch_and_the_step(self, place, tiny_config):
        run = plan_of(planned(tiny_config)).run(*PLACE, "cc", 0)
        execute.represent(run.frozen)
        seen = []
        for epoch in (0, 1, 0):
            _, session = network.opened(run)
            session.epoch, session.stage = epoch, run.method(run.settings, 4, 0).stages()[0]
            seen.append([batch.views for batch in session.batches()])
        first, other, again = seen
        assert all(
            torch.equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True)
        )
        assert not torch.equal(first[0][0], first[0][1])
        assert not torch.equal(first[0][0].sum(), other[0][0].sum())

    def test_a_batch_takes_what_it_gathers_whatever_lies_on_disk(self, tmp_path):
        """An epoch's batches of views of 64 MB on disk allocate less than one of them."""
        rng = np.random.default_rng(0)
        np.save(tmp_path / "train.npy", rng.random((8000, 250), np.float32))
        whole = np.lib.format.open_memmap(tmp_path / "views.npy", "w+", np.float32, (8, 8000, 250))
        whole[:] = rng.random((8000, 250), np.float32)
        rows, views = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in ("train", "views"))
        tracemalloc.start()
        cached = Cached({"train": rows}, DeepSettings(backbone={"frozen": "seen"}), torch.device("cpu"), views)
        first = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        for start in range(0, 8000, 100):
            cached.view(np.arange(start, start + 100), "standard", torch.Generator().manual_seed(start))
        assert tracemalloc.get_traced_memory()[1] < 10 * 100 * 250 * 4
        tracemalloc.stop()
        assert first < 3 * 4096 * 250 * 8


class TestSettings:
    def test_what_means_nothing_on_frozen_features_is_in_no_key(self):
        said = DeepSettings(image_size=32, backbone={"frozen": "seen", "width": 8, "depth": 10})
        dumped = said.model_dump(mode="json")
        assert dumped["backbone"] == {"frozen": "seen", "width": 8}
        assert not {"image_size", "augmentation"} & dumped.keys()
        assert Backbone().model_dump() == {"depth": 34, "width": 64, "stem": "imagenet"}
        assert {"image_size", "augmentation"} <= DeepSettings().model_dump().keys()
        with pytest.raises(ValidationError):
            Backbone(frozen="no/name")

    def test_a_run_is_keyed_by_the_features_that_its_network_stands_on(self, tiny_config):
        def run(arm, **changes):
            return plan_of(planned(tiny_config, **changes)).run(*PLACE, arm, 0)

        for arm in ("pcl", "dcc", "cc"):
            before, after = run(arm), run(arm, components=11)
            assert before.key != after.key
            assert before.frozen.key == before.spec["frozen"] and before.representations == [before.frozen]
            if before.pretraining is not None:
                assert before.pretraining.key != after.pretraining.key
        assert run("sdec").pretraining.path == run("dcc").pretraining.path
        assert run("kmeans").frozen is None and run("kmeans").features[0].name == "pixels"

    def test_a_strategy_that_sees_features_sees_those(self, tiny_config):
        run = plan_of(planned(tiny_config)).run(*PLACE, "fixmatch", 0)
        assert [own.name for own in run.features] == ["seen"] and run.representations == list(run.features)

    def test_only_a_method_that_draws_views_reads_them(self, place, tiny_config):
        plan = plan_of(planned(tiny_config))
        for arm, drawn in (("cc", True), ("dcc", False)):
            run = plan.run(*PLACE, arm, 0)
            execute.represent(run.frozen)
            rows, views = inputs.frozen_backbone(run)
            assert rows.keys() == {"train", "test"} and (views is not None) is drawn


class TestRefused:
    def check(self, content):
        with pytest.raises(UserError) as error:
            plan_of(content).check()
        return str(error.value).splitlines()

    def test_a_representation_that_is_not_there(self, tiny_config):
        content = tiny_config.model_dump()
        content["arms"]["cc"]["settings"]["backbone"] = {"frozen": "pixel"}
        (line,) = self.check(content)
        where = "arms.cc.settings (in study tiny): backbone.frozen: "
        assert line == f"{where}no representation 'pixel'; did you mean 'pixels'?"

    def test_one_without_views_for_a_method_that_draws_them(self, tiny_config):
        content = planned(tiny_config, views=0)
        lines = self.check(content)
        for name, cls in METHODS.items():
            about = [line for line in lines if line.startswith(f"arms.{name}.settings (in study tiny)")]
            drawn = issubclass(cls, DeepMethod) and cls.draws_views
            assert len(about) == drawn
        assert lines[0].endswith("; set representations.seen.views, such as 4")

    def test_features_of_the_network_that_would_stand_on_them(self, tiny_config):
        content = tiny_config.model_dump()
        content["representations"]["cc"]["views"] = 2
        content["studies"]["tiny"]["training"]["backbone"] = {"frozen": "cc"}
        lines = self.check(content)
        assert any("cc is made by the network of cc, which stands on cc itself" in line for line in lines)

    def test_views_of_what_a_network_on_frozen_features_sees(self, tiny_config):
        content = planned(tiny_config)
        content["representations"]["cc"]["views"] = 2
        with pytest.raises(UserError, match=r"representations\.cc\.views: cc stands on frozen features itself"):
            plan_of(content).features("digits10-4", "cc", 0)


def test_a_network_on_frozen_features_is_a_representation_itself(place, tiny_config):
    plan = plan_of(planned(tiny_config))
    run, features = plan.run("digits10-4", "any", "cc", 0), plan.features("digits10-4", "cc", 0)
    complete(run)
    rows = store.read(execute.represent(features))
    assert rows["train"].shape == (1408, 32) and (rows["test"] >= 0).all()


def test_views_of_a_network_are_its_layer_for_changed_images(place, tiny_config):
    content = tiny_config.model_dump()
    content["representations"]["cc"]["views"] = 2
    content["arms"]["dec"]["settings"]["backbone"] = {"frozen": "cc", "width": 4}
    plan = plan_of(content)
    run = plan.run(*PLACE, "dec", 0)
    (below,) = run.takes_from
    assert below.arm == "cc" and run.frozen.seed == 0
    complete(below)
    complete(run)
    rows = store.read(run.frozen.path, views=True)
    assert rows["views"].shape == (2, *rows["train"].shape) and not np.allclose(rows["views"][0], rows["train"])
