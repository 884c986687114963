"""Claims about the whole sign-in as a person does it: the page in a browser, Allow, the code copied, then a run."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consent.config.settings import read_settings
from consent.dates import utc_now
from consent.errors import ConfigurationError, DeliveryRefusedError
from consent.runs.pipeline import run_report
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from sandbox.demo import demo_world
from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.dropbox.sign_in import PERSONAL
from tests.support.browsing import Browser, Page, Visitor, grave_findings, running_browser
from tests.support.login_bench import LoginBench, login_bench

OpenPage = Callable[[LoginBench], Page]


@pytest.fixture(name="browser", scope="module")
def _browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(name="bench")
def _bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginBench]:
    with login_bench(tmp_path, monkeypatch) as bench:
        yield bench


@pytest.fixture(name="visitor")
def _visitor(browser: Browser, bench: LoginBench) -> Iterator[Visitor]:
    with closing(Visitor(browser, bench.server.url, bypass_csp=True)) as visitor:
        yield visitor


@pytest.fixture(name="opened")
def _opened(visitor: Visitor) -> OpenPage:
    """Opens the address that the terminal shows."""
    return lambda bench: visitor.page(bench.address.removeprefix(f"{bench.server.url}/"))


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def code_on(page: Page) -> str:
    return page.get_by_label("Access code").inner_text()


def allowing(opened: OpenPage) -> Callable[[LoginBench], str]:
    """Press Allow, and copy the code off the page."""

    def answer(bench: LoginBench) -> str:
        page = opened(bench)
        press(page, "Allow")
        return code_on(page)

    return answer


def test_a_report_is_delivered_with_a_log_in_made_in_the_browser(
    bench: LoginBench, opened: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.log_in("sandbox-key", allowing(opened))
    with demo_world(40, today=utc_now().date()) as world:
        monkeypatch.setenv("REDCAP_API_URL", world.settings["REDCAP_API_URL"])
        monkeypatch.setenv("REDCAP_ACCESS_TOKEN", world.settings["REDCAP_ACCESS_TOKEN"])
        settings = read_settings(directory=bench.folder)
        study = choose_study(load_studies(settings), None)
        with open_services(study, settings) as services:
            run_report(study, services, past=lambda before: [])

    assert "/OBRI Consent Summary.csv" in bench.app.files()


def test_the_page_says_what_the_app_asks_for(bench: LoginBench, opened: OpenPage) -> None:
    seen: list[str] = []

    def look(here: LoginBench) -> str:
        seen.append(opened(here).locator("main").inner_text())
        return ""

    with pytest.raises(ConfigurationError, match="No code was given"):
        bench.log_in("sandbox-key", look)

    assert [scope for scope in DELIVERY_SCOPES if scope not in seen[0]] == []


def test_cancel_leaves_no_code_to_copy(bench: LoginBench, opened: OpenPage) -> None:
    def cancel(here: LoginBench) -> str:
        page = opened(here)
        press(page, "Cancel")
        return "".join(page.get_by_label("Access code").all_inner_texts())

    with pytest.raises(ConfigurationError, match="No code was given"):
        bench.log_in("sandbox-key", cancel)


def test_a_code_from_a_page_left_open_is_used_up_the_second_time(bench: LoginBench, opened: OpenPage) -> None:
    codes: list[str] = []

    def remember(here: LoginBench) -> str:
        codes.append(allowing(opened)(here))
        return codes[0]

    bench.log_in("sandbox-key", remember)
    bench.log_in(lambda here: codes[0], allowing(opened))

    assert "Dropbox does not accept this code" in bench.shown


def test_the_wrong_account_can_be_chosen_on_the_page_and_is_noticed(
    bench: LoginBench, opened: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.server.app = Dropbox(root_namespace="7", personal=True)
    monkeypatch.setenv("DROPBOX_ROOT_NAMESPACE", "7")

    def as_somebody_else(here: LoginBench) -> str:
        page = opened(here)
        page.get_by_label(PERSONAL.email).check()
        press(page, "Allow")
        return code_on(page)

    with pytest.raises(DeliveryRefusedError, match="This is another account"):
        bench.log_in("sandbox-key", as_somebody_else)


def test_a_permission_that_the_app_lacks_is_noticed(bench: LoginBench, opened: OpenPage) -> None:
    bench.server.app = Dropbox(app_scopes=DELIVERY_SCOPES - {"files.content.write"})

    with pytest.raises(DeliveryRefusedError, match=r"lacks the permission files\.content\.write"):
        bench.log_in("sandbox-key", allowing(opened))


def test_an_app_key_that_dropbox_does_not_know_shows_an_error_on_the_page(bench: LoginBench, opened: OpenPage) -> None:
    seen: list[str] = []

    def look(here: LoginBench) -> str:
        seen.append(opened(here).locator("main").inner_text())
        return ""

    with pytest.raises(ConfigurationError, match="DROPBOX_KEY is the app key"):
        bench.log_in("another-key", look)

    assert "Invalid client_id" in seen[0]


def test_nobody_is_shut_out_of_the_page(bench: LoginBench, opened: OpenPage) -> None:
    bench.server.app = Dropbox(personal=True)
    found: list[str] = []

    def look(here: LoginBench) -> str:
        page = opened(here)
        found.extend(grave_findings(page))
        press(page, "Allow")
        found.extend(grave_findings(page))
        return code_on(page)

    bench.log_in("sandbox-key", look)

    assert found == []
