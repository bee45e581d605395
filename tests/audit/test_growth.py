"""How fast tables grow: told by snapshots and by the histogram of a time column, projected, and what is not known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fix_audit import counted, stranger

from fix_databases import Place, made
from fix_servers import VERSIONS, Server
from pgrunbook import errors
from pgrunbook.audit import distribution, growth, projection
from pgrunbook.audit.growth import Point, rate_of_course

DAY = 86400.0
TABLES = """
create schema "Ünï";
create table "Ünï"."a b" ("Wann" timestamptz not null default now(), t text);
insert into "Ünï"."a b" select now() - i * interval '1 hour' from generate_series(3000, 1, -1) i;

create table events (
  id bigserial primary key, birthday date, expires_at timestamptz, updated_at timestamptz default now(),
  created_at timestamptz not null default now()
);
insert into events (birthday, expires_at, updated_at, created_at)
select date '1980-01-01' + (i * 7919 % 9000), at + interval '1 year', at, at
from generate_series(1, 20000) i, lateral (select now() - (20000 - i) * interval '6 minutes') a(at)
order by md5(i::text);  -- not in their order: only the default tells

create table started (id int, started_at timestamp);  -- no default: only the order tells, and there are weeks of silence
insert into started select i, timestamp '2023-03-01' + i * interval '1 hour' from generate_series(1, 4000) i;

create table faster (at timestamptz not null default now());
insert into faster select now() - interval '1 day' * 100 * (1 - sqrt(i / 10000.0)) from generate_series(1, 10000) i;

create table days (day date not null default current_date);
insert into days select current_date - i / 100 from generate_series(4999, 0, -1) i;

create table parted (id bigint, at timestamptz not null) partition by range (at);
create table parted_old partition of parted for values from (minvalue) to ('2025-01-01');
create table parted_new partition of parted for values from ('2025-01-01') to (maxvalue);
insert into parted
select i, timestamptz '2025-02-01' - i * interval '10 minutes' from generate_series(1, 15000) i order by md5(i::text);

create table queue (at timestamptz not null default now());
insert into queue select now() - i * interval '10 minutes' from generate_series(10000, 1, -1) i;

create table year_9999 (at timestamptz not null default now());
insert into year_9999 select case when i % 100 = 0 then timestamptz '9999-12-31' else now() - i * interval '1 hour' end
from generate_series(3000, 1, -1) i;

create table loaded (at timestamptz default now());  -- all at once
insert into loaded select from generate_series(1, 1000);

create table appointments (starts_at timestamptz);
insert into appointments select now() + i * interval '1 hour' from generate_series(1, 1000) i;

create table little (at timestamptz default now());
insert into little select now() - i * interval '1 day' from generate_series(99, 1, -1) i;
analyze;

create table never_analyzed (at timestamptz default now()) with (autovacuum_enabled = off);
insert into never_analyzed select now() - i * interval '1 hour' from generate_series(500, 1, -1) i;
"""


@pytest.fixture(scope="module", params=VERSIONS)
def grown(request: pytest.FixtureRequest, server_of: Callable[[int], Server]) -> Iterator[Place]:
    """Tables that grew in all manners; nobody changes them."""
    with made(server_of(request.param).dsn) as place:
        counted(
            place,
            TABLES,
            "delete from queue where ctid in (select ctid from queue order by at limit 8000)",
            "analyze queue",
        )
        yield place


@pytest.fixture(scope="module")
def facts(grown: Place) -> dict[str, dict]:
    """Their growth, by table."""
    with grown.connect(read_only=True) as session:
        return {f["table"]: f for f in growth.read(session)[0]}


def rounded(fact: dict) -> tuple[str, int]:
    """The column and the rows a day of a fact."""
    return fact["column"], round(fact["rows_a_day"])


def test_growth__comes_from_the_column_that_the_rows_follow(facts: dict[str, dict]) -> None:
    """By default or by order; of several not the one of updates, of the future, or of anything else."""
    assert rounded(facts["public.events"])[0] == "created_at"
    assert facts["public.events"]["rows_a_day"] == pytest.approx(240, rel=0.02)
    assert rounded(facts['"Ünï"."a b"']) == ("Wann", 24)
    assert rounded(facts["public.started"]) == ("started_at", 24)
    assert {"public.appointments", "public.loaded", "public.little"}.isdisjoint(facts)


def test_growth_of_a_steady_table__has_a_narrow_interval_that_holds_the_rate(facts: dict[str, dict]) -> None:
    """Weeks, months and quarters agree; each number stands between its bounds."""
    fact = facts["public.events"]
    assert fact["high"] - fact["low"] < 0.1 * fact["rows_a_day"]
    assert all(f["low"] <= f["rows_a_day"] <= f["high"] for f in facts.values())
    assert (fact["rows"], fact["method"]) == (20000, "column")
    assert fact["row_bytes"] == pytest.approx(fact["bytes"] / fact["rows"], abs=0.1)


def test_growth_that_gets_faster__has_an_interval_that_reaches_ahead(facts: dict[str, dict]) -> None:
    """Rows as the square of 100 days: 170 a day in the last month, 25 in the first quarter of the time, 175 in the last."""
    fact = facts["public.faster"]
    assert fact["rows_a_day"] == pytest.approx(170, rel=0.03)
    assert fact["low"] == pytest.approx(25, abs=3)
    assert fact["high"] == pytest.approx(175 + 175 - 25, rel=0.03)


def test_growth_of_data_that_ended__is_told_up_to_the_newest_row(facts: dict[str, dict]) -> None:
    """The windows are the last days of the data, not of the calendar."""
    assert facts["public.started"]["until"] == "2023-08-14"
    assert facts["public.started"]["since"] == "2023-05-16"


def test_growth_of_dates__is_told_by_the_commonest_values(facts: dict[str, dict]) -> None:
    """A column of few dates has no histogram."""
    assert rounded(facts["public.days"]) == ("day", 100)


def test_growth_of_a_partitioned_table__is_that_of_its_partitions(facts: dict[str, dict]) -> None:
    """Their histograms are summed; the partition key needs neither a default nor an order."""
    fact = facts["public.parted"]
    assert (fact["rows"], fact["column"]) == (15000, "at")
    assert fact["rows_a_day"] == pytest.approx(144, rel=0.03)
    assert "public.parted_old" not in facts


def test_growth_of_a_table_that_is_emptied__is_less_by_what_is_deleted(facts: dict[str, dict]) -> None:
    """8,000 of 10,000 rows that came were deleted: a fifth of 144 a day stays; at most all of them."""
    fact = facts["public.queue"]
    assert fact["rows_a_day"] == pytest.approx(144 * 0.2, rel=0.05)
    assert fact["high"] == pytest.approx(144, rel=0.05)


def test_growth_with_mistyped_years__ends_at_the_newest_row_of_the_past(facts: dict[str, dict]) -> None:
    """A hundredth of the rows lies in the year 9999."""
    assert facts["public.year_9999"]["until"] <= datetime.now(UTC).date().isoformat()
    assert facts["public.year_9999"]["rows_a_day"] == pytest.approx(23.8, rel=0.03)


def test_growth_that_is_not_known__is_told_with_the_remedy(grown: Place) -> None:
    """Never analysed, no time column over a day: each reason with its tables."""
    with grown.connect(read_only=True) as session:
        told = {n.what: n.remedy for n in growth.read(session)[1]}
    assert told == {
        "growth of public.never_analyzed": "analyze public.never_analyzed;",
        "growth of public.appointments, public.loaded": "run the audit again in a week: the rate comes from the difference",
    }


def test_growth_for_a_stranger__is_not_seen(grown: Place) -> None:
    """A role that may read nothing gets no number, and hears which grant would give it one."""
    with stranger(grown) as session:
        facts, told = growth.read(session)
        assert facts == []
        assert any(n.what.startswith("growth in time of ") and "grant select on " in n.remedy for n in told)
        assert any("public.events_id_seq" in n.what and "grant select on sequence" in n.remedy for n in told)
        assert projection.tables(session, facts)[0] == []


def test_growth_from_snapshots__is_the_difference_of_what_was_counted(database: Place) -> None:
    """Rows inserted less rows deleted, over the days between; it goes before the column from a day on."""
    counted(
        database,
        "create table t (at timestamptz default now())",
        "insert into t select now() - i * interval '1 day' from generate_series(200, 1, -1) i",
        "create table s as select from generate_series(1, 99)",
        "analyze",
    )
    with database.connect() as session:
        before = growth.snapshot(session)
    assert [t["table"] for t in before["tables"]] == ["public.t"]
    counted(
        database,
        "insert into t select from generate_series(1, 600)",
        "delete from t where at < now() - interval '100 days'",
    )
    with database.connect() as session:
        two_days_ago = before | {"at": (datetime.now(UTC) - timedelta(days=2)).isoformat()}
        (fact,), _ = growth.read(session, [two_days_ago])
        assert fact["method"] == "snapshots"
        assert fact["rows_a_day"] == pytest.approx(250, rel=0.01)
        assert (fact["low"], fact["high"]) == (0, pytest.approx(500, rel=0.01))
        an_hour_ago = before | {"at": (datetime.now(UTC) - timedelta(hours=2)).isoformat()}
        (fact,), _ = growth.read(session, [an_hour_ago])
        assert fact["method"] == "column"


def test_rate_of_a_course__has_the_slowest_and_fastest_pair_as_its_interval() -> None:
    """The slope over all points; a point that follows too soon makes no pair."""
    course = [Point(n * DAY, "", 0, i, 0) for n, i in enumerate((100, 110, 130, 160, 170))]
    rate = rate_of_course([*course, Point(4 * DAY + 60, "", 0, 270, 0)])
    assert rate is not None
    assert rate.low == pytest.approx(10)
    assert rate.high == pytest.approx(110, rel=0.01)
    assert rate_of_course(course[:1]) is None
    assert rate_of_course([Point(0, "", 1, 1, 0), Point(600, "", 9, 9, 0)]) is None


def test_rate_of_a_course_that_was_reset__is_that_of_the_estimates() -> None:
    """Counters that began anew, or never counted (a standby), give way to the estimated rows; so does TRUNCATE."""
    assert rate_of_course([Point(0, "a", 500, 900, 0), Point(DAY, "b", 600, 1000, 0)]).a_day == pytest.approx(100)
    assert rate_of_course([Point(0, "a", 500, 900, 0), Point(DAY, "a", 600, 40, 0)]).a_day == pytest.approx(100)
    assert rate_of_course([Point(0, "", 500, 0, 0), Point(DAY, "", 600, 0, 0)]).a_day == pytest.approx(100)
    nightly = [Point(n * DAY, "", 1000, 1000 * n, 0, 1000) for n in range(1, 5)]
    assert rate_of_course(nightly).a_day == 0


def test_projection__has_intervals_and_the_columns_of_its_levels(grown: Place, facts: dict[str, dict]) -> None:
    """The document's tables, with a table that stands for the users."""
    with grown.connect(read_only=True) as session:
        rows, _ = projection.tables(session, list(facts.values()), '"Ünï"."a b"', (1000, 10_000))
        by_table = {r.table: r for r in rows}
        assert [r.rows for r in rows] == sorted((r.rows for r in rows), reverse=True)
        assert by_table['"Ünï"."a b"'].at_10K_users == "10K"
        faster = by_table["public.faster"]
        assert faster.driver == '3.33 for each row of "Ünï"."a b"'
        assert faster.at_1K_users.startswith("3,333 (")
        assert re.fullmatch(r"25\.\dK \(12\.\dK to 3[89]\.\dK\)", faster.in_90_days)
        assert projection.tables(session, list(facts.values()))[0][0].at_1K_users == ""


def test_projection_to_users__holds_what_the_ratio_was_and_what_comes(grown: Place, facts: dict[str, dict]) -> None:
    """10 at today's ratio; 6.3 at that of a month ago, when the table was young; 17.5 if they come as now until then."""
    with grown.connect(read_only=True) as session:
        at = {r.table: r for r in projection.tables(session, list(facts.values()), "public.events", (40_000,))[0]}
    assert re.fullmatch(r"10K \(6,[23]\d\d to 17\.[456]K\)", at["public.days"].at_40K_users)


@pytest.mark.parametrize("driver", ["nowhere", "a b c", "public."])
def test_projection_of_a_driver_that_is_no_table__is_refused(grown: Place, driver: str) -> None:
    """With one sentence and the remedy."""
    with grown.connect(read_only=True) as session, pytest.raises(errors.WrongUsage, match="driver") as caught:
        projection.tables(session, [], driver)
    assert caught.value.remedy


def test_thresholds__say_when_between_which_dates(grown: Place, facts: dict[str, dict]) -> None:
    """Now, at a date with its interval, or not within five years; what is far away is left out."""
    with grown.connect(read_only=True) as session, session.transaction(read_only=True):  # in which now() stands still
        given = [
            facts["public.events"] | {"rows": 20_000_000, "rows_a_day": 30_000, "low": 5_000, "high": 60_000},
            facts["public.parted"] | {"rows": 9_000_000, "rows_a_day": 10_000, "low": 10_000, "high": 20_000},
            facts["public.days"],
        ]
        found = projection.tables(session, given)[1]
        now = session.value("select pg_catalog.now()")
        days = {n: (now + timedelta(days=n)).date().isoformat() for n in (1000, 500, 100, 50)}
        assert [(t.threshold, t.table, t.when) for t in found] == [
            ("10M rows", "public.events", "now"),
            ("10M rows", "public.parted", f"{days[100]} ({days[50]} to {days[100]})"),
            ("50M rows", "public.events", f"{days[1000]} ({days[500]} to not within 5 years)"),
        ]
        assert "partition by month of created_at" in found[0].mitigation
        assert "detach" in found[1].mitigation
        nearest = projection.tables(session, [facts["public.days"], facts["public.events"]])[1]
        assert [(t.table, t.when) for t in nearest] == [
            ("public.events", "not within 5 years"),
            ("public.days", "not within 5 years"),
        ]


def test_distribution_of_a_partition_without_statistics__is_not_taken_for_all(grown: Place) -> None:
    """Where many rows are in partitions that nobody analysed, the histogram of the others says nothing."""
    with grown.connect(read_only=True) as session:
        oid = session.value("select 'public.parted'::regclass::oid::int8")
        old, new = distribution.time_columns(session, [oid])[oid]
        assert distribution.followed([old, new], 4e9) is not None
        assert distribution.followed([old, replace(new, bounds=[], values=[], shares=[])], 4e9) is None
