"""What Alembic runs to apply migrations, on the connection and in the transaction that `migrate` opened."""

from __future__ import annotations

from alembic import context

from bot.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by creating it again
)
with context.begin_transaction():
    context.run_migrations()
