"""CREATE STATISTICS: known by what it is of, under its own name or the one that the server chooses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state
from fix_databases import Place, on_every_version
from pgrunbook import changes, db, errors, fingerprint
from pgrunbook.changes import State


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's on a table with odd names."""
    database.run("create schema app", 'create schema "Ö ö"', 'create table app.t (a int, b text, "C c" int)')
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


@on_every_version
def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """All sorts, odd names, another schema, expressions (from 14 on), without a name (from 16 on)."""
    texts = ['st (ndistinct, mcv) on "C c", a, b from t', 'if not exists "Ö ö"."s s" on a, b from only app.t']
    if on.version >= 140000:
        texts += ["e on (lower(b)) from t", 'f (mcv) on (a + "C c"), b from t']
    if on.version >= 160000:
        texts += ['on a, (a + 1), "C c" from t'] * 2
    every = "; ".join(f"create statistics {text}" for text in texts)
    forth_and_back(on, every)
    before, found = fingerprint.objects(on, "pgrunbook"), planned(on, every)
    for change in found:
        run(on, change.apply(change.standing(on)))
    new = set(fingerprint.objects(on, "pgrunbook")) - set(before)
    assert new == {ident for change in found for ident in change.idents}
    assert {c.standing(on).state for c in planned(on, every)} == {State.PRESENT}


def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """Columns and sorts count, their order and spelling do not; one without a name is found beside others."""
    on.execute('create statistics st (ndistinct, mcv) on "C c", a from t')
    assert state(on, 'create statistics app.st (mcv, ndistinct) on a, "C c" from app.t') == "present"
    for other in ("(mcv) on a", "on a", "(ndistinct, mcv) on b, a"):
        assert state(on, f'create statistics st {other}, "C c" from t') == "different", other
    assert state(on, "create statistics other on a, b from t") == "absent"
    on.execute("create statistics t_a_b_stat (mcv) on a, b from t")
    (change,) = planned(on, "create statistics on a, b from t")
    assert (change.object, change.label) == ("app.t_a_b_stat1", "t_a_b_stat1")
    assert planned(on, "create statistics (mcv) on a, b from t")[0].standing(on).state is State.PRESENT
    again = changes.again("create_statistics", change.resolved_sql(), {}, 1)
    assert str(again.undo({})[0]) == "drop statistics app.t_a_b_stat1;"
    assert "no effect before the next ANALYZE" in change.lint()[0]


def test_on_a_table_of_the_migration__waits_for_it(on: db.Database) -> None:
    """Its name is chosen all the same; a table that is not there is told with its line."""
    forth_and_back(
        on, "create table n (a int, b int); create statistics on a, b from n; create statistics s on a, b from n"
    )
    on.execute("create statistics s on a, b from t")
    forth_and_back(on, 'drop statistics s; create statistics s on b, "C c" from t')
    with pytest.raises(errors.PreflightFailed, match=r"nothing does not exist .*line 1"):
        planned(on, "create statistics on a, b from nothing")
