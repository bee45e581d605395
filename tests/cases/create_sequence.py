"""CREATE SEQUENCE."""

from __future__ import annotations

from cases import Case

CASES = (
    Case(
        "with_an_owner",
        ("create table t (id int)",),
        "create sequence s as smallint increment -2 start -5 cycle owned by t.id;\n"
        "create sequence if not exists \"S\" cache 5;\n"
        "create table u (id int default nextval('\"S\"'));\n"
        'alter sequence "S" owned by u.id maxvalue 100;\n',
    ),
)  # fmt: skip
