"""A person at a real terminal: asked by keys, heard at once, and free to stop."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import pcl
from pcl import config, oracles
from pcl.errors import UserError
from pcl.oracles import log
from pcl.oracles.base import Context
from pcl.oracles.terminal import drawn
from pcl.plan import Plan

ROOT = Path(pcl.__file__).parents[1]
PLACE = ("digits10-2", "personalized", "person")
PROMPT = re.compile(r"Images (\d+) and (\d+): the same\?")


@pytest.fixture
def person(workspace, tiny_config):
    """The plan of a params.yaml with an arm that asks a person ten questions, in the working folder."""
    content = tiny_config.model_dump()
    content["arms"]["person"] = content["arms"]["pcl"] | {"oracle": {"name": "terminal", "settings": {}}}
    content["studies"]["tiny"]["budgets"]["digits10-2"] = 10
    (workspace / "params.yaml").write_text(json.dumps(content))
    return Plan(config.load(workspace / "params.yaml"))


class Terminal:
    """A program in a terminal of 100 columns."""

    def __init__(self, *words):
        self.master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pcl", *words]
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        self.seen = ""

    def read(self, until, seconds=120):
        """What is shown, up to a pattern; what comes after it is kept for the next call."""
        end = time.monotonic() + seconds
        while (found := re.search(until, self.seen)) is None:
            assert time.monotonic() < end, self.seen[-2000:]
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.master, 1 << 16).decode(errors="replace")
                except OSError:  # the program has ended
                    break
        assert found or re.search(until, self.seen), self.seen[-2000:]
        found = re.search(until, self.seen)
        shown, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return shown

    def drawn_meanwhile(self, seconds=0.5):
        """What else is shown while nobody presses a key."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 1 << 16).decode(errors="replace")
        return self.seen

    def press(self, key):
        os.write(self.master, key.encode())

    def ended(self):
        """The exit status, and what was shown last."""
        while True:
            try:
                more = os.read(self.master, 1 << 16)
            except OSError:
                more = b""
            if not more:
                return self.process.wait(60), self.seen
            self.seen += more.decode(errors="replace")


def test_a_person_answers_stops_and_goes_on(person):
    run = person.run(*PLACE, 0)
    terminal = Terminal("train", *PLACE)
    asked = []
    for number in range(5):
        if number == 3:  # a power cut, while the fourth pair is shown
            terminal.read(PROMPT)
            terminal.process.kill()
            terminal.ended()
            terminal = Terminal("train", *PLACE)
        shown = terminal.read(PROMPT)
        assert "▀" in shown, "both pictures are drawn"
        assert "━" not in shown.splitlines()[-1], "the bar has stepped aside"
        assert "━" not in terminal.drawn_meanwhile(), "and stays there until a key is pressed"
        asked.append(tuple(map(int, PROMPT.search(shown).groups())))
        terminal.press("x")  # no answer: it waits for another key
        terminal.press(
            "ynuyn"[number] + "y"
        )  # the second comes before the next pair is there, and counts for nothing
    terminal.read(PROMPT)
    answers = log.read(run.pretraining.folder.answers)
    assert [(a.i, a.j) for a in answers] == asked, "each is on disk before the next question"
    assert [a.same for a in answers] == [True, False, None, True, False]
    terminal.press("q")
    status, shown = terminal.ended()
    assert status == 2 and "stopped; every answer so far is kept" in shown
    assert shown.count("error") == 1 and "Traceback" not in shown
    assert re.search(r"error: stopped; [^\r\n]*\r\n$", shown), "one line, and the last"
    again = Terminal("train", *PLACE)
    while again.process.poll() is None:
        shown = again.read(rf"{PROMPT.pattern}|metrics|seed0\r?\n$")
        if not (found := PROMPT.search(shown)):
            break
        asked.append(tuple(map(int, found.groups())))
        again.press("y" if len(asked) % 2 else "n")
    status, shown = again.ended()
    assert status == 0, shown
    assert len(set(asked)) == len(asked)
    content = json.loads(run.folder.last.read_text())
    assert content["questions"]["asked"] == 10
    assert len(run.folder.read_answers()) == 11, "one of them unsure"


def test_who_is_never_sure_is_told_so(person):
    terminal = Terminal("train", *PLACE)
    for _ in range(400):
        shown = terminal.read(rf"{PROMPT.pattern}|error:|seed0: asked")
        if not PROMPT.search(shown):
            break
        terminal.press("u")
    status, shown = terminal.ended()
    assert status == 0
    assert re.search(r'0 of 10; \d+ more were answered "not sure"', (shown).replace("\r\n", " "))
    assert "no further pair" not in shown


def test_without_a_terminal_it_says_what_to_do(person):
    command = [sys.executable, "-m", "pcl", "train", *PLACE]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    message = "error: oracle terminal: asks a person, but this is no terminal; start the command by hand"
    assert done.stderr.splitlines()[-1].startswith(message)


@pytest.mark.parametrize("missing", ["stdin", "stderr"])
def test_who_cannot_see_the_pictures_or_press_a_key_is_not_asked(monkeypatch, missing):
    """Redirected, the one would ask in a file and wait for ever; the other has no keys."""
    for name in ("stdin", "stderr"):
        stream = type("Stream", (), {"isatty": lambda self, here=name != missing: here})()
        monkeypatch.setattr(sys, name, stream)
    context = Context(2, 0, (), None, lambda index: np.zeros((2, 2, 1), np.uint8))
    with pytest.raises(UserError, match="oracle terminal: asks a person, but this is no terminal; start the command"):
        oracles.make("terminal", {}, context)


@pytest.mark.parametrize(("shape", "size"), [((8, 8, 1), (4, 8)), ((9, 7, 3), (5, 7)), ((100, 100, 3), (13, 25))])
def test_a_picture_is_drawn_two_pixels_a_character_and_never_too_wide(shape, size):
    lines = drawn(np.arange(np.prod(shape), dtype=np.int64).reshape(shape).astype(np.uint8)).plain.splitlines()
    assert (len(lines), len(lines[0])) == size
