"""Claims about the workflows on GitHub: what they run, what they may, and that no password is stored for them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import package
from tests.support.bicep import ROOT, resource, template
from tests.unit.infra.test_azure_yaml import BUILD

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return document


def job(name: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = workflow(name)["jobs"][key]
    return found


def commands(name: str, key: str) -> list[str]:
    """What a job runs, a text a step."""
    return [step["run"] for step in job(name, key)["steps"] if "run" in step]


def triggers(name: str) -> dict[str, Any]:
    """When a workflow runs; YAML takes the key `on` for a truth value."""
    found: dict[str, Any] = {str(key): value for key, value in workflow(name).items()}["True"]
    return found


def test_changes_are_checked_by_the_command_that_everybody_runs() -> None:
    assert commands("ci.yml", "check")[-1] == ".ci/run"


def test_that_command_tests_on_the_oldest_and_on_the_newest_python() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert re.findall(r"tests on Python (3\.\d+)", script) == ["3.13", "3.11"]


def test_that_command_builds_the_package() -> None:
    assert "infra/package.py" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_changes_are_checked_on_linux_and_on_windows() -> None:
    systems = job("ci.yml", "check")["strategy"]["matrix"]["os"]

    assert [system.partition("-")[0] for system in systems] == ["ubuntu", "windows"]


def test_every_proposed_change_is_checked() -> None:
    assert {"push", "pull_request", "workflow_call"} == set(triggers("ci.yml"))


def test_only_a_tag_deploys() -> None:
    assert triggers("deploy.yml") == {"push": {"tags": ["v*"]}}


def test_nothing_is_deployed_that_was_not_checked() -> None:
    assert (job("deploy.yml", "check")["uses"], job("deploy.yml", "package")["needs"], _deploying()["needs"]) == (
        "./.github/workflows/ci.yml",
        "check",
        "package",
    )


def test_the_package_is_built_as_azd_builds_it() -> None:
    assert BUILD in commands("deploy.yml", "package")


def test_what_was_built_is_what_is_deployed() -> None:
    kept = [step["with"]["path"] for step in job("deploy.yml", "package")["steps"] if "path" in step.get("with", {})]
    deployed = re.findall(r"--src (\S+)", " ".join(commands("deploy.yml", "deploy")))

    assert (kept, deployed) == ([package.ARCHIVE.as_posix()], [package.ARCHIVE.name])


def test_nothing_is_built_in_azure() -> None:
    assert "--build-remote false" in " ".join(commands("deploy.yml", "deploy"))


def test_what_the_deployment_has_to_know_is_told_by_azd() -> None:
    asked_for = re.findall(r"vars\.(\w+)", (ROOT / ".github" / "workflows" / "deploy.yml").read_text(encoding="utf-8"))
    told = {*template("main")["outputs"], "AZURE_SUBSCRIPTION_ID"}  # the last by azd itself

    assert ({*asked_for} - told, "GITHUB_CLIENT_ID" in told) == ({"AZURE_CLIENT_ID"}, True)


def test_azure_lets_in_the_environment_that_deploys_and_no_other() -> None:
    subject = resource("github", "trust")["properties"]["subject"]

    assert subject.endswith(f":environment:{_deploying()['environment']}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_workflow_holds_or_reads_a_password(path: Path) -> None:
    assert re.findall(r"secrets\.|password:|[^-]token:", path.read_text(encoding="utf-8")) == []


def test_only_the_job_that_deploys_may_ask_for_an_identity() -> None:
    jobs = {key: found.get("permissions", {}) for key, found in workflow("deploy.yml")["jobs"].items()}

    assert jobs == {"check": {"contents": "read"}, "package": {"contents": "read"}, "deploy": {"id-token": "write"}}


def test_a_check_may_read_the_code_and_nothing_else() -> None:
    assert workflow("ci.yml")["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_an_official_one_of_a_given_major_version(path: Path) -> None:
    used = re.findall(r"uses: (\S+)", path.read_text(encoding="utf-8"))
    known = re.compile(r"(actions|azure)/[a-z-]+@v\d+|\./\.github/workflows/ci\.yml")

    assert [each for each in used if not known.fullmatch(each)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_two_of_a_kind_never_run_beside_each_other(path: Path) -> None:
    assert set(workflow(path.name)["concurrency"]) == {"group", "cancel-in-progress"}


def test_a_deployment_is_never_broken_off_by_the_next() -> None:
    assert workflow("deploy.yml")["concurrency"]["cancel-in-progress"] is False


@pytest.mark.parametrize(("name", "key"), [("ci.yml", "check"), ("deploy.yml", "package"), ("deploy.yml", "deploy")])
def test_no_job_runs_for_hours(name: str, key: str) -> None:
    assert job(name, key)["timeout-minutes"] <= 90


def _deploying() -> dict[str, Any]:
    return job("deploy.yml", "deploy")
