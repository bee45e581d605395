"""ALTER TABLE … ADD CONSTRAINT: no row is looked at, and no index built, under a lock that blocks traffic.

CHECK and FOREIGN KEY are added NOT VALID and validated in another transaction; UNIQUE and PRIMARY KEY take over an
index that was built concurrently.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import postgast

from pgrunbook import errors, sqlfile
from pgrunbook.changes import _constraints, _indexes
from pgrunbook.changes._alter import (
    AlterTable,
    accepting,
    defined_anew,
    dropped_before,
    is_empty,
    only_command,
    size_of,
)
from pgrunbook.changes._base import (
    NOTHING_THERE,
    Change,
    Estimate,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    Transaction,
    one_transaction,
)
from pgrunbook.changes._constraints import NOT_VALID, Constraint
from pgrunbook.changes._parts import column_of
from pgrunbook.changes._scratch import copy_table, scratch
from pgrunbook.changes.create_index import CreateIndex
from pgrunbook.changes.rename import Rename
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement, quoted

_PB = postgast.pg_query_pb2
# as pg_constraint.contype spells them
_TYPES = {
    _PB.CONSTR_CHECK: "c",
    _PB.CONSTR_FOREIGN: "f",
    _PB.CONSTR_UNIQUE: "u",
    _PB.CONSTR_PRIMARY: "p",
    _PB.CONSTR_EXCLUSION: "x",
}
_WORDS = {"c": "check", "f": "fkey", "u": "key", "p": "pkey", "x": "excl"}
_ACTIONS = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
PARTITIONED_NOT_VALID = 180000
_INDEX, _INVALID_INDEX = "index", "invalid index"


@dataclass(frozen=True, slots=True)
class AddConstraint(AlterTable):
    """One ADD CONSTRAINT. `other_schema` is of the table that a foreign key references.

    `blocks` says why there is no form of it here that lets traffic pass; empty where there is one. `replaces`: an
    earlier change drops the constraint that bears its name. `keys` are the columns of the index that an earlier change
    makes for it to take over, `renamed` the later changes that rename them.
    """

    kind: ClassVar[str] = "add_constraint"
    is_careful: ClassVar[bool] = True

    other_schema: str = ""
    blocks: str = ""
    replaces: bool = False
    keys: str = ""
    renamed: tuple[Rename, ...] = dataclasses.field(default=(), repr=False, compare=False)

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> AddConstraint | None:
        command = only_command(statement, _PB.AT_AddConstraint)
        if command is None or _constraint(command).contype not in _TYPES:
            return None
        node: Any = statement.node
        other = _constraint(command).pktable.schemaname
        return cls(statement, schema=node.relation.schemaname, other_schema=other)

    @property
    def _definition(self) -> Any:
        return _constraint(self._command)

    @property
    def type(self) -> str:
        """As pg_constraint.contype spells it."""
        return _TYPES[self._definition.contype]

    @property
    def name(self) -> str:
        """The constraint's name; one without gets the name that the server would choose."""
        made = self._definition
        if made.conname or made.indexname:
            return str(made.conname or made.indexname)
        return _constraints.chosen_name(self.table, _named_after(made), _WORDS[self.type])

    @property
    def label(self) -> str:
        return column_of(self.written) or f"{self.table}.{self.name}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.name)

    @property
    def subject(self) -> str:
        return f"constraint {self.object}"

    def may_follow(self, before: Change) -> bool:
        return before.kind == "drop_constraint"

    @property
    def idents(self) -> tuple[str, ...]:
        index = quoted(self.schema, self.name)
        own = (f"index {index}", f"invalid index {index}") if self._has_index else ()
        return (f"constraint {self.object}", *own)

    @property
    def creates_in(self) -> str:
        return self.schema if self._has_index else ""

    @property
    def _has_index(self) -> bool:
        return self.type in "pux"

    @property
    def _other(self) -> str:
        return quoted(self.other_schema, self._definition.pktable.relname)

    @property
    def _uses(self) -> str:
        """The index that the author has it take over."""
        return str(self._definition.indexname)

    @property
    def takes_over(self) -> str:
        """The qualified name of the index that it makes its own."""
        return quoted(self.schema, self._uses) if self._uses else ""

    def takes_away(self, other: Change) -> bool:
        return bool(self._uses) and isinstance(other, CreateIndex) and other.object == self.takes_over

    @property
    def _validates(self) -> bool:
        """Whether its rows are to be looked at."""
        made = self._definition
        return self.type in "cf" and made.is_enforced and not made.skip_validation

    # -- names ---------------------------------------------------------------------------------------------

    def resolve(self, names: Names) -> AddConstraint:
        table = self._found_table(names)
        found = replace(self, schema=table.schema, blocks=self._blocks(names, table))
        if self.type == "f":
            other = self._definition.pktable
            found = replace(
                found, other_schema=names.relation(other.schemaname, other.relname, self.written, "rp").schema
            )
        own = [c for c in names.earlier if isinstance(c, CreateIndex) and c.object == found.takes_over]
        found = replace(found, replaces=dropped_before(names, found), keys=own[-1].keys if own else "")
        if found.blocks and self.options.concurrently and not is_empty(names, table):
            if found._seen(names.db).state is not State.ABSENT:
                return found
            raise errors.PreflightFailed(
                f"line {self.written.line} of migrate.sql blocks {table} ({size_of(names, table)}) until it is done: "
                f"{found.blocks}",
                remedy=f"plan a maintenance window and {accepting(self.label)}",
            )
        return found

    def followed_by(self, later: Sequence[Change]) -> Change:
        own = [c for c in later if isinstance(c, Rename) and c.sort.what == "column" and c.relation == self.relation]
        return replace(self, later=Change.followed_by(self, later).later, renamed=tuple(own) if self.keys else ())

    def makes_not_null(self, column: str) -> bool:
        """Whether it is a primary key over an index of this migration with a column, which may be null until then."""
        return self.type == "p" and quoted(column) in self.keys.split(", ")

    def _blocks(self, names: Names, table: Relation) -> str:
        if self.type == "x":
            return "the index of an exclusion constraint can't be built concurrently"
        if any(self._definition.keys) and self._definition.without_overlaps:
            return "the index of a constraint WITHOUT OVERLAPS can't be built concurrently"
        if table.kind == "p" and self.type in "pu":
            return f"{table} is partitioned, and a constraint can't take over a partitioned index"
        if table.kind == "p" and self._validates and self.type == "f" and names.db.version < PARTITIONED_NOT_VALID:
            return f"{table} is partitioned, and before PostgreSQL 18 its foreign keys can't be NOT VALID"
        return ""

    def resolved_sql(self) -> str:
        def edit(command: Any) -> None:
            made = _constraint(command)
            made.conname = self.name
            if self.type == "f":
                made.pktable.schemaname = self.other_schema

        return self._edited(edit)

    # -- state ---------------------------------------------------------------------------------------------

    def state(self, db: Database) -> Observation:
        seen = self._seen(db)
        if seen.state is State.DIFFERENT and self.replaces:
            seen = replace(seen, state=State.ABSENT)
        return defined_anew(self, seen, db)

    def _seen(self, db: Database) -> Observation:
        now = _constraints.find(db, self.relation, self.name)
        if now is None:
            return self._seen_of_index(db) if self._builds else NOTHING_THERE
        planned = self._planned(db)
        if isinstance(planned, str) or planned != (now.type, now.definition, now.traits):
            wanted = planned if isinstance(planned, str) else planned[1]
            return Observation(State.DIFFERENT, f"planned: {wanted}; found: {now.shown}")
        if self._validates and not now.validated:
            return Observation(State.INVALID, f"not validated: {now.shown}", found=(NOT_VALID,))
        return Observation(State.PRESENT, now.shown)

    @property
    def _builds(self) -> bool:
        """Whether an index of its own stands before it does."""
        return self.type in "pu" and not self._uses

    def _seen_of_index(self, db: Database) -> Observation:
        seen = self._index().state(db)
        if seen.state is State.PRESENT:
            return Observation(
                State.INVALID, f"its index is there, and not yet taken over: {seen.detail}", found=(_INDEX,)
            )
        if seen.state is State.INVALID:
            return Observation(State.INVALID, seen.detail, found=(_INVALID_INDEX,))
        return seen

    def _planned(self, db: Database) -> tuple[str, str, str] | str:
        """Type, definition and index options that the statement gives; a reason where they can't be had."""
        if self.type == "f":
            return (self.type, self._foreign_key(db), "")
        if self._uses:  # its index bears another name by now, so that what is there is all that can be had
            now = _constraints.find(db, self.relation, self.name)
            deferred = _deferrable(self._definition)
            fits = now and now.type == self.type and _is_deferred(now.definition) == deferred and self._took(db, now)
            return (now.type, now.definition, now.traits) if now and fits else self._shown
        try:
            made = self._on_copy(db)
        except errors.PreflightFailed as e:  # what it needs is made by an earlier change
            return e.message
        return (made.type, made.definition, made.traits)

    def _took(self, db: Database, now: Constraint) -> bool:
        """Whether a constraint of its name may have come of its index: another one may have stood there before."""
        if self._uses != self.name and _indexes.find(db, self.schema, self._uses):
            return False  # it would bear the constraint's name by now
        keys = self.keys.split(", ")
        for rename in self.renamed:
            if rename.standing(db).state is State.PRESENT:
                keys = [quoted(rename.new.name) if key == quoted(rename.old.name) else key for key in keys]
        return not self.keys or f" ({', '.join(keys)})" in now.definition

    @property
    def _shown(self) -> str:
        return self.resolved_sql().partition(" ADD ")[2]

    def _on_copy(self, db: Database) -> Constraint:
        """What the server makes of it on an empty copy of the table."""

        def edit(node: Any) -> None:
            node.relation.schemaname = "pg_temp"
            made = _constraint(node.cmds[0].alter_table_cmd)
            made.conname, made.indexspace, made.skip_validation, made.initially_valid = (
                self.name,
                "",
                False,
                made.is_enforced,
            )

        with scratch(db, self):
            copy = copy_table(db, self.relation, self.table)
            db.execute(sqlfile.rewritten(self.written.sql, edit))
            db.execute("set local search_path = pg_catalog")
            made = _constraints.look(db, copy, self.name)
        if made is None:
            raise errors.PreflightFailed(f"{self.object} can't be made on a copy", remedy="give it another name")
        return made

    def _foreign_key(self, db: Database) -> str:
        """The definition as pg_get_constraintdef spells it."""
        made = self._definition
        keys = [k.string.sval for k in made.pk_attrs] or _primary_key(db, self._other)
        ours = _key_text([k.string.sval for k in made.fk_attrs], period=made.fk_with_period)
        text = f"FOREIGN KEY ({ours}) REFERENCES {self._other}({_key_text(keys, period=made.pk_with_period)})"
        text += " MATCH FULL" if made.fk_matchtype == "f" else ""
        for word, action in (("UPDATE", made.fk_upd_action), ("DELETE", made.fk_del_action)):
            text += f" ON {word} {_ACTIONS[action]}" if action in _ACTIONS else ""
        if made.fk_del_set_cols:
            text += f" ({', '.join(quoted(c.string.sval) for c in made.fk_del_set_cols)})"
        return text + _deferrable(made) + ("" if made.is_enforced else " NOT ENFORCED")

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        seen = self._seen(db)
        if captured.get("not_valid") and NOT_VALID in seen.found:
            return Observation(State.ABSENT, "is as it was before")
        if (index := captured.get("index")) and (seen.state is State.ABSENT or _INDEX in seen.found):
            now = _indexes.find(db, index["schema"], index["name"])
            if now and now.remembered == index:
                return Observation(State.ABSENT, "is as it was before")
            return Observation(State.INVALID, "the index that it took over is not back")
        return seen

    def capture(self, db: Database) -> dict[str, Any]:
        captured: dict[str, Any] = {"blocks": self.blocks}
        seen = self._seen(db)
        if NOT_VALID in seen.found:
            now = _constraints.find(db, self.relation, self.name)
            captured["not_valid"] = now.remembered if now else {}
        if _INVALID_INDEX in seen.found:
            captured["leftover"] = self._index().capture(db)["leftover"]
        if _INDEX in seen.found or (self._uses and seen.state is not State.PRESENT):
            taken = _indexes.find(db, self.schema, self._uses or self.name)
            captured |= {"index": taken.remembered} if taken else {}
        return captured

    # -- statements ----------------------------------------------------------------------------------------

    def apply(self, seen: Observation) -> list[Phase]:
        if self.plainly(seen):
            return one_transaction(self._add())
        if self._builds and not self.blocks and self.options.concurrently:
            index = self._index()
            there = Observation(State.INVALID) if _INVALID_INDEX in seen.found else NOTHING_THERE
            return [*([] if _INDEX in seen.found else index.apply(there)), Transaction((self._taking_over(),))]
        if NOT_VALID in seen.found:
            return [self._validate()]
        if self._validates and not self.blocks and self.options.concurrently:
            return [Transaction((self._add(not_valid=True),)), self._validate()]
        leftover = [Statement(f"drop index {quoted(self.schema, self.name)}", self._add().lock, self.relation)]
        return one_transaction(*(leftover if {_INDEX, _INVALID_INDEX} & set(seen.found) else []), self._add())

    def _add(self, *, not_valid: bool = False) -> Statement:
        def edit(command: Any) -> None:
            made = _constraint(command)
            made.conname = self.name
            if self.type == "f":
                made.pktable.schemaname = self.other_schema
            if not_valid:
                made.skip_validation, made.initially_valid = True, False

        return Statement(self._edited(edit), _constraints.adding_lock(self.type), self.relation)

    def _validate(self) -> Transaction:
        return _constraints.validated(self.relation, self.name)

    def _taking_over(self) -> Statement:
        def edit(command: Any) -> None:
            made = _constraint(command)
            made.conname = made.indexname = self.name
            made.indexspace, made.nulls_not_distinct = "", False
            for field in (made.keys, made.including, made.options):
                del field[:]

        return Statement(self._edited(edit), _constraints.adding_lock(self.type), self.relation)

    def _index(self) -> CreateIndex:
        """The index that it takes over, of its own name."""
        made = self._definition

        def edit(node: Any) -> None:
            node.idxname, node.relation.schemaname, node.relation.relname = self.name, self.schema, self.table
            node.nulls_not_distinct, node.table_space = made.nulls_not_distinct, made.indexspace
            node.options.extend(made.options)
            first = node.index_params[0]
            for field, keys in ((node.index_params, made.keys), (node.index_including_params, made.including)):
                for key in keys:
                    field.add().CopyFrom(first)
                    field[-1].index_elem.name = key.string.sval
            del node.index_params[0]

        text = sqlfile.rewritten("create unique index i on t (a)", edit)
        statement = replace(sqlfile.split(text)[0], line=self.written.line, position=self.written.position)
        return CreateIndex(statement, self.options, schema=self.schema, name=self.name)

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        if before := captured.get("not_valid"):
            return [_constraints.added_not_valid(self.relation, self.name, before)]
        index = captured.get("index")
        statements = [_constraints.drop(self.relation, self.name)]
        for column in (index or {}).get("nullable", []) if self.type == "p" else []:
            statements.append(self._alter(f"alter column {quoted(column)} drop not null"))
        phases: list[Phase] = [Transaction(tuple(statements))]
        if index:
            phases += _indexes.rebuilt(index, concurrently=self.options.concurrently)
        elif self._builds and not captured.get("blocks", self.blocks):
            name = quoted(self.schema, self.name)
            concurrently = self.options.concurrently
            phases.append(_indexes.drop(name, self.relation, concurrently=concurrently, if_exists=True))
        return phases

    def clear(self, seen: Observation, captured: Mapping[str, Any]) -> list[Phase]:
        # a valid index stays: it took long to build, and an attempt to come goes on from it
        if captured.get("not_valid"):
            return []
        if _INVALID_INDEX in seen.found:
            return self._index().undo({})
        return [Transaction((_constraints.drop(self.relation, self.name),))] if NOT_VALID in seen.found else []

    def estimate(self, db: Database) -> Estimate:
        return self._index().estimate(db) if self._builds else Estimate()

    def lint(self) -> list[str]:
        if self.fresh:
            return ["on a table of this migration: while that is empty nobody waits, so it is added as it is written"]
        return list(self._notes())

    def _notes(self) -> Iterator[str]:
        both = f" and {self._other}" if self.type == "f" else ""
        if self.blocks:
            yield f"blocks {self.relation}{both} until it is done: {self.blocks}"
        elif not self.options.concurrently and (self._validates or self._builds):
            yield f"blocks {self.relation}{both} until it is done, as the runbook asks (concurrently = false)"
        elif self._builds:
            yield (
                "written, it builds its index under ACCESS EXCLUSIVE; here the index is built concurrently, and the "
                "constraint takes it over, briefly"
            )
        elif self._validates:
            yield (
                f"written, it reads the whole of {self.relation} while "
                + (f"writes to it{both} are blocked" if both else "all else is blocked")
                + "; here it is added NOT VALID, briefly, and validated in another transaction, while rows are written"
            )
        if self.type == "f":
            yield (
                f"locks {self._other} too: SHARE ROW EXCLUSIVE to add it, ROW SHARE to validate it, ACCESS EXCLUSIVE "
                "to drop it"
            )
        if self._uses:
            yield f"takes {quoted(self.schema, self._uses)} over; the way back has to build that index again"
            if self.type == "p":
                yield "reads the whole table under ACCESS EXCLUSIVE where a column may be null: SET NOT NULL first"


def _constraint(command: Any) -> Any:
    return getattr(command, "def").constraint


def _deferrable(made: Any) -> str:
    return (" DEFERRABLE" if made.deferrable else "") + (" INITIALLY DEFERRED" if made.initdeferred else "")


def _is_deferred(definition: str) -> str:
    """The end of a definition that says so."""
    return " DEFERRABLE" + definition.partition(" DEFERRABLE")[2] if " DEFERRABLE" in definition else ""


def _key_text(columns: list[str], *, period: bool) -> str:
    names = [quoted(c) for c in columns]
    return ", ".join([*names[:-1], f"PERIOD {names[-1]}"] if period else names)


def _primary_key(db: Database, relation: str) -> list[str]:
    rows = db.rows(
        "select a.attname from pg_catalog.pg_constraint c, pg_catalog.unnest(c.conkey) with ordinality k(num, n),"
        " pg_catalog.pg_attribute a where c.conrelid = pg_catalog.to_regclass($1) and c.contype = 'p'"
        " and a.attrelid = c.conrelid and a.attnum = k.num order by k.n",
        [relation],
    )
    return [str(name) for (name,) in rows]


def _named_after(made: Any) -> list[str]:
    """The columns that the server names a constraint after."""
    if made.contype == _PB.CONSTR_FOREIGN:
        return [k.string.sval for k in made.fk_attrs]
    if made.contype == _PB.CONSTR_UNIQUE:
        return [k.string.sval for k in [*made.keys, *made.including]]
    if made.contype == _PB.CONSTR_EXCLUSION:
        elements = [e.list.items[0].index_elem for e in made.exclusions]
        return [e.name or "expr" for e in elements]
    if made.contype == _PB.CONSTR_CHECK:
        found: list[Any] = [c for name, c in sqlfile.walk(made.raw_expr) if name == "column_ref"]
        columns = {str(c.fields[-1].string.sval) for c in found}
        return list(columns - {""}) if len(columns) == 1 else []
    return []
