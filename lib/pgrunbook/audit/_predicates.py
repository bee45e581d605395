"""The pure parse: a statement's text, by PostgreSQL's own grammar, to the columns that it tests.

It walks the protobuf nodes of libpg_query by hand, the kinds that say something of columns one by one and all others
alike, since thousands of texts have to be read in a second or two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import postgast

from pgrunbook.audit._conditions import PB, Conditions
from pgrunbook.audit._scopes import ANYTHING, ColumnTest, Levels, Output, Parsed, Query, Ref, Source

_KINDS = {f"{kind}_stmt": kind for kind in ("select", "insert", "update", "delete", "merge")}
# utility statements whose work is the application's; all others are housekeeping
_WORK = {
    "call_stmt", "do_stmt", "copy_stmt", "fetch_stmt", "execute_stmt", "refresh_mat_view_stmt", "create_table_as_stmt",
    "declare_cursor_stmt", "truncate_stmt",
}  # fmt: skip
# those with a query in them; what EXECUTE runs has the text of PREPARE, which itself is not counted
_AROUND = ("prepare_stmt", "declare_cursor_stmt", "copy_stmt", "create_table_as_stmt")


def parse(text: str) -> Parsed | None:
    """What a statement says of columns; None for housekeeping. Raises `postgast.PgQueryError`.

    >>> [(t.ref.name, t.op) for t in parse("select from t where a = $1 and lower(b) = $2 and c is null").tests]
    [('a', 'eq'), ('b', 'eq'), ('c', 'null')]
    """
    statements = postgast.parse(text).stmts
    if not statements:
        return None
    node = statements[0].stmt
    kind = node.WhichOneof("node")
    if kind in _KINDS:
        return _Reader(_KINDS[kind]).statement(node)
    inner = getattr(node, kind)
    if kind in _AROUND and inner.query.WhichOneof("node") in _KINDS:
        same = kind in ("prepare_stmt", "declare_cursor_stmt")
        parsed = _Reader(_KINDS[inner.query.WhichOneof("node")] if same else "other").statement(inner.query)
        parsed.fetched = kind == "declare_cursor_stmt"
        return parsed
    return _Reader("other").utility(kind, inner) if kind in _WORK else None


class _Reader(Conditions):
    """Reads one statement."""

    def statement(self, node: Any) -> Parsed:
        self.parsed.query = self.query(node, (), {}, outermost=True)
        return self.parsed

    def utility(self, kind: str, node: Any) -> Parsed:
        """A utility statement: the tables that it names, the procedure that it calls."""
        if kind == "truncate_stmt":
            for relation in node.relations:
                self._table(relation.range_var)
        elif kind in ("copy_stmt", "refresh_mat_view_stmt"):
            self._table(node.relation)
        elif kind == "call_stmt":
            self.parsed.functions.add(node.funccall.funcname[-1].string.sval)
        return self.parsed

    def query(self, node: Any, levels: Levels, ctes: dict[str, Query | None], *, outermost: bool = False) -> Query:
        """Any statement that may stand by itself, in a WITH or in a sub-query."""
        kind = node.WhichOneof("node")
        inner = getattr(node, kind)
        if kind == "select_stmt":
            return self._select(inner, levels, ctes, outermost=outermost)
        query = Query(([], *levels), ctes, sealed=True)
        if kind not in _KINDS:
            return query
        self._with(inner, query)
        target = self._table(inner.relation)
        query.sources.append(target)
        if outermost or self.parsed.target is None:
            self.parsed.target = target
        if self.parsed.kind == "select":
            self.parsed.kind = _KINDS[kind]  # a WITH that writes
        getattr(self, f"_{_KINDS[kind]}")(inner, query)
        if inner.HasField("returning_clause"):
            self._outputs(inner.returning_clause.exprs, query)
        return query

    def _insert(self, node: Any, query: Query) -> None:
        if node.HasField("select_stmt"):
            self.query(node.select_stmt, (), query.ctes)
        if node.HasField("on_conflict_clause"):
            query.sources.append(Source("excluded", columns=(ANYTHING,)))
            self._assign(node.on_conflict_clause.target_list, query)
            self.visit(node.on_conflict_clause.where_clause, query, None)  # no way to the row, which is found by then

    def _update(self, node: Any, query: Query) -> None:
        self._sources(node.from_clause, query)
        self._assign(node.target_list, query)
        self.where(node.where_clause, query)

    def _delete(self, node: Any, query: Query) -> None:
        self._sources(node.using_clause, query)
        self.where(node.where_clause, query)

    def _merge(self, node: Any, query: Query) -> None:
        self._sources([node.source_relation], query)
        self.where(node.join_condition, query)
        for item in node.merge_when_clauses:
            if item.merge_when_clause.command_type == PB.CMD_UPDATE:
                self._assign(item.merge_when_clause.target_list, query)

    def _assign(self, targets: Iterable[Any], query: Query) -> None:
        for item in targets:
            self.parsed.sets.append(item.res_target.name)
            self.visit(item.res_target.val, query, None)

    def _select(self, node: Any, levels: Levels, ctes: dict[str, Query | None], *, outermost: bool) -> Query:
        query = Query(([], *levels), ctes)
        self._with(node, query)
        if node.op in (PB.SETOP_UNION, PB.SETOP_INTERSECT, PB.SETOP_EXCEPT):
            query.branches = [
                self._select(side, levels, query.ctes, outermost=False) for side in (node.larg, node.rarg)
            ]
            query.outputs = query.branches[0].outputs
        else:
            self._sources(node.from_clause, query)
            self._outputs(node.target_list, query)
            for row in node.values_lists:
                self.visit(row, query, None)
            self.where(node.where_clause, query)
            self._group(node, query)
            self.visit(node.having_clause, query, None, counted=True)
        query.limited = node.HasField("limit_count") and not node.limit_count.a_const.isnull
        query.sealed |= query.limited or node.HasField("limit_offset")
        self.parsed.offset |= node.HasField("limit_offset")
        self.parsed.locking |= bool(node.locking_clause)
        if outermost:
            self.parsed.ordered = bool(node.sort_clause)
        if (outermost or query.limited) and not (query.branches or query.grouped):
            self._order(node.sort_clause, query)
        return query

    def _with(self, node: Any, query: Query) -> None:
        """Add a statement's CTEs to those around it; a recursive one can't be followed from inside."""
        if not node.HasField("with_clause"):
            return
        query.ctes = dict(query.ctes)
        for item in node.with_clause.ctes:
            cte = item.common_table_expr
            if node.with_clause.recursive:
                query.ctes[cte.ctename] = None
            inner = self.query(cte.ctequery, (), query.ctes)
            for name, output in zip(cte.aliascolnames, inner.outputs, strict=False):
                output.name = name.string.sval
            inner.sealed |= cte.ctematerialized == PB.CTEMaterializeAlways
            inner.sealed |= node.with_clause.recursive and bool(inner.branches)
            inner.uses = 0
            query.ctes[cte.ctename] = inner

    # ---- FROM -------------------------------------------------------------------------------------------------------

    def _sources(self, items: Iterable[Any], query: Query) -> None:
        for item in items:
            self._source(item, query)

    def _source(self, item: Any, query: Query) -> list[Source]:
        """An item of a FROM; returns the sources that it adds."""
        kind = item.WhichOneof("node")
        if kind == "join_expr":
            return self._join(item.join_expr, query)
        if kind == "range_table_sample":
            return self._source(item.range_table_sample.relation, query)
        inner = getattr(item, kind)
        if kind == "range_var":
            found = self._table(inner, query.ctes)
        else:
            columns = tuple(c.string.sval for c in inner.alias.colnames)
            found = Source(inner.alias.aliasname, None, None, columns)
            if kind == "range_subselect":
                found.query = self.query(inner.subquery, query.levels, query.ctes)
            else:
                self.visit(item, query, None)
                found.columns = (*(columns or (found.alias,)), ANYTHING)
            self.parsed.sources.append(found)
        query.sources.append(found)
        return [found]

    def _table(self, node: Any, ctes: dict[str, Query | None] | None = None) -> Source:
        """A table, or a CTE of that name."""
        found = Source(node.alias.aliasname or node.relname, columns=tuple(c.string.sval for c in node.alias.colnames))
        if ctes and not node.schemaname and node.relname in ctes:
            found.query = ctes[node.relname]
            if found.query:
                found.query.uses += 1
        else:
            found.table = (node.schemaname, node.relname)
        self.parsed.sources.append(found)
        return found

    def _join(self, node: Any, query: Query) -> list[Source]:
        start = len(self.parsed.tests)
        left, right = self._source(node.larg, query), self._source(node.rarg, query)
        found: list[ColumnTest] = []
        for name in node.using_clause:
            a, b = (Ref((side,), (), name.string.sval) for side in (left, right))
            found += [ColumnTest(a, "eq", (b,), plain=True), ColumnTest(b, "eq", (a,), plain=True)]
        if node.quals.WhichOneof("node") is not None:
            self.condition(node.quals, query, found)
        self.parsed.tests += found
        for kind, kept, added in ((PB.JOIN_LEFT, left, right), (PB.JOIN_RIGHT, right, left)):
            if node.jointype in (kind, PB.JOIN_FULL):
                self.parsed.keep(start, tuple(kept))
                for source in added:
                    source.nullable = True
        return left + right

    # ---- the answer -------------------------------------------------------------------------------------------------

    def _outputs(self, targets: Iterable[Any], query: Query) -> None:
        for item in targets:
            target = item.res_target
            if target.val.WhichOneof("node") != "column_ref":
                self.visit(target.val, query, None, counted=True)
                query.outputs.append(Output(target.name or _name_of(target.val)))
                continue
            ref = self.column(target.val.column_ref, query)
            if ref:
                query.outputs.append(Output(target.name or ref.name, ref))
            else:
                qualifier = tuple(part.string.sval for part in target.val.column_ref.fields[:-1])
                query.outputs.append(Output(ANYTHING, star=qualifier))

    def _group(self, node: Any, query: Query) -> None:
        """GROUP BY and DISTINCT: which outputs a condition may be tested on before."""
        query.grouped, query.distinct = bool(node.group_clause), bool(node.distinct_clause)
        grouped = [self._place(item, query) for item in node.group_clause]
        distinct: list[Ref | None] = []
        kept = grouped if query.grouped else None
        if query.distinct and node.distinct_clause[0].WhichOneof("node") is not None:  # ON (…)
            distinct = kept = [self._place(item, query) for item in node.distinct_clause]
        elif query.distinct:
            distinct = [output.ref for output in query.outputs]
        for op, places in (("group", grouped), ("distinct", distinct)):
            self.parsed.tests += [ColumnTest(ref, op, position=n) for n, ref in enumerate(places, 1) if ref]
        if kept is not None:
            names = {ref.name for ref in kept if ref}
            for output in query.outputs:
                output.passes = output.ref is not None and output.ref.name in names

    def _order(self, items: Iterable[Any], query: Query) -> None:
        for position, item in enumerate(items, 1):
            ref, text, functions = self._place(item.sort_by.node, query), "", tuple[str, ...]()
            if not ref and (expression := self.expression(item.sort_by.node, query)):
                ref, text, functions = expression
            if ref:
                test = ColumnTest(
                    ref, "order", expression=text, functions=functions, position=position, limited=query.limited
                )
                test.descending = item.sort_by.sortby_dir == PB.SORTBY_DESC
                self.parsed.tests.append(test)

    def _place(self, node: Any, query: Query) -> Ref | None:
        """The column that an item of ORDER BY or GROUP BY means: by its name, an output's name or number."""
        kind = node.WhichOneof("node")
        if kind == "a_const" and node.a_const.HasField("ival"):
            number = node.a_const.ival.ival
            return query.outputs[number - 1].ref if 0 < number <= len(query.outputs) else None
        if kind != "column_ref":
            self.visit(node, query, None)
            return None
        ref = self.column(node.column_ref, query)
        if ref and not ref.qualifier:
            for output in query.outputs:
                if output.name == ref.name:
                    return output.ref
        return ref


def _name_of(node: Any) -> str:
    """The name that the server gives an output which has none."""
    kind = node.WhichOneof("node")
    if kind == "func_call":
        return str(node.func_call.funcname[-1].string.sval)
    if kind == "type_cast":
        return _name_of(node.type_cast.arg) or str(node.type_cast.type_name.names[-1].string.sval)
    return str(node.column_ref.fields[-1].string.sval) if kind == "column_ref" else ""
