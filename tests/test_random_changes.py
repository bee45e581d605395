"""Random migrations on random schemas: an undo always restores what was there, or had said before that it can't."""

from __future__ import annotations

import pathlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from cases import Case
from fix_databases import Place
from fix_harness import Course, Recorder, Rig, after_a_fault, new_run
from pgrunbook import errors

SEEDS = [pytest.param(n, marks=() if n < 3 else pytest.mark.servers) for n in range(20)]
ROLES = ("pgrb_reader", "pgrb_writer")
TYPES = {
    "int": "i",
    "text": "'x' || i",
    "timestamptz": "now()",
    "jsonb": "'{}'",
    "boolean": "i % 2 = 0",
    "numeric(8, 2)": "i",
}
NAMES = ("a", "b_1", "Mixed", "two words", "select", "ünïcode", 'q"uote')


def q(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Table:
    name: str
    columns: dict[str, str]
    nullable: set[str]


@dataclass
class World:
    """A schema as the generator believes it to be, so that each statement it writes is a valid one."""

    random: random.Random
    tables: list[Table] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)
    constraints: list[tuple[str, str]] = field(default_factory=list)
    policies: list[tuple[str, str]] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)
    used: int = 0

    def new(self, kind: str) -> str:
        self.used += 1
        return f"{kind}_{self.used} {self.random.choice(NAMES)}"

    def table(self) -> Table:
        return self.random.choice(self.tables)

    def column(self, table: Table, *types: str) -> str | None:
        fitting = [c for c, t in table.columns.items() if not types or t in types]
        return self.random.choice(fitting) if fitting else None

    def setup(self) -> list[str]:
        made = []
        for number in range(2):
            names = self.random.sample(NAMES, 4)
            types = self.random.choices(list(TYPES), k=4)
            table = Table(f"t{number} {self.random.choice(NAMES)}", dict(zip(names, types, strict=True)), set(names))
            columns = ", ".join(f"{q(c)} {t}" for c, t in table.columns.items())
            values = ", ".join(TYPES[t] for t in types)
            rows = self.random.choice((0, 1, 150))
            made += [
                f"create table {q(table.name)} (id bigint primary key, {columns})",
                f"insert into {q(table.name)} select i, {values} from generate_series(1, {rows}) i",
            ]
            self.tables.append(table)
        for write in (index, policy, function, view, grant, comment, check):
            made += [s for s in [write(self)] if s] if self.random.random() < 0.6 else []
        return made


def index(w: World) -> str:
    table, name = w.table(), w.new("i")
    columns = w.random.sample(list(table.columns), w.random.randint(1, 2))
    keys = ", ".join(q(c) + w.random.choice(("", " desc", " nulls first")) for c in columns)
    where = w.random.choice(("", "", f" where {q(columns[0])} is not null"))
    include = w.random.choice(("", " include (id)"))
    w.indexes[name] = table.name
    return f"create index {w.random.choice(('', 'concurrently '))}{q(name)} on {q(table.name)} ({keys}){include}{where}"


def drop_index(w: World) -> str | None:
    if not w.indexes:
        return None
    name = w.random.choice(list(w.indexes))
    del w.indexes[name]
    return f"drop index {w.random.choice(('', 'concurrently '))}{q(name)}"


def column(w: World) -> str:
    table, name = w.table(), w.new("c")
    kind = w.random.choice(list(TYPES))
    default = (
        w.random.choice(("", " default null"))
        if kind != "int"
        else w.random.choice(("", " default 5", " not null default 7"))
    )
    table.columns[name] = kind
    if "not null" not in default:
        table.nullable.add(name)
    return f"alter table {q(table.name)} add column {q(name)} {kind}{default}"


def not_null(w: World) -> str | None:
    table = w.table()
    # a column that was there from the start is filled
    fitting = [c for c in table.nullable if not c.startswith("c_")]
    if not fitting:
        return None
    name = w.random.choice(sorted(fitting))
    table.nullable.discard(name)
    return f"alter table {q(table.name)} alter column {q(name)} set not null"


def check(w: World) -> str:
    table, name = w.table(), w.new("k")
    first = next(iter(table.columns))
    w.constraints.append((table.name, name))
    return f"alter table {q(table.name)} add constraint {q(name)} check ({q(first)} is not null or id > 0)"


def unique(w: World) -> str:
    table, name = w.table(), w.new("u")
    w.constraints.append((table.name, name))
    return f"alter table {q(table.name)} add constraint {q(name)} unique (id, {q(next(iter(table.columns)))})"


def foreign_key(w: World) -> str:
    table, other, name = w.table(), w.tables[0], w.new("f")
    w.constraints.append((table.name, name))
    return f"alter table {q(table.name)} add constraint {q(name)} foreign key (id) references {q(table.name if table is not other else other.name)}"


def drop_constraint(w: World) -> str | None:
    if not w.constraints:
        return None
    table, name = w.constraints.pop(w.random.randrange(len(w.constraints)))
    return f"alter table {q(table)} drop constraint {q(name)}"


def policy(w: World) -> str:
    table, name = w.table(), w.new("p")
    command = w.random.choice(("all", "select", "update", "delete"))
    w.policies.append((table.name, name))
    return f"create policy {q(name)} on {q(table.name)} for {command} to {w.random.choice(('public', *ROLES))} using (id > {w.random.randint(0, 9)})"


def alter_policy(w: World) -> str | None:
    if not w.policies:
        return None
    table, name = w.random.choice(w.policies)
    return f"alter policy {q(name)} on {q(table)} using (id between 1 and {w.random.randint(2, 99)})"


def drop_policy(w: World) -> str | None:
    if not w.policies:
        return None
    table, name = w.policies.pop(w.random.randrange(len(w.policies)))
    return f"drop policy {w.random.choice(('', 'if exists '))}{q(name)} on {q(table)}"


def security(w: World) -> str:
    word = w.random.choice(("enable", "disable", "force", "no force"))
    return f"alter table {q(w.table().name)} {word} row level security"


def function(w: World) -> str:
    if w.functions and w.random.random() < 0.5:
        name = w.random.choice(w.functions)
    else:
        name = w.new("fn")
        w.functions.append(name)
    kind = w.random.choice(("stable", "immutable", "volatile", "stable security definer set search_path = ''"))
    return f"create or replace function {q(name)}(x int) returns int language sql {kind} as $$ select x + {w.random.randint(0, 99)} $$"


def view(w: World) -> str:
    table = w.table()
    if w.views and w.random.random() < 0.4:
        name, source = w.random.choice(list(w.views.items()))
        return f"create or replace view {q(name)} as select id from {q(source)} where id > {w.random.randint(0, 99)}"
    name = w.new("v")
    w.views[name] = table.name
    return f"create view {q(name)} as select id from {q(table.name)}"


def grant(w: World) -> str:
    what = w.random.choice(("select", "insert, update", "all", "select (id)"))
    role = w.random.choice(("public", *ROLES))
    if w.functions and w.random.random() < 0.4:
        word = w.random.choice(("grant execute on function {} to {}", "revoke execute on function {} from {}"))
        return word.format(f"{q(w.random.choice(w.functions))}(int)", role)
    word = w.random.choice((f"grant {what} on {{}} to {{}}", f"revoke {what} on {{}} from {{}}"))
    return word.format(q(w.random.choice([w.table().name, *w.views])), role)


def comment(w: World) -> str:
    table = w.table()
    text = w.random.choice(("null", "'it''s one'", "'x'"))
    named = w.column(table)
    target = w.random.choice((f"table {q(table.name)}", f"column {q(table.name)}.{q(named or 'id')}"))
    return f"comment on {target} is {text}"


def backfill(w: World) -> str | None:
    table = w.table()
    name = w.column(table, "int", "text", "boolean")
    if name is None:
        return None
    value = {"int": f"{q(name)} + 1", "text": "'new'", "boolean": "true"}[table.columns[name]]
    if name in table.nullable and w.random.random() < 0.3:
        return f"update {q(table.name)} set {q(name)} = {value.removeprefix(q(name) + ' + ')} where {q(name)} is null"
    return f"update {q(table.name)} set {q(name)} = {value} where id % {w.random.randint(2, 5)} = 0"


WRITERS: tuple[Callable[[World], str | None], ...] = (
    index, drop_index, column, not_null, check, unique, foreign_key, drop_constraint, policy, alter_policy, drop_policy,
    security, function, view, grant, comment, backfill,
)  # fmt: skip


def migration(seed: int) -> Case:
    """A random schema, and 4 to 9 random changes of it."""
    world = World(random.Random(seed))  # noqa: S311
    setup = world.setup()
    wanted = world.random.randint(4, 9)
    statements: list[str] = []
    while len(statements) < wanted:
        text = world.random.choice(WRITERS)(world)
        if text:
            statements.append(text)
    names = [q(c) for t in world.tables for c in t.columns]
    return Case(f"seed {seed}", tuple(setup), ";\n".join(statements) + ";\n", acknowledge=", ".join(names), roles=ROLES)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_migration__is_undone_wherever_it_stops(tmp_path: pathlib.Path, database: Place, seed: int) -> None:
    """Out and back; then stopped at a random statement and undone, or taken up and undone."""
    case = migration(seed)
    print(";\n".join(case.setup), "\n--\n", case.migrate)  # pytest shows it where the test failed
    rig = Rig(tmp_path, database, case)
    before, run_id, recorder = rig.stand(), new_run(), Recorder()
    try:
        rig.forward(run_id, recorder)
    except errors.PreflightFailed as e:
        refused = e
    else:
        refused = None
    if refused:
        assert refused.remedy
        rig.back(run_id)
        rig.stand().assert_is(before, f"refused: {refused}")
        return
    done = rig.stand()
    rig.back(run_id)
    rig.stand().assert_is(before, "undone")
    course = Course(rig, before, done, len(recorder.statements), 0)
    choose = random.Random(seed)  # noqa: S311
    for resume in (True, False) if course.there else ():  # what it makes it may drop again
        run_id, at = new_run(), choose.randint(1, course.there)
        rig.killed(lambda r, run_id=run_id, at=at: rig.forward(run_id, r), at, choose.choice((0, 0.002)))
        after_a_fault(course, run_id, f"killed at statement {at}", resume=resume)
