"""COMMENT ON: found without a lock on every sort of object, and the old text comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from changes.test_grant import planned, run, typed
from fix_databases import Place, made
from pgrunbook import changes, db, errors, fingerprint
from pgrunbook.changes import LockMode, State

SCHEMA = """
create schema app;
create table app."Tbl" (id int primary key check (id > 0), "B b" text);
create view app.v as select 1 as x;
create rule r as on insert to app.v do instead nothing;
create materialized view app.mv as select 1 as x;
create sequence app.s;
create type app."Mood" as enum ('sad');
create domain app.d as text constraint given check (value <> '');
create function app.f(a int, b text[] default '{}') returns int language sql as 'select 1';
create function app.t() returns trigger language plpgsql as 'begin return new; end';
create policy "The p" on app."Tbl";
create trigger t before update on app."Tbl" for each row execute function app.t();
create index i on app."Tbl" ("B b");
create statistics app.st on id, "B b" from app."Tbl";
create extension cube schema app;
comment on extension cube is null;
"""
OBJECTS = [
    ('table "Tbl"', 'table app."Tbl"', LockMode.SHARE_UPDATE_EXCLUSIVE),
    ("view v", "view app.v", LockMode.SHARE_UPDATE_EXCLUSIVE),
    ("materialized view mv", "materialized view app.mv", LockMode.SHARE_UPDATE_EXCLUSIVE),
    ("sequence s", "sequence app.s", LockMode.SHARE_UPDATE_EXCLUSIVE),
    ("index app.i", "index app.i", LockMode.SHARE_UPDATE_EXCLUSIVE),
    ('column "Tbl"."B b"', 'column app."Tbl"."B b"', LockMode.SHARE_UPDATE_EXCLUSIVE),
    ("column v.x", "column app.v.x", LockMode.SHARE_UPDATE_EXCLUSIVE),
    ('constraint "Tbl_id_check" on "Tbl"', 'constraint "Tbl_id_check" on app."Tbl"', LockMode.ACCESS_SHARE),
    ('policy "The p" on "Tbl"', 'policy "The p" on app."Tbl"', LockMode.ACCESS_SHARE),
    ('trigger t on app."Tbl"', 'trigger t on app."Tbl"', LockMode.ACCESS_SHARE),
    ("rule r on v", "rule r on app.v", LockMode.ACCESS_SHARE),
    ("function f", "function app.f(integer,text[])", LockMode.NONE),
    ("routine f(int, varchar[])", "", LockMode.NONE),
    ("function app.f(a int4, b _text)", "function app.f(integer,text[])", LockMode.NONE),
    ("schema app", "schema app", LockMode.NONE),
    ('type "Mood"', 'type app."Mood"', LockMode.NONE),
    ("domain d", "domain app.d", LockMode.NONE),
    ("statistics st", "statistics app.st", LockMode.NONE),
    ("extension cube", "extension cube", LockMode.NONE),
]
NOT_KNOWN = [
    "comment on database d is 'x'",
    "comment on role r is 'x'",
    "comment on constraint given on domain d is 'x'",
    "comment on aggregate a(int) is 'x'",
    "comment on cast (int as text) is 'x'",
    "comment on procedure p(out int) is 'x'",
    "comment on column a.b.c.d is 'x'",
    "comment on function f(t.c%type) is 'x'",
]


@pytest.fixture(scope="module")
def app(server: str) -> Iterator[Place]:
    """A database with one object of each sort."""
    with made(server) as place:
        place.run(SCHEMA)
        yield place


@pytest.fixture
def on(app: Place) -> Iterator[db.Database]:
    """A session of the library's on it."""
    with db.connect(db.parse_target(app.target), search_path=["app", "public"]) as opened:
        yield opened


@pytest.mark.parametrize("statement", NOT_KNOWN)
def test_a_comment_on_what_has_no_address_here__is_raw_sql(statement: str) -> None:
    """Shared objects, and those that are looked up in ways of their own."""
    assert typed(statement)[0].kind == "raw_sql"


@pytest.mark.parametrize(("written", "address", "lock"), OBJECTS)
def test_a_comment__is_made_replaced_and_taken_back(
    on: db.Database, app: Place, written: str, address: str, lock: LockMode
) -> None:
    """Of every sort: absent, present, undone from what the ledger keeps; while a lock is held, and with no lock."""
    if not address:
        with pytest.raises(errors.PreflightFailed, match="does not exist"):
            planned(on, f"comment on {written} is 'x'")
        return
    before = fingerprint.objects(on, "pgrunbook")
    for old, new in ((None, "it's \\ a\nline"), ("old", "new"), ("old", None)):
        spelled = "null" if new is None else f"E'{new}'".replace("\\ ", "\\\\ ").replace("it's", "it''s")
        if old:
            app.run(f"comment on {address} is '{old}'")
        was = fingerprint.objects(on, "pgrunbook")
        (change,) = planned(on, f"comment on {written} is {spelled}")
        assert change.subject == f"comment on {address}"
        captured = change.capture(on)
        with app.session() as other, other.transaction():
            if change.relation and "index" not in address and "sequence" not in address and " m" not in f" {address}":
                other.execute(f"lock table {change.relation} in access exclusive mode")
            assert change.state(on).state is State.ABSENT
        (phase,) = change.apply(change.state(on))
        assert [(s.lock, s.relation) for s in phase.statements] == [(lock, change.relation)]
        run(on, [phase])
        assert change.state(on).state is State.PRESENT
        assert (f"comment {change.idents[0].removeprefix('comment ')}" in fingerprint.objects(on, "pgrunbook")) == bool(
            new
        )
        known = changes.again(change.kind, change.resolved_sql(), {}, 1)
        assert (known.object, known.subject) == (change.object, change.subject)
        assert known.since(on, captured).state is State.PRESENT
        run(on, known.undo(captured))
        assert known.since(on, captured).state is State.ABSENT
        assert not fingerprint.differing(was, fingerprint.objects(on, "pgrunbook"))
    app.run(f"comment on {address} is null")
    assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))


def test_a_comment_on_what_is_not_there_yet__is_absent(on: db.Database) -> None:
    """What an earlier change makes: a column, an index's table, a view, a function."""
    text = (
        'alter table "Tbl" add column c int; comment on column "Tbl".c is \'new\';'
        "create view w as select 1 as x; comment on view w is 'new'; comment on column w.x is 'new';"
        "create function g(a int) returns int language sql as 'select 1'; comment on function g(int) is 'new'"
    )
    found = [c for c in planned(on, text) if c.kind == "comment"]
    assert [c.object for c in found] == ['app."Tbl".c', "app.w", "app.w.x", "app.g(integer)"]
    for change in found:
        assert change.state(on).state is State.ABSENT
        assert change.capture(on) == {"before": None}
        assert change.since(on, {"before": None}).state is State.ABSENT
        assert change.undo({"before": None})[0].statements[0].sql.endswith(" is null")


def test_two_comments_on_one_object__are_both_done_when_the_last_is(on: db.Database) -> None:
    """And a comment that somebody changed since is left."""
    first, second = planned(on, "comment on view v is 'a'; comment on view v is 'b'")
    assert second.may_follow(first)
    captured = first.capture(on)
    run(on, second.apply(second.state(on)))
    assert first.state(on).state is second.state(on).state is State.PRESENT
    assert first.since(on, captured).state is State.DIFFERENT
    assert second.since(on, second.capture(on)).state is State.ABSENT
    run(on, second.undo({}))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("\ncomment on table nowhere is 'x'", "nowhere does not exist .*line 2"),
        ("comment on table v is 'x'", "app.v is a view"),
        ("comment on type mood is 'x'", "type mood does not exist"),
        ("comment on policy p on nowhere is 'x'", "nowhere does not exist"),
    ],
)
def test_a_comment_that_can_not_be_planned__names_the_line(on: db.Database, statement: str, reason: str) -> None:
    """A missing object, or one of another sort."""
    with pytest.raises(errors.PreflightFailed, match=reason):
        planned(on, statement)
