"""UPDATE: which ones are known, what is refused, what the plan says of it, and its state in a real catalog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fix_databases import Place, made
from pgrunbook import changes, db, errors, sqlfile
from pgrunbook.changes import NOTHING_THERE, LockMode, State, Walk, backfill
from pgrunbook.changes.backfill import Backfill

SCHEMA = """
create schema app;
create table app."Tbl" (id int, "Key" text, a int, "b c" text, j json, primary key ("Key", id));
insert into app."Tbl" select i, 'k', case when i > 50 then i end, null, '{}' from generate_series(1, 100) i;
create table app.keyless (a int);
create table app.ruled (id int primary key, a int);
create rule "R r" as on update to app.ruled do also nothing;
create table app.parent (id int primary key, a int);
create table app.child () inherits (app.parent);
create table app.other (id int primary key, a int);
create view app.v as select * from app."Tbl";
create view app.vv as select v.* from app.v cross join app.other;
create table app.p (id int primary key, a int) partition by range (id);
create table app.p1 partition of app.p for values from (0) to (1000);
create function app.touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger on_a before update of a on app.p1 for each row execute function app.touch();
create trigger on_insert before insert on app.p1 for each row execute function app.touch();
alter table app.other enable row level security;
alter table app.other force row level security;
analyze app."Tbl";
"""
UNKNOWN = [
    "with x as (select 1) update t set a = 1",
    "update t set a = 1 returning a",
    "update t set a = 1 where current of c",
    "update t set (a, b) = (1, 2)",
    "update t set (a, b) = (select 1, 2)",
    "update t set a = default",
    "update t set a[1] = 1",
    "update t set a.b = 1",
]
REFUSED = {
    "update keyless set a = 1": "app.keyless has no primary key",
    'update "Tbl" set id = 1': "id is in the primary key",
    "update parent set a = 1": "tables that inherit from it",
    "update ruled set a = 1": 'rules on UPDATE ("R r")',
    "update v set a = 1": "app.v is a view",
    "update nowhere set a = 1": "nowhere does not exist",
}
READS_ITSELF = {
    'update "Tbl" t set a = 1 from other o where o.id = t.id': "",
    'update "Tbl" set a = (select max(o.a) from other o) where a is null': "",
    'update "Tbl" t set a = x.a from app."Tbl" x where x.id = t.id - 1': 'app."Tbl"',
    'update "Tbl" set a = (select max(a) from "Tbl")': 'app."Tbl"',
    'update "Tbl" t set a = 1 where exists (select from (select * from vv) q where q.id = t.id)': "app.vv",
    "update p set a = (select count(*) from p1)": "app.p1",
    "update p1 set a = (select count(*) from p)": "app.p",
    "update only parent set a = (select count(*) from child)": "",
}


@pytest.fixture(scope="module")
def app(server: str) -> Iterator[Place]:
    """A database with tables of every sort."""
    with made(server) as place:
        place.run(SCHEMA)
        yield place


@pytest.fixture
def on(app: Place) -> Iterator[db.Database]:
    """A session of the library's on it."""
    with db.connect(db.parse_target(app.target), search_path=["app", "public"]) as opened:
        yield opened


def typed(text: str) -> changes.Change:
    """The one change of a text."""
    (change,) = changes.typed(sqlfile.split(text)[0], {}, {})
    return change


def planned(text: str, on: db.Database, acknowledged: str = "the trigger does nothing") -> Backfill:
    """The backfill of a text, resolved; what the plan would object to is raised."""
    change = typed(text)
    assert isinstance(change, Backfill)
    answered = replace(change, options=changes.ObjectOptions(acknowledge_loss=acknowledged))
    found = answered.resolve(changes.Names(on))
    if found.objection:
        raise found.objection
    return found


def walk(change: Backfill) -> Walk:
    """Its only phase."""
    (phase,) = change.apply(NOTHING_THERE)
    assert isinstance(phase, Walk)
    return phase


@pytest.mark.parametrize("text", UNKNOWN)
def test_an_update_that_can_not_be_taken_back_exactly__is_raw_sql(text: str) -> None:
    """Its values can't be told row by row, or it answers."""
    assert typed(text).kind == "raw_sql"


@pytest.mark.parametrize("text", REFUSED)
def test_an_update_that_batches_can_not_carry__is_refused_with_the_reason(text: str, on: db.Database) -> None:
    """Before anything is written, with the line and a remedy."""
    with pytest.raises(errors.PreflightFailed) as caught:
        planned(text, on)
    assert REFUSED[text] in caught.value.message
    assert "line 1 of migrate.sql" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("text", READS_ITSELF)
def test_an_update_that_reads_its_own_table__is_one_batch_and_says_so(text: str, on: db.Database) -> None:
    """Also through views of views and through the partitions of one tree; batches would see each other's work."""
    change = planned(text, on)
    assert change.reads_itself == READS_ITSELF[text]
    assert walk(change).at_once == bool(READS_ITSELF[text])
    assert ("in one transaction, since it reads" in change.lint()[0]) == bool(READS_ITSELF[text])


def test_the_parts_of_an_update__are_what_the_author_wrote(on: db.Database) -> None:
    """Names with quotes and blanks, an alias, a list of sources, strings with quotes."""
    text = """update only "Tbl" as "x y" set "b c" = 'it''s $1 %s', a = o.id + 1
              from other o join other q on q.id = o.id, lateral (select o.a) l
              where o.id = "x y".id or "x y"."b c" = 'a'"""
    found = walk(planned(text, on))
    assert found.relation == 'app."Tbl"'
    assert found.target == 'only app."Tbl"'
    assert found.alias == '"x y"'
    assert found.key == ("Key", "id")
    assert found.columns == ("b c", "a")
    assert found.values == ("'it''s $1 %s'", "o.id + 1")
    assert found.others == "other o JOIN other q ON q.id = o.id, LATERAL (SELECT o.a) l"
    assert found.condition == """o.id = "x y".id OR "x y"."b c" = 'a'"""
    assert found.statements[0].lock is LockMode.ROW_EXCLUSIVE
    assert str(found).startswith('-- in batches by the primary key ("Key", id), a commit each')


def test_the_ledgers_text_of_an_update__makes_a_change_that_undoes(on: db.Database) -> None:
    """Without a catalog: the key is in what was captured."""
    change = planned('update "Tbl" set a = 1 where a is null', on)
    sql = change.resolved_sql()
    assert 'app."Tbl"' in sql
    again = changes.again("backfill", sql, {}, 3)
    captured = change.capture(on) | {"kept": "kept_x", "rows": 3}
    (phase,) = again.undo(captured)
    assert isinstance(phase, Walk)
    assert (phase.back, phase.key, phase.relation) == (True, ("Key", "id"), 'app."Tbl"')
    assert [str(p) for p in change.undo({})] == [str(phase)]
    assert again.object == change.object == 'app."Tbl".a'
    assert again.since(on, captured).state is State.PRESENT
    assert again.since(on, {"key": ["id"]}).state is State.ABSENT
    assert again.undo(captured | {"kept": ""}) == []
    gone = changes.again("backfill", 'update app."Tbl" set nothing = 1', {}, 3)
    assert gone.since(on, captured).state is State.DIFFERENT


def test_two_updates_of_one_column__are_two_changes(on: db.Database) -> None:
    """A column may well be filled by several statements."""
    one, two = (
        changes.typed(s, {}, {})[0].resolve(changes.Names(on))
        for s in sqlfile.split("update other set a = 1 where id < 5; update other set a = 1 where id < 5")
    )
    assert one.object == two.object
    assert one.subject != two.subject


def test_the_state_of_an_update__is_what_a_quick_look_finds(on: db.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that the WHERE selects, none, no WHERE, a slow WHERE, a failing one, and a column that is not there yet."""
    monkeypatch.setattr(backfill, "_LOOK_MS", 60_000)  # a machine that is busy for a second makes no WHERE slow
    for text, state in {
        'update "Tbl" set a = 1 where a is null': State.ABSENT,
        'update "Tbl" set a = 1 where a < 0': State.PRESENT,
        'update "Tbl" set a = 1': State.UNKNOWN,
        'update "Tbl" set a = 1 where 1 / (id - 1) = 7': State.UNKNOWN,
        'update "Tbl" set later = 1 where later is null': State.ABSENT,
    }.items():
        assert planned(text, on).state(on).state is state, text
    (done,) = planned('update "Tbl" set a = 1 where a < 0', on).verify(on)
    (left,) = planned('update "Tbl" set a = 1 where a is null', on).verify(on)
    (not_known,) = planned('update "Tbl" set a = 1', on).verify(on)
    assert [c.verdict.value for c in (done, left, not_known)] == ["passed", "failed", "not_measurable"]
    assert not any(c.gates for c in (done, left, not_known))
    monkeypatch.setattr(backfill, "_LOOK_MS", 100)
    slow = planned('update "Tbl" set a = 1 where pg_sleep(2) is null', on).state(on)
    assert (slow.state, slow.detail) == (State.UNKNOWN, "no row that it selects was found within 0.1 s")


def test_the_notes_of_an_update__say_what_fires_and_what_binds(on: db.Database) -> None:
    """Triggers for these columns, on partitions too; forced row security; the time that differs from batch to batch."""
    with pytest.raises(errors.PreflightFailed, match=r"fires on_a on app\.p:"):
        planned("update p set a = 1 where a is null", on, acknowledged="")
    notes = planned("update p set a = 1 where a is null", on).lint()
    assert any(n.startswith("fires on_a on app.p:") for n in notes)
    assert not any("on_insert" in n or "now()" in n or "forced" in n for n in notes)
    assert any("forced on app.other" in n for n in planned("update other set a = 1", on).lint())
    for clock in ("now()", "current_timestamp"):
        assert any("now()" in n for n in planned(f"update p set a = extract(year from {clock})", on).lint())


def test_the_estimate_of_an_update__counts_the_rows_that_it_selects(on: db.Database) -> None:
    """The server's idea of them; before the column is there, of the table alone."""
    some = planned('update "Tbl" set a = 1 where a is null', on).estimate(on)
    every = planned('update "Tbl" set a = 1', on).estimate(on)
    assert 0 < some.bytes < every.bytes
    assert some.rows == every.rows == 100
    assert planned('update "Tbl" set later = 1', on).estimate(on).bytes == 0
