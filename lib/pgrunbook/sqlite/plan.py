"""The plan for a SQLite file: a runbook's changes in its words, held against what it holds. It changes nothing."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Sequence

from pgrunbook.changes import NOTHING_THERE, Estimate, Observation, State, statements_text
from pgrunbook.plan import Identity, Plan, Step
from pgrunbook.runbook import Runbook
from pgrunbook.sqlite import changes
from pgrunbook.sqlite.changes import SqliteChange
from pgrunbook.sqlite.db import File
from pgrunbook.sqlite.ledger import SqliteLedger


def identify(file: File, schema: str) -> Identity:
    """Which file this is: by its name and the id that its ledger has, never by where it lies on this machine."""
    return Identity(
        system_identifier=SqliteLedger(file, schema).database_id(),
        database=file.path.name,
        version=file.version,
        standby=False,
        backend_pid=os.getpid(),
        role=_user(),
        superuser=False,
        may_create_schema=os.access(file.path, os.W_OK),
        may_create_temporary=True,
        sees_all_activity=False,
        deadlock_timeout_ms=0,
    )


def make(runbook: Runbook, file: File) -> Plan:
    """Hold a runbook against a file. Raises `InvalidRunbook` for statements that SQLite can't take."""
    schema = runbook.about.ledger.name
    identity = identify(file, schema)
    made = changes.of_runbook(runbook, file)
    ledger = SqliteLedger(file, schema)
    steps = []
    for position, change in enumerate(made, 1):
        seen = change.standing(file)
        if change.recorded and (run := ledger.run_that_applied(runbook.name, change.resolved_sql())):
            seen = Observation(State.PRESENT, f"done by run {run}, says the ledger")
        done = seen.state is State.PRESENT
        steps.append(
            Step(
                position=position,
                change=change,
                seen=seen,
                safe=tuple(change.apply(seen)),
                undo=tuple(change.undo({} if done else change.capture(file))),
                estimate=Estimate() if done else change.estimate(file),
            )
        )
    digest = _digest(made, schema, identity)
    return Plan(runbook.name, file.target.name, identity, runbook.about.search_path, (), tuple(steps), digest)


def _digest(made: Sequence[SqliteChange], schema: str, identity: Identity) -> str:
    """Of changes, their SQL, options and the file's identity; never of what was found, which a half-done run alters."""
    content = {
        "engine": "sqlite",
        "changes": [
            {
                "kind": c.kind,
                "object": c.object,
                "resolved": c.resolved_sql(),
                "safe": statements_text(c.apply(NOTHING_THERE)),
                "undo": statements_text(c.undo({})),
                "options": c.options.model_dump(),
            }
            for c in made
        ],
        "names": [schema],
        "identity": list(identity.key),
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def script(plan: Plan, busy_ms: int) -> str:
    """The statements, for reading or for the sqlite3 shell. What only the executor does is not in them."""
    lines = [
        f"-- runbook {plan.runbook}, target {plan.target}, plan {plan.digest[:16]}",
        ".bail on",
        f".timeout {busy_ms}",
    ]
    for step in plan.steps:
        lines.append(f"\n-- {step.position}. {step.kind} {step.object}: {step.seen.state}")
        lines += [f"-- {note}" for note in step.change.lint()]
        if step.seen.state is State.DIFFERENT:
            lines += ["-- STOP, the file holds another definition:", f"-- {step.seen.detail}"]
        elif not step.to_do:
            lines.append("-- nothing to do")
        else:
            lines.append(statements_text(step.safe))
    return "\n".join(lines) + "\n"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in many containers
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
