"""What statements make, drop and rename, as their text tells it: nothing is looked up, and no body is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.sqlfile import SqlStatement, deparsed, quoted

_PB = postgast.pg_query_pb2
Name = tuple[str, str]  # schema (empty where none is written) and name

_RELATIONS = {
    _PB.OBJECT_TABLE: "table", _PB.OBJECT_VIEW: "view", _PB.OBJECT_MATVIEW: "materialized view",
    _PB.OBJECT_SEQUENCE: "sequence", _PB.OBJECT_INDEX: "index", _PB.OBJECT_FOREIGN_TABLE: "foreign table",
}  # fmt: skip
_LISTED = {
    **_RELATIONS, _PB.OBJECT_STATISTIC_EXT: "statistics", _PB.OBJECT_COLLATION: "collation",
    _PB.OBJECT_CONVERSION: "conversion", _PB.OBJECT_TSCONFIGURATION: "text search configuration",
    _PB.OBJECT_TSDICTIONARY: "text search dictionary", _PB.OBJECT_TSPARSER: "text search parser",
    _PB.OBJECT_TSTEMPLATE: "text search template", _PB.OBJECT_TYPE: "type", _PB.OBJECT_DOMAIN: "type",
}  # fmt: skip
_OF_A_TABLE = {_PB.OBJECT_TRIGGER: "trigger", _PB.OBJECT_POLICY: "policy", _PB.OBJECT_RULE: "rule"}
_BY_ONE_NAME = {
    _PB.OBJECT_SCHEMA: "schema", _PB.OBJECT_EXTENSION: "extension", _PB.OBJECT_PUBLICATION: "publication",
    _PB.OBJECT_FOREIGN_SERVER: "server", _PB.OBJECT_FDW: "foreign data wrapper", _PB.OBJECT_LANGUAGE: "language",
    _PB.OBJECT_EVENT_TRIGGER: "event trigger", _PB.OBJECT_ACCESS_METHOD: "access method",
}  # fmt: skip
_CALLED = {
    _PB.OBJECT_FUNCTION: "function", _PB.OBJECT_PROCEDURE: "function", _PB.OBJECT_ROUTINE: "function",
    _PB.OBJECT_AGGREGATE: "aggregate", _PB.OBJECT_OPERATOR: "operator",
}  # fmt: skip
_OUTPUT = (_PB.FUNC_PARAM_OUT, _PB.FUNC_PARAM_TABLE)
# by the field of the only name that a statement has, what it makes
_MADE_BY_NAME = {
    "create_event_trig_stmt": ("event trigger", "trigname"), "create_publication_stmt": ("publication", "pubname"),
    "create_foreign_server_stmt": ("server", "servername"), "create_fdw_stmt": ("foreign data wrapper", "fdwname"),
    "create_role_stmt": ("role", "role"), "create_extension_stmt": ("extension", "extname"),
    "create_plang_stmt": ("language", "plname"), "create_am_stmt": ("access method", "amname"),
}  # fmt: skip
# by the field of a list of names
_MADE_BY_LIST = {
    "create_enum_stmt": ("type", "type_name"), "create_range_stmt": ("type", "type_name"),
    "create_domain_stmt": ("type", "domainname"), "create_stats_stmt": ("statistics", "defnames"),
    "create_conversion_stmt": ("conversion", "conversion_name"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Object:
    """One object. `table` is the one that it belongs to; `arguments` counts those of a function, -1 where unknown.

    `uses` are the columns without which an index or a constraint goes as well.
    """

    kind: str
    schema: str
    name: str
    table: Name | None = None
    arguments: int = -1
    uses: frozenset[str] = field(default=frozenset(), compare=False)

    def __str__(self) -> str:
        own = self.name if self.kind in ("cast", "user mapping", "operator") else quoted(self.schema, self.name)
        if self.kind == "column" and self.table:
            return f"column {quoted(*self.table)}.{quoted(self.name)}"
        return f"{self.kind} {own}" + (f" of {quoted(*self.table)}" if self.table and self.kind != "index" else "")

    @property
    def key(self) -> tuple[str, str, str]:
        """What two namings of one object share, whether their schema is written or not."""
        relation = "relation" if self.kind in _ROWS else self.kind
        return relation, self.table[1] if self.table and self.kind != "index" else "", self.name

    def is_same(self, other: Object) -> bool:
        """Whether both may name one object."""
        return (
            self.key == other.key
            and same_schema(self.schema, other.schema)
            and (not self.table or not other.table or same_schema(self.table[0], other.table[0]))
            and (-1 in (self.arguments, other.arguments) or self.arguments == other.arguments)
        )

    def is_part_of(self, other: Object) -> bool:
        """Whether it goes with another one."""
        if other.kind == "schema":
            own = self.table if self.table else (self.schema, self.name)
            return own[0] == other.name and self.kind != "schema"
        if other.kind not in _ROWS or not self.table:
            return False
        return self.table[1] == other.name and same_schema(self.table[0], other.schema)


_ROWS = ("table", "view", "materialized view", "foreign table", "sequence")


def same_schema(one: str, other: str) -> bool:
    return "" in (one, other) or one == other


@dataclass(frozen=True, slots=True)
class Effect:
    """What one statement does to objects; `maybe`: they may have been there (OR REPLACE, IF NOT EXISTS), or not."""

    made: tuple[Object, ...] = ()
    dropped: tuple[Object, ...] = ()
    renamed: tuple[tuple[Object, Object], ...] = ()
    maybe: bool = False
    cascade: bool = False


class Course:
    """The objects as statements follow each other.

    `there` are those that were made and still stand, `gone` those that stood before and were dropped or renamed,
    `doubtful` the keys of those that may have gone with a CASCADE.
    """

    def __init__(self) -> None:
        self.there: dict[Object, None] = {}
        self.gone: list[Object] = []
        self.doubtful: set[tuple[str, str, str]] = set()
        self._by_key: dict[tuple[str, str, str], list[Object]] = {}

    def follow(self, effect: Effect) -> None:
        for one in effect.dropped:
            if not self.take_out(one):
                self.gone.append(one)
        if effect.cascade:
            self.doubtful |= {o.key for o in self.there if o.kind not in ("table", "schema", "sequence")}
        for old, new in effect.renamed:
            self._rename(old, new)
        for one in effect.made:
            if not self.find(one):
                self._put(one)

    def find(self, wanted: Object) -> Object | None:
        """The object of this name that the statements made, where it still stands."""
        return next((o for o in self._by_key.get(wanted.key, ()) if o.is_same(wanted)), None)

    def take_out(self, wanted: Object) -> list[Object]:
        """Take an object and its parts out of those that stand; nothing where it is none of them."""
        found = self.find(wanted)
        if wanted.kind == "column":  # it may have been there before, and what is on it not
            parts = [o for o in self.there if o.table and wanted.name in o.uses and _same_table(o.table, wanted.table)]
        elif found and found.kind in (*_ROWS, "schema"):
            parts = [o for o in self.there if o.is_part_of(found)]
        else:
            parts = []
        for one in [found, *parts] if found else parts:
            self._remove(one)
        return [found, *parts] if found else []

    def final(self) -> tuple[list[Object], list[Object]]:
        """What has to be there at the end, and what must not be any more."""
        sure = [o for o in self.there if o.key not in self.doubtful]
        return sure, [o for o in dict.fromkeys(self.gone) if not self.find(o)]

    def _put(self, one: Object) -> None:
        self.there[one] = None
        self._by_key.setdefault(one.key, []).append(one)
        self.doubtful.discard(one.key)

    def _remove(self, one: Object) -> None:
        del self.there[one]
        self._by_key[one.key].remove(one)

    def _rename(self, old: Object, new: Object) -> None:
        if old.kind == "column":
            self._rename_column(old, new)
            return
        taken = self.take_out(old)
        if not taken:
            self.gone.append(old)
            taken = [old, *(o for o in self.there if o.is_part_of(old))]
            for part in taken[1:]:
                self._remove(part)
        self._put(new)
        for part in taken[1:]:
            if old.kind == "schema":
                table = part.table and (new.name, part.table[1])
                self._put(replace(part, schema=new.name if part.schema else "", table=table))
            else:
                schema = new.schema if part.kind == "index" else part.schema
                self._put(replace(part, schema=schema, table=(new.schema, new.name)))

    def _rename_column(self, old: Object, new: Object) -> None:
        found = self.find(old)
        if found:
            self._remove(found)
        else:
            self.gone.append(old)
        self._put(new)
        for one in [o for o in self.there if o.table and old.name in o.uses and _same_table(o.table, old.table)]:
            self._remove(one)
            self._put(replace(one, uses=one.uses - {old.name} | {new.name}))


def _same_table(one: Name | None, other: Name | None) -> bool:
    return bool(one and other) and one[1] == other[1] and same_schema(one[0], other[0])  # type: ignore[index]


def course(statements: Iterable[SqlStatement]) -> Course:
    """The objects after all statements."""
    found = Course()
    for statement in statements:
        found.follow(effect(statement))
    return found


def tables_of(statement: SqlStatement) -> list[Name]:
    """The relations that a statement names, each once."""
    own: list[Any] = [m for _, m in sqlfile.walk(statement.node) if m.DESCRIPTOR.name == "RangeVar"]
    named = [(str(r.schemaname), str(r.relname)) for r in own]
    done = effect(statement)
    named += [o.table for o in (*done.made, *done.dropped) if o.table]
    named += [(o.schema, o.name) for o in done.dropped if o.kind in _ROWS]
    return list(dict.fromkeys(named))


def effect(statement: SqlStatement) -> Effect:
    """What one statement does, as far as its text tells."""
    node: Any = statement.node
    match statement.node_kind:
        case "drop_stmt":
            dropped = tuple(_dropped(node))
            return Effect(dropped=dropped, maybe=node.missing_ok, cascade=node.behavior == _PB.DROP_CASCADE)
        case "drop_role_stmt":
            roles = tuple(Object("role", "", r.role_spec.rolename) for r in node.roles)
            return Effect(dropped=roles, maybe=node.missing_ok)
        case "drop_user_mapping_stmt":
            return Effect(dropped=(_user_mapping(node),), maybe=node.missing_ok)
        case "alter_table_stmt":
            return _altered(node)
        case "rename_stmt":
            return _renamed(node)
        case "alter_object_schema_stmt":
            return _moved(node)
    flagged = node.base_stmt if statement.node_kind == "create_foreign_table_stmt" else node
    known = flagged.DESCRIPTOR.fields_by_name
    flags = [f for f in ("if_not_exists", "replace") if f in known and getattr(flagged, f)]
    return Effect(tuple(_made(statement.node_kind, node)), maybe=bool(flags))


# -- what is made ------------------------------------------------------------------------------------------------


def _made(kind: str, node: Any) -> Iterator[Object]:
    match kind:
        case "create_stmt":
            yield from _table("table", node)
        case "create_foreign_table_stmt":
            yield from _table("foreign table", node.base_stmt)
        case "create_table_as_stmt":
            yield from _of_relation(_RELATIONS[node.objtype], node.into.rel)
        case "view_stmt":
            yield from _of_relation("view", node.view)
        case "create_seq_stmt":
            yield from _of_relation("sequence", node.sequence)
        case "composite_type_stmt":
            yield Object("type", node.typevar.schemaname, node.typevar.relname)
        case "index_stmt" if node.idxname:
            table = _name(node.relation)
            yield Object("index", table[0], node.idxname, table, uses=_uses(node))
        case "create_trig_stmt":
            yield Object("trigger", "", node.trigname, _name(node.relation))
        case "create_policy_stmt":
            yield Object("policy", "", node.policy_name, _name(node.table))
        case "rule_stmt":
            yield Object("rule", "", node.rulename, _name(node.relation))
        case "create_function_stmt":
            inputs = [p for p in node.parameters if p.function_parameter.mode not in _OUTPUT]
            yield _listed("function", node.funcname, len(inputs))
        case "create_schema_stmt":
            yield Object("schema", "", node.schemaname or node.authrole.rolename)
            for one in node.schema_elts:
                inner = one.WhichOneof("node")
                for made in _made(inner, getattr(one, inner)):
                    home = made.table and (made.table[0] or str(node.schemaname), made.table[1])
                    yield replace(made, schema=made.schema or ("" if made.table else node.schemaname), table=home)
        case "create_cast_stmt":
            yield _cast(node.sourcetype, node.targettype)
        case "create_user_mapping_stmt":
            yield _user_mapping(node)
        case "define_stmt":
            yield from _defined(node)
        case _ if kind in _MADE_BY_NAME:
            what, field_name = _MADE_BY_NAME[kind]
            yield Object(what, "", str(getattr(node, field_name)))
        case _ if kind in _MADE_BY_LIST:
            what, field_name = _MADE_BY_LIST[kind]
            names = getattr(node, field_name)
            if names:
                yield _listed(what, names)


def _table(kind: str, node: Any) -> Iterator[Object]:
    if node.relation.relpersistence == "t":
        return
    table = _name(node.relation)
    yield Object(kind, *table)
    for item in node.table_elts:
        if item.HasField("column_def"):
            yield Object("column", "", item.column_def.colname, table)
            yield from _named_constraints(item.column_def.constraints, table, item.column_def.colname)
    yield from _named_constraints([i for i in node.table_elts if i.HasField("constraint")], table)
    yield from _named_constraints(node.constraints, table)


def _named_constraints(items: Iterable[Any], table: Name, column: str = "") -> Iterator[Object]:
    for item in items:
        # NOT NULL has a name that the catalog keeps from PostgreSQL 18 on only
        if item.constraint.conname and item.constraint.contype != _PB.CONSTR_NOTNULL:
            uses = _uses(item.constraint) | {column} - {""}
            yield Object("constraint", "", item.constraint.conname, table, uses=uses)


def _uses(node: Any) -> frozenset[str]:
    """The columns that an index or a constraint of a table is on."""
    found: set[str] = set()
    if node.DESCRIPTOR.name == "Constraint":
        found |= set(_strings([*node.keys, *node.fk_attrs, *node.including]))
    for _, message in sqlfile.walk(node):
        one: Any = message
        if one.DESCRIPTOR.name == "IndexElem" and one.name:
            found.add(str(one.name))
        elif one.DESCRIPTOR.name == "ColumnRef":
            found |= set(_strings(f for f in one.fields if f.HasField("string"))[-1:])
    return frozenset(found)


def _of_relation(kind: str, relation: Any) -> Iterator[Object]:
    if relation.relpersistence != "t":
        yield Object(kind, *_name(relation))


def _defined(node: Any) -> Iterator[Object]:
    if node.kind == _PB.OBJECT_AGGREGATE:
        base = [d.def_elem for d in node.definition if d.def_elem.defname == "basetype"]
        yield _listed("aggregate", node.defnames, len(base) if node.oldstyle else len(node.args[0].list.items))
    elif node.kind == _PB.OBJECT_OPERATOR:
        yield _listed("operator", node.defnames, 2)
    elif node.kind in _LISTED:
        yield _listed(_LISTED[node.kind], node.defnames)


# -- what is dropped, altered, renamed ---------------------------------------------------------------------------


def _dropped(node: Any) -> Iterator[Object]:
    kind = node.remove_type
    for item in node.objects:
        if kind in _OF_A_TABLE:
            *schema, table, name = _strings(item.list.items)
            yield Object(_OF_A_TABLE[kind], "", name, (schema[0] if schema else "", table))
        elif kind in _BY_ONE_NAME:
            yield Object(_BY_ONE_NAME[kind], "", item.string.sval)
        elif kind in _CALLED:
            called = item.object_with_args
            arguments = -1 if called.args_unspecified else len(called.objargs)
            yield _listed(_CALLED[kind], called.objname, arguments)
        elif kind == _PB.OBJECT_CAST:
            yield _cast(*(i.type_name for i in item.list.items))
        elif kind in _LISTED:
            yield _listed(_LISTED[kind], item.type_name.names if item.HasField("type_name") else item.list.items)


def _altered(node: Any) -> Effect:
    if node.objtype not in (_PB.OBJECT_TABLE, _PB.OBJECT_FOREIGN_TABLE):
        return Effect()
    table = _name(node.relation)
    made: list[Object] = []
    dropped: list[Object] = []
    renamed: list[tuple[Object, Object]] = []
    cascade = maybe = False
    for item in node.cmds:
        command = item.alter_table_cmd
        inner = getattr(command, "def")
        maybe |= command.missing_ok
        match command.subtype:
            case _PB.AT_AddColumn:
                made.append(Object("column", "", inner.column_def.colname, table))
                made += _named_constraints(inner.column_def.constraints, table, inner.column_def.colname)
            case _PB.AT_AddConstraint:
                made += _named_constraints([inner], table)
                renamed += _taken_over(inner.constraint, table)
            case _PB.AT_DropColumn | _PB.AT_DropConstraint:
                kind = "column" if command.subtype == _PB.AT_DropColumn else "constraint"
                dropped.append(Object(kind, "", command.name, table))
                cascade |= command.behavior == _PB.DROP_CASCADE
    return Effect(tuple(made), tuple(dropped), tuple(renamed), maybe=maybe, cascade=cascade)


def _taken_over(constraint: Any, table: Name) -> list[tuple[Object, Object]]:
    """The index that a constraint takes over, which gets the constraint's name."""
    if not constraint.indexname or constraint.conname in ("", constraint.indexname):
        return []
    index = Object("index", table[0], constraint.indexname)
    return [(index, replace(index, name=constraint.conname))]


def _renamed(node: Any) -> Effect:
    kind, table = node.rename_type, _name(node.relation)
    if kind in _RELATIONS:
        old = Object(_RELATIONS[kind], *table)
    elif kind in (_PB.OBJECT_COLUMN, _PB.OBJECT_TABCONSTRAINT):
        old = Object("column" if kind == _PB.OBJECT_COLUMN else "constraint", "", node.subname, table)
    elif kind in _OF_A_TABLE:
        old = Object(_OF_A_TABLE[kind], "", node.subname, table)
    elif kind == _PB.OBJECT_SCHEMA:
        old = Object("schema", "", node.subname)
    elif kind in (_PB.OBJECT_TYPE, _PB.OBJECT_DOMAIN):
        old = _listed("type", node.object.list.items)
    elif kind in _CALLED and node.object.HasField("object_with_args"):
        called = node.object.object_with_args
        old = _listed(_CALLED[kind], called.objname, -1 if called.args_unspecified else len(called.objargs))
    else:
        return Effect()
    return Effect(renamed=((old, replace(old, name=node.newname)),), maybe=node.missing_ok)


def _moved(node: Any) -> Effect:
    kind = node.object_type
    if kind in _RELATIONS:
        old = Object(_RELATIONS[kind], *_name(node.relation))
    elif kind in (_PB.OBJECT_TYPE, _PB.OBJECT_DOMAIN):
        old = _listed("type", node.object.list.items)
    else:
        return Effect()
    return Effect(renamed=((old, replace(old, schema=node.newschema)),), maybe=node.missing_ok)


# -- names -------------------------------------------------------------------------------------------------------


def _name(relation: Any) -> Name:
    return str(relation.schemaname), str(relation.relname)


def _strings(items: Iterable[Any]) -> list[str]:
    return [str(i.string.sval) for i in items]


def _listed(kind: str, items: Iterable[Any], arguments: int = -1) -> Object:
    *schema, name = _strings(items)
    return Object(kind, schema[-1] if schema else "", name, arguments=arguments)


def _cast(source: Any, target: Any) -> Object:
    return Object("cast", "", f"({type_text(source)} as {type_text(target)})")


def _user_mapping(node: Any) -> Object:
    user = node.user.rolename or _PB.RoleSpecType.Name(node.user.roletype).removeprefix("ROLESPEC_").lower()
    return Object("user mapping", "", f"{user} on {node.servername}")


def type_text(type_name: Any) -> str:
    """A type as it is written."""
    tree = postgast.parse("select null::int")
    tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.type_cast.type_name.CopyFrom(type_name)
    return deparsed(tree).removeprefix("SELECT NULL::")


def listed(objects: Sequence[Object], most: int = 12) -> str:
    """Some objects in words."""
    shown = ", ".join(map(str, objects[:most]))
    return shown + (f" and {len(objects) - most} more" if len(objects) > most else "")
