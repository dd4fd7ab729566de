"""Which of a student's code belongs to one exercise: its definition, its helpers, the imports.

A call that gives an exercise away is searched in exactly this, so that an experiment elsewhere in
the notebook costs nothing, and a helper function hides nothing.
"""

import ast
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache


def code_of_exercise(name: str, sources: Iterable[str], others: Collection[str] = ()) -> str:
    """Collect what ``name`` is made of from the cells of a notebook, in order.

    ``others`` names the other exercises, which are judged by themselves and not followed.

    >>> cells = ["import torch", "def helper(x): return torch.exp(x)",
    ...          "def other(x): return 0", "def f(x): return helper(x)"]
    >>> print(code_of_exercise("f", cells))
    import torch
    def helper(x):
        return torch.exp(x)
    def f(x):
        return helper(x)
    """
    statements = [statement for source in sources for statement in _statements(source)]
    wanted, queue = {name}, [name]
    while queue:
        current = queue.pop()
        for statement in statements:
            if current in statement.bound:
                used = statement.used - wanted - set(others)
                wanted |= used
                queue.extend(used)
    kept = [_narrow(s.node, wanted) for s in statements if s.bound & (wanted | {"*"})]
    return "\n".join(ast.unparse(statement) for statement in kept)


@dataclass(frozen=True)
class _Statement:
    """A top-level statement, the names that it defines and those that it reads."""

    node: ast.stmt
    bound: frozenset[str]
    used: frozenset[str]


def _narrow(statement: ast.stmt, wanted: set[str]) -> ast.stmt:
    """An import without the names that are not wanted; any other statement as it is."""
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return statement
    names = [alias for alias in statement.names if _imported(alias) in wanted | {"*"}]
    if isinstance(statement, ast.Import):
        return ast.Import(names)
    return ast.ImportFrom(statement.module, names, statement.level)


def _imported(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


@lru_cache(maxsize=256)  # every exercise of a notebook asks for the same cells
def _statements(source: str) -> tuple[_Statement, ...]:
    """A cell's top-level statements; lines of magic are left out, broken code gives none."""
    lines = source.split("\n")
    plain = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
    try:
        body = ast.parse(plain).body
        return tuple(_Statement(node, _bound(node), _used(node)) for node in body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def _bound(statement: ast.stmt) -> frozenset[str]:
    """The names that a statement defines, also inside if, try, with and loops."""
    bound: set[str] = set()
    for node in _walk_scope(statement):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                bound.add(name)
            case ast.Attribute(value=ast.Name(id=name), ctx=ast.Store()):
                bound.add(name)  # helper.attribute = … changes what helper is
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                bound.update(_imported(alias) for alias in names)
    return frozenset(bound)


def _walk_scope(statement: ast.stmt) -> Iterator[ast.AST]:
    """Walk a statement without entering the bodies of functions and classes."""
    queue: list[ast.AST] = [statement]
    while queue:
        node = queue.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            queue.extend(ast.iter_child_nodes(node))


def _used(statement: ast.stmt) -> frozenset[str]:
    return frozenset(
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    )
