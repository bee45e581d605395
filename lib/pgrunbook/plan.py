"""The plan: a runbook's changes held against a target's catalog. Pure data, and it changes nothing.

Its digest covers changes, safe forms, resolved names, settings and the database's identity; never state or
estimates, so that a run that is half done keeps it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgrunbook import errors
from pgrunbook.changes import Change, Estimate, Observation, State, Statement, statements_text
from pgrunbook.db import Database
from pgrunbook.description import Build
from pgrunbook.ledger import Ledger
from pgrunbook.runbook import Runbook
from pgrunbook.sqlfile import quoted

OLDEST_VERSION = 130000


@dataclass(frozen=True, slots=True)
class Identity:
    """Which database a session is on, and what its role may do there."""

    system_identifier: str
    database: str
    version: int
    standby: bool
    backend_pid: int
    role: str
    superuser: bool
    may_create_schema: bool
    may_create_temporary: bool
    sees_all_activity: bool
    deadlock_timeout_ms: int

    @property
    def key(self) -> tuple[str, str]:
        """What a run is bound to."""
        return (self.system_identifier, self.database)


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the plan and what the target's catalog says of it."""

    position: int
    change: Change
    seen: Observation
    safe: tuple[Statement, ...]
    undo: tuple[Statement, ...]
    estimate: Estimate

    @property
    def kind(self) -> str:
        return self.change.kind

    @property
    def object(self) -> str:
        return self.change.object

    @property
    def to_do(self) -> bool:
        return self.seen.state is not State.PRESENT

    def as_json(self) -> dict[str, Any]:
        """The step as `plan --json` shows it."""
        return {
            "kind": self.kind,
            "object": self.object,
            "written": self.change.written.sql,
            "safe": statements_text(self.safe),
            "lock": self.lock,
            "state": self.seen.state.value,
            "undo": self.undo_text,
            "lint": self.change.lint(),
            "detail": self.seen.detail,
            "estimate_bytes": self.estimate.bytes,
        }

    @property
    def lock(self) -> str:
        """What the safe form locks, as a person reads it."""
        return "; ".join(dict.fromkeys(f"{s.lock}{f' on {s.relation}' if s.relation else ''}" for s in self.safe))

    @property
    def undo_text(self) -> str:
        """The way back, and whether the runbook keeps the object."""
        text = statements_text(self.undo) or f"none: {self.change.options.irreversible}"
        return f"{text} -- kept on rollback" if self.change.options.on_rollback == "keep" else text


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes in order, bound to one database."""

    runbook: str
    target: str
    identity: Identity
    search_path: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    digest: str

    @property
    def left(self) -> tuple[Step, ...]:
        """The steps that are not done."""
        return tuple(s for s in self.steps if s.to_do)

    def as_json(self) -> dict[str, Any]:
        """The plan as `plan --json` prints it."""
        return {
            "runbook": self.runbook,
            "target": self.target,
            "digest": self.digest,
            "steps": [s.as_json() for s in self.steps],
        }


def identify(db: Database) -> Identity:
    """Who and where this session is. Raises `BadTarget` for a standby or a server too old."""
    found = db.exactly("identity", Identity)
    if found.standby:
        raise errors.BadTarget(
            f"target {db.target.name} is a standby: it can't be written to, nor compared with a plan",
            remedy="name the primary (in the service: target_session_attrs=read-write)",
        )
    if found.version < OLDEST_VERSION:
        raise errors.BadTarget(
            f"target {db.target.name} runs PostgreSQL {found.version // 10000}; 13 is the oldest that is known",
            remedy="upgrade the server",
        )
    return found


def make(runbook: Runbook, db: Database) -> Plan:
    """Hold a runbook against a target. Needs a read-write session with the runbook's search_path.

    Raises `PreflightFailed` where a table is missing; objects of another definition are left to preflight.
    """
    identity = identify(db)
    resolved = [change.resolve(db) for change in runbook.changes]
    _refuse_twice(resolved)
    settings = build_settings(runbook.about.build, is_sandbox=db.target.is_sandbox)
    ledger = Ledger(db, runbook.about.ledger.name)
    steps = []
    for position, change in enumerate(resolved, 1):
        seen = change.state(db)
        if seen.state is State.UNKNOWN and (run := ledger.run_that_applied(runbook.name, change.resolved_sql())):
            seen = Observation(State.PRESENT, f"done by run {run}, says the ledger")
        steps.append(
            Step(
                position=position,
                change=change,
                seen=seen,
                safe=tuple(change.apply(seen.state)),
                undo=tuple(change.undo({})),
                estimate=change.estimate(db) if seen.state is not State.PRESENT else Estimate(),
            )
        )
    about = runbook.about
    digest = _digest(resolved, settings, (*about.search_path, about.ledger.name), identity)
    return Plan(runbook.name, db.target.name, identity, about.search_path, settings, tuple(steps), digest)


def _refuse_twice(resolved: Sequence[Change]) -> None:
    """Two changes that make one object: only the resolved names tell of `t` and `public.t`, or of two unnamed ones."""
    lines: dict[str, int] = {}
    for change in resolved:
        if change.object in lines:
            raise errors.PreflightFailed(
                f"lines {lines[change.object]} and {change.written.line} of migrate.sql both make {change.object}",
                remedy="leave one out, or give each a name of its own",
            )
        lines[change.object] = change.written.line


def build_settings(build: Build, *, is_sandbox: bool) -> tuple[tuple[str, str], ...]:
    """The settings of the session that builds, in the order they are set."""
    cancel = build.cancel_if_client_dies if build.cancel_if_client_dies is not None else is_sandbox
    wanted = {
        "maintenance_work_mem": build.maintenance_work_mem,
        "max_parallel_maintenance_workers": None if build.parallel_workers is None else str(build.parallel_workers),
        "client_connection_check_interval": "1s" if cancel else "0",
    }
    return tuple((k, v) for k, v in wanted.items() if v is not None)


def _digest(
    resolved: Sequence[Change], settings: Sequence[tuple[str, str]], names: Sequence[str], identity: Identity
) -> str:
    content = {
        "changes": [
            {
                "kind": c.kind,
                "object": c.object,
                "resolved": c.resolved_sql(),
                "safe": [s.sql for s in c.apply(State.ABSENT)],
                "undo": [s.sql for s in c.undo({})],
                "options": c.options.model_dump(),
            }
            for c in resolved
        ],
        "settings": [list(s) for s in settings],
        "names": list(names),
        "identity": list(identity.key),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _known(setting: str, version: int) -> bool:
    return setting != "client_connection_check_interval" or version >= 140000


def script(plan: Plan, lock_timeout_ms: int) -> str:
    """The exact statements, for reading or for psql (which must not be in a transaction)."""
    lines = [
        f"-- runbook {plan.runbook}, target {plan.target}, plan {plan.digest[:16]}",
        "\\set ON_ERROR_STOP on",
        "set search_path = " + ", ".join(quoted(s) for s in plan.search_path) + ";",
        *(f"set {name} = '{value}';" for name, value in plan.settings if _known(name, plan.identity.version)),
    ]
    for step in plan.steps:
        lines.append(f"\n-- {step.position}. {step.kind} {step.object}: {step.seen.state}")
        lines += [f"-- {note}" for note in step.change.lint()]
        if not step.to_do:
            lines.append("-- nothing to do")
            continue
        if step.seen.state is State.DIFFERENT:
            lines += ["-- STOP, the catalog holds another definition:", f"-- {step.seen.detail}"]
            continue
        for statement in step.safe:
            timeout = f"{lock_timeout_ms}ms" if statement.transactional else "0"
            lines += [f"set lock_timeout = '{timeout}';", f"{statement.sql};"]
    return "\n".join(lines) + "\n"
