"""The lints of row level security: what policies call and compare, whom they leave out, and what EXPLAIN says to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from fix_audit import found, stranger
from psycopg.conninfo import make_conninfo

from conftest import REPOSITORY
from fix_databases import Place, made
from pgrunbook import sqlfile
from pgrunbook.audit import Facts, Finding, policies
from pgrunbook.audit.matrix import Cell, matrix
from pgrunbook.db import Database

LINTS = (
    "rls_without_policy", "policy_without_rls", "policy_missing_command", "policies_permissive_many",
    "policy_always_true", "policy_function_per_row", "policy_column_without_index",
)  # fmt: skip
ROLES = "pl_app, pl_other, pl_group, pl_member, pl_apart, pl_owner, pl_bypass, pl_service, pl_heir"

FUNCTIONS = """
create schema s;
create schema auth;
create schema "Ünï";
grant usage on schema s, auth, "Ünï" to pl_app, pl_other, pl_group;
create function auth.uid() returns int language sql stable as $$ select nullif(current_setting('app.uid', true), '')::int $$;
create function auth.role() returns text language sql stable as $$ select current_setting('app.role', true) $$;
create function s.tenant() returns int language plpgsql stable as $$ begin return current_setting('app.tenant')::int; end $$;
create function s.mine() returns int[] language sql stable security definer as $$ select array(select 1 where auth.uid() = 1) $$;
create function s.orgs() returns setof int language sql stable security definer as $$ select 1 $$;
create function s.may(org int) returns bool language sql stable security definer as $$ select org = auth.uid() $$;
create function s.inlined(org int) returns bool language sql stable as $$ select org = auth.uid() $$;
create function s.trivial(org int) returns bool language sql as $$ select org > 0 $$;
create function s.fixed(org int) returns bool language sql immutable as $$ select org > 0 $$;
create function s.lies(org int) returns bool language sql immutable as $$ select org = auth.uid() $$;
create function s.admin() returns bool language plpgsql as $$ begin return true; end $$;
create function s.allow() returns bool language sql immutable as $$ select true $$;
create function s.deep() returns int language sql stable as $$ select auth.uid() $$;
create function s."Fn"(a int default 1) returns int language plpgsql stable as $$ begin return 1; end $$;
create table s.members (org int, usr int primary key);
create table s.groups (org int, usr int);
create table s.small (org int, usr int);
grant select on s.members, s.groups to pl_app;
create function pg_temp.t(name text, clauses text, for_ text default 'for select') returns void language plpgsql as $$
begin
  execute format('create table s.%I (id int primary key, org int, usr int, name varchar(10), code text, open bool)', name);
  execute format('alter table s.%I enable row level security', name);
  execute format('create policy p on s.%I %s %s', name, for_, clauses);
  execute format('grant select, insert, update, delete on s.%I to pl_app', name);
end $$;
"""
PRETENDED = """
update pg_class set reltuples = 1500, relpages = 20 where relnamespace = 's'::regnamespace and relkind in ('r', 'p');
update pg_class set reltuples = 20000, relpages = 200 where oid in ('s.bare'::regclass, 's.members'::regclass);
update pg_class set reltuples = 100 where oid = 's.small'::regclass;
"""

PER_ROW = {
    # name: (clauses, level, what the detail says)
    "bare": ("using (usr = auth.uid())", "important", "USING calls auth.uid() for each of about 20,000 rows"),
    "mixed": ("using (usr = (select auth.uid()) or org = auth.uid())", "routine", "USING calls auth.uid() for"),
    "setting": ("using (org = current_setting('app.org')::int)", "routine", "USING calls current_setting() for"),
    "strict": ("using (org = s.tenant())", "routine", "USING calls s.tenant()"),
    "listed": ("using (org = any (s.mine()))", "routine", "USING calls s.mine()"),
    "helper": ("using (s.may(org))", "routine", "USING calls s.may() with columns of the row"),
    "inlined": ("using (s.inlined(org))", "routine", "s.inlined() calls auth.uid(), current_setting()"),
    "lies": ("using (s.lies(org))", "routine", "s.lies() calls auth.uid(), current_setting()"),
    "seeming": ("using ((select s.may(org)))", "routine", "with columns of the row"),
    "admin": ("using (s.admin())", "routine", "USING calls s.admin()"),
    "deep": ("using (usr = s.deep())", "routine", "s.deep() calls auth.uid(), current_setting()"),
    "role": ("using (auth.role() = 'authenticated')", "routine", "USING calls auth.role()"),
    "quoted": ('using (usr = s."Fn"())', "routine", 'USING calls s."Fn"()'),
    "related": (
        "using (exists (select from s.members m where m.org = related.org and m.usr = auth.uid()))",
        "routine", "USING calls auth.uid() for each of about 1,500 rows",
    ),
    "looked_for": (
        "using (auth.uid() in (select m.usr from s.members m where m.org = looked_for.org))",
        "routine", "USING calls auth.uid() for each of about 1,500 rows",
    ),
    "unindexed": (
        "using (org in (select g.org from s.groups g where g.usr = auth.uid()))",
        "routine", "a sub-query calls auth.uid() for each of about 1,500 rows of s.groups, once for each query",
    ),
}  # fmt: skip
PER_WRITE = {
    "inserts": ("for insert", "with check (usr = auth.uid())", "routine", "WITH CHECK calls auth.uid()"),
    "inserts_fed": ("for insert", "with check (s.may(org))", "noted", "with columns of each row that is written"),
    "updates": (
        "for update", "using (usr = (select auth.uid())) with check (usr = auth.uid())", "routine", "WITH CHECK calls",
    ),
    "narrows": ("as restrictive for select", "using (usr = auth.uid())", "routine", "USING calls auth.uid()"),
}  # fmt: skip
IN_ORDER = {
    "wrapped": "using (usr = (select auth.uid()))",
    "array_wrapped": "using (org = any ((select s.mine())::int[]))",
    "array_of": "using (org = any (array(select s.orgs())))",
    "in_set": "using (org in (select s.orgs()))",
    "in_indexed": "using (org in (select m.org from s.members m where m.usr = auth.uid()))",
    "in_wrapped": "using (org in (select g.org from s.groups g where g.usr = (select auth.uid())))",
    "exists_wrapped": "using (exists (select from s.members m where m.org = exists_wrapped.org and m.usr = (select auth.uid())))",
    "in_initplan": "using (org = (select g.org from s.groups g where g.usr = auth.uid() limit 1))",
    "exists_initplan": "using (exists (select from s.groups g where g.usr = auth.uid()))",
    "array_initplan": "using (org = any (array(select g.org from s.groups g where g.usr = auth.uid())))",
    "in_small": "using (org in (select g.org from s.small g where g.usr = auth.uid()))",
    "fixed": "using (s.fixed(org))",
    "session": "using (name = current_user)",
    "clock": "using (code::timestamptz < now() and lower(code) = 'x')",
}
ALWAYS = {
    # name: (for, clauses, level or None)
    "all_": ("for all", "using (true)", "important"),
    "by_helper": ("for all", "using (s.allow())", "important"),
    "reads": ("for select", "using ((select true))", "noted"),
    "checks": ("for all", "using (usr = (select auth.uid())) with check (1 = 1)", "important"),
    "adds": ("for insert", "with check (not false)", "important"),
    "key": ("for delete", "using (id is not null)", "important"),
    "or_": ("for update", "using (usr = 1 or true)", "important"),
    "by_bypass": ("for all to pl_bypass", "using (true)", "noted"),
    "nullable": ("for delete", "using (org is not null)", None),
    "denies": ("for all", "using (false)", None),
    "restricts": ("as restrictive for all", "using (true)", None),
    "asks": ("for all", "using ((select auth.role()) = 'authenticated')", None),
    "narrowed": ("for all", "using (true)", None),
}
COLUMNS = {
    # object: (clauses, level)
    "col_or.usr": ("using (usr = (select auth.uid()) or open)", "noted"),
    "col_literal.code": ("using (code = 'x')", "noted"),
    "col_bool.open": ("using (open = true)", None),
    "col_cast.org": ("using (org::text = (select auth.role()))", "noted"),
    "col_varchar.name": ("using (name = (select auth.role()))", "routine"),
    "col_any.org": ("using (org = any ((select s.mine())::int[]))", "routine"),
    "col_in.org": ("using (org in (select s.orgs()))", "routine"),
    "col_indexed.usr": ("using ((select auth.uid()) = usr)", None),
    "col_not_null.usr": ("using (usr = (select auth.uid()))", None),
    "col_partial.usr": ("using (usr = (select auth.uid()))", "routine"),
    "col_second.usr": ("using (usr = (select auth.uid()))", "routine"),
    "col_related.org": ("using (exists (select from s.members m where m.org = col_related.org))", None),
    "col_differs.org": ("using (org <> (select auth.uid()) and not usr = (select auth.uid()))", None),
}


def quoted(text: str) -> str:
    """A literal."""
    return "'" + text.replace("'", "''") + "'"


def schema() -> str:
    """All tables, each with a policy p."""
    made_ = [(name, clauses, "for select") for name, (clauses, *_) in PER_ROW.items()]
    made_ += [(name, clauses, for_) for name, (for_, clauses, *_) in (PER_WRITE | ALWAYS).items()]
    made_ += [(name, clauses, "for select") for name, clauses in IN_ORDER.items()]
    made_ += [(name.partition(".")[0], clauses, "for select") for name, (clauses, _) in COLUMNS.items()]
    tables = "".join(f"select pg_temp.t({', '.join(map(quoted, one))});\n" for one in made_)
    return f"""{FUNCTIONS}{tables}
    create policy n on s.narrowed as restrictive using (usr = (select auth.uid()));
    select pg_temp.t('for_bypass', 'using (usr = auth.uid())', 'for select to pl_bypass');
    select pg_temp.t('switched_off', 'using (usr = auth.uid())');
    alter table s.switched_off disable row level security;
    select pg_temp.t('bare_trivial', 'using (s.trivial(org))');
    create index on s.col_indexed (usr, org);
    create index on s.col_not_null (usr) where usr is not null;
    create index on s.col_partial (usr) where open;
    create index on s.col_second (org, usr);
    create table "Ünï"."a b" ("i d" int, "ü" int);
    insert into "Ünï"."a b" select g, g from generate_series(1, 1000) g;
    analyze "Ünï"."a b";
    alter table "Ünï"."a b" enable row level security;
    create policy "p q" on "Ünï"."a b" using ("ü" = s."Fn"());
    grant select on "Ünï"."a b" to pl_app;
    {PRETENDED}"""


@contextlib.contextmanager
def roles(maintenance: Place) -> Iterator[None]:
    """The roles, which belong to the whole server, where they are not there already."""
    if maintenance.run("select 1 from pg_roles where rolname = 'pl_app'"):
        yield
        return
    maintenance.run(
        *(f"create role {role} nologin" for role in ROLES.split(", ")),
        "alter role pl_bypass bypassrls",
        "alter role pl_apart noinherit",
        "grant pl_group to pl_member",
        "grant pl_group to pl_apart",
        "alter role pl_service bypassrls",
        "grant pl_service to pl_heir",
    )
    yield
    maintenance.run(f"drop role {ROLES}")


@pytest.fixture(scope="module")
def server_with_roles(server: str) -> Iterator[str]:
    """The server, where databases are dropped before the roles."""
    with roles(Place("postgres", "", server)):
        yield server


@pytest.fixture(scope="module")
def place(server_with_roles: str) -> Iterator[Place]:
    """A database with a table for each way to write a policy."""
    with made(server_with_roles) as place:
        with place.session() as session:
            session.execute(schema())
        yield place


def facts(place: Place) -> Facts:
    """The facts on policies."""
    with place.connect(read_only=True) as session:
        read, not_seen = policies.read(session)
    assert not_seen == []
    return Facts(policies=read)


def confirmed(place: Place) -> dict[str, Finding]:
    """The findings on functions with what EXPLAIN says to them, by object."""
    known = facts(place)
    with place.connect(read_only=True) as session:
        findings = found(session, "policy_function_per_row", known).values()
        return {f.object: f for f in policies.confirm(session, list(findings), known.policies or ())}


def test_function_per_row__is_found_bare_and_by_way_of_helpers(place: Place) -> None:
    """Each way to call a function for each row, with its level; none where it runs once or nobody meets the policy."""
    findings = found(place, "policy_function_per_row", facts(place))
    expected = {f"s.{name}: p": rest[-2] for name, rest in (PER_ROW | PER_WRITE).items()}
    expected |= {'"Ünï"."a b": "p q"': "routine", "s.bare_trivial: p": "routine"}
    assert {name: finding.level for name, finding in findings.items()} == expected
    for name, (*_, says) in (PER_ROW | PER_WRITE).items():
        assert says in findings[f"s.{name}: p"].detail
    assert findings["s.mixed: p"].remedy.count("SELECT auth.uid()") == 2
    assert findings["s.listed: p"].remedy == "alter policy p on s.listed using (org = ANY((SELECT s.mine())::int[]));"
    assert findings["s.helper: p"].remedy == ""
    assert "takes a column of the row" in findings["s.helper: p"].advice
    assert "VOLATILE" in findings["s.admin: p"].doubt
    assert "body of s.admin() was not read" in findings["s.admin: p"].doubt


def test_confirm__tells_confirmed_refuted_and_unknown(place: Place) -> None:
    """EXPLAIN as the role: a call in a scan's condition, an inlined one, one that is nothing, and one it doesn't show."""
    findings = confirmed(place)
    says = {name: finding.detail.partition(". EXPLAIN ")[2] for name, finding in findings.items()}
    for name, place_ in {
        "bare": "the Filter of the scan of bare", "setting": "the Filter of the scan of setting",
        "strict": "the Filter of the scan of strict", "helper": "the Filter of the scan of helper",
        "seeming": "the output of a sub-query", "related": "the scan of members",
        "unindexed": "the Filter of the scan of groups, in a sub-query", "quoted": "the Filter of the scan of quoted",
    }.items():  # fmt: skip
        assert says[f"s.{name}: p"].startswith("as pl_app confirms it: "), (name, says[f"s.{name}: p"])
        assert place_ in says[f"s.{name}: p"]
    assert "inlined as (NULLIF(current_setting('app.uid'::text, true), ''::text))::integer" in says["s.bare: p"]
    assert says["s.bare_trivial: p"] == "as pl_app refutes it: s.trivial(), inlined as (… > 0), calls nothing"
    assert findings["s.bare_trivial: p"].level == "noted"
    assert says["s.inserts: p"] == "does not show what WITH CHECK calls"


def test_remedies__leave_nothing_to_wrap(place: Place) -> None:
    """Each statement is ready to run, and the server then calls the function once; only helpers of columns remain."""
    with place.connect() as session, session.transaction(rollback=True):
        known = Facts(policies=policies.read(session)[0])
        per_row = [finding.remedy for finding in found(session, "policy_function_per_row", known).values()]
        for remedy in [*filter(None, per_row), *index_remedies(session, known)]:
            session.execute(remedy.replace(" concurrently", ""))
        known = Facts(policies=policies.read(session)[0])
        left = found(session, "policy_function_per_row", known)
        assert set(left) == {
            f"s.{n}: p" for n in ("helper", "inlined", "lies", "seeming", "inserts_fed", "bare_trivial")
        }
        assert index_remedies(session, known) == []
    place.run(*PRETENDED.strip().splitlines())  # what CREATE INDEX counted is not rolled back


def index_remedies(session: Database, known: Facts) -> list[str]:
    """The statements of the lint on columns."""
    return [finding.remedy for finding in found(session, "policy_column_without_index", known).values()]


def test_always_true__is_found_in_either_clause(place: Place) -> None:
    """Constants, a helper that is one, a NOT NULL column; not what depends, denies, restricts or is narrowed."""
    findings = found(place, "policy_always_true", facts(place))
    assert {name: finding.level for name, finding in findings.items()} == {
        f"s.{name}: p": level for name, (*_, level) in ALWAYS.items() if level
    }
    assert findings["s.checks: p"].detail.startswith("WITH CHECK is always true for all commands by PUBLIC")
    assert "its roles bypass row security anyhow" in findings["s.by_bypass: p"].detail


def test_policy_column__is_found_without_an_index_that_begins_with_it(place: Place) -> None:
    """What is compared and how decides the level; partial, second and expression indexes do not count."""
    findings = found(place, "policy_column_without_index", facts(place))
    told = {name: finding.level for name, finding in findings.items() if name.startswith("s.col_")}
    assert told == {f"s.{name}": level for name, (_, level) in COLUMNS.items() if level}
    assert findings["s.bare.usr"].level == "important"
    assert findings["s.bare.usr"].remedy == "create index concurrently bare_usr_idx on s.bare (usr);"
    assert "any (array(select …))" in findings["s.col_in.org"].advice
    assert "col_partial_usr_idx is partial" in findings["s.col_partial.usr"].detail
    assert '"Ünï"."a b"."ü"' in findings
    assert not {f"s.{name}.usr" for name in ("for_bypass", "switched_off", "inserts", "or_")} & set(findings)


HELD = """
create schema s;
create function pg_temp.t(name text, variadic statements text[]) returns void language plpgsql as $$
declare one text;
begin
  execute format('create table s.%I (id int, org int)', name);
  execute format('alter table s.%I enable row level security', name);
  foreach one in array statements loop
    execute replace(one, '#', 's.' || quote_ident(name));
  end loop;
end $$;
"""
NO_POLICY = {
    "shut": ((), "noted"),
    "granted": (("grant select on # to pl_app",), "important"),
    "column": (("grant update (org) on # to pl_app",), "important"),
    "for_all": (("grant select on # to public",), "important"),
    "service": (("grant all on # to pl_bypass",), "noted"),
    "owned": (("alter table # owner to pl_owner",), "noted"),
    "forced": (("alter table # owner to pl_owner", "alter table # force row level security"), "important"),
    "Ünï \"q\" %": (("grant insert on # to pl_app",), "important"),
    "has_one": (("grant select on # to pl_app", "create policy p on # using (id = 1)"), None),
    "off": (("grant select on # to pl_app", "alter table # disable row level security"), None),
}  # fmt: skip
READ = "create policy r on # for select using (id = 1)"
MISSING = {
    # name: (statements, level, detail)
    "m_insert": (("grant select, insert on # to pl_app", READ), "routine", "for INSERT by pl_app, though"),
    "m_column": (("grant select, update (org) on # to pl_app", READ), "routine", "for UPDATE by pl_app, though"),
    "m_role": (
        ("grant select on # to pl_app, pl_other", "create policy r on # for select to pl_app using (id = 1)"),
        "noted", "for SELECT by pl_other, though",
    ),
    "m_apart": (
        ("grant select on # to pl_apart", "create policy r on # for select to pl_group using (id = 1)"),
        "noted", "for SELECT by pl_apart, though",
    ),
    "m_members": (
        ("grant delete on # to pl_group, pl_member", READ), "routine", "for DELETE by pl_group, though",
    ),
    "m_public": (
        ("grant select on # to public", "create policy r on # for select to pl_app using (id = 1)"),
        "noted", "for SELECT by PUBLIC, though",
    ),
    "m_restrictive": (
        ("grant select on # to pl_app", "create policy r on # as restrictive using (id = 1)"),
        "routine", "for SELECT by pl_app, though",
    ),
    "m_empty": (
        ("grant select, insert on # to pl_app", "create policy r on # with check (id = 1)"),
        "routine", "for SELECT by pl_app, though",
    ),
    "m_forced": (
        ("alter table # owner to pl_owner", "alter table # force row level security", READ),
        "routine", "for INSERT by pl_owner; UPDATE by pl_owner; DELETE by pl_owner, though",
    ),
    "m_inherits": (
        ("grant select on # to pl_service", "create policy r on # to pl_app using (id = 1)"),
        "noted", "for SELECT by pl_heir, though",
    ),
    "m_none": (("grant select on # to pl_app", READ), None, ""),
    "m_all": (("grant all on # to pl_app", "create policy r on # using (id = 1)"), None, ""),
    "m_group": (
        ("grant select on # to pl_member, pl_group", "create policy r on # to pl_group using (id = 1)"), None, "",
    ),
    "m_service": (("grant all on # to pl_bypass", READ), None, ""),
    "m_owner": (("alter table # owner to pl_owner", READ), None, ""),
    "m_denied": (("grant all on # to pl_app", "create policy r on # using (false)"), None, ""),
}  # fmt: skip
AND_ALL = "create policy a on # using (org = 1)"
MANY = {
    "p_same": ((READ, "create policy b on # for select using (org = 1)"), "SELECT for PUBLIC: 2 permissive policies (b, r)"),
    "p_all": ((READ, AND_ALL), "SELECT for PUBLIC: 2 permissive policies (a, r)"),
    "p_role": (
        (READ, "create policy b on # for select to pl_app using (org = 1)"),
        "SELECT for pl_app: 2 permissive policies (b, r)",
    ),
    "p_member": (
        (
            "create policy a on # for update to pl_group using (id = 1)",
            "create policy b on # for update to pl_member using (org = 1)",
        ),
        "UPDATE for pl_member: 2 permissive policies (a, b)",
    ),
    "p_writes": (
        ("create policy a on # for insert with check (id = 1)", "create policy b on # to pl_app using (id = 1)"),
        "INSERT for pl_app: 2 permissive policies (a, b)",
    ),
    "p_restrictive": ((READ, "create policy b on # as restrictive using (org = 1)"), ""),
    "p_commands": ((READ, "create policy b on # for delete using (org = 1)"), ""),
    "p_disjoint": (
        (
            "create policy a on # for select to pl_app using (id = 1)",
            "create policy b on # for select to pl_other using (id = 1)",
        ),
        "",
    ),
    "p_apart": (
        (
            "create policy a on # for select to pl_group using (id = 1)",
            "create policy b on # for select to pl_apart using (id = 1)",
        ),
        "",
    ),
    "p_bypass": ((READ, "create policy b on # to pl_bypass using (true)"), ""),
    "p_empty": ((READ, "create policy b on # with check (id = 1)"), ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def held(server_with_roles: str) -> Iterator[Place]:
    """A database with a table for each way in which privileges and policies do not meet."""
    tables = {name: statements for name, (statements, *_) in (NO_POLICY | MISSING).items()}
    tables |= {name: ("grant all on # to pl_app, pl_member", *statements) for name, (statements, _) in MANY.items()}
    with made(server_with_roles) as place:
        with place.session() as session:
            session.execute(HELD)
            for name, statements in tables.items():
                session.execute("select pg_temp.t(%s, variadic %s)", (name, list(statements)))
            session.execute("""
                create table s.parted (id int) partition by list (id);
                create table s.parted_1 partition of s.parted for values in (1);
                alter table s.parted enable row level security;
                alter table s.parted_1 enable row level security;
                create policy r on s.parted for select using (id = 1);
                grant select on s.parted, s.parted_1 to pl_app;
                grant insert on s.parted to pl_app;
                create table s.unused (id int);
                create policy "p 1" on s.unused using (id = 1);
                alter table s.unused force row level security;
                create table s.unused_1 partition of s.parted for values in (2);
                create policy r on s.unused_1 using (id = 2);
            """)
        yield place


def test_rls_without_policy__is_grave_where_somebody_has_privileges(held: Place) -> None:
    """Grants to roles, to columns, to PUBLIC, to the owner under FORCE; not to who bypasses row security."""
    findings = found(held, "rls_without_policy")
    assert {name: f.level for name, f in findings.items()} == {
        "s." + sqlfile.quoted(name): level for name, (_, level) in NO_POLICY.items() if level
    }
    assert "held by pl_app" in findings["s.granted"].detail
    assert "held by PUBLIC" in findings["s.for_all"].detail


def test_policy_without_rls__is_found_forced_and_on_partitions(held: Place) -> None:
    """FORCE alone enables nothing; a partition's own policies need row security there."""
    findings = found(held, "policy_without_rls")
    assert set(findings) == {"s.unused", "s.unused_1"}
    assert findings["s.unused"].remedy == "alter table s.unused enable row level security;"
    assert (
        'there is a policy ("p 1"), but row level security is not enabled, only forced' in findings["s.unused"].detail
    )


def test_missing_command__is_told_by_role(held: Place) -> None:
    """Privileges of tables, columns, PUBLIC, inherited ones; not where a policy, a bypass or the owner covers it."""
    findings = found(held, "policy_missing_command")
    expected = {f"s.{name}": (level, detail) for name, (_, level, detail) in MISSING.items() if level}
    mine = {name: finding for name, finding in findings.items() if name.startswith("s.m_")}
    assert {name: finding.level for name, finding in mine.items()} == {n: level for n, (level, _) in expected.items()}
    for name, (_, detail) in expected.items():
        assert detail in findings[name].detail, name
    assert "INSERT by pl_app" in findings["s.parted"].detail
    assert "partition" in findings["s.parted"].doubt
    assert "s.parted_1" not in findings


def test_permissive_many__counts_what_meets_in_one_role(held: Place) -> None:
    """ALL beside SELECT, PUBLIC beside a role, a member of two; not restrictive, disjoint, bypassing or empty ones."""
    findings = found(held, "policies_permissive_many")
    expected = {f"s.{name}": detail for name, (_, detail) in MANY.items() if detail}
    assert {name: f.detail for name, f in findings.items() if name.startswith("s.p_")} == expected
    assert {finding.level for finding in findings.values()} == {"routine"}


def test_matrix__says_what_each_command_meets(held: Place) -> None:
    """Names of policies, denied, no privilege, passes all; the gravest first, and how many were left out."""
    with held.connect(read_only=True) as session:
        cells = {(cell.table, cell.role): cell for cell in matrix(session)}
        few = matrix(session, most=3)
    assert cells["s.m_insert", "pl_app"] == Cell("s.m_insert", "pl_app", "r", "denied", "no privilege", "no privilege")
    assert cells["s.m_service", "pl_bypass"].select == "passes all"
    assert cells["s.m_owner", "pl_owner"].delete == "passes all"
    assert cells["s.m_forced", "pl_owner"].delete == "denied"
    assert cells["s.for_all", "PUBLIC"] == Cell("s.for_all", "PUBLIC", "denied", *["no privilege"] * 3)
    assert cells["s.p_restrictive", "pl_app"].select == "r and b"
    assert cells["s.m_group", "pl_member"].select == "r"
    assert len(few) == 4
    assert few[-1].table == f"… and {len(cells) - 3} more rows"
    assert "denied" in (few[0].select, few[0].insert)


def test_every_policy_lint__says_the_same_to_a_stranger(place: Place) -> None:
    """The catalogs are open to everybody; only EXPLAIN needs a role that can be taken on."""
    known = facts(place)
    with stranger(place) as session:
        read, not_seen = policies.read(session)
        assert (read, not_seen) == (known.policies, [])
        told = {name: found(session, name, known) for name in LINTS}
        assert told == {name: found(place, name, known) for name in LINTS}
        assert matrix(session)
        (bare,) = policies.confirm(session, [told["policy_function_per_row"]["s.bare: p"]], read)
    assert bare.level == "important"
    assert "EXPLAIN can't tell: no role that holds SELECT and is under the policy can be taken on by" in bare.detail


def test_policy_lints__say_the_same_on_every_version(version_place: Place) -> None:
    """The catalogs of older servers have other columns, and print the same."""
    server = Place("postgres", "", make_conninfo(version_place.conninfo, dbname="postgres"))
    with contextlib.ExitStack() as kept:
        kept.enter_context(roles(server))
        kept.callback(version_place.run, f"drop owned by {ROLES} cascade")
        with version_place.session() as session:
            session.execute(schema())
        known = facts(version_place)
        told = found(version_place, "policy_function_per_row", known)
        assert {name.partition(".")[2] for name in told} >= {f"{name}: p" for name in (*PER_ROW, *PER_WRITE)}
        assert not {f"s.{name}: p" for name in IN_ORDER} & set(told)
        always = found(version_place, "policy_always_true", known)
        assert set(always) == {f"s.{name}: p" for name, (*_, level) in ALWAYS.items() if level}
        assert "s.wrapped" in found(version_place, "policy_missing_command")
        assert found(version_place, "policies_permissive_many") == {}
        assert "as pl_app confirms it" in confirmed(version_place)["s.bare: p"].detail
        with version_place.connect() as session:
            assert matrix(session)


def test_conversations_rls__is_found_before_its_migration_and_not_after(database: Place) -> None:
    """auth.uid() bare in the SELECT policies and the commands without a policy; afterwards nothing that is more than noted."""
    folder = REPOSITORY / "runbooks" / "conversations_rls"
    assert facts(database).policies == []
    assert [found(database, name, facts(database)) for name in LINTS] == [{}] * len(LINTS)
    with database.session() as session:
        session.execute((folder / "sandbox" / "schema.sql").read_text())
        session.execute("update pg_class set reltuples = 2132 where relname in ('conversations', 'messages')")
        before = {name: found(database, name, facts(database)) for name in LINTS}
        for statement in sqlfile.read(folder / "migrate.sql").statements:
            session.execute(statement.sql)
        session.execute("update pg_class set reltuples = 2132 where relname in ('conversations', 'messages')")
    policy = '"Users can view conversations of their organizations"'
    finding = before["policy_function_per_row"][f"public.conversations: {policy}"]
    assert (finding.level, len(before["policy_function_per_row"])) == ("routine", 2)
    assert finding.detail.startswith("USING calls auth.uid() for each of about 2,132 rows")
    assert finding.remedy.startswith(f"alter policy {policy} on public.conversations using ((SELECT auth.uid()) IN")
    assert set(before["policy_missing_command"]) == {"public.conversations", "public.messages"}
    for finding in before["policy_missing_command"].values():
        assert "INSERT by anon, authenticated; UPDATE by anon, authenticated; DELETE by anon" in finding.detail
    assert not any(before[name] for name in set(LINTS) - {"policy_function_per_row", "policy_missing_command"})
    after = [f for name in LINTS for f in found(database, name, facts(database)).values()]
    assert {finding.level for finding in after} == {"noted"}
    assert not any("authenticated" in f.detail or "USING" in f.detail for f in after)
