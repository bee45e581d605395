"""Changes without a runbook: typed, resolved, carried out and undone on a session of the library's."""

from __future__ import annotations

from collections.abc import Sequence

from pgrunbook import changes, fingerprint, plan, sqlfile
from pgrunbook.changes import Change, ObjectOptions, Phase, State, Statement
from pgrunbook.db import Database


def typed(text: str, **options: object) -> list[Change]:
    """The changes of a text; `options` are those of every object."""
    statements = sqlfile.split(text)
    found = changes.of_migration(statements, {}, {})
    own = ObjectOptions.model_validate(options)
    return changes.of_migration(statements, {f.label: own for f in found}, {})


def planned(on: Database, text: str, **options: object) -> list[Change]:
    """The changes of a text as a plan has them."""
    return plan.resolved(typed(text, **options), changes.Names(on))


def state(on: Database, text: str) -> str:
    """The state of a text's last change."""
    return planned(on, text)[-1].standing(on).state.value


def statements(phases: Sequence[Phase]) -> list[Statement]:
    """The statements of phases, in their order."""
    return [statement for phase in phases for statement in phase.statements]


def run(on: Database, phases: Sequence[Phase]) -> None:
    """Run phases as they are."""
    for statement in statements(phases):
        on.execute(statement.sql)


def forth_and_back(on: Database, text: str, **options: object) -> list[str]:
    """Carry changes out as the executor would, undo them from what the ledger keeps; returns the undo's statements."""
    before = fingerprint.objects(on, "pgrunbook")
    done, back = [], []
    for change in planned(on, text, **options):
        seen = change.standing(on)
        assert seen.state is State.ABSENT, seen
        done.append((change, change.capture(on)))
        assert change.undo({}) is not None
        run(on, change.apply(seen))
    for change in planned(on, text, **options):
        assert change.verify(on)[0].verdict == "passed", (change.written.sql, change.state(on))
    for change, captured in reversed(done):
        known = changes.again(change.kind, change.resolved_sql(), change.options.model_dump(), 1)
        assert (known.object, known.subject, known.together) == (change.object, change.subject, change.together)
        assert known.since(on, captured).state is State.PRESENT, known.since(on, captured)
        phases = known.undo(captured)
        back += [s.sql for s in statements(phases)]
        run(on, phases)
        assert known.since(on, captured).state is State.ABSENT
    assert not fingerprint.differing(before, fingerprint.objects(on, "pgrunbook"))
    return back
