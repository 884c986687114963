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
    "consent.files",
    "consent.dates",
    "consent.studies.toml_reader",
    "consent.studies.model",
    "consent.reports.definitions",
    "consent.studies.parser",
    "consent.studies.fingerprints",
    "consent.counting.period",
    "consent.reports.definitions",
    "consent.reports.definitions",
    "consent.config.settings",
    "consent.config.checks",
    "consent.config.http_session",
    "consent.config.azure_identity",
    "consent.config.key_vault_errors",
    "consent.config.credentials",
    "consent.runs.ledger.storage_account",
    "consent.redcap",
    "consent.redcap.error_mapping",
    "consent.redcap.responses",
    "consent.redcap.arrivals",
    "consent.redcap.dictionary",
    "consent.redcap.validation",
    "consent.redcap.export_plan",
    "consent.redcap.client",
    "consent.redcap.project",
    "consent.redcap.listing",
    "consent.redcap.export",
    "consent.counting.columns",
    "consent.counting.consents",
    "consent.counting.riders",
    "consent.counting.sites",
    "consent.counting.withdrawals",
    "consent.counting.participants",
    "consent.counting.tally",
    "consent.counting.summary",
    "consent.counting.recruitment",
    "consent.counting.summary",
    "consent.delivery.report_set",
    "consent.runs.ledger.record",
    "consent.runs.changes",
    "consent.runs.due",
    "consent.reports.headline",
    "consent.files",
    "consent.reports.wording",
    "consent.reports.wording",
    "consent.reports.wording",
    "consent.reports.charts",
    "consent.reports.charts",
    "consent.reports.charts",
    "consent.reports.workbook_model",
    "consent.reports.workbook_summary",
    "consent.reports.workbook_sheets",
    "consent.reports.workbook_writer",
    "consent.reports.workbook_writer",
    "consent.reports.workbook_charts",
    "consent.reports.workbook",
    "consent.reports.data_files",
    "consent.reports.data_files",
    "consent.reports.pdf_section",
    "consent.reports.pdf_optional",
    "consent.reports.pdf_content",
    "consent.reports.pdf",
    "consent.reports",
    "consent.errors",
    "consent.runs.log_context",
    "consent.runs.lease",
    "consent.runs.status",
    "consent.runs.plausibility",
    "consent.runs.changes",
    "consent.app.page_model",
    "consent.app.page",
    "consent.delivery.plan",
    "consent.delivery.local_folder",
    "consent.delivery.dropbox_errors",
    "consent.delivery.dropbox_session",
    "consent.delivery.dropbox_folder",
    "consent.redcap.csv_export",
    "consent.runs.ledger.serialization",
    "consent.runs.ledger.queries",
    "consent.runs.ledger.sqlite",
    "consent.runs.ledger.table_client",
    "consent.runs.ledger.table",
    "consent.runs.ledger.store",
    "consent.studies.catalog",
    "consent.runs.services",
    "consent.runs.pipeline",
    "consent.runs.scheduler",
    "consent.runs.worker",
    "consent.runs.due",
    "consent.app.heartbeat",
    "consent.runs.status",
    "consent.app.http_api",
    "consent.app.overview",
    "consent.app.handlers",
    "consent.runs.on_demand",
    "consent.cli.console",
    "consent.cli.console",
    "consent.cli.open_file",
    "consent.cli.serve",
    "consent.setup",
    "consent.cli.dropbox_account",
    "consent.cli.write_test",
    "consent.setup.login",
    "consent.cli.login.settings_files",
    "consent.cli.login.stores",
    "consent.cli.login.stores",
    "consent.cli.login.stores",
    "consent.cli.login.prompts",
    "consent.cli.login.stores",
    "consent.cli.login.sign_in",
    "consent.cli.login.oauth",
    "consent.cli.login.sign_in",
    "consent.cli.login.sign_in",
    "consent.setup.compare",
    "consent.cli.compare.old_pipeline",
    "consent.cli.compare.old_pipeline",
    "consent.cli.compare.reasons",
    "consent.cli.compare.reasons",
    "consent.cli.compare.comparison",
    "consent.cli.compare.output",
    "consent.cli.compare.output",
    "consent.cli.compare.comparison",
    "consent.cli.compare.output",
    "consent.setup.check",
    "consent.cli.check.findings",
    "consent.cli.check.findings",
    "consent.cli.check.findings",
    "consent.cli.check.context",
    "consent.cli.check.clock",
    "consent.cli.check.redcap",
    "consent.cli.check.redcap",
    "consent.cli.check.redcap",
    "consent.cli.check.redcap",
    "consent.cli.check.settings",
    "consent.cli.check.settings",
    "consent.cli.check.ledger",
    "consent.cli.check.dropbox",
    "consent.cli.check.checkup",
    "consent.cli.check.output",
    "consent.redcap.project_description",
    "consent.redcap.project",
    "consent.cli.private_file",
    "consent.setup.init",
    "consent.cli.init.candidates",
    "consent.cli.init.template",
    "consent.cli.init.new_study",
    "consent.setup.exceptions",
    "consent.counting.worklist",
    "consent.cli.exceptions.redcap_logic",
    "consent.cli.exceptions.redcap_logic",
    "consent.cli.exceptions.conditions",
    "consent.cli.exceptions.conditions",
    "consent.cli.exceptions.quality_rules",
    "consent.cli.exceptions.export",
    "consent.cli.exceptions.output",
    "consent.cli.parser",
    "consent.cli.commands",
    "consent.cli.parser",
    "consent.cli.main",
    "consent.__main__",
]
PURE = [
    "consent.errors",
    "consent.files",
    "consent.dates",
    "consent.studies.toml_reader",
    "consent.studies.model",
    "consent.reports.definitions",
    "consent.studies.parser",
    "consent.studies.fingerprints",
    "consent.counting.period",
    "consent.reports.definitions",
    "consent.reports.definitions",
    "consent.redcap.error_mapping",
    "consent.redcap.responses",
    "consent.redcap.arrivals",
    "consent.redcap.dictionary",
    "consent.redcap.validation",
    "consent.redcap.export_plan",
    "consent.counting.columns",
    "consent.counting.consents",
    "consent.counting.riders",
    "consent.counting.sites",
    "consent.counting.withdrawals",
    "consent.counting.participants",
    "consent.counting.tally",
    "consent.counting.summary",
    "consent.counting.recruitment",
    "consent.counting.summary",
    "consent.reports.headline",
    "consent.reports",
    "consent.files",
    "consent.reports.wording",
    "consent.reports.wording",
    "consent.reports.wording",
    "consent.reports.charts",
    "consent.reports.charts",
    "consent.reports.charts",
    "consent.reports.workbook_model",
    "consent.reports.workbook_summary",
    "consent.reports.workbook_sheets",
    "consent.reports.workbook_writer",
    "consent.reports.workbook_writer",
    "consent.reports.workbook_charts",
    "consent.reports.workbook",
    "consent.reports.pdf_section",
    "consent.reports.pdf_optional",
    "consent.reports.pdf_content",
    "consent.reports.pdf",
    "consent.reports.data_files",
    "consent.reports.data_files",
    "consent.delivery.report_set",
    "consent.runs.ledger.record",
    "consent.runs.changes",
    "consent.runs.ledger.serialization",
    "consent.runs.ledger.queries",
    "consent.errors",
    "consent.runs.due",
    "consent.runs.status",
    "consent.runs.plausibility",
    "consent.runs.changes",
    "consent.app.page_model",
    "consent.app.page",
    "consent.delivery.plan",
    "consent.runs.status",
    "consent.app.http_api",
    "consent.cli.compare.old_pipeline",
    "consent.cli.compare.old_pipeline",
    "consent.cli.compare.reasons",
    "consent.cli.compare.reasons",
    "consent.cli.compare.comparison",
    "consent.cli.compare.output",
    "consent.cli.compare.output",
    "consent.cli.check.findings",
    "consent.cli.check.findings",
    "consent.cli.check.findings",
    "consent.cli.check.redcap",
    "consent.redcap.project_description",
    "consent.cli.init.candidates",
    "consent.cli.init.template",
    "consent.counting.worklist",
    "consent.cli.exceptions.redcap_logic",
    "consent.cli.exceptions.redcap_logic",
    "consent.cli.exceptions.conditions",
    "consent.cli.exceptions.conditions",
    "consent.cli.exceptions.quality_rules",
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
    "consent.runs.lease",
    "consent.app.handlers",
    "consent.runs.due",
    "consent.errors",
    "consent.runs.worker",
    "consent.errors",
    "consent.app.heartbeat",
    "consent.runs.status",
    "consent.app.http_api",
    "consent.runs.ledger.record",
    "consent.runs.ledger.store",
    "consent.runs.due",
    "consent.app.overview",
    "consent.runs.scheduler",
    "consent.reports",
    "consent.app.page",
    "consent.app.page_model",
    "consent.runs.log_context",
    "consent.runs.status",
    "consent.studies.catalog",
    "consent.runs.services",
    "consent.config.settings",
    "consent.runs.ledger.sqlite",
    "consent.studies.model",
    "consent.studies.parser",
    "consent.runs.ledger.table",
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
    assert (users, at_top) == ({"consent.cli.main", "consent.cli.serve"}, set())


def test_only_settings_reads_the_environment() -> None:
    readers = {name for name, path in MODULES.items() if {"os.environ", "os.getenv"} & attributes_of(path)}
    assert readers == {"consent.config.settings"}


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
    senders = {"consent.redcap.client", "consent.delivery.dropbox_folder", "consent.runs.ledger.table_client"}
    signing_in = {"consent.cli.login.oauth", "consent.cli.login.stores", "consent.cli.login.stores"}
    assert revealing == {"consent.config.credentials", *senders, *signing_in}


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    assert not {name.rpartition(".")[2] for name in MODULES} & set(sys.stdlib_module_names) - {"__main__"}
