"""Digests and scores of one small run of every method with portable numerics, as JSON.

`python tests/golden/runs.py OUT` computes them; `make golden` also writes them to tests/golden/runs.json, which says
what every x86-64 processor must give.
"""

from pcl import numerics

numerics.hold()

import csv  # noqa: E402
import hashlib  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parents[1]))

import conftest  # noqa: E402
import numpy as np  # noqa: E402

from pcl import config, datasets, orientations  # noqa: E402
from pcl.plan import Plan, Run  # noqa: E402
from pcl.run import execute  # noqa: E402
from pcl.run.checkpoint import Checkpoint  # noqa: E402

PLACE = ("digits10-4", "personalized")


def small() -> Plan:
    """The study of the tests, as wide as portable numerics need it, with an arm for every method."""
    content = config.read_yaml(Path(__file__).parents[1] / "params.tiny.yaml")
    content["arms"] = conftest.arms() | content["arms"]
    study = content["studies"]["tiny"]
    study["numerics"] = "portable"
    study["training"]["backbone"]["width"] = numerics.NARROWEST
    return Plan(config.validate(config.Config, content, "params.tiny.yaml"))


def digest(*contents: bytes) -> str:
    """Sixteen hexadecimal digits."""
    return hashlib.sha256(b"".join(contents)).hexdigest()[:16]


def epochs(run: Run) -> list[str]:
    """Train a run and whatever it starts from; the weights after every epoch, in order."""
    found: list[str] = []
    ended = Checkpoint.epoch_ended

    def noted(self, epoch):
        weights = self.session.network.state_dict().items()
        found.append(
            f"{epoch.stage} {epoch.number} {digest(*(value.numpy().tobytes() for _, value in sorted(weights)))}"
        )
        ended(self, epoch)

    for other in run.takes_from:
        epochs(other)
    for features in run.features:
        execute.represent(features)
    Checkpoint.epoch_ended = noted
    try:
        if run.pretraining is not None:
            execute.pretrain(run)
        execute.train(run)
    finally:
        Checkpoint.epoch_ended = ended
    return found


def files(run: Run) -> dict[str, str]:
    """What a run has written: a digest for every file, and for every array."""
    folder, found = run.folder, {}
    for path in sorted(path for path in (folder.answers, folder.weights) if path.exists()):
        found[path.name] = digest(path.read_bytes())
    rows = list(csv.reader(io.StringIO(folder.history.read_text())))
    found[folder.history.name] = digest(json.dumps(rows).encode())
    with np.load(folder.assignments) as saved:
        for name in sorted(saved.files):
            found[f"{folder.assignments.name}: {name}"] = digest(saved[name].tobytes())
    return found


def main(out: Path) -> None:
    """Write the digests and scores of every method's run."""
    out = out.absolute()
    os.chdir(tempfile.mkdtemp())
    plan, found = small(), {}
    data = plan.data(PLACE[0])
    datasets.prepare(data.dataset, data.path)
    for name in ("default", "personalized"):
        target = plan.target(PLACE[0], name)
        orientations.write(target.map, datasets.load(data.path), target.path)
    for method in conftest.METHODS:
        run = plan.run(*PLACE, method, 0)
        weights = epochs(run)
        scores = json.loads(run.folder.last.read_text())["scores"]["personalized"]["test"]
        found[method] = {"epochs": weights, "files": files(run), "acc": scores["acc"]}
    out.write_text(json.dumps({"computed with": numerics.described(), "runs": found}, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
