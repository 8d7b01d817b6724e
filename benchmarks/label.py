"""How many of a folder's pictures are sorted as a person wants them, and how quickly the page answers.

A scripted person opens the page in Chromium, looks at the names of the files, and presses y or n:

    python benchmarks/label.py ../shared/data/cards benchmarks/label.json

The names are `deck__suit__rank.png`. Without cards, it sorts the shapes of `pcl label --demo`:

    python benchmarks/label.py demo out.json --share 0.5

What is counted are the pictures whose group follows from no answer.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from scipy.optimize import linear_sum_assignment

COURT = ("jack", "queen", "king")
CARDS = {
    "court": (100, lambda deck, suit, rank: str(rank in COURT)),
    "colour": (200, lambda deck, suit, rank: "red" if suit in ("heart", "diamond") else "black"),
    "suit": (400, lambda deck, suit, rank: suit),
    "deck": (400, lambda deck, suit, rank: deck),
}
SHAPES = {
    "colour": (150, lambda colour, *others: colour),
    "shape": (60, lambda colour, shape, *others: shape),
    "filling": (40, lambda colour, shape, filling, *others: filling),
}
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SHOWN = "before => document.body.dataset.shown !== undefined && document.body.dataset.shown !== before"


def main() -> None:
    """Label the folder once for every criterion, and write what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", help="a folder of cards, or demo")
    parser.add_argument("out", type=Path)
    parser.add_argument("--criteria", nargs="+", choices=CARDS | SHAPES)
    parser.add_argument("--share", type=float, default=1.0, help="of each criterion's answers")
    given = parser.parse_args()
    criteria, found = SHAPES if given.pictures == "demo" else CARDS, {}
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for criterion in given.criteria or criteria:
            answers, of = criteria[criterion]
            found[criterion] = labelled(
                browser, given.pictures, Path(home), criterion, int(answers * given.share), of
            )
            print(criterion, json.dumps(found[criterion]), flush=True)
        browser.close()
    given.out.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def labelled(browser, pictures: str, home: Path, criterion: str, answers: int, of) -> dict:
    """One session from its start to the last answer."""
    start = time.perf_counter()
    which = "--demo" if pictures == "demo" else pictures
    command = [sys.executable, "-m", "pcl", "label", which, "--criterion", criterion, "--quiet"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PCL_HOME": str(home)})
    try:
        link = next(line.strip() for line in server.stderr if line.startswith("http"))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(link)
        page.wait_for_selector("body[data-shown]", timeout=600_000)
        first, waits = time.perf_counter() - start, []
        for _ in range(answers):
            waits.append(answer(page, of))
        groups = settled(page)
        page.close()
    finally:
        server.terminate()
        server.wait()
    return {
        "answers": answers,
        "accuracy": round(accuracy(groups, of), 4),
        "groups": len(groups["groups"]),
        "first question, s": round(first, 1),
        "key to next picture, median ms": round(statistics.median(waits) * 1000),
        "key to next picture, p95 ms": round(statistics.quantiles(waits, n=20)[-1] * 1000),
        "whole session, s": round(time.perf_counter() - start, 1),
    }


def answer(page: Page, of) -> float:
    """Answer as the names say; seconds from the key to the next question."""
    image = page.locator("#picture img").get_attribute("alt")
    member = page.locator("#members img").first.get_attribute("alt")
    before = page.evaluate("document.body.dataset.shown")
    start = time.perf_counter()
    page.keyboard.press("y" if wanted(image, of) == wanted(member, of) else "n")
    page.wait_for_function(SHOWN, arg=before, timeout=120_000, polling=5)
    return time.perf_counter() - start


def settled(page: Page) -> dict:
    """The groups, once nothing is being learned any more."""
    while page.evaluate("fetch('/api/state').then(r => r.json()).then(s => s.status.fitting)"):
        time.sleep(0.2)
    return page.evaluate("fetch('/api/groups').then(r => r.json())")


def accuracy(groups: dict, of) -> float:
    """Of the pictures that no answer places, the share that is sorted as wanted, groups and wishes matched best."""
    names = {int(image): name for image, name in groups["names"].items()}
    wishes = sorted({wanted(name, of) for name in names.values()})
    table = [[0] * len(wishes) for _ in groups["groups"]]
    for row, group in zip(table, groups["groups"], strict=True):
        for image, _ in group["inferred"]:
            row[wishes.index(wanted(names[image], of))] += 1
    rows, columns = linear_sum_assignment(table, maximize=True)
    return sum(table[i][j] for i, j in zip(rows, columns, strict=True)) / sum(map(sum, table))


def wanted(file: str, of) -> str:
    """What the person sees in a picture."""
    name = Path(file).stem
    return of(*name.split("__" if "__" in name else "-"))


if __name__ == "__main__":
    main()
