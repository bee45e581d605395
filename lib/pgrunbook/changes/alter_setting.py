"""ALTER … SET and RESET of settings: storage parameters of relations, statistics, storage and options of columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast
from psycopg.sql import Literal

from pgrunbook import sqlfile
from pgrunbook.changes._base import Change, LockMode, Names, Phase, Statement, one_transaction
from pgrunbook.changes._columns import AlterColumn, Column, columns
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
_KINDS = {
    _PB.OBJECT_TABLE: ("table", "rpmvifI"),  # the server takes it for all of them
    _PB.OBJECT_INDEX: ("index", "iI"),
    _PB.OBJECT_MATVIEW: ("materialized view", "m"),
    _PB.OBJECT_VIEW: ("view", "v"),
}
_OF_RELATION = {_PB.AT_SetRelOptions, _PB.AT_ResetRelOptions}
_OF_COLUMN = {_PB.AT_SetOptions, _PB.AT_ResetOptions}
_STATISTICS, _STORAGE, _COMPRESSION = "statistics", "storage", "compression"
_ONE = {_PB.AT_SetStatistics: _STATISTICS, _PB.AT_SetStorage: _STORAGE, _PB.AT_SetCompression: _COMPRESSION}
_LARGEST_TARGET = 10000
# those that the server changes under ACCESS EXCLUSIVE; the rest take SHARE UPDATE EXCLUSIVE
_STRONG = {
    "user_catalog_table", "security_barrier", "security_invoker", "check_option", "fastupdate", "buffering",
    "gin_pending_list_limit", "pages_per_range", "autosummarize", _STORAGE, _COMPRESSION,
}  # fmt: skip
_YES, _NO = {"on", "true", "yes"}, {"off", "false", "no"}
_WITH_SETTINGS = ("create_index", "create_view", "create_materialized_view")
_DEFAULTS = {_STATISTICS: "-1", _COMPRESSION: "default"}


@dataclass(frozen=True, slots=True)
class _Options:
    options: list[str]


@dataclass(frozen=True, slots=True)
class AlterSetting(AlterColumn):
    """One command that sets or resets settings of a relation, or of one of its columns."""

    kind: ClassVar[str] = "alter_setting"

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AlterSetting | None:
        node: Any = statement.node
        if statement.node_kind != "alter_table_stmt" or node.objtype not in _KINDS or len(node.cmds) != 1:
            return None
        subtype = node.cmds[0].alter_table_cmd.subtype
        if subtype not in {*_OF_RELATION, *_OF_COLUMN, *_ONE} or node.relation.catalogname:
            return None
        return cls(statement, schema=node.relation.schemaname)

    @property
    def _word(self) -> str:
        return _KINDS[self._node.objtype][0]

    @property
    def _of_column(self) -> bool:
        return self._command.subtype not in _OF_RELATION

    @property
    def _column_named(self) -> str:
        """The column as ALTER names it: an index's by its number."""
        return quoted(self.column) if self.column else str(self._command.num)

    @property
    def label(self) -> str:
        return f"statement_{self.written.position}"

    @property
    def object(self) -> str:
        return f"{self.relation}.{self._column_named}" if self._of_column else self.relation

    @property
    def subject(self) -> str:
        return f"settings {', '.join(sorted(self._wanted))} of {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        if self._of_column and self.column:
            return (f"column {self.object}",)
        return (f"relation {self.relation}", f"index {self.relation}")

    @property
    def _wanted(self) -> dict[str, str | None]:
        """The settings by name, as the server keeps them; None is the default."""
        command = self._command
        given = getattr(command, "def")
        match _ONE.get(command.subtype):
            case "statistics":
                target = given.integer.ival if given.WhichOneof("node") == "integer" else -1
                return {_STATISTICS: str(min(target, _LARGEST_TARGET))}
            case "storage" | "compression" as name:
                return {name: str(given.string.sval).lower()}
        resets = command.subtype in (_PB.AT_ResetRelOptions, _PB.AT_ResetOptions)
        options = [item.def_elem for item in given.list.items]
        return {".".join(filter(None, (o.defnamespace, o.defname))): None if resets else value_of(o) for o in options}

    def takes_away(self, other: Change) -> bool:
        if isinstance(other, AlterSetting):
            return other.object == self.object and bool(self._wanted.keys() & other._wanted.keys())
        if self._of_column:
            return _COMPRESSION in self._wanted and AlterColumn.takes_away(self, other)
        return other.kind in _WITH_SETTINGS and other.object == self.relation

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> AlterSetting:
        found = names.relation(self.schema, self.table, self.written, _KINDS[self._node.objtype][1])
        return replace(self, schema=found.schema)

    def resolved_sql(self) -> str:
        def qualify(node: Any) -> None:
            node.relation.schemaname = self.schema
            node.missing_ok = False

        return sqlfile.rewritten(self.written.sql, qualify)

    # -- state ---------------------------------------------------------------------------------------------

    def now(self, db: Database) -> str | None:
        found = self._found(db)
        return None if found is None else _shown(found[0][1])

    def _apart(self, db: Database) -> list[str]:
        found = self._found(db) or []
        return [relation for relation, settings in found if settings != found[0][1]]

    def planned(self, db: Database) -> str | None:
        wanted = dict(self._wanted)
        if wanted.get(_STORAGE) == "default":
            found = columns(db, self.relation, self.column)
            wanted[_STORAGE] = found[0].storage if found and found[0].usual_storage else "the usual one of its type"
        return _shown(wanted)

    def capture(self, db: Database) -> dict[str, Any]:
        return {"before": self.now(db), "settings": [list(one) for one in self._found(db) or []]}

    def _found(self, db: Database) -> list[tuple[str, dict[str, str | None]]] | None:
        """What there is now, by relation, those that inherit the column after the first; None where it is not there."""
        if not self._of_column:
            options = db.one("relation_options", _Options, relation=self.relation)
            return None if options is None else [(self.relation, self._of(options.options))]
        found = columns(db, self.relation, self.column, self._command.num)
        return [(c.relation, self._of_one(c)) for c in found] or None

    def _of_one(self, column: Column) -> dict[str, str | None]:
        match _ONE.get(self._command.subtype):
            case "statistics":
                return {_STATISTICS: str(column.statistics)}
            case "storage":
                return {_STORAGE: column.storage}
            case "compression":
                return {_COMPRESSION: column.compression}
        return self._of(column.options)

    def _of(self, options: Iterable[str]) -> dict[str, str | None]:
        held = {name: value for name, _, value in (o.partition("=") for o in options)}
        return {name: held.get(name) for name in self._wanted}

    # -- phases --------------------------------------------------------------------------------------------

    @property
    def _lock(self) -> LockMode:
        strong = _STRONG.intersection(self._wanted)
        return LockMode.ACCESS_EXCLUSIVE if strong else LockMode.SHARE_UPDATE_EXCLUSIVE

    def apply(self, seen: Any) -> list[Phase]:  # noqa: ARG002
        return one_transaction(Statement(self.resolved_sql(), self._lock, self.relation))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        before = captured.get("settings") or [[self.relation, _DEFAULTS | dict.fromkeys(self._wanted)]]
        only = " only" if self._word == "table" and len(before) > 1 else ""
        return one_transaction(
            *(
                Statement(f"alter {self._word}{only} {relation} {command}", self._lock, relation)
                for relation, settings in before
                for command in self._back(settings)
            )
        )

    def _back(self, settings: Mapping[str, str | None]) -> list[str]:
        column = f"alter column {self._column_named} " if self._of_column else ""
        if one := _ONE.get(self._command.subtype):
            return [f"{column}set {one} {settings.get(one) or _DEFAULTS.get(one, 'extended')}"]
        given = [f"{_name(n)} = {Literal(v).as_string().strip()}" for n, v in settings.items() if v is not None]
        lacking = [_name(n) for n in self._wanted if settings.get(n) is None]
        made = [f"{column}set ({', '.join(given)})"] if given else []
        return made + ([f"{column}reset ({', '.join(lacking)})"] if lacking else [])

    def lint(self) -> list[str]:
        if self._lock is LockMode.ACCESS_EXCLUSIVE:
            return [f"takes ACCESS EXCLUSIVE on {self.relation}, briefly: no row is touched"]
        return ["takes SHARE UPDATE EXCLUSIVE: nobody who reads or writes waits"]


def _name(name: str) -> str:
    return ".".join(quoted(part) for part in name.split("."))


def value_of(option: Any) -> str:
    """An option's value as the server keeps it, which is what was written."""
    node = option.arg
    match node.WhichOneof("node"):
        case None:
            return "true"
        case "integer":
            return str(node.integer.ival)
        case "float":
            return str(node.float.fval)
        case "boolean":
            return "true" if node.boolean.boolval else "false"
        case "type_name":
            return ".".join(str(n.string.sval) for n in node.type_name.names)
        case _:
            return str(node.string.sval)


def _shown(settings: Mapping[str, str | None]) -> str:
    """Settings as text, equal where they mean the same."""
    return json.dumps({name: plain(value) for name, value in sorted(settings.items())}, ensure_ascii=False)


def plain(value: str | None) -> str | float | bool | None:
    if value is None or value.lower() in _YES | _NO:
        return None if value is None else value.lower() in _YES
    try:
        return float(value)
    except ValueError:
        return value
