"""ALTER TABLE … ENABLE and DISABLE TRIGGER."""

from __future__ import annotations

from cases import Case

TABLE = (
    "create table t (id int primary key, a int)",
    "insert into t select i, i from generate_series(1, 50) i",
    "create function f() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger a before insert on t for each row execute function f()",
)

CASES = (
    Case("disabled", TABLE, "alter table t disable trigger a;"),
    Case(
        "disabled_meanwhile",
        TABLE,
        """
        alter table t disable trigger a;
        alter table t add column b int;
        alter table t enable trigger a;
        """,
    ),
)
