"""Which kernels a process is held to."""

import pytest

from pcl import numerics


@pytest.fixture
def environment(monkeypatch):
    """A function of what a processor can do and what was chosen: oneDNN's instruction set after `hold`."""

    def held(flags, chosen):
        monkeypatch.setattr(numerics, "_x86", lambda: True)
        monkeypatch.setattr(numerics, "_flags", lambda: flags)
        for name in numerics.PORTABLE:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(numerics.CHOSEN, chosen)
        with monkeypatch.context() as patch:
            environ = dict(numerics.os.environ)
            patch.setattr(numerics.os, "environ", environ)
            numerics.hold()
        return environ.get("ONEDNN_MAX_CPU_ISA")

    return held


def test_native_numerics_take_what_there_is_but_no_kernels_that_are_wrong_for_narrow_networks(environment):
    assert environment({"avx2", "avx512bw"}, "native") is None
    assert environment({"avx2"}, "native") == "AVX"
    assert environment({"avx2"}, "portable") == "AVX2", "of which narrow networks are refused"
