"""SQL files as PostgreSQL's own grammar sees them: statements with their lines, front matter, psql variables.

Parsing is libpg_query's (through postgast), never a regular expression's. psql variables (`:'org'`, `:org`)
become `$1`, `$2`, …, so that a file runs in psql as it is and with bound values here.
"""

from __future__ import annotations

import functools
import re
import tomllib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import postgast
from google.protobuf.message import DecodeError

from pgrunbook import nesting, tomlfile

if TYPE_CHECKING:
    from google.protobuf.message import Message

_FRONT_OPENS, _FRONT_CLOSES = "/*---", "---*/"
_PB = postgast.pg_query_pb2
_TOKEN, _KEYWORD = _PB.Token, _PB.KeywordKind
_ENDS_WORD = re.compile(rb"[\w$)\]\"'\x80-\xff]")
_PARAM = int(_TOKEN.PARAM)  # as a number: looking an enum's member up costs more than all the rest of a token
_COMMENTS = (int(_TOKEN.SQL_COMMENT), int(_TOKEN.C_COMMENT))
_NAMED_BARE = ("function_parameter", "named_arg_expr", "stats_elem", "over", "window_def")
_RELATIONS = (_PB.OBJECT_TABLE, _PB.OBJECT_INDEX, _PB.OBJECT_VIEW, _PB.OBJECT_MATVIEW, _PB.OBJECT_SEQUENCE)
_WRITING_NODES = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "locking_clause", "into_clause")


class SqlFileError(ValueError):
    """A file that can't be read as SQL; `line` is 1-based."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class SqlStatement:
    """One statement: its text without the comments before it, where it stands, and its parse tree.

    `position` is 1-based within the file, `node` the inner message (an IndexStmt, …), `node_kind` its field
    name in libpg_query ("index_stmt"), `comments` the comment tokens directly before it. `whole` is the author's
    statement, where this is a part of it or stands in its place. `block` counts the BEGIN … COMMIT that it stands in.
    `start` and `end` are its place in the file's bytes, its semicolon included.
    """

    sql: str
    line: int
    position: int
    node_kind: str
    node: Message = field(repr=False)
    comments: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    whole: str = ""
    block: int = 0
    start: int = field(default=0, repr=False, compare=False)
    end: int = field(default=0, repr=False, compare=False)

    @property
    def as_written(self) -> str:
        """The author's text."""
        return self.whole or self.sql


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A file's front matter, the lines its keys stand on, and its statements."""

    path: Path
    front: dict[str, Any]
    front_lines: tomlfile.Lines = field(repr=False, compare=False)
    statements: tuple[SqlStatement, ...]


def read(path: Path, *, variables: bool = False) -> SqlFile:
    """Read a file; `variables` says whether psql variables are allowed. Raises `SqlFileError`."""
    head, body = _front_matter(decoded(path))
    try:
        front = tomllib.loads(head)
    except tomllib.TOMLDecodeError as e:
        raise SqlFileError(f"front matter: {e}", tomlfile.error_line(e, head)) from None
    statements = split(body, first_line=1 + head.count("\n"), variables=variables)
    return SqlFile(path, front, tomlfile.Lines(head), statements)


def decoded(path: Path) -> str:
    """A file's text, which has to be UTF-8; a byte order mark is left out. Raises `SqlFileError`."""
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise SqlFileError(f"is not UTF-8 ({e.reason} at byte {e.start})", 1 + raw.count(b"\n", 0, e.start)) from None


def split(text: str, *, first_line: int = 1, variables: bool = False) -> tuple[SqlStatement, ...]:
    """Split SQL into statements. Raises `SqlFileError` with the line of the mistake.

    >>> [(s.line, s.node_kind, s.parameters) for s in split("select 1;\\nselect :'a', :a", variables=True)]
    [(1, 'select_stmt', ()), (2, 'select_stmt', ('a',))]
    """
    if "\0" in text:  # libpg_query would end there and say nothing
        raise SqlFileError("holds a NUL character", first_line + text.count("\n", 0, text.index("\0")))
    bound, names = text, tuple[str, ...]()
    try:
        scanned = _scanned(text)
        for t in scanned:
            if t.token == _PARAM:
                raise SqlFileError("parameters ($1) have no place here", first_line + _lines_before(text, t.start))
        if nesting.may_chain(len(scanned)) and (deep := nesting.chained_at(scanned)) >= 0:
            raise SqlFileError(nesting.TOO_DEEP, first_line + _lines_before(text, deep))
        if variables:
            bound, names = _bind(text, scanned)
        tree = postgast.parse(bound)
        tokens = _scanned(bound) if names else scanned
    except postgast.PgQueryError as e:
        line = first_line + bound.count("\n", 0, max(e.cursorpos - 1, 0))
        hint = "; psql meta-commands are not SQL" if _meta_command_near(bound, e.cursorpos) else ""
        message = e.message.partition("\n")[0]  # of an open quote it quotes all that follows
        raise SqlFileError(f"{message:.200}{hint}", line) from None
    except DecodeError:
        raise SqlFileError(nesting.TOO_DEEP, first_line + nesting.line_of_deep(bound)) from None
    raw = bound.encode()
    starts = [t.start for t in tokens]
    statements = []
    line, counted, before = first_line, 0, 0
    for position, item in enumerate(tree.stmts, 1):
        end = item.stmt_location + item.stmt_len if item.stmt_len else len(raw)
        # stmt_location is behind the comments, so the search begins where the statement before ended
        inside = tokens[bisect_left(starts, before) : bisect_left(starts, end)]
        before = end
        if item.stmt_len:
            end += 1  # the semicolon
        body = [t for t in inside if t.token not in _COMMENTS and t.start >= item.stmt_location]
        start = body[0].start
        comments = tuple(raw[t.start : t.end].decode() for t in inside if t.token in _COMMENTS and t.start < start)
        kind = item.stmt.WhichOneof("node")
        sql = raw[start : body[-1].end].decode()
        line += raw.count(b"\n", counted, start)
        counted = start
        own: tuple[str, ...] = ()
        if names and any(t.token == _PARAM for t in body):
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
                start=start,
                end=end if item.stmt_len else body[-1].end,
            )
        )
    return tuple(statements)


class _Token(NamedTuple):
    token: int
    start: int
    end: int


def _scanned(text: str) -> list[_Token]:
    """The scanner's tokens as plain tuples: a million messages that are kept cost many times what the parser does."""
    return [_Token(t.token, t.start, t.end) for t in postgast.scan(text).tokens]


def _lines_before(text: str, at: int) -> int:
    return text.encode()[:at].count(b"\n")


def writes(statement: SqlStatement) -> bool:
    """Whether a statement is anything but a plain read.

    >>> [writes(s) for s in split("select 1; with x as (delete from t returning 1) select * from x; vacuum")]
    [False, True, True]
    """
    if statement.node_kind != "select_stmt":
        return True
    return any(name in _WRITING_NODES for name, _ in walk(statement.node))


def schemas(statement: SqlStatement) -> set[str]:
    """The schemas that a statement names relations of.

    >>> [schemas(s) for s in split('create index on app.t (a); drop index "B b".i, j')]
    [{'app'}, {'B b'}]
    """
    named = {str(node.schemaname) for _, node in walk(statement.node) if node.DESCRIPTOR.name == "RangeVar"}  # type: ignore[attr-defined]
    if statement.node_kind == "drop_stmt" and statement.node.remove_type in _RELATIONS:  # type: ignore[attr-defined]
        lists = [item.list.items for item in statement.node.objects]  # type: ignore[attr-defined]
        named |= {str(names[-2].string.sval) for names in lists if len(names) > 1}
    return named - {""}


def rewritten(sql: str, edit: Callable[[Any], None]) -> str:
    """One statement after `edit` changed its inner node, in PostgreSQL's own spelling."""
    tree = postgast.parse(sql)
    item = tree.stmts[0].stmt
    edit(getattr(item, item.WhichOneof("node")))
    return deparsed(tree)


def deparsed(tree: Message) -> str:
    """The SQL of a tree in PostgreSQL's own spelling; the tree is left as it is.

    >>> deparsed(postgast.parse('select f("userId" => 1)'))
    'SELECT f("userId" := 1)'
    """
    spelled = type(tree)()
    spelled.CopyFrom(tree)
    for node, name in _bare_names(spelled):
        setattr(node, name, quoted(getattr(node, name)))
    return str(postgast.deparse(spelled))


def expression(node: Message) -> str:
    """The SQL of an expression.

    >>> expression(split("select a, b+1")[0].node.target_list[1].res_target.val)
    'b + 1'
    """
    query = postgast.parse("select 1")
    query.stmts[0].stmt.select_stmt.target_list[0].res_target.val.CopyFrom(node)
    return deparsed(query).removeprefix("SELECT ")


def _bare_names(tree: Message) -> Iterator[tuple[Any, str]]:
    """Where names stand that the library's deparser does not quote: a node and its field."""
    found: list[tuple[str, Any]] = walk(tree)
    for place, node in found:
        if place in _NAMED_BARE and node.name:
            yield node, "name"
        elif place == "join_using_alias":
            yield node, "aliasname"
        elif place == "fk_del_set_cols":
            yield node.string, "sval"


def renumbered(sql: str, first: int) -> str:
    """One statement with its parameters `$1`, `$2`, … counted from `first`, to stand beside another's.

    >>> renumbered("select $1, $2", 3)
    'select $3, $4'
    """
    raw = sql.encode()
    out, done = [], 0
    for t in postgast.scan(sql).tokens:
        if t.token == _PARAM:
            out.append(raw[done : t.start] + b"$%d" % (int(raw[t.start + 1 : t.end]) + first - 1))
            done = t.end
    return b"".join([*out, raw[done:]]).decode()


def with_literals(sql: str, values: Sequence[str | None]) -> str:
    """One statement with literals in the place of its parameters, for a client that binds nothing.

    A colon is written as an escape: psql and pgbench would take what follows for the name of a variable.

    >>> print(with_literals("select $1, $2", ["it's 12:30", None]))
    select E'it''s 12\\07230', null
    """
    raw = sql.encode()
    out, done = [], 0
    for t in postgast.scan(sql).tokens:
        if t.token == _PARAM:
            out += [raw[done : t.start], _literal(values[int(raw[t.start + 1 : t.end]) - 1]).encode()]
            done = t.end
    return b"".join([*out, raw[done:]]).decode()


def _literal(value: str | None) -> str:
    if value is None:
        return "null"
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace(":", "\\072")
    return f"E'{escaped}'"


def quoted(*names: str) -> str:
    """A dotted name, each part quoted where PostgreSQL's quote_ident would.

    >>> quoted("public", "Calls"), quoted("s", 'a"b'), quoted("", "user"), quoted("x", "value")
    ('public."Calls"', 's."a""b"', '"user"', 'x.value')
    """
    return ".".join(_quoted(n) for n in names if n)


@functools.lru_cache(maxsize=10_000)
def _quoted(name: str) -> str:
    if name.isascii() and name == name.lower() and name.isidentifier():
        kind = postgast.scan(name).tokens[0].keyword_kind
        if kind in (_KEYWORD.NO_KEYWORD, _KEYWORD.UNRESERVED_KEYWORD):
            return name
    return '"' + name.replace('"', '""') + '"'


def walk(node: Message) -> list[tuple[str, Message]]:
    """All nodes below one, each with the name of the field that it stands in."""
    found: list[tuple[str, Message]] = []
    stack: list[Message] = [node]
    while stack:
        for described, value in stack.pop().ListFields():
            children = value if described.is_repeated else [value]
            for child in children if described.message_type else ():
                found.append((described.name, child))
                stack.append(child)
    return found


def _front_matter(text: str) -> tuple[str, str]:
    """The TOML between `/*---` and `---*/` at the top, which begins on line 1, and the SQL."""
    if not text.startswith(_FRONT_OPENS):
        return "", text
    head, closed, body = text[len(_FRONT_OPENS) :].partition(_FRONT_CLOSES)
    if not closed:
        raise SqlFileError(f"the front matter has no closing {_FRONT_CLOSES}", 1)
    return head, body


def _bind(text: str, tokens: list[Any]) -> tuple[str, tuple[str, ...]]:
    """Replace `:'name'` and `:name` (as psql would) by `$n`; returns the text and the names in order of n.

    A colon right behind a word, as in the slice `a[lo:hi]`, is none: `$n` would become a part of that word.
    """
    raw = text.encode()
    names: list[str] = []
    out, done = [], 0
    for colon, value in pairwise(tokens):
        if raw[colon.start : colon.end] != b":" or value.start != colon.end or _ENDS_WORD.match(raw, colon.start - 1):
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


def _own_parameters(raw: bytes, tokens: list[Any], names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Number a statement's parameters from 1, since each statement of a file is sent by itself."""
    own: list[int] = []
    out, done = [], tokens[0].start
    for t in tokens:
        if t.token != _PARAM:
            continue
        number = int(raw[t.start + 1 : t.end])
        if number not in own:
            own.append(number)
        out.append(raw[done : t.start] + f"${own.index(number) + 1}".encode())
        done = t.end
    out.append(raw[done : tokens[-1].end])
    return b"".join(out).decode(), tuple(names[n - 1] for n in own)


def _meta_command_near(text: str, cursor: int) -> bool:
    at = max(cursor - 1, 0)
    start = text.rfind("\n", 0, at) + 1
    return text.startswith("\\", at) or text[start:].lstrip().startswith("\\")
