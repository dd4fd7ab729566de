"""What a reader does with the book: follow the contents, search, turn on the dark, download."""

import json

import pytest

pytestmark = pytest.mark.browser


def _search(page, words: str) -> None:
    page.goto(page.url.rsplit("/", 1)[0] + f"/search.html?q={words}")
    page.locator("#search-results li a").first.wait_for()


def test_the_contents_lead_through_every_chapter(visit):
    page = visit("html/index.html")
    page.wait_for_url("**/preface.html")
    for _ in range(page.locator(".bd-sidebar nav a.reference").count() - 1):
        title = page.locator(".prev-next-area a.right-next .prev-next-title").inner_text()
        page.locator(".prev-next-area a.right-next").click()
        assert page.locator("h1:visible").first.inner_text().startswith(title)
    assert page.locator(".prev-next-area a.right-next").count() == 0


def test_each_entry_of_the_sidebar_opens_its_page(visit):
    page = visit("html/preface.html")
    for position in range(page.locator(".bd-sidebar nav a.reference").count()):
        entry = page.locator(".bd-sidebar nav a.reference").nth(position)
        title = entry.inner_text()
        entry.click()
        assert page.locator("h1:visible").first.inner_text().startswith(title)


@pytest.mark.parametrize("words", ["query", "我是一个学生", "学生", "我", "general score"])
def test_a_search_in_either_language_reaches_the_chapter(visit, words):
    page = visit("html/preface.html")
    _search(page, words)
    page.locator("#search-results a[href^='luong.html']").first.click()
    page.wait_for_url("**/luong.html**")
    assert words.split()[0].casefold() in page.locator("article").inner_text().casefold()


def test_a_search_for_chinese_that_is_not_in_the_book_finds_nothing(visit):
    page = visit("html/search.html?q=麒麟")
    page.get_by_text("did not match any documents").wait_for()


def test_the_search_field_opens_and_answers_by_keyboard(visit):
    page = visit("html/preface.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("score")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=score*")
    page.locator("#search-results a[href^='luong.html']").first.wait_for()


def test_there_is_one_search_field_in_the_sidebar_and_none_beside_it(visit):
    page = visit("html/luong.html")
    assert page.locator(".search-button-field:visible, .search-button:visible").count() == 1


def test_the_theme_is_turned_by_keyboard_and_kept_on_the_next_page(visit):
    page = visit("html/preface.html")
    button = page.locator("button.theme-switch-button:visible").first
    theme = page.locator("html")
    seen = []
    while "dark" not in seen and len(seen) < 3:  # light, dark, and as the system is
        button.focus()
        page.keyboard.press("Enter")
        seen.append(theme.get_attribute("data-theme"))
    assert seen[-1] == "dark"
    page.goto(page.url.replace("preface", "luong"))
    assert theme.get_attribute("data-theme") == "dark"


def test_the_first_tab_stop_skips_to_the_content(visit):
    page = visit("html/luong.html")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main-content"


def test_formulas_are_set_by_the_books_own_mathjax(visit):
    page = visit("html/luong.html")
    assert page.locator("mjx-container").count() > 0
    assert page.locator("mjx-merror, merror").count() == 0
    scripts = page.locator("script[src*='mathjax']").evaluate_all("all => all.map(s => s.src)")
    assert len(scripts) == 1
    assert "/_static/mathjax/tex-chtml.js" in scripts[0]


def test_the_chapter_offers_a_notebook_that_runs_elsewhere(visit):
    page = visit("html/luong.html")
    href = page.locator("a[href*='notebooks/luong.ipynb']").first.get_attribute("href")
    answer = page.request.get(page.url.rsplit("/", 1)[0] + "/" + href)
    notebook = json.loads(answer.text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] for cell in code)
