"""IDFD: every image a class of its own, told by features that do not repeat each other; k-means in the end."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import losses, networks, schedules
from pcl import seed as seeds
from pcl.engine.stage import Optimizer, Probability, Stage
from pcl.methods import readout

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class IDFDSettings(readout.ReadoutSettings):
    """Settings of IDFD.

    The learning rate falls to a tenth after each of the `milestones`. `memory_momentum` is how much of what was
    remembered of an image stays; `decorrelation_weight` the weight of the second term, 0 being instance
    discrimination alone.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.03
    weight_decay: NonNegativeFloat = 5e-4
    batch_size: int = Field(128, ge=2)
    epochs: PositiveInt = 2000
    milestones: tuple[PositiveInt, ...] = (600, 950, 1300, 1650)
    temperature: PositiveFloat = 1.0
    decorrelation_temperature: PositiveFloat = 2.0
    decorrelation_weight: NonNegativeFloat = 1.0
    memory_momentum: Probability = 0.5
    read: Literal["features", "projection"] = "projection"


class Method(readout.Readout):
    """Instance discrimination and feature decorrelation, and k-means on what they have learned.

    Source: Tao, Takagi & Nakata, "Clustering-friendly representation learning via instance discrimination and feature
    decorrelation", ICLR 2021; reference code TTN-YKK/Clustering_friendly_representation_learning@9ea5ce7.
    """

    version = 1
    Settings = IDFDSettings
    settings: IDFDSettings

    def stages(self) -> list[Stage]:
        """One stage on one view of every image."""
        s = self.settings
        steps = partial(schedules.warm_steps, warmup=0, milestones=s.milestones)
        batches, optimiser = self.batches(views=("standard",)), self.optimiser(schedule=steps)
        return [self.stage("train", s.epochs, batches=batches, optimiser=optimiser)]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, a linear projection and centres."""
        backbone, width = networks.projection.backbone(self.settings, channels)
        head = networks.projection.LinearHead(width, self.settings.features)
        return self.joined({"backbone": backbone, "instance": head}, width)

    def start_stage(self, session: Session) -> None:
        """Noise in the memory, uniform within ±√(3/M)."""
        import torch

        generator = seeds.torch_generator(session.seed, "memory", device=session.device.type)
        noise = torch.rand(session.size, self.settings.features, generator=generator, device=generator.device)
        session.state["memory"] = (2 * noise - 1) * math.sqrt(3 / self.settings.features)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """f of the view."""
        return {"f": network["instance"](networks.heads.features(network, batch.views[0]))}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Which image it is, and which feature is which."""
        s, form, memory = self.settings, losses.instance, session.state["memory"]
        index = batch.rows.to(memory.device)
        decorrelation = form.feature_decorrelation(outputs["f"], s.decorrelation_temperature)
        return {
            "instance": form.instance_discrimination(outputs["f"], memory, index, s.temperature),
            "decorrelation": s.decorrelation_weight * decorrelation,
        }

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """The memory takes the batch in."""
        memory, s = session.state["memory"], self.settings
        memory[batch.rows] = losses.instance.remembered(memory[batch.rows], outputs["f"], s.memory_momentum)
