"""REVOKE: what it takes is given back, what it can't take stops the plan."""

from __future__ import annotations

import pytest

from changes.test_grant import carried_out, on, planned, run  # noqa: F401  fixtures
from pgrunbook import db
from pgrunbook.changes import NOTHING_THERE, State


@pytest.mark.parametrize(
    ("setup", "text", "states"),
    [
        ("select 1", 'revoke select on "Tbl" from pgrb_anon', "present"),
        (
            'grant all on "Tbl" to pgrb_anon, pgrb_app',
            'revoke insert, delete on "Tbl" from pgrb_anon, pgrb_app',
            "absent",
        ),
        (
            'grant select, update on "Tbl" to pgrb_anon with grant option',
            'revoke all on "Tbl" from pgrb_anon',
            "absent",
        ),
        (
            'grant select, select (a), update ("B b") on "Tbl" to pgrb_anon with grant option',
            'revoke all on "Tbl" from pgrb_anon',
            "absent",
        ),
        (
            'grant select, select (a) on "Tbl" to pgrb_anon with grant option',
            'revoke grant option for select on "Tbl" from pgrb_anon',
            "absent",
        ),
        ('grant select (a, id) on "Tbl" to pgrb_anon, pgrb_app', 'revoke select (a) on "Tbl" from pgrb_anon', "absent"),
        (
            "select 1",
            "revoke execute on function f(text) from public; revoke all on procedure p from public",
            "absent absent",
        ),
        ("select 1", 'revoke usage on type "Mood" from public', "absent"),
        ("grant all on schema app to pgrb_app", "revoke create on schema app from pgrb_app", "absent"),
        ("select 1", 'revoke all on "Tbl" from current_user', "absent"),
    ],
)
def test_a_migration_of_revokes__is_done_and_undone_exactly(
    on: db.Database,  # noqa: F811
    setup: str,
    text: str,
    states: str,
) -> None:
    """With the right to give on, on columns, of defaults that no acl shows, and of the owner."""
    on.execute(setup)
    assert carried_out(on, text) == states


def test_a_revoke_that_a_later_grant_takes_up__leaves_that_alone(on: db.Database) -> None:  # noqa: F811
    """Not done as long as anything else is held; what is given again is never taken, not even for a moment."""
    on.execute('grant select, insert on "Tbl" to pgrb_anon')
    revoke, grant = planned(on, 'revoke all on "Tbl" from pgrb_anon; grant select on "Tbl" to pgrb_anon')
    assert "line 1 takes up a part of it again" in revoke.lint()[0]
    assert (revoke.state(on).state, grant.state(on).state) == (State.ABSENT, State.PRESENT)
    (phase,) = revoke.apply(revoke.state(on))
    assert [s.sql for s in phase.statements] == ['revoke insert on table app."Tbl" from pgrb_anon']
    (blind,) = revoke.apply(NOTHING_THERE)
    assert "select on" not in blind.statements[0].sql
    assert "insert" in blind.statements[0].sql
    captured = revoke.capture(on)
    run(on, [phase])
    assert (revoke.state(on).state, grant.state(on).state) == (State.PRESENT, State.PRESENT)
    on.execute('grant delete on "Tbl" to pgrb_anon')
    assert revoke.state(on).state is State.ABSENT
    (back,) = revoke.undo(captured)
    assert [s.sql for s in back.statements] == ['grant insert on table app."Tbl" to pgrb_anon']


def test_what_another_role_gave__stops_the_plan(on: db.Database) -> None:  # noqa: F811
    """The owner's REVOKE would not take it, and nobody could give it back in that role's name."""
    for sql in (
        "grant usage on schema app to pgrb_app",
        'grant select on "Tbl" to pgrb_app with grant option',
        "set role pgrb_app",
        'grant select on "Tbl" to pgrb_anon',
        "reset role",
    ):
        on.execute(sql)
    revoke, grant = planned(on, 'revoke select on "Tbl" from pgrb_anon; grant select on v to pgrb_app')
    seen = revoke.state(on)
    assert seen.state is State.DIFFERENT
    assert "SELECT of pgrb_anon by pgrb_app" in seen.detail
    (held,) = planned(on, 'grant select on "Tbl" to pgrb_anon')
    assert held.state(on).state is State.PRESENT
    assert grant.state(on).state is State.ABSENT


def test_what_public_holds__is_told(on: db.Database) -> None:  # noqa: F811
    """A REVOKE from one role changes nothing for it as long as everybody may."""
    (revoke,) = planned(on, "revoke execute on function f(text) from pgrb_anon")
    seen = revoke.state(on)
    assert (seen.state, seen.detail) == (State.PRESENT, "PUBLIC holds EXECUTE, and so do they")
