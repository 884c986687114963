"""The REDCap stand-in keeps REDCap's rules, and a client written for the real server (PyCap) can read it."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import redcap as pycap
import requests

from sandbox.redcap import faults as redcap_faults
from sandbox.redcap.app import AS_DOCUMENTED, Field, Project, Redcap, Row, Switches, User
from sandbox.redcap.project import split_choices
from sandbox.server import Fault, Request, Server

TOKEN = "A" * 32
NO_PERMISSION = {"error": "You do not have permissions to use the API"}
WORDING = AS_DOCUMENTED.unknown_text

Ask = Callable[..., requests.Response]

FIELDS = (
    Field("record_id", "enrolment", label="Record ID"),
    Field("full_name", "enrolment", label="Name", identifier=True),
    Field("remark", "enrolment", "notes"),
    Field("consent_date", "consent", validation="date_ymd", label="Date"),
    Field("agreed", "consent", "yesno", label="Agreed?"),
    Field("welcome", "consent", "descriptive"),
    Field("rider", "consent", "checkbox", choices="1, Samples | -2, Data, too", label="Riders"),
    Field("scan", "consent", "file"),
)
ROWS = (
    Row(
        "001",
        {"full_name": "Ann", "consent_date": "2024-01-02", "agreed": "1", "rider____2": "1", "consent_complete": "2"},
        group="north",
    ),
    Row("2", {"remark": "a/b", "scan": "form.pdf", "enrolment_complete": "0"}, group="south"),
)


def user(**changes: Any) -> User:
    return User(**{"name": "pipeline", "token": TOKEN, **changes})


def classic(**changes: Any) -> Project:
    return Project(**{"fields": FIELDS, "rows": ROWS, "users": [user()], "groups": ["north", "south"], **changes})


def longitudinal(**changes: Any) -> Project:
    """Two events; the consent form repeats in the second; a third event repeats as a whole."""
    forms = {
        "start_arm_1": ["enrolment", "consent"],
        "later_arm_1": ["consent"],
        "visit_arm_2": ["consent"],
    }
    rows = [
        Row("1", {"full_name": "Ann", "agreed": "1"}, event="start_arm_1"),
        Row("1", {"agreed": "1"}, event="later_arm_1", instrument="consent", instance=1),
        Row("1", {"agreed": "0", "consent_complete": "2"}, event="later_arm_1", instrument="consent", instance=2),
        Row("1", {"rider___1": "1"}, event="visit_arm_2", instance=1),
        Row("2", {}, event="start_arm_1"),
    ]
    repeats = {"repeating_forms": {("later_arm_1", "consent")}, "repeating_events": {"visit_arm_2"}}
    return classic(**{"rows": rows, "events": forms, **repeats, **changes})


def repeating(**changes: Any) -> Project:
    """A classic project in which the consent form repeats."""
    rows = [
        Row("1", {"full_name": "Ann"}),
        Row("1", {"agreed": "1"}, instrument="consent", instance=1),
        Row("1", {"agreed": "0"}, instrument="consent", instance=2),
        Row("2", {}),
    ]
    return classic(**{"rows": rows, "repeating_forms": {(None, "consent")}, **changes})


def survey(**changes: Any) -> Project:
    rows = [Row("1", {"consent_timestamp": "[not completed]", "redcap_survey_identifier": "ann@example.org"})]
    return classic(**{"rows": rows, "surveys": {"consent"}, **changes})


def form_of(params: dict[str, Any]) -> dict[str, str]:
    """Form keys as careful clients send them: lists as ``name[0]``."""
    form: dict[str, str] = {}
    for name, value in params.items():
        form |= {f"{name}[{n}]": one for n, one in enumerate(value)} if isinstance(value, list) else {name: value}
    return form


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Redcap([])) as running:
        yield running


@pytest.fixture
def ask(server: Server) -> Ask:
    """Posts one call about a project and returns the reply."""
    server.faults.clear()

    def post(project: Project, *, switches: Switches = AS_DOCUMENTED, **params: Any) -> requests.Response:
        server.app = Redcap([project], switches=switches)
        defaults = {"token": TOKEN, "content": "record", "format": "json", "returnFormat": "json"}
        form = {key: value for key, value in form_of(defaults | params).items() if value != "unset"}
        return requests.post(f"{server.url}/api/", data=form, timeout=5, allow_redirects=False)

    return post


@pytest.fixture
def open_project(server: Server) -> Callable[[Project], pycap.Project]:
    """The project as PyCap sees it."""

    def opened(project: Project) -> pycap.Project:
        server.app = Redcap([project])
        server.faults.clear()
        return pycap.Project(f"{server.url}/api/", TOKEN)

    return opened


def lines(reply: requests.Response) -> list[str]:
    return reply.text.splitlines()


# A client written for the real server


def test_pycap_reads_the_dictionary(open_project: Callable[[Project], pycap.Project]) -> None:
    found = open_project(classic()).export_metadata()
    assert [one["field_name"] for one in found] == [one.name for one in FIELDS]


def test_pycap_reads_all_records_of_a_classic_project(open_project: Callable[[Project], pycap.Project]) -> None:
    first = open_project(classic()).export_records()[0]
    assert first == {
        "record_id": "001",
        "full_name": "Ann",
        "remark": "",
        "enrolment_complete": "0",
        "consent_date": "2024-01-02",
        "agreed": "1",
        "rider___1": "0",
        "rider____2": "1",
        "scan": "",
        "consent_complete": "2",
    }


@pytest.mark.parametrize(
    ("project", "rows"),
    [(classic(), 2), (longitudinal(), 5), (repeating(), 4), (survey(), 1)],
    ids=["classic", "longitudinal", "repeating", "survey"],
)
def test_pycap_reads_every_row(open_project: Callable[[Project], pycap.Project], project: Project, rows: int) -> None:
    assert len(open_project(project).export_records()) == rows


def test_pycap_reads_records_as_csv(open_project: Callable[[Project], pycap.Project]) -> None:
    text = open_project(classic()).export_records(format_type="csv", fields=["agreed"])
    assert list(csv.reader(io.StringIO(text))) == [["record_id", "agreed"], ["001", "1"], ["2", ""]]


def test_pycap_reads_records_with_groups_and_survey_fields(
    open_project: Callable[[Project], pycap.Project],
) -> None:
    found = open_project(survey()).export_records(export_data_access_groups=True, export_survey_fields=True)
    assert list(found[0])[:3] == ["record_id", "redcap_data_access_group", "redcap_survey_identifier"]


def test_pycap_reads_field_names(open_project: Callable[[Project], pycap.Project]) -> None:
    found = open_project(classic()).export_field_names()
    assert [one["export_field_name"] for one in found] == [
        "record_id", "full_name", "remark", "enrolment_complete",
        "consent_date", "agreed", "rider___1", "rider____2", "consent_complete",
    ]  # fmt: skip


def test_pycap_reads_the_version(open_project: Callable[[Project], pycap.Project]) -> None:
    assert str(open_project(classic()).export_version()) == "15.8.2"


def test_pycap_reads_project_information(open_project: Callable[[Project], pycap.Project]) -> None:
    found: Any = open_project(longitudinal(project_id=77)).export_project_info()
    assert (found["project_id"], found["is_longitudinal"], len(found)) == (77, 1, 27)


def test_pycap_reads_users_and_their_export_rights(open_project: Callable[[Project], pycap.Project]) -> None:
    found = open_project(classic(users=[user(rights={"consent": "no identifiers"})])).export_users()
    assert found[0]["forms_export"] == {"enrolment": 1, "consent": 3}


def test_pycap_reads_data_access_groups(open_project: Callable[[Project], pycap.Project]) -> None:
    found = open_project(classic()).export_dags()
    assert [one["unique_group_name"] for one in found] == ["north", "south"]


def test_pycap_reads_repeating_forms_of_a_classic_project(
    open_project: Callable[[Project], pycap.Project],
) -> None:
    found = open_project(repeating()).export_repeating_instruments_events()
    assert found == [{"form_name": "consent", "custom_form_label": ""}]


def test_pycap_reads_repeating_forms_and_events(open_project: Callable[[Project], pycap.Project]) -> None:
    found = open_project(longitudinal()).export_repeating_instruments_events()
    assert [(one["event_name"], one["form_name"]) for one in found] == [
        ("later_arm_1", "consent"),
        ("visit_arm_2", ""),
    ]


def test_pycap_reads_which_form_is_in_which_event(open_project: Callable[[Project], pycap.Project]) -> None:
    found = open_project(longitudinal()).export_instrument_event_mappings()
    assert [(one["unique_event_name"], one["form"]) for one in found] == [
        ("start_arm_1", "enrolment"),
        ("start_arm_1", "consent"),
        ("later_arm_1", "consent"),
        ("visit_arm_2", "consent"),
    ]


@pytest.mark.parametrize(("project", "expected"), [(classic(), False), (longitudinal(), True)], ids=["classic", "long"])
def test_pycap_tells_longitudinal_projects_apart(
    open_project: Callable[[Project], pycap.Project], project: Project, expected: bool
) -> None:
    assert open_project(project).is_longitudinal is expected


def test_pycap_sees_a_refusal(open_project: Callable[[Project], pycap.Project]) -> None:
    with pytest.raises(pycap.RedcapError, match=r"The following values .* are not valid: .*gone"):
        open_project(classic()).export_records(fields=["gone"])


# Transport


def test_a_get_is_refused(server: Server) -> None:
    server.app = Redcap([classic()])
    reply = requests.get(f"{server.url}/api/", timeout=5)
    assert (reply.status_code, reply.json()) == (501, {"error": "The requested method is not implemented."})


def test_a_missing_slash_is_redirected(server: Server) -> None:
    server.app = Redcap([classic()])
    reply = requests.post(f"{server.url}/api", timeout=5, allow_redirects=False)
    assert (reply.status_code, reply.headers["Location"]) == (301, f"{server.url}/api/")


def test_following_the_redirect_ends_in_a_refused_get(server: Server) -> None:
    server.app = Redcap([classic()])
    assert requests.post(f"{server.url}/api", timeout=5).status_code == 501


def test_another_path_is_the_web_servers_page(server: Server) -> None:
    server.app = Redcap([classic()])
    reply = requests.post(f"{server.url}/other/", timeout=5)
    assert (reply.status_code, "<h1>Not Found</h1>" in reply.text) == (404, True)


def test_a_reply_is_chunked_and_compressed_without_a_length(ask: Ask) -> None:
    head = ask(classic()).headers
    assert (head["Transfer-Encoding"], head["Content-Encoding"], "Content-Length" in head) == ("chunked", "gzip", False)


def test_every_reply_has_padding_of_another_length(ask: Ask) -> None:
    assert len({len(ask(classic()).headers["REDCap-Random-Text"]) for _ in range(12)}) > 1


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [("json", "application/json"), ("csv", "text/csv")],
)
def test_the_content_type_follows_the_format(ask: Ask, kind: str, content_type: str) -> None:
    assert ask(classic(), format=kind).headers["Content-Type"] == f"{content_type}; charset=utf-8"


def test_a_multipart_body_is_read_too(server: Server) -> None:
    server.app = Redcap([classic()])
    parts = {
        "token": (None, TOKEN),
        "content": (None, "record"),
        "format": (None, "json"),
        "fields[]": (None, "agreed"),
    }
    assert requests.post(f"{server.url}/api/", files=parts, timeout=5).json() == [{"agreed": "1"}]


def test_requests_are_named_by_their_content() -> None:
    assert Redcap([]).name_of(Request("POST", "/api/", "", {}, b"token=x&content=metadata")) == "metadata"


def test_a_large_registry_is_read_only_as_fast_as_it_is_sent() -> None:
    read: list[int] = []

    def rows() -> Iterator[Row]:
        for number in range(10_000):
            read.append(number)
            yield Row(str(number), {})

    body = f"token={TOKEN}&content=record&format=json".encode()
    pieces: Any = Redcap([classic(rows=rows)]).answer(Request("POST", "/api/", "", {}, body)).body
    next(iter(pieces))
    assert len(read) == 500


# Tokens and errors


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"token": "B" * 32}, 403),
        ({"expired": True}, 403),
        ({"deleted": True}, 403),
        ({"api_export": False}, 403),
        ({"rights": {"enrolment": "none", "consent": "none"}}, 403),
    ],
    ids=str,
)
def test_a_token_without_access_is_refused(ask: Ask, changes: dict[str, Any], status: int) -> None:
    assert ask(classic(users=[user(**changes)])).status_code == status


def test_an_unknown_token_is_refused_in_redcaps_words(ask: Ask) -> None:
    assert ask(classic(), token="0" * 32).json() == NO_PERMISSION


@pytest.mark.parametrize("token", ["", "short", "0" * 64])
def test_a_malformed_token_is_unauthorised(ask: Ask, token: str) -> None:
    assert ask(classic(), token=token).status_code == 401


def test_a_token_of_another_project_opens_that_project(server: Server) -> None:
    server.app = Redcap([classic(), classic(project_id=15, users=[user(token="B" * 32)])])
    form = {"token": "B" * 32, "content": "project", "format": "json"}
    assert requests.post(f"{server.url}/api/", data=form, timeout=5).json()["project_id"] == 15


TEXT = "You do not have permissions to use the API"


@pytest.mark.parametrize(
    ("formats", "body"),
    [
        ({"returnFormat": "json"}, f'{{"error":"{TEXT}"}}'),
        ({"returnFormat": "csv"}, f"ERROR: {TEXT}"),
        ({"returnFormat": "unset", "format": "csv"}, f"ERROR: {TEXT}"),
    ],
)
def test_an_error_has_the_return_format(ask: Ask, formats: dict[str, str], body: str) -> None:
    assert ask(classic(), token="0" * 32, **formats).text == body


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"content": "nonsense"}, 'The value of the parameter "content" is not valid'),
        ({"content": "formEventMapping"}, "You cannot export form/event mappings for classic projects"),
        (
            {"content": "repeatingFormsEvents"},
            "You cannot export repeating instruments and events because the project does not contain any repeating "
            "instruments and events",
        ),
        (
            {"fields": ["gone", "lost"]},
            "The following values in the parameter \"fields\" are not valid: 'gone', 'lost'",
        ),
        ({"fields": ["rider___1"]}, "The following values in the parameter \"fields\" are not valid: 'rider___1'"),
        ({"forms": ["gone"]}, "The following values in the parameter \"forms\" are not valid: 'gone'"),
        ({"filterLogic": "[agreed] = '1'"}, "not simulated: filterLogic"),
        ({"dateRangeBegin": "2024-01-01 00:00:00"}, "not simulated: dateRangeBegin"),
        ({"content": "log"}, "not simulated: this content, action or format"),
        ({"action": "import"}, "not simulated: this content, action or format"),
        ({"format": "pdf"}, WORDING),
        ({"type": "eav"}, "not simulated: type"),
        ({"format": "xml"}, "not simulated: format xml"),
        ({"content": "exportFieldNames", "field": "gone"}, WORDING),
    ],
    ids=str,
)
def test_a_call_that_cannot_be_answered_is_a_bad_request(ask: Ask, params: dict[str, Any], text: str) -> None:
    reply = ask(classic(), **params)
    assert (reply.status_code, reply.json()) == (400, {"error": text})


@pytest.mark.parametrize(
    "name",
    [
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "redcap_data_access_group",
        "redcap_survey_identifier",
        "consent_timestamp",
    ],
)
def test_pseudo_fields_cannot_be_asked_for(ask: Ask, name: str) -> None:
    assert f"'{name}'" in ask(survey(), fields=["record_id", name]).json()["error"]


def test_older_servers_ignore_unknown_fields(ask: Ask) -> None:
    reply = ask(classic(), switches=Switches(ignore_unknown_fields=True), fields=["record_id", "gone"])
    assert reply.json() == [{"record_id": "001"}, {"record_id": "2"}]


def test_an_unknown_event_is_refused(ask: Ask) -> None:
    assert "'gone'" in ask(longitudinal(), events=["gone"]).json()["error"]


@pytest.mark.parametrize(
    ("content", "change", "privilege"),
    [("user", {"user_rights": False}, "User Rights"), ("dag", {"dag_right": False}, "Data Access Groups")],
)
def test_lists_of_people_need_a_privilege(ask: Ask, content: str, change: dict[str, Any], privilege: str) -> None:
    reply = ask(classic(users=[user(**change)]), content=content)
    assert (reply.status_code, f"'{privilege}' privileges in the project." in reply.text) == (400, True)


# Lists


@pytest.mark.parametrize(
    "form",
    [
        {"fields[0]": "record_id", "fields[1]": "agreed"},
        {"fields[1]": "record_id", "fields[2]": "agreed"},
        {"fields": "record_id,agreed"},
        {"fields": "record_id, agreed"},
        {"fields[]": ["record_id", "agreed"]},
    ],
    ids=str,
)
def test_lists_are_read_in_every_spelling(server: Server, form: dict[str, Any]) -> None:
    server.app = Redcap([classic()])
    data = {"token": TOKEN, "content": "record", "format": "json", **form}
    assert list(requests.post(f"{server.url}/api/", data=data, timeout=5).json()[0]) == ["record_id", "agreed"]


def test_one_version_refuses_comma_lists(ask: Ask) -> None:
    reply = ask(classic(), switches=Switches(refuse_comma_lists=True), fields="record_id")
    assert reply.json()["error"].startswith('The "fields" parameter has been provided with a value, but')


def test_form_keys_beyond_the_limit_are_dropped_silently(ask: Ask) -> None:
    reply = ask(classic(), switches=Switches(max_keys=5), fields=["record_id", "agreed"])
    assert list(reply.json()[0]) == ["record_id"]


def test_a_thousand_form_keys_are_read_unless_told_otherwise(ask: Ask) -> None:
    project = classic(rows=[Row(str(number), {}) for number in range(1200)])
    assert len(ask(project, fields=["record_id"], records=[str(number) for number in range(1200)]).json()) == 995


# Which columns


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"fields": ["agreed"]}, ["agreed"]),
        ({"fields": ["record_id", "agreed"]}, ["record_id", "agreed"]),
        ({"fields": ["agreed", "record_id"]}, ["record_id", "agreed"]),
        ({"forms": ["enrolment"]}, ["record_id", "full_name", "remark", "enrolment_complete"]),
        (
            {"forms": ["consent"]},
            ["consent_date", "agreed", "rider___1", "rider____2", "scan", "consent_complete"],
        ),
        ({"fields": ["record_id", "consent_complete"]}, ["record_id", "consent_complete"]),
        ({"fields": ["record_id", "welcome"]}, ["record_id"]),
        (
            {"fields": ["agreed"], "forms": ["enrolment"]},
            ["record_id", "full_name", "remark", "enrolment_complete", "agreed"],
        ),
    ],
    ids=str,
)
def test_the_record_id_comes_only_when_it_or_its_form_is_asked_for(
    ask: Ask, params: dict[str, Any], names: list[str]
) -> None:
    assert list(ask(classic(), **params).json()[0]) == names


def test_form_names_may_be_written_with_spaces(ask: Ask) -> None:
    fields = [Field("record_id", "first_form"), Field("age", "first_form")]
    assert list(ask(classic(fields=fields), forms=["first form"]).json()[0]) == [
        "record_id",
        "age",
        "first_form_complete",
    ]


def test_structure_columns_come_and_go_with_the_record_id(ask: Ask) -> None:
    assert list(ask(longitudinal(), fields=["agreed"]).json()[0]) == ["agreed"]


def test_structure_columns_are_in_redcaps_order(ask: Ask) -> None:
    project = longitudinal(surveys={"consent"})
    reply = ask(
        project,
        fields=["record_id", "agreed"],
        exportSurveyFields="true",
        exportDataAccessGroups="true",
    )
    assert list(reply.json()[0]) == [
        "record_id",
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "redcap_data_access_group",
        "redcap_survey_identifier",
        "consent_timestamp",
        "agreed",
    ]


def test_rows_without_an_answer_go_when_the_id_is_not_asked_for(ask: Ask) -> None:
    assert ask(classic(), fields=["rider"]).json() == [{"rider___1": "0", "rider____2": "1"}]


def test_a_classic_project_asked_for_events_sorts_its_columns(ask: Ask) -> None:
    reply = ask(classic(), events=["event_1_arm_1"], fields=["record_id", "agreed", "consent_date"])
    assert list(reply.json()[0]) == ["agreed", "consent_date", "record_id"]


def test_a_timestamp_comes_only_for_a_survey_with_an_exported_field(ask: Ask) -> None:
    project = survey(surveys={"consent", "enrolment"})
    assert list(ask(project, fields=["agreed"], exportSurveyFields="true").json()[0])[1:] == [
        "consent_timestamp",
        "agreed",
    ]


@pytest.mark.parametrize(
    ("right", "names"),
    [
        ("full", ["full_name", "remark", "enrolment_complete", "consent_date", "agreed"]),
        ("no identifiers", ["remark", "enrolment_complete", "consent_date", "agreed"]),
        ("de-identified", ["enrolment_complete", "agreed"]),
        ("none", []),
    ],
)
def test_export_rights_remove_columns(ask: Ask, right: Any, names: list[str]) -> None:
    rights = {"enrolment": right, "consent": right, "other": "full"}
    project = classic(fields=[*FIELDS, Field("extra", "other")], users=[user(rights=rights)])
    asked = ["record_id", "full_name", "remark", "enrolment_complete", "consent_date", "agreed"]
    assert list(ask(project, fields=asked).json()[0]) == ["record_id", *names]


def test_rights_do_not_reduce_the_dictionary(ask: Ask) -> None:
    project = classic(users=[user(rights={"consent": "none"})])
    assert len(ask(project, content="metadata").json()) == len(FIELDS)


def test_asking_only_for_forms_without_access_is_refused(ask: Ask) -> None:
    assert ask(classic(users=[user(rights={"consent": "none"})]), forms=["consent"]).status_code == 403


def test_old_servers_hash_the_ids_of_deidentified_exports(ask: Ask) -> None:
    fields = [replace(FIELDS[0], identifier=True), *FIELDS[1:]]
    project = classic(fields=fields, users=[user(rights={"enrolment": "de-identified"})])
    found = ask(project, switches=Switches(hash_ids=True), fields=["record_id"]).json()
    assert {len(one["record_id"]) for one in found} == {32}


# Data access groups


def test_a_user_in_a_group_sees_only_its_records(ask: Ask) -> None:
    found = ask(classic(users=[user(group="south")]), fields=["record_id"]).json()
    assert found == [{"record_id": "2"}]


def test_a_user_in_a_group_gets_no_group_column(ask: Ask) -> None:
    reply = ask(classic(users=[user(group="south")]), fields=["record_id"], exportDataAccessGroups="true")
    assert "redcap_data_access_group" not in reply.json()[0]


def test_a_project_without_groups_has_no_group_column(ask: Ask) -> None:
    reply = ask(classic(groups=[]), fields=["record_id"], exportDataAccessGroups="true")
    assert "redcap_data_access_group" not in reply.json()[0]


def test_the_group_is_on_every_row(ask: Ask) -> None:
    found = ask(classic(), fields=["record_id"], exportDataAccessGroups="true").json()
    assert [one["redcap_data_access_group"] for one in found] == ["north", "south"]


# Which rows


def test_records_are_chosen_by_id_and_unknown_ones_are_no_error(ask: Ask) -> None:
    assert ask(classic(), fields=["record_id"], records=["2", "1"]).json() == [{"record_id": "2"}]


def test_an_id_with_a_comma_can_be_asked_for_as_an_array(ask: Ask) -> None:
    project = classic(rows=[Row("a,b", {}), Row("a", {})])
    assert ask(project, fields=["record_id"], records=["a,b"]).json() == [{"record_id": "a,b"}]


def test_events_are_chosen_by_name(ask: Ask) -> None:
    found = ask(longitudinal(), fields=["record_id"], events=["start_arm_1"]).json()
    assert [one["record_id"] for one in found] == ["1", "2"]


def test_base_rows_and_repeats_are_blank_where_the_other_has_data(ask: Ask) -> None:
    reply = ask(repeating(), format="csv", fields=["record_id", "enrolment_complete", "agreed", "consent_complete"])
    assert lines(reply) == [
        "record_id,redcap_repeat_instrument,redcap_repeat_instance,enrolment_complete,agreed,consent_complete",
        "1,,,0,,",
        "1,consent,1,,1,0",
        "1,consent,2,,0,0",
        "2,,,0,,",
    ]


def test_events_and_repeats_are_blank_where_a_form_is_not_designated(ask: Ask) -> None:
    reply = ask(longitudinal(), format="csv", fields=["record_id", "enrolment_complete", "rider", "consent_complete"])
    assert [line.split(",", 2)[2] for line in lines(reply)[1:]] == [
        ",,0,0,0,0",
        "consent,1,,0,0,0",
        "consent,2,,0,0,2",
        ",1,,1,0,0",
        ",,0,0,0,0",
    ]


def test_asking_for_other_forms_drops_the_repeats_but_keeps_their_columns(ask: Ask) -> None:
    found = ask(repeating(), format="csv", fields=["record_id", "full_name"])
    assert lines(found) == [
        "record_id,redcap_repeat_instrument,redcap_repeat_instance,full_name",
        "1,,,Ann",
        "2,,,",
    ]


def test_the_first_form_may_repeat(ask: Ask) -> None:
    rows = [Row("1", {"agreed": "1"}), Row("1", {"full_name": "Ann"}, instrument="enrolment", instance=1)]
    project = classic(rows=rows, repeating_forms={(None, "enrolment")})
    reply = ask(project, format="csv", fields=["record_id", "full_name", "enrolment_complete", "agreed"])
    assert lines(reply)[1:] == ["1,,,,,1", "1,enrolment,1,Ann,0,"]


def test_data_outside_a_designated_form_is_never_sent(ask: Ask) -> None:
    project = longitudinal(rows=[Row("1", {"full_name": "Ann"}, event="later_arm_1")])
    assert ask(project, fields=["record_id", "full_name"]).json()[0]["full_name"] == ""


def test_rows_of_one_record_can_come_apart(ask: Ask) -> None:
    reply = ask(longitudinal(), switches=Switches(row_order="event"), fields=["record_id", "agreed"])
    assert [(one["record_id"], one["redcap_event_name"]) for one in reply.json()] == [
        ("1", "start_arm_1"),
        ("2", "start_arm_1"),
        ("1", "later_arm_1"),
        ("1", "later_arm_1"),
        ("1", "visit_arm_2"),
    ]


# Values


def test_an_untouched_form_reads_as_incomplete(ask: Ask) -> None:
    found = ask(classic(), fields=["record_id", "enrolment_complete"]).json()
    assert [one["enrolment_complete"] for one in found] == ["0", "0"]


def test_an_untouched_form_is_blank_when_gray_is_asked_for(ask: Ask) -> None:
    reply = ask(classic(), fields=["record_id", "enrolment_complete"], exportBlankForGrayFormStatus="true")
    assert [one["enrolment_complete"] for one in reply.json()] == ["", "0"]


def test_only_stored_options_of_a_checkbox_are_ticked(ask: Ask) -> None:
    found = ask(classic(), fields=["record_id", "rider"]).json()
    assert found[1] == {"record_id": "2", "rider___1": "0", "rider____2": "0"}


def test_checkboxes_of_an_empty_row_can_be_blank(ask: Ask) -> None:
    reply = ask(classic(), switches=Switches(blank_checkboxes_when_empty=True), fields=["record_id", "rider"])
    assert [one["rider___1"] for one in reply.json()] == ["0", ""]


def test_a_missing_code_of_a_checkbox_has_a_column_once_it_is_used(ask: Ask) -> None:
    rows = [Row("1", {"rider___unk": "1"}), Row("2", {"rider___1": "1"})]
    reply = ask(
        classic(rows=rows, missing_data_codes="UNK, Unknown | OTH, Other"),
        format="csv",
        fields=["record_id", "rider"],
    )
    assert lines(reply) == ["record_id,rider___1,rider____2,rider___unk", "1,,,1", "2,1,0,0"]


def test_a_survey_that_was_begun_has_a_word_for_a_timestamp(ask: Ask) -> None:
    found = ask(survey(), fields=["record_id", "agreed"], exportSurveyFields="true").json()[0]
    assert (found["consent_timestamp"], found["redcap_survey_identifier"]) == ("[not completed]", "ann@example.org")


@pytest.mark.parametrize(
    ("choices", "options"),
    [
        ("1, Yes | 0, No", {"1": "Yes", "0": "No"}),
        ("a,First, then|-9,<b>x</b>", {"a": "First, then", "-9": "<b>x</b>"}),
        ("", {}),
    ],
)
def test_choices_are_split_at_their_first_comma(choices: str, options: dict[str, str]) -> None:
    assert split_choices(choices) == options


@pytest.mark.parametrize(("code", "name"), [("1", "x___1"), ("-99", "x____99"), ("A", "x___a"), ("k>=9", "x___k__9")])
def test_checkbox_columns_are_named_after_their_codes(ask: Ask, code: str, name: str) -> None:
    project = classic(fields=[Field("record_id", "a"), Field("x", "a", "checkbox", choices=f"{code}, One")])
    assert list(ask(project, fields=["record_id", "x"]).json()[0]) == ["record_id", name]


# Entity-attribute-value


# Spelling


def test_json_is_compact_with_slashes_and_letters_escaped(ask: Ask) -> None:
    project = classic(rows=[Row('q"1', {"remark": "a/b é\n"})])
    assert ask(project, fields=["record_id", "remark"]).text == r'[{"record_id":"q\"1","remark":"a\/b \u00e9\n"}]'


def test_json_can_carry_letters_as_they_are(ask: Ask) -> None:
    project = classic(rows=[Row("é", {})])
    reply = ask(project, switches=Switches(escape_unicode=False), fields=["record_id"])
    assert reply.content == '[{"record_id":"é"}]'.encode()


def test_the_repeat_instance_is_a_number_in_json_or_blank(ask: Ask) -> None:
    found = ask(repeating(), fields=["record_id", "agreed"]).json()
    assert [one["redcap_repeat_instance"] for one in found] == ["", 1, 2, ""]


def test_many_rows_make_one_json_list(ask: Ask) -> None:
    project = classic(rows=[Row(str(number), {}) for number in range(1500)])
    assert [int(one["record_id"]) for one in ask(project, fields=["record_id"]).json()] == list(range(1500))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("plain", "plain"),
        ("[a]+[b]", "[a]+[b]"),
        ("two words", '"two words"'),
        ("a,b", '"a,b"'),
        ("a\tb", '"a\tb"'),
        ("a\r\nb", '"a\r\nb"'),
        ('say "x"', '"say ""x"""'),
        ("00123", "00123"),
        ("", ""),
    ],
)
def test_csv_quotes_what_redcap_quotes(ask: Ask, value: str, cell: str) -> None:
    project = classic(rows=[Row("1", {"remark": value})])
    reply = ask(project, format="csv", fields=["record_id", "remark"])
    assert reply.content.decode() == f"record_id,remark\n1,{cell}\n"


def test_csv_may_leave_a_quote_after_a_backslash_alone(ask: Ask) -> None:
    project = classic(rows=[Row("1", {"remark": r"\" x"})])
    reply = ask(project, switches=Switches(csv_backslash_quirk=True), format="csv", fields=["remark"])
    assert lines(reply)[1] == r'"\" x"'


@pytest.mark.parametrize(
    ("kind", "body"),
    [("json", "[]"), ("csv", "\n")],
)
def test_no_rows_leave_no_header(ask: Ask, kind: str, body: str) -> None:
    assert ask(classic(), format=kind, records=["none"]).text == body


@pytest.mark.parametrize(
    ("content", "newline"),
    [
        ("record", True),
        ("metadata", True),
        ("project", True),
        ("formEventMapping", False),
        ("user", False),
    ],
)
def test_only_some_contents_end_their_csv_with_a_line_break(ask: Ask, content: str, newline: bool) -> None:
    assert ask(longitudinal(), content=content, format="csv").text.endswith("\n") is newline


def test_the_dictionary_has_line_breaks_between_objects(ask: Ask) -> None:
    assert ask(classic(), content="metadata").text.count("},\n{") == len(FIELDS) - 1


def test_the_dictionary_can_be_asked_for_by_field_and_form(ask: Ask) -> None:
    found = ask(classic(), content="metadata", fields=["agreed"], forms=["enrolment"]).json()
    assert [one["field_name"] for one in found] == ["record_id", "full_name", "remark", "agreed"]


def test_a_row_of_the_dictionary_has_eighteen_columns(ask: Ask) -> None:
    assert len(ask(classic(), content="metadata").json()[1]) == 18


def test_rights_by_form_are_one_cell_in_csv(ask: Ask) -> None:
    assert lines(ask(classic(), content="user", format="csv"))[1].endswith('"enrolment:1,consent:1"')


@pytest.mark.parametrize(("hidden", "keys"), [(False, 27), (True, 22)])
def test_older_servers_describe_a_project_in_fewer_keys(ask: Ask, hidden: bool, keys: int) -> None:
    assert len(ask(classic(), switches=Switches(hide_newer_project_keys=hidden), content="project").json()) == keys


def test_the_version_is_plain_text_whatever_the_format(ask: Ask) -> None:
    assert ask(classic(version="13.4.3"), content="version").text == "13.4.3"


def test_one_field_name_can_be_asked_for(ask: Ask) -> None:
    found = ask(classic(), content="exportFieldNames", field="rider").json()
    assert [(one["choice_value"], one["export_field_name"]) for one in found] == [
        ("1", "rider___1"),
        ("-2", "rider____2"),
    ]


# Memory


@pytest.mark.parametrize(("limit", "enough"), [(3, False), (4, True), (None, True)])
def test_an_export_of_too_many_cells_runs_out_of_memory(ask: Ask, limit: int | None, enough: bool) -> None:
    reply = ask(classic(), switches=Switches(memory_limit_cells=limit), fields=["record_id", "agreed"])
    assert ("ran out of server memory" not in reply.text) is enough


def test_out_of_memory_with_200_is_html_and_then_an_error(ask: Ask) -> None:
    reply = ask(classic(), switches=Switches(memory_limit_cells=1))
    assert (reply.status_code, reply.text[:6], reply.text[-2:]) == (200, "<br />", '"}')


def test_out_of_memory_with_500_is_a_plain_error(ask: Ask) -> None:
    reply = ask(classic(), switches=Switches(memory_limit_cells=1, memory_status=500))
    assert (reply.status_code, list(reply.json())) == (500, ["error"])


# Faults


@pytest.fixture
def after(server: Server) -> Callable[[Fault], requests.Response]:
    """The reply to a plain record export once a fault was set."""

    def reply(fault: Fault) -> requests.Response:
        server.app = Redcap([classic()])
        server.faults[:] = [fault]
        form = {"token": TOKEN, "content": "record", "format": "json", "fields": "record_id,agreed"}
        return requests.post(f"{server.url}/api/", data=form, timeout=5, allow_redirects=False)

    return reply


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        (redcap_faults.login_page, 200, "Sign in"),
        (redcap_faults.browser_tabs_page, 200, "multiple browser tabs of the same REDCap page"),
        (redcap_faults.database_down, 200, redcap_faults.DATABASE_PASSWORD),
        (redcap_faults.memory_text, 200, '{"error":"REDCap ran out'),
        (lambda: redcap_faults.memory_text(500), 500, '{"error":"REDCap ran out'),
        (redcap_faults.gateway_timeout, 504, "504 Gateway Time-out"),
        (redcap_faults.empty_500, 500, ""),
        (redcap_faults.zero_bytes, 200, ""),
        (redcap_faults.empty_list, 200, "[]"),
        (lambda: redcap_faults.error_object("out"), 200, '{"error":"out"}'),
        (redcap_faults.html_404, 404, "<h1>Not Found</h1>"),
        (lambda: redcap_faults.ban_page(403, b"banned"), 403, "banned"),
        (redcap_faults.revoked_token, 403, "You do not have permissions"),
        (redcap_faults.deleted_project, 400, "it was deleted."),
        (lambda: redcap_faults.redirect("https://example.org/api/"), 301, ""),
    ],
)
def test_a_fault_replaces_the_answer(
    after: Callable[[Fault], requests.Response], fault: Callable[[], Fault], status: int, text: str
) -> None:
    reply = after(fault())
    assert (reply.status_code, text in reply.text) == (status, True)


def test_a_redirect_says_where_to(after: Callable[[Fault], requests.Response]) -> None:
    assert after(redcap_faults.redirect("https://example.org/api/")).headers["Location"] == "https://example.org/api/"


FIRST, SECOND = {"record_id": "001", "agreed": "1"}, {"record_id": "2", "agreed": ""}


@pytest.mark.parametrize(
    ("fault", "rows"),
    [
        (redcap_faults.without_record(1), [FIRST]),
        (redcap_faults.without_row(0), [SECOND]),
        (redcap_faults.duplicated_row(0), [FIRST, FIRST, SECOND]),
        (redcap_faults.without_column("agreed"), [{"record_id": "001"}, {"record_id": "2"}]),
        (redcap_faults.without_row(0, match="metadata"), [FIRST, SECOND]),
        (redcap_faults.without_row(0, skip=1), [FIRST, SECOND]),
    ],
)
def test_a_fault_alters_the_rows(
    after: Callable[[Fault], requests.Response], fault: Fault, rows: list[dict[str, str]]
) -> None:
    assert after(replace(fault)).json() == rows


def test_a_body_can_begin_with_a_byte_order_mark(after: Callable[[Fault], requests.Response]) -> None:
    assert after(redcap_faults.with_bom()).content[:3] == b"\xef\xbb\xbf"


def test_a_body_can_hold_what_is_not_utf8(after: Callable[[Fault], requests.Response]) -> None:
    with pytest.raises(UnicodeDecodeError, match="can't decode byte 0xff"):
        after(redcap_faults.with_invalid_utf8()).content.decode("utf-8")


# Projects


def test_rows_are_read_anew_for_every_request(ask: Ask) -> None:
    project = classic(rows=lambda: iter(ROWS))
    assert ask(project).json() == ask(project).json()
