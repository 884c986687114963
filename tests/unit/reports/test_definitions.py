"""Tests of the printed counting rules: everything that a study file says about counting, and nothing else."""

import re
from collections.abc import Iterator

import pytest

from consent.reports.definitions import definitions
from consent.studies.parser import parse_study
from tests.support.builders import CONSENT, RIDER, STUDY, a_study

EVERYTHING = """
title = "OBRI Consent Summary"
start_date = 2023-09-11
time_zone = "America/Toronto"
contact = "registry office"
[redcap]
url_setting = "REDCAP_API_URL"
token_setting = "REDCAP_ACCESS_TOKEN"
project_id = 4711
time_zone = "Europe/Vienna"
[[consent]]
date = "adult_timestamp"
decision = "adult_decision"
agreed = ["a1", "a2"]
declined = ["a3"]
pending = ["a4"]
pending_text = ["Not done yet"]
events = ["enrolment_arm_1", "visit_arm_2"]
form_complete = "adult_complete"
[[consent]]
date = "parent_date"
decision = "parent_decision(yes)"
agreed = ["1"]
[consent.where]
which = ["c1"]
"kinds(c2)" = ["1"]
[[consent]]
date = "paper_on"
agreed_when = "dated"
form_complete = "paper_complete"
[[riders]]
key = "rider a"
label = "Storage of blood"
field = "blood"
agreed = ["b1"]
declined = ["b2"]
offered_in = ["v2", "v3"]
[[riders]]
key = "rider b"
field = "sharing(abroad)"
agreed = ["1"]
[[riders]]
key = "rider c"
field = ["scan_en", "scan_fr"]
agreed = ["1"]
where = { which = ["c3"] }
[[leave_out]]
reason = "test record"
id_pattern = "TEST-.*"
[[leave_out]]
reason = "double entry"
field = "double"
codes = ["d1"]
[only]
field = "cohort"
codes = ["ibd"]
[withdrawal]
flag = "left"
codes = ["w1"]
date = "left_on"
extent = "left_how"
ends = ["e2", "e3"]
[withdrawal.extent_labels]
e1 = "no further contact"
e2 = "no further use"
[sites]
by = "clinic"
[[sites.site]]
code = "tor"
label = "Toronto"
target = 1234
opened = 2024-02-01
[version]
field = "form_version"
accepted = ["v3", "v4"]
[accrual]
target = 2345
target_date = 2028-06-30
approved = 3456
approval_date = 2025-05-05
[guard]
max_drop = 0.035
[delivery]
folder = "/Somewhere"
"""

NAMED = [
    "Monday to Sunday",
    "code a1 or a2 means agreed",
    "Code a3 means declined",
    "event enrolment_arm_1 or visit_arm_2",
    "adult_complete is 2",
    "option yes of checkbox parent_decision",
    "only on rows where field which has code c1 and option c2 of checkbox kinds (1 ticked, 0 not) has code 1.",
    "it means agreed once its date is filled in. It records no refusals.",
    "rider c: field scan_en or field scan_fr, code 1 means agreed, only on rows where field which has code c3.",
    "Where fields of one rider differ, a refusal counts before an agreement.",
    "rider a (Storage of blood): field blood, code b1 means agreed, code b2 declined",
    "only form version v2 or v3 has it",
    "test record: the whole record id matches the pattern TEST-.*",
    "double entry: code d1 in field double",
    "field left_how: e1 (no further contact), e2 (no further use)",
    "the extent is e2 or e3, or blank",
    "Toronto: tor, target 1,234, open from 1 Feb 2024",
    "2,345 consented by 30 Jun 2028",
    "3.5%",
]

NO_RULES = ("title", "contact", "url_setting", "token_setting", "folder")

NOT_MENTIONED = (
    *("rider", "optional consent", "version", "withdraw", "site", "target", "ethics", "approv", "left out", "outside"),
    *("of the event", "complete)", "time zone", "project than", "checkbox"),
)


def with_one_value_changed() -> Iterator[str]:
    """The study file with another value in turn in each place that holds a rule."""
    for found in re.finditer(r"""(?<=")[^"\n]+(?="[,\]\n])|(?<== )[\d.-]+""", EVERYTHING):
        start, end = found.span()
        key = EVERYTHING[EVERYTHING.rindex("\n", 0, start) + 1 :].split(" ")[0]
        value = found[0]
        other = f"{value}1" if value.replace(".", "").isdigit() else f"x{value}"
        if key == "time_zone":
            other = "Asia/Tokyo"
        elif key == "agreed_when":
            other = "complete"
        elif re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            other = f"{int(value[:4]) - 1}{value[4:]}"
        if key not in NO_RULES and value != "1":  # a checkbox can hold no other code
            yield EVERYTHING[:start] + other + EVERYTHING[end:]


def said_of(text: str) -> str:
    """All that is printed of the counting rules of the study file with this text."""
    return "\n".join(f"{rule.heading}\n{rule.text}" for rule in definitions(parse_study(text, "a-study")))


def test_what_the_study_file_says_is_printed() -> None:
    printed = said_of(EVERYTHING)

    assert [words for words in [*NAMED, "Consent form 1\n", "Consent form 2\n"] if words not in printed] == []


def test_every_changed_rule_changes_the_text() -> None:
    printed = said_of(EVERYTHING)

    changed = list(with_one_value_changed())
    assert [text for text in changed if said_of(text) == printed] == []
    assert len(changed) == 61


@pytest.mark.parametrize(
    ("before", "after"), [('title = "OBRI', 'title = "IBD'), ("registry office", "Jo"), ("/Somewhere", "/Else")]
)
def test_what_is_no_rule_is_not_printed(before: str, after: str) -> None:
    assert said_of(EVERYTHING.replace(before, after)) == said_of(EVERYTHING)


def test_what_a_study_does_not_have_is_not_mentioned() -> None:
    printed = said_of(STUDY + CONSENT).lower()

    assert [words for words in NOT_MENTIONED if words in printed] == []


@pytest.mark.parametrize(("more", "given"), [("", "no copy"), ("[shareable]\nbase = 10", "Summary (shareable).pdf'")])
def test_readers_are_told_what_others_get(more: str, given: str) -> None:
    assert f"Others get {given}" in said_of(STUDY + CONSENT + more).replace("'OBRI Consent ", "")


FLAG, LEFT_ON = '[withdrawal]\nflag = "left"\ncodes = ["1"]\n', '[withdrawal]\ndate = "left_on"\n'
VERSION = '[version]\nfield = "form_version"\naccepted = ["2"]\n'


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "those who refused after the latest agreement up to the cut-off"),
        ("", "no usable date (missing, unreadable or after the day of the export). These are later if they follow"),
        ("", "Until then it is marked 'in progress', or 'counted to' its last day counted."),
        ("", "not counted (by the first reason in the list above)"),
        ("", "(A report made from a file says that this was not checked.)"),
        ("", "a date while the consent is pending;"),
        (RIDER, "a code that is not in the study file (0 in an optional consent is allowed)."),
        (RIDER, "but to no form that offers it, at any date;"),
        (RIDER + 'offered_in = ["2"]\n' + VERSION, "but to no form version that offers it, at any date;"),
        ('[sites]\nby = "data_access_group"\n', "the data access group that the record is in now"),
        (FLAG, "A consented participant with code 1 in field left has withdrawn. It"),
        (LEFT_ON + 'extent = "how"\n', "It ends taking part at any extent."),
        (LEFT_ON, "unless a consent was agreed on a later day."),
        (VERSION, "Accepted: 2."),
        ("[accrual]\ntarget = 30\n", "The target is 30 consented."),
        (
            "[accrual]\ntarget = 30\n",
            "needs 8 complete weeks and 20 consents, and looks ten years ahead. Method: over-",
        ),
        ("[accrual]\ntarget = 30\ntarget_date = 2030-01-01\n", "With less than one week left there is none."),
        ("[accrual]\napproved = 30\n", "The ethics board approved 30."),
        ("[accrual]\napproved = 30\n", "or without a usable date (missing, unreadable or after the day of the export)"),
        (
            "[accrual]\napproved = 30\n",
            "It excludes pending agreements, and those dated between the cut-off and the export.",
        ),
        ("[accrual]\napproval_date = 2024-01-01\n", "A later refusal counts by its own date, also for participants"),
        (
            "[accrual]\napproval_date = 2024-01-01\n" + LEFT_ON,
            "A withdrawal that ends taking part and a later refusal count by their own dates, also for participants",
        ),
    ],
)
def test_a_rule_is_printed_as_far_as_the_study_file_has_it(more: str, words: str) -> None:
    assert words in said_of(STUDY + CONSENT + more)


@pytest.mark.parametrize(
    ("date", "texts"),
    [
        ("consent_date", "'Consent not completed'."),
        ("adult_timestamp", "'Consent not completed' or '[not completed]'."),
    ],
)
def test_the_texts_that_keep_an_agreement_pending_are_printed(date: str, texts: str) -> None:
    consent = CONSENT.replace('date = "consent_date"', f'date = "{date}"')

    assert f"An agreement is still pending while its date says {texts}" in said_of(STUDY + consent)


def test_riders_with_the_same_codes_are_explained_together() -> None:
    riders = "".join(
        f'[[riders]]\nkey = "rider {letter}"\nfield = "rider_{letter}"\nagreed = ["1"]\ndeclined = ["0"]\n'
        for letter in "ab"
    )

    assert "In each of them code 1 means agreed, code 0 declined.\nrider a: field rider_a.\nrider b:" in said_of(
        STUDY + CONSENT + riders
    )


def test_the_rules_come_in_the_order_in_which_they_apply() -> None:
    assert [rule.heading for rule in definitions(a_study())] == [
        "Days and weeks",
        "Who is a participant",
        "Consent form",
        "What one consent means",
        "Classes",
        "Several consents of one participant",
        "Still taking part",
        "Optional consents (riders)",
        "Records to review",
        "Completeness",
        "Changed since the last report",
        "For whom this report is",
    ]


def test_every_rule_is_a_whole_text() -> None:
    texts = [rule.text for rule in definitions(parse_study(EVERYTHING, "a-study"))]

    assert [text for text in texts if text[-1] != "." or "  " in text or ".." in text] == []
