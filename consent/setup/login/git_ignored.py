"""Whether git would commit a file: asked before a secret is written into it.

Runs git's own answer to that question and nothing else of git.
"""

import shutil
import subprocess
from pathlib import Path

_PATIENCE_SECONDS = 10


def would_be_committed(path: Path) -> bool | None:
    """Whether the file, there or not yet, lies in a git repository that does not ignore it; None if git cannot tell.

    Of a link it is the file behind it that counts: of the link itself git would keep no more than where it leads.

    https://git-scm.com/docs/git-check-ignore
    """
    file = path.resolve()
    folder = file.parent
    if not any((each / ".git").exists() for each in (folder, *folder.parents)):
        return False
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "-C", str(folder), "check-ignore", "--quiet", file.name]
    try:
        status = subprocess.run(command, capture_output=True, timeout=_PATIENCE_SECONDS, check=False).returncode  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {0: False, 1: True}.get(status)
