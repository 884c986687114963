"""Tests of opening a file or a web page."""

import webbrowser
from pathlib import Path

import pytest

from consent.cli.open_file import show_file, show_page


@pytest.fixture(name="not_windows", autouse=True)
def _not_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")


@pytest.mark.parametrize("opened", [True, False])
def test_a_file_is_opened_by_its_address(opened: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses: list[str] = []

    def open_it(address: str) -> bool:
        addresses.append(address)
        return opened

    monkeypatch.setattr(webbrowser, "open", open_it)
    assert show_file(tmp_path / "Consent Summary.pdf") == opened
    assert addresses == [f"{tmp_path.as_uri()}/Consent%20Summary.pdf"]


@pytest.mark.parametrize("error", [OSError("no display"), webbrowser.Error("no browser")])
def test_a_computer_that_can_open_nothing_is_no_error(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> bool:
        raise error

    monkeypatch.setattr(webbrowser, "open", fail)
    monkeypatch.setattr(webbrowser, "get", fail)
    assert (show_file(tmp_path), show_page("https://example.org/")) == (False, False)


class Browser(webbrowser.BaseBrowser):
    """A browser with a window."""

    def __init__(self, opens: bool = True) -> None:
        super().__init__()
        self.opens = opens
        self.opened: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return self.opens


class TextBrowser(Browser):
    """A browser in the terminal, marked as the library marks it."""

    redirect_stdout = False


@pytest.mark.parametrize(
    ("browser", "opened"),
    [
        (Browser(), True),
        (Browser(opens=False), False),
        (TextBrowser(), False),
        (webbrowser.GenericBrowser("/nowhere/lynx"), False),
    ],
    ids=["window", "window that fails", "text browser", "unknown program"],
)
def test_a_page_is_opened_only_in_a_window(
    browser: webbrowser.BaseBrowser, opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    assert show_page("https://example.org/") is opened
    assert getattr(browser, "opened", []) == (["https://example.org/"] if type(browser) is Browser else [])
