"""A program that makes an application's requests, the old way or the new, and what the server saw of it meanwhile.

The program is told the way as its only argument, finds the server through libpq's environment variables, and prints
one JSON document. Its statements carry a marker behind their first word (`select /* application: services */ …`), by
which pg_stat_statements tells their kinds apart; what it does beside its scenario is marked `/* aside: … */`, and is
not counted. Two things to know when writing one: statements of the same shape are one entry of the server's, with the
marker of the first; and its sessions have to keep the application name that they are given, but for those aside.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from pgrunbook import errors, leash
from pgrunbook.db import Database
from pgrunbook.description import Frozen
from pgrunbook.evidence.redact import scrub, unquoted
from pgrunbook.sqlfile import quoted

# what the server or the library tells, and no program may tell in their place
MEASURED = ("statements.", "statements_per_hour.", "statements_per_request.", "server_ms.", "connections.", "requests.")
HOURS = "hours"
_SAMPLE_S = 0.02
_LONGEST = 2**20
_DOCUMENT = 'let it print one JSON document, {"metrics": {…}, "notes": {…}, "requests": […]}, and nothing else'
_ACTIVITY = (
    "select count(*), count(*) filter (where state <> 'idle')"
    " from pg_catalog.pg_stat_activity where application_name = $1"
)
_Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")]


class Requests(Frozen):
    """The requests of one kind that the program made; times in ms, None where none was made."""

    kind: Annotated[str, Field(pattern=r"^\w+$")]
    count: int = Field(ge=0)
    p50_ms: float | None = None
    p95_ms: float | None = None
    errors: int = Field(0, ge=0)


class Printed(Frozen):
    """The program's JSON document. A metric `hours` says how many hours its scenario stands for."""

    model_config = ConfigDict(allow_inf_nan=False)

    metrics: Mapping[_Name, float] = Field(default_factory=dict)
    notes: Mapping[_Name, str] = Field(default_factory=dict)
    requests: tuple[Requests, ...] = ()


@dataclass(frozen=True, slots=True)
class ApplicationResult:
    """What one way of the program came to; `digest` is the program's own, so that both ways are known to be its."""

    way: str
    digest: str
    seconds: float
    metrics: Mapping[str, float]
    notes: Mapping[str, str]

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> ApplicationResult:
        return cls(**row)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of requests, and those of statements that no request is called after."""
        found = [n.split(".")[1] for n in self.metrics if n.startswith(("requests.", "statements."))]
        return tuple(k for k in dict.fromkeys(found) if k not in ("total", "unmarked"))

    @property
    def requests(self) -> Mapping[str, float]:
        """How many requests were made, by kind."""
        return {k: self.metrics[f"requests.{k}.count"] for k in self.kinds if f"requests.{k}.count" in self.metrics}

    @property
    def errors(self) -> int:
        return int(sum(self.metrics[f"requests.{kind}.errors"] for kind in self.requests))


@dataclass(frozen=True, slots=True)
class _Counted:
    """The statements of one kind; the kind is empty for those without a marker."""

    scope: str
    kind: str
    calls: int
    ms: float


@dataclass(frozen=True, slots=True)
class _Statistics:
    """What pg_stat_statements has: `since` changes when it is reset or throws some away, `lack` is why it has none."""

    counted: Sequence[_Counted] = ()
    since: str = ""
    lack: str = ""


def run(
    program: Path,
    way: str,
    surroundings: Mapping[str, str],
    watching: Database,
    *,
    timeout_s: float,
    tell: Callable[[str], None] = lambda _: None,
) -> ApplicationResult:
    """Run the program one way, and count its statements and connections from a session of our own.

    Raises `CheckFailed` where it fails, runs on beyond its time, or prints something else.
    """
    name = f"application {secrets.token_hex(4)}"
    before = _statistics(watching)
    # PYTHON… apart, what is PG… in this process's own surroundings would lead elsewhere
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG") or k in ("PGSERVICEFILE", "PGPASSFILE")}
    environment = {**kept, **surroundings, "PGAPPNAME": name, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = leash.start([sys.executable, str(program), way], environment, out, said)

        def look(passed: float, connections: int) -> None:
            _require_short(program, os.fstat(out.fileno()).st_size)  # seeking would move where it writes
            tell(f"application, {way}: {passed:.0f} s, {connections} connections")

        seen = _watched(process, watching, name, timeout_s, look)
        took = time.monotonic() - started
        if process.returncode:
            raise _failed(program, way, process.returncode, _end_of(said))
        printed = _printed(program, out)
    metrics = dict(printed.metrics)
    for one in printed.requests:
        told = {"count": one.count, "p50_ms": one.p50_ms, "p95_ms": one.p95_ms, "errors": one.errors}
        metrics |= {f"requests.{one.kind}.{k}": v for k, v in told.items() if v is not None}
    counted, lack = _difference(before, _statistics(watching))
    metrics |= _of_statements(counted, metrics) | _of_connections(seen)
    notes = {**printed.notes, **({"statements": lack} if lack else {})}
    return ApplicationResult(way, _digest(program), round(took, 2), metrics, notes)


def _digest(program: Path) -> str:
    """A hash of the program and of the modules beside it."""
    texts = [path.read_bytes() for path in sorted(program.parent.glob("*.py"))]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _watched(
    process: subprocess.Popen[bytes],
    watching: Database,
    name: str,
    timeout_s: float,
    look: Callable[[float, int], None],
) -> list[tuple[int, int]]:
    """Wait for the program's end; the samples of its connections, all of them and the busy ones."""
    seen: list[tuple[int, int]] = []
    started = time.monotonic()
    with process:
        while process.poll() is None:
            passed = time.monotonic() - started
            if passed > timeout_s:
                raise errors.CheckFailed(
                    f"the application's program did not end within {timeout_s:g} s",
                    remedy="find out what it waits for, or give it more in application.timeout_s",
                )
            ((all_of_them, busy),) = watching.rows(_ACTIVITY, [name])
            seen.append((all_of_them, busy))
            look(passed, all_of_them)
            with suppress(subprocess.TimeoutExpired):
                # uneven, so that it does not keep step with a rhythm of the program's own
                process.wait(random.uniform(0.5, 1.5) * _SAMPLE_S)  # noqa: S311
    return [s for s in seen if s[0]]


def _end_of(said: IO[bytes]) -> str:
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - _LONGEST))
    return said.read().decode(errors="replace")


def _failed(program: Path, way: str, status: int, said: str) -> errors.CheckFailed:
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    return errors.CheckFailed(
        f"{program.name} {way} ended with status {status}: {unquoted(scrub(last))[:300]}",
        remedy=f"run it by itself: python {program.name} {way}, with PGHOST, PGDATABASE… set",
    )


def _require_short(program: Path, length: int) -> None:
    """Raise `CheckFailed` for one that prints without end, before it fills the disk."""
    if length > _LONGEST:
        raise errors.CheckFailed(f"{program.name} printed more than {_LONGEST} bytes", remedy=_DOCUMENT)


def _printed(program: Path, out: IO[bytes]) -> Printed:
    """The program's document. Raises `CheckFailed` where it is none, or tells what is the server's to tell."""
    out.seek(0)
    text = out.read(_LONGEST + 1)
    _require_short(program, len(text))
    try:
        printed = Printed.model_validate_json(text)
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"{where}: {first['msg']}".removeprefix(": ")
        raise errors.CheckFailed(f"{program.name} printed something else: {reason[:300]}", remedy=_DOCUMENT) from None
    for metric in printed.metrics:
        if metric.startswith(MEASURED):
            raise errors.CheckFailed(
                f"{program.name} tells {metric}, which is measured from outside", remedy="call its metric otherwise"
            )
    return printed


# -- what the server counted ----------------------------------------------------------------------------------------


def _statistics(watching: Database) -> _Statistics:
    schema = watching.value(
        "select n.nspname from pg_catalog.pg_extension e"
        " join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'"
    )
    if schema is None:
        return _Statistics(lack="pg_stat_statements is not in this database: create extension pg_stat_statements")
    try:
        with watching.transaction(read_only=True, search_path=quoted(schema)):
            counted = watching.fetch("application_statements", _Counted)
            since = ""
            if watching.value("select pg_catalog.to_regclass('pg_stat_statements_info') is not null"):
                since = watching.value(
                    "select pg_catalog.concat(dealloc, ' ', stats_reset) from pg_stat_statements_info"
                )
    except errors.StatementFailed as e:
        return _Statistics(lack=f"pg_stat_statements tells nothing: {e.message}")
    return _Statistics(counted, since)


def _difference(before: _Statistics, after: _Statistics) -> tuple[list[_Counted], str]:
    """What came to the counters meanwhile; nothing, and why, where they can't be relied on."""
    if lack := before.lack or after.lack:
        return [], lack
    known = {(c.scope, c.kind): c for c in before.counted}
    found = []
    for one in after.counted:
        old = known.pop((one.scope, one.kind), _Counted(one.scope, one.kind, 0, 0))
        found.append(_Counted(one.scope, one.kind, one.calls - old.calls, one.ms - old.ms))
    if before.since != after.since or known or any(c.calls < 0 for c in found):
        return [], "pg_stat_statements was reset, or threw entries away, while the program ran"
    return found, ""


def _of_statements(counted: Sequence[_Counted], told: Mapping[str, float]) -> dict[str, float]:
    """The server's counters as metrics: by kind and in total, by the hour of the scenario, and for each request."""
    if not counted:
        return {}
    own = {c.kind: c for c in counted if c.scope == "application" and c.calls}
    calls: dict[str, float] = {kind: c.calls for kind, c in own.items()}
    ms = {kind: round(c.ms, 3) for kind, c in own.items()}
    calls["total"], ms["total"] = sum(calls.values()), round(sum(ms.values()), 3)
    for name in told:  # a kind whose requests are all answered by a cache
        if name.startswith("requests.") and (kind := name.split(".")[1]) not in calls:
            calls[kind], ms[kind] = 0, 0.0
    found = {f"statements.{kind}": n for kind, n in calls.items()} | {f"server_ms.{kind}": n for kind, n in ms.items()}
    found["statements.unmarked"] = sum(c.calls for c in counted if not c.scope)
    if hours := told.get(HOURS):
        found |= {f"statements_per_hour.{kind}": n / hours for kind, n in calls.items()}
    for kind, n in calls.items():
        if count := told.get(f"requests.{kind}.count"):
            found[f"statements_per_request.{kind}"] = n / count
    return found


def _of_connections(seen: Sequence[tuple[int, int]]) -> dict[str, float]:
    """The connections that the program had at a time, from the first to the last sample that saw one."""
    if not seen:
        return {}
    return {
        "connections.peak": max(n for n, _ in seen),
        "connections.mean": round(sum(n for n, _ in seen) / len(seen), 3),
        "connections.busy_peak": max(busy for _, busy in seen),
        "connections.busy_mean": round(sum(busy for _, busy in seen) / len(seen), 3),
    }
