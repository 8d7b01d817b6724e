"""What a representation is: features of every image of a data set, made without answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pcl.config import RepresentationSettings
from pcl.errors import UserError

Rows = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Source:
    """What a representation is made from.

    Attributes:
        images: of every split, uint8 [N, C, H, W], memory-mapped.
        layer: of the network of the arm that the settings name, what a named layer gives for every image [N, D].
    """

    images: dict[str, NDArray[np.uint8]]
    layer: Callable[[str], Rows]


class Representation(ABC):
    """Features of every image: final subclasses only, each named `Representation` in a file of its own.

    `version` is raised by hand when the same settings would give other features. `of_network` says whether they come
    from a network that another arm has trained, which the settings then name as `arm`. `remark` is what must be said
    wherever results are shown that rest on such features.
    """

    version: ClassVar[int]
    Settings: ClassVar[type[RepresentationSettings]]
    of_network: ClassVar[bool] = False
    remark: ClassVar[str | None] = None

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @abstractmethod
    def features(self, source: Source) -> Rows:
        """Features [N, D] of every split, fitted on "train" only."""


def reduced(rows: Rows, components: int | None) -> Rows:
    """The leading principal components of the training rows; the rows themselves where `components` is None.

    Raises:
        UserError: there are not so many components.
    """
    if components is None:
        return rows
    train = rows["train"]
    most = min(train.shape)
    if components > most:
        raise UserError(f"components: {components}, but the training images have at most {most}")
    from sklearn.decomposition import PCA

    fitted = PCA(components, svd_solver="covariance_eigh").fit(train)
    return {split: fitted.transform(own).astype(np.float32) for split, own in rows.items()}
