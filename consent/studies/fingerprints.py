"""Hash each counting rule of a study, so that two reports can show which rules differ."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from consent.studies.model import StudyConfig

COUNTING_VERSION = "1"
"""Increase it in every release that counts the same records differently."""

_NO_RULES = frozenset(
    {"key", "title", "contact", "redcap", "accrual", "max_drop", "not_before", "sha256"}
    | {"delivery", "notify", "shareable"}
)
_LABELS = frozenset({"label", "extent_labels", "target", "opened"})
_IN_THE_FILE = {"consents": "consent"}


def rule_fingerprints(study: StudyConfig) -> dict[str, str]:
    """Return a short hash of each rule by its key in the study file, such as ``consent[1]`` or ``riders[rider a]``.

    An absent rule has no hash, so that new kinds of rules leave an unchanged study file alone. The order of codes does
    not matter. ``counting version`` is the key of the program's own rules.
    """
    rules = {"counting version": COUNTING_VERSION, "redcap.time_zone": study.redcap.time_zone, **dict(_rules_of(study))}
    if study.redcap.missing_codes:
        rules["redcap.missing_codes"] = _canonical(study.redcap.missing_codes)
    if not study.redcap.double_data_entry:
        rules["redcap.double_data_entry"] = False
    return {key: _fingerprint(rule) for key, rule in rules.items()}


def changed_rules(now: Mapping[str, str], then: Mapping[str, str]) -> tuple[str, ...]:
    """Return the keys of the rules that were changed, added or removed between two reports."""
    return tuple(key for key in {**now, **then} if now.get(key) != then.get(key))


def changed_rules_sentence(keys: Sequence[str]) -> str:
    """Return the sentence for readers; empty if no rule changed."""
    if not keys:
        return ""
    return f"Counting rules changed: {', '.join(keys)}; differences are not corrections of data."


def _rules_of(study: StudyConfig) -> Iterator[tuple[str, Any]]:
    values = asdict(study)
    for name in (field.name for field in fields(study) if field.name not in _NO_RULES):
        key, value = _IN_THE_FILE.get(name, name), values[name]
        if isinstance(value, tuple):
            yield from ((f"{key}[{rule.get('key', n)}]", _canonical(rule)) for n, rule in enumerate(value, 1))
        elif value is not None:
            yield key, _canonical(value)


def _canonical(value: Any) -> Any:
    """Return a rule as JSON values, without empty values and labels."""
    if isinstance(value, Mapping):
        known = {key: _canonical(inner) for key, inner in value.items() if key not in _LABELS}
        return {key: inner for key, inner in known.items() if inner}
    if isinstance(value, tuple):
        each = [_canonical(inner) for inner in value]
        return sorted(each) if all(isinstance(inner, str) for inner in each) else each
    return value if isinstance(value, bool | int | float | None) else str(value)


def _fingerprint(rule: Any) -> str:
    text = json.dumps(rule, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
