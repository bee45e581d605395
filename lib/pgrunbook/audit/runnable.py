"""A statement as pg_stat_statements keeps it, `$1` for every constant, made a query that can be run and measured.

Each parameter gets a name and is sampled from the column that it is compared with. What can't be run is told with its
reason, never guessed at; the few values that no column tells are assumed, and said to be.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.audit import sampler
from pgrunbook.audit._parameters import Reader, Table, kinds, name_of
from pgrunbook.audit.sampler import Compared, Source
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlFileError, deparsed, expression, quoted

_PB = postgast.pg_query_pb2
_PARAM = _PB.Token.PARAM
_TRIED = "pgrunbook_runnable"
_MOST_ROWS = 2e6  # of a larger table a part is sampled, about as many
_CUT_FROM = 1990  # characters: the facts hold no longer texts
_HIDDEN = "-- the rest of the text"
_PLANNED = ("select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt")
_CLOCKS = ("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp")
_CLOCK_VALUES = {
    _PB.SVFOP_CURRENT_TIMESTAMP: "timestamptz",
    _PB.SVFOP_CURRENT_TIMESTAMP_N: "timestamptz",
    _PB.SVFOP_LOCALTIMESTAMP: "timestamptz::timestamp",
    _PB.SVFOP_LOCALTIMESTAMP_N: "timestamptz::timestamp",
    _PB.SVFOP_CURRENT_DATE: "timestamptz::date",
}
_IN_ANY_ORDER = (
    "array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "xmlagg", "row_number",
    "first_value", "last_value", "nth_value", "lag", "lead", "ntile",
)  # fmt: skip


class NotRunnable(ValueError):
    """Why a statement can't be made runnable."""


@dataclass(frozen=True, slots=True)
class Runnable:
    """A query with psql variables, and the queries that sample their values, by class.

    `harmless` are the variables whose values tell nothing of a person, `notes` what a reader has to know, `by` the
    columns that the parameters are compared with, `table` the first one in the FROM list, empty for none.
    """

    sql: str
    binds: Mapping[str, str]
    harmless: tuple[str, ...]
    notes: tuple[str, ...]
    by: tuple[str, ...]
    table: str = ""


def runnable(database: Database, text: str, *, relations: Iterable[int] = (), rows_per_call: float = 0) -> Runnable:
    """Make a normalised statement runnable on a database that has its tables; it is planned there, and never run.

    `relations` are the oids of its tables, where they are known: its names may be those of another search_path.
    Raises `NotRunnable`.
    """
    tree, notes = _query(text)
    top = tree.stmts[0].stmt.select_stmt
    _tidy(tree)
    clock = _stop_clock(tree)
    _refuse_volatile(database, tree)
    read = Reader(_qualified(database, tree, relations))
    read.read(top)
    numbered, order = _numbered(deparsed(tree))
    types = dict(zip(order, _types(database, numbered), strict=True))
    fixed, assumed = _fixed(read, types, clock, rows_per_call)
    chosen = {n: read.compared[n] for n in order if n in read.compared and n not in fixed and n != clock}
    names = _names(order, read, fixed, clock)
    sql = _named(_counted(tree, top, notes), names, types)
    sources = _sources(top, read, chosen.values())
    binds = sampler.queries(
        sources, {n: names[n] for n in chosen}, types, {names[n]: value for n, value in fixed.items()}
    )
    _try(database, sql, set(names.values()), binds.values())
    if assumed:
        notes.append(
            f"Assumed, for no column tells: {', '.join(f'{names[n]} {value}' for n, value in assumed.items())}."
        )
    harmless = [names[n] for n in order if n in fixed or n == clock]
    by = dict.fromkeys(read.columns[n] for n in chosen)
    table = next((str(t) for scope in read.scopes.values() for t in scope.tables.values() if t), "")
    return Runnable(sql, binds, tuple(harmless), tuple(notes), tuple(by), table)


def plannable(database: Database, text: str, *, relations: Iterable[int] = ()) -> str:
    """A normalised statement as the server's grammar takes it, its tables with their schemas, `$1` and all.

    Raises `NotRunnable`.
    """
    tree = _parsed(text)
    if tree.stmts[0].stmt.WhichOneof("node") not in _PLANNED:
        raise NotRunnable("it is nothing that is planned")
    _tidy(tree)
    _qualified(database, tree, relations)
    return deparsed(tree)


def whole_text(database: Database, fact: Mapping[str, Any]) -> str:
    """A statement's text: the facts have the beginning of it, on one line, where a comment would hide what follows.

    Where it can't be had it is none, which nobody takes for the statement.
    """
    text = str(fact["text"])
    if len(text) < _CUT_FROM and "--" not in text:
        return text
    schema = database.value(
        "select pg_catalog.quote_ident(n.nspname) from pg_catalog.pg_extension e"
        " join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'"
    )
    whole = f"select query from {schema}.pg_stat_statements where queryid = $1::int8 order by calls desc limit 1"  # noqa: S608
    try:
        return (database.value(whole, [str(fact["id"])]) if schema else "") or _HIDDEN
    except errors.StatementFailed:  # the library is not loaded, or the role may not read it
        return _HIDDEN


# -- the text ----------------------------------------------------------------------------------------------------


def _parsed(text: str) -> Any:
    """The parse tree, without the constants that the server left in a text now and then."""
    try:
        tree = postgast.parse(postgast.normalize(text) if "'" in text or "$" not in text else text)
    except postgast.PgQueryError as e:
        raise NotRunnable(f"its text can't be parsed ({e.message:.80}); it may have been cut off") from None
    if len(tree.stmts) != 1:
        raise NotRunnable("its text is not one statement, or can't be read as a whole")
    return tree


def _query(text: str) -> tuple[Any, list[str]]:
    """The parse tree of the query that a statement is, or of the one for the rows that it looks for."""
    tree = _parsed(text)
    statement = tree.stmts[0].stmt
    kind = statement.WhichOneof("node")
    notes = []
    if kind in ("update_stmt", "delete_stmt"):
        written = getattr(statement, kind)
        read = postgast.parse("select count(*) as rows from t")
        query = read.stmts[0].stmt.select_stmt
        query.from_clause[0].range_var.CopyFrom(written.relation)
        query.from_clause.extend(written.from_clause if kind == "update_stmt" else written.using_clause)
        if written.HasField("where_clause"):
            query.where_clause.CopyFrom(written.where_clause)
        if written.HasField("with_clause"):
            query.with_clause.CopyFrom(written.with_clause)
        notes.append(f"The rows that an {kind.partition('_')[0].upper()} looks for.".replace("an DELETE", "a DELETE"))
        tree = read
    elif kind != "select_stmt":
        raise NotRunnable("it writes, and looks nothing up")
    writing = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "into_clause", "current_of_expr")
    if any(name in writing for name, _ in sqlfile.walk(tree.stmts[0].stmt)):
        raise NotRunnable("it writes inside a query")
    return tree, notes


def _tidy(tree: Any) -> None:
    """Make a text what the server takes: no locks, one number where two were one constant, `extract` as a function."""
    for _, node in sqlfile.walk(tree):
        message: Any = node
        match message.DESCRIPTOR.name:
            case "SelectStmt":
                del message.locking_clause[:]
                _same_expressions(message)
            case "A_Expr" if len(message.name) == 2 and message.name[0].string.sval == "pg_catalog":
                del message.name[0]  # as the server's own look-ups for foreign keys are written
            case "FuncCall" if name_of(message) == "extract":  # its grammar takes no parameter there
                del message.funcname[:]
                for part in ("pg_catalog", "date_part"):
                    message.funcname.add().string.sval = part
                message.funcformat = _PB.COERCE_EXPLICIT_CALL


def _stop_clock(tree: Any) -> int:
    """Make the time a parameter, whose number is returned; 0 where nobody asks for it."""
    nodes: list[Any] = [m for _, m in sqlfile.walk(tree)]
    clock = 1 + max((m.number for m in nodes if m.DESCRIPTOR.name == "ParamRef"), default=0)
    found = [(m, time) for m in nodes if m.DESCRIPTOR.name == "Node" and (time := _time(m))]
    for node, time in found:
        node.CopyFrom(_expression(f"${clock}::{time}"))
    return clock if found else 0


def _time(node: Any) -> str:
    """What a node that asks for the time casts it to; empty for any other node."""
    if node.HasField("func_call") and name_of(node.func_call) in _CLOCKS and not node.func_call.args:
        return "timestamptz"
    return _CLOCK_VALUES.get(node.sqlvalue_function.op, "") if node.HasField("sqlvalue_function") else ""


def _same_expressions(select: Any) -> None:
    """`date_trunc($1, a) … group by date_trunc($2, a)` was one expression before its constants were numbered."""
    targets = [t.res_target.val for t in select.target_list]
    shown = {_without_numbers(t): t for t in targets if "ParamRef" in kinds(t)}
    wanted = [*select.group_clause, *(s.sort_by.node for s in select.sort_clause), *select.distinct_clause]
    for node in wanted:
        if same := shown.get(_without_numbers(node)):
            node.CopyFrom(same)


def _without_numbers(node: Any) -> bytes:
    bare = type(node)()
    bare.CopyFrom(node)
    for _, message in [("", bare), *sqlfile.walk(bare)]:
        for name in ("number", "location"):
            if name in message.DESCRIPTOR.fields_by_name:
                message.ClearField(name)
    return bytes(bare.SerializeToString(deterministic=True))


def _expression(sql: str) -> Any:
    return postgast.parse(f"select {sql}").stmts[0].stmt.select_stmt.target_list[0].res_target.val


def _refuse_volatile(database: Database, tree: Any) -> None:
    called = sorted({name_of(m) for _, m in sqlfile.walk(tree) if m.DESCRIPTOR.name == "FuncCall"})

    found = [f.name for f in database.fetch("volatile_functions", _Function, names=called)] if called else []
    if found:
        raise NotRunnable(f"it calls {found[0]}(), which may write, or answer differently each time")


@dataclass(frozen=True, slots=True)
class _Function:
    name: str


def _qualified(database: Database, tree: Any, relations: Iterable[int]) -> dict[str, Table]:
    """Give every table its schema; the tables by their qualified names. Raises `NotRunnable` for an unknown one."""
    ctes = {m.ctename for _, m in sqlfile.walk(tree) if m.DESCRIPTOR.name == "CommonTableExpr"}  # type: ignore[attr-defined]
    named: list[Any] = [m for _, m in sqlfile.walk(tree) if m.DESCRIPTOR.name == "RangeVar"]
    named = [n for n in named if n.schemaname or n.relname not in ctes]
    asked = sorted({quoted(n.schemaname, n.relname) for n in named})
    found = database.fetch("runnable_tables", Table, relations=[int(r) for r in relations], names=asked)
    tables = {}
    for one in named:
        fitting = [t for t in found if t.name == one.relname and one.schemaname in ("", t.schema)]
        meant = [t for t in fitting if t.known] or fitting
        if len(meant) != 1:
            raise NotRunnable(f"there is {'no' if not meant else 'more than one'} table {one.relname} that it may mean")
        one.schemaname = meant[0].schema
        tables[str(meant[0])] = meant[0]
    return tables


def _numbered(text: str) -> tuple[str, list[int]]:
    """The text with its parameters numbered from 1 in their order, and the old numbers in that order."""
    order: list[int] = []

    def number(old: int) -> str:
        if old not in order:
            order.append(old)
        return f"${order.index(old) + 1}"

    return _replaced(text, lambda old, _: number(old)), order


def _replaced(text: str, by: Any) -> str:
    """The text with each parameter replaced by what `by` says of its number and of what follows it."""
    raw, out, done = text.encode(), [], 0
    for token in postgast.scan(text).tokens:
        if token.token == _PARAM:
            new = by(int(raw[token.start + 1 : token.end]), raw[token.end :].decode())
            out.append(raw[done : token.start] + new.encode())
            done = token.end
    return b"".join([*out, raw[done:]]).decode()


def _types(database: Database, text: str) -> tuple[str, ...]:
    """The types that the server takes a statement's parameters for. Raises `NotRunnable` with what it says else."""
    try:
        database.execute(f"prepare {_TRIED} as {text}")
    except errors.StatementFailed as e:
        raise NotRunnable(f"the server says: {e.message}") from None
    try:
        return tuple(
            database.value(
                "select parameter_types::text[] from pg_catalog.pg_prepared_statements where name = $1", [_TRIED]
            )
        )
    finally:
        database.execute(f"deallocate {_TRIED}")


def _fixed(
    read: Reader, types: Mapping[int, str], clock: int, rows_per_call: float
) -> tuple[dict[int, str], dict[int, str]]:
    """The values, as SQL, of parameters that are compared with no column, and those of them that are assumed."""
    fixed, assumed = {}, {}
    for number, kind in types.items():
        if number == clock or number in read.compared:
            continue
        if number in read.limits:
            assumed[number] = str(max(1, round(rows_per_call)))
        elif number in read.offsets:
            assumed[number] = "0"
        elif number in read.units:
            assumed[number] = "'day'"
        elif kind == "interval":
            assumed[number] = "'7 days'"
        elif number not in read.tested:
            fixed[number] = f"null::{kind}"
        else:
            raise NotRunnable(f"${number} is compared {read.unclear.get(number, 'with no column of a table')}")
    return {**fixed, **assumed}, assumed


def _names(order: Sequence[int], read: Reader, fixed: Mapping[int, str], clock: int) -> dict[int, str]:
    """A name for each parameter: its column's, as far as psql takes it."""
    names: dict[int, str] = {}
    for number in order:
        if number == clock:
            names[number] = "now"
            continue
        if number in read.limits | read.offsets:
            wanted = "row_limit" if number in read.limits else "row_offset"
        elif number in fixed:
            wanted = "unit" if number in read.units else "span" if "days" in fixed[number] else "unknown"
        else:
            wanted = re.sub(r"[^a-z0-9]+", "_", read.columns[number].lower()).strip("_")
            wanted = wanted if wanted[:1].isalpha() else f"p_{wanted}"
        taken = {*names.values(), "now"}
        names[number] = next(n for k in count(1) if (n := wanted if k == 1 else f"{wanted}_{k}") not in taken)
    return names


def _counted(tree: Any, top: Any, notes: list[str]) -> str:
    """The statement on several lines; its rows counted where which of them it returns, or how, is left to the plan."""
    text = _on_lines(deparsed(tree))
    for _, message in [("", top), *sqlfile.walk(top)]:
        node: Any = message
        chosen = node.DESCRIPTOR.name == "SelectStmt" and (
            node.HasField("limit_count")
            or node.HasField("limit_offset")
            or any(d.WhichOneof("node") for d in node.distinct_clause)
        )
        if chosen or (node.DESCRIPTOR.name == "FuncCall" and name_of(node) in _IN_ANY_ORDER and not node.agg_order):
            notes.append("Its rows are counted, for the statement leaves it to the plan which rows, or in what order.")
            inside = "\n".join(f"  {line}" for line in text.splitlines())
            return f"SELECT count(answer) AS rows\nFROM (\n{inside}\n) AS answer"
    return text


def _on_lines(plain: str) -> str:
    """A statement laid out; as it is where the layout would be another statement, or none."""
    text = str(postgast.format_sql(plain)).strip().removesuffix(";")
    try:
        same = postgast.fingerprint(text).hex == postgast.fingerprint(plain).hex
    except postgast.PgQueryError:
        same = False
    return text if same else plain


def _named(text: str, names: Mapping[int, str], types: Mapping[int, str]) -> str:
    def variable(number: int, rest: str) -> str:
        return f":'{names[number]}'" + ("" if rest.lstrip().startswith("::") else f"::{types[number]}")

    return _replaced(text, variable)


def _try(database: Database, sql: str, names: set[str], binds: Iterable[str]) -> None:
    """Have the server plan what was made; a failure is a reason, not an error."""
    try:
        (found,) = sqlfile.split(sql, variables=True)
    except (SqlFileError, ValueError) as e:
        raise NotRunnable(f"its parameters can't be named: {e}") from None
    if set(found.parameters) != names:
        raise NotRunnable("its parameters can't be named where they stand")
    _types(database, found.sql)
    for query in binds:
        try:
            database.rows(f"explain {query}")
        except errors.StatementFailed as e:
            raise NotRunnable(f"its values can't be sampled: {e.message}") from None


# -- where the values are sampled --------------------------------------------------------------------------------------


def _sources(top: Any, read: Reader, chosen: Iterable[Compared]) -> list[Source]:
    """The statement's own FROM where all stands in it, and it is not too large; else each table by itself."""
    chosen = tuple(chosen)
    outer = read.scopes[0]
    small = all(t and t.rows <= _MOST_ROWS for t in outer.tables.values())
    if chosen and small and top.op == _PB.SETOP_NONE and all(c.scope == outer.number for c in chosen):
        return [Source(_from_text(top), tuple(map(expression, _plain_conditions(top))), chosen)]
    found = []
    for place in dict.fromkeys((c.scope, c.alias) for c in chosen):
        table = read.scopes[place[0]].tables[place[1]]
        if table is None:  # then nothing was resolved to it
            continue
        own = tuple(c for c in chosen if (c.scope, c.alias) == place)
        named = f"{table} as {quoted(place[1])}"
        if table.rows > _MOST_ROWS and table.kind in "rmp":
            named += f" tablesample system ({100 * _MOST_ROWS / table.rows:.3g}) repeatable (42)"
        found.append(Source(named, (), own))
    return found


def _plain_conditions(select: Any) -> list[Any]:
    """Those of a WHERE's conditions that hold no parameter and no sub-query."""
    return [c for c in _conditions(select.where_clause) if not {"ParamRef", "SubLink"} & kinds(c)]


def _conditions(where: Any) -> Iterator[Any]:
    if where.HasField("bool_expr") and where.bool_expr.boolop == _PB.AND_EXPR:
        for one in where.bool_expr.args:
            yield from _conditions(one)
    elif where.WhichOneof("node"):
        yield where


def _from_text(select: Any) -> str:
    """A FROM list without the conditions of its joins that hold parameters."""
    tree = postgast.parse("select * from t")
    alone = tree.stmts[0].stmt.select_stmt
    del alone.from_clause[:]
    alone.from_clause.extend(select.from_clause)
    for _, message in sqlfile.walk(tree):
        node: Any = message
        if node.DESCRIPTOR.name == "JoinExpr" and "ParamRef" in kinds(node.quals):
            kept = [expression(c) for c in _conditions(node.quals) if not {"ParamRef", "SubLink"} & kinds(c)]
            node.quals.CopyFrom(_expression(" and ".join(kept) or "true"))
    return deparsed(tree).removeprefix("SELECT * FROM ")
