"""Add up what the fault campaign tried and what held."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.campaign.cases import FAMILIES, Case


@dataclass
class Score:
    """The result of a campaign; ``counted`` holds other events by name."""

    tried: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    with_duplicates: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    naive_tried: int = 0
    naive_found: int = 0

    def add(self, case: Case, counted: Counter[str], *, held: bool) -> None:
        """Add one case."""
        self.counted += counted
        for name in ("", *case.families):
            self.tried[name] += 1
            self.held[name] += held
            self.with_duplicates[name] += case.duplicated

    def as_plain(self) -> dict[str, Any]:
        """Return the result as plain values for another process."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}

    def add_all(self, other: Mapping[str, Any]) -> None:
        """Add the result of another process."""
        for name, value in other.items():
            setattr(self, name, getattr(self, name) + (Counter(value) if isinstance(value, dict) else value))

    def lines(self) -> Iterator[str]:
        """Return the table, line by line."""
        yield f"{'what went wrong':<28}{'tried':>8}{'held':>8}{'duplicated too':>17}"
        for name, title in [*((family, family) for family in FAMILIES), ("", "cases in all")]:
            yield f"{title:<28}{self.tried[name]:>8}{self.held[name]:>8}{self.with_duplicates[name]:>17}"
        yield ", ".join(f"{name}: {number}" for name, number in sorted(self.counted.items()))
        yield f"a naive job, played through {self.naive_tried} of the cases, was found out in {self.naive_found}"


SCORE = pytest.StashKey[Score]()
