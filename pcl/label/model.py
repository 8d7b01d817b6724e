"""What a session has learned, as a file that sorts other pictures without it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pcl import artifacts, seals
from pcl.label import features
from pcl.label.session import Session
from pcl.neighbourhoods import Neighbourhoods
from pcl.sorting import Sorter


def kept(session: Session, names: Mapping[int, str]) -> bytes:
    """All that is needed to sort other pictures, as the bytes of an .npz that holds numbers and text only."""
    found, sorter = session.learning.found, session.sorter
    assert found is not None
    axes = sorter.axes or (np.zeros(0, np.float32), np.zeros((0, 0), np.float32))
    return artifacts.as_npz(
        features=np.array(session.about.features),
        names=np.array([names[session.learning.column(own, session.groups.of)] for own in range(found.placed.count)]),
        rows=sorter.rows,
        mean=axes[0],
        axes=axes[1],
        images=found.placed.images,
        which=found.placed.which,
    )


def assign(path: Path, pictures: Sequence[Path]) -> tuple[str, list[str]]:
    """A table of other pictures: file, group, confidence; and a line for each file that is left out, with the reason.

    Args:
        path: `model.npz` of an export.
        pictures: files.

    Raises:
        UserError: the model is damaged, or no file is a picture.
    """
    with seals.refusing(path, "make it anew with `pcl export`"):
        kept = artifacts.from_npz(path.read_bytes())
        names, placed = kept["names"].tolist(), Neighbourhoods(kept["images"], kept["which"], len(kept["names"]))
        sorter = Sorter.restored(kept["rows"], (kept["mean"], kept["axes"]) if len(kept["mean"]) else None)
        name = str(kept["features"])
    rows, seen, left = features.of_files(pictures, name)
    p = sorter.others(sorter.sort(placed), rows)
    likeliest = zip(seen, p.argmax(1).tolist(), p.max(1).tolist(), strict=True)
    sorted_ = [(str(file), names[own], round(sure, 4)) for file, own, sure in likeliest]
    return lines(["file", "group", "confidence"], sorted_), left


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """The files that paths name, those in folders included, in order."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)
        else:
            found.append(path)
    return found


def lines(head: list[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([head, *rows])
    return text.getvalue()
