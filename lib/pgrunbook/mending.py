"""The statements that mend an audit's findings: each once, named, none that undoes another, in a safe order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pgrunbook import changes, errors, sqlfile
from pgrunbook.audit import Finding
from pgrunbook.changes import Change, RawSql
from pgrunbook.changes.alter_column_type import AlterColumnType
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.changes.drop_index import DropIndex
from pgrunbook.changes.maintain import Maintain
from pgrunbook.db import Database
from pgrunbook.index_shape import IndexShape, shape
from pgrunbook.sqlfile import SqlStatement, quoted

# They drop an index for another's sake, which has to stay.
_FOR_ANOTHER = ("index_duplicate", "index_prefix")
_ORDER = {"create_index": 0, "alter_policy": 1, "drop_index": 3}


@dataclass(frozen=True, slots=True)
class Mend:
    """One statement of the migration, what it changes, and the findings that it mends."""

    statement: SqlStatement
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]

    @property
    def rank(self) -> int:
        return max(_ORDER.get(c.kind, 2) for c in self.changes)

    @property
    def index(self) -> CreateIndex | None:
        only = self.changes[0]
        return only if isinstance(only, CreateIndex) else None

    @property
    def dropped(self) -> tuple[str, ...]:
        return tuple(c.object for c in self.changes if isinstance(c, DropIndex))


@dataclass(frozen=True, slots=True)
class ByHand:
    """What a person has to do about a finding, and why a statement of the runbook does not."""

    finding: Finding
    what: str


@dataclass(frozen=True, slots=True)
class _Definition:
    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


def mends(picked: Sequence[Finding], database: Database | None) -> tuple[list[Mend], list[ByHand]]:
    """What a runbook does about findings, and what is left to a person; the gravest finding's statement comes first.

    Indexes are made before others are dropped. Without a database (None) its indexes can't be looked at.
    """
    found: list[Mend] = []
    by_hand = [ByHand(f, f.advice or f.doubt) for f in picked if not f.remedy]
    for finding in picked:
        made = [(s, tuple(changes.typed(s, {}, {}))) for s in _statements(finding, database)]
        refused = next((why for _, parts in made for c in parts if (why := _refusal(c))), "")
        if refused:  # half of a remedy is none
            text = "; ".join(s.sql for s, _ in made)
            by_hand.append(ByHand(finding, f"{text}; by hand, for {refused}"))
        else:
            found += [Mend(statement, parts, (finding,)) for statement, parts in made]
    found, contrary = _without_contrary(_named(_merged(found), database))
    found, unsafe = _without_uncovered(found, database)
    return sorted(found, key=lambda m: m.rank), [*by_hand, *contrary, *unsafe]


def _refusal(change: Change) -> str:
    """Why a runbook can't carry a change out as it stands; empty where it can."""
    if isinstance(change, AlterColumnType):
        return (
            f"the server rewrites {change.relation} while nobody can read or write it: in a maintenance window; or add "
            "a column of the new type, fill it in batches, and let it take the old one's name"
        )
    if isinstance(change, Maintain):
        return "a runbook can't take it back: it is maintenance"
    if isinstance(change, RawSql) and (why := change.refusal()):
        return f"a runbook can't take it back: this statement {why}"
    return ""


def _statements(finding: Finding, database: Database | None) -> list[SqlStatement]:
    """The remedy's statements; an invalid index is built anew by its definition, as a runbook can take that back."""
    found = list(sqlfile.split(finding.remedy))
    rebuilt = [s for s in found if s.node_kind == "reindex_stmt"]
    if not database or not rebuilt:
        return found
    names = [_reindexed(s) for s in rebuilt]
    anew = {d.name: d.definition for d in database.fetch("invalid_indexes", _Definition, names=names)}
    definitions = {id(s): anew[n] for s, n in zip(rebuilt, names, strict=True) if n in anew}
    return [sqlfile.split(definitions[id(s)])[0] if id(s) in definitions else s for s in found]


def _reindexed(statement: SqlStatement) -> str:
    node: Any = statement.node
    return quoted(node.relation.schemaname, node.relation.relname)


def _merged(mends: Sequence[Mend]) -> list[Mend]:
    """Equal statements once, and an index that is the beginning of another one not at all, with all their reasons."""
    found: dict[IndexShape | tuple[str, str], Mend] = {}
    for mend in mends:
        key = _key(mend)
        if known := found.get(key):
            mend = replace(known, findings=tuple(dict.fromkeys([*known.findings, *mend.findings])))
        found[key] = mend
    for key in [k for k in found if isinstance(k, IndexShape)]:
        others = (k for k in found if isinstance(k, IndexShape) and k != key)
        longer = next((k for k in others if k.begins_with(key)), None)
        if longer:
            reasons = [*found[longer].findings, *found.pop(key).findings]
            found[longer] = replace(found[longer], findings=tuple(dict.fromkeys(reasons)))
    return list(found.values())


def _key(mend: Mend) -> IndexShape | tuple[str, str]:
    """What a statement does, whatever it is spelled like; of an index whatever it is called."""
    if mend.index:
        return shape(mend.statement.node)
    return mend.statement.node_kind, sqlfile.rewritten(mend.statement.sql, _not_concurrently)


def _not_concurrently(node: Any) -> None:
    if "concurrent" in node.DESCRIPTOR.fields_by_name:
        node.concurrent = False


def _named(mends: Sequence[Mend], database: Database | None) -> list[Mend]:
    """Give each new index a name of its own, as the server would."""
    taken = {m.index.object for m in mends if m.index and m.index.name}
    found = []
    for mend in mends:
        if mend.index and not mend.index.name:
            node: Any = mend.statement.node
            name = _index_name(node, lambda n: _is_taken(n, taken, database))
            taken.add(quoted(node.relation.schemaname, name))
            statement = sqlfile.split(sqlfile.rewritten(mend.statement.sql, _naming(name)))[0]
            mend = replace(mend, statement=statement, changes=tuple(changes.typed(statement, {}, {})))
        found.append(mend)
    return found


def _naming(name: str) -> Callable[[Any], None]:
    def edit(node: Any) -> None:
        node.idxname = name

    return edit


def _index_name(node: Any, is_taken: Callable[[str], bool]) -> str:
    columns = [p.index_elem.name or "expr" for p in node.index_params]
    table, schema = node.relation.relname, node.relation.schemaname
    for number in range(1, 1000):
        ending = f"{'_'.join(columns)[:40]}_idx{number if number > 1 else ''}"
        name = f"{table.encode()[: 62 - len(ending.encode())].decode(errors='ignore')}_{ending}"
        if not is_taken(quoted(schema, name)):
            return name
    raise errors.WrongUsage(f"no name is free for an index of {table}", remedy="name it in the finding's remedy")


def _is_taken(name: str, taken: Collection[str], database: Database | None) -> bool:
    return name in taken or bool(database and database.value("select pg_catalog.to_regclass($1)", [name]))


def _without_contrary(mends: Sequence[Mend]) -> tuple[list[Mend], list[ByHand]]:
    """Two statements about one policy, or a drop of an index that is built anew: the graver finding's one stays."""
    kept: list[Mend] = []
    left: list[ByHand] = []
    made = {m.index.object for m in mends if m.index}
    seen: dict[str, Mend] = {}
    for mend in mends:
        if mend.dropped and set(mend.dropped) <= made:  # a build clears an invalid one away by itself
            continue
        before = next((seen[c.subject] for c in mend.changes if c.subject in seen), None)
        if before:
            what = f"{mend.statement.sql}; by hand, for it contradicts what mends {before.findings[0].id}"
            left += [ByHand(f, what) for f in mend.findings]
            continue
        seen |= {c.subject: mend for c in mend.changes}
        kept.append(mend)
    return kept, left


def _without_uncovered(mends: Sequence[Mend], database: Database | None) -> tuple[list[Mend], list[ByHand]]:
    """Leave an index that would be dropped for another's sake, where that other one is to be dropped as well."""
    dropped = [name for m in mends for name in m.dropped]
    if not dropped or not database:
        return list(mends), []
    covered = {n.name for n in database.fetch("still_covered", _Name, names=dropped)}
    kept, left = [], []
    for mend in mends:
        for_another = [f for f in mend.findings if f.lint in _FOR_ANOTHER]
        if for_another and len(for_another) == len(mend.findings) and not set(mend.dropped) <= covered:
            what = f"{mend.statement.sql}; by hand, after a look: no valid index would be left that does its work"
            left += [ByHand(f, what) for f in for_another]
        else:
            kept.append(mend)
    return kept, left
