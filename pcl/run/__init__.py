"""From a planned run to its folder: load, ask and train, assign, score, write.

The labels stay here: they answer the questions that the loop asks and score what it has assigned.
"""
