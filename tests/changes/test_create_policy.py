"""CREATE POLICY: its state by what the server makes of it on a copy, one transaction a table, an undo that drops it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place, made
from fix_project import Project
from pgrunbook import changes, db, errors, plan, runbook
from pgrunbook.changes import LockMode, Observation, State

SCHEMA = """
create schema app; create schema other;
create table app."Tbl" (id int primary key, owner int, who text, "B b" int, g int generated always as (owner + 1) stored);
create table app.t (id int primary key, owner int, who text);
create table other.t (id int primary key, owner int);
create table app.parted (id int, who text) partition by range (id);
create function app.mine(int) returns boolean language sql stable as 'select $1 > 0';
create view app.v as select 1 as a;
"""
# One policy in different definitions.
FORMS = [
    "using (owner > 1)",
    "using (owner > 2)",
    "as restrictive using (owner > 1)",
    "for select using (owner > 1)",
    "for update using (owner > 1)",
    "for update using (owner > 1) with check (owner > 1)",
    "for insert with check (owner > 1)",
    "for delete to current_user using (owner > 1)",
    "to pg_monitor, pg_read_all_stats using (owner > 1)",
    "to pg_monitor using (owner > 1)",
    'using (mine(owner) and "B b" is null and g > 1)',
    'using (exists (select from t where t.id = "Tbl".owner))',
    'using (exists (select from other.t where t.id = "Tbl".owner))',
    'using (id in (select x.owner from "Tbl" x where x.who = current_user))',
]
# The same policy, as a person writes it and as another one does.
SPELLINGS = [
    ("using (owner > 1)", 'as permissive for all to public using ((app."Tbl".owner > 1))'),
    ("using (owner in (1, 2))", "using (owner = any (array[1, 2]))"),
    ("to pg_monitor, pg_read_all_stats using (true)", "to pg_read_all_stats, pg_monitor using ('t')"),
    ("to public, pg_monitor using (true)", "using (true)"),
    ("using (mine(owner))", "using (app.mine(owner::int4))"),
    ("using (who = 'a')", "using (((who) = 'a'::text))"),
]


@pytest.fixture(scope="module")
def shared(server: str) -> Iterator[Place]:
    """A database with tables to secure, for the tests that leave nothing behind."""
    with made(server) as place:
        place.run(*SCHEMA.strip().split(";\n"))
        yield place


@pytest.fixture
def on(shared: Place) -> Iterator[db.Database]:
    """A session of the library's on it."""
    with db.connect(db.parse_target(shared.target), search_path=["app", "public"]) as opened:
        yield opened


def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """Equal spellings are present, others different; a name alone proves nothing."""
    for first, same in SPELLINGS:
        on.execute(f'create policy "P p" on app."Tbl" {first}')
        assert state(on, f'create policy "P p" on "Tbl" {same}') == "present", same
        on.execute('drop policy "P p" on app."Tbl"')
    assert state(on, f'create policy "P p" on "Tbl" {FORMS[0]}') == "absent"
    for form in FORMS:
        on.execute(f'create policy "P p" on app."Tbl" {form}')
        same = [f for f in FORMS if state(on, f'create policy "P p" on "Tbl" {f}') == "present"]
        assert same == [form]
        on.execute('drop policy "P p" on app."Tbl"')
    assert not on.rows("select from pg_policy")


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form, on a table with an odd name and on a partitioned one."""
    forms = "; ".join(f'create policy "P {n}" on "Tbl" {form}' for n, form in enumerate(FORMS))
    assert forth_and_back(on, forms)[-1] == 'drop policy "P 0" on app."Tbl"'
    forth_and_back(on, "create policy p on parted for select using (who = current_user)")


def test_names__are_those_of_the_search_path_not_of_the_copy(on: db.Database) -> None:
    """An unqualified table of the same name in a schema that comes first is meant, as it is when it is carried out."""
    on.set("search_path", "other, app")
    forth_and_back(on, "create policy p on app.t using (exists (select from t x where x.owner = 1))")
    on.set("search_path", "app, other")
    forth_and_back(on, "create policy p on other.t using (exists (select from t x where x.who = 'a'))")


def test_definition__is_restorable_from_any_search_path(on: db.Database) -> None:
    """Everything in it is qualified, and `current_user` is named."""
    (change,) = planned(on, 'create policy p on "Tbl" to current_user using (mine(owner) and exists (select from t))')
    found = change.planned(on)
    assert "app.mine(owner)" in found
    assert "app.t" in found
    assert f"to {on.user}" in found
    assert f"TO {on.user}" in change.resolved_sql()


def test_resolve__refuses_what_is_not_there(on: db.Database) -> None:
    """A table, a role, a view: with the line and what to do."""
    for text, reason in [
        ("create policy p on nowhere using (true)", "nowhere does not exist"),
        ("create policy p on v using (true)", "app.v is a view"),
        ("create policy p on t to nobody_here using (true)", "role nobody_here does not exist"),
    ]:
        with pytest.raises(errors.PreflightFailed, match=reason) as caught:
            planned(on, f"\n{text}")
        assert "line 2" in caught.value.message
        assert caught.value.remedy


def test_a_function_of_the_same_migration__leaves_the_state_absent(on: db.Database) -> None:
    """The planned definition can't be had yet, and nobody asks for it."""
    (change,) = planned(on, "create policy p on t using (not_there_yet(owner))")
    assert change.state(on).state is State.ABSENT
    with pytest.raises(errors.PreflightFailed, match=r"line 1 of migrate.sql .* not_there_yet"):
        change.planned(on)


def test_a_policy_on_whole_rows__is_raw_sql() -> None:
    """The row of a copy has another type, so it can't be compared."""
    for expression in ("f(t)", "f(t.*)", "(app.t.*) is not null"):
        assert [c.kind for c in typed(f"create policy p on app.t using ({expression})")] == ["raw_sql"]
    assert [c.kind for c in typed("create policy p on t using (exists (select * from x))")] == ["create_policy"]


def test_lint__names_the_lock_and_what_is_called_for_every_row(on: db.Database) -> None:
    """A bare call without a column in it; one in a subquery is called once."""
    (change,) = planned(on, "create policy p on t using (auth.uid() = who and mine(owner) and f('x') = (select g()))")
    lint = change.lint()
    assert "ACCESS EXCLUSIVE on app.t" in lint[0]
    assert [note.partition(" for")[0] for note in lint[1:]] == ["calls auth.uid()", "calls f('x')"]
    (transaction,) = change.apply(Observation(State.ABSENT))
    assert [s.lock for s in transaction.statements] == [LockMode.ACCESS_EXCLUSIVE]
    assert (change.label, change.object, change.relation) == ("t.p", "app.t.p", "app.t")
    assert change.idents == ("policy app.t.p",)


def test_policies_of_a_table__are_committed_in_one_transaction(project: Project, database: Place) -> None:
    """Old ones out, new ones in, row security on: nobody meets a moment in between; the way back is one as well."""
    database.run(
        "create table t (id int, who text)", "create table u (id int)", "create policy old on t using (true)",
        "comment on policy old on t is 'old'",
    )  # fmt: skip
    project.runbook(
        "one",
        "drop policy if exists old on t; create policy old on t using (who = 'me');\ncreate index u_id on u (id);\n"
        "alter table t enable row level security, force row level security; create policy b on t using (false);\n"
        "alter policy b on t using (id = 1);",
    )
    with database.connect() as on:
        found = plan.make(runbook.load(project.root, "one"), on)
    assert [[s.kind for s in group] for group in found.groups()] == [
        ["create_index"],
        ["drop_policy", "create_policy", "row_security", "row_security", "create_policy", "alter_policy"],
    ]
    assert {s.seen.state for s in found.steps} == {State.ABSENT}
    run_id = project.forward("one", database.target)
    at_once = "select count(distinct p.xmin::text), count(*) from pg_policy p"
    assert database.run(at_once) == [(1, 2)]
    assert project.stage("verify", "one", database.target, run_id=run_id).verdict == "passed"
    assert project.stage("rollback", "one", database.target, run_id=run_id).verdict == "rolled_back"
    assert database.run(
        "select polname, pg_get_expr(polqual, polrelid), obj_description(p.oid), relrowsecurity"
        " from pg_policy p join pg_class c on c.oid = polrelid"
    ) == [("old", "true", "old", False)]


def test_again__drops_by_what_the_ledger_keeps(on: db.Database) -> None:
    """Without a catalog."""
    (change,) = planned(on, 'create policy "P p" on "Tbl" to pg_monitor using (true)')
    known = changes.again("create_policy", change.resolved_sql(), {}, 7)
    assert str(known.undo({})[0]) == 'drop policy "P p" on app."Tbl";'
