"""The way of a column to NOT NULL, which looks at the rows while they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import postgast

from pgrunbook import sqlfile
from pgrunbook.changes import _constraints
from pgrunbook.changes._alter import AlterTable
from pgrunbook.changes._base import Change, Names, Phase, Statement, Transaction, one_transaction
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted

_PB = postgast.pg_query_pb2
# from this version on NOT NULL is a constraint that can be added NOT VALID
NATIVE = 180000
# what an Observation finds of it
PROVEN, HELPER, HELPER_VALID, SET, TAKEN = "proven", "helper, not valid", "helper, valid", "not null", "name taken"
CONSTRAINT = "constraint not valid: "


@dataclass(frozen=True, slots=True)
class Nullability:
    """Whether a column may be null. `constraint_name` and `comment` are of its constraint (from 18 on).

    `taken`: another constraint bears the name that it would get, as after the renaming of a column.

    `helper` is "", "valid" or "not valid"; `checks` are definitions of valid CHECK constraints on the column,
    `children` the child tables that have it NOT NULL.
    """

    not_null: bool
    constraint_name: str
    validated: bool
    taken: bool
    comment: str
    helper: str
    checks: list[str]
    children: list[str]

    def proves(self, column: str) -> bool:
        """Whether a valid constraint says already that the column is not null."""
        return any(_says_not_null(check, column) for check in self.checks)


@dataclass(frozen=True, slots=True)
class Column:
    """A column on its way to NOT NULL, on a server of some version."""

    schema: str
    table: str
    name: str
    version: int

    @property
    def relation(self) -> str:
        return quoted(self.schema, self.table)

    @property
    def constraint(self) -> str:
        """The name of the constraint that a plain SET NOT NULL makes, from 18 on."""
        return _constraints.chosen_name(self.table, [self.name], "not_null")

    @property
    def other_constraint(self) -> str:
        """The name that the server gives it where that one is taken."""
        return _constraints.chosen_name(self.table, [self.name], "not_null1")

    @property
    def helper(self) -> str:
        """The name of the CHECK that proves it to an older server."""
        return _constraints.chosen_name(self.table, [self.name], "pgrunbook_not_null")

    def look(self, db: Database) -> Nullability | None:
        """What the catalog says; None where there is no such column."""
        names = {"constraint": self.constraint, "helper": self.helper}
        return db.one("not_null", Nullability, table=self.relation, column=self.name, **names)

    def marked(self, word: str) -> Statement:
        """SET NOT NULL, or DROP."""
        return _constraints.alter(self.relation, f"alter column {quoted(self.name)} {word} not null")

    def without_helper(self) -> Statement:
        return _constraints.drop(self.relation, self.helper)

    def steps(self, found: tuple[str, ...] = (), name: str = "") -> list[Phase]:
        """The way to NOT NULL from what is found of it; from 18 on the constraint gets that name."""
        if PROVEN in found:
            return one_transaction(self.marked("set"))
        phases: list[Phase] = []
        if self.version >= NATIVE:
            there = next((f.removeprefix(CONSTRAINT) for f in found if f.startswith(CONSTRAINT)), "")
            own = there or name or (self.other_constraint if TAKEN in found else self.constraint)
            if not there:
                add = f"add constraint {quoted(own)} not null {quoted(self.name)} not valid"
                phases += one_transaction(_constraints.alter(self.relation, add))
            return [*phases, _constraints.validated(self.relation, own)]
        if not {HELPER, HELPER_VALID} & set(found):
            add = f"add constraint {quoted(self.helper)} check ({quoted(self.name)} is not null) not valid"
            phases += one_transaction(_constraints.alter(self.relation, add))
        if HELPER_VALID not in found and SET not in found:
            phases.append(_constraints.validated(self.relation, self.helper))
        return [*phases, Transaction((self.marked("set"), self.without_helper()))]


@dataclass(frozen=True, slots=True)
class NullabilityChange(AlterTable):
    """A change of whether one column may be null; `version` is the server's."""

    version: int = 0

    @property
    def column(self) -> str:
        return str(self._command.name)

    @property
    def label(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def object(self) -> str:
        return quoted(self.schema, self.table, self.column)

    @property
    def subject(self) -> str:
        return f"not null {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        names = (self._place.constraint, self._place.other_constraint)
        return (f"column {self.object}", *(f"constraint {quoted(self.schema, self.table, n)}" for n in names))

    @property
    def _place(self) -> Column:
        return Column(self.schema, self.table, self.column, self.version)

    def may_follow(self, before: Change) -> bool:  # noqa: ARG002
        return True

    def resolve(self, names: Names) -> Self:
        return replace(self, schema=self._found_table(names).schema, version=names.db.version)


def _says_not_null(definition: str, column: str) -> bool:
    """Whether a CHECK is `column is not null`, or that and more."""
    statement = sqlfile.split(f"alter table t add {definition}")[0]
    node: Any = statement.node
    terms = [getattr(node.cmds[0].alter_table_cmd, "def").constraint.raw_expr]
    while terms:
        term = terms.pop()
        if term.WhichOneof("node") == "bool_expr" and term.bool_expr.boolop == _PB.AND_EXPR:
            terms += term.bool_expr.args
        test = term.null_test
        names = [f.string.sval for f in test.arg.column_ref.fields]
        if term.WhichOneof("node") == "null_test" and test.nulltesttype == _PB.IS_NOT_NULL and names == [column]:
            return True
    return False
