"""A runbook's files: what is right becomes data, and every mistake is told in one pass, with file and line."""

from __future__ import annotations

import re

import pytest

from conftest import REPOSITORY
from fix_project import Project
from pgrunbook import errors, runbook
from pgrunbook.changes import RawSql

QUERY = '/*---\ntitle = "q"\n[binds]\ncommon = "select 1 as a"\n---*/\nselect :\'a\'::int;\n'
CHECK = '/*---\ntitle = "c"\n---*/\nselect 1 where false;\n'
NEITHER = "claims.0.id: needs either a metric or not_measurable with the reason"
PROBE = '/*---\ntitle = "p"\nwrites = true\n---*/\ndelete from t;\n'


def mistakes(project: Project, name: str = "wrong") -> list[str]:
    """The lines of the error that a runbook is refused with, without the folder."""
    with pytest.raises(errors.InvalidRunbook) as e:
        runbook.load(project.root, name)
    assert e.value.exit_status == 2
    assert e.value.remedy == f"mend them, then: pgrunbook show {name}"
    first, *rest = e.value.message.splitlines()
    assert first == f"runbook {name} does not validate, {len(rest)} mistake{'s' if len(rest) > 1 else ''}:"
    return [line.strip().removeprefix(f"runbooks/{name}/") for line in rest]


def only(project: Project, **files: str) -> str:
    """The one mistake of a runbook."""
    (mistake,) = mistakes(project, **files)
    return mistake


def test_many_mistakes__are_told_at_once_with_file_and_line(project: Project) -> None:
    """One of each sort, in all kinds of files; none hides another."""
    project.runbook(
        "wrong",
        """\
        create index t_a on t (a);
        -- a raw statement that nobody answers for
        alter table t
        cluster on t_b;
        create index t_a on t (b);
        alter system set work_mem = '1GB';
        """,
        toml='''\
        colour = "red"
        live = "no"

        [limits]
        rollback_s = -1

        [objects.t_missing]
        concurrently = false
        [objects.t_a]
        concurrently = "yes"

        [[claims]]
        id = "one"
        says = """
        id = "two"
        """
        metric = "speedup"
        query = "missing"
        at_least = 2

        [[claims]]
        id = "one"
        says = "twice the same id"
        metric = "warp"
        query = "gone"

        [[claims]]
        id = "three"
        says = "no number"
        metric = "index_mb"

        [[checklist]]
        id = "item"
        says = "x"
        probe = "reads"
        ''',
        files={
            "rollback.sql": "drop table x;\n-- undoes: statement_9\nselect 1;\n",
            "workload/broken.sql": '/*---\ntitle = "b"\n---*/\n\nselect from from t;\n',
            "workload/writes.sql": '/*---\ntitle = "w"\n---*/\nselect 1;\ndelete from t;\n',
            "workload/binds.sql": """\
                /*---
                title = "x"
                harmless = ["b"]
                [binds]
                some = '''
                select 1,
                '''
                rare = "delete from t"
                ---*/
                select :'a';
                """,
            "workload/empty.sql": '/*---\ntitle = "e"\n---*/\n-- nothing\n',
            "workload/front.sql": "/*---\ntitle = 1\nwieght = 2\n---*/\nselect 1;\n",
            "checks/reads.sql": CHECK,
            "checks/writes.sql": '/*---\ntitle = "c"\n---*/\nselect 1;\n\ndelete from t;\n',
            "checks/rival.sql": """\
                /*---
                title = "r"
                writes = true
                rival = '''
                select 1;
                selct 2;
                '''
                ---*/
                select 1;
                """,
        },
    )
    expected = [
        ("checks/rival.sql:6", "rival: syntax error at or near \"selct\""),
        ("checks/writes.sql:6", "writes; say `writes = true`"),
        ("migrate.sql:3", "this ALTER TABLE is of no known kind: write its inverse into rollback.sql below a comment"),
        ("migrate.sql:5", "t_a is made twice, first in line 1"),
        ("migrate.sql:6", "this ALTER SYSTEM can't run inside a transaction"),
        ("rollback.sql:1", "does not say what it undoes"),
        ("rollback.sql:3", "does not say what it undoes"),
        ("runbook.toml:2", "colour: unknown key"),
        ("runbook.toml:3", "live: input should be a valid boolean, not 'no'"),
        ("runbook.toml:6", "limits.rollback_s: input should be greater than 0, not -1"),
        ("runbook.toml:8", "objects.t_missing: migrate.sql makes no such object"),
        ("runbook.toml:11", "objects.t_a.concurrently: input should be a valid boolean, not 'yes'"),
        ("runbook.toml:19",
        "claims.0.query: no workload query 'missing'; there are: binds, broken, empty, front, writes"),
        ("runbook.toml:23", "claims.1.id: 'one' is there twice"),
        ("runbook.toml:25", "claims.1.metric: input should be 'query_ms_before',"),
        ("runbook.toml:26", "claims.1.query: no workload query 'gone'"),
        ("runbook.toml:29", "claims.2.id: needs at_least or at_most"),
        ("runbook.toml:36", "checklist.0.probe: no probe 'reads'; there are: rival"),
        ("workload/binds.sql:3", "harmless: the query has no parameter b"),
        ("workload/binds.sql:4", "binds.common: missing; it samples a"),
        ("workload/binds.sql:5", "binds.some: unknown; there are: common, rare, absent"),
        ("workload/binds.sql:7", "binds.some: syntax error at end of input"),
        ("workload/binds.sql:8", "binds.rare: has to be one query that only reads"),
        ("workload/broken.sql:5", "syntax error at or near \"from\""),
        ("workload/empty.sql", "holds no statement"),
        ("workload/front.sql:2", "title: input should be a valid string, not 1"),
        ("workload/front.sql:3", "wieght: unknown key"),
        ("workload/writes.sql:5", "writes or locks; a workload query only reads"),
    ]  # fmt: skip
    found = mistakes(project)
    assert [m.split(": ")[0] for m in found] == [place for place, _ in expected]
    for mistake, (place, text) in zip(found, expected, strict=True):
        assert mistake.startswith(f"{place}: {text}")


@pytest.mark.parametrize("name", runbook.names(REPOSITORY))
def test_a_shipped_runbook__validates(name: str) -> None:
    """What the repository ships is right, and has something to do and to measure."""
    found = runbook.load(REPOSITORY, name)
    assert found.changes
    assert found.workload


def test_names__lists_the_folders_with_a_runbook(project: Project) -> None:
    """A folder without runbook.toml is none."""
    project.runbook("b", "select 1")
    project.runbook("a", "select 1")
    (project.root / "runbooks" / "notes").mkdir()
    assert runbook.names(project.root) == ["a", "b"]


def test_an_unknown_name__is_refused_with_those_there_are(project: Project) -> None:
    """Nothing was tried: exit 2."""
    project.runbook("there", "select 1")
    with pytest.raises(errors.WrongUsage, match="no runbook 'their'; there are: there") as e:
        runbook.load(project.root, "their")
    assert e.value.exit_status == 2


@pytest.mark.parametrize(
    "name", ["../other", "..", ".", "", "/etc", "there/../there", "there\n", "there/", "-x", "x" * 41]
)
def test_a_name_that_is_a_path__is_no_runbook(project: Project, name: str) -> None:
    """A name can't lead out of runbooks/, whatever lies there."""
    (project.root / "other").mkdir()
    project.runbook("there", "create index i on t (a)")
    with pytest.raises(errors.WrongUsage, match="no runbook"):
        runbook.load(project.root, name)


def test_a_folder_with_nothing_in_it__lacks_both_files(project: Project) -> None:
    """The two files that every runbook has."""
    (project.root / "runbooks" / "wrong").mkdir()
    assert mistakes(project) == ["migrate.sql: is missing", "runbook.toml: is missing"]


def test_files_that_are_not_utf8__are_told_with_line(project: Project) -> None:
    """TOML and SQL alike; no replacement characters slip in."""
    folder = project.runbook("wrong", "select 1")
    (folder / "runbook.toml").write_bytes(b'title = "x"\nsource = "\xe9"\n')
    (folder / "migrate.sql").write_bytes(b"create index i on t (a);\n\n-- \xff\n")
    assert [re.sub(r" \(.*", "", m) for m in mistakes(project)] == [
        "migrate.sql:3: is not UTF-8",
        "runbook.toml:2: is not UTF-8",
    ]


def test_a_file_that_is_a_folder__is_told(project: Project) -> None:
    """No traceback."""
    folder = project.runbook("wrong", "create index i on t (a)")
    (folder / "workload" / "q.sql").mkdir(parents=True)
    assert only(project) == "workload/q.sql: can't be read: Is a directory"


def test_toml_that_is_none__names_its_line_and_hides_no_other_file(project: Project) -> None:
    """What can't be known without it (does it answer for the raw statement?) is not held against the rest."""
    project.runbook(
        "wrong", "update t set a = 1;", toml="live = false\nlive = true", files={"workload/q.sql": "select 1"}
    )
    assert [m[:40] for m in mistakes(project)] == [
        "runbook.toml:3: is no TOML: Cannot overw",
        "workload/q.sql:1: title: field required",
    ]


def test_options_that_are_right__count_beside_ones_that_are_wrong(project: Project) -> None:
    """An unknown key elsewhere does not make an answered statement unanswered."""
    toml = 'colour = 1\n[objects.statement_1]\nirreversible = "the old values are worthless"\nwhy = 1\n'
    project.runbook("wrong", "update t set a = 1;", toml=toml)
    assert mistakes(project) == [
        "runbook.toml:2: colour: unknown key",
        "runbook.toml:5: objects.statement_1.why: unknown key",
    ]


def test_migrate_that_does_not_parse__does_not_hide_rollback(project: Project) -> None:
    """Each file is read, whatever the others hold."""
    project.runbook("wrong", "create index", files={"rollback.sql": "-- undoes: statement_1\nselect (;"})
    assert [m.split(": ")[0] for m in mistakes(project)] == ["migrate.sql:1", "rollback.sql:2"]


@pytest.mark.parametrize(
    "statement",
    [
        "set search_path = x", "copy t from '/x'", "vacuum t", "alter system set a = 1",
        "create database x", "drop index concurrently i", "alter table t detach partition p concurrently",
    ],
)  # fmt: skip
def test_what_can_not_be_replayed__is_refused_on_both_ways(project: Project, statement: str) -> None:
    """On the way back it would fail when it is needed most."""
    toml = '[objects.statement_1]\nirreversible = "x"'
    project.runbook("wrong", f"{statement};", toml=toml)
    assert only(project).startswith("migrate.sql:1: this ")
    project.runbook("wrong", "update t set a = 1;", files={"rollback.sql": f"-- undoes: statement_1\n\n{statement};"})
    assert re.match(r"rollback.sql:3: (is decided by the plan|can't run inside)", only(project))


@pytest.mark.parametrize(
    ("migrate", "mistake"),
    [
        ("begin;\ncreate index i on t (a);", "1: begins a transaction that no COMMIT ends"),
        ("create index i on t (a);\ncommit;", "2: commits, and no BEGIN stands before it"),
        ("begin;\nbegin;\ncreate index i on t (a);\ncommit;", "2: begins a transaction inside that of line 1"),
        ("create index i on t (a);\nrollback;", "2: of the statements about transactions only BEGIN and COMMIT"),
        ("create index i on t (a);\nsavepoint s;", "2: of the statements about transactions only BEGIN and COMMIT"),
    ],
)
def test_transactions_that_can_not_be_followed__are_refused(project: Project, migrate: str, mistake: str) -> None:
    """BEGIN … COMMIT keeps statements together; half of one says nothing."""
    project.runbook("wrong", migrate)
    assert only(project).startswith(f"migrate.sql:{mistake}")


@pytest.mark.parametrize("statement", ["begin", "commit"])
def test_transactions_in_rollback_sql__are_refused(project: Project, statement: str) -> None:
    """What undoes one statement is one transaction anyway."""
    project.runbook("wrong", "update t set a = 1;", files={"rollback.sql": f"-- undoes: statement_1\n{statement};"})
    assert only(project).startswith("rollback.sql:2: is decided by the plan")


def test_rollback_sql__answers_for_statements_by_number(project: Project) -> None:
    """Several statements below one comment undo one statement; the order is kept."""
    project.runbook(
        "right",
        "create index i on t (a);\nupdate t set a = 1;\ncreate role r;",
        files={
            "rollback.sql": """\
                -- why
                -- undoes: statement_3
                drop owned by r;
                drop role r;
                /* x */ -- undoes: statement_2
                select 1;
                """
        },
    )
    _, second, third = runbook.load(project.root, "right").changes
    assert isinstance(second, RawSql)
    assert isinstance(third, RawSql)
    assert (second.inverse, third.inverse) == (("select 1",), ("drop owned by r", "drop role r"))


def test_a_runbook_that_is_right__is_data(project: Project) -> None:
    """Queries with their parameters, checks apart from probes, claims with their numbers."""
    project.runbook(
        "right",
        "create index i on t (a);",
        toml='[[claims]]\nid = "c"\nsays = "faster"\nmetric = "speedup"\nquery = "q"\nat_least = 2\n',
        files={"workload/q.sql": QUERY, "checks/c.sql": CHECK, "checks/p.sql": PROBE},
    )
    found = runbook.load(project.root, "right")
    assert found.query("q").parameters == ("a",)
    assert found.query("q").binds == {"common": "select 1 as a"}
    assert [c.name for c in found.checks] == ["c", "p"]
    assert [c.name for c in found.probes] == ["p"]
    assert (found.about.claims[0].at_least, found.about.search_path) == (2, ("public",))


def test_one_index_name_in_two_schemas__is_two_indexes(project: Project) -> None:
    """A name is unique within its schema only."""
    project.runbook("right", "create index i on a.t (x);\ncreate index i on b.t (x);")
    assert len(runbook.load(project.root, "right").changes) == 2


@pytest.mark.parametrize(
    ("claim", "mistake"),
    [
        ('metric = "speedup"\nat_least = 1', "claims.0.metric: speedup needs a query"),
        ('metric = "probes"', "claims.0.metric: probes needs checks"),
        ('metric = "probes"\nchecks = ["x"]', "claims.0.checks: no check 'x'; there are: none"),
        ("", "claims.0.id: needs either a metric or not_measurable with the reason"),
        (
            'metric = "rows_unchanged"\nnot_measurable = "x"',
            "claims.0.id: needs either a metric or not_measurable with the reason",
        ),
        (
            'metric = "rollback_seconds"\nat_most = 1',
            'claims.0.after: has to be "rollback": that is when it is measured',
        ),
        ('metric = "index_mb"\nat_most = "1"', "claims.0.at_most: input should be a valid number, not '1'"),
    ],
)
def test_a_claim_that_is_not_whole__says_what_it_needs(project: Project, claim: str, mistake: str) -> None:
    """One mistake a claim, and no second one that only follows from it."""
    project.runbook("wrong", "create index i on t (a);", toml=f'[[claims]]\nid = "c"\nsays = "s"\n{claim}\n')
    assert only(project).partition(": ")[2] == mistake


def test_project_root__is_found_upwards_or_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGRUNBOOK_ROOT goes before; a folder that is no project says so."""
    inner = project.root / "runbooks" / "x" / "y"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert runbook.project_root() == project.root
    monkeypatch.delenv("PGRUNBOOK_ROOT")
    assert runbook.project_root() == project.root
    monkeypatch.chdir("/")
    with pytest.raises(errors.WrongUsage, match="no runbooks/ and notebooks/ here or in a folder above"):
        runbook.project_root()
    monkeypatch.setenv("PGRUNBOOK_ROOT", "/nonexistent")
    with pytest.raises(errors.WrongUsage, match="a folder without runbooks/"):
        runbook.project_root()


def test_a_bad_runbook__touches_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before the target is asked: no connection, no folder of evidence."""
    project.runbook("wrong", "create index")
    monkeypatch.setenv("PGRB_NOWHERE", "host=/nonexistent")
    with pytest.raises(errors.InvalidRunbook):
        project.stage("baseline", "wrong", "env:PGRB_NOWHERE")
    assert not (project.root / "evidence").exists()
