"""Carrying out an UPDATE in batches by ranges of the primary key, and taking it back.

A batch is one transaction: the keys, the old and the new values of its rows go into a table of the ledger's schema,
the new values from there into the rows, the cursor into the ledger. So a kill at any point loses at most one batch,
nothing is done twice, and the way back touches exactly the rows that were touched and that nobody changed since.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pgrunbook import errors
from pgrunbook.batch import BatchSql, Span, kept_name
from pgrunbook.changes import Walk
from pgrunbook.changes.add_column import AddColumn
from pgrunbook.changes.backfill import Size, columns_of, facts
from pgrunbook.description import Backfill, Limits
from pgrunbook.ledger import Ledger
from pgrunbook.pace import Pace
from pgrunbook.sqlfile import quoted
from pgrunbook.watch import Observer, Seen, Subject, Watch

# a wait for a row that another session holds is short: the rows that this one holds meanwhile are waited for as well
_LOCK_TIMEOUT_MS = 100
_YIELD_AFTER_S = 0.2
_SHOWN_KEYS = 5
_DEADLOCK = ("40001", "40P01")
# data exception, integrity constraint, WITH CHECK OPTION, raised by a function: it lies in a row
_REFUSED_ROW = ("22", "23", "44", "P0")
# What the planner is not to do with a batch's range, whose size it does not know: walk by sorting or reading all of a
# table; write row by row. What the UPDATE itself selects is left to it.
_FREE, _BOUND, _WRITE = set[str](), {"enable_seqscan", "enable_sort"}, {"enable_seqscan", "enable_nestloop"}
_GO_ON = "mend the row, then run it again: it goes on after the rows that are done"


@dataclass(frozen=True, slots=True)
class Means:
    """What a walk works with."""

    watch: Watch
    ledger: Ledger
    run_id: str
    observer: Observer
    limits: Limits
    settings: Backfill


class Walker:
    """Walks one UPDATE, or its way back. `captured` is what the ledger remembers of the change."""

    def __init__(self, means: Means, subject: Subject, walk: Walk, captured: Mapping[str, Any]) -> None:
        self._means = means
        self._watch = means.watch
        self._work = means.watch.work
        self._subject = subject
        self._walk = walk
        self._captured = dict(captured)
        self._key = columns_of(self._work, walk.relation, walk.key)
        self._name = self._captured.get("kept") or kept_name(means.run_id, subject.position)
        self._kept = quoted(means.ledger.schema, self._name)
        columns = columns_of(self._work, walk.relation, walk.columns)
        self._sql = BatchSql(walk, self._kept, self._key, columns)
        table = facts(self._work, walk.relation, walk.columns)
        self._has_triggers = bool(table and table.triggers)
        self._pace = Pace(means.watch, means.observer, means.settings, subject.object)
        self._started = time.monotonic()
        self._total = self._passed = self._passed_before = self._touched = self._batches = 0
        self._span = Span()
        self._waiter_since = 0.0
        self._waited_for = self._yielded = False

    def walk(self) -> str:
        """Walk to the end; returns what to tell of it."""
        # a row that somebody changed before it is locked is read anew, which only this level does without an error
        self._work.set("default_transaction_isolation", "read committed")
        (statement,) = self._walk.statements
        self._means.observer.event(
            "statement", object=self._subject.object, sql=str(self._walk), lock=statement.lock.value,
            relation=statement.relation,
        )  # fmt: skip
        told = self._back() if self._walk.back else self._forth()
        self._means.observer.event(
            "walked",
            object=self._subject.object,
            back=self._walk.back,
            rows=self._touched,
            batches=self._batches,
            seconds=round(time.monotonic() - self._started, 3),
        )
        return told

    # -- forward -------------------------------------------------------------------------------------------

    def _forth(self) -> str:
        self._touched = int(self._captured.get("rows", 0))
        self._passed = self._passed_before = int(self._captured.get("passed", 0))
        self._total = self._work.exactly("estimated_rows", Size, table=self._walk.relation).rows
        if not self._captured.get("finished"):
            if "kept" not in self._captured:
                self._work.rows(f"explain {self._walk.sql}")  # the server refuses here what no UPDATE may hold
            cursor = self._captured.get("cursor")
            self._march(self._forward_batch, tuple(cursor) if cursor else None)
        kept = f"; the old values are kept in {self._kept}" if self._captured.get("kept") else ""
        return f"{self._touched:,} rows{kept}"

    def _forward_batch(self) -> tuple[str, ...] | None:
        """One batch with its cursor; the key that ends it, None where it is the last."""
        with self._transaction():
            upper = self._bound()
            remembered = self._remembered()
            touched = self._write() if remembered["kept"] else self._write_only()
            remembered |= {
                "rows": self._touched + touched,
                "passed": self._passed + self._pace.rows,
                "finished": upper is None,
            }
            if upper is not None:
                remembered["cursor"] = list(upper)
            self._means.ledger.advance(self._means.run_id, self._subject.position, **remembered)
        self._captured |= remembered
        self._touched += touched
        return upper

    def _remembered(self) -> dict[str, Any]:
        """What the first batch decides for all: where the old values are kept."""
        if "kept" in self._captured:
            return {"kept": self._captured["kept"]}
        if self._goes_with_its_columns():
            return {"kept": ""}
        try:
            for statement in self._sql.create():
                self._work.execute(statement)
        except errors.StatementFailed as e:
            if e.sqlstate == "42501":
                e.remedy = (
                    f"grant create on schema {quoted(self._means.ledger.schema)} to {quoted(self._work.user)}, "
                    "where the old values are kept; then run it again"
                )
            raise
        self._refuse_publication()
        return {"kept": self._name}

    def _goes_with_its_columns(self) -> bool:
        """Whether the rollback of this very run drops all that is set, so that old values would be kept for nothing."""
        dropped = {
            row.object
            for row in self._means.ledger.steps(self._means.run_id)
            if row.kind == AddColumn.kind and row.open and row.options.get("on_rollback") != "keep"
        }
        return all(f"{self._walk.relation}.{quoted(c)}" in dropped for c in self._walk.columns)

    def _refuse_publication(self) -> None:
        found = self._work.value(
            "select pg_catalog.string_agg(pubname, ', ' order by pubname) from pg_catalog.pg_publication_tables"
            " where schemaname = $1 and tablename = $2",
            [self._means.ledger.schema, self._name],
        )
        if found:
            raise errors.PreflightFailed(
                f"publication {found} would replicate {self._kept}, which the subscribers do not have: they would stop",
                remedy=f"name the tables in the publication, so that schema {self._means.ledger.schema} is not in it",
            )

    def _write(self) -> int:
        """Keep, then write; the number of rows written."""
        span, bound = self._span, self._span.values
        kept = self._work.changed(self._sql.keep(span), bound)
        if not kept:
            return 0
        self._forbid(_WRITE)
        written = self._work.changed(self._sql.write(span), bound)
        if written < kept:
            self._work.changed(self._sql.forget_unmoved(span), bound)
        if self._has_triggers:
            self._work.changed(self._sql.settle(span), bound)
        return written

    def _write_only(self) -> int:
        return self._work.changed(self._sql.write_only(self._span), self._span.values)

    # -- back ----------------------------------------------------------------------------------------------

    def _back(self) -> str:
        if self._work.value("select pg_catalog.to_regclass($1)", [self._kept]) is None:
            return ""
        self._total = int(self._captured.get("rows", 0))
        self._march(self._backward_batch, None)
        left = int(self._work.value(f"select pg_catalog.count(*) from {self._kept}"))  # noqa: S608
        told = [f"{self._touched:,} rows have their old values again"]
        if left:  # a row that is not found by its key may be deleted, or have another one now: nobody can tell
            what = "that somebody changed or deleted since, or gave another key,"
            told.append(f"{left:,} {what} were left as they are{self._named()}")
            told.append(f"their old values stay in {self._kept}")
        else:
            self._work.execute(f"drop table {self._kept}")
        return "; ".join(told)

    def _backward_batch(self) -> tuple[str, ...] | None:
        with self._transaction():
            upper = self._bound()
            self._forbid(_WRITE)
            restored = self._work.changed(self._sql.restore(self._span), self._span.values)
        self._touched += restored
        return upper

    def _named(self) -> str:
        """Some of the keys that are still kept, where these tell nothing of a person."""
        if not all(c.harmless for c in self._key):
            return ""
        found = [self._key_text(row) for row in self._work.rows(self._sql.left(), [_SHOWN_KEYS + 1])]
        return f" ({', '.join([*found[:_SHOWN_KEYS], *(['…'] if len(found) > _SHOWN_KEYS else [])])})"

    def _key_text(self, values: tuple[str, ...]) -> str:
        return " and ".join(f"{quoted(c.name)} = {v}" for c, v in zip(self._key, values, strict=True))

    # -- batches -------------------------------------------------------------------------------------------

    def _march(self, batch: Callable[[], tuple[str, ...] | None], lower: tuple[str, ...] | None) -> None:
        """Batch after batch until none is left; what can't be had now is tried again, with fewer rows."""
        attempt = 0
        while True:
            self._watch.between("batches")
            self._pause()
            self._span = Span(lower)
            began = time.monotonic()
            try:
                upper = self._followed(batch)
            except errors.StatementFailed as e:
                attempt = self._again(e, attempt)
                continue
            attempt = 0
            self._batches += 1
            self._passed += self._pace.rows
            self._pace.done(time.monotonic() - began, waited_for=self._waited_for)
            self._watch.tell_now_and_then(self._subject, self._seen(), self._started)
            if upper is None:
                return
            lower = upper

    def _followed(self, batch: Callable[[], tuple[str, ...] | None]) -> tuple[str, ...] | None:
        """Run a batch in a thread of its own, and look after it."""
        upper: tuple[str, ...] | None = None
        self._waiter_since, self._waited_for, self._yielded = 0.0, False, False

        def work() -> None:
            nonlocal upper
            upper = batch()

        self._watch.follow(self._subject, work, look=self._look, since=self._started)
        return upper

    def _again(self, error: errors.StatementFailed, attempt: int) -> int:
        """After a batch that failed and left nothing: how often it was tried. Raises where trying again is no use."""
        if isinstance(error, errors.StatementCancelled) and self._yielded:
            self._pace.smaller()
            self._tell_retry("others waited for its rows: fewer at a time now")
            return attempt
        if isinstance(error, errors.LockNotAvailable) or error.sqlstate in _DEADLOCK:
            self._pace.smaller()
            lock = f"row lock on {self._walk.relation}"
            self._watch.back_off(self._subject, lock, attempt + 1, self._lock_timeout_ms, error)
            return attempt + 1
        if not error.sqlstate.startswith(_REFUSED_ROW):
            raise error
        if self._walk.at_once or not self._pace.narrow():
            raise errors.StatementFailed(
                f"{self._refused}: {_without_values(error)}", remedy=_GO_ON, sqlstate=error.sqlstate
            ) from None
        self._tell_retry(f"a row is refused, which is looked for with smaller batches: {_without_values(error)}")
        return attempt

    def _tell_retry(self, reason: str) -> None:
        self._means.observer.event("retry", object=self._subject.object, reason=reason, rows=self._pace.rows)

    @property
    def _refused(self) -> str:
        """The row that the server refuses, as far as it may be told."""
        if self._walk.at_once:
            return f"{self._subject.object}: a row is refused"
        if self._span.upper is not None and all(c.harmless for c in self._key):
            return f"{self._subject.object}: the row with {self._key_text(self._span.upper)} is refused"
        return (
            f"{self._subject.object}: a row is refused, number {self._passed + 1:,} of {self._walk.relation} "
            "in the order of its primary key"
        )

    def _transaction(self) -> Any:
        return self._work.transaction(
            lock_timeout=f"{self._lock_timeout_ms}ms",
            statement_timeout=f"{int(self._means.limits.statement_timeout_s * 1000)}ms",
            jit="off",
        )

    @property
    def _lock_timeout_ms(self) -> int:
        return self._watch.lock_timeout_ms if self._walk.at_once else min(self._watch.lock_timeout_ms, _LOCK_TIMEOUT_MS)

    def _forbid(self, off: set[str]) -> None:
        """What the planner is not to use in the next statements of the transaction; all in one batch is left to it."""
        if not self._walk.at_once:
            names = sorted(_BOUND | _WRITE)
            self._work.rows(
                "select pg_catalog.set_config(name, value, true)"
                " from unnest($1::text[], $2::text[]) setting(name, value)",
                [names, ["off" if name in off else "on" for name in names]],
            )

    def _bound(self) -> tuple[str, ...] | None:
        """Find where the batch ends, and set its span."""
        if self._walk.at_once:
            return None
        self._forbid(_BOUND)
        span = self._span
        found = self._work.rows(self._sql.bound(span, kept=self._walk.back), [*span.values, self._pace.rows - 1])
        upper = tuple(found[0]) if found else None
        self._span = replace(span, upper=upper)
        self._forbid(_FREE)
        return upper

    # -- others --------------------------------------------------------------------------------------------

    def _pause(self) -> None:
        def tell(reason: str) -> None:
            seen = replace(self._seen(), phase=f"pausing: {reason}")
            self._watch.tell_now_and_then(self._subject, seen, self._started)

        self._watch.waited += self._pace.pause(tell)

    def _look(self, pid: int) -> Seen:
        """What the batch is at. One for which somebody waits too long gives way, and is tried again with fewer rows."""
        seen = self._watch.look(pid)
        if not self._walk.at_once and self._pace.rows > 1 and not self._yielded:
            waiters = self._watch.eyes.value(
                "select count(*) from pg_catalog.pg_locks w"
                " where not w.granted and $1 = any (pg_catalog.pg_blocking_pids(w.pid))",
                [pid],
            )
            now = time.monotonic()
            self._waited_for |= bool(waiters)
            if not waiters:
                self._waiter_since = 0.0
            elif not self._waiter_since:
                self._waiter_since = now
            elif now - self._waiter_since > _YIELD_AFTER_S:
                self._yielded = True
                self._work.cancel()
        return seen if seen.waiting else self._seen()

    def _seen(self) -> Seen:
        """Progress as a server would tell it."""
        spent = time.monotonic() - self._started
        phase = f"{self._touched:,} rows, batches of {self._pace.rows:,}"
        walked = self._passed - self._passed_before
        if self._total and walked and spent > 1:
            phase += f", about {max(self._total - self._passed, 0) * spent / walked:.0f} s left"
        done = min(self._passed, self._total)
        return Seen(phase, waiting=False, idle=False, done=done, total=self._total, blockers="", wraparound=False)


def _without_values(error: errors.StatementFailed) -> str:
    """What the server says of a row; a data exception quotes the value, which may be anybody's."""
    return re.sub(r'".*"', '"…"', error.message) if error.sqlstate.startswith("22") else error.message
