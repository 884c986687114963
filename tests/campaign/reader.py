"""Read the folder as its readers do, at any moment: every set with a matching manifest must be complete and correct.

Knows the format of the files and the truth about the registry, and nothing of how either came about.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from tests.campaign.registry import GrowingRegistry, csv_of

Files = Mapping[str, bytes]


@dataclass
class Reader:
    """A reader who looks again and again, and remembers the newest report seen."""

    title: str
    registry: GrowingRegistry
    looks: int = 0
    newest: tuple[date, int] = (date.min, 0)
    problems: list[str] = field(default_factory=list)

    @property
    def stable(self) -> tuple[str, str, str, str, str]:
        """The paths of table, document and manifest, then those of workbook and PDF."""
        table, workbook, pdf = (f"/{self.title}.{kind}" for kind in ("csv", "xlsx", "pdf"))
        return table, f"/data/{self.title}.json", f"/data/{self.title}.manifest.json", workbook, pdf

    def look(self, files: Files) -> None:
        """Check the report under the stable names, and every archived set."""
        self.looks += 1
        if self.manifest(files) and self.is_whole(files):
            self._check_stable(files)
        for path in files:
            if path.startswith("/Archive/") and path.endswith(".manifest.json"):
                self._check_archived(PurePosixPath(path), files)

    def manifest(self, files: Files) -> dict[str, Any] | None:
        """Return the current manifest."""
        found = files.get(self.stable[2])
        return json.loads(found) if found else None

    def is_whole(self, files: Files) -> bool:
        """Whether the files under the stable names match their manifest."""
        entries = (self.manifest(files) or {"files": []})["files"]
        return bool(entries) and all(_matches(files.get(f"/{entry['path']}"), entry) for entry in entries)

    def _check_stable(self, files: Files) -> None:
        table, document, manifest = (files[path] for path in self.stable[:3])
        report = (date.fromisoformat(json.loads(manifest)["cutoff"]), json.loads(document)["participants"]["total"])
        self._check_truth("the report", table, document, manifest)
        if report < self.newest:
            self.problems.append(f"the report went back from {self.newest} to {report} (cut-off, people)")
        self.newest = max(self.newest, report)

    def _check_archived(self, path: PurePosixPath, files: Files) -> None:
        entries = json.loads(files[str(path)])["files"]
        if not all(_matches(files.get(str(path.with_name(entry["name"]))), entry) for entry in entries):
            self.problems.append(f"the archived set {path.parent.name} is vouched for and not whole")
            return
        table, document = (files[str(path.with_name(f"{self.title}.{kind}"))] for kind in ("csv", "json"))
        self._check_truth(f"the archived set {path.parent.name}", table, document, files[str(path)])

    def _check_truth(self, what: str, table: bytes, document: bytes, manifest: bytes) -> None:
        found, cutoff = json.loads(document), json.loads(manifest)["cutoff"]
        people, true = found["participants"], None
        if people["total"] in self.registry.sizes:
            true = csv_of(people["total"], date.fromisoformat(cutoff))
        if true is None:
            self.problems.append(f"{what} counts {people['total']} people, as many as there never were")
        elif table.decode() != true:
            self.problems.append(f"the table of {what} is not the truth about {people['total']} people")
        elif found["cutoff"] != cutoff or _numbers(found) != _numbers_in(true):
            self.problems.append(f"the document of {what} is not the truth about {people['total']} people")


def listed_in_manifests(files: Files) -> dict[bytes, str]:
    """Return the contents that any manifest in the folder lists, with their names."""
    manifests = [content for path, content in files.items() if path.endswith(".manifest.json")]
    vouched = {entry["sha256"] for manifest in manifests for entry in json.loads(manifest)["files"]}
    return {
        content: PurePosixPath(path).name
        for path, content in files.items()
        if hashlib.sha256(content).hexdigest() in vouched
    }


def _matches(content: bytes | None, entry: dict[str, Any]) -> bool:
    return content is not None and hashlib.sha256(content).hexdigest() == entry["sha256"]


def _numbers(document: dict[str, Any]) -> list[list[int]]:
    """Return the numbers of the weekly table from the document."""
    weeks = [[week["consented"], *week["riders"].values()] for week in document["weeks"]]
    totals = document["totals"]
    return [*weeks, [totals["consented"], *totals["riders"].values()]]


def _numbers_in(table: str) -> list[list[int]]:
    return [[int(cell) for cell in line.split(",")[1:]] for line in table.splitlines()[1:]]
