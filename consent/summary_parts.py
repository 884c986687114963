"""The parts of a summary that only some study files ask for: sites, form versions, withdrawals.

Pure; recruitment is in ``recruitment.py``. Each is made of the same counts as the rest of the summary, so that its
numbers add up to the others'.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from consent.consents import CONSENTED
from consent.participants import TAKING_PART
from consent.study import ListedSite, SiteRules, VersionRules, WithdrawalRules
from consent.tally import PARTICIPANTS, RECENT, Tally

NO_SITE = "(no site)"


@dataclass(frozen=True)
class SiteCount:
    """One site: how many people are in it, consented and still taking part; a code of "" is "(no site)".

    recent: consents in the last four complete weeks.
    """

    code: str
    label: str
    target: int | None
    opened: date | None
    participants: int
    consented: int
    taking_part: int
    recent: int


@dataclass(frozen=True)
class Sites:
    """Every site, in the study file's order, then those it does not name, then "(no site)"; they add up to the total.

    by_present_group: sites are data access groups, as they are now and not as they were at the time of consent.
    """

    by_present_group: bool
    counts: tuple[SiteCount, ...]


@dataclass(frozen=True)
class VersionCount:
    """Participants taking part now whose latest agreed consent has this form version ("" where it is blank)."""

    version: str
    accepted: bool
    taking_part: int


@dataclass(frozen=True)
class Versions:
    """Form versions among those taking part now; a blank version stands on its own line and is not due."""

    accepted: tuple[str, ...]
    counts: tuple[VersionCount, ...]

    @property
    def reconsent_due(self) -> int:
        """Taking part now on a version that is no longer accepted."""
        return sum(count.taking_part for count in self.counts if count.version and not count.accepted)


@dataclass(frozen=True)
class Withdrawals:
    """Consented participants who have withdrawn by the cut-off, by extent; never subtracted from "ever consented".

    by_extent: by code of the extent field ("" where it is blank or there is none), with what each means to readers in
    ``labels``; ``ends`` are the extents that end taking part.
    """

    total: int
    by_extent: Mapping[str, int]
    labels: Mapping[str, str]
    ends: tuple[str, ...]
    undated: int

    def ends_taking_part(self, extent: str) -> bool:
        """Whether an extent ends taking part: all do that are blank, and every one where the study file names none."""
        return not extent or not self.ends or extent in self.ends


def count_sites(tally: Tally, rules: SiteRules) -> Sites:
    """The participants of each site."""
    listed = {site.code: site for site in rules.listed}
    others = sorted({code for code, _ in tally.sites} - {*listed, ""})
    unlisted = [ListedSite(code, code, None, None) for code in others]
    rows = [*rules.listed, *unlisted, ListedSite("", NO_SITE, None, None)]
    return Sites(rules.by_group, tuple(_site(site, tally) for site in rows))


def _site(site: ListedSite, tally: Tally) -> SiteCount:
    return SiteCount(
        code=site.code,
        label=site.label,
        target=site.target,
        opened=site.opened,
        participants=tally.sites[site.code, PARTICIPANTS],
        consented=tally.sites[site.code, CONSENTED],
        taking_part=tally.sites[site.code, TAKING_PART],
        recent=tally.sites[site.code, RECENT],
    )


def count_versions(tally: Tally, rules: VersionRules) -> Versions:
    """Those taking part now by form version: the accepted ones, then the others, then those without a version."""
    others = sorted({*tally.versions} - {*rules.accepted, ""})
    rows = [(version, version in rules.accepted) for version in (*rules.accepted, *others, "")]
    return Versions(
        rules.accepted, tuple(VersionCount(version, accepted, tally.versions[version]) for version, accepted in rows)
    )


def count_withdrawals(tally: Tally, rules: WithdrawalRules) -> Withdrawals:
    """Those who withdrew by extent: those that the study file names, then the others, then those that are blank."""
    extents = {extent for extent, _ in tally.withdrawals}
    named = dict.fromkeys((*rules.extent_labels, *rules.ends))
    blank = [""] if "" in extents else []
    order = [*named, *sorted(extents - {*named, ""}), *blank]
    return Withdrawals(
        total=tally.withdrawals.total(),
        by_extent={extent: tally.withdrawals[extent, True] + tally.withdrawals[extent, False] for extent in order},
        labels=rules.extent_labels,
        ends=rules.ends,
        undated=sum(n for (_, undated), n in tally.withdrawals.items() if undated),
    )
