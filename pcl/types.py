"""The letters that stand for sizes in every signature.

N images, B images of a batch, V views of an image (rows of a stacked tensor: view 0 of every image, then view 1),
R = V·B rows, C channels, H and W pixels, D features of the backbone or of an embedding, M features of an instance
head, K clusters, P pairs. Dots are what one image is shown as: C, S and S of a view, or D frozen features.
"""

from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

__all__ = ["Bool", "Float", "Int64", "Tensor", "UInt8"]
