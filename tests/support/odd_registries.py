"""Hypothesis strategies for registries with every known oddity of a REDCap export, as rows of text.

As in REDCap, a row holds only values of forms that can be on it; everything else is random.
"""

from collections.abc import Sequence

from hypothesis import strategies as st

from consent.counting.consents import Counting
from consent.redcap.arrivals import EVENT, GROUP, INSTANCE, INSTRUMENT, RECORD
from consent.studies.model import StudyConfig
from tests.support.builders import CONSENT, RIDER, a_column_map, a_counting, a_period, a_study

SERVER_ZONE = 'time_zone = "Pacific/Auckland"\n'
E_CONSENT = """
[[consent]]
date = "e_consent_timestamp"
decision = "e_choices(1)"
agreed = ["1"]
pending = ["0"]
form_complete = "e_consent_complete"
events = ["enrolment", "year_1"]
"""
MORE_RIDERS = """
[[riders]]
key = "rider b"
field = "rider_b(2)"
agreed = ["1"]
declined = ["0"]
[[riders]]
key = "rider c"
field = "rider_c"
agreed = ["1", "3"]
"""
EXCLUSIONS = """
[[leave_out]]
reason = "test record"
id_pattern = "T.*"
[[leave_out]]
reason = "moved"
field = "moved"
codes = ["1", "2"]
[only]
field = "cohort"
codes = ["ibd"]
"""

VERSIONED_RIDER = """
[[riders]]
key = "rider d"
field = "rider_a"
agreed = ["1"]
declined = ["0"]
offered_in = ["2.0", "3.0"]
"""
PARTS = """
[version]
field = "version"
accepted = ["2.0", "3.0"]
[withdrawal]
flag = "withdrawn"
codes = ["1", "2"]
date = "withdrawn_on"
extent = "extent"
ends = ["all", "gone"]
extent_labels = { contact = "No further contact", all = "No further use" }
[accrual]
target = 10
target_date = 2023-12-31
approved = 4
approval_date = 2023-09-13
"""
SITES = """
[sites]
by = "{by}"
[[sites.site]]
code = "north"
label = "Hospital in the north"
target = 3
[[sites.site]]
code = "south"
opened = 2023-09-11
"""
SELECTED = """
[[consent]]
date = "consent_date"
decision = "consent_obtained"
agreed = ["1"]
declined = ["2"]
pending = ["0"]
where = { which = ["main"] }
[[consent]]
date = "e_consent_timestamp"
agreed_when = "complete"
form_complete = "e_consent_complete"
[[consent]]
date = "consent_date"
agreed_when = "dated"
pending_text = ["Consent not completed"]
where = { which = ["paper", "old"] }
[[riders]]
key = "rider a"
field = ["rider_a", "rider_c"]
agreed = ["1"]
declined = ["0"]
[[riders]]
key = "rider b"
field = "consent_obtained"
agreed = ["1"]
declined = ["2"]
where = { which = ["extra"], "rider_b(2)" = ["1"] }
"""
WITHDRAWN_BY_DATE = """
[withdrawal]
date = "withdrawal_timestamp"
[sites]
by = "data_access_group"
[accrual]
approved = 3
"""

ODD = SERVER_ZONE + CONSENT + E_CONSENT + RIDER + MORE_RIDERS
PLAIN_STUDY = a_study()
ODD_STUDY = a_study(more=ODD + EXCLUSIONS, consents="", riders="")
FULL_STUDY = a_study(more=ODD + VERSIONED_RIDER + EXCLUSIONS + PARTS + SITES.format(by="site"), consents="", riders="")
GROUPED_STUDY = a_study(more=SERVER_ZONE + CONSENT + RIDER + WITHDRAWN_BY_DATE, consents="", riders="")
SELECTED_STUDY = a_study(more=SERVER_ZONE + SELECTED + PARTS, consents="", riders="")
COMPARABLE = (PLAIN_STUDY, ODD_STUDY, FULL_STUDY, FULL_STUDY, GROUPED_STUDY)
STUDIES = (*COMPARABLE, SELECTED_STUDY)

DAYS = ("2023-09-10", "2023-09-11", "2023-09-12", "2023-09-17", "2023-09-18", "2023-09-20", "2023-09-24", "2023-09-25")
LATE_DAYS = ("2023-09-30", "2023-10-01", "2023-10-02", "2023-10-05", "2023-10-06", "2203-09-12", "0203-09-12")
NO_DAYS = ("", "", "-99", "Consent not completed", "[not completed]", "12/09/2023", "2023-9-12", "2023-02-30", "soon")
WITH_TIMES = ("2023-09-12 09:30", "2023-09-11 00:00:00", "2023-09-17 23:59:59", "2023-09-12 99:99", "2023-09-12T")
TIMESTAMPS = (
    "",
    "[not completed]",
    "2023-09-11 02:00:00",  # in Auckland; the day before in Toronto
    "2023-09-11 23:30:00",
    "2023-09-18 10:00:00",
    "2023-09-18 20:00:00",
    "2023-09-24 02:30:00",  # an hour that Auckland's clocks skipped
    "2023-10-02 03:00:00",
    "2023-10-06 12:00:00",
)
RECORDS = ("1", "01", "1-1", "2", "10", "A b", "--1", "T1", "XT")
WORKING_COPIES = ("1--1", "T1--2")
ROW_NAMES = (
    ("", "", ""),
    ("enrolment", "", ""),
    ("enrolment", "consent", "1"),
    ("enrolment", "consent", "2"),
    ("enrolment", "consent", "10"),
    ("year_1", "", "3"),
    ("year_1", "consent", "4"),
    ("another", "", ""),
    ("other", "", ""),
)
VISIT_NAMES = (("enrolment", "visit", "21"), ("year_1", "visit", "22"), ("year_1", "visit", "23"))

_answers = st.sampled_from(("", "", "", "0", "0", "1", "1", "3", "-99") * 3 + ("7",))
_rider_answers = st.fixed_dictionaries(
    {"rider_a": _answers, "rider_b___2": st.sampled_from(("", "0", "1")), "rider_c": _answers}
)
_consent_values = st.fixed_dictionaries(
    {
        "consent_date": st.sampled_from(DAYS * 5 + LATE_DAYS + NO_DAYS + WITH_TIMES),
        "consent_obtained": st.sampled_from(("1", "1", "1", "1", "1", "2", "2", "", "0", "9", "-99")),
        "e_consent_timestamp": st.sampled_from(TIMESTAMPS),
        "e_choices___1": st.sampled_from(("", "0", "1", "1")),
        "e_consent_complete": st.sampled_from(("", "0", "1", "2", "2", "2")),
        "version": st.sampled_from(("", "1.0", "2.0", " 2.0 ", "3.0", "-99")),
        "cohort": st.sampled_from(("ibd",) * 6 + ("", "control")),
        "moved": st.sampled_from(("",) * 20 + ("0", "2")),
        "which": st.sampled_from(("main", "main", "main", "extra", "paper", "old", "")),
        "rider_a": _answers,
        "rider_b___2": st.sampled_from(("", "0", "1")),
        "rider_c": _answers,
    }
)
_withdrawals = st.fixed_dictionaries(
    {
        "withdrawn": st.sampled_from(("", "", "0", "1", "2", "-99")),
        "withdrawn_on": st.sampled_from(("", "", "", *DAYS, *LATE_DAYS, *NO_DAYS, *WITH_TIMES)),
        "withdrawal_timestamp": st.sampled_from(TIMESTAMPS),
        "extent": st.sampled_from(("", "", "contact", "all", "gone", "other", " all", "-99")),
    }
)
_sites = st.fixed_dictionaries({"site": st.sampled_from(("", "", "north", "south", "east", " north", "-99"))})
_others: st.SearchStrategy[dict[str, str]] = st.one_of(st.just({}), st.just({}), _withdrawals)
_nothing = st.just({"e_choices___1": "0", "e_consent_complete": "0", "cohort": "ibd"})  # an unopened form


def a_blank_row(record: str, name: tuple[str, str, str]) -> dict[str, str]:
    """A row without values."""
    values = ("consent_date", "consent_obtained", "e_consent_timestamp", "e_choices___1", "e_consent_complete")
    others = ("rider_a", "rider_b___2", "rider_c", "moved", "which", "cohort", "version", "site", "extent", "withdrawn")
    dates = ("withdrawn_on", "withdrawal_timestamp")
    structure = dict(zip((EVENT, INSTRUMENT, INSTANCE), name, strict=True))
    return {RECORD: record, **structure, **dict.fromkeys((*values, *others, *dates, GROUP), "")}


@st.composite
def odd_rows_of(draw: st.DrawFn, record: str) -> list[dict[str, str]]:
    """The rows of one record, without repeats."""
    consent_names = draw(st.lists(st.sampled_from(ROW_NAMES), min_size=1, max_size=4, unique=True))
    visit_names = draw(st.lists(st.sampled_from(VISIT_NAMES), max_size=2, unique=True))
    with_consent = [a_blank_row(record, name) | draw(_consent_values | _nothing) for name in consent_names]
    without = [a_blank_row(record, name) | draw(_rider_answers) for name in visit_names]
    group = draw(st.sampled_from(("", "north", "south", "east")))
    return [row | draw(_others) | draw(_sites) | {GROUP: group} for row in with_consent + without]


@st.composite
def odd_rows(draw: st.DrawFn) -> list[dict[str, str]]:
    """The rows of a small registry, grouped by record."""
    records = draw(st.lists(st.sampled_from(RECORDS + WORKING_COPIES), min_size=1, max_size=5, unique=True))
    rows = [row for record in records for row in draw(odd_rows_of(record))]
    has_copies = not {*WORKING_COPIES}.isdisjoint(records)  # which are no registry without another record
    return [*rows, a_blank_row("merged", ROW_NAMES[0])] if has_copies else rows


@st.composite
def odd_countings(draw: st.DrawFn, studies: Sequence[StudyConfig] = STUDIES) -> Counting:
    """A way to count them, with a random description of the project and a random cut-off."""
    study: StudyConfig = draw(st.sampled_from(studies))
    everyone = range(len(study.consents))
    forms = st.sampled_from([(*everyone,), *((n,) for n in everyone), ()])
    column_map = a_column_map(
        study,
        missing_codes=draw(st.sampled_from((frozenset(), frozenset({"-99"})))),
        event_order=draw(st.sampled_from(((), ("year_1", "enrolment"), ("enrolment", "year_1")))),
        separate_fields={
            rider.key: rider.fields if rider.where or draw(st.booleans()) else () for rider in study.riders
        },
        rider_events={one.key: frozenset({"year_1"}) for one in study.riders if not one.where and draw(st.booleans())},
        offered_by={
            rider.key: dict.fromkeys(draw(forms), () if rider.where else rider.fields) for rider in study.riders
        },
    )
    cutoff = draw(st.sampled_from(("2023-10-01", "2023-10-01", "2023-09-20", "2023-09-11")))
    return a_counting(study, a_period(cutoff, exported_on=draw(st.sampled_from((cutoff, "2023-10-05")))), column_map)
