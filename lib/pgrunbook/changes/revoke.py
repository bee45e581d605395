"""REVOKE of privileges on one object."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from pgrunbook.changes._base import NOTHING_THERE, Observation, State
from pgrunbook.changes._privileges import PUBLIC, Bit, Privileges, listed
from pgrunbook.db import Database
from pgrunbook.sqlfile import quoted


@dataclass(frozen=True, slots=True)
class Revoke(Privileges):
    """One REVOKE: done when none of its privileges is held.

    It takes what was given in the owner's name. What another role gave stays, so that the statement would not do what
    it says: the plan stops.
    """

    kind: ClassVar[str] = "revoke"
    is_grant: ClassVar[bool] = False

    def state(self, db: Database) -> Observation:
        entries = self.entries(db)
        if entries is None:
            return NOTHING_THERE
        held = [e for e in entries if any(self.owns(b) for b in e.bits)]
        others = [e for e in held if not e.by_owner]
        if others:
            given = "; ".join(f"{listed(b for b in e.bits if self.owns(b))} by {quoted(e.grantor)}" for e in others)
            return Observation(
                State.DIFFERENT, f"a REVOKE does not take what others than the owner gave, and they alone can: {given}"
            )
        now = frozenset(b for e in entries if e.by_owner for b in e.bits)
        left = frozenset(b for b in now if self.owns(b))
        if left:
            return Observation(State.ABSENT, f"held: {listed(left)}", found=(json.dumps(sorted(now)),))
        everyone = {b.privilege for b in now if b.grantee == PUBLIC and not b.column and not b.option}
        still = sorted({b.privilege for b in self.own_bits if b.grantee != PUBLIC} & everyone)
        return Observation(State.PRESENT, f"PUBLIC holds {', '.join(still)}, and so do they" if still else "not held")

    def outcome(self, now: frozenset[Bit]) -> frozenset[Bit]:
        return frozenset(b for b in now if not self.owns(b))
