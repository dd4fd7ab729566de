"""The corpus of attacks on stock nbgrader and on ours: what each gets, and who else suffers.

Each attack is handed in beside two honest neighbours, one of whom stock nbgrader has graded before.
Stock runs in a throwaway folder of its own: in a process namespace, the rest of the disk read-only,
with limits of time, memory and file size. What could still harm the machine is left out, and named
with the reason. What a student got is read from both gradebooks, the rest from the folder.

    python benchmarks/attacks.py
    python benchmarks/attacks.py --kinds forging reading
"""

import argparse
import importlib
import json
import os
import resource
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from nbgrader.api import Gradebook, MissingEntry

from autograder.assignment import Course, notebook_bytes, release, released_notebook

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "autograder"), str(ROOT / "experiments")]
corpus: Any = importlib.import_module("attacks.corpus")
making: Any = importlib.import_module("attacks.making")
provenance: Any = importlib.import_module("provenance").provenance

UNIT = "luong"
# What they do, they do in the browser: for them feedback pages are made.
ACTING = {attack.student for attack in corpus.attacks_by_kind()[corpus.KINDS["pages"]]}
BEFORE, AFTER = "a.neighbour", "z.neighbour"
SECONDS = 240
SONG = "the canary sings\n"
_LIMITS = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_CPU: SECONDS,
    resource.RLIMIT_DATA: 6 * 2**30,
    resource.RLIMIT_FSIZE: 400 * 2**20,
}
# Runs a command, then names what it left behind in its namespace.
_THEN_LOOK = (
    '"$@"; for p in /proc/[0-9]*; do grep -qs "$MARK" $p/cmdline && echo "$MARK left"; done'
)


@dataclass
class Fate:
    """What a grader made of an attack: its score, None if it got none, and who else suffered."""

    score: float | None
    harm: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        score = "not graded" if self.score is None else f"{self.score:g}"
        return "; ".join([score, *self.harm])


def not_tried(attack: Any) -> str:
    """Why an attack is not tried on stock nbgrader, or ""."""
    return attack.not_by_stock or ("it is collected, not graded" if attack.by != "folder" else "")


class Scene:
    """A throwaway folder with a course, the two neighbours, a canary and somebody who listens."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.course = Course(folder / "course")
        self.canary = folder / "outside" / "canary.txt"
        self.mark = f"mark{secrets.token_hex(8)}"

    def prepare(self) -> None:
        """Release the unit, and hand in the neighbours' work."""
        release(UNIT, self.course, ROOT / "solutions")
        for name, base in ((BEFORE, making.right), (AFTER, making.partly)):
            self.hand_in(name, base(self.world(0)))

    def world(self, port: int) -> Any:
        """The world as the corpus wants it."""
        text = (ROOT / "solutions" / f"{UNIT}.py").read_text(encoding="utf-8")
        victim = self.course.submitted(BEFORE, UNIT) / f"{UNIT}.ipynb"
        released = released_notebook(text)
        return corpus.World(released, self.course.root, victim, self.canary, port, self.mark)

    def hand_in(self, student: str, work: Any) -> None:
        """Put work into a student's folder."""
        folder = self.course.submitted(student, UNIT)
        folder.mkdir(parents=True)
        if callable(work):
            work(folder)
        else:
            content = work if isinstance(work, bytes) else notebook_bytes(work)
            (folder / f"{UNIT}.ipynb").write_bytes(content)

    def run(self, *command: str) -> str:
        """Run one of the environment's commands where it can harm this folder alone."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        scripts = str(Path(sys.executable).parent)
        shell = ["sh", "-c", _THEN_LOOK, "sh", *command]
        cage = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        cage += ["--bind", str(self.folder), str(self.folder), "--unshare-pid"]
        cage += ["--die-with-parent", "--cap-drop", "ALL", "--chdir", str(self.course.root)]
        done = subprocess.Popen(
            [*cage, *shell],
            env={
                "HOME": str(home),
                "TMPDIR": str(home),
                "LANG": "C.UTF-8",
                "MARK": self.mark,
                "OMP_NUM_THREADS": "1",
                "PATH": os.pathsep.join([scripts, "/usr/bin", "/bin"]),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_limit,
        )
        with done:
            try:
                return done.communicate(timeout=SECONDS)[0].decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                done.kill()
                return "timed out"

    def score(self, student: str) -> float | None:
        """What the gradebook says."""
        with suppress(MissingEntry), Gradebook(self.course.database) as book:
            row = book.find_submission(UNIT, student)
            if any(grade.auto_score is not None for n in row.notebooks for grade in n.grades):
                return float(row.score)
        return None


def _limit() -> None:
    for kind, most in _LIMITS.items():
        resource.setrlimit(kind, (most, most))


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A server on this machine, to be asked whether anybody came."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def by_stock(attack: Any, template: Path, top: Path) -> Fate:
    """Let stock nbgrader grade one attack between two neighbours, and see what became of all."""
    folder = top / "scene"
    shutil.copytree(template, folder, symlinks=True)
    scene = Scene(folder)
    scene.canary.parent.mkdir()
    scene.canary.write_text(SONG, encoding="ascii")
    try:
        with listening() as server:
            scene.hand_in(attack.student, attack.make(scene.world(server.getsockname()[1])))
            said = scene.run("nbgrader", "autograde", UNIT, "--ExecutePreprocessor.timeout=20")
            if attack.student in ACTING:
                said += scene.run(
                    "nbgrader", "generate_feedback", UNIT, "--student", attack.student
                )
            fate = Fate(scene.score(attack.student), list(_harm(scene, said)))
            with suppress(BlockingIOError):
                server.accept()
                fate.harm.append("reached a server")
        return fate
    finally:
        shutil.rmtree(folder)


def _harm(scene: Scene, said: str) -> Iterator[str]:
    """What happened to others."""
    if (score := scene.score(BEFORE)) != 100:
        yield f"a neighbour's marks became {score}"
    if scene.score(AFTER) is None:
        yield "the next student was not graded"
    canary = scene.canary
    if not canary.is_file() or canary.read_text(encoding="ascii") != SONG:
        yield "a file outside was changed"
    if len(list(canary.parent.iterdir())) > 1:
        yield "a file outside was made"
    victim = scene.course.submitted(BEFORE, UNIT) / f"{UNIT}.ipynb"
    if not victim.is_file() or victim.stat().st_size < 1000:
        yield "a neighbour's work was destroyed"
    if f"{scene.mark} left" in said:
        yield "a process was left"
    if "timed out" in said:
        yield f"had to be killed after {SECONDS} s"
    if any(_leaked(path) for path in (scene.course.root / "autograded").rglob("*.ipynb")):
        yield "the gradebook or a file outside was copied"
    if any(map(_acts, (scene.course.root / "feedback").rglob("*.html"))):
        yield "script in the feedback page"


def _leaked(path: Path) -> bool:
    content = path.read_bytes()
    return content.startswith(b"SQLite format 3") or SONG.strip().encode() in content


def _acts(page: Path) -> bool:
    """Whether anything of the student's would act in a page."""
    tree = BeautifulSoup(page.read_text(encoding="utf-8", errors="replace"), "html.parser")
    scripts = any("hacked" in str(tag) for tag in tree.find_all("script"))
    handlers = (
        str(v) for tag in tree.find_all(True) for n, v in tag.attrs.items() if n[:2] == "on"
    )
    links = (str(tag.get("href", "")) for tag in tree.find_all("a"))
    return scripts or any("hacked" in text for text in (*handlers, *links))


def by_ours(attacks: Sequence[Any], template: Path, top: Path) -> dict[str, Fate]:
    """Let ours grade all attacks in one class; what happened to others stands with each."""
    folder = top / "ours"
    shutil.copytree(template, folder, symlinks=True)
    scene = Scene(folder)
    shutil.rmtree(scene.course.root / "autograded", ignore_errors=True)
    scene.canary.parent.mkdir()
    scene.canary.write_text(SONG, encoding="ascii")
    with listening() as server:
        for attack in attacks:
            scene.hand_in(attack.student, attack.make(scene.world(server.getsockname()[1])))
        command = ["autograder", "grade", UNIT, "--course", str(scene.course.root)]
        options = ["--workers", "2", "--timeout", "20"]
        scripts = Path(sys.executable).parent
        subprocess.run([str(scripts / command[0]), *command[1:], *options], check=False)
        subprocess.run([str(scripts / "autograder"), "feedback", *command[2:]], check=True)
        harm = list(_harm(scene, ""))
        with suppress(BlockingIOError):
            server.accept()
            harm.append("reached a server")
    return {a.student: Fate(scene.score(a.student), list(harm)) for a in attacks}


def fell(attack: Any, fate: Fate) -> bool:
    """Whether a grader gave more than was earned, or less, or let others suffer."""
    return fate.score != attack.score or bool(fate.harm)


def compare(attacks: Sequence[Any], top: Path) -> list[dict[str, Any]]:
    """Try all attacks on both; a row for each."""
    template = top / "template"
    scene = Scene(template)
    scene.prepare()
    said = scene.run("nbgrader", "autograde", UNIT, "--student", BEFORE)
    if scene.score(BEFORE) != 100:
        raise RuntimeError(f"stock nbgrader did not grade an honest notebook: {said[-2000:]}")
    fates = {}
    for number, attack in enumerate(attacks, start=1):
        fates[attack.student] = by_stock(attack, template, top)
        print(f"[{number}/{len(attacks)}] {attack.name}: {fates[attack.student]}", flush=True)
    ours = by_ours(attacks, template, top)
    return [
        {
            "attack": attack.name,
            "honest": attack.score,
            "nbgrader": asdict(fates[attack.student]),
            "ours": asdict(ours[attack.student]),
            "nbgrader_fell": fell(attack, fates[attack.student]),
            "ours_fell": fell(attack, ours[attack.student]),
        }
        for attack in attacks
    ]


def show(rows: Sequence[dict[str, Any]], left_out: dict[str, str]) -> None:
    """Print the table, and what is not in it."""
    print("\n| attack | worth | nbgrader | ours |\n|---|---|---|---|")
    for row in rows:
        if row["nbgrader_fell"] or row["ours_fell"]:
            stock, ours = Fate(**row["nbgrader"]), Fate(**row["ours"])
            print(f"| {row['attack']} | {row['honest']:g} | {stock} | {ours} |")
    withstood = [r["attack"] for r in rows if not (r["nbgrader_fell"] or r["ours_fell"])]
    fallen = [sum(r[f"{who}_fell"] for r in rows) for who in ("nbgrader", "ours")]
    print(f"\nOf {len(rows)} attacks nbgrader fell for {fallen[0]}, ours for {fallen[1]}.")
    print(f"Both withstood: {', '.join(withstood) or 'none'}.")
    for name, reason in left_out.items():
        print(f"Not tried: {name}: {reason}.")


def main() -> None:
    """Run the comparison and keep it in _build/benchmarks/attacks.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", choices=list(corpus.KINDS), default=[])
    args = parser.parse_args()
    if shutil.which("bwrap") is None:
        raise SystemExit("There is no program 'bwrap': hostile notebooks are run in it alone.")
    titles = {corpus.KINDS[kind] for kind in args.kinds} or set(corpus.KINDS.values())
    chosen = [a for t, some in corpus.attacks_by_kind().items() if t in titles for a in some]
    tried = [attack for attack in chosen if not not_tried(attack)]
    left_out = {attack.name: not_tried(attack) for attack in chosen if not_tried(attack)}
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
        rows = compare([replace(a) for a in tried], Path(folder))
    show(rows, left_out)
    record = {"provenance": provenance(__file__), "nbgrader": version("nbgrader")}
    record |= {"rows": rows, "not_tried": left_out}
    path = ROOT / "_build" / "benchmarks" / "attacks.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
