"""What holds for the code as a whole: layers, purity, docstrings, and where secrets and the environment are read."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.check_group import need

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("consent", "sandbox")
    for path in sorted((ROOT / package).rglob("*.py"))
}
PRODUCT = {name: path for name, path in MODULES.items() if name.partition(".")[0] == "consent"}
PURE_PACKAGES = ("counting", "reports", "studies")
IMPURE = {
    "consent.reports.pdf",  # reads the templates of the package
    "consent.studies.catalog",  # finds the study files
}
OUTSIDE_WORLD = {"azure", "dropbox", "http", "os", "random", "requests", "socket", "subprocess", "time", "urllib3"}
CLOCK_AND_FILE_CALLS = {"getenv", "now", "open", "read_bytes", "read_text", "today", "utcnow"}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path) -> set[str]:
    """The first name of each module that a file imports."""
    nodes = list(ast.walk(tree_of(path)))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return {
        name.partition(".")[0]
        for name in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


def attributes_of(path: Path) -> set[str]:
    """Every ``name.attribute`` that a file uses."""
    return {ast.unparse(node) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}


def calls_of(path: Path) -> set[str]:
    """The last name of everything that a file calls."""
    called = [node.func for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in called}


def test_imports_go_down_the_layers_only(monkeypatch: pytest.MonkeyPatch) -> None:
    linter = need("importlinter.cli")
    monkeypatch.setattr(linter, "_configure_logging", lambda verbose: None)  # it silences all other loggers

    status = linter.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_logo=True, no_cache=True)

    assert status == linter.EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("package", PURE_PACKAGES)
def test_a_pure_package_uses_no_network_file_environment_or_clock(package: str) -> None:
    pure = {name: path for name, path in PRODUCT.items() if name.split(".")[1:2] == [package] and name not in IMPURE}
    impure = {
        name: found
        for name, path in pure.items()
        if (found := (imports_of(path) & OUTSIDE_WORLD) | (calls_of(path) & CLOCK_AND_FILE_CALLS))
    }
    assert pure
    assert impure == {}


def test_only_settings_reads_the_environment() -> None:
    readers = {name for name, path in PRODUCT.items() if {"os.environ", "os.getenv"} & attributes_of(path)}
    assert readers == {"consent.config.settings"}


def test_a_package_file_holds_its_docstring_and_nothing_else() -> None:
    packages = {path: tree_of(path) for path in MODULES.values() if path.name == "__init__.py"}
    assert [path for path, tree in packages.items() if len(tree.body) != 1 or not ast.get_docstring(tree)] == []


def test_every_module_and_every_public_function_and_class_has_a_docstring() -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [
        (name, node)
        for name, path in PRODUCT.items()
        for node in [tree_of(path), *tree_of(path).body]
        if isinstance(node, ast.Module) or (isinstance(node, kinds) and not node.name.startswith("_"))
    ]
    assert [(name, getattr(node, "name", "")) for name, node in public if not ast.get_docstring(node)] == []


def test_no_module_has_a_vague_name_or_one_of_the_standard_library() -> None:
    names = {name.rpartition(".")[2] for name in MODULES}
    vague = {"common", "helpers", "manager", "misc", "utils"}
    assert not names & (vague | set(sys.stdlib_module_names) - {"__main__"})


def test_secrets_are_revealed_in_few_places() -> None:
    revealing = {name for name, path in PRODUCT.items() if any(a.endswith(".reveal") for a in attributes_of(path))}
    assert revealing == {
        "consent.config.credentials",
        "consent.redcap.client",
        "consent.delivery.dropbox_folder",
        "consent.runs.ledger.table",
        "consent.runs.notices",
        "consent.cli.login.oauth",
        "consent.cli.login.stores",
        "consent.cli.request",
    }
