"""ALTER POLICY: its state by what the server makes of it, an undo that sets back what it set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from pgrunbook import db, errors
from pgrunbook.changes import State

SCHEMA = (
    "create table t (id int primary key, owner int, who text)",
    "create policy r on t for select using (owner = 1)",
    "comment on policy r on t is 'it''s r'",
    "create policy w on t for update to pg_monitor using (true)",
    "comment on policy w on t is 'w'",
)


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a table with two policies."""
    database.run(*SCHEMA)
    with database.connect() as opened:
        yield opened


def test_forth_and_back__sets_back_what_it_set(on: db.Database) -> None:
    """In place where the server can, so that a comment stays; else dropped and made again, comment and all."""
    assert forth_and_back(on, "alter policy r on t using (owner = 2)") == [
        "alter policy r on public.t using ((owner = 1))"
    ]
    assert forth_and_back(on, "alter policy w on public.t to public, pg_read_all_stats") == [
        "alter policy w on public.t to pg_monitor"
    ]
    again = forth_and_back(on, "alter policy w on t to public using (owner = 3) with check (owner = 4)")
    assert [sql.partition(" w ")[0] for sql in again] == ["drop policy", "create policy", "comment on policy"]
    forth_and_back(on, "alter policy r on t using (id = 1); alter policy r on t to pg_monitor using (id = 2)")
    forth_and_back(on, "create policy n on t using (true); alter policy n on t using (owner = 9)")


def test_state__is_present_only_as_the_server_would_leave_it(on: db.Database) -> None:
    """Whatever the spelling; an altered policy that is not there is no change to carry out."""
    assert state(on, "alter policy r on t using (((owner) = 1))") == "present"
    assert state(on, "alter policy r on t to public") == "present"
    assert state(on, "alter policy r on t to pg_monitor") == "absent"
    assert state(on, "alter policy nothing on t to pg_monitor") == "different"
    (change,) = planned(on, "alter policy nothing on t to pg_monitor")
    with pytest.raises(errors.PreflightFailed, match=r"no policy public\.t\.nothing"):
        change.planned(on)


def test_since__leaves_what_somebody_else_changed(on: db.Database) -> None:
    """Also where it is another part than the one that was altered."""
    (change,) = planned(on, "alter policy r on t to pg_monitor")
    captured = change.capture(on)
    run(on, change.apply(change.state(on)))
    assert change.since(on, captured).state is State.PRESENT
    on.execute("alter policy r on t using (owner = 77)")
    assert change.since(on, captured).state is State.DIFFERENT
    on.execute("drop policy r on t")
    assert change.since(on, captured).state is State.DIFFERENT


def test_rename__is_a_kind_of_its_own() -> None:
    """It is another statement to PostgreSQL's grammar."""
    assert [c.kind for c in typed("alter policy r on t rename to s")] == ["rename"]
