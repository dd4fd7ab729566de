"""Checks of the exercises on reading, on a decoder's step and on alignments."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import upcast
from autograder.checks.compare import at, difference, tolerance
from autograder.checks.draw import HALVES, Rng, normal, strided
from autograder.checks.properties import (
    agrees_with_first,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
    right_or_following,
    zero_where_oracle_is,
)
from autograder.checks.spec import Answer, Case, Check, Holds
from autograder.specs.bahdanau.inputs import (
    reading_case,
    real_words,
    shares,
    step_case,
)
from autograder.specs.bahdanau.oracles import context_vector


def _half(value: Tensor, second: bool) -> Tensor:
    n = value.shape[-1] // 2
    return value[..., n:] if second else value[..., :n]


def _words_right(second: bool) -> Holds:
    """One half of the states is right at real words; the padding is for another check."""

    def holds(
        cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
    ) -> str | None:
        for case, answer, wanted in zip(cases, answers, expected, strict=True):
            embedded, lengths, *_ = case.args
            real = real_words(lengths, embedded.shape[1])
            got, want = (_half(a.value, second)[real] for a in (answer, wanted))
            problem = difference(got, want, tolerance(case))
            if problem:
                half = "second" if second else "first"
                return at(case, f"in the {half} half, at real words, {problem}")
        return None

    return holds


def _padded(rng: Rng) -> list[Case]:
    return [
        reading_case(rng, [7, 5, 2], (7, 5, 11), "random"),
        reading_case(rng, [3, 5], (7, 2, 3), "padding behind every sentence"),
        reading_case(rng, [2, 3, 1], (3, 3, 3), "equal sizes"),
    ]


def _full(rng: Rng) -> list[Case]:
    return [
        reading_case(rng, [5, 5], (5, 3, 7), "without padding"),
        reading_case(rng, [7, 7, 7], (7, 5, 2), "without padding"),
    ]


def _alone(rng: Rng) -> list[Case]:
    """A short sentence by itself, and the same one padded among others."""
    case = reading_case(rng, [3, 7, 5], (7, 2, 5), "padded, in a batch of three")
    embedded, lengths, *networks = case.args
    alone = Case((embedded[:1, :3], lengths[:1], *networks), label="the first sentence alone")
    return [alone, case]


def _first_words(value: Tensor, first: Tensor) -> Tensor:
    """What a batch gives for the words of its first sentence."""
    return value[:1, : first.shape[1]]


def _reading_edges(rng: Rng) -> list[Case]:
    return [
        reading_case(rng, [3], (3, 2, 5), "one sentence"),
        reading_case(rng, [1, 1], (1, 3, 2), "one word each"),
        reading_case(rng, [1, 3], (3, 2, 1), "states of one number"),
        reading_case(rng, [2, 3], (5, 2, 3), "padding behind every sentence"),
    ]


def _reading_dtypes(rng: Rng) -> list[Case]:
    cases = [
        reading_case(rng, [3, 2], (3, 5, 2), str(d), dtype=d) for d in (*HALVES, torch.float64)
    ]
    return [*cases, reading_case(rng, [3, 2], (3, 5, 2), "on a GPU", cuda=True)]


def _reading_inputs(rng: Rng) -> list[Case]:
    odd = reading_case(rng, [2, 5], (5, 3, 7), "inputs that are not contiguous")
    args = tuple(strided(arg) if isinstance(arg, Tensor) else arg for arg in odd.args)
    return [reading_case(rng, [2, 5], (5, 3, 7), "random"), Case(args, label=odd.label)]


READ_BOTH_WAYS = (
    Check("the first half is what the network from the left knows", 4, _padded,
          _words_right(second=False)),
    Check("the second half is what the network from the right knows", 4, _full,
          _words_right(second=True)),
    Check("it starts at each sentence's own last word", 4.5, _padded, _words_right(second=True)),
    Check("the states at the padding are 0", 1.5, _padded,
          resembling(zero_where_oracle_is())),
    Check("a sentence alone gives what it gives in a batch", 2, _alone,
          resembling(agrees_with_first(_first_words))),
    Check("one sentence, word or number keeps its axis", 1.5, _reading_edges),
    Check("gradients reach the words and both networks", 2.5,
          lambda rng: [reading_case(rng, [5, 3], (5, 3, 2), "random", dtype=torch.float64,
                                    grad=True)],
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1, _reading_dtypes,
          of_right_values(dtype_kept, slack=2)),
    Check("inputs are left as they were", 1, _reading_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _part(index: int) -> Callable[[Any], Any]:
    return lambda value: value[index]


_state, _context, _weights = map(_part, range(3))


def _context_of(case: Case, value: Any) -> Tensor:
    """The context that belongs to a student's own weights."""
    return context_vector(value[2].double(), upcast(case).args[2])


def _state_of(case: Case, value: Any) -> Tensor:
    """The state that belongs to a student's own context."""
    embedded, state, _, _, p = upcast(case).args
    moved = embedded @ p["W"].mT + state @ p["U"].mT + value[1].double() @ p["C"].mT + p["b"]
    return torch.tanh(moved)


def _steps(rng: Rng) -> list[Case]:
    return [
        step_case(rng, [5, 3], (5, 7, 11, 3, 2), "random"),
        step_case(rng, [7, 2, 5], (7, 2, 3, 5, 11), "random, float64", dtype=torch.float64),
        step_case(rng, [5, 4, 3], (5, 7, 7, 7, 7), "equal sizes"),
    ]


def _step_padded(rng: Rng) -> list[Case]:
    case = step_case(rng, [5, 3], (5, 7, 11, 3, 2), "random")
    embedded, state, memory, lengths, params = case.args
    longer = torch.cat([memory, 5 + normal(rng, 2, 4, 3)], 1)
    args = (embedded, state, longer, lengths, params)
    return [case, Case(args, label="with four more positions of padding")]


def _without_padding(value: Any, first: Any) -> Any:
    size = first[2].shape[-1]
    stray = value[2][..., size:].double().sum(-1, keepdim=True)
    return (value[0], value[1], value[2][..., :size].double() + stray)


def _step_edges(rng: Rng) -> list[Case]:
    return [
        step_case(rng, [3], (3, 2, 5, 7, 3), "one sentence"),
        step_case(rng, [1, 1], (1, 2, 5, 7, 3), "one source word"),
        step_case(rng, [1], (1, 1, 1, 1, 1), "one of everything"),
    ]


def _step_dtypes(rng: Rng) -> list[Case]:
    sizes = (5, 7, 11, 3, 2)
    cases = [step_case(rng, [5, 3], sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, step_case(rng, [5, 3], sizes, "on a GPU", cuda=True)]


BAHDANAU_STEP = (
    Check("the state before the step asks", 6, _steps, equals(_weights), parts=(2,)),
    Check("the context is the memory averaged by the weights", 2.5, _steps,
          right_or_following(_context, _context_of), parts=(1, 2)),
    Check("the new state takes in y, the state before and the context", 5, _steps,
          right_or_following(_state, _state_of)),
    Check("padding gets no weight and changes nothing", 1.5, _step_padded,
          resembling(zero_where_oracle_is(_weights), agrees_with_first(_without_padding))),
    Check("one sentence or one source word is enough", 1, _step_edges),
    Check("gradients reach the inputs and every parameter", 2.5,
          lambda rng: [step_case(rng, [5, 3], (5, 7, 11, 3, 2), "random",
                                 dtype=torch.float64, grad=True)],
          of_right_values(gradients_equal)),
    Check("dtype, device and inputs are kept", 1.5, _step_dtypes,
          of_right_values(dtype_kept, inputs_unchanged, slack=2)),
)  # fmt: skip


def _aligned(weights: Tensor, gold: Tensor, label: str) -> Case:
    return Case((weights, gold), label=f"{label}: {tuple(gold.shape)}")


def _looking(rng: Rng, steps: int, words: int) -> Tensor:
    """Weights whose first row does not look at the first word."""
    weights = shares(rng, steps, words)
    if int(weights[0].argmax()) == 0:
        weights[0] = weights[0].roll(1)
    return weights


def _linked(rng: Rng, weights: Tensor, hits: Sequence[bool], more: float) -> Tensor:
    """Gold links that the largest weight of row t hits or misses; ``more`` is the share of others.

    Every row has a link, and the first has one before the one that is hit.
    """
    steps, words = weights.shape
    best, rows = weights.argmax(-1), torch.arange(steps)
    gold = torch.from_numpy(rng.random((steps, words)) < more)
    gold[rows, best] = torch.tensor(hits)
    missed = ~gold[rows, best]
    gold[rows[missed], (best[missed] + 1) % words] = True
    gold[0, 0] = gold[0, 0] or more > 0
    return gold


_HITS = (True, False, True, True, False, True, True)


def _accuracies(rng: Rng) -> list[Case]:
    """Several links a word, none for some, and hits on words that also have other links."""
    cases = []
    for steps, words in ((7, 5), (5, 11), (3, 7)):
        weights = _looking(rng, steps, words)
        gold = _linked(rng, weights, _HITS[:steps], 0.2)
        gold[-1] = False
        cases.append(_aligned(weights, gold, "random"))
    return cases


def _unlinked(rng: Rng) -> list[Case]:
    cases = []
    for steps, words in ((5, 3), (7, 11)):
        weights = _looking(rng, steps, words)
        gold = _linked(rng, weights, _HITS[:steps], 0.0)
        gold[[0, 3]] = False
        cases.append(_aligned(weights, gold, "two words without a link"))
    return cases


def _several(rng: Rng) -> list[Case]:
    cases = []
    for steps, words in ((3, 5), (5, 7)):
        weights = _looking(rng, steps, words)
        hits = [True, False, *[True] * (steps - 2)]
        cases.append(_aligned(weights, _linked(rng, weights, hits, 0.5), "several links a word"))
    return cases


def _extremes(rng: Rng) -> list[Case]:
    weights = shares(rng, 5, 7)
    best = torch.nn.functional.one_hot(weights.argmax(-1), 7).bool()
    return [
        _aligned(weights, best, "every largest weight on its link"),
        _aligned(weights, ~best, "everything but the largest weights linked"),
    ]


def _nothing_linked(rng: Rng) -> list[Case]:
    weights, none = shares(rng, 3, 5), torch.zeros(3, 5, dtype=torch.bool)
    hit, missed = none.clone(), none.clone()
    best = int(weights[1].argmax())
    hit[1, best] = missed[1, (best + 1) % 5] = True
    links = {"no links": none, "one link": hit, "one link, not looked at": missed}
    return [_aligned(weights, gold, label) for label, gold in links.items()]


def _accuracy_inputs(rng: Rng) -> list[Case]:
    [odd, *_] = _accuracies(rng)
    args = tuple(strided(arg) for arg in odd.args)
    return [*_accuracies(rng), Case(args, label="inputs that are not contiguous")]


ALIGNMENT_ACCURACY = (
    Check("the share of linked words whose largest weight is on a link", 6, _accuracies),
    Check("words without a link do not count", 2.5, _unlinked),
    Check("one link of several is enough", 2, _several),
    Check("all right is 1 and all wrong is 0", 1.5, _extremes),
    Check("where nothing is linked it is 1", 1.5, _nothing_linked),
    Check("inputs are left as they were", 0.5, _accuracy_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
