"""Why a number of the old report is another one now, in words: the verdict on the whole, and each rule by its code.

Pure. Finds no reason; ``explanation.py`` does.
"""

from collections.abc import Iterator, Sequence

from consent.day_words import span
from consent.headline import signed
from consent.reports.words import REASONS
from consent.setup.compare.columns import (
    LATER_ANSWER,
    NO_CONSENT,
    NOT_OFFERED,
    OTHER_CODE,
    OTHER_DATE,
    OTHER_FORM,
    UNDATED_ROW,
)
from consent.setup.compare.comparison import ComparedNumber, Comparison, Effect
from consent.setup.compare.explanation import ANOTHER_ROW, OTHER_WEEK, Reason
from consent.setup.compare.old_pipeline import NOWHERE

DATA_CHANGED = "data_changed"

RULES = {
    ANOTHER_ROW: "another row of somebody who is counted: participants are counted, not rows",
    OTHER_WEEK: "counted in the week of the participant's first consent, by the study's clocks, not in that of the "
    "row's own date",
    "declined": "declined; riders count only for those who consented",
    "open": "not agreed (no decision, pending, or never certified); riders count only for those who consented",
    NO_CONSENT: "a row that holds no consent, as it is of another event",
    **{code: REASONS[code] for code in ("unknown_code", "no_date")},
    "unreadable_date": "agreed, with a date that is not written as REDCap writes one (2026-11-16)",
    "before_start": "first agreed before the study's first day",
    **{code: REASONS[code] for code in ("future_date", "after_cutoff")},
    "left_out": "left out by the study file (leave_out)",
    "outside": "outside the study, as the study file limits it (only)",
    LATER_ANSWER: "a later consent answers the rider otherwise, or leaves it open",
    NOT_OFFERED: "a form, or form version, that does not have the rider",
    UNDATED_ROW: "the rider's answer stands on a row without a consent date, where the old pipeline did not look",
    OTHER_FORM: "agreed on a consent form that the old pipeline did not read",
    OTHER_CODE: "the study file's codes: the old pipeline knew no code but 1",
    OTHER_DATE: "a date that the old pipeline read otherwise, or not at all",
}
"""What each rule says of those it counts or does not count, in the order in which they are shown."""


def verdict(comparison: Comparison) -> Iterator[str]:
    """What came of it, a sentence each: how many numbers differ, and whether the export is the old report's."""
    everything = comparison.everything
    differing = sum(number.reported != number.now for number in everything)
    changed = sum(number.data_changed != 0 for number in everything)
    if not differing:
        yield f"All {len(everything):,} numbers in the old report are the same today."
    else:
        yield f"{differing:,} of the {len(everything):,} numbers in the old report {_differ(differing)} today."
    if not changed:
        yield "Counted by the old rule, this export gives the old report to the last number."
        if differing:
            yield "The rules below explain every difference."
    else:
        yield (
            f"Counted by the old rule, this export gives {changed:,} other number{'s' if changed > 1 else ''} than the "
            "old report: the data changed since it was made, or the export is another one. By how much stands under "
            f"'Data' ({DATA_CHANGED}); no rule is behind it. The rules below explain all the rest."
        )
    if comparison.unreadable:
        yield _stopped(comparison)


def _differ(numbers: int) -> str:
    return "differs" if numbers == 1 else "differ"


def _stopped(comparison: Comparison) -> str:
    n, field = comparison.unreadable, comparison.study.consents[0].date
    dates = "a date" if n == 1 else f"{n:,} dates"
    return (
        f"The old pipeline would have stopped at this export: it could not read {dates} in field {field} (filter that "
        f"column for what is no date). The comparison goes on as if {'it were' if n == 1 else 'they were'} blank."
    )


def effect_words(effect: Effect) -> str:
    """``+2``, ``−3``, or both where a rule moves people from one week to another; "" for nothing."""
    return " ".join(signed(n) for n in (effect.more, effect.fewer) if n)


def reasons_of(number: ComparedNumber, comparison: Comparison) -> list[str]:
    """What stands behind one number, each as ``−2 another_row`` or ``+1 other_week (from 11–17 Sep 2023)``.

    The weeks that people come from, or go to, are named where it is one.
    """
    lines = [f"{signed(number.data_changed)} {DATA_CHANGED}"] if number.data_changed else []
    for code in RULES:
        own = [(reason, n) for reason, n in number.reasons.items() if reason.code == code]
        for part in ([item for item in own if item[1] > 0], [item for item in own if item[1] < 0]):
            if part:
                lines.append(f"{signed(sum(n for _, n in part))} {code}{_other_week(part, comparison)}")
    return lines


def _other_week(part: Sequence[tuple[Reason, int]], comparison: Comparison) -> str:
    (reason, n), *more = part
    if more or reason.other_week == NOWHERE:
        return ""
    week = comparison.weeks[reason.other_week]
    return f" ({'from' if n > 0 else 'to'} {span(week.first_day, week.last_day)})"
