"""Mend in every page what Sphinx, Jupyter Book and the theme write that this book cannot use."""

import re
from typing import Any

from sphinx.application import Sphinx

WIDE_IMAGE = re.compile(r'<img [^>]*class="[^"]*\bwide\b[^"]*"[^>]*>')
SCROLLING_BOX = (
    r'<div class="wide-figure" role="group" aria-label="Wide figure" tabindex="0">\g<0></div>'
)


def drop_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Remove thebe's scripts: they are added twice, fail the second time and name another host."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script} {getattr(script, 'attributes', '')}".lower()
    ]


def mend_references(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Make each reference an item of the list it stands in; docutils' own role is deprecated."""
    if "body" in context:
        context["body"] = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')


def let_wide_figures_scroll(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Put each image of class ``wide`` into a box that scrolls sideways, also by keyboard."""
    if "body" in context:
        context["body"] = WIDE_IMAGE.sub(SCROLLING_BOX, context["body"])


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", mend_references)
    app.connect("html-page-context", let_wide_figures_scroll)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
