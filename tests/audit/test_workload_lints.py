"""The lints of the workload, on facts written by hand: which statements they tell, at what level, and which not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fix_audit import attnum, counted, found, oid, predicate, pretend, statement, stranger

from fix_databases import Place, made
from fix_servers import VERSIONS, Server
from pgrunbook.audit import Facts, Finding, lints

WORKLOAD = [lint.name for lint in lints() if lint.about.group == "workload"]


@pytest.fixture(scope="module", params=VERSIONS)
def shop(request: pytest.FixtureRequest, server_of: Callable[[int], Server]) -> Iterator[Place]:
    """Customers with orders and their lines, a rarely written table, wide and narrow ones."""
    with made(server_of(request.param).dsn) as place:
        counted(
            place,
            'create schema "Ünï"',
            "create table customers (id int primary key, email text unique, region text, country text)",
            "create table orders (id int8 primary key, customer_id int references customers, placed timestamptz, region text)",
            "create table lines (order_id int8 references orders, line int, primary key (order_id, line))",
            "create table profiles (customer_ref text primary key, id int)",
            "create table accounts (customer_ref text unique, id int unique)",
            'create table "Ünï"."Käufe" ("Für" int references customers, "a b" text)',
            "create table settings (key text primary key, value text, active bool, unique (value, active))",
            "insert into settings select 'k' || n, 'v' || n, n % 2 = 0 from generate_series(1, 10) n",
            "create table codes (code int primary key)",
            "insert into codes select generate_series(1, 100)",
            "create table busy (key text primary key, n int)",
            "insert into busy select 'k' || n from generate_series(1, 20) n",
            *["update busy set n = 1"] * 5,
            'create view "Ünï"."Sicht" as select * from settings',
            "create view writes as select s.* from settings s join busy b using (key)",
            'create table "Ünï"."Breit" (id int, "Köpfe" text)',
            """insert into "Ünï"."Breit" select n, repeat(md5(n::text), 40) from generate_series(1, 50) n""",
            """alter table "Ünï"."Breit" alter "Köpfe" set storage external""",
            "create table documents (id int, body text)",
            "alter table documents alter body set storage external",
            "insert into documents select n, repeat(md5(n::text), 100) from generate_series(1, 50) n",
            f"create table many ({', '.join(f'c{n} int' for n in range(12))})",
            f"create table parted ({', '.join(f'c{n} int' for n in range(12))}) partition by range (c0)",
            "create table part partition of parted for values from (0) to (9)",
            "create table unknown (id int, about jsonb)",
            "create index on orders (customer_id, placed)",
            "analyze settings, busy, documents",
            'analyze "Ünï"."Breit"',
        )
        yield place


class Told:
    """Facts that name tables and columns as people do; `found` asks a lint."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.statements: list[dict[str, Any]] = []
        self.predicates: list[dict[str, Any]] = []

    def ran(self, id: str, *tables: str, by: tuple[str, ...] = (), order: tuple[str, ...] = (), **fields: Any) -> None:  # noqa: A002
        """A statement over tables; `by` are columns of the first compared with a value, `order` those that sort."""
        self.statements.append(statement(id, **{"relations": [oid(self.place, t) for t in tables], **fields}))
        for column in by:
            self.predicates.append(predicate(id, oid(self.place, tables[0]), attnum(self.place, tables[0], column)))
        for n, column in enumerate(order, 1):
            number = attnum(self.place, tables[0], column)
            self.predicates.append(
                predicate(id, oid(self.place, tables[0]), number, "order", position=n, descending=True, bound=False)
            )
        return self

    def found(self, name: str) -> dict[str, Finding]:
        return found(self.place, name, Facts(statements=self.statements, predicates=self.predicates))


@pytest.fixture
def told(shop: Place) -> Told:
    return Told(shop)


def test_slow_statements__are_important_by_calls_or_share(told: Told) -> None:
    """Above 100 ms and five calls; often or heavy ones are important, index builds and catalog queries are none."""
    slow = {"calls": 5, "mean_ms": 100.5, "ms": 502.5, "max_ms": 110.0}
    told.ran("often", "orders", **{**slow, "calls": 100, "mean_ms": 100.2, "ms": 10020.0})
    told.ran(
        "heavy", '"Ünï"."Käufe"', "orders", **slow, share=0.05, kind="update", writes=oid(told.place, '"Ünï"."Käufe"')
    )
    told.ran("plain", "orders", "customers", **slow)
    told.ran("no table", **slow, blocks=0)
    told.ran("one outlier", "part", **{**slow, "max_ms": 480.0})
    told.ran("spills", "orders", **slow, temp=5000)
    told.ran("procedure", **slow, kind="other", text="/* nightly */ call tidy($1)")
    told.ran("few", "orders", **{**slow, "calls": 4})
    told.ran("fast", "orders", **{**slow, "mean_ms": 100.0})
    told.ran("build", **slow, kind="other", text="create index on orders (placed)")
    told.ran("catalog", "pg_catalog.pg_class", **slow)
    rows = told.found("query_slow")
    assert {o.removeprefix("query "): (f.level, f.relation) for o, f in rows.items()} == {
        "often": ("important", "public.orders"),
        "heavy": ("important", '"Ünï"."Käufe"'),
        "plain": ("routine", ""),
        "no table": ("routine", ""),
        "one outlier": ("routine", "public.parted"),
        "spills": ("routine", "public.orders"),
        "procedure": ("routine", ""),
    }
    assert "100 ms on average (110 ms the slowest), 100 calls in 24 h" in rows["query often"].detail
    assert rows["query one outlier"].doubt == "one call took 480 ms; without it the mean is 5.6 ms"
    assert "work_mem" in rows["query spills"].advice
    assert "locks" in rows["query no table"].advice


def test_share_of_the_time__counts_from_a_fifth(told: Told) -> None:
    """20 % is noted, 50 % routine."""
    told.ran("half", "orders", share=0.5, calls=9, ms=90_000.0, mean_ms=10_000.0)
    told.ran("fifth", "orders", share=0.2, calls=9, ms=36_000.0, mean_ms=4_000.0)
    told.ran("short", "orders", share=0.25, calls=9, ms=10.0)
    told.ran("less", "orders", share=0.19, calls=9, ms=30_000.0)
    told.ran("copy", "orders", share=0.3, calls=9, ms=30_000.0, kind="other", text="copy orders to stdout")
    rows = told.found("query_share")
    assert {o.removeprefix("query "): f.level for o, f in rows.items()} == {
        "half": "routine", "fifth": "noted", "short": "noted",
    }  # fmt: skip
    assert rows["query half"].detail.startswith("50 % of the time of all statements: 9 calls of 10,000.00 ms in 24 h")
    assert "took 0.0 s" in rows["query short"].doubt


def test_select_star__is_found_on_wide_tables(told: Told) -> None:
    """Ten columns are noted, wide values routine; a named column, a narrow table and few calls are not found."""
    star = {"star": True, "calls": 100, "rows": 100}
    told.ran("many", "many", **star, text="select * from many where c0 = $1")
    told.ran("part", "part", **star, text="select * from part")
    told.ran("wide", '"Ünï"."Breit"', **star, text='select * from "Ünï"."Breit"')
    told.ran("outside", "documents", **star, text="select d.* from documents as d")
    told.ran("unknown", "unknown", **star, text="select * from unknown")
    told.ran("joined", "customers", "many", **star, text="select m.* from customers c join many m on m.c0 = c.id")
    told.ran("other's star", "customers", "many", **star, text="select c.* from customers c join many m on m.c0 = c.id")
    told.ran("inner", "customers", "many", **star, text="select * from customers where id in (select c0 from many)")
    told.ran("unreadable", "customers", "many", **star, text="select x.* from somewhere x")
    told.ran("narrow", "customers", **star, text="select * from customers")
    told.ran("few", "many", **{**star, "calls": 99}, text="select * from many")
    told.ran("counted", "many", **{**star, "star": False}, text="select count(*) from many")
    rows = told.found("query_select_star")
    assert {o.removeprefix("query "): (f.level, f.relation) for o, f in rows.items()} == {
        "many": ("noted", "public.many"),
        "part": ("noted", "public.parted"),
        "wide": ("routine", '"Ünï"."Breit"'),
        "outside": ("routine", "public.documents"),
        "unknown": ("noted", "public.unknown"),
        "joined": ("noted", "public.many"),
        "unreadable": ("noted", "public.many"),
    }
    assert "takes all 12 columns of public.many; 100 calls of 1.0 rows" in rows["query many"].detail
    assert '"Köpfe" with 12' in rows["query wide"].detail
    assert "leave out body" in rows["query outside"].advice
    assert "a row held outside the table" in rows["query outside"].detail
    assert "another one's" in rows["query unreadable"].doubt
    assert "whose width no statistics tell" in rows["query unknown"].detail


def test_unbounded_results__are_found_but_those_of_a_key(told: Told) -> None:
    """A thousand rows a call without a bound; a LIMIT, an aggregate, a whole unique key or a single run is a bound."""
    large = {"calls": 10, "rows": 10_000}
    told.ran("all", "orders", **large, text="select id from orders")
    told.ran("huge", "orders", "customers", **{**large, "rows": 100_000}, ordered=True)
    told.ran("by half a key", "lines", by=("order_id",), **large)
    told.ran("twice", "settings", by=("value",), calls=2, rows=2000)
    told.ran("by a key", "lines", by=("order_id", "line"), **large)
    told.ran("by one key", "orders", by=("id",), **large)
    told.ran("limited", "orders", **large, limited=True)
    told.ran("sum", "orders", **large, aggregate=True)
    told.ran("insert", "orders", **large, kind="insert")
    told.ran("small", "orders", **{**large, "rows": 9_999})
    told.ran("export", "orders", calls=1, rows=100_000)
    told.ran("unread", "orders", **large, parsed=False)
    told.ran("catalog", "pg_catalog.pg_attribute", **large)
    rows = told.found("query_unbounded")
    assert {o.removeprefix("query "): (f.level, f.relation) for o, f in rows.items()} == {
        "all": ("routine", "public.orders"),
        "huge": ("important", ""),
        "by half a key": ("routine", "public.lines"),
        "twice": ("routine", "public.settings"),
    }
    assert rows["query all"].advice.endswith("… where (id) > ($1) order by id limit 100")
    assert "(order_id, line) > ($1, $2)" in rows["query by half a key"].advice
    assert "2 times only" in rows["query twice"].doubt


def test_a_deep_offset__is_told_from_blocks_and_rows(told: Told) -> None:
    """Blocks far above the rows returned, also where a few blocks hold many rows; not first pages, joins and short lists."""
    pretend(told.place, "orders", 100_000)
    page = {"calls": 10, "rows": 200, "limited": True, "offset": True, "ordered": True, "mean_ms": 20.0}
    told.ran("deep", "orders", order=("placed", "id"), **page, blocks=5000, text="select $1")
    told.ran("slow", "orders", order=("id",), **{**page, "mean_ms": 101.0}, blocks=5000)
    told.ran("in step", "orders", order=("region",), **page, blocks=1500)
    told.ran("by customer", "orders", by=("customer_id",), order=("placed",), **page, blocks=5000)
    told.ran("by region", "orders", by=("region",), order=("id",), **page, blocks=5000)
    told.ran("no row", "orders", **{**page, "rows": 0}, blocks=1000)
    told.ran("first page", "orders", order=("id",), **page, blocks=990)
    told.ran("short list", "settings", by=("active",), order=("key",), **page, blocks=5000)
    told.ran("side by side", "orders", by=("customer_id",), order=("placed",), **page, blocks=1500)
    told.ran("joins", "orders", "customers", "lines", **page, blocks=5000)
    told.ran("limit", "orders", **{**page, "offset": False}, blocks=5000)
    told.ran("once", "orders", **{**page, "calls": 1}, blocks=5000)
    rows = told.found("query_deep_offset")
    assert {o.removeprefix("query "): f.level for o, f in rows.items()} == {
        "deep": "routine", "slow": "important", "in step": "routine", "by customer": "routine", "by region": "routine",
        "no row": "routine",
    }  # fmt: skip
    assert "(placed, id) < ($1, $2) order by placed desc, id desc" in rows["query deep"].advice
    assert "no index serves its conditions and its order" in rows["query deep"].doubt
    assert "no index serves" not in rows["query by customer"].doubt
    assert "no index serves" in rows["query by region"].doubt
    assert "those of the first pages included" in rows["query slow"].detail
    assert "touches 150 blocks a call, about 14,9" in rows["query in step"].detail


def test_a_query_a_row__is_found_next_to_its_parent(told: Told) -> None:
    """Look-ups by key that the parent's rows explain, by a foreign key either way, the same table or a key's name."""
    child = {"calls": 2000, "rows": 2000, "ms": 100.0, "share": 0.05, "seconds": 72_000.0}
    told.ran("list", "orders", "lines", calls=100, rows=2000, text="select o.* from orders o", limited=True)
    told.ran("customer", "customers", by=("id",), **child, text="select * from customers where customers.id = $1")
    counting = {**child, "rows": 8000, "share": 0.04, "aggregate": True}
    told.ran("lines", "lines", by=("order_id",), **counting, text="select count(*) from lines where order_id=$1")
    told.ran(
        "again", "orders", by=("id",), **child, limited=True, text='select from orders where "id" = $1::int8 limit $2'
    )
    told.ran("nobody's", "settings", by=("key",), **child)
    told.ran("too few", "customers", by=("id",), **{**child, "calls": 399})
    told.ran("too many", "customers", by=("id",), **{**child, "calls": 2401})
    told.ran("not ten times", "customers", by=("id",), **{**child, "calls": 999})
    told.ran("many rows", "lines", by=("order_id",), **{**child, "rows": 20_001})
    told.ran("two keys", "lines", by=("order_id", "line"), **child)
    told.ran("no key", "customers", by=("region",), **child)
    told.ran("another role's", "customers", by=("id",), **child, roles=["batch"])
    rows = told.found("query_n_plus_one")
    assert {o.removeprefix("query "): (f.level, f.relation) for o, f in rows.items()} == {
        "customer": ("important", "public.customers"),
        "lines": ("routine", "public.lines"),
        "again": ("important", "public.orders"),
    }
    first = rows["query customer"]
    assert first.detail.startswith(
        "2,000 calls by public.customers.id, 1.0 rows each; query list over public.orders ran 100"
    )
    assert "1.00 look-ups a row" in first.detail
    assert "select * from customers where customers.id = any($1::integer[]);" in first.advice
    assert "from public.orders as p join public.customers as c on c.id = p.customer_id" in first.advice
    every = "unnest($1::bigint[]) as k(key) cross join lateral"
    assert f"{every} (select count(*) from lines where order_id= k.key) as x;" in rows["query lines"].advice
    assert f'{every} (select from orders where "id" = k.key limit $2) as x;' in rows["query again"].advice


def test_a_query_a_row__is_found_by_a_quoted_key_and_by_a_key_of_the_same_name(told: Told) -> None:
    """Children of a list by their foreign key; two tables with the same key and no foreign key between them."""
    child = {"calls": 600, "rows": 600, "roles": ["b", "a"]}
    told.ran("people", "customers", calls=10, rows=500, roles=["a", "c"])
    told.ran("bought", '"Ünï"."Käufe"', by=("Für",), **child, text='select from "Ünï"."Käufe" k where k."Für" = $1')
    told.ran("cut", '"Ünï"."Käufe"', by=("Für",), **child, text="select " + "x" * 1993)
    told.ran("accounts", "accounts", calls=10, rows=500, roles=["b"])
    told.ran(
        "profile", "profiles", by=("customer_ref",), **child, text="select from profiles where customer_ref in ($1)"
    )
    told.ran("by id", "orders", by=("id",), **child)
    rows = told.found("query_n_plus_one")
    assert rows.keys() == {"query bought", "query cut", "query profile"}
    assert 'select from "Ünï"."Käufe" k where k."Für" = any($1::integer[]);' in rows["query bought"].advice
    assert 'select … from "Ünï"."Käufe" where "Für" = any($1::integer[]);' in rows["query cut"].advice
    assert "where customer_ref = any($1::text[]);" in rows["query profile"].advice
    assert "1.20 look-ups a row" in rows["query bought"].detail


def test_identical_reads__are_found_where_nothing_is_written(told: Told) -> None:
    """Known to be identical: without parameters, or many more calls than values; hot, and of rarely written tables."""
    hot = {"calls": 24_000, "text": "select value from settings where key = $1"}
    told.ran("none", "settings", calls=1440, text="select key, value from settings order by key")
    told.ran("by key", "settings", by=("key",), **hot)
    told.ran(
        "first",
        "settings",
        by=("active",),
        calls=1440,
        text="select from settings where active = $1 limit $2",
        limited=True,
    )
    told.ran("view", '"Ünï"."Sicht"', calls=1440, share=0.02, text='select from "Ünï"."Sicht" where valid < now()')
    told.ran("of the year", "busy", by=("key",), calls=24_000, text="select n from busy where key = $1")
    told.ran("written", "busy", calls=1440, text="select from busy")
    told.ran("writer", "busy", calls=15, rows=15, kind="update", writes=oid(told.place, "busy"))
    told.ran("through a view", "writes", calls=1440, text="select from writes")
    told.ran("cold", "settings", calls=1439, text="select from settings")
    told.ran("saves nothing", "codes", by=("code",), calls=10_000, seconds=3600.0 * 150, text="select where code = $1")
    told.ran(
        "few repeats", "settings", by=("key",), calls=199, seconds=10.0, text="select from settings where key = $1"
    )
    told.ran("unknown parameter", "settings", by=("key",), **{**hot, "text": "select $2 from settings where key = $1"})
    told.ran(
        "pages", "settings", **{**hot, "text": "select from settings limit $1 offset $2"}, limited=True, offset=True
    )
    told.ran("who", "settings", calls=1440, text="select from settings where key = current_user")
    told.ran("locks", "settings", calls=1440, text="select from settings for update", locking=True)
    told.ran("catalog", "settings", "pg_catalog.pg_class", calls=1440, text="select")
    told.ran("no table", calls=1440, text="select")
    told.predicates.append(predicate("list", oid(told.place, "settings"), attnum(told.place, "settings", "key"), "in"))
    told.ran("list", "settings", **{**hot, "text": "select from settings where key in ($1)"})
    rows = told.found("query_cacheable")
    assert {o.removeprefix("query "): (f.level, f.relation) for o, f in rows.items()} == {
        "none": ("noted", "public.settings"),
        "by key": ("routine", "public.settings"),
        "first": ("noted", "public.settings"),
        "view": ("routine", '"Ünï"."Sicht"'),
        "of the year": ("routine", "public.busy"),
    }
    assert rows["query none"].detail.startswith(
        "60 queries an hour (1,440 calls in 24 h), always the same, of public.settings, where 10 rows were written since their "
        "statistics began; "
        "a cache of 5 minutes would leave 12 an hour and save 48, one of 1 hour would leave 1 and save 59; 0.0 %"
    )
    by_key = rows["query by key"].detail
    assert by_key.startswith("1,000 queries an hour (24,000 calls in 24 h), at most about 10 different ones, of ")
    assert "5 minutes would leave 120 an hour and save 880, one of 1 hour would leave 10 " in by_key
    assert "depends on the time" in rows["query view"].doubt


def test_identical_reads_in_a_short_window__are_extrapolated(told: Told) -> None:
    """Under ten minutes the finding says so, and all that the tables count as written counts."""
    told.ran("often", "settings", calls=1000, seconds=20.0, text="select from settings")
    told.ran("written", "settings", calls=999, seconds=20.0, text="select from settings")
    rows = told.found("query_cacheable")
    assert rows.keys() == {"query often"}
    assert "180,000 queries an hour (1,000 calls in 20 s)" in rows["query often"].detail
    assert rows["query often"].doubt == "the statements cover 20 s only: an hour is extrapolated"


def test_workload_lints__bear_a_role_that_sees_nothing(told: Told) -> None:
    """Without any privilege the facts alone are judged, and nothing fails; without statements it is said."""
    every = {"calls": 20_000, "rows": 20_000_000, "blocks": 10**9, "mean_ms": 200.0, "share": 0.5}
    for n, table in enumerate(("orders", "customers", '"Ünï"."Breit"', "parted", "settings")):
        told.ran(f"all {n}", table, **every, text="select", star=True, offset=True)
        told.ran(f"one {n}", table, **{**every, "rows": 20_000}, text="select")
    told.ran("gone", **every, relations=[4_000_000_000])
    facts = Facts(statements=told.statements, predicates=told.predicates)
    with stranger(told.place) as session:
        for name in WORKLOAD:
            assert "query gone" not in found(session, name, facts), name
        assert found(session, "query_unbounded", Facts(statements=[])) == {}
