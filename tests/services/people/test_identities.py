"""A name that was given again is somebody else's, or something else's, until an owner confirms it."""

from __future__ import annotations

import pytest

from bot.domain.errors import Forbidden, NotFound
from bot.domain.people.accounts import Account
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.services.people.identities import KEPT_FOR
from bot.services.ports.people import Named
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OLGA, ANOTHER = Account("github", "olga", "5"), Account("github", "Olga", "6")
OWNER = Person("olga", Role.OWNER)


@pytest.fixture
def known(house: House) -> House:
    """A repository that was seen."""
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.push("c1", "net/a.tf")
    return house


def created_anew(house: House) -> None:
    house.forge.repo_ids[REPO] = "2"
    house.clock.at += KEPT_FOR


def test_a_repository_created_anew_under_its_name_makes_no_run(known: House) -> None:
    created_anew(known)
    delivery = known.push("c2", "net/a.tf")
    assert len(known.runs()) == 1
    assert known.outcomes(delivery) == ["failed"]
    assert (
        "acme/infra on github is not the repository that had this name before" in known.reasons(delivery)[0]
    )
    assert "plangate confirm repository github:acme/infra" in known.reasons(delivery)[0]


def test_a_run_that_waits_gets_neither_state_nor_variables_for_it(known: House) -> None:
    run = known.only_run()
    known.controls.confirm(run.id, WRITER)
    created_anew(known)
    known.work()
    stopped = known.run(run.id)
    assert stopped.status is not RunStatus.APPLIED
    assert "is not the repository that had this name" in (stopped.lacks or stopped.error)
    assert known.engine.applied == []


def test_an_apply_asks_once_which_repository_it_is(known: House) -> None:
    known.controls.confirm(known.only_run().id, WRITER)
    known.clock.forward(minutes=10)
    asked = known.forge.calls.count("repo_id")
    known.work("apply")
    assert known.only_run().status is RunStatus.APPLIED
    assert known.forge.calls.count("repo_id") == asked + 1


def test_a_role_there_opens_nothing_of_the_old_one(known: House) -> None:
    roles, mallory = known.services.roles, Account("github", "mallory", "66")
    known.forge.set_role(REPO, "mallory", Role.ADMIN)
    created_anew(known)
    assert dict(roles.roles(mallory, [REPO])) == {}


def test_an_owner_confirms_the_new_one(known: House) -> None:
    created_anew(known)
    known.push("c2", "net/a.tf")
    with pytest.raises(Forbidden):
        known.services.identities.confirm(Named.REPOSITORY, "github", "acme/infra", WRITER)
    known.services.identities.confirm(Named.REPOSITORY, "github", "Acme/Infra", OWNER)
    known.controls.discard(known.only_run().id, WRITER)
    known.push("c3", "net/a.tf")
    assert known.runs()[-1].commit == "c3"
    with pytest.raises(NotFound):
        known.services.identities.confirm(Named.REPOSITORY, "github", "acme/infra", OWNER)


def test_a_login_that_was_registered_anew_is_no_owner(house: House) -> None:
    roles = house.services.roles
    assert roles.owns(OLGA)
    assert not roles.owns(ANOTHER)
    assert roles.owns(OLGA)
    house.services.identities.confirm(Named.ACCOUNT, "github", "olga", OWNER)
    assert roles.owns(ANOTHER)
    assert not roles.owns(OLGA)


def test_a_login_that_was_registered_anew_has_no_role(house: House) -> None:
    roles = house.services.roles
    assert roles.ask(Account("github", "wren", "7"), REPO) is Role.WRITE
    assert roles.ask(Account("github", "wren", "8"), REPO) is Role.NONE


def test_an_approval_is_its_accounts_not_its_logins(known: House) -> None:
    run = known.only_run()
    page = Person("wren", Role.WRITE, Origin(Via.PAGE, "github", uid="7"))
    known.controls.confirm(run.id, page)
    known.forge.account_ids["wren"] = "8"
    known.work()
    assert known.run(run.id).status is RunStatus.PLANNED
    known.forge.account_ids["wren"] = "7"
    known.controls.confirm(run.id, page)
    known.work()
    assert known.run(run.id).status is RunStatus.APPLIED
