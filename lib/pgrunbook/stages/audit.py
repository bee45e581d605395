"""Audit: what is missing, what will break, when, and the statement that mends it. It reads and never writes."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pgrunbook import audit, db, errors, from_audit, runbook
from pgrunbook.audit import (
    LEVELS,
    Facts,
    Finding,
    NotSeen,
    growth,
    matrix,
    patterns,
    policies,
    projection,
    reporting,
    statements,
)
from pgrunbook.audit._policy_plans import confirm
from pgrunbook.audit.column_order import Ranked
from pgrunbook.audit.matrix import Cell
from pgrunbook.audit.patterns import Pattern
from pgrunbook.audit.projection import Growth, Threshold
from pgrunbook.audit.unseen import statistics as unseen_statistics
from pgrunbook.audit.what_if import WhatIf
from pgrunbook.authoring import Draft
from pgrunbook.db import Database
from pgrunbook.evidence import journal
from pgrunbook.findings import Check, Verdict
from pgrunbook.measure import asking, workload
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.stages import _measuring, _what_if
from pgrunbook.stages._audit_shown import (
    Action,
    Coverage,
    Detail,
    ForeignKey,
    Found,
    LintResult,
    Rehearsed,
    Seen,
    TableSummary,
)
from pgrunbook.stages._base import Parameters, Session, StageResult, check_run_id, part
from pgrunbook.stages._measuring import DatabaseSize
from pgrunbook.stages.baseline import Fact

_MOST = 100
_OF_A_LINT = 20
_CALLS, _AT_LEAST, _REHEARSAL_S = 600, 5, 1.5
_TERMS = ("now", "medium term", "long term")
_WHEN: dict[str, str] = dict(zip(LEVELS, _TERMS, strict=True))
_REPORT = "audit.json"


class AuditParameters(Parameters):
    """What an audit may be told. `since` is the run of an earlier audit: the workload is what ran after it.

    `driver` is a table whose rows stand for "users" in projections (empty:
    the runbook's). With `fail_on` a finding of that level, or a graver one, fails the stage. `what_if` is where
    proposed indexes may be tried before anybody builds them: "" only with hypopg where the server has it, "clone" on a
    copy of the sandbox, thrown away afterwards, or a further target that holds a rehearsal copy of this database.
    """

    since: str = ""
    driver: str = ""
    fail_on: Literal["", "important", "routine", "noted"] = ""
    what_if: str = ""


@part
def surroundings(session: Session) -> list[Fact]:
    """Server, database, role, and the age of its statistics. Wrong parameters are told here, before the work."""
    who = session.identity
    _require_parameters(session)
    size = session.database.exactly("size", DatabaseSize)
    role = who.role + (" (superuser)" if who.superuser else "")
    return [
        Fact("run", session.run_id),
        Fact("target", f"{session.target.name}, database {who.database}, system {who.system_identifier}"),
        Fact(
            "server",
            f"PostgreSQL {who.version // 10000}.{who.version % 10000}" + (", a standby" if who.standby else ""),
        ),
        Fact("role", role + ("" if who.sees_all_activity else "; sees its own statements only")),
        Fact("size", _measuring.megabytes(size.bytes)),
        Fact("statistics count since", size.since),
    ]


def _require_parameters(session: Session) -> None:
    """Raise `WrongUsage` for what a later part would trip over."""
    given = session.parameters
    if given.since:  # type: ignore[attr-defined]
        _earlier(session, given.since)  # type: ignore[attr-defined]
    if driver := _driver(session):
        projection.resolve(session.database, driver)
    _what_if.require(session)


def _driver(session: Session) -> str:
    """The table whose rows stand for users."""
    return session.parameters.driver or session.runbook.about.audit.driver  # type: ignore[attr-defined]


@part
def rehearsed(session: Session) -> list[Rehearsed] | str:
    """On the sandbox nobody works, so the runbook's workload is run there, by its weights; elsewhere nothing is."""
    if not session.target.is_sandbox:
        return "not on this target: what the statistics know is what its users did"
    queries = [q for q in session.runbook.workload if not q.replaces]
    total = sum(q.weight for q in queries) or 1
    now = datetime.now(UTC)
    timeout = session.runbook.about.limits.query_timeout_s
    found = []
    with session.connect("workload") as database:
        for query in queries:
            asking.require_role(database, query.role, f"workload/{query.name}.sql")
            session.tell(f"running {query.name}")
            binds = workload.sample_binds(database, query, now, timeout)
            calls = _rehearse(database, query, binds, max(5, round(_CALLS * query.weight / total)), timeout)
            found.append(Rehearsed(query.name, query.title, f"{query.weight:g}", calls))
    return found or "the runbook has no workload"


def _rehearse(database: Database, query: Query, binds: Sequence[BindSet], calls: int, timeout_s: float) -> int:
    """Run a query over its bind sets in turn; a slow one five times at least, then while its share of time lasts."""
    until = time.monotonic() + _REHEARSAL_S
    for number in range(calls):
        if number >= _AT_LEAST and time.monotonic() > until:
            return number
        one = binds[number % len(binds)]
        local = asking.of_query(query, one.values)
        with (
            suppress(errors.StatementCancelled),
            database.transaction(read_only=True, statement_timeout=f"{int(timeout_s * 1000)}ms", **local),  # type: ignore[arg-type]
        ):
            for statement in query.statements:
                database.drain(statement.sql, [one.values[p] for p in statement.parameters])
    return calls


@part
def facts(session: Session) -> Facts:
    """What the lints need and SQL can't tell: parsed statements and policies, and how fast tables grow."""
    database = session.database
    session.tell("reading the statements that ran")
    before = _earlier(session, session.parameters.since) if session.parameters.since else None  # type: ignore[attr-defined]
    known, predicates, window, unseen = statements.read(database, before)
    session.tell("reading policies")
    guards, more = policies.read(database)
    session.tell("reading how fast tables grow")
    rates, still_more = growth.read(database, _snapshots(session))
    if kept := statements.snapshot(database):
        session.write_json("audit_statements.json", kept)
    session.write_json("audit_tables.json", growth.snapshot(database))
    since = f"counted in {_span(window.seconds)}, since the {window.origin}, {_minute(window.since)}"
    not_seen = (*unseen, *more, *still_more, *unseen_statistics(database))
    return Facts(known, predicates, guards, rates, not_seen, since)


def _span(seconds: float) -> str:
    """A time in words.

    >>> _span(90), _span(5400), _span(200_000)
    ('2 min', '1.5 hours', '2.3 days')
    """
    if seconds < 3600:
        return f"{max(1, round(seconds / 60)):,} min"
    return f"{seconds / 3600:,.1f} hours" if seconds < 172_800 else f"{seconds / 86_400:,.1f} days"


def _minute(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _earlier(session: Session, run_id: str) -> dict[str, Any]:
    """What an earlier audit of this database kept of its statements."""
    check_run_id(run_id)
    folder = session.folder.parent / run_id
    remedy = f"give the run of an earlier audit of this database, of those in {session.parameters.evidence_dir}/"
    try:
        kept = dict(json.loads((folder / "audit_statements.json").read_text("utf-8")))
    except (OSError, ValueError):
        raise errors.WrongUsage(
            f"since: run {run_id} of {session.runbook.name} left no audit_statements.json", remedy=remedy
        ) from None
    if not _is_here(session, folder):
        raise errors.WrongUsage(f"since: run {run_id} looked at another database than this one", remedy=remedy)
    return kept | {"run": run_id}


def _snapshots(session: Session) -> list[dict[str, Any]]:
    """What earlier audits of this very database kept of its tables, oldest first."""
    paths = session.folder.parent.glob("*/audit_tables.json")
    found = [json.loads(path.read_text("utf-8")) for path in paths if _is_here(session, path.parent)]
    return sorted(found, key=lambda kept: str(kept["at"]))


def _is_here(session: Session, folder: Path) -> bool:
    """Whether a run was begun on this very database."""
    begun = journal.last(journal.read(folder / journal.NAME)[0], "run_started")
    return begun is not None and begun["identity"] == list(session.identity.key)


@part
def seen(session: Session, facts: Facts) -> list[Seen]:
    """What the workload, the policies and growth are known from, and what this role could not see."""
    none = "none can be read"
    rows = [
        Seen("statements", none if facts.statements is None else f"{len(facts.statements):,}, {facts.window}", ""),
        Seen("policies", none if facts.policies is None else f"{len(facts.policies):,}", ""),
        Seen("tables whose growth is known", none if facts.growth is None else f"{len(facts.growth):,}", ""),
    ]
    session.event("not_seen_by_audit", what=[asdict(n) for n in facts.not_seen])
    return [*rows, *(Seen(f"not seen: {n.what}", n.why, n.remedy) for n in facts.not_seen)]


@part
def lints(session: Session, facts: Facts) -> Found:
    """Run every lint, each under its own time limit and failing alone; the findings are written to audit.json."""
    timeout = session.runbook.about.audit.lint_timeout_s
    looked = []
    for one in audit.look(session.database, audit.lints(), facts, timeout_s=timeout):
        session.tell(f"{one.lint.about.title}: {len(one.findings)}")
        looked.append(one)
    session.tell("asking the planner about policies")
    confirmed = confirm(session.database, [f for one in looked for f in one.findings], facts.policies or ())
    findings = reporting.one_index_each(audit.ordered(confirmed))
    not_seen = [
        *facts.not_seen,
        *(NotSeen(one.lint.about.title, one.failed, one.remedy) for one in looked if one.failed),
    ]
    found = Found(tuple(findings), tuple(_result(one, findings) for one in looked), tuple(not_seen))
    session.write_json(_REPORT, found.as_json(session.target.name))
    session.record(_checks(found, session.parameters.fail_on))  # type: ignore[attr-defined]
    return found


def _result(one: audit.Looked, findings: Sequence[Finding]) -> LintResult:
    levels = Counter(f.level for f in findings if f.lint == one.lint.name)
    return LintResult(
        one.lint.about.group, one.lint.name, one.lint.about.title,
        levels["important"], levels["routine"], levels["noted"], one.seconds * 1000, one.failed,
    )  # fmt: skip


def _checks(found: Found, fail_on: str) -> list[Check]:
    """One check a lint; a finding fails the stage only where the caller says so."""
    grave = LEVELS[: LEVELS.index(fail_on) + 1] if fail_on else ()
    checks = []
    for lint in found.lints:
        counts = {level: getattr(lint, level) for level in LEVELS}
        told = ", ".join(f"{n} {level}" for level, n in counts.items() if n) or "nothing found"
        if lint.not_seen:
            verdict, told = Verdict.NOT_MEASURABLE, "not looked at"
        else:
            verdict = Verdict.FAILED if any(counts[level] for level in grave) else Verdict.PASSED
        checks.append(
            Check(lint.lint, "database", verdict, claimed=lint.looks_for, measured=told, detail=lint.not_seen)
        )
    return checks


@part
def index_coverage(session: Session, facts: Facts) -> list[Coverage] | str:
    """The columns that the workload tests together, each with the index that begins with most of them."""
    if facts.statements is None:
        return "no statement is known, so nobody can say which columns are asked for"
    return session.database.fetch(
        "audit_index_coverage",
        Coverage,
        statements=audit.as_json(facts.statements),
        predicates=audit.as_json(facts.predicates),
        most=_MOST,
    )


@part
def foreign_keys(session: Session) -> list[ForeignKey]:
    """Every foreign key and the index that begins with its columns, those without one first."""
    return session.database.fetch("audit_foreign_keys", ForeignKey, most=_MOST)


@part
def row_security(session: Session) -> list[Cell]:
    """Table by role: which policies answer for each command, and what is denied."""
    return matrix.matrix(session.database)


def share_of_time(facts: Facts) -> str:
    """Which statements take how much of all the time, as SVG."""
    return patterns.shares(facts.statements) if facts.statements else "no statement is known"


def expensive_patterns(facts: Facts, found: Found) -> list[Pattern] | str:
    """The statements that cost most, and what is amiss with each."""
    return patterns.patterns(facts.statements or (), found.findings) or "no statement is known"


@part
def growths(session: Session, facts: Facts) -> tuple[list[Growth], list[Threshold]]:
    """How fast tables grow, projected to dates and to numbers of users; and when they cross the thresholds."""
    levels = session.runbook.about.audit.levels
    return projection.tables(session.database, facts.growth or (), _driver(session), levels)


@part
def what_if(session: Session, facts: Facts, found: Found) -> tuple[list[WhatIf] | str, list[Ranked] | str]:
    """The planner's answer to the proposed indexes before anybody builds them, and the best order of their columns."""
    return _what_if.ask(session, facts, found.findings)


def details(found: Found) -> list[Detail] | str:
    """The findings with their evidence, the statement that mends each, and why it might be wrong."""
    titles = found.titles
    shown, left = reporting.heaviest(found.findings, _OF_A_LINT)
    rows = [
        Detail(f.level, f.id, titles[f.lint], f.detail, "\n".join(filter(None, [f.remedy, f.advice])), f.doubt)
        for f in shown
    ]
    more = [
        Detail(level, lint, titles[lint], f"{n:,} more", f"{_REPORT} has them", "") for (level, lint), n in left.items()
    ]
    return rows + more or "nothing was found"


@part
def actions(session: Session, found: Found) -> list[Action] | str:
    """What to do now, in the medium and in the long term; a statement that mends several findings stands once."""
    grouped: dict[str, list[Finding]] = {}
    shown, left = reporting.heaviest(found.findings, _OF_A_LINT)
    for f in shown:
        if what := f.remedy or (f.advice and f"{f.object}: {f.advice}"):
            grouped.setdefault(what, []).append(f)
    titles = found.titles
    rows = [
        Action(_WHEN[own[0].level], what, "; ".join(dict.fromkeys(titles[f.lint] for f in own)), _ids(own))
        for what, own in grouped.items()
    ]
    rows += [Action(_WHEN[level], f"{n:,} more, in {_REPORT}", titles[lint], lint) for (level, lint), n in left.items()]
    grave = " ".join(f"--finding {shlex.quote(f.id)}" for f in shown if f.level == "important" and f.remedy)
    session.event("mend", command=f"pgrunbook new NAME --from-audit {session.run_id} {grave}".rstrip())
    return sorted(rows, key=lambda row: _TERMS.index(row.when)) or "nothing to do"


def _ids(findings: Sequence[Finding]) -> str:
    return ", ".join(f.id for f in findings)


@part
def tables(session: Session, found: Found) -> list[TableSummary]:
    """Appendix: every table with its indexes, use and number of findings, the largest first."""
    counts = Counter(f.relation for f in found.findings)
    rows = session.database.fetch("audit_tables", TableSummary, most=_MOST)
    return [replace(row, findings=counts[row.table]) for row in rows]


def run(session: Session) -> StageResult:
    """The whole stage."""
    surroundings(session)
    rehearsed(session)
    known = facts(session)
    seen(session, known)
    found = lints(session, known)
    index_coverage(session, known)
    foreign_keys(session)
    row_security(session)
    growths(session, known)
    what_if(session, known, found)
    actions(session, found)
    tables(session, found)
    return session.finish()


@dataclass(frozen=True, slots=True)
class Drafted:
    """A runbook that an audit's findings ask for, and the option by which it finds the audited database again."""

    draft: Draft
    target_option: str


def draft_from(root: Path, evidence_dir: str, run_id: str, name: str, chosen: Sequence[str]) -> Drafted:
    """The runbook `name` that mends the findings of an audit; the database is read again for its workload.

    Raises `WrongUsage` where there is no such audit, and for a finding that it has not.
    """
    check_run_id(run_id)
    paths = sorted((root / evidence_dir).glob(f"*/{run_id}/{_REPORT}"))
    if not paths:
        raise errors.WrongUsage(
            f"no audit {run_id} in {evidence_dir}/", remedy="pgrunbook audit says its run; --evidence names the folder"
        )
    report = json.loads(paths[0].read_text("utf-8"))
    findings = [Finding.from_json(row) for row in report["findings"]]
    folder = paths[0].parent.parent.name
    about = runbook.none() if folder == runbook.NONE else runbook.load(root, folder)
    target = db.parse_target(report["target"])
    with db.connect(
        target,
        database=about.name,
        application_name=f"pgrunbook new {name}",
        search_path=about.about.search_path,
        read_only=True,
    ) as database:
        known, predicates, _, _ = statements.read(database)
        given = Facts(known, predicates)
        sandbox = about.folder / "sandbox" if target.is_sandbox else None
        draft = from_audit.draft(name, findings, given, database, chosen=chosen, run_id=run_id, sandbox=sandbox)
    return Drafted(draft, "" if target.is_sandbox else f" --target {target.name}")
