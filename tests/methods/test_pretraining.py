"""Pretraining that arms share: what they may differ in leaves the shared weights alone, bit for bit."""

import pytest
import torch

from pcl import registry
from pcl.config import Strict
from pcl.strategies.base import Choice

METHODS = {name: registry.get("pcl.methods", "Method", name) for name in registry.names("pcl.methods", "Method")}
SHARING = [name for name, cls in METHODS.items() if cls.pretraining]
ONE_EPOCH = {
    "pcl": {"warmup_epochs": 1, "initial_questions": 3},
    "spice": {"moco_epochs": 1, "moco_queue": 11, "features": 6},
    "scan": {"contrast_epochs": 1, "contrast_batch": 10, "features": 6},
}
UNCERTAIN = Choice.of("uncertainty")
SAME_CLASS = {
    "optimizer": "sgd",
    "strategy": UNCERTAIN,
    "closure": "none",
    "parity": False,  # it needs closure
    "semi_start": "self",
    "clip": 1e-3,
}


def another(name, value):
    """Another value of a setting; the same where none is known here."""
    if name in SAME_CLASS:
        return SAME_CLASS[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 + 0.1
    return value


def shared_weights(network, parts):
    """The tensors that pretraining leaves."""
    return {key: value for key, value in network.state_dict().items() if parts is None or key.split(".")[0] in parts}


@pytest.mark.parametrize("name", SHARING)
class TestLaterSettings:
    def chosen(self, name):
        own = {} if name in ONE_EPOCH else {"autoencoder": {"epochs": 1, "batch_size": 10}}
        return ONE_EPOCH.get(name, own)

    def differing(self, name):
        """Every later setting changed at once, as far as it is a plain value."""
        cls = METHODS[name]
        base = cls.Settings(**({"image_size": 8} | self.chosen(name)))
        values = {key: getattr(base, key) for key in cls.pretraining.later_settings}
        plain = {
            key: value for key, value in values.items() if isinstance(value, Choice) or not isinstance(value, Strict)
        }
        changed = {key: another(key, value) for key, value in plain.items()}
        return {key: value for key, value in changed.items() if value != values[key]} | {"epochs": 3}

    def test_do_not_reach_it(self, start, train, name):
        cls, given = METHODS[name], self.chosen(name)
        budget, found = 3 if name == "pcl" else 0, []
        for clusters, more in ((2, {}), (3 if cls.pretraining.on == "dataset" else 2, self.differing(name))):
            method, session = start(name, n=24, clusters=clusters, budget=budget, **given | more)
            stages = [stage.name for stage in method.stages() if stage.pretraining]
            train(method, session, *stages)
            found.append(shared_weights(session.network, cls.pretraining.parts))
        assert found[0].keys() == found[1].keys()
        assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())

    def test_are_most_of_them(self, name):
        """The test above changes something, and what is not later is little."""
        assert len(self.differing(name)) >= 4
        assert "strategy" not in METHODS[name].Settings.model_fields or "strategy" in self.differing(name)
