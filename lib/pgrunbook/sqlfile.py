"""SQL files as PostgreSQL's own grammar sees them: statements with their lines, front matter, psql variables.

Parsing is libpg_query's (through postgast), never a regular expression's. psql variables (`:'org'`, `:org`)
become `$1`, `$2`, …, so that a file runs in psql as it is and with bound values here.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import postgast

if TYPE_CHECKING:
    from google.protobuf.message import Message

_FRONT_OPENS, _FRONT_CLOSES = "/*---", "---*/"
_TOKEN = postgast.pg_query_pb2.Token
_KEYWORD = postgast.pg_query_pb2.KeywordKind
_COMMENTS = (_TOKEN.SQL_COMMENT, _TOKEN.C_COMMENT)
_WRITING_NODES = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "locking_clause", "into_clause")


class SqlFileError(ValueError):
    """A file that can't be read as SQL; `line` is 1-based."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class _Token(NamedTuple):
    start: int
    end: int
    kind: int


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """One statement: its text without the comments before it, where it stands, and its parse tree.

    `position` is 1-based within the file, `node` the inner message (an IndexStmt, …), `node_kind` its field
    name in libpg_query ("index_stmt"), `comments` the comment tokens directly before it.
    """

    sql: str
    line: int
    position: int
    node_kind: str
    node: Message = field(repr=False)
    comments: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A file's front matter and statements."""

    path: Path
    front: dict[str, Any]
    statements: tuple[SqlStatement, ...]


def read(path: Path, *, variables: bool = False) -> SqlFile:
    """Read a file; `variables` says whether psql variables are allowed. Raises `SqlFileError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise SqlFileError(f"is not UTF-8 ({e.reason} at byte {e.start})", 1) from None
    front, body_line, body = _front_matter(text)
    return SqlFile(path, front, split(body, first_line=body_line, variables=variables))


def split(text: str, *, first_line: int = 1, variables: bool = False) -> tuple[SqlStatement, ...]:
    """Split SQL into statements. Raises `SqlFileError` with the line of the mistake.

    >>> [(s.line, s.node_kind, s.parameters) for s in split("select 1;\\nselect :'a', :a", variables=True)]
    [(1, 'select_stmt', ()), (2, 'select_stmt', ('a',))]
    """
    bound, names = _bind(text) if variables else (text, ())
    try:
        tree = postgast.parse(bound)
        tokens = [_Token(t.start, t.end, t.token) for t in postgast.scan(bound).tokens]
    except postgast.PgQueryError as e:
        line = first_line + bound[: max(e.cursorpos - 1, 0)].count("\n")
        hint = "; psql meta-commands are not SQL" if _meta_command_near(bound, e.cursorpos) else ""
        raise SqlFileError(f"{e.message}{hint}", line) from None
    raw = bound.encode()
    starts = [t.start for t in tokens]
    statements = []
    line, counted = first_line, 0
    for position, item in enumerate(tree.stmts, 1):
        end = item.stmt_location + item.stmt_len if item.stmt_len else len(raw)
        inside = tokens[bisect_left(starts, item.stmt_location) : bisect_left(starts, end)]
        body = [t for t in inside if t.kind not in _COMMENTS]
        start = body[0].start
        comments = tuple(raw[t.start : t.end].decode() for t in inside if t.start < start)
        kind = item.stmt.WhichOneof("node")
        sql = raw[start : body[-1].end].decode()
        line += raw.count(b"\n", counted, start)
        counted = start
        own: tuple[str, ...] = ()
        if any(t.kind == _TOKEN.PARAM for t in body):
            if not variables:
                raise SqlFileError("parameters ($1) have no place here", line)
            sql, own = _own_parameters(raw, body, names)
        statements.append(
            SqlStatement(
                sql=sql,
                line=line,
                position=position,
                node_kind=kind,
                node=getattr(item.stmt, kind),
                comments=comments,
                parameters=own,
            )
        )
    return tuple(statements)


def writes(statement: SqlStatement) -> bool:
    """Whether a statement is anything but a plain read.

    >>> [writes(s) for s in split("select 1; with x as (delete from t returning 1) select * from x; vacuum")]
    [False, True, True]
    """
    if statement.node_kind != "select_stmt":
        return True
    return any(name in _WRITING_NODES for name, _ in _walk(statement.node))


def rewritten(sql: str, edit: Callable[[Any], None]) -> str:
    """One statement after `edit` changed its inner node, in PostgreSQL's own spelling."""
    tree = postgast.parse(sql)
    item = tree.stmts[0].stmt
    edit(getattr(item, item.WhichOneof("node")))
    return str(postgast.deparse(tree))


def quoted(*names: str) -> str:
    """A dotted name, each part quoted where PostgreSQL's quote_ident would.

    >>> quoted("public", "Calls"), quoted("s", 'a"b'), quoted("", "user"), quoted("x", "value")
    ('public."Calls"', 's."a""b"', '"user"', 'x.value')
    """
    return ".".join(_quoted(n) for n in names if n)


def _quoted(name: str) -> str:
    if name.isascii() and name == name.lower() and name.isidentifier():
        kind = postgast.scan(name).tokens[0].keyword_kind
        if kind in (_KEYWORD.NO_KEYWORD, _KEYWORD.UNRESERVED_KEYWORD):
            return name
    return '"' + name.replace('"', '""') + '"'


def _walk(node: Message) -> list[tuple[str, Message]]:
    found: list[tuple[str, Message]] = []
    stack: list[Message] = [node]
    while stack:
        for described, value in stack.pop().ListFields():
            children = value if described.is_repeated else [value]
            for child in children if described.message_type else ():
                found.append((described.name, child))
                stack.append(child)
    return found


def _front_matter(text: str) -> tuple[dict[str, Any], int, str]:
    """The TOML between `/*---` and `---*/` at the top, the line the SQL starts on, and the SQL."""
    if not text.startswith(_FRONT_OPENS):
        return {}, 1, text
    head, closed, body = text[len(_FRONT_OPENS) :].partition(_FRONT_CLOSES)
    if not closed:
        raise SqlFileError(f"the front matter has no closing {_FRONT_CLOSES}", 1)
    try:
        front = tomllib.loads(head)
    except tomllib.TOMLDecodeError as e:
        raise SqlFileError(f"front matter: {e}", toml_error_line(e)) from None
    return front, 1 + head.count("\n"), body


def toml_error_line(error: tomllib.TOMLDecodeError) -> int:
    """The line a TOML error names ("… (at line 3, column 5)"), 1 where it names none."""
    _, found, rest = str(error).partition("at line ")
    number = rest.split(",")[0]
    return int(number) if found and number.isdigit() else 1


def _bind(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace `:'name'` and `:name` (as psql would) by `$n`; returns the text and the names in order of n."""
    try:
        tokens = postgast.scan(text).tokens
    except postgast.PgQueryError as e:
        raise SqlFileError(e.message, 1 + text[: max(e.cursorpos - 1, 0)].count("\n")) from None
    raw = text.encode()
    names: list[str] = []
    out, done = [], 0
    for colon, value in zip(tokens, list(tokens)[1:], strict=False):
        if raw[colon.start : colon.end] != b":" or value.start != colon.end:
            continue
        word = raw[value.start : value.end].decode()
        name = word.strip("'") if word.startswith("'") else word
        if not name.isidentifier():
            continue
        if name not in names:
            names.append(name)
        out.append(raw[done : colon.start] + f"${names.index(name) + 1}".encode())
        done = value.end
    return b"".join([*out, raw[done:]]).decode(), tuple(names)


def _own_parameters(raw: bytes, tokens: list[_Token], names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Number a statement's parameters from 1, since each statement of a file is sent by itself."""
    own: list[int] = []
    out, done = [], tokens[0].start
    for t in tokens:
        if t.kind != _TOKEN.PARAM:
            continue
        number = int(raw[t.start + 1 : t.end])
        if number not in own:
            own.append(number)
        out.append(raw[done : t.start] + f"${own.index(number) + 1}".encode())
        done = t.end
    out.append(raw[done : tokens[-1].end])
    return b"".join(out).decode(), tuple(names[n - 1] for n in own)


def _meta_command_near(text: str, cursor: int) -> bool:
    start = text.rfind("\n", 0, max(cursor - 1, 0)) + 1
    return text[start:].lstrip().startswith("\\")
