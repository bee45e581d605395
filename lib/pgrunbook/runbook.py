"""A runbook: one directory that describes one change. Every mistake in it is told in one pass, with file and line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pgrunbook import changes, errors, sqlfile
from pgrunbook.changes import Change, ObjectOptions, RawSql
from pgrunbook.sqlfile import SqlFile, SqlFileError, SqlStatement

BIND_CLASSES = ("common", "rare", "absent")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")
_UNDOES = "-- undoes:"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Limits(_Frozen):
    """Bounds of time and space; the unit is in the name."""

    rollback_s: float = Field(300, gt=0)
    wait_budget_s: float = Field(60, gt=0)
    lock_timeout_ms: int | None = Field(None, gt=0)
    lock_tries: int = Field(20, ge=1)
    old_transaction_s: float = Field(300, gt=0)
    query_timeout_s: float = Field(30, gt=0)
    statement_timeout_s: float = Field(0, ge=0)
    space_available_mb: float | None = Field(None, gt=0)


class Build(_Frozen):
    """Settings of the session that builds; None leaves the server's own."""

    maintenance_work_mem: str | None = None
    parallel_workers: int | None = Field(None, ge=0)
    cancel_if_client_dies: bool | None = None
    orphan: Literal["wait", "cancel"] = "wait"


class Ledger(_Frozen):
    """Where the ledger lives; `published` is the reason why a publication may replicate it."""

    name: str = Field("pgrunbook", alias="schema", min_length=1)
    published: str = ""


Metric = Literal[
    "query_ms_before",
    "query_ms_after",
    "speedup",
    "index_mb",
    "database_growth_percent",
    "written_concurrently",
    "repeatable",
    "rows_unchanged",
    "answers_unchanged",
    "probes",
    "rollback_seconds",
]


class Claim(_Frozen):
    """One number or promise of the source document."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    section: str = ""
    says: str
    metric: Metric | None = None
    query: str = ""
    checks: tuple[str, ...] = Field((), strict=False)
    at_least: float | None = None
    at_most: float | None = None
    after: Literal["verify", "rollback"] = "verify"
    gates: bool = False
    not_measurable: str = ""


class ChecklistItem(_Frozen):
    """One item of the testing checklist: a probe answers for the database, a person for the rest."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    says: str
    probe: str = ""
    faster: str = ""
    person: str = ""


class Description(_Frozen):
    """What runbook.toml says."""

    title: str = Field(min_length=1)
    source: str = ""
    description: str = ""
    search_path: tuple[str, ...] = Field(("public",), strict=False, min_length=1)
    live: bool = False
    restart_note: str = ""
    limits: Limits = Limits()
    build: Build = Build()
    ledger: Ledger = Ledger()
    objects: dict[str, ObjectOptions] = {}
    claims: tuple[Claim, ...] = Field((), strict=False)
    checklist: tuple[ChecklistItem, ...] = Field((), strict=False)


class _QueryFront(_Frozen):
    title: str = Field(min_length=1)
    order: str = ""
    harmless: tuple[str, ...] = Field((), strict=False)
    weight: float = Field(1, gt=0)
    binds: dict[str, str] = {}


class _CheckFront(_Frozen):
    title: str = Field(min_length=1)
    writes: bool = False
    rival: str = ""


F = TypeVar("F", bound=_Frozen)


@dataclass(frozen=True, slots=True)
class Query:
    """One measured query: a file of `workload/`. `binds` are the queries that sample its parameters, by class."""

    name: str
    title: str
    statements: tuple[SqlStatement, ...]
    order: str
    harmless: tuple[str, ...]
    weight: float
    binds: Mapping[str, str]

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p for s in self.statements for p in s.parameters))


@dataclass(frozen=True, slots=True)
class Assertion:
    """One file of `checks/`: its last statement returns the offending rows. One that writes is a probe."""

    name: str
    title: str
    statements: tuple[SqlStatement, ...]
    writes: bool
    rival: str


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


class _Reader:
    """One pass over a runbook's files that collects mistakes instead of stopping at the first."""

    def __init__(self, root: Path, folder: Path, mistakes: list[Mistake]) -> None:
        self._root = root
        self._folder = folder
        self._mistakes = mistakes

    def read(self) -> Runbook | None:
        toml = self._folder / "runbook.toml"
        about, lines = self._description(toml)
        options = about.objects if about else {}
        made = self._changes(options, lines, toml)
        workload = tuple(self._queries())
        checks = tuple(self._assertions())
        if about:
            self._references(about, checks, lines, toml)
        if about is None or self._mistakes:
            return None
        return Runbook(self._folder.name, self._folder, about, made, workload, checks)

    def _mistake(self, path: Path, line: int, text: str) -> None:
        self._mistakes.append(Mistake(str(path.relative_to(self._root)), line, text))

    def _description(self, path: Path) -> tuple[Description | None, _Lines]:
        if not path.is_file():
            self._mistake(path, 0, "is missing")
            return None, _Lines("")
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = _Lines(text)
        try:
            return Description.model_validate(tomllib.loads(text)), lines
        except tomllib.TOMLDecodeError as e:
            self._mistake(path, sqlfile.toml_error_line(e), f"is no TOML: {e}")
        except ValidationError as e:
            self._invalid(path, e, lines)
        return None, lines

    def _invalid(self, path: Path, error: ValidationError, lines: _Lines) -> None:
        for item in error.errors(include_url=False):
            where = ".".join(str(p) for p in item["loc"])
            text = "unknown key" if item["type"] == "extra_forbidden" else item["msg"].lower()
            if item["type"] not in ("missing", "extra_forbidden"):
                text += f", not {item['input']!r:.60}"
            self._mistake(path, lines.of(item["loc"]), f"{where}: {text}")

    def _file(self, path: Path, *, variables: bool = False) -> SqlFile | None:
        try:
            found = sqlfile.read(path, variables=variables)
        except FileNotFoundError:
            self._mistake(path, 0, "is missing")
            return None
        except SqlFileError as e:
            self._mistake(path, e.line, str(e))
            return None
        if not found.statements:
            self._mistake(path, 0, "holds no statement")
            return None
        return found

    def _changes(self, options: Mapping[str, ObjectOptions], lines: _Lines, toml: Path) -> tuple[Change, ...]:
        path = self._folder / "migrate.sql"
        file = self._file(path)
        if file is None:
            return ()
        inverse = self._inverses({f"statement_{s.position}" for s in file.statements})
        made = [c for s in file.statements for c in changes.typed(s, options, inverse)]
        for change in made:
            if isinstance(change, RawSql) and change.refusal():
                self._mistake(path, change.written.line, f"this {_word(change)} {change.refusal()}")
        labels = {c.label for c in made if c.label}
        for key in options:
            if key not in labels:
                self._mistake(toml, lines.of(("objects", key)), f"objects.{key}: migrate.sql makes no such object")
        seen: dict[str, int] = {}
        for change in made:
            if change.label and change.label in seen:
                text = f"{change.label} is made twice, first in line {seen[change.label]}"
                self._mistake(path, change.written.line, text)
            seen.setdefault(change.label, change.written.line)
        return tuple(made)

    def _inverses(self, labels: set[str]) -> dict[str, tuple[str, ...]]:
        path = self._folder / "rollback.sql"
        file = self._file(path) if path.exists() else None
        found: dict[str, tuple[str, ...]] = {}
        label = ""
        for statement in file.statements if file else ():
            for comment in statement.comments:
                if comment.startswith(_UNDOES):
                    label = comment.removeprefix(_UNDOES).strip()
            if label not in labels:
                text = f"does not say what it undoes: put `{_UNDOES} statement_N` above it, N as in migrate.sql"
                self._mistake(path, statement.line, text)
                continue
            found[label] = (*found.get(label, ()), statement.sql)
        return found

    def _queries(self) -> Iterator[Query]:
        for path in sorted((self._folder / "workload").glob("*.sql")):
            file = self._file(path, variables=True)
            front = self._front(path, file, _QueryFront)
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
            )
            self._binds(path, query)
            yield query

    def _binds(self, path: Path, query: Query) -> None:
        lines = _Lines(path.read_text(encoding="utf-8"))
        wanted = set(query.parameters) - {"now"}
        if wanted and "common" not in query.binds:
            self._mistake(path, 1, f"binds.common: missing; it samples {', '.join(sorted(wanted))}")
        for name, sql in query.binds.items():
            if name not in BIND_CLASSES:
                self._mistake(
                    path, lines.of(("binds", name)), f"binds.{name}: unknown; there are: {', '.join(BIND_CLASSES)}"
                )
            try:
                sampled = sqlfile.split(sql)
            except SqlFileError as e:
                self._mistake(path, lines.of(("binds", name)) + e.line - 1, f"binds.{name}: {e}")
                continue
            if len(sampled) != 1 or sqlfile.writes(sampled[0]):
                self._mistake(path, lines.of(("binds", name)), f"binds.{name}: has to be one query that only reads")
        for name in query.harmless:
            if name not in query.parameters:
                self._mistake(path, lines.of(("harmless",)), f"harmless: the query has no parameter {name}")

    def _assertions(self) -> Iterator[Assertion]:
        for path in sorted((self._folder / "checks").glob("*.sql")):
            file = self._file(path)
            front = self._front(path, file, _CheckFront)
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
                    self._mistake(path, e.line, f"rival: {e}")
            yield Assertion(path.stem, front.title, file.statements, front.writes, front.rival)

    def _front(self, path: Path, file: SqlFile | None, model: type[F]) -> F | None:
        if file is None:
            return None
        try:
            return model.model_validate(file.front)
        except ValidationError as e:
            self._invalid(path, e, _Lines(path.read_text(encoding="utf-8")))
            return None

    def _references(self, about: Description, checks: tuple[Assertion, ...], lines: _Lines, toml: Path) -> None:
        queries = {p.stem for p in (self._folder / "workload").glob("*.sql")}
        files = {p.stem for p in (self._folder / "checks").glob("*.sql")}
        probes = {c.name for c in checks if c.writes}

        def wrong(loc: tuple[str | int, ...], text: str) -> None:
            self._mistake(toml, lines.of(loc), f"{'.'.join(map(str, loc))}: {text}")

        for kind, ids in (("claims", [c.id for c in about.claims]), ("checklist", [i.id for i in about.checklist])):
            for n, one in enumerate(ids):
                if one in ids[:n]:
                    wrong((kind, n, "id"), f"{one!r} is there twice")
        for n, claim in enumerate(about.claims):
            if bool(claim.metric) == bool(claim.not_measurable):
                wrong(("claims", n, "id"), "needs either a metric or not_measurable with the reason")
            if claim.metric in ("query_ms_before", "query_ms_after", "speedup") and not claim.query:
                wrong(("claims", n, "metric"), f"{claim.metric} needs a query")
            if claim.query and claim.query not in queries:
                wrong(("claims", n, "query"), f"no workload query {claim.query!r}; {_there_are(queries)}")
            if claim.metric == "probes" and not claim.checks:
                wrong(("claims", n, "metric"), "probes needs checks")
            for check in claim.checks:
                if check not in files:
                    wrong(("claims", n, "checks"), f"no check {check!r}; {_there_are(files)}")
            if claim.metric and claim.at_least is None and claim.at_most is None and claim.metric in _NUMERIC:
                wrong(("claims", n, "id"), "needs at_least or at_most")
            if claim.metric == "rollback_seconds" and claim.after != "rollback":
                wrong(("claims", n, "after"), 'has to be "rollback": that is when it is measured')
        for n, item in enumerate(about.checklist):
            if not (item.probe or item.faster or item.person):
                wrong(("checklist", n, "id"), "needs a probe, a query that gets faster, or a person")
            if item.probe and item.probe not in probes:
                wrong(("checklist", n, "probe"), f"no probe {item.probe!r}; {_there_are(probes)}")
            if item.faster and item.faster not in queries:
                wrong(("checklist", n, "faster"), f"no workload query {item.faster!r}; {_there_are(queries)}")


_NUMERIC = set(Metric.__args__) - {"rows_unchanged", "answers_unchanged", "probes"}  # type: ignore[attr-defined]


def _there_are(names: set[str]) -> str:
    return "there are: " + (", ".join(sorted(names)) or "none")


def _word(change: RawSql) -> str:
    return change.written.node_kind.removesuffix("_stmt").replace("_", " ").upper()


class _Lines:
    """Where the keys of a TOML text stand, since tomllib does not say."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        prefix: tuple[str | int, ...] = ()
        counts: dict[tuple[str | int, ...], int] = {}
        fence = ""
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.strip()
            if not fence and line.startswith("["):
                array = line.startswith("[[")
                path: tuple[str | int, ...] = _keys(line.strip("[] ").split("]")[0])
                if array:
                    counts[path] = counts.get(path, -1) + 1
                    path = (*path, counts[path])
                prefix = path
                self._lines.setdefault(prefix, number)
            elif not fence and "=" in line and not line.startswith("#"):
                self._lines.setdefault((*prefix, *_keys(line.split("=")[0])), number)
            for mark in ('"""', "'''"):
                if raw.count(mark) % 2 and fence in ("", mark):
                    fence = "" if fence else mark

    def of(self, loc: tuple[str | int, ...]) -> int:
        """The line of a key, or of the nearest table around it; 1 where nothing is known."""
        for end in range(len(loc), 0, -1):
            if loc[:end] in self._lines:
                return self._lines[loc[:end]]
        return 1


def _keys(dotted: str) -> tuple[str, ...]:
    """The parts of a dotted TOML key.

    >>> _keys('objects."voip_users.full_name"')
    ('objects', 'voip_users.full_name')
    """
    parts, current, quote = [], "", ""
    for char in dotted.strip():
        if quote:
            if char == quote:
                quote = ""
            else:
                current += char
        elif char in "\"'":
            quote = char
        elif char == ".":
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return (*parts, current.strip())
