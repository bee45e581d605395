"""CREATE EXTENSION: trusted ones, that need no superuser."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "two_of_contrib",
        (),
        """
        create extension if not exists cube with schema public;
        create extension if not exists pg_trgm;
        """,
        in_database=True,
    ),
)
