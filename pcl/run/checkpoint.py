"""The state of an unfinished training on disk, and the way back from it."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pcl import artifacts, progress, seals
from pcl.engine import loop
from pcl.engine.events import Epoch
from pcl.engine.session import Session
from pcl.engine.stage import Stage
from pcl.folder import Folder
from pcl.oracles import log
from pcl.run.inputs import take_over

DIGITS = 64


@dataclass(frozen=True)
class Checkpoint:
    """Saves a session after every epoch: all that it takes to go on; the file needs no trust in pickles."""

    folder: Folder
    session: Session

    def epoch_ended(self, epoch: Epoch) -> None:
        """Save the session."""
        session = self.session
        state = {
            "place": self._place,
            "stage": epoch.stage,
            "epoch": epoch.number,
            "ended": epoch.ended,
            "network": session.network.state_dict(),
            "optimizer": session.optimizer.state_dict(),
            "method": session.state,
            "answers": log.dump(session.known.answers),
            "history": json.dumps(session.history),
            "pseudo_links": session.known.pseudo_links,
        }
        # By way of memory: writing straight to a full disk, torch.save hides the cause.
        buffer = io.BytesIO()
        torch.save(state, buffer)
        # The digest comes last, so that torch reads the file as it is.
        content = buffer.getvalue()
        artifacts.write(self.folder.checkpoint, content + seals.digest(content).encode())

    def resume(self, stages: list[Stage]) -> tuple[dict[str, Any] | None, list[Stage]]:
        """Bring the session to where the file stands; the optimiser's state and the stages that are left.

        Raises:
            UserError: the file is damaged, or not of this run.
        """
        path, session = self.folder.checkpoint, self.session
        if not path.exists():
            return None, stages
        with seals.refusing(path, f"delete {path.parent} to start over"):
            state = self._read(path)
            here = [stage.name for stage in stages].index(state["stage"])
            session.network.load_state_dict(state["network"])
            answers = log.parse(state["answers"], str(path))
            session.history, session.state = json.loads(state["history"]), state["method"]
            session.known.pseudo_links = [(i, j) for i, j in state["pseudo_links"]]
            if not state["ended"]:
                self._hold(stages[here], state["optimizer"])
        take_over(session.known, answers[len(session.known.answers) :], path)
        progress.say(f"{self.folder.path}: going on after stage {state['stage']}, epoch {state['epoch']}")
        if state["ended"]:
            return None, stages[here + 1 :]
        session.epoch = state["epoch"]
        return state["optimizer"], stages[here:]

    def _hold(self, stage: Stage, state: dict[str, Any]) -> None:
        """Hold an optimiser's state against a new one after a step; torch itself writes past a wrong shape."""
        network = deepcopy(self.session.network)
        optimizer = loop.optimiser(network, stage.optimiser)
        for weight in network.parameters():
            weight.grad = torch.zeros_like(weight) if weight.requires_grad else None
        optimizer.step()
        wanted = optimizer.state_dict()
        if [_form(group) for group in state["param_groups"]] != [_form(group) for group in wanted["param_groups"]]:
            raise seals.Broken("other settings")
        # What has had no gradient yet has no state.
        if any(_form(found) != _form(wanted["state"][number]) for number, found in state["state"].items()):
            raise seals.Broken("other weights")

    @property
    def _place(self) -> str:
        """The folder by which arms that share a pretraining share its checkpoint: key and seed are in it."""
        return self.folder.path.as_posix()

    def _read(self, path: Path) -> dict[str, Any]:
        """The state in the file; raises ValueError where it is not as it was written, or another folder's."""
        content = path.read_bytes()
        if content[-DIGITS:] != seals.digest(content[:-DIGITS]).encode():
            raise seals.Broken("another digest")
        state: dict[str, Any] = torch.load(
            io.BytesIO(content[:-DIGITS]), map_location=self.session.device, weights_only=True
        )
        if state["place"] != self._place:
            raise seals.Broken("another place")
        return state


def _form(named: dict[str, Any]) -> dict[str, Any]:
    """Of every entry what does not change in training: the shape of a tensor, the length of a list, or the kind."""

    def form(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.shape, value.dtype
        return len(value) if isinstance(value, list) else type(value)

    return {name: form(value) for name, value in named.items()}
