"""What pg_stat_statements' texts say: the columns that statements test, what they are as a whole, and what is not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fix_audit import attnum, oid, stranger

from fix_databases import Place, made, on_every_version
from fix_servers import SANDBOX
from pgrunbook.audit import NotSeen, statements

pytestmark = pytest.mark.usefixtures("few_statements")

MADE = (
    "create schema extensions",
    "create extension pg_stat_statements schema extensions",
    "create table orgs (id int primary key, name text)",
    "create table calls (id int primary key, org int references orgs, status text, code varchar(9), made timestamptz,"
    " ended timestamptz, ok bool, agent int)",
    'create table "Ünï" (id int primary key, "a b" text, calls int)',
    "create view open_calls as select id as call, org, made, upper(status) as loud from calls where ended is null",
    "create view counted_calls as select org, count(*) as number, max(made) as last from calls group by org",
    "create function look(wanted int) returns setof int language plpgsql as $$ begin"
    " return query select /* plpgsql */ id from calls c where c.agent = wanted and look.wanted < c.id; end $$",
)
# name: the statement, and of its tests "column op", with -> what it is joined with, and the position of an order
TESTED = {
    "equal": ("select {} id from calls where org = 1 and 'x' = status", "calls.org eq, calls.status eq"),
    "typed": (
        "select {} id from calls where made > timestamptz '2020-01-01' and org = 1::int and made < now() - interval '1 day'",
        "calls.made range, calls.made range, calls.org eq",
    ),
    "lists": (
        "select {} id from calls where org in (1, 2) and agent = any ('{{1,2}}'::int[]) and status = any (array['a'])",
        "calls.agent in, calls.org in, calls.status in",
    ),
    "between": ("select {} id from calls where agent between 1 and 2", "calls.agent range, calls.agent range"),
    "like": ("select {} id from calls where status like 'a%' or status ilike 'b'", "calls.status other (1.1 like), calls.status other (1.2 like)"),
    "prefix": ("select {} id from calls where starts_with(status, 'a')", "calls.status prefix"),
    "nulls": ("select {} id from calls where ended is null and made is not null", "calls.ended null, calls.made notnull"),
    "booleans": ("select {} id from calls where ok and ok is true and not ok and ok is false and ok = true",
                 "calls.ok eq, calls.ok false, calls.ok false, calls.ok true, calls.ok true"),
    "negated": ("select {} id from calls where not (org = 1) and agent <> 2 and ok is not true and not (ended is null)",
                "calls.agent other, calls.ended notnull, calls.ok other, calls.org other"),
    "not in": ("select {} id from calls where org not in (1, 2)", "calls.org other"),
    "one column or": ("select {} id from calls where (org = 1 or org in (2, 3) or org is null)", "calls.org in"),
    "two columns or": ("select {} id from calls where agent = 7 and (org = 1 or status = 'a')",
                       "calls.agent eq, calls.org other (1.1 eq), calls.status other (1.2 eq)"),
    "parameter or": ("select {} id from calls where (1 = 2 or org = 1)", "calls.org other"),
    "row": ("select {} id from calls where (org, agent) = (1, 2) and (made, id) > (now(), 3)",
            "calls.agent eq, calls.made range, calls.org eq"),
    "rows": ("select {} id from calls where (org, agent) in ((1, 2), (3, 4))", "calls.agent in, calls.org in"),
    "expression": ("select {} id from calls where lower(status) = 'a' and upper(btrim(code)) = 'B'",
                   "calls.code eq upper(btrim(code)), calls.status eq lower(status)"),
    "no index's expression": ("select {} id from calls where date(made) = '2020-01-01' and abs(org + 1) = 2"
                              " and coalesce(status, 'a') = 'b' and made::date = '2020-01-01' and date_trunc('day', made) = now()",
                              "calls.made other, calls.made other, calls.made other date(made), calls.org other, calls.status other"),
    "cast to the same": ("select {} id from calls where code::text = 'a' and org::int = 1", "calls.code eq, calls.org eq"),
    "cast to another": ("select {} id from calls where org::text = 'a'", "calls.org other"),
    "order": ("select {} id from calls order by made desc, org limit 1",
              "calls.made order 1 desc limited, calls.org order 2 limited"),
    "order by place": ("select {} org, made as m from calls order by 2, m, status",
                       "calls.made order 1, calls.made order 2, calls.status order 3"),
    "order within": ("select {} count(*) from (select id from calls order by made limit 5) x where x.id > 1 order by 1",
                     "calls.id other, calls.made order 1 limited"),
    "order that no LIMIT needs": ("select {} count(*) from (select id from calls order by made) x", ""),
    "group": ("select {} org, count(*) from calls group by org, 1 having count(*) > 5", "calls.org group 1, calls.org group 2"),
    "distinct": ("select {} distinct org, status from calls", "calls.org distinct 1, calls.status distinct 2"),
    "distinct on": ("select {} distinct on (org) org, made from calls order by org, made desc",
                    "calls.made order 2 desc, calls.org distinct 1, calls.org order 1"),
    "join": ("select {} c.id from calls c join orgs o on o.id = c.org where name = 'x'",
             "calls.org join -> orgs.id, orgs.id join -> calls.org, orgs.name eq"),
    "join in where": ("select {} c.id from calls c, orgs where c.org = orgs.id and c.id = 1",
                      "calls.id eq, calls.org join -> orgs.id, orgs.id join -> calls.org"),
    "using": ("select {} c.made from calls c join \"Ünï\" using (id)", "calls.id join -> Ünï.id, Ünï.id join -> calls.id"),
    "outer join": ("select {} c.id from calls c left join orgs o on o.id = c.org and c.ok and o.name = 'x' where o.id is null",
                   "calls.ok other, calls.org other -> orgs.id, orgs.id join -> calls.org, orgs.id other, orgs.name eq"),
    "self join": ("select {} a.id from calls a join calls b on a.agent = b.id where a.org = 1 and b.org = 2 and a.id = a.org",
                  "calls.agent join -> calls.id, calls.id join -> calls.agent, calls.id other -> calls.org, calls.org eq, calls.org eq, calls.org other -> calls.id"),
    "in a query": ("select {} id from calls where org in (select id from orgs where name = 'x')",
                   "calls.org join -> orgs.id, orgs.id join -> calls.org, orgs.name eq"),
    "in a list made by a query": ("select {} id from calls where org in (select unnest(array[1, 2]))", "calls.org in"),
    "exists": ("select {} id from orgs o where exists (select from calls where org = o.id and ok)",
               "calls.ok true, calls.org join -> orgs.id, orgs.id join -> calls.org"),
    "not exists": ("select {} id from orgs o where not exists (select from calls where org = o.id)",
                   "calls.org join -> orgs.id, orgs.id other -> calls.org"),
    "a query's value": ("select {} id from calls where made = (select max(made) from calls) and id = (select min(id) from orgs)",
                        "calls.id eq, calls.made eq"),
    "a correlated value": ("select {} id from calls c where id = (select max(id) from orgs o where o.id = c.org)",
                           "calls.id other, calls.org other -> orgs.id, orgs.id join -> calls.org"),
    "sub-query": ("select {} * from (select org as o, count(*) as n from calls where ok group by org) s where s.o = 1 and n > 2",
                  "calls.ok true, calls.org eq, calls.org group 1"),
    "renamed": ("select {} y from (select id, org from calls) s(x, y) where x = 1", "calls.id eq"),
    "with": ("with {} c as (select * from calls where org = 1) select id from c where status = 'x'",
             "calls.org eq, calls.status eq"),
    "with, read twice": ("with {} c as (select * from calls) select a.id from c a, c b where a.org = 1", "calls.org other"),
    "limit before the test": ("select {} id from (select * from calls limit 5) s where org = 1", "calls.org other"),
    "recursive": ("with recursive {} r as (select id, agent from calls where org = 1 union all select c.id, c.agent from calls c"
                  " join r on r.agent = c.id) select id from r where agent = 1", "calls.agent other, calls.agent other, calls.id join, calls.org eq"),
    "union": ("select {} id from (select id from calls union all select id from orgs) u where id = 4", "calls.id eq, orgs.id eq"),
    "lateral": ("select {} o.id from orgs o left join lateral (select id from calls where org = o.id order by made limit 1) l on true",
                "calls.made order 1 limited, calls.org join -> orgs.id, orgs.id other -> calls.org"),
    "unnest": ("select {} c.id from unnest(array[1, 2]) w(k) join calls c on c.id = w.k", "calls.id in"),
    "values": ("select {} c.id from calls c join (values (1, 'a'), (2, 'b')) v(k, s) on v.k = c.org and v.s = c.status",
               "calls.org in, calls.status in"),
    "view": ("select {} call from open_calls where org = 2 and call > 5 and loud = 'X'",
             "calls.ended null, calls.id range, calls.org eq"),
    "grouped view": ("select {} last from counted_calls where org = 2 and number > 1", "calls.org eq, calls.org group 1"),
    "quoted": ('select {} "Ünï"."a b" from public."Ünï" where "Ünï"."a b" = \'x\'', "Ünï.a b eq"),
    "update": ("update {} calls set status = 'x', ok = true from orgs where orgs.id = org and orgs.name = 'y' and code = 'a'",
               "calls.code eq, calls.org join -> orgs.id, orgs.id join -> calls.org, orgs.name eq"),
    "delete": ("delete {} from calls using orgs o where calls.org = o.id and made < now()",
               "calls.made range, calls.org join -> orgs.id, orgs.id join -> calls.org"),
    "insert": ("insert {} into orgs select id, status from calls where agent = 4 on conflict (id) do update set name = 'a'",
               "calls.agent eq"),
    "writing with": ("with {} gone as (delete from calls where org = 9 returning *) select count(*) from gone where agent = 1",
                     "calls.agent other, calls.org eq"),
}  # fmt: skip
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "star": ("select {} * from orgs", {"star": True, "kind": "select", "simple": True, "aggregate": False}),
    "no star": ("select {} count(*), (select 1 from (select * from orgs) x limit 1) from orgs", {"star": False, "aggregate": True}),
    "starred view": ("select {} v.* from open_calls v", {"star": True, "simple": False}),
    "star of few": ("select {} * from (select id from orgs) s", {"star": False}),
    "limited": ("select {} id from orgs order by id limit 5", {"limited": True, "ordered": True, "offset": False, "simple": False}),
    "limited with": ("with {} p as (select id from orgs limit 5) select * from p", {"limited": True, "ordered": False}),
    "offset": ("select {} id from orgs offset 5", {"offset": True, "limited": False, "simple": False}),
    "grouped": ("select {} org from calls group by org", {"aggregate": True}),
    "window": ("select {} id, count(*) over () from orgs", {"aggregate": False}),
    "locking": ("select {} id from orgs where id = 1 for update skip locked", {"locking": True, "simple": True}),
    "distinct": ("select {} distinct org from calls where ok", {"distinct": True, "simple": False}),
    "other tests": ("select {} id from calls where ok and status like '%a'", {"simple": False}),
    "update": ("update {} calls set ok = false where id = 1", {"kind": "update", "simple": True, "writes": "calls", "sets": ["ok"]}),
    "upsert": ("insert {} into orgs values (1, 'a') on conflict (id) do update set name = excluded.name",
               {"kind": "insert", "writes": "orgs", "sets": ["name"], "simple": False}),
    "delete": ("delete {} from calls where id = 2 returning id", {"kind": "delete", "writes": "calls", "sets": [], "simple": True}),
    "with that writes": ("with {} d as (delete from calls where id = 3 returning id) select id from d",
                         {"kind": "delete", "writes": "calls", "simple": False}),
    "two tables": ("select {} 1 from calls, orgs", {"relations": ["calls", "orgs"], "star": False, "simple": False}),
    "procedure": ("call {} nothing(1)", {"kind": "other", "relations": []}),
    "copied": ("create table {} copied as select id from orgs where id = 1", {"kind": "other", "relations": ["orgs"]}),
}  # fmt: skip
HOUSEKEEPING = (
    "create table made_here (a int)", "analyze orgs", "set work_mem = '4MB'", "explain select /* explained */ 1 from orgs",
    "select /* catalogs */ relname from pg_class where oid = 1", "select /* extension */ calls from extensions.pg_stat_statements",
    "select /* ours */ pg_catalog.pg_backend_pid()", "select /* nothing */ 1",
    "select /* ours */ claims from (select name as claims from orgs) sampled limit 1",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(server: str) -> Iterator[Place]:
    """A database in which every statement of this file ran once."""
    with made(server) as place:
        place.run(*MADE, "create procedure nothing(n int) language sql as 'select 1'")
        place.run(
            "insert into orgs select n, 'o' from generate_series(1, 3) n",
            "insert into calls select n, 1 from generate_series(1, 3) n",
        )
        for prefix, kind in (("t", TESTED), ("s", SHAPES)):
            place.run(*(text.format(f"/* {prefix}: {name} */") for name, (text, _) in kind.items()))
        place.run(*HOUSEKEEPING, "select count(*) from look(3)", "do $do$ begin perform 'secret'; end $do$")
        yield place


@pytest.fixture(scope="module")
def read(place: Place) -> tuple[list[dict[str, Any]], list[dict[str, Any]], statements.Window, list[NotSeen]]:
    """The facts of all of them."""
    with place.connect(read_only=True) as session:
        known, predicates, window, not_seen = statements.read(session)
    assert known is not None
    return known, predicates, window, not_seen


def named(known: list[dict[str, Any]], marker: str) -> dict[str, Any]:
    """The statement with a comment in it; what CREATE TABLE AS runs has the text of the whole, and is there twice."""
    return next(s for s in known if f"/* {marker} */" in s["text"])


def tells(place: Place) -> Callable[[list[dict[str, Any]], str], str]:
    """Writes a statement's predicates as this file does."""
    tables = {oid(place, f'"{name}"'): name for name in ("orgs", "calls", "Ünï")}
    numbers = dict(place.run("select attrelid::int8 || '.' || attnum, attname from pg_attribute where attnum > 0"))

    def tell(predicates: list[dict[str, Any]], id_: str) -> str:
        found = []
        for p in (p for p in predicates if p["id"] == id_):
            text = f"{tables[p['relation']]}.{p['name']} {p['op']}"
            text += f" {p['expression']}" * bool(p["expression"]) + f" {p['position']}" * bool(p["position"])
            text += " desc" * p["descending"] + " limited" * bool(p.get("limited"))
            if p["with_relation"]:
                number = f"{p['with_relation']}.{p['with_column']}"
                text += f" -> {tables[p['with_relation']]}.{numbers[number]}"
            if p.get("either"):
                text += f" ({p['either']}.{p['branch']} {p['within']})"
            found.append(text)
        return ", ".join(sorted(found))

    return tell


def test_predicates_of_each_kind_of_statement__are_those_of_its_columns(place: Place, read: Any) -> None:
    """Scopes, joins, lists, expressions, views: each test is of the right column, and what is none is not told."""
    known, predicates, _, not_seen = read
    tell = tells(place)
    wrong = {
        name: (found, expected)
        for name, (_, expected) in TESTED.items()
        if (found := tell(predicates, named(known, f"t: {name}")["id"])) != expected
    }
    assert not wrong, "\n".join(f"{name}\n  {a}\n  {b}" for name, (a, b) in wrong.items())
    assert not [n for n in not_seen if "parsed" in n.why or "several" in n.why]


def test_places_of_one_table_in_a_statement__are_told_apart(read: Any) -> None:
    """A table that is joined with itself has two, each with its own tests."""
    known, predicates, _, _ = read
    own = [p for p in predicates if p["id"] == named(known, "t: self join")["id"]]
    assert sorted(p["occurrence"] for p in own if p["name"] == "org" and p["op"] == "eq") == [1, 2]
    (agent,) = [p for p in own if p["name"] == "agent"]
    assert agent["with_occurrence"] != agent["occurrence"]


def test_variables_of_a_function__are_parameters(read: Any) -> None:
    """A name that is no column of any table is a variable: the column is compared with a value."""
    known, predicates, _, _ = read
    (inner,) = [s for s in known if "/* plpgsql */" in s["text"]]
    assert sorted((p["name"], p["op"], p["bound"]) for p in predicates if p["id"] == inner["id"]) == [
        ("agent", "eq", True), ("id", "range", True),
    ]  # fmt: skip


def test_shapes_of_statements__are_told(place: Place, read: Any) -> None:
    """What a statement is as a whole: its kind, star, limit, what it writes, whether its rows are all that it found."""
    known, *_ = read
    for name, (_, expected) in SHAPES.items():
        found = named(known, f"s: {name}")
        for key, value in expected.items():
            wanted = value
            if key == "relations":
                wanted = [oid(place, table) for table in value]
            elif key == "writes":
                wanted = oid(place, value)
            elif key == "sets":
                wanted = [attnum(place, "calls" if "calls" in found["text"] else "orgs", column) for column in value]
            assert found[key] == wanted, (name, key)
        assert found["calls"] == 1
        assert found["seconds"] > 0
        assert found["roles"] == ["postgres"]


def test_housekeeping_and_own_look_ups__are_left_out(read: Any) -> None:
    """Neither utility statements nor the catalogs' readers, nor what a foreign key asks; no constant is shown."""
    known, *_ = read
    texts = [s["text"] for s in known]
    for words in (
        "made_here",
        "analyze",
        "work_mem",
        "explained",
        "/* catalogs",
        "/* extension",
        "/* ours",
        "/* nothing",
        "FOR KEY SHARE",
    ):
        assert not [t for t in texts if words in t], words
    assert "do $$ … $$" in texts
    assert not [t for t in texts if "secret" in t or "'o'" in t]


def test_shares_and_window__add_up(read: Any) -> None:
    """The shares are of the time of what ran at top level."""
    known, _, window, _ = read
    assert 0.99 < sum(s["share"] for s in known if "/* plpgsql */" not in s["text"]) < 1.5
    assert all(0 <= s["share"] <= 1 for s in known)
    assert window.origin == "statistics reset"
    assert window.seconds >= 1


def test_statements_since_a_snapshot__are_the_difference(database: Place) -> None:
    """What ran before and not after is not told; what shrank since is told as it stands; a reset is told."""
    database.run("create extension pg_stat_statements", "create table t (a int)")
    database.run(
        *["select a from t where a = 1"] * 3, "select a from t where a > 1", "select a, a from t", "select a, a from t"
    )
    with database.connect() as session:
        before = statements.snapshot(session)
        assert before is not None
        database.run(*["select a from t where a = 1"] * 2, "select a, 1 from t", "select a, a from t")
        before["statements"][by_text(session, "select a, a from t")]["calls"] = 99
        known, predicates, window, not_seen = statements.read(session, {**before, "run": "20260101-abc"})
        assert {s["text"]: s["calls"] for s in known or ()} == {
            "select a from t where a = $1": 2, "select a, $1 from t": 1, "select a, a from t": 3,
        }  # fmt: skip
        assert {p["id"] for p in predicates} == {by_text(session, "select a from t where a = $1")}
        assert (window.since, window.origin) == (before["at"], "run 20260101-abc")
        assert any("statements that were reset or forgotten" in n.why and n.why.endswith(": 1") for n in not_seen), (
            not_seen
        )

        early = {**before, "at": "2000-01-01T00:00:00+00:00", "reset": ""}
        known, _, window, not_seen = statements.read(session, early)
        assert {s["text"]: s["calls"] for s in known or ()}["select a from t where a = $1"] == 5
        assert window.origin == "statistics reset"
        assert any("were reset at" in n.why for n in not_seen)


def by_text(session: Any, text: str) -> str:
    """The id of a statement."""
    query = "select queryid::text from pg_stat_statements where query = $1 and dbid = (select oid from pg_database where datname = current_database())"  # fmt: skip
    return str(session.value(query, [text]))


def test_names_that_several_schemas_have__are_looked_for_along_the_path(database: Place) -> None:
    """An unqualified name is the path's, or the only one; of several it is not guessed, and told."""
    database.run("create extension pg_stat_statements", "create schema a", "create schema b", 'create schema "Ö"')
    for schema in ("a", "b"):
        database.run(f"create table {schema}.twice (x int)")
    database.run('create table "Ö".once (x int)', "create table public.t (x int)", "create table a.t (x int)")
    database.run("create table domains (x int)", "select x from domains")  # a view of information_schema has that name
    with database.session() as session:
        session.execute('set search_path = a, "Ö"')
        session.execute("select x from twice where x = 1")
        session.execute("select x from once where x = 1")
        session.execute("select x from t where x = 2")
        session.execute("create temp table gone (x int)")
        session.execute("select x from gone where x = 1")
    with database.connect() as session:
        known, predicates, _, not_seen = statements.read(session)
    assert known is not None
    assert {p["relation"] for p in predicates} == {oid(database, '"Ö".once'), oid(database, "public.t")}
    assert [n.why for n in not_seen if "that name a table without its schema" in n.why and n.why.endswith(": 1")]
    assert [n.why for n in not_seen if "which is not there" in n.why and n.why.endswith(": 1")]
    assert [n.why for n in not_seen if "whose name other schemas have too" in n.why and n.why.endswith(": 1")]


def test_texts_that_cannot_be_read__are_told(database: Place) -> None:
    """Texts of others, and one that is too long to be parsed."""
    database.run("create extension pg_stat_statements", "create table t (a int)", "select a from t")
    database.run(f"select a /* {'x' * 100_000} */ from t where a = 1")
    with database.connect() as session:
        known, predicates, _, not_seen = statements.read(session)
        assert [n.why for n in not_seen if n.why.startswith("statements with a text of more than 100,000 bytes")]
        assert sum(not s["parsed"] for s in known or ()) == 1
        assert not predicates
    with stranger(database) as session:
        database.run("grant usage on schema public to public")
        known, _, _, not_seen = statements.read(session)
        assert not known
        (hidden,) = [n for n in not_seen if "belong to other roles" in n.why]
        assert "pg_read_all_stats" in hidden.remedy


def test_housekeeping_that_is_no_sql_in_the_statistics__is_not_told(database: Place) -> None:
    """The server writes `deallocate $1` and, from 18 on, `set search_path = $1, $2`, which no grammar takes."""
    database.run("create extension pg_stat_statements")
    with database.session() as session:
        session.execute("prepare mine as select 1")
        session.execute("deallocate mine")
        session.execute("set search_path = public, pg_catalog")
        session.execute("/* before */ set work_mem = '1MB'")
    with database.connect() as session:
        texts = [text for (text,) in session.rows("select lower(query) from pg_stat_statements")]
        assert "deallocate $1" in texts
        known, _, _, not_seen = statements.read(session)
    assert not [s for s in known or () if not s["parsed"]]
    assert not [n for n in not_seen if "could not be parsed" in n.why]


@on_every_version
def test_statistics_that_are_not_there__are_told_with_the_remedy(database: Place, version: int) -> None:
    """Without the extension, and on a server that was started without it."""
    with database.connect() as session:
        known, predicates, _, (lack,) = statements.read(session)
        assert (known, predicates) == (None, [])
        assert "is not in this database" in lack.why
        assert lack.remedy.endswith("create extension pg_stat_statements;")
        assert ("shared_preload_libraries" in lack.remedy) == (version != SANDBOX)
        assert statements.snapshot(session) is None
        database.run("create extension pg_stat_statements")
        known, _, _, not_seen = statements.read(session)
        if version == SANDBOX:
            assert known == []
        else:
            assert known is None
            assert "shared_preload_libraries" in not_seen[0].remedy
            assert statements.snapshot(session) is None
    with stranger(database) as session:
        known, _, _, not_seen = statements.read(session)
        assert known is None or not known
        assert not_seen
