"""A runbook: one directory that describes one change. Every mistake in it is told in one pass, with file and line."""

from __future__ import annotations

import itertools
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pgrunbook import changes, errors, fitting, salvage, sqlfile, tomlfile
from pgrunbook.changes import Change, ObjectOptions, RawSql
from pgrunbook.changes.raw_sql import unfit_for_replay
from pgrunbook.description import (
    CheckFront,
    ChecklistItem,
    Claim,
    Description,
    Expectation,
    Frozen,
    Metric,
    QueryFront,
    Visibility,
)
from pgrunbook.sqlfile import SqlFile, SqlFileError, SqlStatement

BIND_CLASSES = ("common", "rare", "absent")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")
_UNDOES = "-- undoes:"
_SETTING = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+")


F = TypeVar("F", bound=Frozen)
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Query:
    """One measured query: a file of `workload/`. `binds` are the queries that sample its parameters, by class.

    `role` is who runs it, `settings` what is set before it, to the value of which bind column; empty: as we are.
    """

    name: str
    title: str
    statements: tuple[SqlStatement, ...]
    order: str
    harmless: tuple[str, ...]
    weight: float
    binds: Mapping[str, str]
    role: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for s in self.statements for p in s.parameters))

    @property
    def sampled(self) -> tuple[str, ...]:
        """The columns that its bind queries have to sample: its parameters, and what its settings are set to."""
        return tuple(dict.fromkeys([*self.parameters, *self.settings.values()]))


@dataclass(frozen=True, slots=True)
class Assertion:
    """One file of `checks/`: its last statement returns the offending rows. One that writes is a probe.

    `after_rollback`: a probe holds without the change as well.
    """

    name: str
    title: str
    statements: tuple[SqlStatement, ...]
    writes: bool
    rival: str
    after_rollback: bool = True


@dataclass(frozen=True, slots=True)
class Runbook:
    """A validated runbook."""

    name: str
    folder: Path
    about: Description
    changes: tuple[Change, ...]
    workload: tuple[Query, ...]
    checks: tuple[Assertion, ...]

    def query(self, name: str) -> Query:
        return next(q for q in self.workload if q.name == name)

    @property
    def probes(self) -> tuple[Assertion, ...]:
        return tuple(c for c in self.checks if c.writes)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake of a runbook's files; `line` is 1-based, 0 for the file as a whole."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


def project_root() -> Path:
    """The folder that holds notebooks/ and runbooks/: PGRUNBOOK_ROOT, or the first one upwards from here."""
    if "PGRUNBOOK_ROOT" in os.environ:
        root = Path(os.environ["PGRUNBOOK_ROOT"]).absolute()
        if not (root / "runbooks").is_dir():
            raise errors.WrongUsage("PGRUNBOOK_ROOT names a folder without runbooks/", remedy="set it right")
        return root
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "runbooks").is_dir() and (folder / "notebooks").is_dir():
            return folder
    raise errors.WrongUsage(
        "no runbooks/ and notebooks/ here or in a folder above",
        remedy="change into the project, or set PGRUNBOOK_ROOT",
    )


def names(root: Path) -> list[str]:
    """The runbooks there are."""
    return sorted(p.parent.name for p in (root / "runbooks").glob("*/runbook.toml"))


def load(root: Path, name: str) -> Runbook:
    """Read and validate a runbook. Raises `InvalidRunbook` with every mistake."""
    folder = root / "runbooks" / name
    if not _NAME.fullmatch(name) or not folder.is_dir():
        there = ", ".join(names(root)) or "none"
        raise errors.WrongUsage(f"no runbook {name!r}; there are: {there}", remedy="pgrunbook list")
    mistakes: list[Mistake] = []
    runbook = _Reader(root, folder, mistakes).read()
    if runbook is None or mistakes:
        lines = "\n".join(f"  {m}" for m in sorted(set(mistakes), key=lambda m: (m.path, m.line)))
        count = f"{len(set(mistakes))} mistake{'s' if len(set(mistakes)) > 1 else ''}"
        raise errors.InvalidRunbook(
            f"runbook {name} does not validate, {count}:\n{lines}",
            remedy=f"mend them, then: pgrunbook show {name}",
        )
    return runbook


@dataclass(frozen=True, slots=True)
class _Told:
    """What runbook.toml tells, as far as it is right; `objects` is None where nothing could be read."""

    about: Description | None = None
    lines: tomlfile.Lines = field(default_factory=lambda: tomlfile.Lines(""))
    objects: Mapping[str, ObjectOptions] | None = None
    claims: Sequence[salvage.Entry[Claim]] = ()
    checklist: Sequence[salvage.Entry[ChecklistItem]] = ()
    visibility: Visibility | None = None


class _Reader:
    """One pass over a runbook's files that collects mistakes instead of stopping at the first."""

    def __init__(self, root: Path, folder: Path, mistakes: list[Mistake]) -> None:
        self._root = root
        self._folder = folder
        self._toml = folder / "runbook.toml"
        self._mistakes = mistakes

    def read(self) -> Runbook | None:
        told = self._description()
        made = self._changes(told)
        workload = tuple(self._queries())
        checks = tuple(self._assertions())
        self._references(told, checks)
        self._visibility(told, workload)
        if told.about is None or self._mistakes:
            return None
        return Runbook(self._folder.name, self._folder, told.about, made, workload, checks)

    def _mistake(self, path: Path, line: int, text: str) -> None:
        self._mistakes.append(Mistake(str(path.relative_to(self._root)), line, text))

    def _description(self) -> _Told:
        try:
            text = sqlfile.decoded(self._toml)
            given = tomllib.loads(text)
        except OSError as e:
            self._mistake(self._toml, 0, _unread(e))
            return _Told()
        except SqlFileError as e:
            self._mistake(self._toml, e.line, str(e))
            return _Told()
        except tomllib.TOMLDecodeError as e:
            self._mistake(self._toml, tomlfile.error_line(e, text), f"is no TOML: {e}")
            return _Told()
        lines = tomlfile.Lines(text)
        try:
            about = Description.model_validate(given)
        except ValidationError as e:
            self._invalid(self._toml, e, lines)
            about = None
        objects = given.get("objects")
        known = {k: salvage.right(ObjectOptions, v) for k, v in objects.items()} if isinstance(objects, dict) else {}
        return _Told(
            about,
            lines,
            {k: found[0] for k, found in known.items() if found},
            salvage.entries(Claim, given.get("claims")),
            salvage.entries(ChecklistItem, given.get("checklist")),
            salvage.whole(Visibility, given.get("visibility")),
        )

    def _invalid(self, path: Path, error: ValidationError, lines: tomlfile.Lines) -> None:
        for item in error.errors(include_url=False):
            where = ".".join(str(p) for p in item["loc"])
            text = "unknown key" if item["type"] == "extra_forbidden" else item["msg"].lower()
            if item["type"] not in ("missing", "extra_forbidden"):
                text += f", not {item['input']!r:.60}"
            self._mistake(path, lines.of(item["loc"]), f"{where}: {text}")

    def _file(self, path: Path, *, variables: bool = False) -> SqlFile | None:
        try:
            found = sqlfile.read(path, variables=variables)
        except OSError as e:
            self._mistake(path, 0, _unread(e))
            return None
        except SqlFileError as e:
            self._mistake(path, e.line, str(e))
            return None
        if not found.statements:
            self._mistake(path, 0, "holds no statement")
            return None
        return found

    def _changes(self, told: _Told) -> tuple[Change, ...]:
        path = self._folder / "migrate.sql"
        file = self._file(path)
        inverse = self._inverses({f"statement_{s.position}" for s in file.statements} if file else None)
        if file is None:
            return ()
        made = [c for s in file.statements for c in changes.typed(s, told.objects or {}, inverse)]
        for change in made:
            known = told.objects is not None or (isinstance(change, RawSql) and unfit_for_replay(change.written))
            if isinstance(change, RawSql) and known and (refusal := change.refusal()):
                self._mistake(path, change.written.line, f"this {_word(change)} {refusal}")
        labels = {c.label for c in made if c.label}
        for key in told.objects or {}:
            if key not in labels:
                text = f"objects.{key}: migrate.sql makes no such object"
                self._mistake(self._toml, told.lines.of(("objects", key)), text)
        seen: dict[str, Change] = {}
        for change in made:
            before = seen.get(change.subject)
            if change.label and before and not change.may_follow(before):
                text = f"{change.object} is made twice, first in line {before.written.line}"
                self._mistake(path, change.written.line, text)
            seen[change.subject] = change
        return tuple(made)

    def _inverses(self, labels: set[str] | None) -> dict[str, tuple[str, ...]]:
        """The statements of rollback.sql by what they undo; `labels` is None where migrate.sql can't be read."""
        path = self._folder / "rollback.sql"
        file = self._file(path) if path.exists() else None
        found: dict[str, tuple[str, ...]] = {}
        label = ""
        for statement in file.statements if file else ():
            for comment in statement.comments:
                if comment.startswith(_UNDOES):
                    label = comment.removeprefix(_UNDOES).strip()
            if not label or (labels is not None and label not in labels):
                text = f"does not say what it undoes: put `{_UNDOES} statement_N` above it, N as in migrate.sql"
                self._mistake(path, statement.line, text)
                continue
            if unfit := unfit_for_replay(statement):
                self._mistake(path, statement.line, unfit)
            found[label] = (*found.get(label, ()), statement.sql)
        return found

    def _queries(self) -> Iterator[Query]:
        for path in sorted((self._folder / "workload").glob("*.sql")):
            file = self._file(path, variables=True)
            front = self._front(path, file, QueryFront)
            if file is None or front is None:
                continue
            for statement in file.statements:
                if sqlfile.writes(statement):
                    self._mistake(path, statement.line, "writes or locks; a workload query only reads")
            query = Query(
                path.stem,
                front.title,
                file.statements,
                front.order,
                front.harmless,
                front.weight,
                dict(front.binds),
                front.role,
                dict(front.settings),
            )
            self._binds(path, query, file.front_lines)
            yield query

    def _binds(self, path: Path, query: Query, lines: tomlfile.Lines) -> None:
        wanted = set(query.sampled) - {"now"}
        if wanted and "common" not in query.binds:
            self._mistake(path, lines.of(("binds",)), f"binds.common: missing; it samples {', '.join(sorted(wanted))}")
        for name, sql in query.binds.items():
            if name not in BIND_CLASSES:
                self._mistake(
                    path, lines.of(("binds", name)), f"binds.{name}: unknown; there are: {', '.join(BIND_CLASSES)}"
                )
            try:
                sampled = sqlfile.split(sql)
            except SqlFileError as e:
                self._mistake(path, lines.of_text(("binds", name)) + e.line - 1, f"binds.{name}: {e}")
                continue
            if len(sampled) != 1 or sqlfile.writes(sampled[0]):
                self._mistake(path, lines.of(("binds", name)), f"binds.{name}: has to be one query that only reads")
                continue
            columns = fitting.columns_of(sampled[0].node)
            for setting, column in query.settings.items():
                if columns is not None and column not in columns:
                    text = f"binds.{name}: samples no column {column}, which settings.{setting} is set to"
                    self._mistake(path, lines.of(("binds", name)), text)
        for name in query.harmless:
            if name not in query.sampled:
                self._mistake(path, lines.of(("harmless",)), f"harmless: the query has no parameter {name}")
        for setting in query.settings:
            if not query.role:
                self._mistake(path, lines.of(("settings", setting)), "settings: nobody asks; say which role does")
            if not _SETTING.fullmatch(setting):
                text = f"settings: {setting!r} is no setting of an application; its name has a dot"
                self._mistake(path, lines.of(("settings", setting)), text)

    def _assertions(self) -> Iterator[Assertion]:
        for path in sorted((self._folder / "checks").glob("*.sql")):
            file = self._file(path)
            front = self._front(path, file, CheckFront)
            if file is None or front is None:
                continue
            if not front.writes:
                for statement in file.statements:
                    if sqlfile.writes(statement):
                        self._mistake(path, statement.line, "writes; say `writes = true`, or only read")
            if front.rival:
                try:
                    sqlfile.split(front.rival)
                except SqlFileError as e:
                    self._mistake(path, file.front_lines.of_text(("rival",)) + e.line - 1, f"rival: {e}")
            yield Assertion(path.stem, front.title, file.statements, front.writes, front.rival, front.after_rollback)

    def _front(self, path: Path, file: SqlFile | None, model: type[F]) -> F | None:
        if file is None:
            return None
        try:
            return model.model_validate(file.front)
        except ValidationError as e:
            self._invalid(path, e, file.front_lines)
            return None

    def _references(self, told: _Told, checks: tuple[Assertion, ...]) -> None:
        queries = {p.stem for p in (self._folder / "workload").glob("*.sql")}
        files = {p.stem for p in (self._folder / "checks").glob("*.sql")}
        unread = files - {c.name for c in checks}  # told already; it may be a probe
        probes = {c.name for c in checks if c.writes}

        def wrong(loc: tuple[str | int, ...], text: str) -> None:
            self._mistake(self._toml, told.lines.of(loc), f"{'.'.join(map(str, loc))}: {text}")

        seen: set[tuple[str, str]] = set()
        for kind, entries in (("claims", told.claims), ("checklist", told.checklist)):
            for entry in entries:
                one = (kind, entry.value.id)
                if one in seen:
                    wrong((kind, entry.number, "id"), f"{entry.value.id!r} is there twice")
                seen.add(one)
        for entry in told.claims:
            n, claim = entry.number, entry.value
            if claim.query and claim.query not in queries:
                wrong(("claims", n, "query"), f"no workload query {claim.query!r}; {_there_are(queries)}")
            for check in claim.checks:
                if check not in files:
                    wrong(("claims", n, "checks"), f"no check {check!r}; {_there_are(files)}")
                if claim.metric == "checks" and check in probes:
                    wrong(("claims", n, "checks"), f"{check!r} writes: that is a probe; the metric probes is for those")
            if entry.whole:
                for key, text in _lacking(claim):
                    wrong(("claims", n, key), text)
        for item in told.checklist:
            n, value = item.number, item.value
            if item.whole and not (value.probe or value.faster or value.person):
                wrong(("checklist", n, "id"), "needs a probe, a query that gets faster, or a person")
            if value.probe and value.probe not in probes | unread:
                wrong(("checklist", n, "probe"), f"no probe {value.probe!r}; {_there_are(probes)}")
            if value.faster and value.faster not in queries:
                wrong(("checklist", n, "faster"), f"no workload query {value.faster!r}; {_there_are(queries)}")

    def _visibility(self, told: _Told, workload: Sequence[Query]) -> None:
        """What [visibility] names has to be there, and its SQL has to be what it is taken for."""
        given = told.visibility

        def wrong(*loc: str | int, text: str) -> None:
            where = told.lines.of(("visibility", *loc))
            self._mistake(self._toml, where, f"visibility.{'.'.join(map(str, loc))}: {text}")

        if given is None:
            return
        queries = {p.stem for p in (self._folder / "workload").glob("*.sql")}
        without_role = {q.name for q in workload if not q.role}
        for n, name in enumerate(given.evaluations):
            if name not in queries:
                wrong("evaluations", n, text=f"no workload query {name!r}; {_there_are(queries)}")
            elif name in without_role:
                wrong("evaluations", n, text=f"{name!r} has no role: no policy would be evaluated")
        if given.setting and not _SETTING.fullmatch(given.setting):
            wrong("setting", text=f"{given.setting!r} is no setting of an application; its name has a dot")
        for kind, ids in (("tables", [t.table for t in given.tables]), ("actors", [a.id for a in given.actors])):
            for n, name in enumerate(ids):
                if name in ids[:n]:
                    wrong(kind, n, text=f"{name!r} is there twice")
        for n, table in enumerate(given.tables):
            if table.insert and (text := fitting.no_insert(table.insert)):
                wrong("tables", n, "insert", text=text)
        for n, actor in enumerate(given.actors):
            if actor.sampled and (text := fitting.samples_nobody(actor.sampled)):
                wrong("actors", n, "sampled", text=text)
            if actor.sampled and not given.setting:
                wrong("actors", n, "sampled", text="visibility.setting is missing: where would the claims be set?")
        declared: set[tuple[str, str, str]] = set()
        for n, expected in enumerate(given.expect):
            self._expectation(wrong, n, expected, given, declared)

    def _expectation(
        self,
        wrong: Callable[..., None],
        n: int,
        expected: Expectation,
        given: Visibility,
        declared: set[tuple[str, str, str]],
    ) -> None:
        known = {"tables": {t.table for t in given.tables}, "actors": {a.id for a in given.actors}}
        for kind, names in (("tables", expected.tables), ("actors", expected.actors)):
            for name in names:
                if name not in known[kind]:
                    wrong("expect", n, kind, text=f"no {name!r} in visibility.{kind}; {_there_are(known[kind])}")
        for key, condition in (("before", expected.before), ("after", expected.after)):
            if text := fitting.no_condition(condition):
                wrong("expect", n, key, text=text)
        own = set(itertools.product(expected.tables, expected.actors, expected.commands))
        for twice in sorted(own & declared):
            wrong("expect", n, text=f"{', '.join(twice)}: declared twice")
        declared |= own


def _lacking(claim: Claim) -> Iterator[tuple[str, str]]:
    """What a claim does not say although its metric needs it: the key to mend, and why."""
    if bool(claim.metric) == bool(claim.not_measurable):
        yield "id", "needs either a metric or not_measurable with the reason"
    if claim.metric in _OF_A_QUERY and not claim.query:
        yield "metric", f"{claim.metric} needs a query"
    if claim.metric in ("probes", "checks") and not claim.checks:
        yield "metric", f"{claim.metric} needs checks"
    if claim.metric and claim.at_least is None and claim.at_most is None and claim.metric in _NUMERIC:
        yield "id", "needs at_least or at_most"
    if claim.metric == "rollback_seconds" and claim.after != "rollback":
        yield "after", 'has to be "rollback": that is when it is measured'


_YES_OR_NO = {"rows_unchanged", "answers_unchanged", "probes", "checks", "visibility"}
_NUMERIC = set(Metric.__args__) - _YES_OR_NO  # type: ignore[attr-defined]
_OF_A_QUERY = {
    "query_ms_before", "query_ms_after", "speedup", "faster_percent", "buffers_fewer_percent",
    "evaluations_before", "evaluations_after", "evaluations_fewer_percent",
}  # fmt: skip


def _unread(error: OSError) -> str:
    return "is missing" if isinstance(error, FileNotFoundError) else f"can't be read: {error.strerror}"


def _there_are(names: set[str]) -> str:
    return "there are: " + (", ".join(sorted(names)) or "none")


def _word(change: RawSql) -> str:
    return change.written.node_kind.removesuffix("_stmt").replace("_", " ").upper()
