"""The state of an unfinished training on disk, and the way back from it."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pickle import UnpicklingError
from typing import Any

import torch

from pcl import artifacts, progress
from pcl.engine.events import Epoch
from pcl.engine.session import Session
from pcl.engine.stage import Stage
from pcl.errors import UserError
from pcl.folder import Folder
from pcl.oracles import log
from pcl.run.inputs import take_over


@dataclass(frozen=True)
class Checkpoint:
    """Saves a session after every epoch: all that it takes to go on; the file needs no trust in pickles."""

    folder: Folder
    key: str
    session: Session

    def epoch_ended(self, epoch: Epoch) -> None:
        """Save the session."""
        session = self.session
        state = {
            "key": self.key,
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
        artifacts.write(self.folder.checkpoint, buffer.getvalue())

    def resume(self, stages: list[Stage]) -> tuple[dict[str, Any] | None, list[Stage]]:
        """Bring the session to where the file stands; the optimiser's state and the stages that are left.

        Raises:
            UserError: the file is damaged, or not of this run.
        """
        path, session = self.folder.checkpoint, self.session
        if not path.exists():
            return None, stages
        try:
            state = torch.load(path, map_location=session.device, weights_only=True)
            here = [stage.name for stage in stages].index(state["stage"])
            session.network.load_state_dict(state["network"])
            answers = log.parse(state["answers"], str(path))
            session.history, session.state = json.loads(state["history"]), state["method"]
            session.known.pseudo_links = [(i, j) for i, j in state["pseudo_links"]]
        except (LookupError, TypeError, ValueError, RuntimeError, EOFError, OSError, UnpicklingError) as error:
            cause = next(iter(str(error).splitlines()), "cut short")
            raise UserError(
                f"{path}: not a checkpoint of this run ({cause}); delete {path.parent} to start over"
            ) from error
        take_over(session.known, answers[len(session.known.answers) :], path)
        progress.say(f"{self.folder.path}: going on after stage {state['stage']}, epoch {state['epoch']}")
        if state["ended"]:
            return None, stages[here + 1 :]
        session.epoch = state["epoch"]
        return state["optimizer"], stages[here:]
