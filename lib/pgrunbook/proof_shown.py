"""A proof in the terminal: no tables, since names of objects are long, and have to be found again by a search."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from pgrunbook.findings import Verdict
from pgrunbook.proof import AS_BEFORE, DIFFERS, DONE, FAILED, IN_PART, KEPT, DownProof, Proven, StepProof

_STYLE = {DONE: "green", AS_BEFORE: "green", FAILED: "red", DIFFERS: "red", KEPT: "yellow", IN_PART: "yellow"}
_COLUMNS = (("step", 4), ("applied", 12), ("undone", 15), ("again", 11))  # as wide as the widest of their words


def show(found: Proven) -> None:
    """A line a statement, what differs, what is not proven, and the verdict."""
    console = Console(highlight=False)
    where = "an empty database" if found.empty else f"a copy of {found.target}"
    console.print(f"{found.runbook}, proven on {where}\n", style="bold", markup=False, soft_wrap=True)
    heads = "  ".join(f"{name:<{width}}" for name, width in _COLUMNS)
    console.print(f"{heads}  statement, and its line in migrate.sql", style="dim", soft_wrap=True)
    for step in found.steps:
        words = (str(step.position).rjust(4), step.applied, step.undone, step.again)
        cells = [
            (f"{word:<{width}}  ", _STYLE.get(word, "dim")) for word, (_, width) in zip(words, _COLUMNS, strict=True)
        ]
        console.print(Text.assemble(*cells, _named(step), (f"  :{step.line}", "dim")), soft_wrap=True)
        if detail := _detail(step):
            console.print(Text(f"      {detail}", style="yellow" if step.irreversible else "dim"), soft_wrap=True)
    console.print()
    if found.down:
        console.print(f"source/down.sql, the authored way back, {_of_down(found.down)}", soft_wrap=True)
    for text in found.differs:
        console.print(Text.assemble(("does not hold: ", "red"), text), soft_wrap=True)
    for text in found.not_proven:
        console.print(Text(f"not proven: {text}", style="dim"), soft_wrap=True)
    console.print(Text(found.line(), style="green" if found.verdict is Verdict.PASSED else "red"), soft_wrap=True)


def _of_down(down: DownProof) -> str:
    if down.in_part:
        return "holds in part: what it does not bring back is accepted"
    return "takes back all of it, and no more" if down.verdict is Verdict.PASSED else "does not hold"


def _detail(step: StepProof) -> str:
    """Why it has no way back, and what else is to be said of a step; not the same twice."""
    reason = f"irreversible: {step.irreversible}" if step.irreversible else ""
    said = "" if step.irreversible and step.irreversible in step.detail else step.detail
    return "; ".join(w for w in (reason, said) if w)


def _named(step: StepProof) -> str:
    """The object behind its kind; some begin with that themselves."""
    return step.object if step.object.startswith(f"{step.kind} ") else f"{step.kind} {step.object}"
