"""What the training loop asks of a method: a network, its losses, and hooks that do nothing unless overridden."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.sampler import Batch
    from pcl.engine.session import Session


class Trainable(Protocol):
    """A network that is trained batch by batch."""

    @abstractmethod
    def build(self, channels: int) -> nn.ModuleDict:
        """A fresh network for images of so many channels."""

    @abstractmethod
    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """What the losses need.

        Where questions are asked in batches, `z` [R, M], the rows of all views, and `p` [R, K], their probabilities.
        """

    @abstractmethod
    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Named scalar terms, weighted; their sum is minimised."""

    @abstractmethod
    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """Cluster probabilities [B, K] of unaugmented images [B, C, S, S]."""

    @abstractmethod
    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """Features [B, D] of unaugmented images [B, C, S, S]."""

    def start_stage(self, session: Session) -> None:
        """Called before the first epoch of a stage: centres, prototypes, banks."""

    def start_epoch(self, session: Session) -> None:
        """Called before every epoch: targets computed over the whole set.

        Must depend on nothing but the network and `session.state`, so that a resumed epoch begins alike.
        """

    def prepare(self, batch: Batch, session: Session) -> None:
        """Called before every step: what a batch needs besides its own images, such as views of neighbours."""

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """Called after every update, without gradient: moving averages, queues, banks."""

    def end_epoch(self, session: Session) -> bool:
        """Called after every epoch; True ends the stage early, once the budget is spent. Never decided by labels."""
        return False

    def start_evaluation(self, session: Session) -> None:
        """Called before images are assigned, for the history and at the end, without gradient.

        Must leave what training goes on from as it is: how often a run is evaluated changes no weight.
        """
