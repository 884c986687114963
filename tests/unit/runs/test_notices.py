"""Tests of the notices' text, and of the events that have one."""

import re
from typing import Any

import pytest

from consent.config.credentials import NOTIFY, Secret
from consent.dates import long_day
from consent.runs.notices import addresses_in, late_notice, notice_of_run, without_counts
from consent.studies.schedule import due_at
from tests.support.builders import a_study
from tests.support.run_builders import MONDAY, a_report, a_run

STUDY = a_study(more='[delivery]\nfolder = "/Reports"\n[notify]')
DROPPED = "Participants dropped by 1,112: from 1,812 as of 2026-11-09 to 700 as of 2026-11-16."
REFUSED = {"state": "refused", "reason": "shrunk", "what": DROPPED, "fix": "Look in REDCap."}


def event_of(on: str = "[notify]", **run: Any) -> str:
    """The event of a run's notice; "" without one."""
    notice = notice_of_run(a_study(more=on), a_run(**run))
    return notice.event if notice else ""


@pytest.mark.parametrize(
    ("run", "event"),
    [
        ({"state": "delivered", "cutoff": MONDAY}, "delivered-2026-11-16"),
        ({"state": "unchanged", "cutoff": MONDAY}, "delivered-2026-11-16"),
        ({"state": "delivered", "cutoff": MONDAY, "reason": "archived"}, ""),
        ({"state": "unchanged", "cutoff": MONDAY, "reason": "dry-run", "dry_run": True}, ""),
        (REFUSED, "failed-2026-11-16-shrunk"),
        ({"state": "failed", "reason": "lost"}, "failed-2026-11-16-lost"),
        ({"state": "failed", "reason": "stopped"}, ""),
        ({"state": "failed", "reason": "lease-lost"}, ""),
        ({**REFUSED, "dry_run": True}, ""),
        ({"state": "requested", "reason": "source-unavailable"}, ""),
        ({"state": "running"}, ""),
    ],
)
def test_only_the_end_of_a_run_that_matters_to_others_is_an_event(run: dict[str, Any], event: str) -> None:
    assert event_of(**run) == event


def test_a_study_is_notified_of_the_events_that_it_names_and_by_default_of_none() -> None:
    assert [event_of(on, **REFUSED) != "" for on in ("", "[notify]\non = ['late', 'delivered']", "[notify]")] == [
        False,
        False,
        True,
    ]


def test_a_notice_says_where_the_report_is_or_what_to_do_or_since_when_it_is_late() -> None:
    delivered, refused = notice_of_run(STUDY, a_report()), notice_of_run(STUDY, a_run(**REFUSED))
    assert delivered
    assert refused
    assert (delivered.title, "/Reports" in delivered.body) == ("OBRI Consent Summary: delivered", True)
    assert f"{STUDY.title}.pdf" in delivered.body
    assert ("Look in REDCap." in refused.body, "lower than expected" in refused.body) == (True, True)
    assert f"{due_at(STUDY, MONDAY).hour - 5:02}:00 (America/Toronto)" in late_notice(STUDY, MONDAY).body


def test_no_notice_of_a_failure_holds_a_count() -> None:
    notice = notice_of_run(STUDY, a_run(**{**REFUSED, "fix": "Ask about 812 people. Then wait."}))
    assert notice
    body = notice.body.replace(long_day(MONDAY), "").replace("adults.2026-11-16", "")
    assert (re.findall(r"\d+", body), "Then wait." in body) == ([], True)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("All 812 records are copies. Merge them.", "Merge them."),
        ("REDCap lists 1,200 rows, but 3 of them did not arrive.", ""),
        ("The file holds (7) rows more. Export again.", "Export again."),
        ("REDCap refused (status 403, request id a1b2). Renew the token.", None),
        ("consent[1].agreed: the code '3' is unknown. Use one of: '1', '2'.", None),
        ("The last report is of 2026-11-16.", None),
    ],
)
def test_a_sentence_with_a_count_is_left_out_and_no_other(text: str, kept: str | None) -> None:
    assert without_counts(text) == (text if kept is None else kept)


@pytest.mark.parametrize("between", [" ", ", ", "\n", ";"])
def test_several_addresses_are_separated_as_apprise_does_and_a_sandbox_uses_those_of_this_machine(between: str) -> None:
    listed = ["mailto://u:p@example.org?to=a@x.org,b@x.org", "json://127.0.0.1:8080/x", "https://hooks.example.org/T/1"]
    secret = Secret(NOTIFY, between.join(listed))
    assert addresses_in(secret, sandbox=False) == listed
    assert addresses_in(secret, sandbox=True) == listed[1:2]
