"""A runbook out of an audit's findings: what mends them, in a safe order, and what measures and checks it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgrunbook import audit, errors, mending
from pgrunbook.audit import Facts, Finding
from pgrunbook.audit.runnable import NotRunnable, Runnable, runnable, whole_text
from pgrunbook.authoring import Draft, DraftQuery, DraftStatement, file_name
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.db import Database
from pgrunbook.derived_checks import checks_of
from pgrunbook.description import ChecklistItem, Description, QueryFront
from pgrunbook.mending import ByHand, Mend
from pgrunbook.sqlfile import quoted

# Their mending takes away what somebody unseen may need, or changes who sees which rows: only by their ids.
UNSURE = (
    "index_unused", "index_low_selectivity", "index_mostly_null", "index_breaks_hot", "policy_without_rls",
    "rls_without_policy", "policy_missing_command", "policies_permissive_many", "policy_always_true",
)  # fmt: skip
_LOOKED_UP = ("fk_without_index", "policy_column_without_index")
_MOST_QUERIES, _PER_INDEX, _MOST_IDS = 12, 3, 20
_IDS = re.compile(r"\bquer(?:y|ies) ((?:-?\d+(?:, | and )?)+)")


@dataclass(frozen=True, slots=True)
class _Leading:
    name: str
    relation: int
    column: str


def draft(
    name: str,
    findings: Sequence[Finding],
    facts: Facts,
    database: Database | None,
    *,
    chosen: Collection[str] = (),
    run_id: str = "",
    sandbox: Path | None = None,
) -> Draft:
    """The runbook `name` that mends the findings with the ids `chosen`.

    Without ids these are all important and routine ones that a statement mends for certain. What a person has to do
    about the chosen ones goes into the checklist. `facts` are those of the same database, which is read to sample
    values for the workload and to look at indexes; without it (None) there is no workload. `sandbox` is the rehearsal's
    folder of the runbook whose sandbox was audited: the new runbook gets the same.

    Raises `WrongUsage` where nothing is left to migrate.
    """
    picked, left = _picked(findings, chosen)
    mends, by_hand = mending.mends(picked, database)
    if not mends:
        raise errors.WrongUsage(
            "none of these findings is mended by a statement that a runbook can carry out and take back",
            remedy="choose others with --finding ID; pgrunbook audit --json lists them",
        )
    workload, unmeasured = _workload(mends, picked, facts, database) if database else ([], [])
    about = Description(
        title=_title(mends),
        source=f"audit {run_id}".strip(),
        description=_description(mends, by_hand, left, unmeasured, database),
        search_path=_search_path(database),
        live=not (database and database.target.is_sandbox),
        checklist=tuple(_checklist(by_hand)),
    )
    return Draft(
        name=name,
        about=about,
        statements=tuple(DraftStatement(m.statement.sql, _comment(m.findings)) for m in mends),
        workload=tuple(workload),
        checks=tuple(checks_of(c for m in mends for c in m.changes)),
        comment=f"What mends the findings of {about.source}, each with its evidence as it was seen then.",
        files={f"sandbox/{p.name}": p.read_text("utf-8") for p in sorted(sandbox.glob("*.sql"))} if sandbox else {},
    )


def _picked(findings: Sequence[Finding], chosen: Collection[str]) -> tuple[list[Finding], list[Finding]]:
    """The findings to mend, and those that would be mended if they were asked for."""
    known = {f.id for f in findings}
    if unknown := [i for i in chosen if i not in known]:
        raise errors.WrongUsage(
            f"the audit has no finding {unknown[0]!r}", remedy="pgrunbook audit --json lists them with their ids"
        )
    if chosen:
        return [f for f in audit.ordered(findings) if f.id in chosen], []
    grave = [f for f in audit.ordered(findings) if f.level != "noted"]
    sure = [f for f in grave if f.remedy and f.lint not in UNSURE]
    return sure, [f for f in grave if f not in sure]


# -- how it is measured ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A statement to measure."""

    text: str
    title: str
    comment: str
    relations: tuple[int, ...] = ()
    rows_per_call: float = 0
    weight: float = 1


def _workload(
    mends: Sequence[Mend], picked: Sequence[Finding], facts: Facts, database: Database
) -> tuple[list[DraftQuery], list[str]]:
    """The statements that the findings are about as measured queries, and why the others are none."""
    known = {str(s["id"]): s for s in facts.statements or ()}
    touched = _touched(mends, facts, database)
    queries: list[DraftQuery] = []
    unmeasured: list[str] = []
    done: dict[str, Runnable | None] = {}
    more = 0

    def take(one: _Wanted) -> Runnable | None:
        try:
            found = runnable(database, one.text, relations=one.relations, rows_per_call=one.rows_per_call)
        except NotRunnable as e:
            unmeasured.append(f"{one.title}: {e}")
            return None
        about = found.table.removeprefix("public.") or "statement"
        name = file_name(" by ".join([about, *[" ".join(found.by)] * bool(found.by)]), {q.name for q in queries})
        front = QueryFront(title=one.title, harmless=found.harmless, binds=dict(found.binds), weight=one.weight)
        queries.append(DraftQuery(name, front, found.sql, "\n".join(filter(None, [one.comment, *found.notes]))))
        return found

    for mend in mends:
        ids = dict.fromkeys([*_ids_in(mend.findings, known), *touched.get(mend.statement.sql, ())])
        wanted = [i for i in ids if i not in done and len(queries) < _MOST_QUERIES]
        done |= {i: take(_of_statement(known[i], known.values(), database)) for i in wanted}
        covered = any(done.get(i) for i in ids)
        if mend.index and not covered and any(f.lint in _LOOKED_UP for f in mend.findings):
            if len(queries) < _MOST_QUERIES:
                take(_look_up(mend.index, mend.findings[0]))
            else:
                more += 1
    for finding in picked:
        for i in _ids_in([finding], known):
            if i not in done and len(queries) < _MOST_QUERIES:
                done[i] = take(_of_statement(known[i], known.values(), database))
    more += sum(i not in done for i in _ids_in(picked, known))
    if more:
        unmeasured.append(f"{more} further statements: {_MOST_QUERIES} are taken, those of the gravest findings")
    return queries, unmeasured


def _ids_in(findings: Iterable[Finding], known: Collection[str]) -> list[str]:
    """The statements that findings name."""
    said = (found for f in findings for found in _IDS.findall(f"{f.object} {f.detail} {f.doubt}"))
    return [i for i in dict.fromkeys(n for text in said for n in re.findall(r"-?\d+", text)) if i in known]


def _touched(mends: Sequence[Mend], facts: Facts, database: Database) -> dict[str, list[str]]:
    """By statement of the migration those of the workload that ask for the first column of its index, dearest first."""
    ms = {str(s["id"]): float(s["ms"]) for s in facts.statements or ()}
    gone = {n: m for m in mends for n in m.dropped}
    leading = database.fetch("leading_columns", _Leading, names=list(gone))
    first = {gone[one.name].statement.sql: (one.relation, one.column) for one in leading}
    for mend in mends:
        if mend.index:
            node: Any = mend.statement.node
            table = quoted(node.relation.schemaname, node.relation.relname)
            oid = database.value("select pg_catalog.to_regclass($1)::oid::int8", [table])
            first[mend.statement.sql] = (int(oid or 0), node.index_params[0].index_elem.name)
    found = {}
    for sql, (relation, column) in first.items():
        ids = {str(p["id"]) for p in facts.predicates if (int(p["relation"]), p["name"]) == (relation, column)}
        found[sql] = sorted(ids & ms.keys(), key=lambda i: -ms[i])[:_PER_INDEX]
    return found


def _of_statement(fact: Mapping[str, Any], known: Iterable[Mapping[str, Any]], database: Database) -> _Wanted:
    calls = max(1, int(fact["calls"]))
    most = max((int(s["calls"]) for s in known), default=1)
    return _Wanted(
        text=whole_text(database, fact),
        title=f"Query {fact['id']}: {calls:,} calls, {float(fact['mean_ms']):,.1f} ms each, as the audit saw it",
        comment=f"Statement {fact['id']} of pg_stat_statements, with names for its constants.",
        relations=tuple(int(oid) for oid in fact["relations"]),
        rows_per_call=float(fact["rows"]) / calls,
        weight=max(1, round(10 * calls / most)),
    )


def _look_up(index: CreateIndex, finding: Finding) -> _Wanted:
    """What a foreign key's check, or a policy, asks the table for."""
    node: Any = index.written.node
    table = quoted(node.relation.schemaname, node.relation.relname)
    columns = [p.index_elem.name for p in node.index_params if p.index_elem.name]
    tests = " and ".join(f"{quoted(c)} = ${n}" for n, c in enumerate(columns, 1))
    reason = "the check of a foreign key" if finding.lint == "fk_without_index" else "a policy"
    return _Wanted(
        text=f"select count(*) as rows from {table} where {tests}",  # noqa: S608
        title=f"What {reason} asks of {table}: its rows by {', '.join(columns)}",
        comment="No statement of this form is known from the workload; the server asks it by itself.",
    )


# -- what is said ------------------------------------------------------------------------------------------------


def _title(mends: Sequence[Mend]) -> str:
    count = len({f.id for m in mends for f in m.findings})
    made, dropped = sum(bool(m.index) for m in mends), sum(bool(m.dropped) for m in mends)
    told = [f"{n} index{'es' if n > 1 else ''} {what}" for n, what in ((made, "made"), (dropped, "dropped")) if n]
    others = len(mends) - made - dropped
    told += [f"{others} other statement{'s' if others > 1 else ''}"] if others else []
    return f"What an audit found: {count} finding{'s' if count > 1 else ''} mended, {', '.join(told)}"


def _lint_title(name: str) -> str:
    return next((lint.about.title for lint in audit.lints() if lint.name == name), name)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _comment(findings: Iterable[Finding]) -> str:
    lines = []
    for f in findings:
        lines.append(f"{_lint_title(f.lint)} ({f.level}), {f.object}: {_one_line(f.detail)}.")
        if f.advice:
            lines.append(_one_line(f.advice))
        if f.doubt:
            lines.append(f"Might be wrong: {_one_line(f.doubt)}")
    return "\n".join(lines)


def _description(
    mends: Sequence[Mend],
    by_hand: Sequence[ByHand],
    left: Sequence[Finding],
    unmeasured: Sequence[str],
    database: Database | None,
) -> str:
    parts = [
        "Written from an audit's findings; the evidence for each, and why it might be wrong, stands above its "
        f"statement in migrate.sql. It mends: {_listed(f.id for m in mends for f in m.findings)}."
    ]
    if by_hand:
        parts.append(f"For a person, in the checklist: {_listed(b.finding.id for b in by_hand)}.")
    if unsure := [f.id for f in left if f.remedy]:
        parts.append(
            "Left out, since an audit can't be sure of them: what it saw was one server, for a time, and who may see "
            f"which rows is for its owner to say. Ask for them by their ids: {_listed(unsure)}."
        )
    if others := [f.id for f in left if not f.remedy]:
        parts.append(f"Left out, since no statement mends them: {_listed(others)}.")
    if unmeasured:
        parts.append("Not measured, since they can't be made runnable:\n" + "\n".join(f"- {u}" for u in unmeasured))
    if not database:
        parts.append("There is no workload: the database was not at hand to sample values from.")
    return "\n\n".join(parts)


def _listed(ids: Iterable[str]) -> str:
    """Some of the ids, each once, and how many more there are."""
    known = list(dict.fromkeys(ids))
    more = f" and {len(known) - _MOST_IDS} more" if len(known) > _MOST_IDS else ""
    return ", ".join(known[:_MOST_IDS]) + more


def _checklist(by_hand: Iterable[ByHand]) -> Iterator[ChecklistItem]:
    taken: set[str] = set()
    for one in by_hand:
        f = one.finding
        item = file_name(f.id, taken)
        taken.add(item)
        says = f"{_lint_title(f.lint)} ({f.level}), {f.object}: {_one_line(f.detail)}"
        yield ChecklistItem(id=item, says=says, person=_one_line(one.what) or "Look at it, and decide.")


def _search_path(database: Database | None) -> tuple[str, ...]:
    found = database.value("select pg_catalog.current_schemas(false)::text[]") if database else None
    return tuple(found or ("public",))
