"""The second opinion: no false alarm about a safe form is left unanswered, and no real danger is answered away."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

from pgrunbook import second_opinion
from pgrunbook.second_opinion import ANSWERS, Said, look

ALWAYS = {"prefer-robust-stmts", "require-lock-timeout", "require-statement-timeout"}
HELPER = [
    Said("alter table public.t add constraint h check (a is not null) not valid"),
    Said("alter table public.t validate constraint h"),
    Said("alter table public.t alter column a set not null"),
    Said("alter table public.t drop constraint h"),
]
POLICY = "create policy p on public.t for select using (a = (select auth.uid()))"
FUNCTION = """create or replace function public.f() returns uuid language sql stable security definer
set search_path = '' as $$
  select auth.uid()  -- drop table t; create index i on t (a);
$$"""
# each a plan of its own
SAFE: dict[str, list[Said]] = {
    "concurrent index": [Said("create index concurrently i on public.t using btree (a)", transactional=False)],
    "unique index": [Said("create unique index concurrently i on t (a, lower(b)) include (c) where d", False)],
    "concurrent drop": [Said("drop index concurrently public.i", transactional=False)],
    "check": [Said("alter table t add constraint c check (a > 0) not valid"),
              Said("alter table t validate constraint c")],
    "foreign key": [Said("alter table t add constraint f foreign key (a) references u (id) not valid"),
                    Said("alter table t validate constraint f")],
    "unique": [Said("create unique index concurrently x on t (a)", transactional=False),
               Said("alter table t add constraint x unique using index x")],
    "primary key": [Said("alter table t add constraint x primary key using index x")],
    "not null by a check": HELPER,
    "not null that is proven": [Said("alter table t alter column a set not null", proven=True)],
    "not null on 18": [Said("alter table t add constraint n not null a not valid"),
                       Said("alter table t validate constraint n")],
    "a column": [Said("alter table t add column c jsonb")],
    "a constant default": [Said("alter table t add column c integer not null default -1")],
    "a stable default": [Said("alter table t add column c date default current_date")],
    "a default the catalog knows": [Said("alter table t add column c text default f()", rewrites=False)],
    "a virtual column": [Said("alter table t add column c int generated always as (a + 1) virtual")],
    "a short text": [Said("alter table t add column c varchar(20)")],
    "a default": [Said("alter table t alter column a set default gen_random_uuid()")],
    "a default for a while": [Said("alter table t alter column a set default 1"),
                              Said("alter table t alter column a drop default")],
    "batches": [Said("update t set a = 1 where id between 1 and 500")],
    "policies": [Said("alter table public.t enable row level security", together="t"),
                 Said("alter table public.t force row level security", together="t"),
                 Said(POLICY, together="t"), Said("alter policy p on public.t using (true)", together="t"),
                 Said("drop policy p on public.t", together="t")],
    "row level security off": [Said("alter table public.t disable row level security")],
    "a function": [Said(FUNCTION), Said("revoke all on function public.f() from public"),
                   Said("grant execute on function public.f() to authenticated")],
    "a view": [Said("create view v with (security_invoker = true) as select a from t"), Said("grant select on v to r")],
    "a view replaced": [Said("create or replace view v with (security_invoker = true) as select a from t")],
    "a comment": [Said("comment on policy p on public.t is 'it''s; drop column'")],
    "a partitioned index": [
        Said("create index i on only public.t (a)", partitioned=True),
        Said("create index concurrently j on public.t_1 (a)", transactional=False),
        Said("alter index public.i attach partition public.j")],
    "on a new table": [
        Said("create table public.n (a int)"),
        Said("create index i on public.n (a)", new=True),
        Said("alter table public.n add constraint c check (a > 0)", new=True),
        Said("alter table public.n add constraint u unique (a)", new=True),
        Said("alter table public.n add constraint f foreign key (a) references public.t (id)", new=True),
        Said("alter table public.n alter column a set not null", new=True)],
}  # fmt: skip
DANGERS = {
    "create index i on t (a)": "require-concurrent-index-creation",
    "create index i on only t (a)": "require-concurrent-index-creation",
    "drop index i": "require-concurrent-index-deletion",
    "alter table t add column c uuid default gen_random_uuid()": "adding-field-with-default",
    "alter table t add column b int default 1, add column c float default random()": "adding-field-with-default",
    "alter table t add column c bigint generated always as identity": "adding-field-with-default",
    "alter table t add column c int generated always as (a + 1) stored": "adding-field-with-default",
    "alter table t add column c int not null": "adding-required-field",
    "alter table t alter column a set not null": "adding-not-nullable-field",
    "alter table t alter column a type bigint": "changing-column-type",
    "alter table t alter column a drop default": "ban-drop-default",
    "alter table t drop column a": "ban-drop-column",
    "alter table t drop constraint c": "ban-drop-constraint",
    "alter table t rename column a to b": "renaming-column",
    "alter table t rename to u": "renaming-table",
    "alter table t add constraint c check (a > 0)": "constraint-missing-not-valid",
    "alter table t add constraint f foreign key (a) references u (id)": "adding-foreign-key-constraint",
    "alter table t add constraint c unique (a)": "disallowed-unique-constraint",
    "alter table t add constraint c primary key (a)": "adding-serial-primary-key-field",
    "drop table t": "ban-drop-table",
    "drop view v": "ban-drop-view",
    "drop function f()": "ban-drop-function",
    "truncate t cascade": "ban-truncate-cascade",
    "reindex index i": "require-concurrent-reindex",
    "alter table t detach partition p": "require-concurrent-partition-detach",
}


def rules(opinions: tuple[second_opinion.Opinion, ...]) -> list[tuple[int, str]]:
    """Each statement's index with the rule."""
    return [(o.index, o.rule) for o in opinions]


@pytest.mark.parametrize("plan", SAFE.values(), ids=SAFE)
def test_a_safe_form__leaves_no_alarm_unanswered(plan: list[Said]) -> None:
    """On the oldest version and the newest."""
    for version in (130022, 180006):
        said = look(plan, version)
        assert said.not_asked == ""
        assert said.standing == ()


@pytest.mark.parametrize(("sql", "rule"), DANGERS.items(), ids=list(DANGERS))
def test_a_danger__is_passed_on(sql: str, rule: str) -> None:
    """With its message, and nothing answered but what is always answered."""
    said = look([Said("comment on table t is null"), Said(sql)], 180006)
    (found,) = [o for o in said.standing if o.rule == rule]
    assert found.index == 1
    assert found.message
    assert {o.rule for o in said.opinions if o.answered} <= ALWAYS | {"prefer-bigint-over-int"}


def test_a_default_that_rewrites__is_passed_on_though_it_looks_constant() -> None:
    """What the catalog tells goes before what the text looks like."""
    assert rules(look([Said("alter table t add column c int default -1", rewrites=True)], 180006).standing) == [
        (0, "adding-field-with-default")
    ]


def test_what_another_statement_proves__is_not_taken_for_this_one() -> None:
    """Another table's constraint, another column's default, the same one in a later statement."""
    plan = [
        Said("alter table other.t add constraint h check (a is not null) not valid"),
        Said("alter table public.t drop constraint h"),
        Said("alter table t alter column b drop default"),
        Said("alter table t alter column b set default 1"),
    ]
    assert rules(look(plan, 180006).standing) == [(1, "ban-drop-constraint"), (2, "ban-drop-default")]


def test_statements_of_one_transaction__are_judged_as_such() -> None:
    """A validation beside its NOT VALID keeps the lock; apart it is as it should be."""
    plan = [Said(s.sql, together="one") for s in HELPER[:2]]
    assert rules(look(plan, 180006).standing) == [(1, "constraint-missing-not-valid")]
    assert look(HELPER[:2], 180006).standing == ()
    concurrent = Said("create index concurrently i on t (a)", transactional=False, together="one")
    assert rules(look([concurrent], 180006).standing) == [(0, "ban-concurrent-index-creation-in-transaction")]


def test_findings__are_placed_whatever_ends_a_line() -> None:
    """Bare carriage returns, empty lines, comments at the end, characters of several bytes, a semicolon."""
    plan = [
        Said("alter table t add column é text -- a comment"),
        Said("\r\n\n\ralter table t\r\n  drop column a;"),
        Said(POLICY, together="x"),
        Said("alter table t\n\n\ndrop column b", together="x"),
        Said("/* one\n\u2028\x0b\x0c\x85 two */ alter table t drop column c"),
        Said(FUNCTION),
        Said("alter table t rename to u", together="y"),
    ]
    standing = look(plan, 180006).standing
    assert rules(standing) == [
        (1, "ban-drop-column"),
        (3, "ban-drop-column"),
        (4, "ban-drop-column"),
        (6, "renaming-table"),
    ]


def test_syntax_that_squawk_does_not_know__hides_nothing_else() -> None:
    """It is answered where PostgreSQL reads it; the other statements are looked at together all the same."""
    plan = [Said("selec 1"), *HELPER, Said("alter table t drop column a")]
    assert rules(look(plan, 180006).standing) == [(0, "syntax-error"), (0, "syntax-error"), (5, "ban-drop-column")]


def test_syntax_that_postgresql_reads__is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by a stand-in for an older squawk, since the present one reads all that is known."""
    complaint = second_opinion._Finding("0.sql", 0, "syntax-error", "expected ON", "")
    monkeypatch.setattr(second_opinion, "_ask", lambda version, text, *paths, folder=None: [complaint])
    (first, *_) = look([Said("create index concurrently i on t (a)")], 180006).opinions
    assert "PostgreSQL's own grammar reads it" in first.answered


def test_what_would_silence_it__does_not(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment in the statement, a configuration in the folder."""
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-drop-column"]\npg_version = "9.6"\n')
    monkeypatch.chdir(tmp_path)
    for comment in ("-- squawk-ignore-file\n", "-- squawk-ignore ban-drop-column\n", "/* squawk-ignore */"):
        assert rules(look([Said(f"{comment}alter table t drop column a")], 180006).standing) == [(0, "ban-drop-column")]


def test_an_empty_plan__needs_no_opinion() -> None:
    """Nothing is run."""
    assert look([], 180006) == second_opinion.SecondOpinion()


def test_rules_that_are_answered_for__exist() -> None:
    """Squawk refuses the name of a rule that it does not have; no answer is left without a case above."""
    excluded = [f"--exclude={rule}" for rule in ANSWERS if rule != "syntax-error"]
    done = subprocess.run(
        [second_opinion._executable(), *excluded], input="select 1", capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    seen = {o.answered for plan in SAFE.values() for o in look(plan, 180006).opinions}
    bare = look([Said("alter table t add column c smallint")], 180006)
    reasons = {a.reason for rule, answers in ANSWERS.items() if rule != "syntax-error" for a in answers}
    assert reasons <= seen | {o.answered for o in bare.opinions}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (
            "echo 'thread main panicked' >&2; exit 101",
            "squawk could not be asked: it ended with status 101: thread main",
        ),
        ("kill -9 $$", "squawk could not be asked: it ended with status -9: it said nothing"),
        ("echo 'not json'; exit 1", "squawk could not be asked: its answer can't be read: it said nothing"),
        ("echo '[{}]'", "squawk could not be asked: its answer can't be read"),
        ("exec sleep 20", "squawk could not be asked: it gave no answer within 0.3 s"),
    ],
)
def test_squawk_that_fails__is_told(
    script: str, told: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program in its place that crashes, babbles or hangs."""
    stand_in = tmp_path / "squawk"
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(second_opinion, "_executable", lambda: str(stand_in))
    monkeypatch.setattr(second_opinion, "_LIMIT_S", 0.3 if "sleep" in script else 20.0)
    said = look(HELPER, 180006)
    assert said.opinions == ()
    assert said.not_asked.startswith(told)


def test_squawk_that_is_missing__is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that brings it."""
    monkeypatch.setattr(second_opinion.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", os.pathsep.join(["", str(tmp_path)]))
    assert look(HELPER, 180006).not_asked == "squawk could not be asked: it is not installed (pip install squawk-cli)"


def test_a_long_plan__is_looked_at_in_one_go() -> None:
    """A thousand statements, each finding with the statement it belongs to."""
    plan = [Said(f"alter table t_{i}\ndrop column c") for i in range(1000)]
    assert rules(look(plan, 180006).standing) == [(i, "ban-drop-column") for i in range(1000)]
