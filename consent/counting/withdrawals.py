"""Who has withdrawn by the cut-off, since when, and how far: the rows' flags, dates and extents, per participant.

Pure and vectorised. Takes nobody out of those who ever consented; what a withdrawal ends is said in the study file.
"""

from dataclasses import dataclass

import numpy as np

from consent.counting.columns import Array, days_of, is_one_of, order_of, texts, written
from consent.counting.consents import Batch
from consent.studies.model import FieldRef, WithdrawalRules

NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True)
class Agreements:
    """What the agreed consents of each participant say, as arrays by the participants' numbers.

    ever: agreed at all, whatever the date says. first, latest: days of those that count (NaT where none does).
    """

    ever: Array
    first: Array
    latest: Array


@dataclass(frozen=True)
class Withdrawals:
    """What the rows say of each participant's withdrawal, as arrays by the participants' numbers.

    Attributes:
        now: withdrawn at the cut-off.
        day: the last date of a withdrawal up to the cut-off, NaT where there is none.
        ends: withdrawn so far that it ends taking part.
        extent: the extent's code, empty where it is blank or no field says.
        undated: withdrawn by a flag, and nobody wrote when.
        quality: for each quality code, whom it concerns.
    """

    now: Array
    day: Array
    ends: Array
    extent: Array
    undated: Array
    quality: dict[str, Array]


def find_withdrawals(batch: Batch, agreed: Agreements, rules: WithdrawalRules) -> Withdrawals:
    """Who has withdrawn at the cut-off.

    A participant has if any row has a date on or before the cut-off, or a flag without a usable date (blank, not a
    date, or later than the day of the export); unless a consent was agreed on a later day than the last such date.
    An extent that is blank ends taking part: only what somebody wrote can be less than all.
    """
    row_days, is_unusable = _row_days(batch, rules)
    cutoff = np.datetime64(batch.counting.period.cutoff)
    day = _latest_days(row_days, np.flatnonzero(row_days <= cutoff), batch)
    undated = batch.with_row(_flagged(batch, rules)) & np.isnat(day) & ~batch.with_row(row_days > cutoff)
    says_so = ~np.isnat(day) | undated
    now = says_so & ~(agreed.latest > day)
    extents = written_in(rules.extent, batch)
    extent = _latest_extents(extents, row_days, day, batch)
    return Withdrawals(
        now=now,
        day=day,
        ends=now & ((extent == "") | is_one_of(extent, rules.ends) | (not rules.ends)),
        extent=extent,
        undated=now & undated,
        quality={
            "withdrawal_without_consent": says_so & ~agreed.ever,
            "withdrawal_before_consent": day < agreed.first,
            "withdrawal_undated": undated | batch.with_row(is_unusable),
            "unknown_code": batch.with_row(unknown_extents(extents, rules)),
        },
    )


def _row_days(batch: Batch, rules: WithdrawalRules) -> tuple[Array, Array]:
    """The withdrawal date of each row (NaT where it has no usable one), and whether an unusable one stands there."""
    date, counting = rules.date, batch.counting
    found = written_in(FieldRef(date) if date else None, batch)
    days = days_of(found, date in counting.coding.timestamps, counting.study)
    days = np.where(days > np.datetime64(counting.period.exported_on), NEVER, days)
    return days, (found != "") & np.isnat(days)


def _latest_days(row_days: Array, at: Array, batch: Batch) -> Array:
    """The latest of the days at these rows, for each participant."""
    at = at[np.argsort(row_days[at], kind="stable")]
    latest = np.full(batch.size, NEVER)
    latest[batch.numbers[at]] = row_days[at]
    return latest


def _flagged(batch: Batch, rules: WithdrawalRules) -> Array:
    return is_one_of(written_in(rules.flag, batch), rules.codes)


def rows_of_withdrawals(batch: Batch, rules: WithdrawalRules) -> Array:
    """Which rows say something of a withdrawal: the flag's code, or a date, usable or not."""
    dated: Array = written_in(FieldRef(rules.date) if rules.date else None, batch) != ""
    return dated | _flagged(batch, rules)


def written_in(ref: FieldRef | None, batch: Batch) -> Array:
    """What each row says in this field; nothing where there is no such field."""
    if ref is None:
        return np.full(len(batch.rows), "", dtype=object)
    return written(texts(batch.rows, ref, batch.counting.coding), batch.counting.coding)


def _latest_extents(values: Array, row_days: Array, day: Array, batch: Batch) -> Array:
    """The extent beside each participant's latest date, else the last one that stands beside no date."""
    beside = np.isnat(row_days) | (row_days == day[batch.numbers])
    at = order_of(values, np.flatnonzero((values != "") & beside), batch.rows, batch.counting.coding)
    at = at[np.argsort(~np.isnat(row_days[at]), kind="stable")]
    found = np.full(batch.size, "", dtype=object)
    found[batch.numbers[at]] = values[at]
    return found


def unknown_extents(values: Array, rules: WithdrawalRules) -> Array:
    """Which extents the study file does not know, if it names any."""
    known = (*rules.ends, *rules.extent_labels)
    unknown: Array = (values != "") & ~is_one_of(values, known) & bool(known)
    return unknown
