"""SET DEFAULT and DROP DEFAULT: compared as the server spells it, brought back in every table that inherits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place
from pgrunbook import db, errors
from pgrunbook.changes import LockMode, Observation, State

SCHEMA = """
create schema app;
create table app.t (id serial, a int default 1, b text default 'x' collate "C", "Ö ö" date,
  g int generated always as (1) stored, i int generated always as identity);
create table app.p (k int, a int default 1) partition by list (k);
create table app.p1 partition of app.p (a default 2) for values in (1);
create table app.p2 partition of app.p for values in (2);
create view app.v as select a from app.t
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on tables with defaults."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Of a serial, a quoted column, a view; on partitions with defaults of their own; twice; on a new column."""
    for text in (
        "alter table t alter a set default 2", "alter table t alter a drop default", "alter table t alter id drop default",
        "alter table only t alter column \"Ö ö\" set default now()", "alter table t alter b set default 'it''s' || 'y'",
        "alter table app.p alter a set default 5", "alter table app.p alter a drop default",
        "alter view v alter a set default 3", "alter table v alter a set default 3",
        "alter table t alter a set default 2; alter table t alter a set default 3",
        "alter table t add c int; alter table t alter c set default 4; alter table t alter a drop default",
        "create table n (a int default 1, b int); alter table n alter a set default 2; alter table n rename a to z;"
        " alter table n alter z set default 3",
    ):  # fmt: skip
        forth_and_back(on, text)


def test_state__is_told_by_the_servers_spelling(on: db.Database) -> None:
    """However it is written; where the values are generated there is no default to change."""
    assert state(on, "alter table t alter a set default '1'") == "present"
    assert state(on, "alter table t alter a set default 2") == "absent"
    assert state(on, 'alter table t alter "Ö ö" drop default') == "present"
    assert state(on, "alter table t alter b set default 'x'::text") == "present"
    for column in ("g", "i"):
        with pytest.raises(errors.PreflightFailed, match="values are generated"):
            planned(on, f"alter table t alter {column} drop default")
    on.execute("alter table only p alter a set default 7")
    (change,) = planned(on, "alter table p alter a set default 7")
    assert "not so in app.p" in change.standing(on).detail
    (change,) = planned(on, "alter table t alter a set default 2")
    (transaction,) = change.apply(Observation(State.ABSENT))
    assert [(s.lock, s.relation) for s in transaction.statements] == [(LockMode.ACCESS_EXCLUSIVE, "app.t")]
    assert [c.kind for c in typed("alter table t alter a drop identity")] == ["raw_sql"]
