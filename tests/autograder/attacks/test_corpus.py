"""The corpus and the sample class graded as one class, sandboxed: everyone gets what is earned."""

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook

from autograder.assignment import Course, notebook_bytes, release, released_notebook
from autograder.classroom import grade_class
from autograder.collect.collector import collect_downloads
from autograder.execute import Limits
from autograder.feedback import write_feedback
from autograder.report import write_report
from autograder.results import SubmissionResult
from autograder.sample import FOLDER, write_sample_class
from autograder.sandbox.protocol import Allowance
from autograder.summary import MILD

from .corpus import PAGE, Attack, Outcome, Twin, Work, World, attacks, write_page
from .making import notebook, right

ROOT = Path(__file__).parents[3]
ATTACKS = attacks()
TWINS = {f"{attack.student}.twin": (attack.twin, attack.by) for attack in ATTACKS}
VICTIM = "a.neighbour"
SONG = "the canary sings\n"
# Small, so that an attack that succeeds does little harm.
LIMITS = Limits(
    cell=20.0,
    submission=120.0,
    grace=0.5,
    allowance=Allowance(memory=768 * 2**20, processes=128, file_size=8 * 2**20, disk=64 * 2**20),
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@dataclass
class Aftermath:
    """The world after grading, and what can be said of each student."""

    world: World
    course: Course
    results: dict[str, SubmissionResult]
    collected: list[str]
    before: dict[str, str]
    outside: set[str]
    visitors: list[str]
    page: str
    empty: Path

    def of(self, student: str, by: str) -> Outcome:
        """What became of one student."""
        path = self.course.autograded(student, "luong") / "luong.ipynb"
        shown = nbformat.read(path, as_version=4) if path.exists() else None
        page = self.course.root / "feedback" / student / "luong" / "luong.html"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        told = "\n".join(line for line in self.collected if student in line)
        return Outcome(self.results.get(student), shown, text, told)


@pytest.fixture(scope="module")
def world(tmp_path_factory, bubblewrap) -> Iterator[tuple[World, socket.socket]]:
    """A course, a neighbour, a canary outside, and somebody who listens."""
    released = released_notebook((ROOT / "solutions" / "luong.py").read_text(encoding="utf-8"))
    course = Course(tmp_path_factory.mktemp("attacked") / "course")
    release("luong", course, ROOT / "solutions")
    # Where any user may write; the folders of pytest are closed to others.
    cage = Path(tempfile.mkdtemp(prefix="canary-"))
    cage.chmod(0o777)
    canary = cage / "canary.txt"
    canary.write_text(SONG, encoding="ascii")
    canary.chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        port = listener.getsockname()[1]
        victim = course.submitted(VICTIM, "luong") / "luong.ipynb"
        mark = f"mark{secrets.token_hex(8)}"
        yield World(released, course.root, victim, canary, port, mark), listener
    shutil.rmtree(cage)


def hand_in(course: Course, student: str, work: Work) -> None:
    """Put work where a student's folder is."""
    folder = course.submitted(student, "luong")
    folder.mkdir(parents=True)
    if callable(work):
        work(folder)
    else:
        content = work if isinstance(work, bytes) else notebook_bytes(work)
        (folder / "luong.ipynb").write_bytes(content)


def number(student: str) -> str:
    """A student's number on a platform."""
    return str(int(hashlib.sha256(student.encode()).hexdigest()[:8], 16))


def everybody() -> Iterator[tuple[str, Attack | Twin, str]]:
    """All students by the name of their folder, with their work and how it is handed in."""
    for attack in ATTACKS:
        platform = attack.by in ("canvas", "moodle")
        for name, work in ((attack.student, attack), (f"{attack.student}.twin", attack.twin)):
            yield number(name) if platform else name, work, attack.by


def submit(course: Course, world: World, downloads: Path) -> list[str]:
    """Hand everything in, or collect it; what the collector said."""
    hand_in(course, VICTIM, notebook(right)(world))
    write_sample_class("luong", course)
    platforms: dict[str, dict] = {"canvas": {}, "moodle": {}}
    (downloads / "zips").mkdir(parents=True)
    for student, case, by in everybody():
        work = case.make(world)
        if by == "folder":
            hand_in(course, student, work)
        elif by == "zip":
            (downloads / "zips" / f"{student}.zip").write_bytes(work)
        else:
            platforms[by] |= {name.replace("{id}", student): c for name, c in work.items()}
    for platform, files in platforms.items():
        with zipfile.ZipFile(downloads / f"{platform}.zip", "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    sources = [downloads / "zips", *(downloads / f"{p}.zip" for p in platforms)]
    return list(collect_downloads("luong", course, sources).told())


def hashes(folder: Path) -> dict[str, str]:
    """Each file below a folder by its content; links are not followed."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def outside(world: World) -> set[str]:
    """The names in all places outside the course where an attack might leave something."""
    places = (world.canary.parent, world.course.parent, Path.home(), Path.cwd())
    return {str(path) for place in places for path in place.iterdir()}


@pytest.fixture(scope="module")
def aftermath(world, tmp_path_factory) -> Aftermath:
    """Everything handed in, collected, graded in one run by two workers, and reported."""
    place, listener = world
    course = Course(place.course)
    collected = submit(course, place, tmp_path_factory.mktemp("downloads"))
    before = {k: v for part in ("submitted", "release", "source", "collected")
              for k, v in hashes(course.root / part).items()}  # fmt: skip
    empty = shutil.copy(course.root / "gradebook.db", tmp_path_factory.mktemp("empty"))
    names = outside(place)
    graded = grade_class(course, "luong", sandbox="auto", workers=2, limits=LIMITS)
    write_feedback(course.root, "luong", workers=2)
    page = write_report(course.root, "luong").read_text(encoding="utf-8")
    results = {result.student: result for result in graded.results}
    visitors = []
    with contextlib.suppress(BlockingIOError):
        visitors.append(str(listener.accept()))
    return Aftermath(place, course, results, collected, before, names, visitors, page, Path(empty))


CASES = list(everybody())
HOSTILE = {s: (w, by) for s, w, by in CASES if isinstance(w, Attack)}
HONEST = {s: (w, by) for s, w, by in CASES if isinstance(w, Twin)}
SAMPLE = {path.stem for path in (FOLDER / "luong").iterdir()}


@pytest.mark.parametrize("student", HOSTILE)
def test_an_attack_earns_what_is_honest_in_it_and_is_named(student, aftermath):
    attack, by = HOSTILE[student]
    outcome = aftermath.of(student, by)
    if attack.score is None:
        assert outcome.result is None
    else:
        assert outcome.result.score == attack.score, outcome.told
    assert attack.told in outcome.told
    assert attack.shows in outcome.outputs
    for trace in attack.never:
        assert trace not in outcome.outputs


@pytest.mark.parametrize("student", HONEST)
def test_its_harmless_twin_loses_nothing(student, aftermath):
    twin, by = HONEST[student]
    outcome = aftermath.of(student, by)
    assert outcome.result.score == twin.score, outcome.told
    assert outcome.result.status == "graded", outcome.told
    assert {finding.kind for finding in outcome.result.findings} <= MILD
    assert twin.told in outcome.told
    assert twin.shows in outcome.outputs


def test_the_corpus_is_large_and_everybody_is_somebody():
    assert len(ATTACKS) >= 60
    assert len({student for student, _, _ in CASES}) == len(CASES) == 2 * len(ATTACKS)
    assert len({attack.tries for attack in ATTACKS}) == len(ATTACKS)


# ---------------------------------------------------------------- nobody and nothing else


def test_the_neighbour_is_not_affected(aftermath):
    result = aftermath.results[VICTIM]
    assert (result.score, result.status, result.findings) == (100, "graded", ())


def test_the_gradebook_is_whole_and_says_what_was_found(aftermath):
    with sqlite3.connect(aftermath.course.root / "gradebook.db") as book:
        assert book.execute("pragma integrity_check").fetchall() == [("ok",)]
        [(manual,)] = book.execute("select count(manual_score) from grade").fetchall()
    with Gradebook(aftermath.course.database) as gradebook:
        booked = {s.student_id: (s.score, s.max_score)
                  for s in gradebook.assignment_submissions("luong")}  # fmt: skip
    assert manual == 0
    assert booked == {name: (r.score, 100) for name, r in aftermath.results.items()}
    graded = {s for s, (w, _) in HOSTILE.items() if w.score is not None}
    assert set(booked) == {VICTIM, *SAMPLE, *graded, *HONEST}


def test_what_was_handed_in_and_released_is_as_it_was(aftermath):
    parts = ("submitted", "release", "source", "collected")
    after = {k: v for p in parts for k, v in hashes(aftermath.course.root / p).items()}
    assert after == aftermath.before


def test_nothing_outside_the_course_was_written_or_read(aftermath):
    world = aftermath.world
    assert world.canary.read_text(encoding="ascii") == SONG
    assert {n for n in outside(world) - aftermath.outside if "pytest" not in n} == set()
    for folder in ("/tmp", "/var/tmp", "/dev/shm", str(Path.home())):
        assert not [name for name in os.listdir(folder) if world.mark in name]
    for path in (aftermath.course.root / "autograded").rglob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert SONG.strip() not in text
        assert "SQLite format 3" not in text


def test_nobody_connected(aftermath):
    assert aftermath.visitors == []


def test_no_process_is_left(aftermath):
    helpers = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
    left = [
        child
        for child in psutil.Process().children(recursive=True)
        if child.ppid() != os.getpid() or not any(h in " ".join(child.cmdline()) for h in helpers)
    ]
    assert left == []
    mark = aftermath.world.mark.encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [path] if mark in path.read_bytes() else []
    assert found == []


def test_the_report_names_everyone_and_every_page_is_harmless(aftermath):
    soup = pytest.importorskip("bs4").BeautifulSoup
    named = soup(aftermath.page, "html.parser").get_text()
    for student in aftermath.results:
        assert student in named
        path = aftermath.course.root / "feedback" / student / "luong" / "luong.html"
        tree = soup(path.read_text(encoding="utf-8"), "html.parser")
        assert len(tree.find_all("script")) <= 1  # the page's own, allowed by its hash
        assert not tree.find_all(["iframe", "form", "base", "object", "embed"])
        for tag in tree.find_all(True):
            assert not [name for name in tag.attrs if name.startswith("on")], (student, tag)
            assert "javascript:" not in str(tag.get("href", "")).lower(), (student, tag)
            loaded = tag.get("src", tag.get("href", "data:") if tag.name == "link" else "data:")
            assert str(loaded).startswith("data:"), (student, tag)


# ---------------------------------------------------------------- the guide


def test_the_guide_lists_the_corpus_as_it_is(tmp_path):
    """If it does not: ``write_page`` in corpus.py says how its tables are written anew."""
    copy = tmp_path / "attacks.md"
    copy.write_bytes(PAGE.read_bytes())
    assert write_page(copy) == PAGE.read_text(encoding="utf-8")


# ---------------------------------------------------------------- once more


def verdicts(results: Iterable[SubmissionResult]) -> dict[str, dict[str, object]]:
    """What each student gets, exercise by exercise and check by check, without times and words."""
    return {
        r.student: {"": (r.status, r.score, r.manual)} | {
            e.exercise: (e.status, e.points, e.misconception,
                         [(c["name"], c["passed"]) for c in e.checks])
            for e in r.exercises}
        for r in results
    }  # fmt: skip


def changes(before: dict[str, dict], after: dict[str, dict]) -> list[str]:
    """Whatever is not the same twice, a line each."""
    assert set(before) == set(after)
    return [
        f"{student}, {part}: {was}, then {after[student].get(part)}"
        for student, parts in before.items()
        for part, was in parts.items()
        if was != after[student].get(part)
    ]


def grades(rows: dict[str, dict]) -> dict[str, dict[str, object]]:
    """What the gradebook says, but for comments: they may name a number of bytes or a process."""
    return {
        student: {"": (row["timestamp"], row["score"], row["max_score"])}
        | {name: notebook["grades"] for name, notebook in row["notebooks"].items()}
        for student, row in rows.items()
    }


def test_the_mixed_class_graded_again_gets_the_same(aftermath, booked):
    """The last test here: it grades into the course that the others look at."""
    course = aftermath.course
    before = grades(booked(course, "luong"))
    assert len(before) >= 300
    shutil.copy(aftermath.empty, course.root / "gradebook.db")
    shutil.rmtree(course.root / "results")
    shutil.rmtree(course.root / "autograded")
    again = grade_class(course, "luong", sandbox="auto", workers=2, limits=LIMITS).results
    assert changes(verdicts(aftermath.results.values()), verdicts(again)) == []
    assert changes(before, grades(booked(course, "luong"))) == []
