"""Describes a REDCap project: asked of REDCap itself, or read from a data dictionary that was downloaded there.

Reads no record, and sends REDCap nothing to keep. What the token may not read (groups, repeats) stays unknown.
"""

import csv
import io
import re
from pathlib import Path

from consent.errors import ConfigurationError, IncompleteExportError, SourceRefusedError
from consent.redcap.client import RedcapClient
from consent.setup.project_description import ProjectDescription, api_names, describe_fields

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
