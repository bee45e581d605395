"""A whole application schema in one migration: every kind on what the same migration makes, there and back."""

from __future__ import annotations

import pathlib

import pytest

from cases import Case
from fix_databases import Place
from fix_harness import Rig, as_managed_clouds_give_it, measured, round_trip
from fix_project import Project
from pgrunbook import changes, errors, plan, runbook, sqlfile
from pgrunbook.changes import State
from pgrunbook.changes._tables import rows_in
from pgrunbook.changes.rows import Rows

MIGRATION = """
create schema shop;
create type shop.status as enum ('open', 'done');
create function shop.touch() returns trigger language plpgsql as $$begin new.updated := now(); return new; end$$;
create table shop.people (id bigserial primary key, name text not null unique, best_order bigint);
create table if not exists shop.orders (
  id bigint generated always as identity primary key,
  person bigint not null references shop.people on delete cascade,
  status shop.status not null default 'open',
  amount numeric(10, 2) check (amount > 0),
  updated timestamptz default now()
);
alter table shop.people add constraint people_best foreign key (best_order) references shop.orders (id);
create index on shop.orders (person, status);
create unique index "Ä named" on shop.orders (status) where amount > 3;
create trigger touch before update on shop.orders for each row execute function shop.touch();
insert into shop.people (name) values ('a'), ('b');
alter table shop.orders add column note text not null default 'x';
alter table shop.orders add column code text default gen_random_uuid()::text;
alter table shop.orders alter column updated set not null;
alter table shop.orders drop constraint orders_amount_check;
alter table shop.orders add constraint big check (amount > 1);
alter table shop.orders enable row level security;
grant select on shop.orders to case_reader;
create policy own on shop.orders for select using (status = 'open');
create policy ins on shop.orders for insert with check (person > 0);
grant usage on schema shop to case_reader;
grant select (note, code) on shop.orders to case_reader;
grant usage on sequence shop.people_id_seq to case_reader;
comment on schema shop is 's';
comment on column shop.orders.note is 'note';
comment on constraint big on shop.orders is 'c';
comment on policy own on shop.orders is 'p';
comment on index shop.people_pkey is 'i';
create view shop.v as select o.id, p.name from shop.orders o join shop.people p on p.id = o.person;
create sequence shop.s start 10;
alter sequence shop.s owned by shop.people.id;
alter table shop.people alter column best_order set default nextval('shop.s');
create table shop.log (id int, at date not null) partition by range (at);
create table shop.log1 partition of shop.log for values from ('2020-01-01') to ('2021-01-01');
create index on shop.log (id);
"""


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(True, id="in_a_block"),
        pytest.param(False, id="statement_by_statement", marks=pytest.mark.servers),
    ],
)
def test_application_schema__goes_there_and_back(database: Place, tmp_path: pathlib.Path, block: bool) -> None:
    """Tables that refer to each other, their indexes, rows, triggers, policies, grants and comments; twice, in a block."""
    migrate = f"begin;{MIGRATION}commit;" if block else MIGRATION
    shop = Case("shop", (), migrate, acknowledge="people", roles=("case_reader",))
    course = measured(Rig(tmp_path, database, shop))
    if block:
        round_trip(course)


def test_names_that_earlier_lines_vacate__are_made_anew(database: Place, tmp_path: pathlib.Path) -> None:
    """A table of the very definition of the one that moved away, with rows of its own."""
    setup = ("create table t (id int primary key, a int check (a > 0))", "insert into t values (1, 2)")
    migrate = (
        "alter table t rename to t_old;\ncreate table t (id int primary key, a int check (a > 0));\n"
        "create index on t (a);\ninsert into t values (5, 6);\ncomment on table t is 'new';\n"
    )
    round_trip(measured(Rig(tmp_path, database, Case("anew", setup, migrate, acknowledge="t"))))


def test_forced_row_security__hides_no_rows_from_a_rollback(database: Place, tmp_path: pathlib.Path) -> None:
    """An owner whom the policies hold as well: whether rows would be lost is told by the table's size."""
    migrate = (
        "create table t (id int primary key, who text);\n"
        "insert into t values (1, 'x');\n"
        "alter table t enable row level security, force row level security;\n"
        "create policy own on t using (true);\n"
        "alter table t alter column who set not null;\n"
        "create index on t (who);\n"
    )
    with as_managed_clouds_give_it(database) as owned:
        rig = Rig(tmp_path, owned, Case("forced", (), migrate, acknowledge="t"), administrator=database)
        run_id = "forced"
        rig.forward(run_id)
        with rig.connect("main") as on:
            assert rows_in(on, "public.t") == "the rows in public.t"
        rig.verify()
        rig.back(run_id)
    assert database.run("select to_regclass('t')") == [(None,)]


OWN_SETTINGS = """
create sequence "a s";
create table t (id bigint not null, x text, constraint t_pk primary key (id));
ALTER TABLE ONLY public.t ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public."t id" START WITH 1);
ALTER TABLE ONLY t REPLICA IDENTITY USING INDEX t_pk;
create table u (a int);
CREATE RULE r AS ON INSERT TO t DO ALSO INSERT INTO u VALUES (1);
grant select on sequence "t id" to public;
SELECT pg_catalog.setval('public."a s"', 42, true);
alter sequence "a s" restart 7;
alter table t cluster on t_pk, alter x set statistics 10;
"""


def test_what_a_dump_says_of_its_own_tables__goes_with_them(database: Place, tmp_path: pathlib.Path) -> None:
    """Statements that no kind of their own takes back; on a relation that was there before they are still refused."""
    round_trip(measured(Rig(tmp_path, database, Case("own", (), OWN_SETTINGS))))
    made = changes.of_migration(sqlfile.split(OWN_SETTINGS), {}, {})
    assert [c.kind for c in made].count("rows") == 6
    for sql in (
        "select setval('s', 1) from t", "select setval('s', nextval('s'))", "select setval('a b', 1)", "select setval(1, 2)",
        "alter table t cluster on i, add column c int", "alter index i attach partition j", "alter sequence s owned by t.a",
        "create or replace rule r as on insert to t do nothing",
    ):  # fmt: skip
        assert Rows.from_ast(sqlfile.split(sql)[0]) is None
    assert [c.kind for c in changes.of_migration(sqlfile.split("alter table t cluster on i"), {}, {})] == ["raw_sql"]


PASSING = """
create table stepping_stone (id int primary key, said text);
create index on stepping_stone (said);
alter table kept add column seen boolean default false;
drop table stepping_stone;
"""


def test_table_that_is_made_and_dropped__is_known_by_the_ledger(project: Project, database: Place) -> None:
    """Nothing in the catalog tells whether it was there: the second run does nothing, and the rollback all of it."""
    database.run("create table kept (id int primary key)")
    project.runbook("passing", PASSING)
    before = plan_of("passing", project, database)
    assert [s.seen.state for s in before.steps] == [State.ABSENT] * 4
    run_id = project.forward("passing", database.target)
    assert project.stage("verify", "passing", database.target, run_id=run_id).verdict == "passed"
    assert all(s.seen.state is State.PRESENT for s in plan_of("passing", project, database).steps)
    undone = project.stage("rollback", "passing", database.target, run_id=run_id, scope="all")
    assert undone.verdict == "rolled_back"
    assert plan_of("passing", project, database).digest == before.digest
    assert database.run("select to_regclass('stepping_stone') is null, count(*) from kept") == [(True, 0)]


def test_table_that_was_there_before__is_not_dropped_as_if_it_were_ours(project: Project, database: Place) -> None:
    """IF NOT EXISTS and a DROP below it would throw somebody's rows away."""
    database.run("create table kept (id int)", "create table stepping_stone (id int)")
    project.runbook("passing", "create table if not exists stepping_stone (id int);\ndrop table stepping_stone;")
    with pytest.raises(errors.PreflightFailed, match="what is in it would be lost"):
        plan_of("passing", project, database)


def plan_of(name: str, project: Project, database: Place) -> plan.Plan:
    """A runbook's plan on a database."""
    with database.connect() as session:
        return plan.make(runbook.load(project.root, name), session)
