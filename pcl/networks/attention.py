"""Cross-instance attention: every image of a batch attends to the others."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from pcl.types import Float, Tensor

VERSION = 1


class CrossInstanceAttention(nn.Module):
    """Multi-head self-attention over the rows of a batch, each image a token: [B, D] → [B, D].

    q, k and v are projections without bias; heads are concatenated, with no output projection and no norm.
    Because of it an image's features depend on the images it is presented with.

    Source: Geng et al., AAAI-25, Section 3.1; reference code hhdxwen/PCL modules/attention.py (8 heads).
    Differs: `residual=True` returns h + attention(h). As printed there is no such path: at first the block
    averages the batch, and training sits on a plateau until it has learnt not to.
    """

    def __init__(self, features: int, heads: int, residual: bool) -> None:
        super().__init__()
        self.heads, self.residual = heads, residual
        self.query, self.key, self.value = (nn.Linear(features, features, bias=False) for _ in range(3))

    def forward(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Features mixed over the batch."""
        q, k, v = (
            layer(h).unflatten(1, (self.heads, -1)).transpose(0, 1) for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
        return h + mixed if self.residual else mixed
