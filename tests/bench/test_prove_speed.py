"""How long a proof of a migration of 100 statements takes, on an empty schema."""

from __future__ import annotations

import time

import pytest

from fix_project import Project
from pgrunbook import prove, runbook
from pgrunbook.rehearsal import SANDBOX

LIMIT_S, AIM_S = 20.0, 8.0


def migration(statements: int) -> str:
    """A migration as an application's first one: tables, indexes, constraints, columns, comments, a function."""
    lines: list[str] = []
    number = 0
    while len(lines) < statements:
        number += 1
        t = f"table_{number}"
        lines += [
            f"create table {t} (id bigint generated always as identity primary key, owner_id bigint not null, title text);",
            f"create index {t}_owner on {t} (owner_id);",
            f"alter table {t} add column state text not null default 'new';",
            f"alter table {t} add constraint {t}_state check (state in ('new', 'done'));",
            f"create index {t}_open on {t} (title) where state = 'new';",
            f"comment on table {t} is 'number {number}';",
            f"create function {t}_count() returns bigint language sql stable as 'select count(*) from {t}';",
            f"alter table {t} enable row level security;",
            f"create policy own on {t} using (owner_id = 1);",
            f"alter table {t} add constraint {t}_owner_fk foreign key (owner_id) references {t} (id);",
        ]
    return "\n".join(lines[:statements]) + "\n"


@pytest.mark.bench
@pytest.mark.parametrize("block", [False, True], ids=["apart", "in one transaction"])
def test_prove_of_100_statements__is_quick(project: Project, block: bool) -> None:
    """Apply, undo, apply and look again, with the fingerprint after each statement."""
    text = migration(100)
    project.runbook("hundred", f"begin;\n{text}commit;\n" if block else text)
    about = runbook.load(project.root, "hundred")
    started = time.perf_counter()
    found = prove.prove(about, SANDBOX)
    seconds = time.perf_counter() - started
    print(
        f"\nprove of 100 statements{' in one transaction' if block else ''}: {seconds:.2f} s (aim {AIM_S}, limit {LIMIT_S})"
    )
    assert not found.differs, found.differs
    assert seconds < LIMIT_S
