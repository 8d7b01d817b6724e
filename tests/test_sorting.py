"""Which learner sorts pictures, decided on the placed ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcl.constraints import Constraints
from pcl.sorting import FOLDS, Sorter, _dealt

NOISE = 40  # columns that say nothing, and are as loud as the two that do


def placed(sorter, groups, images):
    """What answers say that put some images where they belong."""
    known = Constraints(len(groups))
    first: dict[int, int] = {}
    for image in images:
        own = first.setdefault(int(groups[image]), image)
        for other in first.values():
            if image != other:
                known.add(other, image, other == own)
    return sorter.placed(known)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_machine_sorts_where_most_of_what_differs_is_not_meant_even_with_a_picture_alone_in_its_group(noise, alone):
    rng = np.random.default_rng(0)
    groups = np.arange(600) % 3
    rows = np.hstack(
        [np.eye(3)[groups] * 1.5 + rng.normal(0, 0.3, (600, 3)), rng.normal(0, noise + 1e-3, (600, NOISE))]
    )
    if alone:
        groups[0] = 3
    sorter = Sorter(rows)
    chosen = [image for image in range(150) if alone or image]
    found = sorter.sort(placed(sorter, groups, chosen))
    assert (found.machine is not None) == bool(noise)
    free = np.setdiff1d(np.arange(600), found.placed.images)
    where = {own: groups[members[0]] for own, members in enumerate(found.placed.members())}
    assert np.mean([where[own] == groups[image] for own, image in zip(found.labels[free], free, strict=True)]) > 0.9


def test_few_pictures_decide_nothing():
    sorter = Sorter(np.random.default_rng(0).normal(size=(30, 4)))
    groups = np.arange(30) % 2
    assert sorter.sort(placed(sorter, groups, range(2 * FOLDS - 1))).kept is None
    assert sorter.sort(placed(sorter, groups, range(2 * FOLDS))).kept is not None


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(0, 3))
def test_no_group_is_held_out_as_a_whole_and_folds_are_alike(which, seed):
    which = np.array(which)
    fold = _dealt(which, seed)
    for own in np.unique(which):
        assert (which == own).sum() == 1 or len(np.unique(fold[which == own])) > 1
    sizes = np.bincount(fold, minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 1
