"""Shows a file or a web page to the person at this machine, in whatever program they have for it.

Never waits for that program to end, and never fails: where nothing can show it, it says so.
"""

import os
import sys
import webbrowser
from pathlib import Path


def show_file(path: Path) -> bool:
    """Open a file as a double click would; whether something took it."""
    try:
        if sys.platform == "win32":
            os.startfile(path.resolve())  # noqa: S606  (a report that this very command has just written)
            return True
        return webbrowser.open(path.resolve().as_uri())
    except (OSError, webbrowser.Error):
        return False


def show_page(address: str) -> bool:
    """Open a web page in a browser with a window of its own; whether something took it.

    A browser that would take over the terminal, in which somebody is asked for what the page shows, is left alone.
    """
    try:
        browser = webbrowser.get()
        in_terminal = type(browser) is webbrowser.GenericBrowser or not getattr(browser, "redirect_stdout", True)
        return not in_terminal and browser.open(address)
    except (OSError, webbrowser.Error):
        return False
