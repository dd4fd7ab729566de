"""Zips and downloads that would write, fill or confuse whoever unpacks them."""

import os
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from io import BytesIO

from autograder.assignment import notebook_bytes

from .corpus import Attack, Make, Twin, World
from .making import Base, notebook, partly, right

_NAME = "luong.ipynb"
_STOCK = "stock nbgrader's zip_collect is another command: see the tests of archives"


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    """A zip of names and contents."""
    raw = BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are there
        for name, content in members:
            archive.writestr(name, content)
    return raw.getvalue()


def member(name: str, mode: int) -> zipfile.ZipInfo:
    """A member of a zip that is more than a file."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def beside(base: Base, *others: tuple[str | zipfile.ZipInfo, bytes], name: str = _NAME) -> Make:
    """A zip of an honest notebook and other members."""
    return lambda world: zipped((name, _honest(base, world)), *others)


def _honest(base: Base, world: World) -> bytes:
    return notebook_bytes(notebook(base)(world))


def changed(base: Base, change: Callable[[bytes], bytes], *others: tuple[str, bytes]) -> Make:
    """The same, its bytes changed once more."""
    return lambda world: change(zipped((_NAME, _honest(base, world)), *others))


def download(base: Base, *names: str | zipfile.ZipInfo, content: bytes | None = None) -> Make:
    """Files of a platform's download; {id} in a name is the student's number."""
    return lambda world: {n: content or _honest(base, world) for n in names}


def _traversal(world: World) -> bytes:
    away = os.path.relpath(world.canary, world.course)
    paths = ("../../gradebook.db", "C:\\x.ipynb", f"../{away}", f"x/../../{away}")
    names = (*paths, str(world.canary))
    return zipped((_NAME, _honest(partly, world)), *((name, b"evil") for name in names))


def _overlapping(content: bytes) -> bytes:
    """As in David Fifield's "A better zip bomb": many names, one body."""
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry = content[start:end]
    table = b"".join(entry.replace(b"luong.ipynb", f"lu{i:03}.ipynb".encode()) for i in range(90))
    record = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 90, 90, len(table), start, 0)
    return content[:start] + table + record


def _encrypted(content: bytes) -> bytes:
    marked = bytearray(content)
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        marked[marked.index(signature) + offset] |= 1
    return bytes(marked)


def _nested(world: World) -> bytes:
    inner = zipped((_NAME, _honest(right, world)))
    for _ in range(20):
        inner = zipped(("more.zip", inner))
    return inner


def _stored() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(_NAME)
    info.compress_type = zipfile.ZIP_STORED
    return info


_BOMB = ("data/bomb.ipynb", bytes(64 * 2**20))
_LINK = member("link.ipynb", stat.S_IFLNK | 0o777)

ATTACKS = [
    Attack(
        "paths that lead out",
        "A zip with paths that climb out of it, to the gradebook and to files of the machine.",
        _traversal,
        24,
        "Nothing is ever unpacked; those paths are named, and the notebook beside them counts.",
        "its path leads out of the archive",
        Twin("A zip with the notebook in a folder whose name has umlauts.",
             beside(partly, name="Übung für König/luong.ipynb"), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "a zip bomb",
        "A zip with a file that unpacks to a thousand times its size.",
        beside(partly, _BOMB),
        24,
        "It is not unpacked; the notebook beside it counts.",
        "an archive bomb",
        Twin("A zip with a table of a megabyte beside the notebook.",
             beside(partly, ("data.csv", b"1,2\n" * 2**18)), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "a better zip bomb",
        "A zip in which ninety files share the same bytes.",
        changed(right, _overlapping),
        None,
        "Files that overlap are refused with the whole zip; the student is named.",
        "overlap each other: an archive bomb",
        Twin("A zip with twenty pictures.",
             beside(partly, *((f"p{n}.png", os.urandom(99)) for n in range(20))), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "zips in zips",
        "A zip in a zip in a zip, twenty deep.",
        _nested,
        None,
        "A zip within a zip is not opened; the student is named.",
        "a zip within a zip is not opened",
        Twin("A zip with the notebook three folders deep.",
             beside(partly, name="a/b/c/luong.ipynb"), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "names that collide",
        "A zip with two notebooks whose names differ in case alone.",
        beside(right, ("LUONG.ipynb", b"{}")),
        None,
        "Nobody guesses which is meant: neither is taken, and the student is named.",
        "several files share this name",
        Twin("A zip with the notebook and an older copy of it, named as browsers do.",
             beside(partly, ("luong (1).ipynb", b"{}")), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "a link in a zip",
        "A zip with a symbolic link to a file of the machine.",
        beside(partly, (_LINK, b"/etc/passwd")),
        24,
        "Links are not followed; the notebook beside it counts.",
        "it is a symbolic link",
        Twin("A zip as a Mac makes it, with the files that a Mac adds.",
             beside(partly, ("__MACOSX/._luong.ipynb", b"mac"), (".DS_Store", b"mac")), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "a locked zip",
        "A zip that asks for a password.",
        changed(right, _encrypted),
        None,
        "It is named; nothing of it is taken.",
        "it is encrypted",
        Twin("A zip whose names have Windows' separators.",
             beside(partly, name="work\\luong.ipynb"), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "two thousand files in a zip",
        "A zip of two thousand empty files.",
        beside(right, *((f"{n}.txt", b"") for n in range(2000))),
        None,
        "More than a thousand files are refused; the student is named.",
        "1000 are allowed",
        Twin("A zip of two hundred small files.",
             beside(partly, *((f"{n}.txt", b"") for n in range(200))), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "a zip cut off",
        "Half a zip.",
        changed(right, lambda content: content[: len(content) // 2]),
        None,
        "It is named as damaged.",
        "it is no zip file, or damaged or cut off",
        Twin("A zip whose files are not compressed.",
             lambda world: zipped((_stored(), _honest(partly, world))), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "no zip",
        "A notebook that calls itself a zip.",
        lambda world: _honest(right, world),
        None,
        "What it is decides, not what it is called; it is named.",
        "it is no zip file",
        Twin("A zip with a PDF and notes beside the notebook.",
             beside(partly, ("notes.pdf", b"%PDF"), ("readme.md", b"# hi")), score=24),
        by="zip",
        not_by_stock=_STOCK,
    ),
    Attack(
        "somebody else's number",
        "A file name that can be read as another student's in Canvas' download.",
        download(right, "eve_{id}_1_mallory_999_2_luong.ipynb"),
        None,
        "Where a name can be read in two ways nothing is taken, and it is named.",
        "may be read as the work of student",
        Twin("Hands in twice in Canvas: the last attempt counts.",
             download(partly, "koenigueli_{id}_11_luong.ipynb", "koenigueli_{id}_12_luong-1.ipynb"),
             score=24),
        by="canvas",
        not_by_stock=_STOCK,
    ),
    Attack(
        "a name that hides its end",
        "A file in Canvas' download whose name turns around on the screen.",
        download(right, "eve_{id}_1_luong\u202ebpynb.ipynb"),
        None,
        "A name that cannot be shown is refused and named.",
        "its name is no readable text",
        Twin("A name with spaces, brackets and a dot in Canvas' download.",
             download(partly, "o'neilluna_{id}_3_luong (1).ipynb"), score=24),
        by="canvas",
        not_by_stock=_STOCK,
    ),
    Attack(
        "a text in a file's place",
        "Lets Moodle's download hold a notebook where the texts of its text field are.",
        download(right, "Eve Adams_{id}_assignsubmission_onlinetext_/luong.ipynb"),
        None,
        "Only what was handed in as a file is read; it is named.",
        "it is Moodle's 'onlinetext' submission",
        Twin(
            "Has umlauts in the name in Moodle's download.",
            download(partly, "Jörg Weiß_{id}_assignsubmission_file_/luong.ipynb"), score=24),
        by="moodle",
        not_by_stock=_STOCK,
    ),
]  # fmt: skip
