"""What a representation is: features of every image of a data set, made without answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from pcl import seed as seeds
from pcl.config import RepresentationSettings
from pcl.engine.stage import RandomView
from pcl.errors import UserError

Rows = dict[str, NDArray[np.float32]]
Images = dict[str, NDArray[np.uint8]]

AT_ONCE = 512
"""Training images of which views are made at once."""


class Settings(RepresentationSettings):
    """The settings that every kind has."""

    components: PositiveInt | None = Field(None, description="principal components that are kept; null: all")
    views: NonNegativeInt = Field(0, description="random views of every training image whose features are kept too")
    augmentation: RandomView = Field(RandomView(), description="how they are drawn")


@dataclass(frozen=True)
class Source:
    """What a representation is made from.

    Attributes:
        images: of every split, uint8 [N, C, H, W], memory-mapped.
        layer: of the network of the arm that the settings name, what a named layer gives for such images [N, D].
    """

    images: Images
    layer: Callable[[str, Images], Rows]


class Representation(ABC):
    """Features of every image: final subclasses only, each named `Representation` in a file of its own.

    `version` is raised by hand when the same settings would give other features. `of_network` says whether they come
    from a network that another arm has trained, which the settings then name as `arm`. `remark` is what must be said
    wherever results are shown that rest on such features.
    """

    version: ClassVar[int]
    Settings: ClassVar[type[Settings]]
    of_network: ClassVar[bool] = False
    remark: ClassVar[str | None] = None

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def features(self, source: Source) -> Rows:
        """Features [N, D] of every image of a source, each for itself; components are taken of them elsewhere."""

    def made(self, source: Source, seed: int = 0) -> tuple[Rows, Iterator[NDArray[np.float32]]]:
        """What is kept: rows [N, D] of every split, and those of random views of the training images.

        The views come in pieces [B, D], view by view and in the order of the images. What is drawn for an image
        depends on the seed, the view and the image's number alone. Components are fitted to "train" only.

        Raises:
            UserError: there are not so many components.
        """
        rows = self.features(source)
        reduced = projection(rows["train"], self.settings.components)
        return {split: reduced(own) for split, own in rows.items()}, self._views(source, seed, reduced)

    def _views(
        self, source: Source, seed: int, reduced: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    ) -> Iterator[NDArray[np.float32]]:
        for number in range(self.settings.views):
            for piece in views(source.images["train"], self.settings.augmentation, seed, number):
                yield reduced(self.features(replace(source, images={"train": piece}))["train"])


def views(images: NDArray[np.uint8], recipe: RandomView, seed: int, number: int) -> Iterator[NDArray[np.uint8]]:
    """Random view `number` of every image [N, C, S, S], in pieces [B, C, S, S]."""
    import torch

    from pcl.engine import augment

    draws = seeds.numpy_generator(seed, "views", number).random((len(images), augment.DRAWS), np.float32)
    for first in range(0, len(images), AT_ONCE):
        piece = slice(first, first + AT_ONCE)
        yield augment.changed(torch.from_numpy(np.array(images[piece])), recipe, draws[piece]).numpy()


def projection(
    train: NDArray[np.float32], components: int | None
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What takes rows to the leading principal components of the training rows; to themselves where it is None.

    Raises:
        UserError: there are not so many components.
    """
    if components is None:
        return lambda rows: rows
    most = min(train.shape)
    if components > most:
        raise UserError(f"components: {components}, but the training images have at most {most}")
    from sklearn.decomposition import PCA

    fitted = PCA(components, svd_solver="covariance_eigh").fit(train)
    return lambda rows: fitted.transform(rows).astype(np.float32)
