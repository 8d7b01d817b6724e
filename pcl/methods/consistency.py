"""What FixMatch and SPICE's last stage share: a classifier taught by reliable labels and by its own sure ones."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pcl import losses, networks, schedules
from pcl.engine.stage import Questions, Stage
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.sampler import Batch
    from pcl.engine.session import Session

RELIABLE, CLUSTERS = "reliable", "clusters"


class Classifying(NamedTuple):
    """Numbers of the stage.

    Attributes:
        labelled: reliable images in a batch.
        unlabelled: of all images.
        threshold: what the probability on a weak view must reach.
        momentum: of the average that assigns.
    """

    labelled: int
    unlabelled: int
    threshold: float
    momentum: float


class Consistency(base.DeepMethod):
    """A method with such a stage: weak and strong views of all images, and weak ones of the reliable images.

    The network has the parts `classifier` and `average`. Before the first step `session.state` gets the reliable
    images and their clusters, "reliable" and "clusters" [M].
    """

    @property
    @abstractmethod
    def classifying(self) -> Classifying:
        """The numbers that the settings say."""

    def classifier_stage(self, name: str, epochs: int, questions: Questions | None = None, /, **rate: Any) -> Stage:
        """The stage as FixMatch trains, unless `rate` says otherwise: Nesterov's SGD along 7/16 of a cosine."""
        falling = partial(schedules.fixmatch, epochs=epochs)
        said = {"name": "sgd", "nesterov": True, "weight_decay": 5e-4, "schedule": falling}
        optimiser = self.optimiser(**{**said, **rate})
        batches = self.batches(size=self.classifying.unlabelled, views=("weak", "strong"))
        return self.stage(name, epochs, batches=batches, optimiser=optimiser, questions=questions or Questions())

    def add_reliable(self, batch: Batch, session: Session) -> None:
        """Weak views of some reliable images beside a batch of all."""
        drawn = networks.spice.draw(len(session.state[RELIABLE]), self.classifying.labelled, batch.generator)
        index = session.state[RELIABLE][drawn].cpu().numpy()
        batch.views.append(session.view(index, "weak", batch.generator))
        batch.more[CLUSTERS] = session.state[CLUSTERS][drawn]

    def consistency(self, outputs: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Reliable labels, and the classifier's sure ones."""
        from torch.nn.functional import cross_entropy

        pseudo = losses.pseudo
        return {
            "reliable": cross_entropy(outputs["labelled"], batch.more[CLUSTERS]),
            "consistency": pseudo.consistency(outputs["weak"], outputs["strong"], self.classifying.threshold),
        }

    def average(self, network: nn.ModuleDict) -> None:
        """Let the average follow the classifier."""
        networks.momentum.follow(network["average"], network["classifier"], self.classifying.momentum, buffers=True)
