"""DROP POLICY: an undo that makes the policy again, whatever the search_path."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state
from fix_databases import Place
from fix_project import Project
from pgrunbook import db
from pgrunbook.changes import State

SCHEMA = (
    "create schema app", 'create table app."T t" (id int primary key, owner int, who text)',
    "create table app.u (id int)", "create function app.f(int) returns boolean language sql as 'select true'",
    'create policy "P p" on app."T t" as restrictive for update to pg_monitor, current_user using (app.f(owner)) '
    'with check (exists (select from app.u where u.id = "T t".owner))',
    """comment on policy "P p" on app."T t" is 'a ''quoted'' one \\ $$'""",
)  # fmt: skip


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a table with a policy that has everything."""
    database.run(*SCHEMA)
    with db.connect(db.parse_target(database.target), search_path=["app"]) as opened:
        yield opened


def test_forth_and_back__brings_all_of_it_back(on: db.Database) -> None:
    """Restrictive, its command, its roles, both expressions, its comment."""
    drop, comment = forth_and_back(on, 'drop policy "P p" on "T t"')
    assert drop.startswith('create policy "P p" on app."T t" as restrictive for update to ')
    assert "'a ''quoted'' one" in comment
    (change,) = planned(on, 'drop policy if exists "P p" on app."T t" cascade')
    captured = change.capture(on)
    run(on, change.apply(change.state(on)))
    on.set("search_path", "pg_catalog")
    run(on, change.undo(captured))
    assert change.since(on, captured).state is State.ABSENT


def test_state__is_present_where_there_is_no_policy(on: db.Database) -> None:
    """With IF EXISTS or without."""
    assert state(on, 'drop policy "P p" on "T t"') == "absent"
    assert state(on, "drop policy p on u") == "present"
    assert state(on, "drop policy if exists p on u") == "present"
    assert planned(on, "drop policy p on u")[0].undo({}) == []


def test_dropped_and_made_anew__is_carried_out_and_undone_in_turn(on: db.Database) -> None:
    """The new one stands over the old one's definition, since an earlier line drops that; done, both are present."""
    text = 'drop policy "P p" on "T t"; create policy "P p" on "T t" using (true)'
    assert [c.state(on).state for c in planned(on, text)] == [State.ABSENT, State.ABSENT]
    forth_and_back(on, text)


def test_dropped_and_made_anew_past_a_check__is_rolled_back(project: Project, database: Place) -> None:
    """Where they can't be committed together, each is undone for itself."""
    database.run("create table t (id int)", "create policy p on t using (id = 1)")
    project.runbook(
        "apart",
        "drop policy p on t;\nupdate t set id = 1 where false returning 1;\ncreate policy p on t using (id = 2);",
        toml='[objects.statement_2]\nirreversible = "it changes nothing"',
    )
    run_id = project.forward("apart", database.target)
    assert database.run("select pg_get_expr(polqual, polrelid) from pg_policy") == [("(id = 2)",)]
    assert project.stage("rollback", "apart", database.target, run_id=run_id).verdict == "rolled_back"
    assert database.run("select pg_get_expr(polqual, polrelid) from pg_policy") == [("(id = 1)",)]
