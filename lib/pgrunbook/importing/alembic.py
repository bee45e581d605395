"""Alembic revisions through Alembic's own offline SQL, made by the project's env.py as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pgrunbook import errors
from pgrunbook.evidence.redact import scrub
from pgrunbook.importing.sources import Source, Text, shown

_LIMIT_S = 300
_REVISIONS = re.compile(r"(\w[\w@+-]*):(\w[\w@+-]*)")
_DIALECT = re.compile(r"Context impl (\w+)\.")
_FAILED = re.compile(r"^(?:.*\s)?FAILED: (.+)$", re.MULTILINE)
_RAISED = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception)\b.*?)(?=^Traceback|\Z)", re.MULTILINE | re.DOTALL)
_LAST_LINE = 300


@dataclass(frozen=True, slots=True)
class _Ran:
    status: int
    out: bytes
    err: str

    @property
    def last(self) -> str:
        """What it says at its end: by its own word FAILED, which goes to standard output, else as an error."""
        failed = [m[1] for m in _FAILED.finditer(self.out.decode("utf-8", "replace"))]
        raised = [m[1] for m in _RAISED.finditer(self.err)]  # its message may have several lines
        lines = [line.strip() for line in self.err.splitlines() if line.strip()]
        return scrub(" ".join((failed or raised[-1:] or lines or ["it says nothing"])[-1].split()))


def of_alembic(ini: str, revisions: str, root: Path | None = None) -> Source:
    """What `alembic upgrade A:B --sql` writes, and `downgrade B:A --sql` for the way back. Raises `WrongUsage`."""
    path = Path(ini)
    if not path.is_file():
        raise errors.WrongUsage(f"{ini}: no such file", remedy="--alembic names the project's alembic.ini")
    found = _REVISIONS.fullmatch(revisions)
    if not found:
        raise errors.WrongUsage(
            f"--revision {revisions[:60]!r} is no range of revisions",
            remedy="--revision A:B, A the revision (or base) that the database is at, B the one it is to get to",
        )
    first, last = found.groups()
    up = _run(path, "upgrade", f"{first}:{last}")
    if up.status:
        _explain(up, f"alembic upgrade {first}:{last} --sql")
    for dialect in _DIALECT.findall(up.err):
        if dialect != "PostgresqlImpl":
            raise errors.WrongUsage(
                f"Alembic writes SQL for {dialect.removesuffix('Impl')}, not for PostgreSQL",
                remedy=f"set sqlalchemy.url in {ini} (or what its env.py reads) to postgresql://",
            )
    back = _run(path, "downgrade", f"{last}:{first}")
    notes = (f"Alembic has no way back: downgrade {last}:{first} says: {back.last:.{_LAST_LINE}}",)
    return Source(
        f"Alembic: {shown(ini, root)}, revisions {first}:{last}",
        (Text(f"upgrade_{_plain(first)}_{_plain(last)}.sql", _text(up)),),
        () if back.status else (Text(f"downgrade_{_plain(last)}_{_plain(first)}.sql", _text(back)),),
        notes=notes if back.status else (),
        stamp=last,
    )


def _run(ini: Path, verb: str, revisions: str) -> _Ran:
    command = [sys.executable, "-m", "alembic", "-c", ini.name, verb, revisions, "--sql"]
    try:
        done = subprocess.run(
            command,
            cwd=ini.absolute().parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        raise errors.WrongUsage(
            f"alembic {verb} {revisions} --sql did not end within {_LIMIT_S} s",
            remedy="run it by hand to see what it waits for",
        ) from None
    return _Ran(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def _explain(ran: _Ran, command: str) -> None:
    if "No module named alembic" in ran.err:
        raise errors.WrongUsage(
            "Alembic is not installed where pgrunbook is",
            remedy=f"{sys.executable} -m pip install alembic, and what the project's env.py imports",
        )
    raise errors.WrongUsage(
        f"{command} fails: {ran.last:.{_LAST_LINE}}",
        remedy="run it in the folder of the INI file; what it needs of its environment, set for pgrunbook as well",
    )


def _text(ran: _Ran) -> str:
    try:
        return ran.out.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as e:
        raise errors.WrongUsage(
            f"what Alembic writes is not UTF-8 ({e.reason} at byte {e.start})", remedy="set PYTHONUTF8=1"
        ) from None


def _plain(revision: str) -> str:
    return re.sub(r"\W", "", revision)
