"""Open a file or a web page in the program that this computer has for it, without waiting for that program."""

import os
import sys
import webbrowser
from pathlib import Path


def show_file(path: Path) -> bool:
    """Open a file as a double click would, and return whether a program opened it."""
    try:
        if sys.platform == "win32":
            os.startfile(path.resolve())  # noqa: S606  (a report that this command has just written)
            return True
        return webbrowser.open(path.resolve().as_uri())
    except (OSError, webbrowser.Error):
        return False


def show_page(address: str) -> bool:
    """Open a web page in a browser outside the terminal, which is for the prompts; return whether one opened it."""
    try:
        browser = webbrowser.get()
        in_terminal = type(browser) is webbrowser.GenericBrowser or not getattr(browser, "redirect_stdout", True)
        return not in_terminal and browser.open(address)
    except (OSError, webbrowser.Error):
        return False
