"""The three paths that must work on any machine: the demo, a delivery to Dropbox, a timer under Azure's own runtime."""

import csv
import json
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consent.config.settings import Settings
from consent.runs.ledger.store import open_ledger
from sandbox.azurite import Azurite
from sandbox.demo import demo_world
from tests.support.functions_runtime import deployed_copy, running_app

TITLE = "OBRI Consent Summary"
DELIVERED = {f"{TITLE}.csv", f"{TITLE}.xlsx", f"{TITLE}.pdf", f"data/{TITLE}.json", f"data/{TITLE}.manifest.json"}


def consent(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does."""
    command = [sys.executable, "-m", "consent", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=120)


def test_the_demo_leaves_a_whole_report_whose_files_agree(tmp_path: Path) -> None:
    done = consent("demo", "--participants", "200", "--output", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} >= DELIVERED
    document = json.loads((tmp_path / "data" / f"{TITLE}.json").read_text(encoding="utf-8"))
    *weeks, total = csv.DictReader((tmp_path / f"{TITLE}.csv").read_text(encoding="utf-8").splitlines())
    consented = document["participants"]["consented"]
    assert document["participants"]["total"] == 200
    assert 0 < consented == int(total["consent"]) == sum(int(week["consent"]) for week in weeks)


def test_a_run_delivers_through_the_dropbox_library_and_the_next_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with demo_world(50, today=datetime.now(UTC).date()) as world:
        for name, value in world.settings.items():
            monkeypatch.setenv(name, value)
        (tmp_path / ".env").write_text(f"CONSENT_LEDGER='{tmp_path / 'runs.sqlite'}'\n", encoding="utf-8")
        outcomes = [consent("run", "--settings", str(tmp_path), "--json") for _ in range(2)]
        files = world.account.files()

    assert [json.loads(done.stdout)["state"] for done in outcomes] == ["delivered", "unchanged"]
    assert {path.removeprefix("/") for path in files if not path.startswith("/Archive/")} == DELIVERED


@pytest.mark.runtime
def test_a_timer_queues_a_run_whose_end_is_recorded_in_the_table(azurite: Azurite, tmp_path: Path) -> None:
    storage = {"AzureWebJobsStorage": azurite.connection_string}
    with (
        demo_world(50, today=datetime.now(UTC).date()) as world,
        running_app(deployed_copy(tmp_path / "app"), {**world.settings, **storage}) as app,
    ):
        (message,) = app.fire_timer("monday").outputs["messages"]
        failure = app.deliver("execute_run", message).failure
        delivered = {path.removeprefix("/") for path in world.account.files()}
    with closing(open_ledger(Settings(storage), default="table")) as ledger:
        record = ledger.read(json.loads(message)["run_id"])

    assert failure is None
    assert record is not None
    assert record.state == "delivered"
    assert delivered >= DELIVERED
