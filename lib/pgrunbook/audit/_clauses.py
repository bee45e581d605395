"""What one clause of a policy calls, and with what it compares its table's columns: read off its parse tree.

The text is pg_get_expr's with an empty search_path, so that every name of a function or table comes qualified. There a
column of the policy's own table stands alone outside sub-queries, and behind the table's name within them, where every
other column stands behind an alias, and the server sees to it that none of these is the table's name. A sub-query that
names the own table is run for each row; one that names nothing from outside runs once for each query, as an InitPlan
(`= (select f())`, `exists (…)`, `array(…)`) or hashed (`in (select …)`), which reads its own tables row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import postgast

from pgrunbook.sqlfile import deparsed, quoted

_PB = postgast.pg_query_pb2
Scope = Literal["row", "inner", "once"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the policy's table. `varying`: of a type that is read as text without a conversion.

    `few`: of a type that has only a few values.
    """

    name: str
    number: int
    never_null: bool
    varying: bool
    few: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """What counts of a function that is called. `counts` is false for what costs next to nothing, as now() does.

    `oid` is 0 for the server's own; `returns` is its type, quoted.
    """

    oid: int
    name: str
    volatility: str
    returns: str = ""
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    """A call, and how often it is made: for each `row` of the policy's table, for each of an `inner` query, or once.

    `on_columns`: an argument depends on a row. `over` (schema and name) is the table of the inner query, `key` the
    column there that is compared with what the call returns: an index on it makes one call of many.
    """

    function: Function
    scope: Scope
    on_columns: bool
    over: tuple[str, str] = ("", "")
    key: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """A column that is compared by `=`, `in` or `any`, and with what.

    `cast`: it is converted first. `either`: it stands under an OR of which another arm compares no column.
    """

    column: int
    with_: Literal["constant", "value", "query"]
    cast: bool = False
    either: bool = False


@dataclass(frozen=True, slots=True)
class _Where:
    scope: Scope
    over: tuple[str, str] = ("", "")
    key: str = ""
    aliases: Mapping[str, tuple[str, str]] = field(default_factory=dict)


_ROW = _Where("row")
Resolve = Callable[[Any], "Function | None"]


class Clause:
    """A clause of a policy on `table`; `resolve` tells the function that a call's node means, None for no matter which.

    >>> def resolve(call):
    ...     name = call.funcname[-1].string.sval
    ...     return Function(1, name, "s", "int4[]") if name != "lower" else None
    >>> def calls(text):
    ...     return [(c.function.name, c.scope, c.on_columns) for c in Clause(text, "t", resolve).calls()]
    >>> calls("a = uid() and b = (select uid())")
    [('uid', 'row', False), ('uid', 'once', False)]
    >>> calls("may(a) and lower(a) = 'x' and (select may(t.a))")
    [('may', 'row', True), ('may', 'row', True)]
    >>> calls("a in (select m.a from s.m where m.u = uid())")
    [('uid', 'inner', False)]
    >>> calls("exists (select from s.m where m.a = t.a and m.u = uid())")
    [('uid', 'row', False)]
    """

    def __init__(self, text: str, table: str, resolve: Resolve) -> None:
        self._tree = postgast.parse("select " + text)
        self._table = table
        self._resolve = resolve
        self._seen: list[tuple[Call, Any, str]] | None = None

    @property
    def node(self) -> Any:
        """The expression's node."""
        return self._tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val

    def calls(self) -> list[Call]:
        """All calls of functions that are of interest, as they stand in the text."""
        return [call for call, _, _ in self._found()]

    def wrapped(self) -> str:
        """The clause with each call that is made for rows but depends on none as `(select f())`; empty if none is.

        >>> def wrapped(text):
        ...     return Clause(text, "t", lambda _: Function(1, "f", "s", "int4[]")).wrapped()
        >>> wrapped("a = uid() or (select uid()) = 2"), wrapped("a = (select uid())"), wrapped("may(a, uid(b()))")
        ('a = (SELECT uid()) OR (SELECT uid()) = 2', '', 'may(a, (SELECT uid(b())))')
        >>> wrapped("a = any (mine())")
        'a = ANY((SELECT mine())::int4[])'
        """
        changed: list[tuple[Any, str]] = []
        for call, node, returns in self._found():
            if call.function.counts and call.scope != "once" and not call.on_columns:
                changed.append((node, returns))
        outermost = [(node, returns) for node, returns in changed if not any(_within(node, n) for n, _ in changed)]
        if not outermost:
            return ""
        kept = [(node, _copy(node)) for node, _ in outermost]
        for node, returns in outermost:
            node.CopyFrom(_selected(node, returns))
        text = deparsed(self._tree).removeprefix("SELECT ")
        for node, before in kept:
            node.CopyFrom(before)
        return text

    def uses(self, columns: Mapping[str, Column]) -> list[Use]:
        """The columns of the own table that an index could be asked for.

        >>> columns = {n: Column(n, i, False, n == "v") for i, n in enumerate("abv", 1)}
        >>> def uses(text):
        ...     found = Clause(text, "t", lambda _: None).uses(columns)
        ...     return [("abv"[u.column - 1], u.with_, u.cast, u.either) for u in found]
        >>> uses("a = f() and 1 = b and a = b and b <> 1 and not a = 2")
        [('a', 'value', False, False), ('b', 'constant', False, False)]
        >>> uses("a = any (f()) or b in (select x.b from x)"), uses("a = f() or open")
        ([('a', 'value', False, False), ('b', 'query', False, False)], [('a', 'value', False, True)])
        >>> uses("v::text = 'x'::text and a::text = f()"), uses("exists (select from m where m.a = t.a)")
        ([('v', 'constant', False, False), ('a', 'value', True, False)], [])
        """
        return list(self._uses(self.node, columns, either=False))

    def _uses(self, node: Any, columns: Mapping[str, Column], *, either: bool) -> Iterator[Use]:
        match node.WhichOneof("node"):
            case "bool_expr" if node.bool_expr.boolop == _PB.AND_EXPR:
                for arg in node.bool_expr.args:
                    yield from self._uses(arg, columns, either=either)
            case "bool_expr" if node.bool_expr.boolop == _PB.OR_EXPR:
                arms = [list(self._uses(arg, columns, either=either)) for arg in node.bool_expr.args]
                for use in (use for arm in arms for use in arm):
                    yield replace(use, either=use.either or not all(arms))
            case "a_expr":
                yield from self._compared(node.a_expr, columns, either=either)
            case "sub_link":
                link = node.sub_link
                if link.sub_link_type != _PB.ANY_SUBLINK or self._depends(link.subselect):
                    return
                if not link.oper_name or link.oper_name[-1].string.sval == "=":
                    row = link.testexpr.WhichOneof("node") == "row_expr"
                    for tested in link.testexpr.row_expr.args if row else [link.testexpr]:
                        yield from _use(tested, "query", columns, either=either)

    def _compared(self, node: Any, columns: Mapping[str, Column], *, either: bool) -> Iterator[Use]:
        if node.name[-1].string.sval != "=" or not node.HasField("lexpr"):
            return
        sides = [(node.lexpr, node.rexpr)]
        if node.kind == _PB.AEXPR_OP:
            sides.append((node.rexpr, node.lexpr))
        elif node.kind not in (_PB.AEXPR_OP_ANY, _PB.AEXPR_IN):
            return
        for side, other in sides:
            if not self._depends(other):
                yield from _use(side, "value" if _asks(other) else "constant", columns, either=either)

    def _depends(self, node: Any) -> bool:
        """Whether what stands there depends on a row of the own table."""
        return bool(_outside(node) & {"", self._table})

    def _found(self) -> list[tuple[Call, Any, str]]:
        """The calls, each with its node and, where it stands for an array, the type that it has to be cast to."""
        if self._seen is None:
            self._seen = list(self._visit(self.node, _ROW))
        return self._seen

    def _visit(self, message: Any, where: _Where, *, array: bool = False) -> Iterator[tuple[Call, Any, str]]:
        if message.DESCRIPTOR.name != "Node":
            for child in _children(message):
                yield from self._visit(child, where)
            return
        kind = message.WhichOneof("node")
        match kind:
            case None | "column_ref" | "a_const" | "range_var":
                return
            case "sub_link":
                link = message.sub_link
                if link.HasField("testexpr"):
                    yield from self._visit(link.testexpr, where)
                yield from self._visit(link.subselect, self._below(link, where))
            case "range_function" if where.scope == "inner":
                for child in _children(message.range_function):
                    yield from self._visit(child, replace(where, scope="once"))
            case "a_expr":
                yield from self._operands(message.a_expr, where)
            case "func_call":
                call = message.func_call
                if function := self._resolve(call):
                    over = where.over if where.scope == "inner" else ("", "")
                    key = where.key if where.scope == "inner" else ""
                    made = Call(function, where.scope, bool(_outside(message)), over, key)
                    yield made, message, function.returns if array else ""
                for child in _children(call):
                    yield from self._visit(child, replace(where, key=""))
            case _:
                for child in _children(getattr(message, kind)):
                    yield from self._visit(child, where)

    def _operands(self, node: Any, where: _Where) -> Iterator[tuple[Call, Any, str]]:
        several = node.kind in (_PB.AEXPR_OP_ANY, _PB.AEXPR_OP_ALL)
        equal = node.name[-1].string.sval == "="
        for side, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            below = where
            if equal and where.scope == "inner" and (found := _inner_column(other, where.aliases)):
                below = replace(where, over=found[:2], key=found[2])
            yield from self._visit(side, below, array=several and side is node.rexpr)

    def _below(self, link: Any, where: _Where) -> _Where:
        """Where the inside of a sub-query stands."""
        outside = _outside(link.subselect) - {""}
        aliases = dict(_tables(link.subselect))
        if self._table in outside:
            return _Where("row", aliases=aliases)
        if outside:  # of the query around it
            return replace(where, aliases={**where.aliases, **aliases})
        over = next(iter(aliases.values()), None)
        hashed = link.sub_link_type in (_PB.ANY_SUBLINK, _PB.ALL_SUBLINK)
        return _Where("inner", over, aliases=aliases) if over and hashed else _Where("once")


def _use(
    node: Any, with_: Literal["constant", "value", "query"], columns: Mapping[str, Column], *, either: bool
) -> Iterator[Use]:
    cast = False
    while node.WhichOneof("node") == "type_cast":
        kind = node.type_cast.type_name.names[-1].string.sval
        node, cast = node.type_cast.arg, cast or kind not in ("text", "varchar")
        textual = kind in ("text", "varchar")
        if node.WhichOneof("node") == "column_ref" and textual:
            name = node.column_ref.fields[0].string.sval
            cast = cast or not (name in columns and columns[name].varying)
    if node.WhichOneof("node") == "column_ref" and len(node.column_ref.fields) == 1:
        column = columns.get(node.column_ref.fields[0].string.sval)
        if column and not (column.few and with_ == "constant"):
            yield Use(column.number, with_, cast, either)


def _inner_column(node: Any, aliases: Mapping[str, tuple[str, str]]) -> tuple[str, str, str] | None:
    """The table and column of an inner query that a node is."""
    if node.WhichOneof("node") != "column_ref" or len(node.column_ref.fields) != 2:
        return None
    alias, name = (part.string.sval for part in node.column_ref.fields)
    return (*aliases[alias], name) if alias in aliases and name else None


def _asks(message: Any) -> bool:
    """Whether something is more than literals: a call, a sub-query, the session's user."""
    return any(n.DESCRIPTOR.name in ("FuncCall", "SubLink", "SQLValueFunction") for n in _all(message))


def calls_in(message: Any) -> list[Any]:
    """The nodes of all calls below a node."""
    return [node for node in _all(message) if node.DESCRIPTOR.name == "FuncCall"]


def name_of(call: Any) -> tuple[str, ...]:
    """The parts of the name by which a call's node names its function."""
    return tuple(part.string.sval for part in call.funcname)


def shown(*name: str) -> str:
    """A function's name for a person: that of the server's own without a schema."""
    return quoted(*(part for part in name if part != "pg_catalog"))


def _selected(node: Any, returns: str) -> Any:
    """A node as `(select node)`, cast where the grammar would take it for a list of rows."""
    made = _copy(_expression("(select null)"))
    made.sub_link.subselect.select_stmt.target_list[0].res_target.val.CopyFrom(node)
    if not returns:
        return made
    cast = _expression(f"null::{returns}")
    cast.type_cast.arg.CopyFrom(made)
    return cast


def _expression(text: str) -> Any:
    return postgast.parse("select " + text).stmts[0].stmt.select_stmt.target_list[0].res_target.val


def _copy(node: Any) -> Any:
    made = _PB.Node()
    made.CopyFrom(node)
    return made


def _within(node: Any, other: Any) -> bool:
    """Whether a node stands below another one."""
    return node is not other and any(below is node for below in _all(other))


def _outside(message: Any) -> set[str]:
    """The aliases that something names and does not bind itself; "" for a column that stands alone."""
    named: set[str] = set()
    bound: set[str] = set()
    _collect(message, named, bound, alone=True)
    return named - bound


def _collect(message: Any, named: set[str], bound: set[str], *, alone: bool) -> None:
    match message.DESCRIPTOR.name:
        case "ColumnRef":
            fields = message.fields
            if len(fields) > 1:
                named.add(fields[0].string.sval)
            elif alone and fields[0].WhichOneof("node") == "string":
                named.add("")
        case "RangeVar":
            bound.add(message.alias.aliasname or message.relname)
        case "RangeSubselect" | "RangeFunction" | "JoinExpr" | "RangeTableFunc":
            bound.add(message.alias.aliasname)
        case "CommonTableExpr":
            bound.add(message.ctename)
    for child in _children(message):
        _collect(child, named, bound, alone=alone and message.DESCRIPTOR.name != "SelectStmt")


def _tables(message: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """The tables that a query reads itself, by alias; those of its own sub-queries in expressions are left out."""
    if message.DESCRIPTOR.name == "RangeVar":
        if message.schemaname:  # else it is a CTE
            yield message.alias.aliasname or message.relname, (message.schemaname, message.relname)
    elif message.DESCRIPTOR.name != "SubLink":
        for child in _children(message):
            yield from _tables(child)


def _all(message: Any) -> Iterator[Any]:
    yield message
    for child in _children(message):
        yield from _all(child)


def _children(message: Any) -> Iterator[Any]:
    for described, value in message.ListFields():
        if described.message_type is not None:
            yield from value if described.is_repeated else (value,)
