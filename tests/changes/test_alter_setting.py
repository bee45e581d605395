"""Settings of relations and columns: compared by what they mean, taken back to what they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, state
from fix_databases import Place
from pgrunbook import db
from pgrunbook.changes import LockMode, Observation, State

SCHEMA = """
create schema app;
create table app.t (id int primary key, a int, "Ö ö" text) with (fillfactor = 90, toast.autovacuum_enabled = off);
create index t_a on app.t ((a + 1)) with (fillfactor = 80);
create index t_g on app.t using gin (to_tsvector('simple', "Ö ö"));
alter table app.t alter a set statistics 50;
alter table app.t alter a set (n_distinct = -0.5);
create table app.p (k int, a text) partition by list (k);
create table app.p1 partition of app.p for values in (1);
alter table app.p1 alter a set statistics 7;
create materialized view app.m as select id from app.t;
create view app.v with (security_barrier) as select id from app.t
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on relations with settings."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Set over another value, over none, and reset; of tables, indexes, views and columns; together; on new ones."""
    for text in (
        "alter table t set (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled)",
        "alter table t reset (fillfactor, autovacuum_vacuum_scale_factor)", "alter table t set (autovacuum_vacuum_scale_factor = 0.01)",
        "alter index t_a set (fillfactor = 70)", "alter index t_a reset (fillfactor)", "alter index t_g set (fastupdate = off)",
        "alter index t_a alter column 1 set statistics 300", "alter materialized view m set (fillfactor = 70)",
        "alter view v set (security_barrier = false)", "alter view v reset (security_barrier)",
        "alter table t alter a set statistics 100", "alter table t alter \"Ö ö\" set statistics 100000",
        "alter table t alter a set statistics -1", "alter table p alter a set statistics 300",
        "alter table t alter \"Ö ö\" set storage external", "alter table p alter a set storage main",
        "alter table t alter a set (n_distinct = 3, n_distinct_inherited = 4)", "alter table t alter a reset (n_distinct)",
        "alter table t set (fillfactor = 70); alter table t set (fillfactor = 60, toast_tuple_target = 256)",
        "create table n (a int) with (fillfactor = 50); alter table n set (fillfactor = 60); alter table n rename to o;"
        " create index i on o (a); alter index i set (fillfactor = 60)",
        "alter table t add c text; alter table t alter c set statistics 5; alter table t alter c set storage plain",
    ):  # fmt: skip
        forth_and_back(on, text)
    if on.version >= 140000:
        forth_and_back(on, 'alter table t alter "Ö ö" set compression pglz')


def test_state__is_told_by_what_the_settings_mean(on: db.Database) -> None:
    """Not by how they are spelled; only those that are named count."""
    for text in (
        "alter table t set (fillfactor = '90')", "alter table t set (toast.autovacuum_enabled = false)",
        "alter table t alter a set (n_distinct = -0.50)", "alter table t alter a set statistics 50",
        "alter view v set (security_barrier = on)", "alter table t reset (parallel_workers)",
        "alter table t alter a set storage plain",
    ):  # fmt: skip
        assert state(on, text) == "present", text
    assert state(on, "alter table t set (fillfactor = 90, parallel_workers = 2)") == "absent"


def test_locks__are_those_of_the_setting(on: db.Database) -> None:
    """Most stop nobody."""
    for text, lock in (
        ("alter table t set (fillfactor = 70)", LockMode.SHARE_UPDATE_EXCLUSIVE),
        ("alter table t alter a set statistics 1", LockMode.SHARE_UPDATE_EXCLUSIVE),
        ("alter table t alter a set storage plain", LockMode.ACCESS_EXCLUSIVE),
        ("alter index t_g set (fastupdate = off)", LockMode.ACCESS_EXCLUSIVE),
    ):
        (change,) = planned(on, text)
        (transaction,) = change.apply(Observation(State.ABSENT))
        assert [s.lock for s in transaction.statements] == [lock]
        assert str(lock.value) in change.lint()[0]
