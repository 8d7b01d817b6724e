"""GCC: when the graph comes in, what it is found in, whose views stand for the neighbours, and what a step costs."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pcl import losses
from pcl.methods.gcc import Method

SETTINGS = {
    "features": 6,
    "graph_from": 2,
    "graph_every": 2,
    "neighbours": 4,
    "graph_views": 2,
    "bank": 3,
    "epochs": 6,
    "optimizer": "adam",
    "lr": 1e-2,
}
three = pytest.mark.parametrize("clusters", [2, 3, 4])


@pytest.fixture
def gcc(start):
    """GCC on 18 images: batches of 8, 8 and 2."""
    return lambda n=18, **settings: start("gcc", n, **(SETTINGS | settings))


class TestWhen:
    @three
    def test_before_there_is_a_graph_only_representations_are_contrasted(self, gcc, train, clusters):
        method, session = gcc(clusters=clusters)
        terms = [set(epoch.losses) for epoch in train(method, session).epochs]
        assert terms == [{"representation"}] * 2 + [{"representation", "assignment"}] * 4
        p = session.predict(method.probabilities)
        assert p.shape == (18, clusters) and torch.allclose(p.sum(1), torch.ones(18))

    def test_before_there_is_a_graph_the_cluster_head_stands_still(self, gcc, train, weights, same):
        method, session = gcc(epochs=2, weight_decay=0.0)
        before = weights(session.network["cluster"])
        train(method, session)
        assert same(weights(session.network["cluster"]), before)

    @pytest.mark.parametrize(("since", "every"), [(1, 1), (2, 2), (3, 2), (2, 5)])
    def test_the_graph_is_found_anew_every_so_many_epochs(self, gcc, train, watch, since, every):
        method, session = gcc(n=10, graph_from=since, graph_every=every, neighbours=2, epochs=7)
        graphs = []
        watch(method, "start_epoch", lambda *_: graphs.append(session.state.get("graph")), after=True)
        train(method, session)
        assert graphs[:since] == [None] * since
        assert [t for t in range(since, 7) if graphs[t] is not graphs[t - 1]] == list(range(since, 7, every))

    def test_it_trains_as_released(self, told):
        """One stage on two views, SGD under half a cosine that ends at a thousandth."""
        (stage,) = Method(Method.Settings(epochs=80), 2, 0).stages()
        schedule = stage.optimiser.schedule
        assert told(stage) == {
            "name": "train",
            "epochs": 80,
            "batches": {"size": 256},
            "optimiser": {"name": "sgd", "lr": 0.4, "momentum": 0.9, "weight_decay": 1e-4, "schedule": schedule},
        }
        assert [schedule(t) for t in (0, 40.9, 80)] == pytest.approx([1, 0.5005, 0.001])

    def test_the_released_epochs(self, gcc):
        """The first graph comes at the end of epoch 50, counted from 0, is used from 51 on, and lasts five epochs."""
        defaults = type(gcc()[0]).Settings()
        assert (defaults.graph_from, defaults.graph_every, defaults.bank, defaults.neighbours) == (51, 5, 4, 5)


class TestTheGraph:
    @pytest.mark.parametrize("bank", [1, 2, 3, 9])
    def test_is_found_in_the_mean_of_an_image_s_last_embeddings(self, gcc, train, watch, bank):
        """Naively: a list per image of its second views' embeddings, one for each epoch so far."""
        method, session = gcc(bank=bank)
        history = {image: [] for image in range(18)}
        seen = watch(method, "after_step", lambda outputs, batch, _: (batch.index, outputs["z"][1]))
        graphs = watch(method, "start_epoch", lambda *_: session.state.get("graph"), after=True)
        train(method, session)
        for epoch in range(6):
            if epoch in (2, 4):
                means = np.stack([np.mean(history[image][-bank:], axis=0) for image in range(18)])
                similarity = means @ means.T
                assert not np.allclose(np.linalg.norm(means, axis=1), 1) or bank == 1, "means keep their length"
                found = np.take_along_axis(similarity, graphs[epoch].numpy(), axis=1)
                assert graphs[epoch].shape == (18, 5)
                assert all(len(set(row)) == 5 for row in graphs[epoch].tolist())
                assert np.allclose(found, -np.sort(-similarity, axis=1)[:, :5], atol=1e-5)
            for index, z in seen[3 * epoch : 3 * epoch + 3]:
                for image, row in zip(index.tolist(), z.numpy(), strict=True):
                    history[image].append(row)
        assert {len(rows) for rows in history.values()} == {6}

    def test_weighs_an_image_by_how_many_name_it_or_are_named(self, gcc, train):
        method, session = gcc()
        train(method, session)
        columns = session.state["graph"].tolist()
        for i in range(18):
            around = {i, *columns[i]} | {j for j in range(18) if i in columns[j]}
            assert session.state["weights"][i].item() == pytest.approx((3 / len(around)) ** 0.5)


class TestTheViews:
    def test_are_of_the_first_neighbours_and_of_one_drawn(self, gcc, train, watch, still):
        """With an augmentation that changes nothing, a view is the image: it tells whose it is."""
        method, session = gcc(augmentation=still, epochs=6)
        batches = watch(method, "forward", lambda _, batch: (batch.index, batch.views, session.state.get("graph")))
        train(method, session)
        pictures = session.images.unaugmented(np.arange(18))
        drawn = []
        for index, views, graph in batches:
            who = [torch.cdist(view.flatten(1), pictures.flatten(1)).argmin(1).tolist() for view in views]
            assert who[0] == who[1] == index.tolist()
            if graph is None:
                assert len(views) == 2
                continue
            assert len(views) == 2 + 2 + 1
            for m in range(2):
                assert who[2 + m] == graph[index, m].tolist()
            for image, other in zip(index.tolist(), who[4], strict=True):
                assert other in graph[image].tolist()
                drawn.append(graph[image].tolist().index(other))
        shares = np.bincount(drawn, minlength=5) / len(drawn)
        assert len(drawn) == 4 * 18 and (shares > 0.05).all(), "every column is drawn, the image itself included"

    def test_are_random_ones_of_their_own(self, gcc, train, watch):
        """The nearest neighbour is mostly the image itself: it is seen in yet another view."""
        method, session = gcc()
        batches = watch(method, "forward", lambda _, batch: batch.views)
        train(method, session)
        for views in batches:
            flat = torch.stack(views).flatten(2)
            assert all((flat[a] != flat[b]).any(1).all() for a in range(len(flat)) for b in range(a))


class TestTheLoss:
    @pytest.mark.parametrize(("clusters", "self_term"), [(2, True), (3, True), (4, True), (4, False)])
    def test_of_a_step_from_its_views(self, gcc, train, watch, clusters, self_term):
        """Both own views in one pass, every neighbour's in one of its own, put together by hand."""
        method, session = gcc(clusters=clusters, self_term=self_term, epochs=3)
        before = watch(
            method, "forward", lambda network, batch: (network, batch.views, batch.index, dict(session.state))
        )
        found = watch(method, "loss", lambda terms, *_: terms, after=True)
        train(method, session)
        assert {len(views[0]) for _, views, _, _ in before} == {8, 2}
        for (network, views, index, state), terms in zip(before, found, strict=True):
            network = copy.deepcopy(network).train()
            with torch.no_grad():
                size = len(index)
                own = network["backbone"](torch.cat(views[:2]))
                a, b = F.normalize(network["instance"].layers(own)).split(size)
                if "graph" not in state:
                    loss = losses.graph.pretext_contrast(a, b, 0.1, self_term)
                    assert terms["representation"].item() == pytest.approx(2 * loss.item(), rel=1e-4)
                    continue
                others = [network["backbone"](view) for view in views[2:]]
                near = torch.stack([F.normalize(network["instance"].layers(h)) for h in others[:2]])
                w = torch.stack([state["weights"][state["graph"][index, m]] for m in range(2)])
                contrast = losses.graph.graph_contrast(a, b, near, w, 0.1, self_term)
                p = network["cluster"].layers(own[:size]).softmax(1)
                n = network["cluster"].layers(others[2]).softmax(1)
                assignment = losses.graph.assignment_contrast(p, n, 2.0)
            assert terms["representation"].item() == pytest.approx(2 * contrast.item(), rel=1e-4, abs=1e-4)
            assert terms["assignment"].item() == pytest.approx(assignment.item(), rel=1e-4)

    def test_the_weights_of_both_contrasts(self, gcc, train, watch):
        """2·[RGC + ½·AGC], whose balance weighs 2 in AGC: as released."""
        method, session = gcc(epochs=3)
        other, _ = gcc(representation_weight=6.0, entropy_weight=0.0)
        steps = watch(method, "loss", lambda _, outputs, batch, __: (outputs, batch), after=True)
        train(method, session)
        outputs, batch = steps[-1]
        ours, theirs = method.loss(outputs, batch, session), other.loss(outputs, batch, session)
        assert theirs["representation"].item() == pytest.approx(3 * ours["representation"].item())
        balance = 2 * losses.contrastive.balance(outputs["p"])
        assert (ours["assignment"] - theirs["assignment"]).item() == pytest.approx(balance.item(), abs=1e-6)
