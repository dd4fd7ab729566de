"""Warn when an image of the book has no alt text; with warnings as errors, that stops the build.

A figure drawn by a cell takes its alt text from the cell's metadata:

    ```{code-cell} ipython3
    ---
    mystnb:
      image:
        alt: Heat map. Each English word looks at its Chinese word, along the diagonal.
    ---
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def warn_without_alt(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn about each image that says nothing to a reader who cannot see it."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip():
            LOGGER.warning(
                "image %s has no alt text; say what one would see "
                "(for a cell's figure: mystnb: image: alt: in the cell's metadata)",
                image.get("uri", ""),
                location=image,
                type="book",
                subtype="alt_text",
            )


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("doctree-resolved", warn_without_alt)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
