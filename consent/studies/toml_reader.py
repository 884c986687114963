"""Read typed values from the tables of a study file, and collect every problem instead of stopping at the first."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time
from types import UnionType
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from consent.errors import Problem
from consent.files import folder_names, illegal_name_reason, join_paths

T = TypeVar("T")
_FIELD = r"[a-z][a-z0-9_]*"
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_LARGEST = 1_000_000_000


class TomlTable:
    """One table of a study file; each problem starts with its key, such as ``riders[2].field``.

    A value that cannot be used is replaced by an empty or a default one, so that reading continues.
    """

    def __init__(self, values: dict[str, Any], path: str, problems: list[Problem]) -> None:
        self._values = values
        self._path = path
        self._problems = problems
        self._known: list[str] = []
        self._inner: list[TomlTable] = []

    def add_problem(self, key: str, what: str, fix: str) -> None:
        """Report a problem of this key: ``what`` has no full stop, ``fix`` is a sentence."""
        self._problems.append(Problem(f"{self._path}{key}: {what}.", fix))

    def has(self, key: str) -> bool:
        """Return whether the file has this key, and accept the key from now on."""
        self._known.append(key)
        return key in self._values

    def optional(self, read: Callable[[str], T], key: str) -> T | None:
        return read(key) if self.has(key) else None

    def report_unknown_keys(self) -> None:
        """Report every key, here and in the tables inside, that nothing has read."""
        known = list(dict.fromkeys(self._known))
        for key in self._values:
            if key not in known:
                self.add_problem(key, "not a known key", f"Use one of: {', '.join(known)}.")
        for table in self._inner:
            table.report_unknown_keys()

    def table(self, key: str, *, default: dict[str, Any] | None = None) -> "TomlTable":
        values = self._value(key, dict, f"a table [{self._path}{key}]", default)
        return self._add_inner(values or {}, key)

    def tables(self, key: str, *, at_least_one: bool = False) -> list["TomlTable"]:
        self._known.append(key)
        values = self._values.get(key, [])
        fix = f"Write tables with the heading [[{self._path}{key}]]."
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.add_problem(key, "not a list of tables", fix)
            return []
        if at_least_one and not values:
            self.add_problem(key, "missing", fix)
        return [self._add_inner(value, f"{key}[{n}]") for n, value in enumerate(values, 1)]

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self._value(key, str, "text in quotes", default)
        if key in self._values and value is not None and not str(value).strip():
            self.add_problem(key, "empty", "Write text in quotes.")
        return str(value or "").strip()

    def label(self, key: str, *, default: str | None = None) -> str:
        """Read text for tables; it cannot start a spreadsheet formula."""
        value = self.text(key, default=default)
        if value and (not value[0].isalnum() or not value.isprintable() or len(value) > 80):
            self.add_problem(
                key, "not usable as a label", "Start with a letter or digit; 80 printable characters at most."
            )
        return value

    def labels(self, key: str) -> dict[str, str]:
        table = self.table(key, default={})
        return {code.strip(): table.label(code) for code in table._values}

    def file_name(self, key: str) -> str:
        value = self.label(key)
        if value:
            self._ensure_legal_name(key, value)
        return value

    def folder(self, key: str, *, default: str) -> str:
        value = self.text(key, default=default)
        if not value.startswith("/") or "//" in value:
            self.add_problem(key, f"'{value}' is not a full path", 'Start at the root, as in "/Reports".')
        for name in folder_names(value):
            self._ensure_legal_name(key, name)
        return join_paths(value)

    def texts(self, key: str, *, at_least_one: bool = False) -> tuple[str, ...]:
        expected = 'a list of texts in quotes, such as ["1"]'
        values = self._value(key, list, expected, None if at_least_one else [])
        if not all(isinstance(value, str) and value.strip() for value in values or []):
            self.add_problem(key, "an entry is not text or is empty", f"Write {expected}.")
            return ()
        if at_least_one and values == []:
            self.add_problem(key, "the list is empty", "Write at least one entry.")
        return tuple(value.strip() for value in values or [])

    def day(self, key: str) -> date:
        value = self._value(key, date, "a date without quotes, such as 2023-09-11", None)
        if isinstance(value, datetime):
            self.add_problem(key, "holds a time as well", "Write a date only, such as 2023-09-11.")
        if isinstance(value, date) and not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            self.add_problem(key, "the year is out of range", f"Write a year from {_FIRST_YEAR} to {_LAST_YEAR}.")
        return value if isinstance(value, date) else date.min

    def zone(self, key: str) -> str:
        value = self.text(key)
        try:
            ZoneInfo(value or "UTC")
        except (KeyError, ValueError, OSError):
            self.add_problem(key, f"'{value}' is not a time zone", 'Write its IANA name, such as "America/Toronto".')
        return value

    def boolean(self, key: str, *, default: bool) -> bool:
        return bool(self._value(key, bool, "true or false", default))

    def positive_number(self, key: str, *, default: int | None = None, least: int = 1, most: int = _LARGEST) -> int:
        value = self._value(key, int, "a whole number", default)
        if value is not None and not least <= value <= most:
            self.add_problem(key, "out of range", f"Write a whole number from {least} to {most:,}.")
        return value or least

    def fraction(self, key: str, *, default: float) -> float:
        expected = "a number from 0 to below 1, such as 0.02 for 2 %"
        value = self._value(key, int | float, expected, default)
        if not 0 <= value < 1:
            self.add_problem(key, "out of range", f"Write {expected}.")
            return default
        return float(value)

    def time_of_day(self, key: str, *, default: time) -> time:
        """Read hours and minutes of a 24-hour clock, two digits each."""
        expected = 'a 24-hour time in quotes, such as "07:00"'
        value = str(self._value(key, str, expected, f"{default:%H:%M}"))
        if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
            self.add_problem(key, f"'{value}' is not a 24-hour time", f"Write {expected}.")
            return default
        return time.fromisoformat(value)

    def pattern(self, key: str) -> str:
        """Read a regular expression of RE2, which needs no more time than the text is long."""
        import re2  # only for a study with such a key

        value, options = self.text(key), re2.Options()
        options.log_errors = False
        try:
            re2.compile(value, options)
            is_usable = not re.search(r"\{(,|\d{4})", value)  # which RE2 reads as text
        except (re2.error, UnicodeError):
            is_usable = False
        if not is_usable:
            fix = "Write one that RE2 knows: https://github.com/google/re2/wiki/Syntax"
            self.add_problem(key, "not a usable regular expression", fix)
        return value

    def setting_name(self, key: str) -> str:
        """Read the name of a setting, in capitals because Windows has no other environment names.

        The value may be a secret pasted by mistake: it is never repeated, and a possible token is refused.
        """
        value = self.text(key)
        could_be_a_token = re.search(r"[^_]{20}", value) is not None
        if value and (could_be_a_token or not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", value)):
            fix = 'Write a name in capitals, such as "REDCAP_API_URL", with an underscore in every 20 characters.'
            self.add_problem(key, "not the name of a setting (the text is not shown: it may be a secret)", fix)
        return value

    def field_name(self, key: str) -> str:
        value = self.text(key)
        if value and not re.fullmatch(_FIELD, value):
            self.add_problem(key, f"'{value}' is not a REDCap field name", "Use lower-case letters, digits and _.")
        return value

    def field_ref(self, key: str) -> tuple[str, str | None]:
        """Read a field name, with the code of a checkbox option if one is given."""
        return self._field_ref(key, self.text(key))

    def field_refs(self, key: str) -> list[tuple[str, str | None]]:
        """Read one field, or a list of different fields."""
        if not isinstance(self._values.get(key), list):
            return [self.field_ref(key)]
        names = self.texts(key, at_least_one=True)
        self.ensure_distinct(**{key: names})
        return [self._field_ref(key, name) for name in names]

    def codes_by_field(self, key: str) -> list[tuple[tuple[str, str | None], tuple[str, ...]]]:
        """Read a table of fields, each with its list of codes."""
        table = self.table(key, default={})
        if self.has(key) and not table._values:
            self.add_problem(key, "it names no field", 'Write { field = ["1"] }, or leave it out.')
        return [(table._field_ref(name, name), table.texts(name, at_least_one=True)) for name in table._values]

    def _field_ref(self, key: str, value: str) -> tuple[str, str | None]:
        match = re.fullmatch(rf"({_FIELD})(?:\(([^()]+)\))?", value)
        if value and match is None:
            fix = 'Use the variable name, or "field(code)" for one option of a checkbox.'
            self.add_problem(key, f"'{value}' is not a REDCap field name", fix)
        return (match[1], match[2]) if match else (value, None)

    def one_of(self, key: str, known: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in known:
            self.add_problem(key, f"'{value}' is not a known word", f"Use one of: {', '.join(known)}.")
            return known[0]
        return value

    def ensure_distinct(self, **lists: tuple[str, ...]) -> None:
        counts = Counter(entry for entries in lists.values() for entry in entries)
        for entry in (entry for entry, n in counts.items() if n > 1):
            self.add_problem(" / ".join(lists), f"'{entry}' appears more than once", "Keep it once.")

    def ensure_checkbox_codes(self, key: str, codes: tuple[str, ...], *allowed: str) -> None:
        """Report codes that one checkbox option cannot have, or that would count an unticked box as an answer."""
        if wrong := [code for code in codes if code not in allowed]:
            fix = f"Use only {', '.join(map(repr, allowed))}." if allowed else "Leave the list empty."
            what = "is not a usable value of a checkbox option (a form that nobody opened also has unticked boxes)"
            self.add_problem(key, f"'{wrong[0]}' {what}", fix)

    def _ensure_legal_name(self, key: str, name: str) -> None:
        if reason := illegal_name_reason(name):
            self.add_problem(key, f"not a legal file name ({reason})", "Choose another name.")

    def _add_inner(self, values: dict[str, Any], key: str) -> "TomlTable":
        self._inner.append(TomlTable(values, f"{self._path}{key}.", self._problems))
        return self._inner[-1]

    def _value(self, key: str, kind: type | UnionType, expected: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            if default is None:
                self.add_problem(key, "missing", f"Write {expected}.")
            return default
        value = self._values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.add_problem(key, "wrong kind of value", f"Write {expected}.")
            return default
        return value
