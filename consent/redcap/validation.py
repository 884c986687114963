"""Whether a REDCap project has what a study file names, coded as it says.

Pure. Every disagreement is told at once: a field renamed, an option re-coded, an event gone.
"""

import difflib
from collections.abc import Iterable, Iterator

from consent.redcap.arrivals import RECORD
from consent.redcap.dictionary import COMPLETE, Project
from consent.studies.model import ConsentForm, FieldRef, Rider, StudyConfig, VersionRules, WithdrawalRules, named_fields

_ONE_ANSWER = ("sites.by", "version.field", "withdrawal.extent")


def find_mismatches(study: StudyConfig, project: Project) -> Iterator[str]:
    """Everything that the study file names and the project does not have, or codes differently; a sentence each."""
    for key, ref in named_fields(study):
        if why := _why_unusable(ref, key, project):
            yield f"{key}: {why}"
    for n, form in enumerate(study.consents, 1):
        yield from (f"consent[{n}].{why}" for why in _decision_problems(form, project))
        yield from (f"consent[{n}].{why}" for why in _form_problems(form, project))
        for event in form.events:
            if event not in project.events:
                known = ", ".join(project.events) or "none: the project is not longitudinal"
                yield f"consent[{n}].events: REDCap has no event '{event}' (events: {known})"
    for n, rider in enumerate(study.riders, 1):
        yield from (f"riders[{n}].{why}" for why in _rider_problems(rider, project))
    for n, rule in enumerate(study.leave_out, 1):
        yield from (f"leave_out[{n}].{why}" for why in dead_codes(rule.field, rule.codes, project))
    if study.only:
        yield from (f"only.{why}" for why in dead_codes(study.only.field, study.only.codes, project))
    if study.withdrawal:
        yield from (f"withdrawal.{why}" for why in _withdrawal_problems(study.withdrawal, project))
    if study.sites:
        codes = tuple(site.code for site in study.sites.listed)
        yield from (f"sites.site.{why}" for why in dead_codes(study.sites.by, codes, project, "code"))
    if study.version:
        yield from _version_problems(study, study.version, project)


def dead_codes(ref: FieldRef | None, codes: Iterable[str], project: Project, key: str = "codes") -> Iterator[str]:
    """A code that no option has any more would leave nobody out, or everybody outside."""
    live = project.options_of(ref) if ref else None
    for code in codes:
        if live is not None and code not in (*live, *project.missing_codes):
            yield f"{key}: '{ref}' has no option '{code}' (options now: {', '.join(live)})"


def _why_unusable(ref: FieldRef, key: str, project: Project) -> str | None:
    if key.endswith(".date") and project.is_timestamp(ref.field):
        return None
    if project.is_status(ref.field):
        return None if key.endswith("form_complete") else "a form's status cannot be used here; name a field"
    field = project.fields.get(ref.field)
    if field is None:
        near = difflib.get_close_matches(ref.field, project.fields, n=3)
        hint = f" Similar: {', '.join(near)}." if near else ""
        return f"REDCap has no field '{ref.field}' in this project; was it renamed or deleted?{hint}"
    if field.name == RECORD and field.name != project.record_id:
        return f"a field named '{RECORD}' cannot be told from the record id here; rename it in REDCap"
    if field.type in ("descriptive", "file"):
        return f"'{ref.field}' is a {field.type} field, which holds no answer that can be counted"
    if field.type == "checkbox" and key in _ONE_ANSWER:
        return f"'{ref.field}' is a checkbox, which may hold several answers at once; name a field that holds one"
    if field.type == "checkbox" and not ref.is_checkbox:
        choices = " or ".join(f"{ref.field}({code})" for code in field.options or ())
        return f"'{ref.field}' is a checkbox; name one option: {choices}"
    if ref.is_checkbox and field.type != "checkbox":
        return f"'{ref.field}' is not a checkbox, so write it without an option"
    if ref.is_checkbox and ref.code not in (field.options or ()):
        return f"the checkbox '{ref.field}' has no option '{ref.code}' (options: {', '.join(field.options or ())})"
    if ref.is_checkbox and ref not in project.checkbox_columns:
        return f"REDCap exports no column for '{ref}'; ask the REDCap administrator"
    return None


def _withdrawal_problems(rules: WithdrawalRules, project: Project) -> Iterator[str]:
    yield from dead_codes(rules.flag, rules.codes, project)
    yield from dead_codes(rules.extent, rules.ends, project, "ends")
    yield from dead_codes(rules.extent, rules.extent_labels, project, "extent_labels")
    if rules.date and (why := _why_no_date(rules.date, project)):
        yield f"date: {why}"
    live = project.options_of(rules.extent) if rules.extent and rules.ends else None
    for code in live or ():
        if code not in (*rules.ends, *rules.extent_labels):
            yield (
                f"extent: '{rules.extent}' has an option '{code}' that is under neither ends nor extent_labels; add it "
                "to ends if it ends taking part, and otherwise to extent_labels"
            )


def _version_problems(study: StudyConfig, rules: VersionRules, project: Project) -> Iterator[str]:
    yield from (f"version.{why}" for why in dead_codes(rules.field, rules.accepted, project, "accepted"))
    for n, rider in enumerate(study.riders, 1):
        dead = dead_codes(rules.field, rider.offered_in, project, "offered_in")
        yield from (f"riders[{n}].{why}" for why in dead)


def _decision_problems(form: ConsentForm, project: Project) -> Iterator[str]:
    live = project.options_of(form.decision)
    if live is None:
        return
    placed = {*form.agreed, *form.declined, *form.pending}
    for code in live:
        if code not in placed:
            yield (
                f"decision: '{form.decision}' has an option '{code}' that the study file puts under none of agreed, "
                "declined and pending; add it to the one it means"
            )
    if not set(form.agreed) & set(live):
        yield f"agreed: '{form.decision}' has none of these options any more (options now: {', '.join(live)})"


def _form_problems(form: ConsentForm, project: Project) -> Iterator[str]:
    status = f"{project.form_of(form.decision.field)}{COMPLETE}"
    if form.form_complete and form.form_complete != status:
        yield f"form_complete: '{form.form_complete}' is not the status of the decision's form; expected '{status}'"
    if why := _why_no_date(form.date, project):
        yield f"date: {why}"


def _why_no_date(name: str, project: Project) -> str | None:
    field = project.fields.get(name)
    if field and field.options is not None:
        return f"'{name}' is a {field.type} field, which holds no date"
    return None


def _rider_problems(rider: Rider, project: Project) -> Iterator[str]:
    live = project.options_of(rider.field)
    if live is None:
        return
    if not set(rider.agreed) & set(live):
        yield f"agreed: '{rider.field}' has none of these options any more (options now: {', '.join(live)})"
    recoded = set(live) - {*rider.agreed, *rider.declined}
    if rider.declined and recoded and not set(rider.declined) & set(live):
        yield f"declined: '{rider.field}' has none of these options any more (options now: {', '.join(live)})"
