"""A proof in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pgrunbook.findings import Verdict
from pgrunbook.prove import AS_BEFORE, DIFFERS, DONE, FAILED, IN_PART, KEPT, Proven, StepProof

_STYLE = {DONE: "green", AS_BEFORE: "green", FAILED: "red", DIFFERS: "red", KEPT: "yellow", IN_PART: "yellow"}


def show(found: Proven) -> None:
    """The table of the statements, what differs, what is not proven, and the verdict."""
    console = Console(highlight=False)
    table = Table(title=f"{found.runbook}, proven on a copy of {found.target}", title_justify="left", box=box.SIMPLE)
    details = [_detail(s) for s in found.steps]
    for name in ("step", "kind", "object", "line", "applied", "undone", "again", *(["detail"] if any(details) else [])):
        table.add_column(
            name, justify="right" if name in ("step", "line") else "left", overflow="fold",
            no_wrap=name not in ("object", "detail"),
        )  # fmt: skip
    for step, detail in zip(found.steps, details, strict=True):
        words = [Text(w, style=_STYLE.get(w, "dim")) for w in (step.applied, step.undone, step.again)]
        row: list[Text | str] = [str(step.position), step.kind, Text(step.object), str(step.line), *words, Text(detail)]
        table.add_row(*row[: len(table.columns)])
    console.print(table)
    if found.down:
        said = "takes back all of it, and no more" if found.down.verdict is Verdict.PASSED else "does not hold"
        console.print(f"source/down.sql, the authored way back, {said}", soft_wrap=True)
    for text in found.differs:
        console.print(Text.assemble(("does not hold: ", "red"), text), soft_wrap=True)
    for text in found.not_proven:
        console.print(Text(f"not proven: {text}", style="dim"), soft_wrap=True)
    console.print(Text(found.line(), style="green" if found.verdict is Verdict.PASSED else "red"), soft_wrap=True)


def _detail(step: StepProof) -> str:
    """Why it has no way back, and what else is to be said of a step; not the same twice."""
    reason = f"irreversible: {step.irreversible}" if step.irreversible else ""
    said = "" if step.irreversible and step.irreversible in step.detail else step.detail
    return "; ".join(w for w in (reason, said) if w)
