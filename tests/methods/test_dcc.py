"""DCC: what each kind of batch adds to the loss, by loops over its images or pairs, with no two weights alike."""

import math

import numpy as np
import pytest
import torch

from pcl.methods.dcc import Method

DISTINCT = {"kl_weight": 0.3, "must_weight": 0.7, "cannot_weight": 1.9, "size_weight": 2.3}  # none a default
SETTINGS = {"autoencoder": {"epochs": 1}, "tolerance": 0.0, "lr": 1e-2, "embedding": 4, "epochs": 2}


@pytest.fixture
def dcc(start):
    """DCC on 20 images, in batches of 8, 8 and 4, with answers about pairs drawn at random."""
    return lambda budget=12, clusters=3, **chosen: start(
        "dcc", 20, clusters, budget, **(SETTINGS | DISTINCT | chosen)
    )


@pytest.fixture
def steps(watch):
    """A function of method and session: each clustering step's network before it, images, batch, epoch and terms."""

    def follow(method, session):
        before = watch(method, "forward", lambda network, batch: (network, batch.images, batch.kind, batch.index))
        epochs = watch(method, "forward", lambda _, batch: (batch.stage, batch.epoch))
        terms = watch(method, "loss", lambda terms, *_: terms, after=True)
        starts = watch(method, "start_epoch", lambda _: session.network)

        def taken():
            every = zip(before, epochs, terms, strict=True)
            return [(*step, epoch, found) for step, (stage, epoch), found in every if stage == "cluster"], starts[-2:]

        return taken

    return follow


def assigned(network, z, power):
    """q of every row: (1 + d²)^−power to each centre, made to sum to one."""
    rows, centres = [], network["centroids"].centres.detach()
    for row in z:
        kernel = [(1 + float(((row - centre) ** 2).sum())) ** -power for centre in centres]
        rows.append([x / sum(kernel) for x in kernel])
    return rows


def targets(q):
    """p_ik ∝ q²_ik / Σ_i q_ik over the whole set."""
    sizes = [sum(column) for column in zip(*q, strict=True)]
    raw = [[x * x / size for x, size in zip(row, sizes, strict=True)] for row in q]
    return [[x / sum(row) for x in row] for row in raw]


def errors(network, z, images):
    """Mean squared error of the decoded images."""
    return float(((network["decoder"](z) - images) ** 2).mean())


def expected(network, images, kind, index, p, power):
    """The terms of one batch, given the targets of the whole set."""
    with torch.no_grad():
        network.eval()
        z = network["embedding"](network["backbone"](images))
        q, half = assigned(network, z, power), len(index) // 2
        both = [sum(x * y for x, y in zip(a, b, strict=True)) for a, b in zip(q[:half], q[half:], strict=True)]
        if kind == "cannot":
            return {"cannot": 1.9 * sum(-math.log(1 - agree) for agree in both) / half}
        if kind == "must":
            terms = {"must": 0.7 * sum(-math.log(agree) for agree in both) / half}
            pictures = [(z[:half], images[:half]), (z[half:], images[half:])]
        else:
            pull = [
                sum(a * math.log(a / (b + 1e-6)) for a, b in zip(p[i], row, strict=True))
                for i, row in zip(index, q, strict=True)
            ]
            mean = [sum(column) / len(q) for column in zip(*q, strict=True)]
            size = sum((x - 1 / len(mean)) ** 2 for x in mean)
            terms = {"kl": 0.3 * sum(pull) / len(q), "size": 2.3 * size}
            pictures = [(z, images)]
        if "decoder" in network:
            terms["reconstruction"] = sum(errors(network, *half) for half in pictures)
        return terms


class TestTheLoss:
    def check(self, method, session, taken, power=1):
        """Every step's terms; which kinds of batches there were."""
        steps, starts = taken()
        whole, kinds = session.images.unaugmented(np.arange(20)), set()
        with torch.no_grad():
            embeddings = [n.eval()["embedding"](n["backbone"](whole)) for n in starts]
        p = [targets(assigned(network, z, power)) for network, z in zip(starts, embeddings, strict=True)]
        for network, images, kind, index, epoch, terms in steps:
            found = {name: value.item() for name, value in terms.items()}
            plain = expected(network, images, kind, index.tolist(), p[epoch], power)
            assert found == pytest.approx(plain, rel=1e-3, abs=1e-6), (kind, epoch)
            kinds.add(kind)
        assert kinds == {"images", "must", "cannot"}

    @pytest.mark.parametrize("power", [1, 2])
    @pytest.mark.parametrize("clusters", [2, 3])
    def test_of_every_step(self, dcc, train, steps, power, clusters):
        """Images are decoded and pulled to their target; of must-links both halves are decoded, in two means."""
        method, session = dcc(clusters=clusters, kernel_power=power)
        taken = steps(method, session)
        train(method, session)
        self.check(method, session, taken, power)

    def test_without_an_autoencoder_nothing_is_decoded(self, dcc, train, steps):
        method, session = dcc(autoencoder=None)
        assert "decoder" not in session.network
        taken = steps(method, session)
        train(method, session)
        self.check(method, session, taken)

    def test_pairs_are_those_that_the_answers_imply(self, dcc, train, steps):
        """Linked one by one: the first half of a batch to the second."""
        method, session = dcc()
        taken = steps(method, session)
        train(method, session)
        seen = {"must": [], "cannot": []}
        for _, _, kind, index, epoch, _ in taken()[0]:
            if kind != "images" and epoch == 0:
                seen[kind] += [sorted(pair) for pair in zip(*np.split(index, 2), strict=True)]
        must, cannot = session.known.constraints.pairs()
        assert sorted(seen["must"]) == must.tolist() and sorted(seen["cannot"]) == cannot.tolist()

    def test_sizes_count_only_where_they_are_asked_for(self, dcc, train):
        method, session = dcc(size_weight=0.0)
        assert {name for e in train(method, session, "cluster").epochs for name in e.losses} == {
            *("kl", "must", "cannot", "reconstruction")
        }

    def test_its_settings_are_the_paper_s(self):
        s = Method.Settings()
        weights = (s.kl_weight, s.must_weight, s.cannot_weight, s.size_weight)
        assert weights == (0.1, 0.1, 1.0, 0.0) and (s.triplet_weight, s.difficulty_weight) == (0, 0)
        assert s.triplet_margin == 0.1 and s.kernel_power == 1
        assert (s.closure, s.max_pairs, s.tolerance, s.embedding) == ("full", 6000, 0.001, 10)


class TestOtherConstraints:
    """Triplets and the difficulty of images, made of the same answers; off unless they are asked for."""

    def q(self, network, images):
        with torch.no_grad():
            network.eval()
            return assigned(network, network["embedding"](network["backbone"](images)), 1)

    @pytest.mark.parametrize("most", [None, 3])
    def test_a_triplet_is_a_must_link_and_an_image_that_its_first_one_differs_from(self, dcc, train, watch, most):
        """Every must-link with such an image is one; of each the excess over the margin, by loops."""
        method, session = dcc(triplet_weight=0.9, triplet_margin=0.25, max_pairs=most)
        seen = watch(method, "forward", lambda network, batch: (network, batch.kind, batch.index, batch.more))
        whole = session.images.unaugmented(np.arange(20))
        values = watch(method, "loss", lambda terms, *_: terms.get("triplet"), after=True)
        train(method, session)
        stage = session.stage
        cannot = session.sampler.known_pairs(stage, "cannot", session.known.constraints)[0].tolist()
        drawn = set()
        for (network, kind, index, more), value in zip(seen, values, strict=True):
            if value is None:
                assert kind != "must" or not any(a in pair for a in index[: len(index) // 2] for pair in cannot)
                continue
            pairs, images = list(zip(*np.split(index, 2), strict=True)), more["others"]
            others = torch.cdist(images.flatten(1), whole.flatten(1)).argmin(1).tolist()
            able = [(a, p) for a, p in pairs if any(a in pair for pair in cannot)]
            q, excess = self.q(network, whole), []
            for (a, p), n in zip(able, others, strict=True):
                assert sorted((a, n)) in cannot
                drawn.add((a, n))
                far, near = (sum(x * y for x, y in zip(q[a], q[other], strict=True)) for other in (n, p))
                excess.append(max(far - near + 0.25, 0))
            assert value.item() == pytest.approx(0.9 * sum(excess) / len(excess), rel=1e-3)
        assert len(drawn) > len({a for a, _ in drawn}) or most, "drawn anew in every step"

    def test_who_was_asked_about_is_easy_and_who_nobody_was_sure_about_is_hard(self, dcc, train, watch):
        method, session = dcc(difficulty_weight=0.7, budget=3)
        session.known.unsure.append((4, 9))
        seen = watch(method, "forward", lambda network, batch: (network, batch.kind, batch.images, batch.index))
        values = watch(method, "loss", lambda terms, *_: terms.get("difficulty"), after=True)
        train(method, session)
        asked = {image for answer in session.known.answers for image in (answer.i, answer.j)}
        marks = [-0.1 if i in (4, 9) else float(i in asked) for i in range(20)]
        assert 0 in marks and 1 in marks
        found = [(*step, value) for step, value in zip(seen, values, strict=True) if value is not None]
        assert found and all(kind == "images" for _, kind, *_ in found)
        for network, _, images, index, value in found:
            q = self.q(network, images)
            squares = [(marks[i] * x) ** 2 for i, row in zip(index, q, strict=True) for x in row]
            assert value.item() == pytest.approx(-0.7 * math.sqrt(sum(squares)), rel=1e-3)

    def test_without_any_mark_nothing_pushes(self, dcc, train):
        """No image asked about: the norm is 0 there, and so is its gradient."""
        method, session = dcc(difficulty_weight=0.7, budget=0)
        losses = [e.losses for e in train(method, session, "cluster").epochs]
        assert [found["difficulty"] for found in losses] == [0.0, 0.0]
        assert all(torch.isfinite(weight).all() for weight in session.network.parameters())


class TestStages:
    how = {"lr": 0.03, "weight_decay": 0.2, "clip": 4.0, "momentum": 0.6}  # noqa: RUF012

    def stages(self, **chosen):
        s = Method.Settings(image_size=8, epochs=8, batch_size=9, optimizer="sgd", **self.how, **chosen)
        return Method(s, 2, 50).stages()

    def test_are_a_denoising_autoencoder_and_clustering_that_asks_everything_first(self, told):
        encode, cluster = self.stages(autoencoder={"epochs": 7, "lr": 0.05, "batch_size": 11}, max_pairs=77)
        own = {"batches": {"size": 11, "views": ()}, "optimiser": {"lr": 0.05}, "pretraining": True}
        assert told(encode) == {"name": "autoencode", "epochs": 7} | own
        assert told(cluster) == {
            "name": "cluster",
            "epochs": 8,
            "batches": {"size": 9, "streams": ("images", "must", "cannot"), "views": (), "max_pairs": 77},
            "optimiser": self.how | {"name": "sgd"},
            "questions": {"first": 50},
            "frozen_statistics": True,
        }

    def test_or_asks_in_batches_of_images(self):
        (cluster,) = self.stages(autoencoder=None, strategy="hard")
        assert (cluster.name, cluster.questions.first, cluster.questions.each_batch.name) == ("cluster", 0, "hard")


def test_an_image_as_it_is_has_an_embedding_and_its_assignment(dcc, train):
    for power in (1, 2):
        method, session = dcc(kernel_power=power)
        train(method, session)
        network, images = session.network.eval(), session.images.unaugmented(np.arange(8))
        with torch.no_grad():
            z = network["embedding"](network["backbone"](images))
            assert torch.allclose(method.embed(network, images), z, atol=1e-6)
            q = torch.tensor(assigned(network, z, power))
            assert torch.allclose(method.probabilities(network, images), q, atol=1e-4)
