"""GCC's passes through the network: own views together, neighbours' views one by one."""

from __future__ import annotations

import torch
from torch import nn

from pcl.types import Float, Int64, Tensor

VERSION = 1


def draw_neighbour(columns: Int64[Tensor, "B columns"], generator: torch.Generator) -> Int64[Tensor, " B"]:
    """One of each image's neighbours, drawn uniformly."""
    drawn = torch.randint(columns.shape[1], (len(columns), 1), generator=generator, device=generator.device)
    return columns.gather(1, drawn.to(columns.device))[:, 0]


def contrasted(network: nn.ModuleDict, views: list[Float[Tensor, "B ..."]]) -> dict[str, Tensor]:
    """z [V, B, M] of both own views and the neighbours', p of the first view and of the last, the drawn neighbour.

    Both own views pass the network as one batch and share its batch statistics; every neighbour's view has its own.
    """
    own = network["backbone"](torch.cat(views[:2])).chunk(2)
    others = [network["backbone"](view) for view in views[2:]]
    z = torch.stack([network["instance"](h) for h in (*own, *others[:-1])])
    found = {"z": z, "p": network["cluster"](own[0])}
    return found | ({"p_neighbour": network["cluster"](others[-1])} if others else {})
