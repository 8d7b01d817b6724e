"""SPICE's three stages: what each trains and leaves alone, and how labels, head and reliable images are chosen."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pcl import losses
from pcl.methods.spice import Method

SETTINGS = {
    "features": 6,
    "moco_epochs": 2,
    "moco_queue": 11,
    "moco_momentum": 0.7,
    "moco_optimizer": "adam",
    "moco_lr": 1e-2,
    "epochs": 5,
    "heads": 3,
    "relabel_every": 2,
    "neighbours": 4,
    "agreement": 0.5,
    "confidence": 0.0,
    "semi_epochs": 1,
    "semi_batch": 2,
    "semi_momentum": 0.6,
}
three = pytest.mark.parametrize("clusters", [2, 3, 4])


@pytest.fixture
def spice(start):
    """SPICE on 24 images: 8 a batch in the first two stages, 14 in the last."""
    return lambda n=24, **settings: start("spice", n, **(SETTINGS | settings))


def during(method, stage, session, take):
    """`take`, in one of the stages only."""
    return lambda *arguments: take(*arguments) if session.stage.name == stage else None


def kept(taken):
    """What was taken, without the calls of other stages."""
    return [item for item in taken if item is not None]


class TestStages:
    @three
    def test_come_in_order(self, spice, train, clusters):
        method, session = spice(clusters=clusters)
        epochs = train(method, session).epochs
        assert [(e.stage, e.number) for e in epochs] == [
            *(("moco", 1), ("moco", 2)),
            *(("self", number) for number in range(1, 6)),
            ("semi", 1),
        ]
        terms = {e.stage: set(e.losses) for e in epochs}
        assert terms == {"moco": {"contrast"}, "self": {"heads"}, "semi": {"reliable", "consistency"}}
        p = session.predict(method.probabilities)
        assert p.shape == (24, clusters) and torch.allclose(p.sum(1), torch.ones(24))

    def test_train_as_released(self):
        """SGD under half a cosine; Adam at one rate for the heads; Nesterov's SGD under 7/16 of a cosine."""
        moco, heads, semi = Method(Method.Settings(), 2, 0).stages()
        rate = moco.optimiser
        assert (rate.name, rate.lr, rate.weight_decay, moco.batches.size) == ("sgd", 0.015, 1e-4, 128)
        assert [rate.schedule(t) for t in (0, 250, 500.7)] == pytest.approx([1, (1 + math.sqrt(0.5)) / 2, 0.5])
        rate = heads.optimiser
        assert (rate.name, rate.lr, rate.weight_decay, rate.schedule) == ("adam", 0.005, 0, None)
        rate = semi.optimiser
        assert (rate.name, rate.nesterov, rate.lr, rate.weight_decay) == ("sgd", True, 0.03, 5e-4)
        assert (semi.batches.size, semi.batches.views) == (7 * 64, ("weak", "strong"))
        assert rate.schedule(40) == pytest.approx(math.cos(7 * math.pi / 16))


class TestContrast:
    def test_queue_and_slow_encoder_follow(self, spice, train, watch, weights):
        """The queue holds the last keys, which no batch size divides; the slow encoder is a moving average."""
        method, session = spice()
        network = session.network
        naive = weights(network["teacher"])
        parts = ("backbone", "instance")
        steps = watch(method, "after_step", lambda out, *_: (out["k"], {p: weights(network[p]) for p in parts}))
        train(method, session, "moco")
        assert len(steps) == 6
        keys = torch.cat([k for k, _ in steps])
        assert torch.equal(session.state["queue"].roll(-int(session.state["pointer"]), 0), keys[-11:])
        assert torch.allclose(keys.norm(dim=1), torch.ones(48))
        for _, student in steps:
            for part, values in student.items():
                for name, w in values.items():
                    naive[f"{part}.{name}"] = 0.7 * naive[f"{part}.{name}"] + 0.3 * w
        assert all(torch.allclose(w, naive[name], atol=1e-6) for name, w in weights(network["teacher"]).items())

    def test_keys_come_from_the_second_view_and_get_no_gradient(self, spice, train, watch):
        method, session = spice()
        before = watch(method, "forward", lambda network, batch: (network, batch.views))
        outputs = watch(method, "loss", lambda outputs, *_: (outputs["q"], outputs["k"]))
        flows = []
        watch(method, "loss", lambda outputs, *_: flows.append((outputs["q"], outputs["k"])))
        train(method, session, "moco")
        assert all(q.requires_grad and not k.requires_grad for q, k in flows)
        for (network, (first, second)), (q, k) in zip(before, outputs, strict=True):
            with torch.no_grad():
                network.train()
                assert torch.allclose(q, network["instance"](network["backbone"](first)), atol=1e-5)
                slow = network["teacher"]
                assert torch.allclose(k, slow["instance"](slow["backbone"](second)), atol=1e-5)

    def test_an_image_is_told_from_the_queue_by_its_own_key(self, spice, train, watch):
        """Image by image, at a temperature of its own."""
        method, session = spice(moco_temperature=0.3)
        seen = watch(method, "loss", lambda out, _, s: (out["q"], out["k"], s.state["queue"]))
        values = watch(method, "loss", lambda terms, *_: terms["contrast"], after=True)
        train(method, session, "moco")
        for (q, k, queue), value in zip(seen, values, strict=True):
            own = [math.exp(float(a @ b) / 0.3) for a, b in zip(q, k, strict=True)]
            others = [sum(math.exp(float(a @ old) / 0.3) for old in queue) for a in q]
            losses_of = [math.log((x + y) / x) for x, y in zip(own, others, strict=True)]
            assert value.item() == pytest.approx(sum(losses_of) / len(q), rel=1e-4)

    def test_queue_begins_as_noise_of_the_run_s_seed(self, spice):
        method, session = spice()
        session.stage, found = method.stages()[0], []
        for session.seed in (0, 1, 0):
            method.start_stage(session)
            found.append(session.state["queue"])
        assert torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


class TestHeads:
    def test_train_alone(self, spice, train, weights, same):
        """Neither weights nor batch statistics of the backbone change; the release lets its statistics drift."""
        method, session = spice()
        network = session.network
        train(method, session, "moco")
        before = {name: weights(part, buffers=True) for name, part in network.items()}
        train(method, session, "self")
        changed = {name for name, part in network.items() if not same(weights(part, buffers=True), before[name])}
        assert changed == {"heads", "cluster"}
        assert session.state["features"].equal(session.predict(method.embed))

    @pytest.mark.parametrize("heads", [1, 5])
    def test_are_as_many_as_is_said(self, spice, heads):
        _, session = spice(heads=heads)
        assert session.network["heads"](torch.zeros(4, 16)).shape == (heads, 4, 2)

    @pytest.mark.parametrize(("every", "expected"), [(1, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3]), (9, [0])])
    def test_label_anew_every_so_many_epochs(self, spice, train, watch, every, expected):
        method, session = spice(relabel_every=every, semi_epochs=0, moco_epochs=1)
        labels = []
        watch(method, "start_epoch", lambda *_: labels.append(session.state.get("labels")), after=True)
        train(method, session)
        assert labels[0] is None
        labels = labels[1:]
        assert [t for t in range(5) if t == 0 or labels[t] is not labels[t - 1]] == expected

    @three
    @pytest.mark.parametrize(("center_ratio", "label_ratio"), [(0.5, 1.0), (0.25, 0.7), (1.0, 0.5)])
    def test_are_labelled_by_their_own_prototypes(self, spice, train, clusters, center_ratio, label_ratio):
        """Naively, head by head: the surest part of N/K images make a prototype, whose nearest part get the label."""
        method, session = spice(clusters=clusters, epochs=1, center_ratio=center_ratio, label_ratio=label_ratio)
        session.stage = next(stage for stage in method.stages() if stage.name == "self")
        method.start_stage(session)
        method.start_epoch(session)
        h = session.predict(method.embed)
        unit, share = F.normalize(h), 24 // clusters
        with torch.no_grad():
            p = session.network["heads"](h)
        assert session.state["labels"].shape == (3, 24, clusters)
        for head in range(3):
            for k in range(clusters):
                surest = sorted(range(24), key=lambda i: -float(p[head, i, k]))[: int(center_ratio * share)]
                prototype = sum(unit[i] for i in surest) / len(surest)
                similarity = unit @ prototype
                labelled = session.state["labels"][head, :, k]
                assert labelled.sum() == int(label_ratio * share)
                assert similarity[labelled].min() >= similarity[~labelled].max() - 1e-6

    def test_learn_from_strong_views_by_the_mean_of_their_losses(self, spice, train, watch):
        """Every image once for each label it has, with probabilities in the place of logits."""
        method, session = spice(semi_epochs=0, epochs=1)
        in_self = during(method, "self", session, lambda out, batch, s: (out["p"], s.state["labels"][:, batch.rows]))
        seen = watch(method, "loss", in_self)
        values = watch(method, "loss", lambda terms, *_: terms.get("heads"), after=True)
        train(method, session)
        for (p, labels), value in zip(kept(seen), kept(values), strict=True):
            means = []
            for head in range(3):
                each = [
                    math.log(sum(math.exp(q) for q in p[head, i].tolist())) - float(p[head, i, k])
                    for i, k in labels[head].nonzero().tolist()
                ]
                means.append(sum(each) / len(each))
            assert value.item() == pytest.approx(sum(means) / 3, rel=1e-5)


class TestSelection:
    @pytest.mark.parametrize("seed", range(3))
    def test_is_by_the_loss_against_a_head_s_own_labels(self, spice, train, seed):
        """Of all images as they are, labelled afresh. No label of the data is anywhere near: the session has none."""
        method, session = spice(seed=seed, semi_epochs=0, lr=0.1)
        seen = []

        def judged(event):
            if event.stage == "self":
                h = session.predict(method.embed)
                with torch.no_grad():
                    p = session.network["heads"](h)
                labels = losses.pseudo.prototype_labels(p, F.normalize(h))
                seen.extend(zip(losses.pseudo.double_softmax(p, labels).tolist(), p, strict=True))

        train(method, session, ended=judged)
        assert len(seen) == 5 * 3
        _, p = min(seen, key=lambda pair: pair[0])
        assert torch.allclose(session.predict(method.probabilities), p, atol=1e-5)

    def test_without_the_last_stage_the_head_answers(self, spice, train):
        method, session = spice(semi_epochs=0)
        train(method, session)
        network = session.network.eval()
        images = session.images.unaugmented(np.arange(24))
        with torch.no_grad():
            expected = network["cluster"](network["backbone"](images))
        assert torch.allclose(session.predict(method.probabilities), expected, atol=1e-6)
        assert not network["average"].ready


class TestReliable:
    @three
    def test_images_are_equally_many_of_each_cluster(self, spice, train, clusters):
        method, session = spice(n=60, clusters=clusters, batch_size=20)
        train(method, session)
        kept_images, labels = session.state["reliable"], session.state["clusters"]
        h = session.predict(lambda network, images: network["backbone"](images))
        with torch.no_grad():
            found = session.network["cluster"](h).argmax(1)
        assert len(set(kept_images.tolist())) == len(kept_images) == len(labels) > 0
        assert labels.equal(found[kept_images])
        counts = labels.bincount(minlength=clusters)
        assert len(set(counts[counts > 0].tolist())) == 1
        assert (counts > 0).equal(found.bincount(minlength=clusters) > 0)

    def started(self, spice, seed, **settings):
        """Features of three noisy kinds, what the cluster head makes of them, and who is reliable for a seed."""
        method, session = spice(n=60, clusters=3, **settings)
        session.stage = method.stages()[-1]
        h = (
            torch.rand(60, 16, generator=torch.Generator().manual_seed(seed))
            + 0.7 * torch.eye(16)[torch.arange(60) % 3]
        )
        head = torch.nn.Linear(16, 3, bias=False)
        with torch.no_grad():
            head.weight.copy_(2 * torch.eye(3, 16))
            session.network["cluster"].layers = head
            p = session.network["cluster"](h)

        def kept(seed=0):
            session.seed, session.state = seed, {"features": h}
            method.start_stage(session)
            return session.state["reliable"].tolist()

        return h, p, kept

    @pytest.mark.parametrize("seed", range(4))
    def test_images_share_their_cluster_with_their_neighbours_and_are_sure_of_it(self, spice, seed):
        """Naively, by cosine, an image among its own nearest; the smallest cluster's are all kept."""
        h, p, kept = self.started(spice, seed, neighbours=10, agreement=0.6, confidence=0.6)
        unit, clusters, groups = F.normalize(h), p.argmax(1).tolist(), {}
        for i in range(60):
            nearest = sorted(range(60), key=lambda j, i=i: -float(unit[i] @ unit[j]))[:10]
            groups.setdefault(clusters[i], [])
            if sum(clusters[j] == clusters[i] for j in nearest) >= 6 and p[i].max() > 0.6:
                groups[clusters[i]].append(i)
        assert all(groups.values()), "every cluster has some"
        size, found = min(map(len, groups.values())), kept()
        for k, trusted in groups.items():
            chosen = [i for i in found if clusters[i] == k]
            assert len(chosen) == size < len([c for c in clusters if c == k]) and set(chosen) <= set(trusted)
        assert len({tuple(kept(seed)) for seed in range(9)}) > 1, "who is cut is drawn by the run's seed"
        assert found == kept()

    @pytest.mark.parametrize(("batch", "least"), [(12, 4), (8, 2), (2, 1)])
    def test_where_none_is_sure_enough_the_surest_stand_in(self, spice, batch, least):
        """As many as a batch holds of each cluster, one at least."""
        _, p, kept = self.started(spice, 0, confidence=1.0, semi_batch=batch)
        clusters, expected = p.argmax(1), []
        for k in clusters.unique():
            members = (clusters == k).nonzero().flatten().tolist()
            expected += sorted(members, key=lambda i: -float(p[i].max()))[:least]
        assert kept() == sorted(expected)


class TestClassifier:
    @pytest.mark.parametrize("start_from", ["random", "self"])
    def test_starts_from_itself_or_from_the_contrast(self, spice, train, watch, weights, same, start_from):
        method, session = spice(semi_start=start_from)
        network = session.network
        initial = weights(network["classifier"]["backbone"])
        in_semi = during(
            method,
            "semi",
            session,
            lambda *_: (weights(network["classifier"], buffers=True), weights(network["average"], buffers=True)),
        )
        started = watch(method, "start_epoch", in_semi)
        train(method, session)
        ((classifier, average),) = kept(started)
        assert same(classifier, average)
        backbone = {name.removeprefix("backbone."): w for name, w in classifier.items() if "backbone" in name}
        taken = weights(network["backbone"], buffers=True)
        assert same(backbone, taken) == (start_from == "self")
        assert all(torch.equal(backbone[name], w) for name, w in initial.items()) == (start_from == "random")

    def test_its_average_is_the_naive_one_and_takes_over_statistics(self, spice, train, watch, weights):
        method, session = spice(semi_epochs=3)
        network = session.network
        in_semi = during(method, "semi", session, lambda *_: weights(network["classifier"], buffers=True))
        started, steps = watch(method, "start_epoch", in_semi), watch(method, "after_step", in_semi)
        train(method, session)
        naive, steps = kept(started)[0], kept(steps)
        assert len(steps) == 6, "of 14 and 10 images"
        trained = set(weights(network["classifier"]))
        for step in steps:
            for name, value in step.items():
                naive[name] = 0.6 * naive[name] + 0.4 * value if name in trained else value
        for name, value in weights(network["average"], buffers=True).items():
            assert torch.allclose(value.float(), naive[name].float(), atol=1e-6), name
        images = session.images.unaugmented(np.arange(24))
        with torch.no_grad():
            expected = network.eval()["average"](images).softmax(1)
        assert torch.allclose(session.predict(method.probabilities), expected, atol=1e-6)

    def test_learns_from_reliable_labels_and_from_its_own_sure_ones(self, spice, train, watch):
        """The weak view chooses, the strong one learns; beside all images stand weak views of reliable ones."""
        method, session = spice(semi_epochs=2, threshold=0.5, clusters=3)
        in_semi = during(
            method, "semi", session, lambda out, batch, _: (out, batch.more["clusters"], len(batch.index))
        )
        seen = watch(method, "loss", in_semi)
        terms = watch(method, "loss", lambda terms, *_: terms if "reliable" in terms else None, after=True)
        train(method, session)
        shares = []
        for (out, clusters, size), found in zip(kept(seen), kept(terms), strict=True):
            assert (len(out["weak"]), len(out["strong"]), len(out["labelled"])) == (size, size, 2)
            reliable = [-math.log(float(row.softmax(0)[k])) for row, k in zip(out["labelled"], clusters, strict=True)]
            assert found["reliable"].item() == pytest.approx(sum(reliable) / 2, rel=1e-4)
            total = 0.0
            for weak, strong in zip(out["weak"].softmax(1), out["strong"].softmax(1), strict=True):
                shares.append(float(weak.max()) >= 0.5)
                if shares[-1]:
                    total -= math.log(float(strong[weak.argmax()]))
            assert found["consistency"].item() == pytest.approx(total / size, rel=1e-4, abs=1e-6)
        assert any(shares)

    def test_labelled_views_are_of_the_images_whose_labels_they_carry(self, spice, train, watch, still):
        """Without shifts and flips the weak view is the image."""
        method, session = spice(augmentation=still, semi_epochs=2)
        in_semi = during(method, "semi", session, lambda _, batch: (batch.views[2], batch.more["clusters"]))
        seen = watch(method, "forward", in_semi)
        recipes = []
        view = session.view

        def unshifted(index, recipe, generator):
            recipes.append(recipe)
            return session.images.unaugmented(index) if recipe == "weak" else view(index, recipe, generator)

        session.view = unshifted
        train(method, session)
        pictures, where = session.images.unaugmented(np.arange(24)), session.state["reliable"].tolist()
        for views, clusters in kept(seen):
            who = torch.cdist(views.flatten(1), pictures.flatten(1)).argmin(1).tolist()
            assert set(who) <= set(where)
            assert [session.state["clusters"][where.index(image)] for image in who] == clusters.tolist()
        steps = len(kept(seen))
        assert recipes[-3 * steps :] == ["weak", "strong", "weak"] * steps, "the labelled ones come last"


class TestPretraining:
    def test_is_shared_by_the_tasks_of_a_data_set(self, workspace, plan, pretrained):
        """The contrast needs no number of clusters, and leaves the same backbone whichever task asks first."""
        two, four = (plan.run(task, "any", "spice", 0) for task in ("digits10-2", "digits10-4"))
        assert two.pretraining.path == four.pretraining.path and two.path != four.path
        assert pretrained(two) == pretrained(four)
        saved = two.pretraining.folder.read_weights()
        assert {name.split(".")[0] for name in saved} == {"backbone"}
