"""Tests of the project's description, requested from a simulated REDCap."""

import pytest

from consent.errors import IncompleteExportError, SourceRefusedError
from consent.redcap.dictionary import Project
from consent.redcap.project import describe_project
from sandbox.redcap import faults
from sandbox.redcap.app import Field, Switches, User
from tests.support.builders import TOKEN, Asking, Open, a_redcap_project


def described(redcap: Asking) -> Project:
    """The whole description, as for ``consent init``."""
    return describe_project(redcap.client, redcap.client.project())


def test_the_description_holds_title_number_groups_and_surveys(open_redcap: Open) -> None:
    project = described(open_redcap(a_redcap_project(groups=["north"], surveys={"consent"})))
    assert (project.title, project.project_id, project.groups) == ("Consent registry", 14, (("north", "North"),))
    assert project.surveys is True


def test_the_description_holds_the_events_with_their_forms_and_the_repeats(open_redcap: Open) -> None:
    events = {"first_arm_1": ["enrolment", "consent"], "second_arm_1": ["consent"]}
    repeats = {"repeating_forms": {("second_arm_1", "consent")}, "repeating_events": {"first_arm_1"}}
    project = described(open_redcap(a_redcap_project(events=events, **repeats)))
    assert project.forms_by_event == {"first_arm_1": ("enrolment", "consent"), "second_arm_1": ("consent",)}
    assert project.repeating == frozenset({("second_arm_1", "consent"), ("first_arm_1", "")})


def test_groups_that_the_token_may_not_read_are_unknown(open_redcap: Open) -> None:
    users = [User("pipeline", TOKEN, dag_right=False)]
    assert described(open_redcap(a_redcap_project(groups=["north"], users=users))).groups is None


def test_repeats_that_an_old_server_does_not_report_are_unknown(open_redcap: Open) -> None:
    switches = Switches(hide_newer_project_keys=True)
    assert described(open_redcap(a_redcap_project(), switches=switches)).repeating is None


@pytest.mark.parametrize(
    ("content", "column"), [("metadata", "form_name"), ("dag", "unique_group_name"), ("formEventMapping", "form")]
)
def test_a_response_without_a_column_is_an_error(open_redcap: Open, content: str, column: str) -> None:
    redcap = open_redcap(a_redcap_project(groups=["north"], events={"first_arm_1": ["enrolment", "consent"]}))
    redcap.server.faults.append(faults.without_column(column, match=content))
    with pytest.raises(IncompleteExportError, match=f"has no '{column}'"):
        described(redcap)


def test_a_wrong_token_is_refused(open_redcap: Open) -> None:
    with pytest.raises(SourceRefusedError, match="refused the API token"):
        described(open_redcap(a_redcap_project(), token="F" * 32))


def test_no_record_is_requested(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(fields=[Field("record_id", "enrolment")]))
    described(redcap)
    assert redcap.asked == ["project", "metadata", "dag"]


def test_rights_are_listed_by_form(redcap: Asking) -> None:
    (user,) = redcap.client.users()
    assert user["forms_export"] == {"enrolment": "1", "consent": "1"}


def test_users_are_refused_without_the_right_to_read_them(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(users=[User("pipeline", TOKEN, user_rights=False)]))
    with pytest.raises(SourceRefusedError, match="may not read this"):
        redcap.client.users()
