"""Functions, procedures and types by the names that a statement gives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes._names import Names
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

# how PostgreSQL writes its own types where the grammar has a word for them; the rest go by their names
_WORDS = {
    "bit": "bit", "bool": "boolean", "bpchar": "character", "char": '"char"', "float4": "real",
    "float8": "double precision",
    "int2": "smallint", "int4": "integer", "int8": "bigint", "interval": "interval",
    "json": "json", "numeric": "numeric", "time": "time without time zone",
    "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone", "varbit": "bit varying", "varchar": "character varying",
}  # fmt: skip
# the kinds of relations (pg_class.relkind) whose rows have a type of their name
_WITH_ROWS = "rpvmfc"
_OUT = postgast.pg_query_pb2.FUNC_PARAM_OUT


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's name and the types of its arguments; `types` is None where a statement leaves them out."""

    schema: str
    name: str
    types: tuple[str, ...] | None

    def __str__(self) -> str:
        return quoted(self.schema, self.name) + ("" if self.types is None else f"({','.join(self.types)})")


@dataclass(frozen=True, slots=True)
class Type:
    """A type by its resolved name."""

    schema: str
    name: str
    is_array: bool


@dataclass(frozen=True, slots=True)
class _Found:
    oid: int
    schema: str
    name: str
    types: list[str]


def signature_of(node: Any) -> Signature | None:
    """The signature that an ObjectWithArgs names; None for one that can't be looked up by its types."""
    names = [n.string.sval for n in node.objname]
    types = [a.type_name for a in node.objargs]
    has_out = any(p.function_parameter.mode == _OUT for p in node.objfuncargs)
    if len(names) > 2 or has_out or any(t.pct_type or t.setof for t in types):
        return None
    schema = names[0] if len(names) == 2 else ""
    return Signature(schema, names[-1], None if node.args_unspecified else tuple(map(spelled, types)))


def type_text(node: Any) -> str:
    """A TypeName as SQL.

    >>> type_text(postgast.parse('select null::s."T"[]').stmts[0].stmt.select_stmt.target_list[0]
    ...     .res_target.val.type_cast.type_name)
    's."T"[]'
    """
    query = postgast.parse("select null::int")
    query.stmts[0].stmt.select_stmt.target_list[0].res_target.val.type_cast.type_name.CopyFrom(node)
    return sqlfile.deparsed(query).partition("::")[2]


def spelled(type_name: Any) -> str:
    """A resolved type in the spelling of regprocedure."""
    names = [n.string.sval for n in type_name.names]
    own = len(names) == 1 or names[0] == "pg_catalog"
    name = _WORDS.get(names[-1], quoted(names[-1])) if own else quoted(*names)
    return name + "[]" * bool(type_name.array_bounds)


def read(text: str) -> Signature | None:
    """A signature from its text.

    >>> read("public.f(integer, text[])")
    Signature(schema='public', name='f', types=('integer', 'text[]'))
    """
    node: Any = sqlfile.split(f"drop function {text}")[0].node
    return signature_of(node.objects[0].object_with_args)


def resolved(names: Names, wanted: Signature, written: SqlStatement) -> Signature:
    """The signature as the catalog spells it, or as an earlier change of the migration makes it.

    Raises `PreflightFailed` where there is none, or more than one.
    """
    found = _lookup(names.db, wanted)
    if len(found) == 1:
        return Signature(found[0].schema, found[0].name, _as_the_server_does(names, found[0].types))
    every = dict.fromkeys(names.functions)  # one that a later line renames is foretold, and made
    made = [s for text in every if (s := read(text)) and _fits(names, wanted, s)]
    if not found and len(made) == 1:
        return Signature(made[0].schema, made[0].name, _as_the_server_does(names, made[0].types or ()))
    what = "is not unique" if found or made else "does not exist"
    raise errors.PreflightFailed(
        f"function {wanted} {what} on {names.db.target.name} (line {written.line} of migrate.sql)",
        remedy="give its argument types" if found or made else "check the runbook's search_path and the target",
    )


def find_type(names: Names, schema: str, name: str) -> Type | None:
    """The type of a name as it will be once the changes resolved so far are done; None for none."""
    found = names.db.one("type_name", Type, name=quoted(schema, name))
    if found and names.there.get(f"type {quoted(found.schema, found.name)}", True):
        return found
    made = (s for s in ([schema] if schema else names._wanted_path) if names.there.get(f"type {quoted(s, name)}"))
    relation = names.find(schema, name)
    rows = (r.schema for r in [relation] if r and not r.oid and r.kind in _WITH_ROWS)
    return next((Type(s, name, is_array=False) for s in (*made, *rows)), None)


def type_named(names: Names, wanted: Signature, written: SqlStatement) -> Type:
    """As `find_type`. Raises `PreflightFailed` where there is none."""
    found = find_type(names, wanted.schema, wanted.name)
    if found is None:
        raise errors.PreflightFailed(
            f"type {wanted} does not exist on {names.db.target.name} (line {written.line} of migrate.sql)",
            remedy="check the runbook's search_path and the target",
        )
    return found


def oid_of(db: Database, signature: Signature) -> int | None:
    """The function's oid; None where it is not there."""
    found = _lookup(db, signature)
    return found[0].oid if len(found) == 1 else None


def _lookup(db: Database, wanted: Signature) -> list[_Found]:
    types = None if wanted.types is None else list(wanted.types)
    return db.fetch("functions_named", _Found, schema=wanted.schema, name=wanted.name, types=types)


def _fits(names: Names, wanted: Signature, made: Signature) -> bool:
    """Whether a function that is to be made is the one that is wanted."""
    if made.name != wanted.name or wanted.schema not in ("", made.schema):
        return False
    if wanted.types is None:
        return True
    return _as_the_server_does(names, wanted.types) == _as_the_server_does(names, made.types or ())


def _as_the_server_does(names: Names, types: Iterable[str]) -> tuple[str, ...]:
    """Types as the server spells them; one that it does not know yet as it will."""
    db, given = names.db, list(types)
    oids = [db.value("select pg_catalog.to_regtype($1)::oid::int8", [t]) for t in given]
    with db.transaction(rollback=True, search_path="pg_catalog"):
        known = {o: str(db.value("select format_type($1, null)", [o])) for o in oids if o is not None}
    return tuple(_new_type(names, t) if oid is None else known[oid] for t, oid in zip(given, oids, strict=True))


def _new_type(names: Names, text: str) -> str:
    """A type that the migration makes, with its schema."""
    node: Any = sqlfile.split(f"select null::{text}")[0].node
    type_name = node.target_list[0].res_target.val.type_cast.type_name
    *before, name = [n.string.sval for n in type_name.names]
    found = find_type(names, (before or [""])[-1], name)
    return quoted(found.schema, found.name) + "[]" * bool(type_name.array_bounds) if found else text
