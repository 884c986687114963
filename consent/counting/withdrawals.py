"""Find who has withdrawn by the cut-off, since when and to what extent.

A withdrawn participant still counts as ever consented. The study file names the extents that end taking part.
"""

from dataclasses import dataclass

import numpy as np

from consent.counting.columns import days_of
from consent.counting.consents import Batch
from consent.redcap.cells import Array, Cells
from consent.studies.model import FieldRef, WithdrawalRules

NEVER = np.datetime64("NaT", "D")
NO_WITHDRAWALS = WithdrawalRules(flag=None, codes=(), date=None, extent=None, ends=(), extent_labels={})


@dataclass(frozen=True)
class WithdrawalArrays:
    """The withdrawal of each participant, as arrays by participant number."""

    now: Array  # withdrawn at the cut-off
    day: Array  # the last withdrawal date up to the cut-off, NaT for none
    ends: Array  # withdrawn with an extent that ends taking part
    extent: Cells  # the extent's code, empty if blank
    undated: Array  # withdrawn by a flag without a date
    quality: dict[str, Array]  # the participants of each quality code


def find_withdrawals(batch: Batch, first: Array, latest: Array, rules: WithdrawalRules) -> WithdrawalArrays:
    """Find who has withdrawn at the cut-off.

    first, latest: the days of each participant's first and last agreed consent that counts, NaT for none.

    A withdrawal is a date up to the cut-off, or a flag without a usable date (blank, unreadable, or after the export).
    An agreed consent after the last withdrawal date revokes it. A blank extent ends taking part.
    """
    row_days, is_unusable = _row_days(batch, rules)
    cutoff = np.datetime64(batch.counting.period.cutoff)
    at = np.flatnonzero(row_days <= cutoff)
    day = batch.last(row_days, at[np.argsort(row_days[at], kind="stable")], NEVER)
    undated = batch.with_row(_flagged(batch, rules)) & np.isnat(day) & ~batch.with_row(row_days > cutoff)
    recorded = ~np.isnat(day) | undated
    now = recorded & ~(latest > day)
    extents = batch.stripped(rules.extent)
    extent = _latest_extents(extents, row_days, day, batch)
    return WithdrawalArrays(
        now=now,
        day=day,
        ends=now & (extent.is_in("", *rules.ends) | (not rules.ends)),
        extent=extent,
        undated=now & undated,
        quality={
            "withdrawal_without_consent": recorded & ~batch.agreed,
            "withdrawal_before_consent": day < first,
            "withdrawal_undated": undated | batch.with_row(is_unusable),
            "unknown_code": batch.with_row(unknown_extents(extents, rules)),
        },
    )


def rows_with_withdrawal(batch: Batch, rules: WithdrawalRules) -> Array:
    """Flag the rows with a withdrawal flag or any text in the withdrawal date."""
    return ~_date_texts(batch, rules).is_in("") | _flagged(batch, rules)


def unknown_extents(extents: Cells, rules: WithdrawalRules) -> Array:
    """Flag the extents that the study file does not name, if it names any."""
    known = (*rules.ends, *rules.extent_labels)
    return ~extents.is_in("", *known) & bool(known)


def _flagged(batch: Batch, rules: WithdrawalRules) -> Array:
    return batch.stripped(rules.flag).is_in(*rules.codes)


def _date_texts(batch: Batch, rules: WithdrawalRules) -> Cells:
    return batch.stripped(FieldRef(rules.date) if rules.date else None)


def _row_days(batch: Batch, rules: WithdrawalRules) -> tuple[Array, Array]:
    """Return each row's withdrawal day (NaT if unusable), and flag the rows with an unusable one."""
    texts, counting = _date_texts(batch, rules), batch.counting
    days = days_of(texts, rules.date in counting.column_map.timestamps, counting.study)
    days = np.where(days > np.datetime64(counting.period.exported_on), NEVER, days)
    return days, ~texts.is_in("") & np.isnat(days)


def _latest_extents(extents: Cells, row_days: Array, day: Array, batch: Batch) -> Cells:
    """Return the extent on the row of each participant's latest date, else the last one on a row without a date."""
    relevant = np.isnat(row_days) | (row_days == day[batch.numbers])
    at = batch.sorted_rows(~extents.is_in("") & relevant, extents)
    return batch.last_cells(extents, at[np.argsort(~np.isnat(row_days[at]), kind="stable")])
