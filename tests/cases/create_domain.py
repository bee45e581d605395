"""CREATE DOMAIN."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "over_a_type_of_the_migration",
        (),
        """
        create type mood as enum ('sad', 'ok');
        create domain calm as mood default 'ok' not null check (value <> 'sad') constraint "Named n" check (true);
        """,
    ),
)
