"""GRANT of privileges on one object."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from pgrunbook.changes._base import NOTHING_THERE, Observation, State
from pgrunbook.changes._privileges import Bit, Privileges, listed
from pgrunbook.db import Database


@dataclass(frozen=True, slots=True)
class Grant(Privileges):
    """One GRANT: done when every privilege of it is held, whoever gave it."""

    kind: ClassVar[str] = "grant"
    is_grant: ClassVar[bool] = True

    def state(self, db: Database) -> Observation:
        if not self.own_bits:
            return Observation(State.PRESENT, f"line {self.overridden[-1].written.line} takes it up")
        entries = self.entries(db)
        if entries is None:
            return NOTHING_THERE
        now = frozenset(b for e in entries for b in e.bits)
        missing = self.own_bits - now
        if not missing:
            return Observation(State.PRESENT, f"held: {listed(self.own_bits)}")
        return Observation(State.ABSENT, f"lacking: {listed(missing)}", found=(json.dumps(sorted(now)),))

    def outcome(self, now: frozenset[Bit]) -> frozenset[Bit]:
        return now | self.own_bits
