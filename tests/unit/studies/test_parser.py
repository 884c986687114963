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
    ListedSite,
    RowFilter,
    ShareableEdition,
    SiteRules,
    StudyConfig,
    WithdrawalRules,
)
from consent.studies.parser import parse_study
from tests.support.builders import CONSENT, RIDER, STUDY, a_counting, a_study, summary_of

OBRI = (Path(next(iter(consent.studies.__path__))) / "obri-ibd.toml").read_text(encoding="utf-8")
USUAL = STUDY + CONSENT + RIDER
RIDER_B = RIDER.replace("rider a", "rider b").replace('"rider_a"', "'rider_b'")
DATED = "[[consent]]\ndate = 'signed_on'\nagreed_when = 'dated'\n"
VERSION = '[version]\nfield = "form_version"\naccepted = ["2.0"]\n'
TOKEN = "9A81268476645C4E5F03428B8AC3AA7B"


def problems_of(text: str, key: str = "a-study") -> tuple[Problem, ...]:
    """Every problem that is reported about this study file."""
    with pytest.raises(StudyFileError) as caught:
        parse_study(text, key)
    return caught.value.problems


def keys_of(text: str) -> list[str]:
    """The keys that the problems name, in the order in which they are reported."""
    return [problem.what.partition(":")[0] for problem in problems_of(text)]


def with_value(key: str, value: str, text: str = USUAL) -> str:
    """The usual study file with another value, at the first place of a key."""
    changed, n = re.subn(rf"(?m)^{key} = .*", lambda _: f"{key} = {value}", text, count=1)
    assert n == 1
    return changed


# Values and defaults


def test_the_packaged_study_has_eight_riders_and_the_registrys_first_day() -> None:
    study = parse_study(OBRI, "obri-ibd")
    assert [rider.key for rider in study.riders] == [f"rider {letter}" for letter in "abcdefgh"]
    assert study.start_date == date(2023, 9, 11)


def test_the_commented_examples_of_the_packaged_study_are_valid_and_show_the_defaults() -> None:
    study = parse_study(re.sub(r"(?m)^# ((\[|\w+ *= ).*)", r"\1", OBRI), "obri-ibd")
    assert None not in (study.only, study.withdrawal, study.sites, study.version, study.accrual)
    assert (study.max_drop, study.not_before) == (a_study().max_drop, a_study().not_before)
    assert study.shareable == a_study(more="[shareable]").shareable


@pytest.mark.parametrize(
    ("more", "edition"),
    [
        ("", None),
        ("[shareable]", ShareableEdition(5, "/")),
        ("[shareable]\nbase = 10\nfolder = '/For others/'", ShareableEdition(10, "/For others")),
    ],
)
def test_a_shareable_edition_is_made_on_request(more: str, edition: ShareableEdition | None) -> None:
    assert a_study(more=more).shareable == edition


def test_every_folder_of_a_study_is_listed_once() -> None:
    assert a_study(more="[shareable]").folders == ("/",)
    assert a_study(more="[shareable]\nfolder = '/Others'").folders == ("/", "/Others")


def test_defaults() -> None:
    study = a_study()

    assert study.delivery == DeliveryTarget(folder="/", archive=True)
    assert study.max_drop == 0.02
    assert study.not_before == time(7, 0)
    assert study.riders[0].label == "rider a"
    assert study.redcap.time_zone == "America/Toronto"
    assert (study.withdrawal, study.sites, study.version, study.accrual) == (None, None, None, None)


def test_a_form_without_a_decision_is_agreed_by_its_date_or_status() -> None:
    status = DATED.replace("dated", "complete").replace("signed_on", "other_on") + "form_complete = 'icf_complete'\n"
    dated, complete = a_study(consents=DATED + status).consents
    assert (dated.agreed_when, dated.decision, dated.agreed) == ("dated", FieldRef("signed_on"), ("dated",))
    assert (complete.agreed_when, complete.agreed) == ("complete", ("complete",))


def test_one_form_may_hold_several_consents() -> None:
    both = CONSENT + "where = { which = ['1'], 'kinds(a)' = ['1'] }\n" + CONSENT + "where = { which = ['2'] }\n"
    study = a_study(consents=both)
    assert study.consents[0].where == (RowFilter(FieldRef("which"), ("1",)), RowFilter(FieldRef("kinds", "a"), ("1",)))


def test_a_rider_may_be_asked_on_several_forms() -> None:
    study = a_study(riders=with_value("field", "['q_en', 'q_fr(1)']", RIDER))
    assert study.riders[0].fields == (FieldRef("q_en"), FieldRef("q_fr", "1"))


def test_riders_are_optional() -> None:
    assert parse_study(STUDY + CONSENT, "a-study").riders == ()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("rider_a", FieldRef("rider_a")),
        ("choices(-99)", FieldRef("choices", "-99")),
        ("choices(k>=9)", FieldRef("choices", "k>=9")),
    ],
)
def test_a_field_may_be_one_option_of_a_checkbox(written: str, meant: FieldRef) -> None:
    assert a_study(riders=with_value("field", f'"{written}"', RIDER)).riders[0].fields == (meant,)


@pytest.mark.parametrize(("written", "meant"), [("/", "/"), ("/Reports/Weekly/", "/Reports/Weekly")])
def test_a_folder_loses_the_slash_at_its_end(written: str, meant: str) -> None:
    assert a_study(more=f'[delivery]\nfolder = "{written}"').delivery.folder == meant


@pytest.mark.parametrize(("written", "meant"), [("0", 0.0), ("0.999", 0.999)])
def test_a_study_sets_how_far_its_report_may_drop(written: str, meant: float) -> None:
    assert a_study(more=f"[guard]\nmax_drop = {written}").max_drop == meant


@pytest.mark.parametrize(("written", "meant"), [("00:00", time(0, 0)), ("19:05", time(19, 5)), ("23:59", time(23, 59))])
def test_a_study_sets_when_its_report_is_due(written: str, meant: time) -> None:
    assert a_study(more=f"[schedule]\nnot_before = '{written}'").not_before == meant


def test_a_study_describes_withdrawals() -> None:
    study = a_study(
        more='[withdrawal]\nflag = "left"\ncodes = ["1"]\ndate = "left_on"\nextent = "how_far"\nends = ["9"]\n'
        'extent_labels = { 1 = "No contact", 9 = "No use" }\n'
    )
    assert study.withdrawal == WithdrawalRules(
        FieldRef("left"), ("1",), "left_on", FieldRef("how_far"), ("9",), {"1": "No contact", "9": "No use"}
    )


def test_a_site_is_labelled_by_its_code_by_default() -> None:
    study = a_study(more='[sites]\nby = "site"\n[[sites.site]]\ncode = "n"\n')
    assert study.sites == SiteRules(FieldRef("site"), (ListedSite("n", "n", None, None),))


def test_sites_may_be_data_access_groups() -> None:
    assert a_study(more='[sites]\nby = "data_access_group"\n').sites == SiteRules(by=None, listed=())


def test_a_rider_is_offered_in_every_version_by_default() -> None:
    study = a_study(riders=RIDER + RIDER_B + 'offered_in = ["2.0"]\n', more=VERSION)
    assert [rider.offered_in for rider in study.riders] == [(), ("2.0",)]


def test_a_study_has_accrual_goals() -> None:
    study = a_study(more="[accrual]\ntarget = 900\ntarget_date = 2027-01-31\napproved = 1_000\n")
    assert study.accrual == AccrualGoals(900, date(2027, 1, 31), 1000, None)


@pytest.mark.parametrize("title", ["Étude 2 (Québec)", "1.5 years", "Console"])
def test_a_title_that_every_system_can_store_is_accepted(title: str) -> None:
    assert parse_study(with_value("title", f'"{title}"'), "a-study").title == title


# Problems


def test_every_problem_is_reported_at_once_by_its_key() -> None:
    text = """
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
"""
    assert keys_of(text) == [
        *("title", "start_date", "time_zone", "contact", "consent[1].date", "consent[1].agreed"),
        *("colour", "redcap.project"),
    ]


def test_an_empty_file_lacks_every_required_key() -> None:
    missing = ["title", "start_date", "time_zone", "contact", "redcap"]
    assert keys_of("") == [*missing, "redcap.url_setting", "redcap.token_setting", "consent"]


def test_a_problem_shows_the_key_the_value_and_a_fix() -> None:
    (problem,) = problems_of(with_value("time_zone", '"Ontario"'))
    assert problem == Problem(
        "time_zone: 'Ontario' is not a time zone.", 'Write its IANA name, such as "America/Toronto".'
    )


def test_invalid_toml_is_reported_with_its_line() -> None:
    (problem,) = problems_of("title = OBRI")
    assert problem.what.startswith("The file is not valid TOML: ")
    assert "line 1" in problem.what


@pytest.mark.parametrize("key", ["A-Study", "", "../a", "-a"])
def test_the_files_name_has_only_plain_characters(key: str) -> None:
    assert [problem.what for problem in problems_of(USUAL, key)] == [f"'{key}' is not a usable name for a study file."]


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("title", "5", "title"),
        ("title", '"  "', "title"),
        ("title", f'"{"long " * 17}"', "title"),
        ("start_date", '"2023-09-11"', "start_date"),
        ("start_date", "2023-09-11T10:00:00", "start_date"),
        ("time_zone", '"../America/Toronto"', "time_zone"),
        ("date", '"Consent Date"', "consent[1].date"),
        ("decision", '"choices()"', "consent[1].decision"),
        ("decision", '"choices(1)"', "consent[1].declined"),
        ("agreed", "[]", "consent[1].agreed"),
        ("agreed", "[1]", "consent[1].agreed"),
        ("agreed", '[" "]', "consent[1].agreed"),
        ("agreed", '["1", "2"]', "consent[1].agreed / declined / pending"),
        ("agreed", '["1", "1 "]', "consent[1].agreed / declined / pending"),
        ("key", '"Period"', "riders[1].key"),
        ("key", '"rider a"\nlabel = "=1+1"', "riders[1].label"),
        ("field", '"rider_a"\noffered_in = ["2.0"]', "riders[1].offered_in"),
    ],
)
def test_each_problem_names_its_key(name: str, value: str, key: str) -> None:
    assert keys_of(with_value(name, value)) == [key]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[withdrawals]\ndate = 'withdrawn_on'", "withdrawals"),
        ("[withdrawal]\ndate = 'withdrawn_on'\nreason = 'why'", "withdrawal.reason"),
        ("[sites]\nby = 'site'\n[[sites.site]]\ncode = '1'\nname = 'North'", "sites.site[1].name"),
        ("[guard]\nmax_rise = 0.02", "guard.max_rise"),
        ("[shareable]\nto = '/'", "shareable.to"),
        (RIDER_B + "offered = ['2.0']", "riders[2].offered"),
    ],
)
def test_an_unknown_key_is_a_problem(more: str, key: str) -> None:
    assert [problem.what for problem in problems_of(USUAL + more)] == [f"{key}: not a known key."]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[[leave_out]]\nreason = 'test'", "leave_out[1].field"),
        ("[[leave_out]]\nreason = 'test'\nfield = 'a'\ncodes = ['1']\nid_pattern = 'T'", "leave_out[1].field"),
        ("[[leave_out]]\nid_pattern = 'T'", "leave_out[1].reason"),
        ("[[leave_out]]\nreason = 'test'\nid_pattern = '(T'", "leave_out[1].id_pattern"),
        ("[[leave_out]]\nreason = 'test'\nid_pattern = 'T{99999999999999999999}'", "leave_out[1].id_pattern"),
        ("[[leave_out]]\nreason = 'test'\nid_pattern = 'T{,3}'", "leave_out[1].id_pattern"),
        ("[[leave_out]]\nreason = 'test'\nid_pattern = '(?!T).*'", "leave_out[1].id_pattern"),
        ("[only]\nfield = 'cohort'\ncodes = []", "only.codes"),
        ("[delivery]\nfolder = 'Reports'", "delivery.folder"),
        ("[delivery]\nfolder = '/a//b'", "delivery.folder"),
        ("[delivery]\nfolder = '/a/NUL/b'", "delivery.folder"),
        ("[delivery]\narchive = 'yes'", "delivery.archive"),
        ("[notify]\non = ['delivered', 'monthly']", "notify.on"),
        ("[notify]\non = []", "notify.on"),
        ("[shareable]\nbase = 4", "shareable.base"),
        ("[shareable]\nbase = 101", "shareable.base"),
        ("[shareable]\nbase = '5'", "shareable.base"),
        ("[shareable]\nfolder = 'Others'", "shareable.folder"),
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
        ("[withdrawal]\ndate = 'd'\nextent = 'e'\nextent_labels = { 1 = '=1+1' }", "withdrawal.extent_labels.1"),
        ("[sites]\n[[sites.site]]\ncode = '1'", "sites.by"),
        ("[sites]\nby = 'site'\nsite = ['1']", "sites.site"),
        ("[sites]\nby = 'site'" + 2 * "\n[[sites.site]]\ncode = '1'", "sites.site"),
        (DATED + "decision = 'd'\nagreed = ['1']", "consent[2].agreed_when"),
        (DATED + "pending = ['0']", "consent[2].agreed_when"),
        (DATED.replace("dated", "signed"), "consent[2].agreed_when"),
        (DATED.replace("dated", "complete"), "consent[2].agreed_when"),
        (DATED + "where = {}", "consent[2].where"),
        (DATED + "where = { which = [] }", "consent[2].where.which"),
        (DATED + "where = { which = '1' }", "consent[2].where.which"),
        (DATED + "where = { Which = ['1'] }", "consent[2].where.Which"),
        (DATED + "where = { 'which(1)' = ['0'] }", "consent[2].where"),
        (RIDER_B.replace("'rider_b'", "['rider_b', 'rider_b']"), "riders[2].field"),
        (RIDER_B.replace("'rider_b'", "[]"), "riders[2].field"),
        (RIDER_B.replace("'rider_b'", "['rider_b', 'No']"), "riders[2].field"),
        ("[version]\nfield = 'version'", "version.accepted"),
        ("[version]\nfield = 'version'\naccepted = ['2', '2']", "version.accepted"),
        ("[accrual]", "accrual.target"),
        ("[accrual]\ntarget = 0", "accrual.target"),
        ("[accrual]\ntarget = true", "accrual.target"),
        ("[accrual]\ntarget_date = 2026-01-01", "accrual.target_date"),
        (RIDER.replace("rider a", "Rider A"), "riders"),
        (CONSENT, "consent"),
    ],
)
def test_each_problem_of_an_optional_table_names_its_key(more: str, key: str) -> None:
    assert set(keys_of(USUAL + more)) == {key}


@pytest.mark.parametrize(
    "title", ["a/b", "a.", "CON", "con .x", "conin$", "lpt9.x", "desktop.ini", "a\\tb", "a\\u200Bb", "-a", "=a"]
)
def test_a_title_that_some_system_cannot_store_is_a_problem(title: str) -> None:
    assert set(keys_of(with_value("title", f'"{title}"'))) == {"title"}


# Secrets in the wrong place


@pytest.mark.parametrize("name", ["url_setting", "token_setting"])
@pytest.mark.parametrize(
    "value",
    [
        TOKEN,
        TOKEN.lower(),
        f" {TOKEN} ",
        "ZK3XQP7VRM2LTY8WHC5N",
        "ABC_ZK3XQP7VRM2LTY8WHC5NBJ_DEF",
        "sl.u.AFgH_1x-Kq",
        "https://redcap.example.org/api/",
    ],
)
def test_a_secret_in_place_of_a_settings_name_is_not_repeated(name: str, value: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        parse_study(with_value(name, f'"{value}"'), "a-study")
    assert [problem.what.partition(":")[0] for problem in caught.value.problems] == [f"redcap.{name}"]
    assert value.strip() not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("value", [TOKEN, f"'{TOKEN}", f"['{TOKEN}']", f"'REDCAP_TOKEN'\ntoken = '{TOKEN}'"])
def test_a_token_in_an_unusable_line_is_not_repeated(value: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        parse_study(with_value("token_setting", value), "a-study")
    assert TOKEN not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("name", ["redcap_access_token", "_TOKEN", "2ND_TOKEN", "A" + 13 * "_TOKEN"])
def test_a_name_that_no_setting_can_have_is_a_problem(name: str) -> None:
    assert keys_of(with_value("token_setting", f'"{name}"')) == ["redcap.token_setting"]


@pytest.mark.parametrize("name", ["T", "NINETEENLETTERSLONG_TOKEN"])
def test_a_name_in_capitals_is_a_settings_name(name: str) -> None:
    assert parse_study(with_value("token_setting", f'"{name}"'), "a-study").redcap.token_setting == name


# No text of a study can become a formula


_starts = st.sampled_from(["", "=", "+", "-", "@", "\t", "\r", "=1+", "a\n=", "'=", '"=', "\u200b=", "A", "é", "1"])
_names = st.builds(str.__add__, _starts, st.text(st.characters(codec="ascii") | st.characters(), max_size=4))
COLUMNS = ("consent_date", "consent_obtained", "rider_a", "rider_b")


def the_csv_cells(study: StudyConfig) -> list[str]:
    table = render_csv(summary_of({"record": "1"} | dict.fromkeys(COLUMNS, ""), counting=a_counting(study))).content
    return [cell for line in csv.reader(io.StringIO(table.decode(), newline="")) for cell in line]


def parsed_or_rejected(key: str, label: str) -> StudyConfig:
    """The usual study with a second rider of this name, if the name is accepted."""
    second = RIDER.replace('"rider a"', quoted(key)).replace("rider_a", "rider_b") + f"label = {quoted(label)}\n"
    try:
        return parse_study(USUAL + second, "a-study")
    except StudyFileError:
        reject()


def quoted(text: str) -> str:
    """The text as a TOML string, every character as its code point."""
    return '"' + "".join(f"\\U{ord(letter):08X}" for letter in text) + '"'


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.filter_too_much])
@given(key=_names, label=_names)
def test_no_cell_of_the_csv_can_become_a_formula(key: str, label: str) -> None:
    cells = the_csv_cells(parsed_or_rejected(key, label))
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


# The hash of the file


@pytest.mark.parametrize(("newline", "value", "is_same"), [("\r\n", '["1"]', True), ("\n", '["1", "3"]', False)])
def test_the_hash_changes_with_a_rule_and_not_with_line_ends(
    tmp_path: Path, newline: str, value: str, is_same: bool
) -> None:
    path = tmp_path / "a-study.toml"
    path.write_text(with_value("agreed", value), encoding="utf-8", newline=newline)

    study = parse_study(path.read_text(encoding="utf-8"), "a-study")

    assert (study.sha256 == a_study().sha256) == is_same
