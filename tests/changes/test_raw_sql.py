"""Statements of no known kind: what they ask of a runbook, and what only the ledger knows of them."""

from __future__ import annotations

import pytest

from fix_changes import statements
from fix_databases import Place
from fix_project import Project
from pgrunbook import changes, errors, sqlfile
from pgrunbook.changes import LockMode, ObjectOptions, Observation, RawSql, State

DELETE = "select 1;\ndelete from t where a = 2"


def raw(text: str, inverse: tuple[str, ...] = (), **options: object) -> RawSql:
    """The last statement of a text, typed."""
    statement = sqlfile.split(text)[-1]
    label = f"statement_{statement.position}"
    given = {label: ObjectOptions.model_validate(options)}
    (change,) = changes.typed(statement, given, {label: inverse} if inverse else {})
    assert isinstance(change, RawSql)
    return change


def test_a_raw_statement_unanswered_for__says_where_to_answer() -> None:
    """With the label that both ways of answering need, ready to paste."""
    refusal = raw(DELETE).refusal()
    assert "rollback.sql below a comment `-- undoes: statement_2`" in refusal
    assert 'irreversible = "reason" under [objects."statement_2"]' in refusal


def test_a_raw_statement_answered_for__is_accepted() -> None:
    """By an inverse, or by a reason why there is none."""
    assert raw(DELETE, inverse=("select 2",)).refusal() == ""
    assert raw(DELETE, irreversible="the old values are worthless").refusal() == ""


@pytest.mark.parametrize(
    "text",
    [
        "vacuum t", "reindex table t", "cluster t", "create database d", "drop database d",
        "create tablespace s location '/s'",
        "alter system set a = 1", "drop index concurrently i", "alter table t detach partition p concurrently",
        "create subscription s connection '' publication p", "begin", "commit", "savepoint s", "set a = 1", "reset all",
        "copy t to '/tmp/t'",
    ],
)  # fmt: skip
def test_a_statement_that_can_not_be_recorded_with_its_effect__is_refused_even_if_answered_for(text: str) -> None:
    """It runs in no transaction with its ledger row, or would change the session of the plan."""
    assert raw(text, inverse=("select 1",), irreversible="x").refusal() != ""


@pytest.mark.parametrize(
    "text",
    ["drop index i", "alter table t detach partition p", "refresh materialized view concurrently m", "drop table t"],
)
def test_a_statement_that_looks_like_one_of_those__is_accepted(text: str) -> None:
    """A plain drop can be recorded."""
    assert raw(text, inverse=("select 1",)).refusal() == ""


def test_state__is_unknown_and_verified_by_nothing(database: Place) -> None:
    """The catalog can't tell; a check that claims nothing does not gate."""
    change = raw(DELETE, inverse=("select 2", "select 3"))
    with database.connect() as on:
        assert change.resolve(changes.Names(on)).state(on).state is State.UNKNOWN
        (check,) = change.verify(on)
        captured = change.capture(on)
    assert (check.verdict, check.gates) == ("not_measurable", False)
    assert captured == {"inverse": ["select 2", "select 3"], "rows_of": []}  # there is no such table


def test_apply_and_undo__are_the_written_statements() -> None:
    """Under a lock of which nothing is known; the ledger's inverse goes before the file's."""
    change = raw(DELETE, inverse=("select 2", "select 3"))
    (made,) = statements(change.apply(Observation(State.UNKNOWN)))
    assert (made.sql, made.lock, made.transactional) == ("delete from t where a = 2", LockMode.UNKNOWN, True)
    assert [s.sql for s in statements(change.undo({}))] == ["select 2", "select 3"]
    assert [s.sql for s in statements(change.undo({"inverse": ["select 4"]}))] == ["select 4"]
    again = changes.again("raw_sql", change.resolved_sql(), change.options.model_dump(), 2)
    assert (again.label, again.resolved_sql()) == (change.label, change.resolved_sql())


def test_lint__names_the_reason_of_what_can_not_be_undone() -> None:
    """A reader of the plan sees it before."""
    assert raw(DELETE, irreversible="worthless").lint()[1:] == ["irreversible: worthless"]
    assert len(raw(DELETE, inverse=("select 2",)).lint()) == 1


def test_round_trip__runs_the_inverse_of_rollback_sql(project: Project, database: Place) -> None:
    """Several inverse statements, in their order; what has no inverse stays, with its reason."""
    database.run("create table t (a int, b text)", "insert into t values (1, 'old')")
    project.runbook(
        "raw",
        "update t set a = a + 10;\ncreate view v as select a from t;\nupdate t set b = 'new';",
        toml='[objects.statement_3]\nirreversible = "nobody asks for it"',
        files={
            "rollback.sql": """\
            -- undoes: statement_1
            update t set a = a - 9;
            update t set a = a - 1;
            -- undoes: statement_2
            drop view v;
            """
        },
    )
    run_id = project.forward("raw", database.target)
    assert database.run("select a from v") == [(11,)]
    rolled_back = project.stage("rollback", "raw", database.target, run_id=run_id)
    assert rolled_back.verdict == "rolled_back"
    assert database.run("select a, b, to_regclass('v') from t") == [(1, "new", None)]
    assert any("nobody asks for it" in c.detail for c in rolled_back.findings)


def test_a_raw_statement_that_fails__leaves_neither_effect_nor_ledger_row_of_one(
    project: Project, database: Place
) -> None:
    """Effect and ledger row are one transaction."""
    database.run("create table t (a int check (a < 5))", "insert into t values (1)")
    project.runbook("raw", "update t set a = a + 10;", toml='[objects.statement_1]\nirreversible = "x"')
    run_id = project.stage("baseline", "raw", database.target).run_id
    with pytest.raises(errors.PgRunbookError, match="violates check constraint"):
        project.stage("migrate", "raw", database.target, run_id=run_id)
    assert database.run("select a from t") == [(1,)]
    assert database.run("select count(*) from pgrunbook.step where status = 'applied'") == [(0,)]
