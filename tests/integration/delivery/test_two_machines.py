"""Tests of two machines that deliver different reports to one Dropbox folder at the same time, in every order."""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import pytest

from consent.config.credentials import Secret
from consent.config.settings import Network
from consent.delivery.dropbox_folder import DropboxFolder
from consent.delivery.dropbox_session import dropbox_session
from consent.delivery.plan import Destination, deliver, plan_delivery
from consent.delivery.report_set import ReportSet
from consent.errors import DeliveryUnverifiedError
from consent.files import ReportFile
from sandbox.dropbox.app import Dropbox
from sandbox.dropbox.tree import WriteMode
from sandbox.server import Server

MONDAY = date(2026, 11, 16)
DESTINATION = Destination("study", "Consent", "/", archive=False, cutoff=MONDAY, exported_on=MONDAY, sandbox=True)


def a_report(table: bytes, document: bytes) -> ReportSet:
    return ReportSet((ReportFile("a.csv", table), ReportFile("a.json", document, data=True)), DESTINATION)


OLD, NEW, OTHER = a_report(b"old", b"old"), a_report(b"new", b"new"), a_report(b"other", b"other")


class Machine:
    """Plans a delivery and looks at the manifest at once, then sends one request at each step."""

    def __init__(self, server: Server, report: ReportSet, opened: contextlib.ExitStack) -> None:
        self.outcome, self._steps = "", 0
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._folder = DropboxFolder(
            app_key=Secret("DROPBOX_KEY", "sandbox-key"),
            refresh_token=Secret("DROPBOX_OAUTH2_REFRESH_TOKEN", "sandbox-refresh"),
            app_secret=None,
            session=opened.enter_context(dropbox_session(Network(), server.url)),
        )
        self._plan = plan_delivery(report, self._folder)
        self._folder.keep_alive = self._pause
        threading.Thread(target=self._deliver).start()
        self._paused.acquire()

    def step(self) -> None:
        self._go.release()
        self._paused.acquire()

    def _deliver(self) -> None:
        try:
            self.outcome = deliver(self._plan, self._folder).state
        except DeliveryUnverifiedError:
            self.outcome = "failed"
        self._paused.release()

    def _pause(self) -> None:
        self._steps += 1
        if self._steps > 1:
            self._paused.release()
            self._go.acquire()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Dropbox()) as server:
        yield server


def delivered(server: Server, reports: Sequence[ReportSet], order: Sequence[int] = ()) -> tuple[list[str], list[int]]:
    """Deliver the reports in an order of requests; return the outcomes, and each choice between two waiting machines.

    After the end of the order the first one continues.
    """
    choices: list[int] = []
    with contextlib.ExitStack() as opened:
        machines = [Machine(server, report, opened) for report in reports]
        while waiting := [machine for machine in machines if not machine.outcome]:
            if len(waiting) == 2:
                choices.append(order[len(choices)] if len(choices) < len(order) else 0)
            waiting[choices[-1] if len(waiting) == 2 else 0].step()
    return [machine.outcome for machine in machines], choices


def stands(report: ReportSet, files: Mapping[str, bytes]) -> bool:
    manifest = json.loads(files["/data/Consent.manifest.json"])
    contents = [files["/a.csv"], files["/data/a.json"]]
    return manifest["set_id"] == report.set_id and contents == [file.content for file in report.files]


@pytest.mark.parametrize(
    ("before", "table", "reports"),
    [
        pytest.param([], b"", (NEW, OTHER), id="an empty folder"),
        pytest.param([OLD], b"old", (NEW, OTHER), id="every file differs"),
        pytest.param([OLD], b"old", (a_report(b"old", b"new"), a_report(b"new", b"old")), id="each keeps one file"),
        pytest.param([OLD], b"new", (OLD, NEW), id="one restores what the other began to replace"),
    ],
)
def test_two_machines_never_both_succeed_with_a_mixed_folder(
    server: Server,
    before: Sequence[ReportSet],
    table: bytes,
    reports: tuple[ReportSet, ReportSet],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("consent.delivery.dropbox_folder._LOOKS", 1)  # or there are too many orders
    seen, order = Counter[int](), [0]
    while order:
        server.app = dropbox = Dropbox()
        for report in before:
            delivered(server, [report])
            dropbox.account.tree.write("/a.csv", table, WriteMode("overwrite"))
        outcomes, choices = delivered(server, reports, order)
        failed = [report for report, outcome in zip(reports, outcomes, strict=True) if outcome == "failed"]
        assert failed or any(stands(report, dropbox.files()) for report in reports), choices
        assert all(delivered(server, [report])[0] == ["delivered"] for report in failed), choices
        assert not failed or stands(failed[-1], dropbox.files()), choices
        seen[len(failed)] += 1
        while choices and choices[-1] == 1:  # the next order: the last choice of machine 0 becomes one of machine 1
            choices.pop()
        order = [*choices[:-1], 1] if choices else []
    assert seen[1], seen
