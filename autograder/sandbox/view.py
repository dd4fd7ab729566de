"""Which of the course's own modules a student's kernel may see: what the notebook imports, alone.

The reference implementations lie in the same packages, so that neither the packages nor their
compiled files may be within reach. A view is a copy of the few modules that a released notebook
needs; whatever else a student imports of the course does not exist.
"""

import ast
import importlib.util
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

PACKAGES = ("attention_lib", "autograder")
_NEVER = "autograder.specs"
_CODE = (".py", ".pyc", ".so")


def imports_of(notebook: NotebookNode) -> tuple[str, ...]:
    """The modules that a released notebook's cells import, in order of their names.

    Of ``from package import name`` both ``package`` and ``package.name`` are listed.
    """
    found: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lines = cell.source.splitlines()
            plain = "\n".join(
                "" if line.lstrip().startswith(("%", "!")) else line for line in lines
            )
            found.update(_imports(ast.parse(plain), ""))
    return tuple(sorted(found))


def visible_modules(imports: Iterable[str]) -> dict[str, Path]:
    """The course's modules that a kernel with these imports may see, each with its file."""
    return reached_modules(imports, but=_NEVER)


def reached_modules(imports: Iterable[str], *, but: str | None = None) -> dict[str, Path]:
    """The course's modules that these imports reach, each with its file."""
    files: dict[str, Path] = {}
    queue = list(imports)
    while queue:
        name = queue.pop()
        if name in files or name.split(".")[0] not in PACKAGES or (but and name.startswith(but)):
            continue
        path = _file(name)
        if path is None:
            continue
        files[name] = path
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        queue.extend(_parents(name))
        queue.extend(_imports(ast.parse(path.read_text(encoding="utf-8")), package))
    return files


def data_files(modules: dict[str, Path]) -> dict[str, list[Path]]:
    """The data files that lie beside each package's own module."""
    return {
        name: sorted(f for f in path.parent.iterdir() if f.is_file() and f.suffix not in _CODE)
        for name, path in modules.items()
        if path.name == "__init__.py"
    }


def reveals(imports: Iterable[str], functions: Iterable[Callable[..., Any]]) -> list[str]:
    """The functions whose source these imports would show, as "module.name"."""
    visible = visible_modules(imports)
    return sorted(f"{f.__module__}.{f.__name__}" for f in functions if f.__module__ in visible)


def write_view(modules: dict[str, Path], folder: Path) -> None:
    """Copy modules, and the data files beside a package, to where kernels import them from."""
    beside = data_files(modules)
    for name, path in modules.items():
        target = folder.joinpath(*name.split("."))
        if path.name == "__init__.py":
            target.mkdir(parents=True, exist_ok=True)
            for file in [path, *beside[name]]:
                shutil.copyfile(file, target / file.name)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target.with_suffix(".py"))


def _imports(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                module = importlib.util.resolve_name("." * node.level + module, package)
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


def _file(name: str) -> Path | None:
    """The source of a module of ours, without importing it; None for what is no module."""
    first, *rest = name.split(".")
    spec = importlib.util.find_spec(first)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]).joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if candidate.is_file():
            return candidate
    return None
