"""Mistakes in a set-up, each to be made in a world in which a run would work."""

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
from sandbox.server import Fault
from tests.support.builders import REDCAP_FIELDS, TOKEN, a_redcap_project, a_redcap_row
from tests.support.check_world import KEY, PROXY_PASSWORD, CheckWorld
from tests.support.run_builders import MONDAY, a_report

Mistake = Callable[[CheckWorld], object]


# --- settings


def setting(**values: str) -> Mistake:
    """Other settings; an empty value removes one."""

    def make(world: CheckWorld) -> None:
        world.values = {name: value for name, value in {**world.values, **values}.items() if value}

    return make


def redcap_address(ending: str) -> Mistake:
    """The right server with another path."""
    return lambda world: setting(REDCAP_API_URL=f"{world.servers.redcap.url}{ending}")(world)


def a_proxy(address: str) -> Mistake:
    proxy = f"http://somebody:{PROXY_PASSWORD}@{address}"
    return setting(REDCAP_API_URL="https://redcap.example.org/api/", HTTPS_PROXY=proxy)


def certificates_that_do_not_exist(world: CheckWorld) -> None:
    world.values["REQUESTS_CA_BUNDLE"] = str(world.folder / "none.pem")


def a_vault_that_refuses(world: CheckWorld) -> None:
    world.keep_in_vault("REDCAP_ACCESS_TOKEN")
    world.vault.forbidden.add("REDCAP-ACCESS-TOKEN")


def study_text(old: str, new: str) -> Mistake:
    """A study file with another text."""
    return lambda world: world.change_study(old, new)


def a_clock_ahead(hours: int) -> Mistake:
    def make(world: CheckWorld) -> None:
        world.ahead = timedelta(hours=hours)

    return make


# --- REDCap


a_token_of_nobody = setting(REDCAP_ACCESS_TOKEN="0" * 32)


def a_user_with(world: CheckWorld, **rights: object) -> None:
    world.project.users = [replace(User("pipeline", TOKEN), **rights)]  # type: ignore[arg-type]


def user(**rights: object) -> Mistake:
    """A token's user with other rights."""
    return lambda world: a_user_with(world, **rights)


def with_field(world: CheckWorld, name: str, /, **changes: object) -> None:
    """Change a field of the project."""
    fields = [replace(one, **changes) if one.name == name else one for one in REDCAP_FIELDS]  # type: ignore[arg-type]
    world.project.fields = fields


def a_renamed_field(world: CheckWorld) -> None:
    with_field(world, "rider_a", name="rider_a_v2")


def a_changed_code(world: CheckWorld) -> None:
    with_field(world, "consent_obtained", choices="1, Yes | 3, No | 0, Open")


def a_withheld_identifier(world: CheckWorld) -> None:
    with_field(world, "consent_date", identifier=True)
    a_user_with(world, rights={"consent": "no identifiers"})


def an_unknown_event(world: CheckWorld) -> None:
    world.project = a_redcap_project(
        a_redcap_row(event="enrolment_arm_1"), events={"enrolment_arm_1": ["enrolment", "consent"]}
    )
    world.change_study("[[consent]]", '[[consent]]\nevents = ["baseline_arm_1"]')


def a_checkbox_in_place_of_one_answer(world: CheckWorld) -> None:
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


def no_record(world: CheckWorld) -> None:
    world.project.rows = ()


def redcap_fault(fault: Fault) -> Mistake:
    return lambda world: world.servers.redcap.faults.append(replace(fault))


a_login_page = redcap_fault(redcap_faults.login_page(times=99))
a_redirect = redcap_fault(redcap_faults.redirect("https://new.example.org/api/", times=99))
a_redcap_that_is_down = redcap_fault(redcap_faults.gateway_timeout(times=99))


# --- Dropbox


def an_account(**options: object) -> Mistake:
    """Another Dropbox account."""

    def make(world: CheckWorld) -> None:
        world.account = Dropbox(**options)  # type: ignore[arg-type]

    return make


def lacking(scope: str, *, in_the_app: bool = False) -> Mistake:
    """A sign-in, or a whole app, without a permission."""
    rest = DELIVERY_SCOPES - {scope}
    return an_account(scopes=rest, app_scopes=rest if in_the_app else DELIVERY_SCOPES)


def a_revoked_log_in(world: CheckWorld) -> None:
    world.account.revoke()


def another_team_space(world: CheckWorld) -> None:
    world.account = Dropbox(root_namespace="2")
    world.values["DROPBOX_ROOT_NAMESPACE"] = "77"


def delivering_to(world: CheckWorld, folder: str) -> None:
    world.study += f'[delivery]\nfolder = "{folder}"\n'


def a_read_only_folder(folder: str, delivered_to: str) -> Mistake:
    def make(world: CheckWorld) -> None:
        world.account.account.tree.make_folder(folder)
        world.account.account.tree.read_only = {folder}
        delivering_to(world, delivered_to)

    return make


def a_file_in_place_of_the_folder(world: CheckWorld) -> None:
    world.account.account.tree.write("/Reports", b"a file", WriteMode("add"))
    delivering_to(world, "/Reports")


# --- the run history


def last_report(participants: int, consented: int, *, week_before: int = 0) -> Mistake:
    """A last report with these counts, and one with so many participants before it."""
    counts = RunCounts(participants, consented, participants, participants, taking_part=consented)
    monday = MONDAY - timedelta(weeks=1)

    def make(world: CheckWorld) -> None:
        with closing(SqliteLedger(world.folder / "runs.sqlite")) as ledger:
            ledger.add(a_report(study=KEY, sandbox=True, counts=counts))
            earlier = replace(counts, participants=week_before)
            ledger.add(a_report(study=KEY, sandbox=True, counts=earlier, monday=monday))

    return make


def a_file_that_is_no_history(world: CheckWorld) -> None:
    (world.folder / "runs.sqlite").write_text("nothing of the kind, but longer than a header" * 9, encoding="utf-8")


def a_history_below_a_file(world: CheckWorld) -> None:
    (world.folder / "a-file").touch()
    world.values["CONSENT_LEDGER"] = str(world.folder / "a-file" / "runs.sqlite")
