"""The bytes that ``uv run consent demo`` downloads from an empty cache, for Python 3.13 on Linux x64, from uv.lock."""

import subprocess
import tomllib
from pathlib import PurePosixPath

from packaging.markers import Marker
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from benchmarks.measure import ROOT, Figure, at_most, hand_over

EARLIER = 184_589_375  # the same sum for `git show 204fb3a:uv.lock`
MOST = 0.6
SHOWN = 6
NEVER = {"import-linter", "mypy", "playwright", "ruff"}
OLDER = ("manylinux2014", "manylinux2010", "manylinux1", "linux")
PLATFORMS = [f"{name}_x86_64" for name in (*(f"manylinux_2_{minor}" for minor in range(39, 4, -1)), *OLDER)]
TAGS = [*cpython_tags((3, 13), platforms=PLATFORMS), *compatible_tags((3, 13), "cp313", PLATFORMS)]
PYTHON = {"python_version": "3.13", "python_full_version": "3.13.0"}
LINUX = {"os_name": "posix", "platform_machine": "x86_64", "platform_system": "Linux", "sys_platform": "linux"}


def downloads() -> dict[str, int]:
    """Return the bytes of each package that uv installs for ``uv run`` without options."""
    command = ["uv", "export", "--frozen", "--quiet", "--no-emit-project", "--format", "pylock.toml"]
    exported = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    needed = (each for each in tomllib.loads(exported)["packages"] if is_needed(each.get("marker")))
    return {each["name"]: size_of(each.get("wheels", [])) for each in needed}


def is_needed(marker: str | None) -> bool:
    """Return whether a package with this marker is installed."""
    return marker is None or Marker(marker).evaluate(PYTHON | LINUX)


def size_of(wheels: list[dict[str, str | int]]) -> int:
    """Return the bytes of the wheel that an installer prefers."""
    by_tag = {
        tag: int(wheel["size"])
        for wheel in wheels
        for tag in parse_wheel_filename(PurePosixPath(str(wheel["url"])).name)[3]
    }
    return next(by_tag[tag] for tag in TAGS if tag in by_tag)


def main() -> None:
    """Add up the downloads; a linter, type checker or browser must not be among them."""
    sizes = downloads()
    total = sum(sizes.values())
    largest = sorted(sizes, key=lambda name: -sizes[name])[:SHOWN]
    found = sorted(NEVER & set(sizes))
    share = at_most("`uv run consent demo`: bytes downloaded, relative to commit 204fb3a", total / EARLIER, MOST, "x")
    hand_over(
        [
            share,
            Figure("  in this version, and then", f"{total / 1e6:.1f} and {EARLIER / 1e6:.1f} MB"),
            Figure("  linters, type checkers and browsers", ", ".join(found) or "none", "none", not found),
            *(Figure(f"  {name}", f"{sizes[name] / 1e6:.1f} MB") for name in largest),
        ]
    )


if __name__ == "__main__":
    main()
