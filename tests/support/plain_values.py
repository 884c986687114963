"""What the plain rules read and make: a participant's consents, withdrawal and verdict, and single cells of an export.

Written from the printed rules and not from the product's code. Decides nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from consent.counting.consents import Counting
from consent.redcap.arrivals import EVENT
from consent.studies.model import FieldRef

Row = Mapping[str, str]

TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")


@dataclass(frozen=True)
class PlainConsent:
    """One row's decision: what it says, of which day, and its place among the participant's consents."""

    verdict: str
    says_agreed: bool
    certified: bool
    day: date | None
    form: int
    place: tuple[int, int, int]
    row: Row
    agreed_but_open: bool


@dataclass(frozen=True)
class PlainOptional:
    """What the rules of the optional parts of a study file say of one participant; None where it lacks the part."""

    site: str | None = None
    recent: bool | None = None
    version: str | None = None
    withdrawn: bool | None = None
    extent: str | None = None
    undated: bool | None = None
    agreed: bool | None = None
    outcome: str | None = None
    since_approval: bool | None = None
    ended_since: bool | None = None


@dataclass(frozen=True)
class PlainWithdrawal:
    """What a participant's rows say of a withdrawal: its last date (if any), and whether it holds at the cut-off."""

    says_so: bool = False
    day: date | None = None
    extent: str = ""
    holds: bool = False
    ends: bool = False
    has_unusable_date: bool = False

    @property
    def undated(self) -> bool:
        """Whether only a flag says so."""
        return self.says_so and self.day is None


@dataclass(frozen=True)
class PlainParticipant:
    """What the rules say of one participant."""

    kind: str
    reason: str = ""
    consented_on: date | None = None
    taking_part: bool = False
    riders: tuple[str, ...] = ()
    quality: frozenset[str] = frozenset()
    optional: PlainOptional = field(default_factory=PlainOptional)


def in_order(consents: Iterable[PlainConsent]) -> list[PlainConsent]:
    """By date, event order, form order, instance."""
    return sorted(consents, key=lambda consent: (consent.day, consent.place))


def value_of(ref: FieldRef, row: Row) -> str:
    """A field's value in a row."""
    return row[ref.field if ref.code is None else f"{ref.field}___{ref.code}"]


def text_in(ref: FieldRef, row: Row, counting: Counting) -> str:
    """A field's text in a row, without spaces around it; a missing-data code is no text."""
    text = value_of(ref, row).strip()
    return "" if text in counting.column_map.missing_codes else text


def event_number(row: Row, rows: list[Row], counting: Counting) -> int:
    """The row's event's place in the project's order; events that the project does not list come last, by name."""
    listed = list(counting.column_map.event_order)
    others = sorted({other[EVENT] for other in rows} - {*listed})
    return [*listed, *others].index(row[EVENT])


def day_named(text: str, date_field: str, counting: Counting) -> date | None:
    """The day that a date field's text names, where the study is."""
    moment = moment_in(text)
    if moment is None or date_field not in counting.column_map.timestamps or len(text) == 10:
        return moment.date() if moment else None
    there = moment.replace(tzinfo=ZoneInfo(counting.study.redcap.time_zone))
    return there.astimezone(ZoneInfo(counting.study.time_zone)).date()


def moment_in(text: str) -> datetime | None:
    """Year, month and day as digits with hyphens, and perhaps a time of day; nothing else."""
    day, space, clock = text.partition(" ")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day) or (space and not TIME_OF_DAY.fullmatch(clock)):
        return None
    hours, minutes, seconds = (*map(int, clock.split(":")), 0)[:3] if clock else (0, 0, 0)
    try:
        midnight = datetime(*map(int, day.split("-")))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None
    return midnight + timedelta(hours=hours, minutes=minutes, seconds=seconds)
