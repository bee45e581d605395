"""Whatever bytes it is given, the import answers with a runbook that validates, or with an error and no file at all."""

from __future__ import annotations

import pathlib
import tempfile

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from pgrunbook import errors, runbook
from pgrunbook.importing import drafting, sources

QUICK = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=120,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
STATEMENTS = (
    "create table t (a int primary key, b text);", "create index i on t (b);", "drop table if exists u cascade;",
    "alter table t add column c int not null default 3 check (c > 0);", "begin;", "commit;", "set search_path = app;",
    "insert into t values (1, 'it''s');", "do $$ begin perform 1; end $$;", "copy t from stdin;\n1\tx\n\\.\n",
    "create function f(a int) returns int language sql as $f$ select a; $f$;", "\\d t\n", "-- a comment\n",
    "alter table t rename to v;", "create type e as enum ('a', 'b');", "set role joe;", "grant select on t to public;",
    "/* open /* nested */ */", "create schema s create table x (a int);", "create or replace view w as select 1;",
    "alter table s.x drop constraint k, add unique (a);", "create extension if not exists hstore;", "vacuum;",
    "create rule r as on insert to t do nothing;", "drop role joe;", "select set_config('search_path', '', false);",
)  # fmt: skip
DEEP = ("(", "[", "not ", "select (", "1 + ", "case when a then ", "- ", "array[", "f(", " union select 1", "::int")


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """SQL with something done to it."""
    text = "\n".join(draw(st.lists(st.sampled_from(STATEMENTS), max_size=8)))
    raw = text.encode()
    match draw(st.integers(0, 8)):
        case 0:  # cut
            raw = raw[: draw(st.integers(0, len(raw)))]
        case 1:  # mangled
            at = draw(st.integers(0, len(raw)))
            raw = raw[:at] + draw(st.binary(max_size=6)) + raw[at + draw(st.integers(0, 9)) :]
        case 2:
            raw = raw.replace(b"\n", b"\r\n")
        case 3:
            raw = text.encode(draw(st.sampled_from(["utf-16", "latin-1", "utf-8-sig", "cp1252", "utf-32"])))
        case 4:
            raw += (
                b"select " + draw(st.sampled_from(DEEP)).encode() * draw(st.sampled_from([30, 60, 400, 20_000])) + b"1"
            )
        case 5:
            raw += b"select '" + b"x" * draw(st.sampled_from([10, 200_000])) + draw(st.sampled_from([b"'", b"", b"';"]))
        case 6:
            raw += draw(st.text(max_size=40)).encode("utf-8", "surrogatepass")
        case 7:
            at = draw(st.integers(0, len(raw)))
            raw = raw[:at] + b"\0" + raw[at:]
    return raw


@QUICK
@given(up=files(), down=st.one_of(st.none(), files()), accept=st.sampled_from(["", "meant"]))
@example(up=b"select 1" + b"::int" * 60_000, down=None, accept="")
@example(up=b"select 1" + b" is null" * 30_000, down=None, accept="")
@example(up=b"create table t ()", down=b"select " + b"1 + " * 60_000 + b"1", accept="")
@example(up=b"create table t (a int default 1 " + b"+ 1" * 60 + b")", down=None, accept="")
@example(up=b"create table t ();;; /* x */ ;", down=b"\xff", accept="")
def test_any_bytes__make_a_valid_runbook_or_an_error_and_nothing(up: bytes, down: bytes | None, accept: str) -> None:
    """Never a traceback, never a crash, never half of one; the error names the file, and the line where there is one."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "runbooks").mkdir()
        (root / "up.sql").write_bytes(up)
        (root / "down.sql").write_bytes(down or b"")
        refusal = None
        try:
            source = sources.of_files([str(root / "up.sql")], [str(root / "down.sql")] if down is not None else [])
            found = drafting.imported("fuzzed", source, accept=accept)
            found.write(root)
        except errors.WrongUsage as e:
            refusal = e
        if refusal is None:
            assert runbook.load(root, "fuzzed").changes
            assert found.report.markdown("x")
            assert found.report.text()
            return
        assert refusal.exit_status == 2
        assert refusal.remedy
        assert ".sql" in refusal.message or "no statement" in refusal.message
        assert list((root / "runbooks").iterdir()) == []
