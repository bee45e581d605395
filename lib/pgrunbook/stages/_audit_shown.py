"""What an audit shows: the rows of its tables, and what its lints found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pgrunbook.audit import Finding, NotSeen


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A workload query of the runbook, run so that the server's statistics know it."""

    query: str
    title: str
    weight: str
    calls: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What the audit knows the workload and the policies from, and what it could not see."""

    what: str
    seen: str
    remedy: str


@dataclass(frozen=True, slots=True)
class LintResult:
    """One lint: how many findings of each level."""

    group: str
    lint: str
    looks_for: str
    important: int
    routine: int
    noted: int
    ms: float
    not_seen: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Columns that the workload tests together, and the index that serves them."""

    table: str
    columns: str
    index: str
    status: str
    statements: int
    calls: int
    estimated_rows: int


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key and the index that begins with its columns."""

    table: str
    columns: str
    references: str
    index: str
    on_delete: str
    estimated_rows: int
    parent_deletes: int


@dataclass(frozen=True, slots=True)
class Detail:
    """A finding, for a person."""

    level: str
    finding: str
    what: str
    evidence: str
    mend: str
    why_it_might_be_wrong: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do, and by when."""

    when: str
    what: str
    why: str
    mends: str


@dataclass(frozen=True, slots=True)
class TableSummary:
    """A table with its indexes, use and findings."""

    table: str
    estimated_rows: int
    table_bytes: int
    index_bytes: int
    indexes: int
    never_read: int
    sequential_scans: int
    index_scans: int
    writes: int
    findings: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What the lints found, gravest first, one row a lint, and what could not be seen."""

    findings: tuple[Finding, ...]
    lints: tuple[LintResult, ...]
    not_seen: tuple[NotSeen, ...]

    @property
    def titles(self) -> dict[str, str]:
        """What each lint looks for, by its name."""
        return {lint.lint: lint.looks_for for lint in self.lints}

    def as_json(self, target: str) -> dict[str, Any]:
        """As `pgrunbook audit --json` prints it."""
        return {
            "target": target,
            "findings": [f.as_json() for f in self.findings],
            "not_seen": [asdict(n) for n in self.not_seen],
        }
