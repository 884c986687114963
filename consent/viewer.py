"""Shows a file to the person at this machine, in whatever program they have for it.

Never waits for that program to end, and never fails: where nothing can show the file, it says so.
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
