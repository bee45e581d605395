"""What an expression is whatever the row holds: folded by hand, as far as one reads it off the text.

Three values and one more: True, False, NULL, and None where it depends on something. A server's own folding can't be
asked: it needs the table's privileges, and a policy's roles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import postgast

_PB = postgast.pg_query_pb2
_TRUE, _FALSE = (
    ("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"),
    ("f", "fa", "fal", "fals", "false", "n", "no", "off", "0"),
)
_WHOLE, _NUMBERS, _TEXTS = ("int2", "int4", "int8"), ("numeric", "float4", "float8"), ("text", "varchar")
_NEVER_NULL_CALLS = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")
_COMPARED: dict[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0,
    "<>": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
_COMPUTED: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


class _Null:
    def __repr__(self) -> str:
        return "NULL"


NULL = _Null()


@dataclass(frozen=True, slots=True)
class _Other:
    """A literal of a type whose comparison is not known here: equal only to the same literal."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Folding:
    """What may be known beside the text: columns that are never null, and what a function returns whatever it is given.

    `returns` takes the call's node and answers None where that depends on something.
    """

    never_null: Mapping[str, bool]
    returns: Callable[[Any], Any] = lambda _: None


def truth(node: Any, folding: Folding) -> bool | None:
    """Whether a condition holds for every row (True), for none (False, also where it is always NULL), or it depends.

    >>> def folded(text, **never_null):
    ...     tree = postgast.parse("select " + text)
    ...     return truth(tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val, Folding(never_null))
    >>> [folded(t) for t in ("true", "1 = 1", "not false", "a = b or true", "true or a", "(select true)", "'a' < 'b'")]
    [True, True, True, True, True, True, True]
    >>> [folded(t) for t in ("a", "true and a", "role() = 'x'", "a = a", "a is not null", "(select a)", "f()")]
    [None, None, None, None, None, None, None]
    >>> [folded(t) for t in ("null", "not true", "false and a", "1 = 2", "null = null", "1 = any (array[2, 3])")]
    [False, False, False, False, False, False]
    >>> folded("a = a", a=True), folded("a is not null", a=True), folded("a is null or a is not null")
    (True, True, True)
    >>> [folded(t) for t in ("coalesce(null, true)", "case when 1 > 2 then a else true end", "exists (select 1)")]
    [True, True, True]
    """
    found = _value(node, folding)
    return False if found is NULL else found if isinstance(found, bool) else None


def _value(node: Any, folding: Folding) -> Any:
    kind = node.WhichOneof("node")
    fold = _KINDS.get(kind)
    return fold(getattr(node, kind), folding) if fold else None


def _constant(node: Any, _: Folding) -> Any:
    if node.isnull:
        return NULL
    match node.WhichOneof("val"):
        case "boolval":
            return bool(node.boolval.boolval)
        case "ival":
            return Decimal(node.ival.ival)
        case "fval":
            return _number(node.fval.fval)
        case "sval":
            return str(node.sval.sval)
    return None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _cast(node: Any, folding: Folding) -> Any:
    found = _value(node.arg, folding)
    kind = str(node.type_name.names[-1].string.sval)
    if found is None or found is NULL:
        return found
    if node.type_name.array_bounds or node.type_name.typmods:
        return None
    if kind == "bool":
        if isinstance(found, str):
            word = found.strip().lower()
            return True if word in _TRUE else False if word in _FALSE else None
        return found != 0 if isinstance(found, Decimal) else found if isinstance(found, bool) else None
    if kind in _WHOLE + _NUMBERS:
        number = _number(found) if isinstance(found, str) else found if isinstance(found, Decimal) else None
        return number if number is not None and (kind in _NUMBERS or number == int(number)) else None
    if kind in _TEXTS:
        return ("true" if found else "false") if isinstance(found, bool) else found if isinstance(found, str) else None
    return _Other(kind, found) if isinstance(found, str) else None


def _logic(node: Any, folding: Folding) -> Any:
    parts = [_value(arg, folding) for arg in node.args]
    if node.boolop == _PB.NOT_EXPR:
        return (not parts[0]) if isinstance(parts[0], bool) else parts[0] if parts[0] is NULL else None
    decides = node.boolop == _PB.OR_EXPR
    if any(part is decides for part in parts) or (decides and _either_null_or_not(node.args)):
        return decides
    return None if any(part is None for part in parts) else NULL if NULL in parts else not decides


def _either_null_or_not(arms: Any) -> bool:
    """Whether two arms are `x is null` and `x is not null`."""
    tests = [arm.null_test for arm in arms if arm.WhichOneof("node") == "null_test" and not arm.null_test.argisrow]
    asked = {(shape(test.arg), test.nulltesttype) for test in tests}
    return any((of, _PB.IS_NULL) in asked for of, kind in asked if kind == _PB.IS_NOT_NULL)


def _operator(node: Any, folding: Folding) -> Any:
    name = node.name[-1].string.sval
    if node.kind in (_PB.AEXPR_OP_ANY, _PB.AEXPR_IN):
        listed = node.rexpr.list.items if node.kind == _PB.AEXPR_IN else node.rexpr.a_array_expr.elements
        found = [_compared(name, node.lexpr, item, folding) for item in listed]
        return True if True in found else None if None in found or not found else NULL if NULL in found else False
    if node.kind == _PB.AEXPR_NULLIF:
        equal = _compared("=", node.lexpr, node.rexpr, folding)
        return NULL if equal is True else None if equal is None else _value(node.lexpr, folding)
    if node.kind in (_PB.AEXPR_DISTINCT, _PB.AEXPR_NOT_DISTINCT):
        same = _not_distinct(node.lexpr, node.rexpr, folding)
        return None if same is None else same == (node.kind == _PB.AEXPR_NOT_DISTINCT)
    if node.kind != _PB.AEXPR_OP or not node.HasField("lexpr"):
        return None
    if name in _COMPARED:
        return _compared(name, node.lexpr, node.rexpr, folding)
    left, right = _value(node.lexpr, folding), _value(node.rexpr, folding)
    if name in _COMPUTED and isinstance(left, Decimal) and isinstance(right, Decimal):
        return _COMPUTED[name](left, right)
    return None


def _compared(name: str, left_node: Any, right_node: Any, folding: Folding) -> Any:
    left, right = _value(left_node, folding), _value(right_node, folding)
    if left is NULL or right is NULL:
        return NULL
    if left is None or right is None:
        if name in _COMPARED and _never_null(left_node, folding) and shape(left_node) == shape(right_node):
            return _COMPARED[name](0)
        return None
    if left == right and type(left) is type(right) and name in _COMPARED:
        return _COMPARED[name](0)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return _COMPARED[name]((left > right) - (left < right)) if name in _COMPARED else None
    if isinstance(left, bool) and isinstance(right, bool):
        return _COMPARED[name](left - right) if name in _COMPARED else None
    if isinstance(left, str) and isinstance(right, str) and name in ("=", "<>"):
        return _COMPARED[name](1)
    if isinstance(left, str) and isinstance(right, str) and name in _COMPARED and (left + right).isascii():
        # the order of letters of one case is the same in every collation
        plain = left.isalpha() and right.isalpha() and (left + right).islower()
        return _COMPARED[name]((left > right) - (left < right)) if plain else None
    return None


def _not_distinct(left: Any, right: Any, folding: Folding) -> bool | None:
    values = _value(left, folding), _value(right, folding)
    if NULL in values:
        return None if None in values else values[0] is values[1]
    if None not in values:
        found = _compared("=", left, right, folding)
        return found if isinstance(found, bool) else None
    return True if shape(left) == shape(right) and left.WhichOneof("node") == "column_ref" else None


def _null_test(node: Any, folding: Folding) -> Any:
    wanted = node.nulltesttype == _PB.IS_NULL
    found = _value(node.arg, folding)
    if found is not None:
        return (found is NULL) == wanted
    return (not wanted) if _never_null(node.arg, folding) and not node.argisrow else None


def _boolean_test(node: Any, folding: Folding) -> Any:
    found = _value(node.arg, folding)
    if found is None:
        return None
    kinds = {_PB.IS_TRUE: True, _PB.IS_FALSE: False, _PB.IS_UNKNOWN: NULL}
    opposite = {_PB.IS_NOT_TRUE: True, _PB.IS_NOT_FALSE: False, _PB.IS_NOT_UNKNOWN: NULL}
    kind = node.booltesttype
    return found is kinds[kind] if kind in kinds else found is not opposite[kind]


def _coalesce(node: Any, folding: Folding) -> Any:
    for arg in node.args:
        found = _value(arg, folding)
        if found is not NULL:
            return found
    return NULL


def _case(node: Any, folding: Folding) -> Any:
    if node.HasField("arg"):
        return None
    for arm in node.args:
        holds = _value(arm.case_when.expr, folding)
        if holds is None:
            return None
        if holds is True:
            return _value(arm.case_when.result, folding)
    return _value(node.defresult, folding) if node.HasField("defresult") else NULL


def _sub_query(node: Any, folding: Folding) -> Any:
    query = node.subselect.select_stmt
    used = {described.name for described, _ in query.ListFields()} - {"limit_option", "op", "target_list"}
    if node.sub_link_type == _PB.EXISTS_SUBLINK and used <= {"where_clause"}:
        return truth(query.where_clause, folding) if used else True
    if used or query.op != _PB.SETOP_NONE:
        return None
    if node.sub_link_type == _PB.EXPR_SUBLINK and len(query.target_list) == 1:
        return _value(query.target_list[0].res_target.val, folding)
    return None


def _call(node: Any, folding: Folding) -> Any:
    return folding.returns(node)


def _never_null(node: Any, folding: Folding) -> bool:
    match node.WhichOneof("node"):
        case "column_ref":
            fields = node.column_ref.fields
            return len(fields) == 1 and folding.never_null.get(fields[0].string.sval, False)
        case "sqlvalue_function":
            return bool(node.sqlvalue_function.op != _PB.SVFOP_CURRENT_SCHEMA)
        case "func_call":
            return node.func_call.funcname[-1].string.sval in _NEVER_NULL_CALLS and len(node.func_call.funcname) == 1
        case "type_cast":
            return _never_null(node.type_cast.arg, folding)
    return False


def shape(message: Any) -> tuple[Any, ...]:
    """A parse tree without its places in the text, so that two may be compared."""
    found: list[Any] = [message.DESCRIPTOR.name]
    for described, value in message.ListFields():
        if described.name == "location":
            continue
        values = value if described.is_repeated else [value]
        found.append((described.name, *(shape(v) if described.message_type else v for v in values)))
    return tuple(found)


_KINDS: dict[str, Callable[[Any, Folding], Any]] = {
    "a_const": _constant,
    "type_cast": _cast,
    "bool_expr": _logic,
    "a_expr": _operator,
    "null_test": _null_test,
    "boolean_test": _boolean_test,
    "coalesce_expr": _coalesce,
    "case_expr": _case,
    "sub_link": _sub_query,
    "func_call": _call,
}
