"""What baseline and verify share: the application's program, run the old way before the change, the new way after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from pgrunbook import db
from pgrunbook.findings import Check, passed
from pgrunbook.measure import application
from pgrunbook.measure.application import HOURS, MEASURED, ApplicationResult
from pgrunbook.sqlfile import quoted
from pgrunbook.stages import _measuring
from pgrunbook.stages._base import Session

Way = Literal["old", "new"]
WAYS: tuple[Way, Way] = ("old", "new")


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    """One kind of requests, the old way and the new. Statements and their time are the server's count."""

    requests_of: str
    requests: int | None
    statements_old: int | None = None
    statements_new: int | None = None
    fewer_percent: float | None = None
    server_old_ms: float | None = None
    server_new_ms: float | None = None
    p50_old_ms: float | None = None
    p50_new_ms: float | None = None
    p95_old_ms: float | None = None
    p95_new_ms: float | None = None
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that the program or the server tells, the old way and the new; or a remark of the program's."""

    figure: str
    old: float | None = None
    new: float | None = None
    says: str = ""


def or_word(session: Session, way: Way) -> list[ApplicationRow] | str:
    """Run the program where the runbook has one and this target may be used so; else why it was not run."""
    about = session.runbook.about.application
    if about is None:
        return "this runbook has no model of its application: [application] in runbook.toml"
    if not _measuring.may_write(session):
        return "not run: this target is not the sandbox; production = True allows it"
    options = db.options(
        search_path=",".join(quoted(s) for s in session.runbook.about.search_path),
        statement_timeout=f"{int(session.runbook.about.limits.query_timeout_s * 1000)}",
    )
    program = session.runbook.folder / about.program
    argument = about.ways[WAYS.index(way)]
    with session.connect("application watch") as watching:
        surroundings = db.environment(watching) | {"PGOPTIONS": options}
        result = application.run(
            program, argument, surroundings, watching, timeout_s=about.timeout_s, tell=session.tell
        )
    session.write_json(f"application_{way}.json", asdict(result))
    found = kept(session)
    session.record(_checks(way, found))
    return rows(found)


def kept(session: Session) -> dict[Way, ApplicationResult]:
    """The ways that this run has measured so far."""
    names: dict[Way, str] = {way: f"application_{way}.json" for way in WAYS}
    return {
        way: ApplicationResult.from_json(session.read_json(name))
        for way, name in names.items()
        if (session.folder / name).exists()
    }


def metrics(session: Session) -> Mapping[str, Mapping[str, float]] | None:
    """What claims are held against; None where the runbook has no program."""
    if session.runbook.about.application is None:
        return None
    return {way: result.metrics for way, result in kept(session).items()}


def _checks(way: Way, found: Mapping[Way, ApplicationResult]) -> list[Check]:
    result = found[way]
    made = int(sum(result.requests.values()))
    unmarked = result.metrics.get("statements.unmarked", 0)
    checks = [
        passed(
            "application errors", way, not result.errors, claimed="none",
            measured=f"{result.errors} of {made:,} requests failed",
        ),
        passed(
            "application statements", way, not unmarked, gates=False, claimed="each has a marker",
            measured=f"{unmarked:,.0f} statements without one ran meanwhile",
            detail="" if not unmarked else "others sent them, or the program; or the server knew a statement of the "
            "same shape before, without the marker: give the program's own another shape",
        ),
    ]  # fmt: skip
    if len(found) == len(WAYS):
        old, new = (found[w] for w in WAYS)
        same = old.requests == new.requests and old.digest == new.digest
        checks.append(
            passed(
                "application requests", "old and new", same, claimed="the same requests, by the same program",
                measured="they are" if same else "another program" if old.digest != new.digest else "others",
                detail="" if same else "begin a new run with 10_baseline",
            )
        )  # fmt: skip
    return checks


def rows(found: Mapping[Way, ApplicationResult]) -> list[ApplicationRow]:
    """The kinds of requests as rows, and all of them together."""
    kinds = list(dict.fromkeys(k for r in found.values() for k in r.kinds))
    return [_row(kind, found) for kind in [*kinds, "total"]]


def _row(kind: str, found: Mapping[Way, ApplicationResult]) -> ApplicationRow:
    def told(way: Way, name: str) -> float | None:
        return found[way].metrics.get(name) if way in found else None

    def count(way: Way, name: str) -> int | None:
        value = told(way, name)
        return None if value is None else int(value)

    old, new = (count(way, f"statements.{kind}") for way in WAYS)
    made = [sum(r.requests.values()) if kind == "total" else r.requests.get(kind) for r in found.values()]
    return ApplicationRow(
        requests_of="all" if kind == "total" else kind,
        requests=next((int(n) for n in made if n is not None), None),
        statements_old=old,
        statements_new=new,
        fewer_percent=100 * (1 - new / old) if old and new is not None else None,
        server_old_ms=told("old", f"server_ms.{kind}"),
        server_new_ms=told("new", f"server_ms.{kind}"),
        p50_old_ms=told("old", f"requests.{kind}.p50_ms"),
        p50_new_ms=told("new", f"requests.{kind}.p50_ms"),
        p95_old_ms=told("old", f"requests.{kind}.p95_ms"),
        p95_new_ms=told("new", f"requests.{kind}.p95_ms"),
        errors=sum(int(r.metrics.get(f"requests.{kind}.errors", 0)) for r in found.values()),
    )


def figures(session: Session) -> list[Figure] | str:
    """The program's own numbers, its connections as the server saw them, and its remarks."""
    found = kept(session)
    if not found:
        return "the application's program was not run"
    own = [n for r in found.values() for n in r.metrics if n != HOURS]
    names = [n for n in own if not n.startswith(MEASURED)] + [n for n in own if n.startswith("connections.")]
    old, new = (found[way].metrics if way in found else {} for way in WAYS)
    numbers = [Figure(n, old.get(n), new.get(n)) for n in dict.fromkeys(names)]
    said = {(name, text) for r in found.values() for name, text in r.notes.items()}
    return numbers + [Figure(name, says=text) for name, text in sorted(said)]
