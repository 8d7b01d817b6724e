"""Every image goes to the cluster of the nearest image that is placed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcl.engine.known import Known
from pcl.methods import base


class Method(base.Learner):
    """The nearest placed image decides: the floor under everything that learns from answers, without a setting.

    Source: Cover and Hart 1967; scikit-learn's KNeighborsClassifier.
    """

    version = 1
    finds_clusters = True

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """One-hot assignments."""
        from sklearn.neighbors import KNeighborsClassifier

        placed = self.neighbourhoods(known)
        model = KNeighborsClassifier(1, algorithm="brute").fit(inputs["train"][placed.images], placed.which)
        one_hot = np.eye(self.width(placed), dtype=np.float32)
        return {split: one_hot[model.predict(rows)] for split, rows in inputs.items()}
