"""ALTER SEQUENCE."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "settings_and_owner",
        ("create table t (id serial, n int)", "create sequence s start 7 cache 2", "select nextval('s')"),
        "alter sequence s as int increment by 5 no cycle owned by t.n;\n"
        "alter sequence s cache 10 cycle;\n"
        "alter sequence t_id_seq owned by none;\n",
    ),
)
