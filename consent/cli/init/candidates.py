"""Find the fields of a project that could be parts of a study file: by type, and likelier ones first.

A field is likelier if its name or label, or its form, has a whole word of the part: not ``site`` in ``opposite``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from consent.redcap.dictionary import TIMESTAMP, Project, ProjectField

MOST = 40  # candidates listed for one part
MOST_OPTIONS = 10  # of one checkbox; its other options come after all other fields

_CONSENT = "[a-z]*consent[a-z]*|(re)?assent(s|ed|ing)?|icfs?|agree(s|d|ing|ments?)?"
_RIDER = rf"riders?|optional|biobank(s|ed|ing)?|future|(re)?contact(s|ed|ing)?|{_CONSENT}"
_WITHDRAWAL = "withdr[ae]w(n|s|ing|als?)?|revo[kc][a-z]*|discontinu[a-z]*|opt(s|ed|ing)? ?out"
_SITE = "sites?|cent(re|er)s?|hosp(ital)?s?|clinics?|locations?|institut(ion|e)s?|facilit(y|ies)"
_VERSION = "versions?|ver"
_SIGNED = "signed|signatures?|sign? ?(date|dt)"
_DATE = f"dates?|dated|dt|{_SIGNED}|{_CONSENT}|{_WITHDRAWAL}"
_BIRTH = "[dmy]obs?|born|naissance|(date|dt|day|month|year) ?(of)? ?birth|birth ?(day|date|dt|month|year)|birth(?= ?$)"
_JOINED_BEFORE = "date|dt|study|main|home|form|icf|enroll?|enroll?ment|enroll?ing|recruit|recruitment|recruiting"
_JOINED_AFTER = "ids?|no|num|number|code|name|date|dt|day|time|yn|form|type|status|version|ver|signed|given|obtained"
"""Words that REDCap's variable names join to another one, as in ``siteid`` and ``recruitingsite``."""

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
    tagged = re.compile(r"@(TODAY|NOW|CALCDATE|CALCTEXT)(?![A-Z])").search
    dates = where(lambda field: field.is_date or bool(tagged(field.annotation)) or _is_text_about(field, _DATE))
    return {
        "dates": _list_all([*_timestamps(project, _CONSENT), *dates], f"{_CONSENT}|{_SIGNED}", last=_BIRTH),
        "decisions": _list_all(answers, _CONSENT),
        "riders": _list_all(answers, _RIDER),
        "withdrawal_flags": _list_likely(answers, _WITHDRAWAL),
        "withdrawal_dates": _list_likely([*dates, *_timestamps(project, _WITHDRAWAL)], _WITHDRAWAL),
        "withdrawal_extents": _list_likely(choices, _WITHDRAWAL),
        "versions": _list_likely(versions, _VERSION),
        "sites": _list_likely(choices, _SITE),
    }


def _list_all(candidates: Iterable[Candidate], words: str, last: str = "") -> Candidates:
    """List the nearest candidates first, and last those about ``last`` and the later options of a long checkbox."""

    def order(one: Candidate) -> tuple[bool, int]:
        is_last = bool(last) and _mentions(last, one.name, one.label)
        return is_last or one.place >= MOST_OPTIONS, _distance(one, words)

    ordered = sorted(candidates, key=order)
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


def _timestamps(project: Project, words: str) -> Iterator[Candidate]:
    """Yield the completion times of forms with one of the words, unless surveys are disabled."""
    if project.surveys is False:
        return
    for form in project.forms:
        own = (text for field in project.fields if field.form == form for text in (field.name, field.label))
        if re.fullmatch(_NAME, form) and _mentions(words, form, *own):
            yield Candidate(f"{form}{TIMESTAMP}", f"when the survey {form} was completed", "if it is a survey", form)


def _mentions(words: str, *texts: str) -> bool:
    """Return whether a text has one of the words, alone or joined to others, such as ``site_2`` and ``siteid``."""
    word = re.compile(rf"\b({_JOINED_BEFORE}){{0,2}}({words})({_JOINED_AFTER}){{0,2}}\b")
    return any(word.search(re.sub(r"[\W\d_]+", " ", text.lower())) for text in texts)
