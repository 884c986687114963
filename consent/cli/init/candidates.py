"""Which fields of a project could be the parts of a study file: found by kind, those first that speak of the part.

Pure. Decides for nothing: whether a field is the right one, and what its codes mean, is for a person to say.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from consent.redcap.dictionary import TIMESTAMP, Project, ProjectField

MOST = 40  # candidates that are listed for a part
MOST_OPTIONS = 10  # of one checkbox, before all other fields have had their turn
CONSENT = r"consent|assent|icf|agree"
RIDER = rf"rider|optional|biobank|future|contact|{CONSENT}"
WITHDRAWAL = r"withdr[ae]w|revok|discontinu|opt.?out"
SITE = r"site|cent(re|er)|hospital|clinic|location"
VERSION = r"version"

_ANSWERS = ("yesno", "truefalse", "radio", "dropdown", "checkbox", "calc")
_FAR = 2
_ONE_OF_SEVERAL = ("radio", "dropdown")
_DATE_WORDS = rf"date|signed|{CONSENT}|{WITHDRAWAL}"
_DATE_TAGS = r"@(TODAY|NOW|CALCDATE|CALCTEXT)\b"
_KINDS = {"yesno": "yes/no", "truefalse": "true/false", "radio": "radio buttons", "calc": "calculated"}


@dataclass(frozen=True)
class Candidate:
    """A field (or a checkbox option ``field(code)``, or a timestamp) as a study file names it, and what it is.

    codes: pairs of code and label, where the field has options. place: of an option among those of its checkbox.
    """

    name: str
    label: str
    kind: str
    form: str
    codes: tuple[tuple[str, str], ...] = ()
    place: int = 0

    @property
    def is_yes_or_no(self) -> bool:
        """Whether REDCap itself has ``1`` mean yes here."""
        return self.kind in ("yes/no", "true/false", "checkbox option")


@dataclass(frozen=True)
class Candidates:
    """The candidates for one part, likelier ones first; ``more`` are of the right kind and not listed."""

    listed: tuple[Candidate, ...]
    more: int = 0


@dataclass(frozen=True)
class StudyCandidates:
    """The candidates for every part of a study file that names fields."""

    dates: Candidates
    decisions: Candidates
    riders: Candidates
    sites: Candidates
    versions: Candidates
    withdrawal_flags: Candidates
    withdrawal_dates: Candidates
    withdrawal_extents: Candidates


def study_candidates(project: Project) -> StudyCandidates:
    """What each part of a study file could name in this project."""
    usable = [each for each in project.fields[1:] if re.fullmatch(r"[a-z][a-z0-9_]*", each.name)]
    answers = _of_kind(usable, lambda each: each.type in _ANSWERS)
    choices = _of_kind(usable, lambda each: each.type in _ONE_OF_SEVERAL)
    versions = _of_kind(usable, lambda each: each.type in _ONE_OF_SEVERAL or _is_text_about(each, VERSION))
    dates = [*_of_kind(usable, _could_be_date), *_timestamps(project)]
    return StudyCandidates(
        dates=_listed(dates, CONSENT),
        decisions=_listed(answers, CONSENT),
        riders=_listed(answers, RIDER),
        sites=_speaking(choices, SITE),
        versions=_speaking(versions, VERSION),
        withdrawal_flags=_speaking(answers, WITHDRAWAL),
        withdrawal_dates=_speaking(dates, WITHDRAWAL),
        withdrawal_extents=_speaking(choices, WITHDRAWAL),
    )


def _listed(candidates: Iterable[Candidate], words: str) -> Candidates:
    """Those first that speak of the part by name or label, then those on a form that does, then all others.

    Of a checkbox with many options (languages, say) the later ones come last of all, or nothing else would be seen.
    """
    ordered = sorted(candidates, key=lambda one: (one.place >= MOST_OPTIONS, _distance(one, words)))
    return Candidates(tuple(ordered[:MOST]), len(ordered[MOST:]))


def _speaking(candidates: Sequence[Candidate], words: str) -> Candidates:
    """Those alone that speak of the part, or are on a form that does: for parts that few projects have."""
    close = [candidate for candidate in candidates if _distance(candidate, words) < _FAR]
    listed = _listed(close, words).listed
    return Candidates(listed, len(candidates) - len(listed))


def _distance(candidate: Candidate, words: str) -> int:
    if _speaks(words, candidate.name, candidate.label):
        return 0
    return 1 if _speaks(words, candidate.form) else _FAR


def _of_kind(fields: list[ProjectField], is_right: Callable[[ProjectField], bool]) -> list[Candidate]:
    return [candidate for each in fields if is_right(each) for candidate in _candidates(each)]


def _candidates(each: ProjectField) -> Iterator[Candidate]:
    if each.type != "checkbox":
        yield Candidate(each.name, each.label, _kind(each), each.form, each.choices)
        return
    for place, (code, label) in enumerate(each.choices):
        if re.fullmatch(r"[^()\"\\]+", code) and code.isprintable():
            yield Candidate(f"{each.name}({code})", f"{each.label}: {label}", "checkbox option", each.form, place=place)


def _kind(each: ProjectField) -> str:
    kind = each.validation or _KINDS.get(each.type, each.type)
    if each.type == "text" and not each.validation:
        kind = "text, not validated"
    return f"{kind}, identifier" if each.is_identifier else kind


def _could_be_date(each: ProjectField) -> bool:
    if each.is_date or re.search(_DATE_TAGS, each.annotation):
        return True
    return _is_text_about(each, _DATE_WORDS)


def _is_text_about(each: ProjectField, words: str) -> bool:
    is_text = each.type in ("text", "calc") and not each.validation
    return is_text and _speaks(words, each.name, each.label)


def _timestamps(project: Project) -> Iterator[Candidate]:
    """The completion times of forms that speak of consent or withdrawal, in case they are surveys."""
    if project.surveys is False:
        return
    words = rf"{CONSENT}|{WITHDRAWAL}"
    for form in project.forms:
        own = (f"{each.name} {each.label}" for each in project.fields if each.form == form)
        if re.fullmatch(r"[a-z][a-z0-9_]*", form) and _speaks(words, form, *own):
            yield Candidate(f"{form}{TIMESTAMP}", f"when the survey {form} was completed", "if it is a survey", form)


def _speaks(words: str, *texts: str) -> bool:
    return any(re.search(words, text, re.IGNORECASE) for text in texts)
