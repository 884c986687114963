"""Claims about the Key Vault stand-in: that it asks, answers and refuses on the wire as the real services do."""

from collections.abc import Iterator

import pytest
import requests

from sandbox.key_vault import KeyVault
from sandbox.server import Server

NOON = 1_767_614_400
IDENTITY = {"api-version": "2019-08-01", "resource": "https://vault.azure.net"}


@pytest.fixture
def vault() -> KeyVault:
    return KeyVault(identity_header="h", tenant="a-tenant", clock=lambda: NOON)


@pytest.fixture
def url(vault: KeyVault) -> Iterator[str]:
    with Server(vault) as server:
        yield server.url


@pytest.fixture
def token(url: str) -> str:
    return ask_for_token(url).json()["access_token"]


def ask_for_token(url: str, header: str = "h", **changes: str) -> requests.Response:
    return requests.get(f"{url}/msi/token", IDENTITY | changes, headers={"X-IDENTITY-HEADER": header}, timeout=5)


def ask_for_secret(url: str, token: str, path: str, query: str = "api-version=7.6") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "Host": "v.vault.azure.net"}
    return requests.get(f"{url}/secrets/{path}?{query}", headers=headers, timeout=5)


def test_a_token_lasts_a_day_and_says_what_it_is_for(url: str) -> None:
    answer = ask_for_token(url).json()

    assert answer == {
        "access_token": "sandbox-token-0001",
        "expires_on": str(NOON + 24 * 3600),
        "resource": "https://vault.azure.net",
        "token_type": "Bearer",
        "client_id": "00000000-0000-0000-0000-0000000000cc",
    }


def test_a_token_needs_the_identity_header(url: str) -> None:
    assert ask_for_token(url, header="wrong").status_code == 401


@pytest.mark.parametrize("change", [{"api-version": "2017-09-01"}, {"resource": "https://graph.microsoft.com"}])
def test_a_token_is_for_key_vault_by_the_current_contract_only(url: str, change: dict[str, str]) -> None:
    assert ask_for_token(url, **change).status_code == 400


def test_a_request_without_a_token_is_told_where_to_get_one(url: str) -> None:
    answer = requests.get(f"{url}/secrets/a-key?api-version=7.6", timeout=5)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
        401,
        'Bearer authorization="https://login.microsoftonline.com/a-tenant", resource="https://vault.azure.net"',
    )


@pytest.mark.parametrize("authorisation", ["Bearer wrong", "Basic sandbox-token-0001", "sandbox-token-0001"])
def test_a_token_it_did_not_give_is_refused(url: str, token: str, authorisation: str) -> None:
    answer = requests.get(f"{url}/secrets/a-key?api-version=7.6", headers={"Authorization": authorisation}, timeout=5)

    assert answer.json()["error"] == {"code": "Unauthorized", "message": "Error validating token."}


def test_a_secret_comes_with_its_address_and_attributes(vault: KeyVault, url: str, token: str) -> None:
    version = vault.put("a-key", "value", expires=NOON + 60)

    assert ask_for_secret(url, token, "a-key").json() == {
        "value": "value",
        "id": f"https://v.vault.azure.net/secrets/a-key/{version}",
        "attributes": {
            "enabled": True,
            "exp": NOON + 60,
            "created": NOON,
            "updated": NOON,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        },
        "tags": {},
    }


def test_the_newest_version_is_given_by_default(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "old")
    vault.put("a-key", "new")

    assert ask_for_secret(url, token, "a-key").json()["value"] == "new"


def test_an_older_version_is_given_when_it_is_named(vault: KeyVault, url: str, token: str) -> None:
    old = vault.put("a-key", "old")
    vault.put("a-key", "new")

    assert ask_for_secret(url, token, f"a-key/{old}").json()["value"] == "old"


def test_names_do_not_depend_on_capitals(vault: KeyVault, url: str, token: str) -> None:
    vault.put("A-KEY", "value")

    assert ask_for_secret(url, token, "a-key").json()["value"] == "value"


@pytest.mark.parametrize("path", ["a-key", "another-key/00000000000000000000000000000009"])
def test_an_unknown_secret_or_version_is_not_found(vault: KeyVault, url: str, token: str, path: str) -> None:
    vault.put("another-key", "value")

    answer = ask_for_secret(url, token, path)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "SecretNotFound")


def test_a_forbidden_secret_is_refused_for_want_of_a_role(vault: KeyVault, url: str, token: str) -> None:
    vault.forbidden.add("a-key")

    answer = ask_for_secret(url, token, "a-key")

    assert (answer.status_code, answer.json()["error"]["innererror"]) == (403, {"code": "ForbiddenByRbac"})


def test_a_disabled_secret_is_refused_as_such(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "value", enabled=False)

    answer = ask_for_secret(url, token, "a-key")

    assert (answer.status_code, answer.json()["error"]["innererror"]) == (403, {"code": "SecretDisabled"})


@pytest.mark.parametrize("path", ["A_KEY", "a.key", "a" * 128, ""])
def test_a_name_with_other_than_letters_digits_and_dashes_is_refused(url: str, token: str, path: str) -> None:
    assert ask_for_secret(url, token, path).status_code == 400


def test_a_request_without_a_version_of_the_protocol_is_refused(url: str, token: str) -> None:
    assert ask_for_secret(url, token, "a-key", query="").json()["error"]["code"] == "BadParameter"


def set_secret(url: str, token: str, name: str, body: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", "Host": "v.vault.azure.net"}
    return requests.put(f"{url}/secrets/{name}?api-version=7.6", json=body, headers=headers, timeout=5)


def test_a_secret_that_was_set_is_the_newest_version(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "old")

    set_secret(url, token, "a-key", {"value": "new", "attributes": {"exp": NOON + 60}})

    answer = ask_for_secret(url, token, "a-key").json()
    assert (answer["value"], answer["attributes"]["exp"]) == ("new", NOON + 60)


def test_setting_a_secret_answers_with_its_address(url: str, token: str) -> None:
    answer = set_secret(url, token, "a-key", {"value": "new"})

    assert (answer.status_code, answer.json()["id"]) == (200, f"https://v.vault.azure.net/secrets/a-key/{1:032x}")


def test_setting_a_secret_needs_a_value(url: str, token: str) -> None:
    assert set_secret(url, token, "a-key", {}).json()["error"]["code"] == "BadParameter"


def test_setting_a_secret_needs_a_token(url: str) -> None:
    assert set_secret(url, "wrong", "a-key", {"value": "new"}).status_code == 401


def test_whoever_may_only_read_sets_no_secret(vault: KeyVault, url: str, token: str) -> None:
    vault.put("a-key", "old")
    vault.may_set = False

    answer = set_secret(url, token, "a-key", {"value": "new"})

    assert (answer.status_code, answer.json()["error"]["innererror"]) == (403, {"code": "ForbiddenByRbac"})
    assert ask_for_secret(url, token, "a-key").json()["value"] == "old"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_nothing_else_is_done_over_http(url: str, method: str) -> None:
    assert requests.request(method, f"{url}/secrets/a-key?api-version=7.6", timeout=5).status_code == 405
