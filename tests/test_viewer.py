"""Claims about showing a file to the person at this machine."""

import webbrowser
from pathlib import Path

import pytest

from consent.viewer import show_file


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
