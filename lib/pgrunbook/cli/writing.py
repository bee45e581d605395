"""Verbs that write a runbook."""

from __future__ import annotations

import click

from pgrunbook.cli._base import evidence_option, said, verb
from pgrunbook.errors import WrongUsage


@click.command()
@click.argument("name")
@click.option("--from-audit", "audit", default="", help="The run of an audit whose findings the runbook mends.")
@click.option(
    "--finding", "findings", multiple=True, help="A finding's id; several times for several. Else all sure ones."
)
@evidence_option
@verb
def new(name: str, audit: str, findings: tuple[str, ...], evidence_dir: str, *, as_json: bool) -> None:
    """Write a runbook, ready to plan.

    From an audit: what mends its findings, with the workload that they are about and checks that they are gone.
    """
    if not audit:
        raise WrongUsage("nothing to make a runbook of", remedy="pgrunbook new NAME --from-audit RUN")
    from pgrunbook import authoring, runbook
    from pgrunbook.stages.audit import draft_from

    root = runbook.project_root()
    authoring.require_name(root, name)
    draft = draft_from(root, evidence_dir, audit, name, findings)
    folder = authoring.write(root, draft.draft)
    content = {
        "runbook": name,
        "folder": str(folder.relative_to(root)),
        "changes": len(draft.draft.statements),
        "workload": [q.name for q in draft.draft.workload],
        "checks": [c.name for c in draft.draft.checks],
        "checklist": [i.id for i in draft.draft.about.checklist],
    }
    said(
        f"{content['folder']}: {content['changes']} changes, {len(draft.draft.workload)} workload queries,"
        f" {len(draft.draft.checks)} checks\nnext: pgrunbook plan {name}{draft.target_option}",
        content,
        as_json=as_json,
    )
