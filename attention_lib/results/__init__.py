"""Results of experiments that take longer than a chapter may, each with its provenance.

The files beside this module are written by the scripts in ``experiments/``; nothing edits them.
"""

import json
from importlib import resources
from typing import Any


def read_results(name: str) -> dict[str, Any]:
    """Read a recorded experiment.

    Args:
        name: the file's name without ``.json``.

    Returns:
        what the script wrote; ``provenance`` says by which script, when, where and with what.

    Raises:
        FileNotFoundError: if there is no such record; the message lists those there are.

    >>> read_results("luong_states")["provenance"]["script"]
    'experiments/luong_states.py'
    """
    folder = resources.files(__name__)
    file = folder / f"{name}.json"
    if not file.is_file():
        known = sorted(f.name.removesuffix(".json") for f in folder.iterdir() if "json" in f.name)
        raise FileNotFoundError(f"no results called {name!r}; there are {', '.join(known)}")
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record
