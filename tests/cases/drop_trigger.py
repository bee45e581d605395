"""DROP TRIGGER."""

from __future__ import annotations

from cases import Case
from cases.create_trigger import TABLE

CASES = (
    Case(
        "disabled",
        (*TABLE, "create trigger a before insert on t for each row execute function f()",
         "alter table t disable trigger a", "comment on trigger a on t is 'old'"),
        "drop trigger if exists a on t;",
    ),
    Case(
        "made_anew",
        (*TABLE, "create trigger a before insert on t for each row execute function f()"),
        "drop trigger if exists a on t;\ncreate trigger a after insert or delete on t execute function f();",
    ),
)  # fmt: skip
