"""GCC's passes: which neighbour is drawn, and who shares batch statistics with whom."""

import copy

import pytest
import torch

from pcl.engine.stage import DeepSettings
from pcl.networks import graph
from pcl.networks.heads import contrastive_network

SMALL = DeepSettings(image_size=8, backbone={"depth": 10, "width": 2, "stem": "small"})


def views(count, images=5):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(images, 1, 8, 8, generator=g) for _ in range(count)]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return contrastive_network(SMALL, 1, clusters=3, features=4, linear=True)


class TestDrawNeighbour:
    columns = torch.tensor([[3, 8, 5], [0, 2, 7]])

    def test_is_one_of_the_image_s_own_each_as_often(self):
        g = torch.Generator().manual_seed(0)
        drawn = torch.stack([graph.draw_neighbour(self.columns, g) for _ in range(1500)])
        for image, own in enumerate(self.columns.tolist()):
            shares = [(drawn[:, image] == neighbour).float().mean().item() for neighbour in own]
            assert shares == pytest.approx([1 / 3] * 3, abs=0.05)

    def test_images_draw_apart_and_repeatably(self):
        columns = torch.arange(3).repeat(200, 1)
        first, again = (graph.draw_neighbour(columns, torch.Generator().manual_seed(1)) for _ in range(2))
        assert first.unique().tolist() == [0, 1, 2]
        assert torch.equal(first, again)


class TestContrasted:
    def test_before_there_is_a_graph_there_are_own_views_only(self, network):
        found = graph.contrasted(network, views(2))
        assert found.keys() == {"z", "p"}
        assert (found["z"].shape, found["p"].shape) == ((2, 5, 4), (5, 3))

    def test_own_views_share_their_statistics_and_every_neighbour_has_its_own(self, network):
        """Each pass anew on an untouched copy: batch normalisation sees nothing but what is passed together."""
        given = views(5)

        def passed(*together):
            backbone = copy.deepcopy(network["backbone"]).train()
            return backbone(torch.cat(together))

        features = [*passed(*given[:2]).chunk(2), *(passed(view) for view in given[2:])]
        found = graph.contrasted(network.train(), given)
        assert found["z"].shape == (4, 5, 4)
        for z, h in zip(found["z"], features[:4], strict=True):
            assert torch.allclose(z, network["instance"](h), atol=1e-6)
        assert torch.allclose(found["p"], network["cluster"](features[0]), atol=1e-6)
        assert torch.allclose(found["p_neighbour"], network["cluster"](features[4]), atol=1e-6)
        assert not torch.allclose(passed(given[0]), features[0], atol=1e-3), "alone it would be another"
