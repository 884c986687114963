"""Tests of `consent check`: what is checked, in what order, and that one failure does not end it."""

import json
import re
from contextlib import closing
from pathlib import Path

import pytest

from consent.cli.check.checkup import check_setup
from consent.cli.check.context import CheckContext
from consent.cli.main import main
from consent.errors import UnknownStudyError
from consent.runs.ledger.record import RunCounts
from consent.runs.ledger.sqlite import SqliteLedger
from sandbox.redcap.faults import gateway_timeout
from tests.support.builders import CONSENT, RIDER, STUDY, TOKEN, a_redcap_project, a_redcap_row
from tests.support.check_mistakes import a_renamed_field, a_revoked_log_in, a_token_of_nobody, a_vault_that_refuses
from tests.support.check_world import CheckWorld, found, printed, problems
from tests.support.run_builders import a_report

OF_SEVEN = RunCounts(participants=7, consented=5, records_listed=1000, records_received=1000, taking_part=5)
"""Counts after which a report of two participants is not refused."""


def write_settings(world: CheckWorld, **values: str) -> list[str]:
    """Write the settings to a file, and return the option for its folder."""
    world.settings()
    document = {"Values": {**world.values, **values}}
    (world.folder / "local.settings.json").write_text(json.dumps(document), encoding="utf-8")
    return ["--settings", str(world.folder)]


def test_a_good_setup_has_no_problem_in_any_subject_and_nothing_is_created(world: CheckWorld) -> None:
    checkup = world.check()
    assert problems(checkup) == []
    assert list(dict.fromkeys(finding.subject for finding in checkup.findings)) == [
        *("Study file", "Settings and secrets", "Run history", "REDCap", "Data dictionary", "Rights in REDCap"),
        *("Records", "Dropbox", "Clock", "Time zone"),
    ]
    assert not (world.folder / "runs.sqlite").exists()


def test_redcap_receives_only_the_requests_of_a_run_and_all_of_them_read(world: CheckWorld) -> None:
    world.check()
    redcap = world.servers.redcap
    assert [redcap.app.name_of(request) for request in redcap.requests] == [
        *("version", "project", "metadata", "user", "record", "record", "record", "dag"),
    ]
    assert not [request for request in redcap.requests if b"action=" in request.body]


def test_before_the_first_report_the_number_of_records_must_be_compared(world: CheckWorld) -> None:
    (number,) = found(world.check(), "Records listed: 2")
    assert (number.state, "REDCap shows" in number.fix) == ("unknown", True)


def test_the_number_of_records_is_shown_beside_that_of_the_last_report(world: CheckWorld) -> None:
    with closing(SqliteLedger(world.folder / "runs.sqlite")) as ledger:
        ledger.add(a_report(study="a-study", sandbox=True, counts=OF_SEVEN))
    (number,) = found(world.check(), "Records listed: 2")
    assert (number.state, number.what.endswith("as of 2026-11-16: 1,000.")) == ("ok", True)


def test_groups_that_are_missing_since_the_last_report_are_a_problem(world: CheckWorld) -> None:
    world.project.users = [type(world.project.users[0])("pipeline", TOKEN, user_rights=False, dag_right=False)]
    with closing(SqliteLedger(world.folder / "runs.sqlite")) as ledger:
        ledger.add(a_report(study="a-study", sandbox=True, counts=OF_SEVEN, has_groups=True))
    (problem,) = problems(world.check())
    assert problem.what.startswith("REDCap no longer sends the data access groups")


def test_the_next_report_is_due_on_a_monday_morning_where_the_study_is(world: CheckWorld) -> None:
    (report,) = world.check().next_reports
    assert (report.monday.weekday(), report.local.hour) == (0, 7)


def test_plain_http_is_a_warning_if_the_study_file_allows_it(world: CheckWorld) -> None:
    world.change_study("project_id = 14", "project_id = 14\nallow_http = true")
    world.values |= {"REDCAP_API_URL": "http://redcap.example.org/api/", "HTTP_PROXY": "http://127.0.0.1:9"}
    (finding,) = found(world.check(), "uses http (allow_http)")
    assert finding.state == "warning"


def test_a_study_file_without_a_project_id_is_a_warning_with_the_line_to_add(world: CheckWorld) -> None:
    world.change_study("project_id = 14\n", "")
    (finding,) = found(world.check(), "has no project_id")
    assert (finding.state, "add project_id = 14 under [redcap]" in finding.fix) == ("warning", True)


def test_a_study_file_without_riders_is_a_warning(world: CheckWorld) -> None:
    world.change_study(RIDER, "")
    (finding,) = found(world.check(), "has no riders")
    assert finding.state == "warning"


def test_a_setting_that_is_ignored_because_of_its_name_is_a_warning(world: CheckWorld) -> None:
    world.values["CONSENT_KEEP_MONTH"] = "3"
    (finding,) = found(world.check(), "CONSENT_KEEP_MONTH in the settings is not used")
    assert (finding.state, "CONSENT_KEEP_MONTHS" in finding.fix) == ("warning", True)


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["Not yet", "Not yet ", "2026-01-05"], ["Not yet"]),
        (2 * ["Consent not completed"], []),
        (["Not yet", "2026-01-05"], []),
        (2 * ["12 May", "2026-01-05", "", "a" * 41, "J. Doe", "n/a"], []),
    ],
    ids=["recurs", "known", "once", "no option"],
)
def test_a_text_that_recurs_in_the_date_field_may_mean_that_consent_is_open(
    dates: list[str], expected: list[str], world: CheckWorld
) -> None:
    world.project = a_redcap_project(*(a_redcap_row(str(n), consent_date=day) for n, day in enumerate(dates, 1)))
    warnings = found(world.check(), "the date field of several records")
    assert [re.findall("'(.*)'", warning.what)[0] for warning in warnings] == expected


def test_after_a_failure_in_redcap_the_rest_is_checked(world: CheckWorld) -> None:
    a_token_of_nobody(world)
    checkup = world.check()
    assert found(checkup, "Project, fields, records and rights were not checked")
    assert found(checkup, "A test file was written to /, verified and deleted.")


def test_mistakes_in_several_places_are_found_at_once(world: CheckWorld) -> None:
    a_renamed_field(world)
    a_revoked_log_in(world)
    world.values["CONSENT_LEDGER"] = "runs.sqlite"
    assert {problem.subject for problem in problems(world.check())} == {"Data dictionary", "Dropbox", "Run history"}


def test_every_mismatch_with_the_dictionary_is_found_at_once(world: CheckWorld) -> None:
    a_renamed_field(world)
    world.change_study('decision = "consent_obtained"', 'decision = "consent_given"')
    world.change_study('date = "consent_date"', 'date = "consented_on"')
    assert [problem.what.partition(":")[0] for problem in problems(world.check())] == [
        "consent[1].date",
        "consent[1].decision",
        "riders[1].field",
    ]


def test_a_server_that_is_down_for_a_moment_is_retried(world: CheckWorld) -> None:
    world.servers.redcap.faults.append(gateway_timeout())
    assert problems(world.check()) == []


def test_without_a_usable_study_file_nothing_is_requested(world: CheckWorld) -> None:
    world.change_study("title", "titel")
    world.check()
    assert (world.servers.redcap.requests, world.servers.dropbox.requests) == ([], [])


def test_the_place_of_a_setting_is_shown(world: CheckWorld) -> None:
    write_settings(world)
    (world.folder / ".env").write_text("DROPBOX_SECRET=sandbox-secret\n", encoding="utf-8")
    checkup = check_setup(world.folder, None, CheckContext(sleep=lambda seconds: None))
    assert found(checkup, "DROPBOX_SECRET: in .env.")


def test_a_secret_in_key_vault_is_shown_with_the_identity_of_this_machine(world: CheckWorld) -> None:
    world.keep_in_vault("REDCAP_ACCESS_TOKEN")
    checkup = world.check()
    assert found(checkup, "REDCAP_ACCESS_TOKEN: in Key Vault, as REDCAP-ACCESS-TOKEN.")
    assert found(checkup, "vault.azure.net can be read, as ManagedIdentityCredential.")


def test_a_vault_that_is_not_needed_is_not_asked(world: CheckWorld) -> None:
    world.values |= {"KEY_VAULT_URL": "https://vault.vault.azure.net", "DROPBOX_SECRET": "sandbox-secret"}
    assert found(world.check(), "Key Vault is not used")


def test_after_a_refused_secret_the_others_are_looked_up(world: CheckWorld) -> None:
    world.keep_in_vault("DROPBOX_KEY")
    a_vault_that_refuses(world)
    world.vault.put("DROPBOX-KEY", "sandbox-key")
    assert found(world.check(), "DROPBOX_KEY: in Key Vault")


def test_a_machine_without_an_identity_asks_the_vault_once(world: CheckWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    world.keep_in_vault("REDCAP_ACCESS_TOKEN")
    assert found(world.check(), "DROPBOX_SECRET was not looked up")


def test_settings_that_cannot_be_read_are_the_only_problem(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text("{", encoding="utf-8")
    (problem,) = problems(check_setup(tmp_path, None, CheckContext()))
    assert (problem.subject, "local.settings.json" in problem.what) == ("Settings and secrets", True)


@pytest.fixture(name="two")
def _two(world: CheckWorld) -> CheckWorld:
    """A world with a second study, which does not fit the project."""
    world.settings()
    second = (STUDY + CONSENT + RIDER).replace("OBRI Consent", "Other").replace("rider_a", "other_rider")
    (world.folder / "studies" / "b-study.toml").write_text(second, encoding="utf-8")
    return world


def test_without_a_key_every_study_is_checked_under_its_name(two: CheckWorld) -> None:
    checkup = two.check()
    assert {finding.study for finding in checkup.findings} == {"", "a-study", "b-study"}
    assert "Data dictionary (b-study)\n  PROBLEM" in printed(checkup)


def test_with_a_key_only_that_study_is_checked(two: CheckWorld) -> None:
    assert problems(two.check("a-study")) == []


def test_for_an_unknown_key_the_error_lists_the_keys(two: CheckWorld) -> None:
    with pytest.raises(UnknownStudyError, match="a-study, b-study"):
        two.check("c-study")


def test_a_world_in_which_a_run_works_ends_with_status_0(world: CheckWorld, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["check", *write_settings(world)])
    assert (status, "Ready: a run would work" in capsys.readouterr().out) == (0, True)


def test_a_problem_ends_with_status_1_and_a_document_for_scripts(
    world: CheckWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["check", "--json", *write_settings(world, DROPBOX_KEY="")])
    document = json.loads(capsys.readouterr().out)
    states = {finding["state"] for finding in document["findings"]}
    assert (status, document["state"], "problem" in states) == (1, "not ready", True)
    assert len(document["next_reports"]) == 1
