"""Load: the workload by as many clients as the runbook says. Nothing is changed; the server is kept busy."""

from __future__ import annotations

from pgrunbook import errors
from pgrunbook.ledger import Ledger
from pgrunbook.stages import _load, _measuring
from pgrunbook.stages._base import Parameters, Session, StageResult, part
from pgrunbook.stages._load import LoadRow


class LoadParameters(Parameters):
    """`clients` and `requests` (0: the runbook's). `production`: a target that is not the sandbox may be loaded."""

    clients: int = 0
    requests: int = 0
    production: bool = False


@part
def binds(session: Session) -> str:
    """Bind values as the baseline sampled them; where there is no baseline they are sampled now."""
    if not _measuring.may_write(session):
        raise errors.WrongUsage(
            f"a load on {session.target.name} slows down everybody who works there",
            remedy="choose the hour, then give --production",
        )
    if (session.private / _measuring.BINDS).exists():
        return "the baseline's"
    _measuring.sample_binds(session)
    session.on_close((session.private / _measuring.BINDS).unlink)  # nobody needs them any more
    return "sampled now"


@part
def requests(session: Session) -> list[LoadRow]:
    """The load: all requests together, then each query."""
    ledger = Ledger(session.database, session.runbook.about.ledger.name)
    applied = any(r.status == "applied" for r in ledger.runs(session.runbook.name))
    return _load.rows([_load.apply(session, _load.AFTER if applied else _load.BEFORE)])


def run(session: Session) -> StageResult:
    """The whole stage."""
    binds(session)
    requests(session)
    return session.finish()
