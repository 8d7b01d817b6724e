"""Fashion-MNIST in small."""

from __future__ import annotations

from pathlib import Path

from published_formats import write_fashion

PER_CLASS = (3, 1)


def write(raw: Path) -> dict[str, int]:
    write_fashion(raw / "fashion10")
    return {}
