"""A statement of no known kind, with its inverse in rollback.sql."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "create_sequence",
        ("create table t (id int primary key)",),
        "create sequence numbers increment by 5",
        files={"rollback.sql": "-- undoes: statement_1\ndrop sequence numbers;\n"},
    ),
)
