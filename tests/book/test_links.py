"""Every link and every source of every built page leads to something that was built."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

REFERENCES = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}


class _Page(HTMLParser):
    """Collect the anchors of a page and what it refers to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.references: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {name for name in (values.get("id"), values.get("name")) if name}
        if (reference := values.get(REFERENCES.get(tag, ""))) is not None:
            self.references.append((tag, reference))


@pytest.fixture(scope="session")
def crawled(build: Path) -> dict[Path, _Page]:
    """Every page that can be reached from the book's first page or from the class report."""
    waiting = [build / "html" / "index.html", *sorted((build / "html").glob("*.html"))]
    waiting += sorted((build / "course" / "reports").glob("*.html"))
    pages: dict[Path, _Page] = {}
    while waiting:
        path = waiting.pop()
        if path in pages or not path.is_file():
            continue
        pages[path] = _Page(path)
        for _, reference in pages[path].references:
            parts = urlsplit(reference)
            if not parts.scheme and parts.path.endswith(".html"):
                waiting.append((path.parent / unquote(parts.path)).resolve())
    return pages


def _internal(pages: dict[Path, _Page]):
    """Yield page, reference, target file and anchor of every reference within the build."""
    for path, page in pages.items():
        for _, reference in page.references:
            parts = urlsplit(reference)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            yield path, reference, target, unquote(parts.fragment)


def test_every_internal_link_leads_to_a_file_that_was_built(crawled):
    missing = {
        f"{path.name}: {reference}"
        for path, reference, target, _ in _internal(crawled)
        if not target.is_file()
    }
    assert missing == set()


def test_every_anchor_that_a_link_names_exists(crawled):
    missing = {
        f"{path.name}: {reference}"
        for path, reference, target, anchor in _internal(crawled)
        if anchor and target in crawled and anchor not in crawled[target].anchors
    }
    assert missing == set()


def test_no_page_loads_anything_by_an_address_of_another_host(crawled):
    foreign = {
        f"{path.name}: {reference}"
        for path, page in crawled.items()
        for tag, reference in page.references
        if tag != "a" and urlsplit(reference).scheme in ("http", "https")
    }
    assert foreign == set()


def test_every_page_of_the_contents_was_built(crawled, address, build):
    assert build / address in crawled, f"{address} is missing: run make course first"
