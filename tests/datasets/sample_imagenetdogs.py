"""ImageNet-Dogs in small, in a tree of ILSVRC."""

from __future__ import annotations

from pathlib import Path

from published_formats import write_image_folders

from pcl import datasets


def write(raw: Path) -> dict[str, int]:
    write_image_folders(raw / "imagenet" / "train", list(datasets.find("imagenetdogs").folders))
    return {"size": 16}
