"""Trap the calls into torch that an exercise does not allow, whatever they are called by.

``forbidden`` finds names in a source; a name that is put together at run time is found here. All
this happens in the student's own process, where a hostile notebook may undo it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch.nn.modules.module import Module, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode


class ForbiddenCall(RuntimeError):
    """A call that does an exercise; the message is the forbidden name."""


class _Trap(TorchFunctionMode):
    """Looks at each function of torch and at each module that is called."""

    def __init__(self, forbidden: Sequence[str]):
        super().__init__()
        self._forbidden = forbidden
        self._names = {n.rpartition(".")[2]: n for n in forbidden if n.startswith("torch.")}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = self._names.get(getattr(func, "__name__", ""))
        if name is not None:
            raise ForbiddenCall(name)
        return func(*args, **(kwargs or {}))

    def look_at(self, module: Module, _: Any) -> None:
        """Raise for a module of a forbidden class, or of one below it."""
        for kind in type(module).__mro__:
            for name in self._forbidden:
                if kind.__module__.startswith("torch.nn.") and (
                    name == f"torch.nn.{kind.__name__}" or name == kind.__module__
                ):
                    raise ForbiddenCall(name)


@contextmanager
def trapped(forbidden: Sequence[str]) -> Iterator[None]:
    """Let calls of these dotted names raise ForbiddenCall.

    >>> import torch
    >>> with trapped(["torch.softmax"]):
    ...     getattr(torch, "soft" + "max")(torch.zeros(2), 0)
    Traceback (most recent call last):
    ...
    autograder.checks.trap.ForbiddenCall: torch.softmax
    """
    if not forbidden:
        yield
        return
    trap = _Trap(forbidden)
    hook = register_module_forward_pre_hook(trap.look_at)
    try:
        with trap:
            yield
    finally:
        hook.remove()
