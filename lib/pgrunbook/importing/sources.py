"""Where existing migrations come from: files of SQL, standard input, a Supabase folder, Alembic."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgrunbook import errors, sqlfile
from pgrunbook.importing import sections
from pgrunbook.sqlfile import SqlFileError

STDIN = "<stdin>"
_SUPABASE = re.compile(r"(\d+)_.*\.sql", re.DOTALL)
_MANY = 20
_FEW = 3


@dataclass(frozen=True, slots=True)
class Text:
    """One file's SQL. `name` is what is written of it, `typed` how it was named, where that is another word.

    `whole` is all of the file, where only a part of it is meant.
    """

    name: str
    sql: str
    typed: str = ""
    whole: str = ""

    @property
    def given(self) -> str:
        """How it is called in errors."""
        return self.typed or self.name

    @property
    def file(self) -> str:
        """A name for its copy in the runbook's folder."""
        return "stdin.sql" if self.name == STDIN else re.sub(r"[^\w.-]", "_", Path(self.name).name)


@dataclass(frozen=True, slots=True)
class Source:
    """A migration as it was found.

    `said` is where it comes from, in one line; `search_path` the schemas that its tool looks in; `notes` is what a
    reader of the report has to know; `stamp` the revision that Alembic has to be told of afterwards. `supabase`:
    it meets what Supabase sets up.
    """

    said: str
    texts: tuple[Text, ...]
    down: tuple[Text, ...] = ()
    search_path: tuple[str, ...] = ("public",)
    notes: tuple[str, ...] = ()
    stamp: str = ""
    supabase: bool = False


def of_files(names: Sequence[str], down: Sequence[str] = (), root: Path | None = None) -> Source:
    """SQL files in the order given; `-` is standard input. Raises `WrongUsage` with every file that can't be read.

    `root` is the project's folder, from which paths are written.
    """
    found, back = read(names, root), read(down, root)
    up, below = zip(*(_halves(t) for t in found), strict=True)
    authored = tuple(below if below.sql else above for above, below in map(_halves, back))
    marked = tuple(t for t in reversed(below) if t.sql)
    named = ", ".join(t.name for t in marked[::-1][:_FEW]) + (
        f" and {len(marked) - _FEW} more" if marked[_FEW:] else ""
    )
    notes = (
        (f"the way down that is marked in {named} is taken for the authored way back",) if marked and not down else ()
    )
    return Source(f"SQL: {', '.join(t.name for t in found)}", up, authored if down else marked, notes=notes)


def _halves(text: Text) -> tuple[Text, Text]:
    """A file's parts for the way up and the way down, where it marks them."""
    up, down = sections.halves(text.sql)
    return replace(text, sql=up, whole=text.sql), replace(text, sql=down, whole=text.sql)


def read(names: Sequence[str], root: Path | None = None) -> tuple[Text, ...]:
    """Files by their names. Raises `WrongUsage`."""
    found: list[Text] = []
    wrong: list[str] = []
    remedies: dict[str, None] = {}
    if list(names).count("-") > 1:
        raise errors.WrongUsage("standard input can be read once only", remedy="name `-` once")
    for name in names:
        try:
            found.append(Text(STDIN, _decoded(_standard_input())) if name == "-" else _file(Path(name), name))
        except SqlFileError as e:
            wrong.append(f"{STDIN if name == '-' else name}:{e.line}: {e}")
            remedies["SQL is read as UTF-8; iconv -f ENCODING -t UTF-8 makes it so"] = None
        except (OSError, ValueError) as e:  # a NUL character in the name is a ValueError
            wrong.append(f"{name or repr(name)}: {getattr(e, 'strerror', None) or e}")
            remedies["name files that are there and can be read; - is standard input"] = None
    if wrong:
        raise errors.WrongUsage("\n".join(wrong), remedy="; ".join(remedies))
    shown = _shown([t.name for t in found], root)
    return tuple(Text(short, t.sql, t.name) for short, t in zip(shown, found, strict=True))


def shown(path: str, root: Path | None = None) -> str:
    """A path as it is written: from the project's folder if it is inside, else its last part.

    Where somebody keeps his files is nobody's business, and says nothing on another machine.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100  links are not followed: they are how it is named
    if root and whole.is_relative_to(root):
        return whole.relative_to(root).as_posix()
    return whole.name


def _shown(paths: Sequence[str], root: Path | None) -> list[str]:
    """Paths as they are written; of several files of one name that lie outside as much as tells them apart."""
    found = [p if p == STDIN else shown(p, root) for p in paths]
    twice = {name for name, n in Counter(found).items() if n > 1}
    return [
        "/".join(Path(os.path.abspath(path)).parts[-2:]) if name in twice and name != STDIN else name  # noqa: PTH100
        for name, path in zip(found, paths, strict=True)
    ]


def _file(path: Path, name: str) -> Text:
    if not name:
        raise ValueError("is no name of a file")
    return Text(name, sqlfile.decoded(path))


def _standard_input() -> bytes:
    if sys.stdin is None:  # closed by who started us
        raise ValueError("standard input is closed")
    return sys.stdin.buffer.read()


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise SqlFileError(f"is not UTF-8 ({e.reason} at byte {e.start})", 1 + raw.count(b"\n", 0, e.start)) from None


def of_supabase(folder: str, first: str, down: Sequence[str] = (), root: Path | None = None) -> Source:
    """The migrations of a Supabase project in the order of their versions, from `first` on.

    `folder` is the project's, its supabase/, or the migrations/ in that. Raises `WrongUsage`.
    """
    given = Path(folder)
    where = next((p for p in (given / "supabase" / "migrations", given / "migrations", given) if p.is_dir()), None)
    if where is None:
        raise errors.WrongUsage(f"{folder}: no such folder", remedy="name the supabase folder, or its migrations/")
    files = [(m[1], p) for p in where.iterdir() if p.is_file() and (m := _SUPABASE.fullmatch(p.name))]
    files.sort(key=lambda f: (int(f[0]), f[1].name))
    if not files:
        raise errors.WrongUsage(
            f"{where} has no migrations", remedy="they are called VERSION_name.sql, VERSION made of digits"
        )
    versions = [version for version, _ in files]
    if twice := [v for n, v in enumerate(versions) if v in versions[:n]]:
        raise errors.WrongUsage(
            f"{where} has several migrations of version {twice[0]}", remedy="give each a version of its own"
        )
    if first and first not in versions:
        raise errors.WrongUsage(
            f"{where} has no migration of version {first}",
            remedy=f"--from VERSION, one of: {_few(versions)}",
        )
    wanted = [p for version, p in files if not first or int(version) >= int(first)]
    unversioned = sorted(p.name for p in where.iterdir() if p.suffix == ".sql" and not _SUPABASE.fullmatch(p.name))
    texts = read([str(p) for p in wanted])
    return Source(
        f"Supabase: {shown(str(where), root)}, {len(wanted)} of {len(files)} migrations"
        + (f" from {first} on" if first else ""),
        tuple(Text(Path(t.name).name, t.sql, t.given) for t in texts),
        read(down, root),
        ("public", "extensions"),
        tuple(f"{name}: skipped, as Supabase does: its name begins with no version" for name in unversioned),
        supabase=True,
    )


def _few(versions: Sequence[str]) -> str:
    shown = versions[-_MANY:]
    return ", ".join(shown) + (f" and {len(versions) - _MANY} before" if len(versions) > _MANY else "")
