import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LambdaLR

from attention_lib.schedules import noam, noam_rate, warmup_cosine


def rates(schedule, steps, highest=1.0):
    """The rates that torch's scheduler gives to each of the updates."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=highest)
    scheduler, seen = LambdaLR(optimizer, schedule), []
    for _ in range(steps):
        seen.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return seen


@settings(deadline=None)
@given(st.integers(1, 2000), st.integers(1, 500))
def test_noam_peaks_at_the_end_of_the_warm_up_and_falls_on_both_sides(d_model, warmup):
    seen = rates(noam(d_model, warmup), 2 * warmup)
    assert seen.index(max(seen)) == warmup - 1
    assert max(seen) == pytest.approx((d_model * warmup) ** -0.5)
    assert seen[: warmup - 1] == sorted(seen[: warmup - 1])
    assert seen[warmup:] == sorted(seen[warmup:], reverse=True)


def test_noam_climbs_in_a_line_and_falls_with_the_root_of_the_step():
    assert noam_rate(26, 64, 100) == pytest.approx(2 * noam_rate(13, 64, 100))
    assert noam_rate(800, 64, 100) == pytest.approx(noam_rate(200, 64, 100) / 2)
    assert noam_rate(17, 4 * 64, 100) == pytest.approx(noam_rate(17, 64, 100) / 2)


def test_noam_of_the_paper_at_its_own_sizes():
    # d_model 512 and 4,000 steps of warm-up: the peak is 1 / sqrt(512 · 4000) ≈ 0.000699.
    assert noam_rate(4000, 512, 4000) == pytest.approx(6.9877e-4, rel=1e-4)


def test_noam_is_nothing_at_step_0_and_refuses_what_is_no_step():
    assert noam_rate(0, 512, 4000) == 0.0
    with pytest.raises(ValueError, match="step is -1 and warmup 4"):
        noam_rate(-1, 512, 4)
    with pytest.raises(ValueError, match="wanted step >= 0 and warmup >= 1"):
        noam_rate(1, 512, 0)


@settings(deadline=None)
@given(st.integers(1, 300))
def test_the_cosine_starts_above_zero_peaks_after_a_tenth_and_ends_at_zero(steps):
    warmup = max(1, steps // 10)
    seen = rates(warmup_cosine(steps), steps, highest=0.5)
    assert seen[0] == pytest.approx(0.5 / warmup)
    assert max(seen) == seen[warmup - 1] == 0.5
    assert seen[warmup:] == sorted(seen[warmup:], reverse=True)
    assert steps == 1 or warmup_cosine(steps)(steps) == pytest.approx(0.0, abs=1e-12)
    assert warmup_cosine(steps)(steps + 1 + steps // 2) == warmup_cosine(steps)(steps + 1)
    assert steps == 1 or warmup_cosine(steps)(2 * steps) == pytest.approx(0.0, abs=1e-12)
