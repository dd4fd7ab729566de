"""The book's own Sphinx helpers, each on an input small enough to see the effect."""

import importlib.util
import io
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from sphinx.application import Sphinx

EXTENSIONS = Path(__file__).parents[2] / "book" / "_ext"


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, EXTENSIONS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def warnings_of(tmp_path, monkeypatch):
    """Build a one-page project with the alt-text check and give what it warns."""
    monkeypatch.syspath_prepend(str(EXTENSIONS))

    def build(page: str) -> str:
        (tmp_path / "map.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
        (tmp_path / "index.rst").write_text(page)
        out, stderr = tmp_path / "out", io.StringIO()
        settings = {"extensions": ["alt_text"]}
        app = Sphinx(
            tmp_path, None, out, out, "html", settings, status=None, warning=stderr, freshenv=True
        )
        app.build()
        return stderr.getvalue()

    return build


@pytest.mark.parametrize("options", ["", "\n   :alt:"])
def test_an_image_without_alt_text_is_a_warning_that_names_it(warnings_of, options):
    warned = warnings_of(f"Title\n=====\n\n.. image:: map.svg{options}\n")
    assert "map.svg has no alt text" in warned
    assert "index.rst:4" in warned


def test_an_image_with_alt_text_is_no_warning(warnings_of):
    warned = warnings_of("Title\n=====\n\n.. image:: map.svg\n   :alt: A diagonal.\n")
    assert "has no alt text" not in warned


def test_any_run_of_chinese_in_the_text_is_found_by_the_pieces_of_the_query():
    cut = _load("search_language").cut_chinese
    indexed = set(cut("他说：“我是一个学生。”"))
    for query in ("我", "学生", "一个学生", "我是一个学生"):
        pieces = {piece for piece in cut(query) if len(piece) == min(2, len(query))}
        assert pieces <= indexed
    assert not set(cut("生学")) & {piece for piece in indexed if len(piece) == 2}


def test_english_and_chinese_in_one_sentence_are_both_indexed():
    language = _load("search_language").SearchBook({})
    assert {"student", "学生"} <= set(language.split("学生 means student"))


def test_colab_opens_the_notebook_from_the_branch_of_the_built_book():
    link = _load("notebook_links").colab_link
    expected = "https://colab.research.google.com/github/some/book/blob/gh-pages/exercises/x.ipynb"
    assert link("https://github.com/some/book/", "gh-pages", "exercises/x.ipynb") == expected


def _executed_notebook():
    cell = nbformat.v4.new_code_cell("1 + 1", execution_count=3)
    cell.outputs = [nbformat.v4.new_output("stream", text="2")]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title"), cell])


def test_a_published_notebook_is_valid_and_holds_no_outputs():
    executed = _executed_notebook()
    notebook = _load("notebook_links").for_readers(executed, repository="")
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells] == ["# Title", "1 + 1"]
    assert notebook.cells[1].outputs == []
    assert executed.cells[1].outputs != []


def test_a_notebook_for_colab_installs_the_library_first():
    address = "https://github.com/some/book"
    notebook = _load("notebook_links").for_readers(_executed_notebook(), address)
    nbformat.validate(notebook)
    assert f"git+{address}" in notebook.cells[0].source
    assert len(notebook.cells) == 3


def test_thebe_is_dropped_and_every_other_script_stays():
    inline = SimpleNamespace(attributes={"body": 'const THEBE_JS_URL = "https://elsewhere"'})
    context = {"script_files": ["_static/sphinx-thebe.js", inline, "_static/doctools.js"]}
    _load("tidy_pages").drop_thebe(None, "page", "page.html", context, None)
    assert context["script_files"] == ["_static/doctools.js"]


def test_only_wide_images_get_a_box_that_scrolls():
    context = {"body": '<img alt="a" class="wide" src="a.svg"/><img class="widely" src="b.svg"/>'}
    _load("tidy_pages").let_wide_figures_scroll(None, "page", "page.html", context, None)
    assert context["body"].count('tabindex="0"') == 1
    assert '><img alt="a" class="wide" src="a.svg"/></div>' in context["body"]


def test_mathjax_that_pages_load_is_in_the_installed_package():
    mathjax = _load("local_mathjax")
    assert all((mathjax.shipped_mathjax() / part).exists() for part in mathjax.PARTS)
