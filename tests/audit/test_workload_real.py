"""The lints of the workload on statements that ran: planted faults are found, what looks like them is not."""

from __future__ import annotations

import pytest
from fix_audit import counted, found

from fix_databases import Place
from pgrunbook.audit import Facts, Finding, statements
from pgrunbook.audit.patterns import patterns, shares

pytestmark = pytest.mark.usefixtures("few_statements")

MADE = (
    "create extension pg_stat_statements",
    "create table customers (id int primary key, email text unique, region text)",
    "insert into customers select n, n || '@x', 'r' || n % 5 from generate_series(1, 3000) n",
    "create table orders (id int primary key, customer_id int references customers, note text)",
    "insert into orders select n, n, repeat('x', 300) from generate_series(1, 3000) n",
    'create table "Ünï" ("Für" int references customers, "a b" text)',
    """insert into "Ünï" select n % 100 + 1, 'x' from generate_series(1, 300) n""",
    "create table settings (key text primary key, value text)",
    "insert into settings values ('a', 'b'), ('c', 'd')",
    "create table tokens (token int primary key)",
    "create table busy (n int)",
    "insert into busy values (1)",
    f"create table many ({', '.join(f'c{n} int' for n in range(12))})",
    "insert into many select generate_series(1, 5)",
    "create view all_of_many as select * from many",
    "vacuum analyze",  # as autovacuum does sooner or later: what an index answers by itself then reads no table
)


def times(number: int, query: str) -> str:
    """A query `number` times, with `i` counting from 1; the server runs it as a statement of a function's."""
    return f"do $$ begin for i in 1..{number} loop perform {query.removeprefix('select ')}; end loop; end $$"


FAULTS = {
    "query_slow": {"pg_sleep": times(5, "select pg_sleep(0.101)")},
    "query_n_plus_one": {
        "from customers where id =": times(600, "select id, region from customers where id = i"),
        'from "Ünï" where "Für"': times(600, 'select "a b" from "Ünï" where "Für" = i % 100'),
        "count(*) from orders where customer_id": times(550, "select count(*) from orders where customer_id = i"),
    },
    "query_select_star": {
        "* from many": times(100, "select * from many"),
        "m.* from customers": times(100, "select m.* from customers c join many m on m.c0 = c.id"),
        "* from all_of_many": times(100, "select * from all_of_many"),
    },
    "query_unbounded": {"note from orders where id >": times(3, "select note from orders where id > 0")},
    "query_deep_offset": {
        "id, note from orders order by id limit": times(
            3, "select id, note from orders order by id limit 10 offset 2500"
        ),
        "order by note": times(3, "select id from orders order by note limit 10 offset 2000"),
    },
    "query_cacheable": {
        "value from settings where key =": times(250, "select value from settings where key = 'a'"),
        "key from settings order by key": times(250, "select key from settings order by key"),
    },
}
LOOK_ALIKES = (
    "select pg_sleep(0.101), 1",
    times(600, "select token from tokens where token = i"),  # nobody lists these
    times(30, "select region from customers where id = any (array(select generate_series(1, 30)))"),  # a batch
    times(600, "select region from customers where email = i || '@y' and region = 'r1'"),  # by two columns
    times(100, "select count(*) from many"),
    times(100, "select c.* from customers c join many m on m.c0 = c.id"),  # the narrow one's star
    times(100, "select * from (select c0, c1 from many) m"),
    times(99, "select * from many where c1 = 1"),
    times(3, "select note from orders where id = any (array(select generate_series(1, 2000)))"),  # a list of keys
    times(3, "select id, note from orders order by id limit 2000"),
    times(3, "select region, count(*) from customers, generate_series(1, 3) group by region, generate_series"),
    "create temp table copied as select note from orders",
    times(3, "select note from orders order by id limit 10 offset 20"),  # a page in front
    times(250, "select n from busy"),  # written now and then
    "do $$ begin for i in 1..20 loop update busy set n = i; end loop; end $$",
    times(250, "select value from settings where key = current_user"),  # depends on who asks
    times(250, "select value from settings for update"),
)


@pytest.fixture
def worked(database: Place) -> tuple[Place, Facts]:
    """A database in which people worked, and the facts about it."""
    lists = (times(10, "select c.id, o.note from customers c join orders o on o.customer_id = c.id limit 60"),)
    counted(database, *MADE)
    database.run(
        "select pg_stat_statements_reset(0, (select oid from pg_database where datname = current_database()), 0)"
    )
    counted(database, *lists, *(text for planted in FAULTS.values() for text in planted.values()), *LOOK_ALIKES)
    with database.connect(read_only=True) as session:
        known, predicates, _, _ = statements.read(session)
    return database, Facts(statements=known, predicates=predicates)


def test_workload_lints_on_statements_that_ran__find_the_faults_and_nothing_else(worked: tuple[Place, Facts]) -> None:
    """What each lint finds is what was planted for it; the table and the picture tell of them."""
    place, facts = worked
    texts = {f"query {s['id']}": s["text"] for s in facts.statements or ()}
    every: list[Finding] = []
    for name, planted in FAULTS.items():
        findings = found(place, name, facts)
        every += findings.values()
        seen = [texts[object_] for object_ in findings]
        for words in planted:
            assert any(words in text for text in seen), (name, words, seen)
        assert len(seen) == len(planted), (name, seen)
    every += found(place, "query_share", facts).values()

    rows = patterns(facts.statements or (), every)
    assert {row.query for row in rows} >= {finding.object.removeprefix("query ") for finding in every}
    risks = [row.risk for row in rows]
    assert risks == sorted(risks, key=("high", "medium", "low", "none found").index)
    slow = next(row for row in rows if "pg_sleep" in row.text and row.calls == 5)
    assert slow.pattern.startswith("Large share of the time; Slow statement") or slow.pattern.startswith(
        "Slow statement"
    )
    assert slow.mean_ms > 100
    star = next(row for row in rows if "* from all_of_many" in row.text)
    pattern = star.pattern.replace("; Large share of the time", "")  # the machine may have stood still just then
    assert (pattern, star.risk) == ("SELECT * of a wide table: select *", "low")
    assert "rows and" in star.notes

    picture = shares(facts.statements or ())
    assert picture.count("<rect") == 13
    assert f"{len(facts.statements or ()) - 12} others" in picture
