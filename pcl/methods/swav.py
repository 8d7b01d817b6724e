"""SwAV: the code of one view, made of prototypes that are used equally, is told from another view."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pcl import losses, networks, schedules
from pcl.engine.stage import Optimizer, Stage
from pcl.limits import Needs
from pcl.methods import readout

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class SwAVSettings(readout.ReadoutSettings):
    """Settings of SwAV.

    `hidden` is the width of the projection; prototypes stand still for the first `frozen_epochs`. From epoch
    `queue_from` on, counted from 0, codes are made of a batch and the last `queue` embeddings of each view together.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.6
    weight_decay: NonNegativeFloat = 1e-6
    batch_size: int = Field(256, ge=2)
    epochs: PositiveInt = 200
    hidden: PositiveInt = 2048
    prototypes: PositiveInt = 300
    temperature: PositiveFloat = 0.1
    epsilon: PositiveFloat = 0.05
    sinkhorn_iterations: PositiveInt = 3
    frozen_epochs: NonNegativeInt = 1
    queue: Annotated[PositiveInt, Needs("earlier embeddings of other images", more=1)] = 3840
    queue_from: PositiveInt = 15


class Method(readout.Readout):
    """Swapping assignments between views, and k-means on what they have taught.

    Source: Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments", NeurIPS 2020;
    reference code facebookresearch/swav@06b1b7c.
    """

    version = 1
    Settings = SwAVSettings
    settings: SwAVSettings

    def stages(self) -> list[Stage]:
        """One stage under half a cosine."""
        s = self.settings
        falling = partial(schedules.smooth_cosine, epochs=s.epochs)
        return [self.stage("train", s.epochs, optimiser=self.optimiser(schedule=falling))]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, projection, prototypes and centres."""
        s, form = self.settings, networks.projection
        backbone, width = form.backbone(s, channels)
        head, prototypes = form.ProjectionHead(width, s.hidden, s.features), form.Prototypes(s.prototypes, s.features)
        return self.joined({"backbone": backbone, "instance": head, "prototypes": prototypes}, width)

    def start_stage(self, session: Session) -> None:
        """An empty queue for each view."""
        import torch

        shape = 2, self.settings.queue, self.settings.features
        session.state |= {"queue": torch.zeros(shape, device=session.device), "queued": torch.tensor(0)}

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z of both views [2, B, M], each of which passes the backbone by itself, and its scores [2, B, P]."""
        import torch

        seen = torch.cat([networks.heads.features(network, view) for view in batch.views])
        z = network["instance"](seen)
        scores = network["prototypes"](z, still=batch.epoch < self.settings.frozen_epochs)
        return {"z": torch.stack(z.chunk(2)), "scores": torch.stack(scores.float().chunk(2))}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Each view against the code of the other."""
        import torch

        s, scores, form = self.settings, outputs["scores"], losses.prototypes
        codes = []
        for view in (0, 1):
            seen = torch.cat([scores[view], self.earlier(view, batch, session)])
            codes.append(form.sinkhorn(seen, s.epsilon, s.sinkhorn_iterations)[: scores.shape[1]])
        return {"swapped": form.swapped_prediction(scores, torch.stack(codes), s.temperature)}

    def earlier(self, view: int, batch: Batch, session: Session) -> Tensor:
        """Scores of the queued embeddings of a view, with the prototypes as they are; none before `queue_from`."""
        there = batch.epoch >= self.settings.queue_from
        count = min(int(session.state["queued"]), self.settings.queue) if there else 0
        return session.network["prototypes"](session.state["queue"][view, :count]).detach()

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """Prototypes of unit length; the queues take the batch in."""
        import torch

        prototypes = networks.projection.prototypes_of(session.network, "prototypes")
        prototypes.place(prototypes.weight)
        z, at, size = outputs["z"], int(session.state["queued"]), self.settings.queue
        queues = [losses.contrastive.enqueue(session.state["queue"][v], at % size, z[v])[0] for v in (0, 1)]
        session.state |= {"queue": torch.stack(queues), "queued": torch.tensor(at + z.shape[1])}
