"""A comparison as plain JSON values, for scripts: every number with what changed it, also those that did not change.

Pure. Days are ``YYYY-MM-DD``; a week is named by its first day.
"""

from typing import Any

from consent.setup.compare.comparison import ComparedNumber, Comparison, Effect, effects
from consent.setup.compare.explanation import Reason
from consent.setup.compare.old_pipeline import NOWHERE
from consent.setup.compare.words import RULES


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """All of it: for each number ``old_report + data_changed + the rules' n = now``."""
    rules = effects(comparison)
    return {
        "study": comparison.study.key,
        "cutoff": comparison.period.cutoff.isoformat(),
        "counted_on": comparison.period.exported_on.isoformat(),
        "same": all(number.reported == number.now for number in comparison.everything),
        "same_data": not any(number.data_changed for number in comparison.everything),
        "unreadable_dates": comparison.unreadable,
        "totals": [_number(number, comparison) for number in comparison.totals],
        "rules": {code: _rule(code, *rules[code]) for code in RULES if code in rules},
        "weeks": [_number(number, comparison) for number in comparison.numbers],
    }


def _rule(code: str, consents: Effect, riders: Effect) -> dict[str, Any]:
    return {
        "meaning": RULES[code],
        "consents": {"more": consents.more, "fewer": consents.fewer},
        "riders": {"more": riders.more, "fewer": riders.fewer},
    }


def _number(number: ComparedNumber, comparison: Comparison) -> dict[str, Any]:
    return {
        "week": None if number.week is None else _first_day(number.week, comparison),
        "column": number.column,
        "old_report": number.reported,
        "data_changed": number.data_changed,
        "old_rule": number.old,
        "rules": [_reason(reason, n, comparison) for reason, n in sorted(number.reasons.items())],
        "now": number.now,
    }


def _reason(reason: Reason, n: int, comparison: Comparison) -> dict[str, Any]:
    other = {} if reason.other_week == NOWHERE else {"other_week": _first_day(reason.other_week, comparison)}
    return {"rule": reason.code, "n": n, **other}


def _first_day(week: int, comparison: Comparison) -> str:
    return comparison.weeks[week].first_day.isoformat()
