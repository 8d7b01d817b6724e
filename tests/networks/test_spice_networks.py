"""SPICE's networks: many heads equal as many single ones, and what passes from one stage to the next."""

import copy

import pytest
import torch
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings
from pcl.networks import spice
from pcl.networks.heads import ClusterHead

SMALL = DeepSettings(image_size=8, backbone={"depth": 10, "width": 2, "stem": "small"})


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return spice.three_stages(SMALL, channels=1, clusters=3, features=4, heads=5)


class TestHeads:
    def singles(self, heads, inputs=6, clusters=3):
        """As many single heads with the same weights."""
        found = [ClusterHead(inputs, clusters) for _ in range(heads.out_bias.shape[0])]
        for number, head in enumerate(found):
            heads.copy_to(head, number)
        return found

    def test_equal_as_many_single_ones_in_value_and_gradient(self):
        torch.manual_seed(0)
        heads, h = spice.ClusterHeads(4, 6, 3), rows(5, 6)
        singles = self.singles(heads)
        target = torch.tensor([0, 2, 1, 1, 0])
        together, apart = heads(h), torch.stack([head(h) for head in singles])
        assert together.shape == (4, 5, 3)
        assert torch.allclose(together, apart, atol=1e-6)
        for p in (together, apart):
            F.nll_loss(p.flatten(0, 1).log(), target.repeat(4)).backward()
        for number, head in enumerate(singles):
            first, _, last = head.layers
            for layer, name in ((first, "hidden"), (last, "out")):
                weight, bias = (getattr(heads, f"{name}_{kind}").grad[number] for kind in ("weight", "bias"))
                assert torch.allclose(weight.T, layer.weight.grad, atol=1e-7)
                assert torch.allclose(bias[0], layer.bias.grad, atol=1e-7)

    def test_start_apart_and_within_the_bounds_of_a_linear_layer(self):
        torch.manual_seed(0)
        heads = spice.ClusterHeads(4, 100, 3)
        for weight in heads.parameters():
            assert 0.08 < weight.abs().max() <= 0.1, "1 / √100"
            assert len({row.flatten()[0].item() for row in weight}) == 4

    def test_one_is_copied_and_stays_where_it_was(self):
        torch.manual_seed(0)
        heads, h = spice.ClusterHeads(4, 6, 3), rows(5, 6)
        before, head = heads(h), ClusterHead(6, 3).requires_grad_(False)
        heads.copy_to(head, 2)
        assert torch.allclose(head(h), before[2], atol=1e-6)
        with torch.no_grad():
            head.layers[0].weight.zero_()
        assert torch.equal(heads(h), before)


class TestSelection:
    def test_the_head_of_the_lowest_loss_of_all_epochs_is_kept(self, network):
        h, state, kept = rows(5, 16), {}, []
        for losses in ([3.0, 2.0, 4.0, 5.0, 6.0], [3.0, 2.5, 4.0, 9.0, 9.0], [3.0, 2.5, 4.0, 1.0, 9.0]):
            with torch.no_grad():
                network["heads"].out_weight.add_(0.1)
            before = network["heads"](h)
            spice.keep_best(network, torch.tensor(losses), state)
            kept.append((float(state["lowest"]), network["cluster"](h), before))
        assert [lowest for lowest, *_ in kept] == [2.0, 2.0, 1.0]
        assert torch.allclose(kept[0][1], kept[0][2][1], atol=1e-6)
        assert torch.equal(kept[1][1], kept[0][1]), "a later epoch was worse"
        assert torch.allclose(kept[2][1], kept[2][2][3], atol=1e-6)


class TestStages:
    def test_what_is_trained_and_what_only_follows(self, network):
        trained = {name.split(".")[0] for name, weight in network.named_parameters() if weight.requires_grad}
        assert trained == {"backbone", "instance", "heads", "classifier"}
        assert all(
            torch.equal(weight, network.get_parameter(name)) for name, weight in network["teacher"].named_parameters()
        )

    def test_keys_come_from_the_teacher_and_get_no_gradient(self, network):
        network.eval()
        views = [rows(4, 1, 8, 8, seed=seed) for seed in range(2)]
        with torch.no_grad():
            for weight in network["teacher"].parameters():
                weight.mul_(1.5)
        found = spice.query_and_key(network, views)
        assert torch.allclose(found["q"], network["instance"](network["backbone"](views[0])))
        assert torch.allclose(found["k"], network["teacher"]["instance"](network["teacher"]["backbone"](views[1])))
        assert found["q"].requires_grad and not found["k"].requires_grad

    def test_heads_teach_no_backbone(self, network):
        network.eval()
        images = rows(4, 1, 8, 8)
        p = spice.heads_only(network, images)["p"]
        assert torch.allclose(p, network["heads"](network["backbone"](images)))
        p.square().sum().backward()
        assert {name.split(".")[0] for name, w in network.named_parameters() if w.grad is not None} == {"heads"}

    def test_all_views_pass_the_classifier_as_one_batch(self, network):
        views = [rows(n, 1, 8, 8, seed=n) for n in (4, 4, 3)]
        classifier = network["classifier"].train()
        together = copy.deepcopy(classifier)(torch.cat(views))
        found = spice.classified(classifier, views)
        assert torch.allclose(torch.cat([found[name] for name in ("weak", "strong", "labelled")]), together)
        assert [len(found[name]) for name in ("weak", "strong", "labelled")] == [4, 4, 3]

    @pytest.mark.parametrize("taken", [True, False])
    def test_a_classifier_starts_from_the_contrast_or_from_chance(self, network, taken):
        with torch.no_grad():
            network["backbone"].conv1.weight.fill_(0.25)
        layer = network["classifier"]["layer"].weight.clone()
        assert not network["average"].ready and not network["classifier"].ready
        spice.start_classifier(network, take_backbone=taken)
        start = network["classifier"]["backbone"].state_dict()
        from_contrast = [torch.equal(value, start[name]) for name, value in network["backbone"].state_dict().items()]
        assert all(from_contrast) is taken
        assert torch.equal(network["classifier"]["layer"].weight, layer)
        average = network["average"].state_dict()
        assert all(torch.equal(value, average[name]) for name, value in network["classifier"].state_dict().items())
        assert network["average"].ready
        assert not any(weight.requires_grad for weight in network["average"].parameters())


class TestQueue:
    def test_starts_with_unit_rows(self):
        state = spice.empty_queue(9, 4, torch.Generator().manual_seed(0))
        assert torch.allclose(state["queue"].norm(dim=1), torch.ones(9))
        assert int(state["pointer"]) == 0
        assert len(state["queue"].unique(dim=0)) == 9

    def test_takes_batches_in_as_a_ring(self):
        state, ring = spice.empty_queue(7, 4, torch.Generator().manual_seed(0)), {}
        noise = state["queue"].clone()
        for batch in range(3):
            k = rows(3, 4, seed=batch)
            state = spice.queued(state, k)
            ring |= {(3 * batch + n) % 7: k[n] for n in range(3)}
            for place in range(7):
                assert torch.equal(state["queue"][place], ring.get(place, noise[place]))
        assert int(state["pointer"]) == 9 % 7


def test_draws_are_uniform_with_replacement():
    drawn = spice.draw(4, 4000, torch.Generator().manual_seed(0))
    assert (drawn.bincount(minlength=4) / 4000).tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert drawn.max() == 3
