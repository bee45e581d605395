"""What every kind of change is: all that is true of one kind of statement stands in its one module.

`apply` and `undo` are pure: they return phases of statements. The executor alone knows timeouts, retries, progress,
ledger and journal.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict

from pgrunbook import errors
from pgrunbook.changes._names import Names, Relation
from pgrunbook.changes._phases import (
    NOTHING_THERE,
    Alone,
    Estimate,
    LockMode,
    Look,
    Observation,
    Phase,
    State,
    Statement,
    Transaction,
    Unfit,
    Walk,
    one_transaction,
    statements_text,
)
from pgrunbook.db import Database
from pgrunbook.findings import Check, Verdict, passed
from pgrunbook.sqlfile import SqlStatement, quoted

IN_USE = "the table holds rows"
ACCEPT = 'set irreversible = "reason" under [objects."{}"] in runbook.toml, if that is meant'


class ObjectOptions(BaseModel):
    """What runbook.toml says of one object, under `[objects."NAME"]`.

    `concurrently = false` accepts the form that blocks; `owner_rights` is the reason why a view may run with its
    owner's rights on a server without security_invoker; `sqlite` is the CREATE INDEX for a SQLite file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    concurrently: bool = True
    on_rollback: Literal["undo", "keep"] = "undo"
    acknowledge_loss: str = ""
    irreversible: str = ""
    owner_rights: str = ""
    sqlite: str = ""


NO_OPTIONS = ObjectOptions()


@dataclass(frozen=True, slots=True)
class Change(abc.ABC):
    """One statement of a migration, or a part of one, typed by its kind.

    `later` is the change of the same migration that takes up the same object after this one, or takes it away.
    `fresh`: its relation is made by the same migration, so that nobody waits for it; `awaited`: it comes to stand under
    its name by an earlier change. `passing`: the migration makes and drops its object. `vacated`: an earlier change
    drops or renames what stands under its name now. `replacing`: it has a part in giving a new object the name of one
    that is dropped. `anew`: it is to be dropped and made again, or replaced, though it stands as planned.
    `block` is the BEGIN … COMMIT of migrate.sql that it is committed with; 0 for none.
    """

    kind: ClassVar[str]
    is_index: ClassVar[bool] = False
    # the catalog can't tell all that it does: whether it was done is for the ledger to say
    recorded: ClassVar[bool] = False
    # it only looks, and is looked at again by verify
    is_check: ClassVar[bool] = False
    # an undo may lose data, so that `loss` is asked again under the lock
    may_lose: ClassVar[bool] = False
    # it has a form for tables in use, which takes care of who waits, and a plain one for a new and empty table
    is_careful: ClassVar[bool] = False
    # what it takes away is not all brought back by its undo, so that the runbook has to say why it may
    destroys: ClassVar[bool] = False
    # names mean other things before it and after it, so that nothing is moved past it
    renames: ClassVar[bool] = False
    # where changes with one `together` stand: where the last of them is written, or the first
    gathers_at_end: ClassVar[bool] = False

    written: SqlStatement
    options: ObjectOptions = NO_OPTIONS
    later: Change | None = field(default=None, repr=False, compare=False, kw_only=True)
    fresh: bool = field(default=False, compare=False, kw_only=True)
    awaited: bool = field(default=False, compare=False, kw_only=True)
    vacated: bool = field(default=False, compare=False, kw_only=True)
    passing: bool = field(default=False, compare=False, kw_only=True)
    replacing: bool = field(default=False, compare=False, kw_only=True)
    anew: bool = field(default=False, compare=False, kw_only=True)
    block: int = field(default=0, compare=False, kw_only=True)

    @classmethod
    @abc.abstractmethod
    def from_ast(cls, statement: SqlStatement) -> Self | None:
        """The change that a statement is; None where it is none of this kind."""

    @property
    def label(self) -> str:
        """The key of its options in runbook.toml."""
        return statement_label(self.written)

    @property
    @abc.abstractmethod
    def object(self) -> str:
        """The qualified name of what it makes or changes."""

    @property
    def subject(self) -> str:
        """What it defines, unique in a migration but for changes that replace what is there: kind and name."""
        return f"{self.kind} {self.object}"

    @property
    def relation(self) -> str:
        """The qualified name of the table it locks; empty where there is none, or it is unknown."""
        return ""

    @property
    def idents(self) -> tuple[str, ...]:
        """What it adds to the schema's fingerprint, as "kind ident"."""
        return ()

    @property
    def together(self) -> str:
        """Changes of the same non-empty word are committed together, so that no moment lies between them."""
        return ""

    @property
    def takes_block_apart(self) -> bool:
        """Whether its BEGIN … COMMIT can't be one transaction: what comes after it has to find it committed."""
        return False

    @property
    def unit(self) -> str:
        """Changes of the same non-empty unit are committed together: a block of the author's, or `together`."""
        return f"block {self.block}" if self.block else self.together

    @property
    def makes(self) -> Relation | None:
        """The relation it makes, which later changes may name."""
        return None

    @property
    def moves_rows(self) -> Mapping[str, str]:
        """Tables whose rows stand under another name once it is done; under an empty one where they change."""
        return {}

    @property
    def rows_not_brought_back(self) -> Mapping[str, str]:
        """Tables whose rows are not as before once it is done and undone, with the reason."""
        lost = self.destroys and not self.passing and self.relation
        return {self.relation: self.irreversible} if lost and self.irreversible else {}

    @property
    def idents_not_brought_back(self) -> tuple[str, ...]:
        """What of the schema's fingerprint is not as before once it is done and undone; `ident.*` is all below it."""
        return ()

    def foretell(self, names: Names) -> None:  # noqa: B027
        """Tell of names that are gone where it is done, and which changes before it use. Most have none."""

    def follow(self, names: Names) -> None:
        """Tell what its names mean to later changes, once it is resolved."""
        names.add(self.makes)

    def takes_away(self, other: Change) -> bool:  # noqa: ARG002
        """Whether nothing is left of an earlier change's object under its name once this one is done."""
        return False

    def refusal(self) -> str:
        """Why the runbook does not allow it as it stands; empty where it does."""
        if self.destroys and not self.passing and self.irreversible and not self.options.irreversible:
            return f"{self.irreversible}: {ACCEPT.format(self.label)}"
        return ""

    @property
    def creates_in(self) -> str:
        """The schema in which it needs the right to create; empty for none."""
        return ""

    @property
    def irreversible(self) -> str:
        """Why it has no way back; empty where it has one."""
        return ""

    @property
    def if_different(self) -> str:
        """What to do where its object stands there with another definition."""
        return "rename one of the two, or drop the found one if nobody needs it"

    @abc.abstractmethod
    def resolve(self, names: Names) -> Self:
        """The same change with its names resolved on the target. Raises `PreflightFailed`."""

    @abc.abstractmethod
    def resolved_sql(self) -> str:
        """The statement with resolved names: what the ledger keeps, enough to make the change again."""

    def followed_by(self, later: Sequence[Change]) -> Change:
        """The same change, knowing the ones that come after it in the migration."""
        subject = self.subject
        same = [c for c in later if c.subject == subject or c.takes_away(self)]
        return replace(self, later=same[0]) if same else self

    def may_follow(self, before: Change) -> bool:
        """Whether a migration may take up the same object again after `before`: what is dropped may be made anew."""
        return isinstance(before, Defined) and before.drops

    def standing(self, db: Database) -> Observation:
        """What the catalog says of it, seen with the rest of the migration."""
        if self.passing:  # before and afterwards nothing is there: the ledger tells which of the two it is
            seen = NOTHING_THERE if self.not_yet(db) else replace(self, later=None).state(db)
            if self.begins and self.later and self.later.destroys and seen.state is State.PRESENT:
                line = self.later.written.line  # unless the ledger knows it as the run's own, which is asked first
                return replace(seen, state=State.DIFFERENT, detail=f"it was there before, and line {line} drops it")
            return NOTHING_THERE if isinstance(self, Defined) and self.drops else seen
        if self.later and self.later.takes_away(self):
            later = self.later.standing(db)
            if later.state is State.PRESENT:
                line = self.later.written.line
                return Observation(State.PRESENT, f"line {line} takes it over, renames or drops it, and that is done")
        if self.not_yet(db):
            return NOTHING_THERE
        alone = replace(self, later=None) if self.anew else self
        seen = alone.after_drop(db) if self.vacated else alone.state(db)
        if self.anew and self.begins and seen.state in (State.PRESENT, State.DIFFERENT):
            return self._made_again(seen)
        if seen.state is State.DIFFERENT and self.vacated:
            return Observation(State.ABSENT, f"takes the place of what an earlier line takes away; {seen.detail}")
        if self.fresh and self.is_careful and holds_rows(db, self.relation):
            return replace(seen, found=(*seen.found, IN_USE))
        return seen

    @property
    def begins(self) -> bool:
        """Whether its object is there by it alone, so that dropping that again loses nothing that was there before."""
        return self.kind.startswith(("create_", "add_"))

    @property
    def timeless(self) -> Self:
        """Without what was read of a table that a later change may alter: the same before and after the migration."""
        return self

    @property
    def objection(self) -> errors.PreflightFailed | None:
        """Why it may not be done before the runbook has answered for it; what a run has done already may stay."""
        return None

    @property
    def by_ledger(self) -> bool:
        """Whether only the ledger can tell that it was done."""
        return self.recorded or self.passing or self.replacing

    def plainly(self, seen: Observation) -> bool:
        """Whether it is carried out as it is written: its table is made by this migration, and still empty."""
        return self.fresh and seen.state is State.ABSENT and IN_USE not in seen.found

    def not_yet(self, db: Database) -> bool:
        """Whether the relation that it needs is still to be made, or renamed, by an earlier change."""
        return (
            self.awaited
            and bool(self.relation)
            and bool(db.value("select pg_catalog.to_regclass($1) is null", [self.relation]))
        )

    def _made_again(self, seen: Observation) -> Observation:
        """What to do with what stands there where it is `anew`."""
        return Observation(State.ABSENT, f"is made again after what an earlier line changes; {seen.detail}")

    def takes_nothing_over(self, db: Database) -> bool:
        """Whether what stands there by now, if anything, is none of what its undo brings back."""
        return self.not_yet(db)

    @abc.abstractmethod
    def state(self, db: Database) -> Observation:
        """What the catalog says of it by itself."""

    def after_drop(self, db: Database) -> Observation:
        """As `state`, of a change that makes anew what an earlier one drops: it may need what others make before it."""
        try:
            return self.state(db)
        except Unfit as e:
            return Observation(State.DIFFERENT, e.message)

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:  # noqa: ARG002
        """What became of it, before it is undone: present (undo it), absent (nothing to undo), different (not ours)."""
        return self.state(db)

    def capture(self, db: Database) -> dict[str, Any]:  # noqa: ARG002
        """What must be remembered to undo it."""
        return {}

    def foreknown(self) -> dict[str, Any]:
        """What must be remembered to undo it where its relation is not there yet."""
        return {}

    @abc.abstractmethod
    def apply(self, seen: Observation) -> list[Phase]:
        """How to carry it out from where it stands."""

    @abc.abstractmethod
    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        """How to take it back; from a half-done state as well."""

    def clear(self, seen: Observation, captured: Mapping[str, Any]) -> list[Phase]:
        """What to clear away after it failed half-way, so that no traffic meets the remains."""
        return self.undo(captured) if seen.state is State.INVALID else []

    def in_the_way(self, sqlstate: str) -> str:  # noqa: ARG002
        """The query that finds the rows for which the server refuses it; empty where there is none."""
        return ""

    def remembering(self, captured: Mapping[str, Any]) -> Change:  # noqa: ARG002
        """The same change, made again from the ledger, with what was captured of it, for `loss`."""
        return self

    def loss(self, db: Database) -> str:  # noqa: ARG002
        """What an undo would lose now; empty for nothing."""
        return ""

    def verify(self, db: Database) -> list[Check]:
        """The check every kind has: the catalog holds a valid object of the planned definition."""
        if self.passing or self.replacing:
            detail = (
                "the migration makes and drops it: nothing is left to look at"
                if self.passing
                else "a new object has the name of one that is dropped: the ledger alone tells the two apart"
            )
            return [Check(f"definition: {self.kind}", self.object, Verdict.NOT_MEASURABLE, gates=False, detail=detail)]
        seen = self.standing(db)
        done = seen.state is State.PRESENT
        gone = self.kind.startswith("drop_")
        return [
            passed(
                f"definition: {self.kind}",
                self.object,
                done,
                claimed="gone" if gone else "present, valid, as planned",
                measured="gone" if gone and done else seen.state.value,
                detail=seen.detail,
            )
        ]

    def estimate(self, db: Database) -> Estimate:  # noqa: ARG002
        return Estimate()

    def lint(self) -> list[str]:
        """What a reader of the plan should know: how the safe form differs from the written one, and why."""
        return []

    def known(self) -> dict[str, bool]:
        """What the catalog tells and the text does not, for a linter: rewrites, proven, partitioned (true or false)."""
        return {}


@dataclass(frozen=True, slots=True)
class Defined(Change):
    """A change that moves one object from a definition to another; none is the definition of what is not there.

    A definition is text that is equal where the objects are, whatever their spelling was.
    """

    # the planned definition is none
    drops: ClassVar[bool] = False

    @property
    def replaces(self) -> bool:
        """Whether it may stand over another definition, which its undo brings back."""
        return False

    def takes_nothing_over(self, db: Database) -> bool:
        return (self.anew and self.begins and not self.replaces) or self.not_yet(db)

    def may_follow(self, before: Change) -> bool:
        return self.replaces or self.drops or (isinstance(before, Defined) and before.drops)

    def _made_again(self, seen: Observation) -> Observation:
        if self.replaces and seen.state is State.DIFFERENT:  # it takes over what is there, which has to fit
            return seen
        return Change._made_again(self, seen)

    def undecided(self, db: Database) -> bool:
        """Whether the changes before it may decide which definition it gives."""
        return self._planned(db)[0] is None

    @abc.abstractmethod
    def now(self, db: Database) -> str | None:
        """The definition in the catalog."""

    @abc.abstractmethod
    def planned(self, db: Database) -> str | None:
        """The definition that the statement gives. Raises `PreflightFailed` where it can't be had (yet)."""

    def state(self, db: Database) -> Observation:
        seen = self._state(db)
        if seen.state is not State.PRESENT and self.later and self.later.after_drop(db).state is State.PRESENT:
            return Observation(State.PRESENT, f"line {self.later.written.line} defines it anew, and that is done")
        return seen

    def _state(self, db: Database) -> Observation:
        now = self.now(db)
        if self.drops:
            return (
                Observation(State.PRESENT, "is not there")
                if now is None
                else Observation(State.ABSENT, f"drops: {now}")
            )
        if now is None:
            return NOTHING_THERE
        planned, reason = self._planned(db)
        if now == planned:
            return Observation(State.PRESENT, now)
        if self.replaces:
            return Observation(State.ABSENT, f"replaces: {now}")
        return Observation(State.DIFFERENT, f"planned: {planned or reason}; found: {now}")

    def _planned(self, db: Database) -> tuple[str | None, str]:
        try:
            return self.planned(db), ""
        except (
            errors.PreflightFailed
        ) as e:  # what it needs is made by an earlier change, so it can't be this one's work
            return None, e.message

    def since(self, db: Database, captured: Mapping[str, Any]) -> Observation:
        now = self.now(db)
        if now == captured.get("before"):
            return Observation(State.ABSENT, "is as it was before")
        planned = None if self.drops else self._planned(db)[0]
        if now == planned:
            return Observation(State.PRESENT, now or "is not there")
        return Observation(State.DIFFERENT, f"planned: {planned or 'none'}; found: {now or 'none'}")

    def capture(self, db: Database) -> dict[str, Any]:
        return {"before": self.now(db)}


def holds_rows(db: Database, relation: str) -> bool:
    """Whether a table holds a row; where row security hides them even from its owner, whether it takes any space."""
    populated, hidden = db.rows(
        "select relispopulated, pg_catalog.row_security_active(oid) from pg_catalog.pg_class"
        " where oid = $1::pg_catalog.regclass",
        [relation],
    )[0]
    if not populated:  # a materialized view WITH NO DATA can't be read
        return False
    if not hidden:
        return bool(db.value(f"select exists (select from {relation})"))  # noqa: S608
    query = (
        "select coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(t.relid)),"
        " pg_catalog.pg_relation_size($1::pg_catalog.regclass)) > 0"
        " from pg_catalog.pg_partition_tree($1::pg_catalog.regclass) t"
    )
    return bool(db.value(query, [relation]))


def statement_label(statement: SqlStatement) -> str:
    """`statement_N`, N counted from 1 in migrate.sql."""
    return f"statement_{statement.position}"


__all__ = [
    "ACCEPT", "IN_USE", "NOTHING_THERE", "NO_OPTIONS", "Alone", "Change", "Defined", "Estimate", "LockMode", "Look",
    "Names", "ObjectOptions", "Observation", "Phase", "Relation", "State", "Statement", "Transaction", "Walk",
    "holds_rows", "one_transaction", "quoted", "statement_label", "statements_text",
]  # fmt: skip
