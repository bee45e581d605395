"""Whether the server itself calls a policy's function for each row: asked of EXPLAIN as a role under the policy.

EXPLAIN without ANALYZE runs no query; the planner may call a STABLE function once, to estimate. A SELECT is under the
policies for SELECT and ALL, a SELECT FOR UPDATE under those for UPDATE as well, a DELETE under its own; what a WITH
CHECK calls no plan shows. Seen on 18: a condition of a policy that names no column stays in the Filter of the scan,
while that of a query would become a One-Time Filter.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgrunbook import errors
from pgrunbook.audit import Finding, ordered
from pgrunbook.db import Database
from pgrunbook.measure import asking
from pgrunbook.measure.evaluations import Function, pattern_in_plans
from pgrunbook.sqlfile import quoted

_LINT = "policy_function_per_row"
_QUERIES = {
    "select": "explain (costs off, verbose, format json) select 1 from {}",
    "update": "explain (costs off, verbose, format json) select 1 from {} for update",
    "delete": "explain (costs off, verbose, format json) delete from {}",
}
_CONDITIONS = ("Filter", "Join Filter", "Hash Cond", "Merge Cond", "Index Cond", "Recheck Cond", "TID Cond")
_ONCE_A_SCAN = ("Index Cond", "TID Cond")
_SETTING = re.compile(r"current_setting\(\s*'([^']+)'")
# a setting that nobody has set would end the planning; these are read as text, a number, a uuid
_PRETENDED = ("", "0", "00000000-0000-0000-0000-000000000000")
_UNSET = re.compile(r'"(\w+\.[\w.]+)"')
_LONGEST = 160
_TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class _Role:
    role: str


@dataclass(frozen=True, slots=True)
class _Sought:
    """A call that is looked for in a plan; `inlined` is how it reads there, empty where it stands by its name."""

    name: str
    pattern: re.Pattern[str]
    inlined: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a plan has a call: `once` in an InitPlan or a hashed sub-query's answer, `below` in any sub-query."""

    what: str
    key: str
    once: bool
    below: bool


class _Unknown(Exception):
    """Why a plan can't be had."""


def confirm(
    database: Database, findings: Sequence[Finding], policies: Sequence[Mapping[str, Any]], *, most: int = 50
) -> list[Finding]:
    """The findings, those of `policy_function_per_row` with what EXPLAIN says to them, for the `most` gravest.

    One that the plan refutes is noted, with the reason.
    """
    gravest = ordered(finding for finding in findings if finding.lint == _LINT)[:most]
    asked = {finding.id for finding in gravest}
    by_object = {policy["object"]: policy for policy in policies}
    plans: dict[tuple[Any, ...], Any] = {}
    told = []
    for finding in findings:
        policy = by_object.get(finding.object) if finding.id in asked else None
        if policy is None:
            told.append(finding)
            continue
        sentence, refuted = _asked(database, finding, policy, plans)
        level = "noted" if refuted else finding.level
        told.append(replace(finding, level=level, detail=f"{finding.detail}. {sentence}"))
    return told


def _asked(
    database: Database, finding: Finding, policy: Mapping[str, Any], plans: dict[tuple[Any, ...], Any]
) -> tuple[str, bool]:
    """A sentence on one finding, and whether the plan refutes it."""
    made = [c for c in policy["calls"] if not c["via"] and (c["bare"] or c["over"])]
    made = [c for c in made if c["volatility"] != "i"] or made
    calls = [c for c in made if c["clause"] == "using"]
    if not calls:
        return "EXPLAIN does not show what WITH CHECK calls", False
    command = "select" if policy["command"] == "all" else policy["command"]
    try:
        role, plan = _plan(database, finding, policy, command, plans)
        sought = [_sought(database, call) for call in {c["name"]: c for c in calls}.values()]
    except _Unknown as e:
        return f"EXPLAIN can't tell: {e}", False
    hashed = set(re.findall(r"hashed (SubPlan \d+)", str(plan)))
    outcomes = [_outcome(one, list(_places(plan, one, hashed))) for one in sought]
    says = "; ".join(text for text, _ in outcomes)
    if all(verdict == "refuted" for _, verdict in outcomes):
        return f"EXPLAIN as {role} refutes it: {says}", calls == made
    if any(verdict == "confirmed" for _, verdict in outcomes):
        return f"EXPLAIN as {role} confirms it: {says}", False
    return f"EXPLAIN as {role} can't tell: {says}", False


def _plan(
    database: Database, finding: Finding, policy: Mapping[str, Any], command: str, plans: dict[tuple[Any, ...], Any]
) -> tuple[str, dict[str, Any]]:
    """The plan of a query under a policy, with the role that it was asked as. Raises `_Unknown`."""
    key = (policy["relation"], command, tuple(policy["roles"]))
    if key not in plans:
        try:
            plans[key] = _explained(database, finding.relation, policy, command)
        except _Unknown as e:
            plans[key] = e
    if isinstance(plans[key], _Unknown):
        raise plans[key]
    found: tuple[str, dict[str, Any]] = plans[key]
    return found


def _explained(
    database: Database, relation: str, policy: Mapping[str, Any], command: str
) -> tuple[str, dict[str, Any]]:
    oids = {"relation": policy["relation"], "roles": policy["roles"]}
    role = database.one("audit_policy_roles", _Role, **oids, privilege=command)
    if role is None:
        raise _Unknown(
            f"no role that holds {command.upper()} and is under the policy can be taken on by {database.user}"
        )
    names = {name for clause in ("using", "check") for name in _SETTING.findall(policy[clause]) if "." in name}
    pretended = list(_PRETENDED)
    while True:
        local = asking.local_settings(role.role, dict.fromkeys(names, pretended[0]))
        try:
            with database.transaction(read_only=True, rollback=True, statement_timeout=_TIMEOUT, **local):
                return role.role, database.value(_QUERIES[command].format(relation))[0]["Plan"]
        except errors.StatementFailed as e:
            unset = _UNSET.search(e.message) if e.sqlstate == "42704" else None
            if unset and unset[1] not in names:  # a function that is called asks for it
                names.add(unset[1])
            elif e.sqlstate.startswith("22") and len(pretended) > 1:
                del pretended[0]
            else:
                raise _Unknown(f"as {role.role} it fails: {e.message}") from None


def _sought(database: Database, call: Mapping[str, Any]) -> _Sought:
    """How a call reads in a plan of this server."""
    name = str(call["name"])
    found = database.fetch("functions", Function, oids=[call["function"]], names=[]) if call["function"] else []
    plain = re.compile(rf'(?<![\w"]){re.escape(quoted(found[0].name) if found else name)}\(')
    if not found:
        return _Sought(name, plain, "")
    with database.transaction(read_only=True, rollback=True, statement_timeout=_TIMEOUT):
        pattern, inlined = pattern_in_plans(database, found[0])
    shown = pattern.pattern.replace("\\", "").replace(".+?", "…")
    return _Sought(name, pattern, shown) if inlined else _Sought(name, plain, "")


def _outcome(one: _Sought, places: Sequence[_Place]) -> tuple[str, str]:
    """What the places where a plan has a call say, and the verdict."""
    inlined = one.inlined if len(one.inlined) <= _LONGEST else one.inlined[:_LONGEST] + " …"
    name = f"{one.name}(), inlined as {inlined}," if inlined else f"{one.name}()"
    if one.inlined and not re.search(r"\w\(", one.inlined):
        return f"{name} calls nothing", "refuted"
    per_row = sorted((p for p in places if not p.once), key=lambda p: (p.below, p.key in _ONCE_A_SCAN))
    if per_row:
        place = per_row[0]
        where = f"{name} stands in {place.what}"
        if place.key in _ONCE_A_SCAN:
            where += ", so it is called once a scan while that index is used, and for each row where it is not"
        return where + (
            " of a sub-query" if place.key == "Output" else ", in a sub-query" if place.below else ""
        ), "confirmed"
    if places:
        return f"{name} stands in an InitPlan, which runs once for each query", "refuted"
    return f"{name} is not in the plan", "unknown"


def _places(
    plan: Mapping[str, Any], one: _Sought, hashed: Collection[str], *, once: bool = False, below: bool = False
) -> Iterator[_Place]:
    """All places of a plan that have a call; the answers of `hashed` sub-queries are looked up, not asked for again."""
    relation = str(plan.get("Relation Name") or plan["Node Type"])
    for key in (*_CONDITIONS, "One-Time Filter"):
        if one.pattern.search(plan.get(key, "")):
            yield _Place(f"the {key} of the scan of {relation}", key, once or key == "One-Time Filter", below)
    if (once or below) and "Plans" not in plan and one.pattern.search(", ".join(plan.get("Output", ()))):
        again = not once and plan.get("Subplan Name") not in hashed
        yield _Place("the output", "Output", not again, below)
    for child in plan.get("Plans", ()):
        kind = child.get("Parent Relationship")
        yield from _places(child, one, hashed, once=once or kind == "InitPlan", below=below or kind == "SubPlan")
