"""What is special to unit 8: torch's own module, slips as students write them, whole notebooks."""

import inspect
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from attention_lib.multihead import MultiHeadAttention
from autograder.checks.drive import drive
from autograder.checks.judge import judge
from autograder.checks.spec import draw_cases, load_unit
from autograder.specs.multihead import oracles
from autograder.specs.multihead.misconceptions.given import masked_softmax

UNIT = load_unit("multihead")
EXERCISES = {e.name: e for e in UNIT.exercises}


def verdict(name, function):
    cases = draw_cases(EXERCISES[name], 1)
    return judge(EXERCISES[name], cases, [drive(function, row) for row in cases])


def test_six_exercises_are_worth_100_points():
    assert [e.points for e in UNIT.exercises] == [12, 10, 26, 20, 16, 16]


def test_the_right_cross_attention_is_that_of_torchs_module():
    torch.manual_seed(0)
    module = nn.MultiheadAttention(15, 3, batch_first=True, dtype=torch.float64)
    nn.init.normal_(module.in_proj_bias)
    nn.init.normal_(module.out_proj.bias)
    x, memory = torch.randn(2, 5, 15).double(), torch.randn(2, 7, 15).double()
    mask = torch.rand(2, 1, 5, 7) < 0.7
    mask[..., 0] = True
    ours = oracles.multihead_cross_attention(x, memory, mask, 3, dict(module.named_parameters()))
    theirs = module(
        x, memory, memory, attn_mask=~mask.repeat(1, 3, 1, 1).flatten(0, 1),
        average_attn_weights=False,
    )  # fmt: skip
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize(
    ("kind", "name"), [({"num_kv_heads": 2}, "grouped"), ({"talking": True}, "talking")]
)
def test_the_right_sharing_and_talking_are_the_librarys(kind, name):
    torch.manual_seed(0)
    layer = MultiHeadAttention(12, 4, **kind)
    heads = layer.project(torch.randn(2, 5, 12))
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    if name == "talking":
        nn.init.normal_(layer.mix_scores)
        nn.init.normal_(layer.mix_weights)
        ours = oracles.talking_heads(*heads, mask, layer.mix_scores, layer.mix_weights)
    else:
        ours = oracles.grouped_query_attention(*heads, mask)
    torch.testing.assert_close(ours, layer.attend(*heads, mask, need_weights=True))


def test_the_banks_softmax_is_the_one_that_the_notebook_gives():
    notebook = Path(__file__).parents[3] / "solutions" / "multihead.py"
    assert inspect.getsource(masked_softmax) in notebook.read_text(encoding="utf-8")


def attend(query, key, value, mask, scale=None):
    weights = masked_softmax(query @ key.mT / (scale or key.shape[-1] ** 0.5), mask)
    return weights @ value, weights


def head_size(x, key, value, num_heads):
    return key.shape[-1]


def layer(
    split=oracles.split_heads,
    merge=oracles.merge_heads,
    size=head_size,
    axis=-1,
    weigh=masked_softmax,
):
    """Exercise 3 as students write it, with one step of their own."""

    def multihead_self_attention(x, mask, num_heads, params):
        query, key, value = (split(x @ params[n], num_heads) for n in ("W_q", "W_k", "W_v"))
        root = size(x, key, value, num_heads) ** 0.5
        weights = weigh(query @ key.transpose(-1, -2) / root, mask, axis)
        return merge(torch.matmul(weights, value)) @ params["W_o"], weights

    return multihead_self_attention


def all_heads(x, key, value, num_heads):
    return num_heads * key.shape[-1]


def filled_with_infinity(scores, mask, axis=-1):
    return scores.masked_fill(~mask, float("-inf")).softmax(axis)


def masked_late(scores, mask, axis=-1):
    return torch.where(mask, scores.softmax(axis), 0)


def torch_layer(
    order=(0, 1, 2),
    sides="xmm",
    turn=True,
    bias=True,
    turn_out=True,
    out_bias=True,
    weigh=masked_softmax,
):
    """Exercise 4 as students write it."""

    def multihead_cross_attention(x, memory, mask, num_heads, state):
        d = x.shape[-1]
        parts = []
        for block, side in zip(order, sides, strict=True):
            tokens = {"x": x, "m": memory}[side]
            w = state["in_proj_weight"][block * d : (block + 1) * d]
            b = state["in_proj_bias"][block * d : (block + 1) * d]
            parts.append(oracles.split_heads(tokens @ (w.T if turn else w) + b * bias, num_heads))
        query, key, value = parts
        weights = weigh(query @ key.mT / key.shape[-1] ** 0.5, mask)
        w = state["out_proj.weight"]
        merged = oracles.merge_heads(weights @ value) @ (w.T if turn_out else w)
        return merged + state["out_proj.bias"] * out_bias, weights

    return multihead_cross_attention


def dealt_by_tile(query, key, value, mask):
    times = query.size(1) // key.size(1)
    return attend(query, key.tile(1, times, 1, 1), value.tile(1, times, 1, 1), mask)


def filled_too_early(query, key, value, mask, mix_scores, mix_weights):
    scores = torch.where(mask, query @ key.mT / key.shape[-1] ** 0.5, float("-inf"))
    scores = (scores.permute(0, 2, 3, 1) @ mix_scores).permute(0, 3, 1, 2)
    weights = (scores.softmax(-1).permute(0, 2, 3, 1) @ mix_weights).permute(0, 3, 1, 2)
    return weights @ value, weights


def talked(query, key, mask, mix_scores, mix_weights, weigh=masked_softmax):
    """The mixed weights, as students write them with matrix products."""
    scores = query @ key.mT / key.shape[-1] ** 0.5
    weights = weigh((scores.movedim(1, -1) @ mix_scores).movedim(-1, 1), mask)
    return (weights.movedim(1, -1) @ mix_weights).movedim(-1, 1)


def masked_at_the_end(query, key, value, mask, mix_scores, mix_weights):
    everyone = torch.ones_like(mask)
    weights = talked(query, key, everyone, mix_scores, mix_weights) * mask
    return weights @ value, weights


def made_to_sum_to_one(query, key, value, mask, mix_scores, mix_weights):
    weights = talked(query, key, mask, mix_scores, mix_weights)
    weights = weights / weights.sum(dim=-1)[..., None]
    return weights @ value, weights


def talked_into_nan(query, key, value, mask, mix_scores, mix_weights):
    weights = talked(query, key, mask, mix_scores, mix_weights, filled_with_infinity)
    return weights @ value, weights


def shared_into_nan(query, key, value, mask):
    times = query.shape[1] // key.shape[1]
    scores = query @ key.repeat_interleave(times, 1).mT / key.shape[-1] ** 0.5
    weights = filled_with_infinity(scores, mask)
    return weights @ value.repeat_interleave(times, 1), weights


def mixed_by_linear(query, key, value, mask, mix_scores, mix_weights):
    """F.linear turns its matrix: easily forgotten."""
    scores = F.linear((query @ key.mT / key.shape[-1] ** 0.5).movedim(1, -1), mix_scores)
    weights = F.linear(masked_softmax(scores.movedim(-1, 1), mask).movedim(1, -1), mix_weights)
    return weights.movedim(-1, 1) @ value, weights.movedim(-1, 1)


SLIPS = [
    ("split_heads", "reshaped", lambda x, h: x.view(len(x), h, x.size(1), x.size(2) // h)),
    ("split_heads", "left_behind", lambda x, h: x.view(len(x), x.size(1), h, x.size(2) // h)),
    ("split_heads", "in_front", lambda x, h: torch.stack(torch.chunk(x, h, 2))),
    ("split_heads", "no_gradient",
     lambda x, h: torch.tensor(oracles.split_heads(x, h).tolist(), dtype=x.dtype)),
    ("merge_heads", "unmoved", lambda t: t.reshape(t.shape[0], t.shape[2], -1)),
    ("merge_heads", "averaged", lambda t: t.sum(1) / t.shape[1]),
    ("merge_heads", "sentences_joined", lambda t: torch.cat([*t], dim=2)),
    ("merge_heads", "words_joined", lambda t: t.reshape(t.size(0), t.size(1), -1)),
    ("merge_heads", "viewed", lambda t: t.permute(0, 2, 1, 3).view(t.size(0), t.size(2), -1)),
    ("multihead_self_attention", "by_width", layer(size=all_heads)),
    ("multihead_self_attention", "by_share",
     layer(size=lambda x, key, value, num_heads: x.shape[-1] / num_heads)),
    ("multihead_self_attention", "by_d_v",
     layer(size=lambda x, key, value, num_heads: value.shape[-1])),
    ("multihead_self_attention", "no_root",
     layer(size=lambda x, key, value, num_heads: key.shape[-1] ** 2)),
    ("multihead_self_attention", "mask_late", layer(weigh=masked_late)),
    ("multihead_self_attention", "nan_rows", layer(weigh=filled_with_infinity)),
    ("multihead_self_attention", "cut_interleaved",
     layer(split=lambda x, h: torch.stack([x[..., i::h] for i in range(h)], 1))),
    ("multihead_self_attention", "other_order", lambda *args: layer()(*args)[::-1]),
    ("multihead_self_attention", "over_heads", layer(axis=1)),
    ("multihead_self_attention", "reshaped",
     layer(split=lambda x, h: x.view(x.size(0), h, x.size(1), -1))),
    ("multihead_self_attention", "merge_reshaped",
     layer(merge=lambda t: t.contiguous().view(t.size(0), t.size(2), -1))),
    ("multihead_self_attention", "only_reshaped",
     layer(split=lambda x, h: x.view(x.size(0), h, x.size(1), -1),
           merge=lambda t: t.reshape(t.size(0), t.size(2), -1))),
    ("multihead_cross_attention", "unturned", torch_layer(turn=False, turn_out=False)),
    ("multihead_cross_attention", "in_unturned", torch_layer(turn=False)),
    ("multihead_cross_attention", "out_unturned", torch_layer(turn_out=False)),
    ("multihead_cross_attention", "no_biases", torch_layer(bias=False, out_bias=False)),
    ("multihead_cross_attention", "nan_rows", torch_layer(weigh=filled_with_infinity)),
    ("multihead_cross_attention", "self", torch_layer(sides="xxx")),
    ("multihead_cross_attention", "roles", torch_layer(sides="mxx")),
    ("multihead_cross_attention", "values_of_x", torch_layer(sides="xmx")),
    ("multihead_cross_attention", "k_and_v", torch_layer(order=(0, 2, 1))),
    ("multihead_cross_attention", "no_in_bias", torch_layer(bias=False)),
    ("grouped_query_attention", "dealt", dealt_by_tile),
    ("grouped_query_attention", "unmatched", attend),
    ("grouped_query_attention", "nan_rows", shared_into_nan),
    ("talking_heads", "mask_first", filled_too_early),
    ("talking_heads", "mask_late", masked_at_the_end),
    ("talking_heads", "divided", made_to_sum_to_one),
    ("talking_heads", "no_zeros", talked_into_nan),
    ("talking_heads", "turned", mixed_by_linear),
]  # fmt: skip


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_plausible_slip_is_named_and_keeps_half_of_the_points(name, misconception, function):
    result = verdict(name, function)
    assert result.misconception, str(result)
    assert result.misconception.name == misconception
    assert result.max_points / 2 <= result.points < result.max_points


def test_a_wrong_scale_does_not_cost_the_output():
    """The output follows from the student's own weights: one slip costs once."""

    def thirds(x, mask, num_heads, params):
        cut = (oracles.split_heads(x @ params[n], num_heads) for n in ("W_q", "W_k", "W_v"))
        context, weights = attend(*cut, mask, scale=3)
        return oracles.merge_heads(context) @ params["W_o"], weights

    marks = {c.name: c.passed for c in verdict("multihead_self_attention", thirds).checks}
    assert not marks["each head's weights compare its own queries and keys"]
    assert marks["the output is the heads' contexts, merged, times W_o"]


def test_an_empty_row_costs_only_the_checks_that_have_one():
    failed = [
        c.name for c in verdict("grouped_query_attention", shared_into_nan).checks if not c.passed
    ]
    assert failed == ["masks of any kind are kept"]


RIGHT = {name: exercise.solutions[0] for name, exercise in EXERCISES.items()}

# Six notebooks as they come in, by exercise only what is wrong or missing in them, with the mark
# that a teacher would give: a slip with a name keeps half, one on an edge loses that edge.
NOTEBOOKS = {
    "all right": ({}, 100),
    "stopped after the first two": (dict.fromkeys(list(EXERCISES)[2:]), 22),
    "scales by the whole width, everywhere else right": (
        {"multihead_self_attention": layer(size=all_heads)}, 87,
    ),
    "knows no transpose: cut and merge by reshape, the layer built on them": (
        {
            "split_heads": SLIPS[0][2],
            "merge_heads": SLIPS[4][2],
            "multihead_self_attention": layer(
                split=lambda x, h: x.reshape(len(x), h, x.shape[1], -1),
                merge=lambda t: t.reshape(t.shape[0], t.shape[2], -1),
            ),
        },
        76,
    ),
    "reads torch's matrices untransposed, deals keys out in turn, silent heads": (
        {
            "multihead_cross_attention": torch_layer(turn=False, turn_out=False),
            "grouped_query_attention": dealt_by_tile,
            "talking_heads": lambda q, k, v, mask, p, r: attend(q, k, v, mask),
        },
        67.5,
    ),
    "returns what came in": ({name: lambda *args: args[0] for name in EXERCISES}, 0),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "mark"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_a_notebook_gets_the_mark_that_a_teacher_would_give(wrong, mark):
    functions = {name: wrong.get(name, RIGHT[name]) for name in EXERCISES}
    verdicts = [verdict(name, function) for name, function in functions.items() if function]
    assert sum(v.points for v in verdicts) == pytest.approx(mark), [
        (v.exercise, v.points) for v in verdicts
    ]
