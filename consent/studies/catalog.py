"""Which studies there are: the study files of a folder, those that can be used and those that cannot.

Reads study files and nothing else; what a file says is ``study_file.py``'s to tell.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consent.config.checks import studies_directory
from consent.config.settings import Settings, read_settings
from consent.errors import ConfigurationError, StudyNotChosenError, UnknownStudyError
from consent.studies.model import StudyConfig, ensure_no_shared_names
from consent.studies.parser import parse_study


@dataclass(frozen=True)
class Studies:
    """The study files that were found: the studies that can be used, and by key why the others cannot."""

    usable: tuple[StudyConfig, ...]
    failed: Mapping[str, ConfigurationError]

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of every study file, sorted."""
        return tuple(sorted([*(study.key for study in self.usable), *self.failed]))


def load_studies(settings: Settings) -> Studies:
    """Every study there is; a file that cannot be used, or would overwrite another's reports, costs only itself.

    Raises:
        ConfigurationError: there is no study file at all.
    """
    directory = studies_directory(settings)
    paths = [path for path in sorted(directory.glob("*.toml")) if not path.name.startswith(".")]
    if not paths:
        raise ConfigurationError(
            f"There is no study file (*.toml) in {directory}. Put one there, or set CONSENT_STUDIES."
        )
    studies: list[StudyConfig] = []
    failed: dict[str, ConfigurationError] = {}
    for path in paths:
        try:
            studies.append(load_study_file(path))
        except ConfigurationError as error:
            failed[path.stem] = error
    failed |= _sharing_names(studies)
    return Studies(tuple(study for study in studies if study.key not in failed), failed)


def load_study_file(path: Path) -> StudyConfig:
    """The study of one file; its key is the file's name without ``.toml``.

    Raises:
        ConfigurationError: it cannot be read or used.
    """
    text, problem = _text_in(path)
    if problem:
        raise ConfigurationError(problem)
    return parse_study(text, path.stem)


def choose_study(studies: Studies, key: str | None) -> StudyConfig:
    """The study of that key; without a key, the only one there is.

    Raises:
        UnknownStudyError: none has that key, or a key is needed to tell them apart.
        ConfigurationError: the file of that study cannot be used.
    """
    keys = studies.keys
    if key is None and len(keys) > 1:
        raise StudyNotChosenError(f"There are several studies; say which: {', '.join(keys)}.")
    chosen = keys[0] if key is None else key
    if chosen in studies.failed:
        raise studies.failed[chosen]
    for study in studies.usable:
        if study.key == chosen:
            return study
    raise UnknownStudyError(f"There is no study '{chosen}'. Known: {', '.join(keys)}.")


def named_study(name: str | None, settings: Path | None) -> StudyConfig:
    """The study of that key, or of that file where the name ends in ``.toml``; without a name, the only one there is.

    settings: the folder of the settings that lead to the study files, by default beside host.json.

    Raises:
        ConfigurationError: there is none, or it cannot be used.
    """
    if name is not None and name.endswith(".toml"):
        return load_study_file(Path(name))
    return choose_study(load_studies(read_settings(directory=settings)), name)


def _sharing_names(studies: list[StudyConfig]) -> dict[str, ConfigurationError]:
    failed: dict[str, ConfigurationError] = {}
    for pair in itertools.combinations(studies, 2):
        try:
            ensure_no_shared_names(pair)
        except ConfigurationError as error:
            failed |= {study.key: error for study in pair}
    return failed


def _text_in(path: Path) -> tuple[str, str | None]:
    """The file's text, or what is wrong with it: raised in ``except``, an error would carry the file's bytes along."""
    try:
        return path.read_text(encoding="utf-8-sig"), None
    except OSError as error:
        return "", f"The study file {path} cannot be opened: {error.strerror}. Check its place."
    except UnicodeDecodeError:
        return "", f"The study file {path} is not UTF-8 text. Save it as UTF-8."
