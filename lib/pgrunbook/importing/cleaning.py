"""What of a migration's files goes into a runbook: its statements as they are, without the settings of a session.

What psql alone understands, and what would mean another thing in a runbook's session, is refused with file and line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import postgast

from pgrunbook import blocks, changes, errors, sqlfile
from pgrunbook.changes.raw_sql import unfit_for_replay
from pgrunbook.evidence.redact import scrub
from pgrunbook.importing import no_secrets
from pgrunbook.importing.sources import Source, Text
from pgrunbook.sqlfile import SqlFileError, SqlStatement, quoted

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
_BOOKKEEPING = "alembic_version"
_COPY = (
    "COPY … FROM stdin is followed by data, which is not SQL: write it as INSERT, or load it by a program of its own"
)
_META = "psql meta-commands are not SQL ({}): what it does has to be done without it, or the line left out"
# pg_dump's fence around its SQL, since August 2025: it keeps psql from running meta-commands out of a crafted name
_FENCE = re.compile(r"^(\\(?:un)?restrict) [A-Za-z0-9]+[ \t]*(?=\r?$)", re.MULTILINE)
_FENCE_OUT = "it guards psql, which does not read this"
_FENCES = 20  # as many are looked at in a file; one of pg_dump's has two
_WITH_SECRETS = ("\\c", "\\connect", "\\set", "\\setenv", "\\password")
_QUOTED = 60
_IN_TOML = "the runbook's search_path is in runbook.toml"
_OWN = "pgrunbook has a session of its own, and sets this itself"
_END_OF_LINE = re.compile(rb"[ \t]*\r?\n")
_LINES = re.compile(r"\r\n|\r|\n")
_LEFT_STEPS = 60  # semicolons looked at before a mistake, to find the COPY whose data it is in


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands in the source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A statement, or a line for psql, that is not in the runbook, and why. `start` counts the file's bytes."""

    place: Place
    kind: str
    start: int
    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement of the runbook, with its line and position in the file that is written."""

    place: Place
    statement: SqlStatement


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The files as one text, and what became of each statement.

    `kept` are its statements but BEGIN and COMMIT. `anchors` are pairs of a line of the text and its place in the
    source, in order.
    """

    text: str
    kept: tuple[Kept, ...]
    left_out: tuple[LeftOut, ...]
    search_path: tuple[str, ...]
    anchors: tuple[tuple[int, Place], ...]

    def place(self, line: int) -> Place | None:
        """Where a line of the text comes from."""
        before = bisect_right(self.anchors, line, key=lambda anchor: anchor[0])
        if not before:
            return None
        first, place = self.anchors[before - 1]
        return Place(place.file, place.line + line - first)


class _Output:
    """A text as it grows, and where its lines come from."""

    def __init__(self, head: str) -> None:
        self.parts = [head]
        self.anchors: list[tuple[int, Place]] = []
        self._line = 1 + head.count("\n")
        self._ends_line = not head or head.endswith("\n")

    def add(self, text: str, place: Place | None = None) -> None:
        if not text:
            return
        if place:
            self.anchors.append((self._line, place))
        self.parts.append(text)
        self._line += text.count("\n")
        self._ends_line = text.endswith("\n")

    def end_line(self) -> None:
        if not self._ends_line:
            self.add("\n")


@dataclass(slots=True)
class _Path:
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


def cleaned(texts: Sequence[Text], source: Source, *, head: str = "", bookkeeping: str = "") -> Cleaned:
    """The texts as one file, below `head`. Raises `WrongUsage` with everything that has no place in a runbook.

    `bookkeeping` is why what Alembic writes for itself is left out; empty where it is not looked for.
    """
    cleaner = _Cleaner(source, head, bookkeeping)
    for text in texts:
        cleaner.take(text)
    if cleaner.wrong:
        raise errors.WrongUsage(
            "\n".join(cleaner.wrong), remedy="mend the lines above, in a copy of the file, and try again"
        )
    out, path = cleaner.out, cleaner.path
    return Cleaned(
        "".join(out.parts),
        tuple(cleaner.kept),
        tuple(cleaner.left_out),
        path.needed or source.search_path,
        tuple(out.anchors),
    )


class _Cleaner:
    """One pass over a source's files."""

    def __init__(self, source: Source, head: str, bookkeeping: str) -> None:
        self._wrong: list[tuple[int, int, str]] = []
        self._files = 0
        self._given = ""
        self.out = _Output(head)
        self.kept: list[Kept] = []
        self.left_out: list[LeftOut] = []
        self.path = _Path(source.search_path, source.search_path)
        self._why_bookkeeping = bookkeeping
        self._position = self._blocks = 0
        self._bookkeeping: set[str] = set()

    @property
    def wrong(self) -> list[str]:
        """What has no place in a runbook, in the order of the source."""
        return [line for _, _, line in sorted(self._wrong)]

    def _refuse(self, place: Place, why: str) -> None:
        self._wrong.append((self._files, place.line, f"{self._given}:{place.line}: {why}"))

    def take(self, text: Text) -> None:
        self._files, self._given = self._files + 1, text.given
        text, fences = _without_fences(text)
        try:
            every = sqlfile.split(text.sql)
        except SqlFileError as e:
            self._wrong.append((self._files, 0, _unread(text, e)))
            return
        self.left_out += fences
        inside, misplaced = blocks.found(every)
        for one in misplaced:
            self._refuse(Place(text.name, one.line), one.text)
        for secret_at, why in no_secrets.told(text.sql, every):
            self._refuse(Place(text.name, secret_at), why)
        block = {s.position: s.block for s in inside}
        if self._why_bookkeeping:
            self._bookkeeping = {_BOOKKEEPING, *filter(None, map(_versioned, every))}
        raw, done, line = text.sql.encode(), 0, 1
        self.out.end_line()
        self.out.add(f"-- from {' '.join(text.name.split())}\n")
        self.path.forget()  # each file has a session of its own
        for statement in every:
            place = Place(text.name, statement.line)
            why = self._why_out(statement, place)
            if not why:
                self._keep(statement, place, block.get(statement.position, 0))
                continue
            self.left_out.append(LeftOut(place, statement.node_kind, statement.start, why))
            self.out.add(raw[done : statement.start].decode(), Place(text.name, line))
            self.out.end_line()
            self.out.add(_commented(raw[statement.start : statement.end].decode(), why))
            rest = _END_OF_LINE.match(raw, statement.end)
            done = rest.end() if rest else statement.end
            line = statement.line + raw.count(b"\n", statement.start, done)
        last = every[-1] if every else None
        if last and last.end > done and raw[last.end - 1 : last.end] != b";":
            self.out.add(raw[done : last.end].decode() + ";", Place(text.name, line))
            line, done = line + raw.count(b"\n", done, last.end), last.end
        self.out.add(raw[done:].decode(), Place(text.name, line))
        self.out.end_line()
        self._blocks += max(block.values(), default=0)

    def _keep(self, statement: SqlStatement, place: Place, block: int) -> None:
        self._position += 1
        if statement.node_kind == "transaction_stmt":
            self.path.commit()
            return
        if (unfit := unfit_for_replay(statement)) and _is_raw(statement):
            what = statement.node_kind.removesuffix("_stmt").replace("_", " ").upper()
            self._refuse(place, f"this {what} {unfit}: do it by hand")
        if _needs_path(statement) and (problem := self.path.need(place)):
            self._refuse(place, problem)
        number = self._blocks + block if block else 0
        self.kept.append(Kept(place, replace(statement, position=self._position, block=number)))

    def _why_out(self, statement: SqlStatement, place: Place) -> str:
        """Why a statement is left out; what is refused is told."""
        why, refused = _fate(statement, self.path)
        if refused:
            self._refuse(place, refused)
        if self._bookkeeping and _table_of(statement) in self._bookkeeping:
            return self._why_bookkeeping
        return why or refused


def _without_fences(text: Text) -> tuple[Text, list[LeftOut]]:
    """A text whose lines `\\restrict KEY` and `\\unrestrict KEY` are comments, unless they are part of something."""
    sql, after, found = text.sql, 0, []
    for _ in range(_FENCES):
        match = _FENCE.search(sql, after)
        if not match:
            break
        after = match.end()
        before = sql[: match.start()]
        try:
            sqlfile.split(before)
        except SqlFileError:  # a text or a body begins before it
            continue
        place = Place(text.name, 1 + before.count("\n"))
        found.append(LeftOut(place, match[1], len(before.encode()), _FENCE_OUT))
        comment = f"-- left out, {_FENCE_OUT}: {match[1]}"
        sql, after = before + comment + sql[match.end() :], match.start() + len(comment)
    return replace(text, sql=sql), found


def _commented(sql: str, why: str) -> str:
    return f"-- left out, {why}:\n" + "".join(f"-- {line}".rstrip() + "\n" for line in _LINES.split(sql))


def _words(path: Sequence[str]) -> str:
    return ", ".join(quoted(s) for s in path)


# -- what becomes of a statement ---------------------------------------------------------------------------------


def _fate(statement: SqlStatement, path: _Path) -> tuple[str, str]:
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
            return "", _COPY if node.is_from and not node.filename else "COPY has no place in a runbook: leave it out"
        case "select_stmt":
            return _set_config(node, path)
    return "", ""


def _setting(node: Any, path: _Path) -> tuple[str, str]:
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


def _set_config(node: Any, path: _Path) -> tuple[str, str]:
    """`select set_config('name', 'value', …)`, as pg_dump writes it."""
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


def _versioned(statement: SqlStatement) -> str:
    """The table that a statement writes a revision into; empty for another statement."""
    node: Any = statement.node
    columns = {
        "insert_stmt": lambda: [c.res_target.name for c in node.cols],
        "update_stmt": lambda: [c.res_target.name for c in node.target_list],
    }.get(statement.node_kind, list)()
    return _table_of(statement) if columns == ["version_num"] else ""


def _table_of(statement: SqlStatement) -> str:
    """The table that a statement makes, drops or writes into."""
    node: Any = statement.node
    match statement.node_kind:
        case "create_stmt" | "insert_stmt" | "update_stmt" | "delete_stmt":
            return str(node.relation.relname)
        case "drop_stmt" if len(node.objects) == 1 and node.objects[0].HasField("list"):
            return str(node.objects[0].list.items[-1].string.sval)
    return ""


def _is_raw(statement: SqlStatement) -> bool:
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


def _needs_path(statement: SqlStatement) -> bool:
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


# -- what can't be read ------------------------------------------------------------------------------------------


def _unread(text: Text, error: SqlFileError) -> str:
    """One line on a file that can't be parsed: what psql alone understands is named as such."""
    found = error.__context__
    if isinstance(found, postgast.PgQueryError):
        try:  # the scanner may have failed far behind what the grammar stops at
            postgast.parse(text.sql)
        except postgast.PgQueryError as e:
            found = e
        at = max(found.cursorpos - 1, 0)
        if copied := _copy_before(text, at):
            return f"{copied}: {_COPY}"
        if _meta_command(text.sql, at):
            line = text.sql[text.sql.rfind("\n", 0, at) + 1 :].partition("\n")[0].strip()
            return f"{Place(text.given, 1 + text.sql.count(chr(10), 0, at))}: {_META.format(_quoted(line))}"
    return f"{Place(text.given, error.line)}: {error}"


def _quoted(line: str) -> str:
    """A line that somebody has to find; of a command that may have a password with it, the command."""
    shown = line[max(line.find("\\"), 0) :]
    command, *others = shown.split()
    return f"{command} …" if others and command in _WITH_SECRETS else scrub(shown)[:_QUOTED]


def _meta_command(sql: str, at: int) -> bool:
    line = sql.rfind("\n", 0, at) + 1
    return sql.startswith("\\", at) or sql[line:].lstrip().startswith("\\")


def _copy_before(text: Text, at: int) -> Place | None:
    """The COPY … FROM stdin whose data a mistake stands in."""
    end = at
    for _ in range(_LEFT_STEPS):
        end = text.sql.rfind(";", 0, end)
        if end < 0:
            return None
        try:
            before = sqlfile.split(text.sql[: end + 1])
        except SqlFileError:
            continue
        node: Any = before[-1].node if before else None
        if node is None or before[-1].node_kind != "copy_stmt" or not node.is_from or node.filename:
            return None
        return Place(text.given, before[-1].line)
    return None
