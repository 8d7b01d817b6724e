"""Who answers, and who observes, are told what happens in order."""

from pcl.engine.events import Epoch
from pcl.oracles.base import Question
from pcl.run.driver import drive


class Observer:
    """Notes the ends of epochs beside everything else."""

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    def epoch_ended(self, epoch):
        self.seen.append((self.name, epoch.number))


def test_questions_are_passed_on_and_epochs_are_observed_in_order():
    seen = []

    def training():
        replies = [(yield Question(0, 1)), (yield Question(2, 3))]
        seen.append(replies)
        yield Epoch("train", 1, {}, False)
        seen.append((yield Question(4, 5)))
        yield Epoch("train", 2, {}, True)

    def answer(question):
        seen.append((question.i, question.j))
        return {0: True, 2: False, 4: None}[question.i]

    drive(training(), answer, [Observer("first", seen), Observer("second", seen)])
    assert seen == [
        *((0, 1), (2, 3), [True, False], ("first", 1), ("second", 1)),
        *((4, 5), None, ("first", 2), ("second", 2)),
    ]
