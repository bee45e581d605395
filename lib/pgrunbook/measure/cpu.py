"""How long a backend has had a processor: its own process, on this machine; its parallel workers are others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil

_NS = 1e9


def clock(pid: int) -> Callable[[], float] | None:
    """A function that tells the user and system time of a process in seconds; None where the system tells none.

    psutil has it in ticks of 10 ms, longer than most queries run; Linux has it in ns where its scheduler keeps count.
    """
    precise = Path("/proc") / str(pid) / "schedstat"
    try:
        if int(precise.read_text(encoding="ascii").split()[0]) > 0:
            return lambda: int(precise.read_text(encoding="ascii").split()[0]) / _NS
    except (OSError, ValueError):
        pass
    try:
        process = psutil.Process(pid)
        process.cpu_times()
    except psutil.Error:
        return None

    def ticks() -> float:
        spent = process.cpu_times()
        return float(spent.user + spent.system)

    return ticks
