"""Reading a runbook's files: every mistake in them is collected, with file and line; none hides the next."""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from pgrunbook import blocks, changes, fitting, salvage, sqlfile, tomlfile
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
from pgrunbook.runbook import BIND_CLASSES, Assertion, Mistake, Query, Rewrite, Runbook
from pgrunbook.sqlfile import SqlFile, SqlFileError

_UNDOES = "-- undoes:"
_SETTING = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+")


F = TypeVar("F", bound=Frozen)


@dataclass(frozen=True, slots=True)
class _Told:
    """What runbook.toml tells, as far as it is right; `objects` is None where nothing could be read."""

    about: Description | None = None
    lines: tomlfile.Lines = field(default_factory=lambda: tomlfile.Lines(""))
    objects: Mapping[str, ObjectOptions] | None = None
    claims: Sequence[salvage.Entry[Claim]] = ()
    checklist: Sequence[salvage.Entry[ChecklistItem]] = ()
    visibility: Visibility | None = None


class Reader:
    """One pass over a runbook's files that collects mistakes instead of stopping at the first."""

    def __init__(self, root: Path, folder: Path, mistakes: list[Mistake]) -> None:
        self._root = root
        self._folder = folder
        self._toml = folder / "runbook.toml"
        self._mistakes = mistakes
        self._fronts: dict[str, tuple[Path, tomlfile.Lines]] = {}

    def read(self) -> Runbook | None:
        told = self._description()
        made = self._changes(told)
        workload = self._with_rewrites(list(self._queries()))
        checks = tuple(self._assertions())
        self._references(told, checks)
        self._visibility(told, workload)
        self._application(told)
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
        statements, misplaced = blocks.found(file.statements)
        for one in misplaced:
            self._mistake(path, one.line, one.text)
        made = changes.of_migration(statements, told.objects or {}, inverse)
        for change in made:
            known = told.objects is not None or (isinstance(change, RawSql) and unfit_for_replay(change.written))
            if known and (refusal := change.refusal()):
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
                Rewrite(front.replaces, front.same, front.page, front.gates) if front.replaces else None,
                sqlite=front.sqlite,
            )
            self._fronts[query.name] = (path, file.front_lines)
            if not query.replaces:
                self._binds(path, query, file.front_lines)
            yield query

    def _with_rewrites(self, queries: Sequence[Query]) -> tuple[Query, ...]:
        """The queries that others replace also sample what those need; what does not fit is a mistake."""
        by_name = {q.name: q for q in queries if not q.replaces}
        also: dict[str, tuple[str, ...]] = {}
        for query in queries:
            if query.rewrite:
                also[query.replaces] = (*also.get(query.replaces, ()), *query.sampled)
                for key, text in fitting.rewrite_mistakes(query, by_name):
                    path, lines = self._fronts[query.name]
                    self._mistake(path, lines.of((key,)), text)
        whole = tuple(replace(q, also=also.get(q.name, ())) for q in queries)
        for query in whole:
            path, lines = self._fronts[query.name]
            for name in [n for n in query.harmless if n not in query.sampled]:
                self._mistake(path, lines.of(("harmless",)), f"harmless: the query has no parameter {name}")
        return whole

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
            yield Assertion(
                path.stem,
                front.title,
                file.statements,
                front.writes,
                front.rival,
                front.after_rollback,
                front.gates,
                front.harmless,
                front.sqlite,
            )

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
        for n, metric in enumerate(told.about.monitor.key_metrics if told.about else ()):
            for name in metric.queries:
                if name not in queries:
                    text = f"no workload query {name!r}; {_there_are(queries)}"
                    wrong(("monitor", "key_metrics", n, "queries"), text)
        for item in told.checklist:
            n, value = item.number, item.value
            if item.whole and not (value.probe or value.faster or value.person):
                wrong(("checklist", n, "id"), "needs a probe, a query that gets faster, or a person")
            if value.probe and value.probe not in probes | unread:
                wrong(("checklist", n, "probe"), f"no probe {value.probe!r}; {_there_are(probes)}")
            if value.faster and value.faster not in queries:
                wrong(("checklist", n, "faster"), f"no workload query {value.faster!r}; {_there_are(queries)}")

    def _application(self, told: _Told) -> None:
        """[application] names a Python program in the runbook's folder; claims on it need one."""

        def wrong(*loc: str | int, text: str) -> None:
            self._mistake(self._toml, told.lines.of(loc), f"{'.'.join(map(str, loc))}: {text}")

        if told.about is None:
            return
        given = told.about.application
        if given is None:
            for entry in told.claims:
                if entry.value.metric == "application":
                    wrong("claims", entry.number, "metric", text="there is no [application] that could be measured")
            return
        path = self._folder / given.program
        if path.suffix != ".py" or not path.resolve().is_relative_to(self._folder.resolve()):
            wrong("application", "program", text=f"{given.program!r} is no Python file in the runbook's folder")
            return
        try:
            ast.parse(path.read_bytes(), path.name)
        except OSError as e:
            wrong("application", "program", text=f"{given.program} {_unread(e)}")
        except (SyntaxError, ValueError) as e:
            self._mistake(path, getattr(e, "lineno", None) or 0, f"is no Python: {getattr(e, 'msg', e)}")

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
    if claim.metric == "application" and not claim.of:
        yield "metric", "application needs `of`, the name of what is measured"
    if claim.metric and claim.at_least is None and claim.at_most is None and claim.metric in _NUMERIC:
        yield "id", "needs at_least or at_most"
    if claim.metric == "rollback_seconds" and claim.after != "rollback":
        yield "after", 'has to be "rollback": that is when it is measured'


_YES_OR_NO = {"rows_unchanged", "answers_unchanged", "probes", "checks", "visibility", "same_rows"}
_NUMERIC = set(Metric.__args__) - _YES_OR_NO  # type: ignore[attr-defined]
_OF_A_QUERY = {
    "query_ms_before", "query_ms_after", "speedup", "faster_percent", "buffers_fewer_percent",
    "same_rows", "evaluations_before", "evaluations_after", "evaluations_fewer_percent",
}  # fmt: skip


def _unread(error: OSError) -> str:
    return "is missing" if isinstance(error, FileNotFoundError) else f"can't be read: {error.strerror}"


def _there_are(names: set[str]) -> str:
    return "there are: " + (", ".join(sorted(names)) or "none")


def _word(change: Change) -> str:
    return change.written.node_kind.removesuffix("_stmt").replace("_", " ").upper()
