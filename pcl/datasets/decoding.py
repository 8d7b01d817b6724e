"""From picture files to arrays of one size: turned upright, without transparency, or refused by name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pcl.datasets.base import Progress
from pcl.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

# Some of them not every installation can read: they are tried, and refused by name, rather than passed over.
ENDINGS = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)
"""In small letters; those of files may be in capitals."""
LISTED = 10


def decode_all(
    folder: Path, members: Mapping[str, Sequence[str]], size: int, channels: int, progress: Progress
) -> dict[str, NDArray[np.uint8]]:
    """Images uint8 [N, channels, size, size] of every split.

    Args:
        folder: what holds the files.
        members: split -> its files, below the folder.
        size: pixels of a side.
        channels: 3 for RGB, 1 for grey.
        progress: told how many images are done.

    Raises:
        UserError: images cannot be read; it names them.
    """
    decoded: dict[str, NDArray[np.uint8]] = {}
    broken: list[str] = []
    for split, files in members.items():
        images = np.empty((len(files), channels, size, size), np.uint8)
        for row, file in enumerate(files):
            try:
                images[row] = decode(folder / file, size, channels)
            # Pillow meets damaged files with many kinds of exception; all of them go into one report.
            except Exception as error:
                broken.append(f"{folder / file} ({error})")
            if (row + 1) % 1000 == 0:
                progress(f"{split}: {row + 1} of {len(files)} images")
        decoded[split] = images
    if broken:
        n = sum(map(len, members.values()))
        raise UserError(
            listed(f"{folder}: {len(broken)} of {n} images cannot be read:", broken)
            + "\nCopy them again from the original archive or camera, or take them out of the folder."
        )
    return decoded


def listed(head: str, lines: Sequence[str]) -> str:
    """A message with the first lines of a list below it, and how many more there are."""
    more = [f"  … and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return "\n".join([head, *(f"  {line}" for line in lines[:LISTED]), *more])


def decode(file: Path | IO[bytes], size: int, channels: int) -> NDArray[np.uint8]:
    """One image, uint8 [channels, size, size], resized as a whole (bilinear, antialiased), without a crop.

    It is turned as its EXIF data say; what is transparent becomes white; 16-bit grey is brought to 8 bits.

    Raises:
        OSError: the file is missing, damaged or no image.
        ValueError: its pixels have no agreed white.
    """
    from PIL import Image

    with warnings.catch_warnings():
        # Pillow warns of odd metadata in hundreds of ImageNet's files; the pixels are what counts here.
        warnings.simplefilter("ignore")
        with Image.open(file) as image:
            flat = plain(image).convert("RGB" if channels == 3 else "L")
            pixels = flat.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(pixels).reshape(size, size, channels).transpose(2, 0, 1)


def plain(image: Image) -> Image:
    """A picture as a person sees it: turned as its EXIF data say, on white, with 8 bits a channel; loads its pixels.

    Raises:
        OSError: the file is damaged.
        ValueError: its pixels have no agreed white.
    """
    return _opaque(_eight_bit(_upright(image)))


def _upright(image: Image) -> Image:
    from PIL import ImageOps

    image.load()
    try:
        return ImageOps.exif_transpose(image)
    # The pixels are there already: only the metadata can be broken, in as many ways as there are cameras.
    except Exception:
        return image


def _eight_bit(image: Image) -> Image:
    """The image with 8 bits a channel; Pillow itself would cut off what is above 255."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no agreed white; save it with 8 or 16 bits")
    return image


def _opaque(image: Image) -> Image:
    from PIL import Image

    if not image.has_transparency_data:
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA"))
