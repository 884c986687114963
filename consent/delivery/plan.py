"""What must be written, and in what order, so that a reader can always tell a whole report from half of one.

Decides only: opens no connection, reads no file and no clock. ``deliver`` acts through the folder it is handed, and
nothing here knows whether that is Dropbox or a disk. The archive comes first and the manifest under the stable names
last of all; whatever a run leaves unfinished, the next one mends.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal, Protocol

from consent.dates import parse_day
from consent.delivery.report_set import Destination, ReportSet, TargetFile, report_set
from consent.errors import DeliveryRefusedError
from consent.files import StoredFile, content_hash, join_paths

if TYPE_CHECKING:  # the package of renderers loads pandas
    from consent.files import ReportFile

_SET_ID = re.compile(r"[0-9a-f]{8}")

Action = Literal["add", "replace", "keep"]
State = Literal["delivered", "unchanged", "archived"]
Progress = Callable[[int, int, str], None]


class Folder(Protocol):
    """A place that reports are delivered to; paths start with "/" and are joined with "/".

    All methods raise ``DeliveryUnavailableError``, ``DeliveryRefusedError`` or ``DeliveryUnverifiedError``.
    """

    def look(self, path: str) -> StoredFile | None:
        """The file of that name, or None."""

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a folder; none when it does not exist."""

    def prepare(self, files: Mapping[str, bytes]) -> None:
        """Raise now if these cannot all be replaced; no file a reader knows changes."""

    def put(self, path: str, content: bytes, *, replace: bool) -> StoredFile:
        """Store the bytes and make sure of them; without ``replace``, other bytes already there are refused."""

    def release(self) -> None:
        """Let go of whatever ``prepare`` set aside and ``put`` did not use."""


@dataclass(frozen=True)
class FolderState:
    """What the folder holds before a delivery: files by path, and a later cut-off whose archived set is whole.

    age_unknown: an as-of report would replace another, and no archived set says as of which day that one is.
    """

    files: Mapping[str, StoredFile]
    newer_cutoff: date | None = None
    age_unknown: bool = False


@dataclass(frozen=True)
class Step:
    """One file and what is to be done about it."""

    place: TargetFile
    action: Action
    replaces: bool

    @property
    def path(self) -> str:
        """Where the file goes."""
        return self.place.path

    @property
    def size(self) -> int:
        """Bytes; of a manifest, without the revisions that are still to come."""
        return len(self.place.content)


@dataclass(frozen=True)
class DeliveryPlan:
    """What a delivery will do, step by step, and the state it will end in; ``--dry-run`` stops here."""

    state: State
    report: ReportSet
    archive: tuple[Step, ...]
    stable: tuple[Step, ...]
    standing: FolderState

    @property
    def set_id(self) -> str:
        """The name of this set of files: 8 hex digits."""
        return self.report.set_id

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step in order: the archive and its manifest, then the stable names and theirs."""
        return self.archive + self.stable


@dataclass(frozen=True)
class Delivery:
    """What came of it; ``files`` are the set's files and its manifest, where readers find them."""

    state: State
    set_id: str
    files: tuple[StoredFile, ...]


def gather(files: "Sequence[ReportFile]", address: Destination, folder: Folder) -> FolderState:
    """Look at everything the plan depends on, and change nothing."""
    report = report_set(files, address)
    places = report.archive_places({}) + report.stable_places({})
    looked_at = {place.path: folder.look(place.path) for place in places}
    files_there = {path: stored for path, stored in looked_at.items() if stored}
    newer = _newer_cutoff(address, folder)
    return FolderState(files_there, newer, newer is None and _is_age_unknown(report, files_there, folder))


def plan_delivery(files: "Sequence[ReportFile]", address: Destination, standing: FolderState) -> DeliveryPlan:
    """Decide what must be written so that the folder holds this report, whole, and no older one takes its place.

    Raises ``ValueError`` for files that must never be delivered and ``DeliveryRefusedError`` when a person must look
    first: an archived file was changed, the archive holds a day still to come, or nothing says whether the report under
    the stable names is newer.
    """
    report = report_set(files, address)
    archive = _archive_steps(report, standing)
    if standing.newer_cutoff and address.cutoff == address.exported_on:
        raise _day_to_come(address, standing.newer_cutoff)
    if standing.age_unknown:
        raise _age_unknown(address)
    stable = () if standing.newer_cutoff else _stable_steps(report, standing)
    return DeliveryPlan(_state_after(archive, stable), report, archive, stable, standing)


def deliver(
    plan: DeliveryPlan,
    folder: Folder,
    progress: Progress = lambda done, total, path: None,
    before_write: Callable[[], None] = lambda: None,
) -> Delivery:
    """Carry the plan out; ``progress`` is told (done, total, path) after each file written.

    ``before_write`` is called before anything is written, and ends the delivery there if it raises.

    A newer report that another run archived meanwhile keeps the stable names. Raises what the folder raises.
    """
    writes = [step for step in plan.steps if step.action != "keep"]
    first_stable = next((step for step in writes if step.replaces), None)
    stored = dict(plan.standing.files)
    state, shown = plan.state, plan.stable or plan.archive
    try:
        if writes:
            before_write()
        _prepare(writes, folder)
        for done, step in enumerate(writes, start=1):
            before_write()
            if step is first_stable and _newer_cutoff(plan.report.address, folder):
                state, shown = "archived", plan.archive
                break
            content = plan.report.manifest(stored) if step.place.is_manifest else step.place.content
            stored[step.path] = folder.put(step.path, content, replace=step.replaces)
            progress(done, len(writes), step.path)
    finally:
        folder.release()
    return Delivery(state, plan.set_id, tuple(stored[step.path] for step in shown))


def _prepare(writes: Sequence[Step], folder: Folder) -> None:
    replaced = {step.path: step.place.content for step in writes if step.replaces}
    if replaced:
        folder.prepare(replaced)


def _state_after(archive: Sequence[Step], stable: Sequence[Step]) -> State:
    if not stable:
        return "archived"
    return "unchanged" if all(step.action == "keep" for step in (*archive, *stable)) else "delivered"


def _archive_steps(report: ReportSet, standing: FolderState) -> tuple[Step, ...]:
    places = report.archive_places(standing.files)
    steps = tuple(Step(place, _action(place, standing), replaces=False) for place in places)
    vouched_for = bool(places) and places[-1].path in standing.files
    for step in steps:
        if step.action == "replace" or (step.action == "add" and vouched_for):
            raise DeliveryRefusedError(
                f"'{step.path}' was changed or removed since it was archived, and archived files are never rewritten. "
                f"Nothing was written now. Move the folder '{report.archive_folder}' away, then run again without "
                "--as-of."
            )
    return steps


def _stable_steps(report: ReportSet, standing: FolderState) -> tuple[Step, ...]:
    places = report.stable_places(standing.files)
    return tuple(Step(place, _action(place, standing), replaces=True) for place in places)


def _action(place: TargetFile, standing: FolderState) -> Action:
    stored = standing.files.get(place.path)
    if stored is None:
        return "add"
    return "keep" if stored.content_hash == content_hash(place.content) else "replace"


def _day_to_come(address: Destination, newer: date) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"The archive holds a report as of a day still to come ({newer}), and nothing was written now. Check the clock "
        f"of this machine; if it is right, move '{join_paths(address.archive_home, newer.isoformat())}' away, "
        "then run again."
    )


def _age_unknown(address: Destination) -> DeliveryRefusedError:
    return DeliveryRefusedError(
        f"A report as of {address.cutoff} could replace a newer one in '{address.folder}': nothing in an archive says "
        "how new the report is that stands there. Run without --as-of, or use --to another folder."
    )


def _is_age_unknown(report: ReportSet, files_there: Mapping[str, StoredFile], folder: Folder) -> bool:
    address, manifest = report.address, report.stable_places(files_there)[-1]
    theirs = files_there.get(manifest.path)
    if theirs is None or address.always or address.cutoff == address.exported_on:
        return False
    return theirs.content_hash != content_hash(manifest.content) and not _is_archived(theirs, address, folder)


def _is_archived(manifest: StoredFile, address: Destination, folder: Folder) -> bool:
    """Whether a kept set has this very manifest: the stable names and the archive hold the same bytes."""
    kept = (one for day in _archived_days(address, folder) for one in _manifests(day, address, folder))
    return any(one.content_hash == manifest.content_hash for one in kept)


def _newer_cutoff(address: Destination, folder: Folder) -> date | None:
    later = (day for day in _archived_days(address, folder) if day > address.cutoff)
    return next((day for day in later if any(_manifests(day, address, folder))), None)


def _archived_days(address: Destination, folder: Folder) -> list[date]:
    """The cut-offs that have a folder in the archive, newest first; none where no archive is kept."""
    names = folder.names(address.archive_home) if address.archive else ()
    return sorted((day for name in names if (day := parse_day(name))), reverse=True)


def _manifests(day: date, address: Destination, folder: Folder) -> Iterator[StoredFile]:
    """The manifest of each whole set that is kept as of a day."""
    home = join_paths(address.archive_home, day.isoformat())
    for name in folder.names(home):
        if _SET_ID.fullmatch(name) and (manifest := folder.look(join_paths(home, name, address.manifest_name))):
            yield manifest
