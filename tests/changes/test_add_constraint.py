"""ADD CONSTRAINT: every form of it in a safe form, its state whatever the spelling, and the way back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state, statements, typed
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, db, errors
from pgrunbook.changes import Observation, State
from pgrunbook.changes.add_constraint import AddConstraint

SCHEMA = (
    "create schema app",
    "create schema other",
    "create table other.t (x int, y int, primary key (x, y))",
    'create table app."O o" (id int primary key, code text unique, unique (id, code))',
    """insert into app."O o" select i, 'c' || i from generate_series(1, 5) i""",
    'create table app.t (a int, b int, "C c" text, r int4range, id int)',
    "insert into app.t select i, i, 'c' || i, int4range(i, i + 1), i from generate_series(1, 5) i",
    "create table app.parted (id int, a int) partition by range (id)",
    "create table app.p1 partition of app.parted for values from (0) to (10)",
    "insert into app.parted values (1, 1)",
    "create table app.parent (a int)",
    "create table app.child () inherits (app.parent)",
)
# one name, all different
FORMS = (
    "check (a > 0)",
    "check (a > 1 - 1) no inherit",
    "check (a > 0 and \"C c\" in ('c1', 'c2', 'c3', 'c4', 'c5'))",
    'foreign key (a) references "O o"',
    'foreign key (a) references "O o" (id) match full on update cascade on delete set default deferrable',
    'foreign key (a, "C c") references "O o" (id, code) on delete restrict deferrable initially deferred',
    "unique (a)",
    "unique (a, b)",
    'unique (b) include (a, "C c") with (fillfactor = 70)',
    "unique (a) deferrable initially deferred",
    "primary key (a, id)",
)
SPELLINGS = (
    ("check (a in (1, 2, 3, 4, 5))", "check (a = any (array[1, 2, 3, 4, 5]))"),
    ("check (a between 0 and 9)", "check ((a >= 0) and (a <= 9))"),
    ('foreign key (a) references "O o"', 'foreign key (a) references app."O o" (id) match simple on delete no action'),
    ("unique (a)", 'unique ("a") not deferrable'),
)


@pytest.fixture
def on(version_place: Place) -> Iterator[db.Database]:
    """A session of the library's on every version."""
    version_place.run(*SCHEMA)
    with db.connect(db.parse_target(version_place.target), search_path=["app"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Named and not, on a plain table, one with children, and a partitioned one."""
    for form in FORMS:
        forth_and_back(on, f'alter table t add constraint "K k" {form}')
        forth_and_back(on, f"alter table only app.t add {form}")
    forth_and_back(on, "alter table parent add check (a > 0)")
    forth_and_back(on, "alter table parted add check (a > 0), add constraint k check (a < 9) not valid")
    if on.version >= 180000:
        forth_and_back(on, 'alter table parted add foreign key (a) references "O o"')
        forth_and_back(on, "alter table t add constraint e check (a > 100) not enforced")
    if on.version >= 150000:
        forth_and_back(on, "alter table t add unique nulls not distinct (b)")
        forth_and_back(on, "alter table t add foreign key (a, b) references other.t on delete set null (b) not valid")


def test_state__is_of_the_definition_and_not_of_the_name(on: db.Database) -> None:
    """No two forms are taken for one another; other spellings of one are it."""
    wanted = {form: planned(on, f"alter table t add constraint k {form}")[-1] for form in FORMS}
    for built in FORMS:
        on.execute(f"alter table t add constraint k {built}")
        present = [form for form, change in wanted.items() if change.state(on).state is State.PRESENT]
        assert present == [built]
        found = next(c.state(on) for form, c in wanted.items() if form != built)
        assert (found.state, "; found: " in found.detail) == (State.DIFFERENT, True)
        on.execute("alter table t drop constraint k")
    for one, other in SPELLINGS:
        for built, written in ((one, other), (other, one)):
            on.execute(f"alter table t add constraint k {built}")
            assert state(on, f"alter table t add constraint k {written}") == "present", written
            on.execute("alter table t drop constraint k")
    assert on.value("select count(*) from pg_class where relpersistence = 't'") == 0


def test_state__is_told_at_each_step_and_gone_on_from(on: db.Database) -> None:
    """What is done of it is not done again, and an undo takes all of it back from anywhere."""
    for form in FORMS:
        change = planned(on, f"alter table t add constraint k {form}")[-1]
        phases = change.apply(change.state(on))
        captured = change.capture(on)
        assert len(phases) == 2, form
        run(on, phases[:1])
        half = change.state(on)
        assert half.state is State.INVALID, form
        assert statements(change.apply(half)) == statements(phases[1:])
        again = changes.again(change.kind, change.resolved_sql(), {}, 1)
        run(on, again.undo(captured))
        assert again.since(on, captured).state is State.ABSENT
        assert change.state(on).state is State.ABSENT


def test_apply__says_what_it_locks(on: db.Database) -> None:
    """Briefly what blocks, long what does not."""

    def locks(text: str) -> list[str]:
        change = planned(on, text)[-1]
        return [s.lock.value for s in statements(change.apply(Observation(State.ABSENT)))]

    assert locks("alter table t add check (a > 0)") == ["ACCESS EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"]
    assert locks('alter table t add foreign key (a) references "O o"') == [
        "SHARE ROW EXCLUSIVE",
        "SHARE UPDATE EXCLUSIVE",
    ]
    assert locks("alter table t add unique (a)") == ["SHARE UPDATE EXCLUSIVE", "ACCESS EXCLUSIVE"]
    assert locks("alter table t add check (a > 0) not valid") == ["ACCESS EXCLUSIVE"]
    (key,) = planned(on, 'alter table t add foreign key (a) references "O o"')
    assert 'written, it reads the whole of app.t while writes to it and app."O o" are blocked' in key.lint()[0]
    assert key.lint()[1].startswith('locks app."O o" too: SHARE ROW EXCLUSIVE')


def test_not_valid_before__is_validated_and_comes_back_so(on: db.Database) -> None:
    """With its comment; the remains of a failure are what stood there before."""
    on.execute("alter table t add constraint k check (a > 0) not valid")
    on.execute("comment on constraint k on t is 'it''s mine'")
    (change,) = planned(on, "alter table t add constraint k check (a > 0)")
    seen, captured = change.state(on), change.capture(on)
    assert (seen.state, len(change.apply(seen))) == (State.INVALID, 1)
    run(on, change.apply(seen))
    assert change.state(on).state is State.PRESENT
    run(on, change.undo(captured))
    assert change.since(on, captured).state is State.ABSENT
    assert change.clear(seen, captured) == []
    assert on.value("select obj_description(oid) from pg_constraint where conname = 'k'") == "it's mine"
    assert state(on, "alter table t add constraint k check (a > 0) not valid") == "present"


def test_an_index_of_the_author__is_taken_over_and_comes_back(on: db.Database) -> None:
    """Under its own name and with its comment; also where it was made by the same migration."""
    on.execute("create unique index idx on t (a)")
    on.execute("comment on index idx is 'one each'")
    forth_and_back(on, "alter table t add primary key using index idx")
    forth_and_back(on, "alter table t add constraint k unique using index idx deferrable")
    text = "create unique index i on t (b); alter table t add constraint k unique using index i"
    back = forth_and_back(on, text)
    assert "CREATE UNIQUE INDEX CONCURRENTLY i" in " ".join(back)
    run(on, [p for c in planned(on, text) for p in c.apply(Observation(State.ABSENT))])
    assert [c.state(on).state for c in planned(on, text)] == [State.PRESENT, State.PRESENT]


def test_a_valid_index_of_its_name__is_used_and_comes_back(on: db.Database) -> None:
    """Somebody had built it beforehand; another one of that name stops the plan."""
    on.execute("create unique index k on t (a)")
    (change,) = planned(on, "alter table t add constraint k unique (a)")
    seen, captured = change.state(on), change.capture(on)
    assert len(change.apply(seen)) == 1
    run(on, change.apply(seen))
    run(on, change.undo(captured))
    assert change.since(on, captured).state is State.ABSENT
    assert on.value("select indisvalid from pg_index where indexrelid = 'k'::regclass")
    assert state(on, "alter table t add constraint k unique (b)") == "different"


def test_what_blocks_until_it_is_done__has_to_be_accepted(on: db.Database) -> None:
    """An exclusion constraint, a key of a partitioned table; before 18 its foreign key. An empty table needs no word."""
    forms = ["alter table t add constraint k exclude using gist (r with &&)", "alter table parted add unique (id)"]
    forms += ['alter table parted add foreign key (a) references "O o"'] if on.version < 180000 else []
    for text in forms:
        with pytest.raises(errors.PreflightFailed, match=r"line 1 of migrate.sql blocks app.\w+ \(.*\) until") as e:
            planned(on, text)
        assert "accept it: concurrently = false under [objects." in e.value.remedy
        (change,) = planned(on, text, concurrently=False)
        captured = change.capture(on)
        (phase,) = change.apply(Observation(State.ABSENT))
        assert len(phase.statements) == 1
        run(on, [phase])
        assert change.state(on).state is State.PRESENT
        assert planned(on, text)[0].state(on).state is State.PRESENT
        run(on, changes.again(change.kind, change.resolved_sql(), change.options.model_dump(), 1).undo(captured))
        assert change.state(on).state is State.ABSENT
    on.execute("truncate t")
    assert "blocks app.t until it is done" in planned(on, forms[0])[0].lint()[0]


def test_accepted_as_written__is_one_statement(on: db.Database) -> None:
    """For a maintenance window."""
    for form in FORMS:
        change = planned(on, f"alter table t add constraint k {form}", concurrently=False)[-1]
        assert len(statements(change.apply(Observation(State.ABSENT)))) == 1
        run(on, change.apply(Observation(State.ABSENT)))
        assert change.state(on).state is State.PRESENT
        run(on, change.undo({}))
        assert change.state(on).state is State.ABSENT


def test_a_bad_row__fails_and_leaves_nothing_in_the_way(project: Project, database: Place) -> None:
    """Neither a constraint that would refuse rows nor an index that would."""
    database.run("create table t (id int primary key, a int)", "insert into t values (1, -1), (2, -1)")
    for name, form, sqlstate in (("k", "check (a > 0)", "23514"), ("u", "unique (a)", "23505")):
        project.runbook(name, f"alter table t add constraint k {form};")
        run_id = project.stage("baseline", name, database.target).run_id
        with pytest.raises(errors.StatementFailed) as e:
            project.stage("migrate", name, database.target, run_id=run_id)
        assert e.value.sqlstate == sqlstate
        assert database.run("select to_regclass('k'), count(*) from pg_constraint where conname = 'k'") == [(None, 0)]


def test_labels_and_names__are_those_of_the_server() -> None:
    """A constraint without a name is known by the one that the server will give it."""
    first, second, key = typed('alter table s.t add check (a > 0), add constraint "K" unique (a), add primary key (a)')[
        :3
    ]
    assert isinstance(first, AddConstraint)
    assert [c.label for c in (first, second)] == ["t.t_a_check", "t.K"]
    assert (key.kind, key.label) == ("set_not_null", "t.a")
    assert second.idents == ('constraint s.t."K"', 'index s."K"', 'invalid index s."K"')


@pytest.mark.parametrize(
    "text",
    [
        "alter domain d add constraint k check (value > 0)",
        "alter table t add constraint k not null a",
        "alter foreign table t add check (a > 0)",
    ],
)
def test_a_constraint_of_something_else__is_raw_sql(text: str) -> None:
    """Of a domain, of a foreign table; NOT NULL with a name of its own."""
    assert [c.kind for c in typed(text)] == ["raw_sql"]


def test_dropped_and_made_anew__is_carried_out_and_undone_in_turn(on: db.Database) -> None:
    """The new one may bear the old one's name."""
    on.execute("alter table t add constraint k check (a > 0)")
    forth_and_back(on, "alter table t drop constraint k; alter table t add constraint k check (a > 0 and b > 0)")
    forth_and_back(on, "alter table t drop constraint k, add constraint k unique (a)")
