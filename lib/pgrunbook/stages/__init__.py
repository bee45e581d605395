"""The stages there are: each one function over a session, and one notebook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pgrunbook import db, engines, errors, runbook
from pgrunbook.stages import audit, baseline, checklist, load, migrate, monitor, rollback, verify
from pgrunbook.stages._base import Parameters, Session, StageResult, open_session, runs, verdicts
from pgrunbook.watch import Progress

__all__ = ["FORWARD", "STAGES", "Parameters", "Session", "Stage", "StageResult", "open_stage", "runs", "verdicts"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage, its notebook's stem, and the stages that have to be there before it."""

    name: str
    notebook: str
    parameters: type[Parameters]
    run: Callable[[Session], StageResult]
    forerunners: tuple[str, ...]


STAGES = {
    s.name: s
    for s in (
        Stage("audit", "00_audit", audit.AuditParameters, audit.run, ()),
        Stage("baseline", "10_baseline", baseline.BaselineParameters, baseline.run, ()),
        Stage("migrate", "20_migrate", migrate.MigrateParameters, migrate.run, ("baseline",)),
        Stage("verify", "30_verify", verify.VerifyParameters, verify.run, ("baseline", "migrate")),
        Stage(
            "checklist", "40_checklist", checklist.ChecklistParameters, checklist.run, ("baseline", "migrate", "verify")
        ),
        Stage("monitor", "50_monitor", monitor.MonitorParameters, monitor.run, ()),
        Stage("load", "60_load", load.LoadParameters, load.run, ()),
        Stage("rollback", "90_rollback", rollback.RollbackParameters, rollback.run, ()),
    )
}
FORWARD = ("baseline", "migrate", "verify", "checklist")
_ENOUGH = {"baseline": {"passed"}, "migrate": {"passed"}, "verify": {"passed", "failed"}}


def open_stage(name: str, parameters: Parameters, *, tell: Callable[[str], None] = lambda _: None) -> Session:
    """Open a stage; on the sandbox the forerunners that it lacks are run first, elsewhere `MissingForerunner`."""
    stage = STAGES[name]
    root = runbook.project_root()
    parameters = parameters.model_copy(update={"target": engines.recorded(parameters.target)})
    sandboxed = db.parse_target(parameters.target).is_sandbox
    if name == "rollback":
        try:
            return open_session(name, parameters, root=root, tell=tell)
        except errors.MissingForerunner:
            if parameters.run_id or not sandboxed:
                raise
        run_id = _run_missing(root, parameters, ("baseline", "migrate"), "", tell)
        return open_session(name, parameters.model_copy(update={"run_id": run_id}), root=root, tell=tell)
    run_id = parameters.run_id or ("" if name in ("audit", "baseline") else _under_way(root, parameters))
    missing = [s for s in stage.forerunners if verdicts(root, parameters, run_id).get(s) not in _ENOUGH[s]]
    if missing and (not sandboxed or (parameters.run_id and "baseline" in missing)):
        what = f"run {run_id}" if run_id else f"a run of {parameters.runbook} on {parameters.target}"
        raise errors.MissingForerunner(
            f"{name} needs {' and '.join(missing)} of {what} first (in {parameters.evidence_dir}/)",
            remedy=f"run {STAGES[missing[0]].notebook}, or give the run_id of a run that has it",
        )
    if missing:
        run_id = _run_missing(root, parameters, tuple(missing), run_id, tell)
    return open_session(name, parameters.model_copy(update={"run_id": run_id}), root=root, tell=tell)


def _under_way(root: Path, parameters: Parameters) -> str:
    """The newest run that was not rolled back; empty where there is none."""
    for run_id in runs(root, parameters):
        if "rolled_back" not in verdicts(root, parameters, run_id).values():
            return run_id
    return ""


def _run_missing(
    root: Path, parameters: Parameters, missing: tuple[str, ...], run_id: str, tell: Callable[[str], None]
) -> str:
    common = {k: getattr(parameters, k) for k in Parameters.model_fields}
    for name in missing:
        tell(f"running {name} first, which this stage needs")
        given = common | {"run_id": "" if name == "baseline" else run_id}
        session = open_session(name, STAGES[name].parameters(**given), root=root, tell=tell)
        session.observers.append(_Teller(name, tell))
        STAGES[name].run(session)
        run_id = session.run_id
    return run_id


@dataclass(frozen=True, slots=True)
class _Teller:
    """Hands on what a forerunner tells, so that a person sees that something goes on."""

    stage: str
    hand_on: Callable[[str], None]

    def tell(self, text: str) -> None:
        self.hand_on(f"{self.stage}: {text}")

    def progress(self, progress: Progress) -> None:
        self.hand_on(f"{self.stage}: {progress.object}: {progress.phase}")

    def event(self, name: str, **data: object) -> None: ...
