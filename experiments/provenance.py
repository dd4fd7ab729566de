"""Say where a result comes from, and write it so that two runs differ only where they differ."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "attention_lib" / "results"


def provenance(script: str) -> dict[str, Any]:
    """Name the script, the commit, the versions, the device and the day of a run."""
    git = ["git", "-C", str(ROOT)]
    folder = Path(script).resolve().parent.name
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no", "attention_lib", folder],
        capture_output=True,
        text=True,
    ).stdout
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else _processor()
    return {
        "script": f"{folder}/{Path(script).name}",
        "commit": commit.strip() + (" with changes" if changed.strip() else ""),
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
