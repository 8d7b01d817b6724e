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
    Settings = ClassifierSettings
    settings: ClassifierSettings

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """The soft maximum of the decision values, or the probabilities of the logistic model."""
        placed = self.neighbourhoods(known)
        if placed.count == 1:
            return {
                split: np.eye(self.clusters, dtype=np.float32)[np.zeros(len(x), int)] for split, x in inputs.items()
            }
        rows = inputs["train"][placed.images]
        if self.settings.model == "svm":
            machine = margins.fitted(rows, placed.which, self.settings.c)
            return {split: margins.probabilities(machine, own, self.clusters) for split, own in inputs.items()}
        return self._logistic(rows, placed.which, inputs)

    def _logistic(
        self, rows: NDArray[np.float32], which: NDArray[np.int64], inputs: dict[str, NDArray[np.float32]]
    ) -> dict[str, NDArray[np.float32]]:
        """p [N, K]; clusters without a placed image have none."""
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=self.settings.c, max_iter=1000).fit(rows, which)
        found = {split: np.zeros((len(own), self.clusters), np.float32) for split, own in inputs.items()}
        for split, own in inputs.items():
            found[split][:, model.classes_] = model.predict_proba(own)
        return found
