"""What a report makes of many findings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pgrunbook import audit, screen
from pgrunbook.audit import Finding
from pgrunbook.audit.reporting import heaviest, one_index_each
from pgrunbook.findings import Verdict
from pgrunbook.headless import AuditOutcome, RunOutcome, StageOutcome


def finding(lint: str, remedy: str = "", level: str = "routine", object: str = "t", weight: float = 0) -> Finding:  # noqa: A002
    """A finding by hand."""
    return Finding(f"{lint}:{object}", lint, level, object, "public.t", "", remedy, "", "", weight)


def told(*findings: Finding) -> list[tuple[str, str]]:
    """The index's name and the advice of each finding."""
    return [(f.remedy.split()[2], f.advice) for f in one_index_each(findings)]


def test_findings_of_one_index__have_one_statement() -> None:
    """Equal ones get the first one's name, whatever they are spelled like; a shorter index the longer one's."""
    assert told(
        finding("a", "create index one on public.t (x);", "important"),
        finding("b", "create index two on public.t using btree (x asc nulls last);"),
        finding("c", 'create index three on public.t ("Für", y desc);'),
        finding("d", 'create index four on public.t ("Für");', "noted"),
    ) == [
        ("one", ""),
        ("one", "The index of a:t is the same."),
        ("three", ""),
        ("three", "The index of c:t begins with these columns, and serves both."),
    ]


def test_findings_of_different_indexes__keep_their_own() -> None:
    """Another table, condition, kind, order; a unique one; the column of a less grave finding; several statements."""
    apart = [
        finding("a", "create index i1 on public.t (x);", "important"),
        finding("b", "create index i2 on public.t (x, y);", "routine"),
        finding("c", "create index i3 on public.t (x) where y is null;"),
        replace(finding("d", "create index i4 on other.t (x);"), relation="other.t"),
        finding("e", "create index i5 on public.t using hash (x);"),
        finding("f", "create unique index i6 on public.t (x, z);"),
        finding("g", "create index i7 on public.t (x desc);"),
        finding("h", "create index i8 on public.t (x); drop index i9;"),
        finding("i", "drop index i10;"),
        finding("j"),
    ]
    assert one_index_each(apart) == apart


def test_heaviest__takes_so_many_of_each_lint_and_level() -> None:
    """A lint with thousands leaves room for the others, and it is told how many are left out."""
    many = [finding("many", object=str(n)) for n in range(5)]
    shown, left = heaviest([*many, finding("many", level="noted"), finding("few")], 2)
    assert [f.id for f in shown] == ["many:0", "many:1", "many:t", "few:t"]
    assert left == {("routine", "many"): 3}


def test_findings__are_told_by_what_they_do() -> None:
    """Of one level holes come first, then what will stop the database, then indexes and statements; by weight each."""
    names = ["query_slow", "index_unused", "wraparound", "policy_always_true", "unknown"]
    rows = [finding(name, level="important", object=f"{n}", weight=n) for name in names for n in (1, 2)]
    found = audit.ordered([finding("policy_always_true", level="noted"), *rows])
    assert [f.lint for f in found[:-1:2]] == [
        "policy_always_true",
        "wraparound",
        "index_unused",
        "query_slow",
        "unknown",
    ]
    assert [f.object for f in found[:2]] == ["2", "1"]
    assert found[-1].level == "noted"


# -- in a terminal -----------------------------------------------------------------------------------------------


def shown(capsys: pytest.CaptureFixture[str], *findings: Finding, evidence: str = "evidence/audit/RUN") -> str:
    """What a person sees of an audit with these findings."""
    report: dict[str, Any] = {"findings": [f.as_json() for f in findings], "not_seen": [
        {"what": "statements", "why": "no extension", "remedy": "create extension"}, {"what": "x", "why": "y", "remedy": ""},
    ]}  # fmt: skip
    stage = StageOutcome("audit", Verdict.PASSED, 1.0, f"{evidence}/00_audit.ipynb", [])
    outcome = RunOutcome("RUN", "audit", "env:X", Verdict.PASSED, (stage,), evidence)
    screen.audit(AuditOutcome(outcome, report))
    return capsys.readouterr().out


def test_terminal__shows_a_statement_once_and_the_command_that_mends(capsys: pytest.CaptureFixture[str]) -> None:
    """Ready to paste, never broken; the second finding of an index refers to the first; what was not seen stands below."""
    name = "a_name_of_sixty_three_letters_that_no_terminal_has_room_for_at_all"
    twin = "drop index concurrently twin;"
    found = one_index_each([
        finding("fk_without_index", f"create index concurrently {name} on public.t (x);", "important"),
        finding("filtered_without_index", "create index concurrently other on public.t (x);"),
        finding("index_duplicate", twin), finding("index_unused", twin),
    ])  # fmt: skip
    out = shown(capsys, *found)
    assert out.count("create index") == 1
    assert f"    create index concurrently {name} on public.t (x);\n" in out
    assert "    The index of fk_without_index:t is the same.\n" in out
    assert out.count(twin) == 1
    assert "    as for index_duplicate:t\n" in out
    assert "not seen: statements: no extension; create extension\nnot seen: x: y\n" in out
    assert out.endswith("mend it: pgrunbook new NAME --from-audit RUN\n")


def test_terminal__names_what_the_command_needs(capsys: pytest.CaptureFixture[str]) -> None:
    """A finding where none would be taken by itself, quoted for a shell; the folder where it is not the usual one."""
    unsure = finding("index_unused", "drop index concurrently i;", object='public."it\'s"')
    out = shown(capsys, unsure, evidence="/elsewhere/audit/RUN")
    command = out.splitlines()[-1].removeprefix("mend it: ")
    assert command.startswith("pgrunbook new NAME --from-audit RUN --finding 'index_unused:public.")
    assert command.endswith(" --evidence /elsewhere")


def test_terminal__leaves_room_for_every_lint(capsys: pytest.CaptureFixture[str]) -> None:
    """Eight of a lint and level, and how many more there are; nothing found is told as well."""
    many = [finding("fk_without_index", f"create index on public.t{n} (x);", object=f"t{n}") for n in range(30)]
    out = shown(capsys, *many, finding("query_slow", object="query 1"))
    assert "routine (31)" in out
    assert "  … and 22 more of fk_without_index: audit.json has them all\n" in out
    assert "  query_slow:query 1\n" in out
    assert "nothing was found\n" in shown(capsys)
