"""What must hold in the end: one current report, a correct run history, and no secret or record id anywhere."""

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

from consent.runs.due import is_reported
from consent.runs.ledger.record import RunRecord, scheduled_id
from sandbox.dropbox.app import Dropbox
from tests.campaign.cases import Case
from tests.campaign.reader import Reader, listed_in_manifests
from tests.support.readable_text import readable_text, spells


@dataclass(frozen=True)
class FinalState:
    """The folder, the run history and the log at the end of a case.

    Attributes:
        records: of each machine's history, newest first; ``lasts``: of each, the one whose report is said to stand.
        rows: what the storage holds of the study, property by property, and the other machine's file.
        started: how often a worker of each machine was handed a message of each run.
        secrets: texts that must not be found anywhere.
    """

    case: Case
    monday: date
    reader: Reader
    account: Dropbox
    records: Sequence[Sequence[RunRecord]]
    lasts: Sequence[RunRecord | None]
    rows: Sequence[Mapping[str, Any]]
    started: Sequence[Counter[str]]
    log: Sequence[str]
    secrets: Iterable[str]

    @property
    def files(self) -> dict[str, bytes]:
        return self.account.files()


def problems_of(after: FinalState) -> list[str]:
    """Return everything that does not hold, a sentence each.

    The history of the machine that delivered last tells of the report in the folder; the other's, of an earlier one.
    """
    reports = [list(_report(after, last)) for last in after.lasts]
    runs = (_runs(after, *history) for history in zip(after.records, after.started, strict=False))
    return [*_folder(after), *min(reports, key=len), *chain.from_iterable(runs), *_leaks(after)]


def _folder(after: FinalState) -> Iterator[str]:
    files, reader = after.files, after.reader
    reader.look(files)
    yield from dict.fromkeys(reader.problems)
    if not reader.is_whole(files):
        yield "no whole report stands under the stable names"
    strays = [path for path in files if path not in reader.stable and not path.startswith("/Archive/")]
    if strays:
        yield f"files stand about that belong to no report: {strays}"
    rewritten = [path for path in files if path.startswith("/Archive/") and len(after.account.revisions(path)) > 1]
    if rewritten:
        yield f"archived files were rewritten: {rewritten}"


def _report(after: FinalState, last: RunRecord | None) -> Iterator[str]:
    manifest = after.reader.manifest(after.files)
    if manifest is None or last is None:
        yield "there is no manifest, or no run that says it delivered one"
        return
    document = json.loads(after.files[after.reader.stable[1]])
    if date.fromisoformat(manifest["cutoff"]) < after.monday:
        yield f"the report is as of {manifest['cutoff']}, before its Monday"
    if (last.set_id, last.cutoff) != (manifest["set_id"], date.fromisoformat(manifest["cutoff"])):
        yield f"run {last.run_id} delivered set {last.set_id}, but set {manifest['set_id']} stands in the folder"
    if {(one.path, one.content_hash, one.rev) for one in last.files} != set(_stored(after)):
        yield f"the files that run {last.run_id} says it delivered are not those in the folder"
    told = last.counts and (last.counts.participants, last.counts.consented)
    if told != (document["participants"]["total"], document["participants"]["consented"]):
        yield f"run {last.run_id} tells other totals than its report"
    if last.week_counts is None or [week["consented"] for week in document["weeks"]] != list(
        last.week_counts.consented
    ):
        yield f"run {last.run_id} tells other weeks than its report"


def _stored(after: FinalState) -> Iterator[tuple[str, str, str]]:
    for path in after.reader.stable:
        if path in after.files:
            revision = after.account.account.tree.find_file(path).current
            yield path, revision.content_hash, revision.rev


def _runs(after: FinalState, records: Sequence[RunRecord], started: Counter[str]) -> Iterator[str]:
    if not is_reported(records, after.monday, sandbox=True):
        yield "the Monday was lost: no run says that it delivered its report"
    for record in records:
        if record.is_open:
            yield f"run {record.run_id} is still {record.state}"
        elif record.finished_at is None or not 0 <= record.attempt <= started[record.run_id]:
            yield f"run {record.run_id} tells of {record.attempt} attempts; there were {started[record.run_id]}"
        elif record.started_at and record.started_at > record.finished_at:
            yield f"run {record.run_id} ended before it began"
    own = scheduled_id(records[0].study, after.monday, sandbox=True) if records else ""
    states = {record.run_id: record.state for record in records}
    if after.case.asked != "now" and states.get(own) not in ("delivered", "unchanged"):
        yield f"the Monday's own run ended as {states.get(own)}"


def _leaks(after: FinalState) -> Iterator[str]:
    texts = {
        "a log line": "\n".join(after.log),
        "the record of runs": "\n".join(_text(value) for row in after.rows for value in row.values()),
        "a delivered file": "\n".join(content.decode(errors="replace") for content in after.files.values()),
        "a report": "\n".join(_readable(after.files)),
    }
    for place, text in texts.items():
        for secret in after.secrets:
            if spells(text, secret):
                yield f"{place} gives away {secret}"


def _readable(files: Mapping[str, bytes]) -> Iterator[str]:
    """The texts of the tables and documents; tests/integration/runs/test_pipeline.py reads a whole report."""
    for content, name in listed_in_manifests(files).items():
        if name.endswith((".csv", ".json")):
            yield readable_text(name, content)


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        return str(value)
    return zlib.decompress(value).decode() if value.startswith(b"\x78") else value.decode(errors="replace")
