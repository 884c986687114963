"""Follow each person through an export while the registry changes: nobody is lost, doubled or in an invented state."""

from collections.abc import Callable

import pytest

from consent.errors import ConsentReportError
from consent.redcap.client import RedcapClient
from consent.redcap.export import export_registry
from consent.redcap.export_plan import ExportPlan
from consent.redcap.project import inspect_project
from sandbox.redcap.faults import memory_text
from sandbox.server import Server
from tests.campaign.changing_registry import ChangingRegistry
from tests.campaign.earlier_rule import export_as_before
from tests.support.builders import a_study, as_dicts, asking

SEEDS = range(20261123, 20261323)
SITES = '[sites]\nby = "data_access_group"\n'

Counted = tuple[tuple[str, ...], ...]
Export = Callable[[RedcapClient, ExportPlan], Counted]
Played = dict[int, list[str] | None]
"""By seed, what is wrong with the rows that were counted; None if the export was refused."""


def export_now(client: RedcapClient, plan: ExportPlan) -> Counted:
    """Return the rows that the product counts."""
    nothing: Counted = ()
    return export_registry(
        client, plan, lambda rows: tuple(tuple(row.values()) for row in as_dicts(rows)), nothing
    ).counts


def play(server: Server, export: Export, *, calm: bool = False) -> Played:
    """Export the registry of every seed."""
    return {seed: play_one(server, export, ChangingRegistry(seed, calm)) for seed in SEEDS}


def play_one(server: Server, export: Export, registry: ChangingRegistry) -> list[str] | None:
    with asking(server, registry.project) as redcap:
        plan = inspect_project(redcap.client, a_study(more=SITES if registry.sites_by_group else "")).plan
        if registry.in_batches:
            server.faults.append(memory_text(match="record", skip=1))
        try:
            return registry.problems_of(export(redcap.client, plan))
        except ConsentReportError:
            return None


def wrong(played: Played) -> Played:
    return {seed: problems for seed, problems in played.items() if problems}


def believed(played: Played) -> int:
    return sum(problems is not None for problems in played.values())


@pytest.fixture(scope="module", name="played")
def _played(redcap_server: Server) -> Played:
    return play(redcap_server, export_now)


def test_no_report_is_wrong_about_any_person(played: Played) -> None:
    assert wrong(played) == {}


def test_nine_in_ten_registries_that_change_for_a_moment_are_reported(played: Played) -> None:
    assert believed(played) >= len(SEEDS) * 0.9


def test_every_registry_at_rest_is_reported_correctly(redcap_server: Server) -> None:
    assert play(redcap_server, export_now, calm=True) == {seed: [] for seed in SEEDS}


def test_the_earlier_rule_is_wrong_about_somebody_in_many_registries(redcap_server: Server) -> None:
    assert len(wrong(play(redcap_server, export_as_before))) >= 15
