"""The ledger: tables in the target that say what each run did and what it owns. Rollback works from it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pgrunbook import __version__, db, errors, sqlfile
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run over this database."""

    run_id: str
    runbook: str
    digest: str
    system_identifier: str
    database_name: str
    search_path: list[str]
    status: str
    fingerprint: dict[str, str]
    started_at: Any
    finished_at: Any
    rolled_back_at: Any

    @property
    def open(self) -> bool:
        """Whether it is under way, or was cut off."""
        return self.status in ("running", "rolling_back")


@dataclass(frozen=True, slots=True)
class StepRow:
    """One change of a run. `owned`: this run made the object, so this run's rollback undoes it."""

    position: int
    kind: str
    object: str
    relation: str
    resolved_sql: str
    options: dict[str, Any]
    status: str
    owned: bool
    captured: dict[str, Any]
    detail: str
    started_at: Any
    finished_at: Any

    @property
    def kept(self) -> bool:
        """Whether a rollback left it on purpose; one with scope "all" still takes it back."""
        return self.owned and self.status == "kept"

    @property
    def open(self) -> bool:
        """Whether a rollback has something to undo here."""
        return self.owned and self.status in ("started", "applied")


RUNS = ("run", "step")
WATCHING = ("watched", "snapshot")
_RUN = (
    "select run_id, runbook, digest, system_identifier, database_name, search_path, status, fingerprint,"
    " started_at, finished_at, rolled_back_at from {schema}.run"
)
_STEP = (
    "select position, kind, object, relation, resolved_sql, options, status, owned, captured, detail,"
    " started_at, finished_at from {schema}.step where run_id = $1 order by position"
)


def ddl(schema: str, role: str = "") -> str:
    """The ledger's DDL, for an administrator where the role may not create a schema."""
    text = db.catalog_sql("ledger").decode().replace("{schema}", quoted(schema))
    if not role:
        return text.replace(", {role} the role that runs the runbooks", "")
    name = quoted(role)
    return (
        text.replace("{role}", name)
        + f"\ngrant usage, create on schema {quoted(schema)} to {name};\n"
        + f"grant select, insert, update on {', '.join(quoted(schema, t) for t in RUNS + WATCHING)} to {name};\n"
        + f"grant delete on {quoted(schema, 'snapshot')} to {name};\n"
    )


class Ledger:
    """The ledger of one database, through one session."""

    def __init__(self, database: Database, schema: str) -> None:
        self._db = database
        self.schema = schema
        self._name = quoted(schema)

    def exists(self, tables: Sequence[str] = RUNS) -> bool:
        """Whether the tables are there, also where the role may not look into their schema."""
        return bool(
            self._db.value(
                "select count(*) = cardinality($2::text[]) from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
                " on n.oid = c.relnamespace where n.nspname = $1 and c.relname = any($2)",
                [self.schema, list(tables)],
            )
        )

    def usable(self, tables: Sequence[str] = RUNS, *, writing: bool = True) -> bool:
        """Whether the role may read and write the tables."""
        return bool(
            self._db.value(
                "select bool_and(pg_catalog.has_schema_privilege(n.oid, 'usage')"
                " and pg_catalog.has_table_privilege(c.oid, p))"
                " from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace,"
                " pg_catalog.unnest($2::text[]) p"
                " where n.nspname = $1 and c.relname = any($3)",
                [self.schema, ["select", "insert", "update"] if writing else ["select"], list(tables)],
            )
        )

    def _readable(self) -> bool:
        """Whether it is there; one that the role may not read is an error: nobody could say what was done."""
        if not self.exists():
            return False
        if not self.usable(writing=False):
            raise self.not_allowed("it is there, without the privileges")
        return True

    def create(self, tables: Sequence[str] = RUNS) -> None:
        """Make the tables where they are missing: a ledger may be older than some of them.

        Raises `BadTarget` with the administrator's command.
        """
        if self.exists(tables):
            return
        try:
            with self._db.transaction(client_min_messages="warning"):
                there = self._db.value("select to_regnamespace($1) is not null", [self._name])
                for statement in sqlfile.split(ddl(self.schema)):
                    # needs CREATE on the database, and would take from PUBLIC what others gave it
                    if not (there and statement.sql.startswith(("create schema", "revoke all on schema"))):
                        self._db.execute(statement.sql)
        except errors.StatementFailed as e:
            if self.exists(tables):  # another runbook's run made them in the same moment
                return
            if e.sqlstate != "42501":
                raise
            raise self.not_allowed(e.message) from None

    def not_allowed(self, reason: str) -> errors.BadTarget:
        """The error of a role that may not have the ledger, with the way out."""
        option = "" if self.schema == "pgrunbook" else f" --schema {self.schema}"
        return errors.BadTarget(
            f"role {self._db.user} may not create or use the ledger (schema {self._name}): {reason}",
            remedy=f"an administrator runs: pgrunbook ledger sql --role {self._db.user}{option}"
            f" | psql -d {self._db.database}",
        )

    def begin(
        self,
        run_id: str,
        runbook: str,
        digest: str,
        identity: tuple[str, str],
        search_path: Sequence[str],
        fingerprint: Mapping[str, str],
    ) -> None:
        """Record a run. `identity` is system identifier and database."""
        self._db.rows(
            f"insert into {self._name}.run (run_id, runbook, digest, system_identifier, database_name, search_path,"  # noqa: S608
            " status, fingerprint, tool_version) values ($1, $2, $3, $4, $5, $6, 'running', $7::jsonb, $8)",
            [
                run_id,
                runbook,
                digest,
                *identity,
                list(search_path),
                json.dumps(dict(fingerprint)),
                __version__,
            ],
        )

    def runs(self, runbook: str = "") -> list[RunRow]:
        """The runs, newest first; none where there is no ledger. Raises `BadTarget` where the role may not read it."""
        if not self._readable():
            return []
        query = _RUN.replace("{schema}", self._name)
        where = " where $1 in ('', runbook) order by started_at desc, run_id desc"
        return [RunRow(**row) for row in self._db.dicts(query + where, [runbook])]

    def run(self, run_id: str) -> RunRow | None:
        """One run."""
        return next((r for r in self.runs() if r.run_id == run_id), None)

    def steps(self, run_id: str) -> list[StepRow]:
        """A run's changes in order."""
        query = _STEP.replace("{schema}", self._name)
        return [StepRow(**row) for row in self._db.dicts(query, [run_id])]

    def owns_anything(self, run_id: str, *, kept: bool = False) -> bool:
        """Whether a rollback of this run has anything to do; `kept`: also where it is asked for what was kept."""
        return any(s.open or (kept and s.kept) for s in self.steps(run_id))

    def run_that_applied(self, runbook: str, resolved_sql: str) -> str:
        """The run of a runbook that did a statement which leaves no trace in the catalog; empty for none.

        Raises `BadTarget` where the role may not read the ledger.
        """
        return self._run_with(runbook, resolved_sql, ["applied"]) if self._readable() else ""

    def has_passed(self, runbook: str, resolved_sql: str) -> bool:
        """Whether a run of a runbook did a statement, or found it done. Raises `BadTarget` as `run_that_applied`."""
        return self._readable() and bool(self._run_with(runbook, resolved_sql, ["applied", "already"]))

    def _run_with(self, runbook: str, resolved_sql: str, statuses: list[str]) -> str:
        found = self._db.value(
            f"select r.run_id from {self._name}.step s join {self._name}.run r using (run_id)"  # noqa: S608
            " where r.runbook = $1 and s.resolved_sql = $2 and s.status = any($3)"
            " order by r.started_at desc limit 1",
            [runbook, resolved_sql, statuses],
        )
        return str(found or "")

    def start(self, run_id: str, step: StepRow, detail: str = "", *, anew: bool = False) -> None:
        """Record a change that begins (or that was found done: status "already"); again on a resumed run.

        What was captured first stays, unless nothing can have been done since (`anew`): the undo would else bring back
        what others have changed meanwhile.
        """
        self._db.rows(
            f"insert into {self._name}.step as s (run_id, position, kind, object, relation, resolved_sql, options,"  # noqa: S608
            " status, owned, captured, detail) values ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10::jsonb, $11)"
            " on conflict (run_id, position) do update set status = excluded.status, detail = excluded.detail,"
            " owned = excluded.owned, captured = case when $12 or s.status in ('already', 'undone')"
            " then excluded.captured else s.captured end",
            [
                run_id, step.position, step.kind, step.object, step.relation, step.resolved_sql,
                json.dumps(step.options), step.status, step.owned, json.dumps(step.captured), detail,
                anew,
            ],
        )  # fmt: skip

    def mark(self, run_id: str, position: int, status: str, detail: str = "") -> None:
        """Change a step's status."""
        self._db.rows(
            f"update {self._name}.step set status = $3, detail = $4, finished_at = clock_timestamp()"  # noqa: S608
            " where run_id = $1 and position = $2",
            [run_id, position, status, detail],
        )

    def advance(self, run_id: str, position: int, **captured: Any) -> None:
        """Add to what is remembered of a step: how far it has got."""
        self._db.rows(
            f"update {self._name}.step set captured = captured || $3::jsonb where run_id = $1 and position = $2",  # noqa: S608
            [run_id, position, json.dumps(captured)],
        )

    def mark_run(self, run_id: str, status: str) -> None:
        """Change a run's status."""
        column = "rolled_back_at" if status == "rolled_back" else "finished_at"
        self._db.rows(
            f"update {self._name}.run set status = $2, {column} = clock_timestamp() where run_id = $1",  # noqa: S608
            [run_id, status],
        )
