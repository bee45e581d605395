"""What row security policies call and compare: the facts for the lints, and what EXPLAIN says to one of them.

A helper in SQL is looked into, up to five calls deep: what it calls is called as often as the helper is. The bodies of
other languages are not read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import postgast

from pgrunbook.audit import NotSeen
from pgrunbook.audit._clauses import Call, Clause, Column, Function, Use, calls_in, name_of, shown
from pgrunbook.audit._constants import Folding, truth
from pgrunbook.audit._policy_plans import confirm as confirm
from pgrunbook.db import Database

_DEEPEST = 5
_MOST_NOT_SEEN = 10
# of the server's own functions those that look something up; the others (now, to_char, …) cost next to nothing
_LOOKS_UP = re.compile(r"current_setting|set_config|pg_has_role|has_\w+_privilege|row_security_active|pg_sleep\w*")
_WORST = "ivs"  # of functions that can't be told apart by their arguments the last of these is taken


@dataclass(frozen=True, slots=True)
class _Policy:
    relation: int
    object: str
    table: str
    policy: str
    command: str
    permissive: bool
    roles: list[int]
    using: str
    check: str
    functions: list[int]


@dataclass(frozen=True, slots=True)
class _ColumnRow:
    relation: int
    name: str
    number: int
    never_null: bool
    varying: bool
    few: bool


@dataclass(frozen=True, slots=True)
class _FunctionRow:
    """A function of the catalog; `fewest` and `most` are how many arguments a call may give."""

    oid: int
    schema: str
    name: str
    language: str
    volatility: str
    fewest: int
    most: int
    returns: str
    strict: bool
    body: str
    search_path: str

    def function(self) -> Function:
        """What counts of it; those of the server's own are not asked here."""
        return Function(self.oid, shown(self.schema, self.name), self.volatility, self.returns)


@dataclass(frozen=True, slots=True)
class _Body:
    """What a function in SQL calls, and the one expression that it is, if it is no more than that."""

    calls: tuple[Any, ...]
    expression: Any | None


class _Functions:
    """The functions of all policies, and those that they call by way of others."""

    def __init__(self, database: Database, oids: Collection[int]) -> None:
        self.by_oid: dict[int, _FunctionRow] = {}
        self._by_name: dict[str, list[_FunctionRow]] = {}
        self._bodies: dict[int, _Body] = {}
        wanted, names = set(oids), set[str]()
        for _ in range(_DEEPEST):
            if not wanted | names:
                break
            found = database.fetch("audit_policy_functions", _FunctionRow, oids=sorted(wanted), names=sorted(names))
            new = [row for row in found if row.oid not in self.by_oid]
            for row in new:
                self.by_oid[row.oid] = row
                self._by_name.setdefault(row.name, []).append(row)
                self._bodies[row.oid] = _body(row)
            called = {name_of(call)[-1] for row in new for call in self._bodies[row.oid].calls}
            wanted, names = set(), called - set(self._by_name)

    def body(self, oid: int) -> _Body:
        """What a function calls; nothing where its body is not read."""
        return self._bodies.get(oid, _Body((), None))

    def in_policy(self, call: Any, functions: Collection[int]) -> Function | None:
        """The function that a call in a policy means; `functions` are those that the policy depends on."""
        name = name_of(call)
        if len(name) == 1 or name[0] == "pg_catalog":
            return _own(name[-1])
        same = [row for row in self._by_name.get(name[-1], ()) if row.schema == name[0]]
        row = _chosen([row for row in same if row.oid in functions] or same, len(call.args))
        return row.function() if row else None

    def in_body(self, call: Any, caller: _FunctionRow) -> _FunctionRow | Function | None:
        """The function that a call in a function's body means: by its own search_path, else by its neighbours."""
        name = name_of(call)
        same = self._by_name.get(name[-1], [])
        if len(name) > 1 and name[0] != "pg_catalog":
            return _chosen([row for row in same if row.schema == name[0]], len(call.args))
        if name[0] == "pg_catalog" or any(row.schema == "pg_catalog" for row in same) or _LOOKS_UP.fullmatch(name[-1]):
            return _own(name[-1])
        path = (
            [part.strip(' "') for part in caller.search_path.split(",")]
            if caller.search_path
            else [caller.schema, "public"]
        )
        near = next((rows for schema in path if (rows := [r for r in same if r.schema == schema])), same)
        return _chosen(near, len(call.args))

    def below(self, oid: int) -> list[Function]:
        """All that a function calls by way of its body, and counts."""
        found: dict[str, Function] = {}
        seen, level = {oid}, [oid]
        for _ in range(_DEEPEST):
            callees = [self.in_body(call, self.by_oid[one]) for one in level for call in self.body(one).calls]
            level = []
            for callee in callees:
                function = callee.function() if isinstance(callee, _FunctionRow) else callee
                if function and function.counts:
                    found.setdefault(function.name, function)
                if isinstance(callee, _FunctionRow) and callee.oid not in seen:
                    seen.add(callee.oid)
                    level.append(callee.oid)
        return list(found.values())

    def constant(self, call: Any, functions: Collection[int], depth: int = 0) -> Any:
        """What a call returns whatever it is given: true, where its body is no more than `select true`."""
        function = self.in_policy(call, functions)
        row = self.by_oid.get(function.oid) if function else None
        if row is None or row.strict or depth > _DEEPEST or (body := self.body(row.oid).expression) is None:
            return None
        return truth(body, Folding({}, lambda inner: self.constant(inner, self.by_oid, depth + 1)))


@dataclass(frozen=True, slots=True)
class _Read:
    """What one clause says: parts of its policy's fact."""

    holds: bool | None
    uses: tuple[Use, ...]
    calls: tuple[dict[str, Any], ...]
    wrapped: str


class _Reader:
    """Reads clauses; thousands of policies say the same, so that each text is parsed once for what it means there."""

    def __init__(self, functions: _Functions) -> None:
        self._functions = functions
        self._known: dict[tuple[Any, ...], _Read] = {}

    def clause(self, text: str, policy: _Policy, columns: Mapping[str, Column]) -> _Read:
        """What a clause says of a table with these columns."""
        named = {name: column for name, column in columns.items() if name.replace('"', '""') in text}
        table = policy.table if policy.table.replace('"', '""') in text else ""
        key = (text, table, tuple(named.values()), tuple(policy.functions))
        if key not in self._known:
            self._known[key] = self._read(text, policy, named)
        return self._known[key]

    def _read(self, text: str, policy: _Policy, columns: Mapping[str, Column]) -> _Read:
        functions = self._functions
        folding = Folding(
            {column.name: column.never_null for column in columns.values()},
            lambda call: functions.constant(call, policy.functions),
        )
        clause = Clause(text, policy.table, lambda call: functions.in_policy(call, policy.functions))
        if (holds := truth(clause.node, folding)) is not None:  # then the planner drops all the rest
            return _Read(holds, (), (), "")
        return _Read(
            None,
            tuple(dict.fromkeys(clause.uses(columns))),
            tuple(_calls(clause, functions)),
            clause.wrapped(),
        )


def read(database: Database) -> tuple[list[dict[str, Any]], list[NotSeen]]:
    """One fact for each policy, as `policies` of the lints has it, and the policies that could not be read."""
    with database.transaction(read_only=True, search_path="pg_catalog"):
        policies = database.fetch("audit_policies", _Policy)
        relations = sorted({policy.relation for policy in policies})
        rows = database.fetch("audit_policy_columns", _ColumnRow, relations=relations)
        functions = _Functions(database, {oid for policy in policies for oid in policy.functions})
    columns = {
        relation: {row.name: Column(row.name, row.number, row.never_null, row.varying, row.few) for row in of}
        for relation, of in groupby(rows, lambda row: row.relation)
    }
    reader = _Reader(functions)
    facts, unread = [], []
    for policy in policies:
        try:
            facts.append(_fact(policy, columns.get(policy.relation, {}), reader))
        except (postgast.PgQueryError, RecursionError):
            unread.append(policy.object)
    return facts, _not_seen(unread)


def _not_seen(unread: Sequence[str]) -> list[NotSeen]:
    more = f"; and {len(unread) - _MOST_NOT_SEEN} more" if len(unread) > _MOST_NOT_SEEN else ""
    if not unread:
        return []
    why = "the parser does not read their expressions"
    return [NotSeen("what these policies call and compare: " + "; ".join(unread[:_MOST_NOT_SEEN]) + more, why)]


def _fact(policy: _Policy, columns: Mapping[str, Column], reader: _Reader) -> dict[str, Any]:
    texts = {"using": policy.using, "check": policy.check}
    read = {name: reader.clause(text, policy, columns) for name, text in texts.items() if text}
    uses = read["using"].uses if "using" in read else ()
    held = {name: clause.holds for name, clause in read.items()}
    return {
        "relation": policy.relation,
        "policy": policy.policy,
        "object": policy.object,
        "command": policy.command,
        "permissive": policy.permissive,
        "roles": policy.roles,
        **texts,
        "columns": sorted({use.column for use in uses}),
        "uses": [{"column": u.column, "with": u.with_, "cast": u.cast, "either": u.either} for u in uses],
        "constant": "true" if True in held.values() else "false" if held and set(held.values()) == {False} else "",
        "always": sorted(name for name, value in held.items() if value is True),
        "calls": [{"clause": name, **call} for name, clause in read.items() for call in clause.calls],
        "wrapped": {name: read[name].wrapped if name in read else "" for name in texts},
    }


def _calls(clause: Clause, functions: _Functions) -> Iterator[dict[str, Any]]:
    for call in dict.fromkeys(clause.calls()):
        if call.function.counts:
            yield _call(call, call.function, functions, "")
        # a call of an immutable function without a row's value is computed once, when the query is planned
        if call.scope != "once" and (call.function.volatility != "i" or call.on_columns):
            for inner in functions.below(call.function.oid):
                yield _call(call, inner, functions, call.function.name)


def _call(call: Call, function: Function, functions: _Functions, via: str) -> dict[str, Any]:
    row = functions.by_oid.get(function.oid)
    return {
        "function": function.oid,
        "name": function.name,
        "volatility": function.volatility,
        "language": row.language if row else "internal",
        "bare": call.scope == "row",
        "on_columns": call.on_columns,
        "via": via,
        "over": list(call.over) if call.scope == "inner" else None,
        "key": call.key,
    }


def _own(name: str) -> Function | None:
    """A function of the server's own, where it looks something up."""
    if not _LOOKS_UP.fullmatch(name):
        return None
    return Function(0, name, "v" if name.startswith(("set_config", "pg_sleep")) else "s")


def _chosen(rows: Sequence[_FunctionRow], arguments: int) -> _FunctionRow | None:
    """Of functions with one name that which takes so many arguments; of several the one that is never precomputed."""
    fitting = [row for row in rows if row.fewest <= arguments <= row.most] or list(rows)
    return max(fitting, key=lambda row: (_WORST.index(row.volatility), -row.oid), default=None)


def _body(row: _FunctionRow) -> _Body:
    """What a function's source calls; nothing where it is not SQL or can't be parsed."""
    if not row.body or row.schema == "pg_catalog":
        return _Body((), None)
    try:
        tree = postgast.parse(row.body)
    except postgast.PgQueryError:
        return _Body((), None)
    return _Body(tuple(calls_in(tree)), _expression(tree))


def _expression(tree: Any) -> Any | None:
    """The expression of a body that is `select EXPRESSION` and nothing beside it."""
    if len(tree.stmts) != 1:
        return None
    statement = tree.stmts[0].stmt
    if statement.WhichOneof("node") == "create_function_stmt":
        sql_body = statement.create_function_stmt.sql_body
        if sql_body.WhichOneof("node") == "return_stmt":
            return sql_body.return_stmt.returnval
        return None
    if statement.WhichOneof("node") != "select_stmt":
        return None
    query = statement.select_stmt
    used = {described.name for described, _ in query.ListFields()} - {"limit_option", "op", "target_list"}
    return query.target_list[0].res_target.val if not used and len(query.target_list) == 1 else None
