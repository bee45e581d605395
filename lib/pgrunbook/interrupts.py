"""Ctrl-C and SIGTERM while stages run without a person: what is under way decides what becomes of them."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import psutil

_SECOND_S = 0.3


class Interrupts:
    """Takes them for a whole run, as a context. `asked`: one came, so no further notebook begins.

    Those that come while a notebook works go on to its kernel, whose executor decides what they mean; SIGTERM is
    Ctrl-C twice. A kernel that is only starting up is ended: nothing is under way in it.
    """

    def __init__(self) -> None:
        self.asked = False
        self._working: Callable[[], bool] | None = None
        self._kept: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._kept = {n: signal.signal(n, self._came) for n in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._kept.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def during(self, working: Callable[[], bool]) -> Iterator[None]:
        """While a notebook runs; `working` says whether its stage has begun. Raises what came before it as well."""
        self._working = working
        try:
            if self.asked:
                raise KeyboardInterrupt
            yield
        finally:
            self._working = None

    def _came(self, number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._working is None:
            return
        if not self._working():
            _to_kernel(signal.SIGKILL)
            raise KeyboardInterrupt
        _to_kernel(signal.SIGINT)
        if number == signal.SIGTERM:
            threading.Timer(_SECOND_S, _to_kernel, [signal.SIGINT]).start()


def _to_kernel(number: signal.Signals) -> None:
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any("ipykernel" in word for word in child.cmdline()):
                child.send_signal(number)
