"""Tests of the project's conventions: supported Pythons, updates of dependencies, releases, reports of problems."""

import re
import tomllib
from typing import Any

import yaml

from tests.support.doc_pages import PAGES, ROOT
from tests.unit.infra.test_workflows import commands

GITHUB = ROOT / ".github"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]


def document(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GITHUB / path).read_text(encoding="utf-8"))
    return found


def test_every_claim_about_the_supported_pythons_is_the_same() -> None:
    oldest, newest = PYTHONS[0], PYTHONS[-1]
    claims = set(re.findall(r"(3\.\d+)(?: to |_to_)(3\.\d+)", PAGES["README.md"]))

    assert claims == {(oldest, newest)}
    assert PROJECT["requires-python"] == f">={oldest},<3.{int(newest.removeprefix('3.')) + 1}"


def test_ci_tests_the_oldest_and_the_newest_python() -> None:
    assert f"tests on Python {PYTHONS[0]}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert commands("ci.yml", "next-python")[-1] == f"uv run --locked --python {PYTHONS[-1]} pytest"


def test_ci_runs_the_demo_on_windows() -> None:
    assert "uv run --python 3.13 consent demo" in commands("ci.yml", "check")


def test_a_release_is_checked_for_vulnerabilities_and_lists_its_packages() -> None:
    steps = [step.split(maxsplit=2)[:2] for step in commands("deploy.yml", "package")]

    assert [step for step in steps if step[0] == "uvx" and re.fullmatch(r"pip-audit@[\d.]+", step[1])]
    assert ["uv", "export"] in steps


def test_dependabot_updates_the_packages_and_the_actions() -> None:
    assert {each["package-ecosystem"] for each in document("dependabot.yml")["updates"]} == {"uv", "github-actions"}


def test_a_problem_cannot_be_reported_without_confirming_that_no_data_is_in_it() -> None:
    form = {each.get("id"): each for each in document("ISSUE_TEMPLATE/problem.yml")["body"]}

    assert "no export, record id, name" in form[None]["attributes"]["value"]
    assert [option["required"] for option in form["no-data"]["attributes"]["options"]] == [True]
    assert document("ISSUE_TEMPLATE/config.yml")["blank_issues_enabled"] is False
