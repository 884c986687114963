"""Tests of the page in a browser behind a simulated sign-in, from the offer to sign in to a started run."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from sandbox.azurite import Azurite
from sandbox.functions.sign_in import principal
from tests.support.browsing import Visitor, running_browser
from tests.support.functions_runtime import deployed_copy
from tests.support.hosting import HostedApp, hosted_app, put_study

pytestmark = pytest.mark.runtime


@pytest.fixture(name="app")
def _app(azurite: Azurite, tmp_path: Path) -> Iterator[HostedApp]:
    """The app behind the sign-in of one person; its runs wait, because nothing executes them."""
    (tmp_path / "studies").mkdir()
    put_study(tmp_path / "studies", "adults")
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "AzureWebJobs.execute_run.Disabled": "true",
        "CONSENT_SCHEDULE": "0 0 0 1 1 *",
        "CONSENT_STUDIES": str(tmp_path / "studies"),
        "CONSENT_LEDGER": str(tmp_path / "runs.sqlite"),
        "CONSENT_SIGN_IN": "entra",
        "WEBSITE_AUTH_ENABLED": "True",
    }
    with hosted_app(deployed_copy(tmp_path / "app"), settings, "--sign-in", "Ada Lovelace") as app:
        yield app


def test_a_person_signs_in_starts_a_run_and_signs_out(app: HostedApp) -> None:
    with running_browser() as browser, closing(Visitor(browser, app.url)) as visitor:
        page = visitor.page("api/page?study=adults")
        page.get_by_role("link", name="Sign in").click()
        assert "Signed in as Ada Lovelace" in page.locator(".who").inner_text()

        for _ in range(2):
            page.get_by_role("button", name="Run now").click()
        assert page.locator("table.runs tbody tr").count() == 1
        page.get_by_role("link", name="Sign out").click()

        assert [(run["trigger"], run["state"]) for run in app.runs("adults")] == [("page", "requested")]
        assert page.get_by_role("link", name="Sign in").count() == 1


def test_a_form_of_another_page_and_forged_headers_start_nothing(app: HostedApp) -> None:
    forged = {"X-MS-CLIENT-PRINCIPAL": principal("Ada Lovelace")}
    with running_browser() as browser, closing(Visitor(browser, app.url)) as visitor:
        page = visitor.page("api/page")
        page.get_by_role("link", name="Sign in").click()
        token = page.locator("input[name=token]").get_attribute("value")
        form = f'<form method="post" action="{app.url}/api/page"><input name="study" value="adults">'
        page.goto(f'data:text/html,{form}<input name="token" value="{token}"><button>Win</button></form>')
        page.get_by_role("button", name="Win").click()

    assert requests.get(f"{app.url}/api/page", headers=forged, timeout=60).status_code == 401
    assert app.runs("adults") == []
