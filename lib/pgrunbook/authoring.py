"""Writing a runbook's folder: whole and valid, or not at all.

What is written reads as if a person had done it: multi-line strings, a comment where a key needs one, the evidence
above each statement.
"""

from __future__ import annotations

import re
import tempfile
import textwrap
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pgrunbook import errors, runbook, sqlfile
from pgrunbook.description import CheckFront, Description, QueryFront

WIDTH = 118
_LONGEST = 70
_FILENAME = re.compile(rf"[a-z0-9_]{{1,{_LONGEST + 10}}}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# an audit's evidence lies in a folder of that name; the others are databases that every server has
_TAKEN = (runbook.NONE, "postgres", "template0", "template1")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "\n": "\\n", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
_EXPLAINED = {
    "live": "true: rows change while it runs, so that different answers and counts are told and gate nothing",
    "objects": "what is to be done with one object in particular",
    "claims": "every number and promise, a claim each",
    "checklist": "what a person has to look at or do",
}


@dataclass(frozen=True, slots=True)
class DraftStatement:
    """One statement of migrate.sql with the comment above it; `inverse` are those of rollback.sql that undo it."""

    sql: str
    comment: str = ""
    inverse: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftQuery:
    """One file of `workload/`: `sql` with psql variables (`:'org'`)."""

    name: str
    front: QueryFront
    sql: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class DraftCheck:
    """One file of `checks/`."""

    name: str
    front: CheckFront
    sql: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A runbook that is not written yet. `comment` stands at the head of migrate.sql.

    `migration` is migrate.sql as a whole, for one that is not made of `statements`, and `rollback` its rollback.sql.
    `files` are further ones by their path in the folder: the rehearsal's SQL, a source that goes with it.
    """

    name: str
    about: Description
    statements: tuple[DraftStatement, ...]
    workload: tuple[DraftQuery, ...] = ()
    checks: tuple[DraftCheck, ...] = ()
    comment: str = ""
    migration: str = ""
    rollback: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


def write(root: Path, draft: Draft) -> Path:
    """Write a draft as `runbooks/NAME` of a project; the folder.

    Raises `WrongUsage` for a name that can't be had, and `InvalidRunbook` where the result would not validate; then
    nothing is left of it.
    """
    folder = root / "runbooks" / draft.name
    require_name(root, draft.name)
    # a project of its own, so that what it says of mistakes has the paths that the files would have
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as aside:
        new = Path(aside, "runbooks", draft.name)
        for path, text in contents(draft).items():
            (new / path).parent.mkdir(parents=True, exist_ok=True)
            (new / path).write_text(text, encoding="utf-8", newline="\n")
        try:
            runbook.load(Path(aside), draft.name)
        except errors.InvalidRunbook as e:
            raise errors.InvalidRunbook(
                f"nothing was written: {e.message}", remedy="leave out or mend what the lines above name, and try again"
            ) from None
        try:
            new.rename(folder)
        except OSError:  # somebody was faster
            require_name(root, draft.name)
            raise
    return folder


def file_name(text: str, taken: Collection[str] = ()) -> str:
    """A name for a file of `workload/` or `checks/`, or for a checklist's item, out of any text; none of those taken.

    >>> file_name('index_app."Ünï x"_valid'), file_name("???"), file_name("a.b", {"a_b", "a_b_2"})
    ('index_app_n_x_valid', 'unnamed', 'a_b_3')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LONGEST].rstrip("_") or "unnamed"
    names = (plain if n == 1 else f"{plain}_{n}" for n in count(1))
    return next(name for name in names if name not in taken)


def require_name(root: Path, name: str) -> None:
    """Raise `WrongUsage` unless a new runbook may have this name, before anything is worked out for it."""
    if not runbook.NAME.fullmatch(name):
        raise errors.WrongUsage(
            f"{name[:60]!r} can't be the name of a runbook",
            remedy="take up to 40 letters (a to z), digits, _ and -, and begin with a letter, a digit or _",
        )
    if name.lower() in _TAKEN:
        raise errors.WrongUsage(f"the name {name} is taken", remedy="choose another name")
    folder = root / "runbooks" / name
    if folder.exists() or folder.is_symlink():
        raise errors.WrongUsage(
            f"there is a runbooks/{name} already", remedy="choose another name, or remove that folder first"
        )


def contents(draft: Draft) -> dict[str, str]:
    """The files of a runbook by their paths in its folder."""
    found = {"runbook.toml": toml(draft.about), "migrate.sql": draft.migration or _migration(draft)}
    if back := draft.rollback or _rollback(draft.statements):
        found["rollback.sql"] = back
    for kind, files in (("workload", draft.workload), ("checks", draft.checks)):
        for one in files:
            path = f"{kind}/{one.name}.sql"
            if not _FILENAME.fullmatch(one.name) or path in found:
                raise ValueError(f"{path}: no name for a file, or there twice")
            found[path] = _with_front(one.front, one.comment, one.sql)
    for path, text in draft.files.items():
        if path in found or ".." in Path(path).parts or Path(path).is_absolute():
            raise ValueError(f"{path}: there twice, or outside of the folder")
        found[path] = text
    return found


def _migration(draft: Draft) -> str:
    parts = [_commented(draft.comment)] if draft.comment else []
    parts += [_commented(s.comment) + ended(s.sql) for s in draft.statements]
    return "\n".join(parts)


def _rollback(statements: Sequence[DraftStatement]) -> str:
    """rollback.sql; empty where every way back is derived."""
    parts, position = [], 0
    for one in statements:
        position += len(sqlfile.split(one.sql))
        if one.inverse:
            parts.append(f"-- undoes: statement_{position}\n" + "".join(ended(sql) for sql in one.inverse))
    return "\n".join(parts)


def _with_front(front: QueryFront | CheckFront, comment: str, sql: str) -> str:
    # the front matter is a comment of SQL as well, which nothing inside may close or open
    text = toml(front).replace("*/", "*\\u002f").replace("/*", "\\u002f*")
    return f"/*---\n{text}---*/\n{_commented(comment)}{ended(sql)}"


def ended(sql: str) -> str:
    """A statement with its semicolon, which must not end up in a comment."""
    text = sql.strip().removesuffix(";")
    return f"{text}\n;\n" if "--" in text.rpartition("\n")[2] else f"{text};\n"


def _commented(text: str) -> str:
    """A comment of lines, at most `WIDTH` wide."""
    lines = [part for line in text.splitlines() for part in _wrapped(line, WIDTH - 3)]
    return "".join(f"-- {line}".rstrip() + "\n" for line in lines)


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]


# -- TOML --------------------------------------------------------------------------------------------------------


def toml(front: Description | QueryFront | CheckFront) -> str:
    """What a person would have written: the keys that differ from their defaults, and `live`, which is explained.

    >>> print(toml(QueryFront(title="all", harmless=("now",), binds={"common": "select 1 as a\\n"})), end="")
    title = "all"
    harmless = ["now"]
    <BLANKLINE>
    [binds]
    common = \"\"\"
    select 1 as a
    \"\"\"
    """
    values = front.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if isinstance(front, Description):
        values = {**values, "live": front.live, "search_path": list(front.search_path)}
        first = ("title", "source", "description", "search_path", "live", "restart_note")
        values = {k: values[k] for k in (*first, *(k for k in values if k not in first)) if k in values}
    return "\n".join(_table((), values)).lstrip("\n") + "\n"


def _table(path: tuple[str, ...], values: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table: what is plain first, then the tables inside."""
    inside = {k: v for k, v in values.items() if v and (isinstance(v, dict) or _is_tables(v))}
    for key, value in values.items():
        if key not in inside:
            if not path and key in _EXPLAINED:
                yield f"# {_EXPLAINED[key]}"
            yield f"{_key(key)} = {_value(value)}"
    for key, value in inside.items():
        here = (*path, key)
        name = ".".join(map(_key, here))
        note = (f"# {_EXPLAINED[key]}",) if not path and key in _EXPLAINED else ()
        for one in [value] if isinstance(value, dict) else value:
            if not isinstance(value, dict):
                yield from ("", *note, f"[[{name}]]")
            elif any(not isinstance(v, dict) for v in one.values()):
                yield from ("", *note, f"[{name}]")
            else:
                yield from ("", *note) if note else ()
            note = ()
            yield from _table(here, one)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _line(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) and value.is_integer() else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if not isinstance(value, str):
        raise TypeError(f"no TOML for {type(value).__name__}")
    return _lines(value) if "\n" in value or len(value) > WIDTH else _line(value)


def _line(text: str) -> str:
    return f'"{_escaped(text)}"'


def _lines(text: str) -> str:
    """A multi-line string; a line that is too long goes on in the next, which a backslash at its end means.

    SQL is kept as it is: where lines end says something there.
    """
    shown = []
    for line in text.split("\n"):
        words = line.strip()
        if len(line) > WIDTH and " ".join(words.split()) == words:
            before, after = line[: line.index(words)], line[line.index(words) + len(words) :]
            first, *others = _wrapped(words, WIDTH - 2)
            parts = [before + first, *others]
            parts[-1] += after
        else:
            parts = [line]
        shown.append(" \\\n".join(map(_escaped_in_lines, parts)))
    return '"""\n' + "\n".join(shown) + '"""'


def _escaped_in_lines(text: str) -> str:
    """A quote needs escaping where it could be taken for one of the closing three."""
    return re.sub(r'"(?=""|$)', r'\\"', "".join(_escaped(c) if c != '"' else c for c in text))


def _escaped(text: str) -> str:
    def one(char: str) -> str:
        if char in _ESCAPES:
            return _ESCAPES[char]
        return f"\\u{ord(char):04x}" if ord(char) < 32 or ord(char) == 127 else char

    return "".join(map(one, text))
