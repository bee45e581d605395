"""CREATE TRIGGER: known by its definition and how it is enabled, replaced and brought back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place, on_every_version
from fix_project import Project
from pgrunbook import changes, db, errors, fingerprint
from pgrunbook.changes import State

SCHEMA = """
create schema app; create schema "Ö ö";
create table app.t (id int primary key, a int, "B b" text); create table app.u (id int primary key);
create table app.p (id int, k int) partition by list (k); create table app.p1 partition of app.p for values in (1);
create view app.v as select * from app.t;
create function app.f() returns trigger language plpgsql as 'begin return new; end';
create function "Ö ö"."F f"() returns trigger language plpgsql as 'begin return new; end'
"""
FORMS = [
    'a before insert or update of a, "B b" on t for each row when (new.* is distinct from null and new.a > 1) '
    "execute function f()",
    '"Ü x" after update on app.t referencing old table as o new table as "N n" for each statement '
    'execute procedure "Ö ö"."F f"(\'a\'\'b\', 1)',
    "iv instead of insert or update on v for each row execute function f()", "tr before truncate on u execute function f()",
    "on_p after insert on p for each row execute function f()",
    "own before delete on t for each row execute function suppress_redundant_updates_trigger()",
]  # fmt: skip
LATE = "constraint trigger c after delete on t from u deferrable initially deferred for each row execute function f()"


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on tables, a view, partitions and functions."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


@on_every_version
def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form, on a table, a view and partitions."""
    every = "; ".join([*(f"create trigger {form}" for form in FORMS), f"create {LATE}"])
    undone = forth_and_back(on, every)
    assert undone[0] == "drop trigger c on app.t"
    before, found = fingerprint.objects(on, "pgrunbook"), planned(on, every)
    for change in found:
        run(on, change.apply(change.standing(on)))
    new = set(fingerprint.objects(on, "pgrunbook")) - set(before)
    assert new - {ident for change in found for ident in change.idents} == {"trigger app.p1.on_p"}


@on_every_version
def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """Events, columns, conditions, arguments and how it is enabled count; the spelling does not."""
    for form in FORMS:
        on.execute(f"create trigger {form}")
    on.execute(f"create {LATE}")
    first = 'a before update of a, "B b" or insert on app.t for row when ({}) execute procedure app.f()'
    assert state(on, "create trigger " + first.format("new.* is distinct from null and 1 < new.a")) == "different"
    assert state(on, "create trigger " + first.format("(((new.* is distinct from null)) and (new.a > 1))")) == "present"
    assert state(on, f"create {LATE}") == "present"
    for form in FORMS[1:]:
        assert state(on, f"create trigger {form}") == "present", form
    for other in (
        "trigger tr before truncate on u execute function f('x')", "trigger tr after truncate on u execute function f()",
        LATE.replace("initially deferred ", ""), LATE.replace("from u ", ""), f"trigger {FORMS[0].replace('of a, ', 'of ')}",
    ):  # fmt: skip
        assert state(on, f"create {other}") == "different", other
    on.execute("alter table u disable trigger tr")
    (change,) = planned(on, f"create trigger {FORMS[3]}")
    assert change.state(on).detail.endswith("-- disable")
    if on.version >= 140000:
        assert state(on, f"create or replace trigger {FORMS[3]}") == "absent"


@on_every_version
def test_replaced__comes_back_as_it_was_enabled(on: db.Database) -> None:
    """With its comment, which it keeps; before version 14 the server has no OR REPLACE."""
    text = "create or replace trigger a after insert on t execute function f(); "
    if on.version < 140000:
        with pytest.raises(errors.PreflightFailed, match="from PostgreSQL 14 on"):
            planned(on, text)
        return
    for statement in (
        f"create trigger {FORMS[0]}", "alter table t enable replica trigger a", "comment on trigger a on t is 'x'",
    ):  # fmt: skip
        on.execute(statement)
    back = forth_and_back(on, text)
    assert back[0].startswith("CREATE OR REPLACE TRIGGER a BEFORE INSERT")
    assert back[1:] == ["alter table app.t enable replica trigger a"]
    forth_and_back(on, text + text.replace("insert", "delete"))
    forth_and_back(
        on, f"drop trigger if exists a on t; create trigger {FORMS[3].replace('tr', 'a', 1)}".replace("on u", "on t")
    )


def test_on_what_the_migration_makes__is_carried_out_and_rolled_back(project: Project, database: Place) -> None:
    """Table and function are new, in a block and outside; a later line enables it otherwise, or comments on it."""
    text = """
    begin;
    create function noted() returns trigger language plpgsql as 'begin return new; end';
    create table "N n" (id int primary key);
    create trigger a before insert on "N n" for each row execute function noted();
    alter table "N n" enable always trigger a;
    comment on trigger a on "N n" is 'x';
    commit;
    create trigger b before insert on "N n" for each row execute function public.noted();
    """
    project.runbook("triggers", text)
    with database.connect() as session:
        before = fingerprint.objects(session, "pgrunbook")
        run_id = project.forward("triggers", database.target)
        assert project.stage("verify", "triggers", database.target, run_id=run_id).verdict == "passed"
        plain = text.replace("begin;\n", "").replace("commit;", "")
        assert {c.standing(session).state for c in planned(session, plain)} == {State.PRESENT}
        for _ in range(2):
            project.stage("rollback", "triggers", database.target, run_id=run_id)
            assert not fingerprint.differing(before, fingerprint.objects(session, "pgrunbook"))


def test_resolve__names_what_is_not_there(on: db.Database) -> None:
    """The table, the function, with the line."""
    with pytest.raises(errors.PreflightFailed, match=r"function gone\(\) does not exist .*line 1"):
        planned(on, "create trigger a before insert on t execute function gone()")
    with pytest.raises(errors.PreflightFailed, match=r"nothing does not exist .*line 1"):
        planned(on, "create trigger a before insert on nothing execute function f()")
    with pytest.raises(errors.PreflightFailed, match=r"app.t_pkey is an index"):
        planned(on, "create trigger a before insert on t_pkey execute function f()")
    assert typed("create trigger a before insert on pg_temp.t execute function f()")[0].kind == "raw_sql"
    assert [c.kind for c in typed("create event trigger a on sql_drop execute function f()")] == ["raw_sql"]


def test_lint__tells_who_waits(on: db.Database) -> None:
    """On a table in use; on a new one nobody does."""
    (change,) = planned(on, f"create trigger {FORMS[0]}")
    assert "SHARE ROW EXCLUSIVE on app.t" in change.lint()[0]
    assert "ACCESS EXCLUSIVE" in change.lint()[1]
    new = planned(on, "create table n (a int); create trigger a before insert on n execute function f()")[1]
    assert new.lint() == []
    assert changes.again("create_trigger", new.resolved_sql(), {}, 1).object == "app.n.a"
