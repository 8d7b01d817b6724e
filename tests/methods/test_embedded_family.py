"""What the DEC family has in common: one autoencoder to start from, and IDEC where DCC has no pairs."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pcl.run import execute, network

FAMILY = ("dcc", "sdec", "dcgmm")
SETTINGS = {"autoencoder": {"epochs": 2, "lr": 1e-2, "batch_size": 10}, "tolerance": 0.0, "lr": 1e-2}


class TestTheAutoencoder:
    def test_is_trained_once_for_the_whole_family_and_every_task(self, workspace, plan, pretrained):
        """One folder, whichever of them asks first."""
        found = {}
        for task in ("digits10-2", "digits10-4"):
            for name in FAMILY:
                found[task, name] = plan.run(task, "personalized", name, 0).pretraining.path
        assert len(set(found.values())) == 1
        first, other = plan.run("digits10-2", "default", "dcgmm", 0), plan.run("digits10-4", "personalized", "dcc", 0)
        assert pretrained(first) == pretrained(other)

    def test_all_parts_are_taken_over(self, workspace, plan):
        run = plan.run("digits10-4", "personalized", "sdec", 0)
        execute.pretrain(run)
        saved = run.pretraining.folder.read_weights()
        assert {name.split(".")[0] for name in saved} == {"backbone", "embedding", "decoder"}
        for name in FAMILY:
            run = plan.run("digits10-4", "personalized", name, 0)
            _, session = network.opened(run)
            own = session.network.state_dict()
            assert not torch.equal(own["decoder.first.0.weight"], saved["decoder.first.0.weight"])
            network.start_from_pretraining(run, session)
            started = session.network.state_dict()
            assert all(torch.equal(started[part], value) for part, value in saved.items())

    @pytest.mark.parametrize("name", FAMILY)
    def test_is_the_same_in_each_of_them(self, start, train, weights, name):
        """Where it is trained in one go too: the stage reads nothing of its method."""
        method, session = start(name, budget=0, **SETTINGS)
        epochs = train(method, session, "autoencode").epochs
        assert [set(e.losses) for e in epochs] == [{"reconstruction"}] * 2
        dec, twin = start("sdec", budget=0, **SETTINGS)
        train(dec, twin, "autoencode")
        for part in ("backbone", "embedding", "decoder"):
            found, expected = (weights(s.network[part], buffers=True) for s in (session, twin))
            assert all(torch.equal(found[key], value) for key, value in expected.items())

    @pytest.mark.parametrize("share", [0.2, 0.6])
    def test_restores_what_was_blotted_out(self, start, train, watch, share):
        """A share of the values is set to zero, and the loss is against the image as it was."""
        chosen = {"epochs": 1, "batch_size": 20, "corruption": share}
        method, session = start("sdec", n=40, **SETTINGS | {"autoencoder": chosen})
        backbone, inputs = session.network["backbone"], []
        backbone.register_forward_pre_hook(
            lambda _, given: inputs.append(given[0].clone()) if backbone.training else None
        )
        seen = watch(method, "loss", lambda outputs, batch, _: (outputs["images"], batch.images))
        values = watch(method, "loss", lambda terms, *_: terms["reconstruction"], after=True)
        train(method, session, "autoencode")
        for corrupted, (decoded, images), value in zip(inputs, seen, values, strict=True):
            gone = corrupted != images
            assert (corrupted[gone] == 0).all() and abs(gone.float().mean() - share) < 0.05
            assert value.item() == pytest.approx(F.mse_loss(decoded, images).item(), rel=1e-5)


@pytest.mark.parametrize(("name", "smoothing"), [("sdec", 0.0), ("adc", 0.0), ("dcc", 1e-6)])
def test_only_dcc_smooths_what_the_target_is_held_against(start, train, watch, name, smoothing):
    """Where q is next to nothing that is half a nat: as released."""
    method, session = start(name, budget=0, **SETTINGS, kl_weight=1.0) if name == "dcc" else start(name, **SETTINGS)
    steps = watch(method, "loss", lambda out, batch, _: (out, batch))
    train(method, session)
    out, batch = steps[-1]
    session.state = {"target_distribution": torch.full((20, 2), 0.5)}
    rare = torch.tensor([[1e-6, 1 - 1e-6]]).repeat(len(out["p"]), 1)
    kl = sum(0.5 * np.log(0.5 / (q + smoothing)) for q in (1e-6, 1 - 1e-6))
    assert method.terms(out | {"p": rare}, batch, session)["kl"].item() == pytest.approx(kl, rel=1e-3)


class TestDCC:
    def test_without_pairs_is_idec(self, start, train, clustering, weights):
        """Written out: the mean squared error and a tenth of KL(P‖Q), by Adam; P of all images before every epoch."""
        method, session = start("dcc", n=20, budget=0, epochs=2, **SETTINGS)
        orders, started = clustering(method, session, epochs=2)
        epochs = train(method, session).epochs
        assert set(epochs[-1].losses) == {"reconstruction", "kl"}
        network, images = started[0].eval(), session.images.unaugmented(np.arange(20))
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)

        def look(x):
            z = network["embedding"](network["backbone"](x))
            kernel = 1 / (1 + (z[:, None] - network["centroids"].centres).square().sum(2))
            return z, kernel / kernel.sum(1, keepdim=True)

        for order in orders:
            with torch.no_grad():
                q = look(images)[1]
                p = q**2 / q.sum(0)
                p = p / p.sum(1, keepdim=True)
            for rows in order:
                z, q = look(images[rows])
                kl = (p[rows] * (p[rows] / (q + 1e-6)).log()).sum(1).mean()
                loss = F.mse_loss(network["decoder"](z), images[rows]) + 0.1 * kl
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        found = weights(session.network)
        for name, w in weights(network).items():
            assert torch.allclose(found[name], w, atol=1e-4), name
