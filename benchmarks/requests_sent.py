"""The number of requests of one run to REDCap, for registries of two sizes: it must not grow with the size.

The study has a rider in a checkbox field, which costs one more request: the most that any study needs.
"""

from dataclasses import replace

from benchmarks.job import packaged_study, report_from_redcap
from benchmarks.made_up_registry import TODAY
from benchmarks.measure import Figure, hand_over, say
from consent.studies.model import FieldRef, Rider, StudyConfig
from sandbox.people import registry
from sandbox.redcap.app import Field, Project, Redcap, Row
from sandbox.server import Server

SIZES = (200, 20_000)
MOST_CLASSIC, MOST_OTHERS = 6, 8
FIRST, LATER = "enrolment_arm_1", "follow_up_arm_1"


def study_with_checkbox() -> StudyConfig:
    """Return the packaged study with one more rider, in a checkbox field."""
    rider = Rider("rider i", "rider i", (FieldRef("more_consents", "1"),), agreed=("1",), declined=())
    study = packaged_study()
    return replace(study, riders=(*study.riders, rider))


def classic(number: int) -> Project:
    """Return a project with one row per record."""
    project = registry(number, today=TODAY)
    checkbox = Field("more_consents", "consent_summary", "checkbox", "Also agreed to", "1, Biobank | 2, Newsletter")
    item = Field("visit_date", "visit", label="Date of visit", validation="date_ymd")
    return replace(project, fields=[*project.fields, checkbox, item])


def longitudinal(number: int) -> Project:
    """Return a project with two events; the second one has the visit form."""
    project = classic(number)
    events = {FIRST: ("enrolment", "consent_summary"), LATER: ("visit",)}
    visit = {"visit_date": "2026-01-05", "visit_complete": "2"}

    def rows_of(row: Row) -> tuple[Row, Row]:
        return replace(row, event=FIRST), Row(row.record, visit, event=LATER, group=row.group)

    return replace(project, events=events, rows=lambda: (each for row in project.read() for each in rows_of(row)))


def repeating(number: int) -> Project:
    """Return a project whose visit form is a repeating instrument, with one instance per record."""
    project = classic(number)
    visit = {"visit_date": "2026-01-05", "visit_complete": "2"}

    def rows_of(row: Row) -> tuple[Row, Row]:
        return row, Row(row.record, visit, instrument="visit", instance=1, group=row.group)

    return replace(
        project,
        repeating_forms={(None, "visit")},
        rows=lambda: (each for row in project.read() for each in rows_of(row)),
    )


def requests_for(project: Project) -> tuple[int, int]:
    """Return how many requests one run sends to this project, and how many at the same time."""
    with Server(Redcap([project])) as server:
        report_from_redcap(f"{server.url}/api/", study_with_checkbox())
        return len(server.requests), server.most_at_once


def main() -> None:
    """Count the requests of each kind of project at both sizes."""
    kinds = [("classic", classic, MOST_CLASSIC), ("longitudinal", longitudinal, MOST_OTHERS)]
    kinds.append(("repeating", repeating, MOST_OTHERS))
    figures, at_once = [], 0
    for kind, make, most in kinds:
        say(f"counting the requests to a {kind} project")
        found = [requests_for(make(size)) for size in SIZES]
        few, many = (requests for requests, _ in found)
        at_once = max(at_once, *(together for _, together in found))
        what = f"{kind} project: requests for {SIZES[0]:,} and for {SIZES[1]:,} participants"
        figures.append(Figure(what, f"{few} and {many}", f"<= {most}", max(few, many) <= most))
    hand_over([*figures, Figure("  most requests at the same time", str(at_once), "<= 1", at_once <= 1)])


if __name__ == "__main__":
    main()
