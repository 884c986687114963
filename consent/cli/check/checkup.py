"""The doctor: examines everything that a run depends on, in the order in which it depends on it.

Goes on after a failure as far as that makes sense, and says what could not be examined because of it. Changes nothing
but for one tiny file in Dropbox, which it removes. What each examination looks at is told in its own module.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from consent.cli.check.clock import ServerClocks, examine_clock, examine_first_day, examine_zone, next_report
from consent.cli.check.context import CheckContext
from consent.cli.check.dropbox import examine_dropbox
from consent.cli.check.findings import Checkup, FindingCollector
from consent.cli.check.ledger import examine_ledger
from consent.cli.check.redcap import examine_redcap
from consent.cli.check.settings import examine_settings
from consent.config.settings import Settings, read_settings
from consent.studies.catalog import Studies, choose_study, load_studies
from consent.studies.model import StudyConfig

SETTINGS = "Settings and secrets"


def check_up(directory: Path | None, key: str | None, tools: CheckContext) -> Checkup:
    """Examine the set-up of one study, or of all.

    directory: where local.settings.json and .env are, by default beside host.json. key: of the study, by default of
    every one. Raises UnknownStudyError if there is none of that key.
    """
    notes = FindingCollector()
    settings = notes.about(SETTINGS).attempt(lambda: read_settings(directory=directory))
    if settings is None:
        notes.about(SETTINGS).unknown("Nothing else was examined, because of this")
        return Checkup(notes.findings)
    return check_settings(settings, key, tools)


def check_settings(settings: Settings, key: str | None, tools: CheckContext) -> Checkup:
    """As ``check_up``, with settings that were read before."""
    notes = FindingCollector()
    tools.stage("Reading the study files")
    studies = _usable_studies(settings, key, notes)
    for study in studies:
        examine_first_day(study, tools, notes.about("Study file", study.key))
    if studies:
        _examine_all(studies, settings, tools, notes)
    else:
        notes.about("Study file").unknown("Nothing else was examined, because no study file can be used")
    return Checkup(notes.findings, tuple(next_report(study, tools.now()) for study in studies))


def _usable_studies(settings: Settings, key: str | None, notes: FindingCollector) -> Sequence[StudyConfig]:
    found = notes.about("Study file").attempt(lambda: load_studies(settings))
    if found is None:
        return ()
    if key is not None and key not in found.keys:
        choose_study(found, key)  # which says what keys there are
    keys = found.keys if key is None else (key,)
    return [study for name in keys if (study := _usable(found, name, notes.about("Study file", name)))]


def _usable(found: Studies, key: str, notes: FindingCollector) -> StudyConfig | None:
    study = notes.attempt(partial(choose_study, found, key), fix=f"Correct it in {key}.toml.")
    if study is not None:
        forms, riders = _number(len(study.consents), "consent form"), _number(len(study.riders), "rider")
        notes.ok(f"'{study.title}', from {study.start_date} on: {forms}, {riders}")
    return study


def _examine_all(
    studies: Sequence[StudyConfig], settings: Settings, tools: CheckContext, notes: FindingCollector
) -> None:
    clocks = ServerClocks(tools.now)
    tools.stage("Looking for settings and secrets")
    access = examine_settings(studies, settings, tools, notes.about(SETTINGS))
    last = examine_ledger(studies, settings, tools, notes.about("Record of runs"))
    for study in studies:
        tools.stage(f"Asking REDCap for {study.key}")
        examine_redcap(study, access, tools, clocks, last.get(study.key), notes.about("REDCap", study.key))
    tools.stage("Asking Dropbox")
    examine_dropbox(studies, access, tools, clocks, notes.about("Dropbox"))
    examine_clock(clocks.ahead, notes.about("Clock"))
    for study in studies:
        examine_zone(study, tools, notes.about("Time zone", study.key))


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
