"""Find the study files of a folder, and choose one study."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from consent.config.checks import os_reason, studies_directory
from consent.config.settings import Settings, read_settings
from consent.errors import ConfigurationError, StudyNotChosenError, UnknownStudyError
from consent.files import read_text, shareable_stem
from consent.studies.model import StudyConfig
from consent.studies.parser import parse_study


@dataclass(frozen=True)
class Studies:
    """The studies that can be used, and by key the errors of the study files that cannot."""

    usable: tuple[StudyConfig, ...]
    failed: Mapping[str, ConfigurationError]

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of every study file, sorted."""
        return tuple(sorted([*(study.key for study in self.usable), *self.failed]))


def load_studies(settings: Settings) -> Studies:
    """Load every study file; a file with problems does not stop the others.

    Raises ConfigurationError if there is no study file at all.
    """
    directory = studies_directory(settings)
    others = ("pyproject.toml",)  # a project of Python
    paths = [path for path in sorted(directory.glob("*.toml")) if path.name[0] != "." and path.name not in others]
    if not paths:
        raise ConfigurationError(
            f"There is no study file (*.toml) in {directory}.", "Put one there, or correct CONSENT_STUDIES."
        )
    studies: list[StudyConfig] = []
    failed: dict[str, ConfigurationError] = {}
    for path in paths:
        try:
            studies.append(load_study_file(path))
        except ConfigurationError as error:
            failed[_printable(path.stem)] = error
    failed |= _overwriting(studies)
    return Studies(tuple(study for study in studies if study.key not in failed), failed)


def load_study_file(path: Path) -> StudyConfig:
    """Load one study file; raises ConfigurationError if it cannot be read or used."""
    error: ConfigurationError | None = None
    name = f"The study file {_printable(str(path))}"
    try:
        text = read_text(path)
    except OSError as problem:
        error = ConfigurationError(f"{name} cannot be opened: {os_reason(problem, path)}.", "Check the path.")
    except ValueError:
        error = ConfigurationError(f"{name} is not UTF-8 text.", "Save it as UTF-8.")
    if error:
        raise error  # outside `except`, where it would carry the file's bytes along
    return parse_study(text, _printable(path.stem))


def choose_study(studies: Studies, key: str | None) -> StudyConfig:
    """Return the study of this key; without a key, the only one there is.

    Raises UnknownStudyError, or the error of that study's file.
    """
    keys = studies.keys
    if key is None and len(keys) > 1:
        raise StudyNotChosenError("There are several studies and none was chosen.", f"Choose one: {', '.join(keys)}.")
    chosen = keys[0] if key is None else key
    ensure_known_study(studies, chosen)
    if chosen in studies.failed:
        raise studies.failed[chosen]
    return next(study for study in studies.usable if study.key == chosen)


def ensure_known_study(studies: Studies, key: str) -> None:
    """Raise UnknownStudyError if no study file has this key."""
    if key not in studies.keys:
        raise UnknownStudyError(f"There is no study '{key}'.", f"Use one of: {', '.join(studies.keys)}.")


def named_study(name: str | None, settings: Path | None) -> StudyConfig:
    """Return the study of this key or of this file (``.toml``); without a name, the only one there is.

    settings: the folder of the settings files, by default beside host.json.
    Raises ConfigurationError if there is none, or if it cannot be used.
    """
    if name is not None and name.endswith(".toml"):
        return load_study_file(Path(name))
    return choose_study(load_studies(read_settings(directory=settings)), name)


def _overwriting(studies: Iterable[StudyConfig]) -> dict[str, ConfigurationError]:
    """Return an error for each study that would write to the same file names as another."""
    keys_by_file: dict[tuple[str, str], list[str]] = {}
    for study in studies:
        folder, title = study.delivery.folder, study.title
        stems = [(folder, title), (folder, f"{title}.manifest")]  # the manifest of one could be the JSON of another
        if study.shareable:
            stems.append((study.shareable.folder, shareable_stem(title)))
        for where, stem in stems:
            keys_by_file.setdefault((_comparable(where), _comparable(stem)), []).append(study.key)
    failed: dict[str, ConfigurationError] = {}
    for keys in (keys for keys in keys_by_file.values() if len(keys) > 1):
        what = f"The studies {' and '.join(sorted(keys))} would overwrite each other's reports: same title and folder."
        failed |= dict.fromkeys(keys, ConfigurationError(what, "Give each its own title or delivery folder."))
    return failed


def _comparable(name: str) -> str:
    """Return a name without the differences that Windows and Dropbox ignore: case, and how an accent is stored."""
    return unicodedata.normalize("NFC", name).casefold()


def _printable(name: str) -> str:
    """Return a file's name for logs and pages: Linux allows names that are no text, or hold line breaks."""
    return "".join(mark if mark.isprintable() else "?" for mark in name)
