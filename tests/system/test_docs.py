"""Claims about README and docs/: links lead somewhere, and every name and number in them is the code's own."""

import json
import re

import pytest

from consent.cli.login.oauth import SCOPES
from consent.cli.write_test import TRIAL_NAME
from consent.config.azure_identity import LOGIN_URL
from consent.config.credentials import DROPBOX_KEY, DROPBOX_SECRET, DROPBOX_TOKEN
from consent.delivery.dropbox_session import _HOSTS
from tests.support.bicep import NAMES, default, parameters, template, variable
from tests.support.doc_pages import PAGES, ROOT, anchors_of, links_of, prose_of, quoted_in
from tests.system.test_readme import SETTINGS
from tests.unit.infra.test_settings import LOOKED_FOR

OF_THE_PLATFORM = {"AZURE_CLIENT_ID"}
REFUSED = re.compile(r"DROPBOX_(API|WEB|DOMAIN)")
SET_BY_THE_PLATFORM = re.compile(r"WEBSITE_|LEGION_|CONTAINER_|FUNCTIONS_|AZURE_")


def azd_names() -> set[str]:
    """What azd fills into the templates, and what they tell it in turn."""
    filled = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    return set(re.findall(r"\$\{(\w+)", filled)) | set(template("main")["outputs"])


# --- links


@pytest.mark.parametrize(("page", "path", "heading"), [(p, *link) for p in PAGES for link in links_of(p)])
def test_a_link_leads_somewhere(page: str, path: str, heading: str) -> None:
    target = (ROOT / page).parent / path if path else ROOT / page

    assert target.exists()
    assert not heading or heading in anchors_of(target.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if page != "README.md"])
def test_the_readme_leads_to_every_guide(page: str) -> None:
    assert (page, "") in links_of("README.md")


@pytest.mark.parametrize("page", sorted({*PAGES} - {"README.md", "docs/operations.md", "docs/troubleshooting.md"}))
def test_a_guide_that_is_read_and_not_looked_up_is_one_page(page: str) -> None:
    assert len(PAGES[page].split()) < 1000


# --- settings


@pytest.mark.parametrize("page", PAGES)
def test_a_setting_that_a_page_names_is_one(page: str) -> None:
    named = {name for name in quoted_in(page) if re.fullmatch(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", name)}

    assert named <= LOOKED_FOR | azd_names() | OF_THE_PLATFORM


@pytest.mark.parametrize("name", sorted(LOOKED_FOR))
def test_a_setting_that_the_code_reads_is_in_the_readme(name: str) -> None:
    assert name in SETTINGS or REFUSED.match(name) or SET_BY_THE_PLATFORM.match(name)


@pytest.mark.parametrize("name", ["REDCAP_ACCESS_TOKEN", DROPBOX_KEY, DROPBOX_TOKEN, DROPBOX_SECRET])
def test_a_secret_stands_on_the_page_of_the_vault_under_both_its_names(name: str) -> None:
    assert {name, name.replace("_", "-")} <= set(quoted_in("docs/key-vault.md"))


# --- rights, addresses, numbers


@pytest.mark.parametrize("page", ["docs/dropbox.md", "docs/it.md"])
def test_the_permissions_are_those_that_a_log_in_asks_for(page: str) -> None:
    assert {text for text in quoted_in(page) if re.fullmatch(r"\w+\.[a-z.]*(read|write)", text)} == set(SCOPES)


@pytest.mark.parametrize("host", [*(host for host in _HOSTS if "notify" not in host), LOGIN_URL])
def test_a_host_that_the_code_reaches_stands_on_the_page_for_it(host: str) -> None:
    assert host.removeprefix("https://") in quoted_in("docs/it.md")


def test_every_role_that_is_given_in_azure_stands_on_the_page_for_it_and_no_other() -> None:
    told = {
        role.replace(" ", "") for role in re.findall(r"^\| \*([A-Z][\w ]+)\* \| (?:the|whoever)", _it(), re.MULTILINE)
    }
    given = {
        role for name in NAMES if "roles" in template(name).get("variables", {}) for role in variable(name, "roles")
    }

    assert {role for role in told if not any(role.lower().endswith(each.lower()) for each in given)} == set()
    assert len(told) == len(given)


def _it() -> str:
    return prose_of("docs/it.md")


def test_what_can_be_set_in_azure_is_a_parameter() -> None:
    section = PAGES["docs/azure.md"].partition("## More to set")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+[A-Z]\w+|schedule)`", section))

    assert named <= parameters("main")


def test_what_azd_fills_in_is_told() -> None:
    filled = json.loads((ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    names = {re.sub(r"[${}]|=.*", "", each["value"]) for each in filled.values()}

    assert {name for name in names if not name.startswith("AZURE_")} <= set(quoted_in("docs/azure.md"))


@pytest.mark.parametrize("page", ["docs/azure.md", "docs/privacy.md"])
def test_the_log_is_kept_as_long_as_is_told(page: str) -> None:
    assert f"{default('logRetentionDays')} days" in PAGES[page]


def test_the_file_of_a_trial_is_told() -> None:
    assert TRIAL_NAME in quoted_in("docs/dropbox.md")
