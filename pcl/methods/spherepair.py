"""SpherePair: answers are about the angles between embeddings, and k-means on the sphere gives the clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pcl import losses, networks
from pcl import seed as seeds
from pcl.engine.known import Known
from pcl.engine.stage import Probability
from pcl.methods import pairwise

if TYPE_CHECKING:
    from torch import Tensor, nn


class SpherePairSettings(pairwise.PairSettings):
    """Settings of SpherePair.

    Attributes:
        embedding: D, the size of the embedding; the number of clusters where that is larger.
        reconstruction: λ, the weight of the autoencoder's error.
        layer_epochs: of the denoising autoencoder of each layer, one after another.
        pretrain_epochs: of all layers together, after that.
        masking: the share of values that is hidden from the autoencoder in pretraining.
        pretrain_lr: of SGD in pretraining.
        starts: of k-means on the sphere.
    """

    hidden: tuple[PositiveInt, ...] = (256, 256)
    embedding: PositiveInt = 10
    reconstruction: NonNegativeFloat = 0.02
    layer_epochs: NonNegativeInt = 0
    pretrain_epochs: NonNegativeInt = 50
    masking: Probability = 0.2
    pretrain_lr: PositiveFloat = 0.1
    starts: PositiveInt = 20


class Method(pairwise.PairLearner):
    """An autoencoder whose embedding's angles obey the answers, then k-means on the sphere.

    Without answers it is the autoencoder alone.

    Source: SpherePair, NeurIPS 2025, arXiv 2510.06907; spherepaircc/SpherePairCC@a6ab97a.
    """

    version = 1
    Settings = SpherePairSettings
    settings: SpherePairSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {
            "hidden": [500, 500, 2000],
            "layer_epochs": 300,
            "pretrain_epochs": 500,
            "pairs_per_epoch": None,
        }
    }

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """How alike an image and every centre are, s⁺, scaled to sum 1."""
        import torch

        rows = self.scaled(inputs)
        train = rows["train"]
        encoder, decoder = self._pretrained(inputs["train"], train, seed)
        sphere = losses.spherical

        def loss(pairs: Tensor, same: Tensor, images: Tensor) -> Tensor:
            said = sphere.pair_loss(encoder(train[pairs.T.flatten()]), same)
            seen = decoder(sphere.unit(encoder(train[images])))
            return said + self.settings.reconstruction * (seen - train[images]).square().mean()

        self.fit(torch.nn.ModuleList([encoder, decoder]), known, seed, loss, len(train))
        with torch.no_grad():
            found = {split: sphere.unit(encoder(own)) for split, own in rows.items()}
            centres = sphere.unit(torch.from_numpy(self._centres(found["train"].numpy(), seed)))
            alike = {split: sphere.alike(own @ centres.T) for split, own in found.items()}
        return {split: (own / own.sum(1, keepdim=True)).numpy() for split, own in alike.items()}

    def _centres(self, rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        """Of k-means on the sphere [K, D]."""
        from sklearn.cluster import KMeans

        state = seeds.derive(seed, "spherepair", "kmeans") % 2**32
        model = KMeans(self.clusters, n_init=self.settings.starts, random_state=state).fit(rows)
        return model.cluster_centers_.astype(np.float32)

    def _pretrained(self, rows: NDArray[np.float32], train: Tensor, seed: int) -> tuple[nn.Module, nn.Module]:
        """A copy of the autoencoder as it was before any answer, the same for all rounds of a run."""
        from copy import deepcopy

        if self._made is None or self._made[0] is not rows:
            self._made = rows, self._pretrain(train, seed)
        return deepcopy(self._made[1])

    def _pretrain(self, train: Tensor, seed: int) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder: a denoising autoencoder, layer by layer and then as a whole."""
        import torch

        s, sphere = self.settings, losses.spherical
        widths = [train.shape[1], *s.hidden, max(s.embedding, self.clusters)]
        with seeds.global_torch(seed, "spherepair", "weights"):
            encoder, decoder = (networks.dense.layers(way) for way in (widths, widths[::-1]))
        depth, rows = len(widths) - 1, train
        for layer in range(depth if s.layer_epochs else 0):
            # Of the ReLU behind a layer, the last of both directions has none.
            up, down = encoder[2 * layer : 2 * layer + 2], decoder[2 * (depth - 1 - layer) :][:2]
            inside = sphere.unit if layer == depth - 1 else torch.nn.Identity()
            self._denoise(up, down, inside, rows, s.layer_epochs, seed, layer)
            with torch.no_grad():
                rows = up(rows)
        self._denoise(encoder, decoder, sphere.unit, train, s.pretrain_epochs, seed, depth)
        return encoder, decoder

    def _denoise(
        self,
        up: nn.Module,
        down: nn.Module,
        inside: Callable[[Tensor], Tensor],
        rows: Tensor,
        epochs: int,
        seed: int,
        stage: int,
    ) -> None:
        """Train two networks to give back rows of which a share of the values is hidden."""
        import torch

        s, generator = self.settings, seeds.torch_generator(seed, "denoise", stage)
        optimizer = torch.optim.SGD([*up.parameters(), *down.parameters()], s.pretrain_lr, momentum=0.9, fused=True)
        for _ in range(epochs):
            for some in torch.randperm(len(rows), generator=generator).split(s.batch_size):
                masked = networks.dense.mask(rows[some], s.masking, generator)
                error = (down(inside(up(masked))) - rows[some]).square().mean()
                optimizer.zero_grad(set_to_none=True)
                error.backward()
                optimizer.step()

    _made: tuple[NDArray[np.float32], tuple[nn.Module, nn.Module]] | None = None
