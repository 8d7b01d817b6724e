"""What a network is shown: stored pixels, random views, and predictions over whole splits."""

import numpy as np
import pytest
import torch

from pcl.engine import augment, strong


@pytest.mark.parametrize("split", ["train", "test"])
def test_pixels_are_those_of_the_split_in_the_order_of_their_positions(make_session, split):
    images, index = make_session().images, np.array([4, 0, 4])
    found = images.stored(index, split)
    assert found.dtype == torch.uint8
    assert [row.tolist() for row in found] == [images.splits[split][i].tolist() for i in index]
    expected = augment.unaugmented(found, images.settings.image_size, images.settings.augmentation)
    assert torch.equal(images.unaugmented(index, split), expected)


def test_sizes_are_those_of_the_splits(make_session):
    images = make_session(n=21).images
    assert (images.size(), images.size("train"), images.size("test")) == (21, 21, 5)


@pytest.mark.parametrize(
    ("recipe", "drawn"), [("standard", augment.view), ("weak", strong.weak), ("strong", strong.strong)]
)
def test_a_view_follows_its_recipe(make_session, recipe, drawn):
    session, index = make_session(), np.array([7, 2, 7])
    ours, theirs = (torch.Generator().manual_seed(5) for _ in range(2))
    expected = drawn(session.images.splits["train"][index], 4, session.images.settings.augmentation, theirs)
    assert torch.equal(session.view(index, recipe, ours), expected)
    assert not torch.equal(session.view(index, recipe, ours), expected), "the generator has moved on"


class TestPredictions:
    def test_keeps_the_order_and_every_image(self, make_session):
        session = make_session(n=21)
        session.network.train()
        rows = session.predict(lambda network, images: images.flatten(1))
        assert torch.equal(rows, session.images.unaugmented(np.arange(21)).flatten(1))
        assert session.predict(lambda network, images: images.flatten(1), "test").shape == (5, 16)

    def test_of_some_images_in_the_order_of_their_positions(self, make_session):
        session, index = make_session(n=21), np.array([20, 3, 11, 4, 5, 6, 7, 8, 9])
        rows = session.predict(lambda network, images: images.flatten(1), index=index)
        assert torch.equal(rows, session.images.unaugmented(index).flatten(1))

    @pytest.mark.parametrize("training", [True, False])
    def test_runs_in_evaluation_mode_without_gradients_and_restores_the_mode(self, make_session, training):
        session = make_session()
        session.network.train(training)
        modes = []

        def function(network, images):
            modes.append((network.training, torch.is_grad_enabled()))
            return images.flatten(1)

        session.predict(function)
        assert modes == [(False, False)] * 3, "20 images in batches of 8"
        assert session.network.training is training

    def test_batches_follow_the_data_set_with_the_last_one_shorter(self, make_session):
        """A network that looks at its batch answers differently with another rest of the batch; the rest is fixed."""
        session, sizes = make_session(n=17), []

        def function(network, images):
            sizes.append(len(images))
            return images.flatten(1) - images.flatten(1).mean(0)

        rows = session.predict(function)
        assert sizes == [8, 8, 1]
        assert torch.allclose(rows[:8].mean(0), torch.zeros(16), atol=1e-5)
        assert torch.equal(rows[16], torch.zeros(16))
