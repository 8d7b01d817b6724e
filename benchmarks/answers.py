"""What asking costs: the wait for the next question, a whole run, and a million images.

Everything is timed on simulated features with one thread, in seconds of the processor, so that others who use the
machine hardly count. `make bench` writes the result to benchmarks/answers.json and prints it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl import metrics, propagation
from pcl.artifacts import write_json
from pcl.engine import rounds
from pcl.engine.events import Epoch
from pcl.engine.known import Known
from pcl.methods.careful import CarefulSettings, Method
from pcl.provenance import peak_memory_mb, provenance

CLUSTERS, KINDS, DIMENSIONS = 4, 40, 64
LIMIT = 0.1
"""Seconds within which the next question should come."""


def simulated(images: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Overlapping groups of images in 64 dimensions, several to a cluster."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(KINDS, DIMENSIONS)).astype(np.float32)
    kind = rng.integers(KINDS, size=images)
    rows = rng.standard_normal((images, DIMENSIONS), dtype=np.float32)
    rows += centres[kind]
    return rows, kind % CLUSTERS


def run(rows: NDArray[np.float32], truth: NDArray[np.int64], budget: int) -> dict[str, Any]:
    """A run of `ours`: seconds in all, of its rounds' beginnings, and of the questions between these."""
    method = Method(CarefulSettings(), CLUSTERS, budget)
    known = Known(method.constraints(len(rows)), budget)

    def learn(so_far: Known) -> NDArray[np.float32]:
        return method.cluster({"train": rows}, so_far, 0)["train"]

    choice = CarefulSettings().strategy
    assert choice is not None
    start = time.process_time()
    training = rounds.train(choice, rows, known, CLUSTERS, 0, learn)
    waits: list[float] = []
    refits: list[float] = []
    reply, fresh = None, True
    while True:
        asked = time.process_time()
        try:
            event = training.send(reply)
        except StopIteration:
            break
        if isinstance(event, Epoch):
            reply, fresh = None, True
            continue
        (refits if fresh else waits).append(time.process_time() - asked)
        reply, fresh = bool(truth[event.i] == truth[event.j]), False
    found = method.cluster({"train": rows}, known, 0)["train"].argmax(1)
    return {
        "images": len(rows),
        "questions": known.spent,
        "seconds": time.process_time() - start,
        "seconds_per_refit": statistics.median(refits),
        "rounds": len(refits),
        "wait_median": statistics.median(waits),
        "wait_p95": float(np.quantile(waits, 0.95)),
        "acc": metrics.accuracy(truth, found),
        "peak_memory_mb": peak_memory_mb(),
    }


def neighbours(rows: NDArray[np.float32], k: int) -> dict[str, float]:
    """Finding neighbours by descent against looking at all distances."""
    from sklearn.neighbors import NearestNeighbors

    propagation.Descent(k).fit(rows[:1000]).kneighbors()  # compiled once
    found, seconds = {}, {}
    for name, way in (
        ("exact", NearestNeighbors(n_neighbors=k, algorithm="brute")),
        ("descent", propagation.Descent(k)),
    ):
        start = time.process_time()
        found[name] = way.fit(rows).kneighbors()[1]
        seconds[name] = time.process_time() - start
    alike = (found["exact"][:, :, None] == found["descent"][:, None, :]).any(2).mean()
    return {"exact_s": seconds["exact"], "descent_s": seconds["descent"], "found": float(alike)}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--many", type=int, default=1_000_000, help="images of the large run; 0: none")
    parser.add_argument("--many-questions", type=int, default=500)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/answers.json"))
    options = parser.parse_args()
    rows, truth = simulated(options.images)
    content: dict[str, Any] = {"run": run(rows, truth, options.questions)}
    content["run"]["wait_p95_over_limit"] = content["run"]["wait_p95"] / LIMIT
    content["neighbours"] = neighbours(rows, CarefulSettings().neighbours)
    content["neighbours"]["ratio"] = content["neighbours"]["descent_s"] / content["neighbours"]["exact_s"]
    if options.many:
        content["many"] = run(*simulated(options.many), options.many_questions)
        per_image = (content[name]["seconds"] / content[name]["images"] for name in ("many", "run"))
        content["many"]["seconds_per_image_over_run"] = next(per_image) / next(per_image)
    write_json(options.out, content | {"made": provenance()})
    print(json.dumps(content, indent=2))


if __name__ == "__main__":
    main()
