"""FixMatch: a classifier taught by the images whose cluster the answers tell, and by its own sure labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pcl import networks
from pcl.engine.stage import Optimizer, Probability, Questions, Stage
from pcl.methods import base, consistency
from pcl.strategies.base import Choice, Chosen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class FixMatchSettings(base.Asking):
    """Settings of FixMatch: `labelled_batch` placed images and `batch_size` of all in a step.

    A label that the classifier gives itself counts from a probability of `threshold` on. `average` is the momentum
    of the moving average that assigns: a run of few steps needs a lower one.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.03
    weight_decay: NonNegativeFloat = 5e-4
    batch_size: int = Field(192, ge=2)
    labelled_batch: PositiveInt = 64
    threshold: Probability = 0.95
    average: Probability = 0.999
    strategy: Chosen = Choice.of("typical")


class Method(base.AskingMethod, consistency.Consistency):
    """FixMatch, where images that the answers place are the labelled ones; everything is asked before the first step.

    Source: Sohn et al., "FixMatch: simplifying semi-supervised learning with consistency and confidence", NeurIPS
    2020; Basu, Banerjee and Mooney, SDM 2004, for the neighbourhoods.
    """

    version = 1
    Settings = FixMatchSettings
    settings: FixMatchSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {"optimizer": "sgd", "lr": 0.03, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 192}
    }

    def stages(self) -> list[Stage]:
        """One, which asks first."""
        s = self.settings
        questions = Questions(first=self.budget, by=None if s.strategy.name == "random" else s.strategy)
        rate = {"name": s.optimizer, "lr": s.lr, "weight_decay": s.weight_decay}
        return [self.classifier_stage("train", s.epochs, questions, nesterov=s.momentum > 0, **rate)]

    @property
    def classifying(self) -> consistency.Classifying:
        """As the settings say."""
        s = self.settings
        return consistency.Classifying(s.labelled_batch, s.batch_size, s.threshold, s.average)

    def build(self, channels: int) -> nn.ModuleDict:
        """The classifier and its average."""
        return networks.spice.classifier_only(self.settings, channels, self.clusters)

    def start_stage(self, session: Session) -> None:
        """The placed images and their clusters.

        Raises:
            UserError: there are none.
        """
        import torch

        placed = self.neighbourhoods(session.known)
        for name, values in ((consistency.RELIABLE, placed.images), (consistency.CLUSTERS, placed.which)):
            session.state[name] = torch.from_numpy(np.ascontiguousarray(values)).to(session.device)
        session.network.get_buffer("classifier.ready").fill_(True)
        session.network["average"].load_state_dict(session.network["classifier"].state_dict())

    def prepare(self, batch: Batch, session: Session) -> None:
        """Placed images beside a batch of all."""
        self.add_reliable(batch, session)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """Logits of weak, strong and labelled views."""
        return networks.spice.classified(network["classifier"], batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Placed images, and the classifier's sure labels."""
        return self.consistency(outputs, batch)

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """The average follows."""
        self.average(session.network)

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The average classifier's answer."""
        return network["average"](images).softmax(1)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The features that clusters are read from."""
        return networks.heads.features(network["average"], images)
