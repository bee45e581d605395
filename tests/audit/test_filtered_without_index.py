"""Columns that the workload filters by: what has no index is found and mended, what has one is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fix_audit import found, oid, pretend, stranger

from fix_databases import Place, made
from pgrunbook.audit import Facts, statements

pytestmark = pytest.mark.usefixtures("few_statements")

LINT = "filtered_without_index"
ROWS, LESS = 12_000, 3000
MADE = (
    "create extension pg_stat_statements",
    # one row in twenty is open, one in fifty is live; code is mostly null
    "create table calls (id int primary key, token text, org int, agent int, state text, made timestamptz, ended timestamptz,"
    " live bool, code text, email varchar(90), n int, r int)",
    f"""insert into calls select i, md5(i::text), i % 20, i % 100, 's' || i % 4, now() - i * interval '1 minute',
        case when i % 20 > 0 then now() end, i % 50 = 0, case when i % 10 = 0 then 'c' || i end, 'X' || i || '@y', i, i
        from generate_series(1, {ROWS}) i""",
    "create index on calls (org, made desc)",
    "create index on calls (agent) where ended is null",
    "create index calls_n on calls using hash (n)",
    "create table few (id int primary key, name text)",
    "insert into few select i, 'n' || i from generate_series(1, 60) i",
    "create table users (id int primary key, email text)",
    "insert into users select i, 'u' || i from generate_series(1, 2000) i",
    "create table items (id int, call int, note text, tags int[])",
    f"insert into items select i, i % {LESS // 2}, 'x' || i, array[i % 900] from generate_series(1, {LESS}) i",
    "create index on items using gin (tags)",
    'create schema "Ünï"',
    'create table "Ünï"."a b" (id int primary key, "Für" text, "select" int)',
    f"""insert into "Ünï"."a b" select i, 'f' || i, i % 9 from generate_series(1, {LESS}) i""",
    "create table parts (id int, at int, key text) partition by range (at)",
    f"create table parts_1 partition of parts for values from (0) to ({LESS // 2})",
    f"create table parts_2 partition of parts for values from ({LESS // 2}) to ({LESS + 1})",
    f"insert into parts select i, i, 'k' || i from generate_series(1, {LESS}) i",
    "create index on parts (at)",
    "create table old (id int, key text)",
    "create table older () inherits (old)",
    f"insert into older select i, 'k' || i from generate_series(1, {LESS}) i",
    "create table queue (id int primary key, at int, done bool, job text)",
    f"insert into queue select i, i, i % 100 > 0, 'j' from generate_series(1, {LESS}) i",
    "analyze",
)
# object: the statements that lack the index, and what its remedy says behind the table's name
LACKING = {
    "public.calls (token)": (
        ("select id from calls where token = 'a' and state = 's1' and live = true and ended is null",
         "select id from calls where token in ('a', 'b') and ended is null"),
        "(token) where ended is null",
    ),
    "public.calls (code)": (("select id from calls where code = 'c10'",), "(code) where code is not null"),
    "public.calls (lower(email))": (("select id from calls where lower(email) = 'x7@y'",), "(lower(email))"),
    # what one statement looks for, and the other with a second column: one index for both
    "public.calls (agent, state, made)": (
        ("select made from calls where agent = 7 and state = 's3' order by made desc limit 1", "select id from calls where agent = 8"),
        "(agent, state, made)",
    ),
    # each side of the OR; the other side has one
    "public.calls (r)": (("select id from calls where r = 4 or n = 4",), "(r)"),
    "public.users (email)": (("select id from users where email = 'u5'",), "(email)"),
    # by the join alone, from one row of the other
    "public.items (call)": (("select note from items i join calls c on c.id = i.call where c.id = 4",), "(call)"),
    '"Ünï"."a b" ("Für")': (('select id from "Ünï"."a b" where "Für" = \'f7\' and "select" = 7',), '("Für")'),
    "public.parts (key)": (("delete from parts where key = 'nobody'",), "(key)"),
    "public.old (key)": (("select id from old where key = 'k5'",), "(key)"),
    "public.queue (at)": (("select id from queue where not done order by at limit 1 for update skip locked",), "(at) where not done"),
}  # fmt: skip
SERVED = (
    "select id from calls where id = 7 and token = 'a'",
    "select id from calls where org = 7 and made > now() - interval '1 hour'",
    "select id from calls where org = 7 order by made desc limit 5",
    "select id from calls where agent = 7 and ended is null",
    "select id from calls where n = 4",
    "select id from few where name = 'n7'",  # a small table
    "select count(*) from calls where org = 3",  # a twentieth of the rows, and the index has them
    "select count(*) from calls where state = 's1'",  # a quarter of the rows: no index would do better
    "select count(*) from calls where token like '%a%' and token <> 'b'",
    "select id from items where tags @> array[7]",
    "select id from items where tags = array[7]",
    "select max(id) from parts where at between 5 and 9",
    "select c.id from calls c where c.made = (select max(made) from calls x where x.org = 5) and c.org = 5",
    "select u.email from users u join few f on f.id = u.id where f.name = 'n1'",  # by the key, from one row of few
    "select id from calls limit 3",
)


@pytest.fixture(scope="module")
def place(server: str) -> Iterator[Place]:
    """A database in which all of these statements ran."""
    with made(server) as place:
        place.run(*MADE)
        place.run(*[text for texts, _ in LACKING.values() for text in texts] * 2, *SERVED * 2)
        yield place


@pytest.fixture(scope="module")
def facts(place: Place) -> Facts:
    """Their facts, as if each had been called 120 times in a day, and none had taken much of the time."""
    return told(place)


def told(place: Place, calls: int = 120) -> Facts:
    """The facts of a database, each statement called so often."""
    with place.connect(read_only=True) as session:
        known, predicates, _, _ = statements.read(session)
    for one in known or ():
        many = calls / one["calls"]
        one |= {name: one[name] * many for name in ("rows", "blocks", "calls")} | {"share": 0.0, "seconds": 86400.0}
    return Facts(known, predicates)


def test_filters_without_an_index__are_found_and_nothing_else(place: Place, facts: Facts) -> None:
    """One finding for each index that lacks, with its columns in order and its condition; none for what is served."""
    findings = found(place, LINT, facts)
    assert findings.keys() == LACKING.keys()
    for object_, (_, columns) in LACKING.items():
        finding = findings[object_]
        partitioned = object_ == "public.parts (key)"
        assert finding.level == ("important" if "calls" in object_ else "routine"), object_
        assert finding.remedy.startswith("create index idx_" if partitioned else "create index concurrently "), object_
        assert finding.remedy.partition("\n")[0].endswith(f"on {finding.relation} {columns};"), finding.remedy
        assert bool(finding.advice) == (partitioned or "old" in object_)
        assert not finding.doubt.startswith("There are no statistics")
    for object_, name in (
        ("public.calls (lower(email))", "idx_calls_lower_email"), ("public.calls (agent, state, made)", "idx_calls_agent_state_made"),
        ('"Ünï"."a b" ("Für")', '"idx_a b_Für"'),
    ):  # fmt: skip
        assert f" {name} on " in findings[object_].remedy


def test_evidence_of_a_filter__names_statements_calls_and_rows(place: Place, facts: Facts) -> None:
    """The rows of the table, the statements with their calls, what each looks at and what would do."""
    finding = found(place, LINT, facts)["public.calls (token)"]
    ids = [s["id"] for s in facts.statements or () if "where token" in s["text"] and "ended" in s["text"]]
    assert len(ids) == 2
    assert all(f"query {id_} (120 calls of " in finding.detail for id_ in ids)
    assert finding.detail.startswith("12,000 rows; no index serves query ")
    assert "12,000 rows looked at where 1 would do" in finding.detail
    assert finding.weight == pytest.approx(120 * 2 * 12_000, rel=0.01)
    assert found(place, LINT, facts)["public.parts (key)"].detail.startswith("3,000 rows; ")  # those of its partitions


@pytest.mark.parametrize(("calls", "seconds", "share", "level"), [
    (3, 86400.0, 0.0, "routine"), (3, 86400.0, 0.03, "important"), (30, 86400.0, 0.0, "important"), (30, 864000.0, 0.0, "routine"),
    (9, 60.0, 0.0, "routine"),
])  # fmt: skip
def test_level_of_a_filter__follows_how_often_it_is_called(
    place: Place, facts: Facts, calls: int, seconds: float, share: float, level: str
) -> None:
    """A hundred calls, one an hour, or two parts in a hundred of the time make it important."""
    rare = [
        {**s, "calls": calls, "rows": 0, "blocks": 0, "seconds": seconds, "share": share}
        for s in facts.statements or ()
    ]
    findings = found(place, LINT, replace(facts, statements=rare))
    assert findings["public.calls (code)"].level == level
    assert findings["public.users (email)"].level == "routine"


def test_filter_of_few_blocks__is_not_told(place: Place, facts: Facts) -> None:
    """What was read is proof: a statement that reads less than a block a call does not look at the table."""
    light = [{**s, "blocks": s["calls"] // 10} for s in facts.statements or ()]
    assert not found(place, LINT, replace(facts, statements=light))


def test_index_for_a_filter__mends_it(database: Place) -> None:
    """Built as proposed, the indexes serve; a partial one serves only a statement that implies its condition."""
    database.run(*MADE[:6])
    database.run(*[text for name, (texts, _) in LACKING.items() if "calls" in name for text in texts])
    database.run("select id from calls where email = 'X5@y' and code = 'c20'", "analyze calls")
    before = found(database, LINT, told(database))
    assert len(before) == 5
    database.run(*[finding.remedy for finding in before.values()])
    assert not found(database, LINT, told(database))
    database.run("drop index idx_calls_code", "create index on calls (code) where live and code is not null")
    assert found(database, LINT, told(database)).keys() == {"public.calls (code)"}
    database.run(
        "create index half_done on calls (code)",
        "update pg_index set indisvalid = false where indexrelid = 'half_done'::regclass",
    )
    assert found(database, LINT, told(database)).keys() == {"public.calls (code)"}
    database.run("create index on calls (code) where ((state = 's1'::text) or live)")
    assert found(database, LINT, told(database)).keys() == {"public.calls (code)"}


def test_filter_of_a_value_that_is_nowhere__comes_before_the_order(database: Place) -> None:
    """By the order alone such a search would go through the whole index, though all rows have one state."""
    database.run(*MADE[:3], "update calls set state = 'done'", "analyze calls")
    database.run("select id from calls where state = 'open' order by made limit 5")
    assert found(database, LINT, told(database)).keys() == {"public.calls (state, made)"}


def test_filter_of_tables_that_inherit__is_mended_on_each(database: Place) -> None:
    """An index is not inherited: the remedy makes one for every table, but where it is there."""
    heirs = [text for text in MADE if " old " in text or "older" in text]
    database.run(MADE[0], *heirs, "create table oldest () inherits (old)", "create index on oldest (key)", "analyze")
    database.run(*LACKING["public.old (key)"][0])
    (finding,) = found(database, LINT, told(database)).values()
    assert [line.split(" on ")[1] for line in finding.remedy.splitlines()] == [
        "public.old (key);",
        "public.older (key);",
    ]
    database.run(*finding.remedy.splitlines())
    assert not found(database, LINT, told(database))


def test_filter_of_a_constant__may_be_served_by_a_partial_index(database: Place) -> None:
    """A condition `state = 's1'` is taken to hold where the statement compares the state too."""
    database.run(*MADE[:3], "select id from calls where token = 'a' and state = 's1'")
    database.run("""create index on calls (token) where state = 's1' and "ended" is not null""", "analyze calls")
    assert found(database, LINT, told(database)).keys() == {"public.calls (token)"}
    database.run("create index on calls (token) where state = 's1' and token is not null")
    assert not found(database, LINT, told(database))


def test_filter_by_a_policy__counts_as_the_statements_own(database: Place) -> None:
    """Rows in order, up to a limit, of a table whose policy compares a column: both belong in the index."""
    database.run(
        *MADE[:3],
        "select id from calls order by r limit 3",
        "analyze calls",
        "alter table calls enable row level security",
    )
    facts = told(database)
    rules = [{"relation": oid(database, "calls"), "command": "select", "permissive": True, "columns": [4]}]
    others = [{**rules[0], "command": "delete"}]
    database.run("create role reader_of_calls")
    try:
        given = [{**s, "roles": ["reader_of_calls"]} for s in facts.statements or ()]
        assert found(database, LINT, replace(facts, statements=given)).keys() == {"public.calls (r)"}
        assert found(database, LINT, replace(facts, statements=given, policies=rules)).keys() == {
            "public.calls (agent, r)"
        }
        assert found(database, LINT, replace(facts, statements=given, policies=others)).keys() == {"public.calls (r)"}
        assert found(database, LINT, replace(facts, policies=rules)).keys() == {"public.calls (r)"}  # who passes it
    finally:
        database.run("drop role reader_of_calls")


def test_filter_of_a_table_never_analysed__is_a_guess_and_says_so(database: Place) -> None:
    """Without statistics the finding stands, in doubt; for a role that may see nothing it does too."""
    database.run(
        "create extension pg_stat_statements",
        "create table t (a int, b int, c int)",
        "alter table t set (autovacuum_enabled = off)",
    )
    database.run(*["select a from t where a = 1 and b = 2"] * 2, "select a from t where c > 4")
    pretend(database, "t", 50_000)
    facts = told(database)
    blind = replace(facts, statements=[{**s, "blocks": 0} for s in facts.statements or ()])
    (finding,) = [f for f in found(database, LINT, blind).values() if f.object != "public.t (c)"]
    assert finding.object == "public.t (a, b)"
    assert finding.doubt.startswith("There are no statistics of these columns")
    with stranger(database) as session:
        assert finding.object in found(session, LINT, blind)
    assert not found(database, LINT, Facts([], []))
