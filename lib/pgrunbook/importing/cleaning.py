"""What of a migration's files goes into a runbook: its statements as they are, without the settings of a session.

What psql alone understands, and what would mean another thing in a runbook's session, is refused with file and line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import postgast

from pgrunbook import blocks, errors, sqlfile
from pgrunbook.changes.raw_sql import unfit_for_replay
from pgrunbook.evidence.redact import scrub
from pgrunbook.importing import fate, no_secrets
from pgrunbook.importing.fate import Place
from pgrunbook.importing.sources import Source, Text
from pgrunbook.sqlfile import SqlFileError, SqlStatement

_PB = postgast.pg_query_pb2
_META = "psql meta-commands are not SQL ({}): what it does has to be done without it, or the line left out"
# pg_dump's fence around its SQL, since August 2025: it keeps psql from running meta-commands out of a crafted name
_FENCE = re.compile(r"^(\\(?:un)?restrict) [A-Za-z0-9]+[ \t]*(?=\r?$)", re.MULTILINE)
_FENCE_OUT = "it guards psql, which does not read this"
_FENCES = 20  # as many are looked at in a file; one of pg_dump's has two
_WITH_SECRETS = ("\\c", "\\connect", "\\set", "\\setenv", "\\password")
_QUOTED = 60
_END_OF_LINE = re.compile(rb"[ \t]*\r?\n")
_LINES = re.compile(r"\r\n|\r|\n")
_LEFT_STEPS = 60  # semicolons looked at before a mistake, to find the COPY whose data it is in


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A statement, or a line for psql, that is not in the runbook, and why. `start` counts the file's bytes."""

    place: Place
    kind: str
    start: int
    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement of the runbook, with its line and position in the file that is written."""

    place: Place
    statement: SqlStatement


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The files as one text, and what became of each statement.

    `kept` are its statements but BEGIN and COMMIT. `anchors` are pairs of a line of the text and its place in the
    source, in order.
    """

    text: str
    kept: tuple[Kept, ...]
    left_out: tuple[LeftOut, ...]
    search_path: tuple[str, ...]
    anchors: tuple[tuple[int, Place], ...]

    def place(self, line: int) -> Place | None:
        """Where a line of the text comes from."""
        before = bisect_right(self.anchors, line, key=lambda anchor: anchor[0])
        if not before:
            return None
        first, place = self.anchors[before - 1]
        return Place(place.file, place.line + line - first)


class _Output:
    """A text as it grows, and where its lines come from."""

    def __init__(self, head: str) -> None:
        self.parts = [head]
        self.anchors: list[tuple[int, Place]] = []
        self._line = 1 + head.count("\n")
        self._ends_line = not head or head.endswith("\n")

    def add(self, text: str, place: Place | None = None) -> None:
        if not text:
            return
        if place:
            self.anchors.append((self._line, place))
        self.parts.append(text)
        self._line += text.count("\n")
        self._ends_line = text.endswith("\n")

    def end_line(self) -> None:
        if not self._ends_line:
            self.add("\n")


def cleaned(texts: Sequence[Text], source: Source, *, head: str = "", bookkeeping: str = "") -> Cleaned:
    """The texts as one file, below `head`. Raises `WrongUsage` with everything that has no place in a runbook.

    `bookkeeping` is why what Alembic writes for itself is left out; empty where it is not looked for.
    """
    cleaner = _Cleaner(source, head, bookkeeping)
    for text in texts:
        cleaner.take(text)
    if cleaner.wrong:
        raise errors.WrongUsage(
            "\n".join(cleaner.wrong), remedy="mend the lines above, in a copy of the file, and try again"
        )
    out, path = cleaner.out, cleaner.path
    return Cleaned(
        "".join(out.parts),
        tuple(cleaner.kept),
        tuple(cleaner.left_out),
        path.needed or source.search_path,
        tuple(out.anchors),
    )


class _Cleaner:
    """One pass over a source's files."""

    def __init__(self, source: Source, head: str, bookkeeping: str) -> None:
        self._wrong: list[tuple[int, int, str]] = []
        self._files = 0
        self._given = ""
        self.out = _Output(head)
        self.kept: list[Kept] = []
        self.left_out: list[LeftOut] = []
        self.path = fate.Path(source.search_path, source.search_path)
        self._why_bookkeeping = bookkeeping
        self._position = self._blocks = 0
        self._bookkeeping: set[str] = set()

    @property
    def wrong(self) -> list[str]:
        """What has no place in a runbook, in the order of the source."""
        return [line for _, _, line in sorted(self._wrong)]

    def _refuse(self, place: Place, why: str) -> None:
        self._wrong.append((self._files, place.line, f"{self._given}:{place.line}: {why}"))

    def take(self, text: Text) -> None:
        self._files, self._given = self._files + 1, text.given
        text, fences = _without_fences(text)
        try:
            every = sqlfile.split(text.sql)
        except SqlFileError as e:
            self._wrong.append((self._files, 0, _unread(text, e)))
            return
        self.left_out += fences
        inside, misplaced = blocks.found(every)
        for one in misplaced:
            self._refuse(Place(text.name, one.line), one.text)
        for secret_at, why in no_secrets.told(text.sql, every):
            self._refuse(Place(text.name, secret_at), why)
        block = {s.position: s.block for s in inside}
        if self._why_bookkeeping:
            self._bookkeeping = {fate.BOOKKEEPING, *filter(None, map(fate.versioned, every))}
        raw, done, line = text.sql.encode(), 0, 1
        self.out.end_line()
        self.out.add(f"-- from {' '.join(text.name.split())}\n")
        self.path.forget()  # each file has a session of its own
        for statement in every:
            place = Place(text.name, statement.line)
            why = self._why_out(statement, place)
            if not why:
                self._keep(statement, place, block.get(statement.position, 0))
                continue
            self.left_out.append(LeftOut(place, statement.node_kind, statement.start, why))
            self.out.add(raw[done : statement.start].decode(), Place(text.name, line))
            self.out.end_line()
            self.out.add(_commented(raw[statement.start : statement.end].decode(), why))
            rest = _END_OF_LINE.match(raw, statement.end)
            done = rest.end() if rest else statement.end
            line = statement.line + raw.count(b"\n", statement.start, done)
        last = every[-1] if every else None
        if last and last.end > done and raw[last.end - 1 : last.end] != b";":
            self.out.add(raw[done : last.end].decode() + ";", Place(text.name, line))
            line, done = line + raw.count(b"\n", done, last.end), last.end
        self.out.add(raw[done:].decode(), Place(text.name, line))
        self.out.end_line()
        self._blocks += max(block.values(), default=0)

    def _keep(self, statement: SqlStatement, place: Place, block: int) -> None:
        self._position += 1
        if statement.node_kind == "transaction_stmt":
            self.path.commit()
            return
        if (unfit := unfit_for_replay(statement)) and fate.is_raw(statement):
            what = statement.node_kind.removesuffix("_stmt").replace("_", " ").upper()
            self._refuse(place, f"this {what} {unfit}: do it by hand")
        if fate.needs_path(statement) and (problem := self.path.need(place)):
            self._refuse(place, problem)
        number = self._blocks + block if block else 0
        self.kept.append(Kept(place, replace(statement, position=self._position, block=number)))

    def _why_out(self, statement: SqlStatement, place: Place) -> str:
        """Why a statement is left out; what is refused is told."""
        why, refused = fate.of(statement, self.path)
        if refused:
            self._refuse(place, refused)
        if self._bookkeeping and fate.table_of(statement) in self._bookkeeping:
            return self._why_bookkeeping
        return why or refused


def _without_fences(text: Text) -> tuple[Text, list[LeftOut]]:
    """A text whose lines `\\restrict KEY` and `\\unrestrict KEY` are comments, unless they are part of something."""
    sql, after, found = text.sql, 0, []
    for _ in range(_FENCES):
        match = _FENCE.search(sql, after)
        if not match:
            break
        after = match.end()
        before = sql[: match.start()]
        try:
            sqlfile.split(before)
        except SqlFileError:  # a text or a body begins before it
            continue
        place = Place(text.name, 1 + before.count("\n"))
        found.append(LeftOut(place, match[1], len(before.encode()), _FENCE_OUT))
        comment = f"-- left out, {_FENCE_OUT}: {match[1]}"
        sql, after = before + comment + sql[match.end() :], match.start() + len(comment)
    return replace(text, sql=sql), found


def _commented(sql: str, why: str) -> str:
    return f"-- left out, {why}:\n" + "".join(f"-- {line}".rstrip() + "\n" for line in _LINES.split(sql))


# -- what can't be read ------------------------------------------------------------------------------------------


def _unread(text: Text, error: SqlFileError) -> str:
    """One line on a file that can't be parsed: what psql alone understands is named as such."""
    found = error.__context__
    if isinstance(found, postgast.PgQueryError):
        try:  # the scanner may have failed far behind what the grammar stops at
            postgast.parse(text.sql)
        except postgast.PgQueryError as e:
            found = e
        at = max(found.cursorpos - 1, 0)
        if copied := _copy_before(text, at):
            return f"{copied}: {fate.COPY}"
        if _meta_command(text.sql, at):
            line = text.sql[text.sql.rfind("\n", 0, at) + 1 :].partition("\n")[0].strip()
            return f"{Place(text.given, 1 + text.sql.count(chr(10), 0, at))}: {_META.format(_quoted(line))}"
    return f"{Place(text.given, error.line)}: {error}"


def _quoted(line: str) -> str:
    """A line that somebody has to find; of a command that may have a password with it, the command."""
    shown = line[max(line.find("\\"), 0) :]
    command, *others = shown.split()
    return f"{command} …" if others and command in _WITH_SECRETS else scrub(shown)[:_QUOTED]


def _meta_command(sql: str, at: int) -> bool:
    line = sql.rfind("\n", 0, at) + 1
    return sql.startswith("\\", at) or sql[line:].lstrip().startswith("\\")


def _copy_before(text: Text, at: int) -> Place | None:
    """The COPY … FROM stdin whose data a mistake stands in."""
    end = at
    for _ in range(_LEFT_STEPS):
        end = text.sql.rfind(";", 0, end)
        if end < 0:
            return None
        try:
            before = sqlfile.split(text.sql[: end + 1])
        except SqlFileError:
            continue
        node: Any = before[-1].node if before else None
        if node is None or before[-1].node_kind != "copy_stmt" or not node.is_from or node.filename:
            return None
        return Place(text.given, before[-1].line)
    return None
