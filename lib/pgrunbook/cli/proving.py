"""The verb that proves a migration on a throw-away copy."""

from __future__ import annotations

import click

from pgrunbook.cli._base import print_json, verb, watching


@click.command()
@click.argument("runbook")
@click.option(
    "--target",
    default="sandbox",
    show_default=True,
    help="Whose schema is copied: sandbox for the runbook's own, a libpq service, or env:NAME. It is only read.",
)
@click.option("--on", "place", default="", help="An empty database of another server, in the place of the sandbox's.")
@verb
def prove(runbook: str, target: str, place: str, *, as_json: bool) -> int:
    """Apply, undo, compare, apply again, on a throw-away copy of a schema: what holds, statement by statement."""
    from pgrunbook import db, proof_shown
    from pgrunbook import prove as proving
    from pgrunbook import runbook as runbooks

    about = runbooks.load(runbooks.project_root(), runbook)
    source, on = db.parse_target(target), db.parse_target(place) if place else None
    with watching(as_json) as screen:
        found = proving.prove(about, source, on=on, tell=screen.say)
    if as_json:
        print_json(found.as_json())
    else:
        proof_shown.show(found)
    return found.exit_status
