"""A table of mistakes in params.yaml and on the command line: each is one message with the key and a remedy.

Nothing is written, and nothing that stands in a file is executed.
"""

import json
from functools import reduce
from pathlib import Path

import pytest
from click.testing import CliRunner

from pcl.cli import main

NAME = "a name that paths are made from has at most 64 letters, digits, _ and -"
LEAST = "should have at least 1 item"
TWICE = "once is enough"
ARM = {"method": "pcl", "title": "x"}
PHOTOS = {"reader": "folder", "path": "nowhere", "size": 8}

# Where in params.yaml, what is written there, and what is said beside that place.
EDITS = [
    (["study"], "tin", "did you mean 'tiny'?"),
    (["study"], None, "should be a valid string"),
    (["studdy"], 1, "did you mean 'study'?"),
    (["tasks"], {}, "no task 'digits10-2'; known: none"),
    (["tasks", "a b"], {"dataset": "digits10", "clusters": 2}, NAME),
    (["tasks", ""], {"dataset": "digits10", "clusters": 2}, NAME),
    (["tasks", "digits10-2", "dataset"], "digits11", "give the task another name"),
    (["tasks", "digits10-2", "clusters"], 1, "greater than or equal to 2"),
    (["tasks", "digits10-2", "clusters"], "two", "should be a valid integer"),
    (["tasks", "digits10-2", "orientations"], {"own": {"a": [0, 1]}}, "classes in no cluster: 2, 3"),
    (["tasks", "digits10-2", "orientations"], {"own": {"a": [*range(5)], "b": [*range(4, 10)]}}, "4: given 2 times"),
    (["tasks", "digits10-2", "orientations"], {"own": {"a/": [*range(5)], "b": [*range(5, 10)]}}, "no / or \\"),
    (["tasks", "digits10-2", "orientations"], {"../own": {"a": [0], "b": [1]}}, NAME),
    (["arms", "PCL (x)"], ARM, NAME),
    (["arms", "../../x"], ARM, NAME),
    (["arms", "$(touch X)"], ARM, NAME),
    (["arms", "pcl", "method"], "plc", "did you mean 'pcl'?"),
    (["arms", "pcl", "title"], None, "should be a valid string"),
    (["arms", "pcl", "preset"], "our", "did you mean 'ours'?"),
    (["arms", "pcl", "settings"], [1], "should be a valid dictionary"),
    (["arms", "pcl", "settings"], {"epoch": 3}, "did you mean 'epochs'?"),
    (["arms", "pcl", "settings"], {"epochs": 0}, "greater than 0"),
    (["arms", "pcl", "settings"], {"epochs": 1.5}, "should be a valid integer"),
    (["arms", "pcl", "settings"], {"lr": "1e-3x"}, "should be a valid number"),
    (["arms", "pcl", "settings"], {"lr": float("inf")}, "should be a finite number"),
    (["arms", "pcl", "settings"], {"batch_size": 1}, "greater than or equal to 2"),
    (["arms", "pcl", "settings"], {"optimizer": "adma"}, "should be 'adam', 'sgd' or 'rmsprop'"),
    (["arms", "pcl", "settings"], {"strategy": "hardest"}, "did you mean 'hard'?"),
    (["arms", "pcl", "settings"], {"backbone": {"depth": 11, "width": 4, "stem": "small"}}, "should be 10, 18 or 34"),
    (["arms", "pcl", "oracle"], {"name": "nosy"}, "did you mean 'noisy'?"),
    (["arms", "pcl", "oracle"], {"name": "noisy", "settings": {"flip": 2}}, "less than or equal to 1"),
    (["arms", "pcl", "oracle"], {"name": "noisy", "settings": {"flop": 0.1}}, "did you mean 'flip'?"),
    (["arms", "pcl", "oracle"], {"name": "replay", "settings": {"log": "{sead}"}}, "known: task, orientation, seed"),
    (["arms", "pcl", "oracle"], {"name": "replay", "settings": {}}, "log: required"),
    (["arms", "pcl", "features"], ["cc"], "looks at no representation; remove it"),
    (["arms", "kmeans", "features"], ["c"], "did you mean 'cc'?"),
    (["arms", "kmeans", "features"], ["cc", "cc"], TWICE),
    (["representations", "cc", "kind"], "net", "did you mean 'network'?"),
    (["representations", "cc", "arm"], "dcc", "name one that trains a network, unasked"),
    (["representations", "cc", "layer"], "heads", "known: cluster, features, instance"),
    (["tables", "table("], ARM, NAME),
    (["tables", "table3", "rows"], {}, LEAST),
    (["tables", "table3", "rows"], {"A": []}, LEAST),
    (["tables", "table3", "rows"], {"A": ["cc", "cc"]}, TWICE),
    (["tables", "table3", "rows"], {"A": ["kmean"]}, "did you mean 'kmeans'?"),
    (["tables", "table3", "orientation"], "personal", "did you mean 'personalized'?"),
    (["tables", "table3", "metrics"], ["accc"], "should be 'nmi', 'ari'"),
    (["tables", "table3", "split"], "trian", "should be 'train' or 'test'"),
    (["figures", "fig4", "kind"], "curv", "did you mean 'curve'?"),
    (["figures", "fig4", "arms"], [], LEAST),
    (["figures", "fig5", "arm"], "kmeans", "trains no network; choose an arm that does"),
    (["figures", "fig5", "points"], 0, "greater than or equal to 50"),
    (["datasets", "photos"], {"reader": "foldr", "path": "x"}, "did you mean 'folder'?"),
    (["datasets", "photos"], {"reader": "folder", "size": 8}, "path"),
    (["datasets", "photos"], PHOTOS | {"size": 0}, "size"),
    (["studies", "tiny", "tasks"], [], LEAST),
    (["studies", "tiny", "tasks"], ["digits10-2"] * 2, TWICE),
    (["studies", "tiny", "ablation"], "digits10-9", "did you mean 'digits10-4'?"),
    (["studies", "tiny", "seeds"], [], LEAST),
    (["studies", "tiny", "seeds"], [0, 0], TWICE),
    (["studies", "tiny", "seeds"], [-1], "greater than or equal to 0"),
    (["studies", "tiny", "budgets"], {}, "required, but not given"),
    (["studies", "tiny", "budgets", "digits10-2"], -5, "greater than or equal to 0"),
    (["studies", "tiny", "budgets", "digits10-2"], 10**9, "lower studies.tiny.budgets.digits10-2"),
    (["studies", "tiny", "curve"], [20, 20], TWICE),
    (["studies", "tiny", "device"], "gpu", "should be 'auto', 'cpu', 'cuda' or 'mps'"),
    (["studies", "tiny", "numerics"], "exact", "should be 'portable' or 'native'"),
    (["studies", "tiny", "resources"], {"threads": 0}, "greater than or equal to 1"),
    (["studies", "tiny", "training", "augmentation", "crop_area"], [1.0, 0.5], "the lower end, then the upper one"),
    (["studies", "tiny", "training", "augmentation", "flip"], 2, "less than or equal to 1"),
    (["studies", "tiny", "methods"], {"plc": {}}, "did you mean 'pcl'?"),
]

TEXTS = [
    (b"", "expected a mapping"),
    (b"- a\n", "expected a mapping"),
    (b"study: tiny\n\ttasks: {}\n", "line 2: not valid YAML"),
    (b"study: a\nstudy: b\n", "found duplicate key"),
    (b"\xff\xfe\x00", "not valid YAML"),
    (b"study: [", "line 1: not valid YAML"),
    (b"study: !!python/object/apply:os.system ['touch X']", "could not determine a constructor"),
    (b"study: &a [*a]", "study: Input should be a valid string"),
    (b"a: 1\n---\nb: 2\n", "found another document"),
]

WORDS = [
    ("check --study tin", "did you mean 'tiny'?"),
    ("verify results/runs/digits10-2", "nothing is there that could be verified"),
    ("verify results/runs/digits10-2/any/cc/q0/00000000/seed0", "study tiny has results/runs/digits10-2/any/cc/q0/"),
    ("verify nowhere", "`pcl runs` lists the runs"),
    ("compare nowhere", "make them with `snakemake`"),
    ("plan --study tin", "did you mean 'tiny'?"),
    ("runs --report tabel2", "did you mean 'table2'?"),
    ("data digits11", "did you mean 'digits10'?"),
    ("prepare ../x", "no such '../x'"),
    ("represent digits10-2 pixel", "did you mean 'pixels'?"),
    ("table table3 --summary params.yaml --out x", "params.yaml: its columns are not those of a summary"),
    ("table table3 --summary . --out x", "Is a directory"),
    ("figure fig4 --source nowhere.csv --out x", "nowhere.csv: cannot be read"),
    ("collect --out x.csv", "make it with `snakemake --cores 2 results/runs/"),
    ("precompute fig4 --out x.npz", "there is nothing to precompute"),
    ("train digits10-2 any cc --budget many", ""),
]


@pytest.fixture
def said(tmp_path, monkeypatch):
    """A function that runs a command on a params.yaml, and gives its one message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def message(content, *words):
        Path("params.yaml").write_bytes(content)
        done = CliRunner().invoke(main, list(words))
        assert isinstance(done.exception, SystemExit) and done.exit_code == 2, done.exception
        assert done.stdout == "" and done.stderr.lower().count("error: ") == 1 and "Traceback" not in done.stderr
        assert list(tmp_path.iterdir()) == [tmp_path / "params.yaml"]
        return done.stderr

    return message


@pytest.mark.parametrize(("place", "value", "remedy"), EDITS)
def test_a_wrong_value_is_named_with_what_would_be_right(said, tiny_config, place, value, remedy):
    content = tiny_config.model_dump(mode="json")
    *above, last = place
    reduce(dict.__getitem__, above, content)[last] = value
    message = said(json.dumps(content).encode(), "check")
    assert remedy in message and any(name and name in message for name in place[-2:])


@pytest.mark.parametrize(("text", "problem"), TEXTS)
def test_a_file_that_is_no_config_is_named(said, text, problem):
    message = said(text, "check")
    assert message.startswith("error: params.yaml") and problem in message


@pytest.mark.parametrize(("words", "problem"), WORDS)
def test_a_wrong_word_on_the_command_line(said, tiny_config, words, problem):
    assert problem in said(tiny_config.model_dump_json().encode(), *words.split())
