"""What baseline and verify share of security: who reaches which rows, how often policies run, who may use what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from pgrunbook import errors, plan
from pgrunbook.description import COMMANDS, Actor, Command, Expectation, Visibility, VisibleTable
from pgrunbook.findings import Check, Verdict
from pgrunbook.measure import evaluations, exposure, visibility
from pgrunbook.measure.evaluations import Evaluation
from pgrunbook.measure.exposure import Exposed
from pgrunbook.measure.visibility import Access, Person, Phase, Probe
from pgrunbook.stages import _measuring
from pgrunbook.stages._base import Session

ACROSS, VISIBLE = "across tenants", "visibility"
NOT_DECLARED = "runbook.toml declares no visibility"
_NOT_COUNTED = "runbook.toml names no query in visibility.evaluations"
_NOT_EXPOSED = f"{NOT_DECLARED}, and the plan makes no function and no view"
_ACTORS = "actors.json"
_ACCESS: dict[Phase, str] = {"before": "baseline_visibility.json", "after": "verify_visibility.json"}
_COUNTS: dict[Phase, str] = {"before": "baseline_evaluations.json", "after": "verify_evaluations.json"}
_EXPOSED: dict[Phase, str] = {"before": "baseline_exposure.json", "after": "verify_exposure.json"}


# -- the visibility matrix ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reach:
    """What one actor can do with one table now: how many rows a command reaches; for INSERT, whose."""

    actor: str
    table: str
    select: str
    insert: str
    update: str
    delete: str
    across_tenants: str
    detail: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The same before and after ("0 → 426"), and whether the difference is the one that is declared."""

    actor: str
    table: str
    select: str
    insert: str
    update: str
    delete: str
    across_tenants: str
    verdict: str
    declared: str
    detail: str


def reach_before(session: Session) -> list[Reach] | str:
    """Sample the actors, keep them in the private folder, and find out what each can do."""
    about = session.runbook.about.visibility
    if about is None or not about.tables:
        return NOT_DECLARED
    timeout = session.runbook.about.limits.query_timeout_s
    people = {a.id: visibility.sample(session.database, a, timeout) for a in about.actors}
    session.write_json(_ACTORS, [asdict(p) for p in people.values()], private=True)
    found = _measure(session, about, "before")
    rows = []
    for actor, table in _pairs(about):
        own = {a.command: a for a in found if (a.actor, a.table) == (actor.id, table.table)}
        across = _across(actor, table, own)
        session.record([Check(**(asdict(across) | {"gates": False}))])
        rows.append(
            Reach(
                actor=actor.id,
                table=table.table,
                **{c: own[c].shown for c in COMMANDS},
                across_tenants=across.measured,
                detail=_unknown(own.values()),
            )
        )
    return rows


def matrix(session: Session) -> list[Matrix] | str:
    """The visibility matrix: the actors of the baseline again, and the difference against the declared one."""
    about = session.runbook.about.visibility
    if about is None or not about.tables:
        return NOT_DECLARED
    before = [Access.from_json(row) for row in session.read_json(_ACCESS["before"])]
    after = _measure(session, about, "after")
    rows = []
    for actor, table in _pairs(about):
        old, new = (
            {a.command: a for a in found if (a.actor, a.table) == (actor.id, table.table)} for found in (before, after)
        )
        if any(c not in old for c in COMMANDS):
            raise errors.CheckFailed(
                f"[visibility] of runbook.toml is newer than the baseline of run {session.run_id}: "
                f"{actor.id} and {table.table} are not in it",
                remedy="begin a new run with 10_baseline",
            )
        expected = {c: about.expectation(table.table, actor.id, c) for c in COMMANDS}
        checks = session.record(_judge(session, old[c], new[c], expected[c]) for c in COMMANDS)
        checks += session.record([_across(actor, table, new)])
        rows.append(
            Matrix(
                actor=actor.id,
                table=table.table,
                **{c: _arrow(old[c].shown, new[c].shown) for c in COMMANDS},
                across_tenants=checks[-1].measured,
                verdict=_worst(checks).value,
                declared=_declared(expected),
                detail="; ".join(dict.fromkeys(f"{c.object}: {c.detail}" for c in checks if c.detail)),
            )
        )
    return rows


def _pairs(about: Visibility) -> Iterator[tuple[Actor, VisibleTable]]:
    for table in about.tables:
        for actor in about.actors:
            yield actor, table


def _measure(session: Session, about: Visibility, phase: Phase) -> list[Access]:
    """Every actor, table and command; after the migration also whether rows can change hands."""
    people = {row["id"]: Person.from_json(row) for row in session.read_json(_ACTORS, private=True)}
    found: list[Access] = []
    with session.connect("visibility", visibility.ISOLATED) as db:
        for actor, table in _pairs(about):
            if actor.id not in people:
                raise errors.CheckFailed(
                    f"visibility.actors {actor.id} is newer than the baseline of run {session.run_id}",
                    remedy="begin a new run with 10_baseline",
                )
            session.tell(f"{actor.id} on {table.table}")
            probe = Probe(
                db,
                actor,
                people[actor.id],
                table,
                setting=about.setting,
                timeout_s=session.runbook.about.limits.query_timeout_s,
                may_write=_measuring.may_write(session),
                show_rows=session.target.is_sandbox,
            )
            expected = {c: about.expectation(table.table, actor.id, c) for c in COMMANDS}
            found += probe.commands(expected, phase)
            if phase == "after":
                found.append(probe.move())
        if session.target.is_sandbox:
            # what was rolled back left dead rows, and the sizes and buffers measured after this shall not count them
            for name in dict.fromkeys(_names(session, about)):
                db.execute(f"vacuum (skip_locked) {name}")
    session.write_json(_ACCESS[phase], [a.as_json() for a in found])
    return found


def _names(session: Session, about: Visibility) -> Iterator[str]:
    for table in about.tables:
        yield str(session.database.value("select pg_catalog.to_regclass($1)::text", [table.table]))


def _judge(session: Session, before: Access, after: Access, expected: Expectation | None) -> Check:
    """Whether the rows reached are the declared ones; where nothing is declared, whether they are those of before."""
    obj = f"{after.actor}: {after.command} {after.table}"
    claimed = f"before: {expected.before}; after: {expected.after}" if expected else "as before"
    measured = _arrow(before.shown, after.shown)
    gates = expected is not None or _measuring.quiet(session)
    unknown = [f"{when}: {a.detail}" for when, a in (("before", before), ("after", after)) if a.rows is None]
    if before.rows is None or after.rows is None:
        detail = "; ".join(dict.fromkeys(unknown))
        return Check(VISIBLE, obj, Verdict.NOT_MEASURABLE, claimed, measured, gates=False, detail=detail)
    if expected is None:
        wrong = [] if after.rows.same(before.rows) else [_differs(before.shown, after.shown, "as before")]
    else:
        wrong = [
            f"{when}: {_differs(Access(a.actor, a.table, a.command, a.declared).shown, a.shown, 'as declared')}"
            for when, a in (("before", before), ("after", after))
            if a.rows is not None and (a.declared is None or not a.rows.same(a.declared))
        ]
    if wrong and after.examples:
        wrong.append(f"for one: {', '.join(after.examples)}")
    verdict = Verdict.FAILED if wrong else Verdict.PASSED
    return Check(VISIBLE, obj, verdict, claimed, measured, gates=gates, detail="; ".join(wrong))


def _differs(asked: str, found: str, how: str) -> str:
    return (
        f"as many, but other rows than {how.removeprefix('as ')}" if asked == found else f"{found}, not {asked} {how}"
    )


def _across(actor: Actor, table: VisibleTable, own: dict[str, Access]) -> Check:
    """No row of another tenant is seen, changed, taken or made, whatever is declared; it gates after the migration."""
    obj = f"{actor.id}: {table.table}"
    if actor.bypasses:
        return Check(ACROSS, obj, Verdict.PASSED, "all, on purpose", "bypasses")
    reached = [f"{c} {_count(a)}" for c, a in own.items() if a.rows is not None and a.rows.foreign]
    unknown = [c for c, a in own.items() if a.rows is None]
    verdict = Verdict.FAILED if reached else Verdict.NOT_MEASURABLE if unknown else Verdict.PASSED
    examples = [e for a in own.values() if a.rows is not None and a.rows.foreign for e in a.examples]
    measured = ", ".join(reached) or ("not measurable" if len(unknown) == len(own) else "none")
    words = [f"for one: {', '.join(examples)}"] if examples else []
    if unknown:
        words.append(f"not tried: {', '.join(unknown)}")
    return Check(ACROSS, obj, verdict, "none", measured, detail="; ".join(words))


def _count(access: Access) -> str:
    if access.rows is None or access.command == "insert":
        return "taken"
    return f"{access.rows.foreign:,}"


def _arrow(before: str, after: str) -> str:
    return after if before == after else f"{before} → {after}"


def _worst(checks: Sequence[Check]) -> Verdict:
    found = {c.verdict for c in checks}
    return next((v for v in (Verdict.FAILED, Verdict.NOT_MEASURABLE) if v in found), Verdict.PASSED)


def _declared(expected: dict[Command, Expectation | None]) -> str:
    """What is declared of an actor and a table, commands of the same conditions together."""
    texts: dict[str, list[str]] = {}
    for command, one in expected.items():
        if one is not None:
            texts.setdefault(f"{one.before} → {one.after}", []).append(command)
    rest = [c for c, one in expected.items() if one is None] if texts else ["all"]
    lines = [f"{', '.join(commands)}: {text}" for text, commands in texts.items()]
    return "\n".join([*lines, f"{', '.join(rest)}: as before"] if rest else lines)


def _unknown(found: Iterable[Access]) -> str:
    return "; ".join(f"{a.command}: {a.detail}" for a in found if a.detail)


def visibility_checks(session: Session) -> list[Check] | None:
    """What this stage found out about visibility; None where nothing is declared."""
    return [c for c in session.findings if c.check in (VISIBLE, ACROSS)] or None


# -- evaluations of policies --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fewer:
    """How often the policies' most frequent expression ran for a query, before and after."""

    query: str
    before: int | None
    after: int | None
    fewer: str
    counted_before: str
    counted_after: str


def count_evaluations(session: Session, phase: Phase) -> list[Evaluation] | str:
    """Count for the queries that the runbook names, with the baseline's bind values."""
    about = session.runbook.about.visibility
    if about is None:
        return NOT_DECLARED
    if not about.evaluations:
        return _NOT_COUNTED
    timeout = session.runbook.about.limits.query_timeout_s
    found: list[Evaluation] = []
    for name in about.evaluations:
        session.tell(f"{name}: evaluations of policies")
        query = session.runbook.query(name)
        found += evaluations.count(session.database, query, _measuring.kept_binds(session, query), timeout)
    session.write_json(_COUNTS[phase], [asdict(e) for e in found])
    return found


def compare_evaluations(session: Session) -> list[Fewer] | str:
    """Count again and hold it against the baseline; more often than before is told, and fails nothing."""
    after = count_evaluations(session, "after")
    about = session.runbook.about.visibility
    if isinstance(after, str) or about is None:
        return str(after)
    before = [Evaluation.from_json(row) for row in session.read_json(_COUNTS["before"])]
    rows = []
    for name in about.evaluations:
        old, new = (evaluations.of_query(found, name) for found in (before, after))
        known = old is not None and new is not None
        more = old is not None and new is not None and new > old
        session.record(
            [
                Check(
                    "evaluations", name,
                    Verdict.NOT_MEASURABLE if not known else Verdict.FAILED if more else Verdict.PASSED,
                    claimed="not more often than before",
                    measured=f"{_number(old)} → {_number(new)}",
                    gates=False,
                )
            ]
        )  # fmt: skip
        rows.append(
            Fewer(
                query=name,
                before=old,
                after=new,
                fewer=f"{100 * (1 - new / old):.4g} %" if old and new is not None else "",
                counted_before=_counted(before, name),
                counted_after=_counted(after, name),
            )
        )
    return rows


def evaluations_of(session: Session, phase: Phase) -> dict[str, int] | None:
    """The number a query that a stage counted; None where the runbook names none."""
    about = session.runbook.about.visibility
    if about is None or not about.evaluations:
        return None
    found = [Evaluation.from_json(row) for row in session.read_json(_COUNTS[phase])]
    numbers = {name: evaluations.of_query(found, name) for name in about.evaluations}
    return {name: number for name, number in numbers.items() if number is not None}


def _counted(found: Sequence[Evaluation], query: str) -> str:
    """What was counted and how, the most frequent first; of several bind sets the highest number."""
    best: dict[str, Evaluation] = {}
    for one in (e for e in found if e.query == query):
        if (one.evaluations or 0) >= ((best[one.expression].evaluations or 0) if one.expression in best else 0):
            best[one.expression] = one
    ordered = sorted(best.values(), key=lambda e: -(e.evaluations or 0))
    return "\n".join(f"{e.expression}: {_number(e.evaluations)} ({e.counted_by})" for e in ordered)


def _number(count: int | None) -> str:
    return "not known" if count is None else f"{count:,}"


# -- exposure -----------------------------------------------------------------------------------------------------


def exposed_before(session: Session) -> list[Exposed] | str:
    """Owners, row security and readers as they are, of what the change is about."""
    with session.connect("exposure") as db:  # a plan may need empty temporary tables
        made = plan.make(session.runbook, db) if _makes_any(session) else None
    found = _exposed(session, made)
    session.write_json(_EXPOSED["before"], [asdict(e) for e in found])
    return found or _NOT_EXPOSED


def compare_exposure(session: Session) -> list[exposure.Change] | str:
    """The same after; a function with its owner's rights that anybody may execute fails."""
    before = [Exposed.from_json(row) for row in session.read_json(_EXPOSED["before"])]
    after = _exposed(session, session.plan() if _makes_any(session) else None)
    session.write_json(_EXPOSED["after"], [asdict(e) for e in after])
    session.record(exposure.checks(before, after))
    return exposure.compare(before, after) or _NOT_EXPOSED


_KINDS = {"create_function": exposure.FUNCTION, "create_view": exposure.VIEW}


def _makes_any(session: Session) -> bool:
    return any(c.kind in _KINDS for c in session.runbook.changes)


def _exposed(session: Session, made: plan.Plan | None) -> list[Exposed]:
    about = session.runbook.about.visibility
    named: dict[str, list[str]] = {kind: [] for kind in _KINDS.values()}
    for step in made.steps if made else ():
        if step.kind in _KINDS:
            named[_KINDS[step.kind]].append(step.object)
    return exposure.find(
        session.database,
        tables=[t.table for t in about.tables] if about else [],
        views=named[exposure.VIEW],
        functions=named[exposure.FUNCTION],
    )
