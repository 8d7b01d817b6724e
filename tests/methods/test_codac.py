"""CODAC: the two phases of its questions, and an embedding that obeys the answers."""

import numpy as np
import pytest

from pcl import neighbourhoods
from pcl.constraints import Constraints
from pcl.engine import rounds
from pcl.engine.known import Known
from pcl.methods.codac import Method
from pcl.oracles.base import Question
from pcl.strategies import codac
from pcl.strategies.base import Choice


@pytest.fixture(scope="module")
def blobs():
    """240 images in six clumps, of which 0 and 3, 1 and 4, 2 and 5 are one cluster; the cluster of each."""
    rng = np.random.default_rng(0)
    clump = np.repeat(np.arange(6), 40)
    centres = 6 * np.eye(6, 4) + np.array([[0, 0, 0, 0]] * 4 + [[5, 5, 0, 0], [0, 0, 5, 5]])
    return (centres[clump] + rng.normal(size=(240, 4))).astype(np.float32), clump % 3


def asked(features, labels, known, learn, stop=None, clusters=3, **settings):
    """The questions of all rounds by round, answered truly; after `stop` answers the run is killed."""
    training = rounds.train(Choice.of("codac", **settings), features, known, clusters, 0, learn)
    found, reply = [[]], None
    while stop is None or sum(map(len, found)) < stop:
        try:
            event = training.send(reply)
        except StopIteration:
            break
        reply = None
        if isinstance(event, Question):
            found[-1].append((event.i, event.j, event.terms))
            reply = bool(labels[event.i] == labels[event.j])
        else:
            found.append([])
    return [own for own in found if own]


def near(features, clusters=3):
    return rounds.by_distance(features, clusters)


SMALL = {"verify": 30, "per_round": 7, "super_instances": 9}


def test_medoids_are_told_apart_nearest_first_then_images_are_placed_then_rounds_come(blobs):
    features, labels = blobs
    known = Known(Constraints(240), 60)
    found = asked(features, labels, known, near(features), **SMALL)
    first = [terms["distance"] for *_, terms in found[0]]
    assert first == sorted(first) and len({i for a, b, _ in found[0] for i in (a, b)}) == 9
    assert all("rank" in terms for *_, terms in found[1])
    assert sum(map(len, found[:2])) == 30, "verify ends at its last question"
    assert all(len(own) <= 7 and "between" in own[0][2] for own in found[2:])
    assert known.spent == 60


@pytest.mark.parametrize("stop", [5, 29, 30, 41])
def test_a_killed_run_asks_the_same_again(blobs, stop):
    """Nothing is remembered but the answers, so what was asked before the kill is asked again."""
    features, labels = blobs
    whole, part = (
        asked(features, labels, Known(Constraints(240), 60), near(features), end, **SMALL) for end in (None, stop)
    )
    assert [pair for own in part for pair in own] == [pair for own in whole for pair in own][:stop]


def test_a_round_asks_each_image_once_about_its_nearest_medoid_by_the_largest_score(blobs):
    """Greedily, recomputed for every choice from all candidates."""
    features, labels = blobs
    known = Known(Constraints(240), 37)
    *before, last = asked(features, labels, known, near(features), **SMALL)
    answers = known.answers[: sum(map(len, before))]
    earlier = Known(Constraints(240), 37)
    for answer in answers:
        earlier.record(answer)
    groups = neighbourhoods.of(earlier.closed, 3)
    centres = codac.medoids(features, groups)
    p, seen = near(features)(earlier), sorted({image for a in answers for image in (a.i, a.j)})
    away = np.linalg.norm(features[:, None] - features[None], axis=2)
    spread = np.sort(away, axis=1)[:, 1:21].mean(1)
    free = [i for i in range(240) if i not in groups.images]
    for i, j, _ in last:
        far = {image: away[image, seen].min() / spread[image] for image in free}
        low, high = min(far.values()), max(far.values())
        ranked = {i: np.sort(p[i]) for i in free}
        score = {i: 0.6 * ranked[i][-2] / ranked[i][-1] + 0.4 * (far[i] - low) / (high - low) for i in free}
        best = max(score, key=score.get)
        assert best in (i, j)
        other = j if best == i else i
        assert other in centres and other == centres[p[best].argmax()]
        free.remove(best)
        seen.append(best)


def test_the_embedding_obeys_the_answers(blobs):
    """Clumps that are apart in the features come together; images that are not placed follow them."""
    features, labels = blobs
    method = Method(Method.Settings(hidden=(32,), batch_size=48), 3, 60)

    def learn(known):
        return method.cluster({"train": features}, known, 0)["train"]

    known = Known(Constraints(240), 60)
    asked(features, labels, known, learn, **SMALL | {"per_round": 30})
    p = learn(known)
    groups = neighbourhoods.of(known.closed, 3)
    assert (p[groups.images].argmax(1) == groups.which).all()
    names = {int(labels[own[0]]): number for number, own in enumerate(groups.members())}
    assert np.mean([names[int(label)] == k for label, k in zip(labels, p.argmax(1), strict=True)]) > 0.95
    assert p.dtype == np.float32 and np.allclose(p.sum(1), 1)
    assert (learn(known) == p).all()


def test_what_an_image_differs_from_is_what_the_answers_imply():
    known = Constraints.fold(7, [(0, 1, True), (0, 2, False), (3, 1, False), (4, 2, False), (4, 0, True)])
    groups = neighbourhoods.of(known, 3)
    found = codac.differing(known, groups)
    naive = [[any(known.relation(i, j) is False for j in own) for own in groups.members()] for i in range(7)]
    assert found.tolist() == naive


def test_one_group_takes_everything_and_clusters_without_a_group_get_nothing(blobs):
    features, _ = blobs
    p = Method(Method.Settings(pretrain_epochs=1), 3, 1).cluster(
        {"train": features}, Known(Constraints.fold(240, [(0, 1, True)]), 1), 0
    )["train"]
    assert (p == [1, 0, 0]).all()


def test_its_own_strategy_is_the_default_and_the_release_learns_slowly():
    assert Method.Settings().strategy.name == "codac"
    release = Method.Settings(**Method.presets["release"])
    assert (release.lr, release.epochs, release.patience, release.reconstruction) == (1e-4, 100, 30, 0.01)
