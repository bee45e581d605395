"""What becomes of a statement of a source: kept, left out with the reason, or refused; its search_path on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import changes, sqlfile
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_SETS = (_PB.VAR_SET_VALUE, _PB.VAR_SET_CURRENT)
_FORGETS = (_PB.VAR_RESET, _PB.VAR_RESET_ALL, _PB.VAR_SET_DEFAULT)
# How long, how fast and how loud: nothing that a statement leaves behind depends on them.
_OF_THE_SESSION = (
    "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout",
    "transaction_timeout", "deadlock_timeout", "client_min_messages", "maintenance_work_mem", "work_mem",
    "autovacuum_work_mem", "temp_buffers", "max_parallel_maintenance_workers", "max_parallel_workers",
    "max_parallel_workers_per_gather", "parallel_tuple_cost", "parallel_setup_cost", "synchronous_commit",
    "commit_delay", "application_name", "escape_string_warning", "extra_float_digits", "bytea_output", "jit",
    "row_security", "client_connection_check_interval", "effective_cache_size", "random_page_cost",
    "seq_page_cost", "lc_messages", "maintenance_io_concurrency", "effective_io_concurrency", "vacuum_cost_delay",
    "vacuum_cost_limit", "quote_all_identifiers",
)  # fmt: skip
_PREFIXES = ("log_", "enable_", "debug_", "auto_explain.", "tcp_", "geqo", "plpgsql.extra_", "wal_sender")
# What is left out only if it says what a session has by itself.
_USUAL: dict[str, tuple[str, ...]] = {
    "client_encoding": ("utf8", "utf-8", "unicode"),
    "standard_conforming_strings": ("on", "true", "yes", "1"),
    "backslash_quote": ("safe_encoding",),
    "default_tablespace": ("",),
    "temp_tablespaces": ("",),
    "default_table_access_method": ("heap",),
    "default_with_oids": ("false", "off"),
    "default_transaction_isolation": ("read committed",),
    "default_transaction_read_only": ("off", "false"),
    "xmloption": ("content",),
    "array_nulls": ("on", "true"),
    "transform_null_equals": ("off", "false"),
    "intervalstyle": ("postgres",),
    "session_replication_role": ("origin",),
    "default_toast_compression": ("pglz",),
}
_WHO = ("role", "session_authorization")
BOOKKEEPING = "alembic_version"
_IN_TOML = "the runbook's search_path is in runbook.toml"
_OWN = "pgrunbook has a session of its own, and sets this itself"
COPY = "COPY … FROM stdin is followed by data, which is not SQL: write it as INSERT, or load it by a program of its own"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands in the source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class Path:
    """The search_path of a source's files: one for all statements that need it."""

    usual: tuple[str, ...]
    now: tuple[str, ...]
    after_block: tuple[str, ...] | None = None
    needed: tuple[str, ...] = ()
    needed_at: Place | None = None

    def set(self, path: Sequence[str], *, is_local: bool = False) -> None:
        if is_local and self.after_block is None:
            self.after_block = self.now
        self.now = tuple(path)

    def forget(self) -> None:
        self.now, self.after_block = self.usual, None

    def commit(self) -> None:
        if self.after_block is not None:
            self.now, self.after_block = self.after_block, None

    def need(self, place: Place) -> str:
        """What is wrong where a statement needs the path as it is now; empty for nothing."""
        if not self.now:  # under an empty one all names are whole
            return ""
        if self.needed_at is None:
            self.needed, self.needed_at = self.now, place
        if self.now == self.needed:
            return ""
        other, self.now = self.now, self.needed  # told once
        return (
            f"needs search_path {_words(other)}, and {self.needed_at} needs {_words(self.needed)}: a runbook has one "
            "search_path; make a runbook of each, or write the schemas"
        )


def _words(path: Sequence[str]) -> str:
    return ", ".join(quoted(s) for s in path)


def of(statement: SqlStatement, path: Path) -> tuple[str, str]:
    """Why a statement is left out, and why it is refused; both empty where it is kept."""
    node: Any = statement.node
    match statement.node_kind:
        case "variable_set_stmt":
            return _setting(node, path)
        case "variable_show_stmt":
            return "SHOW changes nothing", ""
        case "discard_stmt":
            path.forget()
            return _OWN, ""
        case "copy_stmt":
            return "", COPY if node.is_from and not node.filename else "COPY has no place in a runbook: leave it out"
        case "select_stmt":
            return _select(node, path)
    return "", ""


def _setting(node: Any, path: Path) -> tuple[str, str]:
    name = str(node.name).lower()
    forgets = node.kind in _FORGETS
    if name == "search_path" or node.kind == _PB.VAR_RESET_ALL:
        if forgets:
            path.forget()
        else:
            path.set([v for v in _values(node) if v], is_local=node.is_local)
        return _IN_TOML, ""
    if name in _WHO:
        if forgets or _values(node) == ["none"]:
            return "the runbook is run by the target's role", ""
        remedy = "leave it out, and run the runbook as that role"
        return "", f"SET {name.upper().replace('_', ' ')} changes who runs what follows, which a target does: {remedy}"
    if forgets:
        return _OWN, ""
    if node.kind == _PB.VAR_SET_MULTI:
        return "", "of transactions a runbook knows BEGIN and COMMIT only: leave it out"
    return _named(name, _values(node))


def _named(name: str, values: Sequence[str]) -> tuple[str, str]:
    """What becomes of a setting by its name."""
    value = ", ".join(values)
    if name == "check_function_bodies":
        off = value.lower() in ("off", "false", "no", "0")
        return ("functions are checked as they are made: what a body names has to be there" if off else _OWN), ""
    if name in _OF_THE_SESSION or name.startswith(_PREFIXES) or value.lower() in _USUAL.get(name, ()):
        return _OWN, ""
    if name == "datestyle" and value.lower().startswith("iso") and "dmy" not in value.lower():
        return _OWN, ""
    what = f"SET {name} to {value or 'nothing'}"
    return "", f"{what} may change what the statements after it mean, and a runbook's session has its own: leave it out"


def _values(node: Any) -> list[str]:
    """The values of a SET; a schema's name as it is."""
    found = []
    for arg in node.args:
        const = (arg.type_cast.arg if arg.HasField("type_cast") else arg).a_const
        text = const.fval.fval or const.sval.sval
        if const.HasField("ival") or const.HasField("boolval"):
            text = str(const.ival.ival) if const.HasField("ival") else str(const.boolval.boolval).lower()
        found.append(str(text))
    return found


def _select(node: Any, path: Path) -> tuple[str, str]:
    """`select set_config('name', 'value', …)`, as pg_dump writes it; and what only says something."""
    if (
        node.target_list
        and not node.from_clause
        and all(t.res_target.val.HasField("a_const") for t in node.target_list)
    ):
        return "SELECT of a constant changes nothing", ""  # goose writes one into each new file
    if len(node.target_list) != 1 or node.from_clause:
        return "", ""
    call = node.target_list[0].res_target.val.func_call
    if not call.funcname or call.funcname[-1].string.sval != "set_config" or len(call.args) != 3:
        return "", ""
    name, value = (str(a.a_const.sval.sval) for a in call.args[:2])
    if name.lower() == "search_path":
        parts = [part.strip() for part in value.split(",")]
        path.set([p.strip('"') if p.startswith('"') else p.lower() for p in parts if p])
        return _IN_TOML, ""
    return _named(name.lower(), [value])


def versioned(statement: SqlStatement) -> str:
    """The table that a statement writes a revision into; empty for another statement."""
    node: Any = statement.node
    columns = {
        "insert_stmt": lambda: [c.res_target.name for c in node.cols],
        "update_stmt": lambda: [c.res_target.name for c in node.target_list],
    }.get(statement.node_kind, list)()
    return table_of(statement) if columns == ["version_num"] else ""


def table_of(statement: SqlStatement) -> str:
    """The table that a statement makes, drops or writes into."""
    node: Any = statement.node
    match statement.node_kind:
        case "create_stmt" | "insert_stmt" | "update_stmt" | "delete_stmt":
            return str(node.relation.relname)
        case "drop_stmt" if len(node.objects) == 1 and node.objects[0].HasField("list"):
            return str(node.objects[0].list.items[-1].string.sval)
    return ""


def is_raw(statement: SqlStatement) -> bool:
    return all(isinstance(c, changes.RawSql) for c in changes.typed(statement, {}, {}))


_WITHOUT_SCHEMA = (_PB.OBJECT_SCHEMA, _PB.OBJECT_DATABASE, _PB.OBJECT_EXTENSION, _PB.OBJECT_ROLE)
# What has no schema, or none that the search_path decides.
_ANYWHERE = {
    "create_schema_stmt", "create_role_stmt", "alter_role_stmt", "grant_role_stmt", "drop_role_stmt",
    "create_extension_stmt", "notify_stmt", "create_event_trig_stmt", "create_foreign_server_stmt", "create_fdw_stmt",
    "create_user_mapping_stmt",
}  # fmt: skip
_WRITING = ("insert_stmt", "update_stmt", "delete_stmt")
_NAMED_BY_LIST = ("funcname", "type_name", "defnames", "domainname", "func_name", "coll_name", "opfamilyname")


def needs_path(statement: SqlStatement) -> bool:
    """Whether an unqualified name in a statement is looked for in the search_path; also where that can't be seen."""
    if statement.node_kind in _ANYWHERE:
        return False
    node: Any = statement.node
    if statement.node_kind in ("do_stmt", "create_function_stmt", "call_stmt"):
        return True
    if statement.node_kind in ("grant_stmt", "comment_stmt") and node.objtype in _WITHOUT_SCHEMA:
        return False
    if statement.node_kind in _WRITING and not node.relation.schemaname:  # its rows may be many
        return True
    relations: list[Any] = [m for _, m in sqlfile.walk(node) if m.DESCRIPTOR.name == "RangeVar"]
    if any(not r.schemaname for r in relations):
        return True
    fields = node.DESCRIPTOR.fields_by_name
    lists = [getattr(node, n) for n in _NAMED_BY_LIST if n in fields and fields[n].is_repeated]
    if any(len(names) == 1 for names in lists):
        return True
    if statement.node_kind == "drop_stmt":
        return any(len(o.list.items) == 1 for o in node.objects if o.HasField("list"))
    return not relations and not any(lists)
