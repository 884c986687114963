"""Check REDCap with the requests that a run sends first: project, data dictionary, rights and a few records.

Only reads. Record ids are read to count them, and a few rows to see that every column arrives; none are kept.
"""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from consent.cli.check.context import CheckContext, ResolvedAccess
from consent.cli.check.findings import FindingCollector
from consent.config.credentials import Secret
from consent.config.settings import LOOPBACK_HOSTS, Network
from consent.counting.summarise import MERGE_COPIES
from consent.errors import ConsentReportError
from consent.redcap.arrivals import Rows, is_working_copy
from consent.redcap.client import RedcapClient
from consent.redcap.completeness import list_ids, list_rows, split_ids
from consent.redcap.dictionary import Project
from consent.redcap.export import try_export
from consent.redcap.export_plan import ExportPlan, plan_export
from consent.redcap.project import describe_project, expected_project
from consent.redcap.validation import find_dead_codes, find_mismatches, find_mixed_forms
from consent.runs.ledger.record import RunRecord
from consent.runs.plausibility import allowed_drop, comparable_reports
from consent.studies.model import FieldRef, StudyConfig, named_fields

_PARTIAL = {"0": "No Access", "2": "De-Identified", "3": "Remove All Identifier Fields"}
_OPEN_TEXT = r"(?=.{3,40}$)[^\W\d_]+( [^\W\d_]+)*"
TRIED_BUNDLES = 4  # 100 records
_LEAVE_GROUP = "Have the user removed from the group, under User Rights in REDCap."


def check_redcap(
    study: StudyConfig, access: ResolvedAccess, reports: Sequence[RunRecord], findings: FindingCollector
) -> None:
    """Check that a run could export everything; reports: those that were delivered, newest first."""
    network, url = access.network, access.redcap_urls.get(study.key)
    token = access.secrets.get(study.redcap.token_setting)
    if url is None or token is None or network is None:
        needed = {study.redcap.url_setting: url, study.redcap.token_setting: token, "the network": network}
        missing = " and ".join(name for name, found in needed.items() if found is None)
        findings.unknown(f"REDCap was not checked: fix {missing} first.")
        return
    with _connect(url, token, network, access.context, findings) as client:
        if (version := findings.attempt(client.version)) is None:
            findings.unknown("Project, fields, records and rights were not checked, because of this problem.")
            return
        findings.ok(f"REDCap {version} responds at {client.host}.")
        project = _check_project(client, study, findings)
        if project is None:
            findings.unknown("Fields, records and rights were not checked, because of this problem.")
            return
        fits = _check_dictionary(study, project, findings.about("Data dictionary", study.key))
        in_group = _check_rights(client, study, project, findings.about("Rights in REDCap", study.key))
        records = findings.about("Records", study.key)
        if fits:
            _check_records(client, study, plan_export(study, project), in_group, reports, records)
        else:
            records.unknown("Records were not checked: the study file must fit the data dictionary first.")


@contextlib.contextmanager
def _connect(
    url: str, token: Secret, network: Network, context: CheckContext, findings: FindingCollector
) -> Iterator[RedcapClient]:
    """Connect, and check how the token is sent. A proxy's address may hold a password: show only its host."""
    from requests.utils import select_proxy

    from consent.config.http_session import new_session

    parts = urlsplit(url)
    if parts.scheme == "https":
        findings.ok("The connection uses https; the server's certificate is checked.")
    elif parts.hostname in LOOPBACK_HOSTS:
        findings.ok("The connection uses http, on this computer only.")
    else:
        findings.warning(
            "The connection uses http (allow_http): others on the network can read the token and the records.",
            "Ask for an https address and set it. Until then every report has a note about this.",
        )
    with new_session(network, url) as session:
        context.watch_clock(session, "REDCap")
        if proxy := select_proxy(url, session.proxies):
            host = urlsplit(proxy if "//" in proxy else f"//{proxy}").hostname
            findings.ok(f"The connection uses the proxy {host}.")
        yield RedcapClient(url, token, session, sleep=context.sleep, clock=context.clock)


def _check_project(client: RedcapClient, study: StudyConfig, findings: FindingCollector) -> Project | None:
    about = findings.attempt(client.project)
    number = about and findings.attempt(lambda: expected_project(study, about))
    if about is None or number is None:
        return None
    findings.ok(f"The token belongs to project {number}, '{about.get('project_title', '')}'.")
    if study.redcap.project_id is None:
        findings.warning(
            "The study file has no project_id, so a token of any project would be accepted.",
            f"If this is the right project, add project_id = {number} under [redcap].",
        )
    return findings.attempt(lambda: describe_project(client, about, study))


def _check_dictionary(study: StudyConfig, project: Project, findings: FindingCollector) -> bool:
    """Compare the study file with the data dictionary; return whether a run can start."""
    problems = list(find_mismatches(study, project))
    for problem in problems:
        findings.problem(problem.what, problem.fix)
    codes = list(_codes(study))
    for key, ref, answers in codes:
        if not any(problem.what.startswith(f"{key}:") for problem in problems):
            for dead in find_dead_codes(ref, answers, project, key):  # not a problem: older records may hold the code
                findings.warning(dead.what, dead.fix)
    fields = dict.fromkeys(ref.field for _, ref in named_fields(study))
    if not problems:
        events = dict.fromkeys(event for form in study.consents for event in form.events)
        counted = f"{len(fields)} fields, {sum(len(answers) for *_, answers in codes)} option codes"
        named = f", events: {', '.join(events)}" if events else ""
        findings.ok(f"The study file fits the data dictionary: {counted}{named}.")
    for warning in find_mixed_forms(study, project):
        findings.warning(warning.what, warning.fix)
    _check_dates(study, project, findings)
    names = dict.fromkeys([project.record_id, *fields])
    identifiers = [name for name in names if (field := project.field(name)) and field.is_identifier]
    if identifiers:
        findings.warning(
            f"These exported fields are marked as identifiers in REDCap: {', '.join(identifiers)}.",
            "Use other fields in the study file, if there are any. The report itself holds only counts.",
        )
    else:
        findings.ok("No exported field is marked as an identifier.")
    return not problems


def _check_dates(study: StudyConfig, project: Project, findings: FindingCollector) -> None:
    """Warn of dates in UTC, as of the action tags @NOW-UTC and @TODAY-UTC: their day may not be the study's."""
    dates = dict.fromkeys(ref.field for key, ref in named_fields(study) if key.endswith(".date"))
    annotations = {name: found.annotation for name in dates if (found := project.field(name))}
    in_utc = [name for name, text in annotations.items() if re.search(r"(?<![^\W_])UTC(?![^\W_])", text)]
    if in_utc and study.time_zone not in ("UTC", "Etc/UTC"):
        findings.warning(
            f"These dates are in UTC by their field annotation in REDCap: {', '.join(in_utc)}. Near midnight they are "
            f"another day than in {study.time_zone}, and may be counted in another week.",
            "Have the action tag replaced by @TODAY or @NOW, the local time of whoever fills in the form.",
        )


def _codes(study: StudyConfig) -> Iterator[tuple[str, FieldRef, tuple[str, ...]]]:
    """Yield the key, the field and the codes of every answer in the study file."""
    for n, form in enumerate(study.consents, 1):
        for answer, codes in (("agreed", form.agreed), ("declined", form.declined), ("pending", form.pending)):
            yield f"consent[{n}].{answer}", form.decision, codes
    for n, rider in enumerate(study.riders, 1):
        for ref in rider.fields:
            yield f"riders[{n}].agreed", ref, rider.agreed
            yield f"riders[{n}].declined", ref, rider.declined


def _check_rights(
    client: RedcapClient, study: StudyConfig, project: Project, findings: FindingCollector
) -> bool | None:
    """Check the rights of the token's user; return whether the user is in a data access group, None if unknown."""
    forms = sorted({project.form_of(ref.field) for _, ref in named_fields(study)} & {*project.forms})
    why = ""
    with contextlib.suppress(ConsentReportError):
        users = [user for user in client.users() if user.get("api_export") == "1"]
        if len(users) == 1:
            check_user(users[0], forms, findings)
            return bool(users[0].get("data_access_group"))
        why = f": {len(users)} users may export by API, and REDCap does not report whose token this is"
    findings.unknown(
        f"The rights of the token's user cannot be seen{why}.",
        "Ask your REDCap administrator whether the user has API Export, Full Data Set on "
        f"{', '.join(forms) or 'the consent forms'}, no data access group and no expiration date.",
    )
    return None


def check_user(user: Mapping[str, Any], forms: list[str], findings: FindingCollector) -> None:
    """Check for rights that are missing, not needed, or limited in time."""
    exports = user.get("forms_export") or {}
    partial = [f"{form} ({_PARTIAL[right]})" for form in forms if (right := exports.get(form)) in _PARTIAL]
    if partial:
        findings.warning(
            f"The token's user may not export everything of: {', '.join(partial)}.",
            "Ask for the export right 'Full Data Set' on these forms.",
        )
    else:
        findings.ok(f"Full Data Set on the {'forms' if len(forms) > 1 else 'form'} {', '.join(forms)}.")
    if user.get("api_import") == "1":
        findings.warning(
            "The token's user may also change records by API.", "Have 'API Import/Update' removed: it is never used."
        )
    if user.get("expiration"):
        findings.warning(
            f"The user's access to the project ends on {user['expiration']}.",
            "Have the date changed or removed, under User Rights in REDCap.",
        )


def _check_records(
    client: RedcapClient,
    study: StudyConfig,
    plan: ExportPlan,
    in_group: bool | None,
    reports: Sequence[RunRecord],
    findings: FindingCollector,
) -> None:
    """Check how many records REDCap lists, and export a few of them."""
    listed = findings.attempt(lambda: list_rows(client, plan))
    if listed is None:
        return
    _check_number(listed.record_count, reports, study.max_drop, findings)
    bundles = findings.attempt(lambda: list_ids(client, plan))
    if not bundles:
        return
    if study.redcap.double_data_entry and (copies := sum(map(is_working_copy, split_ids(bundles)))):
        what = f"{copies:,} records are named like working copies of double data entry (X--1, X--2): not counted."
        findings.warning(what, MERGE_COPIES)
    tried = findings.attempt(
        lambda: try_export(client, plan, split_ids(bundles[:TRIED_BUNDLES]), lambda rows: open_texts(rows, study, plan))
    )
    if tried is None:
        return
    has_groups, texts = tried
    findings.ok(f"All {len(plan.shape.columns)} columns arrive (tested with a few records, which were not kept).")
    for key, text in texts:
        findings.warning(
            f"{key}: the date field of several records has the text '{text}' in place of a date.",
            f'If it means that consent is still open, add "{text}" to pending_text in the study file.',
        )
    if has_groups:
        findings.ok("The token's user is in no data access group and sees every site.")
    else:
        _check_group(client, in_group, next(iter(reports), None), findings)


def open_texts(rows: Rows, study: StudyConfig, plan: ExportPlan) -> list[tuple[str, str]]:
    """Return the texts that may mean that consent is open: in the date field of several records, short, only letters.

    Each has the key of its field in the study file.
    """
    found = []
    for n, form in enumerate(study.consents, 1):
        texts = map(str.strip, rows.cells(plan.column_map.columns[FieldRef(form.date)]).tolist())
        known = {*form.pending_text, *plan.column_map.missing_codes}
        records = Counter(text for text, _ in {*zip(texts, rows.ids(), strict=True)})
        for text in sorted(records):
            if records[text] > 1 and text not in known and re.fullmatch(_OPEN_TEXT, text):
                found.append((f"consent[{n}].date", text))
    return found


def _check_number(number: int, reports: Sequence[RunRecord], max_drop: float, findings: FindingCollector) -> None:
    last = next(iter(reports), None)
    if last is None or last.counts is None:
        findings.unknown(
            f"Records listed: {number:,}. Nothing here shows whether these are all.",
            "Compare with the number that REDCap shows to a user who is in no data access group.",
        )
        return
    counted = [(run.counts.participants, run) for run in comparable_reports(reports) if run.counts]
    participants, highest = max(counted, key=lambda each: each[0])
    if participants - number > allowed_drop(participants, max_drop):  # there are never more participants than records
        findings.problem(
            f"Records listed: {number:,}, but the report as of {highest.cutoff} had {participants:,} participants.",
            "Check in REDCap whether records were deleted or moved, and whether the token's user sees them all. If "
            "the number is right, run 'consent run --accept-drop' once.",
        )
        return
    before = last.counts.records_listed or last.counts.records_received
    findings.ok(f"Records listed: {number:,}; for the report as of {last.cutoff}: {before:,}.")


def _check_group(
    client: RedcapClient, in_group: bool | None, last: RunRecord | None, findings: FindingCollector
) -> None:
    """Check why REDCap sent no group column: the user is in a group, or the project has none."""
    try:
        groups = len(client.rows("dag"))
    except ConsentReportError:
        groups = None  # the user may not see them
    if in_group or groups:
        findings.problem(
            "The token's user is in a data access group, so REDCap sends the records of one site only.", _LEAVE_GROUP
        )
    elif last is not None and last.has_groups:
        findings.problem("REDCap no longer sends the data access groups, as it did for the last report.", _LEAVE_GROUP)
    elif groups == 0 or in_group is not None:
        findings.ok("The token's user is in no data access group.")
    else:
        findings.unknown(
            "Whether the token's user is in a data access group cannot be seen.",
            "Ask your REDCap administrator: such a user receives the records of one site only.",
        )
