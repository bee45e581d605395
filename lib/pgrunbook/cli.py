"""The command line. Each verb says on stdout what it found, with `--json` as one JSON document and nothing else."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from pgrunbook import __version__
from pgrunbook.errors import Aborted, PgRunbookError, WrongUsage

if TYPE_CHECKING:
    from pgrunbook.headless import RunOutcome, Screen

# Everything else is imported where it is used: `--help` must not wait for papermill.


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pgrunbook")
def main() -> None:
    """Runbook notebooks that take a change to a PostgreSQL database from baseline to rollback.

    Exit status: 0 passed, 2 wrong usage or target, 10 failed, 11 waits for a person, 20 failed and rolled back,
    30 rollback failed, 40 aborted.
    """


def _verb(function: Callable[..., int | None]) -> Callable[..., None]:
    """A verb: `--json`, and every error as one sentence with its remedy and its exit status."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout and nothing else there.")
    @wraps(function)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        try:
            status = function(*args, as_json=as_json, **kwargs)
        except PgRunbookError as e:
            if as_json:
                _print_json({"verdict": e.verdict, "error": e.message, "remedy": e.remedy})
            else:
                from pgrunbook import screen

                screen.trouble(e.message, e.remedy)
            sys.exit(e.exit_status)
        except KeyboardInterrupt:
            click.echo("interrupted; nothing was under way", err=True)
            sys.exit(Aborted.exit_status)
        sys.exit(status or 0)

    return run


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))


_target = click.option("--target", default="sandbox", show_default=True, help="sandbox, a libpq service, or env:NAME.")
_evidence = click.option(
    "--evidence", "evidence_dir", default="evidence", show_default=True, help="Folder for the runs' files."
)
_run_id = click.option("--run-id", default="", help="A run by its name.")
_scope = click.option(
    "--scope",
    type=click.Choice(["indexes", "all"]),
    default=None,
    help="indexes: quick; all: also what the runbook keeps.",
)


@contextmanager
def _screen(as_json: bool) -> Iterator[Screen]:
    from pgrunbook import headless, screen

    if as_json or not screen.interactive():
        yield headless.Silent() if as_json else headless.Lines()
        return
    terminal = screen.Terminal()
    try:
        yield terminal
    finally:
        terminal.close()


def _ended(found: RunOutcome, *, as_json: bool, demonstration: bool = False) -> int:
    if as_json:
        _print_json(found.as_json())
    else:
        from pgrunbook import runbook, screen

        (screen.demonstration if demonstration else screen.outcome)(found, runbook.project_root())
    return found.exit_status


@main.command()
@click.argument("runbook", default="voip_v4")
@click.option("--scale", default="1", show_default=True, help="Size of the rehearsal data.")
@_evidence
@_verb
def demo(runbook: str, scale: str, evidence_dir: str, *, as_json: bool) -> int:
    """All stages on the embedded database, the way back, and a summary."""
    from pgrunbook import headless, rehearsal
    from pgrunbook import runbook as runbooks
    from pgrunbook.stages import FORWARD, Parameters

    about = runbooks.load(runbooks.project_root(), runbook)
    size = rehearsal.scale(scale)
    with _screen(as_json) as screen:
        screen.say(f"sandbox: making the rehearsal database of {runbook}")
        rehearsal.reset(about, size, screen.say)
        found = headless.run(
            Parameters(runbook=runbook, evidence_dir=evidence_dir),
            (*FORWARD, "rollback"),
            screen,
            extra={"rollback": {"scope": "all"}},
            fresh=True,
        )
    return _ended(found, as_json=as_json, demonstration=True)


@main.command("list")
@_verb
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
        _print_json(found)
    else:
        screen.rows("Runbooks", ("name", "title", "changes"), [(f["runbook"], f["title"], f["changes"]) for f in found])


@main.command()
@click.argument("runbook")
@_verb
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
        _print_json(content)
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


@main.command()
@click.argument("runbook")
@_target
@click.option("--sql", "as_sql", is_flag=True, help="The statements as a script, for reading or for psql.")
@_verb
def plan(runbook: str, target: str, *, as_sql: bool, as_json: bool) -> int:
    """The changes against a target's catalog: lock, state, estimate, undo. Changes nothing."""
    from pgrunbook import db, rehearsal, screen, second_opinion
    from pgrunbook import plan as planning
    from pgrunbook import runbook as runbooks
    from pgrunbook.changes import State
    from pgrunbook.findings import EXIT_STATUS, Verdict

    about = runbooks.load(runbooks.project_root(), runbook)
    where = db.parse_target(target)
    if where.is_sandbox:
        rehearsal.ensure(about)
    with db.connect(
        where, database=runbook, application_name=f"pgrunbook {runbook} plan", search_path=about.about.search_path
    ) as session:
        made = planning.make(about, session)
    opinions = [] if as_sql else second_opinion.of(made)
    notes = second_opinion.notes(opinions)
    if as_json:
        _print_json(made.as_json(notes))
    elif as_sql:
        timeout = about.about.limits.lock_timeout_ms or made.identity.deadlock_timeout_ms + 500
        click.echo(planning.script(made, timeout), nl=False)
    else:
        screen.plan(made.as_json(notes)["steps"])
        screen.second_opinion(opinions)
        click.echo(f"\nplan {made.digest}\n{len(made.left)} of {len(made.steps)} changes to do on {target}")
    different = any(s.seen.state is State.DIFFERENT for s in made.steps)
    return EXIT_STATUS[Verdict.FAILED if different else Verdict.PASSED]


@main.command()
@click.argument("runbook")
@_target
@click.option("--stages", default="baseline,migrate,verify,checklist", show_default=True, help="Which, in order.")
@_run_id
@_evidence
@click.option("--on-failure", type=click.Choice(["stop", "rollback"]), default="stop", show_default=True)
@click.option("--signed", default="", help="Signatures for the checklist: a TOML file, or JSON in place.")
@click.option("--production", is_flag=True, help="Probes may run (and roll back) on a target that is not the sandbox.")
@_verb
def run(
    runbook: str,
    target: str,
    stages: str,
    run_id: str,
    evidence_dir: str,
    on_failure: str,
    signed: str,
    *,
    production: bool,
    as_json: bool,
) -> int:
    """Stages through papermill, headless; an unfinished run is taken up."""
    from pgrunbook import headless
    from pgrunbook.stages import STAGES

    names = [n.strip() for n in stages.split(",") if n.strip()]
    unknown = [n for n in names if n not in STAGES]
    if unknown or not names:
        raise WrongUsage(f"no stage {', '.join(unknown) or 'named'}", remedy=f"there are: {', '.join(STAGES)}")
    order = list(STAGES)
    if names != sorted(set(names), key=order.index):
        raise WrongUsage(f"stages out of order: {', '.join(names)}", remedy=f"the order is: {', '.join(order)}")
    if signed and not signed.lstrip().startswith("{"):
        signed = os.path.abspath(signed)  # noqa: PTH100  the notebook has another folder
    extra: dict[str, dict[str, Any]] = {
        "baseline": {"production": production},
        "verify": {"production": production},
        "checklist": {"signed": signed, "production": production},
        "rollback": {"production": production},
    }
    with _screen(as_json) as screen:
        found = headless.run(
            _common(runbook, target, run_id, evidence_dir), names, screen, on_failure=on_failure, extra=extra
        )
    return _ended(found, as_json=as_json)


@main.command()
@click.argument("runbook")
@_target
@_run_id
@_evidence
@_scope
@click.option("--acknowledge-loss", default="", help="Objects whose data may be lost, separated by commas.")
@click.option("--production", is_flag=True, help="Probes may run (and roll back) on a target that is not the sandbox.")
@_verb
def rollback(
    runbook: str,
    target: str,
    run_id: str,
    evidence_dir: str,
    scope: str | None,
    acknowledge_loss: str,
    *,
    production: bool,
    as_json: bool,
) -> int:
    """The rollback notebook, headless; without --run-id the newest run that still owns anything."""
    from pgrunbook import headless

    extra = {"scope": scope or "", "acknowledge_loss": acknowledge_loss, "production": production}
    with _screen(as_json) as screen:
        found = headless.rollback(_common(runbook, target, run_id, evidence_dir), screen, extra)
    _ended(found, as_json=as_json)
    from pgrunbook.findings import Verdict

    return 0 if found.verdict is Verdict.ROLLED_BACK else found.exit_status


def _common(runbook: str, target: str, run_id: str, evidence_dir: str) -> Any:
    from pgrunbook import db, rehearsal
    from pgrunbook import runbook as runbooks
    from pgrunbook.stages import Parameters
    from pgrunbook.stages._base import check_run_id

    where = db.parse_target(target)
    check_run_id(run_id)
    if where.is_sandbox:
        rehearsal.ensure(runbooks.load(runbooks.project_root(), runbook))
    return Parameters(runbook=runbook, target=target, run_id=run_id, evidence_dir=evidence_dir)


@main.command()
@click.argument("runbook")
@_target
@_verb
def status(runbook: str, target: str, *, as_json: bool) -> None:
    """What the ledger says of a runbook's runs."""
    from dataclasses import asdict

    from pgrunbook import db, rehearsal, screen
    from pgrunbook import runbook as runbooks
    from pgrunbook.ledger import Ledger

    about = runbooks.load(runbooks.project_root(), runbook)
    where = db.parse_target(target)
    if where.is_sandbox:
        rehearsal.ensure(about)
    with db.connect(where, database=runbook, application_name=f"pgrunbook {runbook} status", read_only=True) as session:
        ledger = Ledger(session, about.about.ledger.name)
        found = [(r, ledger.steps(r.run_id)) for r in ledger.runs(runbook)]
    if as_json:
        content = [asdict(r) | {"steps": [asdict(s) for s in steps]} for r, steps in found]
        _print_json({"runbook": runbook, "target": target, "runs": content})
        return
    if not found:
        click.echo(f"the ledger of {target} knows no run of {runbook}")
    for row, steps in found:
        screen.rows(
            f"run {row.run_id}: {row.status}, begun {row.started_at:%Y-%m-%d %H:%M} UTC, plan {row.digest[:16]}",
            ("object", "status", "owned", "detail"),
            [(s.object, s.status, "yes" if s.owned else "no", s.detail) for s in steps],
        )


@main.group()
def sandbox() -> None:
    """The embedded server; its data lies under PGRUNBOOK_HOME and it stops only when asked."""


@sandbox.command("start")
@_verb
def sandbox_start(*, as_json: bool) -> None:
    """Start the embedded server."""
    from pgrunbook import sandbox as server

    server.start()
    _said(
        f"the sandbox runs, its data lies in {server.home()}",
        {"running": True, "home": str(server.home())},
        as_json=as_json,
    )


@sandbox.command("stop")
@_verb
def sandbox_stop(*, as_json: bool) -> None:
    """Stop the embedded server."""
    from pgrunbook import sandbox as server

    stopped = server.stop()
    _said("stopped" if stopped else "it was not running", {"running": False, "stopped": stopped}, as_json=as_json)


@sandbox.command("psql", context_settings={"ignore_unknown_options": True})
@click.argument("runbook", default="voip_v4")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox_psql(runbook: str, arguments: tuple[str, ...]) -> None:
    """psql on a runbook's sandbox database; further ARGUMENTS go to psql."""
    from pgrunbook import rehearsal, screen
    from pgrunbook import runbook as runbooks
    from pgrunbook import sandbox as server

    try:
        rehearsal.ensure(runbooks.load(runbooks.project_root(), runbook))
        command = [*server.command("psql", runbook), *arguments]
    except PgRunbookError as e:
        screen.trouble(e.message, e.remedy)
        sys.exit(e.exit_status)
    os.execv(command[0], command)  # noqa: S606


@sandbox.command("reset")
@click.argument("runbook")
@click.option("--scale", default="", help="Size of the rehearsal data; PGRUNBOOK_SCALE, else 1.")
@_verb
def sandbox_reset(runbook: str, scale: str, *, as_json: bool) -> None:
    """Throw a runbook's sandbox database away and make it anew."""
    from pgrunbook import rehearsal
    from pgrunbook import runbook as runbooks

    about = runbooks.load(runbooks.project_root(), runbook)
    size = rehearsal.scale(scale) if scale else rehearsal.default_scale()
    with _screen(as_json) as screen:
        rehearsal.reset(about, size, screen.say)
    _said(f"{runbook} is as new, at scale {size}", {"runbook": runbook, "scale": size}, as_json=as_json)


@sandbox.command("load")
@click.argument("runbook")
@click.option("--target", required=True, help="A libpq service or env:NAME that leads to an empty database.")
@click.option("--scale", default="1", show_default=True, help="Size of the rehearsal data.")
@_verb
def sandbox_load(runbook: str, target: str, scale: str, *, as_json: bool) -> None:
    """The rehearsal schema and data into an empty database of any server."""
    from pgrunbook import db, rehearsal
    from pgrunbook import runbook as runbooks

    about = runbooks.load(runbooks.project_root(), runbook)
    size = rehearsal.scale(scale)
    where = db.parse_target(target)
    if where.is_sandbox:
        raise WrongUsage("the sandbox is loaded by reset", remedy=f"pgrunbook sandbox reset {runbook}")
    with (
        _screen(as_json) as screen,
        db.connect(where, application_name=f"pgrunbook {runbook} load", search_path=about.about.search_path) as session,
    ):
        rehearsal.load(session, about, size, screen.say)
    _said(
        f"{runbook} is loaded into {target} at scale {size}",
        {"runbook": runbook, "target": target, "scale": size},
        as_json=as_json,
    )


@main.group()
def ledger() -> None:
    """The tables in the target that say what each run did and what it owns."""


@ledger.command("sql")
@click.option("--schema", default="pgrunbook", show_default=True, help="The ledger's schema, as in runbook.toml.")
@click.option("--role", default="", help="The role that runs the runbooks and gets the privileges.")
@_verb
def ledger_sql(schema: str, role: str, *, as_json: bool) -> None:
    """The ledger's DDL, for an administrator where the role may not create it."""
    from pgrunbook.ledger import ddl

    if as_json:
        _print_json({"sql": ddl(schema, role)})
    else:
        click.echo(ddl(schema, role), nl=False)


def _said(text: str, content: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _print_json(content)
    else:
        click.echo(text)
