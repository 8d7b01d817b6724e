"""CODAC: an embedding in which images are near to the medoid of their group, and away from those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pcl import losses, networks
from pcl import seed as seeds
from pcl.engine.known import Known
from pcl.errors import UserError
from pcl.methods import base
from pcl.neighbourhoods import distances
from pcl.strategies import codac
from pcl.strategies.base import Choice

if TYPE_CHECKING:
    from torch import Tensor, nn


class CODACSettings(base.LearnerSettings):
    """Settings of CODAC's network.

    Attributes:
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        embedding: D, dimensions.
        pretrain_epochs: passes over all images that only reconstruct them; δ_m and δ_c are read off after these.
        epochs: passes with what the answers say, at most.
        patience: passes in a row that meet all constraints, after which training ends.
        reconstruction: weight of the reconstruction beside the constraints.
        sharpness: ω of the soft minimum.
        lr: of Adam.
        batch_size: images in a step.
    """

    strategy: base.Chosen | None = Choice.of("codac")
    hidden: tuple[PositiveInt, ...] = (128, 128)
    embedding: PositiveInt = 10
    pretrain_epochs: NonNegativeInt = 20
    epochs: PositiveInt = 50
    patience: PositiveInt = 10
    reconstruction: NonNegativeFloat = 0.01
    sharpness: PositiveFloat = 10.0
    lr: PositiveFloat = 1e-3
    batch_size: PositiveInt = 256


class Method(base.Learner):
    """An autoencoder whose embedding obeys the answers about medoids; an image is in the group of the nearest one.

    Source: edahelsinki/codac@bce4e51 (2026), by its code.
    Differs: K bounds the groups; the network is trained anew in every round, from the weights that reconstruction
    alone has given; medoids and the two distances follow from all that is known, not from the first phase only.
    """

    version = 1
    finds_clusters = True
    Settings = CODACSettings
    settings: CODACSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {"release": {"epochs": 100, "patience": 30, "lr": 1e-4}}

    def cluster(
        self, inputs: dict[str, NDArray[np.float32]], known: Known, seed: int
    ) -> dict[str, NDArray[np.float32]]:
        """p ∝ 1/d, d the distances to the medoids; clusters without a medoid have none."""
        import torch

        groups, raw = self.neighbourhoods(known), inputs["train"]
        middle, scale = raw.mean(0), max(float(raw.std(0).mean()), 1e-12)
        rows = {split: torch.from_numpy((own - middle) / np.float32(scale)) for split, own in inputs.items()}
        medoid = torch.from_numpy(codac.medoids(raw, groups))
        encoder, decoder = self._pretrained(raw, rows["train"], seed)
        if groups.count > 1:
            must = np.zeros((len(raw), groups.count), dtype=bool)
            must[groups.images, groups.which] = True
            cannot = codac.differing(known.closed, groups)
            self._fit(encoder, decoder, rows["train"], medoid, torch.from_numpy(must), torch.from_numpy(cannot), seed)
        found = {}
        with torch.no_grad():
            centres = encoder(rows["train"][medoid])
            for split, own in rows.items():
                weight = 1 / np.maximum(distances(encoder(own).numpy(), centres.numpy()), 1e-6)
                p = (weight / weight.sum(1, keepdims=True)).astype(np.float32)
                found[split] = np.pad(p, ((0, 0), (0, self.width(groups) - groups.count)))
        return found

    def _pretrained(self, raw: NDArray[np.float32], rows: Tensor, seed: int) -> tuple[nn.Module, nn.Module]:
        """Encoder and decoder after reconstruction, which is done once for all rounds of a run."""
        import copy

        if self._made is None or self._made[0] is not raw:
            widths = [rows.shape[1], *self.settings.hidden, self.settings.embedding]
            with seeds.global_torch(seed, "weights"):
                parts = networks.dense.layers(widths), networks.dense.layers(widths[::-1])
            self._train(*parts, rows, self.settings.pretrain_epochs, seed, "pretrain", lambda: {})
            self._made = raw, *parts
        return copy.deepcopy(self._made[1]), copy.deepcopy(self._made[2])

    _made: tuple[NDArray[np.float32], nn.Module, nn.Module] | None = None

    def _fit(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        rows: Tensor,
        medoid: Tensor,
        must: Tensor,
        cannot: Tensor,
        seed: int,
    ) -> None:
        """Learn what the answers say; they are few, so every step sees all of them."""
        import torch

        s = self.settings
        said = (must | cannot).any(1).nonzero()[:, 0]
        must, cannot = must[said], cannot[said]
        with torch.no_grad():
            centres = encoder(rows[medoid]).numpy()
        apart = distances(centres, centres)[np.triu_indices(len(centres), 1)]
        near, far = float(apart.min() / 3) ** 2, float(apart.mean()) ** 2

        def answers() -> dict[str, Tensor]:
            squares = (encoder(rows[said])[:, None] - encoder(rows[medoid])).square().sum(2)
            return losses.medoids.medoid_losses(squares, must, cannot, near, far, s.embedding, s.sharpness)

        self._train(encoder, decoder, rows, s.epochs, seed, "train", answers)

    def _train(
        self, encoder: nn.Module, decoder: nn.Module, rows: Tensor, epochs: int, seed: int, stage: str, answers: Any
    ) -> None:
        """Passes over all images, with what the answers say in every step."""
        import torch

        s, met = self.settings, 0
        generator = seeds.torch_generator(seed, "codac", stage)
        adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=s.lr, fused=True)
        for epoch in range(1, epochs + 1):
            short = 0.0
            for some in torch.randperm(len(rows), generator=generator).split(s.batch_size):
                wrong = (decoder(encoder(rows[some])) - rows[some]).square().mean()
                terms = sum(answers().values(), torch.zeros(()))
                adam.zero_grad(set_to_none=True)
                (s.reconstruction * wrong + terms).backward()
                adam.step()
                short += float(terms.detach())
            if not np.isfinite(short):
                raise UserError(f"epoch {epoch}: the loss is not a number; lower lr for this arm")
            met = met + 1 if short == 0 else 0
            if stage == "train" and met == s.patience:
                return
