"""Existing migrations become runbooks: read, cleaned, whole, told; what has no place there is refused by file and line."""

from __future__ import annotations

import io
import json
import pathlib
import re
import sys

import pytest
from click.testing import CliRunner

from fix_databases import Place
from fix_project import Project
from pgrunbook import db, errors, fingerprint, plan, rehearsal, runbook, sqlfile
from pgrunbook.cli import main
from pgrunbook.description import Limits
from pgrunbook.importing import drafting, sources
from pgrunbook.importing.cleaning import Cleaned, cleaned
from pgrunbook.importing.sources import Source, Text


def clean(*texts: str, **options: str) -> Cleaned:
    """Texts as the files a.sql, b.sql, …"""
    named = tuple(Text(f"{'abcdef'[n]}.sql", text) for n, text in enumerate(texts))
    return cleaned(named, Source("a test", named), **options)


def refused(*texts: str) -> list[str]:
    """What is said of texts that have no place in a runbook."""
    with pytest.raises(errors.WrongUsage) as caught:
        clean(*texts)
    assert caught.value.exit_status == 2
    assert caught.value.remedy
    return caught.value.message.splitlines()


def new(*words: str, stdin: str | None = None) -> tuple[int, dict]:
    """`pgrunbook new` with these words: its exit status and what it prints as JSON."""
    done = CliRunner().invoke(main, ["new", *words, "--json"], input=stdin, catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


# -- what goes into the runbook ----------------------------------------------------------------------------------


def test_statements__are_kept_letter_for_letter() -> None:
    """Byte order marks, CRLF, comments everywhere, no last semicolon, no last newline, several files."""
    one = "-- head\r\nCREATE  TABLE t (a int, -- inside\r\n b text DEFAULT 'x;\r\ny');\r\n/* between */ create index i on t (a)"
    two = "create function f() returns text language sql as $b$ select 'é'; -- no end $b$ -- after\n"
    three = '\n;;\nselect f() as "ü" /* last */;'
    found = clean(one, two, three, head="-- top\n\n")
    parsed = sqlfile.split(found.text)
    assert [s.sql for s in parsed] == [s.sql for text in (one, two, three) for s in sqlfile.split(text)]
    assert [k.statement.sql for k in found.kept] == [s.sql for s in parsed]
    assert found.text.startswith("-- top\n\n-- from a.sql\n-- head\r\nCREATE  TABLE t")
    assert "/* between */ create index i on t (a);\n-- from b.sql\n" in found.text
    assert "$b$; -- after\n-- from c.sql\n" in found.text
    assert found.text.endswith('select f() as "ü" /* last */;\n')
    assert [str(k.place) for k in found.kept] == ["a.sql:2", "a.sql:5", "b.sql:1", "c.sql:3"]
    for statement, kept in zip(parsed, found.kept, strict=True):
        assert (statement.position, str(found.place(statement.line))) == (kept.statement.position, str(kept.place))


def test_settings_of_the_session__are_left_out_with_their_reason() -> None:
    """As comments where they stood, so that the lines after them are found again; BEGIN and COMMIT stay and count."""
    found = clean(
        "SET statement_timeout = 0; SET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', false);\n"
        "begin; set local lock_timeout = '2s'; create table s.a (i int); reset work_mem;\ncommit; show all; "
        "set check_function_bodies = off; discard all; create table s.b ()",
    )
    assert [(k.statement.sql, k.statement.position, k.statement.block) for k in found.kept] == [
        ("create table s.a (i int)", 2, 1), ("create table s.b ()", 4, 0),
    ]  # fmt: skip
    assert [s.sql for s in sqlfile.split(found.text)] == [
        "begin",
        "create table s.a (i int)",
        "commit",
        "create table s.b ()",
    ]
    assert [one.place.line for one in found.left_out] == [1, 1, 2, 3, 3, 4, 4, 4]
    assert all(one.why for one in found.left_out)
    assert (
        "-- left out, pgrunbook has a session of its own, and sets this itself:\n-- SET statement_timeout = 0;\n"
        in found.text
    )
    for statement in sqlfile.split(found.text):
        assert str(found.place(statement.line)) in ("a.sql:3", "a.sql:4")


def test_fence_of_pg_dump__is_left_out() -> None:
    """Lines of psql around its SQL; the same inside of a text is part of it."""
    text = "-- d\n\n\\restrict aB1\n\ncreate table t (a text default 'x\n\\restrict aB1\n');\n\\unrestrict aB1\r\n"
    found = clean(text)
    assert [(str(one.place), one.kind) for one in found.left_out] == [
        ("a.sql:3", "\\restrict"),
        ("a.sql:8", "\\unrestrict"),
    ]
    assert [(str(k.place), k.statement.sql) for k in found.kept] == [
        ("a.sql:5", "create table t (a text default 'x\n\\restrict aB1\n')")
    ]
    report = drafting.imported("x", Source("s", (Text("a.sql", text),))).report
    assert [r.verdict for r in report.rows] == ["left out", "safe as written", "left out"]


def test_search_path__is_the_runbook_s_where_it_is_one() -> None:
    """Of a whole source, before what needs it; two are refused with both lines, LOCAL ends with its block."""
    assert clean("create table t ()").search_path == ("public",)
    assert clean('create schema app; set search_path = app, "P q"; create table t ()').search_path == ("app", "P q")
    assert clean("select set_config('search_path', '\"A b\", PUBLIC', true); create table t ()").search_path == (
        "A b",
        "public",
    )
    assert clean(
        "set search_path = ''; create table app.t ()", "set search_path = app; create view v as select 1"
    ).search_path == ("app",)
    assert clean(
        "begin; set local search_path = app; create table t (); commit; create table app.u ()"
    ).search_path == ("app",)
    (line,) = refused("create table t ();\nset search_path = app;\ncreate table u ();\ncreate table v ();")
    assert line.startswith("a.sql:3: needs search_path app, and a.sql:1 needs public: a runbook has one search_path")
    (line,) = refused("set search_path = app; create table t ()", "create table u ()")
    assert line.startswith("b.sql:1: needs search_path public, and a.sql:1 needs app")
    (line,) = refused("begin; set local search_path = app; create table t (); commit;\ncreate table u ()")
    assert line.startswith("a.sql:2: needs search_path public")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("create table t ();\n\\d t\n", "a.sql:2: psql meta-commands are not SQL (\\d t): "),
        ("\\connect db joe\ncreate table t ();", "a.sql:1: psql meta-commands are not SQL (\\connect …): "),
        ("\\restrict\ncreate table t ();", "a.sql:1: psql meta-commands are not SQL (\\restrict): "),
        ("create table t (a text);\ncopy t from stdin;\n1\tit's\n2\tb;c\n\\.\n", "a.sql:2: COPY … FROM stdin"),
        ("copy t (a) from stdin;\n\\.\n", "a.sql:1: COPY … FROM stdin"),
        ("copy t from stdin", "a.sql:1: COPY … FROM stdin"),
        ("copy t to '/tmp/x'", "a.sql:1: COPY has no place"),
        ("select 1;\ncreate table t (\n a int b)", 'a.sql:3: syntax error at or near "b"'),
        ("select 'open\n\n", "a.sql:1: unterminated quoted string"),
        ("select 1;\n\0", "a.sql:2: holds a NUL character"),
        ("select 1;\nselect $1", "a.sql:2: parameters ($1)"),
        ("select 1;\nselect " + "1 + " * 60 + "1", "a.sql:2: nests too deep"),
        ("select 1;\nselect " + "1 + " * 60_000 + "1", "a.sql:2: nests too deep"),
        ("select " + "(" * 30_000 + "1" + ")" * 30_000, "a.sql:1: nests too deep"),
        ("\nset role admin", "a.sql:2: SET ROLE changes who runs what follows"),
        ("set session authorization joe", "a.sql:1: SET SESSION AUTHORIZATION"),
        ("set session_replication_role = replica", "a.sql:1: SET session_replication_role to replica may change"),
        ("set standard_conforming_strings = off", "a.sql:1: SET standard_conforming_strings to off"),
        ("set client_encoding = 'LATIN1'", "a.sql:1: SET client_encoding to LATIN1"),
        ("set transaction isolation level serializable", "a.sql:1: of transactions a runbook knows BEGIN and COMMIT"),
        ("begin;\nsavepoint a;\ncommit", "a.sql:2: of the statements about transactions"),
        ("create table t ();\nbegin;", "a.sql:2: begins a transaction that no COMMIT ends"),
        ("create database d", "a.sql:1: this CREATEDB can't run inside a transaction"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_runbook__is_refused_with_file_and_line(text: str, says: str) -> None:
    """One line a mistake."""
    (line,) = refused(text)
    assert line.startswith(says)


def test_every_mistake__is_told_at_once() -> None:
    """Of all files, in their order."""
    lines = refused("set role a;\ncreate database d;\ncopy t to stdout;", "\\d", "create table t ()", "sel")
    assert [line.partition(": ")[0] for line in lines] == ["a.sql:1", "a.sql:2", "a.sql:3", "b.sql:1", "d.sql:1"]


# -- sources -----------------------------------------------------------------------------------------------------


def test_files__are_read_as_utf_8_or_refused(tmp_path: pathlib.Path) -> None:
    """A byte order mark is none of the text; each file that can't be read is named."""
    (tmp_path / "a.sql").write_bytes(b"\xef\xbb\xbfselect 1")
    (tmp_path / "b.sql").write_bytes("select 1;\nselect 'ä'".encode("latin-1"))
    (tmp_path / "c.sql").write_bytes("select 1".encode("utf-16"))
    (text,) = sources.of_files([str(tmp_path / "a.sql")]).texts
    assert text.sql == "select 1"
    with pytest.raises(errors.WrongUsage) as caught:
        sources.of_files([str(tmp_path / n) for n in ("b.sql", "c.sql", "none.sql", ".", "x\0y")])
    b, c, none, folder, nul = caught.value.message.splitlines()
    assert re.search(r"b\.sql:2: is not UTF-8", b)
    assert re.search(r"c\.sql:1: is not UTF-8", c)
    assert none.endswith("none.sql: No such file or directory")
    assert folder.endswith("Is a directory")
    assert "null" in nul
    assert "iconv" in caught.value.remedy


def test_supabase_folder__is_read_in_the_order_of_its_versions(tmp_path: pathlib.Path) -> None:
    """From a version on; files without one are skipped and told."""
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    for name in ("9_first.sql", "20240101000000_second.sql", "20240202000000_third.sql", "seed.sql", "README.md"):
        (folder / name).write_text(f"select '{name}';\n")
    for given in (tmp_path, tmp_path / "supabase", folder):
        found = sources.of_supabase(str(given), "")
        assert [t.name for t in found.texts] == ["9_first.sql", "20240101000000_second.sql", "20240202000000_third.sql"]
    assert found.search_path == ("public", "extensions")
    assert found.notes[0].startswith("seed.sql: skipped")
    assert [t.name for t in sources.of_supabase(str(folder), "20240101000000").texts] == [
        "20240101000000_second.sql", "20240202000000_third.sql",
    ]  # fmt: skip
    with pytest.raises(errors.WrongUsage, match="no migration of version 7"):
        sources.of_supabase(str(folder), "7")
    (folder / "9_again.sql").write_text("select 1")
    with pytest.raises(errors.WrongUsage, match="several migrations of version 9"):
        sources.of_supabase(str(folder), "")
    with pytest.raises(errors.WrongUsage, match="no such folder"):
        sources.of_supabase(str(tmp_path / "x"), "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.WrongUsage, match="has no migrations"):
        sources.of_supabase(str(tmp_path / "empty"), "")


# -- the command -------------------------------------------------------------------------------------------------

UP = """\
create table public.customers (id bigint generated always as identity primary key, email text not null);
create index customers_email on public.customers (email);
create index calls_customer on public.calls (customer);
"""


def test_new_runbook__can_be_rehearsed_at_once(project: Project, tmp_path: pathlib.Path, database: Place) -> None:
    """On an empty database; one of Supabase's on a stand-in for what Supabase sets up. Rows may change meanwhile."""
    (tmp_path / "1_a.sql").write_text(
        "create table p (id uuid primary key references auth.users (id));\n"
        "alter table p enable row level security;\n"
        "create policy own on p to authenticated using (auth.uid() = id and auth.role() <> auth.jwt() ->> 'x');\n"
        "create policy f on storage.objects using ((storage.foldername(name))[1] = auth.email());\n"
    )
    (tmp_path / "x.sql").write_text("create table t (a int);")
    (tmp_path / "y.sql").write_text('create extension "uuid-ossp";')
    roles = {name for (name,) in database.run("select rolname from pg_roles")}
    with db.connect(rehearsal.SANDBOX, database=database.name, search_path=["public"]) as session:
        for name, words in (
            ("plain", ["--sql", str(tmp_path / "x.sql")]),
            ("ext", ["--sql", str(tmp_path / "y.sql")]),
            ("supa", ["--supabase", str(tmp_path)]),
        ):
            assert new(name, *words)[0] == 0
            found = runbook.load(project.root, name)
            assert found.about.live
            assert rehearsal.is_empty(found) is (name != "supa")
            rehearsal.load(session, found, "1")
            if name == "ext":
                with pytest.raises(errors.PreflightFailed) as caught:
                    plan.make(found, session)
                assert "--on SERVICE" in caught.value.remedy
            else:
                assert all(s.to_do for s in plan.make(found, session).steps)
    for name in {"anon", "authenticated", "service_role"} - roles:
        database.run(f"drop owned by {name}", f"drop role {name}")


def test_files__are_one_word_each_or_several(project: Project, tmp_path: pathlib.Path) -> None:
    """`--sql a b` as shells expand it, `--sql a --sql b`, before and after other options; the order is kept."""
    names = [str(tmp_path / f"{n}.sql") for n in "abcd"]
    for n, name in enumerate(names):
        pathlib.Path(name).write_text(f"create table t{n} (a int);\n" if n < 2 else f"drop table t{3 - n};\n")
    a, b, c, d = names
    for n, words in enumerate([
        ["--sql", a, b, "--down", c, d], ["--sql", a, "--sql", b, "--down", c, "--down", d],
        [f"--sql={a}", b, f"--down={c}", d], ["--sql", a, "--accept-irreversible", "x", b, "--down", c, d],
    ]):  # fmt: skip
        status, said = new(f"n{n}", *words)
        assert status == 0, said
        assert [(r["file"], r["verdict"]) for r in said["report"]["statements"]] == [
            ("a.sql", "safe as written"),
            ("b.sql", "safe as written"),
        ]
        assert said["report"]["authored_way_back"] == []
        folder = project.root / "runbooks" / f"n{n}"
        assert sorted(p.name for p in (folder / "source").iterdir()) == ["a.sql", "b.sql", "down.sql", "report.md"]
        assert (
            folder / "source" / "down.sql"
        ).read_text() == "-- from c.sql\ndrop table t1;\n-- from d.sql\ndrop table t0;\n"


def test_paths__are_written_from_the_project_and_told_in_errors_as_typed(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing of the machine is in what is written; files of one name that lie outside are told apart."""
    outside = tmp_path_factory.mktemp("elsewhere")
    folders = (project.root / "sql", outside / "one", outside / "two")
    names = [str(folder / "m.sql") for folder in folders]
    for n, folder in enumerate(folders):
        folder.mkdir(parents=True)
        (folder / "m.sql").write_text(f"create table t{n} (a int);\n")
    status, said = new("x", "--sql", *names)
    assert status == 0, said
    assert [r["file"] for r in said["report"]["statements"]] == ["sql/m.sql", "one/m.sql", "two/m.sql"]
    written = [p.read_text() for p in (project.root / "runbooks" / "x").rglob("*") if p.is_file()]
    assert not [text for text in written if str(outside) in text or str(project.root) in text]
    pathlib.Path(names[1]).write_text("create tabl;")
    assert f"{names[1]}:1: syntax error" in new("y", "--sql", *names)[1]["error"]


SECRET = {
    "create role a;\ncreate role b login password 'hush'": "2: holds a password",
    "alter role a encrypted password $$hush$$": "1: holds a password",
    "create user mapping for a server s options (user 'u', password 'hush')": "1: holds a password",
    "alter user mapping for a server s options (set password 'hush')": "1: holds a password",
    "create server s foreign data wrapper w options (api_key 'hush')": "1: holds a password",
    "do $$ begin\nexecute 'create role x password ''hush'''; end $$": "2: holds a password",
    "alter subscription s connection 'host=db password=hush'": "1: holds a connection string",
    "select * from dblink('password=hush dbname=x', 'select 1') as t (a int)": "1: holds a connection string",
    "-- ask postgresql://me:hush@db/x\ncreate table t ()": "1: holds a connection string",
    "select f('Bearer eyJhbGciOiJI.eyJyb2xlIjoi.hush_hush')": "1: holds a key",
}
HARMLESS = """\
create role r password null;
create table users (password text not null check (password <> ''), host text);
comment on column users.password is 'host=x, and the password';
update users set password = 'x' where host = 'a' and password = 'y';
create function f(p text) returns void language plpgsql as $$ begin
  perform dblink_connect(format('host=db user=%I password=%s', p, p));
  perform dblink_connect('host=db password=' || p || ' user=me');
  execute 'alter role x password ' || quote_literal(p);
  execute format('alter role x password %L', p);
  raise exception 'no password '''; end $$;
create server s foreign data wrapper w options (host 'https://a.b:80/c@d', api_key_id 'x');
alter user mapping for r server s options (drop password);
"""


def test_secrets__are_refused_by_line_and_never_told() -> None:
    """Where the grammar has them, in bodies and in comments; what only looks like one is none."""
    for text, says in SECRET.items():
        (line,) = refused(text)
        assert line.startswith(f"a.sql:{says}"), (text, line)
        assert "hush" not in line
    assert len(clean(HARMLESS).kept) == 7


def test_standard_input__is_read_where_it_is_piped(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `-` always; without any source only if there is a pipe or a file."""
    status, said = new("dashed", "--sql", "-", stdin="create table t (a int)")
    assert (status, said["report"]["statements"][0]["file"]) == (0, "<stdin>")
    assert (project.root / "runbooks" / "dashed" / "source" / "stdin.sql").read_text() == "create table t (a int)"
    status, said = new("none", stdin="create table t (a int)")
    assert (status, said["error"]) == (2, "nothing to make a runbook of")
    monkeypatch.setattr("pgrunbook.cli.writing._piped", lambda: True)
    assert new("piped", stdin="create table t (a int)")[0] == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    with pytest.raises(errors.WrongUsage, match="<stdin>:1: is not UTF-8"):
        sources.of_files(["-"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing to make a runbook of"),
        (("--sql", "a", "--supabase", "b"), "--sql and --supabase: a runbook has one source"),
        (("--alembic", "a", "--from-audit", "b"), "--alembic and --from-audit: a runbook has one source"),
        (("--sql", "a", "--from", "1"), "--from is a version of --supabase"),
        (("--sql", "a", "--revision", "1:2"), "--alembic and --revision belong together"),
        (("--alembic", "a"), "--alembic and --revision belong together"),
        (("--sql", "a", "--finding", "x"), "--finding is one of an audit"),
        (("--from-audit", "a", "--down", "x"), "are for migrations"),
        (("--sql", "nowhere.sql"), "nowhere.sql: No such file or directory"),
        (("--sql", "-", "--target", "sandbox"), "a new runbook has no sandbox yet"),
        (("--sql", "-", "-"), "standard input can be read once only"),
        (("--sql", "-"), "there is no statement to migrate"),
        (("--alembic", "nowhere.ini", "--revision", "a:b"), "nowhere.ini: no such file"),
    ],
)  # fmt: skip
def test_words_that_make_no_sense__are_refused(project: Project, words: tuple[str, ...], says: str) -> None:
    """With exit status 2 and what to do; nothing is written."""
    status, said = new("name", *words, stdin="-- nothing\n")
    assert (status, said["verdict"]) == (2, "refused")
    assert says in said["error"]
    assert said["remedy"]
    assert list((project.root / "runbooks").iterdir()) == []


def test_mistake_that_the_reader_finds__is_told_where_it_stands_in_the_source(project: Project) -> None:
    """Not in a file that does not exist; nothing is left of it."""
    made = drafting.imported(
        "x", Source("s", (Text("a.sql", "create table t (a int);"), Text("b.sql", "\ncreate table t (b int);")))
    )
    with pytest.raises(errors.InvalidRunbook, match=r"b\.sql:2: .* made twice, first in a\.sql:1\n") as caught:
        made.write(project.root)
    assert "nothing was written" in caught.value.message
    assert list((project.root / "runbooks").iterdir()) == []


# -- there and back ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_statements")
def test_migration__becomes_a_runbook_that_goes_there_and_back(project: Project, database: Place) -> None:
    """Workload from the target's statistics, checks that fail before and pass after, and the same schema in the end."""
    database.run(
        "create extension pg_stat_statements",
        "create table calls (id int primary key, customer int, secret text)",
        "insert into calls select i, i % 50, 'x' || i from generate_series(1, 2000) i",
        "analyze calls",
        *["select id from calls where customer = 7 order by id"] * 3,
        "select count(*) from calls where secret = 'x4711'",
        "create table other (a int)",
        "select a from other where a = 1",
    )
    (project.root / "up.sql").write_text(UP)
    status, said = new("bring", "--sql", str(project.root / "up.sql"), "--target", database.target)
    assert status == 0, said
    assert [(r["line"], r["verdict"]) for r in said["report"]["statements"]] == [
        (1, "safe as written"), (2, "safe as written"), (3, "rewritten"),
    ]  # fmt: skip
    assert "CONCURRENTLY" in said["report"]["statements"][2]["why"]
    assert sorted(said["workload"]) == ["calls_by_customer", "calls_by_secret"]  # the dearest first, whichever it was
    folder = project.root / "runbooks" / "bring"
    written = "".join(p.read_text() for p in folder.rglob("*") if p.is_file())
    assert "4711" not in written
    loaded = runbook.load(project.root, "bring")
    assert loaded.about.live
    assert loaded.about.limits == Limits()
    assert [q.parameters for q in loaded.workload] == [("customer",), ("secret",)]
    with database.connect(read_only=True) as session:
        before = fingerprint.take(session, "pgrunbook")
    faults = {c.name: database.run(c.statements[-1].sql) for c in loaded.checks}
    assert sorted(faults) == [
        "columns_there",
        "index_public_calls_customer_valid",
        "index_public_customers_email_valid",
        "table_there",
    ]
    assert all(faults.values())
    run_id = project.forward("bring", database.target)
    assert not any(database.run(c.statements[-1].sql) for c in loaded.checks)
    project.stage("rollback", "bring", database.target, run_id=run_id)
    assert database.run("select to_regclass('public.customers'), to_regclass('public.calls_customer')") == [
        (None, None)
    ]
    with database.connect(read_only=True) as session:
        assert fingerprint.take(session, "pgrunbook") == before


def test_target_without_statistics__is_said(project: Project, database: Place) -> None:
    """The runbook has no workload then, and its report says why."""
    database.run("create table calls (id int primary key, customer int)")
    source = Source("s", (Text("a.sql", UP),))
    with database.connect(read_only=True) as session:
        found = drafting.imported("x", source, database=session)
        assert not found.draft.workload
        assert any("the extension pg_stat_statements is not in this database" in n for n in found.report.notes)
        other = drafting.imported("x", Source("s", (Text("a.sql", "create table t ()"),)), database=session)
        assert any("none of the tables" in n for n in other.report.notes)
    assert any("no target" in n for n in drafting.imported("x", source).report.notes)
