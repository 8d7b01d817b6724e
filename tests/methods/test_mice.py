"""MiCE step by step, beside plain loops: who teaches whom, what is remembered, and what evaluation leaves alone."""

import copy
import math

import pytest
import torch

SETTINGS = {"features": 6, "queue": 13, "warmup": 0, "optimizer": "adam", "lr": 1e-2, "momentum_encoder": 0.7}
three = pytest.mark.parametrize("clusters", [2, 3, 4])


@pytest.fixture
def mice(start):
    """MiCE on 20 images: batches of 8, 8 and 4."""
    return lambda **settings: start("mice", **(SETTINGS | settings))


def reference_loss(f, v, g, omega, mu, queue):
    """−1/B Σ_b log Σ_k π_k Φ_k, image by image and expert by expert; rows of unit length, temperatures 1."""
    total = 0.0
    for b in range(len(f)):
        gate = [math.exp(float(g[b] @ w)) for w in omega]
        likelihood = 0.0
        for k in range(len(omega)):
            anchor = f[b, k] + (mu[k] / mu[k].norm() if mu[k].norm() > 0 else 0)
            own = math.exp(float(v[b, k] @ anchor))
            others = sum(math.exp(float(old[k] @ anchor)) for old in queue)
            likelihood += gate[k] / sum(gate) * own / (own + others)
        total -= math.log(likelihood)
    return total / len(f)


class TestTheStep:
    @three
    @pytest.mark.parametrize("epochs", [1, 2])
    def test_the_loss_is_the_mixture_s_log_likelihood(self, mice, train, watch, clusters, epochs):
        """In the first epoch there are no prototypes yet: an expert's anchor is its embedding alone."""
        method, session = mice(clusters=clusters, epochs=epochs)
        before = watch(method, "prepare", lambda batch, _: (batch.views, session.network))
        losses = watch(method, "loss", lambda terms, *_: terms["elbo"].item(), after=True)
        train(method, session)
        assert len(losses) == 3 * epochs
        for (views, network), loss in zip(before[-3:], losses[-3:], strict=True):
            network.train()
            with torch.no_grad():
                f = network["experts"](network["backbone"](views[0]))
                v = network["teacher"]["experts"](network["teacher"]["backbone"](views[1]))
                g = network["gate"](network["backbone"](views[2]))
            memory = network["memory"]
            assert bool(memory.mu.any()) == (epochs == 2)
            assert loss == pytest.approx(reference_loss(f, v, g, memory.omega, memory.mu, memory.queue), rel=1e-4)

    def test_neither_teacher_nor_memory_gets_a_gradient(self, mice, train):
        """As released: the prototypes follow from the epoch's sums alone."""
        method, session = mice()
        train(method, session)
        trained = {name.split(".")[0] for name, w in session.network.named_parameters() if w.requires_grad}
        assert trained == {"backbone", "experts", "gate"}
        reached = {name.split(".")[0] for name, w in session.network.named_parameters() if w.grad is not None}
        assert reached == trained
        assert "memory" not in {name.split(".")[0] for name, _ in session.network.named_parameters()}


class TestTheTeacher:
    def test_is_the_naive_moving_average_of_the_student(self, mice, train, watch, weights):
        method, session = mice()
        network, m = session.network, 0.7
        naive = weights(network["teacher"])
        steps = watch(method, "after_step", lambda *_: {p: weights(network[p]) for p in ("backbone", "experts")})
        train(method, session)
        assert len(steps) == 6
        for student in steps:
            for part, values in student.items():
                for name, w in values.items():
                    naive[f"{part}.{name}"] = m * naive[f"{part}.{name}"] + (1 - m) * w
        found = weights(network["teacher"])
        assert found.keys() == naive.keys()
        for name, w in naive.items():
            assert torch.allclose(found[name], w, atol=1e-6), name
        assert not torch.allclose(found["experts.layer.weight"], network["experts"].layer.weight, atol=1e-4)

    def test_keeps_its_own_batch_statistics(self, mice, train):
        """It sees other views than the student, who also looks with the gate: two passes a step."""
        method, session = mice()
        train(method, session)
        mine, its = session.network["teacher"]["backbone"].bn1, session.network["backbone"].bn1
        assert (int(mine.num_batches_tracked), int(its.num_batches_tracked)) == (6, 12)


class TestTheQueue:
    @pytest.mark.parametrize("size", [5, 13, 19])
    def test_holds_the_last_keys_in_order(self, mice, train, watch, size):
        """Whether or not a batch divides it, fits in it, or wraps round its end."""
        method, session = mice(queue=size, epochs=3)
        seen = watch(method, "after_step", lambda outputs, *_: (outputs["v"], outputs["p"]))
        train(method, session)
        memory = session.network["memory"]
        rows = torch.cat([v for v, _ in seen])
        assert len(rows) == 60 and int(memory.pointer) == 60 % size
        assert torch.equal(memory.queue.roll(-int(memory.pointer), 0), rows[-size:])

    def test_before_it_is_full_its_end_is_noise_of_its_own_scale(self, mice, train, watch):
        method, session = mice(queue=19, epochs=1, batch_size=6)
        memory = session.network["memory"]
        started = watch(method, "start_epoch", lambda _: memory.queue)
        keys = watch(method, "after_step", lambda outputs, *_: outputs["v"])
        queues = watch(method, "after_step", lambda *_: memory.queue, after=True)
        train(method, session)
        (noise,), bound = started, math.sqrt(3 / 6)
        assert 0.9 * bound < noise.abs().max() <= bound
        assert torch.equal(queues[1], torch.cat([keys[0], keys[1], noise[12:]]))

    def test_begins_as_noise_of_the_run_s_seed(self, mice):
        method, session = mice()
        memory, found = session.network["memory"], []
        for session.seed in (0, 1, 0):
            method.start_stage(session)
            found.append(memory.queue.clone())
        assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


class TestThePrototypes:
    @three
    def test_are_the_normalised_sums_of_an_epoch(self, mice, train, watch, clusters):
        """Naively: walk the epoch's images; add each one's key for its most probable cluster to that cluster."""
        method, session = mice(clusters=clusters, epochs=2)
        seen = watch(method, "after_step", lambda outputs, *_: (outputs["v"], outputs["p"]))
        found = []
        train(method, session, ended=lambda _: found.append(session.network["memory"].mu.clone()))
        expected = torch.zeros(clusters, 6)
        for epoch in range(2):
            sums = torch.zeros(clusters, 6)
            for v, p in seen[3 * epoch : 3 * epoch + 3]:
                for b in range(len(v)):
                    k = int(p[b].argmax())
                    sums[k] += v[b, k]
            for k in range(clusters):
                if sums[k].norm() > 0:
                    expected[k] = sums[k] / sums[k].norm()
            assert torch.allclose(found[epoch], expected, atol=1e-5)
        assert not torch.allclose(found[0], found[1], atol=1e-3)

    def test_stay_as_they_are_within_an_epoch(self, mice, train, watch):
        method, session = mice()
        seen = watch(method, "prepare", lambda *_: session.network["memory"].mu)
        train(method, session)
        assert all(torch.equal(mu, torch.zeros(2, 6)) for mu in seen[:3])
        assert all(torch.equal(mu, seen[3]) and mu.any() for mu in seen[3:])


class TestTheWarmUp:
    def test_the_first_epoch_moves_no_weight(self, mice, train, weights, same):
        """As released, its rate is 0: the epoch only fills queue and prototypes."""
        for optimizer in ("sgd", "adam"):
            method, session = mice(warmup=2, epochs=1, optimizer=optimizer, lr=1.0)
            before = weights(session.network)
            train(method, session)
            assert same(weights(session.network), before)
            assert session.network["memory"].mu.any()

    def test_rates_rise_step_by_step_and_fall_after_milestones(self, mice, train, watch):
        method, session = mice(warmup=2, epochs=7, milestones=(3, 5), optimizer="sgd", lr=0.1, batch_size=20)
        rates = watch(method, "after_step", lambda *_: session.optimizer.param_groups[0]["lr"])
        train(method, session)
        assert rates == pytest.approx([0, 0.05, 0.1, 0.1, 0.01, 0.01, 0.001])


class TestEvaluation:
    @three
    def test_changes_nothing(self, mice, train, weights, same, clusters):
        """The released evaluation overwrites the queue, so that its result depends on its order."""
        method, session = mice(clusters=clusters)
        train(method, session)
        before = weights(session.network, buffers=True)
        first, again = (session.predict(method.probabilities, "train") for _ in range(2))
        assert same(weights(session.network, buffers=True), before)
        assert torch.equal(first, again)
        assert torch.allclose(first.sum(1), torch.ones(20)) and first.shape == (20, clusters)
        turned = session.predict(method.probabilities, index=torch.arange(19, -1, -1).numpy())
        assert torch.allclose(turned.flip(0), first, atol=1e-5), "an image is judged by itself"

    def test_is_the_posterior_of_the_unchanged_image(self, mice, train):
        method, session = mice(clusters=3)
        train(method, session)
        network = copy.deepcopy(session.network).eval()
        images = session.images.unaugmented(torch.arange(4).numpy())
        with torch.no_grad():
            f = network["experts"](network["backbone"](images))
            v = network["teacher"]["experts"](network["teacher"]["backbone"](images))
            g = network["gate"](network["backbone"](images))
            found = method.probabilities(network, images)
        memory = network["memory"]
        for b in range(4):
            joint = []
            for k in range(3):
                anchor = f[b, k] + memory.mu[k] / memory.mu[k].norm().clamp_min(1e-12)
                own = math.exp(float(v[b, k] @ anchor))
                others = sum(math.exp(float(old[k] @ anchor)) for old in memory.queue)
                joint.append(math.exp(float(g[b] @ memory.omega[k])) * own / (own + others))
            assert found[b].tolist() == pytest.approx([x / sum(joint) for x in joint], rel=1e-4)
