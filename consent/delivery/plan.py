"""Plan what a delivery writes and in what order, then write it.

The archive is written first and the manifest under the stable names last, so a partial report is always recognisable.
The next run completes an interrupted delivery.

Machines with separate run histories need no lock in the folder. A run replaces a file only in its planned revision, and
nothing if another run replaced the manifest since it began. Two sets have two manifests, so of two runs at most one
replaces the manifest. It succeeds only if all stable files match at the end. The other run fails; its retry plans anew.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol

from consent.dates import parse_day
from consent.delivery.report_set import Destination, ReportSet, TargetFile
from consent.errors import DeliveryRefusedError, DeliveryUnverifiedError
from consent.files import StoredFile, content_hash, join_paths

_SET_ID = re.compile(r"[0-9a-f]{8}")

Action = Literal["add", "replace", "keep"]
State = Literal["delivered", "unchanged", "archived"]
Progress = Callable[[int, int, str], None]


class Folder(Protocol):
    """A folder that reports are delivered to; paths start with "/" and have "/" between names.

    All methods raise ``DeliveryUnavailableError``, ``DeliveryRefusedError`` or ``DeliveryUnverifiedError``.
    """

    def stat(self, path: str) -> StoredFile | None:
        """Return the file at the path, or None."""

    def list_folder(self, path: str) -> tuple[str, ...]:
        """Return the names in a folder; none if it does not exist."""

    def stage(self, files: Mapping[str, bytes]) -> None:
        """Raise now if one of these files cannot be replaced; change no visible file."""

    def put(self, path: str, content: bytes, *, replaces: StoredFile | None) -> StoredFile:
        """Store the bytes in place of this file, or as a new file, and verify them; refuse to change any other file."""

    def confirm(self, files: Sequence[StoredFile]) -> None:
        """Look again at stored files, in this order; raise ``DeliveryUnverifiedError`` if one has changed."""

    def discard_staged(self) -> None:
        """Remove what ``stage`` prepared and ``put`` did not use."""


@dataclass(frozen=True)
class Step:
    """One file and what to do with it."""

    target: TargetFile
    action: Action

    @property
    def path(self) -> str:
        return self.target.path


@dataclass(frozen=True)
class DeliveryPlan:
    """The steps of a delivery and its final state; ``existing``: the files in the folder before it, by path.

    ``--dry-run`` stops here.
    """

    state: State
    report: ReportSet
    archive: tuple[Step, ...]
    stable: tuple[Step, ...]
    existing: Mapping[str, StoredFile]

    @property
    def set_id(self) -> str:
        """The id of this set of files: 8 hex digits."""
        return self.report.set_id

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step in order: the archive and its manifest, then the stable names and theirs."""
        return self.archive + self.stable


@dataclass(frozen=True)
class Delivery:
    """The result of a delivery; ``files`` are the set's files and its manifest, where readers find them."""

    state: State
    set_id: str
    files: tuple[StoredFile, ...]


def plan_delivery(report: ReportSet, folder: Folder) -> DeliveryPlan:
    """Plan the writes after which the folder holds this complete report, without replacing a newer one.

    Raises DeliveryRefusedError if an archived file was changed, the archive holds a future day, or the report under
    the stable names may be newer. A person must look first.
    """
    targets = (*report.archive_targets({}), *report.stable_targets({}))
    existing = {target.path: stored for target in targets if (stored := folder.stat(target.path))}
    newer = _newer_cutoff(report.destination, folder)
    archive = _archive_steps(report, existing)
    _ensure_not_older(report, existing, newer, folder)
    stable = () if newer else _steps(report.stable_targets(existing), existing)
    return DeliveryPlan(_final_state(archive, stable), report, archive, stable, existing)


def deliver(
    plan: DeliveryPlan,
    folder: Folder,
    progress: Progress = lambda done, total, path: None,
    before_write: Callable[[], None] = lambda: None,
) -> Delivery:
    """Carry out the plan, then look at all stable files once more.

    If another run has archived a newer report meanwhile, leave the stable names alone.

    progress: called with (done, total, path) after each file. before_write: called before each write; its error stops
    the delivery there.
    """
    writes = [step for step in plan.steps if step.action != "keep"]
    stable = [step for step in plan.stable if step.action != "keep"]
    stored = dict(plan.existing)
    state, shown = plan.state, plan.stable or plan.archive
    try:
        if writes:
            before_write()
        if stable:
            folder.stage({step.path: step.target.content for step in stable})
        for done, step in enumerate(writes, start=1):
            before_write()
            if step in stable[:1]:
                if _newer_cutoff(plan.report.destination, folder):
                    state, shown = "archived", plan.archive
                    break
                _ensure_not_overtaken(plan, folder)
            content = plan.report.manifest(stored) if step.target.is_manifest else step.target.content
            stored[step.path] = folder.put(step.path, content, replaces=plan.existing.get(step.path))
            progress(done, len(writes), step.path)
    finally:
        folder.discard_staged()
    files = tuple(stored[step.path] for step in shown)
    folder.confirm(files)
    return Delivery(state, plan.set_id, files)


def changed_error(path: str) -> DeliveryUnverifiedError:
    """Return the error for a file that another run or a person changed during a delivery."""
    return DeliveryUnverifiedError(
        f"'{path}' was changed by another run or a person during this delivery.",
        "Let only one machine deliver this study. Then run again.",
    )


def _ensure_not_overtaken(plan: DeliveryPlan, folder: Folder) -> None:
    """Raise before any stable file is written if another run finished a delivery after the plan was made."""
    manifest = plan.report.destination.manifest_path
    if folder.stat(manifest) != plan.existing.get(manifest):
        raise changed_error(manifest)


def _final_state(archive: Sequence[Step], stable: Sequence[Step]) -> State:
    if not stable:
        return "archived"
    return "unchanged" if all(step.action == "keep" for step in (*archive, *stable)) else "delivered"


def _archive_steps(report: ReportSet, existing: Mapping[str, StoredFile]) -> tuple[Step, ...]:
    steps = _steps(report.archive_targets(existing), existing)
    has_manifest = bool(steps) and steps[-1].path in existing
    for step in steps:
        if step.action == "replace" or (step.action == "add" and has_manifest):
            raise DeliveryRefusedError(
                f"The archived file '{step.path}' was changed or removed.",
                f"Move the folder '{report.archive_folder}' away, then run again without --as-of.",
            )
    return steps


def _steps(targets: Sequence[TargetFile], existing: Mapping[str, StoredFile]) -> tuple[Step, ...]:
    return tuple(Step(target, _action(target, existing.get(target.path))) for target in targets)


def _action(target: TargetFile, stored: StoredFile | None) -> Action:
    if stored is None:
        return "add"
    return "keep" if stored.content_hash == content_hash(target.content) else "replace"


def _ensure_not_older(
    report: ReportSet, existing: Mapping[str, StoredFile], newer: date | None, folder: Folder
) -> None:
    """Raise for an archived future day, and for an as-of report that would replace one of unknown age."""
    destination = report.destination
    if newer and destination.cutoff == destination.exported_on:
        raise DeliveryRefusedError(
            f"The archive holds a report of a future day, {newer}.",
            "Check the clock of this machine. If it is right, move the folder "
            f"'{join_paths(destination.archive_home, newer.isoformat())}' away, then run again.",
        )
    if not newer and _is_age_unknown(report, existing, folder):
        raise DeliveryRefusedError(
            f"A report as of {destination.cutoff} might replace a newer one in '{destination.folder}': no archived "
            "report matches the one there.",
            "Run without --as-of, or use --to with another folder.",
        )


def _is_age_unknown(report: ReportSet, existing: Mapping[str, StoredFile], folder: Folder) -> bool:
    """Whether an as-of report would replace a report whose cut-off is unknown: no archived set has its manifest."""
    destination, manifest = report.destination, report.stable_targets(existing)[-1]
    theirs = existing.get(manifest.path)
    if theirs is None or destination.always or destination.cutoff == destination.exported_on:
        return False
    days = _archived_days(destination, folder)
    archived = (stored.content_hash for day in days for stored in _manifests(day, destination, folder))
    return theirs.content_hash != content_hash(manifest.content) and theirs.content_hash not in archived


def _newer_cutoff(destination: Destination, folder: Folder) -> date | None:
    later = (day for day in _archived_days(destination, folder) if day > destination.cutoff)
    return next((day for day in later if any(_manifests(day, destination, folder))), None)


def _archived_days(destination: Destination, folder: Folder) -> list[date]:
    """Return the cut-offs that have an archive folder, newest first; none without an archive."""
    names = folder.list_folder(destination.archive_home) if destination.archive else ()
    return sorted((day for name in names if (day := parse_day(name))), reverse=True)


def _manifests(day: date, destination: Destination, folder: Folder) -> Iterator[StoredFile]:
    """Yield the manifest of each complete archived set of a day."""
    home = join_paths(destination.archive_home, day.isoformat())
    for name in folder.list_folder(home):
        path = join_paths(home, name, destination.manifest_name)
        if _SET_ID.fullmatch(name) and (manifest := folder.stat(path)):
            yield manifest
