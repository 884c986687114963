"""Claims about azure.yaml: what `azd up` deploys is the package that was built here."""

from typing import Any

import pytest
import yaml

from infra import package
from tests.support.bicep import ROOT, resource

BUILD = "uv run --no-project --python 3.13 infra/package.py"


def azure_yaml() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    return document


def service() -> dict[str, Any]:
    found: dict[str, Any] = azure_yaml()["services"]["app"]
    return found


def test_the_service_is_the_function_app_of_the_template() -> None:
    tags = resource("app", "app")["tags"]["function"]["parameters"]["arg_2"]

    assert tags == {"'azd-service-name'": "app"}


def test_what_is_deployed_is_the_folder_that_the_package_is_built_in() -> None:
    assert service()["project"] == f"./{package.FOLDER.as_posix()}"


def test_nothing_is_built_in_azure() -> None:
    assert (service()["host"], service()["language"], service()["remoteBuild"]) == ("function", "python", False)


@pytest.mark.parametrize("system", ["posix", "windows"])
@pytest.mark.parametrize("hook", ["prepackage", "predeploy"])
def test_the_package_is_built_before_it_is_taken(hook: str, system: str) -> None:
    assert azure_yaml()["hooks"][hook][system]["run"] == BUILD


def test_up_builds_once_and_provisions_before_it_deploys() -> None:
    assert azure_yaml()["workflows"]["up"]["steps"] == [{"azd": "provision"}, {"azd": "deploy --all"}]
