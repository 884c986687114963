"""Which of REDCap's documented habits a stand-in has, so that a client can be tested against each of them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Switches:
    """The habits that differ between versions and servers, or that nobody could confirm.

    ignore_unknown_fields: before 13.4.10 an unknown name in ``fields`` was no error
    refuse_comma_lists: 13.4.3 accepted lists only as arrays
    max_keys: form keys beyond this number are dropped without a message (PHP's ``max_input_vars``)
    blank_checkboxes_when_empty: a row in which nothing is set has blank checkboxes instead of 0
    hide_newer_project_keys: the project information of a server before 15.8.2
    memory_limit_cells: a record export of more rows x columns than this runs out of memory
    memory_status: the status of that error (200: after a block of HTML)
    row_order: ``event`` sends the rows of one record apart
    hash_ids: old servers hashed record ids if the id is an identifier and the user may see none
    escape_unicode, csv_backslash_quirk: spellings that nobody could confirm
    unknown_text: used wherever REDCap's own wording is not known, so that no client relies on it
    """

    ignore_unknown_fields: bool = False
    refuse_comma_lists: bool = False
    max_keys: int = 1000
    blank_checkboxes_when_empty: bool = False
    hide_newer_project_keys: bool = False
    memory_limit_cells: int | None = None
    memory_status: Literal[200, 500] = 200
    row_order: Literal["record", "event"] = "record"
    hash_ids: bool = False
    escape_unicode: bool = True
    csv_backslash_quirk: bool = False
    unknown_text: str = "refused (in words of the sandbox's own)"
