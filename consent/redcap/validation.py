"""Compare the fields, events and option codes in a study file with a REDCap project."""

import difflib
from collections.abc import Iterable, Iterator

from consent.errors import Problem
from consent.redcap.arrivals import RECORD
from consent.redcap.dictionary import COMPLETE, TIMESTAMP, Project, ProjectField
from consent.studies.model import ConsentForm, FieldRef, Rider, RowFilter, StudyConfig, WithdrawalRules, named_fields

_SINGLE_ANSWER = ("sites.by", "version.field", "withdrawal.extent")
_NEW_CODE = "If the option was re-coded, correct the study file."


def find_mismatches(study: StudyConfig, project: Project) -> Iterator[Problem]:
    """Yield everything in the study file that the project does not have, codes differently or never has on one row."""
    unusable = [
        Problem(f"{key}: {problem.what}", problem.fix)
        for key, ref in named_fields(study)
        if (problem := _field_problem(ref, key, project))
    ]
    yield from unusable or _row_problems(study, project)
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


def forms_that_share_rows(study: StudyConfig, project: Project) -> set[str]:
    """Return the forms whose fields must stand on one row: those of the consents, their version and selected rows."""
    selecting = {f"riders[{n}].field" for n, rider in enumerate(study.riders, 1) if rider.where}
    named = (ref for key, ref in named_fields(study) if key.startswith(("consent[", "version.")) or key in selecting)
    filters = (each.field for rider in study.riders for each in rider.where)
    return {project.form_of(ref.field) for ref in (*named, *filters)}


def _row_problems(study: StudyConfig, project: Project) -> Iterator[Problem]:
    """Yield the fields that must stand on one row and never do, and those that no row holds."""
    for key, ref in named_fields(study):
        if not project.places_of(ref.field):
            what = f"{key}: the form '{project.form_of(ref.field)}' of '{ref}' is in no event."
            yield Problem(what, "In REDCap, assign the form to an event, or name another field.")
    rows_of_consents: set[tuple[str, str]] = set()
    for n, form in enumerate(study.consents, 1):
        rows = _shared_rows([form.decision.field, form.date, *(each.field.field for each in form.where)], project)
        if form.events:
            rows = {(event, repeated) for event, repeated in rows if event in form.events}
        if not rows and {*form.events} <= {*project.events} and project.places_of(form.decision.field):
            yield _apart(f"consent[{n}]", form, project)
        rows_of_consents |= rows
    for n, rider in enumerate(study.riders, 1):
        for ref in rider.fields if rider.where else ():
            if not _shared_rows([ref.field, *(each.field.field for each in rider.where)], project):
                what = f"riders[{n}].where: no row of the project holds '{ref}' and the fields of where."
                yield Problem(what, "Name fields of the same form.")
    if study.version and rows_of_consents:
        # A form that repeats holds its fields only; the others of its event stand once, on the row beside it.
        readable = rows_of_consents | {(event, "") for event, _ in rows_of_consents}
        if not readable & project.places_of(study.version.field.field):
            what = f"version.field: '{study.version.field}' is never on the row of a consent, nor beside it."
            yield Problem(what, "Name a field on the consent form, or on another form of the same event.")


def find_mixed_forms(study: StudyConfig, project: Project) -> Iterator[Problem]:
    """Yield the forms that repeat and may hold several consents, where the study file does not say which rows count."""
    named = {ref.field for _, ref in named_fields(study)}
    for n, consent in enumerate(study.consents, 1):
        form, repeating = project.form_of(consent.decision.field), project.repeating
        choices = [each for each in project.fields if each.form == form and each.type in ("dropdown", "radio")]
        others = [each.name for each in choices if each.name not in named]
        repeats = project.has_repeats if repeating is None else any(repeated == form for _, repeated in repeating)
        if others and repeats and not consent.where:
            yield Problem(
                f"consent[{n}]: a record may have several rows of the form '{form}', which has other choices: "
                f"{', '.join(others)}.",
                f'If one says which consent a row is, add where = {{ {others[0]} = ["..."] }} with its codes. If none '
                "does, list all codes of one.",
            )


def _shared_rows(names: Iterable[str], project: Project) -> set[tuple[str, str]]:
    return set(frozenset.intersection(*map(project.places_of, names)))


def _apart(key: str, form: ConsentForm, project: Project) -> Problem:
    fields = dict.fromkeys([form.decision.field, form.date, *(each.field.field for each in form.where)])
    where = f" of the events {', '.join(form.events)}" if form.events else ""
    on = ", ".join(f"{name} (form {project.form_of(name)})" for name in fields)
    return Problem(
        f"{key}: no row{where} holds all of these: {on}.",
        "They are on forms of different events, or on a form that repeats. Name fields of the same form.",
    )


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
    if live is not None and not form.agreed_when:
        known, fix = (*form.agreed, *form.declined, *form.pending), "Add it to agreed, declined or pending."
        yield from _find_new_codes(form.decision, known, live, f"{key}.decision", fix)
        yield from _ensure_live(form.decision, form.agreed, live, f"{key}.agreed")
    status = f"{project.form_of(form.decision.field)}{COMPLETE}"
    if form.form_complete and form.form_complete != status:
        what = f"{key}.form_complete: '{form.form_complete}' is not the status of the decision's form."
        yield Problem(what, f"Write '{status}'.")
    yield from _date_problems(form.date, f"{key}.date", project)
    yield from _filter_problems(form.where, f"{key}.where", project)
    for event in form.events:
        if event not in project.events:
            events = ", ".join(project.events) or "none, the project is not longitudinal"
            yield Problem(f"{key}.events: REDCap has no event '{event}'.", f"Events now: {events}.")


def _rider_problems(rider: Rider, key: str, project: Project) -> Iterator[Problem]:
    yield from _filter_problems(rider.where, f"{key}.where", project)
    for ref in rider.fields:
        live = project.options_of(ref)
        if live is None:
            continue
        yield from _ensure_live(ref, rider.agreed, live, f"{key}.agreed")
        if rider.declined and {*live} - {*rider.agreed, *rider.declined}:
            yield from _ensure_live(ref, rider.declined, live, f"{key}.declined")


def _filter_problems(filters: Iterable[RowFilter], key: str, project: Project) -> Iterator[Problem]:
    for each in filters:
        yield from find_dead_codes(each.field, each.codes, project, key)


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
