"""Sorting one's own pictures: a page, or a terminal, that asks a person, and what comes of the answers."""
