"""Precision and recall of each lint, over databases with planted faults whose seeds nobody had used before.

`PGRUNBOOK_BENCH_SEEDS=1,2,3` takes other seeds; the default ones were kept for the end.
"""

from __future__ import annotations

import os
import pathlib

import pytest

from fix_databases import made
from planting import build, score
from planting.written import files

LEAST = 0.95
SEEDS = os.environ.get("PGRUNBOOK_BENCH_SEEDS", ",".join(map(str, range(1000, 1012)))).split(",")
SCHEMAS = pathlib.Path(__file__).parent.parent / "audit" / "schemas"


def expect(accounts: dict[str, score.Tally], title: str) -> None:
    """Print the table and hold it against the least."""
    print(f"\n{title}\n{score.table(accounts)}")
    poor = {
        name: (account.precision, account.recall)
        for name, account in accounts.items()
        if min(share for share in (account.precision, account.recall, 1.0) if share is not None) < LEAST
    }
    assert not poor, f"precision and recall below {LEAST}: {poor}"


@pytest.mark.bench
@pytest.mark.timeout(1800)
def test_each_lint_on_planted_faults__is_precise_and_misses_little(server: str) -> None:
    """Most plants of all lints, on every seed; precision and recall of each lint at least 0.95."""
    accounts: dict[str, score.Tally] = {}
    for seed in map(int, SEEDS):
        with made(server) as place:
            score.of_seed(place, seed, few=False, into=accounts)
    assert build.DEFECTS.keys() | score.NOT_PLANTED.keys() == accounts.keys()
    assert all(account.true for name, account in accounts.items() if name not in score.NOT_PLANTED)
    expect(accounts, f"seeds {', '.join(SEEDS)}")


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_each_lint_on_schemas_written_by_hand__is_precise_and_misses_little(server: str) -> None:
    """As above, over the six schemas of tests/audit/schemas."""
    accounts: dict[str, score.Tally] = {}
    for schema in files(SCHEMAS):
        with made(server) as place:
            score.of_schema(place, schema, into=accounts)
    expect(accounts, "schemas written by hand")
