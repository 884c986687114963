"""Tests of the run history in Azure: the contract, its costs, lost responses, and the message of each failure.

Azurite stores the rows. A loopback server in front of it loses, breaks and delays responses.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from consent.errors import ConsentReportError, LedgerRefusedError, LedgerUnavailableError, RecordChangedError
from consent.runs.ledger.history import RunLedger
from consent.runs.ledger.record import LeaseRecord, RunRecord
from consent.runs.ledger.table import TABLE, TableLedger
from sandbox.azurite import ACCOUNT, KEY, Azurite
from sandbox.server import Fault, Server
from tests.support.forwarding import Forwarding
from tests.support.ledger_contract import LedgerContract, a_lease
from tests.support.ledger_stores import TableStore, at_once, kept, there
from tests.support.run_builders import NOW, a_report, a_run

# The library's own, on reading a refusal that is XML.
pytestmark = pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")

LATER = NOW + timedelta(days=7)
ALWAYS = 99
WRONG_KEY = "AAAA" + KEY[4:]


class TestTableLedger(LedgerContract):
    @pytest.fixture
    def store(self, azurite: Azurite) -> Iterator[TableStore]:
        tables = TableStore(azurite.table_url)
        yield tables
        tables.close()


@dataclass
class Bench:
    """A ledger behind the faulty server, one with a direct connection to the same table, and its rows."""

    server: Server
    store: TableStore
    ledger: TableLedger
    clear: TableLedger
    record: RunRecord
    lease: LeaseRecord

    def fail(self, kind: str, match: str = "", **how: Any) -> None:
        self.server.faults.append(Fault(kind, match, **how))

    def asked(self) -> list[str]:
        return [self.server.app.name_of(request) for request in self.server.requests]

    def test_an_edited_record_is_named_and_hides_no_other_study(self, store: TableStore) -> None:
        ledger = store.open()
        ledger.add(a_run())
        ledger.add(a_run(run_id="others.1", study="others"))
        store.edit("adults", "adults.2026-11-16", "document", lambda _: "{")

        with pytest.raises(LedgerRefusedError, match=r"run adults\.2026-11-16 in table") as caught:
            ledger.runs()
        assert caught.value.fix == "Delete that row, then run again."
        assert [run.run_id for run in ledger.runs("others")] == ["others.1"]


@pytest.fixture(scope="module")
def way(azurite: Azurite) -> Iterator[Server]:
    with Server(Forwarding(azurite.table_url)) as server:
        yield server


@pytest.fixture
def bench(azurite: Azurite, way: Server) -> Iterator[Bench]:
    """A run is recorded and its study leased; there are no faults and no requests yet."""
    way.faults.clear()
    clear = TableStore(azurite.table_url)
    behind = TableStore(f"{way.url}/{ACCOUNT}")
    ledger = clear.open()
    lease = there(ledger.put_lease(a_lease()))
    bench = Bench(way, behind, behind.open(), ledger, kept(ledger, a_run()), lease)
    way.requests.clear()
    yield bench
    behind.opened.close()
    clear.close()


def a_new_run() -> RunRecord:
    return a_run(run_id="adults.new")


Do = Callable[[RunLedger, Bench], Any]
DEEDS: dict[str, Do] = {
    "add": lambda ledger, bench: ledger.add(a_new_run()),
    "read": lambda ledger, bench: ledger.read(bench.record.run_id),
    "write": lambda ledger, bench: ledger.write(replace(bench.record, state="running")),
    "list": lambda ledger, bench: ledger.runs("adults"),
    "lease": lambda ledger, bench: ledger.put_lease(a_lease(study="others")),
    "renew": lambda ledger, bench: ledger.put_lease(replace(bench.lease, expires_at=LATER)),
    "drop": lambda ledger, bench: ledger.drop_lease(bench.lease),
}
CHANGES = ["add", "write", "lease", "renew"]
JSON = {"Content-Type": "application/json"}
RUBBISH: dict[str, dict[str, Any]] = {
    "a sign-in page": {"headers": {"Content-Type": "text/html"}, "body": b"<html>Sign in, please</html>"},
    "an empty object": {"headers": JSON, "body": b"{}"},
    "a list": {"headers": JSON, "body": b"[1]"},
    "another row": {
        "headers": {**JSON, "ETag": "W/1"},
        "body": b'{"odata.etag": "W/1", "PartitionKey": "a", "RowKey": "b", "value": [{"PartitionKey": "a"}]}',
    },
    "nothing": {},
}


# --- costs


@pytest.mark.parametrize(
    ("deed", "expected"),
    [("add", "POST"), ("read", "GET"), ("write", "PUT"), ("list", "GET"), ("lease", "POST"), ("renew", "PUT")],
)
def test_a_healthy_store_gets_one_request(bench: Bench, deed: str, expected: str) -> None:
    DEEDS[deed](bench.ledger, bench)

    assert bench.asked() == [f"{expected} {TABLE}"]


def test_a_report_is_found_with_one_listing_and_one_read(bench: Bench) -> None:
    bench.clear.write(replace(a_report(), version=bench.record.version))

    bench.ledger.last_report("adults", sandbox=False)

    assert bench.asked() == [f"GET {TABLE}"] * 2


def test_more_runs_than_one_response_holds_are_all_listed(bench: Bench) -> None:
    bench.store.add_hundreds(a_run(), 11)

    assert len(bench.clear.runs("adults")) == 1101


def test_the_first_row_creates_the_table(bench: Bench) -> None:
    bench.store.remove_table()
    bench.server.requests.clear()

    bench.ledger.add(a_new_run())

    assert bench.asked() == [f"POST {TABLE}", "POST Tables", f"POST {TABLE}"]


def test_many_first_rows_at_once_create_the_table_once(bench: Bench) -> None:
    bench.store.remove_table()

    added = at_once(6, lambda number: bench.store.open().add(a_run(run_id=f"adults.{number}")))

    assert None not in added


@pytest.mark.parametrize("deed", ["read", "list"])
def test_reading_creates_no_table(bench: Bench, deed: str) -> None:
    bench.store.remove_table()
    bench.server.requests.clear()

    DEEDS[deed](bench.ledger, bench)

    assert bench.asked() == [f"GET {TABLE}"]


def test_a_record_cannot_be_written_without_a_table(bench: Bench) -> None:
    bench.store.remove_table()

    with pytest.raises(RecordChangedError):
        bench.ledger.write(bench.record)


# --- responses lost after the work was done


@pytest.mark.parametrize("times", [1, 3])
def test_an_addition_whose_response_was_lost_counts_as_done(bench: Bench, times: int) -> None:
    bench.fail("lost", f"POST {TABLE}", times=times)

    added = there(bench.ledger.add(a_new_run()))

    assert bench.clear.read("adults.new") == added


def test_an_addition_whose_response_was_late_counts_as_done(bench: Bench) -> None:
    bench.fail("hang", f"POST {TABLE}", seconds=0.6)
    record = a_run(study="late", run_id="late.1")  # no other test uses it: the first request outlives this one

    added = there(replace(bench.store, read_seconds=0.4).open().add(record))

    assert bench.clear.read("late.1") == added


def test_a_write_whose_response_was_lost_counts_as_done(bench: Bench) -> None:
    bench.fail("lost", f"PUT {TABLE}")

    written = bench.ledger.write(replace(bench.record, state="running"))

    assert bench.clear.read(bench.record.run_id) == written


def test_a_lease_whose_response_was_lost_is_held(bench: Bench) -> None:
    bench.fail("lost", f"POST {TABLE}")
    bench.fail("lost", f"PUT {TABLE}")

    put = there(bench.ledger.put_lease(a_lease(study="others")))
    renewed = there(bench.ledger.put_lease(replace(put, expires_at=LATER)))

    assert bench.clear.lease_of("others") == renewed


def test_a_lease_that_was_dropped_without_a_response_is_gone(bench: Bench) -> None:
    bench.fail("lost", f"DELETE {TABLE}")

    bench.ledger.drop_lease(bench.lease)

    assert bench.clear.lease_of("adults") is None


def test_a_table_whose_response_was_lost_is_used(bench: Bench) -> None:
    bench.store.remove_table()
    bench.fail("lost", "POST Tables")

    assert bench.ledger.add(a_new_run()) is not None


def test_an_addition_is_not_done_because_somebody_added_an_equal_row(bench: Bench) -> None:
    bench.clear.add(a_new_run())
    bench.fail("lost", f"POST {TABLE}")

    assert bench.ledger.add(a_new_run()) is None


@pytest.mark.parametrize("expired", [True, False])
def test_of_many_that_acquire_a_lease_at_once_one_does_though_responses_are_lost(bench: Bench, expired: bool) -> None:
    bench.fail("lost", f"PUT {TABLE}" if expired else f"POST {TABLE}", times=5)
    lease = a_lease("two", version=bench.lease.version) if expired else a_lease(study="others")

    taken = at_once(6, lambda _: bench.store.open().put_lease(lease))

    assert len([held for held in taken if held is not None]) == 1


@pytest.mark.parametrize("deed", CHANGES)
def test_a_change_that_got_no_response_at_all_is_not_called_done(bench: Bench, deed: str) -> None:
    bench.fail("lost", times=ALWAYS)

    with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
        DEEDS[deed](bench.ledger, bench)


def test_an_addition_may_be_repeated_after_all_its_responses_were_lost(bench: Bench) -> None:
    bench.fail("lost", times=4)
    with pytest.raises(LedgerUnavailableError):
        bench.ledger.add(a_new_run())

    assert (bench.ledger.add(a_new_run()), len(bench.ledger.runs("adults"))) == (None, 2)


# --- a store that fails for a while


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("fault", [Fault("reset"), Fault("answer", status=503)], ids=["reset", "503"])
def test_a_short_failure_is_retried(bench: Bench, deed: str, fault: Fault) -> None:
    twice = replace(fault, times=2)
    bench.server.faults.append(twice)

    DEEDS[deed](bench.ledger, bench)

    assert twice.times == 0  # it did happen


@pytest.mark.parametrize("deed", ["read", "list"])
def test_a_response_that_breaks_off_is_requested_again(bench: Bench, deed: str) -> None:
    broken = Fault("cut", at=9, times=2)
    bench.server.faults.append(broken)

    DEEDS[deed](bench.ledger, bench)

    assert broken.times == 0


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (Fault("reset"), "cannot be reached"),
        (Fault("answer", status=408), r"is busy or down \(status 408, request id unknown\)"),
        (Fault("answer", status=429), "is busy or down"),
        (Fault("answer", status=500), "is busy or down"),
        (Fault("answer", status=404, body=b"<html>"), "not from a table service"),
        (Fault("answer", status=302, headers={"Location": "http://127.0.0.1/sign-in"}), "cannot be reached"),
    ],
    ids=["reset", "408", "429", "500", "404 of something else", "302"],
)
def test_a_lasting_failure_may_pass_later(bench: Bench, fault: Fault, what: str) -> None:
    bench.server.faults.append(replace(fault, times=ALWAYS))

    with pytest.raises(LedgerUnavailableError, match=rf"table ConsentRuns at http.*\).*{what}"):
        bench.ledger.read(bench.record.run_id)


@pytest.mark.parametrize("deed", DEEDS)
def test_nothing_has_changed_after_a_failure_before_the_work(bench: Bench, deed: str) -> None:
    bench.fail("answer", status=503, times=ALWAYS)
    with pytest.raises(LedgerUnavailableError):
        DEEDS[deed](bench.ledger, bench)

    assert (bench.clear.runs("adults"), bench.clear.lease_of("adults")) == ([bench.record], bench.lease)


@pytest.mark.parametrize("deed", ["add", "list"])
def test_a_store_that_hangs_times_out(bench: Bench, deed: str) -> None:
    with Server(Forwarding("http://127.0.0.1:1")) as hanging:
        hanging.faults.append(Fault("hang", seconds=1, times=ALWAYS))
        ledger = replace(bench.store, url=f"{hanging.url}/{ACCOUNT}", read_seconds=0.02).open()

        with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
            DEEDS[deed](ledger, bench)


@pytest.mark.parametrize("deed", [*CHANGES, "read", "list"])
@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_response_of_something_else_is_not_believed(bench: Bench, deed: str, rubbish: str) -> None:
    bench.fail("answer", status=200, times=ALWAYS, **RUBBISH[rubbish])

    with pytest.raises(LedgerUnavailableError, match=r"not from a table service \(status 200"):
        DEEDS[deed](bench.ledger, bench)


@pytest.mark.parametrize("deed", ["read", "list"])
@pytest.mark.parametrize("at", [0, 1, 200])
def test_a_truncated_response_is_not_believed(bench: Bench, deed: str, at: int) -> None:
    bench.fail("trim", at=at, times=ALWAYS)

    with pytest.raises(LedgerUnavailableError, match="not from a table service"):
        DEEDS[deed](bench.ledger, bench)


def test_after_four_tries_and_two_short_waits_the_store_is_unavailable(bench: Bench) -> None:
    bench.fail("answer", status=503, times=ALWAYS)

    with pytest.raises(LedgerUnavailableError, match="is busy or down"):
        bench.ledger.add(a_new_run())

    assert (len(bench.asked()), bench.store.waits) == (4, [0.4, 0.8])


def test_a_store_that_asks_for_an_hour_gets_five_seconds(bench: Bench) -> None:
    bench.fail("answer", status=503, headers={"Retry-After": "3600"})

    bench.ledger.lease_of("adults")

    assert bench.store.waits == [5.0]


# --- a store that refuses


def test_a_wrong_key_is_refused(bench: Bench) -> None:
    ledger = replace(bench.store, key=WRONG_KEY).open()

    with pytest.raises(LedgerRefusedError, match=r"refused access \(status 403, request id .*account key in Azure"):
        ledger.runs()


def test_an_account_that_does_not_exist_is_refused(bench: Bench) -> None:
    store = replace(bench.store, url=f"{bench.server.url}/nobody", account="nobody")

    with pytest.raises(LedgerRefusedError, match=r"rejected the request \(status 404, .* of AzureWebJobsStorage"):
        store.open().runs()


@pytest.mark.parametrize(
    ("status", "code", "fix"),
    [
        (401, "InvalidAuthenticationInfo", "the role 'Storage Table Data Contributor'"),
        (403, "AccountIsDisabled", "is disabled"),
        (403, "KeyBasedAuthenticationNotPermitted", "accepts no keys: set AzureWebJobsStorage__accountName"),
        (400, "InvalidInput", "general-purpose"),
    ],
)
@pytest.mark.parametrize("deed", ["add", "list", "drop"])
def test_a_refusal_says_how_to_fix_it(bench: Bench, deed: str, status: int, code: str, fix: str) -> None:
    body = b'{"odata.error": {"code": "%s", "message": {"value": "secret words"}}}' % code.encode()
    bench.fail("answer", status=status, headers={**JSON, "x-ms-request-id": "the-request"}, body=body, times=ALWAYS)

    with pytest.raises(LedgerRefusedError, match=rf"\(status {status}, request id the-request\)") as caught:
        DEEDS[deed](bench.ledger, bench)

    assert fix in caught.value.fix


# --- secrets


def error_of(bench: Bench, ledger: RunLedger, deed: str) -> ConsentReportError:
    with pytest.raises(ConsentReportError, match="table ConsentRuns") as caught:
        DEEDS[deed](ledger, bench)
    return caught.value


@pytest.mark.parametrize("deed", DEEDS)
def test_no_error_of_the_library_is_chained(bench: Bench, deed: str) -> None:
    bench.fail("answer", status=403, body=b"secret words", times=ALWAYS)

    error = error_of(bench, bench.ledger, deed)

    assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.parametrize("status", [200, 403, 404, 500])
def test_no_words_of_a_server_are_passed_on(bench: Bench, status: int) -> None:
    bench.fail("answer", status=status, headers={"x-ms-error-code": "secret words"}, body=b"secret words", times=ALWAYS)

    assert "secret" not in str(error_of(bench, bench.ledger, "list"))


def test_the_key_is_in_no_log_line_however_much_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.ledger.add(a_new_run())
    error_of(bench, replace(bench.store, key=WRONG_KEY).open(), "list")

    assert "ConsentRuns" in caplog.text
    assert not [key for key in (KEY, WRONG_KEY) if key in caplog.text]


def test_the_key_is_not_shown_when_the_ledger_is_printed(bench: Bench) -> None:
    printed = f"{bench.ledger!r} {vars(bench.ledger)} {vars(bench.ledger._client)}"

    assert KEY not in printed
