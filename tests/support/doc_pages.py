"""README and docs/ in parts, for tests: commands, links, headings and quoted names.

A code block without a language, or of a shell, holds commands; ``text``, ``toml`` and the like show something else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / ".github" / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))
}
SHELLS = {"", "powershell", "cron"}

_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NEEDS = "# needs: "


@dataclass(frozen=True)
class Command:
    """A command line on a page; ``needs``: the page says that the reader must have something, such as an account."""

    page: str
    text: str
    needs: bool


def commands_of(page: str) -> Iterator[Command]:
    """Yield the commands in the code blocks of a page; one with a name in angle brackets needs an account."""
    for language, block in _BLOCK.findall(PAGES[page]):
        if language in SHELLS:
            needs = block.lstrip().startswith(_NEEDS)
            for line in block.splitlines():
                text = re.sub(r"\s+# .*", "", line).strip()
                if text and not text.startswith("#"):
                    yield Command(page, text, needs or re.search(r"<[a-z _]+>", text) is not None)


def prose_of(page: str) -> str:
    """Return a page without its code blocks."""
    return _BLOCK.sub("", PAGES[page])


def quoted_in(page: str) -> list[str]:
    """Return what stands in backquotes in the prose of a page, each on one line."""
    return [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", prose_of(page))]


def links_of(page: str) -> list[tuple[str, str]]:
    """Return a page's links within this repository: file (from the page's folder) and heading; one may be empty."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose_of(page)) + re.findall(r'src="([^"]+)"', PAGES[page])
    return [(path, heading) for path, _, heading in (t.partition("#") for t in targets) if "://" not in path]


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
