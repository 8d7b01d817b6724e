"""From files that nobody vouches for to small pictures of our own making, or to a reason why not.

Originals are opened for reading, one format decoder of a short list at a time, and never after their header has said
that they would take too much memory. What leaves this file is encoded anew: nothing of the original but its pixels,
so no place where a photograph was taken either.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pcl.datasets.decoding import ENDINGS, plain

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
SHRINKING = ("JPEG", "MPO")  # MPO: a JPEG with others behind it, which the reader of JPEG opens
"""Formats whose decoder gives a smaller picture without holding the whole one."""
EXACT = ("PNG", "GIF", "BMP", "TIFF", "PPM")
"""Formats that lose nothing; where such a picture is small, its thumbnail loses nothing either."""
SMALLEST = 16
HEAVIEST = 1 << 29  # bytes
PIXELS = 89_478_485  # a quarter of 2**30 bytes of RGB, Pillow's own bound for a warning
THUMBNAIL = 320
LARGE = 1280
QUARTER_TURNS = (5, 6, 7, 8)
ORIENTATION = 0x0112  # the EXIF tag


class Refused(Exception):
    """A file is not taken; the message is the reason, for a person."""


@dataclass(frozen=True)
class Taken:
    """What a file holds: digest of its bytes, size as a person sees the picture, and its thumbnail as WebP."""

    sha256: str
    width: int
    height: int
    thumbnail: bytes


@cache
def formats() -> tuple[str, ...]:
    """The formats that this installation reads."""
    # Pillow warns of odd metadata; here the pixels are what counts. Said once, because threads share the filters.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    Image.init()
    if importlib.util.find_spec("pillow_heif") is None:
        return FORMATS
    import pillow_heif

    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


def readers() -> str:
    """What reads pictures here; what another one refused, this one may read."""
    return f"Pillow {PIL.__version__}, {' '.join(formats())}"


def take(path: Path) -> Taken:
    """Digest, size and thumbnail of a picture.

    Raises:
        Refused: it is no picture, damaged, too small or too large.
    """
    with _refusing(path), path.open("rb") as file:
        with _opened(file) as image:
            width, height = image.size
            _size_fits(image)
            small = _shrunk(image, THUMBNAIL)
            exact = image.format in EXACT and max(width, height) <= THUMBNAIL
            # Not before: the metadata of a PNG may lie behind its pixels, and a damaged one fails only once.
            if _orientation(image) in QUARTER_TURNS:
                width, height = height, width
        file.seek(0)
        return Taken(hashlib.file_digest(file, "sha256").hexdigest(), width, height, _webp(small, exact))


def large(path: Path, sha256: str) -> bytes:
    """A picture of at most 1280 pixels a side as WebP, if the file still has that digest.

    Raises:
        Refused: as `take`, or it holds something else by now.
    """
    with _refusing(path), path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise Refused("another file than before")
        file.seek(0)
        with _opened(file) as image:
            _size_fits(image)
            return _webp(_shrunk(image, LARGE))


def pixels(source: Path | bytes) -> NDArray[np.uint8]:
    """The pixels of a thumbnail: RGB, uint8 [H, W, 3].

    Raises:
        OSError: it is damaged.
    """
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=["WEBP"]) as image:
        return np.asarray(image.convert("RGB"))


def _opened(file: BinaryIO) -> Image.Image:
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise Refused("empty: a file of 0 bytes; copy it again")
    if size > HEAVIEST:
        raise Refused(f"a file of {size >> 20:,} MiB, more than {HEAVIEST >> 20} MiB; save a smaller copy")
    return Image.open(file, formats=formats())


def _size_fits(image: Image.Image) -> None:
    if min(image.size) < SMALLEST:
        raise Refused(f"smaller than {SMALLEST} pixels: {image.width} × {image.height}")
    if image.width * image.height > PIXELS and image.format not in SHRINKING:
        raise Refused(f"{image.width:,} × {image.height:,} pixels, too many to be opened safely; save a smaller copy")


def _shrunk(image: Image.Image, longest: int) -> Image.Image:
    """The picture as a person sees it, RGB, no side longer than that; an animation's first frame."""
    image.draft("RGB", (longest, longest))
    small = plain(image)
    if max(small.size) > longest:
        small = small.convert("RGB")
        small.thumbnail((longest, longest), Image.Resampling.BICUBIC)
    return small.convert("RGB")


def _webp(image: Image.Image, exact: bool = False) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=90, method=0, lossless=exact)
    return buffer.getvalue()


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ORIENTATION)
    # Metadata can be broken in as many ways as there are cameras; the pixels are what counts.
    except Exception:
        return None


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Make of whatever a decoder raises a reason; Pillow meets damaged files with many kinds of exception."""
    try:
        yield
    except Refused:
        raise
    except UnidentifiedImageError as error:
        raise Refused(_no_picture(path)) from error
    except Image.DecompressionBombError as error:
        raise Refused("far more pixels than can be opened safely; save a smaller copy") from error
    except MemoryError as error:
        raise Refused("cannot be read (not enough memory)") from error
    except PermissionError as error:
        raise Refused(f"cannot be read ({error.strerror}); change its rights") from error
    except Exception as error:
        problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Refused(f"cannot be read ({' '.join(problem.split())}); copy it again") from error


def _no_picture(path: Path) -> str:
    ending = path.suffix.lower()
    if ending in (".heic", ".heif") and "HEIF" not in formats():
        return "HEIC, which the package pillow-heif reads: pip install pillow-heif"
    if ending in ENDINGS:
        return f"no picture, whatever its ending {ending} says, or damaged at its beginning"
    return "no picture"
