"""GRANT: which ones are known, their state by the acl, and an undo that takes away what was not there before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from psycopg import sql

from fix_databases import Place
from pgrunbook import changes, db, errors, fingerprint, sqlfile
from pgrunbook.changes import Change, State
from pgrunbook.changes._privileges import Privileges

ROLES = ("pgrb_anon", "pgrb_app", 'pgrb "Odd"')
SCHEMA = """
create schema app;
create table app."Tbl" (id int primary key, a int, "B b" text);
create view app.v as select 1 as x;
create sequence app.s;
create type app."Mood" as enum ('sad');
create function app.f(a int, b text[] default '{}') returns int language sql as 'select 1';
create function app.f(a text) returns int language sql as 'select 1';
create procedure app.p() language sql as 'select 1';
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on one object of each kind that has privileges."""
    for role in ROLES:
        if not database.run(f"select 1 from pg_roles where rolname = '{role}'"):
            database.run(sql.SQL("create role {}").format(sql.Identifier(role)))
    database.run(SCHEMA)
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def typed(text: str) -> list[Change]:
    """The changes of a text."""
    return [change for statement in sqlfile.split(text) for change in changes.typed(statement, {}, {})]


def planned(on: db.Database, text: str) -> list[Change]:
    """The changes of a text as a plan has them."""
    names, found = changes.Names(on), []
    for change in typed(text):
        found.append(change.resolve(names))
        names.add(found[-1].makes)
        names.functions += [found[-1].object] if found[-1].kind == "create_function" else []
    return [c.followed_by(found[n:]) for n, c in enumerate(found, 1)]


def run(on: db.Database, phases: Sequence[changes.Phase]) -> None:
    for phase in phases:
        for statement in phase.statements:
            on.execute(statement.sql)


def carried_out(on: db.Database, text: str) -> str:
    """Carry a migration out as the executor would, undo it from what the ledger keeps; the states on the way."""
    before = fingerprint.objects(on, "pgrunbook")
    done, states = [], []
    for change in planned(on, text):
        seen = change.state(on)
        states.append(seen.state.value)
        if seen.state is not State.PRESENT:
            done.append((change, change.capture(on)))
            run(on, change.apply(seen))
    for change in planned(on, text):
        assert change.state(on).state is State.PRESENT, change.written.sql
        assert change.verify(on)[0].verdict == "passed"
    for change, captured in reversed(done):
        known = changes.again(change.kind, change.resolved_sql(), change.options.model_dump(), 1)
        assert known.object == change.object
        assert known.since(on, captured).state is State.PRESENT
        run(on, known.undo(captured))
        assert known.since(on, captured).state is State.ABSENT
    assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))
    return " ".join(states)


# -- kinds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "grant select on all tables in schema app to pgrb_app",
        "grant pgrb_app to pgrb_anon",
        "grant connect on database d to pgrb_app",
        "grant usage on language plpgsql to pgrb_app",
        "grant select on large object 1 to pgrb_app",
        "grant create on tablespace x to pgrb_app",
        "grant select on t to pgrb_app granted by current_user",
        "revoke select on t from pgrb_app cascade",
        "grant select on t to pgrb_app; revoke all on all functions in schema app from public",
    ],
)
def test_grants_that_are_not_of_one_object__are_raw_sql(statement: str) -> None:
    """What can't be seen in one acl, or undone in it."""
    assert typed(statement)[-1].kind == "raw_sql"


def test_a_grant_on_several_objects__gives_one_change_each_in_order() -> None:
    """Functions too, with and without their arguments."""
    tables = typed('grant select on b, s."A", c to x')
    assert [c.object for c in tables] == ["b", 's."A"', "c"]
    functions = typed('revoke all on function s.f(int, s."T"[]), g, h() from public')
    assert [c.object for c in functions] == ['s.f(integer,s."T"[])', "g", "h()"]
    assert {c.subject for c in functions} == {
        'revoke all on function s.f(integer,s."T"[]) from public',
        "revoke all on function g from public",
        "revoke all on function h() from public",
    }


# -- there and back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setup", "text", "states"),
    [
        ("select 1", 'grant select, update (a, "B b") on "Tbl" to pgrb_anon, public', "absent"),
        ("select 1", 'grant all on "Tbl", v to "pgrb ""Odd""" with grant option', "absent absent"),
        ("select 1", "grant all (x) on v to pgrb_anon", "absent"),
        ('grant select (a) on "Tbl" to pgrb_anon with grant option', 'grant select on "Tbl" to pgrb_anon', "absent"),
        ('grant select on "Tbl" to pgrb_anon', 'grant select on "Tbl" to pgrb_anon with grant option', "absent"),
        ('grant select on "Tbl" to pgrb_anon with grant option', 'grant select on "Tbl" to pgrb_anon', "present"),
        ('grant all on "Tbl" to pgrb_anon', 'grant select, insert on "Tbl" to pgrb_anon, pgrb_app', "absent"),
        ("select 1", "grant usage on sequence s to pgrb_app; grant all on s to pgrb_anon", "absent absent"),
        ("select 1", "grant usage on schema app to pgrb_app, current_user", "absent"),
        ('revoke all on type app."Mood" from public', 'grant usage on type "Mood" to pgrb_app', "absent"),
        ("select 1", "grant execute on function f(int, text[]), f(text) to pgrb_app", "absent absent"),
        ("select 1", "grant execute on routine p to pgrb_app; grant all on procedure p() to public", "absent present"),
        ("select 1", 'revoke all on "Tbl" from pgrb_anon; grant select on "Tbl" to pgrb_anon', "present absent"),
        (
            'grant all on "Tbl" to pgrb_anon with grant option',
            'revoke all on "Tbl" from pgrb_anon; grant select, update (a) on "Tbl" to pgrb_anon',
            "absent absent",
        ),
        (
            'grant select (a), select ("B b") on "Tbl" to pgrb_anon with grant option',
            'revoke select on "Tbl" from pgrb_anon; grant select (a) on "Tbl" to pgrb_anon',
            "absent present",
        ),
        (
            'grant select on "Tbl" to pgrb_anon',
            "grant select on v to pgrb_anon; revoke all on v from pgrb_anon",
            "present present",
        ),
        (
            'grant select on "Tbl" to pgrb_anon',
            'grant select on "Tbl" to pgrb_anon with grant option; revoke grant option for select on "Tbl" from pgrb_anon',
            "present present",
        ),
    ],
)
def test_a_migration_of_grants__is_done_and_undone_exactly(on: db.Database, setup: str, text: str, states: str) -> None:
    """By the fingerprint; from every state before, and what the ledger keeps is enough for the way back."""
    on.execute(setup)
    assert carried_out(on, text) == states


def test_a_grant_on_what_the_migration_makes__is_absent_and_goes_with_it(on: db.Database) -> None:
    """It is committed with its object, and its undo has nothing to do."""
    text = (
        "create function fresh(a int) returns int language sql as 'select 1';"
        "revoke all on function fresh from public; grant execute on function fresh(int4) to pgrb_app;"
        "create view vv as select 1 as x; grant select on vv to pgrb_app"
    )
    function, revoke, grant, view, on_view = planned(on, text)
    assert function.together == revoke.together == grant.together == "function app.fresh(integer)"
    assert view.together == on_view.together == "relation app.vv"
    assert {c.state(on).state for c in (revoke, grant, on_view)} == {State.ABSENT}
    assert [c.capture(on) for c in (revoke, on_view)] == [{"before": None}] * 2
    for change in (function, revoke, grant, view, on_view):
        run(on, change.apply(change.state(on)))
    assert {c.state(on).state for c in (revoke, grant, on_view)} == {State.PRESENT}
    assert grant.undo({"before": None}) == grant.undo({}) == []
    known = changes.again("grant", grant.resolved_sql(), {}, 1)
    assert (known.together, known.since(on, {"before": None}).state) == (grant.together, State.PRESENT)
    run(on, function.undo({}))
    assert known.since(on, {"before": None}).state is State.ABSENT
    (alone,) = planned(on, 'grant select on "Tbl" to pgrb_app')
    assert alone.together == ""


def test_what_another_gave_since__is_not_taken_away(on: db.Database) -> None:
    """An undo that would take along the right to give on, or a privilege on a column, is left."""
    (change,) = planned(on, 'grant select on "Tbl" to pgrb_anon')
    captured = change.capture(on)
    run(on, change.apply(change.state(on)))
    for other in ('grant select on "Tbl" to pgrb_anon with grant option', 'grant select (a) on "Tbl" to pgrb_anon'):
        with on.transaction(rollback=True):
            on.execute(other)
            seen = change.since(on, captured)
        assert (seen.state, "changed by another" in seen.detail) == (State.DIFFERENT, True)
    on.execute('grant insert on "Tbl" to pgrb_anon')
    assert change.since(on, captured).state is State.PRESENT
    run(on, change.undo(captured))
    assert on.rows(
        "select privilege_type from information_schema.table_privileges where grantee = $1", ["pgrb_anon"]
    ) == [("INSERT",)]


def test_all__is_what_the_server_knows(on: db.Database) -> None:
    """MAINTAIN from 17 on; on a column four, on a sequence three."""
    table, column, sequence = planned(
        on, 'grant all on "Tbl" to pgrb_app; grant all (a) on "Tbl" to pgrb_app; grant all on sequence s to pgrb_app'
    )
    found = [{b.privilege for b in c.bits} for c in (table, column, sequence) if isinstance(c, Privileges)]
    known = {"DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"}
    assert found[0] == known | ({"MAINTAIN"} if on.version >= 170000 else set())
    assert found[1:] == [{"INSERT", "REFERENCES", "SELECT", "UPDATE"}, {"SELECT", "UPDATE", "USAGE"}]


# -- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\ngrant select on nowhere to pgrb_app", "nowhere does not exist .*line 2"),
        ('grant select on "Tbl" to nobody_there, pgrb_app', "nobody_there, which is no role"),
        ("grant execute on function f to pgrb_app", "function f is not unique"),
        ("grant execute on function f(uuid) to pgrb_app", r"function f\(uuid\) does not exist"),
        ("grant usage on type app.mood to pgrb_app", "type app.mood does not exist"),
        (
            'grant insert on "Tbl" to pgrb_app; select 1; revoke all on "Tbl" from pgrb_app',
            "line 1 of migrate.sql grants what line 1 revokes",
        ),
    ],
)
def test_a_grant_that_can_not_be_planned__names_the_line(on: db.Database, text: str, reason: str) -> None:
    """A missing object or role, a name that stands for two, a grant for a while."""
    with pytest.raises(errors.PreflightFailed, match=reason) as caught:
        planned(on, text)
    assert caught.value.remedy


def test_a_grant_by_a_role_that_owns_nothing__is_refused(on: db.Database) -> None:
    """The server would only warn, and do nothing. Of relations preflight asks."""
    function, table = planned(on, 'grant execute on function f(text) to pgrb_app; grant select on "Tbl" to pgrb_app')
    assert table.relation == 'app."Tbl"'
    on.execute("grant usage on schema app to pgrb_anon")
    on.execute("set role pgrb_anon")
    with pytest.raises(errors.BadTarget, match=r"does not own function app.f\(text\)"):
        function.capture(on)
