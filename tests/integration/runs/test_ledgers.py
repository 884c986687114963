"""Claims about the record of runs: the same for both stores, whoever else works on it at the same moment."""

import contextlib
import itertools
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.errors import LedgerRefusedError, RecordChangedError
from consent.files import StoredFile
from consent.runs.ledger.record import LeaseRecord, RunCounts, RunLedger, RunRecord, State, Trigger, WeekCounts
from consent.runs.ledger.serialization import COLUMNS, MOST_BYTES, MOST_MESSAGE, instant_in, instant_text, row_of
from sandbox.azurite import Azurite
from tests.support.ledger_stores import SqliteStore, Store, TableStore, at_once, kept, there
from tests.support.run_builders import COUNTS, MONDAY, NOW, a_report, a_run

WEEKS = WeekCounts(
    date(2023, 9, 11), 2, (2, 0, 1), {"rider a": (2, 0, 0), "rider ü": (0, 0, 1)}, {"start_date": "0123abcd"}
)
LATER = NOW + timedelta(days=7)
MANY = 8


@pytest.fixture(params=["sqlite", "table"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each store in turn, empty."""
    if request.param == "sqlite":
        yield SqliteStore(tmp_path / "not there yet" / "runs.sqlite")
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    tables = TableStore(azurite.table_url)
    yield tables
    tables.close()


@pytest.fixture
def ledger(store: Store) -> RunLedger:
    return store.open()


def a_lease(holder: str = "one", **changes: Any) -> LeaseRecord:
    lease = LeaseRecord("adults", "adults.2026-11-16", 1, holder, NOW + timedelta(minutes=10))
    return replace(lease, **changes)


def held(ledger: RunLedger, lease: LeaseRecord) -> LeaseRecord:
    return there(ledger.put_lease(lease))


def add_all(ledger: RunLedger, records: list[RunRecord]) -> None:
    for record in records:
        ledger.add(record)


def ids(records: list[RunRecord]) -> list[str]:
    return [record.run_id for record in records]


# --- records


def test_an_added_record_is_read_back_whole(ledger: RunLedger) -> None:
    added = ledger.add(a_report(week_counts=WEEKS))

    assert ledger.read("adults.2026-11-16") == added


def test_an_added_record_differs_from_what_was_given_by_its_version_alone(ledger: RunLedger) -> None:
    record = a_report(week_counts=WEEKS)

    assert replace(kept(ledger, record), version="") == record


def test_a_record_is_there_for_whoever_opens_the_store_next(store: Store) -> None:
    kept(store.open(), a_run())

    assert store.open().read("adults.2026-11-16") is not None


def test_a_second_record_of_the_same_id_is_not_added(ledger: RunLedger) -> None:
    ledger.add(a_run())

    assert ledger.add(a_run()) is None


def test_the_first_record_of_an_id_stays_as_it_was(ledger: RunLedger) -> None:
    ledger.add(a_run(trigger="monday"))
    ledger.add(a_run(trigger="catch_up"))

    assert ledger.runs()[0].trigger == "monday"


def test_of_many_that_add_the_same_record_at_once_one_does(store: Store) -> None:
    added = at_once(MANY, lambda _: store.open().add(a_run()))

    assert len([record for record in added if record is not None]) == 1


@pytest.mark.parametrize("run_id", ["adults.2026-11-16", "", "..", "it's.x", "a/b", "a\\b", "a#b?c", "a%2Fb", "a\nb"])
def test_a_record_that_is_not_there_is_nothing(ledger: RunLedger, run_id: str) -> None:
    ledger.add(a_run(run_id="adults.other"))

    assert ledger.read(run_id) is None


def test_nothing_is_there_at_first(ledger: RunLedger) -> None:
    found = (ledger.runs(), ledger.last_report("adults", sandbox=False), ledger.lease_of("adults"))

    assert found == ([], None, None)


def test_a_written_record_takes_the_place_of_the_one_before(ledger: RunLedger) -> None:
    written = ledger.write(replace(kept(ledger, a_run()), state="running", attempt=1, started_at=NOW))

    assert ledger.read(written.run_id) == written


def test_a_field_that_was_emptied_is_empty(ledger: RunLedger) -> None:
    ledger.write(replace(kept(ledger, a_report(week_counts=WEEKS)), week_counts=None, counts=None, cutoff=None))

    found = ledger.runs()[0]

    assert (found.week_counts, found.counts, found.cutoff) == (None, None, None)


def test_a_record_that_was_changed_meanwhile_is_not_written(ledger: RunLedger) -> None:
    first = kept(ledger, a_run())
    ledger.write(replace(first, state="running"))

    with pytest.raises(RecordChangedError, match=r"run adults\.2026-11-16 was changed by somebody else meanwhile"):
        ledger.write(replace(first, state="failed"))

    assert ledger.runs()[0].state == "running"


def test_a_record_that_is_not_there_cannot_be_written(ledger: RunLedger) -> None:
    version = kept(ledger, a_run()).version

    with pytest.raises(RecordChangedError, match=r"run adults\.nowhere was changed"):
        ledger.write(a_run(run_id="adults.nowhere", version=version))


@pytest.mark.parametrize("added", [0, 1])
def test_a_record_that_was_never_read_cannot_be_written(ledger: RunLedger, added: int) -> None:
    add_all(ledger, [a_run()] * added)

    with pytest.raises(RecordChangedError, match=r"run adults\.2026-11-16 was changed"):
        ledger.write(a_run(version=""))


def test_of_many_that_write_the_same_version_at_once_one_does(store: Store) -> None:
    first = kept(store.open(), a_run())

    def write(number: int) -> int | None:
        try:
            store.open().write(replace(first, attempt=number))
        except RecordChangedError:
            return None
        return number

    winners = [number for number in at_once(MANY, write) if number is not None]

    assert winners == [store.open().runs()[0].attempt]


# --- listings


def test_runs_are_listed_newest_first(ledger: RunLedger) -> None:
    add_all(ledger, [a_run(run_id=f"adults.{day}", requested_at=NOW + timedelta(days=day)) for day in (1, 3, 2)])

    assert ids(ledger.runs()) == ["adults.3", "adults.2", "adults.1"]


@pytest.mark.parametrize(
    ("study", "expected"),
    [("adults", ["adults.1"]), ("it's", ["it's.1"]), ("nobody", []), (None, ["it's.1", "adults.1"])],
)
def test_runs_are_listed_by_study(ledger: RunLedger, study: str | None, expected: list[str]) -> None:
    ledger.add(a_run(run_id="adults.1", study="adults"))
    ledger.add(a_run(run_id="it's.1", study="it's", requested_at=LATER))

    assert ids(ledger.runs(study)) == expected


@pytest.mark.parametrize("study", ["adults", None])
def test_runs_are_listed_from_an_instant_on(ledger: RunLedger, study: str | None) -> None:
    before = timedelta(microseconds=1)
    ledger.add(a_run(run_id="adults.old", requested_at=LATER - before))
    ledger.add(a_run(run_id="adults.new", requested_at=LATER))

    toronto = timezone(timedelta(hours=-5))
    assert ids(ledger.runs(study, since=LATER.astimezone(toronto))) == ["adults.new"]


def test_a_listed_run_is_whole_but_for_its_weekly_counts(ledger: RunLedger) -> None:
    added = kept(ledger, a_report(week_counts=WEEKS))

    assert ledger.runs("adults") == [replace(added, week_counts=None)]


def test_more_runs_than_one_answer_holds_are_all_listed(azurite: Azurite) -> None:
    with contextlib.closing(TableStore(azurite.table_url)) as tables:
        kept(tables.open(), a_run())
        tables.add_hundreds(a_run(), 11)

        assert len(tables.open().runs("adults")) == 1101


# --- the last report


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], "adults.first"),
        ([a_report(run_id="adults.x", state="unchanged", cutoff=LATER.date())], "adults.x"),
        ([a_report(run_id="adults.x", finished_at=LATER)], "adults.x"),
        ([a_report(run_id="adults.x", cutoff=date(2020, 1, 6), finished_at=LATER)], "adults.first"),
        ([a_report(run_id="adults.x", cutoff=LATER.date(), state="refused")], "adults.first"),
        ([a_report(run_id="adults.x", cutoff=LATER.date(), state="running")], "adults.first"),
        ([a_report(run_id="adults.x", cutoff=LATER.date(), dry_run=True)], "adults.first"),
        ([a_report(run_id="adults.x", cutoff=LATER.date(), reason="archived")], "adults.first"),
        ([a_report(run_id="adults.x", cutoff=LATER.date(), sandbox=True)], "adults.first"),
        ([a_report(run_id="others.x", cutoff=LATER.date(), study="others")], "adults.first"),
    ],
    ids=[
        *("alone", "unchanged counts", "the later end", "cut-off before end", "refused", "running", "dry run"),
        *("archived", "sandbox", "another study"),
    ],
)
def test_the_last_report_is_the_newest_under_the_stable_names(
    ledger: RunLedger, others: list[RunRecord], expected: str
) -> None:
    add_all(ledger, [a_report(run_id="adults.first"), *others])

    assert there(ledger.last_report("adults", sandbox=False)).run_id == expected


def test_the_last_report_comes_with_its_weekly_counts(ledger: RunLedger) -> None:
    added = kept(ledger, a_report(week_counts=WEEKS))

    assert ledger.last_report("adults", sandbox=False) == added


def test_runs_through_a_stand_in_have_a_last_report_of_their_own(ledger: RunLedger) -> None:
    ledger.add(a_report())
    ledger.add(a_report(sandbox=True, run_id="adults.sandbox"))

    assert there(ledger.last_report("adults", sandbox=True)).run_id == "adults.sandbox"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], "adults.first"),
        ([a_report(run_id="adults.x", cutoff=LATER.date() - timedelta(days=1))], "adults.x"),
        ([a_report(run_id="adults.x", cutoff=LATER.date())], "adults.first"),
        ([a_report(run_id="adults.x", finished_at=LATER)], "adults.x"),
        ([a_report(run_id="adults.x", cutoff=date(2020, 1, 6), finished_at=LATER)], "adults.first"),
        ([a_report(run_id="adults.x", finished_at=LATER, reason="archived")], "adults.first"),
        ([a_report(run_id="adults.x", finished_at=LATER, sandbox=True)], "adults.first"),
        ([a_report(run_id="others.x", finished_at=LATER, study="others")], "adults.first"),
    ],
    ids=[
        "alone",
        "the day before",
        "same day",
        "later end",
        "cut-off before end",
        "archived",
        "sandbox",
        "another study",
    ],
)
def test_the_report_before_a_day_is_the_newest_with_an_earlier_cut_off(
    ledger: RunLedger, others: list[RunRecord], expected: str
) -> None:
    for record in [a_report(run_id="adults.first"), *others]:
        ledger.add(record)

    assert there(ledger.report_before("adults", LATER.date(), sandbox=False)).run_id == expected


def test_before_the_first_report_there_is_none(ledger: RunLedger) -> None:
    ledger.add(a_report())

    assert ledger.report_before("adults", MONDAY, sandbox=False) is None


def test_the_report_before_comes_with_its_weekly_counts(ledger: RunLedger) -> None:
    added = kept(ledger, a_report(week_counts=WEEKS))

    assert ledger.report_before("adults", LATER.date(), sandbox=False) == added


def test_weekly_counts_from_before_rules_were_kept_have_none() -> None:
    document = {"first_day": "2023-09-11", "complete": 1, "consented": [2], "riders": {}}

    assert WeekCounts.unpacked(zlib.compress(json.dumps(document).encode())).rules == {}


# --- forgetting counts


def counted(ledger: RunLedger) -> set[str]:
    return {run.run_id for run in ledger.runs() if run.counts is not None}


@pytest.fixture
def years(ledger: RunLedger) -> RunLedger:
    """Three reports of a study, a week apart, and one each of a stand-in and of another study, all long ago."""
    asked = [NOW + timedelta(weeks=number) for number in range(3)]
    add_all(
        ledger,
        [
            a_report(run_id=f"adults.{number}", requested_at=at, cutoff=at.date(), week_counts=WEEKS)
            for number, at in enumerate(asked)
        ],
    )
    ledger.add(a_report(run_id="adults.sandbox", sandbox=True, week_counts=WEEKS))
    ledger.add(a_report(run_id="others.1", study="others", week_counts=WEEKS))
    return ledger


def test_counts_of_older_runs_are_forgotten_but_for_the_last_reports(years: RunLedger) -> None:
    years.purge_counts(NOW + timedelta(weeks=9))

    assert counted(years) == {"adults.2", "adults.sandbox", "others.1"}


def test_counts_of_newer_runs_are_kept(years: RunLedger) -> None:
    years.purge_counts(NOW + timedelta(weeks=1))

    assert counted(years) == {"adults.1", "adults.2", "adults.sandbox", "others.1"}


def test_it_is_said_how_many_lost_their_counts(years: RunLedger) -> None:
    assert years.purge_counts(NOW + timedelta(weeks=9)) == 2


def test_counts_are_forgotten_once(years: RunLedger) -> None:
    years.purge_counts(NOW + timedelta(weeks=9))

    assert years.purge_counts(NOW + timedelta(weeks=9)) == 0


def test_a_run_whose_counts_are_forgotten_keeps_all_else(years: RunLedger) -> None:
    before = there(years.read("adults.0"))
    years.purge_counts(NOW + timedelta(weeks=9))
    after = there(years.read("adults.0"))

    assert after == replace(before, counts=None, week_counts=None, version=after.version)


def test_sentences_that_may_name_totals_are_forgotten_too(ledger: RunLedger) -> None:
    ledger.add(a_run(state="refused", reason="shrunk", message="From 1,000 to 10.", remarks=("First.",)))
    ledger.purge_counts(NOW + timedelta(weeks=9))

    forgotten = there(ledger.read(a_run().run_id))
    assert (forgotten.state, forgotten.reason, forgotten.message, forgotten.remarks) == ("refused", "shrunk", "", ())


def test_the_last_report_keeps_its_weekly_counts(years: RunLedger) -> None:
    years.purge_counts(NOW + timedelta(weeks=9))

    assert there(years.last_report("adults", sandbox=False)).week_counts == WEEKS


# --- claims


def test_a_lease_is_read_back_as_it_was_put(ledger: RunLedger) -> None:
    put = held(ledger, a_lease())

    assert ledger.lease_of("adults") == put


def test_a_lease_is_of_one_study(ledger: RunLedger) -> None:
    held(ledger, a_lease())

    assert ledger.put_lease(a_lease(study="others")) is not None


def test_a_lease_that_stands_is_not_taken_unseen(ledger: RunLedger) -> None:
    held(ledger, a_lease())

    assert ledger.put_lease(a_lease("two")) is None


def test_a_lease_is_taken_over_by_whoever_has_seen_it(ledger: RunLedger) -> None:
    first = held(ledger, a_lease())
    ledger.put_lease(a_lease("two", version=first.version))

    assert there(ledger.lease_of("adults")).holder == "two"


def test_a_lease_that_was_taken_over_cannot_be_renewed(ledger: RunLedger) -> None:
    first = held(ledger, a_lease())
    held(ledger, a_lease("two", version=first.version))

    assert ledger.put_lease(replace(first, expires_at=LATER)) is None


def test_a_renewed_lease_lasts_longer(ledger: RunLedger) -> None:
    renewed = held(ledger, replace(held(ledger, a_lease()), expires_at=LATER))

    assert ledger.lease_of("adults") == replace(renewed, expires_at=LATER)


@pytest.mark.parametrize("same_holder", [True, False], ids=["one holder", "a holder each"])
def test_of_many_that_lease_a_free_study_at_once_one_does(store: Store, same_holder: bool) -> None:
    holders = ["one"] * MANY if same_holder else [str(number) for number in range(MANY)]

    taken = at_once(MANY, lambda number: store.open().put_lease(a_lease(holders[number])))

    assert len([lease for lease in taken if lease is not None]) == 1


@pytest.mark.parametrize("same_holder", [True, False], ids=["one holder", "a holder each"])
def test_of_many_that_take_an_expired_lease_over_at_once_one_does(store: Store, same_holder: bool) -> None:
    version = held(store.open(), a_lease()).version
    holders = ["two"] * MANY if same_holder else [str(number) for number in range(MANY)]

    taken = at_once(MANY, lambda number: store.open().put_lease(a_lease(holders[number], version=version)))

    assert len([lease for lease in taken if lease is not None]) == 1


def test_a_dropped_lease_is_gone(ledger: RunLedger) -> None:
    ledger.drop_lease(held(ledger, a_lease()))

    assert ledger.lease_of("adults") is None


def test_a_lease_of_somebody_else_is_not_dropped(ledger: RunLedger) -> None:
    first = held(ledger, a_lease())
    second = held(ledger, a_lease("two", version=first.version))
    ledger.drop_lease(first)

    assert ledger.lease_of("adults") == second


@pytest.mark.parametrize("version", ["", "dropped"])
def test_a_lease_that_is_gone_can_be_dropped_again(ledger: RunLedger, version: str) -> None:
    lease = held(ledger, a_lease())
    ledger.drop_lease(lease)
    ledger.drop_lease(replace(lease, version=version and lease.version))

    assert ledger.lease_of("adults") is None


def test_a_lease_that_never_was_kept_is_not_dropped(ledger: RunLedger) -> None:
    standing = held(ledger, a_lease())
    ledger.drop_lease(a_lease())

    assert ledger.lease_of("adults") == standing


def test_a_lease_that_was_dropped_and_taken_again_is_another(ledger: RunLedger) -> None:
    first = held(ledger, a_lease())
    ledger.drop_lease(first)
    held(ledger, a_lease())

    assert ledger.put_lease(first) is None


# --- first sight


def test_a_study_is_first_seen_when_it_is_first_asked_for(ledger: RunLedger) -> None:
    assert ledger.first_seen("adults", NOW) == NOW


def test_a_study_stays_first_seen_when_it_was(ledger: RunLedger) -> None:
    ledger.first_seen("adults", NOW)

    assert ledger.first_seen("adults", LATER) == NOW


def test_studies_are_first_seen_one_by_one(ledger: RunLedger) -> None:
    ledger.first_seen("adults", NOW)

    assert ledger.first_seen("others", LATER) == LATER


def test_all_that_ask_at_once_are_told_the_same_first_sight(store: Store) -> None:
    told = at_once(MANY, lambda number: store.open().first_seen("adults", NOW + timedelta(seconds=number)))

    assert set(told) == {store.open().first_seen("adults", LATER)}


# --- what a record can hold

_numbers = itertools.count()  # one store sees all examples
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
NUMBER = st.integers(0, 2**31 - 1)
INSTANT = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
DAY = st.dates(date(1990, 1, 1))
WEEK_COUNTS = st.builds(
    WeekCounts,
    DAY,
    NUMBER,
    st.lists(NUMBER, max_size=5).map(tuple),
    st.dictionaries(TEXT, st.lists(NUMBER, max_size=5).map(tuple), max_size=3),
)
RECORD = st.builds(
    RunRecord,
    run_id=st.just("adults.1"),
    study=st.just("adults"),
    trigger=st.sampled_from(get_args(Trigger)),
    monday=DAY,
    requested_at=INSTANT,
    queued_at=INSTANT,
    sandbox=st.booleans(),
    as_of=st.none() | DAY,
    dry_run=st.booleans(),
    accept_drop=st.booleans(),
    state=st.sampled_from(get_args(State)),
    reason=TEXT,
    message=TEXT,
    attempt=NUMBER,
    started_at=st.none() | INSTANT,
    finished_at=st.none() | INSTANT,
    cutoff=st.none() | DAY,
    counts=st.none() | st.builds(RunCounts, NUMBER, NUMBER, NUMBER, NUMBER, st.none() | NUMBER),
    has_groups=st.none() | st.booleans(),
    set_id=TEXT,
    files=st.lists(st.builds(StoredFile, TEXT, TEXT, NUMBER, TEXT), max_size=3).map(tuple),
    remarks=st.lists(TEXT, max_size=3).map(tuple),
    redcap_version=TEXT,
    study_sha256=TEXT,
    app_version=TEXT,
    week_counts=st.none() | WEEK_COUNTS,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=RECORD)
def test_every_field_comes_back_as_it_went_in(ledger: RunLedger, record: RunRecord) -> None:
    record = replace(record, run_id=f"adults.{next(_numbers)}")
    ledger.add(record)

    assert replace(there(ledger.read(record.run_id)), version="") == record


def test_instants_of_other_time_zones_are_the_same_instants(ledger: RunLedger) -> None:
    at = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    ledger.add(a_run(requested_at=at))

    assert ledger.runs()[0].requested_at == NOW


@given(first=INSTANT, second=INSTANT)
def test_texts_of_instants_are_in_the_order_of_the_instants(first: datetime, second: datetime) -> None:
    assert (instant_text(first) < instant_text(second)) == (first < second)


@given(at=INSTANT)
def test_the_text_of_an_instant_is_that_instant(at: datetime) -> None:
    assert instant_in(instant_text(at)) == at


def test_a_row_has_every_column() -> None:
    assert set(row_of(a_run())) == set(COLUMNS)


def unkind_weeks(weeks: int, riders: int) -> WeekCounts:
    """Numbers without any pattern that could be compressed, each far above what a registry enrols in a week."""
    random = Random(3)
    series = [tuple(random.randrange(10_000) for _ in range(weeks)) for _ in range(riders + 1)]
    names = {f"rider {number}": counts for number, counts in enumerate(series[1:])}
    return WeekCounts(date(2006, 1, 2), weeks, series[0], names)


def test_twenty_years_of_twenty_riders_fit_a_record(ledger: RunLedger) -> None:
    counts = unkind_weeks(20 * 52 + 5, 20)
    ledger.add(a_report(week_counts=counts))

    assert there(ledger.read("adults.2026-11-16")).week_counts == counts
    assert len(counts.packed()) < MOST_BYTES


def test_weekly_counts_that_do_not_fit_are_left_out_rather_than_the_record(ledger: RunLedger) -> None:
    ledger.add(a_report(week_counts=unkind_weeks(60 * 52, 20)))

    assert there(ledger.read("adults.2026-11-16")).week_counts is None


@pytest.mark.parametrize("letter", ["x", "\N{HUNDRED POINTS SYMBOL}", '"', "\ud800"])
def test_a_message_that_does_not_fit_is_cut(ledger: RunLedger, letter: str) -> None:
    ledger.add(a_run(message=letter * 70_000))

    message = ledger.runs()[0].message

    assert (len(message), message[-1]) == (MOST_MESSAGE, "…")


@pytest.mark.parametrize("letter", ["x", "\N{HUNDRED POINTS SYMBOL}"])
def test_remarks_that_do_not_fit_lose_the_last_of_them(ledger: RunLedger, letter: str) -> None:
    ledger.add(a_run(remarks=tuple(f"{number} {letter * 7_000}" for number in range(9))))

    remarks = ledger.runs()[0].remarks

    assert [remark[:2] for remark in remarks] == [f"{number} " for number in range(len(remarks))] != []


def test_totals_from_before_it_was_kept_who_takes_part_are_totals_without_that(store: Store) -> None:
    ledger = store.open()
    ledger.add(a_report())
    store.edit_run("adults.2026-11-16", "taking_part", None)

    assert ledger.runs()[0].counts == replace(COUNTS, taking_part=None)


# --- rows edited by hand


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "done"),
        ("trigger", "me"),
        ("requested_at", "yesterday"),
        ("queued_at", "2026-11-16T13:00:00"),
        ("monday", "16 November"),
        ("monday", None),
        ("attempt", "twice"),
        ("sandbox", 7),
        ("consented", "many"),
        ("taking_part", "most"),
        ("files", "[{"),
        ("files", '[{"name": 1}]'),
        ("remarks", "[1]"),
        ("remarks", "7"),
        ("set_id", b"12345678"),
        ("has_groups", "perhaps"),
    ],
)
def test_a_record_that_was_edited_beyond_understanding_is_named(store: Store, column: str, value: Any) -> None:
    ledger = store.open()
    ledger.add(a_report())
    store.edit_run("adults.2026-11-16", column, value)

    with pytest.raises(LedgerRefusedError, match=r"run adults\.2026-11-16 in .* cannot be understood: .* delete that"):
        ledger.read("adults.2026-11-16")


@pytest.mark.parametrize("value", [b"", b"not compressed", WEEKS.packed()[:-9], 7])
def test_weekly_counts_that_were_damaged_are_named(store: Store, value: Any) -> None:
    ledger = store.open()
    ledger.add(a_report(week_counts=WEEKS))
    store.edit_run("adults.2026-11-16", "week_counts", value)

    with pytest.raises(LedgerRefusedError, match=r"run adults\.2026-11-16 in .* cannot be understood"):
        ledger.last_report("adults", sandbox=False)


def test_an_edited_record_of_one_study_does_not_hide_another(store: Store) -> None:
    ledger = store.open()
    ledger.add(a_run())
    ledger.add(a_run(run_id="others.1", study="others"))
    store.edit_run("adults.2026-11-16", "state", "done")

    assert ids(ledger.runs("others")) == ["others.1"]


@pytest.mark.parametrize(("column", "value"), [("expires_at", "soon"), ("attempt", "first"), ("holder", None)])
def test_a_lease_that_was_edited_beyond_understanding_is_named(store: Store, column: str, value: Any) -> None:
    ledger = store.open()
    held(ledger, a_lease())
    store.edit_lease("adults", column, value)

    with pytest.raises(LedgerRefusedError, match=r"claim on 'adults' in .* cannot be understood: .* delete that row"):
        ledger.lease_of("adults")


def test_a_first_sight_that_was_edited_beyond_understanding_is_named(store: Store) -> None:
    ledger = store.open()
    ledger.first_seen("adults", NOW)
    store.edit_first_seen("adults", "long ago")

    with pytest.raises(LedgerRefusedError, match=r"first sight of 'adults' in .* cannot be understood"):
        ledger.first_seen("adults", NOW)
