"""The page in a real browser, driven by keys: what a person meets."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import axe_core_python
import pytest
import shown
from playwright.sync_api import Page, expect, sync_playwright

from pcl.label import server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
PATIENCE = 60_000  # milliseconds; a machine that builds has others to serve
TRIANGLE = [(0, shown.EACH, False), (1, shown.EACH, False), (0, 1, True)]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium; `apt-get install chromium` brings it")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "colours"
    shown.draw(folder)
    return folder


@pytest.fixture
def served(folder, tmp_path):
    """The session, and a link to its page."""
    session, library = shown.opened(folder, tmp_path, TRIANGLE)
    running, listener, link = server.prepared(session, library)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield session, link
    running.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def context(browser):
    """A browser of its own, which may talk to this computer only."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    abroad, broken = [], []
    context.on("request", lambda request: request.url.startswith("http://127.0.0.1:") or abroad.append(request.url))
    context.on("weberror", lambda error: broken.append(str(error.error)))
    context.on("console", lambda message: "Content Security" in message.text and broken.append(message.text))
    yield context
    context.close()
    assert abroad == [] and broken == []


@pytest.fixture
def page(context, served):
    return opened(context.new_page(), served[1])


def opened(page: Page, link: str) -> Page:
    page.goto(link)
    page.wait_for_selector("body[data-shown]")
    return page


def asked(page: Page) -> str:
    return page.evaluate("document.body.dataset.shown")


def press(page: Page, key: str) -> None:
    """Press a key, and wait for another question."""
    before = asked(page)
    page.keyboard.press(key)
    page.wait_for_function("before => (document.body.dataset.shown ?? before) !== before", arg=before)


def truly(page: Page) -> str:
    """The key of a person who sorts by colour, by the names of the files."""
    image = page.locator("#picture img").get_attribute("alt")
    member = page.locator("#members img").first.get_attribute("alt")
    return "y" if image.partition("-")[0] == member.partition("-")[0] else "n"


def lines(session) -> int:
    return len(session.log.read_text().splitlines())


class TestKeys:
    def test_thirty_are_thirty_lines_and_three_undone_are_three_more(self, page, served):
        session, _ = served
        for _ in range(30):
            press(page, truly(page))
        assert lines(session) == len(TRIANGLE) + 30
        expect(page.locator("#status")).to_contain_text("33 answered · 67 left")
        expect(page.locator("#status")).to_contain_text("saved")
        for key in ("Backspace", "Control+z", "Backspace"):
            press(page, key)
        assert lines(session) == len(TRIANGLE) + 33 and session.answered == len(TRIANGLE) + 27

    def test_held_ones_and_those_of_a_field_are_no_answers(self, page, served):
        session, _ = served
        page.evaluate(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'y', repeat: true, bubbles: true}))"
        )
        page.locator("#criterion").fill("yes, no, or so")
        page.locator("#criterion").press("Backspace")
        page.locator("#criterion").press("Enter")
        press(page, "o")
        assert lines(session) == len(TRIANGLE) + 1 and session.about.criterion == "yes, no, or s"

    def test_choose_another_group_pairs_and_many_at_once(self, page, served):
        session, _ = served
        press(page, "1")
        assert session.standing[-1].pairs[0][2] is True
        press(page, "p")
        expect(page.locator("#prompt")).to_have_text("Are these two the same?")
        press(page, "u")
        assert session.standing[-1].pairs[0][2] is None
        press(page, "t")
        page.keyboard.press("1")
        expect(page.locator("#candidates button").first).to_have_attribute("aria-pressed", "true")
        press(page, "y")
        assert session.standing[-1].kind == "tap"

    def test_space_means_not_sure_after_a_click_too(self, page, served):
        session, _ = served
        before = asked(page)
        page.locator('[data-reply="different"]').click()
        page.wait_for_function("before => document.body.dataset.shown !== before", arg=before)
        press(page, "Space")
        assert session.standing[-1].pairs[0][2] is None

    def test_count_again_once_settings_are_left(self, page, served):
        session, _ = served
        page.get_by_role("button", name="Settings").click()
        expect(page.locator('#settings input[name="clusters"]')).to_be_focused()
        page.keyboard.press("Escape")
        press(page, "n")
        assert lines(session) == len(TRIANGLE) + 1

    def test_picture_is_seen_large_and_help_opens(self, page):
        for key, dialog in (("z", "#zoom"), ("?", "#help")):
            page.keyboard.press(key)
            expect(page.locator(dialog)).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator(dialog)).to_be_hidden()


class TestContradiction:
    @pytest.mark.parametrize(("key", "same"), [("1", True), ("2", False), ("Escape", False)])
    def test_is_settled_by_keys(self, page, served, key, same):
        session, _ = served
        page.locator('#history button[data-number="2"]').focus()
        page.keyboard.press("Enter")
        clash = page.locator("#clash")
        expect(clash).to_be_visible()
        expect(clash.locator("#clash-chain img")).to_have_count(3)
        expect(clash.locator("#clash-chain input:checked")).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press(key)
        expect(clash).to_be_hidden()
        page.wait_for_function("() => !document.querySelector('dialog[open]')")
        expect(page.locator("#history li")).to_have_count(3 if key == "Escape" else 4)
        assert session.known.relation(1, shown.EACH) is same


class TestGroups:
    def test_are_named_split_and_put_back_by_keys(self, page, served):
        session, _ = served
        page.keyboard.press("s")
        group = page.locator("section.group").first
        founder = int(group.get_attribute("data-group"))
        group.locator("h3 input").fill("Sea")
        group.locator("h3 input").press("Enter")
        expect(page.locator('input[value="Sea"], section[aria-label="Sea"]')).not_to_have_count(0)
        assert session.names()[session.groups.of[founder]] == "Sea"
        before = len(session.groups.founders)
        page.get_by_role("option").first.focus()
        page.keyboard.press("Shift+ArrowRight")
        expect(page.locator("#chosen")).to_contain_text("2 pictures chosen")
        page.keyboard.press("m")
        expect(page.locator("#picker")).to_be_visible()
        page.keyboard.press("0")
        expect(page.locator("section.group[data-group]")).to_have_count(before + 1)
        page.keyboard.press("Backspace")
        expect(page.locator("section.group[data-group]")).to_have_count(before)
        page.keyboard.press("Escape")
        expect(page.locator("#asks")).to_be_visible()

    def test_pictures_are_dragged_to_another_and_groups_merged(self, page, served):
        session, _ = served
        page.keyboard.press("s")
        target = page.locator(f'section.group[data-group="{shown.EACH}"]')
        group = page.locator("section.group", has=page.locator('[data-image="1"]'))
        options = group.get_by_role("option")
        dragged = [int(options.nth(at).get_attribute("data-image")) for at in range(5)]
        options.nth(0).click()
        options.nth(4).click(modifiers=["Shift"])
        options.nth(2).drag_to(target.locator("header"))
        expect(page.get_by_role("status")).to_contain_text("5 pictures moved")
        assert {session.groups.of[image] for image in dragged} == {session.groups.of[shown.EACH]}
        target.get_by_role("button", name="Merge").click()
        page.keyboard.press("1")
        expect(page.locator("section.group[data-group]")).to_have_count(1)


class TestNothingIsLost:
    def test_by_reloading(self, page):
        press(page, truly(page))
        before = asked(page)
        page.reload()
        page.wait_for_selector("body[data-shown]")
        assert asked(page) == before
        press(page, truly(page))

    def test_by_killing_the_server(self, context, folder, tmp_path):
        command = [sys.executable, str(Path(shown.__file__)), str(folder), str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(Path(server.__file__).parents[2])}

        def started():
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
            return process, opened(context.new_page(), process.stdout.readline().strip())

        process, page = started()
        try:
            for _ in range(5):
                press(page, truly(page))
            before, status = asked(page), page.locator("#status").inner_text()
            process.send_signal(signal.SIGKILL)
            process.wait()
            expect(page.locator("#banner")).to_contain_text("Start `pcl label` again")
            process, page = started()
            assert asked(page) == before
            assert page.locator("#status").inner_text().startswith(status.partition(" · ")[0])
        finally:
            process.kill()
            process.wait()

    def test_by_a_full_disk(self, page, served, monkeypatch):
        session, _ = served
        before, written = asked(page), session.log.read_bytes()

        def full(descriptor):
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("pcl.artifacts.os.fsync", full)
            page.keyboard.press("y")
            expect(page.locator("#banner")).to_contain_text("Not saved")
            expect(page.locator("#banner")).to_contain_text("No space left on device")
        assert asked(page) == before and session.log.read_bytes() == written
        press(page, "y")
        expect(page.locator("#banner")).to_be_hidden()

    def test_between_two_tabs(self, page, context, served):
        session, link = served
        second = opened(context.new_page(), link)
        expect(second.locator("#banner")).to_contain_text("Another tab is answering")
        second.keyboard.press("y")
        assert lines(session) == len(TRIANGLE)
        second.get_by_role("button", name="Answer here").click()
        expect(page.locator("#banner")).to_contain_text("Another tab is answering")
        press(second, "y")
        second.close()
        expect(page.locator("#banner")).to_be_hidden()
        press(page, "n")
        assert lines(session) == len(TRIANGLE) + 2


# What brings each view up, from the one before it.
VIEWS = {"asks": [], "tap": ["t"], "pair": ["p"], "help": ["?"], "zoom": ["Escape", "z"], "groups": ["Escape", "s"]}


class TestEveryone:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_every_view_is_accessible_and_fits(self, context, served, scheme):
        page = context.new_page()
        page.emulate_media(color_scheme=scheme)
        opened(page, served[1])
        for view, keys in VIEWS.items():
            for key in keys:
                press(page, key) if key in "tp" else page.keyboard.press(key)
            if view == "groups":
                page.get_by_role("option").first.click()
            for width, height in ((1280, 800), (390, 844)):
                page.set_viewport_size({"width": width, "height": height})
                if width == 1280 or scheme == "dark":
                    assert problems(page) == [], (view, width)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (view, width)
        page.keyboard.press("m")
        assert problems(page) == []

    def test_contradiction_and_settings_too(self, page):
        page.locator('#history button[data-number="2"]').click()
        expect(page.locator("#clash")).to_be_visible()
        assert problems(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Settings").click()
        assert problems(page) == []

    def test_every_button_is_large_enough_and_reached_by_tab(self, page):
        buttons = page.locator("button:visible")
        for at in range(buttons.count()):
            box = buttons.nth(at).bounding_box()
            assert min(box["width"], box["height"]) >= 44, buttons.nth(at).inner_text()
        page.locator("body").focus()
        reached = set()
        for _ in range(buttons.count() + 5):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.outerHTML"))
        missed = [html for html in buttons.evaluate_all("all => all.map(e => e.outerHTML)") if html not in reached]
        assert missed == []

    def test_next_picture_is_said_to_those_who_do_not_see_it(self, page):
        press(page, "y")
        expect(page.locator("#said")).to_contain_text("Same. Next: ")


def problems(page: Page) -> list[str]:
    """What axe finds that is serious."""
    page.evaluate(f"window.axe || (() => {{ {AXE} }})()")
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{each['id']}: {node['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
