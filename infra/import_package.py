"""Import a built package as Azure does, with every module that it can import later; print its functions.

``package.py`` runs this file in a Python that has only the standard library.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

START = "function_app"
RUNTIME = "azure_functions_runtime"  # Azure's worker imports it from the package, then START


def imported_modules(app: Path) -> set[str]:
    """Return every module that the app can import, at start-up or later, found by reading its files.

    An import that handles ImportError is optional and left out.
    """
    found, to_read = set[str](), [START]
    while to_read:
        path = _file_of(app, to_read.pop())
        if path is not None:
            new = set(_named_in(app, ast.parse(path.read_text(encoding="utf-8")))) - found
            found |= new
            to_read += new
    return found


def _file_of(app: Path, name: str) -> Path | None:
    stem = app.joinpath(*name.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _named_in(app: Path, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Try) and any("ImportError" in ast.unparse(each.type or node) for each in node.handlers):
        return
    if isinstance(node, ast.Import):
        yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        submodules = (f"{node.module}.{name.name}" for name in node.names)
        yield from (name for name in submodules if _file_of(app, name))
    for inner in ast.iter_child_nodes(node):
        yield from _named_in(app, inner)


def main(app: Path, site_packages: Path) -> int:
    """Import the dependencies first and the app last, in the search order of Azure's Python; return the exit code."""
    sys.path.insert(0, str(site_packages))
    sys.path.append(str(app))
    for name in [RUNTIME, *sorted(imported_modules(app))]:
        importlib.import_module(name)
    functions = importlib.import_module(START).app.get_functions()
    names = [function.get_function_name() for function in functions]
    sys.stdout.write(f"{', '.join(names)}\n")
    return 0 if names else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
