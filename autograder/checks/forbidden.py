"""Find library calls that give an exercise away, in a student's source, by name."""

import ast
import re
from collections import defaultdict
from collections.abc import Sequence

_LONGEST = 2_000_000


def forbidden_calls(source: str, forbidden: Sequence[str], exercise: str = "") -> list[str]:
    """The forbidden dotted names that ``source`` uses, imports resolved; nothing is run.

    A name forbids everything beneath it, too. An import that nothing uses is no finding, unless
    it is bound to the name of the ``exercise`` itself.

    >>> code = "import torch.nn.functional as F\\ndef f(q): return F.sdpa(q)"
    >>> forbidden_calls(code, ["torch.nn.functional.sdpa"])
    ['torch.nn.functional.sdpa']
    """
    try:
        tree = ast.parse(_without_magic(source[:_LONGEST]))
        bindings = _Bindings()
        bindings.visit(tree)
        uses = _Uses(bindings.names)
        uses.visit(tree)
        used = uses.found | bindings.stars | bindings.names[exercise]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # What Python cannot read is at least searched as text.
        used = set(re.findall(r"[\w.]+", source[:_LONGEST]))
    return sorted({name for name in forbidden if any(_beneath(u, name) for u in used)})


def _beneath(used: str, name: str) -> bool:
    return used == name or used.startswith(f"{name}.")


def _without_magic(source: str) -> str:
    """Replace lines for IPython; the indentation keeps its statement."""
    return re.sub(r"^([ \t]*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


def _resolve(node: ast.expr, names: dict[str, set[str]]) -> set[str]:
    """The dotted names a node may stand for: attributes, getattr, import_module of a literal."""
    match node:
        case ast.Name(id=name):
            return names.get(name) or {name}
        case ast.Attribute(value=value, attr=attribute):
            return {f"{base}.{attribute}" for base in _resolve(value, names)}
        case ast.Call(
            func=ast.Name(id="getattr"), args=[value, ast.Constant(value=str(attribute)), *_]
        ):
            return {f"{base}.{attribute}" for base in _resolve(value, names)}
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(module)), *_],
        ):
            return {module}
    return set()


class _Bindings(ast.NodeVisitor):
    """What imports and plain assignments bind names to, anywhere in the source."""

    def __init__(self) -> None:
        self.names: dict[str, set[str]] = defaultdict(set)
        self.stars: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            first = alias.name.split(".")[0]
            self.names[alias.asname or first].add(alias.name if alias.asname else first)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.stars.add(node.module or "")
            else:
                self.names[alias.asname or alias.name].add(f"{node.module}.{alias.name}")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        # The student's own function takes the place of what was imported under its name.
        self.names.pop(node.name, None)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.names[target.id] |= _resolve(node.value, self.names)


class _Uses(ast.NodeVisitor):
    """Every dotted name that is read."""

    def __init__(self, names: dict[str, set[str]]) -> None:
        self.found: set[str] = set()
        self._names = names

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name | ast.Attribute | ast.Call):
            self.found |= _resolve(node, self._names)
        self.generic_visit(node)
