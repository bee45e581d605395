"""PostgreSQL's CREATE INDEX in SQLite's words: what becomes of it, what is left out, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.sqlite.text import folded, literal, quoted

_PB = postgast.pg_query_pb2
_NO_SUCH_METHOD = {"gin", "gist", "brin", "spgist"}
_FOR_LIKE = {"text_pattern_ops", "varchar_pattern_ops", "bpchar_pattern_ops"}
_COLLATIONS = {"nocase": "NOCASE", "rtrim": "RTRIM", "binary": "BINARY", "c": "", "posix": "", "default": ""}
_FUNCTIONS = {"lower", "upper", "length", "abs"}
_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">="}
_ARITHMETIC = {"+", "-", "*", "||"}
_TEXT_TYPES = {"text", "varchar", "bpchar", "name"}


class NotTaken(Exception):
    """What SQLite has nothing for."""


@dataclass(frozen=True, slots=True)
class Translated:
    """An index's DDL for SQLite, and how it differs from what was written."""

    sql: str
    notes: tuple[str, ...]


class _Translation:
    """One pass over a CREATE INDEX. `columns` are the table's, by their folded names."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = columns
        self.notes: list[str] = []

    def index(self, node: Any, table: str) -> str:
        self._method(node.access_method)
        terms = ", ".join(self._term(p.index_elem, unique=node.unique) for p in node.index_params)
        self._left_out(node)
        where = f" WHERE {self.condition(node.where_clause)}" if node.HasField("where_clause") else ""
        unique = "UNIQUE " if node.unique else ""
        return f"CREATE {unique}INDEX {quoted(node.idxname)} ON {quoted(table)} ({terms}){where}"

    def _method(self, method: str) -> None:
        if method in _NO_SUCH_METHOD:
            raise NotTaken(f"an index of method {method}")
        if method == "hash":
            self.notes.append("SQLite has no hash index: a B-tree takes its place, which serves equality as well")
        elif method not in ("", "btree"):
            raise NotTaken(f"an index of method {method}")

    def _left_out(self, node: Any) -> None:
        if node.unique and node.nulls_not_distinct:
            raise NotTaken("NULLS NOT DISTINCT")
        if node.index_including_params:
            names = ", ".join(p.index_elem.name for p in node.index_including_params)
            self.notes.append(f"INCLUDE ({names}) is left out: SQLite has none, so the table is looked up for them")
        if node.options:
            self.notes.append("the storage parameters (WITH) are left out: SQLite has none")
        if node.table_space:
            self.notes.append("the tablespace is left out: SQLite has one file")

    def _term(self, element: Any, *, unique: bool) -> str:
        term = self._column(element.name) if element.name else self._whole(element.expr)
        if element.opclass:
            name = element.opclass[-1].string.sval
            if name not in _FOR_LIKE:
                raise NotTaken(f"operator class {name}")
            self.notes.append(f"{name} is left out: SQLite compares bytes anyway; GLOB 'x*' reads the index")
        if element.collation:
            term += self._collation(element.collation[-1].string.sval, unique=unique)
        if element.ordering == _PB.SORTBY_DESC:
            term += " DESC"
        against = _PB.SORTBY_NULLS_FIRST if element.ordering == _PB.SORTBY_DESC else _PB.SORTBY_NULLS_LAST
        if element.nulls_ordering == against:
            self.notes.append("NULLS FIRST or LAST is left out: in SQLite NULL is less than any value")
        return term

    def _collation(self, name: str, *, unique: bool) -> str:
        known = _COLLATIONS.get(name.lower())
        if known is None:
            if unique:
                raise NotTaken(f"a unique index with collation {name}")
            self.notes.append(f"collation {name} is left out: SQLite has none of that name, and compares bytes")
        return f" COLLATE {known}" if known else ""

    def _whole(self, node: Any) -> str:
        text = self.expression(node)
        return text if node.WhichOneof("node") == "func_call" or text.startswith("(") else f"({text})"

    def _column(self, name: str) -> str:
        # SQLite takes a quoted name that is no column for a text, and would index that
        if folded(name) not in self._columns:
            raise NotTaken(f"column {name}, which the table does not have")
        return quoted(self._columns[folded(name)])

    def condition(self, node: Any) -> str:
        """A predicate: tests for NULL, comparisons, lists, AND, OR, NOT."""
        kind = node.WhichOneof("node")
        if kind == "bool_expr":
            parts = [
                f"({self.condition(a)})" if self._is_compound(a) else self.condition(a) for a in node.bool_expr.args
            ]
            if node.bool_expr.boolop == _PB.NOT_EXPR:
                return f"NOT ({self.condition(node.bool_expr.args[0])})"
            return (" AND " if node.bool_expr.boolop == _PB.AND_EXPR else " OR ").join(parts)
        if kind == "null_test":
            word = "IS NULL" if node.null_test.nulltesttype == _PB.IS_NULL else "IS NOT NULL"
            return f"{self.expression(node.null_test.arg)} {word}"
        if kind == "boolean_test":
            test = {_PB.IS_TRUE: "IS TRUE", _PB.IS_NOT_TRUE: "IS NOT TRUE", _PB.IS_FALSE: "IS FALSE",
                    _PB.IS_NOT_FALSE: "IS NOT FALSE"}.get(node.boolean_test.booltesttype)  # fmt: skip
            if test:
                return f"{self.expression(node.boolean_test.arg)} {test}"
        if kind == "a_expr" and node.a_expr.kind == _PB.AEXPR_OP:
            operator = node.a_expr.name[-1].string.sval
            if operator in _COMPARISONS:
                left, right = self.expression(node.a_expr.lexpr), self.expression(node.a_expr.rexpr)
                return f"{left} {_COMPARISONS[operator]} {right}"
        if kind == "a_expr" and node.a_expr.kind == _PB.AEXPR_IN:
            word = "IN" if node.a_expr.name[-1].string.sval == "=" else "NOT IN"
            values = ", ".join(self.expression(v) for v in node.a_expr.rexpr.list.items)
            return f"{self.expression(node.a_expr.lexpr)} {word} ({values})"
        if kind == "column_ref":
            return self.expression(node)
        raise NotTaken(f"the predicate {sqlfile.expression(node)}")

    @staticmethod
    def _is_compound(node: Any) -> bool:
        return bool(node.WhichOneof("node") == "bool_expr" and node.bool_expr.boolop != _PB.NOT_EXPR)

    def expression(self, node: Any) -> str:
        """A column, a constant, or what both databases compute alike."""
        kind = node.WhichOneof("node")
        if kind == "column_ref":
            return self._column(node.column_ref.fields[-1].string.sval)
        if kind == "a_const":
            return _constant(node.a_const)
        if kind == "type_cast":
            type_name = node.type_cast.type_name.names[-1].string.sval
            of_text = node.type_cast.arg.WhichOneof("node") in ("a_const", "column_ref") and type_name in _TEXT_TYPES
            if of_text:
                return self.expression(node.type_cast.arg)
            if type_name == "bool" and node.type_cast.arg.a_const.sval.sval in ("t", "f"):
                return "TRUE" if node.type_cast.arg.a_const.sval.sval == "t" else "FALSE"
        if kind == "coalesce_expr":
            return f"coalesce({', '.join(map(self.expression, node.coalesce_expr.args))})"
        if kind == "func_call":
            name = node.func_call.funcname[-1].string.sval
            if name in _FUNCTIONS:
                if name in ("lower", "upper"):
                    self.notes.append(f"SQLite's {name}() changes the letters A to Z alone")
                return f"{name}({', '.join(map(self.expression, node.func_call.args))})"
        if kind == "a_expr" and node.a_expr.kind == _PB.AEXPR_OP:
            operator = node.a_expr.name[-1].string.sval
            if operator in _ARITHMETIC and node.a_expr.HasField("lexpr"):
                left, right = (self.expression(n) for n in (node.a_expr.lexpr, node.a_expr.rexpr))
                return f"({left} {operator} {right})"
        raise NotTaken(f"the expression {sqlfile.expression(node)}")


def translated(node: Any, table: str, columns: Mapping[str, str]) -> Translated:
    """A parsed CREATE INDEX for SQLite. Raises `NotTaken` with what SQLite has nothing for."""
    translation = _Translation(columns)
    sql = translation.index(node, table)
    return Translated(sql, tuple(dict.fromkeys(translation.notes)))


def takes_predicate(node: Any, columns: Mapping[str, str]) -> bool:
    """Whether SQLite could have the index partial."""
    try:
        _Translation(columns).condition(node.where_clause)
    except NotTaken:
        return False
    return True


def _constant(const: Any) -> str:
    if const.isnull:
        return "NULL"
    kind = const.WhichOneof("val")
    if kind == "sval":
        return literal(const.sval.sval)
    if kind == "ival":
        return str(const.ival.ival)
    if kind == "fval":
        return str(const.fval.fval)
    if kind == "boolval":
        return "TRUE" if const.boolval.boolval else "FALSE"
    raise NotTaken("a constant of bits")
