"""Stages without a person: the same notebooks, run by papermill. The verdict is read from the journal."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pgrunbook import db, engines, errors, runbook, stages
from pgrunbook.evidence import journal
from pgrunbook.findings import EXIT_STATUS, Verdict, gravest
from pgrunbook.interrupts import Interrupts
from pgrunbook.ledger import Ledger
from pgrunbook.lock import whole_run
from pgrunbook.stages import STAGES
from pgrunbook.stages._base import LOOK_ON, Parameters, make_folder, new_run_id, newest_owner, run_folder

_FOLLOW_EVERY_S = 0.2
_PROGRESS_LINE_EVERY_S = 10.0
_ROOM = "make room there, then run it again: it takes up where it was"
_LONGEST_FOLDER = 90  # bytes: a socket's path may have 107, on macOS 103
_COUNTED = re.compile(r"[\d,]+")


class Screen(Protocol):
    """Who shows a person how a run gets on."""

    def stage(self, name: str) -> None: ...

    def event(self, event: dict[str, Any]) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """How one stage of a run ended; `notebook` is relative to the project's root."""

    name: str
    verdict: Verdict
    seconds: float
    notebook: str
    findings: list[dict[str, Any]]
    error: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended."""

    run_id: str
    runbook: str
    target: str
    verdict: Verdict
    stages: tuple[StageOutcome, ...]
    evidence: str

    @property
    def exit_status(self) -> int:
        return EXIT_STATUS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """The run as `--json` prints it."""
        return {
            "run_id": self.run_id,
            "runbook": self.runbook,
            "target": self.target,
            "verdict": self.verdict.value,
            "stages": [
                {
                    "name": s.name,
                    "verdict": s.verdict.value,
                    "seconds": s.seconds,
                    "notebook": s.notebook,
                    "findings": s.findings,
                }
                | ({"error": s.error, "remedy": s.remedy} if s.error else {})
                for s in self.stages
            ],
            "evidence": self.evidence,
        }


def run(
    common: Parameters,
    names: Sequence[str],
    screen: Screen,
    *,
    on_failure: str = "stop",
    extra: dict[str, dict[str, Any]] | None = None,
    fresh: bool = False,
) -> RunOutcome:
    """Run stages in order, stopping at the first that does not pass. Without a run_id an unfinished run is taken up.

    `extra` are further parameters by stage, `fresh` begins a new run. Raises what makes it wrong to begin.
    """
    root = runbook.project_root()
    about = runbook.load(root, common.runbook)
    target = db.parse_target(common.target)
    extra = extra or {}
    engine = engines.of(target)
    engine.require(names, target)
    with engine.guard(target, about, "whole run") as guard:
        guard.hold(whole_run(about.name))
        ledger = guard.ledger
        states = {r.run_id: r.status for r in ledger.runs(about.name)}
        run_id, skip = _take_up(root, common, names, states, fresh=fresh)
        _refuse_second_half(ledger, about, target, run_id)
        common = common.model_copy(update={"run_id": run_id})
        if skip:
            screen.say(f"taking up run {run_id}; {', '.join(skip)} passed before")
        outcomes = _stages(root, [n for n in names if n not in skip], common, extra, screen)
        verdict = gravest(o.verdict for o in outcomes) if outcomes else Verdict.PASSED
        if verdict is Verdict.REFUSED and any(o.name == "migrate" and o.verdict is Verdict.PASSED for o in outcomes):
            verdict = Verdict.FAILED  # refused says that nothing was tried
        if on_failure == "rollback" and verdict in (Verdict.FAILED, Verdict.ABORTED):
            if ledger.exists() and ledger.owns_anything(run_id):
                outcomes += _stages(root, ["rollback"], common, extra, screen)
                undone = outcomes[-1].verdict is Verdict.ROLLED_BACK
                verdict = Verdict.ROLLED_BACK if undone else Verdict.ROLLBACK_FAILED
        elif verdict is Verdict.ROLLED_BACK:
            verdict = Verdict.PASSED if "migrate" in names else verdict
        if verdict is Verdict.PASSED and "migrate" in names and "rollback" not in names:
            verdict = _still_applied(ledger, run_id)
    evidence = os.path.relpath(run_folder(root, common, run_id), root)
    return RunOutcome(run_id, about.name, target.name, verdict, tuple(outcomes), evidence)


def _stages(
    root: Path, names: Sequence[str], common: Parameters, extra: Mapping[str, dict[str, Any]], screen: Screen
) -> list[StageOutcome]:
    """Stages in order, up to the first that does not pass, or to an interrupt."""
    outcomes: list[StageOutcome] = []
    with Interrupts() as interrupts:
        for name in names:
            outcomes.append(_stage(root, name, common, extra.get(name, {}), screen, interrupts))
            if outcomes[-1].verdict not in (Verdict.PASSED, Verdict.ROLLED_BACK):
                break
    return outcomes


def _stopped(name: str, error: str, notebook: str) -> StageOutcome:
    remedy = "run it again: it takes up where it was"
    return StageOutcome(name, Verdict.ABORTED, 0.0, notebook, [], error, remedy)


def rollback(common: Parameters, screen: Screen, extra: dict[str, Any]) -> RunOutcome:
    """The rollback notebook, headless; without a run_id the newest run that still owns anything."""
    root = runbook.project_root()
    about = runbook.load(root, common.runbook)
    target = db.parse_target(common.target)
    with engines.of(target).guard(target, about, "rollback") as guard:
        guard.hold(whole_run(about.name))
        run_id = common.run_id or newest_owner(guard.ledger, about, target, kept=extra.get("scope") == "all")
        if not guard.ledger.exists() or guard.ledger.run(run_id) is None:
            raise errors.MissingForerunner(
                f"the ledger of {target.name} knows no run {run_id}",
                remedy=f"pgrunbook status {about.name} --target {target.name}",
            )
        common = common.model_copy(update={"run_id": run_id})
        (outcome,) = _stages(root, ["rollback"], common, {"rollback": extra}, screen)
    evidence = os.path.relpath(run_folder(root, common, run_id), root)
    return RunOutcome(run_id, about.name, target.name, outcome.verdict, (outcome,), evidence)


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """An audit's end. `report` is what the notebook wrote, empty where it did not come so far."""

    outcome: RunOutcome
    report: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The audit as `--json` prints it."""
        found = self.outcome
        stage = found.stages[0]
        trouble = {"error": stage.error, "remedy": stage.remedy} if stage.error else {}
        verdict = found.verdict.value
        return {"run_id": found.run_id, "verdict": verdict, **self.report, **trouble, "evidence": found.evidence}


def audit(common: Parameters, screen: Screen, extra: dict[str, Any]) -> AuditOutcome:
    """The audit notebook, headless, as a run of its own. It only reads, so it holds no lock."""
    target = db.parse_target(common.target)
    engines.of(target).require(("audit",), target)
    root = runbook.project_root()
    common = common.model_copy(update={"run_id": common.run_id or new_run_id()})
    (outcome,) = _stages(root, ["audit"], common, {"audit": extra}, screen)
    folder = run_folder(root, common, common.run_id)
    found = RunOutcome(
        common.run_id,
        common.runbook or runbook.NONE,
        common.target,
        outcome.verdict,
        (outcome,),
        os.path.relpath(folder, root),
    )
    path = folder / "audit.json"
    return AuditOutcome(found, json.loads(path.read_text("utf-8")) if path.exists() else {})


def _take_up(
    root: Path, common: Parameters, names: Sequence[str], states: Mapping[str, str], *, fresh: bool
) -> tuple[str, list[str]]:
    """The run to go on with and its stages that passed; a new run where the newest one is finished.

    A run is unfinished while its changes are not all done, a stage was cut off or waits, or stages are left to run.
    `states` is what the ledger says of each run: a journal alone is not believed, the database may be another by now.
    """
    if common.run_id:
        if "baseline" not in names and not run_folder(root, common, common.run_id).exists() and names != ["rollback"]:
            raise errors.MissingForerunner(
                f"run {common.run_id} of {common.runbook} has no folder in {common.evidence_dir}/",
                remedy="bring it back, or begin a new run with the stage baseline",
            )
        done = stages.verdicts(root, common, common.run_id)
        return common.run_id, _passed_prefix(names, done)
    newest = None if fresh else next(iter(stages.runs(root, common)), None)
    if newest:
        done = stages.verdicts(root, common, newest)
        cut_off = any(v in ("aborted", "pending") for v in done.values())
        between = done.get("migrate") == "passed" and any(n not in done for n in names)
        gone = done.get("migrate") == "passed" and states.get(newest) != "applied"
        open_ended = (cut_off or between) and "failed" not in done.values()
        if states.get(newest) == "running" or (open_ended and not gone and "rolled_back" not in done.values()):
            return newest, _passed_prefix(names, done)
    if "baseline" not in names:
        if newest:
            return newest, []
        if set(names) <= LOOK_ON:
            return new_run_id(), []
        raise errors.MissingForerunner(
            f"no run of {common.runbook} on {common.target} to go on with",
            remedy="run with the stage baseline first, or give --run-id",
        )
    return new_run_id(), []


def _passed_prefix(names: Sequence[str], done: dict[str, str]) -> list[str]:
    """The first of the asked stages, as far as they passed before."""
    passed = []
    for name in names:
        if done.get(name) != "passed":
            break
        passed.append(name)
    return passed if len(passed) < len(names) else []


def _refuse_second_half(ledger: Ledger, about: runbook.Runbook, target: db.Target, run_id: str) -> None:
    """A run that was cut off elsewhere, or whose folder is gone, has to be dealt with before another one begins."""
    for row in ledger.runs(about.name):
        if row.open and row.run_id != run_id:
            that = f"{about.name} --target {target.name} --run-id {row.run_id}"
            raise errors.MissingForerunner(
                f"run {row.run_id} of {about.name} was cut off on {target.name} and has to be ended first",
                remedy=f"pgrunbook rollback {that}; or bring its folder back, and: pgrunbook run {that}",
            )


def _still_applied(ledger: Ledger, run_id: str) -> Verdict:
    """Passed only if the ledger agrees at the end: a notebook by hand may have rolled the run back meanwhile."""
    row = ledger.run(run_id)
    return Verdict.PASSED if row and row.status == "applied" else Verdict.FAILED


def _stage(
    root: Path, name: str, common: Parameters, extra: dict[str, Any], screen: Screen, interrupts: Interrupts
) -> StageOutcome:
    """One notebook through papermill; its verdict comes from the journal, never from papermill."""
    papermill = _papermill()
    folder = run_folder(root, common, common.run_id)
    before = len(journal.read(folder / journal.NAME)[0])
    make_folder(folder, root)
    stem = STAGES[name].notebook
    output = _unused(folder, stem)
    shown = os.path.relpath(output, root)
    parameters = common.model_dump() | extra
    screen.stage(name)
    error = remedy = ""
    lost = Verdict.ABORTED

    def begun() -> bool:
        return journal.last(journal.read(folder / journal.NAME)[0][before:], "stage_started", name) is not None

    with _surroundings(root), _followed(folder, before, screen), _sockets() as spoken_to:
        try:
            with interrupts.during(begun):
                papermill.execute_notebook(
                    f"notebooks/{stem}.ipynb",
                    shown,
                    parameters,
                    progress_bar=False,
                    log_output=False,
                    kernel_name="python3",
                    extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                    config=spoken_to,
                )
        except papermill.exceptions.PapermillExecutionError as e:
            if e.ename == "KeyboardInterrupt":  # between two parts
                return _stopped(name, "stopped by hand", shown)
            kind = getattr(errors, e.ename, None)
            error, _, remedy = str(e.evalue).partition("\n  remedy: ")
            if e.ename == "OSError":  # a full disk, most likely the evidence's own
                error, remedy = f"the run's files can't be written: {error}", _ROOM
            elif kind is None:  # a mistake in the notebook or in the library, which has no words of its own
                error = f"{e.ename} in cell {e.exec_count}: {error}"
                remedy = f"look at that cell of {shown}; what the stage had done until then stands in the journal"
            lost = Verdict(kind.verdict) if kind else Verdict.ABORTED if e.ename == "OSError" else Verdict.FAILED
        except KeyboardInterrupt:
            return _stopped(name, "stopped by hand before it did anything", shown if output.exists() else "")
        except OSError as e:
            error, remedy = f"the notebook {shown} can't be written: {e.strerror or e}", _ROOM
        except RuntimeError as e:  # a dead kernel
            error = f"the notebook's kernel was lost: {str(e).splitlines()[0] if str(e) else type(e).__name__}"
            remedy = "run it again: it takes up where it was"
    events, _ = journal.read(folder / journal.NAME)
    end = journal.last(events[before:], "stage_finished", name)
    if end is None:
        error = error or "the stage left no end in the journal"
        return StageOutcome(name, lost, 0.0, shown, [], error, remedy)
    return StageOutcome(
        name,
        Verdict(end["verdict"]),
        end["seconds"],
        shown,
        end["findings"],
        end.get("error", error),
        end.get("remedy", remedy),
    )


def _papermill() -> Any:
    """papermill, without a parser of international addresses that it never asks, and that takes a second to build."""
    unasked = "rfc3987_syntax"
    added = sys.modules.setdefault(unasked, None) is None  # type: ignore[arg-type]  # as if it were not installed
    try:
        return importlib.import_module("papermill")
    finally:
        if added:
            del sys.modules[unasked]


@contextlib.contextmanager
def _sockets() -> Iterator[Any]:
    """The kernel's settings, spoken to through files: two that start at once may else choose the same free port."""
    from traitlets.config import Config

    with tempfile.TemporaryDirectory(prefix="pgrb-", ignore_cleanup_errors=True) as folder:
        ipc = {"transport": "ipc", "ip": f"{folder}/kernel"}
        yield Config(KernelManager=ipc if len(folder) < _LONGEST_FOLDER else {})


def _unused(folder: Path, stem: str) -> Path:
    """A further try of a stage has a notebook of its own: evidence is not written over."""
    path, number = folder / f"{stem}.ipynb", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}.{number}.ipynb"
    return path


@contextlib.contextmanager
def _surroundings(root: Path) -> Iterator[None]:
    """Relative paths in the notebook's metadata, the environment's own kernel, and papermill's log kept quiet."""
    changes = {"PGRUNBOOK_ROOT": str(root), "JUPYTER_PREFER_ENV_PATH": "1", "JUPYTER_PATH": None}
    kept = {k: os.environ.get(k) for k in changes}
    here = Path.cwd()
    logging.getLogger("papermill").setLevel(logging.ERROR)
    os.chdir(root)
    try:
        _set(changes)
        yield
    finally:
        _set(kept)
        os.chdir(here)


def _set(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _followed(folder: Path, before: int, screen: Screen) -> Iterator[None]:
    """Show the journal's new events while the notebook runs."""
    over = threading.Event()

    def follow() -> None:
        offset, seen = 0, 0
        while True:
            last_look = over.wait(_FOLLOW_EVERY_S)
            events, offset = journal.read(folder / journal.NAME, offset)
            for event in events:
                seen += 1
                if seen > before:
                    screen.event(event)
            if last_look:
                return

    thread = threading.Thread(target=follow, name="follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Silent:
    """A screen that shows nothing."""

    def stage(self, name: str) -> None: ...

    def event(self, event: dict[str, Any]) -> None: ...

    def say(self, text: str) -> None: ...


class Lines:
    """Plain lines on stderr, for a log."""

    def __init__(self, write: Callable[[str], object] | None = None) -> None:
        self._write = write or (lambda text: print(text, file=sys.stderr, flush=True))
        self._stage = ""
        self._last: tuple[str, ...] = ()
        self._told = self._said = 0.0

    def stage(self, name: str) -> None:
        self._stage = name
        self._write(f"{name}: begins")

    def say(self, text: str) -> None:
        """What goes on, at most a line a second: a log need not have every statement of the rehearsal data."""
        if time.monotonic() - self._said > 1.0:
            self._said = time.monotonic()
            self._write(text)

    def event(self, event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            phase = _COUNTED.sub("", event["phase"].partition(",")[0])
            what = (event["object"], phase, event["waiting_for"])
            if what == self._last and time.monotonic() - self._told < _PROGRESS_LINE_EVERY_S:
                return
            self._last, self._told = what, time.monotonic()
        if text := describe(event):
            self._write(f"{self._stage}: {text}")


def describe(event: dict[str, Any]) -> str:
    """A journal's event in one line; empty for one that nobody needs to see as it happens.

    >>> describe({"event": "change_done", "kind": "grant", "object": "t", "outcome": "done", "seconds": 1.5})
    'grant t: done in 1.50 s'
    """
    match event["event"]:
        case "change_done" | "undo_done":
            return f"{event['kind']} {event['object']}: {event['outcome']} in {event['seconds']:.2f} s"
        case "progress":
            share = f" {event['fraction']:.0%}" if event["fraction"] is not None else ""
            waiting = f", waiting for {event['waiting_for']}" if event["waiting_for"] else ""
            return f"[{event['position']}/{event['count']}] {event['object']}: {event['phase']}{share}{waiting}"
        case "interrupt":
            return str(event["text"])
        case "pause":
            return f"{event['object']}: waits, {event['reason']}"
        case "not_seen":
            return f"{event['object']}: {event['what']} can't be seen; {event['remedy']}"
        case "retry":
            return f"{event['object']}: again, {event['reason']}"
        case "orphan":
            return f"{event['object']}: backend {event['pid']} is still at it; {event['action']}"
        case "left_over":
            return f"{event['object']}: left over, {event['reason']}; {event['remedy']}"
        case "stage_finished":
            return f"{event['verdict']} in {event['seconds']:.1f} s"
    return ""
