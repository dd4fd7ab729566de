"""Publish each chapter and its exercises as notebooks, and link them at the head of the page.

The executed chapter ``luong.md`` becomes ``notebooks/luong.ipynb`` of the built book, with its
outputs left out, and ``exercises/luong.ipynb`` of the repository is copied beside it. The page's
header offers both as downloads and, if ``repository: url`` of _config.yml names a GitHub
repository, on Colab, which opens notebooks from the branch that the built book is published on.
"""

import shutil
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx

COLAB = "https://colab.research.google.com"
INSTALL = """\
# On Colab, install the course's library first.
import importlib.util

if importlib.util.find_spec("attention_lib") is None:
    %pip install -q "attention-course[book] @ git+{repository}"
"""


def colab_link(repository: str, branch: str, path: str) -> str:
    """Give the address at which Colab opens a notebook of a GitHub repository.

    >>> colab_link("https://github.com/some/book/", "gh-pages", "notebooks/luong.ipynb")
    'https://colab.research.google.com/github/some/book/blob/gh-pages/notebooks/luong.ipynb'
    """
    owner, name = repository.rstrip("/").split("/")[-2:]
    return f"{COLAB}/github/{owner}/{name}/blob/{branch}/{path}"


def for_readers(executed: nbformat.NotebookNode, repository: str) -> nbformat.NotebookNode:
    """Make the notebook a reader runs: no outputs; on Colab it installs the library itself."""
    notebook = nbformat.v4.new_notebook(metadata=executed.metadata)
    if repository:
        cell = nbformat.v4.new_code_cell(INSTALL.format(repository=repository), id="install")
        notebook.cells.append(cell)
    for cell in executed.cells:
        if cell.cell_type == "code":
            cell = cell | {"outputs": [], "execution_count": None}
        notebook.cells.append(nbformat.NotebookNode(cell))
    return notebook


def notebooks_of(app: Sphinx, pagename: str) -> dict[str, Path]:
    """Find the notebooks that belong to a page: address in the built book -> file."""
    found = {
        f"notebooks/{pagename}.ipynb": Path(app.outdir, "../jupyter_execute", f"{pagename}.ipynb"),
        f"exercises/{pagename}.ipynb": Path(app.srcdir, "../exercises", f"{pagename}.ipynb"),
    }
    return {address: file for address, file in found.items() if file.exists()}


def add_buttons(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Put downloads and Colab links of the page's notebooks into the theme's header."""
    if doctree is None or not (notebooks := notebooks_of(app, pagename)):
        return
    options = app.config.html_theme_options
    repository, branch = options.get("repository_url"), options.get("repository_branch")
    downloads, launches = [], []
    for address in notebooks:
        what = "Chapter" if address.startswith("notebooks/") else "Exercises"
        button = {"type": "link", "icon": "fas fa-code", "text": f"{what} (.ipynb)"}
        url = context["pathto"](address, resource=True)
        downloads.append(button | {"url": url, "tooltip": f"Download: {what.lower()}"})
        if repository:
            url = colab_link(repository, branch, address)
            launches.append(button | {"url": url, "text": what, "tooltip": f"{what} on Colab"})
    buttons = context["header_buttons"]
    for group in buttons:
        if group.get("label") == "download-buttons":
            group["buttons"] = downloads + group["buttons"]
    if launches:
        group = {"type": "group", "tooltip": "Open on Colab", "icon": "fas fa-rocket"}
        buttons.insert(0, group | {"buttons": launches, "label": "launch-buttons"})


def publish(app: Sphinx, exception: Exception | None) -> None:
    """Write the notebooks into the built book."""
    if exception is not None or app.builder.format != "html":
        return
    repository = app.config.html_theme_options.get("repository_url", "")
    for pagename in app.env.found_docs:
        for address, file in notebooks_of(app, pagename).items():
            target = Path(app.outdir, address)
            target.parent.mkdir(parents=True, exist_ok=True)
            if address.startswith("notebooks/"):
                nbformat.write(for_readers(nbformat.read(file, 4), repository), target)
            else:
                shutil.copyfile(file, target)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("html-page-context", add_buttons, priority=900)
    app.connect("build-finished", publish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
