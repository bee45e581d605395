"""The embedded server, and the rehearsal data on any."""

from __future__ import annotations

import os
import sys

import click

from pgrunbook.cli._base import said, verb, watching
from pgrunbook.errors import PgRunbookError, WrongUsage


@click.group()
def sandbox() -> None:
    """The embedded server; its data lies under PGRUNBOOK_HOME and it stops only when asked."""


@sandbox.command("start")
@verb
def sandbox_start(*, as_json: bool) -> None:
    """Start the embedded server."""
    from pgrunbook import sandbox as server

    server.start()
    said(
        f"the sandbox runs, its data lies in {server.home()}",
        {"running": True, "home": str(server.home())},
        as_json=as_json,
    )


@sandbox.command("stop")
@verb
def sandbox_stop(*, as_json: bool) -> None:
    """Stop the embedded server."""
    from pgrunbook import sandbox as server

    stopped = server.stop()
    said("stopped" if stopped else "it was not running", {"running": False, "stopped": stopped}, as_json=as_json)


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
@verb
def sandbox_reset(runbook: str, scale: str, *, as_json: bool) -> None:
    """Throw a runbook's sandbox database away and make it anew."""
    from pgrunbook import rehearsal
    from pgrunbook import runbook as runbooks

    about = runbooks.load(runbooks.project_root(), runbook)
    size = rehearsal.scale(scale) if scale else rehearsal.default_scale()
    with watching(as_json) as screen:
        rehearsal.reset(about, size, screen.say)
    said(f"{runbook} is as new, at scale {size}", {"runbook": runbook, "scale": size}, as_json=as_json)


@sandbox.command("load")
@click.argument("runbook")
@click.option("--target", required=True, help="A libpq service or env:NAME that leads to an empty database.")
@click.option("--scale", default="1", show_default=True, help="Size of the rehearsal data.")
@verb
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
        watching(as_json) as screen,
        db.connect(where, application_name=f"pgrunbook {runbook} load", search_path=about.about.search_path) as session,
    ):
        rehearsal.load(session, about, size, screen.say)
    said(
        f"{runbook} is loaded into {target} at scale {size}",
        {"runbook": runbook, "target": target, "scale": size},
        as_json=as_json,
    )
