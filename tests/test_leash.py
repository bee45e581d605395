"""Programs that must not outlive the process that started them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from pgrunbook import leash

# a program that starts another one, tells both, and hangs
PROGRAM = """
import os, subprocess, sys, time
other = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(120)"])
print(os.getpid(), other.pid, flush=True)
if sys.argv[1] == "hang":
    time.sleep(120)
"""
OWNER = """
import sys
from pgrunbook import leash
leash.start([sys.executable, "-S", *sys.argv[1:]], {}, sys.stdout, sys.stderr).wait()
"""


def pids(file: Path) -> list[int]:
    """What the program told, once it has."""
    until = time.monotonic() + 30
    while not file.read_text().endswith("\n"):
        assert time.monotonic() < until
        time.sleep(0.02)
    return [int(word) for word in file.read_text().split()]


def runs(pid: int) -> bool:
    """Whether a process runs; one that ends while it is looked at does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(found: list[int]) -> bool:
    """Whether none of these processes runs any more, well before they would end by themselves."""
    until = time.monotonic() + 30
    while any(map(runs, found)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_owner_that_is_killed__takes_the_program_and_its_children_along(tmp_path: Path) -> None:
    """SIGKILL leaves nobody who could tell: the end of the pipe does."""
    out, program = tmp_path / "out", tmp_path / "program.py"
    program.write_text(PROGRAM)
    with out.open("w") as said:
        owner = subprocess.Popen([sys.executable, "-c", OWNER, program, "hang"], stdout=said, env={**os.environ})
    found = pids(out)
    owner.kill()
    owner.wait()
    assert gone(found)


def test_context_that_ends__ends_the_program(tmp_path: Path) -> None:
    """Also by an error; what the program was ended by is in its status."""
    out, program = tmp_path / "out", tmp_path / "program.py"
    program.write_text(PROGRAM)
    with (
        out.open("w") as said,
        leash.start([sys.executable, "-S", str(program), "hang"], {}, said, said) as process,
    ):
        found = pids(out)
    assert gone(found)
    assert process.returncode == 128 + 15


def test_program_that_ends__leaves_nothing_behind(tmp_path: Path) -> None:
    """What it started and did not wait for is ended as well."""
    out, program = tmp_path / "out", tmp_path / "program.py"
    program.write_text(PROGRAM)
    with out.open("w") as said, leash.start([sys.executable, "-S", str(program), "end"], {}, said, said) as process:
        assert process.wait(60) == 0
    assert gone(pids(out))
