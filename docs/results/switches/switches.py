"""Write switches.csv, seeds.csv and README.md beside this file, from the folders of the runs behind the table."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from statistics import fmean, stdev

from pcl import config, stats
from pcl.intervals import ENOUGH, Images
from pcl.plan import Plan
from pcl.report import tables
from pcl.report.words import NOT_RUN, interval

HERE = Path(__file__).parent
TABLE, TASK = "switches", "digits10-4"
SCORES = ("acc", "nmi", "ari", "f")
HEAD = """# Every switch, every seed

ACC on test images of `digits10-4`, personalized, in the demo: PCL as printed and as released, and each of the two
with one setting as the other has it. Rows stand below the arm that they are held against, by the size of the
difference; PCL as released is held against PCL as printed. The interval is a bootstrap over seeds and images, the
same ones for both arms; bold where it excludes 0, as one in twenty would by chance alone. The last column is the
mean, with the standard deviation in brackets. `switches.csv` is the whole table; `seeds.csv` has four scores on
either split and the questions of every run. What each setting is worth:
[paper against release](../../paper-vs-release.md).

```sh
snakemake --cores 2 reports/switches.csv
python docs/results/switches/switches.py
make docs
```
"""

Rows = list[dict[str, str]]


def page(table: Rows, seeds: Rows) -> str:
    """README.md."""
    numbers = sorted({int(row["seed"]) for row in seeds})
    acc = {(row["arm"], int(row["seed"])): float(row["acc"]) for row in seeds if row["split"] == "test"}
    lines, group = [], None
    for row in table:
        if row["group"] != group:
            group = row["group"]
            head = ["arm", "difference", *(f"seed {seed}" for seed in numbers), "mean"]
            lines += ["", f"## {group}", "", *_lines([head, ["---", *["---:"] * (len(head) - 1)]])]
        own = [acc[row["arm"], seed] for seed in numbers if (row["arm"], seed) in acc]
        shown = [f"{score:.3f}" for score in own] or [NOT_RUN] * len(numbers)
        mean = f"{fmean(own):.3f} ({stdev(own):.3f})" if own else NOT_RUN
        lines += _lines([[row["method"], difference(row), *shown, mean]])
    return HEAD + "\n".join(lines) + "\n"


def difference(row: dict[str, str]) -> str:
    """Of a row's ACC, in bold where it is clear."""
    mean, low, high = (row[f"{TASK} ACC {end}"] for end in ("difference", "low", "high"))
    if not mean[-1:].isdigit():
        return "–"
    ends = float(low), float(high)
    text = interval(float(mean), *ends)
    clear = int(row[f"{TASK} ACC n"]) >= ENOUGH and (ends[0] > 0 or ends[1] < 0)
    return f"**{text}**" if clear else text


def _lines(rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in rows]


def main() -> None:
    """From what lies in results/: the arms of which all seeds are there."""
    plan = Plan(config.load(config.PARAMS), "demo")
    runs = plan.runs(TABLE)
    lacking = {run.arm for run in runs if not run.folder.complete}
    made = [run for run in runs if run.arm not in lacking]
    if not made:
        sys.exit("results/: has no arm of this table with all its seeds yet")
    frame = stats.collect(made)
    text = tables.to_csv(tables.build(plan, TABLE, frame, Images(runs)))
    columns = ["arm", "seed", "split", *SCORES, *stats.QUESTIONS[:-1], "key"]
    seeds = frame[columns].to_csv(index=False, lineterminator="\n", float_format="%.6f")
    (HERE / "switches.csv").write_text(text)
    (HERE / "seeds.csv").write_text(seeds)
    read = (list(csv.DictReader(io.StringIO(one))) for one in (text, seeds))
    (HERE / "README.md").write_text(page(*read))


if __name__ == "__main__":
    main()
