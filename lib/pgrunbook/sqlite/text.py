"""SQLite's SQL as text: names quoted where they have to be, and statements compared whatever their spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# https://sqlite.org/lang_keywords.html
_KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "abort action add after all alter always analyze and as asc attach autoincrement before begin between by "
        "cascade case cast check collate column commit conflict constraint create cross current current_date "
        "current_time current_timestamp database default deferrable deferred delete desc detach distinct do drop "
        "each else end escape except exclude exclusive exists explain fail filter first following for foreign "
        "from full generated glob group groups having if ignore immediate in index indexed initially inner insert "
        "instead intersect into is isnull join key last left like limit match materialized natural no not nothing "
        "notnull null nulls of offset on or order others outer over partition plan pragma preceding primary query "
        "raise range recursive references regexp reindex release rename replace restrict returning right rollback "
        "row rows savepoint select set table temp temporary then ties to transaction trigger unbounded union "
        "unique update using vacuum values view virtual when where window with without ",
    )
)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
      | (?P<string>[xX]?'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^\W\d][\w$]*)
      | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<operator>\|\||<>|!=|==|<=|>=|<<|>>|->>|->|.)""",
    re.S | re.X,
)
_SAME = {"<>": "!=", "==": "="}


def quoted(name: str) -> str:
    """A name, quoted where SQLite asks for it.

    >>> quoted("idx_a"), quoted("order"), quoted('A"b')
    ('idx_a', '"order"', '"A""b"')
    """
    if _PLAIN.fullmatch(name) and name not in _KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def folded(name: str) -> str:
    """A name as SQLite compares it: A to Z are as a to z, other letters are themselves.

    >>> folded("IDX_Ü")
    'idx_Ü'
    """
    return "".join(c.lower() if c.isascii() else c for c in name)


def literal(text: str) -> str:
    """A text as a literal; SQLite knows no escapes in one.

    >>> print(literal("it's"))
    'it''s'
    """
    return "'" + text.replace("'", "''") + "'"


def tokens(sql: str) -> tuple[str, ...]:
    """The words of a statement, alike where spaces, comments, case, quotes and the spelling of operators differ.

    >>> tokens('WHERE "A" <> 1 -- no') == tokens("where a!=1")
    True
    """
    return tuple(_tokens(sql))


def _tokens(sql: str) -> Iterator[str]:
    for found in _TOKEN.finditer(sql):
        text = found[0]
        match found.lastgroup:
            case "space":
                continue
            case "name" if text[0] in '"`[':
                closing = {"[": "]"}.get(text[0], text[0])
                yield folded(text[1:-1].replace(closing * 2, closing))
            case "string":
                yield text
            case _:
                yield _SAME.get(text, folded(text))


def without_schema(sql: str, schemas: Sequence[str]) -> str:
    """A query without the schemas that PostgreSQL's names begin with: a SQLite file has none.

    >>> without_schema("select a.x from public.t a where b = 'public.t'", ["public"])
    "select a.x from t a where b = 'public.t'"
    """
    pieces = list(_TOKEN.finditer(sql))
    out, skip = [], 0
    wanted = {s.lower() for s in schemas}
    for number, piece in enumerate(pieces):
        if skip:
            skip -= 1
            continue
        after = pieces[number + 1][0] if number + 1 < len(pieces) else ""
        before = pieces[number - 1][0] if number else ""
        if piece.lastgroup == "name" and piece[0].strip('"').lower() in wanted and after == "." and before != ".":
            skip = 1
        else:
            out.append(piece[0])
    return "".join(out)


def parts_of_index(sql: str) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """The indexed terms of a CREATE INDEX, each as words, and the words of its predicate.

    >>> parts_of_index("create index i on t (lower(a) desc, b) where (b > 1)")
    ((('lower', '(', 'a', ')', 'desc'), ('b',)), ('b', '>', '1'))
    """
    words = tokens(sql)
    begin = next((n for n, w in enumerate(words) if w == "("), len(words))
    terms: list[tuple[str, ...]] = []
    depth, term = 0, list[str]()
    at = begin
    for at in range(begin, len(words)):
        word = words[at]
        depth += (word == "(") - (word == ")")
        if depth == 0 or (depth == 1 and word == ","):
            terms.append(tuple(term))
            term = []
            if depth == 0:
                break
        elif not (depth == 1 and word == "(" and at == begin):
            term.append(word)
    rest = words[at + 1 :]
    return tuple(terms), _bare(rest[1:]) if rest[:1] == ("where",) else ()


def _bare(words: tuple[str, ...]) -> tuple[str, ...]:
    """A condition without parentheses around the whole of it."""
    while words[:1] == ("(",) and _closes_at(words) == len(words) - 1:
        words = words[1:-1]
    return words


def _closes_at(words: Sequence[str]) -> int:
    depth = 0
    for at, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return at
    return -1
