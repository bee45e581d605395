"""What became of each statement, and why: for the terminal, as JSON, and as a file in the runbook's folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import postgast

from pgrunbook.changes import NOTHING_THERE, Change, LockMode, RawSql, Rows, Transaction, Walk
from pgrunbook.changes.add_constraint import AddConstraint
from pgrunbook.importing.cleaning import Kept, LeftOut
from pgrunbook.importing.objects import Object, effect, tables_of
from pgrunbook.sqlfile import SqlStatement, deparsed, quoted

Verdict = Literal["safe as written", "rewritten", "run as written", "cannot be undone", "left out"]
VERDICTS: tuple[Verdict, ...] = (
    "safe as written", "rewritten", "run as written", "cannot be undone", "left out",
)  # fmt: skip
_MEANS = {
    "safe as written": "carried out as it stands, with a bounded lock",
    "rewritten": "carried out in another form that spares the others",
    "run as written": "carried out as it stands: what it locks, or for how long, is for a person to judge",
    "cannot be undone": "no way back brings all of it back",
    "left out": "not in the runbook",
}
_SHOWN, _LONGEST = 60, 200
# the note of what is carried out as it is written, which in a part of a statement would say the opposite
_AS_WRITTEN = "on a table of this migration"
_NOTHING_BACK = ("add_enum_value",)
_LOCKS_OF_UPKEEP = {LockMode.NONE, LockMode.ACCESS_SHARE, LockMode.SHARE_UPDATE_EXCLUSIVE}


@dataclass(frozen=True, slots=True)
class Row:
    """One statement. `back` is where its way back comes from: derived, authored, by form; in part; none."""

    file: str
    line: int
    statement: int
    kind: str
    what: str
    verdict: Verdict
    why: str
    back: str

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Report:
    """The rows in the order of the source, what is to be known of the whole, and the faults of an authored way back."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    down_checked: bool = False

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(r.verdict for r in self.rows)
        return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}

    def as_json(self) -> dict[str, Any]:
        return {
            "counts": self.counts,
            "statements": [r.as_json() for r in self.rows],
            "notes": list(self.notes),
            "authored_way_back": list(self.down) if self.down_checked else None,
        }

    def text(self) -> str:
        """For the terminal: of a long migration only what a person has to look at."""
        shown = self.rows if len(self.rows) <= _SHOWN else [r for r in self.rows if r.verdict != "safe as written"]
        more = len(shown) - _SHOWN
        several = len({r.file for r in self.rows}) > 1
        lines = [
            f"{f'{r.file}:' if several else 'line '}{r.line}  {r.kind}  {r.verdict}{f': {r.why}' if r.why else ''}"
            for r in shown[:_SHOWN]
        ]
        lines += [f"… and {more} more, in source/report.md"] if more > 0 else []
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"authored way back: {fault}" for fault in self.down[:_SHOWN]]
        if self.down_checked and not self.down:
            lines.append("authored way back: names all that the migration makes and drops")
        return "\n".join([*lines, ", ".join(f"{n} {verdict}" for verdict, n in self.counts.items())])

    def markdown(self, title: str) -> str:
        """The file in the runbook's folder."""
        parts = [f"# {title}", ""]
        parts += [f"- {n} {verdict}: {_MEANS[verdict]}" for verdict, n in self.counts.items()]
        parts += [f"- {_cell(note)}" for note in self.notes]
        parts += ["", "| file | line | statement | kind | what | verdict | why | way back |", "|" + "---|" * 8]
        for r in self.rows:
            number = str(r.statement) if r.statement else ""
            cells = (r.file, str(r.line), number, r.kind, r.what, r.verdict, r.why, r.back)
            parts.append(f"| {' | '.join(map(_cell, cells))} |")
        if self.down_checked:
            parts += ["", "## The authored way back", ""]
            parts += [f"- {_cell(fault)}" for fault in self.down] or [
                "It names all that the migration makes and drops. `pgrunbook prove` runs it for real."
            ]
        return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


# -- the rows ----------------------------------------------------------------------------------------------------


def rows(
    kept: Sequence[Kept], changes: Sequence[Change], left_out: Iterable[LeftOut], origins: dict[int, str]
) -> tuple[Row, ...]:
    """A row a statement, in the order of the source. `origins` are those of ways back that are not derived."""
    by_position: dict[int, list[Change]] = {}
    for change in with_fresh(changes):
        by_position.setdefault(change.written.position, []).append(change)
    apart = _taken_apart([c for several in by_position.values() for c in several])
    found = {
        (k.place.file, k.place.line, k.statement.start): _row(k, by_position[k.statement.position], origins, apart)
        for k in kept
    }
    for one in left_out:
        kind = _words(one.kind)
        row = Row(one.place.file, one.place.line, 0, kind, "", "left out", one.why, "")
        found[one.place.file, one.place.line, one.start] = row
    files = list(dict.fromkeys(key[0] for key in found))
    order = {name: n for n, name in enumerate(files)}
    return tuple(found[key] for key in sorted(found, key=lambda k: (order[k[0]], k[2])))


def with_fresh(changes: Iterable[Change]) -> list[Change]:
    """The changes, knowing which of them are on a table that the same migration makes, as the plan will know it."""
    made: set[tuple[str, str]] = set()
    found: list[Change] = []
    for change in changes:
        relation = change.relation
        fresh = bool(relation) and any(relation in one for one in made)
        found.append(replace(change, fresh=True) if fresh else change)
        for one in effect(change.written).made:
            if one.kind == "table":
                made.add(_spellings(one))
    return found


def _spellings(table: Object) -> tuple[str, str]:
    return quoted(table.schema, table.name), quoted("", table.name)


def _taken_apart(changes: Sequence[Change]) -> set[int]:
    """The blocks that can't be one transaction."""
    found = set()
    for change in changes:
        phases = change.apply(NOTHING_THERE) if change.written.block else []
        if change.written.block and (len(phases) != 1 or not isinstance(phases[0], Transaction)):
            found.add(change.written.block)
    return found


def _row(kept: Kept, changes: Sequence[Change], origins: dict[int, str], apart: set[int]) -> Row:
    statement = kept.statement
    raw = all(isinstance(c, RawSql) for c in changes)
    back = origins.get(statement.position, "")
    lost = "; ".join(dict.fromkeys(_lost(c) for c in changes if c.irreversible))
    # a key that only the target knows is left out of a sentence
    notes = list(dict.fromkeys(note.replace(" ()", "") for c in changes for note in c.lint()))
    verdict: Verdict
    if lost:
        in_part = any(c.destroys and c.kind not in _NOTHING_BACK for c in changes)
        verdict, why, back = "cannot be undone", lost, back or ("in part" if in_part else "none")
    elif raw:
        verdict, why = "run as written", "of no known kind, its lock is not known"
    elif is_as_written(changes):
        why = _to_judge(changes[0], notes)
        verdict = "run as written" if why else "safe as written"
    else:
        verdict = "rewritten"
        how = [n for n in (_apart(changes), _not_concurrently(changes)) if n]
        why = "; ".join([*how, *(n for n in notes if not n.startswith(_AS_WRITTEN))]) or _form(changes)
    if statement.block in apart and verdict != "cannot be undone":
        why = "; ".join(filter(None, [why, "its BEGIN … COMMIT is taken apart, not all in it can be one transaction"]))
    by_kind = (_kind(c.written) if isinstance(c, Rows) and not c.is_writing else _words(c.kind) for c in changes)
    kind = ", ".join(dict.fromkeys(by_kind)) if not raw else _kind(statement)
    what = ", ".join(dict.fromkeys(map(_what, changes))) if not raw else ""
    return Row(kept.place.file, kept.place.line, statement.position, kind, what, verdict, why, back or "derived")


def _apart(changes: Sequence[Change]) -> str:
    """What a statement is taken apart into; empty where it is not."""
    if len(changes) < 2:
        return ""
    first, *others = changes
    keys = [c for c in others if isinstance(c, AddConstraint) and c.type == "f"]
    named = {"create_table": "the table", "add_column": "the column"}.get(first.kind)
    found = f"taken apart into {len(changes)}"
    if not named or len(keys) < len(others):
        return found
    return f"{found}: {named}, then its foreign key{'s' if len(keys) > 1 else ''}"


def _not_concurrently(changes: Sequence[Change]) -> str:
    nodes: list[Any] = [c.written.node for c in changes if c.fresh and c.written.node_kind == "index_stmt"]
    left_out = any(n.concurrent for n in nodes)
    return "CONCURRENTLY is left out: the table is of this migration, and while it is empty nobody waits" * left_out


def _lost(change: Change) -> str:
    """Why there is no exact way back, and who says that it may be run all the same."""
    if isinstance(change, RawSql):
        return f"{change.no_way_back}; accepted: {change.irreversible}"
    return change.irreversible


def _to_judge(change: Change, notes: Sequence[str]) -> str:
    """Why a statement that is carried out as it stands may lock others out for long; empty where it does not."""
    if change.fresh:
        return ""
    if change.kind == "alter_column_type":
        return "rewrites the whole table while all else is blocked, unless the old type allows more: plan tells it"
    locks = {s.lock for p in change.apply(NOTHING_THERE) for s in p.statements}
    return "; ".join(notes) if change.kind == "maintain" and not locks <= _LOCKS_OF_UPKEEP else ""


def _what(change: Change) -> str:
    """The object; of upkeep the tables as they are written, which the change itself has from the target only."""
    named = [quoted(*name) for name in tables_of(change.written)] if change.kind == "maintain" else []
    return f"{change.object.partition(' ')[0]} {', '.join(named)}" if named else change.object


def _form(changes: Sequence[Change]) -> str:
    """The form in which one change is carried out, where it has nothing to say of it."""
    sql = " ".join("; ".join(s.sql for p in changes[0].apply(NOTHING_THERE) for s in p.statements).split())
    return f"as {sql[:_LONGEST]}{' …' if len(sql) > _LONGEST else ''}"


def _kind(statement: SqlStatement) -> str:
    """What a statement of no known kind is, in words."""
    done = effect(statement)
    if done.made and statement.node_kind != "alter_table_stmt":
        return f"create {done.made[0].kind}"
    return _words(statement.node_kind)


def is_as_written(changes: Sequence[Change]) -> bool:
    """Whether what is carried out is what is written, but for spelling."""
    if len(changes) != 1:
        return False
    (change,) = changes
    if isinstance(change, Rows):
        return True
    phases = change.apply(NOTHING_THERE)
    if any(isinstance(p, Walk) for p in phases):  # in batches
        return False
    statements = [s.sql for p in phases for s in p.statements]
    written = change.written.as_written
    return len(statements) == 1 and (statements[0] == written or _spelled(statements[0]) == _spelled(written))


def _spelled(sql: str) -> str:
    """A statement in the grammar's spelling; IF EXISTS is left out, for what is there is looked up before."""
    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError:  # it lacks what only the target can tell
        return sql
    inner = tree.stmts[0].stmt
    top: Any = getattr(inner, inner.WhichOneof("node"))
    commands = [c.alter_table_cmd for c in top.cmds] if top.DESCRIPTOR.name == "AlterTableStmt" else []
    for node in [top, *commands]:
        for name in ("missing_ok", "if_not_exists"):
            if name in node.DESCRIPTOR.fields_by_name:
                node.ClearField(name)
    return deparsed(tree)


def _words(kind: str) -> str:
    return kind.removesuffix("_stmt").replace("_", " ")
