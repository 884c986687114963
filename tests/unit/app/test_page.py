"""Tests of the status page: what it shows in every state of a study, and what it must never contain."""

import base64
import hashlib
import re
from dataclasses import fields, replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from consent.app.overview import StudyOverview
from consent.app.page import STATES, page_headers, sign_in_page, studies_page
from consent.counting.summary import Accrual, OpeningNumbers
from consent.files import StoredFile
from consent.reports.figures import figures
from consent.reports.headline import news
from consent.runs.changes import totals_of, weeks_of
from consent.runs.ledger.record import RunRecord
from consent.runs.ledger.serialization import read_row, row_of
from tests.support.page_builders import (
    A_VISIT,
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
    an_empty_overview,
    an_odd_overview,
    an_overview,
    html_of,
    page_counts,
    the_studies_page,
)
from tests.support.sample_summaries import SAMPLES

PAGES = {
    "ordinary": html_of(an_overview()),
    "late": html_of(a_late_overview()),
    "odd": html_of(an_odd_overview()),
    "no report": html_of(an_empty_overview()),
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
    return Reader(html_of(overview)).text


# --- the latest report


@pytest.mark.parametrize(
    "words",
    [
        "Latest report, as of 23 Nov 2026",
        "6 more consents than in the last report (as of 16 Nov).",
        "6 so far in the week of 23–29 Nov (in progress, 1 of 7 days).",
        "have consented of 1,000 participants 744",
        "still taking part 12 no longer take part 732",
        "new in the week of 16–22 Nov 14 the week before; 12-week average 4.5 1",
        "Consents per week",
        "Consents to date",
        "The last 12 weeks Week Consents Total",
        "9–15 Nov 14 737",
        "Week Then Now Change 2–8 Nov 9 3 −6 All consents +6",
        "Storage of blood 81% 600 of 744",
        "Reason Participants Agreed, but the date is missing 9",
        "/Adults.csv 4,321 bytes",
        "Records received from REDCap 1,003 of 1,003 listed",
        "Delivered Mon 23 Nov 2026, 07:07 (America/Toronto)",
        "REDCap version 16.1.3",
        "Program version 0.1.0",
    ],
)
def test_the_page_shows_the_latest_report(words: str) -> None:
    assert words in text_of(an_overview())


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_page_shows_every_figure_of_the_pdf(sample: str) -> None:
    summary = SAMPLES[sample]()
    kept = a_page_report(cutoff=summary.period.cutoff, counts=totals_of(summary), week_counts=weeks_of(summary))
    shown = Reader(html_of(an_overview(study=summary.study, report=kept))).text

    expected = [" ".join(f"{one.name} {one.detail} {one.value}".split()) for one in figures(summary)]
    assert [words for words in expected if words not in shown] == []
    assert " ".join(news(summary)) in shown


def test_an_approved_number_that_is_almost_reached_is_a_warning() -> None:
    accrual = Accrual(None, None, 750, None, None, None, 744, "Only 6 more may agree.")
    report = a_page_report(week_counts=page_counts(*CONSENTED, accrual=accrual))

    assert "<strong>Only 6 more may agree.</strong>" in html_of(an_overview(report=report))


def test_delivered_files_are_links_to_dropbox_and_not_in_a_trial() -> None:
    report = a_page_report(files=(StoredFile("/Team 1/Rapport d'été #2.pdf", "a" * 64, 4321, "rev"),))
    link = "https://www.dropbox.com/home/Team%201?preview=Rapport%20d%27%C3%A9t%C3%A9%20%232.pdf"

    pages = [Reader(html_of(an_overview(report=report, sandbox=sandbox))) for sandbox in (False, True)]

    assert [("href", link) in page.attributes for page in pages] == [True, False]


@pytest.mark.parametrize(
    ("overview", "words"),
    [
        (an_overview(report=a_page_report(counts=None, week_counts=None)), "Its numbers are no longer stored here"),
        (an_overview(report=a_page_report(week_counts=None)), "744 people have consented; 732 are still taking part."),
        (an_empty_overview(), "No report has been delivered yet."),
        (an_overview(report=a_page_report(remarks=("Consented fell by 2.",))), "Consented fell by 2."),
        (an_overview(sandbox=True), "Trial: reports go to a simulated Dropbox"),
    ],
    ids=["purged", "too many", "none", "remarks", "trial"],
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
        pytest.param(an_empty_overview(), "First report: Monday 30 November 2026, 07:00 (America/Toronto)", id="first"),
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
        pytest.param(
            an_overview(runs=(a_page_run("requested", what="Down.", tries=1, queued_at=NOW + timedelta(minutes=4)),)),
            "Latest run: waiting Next try about 08:14, 2 of 10. Down.",
            id="next try",
        ),
        pytest.param(
            an_overview(runs=(a_page_run("requested", what="Down.", tries=10),)),
            "Latest run: waiting It will be retried automatically. Down.",
            id="no try left in the queue",
        ),
        pytest.param(an_overview(), "Updated 08:05 · refreshes while a run is in progress", id="update"),
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
    assert "consent request --study adults --url https://ADDRESS-OF-THE-APP" in text_of(an_overview())


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

    allowed = re.compile(r"#[a-z]+|\?study=[a-z0-9_-]+|data:,|https://www\.dropbox\.com/home\?preview=[A-Za-z.]+")
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


@pytest.mark.parametrize(
    ("signed_in", "form", "referrer"), [(False, "none", "no-referrer"), (True, "self", "same-origin")]
)
def test_the_headers_forbid_everything_else_but_the_form_of_who_signed_in(
    signed_in: bool, form: str, referrer: str
) -> None:
    headers = page_headers(signed_in=signed_in)
    policy = headers.pop("Content-Security-Policy").split("; ")

    assert [part for part in policy if not part.startswith("style-src")] == [
        "default-src 'none'",
        "img-src data:",
        "base-uri 'none'",
        f"form-action '{form}'",
        "frame-ancestors 'none'",
    ]
    assert headers == {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": referrer,
    }


def test_a_page_is_loaded_again_only_while_a_run_is_in_progress() -> None:
    states = ("requested", "running", "delivered", "failed", "lost")
    shown = [an_overview(runs=(a_page_run(state),)).is_refreshed for state in states]

    assert shown == [True, True, False, False, False]
    assert (page_headers(refreshed=True)["Refresh"], "Refresh" in page_headers()) == ("30", False)


# --- sign-in


def test_who_signed_in_sees_their_name_and_a_form_in_place_of_the_command() -> None:
    page = Reader(html_of(an_overview(), A_VISIT))

    assert ("Signed in as Ada Lovelace Sign out" in page.text, "consent request" in page.text) == (True, False)
    assert {("action", "/api/page"), ("method", "post"), ("value", "adults"), ("value", "t0ken")} <= {*page.attributes}
    assert ("href", "/.auth/logout?post_logout_redirect_uri=/api/page") in page.attributes


def test_the_offer_to_sign_in_leads_back_to_the_study() -> None:
    address = "/.auth/login/aad?post_login_redirect_uri=%2Fapi%2Fpage%3Fstudy%3Da%252Fb"

    assert ("href", address) in Reader(sign_in_page("a/b")).attributes


# --- its numbers


def test_the_numbers_are_those_of_the_report_after_they_were_stored() -> None:
    for sample in SAMPLES.values():
        summary = sample()
        row = row_of(a_page_report(week_counts=weeks_of(summary)))
        stored = read_row(RunRecord, row | {"version": "1"}, "The record").opening

        assert stored is not None
        sites = stored.sites and tuple(replace(site, weeks=()) for site in summary.sites or ())
        expected = {field.name: getattr(summary, field.name) for field in fields(OpeningNumbers)} | {"sites": sites}
        assert vars(stored) == expected


@pytest.mark.parametrize("weeks", [1, 26, 27, 521], ids="{} weeks".format)
def test_a_page_of_any_number_of_weeks_is_rendered(weeks: int) -> None:
    consented = (3,) * weeks
    report = a_page_report(consented, week_counts=page_counts(*consented, complete=weeks), cutoff=CUTOFF)

    assert "Consents per week" in text_of(an_overview(report=report))
