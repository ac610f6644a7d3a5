"""What an apply needs, and why a change runs somewhere or not, are kept as they were given."""

from __future__ import annotations

from bot.store import SqlStore
from tests.store import samples


def test_a_workspace_keeps_what_it_requires(store: SqlStore) -> None:
    with store.transaction() as tx:
        tx.workspaces.put(samples.workspace("net", require=("approved", "codeowners")))
    with store.reading() as tx:
        assert tx.workspaces.named("net").require == ("approved", "codeowners")


def test_a_change_keeps_its_reasons_and_forgets_those_of_an_older_commit(store: SqlStore) -> None:
    with store.transaction() as tx:
        tx.changes.put(samples.change(reasons=(("net", "net/a.tf is in net"), ("", "else nothing"))))
        stands = tx.changes.put(samples.change(reasons=(("net", "none of the changed files is in net/"),)))
    with store.reading() as tx:
        assert tx.changes.get(stands.id).reasons == (("net", "none of the changed files is in net/"),)
