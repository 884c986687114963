"""Codes, values and names in readers' words. Machines read the codes themselves."""

import unicodedata
from collections.abc import Sequence
from datetime import date

from consent.dates import short_day
from consent.reports.headline import signed
from consent.reports.model import Cell, Change, Share
from consent.studies.model import FieldRef, RowFilter

NO_NUMBER = "–"
"""Shown where there is no number, such as a share of nobody."""

REFUSALS_NOT_RECORDED = f'"{NO_NUMBER}": this study does not record refusals.'

RECORDS_TO_REVIEW = "Records to review"

UNUSABLE_DATE = "(missing, unreadable or after the day of the export)"

REASONS = {
    "unknown_code": "Unrecognised answer code",
    "no_date": "Agreed, but the date is missing",
    "unreadable_date": "Agreed, but the date is unreadable",
    "before_start": "Agreed before the study's first day",
    "future_date": "Consent date is in the future",
    "after_cutoff": "Agreed after the cut-off",
    "agreed_but_open": "Agreed, but the date says not completed",
    "dated_but_pending": "Dated, but the consent is still pending",
    "rider_without_consent": "Agreed to an optional consent, but to no form that offers it",
    "withdrawal_without_consent": "Withdrawn, but never agreed",
    "withdrawal_before_consent": "Withdrawal is dated before the consent",
    "withdrawal_undated": "Withdrawal has no usable date",
}
"""Why a participant is not counted, or what a data manager should review."""


def field_name(ref: FieldRef) -> str:
    """``field consent_obtained``, or one option of a checkbox."""
    return f"field {ref}" if ref.code is None else f"option {ref.code} of checkbox {ref.field} (1 ticked, 0 not)"


def rows_where(filters: Sequence[RowFilter]) -> str:
    """``field which_consent has code 1``, for a rule that counts some rows only."""
    return " and ".join(f"{field_name(each.field)} has {code_names(each.codes)}" for each in filters)


def code_names(values: Sequence[str]) -> str:
    """``code 1``, ``code 1 or 2``."""
    return f"code {either(values)}"


def either(values: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    return " or ".join(filter(None, (", ".join(values[:-1]), values[-1])))


def without_controls(text: str) -> str:
    """Replace control characters except line breaks: no font and no workbook holds them."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text)


def share_words(share: float) -> str:
    """Return a share (0 to 1) in whole percent; ``<1%`` and ``>99%`` keep a few apart from nobody and everybody."""
    if 0 < share <= 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def cell_text(cell: Cell) -> str:
    """Return a value of a table as readers see it."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case Share():
            return share_words(cell)
        case Change():
            return signed(cell)
        case date():
            return short_day(cell)
        case float():
            return f"{cell:,.1f}"
    return f"{cell:,}"
