"""Reasons and quality codes in readers' words, and numbers that plain digits would tell wrongly.

The codes themselves stay what machines read; the reasons of runs are in ``run_words.py``.
"""

import unicodedata

NO_NUMBER = "–"
"""Stands where there is no number to be had, such as a share of nobody."""

NO_CODE_FOR_A_NO = f"Declined {NO_NUMBER}: not recorded, this study has no code for a no."

REASONS = {
    "unknown_code": "a code that the study file does not know",
    "no_date": "agreed, without a date",
    "unreadable_date": "agreed, with a date that cannot be read",
    "before_start": "agreed before the study's first day",
    "future_date": "agreed on a day still to come",
    "after_cutoff": "agreed after the cut-off",
    "agreed_but_open": "agreed, yet the date says it is not completed",
    "dated_but_pending": "a date, but the consent is still pending",
    "rider_without_consent": "agreed to an optional consent, but to no form that has it",
    "withdrawal_without_consent": "a withdrawal, but never an agreement",
    "withdrawal_before_consent": "a withdrawal dated before the agreement",
    "withdrawal_undated": "a withdrawal without a usable date",
}
"""Why a participant is not counted, or what a data manager should look at."""


def without_controls(text: str) -> str:
    """The text with a mark in place of each control character but line breaks: no font has one, and no workbook."""
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c != "\n" else c for c in text)


def share_words(share: float) -> str:
    """A share (0 to 1) in whole percent; nearly nobody is not ``0%``, and nearly everybody not ``100%``."""
    if 0 < share <= 0.005:
        return "<1%"
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"
