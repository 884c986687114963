"""Mistakes that people make in a set-up, each ready to be planted in a world in which a run would work."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from consent.runs.ledger.record import RunCounts
from consent.runs.ledger.sqlite import SqliteLedger
from sandbox.dropbox.app import DELIVERY_SCOPES, Dropbox
from sandbox.dropbox.tree import WriteMode
from sandbox.redcap import faults as redcap_faults
from sandbox.redcap.app import Field, User
from tests.support.builders import REDCAP_FIELDS, TOKEN, a_redcap_project, a_redcap_row
from tests.support.check_world import ANOTHER_TOKEN, KEY, PROXY_PASSWORD, CheckWorld
from tests.support.run_builders import a_report

UNRESOLVED = "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/k/)"


def a_token_of_nobody(world: CheckWorld) -> None:
    world.values["REDCAP_ACCESS_TOKEN"] = "0" * 32


def a_token_of_another_project(world: CheckWorld) -> None:
    world.values["REDCAP_ACCESS_TOKEN"] = ANOTHER_TOKEN


def a_user_with(world: CheckWorld, **rights: object) -> None:
    world.project.users = [replace(User("pipeline", TOKEN), **rights)]  # type: ignore[arg-type]


def a_withheld_form(world: CheckWorld) -> None:
    a_user_with(world, rights={"consent": "none"})


def a_withheld_identifier(world: CheckWorld) -> None:
    with_field(world, "consent_date", identifier=True)
    a_user_with(world, rights={"consent": "no identifiers"})


def with_field(world: CheckWorld, name: str, /, **changes: object) -> None:
    """Have a field of the project be otherwise."""
    fields = [replace(one, **changes) if one.name == name else one for one in REDCAP_FIELDS]  # type: ignore[arg-type]
    world.project.fields = fields


def a_renamed_field(world: CheckWorld) -> None:
    with_field(world, "rider_a", name="rider_a_v2")


def a_changed_code(world: CheckWorld) -> None:
    with_field(world, "consent_obtained", choices="1, Yes | 3, No | 0, Open")


def an_unknown_event(world: CheckWorld) -> None:
    world.project = a_redcap_project(
        a_redcap_row(event="enrolment_arm_1"), events={"enrolment_arm_1": ["enrolment", "consent"]}
    )
    world.change_study("[[consent]]", '[[consent]]\nevents = ["baseline_arm_1"]')


def a_checkbox_where_one_answer_belongs(world: CheckWorld) -> None:
    world.project.fields = [*REDCAP_FIELDS, Field("reasons", "consent", "checkbox", choices="1, A | 2, B")]
    world.change_study('field = "rider_a"', 'field = "reasons"')


def a_user_in_a_group(world: CheckWorld) -> None:
    world.project.groups = ("north", "south")
    world.project.rows = [a_redcap_row("1"), a_redcap_row("2")]
    world.project.rows[0].group = "north"
    a_user_with(world, group="north")


def a_user_in_a_group_who_may_not_see_rights(world: CheckWorld) -> None:
    a_user_in_a_group(world)
    a_user_with(world, group="north", user_rights=False)


def a_user_without_api_export(world: CheckWorld) -> None:
    a_user_with(world, api_export=False)


def no_record(world: CheckWorld) -> None:
    world.project.rows = ()


def a_registry_that_shrank(world: CheckWorld) -> None:
    with closing(SqliteLedger(world.folder / "runs.sqlite")) as ledger:
        ledger.add(a_report(study=KEY, sandbox=True, counts=RunCounts(8, 8, 8, 8, 8)))


def an_http_address(world: CheckWorld) -> None:
    world.values["REDCAP_API_URL"] = "http://redcap.example.org/api/"


def an_address_without_its_slash(world: CheckWorld) -> None:
    world.values["REDCAP_API_URL"] = f"{world.servers.redcap.url}/api"


def another_path(world: CheckWorld) -> None:
    world.values["REDCAP_API_URL"] = f"{world.servers.redcap.url}/somewhere/api/"


def a_login_page(world: CheckWorld) -> None:
    world.servers.redcap.faults.append(redcap_faults.login_page(times=99))


def a_redirect(world: CheckWorld) -> None:
    world.servers.redcap.faults.append(redcap_faults.redirect("https://new.example.org/api/", times=99))


def redcap_that_is_down(world: CheckWorld) -> None:
    world.servers.redcap.faults.append(redcap_faults.gateway_timeout(times=99))


def a_proxy_that_is_no_address(world: CheckWorld) -> None:
    world.values["REDCAP_API_URL"] = "https://redcap.example.org/api/"
    world.values["HTTPS_PROXY"] = f"http://somebody:{PROXY_PASSWORD}@[proxy"


def an_address_with_a_slip(world: CheckWorld) -> None:
    world.values["REDCAP_API_URL"] = "https://redcap..example.org/api/"


def a_proxy_that_is_not_there(world: CheckWorld) -> None:
    world.values["REDCAP_API_URL"] = "https://redcap.example.org/api/"
    world.values["HTTPS_PROXY"] = f"http://somebody:{PROXY_PASSWORD}@127.0.0.1:9"


def certificates_that_are_not_there(world: CheckWorld) -> None:
    world.values["REQUESTS_CA_BUNDLE"] = str(world.folder / "none.pem")


def lacking(scope: str, *, in_the_app: bool = False) -> Callable[[CheckWorld], None]:
    """A log-in, or a whole app, without a permission."""

    def plant(world: CheckWorld) -> None:
        rest = DELIVERY_SCOPES - {scope}
        world.account = Dropbox(scopes=rest, app_scopes=rest if in_the_app else DELIVERY_SCOPES)

    return plant


def a_revoked_log_in(world: CheckWorld) -> None:
    world.account.revoke()


def another_app_key(world: CheckWorld) -> None:
    world.values["DROPBOX_KEY"] = "another-key"


def another_app_secret(world: CheckWorld) -> None:
    world.values["DROPBOX_SECRET"] = "another-secret"


def another_team_space(world: CheckWorld) -> None:
    world.account = Dropbox(root_namespace="2")
    world.values["DROPBOX_ROOT_NAMESPACE"] = "77"


def delivering_to(world: CheckWorld, folder: str) -> None:
    world.study += f'[delivery]\nfolder = "{folder}"\n'


def a_team_space_that_is_no_id(world: CheckWorld) -> None:
    world.values["DROPBOX_ROOT_NAMESPACE"] = "Example Registry"


def a_folder_that_is_read_only(world: CheckWorld) -> None:
    world.account.account.tree.make_folder("/Reports")
    world.account.account.tree.read_only = {"/Reports"}
    delivering_to(world, "/Reports")


def a_folder_that_cannot_be_made(world: CheckWorld) -> None:
    world.account.account.tree.make_folder("/Shared")
    world.account.account.tree.read_only = {"/Shared"}
    delivering_to(world, "/Shared/Consent")


def a_file_where_the_folder_belongs(world: CheckWorld) -> None:
    world.account.account.tree.write("/Reports", b"a file", WriteMode("add"))
    delivering_to(world, "/Reports")


def a_full_account(world: CheckWorld) -> None:
    world.account = Dropbox(quota=1)


def a_first_day_that_has_not_come(world: CheckWorld) -> None:
    world.change_study("start_date = 2023", "start_date = 2923")


def a_wrong_zone(world: CheckWorld) -> None:
    world.change_study("America/Toronto", "America/Torronto")


def a_wrong_server_zone(world: CheckWorld) -> None:
    world.change_study("project_id = 14", 'project_id = 14\ntime_zone = "Eastern Time"')


def a_vault_that_refuses(world: CheckWorld) -> None:
    world.keep_in_vault("REDCAP_ACCESS_TOKEN")
    world.vault.forbidden.add("REDCAP-ACCESS-TOKEN")


def an_address_that_is_no_vault(world: CheckWorld) -> None:
    world.values["KEY_VAULT_URL"] = "vault.example.org"


def a_missing_setting(world: CheckWorld) -> None:
    del world.values["DROPBOX_OAUTH2_REFRESH_TOKEN"]


def a_missing_address(world: CheckWorld) -> None:
    del world.values["REDCAP_API_URL"]


def an_unresolved_reference(world: CheckWorld) -> None:
    world.values["REDCAP_ACCESS_TOKEN"] = UNRESOLVED


def a_token_with_a_blank(world: CheckWorld) -> None:
    world.values["DROPBOX_OAUTH2_REFRESH_TOKEN"] = "sandbox refresh"


def another_host_for_the_library(world: CheckWorld) -> None:
    world.values["DROPBOX_API_HOST"] = "dropbox.example.org"


def a_clock_an_hour_ahead(world: CheckWorld) -> None:
    world.ahead = timedelta(hours=1)


def a_clock_an_hour_behind(world: CheckWorld) -> None:
    world.ahead = timedelta(hours=-1)


def a_ledger_that_is_none(world: CheckWorld) -> None:
    (world.folder / "runs.sqlite").write_text("nothing of the kind, but longer than a header" * 9, encoding="utf-8")


def a_ledger_in_a_table_that_is_not_there(world: CheckWorld) -> None:
    world.values["CONSENT_LEDGER"] = "table"


def a_ledger_below_a_file(world: CheckWorld) -> None:
    (world.folder / "a-file").touch()
    world.values["CONSENT_LEDGER"] = str(world.folder / "a-file" / "runs.sqlite")
