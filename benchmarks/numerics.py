"""What portable numerics cost: steps of PCL in a process held to them, and in one that is not, in turn.

`make bench` writes the ratio to benchmarks/numerics.json and prints it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

WIDTHS = (16, 64)  # that of the demo, and that of the paper
STEPS = """
import sys, time
from pcl import numerics
numerics.hold()
import numpy as np, torch
sys.path.insert(0, "benchmarks")
from step import session_of
from pcl.engine import device, loop
from pcl.engine.sampler import Members
torch.set_num_threads(1)
device.configure(torch.device("cpu"))
method, session = session_of(10, 8, 128, torch.device("cpu"), WIDTH)
session.known.budget = 0
index = session.sampler.fixed_order()[:128]
def step(number):
    for _ in loop.step(method, session, None, session.batch(Members("images", index), number, 40), number):
        raise AssertionError("nothing is asked")
for number in range(5):
    step(number)
start = time.perf_counter()
for number in range(40):
    step(number)
print(time.perf_counter() - start)
"""


def seconds(numerics: str, width: int) -> float:
    """What forty steps take in a process of its own."""
    environment = {**os.environ, "PCL_NUMERICS": numerics, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", STEPS.replace("WIDTH", str(width))],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/numerics.json"))
    options = parser.parse_args()
    content = {}
    for width in WIDTHS:
        pairs = [(seconds("portable", width), seconds("native", width)) for _ in range(options.rounds)]
        ratio = round(statistics.median(a / b for a, b in pairs), 3)
        content[f"width {width}"] = {"ratio": ratio, "portable_s, native_s": pairs}
        print(f"at width {width}, portable numerics take {ratio:.2f} times as long as native ones")
    options.out.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
