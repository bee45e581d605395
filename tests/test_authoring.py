"""Runbooks that are written by the library: readable, whole, valid, or not there at all."""

from __future__ import annotations

import pathlib
import random
import tomllib
from dataclasses import replace

import pytest

from fix_databases import Place
from fix_project import Project
from pgrunbook import authoring, errors, plan, rehearsal, runbook, sqlfile
from pgrunbook.authoring import Draft, DraftCheck, DraftQuery, DraftStatement, write
from pgrunbook.changes import ObjectOptions, RawSql
from pgrunbook.derived_checks import checks_of
from pgrunbook.description import CheckFront, ChecklistItem, Claim, Description, Limits, QueryFront

BINDS = {"common": "select a from t order by a */* one /* two */ */ 1 limit 1\n", "rare": "select 1 as a"}
DRAFT = Draft(
    name="made",
    about=Description(
        title='A "title" \\ of one',
        source="here",
        description="Long words. " * 30 + '\n\nA second paragraph, with a\ttab and """ three quotes.\n- a point\n',
        search_path=("public", 'Ünï "x"'),
        limits=Limits(rollback_s=12.5, samples=7),
        objects={"t.c": ObjectOptions(on_rollback="keep"), "statement_2": ObjectOptions(acknowledge_loss="worthless")},
        claims=(Claim(id="one", says="faster", metric="speedup", query="by_a", at_least=2),),
        checklist=(ChecklistItem(id="look", says="Look", person="at it\nand think"),),
    ),
    statements=(
        DraftStatement("alter table t add column c int", "why\n" + "a long reason " * 12),
        DraftStatement("cluster_all()".join(["select ", ""]), inverse=("select undo_one()", "select undo_two()")),
        DraftStatement("create index t_a on t (a) -- as it was"),
    ),
    workload=(DraftQuery("by_a", QueryFront(title="by a", binds=BINDS, weight=2), "select * from t where a = :'a'"),),
    checks=(DraftCheck("there", CheckFront(title="it is there */ still"), "select 1 where false;", "a reason"),),
    comment="at the head",
    files={"sandbox/schema.sql": "create table t (a int);"},
)


def test_written_runbook__reads_back_as_it_was_drafted(project: Project) -> None:
    """Every word of it, through the reader that reads what people write."""
    folder = write(project.root, DRAFT)
    assert folder == project.root / "runbooks" / "made"
    found = runbook.load(project.root, "made")
    assert found.about == DRAFT.about
    assert [c.kind for c in found.changes] == ["add_column", "raw_sql", "create_index"]
    assert [c.inverse for c in found.changes if isinstance(c, RawSql)] == [("select undo_one()", "select undo_two()")]
    (query,) = found.workload
    assert (query.title, query.weight, query.binds, query.parameters) == ("by a", 2, BINDS, ("a",))
    assert [c.title for c in found.checks] == ["it is there */ still"]
    assert found.changes[0].written.comments == (
        "-- at the head", "-- why", *sqlfile.split((folder / "migrate.sql").read_text())[0].comments[2:],
    )  # fmt: skip
    assert (folder / "sandbox" / "schema.sql").read_text() == "create table t (a int);"
    assert [p.name for p in (project.root / "runbooks").iterdir()] == ["made"]


def test_written_files__are_readable(project: Project) -> None:
    """No line is wider than a screen, strings of several lines stay so, and a key says what it is for."""
    folder = write(project.root, DRAFT)
    text = (folder / "runbook.toml").read_text()
    assert max(map(len, text.splitlines())) <= 120
    assert text.startswith('title = "A \\"title\\" \\\\ of one"\nsource = "here"\ndescription = """\nLong words. Long')
    assert "# true: rows change while it runs" in text
    assert "\n\n# what a person has to look at or do\n[[checklist]]\nid = " in text
    assert "rollback_s = 12.5\nsamples = 7\n" in text
    migrate = (folder / "migrate.sql").read_text()
    assert max(map(len, migrate.splitlines())) <= 120
    assert migrate.startswith("-- at the head\n\n-- why\n-- a long reason a long")
    assert "create index t_a on t (a) -- as it was\n;\n" in migrate
    assert (folder / "rollback.sql").read_text().startswith("-- undoes: statement_2\nselect undo_one();\n")


def test_any_text__survives_toml() -> None:
    """Quotes, backslashes, controls and long lines, on one line or several, inside a comment of SQL as well."""
    chance = random.Random(7)  # noqa: S311
    pieces = ['"', '"""', "\\", "\n", "\t", "\r", "\0", "\x7f", "ü", "*/", "/*", "#", " ", "a", "word " * 40, "{}"]
    for _ in range(400):
        text = "x" + "".join(chance.choices(pieces, k=chance.randrange(12)))
        front = QueryFront(title=text, binds={"common": text})
        assert tomllib.loads(authoring.toml(front)) == {"title": text, "binds": {"common": text}}
        written = authoring._with_front(front, "", "select 1")
        head = written.removeprefix("/*---").partition("---*/")[0]
        assert tomllib.loads(head) == {"title": text, "binds": {"common": text}}
        assert not {"*/", "/*"} & {head[n : n + 2] for n in range(len(head))}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("made", "there is a runbooks/made already"),
        ("audit", "the name audit is taken"),
        ("Postgres", "the name Postgres is taken"),
        ("../x", "can't be the name"),
        ("-x", "can't be the name"),
        ("", "can't be the name"),
        ("a" * 41, "can't be the name"),
    ],
)
def test_name_that_can_t_be_had__is_refused(project: Project, name: str, says: str) -> None:
    """Before anything is written, and with what to do."""
    project.runbook("made", "create index on t (a);")
    before = sorted(project.root.rglob("*"))
    with pytest.raises(errors.WrongUsage, match=says) as caught:
        write(project.root, replace(DRAFT, name=name))
    assert caught.value.remedy
    with pytest.raises(errors.WrongUsage, match=says):
        authoring.require_name(project.root, name)
    assert sorted(project.root.rglob("*")) == before


def test_draft_that_does_not_validate__leaves_nothing(project: Project) -> None:
    """Every mistake is told with the line where it would have stood."""
    wrong = replace(DRAFT, statements=(DraftStatement("drop database d"), DraftStatement("create index on t (a)")))
    with pytest.raises(errors.InvalidRunbook, match=r"nothing was written") as caught:
        write(project.root, wrong)
    assert "runbooks/made/migrate.sql:3: this DROPDB" in caught.value.message
    assert "objects.t.c" in caught.value.message
    assert caught.value.remedy.startswith("leave out or mend")
    assert list((project.root / "runbooks").iterdir()) == []


def test_writer_that_is_interrupted__leaves_no_runbook(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder appears at once, by being renamed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pathlib.Path, "rename", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(project.root, DRAFT)
    assert list((project.root / "runbooks").iterdir()) == []


def test_files_with_one_name__are_a_mistake_of_the_caller(project: Project) -> None:
    """So is a path that leads out of the folder."""
    check = DRAFT.checks[0]
    for wrong in (
        replace(DRAFT, checks=(check, check)),
        replace(DRAFT, checks=(replace(check, name="../x"),)),
        replace(DRAFT, files={"migrate.sql": ""}),
        replace(DRAFT, files={"../x": ""}),
        replace(DRAFT, files={"/tmp/x": ""}),  # noqa: S108
    ):
        with pytest.raises(ValueError, match="there twice"):
            write(project.root, wrong)
    assert list((project.root / "runbooks").iterdir()) == []


def test_runbook_without_a_sandbox__says_so_on_the_sandbox(project: Project) -> None:
    """It can't be rehearsed there, but on any target that holds the data."""
    write(project.root, replace(DRAFT, files={}))
    with pytest.raises(errors.WrongUsage, match=r"runbook made has no sandbox/schema\.sql") as caught:
        rehearsal.ensure(runbook.load(project.root, "made"))
    assert caught.value.remedy == "write it, or name a target that holds the data"


DERIVED = """
create index concurrently "Ünï i" on "Ünï"."a b" (a, "x y") include (z);
create index lowered on "Ünï"."a b" (lower(z));
drop index concurrently "Ünï".old;
alter policy "p'1" on "Ünï"."a b" using (z = (select current_setting('a.b', true)) and a = (select "Ünï".who()));
alter policy p2 on "Ünï"."a b" using (a = 1);
alter table "Ünï"."a b" add column n int;
"""


def test_derived_checks__fail_before_and_pass_after(project: Project, database: Place) -> None:
    """One an index and a policy that is wrapped; an invalid index, another's columns and a bare call are told."""
    database.run(
        'create schema "Ünï"',
        'create function "Ünï".who() returns int language sql stable as $$ select 1 $$',
        'create table "Ünï"."a b" (a int, "x y" int, z text)',
        'create index old on "Ünï"."a b" (z)',
        """create policy "p'1" on "Ünï"."a b" using (z = current_setting('a.b', true) and a = "Ünï".who())""",
        'create policy p2 on "Ünï"."a b" using (a > 1)',
    )
    statements = tuple(DraftStatement(s.sql) for s in sqlfile.split(DERIVED))
    draft = Draft("derived", Description(title="derived"), statements)
    write(project.root, draft)
    changes = runbook.load(project.root, "derived").changes
    checks = tuple(checks_of(changes))
    write(project.root, replace(draft, name="checked", checks=checks))
    loaded = runbook.load(project.root, "checked")

    def faults() -> dict[str, list[tuple]]:
        found = {c.name: database.run(c.statements[-1].sql) for c in loaded.checks}
        return {name: rows for name, rows in found.items() if rows}

    assert [c.name for c in checks] == [
        "index_n_n_i_valid", "index_n_lowered_valid", "index_n_old_gone", "policy_n_a_b_p_1_wrapped",
    ]  # fmt: skip
    before = faults()
    assert set(before) == {c.name for c in checks}
    assert [row[1] for row in before["policy_n_a_b_p_1_wrapped"]] == [
        "calls current_setting() for each row", "calls who() for each row",
    ]  # fmt: skip
    with database.connect() as main:
        database.run(*(s.sql for step in plan.make(loaded, main).steps for p in step.safe for s in p.statements))
    assert faults() == {}
    database.run('drop index "Ünï"."Ünï i"', 'create index "Ünï i" on "Ünï"."a b" ("x y", a) include (z)')
    assert "on other columns" in str(faults())
    database.run("""update pg_index set indisvalid = false where indexrelid = '"Ünï".lowered'::regclass""")
    assert "invalid" in str(faults()["index_n_lowered_valid"])
    database.run("""alter policy "p'1" on "Ünï"."a b" using ((select "Ünï".who()) = a or "Ünï".who() = a)""")
    assert [row[1] for row in faults()["policy_n_a_b_p_1_wrapped"]] == ["calls who() for each row"]
