"""CREATE TRIGGER."""

from __future__ import annotations

from cases import Case

TABLE = (
    "create table t (id int primary key, a int)",
    "insert into t select i, i from generate_series(1, 50) i",
    "create function f() returns trigger language plpgsql as 'begin return new; end'",
)

CASES = (
    Case(
        "with_its_function",
        TABLE,
        """
        create function noted() returns trigger language plpgsql as 'begin return new; end';
        create trigger "On t" before update of a on t for each row when (old.* is distinct from new.*)
          execute function noted('x');
        """,
    ),
    Case(
        "constraint_trigger",
        TABLE,
        "create constraint trigger late after insert on t deferrable for each row execute function f();",
    ),
    Case(
        "replaced",
        (*TABLE, "create trigger a before insert on t for each row execute function f()",
         "alter table t enable always trigger a", "comment on trigger a on t is 'old'"),
        "create or replace trigger a after insert or delete on t execute function f();",
        oldest=140000,
    ),
)  # fmt: skip
