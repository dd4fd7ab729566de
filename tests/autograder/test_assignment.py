import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import MetadataValidator

from autograder.assignment import (
    AssignmentError,
    Course,
    exercise_of,
    graded_exercises,
    notebook_bytes,
    release,
    released_notebook,
    source_notebook,
)
from autograder.checks.spec import load_unit


def test_the_released_notebook_is_the_same_byte_for_byte_each_time(solution_text):
    assert notebook_bytes(released_notebook(solution_text)) == notebook_bytes(
        released_notebook(solution_text)
    )


def test_the_database_less_release_equals_what_nbgrader_itself_writes(home, solution_text):
    by_nbgrader = nbformat.read(home.release("luong"), as_version=4)
    assert by_nbgrader == released_notebook(solution_text)
    assert home.release("luong").read_bytes() == notebook_bytes(released_notebook(solution_text))


def test_no_solution_is_released(released, solution_text):
    assert "masked_fill" in solution_text
    text = nbformat.writes(released)
    assert "masked_fill" not in text
    assert "BEGIN SOLUTION" not in text
    assert "Masks keep padding out" not in text
    assert "YOUR CODE HERE" in text


def test_the_released_notebook_is_valid_for_nbformat_and_nbgrader(released):
    nbformat.validate(released)
    MetadataValidator().validate_nb(released)


def test_every_exercise_has_its_points_in_the_gradebook(home):
    with Gradebook(home.database) as gradebook:
        cells = gradebook.find_notebook("luong", "luong").grade_cells
        points = {cell.name: cell.max_score for cell in cells if cell.name != "why_masks"}
    wanted = {f"check_{e.name}": e.points for e in load_unit("luong").exercises}
    assert points == wanted


def test_releasing_again_changes_nothing_and_a_changed_text_does(home, tmp_path, solution_text):
    solutions = tmp_path / "solutions"
    assert release("luong", home, solutions) == (home.release("luong"), False)
    longer = solution_text.replace("Scratch paper follows.", "Scratch paper and a pen follow.")
    (solutions / "luong.py").write_text(longer, encoding="utf-8")
    assert release("luong", home, solutions) == (home.release("luong"), True)
    assert "and a pen" in home.release("luong").read_text(encoding="utf-8")


def test_the_students_copy_equals_the_release(home, tmp_path):
    release("luong", home, tmp_path / "solutions", tmp_path / "exercises")
    copy = tmp_path / "exercises" / "luong.ipynb"
    assert copy.read_bytes() == home.release("luong").read_bytes()


def test_points_that_differ_from_the_spec_are_refused(solution_text):
    points = load_unit("luong").exercises[0].points
    wrong = solution_text.replace(f'"points": {points}', '"points": 99', 1)
    assert wrong != solution_text
    with pytest.raises(AssignmentError, match="99 points, the spec"):
        graded_exercises(released_notebook(wrong))


def test_an_exercise_without_a_graded_cell_is_refused(solution_text):
    cells = solution_text.split("# %%")
    kept = [c for c in cells if 'check("luong/general_score"' not in c]
    assert len(kept) == len(cells) - 1
    with pytest.raises(AssignmentError, match="No graded cell for general_score"):
        graded_exercises(released_notebook("# %%".join(kept)))


def test_an_unknown_exercise_is_refused_with_the_known_ones_named(solution_text):
    wrong = solution_text.replace('check("luong/general_score"', 'check("luong/no_score"')
    with pytest.raises(AssignmentError, match=r"no_score.*masked_softmax"):
        graded_exercises(released_notebook(wrong))


def test_two_cells_with_one_grade_id_are_refused(solution_text):
    wrong = solution_text.replace('"grade_id": "setup"', '"grade_id": "intro"')
    with pytest.raises(AssignmentError, match="'intro'"):
        source_notebook(wrong)


def test_an_open_solution_region_is_refused(solution_text):
    wrong = solution_text.replace("### END SOLUTION", "", 1)
    with pytest.raises(AssignmentError, match="solution"):
        released_notebook(wrong)


def test_a_missing_text_says_where_it_should_be(tmp_path):
    with pytest.raises(AssignmentError, match=r"luong\.py does not exist"):
        release("luong", Course(tmp_path / "course"), tmp_path)


def test_changing_cells_under_submissions_is_refused_in_a_sentence(home, tmp_path, solution_text):
    with Gradebook(home.database) as gradebook:
        gradebook.add_student("ada")
        gradebook.add_submission("luong", "ada")
    text = solution_text.replace('"grade_id": "intro"', '"grade_id": "start"')
    (tmp_path / "solutions" / "luong.py").write_text(text, encoding="utf-8")
    with pytest.raises(AssignmentError, match="submissions associated"):
        release("luong", home, tmp_path / "solutions")
    assert home.release("luong").is_file()


@pytest.mark.parametrize("source", ["check(", "1 + 1", "check()", "check(name, f)"])
def test_a_cell_without_a_readable_check_has_no_exercise(source):
    assert exercise_of(nbformat.v4.new_code_cell(source)) is None
