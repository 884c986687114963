"""Consents -> one row per participant: which class each belongs to, since when, and what the riders' answers are.

Pure and vectorised, on a batch of whole records: no participant is ever split between two batches.
"""

import re

import numpy as np
import pandas as pd

from consent.counting.columns import Array, any_of, is_one_of, texts
from consent.counting.consents import (
    CONSENTED,
    DECLINED,
    NOT_COUNTED_REASONS,
    OPEN,
    STATES,
    Batch,
    Counting,
    latest_consents,
    read_batch,
)
from consent.counting.period import RECENT_WEEKS, ReportPeriod
from consent.counting.riders import agreed_without_consent, answer_riders, unknown_answers
from consent.counting.sites import find_sites, unknown_sites
from consent.counting.withdrawals import NEVER, Agreements, Withdrawals, find_withdrawals
from consent.studies.model import LeaveOut

PENDING, NOT_COUNTED, LEFT_OUT, OUTSIDE = "pending", "not_counted", "left_out", "outside"
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
"""What a data manager should look at; each counts participants, whatever their class."""


def build_participants(rows: pd.DataFrame, counting: Counting) -> pd.DataFrame:
    """One row per participant.

    Args:
        rows: whole records; columns ``record``, ``redcap_event_name``, ``redcap_repeat_instrument``,
            ``redcap_repeat_instance`` and the study's fields, all text.

    Returns:
        Indexed by record id. Columns ``participant_class`` (consented, declined, not_counted, pending, left_out or
        outside), ``reason`` (of not_counted, pending and left_out, else empty), ``consented_on`` (day, NaT unless
        consented), ``taking_part`` (bool), ``rider:<key>`` (agreed, declined, not_answered, not_offered; empty unless
        consented) and ``quality:<code>`` (bool).

        With sites: ``site`` (code, empty for none) and ``recent`` (consented in the last four complete weeks). With
        withdrawals: ``withdrawn``, ``undated`` (bool) and ``extent`` (code; empty where it is blank). With versions:
        ``version`` of the latest agreed consent. With accrual: ``agreed`` (by the cut-off, or without a usable date),
        ``fate`` (taking_part, withdrawn or refused_later; declined; else empty), ``since_approval`` (the first
        agreement, or refusal, is dated on or after the last approval) and ``ended_since`` (what ended taking part is).
    """
    batch = read_batch(rows, counting)
    decisive = _decisive_states(batch.consents, batch.size)
    latest = latest_consents(batch.consents, batch.size)
    consented = decisive == STATES.index(CONSENTED)
    agreed = _agreements(batch, consented, latest)
    withdrawals = _withdrawals(batch, agreed)
    refusals = _later_refusals(batch, latest)
    found = {
        "participant_class": _class_names()[decisive],
        "reason": _reason_names()[decisive],
        "consented_on": agreed.first,
        "taking_part": consented & ~any_of(refusals["participant"].to_numpy(), batch.size) & ~withdrawals.ends,
    }
    for key, answers in answer_riders(batch).items():
        found[f"rider:{key}"] = np.where(consented, answers, "")
    found |= _asked_for(batch, agreed, withdrawals, latest)
    if counting.study.accrual:
        found |= _recruitment(batch, found, agreed, withdrawals, _first_days(refusals, batch.size))
    for code, flags in _quality(batch, agreed, withdrawals, found.get("site")).items():
        found[f"quality:{code}"] = flags
    return pd.DataFrame(_set_apart(found, batch), index=batch.records)


def _class_names() -> Array:
    kinds = {CONSENTED: CONSENTED, DECLINED: DECLINED, OPEN: PENDING}
    return np.array([*(kinds.get(state, NOT_COUNTED) for state in STATES), PENDING], dtype=object)


def _reason_names() -> Array:
    return np.array([*("" if s in (CONSENTED, DECLINED) else s for s in STATES), NOT_STARTED], dtype=object)


def _decisive_states(consents: pd.DataFrame, size: int) -> Array:
    """The rank of the state that decides for each participant; one past the last for those without any consent.

    It is the first in ``STATES`` that any of the consents says, except that whoever first agreed before the study
    began stays out of it, whatever came later.
    """
    decisive = np.full(size, len(STATES))
    np.minimum.at(decisive, consents["participant"].to_numpy(), consents["state"].to_numpy())
    before_start = STATES.index("before_start")
    decisive[consents.loc[consents["state"] == before_start, "participant"].to_numpy()] = before_start
    return decisive


def _agreements(batch: Batch, consented: Array, latest: Array) -> Agreements:
    consents = batch.consents
    return Agreements(
        ever=batch.with_consent(consents["agreed"].to_numpy()),
        first=np.where(
            consented, _first_days(consents[consents["state"] == STATES.index(CONSENTED)], batch.size), NEVER
        ),
        latest=_days_at(consents, latest),
    )


def _first_days(consents: pd.DataFrame, size: int) -> Array:
    """For each participant the earliest day of these consents, NaT where none has one."""
    by_day = consents.sort_values("day", ascending=False, na_position="first")
    first = np.full(size, NEVER)
    first[by_day["participant"].to_numpy()] = by_day["day"].to_numpy().astype("datetime64[D]")
    return first


def _days_at(consents: pd.DataFrame, positions: Array) -> Array:
    """The days of the consents at these positions, NaT for -1."""
    days = np.append(consents["day"].to_numpy().astype("datetime64[D]"), NEVER)
    return days[positions]


def _withdrawals(batch: Batch, agreed: Agreements) -> Withdrawals:
    rules = batch.counting.study.withdrawal
    if rules:
        return find_withdrawals(batch, agreed, rules)
    nobody = np.zeros(batch.size, dtype=bool)
    never, unsaid = np.full(batch.size, NEVER), np.full(batch.size, "")
    return Withdrawals(now=nobody, day=never, ends=nobody, extent=unsaid, undated=nobody, quality={})


def _refusals(batch: Batch) -> pd.DataFrame:
    """The refusals up to the cut-off; a day that was still to come at the export is none (NaT)."""
    refusals = batch.consents[batch.consents["state"] == STATES.index(DECLINED)]
    days = refusals["day"].mask(refusals["day"] > np.datetime64(batch.counting.period.exported_on))
    return refusals.assign(day=days)[~(days > np.datetime64(batch.counting.period.cutoff))]


def _later_refusals(batch: Batch, latest: Array) -> pd.DataFrame:
    """The refusals after each participant's latest agreement; an undated one is placed by event, form and instance."""
    refusals = _refusals(batch)
    who, day = refusals["participant"].to_numpy(), refusals["day"].to_numpy().astype("datetime64[D]")
    since = _days_at(batch.consents, latest[who])
    placed_after = refusals.index.to_numpy() > latest[who]
    later = np.where(np.isnat(day), placed_after, (day > since) | ((day == since) & placed_after))
    found: pd.DataFrame = refusals[later & (latest[who] >= 0)]
    return found


def _asked_for(batch: Batch, agreed: Agreements, withdrawals: Withdrawals, latest: Array) -> dict[str, Array]:
    """The columns of sites, versions and withdrawals, where the study file asks for them."""
    study, consented = batch.counting.study, ~np.isnat(agreed.first)
    columns: dict[str, Array] = {}
    if study.sites:
        columns["site"] = find_sites(batch, latest, study.sites)
        columns["recent"] = _is_recent(agreed.first, batch.counting.period)
    if study.version:
        versions = np.append(batch.consents["version"].to_numpy(dtype=object), "")
        columns["version"] = np.where(consented, versions[latest], "")
    if study.withdrawal:
        columns["withdrawn"] = consented & withdrawals.now
        columns["extent"] = np.where(columns["withdrawn"], withdrawals.extent, "")
        columns["undated"] = consented & withdrawals.undated
    return columns


def _recruitment(
    batch: Batch, found: dict[str, Array], agreed: Agreements, withdrawals: Withdrawals, refused: Array
) -> dict[str, Array]:
    """The columns of recruitment and renewal.

    Args:
        refused: the day of each participant's first refusal after the latest agreement, NaT where none has one.
    """
    consented, consents = found["participant_class"] == CONSENTED, batch.consents
    in_time = consents["certified"] & ~consents["agreed_but_open"] & (consents["state"] != STATES.index("after_cutoff"))
    kinds = [found["taking_part"], consented & withdrawals.ends, consented, found["participant_class"] == DECLINED]
    fate = np.select(kinds, [TAKING_PART, WITHDRAWN, REFUSED_LATER, DECLINED], default="")
    approved_on = np.datetime64((batch.counting.study.accrual and batch.counting.study.accrual.approval_date) or NEVER)
    ended = np.select([fate == WITHDRAWN, fate == REFUSED_LATER], [withdrawals.day, refused], default=NEVER)
    return {
        "agreed": batch.with_consent((consents["agreed"] & in_time).to_numpy()),
        "fate": fate,
        "since_approval": (_decided_on(batch, agreed) >= approved_on) & (fate != ""),
        "ended_since": ended >= approved_on,
    }


def _is_recent(days: Array, period: ReportPeriod) -> Array:
    """Whether each day is in the last four complete weeks."""
    complete = [week for week in period.weeks if week.complete][-RECENT_WEEKS:]
    if not complete:
        return np.zeros(len(days), dtype=bool)
    recent: Array = (days >= np.datetime64(complete[0].first_day)) & (days <= np.datetime64(complete[-1].last_day))
    return recent


def _decided_on(batch: Batch, agreed: Agreements) -> Array:
    """The day of the first agreement or, where there is none, of the first refusal."""
    return np.where(np.isnat(agreed.first), _first_days(_refusals(batch), batch.size), agreed.first)


def _quality(batch: Batch, agreed: Agreements, withdrawals: Withdrawals, sites: Array | None) -> dict[str, Array]:
    """For each quality code, which participants it concerns."""
    consents, state = batch.consents, batch.consents["state"].to_numpy()
    codes = [code for code in QUALITY_CODES if code in NOT_COUNTED_REASONS]
    flags = {code: batch.with_consent(state == STATES.index(code)) for code in codes}
    flags["agreed_but_open"] = batch.with_consent(consents["agreed_but_open"].to_numpy())
    dated = (state == STATES.index(OPEN)) & consents["day"].notna().to_numpy()
    flags["dated_but_pending"] = batch.with_consent(dated)
    flags["rider_without_consent"] = np.zeros(batch.size, dtype=bool)
    for rider in batch.counting.study.riders:
        flags["rider_without_consent"] |= batch.with_row(agreed_without_consent(rider, batch))
        flags["unknown_code"] |= batch.with_row(unknown_answers(rider, batch))
    if sites is not None and batch.counting.study.sites:
        flags["unknown_code"] |= unknown_sites(sites, batch.counting.study.sites)
    for code, concerned in withdrawals.quality.items():
        flags[code] = flags.get(code, False) | concerned
    return flags


def _set_apart(found: dict[str, Array], batch: Batch) -> dict[str, Array]:
    """Records to be left out, and those outside the study, are counted apart and as nothing else."""
    study, size = batch.counting.study, batch.size
    kind, reason = np.full(size, "", dtype=object), np.full(size, "", dtype=object)
    if study.only:
        inside = is_one_of(texts(batch.rows, study.only.field, batch.counting.coding), study.only.codes)
        kind[~batch.with_row(inside)] = OUTSIDE
    for rule in reversed(study.leave_out):  # the first rule of the file wins, so it is applied last
        matching = _matches(rule, batch)
        kind[matching], reason[matching] = LEFT_OUT, rule.reason
    apart = kind != ""
    if not apart.any():
        return found
    days = np.where(apart, NEVER, found["consented_on"])
    kept = {
        name: np.where(apart, False if values.dtype.kind == "b" else "", values)
        for name, values in found.items()
        if name != "consented_on"
    }
    kinds, reasons = np.where(apart, kind, kept["participant_class"]), np.where(apart, reason, kept["reason"])
    return kept | {"participant_class": kinds, "reason": reasons, "consented_on": days}


def _matches(rule: LeaveOut, batch: Batch) -> Array:
    if rule.field is not None:
        return batch.with_row(is_one_of(texts(batch.rows, rule.field, batch.counting.coding), rule.codes))
    pattern = re.compile(rule.id_pattern or "")
    return np.array([pattern.fullmatch(record) is not None for record in batch.records], dtype=bool)
