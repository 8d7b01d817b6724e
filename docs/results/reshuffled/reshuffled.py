"""Write reshuffled.csv and README.md beside this file, from reports/reshuffled.csv."""

from __future__ import annotations

import csv
import shutil
from collections import defaultdict
from pathlib import Path
from statistics import fmean

HERE = Path(__file__).parent
DRAWN = Path("reports/reshuffled.csv")
HEAD = """# Assignments in other batches

With attention between images, what a trained network says of an image depends on the batch in which it is
evaluated. Here the test images of `digits10-4`, personalized, in the demo, are put into ten random orders, in
batches of the same size, and assigned anew by the networks of five seeds. Orders are compared with that of the data
set, whose ACC is what all other tables show.

- *Moved*: images whose cluster is another than in the order of the data set, the mean over seeds and orders, and
  the most.
- *ACC*: in the order of the data set, mean over seeds; in random ones, mean over seeds and orders.
- *Range*: from the least to the most ACC of one network over all eleven orders, the mean over seeds, and the
  widest.

`reshuffled.csv` has every seed and order. The figure is `snakemake --cores 2 reports/reshuffled.svg`, this page
`python docs/results/reshuffled/reshuffled.py`.

| arm | seeds | moved, mean | most | ACC, data set's order | random orders | range, mean | widest |
|---|---:|---:|---:|---:|---:|---:|---:|
"""

Rows = list[dict[str, str]]


def page(rows: Rows) -> str:
    """README.md."""
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        moved = [float(row["moved"]) for row in rows if row["arm"] == arm and row["order"] != "0"]
        acc: dict[str, list[float]] = defaultdict(list)
        for row in rows:
            if row["arm"] == arm:
                acc[row["seed"]].append(float(row["acc"]))
        first, others = [own[0] for own in acc.values()], [score for own in acc.values() for score in own[1:]]
        ranges = [max(own) - min(own) for own in acc.values()]
        scores = (fmean(first), fmean(others), fmean(ranges), max(ranges))
        words = [str(len(acc)), f"{fmean(moved):.1%}", f"{max(moved):.1%}", *(f"{score:.3f}" for score in scores)]
        lines.append(f"| `{arm}` | {' | '.join(words)} |\n")
    return HEAD + "".join(lines)


def main() -> None:
    """From the CSV of the figure."""
    shutil.copy(DRAWN, HERE / "reshuffled.csv")
    with (HERE / "reshuffled.csv").open(newline="") as file:
        (HERE / "README.md").write_text(page(list(csv.DictReader(file))))


if __name__ == "__main__":
    main()
