"""Where the keys of a TOML text stand, on texts that a search for `key =` would misread."""

from __future__ import annotations

import textwrap
import tomllib
from typing import Any

import pytest

from conftest import REPOSITORY
from pgrunbook import tomlfile

TRICKY = textwrap.dedent('''\
    title = "a = b"  # [not.a.table] = """
    text = """
    title = "not a key"
    [not.a.table]
    """
    literal = \'\'\'
    [[claims]]
    it's here: """ \'\'\'
    list = [
      "a", # one ]
      [1, 2],
      { id = "x", says = "]" }, { id = "y" },
    ]
    dotted.inner . "key = 1" = 1
    "quoted.key" = 2
    \'single "q"\' = 3
    "a\\tb" = 4

    [objects."t.c"] # a comment with [[claims]]
    on_rollback = "keep"
    [ objects . "other]" ]
    concurrently = false

    [[claims]]
    id = "first"
    [[claims]]
    id = "second"
    checks = [
      "one",
      "two"
    ]
    [claims.inner]
    deep = 1
    [[claims.many]]
    id = 1
    [[claims.many]]
    id = 2
    [[claims]]
    id = "third"
''')
PLACES = {
    ("title",): 1,
    ("text",): 2,
    ("literal",): 6,
    ("list",): 9,
    ("list", 0): 10,
    ("list", 1, 1): 11,
    ("list", 2, "says"): 12,
    ("list", 3, "id"): 12,
    ("dotted",): 14,
    ("dotted", "inner", "key = 1"): 14,
    ("quoted.key",): 15,
    ('single "q"',): 16,
    ("a\tb",): 17,
    ("objects",): 19,
    ("objects", "t.c"): 19,
    ("objects", "t.c", "on_rollback"): 20,
    ("objects", "other]", "concurrently"): 22,
    ("claims",): 24,
    ("claims", 0): 24,
    ("claims", 0, "id"): 25,
    ("claims", 1, "checks", 1): 30,
    ("claims", 1, "inner", "deep"): 33,
    ("claims", 1, "many", 1, "id"): 37,
    ("claims", 2, "id"): 39,
}


@pytest.mark.parametrize("path", PLACES, ids=str)
def test_lines_of_a_tricky_text__finds_every_key(path: tuple[str | int, ...]) -> None:
    """Strings, comments, arrays, inline tables, arrays of tables, dotted and quoted keys."""
    tomllib.loads(TRICKY)
    assert tomlfile.Lines(TRICKY).of(path) == PLACES[path]


def test_lines_of_a_key_that_is_missing__is_that_of_the_table_around_it() -> None:
    """A claim that lacks a key is told at the claim; with nothing around it, on line 1."""
    lines = tomlfile.Lines(TRICKY)
    assert lines.of(("claims", 2, "metric")) == 38
    assert lines.of(("limits", "rollback_s")) == 1
    assert lines.of(()) == 1


def test_lines_of_a_multi_line_string__begin_below_its_quotes() -> None:
    """The newline after the opening quotes is no part of the text."""
    lines = tomlfile.Lines('a = """\nselect 1"""\nb = """select 1\n"""\nc = "x"\nd = 1\n[e]\nf = \'\'\'\r\nx\'\'\'')
    assert [lines.of_text((k,)) for k in "abcd"] == [2, 3, 5, 6]
    assert lines.of_text(("e", "f")) == 9


@pytest.mark.parametrize(
    "text", ["a = ", "[a", "[[a]", "= 1", "a = [1,", 'a = """x', "a = {b = ", "]\n]", "a = 'x\nb = 1", "\0"]
)
def test_lines_of_what_is_no_toml__end_and_raise_nothing(text: str) -> None:
    """tomllib has told the mistake by then."""
    assert tomlfile.Lines(text).of(("a", "b")) == 1


@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("runbooks/*/runbook.toml")), ids=lambda p: p.parent.name)
def test_lines_of_a_shipped_runbook__knows_all_its_keys(path: Any) -> None:
    """Each key of each table is found on a line that holds it."""
    text = path.read_text(encoding="utf-8")
    lines, rows = tomlfile.Lines(text), text.splitlines()
    checked = 0
    for kind, tables in tomllib.loads(text).items():
        for number, table in enumerate(tables if isinstance(tables, list) else ()):
            for key in table if isinstance(table, dict) else ():
                assert rows[lines.of((kind, number, key)) - 1].startswith(key)
                checked += 1
    assert checked


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = \n", 2), ("a = 1\na = 2", 2), ("a = 1\nb = [\n1,\n", 3)])
def test_error_line__is_the_line_of_the_mistake(text: str, line: int) -> None:
    """tomllib names it, or says that the document ended."""
    with pytest.raises(tomllib.TOMLDecodeError) as e:
        tomllib.loads(text)
    assert tomlfile.error_line(e.value, text) == line
