"""What methods share that learn a representation without clusters in it: k-means reads them off at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import PositiveInt

from pcl import networks
from pcl import seed as seeds
from pcl.engine.stage import DeepSettings, Stage
from pcl.errors import UserError
from pcl.methods import base

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pcl.engine.session import Session


class ReadoutSettings(DeepSettings):
    """The settings that all have: k-means reads the backbone's "features" or the "projection" that is trained."""

    features: PositiveInt = 128
    read: Literal["features", "projection"] = "features"


class Readout(base.DeepMethod):
    """A method with one stage and a part `instance` that projects; k-means finds K clusters in what `read` names."""

    supervised = False
    layers: ClassVar[tuple[str, ...]] = ("instance",)
    settings: ReadoutSettings

    def stages(self) -> list[Stage]:
        """One stage, end to end."""
        return [self.stage("train", self.settings.epochs)]

    def joined(self, parts: dict[str, nn.Module], width: int) -> nn.ModuleDict:
        """Parts of which `backbone` gives `width` features, and centres among what k-means reads."""
        s = self.settings
        return networks.projection.read_by_kmeans(parts, self.clusters, width if s.read == "features" else s.features)

    def read(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """What k-means reads, at unit length."""
        seen = self.embed if self.settings.read == "features" else self.project
        return networks.projection.unit(seen(network, images))

    def project(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """What contrast compares."""
        return network["instance"](self.embed(network, images))

    def start_evaluation(self, session: Session) -> None:
        """Centres from the best of 20 k-means starts on all training images."""
        rows = self.rows(session, self.read).numpy()
        networks.centres.start(session.network["centroids"], rows, seeds.derive(session.seed, "read out"))

    def rows(self, session: Session, function: Callable[[nn.ModuleDict, Tensor], Tensor]) -> Tensor:
        """A function of all training images.

        Raises:
            UserError: it gives what are no numbers.
        """
        rows = session.predict(function)
        if not rows.isfinite().all():
            raise UserError(
                f"stage {session.stage.name}: features are no numbers after the last step; lower lr or set clip for "
                "this arm"
            )
        return rows

    def probabilities(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """One-hot: the cluster of the nearest centre."""
        return networks.projection.nearest(network, self.read(network, images))

    def embed(self, network: nn.ModuleDict, images: Tensor) -> Tensor:
        """The backbone's features."""
        return networks.heads.features(network, images)
