"""A place to see what the server makes of a statement: temporary objects, in a transaction that is rolled back.

Comparing texts or trees calls equal definitions different (`a = any (array[…])` against `a in (…)`); what the server
makes of a statement on an empty copy of the table is compared instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pgrunbook import errors
from pgrunbook.changes._base import Change
from pgrunbook.changes._phases import Unfit
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted


@contextmanager
def scratch(db: Database, change: Change) -> Iterator[None]:
    """A transaction that is rolled back; what the server refuses in it is told with the line of migrate.sql.

    Raises `BadTarget` where the role may not make temporary objects, `PreflightFailed` for all else.
    """
    try:
        with db.transaction(rollback=True, lock_timeout="5s", client_min_messages="warning"):
            yield
    except errors.StatementFailed as e:
        if e.sqlstate == "42501":
            temporary = db.value("select pg_catalog.has_database_privilege(current_database(), 'temporary')")
            raise errors.BadTarget(
                f"comparing {change.object} with its plan needs a temporary copy: {e.message}",
                remedy=f"run as the owner of {change.relation or change.object}"
                if temporary
                else f"grant temporary on database {quoted(db.database)} to {quoted(db.user)}",
            ) from None
        wrong = Unfit if (e.sqlstate or "").startswith("42") else errors.PreflightFailed
        raise wrong(
            f"line {change.written.line} of migrate.sql can't be carried out on "
            f"{change.relation or change.object}: {e.message}",
            remedy="mend the statement, or the table it names",
        ) from None


def copy_table(db: Database, relation: str, name: str, *, including: str = "", partitioned_by: str = "") -> str:
    """An empty temporary copy of a table under its own name; returns the copy's qualified name. Takes ACCESS SHARE."""
    also = f" including {including}" if including else ""
    key = f" partition by {partitioned_by}" if partitioned_by else ""
    db.execute(f"create temp table {quoted(name)} (like {relation}{also}){key} on commit drop")
    return quoted("pg_temp", name)
