"""INSERT, UPDATE, DELETE in a table that the same migration makes: done once, and gone with the table."""

from __future__ import annotations

from cases import Case

MAKES = "create table made (id int primary key, n int not null);\n"

CASES = (
    Case(
        "written_once",
        ("create table t (id int primary key)", "insert into t select generate_series(1, 50)"),
        MAKES + "insert into made select id, 0 from t;\nupdate made set n = n + 1;\ndelete from made where id > 40;\n",
        acknowledge="made",
    ),
    Case(
        "in_a_block",
        ("create table t (id int primary key)", "insert into t select generate_series(1, 50)"),
        f"begin;\n{MAKES}insert into made select id, id from t;\nupdate made set n = 100 / n;\ncommit;\n",
        acknowledge="made",
        breaks="insert into t values (0)",
        mends="delete from t where id = 0",
        sqlstate="22012",
    ),
)
