"""Every method at its published settings, made small in size and epochs alone: past each of its phases, under every
optimiser that it allows, and resumed at each phase's beginning.
"""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from pcl import config, registry
from pcl import seed as seeds
from pcl.engine import loop
from pcl.engine.images import Images
from pcl.engine.known import Known
from pcl.engine.session import Session
from pcl.engine.stage import Optimizer
from pcl.folder import Folder
from pcl.oracles.base import Question
from pcl.plan.catalogue import Catalogue
from pcl.run.checkpoint import Checkpoint

FULL = config.load(Path(__file__).parents[1] / "params.full.yaml")
CATALOGUE = Catalogue(FULL)
METHODS = {name: registry.get("pcl.methods", "Method", name) for name in registry.names("pcl.methods", "Method")}
NETWORKS = {name: method for name, method in METHODS.items() if method.network}

IMAGES, BUDGET, EPOCHS = 16, 10, 4
SIZES = {
    "image_size": 8,
    "backbone": {"depth": 10, "width": 2, "stem": "small"},
    "features": 4,
    "batch_size": 8,
    "semi_batch": 2,
    "pair_batch": 2,
    "queue": 12,
    "moco_queue": 12,
    "neighbours": 5,
    "initial_questions": 4,
    "contrast_batch": 8,
    "label_batch": 8,
    "groups": 5,
    "prototypes": 5,
    "hidden": 6,
    "fine_clusters": 6,
}
STAGES = {
    "epochs": EPOCHS,
    "rounds": 2,
    **dict.fromkeys(("moco_epochs", "semi_epochs", "pair_epochs", "warmup_epochs"), 2),
    **dict.fromkeys(("contrast_epochs", "label_epochs"), 2),
}
WITHIN = ("warmup", "milestones", "queue_from", "graph_from", "graph_every", "relabel_every", "decay_every")


def small(settings):
    """Settings with fewer and smaller of everything; what happens within so many epochs still happens within them."""
    values = settings.model_dump(mode="json")

    def sooner(value):
        return (
            [sooner(each) for each in value] if isinstance(value, list) else max(1, value * EPOCHS // settings.epochs)
        )

    within = {name: sooner(values[name]) for name in WITHIN if name in values}
    fewer = {name: size for name, size in {**SIZES, **STAGES}.items() if name in values}
    if values.get("autoencoder"):
        fewer["autoencoder"] = values["autoencoder"] | {"epochs": 2, "batch_size": 8}
    if values.get("confidence", 0) > 1:  # of answers over pixels: as published, so few of them tear the network apart
        fewer["confidence"] = values["confidence"] * 8**2 / 28**2
    if "strategy" in values:
        fewer["strategy"] = {"name": values["strategy"]["name"], **values["strategy"]["settings"]}
    fewer["augmentation"] = values["augmentation"] | {"mean": [0.5], "std": [0.5]}
    return values | within | fewer


def under(values, optimizer):
    """The same under another optimiser, at a rate that suits all; as published, if it is the one of the settings."""
    named = [name for name in values if name.endswith("optimizer")]
    if all(values[name] == optimizer for name in named):
        return values
    return values | dict.fromkeys(named, optimizer) | {name: 1e-4 for name in values if name.split("_")[-1] == "lr"}


def cases():
    """Settings of every method, each once: its defaults under every optimiser, its presets, and its first
    arm in every study."""
    found = {}
    for name, method in NETWORKS.items():
        arm = next((arm for arm, chosen in FULL.arms.items() if chosen.method == name), None)
        published = [CATALOGUE.settings(study, arm) for study in FULL.studies] if arm else []
        chosen = [under(small(method.Settings()), optimizer) for optimizer in get_args(Optimizer)]
        chosen += [small(method.Settings(**preset)) for preset in method.presets.values()]
        for values in chosen + [small(settings) for settings in published]:
            found.setdefault(json.dumps([name, values], sort_keys=True), (name, values))
    return [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(found.values())]


@pytest.fixture
def opened():
    """A function of method and settings: the method, and a session on images of noise."""

    def start(name, values):
        method = NETWORKS[name](NETWORKS[name].Settings(**values), 2, BUDGET if NETWORKS[name].supervised else 0)
        images = torch.randint(
            0, 256, (IMAGES, 1, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8
        )
        method.check({"train": IMAGES, "test": IMAGES}, 1)
        with seeds.global_torch(0, "weights"):
            network = method.build(1)
        shown = Images({"train": images, "test": images}, method.settings, torch.device("cpu"))
        known = Known(method.constraints(IMAGES), method.budget)
        features = np.random.default_rng(1).random((IMAGES, 3), dtype=np.float32)
        return method, Session(0, shown, network, known, clusters=2, features=features)

    return start


def through(method, session, stages, state=None):
    """Train, images with even numbers being one cluster; the ends of epochs, one by one."""
    training, reply = loop.train(method, session, stages, state), None
    while True:
        try:
            event = training.send(reply)
        except StopIteration:
            return
        reply = event.i % 2 == event.j % 2 if isinstance(event, Question) else None
        if reply is None:
            yield event


def begins(epoch):
    """What tells one phase from another: the stage and the terms of its loss."""
    return epoch.stage, tuple(epoch.losses)


@pytest.mark.parametrize(("name", "values"), cases())
def test_every_phase_is_passed_and_may_be_resumed_at_its_beginning(name, values, opened, tmp_path):
    method, session = opened(name, values)
    passed = list(through(method, session, method.stages()))
    assert [epoch.stage for epoch in passed if epoch.ended] == [stage.name for stage in method.stages()]
    again = []
    while len(again) < len(passed):
        _, other = opened(name, values)
        checkpoint = Checkpoint(Folder(tmp_path), other)
        state, left = checkpoint.resume(method.stages())
        for epoch in through(method, other, left, state):
            again.append(epoch)
            if len(again) < len(passed) and begins(epoch) != begins(passed[len(again)]):
                checkpoint.epoch_ended(epoch)
                break
    assert again == passed
    asked, asked_again = ([(a.i, a.j, a.same) for a in each.known.answers] for each in (session, other))
    assert asked == asked_again
    one, two = session.network.state_dict(), other.network.state_dict()
    assert all(torch.equal(one[part], two[part]) for part in one)
