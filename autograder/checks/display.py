"""Show a verdict: as text, and as a small accessible HTML block for light and dark notebooks."""

from html import escape
from typing import TYPE_CHECKING
from unicodedata import combining

if TYPE_CHECKING:
    from autograder.checks.judge import CheckResult, Verdict

_GIFT = "a mistake that has a name leaves half of the points"
_UNJUDGED = "– not judged until the values are right"
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
    if _any_judged(verdict):
        gift = _gift(verdict)
        names = [check.name for check in verdict.checks] + [_GIFT] * bool(gift)
        width = max(map(_width, names), default=0)
        for check, detail in zip(verdict.checks, _details(verdict), strict=True):
            pad = " " * (width - _width(check.name))
            lines.append(f"  {_mark(check)[0]} {check.name}{pad}  {_earned(check)}")
            lines += [f"      {detail}"] if detail else []
        lines += [f"  + {_GIFT}{' ' * (width - _width(_GIFT))}  {gift}"] if gift else []
    closing = [text for text in (_legend(verdict), _closing(verdict)) if text]
    return "\n".join([*lines, "", *closing] if closing else lines)


def _any_judged(verdict: "Verdict") -> bool:
    return any(check.judged for check in verdict.checks)


def _mark(check: "CheckResult") -> tuple[str, str]:
    """A check's mark, and what it means."""
    if not check.judged:
        return "–", "not\u00a0judged"
    return ("✓", "passed") if check.passed else ("✗", "failed")


def _legend(verdict: "Verdict") -> str:
    unjudged = any(not check.judged for check in verdict.checks)
    return _UNJUDGED if unjudged and _any_judged(verdict) else ""


def _details(verdict: "Verdict") -> list[str]:
    """Each check's message, none twice."""
    messages = ["" if check.passed else check.message for check in verdict.checks]
    return ["" if text in messages[:i] else text for i, text in enumerate(messages)]


def _gift(verdict: "Verdict") -> str:
    """What a mistake with a name adds to the sum of the checks, or ""."""
    earned = sum(check.weight for check in verdict.checks if check.passed)
    missing = verdict.points - earned
    return f"+{_number(missing)}" if verdict.misconception and missing > 0.005 else ""


def _closing(verdict: "Verdict") -> str:
    """The hint, or the reason; nothing that a check's line has just said."""
    if verdict.misconception:
        return f"Hint: {verdict.message}"
    said = verdict.status == "correct" or any(_details(verdict))
    return "" if said else verdict.message


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
    gift = _gift(verdict)
    rows += _cells("+", _GIFT, gift) if gift else ""
    table = (
        f'<table style="border-collapse:collapse;margin:.4em 0;color:inherit">'
        f"<caption style='position:absolute;clip-path:inset(50%)'>Checks</caption><thead><tr>"
        f'<th scope="col" style="{_CELL}">Result</th><th scope="col" style="{_CELL}">Property</th>'
        f'<th scope="col" style="{_CELL}">Points</th></tr></thead><tbody>{rows}</tbody></table>'
    )
    closing = "".join(f"<p>{escape(t)}</p>" for t in (_legend(verdict), _closing(verdict)) if t)
    body = table + closing if _any_judged(verdict) else closing
    edge = "#009e73" if verdict.status == "correct" else "#d55e00"
    return (
        f'<section aria-label="Verdict on {escape(verdict.exercise, quote=True)}" style="'
        f"border-left:.3em solid {edge};padding:.1em .8em;color:inherit;position:relative;"
        f'background:transparent"><p><strong>{escape(_headline(verdict))}</strong></p>'
        f"{body}</section>"
    )


_CELL = "text-align:left;padding:.15em .8em .15em 0;vertical-align:top;background:transparent"


def _row(check: "CheckResult", detail: str) -> str:
    detail = f"<br><em>{escape(detail)}</em>" if detail else ""
    return _cells("\u00a0".join(_mark(check)), escape(check.name) + detail, _earned(check))


def _cells(*cells: str) -> str:
    row = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)
    return f'<tr style="background:transparent">{row}</tr>'
