"""Claims about the fingerprints of counting rules: what changes which of them, and what changes none."""

from dataclasses import replace
from datetime import date, time

import pytest

from consent.studies.fingerprints import rule_fingerprints
from consent.studies.model import StudyConfig
from tests.support.builders import CONSENT, RIDER, a_study

STUDY = a_study()
MORE_FORMS = CONSENT + CONSENT.replace("consent_", "second_")
TESTS = '[[leave_out]]\nreason = "test record"\nid_pattern = "TEST.*"\n'
SITES = '[sites]\nby = "data_access_group"\n[[sites.site]]\ncode = "north"\n'
ACCRUAL = "[accrual]\ntarget = 900\n"
VERSION = '[version]\nfield = "form_version"\naccepted = ["3"]\n'
WITHDRAWAL = '[withdrawal]\nflag = "withdrawn"\ncodes = ["1"]\n'
ONLY = '[only]\nfield = "cohort"\ncodes = ["ibd"]\n'


def changed(study: StudyConfig) -> set[str]:
    """The keys whose fingerprint differs from the usual study's."""
    before, now = rule_fingerprints(STUDY), rule_fingerprints(study)
    return {key for key in {**before, **now} if before.get(key) != now.get(key)}


@pytest.mark.parametrize(
    ("study", "keys"),
    [
        pytest.param(replace(STUDY, start_date=date(2023, 9, 4)), {"start_date"}, id="first day"),
        pytest.param(replace(STUDY, time_zone="Europe/Athens"), {"time_zone"}, id="time zone"),
        pytest.param(
            replace(STUDY, redcap=replace(STUDY.redcap, time_zone="Europe/Athens")),
            {"redcap.time_zone"},
            id="REDCap's time zone",
        ),
        pytest.param(
            a_study(consents='missing_codes = ["-99"]' + CONSENT), {"redcap.missing_codes"}, id="missing-data codes"
        ),
        pytest.param(
            a_study(consents="double_data_entry = false" + CONSENT), {"redcap.double_data_entry"}, id="working copies"
        ),
        pytest.param(a_study(consents=CONSENT.replace('["1"]', '["1", "3"]')), {"consent[1]"}, id="code of a decision"),
        pytest.param(a_study(consents=MORE_FORMS), {"consent[2]"}, id="another form"),
        pytest.param(a_study(riders=RIDER.replace('["0"]', "[]")), {"riders[rider a]"}, id="code of a rider"),
        pytest.param(a_study(riders=RIDER + RIDER.replace("r a", "r b")), {"riders[rider b]"}, id="another rider"),
        pytest.param(a_study(riders=""), {"riders[rider a]"}, id="no rider any more"),
        pytest.param(a_study(more=TESTS), {"leave_out[1]"}, id="records left out"),
        pytest.param(a_study(more=ONLY), {"only"}, id="only some records"),
        pytest.param(a_study(more=SITES), {"sites"}, id="sites"),
        pytest.param(a_study(more=VERSION), {"version"}, id="form versions"),
        pytest.param(a_study(more=WITHDRAWAL), {"withdrawal"}, id="withdrawal"),
    ],
)
def test_a_rule_that_differs_is_told_by_its_key(study: StudyConfig, keys: set[str]) -> None:
    assert changed(study) == keys


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(replace(STUDY, title="Another", contact="nobody", notify=("late",), sha256="0" * 64), id="words"),
        pytest.param(replace(STUDY, not_before=time(9)), id="schedule"),
        pytest.param(replace(STUDY, max_drop=0.5), id="guard"),
        pytest.param(replace(STUDY, delivery=replace(STUDY.delivery, folder="/Elsewhere")), id="folder"),
        pytest.param(replace(STUDY, redcap=replace(STUDY.redcap, url_setting="OTHER_URL")), id="setting"),
        pytest.param(a_study(riders=RIDER.replace("[[riders]]", '[[riders]]\nlabel = "Blood"')), id="label"),
        pytest.param(a_study(more=ACCRUAL), id="target"),
        pytest.param(a_study(more="[shareable]"), id="edition for others"),
    ],
)
def test_what_is_not_counted_by_changes_no_rule(study: StudyConfig) -> None:
    assert changed(study) == set()


def test_what_a_site_is_called_and_is_to_reach_is_no_difference() -> None:
    told = 'label = "The North"\ntarget = 30\nopened = 2024-01-08\n'
    assert rule_fingerprints(a_study(more=SITES)) == rule_fingerprints(a_study(more=SITES + told))


def test_the_order_of_codes_is_no_difference() -> None:
    codes = [a_study(consents=CONSENT.replace('["1"]', order)) for order in ('["1", "3"]', '["3", "1"]')]
    assert rule_fingerprints(codes[0]) == rule_fingerprints(codes[1])


def test_the_order_of_riders_is_no_difference() -> None:
    other = RIDER.replace("r a", "r b")
    assert rule_fingerprints(a_study(riders=RIDER + other)) == rule_fingerprints(a_study(riders=other + RIDER))


def test_the_program_s_own_rules_have_a_fingerprint_too() -> None:
    assert "counting version" in rule_fingerprints(STUDY)
