"""What a person writes in runbook.toml and in the front matter of SQL files."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pgrunbook.changes import ObjectOptions


class Frozen(BaseModel):
    """A model that a person writes: nothing unknown, nothing of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Limits(Frozen):
    """Bounds of time and space; the unit is in the name.

    `window` are the hours in which a migration may begin, from and to, over midnight too, as a clock in
    `window_timezone` shows them.
    """

    rollback_s: float = Field(300, gt=0)
    wait_budget_s: float = Field(60, gt=0)
    lock_timeout_ms: int | None = Field(None, gt=0)
    lock_tries: int = Field(20, ge=1)
    old_transaction_s: float = Field(300, gt=0)
    query_timeout_s: float = Field(30, gt=0)
    samples: int = Field(40, ge=1)
    statement_timeout_s: float = Field(0, ge=0)
    space_available_mb: float | None = Field(None, gt=0)
    window: tuple[TimeOfDay, TimeOfDay] | None = Field(None, strict=False)
    window_timezone: str = "UTC"

    @field_validator("window")
    @classmethod
    def _has_hours(cls, given: tuple[str, str] | None) -> tuple[str, str] | None:
        if given and given[0] == given[1]:
            raise ValueError("a window that begins when it ends has no hours")
        return given

    @field_validator("window_timezone")
    @classmethod
    def _known(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no time zone; take one like Europe/Berlin") from None
        return given


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

    @field_validator("name")
    @classmethod
    def _of_its_own(cls, name: str) -> str:
        # it is revoked from public, and left out of fingerprints
        if name in ("public", "information_schema") or name.startswith("pg_"):
            raise ValueError(f"the ledger needs a schema of its own, and {name} is none")
        return name


class Audit(Frozen):
    """What an audit can't know by itself: the table whose rows are "users", and how many of them to project to.

    `lint_timeout_s` bounds each lint by itself.
    """

    driver: str = ""
    levels: tuple[int, ...] = Field((1000, 10_000), strict=False)
    lint_timeout_s: float = Field(5, gt=0)


class Load(Frozen):
    """Many clients at once run the workload by its weights: so many requests each, or for so many seconds.

    `stages` are those that do it by themselves; without any it is done when asked for. The rest are targets.
    """

    clients: int = Field(50, ge=1, le=1000)
    requests: int = Field(10, ge=1)
    seconds: float = Field(0, ge=0)
    p95_ms: float = Field(500, gt=0)
    connections_percent: float = Field(80, gt=0, le=100)
    stages: tuple[Literal["baseline", "migrate", "verify"], ...] = Field((), strict=False)
    gates: bool = False


class Application(Frozen):
    """A model of the application: a Python program in the runbook's folder, told the way as its only argument.

    The first of its `ways` is run by the baseline, the second by verify.
    """

    program: str = Field(min_length=1)
    ways: tuple[str, str] = Field(("old", "new"), strict=False)
    timeout_s: float = Field(60, gt=0)


Watched = Literal["slower", "plan", "index", "unused", "growth", "cache", "errors"]


class KeyMetric(Frozen):
    """One row of the document's table of key metrics: what it says, and what answers for it here.

    `query_ms` is the mean time of some queries (without any: of all), `evaluations` how often a policy's expression
    runs for them, `cpu` by how many percent the workload's processor time changed in verify, `errors` the share of
    transactions that were rolled back, `cache_hits` that of blocks found in memory, both in percent.
    """

    says: str = Field(min_length=1)
    baseline: str = ""
    target: str = ""
    how: str = ""
    metric: Literal["query_ms", "evaluations", "cpu", "errors", "cache_hits"] | None = None
    queries: tuple[str, ...] = Field((), strict=False)
    at_least: float | None = None
    at_most: float | None = None
    not_measurable: str = ""


class Monitor(Frozen):
    """What a monitor keeps, when it speaks up, and what of that fails it (`gates`).

    A statement is slower at `slower_factor` times its median and by `slower_ms`; a time is known from `calls` on. A
    table has grown at `grown_factor` times what was to be expected and by `grown_mb`; an index is unused after
    `unused_days`.
    `cache_points` and `error_points` are percent of blocks and of transactions. Snapshots are all kept for `raw_days`,
    one an hour for `hourly_days`, one a day for `retention_days`. `schedule` is told to people, as cron has it.
    """

    schedule: str = "*/15 * * * *"
    raw_days: float = Field(7, gt=0)
    hourly_days: float = Field(35, gt=0)
    retention_days: float = Field(400, gt=0)
    calls: int = Field(20, ge=1)
    slower_factor: float = Field(2, gt=1)
    slower_ms: float = Field(2, ge=0)
    grown_factor: float = Field(2, gt=1)
    grown_mb: float = Field(8, ge=0)
    unused_days: float = Field(7, gt=0)
    cache_points: float = Field(5, gt=0)
    error_points: float = Field(1, gt=0)
    gates: tuple[Watched, ...] = Field(("slower", "plan", "index", "errors"), strict=False)
    key_metrics: tuple[KeyMetric, ...] = Field((), strict=False)


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
    "same_rows",
    "load_p95_ms",
    "load_stall_ms",
    "load_errors",
    "load_connections_percent",
    "application",
    "buffers_fewer_percent",
    "cpu_change_percent",
    "visibility",
    "access_exclusive",
    "drops",
]


Way = Literal["old", "new", "saved", "fewer_percent", "factor", "total_percent"]


class Claim(Frozen):
    """One number or promise of the source document.

    Of an application's figure `of`, `way` is what is held against the bounds: the old or the new value, what was saved
    (old less new), that in percent of the old one or of the old total of its sort, or the factor from new to old.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    section: str = ""
    says: str
    metric: Metric | None = None
    query: str = ""
    checks: tuple[str, ...] = Field((), strict=False)
    of: str = ""
    way: Way = "new"
    at_least: float | None = None
    at_most: float | None = None
    when: Literal["before", "during", "after"] = "after"
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
    audit: Audit = Audit()
    load: Load = Load()
    monitor: Monitor = Monitor()
    application: Application | None = None


class OnSqlite(Frozen):
    """A workload query in SQLite's words, where PostgreSQL's are not taken: `:name` stands for a parameter.

    `order` and `binds` are the front matter's own where they are not given.
    """

    query: str = Field(min_length=1)
    order: str = ""
    binds: dict[str, str] = {}


class QueryFront(Frozen):
    """The front matter of a file of `workload/`.

    With a `role` the query runs as that role, row security on; `settings` are set before it to a bind column's value.
    One that `replaces` another has that one's bind values, and its rows are compared with the other's: `same` says how,
    `page` names its parameters for the length of a page and the rows before it. `sqlite` is the query for SQLite files.
    """

    title: str = Field(min_length=1)
    order: str = ""
    replaces: str = ""
    same: Literal["equal", "set", "page"] = "equal"
    page: tuple[str, ...] = Field((), strict=False)
    gates: bool = True
    harmless: tuple[str, ...] = Field((), strict=False)
    weight: float = Field(1, gt=0)
    role: str = ""
    settings: dict[str, str] = {}
    binds: dict[str, str] = {}
    sqlite: OnSqlite | None = None

    @field_validator("sqlite", mode="before")
    @classmethod
    def _is_a_query(cls, given: object) -> object:
        return {"query": given} if isinstance(given, str) else given


class CheckFront(Frozen):
    """The front matter of a file of `checks/`. `after_rollback = false`: it tries what the change alone brings.

    One that does not gate tells what it finds and fails nothing. `harmless`: its rows name objects of the schema and no
    person, so they are shown on any target. `sqlite` is the check for a SQLite file.
    """

    title: str = Field(min_length=1)
    writes: bool = False
    rival: str = ""
    after_rollback: bool = True
    gates: bool = True
    harmless: bool = False
    sqlite: str = ""
