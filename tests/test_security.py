"""Who reaches which rows, how often policies run and who may use what: tried on a real server, as the roles themselves."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fix_databases import Place, made
from fix_project import Project
from pgrunbook import errors, runbook
from pgrunbook.db import Database
from pgrunbook.description import COMMANDS, Actor, Command, Expectation, VisibleTable
from pgrunbook.findings import Check, Verdict
from pgrunbook.measure import cpu, evaluations, exposure, sampling, visibility, workload
from pgrunbook.measure.visibility import Access, Person, Probe, Rows
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.stages import _security
from pgrunbook.stages._measuring import BINDS

ROLES = """
do $$
declare
    wanted text;
begin
    foreach wanted in array array['pgrb_member', 'pgrb_visitor', 'pgrb_service', 'PGRB "odd"'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
    end loop;
    if not exists (select from pg_roles where rolname = 'pgrb_poor') then
        create role pgrb_poor login;
    end if;
    alter role pgrb_service bypassrls;
end
$$
"""
# 30 notes of three organisations and two of nobody; person 1 belongs to organisation 1, person 4 to both 1 and 2
TABLES = [
    ROLES,
    "create table people (id int, org int, primary key (id, org))",
    "insert into people values (1, 1), (2, 2), (3, 3), (4, 1), (4, 2)",
    "create table notes (id int primary key, org int, body text not null)",
    "insert into notes select i, nullif(i % 16, 0) % 3 + 1, 'x' from generate_series(1, 32) i",
    "create function uid() returns int language sql stable as"
    " $$ select (nullif(current_setting('app.claims', true), '')::json ->> 'sub')::int $$",
    "create function my_orgs() returns setof int language sql stable security definer set search_path = '' as"
    " $$ select p.org from public.people p where p.id = public.uid() $$",
    "create function in_mine(o int) returns bool language sql stable security definer set search_path = '' as"
    " $$ select exists (select from public.people p where p.id = public.uid() and p.org = o) $$",
    "create function is_me(i int) returns bool language sql stable as $$ select i * 2 = uid() * 2 $$",
    "create function slow_uid() returns int language plpgsql stable as 'begin return uid(); end'",
    "grant select on people to pgrb_member, pgrb_visitor, pgrb_service",
    "grant all on notes to pgrb_member, pgrb_service",
    "grant select on notes to pgrb_visitor",
    "alter table notes enable row level security",
    "vacuum analyze",
]
BARE = "create policy reads on notes for select using (uid() in (select p.id from people p where p.org = notes.org))"
ONCE = [
    "drop policy reads on notes",
    "create policy reads on notes for select using (org in (select my_orgs()))",
    "create policy makes on notes for insert with check (org in (select my_orgs()))",
    "create policy changes on notes for update using (org in (select my_orgs()))",
    "create policy takes on notes for delete using (org in (select my_orgs()))",
]
NOTES = VisibleTable(
    table="notes", tenant="org", insert="insert into notes (id, org, body) values (99, :'tenant', 'new')"
)
MEMBER = Actor(id="member", role="pgrb_member", sampled="select '{\"sub\": 4}' as claims, array['1', '2'] as tenants")
VISITOR = Actor(id="visitor", role="pgrb_visitor")
SERVICE = Actor(id="service", role="pgrb_service", bypasses=True)
NOW = datetime(2025, 1, 2, tzinfo=UTC)
PEOPLE = {
    "member": Person("member", '{"sub": 4}', ("1", "2")),
    "visitor": Person("visitor"),
    "service": Person("service"),
}


@pytest.fixture(scope="module")
def place(server: str) -> Iterator[Place]:
    """A database with the notes, their functions and no policy."""
    with made(server) as found:
        found.run(*TABLES)
        yield found


@pytest.fixture
def db(place: Place) -> Iterator[Database]:
    """A session of which nothing is left: what a test makes and what a probe tries are rolled back together."""
    with place.connect(settings=visibility.ISOLATED) as opened, opened.transaction(rollback=True):
        yield opened


def reach(
    db: Database,
    actor: Actor = MEMBER,
    table: VisibleTable = NOTES,
    *,
    expect: dict[Command, Expectation] | None = None,
    phase: visibility.Phase = "after",
    may_write: bool = True,
    person: Person | None = None,
) -> dict[str, Access]:
    """What an actor can do with the notes now, by command; "move" included."""
    probe = Probe(
        db,
        actor,
        person or PEOPLE[actor.id],
        table,
        setting="app.claims",
        timeout_s=10,
        may_write=may_write,
        show_rows=True,
    )
    return {a.command: a for a in [*probe.commands(expect or {}, phase), probe.move()]}


def shown(found: dict[str, Access]) -> dict[str, str]:
    """As the matrix shows it."""
    return {command: access.shown for command, access in found.items()}


def state(db: Database) -> object:
    """The notes as they are."""
    return db.value("select md5(string_agg(n::text, ',' order by id)) from notes n")


# -- the rows that somebody reaches ------------------------------------------------------------------------------


def test_a_member__reaches_the_rows_of_its_organisations(db: Database) -> None:
    """All by its policies; another one's row it can't make; and nothing is left of what was tried."""
    for statement in (BARE, *ONCE):
        db.execute(statement)
    before = state(db)
    found = reach(db)
    own = db.value("select count(*) from notes where org in (1, 2)")
    assert shown(found) == dict.fromkeys(("select", "update", "delete"), str(own)) | {"insert": "own", "move": "0"}
    assert found["select"].rows.same(found["delete"].rows)
    assert found["select"].rows.same(found["update"].rows)
    assert [a.rows.foreign for a in found.values()] == [0, 0, 0, 0, 0]
    assert state(db) == before


def test_without_policies__nobody_reaches_anything_but_who_bypasses(db: Database) -> None:
    """Row security is on and no policy lets anybody in; BYPASSRLS does not ask."""
    assert shown(reach(db)) == {"select": "0", "insert": "none", "update": "0", "delete": "0", "move": "0"}
    found = reach(db, SERVICE)
    assert [found[c].rows.count for c in ("select", "update", "delete")] == [32, 32, 32]
    assert found["insert"].shown == "foreign"


def test_a_command_that_privileges_refuse__is_the_empty_set(db: Database) -> None:
    """Told with the server's words."""
    db.execute("create policy all_of_them on notes using (true)")
    found = reach(db, VISITOR)
    assert shown(found) == {"select": "32", "insert": "none", "update": "0", "delete": "0", "move": "0"}
    for command in ("insert", "update", "delete"):
        assert "permission denied for table notes" in found[command].refused
    db.execute("revoke execute on function my_orgs() from public")
    db.execute("drop policy all_of_them on notes")
    db.execute("create policy p on notes using (org in (select my_orgs()))")
    found = reach(db)
    assert (found["select"].rows, found["insert"].shown) == (Rows(), "none")
    assert "permission denied for function my_orgs" in found["select"].refused


def test_a_column_that_alone_may_be_updated__is_the_way_in(db: Database) -> None:
    """The tenant's column is refused, which is no proof that the row is safe."""
    db.execute("create policy all_of_them on notes using (true)")
    db.execute("grant update (body) on notes to pgrb_visitor")
    assert shown(reach(db, VISITOR))["update"] == "32"


@pytest.mark.parametrize(
    ("policies", "command", "foreign"),
    [
        (["for select using (true)"], "select", 10),
        # what can't be read can be taken: a DELETE without WHERE asks for no SELECT policy
        (["for delete using (true)"], "delete", 10),
        (["for select using (true)", "for update using (true)"], "update", 10),
        (["for insert with check (true)"], "insert", 1),
        # taken over unread
        (["for update using (true) with check (org = 1)"], "move", 10),
        # given away
        (["for select using (true)", "for update using (org = 1) with check (true)"], "move", 10),
        (["for update using (org = 2) with check (org is not null)"], "move", 10),
    ],
)
def test_a_hole_between_tenants__is_found(db: Database, policies: list[str], command: str, foreign: int) -> None:
    """By each command, and by rows that change hands."""
    for number, text in enumerate(policies):
        db.execute(f"create policy p{number} on notes {text}")
    found = reach(db)
    assert found[command].rows.foreign == foreign
    check = _security._across(MEMBER, NOTES, found)
    assert (check.verdict, check.gates) == (Verdict.FAILED, True)
    assert command in check.measured
    assert _security._across(replace_actor(bypasses=True), NOTES, found).verdict is Verdict.PASSED


def replace_actor(**changed: object) -> Actor:
    """The member, but for this."""
    return MEMBER.model_copy(update=changed)


def test_foreign_rows_that_are_seen__are_named_on_the_sandbox(db: Database) -> None:
    """A few keys; those of nobody are not foreign."""
    db.execute("create policy p on notes for select using (org = 3 or org is null)")
    found = reach(db, expect={"select": expectation(after="org is null")})
    assert found["select"].rows.foreign == 10
    assert len(found["select"].examples) == 3
    third = {str(i) for (i,) in db.rows("select id from notes where org = 3")}
    assert set(found["select"].examples) <= third


@pytest.mark.parametrize(
    ("change", "command", "message"),
    [
        ("alter table notes alter body drop not null, add check (id < 90)", "insert", "violates check constraint"),
        (
            "alter table notes alter body drop default, add extra int not null default 0;;alter table notes alter extra drop default",
            "insert",
            "null value in",
        ),
        (
            "create table answers (note int references notes);;insert into answers values (3)",
            "delete",
            "violates foreign key constraint",
        ),
        (
            "create function no() returns trigger language plpgsql as 'begin raise ''not today''; end';;"
            "create trigger no before update on notes for each row execute function no()",
            "update",
            "not today",
        ),
    ],
)
def test_a_command_that_fails_for_another_reason__is_not_measurable(
    db: Database, change: str, command: str, message: str
) -> None:
    """With the server's words; a constraint is no policy."""
    for statement in (BARE, *ONCE):
        db.execute(statement)
    for statement in change.split(";;"):
        db.execute(statement)
    found = reach(db)
    for name, access in found.items():
        if name == command:
            assert (access.rows, access.shown) == (None, "not measurable")
            assert message in access.detail
    assert found["select"].rows is not None


def test_words_that_may_quote_a_claim__are_kept_back_off_the_sandbox(db: Database) -> None:
    """A number that is none, in the server's error: the claim itself."""
    db.execute("create policy p on notes for select using (uid() = id)")
    person = Person("member", '{"sub": "ann@example.org"}', ("1",))
    for show_rows in (True, False):
        probe = Probe(
            db, MEMBER, person, NOTES, setting="app.claims", timeout_s=10, may_write=False, show_rows=show_rows
        )
        (found, *_) = probe.commands({}, "after")
        assert (found.rows, "ann@example.org" in found.detail) == (None, show_rows)


def test_a_row_that_fails_with_check__makes_an_update_not_measurable(db: Database) -> None:
    """It is refused as a whole, though other rows might pass: no empty set is made of that."""
    db.execute("create policy s on notes for select using (true)")
    db.execute("create policy u on notes for update using (true) with check (org = 1)")
    found = reach(db)
    assert found["update"].rows is None
    assert "row-level security" in found["update"].detail


def test_without_leave_to_write__only_reading_is_tried(db: Database) -> None:
    """As on a real system without production = true."""
    found = reach(db, may_write=False)
    assert shown(found) == {"select": "0"} | dict.fromkeys(("insert", "update", "delete", "move"), "not run")
    assert "production = true" in found["delete"].detail


def test_a_role_that_can_not_see_all__makes_the_declared_rows_not_measurable(place: Place) -> None:
    """Rather than too few: row_security = off is an error for it."""
    place.run("grant select on notes, people to pgrb_poor", "grant pgrb_member to pgrb_poor")
    with place.connect(settings=visibility.ISOLATED) as session, session.transaction(rollback=True):
        session.execute("set local role pgrb_poor")
        session.execute("set local row_security = off")
        probe = Probe(
            session,
            MEMBER,
            PEOPLE["member"],
            NOTES,
            setting="app.claims",
            timeout_s=10,
            may_write=False,
            show_rows=True,
        )
        (found, *_) = probe.commands({"select": expectation()}, "after")
    place.run("revoke all on notes, people from pgrb_poor", "revoke pgrb_member from pgrb_poor")
    assert found.rows is None
    assert "the declared rows: " in found.detail
    assert "row-level security" in found.detail


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("nowhere", "there is no such table"),
        ("keyless", "it has no primary key"),
        ("people", "it has no column org_id"),
    ],
)
def test_a_table_that_can_not_be_compared__is_refused(db: Database, table: str, message: str) -> None:
    """Its rows have to have names, and tenants."""
    db.execute("create table keyless (org_id int)")
    with pytest.raises(errors.WrongUsage, match=message):
        reach(db, table=VisibleTable(table=table, tenant="org_id"))


def test_a_composite_key_that_holds_the_tenant__is_compared(db: Database) -> None:
    """Under any name."""
    db.execute('create table "Odd table" ("Org" int, "my id" int, primary key ("Org", "my id"))')
    db.execute('insert into "Odd table" select o, 10 * o + i from generate_series(1, 3) o, generate_series(1, 5) i')
    db.execute('grant all on "Odd table" to pgrb_member')
    db.execute('alter table "Odd table" enable row level security')
    db.execute('create policy p on "Odd table" using ("Org" in (select my_orgs()))')
    table = VisibleTable(table='"Odd table"', tenant="Org", insert="insert into \"Odd table\" values (:'tenant', 9)")
    declared = expectation(after='"Odd table"."Org"::text = any(:tenants)')
    found = reach(db, table=table, expect=dict.fromkeys(("select", "update", "delete"), declared))
    assert shown(found) == {"select": "10", "insert": "own", "update": "10", "delete": "10", "move": "0"}
    assert all(found[c].declared.same(found[c].rows) for c in ("select", "update", "delete"))


def test_an_access__survives_its_file(db: Database) -> None:
    """As JSON and back."""
    for access in reach(db, expect={"select": expectation()}).values():
        assert Access.from_json(json.loads(json.dumps(access.as_json()))) == access


# -- who is asked for --------------------------------------------------------------------------------------------


def test_an_actor__is_sampled_with_claims_and_tenants(db: Database) -> None:
    """One that has no query has neither."""
    assert visibility.sample(db, MEMBER, 10) == PEOPLE["member"]
    assert visibility.sample(db, VISITOR, 10) == PEOPLE["visitor"]
    with pytest.raises(errors.CheckFailed, match=r"visibility\.actors member: its query found nobody"):
        visibility.sample(db, replace_actor(sampled="select '' as claims, '{}' as tenants where false"), 10)


def test_an_actor__does_not_show_its_claims() -> None:
    """Wherever it is written by itself."""
    assert "sub" not in repr(PEOPLE["member"])


def test_a_role_that_is_not_there__is_an_error_with_file_and_remedy(db: Database, project: Project) -> None:
    """Of a query as of an actor."""
    with pytest.raises(errors.BadTarget, match=r"runbook\.toml: visibility\.actors member: there is no role 'nobody'"):
        visibility.sample(db, replace_actor(role="nobody"), 10)
    asked = query(project, "select 1", 'role = "nobody"')
    with pytest.raises(errors.BadTarget, match=r"workload/q\.sql: there is no role 'nobody'") as e:
        sampling.measure(db, asked, [BindSet("x", {})], [""], 10)
    assert "create role nobody" in e.value.remedy


def test_a_role_that_may_not_be_assumed__is_an_error_with_the_grant(place: Place, project: Project) -> None:
    """Its name is quoted there."""
    asked = query(project, "select 1", "role = 'PGRB \"odd\"'")
    poor = replace(place, conninfo=f"{place.conninfo} user=pgrb_poor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(place.target.removeprefix("env:"), poor.conninfo)
        with place.connect() as session, pytest.raises(errors.BadTarget, match="pgrb_poor may not run") as e:
            sampling.measure(session, asked, [BindSet("x", {})], [""], 10)
    assert e.value.remedy == 'grant "PGRB ""odd""" to pgrb_poor'


# -- judging -----------------------------------------------------------------------------------------------------


def expectation(before: str = "false", after: str = "org::text = any(:tenants)") -> Expectation:
    """One declared difference."""
    return Expectation(tables=("notes",), actors=("member",), commands=("select",), before=before, after=after)


def access(count: int, digest: str = "", declared: Rows | None = None, **rest: object) -> Access:
    """A set of rows that was seen."""
    return Access("member", "notes", "select", Rows(count, digest or str(count)), declared=declared, **rest)


class _Quiet:
    """As much of a session as judging asks for."""

    is_rehearsal = True


def judged(before: Access, after: Access, expected: Expectation | None = None) -> Check:
    """The check of two sets."""
    return _security._judge(_Quiet, before, after, expected)


def test_what_is_not_declared__has_to_be_as_before() -> None:
    """As many rows, and the same ones."""
    same, other, more = (judged(access(5), access(*rows)) for rows in ((5,), (5, "77"), (6,)))
    assert (same.verdict, same.measured, same.claimed) == (Verdict.PASSED, "5", "as before")
    assert (other.verdict, other.detail) == (Verdict.FAILED, "as many, but other rows than before")
    assert (more.verdict, more.measured, more.gates) == (Verdict.FAILED, "5 → 6", True)


def test_what_is_declared__has_to_hold_before_and_after() -> None:
    """A difference that is declared and not there fails as well."""
    none, five = Rows(), Rows(5, "5")
    right = judged(access(0, "0", none), access(5, "", five), expectation())
    assert (right.verdict, right.measured) == (Verdict.PASSED, "0 → 5")
    early = judged(access(5, "", none), access(5, "", five), expectation())
    assert (early.verdict, early.detail) == (Verdict.FAILED, "before: 5, not 0 as declared")
    missing = judged(access(0, "0", none), access(0, "0", five), expectation())
    assert (missing.verdict, missing.detail) == (Verdict.FAILED, "after: 0, not 5 as declared")


def test_what_could_not_be_measured__never_passes() -> None:
    """Nor fails: it says why."""
    found = judged(access(5), replace(access(5), rows=None, detail="a lock was not had"))
    assert (found.verdict, found.detail) == (Verdict.NOT_MEASURABLE, "after: a lock was not had")
    across = _security._across(MEMBER, NOTES, {"select": access(0), "delete": replace(access(0), rows=None)})
    assert (across.verdict, across.measured) == (Verdict.NOT_MEASURABLE, "none")


# -- queries with a role -----------------------------------------------------------------------------------------


def query(project: Project, text: str, front: str = "", binds: str = "") -> Query:
    """A workload query, read from a runbook's file."""
    head = f'/*---\ntitle = "q"\n{front}\n[binds]\n{binds}\n---*/\n'
    project.runbook("r", "create index i on t (a)", files={"workload/q.sql": head + text})
    return runbook.load(project.root, "r").query("q")


AS_MEMBER = 'role = "pgrb_member"\nsettings = {"app.claims" = "claims"}'
SUBS = """common = "select '{\\"sub\\": ' || i || '}' as claims, 0 as low from generate_series(1, 4) i order by i" """


def test_a_query_with_a_role__sees_what_that_role_sees(project: Project, place: Place) -> None:
    """On whose behalf its settings say; the bind column is no parameter of the query."""
    asked = query(project, "select id from notes where id > :low::int", AS_MEMBER, SUBS)
    place.run(BARE)
    with place.connect() as session:
        sets = workload.sample_binds(session, asked, NOW, 10)
        assert [set(s.values) for s in sets] == [{"claims", "low"}] * 4
        samples = sampling.measure(session, asked, sets, [s.shown((), b"k") for s in sets], 10, samples=2)
        rows = [session.value(f"select count(*) from notes where org in ({o})") for o in ("1", "2", "3", "1, 2")]
        assert session.value("select current_user = session_user") is True
    place.run("drop policy reads on notes")
    assert [s.rows for s in samples] == rows
    assert all(len(s.times_ms) == 2 for s in samples)
    assert all("sub" not in s.shown + json.dumps(s.plans) for s in samples)


def test_a_query_s_processor_time__is_that_of_its_backend(project: Project, place: Place) -> None:
    """Busy is more than idle; where no clock is given there is none."""
    busy = query(project, "select count(*) from generate_series(1, 200000)")
    with place.connect() as session:
        clock = cpu.clock(session.backend_pid)
        assert clock is not None
        (with_clock,) = sampling.measure(session, busy, [BindSet("x", {})], [""], 10, samples=7, cpu=clock)
        (without,) = sampling.measure(session, busy, [BindSet("x", {})], [""], 10, samples=1)
        idle = clock()
        session.rows("select pg_sleep(0.2)")
        assert clock() - idle < 0.15
    assert with_clock.cpu_ms is not None
    assert 0 < with_clock.cpu_ms < 2 * max(with_clock.times_ms) + 10
    assert without.cpu_ms is None
    assert cpu.clock(2**22 + 1) is None


# -- evaluations -------------------------------------------------------------------------------------------------

SHAPES = {
    "bare, inlined": ("id = uid()", {"uid()": (32, "the plan")}),
    "in a sub-query of the row": (
        "uid() in (select p.id from people p where p.org = notes.org)",
        {"uid()": (32, "the plan")},
    ),
    "in a hashed sub-query, once for each person": (
        "org in (select p.org from people p where p.id = uid())",
        {"uid()": (5, "the plan")},
    ),
    "in a select": ("id = (select uid())", {"uid()": (1, "the plan")}),
    "a function that is called, bare": ("in_mine(org)", {"in_mine(integer)": (32, "calls")}),
    "a function that is called, in a select": ("org in (select my_orgs())", {"my_orgs()": (1, "calls")}),
    "called to plan as well, which does not count": ("org = slow_uid()", {"slow_uid()": (32, "calls")}),
    "inlined with an argument, and what it calls": (
        "is_me(id)",
        {"is_me(integer)": (32, "the plan"), "uid()": (32, "the plan")},
    ),
    "the setting itself": (
        "id = (current_setting('app.claims')::json ->> 'sub')::int",
        {"current_setting()": (32, "the plan")},
    ),
    "behind another condition": ("org = 1 and id = uid()", {"uid()": (32, "the plan, at most")}),
    "nothing to count": ("true", {"none: no policy calls a function": (0, "the plan")}),
}


@pytest.mark.parametrize(("using", "expected"), SHAPES.values(), ids=list(SHAPES))
def test_evaluations__are_those_that_the_server_made(
    project: Project, db: Database, using: str, expected: dict[str, tuple[int, str]]
) -> None:
    """Of each shape that policies have; what is counted is the work, not the text."""
    db.execute(f"create policy p on notes for select using ({using})")
    asked = query(project, "select * from notes", AS_MEMBER, SUBS.replace("4)", "1)"))
    found = evaluations.count(db, asked, [BindSet("common", {"claims": '{"sub": 4}', "low": "0"})], 10)
    assert {e.expression: (e.evaluations, e.counted_by) for e in found} == expected
    assert evaluations.of_query(found, "q") == max(n for n, _ in expected.values())
    assert all(e.policies == "notes: p" for e in found)


def test_evaluations__are_of_policies_for_the_role_and_of_tables_that_are_read(project: Project, db: Database) -> None:
    """Others do not count."""
    db.execute("create policy p on notes for select to pgrb_visitor using (id = uid())")
    db.execute("create policy q on notes for update using (in_mine(org))")
    db.execute("create table other (id int)")
    db.execute("alter table other enable row level security")
    db.execute("create policy p on other using (id = uid())")
    asked = query(project, "select * from notes", AS_MEMBER, SUBS)
    (found,) = evaluations.count(db, asked, [BindSet("common", {"claims": "", "low": "0"})], 10)
    assert (found.evaluations, found.policies) == (0, "")


def test_evaluations_without_the_privilege_to_count_calls__come_from_the_plan_or_are_none(
    project: Project, place: Place
) -> None:
    """What runs inside of another function is in no plan of ours; a number is not made up."""
    place.run(
        "grant pgrb_member to pgrb_poor",
        "create policy p on notes for select using (in_mine(org))",
    )
    asked = query(project, "select * from notes", AS_MEMBER, SUBS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(place.target.removeprefix("env:"), f"{place.conninfo} user=pgrb_poor")
        with place.connect() as session:
            (found,) = evaluations.count(session, asked, [BindSet("common", {"claims": "", "low": "0"})], 10)
    place.run("drop policy p on notes", "revoke pgrb_member from pgrb_poor")
    assert (found.evaluations, found.counted_by) == (32, "the plan")


def test_evaluations_in_a_plan_of_an_older_server__are_found_where_it_does_not_show_them() -> None:
    """13 to 16 leave out what is looked for in a sub-plan; the policy's text tells, the sub-plan's node counts."""
    policy = evaluations._Policy("public", "notes", "p", "(uid() IN ( SELECT p.id FROM people p))", [1])
    wrapped = replace(policy, expression="(( SELECT uid() AS uid) IN ( SELECT p.id FROM people p WHERE p.id = uid()))")
    assert (policy.looks_for("uid"), policy.looks_for("other"), wrapped.looks_for("uid")) == (True, False, False)
    node = {
        "Node Type": "Seq Scan", "Schema": "public", "Relation Name": "notes", "Filter": "(SubPlan 1)",
        "Actual Rows": 100, "Rows Removed by Filter": 400, "Actual Loops": 2,
    }  # fmt: skip
    shown = evaluations._Expression("uid()", 1, re.compile("the text"), inlined=True, policies=(policy,))
    hidden = replace(shown, hidden=frozenset({("public", "notes")}))
    assert [list(evaluations._in_node(node, one)) for one in (shown, hidden)] == [[], [(1000, False)]]
    assert list(evaluations._in_node({**node, "Relation Name": "other"}, hidden)) == []


def test_evaluations_over_the_time_limit__are_not_known(project: Project, db: Database) -> None:
    """As any query over its limit."""
    db.execute("create policy p on notes for select using (id = uid() or pg_sleep(1) is null)")
    asked = query(project, "select * from notes", AS_MEMBER, SUBS)
    (found,) = evaluations.count(db, asked, [BindSet("common", {"claims": "", "low": "0"})], 0.1)
    assert (found.evaluations, found.counted_by) == (None, "over 0.1 s")
    assert evaluations.of_query([found], "q") is None


# -- exposure ----------------------------------------------------------------------------------------------------


def test_exposure__names_owners_rights_readers_and_who_passes(db: Database) -> None:
    """Of tables, views, functions and roles; what is not there is left out."""
    db.execute("create view v with (security_invoker = on) as select 1 as a from notes")
    db.execute("create view w as select 1 as a from notes")
    db.execute("grant select on v to pgrb_member, public")
    db.execute("revoke execute on function in_mine(int) from public")
    found = exposure.find(
        db, tables=["notes", "gone"], views=["v", "w"], functions=["my_orgs()", "in_mine(integer)", "uid()", "gone()"]
    )
    told = {(e.kind, e.object): (e.rights, e.may_use) for e in found}
    assert told["table", "notes"] == (
        "row security, policies: 0, its owner passes",
        "pgrb_member, pgrb_service, pgrb_visitor",
    )
    assert told["view", "v"] == ("its reader's", "PUBLIC, pgrb_member")
    assert told["view", "w"] == ("its owner's", "its owner only")
    assert told["function", "my_orgs()"] == ("its owner's, search_path fixed", "PUBLIC")
    assert told["function", "in_mine(integer)"] == ("its owner's, search_path fixed", "its owner only")
    assert told["function", "uid()"] == ("its caller's", "PUBLIC")
    assert told["role", "pgrb_service"] == ("BYPASSRLS", "passes every policy")
    assert not [key for key in told if "gone" in key[1]]


def test_a_security_definer_function_open_to_all__fails_unless_it_was_so_before() -> None:
    """A function with its caller's rights is open to all by default; a view's rights are told."""

    def one(name: str, *, definer: bool = True, by_public: bool = True) -> exposure.Exposed:
        return exposure.Exposed(
            "function", name, "o", "its owner's", "PUBLIC" if by_public else "x", definer, by_public
        )

    after = [one("new()"), one("kept()"), one("closed()", by_public=False), one("invoker()", definer=False)]
    before = [one("kept()"), one("new()", by_public=False)]
    found = {c.object: c for c in exposure.checks(before, after)}
    assert {name: (c.verdict, c.gates) for name, c in found.items()} == {
        "new()": (Verdict.FAILED, True),
        "kept()": (Verdict.PASSED, True),
        "closed()": (Verdict.PASSED, True),
    }
    assert found["new()"].detail == "revoke execute on function new() from public"
    (view,) = exposure.checks([], [exposure.Exposed("view", "v", "o", "its owner's", "x")])
    assert (view.verdict, view.gates) == (Verdict.FAILED, False)


def test_compare_exposure__has_what_came_and_what_went() -> None:
    """One row an object."""
    old, new = (exposure.Exposed("view", n, "o", "its owner's", "x") for n in ("gone", "new"))
    rows = exposure.compare([old], [new])
    assert [(r.object, r.rights_before, r.rights_after, r.verdict) for r in rows] == [
        ("gone", "its owner's", "not there", ""),
        ("new", "not there", "its owner's", "failed"),
    ]


# -- a runbook's mistakes ----------------------------------------------------------------------------------------

VISIBILITY = """
[visibility]
setting = "app.claims"
evaluations = ["q"]
[[visibility.tables]]
table = "notes"
tenant = "org"
insert = "insert into notes (id, org, body) values (99, :'tenant', 'new')"
[[visibility.actors]]
id = "member"
says = "somebody of two organisations"
role = "pgrb_member"
sampled = '''select '{"sub": 4}' as claims, array['1', '2']::text[] as tenants'''
[[visibility.actors]]
id = "visitor"
role = "pgrb_visitor"
[[visibility.actors]]
id = "service"
role = "pgrb_service"
bypasses = true
[[visibility.expect]]
tables = ["notes"]
actors = ["member"]
commands = ["update", "delete"]
before = "false"
after = "org::text = any(:tenants)"
[[visibility.expect]]
tables = ["notes"]
actors = ["member"]
commands = ["insert"]
before = "false"
after = "tenant = any(:tenants)"
"""
WORKLOAD = f"""/*---
title = "q"
{AS_MEMBER}
[binds]
{SUBS}
---*/
select id from notes order by id"""


def mistakes(project: Project, toml: str, workload_file: str = WORKLOAD) -> str:
    """What loading such a runbook says."""
    project.runbook("r", "create index i on t (a)", toml, {"workload/q.sql": workload_file})
    with pytest.raises(errors.InvalidRunbook) as e:
        runbook.load(project.root, "r")
    return e.value.message


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ('["q"]', '["nowhere"]', 5, "visibility.evaluations.0: no workload query 'nowhere'; there are: q"),
        ("app.claims", "role", 4, "visibility.setting: 'role' is no setting of an application"),
        ('setting = "app.claims"\n', "", 13, "visibility.setting is missing"),
        ("insert into notes (id", "update notes set (id", 9, "visibility.tables.0.insert: "),
        (":'tenant'", "1", 9, "has to name the tenant as :'tenant'"),
        ("select '{", "delete from x where '{", 14, "visibility.actors.0.sampled: "),
        ("as tenants", "as nobody", 14, "samples no column tenants"),
        ('id = "visitor"', 'id = "member"', 15, "visibility.actors.1: 'member' is there twice"),
        ('actors = ["member"]\ncommands = ["i', 'actors = ["no"]\ncommands = ["i', 30, "no 'no' in visibility.actors"),
        ('commands = ["insert"]', 'commands = ["update"]', 28, "notes, member, update: declared twice"),
        ('after = "org::', 'after = "or::', 27, "visibility.expect.0.after: is no condition: syntax error"),
        ('any(:tenants)"\n[[', 'any(:others)"\n[[', 27, "knows :tenants only, not :others"),
        ('["insert"]', '["read"]', 31, "input should be 'select', 'insert', 'update' or 'delete'"),
    ],
)
def test_a_mistake_in_visibility__is_told_with_its_line(
    project: Project, old: str, new: str, line: int, text: str
) -> None:
    """In one pass with the others."""
    assert old in VISIBILITY
    said = mistakes(project, VISIBILITY.replace(old, new, 1))
    assert text in said
    assert f"runbooks/r/runbook.toml:{line}: " in said


@pytest.mark.parametrize(
    ("old", "new", "line", "text"),
    [
        ('role = "pgrb_member"', "", 4, "settings: nobody asks; say which role does"),
        ("app.claims", "role", 4, "settings: 'role' is no setting of an application; its name has a dot"),
        ("as claims", "as claim", 6, "binds.common: samples no column claims, which settings.app.claims is set to"),
        (SUBS, "", 5, "binds.common: missing; it samples claims"),
    ],
)
def test_a_mistake_in_a_query_s_role__is_told_with_its_line(
    project: Project, old: str, new: str, line: int, text: str
) -> None:
    """In its own file; a query that has no role has no policies to count either."""
    assert old in WORKLOAD
    said = mistakes(project, VISIBILITY, WORKLOAD.replace(old, new, 1))
    assert f"runbooks/r/workload/q.sql:{line}: {text}" in said
    if "role =" in old:
        assert "visibility.evaluations.0: 'q' has no role: no policy would be evaluated" in said


# -- the stages --------------------------------------------------------------------------------------------------

CLAIMS = """
[[claims]]
id = "fewer"
says = "99% fewer evaluations"
metric = "evaluations_fewer_percent"
query = "q"
at_least = 96
[[claims]]
id = "as_declared"
says = "members may write their own, and nobody sees more"
metric = "visibility"
gates = true
[[claims]]
id = "writing"
says = "a member can write"
metric = "probes"
checks = ["writing"]
[[claims]]
id = "cpu"
says = "20-30% less"
metric = "cpu_change_percent"
at_most = -20
"""


WRITING = """/*---
title = "A member writes"
writes = true
---*/
set local row_security = on;
set local app.claims = '{"sub": 1}';
set local role pgrb_member;
insert into notes values (77, 1, 'mine');
select 'not there' where not exists (select from notes where id = 77)"""


@pytest.fixture
def migrated(project: Project, database: Place) -> tuple[str, Place]:
    """A run that went through baseline and migrate, over the notes; its id."""
    database.run(*TABLES, BARE)
    undo = "\n".join(f"-- undoes: statement_{n}\nselect 1;" for n in range(1, len(ONCE) + 1))
    project.runbook(
        "r",
        ";\n".join(ONCE),
        VISIBILITY + CLAIMS,
        {"workload/q.sql": WORKLOAD, "rollback.sql": undo, "checks/writing.sql": WRITING},
    )
    run_id = project.stage("baseline", "r", database.target, production=True).run_id
    project.stage("migrate", "r", database.target, run_id=run_id)
    return run_id, database


def test_a_declared_difference__passes_and_a_hole_fails(project: Project, migrated: tuple[str, Place]) -> None:
    """Through the stages: the matrix, the evaluations and the claims; then somebody opens a hole."""
    run_id, database = migrated
    folder = project.root / "evidence" / "r" / run_id
    kept = folder / "private" / "actors.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())[0] == {"id": "member", "claims": '{"sub": 4}', "tenants": ["1", "2"]}
    assert "claims" in json.loads((folder / "private" / BINDS).read_text())["binds"]["q"][0]["values"]
    result = project.stage("verify", "r", database.target, run_id=run_id, production=True)
    checks = {(c.check, c.object): c for c in result.findings}
    assert len([c for c in result.findings if c.check == "visibility"]) == 3 * len(COMMANDS)
    assert checks["visibility", "member: update notes"].measured == "0 → 20"
    assert checks["visibility", "member: select notes"].measured == "20"
    assert checks["across tenants", "member: notes"].measured == "none"
    assert checks["across tenants", "service: notes"].measured == "bypasses"
    fewer = checks["claim: fewer", ""]
    assert (fewer.verdict, fewer.measured) == (Verdict.PASSED, "96.88 %")
    assert "32 → 1 evaluations" in fewer.detail
    assert checks["claim: as_declared", ""].measured == "15 of 15 as declared"
    assert checks["claim: writing", ""].measured == "1 of 1 probes pass"
    assert (checks["claim: cpu", ""].verdict, checks["claim: cpu", ""].detail) == (
        Verdict.NOT_MEASURABLE,
        "the server is not on this machine",
    )
    for path in folder.iterdir():
        if path.is_file():
            assert '"sub"' not in path.read_text().replace('\\"', '"'), path.name
    database.run("create policy leak on notes for select to pgrb_visitor using (org = 3)")
    with pytest.raises(errors.CheckFailed) as e:
        project.stage("verify", "r", database.target, run_id=run_id, production=True)
    assert "visibility, visitor: select notes: 0 → 10" in e.value.message
    assert "across tenants, visitor: notes: select 10" in e.value.message
    assert "claim: as_declared" in e.value.message


def test_without_production__what_writes_is_not_tried(project: Project, migrated: tuple[str, Place]) -> None:
    """And so the claim is not settled."""
    run_id, database = migrated
    result = project.stage("verify", "r", database.target, run_id=run_id)
    checks = {(c.check, c.object): c for c in result.findings}
    assert checks["visibility", "member: select notes"].verdict is Verdict.PASSED
    assert checks["visibility", "member: delete notes"].verdict is Verdict.NOT_MEASURABLE
    assert checks["across tenants", "member: notes"].verdict is Verdict.NOT_MEASURABLE
    assert checks["claim: as_declared", ""].verdict is Verdict.NOT_MEASURABLE
    assert checks["claim: writing", ""].verdict is Verdict.NOT_MEASURABLE


def test_what_the_plan_makes__is_told_with_who_may_use_it(project: Project, database: Place) -> None:
    """Through the stages: a function with its owner's rights is open to all until somebody revokes that."""
    database.run(*TABLES)
    project.runbook(
        "r",
        """
        create function lent(a int) returns int language sql stable security definer set search_path = ''
        as 'select 1';
        create or replace function in_mine(o int) returns bool language sql stable security definer
        set search_path = '' as 'select true';
        create view seen as select id from notes;
        """,
    )
    run_id = project.forward("r", database.target)
    folder = project.root / "evidence" / "r" / run_id
    assert [e["object"] for e in json.loads((folder / "baseline_exposure.json").read_text())] == [
        "public.in_mine(integer)"
    ]
    with pytest.raises(errors.CheckFailed) as e:
        project.stage("verify", "r", database.target, run_id=run_id)
    assert "may be executed by, public.lent(integer): PUBLIC; revoke execute on function" in e.value.message
    assert "in_mine" not in e.value.message
    database.run("revoke execute on function lent(int) from public")
    result = project.stage("verify", "r", database.target, run_id=run_id)
    told = {
        c.object: (c.verdict, c.measured, c.gates) for c in result.findings if c.check.startswith(("may be", "reads w"))
    }
    assert told == {
        "public.lent(integer)": (Verdict.PASSED, "its owner only", True),
        "public.in_mine(integer)": (Verdict.PASSED, "PUBLIC, as before", True),
        "public.seen": (Verdict.FAILED, "its owner", False),
    }


def test_a_runbook_without_visibility__says_so_in_one_line() -> None:
    """Whatever the part."""

    class Bare:
        class runbook:  # noqa: N801
            class about:  # noqa: N801
                visibility = None

    for part in (_security.reach_before, _security.matrix, _security.compare_evaluations):
        assert part(Bare) == "runbook.toml declares no visibility"
