"""Tests of the projection: the days of the target, on simulated registries and as laws."""

from collections.abc import Callable, Iterator
from dataclasses import astuple
from datetime import date, timedelta
from itertools import pairwise, product
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.counting.period import ReportPeriod
from consent.counting.projection import FEWEST_CONSENTS, FEWEST_WEEKS, Projection, project

START = date(2023, 9, 11)
WEEKS = st.lists(st.integers(0, 12), min_size=FEWEST_WEEKS, max_size=60).filter(lambda weeks: sum(weeks[-8:]) >= 20)


def projected(weeks: list[int], target: int) -> tuple[Projection | None, str | None]:
    """Project on the day after the last complete week."""
    today = START + timedelta(weeks=len(weeks))
    return project(weeks, sum(weeks), target, ReportPeriod(START, today - timedelta(days=1), today))


def projection_of(weeks: list[int], missing: int) -> Projection:
    found, because = projected(weeks, sum(weeks) + missing)
    assert found is not None, because
    return found


PACES: dict[str, Callable[[float, int, np.random.Generator], float | np.ndarray]] = {
    "steady": lambda rate, _weeks, _random: rate,
    "two and a half times the variance": lambda rate, weeks, random: random.gamma(rate / 1.5, 1.5, weeks),
    "drifting by 1% a week": lambda rate, weeks, random: rate * np.exp(np.cumsum(random.normal(0, 0.01, weeks))),
}


def simulated(pace: str) -> Iterator[bool]:
    """Yield for each of many registries whether the range holds the true day."""
    random = np.random.default_rng(20_26)
    for rate, weeks, ahead, _ in product((3, 10, 25), (10, 26, 52, 104), (8, 26), range(64)):
        counts = random.poisson(PACES[pace](rate, weeks + 300, random), weeks + 300)
        known, coming = [int(count) for count in counts[:weeks]], counts[weeks:]
        instants = np.sort(np.repeat(np.arange(300), coming) + random.random(coming.sum()))
        if sum(known) >= FEWEST_CONSENTS:
            found = projection_of(known, rate * ahead)
            day = found.fan[0].day + timedelta(days=ceil(7 * instants[rate * ahead - 1]))
            yield found.earliest <= day <= (found.latest or date.max)


@pytest.mark.parametrize("pace", PACES)
def test_the_range_holds_the_true_day_in_75_to_85_percent(pace: str) -> None:
    hits = list(simulated(pace))

    assert len(hits) > 1400
    assert 0.75 <= np.mean(hits) <= 0.85


@given(weeks=WEEKS, missing=st.integers(1, 200), week=st.integers(-FEWEST_WEEKS, -1), more=st.integers(1, 30))
def test_more_recent_consents_never_make_the_middle_later(weeks: list[int], missing: int, week: int, more: int) -> None:
    busier = [*weeks]
    busier[week] += more

    assert projection_of(busier, missing).middle <= projection_of(weeks, missing + more).middle


@given(weeks=WEEKS, missing=st.integers(1, 200))
def test_the_days_and_the_fan_are_in_order(weeks: list[int], missing: int) -> None:
    found = projection_of(weeks, missing)
    fan = [astuple(point)[1:] for point in found.fan]

    assert found.fan[0].day < found.earliest <= found.middle <= (found.latest or date.max)
    assert fan[0] == (sum(weeks),) * 3
    assert all(later.day - point.day == timedelta(weeks=1) for point, later in pairwise(found.fan))
    assert all(low <= middle <= high for low, middle, high in fan)
    assert all(before <= after for week, later in pairwise(fan) for before, after in zip(week, later, strict=True))


@given(weeks=WEEKS, missing=st.integers(20, 200))
def test_the_fan_crosses_the_target_on_the_projected_days(weeks: list[int], missing: int) -> None:
    found, target = projection_of(weeks, missing), sum(weeks) + missing
    for crossing, side in ((found.earliest, "high"), (found.middle, "middle"), (found.latest, "low")):
        reached = [point.day for point in found.fan if getattr(point, side) > target - 0.1]
        if crossing:
            assert reached
            assert crossing - timedelta(days=1) <= reached[0] <= crossing + timedelta(weeks=1)


@pytest.mark.parametrize(
    ("weeks", "target", "because"),
    [
        ([10] * 7, 100, "too few weeks or consents"),
        ([*[2] * 7, 5], 100, "too few weeks or consents"),
        ([10] * 10, 100, "target reached"),
        ([*[10] * 8, *[0] * 12], 100, "not reached at the recent pace"),
        ([*[10] * 8, *[0] * 11, 1], 1000, "not reached at the recent pace"),
        ([*[2] * 7, 6], 100, None),
        ([3] * 8, 100, None),
    ],
)
def test_there_is_a_projection_or_a_reason_for_none(weeks: list[int], target: int, because: str | None) -> None:
    found, reason = projected(weeks, target)

    assert (reason, found is None) == (because, bool(because))
