"""Random views of whole batches, drawn on the device, each image with its own parameters.

One affine sampling does crop, resize and flip; the colour operations are linear in the pixels and are applied to
the batch at once. Parameters are torchvision's (RandomResizedCrop, RandomHorizontalFlip, ColorJitter,
RandomGrayscale); brightness, contrast, saturation and hue follow in that fixed order, where torchvision shuffles
them for every image.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from pcl.engine.stage import Augmentation, RandomView
from pcl.types import Float, Tensor, UInt8

DRAWS = 11
"""Random numbers that a view takes of an image of three channels, the most that any takes."""

GREY = (0.299, 0.587, 0.114)
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


def to_float(images: UInt8[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Pixels in [0, 1]."""
    return images.float().div_(255)


def unaugmented(images: UInt8[Tensor, "B C H W"], size: int, recipe: Augmentation) -> Float[Tensor, "B C S S"]:
    """The images, resized to size × size and normalised."""
    pixels = to_float(images)
    if pixels.shape[-2:] != (size, size):
        pixels = F.interpolate(pixels, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return normalise(pixels, recipe)


def view(
    images: UInt8[Tensor, "B C H W"], size: int, recipe: Augmentation, generator: torch.Generator
) -> Float[Tensor, "B C S S"]:
    """One random view of every image, size × size, normalised.

    Args:
        images: pixels of any size.
        size: side of the view in pixels.
        recipe: ranges and probabilities of the operations.
        generator: source of every draw, on the images' device.
    """
    uniform = _Uniform(lambda: torch.rand(len(images), generator=generator, device=images.device))
    return normalise(_changed(images, size, recipe, uniform), recipe)


def changed(
    images: UInt8[Tensor, "B C S S"], recipe: RandomView, draws: Float[np.ndarray, "B 11"]
) -> UInt8[Tensor, "B C S S"]:
    """One random view of every image, as an image of the same size.

    Args:
        images: pixels.
        recipe: ranges and probabilities of the operations.
        draws: `DRAWS` numbers in [0, 1) for each image, of which its view is made whatever stands beside it.
    """
    uniform = _Uniform(iter(torch.from_numpy(np.ascontiguousarray(draws.T))).__next__)
    return _changed(images, images.shape[-1], recipe, uniform).mul_(255).round_().to(torch.uint8)


def _changed(
    images: UInt8[Tensor, "B C H W"], size: int, recipe: RandomView, uniform: _Uniform
) -> Float[Tensor, "B C S S"]:
    return _recolour(_crop_and_flip(to_float(images), size, recipe, uniform), recipe, uniform)


def normalise(pixels: Float[Tensor, "B C H W"], recipe: Augmentation) -> Float[Tensor, "B C H W"]:
    """Pixels less the mean, over the standard deviation, channel by channel."""
    mean, std = (pixels.new_tensor(x).view(1, -1, 1, 1) for x in (recipe.mean, recipe.std))
    return (pixels - mean) / std


class _Uniform:
    """Draws one number per image."""

    def __init__(self, draw: Callable[[], Float[Tensor, " B"]]) -> None:
        self.draw = draw

    def __call__(self, low: float = 0.0, high: float = 1.0) -> Float[Tensor, " B"]:
        return low + (high - low) * self.draw()


def _crop_and_flip(
    pixels: Float[Tensor, "B C H W"], size: int, recipe: RandomView, uniform: _Uniform
) -> Float[Tensor, "B C S S"]:
    area = uniform(*recipe.crop_area)
    ratio = torch.exp(uniform(math.log(recipe.crop_ratio[0]), math.log(recipe.crop_ratio[1])))
    # Not sqrt(): MKL's starts from an estimate of the processor, so that its last bit differs between makers.
    wide, high = (side.rsqrt().reciprocal().clamp(max=1) for side in (area * ratio, area / ratio))
    # An affine grid maps [-1, 1] of the view to the crop: half-extents are the scales, centres the shifts.
    left, top = (1 - wide) * uniform(-1.0, 1.0), (1 - high) * uniform(-1.0, 1.0)
    flip = torch.where(uniform() < recipe.flip, -1.0, 1.0)
    zero = torch.zeros_like(wide)
    rows = torch.stack([wide * flip, zero, left]), torch.stack([zero, high, top])
    grid = F.affine_grid(torch.stack(rows).permute(2, 0, 1), [len(pixels), 1, size, size], align_corners=False)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _recolour(pixels: Float[Tensor, "B C H W"], recipe: RandomView, uniform: _Uniform) -> Float[Tensor, "B C H W"]:
    brightness, contrast, saturation, hue = recipe.jitter
    chosen = uniform() < recipe.jitter_probability

    def factor(strength: float) -> Float[Tensor, "B 1 1 1"]:
        drawn = uniform(max(0.0, 1 - strength), 1 + strength)
        return torch.where(chosen, drawn, 1.0).view(-1, 1, 1, 1)

    pixels = (pixels * factor(brightness)).clamp_(0, 1)
    weights = pixels.new_tensor(GREY if pixels.shape[1] == 3 else [1 / pixels.shape[1]] * pixels.shape[1])
    mean = torch.einsum("bchw,c->b", pixels, weights).div_(pixels[0, 0].numel()).view(-1, 1, 1, 1)
    pixels = torch.lerp(mean, pixels, factor(contrast)).clamp_(0, 1)
    if pixels.shape[1] != 3:
        return pixels
    angle = 2 * math.pi * torch.where(chosen, uniform(-hue, hue), 0.0)
    turn = _colour_matrix(factor(saturation).flatten(), angle, uniform() < recipe.grey_probability)
    return torch.einsum("bchw,bdc->bdhw", pixels, turn).clamp_(0, 1)


def _colour_matrix(
    saturation: Float[Tensor, " B"], angle: Float[Tensor, " B"], grey: Tensor
) -> Float[Tensor, "B 3 3"]:
    """Saturation, hue and greyscale as one 3×3 matrix per image: a scaled rotation of the chroma plane."""
    to_yiq = saturation.new_tensor(YIQ)
    chroma = torch.where(grey, 0.0, saturation)
    cos, sin = chroma * angle.cos(), chroma * angle.sin()
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    rows = [[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]
    turned = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    return torch.linalg.inv(to_yiq) @ turned @ to_yiq
