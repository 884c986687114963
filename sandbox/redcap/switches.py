"""Which of REDCap's documented habits a stand-in has, so that a client can be tried against each of them.

Deliberately not here: failures that strike now and then; those are faults.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Switches:
    """The habits that differ between versions and servers, or that nobody could confirm.

    ignore_unknown_fields: before 13.4.10 an unknown name in ``fields`` was no error
    ignore_unknown_forms_and_events: the same for ``forms`` and ``events``
    refuse_comma_lists: 13.4.3 took lists only as arrays
    max_keys: form keys beyond this number are dropped without a word (PHP's ``max_input_vars``)
    old_file_names: an uploaded file is exported as ``[document]`` instead of under its name
    blank_checkboxes_when_empty: a row in which nothing is set has blank checkboxes instead of 0
    hide_newer_project_keys: the project information of a server before 15.8.2
    memory_limit_cells: a record export of more rows x columns than this runs out of memory
    memory_status: with which status it then says so (200: after a block of HTML)
    row_order: ``event`` sends the rows of one record apart
    duplicate_rows: every row of a record export is sent twice
    hash_ids: old servers hashed record ids where the id is an identifier and the user may see none
    keep_dates_when_deidentified: whether dates survive de-identified rights is not known
    eav_repeat_columns: whether ``type=eav`` names the repeat is not known
    escape_unicode, xml_cdata, arm_numbers_as_text, csv_backslash_quirk: spellings nobody could confirm
    version_content_type: what the plain-text version is labelled as
    malformed_token_status: the status for a token that is missing or of the wrong shape
    unknown_text: stands wherever REDCap's own wording is not known, so that no client relies on it
    """

    ignore_unknown_fields: bool = False
    ignore_unknown_forms_and_events: bool = False
    refuse_comma_lists: bool = False
    max_keys: int = 1000
    old_file_names: bool = False
    blank_checkboxes_when_empty: bool = False
    hide_newer_project_keys: bool = False
    memory_limit_cells: int | None = None
    memory_status: Literal[200, 500] = 200
    row_order: Literal["record", "event"] = "record"
    duplicate_rows: bool = False
    hash_ids: bool = False
    keep_dates_when_deidentified: bool = False
    eav_repeat_columns: bool = True
    escape_unicode: bool = True
    xml_cdata: bool = False
    arm_numbers_as_text: bool = False
    csv_backslash_quirk: bool = False
    version_content_type: str = "text/html; charset=utf-8"
    malformed_token_status: int = 401
    unknown_text: str = "refused (in words of the sandbox's own)"
