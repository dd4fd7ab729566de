"""A call that an exercise does not allow is met whatever name it is called by."""

import pytest
import torch
from torch import nn

from autograder.checks.cases import Case
from autograder.checks.drive import drive
from autograder.checks.trap import ForbiddenCall, trapped

SDPA = "torch.nn.functional.scaled_dot_product_attention"
held = torch.nn.functional.scaled_dot_product_attention


def by_another_name(x):
    return held(x, x, x)


def by_a_name_made_at_run_time(x):
    return getattr(nn.functional, "_".join(("scaled", "dot", "product", "attention")))(x, x, x)


@pytest.mark.parametrize("function", [by_another_name, by_a_name_made_at_run_time])
def test_a_function_is_met_by_what_it_is(function):
    [answer] = drive(function, [Case((torch.ones(1, 2, 3),))], [SDPA])
    assert answer.error == f"ForbiddenCall: {SDPA}"


@pytest.mark.parametrize(
    ("forbidden", "make"),
    [
        ("torch.nn.MultiheadAttention", lambda: nn.MultiheadAttention(4, 2)),
        ("torch.nn.functional.multi_head_attention_forward", lambda: nn.MultiheadAttention(4, 2)),
        ("torch.nn.modules.rnn", lambda: nn.GRU(4, 4)),
        ("torch.nn.LSTM", lambda: type("Mine", (nn.LSTM,), {})(4, 4)),
    ],
)
def test_a_module_is_met_when_it_is_called(forbidden, make):
    x = torch.ones(3, 1, 4)
    module = make().eval()
    arguments = (x, x, x) if isinstance(module, nn.MultiheadAttention) else (x,)
    with pytest.raises(ForbiddenCall, match=forbidden), trapped([forbidden]):
        module(*arguments)


def test_what_is_allowed_is_computed_and_the_trap_is_gone_afterwards():
    x = torch.randn(1, 2, 4, requires_grad=True)
    with trapped([SDPA, "torch.nn.MultiheadAttention"]):
        allowed = nn.Linear(4, 4)(x).softmax(-1)
    allowed.sum().backward()
    assert x.grad is not None
    assert by_another_name(x).shape == x.shape
    assert nn.MultiheadAttention(4, 2)(x, x, x)[0].shape == x.shape
