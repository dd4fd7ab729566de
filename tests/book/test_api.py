"""The API reference names every module of the library."""

import re
from pathlib import Path

import attention_lib

BOOK = Path(__file__).parents[2] / "book"
# Parts of one public module each.
INSIDE = ("data.grammar.",)


def test_every_module_is_in_the_reference_once():
    package = Path(attention_lib.__file__).parent
    modules = set()
    for path in package.rglob("*.py"):
        name = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(("__init__", *INSIDE)) and name not in ("data", "plots"):
            modules.add(name)
    pages = "\n".join(path.read_text(encoding="utf-8") for path in sorted(BOOK.glob("api_*.md")))
    named = re.findall(r"automodule:: attention_lib\.(\S+)", pages)
    assert sorted(named) == sorted(modules)


def test_a_module_that_a_chapter_links_to_links_back():
    sections = {}
    for page in BOOK.glob("api_*.md"):
        for section in page.read_text(encoding="utf-8").split("\n## "):
            for name in re.findall(r"automodule:: (\S+)", section):
                sections[name] = section
    linked = [
        (chapter.stem, name)
        for chapter in BOOK.glob("*.md")
        for name in re.findall(r"\{py:mod\}`(attention_lib\.[^`]+)`", chapter.read_text("utf-8"))
    ]
    assert {chapter for chapter, _ in linked} >= {"recurrent", "luong", "transformer"}
    assert [c for c, name in linked if f"<{c}>`" not in sections[name]] == []
