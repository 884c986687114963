"""Consents -> one row per participant: which class each belongs to, since when, and what the riders' answers are.

Pure and vectorised, on a batch of whole records: no participant is ever split between two batches.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consent.consents import (
    CONSENTED,
    DECLINED,
    NOT_COUNTED_REASONS,
    OPEN,
    STATES,
    Counting,
    event_ranks,
    holds_consent,
    instances,
    is_one_of,
    read_consents,
    texts,
)
from consent.study import LeaveOut, Rider

Array = npt.NDArray[Any]

PENDING, NOT_COUNTED, LEFT_OUT, OUTSIDE = "pending", "not_counted", "left_out", "outside"
NOT_STARTED = "not_started"
AGREED, NOT_ANSWERED, NOT_OFFERED = "agreed", "not_answered", "not_offered"
QUALITY_CODES = (
    *(reason for reason in NOT_COUNTED_REASONS if reason != "after_cutoff"),
    "agreed_but_open",
    "dated_but_pending",
    "rider_without_consent",
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
    """
    numbers, records = pd.factorize(rows["record"])
    consents = read_consents(rows, numbers, counting)
    decisive = _decisive_states(consents, len(records))
    consented = decisive == STATES.index(CONSENTED)
    latest = _latest_consent(consents, len(records))
    found = {
        "participant_class": _class_names()[decisive],
        "reason": _reason_names()[decisive],
        "consented_on": np.where(consented, _first_day(consents, len(records)), np.datetime64("NaT", "D")),
        "taking_part": consented & ~_refused_later(consents, latest, counting),
    }
    offers = counting.coding.offered_by
    latest_of = {
        forms: _latest_consent(consents[consents["form"].isin(forms)], len(records)) for forms in set(offers.values())
    }
    for rider in counting.study.riders:
        answers = _answers(rider, rows, numbers, consents, latest_of[offers[rider.key]], counting)
        found[f"rider:{rider.key}"] = np.where(consented, answers, "")
    for code, flags in _quality(rows, numbers, consents, len(records), counting).items():
        found[f"quality:{code}"] = flags
    participants = pd.DataFrame(found, index=pd.Index(records, name="record"))
    return _set_apart(participants, rows, numbers, counting)


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


def _first_day(consents: pd.DataFrame, size: int) -> Array:
    valid = consents[consents["state"] == STATES.index(CONSENTED)]
    first = np.full(size, np.datetime64("9999-12-31"))
    np.minimum.at(first, valid["participant"].to_numpy(), valid["day"].to_numpy().astype("datetime64[D]"))
    return first


def _latest_consent(consents: pd.DataFrame, size: int) -> Array:
    """For each participant the position of the latest agreed consent among ``consents``, -1 where there is none."""
    valid = consents[consents["state"] == STATES.index(CONSENTED)]
    by_day = valid.sort_values("day", kind="stable")  # the stable sort keeps event, form, instance within a day
    latest = np.full(size, -1)
    latest[by_day["participant"].to_numpy()] = by_day.index.to_numpy()
    return latest


def _refused_later(consents: pd.DataFrame, latest: Array, counting: Counting) -> Array:
    """Whether a participant refused after the latest agreement; an undated refusal is placed by event and form."""
    refusals = consents[consents["state"] == STATES.index(DECLINED)]
    who, day = refusals["participant"].to_numpy(), refusals["day"].to_numpy()
    since = consents["day"].to_numpy()[latest[who]] if len(consents) else day
    placed_after = refusals.index.to_numpy() > latest[who]
    later = np.where(np.isnat(day), placed_after, (day > since) | ((day == since) & placed_after))
    later &= ~(day > np.datetime64(counting.period.cutoff))
    return _any_of(who[later & (latest[who] >= 0)], len(latest))


def _answers(
    rider: Rider, rows: pd.DataFrame, numbers: Array, consents: pd.DataFrame, latest: Array, counting: Counting
) -> Array:
    """Each participant's answer to a rider, from the latest agreed consent whose form offers it (-1: there is none)."""
    offered = latest >= 0
    values = texts(rows, rider.field, counting.coding)
    if rider.field.is_checkbox:
        values = np.where(values == "0", "", values)  # an untouched form exports 0 in every box
    answers = np.full(len(latest), "", dtype=object)
    answers[offered] = values[consents["row"].to_numpy()[latest[offered]]]
    if rider.key in counting.coding.kept_apart and (answers[offered] == "").any():
        elsewhere = _answers_elsewhere(values, rows, numbers, len(latest), counting)
        answers = np.where(answers == "", elsewhere, answers)
    if rider.field.is_checkbox:
        answers = np.where(answers == "", "0", answers)
    known = [is_one_of(answers, rider.agreed), is_one_of(answers, rider.declined)]
    return np.where(offered, np.select(known, [AGREED, DECLINED], default=NOT_ANSWERED), NOT_OFFERED)


def _answers_elsewhere(values: Array, rows: pd.DataFrame, numbers: Array, size: int, counting: Counting) -> Array:
    """The last answer on rows that hold no consent: for riders kept on a form or in an event of their own."""
    free = values != ""
    for form in counting.study.consents:
        free &= ~holds_consent(form, rows, counting)
    at = np.flatnonzero(free)
    at = at[
        np.lexsort(
            (pd.factorize(values[at], sort=True)[0], instances(rows)[at], event_ranks(rows, counting.coding)[at])
        )
    ]
    found = np.full(size, "", dtype=object)
    found[numbers[at]] = values[at]
    return found


def _quality(
    rows: pd.DataFrame, numbers: Array, consents: pd.DataFrame, size: int, counting: Counting
) -> dict[str, Array]:
    """For each quality code, which participants it concerns."""
    who, state = consents["participant"].to_numpy(), consents["state"].to_numpy()
    flags = {
        code: _any_of(who[state == STATES.index(code)], size) for code in QUALITY_CODES if code in NOT_COUNTED_REASONS
    }
    flags["agreed_but_open"] = _any_of(who[consents["agreed_but_open"].to_numpy()], size)
    dated = (state == STATES.index(OPEN)) & consents["day"].notna().to_numpy()
    flags["dated_but_pending"] = _any_of(who[dated], size)
    unknown, rider_agreed = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for rider in counting.study.riders:
        values = texts(rows, rider.field, counting.coding)
        understood = {"", "0", *rider.agreed, *rider.declined, *counting.coding.missing_codes}
        unknown |= ~is_one_of(values, frozenset(understood))
        rider_agreed |= is_one_of(values, rider.agreed)
    flags["unknown_code"] = flags["unknown_code"] | _any_of(numbers[unknown], size)
    ever_agreed = _any_of(who[consents["agreed"].to_numpy()], size)
    flags["rider_without_consent"] = _any_of(numbers[rider_agreed], size) & ~ever_agreed
    return flags


def _set_apart(participants: pd.DataFrame, rows: pd.DataFrame, numbers: Array, counting: Counting) -> pd.DataFrame:
    """Records to be left out, and those outside the study, are counted apart and as nothing else."""
    study, size = counting.study, len(participants)
    kind, reason = np.full(size, "", dtype=object), np.full(size, "", dtype=object)
    if study.only:
        inside = is_one_of(texts(rows, study.only.field, counting.coding), study.only.codes)
        kind[~_any_of(numbers[inside], size)] = OUTSIDE
    for rule in reversed(study.leave_out):  # the first rule of the file wins, so it is applied last
        matching = _matches(rule, participants, rows, numbers, counting)
        kind[matching], reason[matching] = LEFT_OUT, rule.reason
    apart = kind != ""
    if not apart.any():
        return participants
    participants.loc[apart, "participant_class"] = kind[apart]
    participants.loc[apart, "reason"] = reason[apart]
    participants.loc[apart, "consented_on"] = np.datetime64("NaT", "D")
    for column in participants.columns:
        if column.startswith("rider:"):
            participants.loc[apart, column] = ""
        elif column == "taking_part" or column.startswith("quality:"):
            participants.loc[apart, column] = False
    return participants


def _matches(
    rule: LeaveOut, participants: pd.DataFrame, rows: pd.DataFrame, numbers: Array, counting: Counting
) -> Array:
    if rule.field is not None:
        return _any_of(numbers[is_one_of(texts(rows, rule.field, counting.coding), rule.codes)], len(participants))
    pattern = re.compile(rule.id_pattern or "")
    return np.array([pattern.fullmatch(record) is not None for record in participants.index], dtype=bool)


def _any_of(numbers: Array, size: int) -> Array:
    flags = np.zeros(size, dtype=bool)
    flags[numbers] = True
    return flags
