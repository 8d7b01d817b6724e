"""Rates over epochs: what the published codes give, and their rules spelt out epoch by epoch."""

import subprocess
import sys

import pytest

from pcl import schedules

close = pytest.approx


class TestCosine:
    @pytest.mark.parametrize(("epoch", "rate"), [(0, 0.4), (1, 0.39999606), (250, 0.2002), (499, 0.00040394)])
    def test_scan_s_rates(self, epoch, rate):
        """wvangansbeke/Unsupervised-Classification@952ec31, 0.4 at first, 500 epochs."""
        assert 0.4 * schedules.cosine(epoch, 500) == close(rate, rel=1e-5)

    def test_keeps_its_value_within_an_epoch(self):
        assert schedules.cosine(7.99, 20) == schedules.cosine(7, 20) > schedules.cosine(8, 20)

    def test_goes_from_one_to_the_floor(self):
        assert schedules.cosine(0, 20, floor=0.2) == 1
        assert schedules.cosine(20, 20, floor=0.2) == close(0.2)


class TestFixMatch:
    @pytest.mark.parametrize(("step", "rate"), [(0, 0.03), (524288, 0.02319031), (1048576, 0.00585271)])
    def test_spice_s_rates(self, step, rate):
        """niuchuangnn/SPICE@5eba538, 0.03 at first, 2²⁰ steps; in whichever unit time is counted."""
        assert 0.03 * schedules.fixmatch(step, 2**20) == close(rate, rel=1e-5)
        assert 0.03 * schedules.fixmatch(step / 1024, 1024) == close(rate, rel=1e-5)

    def test_falls_at_every_step(self):
        values = [schedules.fixmatch(step / 10, 3) for step in range(31)]
        assert values == sorted(set(values), reverse=True)


class TestWarmSteps:
    def test_mice_s_rates(self):
        """TsungWeiTsai/MiCE@ddcce45, 1.0 at first: up over ten epochs, down in the epoch after each milestone."""
        expected = {0: 0, 1: 0.1, 9: 0.9, 10: 1, 11: 1, 480: 1, 481: 0.1, 640: 0.1, 641: 0.01, 800: 0.01, 801: 1e-3}
        found = {epoch: schedules.warm_steps(epoch, 10, (480, 640, 800)) for epoch in expected}
        assert found == close(expected)

    def test_against_the_rule_epoch_by_epoch(self):
        rate = 1.0
        for epoch in range(40):
            if epoch - 1 in (20, 25):
                rate /= 2
            expected = min(epoch / 4, rate)
            for t in (epoch, epoch + 0.99):
                assert schedules.warm_steps(t, 4, [20, 25], gamma=0.5) == close(expected)

    def test_without_a_warm_up_it_starts_at_one(self):
        assert schedules.warm_steps(0, 0, [5]) == 1


class TestDecay:
    def test_against_a_count(self):
        rate = 1.0
        for epoch in range(100):
            if epoch and epoch % 20 == 0:
                rate *= 0.9
            assert schedules.decay(epoch, 0.9, 20) == schedules.decay(epoch + 0.99, 0.9, 20) == close(rate)


def test_they_need_no_torch():
    """Whoever makes plans may name a schedule, and torch takes seconds to import."""
    program = "import sys, pcl.schedules; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_smooth_cosine_is_the_cosine_between_its_epochs():
    """facebookresearch/swav@06b1b7c: one value a step."""
    for epoch in range(0, 40, 7):
        assert schedules.smooth_cosine(epoch, 40) == schedules.cosine(epoch, 40)
        between = schedules.smooth_cosine(epoch + 0.5, 40)
        assert schedules.cosine(epoch, 40) > between > schedules.cosine(epoch + 1, 40)


def test_decay_stops_at_its_floor():
    """slim1017/VaDE@0f9779a: from 2e-3 by 0.9 every 10 epochs to 2e-4."""
    rates = [2e-3 * schedules.decay(epoch, 0.9, 10, floor=0.1) for epoch in (0, 9, 10, 25, 1000)]
    assert rates == pytest.approx([2e-3, 2e-3, 1.8e-3, 1.62e-3, 2e-4])
