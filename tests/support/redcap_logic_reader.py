"""Evaluate as much of REDCap's logic as our data quality rules use, by REDCap's documentation.

A cell without an event is in the evaluated row; a blank cell is ``''``. Two texts that are numbers are compared as
numbers. ``datediff`` of anything else than dates is blank. Independent of the product, which only writes the logic.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

Row = Mapping[str, str]

_TOKEN = re.compile(
    r"\s*(?:(?P<cell>\[[^\]]+\](?:\[[^\]]+\])?)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<number>\d+)"
    r"|(?P<word>[a-z]+)|(?P<mark><>|>=|<=|[=<>(),]))"
)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass
class _Reader:
    """The remaining tokens of one rule, and its cells."""

    tokens: list[tuple[str, str]]
    row: Row
    record: Mapping[str, Row]
    today: date

    def condition(self) -> bool:
        """``a and b``, ``a or b``; a rule never mixes them without brackets."""
        found = self.operand()
        while self.tokens and self.tokens[0][1] in ("and", "or"):
            word = self.take()
            other = self.operand()
            found = (found and other) if word == "and" else (found or other)
        return found

    def operand(self) -> bool:
        """A condition in brackets, or a comparison."""
        if self.tokens[0][1] == "(":
            self.take()
            found = self.condition()
            self.take(")")
            return found
        left = self.value()
        compare = _COMPARISONS[self.take()]
        return _compared(left, self.value(), compare)

    def value(self) -> str:
        """A cell, a text, a number or a function."""
        kind, token = self.tokens.pop(0)
        if kind == "cell":
            return self.cell(*re.findall(r"\[([^\]]+)\]", token))
        if kind == "word":
            return _FUNCTIONS[token](self, *self.arguments())
        return token.strip("'\"") if kind == "text" else token

    def arguments(self) -> list[str]:
        self.take("(")
        found = [self.argument()]
        while self.take() == ",":
            found.append(self.argument())
        return found

    def argument(self) -> str:
        return self.take() if self.tokens[0][1] == "true" else self.value()

    def cell(self, *names: str) -> str:
        field = _column(names[-1])
        row = self.row if len(names) == 1 else self.record.get(names[0], {})
        return row.get(field, "")

    def take(self, expected: str = "") -> str:
        token = self.tokens.pop(0)[1]
        assert expected in ("", token), f"expected {expected}, found {token}"
        return token


def is_true(logic: str, row: Row, *, rows: Iterable[Row] = (), today: date) -> bool:
    """Return whether a rule lists this row; ``rows`` are all rows of its record, for cells with an event."""
    record = {one["redcap_event_name"]: one for one in rows}
    reader = _Reader(_tokens(logic), row, record, today)
    found = reader.condition()
    assert not reader.tokens, "the rule has more tokens"
    return found


def _tokens(logic: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while position < len(logic):
        match = _TOKEN.match(logic, position)
        assert match is not None, f"not in REDCap's logic: {logic[position : position + 20]}"
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def _column(name: str) -> str:
    """The export column of ``field`` or ``field(code)``, or of the record's group."""
    if name == "record-dag-name":
        return "redcap_data_access_group"
    return re.sub(r"\((.+)\)", r"___\1", name)


def _compared(left: str, right: str, compare: Callable[[Any, Any], bool]) -> bool:
    numbers = [_number(left), _number(right)]
    if None not in numbers:
        return compare(*numbers)
    return compare(left, right)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d+(\.\d+)?", text) else None


def _datediff(reader: _Reader, first: str, last: str, unit: str, signed: str) -> str:
    assert (unit, signed) == ("d", "true")
    moments = [_moment(reader.today.isoformat() if text == "today" else text) for text in (first, last)]
    if moments[0] is None or moments[1] is None:
        return ""
    return f"{(moments[1] - moments[0]).total_seconds() / 86400:.6f}"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


_FUNCTIONS: dict[str, Callable[..., str]] = {
    "datediff": _datediff,
    "length": lambda _, text: str(len(text)),
    "left": lambda _, text, n: text[: int(n)],
    "mid": lambda _, text, start, n: text[int(start) - 1 : int(start) - 1 + int(n)],
    "isinteger": lambda _, text: "1" if re.fullmatch(r"[-+]?\d+", text) else "0",
}
