"""The shipped maps against the paper, and what happens to maps that are wrong."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl import config, datasets, orientations
from pcl.errors import UserError

TASKS = orientations.available()
BOTH = [(task, name) for task, names in TASKS.items() for name in names]

# The cluster of each class, in label order, from the paper's Tables 6-11 (CIFAR, ImageNet-10) and from the
# released arrays (dogs); independent of the YAML files.
PUBLISHED = {
    ("cifar10-2", "default"): "0011111100",
    ("cifar10-2", "personalized"): "0101110101",
    ("imagenet10-2", "default"): "0000011111",
    ("imagenet10-2", "personalized"): "0111010001",
    ("imagenet-dogs-2", "default"): "000010011110100",
    ("imagenet-dogs-2", "personalized"): "011100111001010",
    ("cifar100-4", "default"): "03331210020322112211230302010031311302102011113112"
    "11100310212001333322023313211012002202122303231330",
    ("cifar100-4", "personalized"): "21000311333033103310303213113100120013033300110232"
    "12222022322320010233220110311113223333033121302001",
}
SHARES = {
    ("cifar10-2", "default"): [4, 6],
    ("cifar10-2", "personalized"): [4, 6],
    ("cifar100-4", "default"): [24, 29, 24, 23],
    ("cifar100-4", "personalized"): [25, 24, 21, 30],
    ("imagenet10-2", "default"): [5, 5],
    ("imagenet10-2", "personalized"): [5, 5],
}


@pytest.mark.parametrize(("task", "name"), PUBLISHED)
def test_maps_equal_the_published_ones(task: str, name: str) -> None:
    orientation = orientations.load(task, name)
    fine = np.arange(len(orientation.cluster_of))
    assert "".join(map(str, orientation.relabel(fine))) == PUBLISHED[task, name]


@pytest.mark.parametrize(("task", "name"), SHARES)
def test_clusters_have_the_published_sizes(task: str, name: str) -> None:
    sizes = np.bincount(list(orientations.load(task, name).cluster_of.values()))
    assert sizes.tolist() == SHARES[task, name]


def test_ray_is_a_plant_and_check_a_beach_wagon() -> None:
    cifar = orientations.load("cifar100-4", "personalized")
    assert cifar.clusters[cifar.cluster_of["ray"]] == "plants"
    imagenet = orientations.load("imagenet10-2", "personalized")
    assert imagenet.clusters[imagenet.cluster_of["beach wagon"]] == "land"


@pytest.mark.parametrize(("task", "name"), BOTH)
def test_every_shipped_map_fits_its_data_set_and_task(task: str, name: str) -> None:
    orientation = orientations.load(task, name, clusters=int(task.rpartition("-")[2]))
    assert tuple(orientation.cluster_of) == datasets.find(orientation.dataset).class_names
    assert set(orientation.cluster_of.values()) == set(range(len(orientation.clusters)))


def test_every_task_has_both_orientations() -> None:
    shipped = config.load(Path(__file__).parents[2] / "params.yaml").tasks
    assert set(TASKS) == {name for name, task in shipped.items() if not task.orientations}
    assert {task for task, _ in PUBLISHED} <= set(TASKS)
    assert set(TASKS.values()) == {("default", "personalized")}


@pytest.mark.parametrize("task", TASKS)
def test_orientations_of_a_task_differ(task: str) -> None:
    keys = {orientations.load(task, name).key() for name in TASKS[task]}
    assert len(keys) == 2


# --- the default follows what clustering finds unasked


def test_digits_personalized_cuts_across_the_default() -> None:
    default, personalized = (orientations.load("digits10-2", name) for name in ("default", "personalized"))
    agreeing = sum(default.cluster_of[digit] == personalized.cluster_of[digit] for digit in default.cluster_of)
    assert max(agreeing, 10 - agreeing) == 6
    default, personalized = (orientations.load("digits10-4", name) for name in ("default", "personalized"))
    both = {(default.cluster_of[digit], personalized.cluster_of[digit]) for digit in default.cluster_of}
    assert len(both) == 10, "no two digits are together in both"


def test_fashion_personalized_tells_nothing_about_the_default() -> None:
    default, personalized = (orientations.load("fashion10-2", name) for name in ("default", "personalized"))
    joint = np.zeros((2, 2))
    for name in default.cluster_of:
        joint[default.cluster_of[name], personalized.cluster_of[name]] += 0.1
    np.testing.assert_allclose(joint, np.outer(joint.sum(1), joint.sum(0)))


# --- relabelling


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> datasets.Splits:
    folder = tmp_path_factory.mktemp("digits10")
    datasets.prepare(datasets.make("digits10", {}), folder)
    return datasets.load(folder)


@given(st.lists(st.integers(0, 9)))
def test_relabel_looks_every_label_up_by_name(fine: list[int]) -> None:
    orientation = orientations.load("cifar10-2", "default")
    animals = {"bird", "cat", "deer", "dog", "frog", "horse"}
    expected = [int(datasets.find("cifar10").class_names[label] in animals) for label in fine]
    found = orientation.relabel(np.array(fine, np.int64))
    assert found.dtype == np.int64 and found.tolist() == expected


@pytest.mark.parametrize("label", [-1, 10])
def test_relabel_refuses_what_is_no_class(label: int) -> None:
    with pytest.raises(ValueError, match="0 … 9"):
        orientations.load("cifar10-2", "default").relabel(np.array([0, label]))


def test_the_key_is_of_the_map_alone(tmp_path: Path) -> None:
    shipped = orientations.load("digits10-2", "personalized")
    text = json.dumps({str(d): d % 2 for d in range(10)}, sort_keys=True, separators=(",", ":"))
    assert shipped.key() == sha256(text.encode()).hexdigest()[:8]
    write_map(tmp_path, "digits10", {"other name": "[8, 6, 4, 2, 0]", "another": "[9, 7, 5, 3, 1]"})
    assert orientations.load("t-2", "mine", tmp_path).key() == shipped.key()
    write_map(tmp_path, "digits10", {"a": "[8, 6, 4, 2, 1]", "b": "[9, 7, 5, 3, 0]"})
    assert orientations.load("t-2", "mine", tmp_path).key() != shipped.key()


def test_write_and_read_are_inverse(digits: datasets.Splits, tmp_path: Path) -> None:
    orientation = orientations.load("digits10-4", "personalized")
    path = tmp_path / "tasks" / "digits10-4" / "personalized.npz"
    orientations.write(orientation, digits, path)
    targets = orientations.read(path)
    size = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
    np.testing.assert_array_equal(targets.train, size[digits.train.labels])
    np.testing.assert_array_equal(targets.test, size[digits.test.labels])
    assert targets.clusters == orientation.clusters and targets.train.dtype == np.int64
    first = path.read_bytes()
    orientations.write(orientation, digits, path)
    assert path.read_bytes() == first and [p.name for p in path.parent.iterdir()] == [path.name]


def test_writing_and_reading_refuse_what_does_not_fit(digits: datasets.Splits, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cifar10-2: relabels cifar10, but the prepared data are digits10"):
        orientations.write(orientations.load("cifar10-2", "default"), digits, tmp_path / "x.npz")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"x\.npz: cannot be written"):
        orientations.write(orientations.load("digits10-2", "default"), digits, tmp_path / "file" / "x.npz")
    orientations.write(orientations.load("digits10-2", "default"), digits, tmp_path / "x.npz")
    whole = (tmp_path / "x.npz").read_bytes()
    for content in (b"", whole[:1000], whole[:-30], b"no zip"):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"x\.npz: damaged"):
            orientations.read(tmp_path / "x.npz")
    with pytest.raises(UserError, match=r"missing\.npz: cannot be read"):
        orientations.read(tmp_path / "missing.npz")


# --- wrong maps


def write_map(folder: Path, dataset: str, clusters: dict[str, str]) -> None:
    lines = [f"dataset: {dataset}", "mine:", *(f"  {name}: {members}" for name, members in clusters.items())]
    (folder / "t-2.yaml").write_text("\n".join(lines) + "\n")


def refusal(folder: Path, orientation: str = "mine", clusters: int | None = None) -> str:
    with pytest.raises(UserError) as error:
        orientations.load("t-2", orientation, folder, clusters)
    assert str(folder) in str(error.value)
    return str(error.value)


def test_every_problem_of_a_map_is_listed_at_once(tmp_path: Path) -> None:
    write_map(
        tmp_path,
        "cifar10",
        {"a": "[airplane, brid, cat, cat]", "b": "[deer, dog, cat, zebra crossing]", "empty": "[]"},
    )
    lines = refusal(tmp_path, clusters=2).splitlines()
    assert lines[0] == f"{tmp_path}/t-2.yaml: mine:"
    assert lines[1] == "  - 3 clusters (a, b, empty), but the task has 2"
    assert lines[2] == "  - empty: no classes"
    assert lines[3] == "  - a: no class of cifar10 'brid'; did you mean 'bird'?"
    assert lines[4] == "  - cat: given 3 times, in a, b"
    assert lines[5].startswith("  - b: no class of cifar10 'zebra crossing'; known: airplane,")
    assert lines[6] == "  - classes in no cluster: automobile, bird, frog, horse, ship, truck"
    assert len(lines) == 7


def test_names_that_lead_nowhere_get_a_suggestion(tmp_path: Path) -> None:
    write_map(tmp_path, "cifar1O", {"a": "[bird]"})
    assert "did you mean 'cifar10'" in refusal(tmp_path)
    write_map(tmp_path, "cifar10", {"a": "[bird]"})
    assert "did you mean 'mine'" in refusal(tmp_path, "mien")
    (tmp_path / "t-2.yaml").rename(tmp_path / "t-3.yaml")
    assert "did you mean 't-3'" in refusal(tmp_path)


@pytest.mark.parametrize("text", ["mine: [airplane]", "mine: {a: airplane}", "mine:"])
def test_a_map_of_the_wrong_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t-2.yaml").write_text(f"dataset: cifar10\n{text}\n")
    assert "mine: give each cluster's name with a list of its classes" in refusal(tmp_path)


def test_a_cluster_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t-2.yaml").write_text("dataset: cifar10\nmine:\n  a: [bird]\n  a: [cat]\n")
    assert "line 4" in refusal(tmp_path)


@given(st.permutations(range(10)), st.integers(1, 9))
def test_any_partition_written_is_the_one_loaded(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("maps")
    write_map(folder, "digits10", {"a": str(order[:cut]), "b": str(order[cut:])})
    orientation = orientations.load("t-2", "mine", folder, clusters=2)
    assert orientation.clusters == ("a", "b")
    assert all(orientation.cluster_of[str(digit)] == int(order.index(digit) >= cut) for digit in range(10))
