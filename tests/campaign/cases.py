"""What goes wrong in each case of the fault campaign, chosen at random by the case's seed."""

import random
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import product
from typing import Literal, get_args

FIRST_SEED = 20261123

Place = Literal["redcap", "dropbox", "storage"]
Trouble = Literal["down", "slow", "resetting", "rubbish", "answers lost", "answers cut", "uploads late"]
Asked = Literal["nothing", "now", "an older day"]

PLACES: tuple[Place, ...] = get_args(Place)
TROUBLES: tuple[Trouble, ...] = get_args(Trouble)[:-1]  # at every place; uploads are late at Dropbox alone
AT_ONCE, FROZEN, CLOCKS = "two workers at once", "a worker frozen", "clocks differ"
KILLED, FORGOTTEN = "process killed", "message lost"
LATE, TWO_HISTORIES = "dropbox uploads late", "two histories"
FAMILIES = (
    *(f"{place} {trouble}" for place, trouble in product(PLACES, TROUBLES)),
    *(AT_ONCE, FROZEN, CLOCKS, KILLED, FORGOTTEN, LATE, TWO_HISTORIES),
)

REQUESTS_OF_A_RUN = 56  # of one that delivers a report; none makes fewer
EXPORT, FIRST_WRITE = 13, 25  # which of them ask for the records, and begin to deliver


@dataclass(frozen=True)
class Outage:
    """An outage at one place, from the first timer on; its own seed decides how it comes and goes."""

    place: Place
    trouble: Trouble
    lasts: timedelta
    seed: int


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        families: what it is counted under.
        duplicated: messages are delivered more than once.
        has_history: the report of the week before already stands in the folder.
        asked: a person asks for a run as well, of today or as of an older day.
        growths: when people join the registry, after the first tick.
        at_once: both workers are handed a message at the same time, while people join the registry.
        skew: how far the second worker's clock is ahead of the first one's.
        killed_at: at which of its requests the first run's process is killed, and whether that request is still served.
        frozen_at: at which request a worker is held up, whether before that is served or after, and for how long;
            meanwhile somebody joins the registry, and the other worker is handed a message too.
        forgets: the messages of the first tick never reach the queue.
        two_histories: another machine, with a run history of its own, delivers the same study to the same folder; the
            worker that a fault holds up or that has a rival meets that machine.
    """

    seed: int
    families: tuple[str, ...] = ()
    spells: tuple[Outage, ...] = ()
    duplicated: bool = False
    has_history: bool = False
    asked: Asked = "nothing"
    growths: tuple[timedelta, ...] = ()
    skew: timedelta = timedelta(0)
    at_once: bool = False
    killed_at: int | None = None
    killed_after_work: bool = False
    frozen_at: int | None = None
    frozen_after_work: bool = False
    frozen_for: timedelta = timedelta(0)
    loses_messages: bool = False
    two_histories: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Return the families, and whether messages are duplicated."""
        return (*self.families, *(["delivered twice"] if self.duplicated else []))


def seeds(runs: int) -> range:
    """Return the seeds of a campaign of so many cases."""
    return range(FIRST_SEED, FIRST_SEED + runs)


def case_of(seed: int) -> Case:
    """Return the case of a seed: every family in turn, with and without duplication, the rest at random."""
    chance, number = random.Random(seed), seed - FIRST_SEED
    first = FAMILIES[number % len(FAMILIES)]
    duplicated = number // len(FAMILIES) % 2 == 1
    usual = chance.choices([chance.choice(FAMILIES), None], [1, 2])
    others = {1: [LATE], 4: [KILLED], 7: [TWO_HISTORIES]}.get(number % 9, usual)
    families = tuple(dict.fromkeys(name for name in (first, *others) if name))
    case = Case(
        seed,
        families,
        duplicated=duplicated,
        at_once=duplicated and chance.random() < 0.5,
        has_history=chance.random() < 0.5,
        asked=chance.choices(get_args(Asked), [5, 3, 1])[0],
        growths=tuple(timedelta(minutes=chance.uniform(0, 90)) for _ in range(chance.randint(1, 4))),
    )
    for family in families:
        case = _with(family, case, chance)
    return case


def _with(family: str, case: Case, chance: random.Random) -> Case:
    if family == TWO_HISTORIES:
        meets = _with(chance.choice((AT_ONCE, FROZEN)), case, chance)
        return replace(meets, two_histories=True, frozen_for=timedelta(minutes=chance.choice((0, 1, 11))))
    if family == AT_ONCE:
        return replace(case, at_once=True)
    if family == FROZEN:
        at = chance.choice(
            (EXPORT, chance.randint(1, REQUESTS_OF_A_RUN), chance.randint(FIRST_WRITE, REQUESTS_OF_A_RUN))
        )
        minutes = chance.choice((1, 9.5, 11, 11, 30))
        served = chance.random() < 0.5
        return replace(case, frozen_at=at, frozen_after_work=served, frozen_for=timedelta(minutes=minutes))
    if family == CLOCKS:
        return replace(case, skew=timedelta(seconds=chance.uniform(-290, 290)), at_once=True)
    if family == KILLED:
        at, asked = chance.randint(1, REQUESTS_OF_A_RUN), "an older day" if case.asked == "now" else case.asked
        return replace(case, killed_at=at, killed_after_work=chance.random() < 0.5, asked=asked)
    if family == FORGOTTEN:
        return replace(case, loses_messages=True)
    return replace(case, spells=(*case.spells, _spell(family, chance)))


def _spell(family: str, chance: random.Random) -> Outage:
    troubles = [*product(PLACES, TROUBLES), ("dropbox", "uploads late")]
    place, trouble = next((place, trouble) for place, trouble in troubles if family == f"{place} {trouble}")
    minutes = chance.choice((chance.uniform(0.2, 5), chance.uniform(5, 60), chance.uniform(60, 100)))
    return Outage(place, trouble, timedelta(minutes=minutes), chance.randrange(2**32))
