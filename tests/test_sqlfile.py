"""SQL files as PostgreSQL's grammar sees them, and names as its quote_ident writes them."""

from __future__ import annotations

import doctest
import importlib
import pathlib
import pkgutil
import re
import subprocess
import warnings

import pytest

import pgrunbook
from fix_databases import Place
from pgrunbook import sandbox, sqlfile
from pgrunbook.sqlfile import SqlFileError, SqlStatement

MODULES = ["pgrunbook", *sorted(m.name for m in pkgutil.walk_packages(pgrunbook.__path__, "pgrunbook."))]
ODD_NAMES = [
    "a", "_a", "a1", "1a", "A", "calls", "Calls", "a b", " a", "a.b", 'a"b', '"', '""', "a'b", "a$b", "$a", "a-b",
    "a:b", ":x",
    "ä", "straße", "日本", "a\tb", "a\nb", "\\d", "a%s", "{a}", "%(a)s", "--", "/*", "*/", "a;b", "None", "x" * 63, "ﬁ",
    "é", "１",
]  # fmt: skip


def one(text: str, **options: object) -> SqlStatement:
    """The only statement of a text."""
    (statement,) = sqlfile.split(text, **options)
    return statement


@pytest.mark.parametrize("module", MODULES)
def test_doctests_of_module__pass(module: str) -> None:
    """What the docstrings show is what happens."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        imported = importlib.import_module(module)
    assert doctest.testmod(imported).failed == 0


# -- statements, lines, comments ---------------------------------------------------------------------------------

MANY = """\
-- first, with an é and a ;
select 'é;', "日本" /* a /* nested; */ one */ from t;

/* before the second */ -- and more
create function f() returns text language plpgsql as $body$
begin
  return ';'; -- $$ ; $$
end $body$;
create function g() returns int begin atomic select 1; select 2; end;
  ; ;
select $$it's;$$, E'\\';', U&'\\0061;' -- no semicolon
"""


def test_split_of_a_file__gives_each_statement_with_line_position_and_comments() -> None:
    """Semicolons in strings, dollar quotes, nested comments and function bodies end nothing."""
    found = sqlfile.split(MANY)
    assert [(s.line, s.position, s.node_kind) for s in found] == [
        (2, 1, "select_stmt"),
        (5, 2, "create_function_stmt"),
        (9, 3, "create_function_stmt"),
        (11, 4, "select_stmt"),
    ]
    assert found[0].sql == "select 'é;', \"日本\" /* a /* nested; */ one */ from t"
    assert found[0].comments == ("-- first, with an é and a ;",)
    assert found[1].comments == ("/* before the second */", "-- and more")
    assert found[1].sql.endswith("end $body$")
    assert found[2].sql == "create function g() returns int begin atomic select 1; select 2; end"
    assert found[3].sql == "select $$it's;$$, E'\\';', U&'\\0061;'"


def test_split_of_multibyte_text__counts_bytes_and_characters_right() -> None:
    """libpg_query counts statements in bytes and mistakes in characters."""
    text = "select '€€€€€€'; -- ü\n\nselect '日本'; select 3"
    assert [(s.sql, s.line) for s in sqlfile.split(text)] == [
        ("select '€€€€€€'", 1),
        ("select '日本'", 3),
        ("select 3", 3),
    ]
    with pytest.raises(SqlFileError) as e:
        sqlfile.split("select '€€€€€€€€€€€€€€€€€€€€€€€€';\nselect 1;\nselect from from")
    assert e.value.line == 3


@pytest.mark.parametrize("text", ["", "\n\n", "-- only\n/* comments */", ";", " ;; \n;"])
def test_split_of_nothing__is_empty(text: str) -> None:
    """No statement is no mistake here; a runbook says that a file has none."""
    assert sqlfile.split(text) == ()


def test_read_of_a_file_with_crlf_and_a_byte_order_mark__counts_lines_and_keeps_strings(tmp_path: pathlib.Path) -> None:
    """As an editor on Windows writes it; a line end within a string stays what it is, as in psql."""
    path = tmp_path / "a.sql"
    path.write_bytes('\ufeff/*---\r\ntitle = "x"\r\n---*/\r\n-- é\r\nselect 1;\r\nselect $$a\r\nb$$;\r\n'.encode())
    found = sqlfile.read(path)
    assert found.front == {"title": "x"}
    assert [(s.line, s.sql) for s in found.statements] == [(5, "select 1"), (6, "select $$a\r\nb$$")]


def test_read_of_a_file_that_is_not_utf8__names_the_line(tmp_path: pathlib.Path) -> None:
    """No guess at another encoding."""
    path = tmp_path / "a.sql"
    path.write_bytes(b"select 1;\nselect '\xe9'")
    with pytest.raises(SqlFileError, match="is not UTF-8") as e:
        sqlfile.read(path)
    assert e.value.line == 2


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("select 1;\n\nselect (\n", 13, "syntax error at end of input"),
        ("select 1;\nselct 2", 11, 'syntax error at or near "selct"'),
        ("select 'é\n\n', 'open\n\n\n", 12, "unterminated quoted string"),
        ("select 1;\ndo $$ open\n and more", 11, "unterminated dollar-quoted string"),
        ("select 1; /* open /* */\n", 10, r"unterminated /\* comment"),
        ("select 1;\nselect 2\0; drop table t", 11, "holds a NUL character"),
        ("select 1,\n$1", 11, r"parameters \(\$1\) have no place here"),
    ],
)
@pytest.mark.parametrize("variables", [False, True])
def test_split_of_a_mistake__tells_its_line_in_the_file(text: str, line: int, message: str, variables: bool) -> None:
    """The text begins on line 10, below front matter; the message is one short line, whatever follows."""
    with pytest.raises(SqlFileError, match=message) as e:
        sqlfile.split(text, first_line=10, variables=variables)
    assert e.value.line == line
    assert len(str(e.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\\d t", 1),
        ("select 1;\n  \\echo don't\n", 2),
        ("select 1\n\\gset", 2),
        ("select 1 \\g", 1),
        ("\\set a 'b'\nselect 1", 1),
    ],
)
def test_split_of_a_psql_meta_command__is_refused_with_its_line(text: str, line: int) -> None:
    """They are psql's, not SQL; the message says so."""
    with pytest.raises(SqlFileError, match="psql meta-commands are not SQL") as e:
        sqlfile.split(text)
    assert e.value.line == line


# -- psql variables ----------------------------------------------------------------------------------------------


def test_variables__become_parameters_numbered_in_each_statement() -> None:
    """Each statement is sent by itself, so each counts from 1; one name is one parameter."""
    first, second = sqlfile.split("select :'b', :a, :'b';\nselect :a::int, :'é'", variables=True)
    assert (first.sql, first.parameters) == ("select $1, $2, $1", ("b", "a"))
    assert (second.sql, second.parameters) == ("select $1::int, $2", ("a", "é"))


@pytest.mark.parametrize(
    "text",
    [
        "select x::text, ':a', E':a\\':a', $$ :a $$, $q$:'a'$q$ from t",
        "select 1 -- :a\n + 1 /* :'a' /* :b */ */ + 2",
        'select a[1:2], a[:2], a[2:], a[lo:hi], a[f(x):hi], a[b[1]:hi], a["b":hi], a[1 : hi] from t',
        "select f(a := 1, b => 2)",
        'select ":a" from ":b"',
    ],
)
def test_what_only_looks_like_a_variable__stays_as_it_is(text: str) -> None:
    """Casts, slices, named arguments, strings, comments, names."""
    found = one(text, variables=True)
    assert (found.sql, found.parameters) == (text, ())


def test_variables_at_their_edges__are_found() -> None:
    """Right behind an operator or a bracket, before a cast, as a whole bound of a slice."""
    found = one("select (:a), -:b, x=:'c', array[:d], :e::text[], a[:f], :user, 1<:g", variables=True)
    assert found.sql == "select ($1), -$2, x=$3, array[$4], $5::text[], a[$6], $7, 1<$8"
    assert found.parameters == ("a", "b", "c", "d", "e", "f", "user", "g")


def test_a_variable_where_none_may_be__is_a_syntax_error() -> None:
    """A migration has no variables."""
    with pytest.raises(SqlFileError, match="syntax error"):
        sqlfile.split("select :'a'")


def test_variables__give_what_psql_gives(database: Place) -> None:
    """The same file in psql with values and here with bound ones: the same rows."""
    text = "select x::text || ':a' || $$:b$$ || (array[1,2,3])[1:2]::text || :'a' || :'b' -- :c\nfrom (values (7)) v(x)"
    values = {"a": "it's", "b": "é"}
    found = one(text, variables=True)
    with database.connect() as db:
        here = db.value(found.sql, [values[p] for p in found.parameters])
    options = [f"--set={k}={v}" for k, v in values.items()]
    psql = [*sandbox.command("psql", database.name), "-XAtq", *options]
    there = subprocess.run(psql, input=text, capture_output=True, text=True, check=True)
    assert here == there.stdout.rstrip("\n") == "7:a:b{1,2}it'sé"


# -- front matter ------------------------------------------------------------------------------------------------


def test_front_matter__is_read_and_the_sql_keeps_its_lines(tmp_path: pathlib.Path) -> None:
    """It is a comment to psql; the lines are those of the file."""
    path = tmp_path / "a.sql"
    path.write_text('/*---\ntitle = "x"\n[binds]\ncommon = """\nselect 1"""\n---*/\n\nselect 1;')
    found = sqlfile.read(path)
    assert found.front == {"title": "x", "binds": {"common": "select 1"}}
    assert found.statements[0].line == 8
    assert found.statements[0].comments == ()
    assert (found.front_lines.of(("title",)), found.front_lines.of_text(("binds", "common"))) == (2, 5)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("/*---\na = 1\nb = \n---*/\nselect 1", 3, "front matter: Invalid value"),
        ("/*---\na = 1\na = 2\n---*/\nselect 1", 3, "front matter: Cannot overwrite"),
        ("/*---\na = 1\nselect 1", 1, "no closing"),
        ("/*---\na = 1\n---*/\nselect 1;\nselect ,", 5, "syntax error"),
        ("/*---\na = 1\n---*/\nselect 1;\nselect 'open", 5, "unterminated"),
    ],
)
def test_front_matter_that_is_wrong__names_the_line(tmp_path: pathlib.Path, text: str, line: int, message: str) -> None:
    """Of the TOML, or of the SQL below it."""
    path = tmp_path / "a.sql"
    path.write_text(text)
    with pytest.raises(SqlFileError, match=message) as e:
        sqlfile.read(path, variables=True)
    assert e.value.line == line


def test_a_comment_that_is_no_front_matter__stays_a_comment(tmp_path: pathlib.Path) -> None:
    """Only `/*---` at the very top is front matter."""
    path = tmp_path / "a.sql"
    path.write_text("/* a = 1 */ select 1; /*---\nb = 1\n---*/")
    assert (sqlfile.read(path).front, len(sqlfile.read(path).statements)) == ({}, 1)


# -- reading and writing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select 1", False),
        ("table t", False),
        ("values (1), (2)", False),
        ("with x as (select 1) select * from x union all select 2", False),
        ("select * from (select 1) x where exists (select from t)", False),
        ("select 1 into t", True),
        ("select * from t for update", True),
        ("select * from (select * from t for key share) x", True),
        ("with x as (insert into t values (1) returning 1) select * from x", True),
        ("select (with x as (delete from t returning 1) select count(*) from x)", True),
        ("with x as (update t set a = 1 returning 1) select 1", True),
        ("insert into t values (1)", True),
        ("merge into t using s on true when matched then delete", True),
        ("create table t as select 1", True),
        ("copy t to stdout", True),
        ("explain analyze delete from t", True),
        ("lock table t", True),
        ("call f()", True),
        ("do $$ begin end $$", True),
    ],
)
def test_writes__says_whether_a_statement_is_a_plain_read(text: str, expected: bool) -> None:
    """Row locks write too; what a function does is seen by the read-only transaction alone."""
    assert sqlfile.writes(one(text)) is expected


def test_rewritten__changes_what_the_edit_changes() -> None:
    """PostgreSQL's own spelling, through its own tree."""

    def edit(node: object) -> None:
        node.relation.schemaname = "My Schema"

    assert (
        sqlfile.rewritten('create index on "T" ((a+1))', edit)
        == 'CREATE INDEX ON "My Schema"."T" USING btree ((a + 1))'
    )


# -- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'create function f("userId" int, variadic "in" text[]) returns table ("X y" int) language sql as $$select 1$$',
        'comment on function f("userId" int) is null',
        'select has_role("orgId" => 1, b => 2), sum(a) over "W" from t join u using (a) as "J" window "W" as (order by a)',
        'alter table t add foreign key ("A", b) references u on delete set null ("A")',
        'create statistics s (mcv) on "A", b from t',
    ],
)
def test_rewritten__keeps_every_name_as_it_is(text: str) -> None:
    """Names that the library's deparser writes without quotes are quoted: a parameter keeps its capitals."""
    assert _tree(sqlfile.rewritten(text, lambda _: None)) == _tree(text)


def _tree(text: str) -> str:
    return re.sub(r"\w*location: \d+", "", str(sqlfile.split(text)[0].node))


def test_quoted__is_what_the_server_writes(database: Place) -> None:
    """Every keyword and many odd names, against quote_ident of the real server."""
    with database.connect() as db:
        keywords = [word for (word,) in db.rows("select word from pg_catalog.pg_get_keywords()")]
        assert len(keywords) > 400
        names = [*keywords, *(k.upper() for k in keywords), *ODD_NAMES]
        expected = [
            q
            for (q,) in db.rows(
                "select quote_ident(n) from unnest($1::text[]) with ordinality u(n, i) order by i", [names]
            )
        ]
    differing = [(n, sqlfile.quoted(n), q) for n, q in zip(names, expected, strict=True) if sqlfile.quoted(n) != q]
    assert differing == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_quoted_name__is_that_name_to_the_parser(name: str) -> None:
    """Whatever it holds, it can't leave its quotes."""
    node = one(f"select 1 from {sqlfile.quoted('s', name)}").node
    relation = node.from_clause[0].range_var
    assert (relation.schemaname, relation.relname) == ("s", name)


def test_quoted_names__are_joined_by_dots_and_empty_ones_left_out() -> None:
    """A schema that is not known is left out."""
    assert sqlfile.quoted("", "t", "a.b") == 't."a.b"'
