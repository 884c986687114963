"""Tests of the candidates for each part of a study file, and of their order."""

import pytest

from consent.cli.init.candidates import MOST, MOST_OPTIONS, Candidates, study_candidates
from consent.redcap.dictionary import Project, ProjectField

RECORD_ID = ProjectField("record_id", "enrolment", "text", "Record ID")


def candidates_of(*fields: ProjectField, **about: bool) -> dict[str, Candidates]:
    """Return the candidates in a project of these fields and a record id; surveys are disabled by default."""
    return study_candidates(Project((RECORD_ID, *fields), surveys=about.get("surveys", False)))


def a_field(name: str = "item", kind: str = "text", label: str = "", **about: str) -> ProjectField:
    return ProjectField(
        name,
        about.get("form", "visit"),
        kind,
        label,
        validation=about.get("validation", ""),
        annotation=about.get("annotation", ""),
        choices=(("1", "Yes"), ("2", "No")) if kind in ("radio", "dropdown", "checkbox") else (),
    )


@pytest.mark.parametrize(
    ("field", "may_be"),
    [
        (a_field(validation="date_dmy"), True),
        (a_field(validation="datetime_seconds_ymd"), True),
        (a_field(annotation="@HIDDEN @TODAY"), True),
        (a_field(annotation='@CALCTEXT(if([a]="1", [b], "Consent not completed"))'), True),
        (a_field("consent_on"), True),
        (a_field(label="Date of signature"), True),
        (a_field("consent_day", "calc"), True),
        (a_field(), False),
        (a_field("consent_date", "radio"), False),
        (a_field(label="Date of consent", validation="integer"), False),
        (a_field("consent_note", "notes"), False),
        (a_field("consent_file", "file"), False),
    ],
)
def test_only_some_fields_may_hold_the_date_of_consent(field: ProjectField, may_be: bool) -> None:
    assert [date.name for date in candidates_of(field)["dates"].listed] == [field.name] * may_be


@pytest.mark.parametrize("kind", ["yesno", "truefalse", "radio", "dropdown", "calc"])
def test_a_field_with_answers_may_be_the_decision_and_a_rider(kind: str) -> None:
    found = candidates_of(a_field("agreed", kind))
    assert [part.listed[0].name for part in (found["decisions"], found["riders"])] == ["agreed", "agreed"]


def test_each_option_of_a_checkbox_is_a_candidate_of_its_own() -> None:
    found = candidates_of(a_field("agreed", "checkbox", "I agree to"))
    assert [(one.name, one.label) for one in found["decisions"].listed] == [
        ("agreed(1)", "I agree to: Yes"),
        ("agreed(2)", "I agree to: No"),
    ]


def test_an_option_with_a_code_that_a_study_file_cannot_name_is_no_candidate() -> None:
    odd = ProjectField("agreed", "visit", "checkbox", "", choices=(("a(b)", ""), ('"', ""), ("c", "")))
    assert [one.name for one in candidates_of(odd)["riders"].listed] == ["agreed(c)"]


def test_the_record_id_is_no_candidate() -> None:
    first = ProjectField("consent_date", "visit", "text", "", validation="date_ymd")
    assert study_candidates(Project((first,), surveys=False))["dates"].listed == ()


def test_fields_with_a_word_of_consent_come_first_then_fields_on_such_a_form() -> None:
    found = candidates_of(
        a_field("other", "yesno"),
        a_field("nearby", "yesno", form="consent"),
        a_field("asked", "yesno", label="Did they CONSENT?"),
        a_field("consented", "yesno"),
    )
    assert [one.name for one in found["decisions"].listed] == ["asked", "consented", "nearby", "other"]


@pytest.mark.parametrize(
    ("part", "names", "others"),
    [
        (
            "sites",
            "site sites site_2 site1 siteid studysite recruitingsite centre_id center hospitalno clinic institution",
            "opposite visited clinical composite website allocation epicentre hospitalised institutional",
        ),
        ("versions", "version icfversion consent_ver", "conversion inversion verified"),
        ("withdrawal_flags", "withdrew withdrawn opt_out optout withdrawalyn", "drawn adopt_outcome"),
    ],
)
def test_a_word_counts_alone_or_joined_to_known_ones_but_not_inside_another(part: str, names: str, others: str) -> None:
    found = candidates_of(*(a_field(name, "radio") for name in f"{others} {names}".split()))[part]
    assert [one.name for one in found.listed] == names.split()


def test_timestamps_and_dates_of_consent_come_first_and_dates_of_birth_last() -> None:
    labels = {"mother": "Date of birth (mother)", "day": "Date the birth mother signed"}
    names = ["dob", "birth_date", "mother", "consent_birthdate", "visit_date", "day", "consentdate"]
    fields = [a_field(name, validation="date_ymd", label=labels.get(name, "")) for name in names]
    on_the_form = a_field("birth", validation="date_ymd", form="consent")
    found = [one.name for one in candidates_of(on_the_form, *fields, surveys=True)["dates"].listed]
    assert found[:5] == ["consent_timestamp", "day", "consentdate", "visit_timestamp", "visit_date"]


def test_a_long_list_is_cut_and_the_rest_counted() -> None:
    found = candidates_of(*(a_field(f"item_{n}", "yesno") for n in range(MOST + 7)))
    assert (len(found["decisions"].listed), found["decisions"].more) == (MOST, 7)


def test_a_checkbox_of_many_options_hides_no_other_field() -> None:
    languages = tuple((str(n), f"Language {n}") for n in range(500))
    contact = ProjectField("contact_language", "visit", "checkbox", "Languages for contact", languages)
    found = candidates_of(contact, a_field("consented", "yesno"), a_field("ward", "radio"))
    assert [one.name for one in found["riders"].listed][MOST_OPTIONS - 1 : MOST_OPTIONS + 2] == [
        "contact_language(9)",
        "consented",
        "ward",
    ]


@pytest.mark.parametrize(("surveys", "names"), [(True, ["e_consent_timestamp"]), (False, [])])
def test_only_a_survey_about_consent_offers_its_timestamp(surveys: bool, names: list[str]) -> None:
    found = candidates_of(a_field("agreed", "yesno", form="e_consent"), a_field("x", form="diary"), surveys=surveys)
    assert [one.name for one in found["dates"].listed] == names


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("versions", a_field("form_version")),
        ("withdrawal_dates", a_field("withdrawn_on", validation="date_ymd")),
        ("withdrawal_extents", a_field("extent", "radio", form="withdrawal")),
    ],
)
def test_an_optional_part_lists_only_likely_fields(part: str, field: ProjectField) -> None:
    found = candidates_of(a_field("ward", "radio"), field, a_field("born", validation="date_ymd"))[part]
    assert [one.name for one in found.listed] == [field.name]


def test_an_optional_part_counts_the_other_fields() -> None:
    sites = candidates_of(a_field("ward", "radio"), a_field("sex", "radio"))["sites"]
    assert (sites.listed, sites.more) == ((), 2)
