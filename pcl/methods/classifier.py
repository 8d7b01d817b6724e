"""A classifier of representations, fitted to the placed images."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveFloat

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
        placed = self.neighbourhoods(known)
        if placed.count == 1:
            one_hot = np.eye(self.width(placed), dtype=np.float32)
            return {split: one_hot[np.zeros(len(rows), int)] for split, rows in inputs.items()}
        model = self._model().fit(inputs["train"][placed.images], placed.which)
        return {split: self._probabilities(model, rows, self.width(placed)) for split, rows in inputs.items()}

    def _model(self) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.svm import SVC

        if self.settings.model == "svm":
            return SVC(C=self.settings.c)
        return LogisticRegression(C=self.settings.c, max_iter=1000)

    def _probabilities(self, model: Any, rows: NDArray[np.float32], width: int) -> NDArray[np.float32]:
        """p [N, K]; clusters without a placed image have none."""
        from scipy.special import softmax

        found = np.zeros((len(rows), width), np.float32)
        if self.settings.model == "logistic":
            found[:, model.classes_] = model.predict_proba(rows)
            return found
        value = model.decision_function(rows)
        value = np.stack([-value, value], axis=1) if value.ndim == 1 else value
        found[:, model.classes_] = softmax(value, axis=1)
        return found
