"""Drive: call a student's function on the cases and turn what it gives into plain data.

This half runs beside the student's code, so it knows neither expected values nor specs, and
nothing it says is believed: the judge checks all of it again.
"""

import contextlib
import io
import linecache
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autograder.checks.cases import (
    Answer,
    Case,
    encode_answers,
    floating_tensors,
    read_request,
    tensors_in,
)
from autograder.checks.trap import trapped
from autograder.checks.wire import DTYPES

MIME = "application/vnd.attention-course.answers+json"
_MAX_NUMBERS = 20_000
_MAX_ITEMS = 20
_MAX_TEXT = 500
_MAX_LINE = 200
# What torch says when a CPU tensor and one without numbers meet.
_MIXED = "is not on the expected device"
_SENDABLE = frozenset(DTYPES.values())


class _Unusable(Exception):
    """A returned value that is not plain data; the message completes "returned …"."""


class _Sink(io.TextIOBase):
    """Takes what a student's function prints, and keeps none of it."""

    def write(self, text: str) -> int:
        return len(text)


def drive(
    function: Callable[..., Any], cases: Sequence[Case], forbidden: Sequence[str] = ()
) -> list[Answer]:
    """Call ``function`` on each case, with fresh copies of its inputs.

    Prints and warnings are dropped, exceptions become answers; only KeyboardInterrupt passes.
    A call of one of the ``forbidden`` names raises in the function.

    >>> drive(lambda x: 2 * x, [Case((21,))])[0].value
    42
    """
    return [_answer(function, case, forbidden) for case in cases]


def publish_answers(
    namespace: Mapping[str, Any], request: str, forbidden: Sequence[str] = ()
) -> None:
    """Drive the exercise that ``request`` names in a notebook's namespace; publish the answers.

    Args:
        namespace: the notebook's globals.
        request: text from :func:`autograder.checks.cases.make_request`.
        forbidden: dotted names that the exercise does not allow to be called.
    """
    from IPython.display import publish_display_data

    exercise, nonce, cases = read_request(request)
    name = exercise.rpartition("/")[2]
    if name in namespace:
        answers = [drive(namespace[name], row, forbidden) for row in cases]
    else:
        missing = Answer(error=f"NameError: there is no function called {name}")
        answers = [[missing] * len(row) for row in cases]
    content = {"exercise": exercise, "nonce": nonce, "answers": encode_answers(answers)}
    publish_display_data({MIME: content})


def _answer(function: Callable[..., Any], case: Case, forbidden: Sequence[str]) -> Answer:
    if case.cuda and not torch.cuda.is_available():
        return _dry_run(function, case)
    device = "cuda" if case.cuda else "cpu"
    args, kwargs = _fresh((case.args, dict(case.kwargs)), device, case.grad)
    leaves = floating_tensors(Case(args, kwargs))
    try:
        with _quiet():
            with trapped(forbidden):
                value = function(*args, **kwargs)
            plain = _plain_result(value, device)
            grads = _gradients(value, leaves) if case.grad else None
            changed = not _same((args, kwargs), (case.args, dict(case.kwargs)))
            return Answer(plain, grads=grads, changed=changed)
    except _Unusable as problem:
        return Answer(error=f"returned {problem}")
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        where, inside = _place(problem.__traceback__, function)
        return Answer(error=_told(problem), where=where, inside=inside)


def _dry_run(function: Callable[..., Any], case: Case) -> Answer:
    """Whether a function mixes devices, told without a GPU.

    Meta tensors have a shape and a device, but no numbers: what fails for the lack of those
    tells nothing.
    """
    args, kwargs = _fresh((case.args, dict(case.kwargs)), "meta", False)
    try:
        with _quiet():
            devices = {tensor.device.type for tensor in tensors_in(function(*args, **kwargs))}
    except KeyboardInterrupt:
        raise
    except BaseException as problem:
        if _MIXED not in _told(problem):
            return Answer(skipped=True)
        where, inside = _place(problem.__traceback__, function)
        return Answer(
            error="RuntimeError: a tensor made on the CPU meets one on the device of the inputs",
            where=where,
            inside=inside,
        )
    if "cpu" in devices:
        return Answer(error="returned a tensor on cpu, but the inputs are on another device")
    return Answer(skipped=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    sink = _Sink()
    with (
        contextlib.redirect_stdout(sink),
        contextlib.redirect_stderr(sink),
        warnings.catch_warnings(),
        torch.enable_grad(),
    ):
        warnings.simplefilter("ignore")
        yield


def _fresh(value: Any, device: str, grad: bool) -> Any:
    """A deep copy of arguments, for one call."""
    if isinstance(value, Tensor):
        # clone() would quietly make a strided tensor contiguous.
        strided = not value.is_contiguous()
        copy = torch.stack([value, value], -1)[..., 0] if strided else value.clone()
        copy = copy if device == "cpu" else copy.to(device)
        return copy.requires_grad_(grad and copy.is_floating_point())
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {key: _fresh(item, device, grad) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_fresh(item, device, grad) for item in value)
    return value


def _same(passed: Any, original: Any) -> bool:
    """Whether arguments still are what they were before the call."""
    if isinstance(original, Tensor):
        if type(passed) is not Tensor or passed.shape != original.shape:
            return False
        return passed.dtype == original.dtype and torch.equal(passed.detach().cpu(), original)
    if isinstance(original, np.ndarray):
        if type(passed) is not np.ndarray or passed.dtype != original.dtype:
            return False
        return np.array_equal(passed, original)
    if isinstance(original, dict):
        return passed.keys() == original.keys() and all(
            _same(passed[key], item) for key, item in original.items()
        )
    if isinstance(original, tuple | list):
        return len(passed) == len(original) and all(map(_same, passed, original))
    return bool(passed == original)


def _gradients(value: Any, leaves: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """Gradients of a fixed weighted sum of all that was returned; None where none arrives."""
    outputs = [t for t in tensors_in(value) if t.is_floating_point() and t.requires_grad]
    if not outputs:
        return (None,) * len(leaves)
    patterns = [_pattern(t) for t in outputs]
    found = torch.autograd.grad(outputs, leaves, patterns, allow_unused=True)
    return tuple(None if g is None else g.detach().cpu() for g in found)


def _pattern(tensor: Tensor) -> Tensor:
    """Weights that differ from cell to cell, so that no gradient cancels by symmetry."""
    steps = torch.arange(1, tensor.numel() + 1, dtype=torch.float64, device=tensor.device)
    return torch.cos(steps).reshape(tensor.shape).to(tensor.dtype)


def _plain_result(value: Any, device: str) -> Any:
    numbers = sum(t.numel() for t in tensors_in(value))
    if numbers > _MAX_NUMBERS:
        raise _Unusable(f"{numbers} numbers, far more than were asked for")
    return _plain(value, device, 0)


def _plain(value: Any, device: str, depth: int) -> Any:
    """Plain data of exact built-in types; ``type()`` is asked, since ``__class__`` may lie."""
    kind = type(value)
    if value is None or kind in (bool, float):
        return value
    if kind is int and abs(value) < 2**63:
        return value
    if kind is str:
        return value[:_MAX_TEXT]
    if kind is Tensor or kind is torch.nn.Parameter:
        return _plain_tensor(value, device)
    if kind is np.ndarray and value.size <= _MAX_NUMBERS and value.dtype.name in DTYPES:
        return value.copy()
    if issubclass(kind, np.bool_ | np.integer | np.floating):
        return value.item()
    if issubclass(kind, tuple | list) and depth < 3 and len(value) <= _MAX_ITEMS:
        items = [_plain(item, device, depth + 1) for item in value]
        return tuple(items) if issubclass(kind, tuple) else items
    if kind is dict and depth < 3 and len(value) <= _MAX_ITEMS:
        return {str(key): _plain(item, device, depth + 1) for key, item in value.items()}
    raise _Unusable(f"a {_name(kind)}, wanted a tensor or a number")


def _plain_tensor(tensor: Tensor, device: str) -> Tensor:
    if tensor.layout != torch.strided or tensor.dtype not in _SENDABLE:
        kind = f"{tensor.layout}, {tensor.dtype}".replace("torch.", "")
        raise _Unusable(f"a tensor of an unusual kind ({kind}), wanted an ordinary one")
    if tensor.device.type != device:
        raise _Unusable(f"a tensor on {tensor.device}, but the inputs are on {device}")
    # The copy owns its memory, and of a Parameter only the numbers stay.
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _name(kind: type) -> str:
    for base in (Tensor, np.ndarray):
        if issubclass(kind, base) and kind is not base:
            return f"{kind.__name__} (a subclass of {base.__name__})"
    return str(kind.__name__)


def _told(problem: BaseException) -> str:
    """An exception in one line."""
    try:
        message = " ".join(str(problem).split())[:_MAX_TEXT]
    except Exception:
        message = ""
    name = type(problem).__name__
    return f"{name}: {message}" if message else name


def _place(trace: TracebackType | None, function: Any) -> tuple[str, str]:
    """Where in the student's own code an exception arose: first in the function that was called.

    The second is the name of another function of theirs that raised it, or "".
    """
    home = getattr(getattr(function, "__code__", None), "co_filename", None)
    places = []
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == home or "ipykernel_" in name or name.startswith("<ipython"):
            places.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    if not places:
        return "", ""
    # A comprehension's frame is no function that the student would know by name.
    named = [place for place in places[1:] if not place[0].f_code.co_name.startswith("<")]
    (outer, line), (inner, inner_line) = places[0], [*places[:1], *named][-1]
    inside = inner.f_code.co_name
    if outer.f_code is inner.f_code:
        return f"line {inner_line} of {inside}{_code(inner, inner_line)}", ""
    called = f"line {line} of {outer.f_code.co_name}{_code(outer, line)}"
    return f"{called}, inside {inside} at line {inner_line}{_code(inner, inner_line)}", inside


def _code(frame: FrameType, number: int) -> str:
    """The text of a line, after a colon."""
    line = linecache.getline(frame.f_code.co_filename, number).strip()[:_MAX_LINE]
    return f": {line}" if line else ""
