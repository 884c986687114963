"""Tests of the simulated REDCap: it follows REDCap's rules, and PyCap, a client of the real server, can read it."""

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
from sandbox.server import Fault, Request, Server

TOKEN = "A" * 32

Post = Callable[..., requests.Response]
Open = Callable[[Project], pycap.Project]

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
    """Return form keys as most clients send them: lists as ``name[0]``."""
    form: dict[str, str] = {}
    for name, value in params.items():
        form |= {f"{name}[{n}]": one for n, one in enumerate(value)} if isinstance(value, list) else {name: value}
    return form


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Redcap([])) as running:
        yield running


@pytest.fixture
def post(server: Server) -> Post:
    """Return a function that posts one call to a project and returns the response."""
    server.faults.clear()

    def send(project: Project, *, switches: Switches = AS_DOCUMENTED, **params: Any) -> requests.Response:
        server.app = Redcap([project], switches=switches)
        defaults = {"token": TOKEN, "content": "record", "format": "json", "returnFormat": "json"}
        form = {key: value for key, value in form_of(defaults | params).items() if value != "unset"}
        return requests.post(f"{server.url}/api/", data=form, timeout=5, allow_redirects=False)

    return send


@pytest.fixture
def open_project(server: Server) -> Open:
    """Return a function that opens a project with PyCap."""

    def opened(project: Project) -> pycap.Project:
        server.app = Redcap([project])
        server.faults.clear()
        return pycap.Project(f"{server.url}/api/", TOKEN)

    return opened


def lines(response: requests.Response) -> list[str]:
    return response.text.splitlines()


# A client written for the real server


def test_pycap_reads_all_records_of_a_classic_project(open_project: Open) -> None:
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
def test_pycap_reads_every_row(open_project: Open, project: Project, rows: int) -> None:
    assert len(open_project(project).export_records()) == rows


def test_pycap_reads_records_as_csv(open_project: Open) -> None:
    text = open_project(classic()).export_records(format_type="csv", fields=["agreed"])
    assert list(csv.reader(io.StringIO(text))) == [["record_id", "agreed"], ["001", "1"], ["2", ""]]


def test_pycap_raises_a_refusal(open_project: Open) -> None:
    with pytest.raises(pycap.RedcapError, match=r"The following values .* are not valid: .*gone"):
        open_project(classic()).export_records(fields=["gone"])


def test_pycap_reads_the_project(open_project: Open) -> None:
    project = open_project(longitudinal(project_id=77, users=[user(rights={"consent": "no identifiers"})]))
    about: Any = project.export_project_info()
    assert (about["project_id"], about["is_longitudinal"], len(about)) == (77, 1, 27)
    assert [one["field_name"] for one in project.export_metadata()] == [one.name for one in FIELDS]
    assert project.export_users()[0]["forms_export"] == {"enrolment": 1, "consent": 3}
    assert [one["unique_group_name"] for one in project.export_dags()] == ["north", "south"]
    assert [(one["unique_event_name"], one["form"]) for one in project.export_instrument_event_mappings()] == [
        ("start_arm_1", "enrolment"),
        ("start_arm_1", "consent"),
        ("later_arm_1", "consent"),
        ("visit_arm_2", "consent"),
    ]
    names = "record_id full_name remark enrolment_complete consent_date agreed rider___1 rider____2 consent_complete"
    assert [one["export_field_name"] for one in project.export_field_names()] == names.split()


@pytest.mark.parametrize(
    ("project", "repeats"),
    [
        (repeating(), [{"form_name": "consent", "custom_form_label": ""}]),
        (
            longitudinal(),
            [
                {"event_name": "later_arm_1", "form_name": "consent", "custom_form_label": ""},
                {"event_name": "visit_arm_2", "form_name": "", "custom_form_label": ""},
            ],
        ),
    ],
    ids=["classic", "longitudinal"],
)
def test_pycap_reads_the_repeats(open_project: Open, project: Project, repeats: list[dict[str, str]]) -> None:
    assert open_project(project).export_repeating_instruments_events() == repeats


# Transport


def test_a_get_is_refused(server: Server) -> None:
    server.app = Redcap([classic()])
    response = requests.get(f"{server.url}/api/", timeout=5)
    assert (response.status_code, response.json()) == (501, {"error": "The requested method is not implemented."})


def test_a_missing_slash_is_redirected(server: Server) -> None:
    server.app = Redcap([classic()])
    response = requests.post(f"{server.url}/api", timeout=5, allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (301, f"{server.url}/api/")


def test_an_unknown_path_gets_the_web_servers_page(server: Server) -> None:
    server.app = Redcap([classic()])
    response = requests.post(f"{server.url}/other/", timeout=5)
    assert (response.status_code, "<h1>Not Found</h1>" in response.text) == (404, True)


def test_a_reply_is_chunked_and_compressed_without_a_length(post: Post) -> None:
    head = post(classic()).headers
    assert (head["Transfer-Encoding"], head["Content-Encoding"], "Content-Length" in head) == ("chunked", "gzip", False)


def test_responses_have_padding_of_different_lengths(post: Post) -> None:
    assert len({len(post(classic()).headers["REDCap-Random-Text"]) for _ in range(12)}) > 1


def test_a_large_registry_is_read_while_it_is_sent() -> None:
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
    "changes",
    [{"token": "B" * 32}, {"api_export": False}, {"rights": {"enrolment": "none", "consent": "none"}}],
    ids=str,
)
def test_a_token_without_access_is_refused(post: Post, changes: dict[str, Any]) -> None:
    assert post(classic(users=[user(**changes)])).status_code == 403


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_malformed_token_is_unauthorised(post: Post, token: str) -> None:
    assert post(classic(), token=token).status_code == 401


def test_a_token_of_another_project_opens_that_project(server: Server) -> None:
    server.app = Redcap([classic(), classic(project_id=15, users=[user(token="B" * 32)])])
    form = {"token": "B" * 32, "content": "project", "format": "json"}
    assert requests.post(f"{server.url}/api/", data=form, timeout=5).json()["project_id"] == 15


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
            {"fields": ["rider___1", "redcap_event_name"]},
            "The following values in the parameter \"fields\" are not valid: 'rider___1', 'redcap_event_name'",
        ),
        ({"forms": ["consent"]}, "not simulated: forms"),
        ({"fields": ["agreed"]}, "not simulated: fields without the record id"),
        ({"action": "import"}, "not simulated: this action or format"),
        ({"content": "metadata", "format": "csv"}, "not simulated: this action or format"),
        ({"type": "eav"}, "not simulated: type"),
        ({"format": "unset"}, "not simulated: this action or format"),
    ],
    ids=str,
)
def test_a_call_that_cannot_be_answered_is_a_bad_request(post: Post, params: dict[str, Any], text: str) -> None:
    response = post(classic(), **params)
    assert (response.status_code, response.json()) == (400, {"error": text})


def test_older_servers_ignore_unknown_fields(post: Post) -> None:
    response = post(classic(), switches=Switches(ignore_unknown_fields=True), fields=["record_id", "gone"])
    assert response.json() == [{"record_id": "001"}, {"record_id": "2"}]


@pytest.mark.parametrize(
    ("content", "change", "privilege"),
    [("user", {"user_rights": False}, "User Rights"), ("dag", {"dag_right": False}, "Data Access Groups")],
)
def test_a_list_of_users_or_groups_needs_a_right(
    post: Post, content: str, change: dict[str, Any], privilege: str
) -> None:
    response = post(classic(users=[user(**change)]), content=content)
    assert (response.status_code, f"'{privilege}' privileges in the project." in response.text) == (400, True)


# Lists


@pytest.mark.parametrize(
    "form",
    [
        {"fields[0]": "record_id", "fields[1]": "agreed"},
        {"fields": "record_id, agreed"},
        {"fields[]": ["record_id", "agreed"]},
    ],
    ids=str,
)
def test_lists_are_read_in_every_spelling(server: Server, form: dict[str, Any]) -> None:
    server.app = Redcap([classic()])
    data = {"token": TOKEN, "content": "record", "format": "json", **form}
    assert list(requests.post(f"{server.url}/api/", data=data, timeout=5).json()[0]) == ["record_id", "agreed"]


def test_form_keys_beyond_the_limit_are_dropped_silently(post: Post) -> None:
    response = post(classic(), switches=Switches(max_keys=5), fields=["record_id", "agreed"])
    assert list(response.json()[0]) == ["record_id"]


# Which columns


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"fields": ["agreed", "record_id"]}, ["record_id", "agreed"]),
        ({"fields": ["record_id", "consent_complete"]}, ["record_id", "consent_complete"]),
        ({"fields": ["record_id", "welcome"]}, ["record_id"]),
    ],
    ids=str,
)
def test_an_export_has_the_requested_columns_in_the_order_of_the_project(
    post: Post, params: dict[str, Any], names: list[str]
) -> None:
    assert list(post(classic(), **params).json()[0]) == names


def test_structure_columns_are_in_redcaps_order(post: Post) -> None:
    project = longitudinal(surveys={"consent"})
    flags = {"exportSurveyFields": "true", "exportDataAccessGroups": "true"}
    response = post(project, fields=["record_id", "agreed"], **flags)
    assert list(response.json()[0]) == [
        "record_id",
        "redcap_event_name",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "redcap_data_access_group",
        "redcap_survey_identifier",
        "consent_timestamp",
        "agreed",
    ]


def test_only_a_survey_with_an_exported_field_has_a_timestamp(post: Post) -> None:
    project = survey(fields=[*FIELDS, Field("extra", "other")], surveys={"consent", "other"})
    response = post(project, fields=["record_id", "agreed"], exportSurveyFields="true")
    assert [name for name in response.json()[0] if name.endswith("_timestamp")] == ["consent_timestamp"]


@pytest.mark.parametrize(
    ("right", "names"),
    [
        ("full", ["full_name", "remark", "enrolment_complete", "consent_date", "agreed"]),
        ("no identifiers", ["remark", "enrolment_complete", "consent_date", "agreed"]),
        ("de-identified", ["enrolment_complete", "agreed"]),
        ("none", []),
    ],
)
def test_export_rights_remove_columns(post: Post, right: Any, names: list[str]) -> None:
    rights = {"enrolment": right, "consent": right, "other": "full"}
    project = classic(fields=[*FIELDS, Field("extra", "other")], users=[user(rights=rights)])
    requested = ["record_id", "full_name", "remark", "enrolment_complete", "consent_date", "agreed"]
    assert list(post(project, fields=requested).json()[0]) == ["record_id", *names]


# Data access groups


def test_a_user_in_a_group_sees_only_its_records(post: Post) -> None:
    found = post(classic(users=[user(group="south")]), fields=["record_id"]).json()
    assert found == [{"record_id": "2"}]


@pytest.mark.parametrize("changes", [{"users": [user(group="south")]}, {"groups": []}], ids=str)
def test_there_is_no_group_column(post: Post, changes: dict[str, Any]) -> None:
    response = post(classic(**changes), fields=["record_id"], exportDataAccessGroups="true")
    assert "redcap_data_access_group" not in response.json()[0]


def test_every_row_has_its_group(post: Post) -> None:
    found = post(classic(), fields=["record_id"], exportDataAccessGroups="true").json()
    assert [one["redcap_data_access_group"] for one in found] == ["north", "south"]


# Which rows


def test_records_are_selected_by_id_even_with_a_comma(post: Post) -> None:
    project = classic(rows=[Row("a,b", {}), Row("a", {})])
    assert post(project, fields=["record_id"], records=["a,b", "gone"]).json() == [{"record_id": "a,b"}]


def test_base_rows_and_repeats_are_blank_in_each_others_columns(post: Post) -> None:
    response = post(repeating(), format="csv", fields=["record_id", "enrolment_complete", "agreed", "consent_complete"])
    assert lines(response) == [
        "record_id,redcap_repeat_instrument,redcap_repeat_instance,enrolment_complete,agreed,consent_complete",
        "1,,,0,,",
        "1,consent,1,,1,0",
        "1,consent,2,,0,0",
        "2,,,0,,",
    ]


def test_events_and_repeats_are_blank_where_a_form_is_not_designated(post: Post) -> None:
    fields = ["record_id", "enrolment_complete", "rider", "consent_complete"]
    response = post(longitudinal(), format="csv", fields=fields)
    assert [line.split(",", 2)[2] for line in lines(response)[1:]] == [
        ",,0,0,0,0",
        "consent,1,,0,0,0",
        "consent,2,,0,0,2",
        ",1,,1,0,0",
        ",,0,0,0,0",
    ]


def test_without_a_field_of_a_repeating_form_there_are_no_repeats_but_their_columns(post: Post) -> None:
    found = post(repeating(), format="csv", fields=["record_id", "full_name"])
    assert lines(found) == [
        "record_id,redcap_repeat_instrument,redcap_repeat_instance,full_name",
        "1,,,Ann",
        "2,,,",
    ]


def test_the_first_form_may_repeat(post: Post) -> None:
    rows = [Row("1", {"agreed": "1"}), Row("1", {"full_name": "Ann"}, instrument="enrolment", instance=1)]
    project = classic(rows=rows, repeating_forms={(None, "enrolment")})
    response = post(project, format="csv", fields=["record_id", "full_name", "enrolment_complete", "agreed"])
    assert lines(response)[1:] == ["1,,,,,1", "1,enrolment,1,Ann,0,"]


def test_data_outside_a_designated_form_is_never_sent(post: Post) -> None:
    project = longitudinal(rows=[Row("1", {"full_name": "Ann"}, event="later_arm_1")])
    assert post(project, fields=["record_id", "full_name"]).json()[0]["full_name"] == ""


def test_rows_of_one_record_can_be_sent_apart(post: Post) -> None:
    response = post(longitudinal(), switches=Switches(row_order="event"), fields=["record_id", "agreed"])
    assert [(one["record_id"], one["redcap_event_name"]) for one in response.json()] == [
        ("1", "start_arm_1"),
        ("2", "start_arm_1"),
        ("1", "later_arm_1"),
        ("1", "later_arm_1"),
        ("1", "visit_arm_2"),
    ]


# Values


def test_an_untouched_form_is_blank_on_request(post: Post) -> None:
    response = post(classic(), fields=["record_id", "enrolment_complete"], exportBlankForGrayFormStatus="true")
    assert [one["enrolment_complete"] for one in response.json()] == ["", "0"]


def test_checkboxes_of_an_empty_row_can_be_blank(post: Post) -> None:
    response = post(classic(), switches=Switches(blank_checkboxes_when_empty=True), fields=["record_id", "rider"])
    assert [one["rider___1"] for one in response.json()] == ["0", ""]


def test_a_missing_code_of_a_checkbox_has_a_column_once_a_record_has_it(post: Post) -> None:
    rows = [Row("1", {"rider___unk": "1"}), Row("2", {"rider___1": "1"})]
    project = classic(rows=rows, missing_data_codes="UNK, Unknown | OTH, Other")
    response = post(project, format="csv", fields=["record_id", "rider"])
    assert lines(response) == ["record_id,rider___1,rider____2,rider___unk", "1,,,1", "2,1,0,0"]


def test_a_started_survey_has_a_text_in_place_of_a_timestamp(post: Post) -> None:
    found = post(survey(), fields=["record_id", "agreed"], exportSurveyFields="true").json()[0]
    assert (found["consent_timestamp"], found["redcap_survey_identifier"]) == ("[not completed]", "ann@example.org")


@pytest.mark.parametrize(("code", "name"), [("-99", "x____99"), ("A", "x___a"), ("k>=9", "x___k__9")])
def test_checkbox_columns_are_named_after_their_codes(post: Post, code: str, name: str) -> None:
    project = classic(fields=[Field("record_id", "a"), Field("x", "a", "checkbox", choices=f"{code}, One")])
    assert list(post(project, fields=["record_id", "x"]).json()[0]) == ["record_id", name]


# Spelling


def test_json_is_compact_with_slashes_and_letters_escaped(post: Post) -> None:
    project = classic(rows=[Row('q"1', {"remark": "a/b é\n"})])
    assert post(project, fields=["record_id", "remark"]).text == r'[{"record_id":"q\"1","remark":"a\/b \u00e9\n"}]'


def test_json_can_have_unescaped_letters(post: Post) -> None:
    project = classic(rows=[Row("é", {})])
    response = post(project, switches=Switches(escape_unicode=False), fields=["record_id"])
    assert response.content == '[{"record_id":"é"}]'.encode()


def test_the_repeat_instance_is_a_number_in_json_or_blank(post: Post) -> None:
    found = post(repeating(), fields=["record_id", "agreed"]).json()
    assert [one["redcap_repeat_instance"] for one in found] == ["", 1, 2, ""]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("[a]+[b]", "[a]+[b]"),
        ("two words", '"two words"'),
        ("a,b", '"a,b"'),
        ("a\tb", '"a\tb"'),
        ("a\r\nb", '"a\r\nb"'),
        ('say "x"', '"say ""x"""'),
        ("", ""),
    ],
)
def test_csv_quotes_what_redcap_quotes(post: Post, value: str, cell: str) -> None:
    project = classic(rows=[Row("1", {"remark": value})])
    response = post(project, format="csv", fields=["record_id", "remark"])
    assert response.content.decode() == f"record_id,remark\n1,{cell}\n"


@pytest.mark.parametrize(("kind", "body"), [("json", "[]"), ("csv", "\n")])
def test_without_rows_there_is_no_header(post: Post, kind: str, body: str) -> None:
    assert post(classic(), format=kind, records=["none"]).text == body


def test_the_dictionary_has_line_breaks_between_objects(post: Post) -> None:
    assert post(classic(), content="metadata").text.count("},\n{") == len(FIELDS) - 1


@pytest.mark.parametrize(("hidden", "keys"), [(False, 27), (True, 22)])
def test_older_servers_describe_a_project_with_fewer_keys(post: Post, hidden: bool, keys: int) -> None:
    assert len(post(classic(), switches=Switches(hide_newer_project_keys=hidden), content="project").json()) == keys


def test_the_version_is_plain_text_in_every_format(post: Post) -> None:
    assert post(classic(version="13.4.3"), content="version").text == "13.4.3"


# Memory


@pytest.mark.parametrize(("limit", "enough"), [(3, False), (4, True), (None, True)])
def test_an_export_of_too_many_cells_runs_out_of_memory(post: Post, limit: int | None, enough: bool) -> None:
    response = post(classic(), switches=Switches(memory_limit_cells=limit), fields=["record_id", "agreed"])
    assert (response.text.startswith("<br />") and "ran out of server memory" in response.text) is not enough


# Faults


@pytest.fixture
def after(server: Server) -> Callable[[Fault], requests.Response]:
    """Return a function that sets a fault and returns the response to a record export."""

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
        (redcap_faults.memory_text, 200, '{"error":"REDCap ran out'),
        (lambda: redcap_faults.memory_text(500), 500, '{"error":"REDCap ran out'),
        (redcap_faults.empty_500, 500, ""),
        (redcap_faults.empty_list, 200, "[]"),
        (lambda: redcap_faults.error_object("out"), 200, '{"error":"out"}'),
        (redcap_faults.revoked_token, 403, "You do not have permissions"),
        (lambda: redcap_faults.redirect("https://example.org/api/"), 301, ""),
    ],
)
def test_a_fault_replaces_the_answer(
    after: Callable[[Fault], requests.Response], fault: Callable[[], Fault], status: int, text: str
) -> None:
    response = after(fault())
    assert (response.status_code, text in response.text) == (status, True)


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
def test_a_fault_changes_the_rows(
    after: Callable[[Fault], requests.Response], fault: Fault, rows: list[dict[str, str]]
) -> None:
    assert after(replace(fault)).json() == rows


def test_a_body_can_have_bytes_that_are_not_utf8(after: Callable[[Fault], requests.Response]) -> None:
    with pytest.raises(UnicodeDecodeError, match="can't decode byte 0xff"):
        after(redcap_faults.with_invalid_utf8()).content.decode("utf-8")


# Projects


def test_rows_are_read_again_for_every_request(post: Post) -> None:
    project = classic(rows=lambda: iter(ROWS))
    assert post(project).json() == post(project).json()
