"""DROP EXTENSION: a trusted one, that needs no superuser."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "of_contrib",
        ("create extension citext",),
        "drop extension if exists citext;",
        in_database=True,
    ),
)  # fmt: skip
