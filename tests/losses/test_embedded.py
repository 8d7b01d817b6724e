"""Losses on an embedding: DEC, IDEC, SDEC, ADC, VaDE and DC-GMM, against loops and what published codes give."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence

from pcl.losses import gaussian, pairs, student

close = pytest.approx
seeds = st.integers(0, 2**16)


def table(rows, columns, entry):
    """A float64 matrix from a formula in i and j."""
    i, j = torch.arange(rows, dtype=torch.float64)[:, None], torch.arange(columns, dtype=torch.float64)
    return entry(i, j)


# The inputs that the DEC, SDEC and ADC entries share.
Z = table(6, 3, lambda i, j: torch.sin(i + 2 * j))
MU = table(3, 3, lambda k, j: torch.cos(k + j))
MUST, CANNOT = [(0, 1), (2, 3)], [(0, 2), (1, 4)]
KL_MEAN, KL_SUM = 0.02751577, 0.16509462


def soft_assignment(z):
    return student.soft_assignment((z[:, None] - MU).square().sum(2))


def stacked(z, must, cannot):
    """Both halves of the pairs, and which are must-links."""
    index = torch.tensor([*must, *cannot]).T.flatten()
    return z[index], torch.tensor([True] * len(must) + [False] * len(cannot))


def squared(a, b):
    return sum((x - y) ** 2 for x, y in zip(a.tolist(), b.tolist(), strict=True))


def random_pairs(seed, count=5, features=3):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(2 * count, features, generator=g, dtype=torch.float64)
    return z, torch.rand(count, generator=g) < 0.5


class TestDEC:
    """piiswrong/dec; its ports minimise other sums."""

    def test_mean_and_sum_over_images(self):
        """DEC-3: the paper prints the sum."""
        q = soft_assignment(Z)
        loss = student.kl_divergence(student.target_distribution(q), q)
        assert (loss.item(), len(Z) * loss.item()) == close((KL_MEAN, KL_SUM), rel=1e-5)

    def test_cross_entropy_has_the_same_gradient(self):
        """Some ports minimise −Σ p log q: with a fixed target it differs by a constant."""
        z = Z.clone().requires_grad_()
        q = soft_assignment(z)
        p = student.target_distribution(q)
        cross_entropy = -(p * q.log()).sum(1).mean()
        ours, theirs = (
            torch.autograd.grad(loss, z, retain_graph=True)[0]
            for loss in (student.kl_divergence(p, q), cross_entropy)
        )
        assert torch.allclose(ours, theirs)
        assert ours.norm() > 1e-3

    def test_the_target_of_a_batch_is_not_that_of_the_set(self):
        """ClustPy 0.0.3 sharpens within the batch, where cluster sizes are other ones."""
        q = soft_assignment(Z)
        assert not torch.allclose(student.target_distribution(q)[:3], student.target_distribution(q[:3]), atol=1e-3)


class TestIDEC:
    """XifengGuo/IDEC; IDEC-1. DCC without answers has this loss."""

    x = table(6, 5, lambda i, j: torch.sin(i + 2 * j + 0.3))
    decoded = table(6, 5, lambda i, j: 0.9 * torch.sin(i + 2 * j + 0.4))

    def kl(self, smoothing=0.0):
        q = soft_assignment(Z)
        return student.kl_divergence(student.target_distribution(q), q, smoothing).item()

    def test_total(self):
        mse = torch.nn.functional.mse_loss(self.decoded, self.x).item()
        assert mse == close(0.0094380098, rel=1e-5)
        assert mse + 0.1 * self.kl() == close(0.012189587, rel=1e-5)
        assert mse + 0.1 * self.kl(smoothing=1e-6) == close(0.012189587, rel=1e-4), "DCC's KL"

    def test_reconstruction_summed_over_features(self):
        """The paper's norm: 5 times the mean over values, so that the same weight of the KL means a fifth."""
        mse = torch.nn.functional.mse_loss(self.decoded, self.x).item()
        assert 5 * mse + 0.1 * self.kl() == close(0.049941626, rel=1e-5)


class TestKnownPairsLoss:
    """PCL's `pair_weight`: what answers say of a batch's clusters."""

    @staticmethod
    def example(seed, rows=5):
        g = torch.Generator().manual_seed(seed)
        p = torch.softmax(torch.randn(rows, 3, generator=g, dtype=torch.float64), 1)
        relation = torch.randint(-1, 2, (rows, rows), generator=g).triu(1)
        relation = relation + relation.T
        return p, relation == 1, relation == -1

    @given(seeds)
    @settings(max_examples=20, deadline=None)
    def test_against_a_loop(self, seed):
        p, must, cannot = self.example(seed)
        known = []
        for i in range(len(p)):
            for j in range(len(p)):
                same = sum(a * b for a, b in zip(p[i].tolist(), p[j].tolist(), strict=True))
                if must[i, j] or cannot[i, j]:
                    known.append(-math.log(same if must[i, j] else 1 - same))
        expected = sum(known) / len(known) if known else 0
        assert pairs.known_pairs_loss(p, must, cannot).item() == close(expected)

    @given(seeds)
    @settings(max_examples=20, deadline=None)
    def test_is_the_mean_of_dcc_s_losses(self, seed):
        p, must, cannot = self.example(seed)
        parts = [(must, pairs.must_link_loss), (cannot, pairs.cannot_link_loss)]
        total = sum(loss(p[links.nonzero().T.flatten()]) * links.sum() for links, loss in parts if links.any())
        assert pairs.known_pairs_loss(p, must, cannot).item() == close(float(total) / max((must | cannot).sum(), 1))

    def test_is_zero_and_pushes_nothing_without_answers(self):
        p, must, _ = self.example(0)
        none = torch.zeros_like(must)
        loss = pairs.known_pairs_loss(p.requires_grad_(), none, none)
        loss.backward()
        assert loss.item() == 0
        assert not p.grad.any()

    def test_sure_and_wrong_pairs_are_finite(self):
        p = torch.eye(2).requires_grad_()
        wrong = torch.tensor([[False, True], [True, False]])
        loss = pairs.known_pairs_loss(p, wrong, ~wrong)
        loss.backward()
        assert loss.isfinite()
        assert p.grad.isfinite().all()


class TestDistanceLoss:
    """SDEC."""

    @given(seeds)
    @settings(max_examples=20, deadline=None)
    def test_against_a_loop(self, seed):
        z, same = random_pairs(seed)
        total = sum(squared(z[p], z[p + 5]) * (1 if same[p] else -1) for p in range(5)) / 5
        assert pairs.distance_loss(z, same).item() == close(total)
        spread = sum(squared(z[a], z[b]) for a in range(10) for b in range(10)) / (10 * 9)
        assert pairs.distance_loss(z, same, relative=True).item() == close(total / spread)

    def test_mean_over_pairs(self):
        """SDEC-4, the form of spherepaircc/SpherePairCC."""
        assert pairs.distance_loss(*stacked(Z, MUST, CANNOT)).item() == close(-1.8777301, rel=1e-5)

    def test_printed_form_is_ours_times_2p_over_n(self):
        """SDEC-1: 1/n Σ_ij a_ij d²_ij counts every pair twice and divides by the images, not the pairs."""
        n, count = len(Z), len(MUST + CANNOT)
        signs = torch.zeros(n, n)
        for links, sign in ((MUST, 1), (CANNOT, -1)):
            for i, j in links:
                signs[i, j] = signs[j, i] = sign
        printed = sum(float(signs[i, j]) * squared(Z[i], Z[j]) for i in range(n) for j in range(n)) / n
        assert printed == close(-2.5036401, rel=1e-5)
        ours = pairs.distance_loss(*stacked(Z, MUST, CANNOT)).item()
        assert printed == close(ours * 2 * count / n)
        assert KL_MEAN + 1e-5 * printed == close(0.027490734, rel=1e-5)

    @pytest.mark.parametrize(("cannot", "proportional"), [(CANNOT, True), ([*CANNOT, (0, 5)], False)])
    def test_released_value_balances_the_two_kinds(self, cannot, proportional):
        """SDEC-2: 2/n (mean_ML d² − mean_CL d²) is 4/n times ours where both kinds are as many."""
        must_mean, cannot_mean = (sum(squared(Z[i], Z[j]) for i, j in links) / len(links) for links in (MUST, cannot))
        released = 2 / len(Z) * (must_mean - cannot_mean)
        ours = pairs.distance_loss(*stacked(Z, MUST, cannot)).item()
        assert (released == close(ours * 4 / len(Z))) is proportional
        if proportional:
            assert released == close(-1.25182, rel=1e-5)

    def test_answers_reach_the_encoder(self):
        """SDEC-5: in the released graph the pair term is an input, whose gradient is None for every weight."""
        encoder = table(5, 3, lambda i, j: torch.cos(i - j)).requires_grad_()
        images = table(6, 5, lambda i, j: torch.sin(i + 2 * j + 0.3))
        rows, same = stacked(images @ encoder, MUST, [*CANNOT, (0, 5)])
        as_input = pairs.distance_loss(rows.detach(), same)
        assert not as_input.requires_grad
        pairs.distance_loss(rows, same).backward()
        assert encoder.grad.norm() > 1e-3

    def test_without_weight_sdec_is_dec(self):
        z = Z.clone().requires_grad_()
        q = soft_assignment(z)
        kl = student.kl_divergence(student.target_distribution(q), q)
        total = kl + 0.0 * pairs.distance_loss(*stacked(z, MUST, CANNOT))
        assert total.item() == close(KL_MEAN, rel=1e-5)
        ours, dec = (torch.autograd.grad(loss, z, retain_graph=True)[0] for loss in (total, kl))
        assert torch.equal(ours, dec)

    @given(seeds, st.sampled_from([1e-3, 0.1, 30.0]))
    @settings(max_examples=20, deadline=None)
    def test_relative_knows_no_scale(self, seed, scale):
        z, same = random_pairs(seed)
        expected = pairs.distance_loss(z, same, relative=True).item()
        assert pairs.distance_loss(scale * z, same, relative=True).item() == close(expected)

    def test_relative_never_pushes_outwards(self):
        """Cannot-links alone would send the embedding to infinity; relative, no gradient has a part along z."""
        z, _ = random_pairs(1)
        z = (z - z.mean(0)).requires_grad_()
        different = torch.zeros(len(z) // 2, dtype=torch.bool)
        outwards = [
            (torch.autograd.grad(pairs.distance_loss(z, different, relative=relative), z)[0] * z).sum().item()
            for relative in (False, True)
        ]
        assert outwards[0] < -0.1
        assert outwards[1] == close(0.0, abs=1e-6)

    def test_equal_embeddings_are_finite(self):
        z = torch.ones(4, 3, requires_grad=True)
        loss = pairs.distance_loss(z, torch.tensor([True, False]), relative=True)
        loss.backward()
        assert loss.item() == 0
        assert z.grad.isfinite().all()


class TestMarginLoss:
    """ADC."""

    @given(seeds, st.sampled_from([0.5, 1.0, 3.0]))
    @settings(max_examples=20, deadline=None)
    def test_against_a_loop(self, seed, margin):
        z, same = random_pairs(seed)
        squares = [squared(z[p], z[p + 5]) for p in range(5)]
        total = sum(d2 if same[p] else max(margin - math.sqrt(d2), 0) ** 2 for p, d2 in enumerate(squares))
        assert pairs.margin_loss(z, same, margin).item() == close(total)
        assert pairs.margin_loss(z, same, margin, "mean").item() == close(total / 5)

    def test_printed_sum(self):
        """ADC-1."""
        must, cannot = MUST, [*CANNOT, (0, 5)]
        assert pairs.margin_loss(*stacked(0.3 * Z, must, cannot)).item() == close(0.77296156, rel=1e-5)
        terms = [pairs.margin_loss(*stacked(0.3 * Z, [pair], [])).item() for pair in must]
        terms += [pairs.margin_loss(*stacked(0.3 * Z, [], [pair])).item() for pair in cannot]
        assert terms == close([0.12051209, 0.13570188, 0.1704383, 0.054546709, 0.29176258], rel=1e-5)

    @pytest.mark.parametrize("same", [True, False])
    def test_two_equal_images_have_a_finite_gradient(self, same):
        """The derivative of a distance is undefined at 0; a cannot-link costs δ² there and pushes nowhere."""
        z = torch.ones(2, 3, requires_grad=True)
        loss = pairs.margin_loss(z, torch.tensor([same]), margin=2.0)
        loss.backward()
        assert loss.item() == (0 if same else 4)
        assert torch.equal(z.grad, torch.zeros(2, 3))

    def test_cannot_links_push_up_to_the_margin_only(self):
        near, far = torch.tensor([[0.0], [0.4]], requires_grad=True), torch.tensor([[0.0], [1.4]], requires_grad=True)
        for z in (near, far):
            pairs.margin_loss(z, torch.tensor([False])).backward()
        assert near.grad.flatten().tolist() == close([1.2, -1.2])
        assert far.grad.flatten().tolist() == [0, 0]


class TestSample:
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, math.log(9.0)]])

    def test_is_normal(self):
        rows = 20_000
        z = gaussian.sample(
            self.mean.expand(rows, 2), self.log_variance.expand(rows, 2), torch.Generator().manual_seed(0)
        )
        assert z.mean(0).tolist() == close([1, -2], abs=0.1)
        assert z.std(0).tolist() == close([1, 3], abs=0.1)

    def test_gradients_pass_through(self):
        mean, log_variance = self.mean.clone().requires_grad_(), self.log_variance.clone().requires_grad_()
        z = gaussian.sample(mean, log_variance, torch.Generator().manual_seed(1))
        z.sum().backward()
        assert torch.equal(mean.grad, torch.ones(1, 2))
        assert torch.allclose(log_variance.grad, (z - mean).detach() / 2)

    def test_repeats_with_its_generator(self):
        first, again, other = (
            gaussian.sample(self.mean, self.log_variance, torch.Generator().manual_seed(seed)) for seed in (2, 2, 3)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


def mixture(seed, images=5, features=3, clusters=4):
    """A random posterior, and a random mixture as means, log variances and log weights."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    prior = normal(clusters, features), normal(clusters, features), normal(clusters).log_softmax(0)
    return normal(images, features), normal(images, features), prior


class TestLogLikelihoods:
    @given(seeds)
    @settings(max_examples=20, deadline=None)
    def test_against_a_loop(self, seed):
        z, _, (means, log_variances, log_weights) = mixture(seed)
        logs = gaussian.log_likelihoods(z, means, log_variances, log_weights)
        gamma = gaussian.responsibilities(z, means, log_variances, log_weights)
        for i in range(5):
            densities = []
            for k in range(4):
                density = math.exp(log_weights[k])
                for x, m, v in zip(z[i].tolist(), means[k].tolist(), log_variances[k].exp().tolist(), strict=True):
                    density *= math.exp(-((x - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
                densities.append(density)
            assert logs[i].exp().tolist() == close(densities)
            assert gamma[i].tolist() == close([density / sum(densities) for density in densities])

    def test_add_up_to_the_mixture_s_density(self):
        z, _, (means, log_variances, log_weights) = mixture(7)
        components = Independent(Normal(means, (log_variances / 2).exp()), 1)
        expected = MixtureSameFamily(Categorical(logits=log_weights), components).log_prob(z)
        assert torch.allclose(gaussian.log_likelihoods(z, means, log_variances, log_weights).logsumexp(1), expected)

    def test_far_points_have_a_cluster(self):
        """Densities underflow here; their ratios do not."""
        z = torch.tensor([[1000.0], [-1000.0]], requires_grad=True)
        gamma = gaussian.responsibilities(z, torch.tensor([[1.0], [-1.0]]), torch.zeros(2, 1), torch.zeros(2))
        assert torch.equal(gamma, torch.eye(2))
        gamma.sum().backward()
        assert z.grad.isfinite().all()


class VaDEInputs:
    """The inputs of the VaDE and DC-GMM entries."""

    mean = table(4, 2, lambda i, j: torch.sin(i + 2 * j))
    log_variance = table(4, 2, lambda i, j: -1 + 0.1 * torch.cos(i + j))
    z = mean + table(4, 2, lambda i, j: 0.3 * torch.sin(2 * i + j + 1)) * (log_variance / 2).exp()
    means = table(3, 2, lambda k, j: torch.cos(k + j))
    log_variances = table(3, 2, lambda k, j: 0.1 * torch.sin(k + 2 * j))
    prior = means, log_variances, torch.full((3,), -math.log(3), dtype=torch.float64)
    gamma = gaussian.responsibilities(z, *prior)
    constant = 2 / 2 * math.log(2 * math.pi)
    must, cannot = (torch.zeros(4, 4, dtype=torch.bool) for _ in range(2))
    must[0, 1] = must[1, 0] = cannot[2, 3] = cannot[3, 2] = True

    def terms(self):
        return {
            name: term.item()
            for name, term in gaussian.divergence(self.mean, self.log_variance, self.gamma, *self.prior).items()
        }


class TestVaDE(VaDEInputs):
    """slim1017/VaDE."""

    def test_responsibilities(self):
        """VaDE-1."""
        assert self.gamma[0].tolist() == close([0.60730855, 0.30531969, 0.087371756], rel=1e-5)
        assert self.gamma[3].tolist() == close([0.16467784, 0.43485909, 0.40046307], rel=1e-5)

    def test_terms(self):
        """VaDE-2."""
        assert self.terms() == close(
            {
                "log_variance": 0.038240969,
                "variance": 0.34931499,
                "distance": 0.50019458,
                "prior": 1.0986123,
                "assignment": -0.9883711,
                "posterior": 0.017316471,
            },
            rel=1e-5,
        )

    def test_total_with_and_without_the_constant(self):
        """VaDE-2, and VaDE-pytorch's total, which leaves the constant out as we do."""
        total = sum(self.terms().values())
        assert total == close(1.0153082, rel=1e-5)
        assert self.constant == close(1.8378771, rel=1e-5)
        assert total + self.constant == close(2.8531853, rel=1e-5)

    def test_clustpy_weighs_the_variances_twice(self):
        """ClustPy 0.0.3's responsibilities take the log variance where half of it belongs."""
        squares = (self.z[:, None] - self.means).square() / self.log_variances.exp()
        theirs = (-(squares / 2 + self.log_variances).sum(2)).softmax(1)
        ours = (-(squares / 2 + self.log_variances / 2).sum(2)).softmax(1)
        assert torch.allclose(self.gamma, ours)
        assert (self.gamma - theirs).abs().max() > 5e-3


class TestDivergence:
    @given(seeds)
    @settings(max_examples=20, deadline=None)
    def test_against_a_loop(self, seed):
        mean, log_variance, (means, log_variances, log_weights) = mixture(seed)
        gamma = gaussian.responsibilities(mean, means, log_variances, log_weights)
        expected = dict.fromkeys(("log_variance", "variance", "distance", "prior", "assignment", "posterior"), 0.0)
        for i in range(5):
            for k in range(4):
                g = float(gamma[i, k])
                for d in range(3):
                    v = math.exp(log_variances[k, d])
                    expected["log_variance"] += g * math.log(v) / 2 / 5
                    expected["variance"] += g * math.exp(log_variance[i, d]) / v / 2 / 5
                    expected["distance"] += g * float(mean[i, d] - means[k, d]) ** 2 / v / 2 / 5
                expected["prior"] -= g * float(log_weights[k]) / 5
                expected["assignment"] += g * math.log(g) / 5
            expected["posterior"] -= sum(1 + float(log_variance[i, d]) for d in range(3)) / 2 / 5
        terms = gaussian.divergence(mean, log_variance, gamma, means, log_variances, log_weights)
        assert {name: term.item() for name, term in terms.items()} == close(expected)

    @given(seeds)
    @settings(max_examples=20, deadline=None)
    def test_sums_to_the_divergence_of_the_joint(self, seed):
        """KL(γ‖π) + Σ_k γ_k KL(q(z|x)‖N_k), both as PyTorch computes them."""
        mean, log_variance, (means, log_variances, log_weights) = mixture(seed)
        gamma = torch.softmax(mean @ means.T, 1)
        terms = gaussian.divergence(mean, log_variance, gamma, means, log_variances, log_weights)
        posterior = Independent(Normal(mean[:, None], (log_variance[:, None] / 2).exp()), 1)
        clusters = Independent(Normal(means, (log_variances / 2).exp()), 1)
        labels = kl_divergence(Categorical(gamma), Categorical(logits=log_weights))
        expected = (labels + (gamma * kl_divergence(posterior, clusters)).sum(1)).mean()
        assert sum(terms.values()).item() == close(expected.item())

    def test_is_zero_for_the_prior_itself(self):
        _, _, (means, log_variances, _) = mixture(3, clusters=1)
        mean, log_variance, one = means.expand(5, 3), log_variances.expand(5, 3), torch.zeros(1, dtype=torch.float64)
        terms = gaussian.divergence(mean, log_variance, torch.ones_like(mean[:, :1]), means, log_variances, one)
        assert sum(terms.values()).item() == close(0, abs=1e-12)

    def test_saturated_assignments_have_a_finite_gradient(self):
        """γ underflows to 0 far from a cluster, where the derivative of γ log γ is infinite."""
        z = torch.tensor([[1000.0], [-1000.0]], requires_grad=True)
        prior = torch.tensor([[1.0], [-1.0]]), torch.zeros(2, 1), torch.full((2,), -math.log(2))
        terms = gaussian.divergence(z, torch.zeros_like(z), gaussian.responsibilities(z, *prior), *prior)
        assert terms["assignment"].item() == 0
        sum(terms.values()).backward()
        assert z.grad.isfinite().all()
        assert (z.grad != 0).all()


class TestDCGMM(VaDEInputs):
    """lauramanduchi/DC-GMM@af7dc6e, run in float32."""

    def test_responsibilities(self):
        """DC-GMM-1."""
        assert self.gamma[0].tolist() == close([0.6073084, 0.3053198, 0.0873718], rel=1e-4)
        assert self.gamma[3].tolist() == close([0.1646779, 0.4348591, 0.400463], rel=1e-4)

    def test_total(self):
        """DC-GMM-2; the constraint term grows in proportion to α."""
        constraint = gaussian.constraint_term(self.gamma, self.must, self.cannot, 1.0).item()
        assert constraint == close(-0.0200498, rel=1e-4)
        assert sum(self.terms().values()) + self.constant + constraint == close(2.833136, rel=1e-4)
        trusted = gaussian.constraint_term(self.gamma, self.must, self.cannot, 10_000.0).item()
        assert trusted == close(-200.498, rel=1e-4)

    def test_without_answers_it_is_vade(self):
        none = torch.zeros(4, 4, dtype=torch.bool)
        constraint = gaussian.constraint_term(self.gamma, none, none, 10_000.0).item()
        assert constraint == 0
        assert sum(self.terms().values()) + constraint == close(1.0153082, rel=1e-5)

    def test_confidence(self):
        """DC-GMM-4."""
        found = [gaussian.confidence(flip) for flip in (0.1, 0.2, 0.3)]
        assert found == close([2197.225, 1386.294, 847.2979], rel=1e-5)
        assert gaussian.confidence(0.5) == 0
        assert gaussian.confidence(0.8) == close(-gaussian.confidence(0.2))


class TestConstraintTerm:
    @given(seeds)
    @settings(max_examples=20, deadline=None)
    def test_against_a_loop(self, seed):
        g = torch.Generator().manual_seed(seed)
        gamma = torch.softmax(torch.randn(6, 3, generator=g, dtype=torch.float64), 1)
        relation = torch.randint(-1, 2, (6, 6), generator=g).triu(1)
        relation = relation + relation.T
        total = 0.0
        for i in range(6):
            for j in range(6):
                together = sum(float(gamma[i, k] * gamma[j, k]) for k in range(3))
                total -= 2.5 * int(relation[i, j]) * together / 6
        assert gaussian.constraint_term(gamma, relation == 1, relation == -1, 2.5).item() == close(total)

    @pytest.mark.parametrize(
        ("clusters", "must", "expected"), [((0, 0), True, -50), ((0, 0), False, 50), ((0, 1), True, 0)]
    )
    def test_a_sure_pair_weighs_two_alpha_over_b(self, clusters, must, expected):
        gamma = torch.eye(3)[[*clusters, 2, 2]]
        link, none = torch.zeros(4, 4, dtype=torch.bool), torch.zeros(4, 4, dtype=torch.bool)
        link[0, 1] = link[1, 0] = True
        links = (link, none) if must else (none, link)
        assert gaussian.constraint_term(gamma, *links, 100.0).item() == expected
