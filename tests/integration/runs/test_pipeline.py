"""Tests of the whole job: a simulated REDCap, real HTTP, counting, the real Dropbox library, a simulated Dropbox."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from consent.config.settings import Settings
from consent.delivery.local_folder import LocalFolder
from consent.errors import (
    ConsentReportError,
    DeliveryUnverifiedError,
    ImplausibleDropError,
    IncompleteExportError,
    LeaseLostError,
    SourceRefusedError,
)
from consent.files import content_hash
from consent.reports.render import render_reports
from consent.runs import pipeline
from consent.runs.changes import FIRST, NOT_COMPARED
from consent.runs.lease import KeepAlive
from consent.runs.ledger.record import RunCounts, RunRecord
from consent.runs.pipeline import RunResult, run_report, summarise_file
from consent.runs.progress import Progress
from consent.runs.request import RunRequest
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from consent.studies.model import FieldRef, LeaveOut, ListedSite, RowFilter, ShareableEdition, SiteRules, StudyConfig
from sandbox.demo import DemoWorld, demo_world
from sandbox.people import TOKEN, expected_counts, people, registry
from sandbox.redcap.app import Redcap, User
from sandbox.redcap.faults import duplicated_row, login_page
from sandbox.server import Fault
from tests.support.readable_text import names_word, readable_text, spells
from tests.support.run_builders import a_report

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
PEOPLE = 400
STABLE = {
    "/OBRI Consent Summary.csv",
    "/data/OBRI Consent Summary.json",
    "/data/OBRI Consent Summary.manifest.json",
}


@pytest.fixture(name="study")
def _study() -> StudyConfig:
    return choose_study(load_studies(Settings({})), "obri-ibd")


@pytest.fixture(name="world")
def _world() -> Iterator[DemoWorld]:
    with demo_world(PEOPLE, today=TODAY) as world:
        yield world


def run_once(study: StudyConfig, world: DemoWorld, *, to: Path | None = None, **how: Any) -> RunResult:
    """Run the Monday job once, with its own connections and without waiting; ``how`` goes to ``run_report``."""
    settings = Settings(world.settings)
    with open_services(study, settings, to=to, now=lambda: NOW, sleep=lambda seconds: None) as services:
        return run_report(study, services, **how)


def a_last_report(participants: int) -> RunRecord:
    """The record of last Monday's report."""
    counts = RunCounts(participants, 0, participants, participants, taking_part=0)
    return a_report(cutoff=date(2026, 11, 16), counts=counts)


def test_the_report_counts_everybody_as_they_were_invented(study: StudyConfig, world: DemoWorld) -> None:
    summary, truth = run_once(study, world).summary, expected_counts(people(PEOPLE, today=TODAY))
    counted = {
        "consented": summary.participants.consented,
        "pending/open": summary.participants.pending_open,
        "pending/not_started": summary.participants.pending_not_started,
        **{f"not_counted/{reason}": n for reason, n in summary.participants.not_counted.items()},
    }
    assert counted == dict(truth.outcomes)
    assert summary.quality == dict(truth.quality)
    assert {week.first_day: week.consented for week in summary.weeks if week.consented} == dict(truth.weeks)
    assert {f"rider {key}": n for key, n in truth.riders.items()} == {r.key: r.agreed for r in summary.riders}


def test_the_delivered_set_is_complete_and_has_its_manifest(study: StudyConfig, world: DemoWorld) -> None:
    result = run_once(study, world)
    files = world.account.files()
    manifest = json.loads(files["/data/OBRI Consent Summary.manifest.json"])
    assert result.state == "delivered"
    assert set(files) >= STABLE
    assert manifest["set_id"] == result.plan.set_id
    assert manifest["sandbox"] is True


def test_the_archive_holds_the_same_bytes(study: StudyConfig, world: DemoWorld) -> None:
    set_id = run_once(study, world).plan.set_id
    files = world.account.files()
    archived = f"/Archive/OBRI Consent Summary/2026-11-22/{set_id}/OBRI Consent Summary.csv"
    assert files[archived] == files["/OBRI Consent Summary.csv"]


def test_a_second_run_changes_nothing(study: StudyConfig, world: DemoWorld) -> None:
    run_once(study, world)
    uploads = len(world.dropbox.seen("files/upload"))
    assert run_once(study, world).state == "unchanged"
    assert len(world.dropbox.seen("files/upload")) == uploads


def test_an_older_cutoff_is_kept_without_replacing_the_newer_report(study: StudyConfig, world: DemoWorld) -> None:
    run_once(study, world)
    before = {path: world.account.files()[path] for path in STABLE}
    assert run_once(study, world, request=RunRequest(as_of=date(2026, 11, 16))).state == "archived"
    assert {path: world.account.files()[path] for path in STABLE} == before


def test_a_report_that_another_run_delivered_meanwhile_is_not_replaced(study: StudyConfig, world: DemoWorld) -> None:
    class Overtaken(Progress):
        def stage(self, name: str) -> None:
            if name == "Exporting records":
                assert run_once(study, world, request=RunRequest(as_of=date(2026, 11, 16))).state == "delivered"

    with pytest.raises(DeliveryUnverifiedError, match=r"manifest\.json' was changed by another run"):
        run_once(study, world, progress=Overtaken())
    assert run_once(study, world).state == "delivered"


def test_a_report_that_counts_fewer_records_than_arrived_is_not_planned(study: StudyConfig, world: DemoWorld) -> None:
    result = run_once(study, world, request=RunRequest(dry_run=True))
    summary = replace(result.summary, source=replace(result.summary.source, records_received=PEOPLE + 1))
    with pytest.raises(AssertionError, match="401 records arrived, 400 were counted"):
        pipeline._plan(
            render_reports, summary, result.plan.report.destination, LocalFolder(Path()), KeepAlive(), Progress()
        )


def test_a_dry_run_writes_nothing_and_returns_its_plan(study: StudyConfig, world: DemoWorld) -> None:
    result = run_once(study, world, request=RunRequest(dry_run=True))
    assert world.account.files() == {}
    assert {step.path for step in result.plan.steps} > STABLE


def test_a_classic_registry_takes_five_requests_one_at_a_time(study: StudyConfig, world: DemoWorld) -> None:
    run_once(study, world)
    asked = [world.redcap.app.name_of(request) for request in world.redcap.requests]
    assert asked == ["version", "project", "metadata", "record", "record"]
    assert world.redcap.most_at_once == 1


def test_names_and_birth_dates_never_leave_redcap(study: StudyConfig, world: DemoWorld) -> None:
    run_once(study, world)
    bodies = b"".join(request.body for request in world.redcap.requests)
    assert b"first_name" not in bodies
    assert b"date_of_birth" not in bodies


def test_the_token_is_in_no_delivered_file(study: StudyConfig, world: DemoWorld) -> None:
    run_once(study, world)
    files = world.account.files()
    assert [path for path, content in files.items() if spells(readable_text(path, content), TOKEN)] == []


def test_no_record_id_is_in_any_delivered_file_or_log_line(
    study: StudyConfig, world: DemoWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="consent")
    run_once(study, world)
    records = {person.record for person in people(PEOPLE, today=TODAY)}
    # The others could be counts.
    recognisable = {record for record in records if record.startswith("0") or "-" in record}
    texts = {path: readable_text(path, content) for path, content in world.account.files().items()}
    texts["the log"] = caplog.text
    assert [(path, record) for path, text in texts.items() for record in recognisable if names_word(text, record)] == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param(duplicated_row(3), IncompleteExportError, id="a row twice"),
        pytest.param(login_page(match="version"), SourceRefusedError, id="a sign-in page"),
        pytest.param(Fault("answer", match="record", skip=1, status=403), SourceRefusedError, id="refused"),
    ],
)
def test_a_doubtful_export_never_becomes_a_report(
    study: StudyConfig, world: DemoWorld, fault: Fault, error: type[ConsentReportError]
) -> None:
    fault.skip = max(fault.skip, 1) if fault.match == "record" else 0
    world.redcap.faults.append(fault)
    with pytest.raises(error):
        run_once(study, world)
    assert world.account.files() == {}


class LostLease(KeepAlive):
    """A lease that another run took over before the first write."""

    def renew(self) -> None:
        raise LeaseLostError("Another run took over.")


def test_a_run_that_lost_its_lease_writes_nothing(study: StudyConfig, world: DemoWorld) -> None:
    with pytest.raises(LeaseLostError):
        run_once(study, world, lease=LostLease())
    assert world.account.files() == {}


def test_a_report_is_compared_with_the_one_before_its_cut_off(study: StudyConfig, world: DemoWorld) -> None:
    asked: list[date | None] = []

    result = run_once(study, world, past=lambda before: asked.append(before) or [])

    assert (asked, result.summary.changes) == ([None, TODAY], FIRST)


def test_without_a_run_history_a_report_is_not_compared(study: StudyConfig, world: DemoWorld) -> None:
    assert run_once(study, world).summary.changes == NOT_COMPARED


def test_a_report_much_lower_than_the_last_is_not_delivered(study: StudyConfig, world: DemoWorld) -> None:
    with pytest.raises(ImplausibleDropError, match="from 500 as of 2026-11-16 to 400 as of 2026-11-22"):
        run_once(study, world, past=lambda before: [a_last_report(500)])
    assert world.account.files() == {}


def test_a_drop_that_a_person_accepts_is_delivered_with_remarks(study: StudyConfig, world: DemoWorld) -> None:
    result = run_once(study, world, request=RunRequest(accept_drop=True), past=lambda before: [a_last_report(500)])
    assert (result.state, ["from 500" in remark for remark in result.remarks]) == ("delivered", [True, False])


def test_the_first_report_names_the_total_to_compare_with_redcaps_own(study: StudyConfig, world: DemoWorld) -> None:
    assert ["400 records" in remark for remark in run_once(study, world).remarks] == [True]


def test_remarks_are_in_no_delivered_file(study: StudyConfig, world: DemoWorld) -> None:
    remark = run_once(study, world).remarks[0].encode()
    assert [path for path, content in world.account.files().items() if remark in content] == []


def test_a_rule_that_matches_no_record_is_a_remark(study: StudyConfig, world: DemoWorld) -> None:
    rules = [LeaveOut("test record", None, (), pattern) for pattern in ("NOBODY", ".*")]
    remarks = [" ".join(run_once(replace(study, leave_out=(rule,)), world).remarks) for rule in rules]
    assert ["No record was left out as 'test record'" in text for text in remarks] == [True, False]


def test_sites_that_the_study_file_does_not_list_are_a_remark(study: StudyConfig, world: DemoWorld) -> None:
    listed = (ListedSite("toronto", "Toronto", None, None),)
    some, none = (run_once(replace(study, sites=SiteRules(None, sites)), world).remarks for sites in (listed, ()))
    assert ["of the sites" in " ".join(remarks) for remarks in (some, none)] == [True, False]


@pytest.mark.parametrize(("codes", "said"), [(("9",), True), (("2", "9"), False)])
def test_a_form_that_selects_no_row_is_a_remark(
    codes: tuple[str, ...], said: bool, study: StudyConfig, tmp_path: Path
) -> None:
    (form,) = study.consents
    study = replace(study, riders=(), consents=(replace(form, where=(RowFilter(FieldRef("which"), codes),)),))
    export = tmp_path / "export.csv"
    export.write_text("record_id,summary_consent_date,consent_obtained,which\n1,2026-11-16,1,2\n", encoding="utf-8")
    remarks = summarise_file(export, study, LocalFolder(tmp_path / "out"), place="out", now=NOW).remarks
    assert [remark for remark in remarks if "consent[1]" in remark] == [
        "No row is selected by where or events of consent[1] in the study file."
    ] * said


@pytest.mark.parametrize(
    ("rows", "remarks"),
    [
        ("1,2026-11-16,1,2\n", ["No participant has a code of [only] in cohort"]),
        ("1,2026-11-16,1,1\n1--1,,,\n", ["1 records named like working copies"]),
        ("1,2026-11-16,1,1\n2,,,2\n", []),
    ],
)
def test_a_file_has_the_remarks_of_a_run(study: StudyConfig, tmp_path: Path, rows: str, remarks: list[str]) -> None:
    study = replace(study, riders=(), only=RowFilter(FieldRef("cohort"), ("1",)))
    export = tmp_path / "export.csv"
    export.write_text(f"record_id,summary_consent_date,consent_obtained,cohort\n{rows}", encoding="utf-8")
    result = summarise_file(export, study, LocalFolder(tmp_path / "out"), place="out", now=NOW)
    assert [found.startswith(remark) for found, remark in zip(result.remarks, remarks, strict=True)] == [True] * len(
        remarks
    )


# The edition for people outside the team

SHARED, SHARED_PATH = ShareableEdition(5, "/For others"), "/For others/OBRI Consent Summary (shareable).pdf"


def test_the_shareable_edition_belongs_to_the_set(study: StudyConfig, world: DemoWorld) -> None:
    set_id = run_once(replace(study, shareable=SHARED), world).plan.set_id
    files = world.account.files()
    listed = json.loads(files["/data/OBRI Consent Summary.manifest.json"])["files"]
    (entry,) = [entry for entry in listed if f"/{entry['path']}" == SHARED_PATH]
    assert content_hash(files[SHARED_PATH]) == entry["content_hash"]
    assert files[SHARED_PATH] == files[f"/Archive/OBRI Consent Summary/2026-11-22/{set_id}/{entry['name']}"]


def test_an_older_cutoff_does_not_replace_the_shareable_edition(study: StudyConfig, world: DemoWorld) -> None:
    study = replace(study, shareable=SHARED)
    run_once(study, world)
    before = world.account.files()[SHARED_PATH]
    result = run_once(study, world, request=RunRequest(as_of=date(2026, 6, 1)))
    older = result.plan.archive[-2].target
    assert older.path.endswith("(shareable).pdf")
    assert world.account.files()[SHARED_PATH] == before != older.content


def test_summarise_writes_the_shareable_edition_beside_the_report(study: StudyConfig, tmp_path: Path) -> None:
    study, export = replace(study, riders=(), shareable=SHARED), tmp_path / "export.csv"
    export.write_text("record_id,summary_consent_date,consent_obtained\n1,2026-11-16,1\n", encoding="utf-8")
    result = summarise_file(export, study, LocalFolder(tmp_path / "out"), place="out", now=NOW)
    assert result.plan.stable[-2].path == "/OBRI Consent Summary (shareable).pdf"


def test_a_report_of_one_site_alone_is_not_delivered(study: StudyConfig, world: DemoWorld) -> None:
    project = registry(PEOPLE, today=TODAY)
    world.redcap.app = Redcap([replace(project, users=[User("consent_reports", TOKEN, group=project.groups[0])])])
    with pytest.raises(ImplausibleDropError, match="sees only that site"):
        run_once(study, world, past=lambda before: [replace(a_last_report(0), has_groups=True)])


def test_a_lost_response_still_ends_in_one_complete_set(study: StudyConfig, world: DemoWorld) -> None:
    world.dropbox.faults.append(Fault("lost", match="files/upload", skip=1))
    assert run_once(study, world).state == "delivered"
    assert all(len(world.account.revisions(path)) == 1 for path in world.account.files())


def test_delivering_to_a_folder_needs_no_dropbox(study: StudyConfig, world: DemoWorld, tmp_path: Path) -> None:
    redcap_only = {name: value for name, value in world.settings.items() if name.startswith("REDCAP")}
    assert run_once(study, replace(world, settings=redcap_only), to=tmp_path).state == "delivered"
    assert (tmp_path / "OBRI Consent Summary.csv").is_file()


def test_a_file_exported_by_hand_gives_the_same_numbers(study: StudyConfig, world: DemoWorld, tmp_path: Path) -> None:
    import requests

    form = {"token": TOKEN, "content": "record", "format": "csv", "type": "flat"}
    export = tmp_path / "export.csv"
    export.write_bytes(requests.post(world.settings["REDCAP_API_URL"], data=form, timeout=30).content)
    from_file = summarise_file(export, study, LocalFolder(tmp_path / "out"), place="out", now=NOW)
    from_redcap = run_once(study, world)
    assert from_file.summary.weeks == from_redcap.summary.weeks
    assert from_file.summary.participants == from_redcap.summary.participants
    assert from_file.summary.source.records_listed is None
