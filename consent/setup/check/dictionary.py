"""Compares a study file with a live data dictionary: every field, event and option code, all at once.

Asks nothing; the rules are those that a run goes by (``redcap/fit.py``).
"""

from collections.abc import Iterator

from consent.redcap.dictionary import Project
from consent.redcap.fit import dead_codes, disagreements
from consent.setup.check.advice import as_sentence
from consent.setup.check.notes import Notes
from consent.study import FieldRef, StudyConfig, named_fields

_EITHER = "Correct the study file, or undo the change in REDCap."


def compare_with_dictionary(study: StudyConfig, project: Project, notes: Notes) -> bool:
    """Note every disagreement; whether there is none that stops a run."""
    problems = list(disagreements(study, project))
    for sentence in problems:
        what, _, advice = sentence.partition("; ")
        notes.problem(what, as_sentence(advice) or _EITHER)
    for key, ref, codes in _codes(study):
        if not any(problem.startswith(f"{key}:") for problem in problems):
            for sentence in dead_codes(ref, codes, project, key):  # a run goes on: older forms may still hold them
                notes.warning(sentence, "If it was re-coded, correct the study file; otherwise leave it.")
    if not problems:
        notes.ok(_agreement(study))
    _note_identifiers(study, project, notes)
    return not problems


def _agreement(study: StudyConfig) -> str:
    fields = {ref.field for _, ref in named_fields(study)}
    codes = sum(len(codes) for _, _, codes in _codes(study))
    events = dict.fromkeys(event for form in study.consents for event in form.events)
    parts = f"{len(fields)} fields, {codes} option codes" + (f", events: {', '.join(events)}" if events else "")
    return f"In REDCap as the study file says: {parts}"


def _codes(study: StudyConfig) -> Iterator[tuple[str, FieldRef, tuple[str, ...]]]:
    """Key, field and codes of every answer that means something."""
    for n, form in enumerate(study.consents, 1):
        yield f"consent[{n}].agreed", form.decision, form.agreed
        yield f"consent[{n}].declined", form.decision, form.declined
        yield f"consent[{n}].pending", form.decision, form.pending
    for n, rider in enumerate(study.riders, 1):
        yield f"riders[{n}].agreed", rider.field, rider.agreed
        yield f"riders[{n}].declined", rider.field, rider.declined


def _note_identifiers(study: StudyConfig, project: Project, notes: Notes) -> None:
    asked = dict.fromkeys([project.record_id, *(ref.field for _, ref in named_fields(study))])
    flagged = [name for name in asked if name in project.fields and project.fields[name].identifier]
    if flagged:
        notes.warning(
            f"Asked for, though REDCap flags them as identifiers: {', '.join(flagged)}",
            "Name other fields in the study file if there are any; the report itself holds counts alone.",
        )
    else:
        notes.ok("No field that is asked for is flagged as an identifier")
