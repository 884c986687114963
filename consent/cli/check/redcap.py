"""Examines REDCap with the questions that a run asks first, and says what could not be examined after a failure.

Sends nothing but questions. Of the records it reads who they are (to count them) and a few rows, and keeps none.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from consent.cli.check.clock import ServerClocks
from consent.cli.check.context import CheckContext, ResolvedAccess
from consent.cli.check.findings import FindingCollector
from consent.config.credentials import Secret
from consent.config.settings import LOOPBACK_HOSTS, Network
from consent.errors import ConsentReportError
from consent.redcap.client import RedcapClient
from consent.redcap.dictionary import Project
from consent.redcap.export import try_export
from consent.redcap.export_plan import ExportPlan, plan_export
from consent.redcap.listing import list_ids, list_rows, split_ids
from consent.redcap.project import describe_project, expected_project
from consent.redcap.validation import find_dead_codes, find_mismatches
from consent.runs.ledger.record import RunRecord
from consent.runs.plausibility import allowed_fall
from consent.studies.model import FieldRef, StudyConfig, named_fields

_FULL = "1"
_LESSER = {"0": "No Access", "2": "De-Identified", "3": "Remove All Identifier Fields"}


@dataclass(frozen=True)
class SeenRights:
    """What REDCap told of the user's data access group: whether it is known, and whether there is one."""

    known: bool
    in_group: bool = False


def examine_rights(client: RedcapClient, study: StudyConfig, project: Project, notes: FindingCollector) -> SeenRights:
    """Note the rights of the token's user on the study's forms, or whom to ask for them."""
    forms = sorted({project.form_of(ref.field) for _, ref in named_fields(study)} & {*project.forms})
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


def note_rights(user: Mapping[str, Any], forms: list[str], notes: FindingCollector) -> None:
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


def _cannot_be_seen(what: str, forms: list[str], notes: FindingCollector) -> None:
    notes.unknown(
        what,
        "Ask your REDCap administrator whether the user has API Export, Full Data Set on "
        f"{', '.join(forms) or 'the consent forms'}, no data access group and no expiration date.",
    )


_OUT_OF_GROUP = "Have the user taken out of the group, under User Rights in REDCap."


def examine_records(
    client: RedcapClient,
    plan: ExportPlan,
    rights: SeenRights,
    last: RunRecord | None,
    notes: FindingCollector,
    *,
    max_drop: float,
) -> None:
    """Note how many records REDCap lists, and try an export of a few of them; max_drop is that of the study's guard."""
    listed = notes.attempt(lambda: list_rows(client, plan))
    if listed is None:
        return
    _note_number(listed.record_count, last, notes, max_drop)
    has_groups = notes.attempt(lambda: _try_export(client, plan))
    if has_groups is not None:
        notes.ok(f"All {len(plan.shape.columns)} columns arrive (tried with a few records; nothing was kept)")
        _note_group(client, rights, last, notes, has_groups=has_groups)


def _try_export(client: RedcapClient, plan: ExportPlan) -> bool:
    first = list_ids(client, plan)[0]
    return try_export(client, plan, split_ids([first]))


def _note_number(number: int, last: RunRecord | None, notes: FindingCollector, max_drop: float) -> None:
    if last is None or last.counts is None:
        notes.unknown(
            f"Records listed: {number:,}. Whether these are all, only you can see",
            "Compare with the number that REDCap shows to a user who is in no data access group.",
        )
        return
    participants = last.counts.participants
    if participants - number > allowed_fall(participants, max_drop):  # there are never more participants than records
        notes.problem(
            f"Records listed: {number:,}, but the report as of {last.cutoff} was of {participants:,} participants",
            "Look in REDCap whether records were deleted or moved, and whether the token's user still sees them all. "
            "If so few is right, run once with --accept-drop.",
        )
        return
    before = last.counts.records_listed or last.counts.records_received
    notes.ok(f"Records listed: {number:,}; for the report as of {last.cutoff}: {before:,}")


def _note_group(
    client: RedcapClient, rights: SeenRights, last: RunRecord | None, notes: FindingCollector, *, has_groups: bool
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


def compare_with_dictionary(study: StudyConfig, project: Project, notes: FindingCollector) -> bool:
    """Note every disagreement; whether there is none that stops a run."""
    problems = list(find_mismatches(study, project))
    for problem in problems:
        notes.problem(problem.what.removesuffix("."), problem.fix)
    for key, ref, codes in _codes(study):
        if not any(problem.what.startswith(f"{key}:") for problem in problems):
            for dead in find_dead_codes(ref, codes, project, key):  # a run goes on: older forms may still hold them
                notes.warning(
                    dead.what.removesuffix("."), "If it was re-coded, correct the study file; otherwise leave it."
                )
    if not problems:
        notes.ok(_agreement(study))
    _note_identifiers(study, project, notes)
    return not problems


def _agreement(study: StudyConfig) -> str:
    fields = {ref.field for _, ref in named_fields(study)}
    codes = sum(len(codes) for _, _, codes in _codes(study))
    events = dict.fromkeys(event for form in study.consents for event in form.events)
    parts = f"{len(fields)} fields, {codes} option codes" + (f", events: {', '.join(events)}" if events else "")
    return f"In REDCap as the study file says: {parts}"


def _codes(study: StudyConfig) -> Iterator[tuple[str, FieldRef, tuple[str, ...]]]:
    """Key, field and codes of every answer that means something."""
    for n, form in enumerate(study.consents, 1):
        yield f"consent[{n}].agreed", form.decision, form.agreed
        yield f"consent[{n}].declined", form.decision, form.declined
        yield f"consent[{n}].pending", form.decision, form.pending
    for n, rider in enumerate(study.riders, 1):
        yield f"riders[{n}].agreed", rider.field, rider.agreed
        yield f"riders[{n}].declined", rider.field, rider.declined


def _note_identifiers(study: StudyConfig, project: Project, notes: FindingCollector) -> None:
    asked = dict.fromkeys([project.record_id, *(ref.field for _, ref in named_fields(study))])
    flagged = [name for name in asked if (field := project.field(name)) and field.is_identifier]
    if flagged:
        notes.warning(
            f"Asked for, though REDCap flags them as identifiers: {', '.join(flagged)}",
            "Name other fields in the study file if there are any; the report itself holds counts alone.",
        )
    else:
        notes.ok("No field that is asked for is flagged as an identifier")


def examine_redcap(
    study: StudyConfig,
    access: ResolvedAccess,
    tools: CheckContext,
    clocks: ServerClocks,
    last: RunRecord | None,
    notes: FindingCollector,
) -> None:
    """Note whether REDCap would let a run of this study export everything, and whether the study file fits it.

    last: the study's last delivered report, if the record of runs knows one.
    """
    url, token = access.redcap_urls.get(study.key), access.secrets.get(study.redcap.token_setting)
    if url is None or token is None or access.network is None:
        needed = {study.redcap.url_setting: url, study.redcap.token_setting: token, "the network": access.network}
        first = " and ".join(name for name, found in needed.items() if found is None)
        notes.unknown(f"REDCap was not asked: {first} must be right first")
        return
    with _asking(url, token, access.network, tools, clocks, notes) as client:
        if (version := notes.attempt(client.version)) is None:
            notes.unknown("Project, fields, records and rights were not examined, because of this")
            return
        notes.ok(f"REDCap {version} answers at {client.host}")
        project = _examine_project(client, study, notes)
        if project is None:
            notes.unknown("Fields, records and rights were not examined, because of this")
            return
        _examine_contents(client, study, project, last, notes)


@contextmanager
def _asking(
    url: str, token: Secret, network: Network, tools: CheckContext, clocks: ServerClocks, notes: FindingCollector
) -> Iterator[RedcapClient]:
    from requests.utils import select_proxy

    from consent.config.http_session import new_session

    with new_session(network, url) as session:
        clocks.listen(session, "REDCap")
        _note_the_way(url, select_proxy(url, session.proxies), notes)
        yield RedcapClient(url, token, session, sleep=tools.sleep, clock=tools.clock)


def _note_the_way(url: str, proxy: str | None, notes: FindingCollector) -> None:
    """How the token travels; a proxy's address may hold a password, so only its host is shown."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        notes.ok("Asked over https; the server's certificate is checked")
    elif parts.hostname in LOOPBACK_HOSTS:
        notes.ok("Asked over http, on this computer itself")
    else:
        notes.warning(
            "Asked over http (allow_http): the token and the records can be read on the way",
            "Ask for an https address, and put it into the setting; every report says so until then.",
        )
    if proxy:
        through = urlsplit(proxy if "//" in proxy else f"//{proxy}").hostname
        notes.ok(f"Asked through the proxy {through}")


def _examine_project(client: RedcapClient, study: StudyConfig, notes: FindingCollector) -> Project | None:
    answer = notes.attempt(client.project)
    number = answer and notes.attempt(lambda: expected_project(study, answer))
    if answer is None or number is None:
        return None
    notes.ok(f"The token is of project {number}, '{answer.get('project_title', '')}'")
    if study.redcap.project_id is None:
        notes.warning(
            "The study file names no project_id: any project's token would do",
            f"If this is the right project, add project_id = {number} under [redcap].",
        )
    return notes.attempt(lambda: describe_project(client, answer, study))


def _examine_contents(
    client: RedcapClient, study: StudyConfig, project: Project, last: RunRecord | None, notes: FindingCollector
) -> None:
    in_step = compare_with_dictionary(study, project, notes.about("Data dictionary", study.key))
    rights = notes.about("Rights in REDCap", study.key)
    seen = examine_rights(client, study, project, rights)
    records = notes.about("Records", study.key)
    if in_step:
        plan = plan_export(study, project)
        examine_records(client, plan, seen, last, records, max_drop=study.guard.max_drop)
    else:
        records.unknown("Records were not examined: study file and data dictionary must agree first")
