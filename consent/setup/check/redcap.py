"""Examines REDCap with the questions that a run asks first, and says what could not be examined after a failure.

Sends nothing but questions. Of the records it reads who they are (to count them) and a few rows, and keeps none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from consent.credentials import Secret
from consent.ledger import RunRecord
from consent.redcap.client import RedcapClient
from consent.redcap.dictionary import Project
from consent.redcap.export_plan import plan_export
from consent.redcap.probe import describe_project, expected_project
from consent.settings import LOOPBACK_HOSTS, Network
from consent.setup.check.clock import ServerClocks
from consent.setup.check.dictionary import compare_with_dictionary
from consent.setup.check.notes import Notes
from consent.setup.check.records import examine_records
from consent.setup.check.rights import examine_rights
from consent.setup.check.tools import Access, Tools
from consent.study import StudyConfig


def examine_redcap(
    study: StudyConfig, access: Access, tools: Tools, clocks: ServerClocks, last: RunRecord | None, notes: Notes
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
    url: str, token: Secret, network: Network, tools: Tools, clocks: ServerClocks, notes: Notes
) -> Iterator[RedcapClient]:
    from requests.utils import select_proxy

    from consent.network import new_session

    with new_session(network, url) as session:
        clocks.listen(session, "REDCap")
        _note_the_way(url, select_proxy(url, session.proxies), notes)
        yield RedcapClient(url, token, session, sleep=tools.sleep, clock=tools.clock)


def _note_the_way(url: str, proxy: str | None, notes: Notes) -> None:
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


def _examine_project(client: RedcapClient, study: StudyConfig, notes: Notes) -> Project | None:
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
    return notes.attempt(lambda: describe_project(client, study, answer))


def _examine_contents(
    client: RedcapClient, study: StudyConfig, project: Project, last: RunRecord | None, notes: Notes
) -> None:
    in_step = compare_with_dictionary(study, project, notes.about("Data dictionary", study.key))
    rights = notes.about("Rights in REDCap", study.key)
    seen = examine_rights(client, study, project, rights)
    records = notes.about("Records", study.key)
    if in_step:
        plan = plan_export(study, project)
        examine_records(client, plan, seen, last, records, max_fall=study.guard.max_fall)
    else:
        records.unknown("Records were not examined: study file and data dictionary must agree first")
