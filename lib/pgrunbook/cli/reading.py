"""Verbs that change nothing: the runbooks there are, a plan, what the ledger says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pgrunbook.cli._base import print_json, target_option, verb
from pgrunbook.errors import WrongUsage

if TYPE_CHECKING:
    from pgrunbook.ledger import RunRow
    from pgrunbook.runbook import Runbook


@click.command("list")
@verb
def list_runbooks(*, as_json: bool) -> None:
    """The runbooks there are."""
    from pgrunbook import runbook, screen

    root = runbook.project_root()
    found = []
    for name in runbook.names(root):
        try:
            about = runbook.load(root, name)
            found.append({"runbook": name, "title": about.about.title, "changes": len(about.changes), "valid": True})
        except WrongUsage as e:
            found.append({"runbook": name, "title": e.message.splitlines()[0], "changes": 0, "valid": False})
    if as_json:
        print_json(found)
    else:
        screen.rows("Runbooks", ("name", "title", "changes"), [(f["runbook"], f["title"], f["changes"]) for f in found])


@click.command()
@click.argument("runbook")
@verb
def show(runbook: str, *, as_json: bool) -> None:
    """One runbook, validated."""
    from pgrunbook import runbook as runbooks
    from pgrunbook import screen

    found = runbooks.load(runbooks.project_root(), runbook)
    about = found.about
    content = {
        "runbook": found.name,
        "title": about.title,
        "source": about.source,
        "description": about.description,
        "changes": [{"kind": c.kind, "object": c.object, "line": c.written.line} for c in found.changes],
        "workload": [{"query": q.name, "title": q.title, "parameters": q.parameters} for q in found.workload],
        "checks": [{"check": c.name, "title": c.title, "writes": c.writes} for c in found.checks],
        "claims": [c.model_dump() for c in about.claims],
        "checklist": [c.model_dump() for c in about.checklist],
    }
    if as_json:
        print_json(content)
        return
    click.echo(f"{found.name}: {about.title}\nsource: {about.source}\n\n{about.description.strip()}\n")
    screen.rows("Changes", ("line", "kind", "object"), [(c.written.line, c.kind, c.object) for c in found.changes])
    screen.rows(
        "Workload",
        ("query", "title", "parameters"),
        [(q.name, q.title, ", ".join(q.parameters)) for q in found.workload],
    )
    screen.rows("Checks", ("check", "title"), [(c.name, c.title) for c in found.checks])
    screen.rows("Claims", ("claim", "metric"), [(c.says, c.metric or "not measurable") for c in about.claims])
    screen.rows("Checklist", ("item", "says"), [(i.id, i.says) for i in about.checklist])


@click.command()
@click.argument("runbook")
@target_option
@click.option("--sql", "as_sql", is_flag=True, help="The statements as a script, for reading or for psql.")
@verb
def plan(runbook: str, target: str, *, as_sql: bool, as_json: bool) -> int:
    """The changes against a target's catalog: lock, state, estimate, undo. Changes nothing."""
    from pgrunbook import db, engines, screen, second_opinion
    from pgrunbook import runbook as runbooks
    from pgrunbook.changes import State
    from pgrunbook.findings import EXIT_STATUS, Verdict

    about = runbooks.load(runbooks.project_root(), runbook)
    where = db.parse_target(engines.typed(target))
    engine = engines.of(where)
    engine.ready(where, about, lambda _: None)
    drawn = engine.draw(where, about)
    made = drawn.plan
    opinions = None if as_sql else drawn.opinions()
    notes = second_opinion.notes(opinions or [])
    if as_json:
        print_json(made.as_json(notes))
    elif as_sql:
        click.echo(drawn.script, nl=False)
    else:
        screen.plan(made.as_json(notes)["steps"])
        if opinions is not None:
            screen.second_opinion(opinions)
        click.echo(f"\nplan {made.digest}\n{len(made.left)} of {len(made.steps)} changes to do on {target}")
    different = any(s.seen.state is State.DIFFERENT for s in made.steps)
    return EXIT_STATUS[Verdict.FAILED if different else Verdict.PASSED]


@click.command()
@click.argument("runbook")
@target_option
@verb
def status(runbook: str, target: str, *, as_json: bool) -> None:
    """What the ledger says of a runbook's runs, and who is at work on one that is not ended."""
    from dataclasses import asdict

    from pgrunbook import db, engines, screen
    from pgrunbook import runbook as runbooks
    from pgrunbook.lock import at_work, whole_run

    about = runbooks.load(runbooks.project_root(), runbook)
    where = db.parse_target(engines.typed(target))
    engine = engines.of(where)
    engine.ready(where, about, lambda _: None)
    with engine.guard(where, about, "status", read_only=True) as guard:
        # looked for before and after the ledger is read: who begins or ends meanwhile is not taken for dead
        runner = guard.holder(runbook) or guard.holder(whole_run(runbook))
        found = [(r, guard.ledger.steps(r.run_id)) for r in guard.ledger.runs(runbook)]
        runner = runner or guard.holder(runbook) or guard.holder(whole_run(runbook))
        orphan = "" if runner else guard.holder(at_work(runbook))
    if as_json:
        content = [
            asdict(r)
            | ({"at_work": runner, "orphan": orphan} if r.open else {})
            | {"steps": [asdict(s) for s in steps]}
            for r, steps in found
        ]
        print_json({"runbook": runbook, "target": target, "runs": content})
        return
    if not found:
        click.echo(f"the ledger of {target} knows no run of {runbook}")
    for row, steps in found:
        word = row.status.replace("_", " ") + (", cut off" if row.open and not runner else "")
        screen.rows(
            f"run {row.run_id}: {word}, begun {row.started_at:%Y-%m-%d %H:%M} UTC, plan {row.digest[:16]}",
            ("kind", "object", "status", "owned", "detail"),
            [(s.kind, s.object, s.status, "yes" if s.owned else "no", s.detail) for s in steps],
        )
        if row.open and runner:
            click.echo(f"at work on it: {runner}\n")
        elif row.open:
            click.echo(_how_on(row, len(steps), about, target, orphan))


def _how_on(row: RunRow, begun: int, about: Runbook, target: str, orphan: str) -> str:
    """How a run that was cut off is ended."""
    gone = (
        f"its runner is gone; the server is still at its statement: {orphan}" if orphan else "nobody is at work on it"
    )
    that = f"{about.name} --target {target} --run-id {row.run_id}"
    back = f"take it back: pgrunbook rollback {that}"
    if row.status == "rolling_back":
        return f"{gone}. Go on to {back}\n"
    left = f"; {begun} of {len(about.changes)} changes were begun" if begun < len(about.changes) else ""
    return f"{gone}{left}. Go on with it: pgrunbook run {that}\nor {back}\n"


@click.group()
def ledger() -> None:
    """The tables in the target that say what each run did and what it owns."""


@ledger.command("sql")
@click.option("--schema", default="pgrunbook", show_default=True, help="The ledger's schema, as in runbook.toml.")
@click.option("--role", default="", help="The role that runs the runbooks and gets the privileges.")
@target_option
@verb
def ledger_sql(schema: str, role: str, target: str, *, as_json: bool) -> None:
    """The ledger's DDL, for an administrator where the role may not create it. Of a target its kind counts."""
    from pydantic import ValidationError

    from pgrunbook import db, engines
    from pgrunbook.description import Ledger

    try:
        Ledger.model_validate({"schema": schema})
    except ValidationError as e:
        raise WrongUsage(e.errors()[0]["msg"].removeprefix("Value error, "), remedy="--schema pgrunbook") from None
    ddl = engines.of(db.parse_target(target)).ledger_sql(schema, role)
    if as_json:
        print_json({"sql": ddl})
    else:
        click.echo(ddl, nl=False)
