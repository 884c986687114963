"""The contract of the run history: every store must pass these tests, whoever else uses it at the same moment.

A test module subclasses ``LedgerContract`` once per store and provides the fixture ``store``.
"""

import itertools
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.errors import RecordChangedError
from consent.files import StoredFile
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import LeaseRecord, RunCounts, RunRecord, State, Trigger, WeekCounts
from consent.runs.request import RunRequest
from consent.runs.scheduler import QueuedRun, request_run
from consent.studies.parser import parse_study
from tests.support.builders import CONSENT, STUDY
from tests.support.ledger_stores import Store, at_once, kept, there
from tests.support.page_builders import page_counts
from tests.support.run_builders import MONDAY, NOW, a_report, a_run

WEEKS = WeekCounts(
    date(2023, 9, 11), 2, (2, 0, 1), {"rider a": (2, 0, 0), "rider ü": (0, 0, 1)}, {"start_date": "0123abcd"}
)
RUN_ID = "adults.2026-11-16"
LATER = NOW + timedelta(days=7)
MANY = 8


def a_lease(holder: str = "one", **changes: Any) -> LeaseRecord:
    return replace(LeaseRecord("adults", RUN_ID, 1, holder, NOW + timedelta(minutes=10)), **changes)


def held(ledger: RunLedger, lease: LeaseRecord) -> LeaseRecord:
    return there(ledger.put_lease(lease))


def add_all(ledger: RunLedger, records: list[RunRecord]) -> None:
    for record in records:
        ledger.add(record)


def ids(records: list[RunRecord]) -> list[str]:
    return [record.run_id for record in records]


def counted(ledger: RunLedger) -> set[str]:
    return {run.run_id for run in ledger.runs() if run.counts is not None}


def unkind_weeks(weeks: int, riders: int) -> WeekCounts:
    """Random numbers, which do not compress, each far above what a registry enrols in a week."""
    random = Random(3)
    series = [tuple(random.randrange(10_000) for _ in range(weeks)) for _ in range(riders + 1)]
    names = {f"rider {number}": counts for number, counts in enumerate(series[1:])}
    return WeekCounts(date(2006, 1, 2), weeks, series[0], names, {})


_numbers = itertools.count()  # one store gets all examples
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
NUMBER = st.integers(0, 2**31 - 1)
INSTANT = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
DAY = st.dates(date(1990, 1, 1))
SERIES = st.lists(NUMBER, max_size=5).map(tuple)
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
    what=TEXT,
    fix=TEXT,
    attempt=NUMBER,
    started_at=st.none() | INSTANT,
    finished_at=st.none() | INSTANT,
    cutoff=st.none() | DAY,
    counts=st.none() | st.builds(RunCounts, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER),
    has_groups=st.none() | st.booleans(),
    set_id=TEXT,
    files=st.lists(st.builds(StoredFile, TEXT, TEXT, NUMBER, TEXT), max_size=3).map(tuple),
    remarks=st.lists(TEXT, max_size=3).map(tuple),
    redcap_version=TEXT,
    study_sha256=TEXT,
    app_version=TEXT,
    week_counts=st.none()
    | st.builds(
        WeekCounts,
        DAY,
        NUMBER,
        SERIES,
        st.dictionaries(TEXT, SERIES, max_size=3),
        st.dictionaries(TEXT, TEXT, max_size=3),
    ),
)


class LedgerContract:
    """Each subclass is one store."""

    @pytest.fixture
    def ledger(self, store: Store) -> RunLedger:
        return store.open()

    @pytest.fixture
    def years(self, ledger: RunLedger) -> RunLedger:
        """Three weekly reports of a study, one of its sandbox, and one of another study, all long ago."""
        asked = [NOW + timedelta(weeks=number) for number in range(3)]
        reports = [
            a_report(run_id=f"adults.{number}", requested_at=at, cutoff=at.date(), week_counts=WEEKS)
            for number, at in enumerate(asked)
        ]
        others = [
            a_report(run_id="adults.sandbox", sandbox=True, week_counts=WEEKS),
            a_report(run_id="others.1", study="others", week_counts=WEEKS),
        ]
        add_all(ledger, [*reports, *others])
        return ledger

    # --- records

    def test_an_added_record_is_read_back(self, store: Store) -> None:
        record = a_report(week_counts=WEEKS)
        added = kept(store.open(), record)

        assert store.open().read(RUN_ID) == added
        assert replace(added, version="") == record

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(record=RECORD)
    def test_every_field_comes_back_as_it_went_in(self, ledger: RunLedger, record: RunRecord) -> None:
        record = replace(record, run_id=f"adults.{next(_numbers)}")
        ledger.add(record)

        assert replace(there(ledger.read(record.run_id)), version="") == record

    def test_a_second_record_of_the_same_id_is_not_added(self, ledger: RunLedger) -> None:
        ledger.add(a_run(trigger="monday"))

        assert ledger.add(a_run(trigger="catch_up")) is None
        assert ledger.runs()[0].trigger == "monday"

    @pytest.mark.parametrize("run_id", [RUN_ID, "adults.lease", "", "..", "it's.x", "adults.a/b", "adults.a\nb"])
    def test_a_missing_record_is_none(self, ledger: RunLedger, run_id: str) -> None:
        ledger.add(a_run(run_id="adults.other"))

        assert ledger.read(run_id) is None

    def test_an_empty_store_has_nothing(self, ledger: RunLedger) -> None:
        found = (ledger.runs(), ledger.last_reports("adults", sandbox=False), ledger.lease_of("adults"))

        assert found == ([], [], None)

    def test_a_written_record_replaces_the_one_before(self, ledger: RunLedger) -> None:
        written = ledger.write(replace(kept(ledger, a_run()), state="running", attempt=1, started_at=NOW))

        assert ledger.read(written.run_id) == written

    def test_an_emptied_field_is_empty(self, ledger: RunLedger) -> None:
        ledger.write(replace(kept(ledger, a_report(week_counts=WEEKS)), week_counts=None, counts=None, cutoff=None))

        found = there(ledger.read(RUN_ID))

        assert (found.week_counts, found.counts, found.cutoff) == (None, None, None)

    def test_a_record_that_another_process_changed_is_not_written(self, ledger: RunLedger) -> None:
        first = kept(ledger, a_run())
        ledger.write(replace(first, state="running"))

        with pytest.raises(RecordChangedError, match=r"run adults\.2026-11-16"):
            ledger.write(replace(first, state="failed"))
        assert ledger.runs()[0].state == "running"

    @pytest.mark.parametrize("run_id", [RUN_ID, "adults.nowhere"])
    def test_a_record_that_was_not_read_or_is_missing_cannot_be_written(self, ledger: RunLedger, run_id: str) -> None:
        version = kept(ledger, a_run()).version

        with pytest.raises(RecordChangedError):
            ledger.write(a_run(run_id=run_id, version="" if run_id == RUN_ID else version))

    def test_of_many_that_write_the_same_version_at_once_one_does(self, store: Store) -> None:
        first = kept(store.open(), a_run())

        def write(number: int) -> int | None:
            try:
                store.open().write(replace(first, attempt=number))
            except RecordChangedError:
                return None
            return number

        winners = [number for number in at_once(MANY, write) if number is not None]

        assert winners == [store.open().runs()[0].attempt]

    def test_twenty_years_of_twenty_riders_fit(self, ledger: RunLedger) -> None:
        counts = unkind_weeks(20 * 52 + 5, 20)
        ledger.add(a_report(week_counts=counts))

        assert there(ledger.read(RUN_ID)).week_counts == counts

    def test_weekly_counts_that_do_not_fit_are_left_out(self, ledger: RunLedger) -> None:
        ledger.add(a_report(week_counts=unkind_weeks(60 * 52, 20)))

        assert there(ledger.read(RUN_ID)).week_counts is None

    def test_opening_numbers_that_do_not_fit_are_left_out_before_the_weekly_counts(self, ledger: RunLedger) -> None:
        random = Random(3)
        quality = {f"{random.getrandbits(400):x}": 1 for _ in range(2_000)}
        ledger.add(a_report(week_counts=page_counts(1, 2, 3, quality=quality)))

        assert there(ledger.read(RUN_ID)).week_counts == replace(page_counts(1, 2, 3), opening=None)

    @pytest.mark.parametrize("letter", ["x", "\N{HUNDRED POINTS SYMBOL}", '"', "\ud800"])
    def test_a_sentence_that_does_not_fit_is_cut(self, ledger: RunLedger, letter: str) -> None:
        ledger.add(a_run(what=letter * 70_000, fix="Wait.", remarks=("A remark.",)))

        found = there(ledger.read(RUN_ID))

        assert (len(found.what) > 1_000, found.what[-1], found.remarks) == (True, "…", ())

    def test_remarks_that_do_not_fit_lose_the_last_of_them(self, ledger: RunLedger) -> None:
        ledger.add(a_run(remarks=tuple(f"{number} {'x' * 7_000}" for number in range(9)), what="Kept."))

        found = there(ledger.read(RUN_ID))

        assert ([remark[0] for remark in found.remarks], found.what) == (["0", "1", "2", "3"], "Kept.")

    # --- listings

    def test_runs_are_listed_newest_first_without_weekly_counts(self, ledger: RunLedger) -> None:
        runs = [
            a_run(run_id=f"adults.{day}", requested_at=NOW + timedelta(days=day), week_counts=WEEKS)
            for day in (1, 3, 2)
        ]
        first, third, second = (kept(ledger, run) for run in runs)

        assert ledger.runs("adults") == [replace(run, week_counts=None) for run in (third, second, first)]

    @pytest.mark.parametrize(
        ("study", "expected"),
        [
            ("adults", ["adults.1"]),
            ("it's", ["it's.1"]),
            ("nobody", []),
            ("\0\ud800", []),
            (None, ["it's.1", "adults.1"]),
        ],
    )
    def test_runs_are_listed_by_study(self, ledger: RunLedger, study: str | None, expected: list[str]) -> None:
        ledger.add(a_run(run_id="adults.1", study="adults"))
        ledger.add(a_run(run_id="it's.1", study="it's", requested_at=LATER))
        held(ledger, a_lease())
        ledger.first_seen("adults", NOW)

        assert ids(ledger.runs(study)) == expected

    @pytest.mark.parametrize("study", ["adults", None])
    def test_runs_are_listed_from_an_instant_on(self, ledger: RunLedger, study: str | None) -> None:
        toronto = timezone(timedelta(hours=-5))
        ledger.add(a_run(run_id="adults.old", requested_at=LATER - timedelta(microseconds=1)))
        ledger.add(a_run(run_id="adults.new", requested_at=LATER.astimezone(toronto)))

        assert ids(ledger.runs(study, since=LATER.astimezone(toronto))) == ["adults.new"]

    # --- the last report

    @pytest.mark.parametrize(
        ("other", "expected"),
        [
            pytest.param({"study": "others"}, "adults.first", id="another study"),
            pytest.param({"state": "unchanged"}, "adults.x", id="unchanged counts"),
            pytest.param({"cutoff": MONDAY, "finished_at": LATER}, "adults.x", id="the later end"),
            pytest.param({"cutoff": date(2020, 1, 6), "finished_at": LATER}, "adults.first", id="cut-off before end"),
            pytest.param({"state": "refused"}, "adults.first", id="refused"),
            pytest.param({"state": "running"}, "adults.first", id="running"),
            pytest.param({"dry_run": True}, "adults.first", id="dry run"),
            pytest.param({"reason": "archived"}, "adults.first", id="archived"),
            pytest.param({"sandbox": True}, "adults.first", id="sandbox"),
        ],
    )
    def test_the_last_report_is_the_current_one(self, ledger: RunLedger, other: dict[str, Any], expected: str) -> None:
        first = kept(ledger, a_report(run_id="adults.first", week_counts=WEEKS))
        values = {"run_id": f"{other.get('study', 'adults')}.x", "cutoff": LATER.date(), "week_counts": WEEKS} | other
        second = kept(ledger, a_report(**values))

        assert ledger.last_reports("adults", sandbox=False)[0] == (first if expected == "adults.first" else second)

    def test_sandbox_runs_have_their_own_last_report(self, ledger: RunLedger) -> None:
        ledger.add(a_report())
        ledger.add(a_report(sandbox=True, run_id="adults.sandbox"))

        assert ledger.last_reports("adults", sandbox=True)[0].run_id == "adults.sandbox"

    def test_the_report_before_a_day_has_an_earlier_cut_off(self, ledger: RunLedger) -> None:
        day_before = kept(ledger, a_report(cutoff=LATER.date() - timedelta(days=1), week_counts=WEEKS))
        ledger.add(a_report(run_id="adults.same-day", cutoff=LATER.date()))
        ledger.add(a_report(run_id="adults.sandbox", sandbox=True, cutoff=day_before.cutoff, finished_at=LATER))

        assert ledger.last_reports("adults", LATER.date(), sandbox=False) == [day_before]
        assert ledger.last_reports("adults", MONDAY, sandbox=False) == []

    # --- purging counts

    def test_older_runs_lose_their_counts_but_current_reports_keep_them(self, years: RunLedger) -> None:
        purged = [years.purge_counts(NOW + timedelta(weeks=weeks)) for weeks in (1, 9, 9)]

        assert (purged, counted(years)) == ([1, 1, 0], {"adults.2", "adults.sandbox", "others.1"})
        assert years.last_reports("adults", sandbox=False)[0].week_counts == WEEKS

    def test_a_purged_run_keeps_everything_else(self, years: RunLedger) -> None:
        before = there(years.read("adults.0"))
        years.purge_counts(NOW + timedelta(weeks=9))
        after = there(years.read("adults.0"))

        assert after == replace(before, counts=None, week_counts=None, version=after.version)

    def test_sentences_that_may_contain_totals_are_purged_once_the_run_has_ended(self, ledger: RunLedger) -> None:
        ledger.add(a_run(state="refused", reason="shrunk", what="From 1,000 to 10.", fix="Look.", remarks=("First.",)))
        still_open = kept(ledger, a_run(run_id="adults.open", reason="source-unavailable", what="Down.", fix="Wait."))
        ledger.purge_counts(NOW + timedelta(weeks=9))

        after = there(ledger.read(RUN_ID))

        assert (after.state, after.reason, after.what, after.fix, after.remarks) == ("refused", "shrunk", "", "", ())
        assert ledger.read("adults.open") == still_open

    # --- leases

    def test_a_lease_is_read_back(self, ledger: RunLedger) -> None:
        put = held(ledger, a_lease())

        assert (ledger.lease_of("adults"), replace(put, version="")) == (put, a_lease())

    def test_each_study_has_its_own_lease(self, ledger: RunLedger) -> None:
        held(ledger, a_lease())

        assert ledger.put_lease(a_lease(study="others")) is not None

    def test_after_a_takeover_the_first_holder_cannot_renew(self, ledger: RunLedger) -> None:
        first = held(ledger, a_lease())
        second = held(ledger, a_lease("two", version=first.version))

        assert (ledger.put_lease(replace(first, expires_at=LATER)), ledger.lease_of("adults")) == (None, second)

    def test_a_renewed_lease_lasts_longer(self, ledger: RunLedger) -> None:
        renewed = held(ledger, replace(held(ledger, a_lease()), expires_at=LATER))

        assert ledger.lease_of("adults") == replace(renewed, expires_at=LATER)

    @pytest.mark.parametrize("same_holder", [True, False], ids=["one holder", "a holder each"])
    @pytest.mark.parametrize("expired", [True, False])
    def test_of_many_that_acquire_a_lease_at_once_one_does(
        self, store: Store, same_holder: bool, expired: bool
    ) -> None:
        version = held(store.open(), a_lease()).version if expired else ""
        holders = ["two"] * MANY if same_holder else [str(number) for number in range(MANY)]

        taken = at_once(MANY, lambda number: store.open().put_lease(a_lease(holders[number], version=version)))

        assert len([lease for lease in taken if lease is not None]) == 1

    def test_a_dropped_lease_is_gone_and_may_be_dropped_again(self, ledger: RunLedger) -> None:
        lease = held(ledger, a_lease())
        ledger.drop_lease(lease)
        ledger.drop_lease(lease)

        assert ledger.lease_of("adults") is None

    def test_the_lease_of_another_holder_is_not_dropped(self, ledger: RunLedger) -> None:
        first = held(ledger, a_lease())
        second = held(ledger, a_lease("two", version=first.version))
        ledger.drop_lease(first)
        ledger.drop_lease(a_lease())

        assert ledger.lease_of("adults") == second

    def test_a_lease_that_was_dropped_and_acquired_again_is_another(self, ledger: RunLedger) -> None:
        first = held(ledger, a_lease())
        ledger.drop_lease(first)
        held(ledger, a_lease())

        assert ledger.put_lease(first) is None

    # --- first seen

    def test_a_study_is_first_seen_once(self, ledger: RunLedger) -> None:
        seen = [
            ledger.first_seen("adults", NOW),
            ledger.first_seen("adults", LATER),
            ledger.first_seen("others", LATER),
        ]

        assert seen == [NOW, NOW, LATER]

    def test_the_first_key_of_a_study_s_forms_stays(self, ledger: RunLedger) -> None:
        keys = [ledger.form_key(study, new) for study, new in (("adults", "a"), ("adults", "b"), ("others", "c"))]

        assert (keys, ledger.runs()) == (["a", "a", "c"], [])

    def test_all_that_ask_at_once_get_the_same_first_sight(self, store: Store) -> None:
        seen = at_once(MANY, lambda number: store.open().first_seen("adults", NOW + timedelta(seconds=number)))

        assert set(seen) == {store.open().first_seen("adults", LATER)}

    def test_of_many_that_add_a_notice_at_once_one_does_and_no_run_is_listed(self, store: Store) -> None:
        added = at_once(MANY, lambda number: store.open().add_notice("adults", "late-2026-11-16", NOW))

        assert (sum(added), store.open().runs()) == (1, [])

    # --- requests

    @pytest.mark.parametrize("before", ["nothing", "an equal run that ended"])
    def test_equal_requests_at_once_make_one_run_with_one_message(self, store: Store, before: str) -> None:
        study = parse_study(STUDY + CONSENT, "adults")

        def request(_: int) -> QueuedRun:
            return request_run(store.open(), study, RunRequest(dry_run=True), NOW, sandbox=False)

        ended = "" if before == "nothing" else request(0).record.run_id
        if ended:
            store.open().write(replace(there(store.open().read(ended)), state="refused"))
        found = at_once(MANY, request)

        assert len({run.record.run_id for run in found} - {ended}) == 1
        assert len([run for run in found if run.message]) == 1
