"""CREATE INDEX: its state in a real catalog, its statements, its estimate."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from fix_changes import statements
from fix_databases import Place, made
from pgrunbook import changes, db, errors, sqlfile
from pgrunbook.changes import LockMode, ObjectOptions, Observation, State
from pgrunbook.changes.create_index import CreateIndex

SCHEMA = """
create schema app; create schema other; create extension pg_trgm schema public;
create type app.mood as enum ('sad', 'ok', 'happy');
create function app.norm(t text) returns text language sql immutable as $$
  select regexp_replace(t, '[^0-9]', '', 'g') $$;
create function other.norm(t text) returns text language sql immutable as $$ select t $$;
create table app."Tbl" (zap int, a int not null, "B c" varchar(20), name text collate "C", m app.mood, d timestamptz,
  j jsonb, arr int[], ok boolean, n numeric(10, 2), g text generated always as (lower(name)) stored, "when" date);
alter table app."Tbl" drop column zap;
insert into app."Tbl" (a, "B c", name, m, d, j, arr, ok, n)
  select i, '+4' || i, 'n' || i, (array['sad', 'ok', 'happy'])[1 + i % 3]::app.mood, now(), '{}', '{1}', i % 2 = 0, i
  from generate_series(1, 1000) i;
create table app.other (a int, b int);
create table app.parted (id int, d date) partition by range (d);
create table app.p1 partition of app.parted for values from ('2020-01-01') to ('2021-01-01');
create view app.v as select 1 as a;
create materialized view app.mv as select 1 as a;
create sequence app.s;
"""
# One index in many definitions, all different.
FORMS = [
    "(a)",
    '(a desc nulls last, "B c")',
    "(lower(\"B c\")) where m = 'ok'",
    "(norm(name)) where ok and m in ('sad', 'ok')",
    '(name collate "POSIX" text_pattern_ops)',
    "(a) include (m, d) with (fillfactor = 70) where a > 3 and d is not null",
    "using gin (name gin_trgm_ops)",
    "using gist (name gist_trgm_ops (siglen = 32))",
    "using brin (d) with (pages_per_range = 4)",
    "((j ->> 'x'), (a + 1), date_trunc('day', d at time zone 'utc'))",
    '("when") where "B c" like \'+4%\' and n > 1.5',
    "(a) where name <> all (array['x', 'y'])",
    "using hash (g)",
    "((case when ok then 1 else 0 end)) where coalesce(name, '') <> ''",
    "(a) where d > '2020-01-01 00:00+00'",
    '(("Tbl".* is not null))',
    "(m) where m <> 'ok' and \"Tbl\".a between 1 and 5",
    "(a desc)",
    "(a nulls first)",
    '(a, "B c")',
    '("B c", a)',
    '(a) include ("B c")',
    "(name text_pattern_ops)",
    "(a) with (fillfactor = 71)",
    "(a) where ok",
    "(a) where not ok",
]
# The same index, as a person writes it and as another one does.
SPELLINGS = [
    ("(a)", "using btree (a asc nulls last)"),
    ("(a)", '("a" int4_ops)'),
    ("(a desc)", "(a desc nulls first)"),
    ('(name collate "C")', "(name)"),
    ("(a) where m in ('sad', 'ok')", "(a) where m = any (array['sad'::app.mood, 'ok'])"),
    ("(a) where a between 1 and 5", "(a) where a >= 1 and a <= 5"),
    ('(lower("B c"))', '(lower("B c"::text))'),
    ("(a) where n > 1.50", "(a) where ((n > 1.50))"),
    ("(norm(name))", "(app.norm(name))"),
    ("(a) where d > '2020-01-01 00:00+00'", "(a) where d > '2020-01-01 01:00+01'::timestamptz"),
    ("((j ->> 'x'))", "((j->>'x'::text))"),
    ("(a) where name not like 'x%'", "(a) where name !~~ 'x%'"),
    ('(a) with (fillfactor = 70)', "(a) with (FILLFACTOR = '70')"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shared(server: str) -> Iterator[Place]:
    """A database with a table that has everything, for all tests that leave but indexes in it."""
    with made(server) as place:
        place.run(SCHEMA)
        yield place


@pytest.fixture
def app(shared: Place) -> Iterator[Place]:
    """That database, without any index."""
    yield shared
    indexes = "select format('%I.%I', schemaname, indexname) from pg_indexes where schemaname = 'app'"
    shared.run(*(f"drop index {name}" for (name,) in shared.run(indexes)), "select 1")


@pytest.fixture
def own(database: Place) -> Place:
    """A database of the test's own with the same table."""
    database.run(SCHEMA)
    return database


@contextlib.contextmanager
def session(place: Place, *search_path: str) -> Iterator[db.Database]:
    """A session of the library's with a search_path."""
    with db.connect(db.parse_target(place.target), search_path=search_path or ["app", "public"]) as opened:
        yield opened


def planned(text: str, on: db.Database, **options: object) -> CreateIndex:
    """The change of one statement, resolved."""
    given = ObjectOptions.model_validate(options)
    statement = sqlfile.split(text)[0]
    (change,) = changes.typed(statement, {statement.node.idxname: given}, {})
    assert isinstance(change, CreateIndex)
    return change.resolve(changes.Names(on))


def state(text: str, on: db.Database) -> State:
    """What the catalog says of a statement."""
    return planned(text, on).state(on).state


# -- state -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_state_of_an_index__is_absent_then_present(app: Place, form: str) -> None:
    """Of the statement as written, of the safe form, and again when the ledger's text is read back."""
    text = f'create index if not exists i on "Tbl" {form}'
    with session(app) as on:
        change = planned(text, on)
        assert change.state(on).state is State.ABSENT
        for statement in statements(change.apply(Observation(State.ABSENT))):
            on.execute(statement.sql)
        assert change.state(on).state is State.PRESENT
        again = changes.again(change.kind, change.resolved_sql(), change.options.model_dump(), 1)
    with session(app, "pg_catalog") as elsewhere:
        assert again.resolve(changes.Names(elsewhere)).object == "app.i"


def test_state_of_each_form_against_each_other__is_different(app: Place) -> None:
    """No two of the definitions are taken for one another, whichever of them stands under the name."""
    alike = [form for form in FORMS if form.startswith(("(a", "(name", '("B c", a)'))]
    wrong = []
    with session(app) as on:
        wanted = {form: planned(f'create index i on "Tbl" {form}', on) for form in alike}
        for built in alike:
            build(app, built)
            seen = {form: change.state(on).state is State.PRESENT for form, change in wanted.items()}
            wrong += [(built, form) for form, present in seen.items() if present != (form == built)]
    assert wrong == []


def build(place: Place, form: str, name: str = "i") -> None:
    """Build an index as psql would, under a name that is free then."""
    place.run("set search_path = app, public", f"drop index if exists {name}", f'create index {name} on "Tbl" {form}')


@pytest.mark.parametrize(("built", "written"), SPELLINGS)
def test_state_of_an_index_spelled_differently__is_present(app: Place, built: str, written: str) -> None:
    """Both ways round: it is the catalog that is compared, not the text."""
    with session(app) as on:
        for one, other in ((built, written), (written, built)):
            build(app, one)
            assert state(f'CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON app."Tbl" {other}', on) is State.PRESENT


def test_state_under_another_search_path__is_different(app: Place) -> None:
    """A bare function name means another function there."""
    build(app, "(norm(name))")
    text = 'create index i on app."Tbl" (norm(name))'
    with session(app) as on:
        assert state(text, on) is State.PRESENT
    with session(app, "other", "app") as on:
        seen = planned(text, on).state(on)
        assert seen.state is State.DIFFERENT
        assert "found: CREATE INDEX i ON app." in seen.detail


def test_state_of_uniqueness__counts(app: Place) -> None:
    """A unique index is another one than a plain one, and NULLS NOT DISTINCT another again."""
    kinds = ["create index i on app.other (a)", "create unique index i on app.other (a)",
             "create unique index i on app.other (a) nulls not distinct"]  # fmt: skip
    with session(app) as on:
        for built in kinds:
            app.run("drop index if exists app.i", built)
            assert [state(text, on) is State.PRESENT for text in kinds] == [text == built for text in kinds]


def leave_invalid(place: Place, form: str) -> None:
    """A concurrent build that fails leaves an invalid index."""
    with contextlib.suppress(psycopg.errors.UniqueViolation):
        place.run(f'create unique index concurrently i on app."Tbl" {form}')
    assert place.run("select indisvalid from pg_index where indexrelid = 'app.i'::regclass") == [(False,)]


def test_state_of_an_invalid_leftover__is_invalid_and_built_anew(own: Place) -> None:
    """IF NOT EXISTS would take it for done; here it is dropped and built again."""
    leave_invalid(own, "(ok)")
    own.run('delete from app."Tbl" where a > 2')
    with session(own) as on:
        change = planned('create unique index if not exists i on "Tbl" (ok)', on)
        seen = change.state(on)
        assert seen.state is State.INVALID
        assert change.capture(on)["leftover"].startswith("CREATE UNIQUE INDEX i ON app.")
        assert change.verify(on)[0].verdict == "failed"
        for statement in statements(change.apply(seen)):
            assert not statement.transactional
            on.execute(statement.sql)
        assert change.verify(on)[0].verdict == "passed"


def test_state_of_an_invalid_index_of_another_definition__is_different(app: Place) -> None:
    """Somebody else's leftover is not dropped."""
    leave_invalid(app, "(ok)")
    with session(app) as on:
        assert state('create index i on "Tbl" (a)', on) is State.DIFFERENT


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        ("create index i on app.other (a)", "found: CREATE INDEX i ON app.other USING btree (a)"),
        ("create table app.i (a int)", "found: an object that is no index"),
        ("create view app.i as select 1", "found: an object that is no index"),
    ],
)
def test_state_of_a_name_that_is_taken__is_different_with_both_definitions(own: Place, taken: str, found: str) -> None:
    """By an index of another table, or by no index at all."""
    own.run(taken)
    with session(own) as on:
        seen = planned('create index i on "Tbl" (a)', on).state(on)
    assert seen.state is State.DIFFERENT
    assert seen.detail == f'planned: CREATE INDEX CONCURRENTLY i ON app."Tbl" USING btree (a); {found}'


def test_state__leaves_no_trace(app: Place) -> None:
    """The comparison's temporary table is gone, and the table was not locked against writers."""
    build(app, "(a)")
    with session(app) as on, app.session() as writer, writer.transaction():
        writer.execute('lock table app."Tbl" in exclusive mode')
        assert state('create index i on "Tbl" (a)', on) is State.PRESENT
    assert app.run("select count(*) from pg_class where relpersistence = 't'") == [(0,)]


# -- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", ["(a)", '(lower("B c"), a)', "((a + 1))", '("B c") include (a)', "(a, a, d desc)", "using gin (arr)"]
)
def test_an_unnamed_index__gets_the_name_the_server_gives(app: Place, form: str) -> None:
    """So it can be found again, and undone."""
    with session(app) as on:
        change = planned(f'create index on "Tbl" {form}', on)
        build_unnamed = f'create index on app."Tbl" {form}'
        app.run(build_unnamed)
        (name,) = app.run("select relname from pg_class where oid = (select max(indexrelid) from pg_index)")[0]
        assert change.object == sqlfile.quoted("app", name)
        assert change.state(on).state is State.PRESENT
        assert sqlfile.quoted(name) in change.resolved_sql()


def test_resolve__finds_the_table_by_search_path(app: Place) -> None:
    """The plan names the schema from then on."""
    with session(app, "other", "app") as on:
        change = planned('create index i on "Tbl" (a)', on)
    assert (change.object, change.relation) == ("app.i", 'app."Tbl"')
    assert change.idents == ("index app.i", "invalid index app.i")


@pytest.mark.parametrize(
    ("table", "message", "remedy"),
    [
        ("v", "app.v is a view, and line 3 of migrate.sql needs a table or ", "name a table"),
        ("s", "app.s is a sequence, and line 3", "name a table"),
        ("missing", r"missing does not exist on env:\w+ \(line 3 of migrate.sql\)", "check the runbook's search_path"),
        ("app.missing", r"app.missing does not exist on env:\w+ \(line 3", "check the runbook's search_path"),
    ],
)
def test_resolve_of_what_is_no_plain_table__is_refused(app: Place, table: str, message: str, remedy: str) -> None:
    """With the line, and with what to do instead."""
    with session(app) as on, pytest.raises(errors.PreflightFailed, match=message) as e:
        planned(f"\n\ncreate index i on {table} (a)", on)
    assert e.value.remedy.startswith(remedy)


def test_a_materialized_view_and_a_partition__can_be_indexed(app: Place) -> None:
    """Concurrently, as a table."""
    with session(app) as on:
        for text in ("create index i_mv on mv (a)", "create index i_p on p1 (d desc)"):
            change = planned(text, on)
            on.execute(statements(change.apply(Observation(State.ABSENT)))[0].sql)
            assert change.state(on).state is State.PRESENT


@pytest.mark.parametrize("form", ["(missing)", "(a int8_nonsense)", "(now())", "(j)  where a = 'x'"])
def test_a_definition_that_the_server_refuses__names_the_line(app: Place, form: str) -> None:
    """Told before anything is written, where something stands under the name."""
    build(app, "(a)")
    message = 'line 2 of migrate.sql can\'t be carried out on app."Tbl": '
    with session(app) as on, pytest.raises(errors.PreflightFailed, match=message) as e:
        planned(f'\ncreate index i on "Tbl" {form}', on).state(on)
    assert e.value.remedy == "mend the statement, or the table it names"


def test_a_role_without_temporary_tables__is_told_what_to_grant(own: Place) -> None:
    """Comparing definitions needs TEMP; that is a matter of the target, and nothing was tried."""
    role = f"weak_{secrets.token_hex(4)}"
    build(own, "(a)")
    own.run(
        f"create role {role} login", f"grant usage on schema app to {role}",
        f"revoke temporary on database {own.name} from public", f'alter table app."Tbl" owner to {role}',
    )  # fmt: skip
    try:
        with session(own) as on:
            on.execute(f"set role {role}")
            with pytest.raises(errors.BadTarget, match="needs a temporary copy: permission denied") as e:
                state('create index i on "Tbl" (a)', on)
            assert e.value.remedy.startswith(f"grant temporary on database {own.name} to ")
    finally:
        own.run('alter table app."Tbl" owner to postgres', f"drop owned by {role}", f"drop role {role}")


# -- statements --------------------------------------------------------------------------------------------------


def test_apply_and_undo__are_concurrent_whatever_was_written(app: Place) -> None:
    """A plain CREATE INDEX IF NOT EXISTS is planned as CONCURRENTLY, without IF NOT EXISTS, and the plan says so."""
    with session(app) as on:
        plain = planned('create index if not exists "I" on "Tbl" (a)', on)
        written_so = planned('create index concurrently "I" on "Tbl" (a)', on)
    (made,) = statements(plain.apply(Observation(State.ABSENT)))
    assert made.sql == 'CREATE INDEX CONCURRENTLY "I" ON app."Tbl" USING btree (a)'
    assert (made.lock, made.relation, made.transactional) == (LockMode.SHARE_UPDATE_EXCLUSIVE, 'app."Tbl"', False)
    (undone,) = statements(plain.undo({}))
    assert (undone.sql, undone.lock, undone.transactional) == (
        'drop index concurrently app."I"',
        LockMode.SHARE_UPDATE_EXCLUSIVE,
        False,
    )
    assert [s.sql for s in statements(plain.apply(Observation(State.INVALID)))] == [undone.sql, made.sql]
    assert plain.lint() == [
        "written without CONCURRENTLY, which would block writes for the whole build; built concurrently"
    ]
    assert (written_so.lint(), statements(written_so.apply(Observation(State.ABSENT)))) == ([], [made])


def test_apply_with_concurrently_false__locks_and_says_so(app: Place) -> None:
    """For a maintenance window: plain statements, in a transaction, also where CONCURRENTLY was written."""
    with session(app) as on:
        change = planned('create index concurrently if not exists i on "Tbl" (a)', on, concurrently=False)
        (made,) = statements(change.apply(Observation(State.ABSENT)))
        assert (made.sql, made.lock, made.transactional) == (
            'CREATE INDEX i ON app."Tbl" USING btree (a)',
            LockMode.SHARE,
            True,
        )
        (undone,) = statements(change.undo({}))
        assert (undone.sql, undone.lock) == ("drop index app.i", LockMode.ACCESS_EXCLUSIVE)
        assert made.transactional
        assert undone.transactional
        assert "blocks writes" in change.lint()[0]
        with on.transaction():
            on.execute(made.sql)
        assert change.state(on).state is State.PRESENT
        with on.transaction():
            on.execute(undone.sql)
        assert change.state(on).state is State.ABSENT


# -- estimate ----------------------------------------------------------------------------------------------------

ROWS = """
create table big (i int, l bigint, u uuid, t text, s timestamptz, half text, few int);
insert into big select i, i, gen_random_uuid(), 'text number ' || md5(i::text), now() - i * interval '1 s',
  case when i % 2 = 0 then 'x' || i end, i % 5 from generate_series(1, 60000) i;
analyze big;
"""


def test_estimate__is_within_a_factor_of_two_of_the_real_size(database: Place) -> None:
    """Simple B-trees over distinct values; one over few values is smaller than estimated, since duplicates merge."""
    database.run(ROWS)
    forms = [
        "(i)", "(l)", "(u)", "(t)", "(s desc)", "(i, t)", "(i) include (l)", "(half)", "(i) with (fillfactor = 90)",
        "(half) where half is not null", "(i, s) where big.half is not null and t is not null",
    ]  # fmt: skip
    with session(database, "public") as on:
        off = {}
        for form in forms:
            change = planned(f"create index x on big {form}", on)
            guess = change.estimate(on)
            database.run("drop index if exists x", f"create index x on big {form}")
            real = database.run("select pg_relation_size('x')")[0][0]
            if not 0.5 <= guess.bytes / real <= 2:
                off[form] = (guess.bytes, real)
        assert off == {}
        half = planned("create index x on big (i) where half is not null", on).estimate(on)
        assert half.rows == pytest.approx(30000, rel=0.1)
        few = planned("create index y on big (few)", on).estimate(on)
        database.run("create index y on big (few)")
        assert few.bytes >= database.run("select pg_relation_size('y')")[0][0]


@pytest.fixture(scope="module")
def few_rows(server: str) -> Iterator[Place]:
    """The same with few rows, for all tests that only read."""
    with made(server) as place:
        place.run(ROWS.replace("60000", "1000"))
        yield place


@pytest.mark.parametrize(
    "where", ["half is null", "half is not null or t is not null", "not (half is not null)", "lower(half) is not null",
              "(big.*) is not null", "half is not null and i > 5", "i > 5"],
)  # fmt: skip
def test_estimate_of_a_predicate_of_unknown_share__takes_all_rows(few_rows: Place, where: str) -> None:
    """Only `is not null`, also joined by `and`, has a share that the statistics know; else it is an upper one."""
    with session(few_rows, "public") as on:
        assert planned(f"create index x on big (i) where {where}", on).estimate(on).rows == 1000


def test_estimate_of_a_table_without_statistics__is_no_error(app: Place) -> None:
    """Never analyzed, or empty: few bytes are all that can be said."""
    with session(app) as on:
        assert planned("create index x on other (a, b)", on).estimate(on).bytes == 8192
