"""The contents of a study file as frozen values: what to count, and where and when to report it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time

NOTICES = ("delivered", "failed", "late")
"""The events of which a study may want notices."""

NOT_COMPLETED = "[not completed]"
"""REDCap's value of the timestamp of a survey that was started and not submitted."""


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
class RowFilter:
    """Selects the rows where a field has one of the codes."""

    field: FieldRef
    codes: tuple[str, ...]


@dataclass(frozen=True)
class ConsentForm:
    """A consent form: the fields of its decision and date, and the meaning of the decision's codes.

    agreed_when: ``dated`` or ``complete`` for a form without a decision: agreed once it has a date, or once its status
    is 2. ``decision`` is then the date field, and ``agreed`` holds this word. where: every filter must select the row.
    """

    date: str
    decision: FieldRef
    agreed: tuple[str, ...]
    declined: tuple[str, ...]
    pending: tuple[str, ...]
    pending_text: tuple[str, ...]
    events: tuple[str, ...]
    form_complete: str | None
    agreed_when: str = ""
    where: tuple[RowFilter, ...] = ()


@dataclass(frozen=True)
class Rider:
    """An optional consent (rider); several ``fields`` ask the same question on different forms.

    offered_in: the form versions that have it, empty for all of them. where: every filter must select the row.
    """

    key: str
    label: str
    fields: tuple[FieldRef, ...]
    agreed: tuple[str, ...]
    declined: tuple[str, ...]
    offered_in: tuple[str, ...] = ()
    where: tuple[RowFilter, ...] = ()


@dataclass(frozen=True)
class LeaveOut:
    """Records to count apart: those with one of the codes, or with an id that matches the whole pattern."""

    reason: str
    field: FieldRef | None
    codes: tuple[str, ...]
    id_pattern: str | None


@dataclass(frozen=True)
class WithdrawalRules:
    """The fields of a withdrawal: a flag with codes, a date, or both, and the extent.

    ``ends`` lists the extents that end participation, empty for all of them.
    """

    flag: FieldRef | None
    codes: tuple[str, ...]
    date: str | None
    extent: FieldRef | None
    ends: tuple[str, ...]
    extent_labels: Mapping[str, str]


@dataclass(frozen=True)
class ListedSite:
    """A site in the study file: its target number of participants, and the day it opened."""

    code: str
    label: str
    target: int | None
    opened: date | None


@dataclass(frozen=True)
class SiteRules:
    """The field of a participant's site; ``by`` is None if sites are data access groups."""

    by: FieldRef | None
    listed: tuple[ListedSite, ...]


@dataclass(frozen=True)
class VersionRules:
    """The field of the form version that was signed, and the versions that need no re-consent."""

    field: FieldRef
    accepted: tuple[str, ...]


@dataclass(frozen=True)
class AccrualGoals:
    """The target number of participants with its date, and the approved number with the last approval date."""

    target: int | None
    target_date: date | None
    approved: int | None
    approval_date: date | None


@dataclass(frozen=True)
class RedcapSource:
    """The REDCap project: the names of its settings, and what to expect there."""

    url_setting: str
    token_setting: str
    project_id: int | None
    time_zone: str
    allow_http: bool
    missing_codes: tuple[str, ...] = ()  # missing-data codes, beside those that REDCap reports
    double_data_entry: bool = True  # records named X--1 and X--2 are working copies, not participants


@dataclass(frozen=True)
class DeliveryTarget:
    """The folder of the reports, and whether its archive keeps every delivered set."""

    folder: str
    archive: bool


@dataclass(frozen=True)
class ShareableEdition:
    """The edition for people outside the team: the base of its rounding, and its folder."""

    base: int
    folder: str


@dataclass(frozen=True)
class StudyConfig:
    """A whole study file."""

    key: str
    title: str
    start_date: date
    time_zone: str
    contact: str
    redcap: RedcapSource
    consents: tuple[ConsentForm, ...]
    riders: tuple[Rider, ...]
    leave_out: tuple[LeaveOut, ...]
    only: RowFilter | None  # the records to count; all others are outside the study
    withdrawal: WithdrawalRules | None
    sites: SiteRules | None
    version: VersionRules | None
    accrual: AccrualGoals | None
    delivery: DeliveryTarget
    max_drop: float  # the largest drop since the last report that needs no acceptance, as a fraction of its numbers
    not_before: time  # on Monday, in the study's time zone: from then on a report is due
    sha256: str  # of the file's text; every report shows it
    notify: tuple[str, ...] = ()  # the events to send notices of
    shareable: ShareableEdition | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders that reports are delivered to, each once."""
        shared = [self.shareable.folder] if self.shareable else []
        return tuple(dict.fromkeys([self.delivery.folder, *shared]))


def named_fields(study: StudyConfig) -> Iterator[tuple[str, FieldRef]]:
    """Yield every field that the study file names, with its key there."""
    for n, form in enumerate(study.consents, 1):
        yield f"consent[{n}].date", FieldRef(form.date)
        if not form.agreed_when:
            yield f"consent[{n}].decision", form.decision
        if form.form_complete:
            yield f"consent[{n}].form_complete", FieldRef(form.form_complete)
        yield from ((f"consent[{n}].where", each.field) for each in form.where)
    for n, rider in enumerate(study.riders, 1):
        yield from ((f"riders[{n}].field", ref) for ref in rider.fields)
        yield from ((f"riders[{n}].where", each.field) for each in rider.where)
    optional = {f"leave_out[{n}].field": rule.field for n, rule in enumerate(study.leave_out, 1)}
    if study.only:
        optional["only.field"] = study.only.field
    if rules := study.withdrawal:
        day = FieldRef(rules.date) if rules.date else None
        optional |= {"withdrawal.flag": rules.flag, "withdrawal.date": day, "withdrawal.extent": rules.extent}
    if study.sites:
        optional["sites.by"] = study.sites.by
    if study.version:
        optional["version.field"] = study.version.field
    yield from ((key, ref) for key, ref in optional.items() if ref)
