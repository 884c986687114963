"""The command line as a person meets it: verbs, exit status, what is printed where."""

import io
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from consent.cli.console import Screen, closing_sentence
from consent.cli.main import main
from consent.config.settings import read_settings
from consent.dates import utc_now
from consent.delivery.local_folder import LocalFolder
from consent.runs.ledger.record import LeaseRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.on_demand import run_now
from consent.runs.pipeline import RunResult, summarise_file
from consent.runs.progress import NoProgress
from consent.runs.request import RunRequest
from consent.studies.catalog import choose_study, load_studies
from consent.studies.model import StudyConfig
from sandbox.demo import DemoWorld, demo_world
from tests.support.builders import CONSENT, STUDY, a_study

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
    from tests.support.builders import RIDER

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
    """Have the settings in a folder lead to a world, and to a record of runs beside them."""
    values = {**world.settings, "CONSENT_LEDGER": str(folder / "runs.sqlite")}
    settings = {"IsEncrypted": False, "Values": values}
    (folder / "local.settings.json").write_text(json.dumps(settings), encoding="utf-8")


def delivered_before(folder: Path, participants: int) -> None:
    """Deliver a report of a registry of this size, somewhere else, and record it."""
    with demo_world(participants, today=date(2026, 11, 16)) as world:
        use(world, folder)
        assert main(["run", "--settings", str(folder), "--as-of", "2026-11-16"]) == 0


class Impatient(NoProgress):
    """Somebody who presses Ctrl-C when the delivery begins."""

    def stage(self, what: str) -> None:
        if what == "Delivering":
            raise KeyboardInterrupt(what)


def a_result(export: Path, study: StudyConfig | None = None) -> RunResult:
    """What ``summarise`` found in the export."""
    folder = LocalFolder(export.parent / "out")
    return summarise_file(
        export, study or a_study(), folder, place="folder out", now=utc_now(), as_of=date(2023, 10, 1)
    )


def shown(result: RunResult, *, width: int = 80) -> str:
    """What the screen prints of a result, without a terminal."""
    out = io.StringIO()
    plain = Console(file=out, width=width, highlight=False, markup=False, emoji=False)
    Screen(plain, Console(file=io.StringIO())).report(result)
    return out.getvalue()


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
    assert "completeness not checked" in capsys.readouterr().out


def test_summarise_again_replaces_the_report_even_by_an_older_one(
    export: Path, study_file: Path, tmp_path: Path
) -> None:
    arguments = ["summarise", str(export), "--study", str(study_file), "--output", str(tmp_path / "report")]
    main([*arguments, "--as-of", "2023-10-01"])
    main([*arguments, "--as-of", "2023-09-24"])
    report = json.loads((tmp_path / "report/data/OBRI Consent Summary.json").read_text(encoding="utf-8"))
    assert report["cutoff"] == "2023-09-24"


def test_run_does_the_whole_job_with_settings_from_a_folder(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16", "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["state"], outcome["cutoff"], outcome["participants"]) == ("delivered", "2026-11-16", 60)
    assert {stored["path"] for stored in outcome["files"]} <= set(world.account.files())


def test_run_to_a_folder_delivers_there(world: DemoWorld, tmp_path: Path) -> None:
    assert main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16", "--to", str(tmp_path / "out")]) == 0
    assert "OBRI Consent Summary.csv" in {path.name for path in (tmp_path / "out").iterdir()} | {
        path.name for path in (tmp_path / "out").rglob("*.csv")
    }
    assert world.account.files() == {}


def test_a_dry_run_lists_what_it_would_do(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--settings", str(tmp_path), "--dry-run"]) == 0
    assert "add     /OBRI Consent Summary.csv" in capsys.readouterr().out
    assert world.account.files() == {}


def test_a_run_is_recorded_with_what_came_of_it(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16"])
    capsys.readouterr()
    assert main(["runs", "--settings", str(tmp_path), "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["trigger"], run["state"], run["study"]) == ("command line", "delivered", "obri-ibd")
    assert (run["as_of"], run["cutoff"], run["sandbox"]) == ("2026-11-16", "2026-11-16", True)
    assert {stored["path"] for stored in run["files"]} <= set(world.account.files())


def test_the_history_is_newest_first(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16"])
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16"])
    capsys.readouterr()
    main(["runs", "--settings", str(tmp_path), "--json"])
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == ["unchanged", "delivered"]


def test_the_history_stops_where_it_is_told_to(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16"])
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16"])
    capsys.readouterr()
    main(["runs", "--settings", str(tmp_path), "--limit", "1", "--json"])
    assert [run["state"] for run in json.loads(capsys.readouterr().out)] == ["unchanged"]


def test_the_history_of_no_run_says_so_and_where_it_looked(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "--settings", str(tmp_path)]) == 0
    assert f"No run is recorded in {tmp_path / 'runs.sqlite'}" in " ".join(capsys.readouterr().out.split())


def test_the_history_of_a_study_that_is_none_is_a_usage_error(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", "--settings", str(tmp_path), "--study", "luna"]) == 2
    assert "no study 'luna'" in capsys.readouterr().err


def test_a_dry_run_records_nothing(world: DemoWorld, tmp_path: Path, ledger: SqliteLedger) -> None:
    main(["run", "--settings", str(tmp_path), "--dry-run"])
    assert ledger.runs() == []


def test_a_run_to_a_folder_does_without_the_record_of_runs(world: DemoWorld, tmp_path: Path) -> None:
    main(["run", "--settings", str(tmp_path), "--to", str(tmp_path / "out")])
    assert not (tmp_path / "runs.sqlite").exists()


def test_a_run_to_a_folder_is_not_called_the_first_report(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "--settings", str(tmp_path), "--to", str(tmp_path / "out"), "--json"])
    assert json.loads(capsys.readouterr().out)["remarks"] == []


def test_a_run_while_another_is_at_work_is_told_so_and_leaves_no_trace(
    world: DemoWorld, tmp_path: Path, ledger: SqliteLedger, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.put_lease(LeaseRecord("obri-ibd", "obri-ibd.other", 1, "somebody", utc_now() + timedelta(minutes=9)))
    assert main(["run", "--settings", str(tmp_path)]) == 1
    assert "Another run of 'obri-ibd' is at work" in " ".join(capsys.readouterr().err.split())
    assert (ledger.runs(), world.account.files()) == ([], {})


def test_a_day_that_cannot_be_reported_leaves_no_record(world: DemoWorld, tmp_path: Path, ledger: SqliteLedger) -> None:
    main(["run", "--settings", str(tmp_path), "--as-of", "2999-01-01"])
    assert ledger.runs() == []


def test_the_first_report_gives_the_total_to_compare_with_redcap(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16"])
    notes = capsys.readouterr().out.partition("Note: ")[2]
    assert "60 records" in " ".join(notes.split())


def test_remarks_are_told_to_scripts_too(world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16", "--json"])
    assert "60 records" in " ".join(json.loads(capsys.readouterr().out)["remarks"])


@pytest.mark.parametrize("how", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_a_report_that_shrank_is_refused_with_both_numbers(
    how: list[str], world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivered_before(tmp_path, 90)
    use(world, tmp_path)
    capsys.readouterr()
    assert main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16", *how]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert all(part in said for part in (" 90 ", " 60 ", "--accept-drop"))
    assert world.account.files() == {}


def test_a_refused_report_stands_in_the_history_in_words(
    world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    delivered_before(tmp_path, 90)
    use(world, tmp_path)
    main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16"])
    capsys.readouterr()
    main(["runs", "--settings", str(tmp_path)])
    assert "refused much lower than" in " ".join(capsys.readouterr().out.split())


def test_a_fall_that_a_person_accepts_is_delivered(world: DemoWorld, tmp_path: Path) -> None:
    delivered_before(tmp_path, 90)
    use(world, tmp_path)
    assert main(["run", "--settings", str(tmp_path), "--as-of", "2026-11-16", "--accept-drop"]) == 0
    assert world.account.files() != {}


def test_a_run_that_is_stopped_lets_the_next_one_begin_and_says_what_became_of_it(
    world: DemoWorld, tmp_path: Path, ledger: SqliteLedger
) -> None:
    settings = read_settings(directory=tmp_path)
    study = choose_study(load_studies(settings), None)
    with pytest.raises(KeyboardInterrupt, match="Delivering"):
        run_now(study, settings, RunRequest(as_of=date(2026, 11, 16)), Impatient())
    (record,) = ledger.runs()
    assert (record.state, record.reason, ledger.lease_of("obri-ibd")) == ("failed", "stopped", None)


def test_serve_names_what_it_needs_and_ends_with_two(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["serve", "--demo"]) == 2
    assert "needs" in capsys.readouterr().err.lower()


def test_demo_leaves_the_delivered_set_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--participants", "40", "--output", str(tmp_path / "demo")]) == 0
    found = {
        path.relative_to(tmp_path / "demo").as_posix() for path in (tmp_path / "demo").rglob("*.*") if path.is_file()
    }
    assert {"OBRI Consent Summary.csv", "data/OBRI Consent Summary.manifest.json"} <= found
    assert "delivered to Dropbox folder / (sandbox)" in " ".join(capsys.readouterr().out.split())


class Viewer:
    """Stands in for the program that shows a file to a person; ``takes`` says whether there is one."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.shown: list[Path] = []

    def __call__(self, path: Path) -> bool:
        self.shown.append(path)
        return self.takes


def test_demo_shows_the_pdf_when_asked_to(tmp_path: Path) -> None:
    viewer = Viewer()
    assert main(["demo", "--participants", "5", "--output", str(tmp_path), "--open"], viewer) == 0
    assert viewer.shown == [tmp_path / "OBRI Consent Summary.pdf"]
    assert viewer.shown[0].read_bytes().startswith(b"%PDF")


def test_demo_shows_nothing_by_itself(tmp_path: Path) -> None:
    viewer = Viewer()
    main(["demo", "--participants", "5", "--output", str(tmp_path)], viewer)
    assert viewer.shown == []


def test_demo_says_where_the_pdf_is_when_nothing_can_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--participants", "5", "--output", str(tmp_path), "--open"], Viewer(takes=False)) == 0
    assert "OBRI Consent Summary.pdf. Open it manually." in " ".join(capsys.readouterr().err.split())


def test_demo_never_overwrites_a_real_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "data" / "OBRI Consent Summary.manifest.json"
    manifest.parent.mkdir()
    manifest.write_text('{"sandbox": false}', encoding="utf-8")
    assert main(["demo", "--participants", "5", "--output", str(tmp_path)]) == 1
    assert "holds a real report" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("decision", "day"), [("Yes", "2023-09-12"), ("1", "12/09/2023")], ids=["labels", "dates saved by Excel"]
)
def test_a_file_that_was_reworked_is_not_reported_as_nobody_consented(
    decision: str, day: str, study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "reworked.csv"
    export.write_text(
        f"record_id,consent_date,consent_obtained,rider_a\n1,{day},{decision},1\n2,,,\n", encoding="utf-8"
    )
    assert main(["summarise", str(export), "--study", str(study_file), "--output", str(tmp_path / "out")]) == 1
    assert "none of its decisions and dates" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_fault_in_the_program_is_shown_by_its_place_and_not_in_its_own_words(
    export: Path, study_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise KeyError("record " + "42".zfill(6))

    monkeypatch.setattr("consent.redcap.csv_export.csv.reader", broken)
    assert main(["summarise", str(export), "--study", str(study_file)]) == 1
    said = capsys.readouterr().err
    assert "KeyError" in said
    assert "000042" not in said


def test_square_brackets_in_a_study_file_are_shown_as_they_are(export: Path) -> None:
    apart = '[[leave_out]]\nreason = "test [old]"\nid_pattern = "X.*"\n'
    assert "test [old]" in shown(a_result(export, a_study(more=apart)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--as-of", "16/11/2026"], "2026-11-16"),
        (["run", "--as-of", "20261116"], "2026-11-16"),
        (["run", "--as-of", "2026-W47-1"], "2026-11-16"),
        (["demo", "--participants", "0"], "at least 1"),
        (["demo", "--participants", "1,000"], "at least 1"),
        (["runs", "--limit", "0"], "at least 1"),
        (["serve", "--port", "70710"], "from 1 to 65535"),
        (["frobnicate"], "invalid choice"),
        ([], "COMMAND"),
    ],
)
def test_a_command_that_is_not_understood_ends_with_two(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--study", "luna"], "no study 'luna'"), (["--as-of", "2999-01-01"], "is in the future")],
)
def test_a_study_or_day_that_cannot_be_is_a_usage_error(
    arguments: list[str], said: str, world: DemoWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--settings", str(tmp_path), *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_missing_settings_are_all_named_and_the_status_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {}}', encoding="utf-8")
    assert main(["run", "--settings", str(tmp_path)]) == 1
    complained = capsys.readouterr().err
    assert all(name in complained for name in ("REDCAP_API_URL", "REDCAP_ACCESS_TOKEN", "DROPBOX_KEY"))


def test_a_failed_run_tells_a_script_so_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarise", "nowhere.csv", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["error"]["code"]) == ("failed", "configuration")
    assert "nowhere.csv" in told["error"]["what"]


def test_a_file_that_does_not_exist_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarise", "nowhere.csv"]) == 1
    assert "cannot be opened" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["demo", "run", "runs", "summarise"])
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([verb, "--help"])
    assert "--json" in capsys.readouterr().out


def test_results_go_to_stdout_and_progress_to_stderr(
    export: Path, study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["summarise", str(export), "--study", str(study_file), "--output", str(tmp_path / "out"), "--json"])
    printed = capsys.readouterr()
    assert json.loads(printed.out)["state"] == "written"
    assert "Counting the file" in printed.err


def test_the_headline_comes_first_on_the_screen(export: Path) -> None:
    lines = shown(a_result(export)).splitlines()
    assert lines[1].startswith("OBRI Consent Summary, as of 1 Oct 2023 (exported ")
    assert lines[3:5] == [
        "0 new consents in the week of 25 Sep–1 Oct (1 the week before).",
        "2 people have consented; 2 are still taking part.",
    ]


def test_the_demo_is_the_first_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo", "--participants", "5", "--output", str(tmp_path)])
    assert "This is the first report." in capsys.readouterr().out


def test_the_screen_fits_eighty_columns(export: Path) -> None:
    riders = "".join(
        f'[[riders]]\nkey = "rider {letter}"\nfield = "rider_a"\nagreed = ["1"]\n' for letter in "abcdefgh"
    )
    lines = shown(a_result(export, a_study(riders=riders))).splitlines()
    assert max(map(len, lines[:-1])) <= 80  # the last is one sentence, on one line where no terminal is
    assert any("rider" in line for line in lines)


def test_riders_that_do_not_fit_are_left_out_of_the_weeks(export: Path) -> None:
    riders = "".join(f'[[riders]]\nkey = "rider {n}"\nfield = "rider_a"\nagreed = ["1"]\n' for n in range(20))
    lines = shown(a_result(export, a_study(riders=riders))).splitlines()
    assert max(map(len, lines[:-1])) <= 80


def test_a_no_that_has_no_code_is_not_reported_as_nobody(export: Path) -> None:
    riders = "".join(f'[[riders]]\nkey = "rider {n}"\nfield = "rider_a"\nagreed = ["1"]\n' for n in range(20))
    assert shown(a_result(export, a_study(riders=riders))).count("declined not recorded, not answered") == 20


def test_the_quality_codes_are_shown_by_count(export: Path) -> None:
    assert "unreadable_date" in shown(a_result(export))


def test_the_closing_sentence_says_what_a_person_wants_to_know(export: Path) -> None:
    assert closing_sentence(a_result(export)).startswith(
        "OBRI Consent Summary, as of 1 Oct 2023: 2 consented (0 in the week 25 Sep–1 Oct 2023); 5 files written to "
    )


def test_nothing_is_coloured_where_no_terminal_is(export: Path) -> None:
    assert "\x1b[" not in shown(a_result(export))


def test_no_color_is_honoured_in_a_terminal(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    Screen(Console(file=out, force_terminal=True, width=80), Console(file=io.StringIO())).problem("x")
    Screen(Console(file=out, force_terminal=True, width=80), Console(file=io.StringIO())).report(a_result(export))
    assert "\x1b[31" not in out.getvalue()
