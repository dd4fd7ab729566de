"""Feedback pages: verdicts beside the work, nothing hidden shown, nothing hostile alive."""

from dataclasses import replace

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from autograder import feedback
from autograder.feedback import hide_tests, render_feedback, write_feedback
from autograder.notebook_html import clean, notebook_html
from autograder.results import write_json


@pytest.fixture
def page(course) -> str:
    pages = {path.parts[-3]: path for path in write_feedback(course, "luong")[0]}
    return pages["陈静怡"].read_text(encoding="utf-8")


def test_every_student_has_a_page_whatever_became_of_the_notebook(course, class_of_14):
    pages, _ = write_feedback(course, "luong")
    found = {path.relative_to(course / "feedback").parts for path in pages}
    assert found == {(r.student, "luong", "luong.html") for r in class_of_14}
    failed = course / "feedback" / "hana.sato" / "luong" / "luong.html"
    assert "not valid JSON" in failed.read_text(encoding="utf-8")


def test_only_pages_that_would_say_something_else_are_written_again(course, class_of_14):
    pages, written = write_feedback(course, "luong")
    assert written == len(pages) == 14
    first = {path: path.read_bytes() for path in pages}
    pages[0].write_text("half a page")
    pages[1].unlink()
    changed = replace(next(r for r in class_of_14 if r.student == "李雷"), reason="Another.")
    index = class_of_14.index(next(r for r in class_of_14 if r.student == "李雷"))
    write_json(course / "results" / "luong" / f"{index}.json", changed)
    again, written = write_feedback(course, "luong", workers=2)
    assert (again, written) == (pages, 3)
    assert {path for path in pages if path.read_bytes() != first[path]} == {
        course / "feedback" / "李雷" / "luong" / "luong.html"
    }
    assert write_feedback(course, "luong")[1] == 0


def test_several_processes_write_the_pages_that_one_writes(course, monkeypatch):
    pages, _ = write_feedback(course, "luong")
    alone = [path.read_bytes() for path in pages]
    for path in pages:
        path.unlink()
    monkeypatch.setattr(feedback, "_WORTH_A_PROCESS", 1)
    assert write_feedback(course, "luong", workers=2) == (pages, 14)
    assert [path.read_bytes() for path in pages] == alone


def test_a_verdict_follows_its_graded_cell_in_place_of_the_cells_output(page):
    cell = page.index("luong/masked_softmax")
    verdict = page.index('id="verdict-masked_softmax"')
    assert cell < verdict < page.index("<i>y".replace("<i>", "&lt;i&gt;"))
    assert "softmax over the queries" in page[verdict:]
    assert "GRADER OUTPUT" not in page


def test_a_verdict_says_why_a_named_mistake_has_more_points_than_its_checks(class_of_14):
    student = next(r for r in class_of_14 if r.student == "amira.haddad")
    named = student.exercises[0]
    passed = {"name": "masked cells are 0", "passed": True, "weight": 1.0, "message": "",
              "judged": True}  # fmt: skip

    def shown(points: float) -> str:
        verdict = replace(named, points=points, checks=(passed,))
        return render_feedback(replace(student, exercises=(verdict,)), None, title="Luong")

    assert "leaves half of the points" in shown(6.0)
    assert "leaves half of the points" not in shown(1.0)


def test_every_exercise_has_exactly_one_verdict_even_if_its_cell_is_gone(page):
    ids = [part.split('"')[0] for part in page.split('id="verdict-')[1:]]
    assert len(ids) == len(set(ids)) == 8


def test_hidden_tests_and_outputs_that_quote_them_are_not_shown(page):
    assert "SECRET_TEST" not in page
    assert "HIDDEN TESTS" not in page


def test_a_hidden_region_that_is_never_closed_is_hidden_to_the_end():
    cell = new_code_cell("a = 1\n### BEGIN HIDDEN TESTS\nassert a == 2")
    hide_tests(cell)
    assert cell.source == "a = 1"


def test_no_markup_of_the_student_that_acts_or_loads_survives(page):
    body = page[page.index('id="notebook"') :].lower()
    for trace in ("outside.example", "<script>w", "onerror=", "javascript:", "<iframe", "<form"):
        assert trace not in body.replace("&lt;script&gt;", ""), trace
    assert page.count("<script>") == 1  # the page's own, allowed by its hash
    assert page.count("<style>") == 1


@given(st.text(alphabet="<>/=\"' abimgscriptonerrordata:xhttp&#;()!-\n", max_size=80))
def test_cleaned_markup_holds_no_script_handler_or_outside_source(text):
    soup = pytest.importorskip("bs4").BeautifulSoup(clean(text), "html.parser")
    for tag in soup.find_all(True):
        assert tag.name not in {"script", "style", "iframe", "svg", "form", "link", "object"}
        assert not any(name.startswith("on") or name in ("id", "srcset") for name in tag.attrs)
        assert str(tag.get("src", "data:")).startswith("data:")


def test_markup_and_pictures_that_do_no_harm_are_kept():
    html = '<h2>One</h2><table class="dataframe"><tr><td>1</td></tr></table>'
    assert clean(html).startswith("<h2>One</h2><table")
    picture = '<img alt="a map" src="data:image/png;base64,iVBORw0KGgo=">'
    assert clean(picture) == picture


def test_every_picture_has_a_text_to_be_read_aloud():
    data = 'src="data:image/png;base64,iVBORw0KGgo="'
    assert 'alt="Picture without a description"' in clean(f"<p><img {data}></p>")
    picture = new_output("display_data", {"image/png": "iVBORw0KGgo="})
    cells = [new_markdown_cell(f"<img {data}>"), new_code_cell("x", outputs=[picture])]
    shown = BeautifulSoup(notebook_html(new_notebook(cells=cells), {}), "html.parser")
    assert [bool(image.get("alt")) for image in shown.find_all("img")] == [True, True]


def test_a_text_that_many_cells_have_is_rendered_with_each_ones_own_attachments():
    texts = []
    for name in ("AAAA", "BBBB", None):
        cell = new_markdown_cell("![map](attachment:map.png)")
        if name:
            cell.attachments = {"map.png": {"image/png": name}}
        texts.append(notebook_html(new_notebook(cells=[cell]), {}))
    assert ["AAAA" in texts[0], "BBBB" in texts[1], "base64" in texts[2]] == [True, True, False]
    assert "BBBB" not in texts[0]


def test_a_flood_of_output_is_cut_and_says_so(page):
    assert "characters are left out here" in page
    assert len(page) < 100_000


def test_many_outputs_are_cut_and_counted():
    outputs = [new_output("stream", text=f"line {i}\n") for i in range(100)]
    html = notebook_html(new_notebook(cells=[new_code_cell("x", outputs=outputs)]), {})
    assert "60 more outputs are left out" in html
    assert "line 99" not in html


def test_code_is_highlighted_and_mathematics_stays_readable(page):
    assert '<span class="k">def</span>' in page
    assert "$q^T W k &lt; 1$" in page


def test_written_answers_wait_for_a_person_until_the_gradebook_has_marks(
    course, class_of_14, new_gradebook
):
    student = class_of_14[0]
    path = course / "autograded" / student.student / "luong" / "luong.ipynb"
    assert "waiting" in render_feedback(student, nbformat.read(path, 4), title="Luong")
    book, address = new_gradebook, ("written_why", "luong", "luong")
    book.add_grade_cell(*address, max_score=5, cell_type="markdown")
    book.add_solution_cell(*address)
    book.add_student(student.student)
    book.add_submission("luong", student.student)
    grade = book.find_grade(*address, student.student)
    grade.manual_score, grade.needs_manual_grade = 4, False
    book.find_comment(*address, student.student).manual_comment = "Well <b>argued</b>."
    book.db.commit()
    write_feedback(course, "luong")
    text = (course / "feedback" / student.student / "luong" / "luong.html").read_text("utf-8")
    assert "Well &lt;b&gt;argued&lt;/b&gt;." in text
    assert '<strong>4</strong> <span class="soft">of 5</span>' in text


def test_a_student_who_is_no_folder_name_is_refused(tmp_path, make_student):
    write_json(tmp_path / "results" / "luong" / "x.json", make_student("../../escape", []))
    with pytest.raises(ValueError, match="no folder name"):
        write_feedback(tmp_path, "luong")
    assert not (tmp_path.parent / "escape").exists()
