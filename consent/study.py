"""What to count in one study: the study file, read into frozen values or into the list of all its problems.

Reads no file and no environment; whether REDCap really has these fields is asked in ``redcap/fit.py``.
"""

import hashlib
import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from consent.errors import ConfigurationError, StudyFileError
from consent.toml_table import TomlTable


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
    """An optional consent: its name in the report, its field, and the codes that mean yes and no."""

    key: str
    label: str
    field: FieldRef
    agreed: tuple[str, ...]
    declined: tuple[str, ...]


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
    delivery: DeliveryTarget
    sha256: str


def parse_study(text: str, key: str) -> StudyConfig:
    """Read a study file's text; ``key`` is the short name that the file goes by.

    Raises:
        StudyFileError: with every problem in the file, each naming its key and what was expected.
    """
    heading = f"The study file of '{key}' cannot be used. Correct these and run again:"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(heading, [f"not valid TOML: {error}"]) from None
    problems: list[str] = []
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", key):
        problems.append(f"the file's name, '{key}': expected lower-case letters, digits, - and _")
    table = TomlTable(document, "", problems)
    study = StudyConfig(
        key=key,
        title=table.legal_name("title"),
        start_date=table.day("start_date"),
        time_zone=table.zone("time_zone"),
        contact=table.text("contact"),
        redcap=_redcap(table.table("redcap"), document.get("time_zone")),
        consents=tuple(_consent(entry) for entry in table.tables("consent", at_least_one=True)),
        riders=tuple(_rider(entry) for entry in table.tables("riders")),
        leave_out=tuple(_leave_out(entry) for entry in table.tables("leave_out")),
        only=_only(table.table("only")) if table.has("only") else None,
        delivery=_delivery(table.table("delivery", optional=True)),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    table.nothing_else()
    problems += _repeated("riders: key", (rider.key.casefold() for rider in study.riders))
    problems += _repeated("consent: decision and date", (f"{c.decision} on {c.date}" for c in study.consents))
    if problems:
        raise StudyFileError(heading, problems)
    return study


def refuse_shared_names(studies: Iterable[StudyConfig]) -> None:
    """Make sure that no two studies would write files of the same names to the same folder.

    Raises:
        ConfigurationError: naming the studies that would overwrite each other.
    """
    by_place: dict[tuple[str, str], list[str]] = {}
    for study in studies:
        folder, title = _as_folders_see(study.delivery.folder), _as_folders_see(study.title)
        for stem in (title, f"{title}.manifest"):  # the manifest of one could be the JSON file of another
            by_place.setdefault((folder, stem), []).append(study.key)
    for keys in by_place.values():
        if len(keys) > 1:
            raise ConfigurationError(
                f"The studies {' and '.join(sorted(keys))} have the same title and folder (or all but the same) and "
                "would overwrite each other's reports. Give each its own title or its own delivery folder."
            )


def _as_folders_see(name: str) -> str:
    """A name without what Windows and Dropbox do not tell apart: case, and how an accent is stored."""
    return unicodedata.normalize("NFC", name).casefold()


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


def _redcap(table: TomlTable, study_zone: object) -> RedcapSource:
    source = RedcapSource(
        url_setting=table.setting_name("url_setting"),
        token_setting=table.setting_name("token_setting"),
        project_id=table.whole_number("project_id") if table.has("project_id") else None,
        time_zone=table.zone("time_zone") if table.has("time_zone") else str(study_zone),
        allow_http=table.yes_or_no("allow_http", default=False),
    )
    table.nothing_else()
    return source


def _consent(table: TomlTable) -> ConsentForm:
    form = ConsentForm(
        date=table.field_name("date"),
        decision=FieldRef(*table.field_ref("decision")),
        agreed=table.texts("agreed", at_least_one=True),
        declined=table.texts("declined"),
        pending=table.texts("pending"),
        pending_text=table.texts("pending_text"),
        events=table.texts("events"),
        form_complete=table.field_name("form_complete") if table.has("form_complete") else None,
    )
    table.apart(agreed=form.agreed, declined=form.declined, pending=form.pending)
    if form.decision.is_checkbox:
        table.only_codes("agreed", form.agreed, {"1"})
        table.only_codes("declined", form.declined, set(), "an unticked box is also a form that nobody opened")
        table.only_codes("pending", form.pending, {"0"})
    table.nothing_else()
    return form


def _rider(table: TomlTable) -> Rider:
    key = table.label("key")
    rider = Rider(
        key=key,
        label=table.label("label", default=key),
        field=FieldRef(*table.field_ref("field")),
        agreed=table.texts("agreed", at_least_one=True),
        declined=table.texts("declined"),
    )
    if key.casefold() in ("period", "consent"):
        table.problem("key", f"'{key}' is the name of another column of the report")
    table.apart(agreed=rider.agreed, declined=rider.declined)
    table.nothing_else()
    return rider


def _leave_out(table: TomlTable) -> LeaveOut:
    by_field, by_id = table.has("field") or table.has("codes"), table.has("id_pattern")
    if by_field == by_id:
        table.problem("field", "expected either field and codes, or id_pattern")
    rule = LeaveOut(
        reason=table.label("reason"),
        field=FieldRef(*table.field_ref("field")) if by_field else None,
        codes=table.texts("codes", at_least_one=True) if by_field else (),
        id_pattern=table.pattern("id_pattern") if by_id else None,
    )
    table.nothing_else()
    return rule


def _only(table: TomlTable) -> Only:
    only = Only(field=FieldRef(*table.field_ref("field")), codes=table.texts("codes", at_least_one=True))
    table.nothing_else()
    return only


def _delivery(table: TomlTable) -> DeliveryTarget:
    target = DeliveryTarget(
        folder=table.folder("folder", default="/"),
        archive=table.yes_or_no("archive", default=True),
    )
    table.nothing_else()
    return target


def _repeated(what: str, values: Iterable[str]) -> list[str]:
    return [f"{what} '{value}' is used {n} times" for value, n in Counter(values).items() if n > 1]
