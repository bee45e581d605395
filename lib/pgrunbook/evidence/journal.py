"""The journal: an append-only record of a run's events. A verdict comes from here and nowhere else."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgrunbook.evidence.redact import scrub, scrubbed

NAME = "journal.jsonl"


class Journal:
    """Appends events to one file, a JSON object a line, each safe on disk before the call returns."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._guard = threading.Lock()

    def write(self, event: str, *, stage: str = "", durable: bool = True, **data: Any) -> None:
        """Append an event. Progress need not be `durable`."""
        entry = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event}
        if stage:
            entry["stage"] = stage
        line = json.dumps(entry | scrubbed(data), ensure_ascii=False, default=lambda v: scrub(str(v))) + "\n"
        with self._guard:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(descriptor).st_size
                torn = size and os.pread(descriptor, 1, size - 1) != b"\n"  # by a crash; it stays a line of its own
                os.write(descriptor, b"\n" * bool(torn) + line.encode())  # one write: lines of two processes do not mix
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def events(self) -> list[dict[str, Any]]:
        """All events; a line cut off by a crash is left out, or an event `torn` where more was written after it."""
        return read(self.path)[0]


def read(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The events from a byte offset on, and the offset to go on from."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        raw = file.read()
    whole = raw[: raw.rfind(b"\n") + 1]
    return [_event(line) for line in whole.splitlines() if line.strip()], offset + len(whole)


def _event(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {"event": "torn", "bytes": len(line)}


def last(events: list[dict[str, Any]], event: str, stage: str = "") -> dict[str, Any] | None:
    """The newest event of a name, of one stage where asked."""
    return next((e for e in reversed(events) if e["event"] == event and (not stage or e.get("stage") == stage)), None)
