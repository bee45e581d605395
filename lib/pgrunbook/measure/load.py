"""The workload by many clients at once: pgbench runs it, with its weights and bind values, and its log is read.

The scripts hold bind values, so they are written to the run's private folder and deleted afterwards. Two figures tell
of waiting: the longest request, and the longest stall, in which no request of any client came to its end.

A load that is stopped is stopped by ending its clients on the server: killed, pgbench would lose the end of its log.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from pgrunbook import errors, leash, sandbox
from pgrunbook.db import Database
from pgrunbook.evidence.redact import scrub, unquoted
from pgrunbook.measure import asking
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import with_literals

_MOST_SCRIPTS = 128  # pgbench's own limit
_WEIGHT_STEPS = 1000
_SAMPLE_S = 0.1
_GRACE_S = 60
_ENDLESS_S = 86_400
_BROKEN = ("aborted in", "fatal:", "connection to server")


@dataclass(frozen=True, slots=True)
class QueryLoad:
    """One query's requests under load; times in ms, None where none came to its end."""

    query: str
    requests: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    longest_ms: float | None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A whole load: `when` it was, and what its clients saw. Connections are the most at one time, of so many allowed.

    `errors` counts the clients that did not make all their requests; pgbench lets a client stop at its first error.
    """

    when: str
    clients: int
    requests: int
    seconds: float
    per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    longest_ms: float | None
    stall_ms: float | None
    errors: int
    connections: int
    connections_allowed: int
    message: str = ""
    queries: tuple[QueryLoad, ...] = field(default=(), repr=False)

    @property
    def connections_percent(self) -> float:
        return 100 * self.connections / self.connections_allowed

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> LoadResult:
        return cls(**{**row, "queries": tuple(QueryLoad(**q) for q in row["queries"])})


def program(server: Callable[[], Path] = sandbox.bindir) -> Path:
    """pgbench: that of the embedded server, else the one on the PATH. Raises `WrongUsage` where there is none."""
    with suppress(errors.SandboxError):
        if (path := server() / "pgbench").exists():
            return path
    if found := shutil.which("pgbench"):
        return Path(found)
    raise errors.WrongUsage("there is no pgbench", remedy="install PostgreSQL's programs (Debian: postgresql-15)")


@contextmanager
def scripts(folder: Path, queries: Sequence[tuple[Query, Sequence[BindSet]]]) -> Iterator[list[tuple[str, Path, int]]]:
    """One script a query and bind set, as (query, file, weight); gone afterwards. Raises `WrongUsage` for too many."""
    if sum(len(binds) for _, binds in queries) > _MOST_SCRIPTS:
        raise errors.WrongUsage(
            f"the workload has more than {_MOST_SCRIPTS} queries times bind sets, which pgbench can't take",
            remedy="sample fewer bind values",
        )
    total = sum(q.weight for q, _ in queries)
    place = Path(tempfile.mkdtemp(prefix="load-", dir=folder))
    try:
        found = []
        for query, binds in queries:
            for number, one in enumerate(binds):
                path = place / f"{query.name}.{number}.sql"
                path.write_text(_script(query, one), encoding="utf-8")
                found.append((query.name, path, max(1, round(_WEIGHT_STEPS * query.weight / total / len(binds)))))
        yield found
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _script(query: Query, binds: BindSet) -> str:
    """A transaction as the query's own role, as the application would run it."""
    local = asking.of_query(query, binds.values)
    lines = [f"{with_literals(s.sql, [binds.values[p] for p in s.parameters])};" for s in query.statements]
    if not local:
        return "\n".join(lines) + "\n"
    settings = [with_literals("select pg_catalog.set_config($1, $2, true)", pair) + ";" for pair in local.items()]
    return "\n".join(["begin;", *settings, *lines, "commit;"]) + "\n"


def run(
    when: str,
    made: Sequence[tuple[str, Path, int]],
    surroundings: Mapping[str, str],
    watching: Database,
    *,
    clients: int,
    requests: int,
    seconds: float = 0,
    stop: threading.Event | None = None,
    begun: threading.Event | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> LoadResult:
    """Run the scripts with `clients` at once: `requests` each, or for `seconds`, or until `stop` is set.

    `begun` is set once a client has asked something.
    `surroundings` are the variables by which pgbench reaches the server, `watching` a session that counts connections.
    Raises `CheckFailed` where pgbench could do nothing at all.
    """
    logs = made[0][1].parent
    name = f"pgrunbook load {secrets.token_hex(4)}"
    until = _ENDLESS_S if stop else round(seconds)
    amount = ["--time", str(max(1, until))] if until else ["--transactions", str(requests)]
    files = [word for _, path, weight in made for word in ("--file", f"{path}@{weight}")]
    command = [
        str(program()), "--no-vacuum", "--protocol=simple", "--client", str(clients), "--jobs", str(min(clients, 2)),
        "--log", "--log-prefix", str(logs / f"log-{when}"), *amount, *files,
    ]  # fmt: skip
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG") or k in ("PGSERVICEFILE", "PGPASSFILE")}
    watch = _Watch(watching, name, stop, begun, lambda text: tell(f"load {when}: {text}"))
    with (logs / f"said-{when}").open("w+", errors="replace") as said:
        started = time.monotonic()
        with leash.start(command, kept | dict(surroundings) | {"PGAPPNAME": name}, said, said) as process:
            took = watch.follow(process, started, seconds, Path(said.name))
        said.seek(0)
        words = said.read(watch.said_before_stop)
    ended = [line for path in logs.glob(f"log-{when}.*") for line in path.read_text().splitlines()]
    return _result(when, [name for name, _, _ in made], ended, words, clients, 0 if until else requests, took, watch)


class _Watch:
    """Counts connections while pgbench runs, and ends its clients when it shall stop."""

    def __init__(
        self,
        database: Database,
        name: str,
        stop: threading.Event | None,
        begun: threading.Event | None,
        tell: Callable[[str], None],
    ) -> None:
        self._db = database
        self._name = name
        self._stop = stop
        self._begun = begun
        self._tell = tell
        self.peak = 0
        self.allowed = int(database.value("select pg_catalog.current_setting('max_connections')::int"))
        self.said_before_stop = -1

    def follow(self, process: subprocess.Popen[bytes], started: float, seconds: float, said: Path) -> float:
        """Wait for the end; returns the seconds of load."""
        loaded = 0.0
        while process.poll() is None:
            passed = time.monotonic() - started
            self._count(passed)
            if self._stop and self._stop.is_set() and not loaded:
                loaded, self.said_before_stop = passed, said.stat().st_size
            if loaded:
                end = "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity"
                self._db.rows(f"{end} where application_name = $1", [self._name])
            if seconds and passed > seconds + _GRACE_S:
                process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SAMPLE_S)
        return loaded or time.monotonic() - started

    def _count(self, passed: float) -> None:
        clients = "select count(*) from pg_catalog.pg_stat_activity where backend_type = 'client backend'"
        self.peak = max(self.peak, int(self._db.value(clients)))
        if self._begun and not self._begun.is_set():
            asked = (
                "select exists (select from pg_catalog.pg_stat_activity where application_name = $1 and query <> '')"
            )
            if self._db.value(asked, [self._name]):
                self._begun.set()
        self._tell(f"{passed:.0f} s, {self.peak} of {self.allowed} connections")


def _result(
    when: str, names: Sequence[str], log: Sequence[str], said: str, clients: int, each: int, took: float, watch: _Watch
) -> LoadResult:
    """The figures of pgbench's log: client, number, latency in µs, script, and when it ended in seconds and µs.

    `each` is how many requests a client was to make, 0 for as many as it could. A client that gets no connection takes
    others with it, of which pgbench says nothing.
    """
    by_query: dict[str, list[float]] = {}
    done: Counter[str] = Counter()
    ends = []
    for line in log:
        words = line.split()
        if len(words) >= 6 and words[2].isdigit():  # a request that failed has a word there
            by_query.setdefault(names[int(words[3])], []).append(int(words[2]) / 1000)
            ends.append(int(words[4]) + int(words[5]) / 1e6)
            done[words[0]] += 1
    times = sorted(t for own in by_query.values() for t in own)
    ends.sort()
    broken = [line for line in said.splitlines() if any(word in line for word in _BROKEN)]
    first = next((line for line in said.splitlines() if "ERROR" in line or "FATAL" in line), "")
    if not times and not broken and watch.said_before_stop < 0:  # what it accompanied may be over before
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        raise errors.CheckFailed(f"pgbench did nothing: {_shown(last)}", remedy="try the workload's queries in psql")
    return LoadResult(
        when=when,
        clients=clients,
        requests=len(times),
        seconds=round(took, 2),
        per_second=round(len(times) / took, 1) if took else 0,
        p50_ms=quantile(times, 0.5),
        p95_ms=quantile(times, 0.95),
        p99_ms=quantile(times, 0.99),
        longest_ms=times[-1] if times else None,
        stall_ms=round(1000 * max((b - a for a, b in pairwise(ends)), default=0), 3) if ends else None,
        errors=max(len(broken), sum(done[str(n)] < each for n in range(clients))),
        connections=watch.peak,
        connections_allowed=watch.allowed,
        message=_shown(first),
        queries=tuple(_of_query(name, sorted(own)) for name, own in sorted(by_query.items())),
    )


def _shown(line: str) -> str:
    """What pgbench said, without the values that a server's message quotes."""
    return unquoted(scrub(line.strip()))[:300]


def _of_query(name: str, times: list[float]) -> QueryLoad:
    return QueryLoad(name, len(times), quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99), times[-1])


def quantile(ordered: Sequence[float], q: float) -> float | None:
    """The nearest-rank quantile; None of nothing.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([], 0.5)
    (2.0, None)
    """
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, -(-int(q * 1000) * len(ordered) // 1000) - 1))]
