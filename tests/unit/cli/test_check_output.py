"""Tests of printing a check: by subject, each fix under its problem, the verdict last."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from consent.cli.check.findings import Checkup, Finding, FindingCollector, NextReport, State
from consent.cli.check.output import checkup_document
from consent.errors import Problem, SettingsError
from tests.support.check_world import printed

MONDAY = NextReport("a-study", date(2026, 11, 23), datetime(2026, 11, 23, 12, tzinfo=UTC), "America/Toronto")
EASTERN = NextReport("b-study", date(2026, 11, 23), datetime(2026, 11, 22, 20, tzinfo=UTC), "Pacific/Auckland")


def a_finding(state: State = "ok", what: str = "All is well.", fix: str = "", **more: Any) -> Finding:
    return Finding(**{"subject": "REDCap", "state": state, "what": what, "fix": fix, **more})


def lines_of(*findings: Finding, width: int = 80) -> list[str]:
    return printed(Checkup(findings, (MONDAY,)), width).splitlines()


@pytest.mark.parametrize(("states", "ready"), [(("ok", "warning", "unknown"), True), (("ok", "problem"), False)])
def test_only_a_problem_makes_a_setup_not_ready(states: tuple[State, ...], ready: bool) -> None:
    assert Checkup(tuple(a_finding(state) for state in states)).ready is ready


def test_each_problem_of_an_error_is_a_finding_with_its_own_fix() -> None:
    findings = FindingCollector("Settings")

    def fail() -> None:
        raise SettingsError([Problem("A is missing.", "Set A."), Problem("B is missing.", "Set B.")])

    assert findings.succeeds(fail) is False
    assert [(each.what, each.fix) for each in findings.findings] == [
        ("A is missing.", "Set A."),
        ("B is missing.", "Set B."),
    ]


def test_findings_are_grouped_by_subject_in_the_order_of_the_first() -> None:
    findings = tuple(a_finding(subject=name, what=str(n)) for n, name in enumerate(("REDCap", "Dropbox", "REDCap")))
    groups = Checkup(findings).grouped().items()
    assert [(subject, [finding.what for finding in group]) for (subject, _), group in groups] == [
        ("REDCap", ["0", "2"]),
        ("Dropbox", ["1"]),
    ]


def test_a_good_finding_takes_one_line_under_its_subject_and_study() -> None:
    assert lines_of(a_finding(study="a-study"))[:2] == ["REDCap (a-study)", "  ok       All is well."]


def test_a_fix_is_printed_under_its_problem() -> None:
    assert lines_of(a_finding("problem", "It is broken.", "Repair it."))[1:3] == [
        "  PROBLEM  It is broken.",
        "           -> Repair it.",
    ]


def test_a_shared_fix_is_printed_once() -> None:
    lines = lines_of(a_finding("problem", "A", "Repair it."), a_finding("problem", "B", "Repair it."))
    assert lines[1:4] == ["  PROBLEM  A", "  PROBLEM  B", "           -> Repair it."]


@pytest.mark.parametrize("width", [80, 40])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = lines_of(a_finding("problem", "many words " * 20, "and many more " * 20), width=width)
    assert max(map(len, lines)) <= width


def test_an_address_is_not_cut_at_a_hyphen() -> None:
    address = "https://a-very-long-name-of-a-vault-in-the-hospital.vault.azure.net"
    assert f"           {address}" in lines_of(a_finding(what=f"This vault does not answer now: {address}"))


def test_the_verdict_has_the_next_report() -> None:
    assert " ".join(lines_of(a_finding())[3:]) == (
        "Ready: a run would work. Next report due Monday 23 Nov 2026, 07:00 in America/Toronto (12:00 UTC)."
    )


def test_the_verdict_counts_problems_and_warnings() -> None:
    findings = [a_finding("problem", "A"), a_finding("problem", "B"), a_finding("warning")]
    assert "Not ready: 2 problems, 1 warning." in lines_of(*findings)[-2]


def test_several_studies_are_named_with_their_next_reports() -> None:
    text = printed(Checkup((a_finding(),), (MONDAY, EASTERN)), width=500)
    assert "Next report of b-study due Monday 23 Nov 2026, 09:00 in Pacific/Auckland (22 Nov 2026, 20:00 UTC)." in text


def test_the_document_has_every_finding_and_the_next_report_in_local_time_and_utc() -> None:
    finding = {"subject": "REDCap", "state": "problem", "what": "A", "fix": "B", "study": "a-study"}
    assert checkup_document(Checkup((Finding(**finding),), (MONDAY,))) == {  # type: ignore[arg-type]
        "state": "not ready",
        "findings": [finding],
        "next_reports": [
            {
                "study": "a-study",
                "monday": "2026-11-23",
                "due_at": "2026-11-23T12:00:00Z",
                "time_zone": "America/Toronto",
                "local": "2026-11-23T07:00:00-05:00",
            }
        ],
    }
