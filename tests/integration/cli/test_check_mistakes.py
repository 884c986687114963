"""Tests of mistakes in a set-up: `check` finds each one, prints a fix, shows no secret, and leaves nothing behind."""

import json
import re
from contextlib import closing
from functools import partial
from typing import NamedTuple

import pytest

from consent.cli.check.output import checkup_document
from consent.errors import ConsentReportError
from consent.runs.ledger.store import open_ledger
from consent.runs.pipeline import RunResult, run_report
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from tests.integration.cli.test_write_test import no_right_to_delete
from tests.support import check_mistakes as made
from tests.support.builders import TOKEN
from tests.support.check_world import (
    ANOTHER_TOKEN,
    PROXY_PASSWORD,
    REFRESH_TOKEN,
    CheckWorld,
    printed,
    problems,
)


class Case(NamedTuple):
    """A mistake, the subject it is found under, and words of the finding or its fix (a pattern).

    stops_a_run: otherwise the report of a run would be wrong.
    """

    mistake: made.Mistake
    subject: str
    words: str
    stops_a_run: bool = True


SIGN_IN = "'consent login dropbox'"
SETTINGS = "Settings and secrets"
UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"
CASES = {
    "a token of nobody": Case(made.a_token_of_nobody, "REDCap", "API token"),
    "a token of another project": Case(
        made.setting(REDCAP_ACCESS_TOKEN=ANOTHER_TOKEN), "REDCap", "project 15, but .* expects project 14"
    ),
    "a user without API export": Case(made.user(api_export=False), "REDCap", "API Export right"),
    "a withheld form": Case(
        made.user(rights={"consent": "none"}),
        "Records",
        "consent_date, consent_obtained, rider_a.*'Full Data Set'",
    ),
    "a withheld identifier": Case(made.a_withheld_identifier, "Records", "consent_date.*'Full Data Set'"),
    "a renamed field": Case(made.a_renamed_field, "Data dictionary", "no field 'rider_a'.*rider_a_v2"),
    "a changed code": Case(made.a_changed_code, "Data dictionary", "'consent_obtained' has an option '3'"),
    "an unknown event": Case(made.an_unknown_event, "Data dictionary", "'baseline_arm_1'.*enrolment_arm_1"),
    "a checkbox": Case(made.a_checkbox_in_place_of_one_answer, "Data dictionary", r"reasons\(1\) or reasons\(2\)"),
    "a user in a group": Case(made.a_user_in_a_group, "Records", "data access group", stops_a_run=False),
    "a user in a group who may not see rights": Case(
        made.a_user_in_a_group_who_may_not_see_rights, "Records", "data access group", stops_a_run=False
    ),
    "no record": Case(made.no_record, "Records", "no record"),
    "a registry that shrank": Case(made.last_report(8, 8), "Records", "2, but .* 8 .*--accept-drop"),
    "one that shrank slowly": Case(made.last_report(5, 2, week_before=8), "Records", "2, but .* 8 .*--accept-drop"),
    "an http address": Case(
        made.setting(REDCAP_API_URL="http://redcap.example.org/api/"), SETTINGS, "REDCAP_API_URL .*https"
    ),
    "an address without its slash": Case(made.redcap_address("/api"), SETTINGS, "REDCAP_API_URL .*/api/"),
    "another path": Case(made.redcap_address("/somewhere/api/"), "REDCap", "no REDCap API.*/api/"),
    "a login page": Case(made.a_login_page, "REDCap", "a web page instead of data"),
    "a redirect": Case(made.a_redirect, "REDCap", "new.example.org"),
    "a REDCap that is down": Case(made.a_redcap_that_is_down, "REDCap", "HTTP 504"),
    "an address with a slip": Case(
        made.setting(REDCAP_API_URL="https://redcap..example.org/api/"), SETTINGS, "REDCAP_API_URL is not a web address"
    ),
    "a proxy that is no address": Case(made.a_proxy("[proxy"), SETTINGS, "HTTPS_PROXY"),
    "a proxy that does not answer": Case(made.a_proxy("127.0.0.1:9"), "REDCap", "HTTPS_PROXY and NO_PROXY"),
    "certificates that do not exist": Case(made.certificates_that_do_not_exist, SETTINGS, "none.pem"),
    "no permission for the account": Case(
        made.lacking("account_info.read"), "Dropbox", f"account_info.read.*{SIGN_IN}"
    ),
    "no permission to look": Case(made.lacking("files.metadata.read"), "Dropbox", f"files.metadata.read.*{SIGN_IN}"),
    "no permission to write": Case(made.lacking("files.content.write"), "Dropbox", f"files.content.write.*{SIGN_IN}"),
    "an app without a permission": Case(
        made.lacking("files.content.write", in_the_app=True), "Dropbox", "files.content.write.*Permissions"
    ),
    "a revoked sign-in": Case(made.a_revoked_log_in, "Dropbox", SIGN_IN),
    "another app key": Case(made.setting(DROPBOX_KEY="another-key"), "Dropbox", "DROPBOX_KEY"),
    "another app secret": Case(made.setting(DROPBOX_SECRET="another-secret"), "Dropbox", "DROPBOX_SECRET"),
    "another team space": Case(made.another_team_space, "Dropbox", f"DROPBOX_ROOT_NAMESPACE.*{SIGN_IN}"),
    "a team space that is no id": Case(
        made.setting(DROPBOX_ROOT_NAMESPACE="Example Registry"), SETTINGS, f"DROPBOX_ROOT_NAMESPACE.*{SIGN_IN}"
    ),
    "a read-only folder": Case(
        made.a_read_only_folder("/Reports", "/Reports"), "Dropbox", "/Reports/.*permission to edit"
    ),
    "a folder that cannot be created": Case(
        made.a_read_only_folder("/Shared", "/Shared/Consent"), "Dropbox", "/Shared/.*permission to edit"
    ),
    "a file in place of the folder": Case(made.a_file_in_place_of_the_folder, "Dropbox", "'/Reports' .*is a file"),
    "a full account": Case(made.an_account(quota=1), "Dropbox", "account is full"),
    "a first day in the future": Case(
        made.study_text("start_date = 2023", "start_date = 2123"), "Study file", "2123-09-11.*start_date"
    ),
    "a wrong zone": Case(
        made.study_text("America/Toronto", "America/Torronto"), "Study file", "time_zone: 'America/Torronto'"
    ),
    "a wrong zone of the server": Case(
        made.study_text("project_id = 14", 'project_id = 14\ntime_zone = "Eastern Time"'),
        "Study file",
        r"redcap\.time_zone: 'Eastern Time'",
    ),
    "a vault that refuses": Case(
        made.a_vault_that_refuses, SETTINGS, "REDCAP-ACCESS-TOKEN .*status 403.*Key Vault Secrets User"
    ),
    "an address that is no vault": Case(made.setting(KEY_VAULT_URL="vault.example.org"), SETTINGS, "KEY_VAULT_URL"),
    "a missing setting": Case(
        made.setting(DROPBOX_OAUTH2_REFRESH_TOKEN=""), SETTINGS, f"REFRESH_TOKEN is missing.*{SIGN_IN}"
    ),
    "a missing address": Case(made.setting(REDCAP_API_URL=""), SETTINGS, "REDCAP_API_URL is missing.*/api/"),
    "an unresolved reference": Case(
        made.setting(REDCAP_ACCESS_TOKEN=UNRESOLVED), SETTINGS, "REDCAP_ACCESS_TOKEN .*environment variables"
    ),
    "a token with a blank": Case(
        made.setting(DROPBOX_OAUTH2_REFRESH_TOKEN="sandbox refresh"), SETTINGS, "REFRESH_TOKEN contains whitespace"
    ),
    "another host for the library": Case(
        made.setting(DROPBOX_API_HOST="dropbox.example.org"), SETTINGS, "DROPBOX_API_HOST"
    ),
    "a clock an hour ahead": Case(made.a_clock_ahead(1), "Clock", "60 minutes ahead of REDCap", stops_a_run=False),
    "a clock an hour behind": Case(made.a_clock_ahead(-1), "Clock", "60 minutes behind REDCap", stops_a_run=False),
    "a file that is no history": Case(made.a_file_that_is_no_history, "Run history", "runs.sqlite.*CONSENT_LEDGER"),
    "a missing storage account": Case(
        made.setting(CONSENT_LEDGER="table"), "Run history", "AzureWebJobsStorage is missing.*CONSENT_LEDGER"
    ),
    "a history below a file": Case(made.a_history_below_a_file, "Run history", "a-file/runs.sqlite.*CONSENT_LEDGER"),
}
SECRETS = (TOKEN, ANOTHER_TOKEN, "0" * 32, REFRESH_TOKEN, "another-secret", "another-key", PROXY_PASSWORD)
STOPPING = [name for name, case in CASES.items() if case.stops_a_run and "vault" not in name]


def run(world: CheckWorld) -> RunResult:
    """Run a report as the command line does, without waiting."""
    settings = world.settings()
    study = choose_study(load_studies(settings), None)
    with closing(open_ledger(settings, default="sqlite")) as ledger:
        past = partial(ledger.last_reports, study.key, sandbox=True)
        with open_services(study, settings, sleep=lambda seconds: None) as services:
            return run_report(study, services, past=past)


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_the_only_problem_and_has_a_fix_and_no_secret_is_shown(name: str, world: CheckWorld) -> None:
    CASES[name].mistake(world)
    before = world.account.files()
    checkup = world.check()
    (problem,) = problems(checkup)
    assert (problem.subject, bool(problem.fix)) == (CASES[name].subject, True)
    assert re.search(CASES[name].words, f"{problem.what} {problem.fix}")
    shown = printed(checkup) + json.dumps(checkup_document(checkup))
    assert [secret for secret in SECRETS if secret in shown] == []
    assert world.account.files() == before


@pytest.mark.parametrize("name", STOPPING)
def test_a_problem_also_stops_a_run(name: str, world: CheckWorld) -> None:
    CASES[name].mistake(world)
    with pytest.raises(ConsentReportError, match=r"\w"):
        run(world)


def in_a_team_space(world: CheckWorld) -> None:
    made.another_team_space(world)
    world.values["DROPBOX_ROOT_NAMESPACE"] = "2"


def in_a_new_folder(world: CheckWorld) -> None:
    made.delivering_to(world, "/Reports/Consent")


def with_events(world: CheckWorld) -> None:
    made.an_unknown_event(world)
    world.change_study("baseline_arm_1", "enrolment_arm_1")


def with_groups(world: CheckWorld) -> None:
    made.a_user_in_a_group(world)
    made.a_user_with(world)


def with_a_folder_without_the_right_to_delete(world: CheckWorld) -> None:
    world.servers.dropbox.faults.append(no_right_to_delete())


@pytest.mark.parametrize(
    "change",
    [
        in_a_team_space,
        in_a_new_folder,
        with_events,
        with_groups,
        with_a_folder_without_the_right_to_delete,
        pytest.param(made.user(user_rights=False, dag_right=False), id="unknown rights"),
        pytest.param(made.setting(DROPBOX_SECRET="sandbox-secret"), id="an app secret"),
        pytest.param(made.last_report(7, 5), id="a small drop"),
        pytest.param(made.setting(HEARTBEAT_URL="monitor", CONSENT_KEEP_MONTHS="many"), id="a wrong optional setting"),
    ],
)
def test_a_setup_that_is_ready_can_run(change: made.Mistake, world: CheckWorld) -> None:
    change(world)
    ready = world.check().ready
    assert (ready, run(world).state) == (True, "delivered")
