"""Tests of the templates and of azure.yaml against Microsoft's published types, recorded in tests/support."""

import re

import pytest
import yaml
from pycep import BicepParser

from tests.support.azure_types import TYPES, faults, faults_of_template
from tests.support.bicep import NAMES, ROOT, source, template

AZURE_YAML = (ROOT / "azure.yaml").read_text(encoding="utf-8")


def faults_with(name: str, old: str, new: str) -> list[str]:
    """The faults of a template after a change of its text."""
    assert old in source(name)
    return faults_of_template(BicepParser().parse(text=source(name).replace(old, new)))


SCHEMA = "https://raw.githubusercontent.com/Azure/azure-dev/main/schemas/v1.0/azure.yaml.json"


@pytest.mark.parametrize("name", [name for name in NAMES if template(name).get("resources")])
def test_every_property_of_a_template_is_a_published_one(name: str) -> None:
    assert faults_of_template(template(name)) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        ("app", "httpsOnly", "httpOnly", "app.properties: httpOnly is unknown"),
        ("app", "siteConfig: { minTlsVersion: '1.2' }", "minTlsVersion: '1.2'", "minTlsVersion is unknown"),
        ("app", "name: 'scm'", "name: 'web'", "deploymentPasswords.name: 'web' is none of"),
        ("app", "'AllowAnonymous'", "'AllowAnybody'", "unauthenticatedClientAction: 'AllowAnybody' is none of"),
        ("storage", "'Standard_LRS'", "'Standard_XRS'", "account.sku.name: 'Standard_XRS' is none of"),
        ("storage", "@2023-05-01' = {\n  name: name", "@2023-05-31' = {\n  name: name", "Microsoft.Storage@2023-05-31"),
        (
            "alerts",
            "    enabled: true\n    emailReceivers",
            "    emailReceivers",
            "people.properties: enabled is",
        ),
        ("alerts", "operator: 'LessThan'", "operator: 'Less'", "operator: 'Less' is none of"),
        ("alerts", "severity: 2", "severity: '2'", "alerts.properties.severity: '2' is not of the type int"),
        ("alerts", "[workspaceId]", "'all'", "alerts.properties.scopes: 'all' is not a list"),
        ("vault", "empty(subnetId) ? 'Allow' : 'Deny'", "empty(subnetId) ? 'Allow' : 'Refuse'", "'Refuse' is none of"),
        ("vault", "{ value: trim(address) }", "{ address: trim(address) }", "ipRules: value is missing"),
        ("vault", "softDeleteRetentionInDays", "hsmPoolResourceId", "hsmPoolResourceId is unknown"),
        ("health", "'odata.type'", "'odata.kind'", "alert.properties.criteria: odata.type is missing"),
        ("monitoring", "dailyQuotaGb: 1", "dailyQuotaGb: true", "dailyQuotaGb: True is not of the type int"),
    ],
)
def test_a_planted_fault_is_found(name: str, old: str, new: str, fault: str) -> None:
    assert [each for each in faults_with(name, old, new) if fault in each]


def test_azure_yaml_has_the_published_form() -> None:
    first, _, _ = AZURE_YAML.partition("\n")

    assert faults(yaml.safe_load(AZURE_YAML), "azure.yaml", "document", "azure.yaml") == []
    assert first == f"# yaml-language-server: $schema={SCHEMA}"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("  predeploy:", "  beforedeploy:", "azure.yaml.hooks: beforedeploy is unknown"),
        ("host: function", "host: functions", "host: 'functions' is none of"),
        ("shell: sh", "shell: bash", "shell: 'bash' is none of"),
        ("remoteBuild: false", "remoteBuild: 'no'", "remoteBuild: 'no' is not of the type bool"),
        ("name: consent-summary\n", "", "azure.yaml: name is missing"),
    ],
)
def test_a_fault_planted_in_azure_yaml_is_found(old: str, new: str, fault: str) -> None:
    assert old in AZURE_YAML
    found = faults(yaml.safe_load(AZURE_YAML.replace(old, new)), "azure.yaml", "document", "azure.yaml")

    assert [each for each in found if fault in each]


def test_only_the_types_in_use_are_recorded() -> None:
    used = {
        (what["type"], what["api_version"]) for name in NAMES for what in template(name).get("resources", {}).values()
    }
    recorded = {
        (f"{file.partition('@')[0]}/{resource.partition(':')[0]}", file.partition("@")[2])
        for file, known in TYPES.items()
        for resource in known["resources"]
        if file != "azure.yaml"
    }

    assert recorded == used
    assert [known["commit"] for known in TYPES.values() if not re.fullmatch(r"[0-9a-f]{40}", known["commit"])] == []
