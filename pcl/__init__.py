"""Personalised clustering: deep image clustering in the orientation that a user's answers point to."""

__version__ = "0.1.0"
