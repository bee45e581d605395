"""CREATE POLICY."""

from __future__ import annotations

from cases import Case

SECURED = (
    "create table owners (id int primary key, who text)",
    "create table t (id int primary key, owner int, who text)",
    "insert into t select i, i % 5, 'w' || i % 5 from generate_series(1, 100) i",
    "alter table t enable row level security",
    "create policy old on t for select using (who = current_user)",
    "comment on policy old on t is 'it''s old'",
)

CASES = (
    Case(
        "two_of_a_table",
        SECURED,
        """
        create policy a on t for select using (owner in (select id from owners where owners.who = current_user));
        create policy "B b" on t as restrictive for update to case_reader using (true) with check (t.owner > 0);
        """,
        roles=("case_reader",),
    ),
    Case(
        "anew_under_the_same_name",
        SECURED,
        "drop policy if exists old on t; create policy old on t for all using (who = 'nobody');",
    ),
    Case(
        "calls_a_function_of_the_migration",
        SECURED,
        "create function mine() returns text stable language sql as 'select current_user::text';"
        "create policy a on t for select using (who = (select mine()));",
    ),
)
