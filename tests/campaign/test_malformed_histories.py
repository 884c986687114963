"""The command line's run history is damaged between two runs: it is refused, or gives exactly the last report."""

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from consent.dates import WEEK
from consent.errors import ConsentReportError, DeliveryUnavailableError
from consent.runs.lease import KeepAlive
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.pipeline import RunResult
from consent.runs.worker import run_at_once
from tests.campaign.cases import FIRST_SEED
from tests.support.run_builders import MONDAY, Clock, a_report, a_run

OTHER_FILES = [b"{}", b"a,b\n1,2\n", b"%PDF-1.7\n", b"SQLite format 3\0" + bytes(5000), bytes(8192)]
Damage = Callable[[bytes, random.Random], bytes]


def flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for place in chance.sample(range(len(content)), chance.choice((1, 10, 1000))):
        changed[place] ^= chance.randrange(1, 256)
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content, chance: content[: chance.randrange(1, len(content))], id="truncated"),
        pytest.param(lambda content, chance: b"", id="emptied"),
        pytest.param(flipped, id="bytes flipped"),
        pytest.param(lambda content, chance: chance.choice(OTHER_FILES), id="another file"),
    ],
)
def test_a_run_never_takes_another_report_for_the_last_one(damage: Damage, tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "runs.sqlite", wait_seconds=0)
    for week in range(25):
        ledger.add(a_report(run_id=f"adults.{week}", cutoff=MONDAY - timedelta(days=1) - week * WEEK))
    content, last = ledger.path.read_bytes(), ledger.last_report("adults", sandbox=False)
    found = [last]

    def perform(record: RunRecord, lease: KeepAlive) -> RunResult:
        found.append(ledger.last_report("adults", sandbox=False))
        raise DeliveryUnavailableError("No connection.", "Run again.")

    for seed in range(FIRST_SEED, FIRST_SEED + 50):
        ledger.path.write_bytes(damage(content, random.Random(seed)))
        with pytest.raises(ConsentReportError):
            run_at_once(a_run(run_id="adults.now"), ledger, perform, now=Clock(), holder="here")
    assert last is not None
    assert [report for report in found if report != last] == []
