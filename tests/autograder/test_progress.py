from autograder import progress as module
from autograder.progress import Progress, summary
from autograder.results import ClassResult


def test_a_line_says_how_far_it_is_how_fast_and_how_long_it_will_take(
    make_student, capsys, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    with Progress("luong", 100) as progress:
        for i in range(10):
            progress(make_student(f"old{i}", []), True)
        for i in range(5):
            now[0] += 2.0
            progress(make_student(f"new{i}", []), False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == progress.fresh == 5
    assert lines[-1].startswith("[15/100, 2.0 s each, 3 min left] new4: 0/100, graded (2.5 s).")


def test_the_last_line_of_a_run_estimates_nothing(make_student, capsys):
    with Progress("luong", 1) as progress:
        progress(make_student("ada", []), False)
    assert capsys.readouterr().out.startswith("[1/1] ada: ")


def test_the_summary_names_every_problem_those_that_failed_first(class_of_14):
    lines = list(summary(ClassResult("luong", "Luong", class_of_14, "2026-01-01"), fresh=3))
    named = [line for line in lines if line.startswith("  ")]
    wanted = [r for r in class_of_14 if r.status != "graded"]
    assert sorted(named) == sorted(f"  {r.student}: {r.reason}" for r in wanted)
    assert lines[0] == "Failed:"
    assert lines[-1].startswith("14 submissions: 3 graded now, 11 unchanged; 3 with something")
