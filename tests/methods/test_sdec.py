"""SDEC: DEC as it stands, what the answers add to it, and that this is trained on, which in the release it is not."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

SETTINGS = {"autoencoder": {"epochs": 1}, "tolerance": 0.0, "lr": 0.1, "epochs": 3}


@pytest.fixture
def sdec(start):
    """SDEC on 20 images, in batches of 8, 8 and 4, with 10 answers about pairs drawn at random."""
    return lambda budget=10, n=20, **chosen: start("sdec", n, budget=budget, **(SETTINGS | chosen))


def reference_dec(network, images, orders, lr, momentum):
    """DEC written out: targets of all images before every epoch, then KL(P‖Q) by gradient descent with momentum."""
    network = copy.deepcopy(network).eval()
    trained = [w for name in ("backbone", "embedding", "centroids") for w in network[name].parameters()]
    speed = [torch.zeros_like(w) for w in trained]

    def q(rows):
        z = network["embedding"](network["backbone"](images[rows]))
        kernel = 1 / (1 + torch.cdist(z, network["centroids"].centres).square())
        return kernel / kernel.sum(1, keepdim=True)

    for order in orders:
        with torch.no_grad():
            found = q(torch.arange(len(images)))
            p = found**2 / found.sum(0)
            p = p / p.sum(1, keepdim=True)
        for rows in order:
            loss = sum((p[i] * (p[i] / row).log()).sum() for i, row in zip(rows, q(rows), strict=True)) / len(rows)
            gradients = torch.autograd.grad(loss, trained)
            with torch.no_grad():
                for w, v, g in zip(trained, speed, gradients, strict=True):
                    v.mul_(momentum).add_(g)
                    w.sub_(lr * v)
    return network


class TestWithoutAWeight:
    def test_answers_change_nothing(self, sdec, train, weights, same):
        """λ = 0, and what the released code trains whatever its λ."""
        found = []
        for budget in (0, 10):
            method, session = sdec(budget=budget, pair_weight=0.0)
            train(method, session)
            assert session.known.spent == budget
            found.append(weights(session.network, buffers=True))
        assert same(*found)

    def test_it_is_dec(self, sdec, train, clustering, weights):
        method, session = sdec(pair_weight=0.0)
        orders, started = clustering(method, session, epochs=3)
        train(method, session)
        assert all(sorted(image for rows in epoch for image in rows) == list(range(20)) for epoch in orders)
        expected = reference_dec(started[0], session.images.unaugmented(np.arange(20)), orders, lr=0.1, momentum=0.9)
        found, before = weights(session.network), weights(started[0])
        for name, w in weights(expected).items():
            assert torch.allclose(found[name], w, atol=1e-5), name
        moved = {name.split(".")[0] for name, w in before.items() if not torch.allclose(found[name], w, atol=1e-5)}
        assert moved == {"backbone", "embedding", "centroids"}

    def test_centres_start_from_k_means_on_the_embedding(self, sdec, train, watch):
        method, session = sdec(epochs=1)
        part = session.network["centroids"]
        starts = watch(method, "start_stage", lambda *_: (part.centres, session.predict(method.embed)), after=True)
        train(method, session)
        centres, z = starts[-1]
        best = KMeans(2, n_init=50, random_state=3).fit(z.numpy())
        assert torch.cdist(z, centres).min(1).values.square().sum().item() == pytest.approx(best.inertia_, rel=1e-4)

    def test_batch_statistics_stand_still_while_it_clusters(self, sdec, train, watch, weights, same):
        """Target and prediction are made by one network."""
        method, session = sdec()
        buffers = watch(method, "end_epoch", lambda _: weights(session.network["backbone"], buffers=True))
        train(method, session)
        for later in buffers[1:]:
            running = {name for name in later if "running" in name}
            assert same({n: later[n] for n in running}, {n: buffers[0][n] for n in running})

    def test_it_ends_when_few_change_cluster(self, sdec, train):
        """Not before there are two assignments to compare."""
        method, session = sdec(tolerance=1.0, epochs=9)
        epochs = [e for e in train(method, session).epochs if e.stage == "cluster"]
        assert [e.ended for e in epochs] == [False, True]


class TestThePairs:
    def test_reach_the_encoder(self, sdec, train, watch):
        """SDEC-5: in the released graph this gradient does not exist."""
        method, session = sdec(pair_weight=1.0, epochs=1)
        norms = []

        def flows(terms, *_):
            if "pairs" in terms:
                encoder = [*session.network["backbone"].parameters(), *session.network["embedding"].parameters()]
                gradients = torch.autograd.grad(terms["pairs"], encoder, retain_graph=True)
                norms.append(sum(g.square().sum().item() for g in gradients) ** 0.5)

        watch(method, "loss", flows, after=True)
        train(method, session)
        assert len(norms) == 3 and min(norms) > 1e-3

    def test_change_what_is_trained(self, sdec, train, weights):
        found = []
        for weight in (0.0, 1e-2):
            method, session = sdec(pair_weight=weight)
            train(method, session)
            found.append(weights(session.network["backbone"]))
        assert any(not torch.allclose(w, found[1][name], atol=1e-6) for name, w in found[0].items())

    @pytest.mark.parametrize("budget", [2, 10, 11])
    def test_are_all_seen_once_an_epoch(self, sdec, train, watch, budget):
        """Shared out evenly over the steps, in another order every epoch; who is in them is told by their pixels."""
        method, session = sdec(budget=budget)
        seen = watch(method, "forward", lambda _, batch: (batch, batch.more.get("pairs")))
        train(method, session)
        pictures = session.images.unaugmented(np.arange(20)).flatten(1)
        epochs = []
        for epoch in range(3):
            pairs, sizes = [], []
            for batch, images in seen:
                if batch.stage == "cluster" and batch.epoch == epoch:
                    sizes.append(0 if images is None else len(images) // 2)
                    if images is not None:
                        who = torch.cdist(images.flatten(1), pictures).argmin(1).tolist()
                        half = len(who) // 2
                        pairs += zip(who[:half], who[half:], batch.same.tolist(), strict=True)
            assert sum(sizes) == budget and max(sizes) - min(sizes) <= 1
            assert Counter(pairs) == Counter((a.i, a.j, a.same) for a in session.known.answers)
            epochs.append(pairs)
        assert budget == 2 or epochs[0] != epochs[1]

    def test_term_of_a_step(self, sdec, train, watch):
        """λ times the mean signed squared distance: must-links count up, cannot-links down."""
        method, session = sdec(pair_weight=0.3)
        seen = watch(method, "loss", lambda outputs, batch, _: (outputs.get("pairs"), getattr(batch, "same", None)))
        values = watch(method, "loss", lambda terms, *_: terms.get("pairs"), after=True)
        train(method, session)
        checked = [(z, same, value) for (z, same), value in zip(seen, values, strict=True) if value is not None]
        assert len(checked) == 9
        for z, same, value in checked:
            half = len(same)
            squares = [float((z[p] - z[p + half]).square().sum()) for p in range(half)]
            total = sum(d if one else -d for d, one in zip(squares, same.tolist(), strict=True))
            assert value.item() == pytest.approx(0.3 * total / half, rel=1e-4, abs=1e-7)

    @pytest.mark.parametrize("factor", [0.1, 3.0])
    def test_relative_distances_mean_the_same_at_every_scale(self, sdec, train, watch, factor):
        """The embedding blown up: the term stays; without `relative` it grows by the square."""
        terms = {}
        for relative in (True, False):
            method, session = sdec(relative=relative, pair_weight=1.0)
            batches = watch(method, "forward", lambda _, batch: batch if "pairs" in batch.more else None)
            train(method, session)
            batch = [b for b in batches if b is not None][-1]
            for scale in (1.0, factor):
                with torch.no_grad():
                    for w in session.network["embedding"].parameters():
                        w.mul_(scale)
                    outputs = method.forward(session.network, batch)
                    terms[relative, scale] = method.loss(outputs, batch, session)["pairs"].item()
        assert abs(terms[True, 1.0]) > 1e-3
        assert terms[True, factor] == pytest.approx(terms[True, 1.0], rel=1e-3)
        assert terms[False, factor] == pytest.approx(terms[False, 1.0] * factor**2, rel=1e-3)
