"""How often the expressions of row security policies ran for a query: counted by the server, not guessed from its text.

A function that is called is counted by the server itself: track_functions, read in the same transaction before and
after, less the calls that planning makes to estimate. One that is inlined is called by nobody; there the plan of
EXPLAIN (ANALYZE) tells how many rows each node with the expression looked at. How an inlined call reads is asked of the
server too, with an EXPLAIN of `select f()`.

Seen on PostgreSQL 18.6, 2,132 rows of `conv`, 5 of `members`, auth.uid() inlined as `(((NULLIF(current_setting(…)))`:

    user_id = auth.uid()                           Seq Scan, Filter with the expression: rows + removed = 2,132
    auth.uid() in (select … where … = conv.id)     the same, "(ANY (expression = (SubPlan 1).col1))": 2,132
    org_id in (select … where user_id = auth.uid())
                                                   "(ANY (org_id = (hashed SubPlan 1).col1))"; the expression is in the
                                                   Filter of the sub-plan's own scan of members, loops=1: 5
    user_id = (select auth.uid())                  InitPlan 1, a Result with the expression as its Output: 1; never
                                                   executed where nobody asked for it: 0
    is_member(org_id), SECURITY DEFINER            Filter with the call, and as many calls as rows: 2,132
    org_id in (select my_orgs()), the same         ProjectSet with the call as its Output, below a hashed SubPlan: 1

So a node's own rows × loops tell the truth wherever it stands; no reference to an InitPlan has to be followed, which
17 and newer write as `(InitPlan 1).col1`, older ones as `$0`. A key of an index is computed once a scan, hence its
loops. Behind an AND or OR the server may spare itself the expression: such a count is "at most".

13 to 16 write the second of these as `(SubPlan 1)` and do not show what is looked for in it (seen on 15.18). There the
policy's own text tells that its IN begins with the function, and the nodes with a sub-plan in the Filter on that table
are counted; it may be a hashed one or not, the left side is computed for each row in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import postgast

from pgrunbook import errors
from pgrunbook.db import Database
from pgrunbook.measure import asking
from pgrunbook.measure.sampling import nodes
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.sqlfile import quoted

_SETTING = "current_setting()"
_CALLS, _PLAN, _AT_MOST = "calls", "the plan", "the plan, at most"
_REMOVED = {"Filter": "Rows Removed by Filter", "Join Filter": "Rows Removed by Join Filter"}
_ONCE_A_LOOP = ("Index Cond", "TID Cond", "One-Time Filter", "Function Call")
_BELOW = {"Outer", "Inner", "Member", "Subquery"}
_DEEPEST = 5
_SUB_PLAN = r"SubPlan \d+"
_SHOWN_FROM = 170000  # plans show what is looked for in a sub-plan


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How often one expression of the policies ran for a query with one bind set. `evaluations` is None if unknown."""

    query: str
    binds: str
    expression: str
    policies: str
    evaluations: int | None
    counted_by: str

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Evaluation:
        return cls(**row)


@dataclass(frozen=True, slots=True)
class _Policy:
    schema: str
    table: str
    policy: str
    expression: str
    functions: list[int]

    @property
    def name(self) -> str:
        return f"{self.table}: {self.policy}"

    def looks_for(self, function: str) -> bool:
        """Whether the left side of an `in (select …)` calls a function, and not in a sub-query of its own."""
        tested = [link.testexpr for link in _walk(_parsed(self.expression), "sub_link") if link.HasField("testexpr")]
        return any(function in _names(test, within="sub_link") for test in tested)


@dataclass(frozen=True, slots=True)
class Function:
    """A function as plans may show it."""

    oid: int
    signature: str
    schema: str
    name: str
    arguments: list[str]
    may_be_inlined: bool
    source: str
    calls: list[int]


@dataclass(frozen=True, slots=True)
class _Expression:
    """What is looked for: calls of `oid` (0 for none), `pattern` in plans; one that is `inlined` is no call there.

    `hidden` are the tables at whose sub-plans this server's plans do not show it.
    """

    shown: str
    oid: int
    pattern: re.Pattern[str]
    inlined: bool
    policies: tuple[_Policy, ...]
    hidden: frozenset[tuple[str, str]] = frozenset()


def count(db: Database, query: Query, binds: Sequence[BindSet], timeout_s: float) -> list[Evaluation]:
    """Count for one query over its bind sets. Raises `BadTarget` where its role can't be had."""
    asking.require_role(db, query.role, f"workload/{query.name}.sql")
    policies = db.fetch("policies_for", _Policy, role=query.role)
    expressions = list(_expressions(db, policies))
    tracked = _may_track(db)
    found: list[Evaluation] = []
    for one in binds:
        found += _count(db, query, one, timeout_s, policies, expressions, tracked=tracked)
    return found


def of_query(found: Sequence[Evaluation], query: str) -> int | None:
    """One number for a query: that of the expression and bind set that ran most often; None where none is known."""
    own = [e for e in found if e.query == query]
    known = [e.evaluations for e in own if e.evaluations is not None]
    return max(known) if known else None


def _may_track(db: Database) -> bool:
    """Whether this role may count calls: a superuser, or with SET on the parameter (15 and newer)."""
    try:
        with db.transaction(rollback=True, track_functions="all"):
            return True
    except errors.StatementFailed:
        return False


def _count(
    db: Database,
    query: Query,
    binds: BindSet,
    timeout_s: float,
    policies: Sequence[_Policy],
    expressions: Sequence[_Expression],
    *,
    tracked: bool,
) -> list[Evaluation]:
    local = {"statement_timeout": f"{int(timeout_s * 1000)}ms", "max_parallel_workers_per_gather": "0"}
    local |= {"track_functions": "all"} if tracked else {}
    calls: dict[int, int] = {}
    plans: list[dict[str, Any]] = []
    try:
        for statement in query.statements:
            values = [binds.values[p] for p in statement.parameters]
            settings = local | asking.of_query(query, binds.values)
            with db.transaction(read_only=True, **settings):  # type: ignore[arg-type]
                start = _calls(db)
                db.rows(f"explain {statement.sql}", values)
                planned = _calls(db)
                plans.append(
                    db.value(f"explain (analyze, verbose, timing off, format json) {statement.sql}", values)[0]["Plan"]
                )
                for oid, number in _calls(db).items():
                    planning = planned.get(oid, 0) - start.get(oid, 0)
                    calls[oid] = calls.get(oid, 0) + number - planned.get(oid, 0) - planning
    except errors.StatementCancelled:
        return [Evaluation(query.name, binds.label, "all", "", None, f"over {timeout_s:g} s")]
    read = {(n.get("Schema"), n.get("Relation Name")) for plan in plans for n in nodes(plan)}
    rows = [
        Evaluation(
            query.name,
            binds.label,
            one.shown,
            "; ".join(p.name for p in one.policies if (p.schema, p.table) in read),
            *_of(one, calls, plans, tracked=tracked),
        )
        for one in expressions
        if any((p.schema, p.table) in read for p in one.policies)
    ]
    if not rows:
        under = [p.name for p in policies if (p.schema, p.table) in read]
        return [Evaluation(query.name, binds.label, "none: no policy calls a function", "; ".join(under), 0, _PLAN)]
    known = [r for r in rows if r.evaluations is not None]
    return known or rows


def _calls(db: Database) -> dict[int, int]:
    """Calls of this session's transaction so far, by function."""
    return {row[0]: row[1] for row in db.rows("select funcid::int8, calls from pg_catalog.pg_stat_xact_user_functions")}


def _of(
    one: _Expression, calls: dict[int, int], plans: Sequence[dict[str, Any]], *, tracked: bool
) -> tuple[int | None, str]:
    """How often an expression ran, and how that is known."""
    if tracked and one.oid and (not one.inlined or calls.get(one.oid)):
        return calls.get(one.oid, 0), _CALLS
    seen = [c for plan in plans for node in nodes(plan) for c in _in_node(node, one)]
    if not seen:
        return (
            None,
            "not measurable: track_functions takes a superuser" if one.oid and not tracked else "not in the plan",
        )
    return sum(number for number, _ in seen), _AT_MOST if any(bound for _, bound in seen) else _PLAN


def _in_node(node: dict[str, Any], one: _Expression) -> Iterator[tuple[int, bool]]:
    """Evaluations of an expression by one node of a plan, and whether they are at most so many."""
    pattern = re.compile(f"{one.pattern.pattern}|{_SUB_PLAN}") if _hides(node, one) else one.pattern
    loops, rows = float(node.get("Actual Loops", 0)), float(node.get("Actual Rows", 0))
    for key, removed in _REMOVED.items():
        text = node.get(key, "")
        for match in pattern.finditer(text):
            spared = re.search(r" (?:AND|OR) ", text[: match.start()]) is not None
            yield round((rows + float(node.get(removed, 0))) * loops), spared
    for key in _ONCE_A_LOOP:
        for _ in pattern.finditer(node.get(key, "")):
            yield round(loops), False
    children = node.get("Plans", ())
    if node["Node Type"] == "ProjectSet":  # once for each row that it is handed
        rows, loops = (float(children[0].get(k, 1)) for k in ("Actual Rows", "Actual Loops"))
    elif any(child.get("Parent Relationship") in _BELOW for child in children):
        return  # it hands on what was computed below
    for _ in pattern.finditer(", ".join(node.get("Output", ()))):
        yield round(rows * loops), False


def _hides(node: dict[str, Any], one: _Expression) -> bool:
    return (node.get("Schema"), node.get("Relation Name")) in one.hidden


def _expressions(db: Database, policies: Sequence[_Policy]) -> Iterator[_Expression]:
    """The functions that policies call, also by way of functions that may be inlined; and current_setting by itself."""
    known: dict[int, Function] = {}
    asked, names = {oid for p in policies for oid in p.functions}, set[str]()
    for _ in range(_DEEPEST):
        new = [
            f for f in db.fetch("functions", Function, oids=sorted(asked), names=sorted(names)) if f.oid not in known
        ]
        known |= {f.oid: f for f in new}
        asked, names = set(), set()
        for function in new:
            asked |= set(_helpers(function)[0])
            names |= _helpers(function)[1]
        if not asked | names:
            break
    callers = {oid: {n for n, p in enumerate(policies) if oid in p.functions} for oid in known}
    for _ in known:  # a helper belongs to the policies of its callers, however many calls away
        for function in known.values():
            oids, called = _helpers(function)
            for helper in known.values():
                if helper.oid in oids or {helper.name, f"{helper.schema}.{helper.name}"} & called:
                    callers[helper.oid] |= callers[function.oid]
    for function in known.values():
        owners = tuple(p for n, p in enumerate(policies) if n in callers[function.oid])
        pattern, inlined = pattern_in_plans(db, function)
        hidden = {(p.schema, p.table) for p in owners if db.version < _SHOWN_FROM and p.looks_for(function.name)}
        yield _Expression(function.signature, function.oid, pattern, inlined, owners, frozenset(hidden))
    direct = tuple(p for p in policies if "current_setting" in _names(_parsed(p.expression)))
    if direct:
        yield _Expression(_SETTING, 0, re.compile(r"\bcurrent_setting\("), inlined=True, policies=direct)


def _helpers(function: Function) -> tuple[Sequence[int], set[str]]:
    """What a function calls, by oid and by name, where it may be inlined; what others call is their own business."""
    if not function.may_be_inlined:
        return (), set()
    try:
        tree = postgast.parse(function.source)
    except postgast.PgQueryError:
        return function.calls, set()
    names = {".".join(part.string.sval for part in call.funcname) for call in _walk(tree, "func_call")}
    return function.calls, names


def _parsed(expression: str) -> Any:
    return postgast.parse(f"select {expression}")


def _names(message: Any, within: str = "") -> set[str]:
    """The unqualified names of the functions that are called; those `within` a kind of node are left out."""
    return {call.funcname[-1].string.sval for call in _walk(message, "func_call", within)}


def _walk(message: Any, kind: str, within: str = "") -> Iterator[Any]:
    """The nodes of a kind in a parse tree, none of them below a node of the kind `within`."""
    for described, value in message.ListFields():
        if described.message_type is None or described.name == within:
            continue
        for child in value if described.is_repeated else [value]:
            if described.name == kind:
                yield child
            yield from _walk(child, kind, within)


def pattern_in_plans(db: Database, function: Function) -> tuple[re.Pattern[str], bool]:
    """How a call reads in this server's plans, its arguments being anything; and whether it is inlined."""
    arguments = [f"asked.a{n}" for n, _ in enumerate(function.arguments)]
    columns = ", ".join(f"null::{kind} as a{n}" for n, kind in enumerate(function.arguments))
    call = f"{quoted(function.schema, function.name)}({', '.join(arguments)})"
    # offset 0 keeps the arguments from being folded into the call
    query = f"select {call}" + (f" from (select {columns} offset 0) asked" if columns else "")  # noqa: S608  quoted
    by_name = re.compile(rf'(?<![\w"]){re.escape(quoted(function.name))}\(')
    try:
        plan = db.value(f"explain (verbose, costs off, format json) {query}")[0]["Plan"]
    except errors.StatementFailed:  # of a type that nothing can be cast to
        return by_name, False
    text = plan["Output"][0]
    if by_name.search(text):
        return by_name, False
    pieces = re.split(r"asked\.a\d+", text)
    return re.compile(".+?".join(map(re.escape, pieces))), True
