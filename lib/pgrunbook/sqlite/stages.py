"""What does the stages' parts on a SQLite file, by stage and name; None where PostgreSQL's does it as well.

A part that there is nothing for says so in a sentence, which the notebook shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlite import baseline, migrate, rollback, shared, verify
from pgrunbook.sqlite.session import SqliteSession
from pgrunbook.sqlite.words import NO_APPLICATION, NO_LOAD, NO_POLICIES, NO_ROLES, NO_SQUAWK
from pgrunbook.stages.migrate import require_applied


def absent(text: str, asked: Callable[[SqliteSession], bool], session: SqliteSession) -> str:
    """A part that there is nothing for on SQLite. Where the runbook asks for it, that is a finding as well."""
    if asked(session):
        session.record([Check("not on SQLite", session.stage, Verdict.NOT_MEASURABLE, gates=False, detail=text)])
    return text


def _never(session: SqliteSession) -> bool:  # noqa: ARG001
    return False


_ROLES = partial(absent, NO_ROLES, lambda s: s.runbook.about.visibility is not None)
_POLICIES = partial(absent, NO_POLICIES, lambda s: bool(s.runbook.about.visibility))
_LOAD = partial(absent, NO_LOAD, lambda s: s.stage in s.runbook.about.load.stages)
_APPLICATION = partial(absent, NO_APPLICATION, lambda s: s.runbook.about.application is not None)
_SQUAWK = partial(absent, NO_SQUAWK, _never)
_READERS = partial(absent, NO_ROLES, _never)


def checklist_probes(session: SqliteSession) -> list[Check]:
    require_applied(session)
    wanted = {item.probe for item in session.runbook.about.checklist if item.probe}
    return shared.probes(session, {p.name for p in session.runbook.probes} & wanted)


PARTS: Mapping[tuple[str, str], Callable[..., Any] | None] = {
    ("baseline", "surroundings"): baseline.surroundings,
    ("baseline", "visibility"): _ROLES,
    ("baseline", "exposure"): _READERS,
    ("baseline", "tables"): baseline.tables,
    ("baseline", "indexes"): baseline.indexes,
    ("baseline", "schema_fingerprint"): baseline.schema_fingerprint,
    ("baseline", "queries"): baseline.queries,
    ("baseline", "evaluations"): _POLICIES,
    ("baseline", "load"): _LOAD,
    ("baseline", "application"): _APPLICATION,
    ("migrate", "preflight"): migrate.preflight,
    ("migrate", "plan"): migrate.plan,
    ("migrate", "opinions"): _SQUAWK,
    ("migrate", "execute"): migrate.execute,
    ("migrate", "way_back"): migrate.way_back,
    ("verify", "objects"): verify.objects,
    ("verify", "queries"): verify.queries,
    ("verify", "rewrites"): verify.rewrites,
    ("verify", "evaluations"): _POLICIES,
    ("verify", "index_use"): verify.index_use,
    ("verify", "storage"): verify.storage,
    ("verify", "checks"): verify.checks,
    ("verify", "load"): _LOAD,
    ("verify", "application"): _APPLICATION,
    ("verify", "visibility"): _ROLES,
    ("verify", "exposure"): _READERS,
    ("verify", "claims"): verify.claims,
    ("checklist", "probes"): checklist_probes,
    ("checklist", "sign_off"): None,
    ("rollback", "undo"): rollback.undo,
    ("rollback", "proof"): rollback.proof,
    ("rollback", "answers"): rollback.answers,
    ("rollback", "probes"): rollback.probes,
    ("rollback", "claims"): None,
}
