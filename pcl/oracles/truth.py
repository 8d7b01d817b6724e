"""The relabelled truth: a user who knows the target clusters and never errs."""

from __future__ import annotations

from pcl.oracles import base


class Oracle(base.Oracle):
    """Says "same" exactly when the two target clusters are equal.

    Source: the simulated user of PCL (AAAI-25).
    """

    version = 1
    needs_targets = True

    def reply(self, question: base.Question) -> bool:
        """The truth."""
        return self.same(question)
