"""An invented clinical registry of any size, with the irregularities of real consent records.

The same seed gives the same registry. People are generated one by one, so that a million of them need no memory. Each
has the *outcome* that a correct report must show; it comes from how the person was generated, not from counting.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import accumulate

from sandbox.redcap.project import Field, Project, Row, User

START = date(2023, 9, 11)
TOKEN = "5A4D0B0C0FFEE0FFA1C3E5B7D9F00A1B"  # noqa: S105 - valid only for the simulated REDCap
RIDERS = "abcdefgh"
SITES = ("hamilton", "kingston", "london", "ottawa", "toronto")
_UPTAKE = dict(zip(RIDERS, (0.92, 0.85, 0.71, 0.64, 0.88, 0.35, 0.78, 0.5), strict=True))


@dataclass(frozen=True)
class Consent:
    """One completed consent form: the decision's code, the date as entered, the accepted riders."""

    decision: str = ""
    date: str = ""
    riders: frozenset[str] = frozenset()
    other_riders: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """An invented participant with the expected result of counting.

    ``outcome`` is ``class`` or ``class/reason``; ``consented_on`` and ``riders`` are set for those who consented.
    """

    consents: tuple[Consent, ...]
    outcome: str
    consented_on: date | None = None
    riders: frozenset[str] = frozenset()
    taking_part: bool = False
    quality: frozenset[str] = frozenset()
    record: str = ""
    site: str = ""


class _Dice:
    """Random values for one registry."""

    def __init__(self, seed: int, today: date) -> None:
        self.chance = random.Random(seed)
        self.today = today
        self._days = (today - START).days

    def day(self) -> date:
        """Return a day of enrolment: few at first, then steady."""
        return START + timedelta(days=int(self._days * self.chance.random() ** 0.8))

    def riders(self) -> frozenset[str]:
        """Return the riders that one person accepted."""
        roll = self.chance.random
        return frozenset(rider for rider in RIDERS if roll() < _UPTAKE[rider])


def _consented(dice: _Dice) -> Person:
    day, riders = dice.day(), dice.riders()
    return Person((Consent("1", day.isoformat(), riders),), "consented", day, riders, taking_part=True)


def _consented_with_time(dice: _Dice) -> Person:
    day, riders = dice.day(), dice.riders()
    return Person((Consent("1", f"{day} 23:59", riders),), "consented", day, riders, taking_part=True)


def _unknown_rider_code(dice: _Dice) -> Person:
    day = dice.day()
    consent = Consent("1", day.isoformat(), other_riders={"b": "9"})
    return Person((consent,), "consented", day, taking_part=True, quality=frozenset({"unknown_code"}))


def _before_start(dice: _Dice) -> Person:
    day = START - timedelta(days=dice.chance.randint(1, 400))
    return Person((Consent("1", day.isoformat(), dice.riders()),), "not_counted/before_start", quality=_BEFORE_START)


def _future(dice: _Dice) -> Person:
    day = dice.today + timedelta(days=dice.chance.randint(1, 400))
    consents = (Consent("1", day.isoformat(), dice.riders()),)
    return Person(consents, "not_counted/future_date", quality=frozenset({"future_date"}))


def _unreadable(dice: _Dice) -> Person:
    day = dice.day()
    text = dice.chance.choice((f"{day:%d/%m/%Y}", f"{day:%m-%d-%Y}", f"{day:%Y-%m}", "spring", f"{day:%Y-%m}-31x"))
    consents = (Consent("1", text, dice.riders()),)
    return Person(consents, "not_counted/unreadable_date", quality=frozenset({"unreadable_date"}))


def _dated_but_pending(dice: _Dice) -> Person:
    consents = (Consent(dice.chance.choice(("", "0")), dice.day().isoformat()),)
    return Person(consents, "pending/open", quality=frozenset({"dated_but_pending"}))


def _always(outcome: str, *consents: Consent, quality: str = "") -> Callable[[_Dice], Person]:
    draft = Person(consents, outcome, quality=frozenset({quality}) - {""})
    return lambda dice: draft


_BEFORE_START = frozenset({"before_start"})
_OPEN = "Consent not completed"
_KINDS: dict[str, tuple[float, Callable[[_Dice], Person]]] = {
    "consented": (78, _consented),
    "consented, with a time of day": (2, _consented_with_time),
    "unknown rider code": (0.4, _unknown_rider_code),
    "not started": (7, _always("pending/not_started")),
    "form touched": (1.5, _always("pending/not_started", Consent())),
    "open": (5, _always("pending/open", Consent("0", _OPEN))),
    "open without words": (1, _always("pending/open", Consent("0"))),
    "dated but pending": (1, _dated_but_pending),
    "agreed but open": (0.8, _always("pending/open", Consent("1", _OPEN), quality="agreed_but_open")),
    "no date": (0.8, _always("not_counted/no_date", Consent("1"), quality="no_date")),
    "unreadable date": (0.7, _unreadable),
    "before the start": (0.6, _before_start),
    "in the future": (0.4, _future),
    "code no longer in use": (0.3, _always("not_counted/unknown_code", Consent("7"), quality="unknown_code")),
    "rider without consent": (
        0.5,
        _always("pending/open", Consent("0", _OPEN, frozenset("a")), quality="rider_without_consent"),
    ),
}


def people(number: int, *, seed: int = 2023, today: date) -> Iterator[Person]:
    """Yield this many people as of a day; the first few are one of each kind."""
    dice = _Dice(seed, today)
    makers = [make for _, make in _KINDS.values()]
    weights = list(accumulate(weight for weight, _ in _KINDS.values()))
    for index in range(number):
        (make,) = (makers[index],) if index < len(makers) else dice.chance.choices(makers, cum_weights=weights)
        yield replace(make(dice), record=_record_id(index), site=dice.chance.choice(SITES))


def _record_id(index: int) -> str:
    """Return an id as sites assign them: with leading zeros, with a site's number and a dash, or plain."""
    kind, number = index % 3, index // 3 + 1
    return f"0{number:05d}" if kind == 0 else f"{number % 5 + 1}-{number}" if kind == 1 else str(number)


def registry(number: int, *, seed: int = 2023, today: date, more_fields: int = 0, token: str = TOKEN) -> Project:
    """Return the people as a classic REDCap project for the packaged study file, with fields it must not request."""
    fields = [
        Field("record_id", "enrolment", label="Record ID"),
        Field("first_name", "enrolment", label="First name", identifier=True),
        Field("date_of_birth", "enrolment", label="Date of birth", validation="date_ymd", identifier=True),
        Field("notes", "enrolment", type="notes", label="Notes"),
        Field("consent_obtained", "consent_summary", "radio", "Consent", "1, Obtained | 0, Not obtained"),
        Field("summary_consent_date", "consent_summary", label="Date of consent"),
        *(Field(f"summary_event_{rider}", "consent_summary", "calc", f"Rider {rider}") for rider in RIDERS),
        *(Field(f"visit_item_{n}", f"visit_{n // 50 + 1}", label=f"Item {n}") for n in range(more_fields)),
    ]
    filler = {f"visit_item_{n}": "0.9033457249070632" for n in range(more_fields)}
    return Project(
        fields=fields,
        rows=lambda: (_classic_row(person, filler) for person in people(number, seed=seed, today=today)),
        users=[User("consent_reports", token)],
        title="OBRI-IBD registry (made up)",
        groups=SITES,
    )


def _classic_row(person: Person, filler: dict[str, str]) -> Row:
    values = {
        "first_name": "Invented",
        "date_of_birth": "1970-01-01",
        "notes": 'Line one\nline two, "quoted"',
        **filler,
    }
    for consent in person.consents:
        values |= {"summary_consent_date": consent.date, "consent_obtained": consent.decision}
        if consent.decision == "1":
            values |= {f"summary_event_{rider}": "0" for rider in RIDERS}
        values |= {f"summary_event_{rider}": "1" for rider in consent.riders}
        values |= {f"summary_event_{rider}": code for rider, code in consent.other_riders.items()}
        values["consent_summary_complete"] = "2"
    return Row(person.record, values, group=person.site)


@dataclass(frozen=True)
class ExpectedCounts:
    """The counts that a correct report of a registry shows; weeks by their first day."""

    outcomes: Counter[str]
    weeks: Counter[date]
    riders: Counter[str]
    quality: Counter[str]

    @property
    def total(self) -> int:
        """The number of people."""
        return self.outcomes.total()


def expected_counts(persons: Iterator[Person]) -> ExpectedCounts:
    """Return the counts that a correct report of these people shows."""
    counts = ExpectedCounts(Counter(), Counter(), Counter(), Counter())
    for person in persons:
        counts.outcomes[person.outcome] += 1
        counts.quality.update(person.quality)
        counts.riders.update(person.riders)
        if person.consented_on:
            counts.weeks[START + timedelta(days=(person.consented_on - START).days // 7 * 7)] += 1
    return counts
