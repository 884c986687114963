"""The cost of more weeks: 100,000 participants whose consents are spread over 52 weeks, and over 520.

Measures from REDCap's rows to the finished numbers, in batches like the run, without reading or writing files. For
comparison, it also computes the weekly numbers by scanning all participants once per week.
"""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import TypeVar

import numpy as np

from benchmarks.job import packaged_study
from benchmarks.measure import Figure, at_most, hand_over, say
from consent.counting.consents import CONSENTED, Counting, Table
from consent.counting.participants import build_participants
from consent.counting.period import ReportPeriod
from consent.counting.riders import AGREED
from consent.counting.summarise import summarise
from consent.counting.summary import Source, WeekCount
from consent.counting.tally import Tally, tally_participants
from consent.redcap.arrivals import ReceivedRows, Rows, RowShape, record_batches
from consent.redcap.csv_export import csv_column_map
from consent.redcap.csv_response import read_table
from sandbox.people import START, registry
from sandbox.redcap.formats import csv_pieces

T = TypeVar("T")

PARTICIPANTS = 100_000
FEW, MANY = 52, 520  # weeks
REPETITIONS = 9
MOST = 1.2


@dataclass(frozen=True)
class Registry:
    """The rows of all participants in batches, and the counting rules."""

    batches: list[Rows]
    counting: Counting

    def tally(self, batch: Rows) -> Tally:
        """Return the counts of one batch."""
        return tally_participants(build_participants(batch, self.counting), self.counting.period.start)

    def weeks_of(self, tally: Tally) -> tuple[WeekCount, ...]:
        """Return the weekly numbers of a report."""
        source = Source(None, None, None, PARTICIPANTS)
        return summarise(tally, self.counting.study, self.counting.period, source).weeks

    def participants(self) -> list[Table]:
        """Return one row per participant, in batches."""
        return [build_participants(batch, self.counting) for batch in self.batches]


def registry_over(weeks: int) -> Registry:
    """Return the same people for any number of weeks; only their consent dates are further apart."""
    study, last_day = packaged_study(), START + timedelta(days=7 * weeks - 1)
    project = registry(PARTICIPANTS, today=last_day)
    coding = csv_column_map(study, project.id_field.name)
    shape = RowShape(project.id_field.name, values=tuple(dict.fromkeys(coding.columns.values())), structure=())
    rows = [[row.record, *(row.values.get(name, "") for name in shape.values)] for row in project.read()]
    period = ReportPeriod(START, last_day, exported_on=last_day + timedelta(days=1))
    text = csv_pieces([shape.record_id, *shape.values], rows)
    table = read_table(text, {"content-type": "text/csv"})
    return Registry([*record_batches(table.batches(shape), ReceivedRows())], Counting(study, coding, period))


def rescanned(batches: Sequence[Table], counting: Counting) -> Iterator[WeekCount]:
    """Yield the weekly numbers by scanning everybody again for each week."""
    names = {"": "participant_class", **{rider.key: f"rider:{rider.key}" for rider in counting.study.riders}}
    for week in counting.period.weeks:
        first, last = np.datetime64(week.first_day), np.datetime64(week.last_day)
        counts: Counter[str] = Counter()
        for batch in batches:
            within = (batch["consented_on"] >= first) & (batch["consented_on"] <= last)
            for key, name in names.items():
                counts[key] += int((within & batch[name].is_in(AGREED if key else CONSENTED)).sum())
        consented = counts.pop("")
        yield WeekCount(week.first_day, week.last_day, week.complete, consented, dict(counts))


@dataclass
class Count:
    """A count in progress, and its CPU seconds so far."""

    registry: Registry
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0

    def add(self, batch: Rows) -> None:
        """Count one more batch."""
        started = time.process_time()
        self.tally = self.tally + self.registry.tally(batch)
        self.seconds += time.process_time() - started

    def finish(self) -> None:
        """Compute the report's numbers from the tally."""
        started = time.process_time()
        self.registry.weeks_of(self.tally)
        self.seconds += time.process_time() - started


def times_as_long(few: Registry, many: Registry) -> float:
    """Return the time ratio of many to few weeks in one repetition; batches alternate, because speed varies."""
    counts = (Count(few), Count(many))
    gc.collect()
    for batches in zip(few.batches, many.batches, strict=True):
        for count, batch in zip(counts, batches, strict=True):
            count.add(batch)
    for count in counts:
        count.finish()
    return counts[1].seconds / counts[0].seconds


def rescan_takes(one: Registry) -> float:
    """Return the time of a scan per week, divided by the time of adding up the tallies."""
    participants = one.participants()
    start = one.counting.period.start

    def added_up() -> tuple[WeekCount, ...]:
        return one.weeks_of(sum((tally_participants(batch, start) for batch in participants), Tally()))

    ours, seconds = zip(*(timed(added_up) for _ in range(REPETITIONS)), strict=True)
    theirs, rescan_seconds = timed(lambda: tuple(rescanned(participants, one.counting)))
    if theirs != ours[0]:
        raise SystemExit("The scan per week gave other numbers, so one of the two is wrong.")
    return rescan_seconds / float(median(seconds))


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return the result of the work and its CPU seconds."""
    started = time.process_time()
    return work(), time.process_time() - started


def main() -> None:
    """Measure the cost of more weeks, then the comparison."""
    say(f"counting {PARTICIPANTS:,} participants over {FEW} and over {MANY} weeks")
    few, many = registry_over(FEW), registry_over(MANY)
    longer = median(times_as_long(few, many) for _ in range(REPETITIONS))
    what = f"{PARTICIPANTS:,} participants: CPU time for {MANY} weeks, relative to {FEW}"
    rescan = f"{rescan_takes(few):.0f}x at {FEW} weeks, {rescan_takes(many):.0f}x at {MANY}"
    hand_over([at_most(what, longer, MOST, "x"), Figure("  a scan of all participants per week would take", rescan)])


if __name__ == "__main__":
    main()
