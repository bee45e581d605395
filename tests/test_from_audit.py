"""From an audit's findings to a runbook that mends them, and back to a database without them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from fix_databases import Place, made
from fix_project import Project
from pgrunbook import authoring, errors, from_audit, plan, rehearsal, runbook
from pgrunbook.audit import LEVELS, Facts, Finding
from pgrunbook.authoring import Draft
from pgrunbook.changes import State
from pgrunbook.description import Limits

pytestmark = pytest.mark.usefixtures("few_statements")

SCHEMA = """
create schema "Ünï"; create table org (id int primary key, name text);
create table calls (id int primary key, org int references org, phone text, gone timestamptz, n int);
create table "Ünï"."a b" (id int primary key, "x y" int);
insert into org select i, 'org ' || i from generate_series(1, 20) i;
insert into calls select i, 1 + i % 20, '+' || i % 500, null, i % 50 from generate_series(1, 5000) i;
insert into "Ünï"."a b" select i, i % 9 from generate_series(1, 100) i;
create index twin_1 on calls (n); create index twin_2 on calls (n); create index long on calls (n, id);
alter table calls enable row level security;
create policy mine on calls using (org = current_setting('app.org', true)::int);
analyze;
"""
WRAPPED = "alter policy mine on public.calls using (org = (select current_setting('app.org', true))::int);"
NO_FACTS = Facts()


def finding(lint: str, object: str, remedy: str = "", level: str = "routine", **more: str) -> Finding:  # noqa: A002
    """A finding by hand."""
    assert level in LEVELS
    given = {"relation": "public.calls", "detail": "5,000 rows", "advice": "", "doubt": ""} | more
    return Finding(id=f"{lint}:{object}", lint=lint, level=level, object=object, remedy=remedy, **given)


FOREIGN_KEY = finding(
    "fk_without_index", "public.calls (org)", "create index concurrently on public.calls (org);", level="important",
    doubt="nobody\ndeletes",
)  # fmt: skip
FILTERED = finding(
    "filtered_without_index", "public.calls (phone)", "create index concurrently calls_phone_idx on public.calls (phone);",
    detail="query 424242 reads 5,000 rows", advice="Look at it.",
)  # fmt: skip
BARE = finding("policy_function_per_row", "public.calls: mine", WRAPPED)
TWIN = finding("index_duplicate", "public.twin_2", "drop index concurrently public.twin_2;")
PREFIX_1 = finding("index_prefix", "public.twin_1", "drop index concurrently public.twin_1;")
PREFIX_2 = finding("index_prefix", "public.twin_2", "drop index concurrently public.twin_2;")
UNUSED = finding("index_unused", "public.long", "drop index concurrently public.long;")
ADVICE = finding("query_select_star", "query 424242", advice="Name\nthe columns.", relation="")
FROZEN = finding("wraparound", "public.calls", "vacuum (freeze) public.calls;", level="important")


@pytest.fixture(scope="module")
def audited(server: str) -> Iterator[Place]:
    """A small database with a foreign key, a filter, a policy and indexes that are at fault, to look at."""
    with made(server) as place:
        place.run(SCHEMA)
        yield place


@pytest.fixture
def faulty(database: Place) -> Place:
    """The same, to be mended."""
    database.run(SCHEMA)
    return database


def draft(place: Place, *findings: Finding, facts: Facts = NO_FACTS, **options: object) -> Draft:
    """A draft of findings on a database, which is only read."""
    with place.connect(read_only=True) as session:
        return from_audit.draft("mend", findings, facts, session, **options)


def facts(place: Place, *texts: str) -> Facts:
    """Statements as the facts have them, with what they compare of calls."""
    (calls,) = place.run("select 'calls'::regclass::oid::int8")[0]
    statements = [
        {"id": str(424242 + n), "text": text, "kind": "select", "calls": 1000, "rows": 5000, "ms": 900.0 - n,
         "mean_ms": 0.9, "relations": [calls]}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    columns = ("org", "phone", "n", "id")
    predicates = [
        {"id": s["id"], "relation": calls, "name": c, "op": "eq"}
        for s in statements for c in columns if f"{c} =" in str(s["text"])
    ]  # fmt: skip
    return Facts(statements=statements, predicates=predicates)


# -- there and back ----------------------------------------------------------------------------------------------


def test_findings__become_a_runbook_that_mends_them(project: Project, faulty: Place) -> None:
    """Drafted, written, read, planned, migrated, checked: no index is missing or twice, no call is bare, all is valid."""
    known = facts(
        faulty, "select * from calls where phone = $1 order by id limit $2", "update calls set n = $1 where n = $2"
    )
    found = draft(
        faulty, FOREIGN_KEY, FILTERED, BARE, TWIN, PREFIX_1, PREFIX_2, UNUSED, ADVICE, facts=known, run_id="RUN"
    )
    quick = found.about.model_copy(update={"limits": Limits(samples=2)})
    authoring.write(project.root, replace(found, about=quick))
    loaded = runbook.load(project.root, "mend")
    assert [q.name for q in loaded.workload] == ["calls_by_n", "calls_by_org", "calls_by_phone"]
    with faulty.connect() as session:
        steps = plan.make(loaded, session).steps
    assert [(s.kind, s.object, s.seen.state) for s in steps] == [
        ("create_index", "public.calls_org_idx", State.ABSENT),
        ("create_index", "public.calls_phone_idx", State.ABSENT),
        ("alter_policy", "public.calls.mine", State.ABSENT),
        ("drop_index", "public.twin_2", State.ABSENT),
        ("drop_index", "public.twin_1", State.ABSENT),
    ]
    run_id = project.forward("mend", faulty.target)
    result = project.stage("verify", "mend", faulty.target, run_id=run_id)
    assert result.verdict == "passed", result.findings
    checks = {c.check: str(c.verdict) for c in result.findings if c.check in {k.name for k in loaded.checks}}
    assert set(checks.values()) == {"passed"}
    assert sorted(checks) == [
        "index_public_calls_org_idx_valid", "index_public_calls_phone_idx_valid", "index_public_twin_1_gone",
        "index_public_twin_2_gone", "policy_public_calls_mine_wrapped",
    ]  # fmt: skip
    assert faulty.run("select indexrelid::regclass::text from pg_index where indrelid = 'calls'::regclass order by 1") == [
        ("calls_org_idx",), ("calls_phone_idx",), ("calls_pkey",), ("long",),
    ]  # fmt: skip
    project.stage("rollback", "mend", faulty.target, run_id=run_id)
    assert faulty.run("select count(*) from pg_index where indrelid = 'calls'::regclass") == [(4,)]


def test_migration__holds_its_evidence(audited: Place) -> None:
    """Above each statement every finding that it mends, its advice, and why it might be wrong."""
    found = draft(audited, FOREIGN_KEY, FILTERED, TWIN, PREFIX_2, UNUSED, ADVICE, run_id="RUN")
    comments = {s.sql.lower(): s.comment.splitlines() for s in found.statements}
    assert found.about.source == "audit RUN"
    assert comments["create index concurrently calls_org_idx on public.calls using btree (org)"] == [
        "Foreign key without an index (important), public.calls (org): 5,000 rows.", "Might be wrong: nobody deletes",
    ]  # fmt: skip
    assert comments["create index concurrently calls_phone_idx on public.calls (phone)"][1] == "Look at it."
    assert len(comments["drop index concurrently public.twin_2"]) == 2
    assert "Ask for them by their ids: index_unused:public.long." in found.about.description
    assert "no statement mends them: query_select_star:query 424242." in found.about.description
    assert found.about.live
    assert found.about.title == "What an audit found: 4 findings mended, 2 indexes made, 1 index dropped"


# -- which findings ----------------------------------------------------------------------------------------------


def test_unsure_finding__is_mended_only_if_it_is_asked_for(audited: Place) -> None:
    """Then it alone is, whatever its level is; what has no statement becomes an item for a person."""
    found = draft(audited, FOREIGN_KEY, UNUSED, ADVICE, FROZEN, chosen=[UNUSED.id, ADVICE.id, FROZEN.id])
    assert [s.sql for s in found.statements] == ["drop index concurrently public.long"]
    items = {i.id: i.person for i in found.about.checklist}
    assert items["query_select_star_query_424242"] == "Name the columns."
    assert items["wraparound_public_calls"].startswith("vacuum (freeze) public.calls; by hand, for a runbook can't")
    noted = finding("index_prefix", "public.twin_1", "drop index concurrently public.twin_1;", level="noted")
    assert len(draft(audited, FOREIGN_KEY, noted).statements) == 1
    assert len(draft(audited, FOREIGN_KEY, noted, chosen=[noted.id]).statements) == 1


def test_key_that_a_rewrite_would_widen__is_left_to_a_person(project: Project, audited: Place) -> None:
    """The plan refuses what blocks a table with rows, so that the runbook is made of the rest, with a point to sign."""
    remedy = "alter table public.calls alter column id type bigint;\nalter sequence public.ids as bigint;"
    key = finding("integer_key_exhaustion", "public.calls.id", remedy, level="important")
    found = draft(audited, key, TWIN)
    assert [s.sql for s in found.statements] == [TWIN.remedy.rstrip(";")]
    (item,) = found.about.checklist
    assert item.person.startswith("alter table public.calls alter column id type bigint; alter sequence")
    assert "add a column of the new type" in item.person
    with pytest.raises(errors.WrongUsage, match="none of these findings"):
        draft(audited, key)


def test_unknown_finding__is_refused(audited: Place) -> None:
    """And so is a choice that holds nothing to migrate."""
    with pytest.raises(errors.WrongUsage, match="no finding 'x:y'") as caught:
        draft(audited, FOREIGN_KEY, chosen=["x:y"])
    assert "audit --json" in caught.value.remedy
    for nothing in ((ADVICE,), (FROZEN,), (UNUSED,), ()):
        with pytest.raises(errors.WrongUsage, match="none of these findings"):
            draft(audited, *nothing)


# -- statements that belong together -----------------------------------------------------------------------------


def index(columns: str, lint: str = "filtered_without_index", kind: str = "index", where: str = "") -> Finding:
    """A proposal of an index of calls."""
    return finding(lint, f"public.calls ({columns}){where}", f"create {kind} on public.calls ({columns}){where};")


@pytest.mark.parametrize(
    ("proposals", "columns"),
    [
        ([index("org"), index("org", "fk_without_index")], ["org"]),
        ([index("org"), index("org, n")], ["org, n"]),
        ([index("org, n"), index("org asc nulls last")], ["org, n"]),
        ([index("org, n, id"), index("org"), index("org, n")], ["org, n, id"]),
        ([index("org desc"), index("org, n")], ["org DESC", "org, n"]),
        ([index("org"), index("org", where=" where n is not null")], ["org", "org) WHERE n IS NOT NULL"]),
        ([index("org"), index("org, n", kind="unique index")], ["org", "org, n"]),
        ([index("lower(phone)"), index("lower(phone), n")], ["lower(phone), n"]),
        ([index("org, n"), index("n, org")], ["n, org", "org, n"]),
    ],
)
def test_index_that_another_begins_with__is_made_once(
    audited: Place, proposals: list[Finding], columns: list[str]
) -> None:
    """With the reasons of both; where one does not serve for the other, both are made, under names of their own."""
    found = draft(audited, *proposals)
    assert sorted(s.sql.partition("btree (")[2].removesuffix(")") for s in found.statements) == columns
    assert sum(len(s.comment.splitlines()) for s in found.statements) == len(proposals)
    assert len({s.sql.split(" ON ")[0] for s in found.statements}) == len(columns)


def test_name_of_an_index__is_free(faulty: Place) -> None:
    """Neither there already, nor given twice, nor too long."""
    faulty.run("create index calls_org_idx on calls (id)", f'create table "{"t" * 60}" (a int, "{"c" * 50}" int)')
    long = finding(
        "fk_without_index", "x", f'create index on public."{"t" * 60}" ("{"c" * 50}");', relation=f"public.{'t' * 60}"
    )
    found = draft(faulty, index("org"), index("org desc"), long)
    assert [s.sql.split(" ON ")[0].removeprefix("CREATE INDEX ") for s in found.statements] == [
        "calls_org_idx2", "calls_org_idx3", f"{'t' * 18}_{'c' * 40}_idx",
    ]  # fmt: skip


def test_index_that_nothing_would_replace__is_not_dropped(audited: Place) -> None:
    """Each of two findings is right by itself; together they would leave no index for the columns."""
    found = draft(audited, TWIN, PREFIX_1, UNUSED, chosen=[TWIN.id, PREFIX_1.id, UNUSED.id])
    assert [s.sql for s in found.statements] == ["drop index concurrently public.long"]
    assert {i.person for i in found.about.checklist} == {
        f"drop index concurrently public.twin_{n}; by hand, after a look: no valid index would be left that does its work"
        for n in (1, 2)
    }


def test_invalid_index__is_built_anew(project: Project, faulty: Place) -> None:
    """A REINDEX can't be taken back; a build of the same definition can. Of a valid index it is left to a person."""
    faulty.run("insert into calls values (0, 1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        faulty.run("create unique index concurrently broken on calls (n)")
    invalid = finding("index_invalid", "public.broken", "reindex index concurrently public.broken;", level="important")
    bloated = finding("index_bloated", "public.long", "reindex index concurrently public.long;")
    found = draft(faulty, invalid, bloated)
    assert [s.sql for s in found.statements] == ["CREATE UNIQUE INDEX broken ON public.calls USING btree (n)"]
    assert [i.id for i in found.about.checklist] == ["index_bloated_public_long"]
    authoring.write(project.root, found)
    with faulty.connect() as session:
        (step,) = plan.make(runbook.load(project.root, "mend"), session).steps
    assert step.seen.state is State.INVALID


def test_two_statements_about_one_policy__do_not_undo_each_other(audited: Place) -> None:
    """The graver finding's one is carried out."""
    other = finding(
        "policy_function_per_row", "public.calls: mine twice", "alter policy mine on public.calls using (true);",
        level="important",
    )  # fmt: skip
    found = draft(audited, BARE, other)
    assert [s.sql for s in found.statements] == ["alter policy mine on public.calls using (true)"]
    assert "contradicts what mends policy_function_per_row:public.calls: mine twice" in found.about.checklist[0].person


# -- the workload ------------------------------------------------------------------------------------------------


def test_workload__is_what_the_findings_are_about(audited: Place) -> None:
    """Statements that are named, those that ask for the index's first column, and a foreign key's own look-up."""
    known = facts(
        audited,
        "select id from calls where phone = $1",
        "insert into calls (id) values ($1)",
        "select id from calls where id = $1",
        "select id from calls where n = $1",
    )
    found = draft(audited, FOREIGN_KEY, FILTERED, TWIN, facts=known)
    told = {q.name: q.front.title for q in found.workload}
    assert told == {
        "calls_by_phone": "Query 424242: 1,000 calls, 0.9 ms each, as the audit saw it",
        "calls_by_n": "Query 424245: 1,000 calls, 0.9 ms each, as the audit saw it",
        "calls_by_org": "What the check of a foreign key asks of public.calls: its rows by org",
    }
    only = draft(
        audited,
        finding("query_slow", "query 424243", relation=""),
        TWIN,
        facts=known,
        chosen=[TWIN.id, "query_slow:query 424243"],
    )
    assert "- Query 424243: 1,000 calls, 0.9 ms each, as the audit saw it: it writes" in only.about.description


def test_many_findings__are_measured_by_some(audited: Place) -> None:
    """A baseline of hundreds of queries would never end; how many are left out is told."""
    keys = [
        finding("fk_without_index", f"key {n}", f"create index on public.calls (n) where id > {n};") for n in range(30)
    ]
    found = draft(audited, *keys)
    assert (len(found.statements), len(found.workload)) == (30, 12)
    assert "- 18 further statements: 12 are taken" in found.about.description
    assert "key 19)" not in found.about.description
    assert " and 10 more." in found.about.description


def test_long_statement__is_measured_as_a_whole(faulty: Place) -> None:
    """The facts hold the beginning of it on one line, where a comment would hide the rest."""
    conditions = " and ".join(f"id <> {n}" for n in range(250))
    faulty.run(
        "create extension pg_stat_statements",
        f"select id -- by phone\nfrom calls where {conditions} and phone = '+1'",
        "select id -- by org\nfrom calls where org = 1",
    )
    told = faulty.run("select queryid::text, query from pg_stat_statements where query like 'select id -- by %'")
    known = facts(faulty, *(" ".join(text.split())[:2000] for _, text in told))
    statements = [{**s, "id": id_} for s, (id_, _) in zip(known.statements or (), told, strict=True)]
    slow = [finding("query_slow", f"query {id_}", relation="") for id_, _ in told]
    found = draft(faulty, TWIN, *slow, facts=Facts(statements=statements), chosen=[TWIN.id, *(f.id for f in slow)])
    assert sorted(q.name for q in found.workload) == ["calls_by_id_phone", "calls_by_org"]
    assert max(len(q.sql) for q in found.workload) > 4000
    faulty.run("drop extension pg_stat_statements")
    found = draft(faulty, TWIN, *slow, facts=Facts(statements=statements), chosen=[TWIN.id, *(f.id for f in slow)])
    assert found.workload == ()
    assert found.about.description.count("can't be read as a whole") == 2


def test_index_on_quoted_names__round_trips(project: Project, faulty: Place) -> None:
    """In statements, checks, file names and the workload."""
    odd = finding(
        "fk_without_index",
        '"Ünï"."a b" ("x y")',
        'create index concurrently on "Ünï"."a b" ("x y");',
        relation='"Ünï"."a b"',
    )
    authoring.write(project.root, draft(faulty, odd))
    loaded = runbook.load(project.root, "mend")
    assert [q.name for q in loaded.workload] == ["n_a_b_by_x_y"]
    assert loaded.workload[0].parameters == ("x_y",)
    project.forward("mend", faulty.target)
    assert faulty.run(loaded.checks[0].statements[0].sql) == []


def test_draft_without_a_database__has_no_workload(project: Project) -> None:
    """It is a runbook all the same, and says so."""
    found = from_audit.draft("mend", [FOREIGN_KEY, TWIN], NO_FACTS, None)
    authoring.write(project.root, found)
    loaded = runbook.load(project.root, "mend")
    assert (len(loaded.changes), loaded.workload, loaded.about.search_path) == (2, (), ("public",))
    assert "There is no workload" in loaded.about.description


def test_rehearsal_of_the_audited_runbook__goes_with_it(project: Project, audited: Place) -> None:
    """So that what was found on a sandbox can be mended on one; without it the sandbox says what is missing."""
    folder = project.runbook("audited", "create index on t (a);", files={"sandbox/schema.sql": "select 1;"})
    authoring.write(project.root, draft(audited, TWIN, sandbox=folder / "sandbox"))
    assert (project.root / "runbooks" / "mend" / "sandbox" / "schema.sql").read_text() == "select 1;"
    with pytest.raises(errors.WrongUsage, match=r"no sandbox/data\.sql"):
        rehearsal.ensure(runbook.load(project.root, "mend"))
