"""One training loop for every model of the course."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel
from tqdm.auto import tqdm

from attention_lib.checkpoint import History, Run
from attention_lib.losses import Loss, sequence_loss, translation_loss
from attention_lib.schedules import Schedule, warmup_cosine

__all__ = [
    "History",
    "Loss",
    "accumulate_gradients",
    "fit",
    "mean_loss",
    "sequence_loss",
    "translation_loss",
]

LossFunction = Callable[[nn.Module, Any], Loss]


def fit(
    model: nn.Module,
    batches: Iterable[Any],
    loss: LossFunction = translation_loss,
    *,
    steps: int,
    learning_rate: float = 3e-3,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Schedule | None = None,
    accumulate: int = 1,
    clip_norm: float | None = 1.0,
    precision: torch.dtype = torch.float32,
    averaged: AveragedModel | None = None,
    validate: Callable[[nn.Module], float] | None = None,
    patience: int | None = None,
    checkpoint: Path | str | None = None,
    every: int = 500,
    progress: bool = False,
) -> History:
    """Train a model in place.

    Args:
        model: trained where it is; left in evaluation mode.
        batches: anything with ``.to(device)``, at least ``steps × accumulate`` of them;
            :func:`attention_lib.data.batching.batches` never ends.
        loss: maps ``(model, batch)`` to a :class:`Loss`.
        steps: number of updates.
        learning_rate: of the fused Adam that is built if no ``optimizer`` is given.
        optimizer: over the model's parameters, with the highest learning rate.
        schedule: maps the number of updates done to a factor of the learning rate; by default a
            tenth of the steps up, then half a cosine down.
        accumulate: batches an update; their predictions weigh the same as those of one big batch.
        clip_norm: gradients are scaled down to this norm where they exceed it; None leaves them.
        precision: bfloat16 and float16 run the forward pass under autocast, the latter with a
            scaled loss; float32 leaves the model in its own.
        averaged: torch's running average of the model's weights, updated after every step; the
            model gets these weights in the end.
        validate: maps the model to a figure that should fall, such as its loss on held-out pairs;
            the model gets the weights with the lowest in the end.
        patience: stop after so many validations without a new lowest.
        checkpoint: file to go on from if it is there, and to keep up to date. Pass the same
            batches from the first on: those taken are passed over. Learning rate and schedule are
            those passed, not the file's.
        every: steps between validations, and between checkpoints.
        progress: show a progress bar with the loss and tokens a second.

    Returns:
        what training saw.

    Raises:
        ValueError: if a number is out of range, the batches run out, a batch has nothing to
            predict, the optimizer is of another model, the checkpoint is of another model or has
            taken more steps, or there is patience without validation.
        TypeError: if ``loss`` gives no :class:`Loss`, or ``validate`` no number.
        FloatingPointError: if the loss or its gradient stops being finite; the weights are those
            of the step before.

    >>> from itertools import repeat
    >>> from attention_lib.data.batching import Batch
    >>> from attention_lib.seq2seq import Seq2Seq, Seq2SeqConfig
    >>> ids = torch.tensor([[4, 5, 6, 2]])
    >>> batch = Batch(ids, torch.tensor([4]), torch.tensor([[1, 4, 5, 6]]), ids, pad=0)
    >>> model = Seq2Seq(Seq2SeqConfig(7, 7, d_embed=8, d_hidden=16, dropout=0.0))
    >>> history = fit(model, repeat(batch), steps=60, learning_rate=0.02)
    >>> len(history.losses), history.losses[-1] < 0.1 < history.losses[0]
    (60, True)
    """
    _check_numbers(steps=steps, accumulate=accumulate, every=every, patience=patience)
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(
            f"clip_norm is {clip_norm}; wanted a norm above 0, or None for no clipping"
        )
    device = next(model.parameters()).device
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    scaler = torch.amp.GradScaler(device.type, enabled=precision is torch.float16)
    _check_optimizer(model, optimizer)
    run = Run(model, optimizer, LambdaLR(optimizer, schedule or warmup_cosine(steps)), scaler)
    run.averaged = averaged
    stream = iter(batches)
    if checkpoint and Path(checkpoint).exists():
        run.resume(Path(checkpoint), stream)
    _check_plan(run, steps, validate, patience)
    model.train()
    with tqdm(total=steps, initial=run.step, disable=not progress, unit="step") as bar:
        while run.step < steps and (patience is None or run.waited < patience):
            started = time.perf_counter()
            group = _take(run, stream, accumulate, steps)
            mean, count = accumulate_gradients(
                model, group, loss, precision=precision, scaler=scaler
            )
            _check_finite("loss", mean, run)
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm or math.inf)
            if not scaler.is_enabled():  # the scaler passes over such steps by itself
                _check_finite("norm of the gradient", float(norm), run)
            scaler.step(optimizer)
            scaler.update()
            run.schedule.step()
            if averaged is not None:
                averaged.update_parameters(model)
            run.history.add(mean, count, time.perf_counter() - started)
            shown = f"loss {mean:.3f}, {run.history.speed():,.0f} tokens/s"
            bar.set_postfix_str(shown, refresh=False)
            bar.update()
            if run.step % every == 0 or run.step == steps:
                try:
                    if validate is not None:
                        run.judge(validate(run.product))
                        model.train()
                finally:  # a validation that fails does not cost the steps before it
                    if checkpoint:
                        run.save(Path(checkpoint))
    run.finish()
    return run.history


def _check_numbers(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} is {number}; wanted at least 1")


def _check_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Refuse an optimizer that would leave the model as it is."""
    own = {id(parameter) for parameter in model.parameters()}
    if not any(id(p) in own for group in optimizer.param_groups for p in group["params"]):
        raise ValueError(
            "the optimizer has none of the model's parameters: build it from model.parameters(), "
            "after the model was moved or copied"
        )


def _check_plan(
    run: Run, steps: int, validate: Callable[[nn.Module], float] | None, patience: int | None
) -> None:
    if run.step > steps:
        raise ValueError(
            f"the checkpoint has taken {run.step} steps, more than steps={steps}; ask for more, or "
            "name another file"
        )
    if patience is not None and validate is None:
        raise ValueError(f"patience={patience} counts validations; pass validate too")


def _take(run: Run, stream: Iterator[Any], number: int, steps: int) -> list[Any]:
    """Take the batches of one update."""
    group = list(islice(stream, number))
    run.taken += len(group)
    if len(group) < number:
        raise ValueError(f"the batches ran out after {run.step} of {steps} steps")
    return group


def accumulate_gradients(
    model: nn.Module,
    batches: Iterable[Any],
    loss: LossFunction = translation_loss,
    *,
    precision: torch.dtype = torch.float32,
    scaler: torch.amp.GradScaler | None = None,
) -> tuple[float, int]:
    r"""Leave the gradient of the mean over the predictions of *all* batches together.

    .. math:: \nabla \frac{\sum_b L_b}{\sum_b N_b}
              \ne \frac1B \sum_b \nabla \frac{L_b}{N_b}

    A mean of the batches' means would let a token weigh more in a batch with few of them. The
    sizes of later batches are not known yet when the first is differentiated, so all are divided
    by the first one's N and put right in the end; in float16 the gradient of a sum would overflow.

    Args:
        model: whose parameters get the gradient, in place of the one they have.
        batches: one after the other in memory.
        loss: maps ``(model, batch)`` to a :class:`Loss`.
        precision: of the forward pass, see :func:`fit`.
        scaler: multiplies the gradient, for float16.

    Returns:
        the mean, and N.

    Raises:
        ValueError: if a batch has nothing to predict, or there is none.
    """
    device = next(model.parameters()).device
    model.zero_grad()
    parts: list[Loss] = []
    for batch in batches:
        with torch.autocast(device.type, precision, enabled=precision is not torch.float32):
            part = loss(model, batch.to(device))
        if not isinstance(part, Loss):
            raise TypeError(
                f"loss gave a {type(part).__name__}; wanted a Loss(total, count): a sum, and how "
                "many predictions it is of"
            )
        if part.count < 1:
            raise ValueError("a batch has nothing to predict; leave empty ones out")
        parts.append(Loss(part.total.detach(), part.count))
        mean = part.total / parts[0].count
        (scaler.scale(mean) if scaler else mean).backward()
    if not parts:
        raise ValueError("no batches to take a gradient of")
    count = sum(part.count for part in parts)
    if len(parts) > 1:
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(parts[0].count / count)
    return float(sum(part.total for part in parts) / count), count


def _check_finite(what: str, value: float, run: Run) -> None:
    if not math.isfinite(value):
        rate = run.schedule.get_last_lr()[0]
        raise FloatingPointError(
            f"the {what} is {value} at step {run.step + 1}, with a learning rate of {rate:.3g}; "
            "try a lower one or a longer warm-up, and look for empty or broken batches"
        )


@torch.no_grad()
def mean_loss(
    model: nn.Module, batches: Iterable[Any], loss: LossFunction = translation_loss
) -> float:
    """Mean loss per target token or item over all batches.

    Dropout is off: the model is left in evaluation mode.

    Raises:
        ValueError: if there is nothing to predict.

    >>> from attention_lib.losses import Loss
    >>> batches = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([6.0])]
    >>> mean_loss(nn.Linear(1, 1), batches, lambda model, batch: Loss(batch.sum(), len(batch)))
    3.0
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
