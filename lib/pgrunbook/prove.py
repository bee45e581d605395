"""The proof of a migration on a throw-away copy of a schema: apply, undo, compare, apply again, statement by statement.

What holds is said of every statement by the schema's fingerprint before and after it; nothing is claimed of what the
copy can't show. A BEGIN … COMMIT is carried out apart once, only to know what stands between its statements.
"""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby

from pgrunbook import changes, errors, fingerprint, schema_copy
from pgrunbook import plan as planning
from pgrunbook.changes import RawSql, State
from pgrunbook.db import Database, Target
from pgrunbook.execute import HAD_NOT_BEEN_DONE, Done, Executor
from pgrunbook.findings import Verdict
from pgrunbook.ledger import Ledger
from pgrunbook.plan import Plan, Step
from pgrunbook.proof import (
    AS_BEFORE,
    DIFFERS,
    DONE,
    FAILED,
    IN_PART,
    KEPT,
    NO_ROWS,
    NOT_REACHED,
    NOTHING,
    THERE,
    DownProof,
    Proven,
)
from pgrunbook.proving import Quiet, Row, meets_no_rows, run_down, statements_of, writes
from pgrunbook.runbook import Runbook
from pgrunbook.schema_copy import Copies, Copy, Needed
from pgrunbook.sqlfile import quoted

Tell = Callable[[str], None]
Objects = Mapping[str, str]

_UNTOUCHED = {"there before", "done before"}
_TOLD = 5
_SHOWN = 100
_ON_ANOTHER = (
    "it was tried on an empty database: name the schema that it is for with --target SERVICE (which is only read), or "
    "write one into the runbook's sandbox/schema.sql"
)
_NO_ROWS = "the copy has no rows for it, so neither it nor its way back did anything"
_ROWS = "select count(*) || '/' || coalesce(sum(pg_catalog.hashtextextended(t::text, 0)::numeric), 0) from only {} t"


def prove(runbook: Runbook, source: Target, *, on: Target | None = None, tell: Tell = lambda _: None) -> Proven:
    """Prove a runbook on a copy of the schema of `source`, on the sandbox or in the empty database `on`.

    Raises what makes it wrong to begin, and `PreflightFailed` where the plan can't be made.
    """
    started = time.monotonic()
    with schema_copy.copies(runbook, source, on, Needed.of(runbook), tell) as found:
        proof = _Proof(runbook, found, tell)
        try:
            proof.run()
        except errors.PreflightFailed as e:
            raise errors.PreflightFailed(e.message, remedy=_ON_ANOTHER if found.empty else e.remedy) from None
        except errors.Aborted:
            raise errors.Aborted(
                "the proof was stopped by hand; what it made is gone again", remedy="prove it anew, from the beginning"
            ) from None
    return proof.end(source, time.monotonic() - started)


class _Proof:
    """One proof under way."""

    def __init__(self, runbook: Runbook, copies: Copies, tell: Tell) -> None:
        self._runbook = runbook
        self._copies = copies
        self._tell = tell
        self._rows: dict[int, Row] = {}
        self._digest = ""
        self._start: Objects = {}
        # what the catalog held before a statement, by position; not of those amid others that are committed together
        self._before: dict[int, Objects] = {}
        # what statements that stay have changed, and what is blamed on a statement already
        self._excused: set[str] = set()
        self._blamed: set[str] = set()
        self._differs: list[str] = []
        self._not_proven: list[str] = []
        self._down: DownProof | None = None
        self._whole: Objects = {}
        self._rows_before: dict[str, str] = {}
        # positions of what changes rows, and met none
        self._rowless: set[int] = set()
        # where it failed in pieces, and how
        self._failed_apart = (0, "")
        # undone since the catalog was last compared
        self._unlooked: list[Row] = []
        # positions: the last of what is undone together, and what has no way back of its own
        self._ends: set[int] = set()
        self._wayless: set[int] = set()
        # what the latter leave for the way back of others
        self._later_names: set[str] = set()

    # -- the course of it ---------------------------------------------------------------------------------

    def run(self) -> None:
        """The whole proof."""
        self._look_between()
        copy = self._copies.fresh()
        applied = self._forward(copy)
        self._back(copy)
        if applied:
            if any(r.irreversible for r in self._rows.values()):
                copy = self._copies.fresh()
            self._forward_again(copy)
        self._authored()

    def end(self, source: Target, seconds: float) -> Proven:
        """What was found."""
        if self._rows and all(r.applied == THERE for r in self._rows.values()):
            why = "no change has anything to do" if self._rowless else "every change is there already"
            self._differs.append(f"nothing was proven: {why}")
        for row in self._rows.values():
            if row.step.position in self._rowless and row.applied in (DONE, THERE):
                row.applied = NO_ROWS if row.applied == THERE else DONE
                self._not_proven.append(f"line {row.line}, {row.step.object}: {_NO_ROWS}")
            if row.applied == THERE:
                self._not_proven.append(f"line {row.line}, {row.step.object}: {_needless(row)}, nor a way back tried")
            elif row.irreversible:
                self._not_proven.append(f"line {row.line}, {row.step.object}: {row.irreversible}")
        verdict = Verdict.FAILED if self._differs else Verdict.PASSED
        return Proven(
            self._runbook.name,
            source.name,
            verdict,
            seconds,
            tuple(self._rows[p].proof() for p in sorted(self._rows)),
            self._down,
            self._copies.empty,
            tuple(self._differs),
            (*self._copies.notes, *self._not_proven),
        )

    def _look_between(self) -> None:
        """Carry out what is committed together in pieces, to know what the catalog holds between them.

        Where it does not work in pieces, only the whole is compared.
        """
        blocks = Counter(c.written.block for c in self._runbook.changes if c.written.block)
        if max(blocks.values(), default=0) < 2:
            return
        copy = self._copies.fresh()
        with self._at(copy) as session:
            made = self._plan(session)
            if all(len(group) == 1 for group in made.groups()):
                return
            apart = replace(made, steps=tuple(replace(s, change=replace(s.change, block=0)) for s in made.steps))
            self._before[1] = self._look()
            reached = 0
            try:
                for group, _ in self._carry_out(copy, session, apart, "apart"):
                    reached = group[-1].position
                    self._before[reached + 1] = self._look()
            except (errors.StatementFailed, errors.PreflightFailed) as e:
                self._failed_apart = reached + 1, e.message

    def _forward(self, copy: Copy) -> bool:
        """Apply for the first time; whether all of it was."""
        with self._at(copy) as session:
            self._start = self._look()
            self._rows_before = self._contents(session)
            made = self._plan(session)
            self._digest = made.digest
            self._rows = {s.position: Row(s) for s in made.steps}
            self._rowless = {s.position for s in made.steps if meets_no_rows(session, s)}
            for row in self._rows.values():
                row.irreversible = row.step.change.irreversible
            self._before[1] = self._start
            try:
                for group, done in self._carry_out(copy, session, made, "first"):
                    for one in done:
                        row = self._rows[one.position]
                        row.applied = THERE if one.outcome in _UNTOUCHED and not row.step.change.is_check else DONE
                        row.undone = NOTHING if row.applied == THERE or row.step.change.is_check else NOT_REACHED
                    self._before[group[-1].position + 1] = self._look()
                    self._tell(f"applied {group[-1].position} of {len(made.steps)}")
            except (errors.StatementFailed, errors.PreflightFailed) as e:
                self._blame_next("applied", e, self._culprit(made, e))
                return False
            self._whole = self._before[len(made.steps) + 1]
            self._verify(session)
        return True

    def _culprit(self, made: Plan, error: errors.PgRunbookError) -> Callable[[Row], bool]:
        """What failed first: of statements that are committed together the one that failed in pieces as well."""
        group = next((g for g in made.groups() if self._rows[g[0].position].applied == NOT_REACHED), ())
        position, said = self._failed_apart
        if said == error.message and any(s.position == position for s in group):
            return lambda row: row.step.position == position
        return lambda row: row.applied == NOT_REACHED

    def _verify(self, session: Database) -> None:
        """What the stage asks: by a plan made anew, since some of the first say what is to be done, whatever stands."""
        first = _by_part(row.step for row in self._rows.values())
        anew = self._plan(session)
        if anew.digest != self._digest:
            self._differs.append("applied, the plan is another one: the stages after it would not know the run's")
        for part, step in _by_part(anew.steps).items():
            row = self._rows[first[part].position]
            for check in step.change.verify(session):
                if check.verdict is Verdict.FAILED and check.gates:
                    row.applied = FAILED
                    self._blame(row, f"applied, it is {check.measured}, not {check.claimed}; {check.detail}")
                elif check.verdict is Verdict.NOT_MEASURABLE and step.change.by_ledger:
                    row.details.append("only the ledger tells whether it was done")

    def _back(self, copy: Copy) -> None:
        """Undo, statement by statement, and undo again, which does nothing."""
        everything = frozenset(n for r in self._rows.values() for n in (r.step.object, r.step.change.label))
        with self._at(copy) as session, self._executor(copy, "first") as executor:
            try:
                self._foresee(executor)
                for done in executor.undo("all", everything):
                    self._undone(done)
                    self._tell(f"undone, {done.position - 1} left")
            except (errors.StatementFailed, errors.PreflightFailed, errors.RollbackFailed, ValueError) as e:
                failed = [p for p, r in self._rows.items() if r.undone == NOT_REACHED and r.applied != NOT_REACHED]
                if failed:
                    self._fail("undone", self._rows[max(failed)], "undone", e)
                return
            self._later_names.clear()
            if left := self._left(self._start, self._look()):
                self._differs.append(f"undone, the schema is not as before: {_listed(left)}")
            self._compare_rows(session)
            once = self._look()
            words = [d.object for d in executor.undo("all", everything) if d.outcome != "kept"]
            words += fingerprint.differing(once, self._look())
            if words:
                self._differs.append(f"undone a second time, something is done: {_listed(words)}")

    def _foresee(self, executor: Executor) -> None:
        """What is undone together is compared after the last of it; what has no way back of its own only at the end."""
        rows = [r for r in reversed(executor.ledger.steps("first")) if r.open]
        found = [(r, changes.again(r.kind, r.resolved_sql, r.options, r.position)) for r in rows]
        groups = groupby(found, key=lambda one: one[1].together or str(one[0].position))
        self._ends = {list(group)[-1][0].position for _, group in groups}
        self._wayless = {r.position for r, change in found if not change.undo(r.captured)}

    def _undone(self, done: Done) -> None:
        row = self._rows[done.position]
        if done.outcome == "kept":
            row.undone = KEPT
            row.details.append(done.detail)
            self._excused |= set(self._changed_around(done.position))
            return
        if done.outcome == "left":
            row.undone = FAILED
            self._blame(row, f"its undo left it: {done.detail}")
            return
        if done.outcome == HAD_NOT_BEEN_DONE and row.applied in (NOT_REACHED, FAILED):
            return  # rolled back with the statement that failed: there is nothing of it to compare
        row.undone = NOTHING if done.outcome == HAD_NOT_BEEN_DONE else AS_BEFORE
        self._unlooked.append(row)
        if done.position not in self._ends or (before := self._before.get(done.position)) is None:
            return
        several, self._unlooked = self._unlooked, []
        now = self._look()
        if done.position in self._wayless and not row.irreversible:
            names = set(_names(before, now)) - self._blamed - self._later_names
            row.details += ["taken back with what it belongs to"] if names else []
            self._later_names |= names
            return
        if not (left := self._left(before, now)):
            return
        if row.irreversible:
            row.undone = IN_PART
            row.details.append(f"what is not brought back: {_listed(left)}")
            self._excused |= {w.rpartition(": ")[0] for w in left}
            return
        lines = ", ".join(str(r.line) for r in reversed(several[:-1]))
        with_others = f"with lines {lines}, " if lines else ""
        for one in several:
            one.undone = DIFFERS
        self._blame(row, f"{with_others}undone, the schema is not as before it: {_listed(left)}")

    def _changed_around(self, position: int) -> list[str]:
        """What the catalog holds differently from before a statement, or those that it is committed with, to after."""
        before = max(p for p in self._before if p <= position)
        after = min((p for p in self._before if p > position), default=before)
        return _names(self._before[before], self._before[after])

    def _left(self, before: Objects, now: Objects) -> list[str]:
        """What differs and is no other statement's fault; it is blamed once."""
        told = self._excused | self._blamed | self._later_names
        names = [n for n in _names(before, now) if n not in told]
        self._blamed |= set(names)
        return fingerprint.differing(*({n: v for n, v in side.items() if n in names} for side in (before, now)))

    def _forward_again(self, copy: Copy) -> None:
        """Apply a second time, and a third, which finds everything there."""
        with self._at(copy) as session:
            if self._once_more(copy, session, "second", "applied again"):
                self._once_more(copy, session, "third", "a further run")

    def _once_more(self, copy: Copy, session: Database, run: str, word: str) -> bool:
        reached: set[int] = set()
        try:
            for _, done in self._carry_out(copy, session, self._plan(session), run):
                for one in done:
                    reached.add(one.position)
                    row = self._rows[one.position]
                    row.again = row.again if row.again == FAILED else DONE
                    if run == "third" and one.outcome not in _UNTOUCHED and not row.step.change.is_check:
                        row.again = FAILED
                        self._blame(row, f"a further run does it again: {one.outcome}")
        except (errors.StatementFailed, errors.PreflightFailed) as e:
            self._blame_next("again", e, lambda r: r.step.position not in reached, word)
            return False
        if differing := fingerprint.differing(self._whole, self._look()):
            self._blame_objects(f"{word}, the schema is not as after the first time", differing)
            return False
        return True

    def _blame_objects(self, text: str, differing: Sequence[str]) -> None:
        """Blame what differs on the statement that changed it the first time, where that is known."""
        for word in differing:
            name = word.rpartition(": ")[0]
            row = next((r for p, r in reversed(self._rows.items()) if name in self._changed_by(p)), None)
            if row:
                row.again = DIFFERS
                self._blame(row, f"{text}: {word}")
            else:
                self._differs.append(f"{text}: {word}")

    def _changed_by(self, position: int) -> list[str]:
        before, after = self._before.get(position), self._before.get(position + 1)
        return _names(before, after) if before is not None and after is not None else []

    def _authored(self) -> None:
        """The way back that came with the migration, in the place of the derived one."""
        path = self._runbook.folder / "source" / "down.sql"
        if not path.is_file():
            return
        statements = statements_of(path)
        copy = self._copies.fresh()
        with self._at(copy) as session:
            start = self._look()
            try:
                for _ in self._carry_out(copy, session, self._plan(session), "down"):
                    pass
            except (errors.StatementFailed, errors.PreflightFailed):
                return  # told already
            trouble = run_down(session, statements)
            words = fingerprint.differing(start, self._look())
        told = [w.rpartition(": ") for w in words]
        ends = {e: tuple(name for name, _, end in told if end == e) for e in ("new", "gone", "changed")}
        lossy = any(r.irreversible for r in self._rows.values())
        # what the derived way back does not bring back either, as somebody has accepted
        in_part = lossy and not trouble and bool(words) and all(name in self._excused for name, _, _ in told)
        verdict = Verdict.PASSED if in_part or not (words or trouble) else Verdict.FAILED
        said = trouble or f"it leaves or takes: {_listed(words)}"
        self._down = DownProof(verdict, in_part, ends["new"], ends["gone"], ends["changed"], trouble)
        if in_part or (lossy and verdict is Verdict.FAILED):
            self._not_proven.append(f"source/down.sql: {said}; not all of the migration can be taken back")
        elif verdict is Verdict.FAILED:
            self._differs.append(f"source/down.sql, the authored way back: {said}")

    # -- means --------------------------------------------------------------------------------------------

    def _plan(self, session: Database) -> Plan:
        return planning.make(self._runbook, session)

    @contextmanager
    def _at(self, copy: Copy) -> Iterator[Database]:
        """A session on a copy, and one that only takes fingerprints."""
        with copy.connect("main") as session, copy.connect("look") as self._eyes:
            fingerprint.looking(self._eyes)
            yield session

    def _look(self) -> Objects:
        return fingerprint.seen(self._eyes, self._runbook.about.ledger.name)

    @contextmanager
    def _executor(self, copy: Copy, run: str) -> Iterator[Executor]:
        about = self._runbook.about
        settings = dict(planning.build_settings(about.build, is_sandbox=copy.target.is_sandbox))
        with Executor(
            self._runbook.name,
            run,
            copy.connect,
            about.limits,
            settings,
            about.ledger.name,
            Quiet(self._tell),
            about.backfill,
        ) as executor:
            yield executor

    def _carry_out(
        self, copy: Copy, session: Database, made: Plan, run: str
    ) -> Iterator[tuple[tuple[Step, ...], list[Done]]]:
        """Carry a plan out; yields the steps that were committed together with what became of them."""
        ledger = Ledger(session, self._runbook.about.ledger.name)
        ledger.create()
        ledger.begin(run, self._runbook.name, made.digest, made.identity.key, made.search_path, {})
        with self._executor(copy, run) as executor:
            each = executor.migrate(made, "wait")
            for group in made.groups():
                yield group, [next(each) for _ in group]
            for _ in each:  # the run's end
                pass

    def _contents(self, session: Database) -> dict[str, str]:
        """A digest of every table's rows, in whatever order; only where the copy has rows."""
        if not self._copies.rows:
            return {}
        tables = session.rows(
            "select n.nspname, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n"
            " on n.oid = c.relnamespace where c.relkind in ('r', 'p') and n.nspname !~ '^pg_'"
            " and n.nspname not in ('information_schema', $1) order by 1, 2",
            [self._runbook.about.ledger.name],
        )
        return {name: session.value(_ROWS.format(name)) for name in (quoted(*t) for t in tables)}

    def _compare_rows(self, session: Database) -> None:
        lost = [r.step for r in self._rows.values() if r.irreversible]
        if any(isinstance(s.change, RawSql) for s in lost):
            self._not_proven.append("the rows: a statement that stays may have changed any")
            return
        after = self._contents(session)
        excused = {s.change.relation for s in lost}
        changed = [t for t, rows in self._rows_before.items() if t not in excused and after.get(t, rows) != rows]
        for table in changed:
            writers = [r for r in self._rows.values() if r.step.change.relation == table and writes(r.step)]
            for row in writers:
                row.undone = DIFFERS
                self._blame(
                    row, f"undone, the rows of {table} are not as before; a trigger may have changed them as well"
                )
            if not writers:
                self._differs.append(f"undone, the rows are not as before: {table}")

    # -- what does not hold -------------------------------------------------------------------------------

    def _blame(self, row: Row, text: str) -> None:
        row.details.append(text)
        self._differs.append(f"line {row.line} of migrate.sql, {row.step.kind} {row.step.object}: {text}")

    def _fail(self, column: str, row: Row, word: str, error: Exception) -> None:
        setattr(row, column, FAILED)
        if column == "applied":
            row.undone = NOTHING
        self._blame(row, f"{word}: {getattr(error, 'message', error)}")

    def _blame_next(self, column: str, error: Exception, open_: Callable[[Row], bool], word: str = "applied") -> None:
        """Blame the first statement that was not reached."""
        row = next((r for r in self._rows.values() if open_(r)), None)
        if row:
            self._fail(column, row, word, error)
        else:
            self._differs.append(f"{word}: {getattr(error, 'message', error)}")


def _by_part(steps: Iterable[Step]) -> dict[tuple[int, int], Step]:
    """Steps by their statement, and which of its changes they are: where they stand may depend on what is there."""
    parts: Counter[int] = Counter()
    found = {}
    for step in steps:
        number = step.change.written.position
        found[number, parts[number]] = step
        parts[number] += 1
    return found


def _needless(row: Row) -> str:
    """Why a statement had nothing to do: it need not have been there before, an earlier line may have seen to it."""
    seen = row.step.seen
    why = " ".join(seen.detail.split()) if seen.state is State.PRESENT else "an earlier line sees to it"
    return f"nothing was to do ({textwrap.shorten(why, _SHOWN, placeholder=' …')})" if why else "nothing was to do"


def _names(before: Objects, after: Objects) -> list[str]:
    return [n for n in sorted({*before, *after}) if before.get(n) != after.get(n)]


def _listed(words: Sequence[str]) -> str:
    return "; ".join(words[:_TOLD]) + (f" and {len(words) - _TOLD} more" if len(words) > _TOLD else "")
