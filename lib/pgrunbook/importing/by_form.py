"""The DROP that is the way back of a CREATE by its form alone, for kinds of object that no kind of change knows.

A statement that may meet an object which was there before (OR REPLACE, IF NOT EXISTS) has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import postgast

from pgrunbook.importing.objects import effect
from pgrunbook.sqlfile import SqlStatement, deparsed, quoted

_PB = postgast.pg_query_pb2
_LISTS = {
    "create_enum_stmt": (_PB.OBJECT_TYPE, "type_name"), "create_range_stmt": (_PB.OBJECT_TYPE, "type_name"),
    "create_domain_stmt": (_PB.OBJECT_DOMAIN, "domainname"),
    "create_stats_stmt": (_PB.OBJECT_STATISTIC_EXT, "defnames"),
    "create_conversion_stmt": (_PB.OBJECT_CONVERSION, "conversion_name"),
}  # fmt: skip
_NAMES = {
    "create_event_trig_stmt": (_PB.OBJECT_EVENT_TRIGGER, "trigname"),
    "create_publication_stmt": (_PB.OBJECT_PUBLICATION, "pubname"),
    "create_foreign_server_stmt": (_PB.OBJECT_FOREIGN_SERVER, "servername"),
    "create_fdw_stmt": (_PB.OBJECT_FDW, "fdwname"),
    "create_extension_stmt": (_PB.OBJECT_EXTENSION, "extname"),
    "create_plang_stmt": (_PB.OBJECT_LANGUAGE, "plname"),
    "create_am_stmt": (_PB.OBJECT_ACCESS_METHOD, "amname"),
}  # fmt: skip
_RELATIONS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "create_stmt": (_PB.OBJECT_TABLE, lambda n: n.relation),
    "create_foreign_table_stmt": (_PB.OBJECT_FOREIGN_TABLE, lambda n: n.base_stmt.relation),
    "create_seq_stmt": (_PB.OBJECT_SEQUENCE, lambda n: n.sequence),
    "view_stmt": (_PB.OBJECT_VIEW, lambda n: n.view),
    "create_table_as_stmt": (_PB.OBJECT_TABLE, lambda n: n.into.rel),
    "composite_type_stmt": (_PB.OBJECT_TYPE, lambda n: n.typevar),
}
_ON_TABLES: dict[str, tuple[int, Callable[[Any], Any], str]] = {
    "rule_stmt": (_PB.OBJECT_RULE, lambda n: n.relation, "rulename"),
    "create_trig_stmt": (_PB.OBJECT_TRIGGER, lambda n: n.relation, "trigname"),
    "create_policy_stmt": (_PB.OBJECT_POLICY, lambda n: n.table, "policy_name"),
}
_LOSES = "the rows in it are lost"


def way_back(statement: SqlStatement) -> tuple[str, str]:
    """The statement that takes a CREATE back, and what a person has to know of it; empty where form tells none."""
    node: Any = statement.node
    if effect(statement).maybe or _is_temporary(node):
        return "", ""
    kind = statement.node_kind
    if kind == "create_role_stmt":
        drop = "role" if node.stmt_type == _PB.ROLESTMT_ROLE else "user"
        if node.stmt_type == _PB.ROLESTMT_GROUP:
            drop = "group"
        return f"drop {drop} {quoted(node.role)}", "a role is of the whole cluster: other databases may use it by then"
    if kind == "create_user_mapping_stmt":
        user = _user(node.user)
        return f"drop user mapping for {user} server {quoted(node.servername)}", ""
    tree = postgast.parse("drop table t")
    drop = tree.stmts[0].stmt.drop_stmt
    del drop.objects[:]
    if not _describe(drop, kind, node):
        return "", ""
    loses = kind in ("create_stmt", "create_table_as_stmt")
    return deparsed(tree), _LOSES if loses else ""


def nothing_left(statement: SqlStatement) -> bool:
    """Whether a statement leaves nothing behind that could be taken back."""
    return statement.node_kind in ("lock_stmt", "constraints_set_stmt", "notify_stmt", "checkpoint_stmt")


def _describe(drop: Any, kind: str, node: Any) -> bool:
    """Fill in what a DROP drops; false where it is not known."""
    if kind in _LISTS:
        drop.remove_type, field = _LISTS[kind]
        _names(drop, getattr(node, field))
    elif kind in _NAMES:
        drop.remove_type, field = _NAMES[kind]
        drop.objects.add().string.sval = getattr(node, field)
    elif kind in _RELATIONS:
        drop.remove_type, of = _RELATIONS[kind]
        if kind == "create_table_as_stmt":
            drop.remove_type = node.objtype
        _texts(drop, [of(node).schemaname, of(node).relname])
    elif kind in _ON_TABLES:
        drop.remove_type, of, field = _ON_TABLES[kind]
        _texts(drop, [of(node).schemaname, of(node).relname, getattr(node, field)])
    elif kind == "create_cast_stmt":
        drop.remove_type = _PB.OBJECT_CAST
        items = drop.objects.add().list.items
        items.add().type_name.CopyFrom(node.sourcetype)
        items.add().type_name.CopyFrom(node.targettype)
    elif kind == "create_function_stmt":
        drop.remove_type = _PB.OBJECT_PROCEDURE if node.is_procedure else _PB.OBJECT_FUNCTION
        inputs = [p.function_parameter for p in node.parameters]
        _called(
            drop,
            node.funcname,
            [p.arg_type for p in inputs if p.mode not in (_PB.FUNC_PARAM_OUT, _PB.FUNC_PARAM_TABLE)],
        )
    elif kind in ("create_op_class_stmt", "create_op_family_stmt"):
        is_class = kind == "create_op_class_stmt"
        drop.remove_type = _PB.OBJECT_OPCLASS if is_class else _PB.OBJECT_OPFAMILY
        _texts(drop, [node.amname, *_strings(node.opclassname if is_class else node.opfamilyname)])
    elif kind == "define_stmt":
        return _defined(drop, node)
    else:
        return False
    return True


def _defined(drop: Any, node: Any) -> bool:
    drop.remove_type = node.kind
    if node.kind == _PB.OBJECT_AGGREGATE:
        if node.oldstyle or node.args[1].integer.ival >= 0:  # the arguments of an ordered-set one are written otherwise
            return False
        _called(drop, node.defnames, [p.function_parameter.arg_type for p in node.args[0].list.items])
    elif node.kind == _PB.OBJECT_OPERATOR:
        sides = {d.def_elem.defname: d.def_elem.arg.type_name for d in node.definition}
        if not {"leftarg", "rightarg"} <= sides.keys():
            return False
        _called(drop, node.defnames, [sides["leftarg"], sides["rightarg"]])
    else:
        _names(drop, node.defnames)
    return True


def _called(drop: Any, names: Iterable[Any], types: Iterable[Any]) -> None:
    made = drop.objects.add().object_with_args
    made.objname.extend(names)
    for one in types:
        made.objargs.add().type_name.CopyFrom(one)


def _names(drop: Any, names: Iterable[Any]) -> None:
    _texts(drop, _strings(names))


def _texts(drop: Any, texts: Iterable[str]) -> None:
    names = [t for t in texts if t]
    item = drop.objects.add()
    for name in names:
        if drop.remove_type in (_PB.OBJECT_TYPE, _PB.OBJECT_DOMAIN):
            item.type_name.names.add().string.sval = name
        else:
            item.list.items.add().string.sval = name


def _strings(items: Iterable[Any]) -> list[str]:
    return [str(i.string.sval) for i in items]


def _user(role: Any) -> str:
    if role.roletype == _PB.ROLESPEC_CSTRING:
        return quoted(role.rolename)
    return str(_PB.RoleSpecType.Name(role.roletype)).removeprefix("ROLESPEC_").lower()


def _is_temporary(node: Any) -> bool:
    for field in ("relation", "view", "sequence"):
        if field in node.DESCRIPTOR.fields_by_name and getattr(getattr(node, field), "relpersistence", "") == "t":
            return True
    return "into" in node.DESCRIPTOR.fields_by_name and bool(node.into.rel.relpersistence == "t")
