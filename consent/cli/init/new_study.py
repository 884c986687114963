"""Create a study file, from the data dictionary in REDCap or from a downloaded one."""

import contextlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from consent.cli.init.candidates import study_candidates
from consent.cli.init.template import TOKEN_SETTING, URL_SETTING, study_text
from consent.cli.private_file import write_new_file
from consent.config.checks import studies_directory
from consent.config.settings import Settings
from consent.errors import ConfigurationError
from consent.redcap.dictionary import Project
from consent.redcap.project import describe_project, read_dictionary
from consent.runs.services import open_redcap
from consent.studies.model import RedcapSource

_FOLDER_SETTING = "CONSENT_STUDIES"


@dataclass(frozen=True)
class NewStudyFile:
    """The file that was written, the study's key, and the project; ``found_by_runs``: runs read studies from there."""

    file: Path
    study: str
    project_id: int | None
    fields: int
    forms: int
    found_by_runs: bool


def create_study_file(
    settings: Settings, *, dictionary: Path | None = None, output: Path | None = None
) -> NewStudyFile:
    """Write a study file to complete, by default into the folder that runs read, named after the project.

    dictionary: a downloaded data dictionary; by default REDCap's current one. Raises ConfigurationError if it cannot be
    used, or the file exists or cannot be written; or REDCap's error.
    """
    if output and not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,99}\.toml", output.name):  # its stem is the study's key
        raise ConfigurationError(
            f"'{output.name}' cannot be the name of a study file.",
            "Give --output a name of lower-case letters, digits, - and _, such as my-study.toml.",
        )
    folder = studies_directory(settings) if settings.get(_FOLDER_SETTING) else (settings.folder or Path()) / "studies"
    project = read_dictionary(dictionary) if dictionary else _request_project(settings)
    file = output or folder / f"{study_key(project.title)}.toml"
    if output is None:
        with contextlib.suppress(OSError):  # reported when the file is written
            folder.mkdir(exist_ok=True)
    write_new_file(file, study_text(project, study_candidates(project)))
    found_by_runs = studies_directory(settings).resolve() == file.resolve().parent
    return NewStudyFile(file, file.stem, project.project_id, len(project.fields), len(project.forms), found_by_runs)


def _request_project(settings: Settings) -> Project:
    source = RedcapSource(URL_SETTING, TOKEN_SETTING, project_id=None, time_zone="UTC", allow_http=False)
    with open_redcap(source, settings) as redcap:
        return describe_project(redcap, redcap.project())


def study_key(title: str) -> str:
    """Return a study's key from a project's title: lower-case letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "study"


def next_steps(created: NewStudyFile) -> list[str]:
    """Return what was created, and the steps of the person who completes it."""
    steps = ["Fill in the lines marked FILL IN, and uncomment the right candidates."]
    if not created.found_by_runs:
        steps.append(f"Set {_FOLDER_SETTING} in .env to the folder of the file: {created.file.resolve().parent}")
    steps.append(f"Run 'consent check --study {created.study}' to see what is missing.")
    forms = f"{created.forms} form{'' if created.forms == 1 else 's'}"
    return [
        f"Created {created.file}, a study file to complete: {created.fields:,} fields on {forms}.",
        *(f"{number}. {step}" for number, step in enumerate(steps, 1)),
        *(["Runs now use the study files in this folder, and not the packaged one."] if created.found_by_runs else []),
    ]
