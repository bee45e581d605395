"""ENABLE and DISABLE TRIGGER: one trigger's, brought back as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place, on_every_version
from fix_project import Project
from pgrunbook import db, plan, runbook
from pgrunbook.changes import State

SCHEMA = (
    "create table t (id int primary key, a int)", "insert into t select i, 1 from generate_series(1, 5) i",
    "create function f() returns trigger language plpgsql as 'begin new.a := -1; return new; end'",
    'create trigger "X x" before insert or update on t for each row execute function f()',
    "create table p (k int, a int) partition by list (k)", "create table p1 partition of p for values in (1)",
    "create table p2 partition of p for values in (2) partition by list (a)", "create table p21 partition of p2 default",
    "create trigger x before insert on p for each row execute function f()",
)  # fmt: skip


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a table and on partitions with a trigger."""
    database.run(*SCHEMA)
    with database.connect() as opened:
        yield opened


@on_every_version
def test_forth_and_back__restores_what_it_was(on: db.Database) -> None:
    """From every state into every other; of partitions those as well that were otherwise."""
    words = ("enable", "disable", "enable always", "enable replica")
    for was in words:
        on.execute(f'alter table t {was} trigger "X x"')
        for word in words:
            text = f'alter table t {word} trigger "X x"'
            assert state(on, text) == ("present" if word == was else "absent")
            if word != was:
                assert forth_and_back(on, text) == [f'alter table public.t {was} trigger "X x"']
    on.execute("alter table p21 enable always trigger x")
    back = forth_and_back(on, "alter table p disable trigger x")
    assert back == ["alter table public.p enable trigger x", "alter table public.p21 enable always trigger x"]
    assert state(on, "alter table p enable trigger x") == "absent"
    assert "p21 A" in planned(on, "alter table p disable trigger x")[0].state(on).detail


def test_disabled_for_a_while__is_enabled_again(project: Project, database: Place, on: db.Database) -> None:
    """What stands between is done without the trigger; the pair takes its block apart; all is done for a second run."""
    text = """
    begin;
    alter table t disable trigger "X x";
    update t set a = 2 where a = 1;
    alter table t enable trigger "X x";
    commit;
    """
    folder = project.runbook("pause", text)
    made = plan.make(runbook.load(folder.parent.parent, "pause"), on)
    assert [s.seen.state.value for s in made.steps[::2]] == ["absent", "present"]
    assert [s.change.block for s in made.steps] == [0, 0, 0]
    assert "rows that others write do not pass the trigger" in made.steps[0].change.lint()[1]
    run_id = project.forward("pause", database.target)
    assert on.value("select array_agg(distinct a) from t") == [2]
    assert on.value("select tgenabled::text from pg_trigger where tgname = 'X x'") == "O"
    assert project.stage("verify", "pause", database.target, run_id=run_id).verdict == "passed"
    for _ in range(2):
        project.stage("rollback", "pause", database.target, run_id=run_id)
        assert on.value("select array_agg(distinct a) from t") == [1]
        assert on.value("select tgenabled::text from pg_trigger where tgname = 'X x'") == "O"


def test_disabled_for_what_is_done__is_done(on: db.Database) -> None:
    """Nothing is disabled once more for what the catalog says is there."""
    text = 'alter table t disable trigger "X x"; alter table t add column b int; alter table t enable trigger "X x"'
    forth_and_back_states = [c.standing(on).state.value for c in planned(on, text)]
    assert forth_and_back_states == ["absent", "absent", "present"]
    run(on, planned(on, text)[1].apply(planned(on, text)[1].standing(on)))
    assert {c.standing(on).state for c in planned(on, text)} == {State.PRESENT}


def test_then_dropped__is_done_when_the_trigger_is_gone(on: db.Database) -> None:
    """A later line takes the trigger away; its undo brings it back as the first line leaves it."""
    text = 'alter table t disable trigger "X x"; drop trigger "X x" on t'
    forth_and_back(on, text)
    for change in planned(on, text):
        run(on, change.apply(change.standing(on)))
    assert {c.standing(on).state for c in planned(on, text)} == {State.PRESENT}


def test_of_several_triggers__is_raw_sql() -> None:
    """ALL and USER: which ones they were is not known again; a rule is none."""
    for command in ("disable trigger all", "enable trigger user", "disable rule r"):
        assert [c.kind for c in typed(f"alter table t {command}")] == ["raw_sql"]
    several = typed("alter table t disable trigger a, enable always trigger b")
    assert [(c.kind, c.label) for c in several] == [("trigger_state", "t.a"), ("trigger_state", "t.b")]
