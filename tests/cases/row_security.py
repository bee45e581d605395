"""ENABLE, DISABLE, FORCE and NO FORCE ROW LEVEL SECURITY."""

from __future__ import annotations

from cases import Case

TABLE = ("create table t (id int primary key, who text)", "insert into t select i, 'x' from generate_series(1, 50) i")

CASES = (
    Case("enable_and_force_with_a_policy", TABLE,
         "alter table t enable row level security, force row level security; create policy p on t using (id > 0);"),
    Case("disable_and_no_force", (*TABLE, "alter table t enable row level security, force row level security"),
         "alter table t no force row level security; alter table t disable row level security;"),
)  # fmt: skip
