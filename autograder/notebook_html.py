"""A student's notebook as an HTML fragment that is safe to show: no script, no outside request."""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from html import escape
from typing import Any

import bleach
from bleach.css_sanitizer import CSSSanitizer
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters.highlight import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from traitlets.config import Config

from autograder.pages import TEMPLATES

SOURCE_LIMIT = 50_000
TEXT_LIMIT = 6_000
MEDIA_LIMIT = 3_000_000
OUTPUTS_LIMIT = 40
# Most of a class's cells are the release's: rendered once for all.
_REMEMBERED = 256
_TAGS = bleach.ALLOWED_TAGS | {
    *("br", "del", "div", "hr", "kbd", "p", "pre", "s", "span", "sub", "sup", "u", "var"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "dl", "dt", "dd", "img", "details", "summary"),
    *("table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"),
}
_STYLES = ["color", "background-color", "text-align", "font-weight", "font-style"]
# pygments' token classes and pandas' tables; a student's markup gets none of the page's own.
_CLASSES = re.compile(r"(highlight|dataframe|[a-z]{1,2}[0-9a-z]?)\Z")
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*\Z")


def _allowed(tag: str, name: str, value: str) -> bool:
    if name == "class":
        return all(_CLASSES.match(word) for word in value.split())
    if tag == "img":
        return name in ("alt", "width", "height") or (name == "src" and bool(_PICTURE.match(value)))
    if tag == "a":
        return name == "href"
    if tag in ("td", "th"):
        return name in ("colspan", "rowspan", "style", "scope")
    return name == "style" or (tag == "ol" and name == "start")


@cache
def _cleaner() -> bleach.Cleaner:
    return bleach.Cleaner(
        tags=_TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},
        strip=True,
        css_sanitizer=CSSSanitizer(allowed_css_properties=_STYLES),
    )


def clean(html: str) -> str:
    """Keep harmless markup only.

    >>> clean("<h1 onclick='x()'>Hi</h1><script>steal()</script><img src=https://a.example/b>")
    '<h1>Hi</h1>'
    """
    # bleach keeps the text inside what it strips; code and style sheets are no reading matter.
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1\s*>|\Z)", "", html)
    shown = re.sub(r"<img(?![^>]*\ssrc=)[^>]*>", "", _cleaner().clean(text))
    return re.sub(r"<img(?![^>]*\salt=)", '<img alt="Picture without a description"', shown)


def nest_headings(html: str, below: int) -> str:
    """Put cleaned headings under one of level ``below``, no level skipped, empty ones dropped.

    >>> nest_headings("<h1>A</h1><h4>B</h4><h1>C</h1><h2></h2>", below=2)
    '<h3>A</h3><h4>B</h4><h3>C</h3>'
    """
    open_levels: list[int] = []
    last = below

    def level(match: re.Match[str]) -> str:
        nonlocal last
        if match[1]:
            return f"</h{open_levels.pop() if open_levels else last}"
        last = min(int(match[2]) + below, last + 1, 6)
        open_levels.append(last)
        return f"<h{last}"

    filled = re.sub(r"<h([1-6])[^>]*>\s*</h\1>", "", html)
    return re.sub(r"<(/?)h([1-6])\b", level, filled)


class _Renderer(IPythonRenderer):
    def _embed_image_or_attachment(self, src: str) -> str:
        known = src.removeprefix("attachment:") in self.attachments
        return super()._embed_image_or_attachment(src) if known else src


def _or_text(render: Callable[[str], str], source: str) -> str:
    """Render hostile text; what breaks its renderer is shown as it stands."""
    try:
        return render(source)
    except Exception:  # any fault of a parser on made-up input; the page must still be written
        return f"<pre>{escape(source)}</pre>"


def _markdown(source: str, attachments: dict[str, Any] | None = None) -> str:
    return _rendered(source, attachments) if attachments else _plain_markdown(source)


@lru_cache(_REMEMBERED)
def _plain_markdown(source: str) -> str:
    return _rendered(source, {})


def _rendered(source: str, attachments: dict[str, Any]) -> str:
    renderer = _Renderer(escape=False, exclude_anchor_links=True, attachments=attachments)
    return _or_text(lambda text: clean(MarkdownWithMath(renderer=renderer).render(text)), source)


def _picture_text(output: NotebookNode) -> str:
    text = output.data.get("text/plain", "")
    return text if text and not text.startswith("<") else "Picture drawn by the cell above"


def _shorten(text: str, limit: int = TEXT_LIMIT) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = f"{len(text) - 2 * half:,}"
    return f"{text[:half]}\n… {left_out} characters are left out here …\n{text[-half:]}"


def _capped(output: NotebookNode) -> NotebookNode:
    """Bound what one output adds to the page."""
    if output.output_type == "stream":
        output.text = _shorten(output.text)
    elif output.output_type == "error":
        output.traceback = [_shorten("\n".join(output.traceback))]
    else:
        for kind, value in list(output.data.items()):
            limit = MEDIA_LIMIT if kind.startswith("image/") else SOURCE_LIMIT
            if not isinstance(value, str):
                del output.data[kind]
            elif kind == "text/plain":
                output.data[kind] = _shorten(value)
            elif len(value) > limit:
                del output.data[kind]
                output.data.setdefault("text/plain", f"[{kind} of {len(value):,} characters]")
    return output


def cap(cell: NotebookNode) -> None:
    """Shorten a cell's source and outputs in place, saying how much was left out."""
    cell.source = _shorten(cell.source, SOURCE_LIMIT)
    if cell.cell_type == "code":
        left_out = len(cell.outputs) - OUTPUTS_LIMIT
        cell.outputs = [_capped(output) for output in cell.outputs[:OUTPUTS_LIMIT]]
        if left_out > 0:
            note = f"… {left_out} more outputs are left out"
            cell.outputs.append(NotebookNode(output_type="stream", name="stdout", text=note))


class _Exporter(HTMLExporter):
    """nbconvert's, but for what takes it half of its time.

    It would parse the page once more, to give pictures a text and cells a place among the tab
    stops, and highlight every cell anew. The template and ``clean`` see to the former.
    """

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Render a notebook by the template."""
        html, resources = TemplateExporter.from_notebook_node(self, nb, resources, **kw)
        return html, resources


@lru_cache(_REMEMBERED)
def _highlighted(source: str) -> str:
    return str(Highlight2HTML(pygments_lexer="ipython3")(source, metadata={}))


@cache
def _exporter() -> HTMLExporter:
    exporter = _Exporter(
        config=Config({"HighlightMagicsPreprocessor": {"enabled": False}}),
        template_name="notebook",
        extra_template_basedirs=[str(TEMPLATES)],
        sanitize_html=True,
    )
    exporter.register_filter(
        "markdown", lambda cell: _markdown(cell.source, cell.get("attachments"))
    )
    exporter.register_filter("markdown_text", _markdown)
    exporter.register_filter("highlighted", _highlighted)
    exporter.register_filter("rich", lambda html: _or_text(clean, html))
    exporter.register_filter("picture_text", _picture_text)
    return exporter


def notebook_html(notebook: NotebookNode, verdicts: dict[int, str]) -> str:
    """Render a notebook's cells, to stand under a heading of level 2.

    ``verdicts`` holds trusted HTML that follows a cell, by the cell's index.
    The notebook is changed: outputs are cut to size, the cells' own metadata is dropped.
    """
    for index, cell in enumerate(notebook.cells):
        cap(cell)
        cell.metadata = NotebookNode(verdict=verdicts.get(index, ""))
    notebook.metadata = NotebookNode()
    body, _ = _exporter().from_notebook_node(notebook)
    return nest_headings(body, below=2)
