"""Every kind of change through every fault: killed, terminated, locked out, cancelled, a bad row, two at once.

All tests of a case share its database, for each leaves it as it was.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator

import pytest

from cases import Case, by_kind
from fix_databases import made
from fix_harness import (
    IMPATIENT,
    SHORT,
    Course,
    Recorder,
    Rig,
    after_a_fault,
    as_managed_clouds_give_it,
    measured,
    new_run,
    round_trip,
)
from fix_servers import MARKS, SANDBOX, Server
from pgrunbook import changes, errors

# kinds whose work is more than one transaction, or that only the ledger remembers: they have ways of their own to break
SEVERAL_STEPS = {
    "add_constraint", "backfill", "create_index", "create_policy", "drop_index", "maintain", "raw_sql", "set_not_null",
    "validate_constraint",
}  # fmt: skip


def _courses(*, faults: bool, always: bool = True, breaking: bool = False) -> list[object]:
    """The cases on the versions that have them, under the versions' markers.

    Every case goes there and back on all of them; in the default run, on 18, the first of each kind does. There the
    faults with `always` meet the first case of each kind of several steps. Under `servers` all faults meet, on 18, all
    cases of these kinds, and on older versions the first; those with `always` meet on 18 the first case of a kind of
    one transaction, too. The rest is left to `every_version`. `breaking`: the cases that a row can make fail, alone.
    """
    found, kinds = [], set()
    for kind, case in by_kind():
        if breaking and not case.breaks:
            continue
        several, first = kind in SEVERAL_STEPS, kind not in kinds
        kinds.add(kind)
        for version, marks in MARKS.items():
            if version * 10000 >= case.oldest:
                own: tuple[pytest.MarkDecorator, ...] = marks
                if version == SANDBOX and not (first and (not faults or (several and always))):
                    near = several or not faults or (first and always)
                    own = (pytest.mark.servers if near else pytest.mark.every_version,)
                elif faults and not (first and several):
                    own = (pytest.mark.every_version,)
                found.append(pytest.param((version, case), id=f"{kind}-{case.name}-{version}", marks=own))
    return found


@pytest.fixture(scope="module")
def chosen(request: pytest.FixtureRequest) -> tuple[int, Case]:
    """A version and one case of a kind that it has."""
    return request.param


@pytest.fixture(scope="module")
def version(chosen: tuple[int, Case]) -> int:
    return chosen[0]


@pytest.fixture(scope="module")
def case(chosen: tuple[int, Case]) -> Case:
    return chosen[1]


@pytest.fixture(scope="module")
def server(server_of: Callable[[int], Server], version: int) -> Server:
    """The version's server."""
    return server_of(version)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, server: Server, case: Case) -> Iterator[Course]:
    """The case carried out and taken back once, without a fault, on a database that its tests share."""
    with made(server.dsn) as place:
        yield measured(Rig(tmp_path_factory.mktemp("case"), place, case))


@pytest.fixture
def rig(course: Course) -> Iterator[Rig]:
    """The case on its database; a test that leaves it otherwise than it was fails."""
    yield course.rig
    course.rig.stand().assert_is(course.before, "left by this test")


every_case = pytest.mark.parametrize("chosen", _courses(faults=False), indirect=True, scope="module")
breaking_case = pytest.mark.parametrize("chosen", _courses(faults=False, breaking=True), indirect=True, scope="module")
faulty_case = pytest.mark.parametrize("chosen", _courses(faults=True), indirect=True, scope="module")
rarer_fault = pytest.mark.parametrize("chosen", _courses(faults=True, always=False), indirect=True, scope="module")


def test_kinds__all_have_cases() -> None:
    """A kind that nobody breaks on purpose is not known to survive; and every case is of the kind it is filed under."""
    kinds = {k.kind for k in changes.KINDS} | {changes.Rows.kind, changes.RawSql.kind}
    assert {kind for kind, _ in by_kind()} == kinds


@every_case
def test_round_trip__restores_schema_and_rows(rig: Rig, course: Course) -> None:
    """Apply, verify, undo, apply, apply again (nothing to do), undo; a second run is turned away at each statement."""
    round_trip(course)


@faulty_case
def test_round_trip_as_the_owner_of_one_schema__needs_no_superuser(
    tmp_path: pathlib.Path, server: Server, case: Case
) -> None:
    """As managed clouds give it: no superuser, no CREATE on the database, the ledger made by an administrator."""
    with made(server.dsn) as place, as_managed_clouds_give_it(place) as owned:
        measured(Rig(tmp_path, owned, case, administrator=place))


@faulty_case
def test_client_killed_at_each_statement__is_taken_up_or_undone(rig: Rig, course: Course) -> None:
    """kill -9 before the statement, or a moment into it; both at the first."""
    for number, at in enumerate((1, *range(1, course.there + 1))):
        run_id, resume = new_run(), number % 2 == 1
        rig.killed(lambda r, run_id=run_id: rig.forward(run_id, r), at, 0.003 if resume else 0)
        after_a_fault(course, run_id, f"killed at statement {at}", resume=resume)


@rarer_fault
def test_backend_terminated_at_each_statement__is_taken_up_or_undone(rig: Rig, course: Course) -> None:
    """An administrator ends the session: the run aborts, exit status 40."""
    for at in range(1, course.there + 1):
        run_id = new_run()
        with pytest.raises(errors.LostConnection):
            rig.forward(run_id, Recorder(at, rig.terminate))
        after_a_fault(course, run_id, f"terminated at statement {at}", resume=at % 2 == 1)


@faulty_case
def test_lock_not_available_at_each_statement__is_taken_up_or_undone(rig: Rig, course: Course) -> None:
    """Somebody holds a conflicting lock, for longer than the run waits."""
    in_the_way(course, cancel=False)


@rarer_fault
def test_statement_cancelled_at_each_statement__is_taken_up_or_undone(rig: Rig, course: Course) -> None:
    """While it waits for a lock it is cancelled (57014), as statement_timeout and administrators do."""
    in_the_way(course, cancel=True)


def in_the_way(course: Course, *, cancel: bool) -> None:
    """Hold what each statement has to lock, where one can."""
    for at in range(1, course.there + 1):
        run_id, remedy, failed = new_run(), "", True
        with course.rig.blocked(cancel=cancel) as block:
            try:
                course.rig.forward(run_id, Recorder(at, block), SHORT if cancel else IMPATIENT)
            except (errors.Aborted, errors.StatementFailed) as e:
                remedy = e.remedy
            else:
                failed = False  # no lock that stands in this statement's way could be had
        assert remedy or not failed
        after_a_fault(course, run_id, f"statement {at}", resume=at % 2 == (0 if cancel else 1))


@rarer_fault
def test_server_stopped_at_each_statement__is_taken_up_or_undone(
    tmp_path: pathlib.Path, server: Server, mortal: Server, version: int, case: Case
) -> None:
    """Immediately, as a power cut does; what was committed is there after the restart, the rest is not."""
    crashed = mortal if version == SANDBOX else server  # the others are throw-away servers anyway
    with made(crashed.dsn) as place:
        course = measured(Rig(tmp_path, place, case))
        for at in range(1, course.there + 1):
            run_id = new_run()
            with pytest.raises(errors.LostConnection):
                course.rig.forward(run_id, Recorder(at, lambda _: crashed.crash()))
            crashed.start()
            after_a_fault(course, run_id, f"stopped at statement {at}", resume=at % 2 == 1)


@breaking_case
def test_bad_row__fails_and_goes_on_once_it_is_mended(rig: Rig, course: Course, case: Case) -> None:
    """A duplicate, a value that a constraint forbids: one clear error, no remains in the way, then it goes through."""
    rig.place.run(case.breaks)
    broken, run_id = rig.stand(), new_run()
    with pytest.raises(errors.StatementFailed) as caught:
        rig.forward(run_id)
    assert caught.value.sqlstate in case.sqlstate.split()
    assert caught.value.remedy
    rig.back(run_id)
    rig.stand().assert_is(broken, "undone after a failure")
    run_id = new_run()
    with pytest.raises(errors.StatementFailed):
        rig.forward(run_id)
    rig.place.run(case.mends)
    after_a_fault(course, run_id, "mended", resume=True)


@rarer_fault
def test_undo_broken_at_each_statement__is_taken_up(rig: Rig, course: Course) -> None:
    """Killed and terminated on the way back: the next rollback finishes it."""
    for at in range(1, course.back + 1):
        run_id = new_run()
        rig.forward(run_id)
        if at % 2:
            rig.killed(lambda r, run_id=run_id: rig.back(run_id, r), at, 0.002)
        else:
            with pytest.raises(errors.LostConnection):
                rig.back(run_id, Recorder(at, rig.terminate))
        rig.back(run_id)
        rig.stand().assert_is(course.before, f"undo broken at statement {at}")
