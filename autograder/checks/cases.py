"""A case (inputs for one call) and an answer (what came of it), and how both travel."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.checks import wire
from autograder.checks.wire import WireError

_TEXT = 2_000
_NAME = 100
_ANSWER_FIELDS = ("value", "error", "where", "inside", "grads", "changed", "skipped")


@dataclass(frozen=True)
class Case:
    """The arguments of one call: tensors, NumPy arrays in float64, plain data, ``wire.FUNCTIONS``.

    ``grad`` also brings back the gradient of every floating tensor argument; ``cuda`` runs the
    case on a GPU. Where there is none, a dry run without numbers still finds mixed devices.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    grad: bool = False
    cuda: bool = False


@dataclass(frozen=True)
class Answer:
    """What one call gave, as plain data.

    ``error`` reads "TypeError: …", ``where`` names the student's line, and ``inside`` another
    function of theirs if it arose in there; ``changed`` says that an argument was modified in
    place, ``skipped`` that a CUDA case met no GPU and nothing could be told without one.
    """

    value: Any = None
    error: str | None = None
    grads: tuple[Tensor | None, ...] | None = None
    changed: bool = False
    where: str = ""
    inside: str = ""
    skipped: bool = False


def tensors_in(value: Any) -> list[Tensor]:
    """All tensors of nested tuples, lists and dicts, in order, by type: ``__class__`` may lie."""
    kind = type(value)
    if issubclass(kind, Tensor):
        return [value]
    if issubclass(kind, dict):
        return [t for item in value.values() for t in tensors_in(item)]
    if issubclass(kind, tuple | list):
        return [t for item in value for t in tensors_in(item)]
    return []


def floating_tensors(case: Case) -> list[Tensor]:
    """The tensors of a case that have a gradient, in the order of ``Answer.grads``."""
    return [t for t in tensors_in((case.args, dict(case.kwargs))) if t.is_floating_point()]


def make_request(exercise: str, nonce: str, cases: Sequence[Sequence[Case]]) -> str:
    """Write the text that asks a kernel for one exercise's answers, check by check."""
    rows = [[_case_form(case) for case in row] for row in cases]
    return json.dumps({"exercise": exercise, "nonce": nonce, "cases": wire.encode(rows)})


def _case_form(case: Case) -> dict[str, Any]:
    return {
        "args": case.args,
        "kwargs": dict(case.kwargs),
        "label": case.label,
        "grad": case.grad,
        "cuda": case.cuda,
    }


def read_request(text: str) -> tuple[str, str, list[list[Case]]]:
    """Read what :func:`make_request` wrote: exercise, nonce, cases."""
    request = wire.parse(text)
    rows = wire.decode(request["cases"])
    return request["exercise"], request["nonce"], [[Case(**form) for form in row] for row in rows]


def encode_answers(answers: Sequence[Sequence[Answer]]) -> Any:
    """Answers in wire form; one that is too large becomes an error of its own."""
    return wire.encode([[_answer_form(a) for a in row] for row in answers])


def _answer_form(answer: Answer) -> dict[str, Any]:
    return {name: getattr(answer, name) for name in _ANSWER_FIELDS}


def read_answers(
    message: Any, *, exercise: str, nonce: str, cases: Sequence[Sequence[Case]]
) -> list[list[Answer]]:
    """Read what a kernel published for a request, trusting nothing.

    Args:
        message: parsed JSON: {"exercise", "nonce", "answers"}.
        exercise: the name that was asked for.
        nonce: the request's, which an earlier message cannot know.
        cases: the cases that were sent; one answer is wanted for each.

    Raises:
        WireError: with the reason in words.
    """
    if type(message) is not dict or set(message) != {"exercise", "nonce", "answers"}:
        raise WireError("not an object with exercise, nonce and answers")
    if message["exercise"] != exercise or message["nonce"] != nonce:
        raise WireError("an answer to another question")
    rows = wire.decode(message["answers"])
    if type(rows) is not list or [len(r) if type(r) is list else -1 for r in rows] != [
        len(row) for row in cases
    ]:
        raise WireError("not one answer for each case")
    return [[_answer(form) for form in row] for row in rows]


def _answer(form: Any) -> Answer:
    if type(form) is not dict or tuple(sorted(form)) != tuple(sorted(_ANSWER_FIELDS)):
        raise WireError("an answer without the fields of an answer")
    for name in ("changed", "skipped"):
        if type(form[name]) is not bool:
            raise WireError(f"an answer whose {name!r} is no bool")
    if form["error"] is not None and type(form["error"]) is not str:
        raise WireError("an answer whose error is no text")
    if type(form["where"]) is not str or type(form["inside"]) is not str:
        raise WireError("an answer whose place is no text")
    grads = form["grads"]
    if grads is not None and not (
        type(grads) is tuple and all(g is None or type(g) is Tensor for g in grads)
    ):
        raise WireError("an answer whose gradients are no tensors")
    error = form["error"] and form["error"][:_TEXT]
    where, inside = form["where"][:_TEXT], form["inside"][:_NAME]
    return Answer(**{**form, "error": error, "where": where, "inside": inside})


def upcast(case: Case) -> Case:
    """The same case in float64, on the CPU: what the oracle is asked."""
    return Case(_wide(case.args), _wide(dict(case.kwargs)), case.label, case.grad)


def _wide(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(torch.float64) if value.is_floating_point() else value
    if isinstance(value, np.ndarray):
        return value.astype(np.float64) if value.dtype.kind == "f" else value
    if isinstance(value, dict):
        return {key: _wide(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_wide(item) for item in value)
    return value
