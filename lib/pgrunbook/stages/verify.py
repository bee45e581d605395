"""Verify: did the change do what was said? Objects, answers, speed, storage, security, and the document's claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

from pgrunbook import changes, errors
from pgrunbook.changes import LockMode, State
from pgrunbook.changes.maintain import Maintain
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.measure import claims as claiming
from pgrunbook.measure.chart import before_and_after
from pgrunbook.measure.claims import ClaimRow, Measured
from pgrunbook.measure.compare import Comparison, compare, cpu_change, summarise
from pgrunbook.measure.exposure import Change
from pgrunbook.measure.rewrites import Rewritten, compare_rows
from pgrunbook.stages import _application, _load, _measuring, _security
from pgrunbook.stages._application import ApplicationRow, Figure
from pgrunbook.stages._base import Parameters, Session, StageResult, part
from pgrunbook.stages._load import LoadRow
from pgrunbook.stages._measuring import DatabaseSize, TableSize
from pgrunbook.stages._security import Fewer, Matrix
from pgrunbook.stages.migrate import require_applied, require_same

_NONE: Mapping[str, str] = MappingProxyType({})
_ABOVE = (
    "select distinct pg_catalog.format('%I.%I', n.nspname, c.relname) from pg_catalog.unnest($1::text[]) t,"
    " pg_catalog.pg_partition_ancestors(pg_catalog.to_regclass(t)) a join pg_catalog.pg_class c on c.oid = a"
    " join pg_catalog.pg_namespace n on n.oid = c.relnamespace order by 1"
)
_SAME = {"equal": "the rows of", "set": "the same rows in any order as", "page": "one page of"}


class VerifyParameters(Parameters):
    """`production`: what an actor may write is tried (and rolled back) on a target that is not the sandbox."""

    production: bool = False


@dataclass(frozen=True, slots=True)
class IndexReaders:
    """A new index and the workload's queries that read it. `scans` counts since it was built."""

    index: str
    bytes: int
    read_by: str
    scans: int


@dataclass(frozen=True, slots=True)
class Growth:
    """How much room something takes, in bytes."""

    what: str
    before_bytes: int
    after_bytes: int
    growth_percent: float | None


@part
def objects(session: Session) -> list[Check]:
    """Every object of the plan is valid and of the planned definition; the plan is the run's own."""
    row = require_applied(session)
    made = session.plan()
    require_same(session, made, row.digest)
    return session.record(check for step in made.steps for check in step.change.verify(session.database))


@part
def queries(session: Session) -> list[Comparison]:
    """The workload again with the baseline's bind values: time, buffers, plan and answer."""
    before = _measuring.kept(session, _measuring.BASELINE)
    after = _measuring.measure(session, rewrites=True)
    _measuring.keep(session, _measuring.VERIFY, after)
    pairs = compare(before, after)
    session.record(answer_checks(session, pairs))
    return pairs


def answer_checks(session: Session, pairs: list[Comparison]) -> list[Check]:
    """One check a query: the answers are those of the baseline. Gates on a quiet database."""
    return [
        Check(
            "answer",
            query.query,
            Verdict.NOT_MEASURABLE if query.same_answers is None else _verdict(query.same_answers),
            claimed="as before",
            measured={True: "as before", False: "differs", None: "over the time limit"}[query.same_answers],
            gates=_measuring.quiet(session),
        )
        for query in summarise(pairs)
        if not query.replaces  # the rows of a rewrite are compared one by one
    ]


def _verdict(ok: bool) -> Verdict:
    return Verdict.PASSED if ok else Verdict.FAILED


@part
def rewrites(session: Session) -> list[Rewritten] | str:
    """The rows of each query that replaces another, held against that one's, bind set by bind set."""
    found = []
    runs = {s.query for s in _measuring.kept(session, _measuring.VERIFY)}
    for query in [q for q in session.runbook.workload if q.rewrite and q.replaces in runs]:
        old = session.runbook.query(query.replaces)
        session.tell(f"comparing the rows of {query.name} with those of {old.name}")
        timeout = session.runbook.about.limits.query_timeout_s
        found += compare_rows(session.database, old, query, _measuring.kept_binds(session, query), timeout)
    session.write_json("verify_rewrites.json", [asdict(r) for r in found])
    session.record(
        Check(
            "same rows",
            f"{r.query}, {r.binds}",
            r.verdict,
            claimed=f"{_SAME[r.compared_as]} {r.replaces}",
            measured=f"{r.differing:,} rows differ" if r.differing else "they are",
            gates=r.gates and _measuring.quiet(session),
        )
        for r in found
    )
    return found or "no query of this runbook replaces another"


@part
def evaluations(session: Session) -> list[Fewer] | str:
    """How often the expressions of policies run now, for the queries that the runbook names."""
    return _security.compare_evaluations(session)


@part
def index_use(session: Session) -> list[IndexReaders]:
    """Which query reads which new index, and which index nobody reads."""
    samples = _measuring.kept(session, _measuring.VERIFY)
    rows = []
    for name, short in [(s.object, s.change.label) for s in session.plan().steps if s.change.is_index]:
        readers = dict.fromkeys(f"{s.query} ({s.binds})" for s in samples if short in s.indexes)
        queries_only = dict.fromkeys(s.query for s in samples if short in s.indexes)
        scans = session.database.value("select coalesce(pg_catalog.pg_stat_get_numscans(to_regclass($1)), 0)", [name])
        rows.append(
            IndexReaders(name, _measuring.index_bytes(session, [name]), ", ".join(queries_only) or "nobody", int(scans))
        )
        session.record(
            [
                passed(
                    "index is read",
                    name,
                    bool(readers),
                    gates=False,
                    claimed="by a query of the workload",
                    measured=", ".join(readers) or "nobody reads it",
                    detail="" if readers else "it costs writes and room, and no measured query gains by it",
                )
            ]
        )
    return rows


@part
def storage(session: Session) -> list[Growth]:
    """Row counts, and the room that the change takes."""
    before = {t["table"]: t for t in session.read_json("baseline_tables.json")}
    found_now = _measuring.tables(session)
    after = {t.table: t for t in found_now}
    session.record([rows_check(session, found_now, moved_rows(session))])
    size_before = int(session.read_json("baseline_size.json")["bytes"])
    size_after = session.database.exactly("size", DatabaseSize).bytes
    new = _measuring.index_bytes(session, _measuring.index_names(session))
    found = [_growth("database", size_before, size_after), _growth("indexes of this runbook", 0, new)]
    for name in sorted(before.keys() & after.keys()):
        found.append(_growth(f"indexes on {name}", int(before[name]["index_bytes"]), after[name].index_bytes))
    session.write_json("verify_storage.json", [asdict(g) for g in found])
    return [g for g in found if g.before_bytes != g.after_bytes]


def _growth(what: str, before: int, after: int) -> Growth:
    return Growth(what, before, after, round(100 * (after / before - 1), 1) if before else None)


def moved_rows(session: Session) -> dict[str, str]:
    """What the tables whose rows the run has moved are called now; empty where others have come, or they are gone."""
    found: dict[str, str] = {}
    for row in session.ledger.steps(session.run_id):
        if row.kept or row.open:
            change = changes.again(row.kind, row.resolved_sql, row.options, row.position).remembering(row.captured)
            for old, new in change.moves_rows.items():
                same = [name for name, stands_as in found.items() if stands_as == old]
                found |= dict.fromkeys(same or ([] if old in found else [old]), new)
    gone = [name for name, stands_as in found.items() if not stands_as]
    return found | dict.fromkeys((name for (name,) in session.database.rows(_ABOVE, [gone])), "")


def rows_check(
    session: Session,
    now: list[TableSize],
    moved: Mapping[str, str] = _NONE,
    lost: Mapping[str, str] = _NONE,
    *,
    gates: bool = True,
) -> Check:
    """Row counts against the baseline's; they gate on a quiet database.

    `moved` says of tables what they are called now; empty where their rows are not to be compared. `lost` says of
    tables why they hold other rows.
    """
    before = {t["table"]: t["rows"] for t in session.read_json("baseline_tables.json") if t["rows"] is not None}
    after = {t.table: t.rows for t in now}
    stands_as = {name: moved.get(name, name) for name in before}
    # what lies outside of the runbook's schemas now is not counted
    before = {stands_as[t]: n for t, n in before.items() if stands_as[t] in after or stands_as[t] == t}
    untold = [t for t in before if t in after and after[t] is None]  # counting took longer than a query may
    differs = {t: f"{t}: {n:,} → {after.get(t)}" for t, n in before.items() if after.get(t) != n and t not in untold}
    wrong = [words for t, words in differs.items() if t not in lost]
    if not before:
        empty = "none of the runbook's schemas has a table that could be counted"
        why = empty if _measuring.quiet(session) else "a live database is not counted"
        return Check("rows", "all tables", Verdict.NOT_MEASURABLE, gates=False, detail=why)
    return passed(
        "rows",
        f"{len(before)} tables",
        not wrong,
        claimed="as before",
        measured="; ".join(differs.values()) or f"as before, {sum(before.values()):,} rows",
        gates=gates and _measuring.quiet(session),
        detail="; ".join(f"{t}: {lost[t]}" for t in differs if t in lost),
    )


@part
def checks(session: Session) -> list[Check]:
    """The runbook's own assertions; those that write where a claim is held against them and writing is allowed."""
    wanted = _claimed_probes(session)
    return session.record(
        _measuring.run_probe(session, c) for c in session.runbook.checks if not c.writes or c.name in wanted
    )


def _claimed_probes(session: Session) -> set[str]:
    """The probes that claims of this stage name; none where what writes is not tried."""
    claimed = [c for c in session.runbook.about.claims if c.metric == "probes" and c.after == "verify"]
    return {name for c in claimed for name in c.checks} if _measuring.may_write(session) else set()


@part
def load(session: Session) -> list[LoadRow] | str:
    """The workload by many clients at once, where the runbook asks for it: before, during and after the migration."""
    said = _load.or_word(session, _load.AFTER)
    return said if isinstance(said, str) else _load.rows(_load.kept(session))


@part
def application(session: Session) -> list[ApplicationRow] | str:
    """The same requests as the application makes them after the change, beside those of the baseline."""
    return _application.or_word(session, "new")


def figures(session: Session) -> list[Figure] | str:
    """What else the model of the application told, the old way and the new, and its connections."""
    return _application.figures(session)


@part
def visibility(session: Session) -> list[Matrix] | str:
    """The visibility matrix: who reaches which rows, before and after, against what is declared."""
    return _security.matrix(session)


@part
def exposure(session: Session) -> list[Change] | str:
    """Who may read and execute what, before and after."""
    return _security.compare_exposure(session)


@part
def claims(session: Session) -> list[ClaimRow]:
    """The document's numbers and promises: claimed, measured, verdict."""
    return claiming.rows(session.record(claiming.hold(session.runbook.about.claims, measured(session), "verify")))


def measured(session: Session) -> Measured:
    """What claims are held against after the migration."""
    made = session.plan()
    before, after = (_measuring.kept(session, name) for name in (_measuring.BASELINE, _measuring.VERIFY))
    weights = {q.name: q.weight for q in session.runbook.workload}
    own = {c.name for c in session.runbook.checks if not c.writes}
    indexes = [s for s in made.steps if s.change.is_index]
    rows = next((c for c in session.findings if c.check == "rows"), None)
    return Measured(
        queries={q.query: q for q in summarise(compare(before, after))},
        index_bytes=_measuring.index_bytes(session, [s.object for s in indexes]),
        database_bytes_before=int(session.read_json("baseline_size.json")["bytes"]),
        database_bytes_after=session.database.exactly("size", DatabaseSize).bytes,
        indexes_written=len(indexes),
        indexes_written_concurrently=sum(bool(getattr(s.change.written.node, "concurrent", False)) for s in indexes),
        fail_again=_fail_again(session) if session.target.is_sandbox else None,
        changes_left=sum(1 for s in made.steps if s.seen.state not in (State.PRESENT, State.UNKNOWN)),
        rows_lost=None
        if rows is None or rows.verdict is Verdict.NOT_MEASURABLE
        else int(rows.verdict is Verdict.FAILED),
        rows_detail=rows.measured if rows else "",
        probes={c.check: c.verdict for c in session.findings if c.check in _claimed_probes(session)},
        checks={c.check: c.verdict for c in session.findings if c.check in own},
        evaluations_before=_security.evaluations_of(session, "before"),
        evaluations_after=_security.evaluations_of(session, "after"),
        cpu_ms=cpu_change(before, after, weights),
        cpu_unknown="" if session.target.is_sandbox else "the server is not on this machine",
        visibility=_security.visibility_checks(session),
        access_exclusive=[
            statement.relation
            for step in made.steps
            for phase in step.safe
            for statement in phase.statements
            if statement.lock is LockMode.ACCESS_EXCLUSIVE
        ],
        rewrites=[Rewritten.from_json(r) for r in session.read_json("verify_rewrites.json")],
        loads={r.when: r for r in _load.kept(session)},
        application=_application.metrics(session),
        drops=[s.object for s in made.steps if s.kind.startswith("drop_")],
        not_tried=_measuring.not_tried(session),
    )


def _fail_again(session: Session) -> list[str]:
    """The statements as written that fail when they are run a second time; each is rolled back, so sandbox only."""
    failed = []
    for change in session.runbook.changes:
        written = change.written
        if change.kind == Maintain.kind:
            continue  # it may always be done again, and VACUUM in no transaction
        if getattr(written.node, "concurrent", False):
            continue  # can't be in a transaction; the second plan speaks for it
        try:
            with session.database.transaction(rollback=True, lock_timeout="5s", client_min_messages="warning"):
                session.database.execute(written.sql)
        except errors.StatementFailed as e:
            failed.append(f"line {written.line}: {e.message}")
    return failed


def chart(session: Session) -> str:
    """Before and after, a pair of bars a query, on a logarithmic scale, as SVG."""
    pairs = compare(_measuring.kept(session, _measuring.BASELINE), _measuring.kept(session, _measuring.VERIFY))
    return before_and_after(summarise(pairs))


def run(session: Session) -> StageResult:
    """The whole stage."""
    objects(session)
    queries(session)
    rewrites(session)
    evaluations(session)
    index_use(session)
    storage(session)
    checks(session)
    load(session)
    application(session)
    visibility(session)
    exposure(session)
    claims(session)
    return session.finish()
