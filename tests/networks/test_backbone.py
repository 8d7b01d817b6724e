"""The backbone is torchvision's, the attention the formula's."""

import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from pcl.networks.attention import CrossInstanceAttention
from pcl.networks.backbone import ResNet

ROOT = Path(__file__).parents[2]


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


def test_a_single_pixel_needs_one_weight_in_nine_and_gives_the_same_bytes(tmp_path):
    """With portable numerics, which are those of a run and not of this process."""
    program = tmp_path / "compared.py"
    program.write_text(
        textwrap.dedent("""
        from pcl import numerics
        numerics.hold()
        import torch
        from pcl.networks.backbone import MANY, Conv3x3
        torch.set_num_threads(1)
        for images in (1, MANY - 1, MANY, MANY + 1, 100, 128):
            for channels in (8, 64, 128, 512):
                ours = Conv3x3(channels, channels).to(memory_format=torch.channels_last)
                plain = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
                plain = plain.to(memory_format=torch.channels_last)
                plain.load_state_dict(ours.state_dict())
                x, up = torch.randn(images, channels, 1, 1), torch.randn(images, channels, 1, 1)
                found = []
                for layer in (ours, plain):
                    own = x.clone().requires_grad_()
                    out = layer(own)
                    out.backward(up)
                    found.append((out, own.grad, layer.weight.grad))
                for one, other in zip(*found):
                    assert torch.equal(one, other), (images, channels)
        """)
    )
    done = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr


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
