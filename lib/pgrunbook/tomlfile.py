"""Where the keys of a TOML text stand, since tomllib does not say."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]
_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_BARE = re.compile(r"[^,\]}#\n]*")
_BARE_KEY = re.compile(r"[^\s.=\]\"']*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""+|' r"'''.*?'''+|" r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'",
    re.S,
)


def error_line(error: tomllib.TOMLDecodeError, text: str) -> int:
    """The line a TOML error names ("… (at line 3, column 5)"), or the last one ("… (at end of document)")."""
    found = re.search(r"at line (\d+)", str(error))
    return int(found[1]) if found else max(1, len(text.splitlines()))


class Lines:
    """The lines of a TOML text's keys and values, 1-based. Of a text that is no TOML it knows what comes before.

    >>> lines = Lines('a = 1\\n[[b]]\\nc = "x"\\n[[b]]\\nc = [\\n  "y",\\n]')
    >>> lines.of(("b", 0, "c")), lines.of(("b", 1, "c", 0)), lines.of(("b", 1, "missing"))
    (3, 6, 4)
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [i for i, char in enumerate(text) if char == "\n"]
        self._keys: dict[Path, int] = {}
        self._values: dict[Path, int] = {}
        self._arrays: dict[Path, int] = {}
        self._document()

    def of(self, path: Path) -> int:
        """The line of a key, or of the nearest table or array around it; 1 where nothing is known."""
        return next((self._keys[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._keys), 1)

    def of_text(self, path: Path) -> int:
        """The line on which a string's text begins: of a multi-line string the one after its opening quotes."""
        return self._values.get(path) or self.of(path)

    def _document(self) -> None:
        table: Path = ()
        while self._next():
            before = self._at
            if self._text.startswith("[", before):
                marks = 2 if self._text.startswith("[[", before) else 1
                self._at += marks
                table = self._table(self._key(), is_array=marks == 2)
                for n in range(1, len(table) + 1):
                    self._note(table[:n], before)
                self._next()
                self._at += marks
            else:
                self._pair(table)
            if self._at == before:
                return

    def _table(self, key: tuple[str, ...], *, is_array: bool) -> Path:
        """A header's path; a part of it that names an array of tables means the array's newest one."""
        path: Path = ()
        for number, part in enumerate(key, 1):
            path = (*path, part)
            if is_array and number == len(key):
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _pair(self, table: Path) -> None:
        start = self._at
        key = self._key()
        for n in range(1, len(key) + 1):
            self._note((*table, *key[:n]), start)
        self._next()
        if self._text.startswith("=", self._at):
            self._at += 1
            self._next()
            self._value((*table, *key))

    def _value(self, path: Path) -> None:
        start = self._at
        opening = self._text[start : start + 1]
        if opening == "[":
            self._many(path, "]")
        elif opening == "{":
            self._many(path, "}")
        elif found := _STRING.match(self._text, start):
            self._at = found.end()
            opens_line = re.match(r"(\"\"\"|''')\r?\n", found[0])
            self._values[path] = self._line(start) + bool(opens_line)
        else:
            self._skip(_BARE)

    def _many(self, path: Path, closing: str) -> None:
        """The items of an array, or the pairs of an inline table."""
        self._at += 1
        number = 0
        while self._next() and not self._text.startswith(closing, self._at):
            before = self._at
            if closing == "]":
                self._note((*path, number), before)
                self._value((*path, number))
            else:
                self._pair(path)
            number += 1
            self._next()
            self._at += self._text.startswith(",", self._at)
            if self._at == before:
                return
        self._at += 1

    def _key(self) -> tuple[str, ...]:
        parts = []
        while True:
            self._next()
            if found := _STRING.match(self._text, self._at):
                parts.append(_unquoted(found[0]))
            else:
                found = _BARE_KEY.match(self._text, self._at)
                parts.append(found[0] if found else "")
            self._at = found.end() if found else self._at
            self._next()
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _next(self) -> bool:
        """Go to the next thing that is no blank and no comment; False at the end."""
        self._skip(_BLANK)
        return self._at < len(self._text)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _note(self, path: Path, at: int) -> None:
        self._keys.setdefault(path, self._line(at))

    def _line(self, at: int) -> int:
        return bisect_right(self._ends, at - 1) + 1


def _unquoted(text: str) -> str:
    try:
        return str(tomllib.loads(f"k = {text}")["k"])
    except tomllib.TOMLDecodeError:
        return text
