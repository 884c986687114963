"""The data files of a report: the weekly CSV, in the earlier pipeline's format, and the JSON document."""

import csv
import io
import json
from typing import Any

from consent.counting.summary import Changes, ConsentSummary
from consent.files import ReportFile, to_json
from consent.version import __version__


def render_csv(summary: ConsentSummary) -> ReportFile:
    r"""Return ``period,consent,<riders>``, a row per week and a row ``Total``; ``\n`` line ends, UTF-8 without BOM."""
    riders = [rider.key for rider in summary.riders]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["period", "consent", *riders])
    for week in summary.weeks:
        table.writerow([f"{week.first_day} - {week.last_day}", week.consented, *(week.riders[key] for key in riders)])
    table.writerow(["Total", summary.participants.consented, *(rider.agreed for rider in summary.riders)])
    return ReportFile(f"{summary.study.title}.csv", text.getvalue().encode())


def render_json(summary: ConsentSummary) -> ReportFile:
    r"""Return the document indented, in UTF-8, with a final ``\n``. It names no instant or run, so the bytes repeat."""
    text = json.dumps(document(summary), ensure_ascii=False, indent=2) + "\n"
    return ReportFile(f"{summary.study.title}.json", text.encode(), data=True)


def document(summary: ConsentSummary) -> dict[str, Any]:
    """Return the summary as plain JSON values, with the keys in a fixed order."""
    study, people = summary.study, summary.participants
    return {
        "schema": "consent-summary/1",
        "study": {
            "key": study.key,
            "title": study.title,
            "start_date": study.start_date.isoformat(),
            "time_zone": study.time_zone,
        },
        "cutoff": summary.period.cutoff.isoformat(),
        "exported_on": summary.period.exported_on.isoformat(),
        "participants": {
            "total": people.total,
            "consented": people.consented,
            "declined": people.declined,
            "pending": {"open": people.pending_open, "not_started": people.pending_not_started},
            "not_counted": dict(people.not_counted),
        },
        "left_out": dict(summary.left_out),
        "outside": summary.outside,
        "working_copies": summary.working_copies,
        "taking_part_now": summary.taking_part,
        "weeks": to_json(summary.weeks),
        "totals": {"consented": people.consented, "riders": {rider.key: rider.agreed for rider in summary.riders}},
        "riders": to_json(summary.riders),
        **_optional_parts(summary),
        "changes": _changes(summary.changes),
        "quality": dict(summary.quality),
        "source": to_json(summary.source),
        "notes": list(summary.notes),
        "app": {"version": __version__, "study_sha256": study.sha256},
    }


def _optional_parts(summary: ConsentSummary) -> dict[str, Any]:
    """Return the parts that only some study files configure; the keys of the others are absent."""
    parts: dict[str, Any] = {}
    if summary.sites and summary.study.sites:
        parts["sites_by"] = "field" if summary.study.sites.by else "data_access_group"
        parts["sites"] = [_known(site) for site in summary.sites]
    if summary.versions:
        parts["versions"] = [_known(version) for version in summary.versions]
        parts["reconsent_due"] = summary.reconsent_due
    if summary.withdrawals:
        parts["withdrawals"] = _known(summary.withdrawals)
    if summary.accrual:
        projection = {"projection": to_json(summary.projection)} if summary.projection else {}
        parts["accrual"] = _known(summary.accrual) | projection
    if summary.renewal is not None:
        parts["renewal"] = [_known(row) for row in summary.renewal]
    return parts


def _known(part: object) -> dict[str, Any]:
    """The fields of a dataclass as plain JSON values, without the unknown ones."""
    return {name: value for name, value in to_json(part).items() if value is not None}


def _changes(changes: Changes | None) -> dict[str, Any] | None:
    """None where the run history was not read; ``since`` is null in a study's first report alone."""
    if changes is None or (changes.since is None and not changes.first):
        return None
    return {
        "since": to_json(changes.since),
        "new_consents": changes.new_consents if changes.since else None,
        "weeks": to_json(changes.weeks),
        "rules_changed": list(changes.rules_changed),
    }
