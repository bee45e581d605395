"""Proofs on throw-away copies: what holds is told, what does not is named at its statement, and nothing is left."""

from __future__ import annotations

import json
import pathlib
import tempfile
import threading
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

from fix_databases import VERSIONS, Place, made
from fix_project import Project
from fix_servers import Server
from pgrunbook import db, errors, fingerprint, prove, runbook, sandbox, schema_copy
from pgrunbook.cli import main
from pgrunbook.findings import Verdict
from pgrunbook.proof import Proven
from pgrunbook.rehearsal import SANDBOX

SCHEMA = "create table t (id bigint primary key, a int, b text);"
DATA = "insert into t select n, n % 3, 'x' from generate_series(1, 40) n;"
FILES = {"sandbox/schema.sql": SCHEMA, "sandbox/data.sql": DATA}
GOOD = """\
create index t_a on t (a);
alter table t add column c text;
update t set c = upper(b) where c is null;
alter table t alter column c set not null;
grant select on t to pgrb_proof_reader;
"""


def proven(project: Project, name: str = "small", target: str = "sandbox", on: str = "") -> Proven:
    """Prove a runbook of a project."""
    about = runbook.load(project.root, name)
    return prove.prove(about, db.parse_target(target), on=db.parse_target(on) if on else None)


def there() -> set[tuple[str, str]]:
    """The databases and roles of the sandbox, without rehearsal templates."""
    with db.connect(SANDBOX) as session:
        found = session.rows("select 'database', datname from pg_database union select 'role', rolname from pg_roles")
    return {(k, n) for k, n in found if "prove" in n or k == "role"}


@pytest.fixture
def untouched() -> Iterator[None]:
    """No copy and no role is left."""
    sandbox.start()
    before = there()
    yield
    assert there() == before


def marks(found: Proven) -> list[tuple[str, str, str]]:
    return [(s.applied, s.undone, s.again) for s in found.steps]


def test_prove_of_a_good_runbook__passes_and_leaves_nothing(project: Project, untouched: None) -> None:
    """On the rehearsal data: every statement is done, taken back exactly, and done again; as JSON and as a table."""
    project.runbook("small", GOOD, files=FILES)
    ran = CliRunner().invoke(main, ["prove", "small", "--json"])
    found = json.loads(ran.stdout)
    assert (ran.exit_code, found["verdict"], found["differs"]) == (0, "passed", [])
    assert [(s["applied"], s["undone"], s["again"]) for s in found["steps"]] == [("done", "as before", "done")] * 5
    assert [s["line"] for s in found["steps"]] == [1, 2, 3, 4, 5]
    assert any("pgrb_proof_reader" in text for text in found["not_proven"])
    shown = CliRunner().invoke(main, ["prove", "small"])
    assert "passed: 5 of 5 changes carried out, 5 taken back exactly" in shown.output


WRONG = """\
create index t_a on t (a);
begin;
comment on table t is 'things';
create rule r as on delete to t do instead nothing;
create index t_b on t (b);
commit;
"""
INVERSES = {
    "drop rule r on t; drop index t_a; comment on column t.a is 'left'": ("comment", "index public.t_a: gone"),
    "alter table t disable rule r": ("rule public.t.r",),
}


def test_prove_of_a_wrong_inverse__names_its_statement(project: Project, untouched: None) -> None:
    """What an inverse leaves, takes too much or changes is named at its line, also inside of a BEGIN … COMMIT."""
    for inverse, objects in INVERSES.items():
        project.runbook("small", WRONG, files=FILES | {"rollback.sql": f"-- undoes: statement_4\n{inverse};"})
        found = proven(project)
        assert found.verdict is Verdict.FAILED
        assert found.exit_status == 10
        assert [s.line for s in found.steps if s.undone not in ("as before",)] == [4], found.steps
        assert "line 4 of migrate.sql, raw_sql statement_4" in found.differs[0]
        assert all(o in found.differs[0] for o in objects), found.differs


def test_prove_of_failing_statements__names_them(project: Project, untouched: None) -> None:
    """What fails forward or back, and rows that an inverse does not bring back."""
    project.runbook(
        "small",
        "create index t_a on t (a);\ncreate unique index t_u on t (a);\ncreate index t_b on t (b);",
        files=FILES,
    )
    found = proven(project)
    assert marks(found) == [
        ("done", "as before", "not reached"),
        ("failed", "nothing to undo", "not reached"),
        ("not reached", "not reached", "not reached"),
    ]
    assert "line 2" in found.differs[0]
    assert "t_u" in found.differs[0]
    raw = "create rule r as on delete to t do instead nothing;"
    project.runbook("small", raw, files=FILES | {"rollback.sql": "-- undoes: statement_1\ndrop rule other on t;"})
    found = proven(project)
    assert marks(found)[0][:2] == ("done", "failed")
    assert "undone: rule" in found.differs[0]
    project.runbook(
        "small", raw, files=FILES | {"rollback.sql": "-- undoes: statement_1\ndrop rule r on t; update t set b = 'y';"}
    )
    assert proven(project).differs == ("undone, the rows are not as before: public.t",)
    schema = (
        SCHEMA + "create function f() returns trigger language plpgsql as 'begin new.b := ''f''; return new; end';"
        "create trigger g before update on t for each row execute function f();"
    )
    accepted = '[objects."statement_1"]\nacknowledge_loss = "b is made anew by each UPDATE"\n'
    files = FILES | {"sandbox/schema.sql": schema}
    project.runbook("triggered", "update t set a = 7 where a = 1;", accepted, files)
    assert "line 1 of migrate.sql, backfill public.t" in proven(project, "triggered").differs[0]


def test_prove_of_what_is_irreversible__tells_it_and_proves_the_rest(project: Project, untouched: None) -> None:
    """A statement that stays is told with its reason, its traces are nobody's fault, and a fresh copy is begun with."""
    text = "create index t_a on t (a);\ncreate rule r as on delete to t do instead nothing;\ncreate index t_b on t (b);"
    project.runbook("small", text, '[objects."statement_2"]\nirreversible = "a rule that stays"\n', FILES)
    found = proven(project)
    assert found.verdict is Verdict.PASSED, found.differs
    assert marks(found) == [("done", "as before", "done"), ("done", "kept", "done"), ("done", "as before", "done")]
    assert found.steps[1].irreversible == "a rule that stays"


BLOCK = """\
create index t_a on t (a);
begin;
comment on table t is 'things';
alter table t add column c text;
create rule r as on delete to t where 1 / (a - a) > now() do instead nothing;
comment on column t.b is 'left';
commit;
create index t_b on t (b);
"""


def test_prove_of_a_failure_in_a_block__names_the_statement(project: Project, untouched: None) -> None:
    """What failed is named, not the first line of the block; what was rolled back with it differs in nothing."""
    project.runbook("small", BLOCK, files=FILES | {"rollback.sql": "-- undoes: statement_5\ndrop rule r on t;"})
    found = proven(project)
    assert [s.applied for s in found.steps] == ["done", "not reached", "not reached", "failed", *["not reached"] * 2]
    assert [s.undone for s in found.steps][1:3] == ["not reached"] * 2
    assert len(found.differs) == 1
    assert found.differs[0].startswith("line 5 of migrate.sql, raw_sql statement_5: applied: operator does not exist")


def test_prove_without_a_schema_or_rows__says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch, untouched: None
) -> None:
    """A rehearsal of comments alone is an empty database, and an UPDATE of an empty table shows nothing."""
    nothing = {"sandbox/schema.sql": "-- to be written\n", "sandbox/data.sql": "-- to be written\n"}
    project.runbook("small", "create table u (id int primary key);", files=nothing)
    shown = CliRunner().invoke(main, ["prove", "small"])
    assert "small, proven on an empty database\n" in shown.output
    project.runbook("lost", 'create extension "no-such";\ncreate extension no_other;', files=nothing)
    with pytest.raises(errors.BadTarget, match="lacks extensions: no-such, no_other") as caught:
        proven(project, "lost")
    assert "--on SERVICE" in caught.value.remedy
    project.runbook("lost", "create index x on nowhere (a);", files=nothing)
    with pytest.raises(errors.PreflightFailed) as refused:
        proven(project, "lost")
    assert "--target SERVICE" in refused.value.remedy
    filled = "alter table t add column c text;\nupdate t set c = upper(b) where c is null;"
    project.runbook("filled", filled, files=FILES | {"sandbox/data.sql": "select 1;"})
    found = proven(project, "filled")
    assert (found.verdict, found.empty, found.steps[1].applied) == (Verdict.PASSED, False, "met no rows")
    assert "line 2, public.t.c: the copy has no rows for it" in found.not_proven[-1]

    def stopped(_: object) -> None:
        raise errors.Aborted("stopped", remedy="roll back")

    monkeypatch.setattr(prove._Proof, "run", stopped)
    with pytest.raises(errors.Aborted) as aborted:
        proven(project, "filled")
    assert "roll back" not in str(aborted.value)


@pytest.fixture
def elsewhere(database: Place, project: Project) -> Iterator[Place]:
    """A database with a role of its own, an extension, row security, and a table of a schema off the search_path."""
    database.run(
        "drop role if exists pgrb_elsewhere",
        "create role pgrb_elsewhere",
        "create extension pg_trgm",
        "create schema app",
        SCHEMA,
        "create table app.u (id int primary key, state text)",
        "alter table app.u owner to pgrb_elsewhere",
        "create policy own on app.u to pgrb_elsewhere using (true)",
        "insert into t values (1, 1, 'kept where it is')",
    )
    yield database
    database.run("drop owned by pgrb_elsewhere", "drop role pgrb_elsewhere")


TARGETED = """\
create index u_state on app.u using gin (state gin_trgm_ops);
alter table app.u add column c text;
grant select on t to pgrb_elsewhere;
"""


@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])  # a dump of each, into the newest
def test_prove_on_the_schema_of_a_target__reads_it_only(project: Project, elsewhere: Place, untouched: None) -> None:
    """Roles, extensions and other schemas come along, rows do not; the target is as it was, and one that is gone."""
    project.runbook("small", TARGETED)
    found = proven(project, target=elsewhere.target)
    assert found.verdict is Verdict.PASSED, found.differs
    assert len(found.steps) == 3
    assert any("rows of env:" in text for text in found.not_proven)
    assert elsewhere.run("select count(*) from pg_class where relname = 'u_state'") == [(0,)]
    elsewhere.run(*TARGETED.splitlines())
    found = proven(project, target=elsewhere.target)
    assert [s.applied for s in found.steps] == ["nothing to do"] * 3
    assert found.differs == ("nothing was proven: every change is there already",)


@pytest.mark.servers
@pytest.mark.parametrize("version", [13, 15])
def test_prove_on_an_older_server__leaves_out_what_it_lacks(
    project: Project, elsewhere: Place, server_of: Callable[[int], Server], version: int, untouched: None
) -> None:
    """A newer pg_dump's settings are left out, from a schema of that version; and another version is told."""
    project.runbook("small", TARGETED)
    with made(server_of(version).dsn) as place:
        found = proven(project, target=elsewhere.target, on=place.target)
    assert found.verdict is Verdict.PASSED, found.differs
    assert not [t for t in found.not_proven if "PostgreSQL" in t]
    found = proven(project, target=elsewhere.target)
    assert f"on PostgreSQL {version}, the version of {elsewhere.target}: it was tried on 18" in found.not_proven


@pytest.mark.servers
def test_two_proofs_at_once__do_not_meet(project: Project, elsewhere: Place, untouched: None) -> None:
    """Copies have names of their own, and a role that both need goes with the last of them."""
    project.runbook("small", GOOD, files=FILES)
    project.runbook("other", GOOD, files=FILES)
    results: list[Proven | BaseException] = []

    def work(name: str) -> None:
        try:
            results.append(proven(project, name))
        except BaseException as e:  # noqa: BLE001  told below
            results.append(e)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("small", "small", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [getattr(r, "verdict", r) for r in results] == [Verdict.PASSED] * 3, results


def test_prove_on_an_empty_database__empties_it_again(project: Project, database: Place, untouched: None) -> None:
    """Another server's database is taken only when it is empty, and is as it was afterwards."""
    text = "create index t_a on t (a);\ncreate rule r as on delete to t do instead nothing;"
    granted = """
    alter default privileges revoke execute on functions from public;
    alter default privileges in schema public grant all on sequences to public;
    grant create on schema public to public;
    """
    with database.connect() as on:
        bare = fingerprint.objects(on, "pgrunbook")
    files = {**FILES, "sandbox/schema.sql": granted + FILES["sandbox/schema.sql"]}
    folder = project.runbook("small", text, '[objects."statement_2"]\nirreversible = "stays"\n', files)
    (folder / "source").mkdir()
    (folder / "source" / "down.sql").write_text("drop index t_a;")
    found = proven(project, on=database.target)
    assert found.verdict is Verdict.PASSED, found.differs
    assert not [t for t in found.not_proven if "as it was found" in t]
    assert database.run("select nspname from pg_namespace where nspname !~ '^pg_' order by 1") == [
        ("information_schema",), ("public",)
    ]  # fmt: skip
    with database.connect() as on:
        assert not fingerprint.differing(bare, fingerprint.objects(on, "pgrunbook"))
    database.run("create function f() returns int language sql as 'select 1'")
    with pytest.raises(errors.WrongUsage, match=r"is not empty: it holds function public\.f"):
        proven(project, on=database.target)


DOWNS = {
    "drop index t_b; begin; drop index t_a; commit;": ((), (), ()),
    "drop index t_a; alter table t drop column b;": (("index public.t_b",), ("column public.t.b",), ()),
}


def test_prove_of_an_authored_way_back__tells_what_it_leaves_and_takes(project: Project, untouched: None) -> None:
    """source/down.sql in the place of the derived way back; one that fails is told with its line."""
    folder = project.runbook("small", "create index t_a on t (a);\ncreate index t_b on t (id);", files=FILES)
    down = folder / "source" / "down.sql"
    down.parent.mkdir()
    for text, wanted in DOWNS.items():
        down.write_text(text)
        found = proven(project)
        assert found.down is not None
        assert (found.down.left, found.down.taken, found.down.changed) == wanted
        assert found.verdict is (Verdict.PASSED if wanted == ((), (), ()) else Verdict.FAILED)
        assert len(found.differs) == (found.verdict is Verdict.FAILED)
    down.write_text("drop index t_a;\n\ndrop index t_c;")
    assert "line 3 fails: index" in proven(project).differs[0]
    accepted = '[objects."statement_1"]\nirreversible = "its values are not needed"\n'
    project.runbook("small", "alter table t drop column a;", accepted, FILES)
    down.write_text("alter table t add column a int;")
    found = proven(project)
    assert found.down is not None
    assert (found.verdict, found.down.verdict, found.down.in_part) == (Verdict.PASSED, Verdict.PASSED, True)
    assert found.steps[0].undone == "in part"


def test_prove_of_what_can_not_be_copied__is_wrong_usage(
    project: Project, database: Place, untouched: None, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """A target that is away, a runbook that is not there: exit 2."""
    project.runbook("small", GOOD, files=FILES)
    monkeypatch.setenv("PGRB_AWAY", f"host={tmp_path} dbname=x")
    assert CliRunner().invoke(main, ["prove", "small", "--target", "env:PGRB_AWAY"]).exit_code == 2
    assert CliRunner().invoke(main, ["prove", "none"]).exit_code == 2
    project.runbook("lost", "create index x on nowhere (a);")
    ran = CliRunner().invoke(main, ["prove", "lost", "--json"])
    assert ran.exit_code == 10
    assert "nowhere does not exist" in json.loads(ran.stdout)["error"]


def test_secrets_of_foreign_servers__do_not_come_along() -> None:
    """A dump's user mappings keep their options' names, and no value but switches and numbers."""
    mapping = b"CREATE USER MAPPING FOR a SERVER s OPTIONS (\n    password E'hush;\\\\''\n\\thush',\n"
    mapping += b"    password_required 'false',\n    \"user\" 'hush'\n);\n"
    server = b"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (\n    host 'kept',\n    api_key 'hush'\n);\n"
    function = b"CREATE FUNCTION public.f() RETURNS text AS $$ select '\n    password ''kept''' $$;\n"
    with tempfile.TemporaryFile() as file:
        file.write(function + mapping + server)
        schema_copy.hush(file)
        file.seek(0)
        found = file.read()
    assert b"hush" not in found
    assert found.startswith(function)
    assert found.count(b"'left out'") == 3
    assert b"password_required 'false'" in found
    assert b"host 'kept'" in found


RENAMED_IN_A_BLOCK = [
    "alter table t rename to u; alter table u alter column a drop default",
    "alter table t rename column a to z; comment on column t.z is 'new'",
    "alter schema app rename to store; comment on schema store is 'new'",
]


def test_prove_of_what_is_renamed_in_a_block__comes_back(project: Project, untouched: None) -> None:
    """What alters it later in the same BEGIN … COMMIT is committed apart, for its way back needs what stands there."""
    schema = (
        "create schema app; create table t (id bigint primary key, a int default 7); comment on column t.a is 'old';"
    )
    for text in RENAMED_IN_A_BLOCK:
        files = FILES | {"sandbox/schema.sql": schema, "sandbox/data.sql": "select 1;"}
        project.runbook("small", f"begin; {text}; commit;", files=files)
        assert proven(project).differs == ()
