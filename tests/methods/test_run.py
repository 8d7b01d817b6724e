"""What a run hands on: its seed to the oracle, its rules to the constraints, what it supposed to its resumption."""

import json

import numpy as np
import pytest

from pcl import artifacts, config, oracles
from pcl.constraints import Constraints
from pcl.engine import loop
from pcl.oracles import log
from pcl.oracles.base import Context, Question
from pcl.plan import Plan
from pcl.run import execute

SHORT = {"autoencoder": None, "rounds": 1, "pair_epochs": 1, "epochs": 1}


@pytest.fixture
def planned(tiny_config):
    """A function that plans a run of an arm of its own on two clusters."""

    def run(method, settings, seed=0, budget=30, **arm):
        content = tiny_config.model_dump()
        content["arms"]["own"] = {"method": method, "title": "own", "settings": settings, **arm}
        plan = Plan(config.validate(config.Config, content, "params.yaml"))
        return plan.run("digits10-2", "personalized", "own", seed, budget)

    return run


@pytest.mark.parametrize("seed", [0, 1])
def test_the_oracle_errs_by_the_seed_of_the_run(workspace, planned, seed):
    run = planned("adc", SHORT, seed, oracle={"name": "noisy", "settings": {"flip": 0.5}})
    answers = log.read(execute.train(run) / "answers.jsonl")
    with np.load(run.targets["personalized"].path) as targets:
        context = Context(1408, seed, (), targets["train"], image=lambda _: None)
        alike = oracles.make("noisy", {"flip": 0.5}, context)
        assert [a.same for a in answers] == [alike.reply(Question(a.i, a.j)) for a in answers]
        wrong = sum(a.same != (targets["train"][a.i] == targets["train"][a.j]) for a in answers)
    assert 0 < wrong < len(answers) == 30


@pytest.mark.parametrize(
    "rules", [{"closure": "full", "parity": True}, {"closure": "full"}, {"closure": "none"}], ids=str
)
def test_answers_imply_what_the_settings_say(workspace, planned, rules):
    run = planned("adc", SHORT | rules | {"max_pairs": 50}, budget=900)
    folder = execute.train(run)
    answers = [(a.i, a.j, a.same) for a in log.read(folder / "answers.jsonl")]
    counted = json.loads((folder / "metrics.json").read_text())["questions"]
    expected = Constraints.fold(1408, answers, **rules)
    for name in ("asked_must", "asked_cannot", "implied_must", "implied_cannot", "largest_component"):
        assert counted[name] == getattr(expected, name), name
    assert counted["closure"] == rules["closure"]
    assert (counted["implied_must"] > 0) == (rules["closure"] == "full")


def test_what_is_supposed_outlives_a_kill(workspace, planned, monkeypatch):
    """Pairs that the network was sure of are must-links of every later step, before a kill and after it."""
    monkeypatch.setattr(loop, "CONFIDENT", 0.5)  # which a network of two epochs reaches
    run = planned("pcl", {"extend_proportion": 1.0}, preset="ours")
    execute.pretrain(run)
    supposed = []
    suppose = loop._suppose
    monkeypatch.setattr(
        loop, "_suppose", lambda s, *more: supposed.append(len(s.known.pseudo_links)) or suppose(s, *more)
    )
    whole = (execute.train(run) / "model.safetensors").read_bytes()
    straight = supposed.copy()
    assert straight[0] == 0 < straight[-1] and len(straight) == 44
    for path in run.path.iterdir():
        path.unlink()
    write = artifacts.write

    def write_and_die(path, content):
        write(path, content)
        if path.parent.name == "checkpoint":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(artifacts, "write", write_and_die)
        execute.train(run)
    assert (execute.train(run) / "model.safetensors").read_bytes() == whole
    assert supposed == straight * 2
