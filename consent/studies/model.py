"""What to count in one study, and where, when and how carefully to report it: what a study file says, as frozen values.

Reads no file: ``study_file.py`` makes these values of one's text.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time

NOT_COMPLETED = "[not completed]"
"""What REDCap writes in place of the timestamp of a survey that was begun and never submitted."""


@dataclass(frozen=True)
class FieldRef:
    """A REDCap field, or one option of a checkbox field (written ``field(code)``)."""

    field: str
    code: str | None = None

    @property
    def is_checkbox(self) -> bool:
        """Whether this is one option of a checkbox."""
        return self.code is not None

    def __str__(self) -> str:
        return self.field if self.code is None else f"{self.field}({self.code})"


@dataclass(frozen=True)
class ConsentForm:
    """Where one consent form keeps its decision and date, and what the decision's codes mean."""

    date: str
    decision: FieldRef
    agreed: tuple[str, ...]
    declined: tuple[str, ...]
    pending: tuple[str, ...]
    pending_text: tuple[str, ...]
    events: tuple[str, ...]
    form_complete: str | None


@dataclass(frozen=True)
class Rider:
    """An optional consent: its name in the report, its field, and the codes that mean yes and no.

    ``offered_in`` are the form versions that have it; empty where every version does.
    """

    key: str
    label: str
    field: FieldRef
    agreed: tuple[str, ...]
    declined: tuple[str, ...]
    offered_in: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeaveOut:
    """Records to be counted apart: those with one of the codes, or whose id matches the whole pattern."""

    reason: str
    field: FieldRef | None
    codes: tuple[str, ...]
    id_pattern: str | None


@dataclass(frozen=True)
class Only:
    """Records to be counted; all others are outside the study."""

    field: FieldRef
    codes: tuple[str, ...]


@dataclass(frozen=True)
class WithdrawalRules:
    """Where REDCap keeps that somebody withdrew: a flag with codes, a date, or both; and how far (the extent).

    ``ends`` are the extents that end taking part, all of them where it is empty; ``extent_labels`` says in words what
    an extent's code means.
    """

    flag: FieldRef | None
    codes: tuple[str, ...]
    date: str | None
    extent: FieldRef | None
    ends: tuple[str, ...]
    extent_labels: Mapping[str, str]


@dataclass(frozen=True)
class ListedSite:
    """A site that the study file names: how many participants it is to bring, and since when it may."""

    code: str
    label: str
    target: int | None
    opened: date | None


@dataclass(frozen=True)
class SiteRules:
    """How participants are told apart by site: by a field, or (``by`` is None) by their data access group."""

    by: FieldRef | None
    listed: tuple[ListedSite, ...]

    @property
    def by_group(self) -> bool:
        """Whether sites are data access groups."""
        return self.by is None


@dataclass(frozen=True)
class VersionRules:
    """Where the version of the form that somebody signed is kept, and which versions need no re-consent."""

    field: FieldRef
    accepted: tuple[str, ...]


@dataclass(frozen=True)
class AccrualGoals:
    """How many participants are wanted, and by when; how many the ethics board approved, and when it last did."""

    target: int | None
    target_date: date | None
    approved: int | None
    approval_date: date | None


@dataclass(frozen=True)
class RedcapSource:
    """How to find the REDCap project: the names of the settings (never their values) and what to expect there."""

    url_setting: str
    token_setting: str
    project_id: int | None
    time_zone: str
    allow_http: bool


@dataclass(frozen=True)
class DeliveryTarget:
    """The folder that reports go to, and whether every delivered set is kept in its archive."""

    folder: str
    archive: bool


@dataclass(frozen=True)
class Guard:
    """How far a report may fall below the last one by itself: ``max_drop`` is a fraction of the last one's numbers."""

    max_drop: float


@dataclass(frozen=True)
class Schedule:
    """When a Monday's report is due: from ``not_before`` on, by the clocks of the study's time zone."""

    not_before: time


@dataclass(frozen=True)
class StudyConfig:
    """Everything one study file says; ``sha256`` is of its text, so that a report can name the rules it used."""

    key: str
    title: str
    start_date: date
    time_zone: str
    contact: str
    redcap: RedcapSource
    consents: tuple[ConsentForm, ...]
    riders: tuple[Rider, ...]
    leave_out: tuple[LeaveOut, ...]
    only: Only | None
    withdrawal: WithdrawalRules | None
    sites: SiteRules | None
    version: VersionRules | None
    accrual: AccrualGoals | None
    delivery: DeliveryTarget
    guard: Guard
    schedule: Schedule
    sha256: str


def named_fields(study: StudyConfig) -> Iterator[tuple[str, FieldRef]]:
    """Every field that a study file names, with the key that names it."""
    for n, form in enumerate(study.consents, 1):
        yield f"consent[{n}].date", FieldRef(form.date)
        yield f"consent[{n}].decision", form.decision
        if form.form_complete:
            yield f"consent[{n}].form_complete", FieldRef(form.form_complete)
    for n, rider in enumerate(study.riders, 1):
        yield f"riders[{n}].field", rider.field
    for n, rule in enumerate(study.leave_out, 1):
        if rule.field:
            yield f"leave_out[{n}].field", rule.field
    if study.only:
        yield "only.field", study.only.field
    if study.withdrawal:
        yield from _withdrawal_fields(study.withdrawal)
    if study.sites and study.sites.by:
        yield "sites.by", study.sites.by
    if study.version:
        yield "version.field", study.version.field


def _withdrawal_fields(rules: WithdrawalRules) -> Iterator[tuple[str, FieldRef]]:
    if rules.flag:
        yield "withdrawal.flag", rules.flag
    if rules.date:
        yield "withdrawal.date", FieldRef(rules.date)
    if rules.extent:
        yield "withdrawal.extent", rules.extent
