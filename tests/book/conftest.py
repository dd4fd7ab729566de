"""Serve what `make course` built on loopback, and open it in headless Chromium."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "_build"
REPORT = "course/reports/luong.html"
VIEWS = {
    "desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "dark phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
}


def page_addresses() -> list[str]:
    """List the pages under test: those of the table of contents, the theme's, and the report."""
    lines = (ROOT / "book" / "_toc.yml").read_text(encoding="utf-8").splitlines()
    names = [line.split(":")[1].strip() for line in lines if "root:" in line or "file:" in line]
    return [f"html/{name}.html" for name in [*names, "search", "genindex"]] + [REPORT]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes ``address`` on every page, one that takes ``view`` in every view."""
    pages = page_addresses()
    if "address" in metafunc.fixturenames:
        metafunc.parametrize("address", pages)
    if "book_page" in metafunc.fixturenames:
        metafunc.parametrize("book_page", [page for page in pages if page != REPORT])
    if "view" in metafunc.fixturenames:
        metafunc.parametrize("view", list(VIEWS))


@pytest.fixture(scope="session")
def build() -> Path:
    """The folder of everything built; a missing build is a failure, not a reason to skip."""
    if not (BUILD / "html" / "index.html").exists():
        pytest.fail(f"the book is not built: {BUILD / 'html'} has no index.html; run make course")
    return BUILD


def require(build: Path, address: str) -> None:
    if not (build / address).exists():
        pytest.fail(f"{build / address} does not exist; run make course first")


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: pytest shows what fails."""


@pytest.fixture(scope="session")
def site(build: Path) -> Iterator[str]:
    """Serve the build on a free port of loopback and give its address."""
    handler = functools.partial(_QuietHandler, directory=str(build))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def visit(browser, site: str, build: Path):
    """Open pages to act on; at the end, fail on whatever went wrong on them."""
    contexts, problems = [], []

    def visit(address: str, view: str = "desktop"):
        contexts.append(_new_context(browser, view))
        return _open(contexts[-1], build, site, address, problems)

    yield visit
    for context in contexts:
        context.close()
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def look(browser, site: str, build: Path):
    """Open each page once per view, for tests that only look; gives the page and its problems."""
    contexts, opened = {}, {}

    def look(address: str, view: str):
        if (address, view) not in opened:
            if view not in contexts:
                contexts[view] = _new_context(browser, view)
            problems: list[str] = []
            opened[address, view] = (
                _open(contexts[view], build, site, address, problems),
                problems,
            )
        return opened[address, view]

    yield look
    for context in contexts.values():
        context.close()


@pytest.fixture
def blank(browser, view: str):
    """An empty page in a view."""
    context = _new_context(browser, view)
    yield context.new_page()
    context.close()


def _new_context(browser, view: str):
    context = browser.new_context(reduced_motion="reduce", **VIEWS[view])
    # The tests beside this one may well hold both cores for half a minute.
    context.set_default_timeout(90_000)
    return context


def _open(context, build: Path, site: str, address: str, problems: list[str]):
    """Open a page, noting requests to other hosts, failed responses and console errors."""
    require(build, address.partition("?")[0])
    page = context.new_page()
    _watch(page, site, problems)
    page.goto(site + address)
    page.wait_for_load_state("networkidle")
    page.evaluate("window.MathJax?.startup?.promise")
    return page


def _watch(page, site: str, problems: list[str]) -> None:
    def on_request(request) -> None:
        if not request.url.startswith((site, "data:", "blob:")):
            problems.append(f"{page.url} asks another host: {request.url}")

    def on_response(response) -> None:
        if response.status >= 400:
            problems.append(f"{page.url}: {response.url} answers {response.status}")

    def on_failure(request) -> None:
        # Whoever follows a link leaves what the page was still fetching.
        if request.failure != "net::ERR_ABORTED":
            problems.append(f"{request.url} failed: {request.failure}")

    def on_console(message) -> None:
        # The redirect of index.html names no icon, so Chromium asks for the host's.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            problems.append(f"{page.url}: console error: {message.text}")

    page.on("request", on_request)
    page.on("response", on_response)
    page.on("console", on_console)
    page.on("requestfailed", on_failure)
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
