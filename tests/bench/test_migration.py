"""Migration of voip_v4 at scale 10 against psql running the same concurrent statements, in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import time

import pytest

from pgrunbook import db, plan, rehearsal, runbook, sandbox, stages
from pgrunbook.sqlfile import quoted

SCALE = os.environ.get("PGRUNBOOK_BENCH_SCALE", "10")
ROUNDS = int(os.environ.get("PGRUNBOOK_BENCH_ROUNDS", "3"))
RATIO, BEYOND_EACH_S, BEYOND_S = 1.10, 0.2, 1.0


def undo_by_hand(about: runbook.Runbook) -> None:
    """Drop what the migration made, so that both sides begin with the same database."""
    with db.connect(rehearsal.SANDBOX, database=about.name, search_path=["public"]) as session:
        for change in about.changes:
            if change.is_index:
                session.execute(f"drop index if exists {quoted('public', change.label)}")
        session.execute("alter table voip_users drop column if exists full_name")
        session.execute("drop schema if exists pgrunbook cascade")
        session.execute("checkpoint")


def script(about: runbook.Runbook) -> tuple[str, int]:
    """The exact script of the plan, and the number of its changes."""
    with db.connect(rehearsal.SANDBOX, database=about.name, search_path=["public"]) as session:
        made = plan.make(about, session)
    assert len(made.left) == len(made.steps)
    return plan.script(made, 1500), len(made.steps)


def by_psql(text: str) -> float:
    """Seconds that psql takes for the script."""
    started = time.perf_counter()
    command = [*sandbox.command("psql", "voip_v4"), "-q", "-X", "-f", "-"]
    subprocess.run(command, input=text, text=True, check=True, timeout=1800)
    return time.perf_counter() - started


def by_stage(run_id: str) -> float:
    """Seconds that the migrate stage takes, with preflight, plan, ledger, journal and progress."""
    stage = stages.STAGES["migrate"]
    started = time.perf_counter()
    stage.run(stages.open_stage("migrate", stage.parameters(run_id=run_id)))
    return time.perf_counter() - started


@pytest.mark.bench
@pytest.mark.timeout(3600)
def test_migration_at_scale_10__is_as_fast_as_psql() -> None:
    """Paired median of the ratio, and what is spent beyond the builds."""
    about = runbook.load(runbook.project_root(), "voip_v4")
    rehearsal.reset(about, SCALE)
    text, changes = script(about)
    ratios, beyond = [], []
    for number in range(ROUNDS):
        undo_by_hand(about)
        run_id = f"bench-{number}"
        baseline = stages.STAGES["baseline"]
        baseline.run(stages.open_stage("baseline", baseline.parameters(run_id=run_id)))
        sides = [("psql", lambda: by_psql(text)), ("stage", lambda run_id=run_id: by_stage(run_id))]
        took = {}
        for name, run in sides if number % 2 else reversed(sides):
            undo_by_hand(about)
            took[name] = run()
        ratios.append(took["stage"] / took["psql"])
        beyond.append(took["stage"] - took["psql"])
        print(f"\nround {number}: psql {took['psql']:.1f} s, migrate stage {took['stage']:.1f} s")
    limit = BEYOND_EACH_S * changes + BEYOND_S
    ratio, spent = statistics.median(ratios), statistics.median(beyond)
    print(f"paired median {ratio:.3f} (limit {RATIO}), beyond the builds {spent:.2f} s (limit {limit:.1f} s)")
    assert ratio <= RATIO
    assert spent <= limit
