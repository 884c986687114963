"""Conditions in REDCap's logic language, as data quality rules and branching logic have it.

Pure, and knows nothing of consent. Uses comparisons, ``and``, ``or``, brackets, and of REDCap's functions ``datediff``,
``length``, ``left``, ``mid`` and ``isinteger`` alone.
"""

from collections.abc import Iterable


class CannotSayError(Exception):
    """REDCap's logic has no words for this; the message says why."""


def both(*conditions: str) -> str:
    """All of the conditions."""
    return _joined(" and ", conditions)


def either(*conditions: str) -> str:
    """At least one of the conditions."""
    return _joined(" or ", conditions)


def is_one_of(cell: str, codes: Iterable[str]) -> str:
    """The cell holds one of the codes; blank is the code ``""``."""
    return either(*(f"{cell} = {quoted(code)}" for code in codes))


def is_none_of(cell: str, codes: Iterable[str]) -> str:
    """The cell holds none of the codes."""
    return both(*(f"{cell} <> {quoted(code)}" for code in codes))


def quoted(text: str) -> str:
    """A text between quotation marks that it does not hold itself."""
    mark = '"' if "'" in text else "'"
    if mark in text or "[" in text:
        raise CannotSayError(f"the text {text} cannot be written in REDCap's logic")
    return f"{mark}{text}{mark}"


def days_from(first: str, last: str) -> str:
    """The days from one date to another, below 0 where the last is earlier; each a cell or a quoted date."""
    return f"datediff({first}, {last}, 'd', true)"


def without_outer_brackets(condition: str) -> str:
    """The condition, and no brackets around the whole of it."""
    if not condition.startswith("("):
        return condition
    depth = 0
    for position, mark in enumerate(condition):
        depth += (mark == "(") - (mark == ")")
        if depth == 0:
            return condition[1:-1] if position == len(condition) - 1 else condition
    return condition


def _joined(word: str, conditions: tuple[str, ...]) -> str:
    several = tuple(dict.fromkeys(condition for condition in conditions if condition))
    return several[0] if len(several) == 1 else f"({word.join(several)})" if several else ""
