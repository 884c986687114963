"""Tests of the status page in a browser: accessible, on any screen, on paper, and without requests to other servers."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal

import pytest

from consent.app.page import page_headers, sign_in_page
from consent.runs.changes import weeks_of
from sandbox.server import Request, Response, Server
from tests.support.browsing import Browser, Page, Visitor, grave_findings, running_browser
from tests.support.page_builders import (
    A_VISIT,
    CONSENTED,
    a_late_overview,
    a_page_report,
    an_empty_overview,
    an_odd_overview,
    an_overview,
    html_of,
    the_studies_page,
)
from tests.support.sample_summaries import a_full_summary, an_odd_summary

PAGES = {
    "ordinary": html_of(an_overview()),
    "late": html_of(a_late_overview()),
    "odd": html_of(an_odd_overview()),
    "no-report": html_of(an_empty_overview()),
    "one-week": html_of(an_overview(report=a_page_report(CONSENTED[:1]))),
    "ten-years": html_of(an_overview(report=a_page_report(CONSENTED * 3))),
    "every-part": html_of(an_overview(report=a_page_report(week_counts=weeks_of(a_full_summary())))),
    "odd-labels": html_of(an_overview(report=a_page_report(week_counts=weeks_of(an_odd_summary())))),
    "signed-in": html_of(an_overview(), A_VISIT),
    "sign-in": sign_in_page(None),
    "several": the_studies_page(),
}
EVERY_PAGE = pytest.mark.parametrize("name", PAGES)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NARROW = {"width": 320, "height": 640}


class Pages:
    """Serves the pages by name, as the function app does."""

    def answer(self, request: Request) -> Response:
        """Return the page that the path names."""
        html = PAGES[request.path.removeprefix("/")]
        return Response(headers={**page_headers(), "Content-Type": "text/html; charset=utf-8"}, body=html.encode())

    def name_of(self, request: Request) -> str:
        """Return the path."""
        return request.path


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Server]:
    with Server(Pages()) as server:
        yield server


@pytest.fixture(name="browser", scope="module")
def _browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(name="visitor")
def _visitor(browser: Browser, server: Server) -> Iterator[Visitor]:
    with closing(Visitor(browser, server.url)) as visitor:
        yield visitor


@pytest.fixture(name="narrow")
def _narrow(browser: Browser, server: Server) -> Iterator[Visitor]:
    with closing(Visitor(browser, server.url, viewport=NARROW)) as visitor:
        yield visitor


@pytest.fixture(name="without_scripts")
def _without_scripts(browser: Browser, server: Server) -> Iterator[Visitor]:
    with closing(Visitor(browser, server.url, java_script_enabled=False)) as visitor:
        yield visitor


@pytest.fixture(name="any_policy")
def _any_policy(browser: Browser, server: Server) -> Iterator[Visitor]:
    """A visitor whose own tools may run in the page despite its policy."""
    with closing(Visitor(browser, server.url, bypass_csp=True)) as visitor:
        yield visitor


@EVERY_PAGE
def test_a_page_is_accessible_in_light_and_dark(any_policy: Visitor, name: str) -> None:
    page = any_policy.page(name)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert grave_findings(page) == []


def test_the_page_is_dark_where_the_reader_prefers_it(visitor: Visitor) -> None:
    page, seen = visitor.page("ordinary"), []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        seen.append(page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor"))

    assert seen == ["rgb(255, 255, 255)", "rgb(18, 24, 30)"]


@EVERY_PAGE
def test_a_page_requests_nothing_but_itself_and_causes_no_error(visitor: Visitor, server: Server, name: str) -> None:
    server.requests.clear()

    visitor.page(name)

    assert (visitor.asked, [request.path for request in server.requests]) == ([f"/{name}"], [f"/{name}"])
    assert visitor.complaints == []


def test_the_style_is_applied_under_the_page_s_own_policy(visitor: Visitor) -> None:
    font = visitor.page("ordinary").locator("h1").evaluate("heading => getComputedStyle(heading).fontSize")

    assert font == "28px"


def test_without_scripts_a_page_shows_the_same(visitor: Visitor, without_scripts: Visitor) -> None:
    assert (
        without_scripts.page("late").locator("body").inner_text() == visitor.page("late").locator("body").inner_text()
    )


@EVERY_PAGE
def test_a_page_fits_a_screen_of_320_pixels(narrow: Visitor, name: str) -> None:
    overflowing = (
        "found => found.filter(one => one.getBoundingClientRect().right > innerWidth + 0.5).map(one => one.outerHTML)"
    )
    page = narrow.page(name)

    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    assert page.locator("main *").evaluate_all(overflowing) == []


def test_the_tab_key_moves_through_the_links_and_outlines_the_focused_one(visitor: Visitor) -> None:
    page = visitor.page("ordinary")

    assert tabbed_through(page, 4) == ["Latest report", "Next report", "Runs", "Start a run"]
    assert page.locator("a:focus-visible").evaluate("link => getComputedStyle(link).outlineStyle") == "solid"


def test_the_tab_key_reaches_every_study(visitor: Visitor) -> None:
    page = visitor.page("several")

    assert tabbed_through(page, 2) == ["Adults", "Children"]


def tabbed_through(page: Page, times: int) -> list[str]:
    """The text of the focused element after each press of the tab key."""
    found: list[str] = []
    for _ in range(times):
        page.keyboard.press("Tab")
        found.append(page.locator(":focus").inner_text())
    return found


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("navigation", "On this page"),
        ("region", "Latest report, as of 23 Nov 2026"),
        ("region", "Next report"),
        ("region", "Runs"),
        ("region", "Start a run"),
        ("table", "The last 12 weeks"),
        ("table", "Agreement to each optional consent"),
        ("table", "Records to review"),
    ],
)
def test_a_screen_reader_finds_every_section_by_its_name(visitor: Visitor, role: Any, name: str) -> None:
    exact = role != "table"  # a table's caption goes on with what it shows
    assert visitor.page("ordinary").get_by_role(role, name=name, exact=exact).count() == 1


def test_the_charts_have_descriptions_and_a_bar_for_each_week_of_a_year(visitor: Visitor) -> None:
    page = visitor.page("ordinary")

    assert page.get_by_role("img", name="Bars of consents per week over 51 complete weeks").count() == 1
    assert page.get_by_role("img", name="Line of all consents from 0").count() == 1
    assert page.locator("svg rect.bar").count() == 51


@pytest.mark.parametrize("name", ["every-part", "odd-labels"])
def test_no_two_texts_of_a_chart_overlap(visitor: Visitor, name: str) -> None:
    overlapping = """charts => charts.flatMap(chart => {
        const texts = [...chart.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
        return texts.flatMap(([one, a], n) => texts.slice(n + 1).filter(([, b]) =>
            a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom
        ).map(([other]) => `${one} / ${other}`));
    })"""

    assert visitor.page(name).locator("svg").evaluate_all(overlapping) == []


def test_on_paper_links_and_commands_are_hidden(visitor: Visitor) -> None:
    page = visitor.page("late")
    page.emulate_media(media="print")

    seen = [page.locator(part).is_visible() for part in ("nav", ".start", ".alarm", ".figures", "table.runs")]

    assert seen == [False, False, True, True, True]
    assert page.pdf(format="A4").startswith(b"%PDF-")
