"""Claims about mistakes in a set-up: the doctor finds each, says the fix that mends it, and shows no secret."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from consent.cli.check.output import checkup_document
from consent.errors import ConsentReportError
from consent.runs.changes import PastReports
from consent.runs.ledger.record import RunCounts
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.ledger.store import open_ledger
from consent.runs.pipeline import RunResult, run_report
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from sandbox.dropbox.app import Dropbox
from tests.integration.cli.test_write_test import no_right_to_delete
from tests.support import check_mistakes as made
from tests.support.builders import TOKEN
from tests.support.check_world import (
    ANOTHER_TOKEN,
    KEY,
    PROXY_PASSWORD,
    REFRESH_TOKEN,
    CheckWorld,
    Servers,
    a_world,
    printed,
    problems,
    servers_of_a_world,
)
from tests.support.run_builders import a_report


@dataclass(frozen=True)
class Mistake:
    """How to make it, the subject it is found under, and words of what is said and of the fix (patterns).

    stops_a_run: whether a run fails of it, too; otherwise its report would be wrong.
    """

    plant: Callable[[CheckWorld], object]
    subject: str
    what: str
    fix: str
    stops_a_run: bool = True


LOG_IN_AGAIN = "[Ss]ign in again with 'consent login dropbox'"
OUT_OF_THE_GROUP = "taken out of the group"
MISTAKES = [
    Mistake(made.a_token_of_nobody, "REDCap", "refused the API token", "has not been regenerated"),
    Mistake(
        made.a_token_of_another_project, "REDCap", "project 15, but .* expects project 14", "token of the right project"
    ),
    Mistake(made.a_user_without_api_export, "REDCap", "refused the API token", "API Export right"),
    Mistake(made.a_withheld_form, "Records", "consent_date, consent_obtained, rider_a", "'Full Data Set'"),
    Mistake(made.a_withheld_identifier, "Records", "did not send the column consent_date", "'Full Data Set'"),
    Mistake(made.a_renamed_field, "Data dictionary", "has no field 'rider_a'", "Similar: rider_a_v2"),
    Mistake(made.a_changed_code, "Data dictionary", "option '3' that the study file", "Add it to the one it means"),
    Mistake(made.an_unknown_event, "Data dictionary", "no event 'baseline_arm_1' .*enrolment_arm_1", "study file"),
    Mistake(
        made.a_checkbox_where_one_answer_belongs, "Data dictionary", "is a checkbox", r"reasons\(1\) or reasons\(2\)"
    ),
    Mistake(made.a_user_in_a_group, "Records", "in a data access group", OUT_OF_THE_GROUP, stops_a_run=False),
    Mistake(
        made.a_user_in_a_group_who_may_not_see_rights,
        "Records",
        "in a data access",
        OUT_OF_THE_GROUP,
        stops_a_run=False,
    ),
    Mistake(made.no_record, "Records", "lists no record at all", "really is empty"),
    Mistake(made.a_registry_that_shrank, "Records", "2, but the report as of .* of 8 participants", "--accept-drop"),
    Mistake(made.an_http_address, "Settings and secrets", "does not start with https://", "Use https"),
    Mistake(made.an_address_without_its_slash, "Settings and secrets", "does not end in /api/", "with the last slash"),
    Mistake(made.another_path, "REDCap", "no REDCap API at the address", "right host, ending in /api/"),
    Mistake(made.a_login_page, "REDCap", "a web page instead of data", "let this program reach the API"),
    Mistake(made.a_redirect, "REDCap", "redirects to new.example.org", "final https address"),
    Mistake(made.redcap_that_is_down, "REDCap", "took too long to answer", "later"),
    Mistake(made.an_address_with_a_slip, "Settings and secrets", "not a web address", "https://HOST/api/"),
    Mistake(made.a_proxy_that_is_no_address, "Settings and secrets", "HTTPS_PROXY is not an address", "or remove it"),
    Mistake(made.a_proxy_that_is_not_there, "REDCap", "proxy did not let", "Check HTTPS_PROXY and NO_PROXY"),
    Mistake(
        made.certificates_that_are_not_there,
        "Settings and secrets",
        "names a file that does not exist",
        "Correct or remove",
    ),
    Mistake(made.lacking("account_info.read"), "Dropbox", "lacks the permission account_info.read", LOG_IN_AGAIN),
    Mistake(made.lacking("files.metadata.read"), "Dropbox", "lacks the permission files.metadata.read", LOG_IN_AGAIN),
    Mistake(made.lacking("files.content.write"), "Dropbox", "lacks the permission files.content.write", LOG_IN_AGAIN),
    Mistake(
        made.lacking("files.content.write", in_the_app=True),
        "Dropbox",
        "the app lacks the permission files.content.write",
        "Tick and submit it under Permissions .* sign in again",
    ),
    Mistake(made.a_revoked_log_in, "Dropbox", "stored sign-in is not valid", LOG_IN_AGAIN),
    Mistake(made.another_app_key, "Dropbox", "app key or app secret is wrong", "Check DROPBOX_KEY"),
    Mistake(
        made.another_app_secret, "Dropbox", "app key or app secret is wrong", "Check DROPBOX_KEY and DROPBOX_SECRET"
    ),
    Mistake(made.another_team_space, "Dropbox", "DROPBOX_ROOT_NAMESPACE names", LOG_IN_AGAIN),
    Mistake(
        made.a_team_space_that_is_no_id, "Settings and secrets", "ROOT_NAMESPACE is not a namespace id", LOG_IN_AGAIN
    ),
    Mistake(made.a_folder_that_is_read_only, "Dropbox", "may not write there", "right to edit"),
    Mistake(made.a_folder_that_cannot_be_made, "Dropbox", "/Shared/.*may not write there", "right to edit"),
    Mistake(made.a_file_where_the_folder_belongs, "Dropbox", "a file stands at '/Reports'", "Move it away"),
    Mistake(made.a_full_account, "Dropbox", "account is full", "Free some space"),
    Mistake(made.a_first_day_that_has_not_come, "Study file", "begins on 2923-09-11", "wait until then"),
    Mistake(made.a_wrong_zone, "Study file", "time_zone: 'America/Torronto' is not a time zone", r"a-study\.toml"),
    Mistake(made.a_wrong_server_zone, "Study file", r"redcap\.time_zone: .* is not a time zone", r"a-study\.toml"),
    Mistake(
        made.a_vault_that_refuses, "Settings and secrets", "REDCAP-ACCESS-TOKEN .*status 403", "Key Vault Secrets User"
    ),
    Mistake(
        made.an_address_that_is_no_vault, "Settings and secrets", "KEY_VAULT_URL is not the address", "vault.azure.net"
    ),
    Mistake(made.a_missing_setting, "Settings and secrets", "REFRESH_TOKEN is missing", "consent login dropbox"),
    Mistake(made.a_missing_address, "Settings and secrets", "REDCAP_API_URL is missing", "https://HOST/api/"),
    Mistake(
        made.an_unresolved_reference, "Settings and secrets", "ACCESS_TOKEN is a Key Vault ref", "environment variables"
    ),
    Mistake(made.a_token_with_a_blank, "Settings and secrets", "REFRESH_TOKEN contains whitespace", "Copy it again"),
    Mistake(made.another_host_for_the_library, "Settings and secrets", "to another host", "Remove it"),
    Mistake(made.a_clock_an_hour_ahead, "Clock", "60 minutes ahead of REDCap", "time server", stops_a_run=False),
    Mistake(made.a_clock_an_hour_behind, "Clock", "60 minutes behind REDCap", "time server", stops_a_run=False),
    Mistake(made.a_ledger_that_is_none, "Record of runs", "no record of runs of this program", "CONSENT_LEDGER"),
    Mistake(
        made.a_ledger_in_a_table_that_is_not_there, "Record of runs", "AzureWebJobsStorage is missing", "CONSENT_LEDGER"
    ),
    Mistake(made.a_ledger_below_a_file, "Record of runs", "cannot be kept in", "CONSENT_LEDGER"),
]


def name_of(mistake: Mistake) -> str:
    """For the list of tests."""
    return getattr(mistake.plant, "__name__", "").replace("_", " ").replace("plant", mistake.what)


each_mistake = pytest.mark.parametrize("mistake", MISTAKES, ids=name_of)

SECRETS = (TOKEN, ANOTHER_TOKEN, "0" * 32, REFRESH_TOKEN, "another-secret", "another-key", PROXY_PASSWORD)
WITHOUT_A_VAULT = [mistake for mistake in MISTAKES if mistake.stops_a_run and "vault" not in name_of(mistake)]


@pytest.fixture(name="servers", scope="module")
def _servers() -> Iterator[Servers]:
    with servers_of_a_world() as servers:
        yield servers


@pytest.fixture(name="world")
def _world(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CheckWorld:
    return a_world(servers, tmp_path, monkeypatch)


def run(world: CheckWorld) -> RunResult:
    """Carry out a run with the settings of this world, as the command line does but for its patience."""
    settings = world.settings()
    study = choose_study(load_studies(settings), None)
    with closing(open_ledger(settings, default="sqlite")) as ledger:
        last = ledger.last_report(study.key, sandbox=True)
        with open_services(study, settings, sleep=lambda seconds: None) as services:
            return run_report(study, services, past=PastReports(last))


@each_mistake
def test_a_mistake_is_the_one_problem_that_is_found(mistake: Mistake, world: CheckWorld) -> None:
    mistake.plant(world)
    assert [finding.subject for finding in problems(world.check())] == [mistake.subject]


@each_mistake
def test_the_problem_is_said_with_the_fix_that_mends_it(mistake: Mistake, world: CheckWorld) -> None:
    mistake.plant(world)
    (problem,) = problems(world.check())
    assert re.search(f"{mistake.what}.*\n.*{mistake.fix}", f"{problem.what}\n{problem.fix}")


@each_mistake
def test_no_secret_is_shown_whatever_is_wrong(mistake: Mistake, world: CheckWorld) -> None:
    mistake.plant(world)
    checkup = world.check()
    shown = printed(checkup) + json.dumps(checkup_document(checkup))
    assert [secret for secret in SECRETS if secret in shown] == []


@each_mistake
def test_nothing_is_left_in_dropbox_whatever_is_wrong(mistake: Mistake, world: CheckWorld) -> None:
    mistake.plant(world)
    before = world.account.files()
    world.check()
    assert world.account.files() == before


@pytest.mark.parametrize("mistake", WITHOUT_A_VAULT, ids=name_of)
def test_what_is_called_a_problem_stops_a_run_too(mistake: Mistake, world: CheckWorld) -> None:
    mistake.plant(world)
    with pytest.raises(ConsentReportError, match=r"\w"):
        run(world)


# --- and no mistake where there is none


def in_a_team_space(world: CheckWorld) -> None:
    world.account = Dropbox(root_namespace="2")
    world.values["DROPBOX_ROOT_NAMESPACE"] = "2"


def in_a_folder_to_be_made(world: CheckWorld) -> None:
    made.delivering_to(world, "/Reports/Consent")


def with_events(world: CheckWorld) -> None:
    made.an_unknown_event(world)
    world.change_study("baseline_arm_1", "enrolment_arm_1")


def with_groups(world: CheckWorld) -> None:
    made.a_user_in_a_group(world)
    made.a_user_with(world)


def with_a_user_of_whom_nothing_can_be_seen(world: CheckWorld) -> None:
    made.a_user_with(world, user_rights=False, dag_right=False)


def with_an_app_secret(world: CheckWorld) -> None:
    world.values["DROPBOX_SECRET"] = "sandbox-secret"


def with_a_small_fall(world: CheckWorld) -> None:
    with closing(SqliteLedger(world.folder / "runs.sqlite")) as ledger:
        ledger.add(a_report(study=KEY, sandbox=True, counts=RunCounts(7, 5, 7, 7, 5)))


def with_a_folder_from_which_nothing_can_be_deleted(world: CheckWorld) -> None:
    world.servers.dropbox.faults.append(no_right_to_delete())


def with_a_monitor_that_is_no_address(world: CheckWorld) -> None:
    world.values |= {"HEARTBEAT_URL": "monitor", "CONSENT_KEEP_MONTHS": "many"}


@pytest.mark.parametrize(
    "plant",
    [
        in_a_team_space,
        in_a_folder_to_be_made,
        with_events,
        with_groups,
        with_a_user_of_whom_nothing_can_be_seen,
        with_an_app_secret,
        with_a_small_fall,
        with_a_folder_from_which_nothing_can_be_deleted,
        with_a_monitor_that_is_no_address,
    ],
)
def test_a_set_up_that_is_called_ready_is_one_of_which_a_run_delivers(
    plant: Callable[[CheckWorld], None], world: CheckWorld
) -> None:
    plant(world)
    ready = world.check().ready
    assert (ready, run(world).state) == (True, "delivered")
