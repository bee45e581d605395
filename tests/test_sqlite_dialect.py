"""PostgreSQL's CREATE INDEX in SQLite's words, and statements compared whatever their spelling."""

from __future__ import annotations

import doctest
import sqlite3

import postgast
import pytest

from pgrunbook.sqlite import db, dialect, measure, text

COLUMNS = {c.lower(): c for c in ("a", "b", "flag", "Email", "created_at")}
TABLE = 'create table t (a, b, flag, "Email", created_at)'


def translated(statement: str) -> dialect.Translated:
    """A statement as it is built on SQLite."""
    return dialect.translated(postgast.parse(statement).stmts[0].stmt.index_stmt, "t", COLUMNS)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("create index i on t using hash (a)", "CREATE INDEX i ON t (a)"),
        ("create unique index concurrently i on s.t (a desc, b)", "CREATE UNIQUE INDEX i ON t (a DESC, b)"),
        ('create index "I" on t ("Email")', 'CREATE INDEX "I" ON t ("Email")'),
        ("create index i on t (email, lower(email))", 'CREATE INDEX i ON t ("Email", lower("Email"))'),
        ("create index i on t ((a + 1), (b || 'x'))", "CREATE INDEX i ON t ((a + 1), (b || 'x'))"),
        ("create index i on t (a) where a is not null", "CREATE INDEX i ON t (a) WHERE a IS NOT NULL"),
        (
            "create index i on t (a) where flag = 'it''s' and (b > 1.5 or not (b in (-1, 2)))",
            "CREATE INDEX i ON t (a) WHERE flag = 'it''s' AND (b > 1.5 OR NOT (b IN (-1, 2)))",
        ),
        (
            "create index i on t (a) where flag::text <> 'x'::varchar and b is not true and created_at is null",
            "CREATE INDEX i ON t (a) WHERE flag <> 'x' AND b IS NOT TRUE AND created_at IS NULL",
        ),
        ("create index i on t (a) where flag and b = false", "CREATE INDEX i ON t (a) WHERE flag AND b = FALSE"),
        ('create index i on t (a collate "C", b text_pattern_ops)', "CREATE INDEX i ON t (a, b)"),
        ("create index i on t (a) include (b) with (fillfactor = 70) tablespace x", "CREATE INDEX i ON t (a)"),
    ],
)
def test_an_index__is_what_sqlite_makes_of_it(written: str, expected: str) -> None:
    """And SQLite takes it."""
    found = translated(written)
    assert found.sql == expected
    connection = sqlite3.connect(":memory:")
    connection.execute(TABLE)
    connection.execute(found.sql)
    connection.close()


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ("create index i on t using hash (a)", "B-tree takes its place"),
        ("create index i on t (a nulls last)", "NULL is less than any value"),
        ("create index i on t (a) include (b)", "INCLUDE (b) is left out"),
        ("create index i on t (a text_pattern_ops)", "text_pattern_ops is left out"),
        ('create index i on t (a collate "de_DE")', "collation de_DE is left out"),
        ("create index i on t (lower(email))", "the letters A to Z alone"),
    ],
)
def test_what_is_left_out__is_said(written: str, note: str) -> None:
    """Nothing is dropped without a word."""
    assert any(note in said for said in translated(written).notes)
    assert not translated("create index i on t (a desc nulls last, b nulls first)").notes


@pytest.mark.parametrize(
    "written",
    [
        "create index i on t using gist (a)",
        "create unique index i on t (a) nulls not distinct",
        'create unique index i on t (a collate "de_DE")',
        "create index i on t (a) where flag like 'x%'",
        "create index i on t (a) where created_at > now()",
        "create index i on t (a) where created_at > '2025-01-01'::timestamp",
        "create index i on t (a) where a = any (array[1, 2])",
        "create index i on t ((a / b))",
        "create index i on t (md5(a))",
        "create index i on t (a gin_trgm_ops)",
        "create index i on t (missing)",
    ],
)
def test_what_would_mean_another_thing__is_not_taken(written: str) -> None:
    """Never a wrong index: what both databases do not compute alike is for the runbook to say."""
    with pytest.raises(dialect.NotTaken):
        translated(written)


@pytest.mark.parametrize("module", [db, text, measure])
def test_examples_in_the_text__hold(module: object) -> None:
    """What the docstrings show."""
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("create index i on t (a) where (a > 1)", 'CREATE INDEX "x" on [t] ( `A` ) -- c\n WHERE a>1', True),
        ("create index i on t (a) where a != 'X'", "create index i on t (a) where a <> 'X'", True),
        ("create index i on t (a) where a != 'X'", "create index i on t (a) where a != 'x'", False),
        ("create index i on t (a)", "create index i on t (a) where a > 1", False),
        ("create index i on t (a, b)", "create index i on t (b, a)", False),
    ],
)
def test_parts_of_an_index__are_alike_where_the_spelling_alone_differs(one: str, other: str, same: bool) -> None:
    """Spaces, case, quotes and comments are no difference; a text's case is."""
    assert (text.parts_of_index(one) == text.parts_of_index(other)) is same
