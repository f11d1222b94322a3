"""Accounts that AWS Organizations tells of: which are wanted, which are left out, and what is said of them."""

import json
import uuid
from typing import Any

import pytest

from pipeline.aws import Role
from pipeline.errors import ConfigurationError, CredentialsError
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT
from pipeline.targets import Plan
from tests.support import Organization, plan_of, role_arn, write_targets


def plan(**keys: Any) -> Plan:
    write_targets(regions=["us-east-1"], organization={"role_name": "reader"} | keys)
    return plan_of()


def names(planned: Plan) -> list[str]:
    return sorted(t.account_name or "" for t in planned.targets)


@pytest.fixture
def teams(organization: Organization) -> Organization:
    """Cad and gis in a unit, gis-test in a unit below it, billing at the root."""
    unit = organization.unit("teams")
    organization.member("cad", unit)
    organization.member("gis", unit)
    organization.member("gis-test", organization.unit("tests", unit))
    organization.member("billing")
    return organization


def test_every_active_account_is_a_target_by_its_own_role(teams: Organization) -> None:
    planned = plan(external_id="warehouse")
    assert names(planned) == ["billing", "cad", "gis", "gis-test", "master"]
    cad = next(t for t in planned.targets if t.account_name == "cad")
    assert (cad.account_id, cad.roles) == (
        teams.members["cad"],
        (Role(role_arn(teams.members["cad"]), "warehouse"),),
    )


def test_the_account_we_are_in_needs_no_role(teams: Organization) -> None:
    (own,) = [t for t in plan().targets if t.account_id == ACCOUNT]
    assert own.roles == ()


def test_a_suspended_account_is_left_out_and_said_so(teams: Organization) -> None:
    teams.client.close_account(AccountId=teams.members["gis"])
    planned = plan()
    assert "gis" not in names(planned)
    assert [str(r) for r in planned.remarks] == [f"Account {teams.members['gis']} (gis): left out, it is SUSPENDED."]


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"include_ous": ["teams"]}, ["cad", "gis", "gis-test"]),
        ({"include_ous": ["tests"]}, ["gis-test"]),
        ({"include_ous": ["teams", "tests"]}, ["cad", "gis", "gis-test"]),
        ({"exclude_ous": ["tests"]}, ["billing", "cad", "gis", "master"]),
        ({"include_ous": ["teams"], "exclude_ous": ["tests"]}, ["cad", "gis"]),
        ({"include_accounts": ["gis*"]}, ["gis", "gis-test"]),
        ({"include_accounts": ["cad", "gis"]}, ["cad", "gis"]),
        ({"exclude_accounts": [ACCOUNT, "gis*"]}, ["billing", "cad"]),
        ({"include_ous": ["teams"], "exclude_accounts": ["*-test"]}, ["cad", "gis"]),
    ],
)
def test_units_ids_and_globs_choose(keys: dict[str, Any], wanted: list[str], teams: Organization) -> None:
    chosen = {
        key: [teams.units[v] for v in values] if key.endswith("_ous")
        else [teams.members.get(v, v) for v in values]
        for key, values in keys.items()
    }  # fmt: skip
    assert names(plan(**chosen)) == wanted


def test_ids_can_be_globs(teams: Organization) -> None:
    cad = teams.members["cad"]
    assert "cad" not in names(plan(exclude_accounts=[f"{cad[:6]}*"]))


def test_a_listed_account_keeps_its_own_entry(teams: Organization) -> None:
    cad = teams.members["cad"]
    write_targets(
        regions=["us-east-1"],
        accounts=[{"id": cad, "name": "drawings", "role": role_arn(cad, "special"), "regions": ["eu-west-1"]}],
        organization={"role_name": "reader"},
    )
    (target,) = [t for t in plan_of().targets if t.account_id == cad]
    assert (target.region, target.account_name, target.roles[0].arn) == (
        "eu-west-1",
        "drawings",
        role_arn(cad, "special"),
    )


def test_many_accounts_come_in_pages(organization: Organization) -> None:
    made = {organization.member(f"team-{n}") for n in range(25)}
    assert {t.account_id for t in plan().targets} == made | {ACCOUNT}


def test_via_a_hub_the_organization_is_listed_and_its_roles_assumed(teams: Organization) -> None:
    hub, cad = role_arn(ACCOUNT, "hub"), teams.members["cad"]
    planned = plan(via=hub, include_accounts=["master", "cad"])
    assert {t.account_name: [r.arn for r in t.roles] for t in planned.targets} == {
        "master": [hub],
        "cad": [hub, role_arn(cad)],
    }
    assert "sts:AssumeRole" in teams.sandbox.actions


def test_a_unit_that_does_not_exist_is_told(teams: Organization) -> None:
    with pytest.raises(ConfigurationError, match="include_ous or exclude_ous names a unit that is none"):
        plan(include_ous=["ou-ab12-cdefghij"])


def test_nothing_left_is_told(teams: Organization) -> None:
    with pytest.raises(ConfigurationError, match="no account is left of it"):
        plan(include_accounts=["nobody"])


@pytest.mark.parametrize("kind", ["deny", "throttle", "fail", "reset"])
def test_an_organization_that_does_not_answer_ends_the_plan_rather_than_shrink_it(
    kind: str, teams: Organization
) -> None:
    teams.sandbox.appstream.faults.append(Fault(kind, service="organizations"))
    with pytest.raises(CredentialsError, match="AWS Organizations does not tell which accounts there are"):
        plan()


def test_a_unit_that_is_below_itself_is_walked_through_once(teams: Organization) -> None:
    moto, root = teams.sandbox.front.moto, {"OrganizationalUnits": [{"Id": teams.units["teams"]}]}

    def round_and_round(environ: dict[str, Any], start_response: Any) -> Any:
        if not environ.get("HTTP_X_AMZ_TARGET", "").endswith("ListOrganizationalUnitsForParent"):
            return moto(environ, start_response)
        body = json.dumps(root).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    teams.sandbox.front.moto = round_and_round
    assert names(plan(include_ous=[teams.units["teams"]])) == ["cad", "gis"]


def test_a_list_of_accounts_without_an_end_is_noticed(teams: Organization) -> None:
    moto = teams.sandbox.front.moto

    def endless(environ: dict[str, Any], start_response: Any) -> Any:
        if not environ.get("HTTP_X_AMZ_TARGET", "").endswith("ListAccounts"):
            return moto(environ, start_response)
        page = {"Accounts": [{"Id": teams.members["cad"], "Name": "cad"}], "NextToken": uuid.uuid4().hex}
        body = json.dumps(page).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    teams.sandbox.front.moto = endless
    with pytest.raises(CredentialsError, match=r"EndlessListing: AWS sent 50 pages in a row that it had sent before"):
        plan()
