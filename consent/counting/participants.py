"""Derive each participant's class from the consents, and collect what the report counts of each participant.

Works on a batch of whole records: no participant is split between two batches.
"""

from typing import Any

import numpy as np
import pandas as pd

from consent.counting.columns import Array, Cells, blanked, flags_for, is_one_of
from consent.counting.consents import (
    CONSENTED,
    DECLINED,
    NOT_COUNTED_REASONS,
    OPEN,
    STATES,
    Batch,
    Counting,
    latest_consents,
)
from consent.counting.period import RECENT_WEEKS, ReportPeriod
from consent.counting.riders import agreed_without_consent, answer_riders, unknown_answers
from consent.counting.sites import find_sites, unknown_sites
from consent.counting.withdrawals import NEVER, NO_WITHDRAWALS, WithdrawalArrays, find_withdrawals
from consent.redcap.arrivals import are_working_copies
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
_CLASS_OF_STATE = pd.Categorical([*(_CLASSES.get(state, NOT_COUNTED) for state in STATES), PENDING])
_REASON_OF_STATE = pd.Categorical([*("" if s in (CONSENTED, DECLINED) else s for s in STATES), NOT_STARTED])


def build_participants(rows: pd.DataFrame, counting: Counting) -> pd.DataFrame:
    """Build one row per participant.

    Args:
        rows: whole records; columns ``record``, ``redcap_event_name``, ``redcap_repeat_instrument``,
            ``redcap_repeat_instance`` and the study's fields, as text or categories of text.

    Returns:
        Indexed by record id. Columns ``participant_class`` (consented, declined, not_counted, pending or, for no
        participant, one of EXCLUDED), ``reason`` (of not_counted, pending and left_out, else empty), ``consented_on``
        (day, NaT unless consented), ``taking_part`` (bool), ``rider:<key>`` (agreed, declined, not_answered,
        not_offered; empty unless consented) and ``quality:<code>`` (bool).

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
    agreements = batch.consents["state"].to_numpy() == STATES.index(CONSENTED)
    consented_on = np.where(consented, _first_days(batch.consents, agreements, batch.size), NEVER)
    rules = counting.study.withdrawal or NO_WITHDRAWALS
    withdrawals = find_withdrawals(batch, consented_on, _days_at(batch.consents, latest), rules)
    refusals = _later_refusals(batch, latest)
    columns: dict[str, Any] = {
        "participant_class": _CLASS_OF_STATE[decisive],
        "reason": _REASON_OF_STATE[decisive],
        "consented_on": consented_on,
        "taking_part": consented & ~flags_for(refusals["participant"].to_numpy(), batch.size) & ~withdrawals.ends,
    }
    for key, answers in answer_riders(batch).items():
        columns[f"rider:{key}"] = blanked(answers, ~consented)
    columns |= _optional_columns(batch, consented_on, withdrawals, latest)
    if counting.study.accrual:
        columns |= _accrual_columns(batch, columns, withdrawals, _first_days(refusals, slice(None), batch.size))
    for code, flags in _quality(batch, withdrawals, columns.get("site")).items():
        columns[f"quality:{code}"] = flags
    return pd.DataFrame(_exclude_records(columns, batch), index=batch.records)


def _decisive_states(consents: pd.DataFrame, size: int) -> Array:
    """Return the rank of the state that decides each participant's class; one past the last without any consent.

    It is the first of ``STATES`` among the consents. A consent before the study's start excludes the participant
    permanently, even after a later consent.
    """
    decisive = np.full(size, len(STATES))
    np.minimum.at(decisive, consents["participant"].to_numpy(), consents["state"].to_numpy())
    before_start = STATES.index("before_start")
    decisive[consents.loc[consents["state"] == before_start, "participant"].to_numpy()] = before_start
    return decisive


def _first_days(consents: pd.DataFrame, chosen: Array | slice, size: int) -> Array:
    """Return each participant's earliest day among the chosen consents, NaT for none."""
    who, days = consents["participant"].to_numpy()[chosen], consents["day"].to_numpy()[chosen].astype("datetime64[D]")
    if (np.diff(who) <= 0).any():
        latest_first = np.argsort(days)[::-1]  # undated first of all
        who, days = who[latest_first], days[latest_first]
    first = np.full(size, NEVER)
    first[who] = days
    return first


def _days_at(consents: pd.DataFrame, positions: Array) -> Array:
    """Return the days of the consents at these positions, NaT for -1."""
    days = np.append(consents["day"].to_numpy().astype("datetime64[D]"), NEVER)
    return days[positions]


def _refusals(batch: Batch) -> pd.DataFrame:
    """Return the refusals up to the cut-off; a day after the export counts as no date (NaT)."""
    refusals = batch.consents[batch.consents["state"] == STATES.index(DECLINED)]
    days = refusals["day"].mask(refusals["day"] > np.datetime64(batch.counting.period.exported_on))
    return refusals.assign(day=days)[~(days > np.datetime64(batch.counting.period.cutoff))]


def _later_refusals(batch: Batch, latest: Array) -> pd.DataFrame:
    """Return the refusals after each participant's latest agreement; event, form and instance place an undated one."""
    refusals = _refusals(batch)
    who, day = refusals["participant"].to_numpy(), refusals["day"].to_numpy().astype("datetime64[D]")
    since = _days_at(batch.consents, latest[who])
    placed_after = refusals.index.to_numpy() > latest[who]
    is_later = np.where(np.isnat(day), placed_after, (day > since) | ((day == since) & placed_after))
    later: pd.DataFrame = refusals[is_later & (latest[who] >= 0)]
    return later


def _optional_columns(
    batch: Batch, consented_on: Array, withdrawals: WithdrawalArrays, latest: Array
) -> dict[str, Any]:
    """Return the columns of sites, versions and withdrawals, if the study has them."""
    study, consented = batch.counting.study, ~np.isnat(consented_on)
    columns: dict[str, Any] = {}
    if study.sites:
        columns["site"] = find_sites(batch, latest, study.sites)
        columns["recent"] = _is_recent(consented_on, batch.counting.period)
    if study.version:
        versions = np.append(batch.consents["version"].to_numpy(dtype=object), "")
        columns["version"] = pd.Categorical(np.where(consented, versions[latest], ""))
    columns["contradicts"] = _contradicts(batch)
    for n, form in enumerate(study.consents):
        if form.where or form.events:
            columns[f"form:{n}"] = batch.with_consent((batch.consents["form"] == n).to_numpy())
    if study.withdrawal:
        columns["withdrawn"] = consented & withdrawals.now
        columns["extent"] = blanked(withdrawals.extent, ~columns["withdrawn"])
        columns["undated"] = consented & withdrawals.undated
    return columns


def _contradicts(batch: Batch) -> Array:
    """Flag the participants who agreed and declined on one day, on rows of one form."""
    state = batch.consents["state"].to_numpy()
    decided = (state == STATES.index(CONSENTED)) | (state == STATES.index(DECLINED))
    both = batch.with_consent(state == STATES.index(CONSENTED)) & batch.with_consent(state == STATES.index(DECLINED))
    if not both.any():
        return both
    rows = batch.consents[decided & both[batch.consents["participant"].to_numpy()]]
    kinds = rows.groupby(["participant", "form", "day"])["state"].nunique()
    return flags_for(kinds[kinds > 1].index.get_level_values("participant").to_numpy(), batch.size)


def _is_recent(days: Array, period: ReportPeriod) -> Array:
    complete = [week for week in period.weeks if week.complete][-RECENT_WEEKS:]
    if not complete:
        return np.zeros(len(days), dtype=bool)
    recent: Array = (days >= np.datetime64(complete[0].first_day)) & (days <= np.datetime64(complete[-1].last_day))
    return recent


def _accrual_columns(
    batch: Batch, columns: dict[str, Any], withdrawals: WithdrawalArrays, refused_on: Array
) -> dict[str, Array]:
    """Return the columns of accrual and renewal.

    refused_on: the day of each participant's first refusal after the latest agreement, NaT for none.
    """
    consented, declined = columns["participant_class"] == CONSENTED, columns["participant_class"] == DECLINED
    consents, consented_on = batch.consents, columns["consented_on"]
    in_time = consents["certified"] & ~consents["agreed_but_open"] & (consents["state"] != STATES.index("after_cutoff"))
    rules = [columns["taking_part"], consented & withdrawals.ends, consented, declined]
    outcome = np.select(rules, [TAKING_PART, WITHDRAWN, REFUSED_LATER, DECLINED], default="")
    decided_on = np.where(np.isnat(consented_on), _first_days(_refusals(batch), slice(None), batch.size), consented_on)
    approved_on = np.datetime64((batch.counting.study.accrual and batch.counting.study.accrual.approval_date) or NEVER)
    ended = np.select([outcome == WITHDRAWN, outcome == REFUSED_LATER], [withdrawals.day, refused_on], default=NEVER)
    return {
        "agreed": batch.with_consent((consents["agreed"] & in_time).to_numpy()),
        "outcome": outcome,
        "since_approval": (decided_on >= approved_on) & (outcome != ""),
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
    state = batch.consents["state"].to_numpy()
    codes = [code for code in QUALITY_CODES if code in NOT_COUNTED_REASONS]
    return {
        **{code: state == STATES.index(code) for code in codes},
        "agreed_but_open": batch.consents["agreed_but_open"].to_numpy(),
        "dated_but_pending": (state == STATES.index(OPEN)) & batch.consents["day"].notna().to_numpy(),
    }


def _exclude_records(columns: dict[str, Any], batch: Batch) -> dict[str, Any]:
    """Give the records that are no participants their class only, and blank all their other columns."""
    study, size = batch.counting.study, batch.size
    copies = are_working_copies(batch.records.tolist()) & study.redcap.double_data_entry
    if not (study.only or study.leave_out or copies.any()):
        return columns
    excluded_as, reason = np.full(size, "", dtype=object), np.full(size, "", dtype=object)
    if study.only:
        excluded_as[~batch.with_row(is_one_of(batch.values(study.only.field), study.only.codes))] = OUTSIDE
    for rule in reversed(study.leave_out):  # the first rule of the file takes precedence, so it is applied last
        matching = _is_left_out(rule, batch)
        excluded_as[matching], reason[matching] = LEFT_OUT, rule.reason
    excluded_as[copies], reason[copies] = COPY, ""
    excluded = excluded_as != ""
    blanks = {"b": False, "M": NEVER}  # by numpy's kind of type; text is blank
    return {
        name: blanked(cells, excluded)
        if isinstance(cells, pd.Categorical)
        else np.where(excluded, blanks.get(cells.dtype.kind, ""), cells)
        for name, cells in columns.items()
    } | {
        "participant_class": pd.Categorical(np.where(excluded, excluded_as, columns["participant_class"])),
        "reason": pd.Categorical(np.where(excluded, reason, columns["reason"])),
    }


def _is_left_out(rule: LeaveOut, batch: Batch) -> Array:
    if rule.field is not None:
        return batch.with_row(is_one_of(batch.values(rule.field), rule.codes))
    import re2  # only for a study with such a rule

    pattern = re2.compile(rule.id_pattern or "")
    matches = (pattern.fullmatch(record.encode(errors="replace")) for record in batch.records)
    return np.array([match is not None for match in matches], dtype=bool)
