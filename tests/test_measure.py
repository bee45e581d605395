"""Measuring on a real server: what repeats exactly, what is censored, what is claimed and what holds."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime

import pytest

from fix_databases import Place, made
from fix_project import Project
from pgrunbook import description, errors, runbook
from pgrunbook.db import Database
from pgrunbook.description import Claim
from pgrunbook.findings import Check, Verdict
from pgrunbook.measure import claims, compare, sampling, workload
from pgrunbook.measure.claims import Measured
from pgrunbook.measure.compare import QuerySummary
from pgrunbook.measure.load import LoadResult
from pgrunbook.measure.rewrites import Rewritten
from pgrunbook.measure.sampling import Sample
from pgrunbook.measure.workload import BindSet
from pgrunbook.runbook import Query
from pgrunbook.stages import baseline

TABLE = [
    "create table t (id int primary key, a int, phone text, at timestamptz, price numeric, tags text[], note json)",
    "insert into t select i, i % 50, '+49 555 ' || i, '2024-01-01'::timestamptz + i * interval '1.000001 s',"
    " 12345678901234567.89 + i, array['x', 'y'], '{\"n\": 1}' from generate_series(1, 5000) i",
    "create index t_phone on t (phone)",
    "vacuum analyze t",
]
NOW = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
KEY = b"key"


@pytest.fixture(scope="module")
def place(server: str) -> Iterator[Place]:
    """A database with a small table."""
    with made(server) as found:
        found.run(*TABLE)
        yield found


@pytest.fixture
def db(place: Place) -> Iterator[Database]:
    """A session on it that can only read."""
    with place.connect(read_only=True) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least number of timed runs."""
    monkeypatch.setattr(sampling, "BUDGET_S", 0)


def query(project: Project, text: str, front: str = "", binds: str = "") -> Query:
    """A workload query, read from a runbook's file."""
    head = f'/*---\ntitle = "q"\n{front}\n[binds]\n{binds}\n---*/\n'
    project.runbook("r", "create index i on t (a)", files={"workload/q.sql": head + text})
    return runbook.load(project.root, "r").query("q")


def measured(db: Database, asked: Query, timeout_s: float = 30, *, samples: int = 40) -> list[Sample]:
    """Its samples over its own bind sets."""
    sets = workload.sample_binds(db, asked, NOW, timeout_s)
    return sampling.measure(db, asked, sets, [s.shown(asked.harmless, KEY) for s in sets], timeout_s, samples=samples)


# -- samples -----------------------------------------------------------------------------------------------------


def test_measure_twice__repeats_buffers_rows_plan_and_answer(project: Project, db: Database) -> None:
    """On warm data they repeat exactly; times are only there."""
    binds = 'common = "select phone, 3 as n from t order by id limit 2"'
    asked = query(project, "select * from t where phone = :'phone' or a < :n::int", binds=binds)
    first, second = (measured(db, asked) for _ in range(2))
    assert [s.binds for s in first] == ["common 1", "common 2"]
    for one, other in zip(first, second, strict=True):
        assert (one.buffers, one.rows, one.plan, one.answer) == (other.buffers, other.rows, other.plan, other.answer)
        assert one.buffers > 0
        assert one.rows > 100
        assert one.n == sampling.SAMPLES_FROM
        assert one.censored == 0
        assert all(t > 0 for t in one.times_ms)


def test_measure__names_the_indexes_that_are_read(project: Project, db: Database) -> None:
    """From the plan, also below a bitmap scan."""
    (sample,) = measured(db, query(project, "select * from t where phone = '+49 555 7'"))
    assert (sample.plan, sample.indexes, sample.rows) == ("Index Scan t_phone", ("t_phone",), 1)
    (sample,) = measured(db, query(project, "select count(*) from t where a = 1"))
    assert (sample.plan, sample.indexes, sample.rows) == ("Seq Scan t", (), 1)


def test_a_file_of_several_statements__is_summed(project: Project, db: Database) -> None:
    """Rows and buffers are those of all of them; each has its own parameters."""
    text = "select * from t where id <= :n::int; select * from t where a = :a::int; select 1 where :n::int < 0;"
    binds = 'common = "select 10 as n, 3 as a"'
    (together,) = measured(db, query(project, text, binds=binds))
    parts = [measured(db, query(project, part, binds=binds))[0] for part in text.split(";")[:2]]
    assert together.rows == sum(p.rows for p in parts) == 110
    assert together.buffers == sum(p.buffers for p in parts)
    assert len(together.plans) == 3
    assert together.plan == "Index Scan t_pkey, Seq Scan t, Result"


def test_a_query_over_its_limit__is_a_censored_value(project: Project, db: Database) -> None:
    """Not an error; the others of the same file are measured, and the session goes on."""
    asked = query(project, "select pg_sleep(:s::float)", binds='common = "select 0 as s"\nrare = "select 30 as s"')
    quick, slow = measured(db, asked, 1.5)  # so long a busy machine may take for nothing
    assert (quick.censored, quick.n, compare.shown_ms(quick).endswith(" ms")) == (0, sampling.SAMPLES_FROM, True)
    assert (slow.censored, slow.n, slow.p50, compare.shown_ms(slow)) == (1.5, 0, None, "> 1.5 s")
    assert compare.median_ms(slow) == 1500
    assert (slow.plan, slow.answer) == ("not known: over the time limit", "")


def test_measure_untimed__has_answers_and_no_times(project: Project, db: Database) -> None:
    """As a rollback asks: a median that was not measured is none."""
    (sample,) = measured(db, query(project, "select 1"), samples=0)
    assert (sample.rows, sample.times_ms, sample.p50, compare.shown_ms(sample)) == (1, (), None, "not timed")
    assert math.isnan(compare.median_ms(sample))


def test_a_query_that_fails__is_an_error(project: Project, db: Database) -> None:
    """A wrong column is a mistake of the runbook, no measurement."""
    with pytest.raises(errors.StatementFailed, match='column "missing" does not exist'):
        measured(db, query(project, "select missing from t"))


def test_measure__can_not_write(project: Project, place: Place) -> None:
    """Also in a session that could: each sample is a read-only transaction."""
    place.run("create or replace function f() returns int language sql as 'insert into t (id) values (0) returning 1'")
    with place.connect() as session, pytest.raises(errors.StatementFailed, match="read-only transaction"):
        measured(session, query(project, "select f()"))


# -- answers -----------------------------------------------------------------------------------------------------


def answer(project: Project, db: Database, text: str, order: str = "") -> tuple[int, str]:
    """Row count and hash of a query's answer."""
    (sample,) = measured(db, query(project, text, f'order = "{order}"' if order else ""), samples=0)
    return sample.rows, sample.answer


@pytest.mark.parametrize("order", ["", "a"])
def test_equal_answers_in_another_order__are_equal(project: Project, db: Database, order: str) -> None:
    """Without a declared order as with one that is total: what counts are the rows."""
    rows = "select * from (values (1, 'x'), (2, null), (3, 'z')) v(a, b) order by a"
    assert answer(project, db, rows, order) == answer(project, db, rows + " desc", order)


@pytest.mark.parametrize("order", ["", "a"])
@pytest.mark.parametrize(
    "other",
    [
        "(1, 'x'), (2, null)",
        "(1, 'x'), (2, null), (3, 'Z')",
        "(1, 'x'), (2, ''), (3, 'z')",
        "(1, null), (2, 'x'), (3, 'z')",
        "(1, 'x'), (2, null), (3, 'z'), (3, 'z')",
    ],
)
def test_other_answers__differ(project: Project, db: Database, order: str, other: str) -> None:
    """A row less, another value, null against empty, values swapped, a row twice."""
    one = answer(project, db, "select * from (values (1, 'x'), (2, null), (3, 'z')) v(a, b)", order)
    assert answer(project, db, f"select * from (values {other}) v(a, b)", order) != one


def test_a_row_twice__is_another_answer_than_another_row_twice(project: Project, db: Database) -> None:
    """The hash counts how often."""
    text = "select * from (values {}) v(a)"
    assert answer(project, db, text.format("(1), (1), (2)")) != answer(project, db, text.format("(1), (2), (2)"))


def test_an_answer_with_names_of_ours__is_hashed_all_the_same(project: Project, db: Database) -> None:
    """Columns called as the hashing query's own, twice the same name, or none at all."""
    for text in (
        "select 1 as position, 2 as line, 3 as answer",
        "select 1 as a, 2 as a",
        "select 'x', 'y'",
        "select from t where id < 3",
    ):
        assert answer(project, db, text)[0] in (1, 2)


# -- bind values -------------------------------------------------------------------------------------------------


def test_sample_binds__labels_classes_and_supplies_now(project: Project, db: Database) -> None:
    """One class with several sets is numbered; `now` is the baseline's unless it is sampled."""
    binds = """
        common = "select id from t order by id limit 2"
        rare = "select 7 as id, '2020-01-01' as now;  -- a comment"
        absent = "select 0 as id where false"
    """
    found = workload.sample_binds(db, query(project, "select :id::int, :'now'::timestamptz", binds=binds), NOW, 30)
    assert [(b.label, dict(b.values)) for b in found] == [
        ("common 1", {"id": "1", "now": "2025-01-02T03:04:05.678901+00:00"}),
        ("common 2", {"id": "2", "now": "2025-01-02T03:04:05.678901+00:00"}),
        ("rare", {"id": "7", "now": "2020-01-01"}),
    ]


def test_sample_binds_of_a_query_that_asks_for_now_alone__needs_none(project: Project, db: Database) -> None:
    """And one without parameters has one set as well."""
    (now,) = workload.sample_binds(db, query(project, "select :'now'::timestamptz"), NOW, 30)
    assert (now.label, dict(now.values)) == ("now", {"now": NOW.isoformat()})
    assert workload.sample_binds(db, query(project, "select 1"), NOW, 30) == [BindSet("no parameters", {})]


@pytest.mark.parametrize(
    "column",
    ["id", "phone", "at", "price", "note", "null::text", "id = 5", "id / 3.0", "tags::text", "interval '1 day 2 s'"],
)
def test_a_sampled_value__comes_back_as_it_was(project: Project, db: Database, column: str) -> None:
    """Of any type, in all its digits; arrays as text."""
    kind = db.value(f"select pg_typeof({column})::text from t limit 1")
    asked = query(project, f"select :'v'::{kind}", binds=f'common = "select {column} as v from t where id = 17"')
    (found,) = workload.sample_binds(db, asked, NOW, 30)
    same = f"select ({column})::text is not distinct from ($1::{kind})::text from t where id = 17"
    assert db.value(same, [found.values["v"]]) is True


def test_sample_binds_that_do_not_fit__say_so(project: Project, db: Database) -> None:
    """A column that no parameter is named after; nothing found at all."""
    with pytest.raises(errors.WrongUsage, match=r"workload/q\.sql: binds\.common samples no value for b"):
        workload.sample_binds(db, query(project, "select :a, :b", binds='common = "select 1 as a, 2 as c"'), NOW, 30)
    with pytest.raises(errors.CheckFailed, match="found no value in this database"):
        workload.sample_binds(db, query(project, "select :a", binds='common = "select 1 as a where false"'), NOW, 30)


def test_shown__has_tags_but_for_harmless_values() -> None:
    """Equal values have equal tags."""
    shown = BindSet("x", {"org": "secret", "again": "secret", "days": "7", "now": "2020"}).shown(["days"], KEY)
    org, again, days, now = shown.split(", ")
    assert org.partition("=")[2] == again.partition("=")[2]
    assert "secret" not in shown
    assert (days, now) == ("days=7", "now=2020")


def test_a_run_s_files__hold_no_bind_value_but_the_private_one(project: Project, database: Place) -> None:
    """Not in the journal, not in the samples, not in the plans, where the server writes them into conditions."""
    database.run(*TABLE)
    front = """
        title = "q"
        harmless = ["days"]
        [binds]
        common = "select phone, 4711 as days, 1928374655 as n from t where id = 4242"
    """
    text = """
        select *, :'phone' as p from t
        where phone = :'phone' and id <> :n::int or a > :days::int order by phone || :'phone'
    """
    project.runbook("r", "create index i on t (a)", files={"workload/q.sql": f"/*---{front}---*/{text}"})
    result = project.stage("baseline", "r", database.target)
    folder = project.root / "evidence" / "r" / result.run_id
    private = folder / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE((private / "binds.json").stat().st_mode) == 0o600
    assert json.loads((private / "binds.json").read_text())["binds"]["q"][0]["values"]["phone"] == "+49 555 4242"
    written = {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}
    assert {"journal.jsonl", "baseline_samples.json"} <= written.keys()
    for name, content in written.items():
        assert "555 4242" not in content, name
        assert "1928374655" not in content, name
    (sample,) = json.loads(written["baseline_samples.json"])
    assert "days=4711" in sample["shown"]
    assert "phone = ?::text" in json.dumps(sample["plans"])
    assert Sample.from_json(sample).plan == "Seq Scan t"


# -- quantiles ---------------------------------------------------------------------------------------------------


def sample(times: list[float], **rest: object) -> Sample:
    """A sample with these times."""
    given = {"query": "q", "binds": "common", "shown": "", "rows": 1, "buffers": 1, "plan": "Seq Scan t"}
    return Sample(**{**given, "indexes": (), "answer": "1", **rest}, times_ms=tuple(times))


@pytest.mark.parametrize(
    ("times", "p50", "p95", "highest"),
    [
        ([3.0], 3, 3, 3),
        ([2.0, 1.0], 1, 2, 2),
        ([5.0, 1.0, 3.0], 3, 5, 5),
        ([float(i) for i in range(10, 0, -1)], 5, 10, 10),
        ([float(i) for i in range(1, 101)], 50, 95, 100),
        ([float(i) for i in range(1, 1001)], 500, 950, 1000),
    ],
)
def test_quantiles__are_nearest_rank(times: list[float], p50: float, p95: float, highest: float) -> None:
    """Always a value that was measured."""
    one = sample(times)
    assert (one.p50, one.quantile(0.95), one.quantile(1)) == (p50, p95, highest)


def test_quantiles_of_nothing__are_none() -> None:
    """Rather than zero."""
    assert sample([]).p50 is None


@pytest.mark.parametrize(("count", "p99"), [(999, None), (1000, 990.0)])
def test_p99__is_told_from_a_thousand_samples_on(count: int, p99: float | None) -> None:
    """Of fewer it would be the maximum under another name."""
    assert baseline.query_time(sample([float(i) for i in range(1, count + 1)])).p99 == p99


def test_a_sample__survives_its_file() -> None:
    """As JSON and back."""
    one = sample([1.0, 2.0], censored=0.0, indexes=("a",), plans=({"Node Type": "Result"},))
    assert Sample.from_json(json.loads(json.dumps(asdict(one)))) == one


# -- before and after --------------------------------------------------------------------------------------------


def test_compare__pairs_by_query_and_bind_set() -> None:
    """What has no partner is left out; the factor is that of the medians."""
    before = [sample([10.0]), sample([8.0], binds="rare"), sample([1.0], query="gone")]
    after = [sample([4.0], binds="rare", plan="Index Scan t_a", answer="2"), sample([5.0]), sample([1.0], query="new")]
    first, second = compare.compare(before, after)
    assert (first.binds, first.factor, first.same_answer, first.before) == ("common", 2, True, "10.00 ms")
    assert (second.binds, second.factor, second.same_answer) == ("rare", 2, False)


def test_compare_with_a_censored_value__knows_no_answer() -> None:
    """The factor from the limit is a bound."""
    (pair,) = compare.compare([sample([], censored=30.0, answer="")], [sample([10.0])])
    assert (pair.before, pair.before_ms, pair.factor, pair.same_answer) == ("> 30 s", 30000, 3000, None)


def test_compare_with_other_row_counts__is_another_answer() -> None:
    """Whatever the hash says."""
    (pair,) = compare.compare([sample([1.0])], [sample([1.0], rows=2)])
    assert pair.same_answer is False


def test_summarise__takes_means_over_the_bind_sets() -> None:
    """Of times and factors; scans that went and came; one wrong answer is a wrong answer."""
    before = [sample([t], binds=b) for t, b in ((10.0, "a"), (100.0, "b"), (1000.0, "c"))]
    after = [
        sample([t], binds=b, plan=p, answer=w)
        for t, b, p, w in (
            (10.0, "a", "Seq Scan t", "1"),
            (10.0, "b", "Index Scan t_a", "1"),
            (10.0, "c", "Index Scan t_a", "2"),
        )
    ]
    (row,) = compare.summarise(compare.compare(before, after))
    told = (row.before_ms, row.after_ms, row.factor, row.slowest_factor, row.fastest_factor)
    assert told == pytest.approx((100, 10, 10, 1, 100))
    assert (row.gone, row.new, row.same_answers) == (("Seq Scan t",), ("Index Scan t_a",), False)
    assert compare.summarise([]) == []


# -- claims ------------------------------------------------------------------------------------------------------

FAST = QuerySummary("q", 100.0, 5.0, 20.0, 10.0, 30.0, (), (), False, False, True, 200, 50)
NOT_TIMED = QuerySummary("q", 100.0, math.nan, math.nan, math.nan, math.nan, (), (), False, False, True)
SAME_PAGE = Rewritten("q", "all", "common 1", "page", 20, 20, 0, Verdict.PASSED, "page 1 of 20")
OTHER_PAGE = Rewritten("q", "all", "common 2", "page", 20, 20, 3, Verdict.FAILED, "page 3 of 20")
LOADED = LoadResult("after", 50, 500, 2.0, 250.0, 5.0, 20.0, 30.0, 40.0, 12.0, 0, 52, 100)
BROKEN_LOAD = replace(LOADED, errors=2, p95_ms=600.0, stall_ms=900.0, connections=90)
APPLICATION = {
    "old": {"statements.services": 200, "statements.total": 1000, "alone.agents_ms": 5.0},
    "new": {"statements.services": 20, "statements.total": 600, "alone.agents_ms": 1.0},
}
FULL = Measured(
    queries={"q": FAST}, index_bytes=3 * 2**20, database_bytes_before=100, database_bytes_after=110, indexes_written=4,
    indexes_written_concurrently=3, changes_left=0, rows_lost=0, rows_detail="as before, 5 rows",
    probes={"p": Verdict.PASSED, "f": Verdict.FAILED}, rollback_seconds=12.0,
    checks={"c": Verdict.PASSED, "d": Verdict.FAILED}, evaluations_before={"q": 2132}, evaluations_after={"q": 1},
    rewrites=[SAME_PAGE], loads={"after": LOADED}, application=APPLICATION,
    access_exclusive=["t", "t"], drops=[], cpu_ms=(10.0, 7.5), visibility=[Check("visibility", "a", Verdict.PASSED), Check("across tenants", "a", Verdict.PASSED)],
)  # fmt: skip
HOLDING = [
    ({"metric": "query_ms_before", "query": "q", "at_least": 100, "at_most": 200}, "100.00 ms"),
    ({"metric": "query_ms_after", "query": "q", "at_most": 5}, "5.00 ms"),
    ({"metric": "speedup", "query": "q", "at_least": 20}, "20×"),
    ({"metric": "index_mb", "at_most": 3}, "3.0 MB"),
    ({"metric": "database_growth_percent", "at_most": 10.1}, "+10.0 %"),
    ({"metric": "written_concurrently", "at_least": 75}, "3 of 4 as written"),
    ({"metric": "repeatable", "at_most": 0}, "0 changes left in a second plan"),
    ({"metric": "rows_unchanged"}, "as before, 5 rows"),
    ({"metric": "answers_unchanged"}, "1 of 1 queries answer as before"),
    ({"metric": "probes", "checks": ["p"]}, "1 of 1 probes pass"),
    ({"metric": "rollback_seconds", "at_most": 12, "after": "rollback"}, "12.0 s"),
    ({"metric": "checks", "checks": ["c"]}, "1 of 1 checks pass"),
    ({"metric": "evaluations_before", "query": "q", "at_least": 2132}, "2,132"),
    ({"metric": "evaluations_after", "query": "q", "at_most": 1}, "1"),
    ({"metric": "evaluations_fewer_percent", "query": "q", "at_least": 99.95}, "99.95 %"),
    ({"metric": "faster_percent", "query": "q", "at_least": 95}, "95.0 %"),
    ({"metric": "buffers_fewer_percent", "query": "q", "at_least": 75}, "75 %"),
    ({"metric": "cpu_change_percent", "at_most": -25}, "-25.0 %"),
    ({"metric": "visibility"}, "2 of 2 as declared"),
    ({"metric": "access_exclusive", "at_most": 2}, "2 statements take ACCESS EXCLUSIVE"),
    ({"metric": "drops", "at_most": 0}, "0 changes drop something"),
    ({"metric": "same_rows", "query": "q"}, "1 of 1 bind sets have the same rows"),
    ({"metric": "load_p95_ms", "at_most": 20}, "20.0 ms"),
    ({"metric": "load_stall_ms", "at_most": 12}, "12.0 ms"),
    ({"metric": "load_errors", "at_most": 0}, "0"),
    ({"metric": "load_connections_percent", "at_most": 52}, "52 %, 52 of 100"),
    ({"metric": "application", "of": "statements.total", "at_most": 600}, "600"),
    ({"metric": "application", "of": "alone.agents_ms", "way": "old", "at_least": 5}, "5 ms"),
    ({"metric": "application", "of": "alone.agents_ms", "way": "saved", "at_least": 4}, "4 ms"),
    ({"metric": "application", "of": "statements.services", "way": "fewer_percent", "at_least": 90}, "90 %"),
    ({"metric": "application", "of": "statements.services", "way": "total_percent", "at_least": 18}, "18 %"),
    ({"metric": "application", "of": "alone.agents_ms", "way": "factor", "at_least": 5}, "5×"),
]  # fmt: skip
BROKEN = [
    ({"metric": "query_ms_before", "query": "q", "at_least": 100.01}, FULL),
    ({"metric": "query_ms_after", "query": "q", "at_most": 4.99}, FULL),
    ({"metric": "speedup", "query": "q", "at_least": 20.1}, FULL),
    ({"metric": "index_mb", "at_most": 2.9}, FULL),
    ({"metric": "database_growth_percent", "at_most": 9.9}, FULL),
    ({"metric": "written_concurrently", "at_least": 100}, FULL),
    ({"metric": "repeatable", "at_most": 0}, Measured({}, changes_left=1)),
    ({"metric": "rows_unchanged"}, Measured({}, rows_lost=1)),
    ({"metric": "answers_unchanged"}, Measured({"q": QuerySummary("q", 1, 1, 1, 1, 1, (), (), False, False, False)})),
    ({"metric": "probes", "checks": ["p", "f"]}, FULL),
    ({"metric": "rollback_seconds", "at_most": 11.9, "after": "rollback"}, FULL),
    ({"metric": "checks", "checks": ["c", "d"]}, FULL),
    ({"metric": "evaluations_before", "query": "q", "at_most": 2131}, FULL),
    ({"metric": "evaluations_after", "query": "q", "at_most": 0}, FULL),
    ({"metric": "evaluations_fewer_percent", "query": "q", "at_least": 99.96}, FULL),
    ({"metric": "faster_percent", "query": "q", "at_least": 95.1}, FULL),
    ({"metric": "buffers_fewer_percent", "query": "q", "at_least": 76}, FULL),
    ({"metric": "cpu_change_percent", "at_most": -30, "at_least": -40}, FULL),
    ({"metric": "visibility"}, Measured({}, visibility=[Check("visibility", "a", Verdict.FAILED)])),
    ({"metric": "access_exclusive", "at_most": 1}, FULL),
    ({"metric": "drops", "at_most": 0}, Measured({}, drops=["p"])),
    ({"metric": "same_rows", "query": "q"}, Measured({}, rewrites=[SAME_PAGE, OTHER_PAGE])),
    ({"metric": "load_p95_ms", "at_most": 500}, Measured({}, loads={"after": BROKEN_LOAD})),
    ({"metric": "load_stall_ms", "at_most": 500}, Measured({}, loads={"after": BROKEN_LOAD})),
    ({"metric": "load_errors", "at_most": 0}, Measured({}, loads={"after": BROKEN_LOAD})),
    ({"metric": "load_connections_percent", "at_most": 80}, Measured({}, loads={"after": BROKEN_LOAD})),
    ({"metric": "application", "of": "statements.total", "at_most": 599}, FULL),
    ({"metric": "application", "of": "statements.services", "way": "fewer_percent", "at_least": 90.1}, FULL),
    ({"metric": "application", "of": "statements.services", "way": "total_percent", "at_least": 30}, FULL),
    ({"metric": "application", "of": "alone.agents_ms", "way": "factor", "at_least": 5.1}, FULL),
]


def held(given: dict, against: Measured, stage: str = "") -> claims.Check:
    """The check of one claim."""
    claim = Claim.model_validate({"id": "c", "says": "it says so", "section": "Notes", **given})
    (check,) = claims.hold([claim], against, stage or claim.after)
    assert (check.check, check.object, check.claimed) == ("claim: c", "Notes", "it says so")
    return check


def test_every_metric__has_a_claim_that_holds_and_one_that_does_not() -> None:
    """The lists below are those of the runbook's model."""
    metrics = set(description.Metric.__args__)
    assert {c["metric"] for c, _ in HOLDING} == {c["metric"] for c, _ in BROKEN} == metrics == set(claims._METRICS)


@pytest.mark.parametrize(("claim", "text"), HOLDING, ids=lambda c: c["metric"] if isinstance(c, dict) else "")
def test_a_claim_that_holds__passes_with_what_was_measured(claim: dict, text: str) -> None:
    """At its very bound."""
    check = held(claim, FULL)
    assert (check.verdict, check.measured, check.gates) == (Verdict.PASSED, text, False)


@pytest.mark.parametrize(("claim", "against"), BROKEN, ids=lambda c: c["metric"] if isinstance(c, dict) else "")
def test_a_claim_that_does_not_hold__fails_and_gates_only_if_asked(claim: dict, against: Measured) -> None:
    """It is shown as such; the runbook says whether it fails the stage."""
    check = held(claim, against)
    assert (check.verdict, check.gates) == (Verdict.FAILED, False)
    assert held({**claim, "gates": True}, against).gates
    if "at_least" in claim or "at_most" in claim:
        assert "holds if at " in check.detail


@pytest.mark.parametrize("claim", [c for c, _ in HOLDING], ids=lambda c: c["metric"])
def test_a_claim_without_a_measurement__is_not_measurable(claim: dict) -> None:
    """Never passed, never failed; nor is a median that was not timed one."""
    for against in (Measured({}), Measured({"other": FAST} if "query" in claim else {})):
        check = held(claim, against)
        assert (check.verdict, check.measured) == (Verdict.NOT_MEASURABLE, "not measured")
    tried = claim["metric"] in ("probes", "application") or claim["metric"].startswith("load_")
    check = held(claim, Measured({}, not_tried="only on the sandbox"))
    assert check.detail == ("only on the sandbox" if tried else "this run has no value for it")
    if claim["metric"] in ("query_ms_after", "speedup"):
        assert held(claim, Measured({"q": NOT_TIMED})).verdict is Verdict.NOT_MEASURABLE


def test_a_claim_on_visibility__is_open_while_a_part_of_it_is() -> None:
    """Nothing has failed, and not all was tried: that is no promise kept."""
    tried = [Check("visibility", "a", Verdict.PASSED), Check("visibility", "b", Verdict.NOT_MEASURABLE)]
    check = held({"metric": "visibility", "gates": True}, Measured({}, visibility=tried))
    assert (check.verdict, check.measured) == (Verdict.NOT_MEASURABLE, "1 of 2 as declared, 1 not measurable")


def test_a_claim_on_processor_time__says_why_there_is_none() -> None:
    """The server is somewhere else."""
    claim = {"metric": "cpu_change_percent", "at_most": -20}
    check = held(claim, Measured({}, cpu_unknown="the server is not on this machine"))
    assert (check.verdict, check.detail) == (Verdict.NOT_MEASURABLE, "the server is not on this machine")


def test_a_claim_on_the_application__says_what_was_not_told() -> None:
    """A figure that neither way has, one of one way only, and a share of nothing; to nothing is a factor, though."""
    claim = {"metric": "application", "at_least": 5, "way": "factor", "of": "hits"}
    for told, detail in (
        ({}, "nothing told hits, the old way"),
        ({"old": {"hits": 3}}, "nothing told hits, the new way"),
        ({"old": {"hits": 0}, "new": {"hits": 3}}, "hits is 0: of nothing there is no share"),
    ):
        check = held(claim, Measured({}, application=told))
        assert (check.verdict, check.measured, check.detail) == (Verdict.NOT_MEASURABLE, "not measured", detail)
    check = held(claim, Measured({}, application={"old": {"hits": 3}, "new": {"hits": 0}}))
    assert (check.verdict, check.measured) == (Verdict.PASSED, "infinite×")
    assert check.detail == "holds if at least 5×; 3 → 0"


def test_processor_time__is_weighted_and_needs_both_sides() -> None:
    """A query's bind sets count alike; one over its limit is left out of both."""
    before = [sample([1.0], cpu_ms=4.0), sample([1.0], binds="rare", cpu_ms=8.0), sample([1.0], query="p", cpu_ms=1.0)]
    after = [sample([1.0], cpu_ms=1.0), sample([], binds="rare", censored=30.0), sample([1.0], query="p", cpu_ms=1.0)]
    assert compare.cpu_change(before, after, {"q": 2, "p": 0.5}) == (8.5, 2.5)
    assert compare.cpu_change(before, [*after[:2], sample([1.0], query="p")], {}) is None
    assert compare.cpu_change([], after, {}) is None


def test_a_sample_of_an_older_version__is_read() -> None:
    """What it did not measure is not known."""
    row = asdict(sample([1.0]))
    del row["cpu_ms"]
    assert Sample.from_json(row).cpu_ms is None


def test_a_claim_that_can_not_be_measured__says_why_and_never_gates() -> None:
    """With the runbook's reason."""
    check = held({"not_measurable": "it is the browser's", "gates": True}, FULL)
    assert (check.verdict, check.detail, check.gates) == (Verdict.NOT_MEASURABLE, "it is the browser's", False)


def test_a_claim_of_another_stage__is_pending_there_and_never_gates() -> None:
    """It is settled where it is measured."""
    check = held({"metric": "rollback_seconds", "at_most": 1, "after": "rollback", "gates": True}, FULL, "verify")
    assert (check.verdict, check.measured, check.gates) == (Verdict.PENDING, "measured by rollback", False)
