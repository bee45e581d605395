"""Verbs that write a runbook."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from pgrunbook.cli._base import evidence_option, said, verb
from pgrunbook.errors import WrongUsage

if TYPE_CHECKING:
    from pathlib import Path

    from pgrunbook.importing.sources import Source

_LISTS = ("--sql", "--down")


class _WithLists(click.Command):
    """A command whose `--sql` and `--down` take all words up to the next option, as shells expand `*.sql`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        flags = {name for p in self.params if isinstance(p, click.Option) and p.is_flag for name in p.opts}
        flags |= set(self.get_help_option_names(ctx))
        words: list[str] = []
        into = ""
        named = False
        given = iter(args)
        for word in given:
            option = word.partition("=")[0]
            if word.startswith("-") and word != "-":
                words.append(word)
                into = option if option in _LISTS else into
                if "=" not in word and option not in flags:
                    words += [value for value in [next(given, None)] if value is not None]
            elif into and named:
                words += [into, word]
            else:
                named = True
                words.append(word)
        return super().parse_args(ctx, words)


@dataclass(frozen=True)
class _Given:
    """The sources that a command line names."""

    sql: tuple[str, ...]
    down: tuple[str, ...]
    supabase: str
    first: str
    alembic: str
    revision: str

    def source(self, root: Path) -> Source:
        """The one that is named; standard input where none is and something is piped in."""
        from pgrunbook.importing import alembic, sources

        if self.first and not self.supabase:
            raise WrongUsage("--from is a version of --supabase", remedy="--supabase DIR --from VERSION")
        if bool(self.revision) != bool(self.alembic):
            raise WrongUsage("--alembic and --revision belong together", remedy="--alembic INI --revision A:B")
        if self.alembic:
            if self.down:
                raise WrongUsage("--down is not for Alembic, which has a way back", remedy="leave it out")
            return alembic.of_alembic(self.alembic, self.revision, root)
        if self.supabase:
            return sources.of_supabase(self.supabase, self.first, self.down, root)
        return sources.of_files(self.sql or ("-",), self.down, root)


@click.command(cls=_WithLists)
@click.argument("name")
@click.option("--sql", multiple=True, help="Files of SQL, in the order given; - is standard input.")
@click.option("--down", multiple=True, help="Files with the authored way back, which is checked against the derived.")
@click.option("--supabase", default="", help="A Supabase folder, or its migrations/.")
@click.option("--from", "first", default="", help="With --supabase: the version to begin with.")
@click.option("--alembic", default="", help="An alembic.ini; its offline SQL is taken.")
@click.option("--revision", default="", help="With --alembic: A:B, the revisions from and to.")
@click.option(
    "--accept-irreversible", "accept", default="", help="The reason why statements without a way back may be run."
)
@click.option("--target", default="", help="A libpq service or env:NAME, to draw the workload from; only read.")
@click.option("--from-audit", "audit", default="", help="The run of an audit whose findings the runbook mends.")
@click.option(
    "--finding", "findings", multiple=True, help="A finding's id; several times for several. Else all sure ones."
)
@evidence_option
@verb
def new(
    name: str,
    sql: tuple[str, ...],
    down: tuple[str, ...],
    supabase: str,
    first: str,
    alembic: str,
    revision: str,
    accept: str,
    target: str,
    audit: str,
    findings: tuple[str, ...],
    evidence_dir: str,
    *,
    as_json: bool,
) -> None:
    """Write a runbook, ready to plan.

    From existing migrations (--sql, --supabase, --alembic, standard input): their statements as they are, the way back
    derived, checks, and a report of what is safe as written, rewritten, or cannot be undone.

    From an audit (--from-audit): what mends its findings, with the workload that they are about and checks that they
    are gone.
    """
    named = [
        option
        for option, value in (("--sql", sql), ("--supabase", supabase), ("--alembic", alembic), ("--from-audit", audit))
        if value
    ]
    if len(named) > 1:
        raise WrongUsage(f"{' and '.join(named)}: a runbook has one source", remedy="name one of them")
    if findings and not audit:
        raise WrongUsage("--finding is one of an audit", remedy="--from-audit RUN --finding ID")
    if audit:
        if down or accept or target:
            raise WrongUsage("--down, --accept-irreversible and --target are for migrations", remedy="leave them out")
        _from_audit(name, audit, findings, evidence_dir, as_json=as_json)
        return
    if not named and not revision and not first and not _piped():
        raise WrongUsage(
            "nothing to make a runbook of",
            remedy="pgrunbook new NAME --sql FILE…, --supabase DIR, --alembic INI --revision A:B, or --from-audit RUN",
        )
    _from_migration(name, _Given(sql, down, supabase, first, alembic, revision), accept, target, as_json=as_json)


def _piped() -> bool:
    """Whether standard input is a file or a pipe; of anything else nobody means to read."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or none at all
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _from_migration(name: str, given: _Given, accept: str, target: str, *, as_json: bool) -> None:
    from pgrunbook import authoring, db, runbook
    from pgrunbook.importing import drafting

    root = runbook.project_root()
    authoring.require_name(root, name)
    where = db.parse_target(target) if target else None
    if where and where.is_sandbox:
        raise WrongUsage(
            "a new runbook has no sandbox yet", remedy="name a target that has the data, or leave --target out"
        )
    source = given.source(root)
    if where:
        with db.connect(
            where, application_name=f"pgrunbook new {name}", search_path=source.search_path, read_only=True
        ) as database:
            found = drafting.imported(name, source, accept=accept, database=database)
    else:
        found = drafting.imported(name, source, accept=accept)
    folder = found.write(root)
    draft = found.draft
    content = {
        **_content(root, folder, name, len(found.migration.kept)),
        "workload": [q.name for q in draft.workload],
        "checks": [c.name for c in draft.checks],
        "checklist": [i.id for i in draft.about.checklist],
        "report": found.report.as_json(),
    }
    told = where.name if where else "SERVICE"
    then = f"next: pgrunbook prove {name}\nthen: pgrunbook plan {name} --target {told}"
    said(f"{found.report.text()}\n{_summary(content)}\n{then}", content, as_json=as_json)


def _from_audit(name: str, audit: str, findings: tuple[str, ...], evidence_dir: str, *, as_json: bool) -> None:
    from pgrunbook import authoring, runbook
    from pgrunbook.stages.audit import draft_from

    root = runbook.project_root()
    authoring.require_name(root, name)
    draft = draft_from(root, evidence_dir, audit, name, findings)
    folder = authoring.write(root, draft.draft)
    content = {
        **_content(root, folder, name, len(draft.draft.statements)),
        "workload": [q.name for q in draft.draft.workload],
        "checks": [c.name for c in draft.draft.checks],
        "checklist": [i.id for i in draft.draft.about.checklist],
    }
    said(f"{_summary(content)}\nnext: pgrunbook plan {name}{draft.target_option}", content, as_json=as_json)


def _content(root: Path, folder: Path, name: str, changes: int) -> dict[str, object]:
    return {"runbook": name, "folder": str(folder.relative_to(root)), "changes": changes}


def _summary(content: dict[str, object]) -> str:
    queries, checks = (len(found) if isinstance(found := content[k], list) else 0 for k in ("workload", "checks"))
    counts = (
        _counted(content["changes"], "change", "changes"),
        _counted(queries, "workload query", "workload queries"),
        _counted(checks, "check", "checks"),
    )
    return f"{content['folder']}: {', '.join(counts)}"


def _counted(n: object, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"
