"""DC-GMM: VaDE's bound from torch's own divergences, every answer among a batch's images, and no NaN anywhere."""

import math
from itertools import combinations

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal, kl_divergence
from torch.nn import functional as F

SETTINGS = {"autoencoder": {"epochs": 1}, "epochs": 2, "embedding": 4, "lr": 1e-2}


@pytest.fixture
def dcgmm(start):
    """DC-GMM on 20 images, in batches of 8, 8 and 4, with answers about pairs drawn at random."""
    return lambda budget=10, n=20, clusters=2, **chosen: start("dcgmm", n, clusters, budget, **(SETTINGS | chosen))


@pytest.fixture
def steps(watch):
    """A function of a method: each step's outputs, batch, mixture and loss terms, once it is trained."""

    def taken(terms, outputs, batch, session):
        return outputs, batch, tuple(session.network["mixture"]()), terms

    return lambda method: watch(method, "terms", taken, after=True)


def total(terms):
    return sum(value.item() for value in terms.values())


class TestTheBound:
    @pytest.mark.parametrize("clusters", [2, 3, 4])
    def test_without_answers_is_vade_s(self, dcgmm, train, steps, clusters):
        """Σ_k γ_k KL(q(z|x) ‖ N_k) + KL(γ ‖ π) + the squared error of an image, in nats, as batch means."""
        method, session = dcgmm(budget=0, clusters=clusters)
        seen = steps(method)
        train(method, session)
        assert len(seen) == 6
        for out, batch, (means, log_variances, log_weights), terms in seen:
            q = Independent(Normal(out["mean"][:, None], (out["log_variance"] / 2).exp()[:, None]), 1)
            components = Independent(Normal(means, (log_variances / 2).exp()), 1)
            away = (out["p"] * kl_divergence(q, components)).sum(1)
            chosen = kl_divergence(Categorical(probs=out["p"]), Categorical(logits=log_weights))
            errors = (out["images"] - batch.images).square().flatten(1).sum(1)
            assert terms["answers"].item() == 0
            assert total(terms) == pytest.approx((away + chosen + errors).mean().item(), rel=1e-4)
            joint = log_weights + components.log_prob(out["z"][:, None])
            assert torch.allclose(out["p"], joint.softmax(1), atol=1e-4), "Bayes' rule at the draw"

    def test_weights_of_the_mixture_stay_equal(self, dcgmm, train):
        """They are not trained: the answers' normaliser would not be constant otherwise."""
        method, session = dcgmm(clusters=4)
        train(method, session)
        assert session.network["mixture"].log_weights.exp().tolist() == pytest.approx([0.25] * 4)
        assert {name for name, _ in session.network["mixture"].named_parameters()} == {"means", "log_variances"}

    @pytest.mark.parametrize(("scale", "reduction"), [(1.0, "sum"), (1 / 64, "mean")])
    def test_reconstruction_is_summed_over_pixels_or_their_mean(self, dcgmm, train, steps, scale, reduction):
        method, session = dcgmm(recon_scale=scale)
        seen = steps(method)
        train(method, session)
        for out, batch, _, terms in seen:
            errors = F.mse_loss(out["images"], batch.images, reduction=reduction).item()
            expected = errors / (len(batch.images) if reduction == "sum" else 1)
            assert terms["reconstruction"].item() == pytest.approx(expected, rel=1e-4)

    def test_z_is_drawn_from_the_posterior_and_read_out_at_its_mean(self, dcgmm, train, steps):
        method, session = dcgmm()
        seen = steps(method)
        train(method, session)
        noise = torch.cat([(o["z"] - o["mean"]) / (o["log_variance"] / 2).exp() for o, *_ in seen]).flatten()
        assert abs(noise.mean()) < 0.2 and abs(noise.std() - 1) < 0.2
        first, again = (session.predict(method.probabilities) for _ in range(2))
        assert torch.equal(first, again)
        z = session.predict(method.embed)
        means, log_variances, _ = session.network["mixture"]()
        density = Independent(Normal(means, (log_variances / 2).exp()), 1).log_prob(z[:, None])
        assert torch.allclose(first, density.softmax(1), atol=1e-4)

    def test_variance_starts_narrow_and_alike(self, dcgmm, train, steps):
        method, session = dcgmm()
        seen = steps(method)
        train(method, session)
        assert torch.equal(seen[0][0]["log_variance"], torch.full((8, 4), -3.0))


class TestTheAnswers:
    @pytest.mark.parametrize("closure", ["full", "none"])
    def test_every_link_among_a_batch_s_images_counts(self, dcgmm, train, steps, closure):
        """Naively, over all pairs of rows, in batches of images and of linked pairs: 2α/B for each known one."""
        method, session = dcgmm(budget=16, closure=closure, confidence=7.0, epochs=1)
        seen = steps(method)
        train(method, session)
        assert [batch.kind for _, batch, *_ in seen] == ["images"] * 3 + ["pairs"] * (len(seen) - 3)
        beside = 0
        for out, batch, _, terms in seen:
            p, size, expected = out["p"].tolist(), len(batch.index), 0.0
            for a, b in combinations(range(size), 2):
                i, j = int(batch.index[a]), int(batch.index[b])
                known = session.known.constraints.relation(i, j) if i != j else None
                if known is not None:
                    together = sum(x * y for x, y in zip(p[a], p[b], strict=True))
                    expected -= (1 if known else -1) * 2 * 7.0 / size * together
                    beside += batch.kind == "pairs" and abs(a - b) != size // 2
            assert terms["answers"].item() == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert beside > 0, "also pairs that the batch is not made of"

    def test_a_batch_of_pairs_is_as_large_as_one_of_images(self, dcgmm, train, steps):
        method, session = dcgmm(budget=11, closure="none")
        seen = steps(method)
        train(method, session)
        sizes = [len(batch.index) for _, batch, *_ in seen if batch.kind == "pairs" and batch.epoch == 0]
        assert sizes == [8, 8, 6]

    @pytest.mark.parametrize(("flip", "alpha"), [(0.1, 2197.225), (0.2, 1386.294), (0.3, 847.2979)])
    def test_share_of_wrong_ones_sets_their_weight(self, dcgmm, train, steps, flip, alpha):
        """DC-GMM-4: α = 1000·ln((1 − q)/q), whatever `confidence` says."""
        method, session = dcgmm(epochs=1)
        seen = steps(method)
        train(method, session)
        outputs, batch, _, terms = next(step for step in seen if step[3]["answers"].abs() > 1e-3)
        noisy, _ = dcgmm(flip=flip)
        answers = noisy.terms(outputs, batch, session)["answers"]
        assert answers.item() == pytest.approx(terms["answers"].item() * alpha / 10_000, rel=1e-4)


class TestTheRate:
    def test_falls_to_nine_tenths_every_so_many_epochs(self, dcgmm, train, watch):
        method, session = dcgmm(budget=0, epochs=5, decay_every=2, batch_size=20)
        rates = watch(method, "after_step", lambda *_: session.optimizer.param_groups[0]["lr"])
        train(method, session)
        assert rates[1:] == pytest.approx([1e-2, 1e-2, 0.9e-2, 0.9e-2, 0.81e-2])
        other, _ = dcgmm(lr_decay=0.5, decay_every=2)
        assert [other.stages()[-1].optimiser.schedule(t) for t in (1.9, 2, 4)] == pytest.approx([1, 0.5, 0.25])
        cluster = type(method)(type(method).Settings(), 2, 0).stages()[-1]
        assert [cluster.optimiser.schedule(t) for t in (0, 19.9, 20, 45, 499)] == pytest.approx(
            [1, 1, 0.9, 0.81, 0.9**24]
        )
        rate = cluster.optimiser
        assert (rate.name, rate.lr, cluster.epochs, cluster.batches.size) == ("adam", 1e-3, 500, 128)

    def test_no_epoch_is_left_out_unless_asked_for(self, dcgmm, train):
        for tolerance, count in ((0.0, 6), (1.0, 2)):
            method, session = dcgmm(tolerance=tolerance, epochs=6)
            assert len([e for e in train(method, session).epochs if e.stage == "cluster"]) == count


class TestNumbers:
    def test_saturated_responsibilities_have_loss_and_gradient(self, dcgmm, train, steps):
        """Means 10⁴ standard deviations apart: γ is 0 and 1 exactly, where the released logarithms end."""
        method, session = dcgmm(epochs=1)
        seen = steps(method)
        train(method, session)
        outputs, batch, *_ = next(step for step in seen if step[1].kind == "pairs")
        mixture = session.network["mixture"]
        with torch.no_grad():
            mixture.means.copy_(torch.tensor([[0.0] * 4, [100.0] * 4]))
            mixture.log_variances.fill_(-9.0)
        z = torch.where(torch.arange(len(outputs["z"]))[:, None] % 2 == 0, 0.0, 100.0) + outputs["z"] * 1e-3
        mean = z.clone().requires_grad_()
        p = method.assign(session.network, mean)
        assert set(p.flatten().tolist()) == {0.0, 1.0}
        terms = method.terms(outputs | {"z": mean, "mean": mean, "p": p}, batch, session)
        loss = sum(terms.values())
        gradients = torch.autograd.grad(loss, [mean, mixture.means, mixture.log_variances])
        assert loss.isfinite() and all(g.isfinite().all() for g in gradients)

    @pytest.mark.parametrize("clusters", [2, 4])
    def test_the_paper_s_confidence_trains_without_nan(self, dcgmm, train, clusters):
        method, session = dcgmm(budget=20, clusters=clusters, epochs=4, confidence=1e4)
        epochs = train(method, session).epochs
        assert all(math.isfinite(value) for e in epochs for value in e.losses.values())
        assert session.predict(method.probabilities).isfinite().all()
