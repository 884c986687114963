"""Examines what REDCap would send of the records: how many there are, and whether a column or a site is held back.

Counts nothing but records; keeps no row.
"""

from consent.errors import ConsentReportError
from consent.guard import allowed_fall
from consent.ledger import RunRecord
from consent.redcap.client import RedcapClient
from consent.redcap.export import try_export
from consent.redcap.export_plan import ExportPlan
from consent.redcap.listing import list_ids, list_rows
from consent.setup.check.notes import Notes
from consent.setup.check.rights import SeenRights

_OUT_OF_GROUP = "Have the user taken out of the group, under User Rights in REDCap."


def examine_records(
    client: RedcapClient,
    plan: ExportPlan,
    rights: SeenRights,
    last: RunRecord | None,
    notes: Notes,
    *,
    max_fall: float,
) -> None:
    """Note how many records REDCap lists, and try an export of a few of them; max_fall is that of the study's guard."""
    listed = notes.attempt(lambda: list_rows(client, plan))
    if listed is None:
        return
    _note_number(listed.record_count, last, notes, max_fall)
    has_groups = notes.attempt(lambda: _try_export(client, plan))
    if has_groups is not None:
        notes.ok(f"All {len(plan.shape.columns)} columns arrive (tried with a few records; nothing was kept)")
        _note_group(client, rights, last, notes, has_groups=has_groups)


def _try_export(client: RedcapClient, plan: ExportPlan) -> bool:
    first = list_ids(client, plan)[0]
    return try_export(client, plan, tuple(first.split("\x1f")))


def _note_number(number: int, last: RunRecord | None, notes: Notes, max_fall: float) -> None:
    if last is None or last.counts is None:
        notes.unknown(
            f"Records listed: {number:,}. Whether these are all, only you can see",
            "Compare with the number that REDCap shows to a user who is in no data access group.",
        )
        return
    participants = last.counts.participants
    if participants - number > allowed_fall(participants, max_fall):  # there are never more participants than records
        notes.problem(
            f"Records listed: {number:,}, but the report as of {last.cutoff} was of {participants:,} participants",
            "Look in REDCap whether records were deleted or moved, and whether the token's user still sees them all. "
            "If so few is right, run once with --accept-fall.",
        )
        return
    before = last.counts.records_listed or last.counts.records_received
    notes.ok(f"Records listed: {number:,}; for the report as of {last.cutoff}: {before:,}")


def _note_group(
    client: RedcapClient, rights: SeenRights, last: RunRecord | None, notes: Notes, *, has_groups: bool
) -> None:
    """REDCap leaves the group's column out for a user who is in one, and where there is none."""
    if has_groups:
        notes.ok("The token's user is in no data access group: it sees every site")
        return
    groups = _number_of_groups(client)
    if rights.in_group or groups:
        notes.problem(
            "The token's user is in a data access group: REDCap sends the records of that one site alone", _OUT_OF_GROUP
        )
    elif last is not None and last.has_groups:
        notes.problem("REDCap no longer tells the data access groups, as it did for the last report", _OUT_OF_GROUP)
    elif groups == 0 or rights.known:
        notes.ok("The token's user is in no data access group")
    else:
        notes.unknown(
            "Whether the token's user is in a data access group cannot be seen",
            "Ask your REDCap administrator: such a user is sent the records of one site alone.",
        )


def _number_of_groups(client: RedcapClient) -> int | None:
    """How many groups the project has; None where the token's user may not see that."""
    try:
        return len(client.rows("dag"))
    except ConsentReportError:
        return None
