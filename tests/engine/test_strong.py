"""Weak and strong views against PIL, image by image and operation by operation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from pcl.engine import augment, strong
from pcl.engine.stage import Augmentation

AS_STORED = Augmentation(flip=0, mean=(0.0,), std=(1.0,))
VIEWS = (strong.weak, strong.strong)


@pytest.fixture(autouse=True)
def deterministic():
    """As in every run on a processor."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def images(count=1, channels=3, size=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, size, size), generator=g, dtype=torch.uint8)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def recipe(flip):
    return AS_STORED.model_copy(update={"flip": flip})


def to_pil(image):
    """A C×H×W tensor of bytes as PIL's image."""
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def levels(picture):
    """PIL's image as a C×H×W array of 0 … 255."""
    array = np.asarray(picture, dtype=float)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def enhance(kind):
    return lambda picture, u: kind(picture).enhance(0.05 + 0.9 * u)


COLOUR = {
    "autocontrast": lambda picture, u: ImageOps.autocontrast(picture),
    "equalize": lambda picture, u: ImageOps.equalize(picture),
    "solarize": lambda picture, u: ImageOps.solarize(picture, 256 * u),
    "colour": enhance(ImageEnhance.Color),
    "contrast": enhance(ImageEnhance.Contrast),
    "brightness": enhance(ImageEnhance.Brightness),
    "sharpness": enhance(ImageEnhance.Sharpness),
    "posterize": lambda picture, u: ImageOps.posterize(picture, int(4 + 4 * u)),
}


def pixel_map(name, u, size):
    """Where PIL's operation reads, in pixels from the upper left corner, as a 3×3 matrix."""
    v, found = 2 * u - 1, np.eye(3)
    if name == "rotate":
        angle, half = math.radians(30 * v), np.eye(3)
        half[:2, 2] = size / 2
        turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
        found = half @ turn @ np.linalg.inv(half)
    elif name.startswith("shear"):
        found[(0, 1) if name.endswith("x") else (1, 0)] = 0.1 * v
    elif name.startswith("translate"):
        found[0 if name.endswith("x") else 1, 2] = 0.1 * v * size
    return found


GEOMETRY = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")


def mapped(picture, matrix):
    return picture.transform(picture.size, Image.Transform.AFFINE, tuple(matrix[:2].flat), Image.Resampling.BILINEAR)


def operations(*names):
    return torch.tensor([[strong.OPERATIONS.index(name)] for name in names])


class TestOperations:
    def test_are_the_fourteen(self):
        assert set(strong.OPERATIONS) == {*COLOUR, *GEOMETRY, "identity"}
        assert len(strong.OPERATIONS) == 14

    # Blends and stretched ranges are truncated to whole levels in PIL, and a mean grey is rounded.
    @pytest.mark.parametrize(
        ("name", "tolerance"),
        list(zip(COLOUR, (1, 0, 0, 1.5, 1.5, 1, 1.5, 0), strict=True)),
        ids=list(COLOUR),
    )
    @pytest.mark.parametrize("u", [0.0, 0.26, 0.7, 0.999])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_colour_operation_is_pil_s(self, name, tolerance, u, channels):
        pixels = images(1, channels, 20) // 2 + 40
        expected = levels(COLOUR[name](to_pil(pixels[0]), u))
        found = 255 * strong._recolour(pixels / 255, operations(name), torch.full((1, 1), u))[0].numpy()
        assert np.abs(found - expected).max() <= tolerance + 1e-3

    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("name", ["autocontrast", "equalize"])
    def test_an_even_image_stays(self, name, channels):
        pixels = torch.full((1, channels, 20, 20), 0.4)
        found = strong._recolour(pixels.clone(), operations(name), torch.rand(1, 1, generator=generator()))
        assert torch.allclose(found, pixels, atol=1 / 255)

    def test_colour_leaves_grey_images_alone(self):
        pixels = images(1, 1) / 255
        assert torch.equal(strong._recolour(pixels.clone(), operations("colour"), torch.zeros(1, 1)), pixels)

    @pytest.mark.parametrize(("u", "bits"), [(0.0, 4), (0.3, 5), (0.6, 6), (0.9, 7)])
    def test_posterize_keeps_bits_although_sampling_is_a_little_off(self, u, bits):
        ramp = torch.arange(256).view(1, 1, 16, 16)
        for error in (-1e-5, 0, 1e-5):
            found = strong._recolour((ramp / 255 + error).float(), operations("posterize"), torch.full((1, 1), u))
            assert torch.allclose(255 * found, (ramp >> (8 - bits) << (8 - bits)).float(), atol=1e-3)

    @pytest.mark.parametrize("name", GEOMETRY)
    @pytest.mark.parametrize("u", [0.01, 0.37, 0.5, 0.93])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_geometric_operation_is_pil_s(self, name, u, channels):
        pixels = images(1, channels, 20)
        expected = levels(mapped(to_pil(pixels[0]), pixel_map(name, u, 20)))
        maps = strong._maps(operations(name), torch.full((1, 1), u))[0]
        assert np.abs(255 * strong._read_off(pixels, 20, maps)[0].numpy() - expected).max() < 1.01

    @pytest.mark.parametrize("u", [0.1, 0.8])
    def test_rotation_turns_about_the_centre_as_pil_s_own(self, u):
        """Not by the matrix that this file writes down."""
        pixels = images(1, 1, 20)
        expected = levels(to_pil(pixels[0]).rotate(60 * u - 30, Image.Resampling.BILINEAR))
        maps = strong._maps(operations("rotate"), torch.full((1, 1), u))[0]
        assert np.abs(255 * strong._read_off(pixels, 20, maps)[0].numpy() - expected).max() < 1.01

    def test_drawn_together_are_applied_in_the_order_drawn_each_to_its_images(self):
        g = generator()
        drawn = torch.randint(0, len(strong.OPERATIONS), (4, 30), generator=g)
        magnitudes = torch.rand(4, 30, generator=g)
        pixels = images(30, 3, 20) / 255
        found = strong._recolour(pixels.clone(), drawn, magnitudes)
        for image in range(30):
            expected = pixels[image : image + 1].clone()
            for operation, magnitude in zip(drawn[:, image], magnitudes[:, image], strict=True):
                name = strong.OPERATIONS[operation]
                if name in strong.COLOUR:
                    expected = strong.COLOUR[name](expected, magnitude.view(1, 1, 1, 1))
            assert torch.allclose(found[image], expected[0], atol=1e-6)


class TestStrong:
    @pytest.mark.parametrize("flip", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_against_pil(self, channels, flip):
        """The same draws: flip and geometry as one map, colours in their order, the hole by its corners."""
        count, size = 40, 24
        pixels = images(count, channels, size)
        found = 255 * strong.strong(pixels, size, recipe(flip), generator(1)).numpy()

        g = generator(1)
        drawn = torch.randint(14, (4, count), generator=g)
        magnitudes = torch.rand(4, count, generator=g)
        mirrored = torch.rand(count, generator=g) < flip
        sides = torch.randint(1, 13, (count, 1), generator=g)
        centres = torch.randint(24, (2, count, 1), generator=g)
        for image in range(count):
            steps = [
                (strong.OPERATIONS[o], u.item()) for o, u in zip(drawn[:, image], magnitudes[:, image], strict=True)
            ]
            matrix = np.array([[-1.0, 0, size], [0, 1, 0], [0, 0, 1]]) if mirrored[image] else np.eye(3)
            for name, u in steps:
                matrix = matrix @ pixel_map(name, u, size)
            picture = mapped(to_pil(pixels[image]), matrix)
            for name, u in steps:
                picture = COLOUR[name](picture, u) if name in COLOUR else picture
            expected, side = levels(picture), int(sides[image])
            top, left = (int(c) - side // 2 for c in centres[:, image])
            expected[:, max(top, 0) : top + side, max(left, 0) : left + side] = 0
            gap = np.abs(found[image] - expected)
            # PIL truncates after every operation, and stretching makes more of that; strangers differ by 60.
            assert gap.mean() < 4, steps

    @pytest.mark.parametrize(("size", "largest"), [(8, 4), (9, 4), (32, 16), (96, 32)])
    def test_holes_are_squares_of_one_to_half_the_side_in_every_place(self, size, largest):
        holes = strong._holes(1500, size, generator(), torch.device("cpu"))[:, 0]
        rows, columns = holes.any(2), holes.any(1)
        assert torch.equal(holes, rows[:, :, None] & columns[:, None, :]), "rectangles"
        for line in (rows, columns):
            assert (line.int().diff(dim=1).abs().sum(1) <= 2).all(), "without gaps"
            assert line.sum(1).max() == largest
        inside = ~(holes[:, 0].any(1) | holes[:, -1].any(1) | holes[:, :, 0].any(1) | holes[:, :, -1].any(1))
        assert torch.equal(rows[inside].sum(1), columns[inside].sum(1)), "squares, but for those cut at the border"
        assert set(rows[inside].sum(1).tolist()) == set(range(1, largest + 1))
        assert holes.any(0).all()
        assert holes.any((1, 2)).all(), "none lies outside"

    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_hole_is_zero_after_normalisation_in_every_channel(self, channels):
        bright = AS_STORED.model_copy(update={"mean": (-1.0,), "std": (2.0,)})
        views = strong.strong(images(200, channels), 8, bright, generator())
        holes = views == 0
        assert torch.equal(holes.all(1), holes.any(1))
        assert views[~holes].min() >= 0.5
        area = holes[:, 0].sum((1, 2))
        assert area.min() == 1
        assert area.max() == 16

    def test_operations_and_flips_are_drawn_evenly(self, monkeypatch):
        seen = []
        monkeypatch.setattr(strong, "_recolour", lambda pixels, *drawn: seen.append(drawn) or pixels)
        strong.strong(images(2000, 1, 3), 3, recipe(0), generator())
        drawn, magnitudes = seen[0]
        shares = torch.bincount(drawn.flatten()) / drawn.numel()
        assert shares.tolist() == pytest.approx([1 / 14] * 14, abs=0.012)
        assert magnitudes.min() < 0.01
        assert magnitudes.max() > 0.99
        assert torch.corrcoef(magnitudes).triu(1).abs().max() < 0.1, "each draw its own magnitude"


class TestWeak:
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize(("size", "most"), [(8, 1), (16, 2), (32, 4)])
    def test_is_a_crop_of_the_padded_image(self, size, most, channels):
        pixels = images(150, channels, size)
        views = strong.weak(pixels, size, recipe(0.5), generator())
        padded = torch.nn.functional.pad(pixels / 255, [most] * 4)
        candidates = {}
        for top in range(2 * most + 1):
            for left in range(2 * most + 1):
                crop = padded[:, :, top : top + size, left : left + size]
                candidates[top, left, False], candidates[top, left, True] = crop, crop.flip(3)
        gaps = torch.stack([(views - crop).abs().amax((1, 2, 3)) for crop in candidates.values()])
        assert ((gaps < 1e-4).sum(0) == 1).all()
        chosen = [list(candidates)[k] for k in gaps.argmin(0).tolist()]
        for place in (0, 1):
            assert {c[place] for c in chosen} == set(range(2 * most + 1))
        assert 0.35 < sum(c[2] for c in chosen) / len(chosen) < 0.65

    @pytest.mark.parametrize("stored", [5, 7, 12])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_without_shift_and_flip_it_is_the_plain_image(self, stored, channels):
        pixels = images(3, channels, stored)
        normal = AS_STORED.model_copy(update={"mean": (0.3,) * channels, "std": (0.35,) * channels})
        assert torch.allclose(
            strong.weak(pixels, 7, normal, generator()), augment.unaugmented(pixels, 7, normal), atol=1e-5
        )

    @pytest.mark.parametrize("stored", [5, 12])
    def test_a_certain_flip_mirrors_columns(self, stored):
        pixels = images(2, 3, stored)
        expected = augment.unaugmented(pixels, 7, AS_STORED).flip(3)
        assert torch.allclose(strong.weak(pixels, 7, recipe(1), generator()), expected, atol=1e-5)


@pytest.mark.parametrize("view", VIEWS)
class TestBatches:
    def test_the_same_generator_gives_the_same_views_and_another_others(self, view):
        first, again, other = (view(images(9, 3, 16), 16, recipe(0.5), generator(seed)) for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.allclose(first, other)

    def test_every_image_has_its_own_draw(self, view):
        views = view(images(1, 3, 32).repeat(20, 1, 1, 1), 32, recipe(0.5), generator())
        assert len({tuple(one.flatten().tolist()) for one in views}) > 15

    @pytest.mark.parametrize("channels", [1, 3])
    def test_the_content_of_batch_mates_does_not_matter(self, view, channels):
        one, other = images(12, channels, 16, seed=1), images(12, channels, 16, seed=2)
        other[3] = one[3]
        assert torch.equal(*(view(pixels, 16, recipe(0.5), generator())[3] for pixels in (one, other)))

    def test_the_stored_pixels_are_left_alone(self, view):
        pixels = images(20)
        before = pixels.clone()
        view(pixels, 8, recipe(0.5), generator())
        assert torch.equal(pixels, before)

    @settings(max_examples=25)
    @given(st.integers(3, 20), st.integers(3, 20), st.sampled_from([1, 3]), st.floats(0, 1), st.integers(0, 99))
    def test_views_are_pixels_whatever_the_sizes(self, view, stored, size, channels, flip, seed):
        found = view(images(6, channels, stored, seed), size, recipe(flip), generator(seed))
        assert found.shape == (6, channels, size, size)
        assert found.dtype == torch.float32
        assert found.isfinite().all()
        assert found.min() >= -1e-6
        assert found.max() <= 1 + 1e-6
