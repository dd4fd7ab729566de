"""The sample class: invented students whose notebooks try the grader.

``sample_class/<assignment>/<student>.txt`` says in its first lines what the student did, and then
what differs from the released notebook, cell by cell:

    # %% masked_softmax              the cell of this grade_id has the source that follows
    # %% delete check_masked_softmax
    # %% duplicate check_masked_softmax
    # %% like 王小明                  first do everything that this other student did
    # %% at 2026-03-06T21:40:00Z      handed in then; without it, nobody wrote down when

A file ``<student>.ipynb`` beside them is handed in as it is.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder.assignment import AssignmentError, Course, notebook_bytes

FOLDER = Path(__file__).parent / "sample_class"
_CELL = re.compile(r"^# %% (?:(delete|duplicate|like|at) )?(\S+)$", re.MULTILINE)


def write_sample_class(assignment: str, course: Course) -> tuple[list[str], int]:
    """Hand in the notebook of every sample student.

    Args:
        assignment: its name, e.g. "luong".
        course: into which the assignment has been released.

    Returns:
        the students, and how many of their files were new or differed.

    Raises:
        AssignmentError: there is no sample class for the assignment, or it is not released.
    """
    folder = FOLDER / assignment
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))
        raise AssignmentError(f"There is no sample class for {assignment!r}, only for {known}.")
    release = course.release(assignment)
    if not release.is_file():
        raise AssignmentError(
            f"{release} does not exist: run `autograder release {assignment} "
            f"--course {course.root}` first."
        )
    released = nbformat.read(release, as_version=4)
    students, written = [], 0
    for path in sorted(folder.iterdir()):
        students.append(path.stem)
        for name, content in _handed_in(released, path, assignment):
            written += _put(course.submitted(path.stem, assignment) / name, content)
    return students, written


def _handed_in(released: NotebookNode, path: Path, assignment: str) -> Iterator[tuple[str, bytes]]:
    """The files of one student: their names and contents."""
    if path.suffix == ".ipynb":
        yield f"{assignment}.ipynb", path.read_bytes()
        return
    yield f"{assignment}.ipynb", notebook_bytes(patched(released, path))
    for action, name, _ in _actions(path):
        if action == "at":
            yield "timestamp.txt", f"{name}\n".encode()


def _put(path: Path, content: bytes) -> bool:
    """Write a file where it is missing or differs; whether that was so."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return True


def patched(released: NotebookNode, patch: Path) -> NotebookNode:
    """Do to a copy of the released notebook what a patch file says.

    Raises:
        AssignmentError: the patch names a cell that the notebook does not have.
    """
    notebook = copy.deepcopy(released)
    for action, name, source in _actions(patch):
        if action == "like":
            notebook = patched(released, patch.with_name(f"{name}.txt"))
        elif action != "at":
            _change(notebook, action, name, source, patch)
    return notebook


def _actions(patch: Path) -> Iterator[tuple[str, str, str]]:
    """Split a patch file into (action, grade_id, source)."""
    _, *parts = _CELL.split(patch.read_text(encoding="utf-8"))
    for action, name, source in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield action or "", name, source.strip("\n")


def _change(notebook: NotebookNode, action: str, name: str, source: str, patch: Path) -> None:
    """Replace, delete or duplicate the cell of a grade_id."""
    ids = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]
    if name not in ids:
        raise AssignmentError(f"{patch}: the released notebook has no cell {name!r}.")
    position = ids.index(name)
    if action == "delete":
        del notebook.cells[position]
    elif action == "duplicate":
        twin = copy.deepcopy(notebook.cells[position])
        twin["id"] = f"{twin['id']}-again"
        notebook.cells.insert(position + 1, twin)
    else:
        notebook.cells[position].source = source
