"""DO blocks that wrap statements which know no IF NOT EXISTS: the plan looks itself whether the object is there.

Three shapes are known: an exception handler that does nothing about an object that is there (or, of a DROP, is not),
IF NOT EXISTS (a look into the catalog for that object) THEN, and IF EXISTS (a look for nothing but its name) THEN
around what drops or renames it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.sqlfile import SqlFileError, SqlStatement, quoted

_PB = postgast.pg_query_pb2
_THERE = {
    "duplicate_object", "duplicate_table", "duplicate_column", "duplicate_function", "duplicate_schema", "42710",
    "42P07", "42701", "42723", "42P06",
}  # fmt: skip
_NOT_THERE = {
    "undefined_object", "undefined_table", "undefined_column", "undefined_function", "invalid_schema_name", "42704",
    "42P01", "42703", "42883", "3F000",
}  # fmt: skip
_MAKING = {
    "create_enum_stmt", "composite_type_stmt", "create_range_stmt", "create_domain_stmt", "create_policy_stmt",
    "create_trig_stmt", "create_stmt", "index_stmt", "create_seq_stmt", "create_schema_stmt", "create_extension_stmt",
    "create_function_stmt", "create_stats_stmt", "view_stmt", "create_publication_stmt", "alter_enum_stmt",
}  # fmt: skip
_ADDING = (_PB.AT_AddColumn, _PB.AT_AddConstraint)
_DROPPING = (_PB.AT_DropColumn, _PB.AT_DropConstraint)
_CATALOGS = ("", "pg_catalog", "information_schema")
_NAMING = {"to_regclass", "to_regtype", "to_regnamespace", "current_schema"}
_ERROR = 21


class _Another(Exception):
    """The block does something else."""


def inside(statement: SqlStatement) -> list[str]:
    """The statements that a DO block guards, which are the whole of it; none for any other DO block.

    >>> inside(sqlfile.split("do $$ begin create type a as (); exception when duplicate_object then end $$")[0])
    ['create type a as ()']
    """
    if statement.node_kind != "do_stmt":
        return []
    node: Any = statement.node
    given = {d.def_elem.defname: d.def_elem.arg.string.sval for d in node.args}
    if given.get("language", "plpgsql") != "plpgsql":
        return []
    body, tag = given.get("as", ""), "body"
    while f"${tag}$" in body:
        tag += "_"
    try:
        tree = postgast.parse_plpgsql(f"create function f() returns void language plpgsql as ${tag}${body}${tag}$")
        action = tree[0]["PLpgSQL_function"]["action"]
        return list(_guarded(action["PLpgSQL_stmt_block"], guarded=False))
    except (postgast.PgQueryError, SqlFileError, _Another):
        return []


def _guarded(block: Any, *, guarded: bool) -> Iterator[str]:
    """What a block carries out; `guarded` says that a handler around it lets an object be there."""
    handlers = block.get("exceptions", {}).get("PLpgSQL_exception_block", {}).get("exc_list", [])
    caught = {c for h in handlers for c in _quietly(h["PLpgSQL_exception"])}
    if guarded and caught:
        raise _Another
    for item in block.get("body", []):
        [(name, node)] = item.items()
        match name:
            case "PLpgSQL_stmt_block":
                yield from _guarded(node, guarded=bool(caught))
            case "PLpgSQL_stmt_execsql":
                yield _plain(node, caught)
            case "PLpgSQL_stmt_if" if not caught:
                yield from _if_needed(node)
            case "PLpgSQL_stmt_return" if not node:  # at the end of each block without one
                continue
            case _:
                raise _Another


def _quietly(handler: Any) -> list[str]:
    """The conditions of a handler that does nothing but tell."""
    for action in handler.get("action", []):
        told = action.get("PLpgSQL_stmt_raise")
        if told is None or told.get("elog_level", _ERROR) >= _ERROR:
            raise _Another
    return [c["PLpgSQL_condition"]["condname"] for c in handler["conditions"]]


def _plain(node: Any, caught: set[str]) -> str:
    """A statement that a handler allows not to be carried out since it is done already."""
    if "into" in node:
        raise _Another
    text = str(node["sqlstmt"]["PLpgSQL_expr"]["query"])
    for statement in sqlfile.split(text):
        allowed = _THERE if _made(statement) else _NOT_THERE if _drops(statement) else set()
        if not caught or caught - allowed:
            raise _Another
    return text


def _if_needed(node: Any) -> Iterator[str]:
    """What stands behind IF [NOT] EXISTS (…) THEN, if that looks for just what is dropped or made."""
    if "else_body" in node or "elsif_list" in node:
        raise _Another
    look, there = _look(node["cond"]["PLpgSQL_expr"]["query"])
    looked_for = _looked_for(look)
    for item in node["then_body"]:
        inner = item.get("PLpgSQL_stmt_execsql")
        if inner is None or "into" in inner:
            raise _Another
        text = str(inner["sqlstmt"]["PLpgSQL_expr"]["query"])
        for statement in sqlfile.split(text):
            names = _taken(statement) if there else _made(statement)
            if not names or not set(names) <= looked_for:
                raise _Another
            # a DROP that needs more than the name to be there is another thing than one that needs the name
            if there and not (looked_for <= {*names, *_homes(statement)} and _compares_names(look)):
                raise _Another
        yield text


def _look(condition: str) -> tuple[Any, bool]:
    """The select of a [NOT] EXISTS (select …), and whether something is to be there."""
    node: Any = sqlfile.split(f"select {condition}")[0].node
    value = node.target_list[0].res_target.val
    there = not (value.bool_expr.boolop == _PB.NOT_EXPR and value.bool_expr.args)
    tested = value if there else value.bool_expr.args[0]
    if len(node.target_list) != 1 or tested.sub_link.sub_link_type != _PB.EXISTS_SUBLINK:
        raise _Another
    return tested.sub_link.subselect.select_stmt, there


def _looked_for(look: Any) -> set[str]:
    """The names that a select from a catalog looks for."""
    below: list[tuple[str, Any]] = list(sqlfile.walk(look))
    tables = [t for field, t in below if field == "range_var"]
    calls = [c.funcname[-1].string.sval for field, c in below if field == "func_call"]
    if not tables or any(not _is_catalog(t) for t in tables) or not set(calls) <= _NAMING:
        raise _Another
    if any(b.boolop != _PB.AND_EXPR for field, b in below if field == "bool_expr"):
        raise _Another
    if any([n.string.sval for n in e.name] != ["="] for field, e in below if field == "a_expr"):
        raise _Another
    return {str(c.sval.sval) for field, c in below if field == "a_const" and c.HasField("sval")}


def _compares_names(look: Any) -> bool:
    """Whether all conditions of a select are comparisons, with texts alone."""
    where = look.where_clause
    conditions = where.bool_expr.args if where.HasField("bool_expr") else [where]
    compared = all(c.HasField("a_expr") for c in conditions)
    return compared and not any(field == "a_const" and not c.HasField("sval") for field, c in sqlfile.walk(where))


def _homes(statement: SqlStatement) -> set[str]:
    """How a look may name the table and the schema of what a statement drops or renames."""
    node: Any = statement.node
    if statement.node_kind == "drop_stmt":
        names = _parts_of_name(node.objects[0])[:-1] if len(node.objects) == 1 else []
        if node.remove_type not in (_PB.OBJECT_TRIGGER, _PB.OBJECT_POLICY, _PB.OBJECT_RULE):
            return {*(names or ["public"])}
    else:
        names = [n for n in (node.relation.schemaname, node.relation.relname) if n]
    own = names if len(names) > 1 else ["public", *names]
    return {*own, ".".join(names), ".".join(own), quoted(*names)}


def _is_catalog(table: Any) -> bool:
    if table.schemaname == "information_schema":
        return True
    return table.schemaname in _CATALOGS and table.relname.startswith("pg_")


def _made(statement: SqlStatement) -> list[str]:
    """The names of what a statement makes; none where it does something else, or makes what has no name."""
    node: Any = statement.node
    kind = statement.node_kind
    if kind == "alter_table_stmt":
        commands = [c.alter_table_cmd for c in node.cmds]
        table = str(node.relation.relname)
        known = all(c.subtype in _ADDING and _added(c, table) for c in commands)
        return [_added(c, table) for c in commands] if known else []
    if kind not in _MAKING or (kind == "alter_enum_stmt" and node.old_val):
        return []
    match kind:
        case "create_enum_stmt" | "create_range_stmt":
            return [node.type_name[-1].string.sval]
        case "composite_type_stmt":
            return [node.typevar.relname]
        case "create_domain_stmt":
            return [node.domainname[-1].string.sval]
        case "create_function_stmt":
            return [node.funcname[-1].string.sval]
        case "create_stats_stmt":
            return [n.string.sval for n in node.defnames[-1:]]
        case "create_stmt" | "create_seq_stmt":
            return [(node.sequence if kind == "create_seq_stmt" else node.relation).relname]
        case "view_stmt":
            return [node.view.relname]
    names = {
        "create_policy_stmt": "policy_name", "create_trig_stmt": "trigname", "index_stmt": "idxname",
        "create_schema_stmt": "schemaname", "create_extension_stmt": "extname", "create_publication_stmt": "pubname",
        "alter_enum_stmt": "new_val",
    }  # fmt: skip
    name = str(getattr(node, names[kind]))
    return [name] if name else []


def _added(command: Any, table: str) -> str:
    made = getattr(command, "def")
    if command.subtype == _PB.AT_AddColumn:
        return str(made.column_def.colname)
    chosen = f"{table}_pkey" if made.constraint.contype == _PB.CONSTR_PRIMARY else ""  # there is one at most
    return str(made.constraint.conname) or chosen


def _taken(statement: SqlStatement) -> list[str]:
    """The names of what a statement drops or renames; none where it does something else."""
    node: Any = statement.node
    if statement.node_kind == "rename_stmt":
        column = node.rename_type == _PB.OBJECT_COLUMN
        return [str(node.subname if column else node.relation.relname)] if column or not node.subname else []
    if not _drops(statement):
        return []
    if statement.node_kind == "alter_table_stmt":
        return [str(c.alter_table_cmd.name) for c in node.cmds]
    return [_parts_of_name(o)[-1] for o in node.objects]


def _parts_of_name(dropped: Any) -> list[str]:
    """An object of a DROP with its schema or table."""
    match dropped.WhichOneof("node"):
        case "list":
            parts = dropped.list.items
        case "type_name":
            parts = dropped.type_name.names
        case "object_with_args":
            parts = dropped.object_with_args.objname
        case _:
            parts = [dropped]
    return [str(p.string.sval) for p in parts]


def _drops(statement: SqlStatement) -> bool:
    """Whether a statement only drops what a plan knows to be gone already."""
    node: Any = statement.node
    if statement.node_kind == "drop_stmt":
        return bool(node.behavior == _PB.DROP_RESTRICT)
    if statement.node_kind == "alter_table_stmt":
        return all(c.alter_table_cmd.subtype in _DROPPING for c in node.cmds)
    return False
