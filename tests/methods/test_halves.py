"""DEC, IDEC and VaDE are SDEC, DCC and DC-GMM without answers."""

import math

import pytest
import torch

from pcl.networks.centres import Mixture

SETTINGS = {"autoencoder": {"epochs": 2, "lr": 1e-2, "batch_size": 10}, "tolerance": 0.0, "epochs": 3, "lr": 1e-2}


@pytest.fixture
def trained(start, train):
    """A function of a method and its settings: the method and its session, trained on 20 images, K = 3."""

    def run(name, before=None, **settings):
        method, session = start(name, clusters=3, **(SETTINGS | settings))
        if before:
            before(session.network)
        train(method, session)
        return method, session

    return run


def test_dec_is_sdec_without_answers(trained, weights, same):
    _, half = trained("dec")
    for weight in (0.0, 0.1):
        _, whole = trained("sdec", pair_weight=weight)
        assert same(weights(half.network, buffers=True), weights(whole.network, buffers=True))


def test_idec_is_dcc_without_answers(trained, weights):
    """Up to the 10⁻⁶ by which DCC's release smooths q."""
    _, half = trained("idec", optimizer="sgd")
    _, whole = trained("dcc", optimizer="sgd")
    found, expected = weights(half.network), weights(whole.network)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert torch.allclose(value, expected[name], atol=1e-4), name


def test_idec_without_its_target_keeps_the_centres(trained, weights):
    _, session = trained("idec", kl_weight=0.0, weight_decay=0.0, epochs=1)
    _, other = trained("idec", kl_weight=0.0, weight_decay=0.0)
    assert torch.equal(*(s.network["centroids"].centres for s in (session, other)))


@pytest.mark.parametrize("name", ["dec", "idec", "vade"])
@pytest.mark.parametrize("clusters", [2, 3, 4, 10])
@pytest.mark.parametrize("sees", [True, False])
@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_any_number_of_clusters_and_a_network_that_sees_nothing(start, train, name, clusters, sees):
    """Equal embeddings: all centres on one spot, and no division by zero."""
    method, session = start(name, clusters=clusters, **(SETTINGS | {"autoencoder": {"epochs": 1}, "epochs": 2}))
    if not sees:
        with torch.no_grad():
            for weight in [*session.network["backbone"].parameters(), *session.network["embedding"].parameters()]:
                weight.zero_()
    epochs = train(method, session, "cluster").epochs
    assert all(math.isfinite(value) for epoch in epochs for value in epoch.losses.values())
    p = session.predict(method.probabilities)
    assert p.shape == (20, clusters) and torch.allclose(p.sum(1), torch.ones(20), atol=1e-5)


def equal_weights(network):
    """DC-GMM's prior in the place of VaDE's."""
    network["mixture"] = Mixture(3, 10)


def test_vade_is_dcgmm_without_answers(trained, weights, same):
    alike = {"lr_decay": 0.5, "decay_every": 1, "batch_size": 8, "lr": 1e-3}
    _, half = trained("vade", equal_weights, lr_floor=0.0, **alike)
    _, whole = trained("dcgmm", **alike)
    assert same(weights(half.network, buffers=True), weights(whole.network, buffers=True))


def test_vade_trains_the_weights_of_its_mixture(trained):
    method, session = trained("vade")
    _, _, log_weights = session.network["mixture"]()
    assert log_weights.exp().sum().item() == pytest.approx(1)
    assert log_weights.exp().std() > 0
    assert method.stages()[-1].optimiser.schedule(10**4) == 0.1
