"""Weak and strong views of whole batches, for learning from one's own labels; drawn and made on the device.

Source: Van Gansbeke et al., ECCV 2020 (SCAN), Niu et al., TIP 2022 (SPICE).
Reference code: wvangansbeke/Unsupervised-Classification@952ec31, niuchuangnn/SPICE@5eba538.

What differs from the released code, which treats one 8-bit image after the other:

- The flip and all geometric operations of an image are one affine map, read off once, bilinearly and together with an
  enlargement to the view's size. The released code reads the nearest pixel, once for every operation.
- Hence geometric operations come before the colour operations. Each of the two groups keeps its drawn order.
- Rotations, shears and shifts are drawn once from a symmetric range, where the released code also draws a sign.
- Values are not rounded to 256 levels between operations.
- The hole has the drawn side; the released code cuts the next smaller even side, so a drawn 1 leaves no hole.
- An image of another size is resized to the view's size, not cropped.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch.nn import functional as F

from pcl.engine import augment
from pcl.engine.stage import Augmentation
from pcl.types import Bool, Float, Int64, Tensor, UInt8

DRAWS = 4  # operations per image
LARGEST_HOLE = 32  # pixels of a side


def weak(
    images: UInt8[Tensor, "B C H W"], size: int, recipe: Augmentation, generator: torch.Generator
) -> Float[Tensor, "B C S S"]:
    """Every image shifted by up to ⌊size / 8⌋ whole pixels each way, flipped or not, normalised.

    What is shifted in is black. At 32 pixels this is a random crop after padding by 4.

    Args:
        images: pixels of any size.
        size: side of the view in pixels.
        recipe: probability of the flip, mean and standard deviation; the rest is not used.
        generator: source of every draw, on the images' device.
    """
    most, shape = size // 8, (2, len(images))
    across, down = torch.randint(-most, most + 1, shape, generator=generator, device=images.device) * (2 / size)
    flip = _flip(images, recipe, generator)
    zero, one = torch.zeros_like(flip), torch.ones_like(flip)
    return augment.normalise(_read_off(images, size, _matrices([[flip, zero, across], [zero, one, down]])), recipe)


def strong(
    images: UInt8[Tensor, "B C H W"], size: int, recipe: Augmentation, generator: torch.Generator
) -> Float[Tensor, "B C S S"]:
    """Every image flipped or not, changed by four random operations, normalised, with a square hole of zeros.

    The operations are drawn with replacement, uniformly and for each image apart, and so are their magnitudes:

        autocontrast, equalize, identity       the channel's range, or its histogram, stretched; nothing
        solarize                               values from a threshold of 0 … 256 upwards are inverted
        colour, contrast, brightness,          blended with its greyscale, its mean grey, black or its smoothed self,
          sharpness                              0.05 … 0.95 of the image remaining
        posterize                              the 4 … 8 highest of 8 bits are kept (8 itself is never drawn)
        rotate                                 by −30° … 30° about the centre
        shear_x, shear_y                       by −0.1 … 0.1, the upper or left edge staying
        translate_x, translate_y               by −0.1 … 0.1 of the side

    What comes in from outside is black. "colour" does nothing to images of one channel, and "equalize" nothing to
    those of fewer than 256 pixels, by its definition in PIL. The hole's side is drawn from 1 … min(size / 2, 32)
    pixels, its centre from all pixels; beyond the border it is cut off.

    Args:
        images: pixels of any size, 1 or 3 channels.
        size: side of the view in pixels, 3 at least.
        recipe: probability of the flip, mean and standard deviation; the rest is not used.
        generator: source of every draw, on the images' device.
    """
    shape, device = (DRAWS, len(images)), images.device
    operations = torch.randint(len(OPERATIONS), shape, generator=generator, device=device)
    magnitudes = torch.rand(shape, generator=generator, device=device)
    maps = _maps(operations, magnitudes)
    maps[0, :, 0] *= _flip(images, recipe, generator)[:, None]
    pixels = _read_off(images, size, functools.reduce(torch.matmul, maps))
    pixels = augment.normalise(_recolour(pixels, operations, magnitudes), recipe)
    return pixels.masked_fill_(_holes(len(images), size, generator, device), 0)


def _flip(images: UInt8[Tensor, "B C H W"], recipe: Augmentation, generator: torch.Generator) -> Float[Tensor, " B"]:
    """-1 for the images to be mirrored, 1 for the others."""
    draws = torch.rand(len(images), generator=generator, device=images.device)
    return torch.where(draws < recipe.flip, -1.0, 1.0)


def _matrices(rows: list[list[Tensor]]) -> Float[Tensor, "... R K"]:
    """One matrix per entry of the tensors that stand at its places."""
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _maps(operations: Int64[Tensor, "T B"], magnitudes: Float[Tensor, "T B"]) -> Float[Tensor, "T B 3 3"]:
    """Where in its input each operation reads a point of its output, as an affine map of [-1, 1]².

    The identity for an operation that moves nothing. T counts the draws.
    """
    signed = 2 * magnitudes - 1

    def drawn(name: str, largest: float) -> Float[Tensor, "T B"]:
        return torch.where(operations == OPERATIONS.index(name), largest * signed, 0.0)

    angle = drawn("rotate", math.radians(30))
    slant_x, slant_y = drawn("shear_x", 0.1), drawn("shear_y", 0.1)
    # The side is 2 long here, and the edge that a shear leaves in place is at -1.
    shift_x, shift_y = 2 * drawn("translate_x", 0.1) + slant_x, 2 * drawn("translate_y", 0.1) + slant_y
    cos, sin = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return _matrices([[cos, slant_x - sin, shift_x], [slant_y + sin, cos, shift_y], [zero, zero, one]])


def _read_off(images: UInt8[Tensor, "B C H W"], size: int, maps: Float[Tensor, "B R 3"]) -> Float[Tensor, "B C S S"]:
    """Pixels of size × size views in [0, 1]: each image at the places that its map gives, black outside it."""
    pixels = augment.to_float(images)
    least = tuple(min(side, size) for side in pixels.shape[-2:])
    if least != pixels.shape[-2:]:
        pixels = F.interpolate(pixels, least, mode="bilinear", align_corners=False, antialias=True)
    grid = F.affine_grid(maps[:, :2], [len(pixels), 1, size, size], align_corners=False)
    # Clamped at the border and cut there: zeros as padding would darken the outermost pixels of an enlarged image.
    views = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return views * (grid.abs().amax(dim=-1) <= 1)[:, None]


def _recolour(
    pixels: Float[Tensor, "B C H W"], operations: Int64[Tensor, "T B"], magnitudes: Float[Tensor, "T B"]
) -> Float[Tensor, "B C H W"]:
    """The pixels (changed in place) after the colour operations drawn for them, one draw after the other."""
    order = operations.argsort(dim=1, stable=True)
    counts = F.one_hot(operations, len(OPERATIONS)).sum(dim=1).tolist()
    for members, sizes, magnitude in zip(order, counts, magnitudes, strict=True):
        for operation, chosen in zip(COLOUR.values(), members.split(sizes), strict=False):
            if len(chosen):
                changed = operation(pixels.index_select(0, chosen), magnitude[chosen].view(-1, 1, 1, 1))
                pixels.index_copy_(0, chosen, changed)
    return pixels


def _holes(count: int, size: int, generator: torch.Generator, device: torch.device) -> Bool[Tensor, "B 1 S S"]:
    """True in one square per image."""
    largest = min(size // 2, LARGEST_HOLE)
    side = torch.randint(1, largest + 1, (count, 1), generator=generator, device=device)
    first = torch.randint(size, (2, count, 1), generator=generator, device=device) - side // 2
    place = torch.arange(size, device=device)
    rows, columns = (place >= first) & (place < first + side)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


Pixels = Float[Tensor, "B C H W"]
Draws = Float[Tensor, "B 1 1 1"]


def _autocontrast(pixels: Pixels, draws: Draws) -> Pixels:
    # Here and not above: it takes seconds to import, which runs without strong views need not wait for.
    from torchvision.transforms.v2 import functional as tv

    return tv.autocontrast(pixels)


def _equalize(pixels: Pixels, draws: Draws) -> Pixels:
    from torchvision.transforms.v2 import functional as tv

    return tv.equalize(pixels)


def _solarize(pixels: Pixels, draws: Draws) -> Pixels:
    return torch.where(pixels < draws * (256 / 255), pixels, 1 - pixels)


def _remaining(draws: Draws) -> Draws:
    return 0.05 + 0.9 * draws


def _colour(pixels: Pixels, draws: Draws) -> Pixels:
    return torch.lerp(_grey(pixels), pixels, _remaining(draws))


def _contrast(pixels: Pixels, draws: Draws) -> Pixels:
    return torch.lerp(_grey(pixels).mean(dim=(2, 3), keepdim=True), pixels, _remaining(draws))


def _grey(pixels: Pixels) -> Float[Tensor, "B 1 H W"]:
    if pixels.shape[1] == 1:
        return pixels
    return torch.einsum("bchw,c->bhw", pixels, pixels.new_tensor(augment.GREY))[:, None]


def _brightness(pixels: Pixels, draws: Draws) -> Pixels:
    return pixels * _remaining(draws)


def _sharpness(pixels: Pixels, draws: Draws) -> Pixels:
    """Smoothed by PIL's kernel, a 5 in the middle of eight 1s; the outermost pixels stay."""
    inner = pixels[..., 1:-1, 1:-1]
    smooth = (9 * F.avg_pool2d(pixels, 3, stride=1) + 4 * inner) / 13
    return pixels + F.pad((1 - _remaining(draws)) * (smooth - inner), (1, 1, 1, 1))


def _posterize(pixels: Pixels, draws: Draws) -> Pixels:
    step = 2 ** (4 - torch.floor(4 * draws))
    return torch.floor((255 * pixels).round() / step) * (step / 255)


COLOUR: dict[str, Callable[[Pixels, Draws], Pixels]] = {
    "autocontrast": _autocontrast,
    "equalize": _equalize,
    "solarize": _solarize,
    "colour": _colour,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "posterize": _posterize,
}
OPERATIONS = (*COLOUR, "rotate", "shear_x", "shear_y", "translate_x", "translate_y", "identity")
