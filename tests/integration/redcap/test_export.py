"""Tests of the export: a complete registry or an error, with a simulated REDCap that loses a part of it."""

import gc
import hashlib
import json
import logging
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

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
from consent.redcap.arrivals import GROUP, is_first
from consent.redcap.cells import Array
from consent.redcap.client import WITHOUT_PAUSE
from consent.redcap.export import Exported, export_registry
from consent.redcap.project import inspect_project
from consent.studies.model import StudyConfig
from sandbox.redcap import faults
from sandbox.redcap.app import AS_DOCUMENTED, Field, Project, Redcap, Row, Switches, User
from sandbox.redcap.faults import rows_changed_by
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
    as_dicts,
    asking,
)

Rows = list[dict[str, Any]]

CANARY = "CANARY-7"
EXPORT = 1  # the position of the export among the requests for records, after the listing
TORONTO = ZoneInfo("America/Toronto")
ONE, TWO = "one_arm_1", "two_arm_1"
EVENTS = {ONE: ["enrolment", "consent"], TWO: ["consent"]}
SURVEY_CONSENT = CONSENT.replace('"consent_date"', '"consent_timestamp"')
CHECKBOX = Field("rider_box", "consent", "checkbox", choices="1, Samples | -2, Data")
BOX_RIDER = '[[riders]]\nkey = "rider a"\nfield = "rider_box(-2)"\nagreed = ["1"]\n'


def count(rows: Rows) -> Counter[object]:
    """Count each row, and the participants; one whose rows are not adjacent, or come twice, counts twice."""
    participants = int(is_first(rows.records).sum())
    return Counter({"participants": participants}) + Counter(tuple(row.values()) for row in as_dicts(rows))


def export(redcap: Asking, study: StudyConfig | None = None) -> Exported[Counter[object]]:
    """Inspect the project, then export all of its records."""
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
    """The form keys of every request for records."""
    return [parse_qsl(one.body.decode(), keep_blank_values=True) for one in redcap.server.seen("record")]


def requested_ids(redcap: Asking) -> list[list[str]]:
    """The record ids in each request for records that names any."""
    named = [[value for name, value in form if name.startswith("records[")] for form in forms_of(redcap)]
    return [ids for ids in named if ids]


def changed_rows(change: Callable[[Rows], Rows], nth: int = EXPORT) -> Fault:
    """The rows of the nth request for records are changed."""
    return Fault("change", match="record", skip=nth, change=rows_changed_by(change))


def changed_responses(change: Callable[[Rows], Rows], *, of_exports: bool, times: int = 100) -> Fault:
    """The rows of all exports, or of the first listings, are changed; ``times`` counts both."""
    return replace(changed_rows(lambda rows: change(rows) if _is_export(rows) is of_exports else rows, 0), times=times)


def _is_export(rows: Rows) -> bool:
    return "consent_date" in rows[0]


# Kinds of projects


def in_events(**of_record: Iterable[str]) -> list[Row]:
    """One row per record and event."""
    return [a_redcap_row(record, event=event) for record, events in of_record.items() for event in events]


def base(record: str, event: str = "") -> Row:
    """The row that carries a record's forms that do not repeat."""
    return Row(record, {"full_name": "Ann"}, event=event)


def repeat(record: str, instance: int, event: str = "", **values: str) -> Row:
    """One repeat of the consent form."""
    return a_redcap_row(record, event=event, instrument="consent", instance=instance, **values)


KINDS = {
    "classic": a_redcap_project(*(a_redcap_row(record) for record in "123")),
    "longitudinal": a_redcap_project(*in_events(a=[ONE, TWO], b=[ONE], c=[TWO]), events=EVENTS),
    "repeating form": a_redcap_project(
        base("1"), repeat("1", 1), repeat("1", 2), base("2"), repeating_forms={(None, "consent")}
    ),
    "repeating form and repeating event": a_redcap_project(
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
@pytest.mark.parametrize("make_fault", [faults.without_row, faults.without_record, faults.empty_list])
def test_rows_that_did_not_arrive_are_exported_again(
    open_redcap: Open, project: Project, make_fault: Callable[..., Fault]
) -> None:
    redcap = open_redcap(project)
    redcap.server.faults.append(make_fault(*[0] * (make_fault is not faults.empty_list), skip=EXPORT))
    assert export(redcap).counts == counts_of(rows_of(project))


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
def test_a_row_that_never_arrives_is_an_error(open_redcap: Open, project: Project) -> None:
    redcap = open_redcap(project)
    redcap.server.faults.append(changed_responses(lambda rows: rows[:-1], of_exports=True))
    with pytest.raises(IncompleteExportError, match=r"1 of them did not arrive"):
        export(redcap)


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
def test_a_row_received_twice_is_an_error(open_redcap: Open, project: Project) -> None:
    redcap = open_redcap(project)
    redcap.server.faults.append(faults.duplicated_row(1, skip=EXPORT))
    with pytest.raises(IncompleteExportError, match=r"holds 1 row more than once"):
        export(redcap)


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
def test_rows_of_one_record_that_are_not_adjacent_are_counted_together(open_redcap: Open, project: Project) -> None:
    redcap = open_redcap(project, switches=Switches(row_order="event"))
    assert export(redcap).counts == counts_of(rows_of(project))
    assert len(redcap.server.seen("record")) <= 3


def test_an_old_server_that_does_not_report_repeats_gives_no_error(open_redcap: Open) -> None:
    project = KINDS["repeating form"]
    redcap = open_redcap(project, switches=Switches(hide_newer_project_keys=True))
    assert export(redcap).counts == counts_of(rows_of(project))


def test_a_server_may_leave_out_repeats_whose_values_are_blank(open_redcap: Open) -> None:
    """Whether REDCap sends a repeat whose exported fields are all blank is unconfirmed."""
    project = a_redcap_project(
        base("1"), Row("1", {"consent_complete": "0"}, instrument="consent", instance=1),
        repeating_forms={(None, "consent")},
    )  # fmt: skip
    redcap = open_redcap(project)
    redcap.server.faults.append(changed_rows(without_empty_repeats))
    assert export(redcap).records_received == 1


def without_empty_repeats(rows: Rows) -> Rows:
    named = {"record_id", "redcap_repeat_instrument", "redcap_repeat_instance"}
    return [row for row in rows if not row["redcap_repeat_instrument"] or any(row[key] for key in row.keys() - named)]


def test_the_record_id_field_may_have_any_name(open_redcap: Open) -> None:
    project = a_redcap_project(fields=[Field("study_no", "enrolment"), *REDCAP_FIELDS[1:]])
    assert export(open_redcap(project)).counts == counts_of(TWO_PARTICIPANTS)


SIMILAR_IDS = ("001", "1", "01", "1-1", " 2", "2", "1e5", "100000", "a,b", 'say "x"', "Ω-é", "NA", "null", "a&b=c")


@pytest.mark.parametrize("switches", [AS_DOCUMENTED, Switches(memory_limit_cells=100)], ids=["at once", "by name"])
def test_similar_record_ids_are_different_records(open_redcap: Open, switches: Switches) -> None:
    rows = [a_redcap_row(record) for record in (*SIMILAR_IDS, *map(str, range(10, 40)))]
    assert export(open_redcap(a_redcap_project(*rows), switches=switches)).counts == counts_of(rows)


# Requests


def test_the_requests_have_a_fixed_order(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(fields=[*REDCAP_FIELDS, CHECKBOX], events=EVENTS, rows=in_events(a=[ONE])))
    export(redcap, a_study(riders=BOX_RIDER))
    described = ["version", "project", "metadata", "exportFieldNames", "formEventMapping"]
    assert redcap.asked == [*described, "record", "record"]


@pytest.mark.parametrize(
    ("changes", "most"),
    [({}, 6), ({"events": EVENTS, "repeating_events": {TWO}}, 8)],
    ids=["classic", "longitudinal with repeats"],
)
def test_a_large_registry_takes_few_requests(open_redcap: Open, changes: dict[str, Any], most: int) -> None:
    rows = [a_redcap_row(str(n), event=ONE if changes else "") for n in range(2_000)]
    redcap = open_redcap(a_redcap_project(*rows, fields=[*REDCAP_FIELDS, CHECKBOX], **changes))
    export(redcap, a_study(riders=BOX_RIDER))
    assert len(redcap.server.requests) <= most


def test_only_the_needed_fields_are_requested_as_raw_codes(redcap: Asking) -> None:
    export(redcap)
    requested = [[value for name, value in form if name.startswith("fields[")] for form in forms_of(redcap)]
    assert requested == [
        ["record_id", "consent_complete"],
        ["record_id", "consent_date", "consent_obtained", "rider_a"],
    ]
    wanted = {"returnFormat": "json", "type": "flat", "rawOrLabel": "raw"}
    assert [wanted.items() <= dict(form).items() for form in forms_of(redcap)] == [True, True]
    assert [dict(form)["format"] for form in forms_of(redcap)] == ["json", "csv"]


def test_data_access_groups_are_noticed_and_not_counted(open_redcap: Open) -> None:
    project = a_redcap_project(Row("1", TWO_PARTICIPANTS[0].values, group="north"), groups=["north"])
    exported = export(open_redcap(project))
    assert exported.has_groups
    assert exported.counts == counts_of([a_redcap_row("1")])


def test_a_token_of_one_group_is_noticed_by_the_missing_column(open_redcap: Open) -> None:
    rows = [Row("1", {}, group="north"), Row("2", {}, group="south")]
    users = [User("pipeline", TOKEN, group="north")]
    exported = export(open_redcap(a_redcap_project(*rows, groups=["north", "south"], users=users)))
    assert (exported.has_groups, exported.records_received) == (False, 1)


def test_the_group_of_a_record_is_exported_where_it_is_the_site(open_redcap: Open) -> None:
    study = a_study(more='[sites]\nby = "data_access_group"\n')
    rows = [Row("1", TWO_PARTICIPANTS[0].values, group="north"), Row("2", TWO_PARTICIPANTS[1].values)]
    client = open_redcap(a_redcap_project(*rows, groups=["north"])).client
    plan, groups = inspect_project(client, study).plan, Counter[str]()
    exported = export_registry(client, plan, lambda rows: rows.cells(GROUP).counted(), groups)
    assert exported.counts == {"north": 1, "": 1}


def test_sites_by_group_without_any_group_are_an_error(open_redcap: Open) -> None:
    study = a_study(more='[sites]\nby = "data_access_group"\n')
    with pytest.raises(SourceRefusedError, match="no data access group, which the study file uses as the site"):
        export(open_redcap(), study)


def test_groups_are_noticed_when_records_are_read_in_batches(open_redcap: Open) -> None:
    rows = [Row(str(n), {}, group="" if n else "north") for n in range(60)]
    redcap = open_redcap(a_redcap_project(*rows, groups=["north"]))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    assert export(redcap).has_groups


@pytest.mark.parametrize(("after", "in_batches"), [(1, False), (4, True)], ids=["the listing", "the first batch"])
def test_a_user_who_is_put_into_a_group_during_the_export_is_an_error(
    open_redcap: Open, redcap_server: Server, after: int, in_batches: bool
) -> None:
    users = [User("pipeline", TOKEN)]

    def rows() -> Iterable[Row]:
        if len(redcap_server.seen("record")) == after:  # its own user is known already
            users[0] = User("pipeline", TOKEN, group="north")
        return [Row(str(n), {}, group="north" if n else "south") for n in range(60)]

    redcap = open_redcap(a_redcap_project(rows=rows, groups=["north", "south"], users=users))
    redcap.server.faults += [faults.memory_text(match="record", skip=EXPORT)] * in_batches
    with pytest.raises(SourceRefusedError, match="data access groups with only a part of the export"):
        export(redcap)


def test_other_columns_are_ignored(redcap: Asking) -> None:
    redcap.server.faults.append(changed_rows(lambda rows: [{**row, "new": "x", "a___1": "1"} for row in rows]))
    assert export(redcap).counts == counts_of(TWO_PARTICIPANTS)


def test_an_export_names_project_and_numbers_of_records(redcap: Asking) -> None:
    found = inspect_project(redcap.client, a_study())
    exported = export(redcap)
    assert (found.redcap_version, found.project_id) == ("15.8.2", 14)
    assert (exported.records_listed, exported.records_received, exported.has_groups) == (2, 2, False)


def test_progress_is_reported_in_records(redcap: Asking) -> None:
    calls: list[tuple[int, int]] = []
    plan = inspect_project(redcap.client, a_study()).plan
    export_registry(redcap.client, plan, count, Counter(), lambda received, listed: calls.append((received, listed)))
    assert calls == [(2, 2)]


# Lost records and columns


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.empty_list, "lists no record at all"),
        (lambda: faults.empty_list(skip=EXPORT, times=2), "lists no record at all"),
        (
            lambda: changed_rows(lambda rows: [rows[0], {"record_id": "2"}], nth=0),
            "A row of REDCap's list of records has no column redcap_event_name",
        ),
    ],
    ids=["empty listing", "empty export and second listing", "column missing from one row"],
)
def test_an_empty_response_or_a_row_without_a_column_is_an_error(
    open_redcap: Open, fault: Callable[[], Fault], problem: str
) -> None:
    redcap = open_redcap(KINDS["longitudinal"])
    redcap.server.faults.append(fault())
    with pytest.raises(IncompleteExportError, match=problem):
        export(redcap)


@pytest.mark.parametrize(("content", "what"), [("metadata", "data dictionary"), ("formEventMapping", "list of events")])
def test_an_empty_description_of_the_project_is_an_error(open_redcap: Open, content: str, what: str) -> None:
    redcap = open_redcap(a_redcap_project(fields=[*REDCAP_FIELDS, CHECKBOX], events=EVENTS))
    redcap.server.faults.append(faults.empty_list(match=content))
    with pytest.raises(IncompleteExportError, match=f"REDCap sent an empty {what}"):
        export(redcap, a_study(riders=BOX_RIDER))


@pytest.mark.parametrize("column", ["record_id", "redcap_event_name"])
@pytest.mark.parametrize(
    ("skip", "error", "problem"),
    [(0, IncompleteExportError, "list of records has no column"), (EXPORT, SourceRefusedError, "not send the column")],
    ids=["listing", "export"],
)
def test_a_response_that_does_not_identify_its_rows_is_an_error(
    open_redcap: Open, column: str, skip: int, error: type[Exception], problem: str
) -> None:
    redcap = open_redcap(KINDS["longitudinal"])
    redcap.server.faults.append(faults.without_column(column, skip=skip))
    with pytest.raises(error, match=f"{problem} {column}"):
        export(redcap)


@pytest.mark.parametrize("project", KINDS.values(), ids=KINDS)
def test_an_export_truncated_at_any_byte_is_never_counted(open_redcap: Open, project: Project) -> None:
    redcap = open_redcap(project)
    export(redcap)
    body = redcap.server.app.answer(redcap.server.seen("record")[EXPORT]).body
    for at in range(len(b"".join(body))):
        redcap.server.faults[:] = [Fault("trim", match="record", skip=EXPORT, at=at)]
        assert export(redcap).counts == counts_of(rows_of(project))


@pytest.mark.parametrize("kind", ["cut", "trim"])
@pytest.mark.parametrize(("content", "nth"), [("metadata", 0), ("record", 0), ("record", EXPORT)])
def test_a_response_truncated_once_changes_no_count(open_redcap: Open, content: str, nth: int, kind: str) -> None:
    redcap = open_redcap(KINDS["longitudinal"])
    redcap.server.faults.append(Fault(kind, match=content, skip=nth, at=4))
    assert export(redcap).counts == counts_of(rows_of(KINDS["longitudinal"]))


LOSSES: dict[str, Callable[[], Fault]] = {
    "record missing": lambda: changed_responses(lambda rows: rows[1:], of_exports=True),
    "row twice": lambda: faults.duplicated_row(0, skip=EXPORT),
    "column withheld": lambda: faults.without_column("rider_a", skip=EXPORT),
    "short row": lambda: Fault("change", match="record", skip=EXPORT, change=lambda body: body + b"CANARY-7\n"),
    "damaged text": lambda: faults.with_invalid_utf8(skip=EXPORT),
    "other shape": lambda: changed_rows(lambda rows: [{CANARY: rows}]),
    "truncated": lambda: Fault("trim", match="record", skip=EXPORT, at=60, times=100),
    "no memory": lambda: faults.memory_text(match="record", skip=EXPORT, times=100),
}


@pytest.mark.parametrize("make_fault", LOSSES.values(), ids=LOSSES)
def test_no_loss_reveals_the_token_or_a_participant(
    open_redcap: Open, caplog: pytest.LogCaptureFixture, make_fault: Callable[[], Fault]
) -> None:
    caplog.set_level(logging.DEBUG)
    redcap = open_redcap(a_redcap_project(a_redcap_row(CANARY), a_redcap_row("2", consent_date=CANARY)))
    redcap.server.faults.append(make_fault())
    with pytest.raises(ConsentReportError, match="REDCap") as caught:
        export(redcap)
    shown = all_texts_of(caught.value) + caplog.text
    assert [secret for secret in (CANARY, TOKEN, faults.DATABASE_PASSWORD) if secret in shown] == []


# Wrong project, wrong names, missing rights


EXPECTS_99 = "project_id = 99\n" + CONSENT


def test_a_token_of_another_project_is_refused_before_any_record_is_requested(redcap: Asking) -> None:
    with pytest.raises(ConfigurationError, match=r"belongs to REDCap project 14, but .* expects project 99"):
        export(redcap, a_study(consents=EXPECTS_99))
    assert redcap.asked == ["version", "project"]


@pytest.mark.parametrize("description", [{}, {"project_id": CANARY}])
def test_a_server_that_does_not_name_the_project_is_an_error(redcap: Asking, description: dict[str, str]) -> None:
    redcap.server.faults.append(Fault("change", match="project", change=lambda _: json.dumps(description).encode()))
    with pytest.raises(SourceDataError, match="does not report the project") as caught:
        export(redcap)
    assert CANARY not in all_texts_of(caught.value)


def without_field(name: str) -> list[Field]:
    return [one for one in REDCAP_FIELDS if one.name != name]


def test_a_renamed_field_stops_the_run_before_any_record_is_requested(open_redcap: Open) -> None:
    renamed = Field("consent_date_v2", "consent", validation="date_ymd")
    redcap = open_redcap(a_redcap_project(fields=[*without_field("consent_date"), renamed]))
    with pytest.raises(DictionaryError, match="does not match REDCap's data dictionary"):
        export(redcap)
    assert "record" not in redcap.asked


def test_a_field_renamed_during_the_run_is_named(open_redcap: Open, redcap_server: Server) -> None:
    redcap = open_redcap()
    plan = inspect_project(redcap.client, a_study()).plan
    redcap_server.app = Redcap([a_redcap_project(fields=without_field("rider_a"))])
    with pytest.raises(DictionaryError, match="no longer has these fields: rider_a"):
        export_registry(redcap.client, plan, count, Counter())


def test_a_field_renamed_during_the_run_is_noticed_with_an_old_server(open_redcap: Open, redcap_server: Server) -> None:
    redcap = open_redcap()
    plan = inspect_project(redcap.client, a_study()).plan
    project = a_redcap_project(fields=without_field("rider_a"))
    redcap_server.app = Redcap([project], switches=Switches(ignore_unknown_fields=True))
    with pytest.raises(SourceRefusedError, match="did not send the column rider_a"):
        export_registry(redcap.client, plan, count, Counter())


IDENTIFIED = [*without_field("consent_date"), Field("consent_date", "consent", validation="date_ymd", identifier=True)]


@pytest.mark.parametrize(
    ("right", "fields", "columns"),
    [
        ("none", REDCAP_FIELDS, "columns consent_date, consent_obtained, rider_a"),
        ("no identifiers", IDENTIFIED, "column consent_date"),
    ],
)
def test_withheld_columns_are_named_with_the_missing_right(
    open_redcap: Open, right: str, fields: list[Field], columns: str
) -> None:
    users = [User("pipeline", TOKEN, rights={"consent": right})]
    redcap = open_redcap(a_redcap_project(fields=fields, users=users))
    with pytest.raises(SourceRefusedError, match=rf"did not send the {columns}\. .* export right 'Full Data Set'"):
        export(redcap)


# A registry that changes during the export


@pytest.fixture
def changing(open_redcap: Open, redcap_server: Server) -> Callable[..., Asking]:
    """A REDCap with different rows at each request for records; the last rows stay."""

    def opened(*rows_by_request: Iterable[Row], switches: Switches | None = None, **changes: Any) -> Asking:
        def rows() -> Iterable[Row]:
            return rows_by_request[min(len(redcap_server.seen("record")), len(rows_by_request)) - 1]

        return open_redcap(a_redcap_project(rows=rows, **changes), switches=switches or Switches())

    return opened


def people(*records: str) -> list[Row]:
    return [a_redcap_row(record) for record in records]


def test_a_record_deleted_after_the_listing_is_no_error(changing: Callable[..., Asking]) -> None:
    exported = export(changing(people("a", "b"), people("a")))
    assert exported.counts == counts_of(people("a"))


def test_a_record_added_after_the_listing_is_counted(changing: Callable[..., Asking]) -> None:
    redcap = changing(people("a"), people("a", "b"))
    assert export(redcap).counts == counts_of(people("a", "b"))
    assert len(redcap.server.seen("record")) == 3


@pytest.mark.parametrize("both", [["a", "b", "new name"], ["a"]], ids=["under both names", "under neither name"])
def test_a_record_that_is_renamed_during_the_export_is_exported_again(
    changing: Callable[..., Asking], both: list[str]
) -> None:
    redcap = changing(people("a", "b"), people(*both), people("a", "new name"))
    assert export(redcap).counts == counts_of(people("a", "new name"))
    assert len(redcap.server.seen("record")) == 5


@pytest.mark.parametrize(("before", "after"), [(100, 30), (10, 5)])
def test_an_export_and_all_later_listings_that_are_short_are_an_error(
    changing: Callable[..., Asking], before: int, after: int
) -> None:
    everybody, some = people(*map(str, range(before))), people(*map(str, range(after)))
    with pytest.raises(IncompleteExportError, match=f"no longer lists {before - after} of {before} rows"):
        export(changing(everybody, some, some))


@pytest.mark.parametrize(("listed", "exported"), [(10, 180), (300, 5_300)])
def test_records_that_no_listing_lists_are_an_error(open_redcap: Open, listed: int, exported: int) -> None:
    redcap = open_redcap(a_redcap_project(*people(*map(str, range(exported)))))
    redcap.server.faults.append(changed_responses(lambda rows: rows[:listed], of_exports=False))
    with pytest.raises(IncompleteExportError, match=f"{exported - listed:,} rows arrived that REDCap does not list"):
        export(redcap)


def test_listings_that_were_short_at_first_are_no_error(open_redcap: Open) -> None:
    everybody = people(*map(str, range(180)))
    redcap = open_redcap(a_redcap_project(*everybody))
    redcap.server.faults.append(changed_responses(lambda rows: rows[:10], of_exports=False, times=3))
    assert export(redcap).counts == counts_of(everybody)


def test_an_export_during_which_many_records_are_added_is_repeated(changing: Callable[..., Asking]) -> None:
    before, meanwhile, after = (people(*map(str, range(records))) for records in (10, 11, 180))
    assert export(changing(before, meanwhile, after)).counts == counts_of(after)


def test_a_server_may_never_list_repeats_without_a_status(open_redcap: Open) -> None:
    redcap = open_redcap(KINDS["repeating form"])
    without_repeats = changed_responses(
        lambda rows: [row for row in rows if not row["redcap_repeat_instance"]], of_exports=False
    )
    redcap.server.faults.append(without_repeats)
    assert export(redcap).counts == counts_of(rows_of(KINDS["repeating form"]))


def test_a_registry_that_is_never_quiet_is_an_error_with_the_hour(changing: Callable[..., Asking]) -> None:
    redcap = changing(*[people("a", f"name {n}") for n in range(12)])
    plan = inspect_project(redcap.client, a_study()).plan
    hours = iter([datetime(2026, 11, 23, 9, 2, tzinfo=TORONTO), datetime(2026, 11, 23, 9, 7, tzinfo=TORONTO)])
    with pytest.raises(IncompleteExportError, match=r"tried 3 times, from 09:02 to 09:07 \(America/Toronto\)"):
        export_registry(redcap.client, plan, count, Counter(), now=lambda: next(hours))


def test_an_event_deleted_after_the_listing_is_no_error(changing: Callable[..., Asking]) -> None:
    later = in_events(a=[ONE])
    assert export(changing(in_events(a=[ONE, TWO]), later, events=EVENTS)).counts == counts_of(later)


def test_the_accepted_listing_gives_the_number_of_listed_records(changing: Callable[..., Asking]) -> None:
    exported = export(changing(people("a", "b", "c"), people("a", "b")))
    assert (exported.records_listed, exported.records_received) == (2, 2)


def test_a_record_added_between_two_passes_is_not_split(changing: Callable[..., Asking]) -> None:
    first, later = growing(2), growing(3)
    redcap = changing(first, first, later, events=EVENTS, switches=Switches(row_order="event"))
    assert export(redcap).counts == counts_of(later)


def growing(records: int) -> list[Row]:
    return in_events(**{record: [ONE, TWO] for record in "abcdef"[:records]})


def test_a_registry_that_keeps_changing_is_an_error(changing: Callable[..., Asking]) -> None:
    by_request = [growing(records) for records in (2, 2, 4, 6)]
    redcap = changing(*by_request, events=EVENTS, switches=Switches(row_order="event"))
    with pytest.raises(IncompleteExportError, match="does not send the rows of a record together"):
        export(redcap)


MANY = [str(n) for n in range(60)]
LITTLE_MEMORY = Switches(memory_limit_cells=150)  # enough to list 60 records, but not to export them


def in_batches(changing: Callable[..., Asking], before: list[str], after: list[str]) -> Asking:
    """A REDCap that must be read in batches, and that changes after the ids are listed."""
    return changing(*[people(*before)] * 3, people(*after), switches=LITTLE_MEMORY)


def test_a_record_deleted_between_batches_is_no_error(changing: Callable[..., Asking]) -> None:
    assert export(in_batches(changing, MANY, MANY[:-1])).counts == counts_of(people(*MANY[:-1]))


def test_a_record_added_between_batches_is_no_error(changing: Callable[..., Asking]) -> None:
    assert export(in_batches(changing, MANY, [*MANY, "new"])).counts == counts_of(people(*MANY))


def test_a_record_renamed_between_batches_is_counted_once(changing: Callable[..., Asking]) -> None:
    renamed = [*MANY[:-1], "new name"]
    assert export(in_batches(changing, MANY, renamed)).counts == counts_of(people(*renamed))


def test_a_record_that_takes_over_a_name_between_batches_is_counted_once(changing: Callable[..., Asking]) -> None:
    """The rows received are those listed before: the renamed record's first name, and its second one."""
    redcap = changing(*[people(*MANY)] * 4, people(*MANY[1:]), switches=LITTLE_MEMORY)
    assert export(redcap).counts == counts_of(people(*MANY[1:]))


# Batches


def a_registry(records: int) -> list[Row]:
    return [a_redcap_row(f"P-{n}", rider_a=str(n % 2)) for n in range(records)]


def test_a_server_without_enough_memory_is_read_800_records_at_a_time(open_redcap: Open) -> None:
    rows = a_registry(2_000)
    redcap = open_redcap(a_redcap_project(*rows), switches=Switches(memory_limit_cells=4_000))
    assert export(redcap).counts == counts_of(rows)
    assert [len(ids) for ids in requested_ids(redcap)] == [800, 800, 400]


@pytest.mark.parametrize(
    "fault",
    [
        lambda: faults.gateway_timeout(match="record", skip=EXPORT),
        lambda: faults.memory_text(match="record", skip=EXPORT),
        lambda: Fault("hang", match="record", skip=EXPORT, seconds=20),
    ],
    ids=["504", "memory", "silence"],
)
def test_an_export_that_is_too_large_is_read_in_batches(open_redcap: Open, fault: Callable[[], Fault]) -> None:
    rows = a_registry(60)
    redcap = open_redcap(a_redcap_project(*rows), read_seconds=0.5)
    redcap.server.faults.append(fault())
    assert export(redcap).counts == counts_of(rows)
    assert [len(ids) for ids in requested_ids(redcap)] == [25, 25, 10]


def test_batches_are_halved_until_the_server_succeeds_and_no_record_id_is_logged(
    open_redcap: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    redcap = open_redcap(a_redcap_project(*a_registry(1_100)))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    redcap.server.faults.append(faults.memory_text(match="record", skip=2, times=2))  # after the listing of the ids
    assert export(redcap).records_received == 1_100
    assert [len(ids) for ids in requested_ids(redcap)] == [800, 400, 200, 200, 200, 200, 200, 100]
    assert "P-" not in caplog.text


RIDERS = [f"r{n}" for n in range(24)]


def wide_study(riders: list[str]) -> StudyConfig:
    return a_study(riders="".join(f'[[riders]]\nkey = "{n}"\nfield = "{n}"\nagreed = ["1"]\n' for n in riders))


def wide_project(records: int, riders: list[str]) -> Project:
    """A registry with a field for each rider; with RIDERS, 25 records are 675 cells."""
    fields = [*REDCAP_FIELDS, *(Field(name, "consent", "yesno") for name in riders)]
    return a_redcap_project(*a_registry(records), fields=fields)


def test_a_batch_has_at_least_25_records(open_redcap: Open) -> None:
    redcap = open_redcap(wide_project(60, RIDERS), switches=Switches(memory_limit_cells=800))
    assert export(redcap, wide_study(RIDERS)).records_received == 60
    requested = [tuple(ids) for ids in requested_ids(redcap)]
    assert [len(ids) for ids in requested][-3:] == [25, 25, 10]
    assert len(requested) == len(set(requested))


def test_a_server_that_fails_with_25_records_is_an_error(open_redcap: Open) -> None:
    redcap = open_redcap(wide_project(60, RIDERS), switches=Switches(memory_limit_cells=200))
    with pytest.raises(SourceUnavailableError, match=r"cannot export even 25 .*too little memory"):
        export(redcap, wide_study(RIDERS))
    assert {len(ids) for ids in requested_ids(redcap)} == {25}


def test_no_request_has_more_form_keys_than_a_server_reads(open_redcap: Open) -> None:
    riders = [f"r{n}" for n in range(150)]
    redcap = open_redcap(wide_project(1_600, riders))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    assert export(redcap, wide_study(riders)).records_received == 1_600
    assert 800 < max(len(form) for form in forms_of(redcap)) <= 900


def test_form_keys_that_a_server_drops_are_noticed_as_missing_records(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(*a_registry(900)), switches=Switches(max_keys=700))
    redcap.server.faults.append(faults.memory_text(match="record", skip=EXPORT))
    with pytest.raises(IncompleteExportError, match="did not arrive"):
        export(redcap)


@pytest.mark.parametrize("order", ["record", "event"])
def test_batches_give_the_counts_of_the_whole(open_redcap: Open, order: Any) -> None:
    rows = in_events(**{f"r{n}": [ONE, TWO] for n in range(70)})
    switches = Switches(memory_limit_cells=500, row_order=order)
    assert export(open_redcap(a_redcap_project(*rows, events=EVENTS), switches=switches)).counts == counts_of(rows)


def test_a_record_missing_from_a_batch_is_exported_again_in_batches(open_redcap: Open) -> None:
    redcap = open_redcap(a_redcap_project(*a_registry(60)), switches=LITTLE_MEMORY)
    redcap.server.faults.append(faults.without_record(3, skip=4))
    assert export(redcap).counts == counts_of(a_registry(60))
    assert [len(ids) for ids in requested_ids(redcap)] == [25, 25, 10] * 2


def test_a_listing_that_is_too_large_is_an_error(open_redcap: Open) -> None:
    redcap = open_redcap(switches=Switches(memory_limit_cells=1))
    with pytest.raises(SourceUnavailableError, match="too little memory"):
        export(redcap)
    assert len(redcap.server.seen("record")) == 1


def test_batches_are_requested_one_at_a_time_with_pauses(open_redcap: Open) -> None:
    with (
        Server(Redcap([])) as fresh,
        asking(fresh, a_redcap_project(*a_registry(60)), switches=LITTLE_MEMORY) as redcap,
    ):
        export(redcap)
        assert fresh.most_at_once == 1
        assert len(redcap.slept) == len(fresh.requests) - WITHOUT_PAUSE


# Memory


def test_a_batch_is_released_before_the_next_one_is_counted(open_redcap: Open) -> None:
    registry = a_redcap_project(rows=lambda: (a_redcap_row(str(n), rider_a="x" * 1000) for n in range(10_000)))
    redcap = open_redcap(registry)
    earlier: list[weakref.ref[Array]] = []
    still_there: list[int] = []

    def look_back(rows: Rows) -> Counter[str]:
        gc.collect()
        still_there.append(sum(one() is not None for one in earlier))
        earlier.append(weakref.ref(rows.records))
        return Counter(rows=len(rows))

    export_registry(redcap.client, inspect_project(redcap.client, a_study()).plan, look_back, Counter())
    assert len(still_there) > 2
    assert not any(still_there)


# Values over the whole way


def tallied(redcap: Asking, study: StudyConfig | None = None) -> Tally:
    """The counts of a report."""
    study = study or a_study()
    plan = inspect_project(redcap.client, study).plan
    counting = Counting(study, plan.column_map, a_period())

    def count_participants(rows: Rows) -> Tally:
        return tally_participants(build_participants(rows, counting), counting.period.start)

    return export_registry(redcap.client, plan, count_participants, Tally()).counts


def test_a_missing_data_code_is_not_an_answer(open_redcap: Open) -> None:
    rows = [a_redcap_row("1", rider_a="-999"), a_redcap_row("2", consent_obtained="-999", consent_date="-999")]
    found = tallied(open_redcap(a_redcap_project(*rows, missing_data_codes="-999, Not asked")))
    assert found.riders == {("rider a", "not_answered"): 1}
    assert found.quality == {"rider_without_consent": 1}


@pytest.mark.parametrize("blank_when_empty", [False, True])
def test_a_box_that_is_not_ticked_is_not_answered(open_redcap: Open, blank_when_empty: bool) -> None:
    project = a_redcap_project(a_redcap_row("1"), fields=[*REDCAP_FIELDS, CHECKBOX])
    redcap = open_redcap(project, switches=Switches(blank_checkboxes_when_empty=blank_when_empty))
    assert tallied(redcap, a_study(riders=BOX_RIDER)).riders == {("rider a", "not_answered"): 1}


SERVER_IN_UTC = 'time_zone = "UTC"\n' + SURVEY_CONSENT


def test_a_timestamp_counts_on_its_day_in_the_studys_time_zone(open_redcap: Open) -> None:
    row = a_redcap_row("1", consent_timestamp="2023-09-18 02:00:00")  # Sunday evening in Toronto
    found = tallied(open_redcap(a_redcap_project(row, surveys={"consent"})), a_study(consents=SERVER_IN_UTC))
    assert found.weeks.counts == (1,)


def test_a_form_that_is_not_a_survey_has_no_timestamp(open_redcap: Open) -> None:
    with pytest.raises(SourceRefusedError, match=r"column consent_timestamp\. .* not a survey has no timestamp"):
        export(open_redcap(), a_study(consents=SURVEY_CONSENT))


LEAVE_OUT = '[[leave_out]]\nreason = "test record"\nid_pattern = "TEST.*"\n'


@pytest.mark.parametrize(
    ("is_identifier", "more", "is_refused"), [(True, LEAVE_OUT, True), (False, LEAVE_OUT, False), (True, "", False)]
)
def test_a_study_that_leaves_records_out_by_id_needs_ids_that_are_not_hashed(
    is_identifier: bool, more: str, is_refused: bool, open_redcap: Open
) -> None:
    fields = [replace(REDCAP_FIELDS[0], identifier=is_identifier), *REDCAP_FIELDS[1:]]
    hashed = [a_redcap_row(hashlib.md5(name.encode()).hexdigest()) for name in ("1", "TEST-1")]
    asked = open_redcap(a_redcap_project(*hashed, fields=fields))
    with pytest.raises(SourceRefusedError, match="hashes the record ids") if is_refused else nullcontext():
        export(asked, a_study(more=more))
