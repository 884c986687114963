"""Tests of the status page: what it shows in every state of a study, and what it must never contain."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from consent.app.overview import StudyOverview
from consent.app.page import STATES, page_headers, studies_page, study_page
from consent.app.page_model import Chart, PageWeek, chart_of, latest_weeks, riders_of, weeks_of
from consent.runs.ledger.record import RunCounts, RunRecord
from tests.support.page_builders import (
    CHINESE,
    CONSENTED,
    CUTOFF,
    GREEK,
    NOW,
    ODD,
    REQUESTED_AT,
    a_late_overview,
    a_page_report,
    a_page_run,
    a_page_study,
    an_empty_overview,
    an_odd_overview,
    an_overview,
    page_counts,
    the_studies_page,
)

PAGES = {
    "ordinary": study_page(an_overview()),
    "late": study_page(a_late_overview()),
    "odd": study_page(an_odd_overview()),
    "no report": study_page(an_empty_overview()),
    "several": the_studies_page(),
}
EVERY_PAGE = pytest.mark.parametrize("html", PAGES.values(), ids=PAGES)


class Reader(HTMLParser):
    """Collects the words, tags and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag; every tag but an inline one starts a new word."""
        self.tags.append(tag)
        self.attributes += attrs
        self.words.append("" if tag in ("strong", "em", "code", "a") else " ")

    def handle_data(self, data: str) -> None:
        """Keep the text, but not the style sheet."""
        if self.tags[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, with single spaces."""
        return " ".join("".join(self.words).split())


def text_of(overview: StudyOverview) -> str:
    """The text of a study's page."""
    return Reader(study_page(overview)).text


def weeks_in(report: RunRecord) -> tuple[PageWeek, ...]:
    """The weeks of a report of a study in Toronto."""
    return weeks_of(report, "America/Toronto")


def drawn(report: RunRecord) -> Chart:
    """The chart of a report."""
    chart = chart_of(weeks_in(report))
    assert chart is not None
    return chart


# --- the latest report


@pytest.mark.parametrize(
    "words",
    [
        "Latest report, as of 23 Nov 2026",
        "consented, of 1,000 participants 744",
        "still taking part 732",
        "more than in the report as of 16 Nov 2026 6",
        "in the week of 16–22 Nov 2026 1",
        "in the week of 23–29 Nov 2026, in progress, 1 of 7 days 6",
        "Consents per week",
        "The last 12 weeks Week Consents Total",
        "9–15 Nov 2026 14 737",
        "Complete weeks whose count has changed Week Before Now 2–8 Nov 2026 9 3 Optional consents",
        "Storage of blood 600 19",
        "/Adults.csv 4,321 bytes",
        "Records received from REDCap 1,003 of 1,003 listed",
        "Delivered Mon 23 Nov 2026, 07:07 (America/Toronto)",
        "REDCap version 16.1.3",
        "Program version 0.1.0",
    ],
)
def test_the_page_shows_the_latest_report(words: str) -> None:
    assert words in text_of(an_overview())


def test_a_report_with_fewer_consents_than_the_previous_one_says_so() -> None:
    before = a_page_report(counts=RunCounts(1000, 750, 1000, 1000, 1000), cutoff=date(2026, 11, 16))

    assert "fewer than in the report as of 16 Nov 2026 6" in text_of(an_overview(before=before))


def test_the_first_report_is_compared_with_nothing() -> None:
    assert re.findall(r"than in the report|Changed since", text_of(an_overview(before=None))) == []


def previous_report(*consented: int, **rules: str) -> RunRecord:
    """The report of the week before, with these weekly counts."""
    counts = replace(page_counts(*consented), rules=rules)
    return a_page_report(consented, cutoff=date(2026, 11, 16), week_counts=counts)


def test_without_a_changed_week_the_page_says_so() -> None:
    before = previous_report(*CONSENTED[:-2], 7)

    assert "as of 16 Nov 2026 No complete week has changed. Optional" in text_of(an_overview(before=before))


def test_a_previous_report_without_weekly_counts_is_not_compared_by_week() -> None:
    assert "Changed since" not in text_of(an_overview(before=a_page_report(week_counts=None)))


def test_changed_counting_rules_are_named_beside_the_changed_weeks() -> None:
    now = a_page_report(week_counts=replace(page_counts(*CONSENTED), rules={"only": "1", "guard": "2"}))
    before = previous_report(*CONSENTED[:-1], only="3", guard="2")

    assert "Counting rules changed: only;" in text_of(an_overview(report=now, before=before))


@pytest.mark.parametrize(
    ("overview", "words"),
    [
        (an_overview(report=a_page_report(counts=None, week_counts=None)), "Its numbers are no longer stored here"),
        (an_empty_overview(), "No report has been delivered yet."),
        (an_overview(report=a_page_report(remarks=("Consented fell by 2.",))), "Consented fell by 2."),
        (an_overview(sandbox=True), "Trial: reports go to a simulated Dropbox"),
    ],
    ids=["purged", "none", "remarks", "trial"],
)
def test_the_page_explains_what_is_special_about_a_report(overview: StudyOverview, words: str) -> None:
    assert words in text_of(overview)


# --- the next report


@pytest.mark.parametrize(
    ("overview", "words"),
    [
        pytest.param(
            an_overview(),
            "Monday 30 November 2026, 07:00 (America/Toronto) or soon after. "
            "If it is not delivered by 12:00, contact the registry office.",
            id="on time",
        ),
        pytest.param(an_overview(awaited=CUTOFF, is_due=True), "It is due now. If it is not", id="due"),
        pytest.param(
            a_late_overview(),
            "The report is late The report of Monday 23 November 2026 was due at 07:00 and was not delivered by 12:00 "
            "(America/Toronto). Contact the registry office.",
            id="late",
        ),
        pytest.param(a_late_overview(now=NOW), "The report of Monday 16 November 2026 was due", id="the one before"),
    ],
)
def test_the_next_or_late_report_is_announced_in_the_study_s_time_zone(overview: StudyOverview, words: str) -> None:
    assert words in text_of(overview)


def test_a_page_on_time_raises_no_alarm() -> None:
    assert re.findall(r"\blate\b", text_of(an_overview())) == []


# --- the runs


@pytest.mark.parametrize(("state", "word"), STATES.items())
def test_every_state_has_its_word(state: str, word: str) -> None:
    assert f"Mon 23 Nov 2026, 07:05 Monday timer {word} " in text_of(an_overview(runs=(a_page_run(state),)))


@pytest.mark.parametrize(
    ("overview", "words"),
    [
        pytest.param(
            an_overview(runs=(a_page_run("refused", reason="shrunk", as_of=date(2026, 9, 1), trigger="http"),)),
            "HTTP, as of 1 Sep 2026 refused Much lower than the last report",
            id="trigger, cut-off and reason",
        ),
        pytest.param(
            a_late_overview(),
            "Latest run: refused It did not deliver a report. Outcome: Much lower than the last report. "
            "Consented fell from 800 to 400. Look in REDCap whether records were deleted or moved.",
            id="unsuccessful",
        ),
        pytest.param(
            an_overview(runs=(a_page_run("requested", reason="source-unavailable", what="Down.", fix="Wait."),)),
            "Latest run: waiting It will be retried automatically. Outcome: REDCap could not be reached. Down. Wait.",
            id="retried",
        ),
        pytest.param(an_overview(run_count=1043), "The latest 2 of 1,043 runs", id="a long history"),
        pytest.param(
            an_overview(runs=(a_page_run(requested_at=REQUESTED_AT - timedelta(days=100)),)),
            "Sat 15 Aug 2026, 08:05",
            id="in summer",
        ),
    ],
)
def test_the_runs_are_shown_with_what_a_reader_needs(overview: StudyOverview, words: str) -> None:
    assert words in text_of(overview)


def test_an_older_unsuccessful_run_is_only_listed() -> None:
    runs = (a_page_run(), a_page_run("failed", what="Look in REDCap."))

    assert "Look in REDCap." not in text_of(an_overview(runs=runs))


def test_the_command_to_start_a_run_names_the_study() -> None:
    header, body = '-H "x-functions-key: FUNCTION-KEY"', r'-d "{\"study\": \"adults\"}"'

    assert f"curl -X POST https://ADDRESS-OF-THE-APP/api/runs {header} {body}" in text_of(an_overview())


# --- several studies


@pytest.mark.parametrize(
    "words",
    [
        "Adults on time as of 23 Nov 2026 30 Nov 2026 Children late as of 23 Nov 2026 23 Nov 2026",
        "Reports are late Children",
        f"The study file of broken cannot be used title is a number. Not {ODD}.",
    ],
)
def test_the_list_shows_each_study_with_its_state(words: str) -> None:
    assert words in Reader(PAGES["several"]).text


def test_the_list_shows_a_study_without_a_report() -> None:
    assert "Adults on time none yet 30 Nov 2026" in Reader(studies_page([an_empty_overview()], {}, NOW)).text


def test_the_list_links_to_the_page_of_a_study() -> None:
    assert ("href", "?study=children") in Reader(PAGES["several"]).attributes


# --- what no page contains


@EVERY_PAGE
def test_every_address_is_relative_and_holds_no_key(html: str) -> None:
    addresses = {value or "" for name, value in Reader(html).attributes if name in ("href", "src", "action")}

    allowed = re.compile(r"#[a-z]+|\?study=[a-z0-9_-]+|data:,")
    assert {address for address in addresses if not allowed.fullmatch(address)} == set()


@EVERY_PAGE
def test_no_page_runs_or_loads_anything(html: str) -> None:
    page = Reader(html)

    assert not {"script", "img", "iframe", "form", "object", "base"} & set(page.tags)
    assert {name for name, _ in page.attributes if name == "style" or name.startswith("on")} == set()


@EVERY_PAGE
def test_every_page_is_accessible_in_its_structure(html: str) -> None:
    page = Reader(html)

    assert html.startswith('<!doctype html>\n<html lang="en-GB">')
    assert page.tags.count("h1") == 1
    assert page.tags.count("caption") == page.tags.count("table")
    assert [name for name, _ in page.attributes].count("scope") == page.tags.count("th")


def test_texts_of_a_study_file_are_escaped() -> None:
    text = text_of(an_odd_overview())

    assert (text.count(ODD) >= 5, GREEK in text, CHINESE in text, "=cmd|'/c calc'!A1" in text) == (True,) * 4


@EVERY_PAGE
def test_the_policy_allows_exactly_the_style_of_the_page(html: str) -> None:
    style = re.search(r"<style>(.*)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert f"style-src 'sha256-{digest}';" in page_headers()["Content-Security-Policy"]


def test_the_headers_forbid_everything_else() -> None:
    headers = page_headers()
    policy = headers.pop("Content-Security-Policy").split("; ")

    assert [part for part in policy if not part.startswith("style-src")] == [
        "default-src 'none'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert headers == {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


# --- its numbers


def test_the_weeks_add_up_to_the_total() -> None:
    assert weeks_in(a_page_report())[-1].total == sum(CONSENTED)


def test_the_latest_weeks_are_the_last_complete_one_and_the_one_in_progress() -> None:
    assert [week.days for week in latest_weeks(weeks_in(a_page_report()))] == ["16–22 Nov 2026", "23–29 Nov 2026"]


@pytest.mark.parametrize(
    ("as_of", "progress"),
    [(date(2026, 9, 23), "counted to 23 Sep, 3 of 7 days"), (None, "in progress, 3 of 7 days")],
)
def test_a_week_cut_at_an_earlier_day_is_not_in_progress(as_of: date | None, progress: str) -> None:
    report = a_page_report((1,) * 159, cutoff=date(2026, 9, 23), as_of=as_of)

    assert weeks_in(report)[-1].progress == progress


@pytest.mark.parametrize(("consented", "heights"), [((2, 0, 8), [25, 0, 100]), ((0, 0), [0, 0])])
def test_the_highest_bar_fills_the_chart(consented: tuple[int, ...], heights: list[int]) -> None:
    assert [bar.height for bar in drawn(a_page_report(consented)).bars] == heights


def test_the_chart_goes_back_a_year() -> None:
    assert len(drawn(a_page_report()).bars) == 52


@pytest.mark.parametrize(
    ("consented", "cutoff", "description"),
    [
        (
            (2, 9, 3),
            date(2023, 9, 26),
            "Consents per week for 3 weeks, 11 Sep–1 Oct 2023. Highest: 9, in 18–24 Sep 2023. "
            "Outlined: 25 Sep–1 Oct 2023: 3 (in progress, 2 of 7 days).",
        ),
        (
            (0,),
            date(2023, 9, 17),
            "Consents per week for 1 week, 11–17 Sep 2023. There were none. "
            "Outlined: 11–17 Sep 2023: 0 (in progress, its last day).",
        ),
    ],
    ids=["some", "none"],
)
def test_the_chart_is_described_in_words(consented: tuple[int, ...], cutoff: date, description: str) -> None:
    assert drawn(a_page_report(consented, cutoff=cutoff)).description == description


def test_a_rider_counts_in_total_and_in_the_last_four_complete_weeks() -> None:
    report = a_page_report((9, 2, 3, 4, 5, 7))

    assert [(rider.agreed, rider.recent) for rider in riders_of(report, a_page_study())] == [(24, 10)]


def test_a_rider_that_left_the_study_file_is_shown_by_its_key() -> None:
    assert [rider.label for rider in riders_of(a_page_report(), a_page_study(riders=()))] == ["rider a"]


@pytest.mark.parametrize("weeks", [0, 1, 26, 27, 521], ids="{} weeks".format)
def test_a_page_of_any_number_of_weeks_is_rendered(weeks: int) -> None:
    consented = (3,) * weeks
    report = a_page_report(consented, week_counts=page_counts(*consented, complete=weeks), cutoff=CUTOFF)

    assert ("Consents per week" in text_of(an_overview(report=report))) == (weeks > 0)
