"""Begins a study file: from the live data dictionary of a REDCap project, or from one that was downloaded.

Writes one new file and nothing else; what is right in it, a person says.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

STUDIES = "CONSENT_STUDIES"
_USUAL = RedcapSource(URL_SETTING, TOKEN_SETTING, project_id=None, time_zone="UTC", allow_http=False)


@dataclass(frozen=True)
class Begun:
    """The study file that was written, the project that it is for, and whether runs look for studies in its folder."""

    path: Path
    project: Project
    is_found: bool


@dataclass(frozen=True)
class _FirstQuestion:
    """What is to become a study asks REDCap by the settings that are written into its file."""

    redcap: RedcapSource


def begin_study(settings: Settings, *, dictionary: Path | None = None, output: Path | None = None) -> Begun:
    """Write a study file to be completed, by default named after the project, in the folder of CONSENT_STUDIES or here.

    Args:
        dictionary: a data dictionary that was downloaded; without it, REDCap is asked.

    Raises:
        ConfigurationError: the dictionary cannot be used, or the file cannot be written, or is there already.
        ConsentReportError: REDCap could not or would not answer.
    """
    folder = studies_directory(settings) if settings.get(STUDIES) else None
    if output is not None:
        _ensure_legal_name(output)
    project = read_dictionary(dictionary) if dictionary else _asked(settings)
    path = output or (folder or Path()) / f"{study_key(project.title)}.toml"
    write_new_file(path, study_text(project, study_candidates(project)))
    return Begun(path, project, folder is not None and folder.resolve() == path.resolve().parent)


def study_key(title: str) -> str:
    """A study's key made of a project's title: lower-case letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "study"


def next_steps(begun: Begun) -> list[str]:
    """What was written, and what a person does next."""
    project = begun.project
    steps = ["Fill in the lines marked FILL IN, and uncomment the candidates that are right."]
    if not begun.is_found:
        steps.append(f"Set {STUDIES} to the file's folder: {begun.path.resolve().parent}")
    steps.append(f"consent check --study {begun.path.stem}: says what is still missing.")
    forms = f"{len(project.forms)} form{'' if len(project.forms) == 1 else 's'}"
    return [
        f"Wrote {begun.path}, a study file to complete: {len(project.fields):,} fields on {forms}.",
        *(f"{number}. {step}" for number, step in enumerate(steps, 1)),
    ]


def begun_document(begun: Begun) -> dict[str, Any]:
    """The same as plain JSON values, for scripts."""
    project = begun.project
    return {
        "file": str(begun.path),
        "study": begun.path.stem,
        "project_id": project.project_id,
        "fields": len(project.fields),
        "found_by_runs": begun.is_found,
    }


def _asked(settings: Settings) -> Project:
    with open_redcap(_FirstQuestion(_USUAL), settings) as redcap:
        return describe_project(redcap, redcap.project())


def _ensure_legal_name(output: Path) -> None:
    """Before anything is asked; a study goes by its file's name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,99}\.toml", output.name):
        raise ConfigurationError(
            f"'{output.name}' cannot be a study file: its name is the study's key, in lower-case letters, digits, - "
            "and _, and ends in .toml. Give --output such as my-study.toml."
        )
    if output.exists():
        raise ConfigurationError(f"The file {output} is there already, and is never written over. Choose another name.")
