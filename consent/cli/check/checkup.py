"""Check everything that a run needs, in the order in which a run needs it.

A failed check does not stop the others; what could not be checked because of it is a finding. Nothing is changed,
except for one small file in Dropbox, which is deleted again. A test notice is sent only if it was asked for.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from consent.cli.check.clock import check_clock, check_first_day, check_zone, next_report
from consent.cli.check.context import CheckContext
from consent.cli.check.dropbox import check_dropbox
from consent.cli.check.findings import Checkup, FindingCollector
from consent.cli.check.ledger import check_ledger
from consent.cli.check.notices import check_notices
from consent.cli.check.redcap import check_redcap
from consent.cli.check.settings import check_settings
from consent.config.settings import Settings, read_settings
from consent.studies.catalog import choose_study, load_studies
from consent.studies.model import StudyConfig


def check_setup(directory: Path | None, key: str | None, context: CheckContext) -> Checkup:
    """Check the set-up of one study, or of all.

    directory: the folder of local.settings.json and .env, by default beside host.json. key: of the study. Raises
    UnknownStudyError.
    """
    findings = FindingCollector("Settings and secrets")
    settings = findings.attempt(lambda: read_settings(directory=directory))
    if settings is not None:
        return check_with(settings, key, context)
    findings.unknown("Nothing else was checked, because of this problem.")
    return Checkup(findings.findings)


def check_with(settings: Settings, key: str | None, context: CheckContext) -> Checkup:
    """Check the set-up with these settings; see ``check_setup``."""
    findings = FindingCollector("Study file")
    context.stage("Reading the study files")
    studies = _usable_studies(settings, key, context, findings)
    if studies:
        _check_all(studies, settings, context, findings)
    else:
        findings.unknown("Nothing else was checked, because no study file can be used.")
    return Checkup(findings.findings, [next_report(study, context.now()) for study in studies])


def _usable_studies(
    settings: Settings, key: str | None, context: CheckContext, findings: FindingCollector
) -> Sequence[StudyConfig]:
    found = findings.attempt(lambda: load_studies(settings))
    if found is None:
        return ()
    if key is not None and key not in found.keys:
        choose_study(found, key)  # raises the error that lists the keys
    usable = []
    for name in found.keys if key is None else (key,):
        about = findings.about(findings.subject, name)
        if study := about.attempt(partial(choose_study, found, name)):
            usable.append(study)
            counts = f"consent forms: {len(study.consents)}, riders: {len(study.riders)}"
            about.ok(f"'{study.title}', from {study.start_date}; {counts}.")
            if not study.riders:
                about.warning(
                    "The study file has no riders, so the report has no optional consents.",
                    "If people are asked for any, add a [[riders]] part for each.",
                )
            check_first_day(study, context, about)
    return usable


def _check_all(
    studies: Sequence[StudyConfig], settings: Settings, context: CheckContext, findings: FindingCollector
) -> None:
    context.stage("Checking settings and secrets")
    access = check_settings(studies, settings, context, findings.about("Settings and secrets"))
    reports = check_ledger(studies, settings, context, findings.about("Run history"))
    for study in studies:
        context.stage(f"Checking REDCap for {study.key}")
        check_redcap(study, access, reports.get(study.key, []), findings.about("REDCap", study.key))
    context.stage("Checking Dropbox")
    check_dropbox(studies, access, findings.about("Dropbox"))
    check_notices(studies, access, findings.about("Notices"))
    check_clock(context.clocks_ahead, findings.about("Clock"))
    for study in studies:
        check_zone(study, context, findings.about("Time zone", study.key))
