"""A classifier of representations, fitted to the placed images."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat

from pcl import margins
from pcl.engine.known import Known
from pcl.methods import base


class ClassifierSettings(base.LearnerSettings):
    """Settings of the classifier: which `model`, and its inverse regularisation `c`."""

    model: Literal["svm", "logistic"] = "svm"
    c: PositiveFloat = 10.0


class Method(base.Learner):
    """A support vector machine with an RBF kernel (γ = 1 / (D · variance)), or logistic regression.

    Source: Cortes and Vapnik 1995; scikit-learn's SVC and LogisticRegression.
    """

    version = 1
    finds_clusters = True
    Settings = ClassifierSettings
    settings: ClassifierSettings

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """The soft maximum of the decision values, or the probabilities of the logistic model."""
        from sklearn.linear_model import LogisticRegression

        placed = self.neighbourhoods(known)
        width, images, which = self.width(placed), placed.images, placed.which
        if placed.count == 1:
            one_hot = np.eye(width, dtype=np.float32)
            return {split: one_hot[np.zeros(len(rows), int)] for split, rows in inputs.items()}
        if self.settings.model == "svm":
            machine = margins.fitted(inputs["train"][images], which, self.settings.c)
            return {split: margins.probabilities(machine, rows, width) for split, rows in inputs.items()}
        logistic = LogisticRegression(C=self.settings.c, max_iter=1000).fit(inputs["train"][images], which)
        found = {split: np.zeros((len(rows), width), np.float32) for split, rows in inputs.items()}
        for split, rows in inputs.items():
            found[split][:, logistic.classes_] = logistic.predict_proba(rows)
        return found
