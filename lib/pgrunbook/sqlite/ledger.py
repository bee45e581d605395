"""The ledger in a SQLite file: tables of its own, each row written in the transaction of what it tells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pgrunbook import __version__, ledger
from pgrunbook.ledger import RunRow, StepRow
from pgrunbook.sqlite import catalog
from pgrunbook.sqlite.db import File, statements
from pgrunbook.sqlite.text import quoted

_DDL = """\
create table if not exists {database} (
  id text not null primary key, -- what tells this database from any other; a copy keeps it
  made_at text not null
);
create table if not exists {run} (
  run_id text not null primary key,
  runbook text not null,
  digest text not null,
  system_identifier text not null,
  database_name text not null,
  search_path text not null, -- JSON
  status text not null check (status in ('running', 'applied', 'rolling_back', 'rolled_back')),
  fingerprint text not null, -- JSON
  tool_version text not null,
  started_at text not null,
  finished_at text,
  rolled_back_at text
);
create table if not exists {step} (
  run_id text not null references {run} (run_id),
  position integer not null,
  kind text not null,
  object text not null,
  relation text not null,
  resolved_sql text not null,
  options text not null, -- JSON
  status text not null check (status in ('started', 'applied', 'already', 'undone', 'kept')),
  owned integer not null,
  captured text not null, -- JSON: what the way back needs
  detail text not null default '',
  started_at text not null,
  finished_at text,
  primary key (run_id, position)
);
"""
_JSON = {"search_path", "fingerprint", "options", "captured"}
_TIMES = {"started_at", "finished_at", "rolled_back_at"}


def ddl(schema: str) -> str:
    """The ledger's DDL."""
    names = zip(("database", "run", "step"), catalog.internal(schema), strict=False)
    return _DDL.format(**{key: quoted(name) for key, name in names})


class SqliteLedger(ledger.Ledger):
    """The ledger of one file, through one session; `schema` begins the names of its tables."""

    def __init__(self, file: File, schema: str) -> None:
        self._file = file
        self.schema = schema
        self._database, self._run, self._step = (quoted(n) for n in catalog.internal(schema)[:3])

    def exists(self, tables: Sequence[str] = ledger.RUNS) -> bool:
        names = [f"{self.schema}_{t}" for t in tables]
        marks = ", ".join("?" * len(names))
        found = f"select count(*) from sqlite_master where type = 'table' and name in ({marks})"  # noqa: S608
        return bool(self._file.value(found, names) == len(names))

    def usable(self, tables: Sequence[str] = ledger.RUNS, *, writing: bool = True) -> bool:  # noqa: ARG002
        return self.exists(tables)

    def create(self, tables: Sequence[str] = ledger.RUNS) -> None:
        """Make the tables and the database's id where they are missing."""
        if self.exists(tables):
            return
        known = self.database_id()
        with self._file.transaction():
            for statement in statements(ddl(self.schema)):
                self._file.execute(statement)
            if not self._file.value(f"select count(*) from {self._database}"):  # noqa: S608
                self._file.execute(f"insert into {self._database} values (?, ?)", [known, _now()])  # noqa: S608

    def database_id(self) -> str:
        """What tells this database from any other: as the ledger has it, else made of the file's place on its disk.

        So it is the same before the ledger is there and after.
        """
        for table, column in ((f"{self.schema}_database", "id"), (catalog.REHEARSAL, "id")):
            there = "select count(*) from sqlite_master where type = 'table' and name = ?"
            if self._file.value(there, [table]):
                found = self._file.value(f"select {column} from {quoted(table)}")  # noqa: S608
                if found:
                    return str(found)
        return hashlib.sha256(f"inode {self._file.path.stat().st_ino}".encode()).hexdigest()[:32]

    def begin(
        self,
        run_id: str,
        runbook: str,
        digest: str,
        identity: tuple[str, str],
        search_path: Sequence[str],
        fingerprint: Mapping[str, str],
    ) -> None:
        self._file.execute(
            f"insert into {self._run} (run_id, runbook, digest, system_identifier, database_name, search_path,"  # noqa: S608
            " status, fingerprint, tool_version, started_at) values (?, ?, ?, ?, ?, ?, 'running', ?, ?, ?)",
            [
                run_id, runbook, digest, *identity, json.dumps(list(search_path)), json.dumps(dict(fingerprint)),
                __version__, _now(),
            ],
        )  # fmt: skip

    def runs(self, runbook: str = "") -> list[RunRow]:
        if not self.exists():
            return []
        query = (
            "select run_id, runbook, digest, system_identifier, database_name, search_path, status, fingerprint,"  # noqa: S608
            f" started_at, finished_at, rolled_back_at from {self._run} where ? in ('', runbook)"
            " order by started_at desc, run_id desc"
        )
        return [RunRow(**_typed(row)) for row in self._file.dicts(query, [runbook])]

    def steps(self, run_id: str) -> list[StepRow]:
        query = (
            "select position, kind, object, relation, resolved_sql, options, status, owned, captured, detail,"  # noqa: S608
            f" started_at, finished_at from {self._step} where run_id = ? order by position"
        )
        return [StepRow(**_typed(row)) for row in self._file.dicts(query, [run_id])]

    def run_that_applied(self, runbook: str, resolved_sql: str) -> str:
        if not self.exists():
            return ""
        query = (
            f"select r.run_id from {self._step} s join {self._run} r using (run_id)"  # noqa: S608
            " where r.runbook = ? and s.resolved_sql = ? and s.status = 'applied' order by r.started_at desc limit 1"
        )
        return str(self._file.value(query, [runbook, resolved_sql]) or "")

    def start(self, run_id: str, step: StepRow, detail: str = "", *, anew: bool = False) -> None:  # noqa: ARG002
        """Record a change in the transaction that carries it out, so that none is ever found half done."""
        self._file.execute(
            f"insert into {self._step} (run_id, position, kind, object, relation, resolved_sql, options, status, owned,"  # noqa: S608
            " captured, detail, started_at, finished_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict (run_id, position) do update set status = excluded.status, detail = excluded.detail,"
            " owned = excluded.owned, captured = excluded.captured, finished_at = excluded.finished_at",
            [
                run_id, step.position, step.kind, step.object, step.relation, step.resolved_sql,
                json.dumps(step.options), step.status, step.owned, json.dumps(step.captured), detail, _now(), _now(),
            ],
        )  # fmt: skip

    def mark(self, run_id: str, position: int, status: str, detail: str = "") -> None:
        self._file.execute(
            f"update {self._step} set status = ?, detail = ?, finished_at = ? where run_id = ? and position = ?",  # noqa: S608
            [status, detail, _now(), run_id, position],
        )

    def mark_run(self, run_id: str, status: str) -> None:
        column = "rolled_back_at" if status == "rolled_back" else "finished_at"
        self._file.execute(
            f"update {self._run} set status = ?, {column} = ? where run_id = ?",  # noqa: S608
            [status, _now(), run_id],
        )


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its JSON, times and truth values read; what SQLite stores is text and numbers."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if name in _JSON:
            found[name] = json.loads(value)
        elif name in _TIMES and value:
            found[name] = datetime.fromisoformat(value)
        else:
            found[name] = bool(value) if name == "owned" else value
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
