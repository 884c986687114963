"""Participants -> counts that add up.

Pure. A tally holds counts only, no participant: the tally of a whole registry is the sum of the tallies of its batches,
as long as no participant is in two of them. So memory does not grow with the registry.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from consent.counting.consents import CONSENTED, DECLINED
from consent.counting.participants import LEFT_OUT, NOT_COUNTED, OUTSIDE, TAKING_PART
from consent.counting.riders import AGREED
from consent.redcap.csv_export import unusable_file

Key = TypeVar("Key")

PARTICIPANTS, RECENT = "participants", "recent"


@dataclass(frozen=True)
class Tally:
    """Counts of participants.

    Attributes:
        classes: by (class, reason), e.g. ``("not_counted", "no_date")``; the reason is empty where a class has none.
        weeks: consented, by week number since the study's first day.
        rider_weeks: consented who agreed to a rider, by (rider, week number).
        riders: consented, by (rider, answer).
        quality: by quality code.
        taking_part: consented who neither refused later nor withdrew.
        sites: by (site's code, what): participants, consented, taking_part or recent; the code of no site is empty.
        versions: those taking part, by the form version of their latest agreed consent.
        withdrawals: consented who withdrew, by (extent, whether undated).
        agreed: everyone who agreed by the cut-off, or without a usable date.
        fates: those who decided, by (fate, whether they decided since the last approval, whether taking part ended
            since then).
    """

    classes: Counter[tuple[str, str]] = field(default_factory=Counter)
    weeks: Counter[int] = field(default_factory=Counter)
    rider_weeks: Counter[tuple[str, int]] = field(default_factory=Counter)
    riders: Counter[tuple[str, str]] = field(default_factory=Counter)
    quality: Counter[str] = field(default_factory=Counter)
    taking_part: int = 0
    sites: Counter[tuple[str, str]] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    withdrawals: Counter[tuple[str, bool]] = field(default_factory=Counter)
    agreed: int = 0
    fates: Counter[tuple[str, bool, bool]] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            classes=_sum(self.classes, other.classes),
            weeks=_sum(self.weeks, other.weeks),
            rider_weeks=_sum(self.rider_weeks, other.rider_weeks),
            riders=_sum(self.riders, other.riders),
            quality=_sum(self.quality, other.quality),
            taking_part=self.taking_part + other.taking_part,
            sites=_sum(self.sites, other.sites),
            versions=_sum(self.versions, other.versions),
            withdrawals=_sum(self.withdrawals, other.withdrawals),
            agreed=self.agreed + other.agreed,
            fates=_sum(self.fates, other.fates),
        )


def _sum(one: Counter[Key], other: Counter[Key]) -> Counter[Key]:
    """What ``+`` gives for counts that are all positive, in half the time."""
    both = one.copy()
    both.update(other)
    return both


def tally_participants(participants: pd.DataFrame, start: date) -> Tally:
    """Count a batch of participants (columns as ``participants.build_participants`` returns them).

    Args:
        start: the study's first day, where week 0 begins.
    """
    classes, reasons = participants["participant_class"].to_numpy(), participants["reason"].to_numpy()
    consented = participants[classes == CONSENTED]
    since_start = consented["consented_on"].to_numpy().astype("datetime64[D]") - np.datetime64(start)
    weeks = since_start.astype("int64") // 7
    columns = [name for name in participants.columns if name.startswith("rider:")]
    answers = {name.removeprefix("rider:"): consented[name].to_numpy() for name in columns}
    agreed_weeks = {key: Counter(weeks[given == AGREED].tolist()) for key, given in answers.items()}
    flags = [name for name in participants.columns if name.startswith("quality:")]
    return Tally(
        classes=Counter(zip(classes, reasons, strict=True)),
        weeks=Counter(weeks.tolist()),
        rider_weeks=Counter({(key, week): n for key, found in agreed_weeks.items() for week, n in found.items()}),
        riders=Counter({(key, answer): n for key, given in answers.items() for answer, n in Counter(given).items()}),
        quality=+Counter({name.removeprefix("quality:"): int(participants[name].sum()) for name in flags}),
        taking_part=int(consented["taking_part"].sum()),
        sites=_sites(participants),
        versions=_versions(consented),
        withdrawals=_withdrawals(consented),
        agreed=sum(_values(participants, "agreed")),
        fates=_fates(participants),
    )


def _values(participants: pd.DataFrame, column: str) -> list[Any]:
    """The values of a column that only some study files ask for; none where it is not there."""
    return participants[column].tolist() if column in participants else []


def _sites(participants: pd.DataFrame) -> Counter[tuple[str, str]]:
    if "site" not in participants:
        return Counter()
    classes = participants["participant_class"].to_numpy()
    counted = {
        PARTICIPANTS: ~np.isin(classes, (LEFT_OUT, OUTSIDE)),
        CONSENTED: classes == CONSENTED,
        TAKING_PART: participants["taking_part"].to_numpy(),
        RECENT: participants["recent"].to_numpy(),
    }
    sites = participants["site"].to_numpy()
    found = {what: Counter(sites[chosen].tolist()) for what, chosen in counted.items()}
    return Counter({(site, what): n for what, by_site in found.items() for site, n in by_site.items()})


def _versions(consented: pd.DataFrame) -> Counter[str]:
    taking_part = consented[consented["taking_part"]] if "version" in consented else consented[:0]
    return Counter(_values(taking_part, "version"))


def _withdrawals(consented: pd.DataFrame) -> Counter[tuple[str, bool]]:
    withdrawn = consented[consented["withdrawn"]] if "withdrawn" in consented else consented[:0]
    return Counter(zip(_values(withdrawn, "extent"), _values(withdrawn, "undated"), strict=True))


def _fates(participants: pd.DataFrame) -> Counter[tuple[str, bool, bool]]:
    decided = participants[participants["fate"] != ""] if "fate" in participants else participants[:0]
    columns = ("fate", "since_approval", "ended_since")
    return Counter(zip(*(_values(decided, column) for column in columns), strict=True))


def ensure_raw_values(tally: Tally, path: Path) -> None:
    """Labels in place of codes, or dates as Excel writes them, would give a report in which nobody consented.

    Raises:
        SourceDataError: no decision and no date in the file is written as REDCap exports it.
    """
    unknown, unread = (tally.classes[NOT_COUNTED, reason] for reason in ("unknown_code", "unreadable_date"))
    consented, declined = tally.classes[CONSENTED, ""], tally.classes[DECLINED, ""]
    if not consented and (unread or (unknown and not declined)):  # a refusal needs no date, so it proves no date right
        raise unusable_file(
            path,
            "none of its decisions and dates is written as REDCap exports them",
            "Export it again as 'CSV (raw data)', with codes and not labels, and do not save it from Excel.",
        )
