"""Alembic's entry: run the steps over the connection that `migrate` has locked."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
