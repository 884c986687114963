"""Count participants.

A tally holds counts only, no participants. Tallies of batches add up to the tally of the registry as long as no
participant is in two batches. So memory does not grow with the registry.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from itertools import repeat
from math import prod
from operator import add
from pathlib import Path
from typing import Any

import numpy as np

from consent.counting.consents import CONSENTED, DECLINED, Table, rows_at
from consent.counting.participants import EXCLUDED, NOT_COUNTED, TAKING_PART
from consent.counting.riders import AGREED
from consent.errors import ConfigurationError, Problem
from consent.redcap.cells import Array, Cells
from consent.redcap.csv_export import unusable_file

PARTICIPANTS, RECENT = "participants", "recent"
FEWEST_CONTRADICTIONS = 2
FEWEST_APART = 3  # fewer agreements without a date may be mistakes of data entry
MOST_COUNTERS = 100_000  # of combinations of values, also of those that do not occur
SITE_COUNTS = (PARTICIPANTS, CONSENTED, TAKING_PART, RECENT)


@dataclass(frozen=True)
class WeeklyCounts:
    """Counts by week number from the study's first day, up to the last week with any."""

    counts: tuple[int, ...] = ()

    @classmethod
    def of(cls, counts: Array) -> "WeeklyCounts":
        """Return these counts, of the first week and those after it."""
        return cls(tuple(np.trim_zeros(counts, "b").tolist()))

    def until(self, weeks: int) -> tuple[int, ...]:
        """Return the counts of this many weeks from the first."""
        return (*self.counts[:weeks], *repeat(0, weeks - len(self.counts)))

    def __add__(self, other: "WeeklyCounts") -> "WeeklyCounts":
        weeks = max(len(self.counts), len(other.counts))
        return WeeklyCounts(tuple(map(add, self.until(weeks), other.until(weeks))))


@dataclass(frozen=True)
class Tally:
    """Counts of participants.

    Attributes:
        classes: by class and reason, which may be empty.
        weeks: consented.
        rider_weeks: agreed to a rider, by its key.
        riders: consented, by rider and answer.
        quality: by quality code.
        taking_part: consented, and neither refused later nor withdrew.
        sites: by site code, or "" for none, and one of SITE_COUNTS.
        site_weeks: consented, by site code and week number.
        versions: taking part, by the version of the latest agreed consent.
        withdrawals: consented, by extent and whether undated.
        forms: with a row of a form that selects rows, by its position.
        contradictions: who agreed and declined on one day, on rows of one form.
        agreed: everyone who agreed by the cut-off, or without a usable date.
        outcomes: by outcome, whether first decided since the approval, and whether ended since it.
    """

    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    weeks: WeeklyCounts = WeeklyCounts()
    rider_weeks: Mapping[str, WeeklyCounts] = field(default_factory=dict)
    riders: Counter[tuple[str, str]] = field(default_factory=Counter)
    quality: Counter[str] = field(default_factory=Counter)
    taking_part: int = 0
    sites: Counter[tuple[str, str]] = field(default_factory=Counter)
    site_weeks: Counter[tuple[str, int]] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    withdrawals: Counter[tuple[str, bool]] = field(default_factory=Counter)
    forms: Counter[int] = field(default_factory=Counter)
    contradictions: int = 0
    agreed: int = 0
    outcomes: Counter[tuple[str, bool, bool]] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        names = [each.name for each in fields(self)]
        return Tally(**{name: _sum(getattr(self, name), getattr(other, name)) for name in names})


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, Counter):
        both = one.copy()  # twice as fast as Counter's own +, for counts that are all positive
        both.update(other)
        return both
    if isinstance(one, dict):
        return {key: one.get(key, WeeklyCounts()) + other.get(key, WeeklyCounts()) for key in one | other}
    return one + other


def tally_participants(participants: Table, start: date) -> Tally:
    """Count a batch from ``participants.build_participants``; ``start``: the study's first day, which starts week 0."""
    counted = {name: column for name, column in participants.items() if not name.startswith(("quality:", "form:"))}
    consented = rows_at(counted, participants["participant_class"].is_in(CONSENTED))
    weeks = (consented["consented_on"] - np.datetime64(start)).astype("int64") // 7
    answers = _named(consented, "rider:")
    by_week = {key: _by_week(weeks, given) for key, given in answers.items()}
    return Tally(
        classes=_counted(participants["participant_class"], participants["reason"]),
        weeks=WeeklyCounts.of(np.bincount(weeks)),
        rider_weeks={key: WeeklyCounts.of(counts[AGREED]) for key, counts in by_week.items()},
        riders=+Counter({(key, given): int(n.sum()) for key, counts in by_week.items() for given, n in counts.items()}),
        quality=+Counter({code: int(flags.sum()) for code, flags in _named(participants, "quality:").items()}),
        taking_part=int(consented["taking_part"].sum()),
        contradictions=int(participants["contradicts"].sum()),
        forms=+Counter({int(n): int(flags.sum()) for n, flags in _named(participants, "form:").items()}),
        **_tally_optional(participants, consented, weeks),
    )


def _tally_optional(participants: Table, consented: Table, weeks: Array) -> dict[str, Any]:
    """Count the columns that only some studies have."""
    counts: dict[str, Any] = {}
    if "site" in participants:
        counts["sites"] = _tally_sites(participants)
        counts["site_weeks"] = _counted(consented["site"], weeks)
    if "version" in participants:
        counts["versions"] = consented["version"][consented["taking_part"]].counted()
    if "withdrawn" in participants:
        withdrawn = consented["withdrawn"]
        counts["withdrawals"] = _counted(consented["extent"][withdrawn], consented["undated"][withdrawn])
    if "outcome" in participants:
        decided = rows_at(participants, ~participants["outcome"].is_in(""))
        counts["outcomes"] = _counted(decided["outcome"], decided["since_approval"], decided["ended_since"])
        counts["agreed"] = int(participants["agreed"].sum())
    return counts


def _named(participants: Table, prefix: str) -> Table:
    """Return the columns whose names start like this, by the rest of their names."""
    return {name.removeprefix(prefix): column for name, column in participants.items() if name.startswith(prefix)}


def _by_week(weeks: Array, answers: Cells) -> dict[str, Array]:
    """Return the number of each answer in every week."""
    width = len(answers.values)
    counts = np.bincount(weeks * width + answers.numbers, minlength=width * (weeks.max(initial=-1) + 1))
    return dict(zip(answers.values, counts.reshape(-1, width).T, strict=True))


def _counted(*columns: Cells | Array) -> Counter[Any]:
    """Count the tuples of several columns' values: of cells, flags or numbers from 0."""
    numbers = [column.numbers if isinstance(column, Cells) else column.astype(int) for column in columns]
    sizes = [len(column.values) if isinstance(column, Cells) else column.max(initial=0) + 1 for column in columns]
    together = np.ravel_multi_index(numbers, sizes)
    if prod(sizes) <= MOST_COUNTERS:  # much faster than sorting
        counts = np.bincount(together)
        different, counts = np.flatnonzero(counts), counts[counts > 0]
    else:
        different, counts = np.unique(together, return_counts=True)
    values = [
        [column.values[n] for n in found] if isinstance(column, Cells) else found.astype(column.dtype).tolist()
        for column, found in zip(columns, np.unravel_index(different, sizes), strict=True)
    ]
    return Counter(dict(zip(zip(*values, strict=True), counts.tolist(), strict=True)))


def _tally_sites(participants: Table) -> Counter[tuple[str, str]]:
    classes, sites = participants["participant_class"], participants["site"]
    counted = {
        PARTICIPANTS: ~classes.is_in(*EXCLUDED),
        CONSENTED: classes.is_in(CONSENTED),
        TAKING_PART: participants["taking_part"],
        RECENT: participants["recent"],
    }
    by_site = {what: sites[flags].counted() for what, flags in counted.items()}
    return Counter({(site, what): n for what, found in by_site.items() for site, n in found.items()})


def ensure_dates_meet_decisions(tally: Tally) -> None:
    """Raise ConfigurationError if no agreement has a date on its row, although the date field is filled on other rows.

    The dictionary shows most such fields before the export, but not to every token, and not for a file.
    """
    no_date, elsewhere = tally.classes[NOT_COUNTED, "no_date"], tally.quality["dated_but_pending"]
    if elsewhere >= no_date >= FEWEST_APART and not tally.classes[CONSENTED, ""]:
        what = f"No row holds both an agreement and its date: {no_date:,} agreements have their date on another row."
        raise ConfigurationError(what, "In the study file, name a date on the form of the decision.")


def ensure_one_consent_a_form(tally: Tally, mixed_forms: Sequence[Problem]) -> None:
    """Raise ConfigurationError if several people contradict themselves on a form that may hold several consents.

    mixed_forms: see ``validation.find_mixed_forms``. A few may change their minds within a day.
    """
    decided = tally.classes[CONSENTED, ""] + tally.classes[DECLINED, ""]
    if mixed_forms and tally.contradictions >= max(FEWEST_CONTRADICTIONS, decided / 100):
        found = f"{tally.contradictions:,} participants agreed and declined on one day, on rows of one form."
        raise ConfigurationError(f"{mixed_forms[0].what} {found}", mixed_forms[0].fix)


def ensure_raw_values(tally: Tally, path: Path) -> None:
    """Raise SourceDataError for a file with labels instead of codes, or Excel's dates: nobody in it would consent."""
    unknown, unread = (tally.classes[NOT_COUNTED, reason] for reason in ("unknown_code", "unreadable_date"))
    consented, declined = tally.classes[CONSENTED, ""], tally.classes[DECLINED, ""]
    if not consented and (unread or (unknown and not declined)):  # a refusal needs no date, so it proves no date right
        raise unusable_file(
            path,
            "none of its dates of consent is written as REDCap writes them (2026-08-19)"
            if unread
            else "none of its decisions has a code of the study file",
            "Export it again as 'CSV (raw data)', with codes and not labels, and do not save it from Excel.",
        )
