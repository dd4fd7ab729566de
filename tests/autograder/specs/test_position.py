"""What is special to the unit on positions: its oracles, its students' slips, whole notebooks."""

import math
import re

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.checks import verdict_on
from autograder.checks.drive import drive
from autograder.checks.judge import judge
from autograder.checks.spec import draw_cases, load_unit
from autograder.specs.position import oracles

UNIT = load_unit("position")
EXERCISES = {e.name: e for e in UNIT.exercises}
RIGHT = {name: exercise.oracle for name, exercise in EXERCISES.items()}


def verdict(name, function):
    return verdict_on(f"position/{name}", function)


def graded(name, function):
    """Judge as at grading, where the library's own code may stand for a student's."""
    cases = draw_cases(EXERCISES[name], 1)
    return judge(EXERCISES[name], cases, [drive(function, row) for row in cases])


def test_the_oracles_are_the_formulas_of_the_assignment():
    pos, d = 7, 10
    clocks = oracles.add_sinusoids(torch.zeros(1, 1, d).double(), torch.tensor([pos]))[0, 0]
    x = torch.randn(d, dtype=torch.float64)
    turned = oracles.rotate(x.view(1, 1, 1, d), torch.tensor([pos])).flatten()
    for i in range(d // 2):
        angle = pos / 10_000 ** (2 * i / d)
        cos, sin = math.cos(angle), math.sin(angle)
        assert clocks[2 * i : 2 * i + 2].tolist() == pytest.approx([sin, cos])
        a, b = x[2 * i : 2 * i + 2].tolist()
        wanted = [cos * a - sin * b, sin * a + cos * b]
        assert turned[2 * i : 2 * i + 2].tolist() == pytest.approx(wanted)
    bias = oracles.add_alibi(torch.zeros(1, 4, 1, 1), torch.tensor([2]), torch.tensor([5]))
    assert bias.flatten().tolist() == [-3 * 2 ** (-8 * h / 4) for h in range(1, 5)]


def test_a_relative_bias_reads_its_table_from_the_far_left_to_the_far_right():
    table = torch.tensor([[-20.0, -10.0, 0.0, 10.0, 20.0]])
    bias = oracles.relative_bias(table, torch.tensor([3]), torch.arange(8))
    assert bias.flatten().tolist() == [-20, -20, -10, 0, 10, 20, 20, 20]


def test_the_effect_of_an_order_is_nothing_without_positions():
    x, order = torch.randn(2, 5, 7).double(), torch.tensor([4, 2, 0, 1, 3])
    params = {name: torch.randn(7, 3).double() for name in ("W_q", "W_k", "W_v")}
    effect = oracles.order_effect(x, torch.zeros(5, 7).double(), order, params)
    torch.testing.assert_close(effect, torch.zeros_like(effect))


def attend(x, params):
    return F.scaled_dot_product_attention(*(x @ params[n] for n in ("W_q", "W_k", "W_v")))


def sinusoids(x, positions, *, first=torch.sin, second=torch.cos, power=2, count=0):
    """Exercise 2 as students write it, in float32, with one part of their own."""
    d = x.shape[-1]
    table = torch.zeros(len(positions), d)
    i = torch.arange(d // 2)
    angles = (positions + count).unsqueeze(1) / torch.pow(10000, power * i / d)
    table[:, 0::2], table[:, 1::2] = first(angles), second(angles)
    return x + table.to(x.dtype)


def turned(x, positions, *, sign=1, power=2):
    """Exercise 5 as students write it, in float32, with one part of their own."""
    d = x.shape[-1]
    angles = sign * torch.outer(positions.float(), 1 / 10000 ** (power * torch.arange(d // 2) / d))
    even, odd, cos, sin = x[..., 0::2], x[..., 1::2], angles.cos(), angles.sin()
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype)


def added_in_place(x, positions, order, params):
    x += positions
    return attend(x[:, order], params)[:, torch.argsort(order)] - attend(x, params)


def halved(angles, times, dim):
    return torch.cat([angles] * times, dim)


def llamas(x, positions, double=halved):
    """Pairs as the transformers library makes them for Llama, or half so."""
    half = x.shape[-1] // 2
    angles = torch.outer(positions.double(), 10000.0 ** (-torch.arange(half).double() / half))
    angles = double(angles, 2, -1)
    rotated = torch.cat([-x[..., half:], x[..., :half]], -1)
    return (x * angles.cos() + rotated * angles.sin()).to(x.dtype)


def looked_up(tokens, words, table):
    places = torch.arange(tokens.shape[1])
    return F.embedding(tokens, words) * words.shape[1] ** 0.5 + F.embedding(places, table)


def alibi(scores, queries, keys, *, slopes):
    n = scores.shape[1]
    chosen = torch.tensor([slopes(h, n) for h in range(1, n + 1)]).view(n, 1, 1)
    return scores - (chosen * (keys[None] - queries[:, None]).abs()).to(scores.dtype)


SLIPS = [
    ("order_effect", "moved_together",
     lambda x, p, o, w: attend((x + p)[:, o], w)[:, torch.argsort(o)] - attend(x + p, w)),
    ("order_effect", "twice", lambda x, p, o, w: attend(x[:, o] + p, w)[:, o] - attend(x + p, w)),
    ("order_effect", "not_put_back",
     lambda x, p, o, w: attend(x.index_select(1, o) + p, w) - attend(x + p, w)),
    ("order_effect", "shuffled_order",
     lambda x, p, o, w: attend(x[:, o] + p, w) - attend(x + p, w)[:, o]),
    ("order_effect", "written_into_x", added_in_place),
    ("add_sinusoids", "table_alone", lambda x, p: sinusoids(x[0] * 0, p)),
    ("add_sinusoids", "swapped",
     lambda x, p: sinusoids(x, p, first=torch.cos, second=torch.sin)),
    ("add_sinusoids", "half_exponent", lambda x, p: sinusoids(x, p, power=1)),
    ("add_sinusoids", "from_one", lambda x, p: sinusoids(x, p, count=1)),
    ("add_sinusoids", "own_count", lambda x, p: sinusoids(x, torch.arange(x.size(1)))),
    ("embed", "index_error", looked_up),
    ("embed", "unscaled_words", lambda t, w, p: w[t] + p[torch.arange(t.shape[1])]),
    ("embed", "whole_table_unlimited", lambda t, w, p: F.embedding(t, w) * w.shape[1] ** 0.5 + p),
    ("embed", "positions_scaled", lambda t, w, p: w[t] + w.shape[1] ** 0.5 * p[: t.shape[1]]),
    ("relative_bias", "in_the_heads",
     lambda t, q, k: t[(k - q[:, None]).clamp(-(t.shape[1] // 2), t.shape[1] // 2)
                       + t.shape[1] // 2]),
    ("relative_bias", "k_is_the_width",
     lambda t, q, k: t[:, (k - q[:, None]).clamp(-t.shape[1], t.shape[1]) + t.shape[1]]),
    ("relative_bias", "no_offset",
     lambda t, q, k: t[:, torch.clamp(k[None] - q[:, None], -(t.shape[1] // 2), t.shape[1] // 2)]),
    ("relative_bias", "mirrored",
     lambda t, q, k: t[:, (q[:, None] - k).clamp(-(t.shape[1] // 2), t.shape[1] // 2)
                       + t.shape[1] // 2]),
    ("rotate", "halves", llamas),
    ("rotate", "clockwise", lambda x, p: turned(x, p, sign=-1)),
    ("rotate", "half_exponent", lambda x, p: turned(x, p, power=1)),
    ("rotate", "mixed_pairs", lambda x, p: llamas(x, p, torch.repeat_interleave)),
    ("rotate", "double_exponent", lambda x, p: turned(x, p, power=4)),
    ("add_alibi", "bias_alone",
     lambda s, q, k: alibi(0 * s, q, k, slopes=lambda h, n: 2 ** (-8 * h / n))[0]),
    ("add_alibi", "masked",
     lambda s, q, k: RIGHT["add_alibi"](s, q, k).masked_fill(k > q[:, None], -math.inf)),
    ("add_alibi", "eight_heads", lambda s, q, k: alibi(s, q, k, slopes=lambda h, n: 0.5**h)),
    ("add_alibi", "from_zero",
     lambda s, q, k: alibi(s, q, k, slopes=lambda h, n: 2 ** (-8 * (h - 1) / n))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "misconception", "function"), SLIPS)
def test_a_slip_as_students_write_it_is_named_and_keeps_half_of_the_points(
    name, misconception, function
):
    result = verdict(name, function)
    assert result.misconception, str(result)
    assert result.misconception.name == misconception
    assert result.max_points / 2 <= result.points < result.max_points


def mean_of_both(x, positions, order, params):
    return (attend(x[:, order] + positions, params) + attend(x + positions, params)) / 2


def triangles(x, positions):
    return x + (positions % 7)[:, None].to(x.dtype) / 7


def loud_positions(tokens, words, table):
    return words[tokens] + 3 * table[: tokens.shape[1]]


def by_logarithm(table, queries, keys):
    distance = (keys - queries[:, None]).abs().add(1).log2().long()
    return table[:, distance.clamp(max=table.shape[1] - 1)]


def mirrored_pairs(x, positions):
    return -RIGHT["rotate"](x.flip(-1), positions)


def falling(scores, queries, keys):
    return scores / (1 + (queries[:, None] - keys).abs())


UNFORESEEN = {
    "order_effect": mean_of_both,
    "add_sinusoids": triangles,
    "embed": loud_positions,
    "relative_bias": by_logarithm,
    "rotate": mirrored_pairs,
    "add_alibi": falling,
}


@pytest.mark.parametrize(("name", "function"), UNFORESEEN.items())
def test_wrong_code_that_nobody_foresaw_loses_points_and_is_told_something(name, function):
    result = verdict(name, function)
    assert result.status in ("partial", "wrong")
    assert result.misconception is None
    assert re.search(r"differ|values", result.message), result.message


def test_angles_in_float32_on_the_cpu_cost_late_positions_and_the_device_and_nothing_else():
    result = verdict("add_sinusoids", sinusoids)
    failed = [check.name for check in result.checks if not check.passed]
    assert failed == ["very late positions are exact",
                      "half precision works; dtype and device are kept"]  # fmt: skip
    assert result.points == 17.5


def test_a_message_without_the_numbers_keeps_most_of_the_points():
    def embed(tokens, words, table):
        if tokens.shape[1] > len(table):
            raise ValueError("too long")
        return RIGHT["embed"](tokens, words, table)

    result = graded("embed", embed)
    assert result.points == 13
    assert result.misconception.name == "no_numbers"


def stub(*args):
    raise NotImplementedError


def float32_only(function):
    """Right, but everything comes back in float32."""
    return lambda x, *args: function(x, *args).float()


def without_gradient(function):
    def wrapped(*args):
        with torch.no_grad():
            return function(*args)

    return wrapped


def crashes(*args: Tensor):
    return args[0] @ args[0][0, 0]


SLIP = {(name, slip): function for name, slip, function in SLIPS}
WHOLE = {
    "the first half is done": (dict.fromkeys(("relative_bias", "rotate", "add_alibi"), stub), 52),
    "pairs of halves and no limit": (
        {"rotate": llamas, "embed": looked_up}, 100 - 10 - 3,
    ),
    "a slip in each exercise": (
        {
            "order_effect": SLIP["order_effect", "twice"], "rotate": llamas, "embed": looked_up,
            "add_sinusoids": SLIP["add_sinusoids", "swapped"],
            "relative_bias": SLIP["relative_bias", "no_offset"],
            "add_alibi": SLIP["add_alibi", "from_zero"],
        }, 8 + 10 + 13 + 8 + 10 + 6,
    ),
    "half precision forgotten in three": (
        {name: float32_only(RIGHT[name]) for name in ("add_sinusoids", "rotate", "add_alibi")},
        100 - 1.5 - 1.5 - 1,
    ),
    "no gradient anywhere": (
        {name: without_gradient(RIGHT[name]) for name in EXERCISES},
        100 - 1.5 - 1 - 1.5 - 1 - 1.5 - 1,
    ),
    "two do not run": ({"order_effect": crashes, "add_alibi": crashes}, 72),
    "nothing is written": (dict.fromkeys(EXERCISES, stub), 0),
}  # fmt: skip


@pytest.mark.parametrize(("written", "points"), WHOLE.values(), ids=WHOLE)
def test_a_whole_notebook_gets_the_mark_that_a_fair_teacher_would_give(written, points):
    marks = {name: graded(name, written.get(name, RIGHT[name])).points for name in EXERCISES}
    assert sum(marks.values()) == points, marks
