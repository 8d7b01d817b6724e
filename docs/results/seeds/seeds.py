"""The runs behind seeds.csv (`seeds.py paths`), and the table itself from their folders (`seeds.py table`)."""

import csv
import json
import sys
from pathlib import Path

import numpy as np

from pcl import config
from pcl.plan import Plan

ARMS = {"digits10-2": ("pcl", "pcl-no-pairs", "dcc", "adc", "dcgmm"), "digits10-4": ("pcl", "pcl-no-pairs")}
SEEDS = {"digits10-2": range(10), "digits10-4": range(5)}


def row(folder: Path) -> dict[str, object]:
    """Scores of a run, and how many of its own answers its clusters satisfy."""
    metrics = json.loads((folder / "metrics.json").read_text())
    with np.load(folder / "assignments.npz") as saved:
        clusters = dict(zip(saved["train_index"].tolist(), saved["train_cluster"].tolist(), strict=True))
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    kept: dict[bool, list[bool]] = {True: [], False: []}
    for answer in answers:
        if isinstance(answer.get("same"), bool):
            kept[answer["same"]].append((clusters[answer["i"]] == clusters[answer["j"]]) == answer["same"])
    scores = metrics["scores"][metrics["orientation"]]
    return {
        "arm": metrics["arm"],
        "task": metrics["task"],
        "orientation": metrics["orientation"],
        "seed": metrics["seed"],
        "test_acc": scores["test"]["acc"],
        "train_acc": scores["train"]["acc"],
        "must": len(kept[True]),
        "must_kept": round(float(np.mean(kept[True])), 4),
        "cannot": len(kept[False]),
        "cannot_kept": round(float(np.mean(kept[False])), 4),
        "largest_share": max(metrics["shares"]["train"]),
    }


def main() -> None:
    """Write what the command line asks for."""
    plan = Plan(config.load(config.PARAMS), "demo")
    runs = [plan.run(task, "personalized", arm, seed) for task in ARMS for arm in ARMS[task] for seed in SEEDS[task]]
    if sys.argv[1:] == ["paths"]:
        sys.stdout.writelines(f"{run.path / 'metrics.json'}\n" for run in runs)
        return
    rows = [row(run.path) for run in runs]
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


main()
