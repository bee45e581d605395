"""How large the next batch of a walk is, and when it may begin: the others' work comes first."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pgrunbook import errors
from pgrunbook.description import Backfill
from pgrunbook.sqlfile import quoted
from pgrunbook.watch import Observer, Watch

_FIRST, _MOST = 1_000, 500_000
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class _Replicas:
    seconds: float
    name: str
    hidden: int


class Pace:
    """Adapts the size of a batch to its target duration, and pauses between batches where others lag behind.

    `rows` is the size of the next batch.
    """

    def __init__(self, watch: Watch, observer: Observer, settings: Backfill, obj: str) -> None:
        self._watch = watch
        self._observer = observer
        self._settings = settings
        self._object = obj
        self._suspects = 0
        self._told = False
        self._began, self._wal = time.monotonic(), self._wal_bytes()
        self.rows = _FIRST

    def done(self, seconds: float, *, waited_for: bool) -> None:
        """A batch of `rows` is done: the next one is at most twice as large, and half where somebody waited for it."""
        if self._suspects:
            self._suspects -= min(self.rows, self._suspects)
            self.rows = max(self._suspects // 2, 1)
            return
        factor = 0.5 if waited_for else self._settings.batch_ms / 1000 / max(seconds, 0.001)
        self.rows = min(max(round(self.rows * min(max(factor, 0.5), 2.0)), 1), _MOST)

    def smaller(self) -> None:
        """The next batch is half as large."""
        self.rows = max(self.rows // 2, 1)

    def narrow(self) -> bool:
        """A row of this batch is refused: look for it with smaller ones. False where the batch is that row."""
        self._suspects = self.rows
        self.smaller()
        return self._suspects > 1

    def pause(self, tell: Callable[[str], None]) -> float:
        """Wait until the others have caught up; returns the seconds. Raises `Aborted` past the limit."""
        began = time.monotonic()
        told = False
        while reason := self._reason():
            seconds = time.monotonic() - began
            if seconds > self._settings.pause_limit_s:
                raise errors.Aborted(
                    f"{self._object}: paused {seconds:.0f} s, and still {reason}",
                    remedy="run it again when that is over: it goes on after the batches that are done",
                )
            if not told:
                told = True
                self._observer.event("pause", object=self._object, reason=reason)
            tell(reason)
            self._watch.pause(_PAUSE_S)
        self._began, self._wal = time.monotonic(), self._wal_bytes()
        return time.monotonic() - began

    def _reason(self) -> str:
        replicas = self._watch.eyes.exactly("replicas", _Replicas)
        if replicas.hidden and not self._told:
            self._told = True
            remedy = f"grant pg_monitor to {quoted(self._watch.eyes.user)}"
            self._observer.event("not_seen", object=self._object, what="how far replicas are behind", remedy=remedy)
        if replicas.seconds > self._settings.replica_lag_s:
            return (
                f"replica {replicas.name} is {replicas.seconds:.1f} s behind (backfill.replica_lag_s is "
                f"{self._settings.replica_lag_s:g})"
            )
        limit = self._settings.wal_mb_per_s
        if limit is None:
            return ""
        rate = (self._wal_bytes() - self._wal) / 2**20 / max(time.monotonic() - self._began, 0.001)
        if rate > limit:
            return f"the server writes {rate:.1f} MB of WAL per second (backfill.wal_mb_per_s is {limit:g})"
        return ""

    def _wal_bytes(self) -> int:
        """All that the server ever wrote; asked only where there is a limit."""
        if self._settings.wal_mb_per_s is None:
            return 0
        return int(
            self._watch.eyes.value("select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), '0/0')")
        )
