"""A migration of a thousand statements becomes a runbook."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time

import pytest

from fix_project import Project

LIMIT_S = 3.0
PGRUNBOOK = str(pathlib.Path(sys.executable).parent / "pgrunbook")
NEW = """\
create table public.t{n} (id bigserial primary key, n int not null default 0, o bigint, at timestamptz);
create index t{n}_n on public.t{n} (n, o);
alter table public.t{n} add constraint t{n}_positive check (n >= 0);
alter table public.t{n} enable row level security;
create policy p{n} on public.t{n} using (n > 0);
"""
OLD = """\
alter table public.old{n} add column c uuid not null default gen_random_uuid(), add column d int references public.t{n};
create index old{n}_c on public.old{n} (c);
update public.old{n} set d = 1 where d is null;
create or replace function public.f{n}(a int) returns int language sql as $$ select {n} + a $$;
grant select on public.t{n}, public.old{n} to public;
"""
ROWS = 50_000


@pytest.mark.bench
@pytest.mark.parametrize(("name", "part", "times"), [("new", NEW, 200), ("old", OLD, 200), ("mixed", NEW + OLD, 100)])
def test_thousand_statements__become_a_runbook_in_three_seconds(
    project: Project, name: str, part: str, times: int
) -> None:
    """By the console script, from the start of the process to its end; the fastest of three."""
    file = project.root / f"{name}.sql"
    file.write_text("".join(part.replace("{n}", str(n)) for n in range(times)))
    took = []
    for attempt in range(3):
        began = time.perf_counter()
        done = subprocess.run(
            [PGRUNBOOK, "new", f"{name}{attempt}", "--sql", str(file)], check=False, capture_output=True, text=True
        )
        took.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stderr
        assert "1000 changes" in done.stdout
    print(
        f"\n{name}: 1,000 statements became a runbook in {min(took):.2f} s (of three: {', '.join(f'{t:.2f}' for t in took)})"
    )
    assert min(took) <= LIMIT_S


@pytest.mark.bench
def test_megabytes_of_rows__become_a_runbook(project: Project) -> None:
    """One INSERT of many rows into a new table, and a literal of four megabytes."""
    file = project.root / "rows.sql"
    rows = ",\n".join(f"({n}, 'some value that is number {n}')" for n in range(ROWS))
    file.write_text(
        f"create table t (a int, b text);\ninsert into t values\n{rows};\ninsert into t values (0, '{'x' * 4_000_000}');\n"
    )
    began = time.perf_counter()
    done = subprocess.run([PGRUNBOOK, "new", "rows", "--sql", str(file)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(f"\n{file.stat().st_size / 1e6:.1f} MB in {time.perf_counter() - began:.2f} s")
