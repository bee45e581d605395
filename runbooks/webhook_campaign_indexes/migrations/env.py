"""How Alembic reaches the database: the connection it is given, or the one that `-x url=` or alembic.ini names."""

from __future__ import annotations

import sqlalchemy
from alembic import context

config = context.config
url = context.get_x_argument(as_dictionary=True).get("url") or config.get_main_option("sqlalchemy.url")


def migrate(connection: sqlalchemy.Connection) -> None:
    """Run the revisions in one transaction, as `flask db upgrade` does."""
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
elif "connection" in config.attributes:
    migrate(config.attributes["connection"])
else:
    with sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool).connect() as connection:
        migrate(connection)
