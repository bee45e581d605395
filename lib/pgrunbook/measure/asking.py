"""Who asks: the role that a statement runs as, and the settings by which the application says on whose behalf.

Row security applies to a role that does not bypass it; everywhere else a session of ours has it off, so that a row
that can't be seen is an error and not silence.
"""

from __future__ import annotations

from collections.abc import Mapping

from pgrunbook import errors
from pgrunbook.db import Database
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import quoted

_MISSING, _FORBIDDEN = "22023", "42501"


def local_settings(role: str, settings: Mapping[str, str | None]) -> dict[str, str]:
    """What a transaction sets for itself so that `role` asks; nothing where no role is named.

    A value that is not known is empty, as it is in a pooled session. The role comes last, as the privileges of the
    others are needed up to there; `set_config` takes its name as a value, so there is nothing to quote.

    >>> local_settings("", {"a.b": "c"}), local_settings("app", {"a.b": None})
    ({}, {'row_security': 'on', 'a.b': '', 'role': 'app'})
    """
    if not role:
        return {}
    return {"row_security": "on", **{name: value or "" for name, value in settings.items()}, "role": role}


def of_query(query: Query, values: Mapping[str, str | None]) -> dict[str, str]:
    """The same for a workload query with the values of one bind set."""
    return local_settings(query.role, {name: values[column] for name, column in query.settings.items()})


def require_role(db: Database, role: str, where: str) -> None:
    """Raise `BadTarget` where this session can't become `role`; `where` names the file that asks for it."""
    if not role:
        return
    try:
        with db.transaction(rollback=True, role=role):
            pass
    except errors.StatementFailed as e:
        if e.sqlstate == _MISSING:
            raise errors.BadTarget(
                f"{where}: there is no role {role!r} on {db.target.name}",
                remedy=f"name the role that the application has there, or: create role {quoted(role)}",
            ) from None
        if e.sqlstate == _FORBIDDEN:
            raise errors.BadTarget(
                f"{where}: {db.user} may not run statements as role {role!r} on {db.target.name}",
                remedy=f"grant {quoted(role)} to {quoted(db.user)}",
            ) from None
        raise
