"""The whole Monday run on an invented registry: the packaged study, real HTTP, files in a folder.

As a module (``csv PATH`` or ``redcap URL``) it runs once and prints the time and memory of this process.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import peak_megabytes
from consent.config.settings import Settings
from consent.counting.summary import ConsentSummary
from consent.delivery.local_folder import LocalFolder
from consent.runs.pipeline import run_report, summarise_file
from consent.runs.services import open_services
from consent.studies.catalog import choose_study, load_studies
from consent.studies.model import StudyConfig
from sandbox.people import TOKEN

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)


def packaged_study() -> StudyConfig:
    """Return the study of the packaged study file."""
    return choose_study(load_studies(Settings({})), "obri-ibd")


def report_from_redcap(url: str, study: StudyConfig) -> ConsentSummary:
    """Export from the REDCap at this address and write the report to a temporary folder."""
    settings = Settings({"REDCAP_API_URL": url, "REDCAP_ACCESS_TOKEN": TOKEN})
    with _folder() as folder, open_services(study, settings, to=folder, now=lambda: NOW) as services:
        return run_report(study, services).summary


def report_from_csv(path: Path, study: StudyConfig) -> ConsentSummary:
    """Count the CSV file and write the report to a temporary folder."""
    with _folder() as folder:
        return summarise_file(path, study, LocalFolder(folder), place="a folder", now=NOW).summary


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main(source: str, place: str) -> None:
    """Run once; print the participants counted, the CPU seconds and the peak memory (MB or null) as JSON."""
    study, started = packaged_study(), time.process_time()
    summary = report_from_csv(Path(place), study) if source == "csv" else report_from_redcap(place, study)
    spent = time.process_time() - started
    print(json.dumps({"participants": summary.participants.total, "seconds": spent, "peak": peak_megabytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
