"""Learning rates that change with the step: functions for torch's LambdaLR."""

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def noam_rate(step: int, d_model: int, warmup: int) -> float:
    r"""The Transformer's learning rate: up in a line, then down with the root of the step.

    .. math:: d_\mathrm{model}^{-0.5} \cdot
              \min(\mathit{step}^{-0.5}, \mathit{step} \cdot \mathit{warmup}^{-1.5})

    Args:
        step: number of the update, from 1; at 0 the rate is 0.
        d_model: size of the model.
        warmup: the step with the highest rate, :math:`(d_\mathrm{model} \cdot warmup)^{-0.5}`.

    Raises:
        ValueError: if ``step`` is negative or ``warmup`` below 1.

    Vaswani et al. (2017), equation 3, with a warm-up of 4,000 steps.

    >>> [round(noam_rate(step, 64, 100) * 1e4, 1) for step in (0, 1, 50, 100, 400)]
    [0.0, 1.2, 62.5, 125.0, 62.5]
    """
    if step < 0 or warmup < 1:
        raise ValueError(f"step is {step} and warmup {warmup}; wanted step >= 0 and warmup >= 1")
    falling = step**-0.5 if step else math.inf
    return float(d_model**-0.5 * min(falling, step * warmup**-1.5))


def noam(d_model: int, warmup: int) -> Schedule:
    """Give :func:`noam_rate` for an optimiser whose own rate is 1.

    LambdaLR counts the updates that are done, so the first is asked for as 0 and gets step 1's.

    >>> noam(64, 100)(0) == noam_rate(1, 64, 100)
    True
    """
    return lambda done: noam_rate(done + 1, d_model, warmup)


def warmup_cosine(steps: int) -> Schedule:
    """Give fractions of the highest rate: a tenth of the steps up, then half a cosine down to 0.

    Once all steps are done the rate stays 0.

    >>> [round(warmup_cosine(100)(done), 2) for done in (0, 4, 9, 10, 55, 100)]
    [0.1, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = max(1, steps // 10)

    def fraction(done: int) -> float:
        if done < warmup:
            return (done + 1) / warmup
        way = min(1.0, (done - warmup) / max(1, steps - warmup))
        return 0.5 + 0.5 * math.cos(math.pi * way)

    return fraction
