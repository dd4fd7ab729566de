"""Keep runs, say where a result comes from, and write it so that only what differs differs."""

import argparse
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "attention_lib" / "results"
KEPT = ROOT / "_build" / "experiments"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _code() -> str:
    """The commit that is checked out, and whether the code differs from it."""
    folders = ("attention_lib", ":!attention_lib/results", "experiments", "benchmarks")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *folders)
    return _git("rev-parse", "HEAD") + (" with changes" if changed else "")


# Asked on import: a run of hours ends with the code that it began with, whatever is committed
# in the meantime.
CODE = _code()


def provenance(script: str) -> dict[str, Any]:
    """Name the script, the commit, the versions, the device and the day of a run."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    return {
        "script": f"{Path(script).resolve().parent.name}/{Path(script).name}",
        "commit": CODE,
        "date": datetime.now(UTC).date().isoformat(),
        "device": device,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """Name the processor and count its cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def kept(
    script: str, name: str, recipe: Any, run: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    """Take what an earlier call has kept of a run, or run now and keep it.

    Args:
        script: the ``__file__`` of the caller.
        name: what is run, for the name of the file.
        recipe: all that decides the result but the code, for JSON. Another one is another run.
        run: maps the file's path to the result. Under this path with other suffixes it may keep
            what it needs to go on; that is deleted as soon as there is a result.

    Returns:
        the result, with the ``provenance`` of the call that ran it.
    """
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]
    path = KEPT / f"{name}-{key}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(run(path) | {"provenance": provenance(script)}))
        for file in path.parent.glob(f"{path.stem}.*"):
            if file != path:
                file.unlink()
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def shared_provenance(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Take the provenance out of each run; where they differ, every value is named once."""
    origins = [run.pop("provenance") for run in runs]
    return {
        name: ", ".join(dict.fromkeys(origin[name] for origin in origins)) for name in origins[0]
    }


def command_line(description: str | None) -> argparse.ArgumentParser:
    """Begin a parser that shows a script's docstring as its help."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )


def write_whole(path: Path, text: str) -> None:
    """Write a file that is whole at any instant."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def write_record(name: str, record: dict[str, Any]) -> Path:
    """Write ``attention_lib/results/<name>.json``, rows of numbers on one line each."""
    path = RESULTS / f"{name}.json"
    path.write_text(_dump(record) + "\n", encoding="utf-8")
    return path


def _dump(value: Any, indent: str = "") -> str:
    """Like json.dumps(indent=1), but what holds no further container stays on one line."""
    if isinstance(value, dict) and any(isinstance(v, dict | list) for v in value.values()):
        inner = (f"{indent} {json.dumps(k)}: {_dump(v, indent + ' ')}" for k, v in value.items())
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(v, dict | list) for v in value):
        inner = (f"{indent} {_dump(v, indent + ' ')}" for v in value)
        return "[\n" + ",\n".join(inner) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)
