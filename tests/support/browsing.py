"""A headless browser, a visitor with requests and errors recorded, and the accessibility check.

Without Playwright and axe, importing this module skips the importing file of tests.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.check_group import need

playwright_api = need("playwright.sync_api")
Axe = need("axe_playwright_python.sync_playwright").Axe
Browser, Page = playwright_api.Browser, playwright_api.Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield this machine's Chromium; skip the test if there is none."""
    if CHROMIUM is None:
        pytest.skip("NOT RUN: there is no Chromium on this machine (Debian: apt-get install chromium)")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """A separate browser profile; it records requested addresses in ``asked`` and console errors in ``complaints``."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self._context = browser.new_context(**options)
        self._url = url
        self.asked: list[str] = []
        self.complaints: list[str] = []

    def page(self, name: str) -> Page:
        """Open a page and wait until it is loaded."""
        page = self._context.new_page()
        page.on("request", lambda request: self.asked.append(request.url.removeprefix(self._url)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self._url}/{name}")
        return page

    def close(self) -> None:
        """Close the profile."""
        self._context.close()


def grave_findings(page: Page) -> list[str]:
    """Return the serious and critical findings of axe-core in a page, as rule and element."""
    found = Axe().run(page).response["violations"]
    grave = [finding for finding in found if finding["impact"] in ("serious", "critical")]
    return [f"{finding['id']}: {node['html']}" for finding in grave for node in finding["nodes"]]
