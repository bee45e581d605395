"""REVOKE."""

from __future__ import annotations

from cases import Case

ROLES = ("pgrb_reader", "pgrb_writer")

CASES = (
    Case(
        "all_then_some_again",
        (
            "create table t (id int primary key, a int, b text)",
            "grant all on t to pgrb_reader",
            "grant select (a), select (b), update (b) on t to pgrb_reader with grant option",
        ),
        "revoke all on t from pgrb_reader;\ngrant select, update (b) on t to pgrb_reader;\n",
        roles=ROLES,
    ),
    Case(
        "from_public_on_a_new_function",
        ("create table t (id int primary key)",),
        "create function f(a int) returns int language sql security definer set search_path = '' as 'select 1';\n"
        "revoke execute on function f from public;\n"
        "grant execute on function f(int) to pgrb_reader;\n",
        roles=ROLES,
    ),
    Case(
        "the_right_to_give_on",
        ("create table t (id int primary key)", "grant select, insert on t to pgrb_reader with grant option"),
        "revoke grant option for all on t from pgrb_reader;\nrevoke insert on t from pgrb_reader;\n",
        roles=ROLES,
    ),
)
