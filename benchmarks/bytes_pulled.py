"""How few bytes a run exports from REDCap, compared with an export of all fields of the same project.

Counts the bytes of the response bodies before compression, because invented values compress better than real ones.
Counts every request of the run, including the listing and the data dictionary, but only the records of the full export.
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
    """Forwards requests and counts the bytes of the responses."""

    def __init__(self, app: Redcap) -> None:
        self.app = app
        self.sent = 0

    def name_of(self, request: Request) -> str:
        """Return the app's name for a request."""
        return self.app.name_of(request)

    def answer(self, request: Request) -> Response:
        """Return the app's response, with its bytes counted."""
        response = self.app.answer(request)
        pieces = [response.body] if isinstance(response.body, bytes) else response.body
        response.body = self._counted(pieces)
        return response

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.sent += len(piece)
            yield piece


def export_all_fields(url: str) -> int:
    """Export the records with every field as JSON; return the bytes received, uncompressed."""
    form = {"token": TOKEN, "content": "record", "format": "json", "type": "flat"}
    with requests.post(url, data=form, stream=True, timeout=60) as response:
        response.raise_for_status()
        return sum(len(piece) for piece in response.iter_content(65_536))


def a_project(*, others_blank: bool) -> Project:
    """Return the invented registry with 300 fields; the fields that no report needs are filled in or blank."""
    needed = len(registry(1, today=TODAY).fields)
    project = registry(PARTICIPANTS, today=TODAY, more_fields=FIELDS - needed)
    return replace(project, rows=lambda: map(_without_items, project.read())) if others_blank else project


def _without_items(row: Row) -> Row:
    row.values = {name: value for name, value in row.values.items() if not name.startswith("visit_item_")}
    return row


def share_pulled(project: Project) -> float:
    """Return the bytes of an export of all fields, divided by the bytes of one run."""
    app = CountingApp(Redcap([project]))
    with Server(app) as server:
        report_from_redcap(f"{server.url}/api/", packaged_study())
        ours = app.sent
        everything = export_all_fields(f"{server.url}/api/")
    if app.sent != ours + everything:
        raise SystemExit("The bytes sent are not the bytes received.")
    return everything / ours


def main() -> None:
    """Measure with the other fields filled in, which has the budget, and blank."""
    say(f"exporting {PARTICIPANTS:,} participants of {FIELDS} fields each")
    filled, blank = share_pulled(a_project(others_blank=False)), share_pulled(a_project(others_blank=True))
    what = f"{FIELDS} fields: bytes exported by a run, of an export of all"
    hand_over(
        [
            Figure(what, f"1/{filled:.1f}", f"<= 1/{ONE_IN}", filled >= ONE_IN),
            Figure("  with the fields that no report needs left blank", f"1/{blank:.1f}"),
        ]
    )


if __name__ == "__main__":
    main()
