"""Recognise a file's columns that hold labels or converted values, where the study file selects by raw codes.

No data dictionary describes a file, and the study file may name only some of a field's codes. So a column is refused
only if no value is one of its codes, and a value differs from a code by letter case or a final ``.0``, or no value has
the form of a code: a number, or the form of one of its codes (``_form``). Blank cells and missing-data codes do
not matter. A rule may also select by free text, which must moreover look like options: few values, each repeated.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain

from consent.redcap.arrivals import GROUP, RECORD
from consent.redcap.cells import Cells
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import StudyConfig, named_fields

MOST_OPTIONS = 20
_WORDS = frozenset({"yes", "no", "true", "false", "checked", "unchecked", "incomplete", "unverified", "complete"})
_NOTHING = frozenset({"", "NA", "NAN", "NI", "UNK", "NASK", "ASKU", "NAV", "MSK", "INV", "NP", "OTH"})  # HL7, R, pandas
_TEXT_RULES = ("leave_out", "only", "version")


@dataclass
class CodedColumn:
    """The values so far of a column by which the study file selects."""

    name: str
    codes: frozenset[str]
    ignored: frozenset[str]
    may_be_text: bool
    values: Counter[str] = field(default_factory=Counter)  # up to one more than an option field has
    has_code: bool = False

    def see(self, cells: Cells) -> None:
        """Add the cells of a batch."""
        if self.has_code:
            return
        for cell, n in cells.counted().items():
            value = cell.strip()
            if value in self.codes:
                self.has_code = True
            elif value.upper() not in _NOTHING and value not in self.ignored and len(self.values) <= MOST_OPTIONS:
                self.values[value] += n

    @property
    def is_raw(self) -> bool:
        """Whether the values can be raw ones."""
        if self.has_code or not self.values:
            return True
        folded = {code.casefold() for code in self.codes}
        if any(value.casefold() in folded or value.removesuffix(".0") in self.codes for value in self.values):
            return False
        if not {"number", *map(_form, self.codes)}.isdisjoint(map(_form, self.values)):
            return True
        return self.may_be_text and not self._are_options and not all(_is_word(value) for value in self.values)

    @property
    def _are_options(self) -> bool:
        return len(self.values) <= MOST_OPTIONS and self.values.total() >= 2 * len(self.values)

    @property
    def why(self) -> str:
        """What is wrong, with a few values if they are certainly options and identify nobody."""
        known = (self._are_options and not self.may_be_text) or all(_is_word(value) for value in self.values)
        shown = [f"'{value}'" for value in sorted(self.values) if len(value) <= 30][:3] if known else []
        held = f" ({', '.join(shown)}{', …' if len(self.values) > len(shown) else ''})" if shown else ""
        return f"its column {self.name} holds no code of the study file, but labels or changed values{held}"


def coded_columns(study: StudyConfig, column_map: ColumnMap) -> tuple[CodedColumn, ...]:
    """Return the columns by whose values the study file selects, before any value."""
    rules = _codes_by_key(study)
    codes: dict[str, set[str]] = {GROUP: {*rules["sites.by"]}} if study.sites and study.sites.by is None else {}
    text: set[str] = set()
    for key, ref in named_fields(study):
        if (own := rules.get(key)) and (name := column_map.columns[ref]) != RECORD:
            codes.setdefault(name, set()).update(("0", "1") if ref.is_checkbox else own)
            text |= {name} if key.startswith(_TEXT_RULES) and not ref.is_checkbox else set()
    filters = chain.from_iterable((*(one.where for one in study.consents), *(one.where for one in study.riders)))
    for each in filters:
        own = ("0", "1") if each.field.is_checkbox else each.codes
        codes.setdefault(column_map.columns[each.field], set()).update(own)
    ignored = column_map.missing_codes
    return tuple(CodedColumn(name, frozenset(own), ignored, name in text) for name, own in codes.items() if own)


def _codes_by_key(study: StudyConfig) -> dict[str, tuple[str, ...]]:
    """Return the codes of each rule, by the key of its field as ``named_fields`` has it."""
    codes: dict[str, tuple[str, ...]] = {}
    for n, form in enumerate(study.consents, 1):
        codes[f"consent[{n}].decision"] = (*form.agreed, *form.declined, *form.pending)
        codes[f"consent[{n}].form_complete"] = ("0", "1", "2")
    for n, rider in enumerate(study.riders, 1):
        codes[f"riders[{n}].field"] = ("0", *rider.agreed, *rider.declined)
    codes |= {f"leave_out[{n}].field": rule.codes for n, rule in enumerate(study.leave_out, 1)}
    codes["only.field"] = study.only.codes if study.only else ()
    if study.withdrawal:
        codes["withdrawal.flag"] = study.withdrawal.codes
        codes["withdrawal.extent"] = (*study.withdrawal.ends, *study.withdrawal.extent_labels)
    codes["sites.by"] = tuple(site.code for site in study.sites.listed) if study.sites else ()
    if study.version:
        offered_in = (version for rider in study.riders for version in rider.offered_in)
        codes["version.field"] = (*study.version.accepted, *offered_in)
    return codes


def _form(value: str) -> str:
    """Return what a value looks like: a number, a word that exports write for codes, a code in one case, or text."""
    if _is_word(value):
        return f"word in {'lower' if value.islower() else 'upper' if value.isupper() else 'mixed'} case"
    if re.fullmatch(r"-?\d+(\.\d+)?", value):
        return "number"
    return "code" if re.fullmatch(r"[a-z0-9_.-]+|[A-Z0-9_.-]+", value) else "text"


def _is_word(value: str) -> bool:
    """Return whether a value is one of REDCap's fixed labels, a truth value of R or pandas, or ``1.0``."""
    return value.casefold() in _WORDS or re.fullmatch(r"-?\d+\.0+", value) is not None
