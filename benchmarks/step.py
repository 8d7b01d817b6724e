"""How much a PCL training step costs over the bare network, and what the rest is spent on.

Everything is timed in one process, the two sides in turn, and stated as a ratio. `make bench` writes the result to
benchmarks/step.json and prints it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pcl.artifacts import write_json
from pcl.engine import asking, augment, device, loop
from pcl.engine.images import Images
from pcl.engine.known import Known
from pcl.engine.sampler import Members
from pcl.engine.session import Session
from pcl.engine.stage import Backbone
from pcl.methods.pcl import Method, PCLSettings
from pcl.provenance import provenance
from pcl.strategies.base import Choice, PairView


def session_of(depth: int, size: int, batch: int, where: torch.device, width: int = 64) -> tuple[Method, Session]:
    """A session on random images in the middle of active training, with a budget that lasts."""
    generator = np.random.default_rng(0)
    images = {"train": torch.from_numpy(generator.integers(0, 256, (4 * batch, 3, size, size), dtype=np.uint8))}
    settings = PCLSettings(
        **Method.presets["ours"],
        image_size=size,
        batch_size=batch,
        backbone=Backbone(depth=depth, width=width),
        epochs=1,
    )
    method = Method(settings, clusters=10, budget=100_000)
    network = method.build(3).to(where).to(memory_format=device.MEMORY_FORMAT)
    shown = Images({"train": images["train"].to(where)}, settings, where)
    session = Session(0, shown, network, Known(method.constraints(4 * batch), 100_000))
    session.stage = method.stages()[-1]
    session.optimizer = torch.optim.Adam(network.parameters(), settings.lr, fused=True)
    return method, session


def timed(function: Callable[[], object], where: torch.device) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    function()
    if where.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def step_ratio(depth: int, size: int, batch: int, rounds: int, where: torch.device) -> dict[str, float]:
    """A whole PCL step against forward, backward and update of the same backbone on the same two views."""
    method, session = session_of(depth, size, batch, where)
    truth = np.random.default_rng(1).integers(0, 10, session.size)
    strategy = Choice.of("joint").make()
    index = session.sampler.fixed_order()[:batch]
    backbone, views = session.network["backbone"], session.batch(Members("images", index), 0, 1).views
    optimizer = torch.optim.Adam(backbone.parameters(), 1e-5, fused=True)

    def bare() -> None:
        with device.autocast(where):
            loss = sum(backbone(view).float().sum() for view in views)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def step() -> None:
        batch_ = session.batch(Members("images", index), 0, 1)
        training = loop.step(method, session, strategy, batch_, 0)
        reply = None
        while True:
            try:
                event = training.send(reply)
            except StopIteration:
                return
            reply = bool(truth[event.i] == truth[event.j])

    parts = {"bare": bare, "step": step, "augmentation": lambda: session.batch(Members("images", index), 0, 1)}
    for function in parts.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, function in parts.items():
            times[name].append(timed(function, where))
    ratios = [a / b for a, b in zip(times["step"], times["bare"], strict=True)]
    return {
        "ratio": statistics.median(ratios),
        **{f"{name}_ms": 1000 * statistics.median(values) for name, values in times.items()},
    }


def pair_choice(batch: int, rounds: int, repeats: int = 10) -> dict[str, float]:
    """Choosing a pair, the mean of so many calls in a row, against a double loop over the same scores.

    What a call costs between other work, with caches that hold something else, is among the parts of a step.
    """
    generator = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(2, batch, 128, generator=generator), dim=2)
    relation = torch.randint(-1, 2, (batch, batch), generator=generator).triu(1)
    relation = torch.where(torch.rand(batch, batch, generator=generator) < 0.05, relation, 0)
    relation = relation + relation.T
    must, cannot = relation == 1, relation == -1
    p = torch.full((batch, 2), 0.5)
    strategy = Choice.of("joint").make()

    def ours() -> None:
        view = PairView(z, p, must, cannot, (~(must | cannot)).triu(1), 0.5, generator)
        strategy.select(view, 1)

    s, links = (z @ z.mT).mean(0).numpy(), relation.numpy().astype(float)
    candidates = (~(must | cannot)).triu(1).numpy()

    def naive() -> None:
        up, near, told = {}, {}, {}
        for i in range(batch):
            for j in range(i + 1, batch):
                if candidates[i, j]:
                    up[i, j], near[i, j], told[i, j] = -abs(s[i, j] - 0.2), s[i, j], float(links[j] @ s[i])
        for scores in (up, near, told):
            low, high = min(scores.values()), max(scores.values())
            for pair in scores:
                scores[pair] = max((scores[pair] - low) / (high - low), 1e-3)
        hard = {pair: near[pair] * np.log(near[pair] / told[pair]) for pair in near}
        max(up, key=lambda pair: 0.5 * up[pair] + 0.5 * hard[pair])

    def in_a_row() -> None:
        for _ in range(repeats):
            ours()

    cpu, pairs = torch.device("cpu"), []
    ours()
    for _ in range(rounds):
        pairs.append((timed(in_a_row, cpu) / repeats, timed(naive, cpu)))
    return {
        "ours_ms": 1000 * statistics.median(a for a, _ in pairs),
        "naive_ms": 1000 * statistics.median(b for _, b in pairs),
        "ratio": statistics.median(b / a for a, b in pairs),
    }


def profile(depth: int, size: int, batch: int, where: torch.device) -> dict[str, float]:
    """Shares of a step's time by part, the rest being the network's forward and backward passes."""
    method, session = session_of(depth, size, batch, where)
    index = session.sampler.fixed_order()[:batch]
    filled = session.batch(Members("images", index), 0, 1)
    outputs = method.forward(session.network, filled)
    session.link(filled)
    strategy = Choice.of("joint").make()
    z, p = outputs["z"].detach().view(2, batch, -1), outputs["p"].detach()[:batch]
    parts = {
        "augmentation": lambda: [
            augment.view(session.images.stored(index), size, session.images.settings.augmentation, filled.generator)
            for _ in range(2)
        ],
        "links": lambda: session.link(filled),
        "pair choice": lambda: strategy.select(asking.pair_view(session, index, z, p, 0), 1),
        "losses": lambda: method.loss(outputs, filled, session),
        "clipping": lambda: torch.nn.utils.clip_grad_norm_(session.network.parameters(), 20),
    }
    for function in parts.values():
        function()
    return {
        name: 1000 * statistics.median(timed(function, where) for _ in range(10)) for name, function in parts.items()
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int, default=34)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/step.json"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    where = device.choose(options.device)
    place = (options.depth, options.size, options.batch)
    content = {
        "backbone": f"ResNet{options.depth}",
        "image_size": options.size,
        "batch": options.batch,
        "step": step_ratio(*place, options.rounds, where),
        "parts_ms": profile(*place, where),
        "pair_choice": pair_choice(options.batch, 20),
        "made": provenance(device=str(where), threads=options.threads),
    }
    write_json(options.out, content)
    step, pair = content["step"], content["pair_choice"]
    print(
        f"a PCL step takes {step['ratio']:.3f} × the bare step ({step['step_ms']:.0f} ms, {step['bare_ms']:.0f} ms)"
    )
    print("of which, in ms: " + json.dumps({name: round(ms, 2) for name, ms in content["parts_ms"].items()}))
    print(f"choosing a pair takes {pair['ours_ms']:.2f} ms; the double loop {pair['ratio']:.0f} times that")


if __name__ == "__main__":
    main()
