"""What a kernel sends while a cell runs, reshaped to what may be kept."""

import re
from typing import Any

from autograder.checks.drive import MIME

_KEPT_TYPES = ("text/plain", "image/png", "image/jpeg", "text/latex")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# A kernel names a cell after a file that nobody can look into.
_CELL_FILE = re.compile(r"\((?:\d+\.py|<ipython-input-[^>]*>), (line \d+)\)")


class Outputs:
    """A cell's outputs, reshaped to what nbformat knows and cut to size as they come."""

    def __init__(self, kept: int, most: int):
        self._room_for = kept
        self._most = most
        self._seen = 0
        self._size = 0
        self._list: list[dict[str, Any]] = []
        self._shown: dict[str, dict[str, Any]] = {}
        self._clear_next = False
        self.answers: list[Any] = []
        self.error: str | None = None

    @property
    def flooded(self) -> bool:
        """Whether the cell has sent more than it may."""
        return self._seen > self._most

    def add(self, message: dict[str, Any]) -> None:
        """Take what is useful from one message; anything else is ignored."""
        content = message.get("content")
        if not isinstance(content, dict):
            return
        match message.get("msg_type"):
            case "stream":
                self._stream(content)
            case "display_data" | "execute_result" | "update_display_data" as kind:
                self._display(kind, content)
            case "error":
                self._error(content)
            case "clear_output":
                self._clear_next = True
                if not content.get("wait"):
                    self._make_room()

    def kept(self) -> list[dict[str, Any]]:
        """The outputs, carriage returns applied, in nbformat's form."""
        for output in self._list:
            if output["output_type"] == "stream":
                lines = output["text"].split("\n")
                output["text"] = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
        return self._list

    def _make_room(self) -> None:
        if self._clear_next:
            self._list, self._shown, self._size = [], {}, 0
            self._clear_next = False

    def _room(self, text: str) -> str:
        """What still fits of a text, the cut marked once."""
        self._seen += len(text)
        left = self._room_for - self._size
        self._size += len(text)
        if len(text) <= left:
            return text
        return text[:left] + "\n… output cut here …\n" if left > 0 else ""

    def _stream(self, content: dict[str, Any]) -> None:
        name, text = content.get("name"), content.get("text")
        if name not in ("stdout", "stderr") or not isinstance(text, str):
            return
        self._make_room()
        text = self._room(text)
        last = self._list[-1] if self._list else {}
        if last.get("output_type") == "stream" and last["name"] == name:
            last["text"] += text
        elif text:
            self._list.append({"output_type": "stream", "name": name, "text": text})

    def _display(self, kind: str, content: dict[str, Any]) -> None:
        data = content.get("data")
        if not isinstance(data, dict):
            return
        if MIME in data:
            self.answers.append(data[MIME])
            return
        kept = self._bundle(data)
        transient = content.get("transient")
        name = transient.get("display_id") if isinstance(transient, dict) else None
        if kind == "update_display_data":
            if isinstance(name, str) and name in self._shown:
                self._shown[name]["data"] = kept
            return
        self._make_room()
        output: dict[str, Any] = {"output_type": kind, "metadata": {}, "data": kept}
        if kind == "execute_result":
            output["execution_count"] = None
        if isinstance(name, str):
            self._shown[name] = output
        if kept:
            self._list.append(output)

    def _bundle(self, data: dict[str, Any]) -> dict[str, str]:
        """The harmless forms of a result: text and pictures, no markup that could run."""
        kept: dict[str, str] = {}
        for kind in _KEPT_TYPES:
            text = data.get(kind)
            if isinstance(text, str):
                whole = self._size + len(text) <= self._room_for
                room = self._room(text)
                if whole or (kind.startswith("text/") and room):
                    kept[kind] = room
        return kept

    def _error(self, content: dict[str, Any]) -> None:
        name = _line(content.get("ename"), 100) or "Exception"
        value = _CELL_FILE.sub(r"(\1)", _line(content.get("evalue"), 300))
        self.error = f"{name}: {value}" if value else name
        trace = content.get("traceback")
        frames = [t for t in trace if isinstance(t, str)] if isinstance(trace, list) else []
        self._make_room()
        self._list.append(
            {
                "output_type": "error",
                "ename": name,
                "evalue": value,
                "traceback": [self._room(frame) for frame in frames[:20]],
            }
        )


def _line(text: Any, length: int) -> str:
    """A text made short, plain and one line, fit for a message."""
    if not isinstance(text, str):
        return ""
    line = " ".join(_ANSI.sub("", text[: 4 * length]).split())
    return line if len(line) <= length else line[: length - 1] + "…"
