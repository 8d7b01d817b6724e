"""Who answers: the contract of every oracle, and what is particular to each."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from pcl import oracles
from pcl.errors import UserError
from pcl.oracles import base
from pcl.oracles.base import Context, Question
from pcl.oracles.log import Answer, dump

LABELS = np.random.default_rng(0).integers(3, size=60)
PAIRS = list(combinations(range(60), 2))


@pytest.fixture
def log(tmp_path):
    """A log that answers every pair truthfully, except that (0, 1) is unsure."""
    answers = [
        Answer(k, i, j, None if (i, j) == (0, 1) else bool(LABELS[i] == LABELS[j]), k, 0, "active", {})
        for k, (i, j) in enumerate(PAIRS, start=1)
    ]
    path = tmp_path / "answers.jsonl"
    path.write_text(dump(answers))
    return path


def context(seed: int = 0, targets: np.ndarray | None = LABELS) -> Context:
    """What an oracle may look at: sixty images of four pixels, each as dark as its number."""

    def image(index: int) -> np.ndarray:
        return np.full((2, 2, 1), index, np.uint8)

    return Context(60, seed, ("a", "b", "c"), targets, image)


@pytest.fixture
def make(log):
    def with_settings(name: str, *, seed: int = 0, targets: np.ndarray | None = None, **settings) -> oracles.Oracle:
        needed = {"noisy": {"flip": 0.2}, "replay": {"log": str(log)}}.get(name, {})
        if oracles.get(name).needs_targets and targets is None:
            targets = LABELS
        return oracles.make(name, needed | settings, context(seed, targets))

    return with_settings


def answers(oracle: oracles.Oracle, pairs) -> list[bool | None]:
    return [oracle.reply(Question(i, j)) for i, j in pairs]


def test_a_log_at_home_is_replayed(make, log, monkeypatch):
    monkeypatch.setenv("HOME", str(log.parent))
    assert make("replay", log=f"~/{log.name}").reply(Question(2, 3)) == bool(LABELS[2] == LABELS[3])
    assert oracles.spec("replay", {"log": f"~/{log.name}"}) == oracles.spec("replay", {"log": str(log)})


def test_the_folder_is_the_registry():
    files = (path.stem for path in Path(oracles.__file__).parent.glob("[!_]*.py"))
    found = {name: getattr(import_module(f"pcl.oracles.{name}"), "Oracle", None) for name in files}
    ours = {name for name, each in found.items() if each is not None and each is not base.Oracle}
    assert ours == set(oracles.names())
    assert all(issubclass(found[name], base.Oracle) for name in ours)


@pytest.mark.parametrize("name", oracles.names())
def test_every_oracle_has_a_version_and_names_its_source(name):
    oracle = oracles.get(name)
    assert type(oracle.version) is int and oracle.version >= 1
    assert "Source:" in oracle.__doc__
    assert oracle.files <= oracle.Settings.model_fields.keys()


@pytest.mark.parametrize("name", oracles.names())
def test_no_oracle_takes_a_setting_that_it_does_not_have(name):
    with pytest.raises(UserError, match="nonsense: unknown key"):
        oracles.check(name, {"nonsense": 1})


SETTINGS = [(name, *item) for name in oracles.names() for item in oracles.get(name).Settings.model_fields.items()]


@pytest.mark.parametrize(("name", "setting"), [(name, key) for name, key, field in SETTINGS if field.is_required()])
def test_a_setting_that_is_missing_is_named(name, setting):
    with pytest.raises(UserError, match=f"oracle {name}: (.|\n)*{setting}: required"):
        oracles.check(name, {})


@pytest.mark.parametrize(("name", "setting"), [(name, key) for name, key, _ in SETTINGS])
def test_a_setting_of_a_wrong_type_is_named(name, setting):
    with pytest.raises(UserError, match=f"oracle {name}: (.|\n)*{setting}: (?!required|unknown)"):
        oracles.check(name, {setting: [[]]})


# A person may change their mind.
REPEATABLE = [name for name in oracles.names() if not oracles.get(name).interactive]


@pytest.mark.parametrize("name", [name for name in REPEATABLE if not oracles.get(name).needs_targets])
def test_who_does_not_need_the_targets_does_not_look_at_them(make, name):
    assert answers(make(name, targets=None), PAIRS) == answers(make(name, targets=1 - LABELS), PAIRS)


@pytest.mark.parametrize("name", REPEATABLE)
def test_neither_the_order_of_a_pair_nor_that_of_the_questions_matters(make, name):
    there = answers(make(name), PAIRS)
    back = answers(make(name), [(j, i) for i, j in reversed(PAIRS)])
    assert there == back[::-1]


def test_truth_is_equality_of_labels(make):
    assert answers(make("truth"), PAIRS) == [(LABELS[i] == LABELS[j]).item() for i, j in PAIRS]


@pytest.mark.parametrize("flip", [0, 0.2, 1])
def test_noisy_flips_about_that_share(make, flip):
    given = answers(make("noisy", flip=flip), PAIRS)
    wrong = np.mean([same != (LABELS[i] == LABELS[j]) for same, (i, j) in zip(given, PAIRS, strict=True)])
    assert wrong == pytest.approx(flip, abs=4 * np.sqrt(flip * (1 - flip) / len(PAIRS)))


def test_noisy_depends_on_the_seed(make):
    assert answers(make("noisy", seed=1), PAIRS) != answers(make("noisy", seed=2), PAIRS)


@pytest.mark.parametrize(("flip", "message"), [(-0.1, "greater than"), (1.5, "less than"), ("often", "valid number")])
def test_noisy_wants_a_probability(make, flip, message):
    with pytest.raises(UserError, match=f"oracle noisy: flip: .*{message}"):
        make("noisy", flip=flip)


def test_replay_gives_the_recorded_answers(make):
    assert answers(make("replay"), [(1, 0), (9, 8)]) == [None, bool(LABELS[8] == LABELS[9])]


def replay(path, *given: tuple[int, int, bool | None]) -> oracles.Oracle:
    path.write_text(dump(Answer(k, *answer, k, 0, "active", {}) for k, answer in enumerate(given, start=1)))
    return oracles.make("replay", {"log": str(path)}, context(targets=None))


def test_replay_of_a_skipped_pair_gives_the_later_answer(log):
    assert replay(log, (0, 1, None), (1, 0, True), (0, 1, None)).reply(Question(0, 1)) is True


def test_replay_refuses_a_pair_that_was_never_asked(log):
    oracle = replay(log, (0, 1, True))
    with pytest.raises(UserError, match=r"answers\.jsonl: images 0 and 2 were never asked about"):
        oracle.reply(Question(0, 2))


def test_replay_refuses_a_log_that_answers_a_pair_both_ways(log):
    with pytest.raises(UserError, match=r"answers\.jsonl: answer 2: .* 1 = 0 \(answer 1\) implies"):
        replay(log, (0, 1, True), (1, 0, False))


def test_replay_refuses_a_log_of_other_data(log):
    with pytest.raises(UserError, match=r"answers\.jsonl: images 3 and 60: .* 0 to 59"):
        replay(log, (3, 60, True))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("thruth", {}, "did you mean 'truth'"),
        ("log", {}, "no such"),
        ("base", {}, "no such"),
        ("noisy", {"flop": 0.1}, "did you mean 'flip'"),
        ("noisy", {}, "flip: required"),
        ("truth", {"flip": 0.1}, "unknown key 'flip'"),
    ],
)
def test_names_and_settings_that_do_not_exist(name, settings, message):
    with pytest.raises(UserError, match=message):
        oracles.make(name, settings, context())


def test_neither_oracles_nor_constraints_import_torch():
    code = "import sys, pcl.constraints, pcl.oracles as o; o.names(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
