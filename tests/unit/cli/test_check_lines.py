"""Claims about how the doctor's findings are shown: by subject, fixes under what they mend, verdict last."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from consent.cli.check.findings import Checkup, Finding, NextReport, State, checkup_document, grouped
from tests.support.check_world import printed

MONDAY = NextReport("a-study", date(2026, 11, 23), datetime(2026, 11, 23, 12, tzinfo=UTC), "America/Toronto")
EASTERN = NextReport("b-study", date(2026, 11, 23), datetime(2026, 11, 22, 20, tzinfo=UTC), "Pacific/Auckland")


def a_finding(state: State = "ok", what: str = "All is well", fix: str = "", **more: Any) -> Finding:
    return Finding(**{"subject": "REDCap", "state": state, "what": what, "fix": fix, **more})


def lines_of(*findings: Finding, width: int = 80) -> list[str]:
    return printed(Checkup(findings, (MONDAY,)), width).splitlines()


@pytest.mark.parametrize(
    ("states", "would_run"),
    [((), True), (("ok",), True), (("warning",), True), (("unknown",), True), (("ok", "problem"), False)],
)
def test_a_problem_alone_keeps_a_run_from_working(states: tuple[State, ...], would_run: bool) -> None:
    assert Checkup(tuple(a_finding(state) for state in states)).would_run is would_run


def test_findings_of_a_subject_stand_together_in_the_order_of_its_first() -> None:
    names = ("REDCap", "Dropbox", "REDCap")
    groups = grouped([a_finding(subject=name, what=str(n)) for n, name in enumerate(names)])
    assert [(subject, [finding.what for finding in findings]) for subject, _, findings in groups] == [
        ("REDCap", ["0", "2"]),
        ("Dropbox", ["1"]),
    ]


def test_what_is_fine_takes_one_line() -> None:
    assert lines_of(a_finding())[:2] == ["REDCap", "  ok       All is well"]


def test_the_study_stands_beside_the_subject() -> None:
    assert lines_of(a_finding(study="a-study"))[0] == "REDCap (a-study)"


def test_a_fix_stands_indented_under_its_problem() -> None:
    assert lines_of(a_finding("problem", "It is broken", "Mend it."))[1:3] == [
        "  PROBLEM  It is broken",
        "           -> Mend it.",
    ]


def test_two_neighbours_of_one_fix_share_it() -> None:
    lines = lines_of(a_finding("problem", "A", "Mend it."), a_finding("problem", "B", "Mend it."))
    assert lines[1:4] == ["  PROBLEM  A", "  PROBLEM  B", "           -> Mend it."]


@pytest.mark.parametrize("width", [80, 40])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = lines_of(a_finding("problem", "many words " * 20, "and many more " * 20), width=width)
    assert max(map(len, lines)) <= width


def test_an_address_is_not_cut_at_a_hyphen() -> None:
    address = "https://a-very-long-name-of-a-vault-in-the-hospital.vault.azure.net"
    assert f"           {address}" in lines_of(a_finding(what=f"This vault does not answer now: {address}"))


def test_the_last_line_says_that_a_run_would_work_and_when_the_next_is_due() -> None:
    assert " ".join(lines_of(a_finding())[3:]) == (
        "Ready: a run would work. Next report due Monday 23 Nov 2026, 07:00 in America/Toronto (12:00 UTC)."
    )


def test_the_last_line_counts_what_is_wrong() -> None:
    findings = [a_finding("problem", "A"), a_finding("problem", "B"), a_finding("warning")]
    assert "Not ready: 2 problems, 1 warning." in lines_of(*findings)[-2]


def test_several_studies_are_named_with_their_next_reports() -> None:
    text = printed(Checkup((a_finding(),), (MONDAY, EASTERN)), width=500)
    assert "Next report of b-study due Monday 23 Nov 2026, 09:00 in Pacific/Auckland (22 Nov 2026, 20:00 UTC)." in text


def test_a_script_is_told_the_next_report_in_local_time_and_utc() -> None:
    (report,) = checkup_document(Checkup((), (MONDAY,)))["next_reports"]
    assert (report["local"], report["due_at"]) == ("2026-11-23T07:00:00-05:00", "2026-11-23T12:00:00+00:00")


def test_a_script_is_told_every_part_of_a_finding() -> None:
    document = checkup_document(Checkup((a_finding("problem", "A", "B", study="a-study"),)))
    assert document["findings"] == [
        {"subject": "REDCap", "state": "problem", "what": "A", "fix": "B", "study": "a-study"}
    ]
