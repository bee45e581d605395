"""ALTER POLICY."""

from __future__ import annotations

from cases import Case
from cases.create_policy import SECURED

CASES = (
    Case("using_and_roles", SECURED, "alter policy old on t to case_reader using (owner = 1)", roles=("case_reader",)),
    Case("check_where_there_was_none", (*SECURED, "create policy w on t for update using (true)"),
         "alter policy w on t with check (owner > 0)"),
    Case("after_create", SECURED,
         "create policy n on t for update using (true); alter policy n on t with check (owner = 3);"),
    Case("twice", SECURED, "alter policy old on t to case_reader; alter policy old on t using (owner = 2)",
         roles=("case_reader",)),
    Case("of_one_that_is_made_anew", SECURED,
         "drop policy old on t; create policy old on t for select using (true); alter policy old on t using (owner = 5)"),
)  # fmt: skip
