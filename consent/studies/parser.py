"""Parse the text of a study file: return the study, or raise one error with every problem in the file.

Whether REDCap has these fields and codes is checked in ``redcap/validation.py``.
"""

import hashlib
import re
import tomllib
from datetime import time

from consent.errors import Problem, StudyFileError
from consent.studies import model
from consent.studies.toml_reader import TomlTable


def parse_study(text: str, key: str) -> model.StudyConfig:
    """Parse a study file.

    key: the study's short name: the file's name without ``.toml``.
    Raises StudyFileError with every problem, each naming its key.
    """
    heading = f"The study file of '{key}' cannot be used:"
    problems: list[Problem] = []
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem(f"The file is not valid TOML: {error}.", "Correct that line."))
    except (ValueError, RecursionError):
        problems.append(Problem("A number is too long, or brackets are nested too deeply.", "Correct the file."))
    if problems:
        raise StudyFileError(problems, heading)
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", key):
        fix = "Rename it: use lower-case letters, digits, - and _ before .toml."
        problems.append(Problem(f"'{key}' is not a usable name for a study file.", fix))
    study = _study(TomlTable(document, "", problems), key, hashlib.sha256(text.encode()).hexdigest())
    if problems:
        raise StudyFileError(problems, heading)
    return study


def _study(table: TomlTable, key: str, sha256: str) -> model.StudyConfig:
    study = model.StudyConfig(
        key=key,
        title=table.file_name("title"),
        start_date=table.day("start_date"),
        time_zone=(time_zone := table.zone("time_zone")),
        contact=table.text("contact"),
        redcap=_redcap(table.table("redcap"), time_zone),
        consents=tuple(map(_consent, table.tables("consent", at_least_one=True))),
        riders=tuple(map(_rider, table.tables("riders"))),
        leave_out=tuple(map(_leave_out, table.tables("leave_out"))),
        only=model.RowFilter(*_coded_field(table.table("only"))) if table.has("only") else None,
        withdrawal=_withdrawal(table.table("withdrawal")) if table.has("withdrawal") else None,
        sites=_sites(table.table("sites")) if table.has("sites") else None,
        version=_version(table.table("version")) if table.has("version") else None,
        accrual=_accrual(table.table("accrual")) if table.has("accrual") else None,
        delivery=_delivery(table.table("delivery", default={})),
        max_drop=table.table("guard", default={}).fraction("max_drop", default=0.02),
        not_before=table.table("schedule", default={}).time_of_day("not_before", default=time(7, 0)),
        sha256=sha256,
        notify=_notify(table.table("notify")) if table.has("notify") else (),
        shareable=_shareable(table.table("shareable")) if table.has("shareable") else None,
    )
    table.ensure_distinct(riders=tuple(rider.key.casefold() for rider in study.riders))
    if wrong := sorted({*study.redcap.missing_codes} & {code for form in study.consents for code in form.agreed}):
        fix = "Remove it here or there: a missing-data code is no answer."
        table.add_problem("redcap.missing_codes", f"'{wrong[0]}' also means agreed", fix)
    table.ensure_distinct(consent=tuple(map(_identity, study.consents)))
    for n, rider in enumerate(study.riders, 1):
        if rider.offered_in and not study.version:
            fix = "Add [version]: its field holds the version that was signed."
            table.add_problem(f"riders[{n}].offered_in", "there is no [version]", fix)
    table.report_unknown_keys()
    return study


def _redcap(table: TomlTable, study_zone: str) -> model.RedcapSource:
    return model.RedcapSource(
        url_setting=table.setting_name("url_setting"),
        token_setting=table.setting_name("token_setting"),
        project_id=table.optional(table.positive_number, "project_id"),
        time_zone=table.optional(table.zone, "time_zone") or study_zone,
        allow_http=table.boolean("allow_http", default=False),
        missing_codes=table.texts("missing_codes"),
        double_data_entry=table.boolean("double_data_entry", default=True),
    )


def _consent(table: TomlTable) -> model.ConsentForm:
    agreed_when = table.one_of("agreed_when", ("dated", "complete")) if table.has("agreed_when") else ""
    form = model.ConsentForm(
        date=(date := table.field_name("date")),
        decision=model.FieldRef(date) if agreed_when else model.FieldRef(*table.field_ref("decision")),
        agreed=(codes := table.texts("agreed", at_least_one=not agreed_when)) or (agreed_when,),
        declined=table.texts("declined"),
        pending=table.texts("pending"),
        pending_text=table.texts("pending_text"),
        events=table.texts("events"),
        form_complete=table.optional(table.field_name, "form_complete"),
        agreed_when=agreed_when,
        where=_where(table),
    )
    if agreed_when and (table.has("decision") or codes or form.declined or form.pending):
        fix = "Remove it, or remove decision and the codes of agreed, declined and pending."
        table.add_problem("agreed_when", "it takes the place of a decision, and there is one", fix)
    if agreed_when == "complete" and not form.form_complete:
        fix = 'Name the status of the form, such as form_complete = "consent_complete".'
        table.add_problem("agreed_when", "there is no form_complete", fix)
    table.ensure_distinct(agreed=form.agreed, declined=form.declined, pending=form.pending)
    if form.decision.is_checkbox:
        table.ensure_checkbox_codes("agreed", form.agreed, "1")
        table.ensure_checkbox_codes("declined", form.declined)
        table.ensure_checkbox_codes("pending", form.pending, "0")
    return form


def _identity(form: model.ConsentForm) -> str:
    """Return what tells a consent form from the others of a study."""
    rows = "".join(f" where {each.field} is {' or '.join(each.codes)}" for each in form.where)
    return f"{form.decision} on {form.date}{rows}"


def _where(table: TomlTable) -> tuple[model.RowFilter, ...]:
    filters = tuple(model.RowFilter(model.FieldRef(*ref), codes) for ref, codes in table.codes_by_field("where"))
    for each in filters:
        if each.field.is_checkbox:
            table.ensure_checkbox_codes("where", each.codes, "1")
    return filters


def _rider(table: TomlTable) -> model.Rider:
    key = table.label("key")
    rider = model.Rider(
        key=key,
        label=table.label("label", default=key),
        fields=tuple(model.FieldRef(*ref) for ref in table.field_refs("field")),
        agreed=table.texts("agreed", at_least_one=True),
        declined=table.texts("declined"),
        offered_in=table.texts("offered_in", at_least_one=True) if table.has("offered_in") else (),
        where=_where(table),
    )
    if key.casefold() in ("period", "consent"):
        table.add_problem("key", f"'{key}' is the name of another column in the report", "Choose another key.")
    table.ensure_distinct(agreed=rider.agreed, declined=rider.declined)
    return rider


def _leave_out(table: TomlTable) -> model.LeaveOut:
    by_field, by_id = table.has("field") or table.has("codes"), table.has("id_pattern")
    if by_field == by_id:
        table.add_problem("field", "the rule needs one way to find records", "Give field and codes, or id_pattern.")
    field, codes = _coded_field(table) if by_field else (None, ())
    return model.LeaveOut(table.label("reason"), field, codes, table.pattern("id_pattern") if by_id else None)


def _coded_field(table: TomlTable, key: str = "field") -> tuple[model.FieldRef, tuple[str, ...]]:
    return model.FieldRef(*table.field_ref(key)), table.texts("codes", at_least_one=True)


def _withdrawal(table: TomlTable) -> model.WithdrawalRules:
    has_flag = table.has("flag") or table.has("codes")
    if not has_flag and not table.has("date"):
        table.add_problem("flag", "the rule has no field", "Give flag and codes, or date, or both.")
    flag, codes = _coded_field(table, "flag") if has_flag else (None, ())
    rules = model.WithdrawalRules(
        flag=flag,
        codes=codes,
        date=table.optional(table.field_name, "date"),
        extent=model.FieldRef(table.field_name("extent")) if table.has("extent") else None,
        ends=table.texts("ends", at_least_one=True) if table.has("ends") else (),
        extent_labels=table.labels("extent_labels"),
    )
    if rules.flag and rules.flag.is_checkbox:
        table.ensure_checkbox_codes("codes", rules.codes, "1")
    for key, given in (("ends", rules.ends), ("extent_labels", rules.extent_labels)):
        if given and not rules.extent:
            table.add_problem(key, "there is no extent", "Name the field with these codes under extent.")
    return rules


def _sites(table: TomlTable) -> model.SiteRules:
    by = table.field_name("by")
    listed = tuple(map(_site, table.tables("site")))
    table.ensure_distinct(site=tuple(site.code for site in listed))
    return model.SiteRules(by=None if by == "data_access_group" else model.FieldRef(by), listed=listed)


def _site(table: TomlTable) -> model.ListedSite:
    code = table.text("code")
    return model.ListedSite(
        code=code,
        label=table.label("label", default=code),
        target=table.optional(table.positive_number, "target"),
        opened=table.optional(table.day, "opened"),
    )


def _version(table: TomlTable) -> model.VersionRules:
    rules = model.VersionRules(
        field=model.FieldRef(table.field_name("field")), accepted=table.texts("accepted", at_least_one=True)
    )
    table.ensure_distinct(accepted=rules.accepted)
    return rules


def _accrual(table: TomlTable) -> model.AccrualGoals:
    goals = model.AccrualGoals(
        target=table.optional(table.positive_number, "target"),
        target_date=table.optional(table.day, "target_date"),
        approved=table.optional(table.positive_number, "approved"),
        approval_date=table.optional(table.day, "approval_date"),
    )
    if goals == model.AccrualGoals(None, None, None, None):
        table.add_problem("target", "the table is empty", "Give target, approved or approval_date, or leave it out.")
    if goals.target_date and not goals.target:
        table.add_problem("target_date", "there is no target", "Give target as well.")
    return goals


def _notify(table: TomlTable) -> tuple[str, ...]:
    events = table.texts("on", at_least_one=True) if table.has("on") else model.NOTICES
    table.ensure_distinct(on=events)
    for event in (event for event in events if event not in model.NOTICES):
        table.add_problem("on", f"'{event}' is no event", f"Use one or more of: {', '.join(model.NOTICES)}.")
    return events


def _shareable(table: TomlTable) -> model.ShareableEdition:
    base = table.positive_number("base", default=5, least=5, most=100)  # a smaller one can give counts away
    return model.ShareableEdition(base, table.folder("folder", default="/"))


def _delivery(table: TomlTable) -> model.DeliveryTarget:
    return model.DeliveryTarget(
        folder=table.folder("folder", default="/"), archive=table.boolean("archive", default=True)
    )
