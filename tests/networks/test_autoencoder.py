"""The decoder reaches the image; what else the methods that start from an autoencoder are built from."""

import pytest
import torch

from pcl.methods.embedded import EmbeddedSettings
from pcl.networks import autoencoder
from pcl.networks.autoencoder import Decoder

SMALL = {"image_size": 8, "backbone": {"depth": 10, "width": 2, "stem": "small"}, "embedding": 3}


@pytest.mark.parametrize("size", [8, 10, 16, 28, 32, 48, 128])
def test_decoder_reaches_the_image_size(size):
    assert Decoder(10, 64, 3, size)(torch.randn(2, 10)).shape == (2, 3, size, size)


@pytest.mark.parametrize("size", [4, 7, 9, 18, 33])
def test_decoder_refuses_other_sizes(size):
    with pytest.raises(ValueError, match="but the decoder doubles up to it"):
        Decoder(10, 64, 3, size)


@pytest.mark.parametrize(
    ("size", "widths"),
    [(8, [16, 8]), (12, [16, 8]), (16, [32, 16, 8]), (32, [64, 32, 16, 8]), (128, [64, 32, 16, 8, 8, 8])],
)
def test_decoder_is_as_wide_as_a_backbone_is_at_that_size(size, widths):
    """Of 64 features at 1/8 of the size and smaller, halved at each doubling, never below 8."""
    decoder = Decoder(10, 64, 3, size)
    assert decoder.first[0].out_features == widths[0] * (size >> len(widths) - 1) ** 2
    layers = [layer for layer in decoder.rest if isinstance(layer, torch.nn.Conv2d)]
    assert [layer.in_channels for layer in layers] == widths
    assert [layer.out_channels for layer in layers] == [*widths[1:], 3]


def test_a_network_has_a_decoder_only_to_start_from_an_autoencoder():
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = EmbeddedSettings(**SMALL)
    network = autoencoder.embedding_network(settings, 1, settings.embedding, decoder=True)
    z = autoencoder.encode(network, images)
    assert z.shape == (4, 3) and network["decoder"](z).shape == images.shape
    assert z.min() < 0, "linear, and of any length"
    without = autoencoder.embedding_network(settings, 1, settings.embedding, decoder=False)
    assert without.keys() == network.keys() - {"decoder"}


def test_corruption_sets_a_share_of_the_values_to_zero_and_leaves_the_rest():
    images = torch.rand(50, 3, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1
    first, again = (autoencoder.corrupt(images, 0.3, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    zero = first == 0
    assert zero.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert torch.equal(first[~zero], images[~zero])
    assert not torch.equal(zero[:, 0], zero[:, 1]), "value by value, not pixel by pixel"
    assert torch.equal(autoencoder.corrupt(images, 0.0, torch.Generator().manual_seed(1)), images)
