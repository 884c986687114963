"""The text of a new study file, with the candidates for each part as comments.

The file is valid TOML. It lacks only what a person must fill in.
"""

import json
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from string import Template

from consent.cli.init.candidates import Candidate, Candidates
from consent.redcap.dictionary import COMPLETE, Project, plain_text

URL_SETTING, TOKEN_SETTING = "REDCAP_API_URL", "REDCAP_ACCESS_TOKEN"

_KEYS = {
    "dates": "date",
    "decisions": "decision",
    "versions": "field",
    "sites": "by",
    "withdrawal_flags": "flag",
    "withdrawal_dates": "date",
    "withdrawal_extents": "extent",
}
_WIDTH = 110
_MOST_CODES, _LONGEST_LABEL = 12, 80
_ONE_IS_YES = ("yes/no", "true/false", "checkbox option")  # kinds of field where REDCap itself means yes by 1
_TEMPLATE = Template("""\
$about
##
## 1. Fill in every line marked FILL IN.
## 2. A line with a single # is a candidate or an optional part. Remove the # where it is right, and delete the
##    other candidates. Likelier candidates come first; none is selected for you. Lines with ## explain.
## 3. `consent check` reports what is missing, and what differs from REDCap.

title      = ""    ## FILL IN: heading and file name of the report
start_date = ""    ## FILL IN without quotes, such as 2023-09-11: first day counted; weeks begin on its weekday
time_zone  = ""    ## FILL IN, such as "America/Toronto"
contact    = ""    ## FILL IN: whom to contact when a report is missing

[redcap]
url_setting   = "$url_setting"    ## names of settings, not their values
token_setting = "$token_setting"
$project_id    ## a token of another project is rejected
# time_zone = "America/Toronto"    ## of the REDCap server, for survey timestamps; default: the study's

## ---- Consent: one [[consent]] for each form; copy the whole part for a second one -------------------------
[[consent]]
## FILL IN the date of consent: uncomment one.
$dates

## FILL IN the decision: uncomment one, and put each of its codes into one of the three lists.
$decisions

agreed   = []    ## FILL IN, such as ["1"]
declined = []
pending  = []
$without_decision
# pending_text = ["Consent not completed"]    ## text in the date field while consent is open
$more_of_consent

## ---- Riders: optional consents, each a column of the report -----------------------------------------------
## Give each a short key, its column in the CSV. Readers see the label (default: the key). In a calculated field or
##    a checkbox, 0 may mean "not answered". List it under declined only if it means no.
$riders

## ---- Withdrawal (optional): a flag with its codes, a date, or both ----------------------------------------
# [withdrawal]
$withdrawal_flags
# codes = ["1"]    ## the codes of the flag that mean: withdrawn
$withdrawal_dates
## How far somebody withdrew, and which extents end participation:
$withdrawal_extents
# ends = []
# extent_labels = { 1 = "No further contact" }

## ---- Form version (optional): participants by version, and who must consent again -------------------------
# [version]
$versions
# accepted = []    ## with any other version, re-consent is due

## ---- Sites (optional): by data access group, or by a field ------------------------------------------------
# [sites]
# by = "data_access_group"
$sites
## Name sites only for labels and targets. Every other site is then among the records to review.
$site_list

## ---- Records left out, and recruitment goals (optional) ---------------------------------------------------
# [[leave_out]]
# reason = "test record"
# id_pattern = "TEST.*"    ## or: field = "is_test", codes = ["1"]

# [accrual]
# target = 1000
# target_date = 2027-12-31
# approved = 1200    ## by the ethics board; the report warns from 90 % of it

## ---- Delivery ---------------------------------------------------------------------------------------------
[delivery]
folder = "/"      ## in Dropbox
archive = true    ## keep every delivered report under Archive/

# [notify]        ## notices to the addresses in CONSENT_NOTIFY
# on = ["delivered", "failed", "late"]

# [shareable]     ## a one-page PDF for people outside the team, rounded, by quarter
# base = 5
# folder = "/"
""")


def study_text(project: Project, candidates: Mapping[str, Candidates]) -> str:
    """Return the text of a study file to complete, in the order of the packaged one."""
    number = f"REDCap project {project.project_id}, " if project.project_id else "the REDCap project "
    forms = f"{len(project.forms)} form{'' if len(project.forms) == 1 else 's'}"
    title = _toml(plain_text(project.title))
    blocks: dict[str, Iterable[str]] = {
        "about": _comment(f"Study file for {number}{title}: {len(project.fields)} fields on {forms}."),
        "project_id": [f"project_id = {project.project_id}" if project.project_id else "# project_id = 123"],
        "without_decision": _without_decision(candidates),
        "more_of_consent": _more_of_consent(project, candidates["decisions"]),
        "riders": _riders(candidates["riders"]),
        "site_list": _site_list(project.groups or (("hamilton", "Hamilton"),)),
        **{part: _choices(key, candidates[part]) for part, key in _KEYS.items()},
    }
    values = {name: "\n".join(lines) for name, lines in blocks.items()}
    return _TEMPLATE.substitute(values, url_setting=URL_SETTING, token_setting=TOKEN_SETTING)


def _without_decision(candidates: Mapping[str, Candidates]) -> Iterator[str]:
    """Offer a consent that is agreed by its date, and name the forms that need it."""
    decided = {one.form for one in candidates["decisions"].listed}
    undecided = dict.fromkeys(one.form for one in candidates["dates"].listed if one.form not in decided)
    if undecided:
        yield from _comment(
            f"Forms with a date and no yes/no: {', '.join(undecided)}. For such a form, in place of a "
            "decision and its codes:"
        )
    else:
        yield "## For a form with a date and no yes/no, in place of a decision and its codes:"
    yield '# agreed_when = "dated"    ## a date means agreed; "complete": the status under form_complete is 2'


def _more_of_consent(project: Project, decisions: Candidates) -> Iterator[str]:
    if decisions.listed:
        status = _toml(f"{decisions.listed[0].form}{COMPLETE}")
        yield f"# form_complete = {status}    ## without certification, an e-consent is pending"
    if project.events:
        yield f"# events = [{', '.join(map(_toml, project.events))}]    ## only rows of these events"
    repeating = {form for _, form in project.repeating or ()} & {one.form for one in decisions.listed}
    for field in project.fields:
        if field.form in repeating and field.type in ("dropdown", "radio"):
            yield f"# where = {{ {_toml(field.name)} = [] }}    ## one form for several consents: the codes of this one"
    if project.repeating:
        places = (" in ".join(filter(None, (form or "every form", event))) for event, form in sorted(project.repeating))
        yield from _comment(f"What repeats in this project: {', '.join(places)}.")


def _riders(riders: Candidates) -> Iterator[str]:
    for rider in riders.listed:
        name, agreed = _toml(rider.name), '"1"' if rider.kind in _ONE_IS_YES else ""
        yield from ("", *_description(rider), "# [[riders]]", f"# key      = {name}", f"# field    = {name}")
        yield from (f"# agreed   = [{agreed}]", "# declined = []")
        if label := _label(rider.label):
            yield f"# label    = {_toml(label)}"
    yield from _not_listed(riders)


def _site_list(groups: Iterable[tuple[str, str]]) -> Iterator[str]:
    for code, label in groups:
        shown = plain_text(label)[:_LONGEST_LABEL] or code
        yield from ("# [[sites.site]]", f"# code = {_toml(code)}", f"# label = {_toml(shown)}", "# target = 100")


def _choices(key: str, candidates: Candidates) -> Iterator[str]:
    """Yield each candidate as a line to uncomment, below its description."""
    for candidate in candidates.listed:
        yield from _description(candidate)
        yield f"# {key} = {_toml(candidate.name)}"
    yield from _not_listed(candidates)
    if not candidates.listed:
        yield f'# {key} = ""'


def _not_listed(candidates: Candidates) -> Iterable[str]:
    if candidates.more:
        fields = f"{candidates.more} field{'' if candidates.more == 1 else 's'} of a possible type"
        return _comment(f"Not listed: {fields}. See REDCap's Codebook.")
    return [] if candidates.listed else _comment("No field has a possible type.")


def _description(candidate: Candidate) -> Iterable[str]:
    codes = ", ".join(f"{_toml(code)} {_cut(text)}" for code, text in candidate.codes[:_MOST_CODES])
    more = len(candidate.codes) - _MOST_CODES
    listed = f": {codes}{f', and {more} more' if more > 0 else ''}" if codes else ""
    return _comment(f"{_cut(candidate.label) or 'no label'} ({candidate.kind}; form {candidate.form}){listed}")


def _cut(label: str) -> str:
    return textwrap.shorten(label, _LONGEST_LABEL, placeholder=" …")


def _label(text: str) -> str:
    """Return a field's label as a label of a study file, which starts with a letter or digit."""
    plain = re.sub(r"^[\W_]+", "", re.sub(r"^[(\[](.*?)[)\]]", r"\1", plain_text(text)))
    return _cut(plain) if " " in plain[:_LONGEST_LABEL] else plain[:_LONGEST_LABEL]


def _comment(text: str) -> list[str]:
    lines = textwrap.wrap(plain_text(text), _WIDTH - len("##    "), break_on_hyphens=False)
    return [f"##    {line}" if number else f"## {line}" for number, line in enumerate(lines)]


def _toml(text: str) -> str:
    """Return a basic string in one line of visible characters. https://toml.io/en/v1.0.0#string"""
    return '"' + "".join(mark if mark.isprintable() and mark not in '"\\' else _escape(mark) for mark in text) + '"'


def _escape(mark: str) -> str:
    if ord(mark) > 0xFFFF:
        return f"\\U{ord(mark):08x}"
    is_half = unicodedata.category(mark) == "Cs"  # half of a character, which TOML does not allow
    return "\\ufffd" if is_half else json.dumps(mark)[1:-1]
