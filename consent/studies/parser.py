"""A study file's text -> the study, or the list of all its problems.

Reads no file and no environment; whether REDCap really has these fields is asked in ``redcap/fit.py``.
"""

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from datetime import time

from consent.errors import StudyFileError
from consent.studies.model import (
    AccrualGoals,
    ConsentForm,
    DeliveryTarget,
    FieldRef,
    Guard,
    LeaveOut,
    ListedSite,
    Only,
    RedcapSource,
    Rider,
    Schedule,
    SiteRules,
    StudyConfig,
    VersionRules,
    WithdrawalRules,
)
from consent.studies.toml_reader import TomlTable


def parse_study(text: str, key: str) -> StudyConfig:
    """Read a study file's text; ``key`` is the short name that the file goes by.

    Raises:
        StudyFileError: with every problem in the file, each naming its key and what was expected.
    """
    heading = f"The study file of '{key}' cannot be used. Correct these and run again:"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError([f"not valid TOML: {error}"], heading) from None
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
        withdrawal=_withdrawal(table.table("withdrawal")) if table.has("withdrawal") else None,
        sites=_sites(table.table("sites")) if table.has("sites") else None,
        version=_version(table.table("version")) if table.has("version") else None,
        accrual=_accrual(table.table("accrual")) if table.has("accrual") else None,
        delivery=_delivery(table.table("delivery", optional=True)),
        guard=_guard(table.table("guard", optional=True)),
        schedule=_schedule(table.table("schedule", optional=True)),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    table.nothing_else()
    problems += _repeated("riders: key", (rider.key.casefold() for rider in study.riders))
    problems += _repeated("consent: decision and date", (f"{c.decision} on {c.date}" for c in study.consents))
    problems += _versions_unknown(study)
    if problems:
        raise StudyFileError(problems, heading)
    return study


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
        offered_in=table.texts("offered_in", at_least_one=True) if table.has("offered_in") else (),
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


def _withdrawal(table: TomlTable) -> WithdrawalRules:
    has_flag, has_extent = table.has("flag") or table.has("codes"), table.has("extent")
    if not has_flag and not table.has("date"):
        table.problem("flag", "expected flag and codes, or date, or both")
    rules = WithdrawalRules(
        flag=FieldRef(*table.field_ref("flag")) if has_flag else None,
        codes=table.texts("codes", at_least_one=True) if has_flag else (),
        date=table.field_name("date") if table.has("date") else None,
        extent=FieldRef(table.field_name("extent")) if has_extent else None,
        ends=table.texts("ends", at_least_one=True) if table.has("ends") else (),
        extent_labels=table.labels("extent_labels"),
    )
    if rules.flag and rules.flag.is_checkbox:
        table.only_codes("codes", rules.codes, {"1"}, "an unticked box is also a form that nobody opened")
    for key, given in (("ends", rules.ends), ("extent_labels", rules.extent_labels)):
        if given and not has_extent:
            table.problem(key, "expected only together with extent, the field whose codes these are")
    table.nothing_else()
    return rules


def _sites(table: TomlTable) -> SiteRules:
    by = table.field_name("by")
    listed = tuple(_site(entry) for entry in table.tables("site"))
    for code, n in Counter(site.code for site in listed).items():
        if n > 1:
            table.problem("site", f"the code '{code}' is used {n} times")
    table.nothing_else()
    return SiteRules(by=None if by == "data_access_group" else FieldRef(by), listed=listed)


def _site(table: TomlTable) -> ListedSite:
    code = table.text("code")
    site = ListedSite(
        code=code,
        label=table.label("label", default=code),
        target=table.number_of_people("target") if table.has("target") else None,
        opened=table.day("opened") if table.has("opened") else None,
    )
    table.nothing_else()
    return site


def _version(table: TomlTable) -> VersionRules:
    rules = VersionRules(field=FieldRef(table.field_name("field")), accepted=table.texts("accepted", at_least_one=True))
    table.apart(accepted=rules.accepted)
    table.nothing_else()
    return rules


def _accrual(table: TomlTable) -> AccrualGoals:
    goals = AccrualGoals(
        target=table.number_of_people("target") if table.has("target") else None,
        target_date=table.day("target_date") if table.has("target_date") else None,
        approved=table.number_of_people("approved") if table.has("approved") else None,
        approval_date=table.day("approval_date") if table.has("approval_date") else None,
    )
    if goals == AccrualGoals(None, None, None, None):
        table.problem("target", "expected target, approved or approval_date, or no [accrual] at all")
    if goals.target_date and not goals.target:
        table.problem("target_date", "expected only together with target")
    table.nothing_else()
    return goals


def _delivery(table: TomlTable) -> DeliveryTarget:
    target = DeliveryTarget(
        folder=table.folder("folder", default="/"),
        archive=table.yes_or_no("archive", default=True),
    )
    table.nothing_else()
    return target


def _guard(table: TomlTable) -> Guard:
    guard = Guard(max_drop=table.fraction("max_drop", default=0.02))
    table.nothing_else()
    return guard


def _schedule(table: TomlTable) -> Schedule:
    schedule = Schedule(not_before=table.time_of_day("not_before", default=time(7, 0)))
    table.nothing_else()
    return schedule


def _versions_unknown(study: StudyConfig) -> list[str]:
    """Which riders ask for the version of a form, where the file does not say in which field it is kept."""
    asking = [n for n, rider in enumerate(study.riders, 1) if rider.offered_in and not study.version]
    return [
        f"riders[{n}].offered_in: expected also [version], whose field says which version was signed" for n in asking
    ]


def _repeated(what: str, values: Iterable[str]) -> list[str]:
    return [f"{what} '{value}' is used {n} times" for value, n in Counter(values).items() if n > 1]
