"""A thousand statements on each other's objects are planned in the server's time and little more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from fix_databases import Place
from fix_project import Project
from pgrunbook import plan, runbook
from pgrunbook.changes import State

LIMIT_S = 3.0
PART = """\
create table app.t{n} (id bigserial primary key, n int not null default 0, o bigint, at timestamptz, "Old" text);
alter table app.t{n} add column c int;
create index t{n}_n on app.t{n} (n, o);
alter table app.t{n} add constraint t{n}_positive check (n >= 0);
alter table app.t{n} rename column "Old" to kept;
alter table app.t{n} enable row level security;
create policy p{n} on app.t{n} using (n > 0);
comment on table app.t{n} is 'the {n}';
alter table app.t{n} rename to u{n};
alter table app.u{n} add column d text not null default 'x';
"""


@pytest.mark.bench
def test_thousand_statements__are_planned_in_three_seconds_beside_the_server(
    project: Project, database: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a database that has none of it, and on one that has it all; the time of the queries is told apart."""
    text = "create schema app;\n" + "".join(PART.replace("{n}", str(n)) for n in range(100))
    project.runbook("many", text)
    about = runbook.load(project.root, "many")
    waited = 0.0

    def timed(run: Callable[..., Any]) -> Callable[..., Any]:
        def execute(*given: Any, **named: Any) -> Any:
            nonlocal waited
            began = time.perf_counter()
            try:
                return run(*given, **named)
            finally:
                waited += time.perf_counter() - began

        return execute

    monkeypatch.setattr(psycopg.Cursor, "execute", timed(psycopg.Cursor.execute))
    for expected in (State.ABSENT, State.PRESENT):
        with database.connect() as on:
            waited, began = 0.0, time.perf_counter()
            made = plan.make(about, on)
            took, server = time.perf_counter() - began, waited
        assert {step.seen.state for step in made.steps} == {expected}
        print(f"\n{len(made.steps)} changes, all {expected}: {took:.2f} s, {server:.2f} s of them the server's")
        assert took - server <= LIMIT_S
        database.run(text) if expected is State.ABSENT else None
