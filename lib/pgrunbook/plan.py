"""The plan: a runbook's changes held against a target's catalog. Pure data, and it changes nothing.

Its digest covers changes, safe forms, resolved names, settings and the database's identity; never state or
estimates, so that a run that is half done keeps it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from pgrunbook import errors
from pgrunbook.changes import (
    NOTHING_THERE,
    Alone,
    Change,
    Estimate,
    Names,
    Observation,
    Phase,
    RawSql,
    Rows,
    State,
    Transaction,
    ValueOfNew,
    Walk,
    statements_text,
)
from pgrunbook.db import Database
from pgrunbook.description import Build
from pgrunbook.ledger import Ledger
from pgrunbook.resolving import resolved as resolved
from pgrunbook.runbook import Runbook
from pgrunbook.sqlfile import quoted

OLDEST_VERSION = 130000
_LISTED = 6


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
    """One change of the plan and what the target's catalog says of it; `waits`: its relation is yet to come."""

    position: int
    change: Change
    seen: Observation
    safe: tuple[Phase, ...]
    undo: tuple[Phase, ...]
    estimate: Estimate
    waits: bool = False

    @property
    def kind(self) -> str:
        return self.change.kind

    @property
    def object(self) -> str:
        return self.change.object

    @property
    def to_do(self) -> bool:
        return self.seen.state is not State.PRESENT

    def as_json(self, notes: Sequence[str] = ()) -> dict[str, Any]:
        """The step as `plan --json` shows it; `notes` are added to its own."""
        return {
            "kind": self.kind,
            "object": self.object,
            "written": self.change.written.as_written,
            "safe": statements_text(self.safe),
            "lock": self.lock,
            "state": self.seen.state.value,
            "undo": self.undo_text,
            "lint": [*self.change.lint(), *notes],
            "detail": self.seen.detail,
            "estimate_bytes": self.estimate.bytes,
        }

    @property
    def lock(self) -> str:
        """What the safe form locks, as a person reads it."""
        found = (f"{s.lock}{f' on {s.relation}' if s.relation else ''}" for p in self.safe for s in p.statements)
        return "; ".join(dict.fromkeys(found))

    @property
    def undo_text(self) -> str:
        """The way back, and whether the runbook keeps the object."""
        lacking = f"none: {self.change.irreversible}" if self.change.irreversible else "none needed"
        if self.waits and not self.change.by_ledger:
            lacking = "worked out when its turn comes, from what stands there then"
        text = statements_text(self.undo) or lacking
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

    def beside(self, step: Step) -> list[str]:
        """A note that names the steps which are committed together with this one."""
        group = next(g for g in self.groups() if any(s is step for s in g))
        beside = [str(s.position) for s in group if s is not step]
        if len(beside) > _LISTED:
            return [f"committed together with the others of {group[0].position} to {group[-1].position}, as one"]
        if beside:
            return [f"committed together with {', '.join(beside)}, in one transaction"]
        return self._apart(step)

    def _apart(self, step: Step) -> list[str]:
        """A note at the first step of a BEGIN … COMMIT that is taken apart, which says by what."""
        block = step.change.written.block
        members = [s for s in self.steps if s.change.written.block == block]
        if not block or step.change.block or step is not members[0]:
            return []
        found = list(_culprits([s.change for s in members]))
        culprits = [f"{s.position} ({s.kind} {s.object})" for s in members if any(s.change is c for c in found)]
        why = (
            f"of {', '.join(culprits[:_LISTED])}, to be committed apart" if culprits else "a part is committed outside"
        )
        return [f"its BEGIN … COMMIT, {members[0].position} to {members[-1].position}, is taken apart because {why}"]

    def groups(self) -> Iterator[tuple[Step, ...]]:
        """The steps in order, those that are committed together in one tuple."""
        for _, steps in groupby(self.steps, key=lambda s: s.change.unit or str(s.position)):
            yield tuple(steps)

    def as_json(self, notes: Mapping[int, Sequence[str]] | None = None) -> dict[str, Any]:
        """The plan as `plan --json` prints it; `notes` are added to those of the steps, by position."""
        return {
            "runbook": self.runbook,
            "target": self.target,
            "digest": self.digest,
            "steps": [s.as_json([*self.beside(s), *(notes or {}).get(s.position, ())]) for s in self.steps],
        }


def identify(db: Database, *, standby_too: bool = False) -> Identity:
    """Who and where this session is. Raises `BadTarget` for a server too old, and for a standby unless it will do."""
    found = db.exactly("identity", Identity)
    if found.standby and not standby_too:
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
    names = Names(db)
    found = resolved(runbook.changes, names)
    _refuse_twice(found)
    _refuse_gap(found)
    _refuse_late_drop(found)
    found = gathered(_kept_blocks(found))
    settings = build_settings(runbook.about.build, is_sandbox=db.target.is_sandbox)
    ledger = Ledger(db, runbook.about.ledger.name)
    steps: list[Step] = []
    for position, change in enumerate(found, 1):
        waits = change.not_yet(db)
        seen = change.standing(db)
        done = seen.state is State.PRESENT
        if change.by_ledger and not done and (run := ledger.run_that_applied(runbook.name, change.resolved_sql())):
            seen, done = Observation(State.PRESENT, f"done by run {run}, says the ledger"), True
        if change.passing and change.destroys and not done:
            _require_own(change, steps, ledger, runbook.name)
        if change.objection and not ledger.has_passed(runbook.name, change.resolved_sql()):
            raise change.objection
        if isinstance(change, Rows) and not done:
            _require_new(change, steps, ledger, runbook.name)
        if isinstance(change, ValueOfNew) and not done:
            _require_new_enum(change, steps, ledger, runbook.name)
        steps.append(
            Step(
                position=position,
                change=change,
                seen=seen,
                safe=tuple(change.apply(seen)),
                undo=tuple(change.undo({} if done else change.foreknown() if waits else change.capture(db))),
                estimate=Estimate() if done or waits else change.estimate(db),
                waits=waits and not done,
            )
        )
    about = runbook.about
    digest = _digest(found, settings, (*about.search_path, about.ledger.name), identity)
    return Plan(runbook.name, db.target.name, identity, about.search_path, settings, tuple(steps), digest)


def _require_own(drop: Change, before: Sequence[Step], ledger: Ledger, runbook: str) -> None:
    """Refuse to drop what the migration would make, were it not there already: its rows are somebody's."""
    for step in before:
        if not step.change.begins or step.change.subject != drop.subject or step.seen.state is State.ABSENT:
            continue
        if not ledger.run_that_applied(runbook, step.change.resolved_sql()):
            raise errors.PreflightFailed(
                f"line {drop.written.line} of migrate.sql drops {drop.object}, which was there before line "
                f"{step.change.written.line} that makes it: what is in it would be lost",
                remedy="drop it by a runbook of its own, which says why it may be lost",
            )


def _require_new(rows: Rows, before: Sequence[Step], ledger: Ledger, runbook: str) -> None:
    """Refuse rows for a table that was there before: its undo would not take them out again."""
    for step in before:
        made = step.change.makes
        if made is None or str(made) != rows.relation or step.to_do:
            continue
        if not ledger.run_that_applied(runbook, step.change.resolved_sql()):
            does, leaves = ("writes rows into", "the rows") if rows.is_writing else ("changes", "that")
            raise errors.PreflightFailed(
                f"line {rows.written.line} of migrate.sql {does} {rows.relation}, which was there before: "
                f"a rollback leaves it, and would leave {leaves}",
                remedy=f"answer for the statement in rollback.sql, below `-- undoes: {rows.label}`",
            )


def _require_new_enum(value: ValueOfNew, before: Sequence[Step], ledger: Ledger, runbook: str) -> None:
    """Refuse a value for an enum that was there before: its undo would not take it out again."""
    for step in before:
        if step.change.subject != value.of or step.to_do:
            continue
        if not ledger.run_that_applied(runbook, step.change.resolved_sql()):
            raise errors.PreflightFailed(
                f"line {value.written.line} of migrate.sql adds a value to {value.enum}, which was there before: a "
                "rollback leaves the type, and would leave the value",
                remedy="add it in a runbook of its own, or by hand",
            )


def _kept_blocks(changes: Sequence[Change]) -> list[Change]:
    """The changes, each in its BEGIN … COMMIT only if all of that can be one transaction.

    It can't where a change is built concurrently, looks at its rows in a transaction of its own, has to be committed
    before it is used, is committed together with one outside, or alters what another one renames.
    """
    apart: set[int] = set()
    homes: dict[str, set[int]] = {}
    apart |= {c.block for c in _culprits(changes)}
    for change in changes:
        if change.together:
            homes.setdefault(change.together, set()).add(change.block)
    for blocks in homes.values():
        if len(blocks) > 1:
            apart |= blocks
    return [replace(c, block=0) if c.block in apart else c for c in changes]


def _needs_own_commit(change: Change) -> bool:
    """Whether a change can't be in one transaction with others: it is built concurrently, looks at rows apart, …"""
    phases = change.apply(NOTHING_THERE)
    one = len(phases) == 1 and isinstance(phases[0], Transaction)
    return change.is_check or change.takes_block_apart or not one


def _culprits(changes: Sequence[Change]) -> Iterator[Change]:
    """The changes because of which a BEGIN … COMMIT is taken apart."""
    renames: dict[int, list[Change]] = {}
    for change in changes:
        before = renames.setdefault(change.written.block, [])
        if _needs_own_commit(change) or _alters_renamed(change, before):
            yield change
        if change.written.block and change.renames and not change.fresh:
            before.append(change)


def _alters_renamed(change: Change, renames: Sequence[Change]) -> bool:
    """Whether it alters what earlier changes of its BEGIN … COMMIT rename.

    What its way back needs is looked at before the first of a transaction, where the new name stands for nothing yet.
    """
    replaces = getattr(change.written.node, "replace", False)
    if not renames or change.renames or change.fresh or (change.begins and not replaces):
        return False
    return change.awaited or any(change.relation in ("", c.relation) for c in renames)


def gathered(changes: Sequence[Change]) -> list[Change]:
    """The changes in the order in which they are carried out: those that are committed together stand side by side.

    The policies of a table stand where the last of them is written, since they need what is made before; the grants on
    a new object where that is made. Nothing is moved past a statement that looks, or whose effect is not known.
    """
    order: list[Change] = []
    for fence, several in groupby(changes, key=_fence):
        run = list(several)
        order += run if fence else _side_by_side(run)
    return order


def _fence(change: Change) -> str:
    """What nothing is moved past; empty for a change that may be moved."""
    if change.block:
        return f"block {change.block}"
    return "fence" if change.is_check or change.renames or isinstance(change, RawSql) else ""


def _side_by_side(changes: list[Change]) -> list[Change]:
    members: dict[str, list[Change]] = {}
    for change in changes:
        members.setdefault(change.together, []).append(change)
    order: list[Change] = []
    for change in changes:
        group = members[change.together]
        if not change.together:
            order.append(change)
        elif change is (group[-1] if change.gathers_at_end else group[0]):
            order += group
    return order


def _refuse_twice(resolved: Sequence[Change]) -> None:
    """Two changes that make one object: only the resolved names tell of `t` and `public.t`, or of two unnamed ones."""
    first: dict[str, Change] = {}
    recorded: dict[str, Change] = {}
    for change in resolved:
        same = recorded.setdefault(change.resolved_sql(), change) if change.by_ledger else change
        if same is not change:
            raise errors.PreflightFailed(
                f"lines {same.written.line} and {change.written.line} of migrate.sql are the same statement, which the "
                "ledger could not tell apart",
                remedy="write it once; or make them differ, if it is meant to be done twice",
            )
        before = first.setdefault(change.subject, change)
        if before is not change and not change.may_follow(before):
            raise errors.PreflightFailed(
                f"lines {before.written.line} and {change.written.line} of migrate.sql both make {change.object}",
                remedy="leave one out, or give each a name of its own",
            )
        first[change.subject] = change


def _refuse_gap(resolved: Sequence[Change]) -> None:
    """A GRANT between ENABLE ROW LEVEL SECURITY and the table's policies would be carried out before them all."""
    last = {c.together: n for n, c in enumerate(resolved) if c.gathers_at_end}
    for number, change in enumerate(resolved):
        if change.kind != "row_security" or not change.together:
            continue
        for other in resolved[number + 1 : last[change.together]]:
            if other.kind == "grant" and other.relation:
                raise errors.PreflightFailed(
                    f"line {other.written.line} of migrate.sql grants on {other.object} between line "
                    f"{change.written.line}, which changes the row security of {change.object}, and the last of its "
                    "policies: row security and policies are committed together, so the grant would come before",
                    remedy=f"write the GRANT after the policies of {change.object}",
                )


def _refuse_late_drop(resolved: Sequence[Change]) -> None:
    """A policy that is dropped for a change which it is in the way of would still be there, as would its table's."""
    dropped: dict[str, tuple[Change, list[Change]]] = {}
    for change in resolved:
        if change.kind == "drop_policy" and change.together and not change.block:
            dropped[change.subject] = change, []
        elif change.kind == "create_policy" and change.subject in dropped:
            drop, between = dropped.pop(change.subject)
            if between:
                raise errors.PreflightFailed(
                    f"the policies of {change.relation} are changed together, in one transaction, so {change.object} "
                    f"would still be there when line {between[0].written.line} of migrate.sql alters what it reads",
                    remedy=f"put begin before line {drop.written.line} and commit after line {change.written.line}",
                )
        elif change.kind in ("drop_column", "alter_column_type", "drop_function"):
            for drop, between in dropped.values():
                between += [change] if change.relation in ("", drop.relation) else []


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
                "safe": [str(phase) for phase in c.apply(NOTHING_THERE)],
                "undo": [str(phase) for phase in c.undo({})],
                "options": c.options.model_dump(),
            }
            for c in (change.timeless for change in resolved)
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
    """The statements, for reading or for psql (which must not be in a transaction).

    What only the executor does is not in them: retries, batches, the ledger.
    """
    lines = [
        f"-- runbook {plan.runbook}, target {plan.target}, plan {plan.digest[:16]}",
        "\\set ON_ERROR_STOP on",
        "set search_path = " + ", ".join(quoted(s) for s in plan.search_path) + ";",
        *(f"set {name} = '{value}';" for name, value in plan.settings if _known(name, plan.identity.version)),
    ]
    for group in plan.groups():
        phases = [p for step in group for p in _script_of(step, lines)]
        if len(group) > 1 and phases:
            phases = [Transaction(tuple(s for p in phases for s in p.statements))]
        for phase in phases:
            if isinstance(phase, Walk):
                lines.append("-- run by hand this is ONE statement: no batches, and no old values to go back to")
            timeout = "0" if isinstance(phase, Alone) else f"{lock_timeout_ms}ms"
            lines += [f"set lock_timeout = '{timeout}';", str(phase)]
    return "\n".join(lines) + "\n"


def _script_of(step: Step, lines: list[str]) -> tuple[Phase, ...]:
    """Add a step's comments to a script; its phases, none where there is nothing to do or it can't be done."""
    lines.append(f"\n-- {step.position}. {step.kind} {step.object}: {step.seen.state}")
    lines += [f"-- {note}" for note in step.change.lint()]
    if not step.to_do:
        lines.append("-- nothing to do")
        return ()
    if step.seen.state is State.DIFFERENT:
        lines += ["-- STOP, the catalog holds another definition:", f"-- {step.seen.detail}"]
        return ()
    return step.safe
