"""One run at a time on a file: a lock beside it, which goes with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from pgrunbook import errors
from pgrunbook.db import Target

if sys.platform != "win32":
    import fcntl

_POLL_S = 0.05
_LOOKED_FOR_S = 2.0


@contextmanager
def held(target: Target, path: Path, name: str, purpose: str, *, wait_s: float = 2.0) -> Iterator[None]:
    """Hold the lock of that name for as long as the context lasts. Raises `Busy` naming the holder."""
    if sys.platform == "win32":
        raise errors.BadTarget("runs on SQLite files are kept apart by flock, which Windows has not", remedy="use WSL")
    beside = _beside(path, name)
    deadline = time.monotonic() + wait_s
    while (descriptor := _try(target, beside)) is None:
        if time.monotonic() > deadline:
            raise errors.Busy(
                f"runbook {name} is at work on {path.name} already: {_said(beside)}", remedy="wait for it, or end it"
            )
        time.sleep(_POLL_S)
    try:
        since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} ({purpose}) since {since}".encode(), 0)
        yield
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
        os.close(descriptor)


def holder(path: Path, name: str) -> str:
    """Who holds the lock of that name; empty where nobody does."""
    beside = _beside(path, name)
    try:
        descriptor = os.open(beside, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no lock was laid, or one that this user may not look at
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _said(beside)
    finally:
        os.close(descriptor)
    return ""


def _beside(path: Path, name: str) -> Path:
    return path.with_name(f"{path.name}.{re.sub(r'[^A-Za-z0-9_-]+', '-', name).strip('-')}.lock")


def _try(target: Target, beside: Path) -> int | None:
    """The locked file's descriptor; None while somebody else has it."""
    try:
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as e:
        raise errors.BadTarget(
            f"target {target.name}: no lock can be laid beside the file: {e.strerror}",
            remedy="the file's folder has to be writable, for SQLite's own journal as well",
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(beside).st_ino == os.fstat(descriptor).st_ino:  # noqa: PTH116
            return descriptor
    except OSError:  # held; or the holder has just taken it away
        pass
    os.close(descriptor)
    return None


def _said(beside: Path) -> str:
    try:
        return beside.read_text(encoding="utf-8") or "somebody"
    except OSError:
        return "somebody"


def who_has_open(path: Path) -> str:
    """The other processes that have a file open, as far as this user may see them; empty where none is seen."""
    found: list[str] = []
    end = time.monotonic() + _LOOKED_FOR_S
    wanted = str(path.resolve())
    for process in psutil.process_iter(["pid", "name"]):
        if process.pid == os.getpid() or time.monotonic() > end:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if any(opened.path == wanted for opened in process.open_files()):
                found.append(f"pid {process.pid} ({process.info['name']})")
    return ", ".join(found)
