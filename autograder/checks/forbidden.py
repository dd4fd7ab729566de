"""Find library calls that give an exercise away, in a student's source, by name."""

import ast
import re
from collections.abc import Sequence

_TEXT_TOO_LONG = 2_000_000


def forbidden_calls(source: str, forbidden: Sequence[str]) -> list[str]:
    """The forbidden dotted names that ``source`` uses, imports resolved; nothing is run.

    A name forbids everything beneath it, too.

    >>> code = "import torch.nn.functional as F\\ndef f(q): return F.sdpa(q)"
    >>> forbidden_calls(code, ["torch.nn.functional.sdpa"])
    ['torch.nn.functional.sdpa']
    """
    try:
        tree = ast.parse(_without_magic(source[:_TEXT_TOO_LONG]))
        names = _Names()
        names.visit(tree)
        used = names.used
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # What Python cannot read is at least searched as text.
        used = set(re.findall(r"[\w.]+", source))
    return sorted({name for name in forbidden for u in used if _beneath(u, name)})


def _beneath(used: str, name: str) -> bool:
    return used == name or used.startswith(f"{name}.")


def _without_magic(source: str) -> str:
    """Comment out lines for IPython; the indentation keeps its statement."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


class _Names(ast.NodeVisitor):
    """Collects every dotted name that a module imports or reads, aliases written out."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self._aliases: dict[str, str] = {}

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.used.add(alias.name)
            first = alias.name.split(".")[0]
            self._aliases[alias.asname or first] = alias.name if alias.asname else first

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            name = f"{node.module or ''}.{alias.name}" if alias.name != "*" else node.module or ""
            self.used.add(name)
            self._aliases[alias.asname or alias.name] = name

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        name = self._resolve(node.value)
        for target in node.targets:
            if name and isinstance(target, ast.Name):
                self._aliases[target.id] = name
            self.visit(target)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._note(node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        self._note(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._note(node)
        self.generic_visit(node)

    def _note(self, node: ast.expr) -> None:
        name = self._resolve(node)
        if name:
            self.used.add(name)

    def _resolve(self, node: ast.expr) -> str | None:
        """A node's dotted name: attributes, getattr with a literal, import_module("…")."""
        match node:
            case ast.Name(id=name):
                return self._aliases.get(name, name)
            case ast.Attribute(value=value, attr=attribute):
                base = self._resolve(value)
                return f"{base}.{attribute}" if base else None
            case ast.Call(
                func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(attribute)), *_]
            ):
                base = self._resolve(value)
                return f"{base}.{attribute}" if base else None
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                return module
        return None
