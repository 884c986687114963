"""The whole registry or an error: every way of losing a part of it, against a stand-in that loses it."""

import gc
import json
import logging
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

import pandas as pd
import pytest

from consent.counting.consents import Counting
from consent.counting.participants import build_participants
from consent.counting.tally import Tally, tally_participants
from consent.errors import (
    ConfigurationError,
    ConsentReportError,
    DictionaryError,
    IncompleteExportError,
    SourceDataError,
    SourceRefusedError,
    SourceUnavailableError,
)
from consent.redcap.arrivals import GROUP, RECORD
from consent.redcap.export import Exported, export_registry
from consent.redcap.project import inspect_project
from consent.studies.model import StudyConfig
from sandbox.redcap import faults
from sandbox.redcap.app import Field, Project, Redcap, Row, Switches, User
from sandbox.redcap.formats import CONTENT_TYPES, error_body
from sandbox.server import Fault, Server
from tests.support.builders import (
    CONSENT,
    REDCAP_FIELDS,
    TOKEN,
    TWO_PARTICIPANTS,
    Asking,
    Open,
    a_period,
    a_redcap_project,
    a_redcap_row,
    a_study,
    all_texts_of,
    asking,
)

Rows = list[dict[str, Any]]

CANARY = "CANARY-7"
LISTING, EXPORT, AGAIN = 0, 1, 2  # the questions for records, in their order
ONE, TWO = "one_arm_1", "two_arm_1"
EVENTS = {ONE: ["enrolment", "consent"], TWO: ["consent"]}
SURVEY_CONSENT = CONSENT.replace('"consent_date"', '"consent_timestamp"')
CHECKBOX = Field("rider_box", "consent", "checkbox", choices="1, Samples | -2, Data")
BOX_RIDER = '[[riders]]\nkey = "rider a"\nfield = "rider_box(-2)"\nagreed = ["1"]\n'


def count(frame: pd.DataFrame) -> Counter[object]:
    """Every row as it is, and the participants: one whose rows do not stand together, or come twice, counts twice."""
    participants = int((frame[RECORD] != frame[RECORD].shift()).sum())
    return Counter({"participants": participants}) + Counter(frame.itertuples(index=False, name=None))


def export(redcap: Asking, study: StudyConfig | None = None) -> Exported[Counter[object]]:
    """The whole way: what REDCap is, then all of its records."""
    return export_registry(redcap.client, inspect_project(redcap.client, study or a_study()).plan, count, Counter())


def counts_of(rows: Iterable[Row]) -> Counter[object]:
    """What an export of these rows must count."""
    rows = list(rows)
    values = ("consent_date", "consent_obtained", "rider_a")
    named = Counter(
        (row.record, row.event, row.instrument, str(row.instance or ""), *(row.values.get(name, "") for name in values))
        for row in rows
    )
    return Counter({"participants": len({row.record for row in rows})}) + named


def forms_of(redcap: Asking) -> list[list[tuple[str, str]]]:
    """The form keys of every question for records."""
    return [parse_qsl(one.body.decode(), keep_blank_values=True) for one in redcap.server.seen("record")]


def ids_asked(redcap: Asking) -> list[list[str]]:
    """The record ids named in each question for records that names any."""
    named = [[value for name, value in form if name.startswith("records[")] for form in forms_of(redcap)]
    return [ids for ids in named if ids]


def changed_rows(change: Callable[[Rows], Rows], nth: int = EXPORT) -> Fault:
    """The rows of the nth question for records arrive changed."""

    def changed(body: bytes) -> bytes:
        return json.dumps(change(json.loads(body))).encode()

    return Fault("change", match="record", skip=nth, change=changed)


# Every kind of project


def in_events(**of_record: Iterable[str]) -> list[Row]:
    """One row per record and event."""
    return [a_redcap_row(record, event=event) for record, events in of_record.items() for event in events]


def base(record: str, event: str = "") -> Row:
    """The row that carries a record's forms that do not repeat."""
    return Row(record, {"full_name": "Ann"}, event=event)


def repeat(record: str, instance: int, event: str = "", **values: str) -> Row:
    """One repeat of the consent form."""
    return a_redcap_row(record, event=event, instrument="consent", instance=instance, **values)


def shaped(*rows: Row, **changes: Any) -> Project:
    return a_redcap_project(*rows, **changes)


KINDS = {
    "classic": shaped(*(a_redcap_row(record) for record in "123")),
    "longitudinal": shaped(*in_events(a=[ONE, TWO], b=[ONE], c=[TWO]), events=EVENTS),
    "repeating form": shaped(base("1"), repeat("1", 1), repeat("1", 2), base("2"), repeating_forms={(None, "consent")}),
    "repeating first form": shaped(
        base("1"),
        a_redcap_row("1", instrument="consent", instance=1),
        a_redcap_row("1", instrument="consent", instance=2),
        fields=[Field("record_id", "consent"), *REDCAP_FIELDS[2:], Field("full_name", "enrolment")],
        repeating_forms={(None, "consent")},
    ),
    "repeating event": shaped(
        *in_events(a=[ONE], b=[ONE]),
        a_redcap_row("c", event=TWO, instance=1),
        a_redcap_row("c", event=TWO, instance=2),
        events=EVENTS,
        repeating_events={TWO},
    ),
    "repeating form and repeating event": shaped(
        base("1", ONE),
        repeat("1", 1, ONE),
        repeat("1", 2, ONE),
        a_redcap_row("1", event=TWO, instance=1),
        a_redcap_row("1", event=TWO, instance=2),
        events=EVENTS,
        repeating_forms={(ONE, "consent")},
        repeating_events={TWO},
    ),
}


def rows_of(project: Project) -> list[Row]:
    return list(project.read())


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
def test_every_row_of_every_kind_of_project_is_counted_once(open_redcap: Open, project: Project) -> None:
    assert export(open_redcap(project)).counts == counts_of(rows_of(project))


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("nth", [0, -1])
def test_a_row_of_any_kind_that_does_not_arrive_is_missed(open_redcap: Open, project: Project, nth: int) -> None:
    redcap = open_redcap(project)
    redcap.server.faults.append(faults.without_row(nth % len(rows_of(project)), skip=EXPORT))
    with pytest.raises(IncompleteExportError, match=r"1 of them did not arrive"):
        export(redcap)


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
def test_a_row_of_any_kind_that_arrives_twice_is_refused(open_redcap: Open, project: Project) -> None:
    redcap = open_redcap(project)
    redcap.server.faults.append(faults.duplicated_row(1, skip=EXPORT))
    with pytest.raises(IncompleteExportError, match=r"holds 1 row more than once"):
        export(redcap)


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
def test_rows_of_one_record_that_come_apart_are_counted_together(open_redcap: Open, project: Project) -> None:
    redcap = open_redcap(project, switches=Switches(row_order="event"))
    assert export(redcap).counts == counts_of(rows_of(project))


def test_rows_that_come_apart_cost_one_more_reading(open_redcap: Open) -> None:
    redcap = open_redcap(KINDS["longitudinal"], switches=Switches(row_order="event"))
    export(redcap)
    assert len(redcap.server.seen("record")) == 3


def test_an_old_server_that_does_not_tell_of_repeats_raises_no_false_alarm(open_redcap: Open) -> None:
    project = KINDS["repeating form"]
    redcap = open_redcap(project, switches=Switches(hide_newer_project_keys=True))
    assert export(redcap).counts == counts_of(rows_of(project))


def test_a_repeat_that_is_sent_only_for_what_it_holds_raises_no_false_alarm(open_redcap: Open) -> None:
    """Nobody could confirm whether REDCap sends a repeat whose exported fields are all blank."""
    project = shaped(
        base("1"), Row("1", {"consent_complete": "0"}, instrument="consent", instance=1),
        repeating_forms={(None, "consent")},
    )  # fmt: skip
    redcap = open_redcap(project)
    redcap.server.faults.append(changed_rows(without_empty_repeats))
    assert export(redcap).records_received == 1


def without_empty_repeats(rows: Rows) -> Rows:
    named = {"record_id", "redcap_repeat_instrument", "redcap_repeat_instance"}
    return [row for row in rows if not row["redcap_repeat_instrument"] or any(row[key] for key in row.keys() - named)]


def test_the_record_id_may_have_any_name(open_redcap: Open) -> None:
    project = a_redcap_project(fields=[Field("study_no", "enrolment"), *REDCAP_FIELDS[1:]])
    assert export(open_redcap(project)).counts == counts_of(TWO_PARTICIPANTS)


SIMILAR_IDS = (
    "001",
    "1",
    "01",
    "1-1",
    " 2",
    "2",
    "1e5",
    "100000",
    "a,b",
    'say "x"',
    "Ω-é",
    "NA",
    "null",
    "1/2",
    "a&b=c",
)


def test_similar_record_ids_are_kept_apart(open_redcap: Open) -> None:
    rows = [a_redcap_row(record) for record in SIMILAR_IDS]
    assert export(open_redcap(a_redcap_project(*rows))).counts == counts_of(rows)


def test_similar_record_ids_are_kept_apart_when_they_are_asked_for_by_name(open_redcap: Open) -> None:
    rows = [a_redcap_row(record) for record in (*SIMILAR_IDS, *map(str, range(10, 40)))]
    redcap = open_redcap(a_redcap_project(*rows), switches=Switches(memory_limit_cells=100))
    assert export(redcap).counts == counts_of(rows)


# What is asked, and how often


def test_the_questions_come_in_a_fixed_order(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(fields=[*REDCAP_FIELDS, CHECKBOX], events=EVENTS, rows=in_events(a=[ONE])))
    export(redcap, a_study(riders=BOX_RIDER))
    described = ["version", "project", "metadata", "exportFieldNames", "formEventMapping"]
    assert redcap.asked == [*described, "record", "record"]


@pytest.mark.parametrize("records", [1, 2_000])
@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({}, 6),
        ({"events": EVENTS}, 8),
        ({"events": EVENTS, "repeating_events": {TWO}}, 8),
        ({"repeating_forms": {(None, "enrolment")}}, 8),
    ],
    ids=["classic", "longitudinal", "repeating event", "repeating form"],
)
def test_a_healthy_registry_of_any_size_takes_few_questions(
    open_redcap: Open, changes: dict[str, Any], most: int, records: int
) -> None:
    event = ONE if "events" in changes else ""
    rows = [a_redcap_row(str(n), event=event) for n in range(records)]
    redcap = open_redcap(a_redcap_project(*rows, fields=[*REDCAP_FIELDS, CHECKBOX], **changes))
    export(redcap, a_study(riders=BOX_RIDER))
    assert len(redcap.server.requests) <= most


def test_no_more_than_the_needed_fields_leave_redcap(redcap: Asking) -> None:
    export(redcap)
    asked = [[value for name, value in form if name.startswith("fields[")] for form in forms_of(redcap)]
    assert asked == [
        ["record_id", "consent_complete"],
        ["record_id", "consent_date", "consent_obtained", "rider_a"],
    ]


def test_records_are_asked_for_as_flat_rows_of_raw_codes(redcap: Asking) -> None:
    export(redcap)
    wanted = {"format": "json", "returnFormat": "json", "type": "flat", "rawOrLabel": "raw"}
    assert [wanted.items() <= dict(form).items() for form in forms_of(redcap)] == [True, True]


def test_the_group_of_a_record_is_asked_for_and_does_not_come_through(open_redcap: Open) -> None:
    project = a_redcap_project(Row("1", TWO_PARTICIPANTS[0].values, group="north"), groups=["north"])
    exported = export(open_redcap(project))
    assert exported.has_groups
    assert exported.counts == counts_of([a_redcap_row("1")])


def test_a_token_confined_to_a_group_shows_by_the_missing_group_column(open_redcap: Open) -> None:
    rows = [Row("1", {}, group="north"), Row("2", {}, group="south")]
    users = [User("pipeline", TOKEN, group="north")]
    exported = export(open_redcap(a_redcap_project(*rows, groups=["north", "south"], users=users)))
    assert (exported.has_groups, exported.records_received) == (False, 1)


def test_the_group_of_a_record_comes_through_where_it_is_the_site(open_redcap: Open) -> None:
    study = a_study(more='[sites]\nby = "data_access_group"\n')
    rows = [Row("1", TWO_PARTICIPANTS[0].values, group="north"), Row("2", TWO_PARTICIPANTS[1].values)]
    client = open_redcap(a_redcap_project(*rows, groups=["north"])).client
    groups: Counter[str] = Counter()
    exported = export_registry(
        client, inspect_project(client, study).plan, lambda rows: Counter(rows[GROUP].tolist()), groups
    )
    assert exported.counts == {"north": 1, "": 1}


@pytest.mark.parametrize(
    ("groups", "user"),
    [([], User("pipeline", TOKEN)), (["north"], User("pipeline", TOKEN, group="north"))],
    ids=["no groups", "a user who is in one"],
)
def test_sites_by_group_without_any_group_are_no_report(open_redcap: Open, groups: list[str], user: User) -> None:
    study = a_study(more='[sites]\nby = "data_access_group"\n')
    rows = [Row("1", TWO_PARTICIPANTS[0].values, group=(groups or [""])[0])]
    redcap = open_redcap(a_redcap_project(*rows, groups=groups, users=[user]))
    with pytest.raises(SourceRefusedError, match="no data access group, by which the study file tells the sites apart"):
        export(redcap, study)


def test_the_groups_of_records_read_in_parts_are_noticed(open_redcap: Open) -> None:
    rows = [Row(str(n), {}, group="" if n else "north") for n in range(60)]
    redcap = open_redcap(a_redcap_project(*rows, groups=["north"]))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    assert export(redcap).has_groups


def test_columns_that_nobody_asked_for_are_ignored(redcap: Asking) -> None:
    redcap.server.faults.append(changed_rows(lambda rows: [{**row, "new": "x", "a___1": "1"} for row in rows]))
    assert export(redcap).counts == counts_of(TWO_PARTICIPANTS)


def test_an_export_says_what_it_rests_on(redcap: Asking) -> None:
    found = inspect_project(redcap.client, a_study())
    exported = export(redcap)
    assert (found.redcap_version, found.project_id) == ("15.8.2", 14)
    assert (exported.records_listed, exported.records_received, exported.has_groups) == (2, 2, False)


def test_progress_is_told_in_records(redcap: Asking) -> None:
    told: list[tuple[int, int]] = []
    plan = inspect_project(redcap.client, a_study()).plan
    export_registry(redcap.client, plan, count, Counter(), lambda received, listed: told.append((received, listed)))
    assert told == [(2, 2)]


# Anything that is lost on the way


def test_a_record_that_does_not_arrive_is_missed(redcap: Asking) -> None:
    redcap.server.faults.append(faults.without_record(1, skip=EXPORT))
    with pytest.raises(IncompleteExportError, match="REDCap lists 2 rows, but 1 of them did not arrive"):
        export(redcap)


def test_no_record_at_all_is_not_taken_for_an_empty_registry(redcap: Asking) -> None:
    redcap.server.faults.append(faults.empty_list())
    with pytest.raises(IncompleteExportError, match="lists no record at all"):
        export(redcap)


def test_an_empty_export_of_a_listed_registry_is_missed(redcap: Asking) -> None:
    redcap.server.faults.append(faults.empty_list(skip=EXPORT))
    with pytest.raises(IncompleteExportError, match="2 of them did not arrive"):
        export(redcap)


def test_a_server_that_has_begun_to_send_nothing_has_not_lost_all_participants(redcap: Asking) -> None:
    redcap.server.faults.append(faults.empty_list(skip=EXPORT, times=2))
    with pytest.raises(IncompleteExportError, match="lists no record at all"):
        export(redcap)


@pytest.mark.parametrize(
    ("content", "what"), [("metadata", "data dictionary"), ("formEventMapping", "list of events"),
                          ("exportFieldNames", "list of export columns")],
)  # fmt: skip
def test_an_empty_description_of_the_project_is_refused(open_redcap: Open, content: str, what: str) -> None:
    redcap = open_redcap(a_redcap_project(fields=[*REDCAP_FIELDS, CHECKBOX], events=EVENTS))
    redcap.server.faults.append(faults.empty_list(match=content))
    with pytest.raises(IncompleteExportError, match=f"REDCap sent an empty {what}"):
        export(redcap, a_study(riders=BOX_RIDER))


@pytest.mark.parametrize("column", ["field_name", "form_name", "field_type"])
def test_a_dictionary_without_one_of_its_columns_is_refused(redcap: Asking, column: str) -> None:
    redcap.server.faults.append(faults.without_column(column, match="metadata"))
    with pytest.raises(IncompleteExportError, match=f"description of the project came without '{column}'"):
        export(redcap)


def test_a_column_that_is_absent_from_every_row_is_taken_for_withheld(redcap: Asking) -> None:
    redcap.server.faults.append(faults.without_column("rider_a", skip=EXPORT))
    with pytest.raises(SourceRefusedError, match=r"did not send the column rider_a\. .* 'Full Data Set'"):
        export(redcap)


def test_a_column_that_is_absent_from_one_row_is_missed(redcap: Asking) -> None:
    redcap.server.faults.append(changed_rows(lambda rows: [rows[0], {"record_id": "2", "consent_date": ""}]))
    with pytest.raises(
        IncompleteExportError, match="A row of REDCap's export came without the column consent_obtained"
    ):
        export(redcap)


@pytest.mark.parametrize("column", ["record_id", "redcap_event_name"])
def test_a_listing_that_does_not_name_its_rows_is_refused(open_redcap: Open, column: str) -> None:
    redcap = open_redcap(KINDS["longitudinal"])
    redcap.server.faults.append(faults.without_column(column))
    with pytest.raises(IncompleteExportError, match=f"list of records came without the column {column}"):
        export(redcap)


@pytest.mark.parametrize("column", ["record_id", "redcap_event_name"])
def test_an_export_that_does_not_name_its_rows_is_refused(open_redcap: Open, column: str) -> None:
    redcap = open_redcap(KINDS["longitudinal"])
    redcap.server.faults.append(faults.without_column(column, skip=EXPORT))
    with pytest.raises(SourceRefusedError, match=f"did not send the column {column}"):
        export(redcap)


CONTENTS = {
    "version": ("version", 0), "project": ("project", 0), "metadata": ("metadata", 0),
    "exportFieldNames": ("exportFieldNames", 0), "formEventMapping": ("formEventMapping", 0),
    "listing": ("record", LISTING), "export": ("record", EXPORT),
}  # fmt: skip


def with_every_question(open_redcap: Open) -> tuple[Asking, StudyConfig]:
    """A project for which all kinds of questions are asked."""
    project = a_redcap_project(*in_events(a=[ONE, TWO], b=[ONE]), fields=[*REDCAP_FIELDS, CHECKBOX], events=EVENTS)
    return open_redcap(project), a_study(riders=BOX_RIDER)


@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize("kind", ["cut", "trim"])
@pytest.mark.parametrize(("content", "nth"), CONTENTS.values(), ids=CONTENTS)
def test_no_export_comes_of_an_answer_that_keeps_being_cut_off(
    open_redcap: Open, content: str, nth: int, kind: str, at: int
) -> None:
    redcap, study = with_every_question(open_redcap)
    redcap.server.faults.append(Fault(kind, match=content, skip=nth, at=at, times=100))
    with pytest.raises((SourceUnavailableError, SourceDataError), match="REDCap"):
        export(redcap, study)


@pytest.mark.parametrize("kind", ["cut", "trim"])
@pytest.mark.parametrize(("content", "nth"), CONTENTS.values(), ids=CONTENTS)
def test_an_answer_cut_off_once_changes_no_count(open_redcap: Open, content: str, nth: int, kind: str) -> None:
    redcap, study = with_every_question(open_redcap)
    whole = export(redcap, study).counts
    redcap.server.faults.append(Fault(kind, match=content, skip=nth, at=0))
    assert export(redcap, study).counts == whole


@pytest.mark.parametrize(("content", "nth"), CONTENTS.values(), ids=CONTENTS)
def test_a_byte_order_mark_before_an_answer_is_tolerated(open_redcap: Open, content: str, nth: int) -> None:
    redcap, study = with_every_question(open_redcap)
    redcap.server.faults.append(faults.with_bom(match=content, skip=nth))
    assert export(redcap, study).records_received == 2


@pytest.mark.parametrize("nth", [LISTING, EXPORT])
def test_bytes_that_are_not_text_stop_the_run(redcap: Asking, nth: int) -> None:
    redcap.server.faults.append(faults.with_invalid_utf8(skip=nth))
    with pytest.raises(SourceDataError, match="invalid UTF-8"):
        export(redcap)


@pytest.mark.parametrize(("content", "nth"), CONTENTS.values(), ids=CONTENTS)
def test_a_sign_in_page_in_place_of_any_answer_is_recognised(open_redcap: Open, content: str, nth: int) -> None:
    redcap, study = with_every_question(open_redcap)
    redcap.server.faults.append(faults.login_page(match=content, skip=nth))
    with pytest.raises(SourceRefusedError, match="web page instead of data"):
        export(redcap, study)


LOSSES: dict[str, Callable[[], Fault]] = {
    "record missing": lambda: faults.without_record(0, skip=EXPORT),
    "row twice": lambda: faults.duplicated_row(0, skip=EXPORT),
    "nothing listed": faults.empty_list,
    "nothing sent": lambda: faults.empty_list(skip=EXPORT),
    "column withheld": lambda: faults.without_column("rider_a", skip=EXPORT),
    "column missing once": lambda: changed_rows(lambda rows: [rows[0], {"record_id": CANARY}]),
    "listing unnamed": lambda: faults.without_column("record_id"),
    "damaged text": lambda: faults.with_invalid_utf8(skip=EXPORT),
    "other shape": lambda: changed_rows(lambda rows: [{CANARY: rows}]),
    "cut off": lambda: Fault("trim", match="record", skip=EXPORT, at=100, times=100),
    "database down": lambda: faults.database_down(match="record", times=100),
    "unknown error": lambda: faults.error_object(CANARY, match="record"),
    "no memory": lambda: faults.memory_text(match="record", skip=EXPORT, times=100),
}


@pytest.mark.parametrize("make_fault", LOSSES.values(), ids=LOSSES)
def test_no_loss_gives_away_the_token_or_a_participant(
    open_redcap: Open, caplog: pytest.LogCaptureFixture, make_fault: Callable[[], Fault]
) -> None:
    caplog.set_level(logging.DEBUG)
    redcap = open_redcap(a_redcap_project(a_redcap_row(CANARY), a_redcap_row("2", consent_date=CANARY)))
    redcap.server.faults.append(make_fault())
    with pytest.raises(ConsentReportError, match="REDCap") as caught:
        export(redcap)
    said = all_texts_of(caught.value) + caplog.text
    assert [secret for secret in (CANARY, TOKEN, faults.DATABASE_PASSWORD) if secret in said] == []


# The wrong project, the wrong names, too few rights


EXPECTS_99 = "project_id = 99\n" + CONSENT


def test_a_token_of_another_project_is_refused_before_any_record_is_asked_for(redcap: Asking) -> None:
    with pytest.raises(ConfigurationError, match=r"belongs to REDCap project 14, but .* expects project 99"):
        export(redcap, a_study(consents=EXPECTS_99))
    assert redcap.asked == ["version", "project"]


def test_a_token_of_the_expected_project_is_accepted(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(project_id=99))
    assert inspect_project(redcap.client, a_study(consents=EXPECTS_99)).project_id == 99


@pytest.mark.parametrize("description", [{}, {"project_id": ""}, {"project_id": CANARY}, {"status": "ok"}])
def test_a_server_that_does_not_name_the_project_is_refused(redcap: Asking, description: dict[str, str]) -> None:
    redcap.server.faults.append(Fault("change", match="project", change=lambda _: json.dumps(description).encode()))
    with pytest.raises(SourceDataError, match="does not say which project") as caught:
        export(redcap)
    assert CANARY not in all_texts_of(caught.value)


def without_field(name: str) -> list[Field]:
    return [one for one in REDCAP_FIELDS if one.name != name]


def test_a_renamed_field_stops_the_run_before_any_record_is_asked_for(open_redcap: Open) -> None:
    renamed = Field("consent_date_v2", "consent", validation="date_ymd")
    redcap = open_redcap(a_redcap_project(fields=[*without_field("consent_date"), renamed]))
    with pytest.raises(DictionaryError, match=r"no field 'consent_date' .* Similar: consent_date_v2"):
        export(redcap)
    assert "record" not in redcap.asked


def test_a_field_renamed_a_moment_ago_is_named(open_redcap: Open, redcap_server: Server) -> None:
    redcap = open_redcap()
    plan = inspect_project(redcap.client, a_study()).plan
    redcap_server.app = Redcap([a_redcap_project(fields=without_field("rider_a"))])
    with pytest.raises(DictionaryError, match="fields rider_a: renamed or deleted in REDCap"):
        export_registry(redcap.client, plan, count, Counter())


def test_a_field_renamed_a_moment_ago_is_missed_by_an_old_server_too(open_redcap: Open, redcap_server: Server) -> None:
    redcap = open_redcap()
    plan = inspect_project(redcap.client, a_study()).plan
    project = a_redcap_project(fields=without_field("rider_a"))
    redcap_server.app = Redcap([project], switches=Switches(ignore_unknown_fields=True))
    with pytest.raises(SourceRefusedError, match="did not send the column rider_a"):
        export_registry(redcap.client, plan, count, Counter())


def test_a_refused_field_is_told_by_name_and_nothing_else(redcap: Asking) -> None:
    text = f"The following values in the parameter \"fields\" are not valid: 'rider_a' {CANARY}"
    headers = {"Content-Type": CONTENT_TYPES["json"]}
    body = error_body("json", text)
    redcap.server.faults.append(Fault("answer", match="record", status=400, headers=headers, body=body))
    with pytest.raises(DictionaryError, match="fields rider_a: renamed") as caught:
        export(redcap)
    assert CANARY not in all_texts_of(caught.value)


IDENTIFIED = [*without_field("consent_date"), Field("consent_date", "consent", validation="date_ymd", identifier=True)]


@pytest.mark.parametrize(
    ("right", "fields", "columns"),
    [
        ("none", REDCAP_FIELDS, "columns consent_date, consent_obtained, rider_a"),
        ("de-identified", REDCAP_FIELDS, "column consent_date"),
        ("no identifiers", IDENTIFIED, "column consent_date"),
    ],
)
def test_columns_withheld_by_an_export_right_are_named_with_the_right_to_ask_for(
    open_redcap: Open, right: str, fields: list[Field], columns: str
) -> None:
    users = [User("pipeline", TOKEN, rights={"consent": right})]
    redcap = open_redcap(a_redcap_project(fields=fields, users=users))
    with pytest.raises(SourceRefusedError, match=rf"did not send the {columns}\. .* export right 'Full Data Set'"):
        export(redcap)


def test_rights_that_withhold_nothing_needed_are_enough(open_redcap: Open) -> None:
    users = [User("pipeline", TOKEN, rights={"enrolment": "no identifiers"})]
    assert export(open_redcap(a_redcap_project(users=users))).records_received == 2


@pytest.mark.parametrize(
    "user",
    [
        User("pipeline", TOKEN, api_export=False),
        User("pipeline", TOKEN, expired=True),
        User("pipeline", TOKEN, deleted=True),
        User("pipeline", TOKEN, rights={"enrolment": "none", "consent": "none"}),
        User("pipeline", "F" * 32),
    ],
    ids=["no API export", "expired", "removed", "no access to any form", "another token"],
)
def test_a_user_who_may_not_export_is_refused_with_what_to_check(open_redcap: Open, user: User) -> None:
    redcap = open_redcap(a_redcap_project(users=[user]))
    with pytest.raises(SourceRefusedError, match="Check that the token is of this project"):
        export(redcap)


def test_a_token_of_the_wrong_shape_is_refused(open_redcap: Open) -> None:
    with pytest.raises(SourceRefusedError, match=r"refused the API token \(HTTP 401\)"):
        export(open_redcap(token="not-a-token"))


def test_record_ids_that_an_old_server_hashes_are_still_told_apart(open_redcap: Open) -> None:
    fields = [Field("record_id", "enrolment", identifier=True), *REDCAP_FIELDS[1:]]
    users = [User("pipeline", TOKEN, rights={"enrolment": "de-identified"})]
    redcap = open_redcap(a_redcap_project(fields=fields, users=users), switches=Switches(hash_ids=True))
    assert export(redcap).counts["participants"] == 2


# A registry that changes while it is read


@pytest.fixture
def changing(open_redcap: Open, redcap_server: Server) -> Callable[..., Asking]:
    """A REDCap whose rows are different at each question for records (the last lasts)."""

    def opened(*rows_by_question: Iterable[Row], switches: Switches | None = None, **changes: Any) -> Asking:
        def rows() -> Iterable[Row]:
            return rows_by_question[min(len(redcap_server.seen("record")), len(rows_by_question)) - 1]

        return open_redcap(a_redcap_project(rows=rows, **changes), switches=switches or Switches())

    return opened


def people(*records: str) -> list[Row]:
    return [a_redcap_row(record) for record in records]


def test_a_record_deleted_after_the_listing_raises_no_false_alarm(changing: Callable[..., Asking]) -> None:
    exported = export(changing(people("a", "b"), people("a")))
    assert exported.counts == counts_of(people("a"))


def test_a_record_added_after_the_listing_is_counted(changing: Callable[..., Asking]) -> None:
    redcap = changing(people("a"), people("a", "b"))
    assert export(redcap).counts == counts_of(people("a", "b"))
    assert len(redcap.server.seen("record")) == 3


def test_an_export_and_a_second_listing_that_are_cut_alike_are_not_believed(changing: Callable[..., Asking]) -> None:
    everybody, some = people(*map(str, range(100))), people(*map(str, range(30)))
    redcap = changing(everybody, some, some)
    with pytest.raises(IncompleteExportError, match="70 of 100 rows came or went"):
        export(redcap)


def test_a_first_listing_that_was_cut_does_not_hide_a_short_export(changing: Callable[..., Asking]) -> None:
    redcap = changing(people(*map(str, range(50))), people(*map(str, range(90))), people(*map(str, range(100))))
    with pytest.raises(IncompleteExportError, match="10 of 50 rows came or went"):
        export(redcap)


def test_a_record_renamed_after_the_listing_is_counted_once(changing: Callable[..., Asking]) -> None:
    exported = export(changing(people("a", "b"), people("a", "c")))
    assert exported.counts == counts_of(people("a", "c"))


def test_a_record_that_is_still_listed_is_not_taken_for_deleted(changing: Callable[..., Asking]) -> None:
    with pytest.raises(IncompleteExportError, match="1 of them did not arrive"):
        export(changing(people("a", "b"), people("a"), people("a", "b")))


def test_an_event_deleted_after_the_listing_raises_no_false_alarm(changing: Callable[..., Asking]) -> None:
    later = in_events(a=[ONE])
    assert export(changing(in_events(a=[ONE, TWO]), later, events=EVENTS)).counts == counts_of(later)


def test_the_listing_that_was_believed_is_told_beside_what_arrived(changing: Callable[..., Asking]) -> None:
    exported = export(changing(people("a", "b", "c"), people("a", "b")))
    assert (exported.records_listed, exported.records_received) == (2, 2)


def test_half_of_a_small_registry_is_not_believed_to_be_deleted(changing: Callable[..., Asking]) -> None:
    everybody, half = people(*map(str, range(10))), people(*map(str, range(5)))
    with pytest.raises(IncompleteExportError, match="5 of 10 rows came or went"):
        export(changing(everybody, half, half))


def test_a_record_added_between_two_readings_is_not_split(changing: Callable[..., Asking]) -> None:
    first, later = growing(2), growing(3)
    redcap = changing(first, first, later, events=EVENTS, switches=Switches(row_order="event"))
    assert export(redcap).counts == counts_of(later)


def growing(records: int) -> list[Row]:
    return in_events(**{record: [ONE, TWO] for record in "abcdef"[:records]})


def test_a_registry_that_never_comes_to_rest_is_given_up(changing: Callable[..., Asking]) -> None:
    by_question = [growing(records) for records in (2, 2, 3, 4, 5, 6)]
    redcap = changing(*by_question, events=EVENTS, switches=Switches(row_order="event"))
    with pytest.raises(IncompleteExportError, match="Run again at a quieter time"):
        export(redcap)


MANY = [str(n) for n in range(60)]
TOO_MUCH_AT_ONCE = Switches(memory_limit_cells=150)  # the listing of 60 records, but not their export


def in_parts(changing: Callable[..., Asking], before: list[str], after: list[str]) -> Asking:
    """A REDCap that must be read in parts, and that changes when the ids are known."""
    return changing(*[people(*before)] * 3, people(*after), switches=TOO_MUCH_AT_ONCE)


def test_a_record_deleted_while_reading_in_parts_raises_no_false_alarm(changing: Callable[..., Asking]) -> None:
    assert export(in_parts(changing, MANY, MANY[:-1])).counts == counts_of(people(*MANY[:-1]))


def test_a_record_added_while_reading_in_parts_raises_no_false_alarm(changing: Callable[..., Asking]) -> None:
    assert export(in_parts(changing, MANY, [*MANY, "new"])).counts == counts_of(people(*MANY))


def test_a_record_renamed_while_reading_in_parts_is_not_lost(changing: Callable[..., Asking]) -> None:
    with pytest.raises(IncompleteExportError, match="one that was renamed may have been missed"):
        export(in_parts(changing, MANY, [*MANY[:-1], "new name"]))


# A server that cannot manage everything at once


def a_registry(records: int) -> list[Row]:
    return [a_redcap_row(str(n), rider_a=str(n % 2)) for n in range(records)]


@pytest.mark.parametrize("status", [200, 500])
def test_a_server_short_of_memory_is_asked_for_800_records_at_a_time(open_redcap: Open, status: Any) -> None:
    rows = a_registry(2_000)
    redcap = open_redcap(a_redcap_project(*rows), switches=Switches(memory_limit_cells=4_000, memory_status=status))
    assert export(redcap).counts == counts_of(rows)
    assert [len(ids) for ids in ids_asked(redcap)] == [800, 800, 400]


@pytest.mark.parametrize(
    "fault",
    [
        lambda: faults.gateway_timeout(match="record", skip=EXPORT),
        lambda: faults.ban_page(408, b"", match="record", skip=EXPORT),
        lambda: faults.ban_page(413, b"", match="record", skip=EXPORT),
        lambda: faults.memory_text(match="record", skip=EXPORT),
        lambda: Fault("hang", match="record", skip=EXPORT, seconds=20),
    ],
    ids=["504", "408", "413", "memory", "silence"],
)
def test_an_export_that_was_too_much_is_read_in_parts(open_redcap: Open, fault: Callable[[], Fault]) -> None:
    rows = a_registry(60)
    redcap = open_redcap(a_redcap_project(*rows), read_seconds=0.5)
    redcap.server.faults.append(fault())
    assert export(redcap).counts == counts_of(rows)
    assert [len(ids) for ids in ids_asked(redcap)] == [25, 25, 10]


def test_parts_are_halved_until_the_server_can_manage_them(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(*a_registry(1_100)))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    redcap.server.faults.append(faults.memory_text(match="record", skip=2, times=2))  # after the listing of the ids
    assert export(redcap).records_received == 1_100
    assert [len(ids) for ids in ids_asked(redcap)] == [800, 400, 200, 200, 200, 200, 200, 100]


def test_the_last_part_too_is_halved_when_it_is_too_much(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(*a_registry(1_100)))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    redcap.server.faults.append(faults.memory_text(match="record", skip=3))  # after the first part
    assert export(redcap).records_received == 1_100
    assert [len(ids) for ids in ids_asked(redcap)] == [800, 300, 150, 150]


def test_a_part_that_was_too_much_is_never_asked_for_again_as_it_was(open_redcap: Open) -> None:
    redcap = open_redcap(wide_project(60), switches=Switches(memory_limit_cells=800))
    export(redcap, WIDE_STUDY)
    asked = [tuple(ids) for ids in ids_asked(redcap)]
    assert len(asked) == len(set(asked))


RIDERS = [f"r{n}" for n in range(24)]
WIDE_STUDY = a_study(
    riders="".join(f'[[riders]]\nkey = "{name}"\nfield = "{name}"\nagreed = ["1"]\n' for name in RIDERS)
)


def wide_project(records: int) -> Project:
    """So many fields that 25 records are 675 cells."""
    fields = [*REDCAP_FIELDS, *(Field(name, "consent", "yesno") for name in RIDERS)]
    return a_redcap_project(*a_registry(records), fields=fields)


def test_parts_are_not_made_smaller_than_25_records(open_redcap: Open) -> None:
    redcap = open_redcap(wide_project(60), switches=Switches(memory_limit_cells=800))
    assert export(redcap, WIDE_STUDY).records_received == 60
    assert [len(ids) for ids in ids_asked(redcap)][-3:] == [25, 25, 10]


def test_a_server_that_cannot_manage_25_records_is_given_up(open_redcap: Open) -> None:
    redcap = open_redcap(wide_project(60), switches=Switches(memory_limit_cells=200))
    with pytest.raises(SourceUnavailableError, match=r"cannot manage even 25 .*too little memory"):
        export(redcap, WIDE_STUDY)
    assert {len(ids) for ids in ids_asked(redcap)} == {25}


def test_no_question_has_more_form_keys_than_a_server_reads(open_redcap: Open) -> None:
    names = [f"r{n}" for n in range(150)]
    study = a_study(riders="".join(f'[[riders]]\nkey = "{n}"\nfield = "{n}"\nagreed = ["1"]\n' for n in names))
    fields = [*REDCAP_FIELDS, *(Field(name, "consent", "yesno") for name in names)]
    redcap = open_redcap(a_redcap_project(*a_registry(1_600), fields=fields))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    assert export(redcap, study).records_received == 1_600
    assert 800 < max(len(form) for form in forms_of(redcap)) <= 900


def test_form_keys_that_a_server_drops_are_missed_as_records(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(*a_registry(900)), switches=Switches(max_keys=700))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    with pytest.raises(IncompleteExportError, match="did not arrive"):
        export(redcap)


@pytest.mark.parametrize("order", ["record", "event"])
def test_parts_give_the_counts_of_the_whole(open_redcap: Open, order: Any) -> None:
    rows = in_events(**{f"r{n}": [ONE, TWO] for n in range(70)})
    switches = Switches(memory_limit_cells=500, row_order=order)
    assert export(open_redcap(a_redcap_project(*rows, events=EVENTS), switches=switches)).counts == counts_of(rows)


def test_a_record_missing_from_a_part_is_missed(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(*a_registry(60)), switches=TOO_MUCH_AT_ONCE)
    redcap.server.faults.append(faults.without_record(3, skip=4))
    with pytest.raises(IncompleteExportError, match="1 of them did not arrive"):
        export(redcap)


def test_a_listing_that_is_too_much_is_not_repeated(open_redcap: Open) -> None:
    redcap = open_redcap(switches=Switches(memory_limit_cells=1))
    with pytest.raises(SourceUnavailableError, match=r"too little memory .* ask the REDCap administrator"):
        export(redcap)
    assert len(redcap.server.seen("record")) == 1


def test_reading_in_parts_too_asks_one_question_at_a_time_with_pauses_between(open_redcap: Open) -> None:
    with (
        Server(Redcap([])) as fresh,
        asking(fresh, a_redcap_project(*a_registry(60)), switches=TOO_MUCH_AT_ONCE) as redcap,
    ):
        export(redcap)
        assert fresh.most_at_once == 1
        assert len(redcap.slept) == len(fresh.requests) - 1


# Memory


def test_a_batch_is_gone_when_the_next_one_is_counted(open_redcap: Open) -> None:
    registry = a_redcap_project(rows=lambda: (a_redcap_row(str(n)) for n in range(25_000)))
    redcap = open_redcap(registry)
    earlier: list[weakref.ref[pd.DataFrame]] = []
    still_there: list[int] = []

    def look_back(frame: pd.DataFrame) -> Counter[str]:
        gc.collect()
        still_there.append(sum(one() is not None for one in earlier))
        earlier.append(weakref.ref(frame))
        return Counter(rows=len(frame))

    export_registry(redcap.client, inspect_project(redcap.client, a_study()).plan, look_back, Counter())
    assert still_there == [0, 0, 0]


# What arrives is counted for what it is


def tallied(redcap: Asking, study: StudyConfig | None = None) -> Tally:
    """The counts of the real thing."""
    study = study or a_study()
    plan = inspect_project(redcap.client, study).plan
    counting = Counting(study, plan.coding, a_period())

    def count_participants(frame: pd.DataFrame) -> Tally:
        return tally_participants(build_participants(frame, counting), counting.period.start)

    return export_registry(redcap.client, plan, count_participants, Tally()).counts


def test_a_missing_data_code_is_no_answer_and_no_unknown_code(open_redcap: Open) -> None:
    rows = [a_redcap_row("1", rider_a="-999"), a_redcap_row("2", consent_obtained="-999", consent_date="-999")]
    found = tallied(open_redcap(a_redcap_project(*rows, missing_data_codes="-999, Not asked")))
    assert found.riders == {("rider a", "not_answered"): 1}
    assert found.quality == {"rider_without_consent": 1}


def test_blank_and_no_are_different_answers_to_a_rider(open_redcap: Open) -> None:
    found = tallied(open_redcap(a_redcap_project(a_redcap_row("1", rider_a=""), a_redcap_row("2", rider_a="0"))))
    assert found.riders == {("rider a", "not_answered"): 1, ("rider a", "declined"): 1}


@pytest.mark.parametrize("blank_when_empty", [False, True])
def test_a_box_that_is_not_ticked_is_not_answered_whether_it_comes_blank_or_as_0(
    open_redcap: Open, blank_when_empty: bool
) -> None:
    project = a_redcap_project(a_redcap_row("1"), fields=[*REDCAP_FIELDS, CHECKBOX])
    redcap = open_redcap(project, switches=Switches(blank_checkboxes_when_empty=blank_when_empty))
    assert tallied(redcap, a_study(riders=BOX_RIDER)).riders == {("rider a", "not_answered"): 1}


def test_columns_of_missing_data_codes_of_a_checkbox_are_ignored(open_redcap: Open) -> None:
    row = a_redcap_row("1", rider_box____2="1", rider_box___unk="1")
    project = a_redcap_project(row, fields=[*REDCAP_FIELDS, CHECKBOX], missing_data_codes="UNK, Unknown")
    assert export(open_redcap(project), a_study(riders=BOX_RIDER)).records_received == 1


@pytest.mark.parametrize("date", ["12/09/2023", "2023-9-12", "September 2023", "2023-02-30", "0203-09-12x"])
def test_a_date_that_is_none_is_reported_and_not_dropped(open_redcap: Open, date: str) -> None:
    found = tallied(open_redcap(a_redcap_project(a_redcap_row("1", consent_date=date))))
    assert found.classes == {("not_counted", "unreadable_date"): 1}
    assert found.quality == {"unreadable_date": 1}


def test_a_completed_form_that_says_no_is_a_refusal(open_redcap: Open) -> None:
    found = tallied(open_redcap(a_redcap_project(a_redcap_row("1", consent_obtained="2", consent_complete="2"))))
    assert found.classes == {("declined", ""): 1}


def test_a_survey_sent_in_without_a_decision_is_no_consent(open_redcap: Open) -> None:
    row = a_redcap_row("1", consent_obtained="", consent_timestamp="2023-09-12 10:00:00")
    found = tallied(open_redcap(a_redcap_project(row, surveys={"consent"})), a_study(consents=SURVEY_CONSENT))
    assert found.classes == {("pending", "open"): 1}


SERVER_IN_UTC = 'time_zone = "UTC"\n' + SURVEY_CONSENT


def test_a_timestamp_counts_on_the_day_it_was_where_the_study_is(open_redcap: Open) -> None:
    row = a_redcap_row("1", consent_timestamp="2023-09-18 02:00:00")  # Sunday evening in Toronto
    found = tallied(open_redcap(a_redcap_project(row, surveys={"consent"})), a_study(consents=SERVER_IN_UTC))
    assert found.weeks == {0: 1}


def test_a_survey_that_was_begun_and_not_finished_is_open(open_redcap: Open) -> None:
    row = a_redcap_row("1", consent_timestamp="[not completed]")
    found = tallied(open_redcap(a_redcap_project(row, surveys={"consent"})), a_study(consents=SURVEY_CONSENT))
    assert found.classes == {("pending", "open"): 1}


def test_the_timestamp_of_a_form_that_is_no_survey_is_refused_with_the_cause(open_redcap: Open) -> None:
    with pytest.raises(SourceRefusedError, match=r"column consent_timestamp\. .* no survey has no timestamp"):
        export(open_redcap(), a_study(consents=SURVEY_CONSENT))


def test_base_and_repeat_rows_of_one_participant_are_one_participant(open_redcap: Open) -> None:
    found = tallied(open_redcap(KINDS["repeating form"]))
    assert found.classes == {("consented", ""): 1, ("pending", "not_started"): 1}
