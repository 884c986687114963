"""The cells of a column: each distinct value once, and its number for each cell. So each value is converted once.

pandas has the same as ``Categorical``, but importing it takes longer than counting a hundred thousand records.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True)
class Cells:
    """The different values, and the number of each cell's value. Not every value need occur."""

    values: tuple[str, ...]
    numbers: Array

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Cells":
        """Return cells with these texts."""
        number_of: dict[str, int] = {}
        numbers = [number_of.setdefault(text, len(number_of)) for text in texts]
        return cls(tuple(number_of), np.array(numbers, dtype=np.int32))

    @classmethod
    def blank(cls, size: int) -> "Cells":
        """Return this many blank cells."""
        return cls(("",), np.zeros(size, dtype=np.int8))

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, at: Array | slice) -> "Cells":
        """Return the cells at these positions, or the flagged ones."""
        return Cells(self.values, self.numbers[at])

    def tolist(self) -> list[str]:
        """Return the text of each cell."""
        return list(map(self.values.__getitem__, self.numbers.tolist()))

    def counted(self) -> Counter[str]:
        """Return how many cells have each value."""
        counts = np.bincount(self.numbers, minlength=len(self.values)).tolist()
        return +Counter(dict(zip(self.values, counts, strict=True)))

    def converted(self, by_value: Sequence[object] | Array, dtype: Any = None) -> Array:
        """Return what belongs to each cell's value; ``by_value`` has one entry for each of the values."""
        return np.array(by_value, dtype=dtype).take(self.numbers)

    def is_in(self, *texts: str) -> Array:
        """Flag the cells with one of these texts."""
        wanted = {*texts}
        return self.converted([value in wanted for value in self.values], bool)

    def replaced(self, flags: Array, others: "Cells") -> "Cells":
        """Return the other cells where flagged, and these elsewhere."""
        if not flags.any():
            return self
        number_of = {value: n for n, value in enumerate(dict.fromkeys((*self.values, *others.values)))}
        theirs = others.converted([number_of[value] for value in others.values], np.int32)
        return Cells(tuple(number_of), np.where(flags, theirs, self.numbers))

    def blanked(self, flags: Array) -> "Cells":
        """Blank the flagged cells."""
        return self.replaced(flags, Cells.blank(len(self)))

    def at(self, positions: Array) -> "Cells":
        """Return the cells at these positions, blank for -1."""
        return Cells(self.values, np.append(self.numbers, 0)[positions]).blanked(positions == -1)
