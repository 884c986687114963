"""A study file's fields and codes as readers read them.

Says nothing about what they mean; ``definitions.py`` does.
"""

from collections.abc import Sequence

from consent.study import FieldRef


def field(ref: FieldRef) -> str:
    """``field consent_obtained``, or one option of a checkbox."""
    return f"field {ref}" if ref.code is None else f"option {ref.code} of checkbox {ref.field} (1 ticked, 0 not)"


def codes(values: Sequence[str]) -> str:
    """``code 1``, ``code 1 or 2``."""
    return f"code {either(values)}"


def either(values: Sequence[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *others, last = values
    return f"{', '.join(others)} or {last}" if others else last
