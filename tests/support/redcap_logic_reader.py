"""Evaluate as much of REDCap's logic as our data quality rules use, by REDCap's documentation.

A cell without an event is in the evaluated row; a blank cell is ``''``. Two texts that are numbers are compared as
numbers. ``datediff`` of anything else than dates is blank. Independent of the product, which only writes the logic.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

Row = Mapping[str, str]

_TOKEN = re.compile(
    r"\s*(?:(?P<cell>\[[^\]]+\](?:\[[^\]]+\])?)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<number>\d+)"
    r"|(?P<word>[a-z]+)|(?P<mark><>|>=|<=|[=<>(),]))"
)
_PYTHON = {"=": "==", "<>": "!=", "true": "True"}


class _Value(str):
    """The value of a cell, a text or a function."""


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    def compared(left: str, right: str) -> bool:
        if all(re.fullmatch(r"-?\d+(\.\d+)?", value) for value in (left, right)):
            return compare(float(left), float(right))
        return compare(str(left), str(right))

    return compared


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(_Value, f"__{_name}__", _comparison(getattr(operator, _name)))


def is_true(logic: str, row: Row, *, rows: Iterable[Row] = (), today: date) -> bool:
    """Return whether a rule lists this row; ``rows`` are all rows of its record, for cells with an event."""
    record = {one["redcap_event_name"]: one for one in rows}

    def cell(*names: str) -> str:
        found = row if len(names) == 1 else record.get(names[0], {})
        return _Value(found.get(_column(names[-1]), ""))

    def datediff(first: str, last: str, unit: str, signed: bool) -> str:
        assert (str(unit), signed) == ("d", True)
        moments = [_moment(today.isoformat() if str(text) == "today" else text) for text in (first, last)]
        if moments[0] is None or moments[1] is None:
            return _Value()
        return _Value(f"{(moments[1] - moments[0]).total_seconds() / 86400:.6f}")

    return bool(eval(_python(logic), {**_FUNCTIONS, "cell": cell, "datediff": datediff}))


def _python(logic: str) -> str:
    """Return a rule as a Python expression."""
    parts, position = [], 0
    while position < len(logic):
        match = _TOKEN.match(logic, position)
        assert match is not None, f"not in REDCap's logic: {logic[position : position + 20]}"
        token, position = match[match.lastgroup or 0], match.end()
        if match.lastgroup == "cell":
            parts.append(f"cell{tuple(token.strip('[]').split(']['))!r}")
        elif match.lastgroup == "text":
            parts.append(f"value({token[1:-1]!a})")
        elif match.lastgroup == "number":
            parts.append(f"value({token!a})")
        else:
            parts.append(_PYTHON.get(token, token))
    return " ".join(parts)


def _column(name: str) -> str:
    """Return the export column of ``field`` or ``field(code)``, or of the record's group."""
    if name == "record-dag-name":
        return "redcap_data_access_group"
    return re.sub(r"\((.+)\)", r"___\1", name)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "value": _Value,
    "length": lambda text: _Value(len(text)),
    "left": lambda text, n: _Value(text[: int(n)]),
    "mid": lambda text, start, n: _Value(text[int(start) - 1 : int(start) - 1 + int(n)]),
    "isinteger": lambda text: _Value(int(bool(re.fullmatch(r"[-+]?\d+", text)))),
}
