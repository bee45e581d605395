"""What the audit finds in databases with planted faults, and in schemas written by hand; the bench takes more seeds."""

from __future__ import annotations

import pathlib

import pytest

from fix_databases import Place
from pgrunbook.audit import Finding, Level, Lint, LintFront, Looked
from planting import build, score
from planting.world import Defect, Remark, Truth
from planting.written import Written, files

pytestmark = pytest.mark.usefixtures("few_statements")

SEEDS = (7, pytest.param(23, marks=pytest.mark.servers))
LINT = Lint("lint", LintFront(title="", group="indexes", says="", mend="", doubt=""), b"")
SCHEMAS = [
    pytest.param(schema, marks=() if number < 3 else pytest.mark.servers, id=schema.name)
    for number, schema in enumerate(files(pathlib.Path(__file__).parent / "schemas"))
]


def said(*objects: str, level: Level = "routine") -> Looked:
    """A lint's outcome."""
    return Looked(LINT, tuple(Finding("", "lint", level, o, "", "", "", "", "") for o in objects), 0.0)


def test_score__counts_hits_misses_and_false_alarms() -> None:
    """One of two alternatives is a hit, the other no false alarm; what is allowed doesn't count; a decoy does."""
    truth = Truth(
        "t",
        [
            Defect("lint", ("a", "b"), "either"),
            Defect("lint", ("c",), "missed"),
            Defect("other", ("e",), "not this one"),
        ],
        [Remark("lint", "d", "a side effect")],
        [Remark("lint", "f", "a decoy")],
    )
    account = score.tally([said("a", "b", "d", "f")], truth, {})["lint"]
    assert (account.true, account.hits, account.counted) == (2, 1, 2)
    assert (account.recall, account.precision) == (0.5, 0.5)
    assert account.wrong == ["t: missed c (missed)", "t: false alarm f:  (decoy: a decoy)"]


def test_score__tells_what_is_said_twice_and_wrong_levels() -> None:
    """Both are mistakes, though the object is right."""
    truth = Truth("t", [Defect("lint", ("a",), "why", "important")])
    account = score.tally([said("a", "a")], truth, {})["lint"]
    assert account.wrong == ["t: said twice: a", "t: a is routine, not important (why)"]


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_faults__are_found_and_nothing_else(database: Place, seed: int) -> None:
    """One or two defects and decoys of each lint: every defect is found, no decoy is, the levels are right."""
    account = score.of_seed(database, seed, few=True)
    assert not score.mistakes(account), score.table(account)
    assert build.DEFECTS.keys() | score.NOT_PLANTED.keys() == account.keys()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_schema_written_by_hand__gets_the_findings_that_a_dba_expects(database: Place, schema: Written) -> None:
    """Exactly the findings of its front matter."""
    account = score.of_schema(database, schema)
    assert not score.mistakes(account), score.table(account)
