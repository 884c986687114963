"""The command line as a person meets it: verbs, exit status, what is printed where."""

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from rich.console import Console

from consent.cli import main
from consent.local_folder import LocalFolder
from consent.run import RunResult, summarise_file
from consent.screen import Screen, closing_sentence
from consent.services import utc_now
from consent.study import StudyConfig
from sandbox.demo import DemoWorld, demo_world
from tests.builders import CONSENT, STUDY, a_study

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
    from tests.builders import RIDER

    path = tmp_path / "a-study.toml"
    path.write_text(STUDY + CONSENT + RIDER, encoding="utf-8")
    return path


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[DemoWorld]:
    with demo_world(60, today=date(2026, 11, 16)) as world:
        settings = {"IsEncrypted": False, "Values": world.settings}
        (tmp_path / "local.settings.json").write_text(json.dumps(settings), encoding="utf-8")
        yield world


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


def test_demo_leaves_the_delivered_set_in_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--participants", "40", "--output", str(tmp_path / "demo")]) == 0
    found = {
        path.relative_to(tmp_path / "demo").as_posix() for path in (tmp_path / "demo").rglob("*.*") if path.is_file()
    }
    assert {"OBRI Consent Summary.csv", "data/OBRI Consent Summary.manifest.json"} <= found
    assert "delivered to Dropbox folder / (sandbox)" in " ".join(capsys.readouterr().out.split())


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

    monkeypatch.setattr("consent.export_file.csv.reader", broken)
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
        (["frobnicate"], "invalid choice"),
        ([], "VERB"),
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
    [(["--study", "luna"], "no study 'luna'"), (["--as-of", "2999-01-01"], "lies after today")],
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
    assert (told["state"], told["error"]) == ("failed", "ConfigurationError")
    assert "cannot be opened" in told["message"]


def test_a_file_that_does_not_exist_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summarise", "nowhere.csv"]) == 1
    assert "cannot be opened" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["demo", "run", "summarise"])
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


def test_the_quality_codes_are_shown_by_count(export: Path) -> None:
    assert "unreadable_date" in shown(a_result(export))


def test_the_closing_sentence_says_what_a_person_wants_to_know(export: Path) -> None:
    assert closing_sentence(a_result(export)).startswith(
        "OBRI Consent Summary, as of 1 Oct 2023: 2 consented (0 in the week 25 Sep-1 Oct 2023); 3 files written to "
    )


def test_nothing_is_coloured_where_no_terminal_is(export: Path) -> None:
    assert "\x1b[" not in shown(a_result(export))


def test_no_color_is_honoured_in_a_terminal(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    Screen(Console(file=out, force_terminal=True, width=80), Console(file=io.StringIO())).problem("x")
    Screen(Console(file=out, force_terminal=True, width=80), Console(file=io.StringIO())).report(a_result(export))
    assert "\x1b[31" not in out.getvalue()
