"""Self-contained HTML pages: one shell, one look, scripts bound by a content security policy."""

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import nbformat
from markupsafe import Markup

from autograder.atomic import write_whole
from autograder.results import SubmissionResult, read_submission

TEMPLATES = Path(__file__).parent / "templates"
STATUS_WORDS = {"graded": "graded", "problems": "needs a look", "failed": "failed"}
# Outcome -> (CSS class, mark that reads without colour), in the order of the charts.
OUTCOMES = {
    "correct": ("correct", "✓"),
    "partial": ("partial", "◐"),
    "wrong": ("wrong", "✗"),
    "error": ("error", "!"),
    "not attempted": ("empty", "○"),
    "not run": ("unrun", "–"),
}


def number(value: float) -> str:
    """Format marks: at most two decimals and no trailing zeros.

    >>> number(12.0), number(7.25), number(2 / 3)
    ('12', '7.25', '0.67')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def percent(score: float, max_score: float) -> float:
    """Return marks as a percentage between 0 and 100; nothing to earn counts as 0.

    >>> percent(45, 60), percent(3, 0)
    (75.0, 0.0)
    """
    return min(100.0, max(0.0, 100.0 * score / max_score)) if max_score > 0 else 0.0


@cache
def environment() -> jinja2.Environment:
    """Return the templates' environment; every value is escaped unless it is Markup."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    env.filters["number"] = number
    env.globals.update(outcomes=OUTCOMES, status_words=STATUS_WORDS)
    return env


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str], style: str) -> str:
    """Allow these very scripts and this style sheet, pictures inside the page, nothing else."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    allowed = " ".join(f"'sha256-{digest(text)}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src-elem 'sha256-{digest(style)}'; "
        "style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def render_page(
    template: str, *, styles: Sequence[str], scripts: Sequence[str], **context: Any
) -> str:
    """Render a whole page from a template that extends ``page.html.j2``.

    ``styles`` and ``scripts`` name the files added to the shared look and its script.
    """
    style = "\n".join(_asset(name) for name in ("look.css", *styles))
    code = [_asset(name) for name in ("look.js", *scripts)]
    return (
        environment()
        .get_template(template)
        .render(
            policy=_policy(code, style),
            style=Markup(style),
            scripts=[Markup(text) for text in code],
            **context,
        )
    )


def write_atomically(path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    """Write a file so that readers see the old or the new text, never half of it."""
    return write_whole(path, text.encode(encoding, errors="replace"))


@cache
def _look() -> str:
    """A digest of all code and versions that shape a page, whatever it tells."""
    digest = hashlib.sha256()
    home = TEMPLATES.parent
    for path in sorted(p for p in TEMPLATES.rglob("*") if p.is_file()):
        digest.update(path.read_bytes())
    for name in _SHAPES_PAGES:
        digest.update((home / name).read_bytes())
    for name in ("bleach", "jinja2", "mistune", "nbconvert", "pygments"):
        digest.update(f"{name} {version(name)}\n".encode())
    return digest.hexdigest()


_SHAPES_PAGES = ("feedback.py", "notebook_html.py", "pages.py", "report.py", "results.py")


def made_from(*told: Any) -> str:
    """The line that ends a page and says, in a digest, what it was made from.

    ``told`` is all that the page tells, as values whose ``repr`` says everything.
    """
    text = _look() + repr(told)
    return f"<!-- {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()} -->\n"


def is_current(path: Path, mark: str) -> bool:
    """Whether a page is there and ends with this mark, so that it need not be made again."""
    try:
        with path.open("rb") as page:
            page.seek(-len(mark), os.SEEK_END)
            return page.read() == mark.encode()
    except OSError:
        return False


def read_results(course: Path, assignment: str) -> list[SubmissionResult]:
    """Read every student's result of an assignment, ordered by student.

    Raises FileNotFoundError when the assignment has never been graded.
    """
    folder = course / "results" / assignment
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there are no results in {folder}; run `autograder grade {assignment}` first"
        )
    results = [read_submission(path) for path in sorted(folder.glob("*.json"))]
    return sorted(results, key=lambda result: result.student)


def released_title(course: Path, assignment: str) -> str:
    """Return the first heading of the released notebook, or the assignment's name without one."""
    for path in sorted((course / "release" / assignment).glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            heading = re.search(r"^# +(.+)$", cell.source, flags=re.MULTILINE)
            if cell.cell_type == "markdown" and heading:
                return heading[1].strip()
    return assignment
