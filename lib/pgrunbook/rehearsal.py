"""Rehearsal databases: a runbook's sandbox/schema.sql and data.sql, loaded into the embedded server or any empty one.

Loading is done once per content and scale into a template database; a reset copies the template.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation

from pgrunbook import db, errors, sandbox, sqlfile
from pgrunbook.db import Database
from pgrunbook.lock import hold_lock, whole_run
from pgrunbook.runbook import Runbook
from pgrunbook.sqlfile import quoted

SANDBOX = db.parse_target("sandbox")
Tell = Callable[[str], None]
# audit and monitor read them; in a schema of its own the runbook's tables stay among themselves
_STATISTICS = """\
do $$
begin
  create schema if not exists extensions;
  create extension if not exists pg_stat_statements schema extensions;
end
$$"""


def default_scale() -> str:
    """PGRUNBOOK_SCALE, else 1."""
    return scale(os.environ.get("PGRUNBOOK_SCALE", "1"))


def scale(text: str) -> str:
    """A scale as it is compared and stored. Raises `WrongUsage`.

    >>> scale("1.0"), scale("0.050"), scale("10")
    ('1', '0.05', '10')
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(0)
    if not 0 < number <= 1000:
        raise errors.WrongUsage(f"scale {text!r} is no number above 0 and up to 1000", remedy="--scale 1")
    return format(number.normalize(), "f")


def ensure(runbook: Runbook, tell: Tell = lambda _: None) -> None:
    """Start the sandbox and make the runbook's database where it is missing."""
    sandbox.start()
    with sandbox.locked(), _administrator() as admin:
        if not _exists(admin, runbook.name):
            _make(admin, runbook, default_scale(), tell)


def reset(runbook: Runbook, size: str, tell: Tell = lambda _: None) -> None:
    """Throw the runbook's sandbox database away and make it anew. Raises `Busy` while a run is at work on it."""
    sandbox.start()
    with sandbox.locked(), _administrator() as admin:
        if _exists(admin, runbook.name):
            with db.connect(SANDBOX, database=runbook.name, application_name="pgrunbook reset") as session:
                hold_lock(session, runbook.name)
                hold_lock(session, whole_run(runbook.name))
            admin.execute(f"drop database {quoted(runbook.name)} with (force)")
        _make(admin, runbook, size, tell)


def load(database: Database, runbook: Runbook, size: str, tell: Tell = lambda _: None) -> None:
    """Load the rehearsal schema and data into an empty database. Raises `WrongUsage` where it is not empty."""
    found = database.value(
        "select string_agg(found, ', ') from (select c.oid::regclass::text as found from pg_catalog.pg_class c"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname not in ('information_schema')"
        " and n.nspname !~ '^pg_' and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid"
        " and d.classid = 'pg_catalog.pg_class'::regclass and d.deptype = 'e') order by 1 limit 3) relations"
    )
    if found:
        raise errors.WrongUsage(
            f"database {database.database} on {database.target.name} is not empty: it holds {found}, …",
            remedy=f"create database {runbook.name}_rehearsal, and name a service that leads there",
        )
    database.set("pgrunbook.scale", size)
    database.set("search_path", ", ".join(quoted(s) for s in runbook.about.search_path))
    for file in _files(runbook):
        for statement in file.statements:
            tell(f"{file.path.name} line {statement.line}: {statement.sql.splitlines()[0][:70]}")
            database.execute(statement.sql)


def is_empty(runbook: Runbook) -> bool:
    """Whether a runbook's rehearsal is an empty database: no folder for it, or no statement in sandbox/schema.sql."""
    return not (runbook.folder / "sandbox").is_dir() or not _files(runbook)[0].statements


def _files(runbook: Runbook) -> list[sqlfile.SqlFile]:
    files = []
    for name in ("schema.sql", "data.sql"):
        path = runbook.folder / "sandbox" / name
        if not path.is_file():
            raise errors.WrongUsage(
                f"runbook {runbook.name} has no sandbox/{name}", remedy="write it, or name a target that holds the data"
            )
        try:
            files.append(sqlfile.read(path))
        except sqlfile.SqlFileError as e:
            raise errors.InvalidRunbook(f"{path.name}:{e.line}: {e}", remedy="mend the file") from None
    return files


@contextmanager
def _administrator() -> Iterator[Database]:
    with db.connect(SANDBOX, application_name="pgrunbook sandbox") as admin:
        yield admin


def _exists(admin: Database, name: str) -> bool:
    return bool(admin.value("select exists (select from pg_catalog.pg_database where datname = $1)", [name]))


def template(admin: Database, runbook: Runbook, size: str, tell: Tell, *, proof: bool = False) -> str:
    """The name of the database that holds a runbook's rehearsal data at a scale, loaded where it is missing.

    The sandbox has to be locked. Those of proofs are counted apart: a small one drives no large one out.
    """
    files = _files(runbook)
    digest = hashlib.sha256(
        b"\0".join([size.encode(), _STATISTICS.encode(), *(f.path.read_bytes() for f in files)])
    ).hexdigest()
    name = f"{runbook.name[:40]} {digest[:12]}"
    if not _exists(admin, name):
        mark = "proved_of" if proof else "template_of"
        _drop_old_templates(admin, runbook, mark, keep=0 if proof else 1)
        tell(f"loading the rehearsal data of {runbook.name} at scale {size}, once")
        loading = f"{name} loading"
        admin.execute(f"drop database if exists {quoted(loading)} with (force)")
        admin.execute(f"create database {quoted(loading)} template template0")
        with db.connect(SANDBOX, database=loading, application_name="pgrunbook load") as database:
            load(database, runbook, size, tell)
            database.execute(_STATISTICS)
        about = json.dumps({mark: runbook.name, "scale": size})
        admin.execute(f"alter database {quoted(loading)} rename to {quoted(name)}")
        admin.execute(f"comment on database {quoted(name)} is '{about}'")
    return name


def _make(admin: Database, runbook: Runbook, size: str, tell: Tell) -> None:
    loaded = template(admin, runbook, size, tell)
    tell(f"copying the rehearsal database of {runbook.name} at scale {size}")
    admin.execute(f"create database {quoted(runbook.name)} template {quoted(loaded)}")
    about = json.dumps({"scale": size})
    admin.execute(f"comment on database {quoted(runbook.name)} is '{about}'")


def _drop_old_templates(admin: Database, runbook: Runbook, mark: str, keep: int) -> None:
    """Keep the disk: only the newest two contents of a runbook stay, so that scales 1 and 10 live side by side."""
    old = admin.rows(
        "select datname from pg_catalog.pg_database d"
        " where pg_catalog.shobj_description(d.oid, 'pg_database') like '%\"' || $1 || '\": \"' || $2 || '\"%'"
        " order by d.oid desc offset $3",
        [mark, runbook.name, keep],
    )
    for (name,) in old:
        admin.execute(f"drop database if exists {quoted(name)} with (force)")
