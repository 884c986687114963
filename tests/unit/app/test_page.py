"""Claims about the page: what it says in every state of a study, and what it must never contain."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from consent.app.page import STATES, StudyOverview, headers_of_pages, studies_page, study_page
from consent.app.page_model import (
    PageWeek,
    bars_of,
    chart_words,
    drawn_weeks,
    highest_of,
    latest_weeks,
    riders_of,
    weeks_of,
)
from consent.runs.ledger.record import RunCounts, RunRecord
from tests.support.page_builders import (
    ASKED_AT,
    CHINESE,
    CONSENTED,
    CUTOFF,
    GREEK,
    NOW,
    ODD,
    a_late_overview,
    a_page_report,
    a_page_run,
    a_page_study,
    an_empty_overview,
    an_odd_overview,
    an_overview,
    page_counts,
    several_studies,
)

PAGES = {
    "ordinary": study_page(an_overview()),
    "late": study_page(a_late_overview()),
    "odd": study_page(an_odd_overview()),
    "no report": study_page(an_empty_overview()),
    "several": studies_page(several_studies(), NOW),
}
EVERY_PAGE = pytest.mark.parametrize("html", PAGES.values(), ids=PAGES)


class Reader(HTMLParser):
    """Collects what a page says and what it is built of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it; all but what stands within a line begins a new word."""
        self.tags.append(tag)
        self.attributes += attrs
        self.words.append("" if tag in ("strong", "em", "code", "a") else " ")

    def handle_data(self, data: str) -> None:
        """Keep it, unless it is no text."""
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, with single blanks."""
        return " ".join("".join(self.words).split())


def the_weeks(report: RunRecord) -> tuple[PageWeek, ...]:
    """The weeks of a report of a study in Toronto."""
    return weeks_of(report, "America/Toronto")


def said(overview: StudyOverview) -> str:
    """What the page of a study says."""
    return Reader(study_page(overview)).text


# --- the latest report


@pytest.mark.parametrize(
    "words",
    [
        "Latest report, as of 23 Nov 2026",
        "consented, of 1,000 participants 744",
        "taking part now 732",
        "more than in the report as of 16 Nov 2026 6",
        "in the week 16–22 Nov 2026 1",
        "in the week 23–29 Nov 2026, in progress, 1 of 7 days 6",
        "/Adults.csv 4,321 bytes",
        "Records received from REDCap 1,003 of 1,003 listed",
        "Delivered Mon 23 Nov 2026, 07:07 (America/Toronto)",
        "REDCap version 16.1.3",
        "Program version 0.1.0",
    ],
)
def test_the_page_tells_of_the_latest_report(words: str) -> None:
    assert words in said(an_overview())


def test_a_report_with_fewer_consents_than_the_one_before_says_so() -> None:
    before = a_page_report(counts=RunCounts(1000, 750, 1000, 1000), cutoff=date(2026, 11, 16))

    assert "fewer than in the report as of 16 Nov 2026 6" in said(an_overview(before=before))


def test_a_report_of_which_it_was_not_kept_who_takes_part_says_nothing_of_that() -> None:
    report = a_page_report(counts=RunCounts(1000, 744, 1003, 1003))

    assert "taking part" not in said(an_overview(report=report))


def test_of_the_first_report_nothing_is_compared() -> None:
    assert re.findall(r"than in the report|Changed since", said(an_overview(before=None))) == []


def counted_before(*consented: int, **rules: str) -> RunRecord:
    """The report of the week before, with these weekly counts."""
    counts = replace(page_counts(*consented), rules=rules)
    return a_page_report(consented, cutoff=date(2026, 11, 16), week_counts=counts)


def test_a_week_that_was_complete_before_and_counts_differently_now_is_listed() -> None:
    assert (
        "Changed since the report as of 16 Nov 2026 Weeks that were complete then and count differently now "
        "Week Then Now 2–8 Nov 2026 9 3 Optional consents"
    ) in said(an_overview())


def test_without_a_changed_week_it_is_said_that_there_is_none() -> None:
    before = counted_before(*CONSENTED[:-2], 7)

    assert "as of 16 Nov 2026 Every week that was complete then counts the same now. Optional" in said(
        an_overview(before=before)
    )


def test_a_report_before_whose_weeks_are_no_longer_kept_is_not_compared_by_week() -> None:
    assert "Changed since" not in said(an_overview(before=a_page_report(week_counts=None)))


def test_changed_rules_are_said_beside_the_changed_weeks() -> None:
    now = a_page_report(week_counts=replace(page_counts(*CONSENTED), rules={"only": "1", "guard": "2"}))
    before = counted_before(*CONSENTED[:-1], only="3", guard="2")

    assert "Counting rules changed: only; differences are not corrections of data." in said(
        an_overview(report=now, before=before)
    )


def test_a_report_whose_numbers_are_forgotten_sends_to_its_files() -> None:
    assert "Its numbers are no longer kept here" in said(
        an_overview(report=a_page_report(counts=None, week_counts=None))
    )


def test_a_study_without_a_report_says_so() -> None:
    assert "No report has been delivered yet." in said(an_empty_overview())


def test_the_last_twelve_weeks_are_listed_with_their_running_total() -> None:
    assert "The last 12 weeks" in said(an_overview())
    assert "9–15 Nov 2026 14 737" in said(an_overview())


def test_each_optional_consent_is_listed_by_its_label() -> None:
    assert "Storage of blood 600 19" in said(an_overview())


def test_what_the_person_who_ran_it_should_know_is_repeated() -> None:
    assert "Consented fell by 2." in said(an_overview(report=a_page_report(remarks=("Consented fell by 2.",))))


def test_a_trial_is_marked() -> None:
    assert "A trial: reports go to a stand-in for Dropbox" in said(an_overview(sandbox=True))


# --- what is next


def test_the_next_report_is_announced_in_the_study_s_own_time() -> None:
    words = (
        "Monday 30 November 2026, from 07:00 (America/Toronto). If it is not here by 12:00, tell the registry office."
    )

    assert words in said(an_overview())


def test_a_report_that_is_due_but_not_late_may_come_any_minute() -> None:
    assert "It is due, and may come any minute." in said(an_overview(awaited=CUTOFF, is_due=True))


def test_a_late_report_is_announced_first_with_whom_to_tell() -> None:
    words = (
        "The report is late The report of Monday 23 November 2026 was due from 07:00 and had not come by 12:00 "
        "(America/Toronto). Tell the registry office."
    )

    assert words in said(a_late_overview())


def test_while_the_next_one_is_within_its_grace_the_late_one_is_that_of_the_week_before() -> None:
    overview = a_late_overview(now=NOW)

    assert "The report of Monday 16 November 2026 was due" in said(overview)


def test_a_page_that_is_not_late_raises_no_alarm() -> None:
    assert re.findall(r"\blate\b", said(an_overview())) == []


# --- the runs


@pytest.mark.parametrize(("state", "word"), STATES.items())
def test_every_state_has_its_word(state: str, word: str) -> None:
    assert f"Mon 23 Nov 2026, 07:05 Monday timer {word} " in said(an_overview(runs=(a_page_run(state),)))


def test_the_reason_of_a_run_is_said_in_words() -> None:
    runs = (a_page_run(), a_page_run("refused", reason="shrunk"))

    assert "refused much lower than the last report" in said(an_overview(runs=runs))


def test_a_run_as_of_another_day_says_which() -> None:
    runs = (a_page_run(as_of=date(2026, 9, 1), trigger="http"),)

    assert "HTTP, as of 1 Sep 2026" in said(an_overview(runs=runs))


def test_why_the_latest_run_did_not_deliver_is_said_in_full() -> None:
    assert "Look in REDCap whether records were deleted or moved." in said(a_late_overview())


def test_why_an_older_run_did_not_deliver_is_left_to_the_record() -> None:
    runs = (a_page_run(), a_page_run("failed", what="Look in REDCap."))

    assert "Look in REDCap." not in said(an_overview(runs=runs))


def test_a_run_that_is_tried_again_says_what_went_wrong_so_far() -> None:
    runs = (a_page_run("requested", reason="source-unavailable", what="REDCap is down. Wait."),)

    assert "The latest run: waiting REDCap could not be reached REDCap is down. Wait." in said(an_overview(runs=runs))


def test_of_a_long_history_it_is_said_how_much_is_shown() -> None:
    assert "The newest 2 of 1,043 runs" in said(an_overview(runs_in_all=1043))


def test_how_to_start_a_run_is_said_for_this_study() -> None:
    header, body = '-H "x-functions-key: FUNCTION-KEY"', r'-d "{\"study\": \"adults\"}"'

    assert f"curl -X POST https://ADDRESS-OF-THE-APP/api/runs {header} {body}" in said(an_overview())


# --- several studies


def test_each_study_is_listed_with_its_state() -> None:
    text = Reader(PAGES["several"]).text

    assert "Adults on time as of 23 Nov 2026 30 Nov 2026 Children late as of 23 Nov 2026 23 Nov 2026" in text


def test_the_late_ones_are_announced_first() -> None:
    assert "Reports are late Children" in Reader(PAGES["several"]).text


def test_a_study_that_was_never_reported_on_says_so() -> None:
    assert "Adults on time none yet 30 Nov 2026" in Reader(studies_page([an_empty_overview()], NOW)).text


def test_a_study_file_that_cannot_be_used_is_named_with_why() -> None:
    assert f"The study file of broken cannot be used Why: {ODD}" in Reader(PAGES["several"]).text


def test_the_name_of_a_study_leads_to_its_page() -> None:
    assert ("href", "?study=children") in Reader(PAGES["several"]).attributes


# --- what no page contains


@EVERY_PAGE
def test_every_address_is_a_relative_one_without_a_key(html: str) -> None:
    addresses = {value or "" for name, value in Reader(html).attributes if name in ("href", "src", "action")}

    assert {
        address for address in addresses if not re.fullmatch(r"#[a-z]+|\?study=[a-z0-9_-]+|data:,", address)
    } == set()


@EVERY_PAGE
def test_no_page_runs_or_loads_anything(html: str) -> None:
    assert not {"script", "img", "iframe", "form", "object", "base"} & set(Reader(html).tags)


@EVERY_PAGE
def test_no_element_brings_a_style_or_a_handler_of_its_own(html: str) -> None:
    names = {name for name, _ in Reader(html).attributes}

    assert {name for name in names if name == "style" or name.startswith("on")} == set()


@EVERY_PAGE
def test_every_page_says_that_it_is_in_english(html: str) -> None:
    assert html.startswith('<!doctype html>\n<html lang="en-GB">')


@EVERY_PAGE
def test_every_page_has_one_main_heading(html: str) -> None:
    assert Reader(html).tags.count("h1") == 1


@EVERY_PAGE
def test_every_table_has_a_caption_and_every_heading_cell_a_scope(html: str) -> None:
    page = Reader(html)

    assert page.tags.count("caption") == page.tags.count("table")
    assert [name for name, _ in page.attributes].count("scope") == page.tags.count("th")


def test_words_of_a_study_file_are_shown_as_they_are() -> None:
    text = said(an_odd_overview())

    assert (text.count(ODD) >= 5, GREEK in text, CHINESE in text, "=cmd|'/c calc'!A1" in text) == (True,) * 4


def test_the_same_state_of_things_gives_the_same_page() -> None:
    assert study_page(an_overview()) == PAGES["ordinary"]


# --- what a browser is told


@EVERY_PAGE
def test_the_policy_allows_exactly_the_style_of_the_page(html: str) -> None:
    style = re.search(r"<style>(.*)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}';" in headers_of_pages()["Content-Security-Policy"]


def test_the_policy_forbids_all_else() -> None:
    policy = headers_of_pages()["Content-Security-Policy"].split("; ")

    assert [part for part in policy if not part.startswith("style-src")] == [
        "default-src 'none'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]


def test_nothing_is_kept_guessed_or_passed_on() -> None:
    headers = headers_of_pages()

    assert (headers["Cache-Control"], headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == (
        "no-store",
        "nosniff",
        "no-referrer",
    )


# --- its numbers


def test_the_weeks_add_up_to_the_total() -> None:
    assert the_weeks(a_page_report())[-1].in_all == sum(CONSENTED)


def test_weeks_that_are_no_longer_kept_are_none() -> None:
    assert the_weeks(a_page_report(week_counts=None)) == ()


def test_the_latest_weeks_are_the_last_complete_one_and_the_running_one() -> None:
    assert [week.days for week in latest_weeks(the_weeks(a_page_report()))] == ["16–22 Nov 2026", "23–29 Nov 2026"]


def test_a_week_on_its_last_day_is_still_in_progress() -> None:
    report = a_page_report((1, 2), cutoff=date(2023, 9, 24))

    assert [week.progress for week in the_weeks(report)] == ["", "in progress, its last day"]


@pytest.mark.parametrize(
    ("as_of", "said_of_it"),
    [(date(2026, 9, 23), "counted to 23 Sep, 3 of 7 days"), (None, "in progress, 3 of 7 days")],
)
def test_a_week_cut_at_an_earlier_day_is_not_said_to_be_in_progress(as_of: date | None, said_of_it: str) -> None:
    weeks = 159
    report = a_page_report((1,) * weeks, cutoff=date(2026, 9, 23), as_of=as_of)

    assert the_weeks(report)[-1].progress == said_of_it


def test_the_highest_column_is_as_high_as_the_chart() -> None:
    assert [bar.height for bar in bars_of(the_weeks(a_page_report((2, 0, 8))))] == [25, 0, 100]


def test_a_chart_without_consents_has_columns_without_height() -> None:
    weeks = the_weeks(a_page_report((0, 0)))

    assert (highest_of(weeks), [bar.height for bar in bars_of(weeks)]) == (1, [0, 0])


def test_the_chart_goes_back_a_year() -> None:
    assert len(drawn_weeks(the_weeks(a_page_report()))) == 52


def test_the_chart_is_told_in_words() -> None:
    report = a_page_report((2, 9, 3), cutoff=date(2023, 9, 26))

    assert chart_words(the_weeks(report)) == (
        "Columns of the consents in 3 weeks, 11 Sep–1 Oct 2023. The most were 9, in 18–24 Sep 2023. "
        "Outlined: 25 Sep–1 Oct 2023: 3 (in progress, 2 of 7 days)."
    )


def test_a_chart_of_nothing_says_so() -> None:
    report = a_page_report((0,), cutoff=date(2023, 9, 11))

    assert "in 1 week, 11–17 Sep 2023. There were none." in chart_words(the_weeks(report))


def test_a_rider_counts_in_all_and_in_the_last_four_complete_weeks() -> None:
    report = a_page_report((9, 2, 3, 4, 5, 7))

    assert [(rider.agreed, rider.recent) for rider in riders_of(report, a_page_study())] == [(24, 10)]


def test_a_rider_that_left_the_study_file_is_still_shown_by_its_key() -> None:
    assert [rider.label for rider in riders_of(a_page_report(), a_page_study(riders=()))] == ["rider a"]


@pytest.mark.parametrize("weeks", [0, 1, 25, 26, 27, 521], ids="{} weeks".format)
def test_a_page_of_any_length_can_be_drawn(weeks: int) -> None:
    consented = (3,) * weeks
    report = a_page_report(consented, week_counts=page_counts(*consented, complete=weeks), cutoff=CUTOFF)

    assert PAGES["ordinary"][:50] == study_page(an_overview(report=report))[:50]


def test_an_hour_is_shown_by_the_clocks_of_its_season() -> None:
    summer = a_page_run(requested_at=ASKED_AT - timedelta(days=100))

    assert "Sat 15 Aug 2026, 08:05" in said(an_overview(runs=(summer,)))
