"""What holds for every lint there is: its front matter, its columns, and that it runs wherever it is asked to."""

from __future__ import annotations

import re

import pytest
from fix_audit import NO_FACTS, stranger

from fix_databases import Place, made, on_every_version
from pgrunbook import sqlfile
from pgrunbook.audit import GROUPS, LEVELS, Facts, Finding, lints, look
from pgrunbook.db import Database

COLUMNS = ["object", "relation", "level", "detail", "remedy", "advice", "doubt", "weight"]
TEXT, FLOAT8 = 25, 701
ALL_FACTS = Facts(statements=[], policies=[], growth=[])
PARAMETERS = dict.fromkeys(("statements", "predicates", "policies", "growth"), "[]")
# something for many lints to find, with names that have to be quoted
SCHEMA = """
create schema "Ünï"; create schema pgrunbook;
create table "Ünï"."a b" (id int primary key, "x y" int references "Ünï"."a b", ok bool, z text);
create table pgrunbook.run (id int primary key, a int references pgrunbook.run); create index on pgrunbook.run (a);
create index on pgrunbook.run (a);
create index i1 on "Ünï"."a b" (ok); create index "i 2" on "Ünï"."a b" (ok); create index i3 on "Ünï"."a b" (ok, id);
create index i4 on "Ünï"."a b" (z);
insert into "Ünï"."a b" (id, ok) select i, i % 2 = 0 from generate_series(1, 10000) i;
update "Ünï"."a b" set ok = not ok where id <= 2000;
create table "Ünï".parts (id int, a int references "Ünï"."a b") partition by range (id);
create table "Ünï".part partition of "Ünï".parts for values from (0) to (10);
create index on only "Ünï".parts (a);
alter table "Ünï"."a b" enable row level security; create policy "p 1" on "Ünï".parts using (true);
"""


@pytest.fixture(scope="module")
def faulty(server: str) -> Place:
    """A database in which many lints find something."""
    with made(server) as place:
        place.run(SCHEMA, "analyze")
        yield place


def everything(session: Database, facts: Facts) -> list[Finding]:
    """The findings of all lints; one that fails, fails the test."""
    looked = list(look(session, lints(), facts, timeout_s=30))
    assert {one.lint.name: one.failed for one in looked if one.failed} == {}
    return [finding for one in looked for finding in one.findings]


def test_lint__has_a_complete_front_matter() -> None:
    """Each says what it finds, how that is mended and when it is wrong, and has a comment on its method."""
    for lint in lints():
        about, sql = lint.about, lint.sql.decode()
        assert re.fullmatch(r"[a-z][a-z0-9_]+", lint.name), lint.name
        assert about.group in GROUPS, lint.name
        assert about.title == about.title.strip().rstrip("."), lint.name
        for words, least in ((about.title, 5), (about.says, 60), (about.mend, 15), (about.doubt, 20)):
            assert len(words.strip()) >= least, f"{lint.name}: {words!r}"
        assert sql.startswith("--"), f"{lint.name} has no comment on its method"
        assert sql.splitlines()[-1].endswith("order by 8 desc, 1"), lint.name


def test_lints__have_titles_of_their_own() -> None:
    """A title names one lint."""
    titles = [lint.about.title for lint in lints()]
    assert len(set(titles)) == len(titles)


def test_lint__says_once_what_it_leaves_out() -> None:
    """The catalogs, the ledger and what belongs to extensions are left out in one place of each file."""
    for lint in lints():
        assert lint.sql.count(b"'pgrunbook'") <= 1, lint.name


def test_lint__names_functions_and_catalogs_in_full() -> None:
    """No search_path of the server leads a lint to a function of somebody else's."""
    for lint in lints():
        code = re.sub(r"--.*|'(?:[^']|'')*'", "", lint.sql.decode())
        bare = re.findall(r"(?<![.\w])(?:pg_\w+|format|to_char|string_agg|unnest|jsonb_to_recordset)\s*\(", code)
        assert bare == [], f"{lint.name}: {bare}"


@on_every_version
def test_lint__returns_the_eight_columns_on_an_empty_database(database: Place) -> None:
    """Names, order and types are those of all lints; what remains to be found there is not about any table."""
    with database.session(options="-c jit=off") as session:  # as the audit looks
        for lint in lints():
            wanted = {name: text for name, text in PARAMETERS.items() if f"%({name})s" in lint.sql.decode()}
            rows = session.execute(lint.sql, wanted)
            assert [column.name for column in rows.description or ()] == COLUMNS, lint.name
            types = [column.type_code for column in rows.description or ()]
            assert types == [TEXT] * 7 + [FLOAT8], f"{lint.name}: {types}"
            assert [row for row in rows if row[1]] == [], lint.name


@on_every_version
def test_lint__runs_as_a_role_without_any_privilege(database: Place) -> None:
    """Who may see nothing gets no error; each runs in a read-only transaction."""
    database.run(SCHEMA)
    with stranger(database) as session:
        everything(session, ALL_FACTS)


def test_lint__without_its_facts_is_told_as_not_looked(database: Place) -> None:
    """What could not be read is said, never taken for none."""
    with database.connect(read_only=True) as session:
        for one in look(session, lints(), NO_FACTS, timeout_s=30):
            assert bool(one.lint.about.needs) == bool(one.failed), one.lint.name


def test_findings__are_complete_and_have_ids_of_their_own(faulty: Place) -> None:
    """Each has its evidence and a way to mend it, and its statements can be parsed."""
    with faulty.connect(read_only=True) as session:
        findings = everything(session, ALL_FACTS)
    assert len({finding.lint for finding in findings}) >= 6
    ids = [finding.id for finding in findings]
    assert sorted(ids) == sorted(set(ids))
    for finding in findings:
        assert finding.level in LEVELS
        assert finding.detail.strip(), finding
        assert finding.doubt.strip(), finding
        assert finding.remedy or finding.advice, finding
        if finding.remedy:
            assert finding.remedy.rstrip().endswith(";"), finding
            assert sqlfile.split(finding.remedy), finding


def test_findings__leave_out_the_ledger(faulty: Place) -> None:
    """What this program keeps in the database is no fault of the database."""
    with faulty.connect(read_only=True) as session:
        assert [f.object for f in everything(session, ALL_FACTS) if f.object.startswith("pgrunbook.")] == []
