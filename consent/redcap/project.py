"""The requests before any record: the token's project, its fields and events, and the export plan."""

import contextlib
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from consent.config.checks import os_reason
from consent.errors import ConfigurationError, IncompleteExportError, Problem, SourceDataError, SourceRefusedError
from consent.redcap.client import RedcapClient
from consent.redcap.dictionary import Project, api_name, parse_project
from consent.redcap.error_mapping import RUN_AGAIN
from consent.redcap.export_plan import ExportPlan, plan_export
from consent.redcap.validation import find_mixed_forms, forms_that_share_rows
from consent.studies.model import StudyConfig, named_fields

_NEEDED = {"field_name": "Variable / Field Name", "form_name": "Form Name", "field_type": "Field Type"}


@dataclass(frozen=True)
class InspectedProject:
    """The server's version, the project's number, the plan of its export, and what a person should check."""

    redcap_version: str
    project_id: int
    plan: ExportPlan
    warnings: tuple[Problem, ...]


def inspect_project(client: RedcapClient, study: StudyConfig) -> InspectedProject:
    """Request version, project and data dictionary, and plan the export."""
    version = client.version()
    about = client.project()
    project_id = expected_project(study, about)
    project = describe_project(client, about, study)
    return InspectedProject(version, project_id, plan_export(study, project), (*find_mixed_forms(study, project),))


def expected_project(study: StudyConfig, about: dict[str, str]) -> int:
    """Return the number of the token's project.

    Raises ConfigurationError if the study file names another one, and SourceDataError if REDCap names none.
    """
    number, expected = about.get("project_id", ""), study.redcap.project_id
    if not number.isdecimal():
        raise SourceDataError(
            "REDCap does not report the project of the token.",
            "Check the setting of REDCap's address, then ask the REDCap administrator.",
        )
    if expected not in (None, int(number)):
        raise ConfigurationError(
            f"The token in {study.redcap.token_setting} belongs to REDCap project {int(number)}, but the study file of "
            f"'{study.key}' expects project {expected}.",
            f"Put the token of project {expected} there, or correct project_id in the study file.",
        )
    return int(number)


def describe_project(client: RedcapClient, about: dict[str, str], study: StudyConfig | None = None) -> Project:
    """Request the project's fields and events, as a run of the study needs them.

    Also request what the token may read of repeats: for a study only if it matters whether a form repeats. Without a
    study, also request what it may read of groups.
    """
    needed = {"metadata": "data dictionary"}
    if study and any(ref.is_checkbox for _, ref in named_fields(study)):
        needed["exportFieldNames"] = "list of export columns"
    if about.get("is_longitudinal") == "1":
        needed["formEventMapping"] = "list of events"
    responses = {content: _rows(client, content, name) for content, name in needed.items()}
    project = _parsed(about, responses)
    has_repeats = about.get("has_repeating_instruments_or_events")
    if study is None:
        optional = ["dag"] if has_repeats == "0" else ["repeatingFormsEvents", "dag"]
    else:
        matter = len(forms_that_share_rows(study, project)) > 1 or any(find_mixed_forms(study, project))
        optional = ["repeatingFormsEvents"] if matter and has_repeats == "1" else []
    for content in optional:
        with contextlib.suppress(SourceRefusedError):  # the right is missing; or nothing repeats, on an old server
            responses[content] = client.rows(content)
    return _parsed(about, responses) if optional else project


def _parsed(about: dict[str, str], responses: dict[str, list[dict[str, str]]]) -> Project:
    try:
        return parse_project(about, responses)
    except KeyError as error:
        what = f"REDCap's description of the project has no '{error.args[0]}'."
        raise IncompleteExportError(what, RUN_AGAIN) from None


def _rows(client: RedcapClient, content: str, name: str) -> list[dict[str, str]]:
    if rows := client.rows(content):
        return rows
    raise IncompleteExportError(f"REDCap sent an empty {name}.", RUN_AGAIN)


def read_dictionary(path: Path) -> Project:
    """Read a data dictionary downloaded from REDCap's Online Designer; raises ConfigurationError if it is unusable.

    It has commas, or the semicolons or tabs that a spreadsheet of another country writes.
    """
    lines: list[list[str]] = []
    why = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        delimiter = max((",", ";", "\t"), key=text.partition("\n")[0].count)
        lines = [
            line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if any(line)
        ]
    except OSError as error:
        why = os_reason(error, path)
    except UnicodeDecodeError:
        why = "it is not UTF-8 text (save an Excel workbook as 'CSV UTF-8')"
    except csv.Error:
        why = "it is not CSV"
    names = [api_name(heading) for heading in lines[0]] if lines else []
    if why := why or _defect(names, lines[1:]):
        what = f"The file {path} cannot be used as a data dictionary: {why}."
        raise ConfigurationError(what, "In REDCap's Online Designer, choose 'Download the current Data Dictionary'.")
    title = re.sub(r"_?DataDictionary.*$", "", path.stem, flags=re.IGNORECASE) or path.stem
    return parse_project(
        {"project_title": title}, {"metadata": [dict(zip(names, line, strict=True)) for line in lines[1:]]}
    )


def _defect(names: list[str], fields: list[list[str]]) -> str:
    if missing := [heading for name, heading in _NEEDED.items() if name not in names]:
        return f"it has no column '{missing[0]}'"
    if not fields:
        return "it has a header but no fields"
    different = any(len(line) != len(names) for line in fields)
    return "a line has more or fewer values than the header" if different else ""
