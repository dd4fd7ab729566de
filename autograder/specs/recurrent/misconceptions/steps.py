"""Wrong counts of the steps that have to wait."""

import torch
from torch import Tensor

from autograder.checks.bank import Bank

SEQUENTIAL_STEPS = Bank()


def _times(needs: Tensor) -> list[int]:
    """When each step can run, rightly."""
    times: list[int] = []
    for row in needs.tolist():
        times.append(1 + max((n for n, k in zip(times, row, strict=False) if k), default=0))
    return times


@SEQUENTIAL_STEPS.add(
    "all steps are counted",
    "You return the number of steps, as if each had to wait for all before it. If none needs "
    "another, all can run at once: how long does that take?",
)
def _all_steps(needs: Tensor) -> int:
    return len(needs)


@SEQUENTIAL_STEPS.add(
    "the links of the chain are counted, not its steps",
    "You are one short: you count how often a step waits, or let the first steps run at time 0. "
    "Two steps of which one waits for the other are one link: how many steps are they?",
)
def _links(needs: Tensor) -> int:
    return max(_times(needs), default=1) - 1


@SEQUENTIAL_STEPS.add(
    "all that is needed is counted",
    "You count the entries of needs. Two steps may wait for the same third one at the same time: "
    "does that take longer than if one did?",
)
def _entries(needs: Tensor) -> int:
    return int(needs.sum())


@SEQUENTIAL_STEPS.add(
    "all that is needed is counted, and one more",
    "You count the entries of needs and add 1. That is right for a chain, but two steps may wait "
    "for the same third one at the same time: does that take longer than if one did?",
)
def _entries_and_one(needs: Tensor) -> int:
    return int(needs.sum()) + 1


@SEQUENTIAL_STEPS.add(
    "the step that needs the most is taken",
    "You count how many steps one step needs directly. Those may in turn wait for others: where "
    "do they come in?",
)
def _widest(needs: Tensor) -> int:
    return 1 + max((sum(row) for row in needs.tolist()), default=-1)


@SEQUENTIAL_STEPS.add(
    "the steps that wait are counted",
    "You count the steps that need something. Some of them may run at the same time: what tells "
    "you when?",
)
def _waiting(needs: Tensor) -> int:
    return int(needs.any(dim=1).sum()) + 1 if len(needs) else 0


@SEQUENTIAL_STEPS.add(
    "waits for the first of the needed steps, not the last",
    "Your steps run as soon as one of those that they need is done. When the others are still "
    "missing, can they?",
)
def _minimum(needs: Tensor) -> int:
    times: list[int] = []
    for row in needs.tolist():
        times.append(1 + min((n for n, k in zip(times, row, strict=False) if k), default=0))
    return max(times, default=0)


@SEQUENTIAL_STEPS.add(
    "the first needed step is followed, whatever the others waited for",
    "You wait for the needed step with the lowest number. It need not be the one that is done "
    "last: which time should decide?",
)
def _first_number(needs: Tensor) -> int:
    times: list[int] = []
    for row in needs.tolist():
        needed = [n for n, k in zip(times, row, strict=False) if k]
        times.append(1 + (needed[0] if needed else 0))
    return max(times, default=0)


@SEQUENTIAL_STEPS.add(
    "the times of the needed steps are added up",
    "Your steps wait for the sum of what those that they need took. Those may run side by side: "
    "how long is the wait until the last of them is done?",
)
def _added(needs: Tensor) -> int:
    times: list[int] = []
    for row in needs.tolist():
        times.append(1 + sum(n for n, k in zip(times, row, strict=False) if k))
    return max(times, default=0)


@SEQUENTIAL_STEPS.add(
    "the chain of the last step is returned",
    "You return the time of the last step. The longest chain may end at another one: of which "
    "steps is the answer the largest time?",
)
def _last_step(needs: Tensor) -> int:
    return _times(needs)[-1] if len(needs) else 0


@SEQUENTIAL_STEPS.add(
    "the last needed step is followed, whatever it waited for",
    "You wait for the needed step with the highest number. It need not be the one that is done "
    "last: which time should decide?",
)
def _latest_number(needs: Tensor) -> int:
    times: list[int] = []
    for row in needs.tolist():
        needed = [n for n, k in zip(times, row, strict=False) if k]
        times.append(1 + (needed[-1] if needed else 0))
    return max(times, default=0)


@SEQUENTIAL_STEPS.add(
    "only the step just before is looked at",
    "You count how long each step needs the one just before it. A step may also need one that is "
    "far back: which entries of its row have you not looked at?",
)
def _neighbours(needs: Tensor) -> int:
    longest = run = 0
    for t in range(len(needs)):
        run = run + 1 if t and needs[t, t - 1] else 1
        longest = max(longest, run)
    return longest


@SEQUENTIAL_STEPS.add(
    "no steps at all raises an error",
    "All is well until there is no step: the largest of nothing does not exist. How long does a "
    "computation without a step take?",
)
def _empty(needs: Tensor) -> int:
    return max(_times(needs))


@SEQUENTIAL_STEPS.add(
    "no steps at all take 1",
    "All is well until there is no step at all: you say 1. What is the first number that you "
    "compare with?",
)
def _at_least_one(needs: Tensor) -> int:
    return max([1, *_times(needs)])


@SEQUENTIAL_STEPS.add(
    "the times of all steps are returned",
    "You return a number for each step: the times at which they run. When is the whole "
    "computation done?",
)
def _returns_times(needs: Tensor) -> Tensor:
    return torch.tensor(_times(needs))
