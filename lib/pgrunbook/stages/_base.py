"""What every stage has: its parameters, its session on the target, its run's folder and journal, its verdict.

A stage consists of parts, one function a notebook cell. Each part is journalled; after one has failed none does
anything any more; a stage is finished only when all its parts have run.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict

from pgrunbook import db, engines, errors, plan, runbook
from pgrunbook.db import Database
from pgrunbook.evidence import journal
from pgrunbook.findings import Check, Verdict, verdict_of
from pgrunbook.ledger import Ledger
from pgrunbook.lock import hold_lock, release
from pgrunbook.plan import Identity, Plan
from pgrunbook.runbook import Runbook

P = ParamSpec("P")
R = TypeVar("R")
_OF_ROLLBACK = {Verdict.PASSED: Verdict.ROLLED_BACK, Verdict.FAILED: Verdict.ROLLBACK_FAILED}
_READ_ONLY = {"audit", "baseline", "monitor"}
LOOK_ON = {"audit", "load", "monitor"}  # they belong to no change: a run of them alone is none to go on with
BEGIN = {"baseline", "rollback", *LOOK_ON}
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Parameters(BaseModel):
    """The parameters common to all stages; a notebook's parameters cell names the same ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    runbook: str = "voip_v4"
    target: str = "sandbox"
    run_id: str = ""
    evidence_dir: str = "evidence"


@dataclass(frozen=True, slots=True)
class StageResult:
    """How a stage ended."""

    stage: str
    run_id: str
    verdict: Verdict
    seconds: float
    findings: tuple[Check, ...]


class Session:
    """One stage of one run on one target. Open it with `open_session`."""

    def __init__(
        self, stage: str, parameters: Parameters, root: Path, about: Runbook, target: db.Target, run_id: str
    ) -> None:
        self.stage = stage
        self.parameters = parameters
        self.root = root
        self.runbook = about
        self.target = target
        self.run_id = run_id
        self.folder = run_folder(root, parameters, run_id)
        self.journal = journal.Journal(self.folder)
        self.findings: list[Check] = []
        self.parts: list[str] = []
        self.observers: list[Any] = []
        self.halted = ""
        self.remedy = ""
        self._started = time.monotonic()
        self._open = contextlib.ExitStack()
        self._database: Database | None = None

    # -- sessions on the target ---------------------------------------------------------------------------

    def connect(self, purpose: str, settings: Mapping[str, str] | None = None, *, read_only: bool = False) -> Database:
        """A further session on the target; the caller closes it.

        On the sandbox what a run looks up for itself stays out of pg_stat_statements: an audit would find it.
        """
        unseen = {"pg_stat_statements.track": "none"} if self.target.is_sandbox and purpose != "workload" else {}
        return db.connect(
            self.target,
            database=self.runbook.name,
            application_name=f"pgrunbook {self.runbook.name} {self.run_id} {self.stage} {purpose}",
            search_path=self.runbook.about.search_path,
            read_only=read_only,
            settings={**(settings or {}), **unseen},
        )

    @property
    def database(self) -> Database:
        """The session for reading and planning, opened when it is first needed."""
        if self._database is None or not self._database.usable:
            self._database = self._open.enter_context(self.connect("main", read_only=self.stage in _READ_ONLY))
            self._database.on_notice(lambda text: self.event("server_notice", text=text))
        return self._database

    def disconnect(self) -> None:
        """Close the session for reading and planning; it is opened again when it is next needed."""
        if self._database is not None:
            self._database.close()

    def identify(self) -> Identity:
        """Who and where this session is."""
        return plan.identify(self.database, standby_too=self.stage == "audit")

    @functools.cached_property
    def identity(self) -> Identity:
        """Which database this is; stops where the run began on another one."""
        found = self.identify()
        begun = journal.last(self.journal.events(), "run_started")
        if begun and begun["identity"] != list(found.key):
            raise errors.BadTarget(
                f"target {self.target.name} is database {found.database!r} of another server or name than the one "
                f"run {self.run_id} began on ({begun['identity'][1]!r})",
                remedy="name that run's target, or begin a new run with 10_baseline",
            )
        return found

    @property
    def is_rehearsal(self) -> bool:
        """Whether nobody but us works on it: what writes may be tried, and counts and answers have to be equal."""
        return self.target.is_sandbox

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.database, self.runbook.about.ledger.name)

    def plan(self) -> Plan:
        """The plan as the target's catalog stands now."""
        return plan.make(self.runbook, self.database)

    def hold_lock(self) -> None:
        """Keep other runs of this runbook off this database until the stage ends. Raises `Busy`."""
        holding = self._open.enter_context(self.connect("lock"))
        hold_lock(holding, self.runbook.name)
        self._open.callback(release, holding, self.runbook.name)

    def work(self, function: Callable[..., R]) -> Callable[..., R]:
        """What does a part on this kind of database."""
        return function

    def for_sql(self) -> tuple[str, Any]:
        """A connection for `%sql` that can't write, with its dialect as SQLAlchemy's URLs name it."""
        connection = self.connect("sql", read_only=True)
        self.on_close(connection.close)
        return "postgresql+psycopg://", connection.driver_connection

    def by_hand(self, statement: str) -> tuple[str, str]:
        """A statement of `%sql` as it can be asked here, and a word on why it is another one."""
        return statement, ""

    # -- what is written ----------------------------------------------------------------------------------

    def event(self, name: str, **data: Any) -> None:
        """Write an event of this stage to the journal, and tell the observers."""
        self.journal.write(name, stage=self.stage, **data)
        for observer in self.observers:
            observer.event(name, **data)

    def progress(self, progress: Any) -> None:
        """Tell how far a change has got."""
        self.journal.write("progress", stage=self.stage, durable=False, **asdict(progress))
        for observer in self.observers:
            observer.progress(progress)

    def tell(self, text: str) -> None:
        """Tell in one line what is being done."""
        self.journal.write("telling", stage=self.stage, durable=False, text=text)
        for observer in self.observers:
            observer.tell(text)

    def record(self, checks: Iterable[Check]) -> list[Check]:
        """Keep checks for the verdict; returns them."""
        checks = list(checks)
        self.findings += checks
        return checks

    def write_json(self, name: str, value: Any, *, private: bool = False) -> None:
        """Write a file of the run, whole or not at all."""
        folder = self.private if private else self.folder
        part = folder / f".{name}.{os.getpid()}"
        part.write_text(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
        if private:
            part.chmod(0o600)
        part.replace(folder / name)

    def read_json(self, name: str, *, private: bool = False) -> Any:
        """Read a file of the run. Raises `MissingForerunner` naming it where it is not there."""
        path = (self.private if private else self.folder) / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise errors.MissingForerunner(
                f"{self.stage} of run {self.run_id} needs {_shown(path, self.root)}, which is not there",
                remedy="bring the run's folder back, or begin a new run with 10_baseline (a rollback works without it)",
            ) from None

    @property
    def private(self) -> Path:
        """The run's folder for what no bundle takes in: bind values and the key of their tags."""
        folder = self.folder / "private"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    # -- the end ------------------------------------------------------------------------------------------

    def halt(self, error: BaseException) -> None:
        """After an error no part does anything any more; the journal has the stage's end."""
        if self.halted:
            return
        self.halted = error.message if isinstance(error, errors.PgRunbookError) else str(error) or type(error).__name__
        verdict = error.verdict if isinstance(error, errors.PgRunbookError) else "failed"
        remedy = error.remedy if isinstance(error, errors.PgRunbookError) else ""
        message = error.message if isinstance(error, errors.PgRunbookError) else self.halted
        self._finish(Verdict(verdict), error=message, remedy=remedy)

    def finish(self) -> StageResult:
        """Write the stage's verdict to the journal. Raises `CheckFailed` or `Pending` unless it passed."""
        if self.halted:
            raise errors.Halted(f"this stage stopped before: {self.halted}", remedy="mend it and run all cells again")
        missing = [name for name in parts_of(self.stage) if name not in self.parts]
        if missing:
            error = errors.CheckFailed(
                f"{self.stage} is not complete: {', '.join(missing)} not run yet", remedy="run every cell in order"
            )
            self.halt(error)
            raise error
        verdict = verdict_of(self.findings)
        if self.stage == "rollback":
            verdict = _OF_ROLLBACK.get(verdict, verdict)
        if verdict is Verdict.ROLLED_BACK and not self.ledger.owns_anything(self.run_id):
            shutil.rmtree(self.private)  # the run is closed: nobody needs its bind values any more
        result = self._finish(verdict)
        if verdict is Verdict.ROLLBACK_FAILED:
            raise errors.RollbackFailed(*_say_failed(self.stage, self.findings), remedy=self.remedy)
        if verdict is Verdict.FAILED:
            raise errors.CheckFailed(*_say_failed(self.stage, self.findings))
        if verdict is Verdict.PENDING:
            raise errors.Pending(*_say_pending(self.findings))
        return result

    def _finish(self, verdict: Verdict, **data: Any) -> StageResult:
        seconds = time.monotonic() - self._started
        self.halted = self.halted or "it is finished"
        findings = [finding_json(c) for c in self.findings]
        self.event("stage_finished", verdict=verdict.value, seconds=round(seconds, 2), findings=findings, **data)
        self.close()
        return StageResult(self.stage, self.run_id, verdict, seconds, tuple(self.findings))

    def on_close(self, close: Callable[[], object]) -> None:
        """Have something done when the stage ends."""
        self._open.callback(close)

    def close(self) -> None:
        """Close all sessions on the target."""
        self._database = None
        self._open.close()


def _say_failed(stage: str, findings: Iterable[Check]) -> tuple[str]:
    failed = [c for c in findings if c.verdict is Verdict.FAILED and c.gates]
    if not failed:
        return (f"{stage} checked nothing, which is a failure",)
    lines = "\n".join(
        f"  {c.check}, {c.object}: {c.measured or 'failed'}{f'; {c.detail}' if c.detail else ''}" for c in failed
    )
    return (f"{stage} failed, {len(failed)} of its checks did:\n{lines}",)


def _say_pending(findings: Iterable[Check]) -> tuple[str]:
    lines = "\n".join(f"  {c.check}: {c.claimed}" for c in findings if c.verdict is Verdict.PENDING and c.gates)
    return (f"waits for a person to sign:\n{lines}",)


def finding_json(check: Check) -> dict[str, Any]:
    """A check as it stands in the journal and in `--json`."""
    return asdict(check) | {"verdict": check.verdict.value}


def _shown(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


# -- parts ------------------------------------------------------------------------------------------------------

_PARTS: dict[str, list[str]] = {}


def parts_of(stage: str) -> list[str]:
    """The parts a stage has to run before it is finished, in order."""
    return _PARTS.get(stage, [])


def part(
    function: Callable[Concatenate[Session, P], R],
) -> Callable[Concatenate[Session, P], R]:
    """Make a function a part of the stage its module is named after: journalled, and stopped by the halt latch."""
    stage = function.__module__.rpartition(".")[2]
    _PARTS.setdefault(stage, []).append(function.__name__)

    @functools.wraps(function)
    def run(session: Session, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if session.halted:
            raise errors.Halted(
                f"nothing was done: this stage stopped before, {session.halted}",
                remedy="mend it and run all cells again",
            )
        session.event("part_started", part=function.__name__)
        started = time.monotonic()
        try:
            found = session.work(function)(session, *args, **kwargs)
        except KeyboardInterrupt:
            error = errors.Aborted("interrupted by hand", remedy="run it again: what was done is kept")
            session.halt(error)
            raise error from None
        except BaseException as e:
            refusal = _lacking(session, e) if stage in _READ_ONLY or function.__name__ == "preflight" else None
            session.halt(refusal or e)
            if refusal:
                raise refusal from None
            raise
        session.event("part_finished", part=function.__name__, seconds=round(time.monotonic() - started, 3))
        session.parts.append(function.__name__)
        return found

    return run


def _lacking(session: Session, error: BaseException) -> errors.BadTarget | None:
    """A privilege that is missing before anything was tried: the target's fault, not the change's."""
    if not isinstance(error, errors.StatementFailed) or error.sqlstate != "42501":
        return None
    who = f"role {session.database.user} on {session.target.name}"
    return errors.BadTarget(f"{who}: {error.message}", remedy=f"grant it, or {error.remedy}")


# -- runs -------------------------------------------------------------------------------------------------------


def new_run_id() -> str:
    """UTC time and a few random letters."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ-") + "".join(
        secrets.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(4)
    )


def check_run_id(run_id: str) -> None:
    """Raise `WrongUsage` for a name that can't be a folder's; an empty one is none."""
    if run_id and not _RUN_ID.fullmatch(run_id):
        raise errors.WrongUsage(
            f"run_id {run_id[:70]!r} can't name a folder", remedy="use letters, digits, dots, dashes"
        )


def run_folder(root: Path, parameters: Parameters, run_id: str) -> Path:
    """Where a run's files lie."""
    return root / parameters.evidence_dir / (parameters.runbook or runbook.NONE) / run_id


def make_folder(folder: Path, root: Path) -> None:
    """Make a run's folder where it is not there. Raises `WrongUsage` where it can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(folder, os.W_OK) else "permission denied"
    except OSError as e:
        reason = (e.strerror or str(e)).lower()
    if reason:
        raise errors.WrongUsage(
            f"the run's folder {_shown(folder, root)} can't be written: {reason}",
            remedy="give another folder for the evidence: --evidence DIR (in a notebook: evidence_dir)",
        )


def runs(root: Path, parameters: Parameters) -> list[str]:
    """The runs of a runbook over a target that left a journal, newest first; one that only looked around is none."""
    folder = root / parameters.evidence_dir / parameters.runbook
    found = []
    for path in folder.glob(f"*/{journal.NAME}"):
        events = journal.read(path)[0]
        begun = journal.last(events, "run_started")
        changes = any(e["event"] == "stage_started" and e["stage"] not in LOOK_ON for e in events)
        if begun and changes and begun["target"] == parameters.target:
            found.append((begun["at"], path.parent.name))
    return [name for _, name in sorted(found, reverse=True)]


def verdicts(root: Path, parameters: Parameters, run_id: str) -> dict[str, str]:
    """The newest verdict of each stage of a run; one that began and has no end is "aborted"."""
    events, _ = journal.read(run_folder(root, parameters, run_id) / journal.NAME)
    found: dict[str, str] = {}
    before: dict[str, str] = {}
    for event in events:
        if event["event"] == "stage_started":
            before = dict(found)
            found[event["stage"]] = Verdict.ABORTED.value
        elif event["event"] == "stage_finished" and event["verdict"] == Verdict.REFUSED.value:
            found = before  # nothing was tried
        elif event["event"] == "stage_finished":
            found[event["stage"]] = event["verdict"]
    return found


def open_session(
    stage: str, parameters: Parameters, *, root: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Session:
    """Open a stage: validate the runbook, reach the target, find the run. Writes nothing but the run's folder.

    Without a run_id baseline begins a run and the others take the newest one; `MissingForerunner` says what lacks.
    """
    root = root or runbook.project_root()
    target = db.parse_target(parameters.target)
    if stage == "audit" and not parameters.runbook:
        about = _of_any_database(target)
    else:
        about = runbook.load(root, parameters.runbook)
    check_run_id(parameters.run_id)
    engine = engines.of(target)
    engine.require((stage,), target)
    engine.ready(target, about, tell)
    run_id = parameters.run_id or _choose_run(parameters, stage, about, target)
    session = engine.session()(stage, parameters, root, about, target, run_id)
    try:
        _begin(session)
    except BaseException:
        session.close()
        raise
    return session


def _of_any_database(target: db.Target) -> Runbook:
    if target.is_sandbox:
        raise errors.WrongUsage(
            "the sandbox has a database a runbook: which one?",
            remedy="name a runbook (pgrunbook list), or another target",
        )
    return runbook.none()


def _choose_run(parameters: Parameters, stage: str, about: Runbook, target: db.Target) -> str:
    if stage == "rollback":
        with engines.of(target).guard(target, about, "rollback") as guard:
            return newest_owner(guard.ledger, about, target, kept=getattr(parameters, "scope", "") == "all")
    if stage not in BEGIN:
        raise errors.MissingForerunner(
            f"{stage}: no run of {parameters.runbook} on {parameters.target} in {parameters.evidence_dir}/",
            remedy="run 10_baseline first, or give run_id",
        )
    return new_run_id()


def newest_owner(ledger: Ledger, about: Runbook, target: db.Target, *, kept: bool = False) -> str:
    """The newest run that still owns anything, as the ledger has it: a rollback needs no evidence folder."""
    for row in ledger.runs(about.name):
        if ledger.owns_anything(row.run_id, kept=kept):
            return row.run_id
    raise errors.MissingForerunner(
        f"rollback: no run of {about.name} owns anything on {target.name}; there is nothing to undo",
        remedy=f"pgrunbook status {about.name} --target {target.name}",
    )


def _begin(session: Session) -> None:
    """Reach the target before anything is written, then note the stage's start."""
    identity = session.identify()
    known = session.journal.path.exists()
    if known:
        _ = session.identity  # compares with the run's own
    elif session.stage not in BEGIN:
        raise errors.MissingForerunner(
            f"{session.stage}: run {session.run_id} has no folder {_shown(session.folder, session.root)}",
            remedy="bring it back, or begin a new run with 10_baseline",
        )
    if session.stage not in ("audit", "monitor"):  # several may look at once, also while a run is under way
        session.hold_lock()
    make_folder(session.folder, session.root)
    if not known:
        session.event(
            "run_started",
            run_id=session.run_id,
            runbook=session.runbook.name,
            target=session.target.name,
            identity=list(identity.key),
        )
    session.event("stage_started", run_id=session.run_id, pid=os.getpid())
