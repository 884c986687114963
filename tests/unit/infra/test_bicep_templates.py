"""Tests of the Bicep templates: valid syntax, matching parameters, and the resources that the code needs.

The top of infra/main.bicep lists what only a subscription can show.
"""

import json
import re
import tomllib

import pytest
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

import function_app
from consent.config.checks import months_kept
from consent.config.settings import DEFAULT_SCHEDULE, Settings
from consent.runs.ledger.storage_account import table_storage
from infra import package
from tests.support.bicep import (
    NAMES,
    ROOT,
    app_settings,
    default,
    module_parameters,
    parameters,
    resource,
    roles_given,
    source,
    template,
    undeclared,
    variable,
)

MODULES = template("main")["modules"]
FILLED_IN = json.loads((ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
UNIQUE = "a" * 13  # as long as a uniqueString
FEWEST_INSTANCES = 40  # the lowest limit that every region accepts
ROLES = [
    pytest.param("storage", "blobDataOwner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", id="the host and the package"),
    pytest.param("storage", "queueDataContributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88", id="messages"),
    pytest.param("storage", "tableDataContributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", id="the run history"),
    pytest.param("vault", "secretsUser", "4633458b-17de-408a-b874-0445c86b69e6", id="secrets"),
    pytest.param("monitoring", "monitoringMetricsPublisher", "3913510d-42f4-4e42-8a64-420c390055eb", id="the log"),
]
REJECTED_BY_FLEX = {
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "ENABLE_ORYX_BUILD",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_TIME_ZONE",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_template_has_valid_syntax(name: str) -> None:
    assert template(name)["globals"]["scope"]["value"] in ("resourceGroup", "subscription")


@pytest.mark.parametrize("name", NAMES)
def test_a_template_uses_only_declared_names(name: str) -> None:
    assert undeclared(name) == set()


def test_the_main_template_uses_every_other_one() -> None:
    assert {module["detail"]["full"] for module in MODULES.values()} == {f"{name}.bicep" for name in NAMES} - {
        "main.bicep"
    }


@pytest.mark.parametrize("module", MODULES)
def test_a_module_gets_its_required_parameters_and_no_unknown_ones(module: str) -> None:
    assert parameters(module, required_only=True) <= set(module_parameters(module)) <= parameters(module)


@pytest.mark.parametrize(("module", "output"), sorted(set(re.findall(r"\b(\w+)!?\.outputs\.(\w+)", source("main")))))
def test_a_used_output_of_a_module_exists(module: str, output: str) -> None:
    assert output in template(module)["outputs"]


def test_azd_can_set_every_parameter() -> None:
    assert set(FILLED_IN) == parameters("main")


def test_azd_leaves_every_default_to_the_template() -> None:
    """It omits a parameter whose variable is not set; a variable with a default in braces would not be omitted."""
    values = [each["value"] for key, each in FILLED_IN.items() if key != "secretsOfficerType"]

    assert [value for value in values if not re.fullmatch(r"\$\{[A-Z_]+\}", value)] == []


def test_azd_prompts_for_the_email_and_the_redcap_address_only() -> None:
    asked = {FILLED_IN[name]["value"] for name in parameters("main", required_only=True)}
    assert {value for value in asked if "AZURE_" not in value} == {"${ALERT_EMAIL}", "${REDCAP_API_URL}"}


@pytest.mark.parametrize(
    ("parameter", "filled_in"),
    [
        pytest.param("githubRepository", "${DEPLOY_FROM_GITHUB}", id="GITHUB_REPOSITORY is set in every codespace"),
        pytest.param("secretsOfficerId", "${AZURE_PRINCIPAL_ID}", id="azd knows who is signed in"),
        pytest.param("secretsOfficerType", "${AZURE_PRINCIPAL_TYPE=User}", id="a person, or a program"),
    ],
)
def test_a_right_is_given_only_to_whom_azd_names(parameter: str, filled_in: str) -> None:
    assert FILLED_IN[parameter]["value"] == filled_in


@pytest.mark.parametrize(
    ("module", "legal"),
    [
        pytest.param("storage", "[a-z0-9]{3,24}", id="storage account"),
        pytest.param("vault", "[a-z][a-z0-9-]{1,22}[a-z0-9]", id="key vault"),
        pytest.param("app", "[a-z][a-z0-9-]{0,31}", id="app: its host tells apps by the first 32 letters"),
    ],
)
def test_a_globally_unique_name_is_legal_and_contains_the_environment_s_token(module: str, legal: str) -> None:
    name = module_parameters(module)["name"]

    assert (name.count("${token}"), bool(re.fullmatch(legal, name.replace("${token}", UNIQUE)))) == (1, True)


@pytest.mark.parametrize(("name", "role", "role_id"), ROLES)
def test_the_app_has_the_role(name: str, role: str, role_id: str) -> None:
    assert (variable(name, "roles")[role], ("principalId", role) in roles_given(name)) == (role_id, True)


def test_sign_in_uses_the_identity_of_the_app_as_its_secret_and_leaves_every_route_open() -> None:
    found = resource("app", "signIn")["properties"]
    secret = found["identityProviders"]["azureActiveDirectory"]["registration"]["clientSecretSettingName"]

    assert str(app_settings()[secret]) == str(app_settings()["CONSENT_SIGN_IN"]).replace("entra", "identityClientId")
    assert found["globalValidation"]["unauthenticatedClientAction"] == "AllowAnonymous"


def test_only_the_secrets_officer_may_store_secrets() -> None:
    assert {who for who, role in roles_given("vault") if role == "secretsOfficer"} == {"secretsOfficerId"}


def test_every_role_is_given_to_the_identity_of_the_app() -> None:
    given = {name: module_parameters(name)["principalId"] for name in ("storage", "vault", "monitoring")}
    expected = source("main").count("principalId: identity.outputs.principalId")

    assert (len({str(each) for each in given.values()}), expected) == (1, len(given))


@pytest.mark.parametrize(
    ("name", "symbol", "property_", "value"),
    [
        pytest.param("storage", "account", "allowSharedKeyAccess", False, id="no account keys"),
        pytest.param("storage", "account", "allowBlobPublicAccess", False, id="no public blobs"),
        pytest.param("vault", "vault", "enableRbacAuthorization", True, id="the vault uses roles"),
        pytest.param("vault", "vault", "enablePurgeProtection", True, id="no purge"),
        pytest.param("monitoring", "insights", "DisableLocalAuth", True, id="the log needs an identity"),
        pytest.param("app", "app", "httpsOnly", True, id="https only"),
        pytest.param("app", "deploymentPasswords", "allow", False, id="no deployment by password"),
        pytest.param("app", "ftpPasswords", "allow", False, id="no FTP by password"),
    ],
)
def test_access_without_an_identity_is_disabled(name: str, symbol: str, property_: str, value: bool) -> None:
    assert resource(name, symbol)["properties"][property_] is value


@pytest.mark.parametrize("name", NAMES)
def test_no_template_uses_a_key_or_a_secret(name: str) -> None:
    words = ("listKeys", "listSecrets", "AccountKey", "SharedAccess", "vaults/secrets")

    assert [word for word in words if word in source(name)] == []


def test_every_access_to_a_secret_is_logged() -> None:
    audit = resource("vault", "audit")["properties"]

    assert audit["logs"] == [{"category": "AuditEvent", "enabled": True}]
    assert "workspaceId: monitoring.outputs.workspaceId" in source("main")


def test_with_a_network_only_the_app_and_given_addresses_reach_the_vault() -> None:
    rules, subnet = resource("vault", "vault")["properties"]["networkAcls"], resource("network", "subnet")["properties"]
    actions = rules["defaultAction"]["operator"]["operands"]
    allowed = rules["virtualNetworkRules"]["operator"]["operands"]

    assert (actions["true_value"], actions["false_value"]) == ("Allow", "Deny")
    assert (allowed["true_value"], allowed["false_value"]) == ([], [{"id": "subnetId"}])
    assert module_parameters("vault")["subnetId"] == module_parameters("app")["subnetId"] == "subnetId"
    assert subnet["serviceEndpoints"] == [{"service": "Microsoft.KeyVault"}]


def test_azd_offers_regions_that_have_flex_consumption() -> None:
    location = source("main").partition("param location string")[0].rpartition("@description")[2]

    assert "azd: { type: 'location' }" in location
    assert {"canadacentral", "eastus2", "westeurope"} <= set(re.findall(r"'(\w+)'", location))


def test_the_app_runs_on_the_python_that_its_package_is_built_for() -> None:
    runtime = resource("app", "app")["properties"]["functionAppConfig"]["runtime"]

    assert runtime == {"name": "python", "version": ".".join(map(str, package.PYTHON))}


def test_every_region_accepts_the_instance_limit() -> None:
    scale = resource("app", "app")["properties"]["functionAppConfig"]["scaleAndConcurrency"]

    assert scale["maximumInstanceCount"] >= FEWEST_INSTANCES


def test_microsoft_s_runtime_is_pinned_for_that_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = [each for each in project["dependencies"] if each.startswith("azure-functions-runtime==")]

    assert [each.partition(";")[2].strip() for each in pinned] == ["python_version >= '3.13'"]


def test_the_queues_and_the_defaults_are_the_ones_of_the_code() -> None:
    assert variable("storage", "queueNames") == [function_app.QUEUE, f"{function_app.QUEUE}-poison"]
    assert default("schedule") == DEFAULT_SCHEDULE
    assert default("keepMonths") == months_kept(Settings({}))


def test_flex_consumption_accepts_every_setting() -> None:
    assert REJECTED_BY_FLEX & set(app_settings()) == set()


def test_the_code_reaches_its_storage_by_identity_with_these_settings() -> None:
    given = {name: value for name, value in app_settings().items() if name.startswith(function_app.STORAGE)}
    given[f"{function_app.STORAGE}__accountName"] = "stconsent"

    storage = table_storage(Settings(given, in_azure=True))

    assert (storage.endpoint, storage.managed, storage.client_id, storage.key) == (
        "https://stconsent.table.core.windows.net",
        True,
        given[f"{function_app.STORAGE}__clientId"],
        None,
    )


def test_the_host_reaches_its_storage_by_the_name_of_the_account() -> None:
    """With the address of each service it can start without its storage: azure-functions-host, issue 11787."""
    storage = {name.rpartition("__")[2] for name in app_settings() if name.startswith(function_app.STORAGE)}

    assert storage == {"accountName", "credential", "clientId"}
    assert app_settings()[f"{function_app.STORAGE}__accountName"] == "storageAccountName"
    assert "storageAccountName: storage.outputs.name" in source("main")


def test_the_identity_library_tries_the_managed_identity_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", app_settings()["AZURE_TOKEN_CREDENTIALS"])
    monkeypatch.setenv("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000001")

    with DefaultAzureCredential() as credential:
        found = [type(each) for each in credential.credentials]

    assert found == [ManagedIdentityCredential]


def test_the_watched_health_address_is_the_app_s() -> None:
    prefix = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["http"]["routePrefix"]

    assert module_parameters("health")["url"].endswith(f"/{prefix}/health")
