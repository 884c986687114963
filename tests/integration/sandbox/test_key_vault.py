"""Tests of the simulated Key Vault: it responds and refuses as the real services do."""

from collections.abc import Iterator

import pytest
import requests

from sandbox.key_vault import KeyVault
from sandbox.server import Server

EXPIRES = 1_767_614_460
IDENTITY = {"api-version": "2019-08-01", "resource": "https://vault.azure.net"}


@pytest.fixture
def vault() -> KeyVault:
    return KeyVault(identity_header="h")


@pytest.fixture
def url(vault: KeyVault) -> Iterator[str]:
    with Server(vault) as server:
        yield server.url


@pytest.fixture
def token(url: str) -> str:
    return request_token(url).json()["access_token"]


def request_token(url: str, header: str = "h", **changes: str) -> requests.Response:
    return requests.get(f"{url}/msi/token", IDENTITY | changes, headers={"X-IDENTITY-HEADER": header}, timeout=5)


def request_secret(url: str, token: str, path: str, query: str = "api-version=7.6") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "Host": "v.vault.azure.net"}
    return requests.get(f"{url}/secrets/{path}?{query}", headers=headers, timeout=5)


def test_a_token_needs_the_identity_header(url: str) -> None:
    assert request_token(url, header="wrong").status_code == 401


@pytest.mark.parametrize("change", [{"api-version": "2017-09-01"}, {"resource": "https://graph.microsoft.com"}])
def test_a_token_is_for_key_vault_by_the_current_contract_only(url: str, change: dict[str, str]) -> None:
    assert request_token(url, **change).status_code == 400


def test_a_request_without_a_token_gets_the_address_of_the_token_service(url: str) -> None:
    answer = requests.get(f"{url}/secrets/a-key?api-version=7.6", timeout=5)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
        401,
        'Bearer authorization="https://login.microsoftonline.com/00000000-0000-0000-0000-0000000000aa", resource="https://vault.azure.net"',
    )


@pytest.mark.parametrize("authorisation", ["Bearer wrong", "Basic sandbox-token-0001", "sandbox-token-0001"])
def test_a_token_that_was_not_issued_is_refused(url: str, token: str, authorisation: str) -> None:
    answer = requests.get(f"{url}/secrets/a-key?api-version=7.6", headers={"Authorization": authorisation}, timeout=5)

    assert answer.json()["error"] == {"code": "Unauthorized", "message": "Error validating token."}


def test_a_secret_comes_with_its_address_and_attributes(vault: KeyVault, url: str, token: str) -> None:
    version = vault.put("a-key", "value", expires=EXPIRES)
    created = vault.versions("a-key")[0].created

    assert request_secret(url, token, "a-key").json() == {
        "value": "value",
        "id": f"https://v.vault.azure.net/secrets/a-key/{version}",
        "attributes": {
            "enabled": True,
            "exp": EXPIRES,
            "created": created,
            "updated": created,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        },
        "tags": {},
    }


def test_the_newest_version_is_returned_in_any_case_of_the_name(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "old")
    vault.put("A-KEY", "new")

    assert request_secret(url, token, "a-key").json()["value"] == "new"


def test_an_unknown_secret_is_not_found(url: str, token: str) -> None:
    answer = request_secret(url, token, "a-key")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SecretNotFound")


def test_a_forbidden_secret_is_refused_for_a_missing_role(vault: KeyVault, url: str, token: str) -> None:
    vault.forbidden.add("a-key")

    answer = request_secret(url, token, "a-key")

    assert (answer.status_code, answer.json()["error"]["innererror"]) == (403, {"code": "ForbiddenByRbac"})


def test_a_disabled_secret_is_refused(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "value", enabled=False)

    answer = request_secret(url, token, "a-key")

    assert (answer.status_code, answer.json()["error"]["innererror"]) == (403, {"code": "SecretDisabled"})


@pytest.mark.parametrize("path", ["A_KEY", "a.key", "a" * 128, ""])
def test_a_name_with_other_characters_is_refused(url: str, token: str, path: str) -> None:
    assert request_secret(url, token, path).status_code == 400


def test_a_request_without_an_api_version_is_refused(url: str, token: str) -> None:
    assert request_secret(url, token, "a-key", query="").json()["error"]["code"] == "BadParameter"


def set_secret(url: str, token: str, name: str, body: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "Host": "v.vault.azure.net"}
    return requests.put(f"{url}/secrets/{name}?api-version=7.6", json=body, headers=headers, timeout=5)


def test_a_secret_that_was_set_is_the_newest_version(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "old")

    set_secret(url, token, "a-key", {"value": "new", "attributes": {"exp": EXPIRES}})

    answer = request_secret(url, token, "a-key").json()
    assert (answer["value"], answer["attributes"]["exp"]) == ("new", EXPIRES)


def test_setting_a_secret_answers_with_its_address(url: str, token: str) -> None:
    answer = set_secret(url, token, "a-key", {"value": "new"})

    assert (answer.status_code, answer.json()["id"]) == (200, f"https://v.vault.azure.net/secrets/a-key/{1:032x}")


def test_setting_a_secret_needs_a_value(url: str, token: str) -> None:
    assert set_secret(url, token, "a-key", {}).json()["error"]["code"] == "BadParameter"


def test_a_reader_cannot_set_a_secret(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "old")
    vault.may_set = False

    answer = set_secret(url, token, "a-key", {"value": "new"})

    assert (answer.status_code, answer.json()["error"]["innererror"]) == (403, {"code": "ForbiddenByRbac"})
    assert request_secret(url, token, "a-key").json()["value"] == "old"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_other_methods_are_refused(url: str, method: str) -> None:
    assert requests.request(method, f"{url}/secrets/a-key?api-version=7.6", timeout=5).status_code == 405
