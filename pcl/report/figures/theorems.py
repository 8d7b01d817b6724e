"""What Theorems 3.2 and 3.3 of PCL's paper say of its loss, measured on a run's own answers.

docs/results/theorems/README.md says how what is measured relates to what is stated.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pcl import artifacts
from pcl import seed as seeds
from pcl.config import FigureSettings
from pcl.engine.stage import chunks
from pcl.errors import UserError
from pcl.report.figures import base
from pcl.report.style import COLOURS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from pcl.engine.session import Session
    from pcl.intervals import Images
    from pcl.plan import Run
    from pcl.types import Bool, Float, Tensor

Arrays = dict[str, NDArray[Any]]
EPSILON = 0.2
"""ε of Eq. 6, for a strategy that has none."""
FIXED = ("after pretraining", "after training")
"""The networks f that are held fixed."""


class TheoremsSettings(FigureSettings):
    """Settings of the theorems' loss."""

    kind: Literal["theorems"]
    orientation: str
    arm: str
    pairs: int = Field(1000, ge=10, description="pairs drawn in each run, for Theorem 3.3")

    @property
    def named(self) -> list[str]:
        """One arm."""
        return [self.arm]


class Seen(NamedTuple):
    """A fixed batch as a fixed network sees it, and what is known of its pairs."""

    images: NDArray[np.int64]
    views: Float[Tensor, "V B M"]
    must: Bool[Tensor, "B B"]
    cannot: Bool[Tensor, "B B"]

    def put(self, i: int, j: int, same: bool, known: bool = True) -> None:
        """Note an answer about two places in the batch, or take it back."""
        links = self.must if same else self.cannot
        links[i, j] = links[j, i] = known


class Figure(base.Figure):
    """The loss by how many answers it is made of, and what one more answer changes against S_up of its pair.

    Source: Geng et al., AAAI-25, Theorems 3.2 and 3.3.
    """

    Settings = TheoremsSettings
    settings: TheoremsSettings
    precomputed = True

    @property
    def orientations(self) -> list[str]:
        """The one of its settings."""
        return [self.settings.orientation]

    def runs(self) -> Iterator[Run]:
        """The arm with every seed."""
        for seed in self.plan.study.seeds:
            yield self.plan.run(self.task, self.settings.orientation, self.settings.arm, seed)

    def check(self) -> None:
        """The loss is PCL's, answers about pairs are given, and those of other pairs can be told."""
        here, run = f"figures.{self.name}", next(self.runs())
        if run.method_name != "pcl" or run.pretraining is None:
            raise UserError(f"{here}.arm: {run.arm} has not PCL's loss and pretraining; choose an arm that has")
        if self.settings.orientation not in run.targets:
            raise UserError(f"{here}.orientation: nobody knows the clusters of {self.settings.orientation}")

    def precompute(self, out: Path) -> None:
        """Write the loss after each answer, and what each drawn pair would change.

        The .npz holds, for the networks `FIXED` and every one of the `runs`: `loss` [F, R, Q + 1], with `same`
        [R, Q] of the answers; and of the drawn pairs `delta`, `s_up`, `similarity` [F, R, P] with `linked` [R, P].

        Raises:
            UserError: the arm is none of PCL's, or a run is missing.
        """
        self.check()
        found = [self._measured(run) for run in self.runs()]
        stacked = {name: [one[name] for one in found] for name in found[0]}
        answered = min(len(own) for own in stacked["same"])
        arrays = {
            "loss": np.stack([own[:, : answered + 1] for own in stacked["loss"]], 1),
            "same": np.stack([own[:answered] for own in stacked["same"]]),
            "linked": np.stack(stacked["linked"]),
            **{name: np.stack(stacked[name], 1) for name in ("delta", "s_up", "similarity")},
        }
        artifacts.write_arrays(out, **arrays, runs=np.array([run.path.as_posix() for run in self.runs()]))

    def _measured(self, run: Run) -> dict[str, NDArray[Any]]:
        """What `precompute` writes, of one run."""
        from pcl import orientations
        from pcl.run import execute

        assert run.pretraining is not None, "this has been checked"
        target = orientations.read(run.targets[self.settings.orientation].path).train
        answers = [fact for answer in run.folder.read_answers() for fact in answer.facts]
        facts = [(i, j, same) for i, j, same in answers if same is not None]
        _, session = execute.restored(run)
        weights = {FIXED[0]: run.pretraining.folder.read_weights(), FIXED[1]: run.folder.read_weights()}
        rows = []
        for name in FIXED:
            session.network.load_state_dict(weights[name], strict=False)
            rows.append(self._with(run, _seen(session), facts, target))
        names = ("loss", "delta", "s_up", "similarity")
        arrays = {name: np.stack([row[name] for row in rows]) for name in names}
        return arrays | {"linked": rows[0]["linked"], "same": np.array([same for *_, same in facts])}

    def _with(
        self, run: Run, batches: list[Seen], facts: list[tuple[int, int, bool]], target: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """The same with one fixed network."""
        at = {int(image): (n, row) for n, batch in enumerate(batches) for row, image in enumerate(batch.images)}
        size = sum(len(batch.images) for batch in batches)
        losses, pairs = [_loss(run.settings, batch, size) for batch in batches], {}
        found = [sum(losses)]
        for number, (i, j, same) in enumerate(facts):
            if number == run.settings.initial_questions:
                pairs = self._pairs(run, batches, target, size)
            (n, first), (_, second) = at[i], at[j]
            batches[n].put(first, second, same)
            losses[n] = _loss(run.settings, batches[n], size)
            found.append(sum(losses))
        return pairs | {"loss": np.array(found)}

    def _pairs(self, run: Run, batches: list[Seen], target: NDArray[np.int64], size: int) -> dict[str, NDArray[Any]]:
        """Random pairs that could be asked next: S_up, similarity, and what the true answer would change."""
        draw = seeds.numpy_generator(run.seed, "theorems", "pairs")
        found: dict[str, list[Any]] = {"delta": [], "s_up": [], "similarity": [], "linked": []}
        shares = np.diff(np.linspace(0, self.settings.pairs, len(batches) + 1, dtype=int))
        for batch, count in zip(batches, shares, strict=True):
            s_up, similarity, candidates = _scores(run.settings, batch)
            before = _loss(run.settings, batch, size)
            for place in draw.choice(len(candidates), min(int(count), len(candidates)), replace=False):
                i, j = candidates[place]
                same = bool(target[batch.images[i]] == target[batch.images[j]])
                batch.put(i, j, same)
                found["delta"].append(_loss(run.settings, batch, size) - before)
                batch.put(i, j, same, known=False)
                found["s_up"].append(float(s_up[i, j]))
                found["similarity"].append(float(similarity[i, j]))
                found["linked"].append(same)
        return {name: np.array(values) for name, values in found.items()}

    def drawing(self, source: Path) -> base.Drawing:
        """Drawn from what `precompute` wrote."""
        arrays = artifacts.read_arrays(source)
        wanted = [run.path.as_posix() for run in self.runs()]
        if "runs" not in arrays or "s_up" not in arrays or arrays["runs"].tolist() != wanted:
            raise UserError(f"{source}: not of these runs; make it again with `snakemake --cores 1 {source}`")
        return base.Drawing(lambda ink: _draw(arrays, ink), _numbers(arrays, [run.seed for run in self.runs()]))

    def caption(self, images: Images) -> str:
        """What is held fixed, and what is on the axes."""
        counts = images.counts([self.task], "train")
        return (
            f"{self.task}, {self.settings.orientation} orientation, {counts.get(self.task, 0):,} train images, "
            f"{len(self.plan.study.seeds)} seeds. L̂: the loss of Eq. 10 with one network held fixed, of the first q "
            "answers of the run. Left: its distance to what it is with all Q answers, a line a seed. Middle and "
            f"right: by how much one more answer changes it, for {self.settings.pairs:,} random pairs a seed that "
            "could be asked when the run begins to choose, against what the theorem has in its place."
        )

    def description(self, summary: pd.DataFrame, images: Images) -> str:
        """What is on the axes."""
        return f"{self.settings.title}: distances of losses, and their changes against S_up, of {self.settings.arm}."


def _seen(session: Session) -> list[Seen]:
    """Every fixed batch in two random views of each image, as the network gives them in evaluation.

    Doubles, since one answer in many changes the loss by little more than a float can hold.
    """
    import torch

    from pcl.networks.heads import both_views

    network, found = session.network.eval(), []
    for number, index in enumerate(chunks(session.sampler.fixed_order(), session.images.settings.batch_size)):
        draw = seeds.torch_generator(session.seed, "theorems", number, device=session.device.type)
        with torch.no_grad():
            z = both_views(network, [session.images.view(index, "standard", draw) for _ in range(2)])["z"]
        must, cannot = (torch.zeros(len(index), len(index), dtype=torch.bool, device=z.device) for _ in range(2))
        found.append(Seen(index, torch.stack(list(z.double().chunk(2))), must, cannot))
    return found


def _loss(settings: Any, batch: Seen, size: int) -> float:
    """What a batch adds to L̂ (Eq. 9 and 10): the mean over its rows, weighed by its share of all images."""
    from pcl.losses import constrained as form

    cannot = form.tile(batch.cannot)
    logits = form.cosine(batch.views.flatten(0, 1)) / settings.temperature
    losses = form.pair_loss(logits, cannot, settings.self_term, settings.scale)
    if settings.weights == "paper":
        weights = form.paper_weights(batch.must, settings.emphasis)
    else:
        weights = form.release_weights(batch.must, batch.must & False)
    return float(form.row_loss(losses, weights, settings.weights)) * len(batch.images) / size


def _scores(settings: Any, batch: Seen) -> tuple[Any, Any, list[tuple[int, int]]]:
    """S_up of Eq. 6 and the similarity of every pair, and the pairs that could be asked."""
    import torch

    from pcl.strategies.base import PairView
    from pcl.strategies.terms import uncertainty

    candidates = ~(batch.must | batch.cannot).triu(1) & torch.ones_like(batch.must).triu(1)
    view = PairView(
        views=batch.views,
        p=batch.views[0],
        must=batch.must,
        cannot=batch.cannot,
        candidates=candidates,
        remaining=1.0,
        generator=torch.Generator(),
    )
    places = [(int(i), int(j)) for i, j in candidates.nonzero().tolist()]
    return uncertainty(view, settings.strategy.settings.get("epsilon", EPSILON)), view.similarity, places


def _numbers(arrays: Arrays, seeds_of: list[int]) -> str:
    """One row for every answer, then one for every drawn pair, of each network and seed."""
    import pandas as pd

    frames = []
    for f, network in enumerate(FIXED):
        for r, seed in enumerate(seeds_of):
            kinds = ["", *("same" if same else "different" for same in arrays["same"][r])]
            loss = arrays["loss"][f, r].round(6)
            said = {"network": network, "seed": seed, "what": "loss", "q": np.arange(len(loss)), "answer": kinds}
            frames.append(pd.DataFrame({**said, "value": loss}))
            kinds = ["same" if same else "different" for same in arrays["linked"][r]]
            own = {name: arrays[name][f, r].round(6) for name in ("s_up", "similarity")}
            said = {"network": network, "seed": seed, "what": "change", "answer": kinds, **own}
            frames.append(pd.DataFrame({**said, "value": arrays["delta"][f, r].round(9)}))
    return pd.concat(frames).to_csv(index=False, lineterminator="\n")


def _draw(arrays: Arrays, ink: str) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    figure = Canvas(figsize=(10.5, 6.2), layout="constrained")
    for f, axes in enumerate(figure.subplots(len(FIXED), 3)):
        loss = arrays["loss"][f]
        for own in loss:
            axes[0].plot(np.abs(own - own[-1]), color=COLOURS[0], lw=1.2, alpha=0.7)
        axes[0].set(xlabel="q", ylabel="|L̂q − L̂Q|", title=FIXED[f])
        for ax, linked, words in ((axes[1], False, "cannot-links"), (axes[2], True, "must-links")):
            _panel(ax, arrays, f, linked)
            ax.set_title(words)
        for ax in axes:
            ax.grid(color=ink, alpha=0.12)
    return figure


def _panel(ax: Axes, arrays: Arrays, f: int, linked: bool) -> None:
    """Changes against exp S_up where pairs are cannot-links, and against S_up where they are must-links."""
    chosen = arrays["linked"] == linked
    s_up, change = arrays["s_up"][f][chosen], np.abs(arrays["delta"][f][chosen])
    x = s_up if linked else np.exp(s_up)
    ax.plot(x, change, ls="", marker="o", ms=2.5, alpha=0.25, mew=0, color=COLOURS[1 + linked], rasterized=True)
    ax.set(xlabel="S_up" if linked else "exp S_up", ylabel="|L̂q − L̂q+1|")
