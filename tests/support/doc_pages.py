"""What people read, taken apart for tests: the pages, the commands in them, their links and their headings.

A block of code without a language, or in one of a shell, holds commands; ``text`` and ``toml`` are what is shown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
SHELLS = {"", "powershell", "cron"}

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NEEDS = "# needs: "


@dataclass(frozen=True)
class Command:
    """One line that a person is told to give; ``needs`` is whether the page says that it takes something of theirs."""

    page: str
    text: str
    needs: bool


def commands_of(page: str) -> Iterator[Command]:
    """The commands of a page; a name in angle brackets is something of the reader's, too."""
    for language, block in _BLOCK.findall(PAGES[page]):
        if language in SHELLS:
            needs = block.lstrip().startswith(_NEEDS)
            for line in block.splitlines():
                text = re.sub(r"\s+# .*", "", line).strip()
                if text and not text.startswith("#"):
                    yield Command(page, text, needs or re.search(r"<[a-z _]+>", text) is not None)


def prose_of(page: str) -> str:
    """A page without its blocks of code."""
    return _BLOCK.sub("", PAGES[page])


def quoted_in(page: str) -> list[str]:
    """What stands in backquotes in the running text of a page, on one line or over two."""
    return [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", prose_of(page))]


def links_of(page: str) -> list[tuple[str, str]]:
    """Where a page points to in this repository: file (as seen from the page's folder) and heading, either empty."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose_of(page)) + re.findall(r'src="([^"]+)"', PAGES[page])
    return [(path, heading) for path, _, heading in (t.partition("#") for t in targets) if "://" not in path]


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
