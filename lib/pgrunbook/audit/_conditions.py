"""Conditions and expressions of a statement: which columns are tested, how, and against what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from functools import cache
from typing import Any

import postgast

from pgrunbook.audit._scopes import ColumnTest, Levels, Parsed, Query, Ref, Source
from pgrunbook.sqlfile import quoted

PB = postgast.pg_query_pb2
_LEAVES = {"a_const", "param_ref", "set_to_default", "sqlvalue_function", "current_of_expr", "string", "a_star", None}
_RANGES = {"<", "<=", ">", ">=", "~<~", "~<=~", "~>~", "~>=~"}
_TEXT = {"text", "varchar"}  # one of the other is the same bytes, and the same index
_OF_EXPRESSIONS = ("eq", "in", "range", "prefix")
_OPPOSITE = {"null": "notnull", "notnull": "null", "true": "false", "false": "true"}
_BOOLEAN = {PB.IS_TRUE: "true", PB.IS_FALSE: "false", PB.IS_UNKNOWN: "null", PB.IS_NOT_UNKNOWN: "notnull"}
_BETWEEN = (PB.AEXPR_BETWEEN, PB.AEXPR_BETWEEN_SYM)
_LIKE = (PB.AEXPR_LIKE, PB.AEXPR_ILIKE)


class Conditions(ABC):
    """Reads conditions into tests."""

    def __init__(self, kind: str) -> None:
        self.parsed = Parsed(kind)
        self._eithers = 0

    @abstractmethod
    def query(self, node: Any, levels: Levels, ctes: dict[str, Query | None], *, outermost: bool = False) -> Query:
        """A sub-query, with its own tests."""

    def where(self, node: Any, query: Query) -> None:
        if node.WhichOneof("node") is not None:
            self.condition(node, query, self.parsed.tests)

    def condition(self, node: Any, query: Query, found: list[ColumnTest]) -> None:
        """The tests of a condition that has to be true."""
        kind = node.WhichOneof("node")
        if kind == "a_expr":
            self._comparison(node.a_expr, query, found)
        elif kind == "bool_expr" and node.bool_expr.boolop == PB.AND_EXPR:
            for one in node.bool_expr.args:
                self.condition(one, query, found)
        elif kind == "bool_expr":
            start = len(self.parsed.tests)
            branches: list[list[ColumnTest]] = [[] for _ in node.bool_expr.args]
            for one, branch in zip(node.bool_expr.args, branches, strict=True):
                self.condition(one, query, branch)
            self.parsed.keep(start, _all(query))  # what sub-queries in it added
            found += self._either(branches) if node.bool_expr.boolop == PB.OR_EXPR else _not(branches[0])
        elif kind == "column_ref":
            self._test(node, "true", query, found)
        elif kind == "null_test":
            null = node.null_test.nulltesttype == PB.IS_NULL
            self._test(node.null_test.arg, "null" if null else "notnull", query, found)
        elif kind == "boolean_test" and node.boolean_test.booltesttype == PB.IS_TRUE:
            self.condition(node.boolean_test.arg, query, found)
        elif kind == "boolean_test":
            self._test(node.boolean_test.arg, _BOOLEAN.get(node.boolean_test.booltesttype, "other"), query, found)
        elif kind == "sub_link":
            self._membership(node.sub_link, query, found)
        elif kind == "func_call" and node.func_call.funcname[-1].string.sval == "starts_with":
            self._compare(node.func_call.args[0], list(node.func_call.args[1:]), "prefix", query, found)
        else:
            self._others(node, query, found)

    def _either(self, branches: Sequence[list[ColumnTest]]) -> list[ColumnTest]:
        """An OR: of one column it is as good as an IN; else each test is told with its branch."""
        flat = [test for branch in branches for test in branch]
        if flat and all(len(b) == 1 and _same(b[0], flat[0]) for b in branches):
            flat[0].op = "range" if any(t.op == "range" for t in flat) else "in"
            return flat[:1]
        self._eithers += 1
        apart = all(branches) and not any(t.within for t in flat)
        for number, branch in enumerate(branches, 1):
            for test in branch:
                test.op, test.within = "other", test.within or test.op
                test.either, test.branch = (self._eithers, number) if apart else (0, 0)
        return flat

    def _comparison(self, node: Any, query: Query, found: list[ColumnTest]) -> None:
        operator, kind = node.name[-1].string.sval, node.kind
        left, right = node.lexpr, node.rexpr
        if operator == "=" and len(node.name) == 2 and node.name[0].string.sval == "pg_catalog":
            self.parsed.internal = True
        if kind == PB.AEXPR_OP and operator == "=":
            rows = [side.row_expr.args for side in (left, right) if side.WhichOneof("node") == "row_expr"]
            if len(rows) == 2 and len(rows[0]) == len(rows[1]):
                for a, b in zip(*rows, strict=True):
                    self._both(a, b, "eq", query, found)
            else:
                self._both(left, right, "eq", query, found)
        elif kind == PB.AEXPR_OP and operator in _RANGES:
            if left.WhichOneof("node") == right.WhichOneof("node") == "row_expr":  # of the others among equals only
                left, right = left.row_expr.args[0], right.row_expr.args[0]
            self._both(left, right, "range", query, found)
        elif kind in _BETWEEN:
            for bound in right.list.items:  # two bounds, as if written so
                self._compare(left, [bound], "range", query, found)
        elif kind == PB.AEXPR_IN and operator == "=":
            if left.WhichOneof("node") == "row_expr":
                for one in left.row_expr.args:
                    self._test(one, "in", query, found)
                self.visit(right, query, None)
            else:
                self._compare(left, right.list.items, "in", query, found)
        elif kind == PB.AEXPR_OP_ANY and operator == "=":
            self._compare(left, [right], "in", query, found)
        elif (kind == PB.AEXPR_OP and operator == "^@") or (kind in _LIKE and not operator.startswith("!")):
            self._compare(left, [right], "prefix" if operator == "^@" else _likeness(right, kind), query, found)
        else:
            self._others(left, query, found)
            self._others(right, query, found)

    def _both(self, left: Any, right: Any, op: str, query: Query, found: list[ColumnTest]) -> None:
        """A comparison that either side may be the column of; each side is gone through once."""
        sides = [self._tested(side, op, query) for side in (left, right)]
        for (test, _), (_, ref), other in zip(sides, sides[::-1], (right, left), strict=True):
            if test:
                found.append(test)
                self._against(test, [(other, ref)], query)
        if not any(test for test, _ in sides):
            self._others(left, query, found)
            self._others(right, query, found)

    def _membership(self, link: Any, query: Query, found: list[ColumnTest]) -> None:
        """EXISTS, whose tests are the sub-query's; and `column in (select …)`, a join with what it selects."""
        inner = self.query(link.subselect, query.levels, query.ctes)
        if not link.HasField("testexpr"):
            return
        if link.sub_link_type != PB.ANY_SUBLINK or (link.oper_name and link.oper_name[0].string.sval != "="):
            self._others(link.testexpr, query, found)
            return
        row = link.testexpr.WhichOneof("node") == "row_expr"
        for one, output in zip(link.testexpr.row_expr.args if row else [link.testexpr], inner.outputs, strict=False):
            test = self._test(one, "eq" if inner.has_tables else "in", query, found)
            if test and test.op == "eq":
                test.unknown = output.ref is None
                test.others, test.plain = ((output.ref,), True) if output.ref else ((), False)
                if output.ref and output.passes and not (test.expression or inner.sealed):
                    found.append(ColumnTest(output.ref, "eq", (test.ref,), plain=True))

    def _compare(self, node: Any, others: Iterable[Any], op: str, query: Query, found: list[ColumnTest]) -> None:
        """A column or an expression over one, compared with other things."""
        test = self._test(node, op, query, found)
        self._against(test, [(other, self.operand(other, query)) for other in others], query)

    def _against(self, test: ColumnTest | None, others: Sequence[tuple[Any, Ref | None]], query: Query) -> None:
        """What a test compares with: columns as they stand, and those within expressions."""
        refs: list[Ref] = []
        for other, ref in others:
            if ref:
                refs.append(ref)
            else:
                self.visit(other, query, refs)
        if test:
            test.others, test.plain = tuple(refs), len(others) == 1 and others[0][1] is not None

    def _test(self, node: Any, op: str, query: Query, found: list[ColumnTest]) -> ColumnTest | None:
        """Add a test of a column or of an expression; of anything else only its columns."""
        test, _ = self._tested(node, op, query)
        if test:
            found.append(test)
        else:
            self._others(node, query, found)
        return test

    def _tested(self, node: Any, op: str, query: Query) -> tuple[ColumnTest | None, Ref | None]:
        """The test of a column, or of an expression that an index can hold; and the column if it is one."""
        if ref := self.operand(node, query):
            return ColumnTest(ref, op), ref
        if expression := self.expression(node, query):
            of, text, functions = expression
            return ColumnTest(of, op if op in _OF_EXPRESSIONS else "other", expression=text, functions=functions), None
        return None, None

    def _others(self, node: Any, query: Query, found: list[ColumnTest]) -> None:
        refs: list[Ref] = []
        self.visit(node, query, refs)
        found += [ColumnTest(ref, "other") for ref in refs]

    # ---- expressions ------------------------------------------------------------------------------------------------

    def column(self, node: Any, query: Query) -> Ref | None:
        """What a column_ref names; None for a whole row."""
        names = [part.string.sval for part in node.fields]  # empty for a star
        return Ref(query.levels, tuple(names[:-1]), names[-1]) if names[-1] else None

    def operand(self, node: Any, query: Query) -> Ref | None:
        """A column by itself, also one that is cast."""
        kind = node.WhichOneof("node")
        if kind == "column_ref":
            return self.column(node.column_ref, query)
        if kind != "type_cast" or node.type_cast.arg.WhichOneof("node") != "column_ref":
            return None
        ref = self.column(node.type_cast.arg.column_ref, query)
        if ref:
            named = node.type_cast.type_name
            ref.cast = "[]" if named.array_bounds else named.names[-1].string.sval
        return ref

    def expression(self, node: Any, query: Query) -> tuple[Ref, str, tuple[str, ...]] | None:
        """Functions of one column and of nothing else, as an index would hold them: column, text, functions."""
        if node.WhichOneof("node") != "func_call":
            return None
        columns: list[Ref] = []
        functions: list[str] = []
        text = self._written(node, query, columns, functions)
        return (columns[0], text, tuple(functions)) if text and len(columns) == 1 else None

    def _written(self, node: Any, query: Query, columns: list[Ref], functions: list[str]) -> str:
        if node.WhichOneof("node") == "func_call":
            call = node.func_call
            if call.HasField("over") or not call.args:
                return ""
            names = [part.string.sval for part in call.funcname]
            functions.append(names[-1])
            arguments = [self._written(one, query, columns, functions) for one in call.args]
            named = quoted(*(names[1:] if names[0] == "pg_catalog" else names))
            return f"{named}({', '.join(arguments)})" if all(arguments) else ""
        ref = self.operand(node, query)
        if not ref or (ref.cast and ref.cast not in _TEXT):
            return ""
        columns.append(ref)
        return quoted(ref.name)

    def visit(self, node: Any, query: Query, refs: list[Ref] | None, *, counted: bool = False) -> None:
        """Go through an expression: its columns into `refs`, its sub-queries, its functions.

        `counted`: the functions may be aggregates of this query's answer.
        """
        kind = node.WhichOneof("node")
        if kind in _LEAVES:
            return
        inner = getattr(node, kind)
        if kind == "column_ref":
            if refs is not None and (ref := self.column(inner, query)):
                refs.append(ref)
            return
        if kind == "sub_link":
            start = len(self.parsed.tests)
            self.query(inner.subselect, query.levels, query.ctes)
            self.parsed.keep(start, _all(query))
            if refs is not None:
                refs += _correlated(self.parsed.tests[start:], len(query.levels))
            self.visit(inner.testexpr, query, refs, counted=counted)
            return
        if kind == "func_call":
            self.parsed.functions.add(".".join(part.string.sval for part in inner.funcname))
            if inner.HasField("over"):
                query.sealed = True
            elif counted:
                query.functions.add(inner.funcname[-1].string.sval)
        for name, repeated in _children(inner.DESCRIPTOR):
            for child in getattr(inner, name) if repeated else (getattr(inner, name),):
                self.visit(child, query, refs, counted=counted)


@cache
def _children(kind: Hashable) -> tuple[tuple[str, bool], ...]:
    """The fields of a kind of node, by its descriptor, that hold further nodes."""
    fields = kind.fields  # type: ignore[attr-defined]
    return tuple((f.name, f.is_repeated) for f in fields if f.message_type and f.message_type.name == "Node")


def _all(query: Query) -> tuple[Source, ...]:
    """What a query reads and what is around it."""
    return tuple(source for level in query.levels for source in level)


def _correlated(tests: Iterable[ColumnTest], outside: int) -> list[Ref]:
    """The columns of a sub-query's tests that say by their qualifier that they are not its own."""
    found = []
    for ref in (r for t in tests for r in (t.ref, *t.others)):
        own = ref.levels[: len(ref.levels) - outside]
        if ref.qualifier and not any(s.alias == ref.qualifier[-1] for level in own for s in level):
            found.append(ref)
    return found


def _same(test: ColumnTest, first: ColumnTest) -> bool:
    """Whether two tests may be one: of the same thing, each against parameters."""
    simple = test.op in ("eq", "in", "range", "null") and not (test.others or test.unknown)
    return simple and (test.ref.written, test.expression) == (first.ref.written, first.expression)


def _not(tests: list[ColumnTest]) -> list[ColumnTest]:
    for test in tests:
        test.op = _OPPOSITE.get(test.op, "other") if len(tests) == 1 else "other"
    return tests


def _likeness(pattern: Any, kind: int) -> str:
    """A constant pattern has a known beginning; one in a parameter may begin with %."""
    text = pattern.a_const.sval.sval if pattern.WhichOneof("node") == "a_const" else ""
    return "prefix" if kind == PB.AEXPR_LIKE and text and text[0] not in "%_" else "like"
