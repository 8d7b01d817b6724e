"""DeepCluster: k-means groups the images anew before every epoch, and the network learns whose group each is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from pcl import losses, networks
from pcl import seed as seeds
from pcl.engine.stage import Optimizer, Stage
from pcl.limits import Needs
from pcl.methods import readout

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Batch, Session


V2 = {"variant": "v2", "heads": 3, "iterations": 10, "sobel": False, "temperature": 0.1}


class DeepClusterSettings(readout.ReadoutSettings):
    """Settings of DeepCluster.

    `variant` v1 groups whitened features of images as they are, into `groups` by k-means of so many `iterations`, and
    learns them with a fresh linear layer, every group shown equally often. v2 groups the embeddings of the last
    epoch's views on the sphere, `heads` times, and compares embeddings with the centres.
    """

    variant: Literal["v1", "v2"] = "v1"
    optimizer: Optimizer = "sgd"
    lr: PositiveFloat = 0.05
    weight_decay: NonNegativeFloat = 1e-5
    batch_size: int = Field(256, ge=2)
    epochs: PositiveInt = 200
    groups: Annotated[PositiveInt, Needs("groups of images")] = 100
    heads: PositiveInt = 1
    iterations: PositiveInt = 20
    sobel: bool = True
    components: PositiveInt = 256
    hidden: PositiveInt = 2048
    temperature: PositiveFloat = 1.0

    @model_validator(mode="after")
    def _v1_projects_nothing(self) -> Self:
        if self.variant == "v1" and (self.read != "features" or self.heads > 1):
            raise ValueError("variant: v1 has no projection and one head; set read: features and heads: 1")
        return self


class Method(readout.Readout):
    """Deep clustering by turns of k-means and learning, v1 and v2, and k-means with K in the end.

    Source: Caron et al., "Deep clustering for unsupervised learning of visual features", ECCV 2018; reference code
    facebookresearch/deepcluster@2d1927e. v2: Caron et al., NeurIPS 2020 (SwAV); facebookresearch/swav@06b1b7c.
    """

    version = 1
    layers = ()  # v1 projects nothing
    Settings = DeepClusterSettings
    settings: DeepClusterSettings
    presets: ClassVar = {"v1": {"variant": "v1"}, "v2": V2}

    @property
    def first(self) -> bool:
        """Whether this is v1."""
        return self.settings.variant == "v1"

    def stages(self) -> list[Stage]:
        """One stage; v1 draws its images in `prepare`, v2 takes two views of each."""
        batches = self.batches(views=() if self.first else ("standard", "standard"))
        return [self.stage("train", self.settings.epochs, batches=batches)]

    def build(self, channels: int) -> nn.ModuleDict:
        """Backbone; a layer of groups, in v2 for every head and on a projection; centres for the end."""
        s, form = self.settings, networks.projection
        backbone, width = form.backbone(s, channels, sobel=s.sobel)
        if self.first:
            return self.joined({"backbone": backbone, "groups0": form.group_layer(width, s.groups)}, width)
        head = form.ProjectionHead(width, s.hidden, s.features)
        groups = {f"groups{n}": form.Prototypes(s.groups, s.features).requires_grad_(False) for n in range(s.heads)}
        return self.joined({"backbone": backbone, "instance": head, **groups}, width)

    def start_stage(self, session: Session) -> None:
        """v2: the embeddings of all images, for both views."""
        if not self.first:
            session.state["bank"] = self.rows(session, self.project).to(session.device).repeat(2, 1, 1)

    def start_epoch(self, session: Session) -> None:
        """New groups."""
        draws = seeds.numpy_generator(session.seed, "groups", session.epoch)
        (self.group_features if self.first else self.group_embeddings)(session, draws)

    def group_features(self, session: Session, draws: np.random.Generator) -> None:
        """v1: k-means on whitened features, an order of images that shows groups equally, a fresh layer."""
        import torch

        s, form = self.settings, losses.prototypes
        rows = form.whitened(self.rows(session, self.embed).numpy(), s.components)
        labels = form.grouped(rows, s.groups, s.iterations, draws)
        order = torch.from_numpy(form.evenly(labels, draws))
        session.state |= {"labels": torch.from_numpy(labels)[None], "order": order}
        networks.projection.renew(session.network["groups0"], int(draws.integers(2**62)))
        for weight in session.network["groups0"].parameters():
            session.optimizer.state.pop(weight, None)

    def group_embeddings(self, session: Session, draws: np.random.Generator) -> None:
        """v2: spherical k-means for every head, in turns on the first and the second views of the last epoch."""
        import torch

        found = []
        for number in range(self.settings.heads):
            rows = session.state["bank"][number % 2]
            start = torch.from_numpy(draws.permutation(session.size)[: self.settings.groups])
            centres, labels = losses.prototypes.spherical_kmeans(rows, rows[start], self.settings.iterations)
            networks.projection.prototypes_of(session.network, f"groups{number}").place(centres)
            found.append(labels.cpu())
        session.state["labels"] = torch.stack(found)

    def prepare(self, batch: Batch, session: Session) -> None:
        """The images' groups; v1: other images, drawn evenly from the groups, and a view of each."""
        rows = batch.rows
        if self.first:
            rows = session.state["order"][rows]
            batch.views = [session.view(rows.numpy(), "standard", batch.generator)]
        batch.more["labels"] = session.state["labels"][:, rows].repeat(1, len(batch.views)).to(session.device)

    def forward(self, network: nn.ModuleDict, batch: Batch) -> dict[str, Tensor]:
        """Logits [heads, R, P] of the rows of all views, and their embeddings."""
        import torch

        rows = torch.cat([networks.heads.features(network, view) for view in batch.views])
        rows = rows if self.first else network["instance"](rows)
        logits = torch.stack([network[f"groups{number}"](rows) for number in range(len(batch.more["labels"]))])
        return {"z": rows, "logits": logits.float() / self.settings.temperature}

    def loss(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> dict[str, Tensor]:
        """Cross-entropy with the groups, the mean over heads."""
        from torch.nn.functional import cross_entropy

        return {"groups": cross_entropy(outputs["logits"].flatten(0, 1), batch.more["labels"].flatten())}

    def after_step(self, outputs: dict[str, Tensor], batch: Batch, session: Session) -> None:
        """v2: the bank takes both views in."""
        if not self.first:
            for bank, z in zip(session.state["bank"], outputs["z"].chunk(2), strict=True):
                bank[batch.rows] = z
