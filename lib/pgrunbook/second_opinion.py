"""A second opinion: squawk, a linter of migrations, looks over the plan's final form.

What it says is told and never gates. It sees the text alone, so some of its alarms are false here: `ANSWERS` says
which, rule by rule, when, and why. Everything else that it finds stands.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes import Look, Phase, Transaction, Walk
from pgrunbook.plan import Plan, Step
from pgrunbook.sqlfile import SqlStatement

_LIMIT_S = 20.0
_PB = postgast.pg_query_pb2
_SYNTAX = "syntax-error"


@dataclass(frozen=True, slots=True)
class Said:
    """A statement as the plan will run it, and what the plan knows of it that its text does not say.

    Neighbours of one `together` that is not empty share a transaction. `rewrites`: whether the table is rewritten
    (None: nobody looked). `proven`: a valid constraint on the target says already what SET NOT NULL would look for.
    `partitioned`: the relation is a partitioned table. `new`: it is made by the same plan, and still empty.
    """

    sql: str
    transactional: bool = True
    kind: str = ""
    together: str = ""
    rewrites: bool | None = None
    proven: bool = False
    partitioned: bool = False
    new: bool = False


@dataclass(frozen=True, slots=True)
class Opinion:
    """One finding about the statement of that index; `answered` is why it is a false alarm here, empty if it stands."""

    index: int
    rule: str
    message: str
    help: str = ""
    answered: str = ""


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """All that squawk found, or in `not_asked` why it found nothing: it could not be asked."""

    opinions: tuple[Opinion, ...] = ()
    not_asked: str = ""

    @property
    def standing(self) -> tuple[Opinion, ...]:
        """The opinions that no rule answers for."""
        return tuple(o for o in self.opinions if not o.answered)


@dataclass(frozen=True, slots=True)
class Opined:
    """An opinion about a step of the plan, as a person reads it."""

    position: int
    object: str
    rule: str
    says: str
    answer: str


def of(plan: Plan) -> list[Opined]:
    """What squawk says of a plan's steps that are to be done; where it could not be asked, the reason is told."""
    about = [(step, said) for step in plan.left for said in _said(step)]
    found = look([said for _, said in about], plan.identity.version)
    if found.not_asked:
        return [Opined(0, plan.runbook, "", found.not_asked, "not asked")]
    rows = []
    for opinion in found.opinions:
        step = about[opinion.index][0]
        says = " ".join(t for t in (opinion.message, opinion.help) if t)
        rows.append(Opined(step.position, step.object, opinion.rule, says, opinion.answered))
    return list(dict.fromkeys(rows))


def notes(opinions: Sequence[Opined]) -> dict[int, list[str]]:
    """The opinions that stand, as notes to the plan's steps by position."""
    found: dict[int, list[str]] = {}
    for one in opinions:
        if not one.answer:
            found.setdefault(one.position, []).append(f"squawk, {one.rule}: {one.says}")
    return found


def _said(step: Step) -> Iterator[Said]:
    for number, phase in enumerate(step.safe, 1):
        if isinstance(phase, Walk | Look):
            continue
        for statement in phase.statements:
            yield Said(
                statement.sql,
                transactional=isinstance(phase, Transaction),
                kind=step.kind,
                together=_together(step, phase, number),
                new=step.change.plainly(step.seen),
                **step.change.known(),
            )


def _together(step: Step, phase: Phase, number: int) -> str:
    """The word of the transaction that a phase is; a statement outside of one has none."""
    if not isinstance(phase, Transaction):
        return ""
    return step.change.unit or f"{step.position}.{number}"


def look(statements: Sequence[Said], version: int) -> SecondOpinion:
    """Ask squawk about a plan's statements in their order; `version` as the server numbers it (150018)."""
    parsed = [_parsed(s.sql) for s in statements]
    try:
        findings = _findings(statements, version) if statements else []
    except _NoReply as e:
        return SecondOpinion(not_asked=f"squawk could not be asked: {e}")
    opinions = []
    for index, found in findings:
        case = _Case(statements[index], parsed[index], parsed[:index])
        answer = next((a.reason for a in ANSWERS.get(found.rule, ()) if a.holds(case)), "")
        opinions.append(Opinion(index, found.rule, found.message, found.help, answer))
    return SecondOpinion(tuple(dict.fromkeys(opinions)))


# ---- what is answered for -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    """The statement that a finding is about, as PostgreSQL reads it, and those that the plan runs before it."""

    said: Said
    parsed: SqlStatement | None
    before: Sequence[SqlStatement | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """Why an alarm is false, where `holds` is true of its statement."""

    reason: str
    holds: Callable[[_Case], bool]


def _always(case: _Case) -> bool:  # noqa: ARG001
    return True


def _in_transaction(case: _Case) -> bool:
    return case.said.transactional


def _outside_transaction(case: _Case) -> bool:
    return not case.said.transactional


def _on_partitioned_parent(case: _Case) -> bool:
    """CREATE INDEX ON ONLY a partitioned table; on any other it would be an ordinary, blocking build."""
    node: Any = case.parsed.node if case.parsed else None
    return case.said.partitioned and isinstance(node, _PB.IndexStmt) and not node.relation.inh


def _new(case: _Case) -> bool:
    return case.said.new


def _proven(case: _Case) -> bool:
    return case.said.proven


def _keeps_rows(case: _Case) -> bool:
    """Each new column is virtual, or has a default that is evaluated once."""
    if case.said.rewrites is not None:
        return not case.said.rewrites
    columns = [_definition(c).column_def for _, c in _commands(case.parsed) if c.subtype == _PB.AT_AddColumn]
    made = [i.constraint for c in columns for i in c.constraints]
    return bool(made) and all(_evaluated_once(c) for c in made)


def _evaluated_once(constraint: Any) -> bool:
    if constraint.contype == _PB.CONSTR_IDENTITY:
        return False
    if constraint.contype == _PB.CONSTR_GENERATED:
        return bool(constraint.generated_kind == "v")
    if constraint.contype != _PB.CONSTR_DEFAULT:
        return True
    value = constraint.raw_expr
    while value.WhichOneof("node") == "type_cast":
        value = value.type_cast.arg
    return value.WhichOneof("node") in ("a_const", "sqlvalue_function")


def _drops_what_it_added(case: _Case) -> bool:
    """Each constraint that is dropped was added by a statement before it, for the time of the migration."""
    added = {
        (table, _definition(command).constraint.conname)
        for statement in case.before
        for table, command in _commands(statement)
        if command.subtype == _PB.AT_AddConstraint
    }
    dropped = {(t, c.name) for t, c in _commands(case.parsed) if c.subtype == _PB.AT_DropConstraint}
    return bool(dropped) and dropped <= added


def _drops_default_that_it_set(case: _Case) -> bool:
    """Each default that is dropped was set by a statement before it."""
    was_set = {
        (table, command.name)
        for statement in case.before
        for table, command in _commands(statement)
        if command.subtype == _PB.AT_ColumnDefault and command.HasField("def")
    }
    dropped = {(t, c.name) for t, c in _commands(case.parsed) if c.subtype == _PB.AT_ColumnDefault}
    return bool(dropped) and dropped <= was_set


def _reads_as_sql(case: _Case) -> bool:
    return case.parsed is not None


_DESIGN = "the author's choice of a type: it changes nothing in how the change is carried out, resumed or undone"

_NOBODY_WAITS = Answer(
    "a table that this plan makes, and which is empty: there are no rows to look at, and nobody waits", _new
)

# Rules that are not here are passed on: what blocks (adding-foreign-key-constraint, adding-serial-primary-key-field,
# ban-concurrent-index-creation-in-transaction, changing-column-type, constraint-missing-not-valid,
# disallowed-unique-constraint, require-concurrent-*), what breaks clients or loses data (adding-required-field,
# ban-drop-*, ban-truncate-cascade, renaming-*), and what can't be mended later (ban-char-field, identifier-too-long,
# prefer-identity, prefer-timestamp-tz, require-enum-value-ordering, constraints of domains).
ANSWERS: Mapping[str, tuple[Answer, ...]] = {
    "prefer-robust-stmts": (
        Answer(
            "the ledger records each statement, and the catalog is looked at before it: a run that was stopped goes on "
            "where it stopped; IF NOT EXISTS would accept an invalid or a different object",
            _always,
        ),
    ),
    "require-lock-timeout": (
        Answer("the session sets lock_timeout for it, and tries again with growing pauses", _in_transaction),
        Answer(
            "lock_timeout is 0 on purpose, since it would leave an invalid index behind: a second session sums the "
            "time spent waiting, and cancels past limits.wait_budget_s",
            _outside_transaction,
        ),
    ),
    "require-statement-timeout": (
        Answer(
            "what it waits for a lock is bounded by lock_timeout; the session sets statement_timeout to "
            "limits.statement_timeout_s, where 0 is none",
            _in_transaction,
        ),
        Answer(
            "a time limit would leave an invalid index behind; the time spent waiting is bounded by "
            "limits.wait_budget_s",
            _outside_transaction,
        ),
    ),
    "require-concurrent-index-creation": (
        Answer(
            "ON ONLY a partitioned table builds nothing, and CONCURRENTLY is not possible there; the partitions' "
            "indexes are built concurrently and attached",
            _on_partitioned_parent,
        ),
        _NOBODY_WAITS,
    ),
    "adding-foreign-key-constraint": (_NOBODY_WAITS,),
    "constraint-missing-not-valid": (_NOBODY_WAITS,),
    "disallowed-unique-constraint": (_NOBODY_WAITS,),
    "adding-not-nullable-field": (
        _NOBODY_WAITS,
        Answer("a valid constraint on the target proves it: the table is not scanned", _proven),
    ),
    "adding-field-with-default": (
        Answer("the default is evaluated once, or the column is virtual: the table is not rewritten", _keeps_rows),
    ),
    "ban-drop-constraint": (
        Answer("a statement of this plan before it added the constraint: nobody relies on it", _drops_what_it_added),
    ),
    "ban-drop-default": (
        Answer("a statement of this plan before it set the default: nobody relies on it", _drops_default_that_it_set),
    ),
    "prefer-bigint-over-int": (Answer(_DESIGN, _always),),
    "prefer-bigint-over-smallint": (Answer(_DESIGN, _always),),
    "prefer-text-field": (Answer(_DESIGN, _always),),
    _SYNTAX: (
        Answer("PostgreSQL's own grammar reads it, squawk's does not: squawk has not looked at it", _reads_as_sql),
    ),
}


def _parsed(sql: str) -> SqlStatement | None:
    try:
        found = sqlfile.split(sql)
    except sqlfile.SqlFileError:
        return None
    return found[0] if len(found) == 1 else None


def _commands(statement: SqlStatement | None) -> Iterator[tuple[tuple[str, str], Any]]:
    """Each command of an ALTER TABLE, with the table's schema and name."""
    if statement and isinstance(statement.node, _PB.AlterTableStmt):
        relation = statement.node.relation
        for item in statement.node.cmds:
            yield (relation.schemaname, relation.relname), item.alter_table_cmd


def _definition(command: Any) -> Any:
    """What a command adds; the field's name is no name in Python."""
    return getattr(command, "def")


# ---- how it is asked ------------------------------------------------------------------------------------------------


class _NoReply(Exception):
    """Squawk is missing, crashed, or took too long."""


@dataclass(frozen=True, slots=True)
class _Finding:
    """One finding as squawk reports it; `line` is 0-based."""

    file: str
    line: int
    rule: str
    message: str
    help: str


def _findings(statements: Sequence[Said], version: int) -> list[tuple[int, _Finding]]:
    """What squawk finds, with the index of the statement, in the order of the statements.

    One mistake in the syntax hides everything else, so that statements that it can't read are found and left out.
    """
    text, lines = _joined(statements, ())
    findings = _ask(version, text)
    unread: list[tuple[int, _Finding]] = []
    if any(f.rule == _SYNTAX for f in findings):
        unread = _unread(statements, version)
        text, lines = _joined(statements, {index for index, _ in unread})
        findings = _ask(version, text)
    placed = [(max(bisect_right(lines, f.line) - 1, 0), f) for f in findings]
    return sorted([*placed, *unread], key=lambda p: p[0])


def _joined(statements: Sequence[Said], left_out: Collection[int]) -> tuple[str, list[int]]:
    """One text of all statements, each on lines of its own, and the line that each begins on."""
    parts: list[str] = []
    lines: list[int] = []
    line = 0
    for key, group in groupby(enumerate(statements), lambda s: s[1].together):
        if key:
            parts.append("begin;\n")
            line += 1
        for index, said in group:
            parts.append("" if index in left_out else _readable(said.sql))
            lines.append(line)
            line += parts[-1].count("\n")
        if key:
            parts.append("commit;\n")
            line += 1
    return "".join(parts), lines


def _readable(sql: str) -> str:
    """A statement with its end on a line of its own; what would silence squawk in a comment does not."""
    return sql.replace("\r\n", "\n").replace("\r", "\n").replace("squawk-", "squawk_") + "\n;\n"


def _unread(statements: Sequence[Said], version: int) -> list[tuple[int, _Finding]]:
    """The statements that squawk's own grammar does not know, each read by itself."""
    with tempfile.TemporaryDirectory(prefix="pgrunbook-") as place:
        for index, said in enumerate(statements):
            (Path(place) / f"{index}.sql").write_text(_readable(said.sql))
        findings = _ask(version, "", "*.sql", folder=place)
    return [(int(Path(f.file).stem), f) for f in findings if f.rule == _SYNTAX]


def _ask(version: int, text: str, *paths: str, folder: str | None = None) -> list[_Finding]:
    """Run squawk over a text or over files. Without a configuration: what a folder holds must not silence it."""
    words = [_executable(), "--reporter", "json", "--config", os.devnull]
    words += ["--pg-version", f"{version // 10000}.{version % 10000}", *paths]
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, encoding="utf-8", timeout=_LIMIT_S, cwd=folder, check=False
        )
    except subprocess.TimeoutExpired:
        raise _NoReply(f"it gave no answer within {_LIMIT_S:g} s") from None
    except (OSError, UnicodeError) as e:
        raise _NoReply(f"it can't be run ({type(e).__name__})") from None
    said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
    if done.returncode not in (0, 1):  # 1: it found something
        raise _NoReply(f"it ended with status {done.returncode}: {said:.200}")
    try:
        return [
            _Finding(o["file"], o["line"], o["rule_name"], o["message"], o["help"] or "")
            for o in json.loads(done.stdout)
        ]
    except (ValueError, KeyError, TypeError):
        raise _NoReply(f"its answer can't be read: {said:.200}") from None


def _executable() -> str:
    """The program that the package squawk-cli installs beside Python, else the one on the path."""
    folders = [sysconfig.get_path("scripts"), *os.environ.get("PATH", "").split(os.pathsep)]
    found = shutil.which("squawk", path=os.pathsep.join(f for f in folders if f))
    if not found:
        raise _NoReply("it is not installed (pip install squawk-cli)")
    return found
