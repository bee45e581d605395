"""What is looked at before the first write. What forbids the change fails; what a DBA should know is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pgrunbook import errors
from pgrunbook.changes import State, Walk
from pgrunbook.db import Database
from pgrunbook.description import Limits
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.ledger import Ledger
from pgrunbook.plan import Plan
from pgrunbook.runbook import Runbook
from pgrunbook.sqlfile import quoted


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """A session that a concurrent build would wait for. `seconds` is None where the role may not see it."""

    pid: int
    role: str
    application: str
    state: str
    seconds: float | None
    xmin_age: int

    def __str__(self) -> str:
        held = f"for {self.seconds:.0f} s" if self.seconds is not None else f"for {self.xmin_age} transactions"
        return f"pid {self.pid} ({self.application or 'no application name'}, {self.role}, {self.state}) {held}"


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """A transaction prepared for two-phase commit."""

    gid: str
    role: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunningBuild:
    """An index build of another session."""

    pid: int
    relation: str
    index: str
    phase: str
    application: str


@dataclass(frozen=True, slots=True)
class _Privilege:
    relation: str
    owner: str
    owns: bool


@dataclass(frozen=True, slots=True)
class _Publication:
    name: str
    all_tables: bool


@dataclass(frozen=True, slots=True)
class _Surrounding:
    kind: str
    name: str
    detail: str


def check(runbook: Runbook, plan: Plan, db: Database, ledger: Ledger, *, outside_window: bool = False) -> list[Check]:
    """All checks, in the order in which a person would ask. Raises `BadTarget` for lacking privileges."""
    require_privileges(plan, db, ledger)
    return [
        _version(plan, db),
        *_window(runbook, db, outside=outside_window),
        pooler(db, plan.identity.backend_pid),
        *_publications(runbook, db, ledger),
        *_transactions(runbook, plan, db),
        *objects(plan),
        *_builds(plan, db),
        *_client_check(plan),
        _space(runbook, plan),
        *_surroundings(db),
    ]


def require_privileges(plan: Plan, db: Database, ledger: Ledger) -> None:
    """Raise `BadTarget` where the role may not do what the plan needs."""
    relations = sorted({s.change.relation for s in plan.left if s.change.relation})
    schemas = sorted({s.change.creates_in for s in plan.left if s.change.creates_in})
    lacking = []
    for found in db.fetch("privileges", _Privilege, relations=relations):
        if not found.owns:
            lacking.append((f"does not own {found.relation}", f"grant {quoted(found.owner)} to {quoted(db.user)}"))
    # a schema that the migration makes is its role's own
    may_not = "select not has_schema_privilege(oid, 'create') from pg_catalog.pg_namespace where nspname = $1"
    for schema in schemas:
        if db.value(may_not, [schema]):
            remedy = f"grant create on schema {quoted(schema)} to {quoted(db.user)}"
            lacking.append((f"may not create in schema {schema}", remedy))
    if not plan.identity.may_create_temporary and any(s.change.relation for s in plan.steps):
        remedy = f"grant temporary on database {quoted(plan.identity.database)} to {quoted(db.user)}"
        lacking.append(("may not make the temporary tables by which definitions are compared", remedy))
    if lacking:
        reasons = "; ".join(dict.fromkeys(reason for reason, _ in lacking))
        raise errors.BadTarget(
            f"role {db.user} {reasons} on {db.target.name}",
            remedy="; ".join(dict.fromkeys(remedy for _, remedy in lacking)) + "; or run as the owner",
        )
    if ledger.exists():
        if not ledger.usable():
            raise ledger.not_allowed("it is there, without the privileges")
        keeps = any(isinstance(p, Walk) for s in plan.left for p in s.safe)
        if keeps and not db.value("select pg_catalog.has_schema_privilege($1, 'create')", [ledger.schema]):
            raise ledger.not_allowed("no CREATE in it, where the old values of an UPDATE are kept")
    elif not plan.identity.may_create_schema:
        raise ledger.not_allowed(f"no CREATE on database {plan.identity.database}")


def _version(plan: Plan, db: Database) -> Check:
    role = plan.identity.role + (", superuser" if plan.identity.superuser else ", owner of the tables")
    version = f"PostgreSQL {db.version // 10000}.{db.version % 10000}"
    return passed("server", db.target.name, True, claimed="13 or newer, a primary", measured=f"{version}, {role}")


def _window(runbook: Runbook, db: Database, *, outside: bool) -> Iterator[Check]:
    """Whether the server's clock is in the hours that the runbook gives a migration for its begin."""
    now: datetime = db.value("select pg_catalog.clock_timestamp()")
    yield from window(runbook.about.limits, now, rehearsal=db.target.is_sandbox, outside=outside)


def window(limits: Limits, clock: datetime, *, rehearsal: bool, outside: bool) -> Iterator[Check]:
    """Whether a clock is in the hours that a runbook gives a migration for its begin."""
    if limits.window is None:
        return
    zone = ZoneInfo(limits.window_timezone)
    now = clock.astimezone(zone)
    begin, end = (time.fromisoformat(t) for t in limits.window)
    inside = in_hours(now.time(), begin, end)
    wait = until(now, begin)
    hours, minutes = divmod(round(wait.total_seconds() / 60), 60)
    later = f"wait until {limits.window[0]} {zone.key}, in {hours} h {minutes} min"
    gates = not rehearsal and not outside
    told = "" if gates else "told, since this is the sandbox" if rehearsal else "allowed by outside_window"
    yield passed(
        "window",
        "limits.window",
        inside,
        gates=gates,
        claimed=f"between {limits.window[0]} and {limits.window[1]} {zone.key}",
        measured=f"{now:%H:%M} {zone.key}",
        detail="" if inside else told or f"{later}; or give outside_window = True",
    )


def in_hours(now: time, begin: time, end: time) -> bool:
    """Whether a time of day lies between two others, the second one left out; over midnight where it comes first.

    >>> [in_hours(time(h), time(22), time(4)) for h in (21, 22, 3, 4)]
    [False, True, True, False]
    """
    return begin <= now < end if begin < end else now >= begin or now < end


def until(now: datetime, begin: time) -> timedelta:
    """How long it is until a time of day comes next, by the clock on the wall: a change of clocks in between counts.

    >>> until(datetime(2026, 3, 29, 1, 30, tzinfo=ZoneInfo("Europe/Berlin")), time(4))
    datetime.timedelta(seconds=5400)
    """
    utc = ZoneInfo("UTC")
    next_one = datetime.combine(now.date(), begin, now.tzinfo)
    if next_one.replace(tzinfo=None) <= now.replace(tzinfo=None):
        next_one = datetime.combine(now.date() + timedelta(days=1), begin, now.tzinfo)
    return next_one.astimezone(utc) - now.astimezone(utc)


def pooler(db: Database, answering_pid: int) -> Check:
    """Whether a transaction-mode pooler is in between: it would spread locks and settings over sessions."""
    direct = db.backend_pid == answering_pid
    return passed(
        "pooler",
        db.target.name,
        direct,
        claimed="a direct connection",
        measured="direct" if direct else "another backend answers than the one connected to",
        detail="" if direct else "a transaction-mode pooler is in between; give a service that connects directly",
    )


def _publications(runbook: Runbook, db: Database, ledger: Ledger) -> Iterator[Check]:
    found = db.fetch("publications", _Publication, schema=ledger.schema)
    if db.version >= 150000:
        found = list(dict.fromkeys(found + db.fetch("schema_publications", _Publication, schema=ledger.schema)))
    accepted = runbook.about.ledger.published
    if not found:
        yield passed("publications", "none of the ledger", True, claimed="the ledger is not replicated")
    for publication in found:
        scope = "for all tables" if publication.all_tables else f"of schema {ledger.schema}"
        remedy = (
            f"create the ledger on every subscriber first: pgrunbook ledger sql --schema {ledger.schema} | psql "
            'SUBSCRIBER, then set [ledger] published = "why" in runbook.toml; or name the tables in the '
            "publication. Otherwise the subscription stops at the missing table, and the application's rows with it"
        )
        yield passed(
            "publications",
            publication.name,
            bool(accepted),
            claimed="the ledger is not replicated",
            measured=f"{scope}: it would be",
            detail=f"accepted: {accepted}" if accepted else remedy,
        )


def _transactions(runbook: Runbook, plan: Plan, db: Database) -> Iterator[Check]:
    limit = runbook.about.limits.old_transaction_s
    old = db.fetch("old_transactions", OldTransaction, seconds=limit)
    seen_old = [o for o in old if o.seconds is not None]
    hidden = [o for o in old if o.seconds is None]
    yield passed(
        "old transactions",
        f"older than {limit:g} s",
        not seen_old,
        claimed="none",
        measured="; ".join(map(str, seen_old)) or "none",
        detail=""
        if not seen_old
        else f"a concurrent build waits for them; end one with: select pg_terminate_backend({seen_old[0].pid})",
    )
    if not plan.identity.sees_all_activity:
        yield passed(
            "old transactions",
            "not visible to this role",
            not hidden,
            gates=False,
            claimed="none",
            measured="; ".join(map(str, hidden)) or "no other session holds a snapshot",
            detail=f"their age can't be seen without: grant pg_read_all_stats to {quoted(db.user)}",
        )
    prepared = db.fetch("prepared_transactions", PreparedTransaction)
    yield passed(
        "prepared transactions",
        plan.identity.database,
        not prepared,
        claimed="none",
        measured="; ".join(f"{p.gid!r} of {p.role}, {p.seconds:.0f} s" for p in prepared) or "none",
        detail=""
        if not prepared
        else "they hold locks and a snapshot, a build would wait for ever; end them with: "
        + f"rollback prepared '{prepared[0].gid}' (or commit prepared)",
    )


def objects(plan: Plan) -> Iterator[Check]:
    """What stands under the names of the plan's objects."""
    for step in plan.steps:
        state = step.seen.state
        remedy = {
            State.DIFFERENT: f"{step.seen.detail}; {step.change.if_different}",
            State.INVALID: "a leftover; it is dropped and built again",
            State.BUILDING: step.seen.detail,
        }
        yield passed(
            "object",
            step.object,
            state is not State.DIFFERENT,
            claimed="absent, or as planned",
            measured=state.value,
            detail=remedy.get(state, ""),
        )


def _builds(plan: Plan, db: Database) -> Iterator[Check]:
    relations = sorted({s.change.relation for s in plan.left if s.change.is_index})
    found = db.fetch("running_builds", RunningBuild, relations=relations, own_pid=0)
    yield passed(
        "running builds",
        ", ".join(relations) or "no index to build",
        not found,
        gates=False,
        claimed="none",
        measured="; ".join(f"pid {b.pid} ({b.application}) builds {b.index} on {b.relation}" for b in found) or "none",
        detail="waited for, within the runbook's budget: two concurrent builds on one table deadlock" if found else "",
    )


def _client_check(plan: Plan) -> Iterator[Check]:
    """Whether the server can notice that a client died, where the runbook counts on it."""
    if dict(plan.settings).get("client_connection_check_interval", "0") != "0" and plan.identity.version < 140000:
        yield passed(
            "client check", plan.target, False, gates=False,
            claimed="a build is cancelled when its client dies (build.cancel_if_client_dies)",
            measured="PostgreSQL 13 does not look after its clients",
            detail="an orphaned build goes on; the next run finds it, and waits for it or cancels it (build.orphan)",
        )  # fmt: skip


def _space(runbook: Runbook, plan: Plan) -> Check:
    lasting = sum(s.estimate.bytes for s in plan.left) / 2**20
    temporary = max((s.estimate.temporary for s in plan.left), default=0) / 2**20
    available = runbook.about.limits.space_available_mb
    measured = f"{lasting:,.0f} MB for good, {temporary:,.0f} MB while the largest is built"
    if available is None:
        return Check(
            "space", plan.identity.database, Verdict.NOT_MEASURABLE, measured=measured, gates=False,
            detail="SQL can't see the disk: say limits.space_available_mb in runbook.toml",
        )  # fmt: skip
    return passed(
        "space",
        plan.identity.database,
        lasting + temporary <= available,
        claimed=f"at most {available:,.0f} MB (limits.space_available_mb)",
        measured=measured,
        detail="estimated from row counts and column widths",
    )


def _surroundings(db: Database) -> Iterator[Check]:
    for found in db.fetch("surroundings", _Surrounding):
        yield passed(found.kind, found.name, True, gates=False, measured=found.detail)
