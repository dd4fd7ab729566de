"""Files that are no notebooks, no longer notebooks, or not the student's."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.assignment import notebook_bytes

from .corpus import Attack, Make, Twin, World
from .making import Base, file, json_file, notebook, nothing, partly, right

_NAME = "luong.ipynb"
_STOCK = "opening it would hang or read what is not a student's"


def folder(base: Base, fill: Callable[[Path, bytes, World], Any]) -> Make:
    """A folder that is filled by a function of its path and an honest notebook's bytes."""

    def make(world: World) -> Callable[[Path], None]:
        content = notebook_bytes(notebook(base)(world))
        return lambda place: fill(place, content, world)

    return make


def named(*names: str) -> Callable[[Path, bytes, World], None]:
    """Put the notebook into the folder under these names."""

    def fill(place: Path, content: bytes, world: World) -> None:
        for name in names:
            (place / name).write_bytes(content)

    return fill


def _with_notes(place: Path, content: bytes, world: World) -> None:
    named(_NAME)(place, content, world)
    (place / "notes.txt").write_text("my notes")
    (place / ".ipynb_checkpoints").mkdir()
    named("luong-checkpoint.ipynb")(place / ".ipynb_checkpoints", b"{}", world)


def _link_to(what: Callable[[World], Path]) -> Callable[[Path, bytes, World], None]:
    return lambda place, content, world: (place / _NAME).symlink_to(what(world))


def _hard_link(place: Path, content: bytes, world: World) -> None:
    os.link(world.canary, place / _NAME)


def _pipe(place: Path, content: bytes, world: World) -> None:
    os.mkfifo(place / _NAME)


def _folder(place: Path, content: bytes, world: World) -> None:
    (place / _NAME).mkdir()
    named(_NAME)(place / _NAME, content, world)


def _crowd(place: Path, content: bytes, world: World) -> None:
    for number in range(1500):
        (place / f"{number}.ipynb").touch()


def _latin(content: bytes) -> bytes:
    data = json.loads(content)
    data["cells"][0]["source"] = "# Für König und Straße"
    return json.dumps(data, ensure_ascii=False).replace("→", "->").encode("latin-1", "ignore")


def _note(text: str) -> Callable[[dict[str, Any]], None]:
    """A text cell of the student's own."""
    note = {"cell_type": "markdown", "source": text, "metadata": {}, "id": "note"}
    return lambda data: data["cells"].append(note)


def _outputs(data: dict[str, Any]) -> None:
    for cell in data["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "z" * 10**5}]


def _too_large(data: dict[str, Any]) -> None:
    data["cells"][0]["attachments"] = {"a.png": {"image/png": "A" * (33 * 2**20)}}


def _many_cells(data: dict[str, Any]) -> None:
    data["cells"] += [
        {"cell_type": "code", "source": f"x = {n}", "metadata": {}, "outputs": [], "id": f"c{n}",
         "execution_count": None}
        for n in range(10_000)
    ]  # fmt: skip


def _some_cells(data: dict[str, Any]) -> None:
    data["cells"] += [
        {"cell_type": "markdown", "source": f"line {n}", "metadata": {}, "id": f"c{n}"}
        for n in range(100)
    ]


def _stuffed(data: dict[str, Any]) -> None:
    data["metadata"]["kernelspec"] = {"name": "../../evil", "display_name": "x" * 10**6}
    data["metadata"]["widgets"] = {str(n): {"state": [n] * 100} for n in range(1000)}
    for cell in data["cells"]:
        cell["metadata"]["tags"] = ["raises-exception", "remove-input", "skip-execution"]
        cell["metadata"]["deletable"] = {"a": {"b": ["c"] * 1000}}


def _other_kernel(data: dict[str, Any]) -> None:
    data["metadata"]["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}
    data["metadata"]["language_info"] = {"name": "bash"}


def _own_kernel_name(data: dict[str, Any]) -> None:
    data["metadata"]["kernelspec"] = {"name": "conda-env-nlp", "display_name": "My own Python"}


def _old(data: dict[str, Any]) -> None:
    cells = [
        {"cell_type": "code", "input": cell["source"], "metadata": cell["metadata"],
         "outputs": [], "language": "python", "collapsed": False}
        if cell["cell_type"] == "code" else cell
        for cell in data["cells"]
    ]  # fmt: skip
    data.update(nbformat=3, nbformat_minor=0, worksheets=[{"cells": cells, "metadata": {}}])
    del data["cells"]


def _newer(data: dict[str, Any]) -> None:
    data["nbformat_minor"] = 99
    data["new"] = {"field": 1}


def _no_format(data: dict[str, Any]) -> None:
    data.update(nbformat="four", nbformat_minor=[])


def _twice(content: bytes) -> bytes:
    """The member "cells" twice: the first is an honest notebook, the second is empty."""
    return content.rstrip()[:-1] + b', "cells": []}'


def _indented(content: bytes) -> bytes:
    return json.dumps(json.loads(content), indent=8, sort_keys=True).encode()


ATTACKS = [
    Attack(
        "invalid JSON",
        "A notebook that a merge left with conflict marks.",
        file(right, change=lambda b: b.replace(b'"cells": [', b'<<<<<<< HEAD\n"cells": [')),
        0,
        "The file is named with the line where it breaks; nothing is run.",
        "not valid JSON",
        Twin("A notebook that an editor has indented in its own way.",
             file(partly, change=_indented), score=24),
    ),
    Attack(
        "a file cut off",
        "Only the first half of the file arrived.",
        file(right, change=lambda b: b[: len(b) // 2]),
        0,
        "The file is named; nothing is run.",
        "not valid JSON",
        Twin("A notebook with Windows' line ends.",
             file(partly, change=lambda b: b.replace(b"\n", b"\r\n")), score=24),
    ),
    Attack(
        "an empty file",
        "A file without a byte in it.",
        lambda world: b"",
        0,
        "The file is named; nothing is run.",
        "not valid JSON",
        Twin("The notebook as it was handed out.", notebook(nothing), 0),
    ),
    Attack(
        "an encoding of its own",
        "The file is written in Latin-1, not in UTF-8.",
        file(partly, change=_latin),
        24,
        "It is read as well as can be, graded, and named.",
        "is not UTF-8",
        Twin("A notebook in UTF-16, as an editor saved it.",
             file(partly, change=lambda b: b.decode().encode("utf-16")), told="is not UTF-8",
             score=24),
    ),
    Attack(
        "lone surrogates",
        "Text that no file can hold, written as escapes in JSON.",
        json_file(partly, _note("\ud800 \udfff")),
        24,
        "What no file can hold is replaced by question marks.",
        "2 of 8 exercises correct",
        Twin("Comments in Chinese, Arabic and with emoji.",
             json_file(partly, _note("注意力 انتباه 🙂")), score=24),
    ),
    Attack(
        "JSON 100,000 deep",
        "Lists within lists, to exhaust whoever reads them.",
        lambda world: b'{"cells":' + b"[" * 100_000 + b"]" * 100_000 + b', "nbformat": 4}',
        0,
        "The file is named as nested too deeply.",
        "unreadable notebook",
        Twin("A notebook with a little tree in its metadata.",
             json_file(partly, lambda data: data["metadata"].update(a={"b": {"c": [[1]]}})),
             score=24),
    ),
    Attack(
        "two million values",
        "JSON that is small as a file and large in memory.",
        lambda world: b'{"cells": [' + b"0," * 2 * 10**6 + b'0], "nbformat": 4}',
        0,
        "The values are counted before they are read.",
        "more than 1,000,000 values",
        Twin("A notebook with 100 kB of output in every cell.", json_file(partly, _outputs),
             score=24),
    ),
    Attack(
        "33 MB",
        "A file that is larger than a notebook may be.",
        json_file(right, _too_large),
        0,
        "It is not read; the report says what to do.",
        "is larger than 32 MiB",
        Twin("A notebook with a picture of a megabyte in its text.",
             json_file(partly, lambda data: data["cells"][0].update(
                 attachments={"a.png": {"image/png": "A" * 2**20}})), score=24),
    ),
    Attack(
        "another name",
        "The notebook is called as the student likes.",
        folder(partly, lambda place, content, world: (place / "my work (3).ipynb")
               .write_bytes(content)),
        24,
        "The only notebook there is taken, and its name is told.",
        "it was graded",
        Twin("Notes and Jupyter's checkpoints lie beside the notebook.",
             folder(partly, _with_notes), score=24),
    ),
    Attack(
        "two notebooks of other names",
        "Two notebooks, none of which is called as it should be.",
        folder(right, named("one.ipynb", "two.ipynb")),
        0,
        "Nobody guesses: both are named.",
        "There is no luong.ipynb, but one.ipynb, two.ipynb",
        Twin("A notebook of another assignment lies beside the right one.",
             folder(partly, named(_NAME, "bahdanau.ipynb")), score=24),
    ),
    Attack(
        "a crowd of files",
        "1500 files, none of which is called as it should be.",
        folder(right, _crowd),
        0,
        "No more than a thousand names are read.",
        "more than 1000 other files",
        Twin("Ten small files lie beside the notebook.",
             folder(partly, lambda place, content, world: [
                 named(_NAME)(place, content, world),
                 *[(place / f"{n}.txt").write_text("x") for n in range(10)]]), score=24),
    ),
    Attack(
        "a link to the gradebook",
        "The notebook is a symbolic link to the gradebook.",
        folder(right, _link_to(lambda world: world.course / "gradebook.db")),
        0,
        "Links are not followed, and nothing of the gradebook is copied.",
        "luong.ipynb is a symbolic link",
        Twin("The file is read-only.",
             folder(partly, lambda place, content, world: [
                 named(_NAME)(place, content, world), (place / _NAME).chmod(0o444)]), score=24),
        never=("SQLite format 3",),
    ),
    Attack(
        "a link to a neighbour's work",
        "The notebook is a symbolic link to what another student handed in.",
        folder(right, _link_to(lambda world: world.victim)),
        0,
        "Links are not followed.",
        "luong.ipynb is a symbolic link",
        Twin("A copy of the notebook lies in a folder of its own.",
             folder(partly, lambda place, content, world: [
                 named(_NAME)(place, content, world), (place / "old").mkdir(),
                 named(_NAME)(place / "old", content, world)]), score=24),
    ),
    Attack(
        "a hard link",
        "The notebook is a second name of a file of the machine.",
        folder(right, _hard_link),
        0,
        "A file that lies elsewhere, too, is not read.",
        "is a hard link",
        Twin("The notebook may be executed as a program.",
             folder(partly, lambda place, content, world: [
                 named(_NAME)(place, content, world), (place / _NAME).chmod(0o755)]), score=24),
        never=("the canary sings",),
    ),
    Attack(
        "a pipe",
        "The notebook is a named pipe, which keeps its reader waiting for ever.",
        folder(right, _pipe),
        0,
        "Only plain files are opened.",
        "is no regular file",
        Twin("A file without an end of line at its end.",
             file(partly, change=lambda b: b.rstrip()), score=24),
        not_by_stock=_STOCK,
    ),
    Attack(
        "a folder in the notebook's place",
        "A folder is called luong.ipynb.",
        folder(right, _folder),
        0,
        "Only plain files are opened.",
        "is no regular file",
        Twin("A folder of pictures lies beside the notebook.",
             folder(partly, lambda place, content, world: [
                 named(_NAME)(place, content, world), (place / "pictures.ipynb.d").mkdir()]),
             score=24),
    ),
    Attack(
        "10,000 cells",
        "Ten thousand more cells behind the exercises.",
        json_file(right, _many_cells),
        100,
        "The first 500 cells are read, and it is said so.",
        "only the first 500 were read",
        Twin("A hundred cells of notes.", json_file(partly, _some_cells), score=24),
        not_by_stock="it takes minutes",
    ),
    Attack(
        "metadata stuffed",
        "A megabyte of metadata, tags that skip cells, and a kernel's name that is a path.",
        json_file(partly, _stuffed),
        24,
        "Metadata comes from the release.",
        "2 of 8 exercises correct",
        Twin("The kernel has a name of the student's own.", json_file(partly, _own_kernel_name),
             score=24),
    ),
    Attack(
        "a foreign kernel",
        "The notebook asks for a Bash kernel.",
        json_file(partly, _other_kernel),
        24,
        "It is run as Python, as the exercises are, and it is said so.",
        "asks for a bash kernel",
        Twin("The notebook names no kernel at all.",
             json_file(partly, lambda data: data.update(metadata={})), score=24),
    ),
    Attack(
        "an old format",
        "The notebook is written in format 3.",
        json_file(partly, _old),
        24,
        "It is upgraded, graded, and named.",
        "Format 3 was upgraded",
        Twin("The notebook is written in a newer format than there is.",
             json_file(partly, _newer), told="newer than", score=24),
    ),
    Attack(
        "no format",
        "The notebook does not say which format it has.",
        json_file(partly, _no_format),
        24,
        "It is read as format 4, graded, and named.",
        "does not say a notebook format",
        Twin("The cells have no ids, as in format 4.4.",
             json_file(partly, lambda data: [data.update(nbformat_minor=4),
                                            *(c.pop("id", None) for c in data["cells"])]),
             score=24),
    ),
    Attack(
        "a member twice",
        "The file has its cells twice: once for whoever looks, once empty.",
        file(right, change=_twice),
        0,
        "JSON's last word counts: the deleted cells are put back and named.",
        "was deleted; it was put back",
        Twin("The members of each cell stand in another order.",
             json_file(partly, lambda data: data.update(
                 cells=[dict(reversed(c.items())) for c in data["cells"]])), score=24),
    ),
    Attack(
        "cells that are none",
        "A number, a list, a cell of an unknown type and one without a source among the cells.",
        json_file(partly, lambda data: data["cells"].extend(
            [7, [], {"cell_type": "widget"}, {"cell_type": "code", "source": {"a": 1}}])),
        24,
        "What has no sensible form is left out and counted.",
        "cells are malformed",
        Twin("Empty cells stand at the end.",
             json_file(partly, lambda data: data["cells"].extend(
                 [{"cell_type": "code", "source": "", "metadata": {}, "outputs": [],
                   "execution_count": None, "id": f"e{n}"} for n in range(3)])), score=24),
    ),
    Attack(
        "a cell of two megabytes",
        "One cell holds two megabytes of source.",
        json_file(partly, lambda data: data["cells"].append(
            {"cell_type": "code", "source": "x = 1\n" * 2**19, "metadata": {}, "id": "long"})),
        24,
        "A cell that long is left out and named.",
        "longer than 1,048,576 characters",
        Twin("One cell holds a table of 50 kB.",
             json_file(partly, lambda data: data["cells"].append(
                 {"cell_type": "code", "source": "t = (\n" + "'word'\n" * 6000 + ")",
                  "metadata": {}, "outputs": [], "execution_count": None, "id": "table"})),
             score=24),
    ),
]  # fmt: skip
