"""Learners on representations, each against another way to the same result, on a few points."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from sklearn.svm import SVC

from pcl import propagation, registry
from pcl.constraints import Constraints
from pcl.engine import rounds
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.neighbourhoods import Neighbourhoods, distances
from pcl.oracles.log import Answer

LEARNERS = ("nearest", "classifier", "propagation", "seeded", "cobra", "spherepair", "vanilla")
QUICK = {
    "spherepair": {"hidden": [16], "pretrain_epochs": 10, "least_epochs": 40, "starts": 3},
    "vanilla": {"hidden": [16]},
}


def learner(name, clusters=3, budget=40, **settings):
    cls = registry.get("pcl.methods", "Method", name)
    return cls(cls.Settings(**(QUICK.get(name, {}) | settings)), clusters, budget)


def told(method, images, answers):
    """What is known to a method after answers (i, j, same)."""
    known = Known(method.constraints(images), method.budget)
    for number, (i, j, same) in enumerate(answers, start=1):
        known.record(Answer(number, i, j, same, 0, 0, "", {}))
    return known


@pytest.fixture
def blobs():
    """Three groups of points, four of each known to be together, and known to differ from the other groups."""
    rng = np.random.default_rng(0)
    truth = np.arange(75) % 3
    points = (np.array([[0, 0], [4, 0], [0, 4]])[truth] + rng.normal(0, 0.6, (75, 2))).astype(np.float32)
    answers = [(own, own + 3 * more, True) for own in range(3) for more in (1, 2, 3)]
    answers += [(0, 1, False), (0, 2, False), (1, 2, False)]
    return {"train": points[:60], "test": points[60:]}, truth, answers


def agree(found, truth):
    """Whether two labelings are the same partition."""
    return ((found[:, None] == found) == (truth[:, None] == truth)).mean()


@pytest.mark.parametrize("name", LEARNERS)
def test_groups_that_lie_apart_are_found_and_probabilities_are_some(name, blobs):
    inputs, truth, answers = blobs
    method = learner(name, **({"least_epochs": 100} if name == "vanilla" else {}))
    found = method.cluster(inputs, told(method, 60, answers), 0)
    for split, own in (("train", truth[:60]), ("test", truth[60:])):
        assert found[split].dtype == np.float32 and found[split].shape == (len(own), 3)
        assert np.allclose(found[split].sum(1), 1, atol=1e-5) and (found[split] >= 0).all()
        assert agree(found[split].argmax(1), own) > 0.9
    again = learner(name, **({"least_epochs": 100} if name == "vanilla" else {}))
    for split, rows in again.cluster(inputs, told(again, 60, answers), 0).items():
        assert rows.tobytes() == found[split].tobytes()


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "spherepair"])
def test_without_answers_there_is_nothing_to_learn_from(name, blobs):
    method = learner(name)
    with pytest.raises(UserError, match=r"budget of .* or more is needed"):
        method.cluster(blobs[0], told(method, 60, []), 0)


def test_spherepair_without_answers_is_an_autoencoder_and_k_means(blobs):
    method = learner("spherepair", epochs=5)
    found = method.cluster(blobs[0], told(method, 60, []), 0)["train"].argmax(1)
    assert set(found.tolist()) == {0, 1, 2}


def test_a_second_round_begins_where_the_first_did(blobs):
    """Pretrained weights are made once, and what one round learns is not carried to the next."""
    inputs, _, answers = blobs
    method, fresh = learner("spherepair", epochs=5), learner("spherepair", epochs=5)
    method.cluster(inputs, told(method, 60, answers[:4]), 0)
    later = method.cluster(inputs, told(method, 60, answers), 0)
    assert later["test"].tobytes() == fresh.cluster(inputs, told(fresh, 60, answers), 0)["test"].tobytes()


def test_layers_are_pretrained_one_by_one():
    """Each layer reconstructs what it sees better than before: the autoencoder does, without a step of its own."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(80, 2)) @ rng.normal(size=(2, 12))).astype(np.float32)

    def error(layer_epochs):
        method = learner("spherepair", clusters=2, hidden=[16, 16], layer_epochs=layer_epochs, pretrain_epochs=0)
        train = method.scaled({"train": rows})["train"]
        encoder, decoder = method._pretrain(train, 0)
        with torch.no_grad():
            return float((decoder(torch.nn.functional.normalize(encoder(train), dim=1)) - train).square().mean())

    assert error(60) < 0.8 * error(0)


def test_rows_are_scaled_as_a_whole():
    rows = {"train": np.array([[1, 0], [3, 4]], np.float32), "test": np.array([[2, 2]], np.float32)}
    found = learner("vanilla").scaled(rows)
    scale = np.sqrt((1 + 4) / 2)
    assert np.allclose(found["train"], np.array([[-1, -2], [1, 2]]) / scale)
    assert np.allclose(found["test"], 0)


def test_training_ends_once_the_loss_is_steady(blobs):
    """Five changes of less than a tenth, no sooner than it may; a loss that is not a number ends the run."""
    method = learner("vanilla", epochs=50, least_epochs=3)
    known, weight = told(method, 60, blobs[2]), torch.nn.Linear(1, 1)
    values, seen = iter([8.0, 4, 2, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]), []

    def loss(pairs, same, images):
        seen.append(next(values))
        return weight.weight.sum() * 0 + seen[-1]

    method.fit(weight, known, 0, loss)
    assert len(seen) == 10
    with pytest.raises(UserError, match="the loss is not a number; lower lr"):
        method.fit(weight, known, 0, lambda pairs, same, images: weight.weight.sum() * float("nan"))


def test_a_pass_sees_every_pair_and_every_image_once(blobs):
    method = learner("vanilla", epochs=1, batch_size=10)
    known, weight, seen, images = told(method, 60, blobs[2]), torch.nn.Linear(1, 1), [], []

    def loss(pairs, same, others):
        assert len(pairs) <= 10 and len(others) <= 20
        seen.extend((i, j, bool(s)) for (i, j), s in zip(pairs.tolist(), same, strict=True))
        images.extend(others.tolist())
        return weight.weight.sum()

    method.fit(weight, known, 0, loss, 60, at_once=20)
    must, cannot = known.constraints.pairs()
    assert sorted(seen) == sorted([(*p, True) for p in must.tolist()] + [(*p, False) for p in cannot.tolist()])
    assert sorted(images) == list(range(60))


def test_nearest_by_hand(blobs):
    inputs, _, answers = blobs
    method = learner("nearest")
    known = told(method, 60, answers)
    placed = method.neighbourhoods(known)
    for split, found in method.cluster(inputs, known, 0).items():
        for row, p in zip(inputs[split], found, strict=True):
            best = min(
                range(len(placed.images)), key=lambda at: ((inputs["train"][placed.images[at]] - row) ** 2).sum()
            )
            assert p.argmax() == placed.which[best]


def test_the_classifier_is_fitted_to_placed_images_only(blobs):
    inputs, _, answers = blobs
    for model in ("svm", "logistic"):
        method = learner("classifier", model=model)
        known = told(method, 60, answers)
        found = method.cluster(inputs, known, 0)
        placed = method.neighbourhoods(known)
        if model == "svm":
            expected = SVC(C=10).fit(inputs["train"][placed.images], placed.which).predict(inputs["test"])
            assert found["test"].argmax(1).tolist() == expected.tolist()
        moved = inputs["train"].copy()
        moved[np.setdiff1d(range(60), placed.images)] += 100
        other = method.cluster({"train": moved, "test": inputs["test"]}, known, 0)
        assert other["test"].tobytes() == found["test"].tobytes()


@pytest.mark.parametrize("balanced", [True, False])
def test_spreading_is_the_closed_form(blobs, balanced):
    """(I − αS)⁻¹ Y with dense matrices, S from its definition."""
    rows, k, alpha = blobs[0]["train"], 8, 0.6
    apart = distances(rows, rows)
    order = np.argsort(apart + np.where(np.eye(60), np.inf, 0), axis=1)[:, :k]
    sigma = apart[np.arange(60), order[:, 6]]
    w = np.zeros((60, 60))
    for i in range(60):
        for j in order[i]:
            w[i, j] = w[j, i] = np.exp(-(apart[i, j] ** 2) / (sigma[i] * sigma[j]))
    degree = w.sum(1)
    s = w / np.sqrt(np.outer(degree, degree))
    images, which = np.array([0, 3, 1, 2]), np.array([0, 0, 1, 2])
    y = np.zeros((60, 3))
    y[images, which] = 1 / np.bincount(which)[which] if balanced else 1
    expected = np.linalg.solve(np.eye(60) - alpha * s, y)
    expected /= expected.sum(1, keepdims=True)
    graph = propagation.graph(rows, k)
    found = propagation.spread(graph, images, which, 3, alpha, balanced=balanced)
    assert np.allclose(graph.weights.toarray(), s, atol=1e-5)
    assert np.allclose(found, expected, atol=5e-3)
    for row, p in zip(blobs[0]["test"], propagation.extend(graph, blobs[0]["test"], found), strict=True):
        away = distances(row[None], rows)[0]
        near = np.argsort(away)[:k]
        weight = np.exp(-(away[near] ** 2) / (away[near[6]] * sigma[near]))
        assert np.allclose(p, weight @ found[near] / weight.sum(), atol=1e-4)


def test_constrained_seeds_stay_and_others_may_move():
    """A seed that lies in the middle of another cluster."""
    points = np.array([[0], [0.1], [0.2], [10], [10.1], [10.2], [9.9]], dtype=np.float32)
    answers = [(0, 6, True), (0, 3, False)]
    for constrained in (True, False):
        method = learner("seeded", clusters=2, constrained=constrained)
        found = method.cluster({"train": points, "test": points}, told(method, 7, answers), 0)
        labels = found["train"].argmax(1)
        assert (labels[6] == labels[0]) is np.bool_(constrained)
        assert labels[1] == labels[2] == labels[0] != labels[4]
        assert found["test"].argmax(1)[6] == labels[4]


def test_seeded_begins_at_the_means_of_neighbourhoods():
    method = learner("seeded")
    rows = np.array([[0], [2], [9], [5], [7]], dtype=np.float32)
    placed = Neighbourhoods(np.array([0, 1, 2]), np.array([0, 0, 1]), 2)
    start = method._start(rows, placed, 0)
    assert start[:2, 0].tolist() == [1, 9] and start[2] in rows


class TestCobra:
    POINTS = np.array([[0], [1.1], [10], [11.3], [20.2], [21.7], [3.2], [13.9]], dtype=np.float32)

    def ask(self, points, truth, clusters, budget=99):
        """All questions of COBRA on points that are super-instances of one image each."""
        method = learner("cobra", clusters=clusters, strategy={"name": "cobra", "super_instances": len(points)})
        known, asked = Known(Constraints(len(points)), budget), []
        training = rounds.train(
            method.settings.strategy, points, known, clusters, 0, lambda _: np.zeros((len(points), clusters))
        )
        event = next(training, None)
        while event is not None:
            question = hasattr(event, "i")
            same = bool(truth[event.i] == truth[event.j]) if question else None
            asked += [(event.i, event.j)] if question else []
            try:
                event = training.send(same)
            except StopIteration:
                break
        return method, known, asked

    def test_asks_the_nearest_pair_of_clusters_and_nothing_that_follows(self):
        """Against the loop of the paper: merge or part the two nearest clusters, a cluster as near as its medoids."""
        truth = np.array([0, 0, 1, 1, 2, 2, 0, 1])
        method, known, asked = self.ask(self.POINTS, truth, 3)
        groups, apart, expected = [{i} for i in range(8)], set(), []
        while True:
            pairs = [
                (abs(float(self.POINTS[i, 0] - self.POINTS[j, 0])), min(i, j), max(i, j))
                for one in groups
                for other in groups
                if one is not other and frozenset(map(frozenset, (one, other))) not in apart
                for i in one
                for j in other
            ]
            if not pairs:
                break
            _, i, j = min(pairs)
            one, other = (next(own for own in groups if image in own) for image in (i, j))
            expected.append((i, j))
            if truth[i] != truth[j]:
                apart.add(frozenset(map(frozenset, (one, other))))
                continue
            merged = one | other
            groups = [own for own in groups if own not in (one, other)] + [merged]
            parts = {frozenset(one), frozenset(other)}
            apart = {frozenset(frozenset(merged) if own in parts else own for own in pair) for pair in apart}
        assert asked == expected
        found = method.cluster({"train": self.POINTS, "test": self.POINTS + 0.2}, known, 0)
        for rows in found.values():
            assert agree(rows.argmax(1), truth) == 1

    def test_a_medoid_that_nobody_asked_about_goes_to_the_nearest_known_one(self):
        truth = np.array([0, 0, 1, 1, 2, 2, 0, 1])
        method, known, asked = self.ask(self.POINTS, truth, 3, budget=2)
        assert len(asked) == 2
        assert set(method.cluster({"train": self.POINTS}, known, 0)["train"].argmax(1).tolist()) <= {0, 1, 2}


def test_descent_finds_most_nearest_neighbours_and_no_image_its_own():
    rows = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
    rows[1] = rows[0]
    away, found = propagation.Descent(5).fit(rows).kneighbors()
    exact = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(rows)
    assert found.shape == (400, 5) and not (found == np.arange(400)[:, None]).any()
    assert (found[:, :, None] == exact.kneighbors()[1][:, None]).any(2).mean() > 0.95
    assert np.allclose(away, np.linalg.norm(rows[:, None] - rows[found], axis=2), atol=1e-3)
    others = rows[:7] + 0.01
    near = propagation.Descent(5).fit(rows).kneighbors(others)[1]
    assert (near[:, :, None] == exact.kneighbors(others)[1][:, None]).any(2).mean() > 0.9
