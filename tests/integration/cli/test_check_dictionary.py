"""Tests of comparing a study file with a live data dictionary: what stops a run, and what is only a warning."""

from consent.cli.check.findings import State
from tests.support.check_mistakes import with_field
from tests.support.check_world import CheckWorld, found, problems


def states_of(world: CheckWorld, words: str) -> list[State]:
    return [finding.state for finding in found(world.check(), words)]


def test_what_fits_is_counted(world: CheckWorld) -> None:
    assert states_of(world, "fits the data dictionary: 3 fields, 5 option codes.") == ["ok"]
    assert states_of(world, "No exported field is marked as an identifier.") == ["ok"]


def test_a_code_without_an_option_is_a_warning_if_others_are_left(world: CheckWorld) -> None:
    world.change_study('agreed = ["1"]\ndeclined = ["0"]', 'agreed = ["1", "7"]\ndeclined = ["0"]')
    checkup = world.check()
    (finding,) = found(checkup, "riders[1].agreed: 'rider_a' has no option '7'")
    assert (finding.state, problems(checkup)) == ("warning", [])


def test_a_missing_data_code_is_an_option_of_every_field(world: CheckWorld) -> None:
    world.project.missing_data_codes = "7, Not asked"
    world.change_study('declined = ["0"]', 'declined = ["0", "7"]')
    assert states_of(world, "has no option '7'") == []


def test_a_code_without_an_option_is_reported_once(world: CheckWorld) -> None:
    with_field(world, "rider_a", type="radio", choices="2, Yes | 3, No")
    assert states_of(world, "riders[1].agreed") == ["problem"]


def test_a_field_that_is_marked_as_an_identifier_is_a_warning(world: CheckWorld) -> None:
    with_field(world, "consent_date", identifier=True)
    assert states_of(world, "as identifiers in REDCap: consent_date.") == ["warning"]


def test_records_are_not_checked_if_the_study_file_does_not_fit(world: CheckWorld) -> None:
    with_field(world, "rider_a", name="rider_b")
    assert states_of(world, "Records were not checked") == ["unknown"]
