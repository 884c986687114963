"""A registry that people change while it is read, and what may be counted of each person in it.

A response is made record by record, in the order of the ids. Meanwhile people add, delete, rename and edit records,
move them to another group, or put the token's user into a group. So one response may hold a renamed record under both
of its names, or under neither.
"""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sandbox.redcap.app import Project, Row, User
from tests.support.builders import TOKEN, a_redcap_project, a_redcap_row

PEOPLE = 60
GROUPS = ("north", "south")
FIRST, LATER = "first_arm_1", "later_arm_1"
EVENTS = {FIRST: ("enrolment", "consent"), LATER: ("consent",)}
CHANGES = {"rename": 12, "add": 4, "delete": 3, "edit": 4, "visit": 2, "move": 2, "group the user": 1}
MOMENTS = (0, 1, 1, 1, 1, 2, 2, 3, 4, 5)  # the requests for records during which something may change


@dataclass(frozen=True)
class Person:
    """A person's data at a moment; the number never changes."""

    number: int
    group: str
    decision: str = "1"
    date: str = "2023-09-12"
    has_visit: bool = False

    def rows(self, record: str, *, has_events: bool) -> Iterator[Row]:
        """Yield the record; ``rider_a`` holds the number."""
        first = a_redcap_row(
            record, consent_date=self.date, consent_obtained=self.decision, rider_a=str(self.number),
            event=FIRST if has_events else "",
        )  # fmt: skip
        yield replace(first, group=self.group)
        if self.has_visit and has_events:
            yield Row(record, {"rider_a": str(self.number)}, event=LATER, group=self.group)


@dataclass
class ChangingRegistry:
    """The registry of a seed; in a calm one nothing changes."""

    seed: int
    calm: bool = False
    records: dict[str, Person] = field(default_factory=dict)
    requests: int = 0  # for records, so far

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.has_events, self.sites_by_group, self.in_batches = (self.chance.random() < 0.4 for _ in range(3))
        self.users = [User("pipeline", TOKEN)]
        self.states: set[Person] = set()
        for number in range(PEOPLE):
            self._save(f"{10 + number * 5:04}", Person(number, self.chance.choice(GROUPS), has_visit=number % 2 == 0))
        self.throughout = set(range(PEOPLE))  # the people who were never deleted
        self._due = [] if self.calm else self._choose_changes()

    @property
    def project(self) -> Project:
        """The registry as a REDCap project, read anew for every request."""
        events = EVENTS if self.has_events else None
        return a_redcap_project(rows=self._read, users=self.users, groups=GROUPS, events=events)

    def problems_of(self, counted: tuple[tuple[str, ...], ...]) -> list[str]:
        """Return what is wrong with the rows that were counted: a record, event, repeat, date, decision, number each.

        The group follows where it is the site.
        """
        records = Counter(number for _, number in {(row[0], row[6]) for row in counted})
        states = {(str(who.number), who.date, who.decision) for who in self.states}
        states |= {(*state, who.group) for who in self.states for state in states if state[0] == str(who.number)}
        found = [(row[6], row[4], row[5], *row[7:]) for row in counted if row[1] != LATER]
        return [
            *(f"person {number} was counted {times} times" for number, times in records.items() if times > 1),
            *(f"person {number} was lost" for number in self.throughout if str(number) not in records),
            *(f"person {state[0]} was never in the state {state[1:]}" for state in found if state not in states),
        ]

    def _choose_changes(self) -> list[tuple[int, int, str]]:
        """Choose moments (a request, and a number of records read for it) and changes; often two that are close."""
        chosen: list[tuple[int, int, str]] = []
        for _ in range(self.chance.randint(1, 4)):
            request, read = self.chance.choice(MOMENTS), self.chance.randrange(PEOPLE)
            for _ in range(self.chance.randint(1, 2)):
                (kind,) = self.chance.choices([*CHANGES], [*CHANGES.values()])
                chosen.append((request, read + self.chance.randrange(10), kind))
        return sorted(chosen)

    def _read(self) -> Iterator[Row]:
        request, self.requests = self.requests, self.requests + 1
        last, read = "", 0
        while True:
            while self._due and self._due[0] <= (request, read, "~"):
                self._change(self._due.pop(0)[2])
            if not (record := min((one for one in self.records if one > last), default="")):
                return
            yield from self.records[record].rows(record, has_events=self.has_events)
            last, read = record, read + 1

    def _change(self, kind: str) -> None:
        record = self.chance.choice([*self.records])
        who = self.records[record]
        match kind:
            case "rename":
                del self.records[record]
                self._save(self._free_name(), who)
            case "add":  # as REDCap numbers new records: the last name may have been another's
                number = 1 + max(state.number for state in self.states)
                self._save(f"{int(max(self.records)) + 1:04}", Person(number, self.chance.choice(GROUPS)))
            case "delete":
                self.throughout.discard(self.records.pop(record).number)
            case "edit":
                self._save(record, replace(who, decision="2", date=f"2023-09-{self.chance.randint(13, 28)}"))
            case "visit":
                self._save(record, replace(who, has_visit=not who.has_visit))
            case "move":
                self._save(record, replace(who, group=GROUPS[who.group == GROUPS[0]]))
            case "group the user":
                self.users[0] = replace(self.users[0], group=self.chance.choice(GROUPS))

    def _free_name(self) -> str:
        return self.chance.choice([name for n in range(400) if (name := f"{n:04}") not in self.records])

    def _save(self, record: str, who: Person) -> None:
        self.records[record] = who
        self.states.add(who)
