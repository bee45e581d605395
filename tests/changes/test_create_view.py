"""CREATE VIEW: known by its definition, replaced and brought back with all that hangs on it, or dropped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from pgrunbook import changes, db, errors, sqlfile
from pgrunbook.changes import LockMode, ObjectOptions, Observation, State
from pgrunbook.changes.create_view import CreateView

SCHEMA = """
create schema app; create schema other;
create table app.t (id int primary key, who text, at timestamptz);
create table other.orders (id int primary key);
do $$ begin create role pgrb_reader; exception when duplicate_object or unique_violation then null; end $$;
do $$ begin create role pgrb_writer; exception when duplicate_object or unique_violation then null; end $$;
"""
FORMS = [
    "view v as select id, who from t",
    'view "V v" ("A a", b) as select id, who from t where id > 1',
    "view v with (security_barrier) as select * from t with local check option",
    "view orders as select o.* from other.orders o join t on t.id = o.id",
    "view app.v as table t union all select 1, 'x', now() order by 1 limit 3",
    "recursive view r (n) as values (1) union all select n + 1 from r where n < 10",
]


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on two tables."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form; also a view with the name of the table that it reads, in another schema."""
    for form in FORMS:
        forth_and_back(on, f"create {form}")
    on.set("search_path", "app, other")
    (undo,) = forth_and_back(on, "create view orders as select id from orders")
    assert undo == "drop view app.orders"


def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """However options and columns are spelled; a table under the name is in the way."""
    on.execute("create view v (a) with (security_barrier = 1) as select id from t where id in (1, 2)")
    same = "view app.v with (security_barrier) as select t.id as a from app.t where t.id = any (array[1, 2])"
    assert state(on, f"create {same}") == "present"
    for other in (
        same.replace("(security_barrier)", "(security_barrier = false)"), same.replace("1, 2", "1, 3"),
        same + " with check option",
    ):  # fmt: skip
        assert state(on, f"create {other}") == "different"
        assert state(on, f"create or replace {other}") == "absent"
    assert state(on, "create or replace view t as select 1 as id") == "different"
    assert state(on, "create view w as select * from not_there_yet") == "absent"


def test_replaced__comes_back_with_all_that_hangs_on_it(on: db.Database) -> None:
    """In place where the columns allow; else dropped and made again: owner, privileges, comments, defaults, rules, triggers."""
    for statement in (
        "create view v with (security_barrier = 1) as select id, who from t where id > 1",
        "create function app.nothing() returns trigger language plpgsql as 'begin return null; end'",
        "create trigger instead instead of insert on v for each row execute function nothing()",
        "comment on trigger instead on v is 'the trigger'",
        "create rule nothing as on delete to v do instead nothing", "comment on rule nothing on v is 'the rule'",
        "alter view v alter column who set default 'it''s'",
        "comment on view v is 'it''s v'", "comment on column v.id is 'the id'",
        "grant create on schema app to pgrb_writer", "alter view v owner to pgrb_writer",
        "alter default privileges in schema app grant all on tables to pgrb_reader",
        "revoke insert on v from pgrb_writer", "grant select on v to public", "grant select on v to pgrb_reader with grant option", "grant update (who, id) on v to pgrb_reader",
    ):  # fmt: skip
        on.execute(statement)
    (in_place,) = forth_and_back(on, "create or replace view v as select id, who from t")
    assert in_place.startswith("create or replace view app.v (id, who) with (security_barrier=1) as")
    remade = forth_and_back(on, "create or replace view v as select id, who, at from t")
    assert remade[0] == "drop view app.v"
    forth_and_back(on, "create or replace view v as select id, who, 1 as a from t;"
                   "create or replace view v as select id, who, 2 as a, 3 as b from t;")  # fmt: skip


def test_a_view_on_which_another_stands__is_not_dropped_with_it(on: db.Database) -> None:
    """No CASCADE: the server says what stands on it."""
    (change,) = planned(on, "create view v as select id from t")
    run(on, change.apply(change.state(on)))
    on.execute("create view w as select * from v")
    with pytest.raises(errors.StatementFailed, match="other objects depend on it"):
        run(on, change.undo(change.capture(on)))


def test_a_way_back_that_others_are_in_the_way_of__is_told_before(on: db.Database) -> None:
    """Columns that came with the new view go only with the view, which others read; where none came there is a way."""
    on.execute("create view v as select id from t")
    on.execute("create view w as select * from v")
    (change,) = planned(on, "create or replace view v as select id, who from t")
    seen = change.standing(on)
    assert (seen.state, "view app.w" in seen.detail) == (State.DIFFERENT, True)
    assert "rollback.sql" in change.if_different
    assert state(on, "create or replace view v as select id + 1 as id from t") == "absent"
    assert state(on, "drop view w; create or replace view v as select id, who from t") == "absent"
    on.execute("create policy p on t using (exists (select from v))")
    forth_and_back(on, "create or replace view v as select id * 2 as id from t")


def test_what_the_server_does_not_replace__is_different_with_its_reason(on: db.Database) -> None:
    """Fewer columns, another type, another name."""
    on.execute("create view v as select id, who from t")
    for query, reason in [
        ("select id from t", "cannot drop columns"),
        ("select id::bigint, who from t", "cannot change data type"),
        ("select id as a, who from t", "cannot change name"),
    ]:
        (change,) = planned(on, f"create or replace view v as {query}")
        seen = change.state(on)
        assert seen.state is State.DIFFERENT
        assert reason in seen.detail


def test_security_invoker__is_asked_for_by_a_reason_on_a_server_without_it(
    on: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 15 the option is left out only where the runbook says why the owner's rights are right."""
    text = "create view v with (security_invoker = on, security_barrier) as select id from t"
    if on.version >= 150000:
        forth_and_back(on, text)
        assert planned(on, text)[0].lint() == []
        assert state(on, text) == "absent"
    monkeypatch.setattr(db.Database, "version", 140000)
    with pytest.raises(errors.PreflightFailed, match="exists from PostgreSQL 15 on") as caught:
        planned(on, text)
    assert '[objects."v"]' in caught.value.remedy
    (change,) = planned(on, text, owner_rights="nobody else reads it")
    assert change.resolved_sql() == "CREATE VIEW app.v WITH (security_barrier) AS SELECT id FROM t"
    assert "accepted: nobody else reads it" in change.lint()[0]
    assert "invoker" not in planned(on, text.replace("= on", "= off"))[0].resolved_sql()


def test_facts__are_those_of_the_statement(on: db.Database) -> None:
    """Its locks, its name for later changes, what it adds to the fingerprint."""
    (change,) = planned(on, "create or replace view v (a) as select id, who as w, at from t")
    assert isinstance(change, CreateView)
    assert str(change.makes) == "app.v"
    assert (change.object, change.label, change.together, change.creates_in) == ("app.v", "v", "relation app.v", "app")
    assert change.idents == ("relation app.v", "column app.v.a", "column app.v.w", "column app.v.at")
    (transaction,) = change.apply(Observation(State.ABSENT))
    assert [(s.lock, s.relation) for s in transaction.statements] == [(LockMode.ACCESS_EXCLUSIVE, "app.v")]
    locked, rights = change.lint()
    assert "ACCESS EXCLUSIVE on app.v" in locked
    assert "owner's rights" in rights
    (new,) = planned(on, "create view w as select 1 as a")
    (transaction,) = new.apply(Observation(State.ABSENT))
    assert [s.lock for s in transaction.statements] == [LockMode.ACCESS_SHARE]
    known = changes.again("create_view", change.resolved_sql(), ObjectOptions().model_dump(), 1)
    assert str(known.undo({})[0]) == "drop view app.v;"


def test_temporary_views__are_raw_sql() -> None:
    """They end with their session."""
    for text in ("temp view v as select 1", "view pg_temp.v as select 1"):
        assert [c.kind for c in typed(f"create {text}")] == ["raw_sql"]
    assert CreateView.from_ast(sqlfile.split("select 1")[0]) is None
