"""Loss functions: pure, each with its equation. Imported when first used, so that settings load without torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["constrained", "contrastive", "experts", "gaussian", "graph", "pairs", "pseudo", "student"]
)
