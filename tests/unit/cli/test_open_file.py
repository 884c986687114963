"""Claims about showing a file or a page to the person at this machine."""

import webbrowser
from pathlib import Path

import pytest

from consent.cli.open_file import show_file, show_page


@pytest.fixture(name="elsewhere_than_windows", autouse=True)
def _elsewhere_than_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")


@pytest.mark.parametrize("taken", [True, False])
def test_a_file_is_handed_to_the_desktop_by_its_address(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def take(address: str) -> bool:
        asked.append(address)
        return taken

    monkeypatch.setattr(webbrowser, "open", take)

    assert show_file(tmp_path / "Consent Summary.pdf") == taken
    assert asked == [f"{tmp_path.as_uri()}/Consent%20Summary.pdf"]


@pytest.mark.parametrize("error", [OSError("no display"), webbrowser.Error("no browser")])
def test_a_machine_that_can_show_nothing_is_no_failure(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(address: str) -> bool:
        raise error

    monkeypatch.setattr(webbrowser, "open", fail)

    assert show_file(tmp_path) is False


class Browser(webbrowser.BaseBrowser):
    """A browser with a window; a subclass says otherwise."""

    def __init__(self, takes: bool = True) -> None:
        super().__init__()
        self.takes = takes
        self.opened: list[str] = []

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return self.takes


class InTerminal(Browser):
    """As the text browsers that the library knows."""

    redirect_stdout = False


@pytest.mark.parametrize("takes", [True, False])
def test_a_page_is_opened_in_a_browser(takes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(takes)
    monkeypatch.setattr(webbrowser, "get", lambda: browser)

    assert (show_page("https://example.org/"), browser.opened) == (takes, ["https://example.org/"])


def test_a_browser_that_would_take_over_the_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = InTerminal()
    monkeypatch.setattr(webbrowser, "get", lambda: browser)

    assert (show_page("https://example.org/"), browser.opened) == (False, [])


def test_any_program_that_only_takes_an_address_may_be_a_text_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("/nowhere/lynx"))

    assert show_page("https://example.org/") is False


def test_a_machine_without_a_browser_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> webbrowser.BaseBrowser:
        raise webbrowser.Error("no browser")

    monkeypatch.setattr(webbrowser, "get", fail)

    assert show_page("https://example.org/") is False
