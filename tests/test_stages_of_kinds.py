"""Many kinds in one migration, through all stages: what verify and rollback say of what it moves, drops and replaces."""

from __future__ import annotations

import pytest

from fix_databases import Place
from fix_project import Project
from pgrunbook import errors
from pgrunbook.findings import Check, Verdict
from pgrunbook.stages import StageResult

SETUP = (
    "create table customers (id bigint primary key, email text not null, country text not null, born date)",
    "create table orders (id bigint primary key, customer bigint references customers, total int)",
    "create table items (id bigint primary key, name text)",
    "create table log (at int) partition by range (at)",
    "create table log_1 partition of log for values from (0) to (10)",
    "create table log_2 partition of log for values from (10) to (20)",
    "create materialized view totals as select customer, sum(total) from orders group by 1",
    "create materialized view empty as select 1 as one with no data",
    "insert into customers select n, 'c' || n, 'DE', '2000-01-01' from generate_series(1, 9) n",
    "insert into orders select n, n, n from generate_series(1, 9) n",
    "insert into items select n, 'i' || n from generate_series(1, 5) n",
    "insert into log select n from generate_series(0, 19) n",
)
MIGRATE = """\
alter table orders rename to purchases;
alter table purchases add column note text default 'x';
create index purchases_total on purchases (total);
comment on table purchases is 'what was bought';
alter table customers drop column country;
create table items_new (id bigint primary key, title text);
insert into items_new select id, name from items;
drop table items;
alter table items_new rename to items;
alter table log detach partition log_2;
refresh materialized view totals;
drop table log_1;
vacuum purchases;
create view cheap with (security_invoker = true) as select id from purchases where total < 5;
"""
TOML = """\
live = false
[objects."statement_5"]
irreversible = "nobody reads it"
[objects."statement_8"]
irreversible = "its rows are copied"
[objects."statement_12"]
irreversible = "it is old"
"""
QUERY = "select id from {} where customer = :'customer'::bigint order by id"
WORKLOAD = {
    "workload/orders.sql": f"""\
/*---
title = "orders of a customer"
[binds]
common = "select 1 as customer"
---*/
{QUERY.format("orders")}
""",
    "workload/purchases.sql": f"""\
/*---
title = "the same, afterwards"
replaces = "orders"
same = "equal"
---*/
{QUERY.format("purchases")}
""",
}


@pytest.fixture
def there(project: Project, database: Place) -> Place:
    """The database and the runbook "kinds"."""
    database.run(*SETUP)
    project.runbook("kinds", MIGRATE, TOML, WORKLOAD)
    return database


def found(result: StageResult, check: str) -> Check:
    """The only finding of a check."""
    (one,) = [c for c in result.findings if c.check == check]
    return one


def failed(result: StageResult) -> list[str]:
    """What failed, but for indexes that no query reads."""
    return [f"{c.check} {c.object}: {c.measured} {c.detail}" for c in result.findings
            if c.verdict is Verdict.FAILED and c.check != "index is read"]  # fmt: skip


def test_many_kinds__go_through_all_stages_and_again(project: Project, there: Place) -> None:
    """Verify counts what is left where it is; the rollback names what it can't bring back, and why."""
    run_id = project.forward("kinds", there.target)
    verified = project.stage("verify", "kinds", there.target, run_id=run_id)
    assert failed(verified) == []
    assert found(verified, "query runs").detail == "purchases takes its place"
    with pytest.raises(errors.CheckFailed, match=r"the rows in public\.items"):  # where they are now
        project.stage("rollback", "kinds", there.target, run_id=run_id)
    back = project.stage("rollback", "kinds", there.target, run_id=run_id, scope="all", acknowledge_loss="items_new")
    assert failed(back) == []
    rows, content = found(back, "rows"), found(back, "content")
    assert "public.items: the rows of public.items were dropped" in rows.detail
    assert "public.log: the rows of public.log_1 were dropped" in rows.detail
    assert "public.customers: loses the values of public.customers.country" in content.detail
    assert there.run("select status from pgrunbook.run") == [("rolled_back",)]
    assert there.run("select count(*) from log") == [(10,)]
    again = project.forward("kinds", there.target)
    assert failed(project.stage("verify", "kinds", there.target, run_id=again)) == []
    assert there.run("select title from items order by 1") == []  # the rollback brought it back empty


def test_second_run__finds_what_was_replaced_in_its_ledger(project: Project, there: Place) -> None:
    """By names the new table is the old one: neither is it dropped a second time, nor taken for new."""
    project.forward("kinds", there.target)
    assert there.run("select title from items order by 1 limit 1") == [("i1",)]
    again = project.stage("baseline", "kinds", there.target).run_id
    done = project.stage("migrate", "kinds", there.target, run_id=again)
    assert {c.measured for c in done.findings if c.check == "change"} == {"there before"}
    assert there.run("select count(*) from items") == [(5,)]


def test_query_that_names_what_is_renamed__fails_by_name(project: Project, there: Place) -> None:
    """The application that asks it breaks."""
    (project.root / "runbooks" / "kinds" / "workload" / "purchases.sql").unlink()
    run_id = project.forward("kinds", there.target)
    with pytest.raises(errors.CheckFailed, match='query runs, orders: relation "orders" does not exist'):
        project.stage("verify", "kinds", there.target, run_id=run_id)


def test_schema_outside_the_search_path__is_measured_too(project: Project, database: Place) -> None:
    """A migration that was written with schemas, and drops the index by which one of them is known."""
    database.run(
        "create schema app", "create table app.t (a int)", "insert into app.t values (1), (2)", "create schema other",
        "create table other.u (a int)", "create index gone on other.u (a)", "create schema third", "create table third.v ()",
    )  # fmt: skip
    project.runbook("elsewhere", "create index on app.t (a);\ndrop index other.gone;\n", "live = false\n")
    run_id = project.forward("elsewhere", database.target)
    verified = project.stage("verify", "elsewhere", database.target, run_id=run_id)
    rows = found(verified, "rows")
    assert (rows.object, rows.measured, rows.verdict) == ("2 tables", "as before, 2 rows", Verdict.PASSED)
    back = project.stage("rollback", "elsewhere", database.target, run_id=run_id)
    assert found(back, "rows").object == "2 tables"


WATCH = "create trigger watch before update on t for each row execute function note();"


@pytest.mark.parametrize(
    "migrate",
    [
        f"update t set b = 1 where b is null; {WATCH}",
        f"update t set b = 1; drop trigger if exists watch on t; {WATCH}",
        pytest.param(
            f"{WATCH} alter table t disable trigger watch; update t set b = 1; alter table t enable trigger watch;",
            marks=pytest.mark.servers,
        ),
        "update t set b = 2 * id; alter table t drop constraint t_pkey; alter table t add primary key (b);",
        pytest.param("update t set b = 1; alter table t drop constraint t_pkey;", marks=pytest.mark.servers),
        "alter table t add column n bigint; update t set n = id; create unique index t_n on t (n);"
        " begin; alter table t drop constraint t_pkey; alter table t add constraint t_pkey primary key using index t_n;"
        " alter table t rename column id to old; alter table t rename column n to id; commit;",
    ],
    ids=["trigger", "trigger_made_anew", "disabled_trigger", "other_key", "no_key", "key_that_takes_the_old_names"],
)
def test_update_whose_table_is_altered_after_it__is_verified_and_undone(
    project: Project, database: Place, migrate: str
) -> None:
    """What is asked of a table is asked of it as it is at the update's turn, in the plans after the migration too."""
    database.run(
        "create table t (id int primary key, b int)",
        "insert into t select i from generate_series(1, 50) i",
        "create function note() returns trigger language plpgsql as 'begin return new; end'",
    )
    project.runbook("small", migrate)
    run_id = project.forward("small", database.target)
    assert project.stage("verify", "small", database.target, run_id=run_id).verdict is Verdict.PASSED
    back = project.stage("rollback", "small", database.target, run_id=run_id, acknowledge_loss="t.n")
    assert back.verdict is Verdict.ROLLED_BACK
    assert database.run("select count(id), count(b) from t") == [(50, 0)]


def test_update_after_a_trigger_of_the_same_migration__has_to_be_answered_for(
    project: Project, database: Place
) -> None:
    """What fires is told before anything is done; where it has no column of the update, nothing does."""
    database.run(
        "create table t (id int primary key, a int, b int)",
        "create function note() returns trigger language plpgsql as 'begin return new; end'",
    )
    project.runbook("small", f"{WATCH} update t set b = 1;")
    with pytest.raises(errors.PreflightFailed, match=r"fires watch on public\.t"):
        project.forward("small", database.target)
    project.runbook("small", f"{WATCH.replace('update on', 'update of a on')} update t set b = 1;")
    project.forward("small", database.target)
