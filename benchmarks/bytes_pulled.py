"""How little leaves REDCap: all that one run asks for, beside an export of all fields of the same project.

Counts the bytes of the answers' bodies before any compression: the made-up values would compress better than real
ones. All questions of the run count, with the listing and the data dictionary; of the other export, only the records.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import requests

from benchmarks.job import packaged_study, report_from_redcap
from benchmarks.made_up_registry import TODAY
from benchmarks.measure import Figure, hand_over, say
from sandbox.people import TOKEN, registry
from sandbox.redcap.app import Project, Redcap, Row
from sandbox.server import Request, Response, Server

FIELDS, PARTICIPANTS = 300, 5000
ONE_IN = 15


class CountingApp:
    """Passes requests on, and counts the bytes of the answers."""

    def __init__(self, app: Redcap) -> None:
        self.app = app
        self.sent = 0

    def name_of(self, request: Request) -> str:
        """As the app names it."""
        return self.app.name_of(request)

    def answer(self, request: Request) -> Response:
        """As the app answers."""
        response = self.app.answer(request)
        pieces = [response.body] if isinstance(response.body, bytes) else response.body
        response.body = self._counted(pieces)
        return response

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.sent += len(piece)
            yield piece


def export_all_fields(url: str) -> int:
    """Export the records with every field, as JSON; the bytes that came, unpacked."""
    asked = {"token": TOKEN, "content": "record", "format": "json", "type": "flat"}
    with requests.post(url, data=asked, stream=True, timeout=60) as response:
        response.raise_for_status()
        return sum(len(piece) for piece in response.iter_content(65_536))


def a_project(*, others_blank: bool) -> Project:
    """The made-up registry with 300 fields in all; those that no report needs are filled in, or blank."""
    needed = len(registry(1, today=TODAY).fields)
    project = registry(PARTICIPANTS, today=TODAY, more_fields=FIELDS - needed)
    return replace(project, rows=lambda: map(_without_items, project.read())) if others_blank else project


def _without_items(row: Row) -> Row:
    row.values = {name: value for name, value in row.values.items() if not name.startswith("visit_item_")}
    return row


def share_pulled(project: Project) -> float:
    """How many times as much an export of all fields pulls as one run."""
    app = CountingApp(Redcap([project]))
    with Server(app) as server:
        report_from_redcap(f"{server.url}/api/", packaged_study())
        ours = app.sent
        everything = export_all_fields(f"{server.url}/api/")
    if app.sent != ours + everything:
        raise SystemExit("Other bytes were sent than arrived.")
    return everything / ours


def main() -> None:
    """Measure with the other fields filled in, which is the budget, and blank."""
    say(f"exporting {PARTICIPANTS:,} participants of {FIELDS} fields each")
    filled, blank = share_pulled(a_project(others_blank=False)), share_pulled(a_project(others_blank=True))
    what = f"{FIELDS} fields: bytes pulled by a run, listing included, of an export of all"
    hand_over(
        [
            Figure(what, f"1/{filled:.1f}", f"<= 1/{ONE_IN}", filled >= ONE_IN),
            Figure("  if all fields that the report does not need were blank", f"1/{blank:.1f}"),
        ]
    )


if __name__ == "__main__":
    main()
