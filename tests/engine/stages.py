"""Stages from flat words, as tests like to say them."""

from dataclasses import fields

from pcl.engine.stage import Batches, Optimiser, Questions, Stage
from pcl.strategies.base import Choice


def made(name, epochs, lr=1e-3, size=8, *, optimizer="adam", by=None, strategy=None, **words):
    """A stage whose groups get the words that they know."""

    def group(kind, **more):
        known = {field.name for field in fields(kind)}
        return kind(**more, **{word: words.pop(word) for word in known & words.keys()})

    def choice(word):
        return Choice.of(word) if isinstance(word, str) else word

    batches, rate = group(Batches, size=size), group(Optimiser, name=optimizer, lr=lr)
    questions = group(Questions, by=choice(by), each_batch=choice(strategy))
    return Stage(name, epochs, batches, rate, questions, **words)


def fixed(name, epochs, lr=1e-2, **others):
    """A stage on fixed batches of eight."""
    return made(name, epochs, lr, 8, **{"fixed": True, **others})
