"""CREATE MATERIALIZED VIEW: known by its query and options, indexed in the same migration, dropped by the undo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place
from pgrunbook import changes, db
from pgrunbook.changes import ObjectOptions

SCHEMA = """
create schema app; create schema "S s";
create table app.t (id int primary key, who text);
insert into app.t select i, 'x' from generate_series(1, 20) i;
do $$ begin create role pgrb_reader; exception when duplicate_object or unique_violation then null; end $$
"""


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a table."""
    database.run(*SCHEMA.strip().split(";\n"))
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """In every form; with indexes, comments, privileges, another name; refreshed by a later line."""
    for text in (
        "create materialized view m as select * from t",
        'create materialized view "S s"."M ä" ("A a", b) with (fillfactor = 70) as select id, who from t where id > 1 with no data',
        "create materialized view if not exists m (a) as values (1), (2)",
        "create materialized view m as select id, who from t; create unique index on m (id); create index i on m (who);"
        " comment on materialized view m is 'x'; alter materialized view m rename to n; grant select on n to pgrb_reader",
        "begin; create materialized view m as select id from t; alter materialized view m rename column id to i;"
        " alter materialized view m set (fillfactor = 70); commit;"[7:-9],
    ):
        forth_and_back(on, text)


def test_state__is_told_by_the_definition(on: db.Database) -> None:
    """However it is spelled; one that has been filled since is the same, one that can't be read is not."""
    on.execute("create materialized view m (a) with (fillfactor = 70) as select id from t where id in (1, 2)")
    same = (
        "materialized view app.m with (fillfactor = '70') as select t.id as a from app.t where t.id = any (array[1, 2])"
    )
    assert state(on, f"create {same} with no data") == "present"
    for other in (same.replace("1, 2", "1, 3"), same.replace("'70'", "80"), same.replace(" as a", "")):
        assert state(on, f"create {other}") == "different"
    assert state(on, f"create {same}") == "present"
    on.execute("refresh materialized view m with no data")
    assert state(on, f"create {same} with no data") == "present"
    assert "refresh it" in planned(on, f"create {same}")[0].standing(on).detail
    assert state(on, f"create {same}") == "different"
    assert state(on, "create materialized view t as select 1 as id") == "different"
    (change,) = planned(on, "create materialized view n as select 1 as one, id from t")
    assert change.idents == ("relation app.n", "column app.n.one", "column app.n.id")
    assert (str(change.makes), change.makes.kind, change.label) == ("app.n", "m", "n")
    assert "nobody waits" in change.lint()[1]
    known = changes.again(change.kind, change.resolved_sql(), ObjectOptions().model_dump(), 1)
    assert str(known.undo({})[0]) == "drop materialized view app.n;"
    assert [c.kind for c in typed("create view v as select 1")] == ["create_view"]
