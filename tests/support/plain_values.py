"""Cells and values of the plain counting rules (``plain_rules``): consents, withdrawals, days, and one participant.

Written from the printed rules, independently of the product's code.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from consent.counting.consents import Counting
from consent.redcap.arrivals import EVENT, INSTANCE, INSTRUMENT
from consent.studies.model import FieldRef, Rider, RowFilter

Row = Mapping[str, str]

TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")


@dataclass(frozen=True)
class PlainConsent:
    """One row's decision: what it says, its day, and its place among the participant's consents."""

    verdict: str
    says_agreed: bool
    certified: bool
    agreed_but_open: bool
    day: date | None
    form: int
    place: tuple[int, int, int]
    row: Row
    beside: Row | None  # for a repeat of a form: the record's row of that event that does not repeat


@dataclass(frozen=True)
class PlainWithdrawal:
    """The withdrawal that a participant's rows record: its last date (if any), and whether it holds at the cut-off."""

    recorded: bool = False
    day: date | None = None
    extent: str = ""
    holds: bool = False
    ends: bool = False
    has_unusable_date: bool = False

    @property
    def undated(self) -> bool:
        """Recorded by a flag only."""
        return self.recorded and self.day is None


@dataclass(frozen=True)
class PlainParticipant:
    """What the rules say of one participant; ``optional`` holds the columns that only some studies have."""

    kind: str
    reason: str = ""
    consented_on: date | None = None
    taking_part: bool = False
    riders: tuple[str, ...] = ()
    quality: frozenset[str] = frozenset()
    optional: Mapping[str, Any] = field(default_factory=dict)


def in_order(consents: Iterable[PlainConsent]) -> list[PlainConsent]:
    """Sort by date, event, form and instance."""
    return sorted(consents, key=lambda consent: (consent.day, consent.place))


def value_of(ref: FieldRef, row: Row) -> str:
    """Return a field's value in a row."""
    return row[ref.field if ref.code is None else f"{ref.field}___{ref.code}"]


def ticked(ref: FieldRef, row: Row) -> str:
    """Return a field's value in a row; an unticked box is no answer, because an untouched form has it too."""
    value = value_of(ref, row)
    return "" if ref.is_checkbox and value == "0" else value


def is_chosen(filters: Iterable[RowFilter], row: Row) -> bool:
    """Whether every filter selects the row."""
    return all(value_of(each.field, row) in each.codes for each in filters)


def answer_in(rider: Rider, fields: Iterable[FieldRef], row: Row) -> str:
    """Return what a row answers: a refusal in any of the fields, else an agreement, else the first answer."""
    answers = [answer for ref in fields if (answer := ticked(ref, row))]
    decided = [answer for codes in (rider.declined, rider.agreed) for answer in answers if answer in codes]
    return next(iter([*decided, *answers]), "")


def row_beside(row: Row, rows: Iterable[Row]) -> Row | None:
    """Return the row beside a repeat of a form: of the same event, and not repeated."""
    once = (other for other in rows if (other[EVENT], other[INSTRUMENT], other[INSTANCE]) == (row[EVENT], "", ""))
    return next(once, None) if row[INSTRUMENT] else None


def text_in(ref: FieldRef | None, row: Row, counting: Counting) -> str:
    """Return a field's stripped text in a row; a missing-data code is no text."""
    text = value_of(ref, row).strip() if ref else ""
    return "" if text in counting.column_map.missing_codes else text


def place_of(row: Row, rows: list[Row], counting: Counting) -> tuple[int, int]:
    """Return the place of a row's event and its instance; events that the project does not list come last, by name."""
    listed = list(counting.column_map.event_order)
    others = sorted({other[EVENT] for other in rows} - {*listed})
    return [*listed, *others].index(row[EVENT]), int(row[INSTANCE] or 0)


def day_named(text: str, date_field: str, counting: Counting) -> date | None:
    """Return the day that a date field's text names, in the study's time zone."""
    moment = moment_in(text)
    if moment is None or date_field not in counting.column_map.timestamps or len(text) == 10:
        return moment.date() if moment else None
    there = moment.replace(tzinfo=ZoneInfo(counting.study.redcap.time_zone))
    return there.astimezone(ZoneInfo(counting.study.time_zone)).date()


def moment_in(text: str) -> datetime | None:
    """Read year, month and day as digits with hyphens, with or without a time of day; nothing else."""
    day, space, clock = text.partition(" ")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day) or (space and not TIME_OF_DAY.fullmatch(clock)):
        return None
    hours, minutes, seconds = (*map(int, clock.split(":")), 0)[:3] if clock else (0, 0, 0)
    try:
        midnight = datetime(*map(int, day.split("-")))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None
    return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
