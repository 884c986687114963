"""Each table of rules names, for every rule, tests that exist."""

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TABLES = sorted((ROOT / "tests").glob("rules_*.md"))
each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)


@dataclass(frozen=True)
class Rule:
    """One line of a table; tests are written ``tests/test_x.py::test_name``."""

    number: int
    text: str
    tests: tuple[str, ...]


def rules_in(table: Path) -> list[Rule]:
    lines = [line.strip("| ").split(" | ") for line in table.read_text(encoding="utf-8").splitlines()]
    numbered = [cells for cells in lines if len(cells) == 3 and cells[0].isdecimal()]
    return [Rule(int(number), text, tuple(tests.split(", "))) for number, text, tests in numbered]


def functions_of(file: str) -> set[str]:
    """Names of the tests that a file defines; none if there is no such file."""
    path = ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    return {f"{file}::{node.name}" for node in tree.body if isinstance(node, ast.FunctionDef)}


def named_but_not_there(table: Path) -> list[str]:
    named = [test for rule in rules_in(table) for test in rule.tests]
    there = {test for file in {name.partition("::")[0] for name in named} for test in functions_of(file)}
    return [test for test in named if test not in there or "::test_" not in test]


def test_there_is_a_table_for_the_client_and_one_for_the_uploader() -> None:
    assert {"rules_of_a_careful_client", "rules_of_a_careful_uploader"} <= {table.stem for table in TABLES}


@each_table
def test_the_rules_are_numbered_without_a_gap(table: Path) -> None:
    numbers = [rule.number for rule in rules_in(table)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 20


@each_table
def test_every_test_that_a_rule_names_exists(table: Path) -> None:
    assert named_but_not_there(table) == []


@each_table
def test_no_rule_is_there_without_a_test(table: Path) -> None:
    assert [rule.number for rule in rules_in(table) if not any(rule.tests)] == []
