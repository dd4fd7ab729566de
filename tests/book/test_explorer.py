"""The attention explorer, as a reader's browser runs it."""

from pathlib import Path

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from attention_lib.plots.explorer import explore

pytestmark = pytest.mark.browser

STATIC = Path(__file__).parents[2] / "book" / "_static"
QUERIES, KEYS = ["I", "am", "here"], ["我", "在", "这里", "。"]
THEME = "--pst-color-primary: #00609a; --pst-color-secondary: #a84300; --pst-color-accent: #a84300"

BODY = "background: var(--pst-color-background); color: var(--pst-color-text-base)"


def weights() -> torch.Tensor:
    """Two layers of three heads; head h of layer l looks at key (query + h + l) mod 4."""
    maps = torch.zeros(2, 3, 3, 4)
    for layer in range(2):
        for head in range(3):
            for query in range(3):
                maps[layer, head, query, (query + head + layer) % 4] = 1.0
    return maps


@pytest.fixture
def explorer(blank, view):
    """A page with nothing but an explorer, in each view."""
    shown = explore(weights(), QUERIES, KEYS, caption="Where each word looks.")._repr_html_()
    theme = "dark" if "dark" in view else "light"
    blank.set_content(
        f'<html lang="en" data-theme="{theme}" style="{THEME}">'
        f"<title>Explorer</title><body style='{BODY}'><main><h1>Explorer</h1>{shown}</main></html>"
    )
    blank.add_style_tag(path=STATIC / "book.css")
    blank.add_script_tag(path=STATIC / "explorer.js")
    return blank


def answer(page) -> str:
    return page.locator(".explorer-answer").inner_text()


def shares(page) -> list[str]:
    return page.locator(".explorer-weight").all_inner_texts()


def test_it_opens_on_the_first_head_of_the_last_layer(explorer):
    assert answer(explorer) == "I looks at 在 (100 %)."
    assert shares(explorer) == ["0 %", "100 %", "0 %", "0 %"]


def test_the_mean_of_the_heads_is_the_last_choice(explorer):
    assert explorer.get_by_label("Head").locator("option").all_inner_texts() == [
        "1", "2", "3", "mean of all"
    ]  # fmt: skip
    explorer.get_by_label("Head").select_option(label="mean of all")
    assert answer(explorer) == "I looks at 在 (33 %), 这里 (33 %), 。 (33 %)."
    assert shares(explorer) == ["0 %", "33 %", "33 %", "33 %"]


def test_pointing_at_a_word_shows_where_it_looks(explorer):
    explorer.get_by_label("Head").select_option(label="2")
    explorer.get_by_role("button", name="am").hover()
    assert answer(explorer) == "am looks at 。 (100 %)."
    assert shares(explorer) == ["0 %", "0 %", "0 %", "100 %"]


def test_a_touch_does_the_same(explorer):
    explorer.get_by_role("button", name="here").click()
    assert answer(explorer) == "here looks at 。 (100 %)."


def test_layers_and_heads_can_be_chosen(explorer):
    explorer.get_by_label("Layer").select_option(label="1")
    explorer.get_by_label("Head").select_option(label="3")
    assert answer(explorer) == "I looks at 这里 (100 %)."
    explorer.get_by_label("Layer").select_option(label="2")
    assert answer(explorer) == "I looks at 。 (100 %)."


def test_arrow_keys_go_from_word_to_word_and_tab_leaves(explorer):
    explorer.get_by_label("Head").focus()
    for key, word in [("Tab", "I"), ("ArrowRight", "am"), ("End", "here"), ("ArrowRight", "here"),
                      ("ArrowLeft", "am"), ("Home", "I")]:  # fmt: skip
        explorer.keyboard.press(key)
        assert explorer.evaluate("document.activeElement.textContent") == word
        assert answer(explorer).startswith(f"{word} looks at")
    explorer.keyboard.press("Tab")
    assert explorer.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_the_table_follows_what_is_chosen(explorer):
    explorer.get_by_label("Head").select_option(label="2")
    explorer.get_by_text("The weights as a table").click()
    table = explorer.get_by_role("table")
    assert table.locator("caption").inner_text() == "layer 2, head 2"
    assert table.locator("tbody tr").nth(0).locator("td").all_inner_texts() == [
        "0.00", "0.00", "1.00", "0.00"
    ]  # fmt: skip


def test_axe_finds_nothing(explorer):
    explorer.get_by_text("The weights as a table").click()
    found = Axe().run(explorer, options={"preload": False}).response["violations"]
    assert {finding["id"]: finding["nodes"][0]["html"] for finding in found} == {}


def test_it_fits_a_phone(explorer):
    assert explorer.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_words_stand_in_a_table_where_no_script_runs(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(explore(weights(), QUERIES, KEYS, caption="Where they look.")._repr_html_())
    assert page.get_by_role("table").is_visible()
    assert page.get_by_role("rowheader", name="am").is_visible()
    context.close()


@pytest.mark.parametrize("chapter", ["luong", "self_attention"])
def test_a_chapter_shows_it(visit, chapter):
    page = visit(f"html/{chapter}.html")
    explorer = page.locator("attention-explorer").first
    explorer.get_by_role("button").nth(1).hover()
    word = explorer.get_by_role("button").nth(1).inner_text()
    assert explorer.locator(".explorer-answer").inner_text().startswith(f"{word} looks at")
