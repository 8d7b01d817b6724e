"""MiCE: one contrastive expert per cluster, and a gate that says whose an image is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pcl import losses, networks, schedules
from pcl import seed as seeds
from pcl.engine.stage import DeepSettings, Optimizer, Probability, Stage
from pcl.limits import Needs
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class MiCESettings(DeepSettings):
    """Settings of MiCE.

    The learning rate rises over `warmup` epochs and falls to a tenth after each of the `milestones`. `queue` is the
    number of earlier embeddings that an image is told apart from; `momentum_encoder` how slowly the teacher follows.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 1.0
    weight_decay: NonNegativeFloat = 1e-4
    batch_size: int = Field(256, ge=2)
    epochs: PositiveInt = 1000
    warmup: NonNegativeInt = 10
    milestones: tuple[PositiveInt, ...] = (480, 640, 800)
    features: PositiveInt = 128
    queue: Annotated[PositiveInt, Needs("earlier embeddings of other images", more=1)] = 16384
    momentum_encoder: Probability = 0.999


class Method(base.DeepMethod):
    """Mixture of contrastive experts, trained by expectation maximisation on the fly.

    Source: Tsai, Li & Zhu, "MiCE: Mixture of contrastive experts for unsupervised image clustering", ICLR 2021;
    reference code TsungWeiTsai/MiCE@ddcce45.
    """

    version = 1
    supervised = False
    Settings = MiCESettings
    settings: MiCESettings

    def stages(self) -> list[Stage]:
        """One stage on three views: for the student's experts, for the teacher's, and for the gate."""
        s = self.settings
        schedule = partial(schedules.warm_steps, warmup=s.warmup, milestones=s.milestones)
        batches, optimiser = self.batches(views=("standard",) * 3), self.optimiser(schedule=schedule)
        return [self.stage("train", s.epochs, batches=batches, optimiser=optimiser)]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, experts, gate, teacher and memory."""
        s = self.settings
        return networks.experts.mixture_of_experts(s, channels, self.clusters, s.features, s.queue)

    def start_stage(self, session: Session) -> None:
        """Noise in the queue."""
        generator = seeds.torch_generator(session.seed, "queue", device=session.device.type)
        networks.experts.memory_of(session.network).start(generator)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """What gate and experts say of each image, and the teacher's embedding of it."""
        return networks.experts.judge(network, *batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """The negative evidence lower bound at the exact posterior."""
        return {"elbo": losses.experts.negative_elbo(outputs["log_pi"], outputs["log_phi"])}

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """The teacher follows; queue and prototypes take the batch in."""
        network = session.network
        for part in ("backbone", "experts"):
            slow = network.get_submodule(f"teacher.{part}")
            networks.momentum.follow(slow, network[part], self.settings.momentum_encoder)
        networks.experts.memory_of(network).add(outputs["v"], outputs["p"])

    def end_epoch(self, session: Session) -> bool:
        """New prototypes."""
        networks.experts.memory_of(session.network).end_epoch()
        return False

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The posterior, all three views being the image as it is; the queue is left alone."""
        return networks.experts.judge(network, images, images, images)["p"]

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
