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
    "rollback_seconds",
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
    ledger: Ledger = Ledger()
    objects: dict[str, ObjectOptions] = {}
    claims: tuple[Claim, ...] = Field((), strict=False)
    checklist: tuple[ChecklistItem, ...] = Field((), strict=False)


class QueryFront(Frozen):
    """The front matter of a file of `workload/`."""

    title: str = Field(min_length=1)
    order: str = ""
    harmless: tuple[str, ...] = Field((), strict=False)
    weight: float = Field(1, gt=0)
    binds: dict[str, str] = {}


class CheckFront(Frozen):
    """The front matter of a file of `checks/`."""

    title: str = Field(min_length=1)
    writes: bool = False
    rival: str = ""
