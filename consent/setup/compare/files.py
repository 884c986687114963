"""Reads an old report and an export by hand, counts the export by both rules, and puts the two side by side.

Decides nothing about a number; writes no file.
"""

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from consent.consents import Counting
from consent.errors import ConfigurationError, CutoffError
from consent.export_file import count_file, refuse_reworked
from consent.period import ReportPeriod, choose_period, day_in
from consent.setup.compare.comparison import Comparison, hold_together
from consent.setup.compare.explanation import Compared, compare_rows
from consent.setup.compare.old_report import OldReport, parse_old_report
from consent.study import StudyConfig

if TYPE_CHECKING:
    import pandas as pd

    from consent.redcap.export_plan import Coding


def compare_files(
    old: Path, export: Path, study: StudyConfig, *, now: datetime, as_of: date | None = None
) -> Comparison:
    """Explain every number of the old report that an export gives otherwise today.

    Args:
        as_of: the last day counted, in the old report's last week; by default that week's last day, or today.

    Raises:
        CutoffError: that day is in another week, or still to come.
        SourceDataError: one of the files is not what it should be.
        ConfigurationError: one of them cannot be opened.
    """
    report = parse_old_report(_content(old), old.name, study)
    period = _period(report, study, now, as_of)

    def count(coding: "Coding", rows: "pd.DataFrame") -> Compared:
        return compare_rows(rows, Counting(study, coding, period))

    compared = count_file(export, study, count, Compared()).counts
    refuse_reworked(compared.tally, export)
    return hold_together(report, compared, study, period)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"The file {path} cannot be opened: {error.strerror}. Check its place.") from None


def _period(report: OldReport, study: StudyConfig, now: datetime, as_of: date | None) -> ReportPeriod:
    first, last = report.last_week(study.start_date)
    cutoff = as_of or min(last, day_in(study.time_zone, now))
    if not first <= cutoff <= last:
        raise CutoffError(
            f"The old report's last week is {first} to {last}, and {cutoff} is not in it. Give --as-of a day of that "
            "week, or take another old report."
        )
    return choose_period(start=study.start_date, time_zone=study.time_zone, now=now, as_of=cutoff)
