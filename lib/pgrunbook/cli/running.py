"""Verbs that run stages through papermill."""

from __future__ import annotations

import os
from typing import Any

import click

from pgrunbook.cli._base import (
    common,
    ended,
    evidence_option,
    print_json,
    run_id_option,
    said,
    scope_option,
    target_option,
    verb,
    watching,
)
from pgrunbook.errors import WrongUsage


@click.command()
@click.argument("runbook", default="voip_v4")
@click.option("--scale", default="1", show_default=True, help="Size of the rehearsal data.")
@click.option("--target", default="sandbox", show_default=True, help="sandbox, or sqlite:FILE, which is made for it.")
@evidence_option
@verb
def demo(runbook: str, scale: str, target: str, evidence_dir: str, *, as_json: bool) -> int:
    """All stages on the embedded database, or a new SQLite file, the way back, and a summary."""
    from pgrunbook import db, engines, headless, rehearsal
    from pgrunbook import runbook as runbooks
    from pgrunbook.stages import FORWARD, Parameters

    about = runbooks.load(runbooks.project_root(), runbook)
    size = rehearsal.scale(scale)
    where = db.parse_target(engines.typed(target))
    audited = where.is_sandbox and "audit" in about.about.model_fields_set
    with watching(as_json) as screen:
        screen.say(f"{where.name}: making the rehearsal database of {runbook}")
        engines.of(where).rehearse(where, about, size, screen.say)
        found = headless.run(
            Parameters(runbook=runbook, target=where.name, evidence_dir=evidence_dir),
            ("audit", *FORWARD, "rollback") if audited else (*FORWARD, "rollback"),
            screen,
            extra={"rollback": {"scope": "all"}},
            fresh=True,
        )
    return ended(found, as_json=as_json, demonstration=True)


@click.command()
@click.argument("runbook")
@target_option
@click.option("--stages", default="baseline,migrate,verify,checklist", show_default=True, help="Which, in order.")
@run_id_option
@evidence_option
@click.option("--on-failure", type=click.Choice(["stop", "rollback"]), default="stop", show_default=True)
@click.option("--signed", default="", help="Signatures for the checklist: a TOML file, or JSON in place.")
@click.option("--production", is_flag=True, help="Probes may run (and roll back) on a target that is not the sandbox.")
@click.option("--outside-window", is_flag=True, help="Migrate may begin outside of the runbook's limits.window.")
@verb
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
    outside_window: bool,
    as_json: bool,
) -> int:
    """Stages through papermill, headless; an unfinished run is taken up."""
    from pgrunbook import headless
    from pgrunbook import runbook as runbooks
    from pgrunbook.stages import STAGES, checklist

    names = [n.strip() for n in stages.split(",") if n.strip()]
    unknown = [n for n in names if n not in STAGES]
    if unknown or not names:
        raise WrongUsage(f"no stage {', '.join(unknown) or 'named'}", remedy=f"there are: {', '.join(STAGES)}")
    order = list(STAGES)
    if names != sorted(set(names), key=order.index):
        raise WrongUsage(f"stages out of order: {', '.join(names)}", remedy=f"the order is: {', '.join(order)}")
    if signed:
        if not signed.lstrip().startswith("{"):
            signed = os.path.abspath(signed)  # noqa: PTH100  the notebook has another folder
        root = runbooks.project_root()
        checklist.signatures(signed, runbooks.load(root, runbook), root)  # a mistake in it must not show at the end
    extra: dict[str, dict[str, Any]] = {
        "baseline": {"production": production},
        "migrate": {"outside_window": outside_window},
        "verify": {"production": production},
        "checklist": {"signed": signed, "production": production},
        "rollback": {"production": production},
    }
    with watching(as_json) as screen:
        found = headless.run(
            common(runbook, target, run_id, evidence_dir), names, screen, on_failure=on_failure, extra=extra
        )
    return ended(found, as_json=as_json)


@click.command()
@click.argument("runbook")
@target_option
@run_id_option
@evidence_option
@scope_option
@click.option("--acknowledge-loss", default="", help="Objects whose data may be lost, separated by commas.")
@click.option("--production", is_flag=True, help="Probes may run (and roll back) on a target that is not the sandbox.")
@verb
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
    with watching(as_json) as screen:
        found = headless.rollback(common(runbook, target, run_id, evidence_dir), screen, extra)
    ended(found, as_json=as_json)
    from pgrunbook.findings import Verdict

    return 0 if found.verdict is Verdict.ROLLED_BACK else found.exit_status


@click.command()
@click.argument("runbook", default="")
@target_option
@run_id_option
@evidence_option
@click.option("--since", default="", help="The run of an earlier audit: the workload is what ran after it.")
@click.option("--driver", default="", help='The table whose rows are "users" in projections.')
@click.option("--what-if", default="", help='Where proposed indexes are tried: "clone", or a rehearsal target.')
@click.option(
    "--fail-on",
    type=click.Choice(["important", "routine", "noted"]),
    default=None,
    help="Exit 10 where there is a finding of this level or a graver one.",
)
@verb
def audit(
    runbook: str,
    target: str,
    run_id: str,
    evidence_dir: str,
    since: str,
    driver: str,
    what_if: str,
    fail_on: str | None,
    *,
    as_json: bool,
) -> int:
    """What is missing, what will break, and the statement that mends it. Only reads.

    With a RUNBOOK its sandbox database, else the database of any --target.
    """
    from pgrunbook import headless

    extra = {"since": since, "driver": driver, "what_if": what_if, "fail_on": fail_on or ""}
    with watching(as_json) as shown:
        found = headless.audit(common(runbook, target, run_id, evidence_dir), shown, extra)
    if not found.report:
        return ended(found.outcome, as_json=as_json)
    if as_json:
        print_json(found.as_json())
    else:
        from pgrunbook import screen as terminal

        terminal.audit(found)
    return found.outcome.exit_status


@click.command()
@click.argument("runbook")
@target_option
@run_id_option
@evidence_option
@click.option("--clients", default=0, help="How many at once; the runbook's where not given.")
@click.option("--requests", default=0, help="How many each; the runbook's where not given.")
@click.option("--production", is_flag=True, help="A target that is not the sandbox may be loaded.")
@verb
def load(
    runbook: str,
    target: str,
    run_id: str,
    evidence_dir: str,
    clients: int,
    requests: int,
    *,
    production: bool,
    as_json: bool,
) -> int:
    """The workload by many clients at once (pgbench). Changes nothing, but keeps the server busy."""
    from pgrunbook import headless

    extra = {"load": {"clients": clients, "requests": requests, "production": production}}
    with watching(as_json) as screen:
        found = headless.run(common(runbook, target, run_id, evidence_dir), ("load",), screen, extra=extra)
    status = ended(found, as_json=as_json)
    if not as_json:
        from pgrunbook import runbook as runbooks
        from pgrunbook import screen as terminal

        terminal.load(runbooks.project_root() / found.evidence)
    return status


@click.command()
@click.argument("runbook")
@target_option
@run_id_option
@evidence_option
@verb
def monitor(runbook: str, target: str, run_id: str, evidence_dir: str, *, as_json: bool) -> int:
    """One look at what became of a run, kept in the ledger: times, plans, indexes, sizes, errors. For cron.

    Prints one line. A regression exits 10 and is told with the query, its plans and the snapshot since which it is so.
    """
    from pgrunbook import from_cron

    found = from_cron.monitor(common(runbook, target, run_id, evidence_dir))
    said(found.line(), found.as_json(), as_json=as_json)
    return found.exit_status
