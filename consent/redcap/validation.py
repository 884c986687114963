"""Compare the fields, events and option codes in a study file with a REDCap project."""

import difflib
from collections.abc import Iterable, Iterator

from consent.errors import Problem
from consent.redcap.arrivals import RECORD
from consent.redcap.dictionary import COMPLETE, TIMESTAMP, Project, ProjectField
from consent.studies.model import ConsentForm, FieldRef, Rider, StudyConfig, WithdrawalRules, named_fields

_SINGLE_ANSWER = ("sites.by", "version.field", "withdrawal.extent")
_NEW_CODE = "If the option was re-coded, correct the study file."


def find_mismatches(study: StudyConfig, project: Project) -> Iterator[Problem]:
    """Yield everything in the study file that the project does not have, or codes differently."""
    for key, ref in named_fields(study):
        if problem := _field_problem(ref, key, project):
            yield Problem(f"{key}: {problem.what}", problem.fix)
    for n, form in enumerate(study.consents, 1):
        yield from _form_problems(form, f"consent[{n}]", project)
    for n, rider in enumerate(study.riders, 1):
        yield from _rider_problems(rider, f"riders[{n}]", project)
    for n, rule in enumerate(study.leave_out, 1):
        yield from find_dead_codes(rule.field, rule.codes, project, f"leave_out[{n}].codes")
    if study.only:
        yield from find_dead_codes(study.only.field, study.only.codes, project, "only.codes")
    if study.withdrawal:
        yield from _withdrawal_problems(study.withdrawal, project)
    if study.sites:
        codes = (site.code for site in study.sites.listed)
        yield from find_dead_codes(study.sites.by, codes, project, "sites.site.code")
    if study.version:
        yield from find_dead_codes(study.version.field, study.version.accepted, project, "version.accepted")
        for n, rider in enumerate(study.riders, 1):
            yield from find_dead_codes(study.version.field, rider.offered_in, project, f"riders[{n}].offered_in")


def find_dead_codes(ref: FieldRef | None, codes: Iterable[str], project: Project, key: str) -> Iterator[Problem]:
    """Yield the codes that no option has any more: a rule with such a code would match no record."""
    live = project.options_of(ref) if ref else None
    for code in codes:
        if live is not None and code not in (*live, *project.missing_codes):
            yield Problem(f"{key}: '{ref}' has no option '{code}' (options now: {', '.join(live)}).", _NEW_CODE)


def _field_problem(ref: FieldRef, key: str, project: Project) -> Problem | None:
    is_status = project.is_of_form(ref.field, COMPLETE)
    is_survey_date = key.endswith(".date") and project.is_of_form(ref.field, TIMESTAMP)
    if is_survey_date or (is_status and key.endswith("form_complete")):
        return None
    if is_status:
        return Problem("A form's status cannot be used here.", "Name a field.")
    field = project.field(ref.field)
    if field is None:
        similar = difflib.get_close_matches(ref.field, [each.name for each in project.fields], n=3)
        fix = "If it was renamed, write its new name." + (f" Similar: {', '.join(similar)}." if similar else "")
        return Problem(f"REDCap has no field '{ref.field}' in this project.", fix)
    if field.name == RECORD and field.name != project.record_id:
        what = f"A field named '{RECORD}' cannot be distinguished from the record id."
        return Problem(what, "Rename the field in REDCap.")
    if field.type in ("descriptive", "file"):
        return Problem(f"'{ref.field}' is a {field.type} field, which holds no answer.", "Name another field.")
    if field.type == "checkbox" and key in _SINGLE_ANSWER:
        return Problem(f"'{ref.field}' is a checkbox, which may hold several answers.", "Name a field with one answer.")
    if field.type == "checkbox" and not ref.is_checkbox:
        choices = " or ".join(f"{ref.field}({code})" for code in field.options or ())
        return Problem(f"'{ref.field}' is a checkbox.", f"Name one of its options: {choices}.")
    return _option_problem(ref, field, project) if ref.is_checkbox else None


def _option_problem(ref: FieldRef, field: ProjectField, project: Project) -> Problem | None:
    if field.type != "checkbox":
        return Problem(f"'{ref.field}' is not a checkbox.", "Write it without an option.")
    options = field.options or ()
    if ref.code not in options:
        return Problem(f"The checkbox '{ref.field}' has no option '{ref.code}'.", f"Options now: {', '.join(options)}.")
    if ref not in project.checkbox_columns:
        return Problem(f"REDCap exports no column for '{ref}'.", "Ask the REDCap administrator.")
    column = project.checkbox_columns[ref]
    if shared := [other for other, name in project.checkbox_columns.items() if name == column and other != ref]:
        what = f"REDCap exports '{ref}' and '{shared[0]}' as one column, {column}."
        return Problem(what, "Give one of these options another code in REDCap.")
    return None


def _form_problems(form: ConsentForm, key: str, project: Project) -> Iterator[Problem]:
    live = project.options_of(form.decision)
    if live is not None:
        known, fix = (*form.agreed, *form.declined, *form.pending), "Add it to agreed, declined or pending."
        yield from _find_new_codes(form.decision, known, live, f"{key}.decision", fix)
        yield from _ensure_live(form.decision, form.agreed, live, f"{key}.agreed")
    status = f"{project.form_of(form.decision.field)}{COMPLETE}"
    if form.form_complete and form.form_complete != status:
        what = f"{key}.form_complete: '{form.form_complete}' is not the status of the decision's form."
        yield Problem(what, f"Write '{status}'.")
    yield from _date_problems(form.date, f"{key}.date", project)
    for event in form.events:
        if event not in project.events:
            events = ", ".join(project.events) or "none, the project is not longitudinal"
            yield Problem(f"{key}.events: REDCap has no event '{event}'.", f"Events now: {events}.")


def _rider_problems(rider: Rider, key: str, project: Project) -> Iterator[Problem]:
    live = project.options_of(rider.field)
    if live is None:
        return
    yield from _ensure_live(rider.field, rider.agreed, live, f"{key}.agreed")
    if rider.declined and {*live} - {*rider.agreed, *rider.declined}:
        yield from _ensure_live(rider.field, rider.declined, live, f"{key}.declined")


def _withdrawal_problems(rules: WithdrawalRules, project: Project) -> Iterator[Problem]:
    yield from find_dead_codes(rules.flag, rules.codes, project, "withdrawal.codes")
    yield from find_dead_codes(rules.extent, rules.ends, project, "withdrawal.ends")
    yield from find_dead_codes(rules.extent, rules.extent_labels, project, "withdrawal.extent_labels")
    if rules.date:
        yield from _date_problems(rules.date, "withdrawal.date", project)
    if rules.extent and rules.ends:
        known, live = (*rules.ends, *rules.extent_labels), project.options_of(rules.extent) or ()
        fix = "Add it to ends if it ends participation, otherwise to extent_labels."
        yield from _find_new_codes(rules.extent, known, live, "withdrawal.extent", fix)


def _find_new_codes(
    ref: FieldRef, known: tuple[str, ...], live: tuple[str, ...], key: str, fix: str
) -> Iterator[Problem]:
    for code in live:
        if code not in known:
            yield Problem(f"{key}: '{ref}' has an option '{code}' that is not in the study file.", fix)


def _ensure_live(ref: FieldRef, codes: tuple[str, ...], live: tuple[str, ...], key: str) -> Iterator[Problem]:
    """Yield a problem if none of the codes is still an option."""
    if not {*codes} & {*live}:
        now = ", ".join(live)
        yield Problem(f"{key}: '{ref}' has none of these options any more (options now: {now}).", _NEW_CODE)


def _date_problems(name: str, key: str, project: Project) -> Iterator[Problem]:
    field = project.field(name)
    if field and field.options is not None:
        yield Problem(f"{key}: '{name}' is a {field.type} field, which holds no date.", "Name a date field.")
