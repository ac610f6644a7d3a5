"""Tokens of people's programs, kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain.errors import PlangateError
from bot.domain.ids import new_id
from bot.domain.people.accounts import Account
from bot.domain.people.tokens import ApiToken, Scope
from bot.store import SqlStore
from tests.store.samples import AT, every

DAY = timedelta(days=1)
FIRST = ApiToken("tok-1", Account("hub", "Wren", "7"), "ci", Scope.PLAN, AT, AT + 9 * DAY)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(ApiToken))
def test_every_field_comes_back(store: SqlStore, token: ApiToken) -> None:
    token, hashed = replace(token, id=new_id("tok")), new_id("hash")
    with store.transaction() as unit:
        unit.tokens.add(token, hashed)
    with store.reading() as unit:
        assert unit.tokens.get(hashed) == token
        assert unit.tokens.get(hashed + "x") is None


def test_an_accounts_tokens_newest_first_however_its_login_is_written(store: SqlStore) -> None:
    second = replace(FIRST, id="tok-2", created_at=AT + DAY)
    with store.transaction() as unit:
        unit.tokens.add(FIRST, "h1")
        unit.tokens.add(second, "h2")
        unit.tokens.add(replace(FIRST, id="tok-3", account=Account("lab", "Wren", "7")), "h3")
        unit.tokens.add(replace(FIRST, id="tok-4", account=Account("hub", "Wren", "8")), "h4")
    with store.reading() as unit:
        assert unit.tokens.of(Account("hub", "wREN", "7")) == [second, FIRST]


def test_use_revocation_and_the_end(store: SqlStore) -> None:
    with store.transaction() as unit:
        unit.tokens.add(FIRST, "h1")
        unit.tokens.add(replace(FIRST, id="tok-2", expires_at=AT + 30 * DAY), "h2")
        unit.tokens.used("tok-1", AT + DAY)
        unit.tokens.revoke("tok-2", AT + 2 * DAY)
    with store.reading() as unit:
        assert unit.tokens.get("h1") == replace(FIRST, used_at=AT + DAY)
        revoked = unit.tokens.get("h2")
    assert revoked is not None
    assert revoked.revoked_at == AT + 2 * DAY
    with store.transaction() as unit:
        unit.tokens.forget(AT + 3 * DAY)
        assert unit.tokens.get("h2") is None
        assert unit.tokens.get("h1") is not None
        unit.tokens.forget(AT + 10 * DAY)
        assert unit.tokens.get("h1") is None


def test_one_secret_is_one_token(store: SqlStore) -> None:
    with pytest.raises(PlangateError), store.transaction() as unit:
        unit.tokens.add(FIRST, "h1")
        unit.tokens.add(replace(FIRST, id="tok-2"), "h1")
