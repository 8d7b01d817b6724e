"""PCL: Eq. 1–5 counted out row by row under every switch, and which rows, links and settings reach them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pcl.errors import UserError
from pcl.methods.pcl import Method

# No two alike, and none a default.
DISTINCT = {"temperature": 0.7, "column_temperature": 1.3, "emphasis": 3.0, "pair_weight": 1.9}
SWITCHES = {  # the register of docs/methods/pcl.md, as printed and as released
    "self_term": (True, False),
    "scale": ("paper", "release"),
    "weights": ("paper", "release"),
    "cluster_similarity": ("cosine", "dot"),
    "columns": ("paper", "release"),
    "balance": ("pooled", "per_view"),
}
PRINTED, RELEASED = ({name: forms[n] for name, forms in SWITCHES.items()} for n in (0, 1))
ALL = st.fixed_dictionaries({name: st.sampled_from(forms) for name, forms in SWITCHES.items()})
clusters = pytest.mark.parametrize("clusters", [2, 3, 4])


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(a, b):
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def mean(rows):
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def negative_entropy(p):
    return sum(x * math.log(x) for x in p)


def eq1(i, j, logits, cannot, s):
    """−log( exp(a_ij) / (μ_i Σ_k (1 + 1⁻_ik) exp(a_ik)) ) over R rows; 1⁻ over the images, which wrap round."""
    rows = len(logits)
    marks = [1.0 + cannot[i % len(cannot)][k % len(cannot)] if cannot else 1.0 for k in range(rows)]
    seen = [k for k in range(rows) if s["self_term"] or k != i]
    total = sum(marks[k] * math.exp(logits[i][k]) for k in seen)
    printed, released = (rows / 2) / (rows / 2 + sum(marks) - rows), rows / sum(marks[k] for k in seen)
    mu = printed if s["scale"] == "paper" else released
    return math.log(mu * total) - logits[i][j]


def weight(i, j, must, pseudo, s):
    """Eq. 2 of rows i and j: of two views of an image, of a must-link, of one that is only supposed."""
    n = len(must)
    a, b = i % n, j % n
    if s["weights"] == "paper":
        linked = [[must[x][y] or pseudo[x][y] for y in range(n)] for x in range(n)]
        asked = sum(linked[x][y] for x in range(n) for y in range(x + 1, n))
        views, answered = max(asked, 1), s["emphasis"] * n * linked[a][b]
    else:
        asked = sum(map(sum, must))
        views, answered = 1, (must[a][b] or pseudo[a][b]) + must[a][b] * max(4 * n / (asked + 1), 2)
    return (views if a == b and i != j else 0) + answered


def rows_term(logits, links, s):
    """Eq. 3 and the first mean of Eq. 5: by row, or once over the whole batch."""
    must, cannot, pseudo = links
    weighted, weights = [], []
    for i in range(len(logits)):
        row = [weight(i, j, must, pseudo, s) for j in range(len(logits))]
        weighted.append(sum(w * eq1(i, j, logits, cannot, s) for j, w in enumerate(row) if w))
        weights.append(sum(row))
    if s["weights"] == "paper":
        return sum(x / w for x, w in zip(weighted, weights, strict=True)) / len(logits)
    return sum(weighted) / sum(weights)


def columns_term(p, s):
    """Eq. 4 and the second mean of Eq. 5, or CC's contrast: a column's own other view among all other columns."""
    first, second = p[: len(p) // 2], p[len(p) // 2 :]
    columns = [*zip(*first, strict=True), *zip(*second, strict=True)]
    logits = [[cosine(a, b) / s["column_temperature"] for b in columns] for a in columns]
    printed = s["columns"] == "paper"
    form = {"self_term": printed, "scale": "paper"}
    total, count = 0.0, len(columns)
    for k in range(count):
        total += eq1(k, (k + count // 2) % count, logits, None, form)
    return total / count


def balance_term(p, s):
    """log K − H of the mean assignment, over both views at once or view by view; as printed, H itself."""
    if s["balance"] == "printed":
        return -negative_entropy(mean(p))
    views = [p] if s["balance"] == "pooled" else [p[: len(p) // 2], p[len(p) // 2 :]]
    return sum(math.log(len(p[0])) + negative_entropy(mean(view)) for view in views)


def pairs_term(p, must, cannot):
    """The mean of −log(p_i·p_j) over must-linked rows and of −log(1 − p_i·p_j) over cannot-linked ones."""
    n, found = len(must), []
    for i, a in enumerate(p):
        for j, b in enumerate(p):
            if must[i % n][j % n]:
                found.append(-math.log(dot(a, b)))
            elif cannot[i % n][j % n]:
                found.append(-math.log(1 - dot(a, b)))
    return sum(found) / max(len(found), 1)


def expected(z, p, links, s):
    """Every term of the loss by name."""
    of_z = [[cosine(a, b) / s["temperature"] for b in z] for a in z]
    form, tau = (dot, 1.0) if s["cluster_similarity"] == "dot" else (cosine, s["temperature"])
    of_p = [[form(a, b) / tau for b in p] for a in p]
    terms = {
        "instance": rows_term(of_z, links, s),
        "cluster": rows_term(of_p, links, s),
        "column": columns_term(p, s),
        "balance": balance_term(p, s),
    }
    must, cannot, _ = links
    return terms | ({"pairs": s["pair_weight"] * pairs_term(p, must, cannot)} if s["pair_weight"] else {})


def example(seed, images=4, clusters=3):
    """Rows of two views, no two of one length; must-links, cannot-links and supposed ones, which may be absent."""
    g = torch.Generator().manual_seed(seed)
    z = 3 * torch.randn(2 * images, 5, generator=g, dtype=torch.float64)
    p = torch.softmax(2 * torch.randn(2 * images, clusters, generator=g, dtype=torch.float64), 1)
    kind = torch.randint(seed % 3, 4, (images, images), generator=g).triu(1)
    return z, p, [(kind == k) | (kind == k).T for k in (1, 2, 3)]


def found(chosen, z, p, links, clusters=3):
    method = Method(Method.Settings(**(DISTINCT | chosen)), clusters, 0)
    must, cannot, pseudo = links
    terms = method.loss({"z": z, "p": p}, SimpleNamespace(must=must, cannot=cannot, pseudo=pseudo), None)
    return {name: value.item() for name, value in terms.items()}


class TestTheLoss:
    def check(self, chosen, seed, clusters=3):
        z, p, links = example(seed, clusters=clusters)
        terms = found(chosen, z, p, links, clusters)
        plain = expected(z.tolist(), p.tolist(), [link.tolist() for link in links], DISTINCT | PRINTED | chosen)
        assert terms == pytest.approx(plain, rel=1e-5)

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 2**16), chosen=ALL)
    def test_is_that_of_its_equations_under_every_switch(self, seed, chosen):
        self.check(chosen, seed)

    @pytest.mark.parametrize("preset", ["paper", "release", "ours"])
    @pytest.mark.parametrize("seed", range(3))
    @clusters
    def test_of_each_preset(self, preset, seed, clusters):
        chosen = {name: value for name, value in Method.presets[preset].items() if name in SWITCHES}
        self.check(chosen, seed, clusters)

    @pytest.mark.parametrize("seed", range(3))
    def test_without_known_pairs_of_clusters(self, seed):
        self.check({"pair_weight": 0.0}, seed)

    @pytest.mark.parametrize("seed", range(3))
    def test_with_the_printed_sign_of_the_entropy(self, seed):
        self.check({"balance": "printed"}, seed)

    def test_presets_are_those_of_the_register(self):
        """And what else sets them apart: first questions, evaluation, residual path and temperatures."""
        common = {"closure": "full", "parity": False, "extend_proportion": 0.0, "emphasis": 4.0}
        own = {
            "paper": PRINTED
            | {"pair_weight": 0.0, "initial_questions": 100, "temperature": 1.0, "column_temperature": 2.0},
            "release": RELEASED
            | {"pair_weight": 0.0, "initial_questions": 0, "temperature": 1.0, "column_temperature": 2.0},
            "ours": RELEASED
            | {"pair_weight": 1.0, "initial_questions": 100, "temperature": 0.5, "column_temperature": 1.0},
        }
        assert own.keys() == Method.presets.keys()
        for name, values in own.items():
            s = Method.Settings(**Method.presets[name])
            assert (common | values).items() <= dict(s).items(), name
            assert (s.clip, s.warmup_epochs, s.attention) == (20.0, 10, True)
            form = "paper" if name == "paper" else "release"
            asked = s.strategy.make()
            assert (s.strategy.name, asked.settings.form, asked.settings.epsilon) == ("joint", form, 0.2)
            assert s.drop_last_evaluation is (name == "release") and s.attention_residual is (name == "ours")


class TestStages:
    @settings(max_examples=30, deadline=None)
    @given(epochs=st.integers(1, 40), share=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
    def test_the_last_share_of_the_epochs_extends_the_constraints(self, epochs, share):
        s = Method.Settings(epochs=epochs, extend_proportion=share)
        assert Method(s, 2, 0).stages()[1].extend_from == epochs - round(share * epochs)

    def test_say_what_is_trained_and_asked(self, told):
        """Pretraining on Q₁ pairs within batches, then one question a batch; both on batches that never change."""
        chosen = {"epochs": 8, "warmup_epochs": 3, "initial_questions": 7, "strategy": "hard", "batch_size": 9}
        how = {"lr": 0.03, "weight_decay": 0.2, "clip": 4.0, "momentum": 0.6}
        s = Method.Settings(**chosen, **how, optimizer="sgd", extend_proportion=0.25)
        warmup, active = Method(s, 2, 50).stages()
        common = {"batches": {"size": 9, "fixed": True}, "optimiser": how | {"name": "sgd"}}
        first = {"questions": {"first": 7, "within_batches": True}, "pretraining": True}
        assert told(warmup) == {"name": "pretrain", "epochs": 3} | first | common
        asking = {"questions": {"each_batch": s.strategy}, "extend_from": 6}
        assert told(active) == {"name": "train", "epochs": 8} | asking | common
        assert s.strategy.name == "hard"

    def test_q1_is_asked_before_pretraining(self):
        assert Method.initial_questions(Method.Settings(initial_questions=7)) == 7

    @pytest.mark.parametrize(("heads", "fits"), [(3, False), (4, True), (16, True), (5, False)])
    def test_heads_of_the_attention_divide_the_features(self, heads, fits):
        chosen = {"backbone": {"width": 2}, "heads": heads}
        assert Method.Settings(**chosen, attention=False).heads == heads
        if fits:
            assert Method.Settings(**chosen).heads == heads
        else:
            with pytest.raises(ValidationError, match=f"heads: {heads} do not divide the backbone's 16 features"):
                Method.Settings(**chosen)


def attended(part, h, heads, residual):
    """softmax(qkᵀ/√d)·v within the rows, head by head."""
    q, k, v = (layer(h).chunk(heads, 1) for layer in (part.query, part.key, part.value))
    size = h.shape[1] // heads
    mixed = torch.cat([((a @ b.T) / math.sqrt(size)).softmax(1) @ c for a, b, c in zip(q, k, v, strict=True)], 1)
    return h + mixed if residual else mixed


class TestTheNetwork:
    @pytest.mark.parametrize(
        "chosen",
        [{"heads": 4}, {"heads": 2, "attention_residual": True}, {"attention": False}],
        ids=["as printed", "residual", "CNN only"],
    )
    def test_each_view_passes_by_itself_and_the_first_comes_first(self, start, train, watch, chosen):
        method, session = start("pcl", budget=6, features=6, initial_questions=2, warmup_epochs=1, **chosen)
        passed = watch(method, "forward", lambda network, batch: (network, batch.views))
        outputs = watch(method, "loss", lambda outputs, *_: outputs)
        train(method, session)
        assert len(passed) == 9

        def look(network, images):
            h = network["backbone"](images)
            if not chosen.get("attention", True):
                assert "attention" not in network
                return h
            return attended(network["attention"], h, chosen["heads"], chosen.get("attention_residual", False))

        for (network, views), out in zip(passed, outputs, strict=True):
            with torch.no_grad():
                rows = torch.cat([look(network.train(), view) for view in views])
                z, p = (network[part].layers(rows) for part in ("instance", "cluster"))
            assert out["z"].shape == (2 * len(views[0]), 6)
            assert torch.allclose(out["z"], z / z.norm(dim=1, keepdim=True), atol=1e-5)
            assert torch.allclose(out["p"], p.softmax(1), atol=1e-5)
        network, images = session.network.eval(), session.images.unaugmented(np.arange(8))
        with torch.no_grad():
            h = look(network, images)
            assert torch.allclose(method.embed(network, images), h, atol=1e-5)
            answer = network["cluster"].layers(h).softmax(1)
            assert torch.allclose(method.probabilities(network, images), answer, atol=1e-5)

    @clusters
    def test_has_as_many_answers_as_clusters(self, start, clusters):
        method, session = start("pcl", clusters=clusters, features=6)
        assert session.predict(method.probabilities).shape == (20, clusters)


class TestWhatIsScored:
    def method(self, **chosen):
        return Method(Method.Settings(batch_size=8, augmentation={"mean": [0.5], "std": [0.5]}, **chosen), 2, 0)

    @pytest.mark.parametrize(("images", "whole"), [(20, 16), (16, 16), (8, 8), (7, 0)])
    def test_is_every_image_or_as_released_those_of_whole_batches(self, images, whole):
        assert self.method().scored(images) == images
        assert self.method(drop_last_evaluation=True).scored(images) == whole

    def test_must_be_something(self):
        for images in ({"train": 20, "test": 8}, {"train": 8, "test": 20}):
            self.method(drop_last_evaluation=True).check(images, 1)
        for images in ({"train": 20, "test": 7}, {"train": 7, "test": 20}):
            self.method().check(images, 1)
            message = "^drop_last_evaluation: batches of 8 leave none of 7 images to score; lower batch_size$"
            with pytest.raises(UserError, match=message):
                self.method(drop_last_evaluation=True).check(images, 1)

    def test_is_normalised_by_a_value_for_each_channel_or_for_all(self):
        self.method().check({"train": 20, "test": 20}, 3)
        two = Method(Method.Settings(augmentation={"mean": [0.5, 0.5], "std": [0.5]}), 2, 0)
        two.check({"train": 20, "test": 20}, 2)
        with pytest.raises(UserError, match=r"^augmentation\.mean: 2 values, but the images have 3 channels"):
            two.check({"train": 20, "test": 20}, 3)


class TestTheLinks:
    def test_of_a_step_are_all_that_is_known_of_its_batch(self, start, train, watch):
        """The answer of the step itself among them; every term changes with them."""
        method, session = start("pcl", budget=12, epochs=4, initial_questions=4, warmup_epochs=1, features=6)
        links = watch(method, "loss", lambda out, b, s: (b.index.tolist(), b.must, b.cannot, list(s.known.answers)))
        train(method, session)
        assert session.known.spent == 12
        for index, must, cannot, answers in links:
            said = {frozenset((a.i, a.j)): a.same for a in answers if {a.i, a.j} <= set(index)}
            for pair, same in said.items():
                a, b = (index.index(image) for image in pair)
                assert bool((must if same else cannot)[a, b]) and not bool((cannot if same else must)[a, b])
        asked = [len(answers) for *_, answers in links]
        assert asked == [4, 4, 4, *range(5, 13), 12, 12, 12, 12], "one more before each step's loss"
