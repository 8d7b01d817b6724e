"""Orientations in params.yaml: by the values of one field of a data set, found or named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pcl import config, datasets, orientations
from pcl.errors import UserError
from pcl.plan import Plan

DECKS, SUITS, RANKS = ("a", "b"), ("club", "diamond", "heart", "spade"), ("1", "2", "king")
COLOUR = {"black": ["club", "spade"], "red": ["diamond", "heart"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    for number, (deck, suit, rank) in enumerate((d, s, r) for d in DECKS for s in SUITS for r in RANKS):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{deck}__{suit}__{rank}.png")
    return folder


@pytest.fixture(scope="module")
def cards(folder: Path) -> datasets.Dataset:
    return datasets.make("cards", {"reader": "folder", "path": str(folder), "classes": "{deck}__{suit}__{rank}"})


def resolve(cards: datasets.Dataset, groups: Any, clusters: int | None = None) -> orientations.Orientation:
    written = orientations.Map("tasks.cards-2.orientations.mine", groups)
    return orientations.resolve("cards-2", "mine", written, cards, clusters)


def refusal(cards: datasets.Dataset, groups: Any, clusters: int | None = None) -> list[str]:
    with pytest.raises(UserError) as error:
        resolve(cards, groups, clusters)
    assert str(error.value).startswith("tasks.cards-2.orientations.mine:")
    return str(error.value).removeprefix("tasks.cards-2.orientations.mine:").strip().splitlines()


def test_the_field_is_the_one_that_has_the_values(cards: datasets.Dataset) -> None:
    colour = resolve(cards, COLOUR, clusters=2)
    assert colour.clusters == ("black", "red")
    assert tuple(colour.cluster_of) == cards.classes()
    assert all(cluster == (name.split("/")[1] in COLOUR["red"]) for name, cluster in colour.cluster_of.items())
    court = resolve(cards, {"number": [1, 2], "court": ["king"]})
    assert all(cluster == name.endswith("king") for name, cluster in court.cluster_of.items())


def test_a_named_field_alone_makes_every_value_a_cluster(cards: datasets.Dataset) -> None:
    suit = resolve(cards, {"by": "suit"}, clusters=4)
    assert suit.clusters == SUITS
    assert all(suit.clusters[cluster] == name.split("/")[1] for name, cluster in suit.cluster_of.items())


@given(st.permutations(RANKS), st.integers(1, 2))
def test_any_grouping_of_a_field_is_the_one_resolved(cards: datasets.Dataset, order: list[str], cut: int) -> None:
    found = resolve(cards, {"by": "rank", "x": order[:cut], "y": order[cut:]})
    assert all(cluster == (name.split("/")[2] in order[cut:]) for name, cluster in found.cluster_of.items())


def test_several_orientations_relabel_one_folder(cards: datasets.Dataset, tmp_path: Path) -> None:
    datasets.prepare(cards, tmp_path / "data")
    splits = datasets.load(tmp_path / "data")
    for groups, at in ((COLOUR, 1), ({"by": "rank"}, 2)):
        found = resolve(cards, groups)
        orientations.write(found, splits, tmp_path / "targets.npz")
        targets = orientations.read(tmp_path / "targets.npz")
        for part, wanted in ((splits.train, targets.train), (splits.test, targets.test)):
            values = [Path(file).stem.split("__")[at] for file in part.files]
            if at == 1:
                values = ["red" if value in COLOUR["red"] else "black" for value in values]
            assert [found.clusters[cluster] for cluster in wanted] == values


def test_pictures_that_were_added_since_do_not_fit(cards: datasets.Dataset, tmp_path: Path) -> None:
    datasets.prepare(cards, tmp_path / "data")
    splits = datasets.load(tmp_path / "data")
    other = splits.manifest.model_copy(update={"classes": cards.classes()[1:]})
    with pytest.raises(UserError, match="cards-2: the prepared data have other classes than cards has now"):
        orientations.write(
            resolve(cards, COLOUR), datasets.Splits(splits.train, splits.test, other), tmp_path / "t.npz"
        )


# --- what is wrong


def test_every_problem_is_listed_at_once(cards: datasets.Dataset) -> None:
    lines = refusal(cards, {"black": ["club", "spad", "club"], "a/b": ["heart"], "none": []}, clusters=2)
    assert lines == [
        "- 3 clusters (black, a/b, none), but the task has 2",
        "  - 'a/b': no name for a cluster; use letters, digits, spaces and signs, but no / or \\",
        "  - none: no classes",
        "  - club: given 2 times, in black",
        "  - black: no suit of cards 'spad'; did you mean 'spade'?",
        "  - values of suit in no cluster: diamond, spade",
    ]


def test_values_of_several_fields_need_the_field_named(tmp_path: Path) -> None:
    for day, month in ((1, 2), (2, 1)):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{day}-{month}.png")
    dates = datasets.make("dates", {"reader": "folder", "path": str(tmp_path), "classes": "{day}-{month}"})
    (line,) = refusal(dates, {"x": [1], "y": [2]})
    assert line == "day and month have all these values; add `by: day` or another"
    month = resolve(dates, {"by": "month", "x": [1], "y": [2]})
    assert month.cluster_of == {"1/2": 1, "2/1": 0}


@pytest.mark.parametrize(
    "groups", [{}, [], "suit", {"red": "heart"}, {"red": None}, {"by": ["suit"]}, {"by": "suit", "red": "heart"}]
)
def test_a_map_of_the_wrong_shape_is_refused(cards: datasets.Dataset, groups: Any) -> None:
    assert refusal(cards, groups) == ["give each cluster's name with a list of its classes"]


def test_an_unknown_field_gets_a_suggestion(cards: datasets.Dataset) -> None:
    assert refusal(cards, {"by": "suite"}) == ["by: no field 'suite'; did you mean 'suit'?"]


def test_pictures_without_classes_cannot_be_grouped(folder: Path) -> None:
    unlabelled = datasets.make("cards", {"reader": "folder", "path": str(folder)})
    (line,) = refusal(unlabelled, COLOUR)
    assert "cards has no classes to group; write null" in line and "datasets.cards.classes" in line


# --- in params.yaml


def plan(content: dict[str, Any]) -> Plan:
    return Plan(config.validate(config.Config, content, "params.yaml"))


@pytest.fixture
def content(tiny_config: config.Config, folder: Path) -> dict[str, Any]:
    """The tiny study with a folder of cards, in two orientations and one that nobody knows."""
    content = tiny_config.model_dump()
    content["datasets"] = {
        "cards": {"reader": "folder", "path": str(folder), "classes": "{deck}__{suit}__{rank}"},
        "heap": {"reader": "folder", "path": str(folder)},
    }
    orientation = {"colour": COLOUR, "court": {"number": [1, 2], "court": ["king"]}, "mine": None}
    content["tasks"]["cards-2"] = {"dataset": "cards", "clusters": 2, "orientations": orientation}
    content["tasks"]["heap-2"] = {"dataset": "heap", "clusters": 2, "orientations": {"mine": None}}
    content["tasks"]["heap-3"] = {"dataset": "heap", "clusters": 3}
    content["studies"]["tiny"]["tasks"] += ["cards-2", "heap-2", "heap-3"]
    content["studies"]["tiny"]["budgets"] |= {"cards-2": 30, "heap-2": 30, "heap-3": 30}
    return content


def test_own_orientations_stand_beside_the_shipped_ones(content: dict[str, Any]) -> None:
    content["tasks"]["digits10-2"]["orientations"] = {"loops": {"with": [0, 6, 8, 9], "without": [1, 2, 3, 4, 5, 7]}}
    found = plan(content)
    assert list(found.orientations("digits10-2")) == ["default", "personalized", "loops"]
    run = found.run("digits10-2", "loops", "pcl", 0)
    assert run.path.parts[2:4] == ("digits10-2", "loops") and run.targets["loops"].map.clusters == ("with", "without")
    shared = found.run("digits10-2", "any", "kmeans", 0)
    assert list(shared.targets) == ["default", "personalized", "loops"]


def test_a_name_that_is_taken_is_refused(content: dict[str, Any]) -> None:
    content["tasks"]["digits10-2"]["orientations"] = {"default": {"a": [0], "b": [1]}}
    with pytest.raises(UserError, match=r"tasks\.digits10-2\.orientations\.default: .*has one of that name already"):
        plan(content).run("digits10-2", "default", "pcl", 0)


def test_a_task_of_another_data_set_than_the_shipped_file_is_refused(content: dict[str, Any]) -> None:
    content["tasks"]["digits10-2"]["dataset"] = "cards"
    with pytest.raises(
        UserError, match=r"tasks\.digits10-2\.dataset: .*digits10-2\.yaml is about digits10, not cards"
    ):
        plan(content).targets("digits10-2")


def test_all_mistakes_of_a_task_come_together(content: dict[str, Any]) -> None:
    content["tasks"]["cards-2"]["orientations"] |= {"two": {"by": "siut"}, "three": {"by": "suit"}}
    with pytest.raises(UserError) as error:
        plan(content).targets("cards-2")
    assert "orientations.two: by: no field 'siut'" in str(error.value)
    assert "4 clusters (club, diamond, heart, spade), but the task has 2" in str(error.value)


@pytest.mark.parametrize("name", ["any", "a/b", "../x", "", "a b", ".hidden", "-x"])
def test_names_that_no_path_can_have_are_refused(
    content: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content["tasks"]["cards-2"]["orientations"] = {name: None}
    monkeypatch.setattr(config, "read_yaml", lambda path: content)
    with pytest.raises(UserError) as error:
        config.load(tmp_path / "params.yaml")
    assert f"tasks.cards-2.orientations.{name}: " in str(error.value)


def test_each_orientation_has_its_own_targets_and_data_are_shared(content: dict[str, Any]) -> None:
    found = plan(content)
    colour, court = (found.run("cards-2", name, "pcl", 0) for name in ("colour", "court"))
    assert colour.targets["colour"].path != court.targets["court"].path
    assert colour.data.path == court.data.path and colour.key != court.key
    assert list(found.run("cards-2", "any", "kmeans", 0).targets) == ["colour", "court"]


class TestNobodyKnowsTheClusters:
    @pytest.mark.parametrize(("task", "orientation"), [("cards-2", "mine"), ("heap-2", "mine"), ("heap-3", "any")])
    def test_what_asks_nothing_runs_and_has_no_targets(self, content, task, orientation) -> None:
        run = plan(content).run(task, "any", "kmeans", 0)
        assert orientation not in run.targets and run.spec["targets"] == {n: t.key for n, t in run.targets.items()}

    def test_there_is_no_target(self, content) -> None:
        assert plan(content).target("heap-2", "mine") is None
        with pytest.raises(UserError, match=r"tasks\.heap-2: no orientation 'mien'; did you mean 'mine'"):
            plan(content).target("heap-2", "mien")

    @pytest.mark.parametrize(("arm", "asking"), [("pcl", "pcl"), ("dcc", "dcc"), ("cop-kmeans", "dcc")])
    def test_who_answers_from_them_is_refused(self, content, arm, asking) -> None:
        message = rf"arms\.{asking}\.oracle: truth answers from target clusters, but those of heap-2 in orientation"
        with pytest.raises(UserError, match=message) as error:
            plan(content).run("heap-2", "mine", arm, 0)
        assert "tasks.heap-2.orientations.mine" in str(error.value) and "replay" in str(error.value)
        content["arms"][asking]["oracle"] = {"name": "noisy", "settings": {"flip": 0.1}}
        with pytest.raises(UserError, match="noisy answers from target clusters"):
            plan(content).run("heap-2", "mine", arm, 0)

    @pytest.mark.parametrize("arm", ["pcl", "cop-kmeans"])
    def test_who_has_them_from_elsewhere_is_not(self, content, arm, tmp_path: Path) -> None:
        (tmp_path / "log.jsonl").write_text("")
        replay = {"name": "replay", "settings": {"log": str(tmp_path / "log.jsonl")}}
        for asking in ("pcl", "dcc"):
            content["arms"][asking]["oracle"] = replay
        run = plan(content).run("heap-2", "mine", arm, 0)
        assert run.targets == {} and run.orientation == "mine"
        assert run.key != plan(content).run("cards-2", "mine", arm, 0).key

    def test_the_runs_that_can_be_are_still_found(self, content) -> None:
        possible = [(run.task, run.orientation) for run in plan(content).possible(["pcl"], 0)]
        assert ("cards-2", "colour") in possible and ("cards-2", "mine") not in possible
        assert not [task for task, _ in possible if task.startswith("heap")]


def test_a_missing_folder_stops_no_plan(content: dict[str, Any], tmp_path: Path, cards: datasets.Dataset) -> None:
    """The classes cannot be checked then; the key is another than that of any folder there is."""
    before = plan(content).run("cards-2", "colour", "pcl", 0)
    content["datasets"]["cards"]["path"] = str(tmp_path / "nowhere")
    run = plan(content).run("cards-2", "colour", "pcl", 0)
    assert run.targets["colour"].map.clusters == ("black", "red")
    assert run.data.key != before.data.key and run.key != before.key
    assert np.unique([run.data.key, plan(content).data("cards-2").key]).size == 1
