"""What a sign-in came to, as lines for the screen and as a document for scripts: names of settings, never values."""

from textwrap import wrap
from typing import Any

from consent.setup.login.sign_in import LoggedIn

_WIDTH = 80
CONNECTED_APPS = "https://www.dropbox.com/account/connected_apps"


def login_lines(done: LoggedIn) -> list[str]:
    """What was kept where, what is still to do, how to undo it, and what comes next."""
    kept = done.kept
    sandbox = " (sandbox)" if done.sandbox else ""
    names = [f"  {name}{'  (in place of another)' if name in kept.replaced else ''}" for name in kept.names]
    names += [f"  {name}  (now blank)" for name in kept.replaced if name not in kept.names]
    return [
        f"Signed in to Dropbox{sandbox}.",
        f"Reports go to {done.space.words}.",
        f"Kept in {kept.place}:",
        *names,
        *(line for remark in done.remarks for line in wrap(f"Still to do: {remark}", _WIDTH, break_on_hyphens=False)),
        f"To undo it: disconnect the app at {CONNECTED_APPS},",
        "and delete these settings.",
        "Next: consent check",
    ]


def login_document(done: LoggedIn) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "state": "signed-in",
        "service": "dropbox",
        "sandbox": done.sandbox,
        "team_space": done.space.root_namespace is not None,
        "kept_in": done.kept.place,
        "kept": [*done.kept.names],
        "replaced": [*done.kept.replaced],
        "remarks": [*done.remarks],
    }
