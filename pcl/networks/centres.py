"""Cluster centres in an embedding, and where they start."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from pcl.types import Float, Tensor

VERSION = 2

SMALLEST_VARIANCE = 1e-4


class Centroids(nn.Module):
    """K trainable cluster centres in an embedding of D dimensions (DEC and its family)."""

    def __init__(self, clusters: int, features: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.zeros(clusters, features))

    def forward(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Squared distances to the centres."""
        return (z[:, None] - self.centres[None]).square().sum(2)

    def start(self, z: Float[np.ndarray, "N D"], seed: int) -> None:
        """Take the centres of the best of 20 k-means starts on the embedding of all training images."""
        from sklearn.cluster import KMeans

        found = KMeans(len(self.centres), n_init=20, random_state=seed % 2**32).fit(z).cluster_centers_
        with torch.no_grad():
            self.centres.copy_(torch.from_numpy(found))


class Mixture(nn.Module):
    """K Gaussians with trainable means and diagonal variances, and equal weights (VaDE, DC-GMM)."""

    def __init__(self, clusters: int, features: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.zeros(clusters, features))
        self.log_variances = nn.Parameter(torch.zeros(clusters, features))
        self.register_buffer("log_weights", torch.full((clusters,), -math.log(clusters)))

    def forward(self) -> tuple[Float[Tensor, "K D"], Float[Tensor, "K D"], Float[Tensor, " K"]]:
        """Means, log variances and log weights."""
        return self.means, self.log_variances, self.get_buffer("log_weights")

    def start(self, z: Float[np.ndarray, "N D"], seed: int) -> None:
        """Take means and variances of the best of three mixtures fitted to the embedding of all training images."""
        from sklearn.mixture import GaussianMixture

        model = GaussianMixture(
            len(self.means), covariance_type="diag", n_init=3, reg_covar=SMALLEST_VARIANCE, random_state=seed % 2**32
        )
        model.fit(z.astype(np.float64))
        with torch.no_grad():
            self.means.copy_(torch.from_numpy(model.means_))
            self.log_variances.copy_(torch.from_numpy(np.log(model.covariances_)))
            self.take_weights(torch.from_numpy(np.log(model.weights_)))

    def take_weights(self, logits: Float[Tensor, " K"]) -> None:
        """Nothing: they stay equal."""


class WeightedMixture(Mixture):
    """The same with trainable weights (VaDE)."""

    def __init__(self, clusters: int, features: int) -> None:
        super().__init__(clusters, features)
        self.logits = nn.Parameter(torch.zeros(clusters))

    def forward(self) -> tuple[Float[Tensor, "K D"], Float[Tensor, "K D"], Float[Tensor, " K"]]:
        """Means, log variances and log weights."""
        return self.means, self.log_variances, torch.log_softmax(self.logits, 0)

    def take_weights(self, logits: Float[Tensor, " K"]) -> None:
        """Those of the mixture that was fitted."""
        self.logits.copy_(logits)


def start(centres: nn.Module, z: Float[np.ndarray, "N D"], seed: int) -> None:
    """Place centroids, or a mixture, in the embedding of all training images."""
    assert isinstance(centres, Centroids | Mixture)
    centres.start(z, seed)


def narrow(inputs: int, outputs: int) -> nn.Linear:
    """A layer for the log variance of a posterior, which starts at −3 everywhere: narrow, so that means lead."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.constant_(layer.bias, -3.0)
    return layer
