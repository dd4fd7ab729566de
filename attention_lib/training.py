"""One training loop for every model that predicts target words."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from attention_lib.data.batching import Batch


def sequence_loss(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    r"""Mean negative log-likelihood of the target words: :math:`-\frac1N \sum_t \log p(y_t)`.

    Args:
        logits: (batch, steps, vocabulary).
        targets: (batch, steps) ids; positions that hold ``pad`` do not count.
        pad: id of the padding.

    Returns:
        a scalar, in nats per real token.

    >>> loss = sequence_loss(torch.zeros(1, 2, 4), torch.tensor([[3, 0]]), pad=0)
    >>> math.isclose(loss, math.log(4), rel_tol=1e-6)
    True
    """
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=pad)


@dataclass
class History:
    """What training saw: the loss (nats per token) after each step."""

    losses: list[float] = field(default_factory=list)


def fit(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    steps: int,
    learning_rate: float = 3e-3,
    clip_norm: float = 1.0,
    progress: bool = False,
) -> History:
    """Train with Adam on a learning rate that warms up and falls to nothing again.

    Args:
        model: maps ``(src, src_lengths, tgt_in)`` to ``(logits, weights)``; trained in place.
        batches: at least ``steps`` of them; :func:`attention_lib.data.batching.batches` never ends.
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
        logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
        loss = sequence_loss(logits, batch.tgt_out, batch.pad)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        schedule.step()
        history.losses.append(loss.item())
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


def _take(batches: Iterable[Batch], steps: int) -> Iterator[Batch]:
    taken = 0
    for taken, batch in enumerate(batches, start=1):
        yield batch
        if taken == steps:
            return
    raise ValueError(f"the batches ran out after {taken} of {steps} steps")


@torch.no_grad()
def mean_loss(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Mean negative log-likelihood per target token over all batches, dropout off."""
    model.eval()
    device = next(model.parameters()).device
    total = tokens = 0.0
    for batch in batches:
        batch = batch.to(device)
        logits, _ = model(batch.src, batch.src_lengths, batch.tgt_in)
        count = int((batch.tgt_out != batch.pad).sum())
        total += float(sequence_loss(logits, batch.tgt_out, batch.pad)) * count
        tokens += count
    return total / tokens
