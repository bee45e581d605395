"""A program on a leash: it ends, with all that it started, when the process that started it does, whatever of.

Killed, a notebook's kernel could tell nobody, and pgbench would keep a server busy for a day. So the program is run by
this file: it holds the reading end of a pipe, and its end, which needs nobody's doing, is the word to stop.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import IO

_GRACE_S = 5


def start(
    command: Sequence[str], environment: Mapping[str, str], out: IO[bytes] | IO[str], err: IO[bytes] | IO[str]
) -> subprocess.Popen[bytes]:
    """Start a program on a leash; its status is the program's, from 128 on for the signal that ended it.

    As a context it ends the program, which has some seconds to tidy up.
    """
    # by its path and isolated: importing the package would take longer than many a program
    leashed = [sys.executable, "-I", "-S", __file__, *command]
    return subprocess.Popen(
        leashed, stdin=subprocess.PIPE, stdout=out, stderr=err, env=dict(environment), start_new_session=True
    )


def _main(command: Sequence[str]) -> int:
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(_number: int = 0, _frame: FrameType | None = None) -> None:
        _signal(program, signal.SIGTERM)

    def watch() -> None:
        while os.read(0, 1):
            pass
        stop()
        try:
            program.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            _signal(program, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=watch, daemon=True).start()
    status = program.wait()
    _signal(program, signal.SIGKILL)  # what it started and left behind
    return status if status >= 0 else 128 - status


def _signal(program: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the program and to what it started."""
    try:
        os.killpg(program.pid, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
