"""`pcl label`, `pcl export` and `pcl assign`, as they are typed."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys

import pytest
import shown
from click.testing import CliRunner

from pcl import progress
from pcl.cli import main
from pcl.label import opening
from pcl.label.library import Library


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pictures in three colours, and a home for what is known about them."""
    monkeypatch.setenv("PCL_HOME", str(tmp_path / "home"))
    shown.draw(tmp_path / "colours")
    return tmp_path / "colours"


@pytest.fixture
def run(monkeypatch):
    """What a command says, on both of its outputs."""

    def run(*words, typed="", fails=False):
        monkeypatch.setattr(progress.console, "file", shown_to_the_person := io.StringIO())
        done = CliRunner().invoke(main, [str(word) for word in words], input=typed)
        said = done.output + shown_to_the_person.getvalue()
        assert (done.exit_code, fails) in {(0, False), (2, True)}, said
        return said

    return run


def answered(run, folder, questions=12):
    """A session by colour, answered as it is."""
    run("label", folder, "--features", "pixels", "--criterion", "by colour", "--tty", typed="q")
    place = opening.found(folder)
    library = Library.open(folder)
    session = opening.opened(place, library)
    for _ in range(questions):
        if session.due:
            session.fit()
        if (asked := session.question()) is not None:
            session.answer(asked.id, "same" if shown.alike(asked.image, asked.members[0]) else "different")
    return place


def rows(text):
    return list(csv.DictReader(text.splitlines()))


class TestTerminal:
    def test_keys_answer_take_back_and_stop(self, run, folder):
        said = run("label", folder, "--features", "pixels", "--tty", typed="n\ny\nb\nu\nq\n")
        assert "taken back" in said and "stopped" in said
        log = (opening.found(folder) / "log.jsonl").read_text().splitlines()
        assert [json.loads(line)["kind"] for line in log] == ["place", "place", "undo", "place"]
        assert (opening.found(folder) / "question.png").read_bytes().startswith(b"\x89PNG")

    def test_a_second_start_goes_on_where_the_first_one_stopped(self, run, folder):
        first = run("label", folder, "--features", "pixels", "--tty", typed="n\ny\nq\n")
        again = run("label", folder, "--tty", typed="q\n")
        assert re.findall(r"^3\. .*", first, re.MULTILINE) == re.findall(r"^3\. .*", again, re.MULTILINE)

    def test_it_stops_where_everything_is_known_or_the_budget_is_spent(self, run, folder):
        said = run("label", folder, "--features", "pixels", "--budget", 3, "--tty", typed="n\nn\nn\nn\n")
        assert "nothing more to ask: 3 answers" in said


class TestSessions:
    def test_each_criterion_has_one_of_its_own_and_the_last_one_is_found(self, run, folder):
        for criterion in ("by colour", "by size"):
            run("label", folder, "--features", "pixels", "--criterion", criterion, "--tty", typed="n\nq\n")
        assert opening.found(folder).name == "by-size"
        assert opening.found(folder, "by-colour").name == "by-colour"
        assert (opening.found(folder) / "log.jsonl").stat().st_mode & 0o077 == 0

    def test_what_cannot_be_is_refused_in_a_line(self, run, folder, tmp_path):
        assert "name the folder" in run("label", fails=True)
        assert "not both" in run("label", folder, "--demo", fails=True)
        assert "no such" in run("label", tmp_path / "nowhere", fails=True)
        assert "clusters" in run("label", folder, "-k", 1, "--features", "pixels", "--tty", fails=True)
        assert "did you mean 'pixels'" in run("label", folder, "--features", "pixel", "--tty", fails=True)
        assert "no session" in run("export", folder, tmp_path / "out", fails=True)
        run("label", folder, "--features", "pixels", "--tty", typed="q")
        assert "no groups yet" in run("export", folder, tmp_path / "out", fails=True)
        assert "another one" in run("label", folder, "--features", "efficientnet", "--tty", fails=True)

    def test_one_process_at_a_time(self, run, folder):
        place = answered(run, folder, 1)
        with opening.alone(place):
            assert "open already" in run("label", folder, "--tty", typed="q", fails=True)


class TestExport:
    def test_the_groups_the_answers_a_page_and_the_model(self, run, folder, tmp_path):
        answered(run, folder)
        out = tmp_path / "out"
        run("export", folder, out)
        found = rows((out / "assignments.csv").read_text())
        assert len(found) == 3 * shown.EACH
        assert {(row["file"].partition("-")[0], row["group"]) for row in found} == {
            (colour, next(row["group"] for row in found if row["file"].startswith(colour)))
            for colour in shown.COLOURS
        }
        links = sorted(path for path in (out / "groups").glob("*/*"))
        assert len(links) == 3 * shown.EACH and all(link.resolve().parent == folder for link in links)
        page = (out / "gallery.html").read_text()
        assert page.count("data:image/webp") == 3 * shown.EACH and "http" not in page
        assert "there already" in run("export", folder, out, fails=True)

    def test_copies_are_the_pictures_themselves(self, run, folder, tmp_path):
        answered(run, folder)
        run("export", folder, tmp_path / "out", "--copy")
        one = next((tmp_path / "out" / "groups").glob("*/red-00.png"))
        assert not one.is_symlink() and one.read_bytes() == (folder / "red-00.png").read_bytes()

    def test_exact_copies_go_with_their_original_in_all_that_names_files(self, run, folder, tmp_path):
        (folder / "more").mkdir()
        for name in ("red-00.png", "copy.png"):
            shutil.copy(folder / "red-00.png", folder / "more" / name)
        (folder / "notes.txt").write_text("no picture")
        said = run("label", folder, "--features", "pixels", "--tty", typed="q")
        assert "exact copies: 2, such as more/red-00.png of more/copy.png" in said
        assert "left out: notes.txt" in said and "left out: more" not in said
        answered(run, folder)
        run("export", folder, tmp_path / "out")
        table = {row.pop("file"): row for row in rows((tmp_path / "out" / "assignments.csv").read_text())}
        assert len(table) == 3 * shown.EACH + 2 and "notes.txt" not in table
        assert table["more/red-00.png"] == table["more/copy.png"] == table["red-00.png"]
        group = table["red-00.png"]["group"]
        links = {
            link.resolve().relative_to(folder).as_posix() for link in (tmp_path / "out/groups" / group).iterdir()
        }
        assert links == {file for file, row in table.items() if row["group"] == group}
        page = (tmp_path / "out" / "gallery.html").read_text()
        assert page.count("data:image/webp") == 3 * shown.EACH

    def test_more_pictures_are_sorted_without_questions(self, run, folder, tmp_path):
        answered(run, folder)
        shown.draw(tmp_path / "more")
        run("export", folder, tmp_path / "out")
        run("assign", folder, tmp_path / "more", "--out", tmp_path / "more.csv")
        by_session = rows((tmp_path / "more.csv").read_text())
        by_export = rows(run("assign", tmp_path / "out", tmp_path / "more"))
        assert [row["group"] for row in by_session] == [row["group"] for row in by_export]
        groups = {row["file"].rpartition("/")[2].partition("-")[0]: row["group"] for row in by_export}
        assert len(set(groups.values())) == 3
        whole = (tmp_path / "out" / "model.npz").read_bytes()
        (tmp_path / "out" / "model.npz").write_bytes(whole[: len(whole) // 2])
        assert "model.npz: damaged" in run("assign", tmp_path / "out", tmp_path / "more", fails=True)

    def test_what_is_no_picture_is_named_and_the_others_are_sorted(self, run, folder, tmp_path):
        answered(run, folder)
        shown.draw(tmp_path / "more")
        (tmp_path / "more" / "notes.txt").write_text("no picture")
        said = run("assign", folder, tmp_path / "more", "--out", tmp_path / "more.csv")
        assert "left out: " in said and "notes.txt: no picture" in said
        assert len(rows((tmp_path / "more.csv").read_text())) == 3 * shown.EACH
        assert "notes.txt: no picture" in run("assign", folder, tmp_path / "more" / "notes.txt", fails=True)

    def test_answers_are_heard_again_elsewhere(self, run, folder, tmp_path):
        answered(run, folder)
        run("export", folder, tmp_path / "out")
        words = (
            "--features",
            "pixels",
            "--session",
            "again",
            "--replay",
            tmp_path / "out" / "answers.jsonl",
            "--tty",
        )
        assert "12 answers heard again" in run("label", folder, *words, typed="q")
        first, again = (
            opening.opened(opening.found(folder, n), Library.open(folder)) for n in ("by-colour", "again")
        )
        assert first.said == again.said


def test_it_says_what_is_missing_where_the_extra_is_not_installed(folder):
    code = "import sys; sys.modules.update(starlette=None); from pcl.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "label", str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "pip install" in done.stderr
