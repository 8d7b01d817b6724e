"""What a call of Snakemake costs when nothing is left to do; run it after `make reports`.

Writes benchmarks/noop.json.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from pathlib import Path

from pcl.artifacts import write_json
from pcl.provenance import provenance

ROUNDS = 3


def main() -> None:
    """Measure and write."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        done = subprocess.run(["snakemake", "--cores", "2"], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - start)
        if "Nothing to be done" not in done.stdout + done.stderr:
            raise SystemExit("there was something to do: run `make reports` first")
    content = {"seconds": statistics.median(seconds), "rounds": ROUNDS, "made": provenance()}
    write_json(Path("benchmarks/noop.json"), content)
    print(f"snakemake with nothing to do takes {content['seconds']:.1f} s")


if __name__ == "__main__":
    main()
