"""The controls: methods that train nothing, and use answers as far as that goes."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from pcl import registry
from pcl.constraints import Constraints
from pcl.engine.known import Known
from pcl.metrics import accuracy

COPKMeans = registry.get("pcl.methods", "Method", "copkmeans")
Overwrite = registry.get("pcl.methods", "Method", "overwrite")


def method(cls, clusters, **chosen):
    return cls(cls.Settings(**chosen), clusters, 0)


def clusters_of(outputs):
    """The cluster of every image, by split; outputs must be one-hot."""
    for rows in outputs.values():
        assert rows.dtype == np.float32
        assert set(np.unique(rows)) <= {0, 1} and (rows.sum(axis=1) == 1).all()
    return {split: rows.argmax(axis=1) for split, rows in outputs.items()}


def one_hot(labels, clusters):
    return np.eye(clusters, dtype=np.float32)[labels]


def answered(rng, labels, questions):
    """True answers about random pairs."""
    pairs = [rng.choice(len(labels), 2, replace=False).tolist() for _ in range(questions)]
    answers = [(i, j, bool(labels[i] == labels[j])) for i, j in pairs]
    return Constraints.fold(len(labels), answers), answers


def obeys(labels, answers):
    return all((labels[i] == labels[j]) == same for i, j, same in answers)


cases = given(
    seed=st.integers(0, 2**32),
    clusters=st.sampled_from([2, 3, 4]),
    images=st.integers(4, 30),
    questions=st.integers(0, 40),
)


class TestCOPKMeans:
    @settings(max_examples=30, deadline=None)
    @cases
    def test_no_answer_is_contradicted(self, seed, clusters, images, questions):
        rng = np.random.default_rng(seed)
        constraints, answers = answered(rng, rng.integers(clusters, size=images), questions)
        inputs = {"train": rng.random((images, 3), dtype=np.float32), "test": rng.random((5, 3), dtype=np.float32)}
        found = clusters_of(method(COPKMeans, clusters, starts=3).cluster(inputs, Known(constraints, 0), 0))
        assert obeys(found["train"], answers)
        assert found["test"].shape == (5,)

    @pytest.mark.parametrize("clusters", [2, 4])
    def test_without_answers_it_is_k_means(self, clusters):
        rng = np.random.default_rng(0)
        inputs = {split: rng.random((n, 2), dtype=np.float32) for split, n in (("train", 200), ("test", 50))}
        found = clusters_of(method(COPKMeans, clusters).cluster(inputs, Known(Constraints(200), 0), 0))
        model = KMeans(clusters, n_init=100, random_state=1).fit(inputs["train"])
        assert accuracy(model.labels_, found["train"]) == 1
        assert accuracy(model.predict(inputs["test"]), found["test"]) == 1

    @pytest.mark.parametrize("seed", range(20))
    def test_cop_kmeans_2_no_order_is_a_dead_end(self, seed):
        constraints = Constraints.fold(3, [(0, 2, False), (1, 2, False)])
        inputs = {"train": np.array([[0], [1], [0.5]], dtype=np.float32)}
        a, b, c = clusters_of(method(COPKMeans, 2).cluster(inputs, Known(constraints, 0), seed))["train"]
        assert a == b != c

    def test_cop_kmeans_3_must_links_hold_in_every_cluster(self):
        """A must-link from each of four far groups to one image of the next: obeyed also by what is cluster 0."""
        points = np.repeat([[0, 0], [0, 100], [100, 0], [100, 100]], 5, axis=0).astype(np.float32)
        points += np.random.default_rng(0).random(points.shape, dtype=np.float32)
        answers = [(5 * group, (5 * group + 6) % 20, True) for group in range(4)]
        found = clusters_of(
            method(COPKMeans, 4).cluster({"train": points}, Known(Constraints.fold(20, answers), 0), 0)
        )["train"]
        assert obeys(found, answers)
        assert set(found.tolist()) == {0, 1, 2, 3}

    def test_answers_turn_the_partition_and_test_images_follow(self):
        """Two equally good splits of a square: answers choose, and images without answers go along."""
        rng = np.random.default_rng(0)
        corners = rng.integers(2, size=(240, 2))
        points = (corners + rng.normal(0, 0.1, corners.shape)).astype(np.float32)
        inputs = {"train": points[:200], "test": points[200:]}
        for axis in (0, 1):
            constraints, _ = answered(rng, corners[:200, axis], 40)
            found = clusters_of(method(COPKMeans, 2).cluster(inputs, Known(constraints, 0), 0))
            assert accuracy(corners[:200, axis], found["train"]) > 0.95
            assert accuracy(corners[200:, axis], found["test"]) > 0.95

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 2**32))
    def test_no_other_labels_that_obey_are_nearer_to_its_centres(self, seed):
        """Lloyd has come to its end: against all labels of nine images, counted out."""
        rng = np.random.default_rng(seed)
        points = rng.random((9, 2), dtype=np.float32)
        constraints, answers = answered(rng, rng.integers(2, size=9), 6)
        found = clusters_of(method(COPKMeans, 2, starts=1).cluster({"train": points}, Known(constraints, 0), 0))[
            "train"
        ]
        if len(set(found.tolist())) < 2:
            return
        centres = np.stack([points[found == cluster].mean(axis=0) for cluster in (0, 1)])
        apart = ((points[:, None] - centres) ** 2).sum(axis=2)
        every = [labels for labels in product((0, 1), repeat=9) if obeys(labels, answers)]
        assert apart[range(9), found].sum() <= min(apart[range(9), labels].sum() for labels in every) + 1e-6

    def test_a_component_weighs_as_much_as_its_members(self):
        """Nine joined images at 0 and one at 1 have their centre at 0.1, not at 0.5: 5.1 is nearer to 10."""
        points = np.array([[0]] * 9 + [[1], [10]], dtype=np.float32)
        constraints = Constraints.fold(11, [(0, i, True) for i in range(1, 9)])
        inputs = {"train": points, "test": np.array([[5.0], [5.1]], dtype=np.float32)}
        found = clusters_of(method(COPKMeans, 2).cluster(inputs, Known(constraints, 0), 0))
        assert found["test"].tolist() == [found["train"][0], found["train"][10]]

    def test_of_two_that_differ_the_lighter_gives_way(self):
        """Both would rather be with those at 0, the one image even more than each of the five."""
        points = np.array([[0]] * 50 + [[10]] * 50 + [[4]] * 5 + [[3.9]], dtype=np.float32)
        answers = [*((100, i, True) for i in range(101, 105)), (100, 105, False)]
        found = clusters_of(
            method(COPKMeans, 2).cluster({"train": points}, Known(Constraints.fold(106, answers), 0), 0)
        )
        assert found["train"][[100, 105]].tolist() == found["train"][[0, 50]].tolist()

    def test_seeds_are_all_that_is_random(self):
        rng = np.random.default_rng(0)
        inputs = {"train": rng.random((40, 3), dtype=np.float32)}
        constraints, _ = answered(rng, rng.integers(3, size=40), 30)
        first, again = (
            method(COPKMeans, 3, starts=2).cluster(inputs, Known(constraints, 0), 5)["train"] for _ in range(2)
        )
        assert (first == again).all()


class TestOverwrite:
    @settings(max_examples=50, deadline=None)
    @cases
    def test_answers_hold_and_nothing_else_changes(self, seed, clusters, images, questions):
        rng = np.random.default_rng(seed)
        constraints, answers = answered(rng, rng.integers(clusters, size=images), questions)
        before = {"train": rng.integers(clusters, size=images), "test": rng.integers(clusters, size=5)}
        inputs = {split: one_hot(labels, clusters) for split, labels in before.items()}
        after = clusters_of(method(Overwrite, clusters).cluster(inputs, Known(constraints, 0), 0))
        assert obeys(after["train"], answers)
        assert after["test"].tolist() == before["test"].tolist()
        untouched = sorted(set(range(images)) - {image for i, j, _ in answers for image in (i, j)})
        assert after["train"][untouched].tolist() == before["train"][untouched].tolist()

    @settings(max_examples=50, deadline=None)
    @cases
    def test_right_clusters_stay(self, seed, clusters, images, questions):
        rng = np.random.default_rng(seed)
        labels = rng.integers(clusters, size=images)
        constraints, _ = answered(rng, labels, questions)
        after = method(Overwrite, clusters).cluster({"train": one_hot(labels, clusters)}, Known(constraints, 0), 0)
        assert clusters_of(after)["train"].tolist() == labels.tolist()

    def test_a_component_gets_the_cluster_of_most_of_its_members(self):
        constraints = Constraints.fold(5, [(0, 1, True), (1, 2, True), (2, 3, True)])
        after = method(Overwrite, 3).cluster({"train": one_hot([2, 0, 2, 1, 0], 3)}, Known(constraints, 0), 0)
        assert clusters_of(after)["train"].tolist() == [2, 2, 2, 2, 0]

    @pytest.mark.parametrize(("same", "labels"), [(True, [0, 1]), (False, [1, 1])])
    def test_where_either_may_give_way_the_seed_decides(self, same, labels):
        """Not the order of images or of clusters: their numbers mean nothing."""
        inputs = {"train": one_hot(np.array(labels), 2)}
        constraints = Constraints.fold(2, [(0, 1, same)])
        found = [
            clusters_of(method(Overwrite, 2).cluster(inputs, Known(constraints, 0), seed))["train"]
            for seed in range(40)
        ]
        assert 5 < sum(first == labels[0] for first, _ in found) < 35

    def test_of_two_that_differ_the_smaller_gives_way(self):
        constraints = Constraints.fold(4, [(0, 1, True), (1, 2, True), (2, 3, False)])
        for clusters in (2, 3):
            after = method(Overwrite, clusters).cluster(
                {"train": one_hot([1, 1, 1, 1], clusters)}, Known(constraints, 0), 0
            )
            labels = clusters_of(after)["train"].tolist()
            assert labels[:3] == [1, 1, 1] and labels[3] != 1


class TestBoth:
    @pytest.mark.parametrize("cls", [COPKMeans, Overwrite])
    def test_cop_kmeans_1_what_follows_from_answers_holds_too(self, cls):
        answers = [(0, 1, True), (1, 2, True), (2, 3, False), (4, 5, False)]
        for seed in range(10):
            rng = np.random.default_rng(seed)
            rows = one_hot(rng.integers(2, size=7), 2) if cls is Overwrite else rng.random((7, 2), dtype=np.float32)
            found = clusters_of(method(cls, 2).cluster({"train": rows}, Known(Constraints.fold(7, answers), 0), 0))[
                "train"
            ]
            assert found[0] == found[1] == found[2] != found[3]
            assert found[4] != found[5]

    @pytest.mark.parametrize("cls", [COPKMeans, Overwrite])
    def test_what_cannot_hold_is_no_exception(self, cls):
        """Three that all differ, and two clusters: one of the three cannot-links is violated."""
        constraints = Constraints.fold(4, [(0, 1, False), (1, 2, False), (0, 2, False)])
        rng = np.random.default_rng(0)
        rows = one_hot([0, 0, 0, 1], 2) if cls is Overwrite else rng.random((4, 2), dtype=np.float32)
        found = clusters_of(method(cls, 2).cluster({"train": rows}, Known(constraints, 0), 0))["train"]
        assert len(set(found[:3].tolist())) == 2
