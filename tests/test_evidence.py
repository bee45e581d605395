"""What is written down: without secrets, and whole."""

from __future__ import annotations

import json
import multiprocessing
import pathlib

import pytest

from pgrunbook.evidence import journal, redact
from pgrunbook.evidence.journal import Journal

SECRET = "hunter2"  # noqa: S105
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz" + SECRET + "\nAAAA\n-----END OPENSSH PRIVATE KEY-----"

TEXTS = [
    # connection strings, both forms
    f"postgresql://me:{SECRET}@db:5432/app?sslmode=require", f"postgres://{SECRET}@db",
    f"POSTGRESQL://me:{SECRET}@db/x",
    f"postgresql+psycopg://me:{SECRET}@db/x", f"postgresql://me:a'{SECRET}@db/x", f'postgresql://me:a"{SECRET}@db/x',
    f"postgresql://me:a@{SECRET}@db/x", f"postgresql:///x?user=me&password={SECRET}",
    f"({'postgresql'}://me:{SECRET}@db/x)",
    f"host=db password={SECRET} user=me", f"host=db password = {SECRET}", f"password='a {SECRET}' user=me",
    f"password='it\\'s {SECRET}'", f"PASSWORD={SECRET}", f"sslpassword={SECRET} sslkey=x", f"password=a;{SECRET}",
    f"password=a&{SECRET}", f"password=a\\ {SECRET} user=me", f"password=a'{SECRET}", f'{{"password": "{SECRET}"}}',
    f"password: {SECRET}",
    # environment, statements
    f"PGPASSWORD={SECRET} psql", f"export PGPASSWORD='a {SECRET}'", f'PGPASSWORD="a {SECRET}" psql',
    f"create role me password '{SECRET}'", f"alter role me with encrypted password 'it''s {SECRET}'",
    f"alter user me PASSWORD E'a\\'{SECRET}'", f"alter user me password $$ {SECRET} $$",
    f"alter user me password $x${SECRET}$x$",
    f"create user mapping for me server s options (user 'me', password '{SECRET}')",
    # verifiers, tokens, keys
    f"SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:{SECRET}", "rolpassword | md5" + "0123456789abcdef" * 2,
    f"token {JWT}", f"Authorization: Bearer {SECRET}0123456789", "ghp_0123456789abcdefABCDEF0123456789abcd",
    "github_pat_0123456789abcdef_x", "glpat-0123456789abcdef", "xoxb-0123456789-abcdef", "AKIA0123456789ABCDEF",
    "sk_live_0123456789abcdef", "sbp_0123456789abcdef0123456789abcdef01234567",
    KEY, KEY.replace("OPENSSH ", ""), KEY.replace("OPENSSH", "RSA").partition("-----END")[0],
    # rows that errors quote
    f"ERROR:  duplicate key\nDETAIL:  Key (email)=({SECRET}@b.c) already exists.",
    f"Key (email, name)=({SECRET}@b.c, Ann (old)) already exists.",
    f"Key (note)=(a (b) {SECRET}) is not present in table",
    f"DETAIL:  Failing row contains (1, first line\n{SECRET}\n, null).", f"Failing row contains (1, a\n{SECRET}).",
    f"ERROR: x\nDETAIL:  parameters: $1 = '{SECRET}'\nCONTEXT:  y", f"Process 1: {'x'}\nDETAIL:  {SECRET}\n\n{SECRET}",
]  # fmt: skip
HARMLESS = [
    "select 1", "password_encryption = scram-sha-256", "the password was refused", "host=db user=me dbname=app",
    "postgresql+psycopg://",
    "index public.t_a: present", "DETAIL", "a key (b) was found", "md5(x)", "the bearer of this",
    "check the variable with: psql \"$X\"",
    "public.md5_of_row", "eyJ", "env:PROD_DSN",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:40].encode("unicode_escape").decode())
def test_scrub__leaves_nothing_of_a_secret(text: str) -> None:
    """Of none of the forms; what is left says that something was taken out, and a second pass changes nothing."""
    scrubbed = redact.scrub(text)
    assert SECRET not in scrubbed
    assert not any(part in scrubbed for part in ("0123456789", JWT[5:20], "Ann"))
    assert "[redacted]" in scrubbed
    assert redact.scrub(scrubbed).replace("[redacted]", "") == scrubbed.replace("[redacted]", "")


@pytest.mark.parametrize("text", HARMLESS)
def test_scrub_of_harmless_text__changes_nothing(text: str) -> None:
    """Evidence is to be read."""
    assert redact.scrub(text) == text


def test_scrub_of_an_error__keeps_what_surrounds_the_row() -> None:
    """Hint and context are the server's own words."""
    text = "ERROR:  duplicate key\nDETAIL:  Key (a)=(1)\nsecond line\nHINT:  mend it\nCONTEXT:  here"
    assert redact.scrub(text) == "ERROR:  duplicate key\nDETAIL:  [redacted]\nHINT:  mend it\nCONTEXT:  here"


def test_scrubbed__reaches_every_text_of_a_value() -> None:
    """However deep; what is no text stays what it is."""
    value = {"a": [f"password={SECRET}", ("x", {"b": f"postgres://{SECRET}@h"})], "n": 1, "t": True, "z": None}
    found = redact.scrubbed(value)
    assert SECRET not in json.dumps(found)
    assert (found["n"], found["t"], found["z"], found["a"][1][0]) == (1, True, None, "x")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(phone = '555-1'::text)", "(phone = ?::text)"),
        ("((a > '-5'::integer) AND (b = ANY ('{1,2}'::int[])))", "((a > ?::integer) AND (b = ANY (?::int[])))"),
        ("(x1 = 5) OR (y = 1.5e3) OR (z = B'1') OR (u = E'a\\'b')", "(x1 = ?) OR (y = ?) OR (z = ?) OR (u = ?)"),
        ("(\"odd 5 name\" = 'it''s'::text)", '("odd 5 name" = ?::text)'),
        ("(é = 'ü')", "(é = ?)"),
        ("no literal at all", "no literal at all"),
        ("open 'literal", "?"),
    ],
)
def test_without_literals__hides_constants_and_keeps_names(expression: str, expected: str) -> None:
    """As EXPLAIN prints conditions; what can't be read is hidden as a whole."""
    assert redact.without_literals(expression) == expected


def test_tag__tells_equal_values_of_one_run_and_no_more() -> None:
    """Another run's key gives other tags."""
    assert redact.tag(b"k", "555") == redact.tag(b"k", "555")
    assert len({redact.tag(b"k", "555"), redact.tag(b"k", "556"), redact.tag(b"j", "555"), redact.tag(b"k", None)}) == 4
    assert "555" not in redact.tag(b"k", "555")


# -- the journal -------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: pathlib.Path) -> Journal:
    """A journal in an empty folder."""
    return Journal(tmp_path)


def test_write__appends_events_that_read_gives_back(log: Journal) -> None:
    """In order, with time and stage; text of any script."""
    log.write("first", stage="migrate", text="é 日本\nsecond line", number=1)
    log.write("second", durable=False, path=log.path)
    first, second = log.events()
    assert {k: first[k] for k in ("event", "stage", "text", "number")} == {
        "event": "first", "stage": "migrate", "text": "é 日本\nsecond line", "number": 1,
    }  # fmt: skip
    assert first["at"] <= second["at"]
    assert "stage" not in second
    assert second["path"] == str(log.path)


def test_write__scrubs_what_it_is_given(log: Journal) -> None:
    """The last place where a secret could slip through."""
    log.write("x", error=f"could not connect to postgresql://me:{SECRET}@db", nested={"rows": [f"DETAIL: {SECRET}"]})
    log.write("y", error=ValueError(f"password={SECRET}"))
    assert SECRET not in log.path.read_text()
    assert log.events()[0]["error"] == "could not connect to postgresql://[redacted]"


def test_last__finds_the_newest_of_a_name(log: Journal) -> None:
    """Of one stage where asked; None where there is none."""
    for number, stage in enumerate(("a", "b", "a")):
        log.write("x", stage=stage, number=number)
    events = log.events()
    assert journal.last(events, "x")["number"] == 2
    assert journal.last(events, "x", "b")["number"] == 1
    assert journal.last(events, "y") is None


def test_read_of_a_line_cut_off__leaves_it_out(log: Journal) -> None:
    """A crash in the middle of a write; a journal that is not there is empty."""
    assert journal.read(log.path) == ([], 0)
    log.write("whole")
    whole = log.path.stat().st_size
    with log.path.open("ab") as file:
        file.write(b'{"event": "cut off", "te')
    events, offset = journal.read(log.path)
    assert [e["event"] for e in events] == ["whole"]
    assert offset == whole


def test_write_after_a_line_cut_off__begins_a_line_of_its_own(log: Journal) -> None:
    """The run goes on after the crash: its journal has to be readable; what is no event is shown as such."""
    log.write("before")
    with log.path.open("ab") as file:
        file.write(b'{"event": "cut off", "te')
    log.write("after")
    log.write("last")
    assert [e["event"] for e in log.events()] == ["before", "torn", "after", "last"]


def test_read_from_an_offset__gives_what_came_since(log: Journal) -> None:
    """As a watcher reads it."""
    log.write("one")
    _, offset = journal.read(log.path)
    assert journal.read(log.path, offset) == ([], offset)
    log.write("two")
    events, end = journal.read(log.path, offset)
    assert ([e["event"] for e in events], end) == (["two"], log.path.stat().st_size)


def _append(folder: pathlib.Path, name: str) -> None:
    log = Journal(folder)
    for number in range(200):
        log.write(name, durable=False, number=number, text="é" * (number * 37 % 5000))


def test_two_processes_at_once__keep_their_lines_whole(tmp_path: pathlib.Path) -> None:
    """Long lines and short ones; none is lost, and each one's stay in order."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append, args=(tmp_path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    events = Journal(tmp_path).events()
    for name in ("a", "b"):
        assert [e["number"] for e in events if e["event"] == name] == list(range(200))
    assert len(events) == 400
