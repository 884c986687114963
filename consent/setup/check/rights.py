"""Examines what the token's user may do in REDCap, as far as REDCap tells.

REDCap does not say whose token it is: the user is known only where one alone may export. Shows nobody's name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consent.errors import ConsentReportError
from consent.redcap.client import RedcapClient
from consent.redcap.dictionary import Project
from consent.setup.check.notes import Notes
from consent.study import StudyConfig, named_fields

_FULL = "1"
_LESSER = {"0": "No Access", "2": "De-Identified", "3": "Remove All Identifier Fields"}


@dataclass(frozen=True)
class SeenRights:
    """What REDCap told of the user's data access group: whether it is known, and whether there is one."""

    known: bool
    in_group: bool = False


def examine_rights(client: RedcapClient, study: StudyConfig, project: Project, notes: Notes) -> SeenRights:
    """Note the rights of the token's user on the study's forms, or whom to ask for them."""
    forms = sorted({project.form_of(ref.field) for _, ref in named_fields(study)} & project.forms)
    try:
        users = [user for user in client.users() if user.get("api_export") == "1"]
    except ConsentReportError:
        _cannot_be_seen("The rights of the token's user cannot be seen", forms, notes)
        return SeenRights(known=False)
    if len(users) != 1:
        why = f"{len(users)} users may export by API, and REDCap does not say whose token this is"
        _cannot_be_seen(f"The rights of the token's user cannot be seen: {why}", forms, notes)
        return SeenRights(known=False)
    note_rights(users[0], forms, notes)
    return SeenRights(known=True, in_group=bool(users[0].get("data_access_group")))


def note_rights(user: Mapping[str, Any], forms: list[str], notes: Notes) -> None:
    """Note what of a user's rights is too little, too much, or about to end."""
    exports = user.get("forms_export") or {}
    short = [f"{form} ({_LESSER[right]})" for form in forms if (right := exports.get(form, _FULL)) in _LESSER]
    if short:
        notes.warning(
            f"The token's user may not export everything of: {', '.join(short)}",
            "Ask for the export right 'Full Data Set' on these forms; Records tells whether a field is missing today.",
        )
    else:
        notes.ok(f"Full Data Set on the {'forms' if len(forms) > 1 else 'form'} {', '.join(forms)}")
    if user.get("api_import") == "1":
        notes.warning(
            "The token's user may also change records by API", "Have 'API Import/Update' taken away: it is never used."
        )
    if user.get("expiration"):
        notes.warning(
            f"The user's access to the project ends on {user['expiration']}",
            "Have the date moved or removed, under User Rights in REDCap.",
        )


def _cannot_be_seen(what: str, forms: list[str], notes: Notes) -> None:
    notes.unknown(
        what,
        "Ask your REDCap administrator whether the user has API Export, Full Data Set on "
        f"{', '.join(forms) or 'the consent forms'}, no data access group and no expiration date.",
    )
