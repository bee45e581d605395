"""What if there were this index: asked with hypopg, or by building it on a copy; and in which order of columns."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from fix_databases import Place, made, on_every_version
from fix_servers import DEBIAN
from pgrunbook import db, errors, sqlfile
from pgrunbook.audit import clone as copying
from pgrunbook.audit import what_if
from pgrunbook.audit.clone import cloned
from pgrunbook.audit.column_order import Order, best_order, orders
from pgrunbook.audit.runnable import NotRunnable, runnable
from pgrunbook.audit.what_if import Ask, ask_of, by_building, by_hypopg, planned, sampled_asks
from pgrunbook.db import Database
from pgrunbook.runbook import Query

SCHEMA = """
create table t (id int, org int, kind int, at int, "Ünï" text);
insert into t select i, i % 4, i % 400, i, 'u' || i % 3000 from generate_series(1, 20000) i;
create table parts (a int, b int) partition by range (a);
create table part_1 partition of parts for values from (0) to (5000);
create table part_2 partition of parts for values from (5000) to (20000);
insert into parts select i, i % 5000 from generate_series(1, 10000) i;
"""
BY_KIND = Ask("by kind", "select * from t where kind = $1")


@pytest.fixture(scope="module")
def copy(server: str) -> Iterator[Place]:
    """A database that may be thrown away."""
    with made(server) as place:
        place.run(SCHEMA, "vacuum analyze")
        yield place


@pytest.fixture
def clone(copy: Place) -> Iterator[Database]:
    """A session on it."""
    with copy.connect() as session:
        yield session


def query(database: Database, text: str, name: str = "q", weight: float = 1) -> Query:
    """A normalised statement as a runbook's query."""
    found = runnable(database, text)
    return Query(name, name, sqlfile.split(found.sql, variables=True), "", found.harmless, weight, found.binds)


# -- by building -------------------------------------------------------------------------------------------------


def test_built_index__is_measured_and_rolled_back(clone: Database) -> None:
    """Plans and costs of statements without values; buffers and times as well of those that have them."""
    asks = [BY_KIND, *sampled_asks(clone, [query(clone, "select * from t where kind = $1 order by id")], 5)]
    rows = by_building(clone, "create index concurrently if not exists anything on t (kind)", asks)
    generic, common = rows[:2]
    assert [(r.query, r.binds) for r in rows][:2] == [("by kind", ""), ("q", "common 1")]
    assert {r.used for r in rows} == {True}
    assert (generic.plan_before, generic.buffers_before, generic.ms_after) == ("Seq Scan t", None, None)
    assert generic.plan_after == "Bitmap Index Scan pgrunbook_what_if"
    assert generic.cost_after < generic.cost_before
    assert 0 < common.buffers_after < common.buffers_before
    assert common.ms_before > 0
    assert common.bytes > 100_000
    assert common.build_seconds > 0
    assert {r.note for r in rows} == {""}
    assert clone.rows("select indexrelid from pg_index where indrelid = 't'::regclass") == []


@on_every_version
def test_index__is_asked_for_on_every_version(database: Place) -> None:
    """For whatever values, as each version can be asked, and for given ones."""
    database.run("create table t (kind int, id int)", "insert into t select i % 400, i from generate_series(1, 9000) i")
    database.run("analyze t")
    with database.connect() as session:
        asks = [BY_KIND, *sampled_asks(session, [query(session, "select * from t where kind = $1")], 5)]
        rows = by_building(session, "create index on t (kind)", asks)
        assert session.rows("select name from pg_prepared_statements") == []
    assert {r.used for r in rows} == {True}
    assert (rows[0].buffers_after, rows[0].note) == (None, "")
    assert rows[1].buffers_after < rows[1].buffers_before


def test_index_that_nothing_reads__is_not_used(clone: Database) -> None:
    """The plan stays as it is; the price is told all the same."""
    (row,) = by_building(clone, "create index on t (at)", [BY_KIND])
    assert (row.used, row.plan_after, row.plan_before) == (False, "Seq Scan t", "Seq Scan t")
    assert row.bytes > 0


def test_index_of_partitions_and_of_an_expression__are_seen_in_plans(clone: Database) -> None:
    """A partition's index has a name of its own; an expression needs statistics."""
    (row,) = by_building(clone, "create index on parts (b)", [Ask("p", "select * from parts where b = $1")])
    assert row.used
    assert "part_1" in row.plan_after
    assert row.bytes > 8192 * 2
    (row,) = by_building(
        clone, 'create index on public.t (upper("Ünï"))', [Ask("u", 'select * from t where upper("Ünï") = $1')]
    )
    assert row.used
    assert row.note == "with fresh statistics, which its expression needs"


def test_statement_that_fails__is_told_beside_those_that_do_not(clone: Database) -> None:
    """Neither a missing table nor a write that has values stops the others."""
    write = Ask("w", "delete from t where kind = $1", ("1",), "common")
    rows = by_building(clone, "create index on t (kind)", [Ask("x", "select * from gone where a = $1"), write, BY_KIND])
    assert [r.used for r in rows] == [False, False, True]
    assert 'x: relation "gone" does not exist' in rows[0].note
    assert "read-only transaction" in rows[1].note
    assert clone.value("select count(*) from t") == 20000


def test_build_over_its_time__is_told(clone: Database, copy: Place) -> None:
    """What was known before it is told with it; nothing stays."""
    copy.run(
        "create function slow(int) returns int immutable language plpgsql as"
        " $$ begin perform pg_sleep(0.01); return $1; end $$"
    )
    before = planned(clone, [BY_KIND])
    (row,) = by_building(clone, "create index on t (slow(kind))", [BY_KIND], timeout_s=0.2, before=before)
    assert row.note == "the build took longer than 0.2 s"
    assert (row.plan_before, row.plan_after, row.used) == ("Seq Scan t", "", False)


@pytest.mark.parametrize(
    "ddl", ["drop table t", "create index on t (kind); create index on t (at)", "create index on", "select 1"]
)
def test_anything_but_one_index__is_refused(clone: Database, ddl: str) -> None:
    """Nothing of it is run."""
    with pytest.raises(errors.WrongUsage) as caught:
        by_building(clone, ddl, [BY_KIND])
    assert caught.value.remedy


def test_index_that_can_t_be_built__is_an_error(clone: Database) -> None:
    """As the server says it, without the values."""
    with pytest.raises(errors.StatementFailed, match="could not create unique index"):
        by_building(clone, "create unique index on t (kind)", [BY_KIND])
    assert planned(clone, [BY_KIND])[0].plan == "Seq Scan t"


def test_statement_of_the_statistics__is_asked_for_any_values(clone: Database) -> None:
    """In the form in which the server takes it."""
    ask = ask_of(clone, "query 7", "select extract($1 from now()) from t where kind = $2 for update")
    assert (ask.query, ask.values) == ("query 7", None)
    assert by_building(clone, "create index on t (kind)", [ask])[0].used
    with pytest.raises(NotRunnable):
        ask_of(clone, "query 8", "select * from t where kind = $1 an")


# -- with hypopg -------------------------------------------------------------------------------------------------


def test_server_without_hypopg__says_so(clone: Database) -> None:
    """With what can be done instead."""
    assert what_if.hypopg(clone) == ""
    with pytest.raises(errors.WrongUsage, match="hypopg is not on this server") as caught:
        by_hypopg(clone, "create index on t (kind)", [BY_KIND])
    assert "copy" in caught.value.remedy


@pytest.mark.servers
@pytest.mark.parametrize("version", [DEBIAN])
def test_hypothetical_index__is_planned_and_never_there(database: Place) -> None:
    """On a session that only reads; for whatever values, and for given ones. The next statement plans without it."""
    database.run(SCHEMA, "analyze")
    given = Ask("given", "select * from t where kind = $1", ("7",), "common")
    write = Ask("write", "update t set at = $1 where kind = $2")
    ddl = "create index concurrently on t (kind)"
    asks = [BY_KIND, given, write, Ask("broken", "select gone from t where kind = $1")]
    with database.connect() as session:
        assert what_if.hypopg(session) == "available"
        with pytest.raises(errors.WrongUsage, match="not installed in this database") as caught:
            by_hypopg(session, "create index on t (kind)", asks)
        assert caught.value.remedy == "create extension hypopg"
        rows = by_hypopg(session, ddl, asks, allow_create=True)
        assert what_if.hypopg(session) == "available"
        assert planned(session, [BY_KIND])[0].plan == "Seq Scan t"
        assert session.rows("select name from pg_prepared_statements") == []
    database.run("create schema extensions", "create extension hypopg schema extensions")
    with database.connect(read_only=True) as session:
        assert by_hypopg(session, ddl, asks) == rows
        (several,) = by_hypopg(session, "create index on t (kind, at)", [BY_KIND])
        with pytest.raises(errors.StatementFailed):
            by_hypopg(session, "create index on t using gin (kind)", asks)
        assert planned(session, [BY_KIND])[0].plan == "Seq Scan t"
    assert [r.used for r in rows] == [True, True, True, False]
    assert rows[0].plan_after == "Bitmap Index Scan hypothetical btree_t_kind"
    assert rows[0].cost_after < rows[0].cost_before
    assert (rows[0].method, rows[0].buffers_after, rows[0].build_seconds) == ("hypopg", None, None)
    assert rows[0].bytes > 0
    assert several.bytes is None
    assert 'broken: column "gone" does not exist' in rows[3].note


# -- a copy of the sandbox ---------------------------------------------------------------------------------------


def copies(place: Place) -> list[str]:
    """The databases that are copies."""
    return [name for (name,) in place.run("select datname from pg_database where datname like '% what-if %'")]


def test_copy_of_a_sandbox_database__is_dropped_whatever_happens(database: Place) -> None:
    """It holds the data; an error inside comes through. What a killed process left goes, what is in use stays."""
    database.run("create table t as select 1 as a")
    database.run(f'create database "{database.name} what-if {secrets.token_hex(4)}"')
    target = db.parse_target("sandbox")

    def used() -> None:
        with cloned(target, database.name, search_path=["public"]) as session:
            with db.connect(target) as another:
                copying._sweep(another)
            assert copies(database) == [session.database]
            assert session.value("select a from t") == 1
            session.execute("drop table t")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        used()
    assert copies(database) == []
    assert database.run("select a from t") == [(1,)]


def test_copy_of_a_database_in_use__is_refused(database: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With who is in the way."""
    monkeypatch.setattr(copying, "_PATIENCE_S", 0)
    with (
        database.session(application_name="a notebook"),
        pytest.raises(errors.WrongUsage, match=r"somebody is connected to it: pid \d+ \(a notebook\)") as caught,
        cloned(db.parse_target("sandbox"), database.name),
    ):
        raise AssertionError
    assert "close these sessions" in caught.value.remedy
    assert copies(database) == []


def test_copy_of_anything_but_the_sandbox__is_refused(database: Place) -> None:
    """A database of others is not copied."""
    with pytest.raises(errors.WrongUsage, match="is not the sandbox"), cloned(db.parse_target(database.target), "x"):
        raise AssertionError
    with pytest.raises(errors.StatementFailed, match="does not exist"), cloned(db.parse_target("sandbox"), "not there"):
        raise AssertionError


# -- the order of columns ----------------------------------------------------------------------------------------


def fact(id: str, name: str, op: str, **more: object) -> dict[str, object]:  # noqa: A002
    """A predicate of table 5."""
    return {
        "id": id,
        "relation": 5,
        "name": name,
        "op": op,
        "position": 0,
        "descending": False,
        "expression": "",
    } | more


def test_orders__put_equality_first_and_a_range_or_the_order_last() -> None:
    """Columns of more statements come first; there are six orders at most; another table's columns do not count."""
    facts = [fact("1", "org", "eq"), fact("1", "kind", "eq"), fact("2", "kind", "in"), fact("1", "at", "range")]
    assert list(map(str, orders(facts, 5))) == ["kind, org, at", "org, kind, at"]
    sorted_too = [*facts, fact("1", "at", "order", descending=True)]
    assert list(map(str, orders(sorted_too, 5))) == ["kind, org, at desc", "org, kind, at desc"]
    two_ends = [fact("1", "org", "eq"), fact("1", "n", "range"), fact("1", "at", "order")]
    assert list(map(str, orders(two_ends, 5))) == ["org, at", "org, n"]
    many = [fact("1", name, "eq") for name in ("a", "b", "c", "d", "Ü x")]
    assert len(orders(many, 5)) == 6
    assert str(orders(many, 5)[0]) == 'a, b, c, d, "Ü x"'
    assert list(map(str, orders([fact("1", "n", "range")], 5))) == ["n"]
    assert orders([fact("1", "n", "eq", expression="lower(n)"), fact("1", "n", "join"), *facts], 6) == ()


def test_best_order__is_the_one_with_the_fewest_buffers(clone: Database) -> None:
    """A column that only one statement asks for does not lead; the same in either order is told by statements, then size."""
    queries = [
        query(clone, "select * from t where kind = $1 and at > $2", "both"),
        query(clone, "select * from t where kind = $1", "kind alone"),
    ]
    candidates = [Order(("at", "kind")), Order(("kind", "at")), Order(("kind",))]
    ranked = best_order(clone, "public.t", candidates, queries)
    assert [r.rank for r in ranked] == [1, 2, 3]
    assert ranked[0].columns in ("kind, at", "kind")
    worst = ranked[-1]
    assert (worst.columns, worst.served) == ("at, kind", 1)
    assert ranked[0].buffers < worst.buffers
    assert ranked[0].index == f"create index on public.t ({ranked[0].columns})"
    alike = best_order(clone, "t", [Order(("kind", "at", "id")), Order(("kind", "at"))], queries[:1])
    assert [r.columns for r in alike] == ["kind, at", "kind, at, id"]
    assert alike[0].bytes < alike[1].bytes
