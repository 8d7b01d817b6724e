"""MiCE, GCC, PICA, SPICE and MoCo: what the published codes give, and every function beside a plain loop.

The numbers were captured in float64 from the released code named at each class; the inputs are those formulas.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcl.errors import UserError
from pcl.losses import contrastive, experts, graph, pseudo

close = pytest.approx
seeds = st.integers(0, 2**16)
few = settings(max_examples=10, deadline=None)


def table(shape, entry):
    """A float64 tensor from a formula in its indices."""
    return entry(*torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in shape), indexing="ij"))


def unit(x):
    return torch.nn.functional.normalize(x, dim=-1)


def softmax(x):
    return torch.softmax(x, 1)


def a(columns):
    """The formula of first views in all entries."""
    return table((6, columns), lambda i, j: torch.sin(i + 2 * j + 0.3 * i * j))


def b(columns):
    """The formula of second views in all entries."""
    return table((6, columns), lambda i, j: torch.cos(2 * i - j + 0.2 * i * j))


def noise(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dot(x, y):
    return sum(float(s) * float(t) for s, t in zip(x, y, strict=True))


def cosine(x, y):
    return dot(x, y) / math.sqrt(dot(x, x) * dot(y, y))


def mean(values):
    return sum(values) / len(values)


class TestMoCo:
    """niuchuangnn/SPICE@5eba538, moco/builder.py."""

    queue = torch.nn.functional.normalize(
        table((5, 8), lambda i, j: torch.sin(2 * i + 3 * j + 0.4 * i * j)), dim=0
    ).T.contiguous()

    def test_published(self):
        q, k = unit(a(5)).requires_grad_(), unit(b(5)).requires_grad_()
        loss = contrastive.info_nce_queue(q, k, self.queue, 0.2)
        loss.backward()
        assert loss.item() == close(4.98177442, rel=1e-5)
        assert q.grad.norm().item() == close(2.71408412, rel=1e-5)
        assert k.grad is None

    @given(seeds)
    @few
    def test_loop(self, seed):
        q, k, queue = unit(noise(seed, 3, 4)), unit(noise(seed + 1, 3, 4)), unit(noise(seed + 2, 5, 4))
        losses = []
        for i in range(3):
            own = math.exp(dot(q[i], k[i]) / 0.3)
            losses.append(-math.log(own / (own + sum(math.exp(dot(q[i], row) / 0.3) for row in queue))))
        assert contrastive.info_nce_queue(q, k, queue, 0.3).item() == close(mean(losses))

    def test_published_pointer(self):
        queue, pointer = contrastive.enqueue(self.queue, 0, unit(b(5)))
        assert pointer == 6
        assert torch.equal(queue, torch.cat([unit(b(5)), self.queue[6:]]))

    @given(size=st.integers(1, 7), batches=st.lists(st.integers(0, 12), max_size=6))
    @few
    def test_queue_holds_the_last_rows(self, size, batches):
        """Whatever the batch sizes: read from the pointer on, the queue is the end of all that was put in."""
        queue, pointer = torch.arange(-size, 0.0)[:, None, None].expand(size, 2, 3), 0
        sent = list(range(-size, 0))
        for count in batches:
            rows = torch.arange(sent[-1] + 1.0, sent[-1] + 1 + count)
            sent += [int(row) for row in rows]
            queue, pointer = contrastive.enqueue(queue, pointer, rows[:, None, None].expand(count, 2, 3))
        assert queue.roll(-pointer, 0)[:, 0, 0].tolist() == sent[-size:]
        assert queue.shape == (size, 2, 3)

    def test_queue_leaves_gradients_and_its_argument_alone(self):
        """The keys of a loss must be there unchanged when its gradients are taken."""
        queue, rows = torch.zeros(3, 2), torch.ones(2, 2, requires_grad=True)
        after, _ = contrastive.enqueue(queue, 2, rows)
        assert after[:, 0].tolist() == [1, 0, 1]
        assert not after.requires_grad
        assert queue.sum() == 0


class TestSimCLR:
    def test_both_directions_are_nt_xent(self):
        """One direction without the self-term is SCAN's SimCLR loss; the mean of both is CC's and SimCLR's."""
        x, y = unit(a(5)), unit(b(5))
        forth = graph.pretext_contrast(x, y, 0.1, self_term=False)
        back = graph.pretext_contrast(y, x, 0.1, self_term=False)
        assert contrastive.nt_xent(torch.cat([x, y]), 0.1).item() == close((forth + back).item() / 2)
        assert forth.item() == close(6.184757, rel=1e-5), "wvangansbeke/Unsupervised-Classification@952ec31"

    @given(seeds)
    @few
    def test_loop(self, seed):
        rows = noise(seed, 6, 4)
        losses = []
        for i in range(6):
            others = sum(math.exp(cosine(rows[i], rows[k]) / 0.5) for k in range(6) if k != i)
            losses.append(-math.log(math.exp(cosine(rows[i], rows[(i + 3) % 6]) / 0.5) / others))
        assert contrastive.nt_xent(rows, 0.5).item() == close(mean(losses))


class TestMiCE:
    """TsungWeiTsai/MiCE@ddcce45, ELBO.py; the gate's prototypes kernel_paras/craft_MMcenters.m."""

    def example(self, clusters):
        f = unit(table((3, clusters, 5), lambda i, j, k: torch.sin(2 * i + j - k + 0.2 * i * k)))
        v = unit(table((3, clusters, 5), lambda i, j, k: torch.sin(2 * i + j - k + 0.2 * i * k + 0.4)))
        g = unit(table((3, 5), lambda i, j: torch.cos(i + 2 * j + 0.1 * i * j)))
        queue = unit(table((7, clusters, 5), lambda i, j, k: torch.sin(i + 2 * j + 3 * k + 0.1 * i * k)))
        mu = table((clusters, 5), lambda i, j: torch.cos(i - j + 0.3 * i * j))
        return f.requires_grad_(), v, g.requires_grad_(), queue, mu.requires_grad_()

    def logs(self, f, v, g, queue, mu):
        return experts.log_gate(g, experts.simplex(len(mu), 5).double()), experts.log_expert(f, v, mu, queue)

    @pytest.mark.parametrize(("clusters", "expected"), [(2, 1.42232071), (4, 1.397743)])
    def test_published_loss(self, clusters, expected):
        assert experts.negative_elbo(*self.logs(*self.example(clusters))).item() == close(expected, rel=1e-5)

    def test_published_gradients(self):
        f, v, g, queue, mu = self.example(2)
        experts.negative_elbo(*self.logs(f, v, g, queue, mu)).backward()
        norms = [x.grad.norm().item() for x in (f, g, mu)]
        assert norms == close([0.3192687, 0.03680889, 0.09385303], rel=1e-5)

    def test_published_posterior(self):
        log_pi, log_phi = self.logs(*self.example(2))
        assert log_pi[0].tolist() == close([-0.25103, -1.505072], rel=1e-5)
        published = [[0.807499, 0.192501], [0.61266, 0.38734], [0.369616, 0.630384]]
        assert experts.posterior(log_pi, log_phi).tolist() == [close(row, rel=1e-5) for row in published]

    def test_published_queue(self):
        _, v, _, queue, _ = self.example(2)
        after, pointer = contrastive.enqueue(queue, 0, v)
        assert pointer == 3
        assert (after != queue).flatten(1).any(1).tolist() == [True] * 3 + [False] * 4
        assert torch.equal(after[:3], v)

    def test_published_prototypes(self):
        f, v, g, queue, mu = self.example(2)
        sums = experts.prototype_sums(v, experts.posterior(*self.logs(f, v, g, queue, mu)))
        published = [
            [0.80234, 0.257914, -0.299076, -0.419939, -0.154711],
            [-0.482517, -0.622009, -0.544215, -0.276311, 0.088116],
        ]
        updated = experts.updated_prototypes(sums, mu.detach())
        assert updated.tolist() == [close(row, rel=1e-5) for row in published]

    def test_published_simplex(self):
        assert experts.simplex(2, 5).tolist() == [[1, 0, 0, 0, 0], [-1, 0, 0, 0, 0]]
        third, root = 1 / 3, math.sqrt(2)
        tetrahedron = [
            [1, 0, 0, 0, 0],
            [-third, 2 * root * third, 0, 0, 0],
            [-third, -root * third, math.sqrt(6) * third, 0, 0],
            [-third, -root * third, -math.sqrt(6) * third, 0, 0],
        ]
        assert experts.simplex(4, 5).tolist() == [close(row, abs=1e-6) for row in tetrahedron]

    @pytest.mark.parametrize("clusters", [2, 3, 4, 10, 15, 20])
    def test_simplex_recursion(self, clusters):
        """ω_kj = −(1/(K−1) + ω_k·ω_j)/ω_jj for j < k, ω_kk = √|1 − ‖ω_k‖²|, as the released tables were made."""
        omega = [[0.0] * 32 for _ in range(clusters)]
        for k in range(clusters):
            for j in range(k):
                omega[k][j] = -(1 / (clusters - 1) + dot(omega[k], omega[j])) / omega[j][j]
            omega[k][k] = math.sqrt(abs(1 - dot(omega[k], omega[k])))
        ours = experts.simplex(clusters, 32)
        assert ours.tolist() == [close(row, abs=1e-6) for row in omega]
        gram = torch.full((clusters, clusters), -1 / (clusters - 1)).fill_diagonal_(1)
        assert torch.allclose(ours @ ours.T, gram, atol=1e-6)

    def test_simplex_needs_room(self):
        assert experts.simplex(4, 3).shape == (4, 3)
        with pytest.raises(UserError, match="3 features or more, not 2"):
            experts.simplex(4, 2)

    @pytest.mark.parametrize(("clusters", "most"), [(2, 0.88), (4, 0.56), (10, 0.25)])
    def test_a_gate_alone_is_never_sure(self, clusters, most):
        """Not even of an image that lies on its prototype."""
        omega = experts.simplex(clusters, 16)
        surest = experts.log_gate(omega, omega).exp().max().item()
        own, other = math.e, math.exp(-1 / (clusters - 1))
        assert surest == close(own / (own + (clusters - 1) * other))
        assert round(surest, 2) == most

    @given(seeds)
    @few
    def test_loop(self, seed):
        images, clusters, kappa, tau = 3, 3, 0.7, 0.6
        f, v = unit(noise(seed, images, clusters, 4)), unit(noise(seed + 1, images, clusters, 4))
        g, queue, mu = unit(noise(seed + 2, images, 4)), noise(seed + 3, 6, clusters, 4), noise(seed + 4, clusters, 4)
        omega = experts.simplex(clusters, 4).double()
        losses, sums = [], [[0.0] * 4 for _ in range(clusters)]
        log_pi, log_phi = experts.log_gate(g, omega, kappa), experts.log_expert(f, v, mu, queue, tau)
        ours = experts.posterior(log_pi, log_phi)
        for i in range(images):
            gates = [math.exp(dot(omega[k], g[i]) / kappa) for k in range(clusters)]
            joint = []
            for k in range(clusters):
                anchor = [float(x + y) for x, y in zip(f[i, k], mu[k] / mu[k].norm(), strict=True)]
                own = math.exp(dot(v[i, k], anchor) / tau)
                found = own / (own + sum(math.exp(dot(key[k], anchor) / tau) for key in queue))
                joint.append(gates[k] / sum(gates) * found)
            losses.append(-math.log(sum(joint)))
            assert ours[i].tolist() == close([x / sum(joint) for x in joint])
            best = joint.index(max(joint))
            sums[best] = [x + float(y) for x, y in zip(sums[best], v[i, best], strict=True)]
        assert experts.negative_elbo(log_pi, log_phi).item() == close(mean(losses))
        assert experts.prototype_sums(v, ours).tolist() == [close(row, abs=1e-12) for row in sums]

    def test_loss_is_the_bound_at_the_posterior(self):
        """−E_r[log π + log Φ − log r], r a constant, has the value and the gradients of the loss."""
        f, v, g, queue, mu = self.example(4)
        log_pi, log_phi = self.logs(f, v, g, queue, mu)
        r = experts.posterior(log_pi, log_phi).detach()
        bound = -(r * (log_pi + log_phi - r.log())).sum(1).mean()
        loss = experts.negative_elbo(log_pi, log_phi)
        assert loss.item() == close(bound.item())
        ours = torch.autograd.grad(loss, (f, g, mu), retain_graph=True)
        theirs = torch.autograd.grad(bound, (f, g, mu))
        assert all(torch.allclose(x, y) for x, y in zip(ours, theirs, strict=True))

    def test_an_empty_cluster_keeps_its_prototype(self):
        v, old = noise(0, 5, 3, 4), unit(noise(1, 3, 4))
        nobody_in_1 = torch.tensor([[0.6, 0.1, 0.3]] * 4 + [[0.2, 0.2, 0.6]], dtype=torch.float64)
        updated = experts.updated_prototypes(experts.prototype_sums(v, nobody_in_1), old)
        assert torch.equal(updated[1], old[1])
        assert updated[0].tolist() == close(unit(v[:4, 0].sum(0)).tolist())
        assert updated[2].tolist() == close(unit(v[4, 2]).tolist())


class TestGCC:
    """mynameischaos/GCC@530c11b, losses/losses.py and utils/memory.py."""

    near = torch.tensor([[0, 1, 3], [1, 2, 5], [2, 3, 1], [3, 4, 3], [4, 5, 5], [5, 0, 1]])

    def test_published_pretext(self):
        x, y = unit(a(5)).requires_grad_(), unit(b(5)).requires_grad_()
        loss = graph.pretext_contrast(x, y, 0.1)
        loss.backward()
        assert loss.item() == close(10.34446934, rel=1e-5)
        assert torch.cat([x.grad, y.grad]).norm().item() == close(10.03168974, rel=1e-5)

    def test_published_graph(self):
        x, y = unit(a(5)).requires_grad_(), unit(b(5)).requires_grad_()
        formulas = (
            lambda i, j: torch.sin(2 * i + j + 0.1 * i * j),
            lambda i, j: torch.cos(i + 3 * j),
            lambda i, j: torch.sin(3 * i - 2 * j + 0.5),
        )
        n = torch.stack([unit(table((6, 5), formula)) for formula in formulas])
        i = torch.arange(6, dtype=torch.float64)
        w = torch.stack([0.5 + 0.05 * i, 0.9 - 0.03 * i, 0.6 + 0.02 * i])
        loss = graph.graph_contrast(x, y, n, w, 0.1)
        loss.backward()
        assert loss.item() == close(7.24456131, rel=1e-5)
        assert torch.cat([x.grad, y.grad]).norm().item() == close(6.98113646, rel=1e-5)

    @given(seeds, st.booleans())
    @few
    def test_graph_loop(self, seed, self_term):
        tau, images = 0.4, 4
        x, y, n = unit(noise(seed, images, 3)), unit(noise(seed + 1, images, 3)), unit(noise(seed + 2, 2, images, 3))
        w = noise(seed + 3, 2, images).sigmoid()
        losses, pretext = [], []
        for i in range(images):
            kin = [math.exp(dot(x[i], x[j]) / tau) for j in range(images) if self_term or j != i]
            views = [math.exp(dot(x[i], y[j]) / tau) for j in range(images)]
            pretext.append(-math.log(views[i] / (sum(kin) + sum(views))))
            positive, negative = views[i], sum(kin) + sum(views) - views[i]
            for m in range(2):
                for j in range(images):
                    scaled = math.exp(dot(x[i], w[m, j] * n[m, j]) / tau)
                    if i == j:
                        positive += float(w[m, j]) * scaled
                    else:
                        negative += scaled
            losses.append(-math.log(positive / negative))
        assert graph.graph_contrast(x, y, n, w, tau, self_term).item() == close(mean(losses))
        assert graph.pretext_contrast(x, y, tau, self_term).item() == close(mean(pretext))

    def test_self_term_sets_a_floor(self):
        alike = torch.eye(6, dtype=torch.float64)
        assert graph.pretext_contrast(alike, alike, 0.01).item() == close(math.log(2))
        assert graph.pretext_contrast(alike, alike, 0.01, self_term=False).item() == close(0, abs=1e-6)

    def test_published_neighbours(self):
        near = graph.neighbours((unit(a(5)) + unit(b(5))) / 2, 2)
        published = [[0, 3, 5], [1, 4, 3], [2, 5, 3], [3, 0, 2], [4, 1, 5], [5, 4, 0]]
        assert near.tolist() == published

    def test_a_short_row_need_not_come_first_in_its_own_list(self):
        long, short = [2.0, 0.0], [0.5, 0.1]
        assert graph.neighbours(torch.tensor([long, short]), 1).tolist() == [[0, 1], [0, 1]]

    @given(seeds)
    @few
    def test_neighbours_loop(self, seed):
        rows = noise(seed, 9, 4)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(graph, "CHUNK", 4)
            near = graph.neighbours(rows, 3).tolist()
        for i in range(9):
            assert near[i] == sorted(range(9), key=lambda j: -dot(rows[i], rows[j]))[:4]

    def test_published_degree_weights(self):
        published = [0.8660254, 0.8660254, 1.0, 0.8660254, 1.0, 0.8660254]
        assert graph.degree_weights(self.near).tolist() == close(published, rel=1e-5)

    @given(seeds)
    @few
    def test_degree_loop(self, seed):
        near = torch.randint(0, 8, (8, 3), generator=torch.Generator().manual_seed(seed))
        kin = [{i} for i in range(8)]
        for i in range(8):
            for j in near[i].tolist():
                kin[i].add(j)
                kin[j].add(i)
        assert graph.degree_weights(near).tolist() == close([math.sqrt(3 / len(names)) for names in kin])


class TestAssignment:
    """GCC's assignment term and PICA's partition uncertainty (Raymond-sci/PICA@a82957e, pica/losses.py) are one."""

    @pytest.mark.parametrize(("clusters", "expected"), [(2, 0.70535182), (4, 1.380838)])
    def test_published_loss(self, clusters, expected):
        ours = graph.assignment_contrast(softmax(a(clusters)), softmax(b(clusters)))
        assert ours.item() == close(expected, rel=1e-5)

    def test_published_parts_of_gcc(self):
        p, neighbour = softmax(a(2)), softmax(b(2))
        assert graph.assignment_contrast(p, neighbour, 0.0).item() == close(0.70237602, rel=1e-5)
        assert contrastive.balance(p).item() == close(0.0014879, rel=1e-5)

    def test_published_gradient_of_pica(self):
        p = softmax(a(2)).requires_grad_()
        graph.assignment_contrast(p, softmax(b(2)), 2.0).backward()
        assert p.grad.norm().item() == close(0.11669111, rel=1e-5)

    @pytest.mark.parametrize(("clusters", "best", "flat"), [(2, 0.313262, 0.693147), (4, 0.743668, 1.386294)])
    def test_published_bounds(self, clusters, best, flat):
        sure = torch.eye(clusters, dtype=torch.float64).repeat(3, 1)
        even = torch.full((3 * clusters, clusters), 1 / clusters, dtype=torch.float64)
        assert graph.assignment_contrast(sure, sure).item() == close(best, abs=1e-6)
        assert graph.assignment_contrast(even, even).item() == close(flat, abs=1e-6)
        assert best == close(math.log(1 + (clusters - 1) / math.e), abs=1e-6)
        assert flat == close(math.log(clusters), abs=1e-6)

    def test_pica_may_tile_its_originals(self):
        """Its three perturbed copies stand beside three times the same originals: repeated rows change no cosine."""
        p, perturbed = softmax(a(4)), softmax(b(4))
        once = graph.assignment_contrast(p, perturbed)
        tiled = graph.assignment_contrast(p.repeat(3, 1), perturbed.repeat(3, 1))
        assert tiled.item() == close(once.item())

    def test_only_the_first_argument_is_balanced(self):
        p, q = softmax(3 * a(4)), softmax(b(4))
        gap = graph.assignment_contrast(p, q) - graph.assignment_contrast(p, q, 0.0)
        assert gap.item() == close(2 * contrastive.balance(p).item())

    @given(seeds)
    @few
    def test_loop(self, seed):
        p, q = softmax(noise(seed, 5, 3)), softmax(noise(seed + 1, 5, 3))
        losses, entropy = [], math.log(3)
        for k in range(3):
            s = [math.exp(cosine(p[:, k], q[:, other])) for other in range(3)]
            losses.append(-math.log(s[k] / sum(s)))
            share = mean(p[:, k].tolist())
            entropy += share * math.log(share)
        assert graph.assignment_contrast(p, q, 0.7).item() == close(mean(losses) + 0.7 * entropy)


def labelled(scores, embedding, center_ratio, ratio):
    """(image, label) pairs by sorting in lists."""
    images, clusters = scores.shape
    share, pairs = images // clusters, set()
    for k in range(clusters):
        center = sorted(range(images), key=lambda i: -float(scores[i, k]))[: max(1, int(center_ratio * share))]
        prototype = [mean([float(embedding[i, d]) for i in center]) for d in range(embedding.shape[1])]
        nearest = sorted(range(images), key=lambda i: -dot(embedding[i], prototype))[: int(ratio * share)]
        pairs |= {(i, k) for i in nearest}
    return pairs


def pairs(labels):
    return {(i, k) for i, k in labels.nonzero().tolist()}


class TestPrototypeLabels:
    """niuchuangnn/SPICE@5eba538, spice/model/heads/sem_head.py."""

    def test_published(self):
        embedding = unit(table((12, 5), lambda i, j: torch.sin(i + 2 * j + 0.3 * i * j)))
        scores = softmax(2 * table((12, 2), lambda i, j: torch.cos(2 * i - j + 0.2 * i * j)))
        labels = pseudo.prototype_labels(scores, embedding)
        index = [10, 4, 7, 1, 2, 5, 8, 1, 0, 4, 5, 11]
        assert pairs(labels) == set(zip(index, [0] * 6 + [1] * 6, strict=True))
        assert (labels.sum(1) >= 2).sum() == 3
        assert (labels.sum(1) == 0).sum() == 3

    # Not two images to a prototype: they would be equally near to it.
    @given(seeds, st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([0.5, 1.0]))
    @few
    def test_loop_over_heads(self, seed, center_ratio, ratio):
        scores, embedding = torch.softmax(noise(seed, 3, 20, 3), 2), unit(noise(seed + 1, 20, 4))
        labels = pseudo.prototype_labels(scores, embedding, center_ratio, ratio)
        for head in range(3):
            assert pairs(labels[head]) == labelled(scores[head], embedding, center_ratio, ratio)
        assert (labels.sum(1) == int(ratio * 6)).all()

    def test_one_image_per_cluster_is_enough(self):
        labels = pseudo.prototype_labels(torch.eye(3), torch.eye(3))
        assert torch.equal(labels, torch.eye(3, dtype=torch.bool))


class TestDoubleSoftmax:
    """niuchuangnn/SPICE@5eba538, spice/model/heads/sem_head.py."""

    def test_published(self):
        targets = torch.tensor([[k == i % 2 for k in range(2)] for i in range(6)])
        assert pseudo.double_softmax(softmax(a(2)), targets).item() == close(0.76120863, rel=1e-5)

    @pytest.mark.parametrize(("clusters", "floor"), [(2, 0.313262), (4, 0.743668)])
    def test_published_floor(self, clusters, floor):
        sure = torch.eye(clusters)
        assert pseudo.double_softmax(sure, sure.bool()).item() == close(floor, abs=1e-6)
        assert floor == close(math.log(1 + (clusters - 1) / math.e), abs=1e-6)

    @given(seeds)
    @few
    def test_loop_over_heads(self, seed):
        p = torch.softmax(noise(seed, 2, 5, 3), 2)
        targets = noise(seed + 1, 2, 5, 3) > 0
        targets[0, 0] = True
        targets[1] = False
        losses = [-math.log(math.exp(p[0, i, k]) / sum(math.exp(x) for x in p[0, i])) for i, k in pairs(targets[0])]
        assert pseudo.double_softmax(p, targets).tolist() == close([mean(losses), 0])

    def test_heads_do_not_touch_each_other(self):
        p = torch.softmax(noise(0, 2, 5, 3), 2).requires_grad_()
        targets = torch.ones(2, 5, 3, dtype=torch.bool)
        pseudo.double_softmax(p, targets)[0].backward()
        assert p.grad[0].any()
        assert not p.grad[1].any()


class TestReliable:
    """niuchuangnn/SPICE@5eba538, spice/model/heads/sem_head_multi.py."""

    @staticmethod
    def example(clusters=2):
        """Two tight groups on a circle, the scores by angle."""
        embedding = unit(
            table(
                (22, 2),
                lambda i, j: torch.cos(
                    (i - 2 * ((i + 0.001) // 2)) * 6.283185307179586 / 2
                    + 0.15 * torch.sin(7 * i)
                    - 1.5707963267948966 * j
                ),
            )
        )
        angle = torch.atan2(embedding[:, 1], embedding[:, 0])
        k = torch.arange(clusters, dtype=torch.float64)
        return embedding, softmax(8 * torch.cos(angle[:, None] - 2 * math.pi * k / clusters))

    @staticmethod
    def keep(embedding, p, count=4, agreement=0.9, confidence=0.9, fallback=1, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return pseudo.reliable(embedding, p, count, agreement, confidence, fallback, generator)

    def test_published_counts(self):
        embedding, p = self.example()
        kept = self.keep(embedding, p)
        assert p.argmax(1).bincount().tolist() == [11, 11]
        assert p.argmax(1)[kept].bincount().tolist() == [11, 11]
        assert len(kept) == 22

    @given(seeds)
    @few
    def test_loop(self, seed):
        embedding = noise(seed, 30, 2)
        p = softmax(2 * unit(embedding) @ noise(seed + 1, 2, 3) + 0.5 * noise(seed + 2, 30, 3))
        label = p.argmax(1).tolist()
        trusted = {k: set() for k in label}
        for i in range(30):
            near = sorted(range(30), key=lambda j: -cosine(embedding[i], embedding[j]))[:5]
            if sum(label[j] == label[i] for j in near) / 5 >= 0.6 and max(p[i].tolist()) > 0.5:
                trusted[label[i]].add(i)
        for k, group in trusted.items():
            if not group:
                members = [i for i in range(30) if label[i] == k]
                group.update(sorted(members, key=lambda i: -float(p[i, k]))[:2])
        smallest = min(len(group) for group in trusted.values())
        kept = self.keep(embedding, p, 5, 0.6, 0.5, fallback=2, seed=seed).tolist()
        assert kept == sorted(set(kept))
        for k, group in trusted.items():
            chosen = {i for i in kept if label[i] == k}
            assert chosen <= group
            assert len(chosen) == smallest

    def test_agreement_and_confidence_both_count(self):
        embedding = torch.eye(4, dtype=torch.float64)[[0, 0, 0, 1, 1, 1, 2, 2, 2]] + 0.01 * noise(0, 9, 4)
        p = torch.tensor([[0.9, 0.1]] * 3 + [[0.1, 0.9]] * 3 + [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]).double()
        assert self.keep(embedding, p, count=3, agreement=1.0, confidence=0.8).tolist() == [0, 1, 2, 3, 4, 5]
        assert len(self.keep(embedding, p, count=3, agreement=0.6, confidence=0.8)) == 6
        p[0] = torch.tensor([0.7, 0.3])
        kept = self.keep(embedding, p, count=3, agreement=1.0, confidence=0.8).tolist()
        assert kept[:2] == [1, 2]
        assert len(kept) == 4

    def test_the_bound_itself_agrees(self):
        """0.07 · 100 is 7.000000000000001, which 7 of 100 neighbours must still reach."""
        p = torch.tensor([[0.9, 0.1]] * 7 + [[0.1, 0.9]] * 93).double()
        kept = self.keep(noise(0, 100, 3), p, count=100, agreement=0.07, confidence=0.5)
        assert kept[:7].tolist() == list(range(7))
        assert len(kept) == 14

    def test_a_cluster_without_trusted_images_offers_its_surest(self):
        embedding, p = self.example()
        p = torch.where(p.argmax(1, keepdim=True) == 1, 0.5 + (p - 0.5) * 0.4, p)
        members = (p.argmax(1) == 1).nonzero().flatten().tolist()
        kept = self.keep(embedding, p, fallback=3).tolist()
        surest = sorted(members, key=lambda i: -float(p[i, 1]))[:3]
        assert sorted(set(kept) & set(members)) == sorted(surest)
        assert len(kept) == 6

    def test_a_cluster_that_nobody_is_in_does_not_count(self):
        embedding, p = self.example()
        kept = self.keep(embedding, torch.cat([p, torch.zeros(22, 1, dtype=torch.float64)], 1))
        assert len(kept) == 22

    def test_the_generator_decides_who_is_cut(self):
        embedding, p = self.example()
        uneven = (p.argmax(1) == 0) | (torch.arange(22) < 10)
        runs = [self.keep(embedding[uneven], p[uneven], seed=seed).tolist() for seed in (0, 0, 1)]
        assert len(runs[0]) == 10
        assert runs[0] == runs[1] != runs[2]


class TestFixMatch:
    """niuchuangnn/SPICE@5eba538, fixmatch_utils.py."""

    def test_published(self):
        loss = pseudo.consistency(4 * a(2), b(2), 0.95)
        assert loss.item() == close(0.65763507, rel=1e-5)

    def test_published_part_of_sure_images(self):
        """Even strong views cost log K each, so that the loss counts the sure ones."""
        loss = pseudo.consistency(4 * a(2), torch.zeros(6, 2, dtype=torch.float64), 0.95)
        assert loss.item() / math.log(2) == close(0.83333331, rel=1e-5)

    @given(seeds, st.sampled_from([0.0, 0.6, 1.0]))
    @few
    def test_loop(self, seed, threshold):
        weak, strong = 2 * noise(seed, 6, 3), noise(seed + 1, 6, 3)
        losses = []
        for i in range(6):
            q = [math.exp(x) / sum(math.exp(y) for y in weak[i]) for x in weak[i]]
            s = [math.exp(x) / sum(math.exp(y) for y in strong[i]) for x in strong[i]]
            losses.append(-math.log(s[q.index(max(q))]) if max(q) >= threshold else 0.0)
        assert pseudo.consistency(weak, strong, threshold).item() == close(mean(losses))

    def test_weak_views_are_targets_only(self):
        weak, strong = (4 * a(2)).requires_grad_(), b(2).requires_grad_()
        pseudo.consistency(weak, strong, 0.95).backward()
        assert weak.grad is None
        assert strong.grad.norm() > 0


def test_single_precision_is_enough():
    """At the sharpest temperature in use, float32 gives the published numbers to four digits."""
    x, y = unit(a(5)).float(), unit(b(5)).float()
    assert graph.pretext_contrast(x, y, 0.1).item() == close(10.34446934, rel=1e-4)
    assert contrastive.info_nce_queue(x, y, TestMoCo.queue.float(), 0.2).item() == close(4.98177442, rel=1e-4)
    f, v, g, queue, mu = (t.detach().float() for t in TestMiCE().example(2))
    log_pi = experts.log_gate(g, experts.simplex(2, 5))
    assert experts.negative_elbo(log_pi, experts.log_expert(f, v, mu, queue)).item() == close(1.42232071, rel=1e-4)
