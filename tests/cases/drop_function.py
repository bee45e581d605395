"""DROP FUNCTION and DROP PROCEDURE."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "two_and_one_made_anew",
        (
            "create function \"F f\"(a int, b text default 'x') returns int language sql as 'select a'",
            'revoke execute on function "F f"(int, text) from public', "comment on function \"F f\"(int, text) is 'f'",
            "create procedure p() language plpgsql as 'begin null; end'",
            "create function g(int) returns int language sql as 'select 1'",
        ),
        'drop function "F f"(int, text);\ndrop procedure p();\ndrop function g(int);\n'
        "create function g(int) returns text language sql as 'select null::text';",
    ),
)  # fmt: skip
