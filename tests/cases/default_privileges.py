"""ALTER DEFAULT PRIVILEGES."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "in_a_schema_and_in_all",
        ("alter default privileges in schema public grant select on tables to case_reader with grant option",),
        "alter default privileges in schema public grant all on tables to case_reader;"
        " alter default privileges in schema public grant usage on sequences to case_reader, public;"
        " alter default privileges revoke execute on functions from public;",
        roles=("case_reader",),
    ),
)
