"""The author's own way back: what of it answers for statements without a derived one, and whether it holds.

It is held against the migration by what both of them name; a proof runs it for real.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import postgast

from pgrunbook import sqlfile
from pgrunbook.importing.cleaning import Kept
from pgrunbook.importing.objects import Course, Effect, Name, Object, course, effect, listed, same_schema
from pgrunbook.sqlfile import SqlStatement

_PB = postgast.pg_query_pb2
_WRITING = ("insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "truncate_stmt")
_NOTHING = "select"
# what sets, and what resets it
_SAME_SETTING = {
    _PB.AT_SetNotNull: _PB.AT_DropNotNull, _PB.AT_SetRelOptions: _PB.AT_ResetRelOptions,
    _PB.AT_SetOptions: _PB.AT_ResetOptions, _PB.AT_ClusterOn: _PB.AT_DropCluster, _PB.AT_SetLogged: _PB.AT_SetUnLogged,
    _PB.AT_AddIdentity: _PB.AT_DropIdentity, _PB.AT_EnableRowSecurity: _PB.AT_DisableRowSecurity,
    _PB.AT_ForceRowSecurity: _PB.AT_NoForceRowSecurity, _PB.AT_EnableTrig: _PB.AT_DisableTrig,
    _PB.AT_EnableTrigAll: _PB.AT_DisableTrigAll, _PB.AT_EnableTrigUser: _PB.AT_DisableTrigUser,
    _PB.AT_AttachPartition: _PB.AT_DetachPartition,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What undoes one statement: the statements, where they come from, and what to say of them."""

    statements: tuple[str, ...]
    origin: str
    note: str = ""


@dataclass(slots=True)
class Answers:
    """The answers by the position of what they undo, and the statements of the way back that answer for nothing."""

    by_position: dict[int, Answer] = field(default_factory=dict)
    unmatched: list[Kept] = field(default_factory=list)


def answers(migration: Sequence[Kept], unanswered: Sequence[Kept], down: Sequence[Kept]) -> Answers:
    """Which statements of an authored way back answer for those of a migration that have none derived.

    They answer for the statement that names the same object, else for one of the same kind on the same table.
    """
    found = Answers()
    open_positions = {u.statement.position for u in unanswered}
    known = [effect(k.statement) for k in migration if k.statement.position not in open_positions]
    derived = _Known(known)
    settled: dict[tuple[str, ...], set[str]] = {}
    for one in migration:
        if one.statement.position not in open_positions:
            for schema, mark in _marks(one.statement):
                settled.setdefault(mark, set()).add(schema)
    by_object: dict[int, list[Kept]] = {}
    by_subject: dict[tuple[str, ...], list[Kept]] = {}
    subjects = {_subject(u.statement) for u in unanswered} - {()}
    open_effects = [(u.statement.position, _named(effect(u.statement))) for u in unanswered]
    for one in down:
        named = _named(effect(one.statement))
        match = [p for p, theirs in open_effects if any(a.is_same(b) for a in named for b in theirs)]
        subject = _subject(one.statement)
        if match:
            by_object.setdefault(match[-1], []).append(one)
        elif any(map(derived.knows, named)):
            continue
        elif subject in subjects:
            by_subject.setdefault(subject, []).append(one)
        elif not (subject and derived.makes_table(subject)) and not _is_settled(one.statement, settled):
            found.unmatched.append(one)  # of what is derived already there is nothing to say
    for position, several in by_object.items():
        found.by_position[position] = _answer(several)
    for subject, several in by_subject.items():
        theirs = [u for u in unanswered if _subject(u.statement) == subject]
        left = [u for u in theirs if u.statement.position not in found.by_position]
        found.by_position |= dict(_paired(left, several))
    return found


def _paired(undone: Sequence[Kept], answering: Sequence[Kept]) -> Iterator[tuple[int, Answer]]:
    """Answers for statements on one table: the last is undone first; where numbers differ, all stand at the first."""
    if len(undone) == len(answering):
        for one, other in zip(undone, reversed(answering), strict=True):
            yield one.statement.position, _answer([other])
        return
    for n, one in enumerate(undone):
        first = undone[0].statement.position
        note = f"undone together with statement_{first}, as the authored way back does it"
        yield one.statement.position, _answer(answering) if not n else Answer((_NOTHING,), "authored", note)


def _answer(several: Sequence[Kept]) -> Answer:
    lines = ", ".join(str(k.place) for k in several)
    return Answer(tuple(k.statement.sql for k in several), f"authored ({lines})")


class _Known:
    """What the statements with a derived way back name."""

    def __init__(self, effects: Iterable[Effect]) -> None:
        self._by_key: dict[tuple[str, str, str], list[Object]] = {}
        for one in effects:
            for named in _named(one):
                self._by_key.setdefault(named.key, []).append(named)

    def knows(self, wanted: Object) -> bool:
        return any(o.is_same(wanted) for o in self._by_key.get(wanted.key, ()))

    def makes_table(self, subject: tuple[str, ...]) -> bool:
        """Whether it is about a table that goes as a whole."""
        family, *name = subject
        return family in ("rows", "alter_table_stmt") and self.knows(Object("table", name[0], name[1]))


def _named(effect: Effect) -> list[Object]:
    return [*effect.made, *effect.dropped, *(o for pair in effect.renamed for o in pair)]


def _subject(statement: SqlStatement) -> tuple[str, ...]:
    """What a statement is about where it makes and drops nothing: its kind and its table, or what else it names."""
    node: Any = statement.node
    fields = node.DESCRIPTOR.fields_by_name
    kind = "rows" if statement.node_kind in _WRITING else statement.node_kind
    if statement.node_kind == "truncate_stmt":
        relation = node.relations[0].range_var
        return kind, str(relation.schemaname), str(relation.relname)
    if "relation" in fields and node.HasField("relation"):
        return kind, str(node.relation.schemaname), str(node.relation.relname)
    texts = [str(v) for f, v in node.ListFields() if f.type == f.TYPE_STRING and not f.is_repeated]
    inside: list[Any] = [m for _, m in sqlfile.walk(node)]
    roles = [str(m.rolename) for m in inside if m.DESCRIPTOR.name == "RoleSpec"]
    lists = [s.string.sval for f, v in node.ListFields() if f.is_repeated and f.message_type for s in v if _is_text(s)]
    return (kind, *texts, *roles, *lists) if texts or roles or lists else ()


def _marks(statement: SqlStatement) -> list[tuple[str, tuple[str, ...]]]:
    """What a statement sets where it makes and drops nothing, by its schema: each setting of a table apart.

    What sets and what resets one thing have the same.
    """
    subject = _subject(statement)
    if not subject or statement.node_kind != "alter_table_stmt":
        return [("", subject)] if subject else []
    kind, schema, table = subject
    node: Any = statement.node
    commands = [item.alter_table_cmd for item in node.cmds]
    return [(schema, (kind, table, str(_SAME_SETTING.get(c.subtype, c.subtype)), str(c.name))) for c in commands]


def _is_settled(statement: SqlStatement, settled: Mapping[tuple[str, ...], set[str]]) -> bool:
    """Whether all that a statement sets is set by others, whether they name the schema or not."""
    marks = _marks(statement)
    return bool(marks) and all(any(same_schema(schema, s) for s in settled.get(mark, ())) for schema, mark in marks)


def _is_text(item: Any) -> bool:
    return bool(item.DESCRIPTOR.name == "Node" and item.HasField("string"))


# -- whether it holds --------------------------------------------------------------------------------------------


def faults(migration: Sequence[Kept], down: Sequence[Kept]) -> list[str]:
    """What is wrong with an authored way back, as far as the text of both tells."""
    return list(_Walk(migration).faults(down))


class _Walk:
    """The way back, statement by statement, from where the migration ends."""

    def __init__(self, migration: Sequence[Kept]) -> None:
        statements = [k.statement for k in migration]
        self._course: Course = course(statements)
        self._before = list(self._course.final()[1])
        self._away: list[tuple[Object, str]] = []
        self._needs: dict[tuple[str, str, str], list[Object]] = {}
        self._unnamed: set[str] = set()
        self._remade: set[Name] = set()
        self._partitions: dict[tuple[str, str, str], list[tuple[Object, Object]]] = {}
        for statement in statements:
            for part, whole in _partitions(statement):
                self._partitions.setdefault(whole.key, []).append((part, whole))
            for user, needed in _edges(statement):
                self._needs.setdefault(needed.key, []).append(user)
            self._unnamed |= set(_unnamed(statement))

    def faults(self, down: Sequence[Kept]) -> Iterator[str]:
        hidden: list[str] = []
        for one in down:
            done = effect(one.statement)
            if done.maybe and done.dropped:
                hidden.append(str(one.place))
            for dropped in done.dropped:
                yield from self._drop(one, dropped, done)
            for old, new in done.renamed:
                yield from self._rename(one, old, new)
            for made in done.made:
                yield from self._make(one, made)
        standing = list(self._course.there)
        whole = {(o.schema, o.name) for o in standing if o.kind in ("table", "view", "materialized view")}
        if left := [o for o in standing if not (o.table and o.table in whole)]:
            yield f"leaves what the migration makes: {listed(left)}"
        if lost := [o for o in self._before if not any(o.is_part_of(other) for other in self._before)]:
            yield f"does not make again what the migration drops or renames: {listed(lost)}"
        if hidden:
            few = ", ".join(hidden[:5]) + (f" and {len(hidden) - 5} more" if len(hidden) > 5 else "")
            yield f"IF EXISTS hides what is missing: {few}"

    def _drop(self, one: Kept, dropped: Object, done: Effect) -> Iterator[str]:
        if done.cascade:
            known = self._users(dropped)
            what = f" ({listed(known)}, as far as this migration tells)" if known else ""
            yield f"{one.place}: CASCADE takes all that depends on {dropped} by then{what}"
        elif users := self._users(dropped):
            yield f"{one.place}: would fail: {listed(users, 3)} still needs {dropped}"
        for part in self._partitions_of(dropped):
            taken = self._course.take_out(part)
            if not taken and not any(part.is_same(o) for o, _ in self._away):
                yield f"{one.place}: takes {part}, a partition of {dropped} that the migration does not make"
            self._away += [(o, str(one.place)) for o in (taken or [part])]
        taken = self._course.take_out(dropped)
        if taken:
            self._away += [(o, str(one.place)) for o in taken]
            return
        gone = next((where for o, where in self._away if o.is_same(dropped) or dropped.is_part_of(o)), "")
        if gone:
            if not done.maybe:
                yield f"{one.place}: would fail: {dropped} is gone by then, with {gone}"
        elif any(o.is_same(dropped) for o in self._before):
            yield f"{one.place}: drops {dropped}, which the migration has dropped or renamed"
        elif not self._may_be_unnamed(dropped):
            yield f"{one.place}: drops {dropped}, which the migration does not make"
        self._away.append((dropped, str(one.place)))

    def _rename(self, one: Kept, old: Object, new: Object) -> Iterator[str]:
        if not self._course.take_out(old):
            yield f"{one.place}: renames {old}, which the migration does not make"
        yield from self._make(one, new)

    def _make(self, one: Kept, made: Object) -> Iterator[str]:
        known = [o for o in self._before if o.is_same(made)]
        self._before = [o for o in self._before if o not in known]
        part = made.kind == "column" or (made.table in self._remade if made.table else False)
        if made.kind == "table":
            self._remade.add((made.schema, made.name))
        if not known and not part and not any(o.is_same(made) for o, _ in self._away):
            yield f"{one.place}: makes {made}, which was not there before the migration"
        self._away = [(o, where) for o, where in self._away if not o.is_same(made)]

    def _users(self, dropped: Object) -> list[Object]:
        """What the migration makes, still stands and needs what is dropped, which goes with its partitions."""
        going = [dropped, *self._partitions_of(dropped)]
        found = [
            u
            for needed in going
            for u in self._needs.get(needed.key, ())
            if not any(u.is_part_of(g) or u.is_same(g) for g in going)
        ]
        return list(dict.fromkeys(u for u in found if self._course.find(u)))

    def _partitions_of(self, parent: Object) -> list[Object]:
        """A table's partitions, and theirs."""
        found = [parent] if parent.kind == "table" else []
        for one in found:
            parts = (part for part, whole in self._partitions.get(one.key, ()) if whole.is_same(one))
            found += [p for p in parts if not any(p.is_same(f) for f in found)]
        return found[1:]

    def _may_be_unnamed(self, dropped: Object) -> bool:
        """Whether it may be an object that the migration makes without giving it a name."""
        if dropped.kind == "index":
            return bool(self._unnamed)
        return dropped.kind == "constraint" and bool(dropped.table) and dropped.table[1] in self._unnamed  # type: ignore[index]


def _partitions(statement: SqlStatement) -> Iterator[tuple[Object, Object]]:
    """Pairs of a partition and the table that it is made for or attached to."""
    node: Any = statement.node
    if statement.node_kind == "create_stmt" and node.HasField("partbound"):
        yield _table(node.relation), _table(node.inh_relations[0].range_var)
    if statement.node_kind == "alter_table_stmt" and node.objtype == _PB.OBJECT_TABLE:
        for item in node.cmds:
            if item.alter_table_cmd.subtype == _PB.AT_AttachPartition:
                yield _table(getattr(item.alter_table_cmd, "def").partition_cmd.name), _table(node.relation)


def _table(relation: Any) -> Object:
    return Object("table", str(relation.schemaname), str(relation.relname))


def _unnamed(statement: SqlStatement) -> Iterator[str]:
    """The tables that get a constraint or an index without a name."""
    node: Any = statement.node
    if statement.node_kind == "index_stmt" and not node.idxname:
        yield str(node.relation.relname)
    if statement.node_kind in ("create_stmt", "alter_table_stmt"):
        constraints: list[Any] = [m for _, m in sqlfile.walk(node) if m.DESCRIPTOR.name == "Constraint"]
        if any(not c.conname for c in constraints):
            yield str(node.relation.relname)


def _edges(statement: SqlStatement) -> Iterator[tuple[Object, Object]]:
    """Pairs of an object that a statement makes and one that it needs."""
    made = effect(statement).made
    user = next((o for o in made if o.kind != "schema"), None)
    node: Any = statement.node
    if user is None or statement.node_kind in ("index_stmt", "create_policy_stmt"):
        return
    if statement.node_kind == "create_trig_stmt":
        *schema, name = (s.string.sval for s in node.funcname)
        yield user, Object("function", schema[0] if schema else "", name)
        return
    for _, message in sqlfile.walk(node):
        one: Any = message
        if one.DESCRIPTOR.name == "RangeVar" and (one.schemaname, one.relname) != (user.schema, user.name):
            if not user.table or user.table[1] != one.relname:
                yield user, Object("table", one.schemaname, one.relname)
        elif one.DESCRIPTOR.name == "TypeName" and one.names:
            *schema, name = (s.string.sval for s in one.names)
            if schema != ["pg_catalog"]:
                yield user, Object("type", schema[0] if schema else "", name)
