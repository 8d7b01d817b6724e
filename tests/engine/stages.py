"""Stages from flat words, as tests like to say them."""

from dataclasses import fields

from pcl.engine.stage import Batches, Optimiser, Questions, Stage
from pcl.strategies.base import Choice


def made(name, epochs, lr=1e-3, size=8, *, optimizer="adam", by=None, strategy=None, **words):
    """A stage whose groups get the words that they know."""

    def group(kind, **more):
        known = {field.name for field in fields(kind)}
        return kind(**more, **{word: words.pop(word) for word in known & words.keys()})

    batches, rate = group(Batches, size=size), group(Optimiser, name=optimizer, lr=lr)
    questions = group(
        Questions,
        by=Choice.of(by) if by else None,
        each_batch=Choice.of(strategy) if isinstance(strategy, str) else strategy,
    )
    return Stage(name, epochs, batches, rate, questions, **words)
