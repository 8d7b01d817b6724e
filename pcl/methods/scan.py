"""SCAN: contrast finds neighbours, neighbours make clusters, and the surest images teach them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from pcl import losses, networks, schedules
from pcl.engine.stage import DeepSettings, Optimizer, Probability, Stage
from pcl.limits import Needs
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session

CONTRAST, CLUSTER, LABEL = "contrast", "cluster", "label"


class SCANSettings(DeepSettings):
    """Settings of SCAN's stages: `contrast_…` SimCLR, `lr` and `epochs` the clustering, `label_…` self-labelling.

    `label_epochs` 0 ends with the clustering.
    """

    lr: PositiveFloat = 1e-4
    weight_decay: NonNegativeFloat = 1e-4
    epochs: PositiveInt = 50
    batch_size: int = Field(128, ge=2)
    features: PositiveInt = 128
    contrast_epochs: PositiveInt = 500
    contrast_optimizer: Optimizer = "sgd"
    contrast_lr: PositiveFloat = 0.4
    contrast_batch: int = Field(512, ge=2)
    temperature: PositiveFloat = 0.1
    neighbours: Annotated[PositiveInt, Needs("neighbours of an image", more=1)] = 20
    entropy_weight: NonNegativeFloat = 5.0
    label_epochs: NonNegativeInt = 200
    label_lr: PositiveFloat = 1e-4
    label_batch: int = Field(1000, ge=2)
    threshold: Probability = 0.99


class Method(base.DeepMethod):
    """Semantic clustering by adopting nearest neighbours, in three stages.

    Source: Van Gansbeke et al., "SCAN: Learning to classify images without labels", ECCV 2020; reference code
    wvangansbeke/Unsupervised-Classification@952ec31.
    """

    version = 1
    supervised = False
    layers = ("instance", "cluster")
    Settings = SCANSettings
    settings: SCANSettings
    pretraining = base.SharedStages(
        name="scan",
        version=1,
        module=__name__,
        on="dataset",
        later_settings=frozenset(SCANSettings.model_fields)
        - {"image_size", "backbone", "augmentation", "momentum", "clip", "features", "temperature"}
        - {name for name in SCANSettings.model_fields if name.startswith("contrast_")},
        parts=("backbone", "instance"),
    )

    def stages(self) -> list[Stage]:
        """SimCLR; clusters of neighbours; clusters of the surest."""
        s = self.settings
        falling = partial(schedules.cosine, epochs=s.contrast_epochs)
        optimiser = self.optimiser(name=s.contrast_optimizer, lr=s.contrast_lr, weight_decay=1e-4, schedule=falling)
        batches = self.batches(size=s.contrast_batch)
        contrast = self.stage(CONTRAST, s.contrast_epochs, batches=batches, optimiser=optimiser, pretraining=True)
        cluster = self.stage(CLUSTER, s.epochs, batches=self.batches(views=("strong",)))
        if not s.label_epochs:
            return [contrast, cluster]
        batches = self.batches(size=s.label_batch, views=("strong",))
        label = self.stage(LABEL, s.label_epochs, batches=batches, optimiser=self.optimiser(lr=s.label_lr))
        return [contrast, cluster, label]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone, instance head and a linear cluster head."""
        s = self.settings
        return networks.heads.contrastive_network(s, channels, self.clusters, s.features, linear=True)

    def start_stage(self, session: Session) -> None:
        """Every image and its nearest ones in what contrast has learned."""
        if session.stage.name == CLUSTER:
            z = session.predict(lambda network, images: network["instance"](self.embed(network, images)))
            near = losses.graph.neighbours(z.to(session.device), self.settings.neighbours)
            session.state["graph"] = near.cpu()

    def prepare(self, batch: Batch, session: Session) -> None:
        """A view of a neighbour of each image; or the images as they are."""
        if batch.stage == CLUSTER:
            drawn = networks.graph.draw_neighbour(session.state["graph"][batch.rows], batch.generator)
            batch.views.append(session.view(drawn.numpy(), "strong", batch.generator))
        elif batch.stage == LABEL:
            batch.more["weak"] = session.images.unaugmented(batch.index)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """z of two views that pass the network as one batch; p of image and neighbour; logits of both views."""
        import torch

        if batch.stage == CONTRAST:
            z = network["instance"](self.embed(network, torch.cat(batch.views)))
            return dict(zip(("first", "second"), z.chunk(2), strict=True))
        if batch.stage == CLUSTER:
            p = [network["cluster"](self.embed(network, view)) for view in batch.views]
            return dict(zip(("p", "neighbour"), p, strict=True))
        with torch.no_grad():
            weak = networks.heads.cluster_logits(network, batch.more["weak"])
        return {"weak": weak, "strong": networks.heads.cluster_logits(network, batch.views[0])}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Contrast; consistency with neighbours and balance; sure labels."""
        s = self.settings
        if batch.stage == CONTRAST:
            pair = outputs["first"], outputs["second"]
            return {"contrast": losses.graph.pretext_contrast(*pair, s.temperature, self_term=False)}
        if batch.stage == CLUSTER:
            return {
                "consistency": losses.pseudo.neighbour_consistency(outputs["p"], outputs["neighbour"]),
                "balance": s.entropy_weight * losses.contrastive.balance(outputs["p"]),
            }
        return {"labels": losses.pseudo.confident_labels(outputs["weak"], outputs["strong"], s.threshold)}

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The cluster head's answer."""
        return networks.heads.cluster_probabilities(network, images)

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
