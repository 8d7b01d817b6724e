"""What starting a run costs, as by hand and as Snakemake starts it: k-means on the digits, turn by turn.

Writes benchmarks/start.json.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pcl import warm
from pcl.artifacts import write_json
from pcl.provenance import provenance

ROUNDS = 5
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Measure and write."""
    by_hand = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    forked = dict(by_hand)
    warm.offer(forked)
    seconds: dict[str, list[float]] = {"by_hand": [], "forked": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "tests/params.smoke.yaml", folder / "params.yaml")
        _pcl(folder, by_hand, "prepare", "digits10")
        for orientation in ("default", "personalized"):
            _pcl(folder, by_hand, "relabel", "digits10-2", orientation)
        _pcl(folder, by_hand, "represent", "digits10-2", "pixels")
        run = ("train", "digits10-2", "any", "kmeans", "--threads", "1", "--seed")
        _pcl(folder, forked, *run, "0")  # the first one waits for the imports
        for number in range(ROUNDS):
            for kind, environment in (("by_hand", by_hand), ("forked", forked)):
                shutil.rmtree(folder / "results/runs")
                start = time.perf_counter()
                _pcl(folder, environment, *run, str(number))
                seconds[kind].append(time.perf_counter() - start)
    medians = {kind: statistics.median(each) for kind, each in seconds.items()}
    ratio = medians["by_hand"] / medians["forked"]
    content = {"seconds": medians, "ratio": ratio, "rounds": ROUNDS, "made": provenance()}
    write_json(Path("benchmarks/start.json"), content)
    print(f"a run by hand takes {medians['by_hand']:.2f} s, {ratio:.1f} times as long as a fork")


def _pcl(folder: Path, environment: dict[str, str], *words: str) -> None:
    command = [sys.executable, "-P", "-m", "pcl", *words]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


if __name__ == "__main__":
    main()
