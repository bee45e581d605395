"""The audit's lints: one `.sql` a fault, with its documentation in front; every lint returns the same columns.

What SQL can't find out by itself, the parse of a statement's or a policy's text, is made into facts beforehand and
handed to each lint as JSON; every judgement is made in the server, from the catalogs, the statistics and these facts.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

from pgrunbook import errors
from pgrunbook.db import Database
from pgrunbook.description import Frozen

Level = Literal["important", "routine", "noted"]
LEVELS: tuple[Level, ...] = ("important", "routine", "noted")
Group = Literal["indexes", "row level security", "workload", "capacity"]
GROUPS: tuple[Group, ...] = ("indexes", "row level security", "workload", "capacity")
# of findings of one level: holes first, then what will stop the database, then what slows it down
_URGENT: tuple[Group, ...] = ("row level security", "capacity", "indexes", "workload")
Fact = Literal["statements", "policies", "growth"]
_PARAMETER = re.compile(rb"%\((\w+)\)s")


class LintFront(Frozen):
    """The front matter of a lint: what it finds, why that matters, how it is mended, and when it is wrong.

    `needs` are the facts without which it can't look: it is then told as not seen.
    """

    title: str
    group: Group
    says: str
    mend: str
    doubt: str
    needs: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Lint:
    """One lint, named after its file."""

    name: str
    about: LintFront
    sql: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Row:
    """What every lint returns. `weight` (bytes, ms, rows: as the lint says) sorts the findings of one level."""

    object: str
    relation: str
    level: Level
    detail: str
    remedy: str
    advice: str
    doubt: str
    weight: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: on what, how grave, the evidence, the statement that mends it, and why it might be wrong.

    `remedy` is SQL, or empty where `advice` says in words what to do. `relation` is the table's quoted name, empty for
    what belongs to none.
    """

    id: str
    lint: str
    level: Level
    object: str
    relation: str
    detail: str
    remedy: str
    advice: str
    doubt: str
    weight: float = 0

    def as_json(self) -> dict[str, Any]:
        """As in `--json`, where `remedy` is never empty while there is advice."""
        return {
            "id": self.id, "lint": self.lint, "level": self.level, "object": self.object, "relation": self.relation,
            "detail": self.detail, "remedy": self.remedy or self.advice, "doubt": self.doubt, "sql": self.remedy,
            "advice": self.advice, "weight": self.weight,
        }  # fmt: skip

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Finding:
        """A finding as an audit wrote it."""
        given = {k: v for k, v in row.items() if k != "sql"}
        return cls(**{**given, "remedy": row["sql"]})


@dataclass(frozen=True, slots=True)
class NotSeen:
    """What the audit could not look at, why, and what would let it."""

    what: str
    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was parsed or measured before the lints run; each is a list of JSON objects, None where it can't be had.

    `window` says in words over which time the statements were counted.
    """

    statements: Sequence[Mapping[str, Any]] | None = None
    predicates: Sequence[Mapping[str, Any]] = ()
    policies: Sequence[Mapping[str, Any]] | None = None
    growth: Sequence[Mapping[str, Any]] | None = None
    not_seen: Sequence[NotSeen] = ()
    window: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """One lint's outcome: its findings and how long it took; `failed` is why it could not look."""

    lint: Lint
    findings: tuple[Finding, ...]
    seconds: float
    failed: str = ""
    remedy: str = ""


@cache
def lints() -> tuple[Lint, ...]:
    """All lints, in the order of their groups and names. Raises `ValueError` for a file that is no lint."""
    found = []
    for path in (resources.files("pgrunbook") / "audit").iterdir():
        if path.name.endswith(".sql"):
            head, closed, body = path.read_text("utf-8").partition("---*/")
            if not head.startswith("/*---") or not closed:
                raise ValueError(f"{path.name} has no front matter")
            front = tomllib.loads(head.removeprefix("/*---"))
            told = {k: " ".join(v.split()) if isinstance(v, str) else v for k, v in front.items()}
            about = LintFront.model_validate(told, strict=False)
            found.append(Lint(path.name.removesuffix(".sql"), about, body.strip().encode()))
    return tuple(sorted(found, key=lambda lint: (GROUPS.index(lint.about.group), lint.name)))


def look(database: Database, chosen: Iterable[Lint], facts: Facts, *, timeout_s: float) -> Iterable[Looked]:
    """Run lints one after the other, each in a read-only transaction under its own time limit, each failing alone."""
    given = {
        "statements": as_json(facts.statements or ()),
        "predicates": as_json(facts.predicates),
        "policies": as_json(facts.policies or ()),
        "growth": as_json(facts.growth or ()),
    }
    for lint in chosen:
        yield _look(database, lint, facts, given, timeout_s)


def _look(database: Database, lint: Lint, facts: Facts, given: Mapping[str, str], timeout_s: float) -> Looked:
    from time import monotonic

    lacking = [name for name in lint.about.needs if getattr(facts, name) is None]
    if lacking:
        return Looked(lint, (), 0.0, f"it needs the {', '.join(lacking)}, which could not be read")
    started = monotonic()
    wanted = {name.decode() for name in _PARAMETER.findall(lint.sql)}
    try:
        # the facts are a constant of megabytes in the plan, which every parallel worker would be handed
        local = {"statement_timeout": f"{timeout_s * 1000:.0f}", "jit": "off", "max_parallel_workers_per_gather": "0"}
        with database.transaction(read_only=True, **local):  # type: ignore[arg-type]
            rows = database.select(lint.sql, _Row, {k: v for k, v in given.items() if k in wanted})
    except errors.LostConnection:
        raise
    except errors.StatementCancelled:
        why, remedy = f"it took longer than {timeout_s:g} s", "raise audit.lint_timeout_s in runbook.toml"
        return Looked(lint, (), monotonic() - started, why, remedy)
    except TypeError as e:  # its columns are not those of a lint
        return Looked(lint, (), monotonic() - started, f"the lint itself is wrong: {e}")
    except errors.StatementFailed as e:
        return Looked(lint, (), monotonic() - started, e.message, e.remedy)
    return Looked(lint, tuple(_finding(lint, row) for row in rows), monotonic() - started)


def _finding(lint: Lint, row: _Row) -> Finding:
    return Finding(
        id=f"{lint.name}:{row.object}",
        lint=lint.name,
        level=row.level,
        object=row.object,
        relation=row.relation,
        detail=row.detail,
        remedy=row.remedy,
        advice=row.advice,
        doubt=row.doubt or lint.about.doubt,
        weight=row.weight,
    )


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first; within a level by what a fault of this group does, and by lint, the heaviest first."""
    urgency = {lint.name: _URGENT.index(lint.about.group) for lint in lints()}
    last = len(_URGENT)
    return sorted(
        findings, key=lambda f: (LEVELS.index(f.level), urgency.get(f.lint, last), f.lint, -f.weight, f.object)
    )


def as_json(value: Sequence[Mapping[str, Any]]) -> str:
    """Facts as a lint's parameter."""
    return json.dumps(value, ensure_ascii=False, default=str)
