"""Checks of the exercises on the decoder: decoder_step, teacher_forcing and greedy_decode."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from autograder.checks.cases import upcast
from autograder.checks.compare import at, difference, tolerance
from autograder.checks.draw import HALVES, Rng
from autograder.checks.properties import (
    agrees_with_first,
    all_of,
    dtype_kept,
    equals,
    gradients_equal,
    inputs_unchanged,
    of_right_values,
    resembling,
    right_or_following,
)
from autograder.checks.spec import Answer, Case, Check
from autograder.specs.seq2seq.encoding import once_more, same_again, whole_numbers
from autograder.specs.seq2seq.inputs import all_strided, decoding_case, forcing_case, step_case


def _steps(rng: Rng) -> list[Case]:
    return [
        step_case(rng, (2, 11, 5, 3), "random"),
        step_case(rng, (5, 3, 2, 7), "random, float64", dtype=torch.float64),
        step_case(rng, (3, 5, 5, 5), "equal sizes"),
    ]


def _logits(value: Any) -> Any:
    return value[0]


def _state(value: Any) -> Any:
    return value[1]


def _logits_of(case: Case, value: Any) -> Tensor:
    """The logits that belong to a student's own state."""
    params = upcast(case).args[2]
    logits: Tensor = value[1].double() @ params["W_s"].mT + params["b_s"]
    return logits


def _few_steps(rng: Rng) -> list[Case]:
    return [
        step_case(rng, (1, 7, 3, 5), "one sentence"),
        step_case(rng, (3, 2, 1, 1), "states of one number"),
        step_case(rng, (1, 2, 1, 1), "one of everything"),
    ]


def _step_alone(rng: Rng) -> list[Case]:
    case = step_case(rng, (3, 11, 5, 7), "in a batch of three")
    words, state, params = case.args
    return [Case((words[:1], state[:1], params), label="the first sentence alone"), case]


def _first_rows(value: Any, first: Any) -> Any:
    return tuple(part[:1] for part in value)


def _step_gradients(rng: Rng) -> list[Case]:
    return [step_case(rng, (3, 7, 5, 2), "random", dtype=torch.float64, grad=True)]


def _step_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 7, 3, 5)
    cases = [step_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, step_case(rng, sizes, "on a GPU", cuda=True)]


def _step_inputs(rng: Rng) -> list[Case]:
    odd = step_case(rng, (2, 7, 3, 5), "inputs that are not contiguous")
    return [
        step_case(rng, (2, 7, 3, 5), "random"),
        Case(all_strided(odd.args), label=odd.label),
    ]


DECODER_STEP = (
    Check("the new state follows from the word and the state before", 4, _steps,
          equals(_state), parts=(1,)),
    Check("the logits follow from the new state", 4, _steps,
          right_or_following(_logits, _logits_of)),
    Check("one sentence and one number keep their axes", 1.5, _few_steps),
    Check("a sentence alone gives what it gives in a batch", 1.5, _step_alone,
          resembling(agrees_with_first(_first_rows))),
    Check("gradients reach the state and every parameter", 2.5, _step_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 1.25, _step_dtypes,
          of_right_values(dtype_kept)),
    Check("inputs are left as they were", 1.25, _step_inputs, resembling(inputs_unchanged)),
)  # fmt: skip


def _forced(rng: Rng) -> list[Case]:
    return [
        forcing_case(rng, (2, 5, 11, 3, 7), "random"),
        forcing_case(rng, (3, 7, 5, 2, 11), "random, float64", dtype=torch.float64),
        forcing_case(rng, (3, 3, 5, 5, 5), "equal sizes"),
    ]


_CHANGED = 3  # the target word that is exchanged


def _exchanged(rng: Rng) -> list[Case]:
    """The same translations, but for one word in the middle."""
    case = forcing_case(rng, (2, 7, 11, 3, 5), "random")
    state, targets, bos, params = case.args
    other = targets.clone()
    other[:, _CHANGED] = (other[:, _CHANGED] + 5) % 11
    args = (state, other, bos, params)
    return [case, replace(case, args=args, label=f"another word {_CHANGED}")]


def _only_later_moves(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """Step t reads the word before it: logits up to the exchanged word stay, the next move."""
    before, after = (answer.value.double() for answer in answers)
    moved = ((after - before).abs() > 10 * tolerance(cases[0])).any(-1).any(0)
    if bool(moved[: _CHANGED + 1].any()):
        step = int(moved.nonzero()[0])
        return at(cases[1], f"step {step} saw the word that it shall predict, or a later one")
    if not bool(moved[_CHANGED + 1]):
        return at(cases[1], f"step {_CHANGED + 1} did not read the given word before it")
    return None


def _first_steps(rng: Rng) -> list[Case]:
    case = forcing_case(rng, (3, 2, 7, 5, 2), "random")
    state, targets, bos, params = case.args
    others = [(bos + k) % 7 for k in (1, 3)]
    again = [replace(case, args=(state, targets, b, params), label=f"bos = {b}") for b in others]
    return [case, *again]


def _first_step(value: Tensor) -> Tensor:
    return value[:, 0]


def _few_forced(rng: Rng) -> list[Case]:
    return [
        forcing_case(rng, (1, 5, 7, 3, 2), "one sentence"),
        forcing_case(rng, (2, 1, 7, 3, 5), "one word"),
        forcing_case(rng, (1, 1, 3, 1, 1), "one of everything"),
    ]


def _forced_alone(rng: Rng) -> list[Case]:
    case = forcing_case(rng, (3, 5, 11, 2, 7), "in a batch of three")
    state, targets, bos, params = case.args
    return [Case((state[:1], targets[:1], bos, params), label="the first sentence alone"), case]


def _first_row(value: Tensor, first: Tensor) -> Tensor:
    return value[:1]


def _forced_gradients(rng: Rng) -> list[Case]:
    return [forcing_case(rng, (2, 5, 7, 3, 2), "random", dtype=torch.float64, grad=True)]


def _forced_dtypes(rng: Rng) -> list[Case]:
    sizes = (2, 3, 7, 5, 3)
    cases = [forcing_case(rng, sizes, str(d), dtype=d) for d in (*HALVES, torch.float64)]
    return [*cases, forcing_case(rng, sizes, "on a GPU", cuda=True)]


def _forced_inputs(rng: Rng) -> list[Case]:
    odd = forcing_case(rng, (2, 5, 7, 3, 5), "inputs that are not contiguous")
    return [
        forcing_case(rng, (2, 5, 7, 3, 5), "random"),
        Case(all_strided(odd.args), label=odd.label),
    ]


TEACHER_FORCING = (
    Check("the logits of every step are right", 6, _forced),
    Check("a step reads the given word before, and none that it is to predict", 2.5, _exchanged,
          resembling(_only_later_moves)),
    Check("the first step reads <bos>", 2, _first_steps, equals(_first_step)),
    Check("one sentence and one word are fine", 1.5, _few_forced),
    Check("a sentence alone gives what it gives in a batch", 1, _forced_alone,
          resembling(agrees_with_first(_first_row))),
    Check("gradients reach the state and every parameter", 1.5, _forced_gradients,
          of_right_values(gradients_equal)),
    Check("half precision works; dtype and device are kept", 0.75, _forced_dtypes,
          of_right_values(dtype_kept, slack=2)),
    Check("inputs are left as they were", 0.75, _forced_inputs, resembling(inputs_unchanged)),
)  # fmt: skip

NEVER = 99


def _sentences(rng: Rng) -> list[Case]:
    first = decoding_case(rng, [5, 2, NEVER], (7, 11, 3, 5), "random")
    return [
        first,
        decoding_case(rng, [3, NEVER], (5, 7, 5, 11), "other ids of the marks", marks=(3, 0, 5)),
        decoding_case(rng, [NEVER, 4], (5, 5, 5, 5), "equal sizes", dtype=torch.float64),
        once_more(first),
    ]


def _words_right(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """The words up to each sentence's own <eos> are right; what follows is for another check."""
    for case, answer, wanted in zip(cases, answers, expected, strict=True):
        eos = case.args[3]
        for i, row in enumerate(wanted.value.tolist()):
            end = row.index(eos) if eos in row else len(row)
            got = answer.value[i, :end].tolist()
            if got != row[:end]:
                t = next(t for t in range(end) if got[t] != row[t])
                return at(case, f"sentence {i}, word {t} is {got[t]}; wanted {row[t]}")
    return None


def _ends(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    """After its first <eos> a sentence has only padding, and there are sentences that end."""
    ended = False
    for case, answer in zip(cases, answers, strict=True):
        eos, pad = case.args[3:5]
        for i, row in enumerate(answer.value.tolist()):
            if eos not in row:
                continue
            ended = True
            rest = row[row.index(eos) + 1 :]
            if any(word != pad for word in rest):
                return at(case, f"sentence {i} goes on after its <eos> ({eos}): {row}")
    return None if ended else at(cases[0], "no sentence has its <eos>")


def _together(rng: Rng) -> list[Case]:
    return [
        decoding_case(rng, [1, 5, 3], (7, 11, 3, 5), "one ends at once"),
        decoding_case(rng, [5, NEVER, 1], (7, 11, 5, 7), "one never ends"),
    ]


def _at_most(rng: Rng) -> list[Case]:
    return [
        decoding_case(rng, [NEVER, NEVER], (5, 11, 3, 7), "none ends"),
        decoding_case(rng, [NEVER, 1], (1, 7, 3, 5), "one word"),
        decoding_case(rng, [2, 1, 2], (7, 11, 3, 5), "all end early"),
        decoding_case(rng, [3], (5, 7, 3, 5), "one sentence"),
    ]


def _decoded_alone(rng: Rng) -> list[Case]:
    case = decoding_case(rng, [5, 2, NEVER], (7, 11, 3, 5), "in a batch of three")
    state, *rest = case.args
    return [Case((state[:1], *rest), label="the first sentence alone"), case]


def _decoded_dtypes(rng: Rng) -> list[Case]:
    sizes = (5, 7, 3, 5)
    cases = [decoding_case(rng, [3, NEVER], sizes, str(d), dtype=d) for d in HALVES]
    return [*cases, decoding_case(rng, [3, NEVER], sizes, "on a GPU", cuda=True)]


def _decoded_inputs(rng: Rng) -> list[Case]:
    odd = decoding_case(rng, [3, NEVER], (5, 7, 3, 5), "inputs that are not contiguous")
    return [
        decoding_case(rng, [3, NEVER], (5, 7, 3, 5), "random"),
        Case(all_strided(odd.args), label=odd.label),
    ]


def _alone_as_in_batch(
    cases: Sequence[Case], answers: Sequence[Answer], expected: Sequence[Answer]
) -> str | None:
    alone, batch = answers[0].value, answers[1].value
    problem = difference(batch[:1], alone, tolerance(cases[1]))
    return at(cases[1], f"{problem} against the first sentence alone") if problem else None


GREEDY_DECODE = (
    Check("each step writes the likeliest word, and the next step reads it", 7, _sentences,
          all_of(same_again, _words_right)),
    Check("a sentence ends with its <eos>, and only padding follows", 4, _sentences,
          resembling(_ends)),
    Check("the <eos> of one sentence does not end the others", 3, _together),
    Check("there are max_length columns, whether sentences end or not", 2, _at_most),
    Check("a sentence alone gives what it gives in a batch", 2, _decoded_alone,
          resembling(_alone_as_in_batch)),
    Check("ids are whole numbers; half precision works; the device is kept", 1, _decoded_dtypes,
          of_right_values(all_of(whole_numbers))),
    Check("inputs are left as they were", 1, _decoded_inputs, resembling(inputs_unchanged)),
)  # fmt: skip
