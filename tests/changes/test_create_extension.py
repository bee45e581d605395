"""CREATE EXTENSION: there in the version and schema that are asked for; what the server does not have is told before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place, on_every_version
from pgrunbook import changes, db, errors


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a database with a second schema."""
    database.run('create schema "E e"')
    with database.connect() as opened:
        yield opened


@on_every_version
def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In a schema, in a version, one that needs another of the migration; a second schema is made with it."""
    forth_and_back(on, 'create extension if not exists "uuid-ossp" with schema "E e"' if _has(on, "uuid-ossp") else
                   'create extension if not exists pg_trgm with schema "E e"')  # fmt: skip
    forth_and_back(on, "create extension cube version '1.4'; create extension earthdistance with schema \"E e\"")
    forth_and_back(on, "create schema mine; create extension hstore with schema mine")


def test_state__is_told_by_schema_and_version(on: db.Database) -> None:
    """None asked for: any will do. It is none of the run's where it was there before."""
    on.execute('create extension cube with schema "E e"')
    for text, found in [
        ("cube", "present"), ('if not exists cube schema "E e"', "present"), ("cube schema public", "different"),
        ("cube version '1.0'", "different"), ("citext", "absent"),
    ]:  # fmt: skip
        assert state(on, f"create extension {text}") == found, text
    (change,) = planned(on, "create extension cube version '1.0' schema public")
    assert change.state(on).detail.startswith("planned: version 1.0 in schema public; found: version 1.")
    assert "leave schema and version out" in change.if_different
    assert change.idents == ("extension cube", "comment extension cube")


def test_what_the_server_does_not_have__is_told_before(on: db.Database) -> None:
    """An extension, a version, one that it needs, a schema; CASCADE would install what nobody wrote down."""
    for text, told in [
        ("nothing_like_that", r"the server of .* does not have extension nothing_like_that"),
        ("cube version '0.1'", r"does not have extension cube 0\.1 \(line 1"),
        ("earthdistance", "needs extension cube, which is not there"), ("cube schema nowhere", "schema nowhere does not"),
    ]:  # fmt: skip
        with pytest.raises(errors.PreflightFailed, match=told):
            planned(on, f"create extension {text}")
    assert [c.kind for c in typed("create extension earthdistance cascade")] == ["raw_sql"]


def test_lint__tells_who_may(on: db.Database) -> None:
    """A trusted one, one for superusers alone."""
    assert "is a trusted extension" in planned(on, "create extension cube")[0].lint()[0]
    assert "only be installed by a superuser" in planned(on, "create extension pageinspect")[0].lint()[0]


def test_loss__is_what_users_put_into_its_tables(on: db.Database) -> None:
    """The tables that the extension says are dumped; none of ours has one, so one is made to be."""
    on.execute("create extension cube")
    (change,) = planned(on, "create extension cube")
    assert change.loss(on) == ""
    for statement in (
        "create table kept (a int)", "insert into kept values (1)", "alter extension cube add table kept",
        "update pg_extension set extconfig = array['kept'::regclass::oid], extcondition = array['where a > 1']"
        " where extname = 'cube'",
    ):  # fmt: skip
        on.execute(statement)
    assert change.loss(on) == ""
    on.execute("create table strange (b int)")
    on.execute("alter extension cube add table strange")
    assert change.loss(on) == ""
    on.execute("insert into strange values (1)")
    assert "strange" in change.loss(on)
    on.execute("alter extension cube drop table strange")
    on.execute("insert into kept values (2)")
    assert change.loss(on) == "what public.kept of extension cube holds"
    assert changes.again("create_extension", change.resolved_sql(), {}, 1).undo({"schema_made": "x"})[0].statements[
        1
    ].sql == ("drop schema x")


def _has(on: db.Database, name: str) -> bool:
    return bool(on.value("select exists (select from pg_available_extensions where name = $1)", [name]))
