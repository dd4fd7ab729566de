"""The ``autograder`` command."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Any

import click

from autograder.processes import GRADER, clean_processes

NOT_ALL_GRADED = 1
NOT_FINISHED = 3

_ERRORS = (FileNotFoundError, PermissionError, NotADirectoryError, ValueError)

assignment_argument = click.argument("assignment")
course_option = click.option(
    "--course",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("_build/course"),
    show_default=True,
    help="The course directory, in nbgrader's layout.",
)


def _in_sentences(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn what a user can mend into one sentence and exit code 2."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except Exception as problem:
            # Not before: these take seconds to import, while which a command can do other things.
            from autograder.assignment import AssignmentError
            from autograder.atomic import CannotStore
            from autograder.locks import Busy
            from autograder.sandbox.protocol import SandboxError

            if isinstance(problem, (Busy, CannotStore)):
                click.echo(f"Stopped: {problem}", err=True)
                sys.exit(NOT_FINISHED)
            if not isinstance(problem, (*_ERRORS, AssignmentError, SandboxError)):
                raise
            if isinstance(problem, OSError) and problem.filename:
                message = f"{problem.filename}: {problem.strerror}. Is the path right?"
            else:
                message = str(problem)
            raise click.UsageError(message) from problem

    return wrapper


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="attention-course")
def main() -> None:
    """Release, grade and report the course's assignments.

    \b
    A whole round:
      autograder release luong --course _build/course
      autograder collect luong --course _build/course --from submissions.zip
      autograder grade luong --course _build/course
      autograder feedback luong --course _build/course
      autograder report luong --course _build/course
      autograder export luong --course _build/course --to marks.csv
    To try it before anybody has handed in, `autograder sample-class luong` after the release.

    Exit codes: 0 all is well; 1 the command ran, but something in the submissions or the audit
    needs a look; 2 the command could not run as it was called; 3 it was stopped, by another one
    at work or a disk that takes nothing more: what was stored is whole, and the same command goes
    on from there.
    """


@main.command()
@assignment_argument
@course_option
@click.option(
    "--solutions",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("solutions"),
    show_default=True,
    help="The folder with the instructors' text notebooks.",
)
@click.option(
    "--exercises",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also copy the released notebook here.",
)
@_in_sentences
def release(assignment: str, course: Path, solutions: Path, exercises: Path | None) -> None:
    """Make the students' notebook from solutions/ASSIGNMENT.py and register it.

    \b
    Example:
      autograder release luong --course _build/course --exercises exercises
    """
    from autograder.assignment import Course
    from autograder.assignment import release as make

    path, changed = make(assignment, Course(course), solutions, exercises)
    click.echo(f"{'Released' if changed else 'Up to date'}: {path}")
    if exercises is not None:
        click.echo(f"Students' copy: {exercises / path.name}")


@main.command("sample-class")
@assignment_argument
@course_option
@_in_sentences
def sample_class(assignment: str, course: Path) -> None:
    """Hand in the notebooks of an invented class, honest, broken and hostile, to try the grader.

    \b
    Example:
      autograder sample-class luong --course _build/course
    """
    from autograder.assignment import Course
    from autograder.sample import write_sample_class

    students, written = write_sample_class(assignment, Course(course))
    click.echo(f"{len(students)} sample students, {written} files written: {course / 'submitted'}")


@main.command()
@assignment_argument
@click.option(
    "--from",
    "sources",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="A zip that Canvas or Moodle made, or a folder with one for each student; repeatable.",
)
@course_option
@click.option(
    "--roster",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Canvas' gradebook or Moodle's grading worksheet as CSV: logins, and Moodle's times.",
)
@click.option(
    "--timezone",
    metavar="NAME",
    help="The time zone of Moodle's worksheet, e.g. Europe/Berlin.  [default: this computer's]",
)
@_in_sentences
def collect(
    assignment: str,
    sources: tuple[Path, ...],
    course: Path,
    roster: Path | None,
    timezone: str | None,
) -> None:
    """Bring what students handed in into the course; nothing is unpacked, run or overwritten.

    \b
    Example:
      autograder collect luong --from submissions.zip --roster gradebook.csv --course _build/course

    Understands Canvas' and Moodle's submission zips, packed or unpacked, and folders with
    student/luong.ipynb, student/luong/luong.ipynb or student.zip. Each version is kept in
    collected/; running it again changes nothing.

    Exit code 0: every student's notebook is in place. 1: something needs a look; it is named.
    """
    from autograder.assignment import Course
    from autograder.collect.collector import collect_downloads

    outcome = collect_downloads(assignment, Course(course), sources, roster, timezone)
    for line in outcome.told():
        click.echo(line)
    if not outcome.ok:
        sys.exit(NOT_ALL_GRADED)


@main.command()
@assignment_argument
@course_option
@click.option(
    "--sandbox",
    metavar="auto|none|NAME",
    default="auto",
    show_default=True,
    help="Where student code runs: in the sandbox, with your own rights, or as a kernel "
    "provisioner of that name has it.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="one a core, at most 4",
    help="Processes that grade at the same time; jobs to ask a Slurm queue for.",
)
@click.option(
    "--dask",
    metavar="ADDRESS|local|slurm",
    help="Grade on the workers of this Dask scheduler, of one on this computer, or of a Slurm "
    "queue as Dask's configuration describes it.",
)
@click.option(
    "--tag",
    metavar="NAME",
    help="Only Dask workers with this resource grade, e.g. those started with --resources GPU=1.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    help="Seconds that one cell may run.",
)
@click.option(
    "--total-timeout",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="Seconds that one notebook may run.",
)
@_in_sentences
def grade(
    assignment: str,
    course: Path,
    sandbox: str,
    workers: int,
    dask: str | None,
    tag: str | None,
    timeout: float,
    total_timeout: float,
) -> None:
    """Grade every submission of ASSIGNMENT that is new or changed.

    \b
    Example:
      autograder grade luong --course _build/course --workers 2
      autograder grade luong --course _build/course --dask tcp://head-node:8786 --tag GPU

    With '--sandbox auto' nothing is graded unless every protection holds on this machine, as
    `autograder doctor` shows. '--sandbox none' runs students' code with your own rights, so that
    it can read and change all that you can: use it for code you trust, or on a machine that holds
    nothing else.

    Exit code 0: every submission was graded. 1: all rows are there, but some notebooks failed;
    they are named. 2: grading could not start. 3: it was stopped, run it again to go on.
    """
    if tag is not None and dask is None:
        raise click.UsageError("--tag goes with --dask.")
    if dask is None:
        # What grades imports beside this process, which would otherwise wait for it later.
        clean_processes(GRADER)

    from autograder.assignment import Course
    from autograder.classroom import grade_class
    from autograder.execute import Limits
    from autograder.progress import Progress, summary

    with ExitStack() as stack:
        submitted = sum(1 for _ in (course / "submitted").glob(f"*/{assignment}"))
        progress = stack.enter_context(Progress(assignment, submitted))
        spread = None
        if dask is not None:
            from autograder.cluster import spread_over

            spread = stack.enter_context(spread_over(dask, workers, tag))
        graded = grade_class(
            Course(course),
            assignment,
            sandbox=sandbox,
            workers=workers,
            spread=spread,
            limits=Limits(cell=timeout, submission=total_timeout),
            progress=progress,
            notice=progress.notice,
        )
    for line in summary(graded, progress.fresh):
        click.echo(line)
    if any(result.status == "failed" for result in graded.results):
        sys.exit(NOT_ALL_GRADED)


@main.command()
@assignment_argument
@course_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="one a core, at most 4",
    help="Processes that write at the same time.",
)
@_in_sentences
def feedback(assignment: str, course: Path, workers: int) -> None:
    """Write each student's feedback page where it is missing or would say something else.

    \b
    Example:
      autograder feedback luong --course _build/course
    """
    from autograder.feedback import write_feedback

    paths, written = write_feedback(course, assignment, workers)
    click.echo(f"{len(paths)} feedback pages, {written} written now: {course / 'feedback'}")


@main.command()
@assignment_argument
@course_option
@_in_sentences
def report(assignment: str, course: Path) -> None:
    """Write the class report, one page to show at a meeting.

    \b
    Example:
      autograder report luong --course _build/course
    """
    from autograder.report import write_report

    click.echo(f"Class report: {write_report(course, assignment)}")


@main.command()
@assignment_argument
@course_option
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "canvas", "moodle"]),
    default="csv",
    show_default=True,
    help="For a spreadsheet, or as Canvas or Moodle import it.",
)
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write.  [default: in exports/ of the course directory]",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="For canvas the exported gradebook, for moodle the grading worksheet, as CSV.",
)
@click.option(
    "--column",
    metavar="HEADER",
    help="The roster's column to fill, if it does not follow from ASSIGNMENT.",
)
@click.option("--scale", is_flag=True, help="Convert the marks to the platform's maximum.")
@_in_sentences
def export(
    assignment: str,
    course: Path,
    kind: str,
    to: Path | None,
    roster: Path | None,
    column: str | None,
    scale: bool,
) -> None:
    """Write the marks of ASSIGNMENT for a learning platform or a spreadsheet.

    \b
    Example:
      autograder export luong --course _build/course --format csv --to marks.csv
      autograder export luong --course _build/course --format canvas --roster gradebook.csv

    Exit code 1: the file is written, but not every mark is in it; those left out are named.
    """
    target = to or course / "exports" / f"{assignment}{'' if kind == 'csv' else f'-{kind}'}.csv"
    if kind == "csv":
        if roster is not None or column is not None or scale:
            raise click.UsageError("--roster, --column and --scale go with canvas or moodle.")
        from autograder.export import export_csv

        click.echo(f"Marks: {export_csv(course, assignment, target)}")
        return
    if roster is None:
        raise click.UsageError(f"Give with --roster the list of students that {kind} exports.")
    from autograder.export_platform import export_platform

    filled = export_platform(kind, course, assignment, roster, target, column=column, scale=scale)
    for line in filled.told():
        click.echo(line)
    if filled.left_out:
        sys.exit(NOT_ALL_GRADED)


@main.command()
@_in_sentences
def doctor() -> None:
    """Try each protection of the sandbox on this machine, by doing what it must refuse.

    \b
    Example:
      autograder doctor && autograder grade luong

    Exit code 1: at least one protection is missing; `autograder grade` would not start.
    """
    from autograder.sandbox.doctor import examine

    findings = examine()
    for finding in findings:
        word = "holds  " if finding.holds else "MISSING"
        click.echo(f"{word}  {finding.protection}: {finding.seen}")
    if not all(finding.holds for finding in findings):
        sys.exit(NOT_ALL_GRADED)


@main.command()
@click.argument("units", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Audit every unit that there is.")
@_in_sentences
def audit(units: tuple[str, ...], every: bool) -> None:
    """Try the grader of UNITS itself: right solutions pass, each misconception gets its own hint.

    \b
    Example:
      autograder audit luong
      autograder audit --all

    Exit code 1: the grader misjudges something; the table shows what.
    """
    from autograder.audit import audit as run
    from autograder.checks.spec import known_units, load_unit

    if bool(units) == every:
        raise click.UsageError("Name the units to audit, or say --all.")
    outcomes = [run(load_unit(unit)) for unit in (known_units() if every else units)]
    click.echo("\n\n".join(map(str, outcomes)))
    if not all(outcome.ok for outcome in outcomes):
        sys.exit(NOT_ALL_GRADED)


@main.command()
@click.argument("notebook", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    help="Seconds that one cell may run.",
)
@_in_sentences
def check(notebook: Path, timeout: float) -> None:
    """Run your own NOTEBOOK from the top and show the verdict of each check.

    \b
    Example:
      autograder check luong.ipynb

    The file is not changed. Exit code 0: full marks; 1: there is something left to do.
    """
    from autograder.selfcheck import check_notebook

    verdicts = check_notebook(notebook, timeout)
    for verdict in verdicts:
        click.echo(f"{verdict.text}\n")
    points, most = sum(v.points for v in verdicts), sum(v.max_points for v in verdicts)
    click.echo(f"{points:g} of {most:g} points")
    if points < most:
        sys.exit(NOT_ALL_GRADED)
