"""What each parameter of a parsed statement is compared with, and what else it may be for. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.audit.sampler import Compared, Test
from pgrunbook.sqlfile import expression, quoted

_PB = postgast.pg_query_pb2
_TESTS: dict[str, Test] = {
    "=": "equal", "<": "upper", "<=": "upper", ">": "lower", ">=": "lower", "~~": "like", "~~*": "like",
    "<>": "other", "!~~": "other", "!~~*": "other",
}  # fmt: skip
_MIRRORED: dict[Test, Test] = {"upper": "lower", "lower": "upper"}
_RANGE: tuple[Test, Test] = ("lower", "upper")
_BETWEEN = (_PB.AEXPR_BETWEEN, _PB.AEXPR_BETWEEN_SYM)
_UNITS = ("date_trunc", "date_part", "extract")
_KEEPING = ("lower", "upper", "btrim", "trim")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog has it; `known`: the statement is known to be about it."""

    oid: int
    schema: str
    name: str
    kind: str
    rows: float
    known: bool
    columns: list[str]

    def __str__(self) -> str:
        return quoted(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Scope:
    """The tables of one SELECT by the names they have there; None for what is no table."""

    number: int
    tables: Mapping[str, Table | None]


class Reader:
    """One pass over a query: what each parameter is compared with, and what else it is for."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._number = count()
        self.compared: dict[int, Compared] = {}
        self.columns: dict[int, str] = {}
        self.unclear: dict[int, str] = {}
        self.scopes: dict[int, Scope] = {}
        self.limits: set[int] = set()
        self.offsets: set[int] = set()
        self.units: set[int] = set()
        self.tested: set[int] = set()

    def read(self, top: Any) -> None:
        self._visit(top, (), in_target=False, in_having=False)

    def _visit(self, message: Any, scopes: tuple[Scope, ...], *, in_target: bool, in_having: bool) -> None:
        kind = message.DESCRIPTOR.name
        if kind == "SelectStmt":
            scope = Scope(next(self._number), dict(self._from(message.from_clause)))
            self.scopes[scope.number] = scope
            scopes, in_target, in_having = (scope, *scopes), False, False
            self.limits |= set(filter(None, [parameter(message.limit_count)]))
            self.offsets |= set(filter(None, [parameter(message.limit_offset)]))
        elif kind == "A_Expr" and not in_having:
            self._compare(message, scopes)
        elif kind == "ParamRef" and not in_target:
            self.tested.add(message.number)
        elif kind == "FuncCall" and name_of(message) in _UNITS and message.args and (n := parameter(message.args[0])):
            self.units.add(n)
        for described, value in message.ListFields():
            for child in (value if described.is_repeated else [value]) if described.message_type else ():
                shown = kind == "SelectStmt" and described.name == "target_list"
                having = kind == "SelectStmt" and described.name == "having_clause"
                self._visit(child, scopes, in_target=in_target or shown, in_having=in_having or having)

    def _from(self, items: Iterable[Any]) -> Iterator[tuple[str, Table | None]]:
        for item in items:
            kind = item.WhichOneof("node")
            one = getattr(item, kind)
            if kind == "join_expr":
                yield from self._from([one.larg, one.rarg])
            elif kind == "range_var":
                table = self._tables.get(quoted(one.schemaname, one.relname)) if one.schemaname else None
                yield one.alias.aliasname or one.relname, table
            else:
                yield (getattr(one, "alias", None) and one.alias.aliasname) or f"?{id(item)}", None

    def _compare(self, node: Any, scopes: tuple[Scope, ...]) -> None:
        operator = node.name[-1].string.sval
        left, right = node.lexpr, node.rexpr
        if node.kind == _PB.AEXPR_IN:
            for n, item in enumerate(right.list.items):
                self._pair(left, item, _TESTS[operator], scopes, item=n)
        elif node.kind in _BETWEEN:
            for item, end in zip(right.list.items, _RANGE, strict=True):
                self._pair(left, item, end, scopes)
        elif node.kind == _PB.AEXPR_OP_ANY and operator == "=":
            self._pair(left, right, "equal", scopes, array=True)
        elif node.kind in (_PB.AEXPR_DISTINCT, _PB.AEXPR_NOT_DISTINCT):
            same: Test = "equal" if node.kind == _PB.AEXPR_NOT_DISTINCT else "other"
            self._pair(left, right, same, scopes)
            self._pair(right, left, same, scopes)
        elif operator in _TESTS and left.HasField("row_expr") and right.HasField("row_expr"):
            for n, (a, b) in enumerate(zip(left.row_expr.args, right.row_expr.args, strict=False)):
                self._pair(a, b, _TESTS[operator] if not n or operator == "=" else "other", scopes)
        elif operator in _TESTS:
            test = _TESTS[operator]
            self._pair(left, right, test, scopes)
            self._pair(right, left, _MIRRORED.get(test, test), scopes)
        else:
            for side in (left, right):
                if n := parameter(side):
                    self.unclear.setdefault(n, f"by the operator {operator}")

    def _pair(
        self, tested: Any, given: Any, test: Test, scopes: tuple[Scope, ...], *, item: int = 0, array: bool = False
    ) -> None:
        number = parameter(given)
        if not number or "ParamRef" in (inside := kinds(tested)):
            return
        refs = [m for _, m in sqlfile.walk(tested) if m.DESCRIPTOR.name == "ColumnRef"]
        place, *others = {_place(ref, scopes) for ref in refs} or {None}
        if place is None or others or "SubLink" in inside:
            self.unclear.setdefault(number, "with what is no column of one table")
            return
        before = self.compared.get(number)
        if before is None or before.test == "other":
            self.compared[number] = Compared(number, expression(tested), test, place[1], place[0], item, array)
            self.columns[number] = _columns_of(refs[0])[-1]


def parameter(node: Any) -> int:
    """The number of the parameter that a node is, but for a cast or a change of case; 0 for none."""
    while True:
        if node.HasField("type_cast"):
            node = node.type_cast.arg
        elif node.HasField("func_call") and name_of(node.func_call) in _KEEPING and len(node.func_call.args) == 1:
            node = node.func_call.args[0]
        else:
            return int(node.param_ref.number) if node.HasField("param_ref") else 0


def _columns_of(ref: Any) -> list[str]:
    return [f.string.sval for f in ref.fields]


def _place(ref: Any, scopes: Sequence[Scope]) -> tuple[int, str] | None:
    """The SELECT and the table in it that a column is of; None where that is not known."""
    *qualifiers, column = _columns_of(ref)
    if not column:
        return None
    for scope in scopes:
        if qualifiers:
            if qualifiers[-1] in scope.tables:
                return (scope.number, qualifiers[-1]) if scope.tables[qualifiers[-1]] else None
            continue
        having = [alias for alias, table in scope.tables.items() if table and column in table.columns]
        if len(having) == 1:
            return scope.number, having[0]
        if having or None in scope.tables.values():
            return None
    return None


def kinds(node: Any) -> set[str]:
    """The kinds of all nodes below one."""
    return {m.DESCRIPTOR.name for _, m in sqlfile.walk(node)}


def name_of(call: Any) -> str:
    """A called function's name, without its schema."""
    return str(call.funcname[-1].string.sval)
