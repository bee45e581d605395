"""VALIDATE CONSTRAINT: its undo puts the constraint back as it was, not validated."""

from __future__ import annotations

from fix_changes import forth_and_back, planned, state, statements
from fix_databases import Place

SCHEMA = (
    "create table o (id int primary key)",
    'create table "T t" (a int)',
    'alter table "T t" add constraint "C" check (a > 0) no inherit not valid',
    "comment on constraint \"C\" on \"T t\" is 'it''s later'",
    'alter table "T t" add constraint f foreign key (a) references o on delete cascade not valid',
)


def test_forth_and_back__leaves_it_not_validated(version_place: Place) -> None:
    """With its comment; also one that the same migration adds."""
    version_place.run(*SCHEMA)
    with version_place.connect() as on:
        forth_and_back(on, 'alter table only "T t" validate constraint "C"')
        forth_and_back(on, 'alter table "T t" validate constraint f, validate constraint "C"')
        forth_and_back(
            on, 'alter table "T t" add constraint n check (a < 9) not valid; alter table "T t" validate constraint n'
        )


def test_state__is_of_its_validity(database: Place) -> None:
    """What is not there yet is to be done."""
    database.run(*SCHEMA)
    with database.connect() as on:
        text = 'alter table "T t" validate constraint "C"'
        assert state(on, text) == "absent"
        (change,) = planned(on, text)
        (done,) = statements(change.apply(change.state(on)))
        assert (done.sql, done.lock) == ('alter table public."T t" validate constraint "C"', "SHARE UPDATE EXCLUSIVE")
        on.execute(done.sql)
        assert state(on, text) == "present"
        assert state(on, 'alter table "T t" validate constraint nothing') == "absent"
        assert change.undo({}) == []
        assert "drops it and adds it NOT VALID" in change.lint()[0]
