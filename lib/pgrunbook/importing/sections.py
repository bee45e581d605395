"""Files that hold a migration and, below it, its way back: as goose, dbmate, sql-migrate and others write them."""

from __future__ import annotations

import re
from itertools import pairwise

import postgast

from pgrunbook import sqlfile
from pgrunbook.sqlfile import SqlFileError

_COMMENT = postgast.pg_query_pb2.SQL_COMMENT
# goose, sql-migrate, micrate; dbmate; rambler; node-pg-migrate; the bare words; tern
_MARK = re.compile(
    r"^[ \t]*(?P<comment>-{2,}[ \t]*(?:"
    r"(?:\+(?:goose|migrate|micrate)[ \t]+|migrate:|rambler[ \t]+)(?P<tool>up|down)\b"
    r"|(?P<heading>up|down)[ \t]+migration\b"
    r"|(?P<word>up|down)[ \t]*-*[ \t]*\r?$"
    r"|(?P<below>create above / drop below)))",
    re.IGNORECASE | re.MULTILINE,
)


def halves(sql: str) -> tuple[str, str]:
    """What is carried out and what takes it back, each with the lines of the other empty; all and nothing if unmarked.

    >>> halves("-- +goose Up\\ncreate table t ();\\n-- +goose Down\\ndrop table t;")
    ('-- +goose Up\\ncreate table t ();\\n\\n', '\\n\\n-- +goose Down\\ndrop table t;')
    """
    marks = [m for m in _MARK.finditer(sql) if m["comment"]]
    if not any(_is_down(m) for m in marks):
        return sql, ""
    comments = _comments(sql)
    real = [m for m in marks if comments is None or len(sql[: m.start("comment")].encode()) in comments]
    up, down, to_down = "", "", False
    for begin, end in pairwise([0, *(m.start() for m in real), len(sql)]):
        if begin and (mark := next(m for m in real if m.start() == begin)):
            to_down = _is_down(mark)
        part, empty = sql[begin:end], "\n" * sql.count("\n", begin, end)
        up, down = (up + empty, down + part) if to_down else (up + part, down + empty)
    return (up, down) if _holds_statements(down) else (sql, "")


def _is_down(mark: re.Match[str]) -> bool:
    word = mark["tool"] or mark["heading"] or mark["word"] or ""
    return bool(mark["below"]) or word.lower() == "down"


def _comments(sql: str) -> set[int] | None:
    """Where comments begin, in bytes; None where that can't be told."""
    try:
        return {t.start for t in postgast.scan(sql).tokens if t.token == _COMMENT}
    except postgast.PgQueryError:
        return None


def _holds_statements(sql: str) -> bool:
    try:
        return bool(sqlfile.split(sql))
    except SqlFileError:  # told with its line by who reads it
        return True
