"""Training that can be broken off and gone on with as if nothing had happened."""

import math
import os
import pickle
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel


@dataclass
class History:
    """What training saw, one entry a step.

    Attributes:
        losses: mean loss of the step's predictions, in nats.
        counts: how many predictions that were (tokens or items).
        seconds: time spent on the steps so far; validation and saving do not count.
        validations: (step, figure) of each validation.
    """

    losses: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)

    def add(self, loss: float, count: int, seconds: float) -> None:
        """Note a step that took ``seconds``."""
        self.losses.append(loss)
        self.counts.append(count)
        self.seconds.append(seconds + (self.seconds[-1] if self.seconds else 0.0))

    def speed(self) -> float:
        """Predictions (tokens or items) a second over the last 100 steps."""
        before = self.seconds[-101] if len(self.seconds) > 100 else 0.0
        return sum(self.counts[-100:]) / max(self.seconds[-1] - before, 1e-9)


@dataclass
class Run:
    """All that decides how training goes on from a step.

    Attributes:
        model, optimizer, schedule, scaler: what is trained, and with what.
        averaged: a running average of the weights, or None.
        history: what training saw.
        taken: how many batches have been taken.
        best: the model's weights at the best validation, or None.
        waited: validations since then.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    scaler: torch.amp.GradScaler
    averaged: AveragedModel | None = None
    history: History = field(default_factory=History)
    taken: int = 0
    best: dict[str, Tensor] | None = None
    waited: int = 0

    @property
    def step(self) -> int:
        """The number of steps taken."""
        return len(self.history.losses)

    @property
    def product(self) -> nn.Module:
        """The model to validate and to keep: with averaged weights, where there are any."""
        return self.model if self.averaged is None else self.averaged.module

    def judge(self, figure: float) -> None:
        """Note a validation's figure, and keep the weights if none before it was as low.

        NaN is no new lowest, and does not keep a later figure from being one.

        Raises:
            TypeError: if it is no number.
        """
        try:
            figure = float(figure)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"validate gave {figure!r}; wanted a number that should fall, such as a loss"
            ) from error
        earlier = [figure for _, figure in self.history.validations if not math.isnan(figure)]
        lowest = min(earlier, default=math.inf)
        self.history.validations.append((self.step, figure))
        self.waited += 1
        if figure < lowest:
            weights = self.product.state_dict()
            self.best = {name: tensor.detach().clone() for name, tensor in weights.items()}
            self.waited = 0

    def finish(self) -> None:
        """Give the model its best weights, or its averaged ones, and switch dropout off."""
        self.model.load_state_dict(self.best or self.product.state_dict())
        self.model.eval()

    def save(self, path: Path) -> None:
        """Write everything to a file, which is whole at any instant."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {"optimizer class": type(self.optimizer).__name__, "random": _random_states()}
        state |= {"history": asdict(self.history), "taken": self.taken}
        state |= {"best": self.best, "waited": self.waited}
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        torch.save(state, unfinished)
        unfinished.replace(path)

    def resume(self, path: Path, batches: Iterator[Any]) -> None:
        """Go on from a file, and pass over the batches that were taken before it was written.

        What the optimizer has gathered comes from the file; its settings, and the schedule, are
        the caller's: whoever lowers the learning rate after a divergence gets the lower one.

        Raises:
            ValueError: if the file is damaged, or of another model, or if ``batches`` are fewer
                than were taken.
        """
        state = _read(path)
        _check_same(self, state, path)
        state["optimizer"]["param_groups"] = self.optimizer.state_dict()["param_groups"]
        state["schedule"]["base_lrs"] = self.schedule.base_lrs
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.history = History(**state["history"])
        self.schedule.last_epoch = self.step - 1
        self.schedule.step()
        self.best, self.waited = state["best"], state["waited"]
        for self.taken in range(1, state["taken"] + 1):
            if next(batches, None) is None:
                raise ValueError(
                    f"{path} had taken {state['taken']} batches, but there are only "
                    f"{self.taken - 1}; give the batches it was trained on, from the first"
                )
        # Only now: making the batches may have drawn random numbers.
        _set_random_states(state["random"])

    def _parts(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("model", "optimizer", "schedule", "scaler")}
        return parts if self.averaged is None else parts | {"averaged": self.averaged}


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        state["optimizer class"], state["random"]
    except (
        RuntimeError,
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        OSError,
        pickle.UnpicklingError,
    ) as error:
        raise ValueError(
            f"{path} is no whole checkpoint of fit(); delete it to start anew"
        ) from error
    return state


def _check_same(run: Run, state: dict[str, Any], path: Path) -> None:
    """Refuse a file that was written for another model or another kind of training."""
    there: dict[str, Any] = {name: tuple(part.shape) for name, part in state["model"].items()}
    here: dict[str, Any] = {name: tuple(p.shape) for name, p in run.model.state_dict().items()}
    there |= {"optimizer": state["optimizer class"], "averaged": "averaged" in state}
    here |= {"optimizer": type(run.optimizer).__name__, "averaged": run.averaged is not None}
    groups = "the number of parameters in each group of the optimizer"
    there[groups] = _group_sizes(state["optimizer"])
    here[groups] = _group_sizes(run.optimizer.state_dict())
    for name in here | there:
        if here.get(name) != there.get(name):
            raise ValueError(
                f"{path} is a checkpoint of another model: {name} is {there.get(name, 'missing')} "
                f"there and {here.get(name, 'missing')} here. Build the model that it was written "
                "for, or name another file"
            )


def _group_sizes(optimizer: dict[str, Any]) -> list[int]:
    return [len(group["params"]) for group in optimizer["param_groups"]]


def _random_states() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 (what others may draw from)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    numpy = (kind, np.asarray(keys).tolist(), *rest)
    return {
        "torch": torch.get_rng_state(),
        "cuda": cuda,
        "python": random.getstate(),
        "numpy": numpy,
    }


def _set_random_states(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    torch.cuda.set_rng_state_all(states["cuda"][: torch.cuda.device_count()])
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
