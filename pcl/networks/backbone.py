"""The common backbone: a ResNet of basic blocks without its classifier, or a dense layer on frozen features.

Source: He et al., "Deep residual learning for image recognition", CVPR 2016, in torchvision's topology
(pytorch/vision, models/resnet.py): at width 64 and the ImageNet stem, the weights of one load into the other.
"""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from pcl.engine.stage import DeepSettings
from pcl.types import Float, Tensor

VERSION = 1

BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


MANY = 16
"""Images from which on torch's convolutions of a single pixel, by 3×3 and by 1×1 weights, round alike."""


class Conv3x3(nn.Conv2d):
    """A 3×3 convolution that keeps H×W, divided by the stride, without bias."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        """The feature maps; of single pixels by the one weight that meets them: equal, in a quarter of the time."""
        if x.shape[-2:] == (1, 1) and len(x) >= MANY:
            return F.conv2d(x, self.weight[:, :, 1:2, 1:2])
        return super().forward(x)


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Conv3x3(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = Conv3x3(outputs, outputs), nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        """The block's feature maps."""
        h = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(h)).add_(self.downsample(x)), inplace=True)


class ResNet(nn.Module):
    """Pooled features of a ResNet, ≥ 0: [B, C, H, W] → [B, 8·width] (512 at width 64).

    `stem="imagenet"` is a 7×7 convolution of stride 2 and a max-pool (for images of 64 pixels and more);
    `stem="small"` is one 3×3 convolution of stride 1.
    """

    def __init__(self, channels: int, depth: int, width: int, stem: str) -> None:
        super().__init__()
        self.features = 8 * width
        if stem == "imagenet":
            self.conv1 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
            self.maxpool: nn.Module = nn.MaxPool2d(3, 2, padding=1)
        else:
            self.conv1, self.maxpool = Conv3x3(channels, width), nn.Identity()
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for number, blocks in enumerate(BLOCKS[depth], start=1):
            outputs = width << (number - 1)
            strides = [1 if number == 1 else 2] + [1] * (blocks - 1)
            layer = [BasicBlock(inputs if i == 0 else outputs, outputs, s) for i, s in enumerate(strides)]
            self.add_module(f"layer{number}", nn.Sequential(*layer))
            inputs = outputs
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Features after global average pooling."""
        h = self.maxpool(F.relu(self.bn1(self.conv1(x)), inplace=True))
        for number in range(1, 5):
            h = self.get_submodule(f"layer{number}")(h)
        return h.mean((2, 3))


class DenseBackbone(nn.Module):
    """Frozen features behind one dense layer, ≥ 0 and as many as a ResNet's: [B, D] → [B, 8·width].

    What a method trains below its heads it trains here; a bare identity would leave nothing to learn to those that
    read clusters off the backbone.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.features = 8 * width
        self.layer = nn.Linear(inputs, self.features)

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B D2"]:
        """Features after ReLU."""
        return F.relu(self.layer(x))


Backbone = ResNet | DenseBackbone


def made(settings: DeepSettings, channels: int) -> Backbone:
    """The backbone that the settings say, for images of so many channels, or for so many frozen features."""
    b = settings.backbone
    return DenseBackbone(channels, b.width) if b.frozen else ResNet(channels, b.depth, b.width, b.stem)
