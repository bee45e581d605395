"""Migrations in the styles of many tools: each is proven to round-trip, or told to be irreversible, and none is wrong.

The first comment of a file says what is expected of it, `-- setup:` what has to stand before it:
`round-trip`; `irreversible: WORDS`, which its refusal or the proof says; `refused: WORDS`, with which it is no runbook.
"""

from __future__ import annotations

import pathlib
import re
import shutil
from dataclasses import dataclass

import pytest

from fix_project import Project
from pgrunbook import errors, prove, runbook
from pgrunbook.findings import Verdict
from pgrunbook.importing import drafting, sources
from pgrunbook.proof import AS_BEFORE, DONE, NO_ROWS, NOTHING, THERE, Proven
from pgrunbook.rehearsal import SANDBOX

CORPUS = pathlib.Path(__file__).parent / "corpus"
SAMPLE = {
    "hand/043_quoted_names.sql",
    "hand/057_kitchen_sink.sql",
    "hand/064_make_rename_drop.sql",
    "supabase/20240102000000_policies.sql",
    "alembic/0010_downgrade_initial.sql",
    "flyway/V2__add_people.sql",
    "drizzle/0000_init.sql",
}
ENTRIES = re.compile(r"^-- (expect|setup): ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Found:
    """What became of a file: "round-trip", "irreversible" or "refused", and all that was said of it."""

    word: str
    said: str
    proof: Proven | None = None


def files() -> list[str]:
    """The corpus, those of one setup side by side, which share its database."""
    paths = [p for p in CORPUS.glob("*/*.sql") if p.parent.name != "setup"]
    told = {str(p.relative_to(CORPUS)): ENTRIES.findall(p.read_text(encoding="utf-8")) for p in paths}
    return sorted(told, key=lambda name: (dict(told[name]).get("setup", ""), name))


def parameters() -> list[object]:
    return [pytest.param(name, marks=() if name in SAMPLE else (pytest.mark.servers,), id=name) for name in files()]


def carried_through(project: Project, path: pathlib.Path, setup: str) -> Found:
    """Import a file, with what stands before it, and prove it."""
    source, said = sources.of_files([str(path)]), ""
    try:
        made = drafting.imported("corpus", source)
    except errors.WrongUsage as e:
        said = e.message
        if "have no way back" not in said:
            return Found("refused", said)
        made = drafting.imported("corpus", source, accept="the corpus says so")
    shutil.rmtree(project.root / "runbooks" / "corpus", ignore_errors=True)
    try:
        folder = made.write(project.root)
        if setup:
            (folder / "sandbox").mkdir(exist_ok=True)
            shutil.copy(CORPUS / "setup" / setup, folder / "sandbox" / "schema.sql")
            (folder / "sandbox" / "data.sql").write_text("select 1;")
        proof = prove.prove(runbook.load(project.root, "corpus"), SANDBOX)
    except (errors.WrongUsage, errors.PreflightFailed) as e:
        return Found("refused", f"{said}\n{e.message}")
    if proof.differs and "is there with another definition" in proof.differs[0]:  # as preflight would say
        return Found("refused", f"{said}\n{proof.differs[0]}", None)
    reasons = [f"line {s.line}: {s.irreversible}" for s in proof.steps if s.irreversible]
    return Found("irreversible" if reasons else "round-trip", "\n".join([said, *reasons]), proof)


@pytest.mark.parametrize("name", parameters())
def test_corpus__is_proven_or_told_to_be_irreversible(project: Project, name: str) -> None:
    """What the first comment of a file says is what is found."""
    path = CORPUS / name
    told = dict(ENTRIES.findall(path.read_text(encoding="utf-8")))
    expected, _, words = told["expect"].partition(": ")
    found = carried_through(project, path, told.get("setup", ""))
    assert found.word == expected, (found.said, found.proof and found.proof.differs)
    assert words.strip() in found.said
    if found.proof:
        assert not found.proof.differs
        assert found.proof.verdict is Verdict.PASSED
        for step in found.proof.steps:
            assert step.applied in (DONE, THERE, NO_ROWS)
            assert step.again == DONE
            assert step.irreversible or step.undone in (AS_BEFORE, NOTHING)


def test_corpus__is_large_and_of_all_styles() -> None:
    """150 files, each with an expectation, and every setup is there."""
    names = files()
    assert len(names) >= 150
    assert {n.partition("/")[0] for n in names} >= {
        "hand", "supabase", "alembic", "rails", "flyway", "django", "drizzle", "prisma", "sqitch", "dump",
    }  # fmt: skip
    for name in names:
        told = dict(ENTRIES.findall((CORPUS / name).read_text(encoding="utf-8")))
        assert told["expect"].partition(":")[0] in ("round-trip", "irreversible", "refused"), name
        assert not told.get("setup") or (CORPUS / "setup" / told["setup"]).is_file(), name
