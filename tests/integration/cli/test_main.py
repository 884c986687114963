"""Tests of the command line: commands, exit status, and what is printed where."""

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from consent.cli.command_line import program, with_commands
from consent.cli.main import main
from consent.cli.parser import EXAMPLES
from consent.config.settings import read_settings
from consent.dates import utc_now
from consent.runs.ledger.record import LeaseRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.on_demand import run_now
from consent.runs.progress import Progress
from consent.runs.request import RunRequest
from consent.studies.catalog import choose_study, load_studies
from sandbox.demo import DemoWorld, demo_world
from tests.support.builders import CONSENT, RIDER, STUDY

AS_OF = ["--as-of", "2026-11-16"]
EXPORT = (
    "record_id,consent_date,consent_obtained,rider_a\n"
    "001,2023-09-12,1,1\n"
    "1,2023-09-20,1,0\n"
    "2,spring,1,\n"
    "3,Consent not completed,0,\n"
)


@pytest.fixture(name="export")
def _export(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_text(EXPORT, encoding="utf-8")
    return path


@pytest.fixture(name="study_file")
def _study_file(tmp_path: Path) -> Path:
    path = tmp_path / "a-study.toml"
    path.write_text(STUDY + CONSENT + RIDER, encoding="utf-8")
    return path


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[DemoWorld]:
    with demo_world(60, today=date(2026, 11, 16)) as world:
        use(world, tmp_path)
        yield world


@pytest.fixture(name="ledger")
def _ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    with closing(SqliteLedger(tmp_path / "runs.sqlite")) as ledger:
        yield ledger


def use(world: DemoWorld, folder: Path) -> None:
    """Write the settings of a world, and of a run history beside them, to a folder."""
    values = {**world.settings, "CONSENT_LEDGER": str(folder / "runs.sqlite")}
    settings = {"IsEncrypted": False, "Values": values}
    (folder / "local.settings.json").write_text(json.dumps(settings), encoding="utf-8")


def deliver_before(folder: Path, world: DemoWorld, participants: int) -> None:
    """Deliver a report of so many participants to another Dropbox, record it, and return to the world's settings."""
    with demo_world(participants, today=date(2026, 11, 16)) as earlier:
        use(earlier, folder)
        assert main(["run", "--settings", str(folder), *AS_OF]) == 0
    use(world, folder)


def words(text: str) -> str:
    """The text on one line."""
    return " ".join(text.split())


# --- summarise


def test_summarise_writes_the_report_and_says_what_it_is(
    export: Path, study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "report"
    status = main(
        ["summarise", str(export), "--study", str(study_file), "--as-of", "2023-10-01", "--output", str(output)]
    )
    assert status == 0
    assert (output / "OBRI Consent Summary.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "2023-09-11 - 2023-09-17,1,1",
        "2023-09-18 - 2023-09-24,1,0",
        "2023-09-25 - 2023-10-01,0,0",
        "Total,2,1",
    ]
    printed = capsys.readouterr()
    assert ("completeness not checked" in printed.out, "Counting the file" in printed.err) == (True, True)


def test_an_old_file_with_other_dates_is_remarked_on(
    export: Path, study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["summarise", str(export), "--study", str(study_file), "--output", str(tmp_path / "report"), "--json"]
    main(arguments)
    assert json.loads(capsys.readouterr().out)["remarks"] == []

    with export.open("a", encoding="utf-8") as file:
        file.writelines(f"{n},9/12/2023,1,1\n" for n in range(100, 106))
    os.utime(export, (1_700_000_000, 1_700_000_000))
    main(arguments)
    unreadable, old = json.loads(capsys.readouterr().out)["remarks"]
    assert ("dates of consent cannot be read" in unreadable, "--as-of 2023-11-1" in old) == (True, True)

    main([*arguments, "--as-of", "2023-10-01"])
    assert json.loads(capsys.readouterr().out)["remarks"] == [unreadable]


def test_summarise_again_replaces_the_report_even_by_an_older_one(
    export: Path, study_file: Path, tmp_path: Path
) -> None:
    arguments = ["summarise", str(export), "--study", str(study_file), "--output", str(tmp_path / "report")]
    main([*arguments, "--as-of", "2023-10-01"])
    main([*arguments, "--as-of", "2023-09-24"])
    report = json.loads((tmp_path / "report/data/OBRI Consent Summary.json").read_text(encoding="utf-8"))
    assert report["cutoff"] == "2023-09-24"


@pytest.mark.parametrize(
    ("decision", "day"), [("Yes", "2023-09-12"), ("1", "12/09/2023")], ids=["labels", "dates saved by Excel"]
)
def test_an_edited_export_is_not_reported_as_nobody_consented(
    decision: str, day: str, study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "edited.csv"
    export.write_text(
        f"record_id,consent_date,consent_obtained,rider_a\n1,{day},{decision},1\n2,,,\n", encoding="utf-8"
    )
    arguments = ["summarise", str(export), "--study", str(study_file), "--output", str(tmp_path / "out"), "--json"]
    assert main(arguments) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "source-data"
    assert not (tmp_path / "out").exists()


# --- run


def test_run_does_the_whole_job_with_settings_from_a_folder(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--settings", str(tmp_path), *AS_OF, "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["state"], outcome["cutoff"], outcome["participants"]) == ("delivered", "2026-11-16", 60)
    assert {stored["path"] for stored in outcome["files"]} <= set(world.account.files())
    assert "60 records" in words(" ".join(outcome["remarks"]))


def test_run_to_a_folder_delivers_there(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--settings", str(tmp_path), *AS_OF, "--to", str(tmp_path / "out"), "--json"]) == 0
    assert list((tmp_path / "out").rglob("OBRI Consent Summary.csv"))
    (remark,) = json.loads(capsys.readouterr().out)["remarks"]
    assert remark.startswith("Not compared: the run history has no earlier report of this study.")
    assert (world.account.files(), (tmp_path / "runs.sqlite").exists()) == ({}, False)


def test_a_dry_run_lists_what_it_would_do(
    world: DemoWorld, tmp_path: Path, ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--settings", str(tmp_path), "--dry-run"]) == 0
    assert "add     /OBRI Consent Summary.csv" in capsys.readouterr().out
    assert (world.account.files(), ledger.runs()) == ({}, [])


def test_a_run_beside_another_fails_and_leaves_no_trace(
    world: DemoWorld, tmp_path: Path, ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.put_lease(LeaseRecord("obri-ibd", "obri-ibd.other", 1, "somebody", utc_now() + timedelta(minutes=9)))
    assert main(["run", "--settings", str(tmp_path)]) == 1
    assert "Another run of 'obri-ibd' is in progress" in words(capsys.readouterr().err)
    assert (ledger.runs(), world.account.files()) == ([], {})


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--to", "out"]], ids=["run", "dry run", "to a folder"])
def test_a_report_that_shrank_is_refused_with_both_numbers(
    options: list[str],
    world: DemoWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deliver_before(tmp_path, world, 90)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert main(["run", "--settings", str(tmp_path), *AS_OF, *options]) == 1
    message = words(capsys.readouterr().err)
    assert all(part in message for part in (" 90 ", " 60 ", "--accept-drop"))
    assert (world.account.files(), (tmp_path / "out").exists()) == ({}, False)


def test_a_drop_that_a_person_accepts_is_delivered(world: DemoWorld, tmp_path: Path, ledger: SqliteLedger) -> None:
    deliver_before(tmp_path, world, 90)
    to_folder = ["--accept-drop", "--to", str(tmp_path / "out")]
    runs = [main(["run", "--settings", str(tmp_path), *AS_OF, *more]) for more in (to_folder, ["--accept-drop"], [])]
    assert (runs, [run.accept_drop for run in ledger.runs()]) == ([0, 0, 0], [False, True, False])
    assert world.account.files() != {}


class Interrupting(Progress):
    """Presses Ctrl-C when the delivery starts."""

    def stage(self, what: str) -> None:
        if what == "Delivering":
            raise KeyboardInterrupt(what)


def test_an_interrupted_run_releases_the_study_and_is_recorded(
    world: DemoWorld, tmp_path: Path, ledger: SqliteLedger
) -> None:
    settings = read_settings(directory=tmp_path)
    study = choose_study(load_studies(settings), None)
    with pytest.raises(KeyboardInterrupt, match="Delivering"):
        run_now(study, settings, RunRequest(as_of=date(2026, 11, 16)), Interrupting())
    (record,) = ledger.runs()
    assert (record.state, record.reason, ledger.lease_of("obri-ibd")) == ("failed", "stopped", None)


# --- runs


def test_the_history_is_newest_first(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--settings", str(tmp_path), *AS_OF])
    main(["run", "--settings", str(tmp_path), *AS_OF])
    capsys.readouterr()
    main(["runs", "--settings", str(tmp_path), "--json"])
    latest, first = json.loads(capsys.readouterr().out)
    assert (latest["state"], first["state"], first["trigger"]) == ("unchanged", "delivered", "command line")
    assert (first["as_of"], first["cutoff"], first["sandbox"]) == ("2026-11-16", "2026-11-16", True)
    assert {stored["path"] for stored in first["files"]} <= set(world.account.files())
    main(["runs", "--settings", str(tmp_path), "--limit", "1", "--json"])
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == ["unchanged"]


def test_an_empty_history_names_its_place(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--settings", str(tmp_path)]) == 0
    assert f"No run is recorded in the file {tmp_path / 'runs.sqlite'}" in words(capsys.readouterr().out)


def test_a_refused_report_is_explained_in_the_history(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver_before(tmp_path, world, 90)
    main(["run", "--settings", str(tmp_path), *AS_OF])
    capsys.readouterr()
    main(["runs", "--settings", str(tmp_path)])
    history = words(capsys.readouterr().out)
    (command,) = re.findall(r"'uv run consent (run [^']+)'", history)
    assert ("Much lower than" in history, main([*shlex.split(command), *AS_OF])) == (True, 0)


# --- demo and serve


def test_demo_leaves_the_delivered_set_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["demo", "--participants", "40", "--output", str(tmp_path / "demo")]
    assert main(arguments, lambda path: pytest.fail(f"{path} was opened")) == 0
    found = {
        path.relative_to(tmp_path / "demo").as_posix() for path in (tmp_path / "demo").rglob("*.*") if path.is_file()
    }
    assert {"OBRI Consent Summary.csv", "data/OBRI Consent Summary.manifest.json"} <= found
    printed = words(capsys.readouterr().out)
    assert "delivered to Dropbox folder / (sandbox)" in printed
    assert "This is the first report." in printed


@pytest.mark.parametrize("opens", [True, False])
def test_demo_opens_the_pdf_or_names_it(opens: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def show(path: Path) -> bool:
        assert path.read_bytes().startswith(b"%PDF")
        return opens

    assert main(["demo", "--participants", "5", "--output", str(tmp_path), "--open"], show) == 0
    named = words(f"Could not open {tmp_path / 'OBRI Consent Summary.pdf'}. Open it manually.")
    assert (named in words(capsys.readouterr().err)) is not opens


def test_demo_never_overwrites_a_real_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "data" / "OBRI Consent Summary.manifest.json"
    manifest.parent.mkdir()
    manifest.write_text('{"sandbox": false}', encoding="utf-8")
    assert main(["demo", "--participants", "5", "--output", str(tmp_path)]) == 1
    assert "holds a real report" in capsys.readouterr().err


def test_serve_without_its_programs_ends_with_two(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["serve", "--demo"]) == 2
    assert "needs" in capsys.readouterr().err


# --- errors


def test_an_internal_error_is_shown_by_its_location_and_not_by_its_message(
    export: Path, study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise KeyError("record " + "42".zfill(6))

    monkeypatch.setattr("consent.redcap.csv_export.csv.reader", broken)
    assert main(["summarise", str(export), "--study", str(study_file), "--json"]) == 1
    printed = capsys.readouterr()
    assert ("KeyError" in printed.err, "000042" in f"{printed.out}{printed.err}") == (True, False)
    assert json.loads(printed.out)["error"]["code"] == "internal-error"


def test_an_interrupt_is_a_failure_with_a_next_step(
    export: Path, study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("consent.redcap.csv_export.csv.reader", interrupt)
    assert main(["summarise", str(export), "--study", str(study_file), "--json"]) == 1
    printed = capsys.readouterr()
    assert "Interrupted. Run it again to finish." in printed.err
    assert json.loads(printed.out)["error"]["code"] == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run", "--as-of", "16/11/2026"], "2026-11-16"),
        (["demo", "--participants", "0"], "at least 1"),
        (["demo", "--participants", "1,000"], "at least 1"),
        (["serve", "--port", "70710"], "from 1 to 65535"),
        (["frobnicate"], "invalid choice"),
        (["login", "redcap"], "invalid choice"),
        (["login", "dropbox", "--save-in", "drawer"], "invalid choice"),
        (["review", "--as-of", "2026-11-16", "--as-rules"], "not allowed with"),
        (["chek"], "Did you mean 'check'?"),
        (["run", "--acept-drop"], "Did you mean '--accept-drop'?"),
        (["login", "dropbx"], "Did you mean 'dropbox'?"),
    ],
)
def test_a_wrong_command_line_ends_with_two(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "--study", "luna"], "unknown-study"),
        (["runs", "--study", "luna"], "unknown-study"),
        (["run", "--as-of", "2999-01-01"], "cutoff"),
    ],
)
def test_an_impossible_study_or_day_ends_with_two_and_leaves_no_record(
    arguments: list[str],
    code: str,
    world: DemoWorld,
    tmp_path: Path,
    ledger: SqliteLedger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*arguments, "--settings", str(tmp_path), "--json"]) == 2
    assert (json.loads(capsys.readouterr().out)["error"]["code"], ledger.runs()) == (code, [])


def test_all_missing_settings_are_named_and_the_status_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {}}', encoding="utf-8")
    assert main(["run", "--settings", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert all(name in message for name in ("REDCAP_API_URL", "REDCAP_ACCESS_TOKEN", "DROPBOX_KEY"))
    assert f"'uv run consent login dropbox --settings {tmp_path}'" in words(message)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("numbered.csv --study a-study.toml", "source-data"),
        ("good.csv --study absent.toml", "configuration"),
        ("good.csv --study good.csv", "unknown-study"),
        ("good.csv --study a-study.toml --as-of 2999-01-01", "cutoff"),
        ("good.csv --study a-study.toml --output good.csv", "delivery-refused"),
    ],
)
@pytest.mark.usefixtures("study_file")
def test_every_failure_of_summarise_is_a_document(
    arguments: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    good = "record_id,consent_date,consent_obtained,rider_a\n1,2023-09-12,1,1\n"
    Path("good.csv").write_text(good, encoding="utf-8")
    Path("numbered.csv").write_text("," + good.replace("\n1", "\n1,1"), encoding="utf-8")
    assert main(["summarise", *arguments.split(), "--json"]) != 0
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_a_failure_is_a_document_on_stdout_and_a_message_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarise", "nowhere.csv", "--json"]) == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["state"], document["error"]["code"]) == ("failed", "configuration")
    assert ("nowhere.csv" in document["error"]["what"], "nowhere.csv" in printed.err) == (True, True)


def test_without_a_command_all_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert re.findall(r"^    ([a-z]+)(?: |$)", capsys.readouterr().out, re.MULTILINE) == list(EXAMPLES)


@pytest.mark.parametrize(
    ("text", "settings", "study", "expected"),
    [
        ("Run 'consent check'.", None, None, "Run 'uv run consent check'."),
        ("Run 'consent check'.", Path("trial"), None, "Run 'uv run consent check --settings trial'."),
        (
            "Run 'consent check'.",
            Path("my trial"),
            "a",
            "Run 'uv run consent check --study a --settings \"my trial\"'.",
        ),
        ("Run 'consent check --study b'.", None, "a", "Run 'uv run consent check --study b'."),
        ("Run 'consent login dropbox'.", None, "a", "Run 'uv run consent login dropbox'."),
        ("Run 'consent run --accept-drop'.", None, "a.toml", "Run 'uv run consent run --accept-drop'."),
        ("'consent' is a command.", Path("trial"), None, "'consent' is a command."),
    ],
)
def test_a_command_in_a_message_can_be_pasted(
    text: str, settings: Path | None, study: str | None, expected: str
) -> None:
    assert with_commands(text, settings, study) == expected


def test_a_command_in_a_json_error_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("REDCAP_API_URL=http://127.0.0.1:9/api/\n", encoding="utf-8")
    assert main(["run", "--settings", str(tmp_path), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert f"'uv run consent login dropbox --settings {tmp_path}'" in " ".join(problem["fix"] for problem in problems)


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("consent/__main__.py", f"{sys.executable} -m consent"),
        ("/opt/consent/bin/consent", "/opt/consent/bin/consent"),
        ("C:/my apps/consent.exe", '"C:/my apps/consent.exe"'),
        ("something-else", "consent"),
    ],
)
def test_a_command_is_shown_as_the_program_was_started(
    started: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", [started])
    assert program() == expected


def test_a_program_on_the_path_is_shown_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ("consent.exe" if os.name == "nt" else "consent")
    path.touch(0o755)
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(path)])
    assert program() == "consent"


@pytest.mark.parametrize(
    "command", ["summarise absent/a.csv", "summarise a.csv --study absent/a.toml", "compare absent/a.csv a.csv"]
)
def test_a_folder_that_does_not_exist_is_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(command)) == 1
    assert "the folder absent does not exist" in capsys.readouterr().err
