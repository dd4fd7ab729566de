"""An IPython extension: of an endless recursion only both ends are shown.

IPython looks up the source of every call, and walks through all imported modules for each: beside
torch's that takes 20 seconds for a recursion error, which is then shown in ten lines.
"""

from types import TracebackType
from typing import Any

_EITHER_END = 5


def load_ipython_extension(shell: Any) -> None:
    """Let a shell show recursion errors without what lies between their ends."""
    shell.set_custom_exc((RecursionError,), _show)


def _show(
    shell: Any, kind: type, error: BaseException, trace: TracebackType | None, tb_offset: int = 1
) -> list[str]:
    shown = shell.InteractiveTB.structured_traceback(
        kind, error, without_middle(trace), tb_offset=tb_offset
    )
    shell._showtraceback(kind, error, shown)
    return list(shown)


def without_middle(trace: TracebackType | None, ends: int = _EITHER_END) -> TracebackType | None:
    """Cut a traceback to the first and the last ``ends`` of its calls; a short one stays whole.

    The traceback is changed in place.

    >>> from traceback import walk_tb
    >>> def down(n): return down(n + 1)
    >>> try: down(0)
    ... except RecursionError as error: trace = without_middle(error.__traceback__)
    >>> len(list(walk_tb(trace)))
    10
    """
    calls = []
    call = trace
    while call is not None:
        calls.append(call)
        call = call.tb_next
    if len(calls) > 2 * ends:
        calls[ends - 1].tb_next = calls[-ends]
    return trace
