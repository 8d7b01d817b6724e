"""Write curves.csv and README.md beside this file: how arms of the demo learn, from the folders of their runs."""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from pcl import config
from pcl.plan import Plan, Run

TABLES = ("neighbours", "neighbours-default", "occ-table2", "idc-table")
LEFT_OUT = ("kmeans", "cc-overwrite")  # which have no epochs
HERE = Path(__file__).parent
HEAD = """# Learning curves

ACC on training images, mean (standard deviation) over five seeds, wherever a run of the demo looks at itself: every
eighth epoch, where all seeds got as far, and the end; nothing is chosen by it. Questions: asked by then. Kept: the
share of answered must-links and cannot-links that the final clusters satisfy. From the runs of the tables
`neighbours`, `neighbours-default`, `occ-table2` and `idc-table`, as far as all seeds of an arm are there, by
`python docs/results/curves/curves.py`.

| task | orientation | arm | stage | epoch | ACC | questions | must kept | cannot kept |
|---|---|---|---|---:|---:|---:|---:|---:|
"""


def curve(runs: list[Run], orientation: str) -> list[dict[str, object]]:
    """A row for every epoch at which all runs, one a seed, have looked at themselves, and for the end of each."""
    seen: dict[tuple[str, int | str], list[tuple[float, int]]] = defaultdict(list)
    for run in runs:
        with run.folder.history.open(newline="") as file:
            looks = [row for row in csv.DictReader(file) if row.get(f"{orientation}_acc")]
        for row in looks:
            epoch = "end" if row is looks[-1] else int(row["epoch"])
            seen[row["stage"], epoch].append((float(row[f"{orientation}_acc"]), int(row["asked"])))
    found: list[dict[str, object]] = []
    for (stage, epoch), scores in seen.items():
        acc = [score for score, _ in scores]
        if len(acc) == len(runs):
            said = {"task": runs[0].task, "orientation": orientation, "arm": runs[0].arm, "stage": stage}
            said |= {"epoch": epoch, "n": len(acc), "acc_mean": round(fmean(acc), 4), "acc_std": round(stdev(acc), 4)}
            asked = round(fmean(asked for _, asked in scores))
            found.append({**said, "asked": asked, "must_kept": "", "cannot_kept": ""})
    if runs[0].budget:
        must, cannot = (fmean(shares) for shares in zip(*map(kept, runs), strict=True))
        found[-1] |= {"must_kept": round(must, 4), "cannot_kept": round(cannot, 4)}
    return found


def kept(run: Run) -> tuple[float, float]:
    """The shares of answered must-links and cannot-links that the final clusters satisfy."""
    with np.load(run.path / "assignments.npz") as saved:
        cluster = dict(zip(saved["train_index"].tolist(), saved["train_cluster"].tolist(), strict=True))
    right: dict[bool, list[bool]] = {True: [], False: []}
    for line in (run.path / "answers.jsonl").read_text().splitlines():
        for i, j, same in pairs(json.loads(line)):
            right[same].append((cluster[i] == cluster[j]) == same)
    return fmean(right[True]), fmean(right[False])


def pairs(answer: dict[str, object]) -> list[tuple[int, int, bool]]:
    """What an answer says of pairs: itself, or an image beside each of the prototypes up to the chosen one."""
    i, j = answer["i"], answer["j"]
    if "others" not in answer:
        return [(i, j, answer["same"])] if isinstance(answer["same"], bool) else []
    prototypes, chosen = [j, *answer["others"]], answer["chosen"]
    if chosen is None:
        return []
    refused = prototypes[: chosen - 1] if chosen else prototypes
    return [(i, other, False) for other in refused] + ([(i, prototypes[chosen - 1], True)] if chosen else [])


def page(rows: list[dict[str, object]]) -> str:
    """README.md."""
    shown = (
        f"| `{row['task']}` | {row['orientation']} | `{row['arm']}` | {row['stage']} | {row['epoch']} "
        f"| {float(row['acc_mean']):.3f} ({float(row['acc_std']):.3f}) | {row['asked']} "
        f"| {_share(row['must_kept'])} | {_share(row['cannot_kept'])} |\n"
        for row in rows
    )
    return HEAD + "".join(shown)


def _share(value: object) -> str:
    return f"{float(str(value)):.2f}" if str(value) else "–"


def main() -> None:
    """From what lies in results/."""
    plan = Plan(config.load(config.PARAMS), "demo")
    groups: dict[tuple[str, str, str], dict[int, Run]] = defaultdict(dict)
    for table in TABLES:
        for run in plan.runs(table):
            for orientation in plan.catalogue.tables[table].orientations:
                if run.arm not in LEFT_OUT and orientation in run.targets:
                    groups[run.task, orientation, run.arm][run.seed] = run
    whole = {
        place: list(runs.values()) for place, runs in groups.items() if all(r.folder.complete for r in runs.values())
    }
    rows = [row for place in sorted(whole) for row in curve(whole[place], place[1])]
    if not rows:
        sys.exit("results/: has no run of these tables yet")
    with (HERE / "curves.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (HERE / "README.md").write_text(page(rows))


if __name__ == "__main__":
    main()
