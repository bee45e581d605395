"""A stage on a SQLite file: the journal, the folder and the verdict are every session's, the file is its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import postgast

from pgrunbook import errors
from pgrunbook.plan import Identity, Plan
from pgrunbook.sqlite import catalog, db, execute, lock, plan
from pgrunbook.sqlite.db import File
from pgrunbook.sqlite.ledger import SqliteLedger
from pgrunbook.stages._base import Session

_READ_ONLY = {"baseline", "verify", "checklist"}
_OURS = "name not like 'pgrunbook%' and tbl_name not like 'pgrunbook%'"
_LOOK_INSTEAD = {  # what a notebook's own cells look at, in the words of a file
    "pg_stat_user_tables": "select name as \"table\", sql from sqlite_master where type = 'table'"  # noqa: S608
    f" and {_OURS} order by 1",
    "pg_indexes": 'select tbl_name as "table", name as "index", sql from sqlite_master where type = \'index\''  # noqa: S608
    f" and {_OURS} order by 1, 2",
    "pg_stat_progress_create_index": "select 'none is told: while an index is built nobody else writes' as progress",
}
_LOOK = f'select type, name, tbl_name as "table", sql from sqlite_master where {_OURS} order by 1, 2'  # noqa: S608


class SqliteSession(Session):
    """One stage of one run on one file."""

    @cached_property
    def file(self) -> File:
        """The file, open for reading; for writing in the stages that write."""
        limits = self.runbook.about.limits
        path = db.path_of(self.target, self.root)
        opened = db.connect(self.target, path, read_only=self.stage in _READ_ONLY, busy_ms=execute.busy_ms(limits))
        self.on_close(opened.close)
        return opened

    def writing(self) -> File:
        """A further session that may write; the caller closes it."""
        return db.connect(self.target, self.file.path, busy_ms=execute.busy_ms(self.runbook.about.limits))

    def identify(self) -> Identity:
        return plan.identify(self.file, self.schema)

    @property
    def schema(self) -> str:
        """What the names of the ledger's tables begin with."""
        return self.runbook.about.ledger.name

    @property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self.file, self.schema)

    @cached_property
    def is_rehearsal(self) -> bool:
        query = "select count(*) from sqlite_master where type = 'table' and name = ?"
        return bool(self.file.value(query, [catalog.REHEARSAL]))

    def plan(self) -> Plan:
        return plan.make(self.runbook, self.file)

    def hold_lock(self) -> None:
        purpose = f"pgrunbook run {self.run_id} {self.stage}"
        held = lock.held(self.target, self.file.path, self.runbook.name, purpose)
        held.__enter__()
        self.on_close(lambda: held.__exit__(None, None, None))

    def work(self, function: Callable[..., Any]) -> Callable[..., Any]:
        from pgrunbook.sqlite.stages import PARTS

        stage = function.__module__.rpartition(".")[2]
        try:
            return PARTS[stage, function.__name__] or function
        except KeyError:
            raise errors.WrongUsage(
                f"{stage}: there is no {function.__name__} of a SQLite file", remedy="name a PostgreSQL target"
            ) from None

    # -- %sql ---------------------------------------------------------------------------------------------

    def for_sql(self) -> tuple[str, Any]:
        opened = db.connect(self.target, self.file.path, read_only=True)
        self.on_close(opened.close)
        return "sqlite://", opened.driver_connection

    def by_hand(self, statement: str) -> tuple[str, str]:
        asked = _catalog_of_postgresql(statement)
        if not asked:
            return statement, ""
        instead = _LOOK_INSTEAD.get(asked, _LOOK)
        return instead, f"{asked} is PostgreSQL's; of a SQLite file: {instead}"


def _catalog_of_postgresql(statement: str) -> str:
    """The relation of PostgreSQL's catalog that a statement reads; empty where it reads none."""
    try:
        words = list(postgast.scan(statement).tokens)
    except postgast.PgQueryError:
        return ""
    raw = statement.encode()
    names = (raw[t.start : t.end].decode() for t in words)
    return next((n for n in names if n.startswith("pg_")), "")
