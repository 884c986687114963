"""Tests of azure.yaml: `azd up` deploys the package that was built here."""

from typing import Any

import pytest
import yaml

from infra import package
from tests.support.bicep import ROOT, resource

BUILD = "uv run --no-project --python 3.13 infra/package.py"
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))


def test_the_service_is_the_function_app_of_the_template() -> None:
    tags = resource("app", "app")["tags"]["function"]["parameters"]["arg_2"]

    assert tags == {"'azd-service-name'": "app"}


def test_the_built_package_is_deployed_and_nothing_is_built_in_azure() -> None:
    service = DOCUMENT["services"]["app"]

    assert service["project"] == f"./{package.FOLDER.as_posix()}"
    assert (service["host"], service["language"], service["remoteBuild"]) == ("function", "python", False)


@pytest.mark.parametrize("system", ["posix", "windows"])
@pytest.mark.parametrize("hook", ["prepackage", "predeploy"])
def test_the_package_is_built_before_it_is_used(hook: str, system: str) -> None:
    assert DOCUMENT["hooks"][hook][system]["run"] == BUILD


def test_up_provisions_before_it_deploys_and_builds_once() -> None:
    assert DOCUMENT["workflows"]["up"]["steps"] == [{"azd": "provision"}, {"azd": "deploy --all"}]
