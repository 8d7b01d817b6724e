"""The one training loop and what it works on."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["augment", "device", "loop", "session", "strong"]
)
