"""ImageNet-10 in small, as a user copies it."""

from __future__ import annotations

from pathlib import Path

from published_formats import write_image_folders

from pcl import datasets


def write(raw: Path) -> dict[str, int]:
    write_image_folders(raw / "imagenet10", list(datasets.find("imagenet10").folders))
    return {"size": 16}
