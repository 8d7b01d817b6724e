"""A session as the page is told of it, in JSON."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from statistics import median
from typing import Any

from pcl.constraints import Contradiction
from pcl.label.library import Library
from pcl.label.session import Session

RECENT = 10  # answers that are shown, and may be flipped
PACE = 20  # answers over which a person's pace is taken
AHEAD = 4  # pictures whose questions are fetched before they are asked
SAMPLE = 3  # members that stand for a group that may be chosen

Shape = dict[str, Any]


def state(session: Session, library: Library, *, writer: bool, version: str) -> Shape:
    """All that the page shows but for the groups."""
    with session.lock:
        shape = {
            "question": question(session),
            "status": status(session),
            "session": {
                **session.about.model_dump(include={"criterion", "clusters", "budget", "mode"}),
                "log": str(session.log),
                "writer": writer,
                "version": version,
            },
            "history": history(session),
        }
    return shape | {"names": names(library, shape)}


def question(session: Session) -> Shape | None:
    """The question that stands, with what the page fetches ahead of the next one."""
    asked = session.question()
    if asked is None:
        return None
    titles = {group: name(session, group) for group in (asked.group, *asked.others)}
    others = [
        {"group": own, "name": titles[own], "members": nearest(session, asked.image, own, SAMPLE)}
        for own in asked.others
    ]
    ahead = [
        entry.image for entry in islice(session.learning.waiting.entries, 2 * AHEAD) if entry.image != asked.image
    ]
    return {
        "id": asked.id,
        "kind": asked.kind,
        "image": asked.image,
        "group": asked.group,
        "name": titles[asked.group],
        "members": asked.members,
        "candidates": asked.candidates,
        "others": others,
        "preload": ahead[:AHEAD] + (nearest(session, asked.image, asked.others[0], 9) if asked.others else []),
    }


def nearest(session: Session, image: int, group: int, count: int) -> list[int]:
    """Members of a group, those most like a picture first."""
    members = session.groups.members(group)
    return session.sorter.nearest(image, members[members != image], count)


def name(session: Session, group: int) -> str:
    """What a group is called: as the person says, or by its number."""
    return session.names().get(group) or f"Group {session.groups.founders.index(group) + 1}"


def status(session: Session) -> Shape:
    """How far the session is."""
    paces = [event.seconds for event in session.standing if event.seconds is not None][-PACE:]
    known = session.known
    return {
        "answered": session.answered,
        "budget": session.about.budget,
        "left": session.left,
        "implied": known.implied_must + known.implied_cannot,
        "known": len(session.groups.of),
        "pictures": len(session.sorter.rows) - len(session.gone),
        "groups": len(session.groups.founders),
        "clusters": session.about.clusters,
        "seconds_per_answer": median(paces) if paces else None,
        "in_doubt": session.learning.in_doubt(session.groups),
        "moved": session.learning.waiting.moved,
        "advice": session.learning.advice(session.groups),
        "saved": True,
    }


def history(session: Session) -> list[Shape]:
    """What was done last, the latest first."""
    return [
        {
            "number": event.number,
            "kind": event.kind,
            "pairs": event.pairs[:1],
            "more": max(len(event.pairs) - 1, 0),
            "image": event.image,
            "name": event.name,
            "flips": len(event.pairs) == 1 and event.pairs[0][2] is not None,
        }
        for event in session.standing[: -RECENT - 1 : -1]
    ]


def groups(session: Session) -> Shape:
    """Every group, the most doubtful first, and the pictures that are in none yet."""
    with session.lock:
        shown = session.shown()
        titles = {group.id: name(session, group.id) for group in shown}
        held = set(session.groups.of).union(*({image for image, _ in group.inferred} for group in shown))
        loose = [
            image for image in range(len(session.sorter.rows)) if image not in held and image not in session.gone
        ]
    listed = [
        {
            "id": group.id,
            "name": titles[group.id],
            "named": bool(group.name),
            "answered": group.answered,
            "inferred": [[image, round(sure, 4)] for image, sure in group.inferred],
            "size": len(group.answered) + len(group.inferred),
            "doubt": round(group.doubt, 4),
        }
        for group in shown
    ]
    return {"groups": listed, "loose": loose}


def contradiction(error: Contradiction, library: Library) -> Shape:
    """An answer that contradicts earlier ones, with the chain of these."""
    answer = error.answer
    shape = {
        "pair": [answer.i, answer.j],
        "same": answer.same,
        "chain": [given._asdict() for given in error.chain],
        "doubt": getattr(error, "doubt", 0),
    }
    mentioned = [answer.i, answer.j, *(image for given in error.chain for image in given[:2])]
    return {"contradiction": shape, "names": _named(library, mentioned)}


def names(library: Library, shape: Shape) -> dict[int, str]:
    """The files of all pictures that a state, or groups, mention."""
    asked, found = shape.get("question"), []
    if asked:
        found += [asked["image"], *asked["members"], *asked["candidates"]]
        found += [image for other in asked["others"] for image in other["members"]]
    for event in shape.get("history", ()):
        found += [image for pair in event["pairs"] for image in pair[:2]]
        found += [] if event["image"] is None else [event["image"]]
    for group in shape.get("groups", ()):
        found += [*group["answered"], *(image for image, _ in group["inferred"])]
    return _named(library, [*found, *shape.get("loose", ())])


def _named(library: Library, images: Iterable[int]) -> dict[int, str]:
    return {image: library.pictures[image].path for image in images}
