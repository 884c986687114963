"""Claims about the local host's reading of schedules."""

import calendar
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.functions.ncrontab import parse_schedule

SUNDAY = datetime(2026, 11, 22, 18, 44, 42, tzinfo=UTC)
FIELDS = [(0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6)]


def at(text: str) -> datetime:
    """An instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param("0 0 12 * * Mon", "2026-11-23 12:00:00", id="Mondays at noon"),
        pytest.param("0 0 12 * * 1", "2026-11-23 12:00:00", id="a weekday by number"),
        pytest.param("0 0 * * * Sun,Mon,Tue", "2026-11-22 19:00:00", id="hourly on three days"),
        pytest.param("0 0 6 * * monday", "2026-11-23 06:00:00", id="a name written out"),
        pytest.param("*/15 * * * * *", "2026-11-22 18:44:45", id="every 15 seconds"),
        pytest.param("0 5/20 * * * *", "2026-11-22 18:45:00", id="every 20 minutes from the fifth"),
        pytest.param("0 0 9-17/4 * * *", "2026-11-23 09:00:00", id="steps within a range"),
        pytest.param("0 0 0 1 Jan *", "2027-01-01 00:00:00", id="a month by name"),
        pytest.param("0 0 0 29 2 *", "2028-02-29 00:00:00", id="a leap day"),
        pytest.param("0 0 0 29 2 Mon", "2044-02-29 00:00:00", id="a leap day that is a Monday"),
        pytest.param("0 0 0 31 * *", "2026-12-31 00:00:00", id="months without that day are skipped"),
        pytest.param("0 0 0 13 * Fri", "2027-08-13 00:00:00", id="day and weekday must both match"),
        pytest.param("30 6 * * *", "2026-11-23 06:30:00", id="five fields start with the minute"),
        pytest.param("42 44 18 22 11 *", "2027-11-22 18:44:42", id="this very second is not after itself"),
        pytest.param("43 44 18 22 11 *", "2026-11-22 18:44:43", id="the next second is"),
    ],
)
def test_the_next_occurrence_is(schedule: str, expected: str) -> None:
    assert parse_schedule(schedule).next_after(SUNDAY) == at(expected)


@pytest.mark.parametrize(
    ("schedule", "complaint"),
    [
        pytest.param("", "must have six fields", id="nothing"),
        pytest.param("00:05:00", "must have six fields", id="a time span"),
        pytest.param("0 0 12 * * Mon *", "must have six fields", id="seven fields"),
        pytest.param("60 * * * * *", "'60' is no second: it must be within 0 and 59", id="second 60"),
        pytest.param("0 0 24 * * *", "'24' is no hour", id="hour 24"),
        pytest.param("0 0 0 0 * *", "'0' is no day", id="day 0"),
        pytest.param("0 0 0 * 13 *", "'13' is no month", id="month 13"),
        pytest.param("0 0 0 * * 7", "'7' is no day of the week", id="weekday 7"),
        pytest.param("0 0 0 * * Fri-Mon", "'Fri-Mon' is no day of the week", id="a range that goes backwards"),
        pytest.param("0 0 0 * * Caturday", "'Caturday' is no day of the week", id="an unknown name"),
        pytest.param("*/0 * * * * *", "'\\*/0' is no second", id="steps of nothing"),
        pytest.param("0 0 0 L * *", "'L' is no day", id="last day of the month"),
        pytest.param("0 0 0 30 2 *", "names no day that there is", id="30 February"),
    ],
)
def test_a_schedule_is_refused_if_it_cannot_be_kept(schedule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_schedule(schedule)


@st.composite
def schedules(draw: st.DrawFn) -> str:
    """Any schedule of stars, numbers, ranges and steps."""
    fields = []
    for lowest, highest in FIELDS:
        first, last = sorted(draw(st.tuples(*[st.integers(lowest, highest)] * 2)))
        step = draw(st.integers(1, 20))
        fields.append(
            draw(st.sampled_from(["*", f"*/{step}", str(first), f"{first}-{last}", f"{first}-{last}/{step}"]))
        )
    return " ".join(fields)


@settings(deadline=None)
@given(schedules(), st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)))  # noqa: DTZ001
def test_the_next_occurrence_is_later_than_the_instant_asked_about(schedule: str, moment: datetime) -> None:
    assert parse_schedule(schedule).next_after(moment) > moment


@settings(deadline=None)
@given(schedules(), st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)))  # noqa: DTZ001
def test_the_next_occurrence_matches_every_field(schedule: str, moment: datetime) -> None:
    read = parse_schedule(schedule)

    found = read.next_after(moment)

    weekday = (calendar.weekday(found.year, found.month, found.day) + 1) % 7
    fields = (found.second, found.minute, found.hour, found.day, found.month, weekday)
    allowed = (read.seconds, read.minutes, read.hours, read.days, read.months, read.weekdays)
    assert [value in among for value, among in zip(fields, allowed, strict=True)] == [True] * 6


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 59), min_size=1).map(set),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)),  # noqa: DTZ001
)
def test_no_occurrence_lies_in_between(seconds: set[int], moment: datetime) -> None:
    schedule = parse_schedule(f"{','.join(map(str, seconds))} */7 * * * *")
    whole = moment.replace(microsecond=0)
    later = (whole + timedelta(seconds=n) for n in range(1, 3600))

    assert schedule.next_after(moment) == next(m for m in later if m.second in seconds and m.minute % 7 == 0)


def test_the_time_zone_is_kept() -> None:
    assert parse_schedule("0 0 12 * * Mon").next_after(SUNDAY).tzinfo is UTC
