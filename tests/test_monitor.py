"""Looks at a database, their place in the ledger, and what is found in the course of them."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from click.testing import CliRunner

from conftest import REPOSITORY
from fix_databases import Place, made, on_every_version
from fix_faults import holding, until
from fix_project import Project
from fix_servers import Server
from pgrunbook import db, errors, from_cron, plan, sqlfile, stages
from pgrunbook.cli import main
from pgrunbook.description import KeyMetric, Monitor
from pgrunbook.findings import Verdict
from pgrunbook.ledger import WATCHING, Ledger, ddl
from pgrunbook.lock import lock_key
from pgrunbook.measure.sampling import Sample
from pgrunbook.measure.workload import BindSet
from pgrunbook.monitor import chart, compare, keep, metrics, shown
from pgrunbook.monitor import course as courses
from pgrunbook.monitor import look as looking
from pgrunbook.monitor.course import Counted, Course, Index, Name, Plan, Point, Table
from pgrunbook.runbook import Query
from pgrunbook.stages import Parameters, Session, StageResult, monitor

pytestmark = pytest.mark.usefixtures("few_statements")

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ABOUT = Monitor()
QUERY = """\
/*---
title = "by a"
[binds]
common = "select 7 as a"
---*/
select id from t where a = :'a'::int order by id
"""


# -- a course without a server --------------------------------------------------------------------------------------


def point(number: int, after: timedelta | None = None, **given: object) -> Point:
    """A snapshot so long after the first one, an hour each where nothing else is said."""
    at = BEGIN + (HOUR * number if after is None else after)
    usual: dict[str, object] = dict.fromkeys(("commits", "rollbacks", "blocks_hit", "blocks_read"), 0)
    usual |= dict.fromkeys(("temp_bytes", "deadlocks", "conflicts", "connections", "waiting"), 0)
    usual |= dict.fromkeys(("database_bytes", "longest_s", "statements_ms", "statements_calls"))
    usual |= {"statements": {}, "tables": {}, "indexes": {}, "plans": {}, "epochs": (0, 0)}
    return Point(**{"id": number + 1, "at": at, "server_started": BEGIN - 9 * DAY, **usual, **given})  # type: ignore[arg-type]


def course(*points: Point, names: dict[int, Name] | None = None, among: tuple[Point, ...] = ()) -> Course:
    """A course of points; `among` are snapshots that were not read."""

    def between(after: Point, until: Point) -> list[Point]:
        every = sorted([*points, *among], key=lambda p: p.at)
        return [p for p in every if after.at < p.at <= until.at]

    return Course(points, (), names or {}, len(points) + len(among), between)


def called(*means: float, calls: int = 50, epochs: dict[int, int] | None = None) -> Course:
    """A course in which a statement takes so many ms a call, window by window; `epochs` says where counters begin anew."""
    points, done, ms, squares = [point(0, statements={1: Counted(0, 0.0, 0.0)})], 0, 0.0, 0.0
    for number, mean in enumerate(means, 1):
        epoch = sum(1 for n in epochs or {} if n <= number)
        if number in (epochs or {}):
            done, ms, squares = 0, 0.0, 0.0
        done, ms, squares = done + calls, ms + calls * mean, squares + calls * mean**2
        points.append(point(number, epochs=(epoch, epoch), statements={1: Counted(done, ms, squares)}))
    return course(*points, names={1: Name(1, "statement", "77", "calls")})


def slower(found: Course) -> list[tuple[int, str]]:
    """The snapshot and the words of what got slower."""
    return [(f.snapshot, f.what) for f in compare.slower(compare.times(found, ["calls"], ABOUT), [])]


@pytest.mark.parametrize(
    ("means", "since"),
    [
        ((1, 1, 1, 1, 9, 9), 6),
        ((1, 1, 1, 1, 1.2, 4, 4, 4), 7),
        ((1, 1, 1, 1, 1, 30), 7),
        ((1, 1, 1, 1, 4), None),
        ((1, 1, 1, 1, 4, 1, 4, 1), None),
        ((1, 1, 1, 30, 30, 1), None),
        ((0.1, 0.1, 0.1, 0.1, 0.9, 0.9), None),
        ((1, 3, 5, 1, 3, 5, 6, 6), None),
        ((1, 1), None),
        ((9, 9, 9, 9, 1, 1, 1, 9, 9), None),
    ],
    ids=[
        "two in a row", "after a drift", "one huge", "one alone", "outliers", "over again", "too small", "wide spread",
        "too short", "back to what it was",
    ],
)  # fmt: skip
def test_statement__is_slower_only_when_it_lasts_and_is_far_from_what_was_before(
    means: tuple[float, ...], since: int | None
) -> None:
    """Against the median and the spread of the windows before; told is the first snapshot of what lasts."""
    assert [number for number, _ in slower(called(*means))] == ([since] if since else [])


def test_one_call_that_waited_long__makes_no_statement_slower() -> None:
    """A mean of 50 calls is soon thirty times what it was: the squares tell that one call did it."""
    found = called(1, 1, 1, 1, 1)
    last = found.points[-1]
    before = last.statements[1]
    waited = replace(last, id=7, at=last.at + HOUR, statements={1: Counted(before.calls + 50, before.ms + 1550, before.squares + 1500.0**2)})  # fmt: skip
    assert slower(course(*found.points, waited, names=found.names)) == []
    all_of_them = replace(waited, statements={1: Counted(before.calls + 50, before.ms + 1550, before.squares + 50 * 31.0**2)})  # fmt: skip
    assert slower(course(*found.points, all_of_them, names=found.names)) == [
        (7, "31.0× slower: 1.00 → 31.00 ms a call")
    ]


def test_counters_that_begin_anew__are_never_subtracted() -> None:
    """Across a mark there is no window; what was slow before it still is."""
    assert slower(called(1, 1, 1, 1, 9, 9, 9, epochs={6: 1})) == [(6, "9.0× slower: 1.00 → 9.00 ms a call")]
    assert slower(called(1, 1, 1, 1, 1, 1, epochs={4: 1})) == []
    fell = called(1, 1, 1, 1)
    less = replace(fell.points[-1], id=9, at=fell.points[-1].at + HOUR, statements={1: Counted(60, 6000.0, 6e5)})
    assert slower(course(*fell.points, less, names=fell.names)) == []


def test_few_calls__are_joined_until_they_are_enough() -> None:
    """Windows of five calls each say nothing alone; four of them together do."""
    found = compare.times(called(*[1] * 12, *[9] * 8, calls=5), ["calls"], ABOUT)
    assert [w.whole for w in found[0].windows] == [20] * 5
    assert found[0].changed
    assert found[0].changed.until.id == 17


def test_first_hour_of_a_server__is_not_judged() -> None:
    """Its caches are empty."""
    warm = called(1, 1, 1, 1, 9, 9)
    cold = [replace(p, server_started=p.at - HOUR / 2) if p.id > 5 else p for p in warm.points]
    assert slower(course(*cold, names=warm.names)) == []


def planned(*plans: tuple[str, float]) -> Course:
    """A course of one question's plans."""
    return course(*(point(n, plans={"calls, common": Plan(*p)}) for n, p in enumerate(plans)))


INDEX, OTHER, WHOLE = ("Bitmap Index Scan a", 10.0), ("Index Scan b", 9.0), ("Seq Scan t", 900.0)


@pytest.mark.parametrize(
    ("plans", "found"),
    [
        ((INDEX, INDEX, WHOLE, WHOLE), ("plan", 3)),
        ((INDEX, WHOLE, INDEX, WHOLE), ("plan", 4)),
        ((INDEX, OTHER, OTHER), ("note", 2)),
        ((INDEX, OTHER, WHOLE), ("plan", 3)),
        ((INDEX, WHOLE, INDEX), None),
        ((WHOLE, INDEX), None),
        ((INDEX, ("Seq Scan t", 11.0)), None),
        ((INDEX, ("Index Only Scan a", 9.0)), None),
    ],
)
def test_plan__is_amiss_while_a_whole_table_is_read_where_an_index_led(
    plans: tuple[tuple[str, float], ...], found: tuple[str, int] | None
) -> None:
    """Another index is noted; a table so small that reading it costs as little is none of that."""
    told = [(f.kind, f.snapshot) for f in compare.flipped(compare.plans(planned(*plans), {}))]
    assert told == ([found] if found else [])


def test_plan__is_held_against_what_verify_measured() -> None:
    """Also when no snapshot was taken while it was well."""
    found = compare.plans(planned(WHOLE, WHOLE), {"calls, common": Plan(*INDEX)})
    (finding,) = compare.flipped(found)
    assert (finding.snapshot, finding.detail) == (1, "Bitmap Index Scan a → Seq Scan t, cost 10 → 900")


def test_change_between_two_points_that_were_read__is_told_of_its_own_snapshot() -> None:
    """The snapshots in between are looked up."""
    read = [point(n * 10, plans={"q, common": Plan(*p)}) for n, p in enumerate((INDEX, INDEX, WHOLE))]
    among = [point(n, plans={"q, common": Plan(*(INDEX if n < 14 else WHOLE))}) for n in range(11, 20)]
    (finding,) = compare.flipped(compare.plans(course(*read, among=tuple(among)), {}))
    assert (finding.snapshot, finding.since) == (15, BEGIN + 14 * HOUR)


def test_query_that_names_what_is_gone__is_amiss_since_then() -> None:
    """A table that was renamed: nobody can ask for its plan, though its indexes are there."""
    gone = 'relation "t" does not exist [42P01]'
    found = course(*(point(n, unknown={"calls": gone} if n > 1 else {}) for n in range(4)))
    assert [(f.kind, f.object, f.snapshot) for f in compare.unknown(found)] == [("plan", "calls", 3)]
    assert list(compare.unknown(course(*found.points, point(4)))) == []


def sized(*megabytes: float) -> Course:
    """A course of a table's sizes, a day each."""
    return course(
        *(point(n, DAY * n, tables={"public.t": Table(int(mb * 2**20), 5, 5)}) for n, mb in enumerate(megabytes))
    )


@pytest.mark.parametrize(
    ("megabytes", "since"),
    [
        ((10, 11, 12, 13, 130, 131), 5),
        ((10, 20, 40, 60, 80, 100, 120), None),
        ((1, 1, 1, 1, 6, 6), None),
        ((10, 11, 12, 13, 130, 12, 12), None),
        ((10, 10, 100), None),
    ],
    ids=["at once", "steadily", "too little", "shrunk again", "too early"],
)
def test_table__has_grown_when_it_is_far_beyond_its_own_earlier_growth(
    megabytes: tuple[float, ...], since: int | None
) -> None:
    """Expected is as much growth since half of its time as in the half before."""
    assert [f.snapshot for f in compare.grown(compare.tables(sized(*megabytes), ABOUT))] == ([since] if since else [])


def indexed(*scans: tuple[int, int], needed: bool = False, **given: object) -> Course:
    """A course of an index's scans and of those the looks made, a day each."""
    return course(
        *(
            point(n, DAY * n, indexes={"public.i": Index(8192, s, p, True, needed)}, **given)
            for n, (s, p) in enumerate(scans)
        )
    )


@pytest.mark.parametrize(
    ("scans", "state"),
    [
        ([(0, 0)] * 8, "unread"),
        ([(0, 0)] * 7, "not judged"),
        ([(0, 0)] * 7 + [(1, 0)], "read"),
        ([(n * 3, n * 3) for n in range(9)], "unread"),
        ([(n * 3, n * 2) for n in range(9)], "read"),
        ([(9, 0)] * 5 + [(0, 0)] * 4, "unread"),
        ([(9, 0)] * 5 + [(4, 0)] * 4, "read"),
        ([(0, 0)] * 3 + [(5, 0)] * 9, "unread"),
    ],
    ids=["never", "six days", "once", "by looks", "by others too", "after a reset", "read after a reset", "no longer"],
)
def test_index__is_unread_after_a_week_in_which_only_looks_read_it(scans: list[tuple[int, int]], state: str) -> None:
    """The planner reads an index's end to estimate a range, so a look's own scans are taken off."""
    (found,) = compare.indexes(indexed(*scans), ["public.i"], ABOUT)
    assert found.state == state


def test_index_that_enforces_something__is_never_called_unread() -> None:
    """It is there for what it refuses."""
    (found,) = compare.indexes(indexed(*[(0, 0)] * 9, needed=True), ["public.i"], ABOUT)
    assert list(compare.lost([found])) == []


def test_look_that_saw_no_table__says_nothing_of_an_index() -> None:
    """It was refused, or kept waiting: what it did not see is not gone."""
    seen = indexed((0, 0), (1, 0)).points
    (found,) = compare.indexes(course(*seen, point(2, DAY * 2, sized=False)), ["public.i"], ABOUT)
    assert found.state != "gone"
    (found,) = compare.indexes(course(*seen, point(2, DAY * 2, sized=False), point(3, DAY * 3)), ["public.i"], ABOUT)
    assert (found.state, found.since and found.since.id) == ("gone", 4)


def test_index_of_nobody_s_run__is_judged_only_when_it_appeared_in_the_course() -> None:
    """One that was there before is the audit's; one on a table that was not watched then may be old."""
    names = {1: Name(1, "index", "public.i", "public.t")}
    seen = {"public.i": Index(8192, 0, 0, True, False)}
    for first, table, expected in (({}, "public.t", ["unread"]), (seen, "public.t", []), ({}, "public.u", [])):
        begin = point(0, DAY * 0, tables={table: Table(1, 1, 1)}, indexes=first)
        later = [point(n, DAY * n, tables={"public.t": Table(1, 1, 1)}, indexes=seen) for n in range(1, 10)]
        found = compare.indexes(course(begin, *later, names=names), [], ABOUT)
        assert [i.state for i in found] == expected


def test_whole_database__ails_when_shares_rise_and_stay() -> None:
    """Rollbacks of transactions, misses of blocks, deadlocks a day."""
    counts = [(n * 1000, n * 2, n * 20_000, 0, 0) for n in range(6)]
    counts += [(6000, 212, 100_000, 20_000, 40), (7000, 412, 100_000, 40_000, 80)]
    keys = ("commits", "rollbacks", "blocks_hit", "blocks_read", "deadlocks")
    found = course(*(point(n, DAY * n, **dict(zip(keys, c, strict=True))) for n, c in enumerate(counts)))
    told = [(f.kind, f.object, f.snapshot) for f in compare.ailing(compare.health(found, ABOUT))]
    assert told == [("cache", "cache misses", 7), ("errors", "rollbacks", 7), ("errors", "deadlocks", 7)]
    quiet = course(*found.points[:6])
    assert list(compare.ailing(compare.health(quiet, ABOUT))) == []


def test_key_metrics__say_what_was_measured_or_why_nothing_was() -> None:
    """The document's words beside the baseline's and the newest figures."""
    before = [Sample("calls", "common", "", 1, 1, "", (), "", (100.0,))]
    given = (
        KeyMetric(
            says="Response", baseline="100ms", target="30-50ms", metric="query_ms", queries=("calls",), at_most=50
        ),
        KeyMetric(says="Analytics", metric="query_ms", queries=("other",)),
        KeyMetric(says="Errors", metric="errors", how="application logs"),
        KeyMetric(says="Network", not_measurable="it is not in the database"),
    )
    course_ = called(*[4.0] * 5)
    measured = metrics.Measurements(before=before, times=compare.times(course_, ["calls"], ABOUT))
    response, analytics, failures, network = metrics.rows(given, measured)
    assert (response.baseline_said, response.baseline, response.now) == ("100ms", "100.00 ms", "4.00 ms")
    assert (response.verdict, analytics.verdict, network.verdict) == ("holds", "not measurable", "not measurable")
    assert network.how == "it is not in the database"
    assert failures.how.endswith("the document: application logs")
    verified = metrics.Measurements(before=before, after=before)
    assert "verify" in metrics.rows(given[:1], verified)[0].how
    assert [r.metric for r in metrics.rows((), measured)] == [m.says for m in metrics.USUAL]


def test_picture__is_drawn_with_marks_and_changes_whatever_there_is() -> None:
    """Valid XML, also of a single snapshot and of names that XML would take for its own."""
    names = {1: Name(1, "statement", "77", "select a<b & c")}
    found = replace(
        called(1, 1, 1, 1, 9, 9), names=names, marks=(courses.Mark("server restarted", 3, BEGIN + HOUR, BEGIN),)
    )
    times = compare.times(found, [], ABOUT)
    drawn = chart.draw(found, times, compare.tables(found, ABOUT))
    text = "".join(ET.fromstring(drawn).itertext())  # noqa: S314  our own
    assert "select a<b & c" in text
    assert "server restarted" in text
    assert drawn.count("<circle") == 1
    assert ET.fromstring(chart.draw(course(point(0)), [], [])) is not None  # noqa: S314


# -- looks at a real server -----------------------------------------------------------------------------------------


def prepared(place: Place, *statements: str) -> Place:
    """A table with an index, and the server's statistics of statements."""
    place.run(
        "create extension if not exists pg_stat_statements",
        "create table t (id int primary key, a int, b int)",
        "insert into t select i, i % 100, i from generate_series(1, 3000) i",
        "create index t_a on t (a)",
        "create index t_b on t (b)",
        "vacuum analyze t",
        *statements,
    )
    return place


def query(sql: str, name: str = "q") -> Query:
    return Query(name, "", sqlfile.split(sql, variables=True), "", (), 1, {})


BY_A = query("select id from t where a = :'a'::int order by id")
BEYOND = query("select id from t where b > :'b'::int", "beyond")


def watching(session: db.Database, *workload: Query, **given: object) -> looking.Watching:
    return looking.Watching(plan.identify(session), ["public"], workload=workload, **given)  # type: ignore[arg-type]


def look(place: Place, *workload: Query, **given: object) -> looking.Look:
    """One look at a database."""
    with place.connect(read_only=True) as session:
        return looking.look(session, watching(session, *workload, **given))


@pytest.fixture
def counting(server_of: Callable[[int], Server], version: int) -> None:
    """The server of the version counts statements; the sandbox's does by itself."""
    server = server_of(version)
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        (loaded,) = admin.execute("show shared_preload_libraries").fetchone()
        if not loaded:
            admin.execute("alter system set shared_preload_libraries = 'pg_stat_statements'")
    if not loaded:
        server.crash()
        server.start()


@on_every_version
def test_look__sees_statements_plans_and_sizes_and_runs_nothing(counting: None, database: Place) -> None:
    """The workload's statement is known by its id, with bound values and with constants; plans for any value or for ours."""
    prepared(database)
    with database.session() as session:
        for _ in range(3):
            psycopg.RawCursor(session).execute(BY_A.statements[0].sql, ["7"])
        session.execute("select id from t where a = '7'::int order by id")
    binds = {"q": [BindSet("common", {"a": "7"})]}
    found = look(database, BY_A, binds=binds)
    again = look(database, BY_A)
    counted = {s.says: s.calls for s in again.statements.seen}
    assert "statements" not in [n.what for n in found.not_seen]
    if found.version >= 140000:
        for one in (found, again):  # the heaviest first, whichever that was
            assert sorted(s.calls for s in one.statements.seen if s.says == "q") == [1, 3]
    else:
        assert any("select id from t" in text for text in counted)
        assert "times of the workload" in [n.what for n in found.not_seen]
    assert any(text.startswith("insert into t select") for text in counted)
    assert not any(text.startswith(("create", "vacuum")) for text in counted)
    assert [(p.question, p.plan) for p in found.plans] == [("q, common", "Bitmap Index Scan t_a")]
    assert [(p.question, p.plan) for p in again.plans] == [("q, any value", "Bitmap Index Scan t_a")]
    (table,) = found.tables
    assert (table.table, table.rows >= 3000, table.bytes is not None) == ("public.t", True, True)
    assert [(i.index, i.valid, i.needed) for i in found.indexes] == [
        ("public.t_a", True, False),
        ("public.t_b", True, False),
        ("public.t_pkey", True, True),
    ]
    assert found.seconds < 10


def test_scans_of_an_index_by_a_look__are_known_to_be_its_own(database: Place) -> None:
    """The planner reads the end of an index to estimate what is beyond its statistics, and the server counts that."""
    prepared(database, "insert into t values (9001, 1, 9001)")
    binds = {"beyond": [BindSet("common", {"b": "9000"})]}
    first = look(database, BEYOND, binds=binds)
    (own,) = [i.probes for i in first.indexes if i.index == "public.t_b"]
    assert own > 0
    counted = "select idx_scan from pg_stat_user_indexes where indexrelname = 't_b'"
    until(lambda: database.run(counted) == [(own,)])  # the look's backend tells of it when it ends
    second = look(database, BEYOND, binds=binds)
    assert [i.scans for i in second.indexes if i.index == "public.t_b"] == [own]


def test_locked_table__is_not_waited_for_and_nothing_of_it_is_taken_for_gone(database: Place) -> None:
    """Somebody alters it: its sizes and plans are not known, its indexes are there."""
    prepared(database)
    with holding(database, "lock table t in access exclusive mode", snapshot=False):
        found = look(database, BY_A)
    assert found.seconds < 10
    assert [(t.table, t.bytes) for t in found.tables] == [("public.t", None)]
    assert [i.index for i in found.indexes] == ["public.t_a", "public.t_b", "public.t_pkey"]
    assert {"sizes", "plans of q"} <= {n.what for n in found.not_seen}


def test_partitioned_table_and_index__count_their_parts(database: Place) -> None:
    """The parents have no size and no scans of their own."""
    database.run(
        "create table p (id int, d int) partition by range (d)",
        "create table p1 partition of p for values from (0) to (10)",
        "create table p2 partition of p for values from (10) to (20)",
        "insert into p select i, i % 20 from generate_series(1, 2000) i",
        "create index p_d on p (d)",
        "set enable_seqscan = off; select count(*) from p where d = 3",
        "select pg_stat_force_next_flush()",
    )
    found = look(database, indexes=["public.p_d"], tables=["p"])
    sizes = {t.table: t.bytes or 0 for t in found.tables}
    assert sizes["public.p"] == sizes["public.p1"] + sizes["public.p2"]
    scans = {i.index: (i.scans, i.bytes or 0) for i in found.indexes}
    assert scans["public.p_d"][0] == 1
    assert scans["public.p_d"][1] == scans["public.p1_d_idx"][1] + scans["public.p2_d_idx"][1]


@contextmanager
def role(place: Place, *grants: str) -> Iterator[Place]:
    """The same database as a role of its own, without a superuser's rights."""
    name = f"watcher_{place.name}"
    place.run(f"create role {name} login", *(g.format(name) for g in grants))
    conninfo = psycopg.conninfo.make_conninfo(place.conninfo, user=name)
    variable = f"PGRB_{name.upper()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, conninfo)
        try:
            yield Place(place.name, f"env:{variable}", conninfo)
        finally:
            place.run(f"drop owned by {name}", f"drop role {name}")


def test_role_that_may_see_little__says_what_it_does_not_see_and_sees_the_rest(database: Place) -> None:
    """Without SELECT, without pg_read_all_stats: sizes and counters are there, each gap with what mends it."""
    prepared(database)
    with role(database) as place:
        found = look(place, BY_A)
    lacking = {n.what: n.remedy for n in found.not_seen}
    assert {"plans of q", "statements", "longest transaction"} <= lacking.keys()
    assert "grant select on its tables" in lacking["plans of q"]
    assert "pg_read_all_stats" in lacking["statements"]
    assert found.tables[0].bytes
    assert found.state.commits > 0


def test_schema_that_a_role_may_not_use__hides_neither_tables_nor_indexes(database: Place) -> None:
    """To it a name without a schema is not there, which is no regression; sizes are seen all the same."""
    prepared(database, "create schema shut", "create table shut.u (a int)", "create index u_a on shut.u (a)")
    named = {"tables": ["shut.u"], "indexes": ["shut.u_a", "u_a"]}
    with role(database) as place, place.connect(read_only=True) as session:
        session.rows("select set_config('search_path', 'shut, public', false)")
        found = looking.look(session, watching(session, query("select a from u"), **named))
    assert "shut.u" in {t.table for t in found.tables}
    assert "shut.u_a" in {i.index for i in found.indexes}
    lacking = {n.what: n for n in found.not_seen}
    assert "may not use schema shut" in lacking["plans of q"].why
    assert "grant usage on schema shut" in lacking["plans of q"].remedy


def test_database_without_the_extension__is_looked_at_all_the_same(database: Place) -> None:
    """No times; the statement that mends it."""
    database.run("create table t (id int primary key, a int)")
    found = look(database, BY_A)
    assert found.statements.seen == ()
    (lacking,) = [n for n in found.not_seen if n.what == "statements"]
    assert "create extension pg_stat_statements" in lacking.remedy
    assert [p.question for p in found.plans] == ["q, any value"]


# -- the ledger -----------------------------------------------------------------------------------------------------


def kept(place: Place, *moments: datetime, about: Monitor = ABOUT) -> list[keep.Kept]:
    """Looks in the ledger, at given moments."""
    with place.connect() as session:
        ledger = Ledger(session, "pgrunbook")
        keep.prepare(session, ledger)
        found = looking.look(session, watching(session, BY_A))
        return [keep.keep(session, ledger, "small", "r", found, about, at) for at in moments]


@contextmanager
def read(place: Place) -> Iterator[Course]:
    """The course that the ledger holds."""
    with place.connect() as session:
        yield courses.load(session, "pgrunbook", "small", "r")


def copies(place: Place, number: int, every: timedelta) -> None:
    """Further snapshots like the first one, one after another, whose counters grow."""
    columns = [
        c
        for (c,) in place.run(
            "select column_name::text from information_schema.columns where table_name = 'snapshot' and table_schema = 'pgrunbook'"
        )
    ]
    changed = {
        "id": None, "taken_at": f"s.taken_at + n * interval '{every.total_seconds()} s'", "commits": "s.commits + n * 100",
        "statement_calls": "array(select c + n * 30 from unnest(s.statement_calls) c)",
        "statement_ms": "array(select m + n * 30.0 from unnest(s.statement_ms) m)",
        "statement_squares": "array(select q + n * 30.0 from unnest(s.statement_squares) q)",
    }  # fmt: skip
    own = [c for c in columns if c != "id"]
    place.run(
        f"insert into pgrunbook.snapshot ({', '.join(own)}) select {', '.join(changed.get(c) or 's.' + c for c in own)}"
        f" from pgrunbook.snapshot s, generate_series(1, {number}) n where s.id = (select min(id) from pgrunbook.snapshot)"
    )


def test_snapshots__stay_all_then_by_the_hour_then_by_the_day_and_then_none_but_the_first_day(database: Place) -> None:
    """At most so many go at once, so that the first one after a long time is no longer than the others."""
    prepared(database)
    kept(database, BEGIN)
    copies(database, 4 * 24 * 40, HOUR / 4)
    about = Monitor(raw_days=3, hourly_days=10, retention_days=20)
    last = BEGIN + 40 * DAY + HOUR
    thinned = []
    for _ in range(9):
        (one,) = kept(database, last, about=about)
        thinned.append(one.thinned)
    assert thinned[:6] == [500] * 6
    assert thinned[-1] == 0
    ages = database.run(
        "select count(*) filter (where taken_at < %s), count(*) filter (where taken_at >= %s and taken_at < %s),"
        " count(*) filter (where taken_at >= %s and taken_at < %s), count(*) filter (where taken_at >= %s and taken_at < %s)"
        " from pgrunbook.snapshot".replace("%s", "'{}'").format(
            BEGIN + DAY, BEGIN + DAY, last - 20 * DAY, last - 20 * DAY, last - 10 * DAY, last - 10 * DAY, last - 3 * DAY
        )
    )
    assert ages[0][:2] == (24, 0)
    assert ages[0][2] in (10, 11)
    assert ages[0][3] in (7 * 24, 7 * 24 + 1)


def test_course_of_many_snapshots__reads_some_and_tells_the_very_one(database: Place) -> None:
    """However many there are; a change between two that are read is found at its own."""
    prepared(database)
    kept(database, BEGIN)
    copies(database, 2000, HOUR / 12)
    number = int(
        database.run("insert into pgrunbook.watched (kind, name) values ('plan', 'Seq Scan t') returning id")[0][0]
    )
    flip = BEGIN + 1234 * HOUR / 12
    database.run(
        f"update pgrunbook.snapshot set plans = array[{number}], plan_cost = '{{99999}}' where taken_at >= '{flip}'"
    )
    with read(database) as found:
        assert found.snapshots == 2001
        assert len(found.points) <= courses.SPANS + 2 * courses.ENDS
        (finding,) = compare.flipped(compare.plans(found, {}))
    assert finding.since == flip


def test_marks__name_what_made_counters_begin_anew(database: Place) -> None:
    """A restart, a reset, a crash, another server: each between two snapshots."""
    prepared(database)
    kept(database, BEGIN)
    copies(database, 6, HOUR)
    for number, what in (
        (1, "server_started = server_started + interval '1 hour'"),
        (2, "counted_since = '2026-03-01 02:00Z'"),
        (3, "statements_since = '2026-03-01 03:00Z'"),
        (4, "commits = 1"),
        (6, "system_identifier = '1', server_started = server_started + interval '2 hours'"),
    ):
        later = "" if number == 4 else f" or taken_at > '{BEGIN + number * HOUR}'"
        database.run(f"update pgrunbook.snapshot set {what} where taken_at = '{BEGIN + number * HOUR}'{later}")
    with read(database) as found:
        pass
    assert [((m.at - BEGIN) // HOUR, m.what) for m in found.marks] == [
        (1, "server restarted"),
        (2, "statistics reset"),
        (3, "statistics of statements reset"),
        (4, "statistics reset"),
        (6, "another server"),
    ]
    assert [p.epochs for p in found.points] == [(0, 0), (1, 1), (2, 1), (2, 2), (3, 3), (3, 3), (4, 4)]


def test_clock_set_back__leaves_the_newest_look_the_newest(database: Place) -> None:
    """Looks follow one another by their numbers: one that is dated in the future hides no later one."""
    prepared(database)
    kept(database, BEGIN, BEGIN + 9 * DAY, BEGIN + HOUR)
    with read(database) as found:
        assert [p.at - BEGIN for p in found.points] == [0 * HOUR, 9 * DAY, HOUR]
        assert found.between(found.points[1], found.points[2]) == [found.points[2]]
    assert ET.fromstring(chart.draw(found, [], [])) is not None  # noqa: S314


def test_role_that_only_reads__is_told_before_the_look(database: Place) -> None:
    """Its transactions are read-only by themselves, so that no snapshot could be kept."""
    prepared(database)
    kept(database, BEGIN)
    database.run(f"alter database {database.name} set default_transaction_read_only = on")
    with pytest.raises(errors.BadTarget, match="can only read here"):
        kept(database, BEGIN + HOUR)


def test_ledger_of_before__gets_the_tables_it_lacks(database: Place) -> None:
    """Those of the runs stay as they are."""
    prepared(database)
    older = ddl("pgrunbook").partition("-- What a monitor saw")[0]
    database.run(*(s.sql for s in sqlfile.split(older)))
    with database.connect() as session:
        ledger = Ledger(session, "pgrunbook")
        assert (ledger.exists(), ledger.exists(WATCHING)) == (True, False)
        ledger.begin("r", "small", "d", ("1", "x"), ["public"], {})
        keep.prepare(session, ledger)
        assert (ledger.exists(), ledger.exists(WATCHING), ledger.usable(WATCHING)) == (True, True, True)
        assert [r.run_id for r in ledger.runs()] == ["r"]


def test_role_without_the_ledger__is_given_the_administrator_s_command(database: Place) -> None:
    """What it prints is enough: to make the tables where they lack, and to write and thin them."""
    prepared(database)
    with role(database) as place:
        with pytest.raises(errors.BadTarget) as caught:
            kept(place, BEGIN)
        name = place.target.removeprefix("env:PGRB_").lower()
        assert f"pgrunbook ledger sql --role {name}" in caught.value.remedy
        database.run(*(s.sql for s in sqlfile.split(ddl("pgrunbook", name))))
        assert kept(place, BEGIN, BEGIN + HOUR)[-1].thinned == 0
        database.run("drop table pgrunbook.snapshot, pgrunbook.watched")
        assert kept(place, BEGIN)[0].id == 1


def test_publication_of_all_tables__is_not_given_tables_that_its_subscribers_lack(database: Place) -> None:
    """They would stop at the first row; where the tables are there already, somebody has seen to it."""
    prepared(database, "create publication everything for all tables")
    with pytest.raises(errors.BadTarget, match="everything would take the ledger's new tables along") as caught:
        kept(database, BEGIN)
    assert "pgrunbook ledger sql" in caught.value.remedy
    database.run(*(s.sql for s in sqlfile.split(ddl("pgrunbook"))))
    assert kept(database, BEGIN)


def test_looks_of_several_runbooks_at_once__are_all_kept(database: Place) -> None:
    """They write the same names, and none waits for one that waits for it."""
    prepared(database)
    kept(database, BEGIN)
    failed: list[BaseException] = []

    def several(runbook: str) -> None:
        try:
            with database.connect(settings={"lock_timeout": "60s"}) as session:  # they stand in line
                found = looking.look(
                    session, watching(session, query(f"select 1 from t where id = {len(runbook)}", runbook))
                )
                for n in range(5):
                    keep.keep(session, Ledger(session, "pgrunbook"), runbook, "", found, ABOUT, BEGIN + n * HOUR)
        except BaseException as e:  # noqa: BLE001
            failed.append(e)

    threads = [threading.Thread(target=several, args=("x" * n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert database.run("select count(*), count(distinct runbook) from pgrunbook.snapshot") == [(16, 4)]


# -- the stage ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Small:
    """The runbook `small`, applied to a database by a run, and verified."""

    project: Project
    place: Place
    run_id: str

    def monitor(self, **given: object) -> StageResult:
        """Run the stage."""
        return self.project.stage("monitor", "small", self.place.target, **given)

    def open(self) -> Session:
        """Open the stage."""
        return stages.open_stage("monitor", monitor.MonitorParameters(runbook="small", target=self.place.target))


@pytest.fixture(scope="module")
def applied(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """A run of `small`, of which the tests change nothing but its snapshots."""
    root = tmp_path_factory.mktemp("small")
    (root / "notebooks").symlink_to(REPOSITORY / "notebooks")
    project = Project(root)
    toml = "live = true\n[limits]\nsamples = 2\n[monitor]\ncalls = 5\n"
    claim = '[[claims]]\nid = "{0}"\nsays = "{0}"\nmetric = "{0}"\nat_most = {1}\ngates = true\n'
    toml += claim.format("index_mb", 0.01) + claim.format("query_ms_after", '1000\nquery = "q"')
    project.runbook("small", "create index t_a on t (a);", toml, {"workload/q.sql": QUERY})
    with pytest.MonkeyPatch.context() as patch, made(server) as place:
        patch.setenv("PGRUNBOOK_ROOT", str(root))
        prepared(place, "drop index t_a")
        run_id = project.forward("small", place.target)
        with pytest.raises(errors.CheckFailed, match="index_mb"):
            project.stage("verify", "small", place.target, run_id=run_id)
        yield Small(project, place, run_id)


@pytest.fixture
def small(applied: Small) -> Small:
    """The same, without a snapshot."""
    applied.place.run("truncate pgrunbook.snapshot")
    return applied


def watched(result: StageResult) -> str:
    """The run that a monitor watched."""
    return next(c.object for c in result.findings if c.check == "snapshot")


def test_monitor_of_a_run__passes_while_all_is_well(small: Small) -> None:
    """It watches the newest applied run by itself, with its bind values and plans, and writes to the ledger alone."""
    there = "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
    before = small.place.run(there)
    result = small.monitor()
    assert result.verdict is Verdict.PASSED
    assert (result.run_id, watched(result)) == (small.run_id, small.run_id)
    held = {c.check: c.measured for c in result.findings if c.verdict is Verdict.PASSED}
    assert held["index"] == "all there and valid"
    assert held["plan"] == "none reads a whole table where an index led"
    assert small.place.run(there) == before
    assert small.place.run("select run_id, array_length(plans, 1) from pgrunbook.snapshot") == [(small.run_id, 1)]
    given = Parameters(runbook="small", target=small.place.target)
    assert stages.runs(small.project.root, given) == [small.run_id]


def test_index_dropped_by_hand__fails_the_monitor_with_its_plans(small: Small) -> None:
    """Since the first look after it, also when no look came before; an invalid one as well."""
    try:
        small.place.run("update pg_index set indisvalid = false where indexrelid = 't_a'::regclass")
        with pytest.raises(errors.CheckFailed, match=r"public\.t_a: is invalid.*since snapshot \d+"):
            small.monitor()
        small.place.run("drop index t_a")
        with pytest.raises(errors.CheckFailed) as caught:
            small.monitor()
    finally:
        small.place.run("drop index if exists t_a", "create index t_a on t (a)")
    first = small.place.run("select min(id) from pgrunbook.snapshot")[0][0]
    assert caught.value.exit_status == 10
    assert "index, public.t_a: is gone" in caught.value.message
    assert f"q, common: an index scan turned sequential, since snapshot {first} of" in caught.value.message
    assert "Bitmap Index Scan t_a → Seq Scan t" in caught.value.message


def test_monitor_without_the_run_s_folder__knows_the_run_from_the_ledger(small: Small) -> None:
    """Plans are asked for any value then, and held against the first look's."""
    result = small.monitor(evidence_dir="elsewhere")
    assert watched(result) == small.run_id
    seen, questions = small.place.run(
        "select s.not_seen, array(select w.name from pgrunbook.watched w where w.id = any(s.questions))"
        " from pgrunbook.snapshot s"
    )[0]
    assert "the run's bind values" in [n["what"] for n in seen]
    assert questions == ["q, any value"]


def test_monitor_of_a_run_that_nobody_knows__is_refused(small: Small) -> None:
    """Before anything is written; without any run the database is looked at all the same."""
    with pytest.raises(errors.WrongUsage, match="no run another of small"):
        small.monitor(of_run="another")
    assert small.place.run("select count(*) from pgrunbook.snapshot") == [(0,)]
    small.place.run("update pgrunbook.run set status = 'rolled_back'")
    try:
        assert watched(small.monitor()) == ""
    finally:
        small.place.run("update pgrunbook.run set status = 'applied'")


def test_monitor_where_another_look_is_under_way__takes_none_and_compares(small: Small) -> None:
    """The lock is only tried for; no look is counted twice."""
    with small.place.session() as other:
        other.execute(f"select pg_advisory_lock({lock_key('small (monitor)')})")
        session = small.open()
        told = monitor.snapshot(session)
        assert [s.seen for s in told] == ["another one is under way: it will do for both"]
        assert session.findings[0].verdict is Verdict.PASSED
        assert monitor.course(session).course.points == ()
        session.close()
        other.execute("select pg_advisory_unlock_all()")  # its backend may be there for a moment after it


def test_claims_and_metrics__are_answered_by_what_the_looks_saw(small: Small) -> None:
    """Sizes as they are, times as the server counts them; they fail nothing here."""
    now = datetime.now(UTC)
    for n in range(3):
        with small.place.session() as application:
            for _ in range(10):
                psycopg.RawCursor(application).execute("select id from t where a = $1::int order by id", ["7"])
        session = small.open()
        with session.connect("ledger") as writing:
            monitor.take(session, session.database, writing, now + n * HOUR)
            free = f"select pg_try_advisory_xact_lock({lock_key('small (monitor)')})"
            assert small.place.run(free) == [(True,)], "the next look may come at once"
        found = monitor.watch(session)
        session.close()
    assert [(q.name, q.own, q.calls) for q in found.times if q.own] == [("q", True, 20)]
    session = small.open()
    rows = {r.claimed: r for r in monitor.claims(session, found)}
    assert rows["index_mb"].verdict == "does not hold"
    assert rows["query_ms_after"].verdict == "holds"
    assert not any(c.gates for c in session.findings)
    table = monitor.key_metrics(session, found)
    session.close()
    assert table[0].now.endswith(" ms")
    assert table[0].baseline.endswith(" ms")
    (row,) = [r for r in shown.queries(found) if r.query == "q"]
    assert row.baseline_ms
    assert row.verify_ms
    assert ET.fromstring(shown.chart(found)) is not None  # noqa: S314


def test_monitor_verb__prints_one_line_and_leaves_one_short_folder(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For cron: no notebook, no further folder at the next look, a journal that does not grow for ever."""
    words = ["monitor", "small", "--target", small.place.target, "--run-id", small.run_id, "--evidence", "cron"]
    first, second = (CliRunner().invoke(main, words) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout.count("\n") == 1
    assert first.stdout.startswith(f"monitor small on {small.place.target}: passed; snapshot number ")
    (own,) = (small.project.root / "cron" / "small").iterdir()
    assert own.name.startswith("monitor-env-PGRB_T_")
    monkeypatch.setattr(from_cron, "_JOURNAL_BYTES", 1)
    small.place.run("drop index t_a")
    try:
        third = CliRunner().invoke(main, [*words, "--json"])
    finally:
        small.place.run("create index t_a on t (a)")
    assert third.exit_code == 10
    assert json.loads(third.stdout)["verdict"] == "failed"
    assert sorted(p.name for p in own.iterdir()) == ["before.journal.jsonl", "journal.jsonl"]


def test_verbs_at_once__all_end_well(small: Small) -> None:
    """From several places: each writes its own row, or says that another does."""
    given = Parameters(runbook="small", target=small.place.target)
    found: list[from_cron.MonitorOutcome] = []
    threads = [threading.Thread(target=lambda: found.append(from_cron.monitor(given))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [f.verdict for f in found] == [Verdict.PASSED] * 3
    own = [f for f in found if f.snapshot.startswith("number")]
    assert small.place.run("select count(*) from pgrunbook.snapshot") == [(len(own),)]
    assert own
