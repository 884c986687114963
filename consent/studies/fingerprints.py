"""A study's counting rules as fingerprints, one for each rule, so that two reports can tell which of them differ.

Pure. Holds no rule itself and explains none; what is not counted by (title, contact, schedule, labels, targets) has no
fingerprint.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from consent.studies.model import StudyConfig

COUNTING_VERSION = "1"
"""To be raised with every release that counts the same records differently."""

_NO_RULES = frozenset({"key", "title", "contact", "redcap", "accrual", "delivery", "guard", "schedule", "sha256"})
_FOR_READERS = frozenset({"label", "extent_labels", "target", "opened"})
_IN_THE_FILE = {"consents": "consent"}


def rule_fingerprints(study: StudyConfig) -> dict[str, str]:
    """A short hash of each rule, by the key that the study file has for it: ``consent[1]``, ``riders[rider a]``.

    Rules that are absent have none, and the order of codes is no difference; so a newer program with more rules gives
    an unchanged study file the same fingerprints. ``counting version`` stands for the program's own rules.
    """
    rules = {"counting version": COUNTING_VERSION, "redcap.time_zone": study.redcap.time_zone, **dict(_rules_of(study))}
    return {key: _fingerprint(rule) for key, rule in rules.items()}


def changed_rules(now: Mapping[str, str], then: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of the rules that differ between two reports, came or went; none where one did not keep its rules."""
    if not (now and then):
        return ()
    return tuple(key for key in {**now, **then} if now.get(key) != then.get(key))


def changed_rules_sentence(keys: Sequence[str]) -> str:
    """What readers are told of changed rules; "" where none has changed."""
    if not keys:
        return ""
    return f"Counting rules changed: {', '.join(keys)}; differences are not corrections of data."


def _rules_of(study: StudyConfig) -> Iterator[tuple[str, Any]]:
    values = asdict(study)
    for name in (field.name for field in fields(study) if field.name not in _NO_RULES):
        key, value = _IN_THE_FILE.get(name, name), values[name]
        if isinstance(value, tuple):
            yield from ((f"{key}[{rule.get('key', n)}]", _essence(rule)) for n, rule in enumerate(value, 1))
        elif value is not None:
            yield key, _essence(value)


def _essence(value: Any) -> Any:
    """The value without what is empty or only for readers, as JSON knows it; days as text."""
    if isinstance(value, Mapping):
        known = {key: _essence(inner) for key, inner in value.items() if key not in _FOR_READERS}
        return {key: inner for key, inner in known.items() if inner}
    if isinstance(value, tuple):
        each = [_essence(inner) for inner in value]
        return sorted(each) if all(isinstance(inner, str) for inner in each) else each
    return value if isinstance(value, bool | int | float | None) else str(value)


def _fingerprint(rule: Any) -> str:
    text = json.dumps(rule, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
