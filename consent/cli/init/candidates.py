"""Find the fields of a project that could be parts of a study file: by type, and likelier ones first.

A field is likelier if its name or label, or its form, has a word of the part.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from consent.redcap.dictionary import TIMESTAMP, Project, ProjectField

MOST = 40  # candidates listed for one part
MOST_OPTIONS = 10  # of one checkbox; its other options come after all other fields

_CONSENT = r"consent|assent|icf|agree"
_RIDER = rf"rider|optional|biobank|future|contact|{_CONSENT}"
_WITHDRAWAL = r"withdr[ae]w|revok|discontinu|opt.?out"
_SITE = r"site|cent(re|er)|hospital|clinic|location"
_VERSION = r"version"
_DATE = rf"date|signed|{_CONSENT}|{_WITHDRAWAL}"

_NAME = r"[a-z][a-z0-9_]*"
_CHOICES = ("radio", "dropdown")
_ANSWERS = (*_CHOICES, "yesno", "truefalse", "checkbox", "calc")
_KINDS = {"yesno": "yes/no", "truefalse": "true/false", "radio": "radio buttons", "calc": "calculated"}
_ELSEWHERE = 2  # the distance of a field without a word of the part


@dataclass(frozen=True)
class Candidate:
    """A field, a checkbox option ``field(code)`` or a survey timestamp, by its name in a study file."""

    name: str
    label: str
    kind: str
    form: str
    codes: tuple[tuple[str, str], ...] = ()  # each with its label
    place: int = 0  # of an option among those of its checkbox


@dataclass(frozen=True)
class Candidates:
    """The candidates for one part, likelier ones first; ``more`` have the right type and are not listed."""

    listed: tuple[Candidate, ...]
    more: int = 0


def study_candidates(project: Project) -> dict[str, Candidates]:
    """Find the candidates for each part of a study file that names fields, by the names in the template."""
    fields = [field for field in project.fields[1:] if re.fullmatch(_NAME, field.name)]

    def where(is_right: Callable[[ProjectField], bool]) -> list[Candidate]:
        return [candidate for field in fields if is_right(field) for candidate in _candidates(field)]

    answers = where(lambda field: field.type in _ANSWERS)
    choices = where(lambda field: field.type in _CHOICES)
    versions = where(lambda field: field.type in _CHOICES or _is_text_about(field, _VERSION))
    tagged = re.compile(r"@(TODAY|NOW|CALCDATE|CALCTEXT)\b").search
    dates = where(lambda field: field.is_date or bool(tagged(field.annotation)) or _is_text_about(field, _DATE))
    dates += _timestamps(project)
    return {
        "dates": _list_all(dates, _CONSENT),
        "decisions": _list_all(answers, _CONSENT),
        "riders": _list_all(answers, _RIDER),
        "withdrawal_flags": _list_likely(answers, _WITHDRAWAL),
        "withdrawal_dates": _list_likely(dates, _WITHDRAWAL),
        "withdrawal_extents": _list_likely(choices, _WITHDRAWAL),
        "versions": _list_likely(versions, _VERSION),
        "sites": _list_likely(choices, _SITE),
    }


def _list_all(candidates: Iterable[Candidate], words: str) -> Candidates:
    """List the nearest candidates first, and the later options of a long checkbox (such as languages) last."""
    ordered = sorted(candidates, key=lambda one: (one.place >= MOST_OPTIONS, _distance(one, words)))
    return Candidates(tuple(ordered[:MOST]), len(ordered[MOST:]))


def _list_likely(candidates: Sequence[Candidate], words: str) -> Candidates:
    """List only likely candidates, for a part that few projects have."""
    listed = _list_all((one for one in candidates if _distance(one, words) < _ELSEWHERE), words).listed
    return Candidates(listed, len(candidates) - len(listed))


def _distance(candidate: Candidate, words: str) -> int:
    if _mentions(words, candidate.name, candidate.label):
        return 0
    return 1 if _mentions(words, candidate.form) else _ELSEWHERE


def _candidates(field: ProjectField) -> Iterator[Candidate]:
    if field.type != "checkbox":
        kind = field.validation or (
            "text, not validated" if field.type == "text" else _KINDS.get(field.type, field.type)
        )
        identifier = ", identifier" if field.is_identifier else ""
        yield Candidate(field.name, field.label, f"{kind}{identifier}", field.form, field.choices)
        return
    for place, (code, label) in enumerate(field.choices):
        if re.fullmatch(r"[^()\"\\]+", code) and code.isprintable():
            name = f"{field.name}({code})"
            yield Candidate(name, f"{field.label}: {label}", "checkbox option", field.form, place=place)


def _is_text_about(field: ProjectField, words: str) -> bool:
    is_text = field.type in ("text", "calc") and not field.validation
    return is_text and _mentions(words, field.name, field.label)


def _timestamps(project: Project) -> Iterator[Candidate]:
    """Yield the completion times of forms about consent or withdrawal, unless surveys are disabled."""
    if project.surveys is False:
        return
    for form in project.forms:
        own = (f"{field.name} {field.label}" for field in project.fields if field.form == form)
        if re.fullmatch(_NAME, form) and _mentions(rf"{_CONSENT}|{_WITHDRAWAL}", form, *own):
            yield Candidate(f"{form}{TIMESTAMP}", f"when the survey {form} was completed", "if it is a survey", form)


def _mentions(words: str, *texts: str) -> bool:
    return any(re.search(words, text, re.IGNORECASE) for text in texts)
