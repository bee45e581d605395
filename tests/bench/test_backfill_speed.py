"""Backfill of a million rows against one UPDATE of as many, while another session writes to the same rows."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time

import pytest

from fix_databases import Place
from fix_project import Project

ROWS = int(os.environ.get("PGRUNBOOK_BENCH_ROWS", "1000000"))
FEWER = ROWS // 10
SHARE, LONGEST_WAIT_S = 0.4, 0.5
STAGE = """
import resource, sys
from pgrunbook import stages
stage = stages.STAGES["migrate"]
stage.run(stages.open_stage("migrate", stage.parameters(runbook=sys.argv[1], target=sys.argv[2], run_id=sys.argv[3])))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
UPDATE = "update {} set c = 'value ' || d where c is null"


def fill(place: Place, table: str, rows: int) -> None:
    """A table of rows whose column c is empty."""
    place.run(
        f"create table {table} (id int primary key, d int, seen int, c text, filler text default repeat('x', 60))",
        f"insert into {table} (id, d) select i, i % 100 from generate_series(1, {rows}) i",
        f"vacuum analyze {table}",
        "checkpoint",
    )


class Writer:
    """A session that updates random rows of a table; `longest` is the most that one of its updates took, in seconds."""

    def __init__(self, place: Place, table: str, rows: int) -> None:
        self._session = place.session(options="-c synchronous_commit=off", application_name="writer")
        self._update = f"update {table} set seen = coalesce(seen, 0) + 1 where id = %s"
        self._rows = rows
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.longest, self.updates = 0.0, 0

    def _write(self) -> None:
        chance = random.Random(1)  # noqa: S311
        while not self._stop.wait(0.002):
            began = time.perf_counter()
            self._session.execute(self._update, (chance.randint(1, self._rows),))
            self.longest = max(self.longest, time.perf_counter() - began)
            self.updates += 1

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._session.close()


def by_stage(project: Project, place: Place, table: str) -> tuple[float, int, float]:
    """Seconds of the walk, its batches, and the most memory (MB) that the runner ever held."""
    project.runbook(table, UPDATE.format(table))
    run_id = project.stage("baseline", table, place.target).run_id
    done = subprocess.run(
        [sys.executable, "-c", STAGE, table, place.target, run_id],
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    (walked,) = (e for e in project_events(project, table, run_id) if e["event"] == "walked")
    return walked["seconds"], walked["batches"], int(done.stdout.split()[-1]) / 1024


def project_events(project: Project, runbook: str, run_id: str) -> list[dict]:
    """A run's journal."""
    from pgrunbook.evidence import journal

    return journal.read(project.root / "evidence" / runbook / run_id / journal.NAME)[0]


def by_hand(place: Place, table: str) -> float:
    """Seconds of one UPDATE of the whole table, with nobody else about."""
    with place.session() as session:
        began = time.perf_counter()
        session.execute(UPDATE.format(table))
        return time.perf_counter() - began


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_backfill_of_a_million_rows__keeps_its_pace_and_nobody_waits_long(project: Project, database: Place) -> None:
    """Rows per second against one UPDATE before and after, the longest update of another session, and memory."""
    for name, rows in (("single", ROWS), ("batches", ROWS), ("small", FEWER)):
        fill(database, name, rows)
    single = [by_hand(database, "single")]
    _, _, memory_small = by_stage(project, database, "small")
    with Writer(database, "batches", ROWS) as writer:
        seconds, batches, memory = by_stage(project, database, "batches")
    database.run("truncate single", "drop table single")
    fill(database, "single", ROWS)
    single.append(by_hand(database, "single"))
    share = sum(single) / 2 / seconds
    print(
        f"\nbackfill of {ROWS:,} rows: {seconds:.1f} s in {batches} batches; one UPDATE: "
        f"{' and '.join(f'{s:.1f}' for s in single)} s; {share:.2f} of its rows per second (limit {SHARE})\n"
        f"another session: {writer.updates:,} updates, the longest {writer.longest * 1000:.0f} ms "
        f"(limit {LONGEST_WAIT_S * 1000:.0f} ms)\n"
        f"memory: {memory_small:.0f} MB for {FEWER:,} rows, {memory:.0f} MB for {ROWS:,}"
    )
    assert database.run("select count(*) from batches where c is null") == [(0,)]
    assert database.run("select sum(seen) from batches") == [(writer.updates,)]
    assert share >= SHARE
    assert writer.longest <= LONGEST_WAIT_S
    assert memory <= 1.1 * memory_small
