"""Derive each participant's class from the consents, and collect what the report counts of each participant.

Works on a batch of whole records: no participant is split between two batches.
"""

from collections import Counter

import numpy as np

from consent.counting.columns import flags_for
from consent.counting.consents import (
    CONSENTED,
    DECLINED,
    NOT_COUNTED_REASONS,
    OPEN,
    STATES,
    Batch,
    Counting,
    Table,
    latest_consents,
    rows_at,
)
from consent.counting.period import RECENT_WEEKS, ReportPeriod
from consent.counting.riders import agreed_without_consent, answer_riders, unknown_answers
from consent.counting.sites import find_sites, unknown_sites
from consent.counting.withdrawals import NEVER, NO_WITHDRAWALS, WithdrawalArrays, find_withdrawals
from consent.redcap.arrivals import Rows, are_working_copies
from consent.redcap.cells import Array, Cells
from consent.studies.model import LeaveOut

PENDING, NOT_COUNTED = "pending", "not_counted"
COPY, LEFT_OUT, OUTSIDE = EXCLUDED = ("working_copy", "left_out", "outside")
NOT_STARTED = "not_started"
TAKING_PART, WITHDRAWN, REFUSED_LATER = "taking_part", "withdrawn", "refused_later"
QUALITY_CODES = (
    *(reason for reason in NOT_COUNTED_REASONS if reason != "after_cutoff"),
    "agreed_but_open",
    "dated_but_pending",
    "rider_without_consent",
    "withdrawal_without_consent",
    "withdrawal_before_consent",
    "withdrawal_undated",
)
"""The reasons to review a record; each counts participants of any class."""


_CLASSES = {CONSENTED: CONSENTED, DECLINED: DECLINED, OPEN: PENDING}
_CLASS_OF_STATE = Cells.of([*(_CLASSES.get(state, NOT_COUNTED) for state in STATES), PENDING])
_REASON_OF_STATE = Cells.of([*("" if s in (CONSENTED, DECLINED) else s for s in STATES), NOT_STARTED])
_OUTCOMES = ("", TAKING_PART, WITHDRAWN, REFUSED_LATER, DECLINED)


def build_participants(rows: Rows, counting: Counting) -> Table:
    """Build a table with one row per participant, from whole records.

    Returns:
        Cells, flags or days, in the order of the records. Columns ``participant_class`` (consented, declined,
        not_counted, pending or, for no participant, one of EXCLUDED), ``reason`` (of not_counted, pending and left_out,
        else empty), ``consented_on`` (day, NaT unless consented), ``taking_part`` (bool), ``rider:<key>`` (agreed,
        declined, not_answered, not_offered; empty unless consented) and ``quality:<code>`` (bool).

        ``contradicts`` (agreed and declined on one day, on rows of one form). For a form with where or events:
        ``form:<n>`` (has a row that they select).

        With sites: ``site`` (code, empty for none) and ``recent`` (consented in the last four complete weeks). With
        withdrawals: ``withdrawn``, ``undated`` (bool) and ``extent`` (code, empty if blank). With versions:
        ``version`` of the latest agreed consent. With accrual: ``agreed`` (by the cut-off, or without a usable date),
        ``outcome`` (taking_part, withdrawn, refused_later, declined or empty), ``since_approval`` (first agreed or
        declined on or after the last approval) and ``ended_since`` (stopped taking part on or after it).
    """
    batch = Batch(rows, counting)
    decisive = _decisive_states(batch.consents, batch.size)
    latest = latest_consents(batch.consents, batch.size)
    consented = decisive == STATES.index(CONSENTED)
    agreements = batch.consents["state"] == STATES.index(CONSENTED)
    consented_on = np.where(consented, _first_days(batch.consents, agreements, batch.size), NEVER)
    rules = counting.study.withdrawal or NO_WITHDRAWALS
    withdrawals = find_withdrawals(batch, consented_on, _days_at(batch.consents, latest), rules)
    refusals = _later_refusals(batch, latest)
    columns: Table = {
        "participant_class": _CLASS_OF_STATE[decisive],
        "reason": _REASON_OF_STATE[decisive],
        "consented_on": consented_on,
        "taking_part": consented & ~flags_for(refusals["participant"], batch.size) & ~withdrawals.ends,
    }
    for key, answers in answer_riders(batch).items():
        columns[f"rider:{key}"] = answers.blanked(~consented)
    columns |= _optional_columns(batch, consented_on, withdrawals, latest)
    if counting.study.accrual:
        columns |= _accrual_columns(batch, columns, withdrawals, _first_days(refusals, slice(None), batch.size))
    for code, flags in _quality(batch, withdrawals, columns.get("site")).items():
        columns[f"quality:{code}"] = flags
    return _exclude_records(columns, batch)


def _decisive_states(consents: Table, size: int) -> Array:
    """Return the rank of the state that decides each participant's class; one past the last without any consent.

    It is the first of ``STATES`` among the consents. A consent before the study's start excludes the participant
    permanently, even after a later consent.
    """
    decisive = np.full(size, len(STATES))
    np.minimum.at(decisive, consents["participant"], consents["state"])
    before_start = STATES.index("before_start")
    decisive[consents["participant"][consents["state"] == before_start]] = before_start
    return decisive


def _first_days(consents: Table, at: Array | slice, size: int) -> Array:
    """Return each participant's earliest day among these consents, NaT for none."""
    who, days = consents["participant"][at], consents["day"][at]
    if (np.diff(who) <= 0).any():
        latest_first = np.argsort(days)[::-1]  # undated first of all
        who, days = who[latest_first], days[latest_first]
    first = np.full(size, NEVER)
    first[who] = days
    return first


def _days_at(consents: Table, positions: Array) -> Array:
    """Return the days of the consents at these positions, NaT for -1."""
    return np.append(consents["day"], NEVER)[positions]


def _refusals(batch: Batch) -> Table:
    """Return the refusals up to the cut-off; a day after the export counts as no date (NaT)."""
    refusals = rows_at(batch.consents, batch.consents["state"] == STATES.index(DECLINED))
    days = np.where(refusals["day"] > np.datetime64(batch.counting.period.exported_on), NEVER, refusals["day"])
    return rows_at({**refusals, "day": days}, ~(days > np.datetime64(batch.counting.period.cutoff)))


def _later_refusals(batch: Batch, latest: Array) -> Table:
    """Return the refusals after each participant's latest agreement; event, form and instance place an undated one."""
    refusals = _refusals(batch)
    who, day = refusals["participant"], refusals["day"]
    since = _days_at(batch.consents, latest[who])
    placed_after = refusals["position"] > latest[who]
    is_later = np.where(np.isnat(day), placed_after, (day > since) | ((day == since) & placed_after))
    return rows_at(refusals, is_later & (latest[who] >= 0))


def _optional_columns(batch: Batch, consented_on: Array, withdrawals: WithdrawalArrays, latest: Array) -> Table:
    """Return the columns of sites, versions and withdrawals, if the study has them."""
    study, consented = batch.counting.study, ~np.isnat(consented_on)
    columns: Table = {}
    if study.sites:
        columns["site"] = find_sites(batch, latest, study.sites)
        columns["recent"] = _is_recent(consented_on, batch.counting.period)
    if study.version:
        columns["version"] = batch.consents["version"].at(np.where(consented, latest, -1))
    columns["contradicts"] = _contradicts(batch)
    for n, form in enumerate(study.consents):
        if form.where or form.events:
            columns[f"form:{n}"] = batch.with_consent(batch.consents["form"] == n)
    if study.withdrawal:
        columns["withdrawn"] = consented & withdrawals.now
        columns["extent"] = withdrawals.extent.blanked(~columns["withdrawn"])
        columns["undated"] = consented & withdrawals.undated
    return columns


def _contradicts(batch: Batch) -> Array:
    """Flag the participants who agreed and declined on one day, on rows of one form."""
    state = batch.consents["state"]
    decided = (state == STATES.index(CONSENTED)) | (state == STATES.index(DECLINED))
    both = batch.with_consent(state == STATES.index(CONSENTED)) & batch.with_consent(state == STATES.index(DECLINED))
    if not both.any():
        return both
    rows = rows_at(batch.consents, decided & both[batch.consents["participant"]])
    decisions = {*zip(*(rows[name].tolist() for name in ("participant", "form", "day", "state")), strict=True)}
    places = Counter((who, form, day) for who, form, day, _ in decisions)
    return flags_for(np.array([who for (who, _, _), n in places.items() if n > 1], dtype=int), batch.size)


def _is_recent(days: Array, period: ReportPeriod) -> Array:
    complete = [week for week in period.weeks if week.complete][-RECENT_WEEKS:]
    if not complete:
        return np.zeros(len(days), dtype=bool)
    recent: Array = (days >= np.datetime64(complete[0].first_day)) & (days <= np.datetime64(complete[-1].last_day))
    return recent


def _accrual_columns(batch: Batch, columns: Table, withdrawals: WithdrawalArrays, refused_on: Array) -> Table:
    """Return the columns of accrual and renewal.

    refused_on: the day of each participant's first refusal after the latest agreement, NaT for none.
    """
    consented, declined = (columns["participant_class"].is_in(kind) for kind in (CONSENTED, DECLINED))
    consents, consented_on = batch.consents, columns["consented_on"]
    in_time = consents["certified"] & ~consents["agreed_but_open"] & (consents["state"] != STATES.index("after_cutoff"))
    rules = [columns["taking_part"], consented & withdrawals.ends, consented, declined]
    outcome = Cells(_OUTCOMES, np.select(rules, range(1, len(_OUTCOMES)), default=0))
    decided_on = np.where(np.isnat(consented_on), _first_days(_refusals(batch), slice(None), batch.size), consented_on)
    approved_on = np.datetime64((batch.counting.study.accrual and batch.counting.study.accrual.approval_date) or NEVER)
    ended = np.select([outcome.is_in(WITHDRAWN), outcome.is_in(REFUSED_LATER)], [withdrawals.day, refused_on], NEVER)
    return {
        "agreed": batch.with_consent(consents["agreed"] & in_time),
        "outcome": outcome,
        "since_approval": (decided_on >= approved_on) & ~outcome.is_in(""),
        "ended_since": ended >= approved_on,
    }


def _quality(batch: Batch, withdrawals: WithdrawalArrays, sites: "Cells | None") -> dict[str, Array]:
    flags = {code: batch.with_consent(concerned) for code, concerned in quality_of_consents(batch).items()}
    flags["rider_without_consent"] = np.zeros(batch.size, dtype=bool)
    for rider in batch.counting.study.riders:
        for ref in rider.fields:
            flags["rider_without_consent"] |= batch.with_row(agreed_without_consent(rider, ref, batch))
            flags["unknown_code"] |= batch.with_row(unknown_answers(rider, ref, batch))
    if sites is not None and batch.counting.study.sites:
        flags["unknown_code"] |= unknown_sites(sites, batch.counting.study.sites)
    for code, concerned in withdrawals.quality.items():
        flags[code] = flags.get(code, False) | concerned
    return flags


def quality_of_consents(batch: Batch) -> dict[str, Array]:
    """Flag the consents of each quality code that a single consent can have."""
    state = batch.consents["state"]
    codes = [code for code in QUALITY_CODES if code in NOT_COUNTED_REASONS]
    return {
        **{code: state == STATES.index(code) for code in codes},
        "agreed_but_open": batch.consents["agreed_but_open"],
        "dated_but_pending": (state == STATES.index(OPEN)) & ~np.isnat(batch.consents["day"]),
    }


def _exclude_records(columns: Table, batch: Batch) -> Table:
    """Give the records that are no participants their class only, and blank all their other columns."""
    study, size = batch.counting.study, batch.size
    copies = are_working_copies(batch.records) & study.redcap.double_data_entry
    if not (study.only or study.leave_out or copies.any()):
        return columns
    excluded_as, reason = np.full(size, "", dtype=object), np.full(size, "", dtype=object)
    if study.only:
        excluded_as[~batch.with_row(batch.values(study.only.field).is_in(*study.only.codes))] = OUTSIDE
    for rule in reversed(study.leave_out):  # the first rule of the file takes precedence, so it is applied last
        matching = _is_left_out(rule, batch)
        excluded_as[matching], reason[matching] = LEFT_OUT, rule.reason
    excluded_as[copies], reason[copies] = COPY, ""
    excluded = excluded_as != ""
    blanks = {"b": False, "M": NEVER}  # by numpy's kind of type
    return {
        name: column.blanked(excluded)
        if isinstance(column, Cells)
        else np.where(excluded, blanks[column.dtype.kind], column)
        for name, column in columns.items()
    } | {
        "participant_class": columns["participant_class"].replaced(excluded, Cells.of(excluded_as)),
        "reason": columns["reason"].replaced(excluded, Cells.of(reason)),
    }


def _is_left_out(rule: LeaveOut, batch: Batch) -> Array:
    if rule.field is not None:
        return batch.with_row(batch.values(rule.field).is_in(*rule.codes))
    import re2  # only for a study with such a rule

    pattern = re2.compile(rule.id_pattern or "")
    matches = map(pattern.fullmatch, batch.records.tolist())
    return np.array([match is not None for match in matches], dtype=bool)
