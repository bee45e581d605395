"""The audit from end to end: what it finds and says of any database, and what it leaves alone."""

from __future__ import annotations

import contextlib
import json
import pathlib
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from fix_audit import counted
from psycopg.conninfo import make_conninfo

from fix_databases import Place, made, on_every_version
from fix_project import Project
from pgrunbook import audit, errors, fingerprint, headless, stages
from pgrunbook.audit import Lint, LintFront
from pgrunbook.findings import Verdict
from pgrunbook.stages import StageResult
from pgrunbook.stages import audit as stage
from pgrunbook.stages._base import Parameters

pytestmark = pytest.mark.usefixtures("few_statements")

PERSONAL = "swordfish"
SCHEMA = f"""
create extension pg_stat_statements;
create table org (id int primary key, name text);
insert into org select n, 'o' || n from generate_series(1, 50) n;
create table calls (
  id int primary key, org_id int references org on delete cascade, phone text, state text, note text,
  at timestamptz default now()
);
insert into calls select n, n % 50 + 1, n::text, '{PERSONAL}', null, now() - n * interval '1 hour'
  from generate_series(1, 12000) n;
create index calls_state on calls (state);
create index calls_state_too on calls (state);
alter table calls enable row level security;
create policy mine on calls for select using (org_id = current_setting('app.org', true)::int);

create schema "Ünï 1";
create table "Ünï 1"."a b" (id int primary key, "Für" int references org, "or""der" text);
insert into "Ünï 1"."a b" select n, n % 50 + 1, n::text from generate_series(1, 2000) n;

create table parts (id int, at date, org_id int references org) partition by range (at);
create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-02-01');
create table parts_2 partition of parts for values from ('2026-02-01') to ('2026-03-01');
insert into parts select n, '2026-01-10'::date + n % 40, n % 50 + 1 from generate_series(1, 3000) n;

create table base (id int primary key, org_id int references org);
create table heir (more text) inherits (base);
alter table heir add foreign key (org_id) references org;
insert into base select n, 1 from generate_series(1, 1500) n;
insert into heir select n, 2 from generate_series(1, 1500) n;

create table missed (id int, note text);
insert into missed select n, repeat('x', 50) from generate_series(1, 20000) n;
create table either (a int, b int, c text);
insert into either select n, 20000 - n, repeat('x', 50) from generate_series(1, 20000) n;
"""
EITHER = "select * from either where a = 5 or b = 7"
LOOK_UP = "select id, note from calls where phone = 'none'"
FOREIGN_KEYS = {
    "public.calls (org_id)", '"Ünï 1"."a b" ("Für")', "public.parts (org_id)", "public.base (org_id)",
    "public.heir (org_id)",
}  # fmt: skip


@dataclass(frozen=True)
class Audited:
    """An audit that ended: its result, and what it wrote."""

    result: StageResult
    folder: pathlib.Path

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "audit.json").read_text("utf-8"))

    @property
    def objects(self) -> dict[str, set[str]]:
        """What was found, by lint."""
        found: dict[str, set[str]] = {}
        for one in self.report["findings"]:
            found.setdefault(one["lint"], set()).add(one["object"])
        return found

    @property
    def not_seen(self) -> dict[str, str]:
        """What was not seen, and its remedy."""
        return {f"{n['what']}: {n['why']}": n["remedy"] for n in self.report["not_seen"]}


def audited(project: Project, target: str, runbook: str = "", **parameters: object) -> Audited:
    """Audit a target in this process."""
    result = project.stage("audit", runbook, target, **parameters)
    return Audited(result, project.root / "evidence" / (runbook or "audit") / result.run_id)


@contextlib.contextmanager
def as_role(monkeypatch: pytest.MonkeyPatch, place: Place, *grants: str) -> Iterator[str]:
    """A target that leads to a database as a role that holds these grants (`{role}`) and nothing else."""
    role = f"r_{secrets.token_hex(4)}"
    place.run(f"create role {role} login", *(grant.format(role=role) for grant in grants))
    monkeypatch.setenv(f"PGRB_{role.upper()}", make_conninfo(place.conninfo, user=role))
    yield f"env:PGRB_{role.upper()}"
    place.run(f"drop owned by {role}", f"drop role {role}")  # others of this server would see what it may read


@pytest.fixture(scope="module")
def shop(server: str) -> Iterator[Place]:
    """A database with faults of all kinds in tables of all kinds, and statements that ran."""
    with made(server) as place:
        place.run(SCHEMA, "analyze")
        counted(
            place,
            *[LOOK_UP] * 40,
            *[EITHER] * 20,
            *["select from missed where id = 1"] * 20,
            "select count(*) from calls where state = 'rare'",
        )
        yield place


def test_audit_of_any_database__reports_as_promised(project: Project, shop: Place) -> None:
    """audit.json has what DESIGN.md says, gravest first; a check a lint; folder and journal are the audit's own."""
    found = audited(project, shop.target)
    assert found.result.verdict is Verdict.PASSED
    assert {c.check for c in found.result.findings} == {lint.name for lint in audit.lints()}
    report = found.report
    assert list(report) == ["target", "findings", "not_seen"]
    assert report["target"] == shop.target
    for one in report["findings"]:
        assert {"id", "lint", "level", "object", "detail", "remedy"} <= one.keys()
        assert one["id"] == f"{one['lint']}:{one['object']}"
        assert one["remedy"]
        assert one["doubt"]
    assert all(set(n) == {"what", "why", "remedy"} for n in report["not_seen"])
    levels = [audit.LEVELS.index(one["level"]) for one in report["findings"]]
    assert levels == sorted(levels)
    objects = found.objects
    assert objects["filtered_without_index"] == {
        "public.calls (phone)", "public.either (a)", "public.either (b)", "public.missed (id)",
    }  # fmt: skip
    (twin,) = objects["index_duplicate"]  # the one of the two that the planner did not take
    assert twin in {"public.calls_state", "public.calls_state_too"}
    assert objects["policy_function_per_row"] == {"public.calls: mine"}
    events = [json.loads(line) for line in (found.folder / "journal.jsonl").read_text("utf-8").splitlines()]
    assert [e["part"] for e in events if e["event"] == "part_finished"] == stages._base.parts_of("audit")


def test_audit__names_tables_of_every_kind(project: Project, shop: Place) -> None:
    """Quoted and non-ASCII names, a partitioned table in the place of its partitions, parent and heir each."""
    with shop.connect(read_only=True) as session:
        keys = {f"{k.table} ({k.columns})" for k in session.fetch("audit_foreign_keys", stage.ForeignKey, most=99)}
        tables = {t.table: t for t in session.fetch("audit_tables", stage.TableSummary, most=99)}
    assert audited(project, shop.target).objects["fk_without_index"] == keys == FOREIGN_KEYS
    assert tables.keys() == {
        "public.org",
        "public.calls",
        '"Ünï 1"."a b"',
        "public.parts",
        "public.base",
        "public.heir",
        "public.missed",
        "public.either",
    }
    assert (tables["public.parts"].estimated_rows, tables["public.parts"].writes) == (3000, 3000)
    assert (tables["public.calls"].indexes, tables["public.calls"].never_read) == (3, 2)


@on_every_version
def test_audit_of_an_older_server__sees_as_much(project: Project, database: Place) -> None:
    """Every lint and table of the report runs on each version; what needs statements is looked at where they are."""
    database.run(SCHEMA, "analyze")
    found = audited(project, database.target)
    assert found.result.verdict is Verdict.PASSED
    assert found.objects["fk_without_index"] == FOREIGN_KEYS
    blind = {c.check for c in found.result.findings if c.verdict is Verdict.NOT_MEASURABLE}
    assert blind <= {lint.name for lint in audit.lints() if "statements" in lint.about.needs}
    with database.connect(read_only=True) as session:
        assert session.fetch("audit_index_coverage", stage.Coverage, most=9, statements="[]", predicates="[]") == []


def test_index_coverage__tells_which_index_serves_what_is_tested(database: Place, project: Project) -> None:
    """By leading columns: all, some, the order only, by a key, partial, none; unquoted where the names need no quotes."""
    database.run(
        "create extension pg_stat_statements",
        'create table t (id int primary key, a int, b int, c int, "D d" int, e int)',
        "create index t_a_b on t (a, b)", "create index t_c on t (c)", "create index t_d on t (\"D d\") where e is null",
    )  # fmt: skip
    counted(
        database, "select from t where b = 1 and a = 2", "select from t where a = 1 and b > 2 and c > 1",
        "select from t where a = 1 and c = 1 and e = 2", "select from t where id = 1 and e = 2",
        "select from t where e = 1 order by c", 'select from t where "D d" = 1 and e is null',
        "select from t where b = 1", "select from t order by c limit 1", "select from t where a = 5 order by b, c",
    )  # fmt: skip
    with database.connect(read_only=True) as session:
        known, predicates, _, _ = audit.statements.read(session)
        rows = session.fetch(
            "audit_index_coverage", stage.Coverage, most=99,
            statements=audit.as_json(known), predicates=audit.as_json(predicates),
        )  # fmt: skip
    assert {r.columns: (r.index, r.status) for r in rows} == {
        "a, b": ("t_a_b", "covered"),
        "a; range of b, c": ("t_a_b", "covered"),
        "a, c, e": ("t_c", "1 of 3 columns"),
        "id, e": ("t_pkey", "covered"),
        "e; in order of c": ("t_c", "gives the order only"),
        '"D d"': ("t_d (partial)", "covered"),
        "b": ("", "missing"),
        "in order of c": ("t_c", "covered"),
        "a; in order of b, c": ("t_a_b", "covered"),
    }


def test_audit_with_a_runbook__looks_at_its_target_with_its_settings(project: Project, shop: Place) -> None:
    """The runbook's search_path finds tables, its driver projects growth; the evidence lies in its folder."""
    project.runbook("small", "create index on calls (note);", '[audit]\ndriver = "org"\nlevels = [100, 5000]')
    session = stages.open_stage("audit", stage.AuditParameters(runbook="small", target=shop.target))
    stage.surroundings(session)
    assert stage.rehearsed(session) == "not on this target: what the statistics know is what its users did"
    known = stage.facts(session)
    growths, _ = stage.growths(session, known)
    (calls,) = [g for g in growths if g.table == "public.calls"]
    assert calls.at_100_users.startswith("24K")  # 240 calls for each of 50
    assert session.folder == project.root / "evidence" / "small" / session.run_id
    session.close()


def test_audit_without_pg_stat_statements__looks_at_the_rest(project: Project, database: Place) -> None:
    """It says what is missing and how to get it; lints of the workload are not measurable, all others look."""
    database.run("create table a (id int primary key)", "create table b (a int references a)")
    database.run("insert into a select 1", "insert into b select 1 from generate_series(1, 1200)", "analyze")
    found = audited(project, database.target)
    assert found.result.verdict is Verdict.PASSED
    assert found.objects["fk_without_index"] == {"public.b (a)"}
    why, remedy = next((w, r) for w, r in found.not_seen.items() if w.startswith("statements: "))
    assert "is not in this database" in why
    assert remedy == "create extension pg_stat_statements;"
    blind = {c.check for c in found.result.findings if c.verdict is Verdict.NOT_MEASURABLE}
    assert blind == {lint.name for lint in audit.lints() if "statements" in lint.about.needs}
    assert not (found.folder / "audit_statements.json").exists()


def test_audit_of_an_empty_database__finds_nothing(project: Project, database: Place) -> None:
    """No table at all, and no statement: no finding about either, and every table of the report says so."""
    found = audited(project, database.target)
    assert found.result.verdict is Verdict.PASSED
    assert found.objects.keys() <= {"connections", "cache_hits", "wraparound"}
    session = stages.open_stage("audit", stage.AuditParameters(runbook="", target=database.target))
    result = stage.Found((), (), ())
    assert stage.details(result) == "nothing was found"
    assert stage.actions(session, result) == "nothing to do"
    assert stage.tables(session, result) == stage.foreign_keys(session) == stage.row_security(session) == []
    session.close()


def test_audit_of_200_schemas__leaves_room_for_every_lint(project: Project, database: Place) -> None:
    """All are found; the notebook's tables take the heaviest of each lint and say how many are left."""
    database.run(
        """do $$ begin for n in 1..200 loop
          execute format('create schema s%s', n);
          execute format('create table s%s.a (id int primary key)', n);
          execute format('create table s%1$s.b (a int references s%1$s.a)', n);
        end loop; end $$"""
    )
    database.run("create index twin_1 on s7.b (a)", "create index twin_2 on s7.b (a)")
    session = stages.open_stage("audit", stage.AuditParameters(runbook="", target=database.target))
    result = stage.lints(session, stage.facts(session))
    assert len([f for f in result.findings if f.lint == "fk_without_index"]) == 199
    rows = stage.details(result)
    assert [r.evidence for r in rows if r.finding == "fk_without_index"] == ["179 more"]
    assert any(r.finding == "index_duplicate:s7.twin_2" for r in rows)
    assert [a.what for a in stage.actions(session, result) if "more" in a.what] == ["179 more, in audit.json"]
    session.close()


@pytest.mark.parametrize("can_read", [False, True])
def test_audit_as_a_role_that_sees_little__says_so_and_changes_nothing(
    project: Project, shop: Place, monkeypatch: pytest.MonkeyPatch, can_read: bool
) -> None:
    """A role without a right on anything, or one that may read; in a database that is read-only for it, and not ours."""
    grants = ("grant pg_read_all_data to {role}", "alter role {role} set default_transaction_read_only = on")
    with shop.connect(read_only=True) as session:
        before = fingerprint.objects(session, "pgrunbook")
    with as_role(monkeypatch, shop, *(grants if can_read else ())) as target:
        found = audited(project, target)
    assert found.result.verdict is Verdict.PASSED
    failed = {c.check: c.detail for c in found.result.findings if c.verdict is Verdict.NOT_MEASURABLE}
    assert failed.keys() <= {lint.name for lint in audit.lints() if "statements" in lint.about.needs}, failed
    hidden = [remedy for what, remedy in found.not_seen.items() if "belong to other roles" in what]
    assert hidden == ["grant pg_read_all_stats to the role that audits"]
    assert found.objects["fk_without_index"] == FOREIGN_KEYS  # the catalog is everybody's
    if not can_read:
        assert any(remedy.startswith("grant select on them") for remedy in found.not_seen.values()), found.not_seen
    with shop.connect(read_only=True) as session:
        assert fingerprint.objects(session, "pgrunbook") == before
        assert session.value("select pg_catalog.to_regnamespace('pgrunbook') is null")


def test_lint_that_fails_or_takes_too_long__fails_alone(
    project: Project, shop: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one is not touched, and the report says which one did not look, and why."""
    project.runbook("small", "create index on calls (note);", "[audit]\nlint_timeout_s = 1")
    about = LintFront(title="Broken", group="indexes", says="", mend="", doubt="")
    broken = [Lint("broken", about, b"select 1 / 0"), Lint("slow", about, b"select pg_catalog.pg_sleep(60)")]
    (sound,) = (one for one in audit.lints() if one.name == "fk_without_index")  # of all, some might take a second
    monkeypatch.setattr(audit, "lints", lambda: (*broken, sound))
    found = audited(project, shop.target, "small")
    assert found.result.verdict is Verdict.PASSED
    assert {c.check for c in found.result.findings if c.verdict is Verdict.NOT_MEASURABLE} == {"broken", "slow"}
    told = {f"{what}; {remedy}" for what, remedy in found.not_seen.items() if what.startswith("Broken")}
    assert any("division by zero" in text for text in told)
    assert any("longer than 1 s; raise audit.lint_timeout_s in runbook.toml" in text for text in told)
    assert found.objects["fk_without_index"] == FOREIGN_KEYS


def test_fail_on__fails_the_stage_and_keeps_the_report(project: Project, shop: Place) -> None:
    """At that level or a graver one, naming the lints; a level that nothing has passes."""
    with pytest.raises(errors.CheckFailed, match="fk_without_index") as caught:
        audited(project, shop.target, fail_on="routine", run_id="failing")
    assert caught.value.exit_status == 10
    assert json.loads((project.root / "evidence/audit/failing/audit.json").read_text("utf-8"))["findings"]


def test_since__tells_what_ran_between_two_audits(project: Project, database: Place) -> None:
    """Statements of before are not counted again; the report names the run that it counts from."""
    database.run("create extension pg_stat_statements", "create table t (a int, b int)")
    database.run("insert into t select n, n from generate_series(1, 2000) n", "analyze")
    counted(database, *["select from t where a = 1"] * 3)
    first = audited(project, database.target)
    counted(database, *["select from t where b = 1"] * 2)
    parameters = {"runbook": "", "target": database.target, "since": first.result.run_id}
    session = stages.open_stage("audit", stage.AuditParameters(**parameters))
    known = stage.facts(session)
    selects = {s["text"]: s["calls"] for s in known.statements if "from t" in s["text"]}
    assert selects == {"select from t where b = $1": 2}
    assert f"since the run {first.result.run_id}" in known.window
    session.close()


def test_two_audits_at_once__do_not_meet(project: Project, shop: Place) -> None:
    """Each has a run of its own and finds the same."""
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: audited(project, shop.target), range(2))
    assert one.result.run_id != other.result.run_id
    assert one.objects == other.objects


def test_audits_run__is_none_to_go_on_with(project: Project, shop: Place) -> None:
    """The stages of a change don't take it for theirs, and a headless run begins anew."""
    project.runbook("small", "create index on calls (note);")
    found = audited(project, shop.target, "small")
    common = Parameters(runbook="small", target=shop.target)
    assert stages.runs(project.root, common) == []
    with pytest.raises(errors.MissingForerunner):
        project.stage("migrate", "small", shop.target)
    run_id, passed = headless._take_up(project.root, common, ("baseline", "migrate"), {}, fresh=False)
    assert run_id != found.result.run_id
    assert passed == []


def test_evidence__holds_no_value(project: Project, shop: Place) -> None:
    """Neither a literal of a statement, of a utility statement as well, nor a value of a row."""
    counted(
        shop, f"do $$ begin perform '{PERSONAL}-do'; end $$", f"copy (select '{PERSONAL}-copy') to '/dev/null'",
        f"prepare p as select * from calls where phone = '{PERSONAL}-p'", f"select * from calls where phone = '{PERSONAL}'",
    )  # fmt: skip
    with pytest.raises(psycopg.Error):
        shop.run(f"select '{PERSONAL}-error'::int")
    found = audited(project, shop.target)
    files = [path for path in (project.root / "evidence").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {
        "journal.jsonl",
        "audit.json",
        "audit_statements.json",
        "audit_tables.json",
    }
    assert [path for path in files if PERSONAL in path.read_text("utf-8")] == []
    assert found.report["findings"]


WRONG = {
    "an unknown run": ({"since": "20260101T000000Z-abcd"}, "left no audit_statements.json"),
    "a path for a run": ({"since": "../elsewhere"}, "can't name a folder"),
    "the audited database to build in": ({"what_if": "{target}"}, "leads to the database that is audited"),
    "a clone elsewhere": ({"what_if": "clone"}, "sandbox only"),
    "no place to build in": ({"what_if": "env:PGRB_NOT_THERE"}, "PGRB_NOT_THERE"),
    "an unknown driver": ({"driver": "nobody"}, "there is no such table"),
    "no name for a driver": ({"driver": "a b; c"}, "driver"),
    "an unknown target": ({"target": "env:PGRB_NOT_THERE"}, "PGRB_NOT_THERE"),
    "the sandbox without a runbook": ({"target": "sandbox"}, "a database a runbook"),
    "an unknown runbook": ({"runbook": "nosuch"}, "no runbook"),
    "a connection string": ({"target": "host=db"}, "connection string"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_input__is_told_before_anything_is_looked_at(project: Project, shop: Place, what: str) -> None:
    """Exit 2, in one sentence and with a remedy; no lint ran."""
    given, says = WRONG[what]
    parameters = {"runbook": "", "target": shop.target} | {k: v.format(target=shop.target) for k, v in given.items()}
    with pytest.raises(errors.PgRunbookError, match=says) as caught:
        project.stage("audit", **parameters)
    assert caught.value.exit_status == 2
    assert caught.value.remedy
    assert list(project.root.rglob("audit.json")) == []


def test_since_a_run_on_another_database__is_refused(project: Project, shop: Place, database: Place) -> None:
    """Its counters say nothing of this one."""
    database.run("create extension pg_stat_statements")
    elsewhere = audited(project, database.target).result.run_id
    with pytest.raises(errors.WrongUsage, match="another database"):
        audited(project, shop.target, since=elsewhere)


def test_what_if__asks_on_a_copy_what_the_findings_are_about(project: Project, shop: Place, server: str) -> None:
    """Of the statements those that test the index's column. What the copy lacks is told, and ends nothing.

    The two sides of an OR are tried together, since neither index is of use alone.
    """
    with made(server) as copy:
        copy.run(SCHEMA, "drop table missed", "analyze")
        parameters = stage.AuditParameters(runbook="", target=shop.target, what_if=copy.target)
        session = stages.open_stage("audit", parameters)
        known = stage.facts(session)
        answers, _ = stage.what_if(session, known, stage.lints(session, known))
        session.close()
        assert copy.run("select count(*) from pg_index where indrelid = 'calls'::regclass") == [(3,)]
    told = {a.index.partition(" on ")[2]: a for a in answers}
    assert told["public.calls (phone)"].used
    assert told["public.calls (phone)"].plan_before.startswith("Seq Scan")
    assert told['"Ünï 1"."a b" ("Für")'].note == "no known statement tests its first column"
    assert (told["public.either (a)"].used, told["public.either (a)"].note) == (True, "with (b) as well")
    assert (told["public.either (b)"].used, told["public.either (b)"].note) == (True, "with (a) as well")
    assert told["public.missed (id)"].note.startswith("query ")
    assert "can't be asked" in told["public.missed (id)"].note
