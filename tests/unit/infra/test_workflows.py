"""Tests of the GitHub workflows: what they run, their permissions, and that they use no stored password."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import package
from tests.support.bicep import ROOT, resource, template
from tests.unit.infra.test_azure_yaml import BUILD

FOLDER = ROOT / ".github" / "workflows"
EVERY_FILE = pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yml")), ids=lambda path: path.name)
CI_RUN = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


# What `az functionapp show` printed with az 2.91.0 for an app on Flex Consumption, shortened (28 November 2026)
SHOWN: dict[str, Any] = {
    "id": "/subscriptions/0/resourceGroups/rg-consent/providers/Microsoft.Web/sites/func-consent-x",
    "kind": "functionapp,linux",
    "location": "Canada Central",
    "name": "func-consent-x",
    "properties": {"defaultHostName": "func-consent-x.azurewebsites.net", "sku": "FlexConsumption", "state": "Running"},
    "type": "Microsoft.Web/sites",
}


def workflow(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return document


def job(name: str, key: str) -> dict[str, Any]:
    found: dict[str, Any] = workflow(name)["jobs"][key]
    return found


def commands(name: str, key: str) -> list[str]:
    """What each step of a job runs."""
    return [step["run"] for step in job(name, key)["steps"] if "run" in step]


def triggers(name: str) -> dict[str, Any]:
    """When a workflow runs; YAML reads the key `on` as a truth value."""
    found: dict[str, Any] = {str(key): value for key, value in workflow(name).items()}["True"]
    return found


def test_every_change_is_checked_by_ci_run_on_linux_and_windows() -> None:
    systems = job("ci.yml", "check")["strategy"]["matrix"]["os"]

    assert {"push", "pull_request", "workflow_call"} == set(triggers("ci.yml"))
    assert commands("ci.yml", "check")[-1] == ".ci/run"
    assert [system.partition("-")[0] for system in systems] == ["ubuntu", "windows"]


def test_ci_run_builds_the_package_and_tests_the_oldest_and_the_newest_python() -> None:
    assert "infra/package.py" in CI_RUN
    assert set(re.findall(r"tests on Python (3\.\d+)", CI_RUN)) == {"3.11", "3.13"}


def test_bicep_compiles_the_templates_and_core_tools_runs_the_app() -> None:
    assert [command.split()[:3] for command in commands("ci.yml", "templates")] == [["az", "bicep", "build"]]
    assert commands("ci.yml", "core-tools")[-1].endswith("pytest tests/on_github")


def test_only_a_tag_deploys_and_only_after_the_checks() -> None:
    assert triggers("deploy.yml") == {"push": {"tags": ["v*"]}}
    assert job("deploy.yml", "check")["uses"] == "./.github/workflows/ci.yml"
    assert (job("deploy.yml", "package")["needs"], job("deploy.yml", "deploy")["needs"]) == ("check", "package")


def test_the_deployed_package_is_the_one_that_was_built() -> None:
    uploads = [step["with"] for step in job("deploy.yml", "package")["steps"] if "path" in step.get("with", {})]
    kept = [upload["path"] for upload in uploads if upload["name"] == "package"]
    deploying = " ".join(commands("deploy.yml", "deploy"))

    assert BUILD in commands("deploy.yml", "package")
    assert (kept, re.findall(r"--src (\S+)", deploying)) == ([package.ARCHIVE.as_posix()], [package.ARCHIVE.name])
    assert "--build-remote false" in deploying


def test_the_variables_of_the_deployment_are_outputs_of_the_template() -> None:
    variables = re.findall(r"vars\.(\w+)", (FOLDER / "deploy.yml").read_text(encoding="utf-8"))
    known = {*template("main")["outputs"], "AZURE_SUBSCRIPTION_ID"}  # azd itself prints the last

    assert ({*variables} - known, "GITHUB_CLIENT_ID" in known) == ({"AZURE_CLIENT_ID"}, True)


def test_the_deployed_app_is_asked_at_the_address_that_azure_prints() -> None:
    """An app on Flex Consumption is printed as Azure's resource manager has it; others have no ``properties``."""
    (query,) = re.findall(r"az functionapp show .*--query (\S+)", " ".join(commands("deploy.yml", "deploy")))
    found: Any = SHOWN
    for name in query.split("."):
        found = found[name]

    assert found == "func-consent-x.azurewebsites.net"


@pytest.mark.parametrize(
    ("repository", "subject"),
    [
        ("owner/name", "repo:owner/name:environment:production"),
        ("owner@123/name@456", "repo:owner@123/name@456:environment:production"),
    ],
)
def test_azure_trusts_either_form_in_which_github_names_a_repository(repository: str, subject: str) -> None:
    assert resource("github", "trust")["properties"]["subject"].replace("${repository}", repository) == subject


@pytest.mark.parametrize("path", [".github/workflows/deploy.yml", "infra/main.bicep", "docs/azure.md"])
def test_every_place_that_explains_the_deployment_gives_both_forms_and_the_command(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")

    assert "gh api repos/OWNER/NAME/actions/oidc/customization/sub --jq .sub_claim_prefix" in text
    assert ("OWNER@ID/NAME@ID" in text, "15 July 2026" in text) == (True, True)


def test_azure_trusts_only_the_environment_that_deploys() -> None:
    subject = resource("github", "trust")["properties"]["subject"]

    assert subject.endswith(f":environment:{job('deploy.yml', 'deploy')['environment']}")


@EVERY_FILE
def test_no_workflow_holds_or_reads_a_password(path: Path) -> None:
    assert re.findall(r"secrets\.|password:|[^-]token:", path.read_text(encoding="utf-8")) == []


def test_only_the_job_that_deploys_may_request_an_identity() -> None:
    jobs = {key: found.get("permissions", {}) for key, found in workflow("deploy.yml")["jobs"].items()}

    assert jobs == {"check": {"contents": "read"}, "package": {"contents": "read"}, "deploy": {"id-token": "write"}}
    assert workflow("ci.yml")["permissions"] == {"contents": "read"}


@EVERY_FILE
def test_every_action_is_official_and_pinned_to_a_commit_with_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text(encoding="utf-8"))
    known = re.compile(r"(actions|azure)/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./\.github/workflows/ci\.yml .*")

    assert [each for each in used if not known.fullmatch(each)] == []


@EVERY_FILE
def test_uv_is_pinned_to_one_version(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("$UV_VERSION", workflow("ci.yml")["env"]["UV_VERSION"])
    installed = set(re.findall(r'pip install --quiet "?(.+?)"?$', text, re.MULTILINE))

    assert installed == {f"uv=={workflow('ci.yml')['env']['UV_VERSION']}"}


def test_a_workflow_never_runs_twice_at_once_and_a_deployment_is_never_cancelled() -> None:
    settings = {path.name: workflow(path.name)["concurrency"]["cancel-in-progress"] for path in FOLDER.glob("*.yml")}

    assert settings == {"ci.yml": True, "deploy.yml": False}


@EVERY_FILE
def test_no_job_runs_for_hours(path: Path) -> None:
    jobs = [found for found in workflow(path.name)["jobs"].values() if "steps" in found]

    assert [found for found in jobs if found["timeout-minutes"] > 90] == []
