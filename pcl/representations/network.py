"""What a layer of a network sees that another arm has trained without answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pcl.representations import base


class NetworkSettings(base.Settings):
    """Settings of a network's features."""

    kind: Literal["network"]
    arm: str = Field(description="the arm whose network it is; one that asks nothing")
    layer: str = Field("features", description='"features": what the heads see; else the name of a head')

    @property
    def named(self) -> list[str]:
        """The arm."""
        return [self.arm]


class Representation(base.Representation):
    """A layer of an unsupervised arm's network, in evaluation mode, with the weights of the same seed.

    Source: Li et al., AAAI-21 (CC), whose features are clustered by k-means; any arm that asks nothing will do.
    """

    version = 1
    Settings = NetworkSettings
    settings: NetworkSettings
    of_network = True

    def features(self, source: base.Source) -> base.Rows:
        """One row per image."""
        return source.layer(self.settings.layer, source.images)
