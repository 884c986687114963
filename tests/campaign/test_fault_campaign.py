"""The fault campaign, seeded and repeatable: after any mix of faults on a Monday, its report is delivered in the end.

``--campaign-runs N`` plays more cases or fewer, ``--campaign-seed S`` one alone. Two workers at once are real threads,
so these cases may differ from one time to the next.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox.azurite import Azurite
from tests.campaign.bench import Bench, open_bench
from tests.campaign.cases import FAMILIES, FIRST_SEED, KILLED, LATE, TWO_HISTORIES, Case, case_of, seeds
from tests.campaign.naive_job import handle_naively
from tests.campaign.score import SCORE, Score
from tests.campaign.workers import handle_carefully
from tests.campaign.world import play

CASES_IN_CI = [case_of(seed) for seed in seeds(300)]
# The naive job replaces nothing, so it needs an empty folder; the killed process always runs the product's job.
NAIVE_CASES = [replace(case, has_history=False) for case in CASES_IN_CI[:50] if not case.killed_at]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each case, named by its seed."""
    if "seed" in metafunc.fixturenames:
        chosen, runs = (metafunc.config.getoption(name) for name in ("--campaign-seed", "--campaign-runs"))
        metafunc.parametrize("seed", seeds(runs) if chosen is None else [chosen], ids=lambda seed: f"seed {seed}")


@pytest.fixture(scope="session")
def score(request: pytest.FixtureRequest) -> Score:
    """What the campaign prints at the end."""
    return request.config.stash.setdefault(SCORE, Score())


@pytest.fixture(scope="module")
def bench(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """What the cases share."""
    with open_bench(azurite, tmp_path_factory.mktemp("studies")) as opened:
        yield opened


@pytest.mark.runtime
def test_once_the_world_recovers_the_report_of_the_monday_stands(seed: int, bench: Bench, score: Score) -> None:
    case = case_of(seed)
    outcome = play(case, bench, handle_carefully, f"case-{seed}")
    score.add(case, outcome.counted, held=not outcome.problems)
    assert outcome.problems == [], f"{case}: repeat it with --campaign-seed {seed}"


@pytest.mark.runtime
def test_a_naive_job_does_all_that_is_asked_in_fair_weather(bench: Bench) -> None:
    assert play(Case(FIRST_SEED), bench, handle_naively, "naive-in-fair-weather").problems == []


@pytest.mark.runtime
def test_the_same_cases_find_a_naive_job_out(bench: Bench, score: Score) -> None:
    found = [play(case, bench, handle_naively, f"naive-{case.seed}").problems for case in NAIVE_CASES]
    score.naive_tried, score.naive_found = len(found), len([problems for problems in found if problems])
    assert score.naive_found >= score.naive_tried // 3


@pytest.mark.parametrize("duplicated", [False, True], ids=["delivered once", "delivered twice"])
@pytest.mark.parametrize("family", FAMILIES)
def test_everything_that_can_go_wrong_does(family: str, duplicated: bool) -> None:
    assert any(family in case.families and case.duplicated is duplicated for case in CASES_IN_CI)


@pytest.mark.parametrize(("family", "cases"), [(KILLED, 40), (LATE, 30), (TWO_HISTORIES, 30)])
def test_the_families_that_deliver_in_the_strangest_orders_occur_often(family: str, cases: int) -> None:
    assert len([case for case in CASES_IN_CI if family in case.families]) >= cases


def test_a_seed_always_gives_the_same_case() -> None:
    assert [case_of(case.seed) for case in CASES_IN_CI] == CASES_IN_CI
