"""Claims about the doctor's visit: what is examined, in what order, and that one failure does not end it."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consent.cli.check.checkup import check_up
from consent.cli.check.context import CheckContext
from consent.cli.main import main
from consent.errors import UnknownStudyError
from consent.runs.ledger.record import RunCounts
from consent.runs.ledger.sqlite import SqliteLedger
from sandbox.redcap.faults import gateway_timeout
from tests.support.builders import CONSENT, RIDER, STUDY, TOKEN
from tests.support.check_mistakes import a_renamed_field, a_revoked_log_in, a_token_of_nobody, a_vault_that_refuses
from tests.support.check_world import CheckWorld, Servers, a_world, found, printed, problems, servers_of_a_world
from tests.support.run_builders import a_report

OF_SEVEN = RunCounts(participants=7, consented=5, records_listed=1000, records_received=1000)
"""Of a report than which one of two participants may be lower without anybody's word."""


@pytest.fixture(name="servers", scope="module")
def _servers() -> Iterator[Servers]:
    with servers_of_a_world() as servers:
        yield servers


@pytest.fixture(name="world")
def _world(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckWorld:
    return a_world(servers, tmp_path, monkeypatch)


def subjects_of(world: CheckWorld) -> list[str]:
    return list(dict.fromkeys(finding.subject for finding in world.check().findings))


def asked_of_redcap(world: CheckWorld) -> list[str]:
    redcap = world.servers.redcap
    return [redcap.app.name_of(request) for request in redcap.requests]


def write_settings(world: CheckWorld, **values: str) -> list[str]:
    """Keep the world's settings in a file, and give the option that leads there."""
    world.settings()
    document = {"Values": {**world.values, **values}}
    (world.folder / "local.settings.json").write_text(json.dumps(document), encoding="utf-8")
    return ["--settings", str(world.folder)]


# --- what is examined


def test_a_world_in_which_a_run_works_has_no_problem(world: CheckWorld) -> None:
    assert problems(world.check()) == []


def test_every_subject_is_examined_in_the_order_in_which_a_run_depends_on_it(world: CheckWorld) -> None:
    assert subjects_of(world) == [
        *("Study file", "Settings and secrets", "Record of runs", "REDCap", "Data dictionary", "Rights in REDCap"),
        *("Records", "Dropbox", "Clock", "Time zone"),
    ]


def test_redcap_is_asked_no_more_than_a_run_asks(world: CheckWorld) -> None:
    world.check()
    assert asked_of_redcap(world) == ["version", "project", "metadata", "user", "record", "record", "record", "dag"]


def test_every_question_to_redcap_only_reads(world: CheckWorld) -> None:
    world.check()
    assert not [request for request in world.servers.redcap.requests if b"action=" in request.body]


def test_the_record_of_runs_is_not_begun_by_looking(world: CheckWorld) -> None:
    world.check()
    assert not (world.folder / "runs.sqlite").exists()


def test_the_number_of_records_is_to_be_compared_before_the_first_report(world: CheckWorld) -> None:
    (number,) = found(world.check(), "Records listed: 2")
    assert (number.state, "REDCap shows" in number.fix) == ("unknown", True)


def test_the_number_of_records_is_told_beside_that_of_the_last_report(world: CheckWorld) -> None:
    with closing(SqliteLedger(world.folder / "runs.sqlite")) as ledger:
        ledger.add(a_report(study="a-study", sandbox=True, counts=OF_SEVEN))
    (number,) = found(world.check(), "Records listed: 2")
    assert (number.state, number.what.endswith("as of 2026-11-16: 1,000")) == ("ok", True)


def test_groups_that_were_there_for_the_last_report_are_missed(world: CheckWorld) -> None:
    world.project.users = [type(world.project.users[0])("pipeline", TOKEN, user_rights=False, dag_right=False)]
    with closing(SqliteLedger(world.folder / "runs.sqlite")) as ledger:
        ledger.add(a_report(study="a-study", sandbox=True, counts=OF_SEVEN, has_groups=True))
    assert [problem.what for problem in problems(world.check())] == [
        "REDCap no longer tells the data access groups, as it did for the last report"
    ]


def test_the_next_report_is_due_on_a_monday_morning_where_the_study_is(world: CheckWorld) -> None:
    (report,) = world.check().next_reports
    assert (report.monday.weekday(), report.local.hour) == (0, 7)


def test_plain_http_is_a_warning_where_the_study_file_allows_it(world: CheckWorld) -> None:
    world.change_study("project_id = 14", "project_id = 14\nallow_http = true")
    world.values |= {"REDCAP_API_URL": "http://redcap.example.org/api/", "HTTP_PROXY": "http://127.0.0.1:9"}
    (finding,) = found(world.check(), "Asked over http (allow_http)")
    assert finding.state == "warning"


def test_a_study_file_without_a_project_is_a_warning_that_says_what_to_add(world: CheckWorld) -> None:
    world.change_study("project_id = 14\n", "")
    (finding,) = found(world.check(), "names no project_id")
    assert (finding.state, "add project_id = 14 under [redcap]" in finding.fix) == ("warning", True)


# --- going on


def test_what_depends_on_a_failure_is_said_not_to_be_examined(world: CheckWorld) -> None:
    a_token_of_nobody(world)
    assert found(world.check(), "Project, fields, records and rights were not examined")


def test_dropbox_is_examined_although_redcap_refuses(world: CheckWorld) -> None:
    a_token_of_nobody(world)
    assert found(world.check(), "A tiny file was written to /, verified and removed")


def test_redcap_is_examined_although_dropbox_refuses(world: CheckWorld) -> None:
    a_revoked_log_in(world)
    assert found(world.check(), "All 4 columns arrive")


def test_mistakes_in_several_places_are_found_at_once(world: CheckWorld) -> None:
    a_renamed_field(world)
    a_revoked_log_in(world)
    world.values["CONSENT_LEDGER"] = "runs.sqlite"
    assert {problem.subject for problem in problems(world.check())} == {"Data dictionary", "Dropbox", "Record of runs"}


def test_every_disagreement_with_the_dictionary_is_found_at_once(world: CheckWorld) -> None:
    a_renamed_field(world)
    world.change_study('decision = "consent_obtained"', 'decision = "consent_given"')
    world.change_study('date = "consent_date"', 'date = "consented_on"')
    assert [problem.what.partition(":")[0] for problem in problems(world.check())] == [
        "consent[1].date",
        "consent[1].decision",
        "riders[1].field",
    ]


def test_a_server_that_is_down_for_a_moment_is_asked_again(world: CheckWorld) -> None:
    world.servers.redcap.faults.append(gateway_timeout())
    assert problems(world.check()) == []


def test_nothing_is_asked_when_no_study_file_can_be_used(world: CheckWorld) -> None:
    world.change_study("title", "titel")
    world.check()
    assert (world.servers.redcap.requests, world.servers.dropbox.requests) == ([], [])


# --- settings and secrets


def test_it_is_said_from_which_place_a_setting_comes(world: CheckWorld) -> None:
    write_settings(world)
    (world.folder / ".env").write_text("DROPBOX_SECRET=sandbox-secret\n", encoding="utf-8")
    checkup = check_up(world.folder, None, CheckContext(sleep=lambda seconds: None))
    assert found(checkup, "DROPBOX_SECRET: in .env")


def test_it_is_said_that_a_secret_comes_from_key_vault(world: CheckWorld) -> None:
    world.keep_in_vault("REDCAP_ACCESS_TOKEN")
    assert found(world.check(), "REDCAP_ACCESS_TOKEN: in Key Vault, as REDCAP-ACCESS-TOKEN")


def test_it_is_said_who_this_machine_is_to_key_vault(world: CheckWorld) -> None:
    world.keep_in_vault("REDCAP_ACCESS_TOKEN")
    assert found(world.check(), "vault.azure.net answers, to the managed identity of this machine")


def test_a_vault_that_is_not_needed_is_said_not_to_have_been_asked(world: CheckWorld) -> None:
    world.values |= {"KEY_VAULT_URL": "https://vault.vault.azure.net", "DROPBOX_SECRET": "sandbox-secret"}
    assert found(world.check(), "Key Vault was not asked")


def test_one_refused_secret_does_not_keep_the_others_from_being_looked_up(world: CheckWorld) -> None:
    world.keep_in_vault("DROPBOX_KEY")
    a_vault_that_refuses(world)
    world.vault.put("DROPBOX-KEY", "sandbox-key")
    assert found(world.check(), "DROPBOX_KEY: in Key Vault")


def test_a_machine_without_an_identity_asks_the_vault_once(world: CheckWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    world.keep_in_vault("REDCAP_ACCESS_TOKEN")
    assert found(world.check(), "DROPBOX_SECRET was not looked up, because of this")


def test_settings_that_cannot_be_read_are_the_one_problem(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text("{", encoding="utf-8")
    (problem,) = problems(check_up(tmp_path, None, CheckContext()))
    assert (problem.subject, "is not valid JSON" in problem.what) == ("Settings and secrets", True)


# --- several studies


@pytest.fixture(name="two")
def _two(world: CheckWorld) -> CheckWorld:
    """A world with a second study, of the same project, that no field of fits."""
    world.settings()
    second = (STUDY + CONSENT + RIDER).replace("OBRI Consent", "Other").replace("rider_a", "other_rider")
    (world.folder / "studies" / "b-study.toml").write_text(second, encoding="utf-8")
    return world


def test_without_a_key_every_study_is_examined(two: CheckWorld) -> None:
    assert {finding.study for finding in two.check().findings} == {"", "a-study", "b-study"}


def test_a_key_limits_the_visit_to_one_study(two: CheckWorld) -> None:
    assert problems(two.check("a-study")) == []


def test_the_other_studys_problem_is_told_under_its_name(two: CheckWorld) -> None:
    assert "Data dictionary (b-study)\n  PROBLEM" in printed(two.check())


def test_an_unknown_key_is_answered_with_the_known_ones(two: CheckWorld) -> None:
    with pytest.raises(UnknownStudyError, match="Use one of: a-study, b-study"):
        two.check("c-study")


# --- the command


def test_a_world_in_which_a_run_works_ends_with_status_0(world: CheckWorld, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["check", *write_settings(world)])
    assert (status, "Ready: a run would work" in capsys.readouterr().out) == (0, True)


def test_a_problem_ends_with_status_1(world: CheckWorld, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["check", *write_settings(world, REDCAP_ACCESS_TOKEN="0" * 32)])
    assert (status, "Not ready: 1 problem" in capsys.readouterr().out) == (1, True)


def test_an_unknown_study_ends_with_status_2(world: CheckWorld) -> None:
    assert main(["check", "--study", "c-study", *write_settings(world)]) == 2


def test_a_script_is_told_everything_as_one_document(world: CheckWorld, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--json", *write_settings(world, DROPBOX_KEY="")])
    document = json.loads(capsys.readouterr().out)
    states = {finding["state"] for finding in document["findings"]}
    assert (document["state"], "problem" in states, len(document["next_reports"])) == ("not ready", True, 1)
