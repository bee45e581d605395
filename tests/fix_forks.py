"""Processes that begin where this one stands, with every module loaded; a new interpreter takes a second to get there."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.context import ForkProcess

_FORKS = multiprocessing.get_context("fork")


def fork(work: Callable[[], object], stdout: pathlib.Path, stderr: pathlib.Path | None = None) -> ForkProcess:
    """Do `work` in a process of its own that writes to files; its exit status is that of a script."""
    process = _FORKS.Process(target=_begin, args=(work, stdout, stderr or stdout))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that this process has threads
        process.start()
    return process


def _begin(work: Callable[[], object], stdout: pathlib.Path, stderr: pathlib.Path) -> None:
    warnings.resetwarnings()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in ((1, stdout), (2, stderr)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    work()
