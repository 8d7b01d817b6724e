"""Take the pictures of docs/label.md from the page itself: `python docs/screenshots.py FOLDER_OF_CARDS`.

A scripted person sorts some of the cards by suit, which the names of the files tell, in a real browser (chromium).
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from pcl.label import features
from pcl.label.about import About, create
from pcl.label.library import Library
from pcl.label.server import prepared
from pcl.label.session import Session

IMAGES = Path(__file__).parent / "images"
EVERY = 6  # of the cards one is taken
ANSWERS = 60  # before the first picture
FRAMES = 7  # questions of the moving picture
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
SUITS = ("club", "diamond", "heart", "spade")


def main() -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch) / "cards"
        folder.mkdir()
        cards = sorted(path for path in Path(sys.argv[1]).glob("[!k]*") if suit(path.name))  # some of KDE's are tiny
        for path in cards[::EVERY]:
            shutil.copy(path, folder)
        os.environ["HOME"] = scratch  # the page says where answers lie
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        with served(folder, Path(scratch) / ".local/share/pcl") as (session, library, link):
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(link)
            take(page, session, library)


def take(page: Page, session: Session, library: Library) -> None:
    """Answer, and look at every view on the way."""
    for _ in range(ANSWERS):
        answer(page)
    name_groups(page, session, library)
    moving(page)
    save(page, "asks")
    page.keyboard.press("s")
    page.wait_for_selector("section.group")
    save(page, "groups")
    page.keyboard.press("s")
    contradict(page)
    save(page, "contradiction")
    page.keyboard.press("Escape")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    save(page, "small")


@contextmanager
def served(folder: Path, home: Path) -> Iterator[tuple[Session, Library, str]]:
    """A session about a folder, its pictures, and the link to its page."""
    library = Library.open(folder, home)
    place = library.place / "session"
    create(place, About(folder=str(folder), criterion="by suit", budget=200, features=features.default()))
    session = Session(place, features.of(library, features.default()))
    session.fit()
    server, listener, link = prepared(session, library)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield session, library, link
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def suit(name: str) -> str | None:
    """The suit of a card, by its file's name."""
    return next((each for each in SUITS if f"__{each}__" in name), None)


def answer(page: Page) -> None:
    """Answer the question on the page by suit."""
    page.wait_for_selector("body[data-shown]")
    own = suit(page.locator("#picture img").get_attribute("alt") or "")
    beside = suit(page.locator("#members img").first.get_attribute("alt") or "")
    before = page.evaluate("document.body.dataset.shown")
    page.keyboard.press("y" if beside == own else "n")
    page.wait_for_function("before => (document.body.dataset.shown ?? before) !== before", arg=before)


def name_groups(page: Page, session: Session, library: Library) -> None:
    """Give the groups the names of the suits."""
    page.keyboard.press("s")
    page.wait_for_selector("section.group")
    for founder in session.groups.founders:
        field = page.locator(f'section[data-group="{founder}"] h3 input')
        name = f"{suit(library.pictures[founder].path)}s".capitalize()
        field.fill(name)
        field.press("Enter")
        page.wait_for_selector(f'section[aria-label="{name}"]')
    page.keyboard.press("s")


def contradict(page: Page) -> None:
    """Say the opposite of an earlier answer: a picture was kept out of one group, then put into another."""
    told = page.locator("#history button")
    while True:
        signs = [told.nth(at).locator(".sign").inner_text() for at in range(2)]
        if signs == ["=", "≠"]:
            told.nth(1).click()
            page.wait_for_timeout(1000)
            if page.locator("#clash").is_visible():
                return
            page.keyboard.press("Backspace")
            page.wait_for_timeout(1000)
        answer(page)


def save(page: Page, name: str) -> None:
    """Save what the page shows, once all its pictures are there."""
    IMAGES.joinpath(f"label-{name}.png").write_bytes(shot(page))


def shot(page: Page) -> bytes:
    """The window as PNG of few colours."""
    page.wait_for_function("[...document.images].every(i => i.loading === 'lazy' || i.complete)")
    page.wait_for_timeout(300)
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        small = io.BytesIO()
        picture.convert("RGB").quantize(256).save(small, "PNG", optimize=True)
    return small.getvalue()


def moving(page: Page) -> None:
    """A few questions, one after the other, as a GIF."""
    frames = []
    for _ in range(FRAMES):
        with Image.open(io.BytesIO(shot(page))) as picture:
            frames.append(picture.convert("RGB").resize((800, 500), Image.Resampling.LANCZOS).quantize(96))
        answer(page)
    path = IMAGES / "label.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=1100, loop=0, optimize=True)


if __name__ == "__main__":
    main()
