"""The registry of the fault campaign, which grows during outages, and the correct counts at each size.

Every person has marks that must never leave REDCap. The correct counts do not depend on the report's day.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache

from sandbox.people import RIDERS, START, Person, people, registry
from sandbox.redcap.project import Project, Row

MADE_ON = date(2026, 11, 15)  # the Sunday before the first Monday of the campaign
MOST_PEOPLE = 90
RECORD_MARK, NAME_MARK = "rec0rd-", "Zephyrine"
MARKS = (RECORD_MARK, NAME_MARK, "1970-01-01")


@dataclass
class GrowingRegistry:
    """The first of the invented people; ``sizes`` holds every size the registry had."""

    sizes: list[int] = field(default_factory=lambda: [30])

    @property
    def project(self) -> Project:
        """The registry as a REDCap project, read anew for every request."""
        return replace(registry(0, today=MADE_ON), rows=lambda: _everybody_as_rows()[: self.sizes[-1]])

    def grow(self, by: int) -> None:
        """Add so many people."""
        self.sizes.append(self.sizes[-1] + by)


@lru_cache
def csv_of(size: int, cutoff: date) -> str:
    """Return the correct weekly table for so many people as of a day, computed from the people alone."""
    consented = [one for one in everybody()[:size] if one.consented_on and one.consented_on <= cutoff]
    first_days = [START + timedelta(days=7 * week) for week in range((cutoff - START).days // 7 + 1)]
    by_week = {first: [one for one in consented if _week_of(one) == first] for first in first_days}
    lines = [f"{first} - {first + timedelta(days=6)},{_counts(by_week[first])}" for first in first_days]
    heading = ",".join(["period", "consent", *(f"rider {rider}" for rider in RIDERS)])
    return "\n".join([heading, *lines, f"Total,{_counts(consented)}", ""])


@lru_cache
def everybody() -> tuple[Person, ...]:
    """Return all people who are or will be in the registry, except those with a consent in the future."""
    return tuple(person for person, _ in _made_up())


@lru_cache
def _everybody_as_rows() -> tuple[Row, ...]:
    return tuple(row for _, row in _made_up())


def _made_up() -> list[tuple[Person, Row]]:
    persons, rows = people(MOST_PEOPLE, today=MADE_ON), registry(MOST_PEOPLE, today=MADE_ON).read()
    marked = [replace(row, record=f"{RECORD_MARK}{row.record}", values=_renamed(row)) for row in rows]
    pairs = zip(persons, marked, strict=True)
    return [(person, row) for person, row in pairs if person.outcome != "not_counted/future_date"]


def _renamed(row: Row) -> dict[str, str]:
    return {**row.values, "first_name": NAME_MARK}


def _week_of(person: Person) -> date:
    assert person.consented_on is not None
    return START + timedelta(days=(person.consented_on - START).days // 7 * 7)


def _counts(persons: list[Person]) -> str:
    riders = Counter(rider for person in persons for rider in person.riders)
    return ",".join(map(str, [len(persons), *(riders[rider] for rider in RIDERS)]))
