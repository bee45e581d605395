"""CREATE and ALTER SEQUENCE: known by its settings, which come back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, typed
from fix_databases import Place
from pgrunbook import changes, db, errors
from pgrunbook.changes import LockMode, State

SCHEMA = """
create schema app;
create table app.t (id serial, n int generated always as identity, "C c" int);
create sequence app.s as int start 7 increment 2 maxvalue 1000 cache 3
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a table and a sequence."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Made, altered, both in one migration, and altered twice."""
    for text in (
        "create sequence x",
        'create sequence if not exists "X ä" as smallint increment -2 minvalue -30 start -5 cycle owned by t."C c"',
        "create sequence public.x owned by none",
        "alter sequence s as bigint increment by -5 minvalue -9 cycle owned by t.id",
        "alter sequence if exists app.s no maxvalue cache 9",
        "alter sequence t_id_seq owned by none",
        "create sequence x; alter sequence x cache 4 owned by t.id; alter sequence x cache 5 maxvalue 70",
        "alter sequence s cache 9; alter sequence s increment 3; alter sequence s owned by t.id; alter sequence s cache 8 cycle",
        "create table u (a serial, b int); alter sequence u_a_seq cache 4; alter sequence u_a_seq owned by u.b",
    ):  # fmt: skip
        done = [c for c in planned(on, text) if c.standing(on).state is State.PRESENT]
        if not done:
            forth_and_back(on, text)
        assert len(done) <= 1


def test_state__is_told_by_the_settings(on: db.Database) -> None:
    """Whatever is left out has its default; an ALTER is done where it would change nothing."""
    same = "create sequence app.s as integer minvalue 1 maxvalue 1000 start with 7 increment by 2 cache 3 no cycle"
    assert state(on, same) == "present"
    for old, new in (("1000", "1001"), ("integer", "smallint"), ("7", "8"), ("by 2", "by 3"), ("cache 3", ""),
                     ("no cycle", "cycle"), ("no cycle", "owned by app.t.id"), ("sequence", "sequence if not exists")):  # fmt: skip
        assert state(on, same.replace(old, new)) == ("present" if "exists" in new else "different"), new
    assert state(on, "create sequence t") == "different"
    on.execute("create table numbered (n int generated always as identity)")
    assert state(on, "create sequence numbered_n_seq as int owned by numbered.n") == "different"
    for text, expected in (
        ("cache 3 increment 2", "present"), ("cache 4", "absent"), ("owned by none", "present"),
        ("as int", "present"), ("as bigint", "absent"), ("owned by t.id", "absent"),
    ):  # fmt: skip
        assert state(on, f"alter sequence s {text}") == expected, text
    assert state(on, "alter sequence t_n_seq owned by t.id") == "different"
    assert state(on, 'alter sequence t_id_seq owned by t."C c"') == "absent"


def test_altered_by_another_since__is_left(on: db.Database) -> None:
    """The undo sets back its own settings alone."""
    (change,) = planned(on, "alter sequence s cache 9")
    captured = change.capture(on)
    assert captured["before"].startswith("sequence as integer increment by 2 minvalue 1 maxvalue 1000 start with 7")
    run(on, change.apply(change.state(on)))
    on.execute("alter sequence s maxvalue 2000")
    known = changes.again("alter_sequence", change.resolved_sql(), {}, 1)
    assert known.since(on, captured).state is State.PRESENT
    ((undo,),) = [p.statements for p in known.undo(captured)]
    assert (undo.sql, undo.lock) == ("alter sequence app.s cache 3", LockMode.SHARE_ROW_EXCLUSIVE)
    on.execute("alter sequence s cache 8")
    assert known.since(on, captured).state is State.DIFFERENT


def test_names_that_are_not_there__are_refused_with_their_line(on: db.Database) -> None:
    """A sequence, or the table that is to own it."""
    for text in ("alter sequence nowhere cache 3", "alter sequence t cache 3", "create sequence x owned by nowhere.id"):
        with pytest.raises(errors.PreflightFailed, match=r"line 1 of migrate\.sql"):
            planned(on, text)


def test_other_forms__are_raw_sql() -> None:
    """RESTART is data; a temporary sequence ends with its session."""
    for text in ("alter sequence s restart", "alter sequence s cache 3 restart with 5", "create temp sequence s"):
        assert [c.kind for c in typed(text)] == ["raw_sql"]
