"""The backbone is torchvision's, the attention the formula's."""

import math

import pytest
import torch

from pcl.networks.attention import CrossInstanceAttention
from pcl.networks.backbone import ResNet


@pytest.mark.parametrize(("depth", "name"), [(18, "resnet18"), (34, "resnet34")])
def test_equals_torchvision(depth, name):
    models = pytest.importorskip("torchvision").models
    theirs = getattr(models, name)(num_classes=1).eval()
    ours = ResNet(3, depth, 64, "imagenet").eval()
    weights = {k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")}
    ours.load_state_dict(weights, strict=True)
    theirs.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(ours(images), theirs(images), atol=1e-5)


@pytest.mark.parametrize("residual", [False, True])
def test_attention_against_a_loop(residual):
    g = torch.Generator().manual_seed(1)
    block = CrossInstanceAttention(8, 2, residual)
    h = torch.randn(5, 8, generator=g)
    with torch.no_grad():
        ours = block(h)
        q, k, v = block.query(h), block.key(h), block.value(h)
        for i in range(5):
            for head in range(2):
                cut = slice(4 * head, 4 * head + 4)
                logits = torch.stack([q[i, cut] @ k[j, cut] / math.sqrt(4) for j in range(5)])
                mixed = sum(w * v[j, cut] for j, w in enumerate(torch.softmax(logits, 0)))
                assert torch.allclose(ours[i, cut], mixed + (h[i, cut] if residual else 0), atol=1e-6)


def test_attention_sees_a_set():
    """Permuting the batch permutes the output; another batch-mate changes it."""
    g = torch.Generator().manual_seed(2)
    block, h = CrossInstanceAttention(8, 2, False), torch.randn(5, 8, generator=g)
    order = torch.randperm(5, generator=g)
    with torch.no_grad():
        assert torch.allclose(block(h)[order], block(h[order]), atol=1e-6)
        assert not torch.allclose(block(h)[:4], block(h[:4]), atol=1e-3)
