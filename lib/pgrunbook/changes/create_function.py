"""CREATE FUNCTION and CREATE PROCEDURE; one that is replaced comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _types
from pgrunbook.changes._base import (
    Change,
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    State,
    Statement,
    one_transaction,
    quoted,
)
from pgrunbook.changes._definitions import FUNCTION
from pgrunbook.changes._functions import Type, find_type, spelled, type_text
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._remade import OrReplace, held_by, lost_by_drop, no_way_back, replaceable, way_back
from pgrunbook.changes._scratch import scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2
_NO_ARGUMENTS = (_PB.FUNC_PARAM_OUT, _PB.FUNC_PARAM_TABLE)
_OF_GRAMMAR = ("bit", "bpchar", "float4", "float8", "int2", "int4", "int8", "interval", "numeric", "time", "timestamp",
               "timestamptz", "timetz", "varbit", "varchar")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Function:
    definition: str
    owner: str
    owns: bool


@dataclass(frozen=True, slots=True)
class CreateFunction(OrReplace):
    """One CREATE [OR REPLACE] FUNCTION or PROCEDURE.

    `guarded`: the same migration sets who may execute it. `held` is what depends on the function.
    """

    kind: ClassVar[str] = "create_function"

    guarded: bool = False
    held: tuple[str, ...] = ()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateFunction | None:
        node: Any = statement.node
        if statement.node_kind != "create_function_stmt" or len(node.funcname) > 2:
            return None
        options = {o.def_elem.defname: o.def_elem.arg for o in node.options}
        language = options["language"].string.sval.lower() if "language" in options else "sql"
        if language in ("c", "internal") or "window" in options or node.funcname[0].string.sval == "pg_temp":
            return None
        if any(p.function_parameter.arg_type.pct_type for p in node.parameters):
            return None
        return cls(statement)

    @property
    def schema(self) -> str:
        name = self._node.funcname
        return str(name[0].string.sval) if len(name) > 1 else ""

    @property
    def name(self) -> str:
        return str(self._node.funcname[-1].string.sval)

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return f"{quoted(self.schema, self.name)}({','.join(map(spelled, _arguments(self._node)))})"

    @property
    def subject(self) -> str:
        return f"function {self.object}"

    @property
    def together(self) -> str:
        return f"function {self.object}"

    @property
    def creates_in(self) -> str:
        return self.schema

    @property
    def idents(self) -> tuple[str, ...]:
        return (f"function {self.object}",)

    @property
    def _word(self) -> str:
        return "procedure" if self._node.is_procedure else "function"

    def resolve(self, names: Names) -> CreateFunction:
        schema = self.schema or names.creation_schema
        if not schema:
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql makes {self.name} in no schema: none of search_path exists",
                remedy="check the runbook's search_path and the target",
            )

        def qualify(node: Any) -> None:
            del node.funcname[:]
            for part in (schema, self.name):
                node.funcname.add().string.sval = part
            for type_name in _arguments(node):
                self._qualify_type(type_name, names)

        found = CreateFunction(part_of(self.written, qualify), self.options)
        oid = names.db.value("select pg_catalog.to_regprocedure($1)::oid::int8", [found.object])
        return replace(found, held=held_by(names, FUNCTION, oid if self.replaces else None))

    def follow(self, names: Names) -> None:
        names.functions.append(self.object)

    def followed_by(self, later: Sequence[Change]) -> Change:
        known = Change.followed_by(self, later)
        guarded = any(c.together == self.together and c.subject != self.subject for c in later)
        return replace(self, later=known.later, guarded=guarded)

    def resolved_sql(self) -> str:
        return self.written.sql

    def now(self, db: Database) -> str | None:
        found = _found(db, self.object)
        return found.definition if found else None

    def planned(self, db: Database) -> str | None:
        with scratch(db, self):
            self._make_on_scratch(db)
            return self._read_back(db)

    def _state(self, db: Database) -> Observation:
        seen, now = Defined._state(self, db), _found(db, self.object)
        if seen.state is not State.ABSENT or now is None:
            return seen
        if not now.owns:
            return Observation(
                State.DIFFERENT, f"planned: to replace it as {db.user}; found: it belongs to {now.owner}, who alone may"
            )
        if reason := replaceable(db, self, lambda: self._replace_on_scratch(db, now.definition)):
            return Observation(State.DIFFERENT, f"planned: to replace it; found: {now.definition}, and {reason}")
        return no_way_back(db, self, self.held, now.definition, lambda: self._back(db, now.definition)) or seen

    def capture(self, db: Database) -> dict[str, Any]:
        before = self.now(db)
        if not before or not self.replaces:
            return {"before": None}  # what stands there is dropped by an earlier change

        back = replaceable(db, self, lambda: self._back(db, before))
        lost = lost_by_drop(db, self, function=self.object) if back else []
        return {"before": before, "lost": lost}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.written.sql, LockMode.NONE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        drop = f"drop {self._word} {self.object}"
        texts = way_back(drop, captured.get("before"), captured.get("lost", []))
        return one_transaction(*(Statement(text, LockMode.NONE, "") for text in texts))

    def lint(self) -> list[str]:
        options = [o.def_elem for o in self._node.options]
        if not any(o.defname == "security" and o.arg.boolean.boolval for o in options):
            return []
        notes = []
        settings = [o.arg.variable_set_stmt for o in options if o.defname == "set"]
        if not any(s.name == "search_path" and s.kind != _PB.VAR_SET_DEFAULT for s in settings):
            notes.append(
                "SECURITY DEFINER without a fixed search_path: a caller can put objects of his own in the way of those "
                "that it names, and they are used with its owner's rights; add set search_path = '' and qualify names"
            )
        if not self.guarded:
            notes.append(
                "SECURITY DEFINER, and everybody may execute a new function: the migration says nothing of who may; "
                f"add revoke execute on {self._word} {self.object} from public, and grant it to those who need it"
            )
        return notes

    def _qualify_type(self, type_name: Any, names: Names) -> None:
        """Write a type as one that is found whatever the search_path. Raises `PreflightFailed` where there is none."""
        written = type_text(type_name)
        found = names.db.one("type_name", Type, name=written)
        if found is None and (made := find_type(names, *_types.name_of(n.string.sval for n in type_name.names))):
            found = replace(made, is_array=bool(type_name.array_bounds))
        if found is None:
            raise errors.PreflightFailed(
                f"type {written} does not exist on {names.db.target.name} (line {self.written.line} of migrate.sql)",
                remedy="check the runbook's search_path and the target",
            )
        own = found.schema == "pg_catalog"
        schema = [] if own and found.name not in _OF_GRAMMAR else [found.schema]
        for field in (type_name.names, type_name.typmods, type_name.array_bounds):
            del field[:]
        type_name.typemod = -1
        for part in (*schema, found.name):
            type_name.names.add().string.sval = part
        if found.is_array:
            type_name.array_bounds.add().integer.ival = -1

    def _make_on_scratch(self, db: Database) -> None:
        """Make the function in pg_temp; its body may name what is not there yet: the catalog only keeps it."""

        def in_temp(node: Any) -> None:
            node.funcname[0].string.sval = "pg_temp"

        db.value("select pg_catalog.set_config('check_function_bodies', 'off', true)")
        db.execute(sqlfile.rewritten(self.written.sql, in_temp))

    def _replace_on_scratch(self, db: Database, old: str) -> None:
        db.value("select pg_catalog.set_config('check_function_bodies', 'off', true)")
        db.execute(self._on_scratch(old))
        self._make_on_scratch(db)

    def _back(self, db: Database, old: str) -> None:
        self._make_on_scratch(db)
        db.execute(self._on_scratch(old))

    def _on_scratch(self, definition: str) -> str:
        return _renamed(definition, quoted(self.schema, self.name), quoted("pg_temp", self.name))

    def _read_back(self, db: Database) -> str | None:
        """The definition of the function in pg_temp, as if it were in its schema."""
        signature = self.object.removeprefix(quoted(self.schema))
        found = _found(db, f"pg_temp{signature}")
        if found is None:
            return None
        temporary = str(
            db.value("select nspname from pg_catalog.pg_namespace where oid = pg_catalog.pg_my_temp_schema()")
        )
        definition = found.definition
        for schema in ("pg_temp", temporary):  # newer servers write the first
            definition = _renamed(definition, quoted(schema, self.name), quoted(self.schema, self.name))
        return definition


def _found(db: Database, name: str) -> _Function | None:
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("function", _Function, name=name)


def _renamed(definition: str, old: str, new: str) -> str:
    """A function's definition under another name, which stands but once, before its arguments."""
    for head in ("CREATE OR REPLACE FUNCTION ", "CREATE OR REPLACE PROCEDURE "):
        if definition.startswith(f"{head}{old}("):
            return f"{head}{new}{definition.removeprefix(head + old)}"
    return definition


def _arguments(node: Any) -> list[Any]:
    """The types of the arguments by which a function is known: none that only goes out."""
    parameters = [p.function_parameter for p in node.parameters]
    return [p.arg_type for p in parameters if p.mode not in _NO_ARGUMENTS]
