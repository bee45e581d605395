"""ALTER DEFAULT PRIVILEGES: back to what each grantee had before, whatever that was."""

from __future__ import annotations

import pytest

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place
from pgrunbook import db, errors


def test_default_privileges__come_back_as_they_were(database: Place) -> None:
    """In a schema and in all, of roles and of PUBLIC, over grants that stand there; what is said twice is there."""
    database.run('create schema "S s"', 'alter default privileges in schema "S s" grant select on tables to public')
    with db.connect(db.parse_target(database.target)) as on:
        own = on.user
        for text in (
            'alter default privileges in schema "S s" grant all on tables to public, current_user',
            "alter default privileges revoke execute on functions from public",
            f'alter default privileges for role "{own}" in schema "S s" revoke select on tables from public cascade',
            "alter default privileges grant usage on schemas to public; alter default privileges grant usage, select on"
            " sequences to public",
            "alter default privileges grant usage on types to session_user with grant option",
            "create schema made; alter default privileges in schema made grant execute on routines to public;"
            " create function made.f() returns int language sql as 'select 1'",
        ):
            forth_and_back(on, text)
        first, second = planned(
            on,
            "alter default privileges grant usage on sequences to public;"
            " alter default privileges revoke select on sequences from public",
        )
        assert [c.standing(on).state for c in (first, second)] == ["absent", "present"]
        text = f'alter default privileges in schema "S s" grant update on tables to "{own}" with grant option'
        assert state(on, text) == "absent"
        on.execute(text)
        assert state(on, text) == "present"
        (change,) = planned(on, text)
        assert change.resolved_sql().startswith(f"alter default privileges for role {own} in schema")
        with pytest.raises(errors.PreflightFailed, match="role nobody_there does not exist"):
            planned(on, "alter default privileges grant select on tables to nobody_there")
    for text in (
        "alter default privileges for role a, b grant select on tables to c",
        "alter default privileges in schema a, b grant select on tables to c",
    ):
        assert [c.kind for c in typed(text)] == ["raw_sql"]
