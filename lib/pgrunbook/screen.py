"""What a person sees in a terminal: a live line while a run goes on, tables at its end."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pgrunbook import runbook
from pgrunbook.audit import LEVELS, Finding, reporting
from pgrunbook.findings import Verdict
from pgrunbook.from_audit import UNSURE
from pgrunbook.headless import AuditOutcome, RunOutcome, StageOutcome, describe
from pgrunbook.measure.claims import WORDS
from pgrunbook.measure.compare import compare, summarise
from pgrunbook.measure.sampling import Sample
from pgrunbook.second_opinion import Opined

_STYLE = {
    "passed": "green", "rolled_back": "green", "failed": "red", "rollback_failed": "red", "aborted": "red",
    "refused": "red", "pending": "yellow", "not_measurable": "dim",
}  # fmt: skip


_LEVEL_STYLE = {"important": "red", "routine": "yellow", "noted": ""}
_SHOWN = 8


class Terminal:
    """A screen for a terminal: done things stay as lines, what goes on is one line with a bar below them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._stage = ""
        self._live.start()

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()

    def stage(self, name: str) -> None:
        self._stage = name
        self._show(Text(f"{name}: opening the notebook"))

    def say(self, text: str) -> None:
        self._show(Text(text))

    def event(self, event: dict[str, Any]) -> None:
        name = event["event"]
        if name == "telling":
            self._show(Text(f"{self._stage}: {event['text']}"))
        elif name == "progress":
            bar = ProgressBar(total=1, completed=event["fraction"] or 0, width=32, pulse=event["fraction"] is None)
            self._show(Group(Text(f"{self._stage}: {describe(event)}"), bar))
        elif name == "stage_finished":
            style = _STYLE.get(event["verdict"], "")
            line = Text.assemble(
                (f"{self._stage:<10}", "bold"), (f"{event['verdict']:<16}", style), f"{event['seconds']:6.1f} s"
            )
            self._console.print(line)
        elif text := describe(event):
            self._console.print(f"  {text}", style="dim")

    def _show(self, what: Any) -> None:
        self._live.update(what)


def outcome(found: RunOutcome, root: Path) -> None:
    """A run's end: stages, what failed or waits, and where the evidence lies."""
    console = Console(highlight=False, markup=False)
    table = Table(title=f"{found.runbook} on {found.target}, run {found.run_id}", title_justify="left")
    for name in ("stage", "verdict", "seconds", "checks", "notebook"):
        table.add_column(name, justify="right" if name in ("seconds", "checks") else "left")
    for stage in found.stages:
        table.add_row(
            stage.name,
            _verdict(stage.verdict),
            f"{stage.seconds:.1f}",
            str(len(stage.findings)),
            Path(stage.notebook).name,
        )
    console.print(table)
    for stage in found.stages:
        _troubles(console, stage)
    console.print(Text.assemble("verdict: ", (found.verdict.value, _STYLE.get(found.verdict.value, ""))))
    inside = not Path(found.evidence).is_absolute() and ".." not in Path(found.evidence).parts
    where = f"{found.evidence}/ (under {root})" if inside else f"{(root / found.evidence).resolve()}/"
    console.print(f"evidence: {where}", soft_wrap=True)


def _troubles(console: Console, stage: StageOutcome) -> None:
    if stage.error:
        console.print(Text(f"{stage.name}: {stage.error}", style="red"), soft_wrap=True)
        if stage.remedy:
            console.print(f"  remedy: {stage.remedy}", soft_wrap=True)
        return
    for check in stage.findings:
        if check["gates"] and check["verdict"] == "not_measurable":
            line = f"{stage.name}: not measured: {check['claimed']}: {check['detail']}"
            console.print(Text(line, style="dim"), soft_wrap=True)
        if check["gates"] and check["verdict"] in ("failed", "pending"):
            line = f"{stage.name}: {check['check']}: {check['claimed']}: {check['measured']} {check['detail']}"
            console.print(Text(line, style=_STYLE[check["verdict"]]), soft_wrap=True)


def audit(found: AuditOutcome) -> None:
    """An audit's findings, the gravest first, what it could not see, and what to type next."""
    console = Console(highlight=False, markup=False)
    findings = [Finding.from_json(row) for row in found.report["findings"]]
    shown, left = reporting.heaviest(findings, _SHOWN)
    by_remedy: dict[str, str] = {}
    for level in LEVELS:
        count = sum(f.level == level for f in findings)
        if count:
            console.print(Text(f"{level} ({count:,})", style=f"bold {_LEVEL_STYLE[level]}".strip()))
        for f in shown:
            if f.level == level:
                _finding(console, f, by_remedy.setdefault(f.remedy, f.id))
        for (of, lint), more in left.items():
            if of == level:
                console.print(f"  … and {more:,} more of {lint}: audit.json has them all")
    if not findings:
        console.print("nothing was found")
    for n in found.report["not_seen"]:
        remedy = f"; {n['remedy']}" if n["remedy"] else ""
        console.print(Text(f"not seen: {n['what']}: {n['why']}{remedy}", style="yellow"), soft_wrap=True)
    for stage in found.outcome.stages:
        _troubles(console, stage)
    verdict = found.outcome.verdict.value
    console.print(Text.assemble("verdict: ", (verdict, _STYLE.get(verdict, ""))))
    console.print(f"report: {found.outcome.stages[0].notebook}", soft_wrap=True)
    if any(f.remedy for f in findings):
        console.print(Text(f"mend it: {_mending(found, findings)}"), soft_wrap=True)


def _finding(console: Console, f: Finding, first: str) -> None:
    """One finding; `first` is the id of the one below which its statement stands."""
    console.print(Text(f"  {f.id}", style=_LEVEL_STYLE[f.level]), soft_wrap=True)
    console.print(Padding(Text(f.detail), (0, 0, 0, 4)))
    again = f.remedy and first != f.id
    lines = [] if again and f.advice else [f"as for {first}"] if again else f.remedy.splitlines()
    for line in [*lines, *f.advice.splitlines()]:  # never broken: it is there to be pasted
        console.print(Text(f"    {line}", style="dim"), soft_wrap=True)


def _mending(found: AuditOutcome, findings: Sequence[Finding]) -> str:
    """The command that writes a runbook; where it would take nothing by itself, with the heaviest finding."""
    sure = [f for f in findings if f.remedy and f.level != "noted" and f.lint not in UNSURE]
    first = next(f for f in findings if f.remedy)
    words = ["pgrunbook", "new", "NAME", "--from-audit", found.outcome.run_id]
    words += [] if sure else ["--finding", first.id]
    folder = Path(found.outcome.evidence).parent.parent
    words += ["--evidence", str(folder)] if str(folder) != "evidence" else []
    return shlex.join(words)


def load(folder: Path) -> None:
    """The loads of a run, as they were kept in its folder."""
    from pgrunbook.measure.load import LoadResult

    found = [folder / f"load_{when}.json" for when in ("before", "during", "after")]
    loads = [LoadResult.from_json(json.loads(f.read_text("utf-8"))) for f in found if f.exists()]
    rows(
        "Load",
        ("when", "clients", "requests", "a second", "p50 ms", "p95 ms", "p99 ms", "longest", "errors", "connections"),
        [
            (r.when, r.clients, r.requests, r.per_second, r.p50_ms, r.p95_ms, r.p99_ms, r.longest_ms, r.errors,
             f"{r.connections} of {r.connections_allowed}")
            for r in loads
        ],
    )  # fmt: skip


def demonstration(found: RunOutcome, root: Path) -> None:
    """The demo's end: before and after, the claims, the rollback's proof, and where the evidence lies."""
    console = Console(highlight=False, markup=False)
    folder = root / found.evidence
    queries = {f"claim: {c.id}": c.query for c in runbook.load(root, found.runbook).about.claims}
    claims = [
        c for s in found.stages for c in s.findings if c["check"] in queries and "measured by " not in c["measured"]
    ]
    _before_and_after(console, folder, claims, queries)
    _claims(console, [c for c in claims if not queries[c["check"]]])
    _proof(console, found.stages)
    outcome(found, root)


def _before_and_after(
    console: Console, folder: Path, claims: Sequence[dict[str, Any]], queries: Mapping[str, str]
) -> None:
    """A line a query, its plans and its claims below it: the plans' names are too long for columns."""
    files = [folder / f"{name}_samples.json" for name in ("baseline", "verify")]
    if not all(f.exists() for f in files):
        return
    before, after = ([Sample.from_json(row) for row in json.loads(f.read_text(encoding="utf-8"))] for f in files)
    console.print("\nBefore and after: means over common, rare and absent values\n", style="bold")
    summaries = summarise(compare(before, after))
    width = max([24, *(len(row.query) + 1 for row in summaries)])
    console.print(f"{'query':<{width}}{'before':>12}{'after':>12}{'factor':>9}   answers", style="dim")
    for row in summaries:
        style = "green" if row.factor >= 1.2 else "red" if row.factor < 0.8 else ""
        told = {True: "equal", False: "differ", None: "not known"}[row.same_answers]
        answers = f"in the place of {row.replaces}" if row.replaces else told
        console.print(
            Text.assemble(
                (f"{row.query:<{width}}", "bold"),
                f"{'> ' if row.censored_before else ''}{row.before_ms:,.2f} ms".rjust(12),
                f"{'> ' if row.censored_after else ''}{row.after_ms:,.2f} ms".rjust(12),
                (f"{row.factor:>8,.1f}×", style),
                f"   {answers}",
            )
        )
        _indented(console, "plan", "unchanged" if not row.new else f"{' + '.join(row.gone)}  →  {' + '.join(row.new)}")
        for claim in claims:
            if queries.get(claim["check"]) == row.query:
                word = WORDS[Verdict(claim["verdict"])]
                _indented(console, "claim", claim["claimed"], (word, _STYLE[claim["verdict"]]))
    console.print()


def _indented(console: Console, name: str, text: str, verdict: tuple[str, str] = ("", "")) -> None:
    line = Text.assemble((f"{name:<6} ", "dim"), text, ("  " + verdict[0], verdict[1]))
    console.print(Padding(line, (0, 0, 0, 3)))


def _claims(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title="What the document claims besides", title_justify="left")
    table.add_column("claim")
    table.add_column("measured", no_wrap=False)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        verdict = WORDS[Verdict(row["verdict"])]
        detail = row["detail"] if row["verdict"] == "not_measurable" else ""
        table.add_row(
            row["claimed"],
            f"{row['measured']}{f': {detail}' if detail else ''}",
            Text(verdict, style=_STYLE[row["verdict"]]),
        )
    console.print(table)


def _proof(console: Console, stages: Sequence[StageOutcome]) -> None:
    back = next((s for s in stages if s.name == "rollback"), None)
    if back is None:
        return
    kinds = [c for c in back.findings if c["check"] == "fingerprint"]
    equal = sum(c["verdict"] == "passed" for c in kinds)
    undone = sum(c["check"] == "undo" and c["measured"] == "undone" for c in back.findings)
    seconds = next((c["measured"] for c in back.findings if c["check"] == "time of the rollback"), "")
    console.print(
        f"Rolled back {undone} changes in {seconds}; the schema's fingerprint equals the baseline's in {equal} of "
        f"{len(kinds)} kinds of object."
    )


def plan(rows: Sequence[dict[str, Any]]) -> None:
    """A plan, one block a step: written and safe form, lock, state, undo, notes."""
    console = Console(highlight=False, markup=False)
    for number, row in enumerate(rows, 1):
        state_style = {"present": "green", "absent": "", "different": "red"}.get(row["state"], "yellow")
        console.print(
            Text.assemble(
                (f"{number:>3}. ", "dim"), (f"{row['kind']} {row['object']}", "bold"), "  ", (row["state"], state_style)
            )
        )
        lines = [("written", row["written"])]
        if row["state"] != "present":
            lines += [("safe", row["safe"]), ("locks", row["lock"])]
            if row["estimate_bytes"]:
                lines.append(("needs", f"about {row['estimate_bytes'] / 2**20:,.1f} MB"))
        if row["state"] == "different":
            lines.append(("found", row["detail"]))
        lines += [("undo", row["undo"])] + [("note", note) for note in row["lint"]]
        for name, text in lines:
            console.print(Text.assemble((f"     {name:<8} ", "dim"), text), soft_wrap=True)


def second_opinion(found: Sequence[Opined]) -> None:
    """How many of squawk's alarms stand, and how many are answered for, by rule."""
    console = Console(highlight=False, markup=False)
    answered: dict[str, str] = {o.rule: o.answer for o in found if o.answer}
    standing = sum(1 for o in found if not o.answer)
    words = f"{standing or 'nothing'} to note, {len(found) - standing} false alarms answered"
    console.print(f"\nsecond opinion (squawk): {words}")
    for rule, answer in sorted(answered.items()):
        console.print(Text(f"     {rule or 'squawk'}: {answer}", style="dim"), soft_wrap=True)


def rows(title: str, names: Sequence[str], found: Sequence[Sequence[Any]]) -> None:
    """A plain table."""
    console = Console(highlight=False, markup=False)
    table = Table(title=title, title_justify="left")
    for name in names:
        table.add_column(name)
    for row in found:
        table.add_row(*(str(v) if v is not None else "" for v in row))
    console.print(table)


def trouble(message: str, remedy: str) -> None:
    """An error, on stderr."""
    console = Console(stderr=True, highlight=False, markup=False)
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    if remedy:
        console.print(Text.assemble(("remedy: ", "bold"), remedy), soft_wrap=True)


def interactive() -> bool:
    """Whether somebody looks at stderr."""
    return sys.stderr.isatty()


def _verdict(verdict: Verdict) -> Text:
    return Text(verdict.value, style=_STYLE.get(verdict.value, ""))
