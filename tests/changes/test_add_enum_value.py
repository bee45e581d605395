"""ALTER TYPE … ADD VALUE: refused until answered for, but for an enum that the migration makes."""

from __future__ import annotations

import pytest

from fix_changes import planned, state, typed
from fix_databases import Place
from fix_project import Project
from pgrunbook import errors, fingerprint, plan, runbook
from pgrunbook.changes import State

ANSWERED = """
[objects."statement_2"]
irreversible = "the old programs do not mind"
"""


def test_state__is_told_by_the_order(database: Place) -> None:
    """Before or after another; without one anywhere. A neighbour that is not there any more tells nothing."""
    database.run("""create type "M m" as enum ('a', 'b''b', 'c')""")
    with database.connect() as on:
        add = 'alter type "M m" add value'
        for text, found in [
            ("'d'", "absent"), ("if not exists 'a'", "present"), ("'a' before 'b''b'", "present"),
            ("'a' before 'c'", "present"), ("'c' after 'a'", "present"), ("'c' before 'a'", "different"),
            ("'a' after 'b''b'", "different"), ("'a' before 'gone'", "present"), ("'A'", "absent"),
        ]:  # fmt: skip
            assert state(on, f"{add} {text}") == found, text
        (change,) = planned(on, f"{add} 'c' before 'a'")
        assert "found the values in order: 'a', 'b''b', 'c'" in change.state(on).detail
        assert change.idents == ('enum public."M m"',)
        with pytest.raises(errors.PreflightFailed, match=r"type nothing does not exist .*line 1"):
            planned(on, "alter type nothing add value 'x'")


def test_value_of_an_enum_that_is_there__is_refused_until_answered_for(project: Project, database: Place) -> None:
    """Then it is added, by itself, so that what follows can use it; a rollback leaves it and says so."""
    database.run("create type mood as enum ('a')", "create table t (id int primary key, m mood)")
    text = "begin; alter type mood add value 'b'; alter table t add column n mood default 'b'; commit;"
    folder = project.runbook("value", "alter type mood add value if not exists 'b' after 'a';")
    with pytest.raises(errors.InvalidRunbook, match="adds a value that PostgreSQL can't take out"):
        project.forward("value", database.target)
    project.runbook("value", text, ANSWERED)
    with database.connect() as on:
        before = fingerprint.objects(on, "pgrunbook")
        steps = plan.make(runbook.load(folder.parent.parent, "value"), on)
        assert len(list(steps.groups())) > 1
        assert "taken apart" in " ".join(steps.beside(steps.steps[0]))
        run_id = project.forward("value", database.target)
        result = project.stage("rollback", "value", database.target, run_id=run_id)
        assert any("can't be undone" in str(f.detail) for f in result.findings)
        differing = fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))
        assert differing == ["enum public.mood: changed"]


def test_value_of_a_new_enum__needs_no_answer(project: Project, database: Place) -> None:
    """In the block that makes the enum it can be used at once; where that was there before, it is refused."""
    text = """
    begin; create type mood as enum ('a'); alter type mood add value 'b'; create table t (m mood default 'b'); commit;
    begin; alter type public.mood add value 'c'; alter table t add column n mood default 'c'; commit;
    """
    folder = project.runbook("new", text)
    with database.connect() as on:
        before = fingerprint.objects(on, "pgrunbook")
        made = plan.make(runbook.load(folder.parent.parent, "new"), on)
        assert next(len(g) for g in made.groups()) == 3
        assert [s.change.block for s in made.steps[:4]] == [1, 1, 1, 0]
        run_id = project.forward("new", database.target)
        assert {s.seen.state for s in plan.make(runbook.load(folder.parent.parent, "new"), on).steps} == {State.PRESENT}
        project.stage("rollback", "new", database.target, run_id=run_id)
        assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))
        on.execute("create type mood as enum ('a')")
        with pytest.raises(errors.PreflightFailed, match=r"adds a value to public.mood, which was there before"):
            plan.make(runbook.load(folder.parent.parent, "new"), on)


def test_of_which_enum__is_told_by_what_is_made_before() -> None:
    """A value for another enum, or for one made later, has to be answered for."""
    kinds = [c.kind for c in typed(
        "alter type m add value 'x'; create type m as enum (); alter type s.m add value 'x'; alter type n add value 'x';"
        "alter type m rename value 'x' to 'y'"
    )]  # fmt: skip
    assert kinds[:4] == ["add_enum_value", "create_type", "value_of_new_enum", "add_enum_value"]
