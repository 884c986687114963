"""An invented longitudinal registry whose people decide more than once: they agree again, or refuse later.

As in ``people``, each has the expected outcome. The consent form repeats in the second event, decisions are radio
buttons, optional consents are checkboxes, and e-consents are certified.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from sandbox.people import SITES, START, TOKEN
from sandbox.redcap.project import Field, Project, Row, User

ENROLMENT, FOLLOW_UP = "enrolment_arm_1", "year_2_arm_1"
OPTIONS = "ab"
MISSING = "-999"


@dataclass(frozen=True)
class Visit:
    """One consent form, with its date as entered; an ``instance`` is in the second event."""

    decision: str
    date: str
    options: frozenset[str] = frozenset()
    instance: int | None = None
    certified: bool = True


@dataclass(frozen=True)
class ReturningPerson:
    """An invented participant with all visits and the expected result of counting."""

    record: str
    site: str
    visits: tuple[Visit, ...]
    outcome: str
    consented_on: date | None = None
    riders: frozenset[str] = frozenset()
    taking_part: bool = False
    is_test: bool = False
    cohort: str = "ibd"


_Story = tuple[tuple[Visit, ...], str, date | None, frozenset[str], bool]
_A, _B, _NONE = frozenset("a"), frozenset("b"), frozenset[str]()


def _agreed_once(first: date, later: date) -> _Story:
    return (Visit("1", f"{first}", _A),), "consented", first, _A, True


def _agreed_again(first: date, later: date) -> _Story:
    return (Visit("1", f"{first}", _A), Visit("1", f"{later}", _B, 1)), "consented", first, _B, True


def _agreed_twice_in_a_day(first: date, later: date) -> _Story:
    visits = (Visit("1", f"{first}", _A), Visit("1", f"{later}", _A, 1), Visit("1", f"{later}", _B, 2))
    return visits, "consented", first, _B, True


def _refused_later(first: date, later: date) -> _Story:
    return (Visit("1", f"{first}", _A), Visit("2", f"{later}", _NONE, 1)), "consented", first, _A, False


def _refused_later_undated(first: date, later: date) -> _Story:
    return (Visit("1", f"{first}", _A), Visit("2", "", _NONE, 1)), "consented", first, _A, False


def _refused(first: date, later: date) -> _Story:
    return (Visit("2", f"{first}"),), "declined", None, _NONE, False


def _changed_their_mind(first: date, later: date) -> _Story:
    return (Visit("2", f"{first}"), Visit("1", f"{later}", _A, 1)), "consented", later, _A, True


def _too_early(first: date, later: date) -> _Story:
    early = START - timedelta(days=3)
    return (Visit("1", f"{early}", _A), Visit("1", f"{later}", _A, 1)), "not_counted/before_start", None, _NONE, False


def _undated_then_dated(first: date, later: date) -> _Story:
    return (Visit("1", "", _A), Visit("1", f"{later}", _B, 1)), "consented", later, _B, True


def _missing_date(first: date, later: date) -> _Story:
    return (Visit("1", MISSING, _A),), "not_counted/no_date", None, _NONE, False


def _missing_decision(first: date, later: date) -> _Story:
    return (Visit(MISSING, ""),), "pending/open", None, _NONE, False


def _never_certified(first: date, later: date) -> _Story:
    return (Visit("1", f"{first}", _A, certified=False),), "pending/open", None, _NONE, False


def _not_started(first: date, later: date) -> _Story:
    return (), "pending/not_started", None, _NONE, False


_STORIES: tuple[Callable[[date, date], _Story], ...] = (
    _agreed_once,
    _agreed_again,
    _agreed_twice_in_a_day,
    _refused_later,
    _refused_later_undated,
    _refused,
    _changed_their_mind,
    _too_early,
    _undated_then_dated,
    _missing_date,
    _missing_decision,
    _never_certified,
    _not_started,
)


def returning_people(number: int, *, seed: int = 2023, today: date) -> Iterator[ReturningPerson]:
    """Yield this many people as of a day; each ninth is a test record, each eleventh is of another cohort."""
    chance = random.Random(seed)
    for index in range(number):
        days = sorted(chance.sample(range((today - START).days), 2))
        visits, outcome, consented_on, riders, taking_part = _STORIES[index % len(_STORIES)](
            START + timedelta(days=days[0]), START + timedelta(days=days[1])
        )
        person = ReturningPerson(
            record=f"{index % 4 + 1}-{index}",
            site=chance.choice(SITES),
            visits=visits,
            outcome=outcome,
            consented_on=consented_on,
            riders=riders,
            taking_part=taking_part,
        )
        yield _with_exceptions(person, index)


def _with_exceptions(person: ReturningPerson, index: int) -> ReturningPerson:
    if index % 9 == 8:
        return ReturningPerson(person.record, person.site, person.visits, "left_out/test record", is_test=True)
    if index % 11 == 10:
        return ReturningPerson(person.record, person.site, person.visits, "outside", cohort="other")
    return person


def returning_registry(number: int, *, seed: int = 2023, today: date, token: str = TOKEN) -> Project:
    """Return the people as a longitudinal REDCap project with a repeating consent form."""
    return Project(
        fields=[
            Field("study_id", "demographics", label="Study ID"),
            Field("is_test", "demographics", "yesno", "Test record"),
            Field("cohort", "demographics", "dropdown", "Cohort", "ibd, IBD | other, Other"),
            Field("consent_decision", "consent", "radio", "Decision", "1, Agreed | 2, Declined | 0, Not yet"),
            Field("consent_date", "consent", validation="date_ymd", label="Date of consent"),
            Field("consent_options", "consent", "checkbox", "Optional", "a, Biobank | b, Contact"),
        ],
        rows=lambda: (row for person in returning_people(number, seed=seed, today=today) for row in _rows(person)),
        users=[User("consent_reports", token)],
        title="Returning participants (invented)",
        events={ENROLMENT: ["demographics", "consent"], FOLLOW_UP: ["consent"]},
        repeating_forms={(FOLLOW_UP, "consent")},
        groups=SITES,
        missing_data_codes=f"{MISSING}, Not asked",
    )


def _rows(person: ReturningPerson) -> Iterator[Row]:
    about = {"is_test": "1" if person.is_test else "0", "cohort": person.cohort, "demographics_complete": "2"}
    at_enrolment = [visit for visit in person.visits if visit.instance is None]
    yield Row(person.record, about | _values(at_enrolment), event=ENROLMENT, group=person.site)
    for visit in person.visits:
        if visit.instance is not None:
            yield Row(person.record, _values([visit]), FOLLOW_UP, "consent", visit.instance, person.site)


def _values(visits: list[Visit]) -> dict[str, str]:
    values: dict[str, str] = {}
    for visit in visits:
        values |= {"consent_decision": visit.decision, "consent_date": visit.date}
        values |= {f"consent_options___{option}": "1" if option in visit.options else "0" for option in OPTIONS}
        values["consent_complete"] = "2" if visit.certified else "0"
    return values
