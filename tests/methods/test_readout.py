"""SimCLR, MoCo, IDFD, DeepCluster and SwAV: what each learns from, and that k-means reads clusters off at the end."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pcl.errors import UserError
from pcl.methods.deepcluster import V2

OWN = {
    "simclr": {},
    "moco": {"queue": 12},
    "idfd": {"milestones": [1]},
    "deepcluster": {"groups": 5},
    "swav": {"queue": 12, "queue_from": 1, "prototypes": 5, "hidden": 6},
}
NAMES = [(name, {}) for name in OWN] + [("deepcluster", V2 | {"hidden": 6})]
each = pytest.mark.parametrize(("name", "more"), NAMES)


@pytest.fixture
def opened(start):
    """A function of a method's name and settings: the method and a session on 20 images."""
    return lambda name, **settings: start(name, **(OWN[name] | {"features": 4, "lr": 1e-3} | settings))


class TestClusters:
    @each
    @pytest.mark.parametrize("clusters", [2, 3, 4, 10])
    def test_are_the_nearest_centres_of_k_means(self, opened, train, name, more, clusters):
        """As scikit-learn says of the same rows; both splits."""
        from sklearn.cluster import KMeans

        method, session = opened(name, clusters=clusters, epochs=1, **more)
        train(method, session)
        method.start_evaluation(session)
        rows = session.predict(method.read)
        assert torch.allclose(rows.square().sum(1), torch.ones(20), atol=1e-5)
        p = session.predict(method.probabilities)
        assert p.shape == (20, clusters) and (p.sum(1) == 1).all() and (p.max(1).values == 1).all()
        centres = session.network["centroids"].centres
        best = KMeans(clusters, n_init=20, random_state=0).fit(rows.numpy())
        distances = torch.cdist(rows, centres).min(1).values.square().sum().item()
        assert distances == pytest.approx(best.inertia_, rel=0.05, abs=1e-5)
        assert torch.equal(session.predict(method.probabilities, "test"), p[:10])

    @each
    def test_reading_them_off_changes_nothing_that_training_goes_on_from(self, opened, train, weights, name, more):
        method, session = opened(name, epochs=3, **more)
        train(method, session, ended=lambda _: method.start_evaluation(session))
        other, quiet = opened(name, epochs=3, **more)
        train(other, quiet)
        found, expected = weights(session.network), weights(quiet.network)
        assert all(torch.equal(found[part], expected[part]) for part in found if part != "centroids.centres")

    @each
    def test_features_that_are_no_numbers_are_refused(self, opened, train, name, more):
        method, session = opened(name, epochs=1, **more)
        train(method, session)
        with torch.no_grad():
            next(session.network["backbone"].parameters()).fill_(float("nan"))
        with pytest.raises(UserError, match="lower lr or set clip"):
            method.start_evaluation(session)

    @each
    @pytest.mark.filterwarnings("ignore:Number of distinct clusters")
    @pytest.mark.filterwarnings("ignore:invalid value encountered in divide")
    def test_a_network_that_sees_nothing_in_any_image_goes_on(self, opened, train, name, more):
        """Equal features: k-means has one point to place its centres on, and no loss is a division by zero."""
        method, session = opened(name, clusters=4, epochs=2, **more)
        with torch.no_grad():
            for weight in session.network["backbone"].parameters():
                weight.zero_()
        losses = [value for epoch in train(method, session).epochs for value in epoch.losses.values()]
        assert np.isfinite(losses).all()
        method.start_evaluation(session)
        assert session.predict(method.probabilities).argmax(1).unique().numel() == 1


class TestMoCo:
    def test_is_the_first_stage_of_spice(self, start, train, weights, same):
        """From the same weights, bit for bit."""
        shared = {"features": 4, "lr": 0.015, "epochs": 2}
        moco, alone = start("moco", queue=12, **shared)
        more = {"moco_queue": 12, "moco_epochs": 2, "neighbours": 4, "heads": 2}
        spice, first = start("spice", features=4, epochs=1, **more)
        parts = ("backbone", "instance", "teacher")
        for part in parts:
            first.network[part].load_state_dict(alone.network[part].state_dict())
        train(moco, alone)
        train(spice, first, "moco")
        for part in parts:
            found, expected = (weights(s.network[part], buffers=True) for s in (alone, first))
            assert same(found, expected), part


class TestIDFD:
    def test_the_memory_takes_in_what_each_image_was_seen_as(self, opened, train, watch):
        method, session = opened("idfd", epochs=2, memory_momentum=0.25)
        steps = watch(method, "after_step", lambda outputs, batch, s: (outputs["f"], batch.rows, s.state["memory"]))
        train(method, session)
        memory = steps[0][2]
        assert memory.abs().max() <= (3 / 4) ** 0.5
        for f, rows, _ in steps:
            memory[rows] = F.normalize(0.25 * memory[rows] + 0.75 * f, dim=1)
        assert torch.allclose(session.state["memory"], memory, atol=1e-6)


class TestSwAV:
    def test_prototypes_stand_still_at_first_and_stay_of_length_one(self, opened, train):
        method, session = opened("swav", epochs=3, frozen_epochs=2, weight_decay=0.0)
        prototypes, seen = session.network["prototypes"], []
        before = prototypes.weight.detach().clone()
        train(method, session, ended=lambda _: seen.append(prototypes.weight.detach().clone()))
        assert torch.allclose(seen[1], before, atol=1e-6) and not torch.allclose(seen[2], before, atol=1e-6)
        assert torch.allclose(seen[2].square().sum(1), torch.ones(5))

    def test_codes_are_made_with_the_queue_from_the_said_epoch_on(self, opened, train, watch):
        method, session = opened("swav", epochs=3, queue=14, queue_from=2)
        counts = watch(method, "earlier", lambda found, *_: len(found), after=True)
        train(method, session)
        assert counts == [0] * 12 + [14] * 6


class TestDeepCluster:
    def test_v1_shows_every_group_equally_often(self, opened, train, watch):
        method, session = opened("deepcluster", epochs=2)
        shown = watch(method, "loss", lambda _, batch, __: batch.more["labels"][0])
        train(method, session)
        for epoch in (shown[:3], shown[3:]):
            counts = torch.bincount(torch.cat(epoch), minlength=5)
            assert counts.sum() == 20 and counts.max() <= 20 // 5 + 1

    def test_v1_starts_its_layer_over_in_every_epoch(self, opened, train, watch):
        method, session = opened("deepcluster", epochs=3)
        started = watch(
            method, "start_epoch", lambda _, s: (s.network["groups0"].weight, s.state["labels"]), after=True
        )
        train(method, session)
        layers = [weight for weight, _ in started]
        assert all(weight.abs().max() < 0.06 for weight in layers)
        assert not torch.equal(layers[0], layers[1])
        assert all(len(labels.unique()) == 5 for _, labels in started)

    def test_v2_compares_with_the_centres_of_the_last_epoch_s_embeddings(self, opened, train, watch):
        method, session = opened("deepcluster", epochs=2, **(V2 | {"hidden": 6}))
        last = watch(method, "after_step", lambda outputs, batch, _: (batch.index, outputs["z"]))
        started = watch(method, "start_epoch", lambda _, s: (s.state, s.network), after=True)
        train(method, session)
        bank = torch.zeros(2, 20, 4)
        for index, z in last[:3]:
            bank[:, index] = torch.stack(z.chunk(2))
        state, network = started[1]
        assert torch.equal(state["bank"], bank)
        for head in range(3):
            scores = bank[head % 2] @ network[f"groups{head}"].weight.T
            assert torch.equal(scores.argmax(1), state["labels"][head])
        assert not any(network[f"groups{head}"].weight.requires_grad for head in range(3))

    def test_v1_has_one_head_and_no_projection(self):
        from pcl.methods.deepcluster import DeepClusterSettings

        for wrong in ({"heads": 2}, {"read": "projection"}):
            with pytest.raises(ValueError, match="v1 has no projection and one head"):
                DeepClusterSettings(**wrong)
