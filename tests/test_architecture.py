"""The shape of the house: what is pure stays pure, imports go one way, and every stage is where its name says."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the foundations up: a module may import those above it in this list, never those below.
FLOW = [
    "consent",
    "consent.errors",
    "consent.file_names",
    "consent.day_words",
    "consent.toml_table",
    "consent.study",
    "consent.study_words",
    "consent.study_file",
    "consent.counting_rules",
    "consent.period",
    "consent.optional_definitions",
    "consent.definitions",
    "consent.settings",
    "consent.setting_rules",
    "consent.network",
    "consent.azure_access",
    "consent.vault_refusals",
    "consent.credentials",
    "consent.storage_settings",
    "consent.redcap",
    "consent.redcap.refusals",
    "consent.redcap.responses",
    "consent.redcap.rows",
    "consent.redcap.dictionary",
    "consent.redcap.fit",
    "consent.redcap.export_plan",
    "consent.redcap.client",
    "consent.redcap.probe",
    "consent.redcap.listing",
    "consent.redcap.export",
    "consent.cells",
    "consent.consents",
    "consent.riders",
    "consent.sites",
    "consent.withdrawals",
    "consent.participants",
    "consent.tally",
    "consent.summary_parts",
    "consent.recruitment",
    "consent.summary",
    "consent.report_set",
    "consent.ledger",
    "consent.kept_counts",
    "consent.due",
    "consent.headline",
    "consent.reports.report_file",
    "consent.reports.words",
    "consent.reports.small_counts",
    "consent.reports.shared_rows",
    "consent.reports.chart_words",
    "consent.reports.colours",
    "consent.reports.charts",
    "consent.reports.workbook_values",
    "consent.reports.workbook_summary",
    "consent.reports.workbook_sheets",
    "consent.reports.workbook_measures",
    "consent.reports.workbook_cells",
    "consent.reports.workbook_charts",
    "consent.reports.workbook",
    "consent.reports.csv_table",
    "consent.reports.json_document",
    "consent.reports.pdf_section",
    "consent.reports.pdf_optional",
    "consent.reports.pdf_content",
    "consent.reports.pdf",
    "consent.reports",
    "consent.failures",
    "consent.run_log",
    "consent.claim",
    "consent.run_words",
    "consent.guard",
    "consent.changes",
    "consent.reports.page_numbers",
    "consent.reports.page",
    "consent.delivery",
    "consent.local_folder",
    "consent.dropbox_outcome",
    "consent.dropbox_session",
    "consent.dropbox_folder",
    "consent.export_file",
    "consent.ledger_rows",
    "consent.ledger_listing",
    "consent.sqlite_ledger",
    "consent.table_service",
    "consent.table_ledger",
    "consent.ledgers",
    "consent.known_studies",
    "consent.services",
    "consent.run",
    "consent.queueing",
    "consent.execution",
    "consent.on_time",
    "consent.heartbeat",
    "consent.history",
    "consent.http_api",
    "consent.overview",
    "consent.doors",
    "consent.asked_run",
    "consent.screen",
    "consent.runs_table",
    "consent.viewer",
    "consent.serve",
    "consent.setup",
    "consent.setup.dropbox_account",
    "consent.setup.proof",
    "consent.setup.login",
    "consent.setup.login.settings_text",
    "consent.setup.login.git_ignored",
    "consent.setup.login.settable_vault",
    "consent.setup.login.keeping",
    "consent.setup.login.dialogue",
    "consent.setup.login.places",
    "consent.setup.login.spaces",
    "consent.setup.login.grant",
    "consent.setup.login.sign_in",
    "consent.setup.login.words",
    "consent.setup.compare",
    "consent.setup.compare.old_report",
    "consent.setup.compare.old_pipeline",
    "consent.setup.compare.columns",
    "consent.setup.compare.explanation",
    "consent.setup.compare.comparison",
    "consent.setup.compare.words",
    "consent.setup.compare.document",
    "consent.setup.compare.files",
    "consent.setup.compare.tables",
    "consent.setup.check",
    "consent.setup.check.advice",
    "consent.setup.check.findings",
    "consent.setup.check.notes",
    "consent.setup.check.tools",
    "consent.setup.check.clock",
    "consent.setup.check.dictionary",
    "consent.setup.check.rights",
    "consent.setup.check.records",
    "consent.setup.check.redcap",
    "consent.setup.check.secret_settings",
    "consent.setup.check.settings",
    "consent.setup.check.ledger",
    "consent.setup.check.dropbox",
    "consent.setup.check.checkup",
    "consent.setup.check.lines",
    "consent.setup.project_description",
    "consent.setup.ask_project",
    "consent.setup.private_file",
    "consent.setup.init",
    "consent.setup.init.candidates",
    "consent.setup.init.study_text",
    "consent.setup.init.begin",
    "consent.setup.exceptions",
    "consent.setup.exceptions.worklist",
    "consent.setup.exceptions.redcap_logic",
    "consent.setup.exceptions.rule_cells",
    "consent.setup.exceptions.consent_conditions",
    "consent.setup.exceptions.record_conditions",
    "consent.setup.exceptions.quality_rules",
    "consent.setup.exceptions.finding",
    "consent.setup.exceptions.output",
    "consent.setup.parser",
    "consent.setup.verbs",
    "consent.cli_parser",
    "consent.cli",
    "consent.__main__",
]
PURE = [
    "consent.errors",
    "consent.file_names",
    "consent.day_words",
    "consent.toml_table",
    "consent.study",
    "consent.study_words",
    "consent.study_file",
    "consent.counting_rules",
    "consent.period",
    "consent.optional_definitions",
    "consent.definitions",
    "consent.redcap.refusals",
    "consent.redcap.responses",
    "consent.redcap.rows",
    "consent.redcap.dictionary",
    "consent.redcap.fit",
    "consent.redcap.export_plan",
    "consent.cells",
    "consent.consents",
    "consent.riders",
    "consent.sites",
    "consent.withdrawals",
    "consent.participants",
    "consent.tally",
    "consent.summary_parts",
    "consent.recruitment",
    "consent.summary",
    "consent.headline",
    "consent.reports",
    "consent.reports.report_file",
    "consent.reports.words",
    "consent.reports.small_counts",
    "consent.reports.shared_rows",
    "consent.reports.chart_words",
    "consent.reports.colours",
    "consent.reports.charts",
    "consent.reports.workbook_values",
    "consent.reports.workbook_summary",
    "consent.reports.workbook_sheets",
    "consent.reports.workbook_measures",
    "consent.reports.workbook_cells",
    "consent.reports.workbook_charts",
    "consent.reports.workbook",
    "consent.reports.pdf_section",
    "consent.reports.pdf_optional",
    "consent.reports.pdf_content",
    "consent.reports.pdf",
    "consent.reports.csv_table",
    "consent.reports.json_document",
    "consent.report_set",
    "consent.ledger",
    "consent.kept_counts",
    "consent.ledger_rows",
    "consent.ledger_listing",
    "consent.failures",
    "consent.due",
    "consent.run_words",
    "consent.guard",
    "consent.changes",
    "consent.reports.page_numbers",
    "consent.reports.page",
    "consent.delivery",
    "consent.history",
    "consent.http_api",
    "consent.setup.compare.old_report",
    "consent.setup.compare.old_pipeline",
    "consent.setup.compare.columns",
    "consent.setup.compare.explanation",
    "consent.setup.compare.comparison",
    "consent.setup.compare.words",
    "consent.setup.compare.document",
    "consent.setup.check.advice",
    "consent.setup.check.findings",
    "consent.setup.check.notes",
    "consent.setup.check.dictionary",
    "consent.setup.project_description",
    "consent.setup.init.candidates",
    "consent.setup.init.study_text",
    "consent.setup.exceptions.worklist",
    "consent.setup.exceptions.redcap_logic",
    "consent.setup.exceptions.rule_cells",
    "consent.setup.exceptions.consent_conditions",
    "consent.setup.exceptions.record_conditions",
    "consent.setup.exceptions.quality_rules",
]
OUTSIDE_WORLD = {
    "requests",
    "dropbox",
    "azure",
    "socket",
    "http",
    "urllib3",
    "os",
    "pathlib",
    "time",
    "random",
    "subprocess",
}
CLOCK_AND_FILE_CALLS = {"now", "today", "utcnow", "open", "getenv"}
HEAVY = {"pandas", "numpy", "dropbox", "matplotlib", "requests", "azure", "rich", "dotenv"}
LIGHT = [
    "consent",
    "consent.claim",
    "consent.doors",
    "consent.due",
    "consent.errors",
    "consent.execution",
    "consent.failures",
    "consent.heartbeat",
    "consent.history",
    "consent.http_api",
    "consent.ledger",
    "consent.ledgers",
    "consent.on_time",
    "consent.overview",
    "consent.queueing",
    "consent.reports",
    "consent.reports.page",
    "consent.reports.page_numbers",
    "consent.run_log",
    "consent.run_words",
    "consent.known_studies",
    "consent.services",
    "consent.settings",
    "consent.sqlite_ledger",
    "consent.study",
    "consent.study_file",
    "consent.table_ledger",
]


def modules_of(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    paths = sorted((ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(path: Path, *, at_top_only: bool = False) -> set[str]:
    """The modules that a file imports (not what it needs for type checking only)."""
    tree = tree_of(path)
    for_types = {inner for node in ast.walk(tree) if _is_type_checking(node) for inner in ast.walk(node)}
    nodes = tree.body if at_top_only else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def attributes_of(path: Path) -> set[str]:
    """Every ``name.attribute`` that a file uses."""
    return {ast.unparse(node) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)}


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


MODULES = modules_of("consent")


def test_every_module_has_its_place_in_the_flow() -> None:
    assert set(MODULES) == set(FLOW)


@pytest.mark.parametrize("module", FLOW)
def test_imports_go_one_way(module: str) -> None:
    imported = imports_of(MODULES[module]) & set(MODULES)
    upstream = set(FLOW[: FLOW.index(module)])
    assert imported - {module} <= upstream


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_reaches_for_nothing_outside(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports_of(MODULES[module])}
    assert not tops & OUTSIDE_WORLD


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_imports_only_pure_ones(module: str) -> None:
    imported = imports_of(MODULES[module]) & set(MODULES)
    assert imported <= {*PURE, "consent", "consent.redcap"}


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_reads_no_clock_and_opens_no_file(module: str) -> None:
    calls = [node.func for node in ast.walk(tree_of(MODULES[module])) if isinstance(node, ast.Call)]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    assert not names & CLOCK_AND_FILE_CALLS


@pytest.mark.parametrize("module", LIGHT)
def test_what_the_function_app_imports_is_light(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports_of(MODULES[module], at_top_only=True)}
    assert not tops & HEAVY


@pytest.mark.parametrize("path", modules_of("sandbox").values(), ids=lambda path: path.stem)
def test_the_sandbox_imports_nothing_from_the_product(path: Path) -> None:
    assert not {name for name in imports_of(path) if name.partition(".")[0] == "consent"}


def test_only_what_a_person_starts_imports_the_sandbox_and_not_at_the_top() -> None:
    users = {name for name, path in MODULES.items() if any(i.startswith("sandbox") for i in imports_of(path))}
    at_top = {
        name
        for name, path in MODULES.items()
        if any(i.startswith("sandbox") for i in imports_of(path, at_top_only=True))
    }
    assert (users, at_top) == ({"consent.cli", "consent.serve"}, set())


def test_only_settings_reads_the_environment() -> None:
    readers = {name for name, path in MODULES.items() if {"os.environ", "os.getenv"} & attributes_of(path)}
    assert readers == {"consent.settings"}


@pytest.mark.parametrize("path", [*MODULES.values(), ROOT / "function_app.py"], ids=lambda path: path.stem)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))


@pytest.mark.parametrize("path", MODULES.values(), ids=lambda path: path.stem)
def test_every_public_function_and_class_says_what_it_does(path: Path) -> None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [node for node in tree_of(path).body if isinstance(node, kinds) and not node.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def test_there_is_no_name_for_things_without_an_owner() -> None:
    vague = {"utils", "helpers", "common", "manager", "misc"}
    assert not vague & {name.rpartition(".")[2] for name in [*MODULES, *modules_of("sandbox")]}


def test_secrets_are_revealed_in_few_places() -> None:
    revealing = {name for name, path in MODULES.items() if any(a.endswith(".reveal") for a in attributes_of(path))}
    senders = {"consent.redcap.client", "consent.dropbox_folder", "consent.table_service"}
    signing_in = {"consent.setup.login.grant", "consent.setup.login.keeping", "consent.setup.login.settable_vault"}
    assert revealing == {"consent.credentials", *senders, *signing_in}


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    assert not {name.rpartition(".")[2] for name in MODULES} & set(sys.stdlib_module_names) - {"__main__"}
