"""GCC: contrast with the neighbours of an image in a graph of the whole set."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pcl import losses, networks, schedules
from pcl.engine.stage import DeepSettings, Optimizer, Stage
from pcl.limits import Needs
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


class GCCSettings(DeepSettings):
    """Settings of GCC.

    From epoch `graph_from` on, counted from 0, images are contrasted with `graph_views` of their `neighbours`, found
    anew every `graph_every` epochs in the mean of the last `bank` embeddings. `self_term` keeps the anchor in its own
    denominator, as released.
    """

    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.4
    weight_decay: NonNegativeFloat = 1e-4
    batch_size: int = Field(256, ge=2)
    epochs: PositiveInt = 1000
    features: PositiveInt = 128
    temperature: PositiveFloat = 0.1
    self_term: bool = True
    graph_from: PositiveInt = 51
    graph_every: PositiveInt = 5
    neighbours: Annotated[PositiveInt, Needs("neighbours of an image", more=1)] = 5
    graph_views: PositiveInt = 3
    bank: PositiveInt = 4
    representation_weight: NonNegativeFloat = 2.0
    entropy_weight: NonNegativeFloat = 2.0

    @model_validator(mode="after")
    def _views_are_there(self) -> Self:
        if self.graph_views > self.neighbours + 1:
            raise ValueError(
                f"graph_views: {self.graph_views}, but an image and its {self.neighbours} neighbours are fewer"
            )
        return self


class Method(base.DeepMethod):
    """Graph contrastive clustering: neighbours share their representation and their cluster.

    Source: Zhong et al., "Graph contrastive clustering", ICCV 2021; reference code mynameischaos/GCC@530c11b.
    """

    version = 1
    supervised = False
    Settings = GCCSettings
    settings: GCCSettings

    def stages(self) -> list[Stage]:
        """One stage, in which the graph comes in after some epochs."""
        s = self.settings
        falling = self.optimiser(schedule=partial(schedules.cosine, epochs=s.epochs))
        return [self.stage("train", s.epochs, optimiser=falling)]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, instance head and a linear cluster head."""
        s = self.settings
        return networks.heads.contrastive_network(s, channels, self.clusters, s.features, linear=True)

    def start_stage(self, session: Session) -> None:
        """An empty bank of embeddings."""
        import torch

        s = self.settings
        session.state["bank"] = torch.zeros(s.bank, session.size, s.features, device=session.device)

    def start_epoch(self, session: Session) -> None:
        """The graph: every image's nearest ones in the mean of its last embeddings, and their weights."""
        s, since = self.settings, session.epoch - self.settings.graph_from
        if since >= 0 and since % s.graph_every == 0:
            graph = losses.graph.neighbours(session.state["bank"][: session.epoch].mean(0), s.neighbours)
            session.state |= {"graph": graph, "weights": losses.graph.degree_weights(graph)}

    def prepare(self, batch: Batch, session: Session) -> None:
        """Views of the first neighbours, and of one drawn from all of them."""
        if "graph" not in session.state:
            return
        columns = session.state["graph"][batch.rows]
        first = columns[:, : self.settings.graph_views].T
        batch.more["weights"] = session.state["weights"][first]
        for index in (*first, networks.graph.draw_neighbour(columns, batch.generator)):
            batch.views.append(session.view(index.cpu().numpy(), "standard", batch.generator))

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z of every view; p of the first and of the drawn neighbour."""
        return networks.graph.contrasted(network, batch.views)

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Contrast of representations; once there is a graph, with neighbours, and contrast of assignments."""
        s, form, z = self.settings, losses.graph, outputs["z"]
        if "weights" not in batch.more:
            contrast = form.pretext_contrast(z[0], z[1], s.temperature, s.self_term)
            return {"representation": s.representation_weight * contrast}
        contrast = form.graph_contrast(z[0], z[1], z[2:], batch.more["weights"], s.temperature, s.self_term)
        assignment = form.assignment_contrast(outputs["p"], outputs["p_neighbour"], s.entropy_weight)
        return {"representation": s.representation_weight * contrast, "assignment": assignment}

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """The bank takes in the embeddings of the second views."""
        session.state["bank"][session.epoch % self.settings.bank, batch.rows] = outputs["z"][1]

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
