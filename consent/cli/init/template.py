"""A project and its candidates -> the text of a study file that a person completes.

Pure. Whatever could be right stands there behind a single ``#``, to be uncommented; ``##`` explains. As written it is
no usable study file, and what is missing is exactly what a person must say.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator

from consent.cli.init.candidates import Candidate, Candidates, StudyCandidates
from consent.redcap.dictionary import COMPLETE, Project, plain_text

URL_SETTING, TOKEN_SETTING = "REDCAP_API_URL", "REDCAP_ACCESS_TOKEN"

_WIDTH = 110
_MOST_CODES, _LONGEST_LABEL = 12, 80


def study_text(project: Project, candidates: StudyCandidates) -> str:
    """The study file's text, in the order of the packaged one."""
    parts = (
        _head(project),
        _consent(project, candidates),
        _riders(candidates.riders),
        _withdrawal(candidates),
        _version(candidates.versions),
        _sites(project, candidates.sites),
        _apart_and_accrual(),
        _delivery(),
    )
    return "".join(f"{line}\n" for part in parts for line in part)


def _head(project: Project) -> Iterator[str]:
    number = f"REDCap project {project.project_id}, " if project.project_id else "the REDCap project "
    fields, forms = len(project.fields), len(project.forms)
    on_forms = f"{fields} fields on {forms} form{'' if forms == 1 else 's'}"
    yield from _explained(f"Study file for {number}{_toml(plain_text(project.title))}: {on_forms}.")
    yield "##"
    yield from _explained("1. Fill in every line marked FILL IN.")
    yield from _explained(
        "2. A line with a single # is a candidate, or an optional part: take the # away where it is right, and delete "
        "what is not wanted. The likelier candidates come first; nothing is chosen for you. Lines with ## explain."
    )
    yield from _explained("3. `consent check` says what is still missing, and whether REDCap has it so.")
    yield ""
    yield 'title      = ""    ## FILL IN: heading and stem of the files'
    yield 'start_date = ""    ## FILL IN without quotes, such as 2023-09-11: first day counted; weeks run from it'
    yield 'time_zone  = ""    ## FILL IN, such as "America/Toronto"'
    yield 'contact    = ""    ## FILL IN: whom to tell when a report is missing'
    yield ""
    yield "[redcap]"
    yield f'url_setting   = "{URL_SETTING}"    ## names of settings, never the values'
    yield f'token_setting = "{TOKEN_SETTING}"'
    mark = "" if project.project_id else "# "
    yield f"{mark}project_id = {project.project_id or 123}    ## refuse a token of any other project"
    yield '# time_zone = "America/Toronto"    ## of the REDCap server, for survey timestamps; default: the study\'s'


def _consent(project: Project, candidates: StudyCandidates) -> Iterator[str]:
    yield from _section("Consent: one [[consent]] for each form; copy the whole part for a second one")
    yield "[[consent]]"
    yield from _explained("FILL IN the date of consent: uncomment one.")
    yield from _choices("date", candidates.dates)
    yield ""
    yield from _explained("FILL IN the decision: uncomment one, and put each of its codes into one of the three lists.")
    yield from _choices("decision", candidates.decisions)
    yield ""
    yield 'agreed   = []    ## FILL IN, such as ["1"]'
    yield "declined = []"
    yield "pending  = []"
    yield '# pending_text = ["Consent not completed"]    ## text in the date field while consent is open'
    forms = dict.fromkeys(each.form for each in candidates.decisions.listed)
    if forms:
        status = f"{next(iter(forms))}{COMPLETE}"
        yield f'# form_complete = "{status}"    ## an e-consent that was never certified is pending'
    if project.forms_by_event:
        events = ", ".join(_toml(event) for event in project.forms_by_event)
        yield f"# events = [{events}]    ## only rows of these events"
    yield from _repeats(project)


def _repeats(project: Project) -> Iterator[str]:
    if project.repeating:
        places = (" in ".join(filter(None, (form or "every form", event))) for event, form in sorted(project.repeating))
        yield from _explained(f"What repeats in this project: {', '.join(places)}.")


def _riders(riders: Candidates) -> Iterator[str]:
    yield from _section("Riders: optional consents, each a column of the report")
    yield from _explained(
        "Give each a short key, its name in the report. In a calculated field or a checkbox 0 may mean 'not answered': "
        "list it under declined only if it means no."
    )
    for rider in riders.listed:
        yield ""
        yield from _described(rider)
        yield "# [[riders]]"
        yield f"# key      = {_toml(rider.name)}"
        yield f"# field    = {_toml(rider.name)}"
        yield f"# agreed   = [{_toml('1') if rider.is_yes_or_no else ''}]"
        yield "# declined = []"
    yield from _not_listed(riders)


def _withdrawal(candidates: StudyCandidates) -> Iterator[str]:
    yield from _section("Withdrawal (optional): a flag with its codes, a date, or both")
    yield "# [withdrawal]"
    yield from _choices("flag", candidates.withdrawal_flags)
    yield '# codes = ["1"]    ## the codes of the flag that mean: withdrawn'
    yield from _choices("date", candidates.withdrawal_dates)
    yield from _explained("How far somebody withdrew, and which extents end taking part:")
    yield from _choices("extent", candidates.withdrawal_extents)
    yield "# ends = []"
    yield '# extent_labels = { 1 = "No further contact" }'


def _version(versions: Candidates) -> Iterator[str]:
    yield from _section("Form version (optional): who takes part on which, and who is due to consent again")
    yield "# [version]"
    yield from _choices("field", versions)
    yield "# accepted = []    ## any other version means that a re-consent is due"


def _sites(project: Project, sites: Candidates) -> Iterator[str]:
    yield from _section("Sites (optional): by data access group, or by a field")
    yield "# [sites]"
    yield '# by = "data_access_group"'
    yield from _choices("by", sites)
    yield from _explained("Name sites only to give them labels and targets; then every other one is to be looked at.")
    for code, label in project.groups or (("hamilton", "Hamilton"),):
        yield "# [[sites.site]]"
        yield f"# code = {_toml(code)}"
        yield f"# label = {_toml(plain_text(label)[:_LONGEST_LABEL] or code)}"
        yield "# target = 100"


def _apart_and_accrual() -> Iterator[str]:
    yield from _section("Records counted apart, and recruitment goals (optional)")
    yield "# [[leave_out]]"
    yield '# reason = "test record"'
    yield '# id_pattern = "TEST.*"    ## or: field = "is_test", codes = ["1"]'
    yield ""
    yield "# [accrual]"
    yield "# target = 1000"
    yield "# target_date = 2027-12-31"
    yield "# approved = 1200    ## by the ethics board; the report warns from 90 % of it"


def _delivery() -> Iterator[str]:
    yield from _section("Delivery")
    yield "[delivery]"
    yield 'folder = "/"      ## in Dropbox'
    yield "archive = true    ## keep every delivered set under Archive/"


def _section(title: str) -> Iterator[str]:
    yield ""
    yield f"## ---- {title} {'-' * max(0, _WIDTH - len(title) - 9)}"


def _choices(key: str, candidates: Candidates) -> Iterator[str]:
    """Each candidate as a line to uncomment, under a line that says what it is."""
    for candidate in candidates.listed:
        yield from _described(candidate)
        yield f"# {key} = {_toml(candidate.name)}"
    yield from _not_listed(candidates)
    if not candidates.listed:
        yield f'# {key} = ""'


def _not_listed(candidates: Candidates) -> Iterator[str]:
    if candidates.more:
        others = f"{candidates.more} other field{'' if candidates.more == 1 else 's'}"
        known = f"And {others}" if candidates.listed else f"No field speaks of it; {others}"
        yield from _explained(f"{known} could be it by kind: see REDCap's Codebook.")
    elif not candidates.listed:
        yield from _explained("No field is of a kind that could be it.")


def _described(candidate: Candidate) -> Iterator[str]:
    label = _cut(candidate.label) or "no label"
    codes = ", ".join(f"{_toml(code)} {_cut(text)}" for code, text in candidate.codes[:_MOST_CODES])
    more = len(candidate.codes) - _MOST_CODES
    rest = f", and {more} more" if more > 0 else ""
    yield from _explained(f"{label} ({candidate.kind}; form {candidate.form}){': ' if codes else ''}{codes}{rest}")


def _cut(label: str) -> str:
    return textwrap.shorten(label, _LONGEST_LABEL, placeholder=" …") if len(label) > _LONGEST_LABEL else label


def _explained(text: str) -> Iterable[str]:
    return textwrap.wrap(
        plain_text(text), _WIDTH, initial_indent="## ", subsequent_indent="##    ", break_on_hyphens=False
    )


def _toml(text: str) -> str:
    """A basic string, whose escapes are those of JSON, and one more. https://toml.io/en/v1.0.0#string"""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
