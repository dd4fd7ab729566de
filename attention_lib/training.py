"""One training loop for every model of the course."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from attention_lib.losses import Loss, sequence_loss, translation_loss

__all__ = ["History", "Loss", "fit", "mean_loss", "sequence_loss", "translation_loss"]

LossFunction = Callable[[nn.Module, Any], Loss]


@dataclass
class History:
    """What training saw: the loss (nats per token) after each step."""

    losses: list[float] = field(default_factory=list)


def fit(
    model: nn.Module,
    batches: Iterable[Any],
    loss: LossFunction = translation_loss,
    *,
    steps: int,
    learning_rate: float = 3e-3,
    clip_norm: float = 1.0,
    progress: bool = False,
) -> History:
    """Train with Adam on a learning rate that warms up and falls to nothing again.

    Args:
        model: trained in place.
        batches: anything with ``.to(device)``, at least ``steps`` of them;
            :func:`attention_lib.data.batching.batches` never ends.
        loss: maps ``(model, batch)`` to a :class:`Loss`.
        steps: number of updates.
        learning_rate: the highest.
        clip_norm: gradients are scaled down to this norm where they exceed it.
        progress: show a progress bar.

    Returns:
        the losses.

    Raises:
        ValueError: if the batches run out.
        FloatingPointError: if the loss stops being a number.
    """
    model.train()
    device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _one_cycle(step, steps))
    history = History()
    for batch in tqdm(_take(batches, steps), total=steps, disable=not progress, unit="step"):
        batch = batch.to(device)
        part = loss(model, batch)
        mean = part.total / part.count
        optimizer.zero_grad()
        mean.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        schedule.step()
        history.losses.append(mean.item())
        if not math.isfinite(history.losses[-1]):
            raise FloatingPointError(
                f"the loss is {history.losses[-1]} at step {len(history.losses)}; "
                f"try a learning_rate below {learning_rate}"
            )
    model.eval()
    return history


def _one_cycle(step: int, steps: int) -> float:
    """Fraction of the highest learning rate: a tenth of the steps up, then half a cosine down."""
    warm_up = max(1, steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / (steps - warm_up))


def _take(batches: Iterable[Any], steps: int) -> Iterator[Any]:
    taken = 0
    for taken, batch in enumerate(batches, start=1):
        yield batch
        if taken == steps:
            return
    raise ValueError(f"the batches ran out after {taken} of {steps} steps")


@torch.no_grad()
def mean_loss(
    model: nn.Module, batches: Iterable[Any], loss: LossFunction = translation_loss
) -> float:
    """Mean loss per target token or item over all batches, dropout off.

    Raises:
        ValueError: if there is nothing to predict.
    """
    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    for batch in batches:
        part = loss(model, batch.to(device))
        total += float(part.total)
        count += part.count
    if count == 0:
        raise ValueError("no batches, or only empty ones, to take a mean loss of")
    return total / count
