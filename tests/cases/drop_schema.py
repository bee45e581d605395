"""DROP SCHEMA."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "emptied_before",
        ('create schema "Ö s"', "comment on schema \"Ö s\" is 'o'", 'create view "Ö s".v as select 1 as one'),
        'drop view "Ö s".v;\ndrop schema "Ö s" cascade;',
        in_database=True,
    ),
)  # fmt: skip
