"""A DO block that only looks: a check, looked at when its turn comes, and again by verify."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import (
    Change,
    LockMode,
    Look,
    Names,
    Observation,
    Phase,
    State,
    Statement,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict
from pgrunbook.sqlfile import SqlFileError, SqlStatement

_LIMIT = "60s"
_ERROR = 21
# what a block that looks is made of; PL/pgSQL's NULL leaves no trace in the tree
_LOOKING = {
    "block", "assign", "if", "case", "loop", "while", "fori", "fors", "forc", "foreach_a", "exit", "return", "raise",
    "assert", "execsql", "perform", "getdiag", "open", "fetch", "close",
}  # fmt: skip
# Functions that a read-only transaction does not keep from having an effect, or that exist for their effect.
_EFFECTS = (
    "nextval", "setval", "set_config", "pg_notify", "dblink", "lo_", "pg_advisory_", "pg_try_advisory_",
    "pg_cancel_backend", "pg_terminate_backend", "pg_reload_conf", "pg_rotate_logfile", "pg_switch_wal", "pg_promote",
    "pg_create_", "pg_drop_", "pg_copy_", "pg_replication_", "pg_logical_", "pg_sync_", "pg_stat_reset",
    "pg_stat_statements_reset", "pg_start_backup", "pg_stop_backup", "pg_backup_", "pg_wal_replay_", "pg_file_",
    "pg_log_", "pg_restore_", "pg_clear_", "pg_prewarm", "brin_summarize_", "brin_desummarize_", "gin_clean_", "http",
)  # fmt: skip
_RAW, _EXPRESSION, _ASSIGNMENTS = 0, 2, (3, 4, 5)
_ASSIGNS = (postgast.pg_query_pb2.Token.COLON_EQUALS, postgast.pg_query_pb2.Token.ASCII_61)
_LETTER = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class DoCheck(Change):
    """One DO block; an exception that it raises is a failure, a warning is told."""

    kind: ClassVar[str] = "check"
    is_check: ClassVar[bool] = True

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> DoCheck | None:
        if statement.node_kind != "do_stmt":
            return None
        node: Any = statement.node
        given = {d.def_elem.defname: d.def_elem.arg.string.sval for d in node.args}
        if given.get("language", "plpgsql") != "plpgsql" or not only_looks(given["as"]):
            return None
        return cls(statement)

    @property
    def object(self) -> str:
        return self.label

    @property
    def title(self) -> str:
        """What the comment before it says; without one, where it stands."""
        lines = [line.strip("-/* \t") for c in self.written.comments for line in c.splitlines()]
        # a comment below a ruler is the block's own; what stands above it is a heading
        own: list[str] = []
        for line in lines:
            own = [*own, line] if _LETTER.search(line) else own if not line else []
        told = own or [line for line in lines if _LETTER.search(line)]
        return told[0] if told else f"line {self.written.line} of migrate.sql"

    def resolve(self, names: Names) -> DoCheck:  # noqa: ARG002
        return self

    def resolved_sql(self) -> str:
        return self.written.sql

    def state(self, db: Database) -> Observation:  # noqa: ARG002
        return Observation(State.UNKNOWN, "looked at when its turn comes, and again by verify")

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:  # noqa: ARG002
        return Observation(State.ABSENT, "it only looked")

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return [Look(Statement(self.written.sql, LockMode.ACCESS_SHARE, ""))]

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:  # noqa: ARG002
        return []

    def verify(self, db: Database) -> list[Check]:
        """Look once more, in a read-only transaction that is rolled back."""
        db.notices.clear()
        failure = ""
        try:
            with db.transaction(read_only=True, rollback=True, statement_timeout=_LIMIT):
                db.execute(self.written.sql)
        except errors.StatementFailed as e:
            failure = e.message
        warnings = [n.removeprefix("WARNING: ") for n in db.notices if n.startswith("WARNING: ")]
        told = [n for n in db.notices if not n.startswith("WARNING: ")]
        db.notices.clear()
        return [
            Check(
                f"check: {self.label}",
                self.title,
                Verdict.FAILED if failure or warnings else Verdict.PASSED,
                claimed="raises nothing",
                measured="; ".join([failure, *warnings] if failure else warnings) or "raises nothing",
                gates=bool(failure) or not warnings,
                detail="; ".join(told),
            )
        ]

    def lint(self) -> list[str]:
        return ["only looks: run in a read-only transaction, and again by verify"]


def only_looks(body: str) -> bool:
    """Whether a PL/pgSQL block does nothing but look, as far as its text tells.

    >>> only_looks("begin if exists (select 1 from t) then raise 'rows'; end if; end")
    True
    >>> only_looks("begin execute 'drop table t'; end"), only_looks("begin perform tidy_up(); end")
    (False, False)
    """
    tag = "body"
    while f"${tag}$" in body:
        tag += "_"
    try:
        tree = postgast.parse_plpgsql(f"create function f() returns void language plpgsql as ${tag}${body}${tag}$")
        return all(_looks(name, node) for name, node in _nodes(tree))
    except (postgast.PgQueryError, SqlFileError):
        return False


def _nodes(tree: Any) -> Iterator[tuple[str, Any]]:
    """Every named node of the tree that the parser gives as JSON."""
    if isinstance(tree, list):
        for item in tree:
            yield from _nodes(item)
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield name, value
            yield from _nodes(value)


def _looks(name: str, node: Any) -> bool:
    if name == "PLpgSQL_expr":
        return _reads(node["query"], node["parseMode"])
    if name == "PLpgSQL_exception":
        return not _swallows(node)
    if name == "PLpgSQL_stmt_perform":
        return _perform_reads(node["expr"]["PLpgSQL_expr"]["query"])
    if name == "PLpgSQL_stmt_open":
        return "dynquery" not in node
    if name.startswith("PLpgSQL_stmt_"):
        return name.removeprefix("PLpgSQL_stmt_") in _LOOKING
    return True


def _reads(text: str, mode: int) -> bool:
    """Whether a query or an expression only reads, and calls nothing that has an effect."""
    if mode == _EXPRESSION:
        text = f"select {text}"
    elif mode in _ASSIGNMENTS:
        text = _as_query(text)
    elif mode != _RAW:
        return False
    statements = sqlfile.split(text)
    if len(statements) != 1 or sqlfile.writes(statements[0]):
        return False
    calls: list[Any] = [call for name, call in sqlfile.walk(statements[0].node) if name == "func_call"]
    return not any(call.funcname[-1].string.sval.startswith(_EFFECTS) for call in calls)


def _as_query(assignment: str) -> str:
    """`a[i] := b` as `select a[i], b`."""
    depth, raw = 0, assignment.encode()
    for token in postgast.scan(assignment).tokens:
        word = raw[token.start : token.end]
        depth += (word in (b"[", b"(")) - (word in (b"]", b")"))
        if depth == 0 and token.token in _ASSIGNS:
            return f"select {raw[: token.start].decode()}, {raw[token.end :].decode()}"
    return assignment


def _perform_reads(query: str) -> bool:
    """A PERFORM without FROM is there for what a function does."""
    node: Any = sqlfile.split(query)[0].node
    return bool(node.from_clause) or not any(name == "func_call" for name, _ in sqlfile.walk(node))


def _swallows(handler: Any) -> bool:
    """Whether a handler hides that the server refused a write: it catches that, and does not raise again."""
    conditions = [c["PLpgSQL_condition"]["condname"] for c in handler["conditions"]]
    if not any(_catches_refusal(c) for c in conditions):
        return False
    actions: Iterable[Any] = handler.get("action", [])
    raises = [a.get("PLpgSQL_stmt_raise") for a in actions]
    return not raises or None in raises or raises[-1].get("elog_level") != _ERROR


def _catches_refusal(condition: str) -> bool:
    named = ("others", "read_only_sql_transaction", "invalid_transaction_state")
    return condition in named or condition.startswith("25")
