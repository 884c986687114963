"""Which project is this, and what must be asked of it: the questions before any record is asked for."""

from dataclasses import dataclass

from consent.errors import ConfigurationError, IncompleteExportError, SourceDataError
from consent.redcap.client import RedcapClient
from consent.redcap.dictionary import Project, parse_project
from consent.redcap.export_plan import ExportPlan, plan_export
from consent.study import StudyConfig, named_fields


@dataclass(frozen=True)
class Probe:
    """What was found before any record was asked for: the server's version, the project, and the plan of the export."""

    redcap_version: str
    project_id: int
    plan: ExportPlan


def probe(client: RedcapClient, study: StudyConfig) -> Probe:
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
