"""What a SQLite file holds: tables, indexes by what they are, and a fingerprint of it all."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from pgrunbook import errors
from pgrunbook.sqlite.db import File
from pgrunbook.sqlite.text import folded, parts_of_index, quoted, tokens

REHEARSAL = "pgrunbook_rehearsal"
_SETTINGS = ("user_version", "application_id", "encoding", "auto_vacuum")


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `sql` is empty where a constraint stands behind it; `bytes` is None where SQLite does not tell."""

    name: str
    table: str
    sql: str
    unique: bool
    terms: tuple[tuple[str, ...], ...]
    predicate: tuple[str, ...]

    @property
    def definition(self) -> tuple[object, ...]:
        """All by which two indexes differ, but for their names."""
        return (folded(self.table), self.unique, self.terms, self.predicate)

    def covers(self, other: Index) -> bool:
        """Whether it serves for another one as well: the same rows, and its terms begin with the other's."""
        alike = folded(self.table) == folded(other.table) and self.predicate == other.predicate
        return alike and self.terms[: len(other.terms)] == other.terms

    def __str__(self) -> str:
        return self.sql or f"the index of a constraint on {self.table}"


def internal(schema: str) -> tuple[str, ...]:
    """The tables that are ours: ledger and rehearsal."""
    return (f"{schema}_database", f"{schema}_run", f"{schema}_step", REHEARSAL)


def tables(file: File, schema: str) -> list[str]:
    """The names of the file's own tables."""
    ours = internal(schema)
    query = "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by 1"
    return [name for (name,) in file.rows(query) if name not in ours]


def table(file: File, name: str) -> tuple[str, str] | None:
    """A table's name as it is spelled in the file, and its DDL; None where there is no table of that name."""
    found = file.rows("select name, sql from sqlite_master where type = 'table' and name = ? collate nocase", [name])
    return (str(found[0][0]), str(found[0][1])) if found else None


def columns(file: File, table: str) -> dict[str, str]:
    """The columns of a table, by their folded names, as they are spelled."""
    return {folded(str(row[1])): str(row[1]) for row in file.rows(f"pragma table_xinfo({quoted(table)})")}


def index(file: File, name: str) -> Index | None:
    """What is indexed under a name, and how; None where there is no index of that name."""
    query = "select name, tbl_name, sql from sqlite_master where type = 'index' and name = ? collate nocase"
    found = file.rows(query, [name])
    return _index(file, *found[0]) if found else None


def indexes(file: File, schema: str) -> list[Index]:
    """All indexes of the file's own tables."""
    query = "select name, tbl_name, sql from sqlite_master where type = 'index' order by tbl_name, name"
    ours = internal(schema)
    return [_index(file, name, table, sql) for name, table, sql in file.rows(query) if table not in ours]


def _index(file: File, name: str, table: str, sql: str | None) -> Index:
    unique = {str(row[1]): bool(row[2]) for row in file.rows(f"pragma index_list({quoted(table)})")}
    written, predicate = parts_of_index(sql) if sql else ((), ())
    terms = []
    for seqno, cid, column, descending, collation, key in file.rows(f"pragma index_xinfo({quoted(name)})"):
        if key:
            what = written[seqno] if cid == -2 else (folded(str(column)),)  # an expression has no column
            if cid == -2 and what[-1:] in (("asc",), ("desc",)):
                what = what[:-1]
            terms.append((*what, str(collation).lower(), "desc" if descending else "asc"))
    return Index(name, table, sql or "", unique.get(name, False), tuple(terms), predicate)


def in_the_way(file: File, name: str) -> str:
    """What other object bears a name that an index shall have; empty for none."""
    query = "select type || ' ' || name from sqlite_master where type <> 'index' and name = ? collate nocase"
    return str(file.value(query, [name]) or "")


def sizes(file: File) -> dict[str, int]:
    """Bytes of each table and index; empty where this SQLite was built without dbstat, which tells them."""
    try:
        return dict(file.rows("select name, sum(pgsize) from dbstat group by name"))
    except (errors.StatementCancelled, errors.StatementFailed):
        return {}


def used_bytes(file: File) -> int:
    """The bytes of the file that hold something; pages that were given free stay in it until somebody runs VACUUM."""
    pages, free, size = (int(file.value(f"pragma {p}")) for p in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size


def objects(file: File, schema: str) -> dict[str, str]:
    """One hash an object, by "kind ident": what sqlite_master holds, without the ledger, and the file's settings.

    Statistics (sqlite_stat1) are no part of a schema.
    """
    ours = internal(schema)
    query = "select type, name, tbl_name, sql from sqlite_master order by type, name"
    found = {
        f"{kind} {name}": _hash(table, *(tokens(sql) if sql else ()))
        for kind, name, table, sql in file.rows(query)
        if table not in ours and not table.startswith("sqlite_stat")
    }
    found |= {f"setting {name}": _hash(file.value(f"pragma {name}")) for name in _SETTINGS}
    return found


def fingerprint(file: File, schema: str, excluded: Collection[str] = ()) -> dict[str, str]:
    """One hash per kind of object; `excluded` are objects left out, as "kind ident"."""
    kinds: dict[str, list[str]] = {kind: [] for kind in ("index", "setting", "table", "trigger", "view")}
    for ident, digest in objects(file, schema).items():
        if ident not in excluded:
            kinds.setdefault(ident.partition(" ")[0], []).append(f"{ident}={digest}")
    return {kind: _hash(*sorted(of_kind)) for kind, of_kind in sorted(kinds.items())}


def _hash(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()
