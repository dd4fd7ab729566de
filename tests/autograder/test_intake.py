import copy
import json
import os
import stat

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.utils import is_solution

from autograder.assignment import notebook_bytes
from autograder.intake import MAX_BYTES, MAX_CELLS, MAX_FILES, MAX_VALUES, collect, rebuild

IDS = ["intro", "setup", "masked_softmax", "general_score", "check_general_score", "why_masks"]


def kinds(intake):
    return [finding.kind for finding in intake.findings]


def sources(notebook, kind="code"):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def cell_of(notebook, grade_id):
    [cell] = [
        c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id
    ]
    return cell


def position(notebook, grade_id):
    return notebook.cells.index(cell_of(notebook, grade_id))


def test_an_honest_notebook_comes_through_cell_by_cell(student_notebook, released, right):
    work = student_notebook(**right)
    work.cells.insert(4, new_code_cell("helper = 1"))
    intake = rebuild(notebook_bytes(work), released)
    assert intake.readable
    assert intake.findings == ()
    assert [c.source for c in intake.notebook.cells] == [c.source for c in work.cells]


def test_the_rebuilt_notebook_is_valid(student_notebook, released, right):
    intake = rebuild(notebook_bytes(student_notebook(**right)), released)
    nbformat.validate(intake.notebook)


def test_outputs_metadata_and_points_of_the_student_are_dropped(student_notebook, released):
    work = student_notebook()
    test = cell_of(work, "check_general_score")
    test.metadata.nbgrader["points"] = 1000
    test["outputs"] = [nbformat.v4.new_output("stream", text="full marks")]
    work.metadata["kernelspec"] = {"name": "evil", "display_name": "evil"}
    work.cells[3].metadata["tags"] = ["raises-exception"]
    rebuilt = rebuild(notebook_bytes(work), released).notebook
    mine, theirs = cell_of(rebuilt, "check_general_score"), cell_of(released, "check_general_score")
    assert (mine.metadata, mine.outputs) == (theirs.metadata, [])
    assert rebuilt.metadata == released.metadata
    assert all("tags" not in cell.metadata for cell in rebuilt.cells)


def test_an_edited_test_is_restored_and_named(student_notebook, released):
    work = student_notebook(check_general_score="12.0", intro="My own title")
    intake = rebuild(notebook_bytes(work), released)
    for name in ("check_general_score", "intro"):
        assert cell_of(intake.notebook, name).source == cell_of(released, name).source
    assert sorted(kinds(intake)) == ["edited test", "edited text"]


def test_a_deleted_test_is_put_back_behind_its_answer(student_notebook, released):
    work = student_notebook()
    work.cells.remove(cell_of(work, "check_masked_softmax"))
    intake = rebuild(notebook_bytes(work), released)
    notebook = intake.notebook
    assert kinds(intake) == ["missing cell"]
    assert position(notebook, "check_masked_softmax") == position(notebook, "masked_softmax") + 1


def test_a_deleted_answer_does_not_undo_the_same_function_elsewhere(
    student_notebook, released, right
):
    work = student_notebook()
    answer = cell_of(work, "general_score")
    work.cells[work.cells.index(answer)] = new_code_cell(right["general_score"])
    notebook = rebuild(notebook_bytes(work), released).notebook
    assert right["general_score"] in sources(notebook)
    assert cell_of(notebook, "general_score").source.startswith("#")


def test_a_cell_that_lost_its_metadata_is_known_by_its_id(student_notebook, released, right):
    work = student_notebook(**right)
    cell_of(work, "general_score").metadata = {}
    intake = rebuild(notebook_bytes(work), released)
    assert intake.findings == ()
    assert cell_of(intake.notebook, "general_score").source == right["general_score"]


def test_of_two_answers_the_last_counts_and_both_run(student_notebook, released):
    work = student_notebook(general_score="first = 1")
    twin = new_code_cell("second = 2", metadata=cell_of(work, "general_score").metadata)
    work.cells.insert(position(work, "general_score") + 1, twin)
    intake = rebuild(notebook_bytes(work), released)
    assert kinds(intake) == ["duplicate cell"]
    assert "'general_score'" in intake.findings[0].message
    assert cell_of(intake.notebook, "general_score").source == "second = 2"
    assert sources(intake.notebook).index("first = 1") < sources(intake.notebook).index(
        "second = 2"
    )


def test_an_empty_copy_does_not_take_the_place_of_an_answer(student_notebook, released, right):
    work = student_notebook(**right)
    stub = cell_of(released, "general_score")
    twin = new_code_cell(stub.source, metadata=stub.metadata)
    work.cells.insert(position(work, "general_score") + 1, twin)
    notebook = rebuild(notebook_bytes(work), released).notebook
    assert cell_of(notebook, "general_score").source == right["general_score"]
    assert stub.source not in sources(notebook)


def test_a_doubled_test_cell_is_there_once(student_notebook, released):
    work = student_notebook()
    test = cell_of(work, "check_general_score")
    work.cells.append(new_code_cell(test.source, metadata=test.metadata))
    intake = rebuild(notebook_bytes(work), released)
    assert kinds(intake) == ["duplicate cell"]
    assert sources(intake.notebook).count(test.source) == 1


def test_an_answer_turned_into_text_is_turned_back(student_notebook, released, right):
    work = student_notebook()
    index = position(work, "general_score")
    work.cells[index] = new_markdown_cell(
        right["general_score"], metadata=work.cells[index].metadata
    )
    intake = rebuild(notebook_bytes(work), released)
    cell = cell_of(intake.notebook, "general_score")
    assert (cell.cell_type, cell.source) == ("code", right["general_score"])
    assert kinds(intake) == ["changed cell type"]


def test_a_picture_in_a_written_answer_is_kept_and_a_script_is_not(student_notebook, released):
    work = student_notebook(why_masks="![](a.png)")
    cell_of(work, "why_masks")["attachments"] = {
        "a.png": {"image/png": "aGk=", "text/html": "<script>"}
    }
    notebook = rebuild(notebook_bytes(work), released).notebook
    assert cell_of(notebook, "why_masks")["attachments"] == {"a.png": {"image/png": "aGk="}}


UNREADABLE = {
    "invalid JSON": b'{"cells": [}',
    "an empty file": b"",
    "no notebook": b'["a list"]',
    "no cells": b"{}",
    "cells of another kind": b'{"cells": 7, "nbformat": 4}',
    "deep nesting": b"[" * 200_000,
    "deep cells": b'{"cells":' + b"[" * 100_000,
    "binary": bytes(range(256)) * 10,
    "old nonsense": b'{"nbformat": 3, "worksheets": 5}',
    "a long number": b'{"cells": ' + b"9" * 10_000 + b"}",
    "a million values": b'{"cells": [' + b"0," * MAX_VALUES + b"0]}",
    "a million empty lists": b'{"cells": [' + b"[]," * MAX_VALUES + b"0]}",
    "a million texts": b'{"cells": [' + b'"",' * MAX_VALUES + b'""]}',
    "a text of quotes without an end": b'{"cells": "' + b'\\"' * 10**6,
    "NaN": b"NaN",
    "UTF-16 cut in a character": '{"cells": []}'.encode("utf-16") + b"\x00",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_unreadable_file_gives_the_release_and_a_finding(content, released):
    intake = rebuild(content, released)
    assert not intake.readable
    assert kinds(intake)[-1] == "unreadable notebook"
    assert intake.notebook == released


HOSTILE_CELLS = [
    None,
    7,
    {"cell_type": "code"},
    {"cell_type": "widget", "source": "x"},
    {"cell_type": "code", "source": 3},
    {"cell_type": "code", "source": ["a", 4]},
    {"cell_type": "code", "source": "a", "metadata": "text"},
    {"cell_type": "code", "source": "a", "metadata": {"nbgrader": [1]}},
    {"cell_type": "code", "source": "a", "metadata": {"nbgrader": {"grade_id": {"a": 1}}}},
    {"cell_type": "markdown", "source": "a", "attachments": {"a": 3}},
    {"cell_type": "code", "source": "\ud800", "id": 12},
    {"cell_type": "code", "source": "x" * (2**20 + 1)},
]


@pytest.mark.parametrize("cell", HOSTILE_CELLS, ids=range(len(HOSTILE_CELLS)))
def test_a_malformed_cell_never_spoils_the_others(cell, student_notebook, released, right):
    data = json.loads(notebook_bytes(student_notebook(**right)))
    data["cells"].insert(2, cell)
    intake = rebuild(json.dumps(data).encode(), released)
    assert intake.readable
    assert cell_of(intake.notebook, "general_score").source == right["general_score"]
    nbformat.validate(intake.notebook)
    notebook_bytes(intake.notebook)


# ------------------------------------------------------------------ whatever is sent


def assert_is_the_release_but_for_answers(notebook, released):
    """Each graded cell stands there once, in order, as released; only answers differ."""
    nbformat.validate(notebook)
    notebook_bytes(notebook)
    assert notebook.metadata == released.metadata
    ours = [c for c in notebook.cells if "nbgrader" in c.metadata]
    theirs = [c for c in released.cells if "nbgrader" in c.metadata]
    assert [c.metadata for c in ours] == [c.metadata for c in theirs]
    for mine, true in zip(ours, theirs, strict=True):
        changes = {"source", "attachments"} if is_solution(true) else set()
        assert {k: v for k, v in mine.items() if k not in changes} == {
            k: v for k, v in true.items() if k not in changes
        }
    own = [c for c in notebook.cells if "nbgrader" not in c.metadata]
    assert all(not c.metadata and not c.get("outputs") for c in own)


TEXT = st.text(st.characters(exclude_categories=()), max_size=5)  # lone surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PICTURES = st.dictionaries(TEXT, st.dictionaries(st.just("image/png") | TEXT, JSON, max_size=2))
ANY_CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | JSON,
        "source": st.text() | st.lists(TEXT) | JSON,
        "id": st.sampled_from(["general_score", "intro"]) | JSON,
        "attachments": PICTURES | JSON,
        "metadata": st.fixed_dictionaries(
            {"nbgrader": st.fixed_dictionaries({"grade_id": st.sampled_from(IDS) | JSON}) | JSON}
        )
        | JSON,
    },
)
ANY_FORMAT = st.sampled_from([4, 3, 2, 1, 5]) | JSON


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=50).map(lambda t: t.encode("utf-16")))
def test_any_bytes_give_the_release_and_a_finding(content, released):
    intake = rebuild(content, released)
    assert not intake.readable
    assert intake.notebook == released
    assert kinds(intake)[-1] == "unreadable notebook"


@settings(max_examples=100, deadline=None)
@given(data=JSON | st.fixed_dictionaries({"cells": JSON, "nbformat": ANY_FORMAT}))
def test_any_json_gives_the_release_and_a_finding(data, released):
    intake = rebuild(json.dumps(data).encode(), released)
    assert intake.findings
    assert_is_the_release_but_for_answers(intake.notebook, released)


@settings(max_examples=80, deadline=None)
@given(cells=st.lists(ANY_CELL | JSON, max_size=6), metadata=JSON, version=ANY_FORMAT)
def test_whatever_the_cells_hold_the_released_notebook_comes_out(
    cells, metadata, version, released
):
    data = {"cells": cells, "metadata": metadata, "nbformat": version, "nbformat_minor": 5}
    intake = rebuild(json.dumps(data).encode(), released)
    assert_is_the_release_but_for_answers(intake.notebook, released)
    assert not any("could not be read (" in f.message for f in intake.findings)


CELL_KEYS = ["cell_type", "source", "metadata", "id", "outputs", "attachments"]
NBGRADER_KEYS = ["grade_id", "points", "locked", "solution", "grade", "task", "schema_version"]
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["drop", "double", "move", "field", "nbgrader", "top"]),
        st.integers(0, 99),
        st.integers(0, 99),
        JSON | st.sampled_from(IDS),
    ),
    min_size=1,
    max_size=5,
)


def mutate(data, how, at, to, value):
    cells = data["cells"]
    if how == "top":
        data[sorted(data)[at % len(data)]] = value
    elif isinstance(cells, list) and cells:
        at, to = at % len(cells), to % len(cells)
        cell = cells[at]
        if how == "drop":
            cells.pop(at)
        elif how == "double":
            cells.insert(to, copy.deepcopy(cell))
        elif how == "move":
            cells.insert(to, cells.pop(at))
        elif isinstance(cell, dict) and how == "field":
            cell[CELL_KEYS[to % len(CELL_KEYS)]] = value
        elif isinstance(cell, dict) and isinstance(cell.get("metadata"), dict):
            held = cell["metadata"].setdefault("nbgrader", {})
            if isinstance(held, dict):
                held[NBGRADER_KEYS[to % len(NBGRADER_KEYS)]] = value


@settings(max_examples=100, deadline=None)
@given(mutations=MUTATIONS)
def test_whatever_is_done_to_an_honest_notebook_the_released_one_comes_out(mutations, released):
    data = json.loads(notebook_bytes(released))
    for mutation in mutations:
        mutate(data, *mutation)
    intake = rebuild(json.dumps(data).encode(), released)
    assert_is_the_release_but_for_answers(intake.notebook, released)
    assert not any("could not be read (" in f.message for f in intake.findings)
    ids = [
        c["metadata"]["nbgrader"].get("grade_id")
        for c in released.cells
        if "nbgrader" in c.metadata
    ]
    sent = str(data.get("cells"))
    if any(f"'{grade_id}'" not in sent for grade_id in ids):
        assert intake.findings


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, 10**6), junk=st.binary(min_size=1, max_size=4), keep=st.booleans())
def test_damaged_bytes_never_raise_and_are_named(cut, junk, keep, released):
    content = notebook_bytes(released)
    cut %= len(content)
    damaged = content[:cut] + junk + (content[cut:] if keep else b"")
    intake = rebuild(damaged, released)
    assert_is_the_release_but_for_answers(intake.notebook, released)
    if not keep:
        assert kinds(intake)[-1] == "unreadable notebook"


@pytest.mark.parametrize("grade_id", IDS)
@pytest.mark.parametrize("copies", [2, 5])
def test_duplicates_of_a_grade_id_never_reach_execution(grade_id, copies, released):
    data = json.loads(notebook_bytes(released))
    [cell] = [c for c in data["cells"] if c["id"] == grade_id]
    data["cells"] += [{**cell, "source": f"x = {i}"} for i in range(copies - 1)]
    intake = rebuild(json.dumps(data).encode(), released)
    assert "duplicate cell" in kinds(intake)
    assert_is_the_release_but_for_answers(intake.notebook, released)
    locked = not is_solution(cell_of(released, grade_id))
    assert ("x = 0" in [c.source for c in intake.notebook.cells]) is not locked


def test_a_cell_of_another_assignment_is_named_and_counts_as_own(student_notebook, released):
    work = student_notebook()
    stray = new_code_cell("x = 1", metadata=cell_of(work, "general_score").metadata)
    stray.metadata.nbgrader["grade_id"] = "bahdanau\x1b[2J" + "y" * 100
    work.cells.append(stray)
    intake = rebuild(notebook_bytes(work), released)
    assert kinds(intake) == ["foreign cell"]
    assert intake.findings[0].message.isprintable()
    assert "nbgrader" not in intake.notebook.cells[-1].metadata


def test_claims_to_other_points_or_another_kind_are_named(student_notebook, released):
    work = student_notebook()
    cell_of(work, "check_general_score").metadata.nbgrader["points"] = 1000
    cell_of(work, "why_masks").metadata.nbgrader["locked"] = True
    assert kinds(rebuild(notebook_bytes(work), released)) == ["changed points", "changed metadata"]


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({"kernelspec": {"name": "ir", "language": "R"}}, True),
        ({"language_info": {"name": "julia"}}, True),
        ({"kernelspec": {"name": "my-env", "display_name": "torch", "language": "python"}}, False),
        ({"kernelspec": {"name": "python3.13"}}, False),
        ({"kernelspec": 3, "language_info": {"name": 7}}, False),
        (None, False),
    ],
)
def test_another_language_is_named_and_another_name_of_python_is_not(
    metadata, named, student_notebook, released
):
    data = json.loads(notebook_bytes(student_notebook()))
    data["metadata"] = metadata
    assert ("wrong kernel" in kinds(rebuild(json.dumps(data).encode(), released))) is named


@pytest.mark.parametrize("minor", [0, 1, 2, 3, 4])
def test_older_minor_formats_are_read_without_a_word(minor, student_notebook, released, right):
    data = json.loads(notebook_bytes(student_notebook(**right)))
    data["nbformat_minor"] = minor
    for cell in data["cells"]:
        del cell["id"]
    intake = rebuild(json.dumps(data).encode(), released)
    assert intake.findings == ()
    assert cell_of(intake.notebook, "general_score").source == right["general_score"]


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ((4, 99), "newer format"),
        ((5, 0), "newer format"),
        ((10**30, 0), "newer format"),
        ((None, 5), "unknown format"),
        (("4", 5), "unknown format"),
        ((True, 5), "unknown format"),
        ((0, 0), "unknown format"),
    ],
)
def test_a_format_that_is_not_known_is_named_and_read(
    version, kind, student_notebook, released, right
):
    data = json.loads(notebook_bytes(student_notebook(**right)))
    data["nbformat"], data["nbformat_minor"] = version
    intake = rebuild(json.dumps(data).encode(), released)
    assert kinds(intake) == [kind]
    assert cell_of(intake.notebook, "general_score").source == right["general_score"]


def test_an_answer_too_long_to_run_is_left_out_and_named(student_notebook, released):
    work = student_notebook(general_score="x" * (2**20 + 1))
    assert kinds(rebuild(notebook_bytes(work), released)) == ["oversized cell", "missing cell"]


def test_a_picture_that_is_none_and_a_name_that_cannot_be_written_do_no_harm(
    student_notebook, released
):
    data = json.loads(notebook_bytes(student_notebook()))
    data["cells"][-1]["attachments"] = {
        "a\ud800.png": {"image/png": "aGk="},
        "b.png": {"image/png": "\ud800<script>"},
    }
    notebook = rebuild(json.dumps(data).encode(), released).notebook
    assert cell_of(notebook, "why_masks")["attachments"] == {"a?.png": {"image/png": "aGk="}}
    notebook_bytes(notebook)


def test_what_nobody_thought_of_is_a_finding_and_no_exception(released, monkeypatch):
    def fail(*_args):
        raise ZeroDivisionError

    monkeypatch.setattr("autograder.intake._merge", fail)
    intake = rebuild(notebook_bytes(released), released)
    assert (intake.readable, intake.notebook) == (False, released)
    assert "ZeroDivisionError" in intake.findings[-1].message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_another_encoding_is_read(encoding, student_notebook, released, right):
    text = notebook_bytes(student_notebook(**right, why_masks="Müller")).decode()
    intake = rebuild(text.encode(encoding), released)
    assert cell_of(intake.notebook, "general_score").source == right["general_score"]
    assert cell_of(intake.notebook, "why_masks").source == "Müller"
    assert kinds(intake) == ([] if encoding == "utf-8-sig" else ["wrong encoding"])


def test_an_old_notebook_format_is_upgraded(student_notebook, released, right):
    old = nbformat.convert(student_notebook(**right), 3)
    intake = rebuild(json.dumps(old).encode(), released)
    assert cell_of(intake.notebook, "general_score").source == right["general_score"]
    assert kinds(intake) == ["old format"]


def test_cells_beyond_the_limit_are_left_out(student_notebook, released):
    work = student_notebook()
    work.cells += [new_code_cell("x = 1") for _ in range(MAX_CELLS)]
    intake = rebuild(notebook_bytes(work), released)
    assert len(intake.notebook.cells) == MAX_CELLS
    assert kinds(intake) == ["too many cells"]


# ------------------------------------------------------------------ files and folders


def folder(tmp_path):
    target = tmp_path / "submitted" / "ada" / "luong"
    target.mkdir(parents=True)
    return target


def test_a_plain_file_is_collected(tmp_path):
    home = folder(tmp_path)
    (home / "luong.ipynb").write_bytes(b"{}")
    found = collect(home, ["luong"])
    assert (found.student, found.contents["luong"], found.findings) == ("ada", b"{}", ())


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "gradebook.db").write_bytes(b"secret")
    home = folder(tmp_path)
    (home / "luong.ipynb").symlink_to(tmp_path / "gradebook.db")
    found = collect(home, ["luong"])
    assert found.contents["luong"] is None
    assert "symbolic link" in found.findings[0].message


def test_a_linked_folder_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "luong.ipynb").write_bytes(b"{}")
    (tmp_path / "submitted" / "ada").mkdir(parents=True)
    (tmp_path / "submitted" / "ada" / "luong").symlink_to(elsewhere)
    assert collect(tmp_path / "submitted" / "ada" / "luong", ["luong"]).contents["luong"] is None


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    home = folder(tmp_path)
    os.mkfifo(home / "luong.ipynb")
    found = collect(home, ["luong"])
    assert found.contents["luong"] is None
    assert "no regular file" in found.findings[0].message


def test_a_hard_link_is_refused(tmp_path):
    (tmp_path / "elsewhere.ipynb").write_bytes(b"{}")
    home = folder(tmp_path)
    os.link(tmp_path / "elsewhere.ipynb", home / "luong.ipynb")
    found = collect(home, ["luong"])
    assert found.contents["luong"] is None
    assert "hard link" in found.findings[0].message


def test_a_device_is_refused_unopened(tmp_path, monkeypatch):
    home = folder(tmp_path)
    try:
        os.mknod(home / "luong.ipynb", 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("only root may make a device")
    monkeypatch.setattr(os, "open", None)
    found = collect(home, ["luong"])
    assert found.contents["luong"] is None
    assert "no regular file" in found.findings[0].message


def test_a_folder_in_place_of_the_notebook_is_refused(tmp_path):
    home = folder(tmp_path)
    (home / "luong.ipynb").mkdir()
    assert "no regular file" in collect(home, ["luong"]).findings[0].message


def test_a_name_that_is_no_text_can_be_written_down(tmp_path):
    home = folder(tmp_path)
    (home / os.fsdecode(b"\xff\x1b[2J.ipynb")).write_bytes(b"{}")
    message = collect(home, ["luong"]).findings[0].message
    assert message.isprintable()
    message.encode()


def test_a_flood_of_files_is_not_listed(tmp_path):
    home = folder(tmp_path)
    for i in range(MAX_FILES + 1):
        (home / f"{i}.ipynb").touch()
    found = collect(home, ["luong"])
    assert found.contents["luong"] is None
    assert len(found.findings[0].message) < 200


def test_a_huge_file_is_refused(tmp_path):
    home = folder(tmp_path)
    with (home / "luong.ipynb").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    found = collect(home, ["luong"])
    assert found.contents["luong"] is None
    assert "MiB" in found.findings[0].message


def test_a_renamed_notebook_is_taken_and_named(tmp_path):
    home = folder(tmp_path)
    (home / "luong (1).ipynb").write_bytes(b"{}")
    found = collect(home, ["luong"])
    assert found.contents["luong"] == b"{}"
    assert found.findings[0].kind == "renamed notebook"


@pytest.mark.parametrize("names", [(), ("a.ipynb", "b.ipynb")])
def test_no_notebook_or_a_choice_of_two_is_named(names, tmp_path):
    home = folder(tmp_path)
    for name in names:
        (home / name).write_bytes(b"{}")
    found = collect(home, ["luong"])
    assert found.contents["luong"] is None
    assert all(name in found.findings[0].message for name in names or ("no notebook",))
