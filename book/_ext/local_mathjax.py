"""Serve MathJax with the book, from the package that ships it, so that no page needs the network.

Copies the part of ``sphinx-mathjax-offline`` that a page loads (TeX in, HTML and its fonts out)
beside the pages. The package's own extension would copy all of its 15 MB.
"""

from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.fileutil import copy_asset

# mathjax_path is relative to _static. It must not lie in the source's _static folder: Jupyter Book
# puts a script tag for every script there into every page.
PARTS = ("tex-chtml.js", "output/chtml/fonts/tex.js", "output/chtml/fonts/woff-v2")


def shipped_mathjax() -> Path:
    """Find the folder of MathJax 3 in the installed package."""
    spec = find_spec("sphinx-mathjax-offline")
    if spec is None or spec.origin is None:
        raise ExtensionError(
            "the package sphinx-mathjax-offline is missing; install the book's extra: "
            "pip install -e .[book]"
        )
    return Path(spec.origin).parent / "static" / "mathjax"


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Copy what a page loads into the built book's _static folder."""
    if exception is not None or app.builder.format != "html":
        return
    source = shipped_mathjax()
    target = Path(app.outdir) / "_static" / "mathjax"
    for part in PARTS:
        place = target / part
        folder = place if (source / part).is_dir() else place.parent
        folder.mkdir(parents=True, exist_ok=True)
        copy_asset(str(source / part), str(folder))


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
