"""Build studies, rows, summaries, reports and REDCap projects for tests, with defaults."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from consent.config.credentials import Secret
from consent.config.http_session import new_session
from consent.config.settings import Network
from consent.counting.consents import Batch, Counting, Table
from consent.counting.participants import build_participants
from consent.counting.period import ReportPeriod
from consent.counting.summarise import summarise
from consent.counting.summary import ConsentSummary, Source
from consent.counting.tally import Tally, tally_participants
from consent.delivery.report_set import Destination
from consent.files import ReportFile
from consent.redcap.arrivals import RECORD, STRUCTURE, Rows, RowShape
from consent.redcap.cells import Cells
from consent.redcap.client import PAUSE, READ_SECONDS, RedcapClient
from consent.redcap.csv_blocks import BLOCK, CsvTable
from consent.redcap.csv_export import csv_column_map
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import StudyConfig
from consent.studies.parser import parse_study
from sandbox.redcap.app import AS_DOCUMENTED, Field, Project, Redcap, Row, Switches, User
from sandbox.server import Server

RIDERS = "abcdefgh"

STUDY = """
title = "OBRI Consent Summary"
start_date = 2023-09-11
time_zone = "America/Toronto"
contact = "registry office"
[redcap]
url_setting = "REDCAP_API_URL"
token_setting = "REDCAP_ACCESS_TOKEN"
"""
CONSENT = """
[[consent]]
date = "consent_date"
decision = "consent_obtained"
agreed = ["1"]
declined = ["2"]
pending = ["0"]
pending_text = ["Consent not completed"]
"""
RIDER = """
[[riders]]
key = "rider a"
field = "rider_a"
agreed = ["1"]
declined = ["0"]
"""


def a_study(*, head: str = "", consents: str = CONSENT, riders: str = RIDER, more: str = "") -> StudyConfig:
    """A study; by default with one consent form and one rider."""
    return parse_study(head + STUDY + consents + riders + more, "a-study")


def a_period(cutoff: str = "2023-10-01", *, exported_on: str | None = None, start: str = "2023-09-11") -> ReportPeriod:
    """A period; by default three weeks from Monday 11 September 2023."""
    return ReportPeriod(
        date.fromisoformat(start), date.fromisoformat(cutoff), date.fromisoformat(exported_on or cutoff)
    )


def a_row(record: str = "1", **values: str) -> dict[str, str]:
    """A row of an export; by default a participant who agreed to consent and rider on 12 September 2023."""
    return {RECORD: record, "consent_date": "2023-09-12", "consent_obtained": "1", "rider_a": "1", **values}


def as_rows(rows: Iterable[Mapping[str, str]]) -> Rows:
    """The rows as they are counted: those of a record together, in their order."""
    together: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        together.setdefault(row.get(RECORD, ""), []).append(row)
    rows = [row for own in together.values() for row in own]
    names = dict.fromkeys((*STRUCTURE, *(name for row in rows for name in row if name != RECORD)))
    records = np.array([row.get(RECORD, "").encode() for row in rows], dtype=bytes)
    return Rows(records, {name: Cells.of(row.get(name, "") for row in rows) for name in names})


def as_dicts(rows: Rows) -> list[dict[str, str]]:
    """Each row's values by column, the record id among them."""
    columns = {RECORD: rows.ids(), **{name: cells.tolist() for name, cells in rows.columns.items()}}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def as_frame(table: Table) -> pd.DataFrame:
    """A table of the counting as a data frame, with cells as text."""
    texts = {name: column.tolist() if isinstance(column, Cells) else column for name, column in table.items()}
    return pd.DataFrame(texts)


def a_column_map(study: StudyConfig, **known: Any) -> ColumnMap:
    """A column map without a data dictionary; ``known`` replaces its fields."""
    return replace(csv_column_map(study, RECORD), **known)


def a_counting(
    study: StudyConfig | None = None, period: ReportPeriod | None = None, column_map: ColumnMap | None = None
) -> Counting:
    """A study, column map and period to count with."""
    study = study or a_study()
    return Counting(study, column_map or a_column_map(study), period or a_period())


def participants_of(*rows: Mapping[str, str], counting: Counting | None = None) -> pd.DataFrame:
    """Build the participants of these rows, one for each record id."""
    batch = Batch(as_rows(rows), counting or a_counting())
    participants = as_frame(build_participants(batch.rows, batch.counting))
    return participants.set_axis([record.decode() for record in batch.records.tolist()])


def tally_of(*rows: Mapping[str, str], counting: Counting | None = None) -> Tally:
    """Tally these rows."""
    counting = counting or a_counting()
    return tally_participants(build_participants(as_rows(rows), counting), counting.period.start)


def summary_of(*rows: Mapping[str, str], counting: Counting | None = None) -> ConsentSummary:
    """Summarise these rows."""
    counting = counting or a_counting()
    source = Source("16.1.3", 14, len(rows), len(rows))
    return summarise(tally_of(*rows, counting=counting), counting.study, counting.period, source)


# A report and its destination

TITLE = "OBRI Consent Summary"
CSV, PDF = ReportFile(f"{TITLE}.csv", b"a,b\n1,2\n"), ReportFile(f"{TITLE}.pdf", b"%PDF-1.7")
JSON = ReportFile(f"{TITLE}.json", b'{"total": 3}', data=True)
REPORT = (CSV, PDF, JSON)


def a_destination(**changes: Any) -> Destination:
    """The destination of a report of Monday 16 November 2026; ``changes`` replace its fields."""
    monday = date(2026, 11, 16)
    usual = Destination("obri-ibd", TITLE, "/", archive=True, cutoff=monday, exported_on=monday, sandbox=False)
    return replace(usual, **changes)


# A simulated REDCap and its client

TOKEN = "0123456789ABCDEF" * 2
REDCAP_FIELDS = (
    Field("record_id", "enrolment"),
    Field("full_name", "enrolment", identifier=True),
    Field("consent_date", "consent", validation="date_ymd"),
    Field("consent_obtained", "consent", "radio", choices="1, Yes | 2, No | 0, Open"),
    Field("rider_a", "consent", "yesno"),
)


def a_redcap_row(
    record: str = "1", *, event: str = "", instrument: str = "", instance: int | None = None, **values: str
) -> Row:
    """The same participant as in ``a_row``, as REDCap stores it."""
    agreed = {"consent_date": "2023-09-12", "consent_obtained": "1", "rider_a": "1", "consent_complete": "2"}
    return Row(record, {**agreed, **values}, event=event, instrument=instrument, instance=instance)


def a_redcap_project(*rows: Row, **changes: Any) -> Project:
    """A classic project for ``a_study()``, by default with two participants."""
    usual = {"fields": REDCAP_FIELDS, "users": [User("pipeline", TOKEN)], "rows": rows or TWO_PARTICIPANTS}
    return Project(**{**usual, **changes})


TWO_PARTICIPANTS = (a_redcap_row("1"), a_redcap_row("2", consent_obtained="2", rider_a=""))


@dataclass(frozen=True)
class Asking:
    """A simulated REDCap and its client; ``slept`` holds every pause of the client."""

    server: Server
    client: RedcapClient
    slept: list[float]

    @property
    def waits(self) -> list[float]:
        """The pauses before a retry."""
        return [seconds for seconds in self.slept if seconds != PAUSE]

    @property
    def asked(self) -> list[str]:
        """The requests so far, by their REDCap names."""
        return [self.server.app.name_of(request) for request in self.server.requests]


@contextmanager
def asking(
    server: Server,
    project: Project,
    *,
    switches: Switches = AS_DOCUMENTED,
    token: str = TOKEN,
    read_seconds: float = READ_SECONDS,
) -> Iterator[Asking]:
    """Serve this project from the server, without faults or earlier requests, and open a client."""
    server.app = Redcap([project], switches=switches)
    server.faults.clear()
    server.requests.clear()
    slept: list[float] = []
    url, secret = f"{server.url}/api/", Secret("REDCAP_ACCESS_TOKEN", token)
    with new_session(Network(), url) as session:
        client = RedcapClient(url, secret, session, sleep=slept.append, read_seconds=read_seconds)
        yield Asking(server, client, slept)


def all_texts_of(error: BaseException | None) -> str:
    """All text that printing an error and its causes could show."""
    if error is None:
        return ""
    return f"{error} {error!r} {all_texts_of(error.__cause__)} {all_texts_of(error.__context__)}"


Open = Callable[..., Asking]
"""Opens a simulated REDCap with a project, and its client."""


def rows_of_table(table: CsvTable, size: int = BLOCK) -> list[dict[str, str]]:
    """The rows of an export as CSV, by the names of its columns."""
    if not table.names:
        return []
    shape = RowShape(table.names[0], table.names[1:], ())
    rows = [row for batch in table.batches(shape, size) for row in as_dicts(batch)]
    return [{name: row[RECORD if name == shape.record_id else name] for name in table.names} for row in rows]
