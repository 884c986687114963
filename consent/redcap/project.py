"""Which project is this, and what must be asked of it: the questions before any record is asked for."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from consent.errors import ConfigurationError, IncompleteExportError, SourceDataError, SourceRefusedError
from consent.redcap.client import RedcapClient
from consent.redcap.dictionary import Project, parse_project
from consent.redcap.export_plan import ExportPlan, plan_export
from consent.redcap.project_description import ProjectDescription, api_names, describe_fields
from consent.studies.model import StudyConfig, named_fields


@dataclass(frozen=True)
class Probe:
    """What was found before any record was asked for: the server's version, the project, and the plan of the export."""

    redcap_version: str
    project_id: int
    plan: ExportPlan


def inspect_project(client: RedcapClient, study: StudyConfig) -> Probe:
    """Ask for version, project and data dictionary, and plan the export.

    Raises:
        ConsentReportError: no REDCap there, another project, or a dictionary that does not fit the study file.
    """
    version = client.version()
    project = client.project()
    project_id = expected_project(study, project)
    return Probe(version, project_id, plan_export(study, describe_project(client, study, project)))


def expected_project(study: StudyConfig, project: dict[str, str]) -> int:
    """The number of the token's project, which must be the one that the study file expects, if it names one.

    Raises:
        ConfigurationError: it is another project.
        SourceDataError: REDCap does not say which it is.
    """
    found = project.get("project_id", "")
    if not found.isdecimal():
        raise SourceDataError(
            "REDCap does not say which project the token belongs to. Nothing was delivered. Check the setting for "
            "REDCap's address, then ask the REDCap administrator."
        )
    if study.redcap.project_id not in (None, int(found)):
        raise ConfigurationError(
            f"The token in {study.redcap.token_setting} belongs to REDCap project {int(found)}, but the study file of "
            f"'{study.key}' expects project {study.redcap.project_id}. Put the token of the right project there."
        )
    return int(found)


def describe_project(client: RedcapClient, study: StudyConfig, project: dict[str, str]) -> Project:
    """Ask for as much of the project's data dictionary and events as the study needs.

    Raises:
        ConsentReportError: an answer did not come, or came without what every answer of its kind holds.
    """
    with_checkbox = any(ref.is_checkbox for _, ref in named_fields(study))
    try:
        return parse_project(
            _description(client, "metadata", "data dictionary"),
            project,
            field_names=_description(client, "exportFieldNames", "list of export columns") if with_checkbox else (),
            form_events=_description(client, "formEventMapping", "list of events")
            if project.get("is_longitudinal") == "1"
            else (),
        )
    except KeyError as error:
        raise IncompleteExportError(
            f"REDCap's description of the project came without '{error.args[0]}'. Nothing was delivered. If it happens "
            "again, show it to the REDCap administrator."
        ) from None


def _description(client: RedcapClient, content: str, what: str) -> list[dict[str, str]]:
    rows = client.rows(content)
    if not rows:
        raise IncompleteExportError(
            f"REDCap sent an empty {what}. Nothing was delivered. If it happens again, show it to the REDCap "
            "administrator."
        )
    return rows


_DELIMITERS = (",", ";", "\t")  # the last two where a spreadsheet of another country saved the file
_NEEDED = ("field_name", "form_name", "field_type")


def ask_project(client: RedcapClient) -> ProjectDescription:
    """The project that the token belongs to.

    Raises:
        ConsentReportError: REDCap could not or would not answer.
    """
    about = client.project()
    try:
        fields = describe_fields(client.rows("metadata"))
        forms_by_event = _forms_by_event(client) if about.get("is_longitudinal") == "1" else {}
        repeating = _repeating(client, about)
        groups = _groups(client)
    except KeyError as error:
        raise IncompleteExportError(
            f"REDCap's description of the project came without '{error.args[0]}'. If it happens again, show it to the "
            "REDCap administrator."
        ) from None
    if not fields:
        raise IncompleteExportError("REDCap sent an empty data dictionary. Ask again later.")
    number = about.get("project_id", "")
    return ProjectDescription(
        fields=fields,
        title=about.get("project_title", ""),
        project_id=int(number) if number.isdecimal() else None,
        forms_by_event=forms_by_event,
        repeating=repeating,
        groups=groups,
        surveys=about.get("surveys_enabled") == "1",
    )


def read_dictionary(path: Path) -> ProjectDescription:
    """The project whose data dictionary this is, as REDCap's Online Designer hands it out.

    Raises:
        ConfigurationError: the file cannot be read, or is no data dictionary.
    """
    lines = _lines(path)
    names = api_names(lines[0]) if lines else []
    if missing := [name for name in _NEEDED if name not in names]:
        wanted = {"field_name": "Variable / Field Name", "form_name": "Form Name", "field_type": "Field Type"}
        raise _unusable(path, f"it has no column '{wanted[missing[0]]}'")
    try:
        fields = describe_fields(dict(zip(names, line, strict=True)) for line in lines[1:] if any(line))
    except ValueError:
        raise _unusable(path, "its lines have not all as many values as its header") from None
    if not fields:
        raise _unusable(path, "it has a header and no fields")
    title = re.sub(r"_?DataDictionary.*$", "", path.stem, flags=re.IGNORECASE)
    return ProjectDescription(fields=fields, title=title or path.stem, repeating=None)


def _lines(path: Path) -> list[list[str]]:
    problem = ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        header = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=header.count)
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except OSError as error:
        problem = error.strerror or "it cannot be opened"
    except UnicodeDecodeError:
        problem = "it is not UTF-8 text; an Excel workbook must be saved as 'CSV UTF-8'"
    except csv.Error:
        problem = "it is not CSV"
    raise _unusable(path, problem)


def _unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The file {path} cannot be used as a data dictionary: {why}. In REDCap open the Online Designer (or Data "
        "Dictionary) and choose 'Download the current Data Dictionary'."
    )


def _forms_by_event(client: RedcapClient) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for row in client.rows("formEventMapping"):
        event = row["unique_event_name"]
        found[event] = (*found.get(event, ()), row["form"])
    return found


def _repeating(client: RedcapClient, about: dict[str, str]) -> frozenset[tuple[str, str]] | None:
    if about.get("has_repeating_instruments_or_events") == "0":
        return frozenset()
    try:
        rows = client.rows("repeatingFormsEvents")
    except SourceRefusedError:  # no right to it; or an old server, which does not say that nothing repeats
        return None
    return frozenset((row.get("event_name", ""), row["form_name"]) for row in rows)


def _groups(client: RedcapClient) -> tuple[tuple[str, str], ...] | None:
    try:
        rows = client.rows("dag")
    except SourceRefusedError:
        return None
    return tuple((row["unique_group_name"], row.get("data_access_group_name", "")) for row in rows)
