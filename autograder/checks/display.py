"""Show a verdict: as text, and as a small accessible HTML block for light and dark notebooks."""

from html import escape
from typing import TYPE_CHECKING
from unicodedata import combining

if TYPE_CHECKING:
    from autograder.checks.judge import CheckResult, Verdict

_MOST_DETAILS = 3
_STATUS = {
    "correct": "correct",
    "partial": "partly right",
    "wrong": "not right yet",
    "not attempted": "not attempted",
    "error": "could not be run",
}


def as_text(verdict: "Verdict") -> str:
    """A verdict as lines of text."""
    lines = [_headline(verdict)]
    if verdict.status != "not attempted":
        width = max((_width(c.name) for c in verdict.checks), default=0)
        details = _details(verdict)
        for check, detail in zip(verdict.checks, details, strict=True):
            pad = " " * (width - _width(check.name))
            lines.append(f"  {'✓' if check.passed else '✗'} {check.name}{pad}  {_earned(check)}")
            lines += [f"      {detail}"] if detail else []
    closing = _closing(verdict)
    return "\n".join([*lines, "", closing] if closing else lines)


def _details(verdict: "Verdict") -> list[str]:
    """Each check's message, but of many only the first few, and none twice."""
    shown: list[str] = []
    details = []
    for check in verdict.checks:
        new = not check.passed and check.message not in shown and len(shown) < _MOST_DETAILS
        details.append(check.message if new else "")
        shown += [check.message] if new and check.message else []
    return details


def _closing(verdict: "Verdict") -> str:
    """The hint, or the reason; nothing that a check's line has just said."""
    if verdict.status == "correct" or (any(_details(verdict)) and not verdict.misconception):
        return ""
    if not verdict.misconception:
        return verdict.message
    earned = sum(check.weight for check in verdict.checks if check.passed)
    share = " (A mistake that has a name leaves half of the points.)"
    return f"Hint: {verdict.message}{share if verdict.points > earned + 0.005 else ''}"


def _headline(verdict: "Verdict") -> str:
    points = f"{_number(verdict.points)} of {_number(verdict.max_points)} points"
    return f"{verdict.exercise}: {_STATUS[verdict.status]}, {points}"


def _width(text: str) -> int:
    """Columns on screen: the tilde of h̃ takes none of its own."""
    return sum(not combining(character) for character in text)


def _earned(check: "CheckResult") -> str:
    return f"{_number(check.weight if check.passed else 0)}/{_number(check.weight)}"


def _number(value: float) -> str:
    """
    >>> _number(12.0), _number(2.3333)
    ('12', '2.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def as_html(verdict: "Verdict") -> str:
    """A verdict as HTML: inherits the page's colours, escapes everything, asks for nothing."""
    rows = "".join(map(_row, verdict.checks, _details(verdict)))
    table = (
        f'<table style="border-collapse:collapse;margin:.4em 0;color:inherit">'
        f"<caption style='position:absolute;clip-path:inset(50%)'>Checks</caption><thead><tr>"
        f'<th scope="col" style="{_CELL}">Result</th><th scope="col" style="{_CELL}">Property</th>'
        f'<th scope="col" style="{_CELL}">Points</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    closing = _closing(verdict)
    closing = f"<p>{escape(closing)}</p>" if closing else ""
    body = closing if verdict.status == "not attempted" else table + closing
    edge = "#009e73" if verdict.status == "correct" else "#d55e00"
    return (
        f'<section aria-label="Verdict on {escape(verdict.exercise, quote=True)}" style="'
        f"border-left:.3em solid {edge};padding:.1em .8em;color:inherit;position:relative;"
        f'background:transparent"><p><strong>{escape(_headline(verdict))}</strong></p>'
        f"{body}</section>"
    )


_CELL = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top;background:transparent"


def _row(check: "CheckResult", detail: str) -> str:
    mark = "✓\u00a0passed" if check.passed else "✗\u00a0failed"
    detail = f"<br><em>{escape(detail)}</em>" if detail else ""
    cells = (mark, escape(check.name) + detail, _earned(check))
    row = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f'<tr style="background:transparent">{row}</tr>'
