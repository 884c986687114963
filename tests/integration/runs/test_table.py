"""Claims about the record of runs in Azure: what it costs, what becomes of lost answers, and what each refusal says.

Azurite does the storing; the shared loopback server stands in front of it and loses, breaks and delays answers.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from consent.errors import ConsentReportError, LedgerRefusedError, LedgerUnavailableError, RecordChangedError
from consent.runs.ledger.record import LeaseRecord, RunLedger, RunRecord
from consent.runs.ledger.table import RUNS, STUDIES, TableLedger
from sandbox.azurite import ACCOUNT, KEY, Azurite
from sandbox.server import Fault, Server
from tests.support.forwarding import Forwarding
from tests.support.ledger_stores import TableStore, at_once, kept, there
from tests.support.run_builders import NOW, a_run

# The library's own, on reading a refusal that is XML.
pytestmark = pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")

LATER = NOW + timedelta(days=7)
ALWAYS = 99
WRONG_KEY = "AAAA" + KEY[4:]


@dataclass
class Bench:
    """A ledger behind a faulty way, one with a clear way to the same tables, and what stands in them."""

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


@pytest.fixture(scope="module")
def way(azurite: Azurite) -> Iterator[Server]:
    with Server(Forwarding(azurite.table_url)) as server:
        yield server


@pytest.fixture
def bench(azurite: Azurite, way: Server) -> Iterator[Bench]:
    """A run is recorded and its study claimed; every fault is over and every request forgotten."""
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


def a_lease(holder: str = "one", **changes: Any) -> LeaseRecord:
    return replace(LeaseRecord("adults", "adults.2026-11-16", 1, holder, NOW + timedelta(minutes=10)), **changes)


def a_new_run() -> RunRecord:
    return a_run(run_id="adults.new")


Do = Callable[[RunLedger, Bench], Any]
DEEDS: dict[str, Do] = {
    "add": lambda ledger, bench: ledger.add(a_new_run()),
    "read": lambda ledger, bench: ledger.read(bench.record.run_id),
    "write": lambda ledger, bench: ledger.write(replace(bench.record, state="running")),
    "list": lambda ledger, bench: ledger.runs("adults"),
    "last report": lambda ledger, bench: ledger.last_report("adults", sandbox=False),
    "claim": lambda ledger, bench: ledger.put_lease(a_lease(study="others")),
    "renew": lambda ledger, bench: ledger.put_lease(replace(bench.lease, expires_at=LATER)),
    "first seen": lambda ledger, bench: ledger.first_seen("adults", NOW),
}
RUBBISH: dict[str, dict[str, Any]] = {
    "a sign-in page": {"headers": {"Content-Type": "text/html"}, "body": b"<html>Sign in, please</html>"},
    "a sign-in page as JSON": {"headers": {"Content-Type": "application/json"}, "body": b"<html>Sign in</html>"},
    "an empty object": {"headers": {"Content-Type": "application/json"}, "body": b"{}"},
    "a list": {"headers": {"Content-Type": "application/json"}, "body": b"[1]"},
    "a word": {"headers": {"Content-Type": "application/json"}, "body": b'"ok"'},
    "no answer": {"headers": {"Content-Type": "application/json"}, "body": b"null"},
    "another row": {
        "headers": {"Content-Type": "application/json", "ETag": "W/1"},
        "body": b'{"odata.etag": "W/1", "PartitionKey": "a", "RowKey": "b", "value": [{"PartitionKey": "a"}]}',
    },
    "nothing": {},
}


# --- what it costs


@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        ("add", [f"POST {RUNS}"]),
        ("read", [f"GET {RUNS}"]),
        ("write", [f"PUT {RUNS}"]),
        ("list", [f"GET {RUNS}"]),
        ("claim", [f"POST {STUDIES}"]),
        ("renew", [f"PUT {STUDIES}"]),
    ],
)
def test_a_healthy_store_is_asked_once(bench: Bench, deed: str, expected: list[str]) -> None:
    DEEDS[deed](bench.ledger, bench)

    assert bench.asked() == expected


def test_the_first_row_of_all_makes_its_table(bench: Bench) -> None:
    bench.store.remove_tables()
    bench.server.requests.clear()

    bench.ledger.add(a_new_run())

    assert bench.asked() == [f"POST {RUNS}", "POST Tables", f"POST {RUNS}"]


def test_many_first_rows_at_once_make_their_table_once(bench: Bench) -> None:
    bench.store.remove_tables()

    added = at_once(6, lambda number: bench.store.open().add(a_run(run_id=f"adults.{number}")))

    assert None not in added


@pytest.mark.parametrize("deed", ["read", "list", "last report"])
def test_reading_makes_no_table(bench: Bench, deed: str) -> None:
    bench.store.remove_tables()
    bench.server.requests.clear()

    DEEDS[deed](bench.ledger, bench)

    assert not [name for name in bench.asked() if not name.startswith("GET ")]


def test_a_record_cannot_be_written_where_there_is_no_table(bench: Bench) -> None:
    bench.store.remove_tables()

    with pytest.raises(RecordChangedError, match="was changed by somebody else meanwhile"):
        bench.ledger.write(bench.record)


# --- answers that are lost after the work


@pytest.mark.parametrize("times", [1, 3])
def test_an_addition_whose_answer_was_lost_is_known_as_done(bench: Bench, times: int) -> None:
    bench.fail("lost", f"POST {RUNS}", times=times)

    added = there(bench.ledger.add(a_new_run()))

    assert bench.clear.read("adults.new") == added


def test_an_addition_whose_answer_came_too_late_is_known_as_done(bench: Bench) -> None:
    bench.fail("hang", f"POST {RUNS}", seconds=0.6)
    record = a_run(study="late", run_id="late.1")  # whom no other test knows: the first request outlives this one

    added = there(replace(bench.store, read_seconds=0.4).open().add(record))

    assert bench.clear.read("late.1") == added


def test_a_record_whose_answer_was_lost_is_written_once(bench: Bench) -> None:
    bench.fail("lost", f"PUT {RUNS}")

    written = bench.ledger.write(replace(bench.record, state="running"))

    assert bench.clear.read(bench.record.run_id) == written


def test_a_lease_whose_answer_was_lost_is_held(bench: Bench) -> None:
    bench.fail("lost", f"POST {STUDIES}")

    put = there(bench.ledger.put_lease(a_lease(study="others")))

    assert bench.clear.lease_of("others") == put


def test_a_renewal_whose_answer_was_lost_is_held(bench: Bench) -> None:
    bench.fail("lost", f"PUT {STUDIES}")

    renewed = there(bench.ledger.put_lease(replace(bench.lease, expires_at=LATER)))

    assert bench.clear.lease_of("adults") == renewed


def test_a_lease_that_was_dropped_without_an_answer_is_gone(bench: Bench) -> None:
    bench.fail("lost", f"DELETE {STUDIES}")

    bench.ledger.drop_lease(bench.lease)

    assert bench.clear.lease_of("adults") is None


def test_a_first_sight_whose_answer_was_lost_is_kept(bench: Bench) -> None:
    bench.fail("lost", f"POST {STUDIES}")

    assert bench.ledger.first_seen("others", NOW) == bench.clear.first_seen("others", LATER)


def test_a_table_whose_answer_was_lost_is_used(bench: Bench) -> None:
    bench.store.remove_tables()
    bench.fail("lost", "POST Tables")

    assert bench.ledger.add(a_new_run()) is not None


def test_an_addition_is_not_taken_for_done_because_an_equal_one_was(bench: Bench) -> None:
    bench.clear.add(a_new_run())
    bench.fail("lost", f"POST {RUNS}")

    assert bench.ledger.add(a_new_run()) is None


def test_of_many_that_lease_at_once_one_does_though_answers_are_lost(bench: Bench) -> None:
    bench.fail("lost", f"POST {STUDIES}", times=5)

    taken = at_once(6, lambda _: bench.store.open().put_lease(a_lease(study="others")))

    assert len([lease for lease in taken if lease is not None]) == 1


def test_of_many_that_take_over_at_once_one_does_though_answers_are_lost(bench: Bench) -> None:
    bench.fail("lost", f"PUT {STUDIES}", times=5)

    taken = at_once(6, lambda _: bench.store.open().put_lease(a_lease("two", version=bench.lease.version)))

    assert len([lease for lease in taken if lease is not None]) == 1


@pytest.mark.parametrize("deed", ["add", "write", "claim", "renew"])
def test_a_change_all_of_whose_answers_were_lost_is_not_called_done(bench: Bench, deed: str) -> None:
    bench.fail("lost", times=ALWAYS)

    with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
        DEEDS[deed](bench.ledger, bench)


def test_an_addition_may_be_repeated_after_all_its_answers_were_lost(bench: Bench) -> None:
    bench.fail("lost", times=4)
    with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
        bench.ledger.add(a_new_run())

    assert (bench.ledger.add(a_new_run()), len(bench.ledger.runs("adults"))) == (None, 2)


# --- a store that fails for a while


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset"),
        Fault("answer", status=500),
        Fault("answer", status=503),
        Fault("answer", status=429),
    ],
    ids=["reset", "500", "503", "429"],
)
def test_a_short_failure_is_not_noticed(bench: Bench, deed: str, fault: Fault) -> None:
    twice = replace(fault, times=2)
    bench.server.faults.append(twice)

    DEEDS[deed](bench.ledger, bench)

    assert twice.times == 0  # it did happen


@pytest.mark.parametrize("deed", ["read", "list"])
def test_an_answer_that_breaks_off_is_asked_for_again(bench: Bench, deed: str) -> None:
    broken = Fault("cut", at=9, times=2)
    bench.server.faults.append(broken)

    DEEDS[deed](bench.ledger, bench)

    assert broken.times == 0


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset"),
        Fault("answer", status=408),
        Fault("answer", status=429),
        Fault("answer", status=500),
        Fault("answer", status=502, body=b"<html>Bad gateway</html>"),
        Fault("answer", status=503),
        Fault("answer", status=404, headers={"Content-Type": "text/html"}, body=b"<html>No such page</html>"),
        Fault("answer", status=302, headers={"Location": "http://127.0.0.1/sign-in"}),
    ],
    ids=["reset", "408", "429", "500", "502", "503", "404 of something else", "302"],
)
def test_a_lasting_failure_is_said_to_pass(bench: Bench, deed: str, fault: Fault) -> None:
    bench.server.faults.append(replace(fault, times=ALWAYS))

    with pytest.raises(LedgerUnavailableError, match=r"table Consent(Runs|Studies) at http.*The same run|the same run"):
        DEEDS[deed](bench.ledger, bench)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_store_that_hangs_is_given_up(bench: Bench, deed: str) -> None:
    with Server(Forwarding("http://127.0.0.1:1")) as hanging:
        hanging.faults.append(Fault("hang", seconds=1, times=ALWAYS))
        ledger = replace(bench.store, url=f"{hanging.url}/{ACCOUNT}", read_seconds=0.02).open()

        with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
            DEEDS[deed](ledger, bench)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("rubbish", RUBBISH)
def test_what_no_table_service_says_is_no_answer(bench: Bench, deed: str, rubbish: str) -> None:
    bench.fail("answer", status=200, times=ALWAYS, **RUBBISH[rubbish])

    with pytest.raises(LedgerUnavailableError, match=r"something else than a table service answered \(status 200"):
        DEEDS[deed](bench.ledger, bench)


@pytest.mark.parametrize("deed", ["read", "list"])
@pytest.mark.parametrize("at", [0, 1, 40, 200])
def test_an_answer_that_ends_too_early_is_no_answer(bench: Bench, deed: str, at: int) -> None:
    bench.fail("trim", at=at, times=ALWAYS)

    with pytest.raises(LedgerUnavailableError, match="something else than a table service answered"):
        DEEDS[deed](bench.ledger, bench)


@pytest.mark.parametrize("deed", DEEDS)
def test_nothing_has_changed_after_a_failure_before_the_work(bench: Bench, deed: str) -> None:
    bench.fail("reset", times=ALWAYS)
    with pytest.raises(LedgerUnavailableError, match="cannot be reached"):
        DEEDS[deed](bench.ledger, bench)

    assert (bench.clear.runs("adults"), bench.clear.lease_of("adults")) == ([bench.record], bench.lease)


def test_a_store_that_cannot_be_reached_is_said_to_be(azurite: Azurite) -> None:
    store = TableStore(f"http://127.0.0.1:1/{ACCOUNT}")

    with pytest.raises(LedgerUnavailableError, match=r"cannot be reached\. Check the name of the storage account and"):
        store.open().runs()


def test_a_store_is_given_up_after_four_tries_and_two_short_waits(bench: Bench) -> None:
    bench.fail("answer", status=503, times=ALWAYS)

    with pytest.raises(LedgerUnavailableError, match=r"is busy or down \(status 503, request id unknown\)"):
        bench.ledger.add(a_new_run())

    assert (len(bench.asked()), bench.store.waits) == (4, [0.4, 0.8])


def test_a_store_that_asks_for_an_hour_is_not_waited_for_that_long(bench: Bench) -> None:
    bench.fail("answer", status=503, headers={"Retry-After": "3600"})

    bench.ledger.lease_of("adults")

    assert bench.store.waits == [5.0]


# --- a store that refuses


def test_a_wrong_key_is_refused(bench: Bench) -> None:
    ledger = replace(bench.store, key=WRONG_KEY).open()

    with pytest.raises(LedgerRefusedError, match=r"refused \(status 403, request id .*check the account key in Azure"):
        ledger.runs()


def test_an_account_that_is_not_there_is_refused(bench: Bench) -> None:
    store = replace(bench.store, url=f"{bench.server.url}/nobody", account="nobody")

    with pytest.raises(LedgerRefusedError, match=r"does not take the request \(status 404, .* of AzureWebJobsStorage"):
        store.open().runs()


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "InvalidAuthenticationInfo", "refused .*give it the role 'Storage Table Data Contributor'"),
        (403, "AuthorizationPermissionMismatch", "refused .*give it the role 'Storage Table Data Contributor'"),
        (403, "AccountIsDisabled", "refused .*the storage account is disabled"),
        (403, "KeyBasedAuthenticationNotPermitted", "refused .*takes no keys: set AzureWebJobsStorage__accountName"),
        (400, "InvalidInput", "does not take the request .*general-purpose"),
    ],
)
@pytest.mark.parametrize("deed", DEEDS)
def test_a_refusal_says_what_to_do(bench: Bench, deed: str, status: int, code: str, said: str) -> None:
    body = b'{"odata.error": {"code": "%s", "message": {"value": "secret words"}}}' % code.encode()
    headers = {"Content-Type": "application/json", "x-ms-request-id": "the-request"}
    bench.fail("answer", status=status, headers=headers, body=body, times=ALWAYS)

    with pytest.raises(LedgerRefusedError, match=said) as caught:
        DEEDS[deed](bench.ledger, bench)

    assert f"(status {status}, request id the-request)" in str(caught.value)


# --- secrets


def told(bench: Bench, ledger: RunLedger, deed: str) -> ConsentReportError:
    with pytest.raises(ConsentReportError, match="table Consent") as caught:
        DEEDS[deed](ledger, bench)
    return caught.value


@pytest.mark.parametrize("deed", DEEDS)
def test_no_error_of_the_library_is_carried_along(bench: Bench, deed: str) -> None:
    bench.fail("answer", status=403, body=b"secret words", times=ALWAYS)

    error = told(bench, bench.ledger, deed)

    assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.parametrize("status", [200, 403, 404, 500])
def test_nothing_that_a_server_says_is_passed_on(bench: Bench, status: int) -> None:
    bench.fail("answer", status=status, headers={"x-ms-error-code": "secret words"}, body=b"secret words", times=ALWAYS)

    assert "secret" not in str(told(bench, bench.ledger, "list"))


def test_the_key_is_in_no_log_line_however_much_is_logged(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.ledger.add(a_new_run())
    told(bench, replace(bench.store, key=WRONG_KEY).open(), "list")

    assert "ConsentRuns" in caplog.text
    assert not [key for key in (KEY, WRONG_KEY) if key in caplog.text]


def test_the_key_is_not_shown_when_the_ledger_is_printed(bench: Bench) -> None:
    printed = f"{bench.ledger!r} {vars(bench.ledger)} {vars(bench.ledger._tables)}"

    assert KEY not in printed
