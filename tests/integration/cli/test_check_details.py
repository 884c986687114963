"""Tests of what a check shows of the data dictionary, the rights in REDCap, and Dropbox; and that no name is shown."""

from dataclasses import replace
from typing import Any

import pytest

from consent.cli.check.findings import Finding, FindingCollector, State
from consent.cli.check.redcap import check_user
from consent.cli.write_test import TEST_FILE_NAME
from sandbox.dropbox.app import Dropbox
from sandbox.dropbox.faults import server_error
from sandbox.redcap.app import Field, User
from sandbox.server import Fault, Server
from tests.integration.app.test_heartbeat import Monitor
from tests.support.builders import TOKEN, a_redcap_row
from tests.support.check_mistakes import delivering_to, with_field
from tests.support.check_world import CheckWorld, found, printed, problems

PIPELINE = User("pipeline", TOKEN)
NO_IDENTIFIERS = {"consent": "no identifiers"}


def findings_about(**user: Any) -> list[Finding]:
    """The findings about a user with these rights on the form ``consent``."""
    findings = FindingCollector()
    check_user({"forms_export": {"consent": "1"}, "api_import": "0", "expiration": "", **user}, ["consent"], findings)
    return [finding for finding in findings.findings if finding.state != "ok"]


@pytest.mark.parametrize(
    ("users", "state", "what"),
    [
        ([User("pipeline", TOKEN, user_rights=False)], "unknown", "The rights of the token's user cannot be seen."),
        ([PIPELINE, User("colleague", "1" * 32, rights={"consent": "none"})], "unknown", "seen: 2 users may export"),
        ([PIPELINE, User("colleague", "1" * 32, api_export=False)], "ok", "Full Data Set on the form consent"),
        ([User("pipeline", TOKEN, rights=NO_IDENTIFIERS)], "warning", "consent (Remove All Identifier Fields)"),
    ],
    ids=["unreadable", "of several users", "a colleague who may not export", "partial, but every field arrives"],
)
def test_what_is_seen_of_the_rights(users: list[User], state: str, what: str, world: CheckWorld) -> None:
    world.project.users = users
    checkup = world.check()
    (finding,) = found(checkup, what)
    assert (finding.state, bool(finding.fix), problems(checkup)) == (state, state != "ok", [])


def test_no_name_is_shown(world: CheckWorld) -> None:
    world.project.users = [User("pipeline", TOKEN), User("colleague", "1" * 32)]
    shown = printed(world.check())
    assert [name for name in ("pipeline", "colleague", "Example", "@") if name in shown] == []


def test_a_user_in_no_group_of_several_sees_every_site(world: CheckWorld) -> None:
    world.project.groups = ("north", "south")
    assert found(world.check(), "in no data access group and sees every site")


def test_for_an_unknown_group_the_administrator_must_be_asked(world: CheckWorld) -> None:
    world.project.groups = ("north",)
    world.project.rows = [replace(a_redcap_row(), group="north")]
    world.project.users = [User("pipeline", TOKEN, group="north", user_rights=False, dag_right=False)]
    (finding,) = found(world.check(), "Whether the token's user is in a data access group cannot be seen")
    assert finding.state == "unknown"


@pytest.mark.parametrize(
    ("user", "what"),
    [
        ({"forms_export": {"consent": "0"}}, r"consent (No Access)"),
        ({"forms_export": {"consent": "2"}}, r"consent (De-Identified)"),
        ({"api_import": "1"}, "may also change records"),
        ({"expiration": "2027-01-31"}, "ends on 2027-01-31"),
    ],
)
def test_a_right_that_is_missing_not_needed_or_about_to_end_is_a_warning(user: dict[str, Any], what: str) -> None:
    (finding,) = findings_about(**user)
    assert (finding.state, what in finding.what) == ("warning", True)


def test_a_server_without_rights_by_form_gives_no_warning() -> None:
    assert findings_about(forms_export=None) == []


def states_of(world: CheckWorld, words: str) -> list[State]:
    return [finding.state for finding in found(world.check(), words)]


def test_what_fits_is_counted(world: CheckWorld) -> None:
    assert states_of(world, "fits the data dictionary: 3 fields, 5 option codes.") == ["ok"]
    assert states_of(world, "No exported field is marked as an identifier.") == ["ok"]


def test_a_code_without_an_option_is_a_warning_if_others_are_left(world: CheckWorld) -> None:
    world.change_study('agreed = ["1"]\ndeclined = ["0"]', 'agreed = ["1", "7"]\ndeclined = ["0"]')
    checkup = world.check()
    (finding,) = found(checkup, "riders[1].agreed: 'rider_a' has no option '7'")
    assert (finding.state, problems(checkup)) == ("warning", [])


def test_a_missing_data_code_is_an_option_of_every_field(world: CheckWorld) -> None:
    world.project.missing_data_codes = "7, Not asked"
    world.change_study('declined = ["0"]', 'declined = ["0", "7"]')
    assert states_of(world, "has no option '7'") == []


def test_a_code_without_an_option_is_reported_once(world: CheckWorld) -> None:
    with_field(world, "rider_a", type="radio", choices="2, Yes | 3, No")
    assert states_of(world, "riders[1].agreed") == ["problem"]


@pytest.mark.parametrize(
    ("annotation", "states"),
    [
        ("@TODAY-UTC", ["warning"]),
        ("@HIDDEN @NOW_UTC", ["warning"]),
        ("entered in UTC, not local time", ["warning"]),
        ("@TODAY", []),
        ("@SETVALUE='OUTCOME'", []),
    ],
)
def test_a_date_of_consent_in_utc_is_a_warning(world: CheckWorld, annotation: str, states: list[str]) -> None:
    with_field(world, "consent_date", annotation=annotation)
    assert states_of(world, "are in UTC by their field annotation in REDCap: consent_date.") == states


def test_a_field_that_is_marked_as_an_identifier_is_a_warning(world: CheckWorld) -> None:
    with_field(world, "consent_date", identifier=True)
    assert states_of(world, "as identifiers in REDCap: consent_date.") == ["warning"]


def test_a_repeating_form_with_another_choice_is_a_warning(world: CheckWorld) -> None:
    world.project.fields = (*world.project.fields, Field("which", "consent", "dropdown", choices="1, Main | 2, Blood"))
    world.project.repeating_forms = {(None, "consent")}
    world.project.rows = [a_redcap_row(instrument="consent", instance=1)]
    (finding,) = found(world.check(), "several rows of the form 'consent', which has other choices: which")
    assert finding.state == "warning"


@pytest.mark.parametrize(("key", "n"), [("", 1), ("double_data_entry = false\n", 0)])
def test_working_copies_of_double_data_entry_are_a_warning(key: str, n: int, world: CheckWorld) -> None:
    world.project.rows = [a_redcap_row(record) for record in ("1", "1--1", "1--2")]
    world.change_study("project_id = 14\n", f"project_id = 14\n{key}")
    warnings = found(world.check(), "2 records are named like working copies")
    assert [finding.state for finding in warnings] == ["warning"] * n


def test_records_are_not_checked_if_the_study_file_does_not_fit(world: CheckWorld) -> None:
    with_field(world, "rider_a", name="rider_b")
    assert states_of(world, "Records were not checked") == ["unknown"]


def in_a_team(world: CheckWorld, *, chosen: str | None = None) -> None:
    world.account = Dropbox(root_namespace="2")
    world.values |= {"DROPBOX_ROOT_NAMESPACE": chosen} if chosen else {}


def test_the_kind_of_account_is_shown(world: CheckWorld) -> None:
    assert found(world.check(), "A basic account; reports go to its own files.")


def test_the_used_team_space_is_shown_without_name_or_address(world: CheckWorld) -> None:
    in_a_team(world, chosen="2")
    checkup = world.check()
    assert found(checkup, "paths start at the team space 2")
    words = ("Franz", "Ferdinand", "franz@example.com", "Example Registry")
    assert [word for word in words if word in printed(checkup)] == []


def test_an_unused_team_space_is_a_warning_with_its_id(world: CheckWorld) -> None:
    in_a_team(world)
    (finding,) = found(world.check(), "business account with a team space")
    assert (finding.state, "DROPBOX_ROOT_NAMESPACE to 2" in finding.fix) == ("warning", True)


def test_an_unreadable_account_is_no_problem(world: CheckWorld) -> None:
    body = b'{"account_id": "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc"}'
    answer = Fault("answer", "users/get_current_account", 0, 99, 200, {"Content-Type": "application/json"}, body)
    world.servers.dropbox.faults.append(answer)
    checkup = world.check()
    states = [finding.state for finding in found(checkup, "about the account cannot be read")]
    assert (problems(checkup), states) == ([], ["unknown"])


def test_a_missing_folder_is_not_created(world: CheckWorld) -> None:
    delivering_to(world, "/Reports/Consent")
    assert found(world.check(), "The first report creates the folder /Reports/Consent.")
    assert [entry.path for entry in world.account.account.tree.inside("")] == []


def test_a_test_file_that_cannot_be_deleted_is_a_warning(world: CheckWorld) -> None:
    world.servers.dropbox.faults.append(server_error(match="files/delete_v2", times=999))
    checkup = world.check()
    (finding,) = found(checkup, "verified, but could not be deleted")
    assert (finding.state, TEST_FILE_NAME in finding.fix, problems(checkup)) == ("warning", True, [])


def test_a_folder_of_two_studies_is_tested_once(world: CheckWorld) -> None:
    world.settings()
    other = world.study.replace("OBRI Consent Summary", "Another")
    (world.folder / "studies" / "b-study.toml").write_text(other, encoding="utf-8")
    world.check()
    assert len(world.servers.dropbox.seen("files/upload")) == 1


# --- notices


def check_of_notices(world: CheckWorld, *addresses: str, notify: bool = False) -> list[tuple[State, str]]:
    """The findings about the notices of a study that wants some, in which no address may be shown."""
    world.study += "[notify]\n"
    world.values["CONSENT_NOTIFY"] = "\n".join(address + "/ADDRESS-SECRET" for address in addresses)
    checkup = world.check(notify=notify)
    assert (problems(checkup), "ADDRESS-SECRET" in printed(checkup)) == ([], False)
    return [(finding.state, finding.what) for finding in checkup.findings if finding.subject == "Notices"]


@pytest.mark.parametrize("notify", [False, True])
def test_a_check_recognises_addresses_and_sends_a_notice_only_if_asked(notify: bool, world: CheckWorld) -> None:
    with Server(Monitor()) as inbox, Server(Monitor()) as refusing:
        refusing.faults.append(Fault("answer", status=500, times=9))
        both = [f"json://{server.url.partition('//')[2]}" for server in (inbox, refusing)]
        found = check_of_notices(world, *both, "nosuch://127.0.0.1", notify=notify)

    assert (len(inbox.requests), len(refusing.requests)) == (notify, notify)
    refused = [("warning", "Address 2 of 3 did not accept the test notice.")] if notify else []
    assert found[:-1] == [*refused, ("warning", "Address 3 of 3 is no address of Apprise.")]
    assert (found[-1][0], found[-1][1][:6]) == ("ok", "1 of 3" if notify else "2 of 3")


def test_a_study_that_wants_notices_needs_an_address(world: CheckWorld) -> None:
    assert [state for state, _ in check_of_notices(world)] == ["warning"]
