"""Any strategy drives any method that asks: one contract for every pair of them."""

import json

import numpy as np
import pytest

from pcl import registry
from pcl.methods.base import DeepMethod
from pcl.oracles import log
from pcl.plan import Plan
from pcl.run import execute

METHODS = {name: registry.get("pcl.methods", "Method", name) for name in registry.names("pcl.methods", "Method")}
ASKING = [name for name, cls in METHODS.items() if cls.supervised and issubclass(cls, DeepMethod)]
# The released slip spends questions on pairs that are known.
STRATEGIES = sorted(set(registry.names("pcl.strategies", "Strategy")) - {"random_released"})
BUDGET = 11


@pytest.fixture(scope="module")
def shared(empty):
    """A working folder for the whole file, so that what can be pretrained once is."""
    return empty("cross")


@pytest.fixture(scope="module")
def crossed(tiny_config):
    """The tiny study, each method under each strategy an arm, for one epoch."""
    content = tiny_config.model_dump()
    names = {
        f"{m}-under-{s}": {"method": m, "title": s, "settings": {"strategy": s}} for m in ASKING for s in STRATEGIES
    }
    content["arms"] |= names
    study = content["studies"]["tiny"]
    study["training"] |= {"epochs": 1, "evaluate_every": 9, "batch_size": 128}  # as many batches as questions
    study["methods"]["pcl"]["initial_questions"] = 4
    return Plan(type(tiny_config).model_validate(content))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("method", ASKING)
def test_every_strategy_drives_every_method(shared, crossed, monkeypatch, best_match, method, strategy):
    """It trains, spends its budget (COBRA: as much as its super-instances take), and asks about no pair twice."""
    monkeypatch.chdir(shared)
    run = crossed.run("digits10-4", "personalized", f"{method}-under-{strategy}", 0, BUDGET)
    for features in run.features:
        execute.represent(features)
    if run.pretraining is not None:
        execute.pretrain(run)
    folder = execute.train(run)
    answers = log.read(folder / "answers.jsonl")
    pairs = [(a.i, a.j) for a in answers]
    spent = len(answers)
    assert spent == len(set(pairs)) and spent == BUDGET if strategy != "cobra" else 0 < spent <= BUDGET
    assert all(0 <= a.i < 1408 and (a.i < a.j < 1408 or isinstance(a, log.Assigned)) for a in answers)
    content = json.loads((folder / "metrics.json").read_text())
    assert content["questions"]["asked"] == spent
    targets, found = (np.load(path) for path in (run.targets["personalized"].path, folder / "assignments.npz"))
    for split, scores in content["scores"]["personalized"].items():
        assert scores["acc"] == pytest.approx(best_match(found[f"{split}_cluster"], targets[split]), abs=1e-6)
    ranked = [a for a in answers if a.terms]
    asks_all_at_random = strategy == "random" and method in ("adc", "dcc", "dcgmm", "fixmatch", "sdec")
    assert bool(ranked) != asks_all_at_random, "a strategy says what ranked its pairs"


@pytest.mark.parametrize("method", ["dcc", "dcgmm"])
def test_questions_are_asked_in_batches_of_images_only(start, train, watch, method):
    """Not in those of linked pairs, where one image can stand twice and most is known already."""
    more = {"autoencoder": {"epochs": 1}, "tolerance": 0.0, "epochs": 4, "strategy": "uncertainty"}
    trained, session = start(method, n=24, budget=10, **more)
    kinds = watch(trained, "prepare", lambda batch, _: batch.kind)
    asked_in = []
    seen = train(trained, session, asked=lambda *_: asked_in.append(kinds[-1]))
    assert set(asked_in) == {"images"} and len(asked_in) == session.known.spent == 10
    assert all(i < j for i, j in seen.questions)
    assert {"images"} < set(kinds), "there were others"
