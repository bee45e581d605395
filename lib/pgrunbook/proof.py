"""What a proof found: of each statement, of the authored way back, and of the whole."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pgrunbook.findings import EXIT_STATUS, Verdict

DONE, THERE, FAILED, DIFFERS, NOT_REACHED = "done", "nothing to do", "failed", "differs", "not reached"
NO_ROWS = "met no rows"
AS_BEFORE, IN_PART, KEPT, NOTHING = "as before", "in part", "kept", "nothing to undo"


@dataclass(frozen=True, slots=True)
class StepProof:
    """What holds of one statement. `irreversible` is why it has no exact way back; empty where it has one."""

    position: int
    kind: str
    object: str
    line: int
    applied: str
    undone: str
    again: str
    irreversible: str
    detail: str


@dataclass(frozen=True, slots=True)
class DownProof:
    """What the authored way back leaves of the migration, takes too much, or changes.

    `in_part`: that is only what the accepted irreversible statements lose.
    """

    verdict: Verdict
    in_part: bool
    left: tuple[str, ...]
    taken: tuple[str, ...]
    changed: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Proven:
    """A proof's end. `differs` are sentences, each about a statement and the objects that differ.

    `empty`: there was no schema to copy, so it was proven on an empty database.
    """

    runbook: str
    target: str
    verdict: Verdict
    seconds: float
    steps: tuple[StepProof, ...]
    down: DownProof | None
    empty: bool
    differs: tuple[str, ...]
    not_proven: tuple[str, ...]

    @property
    def exit_status(self) -> int:
        return EXIT_STATUS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """The proof as `--json` prints it."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}

    def line(self) -> str:
        """The verdict as one line."""
        done = sum(s.applied == DONE for s in self.steps)
        back = sum(s.undone == AS_BEFORE for s in self.steps)
        irreversible = sum(bool(s.irreversible) for s in self.steps)
        words = f"{done} of {len(self.steps)} changes carried out, {back} taken back exactly"
        words += f", {irreversible} irreversible" if irreversible else ""
        return f"{self.verdict.value}: {words}, in {self.seconds:.1f} s"
