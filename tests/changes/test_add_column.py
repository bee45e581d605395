"""ALTER TABLE … ADD COLUMN: which ones are known, their state in a real catalog, and what an undo would lose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, run, statements, typed
from fix_databases import Place, made
from pgrunbook import changes, db, errors
from pgrunbook.changes import LockMode, Observation, State
from pgrunbook.changes.add_column import AddColumn

SCHEMA = """
create schema app;
create type app.mood as enum ('sad', 'ok');
create domain app.code as text check (value ~ '^[A-Z]+$');
create domain app.plain as text;
create domain app.inherited as app.code;
create domain app.never_null as int not null;
create table app."Tbl" (id int primary key);
insert into app."Tbl" select generate_series(1, 3);
create view app.v as select 1 as a;
create table app.parted (id int) partition by range (id);
create table app.part partition of app.parted for values from (0) to (10);
create foreign data wrapper nothing;
create server nowhere foreign data wrapper nothing;
create foreign table app.far (id int) server nowhere;
"""
COLUMNS = [
    "int", "bigint", "text", "varchar(20)", "char(3)", "numeric(10, 2)", "timestamptz(3)", "interval day to second",
    "uuid",
    "int[]", "app.mood", "app.mood[]", "json", "point", "bytea", 'text collate "C"', "text null",
    "text default null", "int default 5", "int default -1", "int not null default 0", "bool not null default false",
    "text default 'it''s; -- x'", "text not null default ''", "jsonb default '{}'",
    "json not null default '{\"a\": 1}'::json",
    "date default '2020-01-01'", "numeric(5, 2) default 1", "char(5) default 'a'", "app.mood default 'ok'",
    "int[] default '{1,2}'",
    "bigint default 5::int", "point default '(1,2)'", "interval default '1 day'", "varchar(3) default 'abc'",
]  # fmt: skip
SPELLINGS = [
    ("int", "integer"),
    ("int8", "bigint"),
    ("varchar(5)", "character varying(5)"),
    ("char(3)", "pg_catalog.bpchar(3)"),
    ("decimal(10, 2)", "numeric(10,2)"),
    ("timestamptz", "timestamp with time zone"),
    ("float", "double precision"),
    ("mood", "app.mood"),
    ("int default 5", "int default '5'"),
    ("bool default false", "boolean default 'f'"),
    ("text", "text default null"),
    ("text", 'text collate "default"'),
    ("int array", "int[]"),
]
DIFFERENT = [
    ("int", "bigint"),
    ("varchar(20)", "varchar(21)"),
    ("varchar", "text"),
    ("timestamptz", "timestamp"),
    ("int", "int[]"),
    ("text", 'text collate "C"'),
    ("int default 5", "int default 6"),
    ("int default 5", "int"),
    ("int default 5", "int not null default 5"),
    ("text", "text default ''"),
    ("text default 'A'", "app.code default 'A'"),
]
PARTS = [
    ("timestamptz not null default now()", []),
    ("timestamptz default current_timestamp", []),
    ("int default (1 + 1)", []),
    ("text not null default 'a' || 'b'", []),
    ("int[] default array[1]", []),
    ("serial", []),
    ("int generated always as identity", []),
    ("int not null generated always as (id + 1) stored", []),
    ("int not null", ["SET NOT NULL"]),
    ("int references o (id) on delete cascade deferrable", ["ADD FOREIGN KEY (c) REFERENCES o (id) ON DELETE CASCADE"]),
    ("int unique", ["ADD UNIQUE (c)"]),
    ("int default 5 constraint k check (c > 0)", ["ADD CONSTRAINT k CHECK (c > 0)"]),
    ("uuid default gen_random_uuid()", ["SET c = gen_random_uuid() WHERE c IS NULL"]),
    ("int not null default nextval('s')", ["SET c = nextval('s') WHERE c IS NULL", "SET NOT NULL"]),
    (
        "float default random() primary key check (c < 1)",
        ["SET c = random() WHERE c IS NULL", "SET NOT NULL", "ADD PRIMARY KEY (c)", "ADD CHECK (c < 1)"],
    ),
    ("serial primary key", ["SET NOT NULL", "ADD PRIMARY KEY (c)"]),
]
NAMES = [
    "int unique",
    "int primary key",
    'int references app."Tbl"',
    'int check ("{0}" > 0)',
    'int check ("{0}" > id)',
    "int check (true)",
    'int check ("{0}" > 0 and "{0}" < 9)',
]


@pytest.fixture(scope="module")
def shared(server: str) -> Iterator[Place]:
    """A database with a table of three rows."""
    with made(server) as place:
        place.run(SCHEMA)
        yield place


@pytest.fixture
def app(shared: Place) -> Iterator[Place]:
    """That database; the columns that a test adds are dropped."""
    yield shared
    shared.run(*(f'alter table app."Tbl" drop column if exists {c}' for c in ("c", "d")), "select 1")


@pytest.fixture
def on(app: Place) -> Iterator[db.Database]:
    """A session of the library's on it."""
    with db.connect(db.parse_target(app.target), search_path=["app", "public"]) as opened:
        yield opened


def planned(column: str, on: db.Database, **options: object) -> AddColumn:
    """The change that adds column c, resolved."""
    (change,) = typed(f'alter table if exists "Tbl" add column if not exists c {column}', **options)
    assert isinstance(change, AddColumn)
    return change.resolve(changes.Names(on))


# -- kinds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("column", "parts"), PARTS)
def test_a_column__is_taken_apart_where_one_statement_would_block(column: str, parts: list[str]) -> None:
    """Values, NOT NULL, constraints: each a change of its own, under the column's label, at its line."""
    first, *rest = typed(f"alter table t add column c {column}")
    assert first.kind == "add_column"
    assert len(rest) == len(parts)
    for change, part in zip(rest, parts, strict=True):
        assert part in change.written.sql
        assert change.written.as_written == f"alter table t add column c {column}"
        assert change.label == "t.c"


def test_a_column_with_a_name_that_set_not_null_can_not_give__is_raw_sql() -> None:
    """The name of a NOT NULL constraint would be lost."""
    (change,) = typed("alter table t add column c int constraint named not null")
    assert change.kind == "raw_sql"


def test_a_constraint_of_a_column__has_the_name_that_the_server_gives(app: Place) -> None:
    """So that a run that is taken up finds it again; cut to 63 bytes between characters where it is too long."""
    given, chosen = [], []
    for table in ('app."Nam ed"', f'app."{"Ä" * 30}"'):
        for column in NAMES:
            for name in ("c", "ä" * 25):
                text = f'alter table {table} add column "{name}" {column.format(name)}'
                rows = app.run(
                    f"create table {table} (id int unique)",
                    text,
                    "select conname from pg_constraint where conrelid = to_regclass("
                    f"$${table}$$) and contype <> 'n' and conname !~ '_id_key'",
                )
                given.append([found for (found,) in rows])
                app.run(f"drop table {table}")
                chosen.append([typed(text)[-1].name])
    assert chosen == given


@pytest.mark.parametrize(
    "statement",
    [
        "alter table t alter column c drop identity",
        "alter table t add column c int, inherit d",
        "alter table t add column c int, add column d int constraint named not null",
        "alter table t alter column c drop expression",
        "alter foreign table t add column c int",
        "alter type t add attribute c int",
    ],
)
def test_an_alter_table_that_is_not_all_known__is_one_raw_statement(statement: str) -> None:
    """It is run as a whole or not at all."""
    (change,) = typed(statement)
    assert (change.kind, change.resolved_sql()) == ("raw_sql", statement)


def test_an_alter_table_with_two_columns__gives_two_changes() -> None:
    """Each with its own statement, at the line of the one that was written."""
    first, second = typed('select 1;\nalter table app."Tbl" add column if not exists c int default 5, add d text')[1:]
    assert [c.kind for c in (first, second)] == ["add_column", "add_column"]
    assert [c.label for c in (first, second)] == ["Tbl.c", "Tbl.d"]
    assert [c.object for c in (first, second)] == ['app."Tbl".c', 'app."Tbl".d']
    assert [(c.written.line, c.written.position) for c in (first, second)] == [(2, 2), (2, 2)]
    assert [s.sql for c in (first, second) for s in statements(c.apply(Observation(State.ABSENT)))] == [
        'ALTER TABLE app."Tbl" ADD COLUMN c int DEFAULT 5',
        'ALTER TABLE app."Tbl" ADD COLUMN d text',
    ]


# -- state -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", COLUMNS)
def test_state_of_a_column__is_absent_then_present_then_absent(on: db.Database, column: str) -> None:
    """Of every sort of type and default; added by the safe form, read back as the ledger keeps it, undone; no loss."""
    change = planned(column, on)
    assert change.state(on).state is State.ABSENT
    (made_by,) = statements(change.apply(Observation(State.ABSENT)))
    on.execute(made_by.sql)
    assert change.state(on).state is State.PRESENT
    assert change.verify(on)[0].verdict == "passed"
    again = changes.again(change.kind, change.resolved_sql(), change.options.model_dump(), 1)
    assert again.state(on).state is State.PRESENT
    assert again.loss(on) == ""
    (undone,) = statements(again.undo({}))
    on.execute(undone.sql)
    assert change.state(on).state is State.ABSENT
    assert change.loss(on) == ""


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_state_of_a_column_spelled_differently__is_present(app: Place, on: db.Database, one: str, other: str) -> None:
    """Both ways round."""
    for built, written in ((one, other), (other, one)):
        app.run(
            "set search_path = app",
            'alter table "Tbl" drop column if exists c',
            f'alter table "Tbl" add column c {built}',
        )
        assert planned(written, on).state(on).state is State.PRESENT


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_state_of_another_column_of_that_name__is_different(app: Place, on: db.Database, one: str, other: str) -> None:
    """Both ways round, with both definitions."""
    for built, written in ((one, other), (other, one)):
        app.run('alter table app."Tbl" drop column if exists c', f'alter table app."Tbl" add column c {built}')
        seen = planned(written, on).state(on)
        assert seen.state is State.DIFFERENT
        assert seen.detail.startswith("planned: ")
        assert "; found: " in seen.detail


@pytest.mark.parametrize("built", ["int generated always as identity", "int generated always as (id) stored", "serial"])
def test_state_of_a_generated_column_of_that_name__is_different(app: Place, on: db.Database, built: str) -> None:
    """It fills itself, the planned one does not."""
    app.run(f'alter table app."Tbl" add column c {built}')
    assert planned("int", on).state(on).state is State.DIFFERENT


def test_state_after_a_change_by_somebody__is_different_then_present_again(app: Place, on: db.Database) -> None:
    """As a rollback sees it: what was altered since is not this run's any more."""
    change = planned("int default 5", on)
    on.execute(statements(change.apply(Observation(State.ABSENT)))[0].sql)
    app.run('alter table app."Tbl" alter column c set not null')
    assert change.state(on).state is State.DIFFERENT
    app.run('alter table app."Tbl" alter column c drop not null')
    assert change.state(on).state is State.PRESENT


def test_state__leaves_no_trace_and_locks_nothing(app: Place, on: db.Database) -> None:
    """The comparison's temporary table is gone; the table itself is not touched."""
    app.run('alter table app."Tbl" add column c int')
    with app.session() as other, other.transaction():
        other.execute('lock table app."Tbl" in share row exclusive mode')
        assert planned("int", on).state(on).state is State.PRESENT
    assert app.run("select count(*) from pg_class where relpersistence = 't'") == [(0,)]


def test_a_type_that_is_missing__names_the_line(app: Place, on: db.Database) -> None:
    """Where a column of that name is there already."""
    app.run('alter table app."Tbl" add column c int')
    with pytest.raises(errors.PreflightFailed, match=r'be carried out on app."Tbl": type "moood"'):
        planned("moood", on).state(on)


# -- statements --------------------------------------------------------------------------------------------------


def test_apply_and_undo__are_brief_and_exact(on: db.Database) -> None:
    """IF NOT EXISTS is dropped, since the plan looked; the lock is told."""
    change = planned("text default 'x'", on)
    (made_by,) = statements(change.apply(Observation(State.ABSENT)))
    assert made_by.sql == "ALTER TABLE app.\"Tbl\" ADD COLUMN c text DEFAULT 'x'"
    assert (made_by.lock, made_by.relation, made_by.transactional) == (LockMode.ACCESS_EXCLUSIVE, 'app."Tbl"', True)
    (undone,) = statements(change.undo({}))
    assert (undone.sql, undone.lock, undone.transactional) == (
        'alter table app."Tbl" drop column c',
        LockMode.ACCESS_EXCLUSIVE,
        True,
    )
    assert change.lint() == ["takes ACCESS EXCLUSIVE, briefly: no rewrite, under lock_timeout with retries"]
    assert (change.label, change.object) == ("Tbl.c", 'app."Tbl".c')


@pytest.mark.parametrize(
    ("column", "rewrites"),
    [
        ("text", False),
        ("int not null default 5", False),
        ("jsonb default '{}'", False),
        ("app.plain", False),
        ("app.code", True),
        ("app.code default 'A'", True),
        ("app.inherited", True),
        ("app.never_null default 1", True),
        ("serial", True),
        ("bigint generated by default as identity (start 5)", True),
        ("int generated always as (id + 1) stored", True),
        ("int generated always as (id + 1) virtual", False),
        ("timestamptz default now()", False),
        ("int default (1 + 1)", False),
        ("text default current_user", False),
        ("app.code[]", False),
        ("timestamptz(3)[]", False),
    ],
)
def test_apply__rewrites_the_table_only_where_the_plan_says_so(
    app: Place, on: db.Database, column: str, rewrites: bool
) -> None:
    """Of a domain with constraints the server checks every row; nothing else makes a new file of the table."""
    before = app.run("select pg_relation_filenode('app.\"Tbl\"')")
    if rewrites:
        with pytest.raises(errors.PreflightFailed, match=r'rewrite app."Tbl" \(.*\)') as e:
            planned(column, on)
        assert 'accept it: concurrently = false under [objects."Tbl.c"]' in e.value.remedy
    change = planned(column, on, concurrently=not rewrites)
    run(on, change.apply(Observation(State.ABSENT)))
    assert change.state(on).state is State.PRESENT
    assert planned(column, on).state(on).state is State.PRESENT
    assert (app.run("select pg_relation_filenode('app.\"Tbl\"')") != before) is rewrites
    assert ("rewrites the whole table" in change.lint()[0]) is rewrites


def test_a_partitioned_table__gets_its_column_in_all_partitions(on: db.Database) -> None:
    """The parent is a table for this purpose."""
    (change,) = typed("alter table parted add column c int")
    resolved = change.resolve(changes.Names(on))
    with on.transaction(rollback=True):
        on.execute(statements(resolved.apply(Observation(State.ABSENT)))[0].sql)
        assert on.value("select count(*) from pg_attribute where attname = 'c' and attrelid = 'part'::regclass") == 1


@pytest.mark.parametrize(
    ("table", "message"),
    [("v", "app.v is a view"), ("far", "app.far is a foreign table"), ("gone", "gone does not exist")],
)
def test_resolve_of_what_is_no_table__is_refused(on: db.Database, table: str, message: str) -> None:
    """A view, a foreign table, nothing at all."""
    (change,) = typed(f"\nalter table {table} add column c int")
    with pytest.raises(errors.PreflightFailed, match=rf"{message}.*line 2 of migrate.sql"):
        change.resolve(changes.Names(on))


# -- loss --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("text", "''"), ("int default 5", "6"), ("int default 5", "null"), ("json default '{}'", "'{\"a\": 1}'"),
        ("point", "'(1,2)'"),
        ("bool not null default false", "true"), ("numeric(5, 2) default 1", "1.01"),
        ('text collate "C" default \'a\'', "'b'"), ("app.mood default 'ok'", "'sad'"),
    ],
)  # fmt: skip
def test_loss_of_a_column_with_data__names_it(app: Place, on: db.Database, column: str, value: str) -> None:
    """One row that differs from the default is enough; written as its default, it is none."""
    change = planned(column, on)
    on.execute(statements(change.apply(Observation(State.ABSENT)))[0].sql)
    app.run('insert into app."Tbl" values (4)')
    assert change.loss(on) == ""
    app.run(f'update app."Tbl" set c = {value} where id = 2')
    assert change.loss(on) == 'the data in app."Tbl".c'
    app.run('delete from app."Tbl" where id = 4')


def test_loss_of_what_the_server_gave__is_told_where_it_may_be_data(app: Place, on: db.Database) -> None:
    """A generated column holds nothing of its own; of any other default every value may be somebody's."""
    for column, loses in (
        ("int generated always as (id) stored", False),
        ("text default current_user", True),
        ("serial", True),
    ):
        change = planned(column, on, concurrently=False)
        run(on, change.apply(Observation(State.ABSENT)))
        assert bool(change.loss(on)) is loses, column
        app.run('alter table app."Tbl" drop column c')


def test_a_column_with_all_its_parts__goes_forth_and_back(version_place: Place) -> None:
    """Each part is undone by itself, and the column's state allows for the NOT NULL that comes after it."""
    version_place.run(
        'create table "o o" (id int primary key)', "create table t (id int primary key)", "insert into t values (1)"
    )
    with version_place.connect() as on:
        forth_and_back(
            on,
            "alter table t add a int unique check (a > 0), add b int not null default 1 constraint k references t (id)"
            ' deferrable, add c int references "o o"',
        )
