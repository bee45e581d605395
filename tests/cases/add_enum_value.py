"""ALTER TYPE … ADD VALUE: of an enum that the migration makes, since no other way there has a way back."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "in_order",
        (),
        """
        create type mood as enum ('sad', 'ok');
        alter type mood add value 'happy';
        alter type mood add value if not exists 'glum' before 'sad';
        """,
    ),
    Case(
        "in_the_block_that_makes_the_type",
        (),
        """
        begin;
        create type mood as enum ('sad');
        alter type mood add value 'ok';
        create table t (id int primary key, mood mood default 'ok');
        commit;
        """,
    ),
)
