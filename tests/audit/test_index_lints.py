"""The lints of indexes: what each finds in a schema full of its fault, and the look-alikes that it leaves alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from fix_audit import attnum, counted, found, oid, predicate, pretend, statement, stranger

from fix_databases import Place, made
from fix_servers import VERSIONS, Server
from pgrunbook.audit import Facts, Finding, lints

INDEXES = [
    "fk_without_index",
    "index_unused",
    "index_duplicate",
    "index_prefix",
    "index_invalid",
    "index_bloated",
    "index_low_selectivity",
    "index_mostly_null",
    "index_breaks_hot",
]
# A table is named after what it is an example of; "bad…" is what the lint of that schema has to find.
FOREIGN_KEYS = """
create schema fk; create schema fk2;
create table fk.site (id int primary key, a int, b int, t text collate "C" unique, unique (a, b));
create table fk2.site (id int primary key);
create table fk2.plain_ok (site_id int references fk2.site); create index on fk2.plain_ok (site_id);
create table fk.plain_ok (site_id int references fk.site);
create table fk.bad_selfie (id int primary key, parent int references fk.bad_selfie);
create table fk.pair_ok (a int, b int, c int, foreign key (a, b) references fk.site (a, b));
create index on fk.pair_ok (b, a, c);
create table fk.bad_pair (a int, b int, c int, foreign key (b, a) references fk.site (b, a));
create index on fk.bad_pair (c, a, b); create index on fk.bad_pair (a); create index on fk.bad_pair (a, c, b);
create table fk.bad_partial (s int references fk.site); create index on fk.bad_partial (s) where s > 3;
create table fk.partial_ok (s int references fk.site); create index on fk.partial_ok (s) where s is not null;
create table fk.pair_partial_ok (a int, b int, foreign key (a, b) references fk.site (a, b));
create index on fk.pair_partial_ok (b, a) where a is not null and b is not null;
create table fk.one_of_pair_partial_ok (a int, b int, foreign key (a, b) references fk.site (a, b));
create index on fk.one_of_pair_partial_ok (b, a) where b is not null;
create table fk.bad_pair_partial (a int, b int, c int, foreign key (a, b) references fk.site (a, b));
create index on fk.bad_pair_partial (b, a) where b is not null and c is not null;
create table fk.key_ok (s int primary key references fk.site);
create table fk.unique_ok (x int, s int references fk.site, unique (s, x));
create table fk.bad_include (x int, s int references fk.site); create index on fk.bad_include (x) include (s);
create table fk.bad_expression (s int references fk.site); create index on fk.bad_expression ((s + 0));
create table fk.desc_ok (s int references fk.site); create index on fk.desc_ok (s desc nulls last);
create table fk.hash_ok (s int references fk.site); create index on fk.hash_ok using hash (s);
create table fk.bad_brin (s int references fk.site); create index on fk.bad_brin using brin (s);
create table fk.bad_not_valid (s int); alter table fk.bad_not_valid add foreign key (s) references fk.site not valid;
create table fk.collation_ok (t text references fk.site (t)); create index on fk.collation_ok (t text_pattern_ops);
create table fk.bad_collation (t text references fk.site (t)); create index on fk.bad_collation (t collate "C");
create table fk.parts (id int, ok int references fk.site, only_parent int references fk.site,
  piecewise int references fk.site, half int references fk.site) partition by range (id);
create table fk.part_a partition of fk.parts for values from (0) to (10);
create table fk.part_b partition of fk.parts for values from (10) to (20) partition by range (id);
create table fk.part_bb partition of fk.part_b for values from (10) to (20);
create index on fk.parts (ok); create index on only fk.parts (only_parent);
create index on fk.part_a (piecewise); create index on fk.part_bb (piecewise); create index on fk.part_a (half);
create table fk.partitioned_site (id int primary key) partition by range (id);
create table fk.site_a partition of fk.partitioned_site for values from (0) to (10);
create table fk.bad_to_parts (s int references fk.partitioned_site);
create table fk.bad_twice (s int references fk.site, foreign key (s) references fk2.site);
create table fk."bäd Ünï" ("a b" int references fk.site);
create table fk.base (s int references fk.site); create index on fk.base (s);
create table fk.heir () inherits (fk.base);
"""
SAME = """
create schema same; create extension pg_trgm schema public;
create table same.t (id int primary key, a int, b int, c text, d timestamptz, j jsonb);
create index a on same.t (a); create index bad_a on same.t (a) with (fillfactor = 50); create index bad_a_desc on same.t (a desc);
create index a_nulls on same.t (a nulls first); create index a_hash on same.t using hash (a);
create index a_part on same.t (a) where b > 1; create index bad_a_part on same.t (a) where b>1;
create index a_part2 on same.t (a) where b > 2;
create index low on same.t (lower(c)); create index bad_low on same.t (lower( c )); create index upp on same.t (upper(c));
create index bad_id on same.t (id); create unique index "bäd Ünï" on same.t (id);
alter table same.t add constraint bad_constraint unique (id);
create index c on same.t (c); create index c_op on same.t (c text_pattern_ops); create index c_coll on same.t (c collate "C");
create index ab on same.t (a, b); create index ba on same.t (b, a);
create index incl on same.t (d) include (a, b); create index bad_incl on same.t (d) include (b, a);
create index incl2 on same.t (d) include (a); create index d on same.t (d);
create index gin on same.t using gin (j); create index gin_path on same.t using gin (j jsonb_path_ops);
create index bad_gin on same.t using gin (j);
create index sig on same.t using gist (c gist_trgm_ops); create index sig2 on same.t using gist (c gist_trgm_ops (siglen = 32));
create table same.older (a int not null); create index bad_older on same.older (a); create unique index younger on same.older (a);
create table same.replica (a int not null); create unique index replica_bad on same.replica (a);
create unique index replica_identity on same.replica (a);
alter table same.replica replica identity using index replica_identity;
create table same.deferred (a int, unique (a) deferrable); create unique index deferred_strict on same.deferred (a);
create table same.parts (id int, a int) partition by range (id);
create table same.part partition of same.parts for values from (0) to (10);
create index parts_a on same.parts (a); create index parts_bad on same.parts (a); create index part_bad on same.part (a);
create table same.excluded (a int4range, exclude using gist (a with &&), exclude using gist (a with =));
create index excluded_bad on same.excluded using gist (a);
create table same.clustered (a int); create index k1 on same.clustered (a); create index clustered_bad on same.clustered (a);
alter table same.clustered cluster on clustered_bad;
"""
PREFIX = """
create schema pre;
create table pre.t (id int primary key, a int, b int, c text, d int, e int, f int, g int, h int, i int, unique (g, h));
create index bad_a on pre.t (a); create index "bäd Ünï" on pre.t (a desc); create index ab on pre.t (a, b);
create index a_part on pre.t (a) where b > 1; create index a_text on pre.t (a, c) where b > 2;
create index bd on pre.t (b, d desc); create index bd2 on pre.t (b, d, a);
create index bad_reversed on pre.t (b desc nulls last, e); create index bee on pre.t (b nulls first, e desc, f);
create index bad_low on pre.t (lower(c)); create index low_a on pre.t (lower(c), a); create index upp on pre.t (upper(c));
create index c_op on pre.t (c text_pattern_ops); create index ca on pre.t (c, a); create index c_coll on pre.t (c collate "C");
create index bad_incl on pre.t (d) include (a); create index d_incl on pre.t (d) include (a, b);
create index d_incl2 on pre.t (d) include (c); create index d_e on pre.t (d desc, f);
create unique index e_unique on pre.t (e); create index bad_unique_e on pre.t (e, a);
create index e_backwards on pre.t (a, e);
create index bad_g on pre.t (g); create index h on pre.t (h); create index i_hash on pre.t using hash (i);
create index i_h on pre.t (i, h); create index id_f on pre.t (id, f);
create table pre.fk (id int primary key, x int, foreign key (id, x) references pre.t (g, h)); create index fk_id_x on pre.fk (id, x);
create table pre.parts (id int, a int) partition by range (id);
create table pre.part partition of pre.parts for values from (0) to (10);
create index parts_bad on pre.parts (a); create index parts_a_id on pre.parts (a, id); create index part_bad on pre.part (a);
"""
INVALID = """
create schema inv;
create table inv.t (a int, b int); insert into inv.t values (1, 1), (1, 2), (2, 3);
create table inv.parts (id int, a int) partition by range (id);
create table inv.part partition of inv.parts for values from (0) to (10);
create index parts_bad on only inv.parts (a); create index parts_ok on inv.parts (id);
create index good on inv.t (b);
"""
# 10,000 rows for what the statistics of columns tell, with decoys beside each
COLUMNS = """
create schema col; create table col.ref (id int primary key); insert into col.ref select generate_series(0, 4);
create table col.t (id int primary key, ok bool, status text, many int, skewed int, long_tail int, ref int references col.ref,
  tok text, a int, b int, span int4range, half int);
insert into col.t select i, i % 2 = 0, 'x' || i % 5, i / 2, case when i % 100 < 60 then 0 else i % 13 end,
  case when i % 100 < 60 then 0 else i end, i % 5, case when i % 10 = 0 then 'tok' || i end,
  case when i % 3 = 0 then i end, case when i % 4 = 0 then i end, case when i % 4 = 0 then int4range(i, i + 1) end,
  case when i % 10 < 6 then i end
from generate_series(1, 10000) i;
create index bad_ok on col.t (ok); create index "bäd Ünï" on col.t (status desc); create index status_part on col.t (status) where many > 3;
create index status_2 on col.t (status, id); create index many on col.t (many); create index bad_skewed on col.t (skewed);
create index long_tail on col.t (long_tail); create index ref_ok on col.t (ref); create index bad_low on col.t (lower(status));
create index status_hash on col.t using hash (status); create unique index status_unique on col.t (status, id);
create index null_tok on col.t (tok); create index tok_part on col.t (tok) where tok is not null;
create unique index tok_unique on col.t (tok); create index tok_id on col.t (tok, id); create index half on col.t (half);
create index null_ab on col.t (a desc, b) include (id) with (fillfactor = 80); create index null_gist on col.t using gist (span);
create index tok_hash on col.t using hash (tok); create index "null Ünï" on col.t (tok desc nulls last);
create table col.small (ok bool, tok int); insert into col.small select true from generate_series(1, 900);
create index small_ok on col.small (ok); create index small_tok on col.small (tok);
create table col.parts (id int, st int, tk int) partition by range (id);
create table col.part partition of col.parts for values from (0) to (20000);
insert into col.parts select i, i % 3, case when i % 10 = 0 then i end from generate_series(1, 10000) i;
create index bad_parts_st on col.parts (st); create index null_parts_tk on col.parts (tk);
analyze col.t; analyze col.small; analyze col.parts;
"""
READS = """
create schema used; create table used.site (id int primary key); insert into used.site select generate_series(1, 10);
create table used.t (id int primary key, a int, b int, c int, s int references used.site, s2 int references used.site,
  s3 int references used.site, s4 int references used.site);
insert into used.t select i, i, i, i, 1, 1, 1, 1 from generate_series(1, 2000) i;
create index bad_a on used.t (a); create index "bäd Ünï" on used.t (b); create unique index c on used.t (c);
create index bad_expression on used.t ((a + b)); create index bad_part on used.t (a) where b > 3; create index read on used.t (b, c);
create index s on used.t (s); create index s2 on used.t (s2, id); create index bad_s2 on used.t (s2);
create index s3 on used.t (s3) where s3 is not null; create index bad_s4_part on used.t (s4) where s4 > 3; create index s4 on used.t (s4);
create table used.empty (a int); create index empty_a on used.empty (a);
create table used.parts (id int, a int) partition by range (id);
create table used.part_a partition of used.parts for values from (0) to (10);
create table used.part_b partition of used.parts for values from (10) to (2000);
insert into used.parts select i, i from generate_series(1, 1000) i;
create index bad_parts on used.parts (id, a); create index parts_a on used.parts (a);
create table used.excluded (a int4range, exclude using gist (a with &&)); insert into used.excluded values ('[1,2)');
analyze used.t; analyze used.parts;
"""
HOT = """
create schema hot; create table hot.t (id int primary key, a int, b int, c int, d int, e int);
create table hot.unknown (id int primary key, a int); create index unknown_a on hot.unknown (a);
create table hot.packed (id int primary key, a int, b int); create index packed_b on hot.packed (b);
create table hot.roomy (id int primary key, a int, b int) with (fillfactor = 20); create index roomy_b on hot.roomy (b);
create table hot.few (id int primary key, a int); create index few_a on hot.few (a);
insert into hot.t select i, i, i, i, i, i from generate_series(1, 1500) i;
insert into hot.unknown select i, i from generate_series(1, 1500) i; insert into hot.packed select i, i, i from generate_series(1, 1500) i;
insert into hot.roomy select i, i, i from generate_series(1, 1500) i; insert into hot.few select i, i from generate_series(1, 900) i;
create index bad_a on hot.t (a); create index b on hot.t (b); create index "bäd Ünï" on hot.t (b) include (a);
create index bad_expression on hot.t ((a + 1)); create index bad_condition on hot.t (c) where a > 3;
create unique index a_unique on hot.t (a, id); create index seldom on hot.t (d); create index e_brin on hot.t using brin (a);
"""


@pytest.fixture(scope="module", params=VERSIONS)
def place(request: pytest.FixtureRequest, server_of: Callable[[int], Server]) -> Iterator[Place]:
    """A database with all the faults, on every version in turn."""
    with made(server_of(request.param).dsn) as place:
        place.run(FOREIGN_KEYS, SAME, PREFIX, INVALID, COLUMNS)
        with place.session() as session:
            for statement_ in (
                'unique index concurrently "bäd Ünï" on inv.t (a)',
                "unique index concurrently bad_twin on inv.t (a)",
            ):
                with pytest.raises(psycopg.errors.UniqueViolation):
                    session.execute(f"create {statement_}")
        counted(place, READS)
        counted(
            place,
            "set enable_seqscan = off",
            "select from used.t where b = 3 and c = 3",
            "select from used.parts where a = 11",
        )
        counted(place, HOT, *(f"update hot.{t} set a = a + 1" for t in ("t", "unknown", "packed", "roomy", "few")))
        yield place


def in_schema(place: Place, name: str, schema: str, facts: Facts | None = None) -> dict[str, Finding]:
    """A lint's findings in one schema, by what follows its name."""
    findings = found(place, name, facts or Facts())
    return {text.removeprefix(f"{schema}."): f for text, f in findings.items() if f.relation.startswith(f"{schema}.")}


def test_foreign_keys__without_index_are_found_and_no_others(place: Place) -> None:
    """Leading columns count as a set; partial, included, expression, BRIN and other collations do not."""
    findings = in_schema(place, "fk_without_index", "fk")
    assert set(findings) == {
        "plain_ok (site_id)",  # the index is on its namesake in another schema
        "bad_selfie (parent)", "bad_pair (b, a)", "bad_partial (s)", "bad_pair_partial (a, b)", "bad_include (s)",
        "bad_expression (s)", "bad_brin (s)", "bad_not_valid (s)", "bad_collation (t)", "parts (only_parent)",
        "parts (half)", "bad_to_parts (s)", "bad_twice (s)", '"bäd Ünï" ("a b")',
    }  # fmt: skip
    assert in_schema(place, "fk_without_index", "fk2") == {}
    assert "bad_partial_s_idx is partial" in findings["bad_partial (s)"].detail
    assert findings['"bäd Ünï" ("a b")'].remedy == (
        'create index concurrently "bäd Ünï_a b_idx" on fk."bäd Ünï" ("a b");'
    )
    assert findings["parts (half)"].remedy == "create index parts_half_idx on fk.parts (half);"
    assert "blocks" in findings["parts (half)"].advice


def test_foreign_key__weighs_as_rows_and_writes_do(place: Place) -> None:
    """Important where parents are deleted or statements look for it, from 10,000 rows; noted below 1,000."""
    pretend(place, "fk.bad_partial", 50_000)
    pretend(place, "fk.bad_include", 50_000)
    pretend(place, "fk.bad_to_parts", 50_000)
    pretend(place, "fk.bad_selfie", 2_000)
    column = attnum(place, "fk.bad_include", "s")
    table = oid(place, "fk.bad_include")
    facts = Facts(
        statements=[statement("7", calls=500, blocks=500 * 501), statement("8", calls=500, blocks=1500)],
        predicates=[predicate("7", table, column), predicate("8", oid(place, "fk.bad_partial"), 1)],
    )

    findings = in_schema(place, "fk_without_index", "fk", facts)

    levels = {text.split()[0]: finding.level for text, finding in findings.items()}
    assert levels["bad_include"] == "important"
    assert "500 calls" in findings["bad_include (s)"].detail
    assert levels["bad_partial"] == "routine", "its statement reads three blocks a call"
    assert levels["bad_selfie"] == "routine"
    assert levels["bad_brin"] == "noted"
    assert findings["bad_partial (s)"].doubt.startswith("Nothing was deleted from fk.site")
    assert list(findings).index("bad_include (s)") < list(findings).index("bad_selfie (parent)")

    counted(place, "insert into fk.partitioned_site values (1)", "delete from fk.partitioned_site")
    findings = in_schema(place, "fk_without_index", "fk")
    assert findings["bad_to_parts (s)"].level == "important", "a row of a partition of its parent was deleted"
    assert "1 deleted from fk.partitioned_site" in findings["bad_to_parts (s)"].detail


def test_foreign_key_with_a_period__needs_what_comes_before_the_period(database: Place) -> None:
    """The period is compared by overlap, which no B-tree helps."""
    database.run(
        "create extension btree_gist",
        "create table room (id int, during int4range, primary key (id, during without overlaps))",
        *(
            f"create table {name} (id int, during int4range, "
            "foreign key (id, period during) references room (id, period during))"
            for name in ("bad", "good", "best")
        ),
        "create index on good (id)",
        "create index on best using gist (id, during)",
    )
    assert set(found(database, "fk_without_index")) == {"public.bad (id, during)"}


def test_duplicates__are_those_that_do_less_or_are_younger(place: Place) -> None:
    """The constraint's, the unique, the replica identity stay; other order (but all of it reversed), class or condition doesn't."""
    findings = in_schema(place, "index_duplicate", "same")
    assert set(findings) == {
        "bad_a", "bad_a_desc", "bad_a_part", "bad_low", "bad_id", '"bäd Ünï"', "bad_constraint", "bad_incl", "bad_gin", "bad_older",
        "replica_bad", "parts_bad", "part_bad", "excluded_bad", "clustered_bad",
    }  # fmt: skip
    assert findings['"bäd Ünï"'].remedy == 'drop index concurrently same."bäd Ünï";'
    assert findings["bad_constraint"].remedy == "alter table same.t drop constraint bad_constraint;"
    assert findings["parts_bad"].remedy == "drop index same.parts_bad;"
    assert "CLUSTER" in findings["clustered_bad"].doubt
    assert findings["bad_id"].detail.startswith("the same as t_pkey, the primary key: btree (id)")
    assert {finding.level for finding in findings.values()} == {"routine"}


def test_duplicate_that_a_foreign_key_was_made_with__is_not_dropped_by_statement(database: Place) -> None:
    """The server would refuse it: the foreign key depends on that index."""
    database.run(
        "create table site (a int not null)", "create unique index site_a on site (a)",
        "create table t (a int references site (a))", "alter table site add unique (a)", "create index on t (a)",
    )  # fmt: skip
    (finding,) = found(database, "index_duplicate").values()
    assert (finding.object, finding.remedy) == ("public.site_a", "")
    assert "foreign key" in finding.advice


def test_prefixes__are_beginnings_in_the_same_or_the_reversed_order(place: Place) -> None:
    """Condition, operator class, collation and what is included have to agree; a unique one is a rule of its own."""
    table = oid(place, "pre.t")
    facts = Facts(
        statements=[statement("1")],
        predicates=[predicate("1", table, attnum(place, "pre.t", "f"), "order", position=2)],
    )
    findings = in_schema(place, "index_prefix", "pre", facts)
    assert {name: finding.level for name, finding in findings.items()} == {
        "bad_a": "routine", '"bäd Ünï"': "routine", "bad_reversed": "routine", "bad_low": "routine",
        "bad_incl": "routine", "bad_g": "routine", "parts_bad": "routine", "part_bad": "routine",
        "bad_unique_e": "noted",
    }  # fmt: skip
    assert findings["bad_a"].detail.startswith("(a) is the beginning of ab (a, b)")
    assert findings['"bäd Ünï"'].remedy == 'drop index concurrently pre."bäd Ünï";'
    assert "may be null" in findings["bad_unique_e"].doubt
    assert "id_f" in in_schema(place, "index_prefix", "pre"), "no statement is known that sorts by it"


def test_prefix_that_is_read_while_the_longer_is_not__is_doubted(database: Place) -> None:
    """Then the longer one is to go; dropping both would leave none."""
    database.run("create table t (a int, b int)", "create index a on t (a)", "insert into t select 1, 1")
    counted(database, "set enable_seqscan = off", "select from t where a = 1")
    database.run("create index a_b on t (a, b)")
    assert "rather drop that one" in found(database, "index_prefix")["public.a"].doubt


def test_invalid_indexes__are_found_with_what_completes_them(place: Place) -> None:
    """A failed build, and an index ON ONLY a partitioned table that lacks those of the partitions."""
    findings = in_schema(place, "index_invalid", "inv")
    assert set(findings) == {'"bäd Ünï"', "bad_twin", "parts_bad"}
    assert {finding.level for finding in findings.values()} == {"important"}
    assert findings['"bäd Ünï"'].remedy == 'reindex index concurrently inv."bäd Ünï";'
    assert findings["parts_bad"].remedy == ""
    assert "inv.part" in findings["parts_bad"].detail
    assert "attach partition" in findings["parts_bad"].advice


def test_invalid_index_beside_a_valid_twin__is_dropped(database: Place) -> None:
    """A leftover of a rebuild, or of a build that was tried again under another name, does nothing more."""
    database.run("create table t (a int)", "create index good on t (a)", "create index left_ccnew on t (a)")
    database.run("update pg_index set indisvalid = false where indexrelid = 'left_ccnew'::regclass")
    (finding,) = found(database, "index_invalid").values()
    assert finding.remedy == "drop index concurrently public.left_ccnew;"
    assert "good is valid and the same" in finding.detail


def test_invalid_unique_index_of_equal_rows__is_not_tried_again(database: Place) -> None:
    """It would fail once more and leave a second invalid one; the rows that are equal come first."""
    database.run(
        "create table t (a int, b int)", "insert into t select i % 3, i from generate_series(1, 300) i", "analyze t",
        "create index a on t (a)", "create index b on t (b)",
    )  # fmt: skip
    database.run("update pg_index set indisvalid = false, indisunique = true where indrelid = 't'::regclass")
    findings = found(database, "index_invalid")
    assert findings["public.b"].remedy == "reindex index concurrently public.b;"
    assert findings["public.a"].remedy == ""
    assert "select a, count(*) from public.t group by a having count(*) > 1" in findings["public.a"].advice


@pytest.mark.parametrize("work", ["create index concurrently a on t (a)", "drop index concurrently b"])
def test_index_that_is_being_built_or_dropped__is_not_invalid(database: Place, work: str) -> None:
    """While it waits for an older transaction it is under way; cancelled, it is a leftover."""
    database.run("create table t (a int, b int)", "create index b on t (b)")
    with database.session() as other, database.session() as worker, database.connect() as session:
        other.execute("begin; insert into t values (1)")
        worker.pgconn.send_query(work.encode())
        deadline = time.monotonic() + 60
        while not session.value("select count(*) from pg_index where indrelid = 't'::regclass and not indisvalid"):
            assert time.monotonic() < deadline
        assert found(session, "index_invalid") == {}
        worker.cancel_safe()
        while worker.pgconn.get_result():
            pass
        assert len(found(session, "index_invalid")) == 1


def test_bloated_indexes__are_those_with_little_in_them(database: Place) -> None:
    """Measured or estimated; not one with a fillfactor, nor one of few distinct values, nor one filled at random."""
    database.run(
        "create table t (id int primary key, c text) with (autovacuum_enabled = off)",
        'create index "bäd Ünï" on t (c)',
        "insert into t select i, md5(i::text) || md5(i::text) from generate_series(1, 20000) i",
        "create table fine (id int primary key, k int, c text, n numeric) with (autovacuum_enabled = off)",
        "create index fine_cn on fine (n, c)",
        "insert into fine select i, i % 50, md5(i::text), i % 9 from generate_series(1, 20000) i",
        "create index fine_k on fine (k)",
        "create index fine_low on fine (upper(c)) with (fillfactor = 30)",
        "delete from t where id % 10 <> 0",
    )
    database.run("vacuum analyze")
    database.run('create schema "E x"', 'create extension pgstattuple schema "E x"')
    (finding,) = found(database, "index_bloated").values()
    assert (finding.object, finding.level) == ('public."bäd Ünï"', "routine")
    assert "pgstatindex finds its pages filled to" in finding.detail
    assert finding.remedy == 'reindex index concurrently public."bäd Ünï";'

    pretend(database, '"bäd Ünï"', 20_000, 3000)
    database.run("drop extension pgstattuple")
    (finding,) = found(database, "index_bloated").values()
    assert "estimated, from 20,000 entries" in finding.detail
    with stranger(database) as session:
        assert found(session, "index_bloated") == {}, "the width of its column is not to be seen"


def test_low_selectivity__is_told_of_few_values_in_one_column(place: Place) -> None:
    """Not of partial, unique, hash or wider indexes, long tails, small tables, or what a foreign key needs."""
    findings = in_schema(place, "index_low_selectivity", "col")
    assert set(findings) == {"bad_ok", '"bäd Ünï"', "bad_skewed", "bad_low", "bad_parts_st"}
    assert "2 different values in 10,000 rows" in findings["bad_ok"].detail
    assert "drop index concurrently col.bad_ok;" in findings["bad_ok"].advice
    assert findings["bad_ok"].remedy == ""


def test_mostly_null_index__is_made_partial(place: Place) -> None:
    """Where every column is null in half of the rows; the remedy keeps order, included columns and fillfactor."""
    facts = Facts(
        statements=[statement("1")],
        predicates=[predicate("1", oid(place, "col.t"), attnum(place, "col.t", "tok"), "null")],
    )
    findings = in_schema(place, "index_mostly_null", "col", facts)
    assert set(findings) == {"null_tok", "null_ab", "null_gist", '"null Ünï"', "null_parts_tk"}
    create, drop = findings["null_ab"].remedy.splitlines()
    assert create == (
        "create index concurrently null_ab_not_null on col.t USING btree (a DESC, b) INCLUDE (id) "
        "WITH (fillfactor='80') where (a is not null);"
    )
    assert drop == "drop index concurrently col.null_ab;"
    assert "null in a 67 %, b 75 % of 10,000 rows" in findings["null_ab"].detail
    assert "asks whether tok is null" in findings["null_tok"].doubt
    assert findings["null_parts_tk"].remedy.startswith("create index null_parts_tk_not_null on col.parts USING")
    with place.session() as session, session.transaction(force_rollback=True):
        for finding in findings.values():
            session.execute(finding.remedy.replace(" concurrently", ""))


def test_unused_indexes__are_those_that_nothing_needs(place: Place) -> None:
    """Not unique ones, the only cover of a foreign key, those read on one partition, or of empty tables."""
    findings = in_schema(place, "index_unused", "used")
    assert set(findings) == {
        "bad_a", '"bäd Ünï"', "bad_expression", "bad_part", "bad_s2", "bad_s4_part", "bad_parts",
    }  # fmt: skip
    assert {finding.level for finding in findings.values()} == {"noted"}, "the statistics are young"
    assert "no scan in" in findings["bad_a"].detail
    assert "2,000 writes" in findings["bad_a"].detail
    assert findings["bad_parts"].remedy == "drop index used.bad_parts;"
    assert "ANALYZE" in findings["bad_expression"].doubt


def test_statistics_of_a_new_database__are_no_older_than_it(database: Place) -> None:
    """The server's shared catalogs were vacuumed before it was made, and say nothing of its own age."""
    database.run("vacuum pg_catalog.pg_database", "create table t (a int)", "insert into t values (1)")
    database.run("create index a on t (a)")
    counted(database)
    assert found(database, "index_unused")["public.a"].detail.startswith("no scan in a time that is not known")


def test_index_that_breaks_hot__is_one_with_a_column_that_updates_set(place: Place) -> None:
    """As key, included, in an expression or condition; not where pages are full or updates few, nor a seldom set one."""
    table, packed = oid(place, "hot.t"), oid(place, "hot.packed")
    a, d = attnum(place, "hot.t", "a"), attnum(place, "hot.t", "d")
    facts = Facts(
        statements=[
            statement("1", kind="update", writes=table, sets=[a], rows=1500),
            statement("2", kind="update", writes=table, sets=[d], rows=3),
            statement("3", kind="update", writes=packed, sets=[2], rows=1500),
        ]
    )
    findings = in_schema(place, "index_breaks_hot", "hot", facts)
    brin = {"e_brin"} if place.run("show server_version_num")[0][0] < "160000" else set()
    assert set(findings) == {"bad_a", '"bäd Ünï"', "bad_expression", "bad_condition", "unknown"} | brin
    assert findings["bad_a"].level == "routine"
    assert findings["bad_a"].detail == (
        "0 of 1,500 updates were heap-only; it has a, set by 100 % of the rows that known statements updated (query 1)"
    )
    assert findings["unknown"].level == "noted"
    assert set(in_schema(place, "index_breaks_hot", "hot")) == {"t", "packed", "unknown"}


@pytest.mark.parametrize("name", INDEXES)
def test_index_lint__as_a_stranger__says_nothing_wrong(place: Place, name: str) -> None:
    """The catalogs are open to all; what needs the columns' statistics finds nothing rather than something else."""
    everything = set(found(place, name))
    with stranger(place) as session:
        seen = set(found(session, name))
    assert seen <= everything
    assert bool(seen) == (name not in ("index_bloated", "index_low_selectivity", "index_mostly_null"))


def test_index_lints__are_all_tested_here() -> None:
    """A lint of indexes that needs no facts has its faults and look-alikes above."""
    assert {one.name for one in lints() if one.about.group == "indexes" and not one.about.needs} == set(INDEXES)
