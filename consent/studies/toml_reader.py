"""Typed values out of one table of a TOML file, with every problem noted instead of stopping at the first.

Knows what texts are legal (file names, field names, setting names), not what a study means by them.
"""

import re
from collections import Counter
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from consent.files import why_illegal


class TomlTable:
    """One table of the file: reads typed values by key and notes a problem instead of stopping at the first."""

    def __init__(self, values: dict[str, Any], place: str, problems: list[str]) -> None:
        self._values = values
        self._place = place
        self._problems = problems
        self._known: list[str] = []

    def problem(self, key: str, expected: str) -> None:
        self._problems.append(f"{self._place}{key}: {expected}")

    def has(self, key: str) -> bool:
        """Whether the file gives this key; asking makes it a known one."""
        self._known.append(key)
        return key in self._values

    def nothing_else(self) -> None:
        for key in self._values:
            if key not in self._known:
                self.problem(key, f"not a known key (known here: {', '.join(dict.fromkeys(self._known))})")

    def table(self, key: str, *, optional: bool = False) -> "TomlTable":
        value = self._value(key, dict, f"expected a table [{self._place}{key}]", {} if optional else None)
        return TomlTable(value or {}, f"{self._place}{key}.", self._problems)

    def tables(self, key: str, *, at_least_one: bool = False) -> list["TomlTable"]:
        self._known.append(key)
        values = self._values.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            self.problem(key, f"expected tables written [[{self._place}{key}]]")
            return []
        if at_least_one and not values:
            self.problem(key, f"expected at least one [[{self._place}{key}]]")
        return [TomlTable(value, f"{self._place}{key}[{n}].", self._problems) for n, value in enumerate(values, 1)]

    def text(self, key: str, *, default: str | None = None) -> str:
        value = self._value(key, str, "expected text", default)
        if key in self._values and value is not None and not str(value).strip():
            self.problem(key, "expected text, found none")
        return str(value or "").strip()

    def label(self, key: str, *, default: str | None = None) -> str:
        """Text that is printed in tables; it must not be one that a spreadsheet could run."""
        value = self.text(key, default=default)
        if value and (not value[0].isalnum() or not value.isprintable() or len(value) > 80):
            self.problem(key, "expected up to 80 printable characters, beginning with a letter or a digit")
        return value

    def labels(self, key: str) -> dict[str, str]:
        """What codes mean, in words that are printed; none where the file does not say."""
        table = self.table(key, optional=True)
        return {code.strip(): table.label(code) for code in table.given}

    @property
    def given(self) -> tuple[str, ...]:
        """The keys that the file gives here."""
        return tuple(self._values)

    def legal_name(self, key: str) -> str:
        value = self.label(key)
        if value and (why := why_illegal(value)) is not None:
            self.problem(key, f"it names files, so {why}")
        return value

    def folder(self, key: str, *, default: str) -> str:
        value = self.text(key, default=default)
        parts = [part for part in value.split("/") if part]
        if not value.startswith("/") or "//" in value:
            self.problem(key, 'expected a folder beginning with /, such as "/Reports"')
        for why in filter(None, map(why_illegal, parts)):
            self.problem(key, why)
        return "/" + "/".join(parts)

    def texts(self, key: str, *, at_least_one: bool = False) -> tuple[str, ...]:
        values = self._value(key, list, 'expected a list of texts, such as ["1"]', None if at_least_one else [])
        if values is None:
            return ()
        if not all(isinstance(value, str) and value.strip() for value in values):
            self.problem(key, 'expected every entry as text in quotes, such as ["1"]')
            return ()
        if at_least_one and not values:
            self.problem(key, "expected at least one entry")
        return tuple(value.strip() for value in values)

    def day(self, key: str) -> date:
        value = self._value(key, date, "expected a date, such as 2023-09-11", None)
        if isinstance(value, datetime):
            self.problem(key, "expected a date without a time, such as 2023-09-11")
        return value if isinstance(value, date) else date.min

    def zone(self, key: str, *, default: str | None = None) -> str:
        value = self.text(key, default=default)
        try:
            ZoneInfo(value or "UTC")
        except (KeyError, ValueError, OSError):
            self.problem(key, 'expected the name of a time zone, such as "America/Toronto"')
        return value

    def yes_or_no(self, key: str, *, default: bool) -> bool:
        return bool(self._value(key, bool, "expected true or false", default))

    def whole_number(self, key: str) -> int:
        value = self._value(key, int, "expected a whole number", None)
        if isinstance(value, bool):
            self.problem(key, "expected a whole number")
        return value if isinstance(value, int) else 0

    def number_of_people(self, key: str) -> int:
        value = self._values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.problem(key, "expected a whole number, 1 or more")
            return 1
        return value

    def fraction(self, key: str, *, default: float) -> float:
        """A number from 0 up to, but without, 1."""
        value = self._values.get(key, default)
        self._known.append(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            self.problem(key, "expected a fraction from 0 up to but without 1, such as 0.02 for 2 %")
            return default
        return float(value)

    def time_of_day(self, key: str, *, default: time) -> time:
        """Hours and minutes of a 24-hour clock, in quotes and with two digits each."""
        expected = 'expected a time of a 24-hour clock in quotes, such as "07:00"'
        value = str(self._value(key, str, expected, f"{default:%H:%M}"))
        if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
            self.problem(key, expected)
            return default
        return time.fromisoformat(value)

    def pattern(self, key: str) -> str:
        value = self.text(key)
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            self.problem(key, f"not a usable pattern: {error}")
        return value

    def setting_name(self, key: str) -> str:
        """The name of a setting, in capitals: Windows knows its environment by no other.

        A value pasted here by mistake is a secret: no message repeats it, and what could be one is no name.
        """
        value = self.text(key)
        could_be_a_token = re.search(r"[^_]{20}", value) is not None
        if value and (could_be_a_token or not re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", value)):
            self.problem(
                key,
                'expected the name of a setting in capitals, such as "REDCAP_API_URL", with no part of 20 characters '
                "or more (what stands here is not repeated: it may be the setting's value)",
            )
        return value

    def field_name(self, key: str) -> str:
        value = self.text(key)
        if value and not re.fullmatch(r"[a-z][a-z0-9_]*", value):
            self.problem(key, "expected a REDCap field name (lower-case letters, digits, _)")
        return value

    def field_ref(self, key: str) -> tuple[str, str | None]:
        """A field name and, where one checkbox option is meant, the option's code."""
        value = self.text(key)
        match = re.fullmatch(r"([a-z][a-z0-9_]*)(?:\(([^()]+)\))?", value)
        if value and match is None:
            self.problem(key, 'expected a REDCap field name, or one checkbox option written "field(code)"')
        return (match[1], match[2]) if match else (value, None)

    def apart(self, **lists: tuple[str, ...]) -> None:
        counted = Counter(code for codes in lists.values() for code in codes)
        for code in (code for code, n in counted.items() if n > 1):
            self.problem(" / ".join(lists), f"the code '{code}' appears more than once; each has one meaning")

    def only_codes(self, key: str, codes: tuple[str, ...], allowed: set[str], why: str = "") -> None:
        if extra := [code for code in codes if code not in allowed]:
            reason = why or f'a checkbox option is "1" (ticked) or "0"; expected only {sorted(allowed)}'
            self.problem(key, f"'{extra[0]}' cannot stand here: {reason}")

    def _value(self, key: str, kind: type, expected: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            if default is None:
                self.problem(key, f"missing; {expected}")
            return default
        value = self._values[key]
        if not isinstance(value, kind):
            self.problem(key, expected)
            return default
        return value
