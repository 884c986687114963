"""Tests of the study file: its values and defaults, every problem reported at once, and no secret repeated."""

import csv
import io
import re
from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import consent.studies
from consent.errors import Problem, StudyFileError
from consent.reports.data_files import render_csv
from consent.studies.model import (
    AccrualGoals,
    DeliveryTarget,
    FieldRef,
    Guard,
    ListedSite,
    Schedule,
    SiteRules,
    StudyConfig,
    WithdrawalRules,
)
from consent.studies.parser import parse_study
from tests.support.builders import CONSENT, RIDER, STUDY, a_counting, a_study, summary_of

OBRI = Path(next(iter(consent.studies.__path__))) / "obri-ibd.toml"
USUAL = STUDY + CONSENT + RIDER
VERSION = '[version]\nfield = "form_version"\naccepted = ["2.0"]\n'
FIVE_MISTAKES = """
title = "CON"
start_date = "2023-09-11"
time_zone = "Ontario"
colour = "blue"
[redcap]
url_setting = "REDCAP_API_URL"
token_setting = "REDCAP_ACCESS_TOKEN"
project = 12
[[consent]]
date = "consent date"
decision = "consent_obtained"
agreed = [1]
[[riders]]
key = "rider a"
field = "extras("
agreed = []
"""
TOKEN = "9A81268476645C4E5F03428B8AC3AA7B"
URL = "https://redcap.example.org/api/"


def problems_of(text: str) -> tuple[Problem, ...]:
    """Every problem that is reported about this study file."""
    with pytest.raises(StudyFileError) as caught:
        parse_study(text, "a-study")
    return caught.value.problems


def keys_of(text: str) -> list[str]:
    """The keys that the problems name, in the order in which they are reported."""
    return [problem.what.partition(":")[0] for problem in problems_of(text)]


def with_line(line: str, instead_of: str, text: str = USUAL) -> str:
    """The usual study file with one line changed."""
    assert instead_of in text
    return text.replace(instead_of, line, 1)


# Values and defaults


def test_the_packaged_study_counts_consents_and_eight_riders() -> None:
    study = parse_study(OBRI.read_text(encoding="utf-8"), OBRI.stem)

    assert [rider.key for rider in study.riders] == [f"rider {letter}" for letter in "abcdefgh"]


def test_the_packaged_study_begins_on_the_registrys_first_day() -> None:
    assert parse_study(OBRI.read_text(encoding="utf-8"), OBRI.stem).start_date == date(2023, 9, 11)


def test_a_study_without_riders_is_a_study() -> None:
    assert parse_study(STUDY + CONSENT, "a-study").riders == ()


def test_a_study_without_delivery_goes_to_the_root_with_an_archive() -> None:
    assert a_study().delivery == DeliveryTarget(folder="/", archive=True)


def test_a_riders_label_is_its_key_by_default() -> None:
    assert a_study().riders[0].label == "rider a"


def test_the_redcap_servers_zone_is_the_studys_by_default() -> None:
    assert a_study().redcap.time_zone == "America/Toronto"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("consent_obtained", FieldRef("consent_obtained")),
        ("choices(1)", FieldRef("choices", "1")),
        ("choices(k>=9)", FieldRef("choices", "k>=9")),
    ],
)
def test_a_riders_field_may_be_one_option_of_a_checkbox(written: str, meant: FieldRef) -> None:
    assert parse_study(with_line(f'field = "{written}"', 'field = "rider_a"'), "a-study").riders[0].field == meant


@pytest.mark.parametrize(("written", "meant"), [("/", "/"), ("/Reports/Weekly/", "/Reports/Weekly")])
def test_a_folder_loses_the_slash_at_its_end(written: str, meant: str) -> None:
    assert a_study(more=f'[delivery]\nfolder = "{written}"').delivery.folder == meant


def test_a_report_may_drop_by_two_per_cent_by_default() -> None:
    assert a_study().guard == Guard(max_drop=0.02)


@pytest.mark.parametrize(("written", "meant"), [("0", 0.0), ("0.999", 0.999)])
def test_a_study_sets_how_far_its_report_may_drop(written: str, meant: float) -> None:
    assert a_study(more=f"[guard]\nmax_drop = {written}").guard.max_drop == meant


def test_a_report_is_due_at_seven_by_default() -> None:
    assert a_study().schedule == Schedule(not_before=time(7, 0))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("00:00", time(0, 0)), ("19:05", time(19, 5)), ("23:59", time(23, 59))],
)
def test_a_study_sets_when_its_report_is_due(written: str, meant: time) -> None:
    assert a_study(more=f"[schedule]\nnot_before = '{written}'").schedule.not_before == meant


def test_the_comments_of_the_packaged_study_show_the_defaults() -> None:
    text = OBRI.read_text(encoding="utf-8")
    commented = re.sub(r"(?m)^# (\[guard\]|\[schedule\]|max_drop|not_before)", r"\1", text)

    said, usual = parse_study(commented, OBRI.stem), parse_study(text, OBRI.stem)

    assert (said.guard, said.schedule, commented != text) == (usual.guard, usual.schedule, True)


def test_optional_tables_are_absent_by_default() -> None:
    study = a_study()

    assert (study.withdrawal, study.sites, study.version, study.accrual) == (None, None, None, None)


def test_a_study_describes_withdrawals() -> None:
    study = a_study(
        more='[withdrawal]\nflag = "left"\ncodes = ["1"]\ndate = "left_on"\nextent = "how_far"\nends = ["9"]\n'
        'extent_labels = { 1 = "No contact", 9 = "No use" }\n'
    )

    assert study.withdrawal == WithdrawalRules(
        flag=FieldRef("left"),
        codes=("1",),
        date="left_on",
        extent=FieldRef("how_far"),
        ends=("9",),
        extent_labels={"1": "No contact", "9": "No use"},
    )


def test_a_site_is_labelled_by_its_code_by_default() -> None:
    study = a_study(more='[sites]\nby = "site"\n[[sites.site]]\ncode = "n"\n')

    assert study.sites == SiteRules(FieldRef("site"), (ListedSite("n", "n", None, None),))


def test_sites_may_be_data_access_groups() -> None:
    study = a_study(more='[sites]\nby = "data_access_group"\n')

    assert study.sites == SiteRules(by=None, listed=())


def test_a_rider_is_offered_in_every_version_by_default() -> None:
    study = a_study(riders=RIDER + RIDER.replace("rider a", "rider b") + 'offered_in = ["2.0"]\n', more=VERSION)

    assert [rider.offered_in for rider in study.riders] == [(), ("2.0",)]


def test_a_study_has_accrual_goals() -> None:
    study = a_study(more="[accrual]\ntarget = 900\ntarget_date = 2027-01-31\napproved = 1_000\n")

    assert study.accrual == AccrualGoals(900, date(2027, 1, 31), 1000, None)


def test_the_commented_examples_of_the_packaged_study_are_valid() -> None:
    text = OBRI.read_text(encoding="utf-8")
    commented = re.sub(r"(?m)^# ((\[|\w+ *= ).*)", r"\1", text)

    study = parse_study(commented, OBRI.stem)

    assert None not in (study.only, study.withdrawal, study.sites, study.version, study.accrual)


@pytest.mark.parametrize("title", ["Étude 2 (Québec)", "1.5 years", "Console"])
def test_a_title_that_every_system_can_store_is_accepted(title: str) -> None:
    assert parse_study(with_line(f'title = "{title}"', 'title = "OBRI Consent Summary"'), "a-study").title == title


# Every problem at once


def test_every_problem_is_reported_at_once_by_its_key() -> None:
    assert sorted(keys_of(FIVE_MISTAKES)) == [
        "colour",
        "consent[1].agreed",
        "consent[1].date",
        "contact",
        "redcap.project",
        "riders[1].agreed",
        "riders[1].field",
        "start_date",
        "time_zone",
        "title",
    ]


def test_an_empty_file_lacks_everything_that_is_needed() -> None:
    missing = ["title", "start_date", "time_zone", "contact", "redcap"]

    assert keys_of("") == [*missing, "redcap.url_setting", "redcap.token_setting", "consent"]


def test_invalid_toml_is_reported_with_its_line() -> None:
    (problem,) = problems_of("title = OBRI")

    assert problem.what.startswith("The file is not valid TOML: ")
    assert "line 1" in problem.what


@pytest.mark.parametrize("key", ["A-Study", "", "../a", "-a"])
def test_the_files_name_has_only_plain_characters(key: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        parse_study(USUAL, key)
    assert [problem.what for problem in caught.value.problems] == [f"'{key}' is not a usable name for a study file."]


@pytest.mark.parametrize(
    ("line", "instead_of", "key"),
    [
        ("title = 5", 'title = "OBRI Consent Summary"', "title"),
        ('title = "  "', 'title = "OBRI Consent Summary"', "title"),
        (f'title = "{"long " * 17}"', 'title = "OBRI Consent Summary"', "title"),
        ('start_date = "2023-09-11"', "start_date = 2023-09-11", "start_date"),
        ("start_date = 2023-09-11T10:00:00", "start_date = 2023-09-11", "start_date"),
        ('time_zone = "../America/Toronto"', 'time_zone = "America/Toronto"', "time_zone"),
        ("contact = []", 'contact = "registry office"', "contact"),
        ('[redcap]\nproject_id = "14"', "[redcap]", "redcap.project_id"),
        ("[redcap]\nproject_id = true", "[redcap]", "redcap.project_id"),
        ('[redcap]\nallow_http = "yes"', "[redcap]", "redcap.allow_http"),
        ('[redcap]\ntime_zone = "Home"', "[redcap]", "redcap.time_zone"),
        ('date = "Consent Date"', 'date = "consent_date"', "consent[1].date"),
        ('decision = "choices()"', 'decision = "consent_obtained"', "consent[1].decision"),
        ('decision = "choices___1 "\nform_complete = "A"', 'decision = "consent_obtained"', "consent[1].form_complete"),
        ("agreed = []", 'agreed = ["1"]', "consent[1].agreed"),
        ("agreed = [1]", 'agreed = ["1"]', "consent[1].agreed"),
        ('agreed = [" "]', 'agreed = ["1"]', "consent[1].agreed"),
        ('agreed = ["1", "2"]', 'agreed = ["1"]', "consent[1].agreed / declined / pending"),
        ('agreed = ["1", "1 "]', 'agreed = ["1"]', "consent[1].agreed / declined / pending"),
        ('decision = "choices(1)"', 'decision = "consent_obtained"', "consent[1].declined"),
        ('key = "period"', 'key = "rider a"', "riders[1].key"),
        ('key = "rider a"\nlabel = "=1+1"', 'key = "rider a"', "riders[1].label"),
        ('agreed = ["0"]\ndeclined = ["0"]', 'agreed = ["1"]\ndeclined = ["0"]', "riders[1].agreed / declined"),
    ],
)
def test_each_problem_names_its_key(line: str, instead_of: str, key: str) -> None:
    assert keys_of(with_line(line, instead_of)) == [key]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[withdrawals]\ndate = 'withdrawn_on'", "withdrawals"),
        ("[withdrawal]\ndate = 'withdrawn_on'\nreason = 'why'", "withdrawal.reason"),
        ("[sites]\nby = 'site'\nfield = 'site'", "sites.field"),
        ("[sites]\nby = 'site'\n[[sites.site]]\ncode = '1'\nname = 'North'", "sites.site[1].name"),
        ("[version]\nfield = 'version'\naccepted = ['2']\ncurrent = '2'", "version.current"),
        ("[accrual]\ntarget = 100\nceiling = 120", "accrual.ceiling"),
        ("[guard]\nmax_rise = 0.02", "guard.max_rise"),
        ("[schedule]\nnot_after = '07:00'", "schedule.not_after"),
        (RIDER.replace("rider a", "rider b") + "offered = ['2.0']", "riders[2].offered"),
        (CONSENT.replace("consent_date", "other_date") + "version = '2'", "consent[2].version"),
        ("[delivery]\npath = '/'", "delivery.path"),
        ("[only]\nfield = 'cohort'\ncodes = ['a']\ncode = 'a'", "only.code"),
        ("[[leave_out]]\nreason = 'test'\nid_pattern = 'T.*'\npattern = 'T'", "leave_out[1].pattern"),
    ],
)
def test_an_unknown_key_is_a_problem(more: str, key: str) -> None:
    (problem,) = problems_of(USUAL + more)

    assert problem.what == f"{key}: not a known key."


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[[leave_out]]\nreason = 'test'", "leave_out[1].field"),
        ("[[leave_out]]\nreason = 'test'\nfield = 'moved'", "leave_out[1].codes"),
        ("[[leave_out]]\nreason = 'test'\ncodes = ['1']", "leave_out[1].field"),
        ("[[leave_out]]\nreason = 'test'\nfield = 'a'\ncodes = ['1']\nid_pattern = 'T'", "leave_out[1].field"),
        ("[[leave_out]]\nid_pattern = 'T'", "leave_out[1].reason"),
        ("[[leave_out]]\nreason = 'test'\nid_pattern = '(T'", "leave_out[1].id_pattern"),
        ("[[leave_out]]\nreason = 'test'\nid_pattern = 'T{99999999999999999999}'", "leave_out[1].id_pattern"),
        ("[only]\nfield = 'cohort'\ncodes = []", "only.codes"),
        ("[delivery]\nfolder = 'Reports'", "delivery.folder"),
        ("[delivery]\nfolder = '/a//b'", "delivery.folder"),
        ("[delivery]\nfolder = '/a/NUL/b'", "delivery.folder"),
        ("[delivery]\nfolder = '/what?'", "delivery.folder"),
        ("[delivery]\narchive = 'yes'", "delivery.archive"),
        ("[[guard]]\nmax_drop = 0.02", "guard"),
        ("[guard]\nmax_drop = true", "guard.max_drop"),
        ("[guard]\nmax_drop = 1.0", "guard.max_drop"),
        ("[guard]\nmax_drop = -0.01", "guard.max_drop"),
        ("[guard]\nmax_drop = nan", "guard.max_drop"),
        ("[schedule]\nnot_before = 7", "schedule.not_before"),
        ("[schedule]\nnot_before = '7:00'", "schedule.not_before"),
        ("[schedule]\nnot_before = '24:00'", "schedule.not_before"),
        ("[schedule]\nnot_before = '٠٧:٠٠'", "schedule.not_before"),
        ("[withdrawal]", "withdrawal.flag"),
        ("[withdrawal]\nflag = 'withdrawn'", "withdrawal.codes"),
        ("[withdrawal]\ncodes = ['1']", "withdrawal.flag"),
        ("[withdrawal]\nflag = 'withdrawn(1)'\ncodes = ['0']", "withdrawal.codes"),
        ("[withdrawal]\ndate = 'withdrawn_on'\nends = ['1']", "withdrawal.ends"),
        ("[withdrawal]\ndate = 'withdrawn_on'\nextent_labels = { 1 = 'All' }", "withdrawal.extent_labels"),
        ("[withdrawal]\ndate = 'withdrawn_on'\nextent = 'extent'\nends = []", "withdrawal.ends"),
        ("[withdrawal]\ndate = 'd'\nextent = 'e'\nextent_labels = { 1 = '=1+1' }", "withdrawal.extent_labels.1"),
        ("[withdrawal]\ndate = 'd'\nextent = 'e'\nextent_labels = ['1']", "withdrawal.extent_labels"),
        ("[sites]\n[[sites.site]]\ncode = '1'", "sites.by"),
        ("[sites]\nby = 'site'\n[[sites.site]]\ncode = '1'\nlabel = '=1+1'", "sites.site[1].label"),
        ("[sites]\nby = 'site'\n[[sites.site]]\ncode = '1'\ntarget = 0", "sites.site[1].target"),
        ("[sites]\nby = 'site'" + 2 * "\n[[sites.site]]\ncode = '1'", "sites.site"),
        ("[version]\nfield = 'version'", "version.accepted"),
        ("[version]\nfield = 'version'\naccepted = ['2', '2']", "version.accepted"),
        ("[accrual]", "accrual.target"),
        ("[accrual]\ntarget = -1", "accrual.target"),
        ("[accrual]\ntarget = true", "accrual.target"),
        ("[accrual]\ntarget_date = 2026-01-01", "accrual.target_date"),
        ("[accrual]\napproval_date = '1 May'", "accrual.approval_date"),
        (RIDER.replace("rider a", "rider b") + "offered_in = ['2.0']", "riders[2].offered_in"),
        (RIDER.replace("rider a", "rider b") + "offered_in = []\n" + VERSION, "riders[2].offered_in"),
        (RIDER, "riders"),
        (RIDER.replace("rider a", "Rider A"), "riders"),
        (CONSENT, "consent"),
    ],
)
def test_each_problem_of_the_optional_parts_names_its_key(more: str, key: str) -> None:
    assert set(keys_of(USUAL + more)) == {key}


def test_an_unknown_time_zone_is_one_problem() -> None:
    assert keys_of(with_line('time_zone = "Ontario"', 'time_zone = "America/Toronto"')) == ["time_zone"]


def test_an_unticked_box_cannot_mean_declined() -> None:
    box = CONSENT.replace("consent_obtained", "choices(1)").replace('["0"]', "[]").replace('["2"]', '["0"]')

    assert keys_of(STUDY + box) == ["consent[1].declined"]


# Names that every system can store


@pytest.mark.parametrize(
    "title",
    ["a/b", "a.", "CON", "nul", "lpt9.report", "desktop.ini", "a\\tb", "a\\u200Bb", "-a", "=a", "@a", "+a", ".a"],
)
def test_a_title_that_some_system_cannot_store_is_a_problem(title: str) -> None:
    assert set(keys_of(with_line(f'title = "{title}"', 'title = "OBRI Consent Summary"'))) == {"title"}


# Secrets in the wrong place


@pytest.mark.parametrize("setting", ["url_setting", "token_setting"])
@pytest.mark.parametrize(
    "value",
    [
        TOKEN,
        TOKEN.lower(),
        f" {TOKEN} ",
        "ZK3XQP7VRM2LTY8WHC5N",
        "ABC_ZK3XQP7VRM2LTY8WHC5NBJ_DEF",
        "sl.u.AFgH_1x-Kq",
        URL,
    ],
)
def test_a_secret_in_place_of_a_settings_name_is_not_repeated(setting: str, value: str) -> None:
    names = {"url_setting": "REDCAP_API_URL", "token_setting": "REDCAP_ACCESS_TOKEN"}
    text = with_line(f'{setting} = "{value}"', f'{setting} = "{names[setting]}"')

    with pytest.raises(StudyFileError) as caught:
        parse_study(text, "a-study")

    assert [problem.what.partition(":")[0] for problem in caught.value.problems] == [f"redcap.{setting}"]
    assert value.strip() not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("name", ["redcap_access_token", "_TOKEN", "2ND_TOKEN", "A" + 13 * "_TOKEN"])
def test_a_name_that_no_setting_can_have_is_a_problem(name: str) -> None:
    text = with_line(f'token_setting = "{name}"', 'token_setting = "REDCAP_ACCESS_TOKEN"')

    assert keys_of(text) == ["redcap.token_setting"]


@pytest.mark.parametrize("name", ["T", "REDCAP_TOKEN_2", "NINETEENLETTERSLONG_TOKEN"])
def test_a_name_in_capitals_is_a_settings_name(name: str) -> None:
    text = with_line(f'token_setting = "{name}"', 'token_setting = "REDCAP_ACCESS_TOKEN"')

    assert parse_study(text, "a-study").redcap.token_setting == name


@pytest.mark.parametrize(
    "line", [f"token_setting = {TOKEN}", f"token_setting = '{TOKEN}", f"token_setting = ['{TOKEN}']"]
)
def test_a_token_without_quotes_is_not_repeated(line: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        parse_study(with_line(line, 'token_setting = "REDCAP_ACCESS_TOKEN"'), "a-study")

    assert TOKEN not in f"{caught.value} {caught.value!r}"


def test_a_token_under_an_unknown_key_is_not_repeated() -> None:
    (problem,) = problems_of(with_line(f'[redcap]\ntoken = "{TOKEN}"', "[redcap]"))

    assert TOKEN not in str(problem)


# No text of a study can become a formula


_starts = st.sampled_from(["", "=", "+", "-", "@", "\t", "\r", "=1+", "a\n=", "'=", '"=', "\u200b=", "A", "é", "1"])
_names = st.builds(str.__add__, _starts, st.text(st.characters(codec="ascii") | st.characters(), max_size=4))


def the_csv_cells(study: StudyConfig) -> list[str]:
    table = render_csv(summary_of({"record": "1"} | dict.fromkeys(COLUMNS, ""), counting=a_counting(study))).content
    return [cell for line in csv.reader(io.StringIO(table.decode(), newline="")) for cell in line]


COLUMNS = ("consent_date", "consent_obtained", "rider_a", "rider_b")


def parsed_or_rejected(key: str, label: str) -> StudyConfig:
    """The usual study with a second rider of this name, where it is one."""
    second = RIDER.replace('"rider a"', quoted(key)).replace("rider_a", "rider_b") + f"label = {quoted(label)}\n"
    try:
        return parse_study(USUAL + second, "a-study")
    except StudyFileError:
        reject()


def quoted(text: str) -> str:
    """The text as TOML writes it, every character by its number."""
    return '"' + "".join(f"\\U{ord(letter):08X}" for letter in text) + '"'


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.filter_too_much])
@given(key=_names, label=_names)
def test_no_cell_of_the_csv_can_become_a_formula(key: str, label: str) -> None:
    cells = the_csv_cells(parsed_or_rejected(key, label))

    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


# The fingerprint of the rules


def stored(path: Path, text: str, line_end: str) -> str:
    """The text as it comes back from a file with these line ends."""
    path.write_text(text, encoding="utf-8", newline=line_end)
    return path.read_text(encoding="utf-8")


def test_line_ends_do_not_change_the_fingerprint(tmp_path: Path) -> None:
    unix, windows = (stored(tmp_path / "a-study.toml", USUAL, line_end) for line_end in ("\n", "\r\n"))

    assert parse_study(windows, "a-study").sha256 == parse_study(unix, "a-study").sha256


def test_another_rule_changes_the_fingerprint() -> None:
    assert parse_study(with_line('agreed = ["1", "3"]', 'agreed = ["1"]'), "a-study").sha256 != a_study().sha256
