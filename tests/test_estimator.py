"""The estimator: scikit-learn's own checks, and a person who knows digits."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from pcl.constraints import Contradiction
from pcl.estimator import PersonalizedClustering

OF_DIGIT = np.array([0, 1, 0, 1, 1, 2, 1, 2, 1, 1])  # a split that no table shows


@pytest.fixture(scope="module")
def digits():
    images, digit = load_digits(return_X_y=True)
    return images.astype(np.float32), OF_DIGIT[digit]


CHECKS = list(estimator_checks_generator(PersonalizedClustering(n_clusters=3)))


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=[check.func.__name__ for _, check in CHECKS])
def test_it_is_an_estimator_as_scikit_learn_checks_them(estimator, check):
    check(estimator)


@pytest.mark.parametrize("clusters", [3, None])
def test_sixty_answers_sort_digits_as_the_oracle_wants_them(digits, clusters):
    rows, wanted = digits
    seen, unseen = slice(0, 1200), slice(1200, None)
    model = PersonalizedClustering(clusters, budget=60)
    model.fit(rows[seen], oracle=lambda i, j: bool(wanted[i] == wanted[j]))
    assert model.asked_ == 60
    assert model.n_clusters_ == 3
    names = np.array([np.bincount(wanted[seen][model.labels_ == own]).argmax() for own in range(3)])
    assert accuracy_score(wanted[seen], names[model.labels_]) > 0.95
    assert accuracy_score(wanted[unseen], names[model.predict(rows[unseen])]) > 0.9


def test_questions_one_by_one_are_those_of_an_oracle(digits):
    rows, wanted = digits[0][:400], digits[1][:400]
    whole = PersonalizedClustering(budget=25).fit(rows, oracle=lambda i, j: bool(wanted[i] == wanted[j]))
    steps = PersonalizedClustering(budget=25).fit(rows)
    while steps.asked_ < 25:
        (i, j), *_ = steps.next_questions()
        steps.answer(i, j, bool(wanted[i] == wanted[j]))
    assert steps.answers_ == whole.answers_
    assert (steps.labels_ == whole.labels_).all()


def test_links_hold_and_contradictions_are_refused(digits):
    rows = digits[0][:100]
    model = clone(PersonalizedClustering(2)).fit(rows, must_link=[(0, 1), (1, 2)], cannot_link=[(2, 3)])
    assert len(set(model.labels_[:3])) == 1
    assert model.labels_[3] != model.labels_[0]
    with pytest.raises(Contradiction):
        model.answer(0, 3, True)


def test_images_are_compared_by_their_pixels(digits):
    images = (digits[0][:100].reshape(-1, 8, 8, 1) * 15).astype(np.uint8)
    model = PersonalizedClustering(2).fit(images, must_link=[(0, 1)], cannot_link=[(0, 2)])
    assert model.predict_proba(images).sum(1) == pytest.approx(1)
