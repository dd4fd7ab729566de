"""The class report: its statistics, its text and its behaviour in a browser."""

import csv
import io
import os
from dataclasses import replace

import pytest

from autograder.classroom import grade_class
from autograder.execute import Limits
from autograder.export import export_csv
from autograder.feedback import write_feedback
from autograder.report import (
    aliases,
    distribution,
    exercise_rows,
    feedback_links,
    misconception_rows,
    render_report,
    write_report,
)
from autograder.results import ClassResult, Finding, write_json
from autograder.similar import Pair


def page_of(results) -> str:
    return render_report(ClassResult("luong", "Luong", results, "2026-03-01T12:00+00:00"), {})


def test_every_student_is_counted_in_one_bin_and_100_percent_in_the_last():
    marks = distribution([0, 9.9, 10, 55, 90, 100])
    assert marks.bins == (2, 1, 0, 0, 0, 1, 0, 0, 0, 2)
    assert (marks.lowest, marks.highest) == (0, 100)


def test_a_class_of_one_is_its_own_median_and_an_empty_one_has_none():
    assert distribution([40.0]).quartiles == (40, 40, 40)
    assert distribution([]).quartiles is None


def test_the_outcomes_of_every_exercise_add_up_to_the_class(class_of_14):
    for row in exercise_rows(class_of_14):
        assert sum(row.counts.values()) == len(class_of_14)


def test_misconceptions_are_listed_by_frequency_with_who_showed_them(class_of_14):
    first, second = misconception_rows(class_of_14)
    assert "queries" in first.title
    assert len(first.students) == 3
    assert second.students == ("陈静怡", 'O’Brien, "Bo" J.')


def test_aliases_are_unique_and_do_not_follow_the_alphabet():
    students = [f"s{i:03}" for i in range(50)]
    found = aliases(students)
    assert len(set(found.values())) == 50
    assert [found[s] for s in students] != [f"Student {i}" for i in range(1, 51)]


def test_what_needs_a_look_says_each_finding_once(class_of_14):
    finding = Finding("missing cell", "Cell 'check_f' was deleted; it was put back.")
    told = replace(
        class_of_14[0],
        status="problems",
        reason=f"All 8 exercises correct. {finding.message} Findings not shown here: 1.",
        findings=(finding,),
    )
    assert told.outline == "All 8 exercises correct."
    page = page_of([told])
    section = page[page.index('id="attention"') : page.index('id="students"')]
    assert section.count("was deleted") == 1
    assert "missing cell" in section


def test_names_cannot_become_markup(class_of_14):
    page = page_of(class_of_14)
    assert "<script>window.hacked" not in page
    assert "&lt;script&gt;window.hacked" in page
    assert "王小明" in page


def test_every_student_has_a_row_with_their_reason(course, class_of_14):
    text = write_report(course, "luong").read_text(encoding="utf-8")
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    assert table.count('<th scope="row">') == len(class_of_14)
    for result in class_of_14:
        assert result.reason.replace("'", "&#39;") in table


def test_the_title_is_that_of_the_released_notebook(course):
    assert "<h1>Luong&#39;s attention</h1>" in write_report(course, "luong").read_text("utf-8")


def test_students_are_linked_to_the_feedback_pages_that_exist(course):
    page = course / "feedback" / "王小明" / "luong" / "luong.html"
    page.parent.mkdir(parents=True)
    page.write_text("feedback")
    text = write_report(course, "luong").read_text(encoding="utf-8")
    assert text.count('<a href="../feedback/') == 1
    assert "../feedback/%E7%8E%8B%E5%B0%8F%E6%98%8E/luong/luong.html" in text


def test_a_report_that_would_say_the_same_is_left_alone(course, class_of_14):
    path = write_report(course, "luong")
    before = path.stat().st_ino
    assert write_report(course, "luong").stat().st_ino == before
    write_json(course / "results" / "luong" / "0.json", replace(class_of_14[0], score=1.0))
    assert write_report(course, "luong").stat().st_ino != before


@pytest.mark.parametrize("size", [0, 1])
def test_an_empty_class_and_a_single_student_have_a_report(size, class_of_14):
    assert ("Nobody has handed in" in page_of(class_of_14[:size])) == (size == 0)


def test_a_class_in_which_everything_failed_has_a_report(class_of_14):
    failed = [r for r in class_of_14 if r.status == "failed"]
    assert "not valid JSON" in page_of(failed)


def test_an_exercise_that_tells_nobody_apart_is_named(make_student, make_exercises):
    def work(i: int) -> list:
        # The others' marks rise with i; those of general_score fall.
        share = i / 10
        return make_exercises(
            masked_softmax=(share, "partial"),
            concat_score=(share, "partial"),
            general_score=(1 - share, "partial"),
        )

    group = [make_student(f"s{i}", work(i)) for i in range(8)]
    rows = {row.exercise: row for row in exercise_rows(group)}
    assert rows["masked_softmax"].discrimination > 0.2
    assert not rows["masked_softmax"].weak
    assert rows["general_score"].discrimination < -0.9
    assert rows["general_score"].weak
    assert rows["luong_step"].discrimination is None  # all did alike
    assert all(row.discrimination is None for row in exercise_rows(group[:4]))


def test_similar_work_is_listed_for_a_person_to_read(class_of_14):
    when = "2026-01-01T00:00:00+00:00"
    group = ClassResult("luong", "Luong", class_of_14, when)
    told = render_report(group, {}, [Pair("ben.okafor", "王小明", 0.876)])
    assert "88 %" in told
    assert "Read both before you conclude" in told
    assert "No two notebooks share" in render_report(group, {})


def test_a_missing_assignment_names_the_command_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="autograder grade luong"):
        write_report(tmp_path, "luong")


def test_a_name_quoted_in_a_reason_is_hidden_with_the_other_names(make_student):
    told = page_of(
        [make_student("王小明", [], reason="submitted/王小明/x is a link.", status="failed")]
    )
    assert "submitted/王小明" not in told
    assert told.count("王小明") == told.count('<span class="name">王小明</span>')


def test_a_folder_whose_name_is_no_utf8_has_its_row(tmp_path, make_student):
    odd = os.fsdecode(b"caf\xe9")
    page = tmp_path / "feedback" / odd / "luong" / "luong.html"
    page.parent.mkdir(parents=True)
    page.write_text("feedback")
    group = ClassResult("luong", "Luong", [make_student(odd, [])], "2026-03-01T12:00+00:00")
    assert feedback_links(tmp_path, group) == {odd: "../feedback/caf%E9/luong/luong.html"}
    assert "caf" in render_report(group, {})


def test_what_the_engine_leaves_behind_fills_report_feedback_and_export(
    home, submit, student_notebook, right
):
    submit("ada", student_notebook(**right))
    submit("eve", b"not a notebook")
    limits = Limits(cell=20.0, grace=0.5)
    graded = grade_class(home, "luong", sandbox="none", workers=1, limits=limits)
    ada = next(r for r in graded.results if r.student == "ada")
    pages = {path.parts[-3]: path for path in write_feedback(home.root, "luong")[0]}
    feedback = pages["ada"].read_text(encoding="utf-8")
    assert "cells that are not in the notebook" not in feedback
    assert feedback.count("No response.") == 1  # the written answer's; verdicts tell of the code
    assert all(f'id="verdict-{e.exercise}"' in feedback for e in ada.exercises)
    assert "Nothing could be run" in pages["eve"].read_text(encoding="utf-8")
    report = write_report(home.root, "luong").read_text(encoding="utf-8")
    assert report.count('<th scope="row">') == 2
    marks = export_csv(home.root, "luong", home.root / "m.csv").read_text(encoding="utf-8-sig")
    assert [row["score"] for row in csv.DictReader(io.StringIO(marks))] == [str(ada.score), "0.0"]
