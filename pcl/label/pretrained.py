"""Any model of timm by its name, where its weights lie on this disk already; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcl.errors import UserError, did_you_mean
from pcl.representations.efficientnet import BATCH, fitted

FILES = ("model.safetensors", "pytorch_model.bin")


class Model:
    """A model and how it is to be shown pictures: as a whole, at the size it was trained with.

    Source: the package timm, its models' own configurations.
    """

    def __init__(self, name: str) -> None:
        """Load it.

        Raises:
            UserError: timm is missing or has no such model, or the weights are not on this disk.
        """
        try:
            import timm
        except ImportError as error:
            raise UserError(f"timm:{name}: needs timm; run: pip install -e .[label]") from error
        if not timm.is_model(name):
            raise UserError(f"timm: no such model{did_you_mean(name.partition('.')[0], timm.list_models())}")
        about: Any = timm.get_pretrained_cfg(name)
        weights = _on_disk(about)
        if weights is None:
            raise UserError(
                f"timm:{name}: its weights are not on this disk, and nothing is downloaded here. To fetch them once: "
                f"python -c \"import timm; timm.create_model('{name}', pretrained=True)\""
            )
        own = {"file": str(weights), "hf_hub_id": None, "url": None}
        self.network: Any = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=own, num_classes=0).eval()
        self.size: int = about.input_size[-1]
        self.mean, self.std = (np.array(of, np.float32) for of in (about.mean, about.std))

    def embed(self, images: Iterator[NDArray[np.uint8]], count: int) -> NDArray[np.float32]:
        """What the model's classes would be told from, [count, D], of images uint8 [H, W, 3] of any size."""
        import torch

        rows: list[NDArray[np.float32]] = []
        with torch.inference_mode():
            for _ in range(0, count, BATCH):
                batch = np.stack([fitted(image, self.size) for image in islice(images, BATCH)])
                scaled = (batch.astype(np.float32) / 255 - self.mean) / self.std
                rows.append(self.network(torch.from_numpy(scaled).permute(0, 3, 1, 2).contiguous()).numpy())
        return np.concatenate(rows)


def _on_disk(about: Any) -> Path | None:
    """The file of a model's weights in the caches of Hugging Face and torch, if it is there."""
    import torch
    from huggingface_hub import try_to_load_from_cache

    for file in FILES if about.hf_hub_id else ():
        found = try_to_load_from_cache(about.hf_hub_id, file)
        if isinstance(found, str):
            return Path(found)
    if about.url:
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(about.url).name
        return path if path.exists() else None
    return None
