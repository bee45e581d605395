"""DROP SEQUENCE."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "that_has_gone_on",
        ("create sequence \"S s\" as smallint increment 3 cycle", "select nextval('\"S s\"')",
         'grant usage on "S s" to pg_monitor'),
        'drop sequence "S s";',
    ),
)  # fmt: skip
