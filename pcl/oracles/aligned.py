"""A user who is told which target cluster each found cluster stands for: IDC's released simulation."""

from __future__ import annotations

import numpy as np

from pcl.oracles import base


class Oracle(base.Oracle):
    """Answers an assignment by the best one-to-one map of all target clusters to all found ones.

    It leaks: the map is made from the label of every training image. Here to repeat published numbers; `truth` is the
    fair oracle, which compares an image with the prototypes that it is shown. Pairs are answered as `truth` does.

    Source: Liu et al., NeurIPS 2024 (IDC), released code.
    """

    version = 1
    needs_targets = True

    def reply(self, question: base.Question) -> bool:
        """The truth."""
        return self.same(question)

    def answer(self, question: base.Question) -> base.Reply:
        """The prototype of the found cluster that the image's target cluster is mapped to."""
        if not isinstance(question, base.Assignment):
            return self.reply(question)
        from scipy.optimize import linear_sum_assignment

        targets, found = self.context.targets, question.clusters
        assert targets is not None and found is not None, "a training that asks says how it has clustered"
        counts = np.zeros((int(targets.max()) + 1, int(found.max()) + 1))
        np.add.at(counts, (targets, found), 1)
        rows, columns = linear_sum_assignment(-counts)
        wanted = dict(zip(rows.tolist(), columns.tolist(), strict=True)).get(int(targets[question.i]))
        numbers = (n for n, image in enumerate(question.prototypes, start=1) if found[image] == wanted)
        return next(numbers, 0)
