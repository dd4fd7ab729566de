"""Report and feedback as people meet them: in a browser, by keyboard, in both themes."""

from pathlib import Path

import pytest

from autograder.feedback import write_feedback
from autograder.report import write_report
from autograder.results import write_json

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(browser):
    """Open a file; afterwards no request may have left it and the console must be empty."""
    contexts, trouble = [], []

    def watch(request) -> None:
        if not request.url.startswith(("file:", "data:")):
            trouble.append(f"request: {request.url}")

    def open_file(path: Path, **settings):
        context = browser.new_context(**{"viewport": DESK, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("request", watch)
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert not trouble


@pytest.fixture
def pages(course) -> dict[str, Path]:
    feedback = {path.parts[-3]: path for path in write_feedback(course, "luong")[0]}
    return {
        "report": write_report(course, "luong"),
        "feedback": feedback["陈静怡"],
        "failed": feedback["hana.sato"],
    }


def wider_than_the_window(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report", "feedback", "failed"])
def test_axe_finds_nothing_and_no_script_of_a_student_runs(visit, pages, name, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for size in (DESK, PHONE):
        page = visit(pages[name], color_scheme=theme, viewport=size)
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
        assert not wider_than_the_window(page)
        assert page.evaluate("window.hacked") is None


def test_the_policy_of_the_page_stops_what_a_cleaner_would_miss(browser, pages):
    text = pages["feedback"].read_text(encoding="utf-8")
    attack = "<script>window.hacked = 1</script><b onclick='window.hacked = 2'>x</b>"
    broken = pages["feedback"].with_name("broken.html")
    broken.write_text(text.replace("</main>", attack + "</main>"), encoding="utf-8")
    page = browser.new_page()
    page.goto(broken.as_uri())
    page.locator("b", has_text="x").last.click()
    assert page.evaluate("window.hacked") is None
    page.close()


@pytest.mark.parametrize("name", ["report", "feedback"])
def test_the_theme_turns_by_keyboard_and_is_remembered(visit, pages, name):
    page = visit(pages[name], color_scheme="light")
    button = page.get_by_role("button", name="Dark")
    light = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    page.reload()
    assert page.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != light


def test_no_name_is_left_to_see_or_to_click_once_names_are_hidden(visit, pages, class_of_14):
    page = visit(pages["report"])
    for details in page.locator("details").all():
        details.locator("summary").click()
    assert "王小明" in page.locator("body").inner_text()
    page.get_by_role("checkbox", name="Hide names").focus()
    page.keyboard.press("Space")
    for _ in range(2):
        text = page.locator("body").inner_text()
        assert not [r.student for r in class_of_14 if r.student in text]
        assert page.locator("a[href*=feedback]:visible").count() == 0
        assert "Student 14" in text
        page.reload()


def test_without_scripts_names_can_be_hidden_and_every_row_is_there(visit, pages, class_of_14):
    page = visit(pages["report"], java_script_enabled=False)
    assert page.locator("tbody tr").count() == len(class_of_14)
    assert page.locator("button:visible").count() == 0
    page.get_by_role("checkbox", name="Hide names").check()
    assert page.get_by_text("王小明").locator("visible=true").count() == 0


def test_a_heading_sorts_its_column_by_keyboard_both_ways(visit, pages):
    page = visit(pages["report"])
    button = page.get_by_role("button", name="Marks")
    marks = "[...document.querySelectorAll('tbody tr')].map(r => Number(r.cells[1].dataset.value))"
    button.focus()
    page.keyboard.press("Enter")
    first = page.evaluate(marks)
    assert first == sorted(first, reverse=True)
    page.keyboard.press("Enter")
    assert page.evaluate(marks) == sorted(first)
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_a_student_of_any_name_is_one_click_from_the_report(visit, pages):
    page = visit(pages["report"])
    page.locator("tbody").get_by_role("link", name="<script>").click()
    assert "<script>window.hacked" in page.title()
    assert page.evaluate("window.hacked") is None


def test_a_class_of_1000_can_be_sorted(visit, tmp_path, make_student, make_exercises):
    for i in range(1000):
        share = (i % 5) / 4
        work = make_exercises(masked_softmax=(share, "correct" if share == 1 else "partial"))
        result = make_student(f"student{i:04}", work)
        write_json(tmp_path / "results" / "luong" / f"{result.student}.json", result)
    page = visit(write_report(tmp_path, "luong"))
    page.get_by_role("button", name="Marks").click()
    assert page.locator("tbody tr").count() == 1000
    assert not wider_than_the_window(page)
