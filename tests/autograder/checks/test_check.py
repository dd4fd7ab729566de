import sys
import textwrap
import warnings
from html.parser import HTMLParser

import nbformat
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_output
from nbgrader.utils import determine_grade

from attention_lib.scores import general_score as library_score
from autograder.checks import check, verdict_on
from autograder.checks.judge import CheckResult, Verdict
from autograder.checks.spec import Misconception, UnknownName

ADDRESS = "luong/general_score"


def general_score(query, key, weight):
    return query @ weight @ key.transpose(1, 2)


def scaled(query, key, weight):
    return general_score(query, key, weight) / key.shape[-1] ** 0.5


def graded_cell(function) -> nbformat.NotebookNode:
    """The test cell of a notebook as stock nbgrader finds it after execution."""
    points = check(ADDRESS, function)
    result = new_output("execute_result", {"text/plain": repr(points)}, execution_count=1)
    shown = new_output("display_data", {"text/plain": "the verdict"})
    meta = {"grade": True, "solution": False, "points": 12, "grade_id": "t", "locked": True}
    return new_code_cell(
        outputs=[shown, result], metadata={"nbgrader": meta | {"schema_version": 3, "task": False}}
    )


@pytest.mark.parametrize(
    ("function", "points"),
    [(general_score, 12.0), (scaled, 6.0), (lambda q, k, w: None, 0.0)],
)
def test_stock_nbgrader_reads_the_points_as_partial_credit(function, points, capsys):
    assert determine_grade(graded_cell(function)) == (points, 12.0)


def test_the_verdict_is_printed_outside_a_notebook(capsys):
    points = check(ADDRESS, scaled)
    out, err = capsys.readouterr()
    assert isinstance(points, float)
    assert out.startswith("general_score: partly right, 6 of 12 points\n")
    assert "✓" in out
    assert "✗" in out
    assert "+ a mistake that has a name leaves half of the points  +4" in out
    assert "Hint: Your scores are the right ones divided by" in out
    assert err == ""


def test_a_notebook_gets_text_and_html_and_nothing_on_stderr(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.publish_display_data", shown.append)

    def noisy(query, key, weight):
        print("debugging")
        print("warning", file=sys.stderr)
        warnings.warn("deprecated", stacklevel=1)
        return general_score(query, key, weight)

    assert check(ADDRESS, noisy) == 12.0
    [bundle] = shown
    assert set(bundle) == {"text/plain", "text/html"}
    assert capsys.readouterr() == ("", "")


def test_the_points_are_a_result_that_a_notebook_shows_as_nothing(capsys):
    formats = InteractiveShell.instance().display_formatter
    formats.active_types = formats.format_types
    data, _ = formats.format(check(ADDRESS, general_score))
    assert data == {"text/plain": "12.0", "text/html": ""}


def test_a_name_that_does_not_exist_lists_those_that_do():
    with pytest.raises(UnknownName, match="it has masked_softmax, general_score"):
        check("luong/general", general_score)


def test_a_result_in_place_of_a_function_is_explained():
    with pytest.raises(TypeError, match="without calling it"):
        check(ADDRESS, torch.zeros(2))


def test_an_interrupt_stops_the_check():
    def interrupted(query, key, weight):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(ADDRESS, interrupted)


def by_library(query, key, weight):
    return library_score(query, key, weight)


@pytest.mark.parametrize("function", [library_score, by_library])
def test_the_library_s_own_function_earns_nothing(function):
    verdict = verdict_on(ADDRESS, function)
    assert verdict.points == 0
    assert "attention_lib.scores" in verdict.message


def test_a_function_without_source_is_judged_all_the_same():
    namespace = {}
    exec("def f(q, k, w): return q @ w @ k.mT", namespace)
    assert verdict_on(ADDRESS, namespace["f"]).points == 12


class Tags(HTMLParser):
    VOID = ("br", "img", "link")

    def __init__(self):
        super().__init__()
        self.seen, self.open, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def hostile_verdict() -> Verdict:
    bad = "<script>alert('x')</script><img src=//outside.example/x onerror=alert(1)>\" & '"
    checks = (CheckResult(bad, False, 1, bad), CheckResult("fine", True, 2, ""))
    return Verdict(bad, 2, 3, "partial", checks, None, bad)


def test_html_is_well_formed_escaped_and_asks_for_nothing():
    tags = Tags()
    tags.feed(hostile_verdict()._repr_html_())
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "img", "link", "style", "iframe", "a"}
    assert all(not k.startswith("on") and k not in ("src", "href") for _, a in tags.seen for k in a)
    assert "url(" not in hostile_verdict()._repr_html_()
    assert tags.text.count("<script>alert('x')</script>") == 3


def test_html_can_be_read_without_colour_and_by_a_screen_reader():
    html = hostile_verdict()._repr_html_()
    tags = Tags()
    tags.feed(html)
    assert "✓\u00a0passed" in tags.text
    assert "✗\u00a0failed" in tags.text
    assert [a["scope"] for tag, a in tags.seen if tag == "th"] == ["col"] * 3
    assert any("aria-label" in a for _, a in tags.seen)
    # Text takes the page's colour, so that it can be read in light and dark alike.
    assert "color:inherit" in html
    assert "background:transparent" in html


def test_the_text_shows_each_check_with_its_points():
    checks = (CheckResult("h̃ is right", True, 2, ""), CheckResult("sums to 1", False, 1.5, "0.7"))
    text = str(Verdict("f", 2, 3.5, "partial", checks, None, "sums to 1: 0.7."))
    assert text == textwrap.dedent(
        """\
        f: partly right, 2 of 3.5 points
          ✓ h̃ is right  2/2
          ✗ sums to 1   0/1.5
              0.7"""
    )


def test_every_failing_check_says_why_but_nothing_is_said_twice():
    messages = ["boom", "boom", "bang", "crash", "clang"]
    checks = tuple(CheckResult(f"check {i}", False, 1, m) for i, m in enumerate(messages))
    verdict = Verdict("f", 0, 5, "error", checks, None, "check 0: boom.")
    for text in (str(verdict), verdict._repr_html_()):
        assert [text.count(word) for word in ("boom", "bang", "crash", "clang")] == [1, 1, 1, 1]


def test_a_check_that_was_not_judged_has_a_mark_of_its_own_and_it_is_explained():
    checks = (
        CheckResult("values", False, 2, "off"),
        CheckResult("inputs", False, 1, "", judged=False),
    )
    verdict = Verdict("f", 0, 3, "wrong", checks, None, "values: off.")
    assert str(verdict) == textwrap.dedent(
        """\
        f: not right yet, 0 of 3 points
          ✗ values  0/2
              off
          – inputs  0/1

        – not judged until the values are right"""
    )
    html = verdict._repr_html_()
    assert "–\u00a0not\u00a0judged" in html
    assert html.count("✗") == 1
    assert "<p>– not judged until the values are right</p>" in html


def test_points_for_a_mistake_with_a_name_stand_in_the_list_so_that_it_adds_up():
    named = Misconception("n", "t", lambda x: x, "Why?")
    checks = (CheckResult("one", True, 1, ""), CheckResult("two", False, 3, "off"))
    lines = str(Verdict("f", 2, 4, "partial", checks, named, "Why?")).splitlines()
    assert [line.split()[-1] for line in lines[1:5]] == ["1/1", "0/3", "off", "+1"]
    assert "+1</td>" in Verdict("f", 2, 4, "partial", checks, named, "Why?")._repr_html_()
    assert "leaves half" not in str(Verdict("f", 1, 4, "partial", checks, named, "Why?"))


def test_a_verdict_without_details_says_why():
    checks = (CheckResult("one", False, 1, "", judged=False),)
    for status in ("not attempted", "wrong"):
        verdict = Verdict("f", 0, 1, status, checks, None, "The reason.")
        assert str(verdict).endswith(" points\n\nThe reason.")
        assert "<p>The reason.</p>" in verdict._repr_html_()
