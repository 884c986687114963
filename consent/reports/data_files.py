"""The weekly table as CSV: header and rows as the registry's earlier pipeline wrote them, so that nothing breaks."""

import csv
import io
import json
from dataclasses import asdict
from datetime import date
from typing import Any

from consent.counting.recruitment import Accrual, RenewalRow
from consent.counting.summary import Changes, ConsentSummary, SiteCount, VersionCount, Withdrawals
from consent.files import ReportFile
from consent.version import __version__


def render_csv(summary: ConsentSummary) -> ReportFile:
    r"""``period,consent,<riders>``, a row per week and a last row ``Total``; ``\n`` line ends, UTF-8 without BOM."""
    riders = [rider.key for rider in summary.study.riders]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["period", "consent", *riders])
    for week in summary.weeks:
        table.writerow(
            [f"{week.first_day} - {week.last_day}", week.consented, *(week.riders[rider] for rider in riders)]
        )
    table.writerow(["Total", summary.participants.consented, *(rider.agreed for rider in summary.riders)])
    return ReportFile(f"{summary.study.title}.csv", text.getvalue().encode())


def render_json(summary: ConsentSummary) -> ReportFile:
    r"""Indented, UTF-8, keys in a fixed order, a final ``\n``; no instant and no run id, so the bytes repeat."""
    text = json.dumps(document(summary), ensure_ascii=False, indent=2) + "\n"
    return ReportFile(f"{summary.study.title}.json", text.encode(), data=True)


def document(summary: ConsentSummary) -> dict[str, Any]:
    """The summary as plain JSON values; dates as ``YYYY-MM-DD``."""
    study, participants = summary.study, summary.participants
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
            "total": participants.total,
            "consented": participants.consented,
            "declined": participants.declined,
            "pending": {"open": participants.pending_open, "not_started": participants.pending_not_started},
            "not_counted": dict(participants.not_counted),
        },
        "left_out": dict(summary.left_out),
        "outside": summary.outside,
        "taking_part_now": summary.taking_part,
        "weeks": [
            {
                "first_day": week.first_day.isoformat(),
                "last_day": week.last_day.isoformat(),
                "complete": week.complete,
                "consented": week.consented,
                "riders": dict(week.riders),
            }
            for week in summary.weeks
        ],
        "totals": {
            "consented": participants.consented,
            "riders": {rider.key: rider.agreed for rider in summary.riders},
        },
        "riders": [
            {
                "key": rider.key,
                "label": rider.label,
                "agreed": rider.agreed,
                "declined": rider.declined,
                "not_answered": rider.not_answered,
                "not_offered": rider.not_offered,
                "can_decline": rider.can_decline,
            }
            for rider in summary.riders
        ],
        **_optional_parts(summary),
        "changes": _changes(summary.changes),
        "quality": dict(summary.quality),
        "source": {
            "redcap_version": summary.source.redcap_version,
            "project_id": summary.source.project_id,
            "records_listed": summary.source.records_listed,
            "records_received": summary.source.records_received,
        },
        "notes": list(summary.notes),
        "app": {"version": __version__, "study_sha256": study.sha256},
    }


def _optional_parts(summary: ConsentSummary) -> dict[str, Any]:
    """What the study file asks for beyond the rest; a key is absent where it does not."""
    parts: dict[str, Any] = {}
    if summary.sites:
        parts["sites_by"] = "data_access_group" if summary.sites.by_present_group else "field"
        parts["sites"] = [_plain(site) for site in summary.sites.counts]
    if summary.versions:
        parts["versions"] = [_plain(version) for version in summary.versions.counts]
        parts["reconsent_due"] = summary.versions.reconsent_due
    if summary.withdrawals:
        parts["withdrawals"] = _plain(summary.withdrawals)
    if summary.accrual:
        parts["accrual"] = _plain(summary.accrual)
    if summary.renewal is not None:
        parts["renewal"] = [_plain(row) for row in summary.renewal]
    return parts


def _plain(part: SiteCount | VersionCount | Withdrawals | Accrual | RenewalRow) -> dict[str, Any]:
    """Its values as plain JSON ones; what is not known or not asked for is absent."""
    values = {name: value for name, value in asdict(part).items() if value is not None}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def _changes(changes: Changes | None) -> dict[str, Any] | None:
    """None where no record of runs was asked; only the first report of a study has ``since`` null."""
    if changes is None or (changes.since is None and not changes.first):
        return None
    return {
        "since": changes.since.isoformat() if changes.since else None,
        "new_consents": changes.new_consents if changes.since else None,
        "weeks": [
            {
                "first_day": week.first_day.isoformat(),
                "last_day": week.last_day.isoformat(),
                "before": week.before,
                "now": week.now,
            }
            for week in changes.weeks
        ],
        "rules_changed": list(changes.rules_changed),
    }
