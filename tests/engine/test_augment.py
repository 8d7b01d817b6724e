"""Views against a pixel-by-pixel loop and torchvision's functions, and what batches may not do to them."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as tv

from pcl.engine import augment
from pcl.engine.stage import Augmentation

AS_STORED = {"mean": (0.0,), "std": (1.0,)}
IDENTITY = Augmentation(
    crop_area=(1, 1),
    crop_ratio=(1, 1),
    flip=0,
    jitter=(0, 0, 0, 0),
    jitter_probability=0,
    grey_probability=0,
    **AS_STORED,
)
ONLY_GEOMETRY = {"jitter_probability": 0, "grey_probability": 0, **AS_STORED}
STRONG = Augmentation(crop_area=(0.2, 0.8), jitter_probability=0.5, grey_probability=0.5, **AS_STORED)


def images(count=1, channels=3, size=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, size, size), generator=g, dtype=torch.uint8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class TestGeometry:
    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_identity_gives_the_image(self, channels):
        pixels = images(3, channels)
        assert torch.allclose(augment.view(pixels, 8, IDENTITY, generator()), pixels / 255, atol=1e-6)

    def test_a_certain_flip_mirrors_columns(self):
        pixels = images(2)
        recipe = IDENTITY.model_copy(update={"flip": 1.0})
        assert torch.allclose(augment.view(pixels, 8, recipe, generator()), pixels.flip(3) / 255, atol=1e-6)

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("size", [5, 8, 12])
    def test_crop_and_flip_against_a_loop(self, seed, size):
        """A rectangle of the drawn area and ratio, somewhere inside, read off bilinearly at size × size points."""
        recipe = Augmentation(crop_area=(0.3, 0.9), crop_ratio=(0.7, 1.4), flip=0.5, **ONLY_GEOMETRY)
        pixels = images(1, 1, 8, seed)
        ours = augment.view(pixels, size, recipe, generator(seed))[0, 0]

        g = generator(seed)
        area, ratio, across, down, mirror = (torch.rand(1, generator=g).item() for _ in range(5))
        area = 0.3 + 0.6 * area
        ratio = math.exp(math.log(0.7) + math.log(2) * ratio)
        wide, high = 8 * min(1, math.sqrt(area * ratio)), 8 * min(1, math.sqrt(area / ratio))
        left, top = (8 - wide) * across, (8 - high) * down
        source = pixels[0, 0].double().numpy() / 255

        def pixel(y, x):
            return source[min(max(y, 0), 7), min(max(x, 0), 7)]

        for row in range(size):
            for column in range(size):
                x, y = left + (column + 0.5) / size * wide - 0.5, top + (row + 0.5) / size * high - 0.5
                x0, y0 = math.floor(x), math.floor(y)
                fx, fy = x - x0, y - y0
                upper = pixel(y0, x0) * (1 - fx) + pixel(y0, x0 + 1) * fx
                lower = pixel(y0 + 1, x0) * (1 - fx) + pixel(y0 + 1, x0 + 1) * fx
                expected = upper * (1 - fy) + lower * fy
                place = size - 1 - column if mirror < 0.5 else column
                assert ours[row, place].item() == pytest.approx(expected, abs=1e-5)

    def test_crops_lie_inside_and_have_area_and_ratio_in_the_ranges(self):
        """Seen from outside: an image whose pixels say where they are."""
        size, count = 64, 300
        ramp = torch.arange(size, dtype=torch.uint8) * 4
        pixels = torch.stack([ramp.repeat(size, 1), ramp.repeat(size, 1).T]).repeat(count, 1, 1, 1)
        recipe = Augmentation(crop_area=(0.3, 0.7), crop_ratio=(0.8, 1.25), flip=0.5, **ONLY_GEOMETRY)
        # The middle half of the view, away from the borders where the ramp ends.
        seen = augment.view(pixels, 33, recipe, generator()) * 255 / 4 / size
        x, y = seen[:, 0, 16], seen[:, 1, :, 16]
        wide, high = (2 * (line[:, 24] - line[:, 8]) * 33 / 32 for line in (x, y))
        area, ratio = wide.abs() * high, wide.abs() / high
        assert 0.29 < area.min() < 0.32
        assert 0.68 < area.max() < 0.71
        assert 0.78 < ratio.min() < 0.82
        assert 1.22 < ratio.max() < 1.28
        for line, extent in ((x, wide.abs()), (y, high)):
            centre = line[:, 16] + 0.5 / size
            assert ((centre - extent / 2 > -0.02) & (centre + extent / 2 < 1.02)).all()
        assert 0.4 < (wide < 0).float().mean() < 0.6, "half of them are mirrored"
        assert (high > 0).all(), "none is upside down"


class Fraction:
    """Stands in for the draws: always the same way from low to high."""

    def __init__(self, fraction):
        self.fraction = fraction

    def __call__(self, low=0.0, high=1.0):
        return torch.full((1,), low + (high - low) * self.fraction)


class TestColour:
    """Against torchvision, with the same parameters, one operation at a time."""

    pixels = 0.3 + 0.4 * torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def recoloured(self, fraction, **ranges):
        recipe = Augmentation(**({"jitter": (0, 0, 0, 0), "jitter_probability": 1, "grey_probability": 0} | ranges))
        return augment._recolour(self.pixels.clone(), recipe, Fraction(fraction))

    @pytest.mark.parametrize("fraction", [0.0, 0.25, 0.75, 0.99])
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_brightness_contrast_and_saturation(self, place, fraction):
        jitter = [0.0] * 4
        jitter[place] = 0.6
        function = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation)[place]
        expected = function(self.pixels, 0.4 + 1.2 * fraction)
        assert torch.allclose(self.recoloured(fraction, jitter=tuple(jitter)), expected, atol=1e-4)

    def test_values_are_clipped_as_torchvision_clips_them(self):
        expected = tv.adjust_brightness(self.pixels, 0.99 * 3)
        assert expected.max() == 1
        assert torch.allclose(self.recoloured(0.99, jitter=(2.0, 0, 0, 0)), expected, atol=1e-4)

    def test_grey(self):
        found = self.recoloured(0.5, grey_probability=1)
        assert torch.allclose(found, tv.rgb_to_grayscale(self.pixels, 3), atol=1e-3)
        assert torch.allclose(found[:, 0], found[:, 1], atol=1e-6)
        assert torch.allclose(found[:, 0], found[:, 2], atol=1e-6)

    @pytest.mark.parametrize("fraction", [0.0, 0.25, 0.75, 0.99])
    def test_hue_turns_the_chroma_as_far_as_torchvision_and_keeps_the_luma(self, fraction):
        """Ours turns a plane, theirs a cone that changes luma too; and ours the other way: ranges are symmetric."""
        weights = torch.tensor(augment.GREY).view(1, 3, 1, 1)

        def luma(x):
            return (x * weights).sum(1, keepdim=True)

        found = self.recoloured(fraction, jitter=(0, 0, 0, 0.1))
        theirs = tv.adjust_hue(self.pixels, 0.1 - 0.2 * fraction)
        ours, expected = (x - luma(x) - (self.pixels - luma(self.pixels)) for x in (found, theirs))
        assert torch.allclose(luma(found), luma(self.pixels), atol=1e-4)
        assert torch.cosine_similarity(ours.flatten(), expected.flatten(), dim=0) > 0.85
        assert ours.norm() / expected.norm() == pytest.approx(1, abs=0.25)

    @pytest.mark.parametrize("fraction", [0.25, 0.75])
    def test_without_colour_only_brightness_and_contrast_change(self, fraction):
        recipe = Augmentation(jitter=(0.4, 0.4, 0.4, 0.1), jitter_probability=1, grey_probability=1)
        pixels, factor = self.pixels[:, :1], 0.6 + 0.8 * fraction
        bright = pixels * factor
        expected = bright.mean() + factor * (bright - bright.mean())
        assert torch.allclose(augment._recolour(pixels.clone(), recipe, Fraction(fraction)), expected, atol=1e-6)

    def test_only_a_share_of_the_images_is_changed(self):
        pixels = images(1).repeat(400, 1, 1, 1)
        recipe = IDENTITY.model_copy(update={"jitter": (0.4, 0.4, 0.4, 0.1), "jitter_probability": 0.3})
        views = augment.view(pixels, 8, recipe, generator())
        changed = (views - pixels / 255).abs().amax((1, 2, 3)) > 1e-3
        assert changed.float().mean() == pytest.approx(0.3, abs=0.08)


class TestBatches:
    def test_the_same_generator_gives_the_same_views_and_another_others(self):
        pixels = images(5)
        first, again, other = (augment.view(pixels, 8, STRONG, generator(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.allclose(first, other)

    def test_every_image_has_its_own_parameters(self):
        views = augment.view(images(1).repeat(20, 1, 1, 1), 8, STRONG, generator())
        assert torch.pdist(views.flatten(1)).min() > 1e-3

    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_content_of_batch_mates_does_not_matter(self, channels):
        one, other = images(6, channels, seed=1), images(6, channels, seed=2)
        other[3] = one[3]
        seen = [augment.view(pixels, 8, STRONG, generator())[3] for pixels in (one, other)]
        assert torch.equal(*seen)

    def test_the_stored_pixels_are_left_alone(self):
        pixels = images(4)
        before = pixels.clone()
        augment.view(pixels, 8, STRONG, generator())
        augment.unaugmented(pixels, 6, STRONG)
        assert torch.equal(pixels, before)

    @settings(max_examples=30)
    @given(st.data())
    def test_views_are_pixels_whatever_the_recipe(self, data):
        unit, strength = (st.floats(0, most).map(lambda x: round(x, 6)) for most in (1, 2))
        recipe = Augmentation(
            crop_area=tuple(sorted(data.draw(st.floats(0.001, 1)) for _ in range(2))),
            crop_ratio=tuple(sorted((data.draw(st.floats(0.1, 10)), data.draw(st.floats(0.1, 10))))),
            flip=data.draw(unit),
            jitter=tuple(data.draw(strength) for _ in range(4)),
            jitter_probability=data.draw(unit),
            grey_probability=data.draw(unit),
            **AS_STORED,
        )
        size = data.draw(st.integers(1, 20))
        channels = data.draw(st.sampled_from([1, 3]))
        found = augment.view(images(3, channels), size, recipe, generator(data.draw(st.integers(0, 99))))
        assert found.shape == (3, channels, size, size)
        assert found.isfinite().all()
        assert found.min() >= 0
        assert found.max() <= 1


class TestUnaugmented:
    @pytest.mark.parametrize("size", [4, 8, 13])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_is_torchvisions_resize_normalised(self, channels, size):
        pixels = images(2, channels)
        recipe = Augmentation(mean=(0.3,) * channels, std=(0.35,) * channels)
        expected = (tv.resize(pixels / 255, [size, size], antialias=True) - 0.3) / 0.35
        assert torch.allclose(augment.unaugmented(pixels, size, recipe), expected, atol=1e-5)

    def test_normalises_channel_by_channel(self):
        pixels = torch.tensor([51, 102, 153], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 4, 4)
        found = augment.unaugmented(pixels, 4, Augmentation(mean=(0.1, 0.2, 0.3), std=(0.1, 0.2, 0.5)))
        assert torch.allclose(found[0, :, 0, 0], torch.tensor([1.0, 1.0, 0.6]))

    def test_one_mean_serves_all_channels(self):
        pixels = images(2)
        one, three = (augment.unaugmented(pixels, 8, Augmentation(mean=(0.5,) * n, std=(0.2,) * n)) for n in (1, 3))
        assert torch.equal(one, three)
