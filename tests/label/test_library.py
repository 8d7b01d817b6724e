"""Folders as people have them: whatever is wrong with a file is one named line, and the rest goes on."""

import hashlib
import io
import os
import shutil
import socket
import stat
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pcl.errors import UserError
from pcl.label import private, thumbnails
from pcl.label.library import Library

RNG = np.random.default_rng(0)
AS_ROOT = os.geteuid() == 0


def drawn(height=40, width=60, seed=0, channels=3):
    """A picture that is unlike any of another seed, with a red left and a blue right half."""
    values = np.random.default_rng(seed).integers(0, 60, (height, width, channels), dtype=np.uint8)
    values[:, : width // 2, 0] += 180
    values[:, width // 2 :, 2] += 180
    return Image.fromarray(values)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(seed=1, **shape):
    return encoded(drawn(seed=seed, **shape), "PNG")


def jpeg(seed=1, **options):
    return encoded(drawn(seed=seed), "JPEG", quality=95, **options)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(exif=exif)


def claiming(width, height):
    """A PNG of a few bytes whose header claims any size."""

    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 100))
        + chunk(b"IEND", b"")
    )


def animated(kind):
    return encoded(drawn(), kind, save_all=True, append_images=[drawn(seed=2), drawn(seed=3)])


def sixteen_bits(kind):
    ramp = np.linspace(0, 65535, 40 * 60).reshape(40, 60).astype(np.uint16)
    return encoded(Image.fromarray(ramp), kind)


def spoiled(content, where, by=b"\xff" * 40):
    return content[:where] + by + content[where + len(by) :]


@pytest.fixture
def folder(tmp_path):
    """A folder with one good picture."""
    path = tmp_path / "photos"
    path.mkdir()
    (path / "good.png").write_bytes(png(seed=99))
    return path


@pytest.fixture
def opened(folder, tmp_path):
    return lambda **kw: Library.open(folder, tmp_path / "home", **kw)


READ = {
    "grey.png": encoded(drawn().convert("L"), "PNG"),
    "one-bit.png": encoded(drawn().convert("1"), "PNG"),
    "palette.png": encoded(drawn().convert("P"), "PNG"),
    "palette.gif": encoded(drawn().convert("P"), "GIF"),
    "palette-see-through.png": encoded(drawn().convert("P"), "PNG", transparency=0),
    "16-bit.png": sixteen_bits("PNG"),
    "16-bit.tif": sixteen_bits("TIFF"),
    "alpha.png": encoded(drawn().convert("RGBA"), "PNG"),
    "grey-alpha.png": encoded(drawn().convert("LA"), "PNG"),
    "alpha.webp": encoded(drawn().convert("RGBA"), "WEBP"),
    "cmyk.jpg": encoded(drawn().convert("CMYK"), "JPEG"),
    "ycbcr.tif": encoded(drawn().convert("YCbCr"), "TIFF"),
    "progressive.jpg": jpeg(progressive=True),
    "CAPITALS.JPG": jpeg(),
    "png-named.jpg": png(),
    "without-ending": jpeg(),
    "named.txt": png(),
    "animated.gif": animated("GIF"),
    "animated.webp": animated("WEBP"),
    "animated.png": animated("PNG"),
    "pages.tif": animated("TIFF"),
    "bitmap.bmp": encoded(drawn(), "BMP"),
    "plain.ppm": encoded(drawn(), "PPM"),
    "broken-exif.jpg": jpeg(exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xee" * 30),
    "long-and-thin.png": png(height=16, width=3000),
    "spaces and ümlauts 猫.png": png(),
    "nested/deep/er/in.png": png(),
    "-rf.png": png(),
    "$(touch x); `ls`.png": png(),
    "<b onload=x>&quot;.png": png(),
    "%2e%2e%2fx.png": png(),
}


@pytest.mark.parametrize("name", READ)
def test_it_is_read(folder, opened, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(READ[name])
    library = opened()
    assert library.left_out == [] and {picture.path for picture in library.pictures} == {"good.png", name}
    (number,) = (number for number, picture in enumerate(library.pictures) if picture.path == name)
    seen = library.array(number)
    assert seen.dtype == np.uint8 and seen.shape[2] == 3 and max(seen.shape) <= 320 and seen.std() > 10


BAD = {
    "empty.jpg": (b"", "0 bytes"),
    "text.jpg": (b"not a picture at all", "no picture, whatever its ending .jpg says"),
    "notes.txt": (b"milk, eggs", "no picture"),
    "page.html": (b"<html><img src=x></html>", "no picture"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "no picture"),
    "script.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EOF\n", "no picture"),
    "paper.pdf": (b"%PDF-1.4\n%%EOF\n", "no picture"),
    "zip.png": (b"PK\x03\x04" + b"\0" * 60, "no picture"),
    "noise.jpg": (RNG.bytes(4000), "no picture"),
    "zeros.png": (bytes(4000), "no picture"),
    "film.mp4": (b"\0\0\0\x18ftypmp42" + bytes(400), "no picture"),
    "cut.png": (png()[:3000], "cannot be read"),
    "cut.jpg": (jpeg()[: len(jpeg()) // 2], "cannot be read"),
    "cut.gif": (encoded(drawn().convert("P"), "GIF")[:900], "cannot be read"),
    "cut.webp": (encoded(drawn(), "WEBP", lossless=True)[:400], "cannot be read"),
    "cut.tif": (encoded(drawn(), "TIFF")[:2000], "cannot be read"),
    "head-only.png": (png()[:33], "damaged at its beginning"),
    "head-only.jpg": (jpeg()[:4], "damaged at its beginning"),
    "spoiled.png": (spoiled(png(), 41), "cannot be read"),
    "spoiled-size.png": (spoiled(png(), 16, b"\0\0\0\0"), "damaged at its beginning"),
    "tiny.png": (png(height=4, width=4), "smaller than 16 pixels"),
    "one-pixel-high.png": (png(height=1, width=400), "smaller than 16 pixels"),
    "bomb.png": (claiming(60000, 60000), "more pixels than can be opened safely"),
    "large-bomb.png": (claiming(12000, 12000), "too many to be opened safely"),
    "bomb.ppm": (b"P6 50000 50000 255\n" + bytes(60), "more pixels than can be opened safely"),
    "float.tif": (encoded(Image.fromarray(np.ones((40, 40), np.float32)), "TIFF"), "no agreed white"),
    "z-copy.png": (png(seed=99), "duplicate of good.png"),
    "a-copy.txt": (png(seed=99), "duplicate of"),
    ".hidden.png": (png(), "hidden"),
    "two\nlines.png": (png(), "rename it"),
    "bell\a.png": (png(), "rename it"),
    os.fsdecode(b"latin-\xe9.png"): (png(), "rename it"),
}


def reasons(library):
    return {item.path: item.reason for item in library.left_out}


@pytest.mark.parametrize("name", BAD, ids=lambda name: ascii(name)[1:-1])
def test_it_is_left_out_and_named(folder, opened, name):
    content, reason = BAD[name]
    (folder / name).write_bytes(content)
    library = opened()
    (line,) = library.left_out
    assert reason in line.reason and len(library.pictures) == 1
    both = line.path + line.reason
    assert both.isprintable() and both.encode(), "one line of text, whatever the file's name"


def pipe(folder):
    os.mkfifo(folder / "x")


def plug(folder):
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{here}/x")
    os.close(here)


def outward(folder):
    (folder.parent / "secret.png").write_bytes(png())
    (folder / "x").symlink_to(folder.parent / "secret.png")


def outward_folder(folder):
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "secret.png").write_bytes(png())
    (folder / "x").symlink_to("../other")


def circle(folder):
    (folder / "x").symlink_to(folder)


def locked_folder(folder):
    (folder / "x").mkdir()
    (folder / "x" / "in.png").write_bytes(png())
    (folder / "x").chmod(0)


def locked_file(folder):
    (folder / "x").write_bytes(png())
    (folder / "x").chmod(0)


def heavy(folder):
    (folder / "x").write_bytes(png())
    os.truncate(folder / "x", thumbnails.HEAVIEST + 1)


def hidden_folder(folder):
    (folder / ".x").mkdir()
    (folder / ".x" / "in.png").write_bytes(png())


needs_rights = pytest.mark.skipif(AS_ROOT, reason="root reads everything")
ODD = [
    (pipe, "a pipe"),
    (plug, "a socket"),
    (outward, "a link out of the folder"),
    (outward_folder, "a link out of the folder"),
    (lambda folder: (folder / "x").symlink_to("/dev/zero"), "a link out of the folder"),
    (lambda folder: (folder / "x").symlink_to("missing.png"), "a link to nothing"),
    (lambda folder: (folder / "x").symlink_to("x"), "a link"),
    (circle, "a link to a folder that is in here already"),
    (lambda folder: (folder / "x").symlink_to("good.png"), "duplicate of good.png"),
    (lambda folder: os.link(folder / "good.png", folder / "x"), "duplicate of good.png"),
    (heavy, "save a smaller copy"),
    (hidden_folder, "hidden"),
    pytest.param(locked_folder, "a folder that cannot be read", marks=needs_rights),
    pytest.param(locked_file, "change its rights", marks=needs_rights),
]


@pytest.mark.parametrize(("make", "reason"), ODD)
def test_what_is_no_file_of_the_folder_is_left_out_and_named(folder, opened, make, reason):
    make(folder)
    try:
        (line,) = opened().left_out
        assert line.path.strip("./") == "x" and reason in line.reason
    finally:
        if not (folder / "x").is_symlink() and (folder / "x").exists():
            (folder / "x").chmod(0o700)


@pytest.mark.parametrize("problem", [FileNotFoundError, PermissionError])
def test_a_file_or_folder_that_cannot_be_opened_is_named(folder, opened, monkeypatch, problem):
    """Where rights forbid it, or the file has gone since it was listed; root, who may all, is no witness."""
    (folder / "x.png").write_bytes(png())
    (folder / "sub").mkdir()
    scandir, take = os.scandir, thumbnails.Path.open

    def refusing(path, *rest, of, names):
        if os.fspath(path).endswith(names):
            raise problem(2, "no way")
        return of(path, *rest)

    monkeypatch.setattr(os, "scandir", lambda path: refusing(path, of=scandir, names="sub"))
    monkeypatch.setattr(thumbnails.Path, "open", lambda path, *rest: refusing(path, *rest, of=take, names="x.png"))
    assert {path: "no way" in reason for path, reason in reasons(opened()).items()} == {"sub/": True, "x.png": True}


NOTHING = {
    "missing": (lambda tmp: tmp / "nowhere", "no such folder"),
    "a file": (lambda tmp: tmp / "photos" / "good.png", "a file, no folder"),
    "a file's inside": (lambda tmp: tmp / "photos" / "good.png" / "x", "cannot be read|no such folder"),
    "a link in a circle": (lambda tmp: tmp / "round", "cannot be read"),
    "a zero byte": (lambda tmp: tmp / "a\0b", "cannot be read"),
    "too long": (lambda tmp: tmp / ("x" * 5000), "cannot be read"),
    "empty": (lambda tmp: tmp / "empty", "no pictures in it"),
    "none of it good": (lambda tmp: tmp / "texts", "no pictures in it.*\n.*a.txt: no picture"),
}


@pytest.mark.parametrize("case", NOTHING)
def test_a_folder_of_no_use_is_one_clear_error(folder, tmp_path, case):
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    where, message = NOTHING[case]
    with pytest.raises(UserError, match=message):
        Library.open(where(tmp_path), tmp_path / "home")


def test_heic_is_read_where_its_package_is_there(folder, opened, monkeypatch):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(drawn()).save(folder / "x.heic")
    monkeypatch.setattr(thumbnails.importlib.util, "find_spec", lambda name: None)
    thumbnails.formats.cache_clear()
    assert "pip install pillow-heif" in reasons(opened())["x.heic"]
    monkeypatch.undo()
    thumbnails.formats.cache_clear()
    library = opened()
    assert library.left_out == [] and [picture.path for picture in library.pictures] == ["good.png", "x.heic"]


class TestPixels:
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_a_picture_is_turned_as_its_exif_data_say(self, folder, opened, orientation):
        from PIL import ImageOps

        (folder / "x.jpg").write_bytes(turned(orientation))
        library = opened()
        with Image.open(folder / "x.jpg") as image:
            expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), np.float32)
        picture = library.pictures[1]
        assert (picture.height, picture.width) == expected.shape[:2] == library.array(1).shape[:2]
        assert abs(library.array(1) - expected).mean() < 12

    def test_what_is_transparent_is_white(self, folder, opened):
        (folder / "x.png").write_bytes(encoded(Image.new("RGBA", (30, 30), (200, 0, 0, 0)), "PNG"))
        assert opened().array(1).min() > 250

    def test_16_bits_are_scaled_and_not_cut_off(self, folder, opened):
        (folder / "x.png").write_bytes(sixteen_bits("PNG"))
        means = opened().array(1).mean((1, 2))
        assert means[0] < 15 and means[-1] > 240 and (np.diff(means) > 0).all()

    def test_of_an_animation_the_first_frame_counts(self, folder, opened):
        frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "blue")]
        (folder / "x.gif").write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        assert np.allclose(opened().array(1).mean((0, 1)), [255, 0, 0], atol=6)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG"])
    def test_thumbnails_and_large_ones_keep_the_shape(self, folder, opened, kind):
        (folder / "x").write_bytes(encoded(drawn(height=700, width=1400), kind))
        library = opened()
        with Image.open(library.thumbnail(1)) as small, Image.open(io.BytesIO(library.large(1))) as large:
            assert (small.format, small.size, large.format, large.size) == ("WEBP", (320, 160), "WEBP", (1280, 640))
        assert (library.pictures[1].width, library.pictures[1].height) == (1400, 700)

    def test_a_small_picture_that_was_stored_exactly_is_kept_exactly(self, folder, opened):
        (folder / "x.png").write_bytes(png())
        assert np.array_equal(opened().array(1), np.asarray(drawn(seed=1)))

    def test_nothing_but_pixels_leaves_the_original(self, folder, opened):
        exif = Image.Exif()
        exif[0x010E] = "taken at home"
        (folder / "x.jpg").write_bytes(jpeg(exif=exif, comment=b"taken at home"))
        library = opened()
        assert all(b"home" not in content for content in (library.thumbnail(1).read_bytes(), library.large(1)))


class TestNumbers:
    def test_a_number_is_for_life(self, folder, opened):
        (folder / "b.png").write_bytes(png(2))
        first = opened()
        (folder / "a.png").write_bytes(png(3))  # sorts before those that have numbers
        (folder / "b.png").unlink()
        second = opened()
        assert [(p.path, p.gone) for p in second.pictures] == [("b.png", True), ("good.png", False), ("a.png", False)]
        assert [p.sha256 for p in first.pictures] == [p.sha256 for p in second.pictures[:2]]
        assert Image.open(io.BytesIO(second.large(0))).size == (60, 40), "a thumbnail outlives its picture"

    def test_a_picture_that_is_moved_keeps_its_number(self, folder, opened):
        (folder / "b.png").write_bytes(png(2))
        opened()
        (folder / "sub").mkdir()
        (folder / "b.png").rename(folder / "sub" / "z.png")
        assert [(p.path, p.gone) for p in opened().pictures] == [("sub/z.png", False), ("good.png", False)]

    def test_a_copy_stands_in_for_an_original_that_vanishes(self, folder, opened):
        shutil.copy(folder / "good.png", folder / "zz.png")
        assert reasons(opened()) == {"zz.png": "duplicate of good.png"}
        (folder / "good.png").unlink()
        assert [(p.path, p.gone) for p in opened().pictures] == [("zz.png", False)]

    def test_other_bytes_are_another_picture(self, folder, opened):
        before = opened().pictures[0]
        (folder / "good.png").write_bytes(png(5))
        after = opened().pictures
        assert (
            after[0].sha256 == before.sha256 and after[0].gone and after[1].path == "good.png" and not after[1].gone
        )

    def test_bytes_that_change_within_a_tick_of_the_clock_are_seen(self, folder, opened):
        about = (folder / "good.png").stat()
        opened()
        other = png(7)
        (folder / "good.png").write_bytes(other[: about.st_size].ljust(about.st_size, b"\0"))
        os.utime(folder / "good.png", ns=(about.st_atime_ns, about.st_mtime_ns))
        (folder / "more.png").write_bytes(png(8))
        assert opened().pictures[0].gone

    def test_a_second_look_opens_no_file(self, folder, opened, monkeypatch):
        (folder / "notes.txt").write_text("no picture")
        for path in folder.iterdir():
            os.utime(path, (1e9, 1e9))
        monkeypatch.setattr("pcl.label.library.SETTLED", -(10**15))
        first = opened()
        monkeypatch.setattr(thumbnails, "take", lambda path: pytest.fail(f"{path} was opened"))
        second = opened()
        assert (first.pictures, first.left_out) == (second.pictures, second.left_out)

    def test_a_damaged_index_is_refused_by_name(self, folder, opened):
        index = opened().place / "library.json"
        index.write_bytes(spoiled(index.read_bytes(), 30))
        with pytest.raises(UserError, match=r"library\.json: damaged"):
            opened()


class TestPrivacy:
    def test_originals_are_not_touched(self, folder, opened):
        def state():
            files = sorted(path for path in folder.rglob("*"))
            return [
                (path, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, path.stat().st_mode)
                for path in files
            ]

        for name, content in READ.items():
            if "/" not in name:
                (folder / name).write_bytes(content)
        before = state()
        library = opened()
        for number in range(len(library.pictures)):
            library.large(number)
        assert state() == before

    def test_what_is_kept_is_for_its_owner_alone(self, opened):
        library = opened()
        private.private_folder(library.place / "features")
        for path in [library.place.parent, library.place, *library.place.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path

    def test_the_place_lies_outside_the_folder_and_is_named_after_it(self, folder, monkeypatch, tmp_path):
        monkeypatch.setenv("PCL_HOME", str(tmp_path / "mine"))
        place = Library.open(folder).place
        assert place.parent == tmp_path / "mine" and place.name.startswith("photos-") and len(place.name) == 15
        (tmp_path / "link").symlink_to(folder)
        assert Library.open(tmp_path / "link").place == place

    def test_a_place_inside_the_folder_is_not_read_as_pictures(self, folder):
        library = Library.open(folder, folder / "kept")
        library = Library.open(folder, folder / "kept")
        assert len(library.pictures) == 1 and reasons(library) == {"kept": "the program's own files"}

    def test_a_file_that_was_swapped_is_not_shown(self, folder, opened, tmp_path):
        library = opened()
        (tmp_path / "secret.png").write_bytes(png(4, height=300, width=300))
        (folder / "good.png").unlink()
        (folder / "good.png").symlink_to(tmp_path / "secret.png")
        assert Image.open(io.BytesIO(library.large(0))).size == (60, 40)

    def test_a_full_disk_stops_it_and_blames_no_picture(self, folder, opened, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("pcl.label.library.os.fdopen", full)
        with pytest.raises(UserError, match="No space left on device"):
            opened()

    def test_a_place_that_cannot_be_made_is_one_clear_error(self, folder, tmp_path):
        (tmp_path / "taken").write_text("a file")
        with pytest.raises(UserError, match=r"taken: cannot be made a private folder .* PCL_HOME"):
            Library.open(folder, tmp_path / "taken")

    def test_a_thumbnail_that_was_deleted_is_made_again(self, opened):
        library = opened()
        before = library.thumbnail(0).read_bytes()
        shutil.rmtree(library.place / "thumbnails")
        assert library.thumbnail(0).read_bytes() == before


def test_progress_is_told_to_the_end(folder, opened):
    for seed in range(4):
        (folder / f"{seed}.png").write_bytes(png(seed))
    told = []
    opened(report=lambda *what: told.append(what))
    assert told[0] == ("reading pictures", 0, 5) and told[-1] == ("reading pictures", 5, 5)
