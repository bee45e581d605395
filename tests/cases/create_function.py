"""CREATE FUNCTION and CREATE PROCEDURE."""

from __future__ import annotations

from cases import Case

OLD = (
    "create function f(a int, b text = 'x') returns text language plpgsql security definer set search_path = ''"
    " as $$ begin return b || $q$ old $q$; end $$",
    "comment on function f(int, text) is 'old'",
    "revoke execute on function f(int, text) from public",
    "grant execute on function f(int, text) to case_reader",
)

CASES = (
    Case("new_ones", (),
         "create function f(a int, out b text, variadic c uuid[]) language sql as $$ select 'x'::text $$;"
         "create procedure p(a int = 1) language plpgsql as $$ begin null; end $$;"),
    Case("replaced", OLD,
         "create or replace function f(a int, b text = 'y') returns text language sql stable as $$ select b $$;",
         roles=("case_reader",)),
    # what gives a default can't be replaced by what gives none: the way back drops it
    Case("replaced_with_a_new_default", OLD,
         "create or replace function f(a int = 1, b text = 'y') returns text language sql stable as $$ select b $$;",
         roles=("case_reader",)),
)  # fmt: skip
