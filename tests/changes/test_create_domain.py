"""CREATE DOMAIN: known by its base type, default and constraints."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fix_changes import forth_and_back, planned, run, state
from fix_databases import Place, on_every_version
from pgrunbook import db, fingerprint


@pytest.fixture
def on(database: Place) -> Iterator[db.Database]:
    """A session of the library's that makes what it makes in a schema of its own."""
    database.run("create schema app", 'create schema "Ö ö"', "create domain app.positive as int check (value > 0)")
    with db.connect(db.parse_target(database.target), search_path=["app", "public"]) as opened:
        yield opened


@on_every_version
def test_forth_and_back__leaves_the_schema_as_it_was(on: db.Database) -> None:
    """Over a domain, in another schema, with named and unnamed constraints; the new idents are those it tells."""
    every = """
    create domain email as text collate "C" default 'x' constraint c1 check (value <> '') check (length(value) < 10)
      check (value <> 'z');
    create domain "Ö ö"."D d" as positive check (value < 10) null;
    create domain plain numeric(5, 2)[]
    """
    forth_and_back(on, every)
    before, found = fingerprint.objects(on, "pgrunbook"), planned(on, every)
    for change in found:
        run(on, change.apply(change.standing(on)))
    new = set(fingerprint.objects(on, "pgrunbook")) - set(before)
    told = {ident for change in found for ident in change.idents}
    # NOT NULL is a constraint of a domain's from 17 on
    assert new <= told
    forth_and_back(on, "create domain filled as positive not null constraint n check (value <> 7)")


def test_state__is_told_by_the_definition_alone(on: db.Database) -> None:
    """Base type, default, NOT NULL, constraints and the names that were given to them count."""
    on.execute(
        "create domain d as varchar(5) default 'x' not null constraint c check (value in ('x', 'y')) check (true)"
    )
    same = "create domain app.d character varying(5) check (true) constraint c check ((value in ('x', 'y'))) not null"
    assert state(on, f"{same} default 'x'::varchar") == "present"
    for other in (
        same, f"{same} default 'y'", f"{same.replace('(5)', '(6)')} default 'x'", f"{same} default 'x' check (value <> 'z')",
        f"{same.replace('not null', '')} default 'x'", f"{same.replace('constraint c ', 'constraint b ')} default 'x'",
        "create type d as enum ()",
    ):  # fmt: skip
        assert state(on, other) == "different", other
    assert state(on, "create domain e as int") == "absent"
    assert state(on, "create type n as enum (); create domain e as n") == "absent"
