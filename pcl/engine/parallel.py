"""One training in several processes, each with a part of every batch: data-parallel over the backbone.

Every process goes through the whole program with the same draws, questions and answers; the backbone alone, which is
nearly all of the work, sees a part of a batch. Its features are gathered, so that attention, heads, losses and
questions see the joint batch, whatever the method. The first process leads: it alone writes and shows.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import distributed, nn

from pcl.errors import UserError
from pcl.types import Float, Tensor

T = TypeVar("T")
BACKBONE = "backbone"
LEAVE = 30
"""Seconds that a process has to end, once another has."""


def together(count: int, function: Callable[..., T], *given: Any) -> T:
    """What a function returns here, while it runs in `count` processes; alone where that is 1.

    Raises:
        UserError: what the function raises, or one of the others has ended before its time.
    """
    if count == 1:
        return function(*given)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        others = [
            context.Process(target=_follow, args=(rank, count, meeting, function, *given), daemon=True)
            for rank in range(1, count)
        ]
        for other in others:
            other.start()
        try:
            return _member(0, count, meeting, function, *given)
        except RuntimeError as error:
            for other in others:
                other.join(LEAVE)
            if all(other.exitcode in (None, 0) for other in others):
                raise
            raise UserError(
                f"devices: one of the {count} processes of this training has ended, with what it says above; what "
                "was reached is kept, start again"
            ) from error
        finally:
            for other in others:
                other.join(LEAVE)
                other.kill()


def _follow(rank: int, *given: Any) -> None:
    """Be one of the others; the first process says what a user must know."""
    try:
        _member(rank, *given)
    except UserError:
        sys.exit(2)


def _member(rank: int, count: int, meeting: Path, function: Callable[..., T], *given: Any) -> T:
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, init_method=f"file://{meeting}", rank=rank, world_size=count)
    try:
        return function(*given)
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def leads() -> bool:
    """Whether this process is the one that writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def own(device: torch.device) -> torch.device:
    """The device of this process: of several GPUs the one of its number.

    Raises:
        UserError: there are fewer GPUs than processes.
    """
    if count() == 1 or device.type == "cpu":
        return device
    if device.type != "cuda" or torch.cuda.device_count() < count():
        raise UserError(
            f"devices: {count()}, but {torch.cuda.device_count()} GPUs are visible here; lower devices in the "
            "study's resources, ask for as many with gpu, and unset PCL_GPUS, which shows one"
        )
    torch.cuda.set_device(distributed.get_rank())
    return torch.device("cuda", distributed.get_rank())


def share(network: nn.ModuleDict) -> None:
    """Let the backbone, where there is one, see a part of every batch, and normalise it as the whole.

    Names of weights and buffers stay as they are.
    """
    if count() > 1 and BACKBONE in network:
        _synchronise(network[BACKBONE])
        network[BACKBONE].register_forward_pre_hook(_part)
        network[BACKBONE].register_forward_hook(_whole)


def average_gradients(network: nn.Module) -> None:
    """Average over processes, in one message.

    A gradient of a gathered tensor is summed on its way back, and all processes have the same loss: so the mean is
    the gradient of that loss, of the backbone as of what every process computes by itself.
    """
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    if count() == 1 or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.div_(count()).split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


class _Sum(torch.autograd.Function):
    """The sum over processes, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        """Of values."""
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Of gradients."""
        return _Sum.forward(ctx, gradient.contiguous())


def _bounds(rows: int) -> tuple[int, int]:
    """Which rows of a batch are this process's; parts differ by one at most."""
    rank = distributed.get_rank()
    return rows * rank // count(), rows * (rank + 1) // count()


def _part(module: nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
    module.rows = len(given[0])  # type: ignore[assignment]
    first, last = _bounds(len(given[0]))
    return (given[0][first:last],)


def _whole(module: nn.Module, given: tuple[Tensor], features: Float[Tensor, "B D"]) -> Float[Tensor, "N D"]:
    """The rows of all processes in their order; other processes' rows are zero here, so that parts may differ."""
    rows = int(module.rows)  # type: ignore[arg-type]
    first, last = _bounds(rows)
    padding = (features.new_zeros(first, features.shape[1]), features.new_zeros(rows - last, features.shape[1]))
    joint: Tensor = _Sum.apply(torch.cat([padding[0], features, padding[1]]))
    return joint


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the statistics of the joint batch, on a processor too; torch's own is for GPUs."""

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Two passes, mean and then variance, since the difference of two large sums would lose digits."""
        if not self.training:
            return super().forward(x)
        assert self.num_batches_tracked is not None and self.running_mean is not None
        assert self.running_var is not None and self.momentum is not None
        wide, shape = x.float(), (1, -1, 1, 1)
        here = wide.new_full((1,), x.numel() / x.shape[1])
        sums = _Sum.apply(torch.cat([wide.sum((0, 2, 3)), here]))
        number = sums[-1].detach()
        mean = sums[:-1] / number
        centred = wide - mean.view(shape)
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / number
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * number / (number - 1), self.momentum)
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


def _synchronise(module: nn.Module) -> None:
    """Put `BatchNorm` in the place of every normalisation, with the same weights and buffers."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            new = BatchNorm(child.num_features, child.eps, child.momentum)
            new.__dict__.update(child.__dict__)
            setattr(module, name, new)
        else:
            _synchronise(child)
