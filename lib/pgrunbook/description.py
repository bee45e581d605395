"""What a person writes in runbook.toml and in the front matter of SQL files."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pgrunbook.changes import ObjectOptions


class Frozen(BaseModel):
    """A model that a person writes: nothing unknown, nothing of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Limits(Frozen):
    """Bounds of time and space; the unit is in the name."""

    rollback_s: float = Field(300, gt=0)
    wait_budget_s: float = Field(60, gt=0)
    lock_timeout_ms: int | None = Field(None, gt=0)
    lock_tries: int = Field(20, ge=1)
    old_transaction_s: float = Field(300, gt=0)
    query_timeout_s: float = Field(30, gt=0)
    samples: int = Field(40, ge=1)
    statement_timeout_s: float = Field(0, ge=0)
    space_available_mb: float | None = Field(None, gt=0)


class Build(Frozen):
    """Settings of the session that builds; None leaves the server's own."""

    maintenance_work_mem: str | None = None
    parallel_workers: int | None = Field(None, ge=0)
    cancel_if_client_dies: bool | None = None
    orphan: Literal["wait", "cancel"] = "wait"


class Backfill(Frozen):
    """How an UPDATE in batches spares the others. None: WAL is written as fast as it comes.

    A batch waits while a replica is further behind than `replica_lag_s`, or this server writes more WAL than
    `wal_mb_per_s`; a pause longer than `pause_limit_s` ends the run, which can be taken up.
    """

    batch_ms: int = Field(200, ge=10, le=10_000)
    replica_lag_s: float = Field(10, gt=0)
    wal_mb_per_s: float | None = Field(None, gt=0)
    pause_limit_s: float = Field(600, gt=0)


class Ledger(Frozen):
    """Where the ledger lives; `published` is the reason why a publication may replicate it."""

    name: str = Field("pgrunbook", alias="schema", min_length=1)
    published: str = ""


Metric = Literal[
    "query_ms_before",
    "query_ms_after",
    "speedup",
    "index_mb",
    "database_growth_percent",
    "written_concurrently",
    "repeatable",
    "rows_unchanged",
    "answers_unchanged",
    "probes",
    "checks",
    "rollback_seconds",
    "evaluations_before",
    "evaluations_after",
    "evaluations_fewer_percent",
    "faster_percent",
    "buffers_fewer_percent",
    "cpu_change_percent",
    "visibility",
    "access_exclusive",
    "drops",
]


class Claim(Frozen):
    """One number or promise of the source document."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    section: str = ""
    says: str
    metric: Metric | None = None
    query: str = ""
    checks: tuple[str, ...] = Field((), strict=False)
    at_least: float | None = None
    at_most: float | None = None
    after: Literal["verify", "rollback"] = "verify"
    gates: bool = False
    not_measurable: str = ""


class ChecklistItem(Frozen):
    """One item of the testing checklist: a probe answers for the database, a person for the rest."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    says: str
    probe: str = ""
    faster: str = ""
    person: str = ""


Command = Literal["select", "insert", "update", "delete"]
COMMANDS: tuple[Command, ...] = ("select", "insert", "update", "delete")


class VisibleTable(Frozen):
    """A table whose rows are counted as each actor. `insert` makes a row for a tenant, bound as `:'tenant'`."""

    table: str = Field(min_length=1)
    tenant: str = Field(min_length=1)
    insert: str = ""


class Actor(Frozen):
    """Somebody who asks. `sampled` is a query whose first row has the claims and the tenants (a text[]) of one.

    One who `bypasses` sees every tenant's rows on purpose.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    says: str = ""
    role: str = Field(min_length=1)
    sampled: str = ""
    bypasses: bool = False


class Expectation(Frozen):
    """The rows that some actors reach before and after: a condition over the table's row, `:tenants` the actor's."""

    tables: tuple[str, ...] = Field(strict=False, min_length=1)
    actors: tuple[str, ...] = Field(strict=False, min_length=1)
    commands: tuple[Command, ...] = Field(strict=False)
    before: str = Field(min_length=1)
    after: str = Field(min_length=1)

    def condition(self, phase: Literal["before", "after"]) -> str:
        return self.before if phase == "before" else self.after


class Visibility(Frozen):
    """Who may reach which rows, and what of that the change is there to alter."""

    setting: str = ""
    evaluations: tuple[str, ...] = Field((), strict=False)
    tables: tuple[VisibleTable, ...] = Field((), strict=False)
    actors: tuple[Actor, ...] = Field((), strict=False)
    expect: tuple[Expectation, ...] = Field((), strict=False)

    def expectation(self, table: str, actor: str, command: Command) -> Expectation | None:
        """What is declared of one actor, table and command; None where before and after have to be equal."""
        return next((e for e in self.expect if table in e.tables and actor in e.actors and command in e.commands), None)


class Description(Frozen):
    """What runbook.toml says."""

    title: str = Field(min_length=1)
    source: str = ""
    description: str = ""
    search_path: tuple[str, ...] = Field(("public",), strict=False, min_length=1)
    live: bool = False
    restart_note: str = ""
    limits: Limits = Limits()
    build: Build = Build()
    backfill: Backfill = Backfill()
    ledger: Ledger = Ledger()
    objects: dict[str, ObjectOptions] = {}
    claims: tuple[Claim, ...] = Field((), strict=False)
    checklist: tuple[ChecklistItem, ...] = Field((), strict=False)
    visibility: Visibility | None = None


class QueryFront(Frozen):
    """The front matter of a file of `workload/`.

    With a `role` the query runs as that role, row security on; `settings` are set before it to a bind column's value.
    """

    title: str = Field(min_length=1)
    order: str = ""
    harmless: tuple[str, ...] = Field((), strict=False)
    weight: float = Field(1, gt=0)
    role: str = ""
    settings: dict[str, str] = {}
    binds: dict[str, str] = {}


class CheckFront(Frozen):
    """The front matter of a file of `checks/`. `after_rollback = false`: it tries what the change alone brings."""

    title: str = Field(min_length=1)
    writes: bool = False
    rival: str = ""
    after_rollback: bool = True
