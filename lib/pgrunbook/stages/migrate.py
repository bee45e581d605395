"""Migrate: preflight, plan, execution with progress, and what was done. The first stage that writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pgrunbook import changes, errors, fingerprint, second_opinion
from pgrunbook import plan as planning
from pgrunbook import preflight as looking
from pgrunbook.changes import statements_text
from pgrunbook.execute import Done, Executor
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.ledger import RunRow
from pgrunbook.plan import Plan
from pgrunbook.second_opinion import Opined
from pgrunbook.stages import _load
from pgrunbook.stages._base import Parameters, Session, StageResult, part


class MigrateParameters(Parameters):
    """`outside_window`: it may begin outside of the hours that the runbook gives it in limits.window."""

    outside_window: bool = False


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One step of the plan as a person reads it."""

    position: int
    kind: str
    object: str
    state: str
    written: str
    safe: str
    lock: str
    estimate_mb: float
    undo: str
    notes: str


@dataclass(frozen=True, slots=True)
class WayBack:
    """How one change that this run owns would be undone."""

    position: int
    kind: str
    object: str
    undo: str


@part
def preflight(session: Session) -> list[Check]:
    """Everything that forbids the change, looked at before the first write."""
    _require_baseline(session)
    plan = session.plan()
    outside = bool(getattr(session.parameters, "outside_window", False))
    looked = looking.check(session.runbook, plan, session.database, session.ledger, outside_window=outside)
    checks = session.record([*looked, *_schema_since_baseline(session)])
    session.event("preflight", checks=len(checks))
    failed = [c for c in checks if c.verdict is Verdict.FAILED and c.gates]
    if failed:
        lines = "\n".join(f"  {c.check}, {c.object}: {c.measured}, not {c.claimed}; {c.detail}" for c in failed)
        raise errors.PreflightFailed(f"preflight forbids the change, nothing was written:\n{lines}")
    return checks


@part
def plan(session: Session) -> list[PlanRow]:
    """The changes in order, with the written and the safe form, the lock, the state and the way back."""
    made = session.plan()
    session.event("plan", digest=made.digest, steps=[s.as_json() for s in made.steps])
    return plan_rows(made)


@part
def opinions(session: Session) -> list[Opined]:
    """What squawk, a linter of migrations, says of the final form, and the answers to its false alarms."""
    found = second_opinion.of(session.plan())
    standing = [o for o in found if not o.answer]
    session.record(
        [
            passed(
                "second opinion",
                "squawk",
                not standing,
                gates=False,
                claimed="no alarm that nothing answers for",
                measured="; ".join(f"{o.object}: {o.rule}" for o in standing) or "none",
            )
        ]
    )
    return found


def plan_rows(plan: Plan) -> list[PlanRow]:
    """A plan as rows."""
    return [
        PlanRow(
            position=step.position,
            kind=step.kind,
            object=step.object,
            state=step.seen.state.value,
            written=step.change.written.as_written,
            safe=step.as_json()["safe"],
            lock=step.lock,
            estimate_mb=round(step.estimate.bytes / 2**20, 1),
            undo=step.undo_text,
            notes="; ".join([*step.change.lint(), *plan.beside(step)]),
        )
        for step in plan.steps
    ]


@part
def execute(session: Session) -> list[Done]:
    """Carry the plan out; a run that was killed is taken up where it was."""
    about = session.runbook.about
    made = session.plan()
    session.ledger.create()
    _bind_run(session, made)
    session.event("migration_started", digest=made.digest)
    done: list[Done] = []
    with (
        _load.beside(session),
        Executor(
            session.runbook.name,
            session.run_id,
            session.connect,
            about.limits,
            dict(made.settings),
            about.ledger.name,
            session,
            about.backfill,
        ) as executor,
    ):
        for one in executor.migrate(made, about.build.orphan):
            done.append(one)
            session.record(
                [passed("change", one.object, True, claimed="done", measured=one.outcome, detail=one.detail)]
            )
    session.write_json("migrate.json", {"digest": made.digest, "done": [asdict(d) for d in done]})
    return done


@part
def way_back(session: Session) -> list[WayBack]:
    """What a rollback of this run would do: only what this run owns, with what it remembered of what was before."""
    rows = []
    for row in reversed(session.ledger.steps(session.run_id)):
        if row.open:
            change = changes.again(row.kind, row.resolved_sql, row.options, row.position)
            text = statements_text(change.undo(row.captured)) or change.irreversible or "nothing to undo"
            kept = " -- kept on rollback" if change.options.on_rollback == "keep" else ""
            rows.append(WayBack(row.position, row.kind, row.object, text + kept))
    return rows


def _schema_since_baseline(session: Session) -> list[Check]:
    """Whether the schema is still the baseline's. A run under way has changed it itself, so it is not asked."""
    ledger = session.ledger
    if ledger.run(session.run_id) is not None:
        return []
    before = session.read_json("fingerprint.json")
    found = fingerprint.take(session.database, ledger.schema)
    changed = [kind for kind in {**before, **found} if before.get(kind) != found.get(kind)]
    words: list[str] = []
    if changed:
        now = fingerprint.objects(session.database, ledger.schema)
        words = fingerprint.differing(session.read_json("fingerprint_objects.json"), now)
    return [
        passed(
            "schema",
            session.identity.database,
            not changed,
            gates=False,
            claimed="as at the baseline",
            measured="; ".join(words[:5]) or ("differs" if changed else "as at the baseline"),
            detail="changed since: a rollback brings back what is there now; the baseline may be out of date"
            if changed
            else "",
        )
    ]


def _require_baseline(session: Session) -> None:
    for name in ("fingerprint.json", "baseline_samples.json"):
        session.read_json(name)


def _bind_run(session: Session, made: Plan) -> None:
    """Bind the run to this database and this plan, or make sure that it is the one it was bound to."""
    identity = planning.identify(session.database)
    row = session.ledger.run(session.run_id)
    if row is None:
        kinds = fingerprint.take(session.database, session.ledger.schema)
        session.ledger.begin(session.run_id, session.runbook.name, made.digest, identity.key, made.search_path, kinds)
        return
    require_same(session, made, row.digest)
    if row.status in ("rolling_back", "rolled_back"):
        raise errors.WrongUsage(
            f"run {session.run_id} was rolled back; it can't be carried out again",
            remedy="begin a new run with 10_baseline",
        )


def require_applied(session: Session) -> RunRow:
    """The run's row in the ledger. Raises `MissingForerunner` unless it was carried out and not rolled back."""
    row = session.ledger.run(session.run_id)
    if row is None or row.status != "applied":
        state = "is not in the ledger" if row is None else f"is {row.status.replace('_', ' ')}"
        raise errors.MissingForerunner(
            f"{session.stage}: run {session.run_id} {state} on {session.target.name}",
            remedy="run 20_migrate, or begin a new run with 10_baseline",
        )
    return row


def require_same(session: Session, made: Plan, digest: str) -> None:
    """Stop where the plan is no longer the one the run began with."""
    if made.digest != digest:
        raise errors.WrongUsage(
            f"run {session.run_id} began with plan {digest[:16]}, but runbook and target now give {made.digest[:16]}",
            remedy="restore the runbook as it was, or roll the run back and begin a new one",
        )


def run(session: Session) -> StageResult:
    """The whole stage."""
    preflight(session)
    plan(session)
    opinions(session)
    execute(session)
    way_back(session)
    return session.finish()
