"""What baseline, migrate, verify and load share: the workload by many clients at once, and its targets."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from pgrunbook import db, errors
from pgrunbook.description import Load
from pgrunbook.findings import Check, passed
from pgrunbook.measure import load
from pgrunbook.measure.load import LoadResult, QueryLoad
from pgrunbook.sqlfile import quoted
from pgrunbook.stages import _measuring
from pgrunbook.stages._base import Session

BEFORE, DURING, AFTER = "before", "during", "after"
_NOT_ASKED = "not asked for: load.stages in runbook.toml does not name this stage"


@dataclass(frozen=True, slots=True)
class LoadRow:
    """A load, or one query of it, as a person reads it."""

    when: str
    query: str
    clients: int
    requests: int
    per_second: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    longest_ms: float | None
    stall_ms: float | None
    errors: int
    connections: str


def wanted(session: Session) -> bool:
    """Whether the runbook asks for a load in this stage, and it may be put on this target."""
    return session.stage in session.runbook.about.load.stages and _measuring.may_write(session)


def apply(session: Session, when: str) -> LoadResult:
    """Put the load on the target and keep its figures; its targets are checks."""
    with _prepared(session, when) as (made, surroundings, watching):
        about = session.runbook.about.load
        result = load.run(
            when,
            made,
            surroundings,
            watching,
            clients=getattr(session.parameters, "clients", 0) or about.clients,
            requests=getattr(session.parameters, "requests", 0) or about.requests,
            seconds=about.seconds,
            tell=session.tell,
        )
    _keep(session, result)
    return result


@contextmanager
def beside(session: Session) -> Iterator[None]:
    """Keep the load on while something else is done; it ends with that."""
    if not wanted(session):
        yield
        return
    stop, begun = threading.Event(), threading.Event()
    found: list[LoadResult] = []
    wrong: list[errors.PgRunbookError] = []
    about = session.runbook.about.load
    with _prepared(session, DURING) as (made, surroundings, watching):

        def work() -> None:
            try:
                clients, requests = about.clients, about.requests
                found.append(
                    load.run(
                        DURING, made, surroundings, watching,
                        clients=clients, requests=requests, stop=stop, begun=begun,
                    )
                )  # fmt: skip
            except errors.PgRunbookError as e:
                wrong.append(e)
            finally:
                begun.set()

        thread = threading.Thread(target=work, name="load", daemon=True)
        thread.start()
        begun.wait(_BEGIN_S)  # what is done meanwhile may be over before pgbench is there
        try:
            yield
        finally:
            stop.set()
            thread.join(_JOIN_S)
    if wrong:
        raise wrong[0]
    for result in found:
        _keep(session, result)


@contextmanager
def _prepared(session: Session, when: str):  # type: ignore[no-untyped-def]
    """Scripts with the run's own bind values, the way to the server, and a session that counts connections."""
    replaced = {q.replaces for q in session.runbook.workload if q.replaces}
    # before the change the application sends the old queries, afterwards the new ones
    queries = (
        [q for q in session.runbook.workload if not q.replaces]
        if when != AFTER
        else [q for q in session.runbook.workload if q.name not in replaced]
    )
    if not queries:
        raise errors.WrongUsage("the runbook has no workload to put on", remedy="write workload/*.sql")
    binds = [(q, _measuring.kept_binds(session, q)) for q in queries]
    options = db.options(
        search_path=",".join(quoted(s) for s in session.runbook.about.search_path),
        default_transaction_read_only="on",
        statement_timeout=f"{int(session.runbook.about.limits.query_timeout_s * 1000)}",
        **({"row_security": "on"} if any(q.role for q in queries) else {}),
    )
    with load.scripts(session.private, binds) as made, session.connect("load watch") as watching:
        yield made, db.environment(watching) | {"PGOPTIONS": options}, watching


def _keep(session: Session, result: LoadResult) -> None:
    session.write_json(f"load_{result.when}.json", asdict(result))
    session.record(checks(session.runbook.about.load, result))


def kept(session: Session) -> list[LoadResult]:
    """The loads of this run so far."""
    paths = [session.folder / f"load_{when}.json" for when in (BEFORE, DURING, AFTER)]
    return [LoadResult.from_json(session.read_json(p.name)) for p in paths if p.exists()]


def checks(about: Load, result: LoadResult) -> list[Check]:
    """The runbook's targets, held against one load. One of which no request came to its end is none."""
    gates = about.gates
    nothing = not result.requests and result.when != DURING  # what it accompanies may be over before

    def ms(value: float | None) -> str:
        return "no request came to its end" if value is None else f"{value:,.1f} ms"

    return [
        passed(
            "load p95", result.when, (result.p95_ms or float("inf")) <= about.p95_ms, gates=gates,
            claimed=f"at most {about.p95_ms:g} ms", measured=ms(result.p95_ms),
        ),
        passed(
            "load errors", result.when, not result.errors, gates=gates or nothing, claimed="none",
            measured=f"{result.errors} of {result.clients} clients did not make all their requests",
            detail=result.message,
        ),
        passed(
            "load connections", result.when, result.connections_percent < about.connections_percent, gates=gates,
            claimed=f"below {about.connections_percent:g} % of max_connections",
            measured=f"{result.connections} of {result.connections_allowed}, {result.connections_percent:.0f} %",
        ),
    ]  # fmt: skip


def rows(results: Sequence[LoadResult]) -> list[LoadRow]:
    """Loads as rows: each as a whole, then its queries."""
    return [row for r in results for row in (_whole(r), *(_one(r, q) for q in r.queries))]


def _whole(r: LoadResult) -> LoadRow:
    connections = f"{r.connections} of {r.connections_allowed}"
    return LoadRow(
        r.when, "all", r.clients, r.requests, r.per_second, r.p50_ms, r.p95_ms, r.p99_ms, r.longest_ms, r.stall_ms,
        r.errors, connections,
    )  # fmt: skip


def _one(r: LoadResult, q: QueryLoad) -> LoadRow:
    return LoadRow(
        r.when, q.query, r.clients, q.requests, None, q.p50_ms, q.p95_ms, q.p99_ms, q.longest_ms, None, 0, ""
    )


def or_word(session: Session, when: str) -> list[LoadRow] | str:
    """The load of a stage that asks for it; else why there is none."""
    if session.stage not in session.runbook.about.load.stages:
        return _NOT_ASKED
    if not wanted(session):
        return "not put on: this target is not the sandbox; production = True allows it"
    return rows([apply(session, when)])


_BEGIN_S = 10
_JOIN_S = 60
