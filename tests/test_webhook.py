"""webhook_campaign_indexes: Alembic's revision and pgrunbook's migration make the same, and what the document says of it holds or does not."""

from __future__ import annotations

import io
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import alembic.command
import alembic.config
import nbformat
import papermill
import postgast
import psycopg
import pytest
import sqlalchemy

from conftest import REPOSITORY
from fix_databases import Place
from fix_harness import TABLES
from pgrunbook import db, fingerprint, plan, rehearsal, runbook, sandbox, sqlfile, stages
from pgrunbook.db import Database
from pgrunbook.findings import Verdict
from pgrunbook.measure import probe
from pgrunbook.sqlite import catalog
from pgrunbook.sqlite import db as sqlite
from pgrunbook.sqlite import rehearsal as sqlite_rehearsal
from pgrunbook.stages import StageResult

NAME = "webhook_campaign_indexes"
FOLDER = REPOSITORY / "runbooks" / NAME
PARENT, REVISION = "2792ed2d7978", "348a94c904eb"
FORWARD = ("10_baseline", "20_migrate", "30_verify", "40_checklist", "90_rollback")
INDEXES = (
    "idx_activity_openphone_id", "idx_webhook_event_processed", "idx_webhook_event_id",
    "idx_campaign_membership_status", "idx_campaign_membership_sent",
    "idx_contact_phone_hash", "idx_contact_first_name", "idx_contact_last_name", "idx_contact_email",
    "idx_contact_flag_type_phone",
    "idx_activity_conversation_created", "idx_activity_type_created", "idx_activity_user", "idx_activity_contact",
    "idx_conversation_phone_number_id", "idx_conversation_contact",
    "idx_appointment_date", "idx_invoice_status_due",
)  # fmt: skip
# at any scale and on any machine, without the times
HOLD = (
    "webhook_matching", "webhook_unprocessed", "webhook_lookup", "phone_constant", "both_databases", "indexes_created",
    "answers_as_before", "applied_again", "index_usage", "vacuum_analyze",
)  # fmt: skip
DO_NOT_HOLD = (
    "webhook_no_duplicates", "webhook_no_duplicates_at_once", "conversations_of_contact", "none_covered",
    "conversations_by_line",
)  # fmt: skip
TOLD = ("covered_indexes", "duplicates_prevented", "hash_against_tree", "webhook_twice")
TRIGGER = """
create function pg_temp.wrong() returns trigger language plpgsql as $$ begin {does}; end $$;
create trigger wrong before {when} execute function pg_temp.wrong()
"""
AGAIN = "drop index {name}; create {kind} {name} on {what}"

# what goes wrong in the migrated database, and the check that has to see it
WRONG = (
    ("indexes_valid", "drop index idx_contact_email"),
    ("indexes_valid", "update pg_index set indisvalid = false where indexrelid = 'idx_invoice_status_due'::regclass"),
    ("indexes_valid", AGAIN.format(name="idx_contact_phone_hash", kind="index", what="contact (phone)")),
    ("indexes_valid", AGAIN.format(name="idx_contact_flag_type_phone", kind="index", what="contact_flag (contact_id)")),
    ("indexes_valid", AGAIN.format(name="idx_activity_user", kind="index", what="activity (created_at, user_id)")),
    ("indexes_serve", AGAIN.format(name="idx_activity_user", kind="index", what="activity (created_at, user_id)")),
    ("indexes_serve", AGAIN.format(name="idx_campaign_membership_sent", kind="index", what="campaign_membership (status)")),
    ("webhook_processed", TRIGGER.format(does="return null", when="update on webhook_event for each row")),
    ("campaign_send", TRIGGER.format(does="new.flag_type := 'note'; return new", when="insert on contact_flag for each row")),
    ("found_again", TRIGGER.format(does="new.time := '12:00'; return new", when="insert on appointment for each row")),
    ("upgrade_downgrade_upgrade", "alter table activity drop column user_id"),
    ("statistics_kept", "alter table activity set (autovacuum_enabled = false)"),
)  # fmt: skip


def project(connection: sqlalchemy.Connection | None = None) -> alembic.config.Config:
    """The runbook's Alembic project, at work on a connection."""
    config = alembic.config.Config(str(FOLDER / "alembic.ini"), stdout=io.StringIO(), output_buffer=io.StringIO())
    config.attributes.update({"connection": connection} if connection else {})
    return config


def taken_to(revision: str, conninfo: str, go: Callable[..., None] = alembic.command.upgrade) -> dict[str, str]:
    """What a PostgreSQL database holds once Alembic has taken it to a revision."""
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=sqlalchemy.NullPool
    )
    with engine.connect() as connection:
        go(project(connection), revision)
    return holds(conninfo)


def holds(conninfo: str) -> dict[str, str]:
    """What a PostgreSQL database holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGRB_WEBHOOK", conninfo)
        with db.connect(db.parse_target("env:PGRB_WEBHOOK"), search_path=["public"]) as session:
            return ours(session)


def ours(session: Database) -> dict[str, str]:
    """The fingerprint of each object in public."""
    found = fingerprint.objects(session, "pgrunbook")
    return {name: digest for name, digest in found.items() if " public." in name}


def rows() -> dict[str, list[str]]:
    """The rows of every table, sorted."""
    with psycopg.connect(sandbox.conninfo(NAME)) as session:
        tables = [name for (name,) in session.execute(TABLES)]
        return {t: sorted(row for (row,) in session.execute(f"select t::text from {t} t")) for t in tables}


@pytest.fixture
def about() -> runbook.Runbook:
    """The runbook, validated, and its rehearsal database as it is before the change."""
    found = runbook.load(runbook.project_root(), NAME)
    rehearsal.reset(found, "0.02")
    return found


@pytest.fixture
def rehearsed(about: runbook.Runbook) -> Iterator[Database]:
    """A session of the library's on the rehearsal database."""
    with db.connect(db.parse_target("sandbox"), database=NAME, search_path=["public"]) as session:
        yield session


def run(name: str, evidence: pathlib.Path, run_id: str = "", **parameters: object) -> StageResult:
    """One stage in this process."""
    stage = stages.STAGES[name]
    given = stage.parameters(runbook=NAME, run_id=run_id, evidence_dir=str(evidence), **parameters)
    return stage.run(stages.open_stage(name, given))


def test_migrate_sql__is_what_alembic_writes_down() -> None:
    """Statement by statement the same, in the same order; the version and the VACUUM apart, each of which only one of them has."""
    config = project()
    alembic.command.upgrade(config, f"{PARENT}:{REVISION}", sql=True)

    def indexes(sql: str, others: set[str]) -> list[str]:
        found = sqlfile.split(sql)
        assert {s.node_kind for s in found} == {"index_stmt", *others}
        return [postgast.deparse(postgast.parse(s.sql)) for s in found if s.node_kind == "index_stmt"]

    written = indexes(config.output_buffer.getvalue(), {"transaction_stmt", "update_stmt"})
    assert indexes((FOLDER / "migrate.sql").read_text(), {"vacuum_stmt"}) == written
    assert len(written) == len(INDEXES)


def test_alembic_on_postgresql__upgrades_downgrades_and_upgrades_to_what_pgrunbook_makes(
    about: runbook.Runbook, rehearsed: Database, database: Place, tmp_path: pathlib.Path
) -> None:
    """The parent's tables are the rehearsal's, the indexes pgrunbook's, and Alembic can take away what pgrunbook made."""
    down = alembic.command.downgrade
    before = taken_to(PARENT, database.conninfo)
    assert before == ours(rehearsed)
    after = taken_to(REVISION, database.conninfo)
    assert set(after) - set(before) == {f"index public.{name}" for name in INDEXES}
    assert taken_to(PARENT, database.conninfo, down) == before
    assert taken_to(REVISION, database.conninfo) == after

    run_id = run("baseline", tmp_path).run_id
    assert run("migrate", tmp_path, run_id).verdict == "passed"
    assert ours(rehearsed) == after
    rehearsed.execute(f"update alembic_version set version_num = '{REVISION}'")  # flask db stamp
    assert taken_to(PARENT, sandbox.conninfo(NAME), down) == before


def test_alembic_on_sqlite__upgrades_downgrades_and_upgrades_to_what_pgrunbook_makes(
    about: runbook.Runbook, tmp_path: pathlib.Path
) -> None:
    """The same on a file: plain and composite indexes in the place of hash and partial ones."""
    by_alembic, rehearsal_file = tmp_path / "alembic.db", tmp_path / "pgrunbook.db"

    def in_file(path: pathlib.Path) -> dict[str, str]:
        with sqlite.connect(db.parse_target(f"sqlite:{path}"), path) as file:
            return catalog.objects(file, "pgrunbook")

    def at(revision: str, go: Callable[..., None] = alembic.command.upgrade) -> dict[str, str]:
        engine = sqlalchemy.create_engine(f"sqlite:///{by_alembic}", poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            go(project(connection), revision)
        return in_file(by_alembic)

    before = at(PARENT)
    after = at(REVISION)
    assert set(after) - set(before) == {f"index {name}" for name in INDEXES}
    assert at(PARENT, alembic.command.downgrade) == before
    assert at(REVISION) == after

    target = f"sqlite:{rehearsal_file}"
    sqlite_rehearsal.make(db.parse_target(target), rehearsal_file, about, "0.02", lambda _: None)
    assert in_file(rehearsal_file) == before
    run_id = run("baseline", tmp_path, target=target).run_id
    assert run("migrate", tmp_path, run_id, target=target).verdict == "passed"
    assert in_file(rehearsal_file) == after
    verified = run("verify", tmp_path, run_id, target=target)
    assert verified.verdict == "passed"
    told = {c.check: c.detail for c in verified.findings if c.check in TOLD}
    assert "idx_webhook_event_id, is not unique" in told["duplicates_prevented"]
    assert "idx_conversation_contact, covered by sqlite_autoindex_conversation_1" in told["covered_indexes"]
    assert run("rollback", tmp_path, run_id, target=target, scope="all").verdict == "rolled_back"
    assert in_file(rehearsal_file) == before


def test_webhook__plans_eighteen_concurrent_builds_that_block_no_write(
    about: runbook.Runbook, rehearsed: Database
) -> None:
    """The document's indexes by their names, in its order, each with what undoes it."""
    steps = plan.make(about, rehearsed).steps
    assert tuple(s.object for s in steps if s.change.is_index) == tuple(f"public.{name}" for name in INDEXES)
    locks = {s.lock.value for step in steps for phase in step.safe for s in phase.statements}
    assert locks == {"SHARE UPDATE EXCLUSIVE"}
    undo = [step.undo_text for step in steps if step.change.is_index]
    assert undo == [f"drop index concurrently public.{name};" for name in INDEXES]


def test_webhook__passes_names_what_does_not_hold_and_leaves_all_as_it_was(
    about: runbook.Runbook, rehearsed: Database, tmp_path: pathlib.Path
) -> None:
    """What does not hold is told and fails nothing; after the rollback schema, fingerprint and rows are those of before."""
    before, data = ours(rehearsed), rows()
    run_id = run("baseline", tmp_path).run_id
    assert run("migrate", tmp_path, run_id).verdict == "passed"
    verified = run("verify", tmp_path, run_id)
    assert verified.verdict == "passed"

    held = {c.check.removeprefix("claim: "): c for c in verified.findings if c.check.startswith("claim: ")}
    assert {c.id for c in about.about.claims} == held.keys()
    assert {name for name in HOLD if held[name].verdict is not Verdict.PASSED} == set()
    assert {name for name in DO_NOT_HOLD if held[name].verdict is not Verdict.FAILED} == set()
    assert held["slow_queries"].verdict is held["partitioning"].verdict is Verdict.NOT_MEASURABLE

    told = {c.check: c for c in verified.findings if c.check in TOLD}
    assert not any(c.gates for c in told.values())
    assert "idx_webhook_event_id, is not unique" in told["duplicates_prevented"].detail
    assert "idx_conversation_contact, covered by CREATE UNIQUE INDEX uq_conv" in told["covered_indexes"].detail
    assert "the second delivery is written as well" in told["webhook_twice"].detail

    assert run("checklist", tmp_path, run_id).verdict == "passed"
    back = run("rollback", tmp_path, run_id, scope="all")
    assert back.verdict == "rolled_back"
    assert {c.measured for c in back.findings if c.check == "fingerprint"} == {"equal"}
    assert ours(rehearsed) == before
    assert rows() == data


def test_checks_of_webhook__see_what_is_wrong(about: runbook.Runbook, rehearsed: Database) -> None:
    """Each fault, made in the migrated database, fails the check that is there for it; a unique index ends what is told."""
    checks = {c.name: c for c in about.checks}
    rehearsed.execute("vacuum analyze")

    def judge(name: str, *statements: str) -> tuple[str, Verdict]:
        with rehearsed.transaction(rollback=True, client_min_messages="warning"):
            for change in about.changes:
                if change.is_index:
                    rehearsed.execute(change.written.sql)
            for statement in statements:
                rehearsed.execute(statement)
            found = probe.run(checks[name], rehearsed, lambda: rehearsed, 30, show_rows=True)
            return found.measured, found.verdict

    plain = {name: judge(name)[1] for name in checks if name not in TOLD}
    assert plain == dict.fromkeys(plain, Verdict.PASSED)
    judged = [(name, *judge(name, wrong)) for name, wrong in WRONG]
    assert {name for name, _ in WRONG} | set(TOLD) | {"hash_constant"} == set(checks)
    assert [j for j in judged if j[2] is not Verdict.FAILED] == []

    once = (
        "delete from webhook_event e using webhook_event o where o.event_id = e.event_id and o.id < e.id",
        "create unique index once on webhook_event (event_id)",
    )
    assert judge("duplicates_prevented", *once) == ("none", Verdict.PASSED)
    assert judge("covered_indexes", "drop index idx_conversation_contact") == ("none", Verdict.PASSED)
    assert judge("covered_indexes", "create index phone on contact (phone, id)")[0] == "2 offending rows"


def test_unique_index__ends_what_webhook_twice_shows(about: runbook.Runbook, rehearsed: Database) -> None:
    """With the index that the document lacks, the second delivery at the same moment has to wait, and is not written."""
    check = next(c for c in about.checks if c.name == "webhook_twice")

    def rival() -> Database:
        return db.connect(db.parse_target("sandbox"), database=NAME, search_path=["public"])

    assert probe.run(check, rehearsed, rival, 30, show_rows=True).verdict is Verdict.FAILED
    rehearsed.execute("delete from webhook_event e using webhook_event o where o.event_id = e.event_id and o.id < e.id")
    rehearsed.execute("create unique index once on webhook_event (event_id)")
    assert probe.run(check, rehearsed, rival, 30, show_rows=True).verdict is Verdict.PASSED


def test_hash_constant__fails_where_a_b_tree_stands_in_for_the_hash_index(
    about: runbook.Runbook, rehearsed: Database
) -> None:
    """The check passes because of the hash index: a B-tree among 200,000 numbers has a level more than among 1,000."""
    check = next(c for c in about.checks if c.name == "hash_constant")
    statements = tuple(replace(s, sql=s.sql.replace("using hash", "")) for s in check.statements)
    assert statements != check.statements
    found = probe.run(replace(check, statements=statements), rehearsed, lambda: rehearsed, 30, show_rows=True)
    assert found.detail == "2.00 blocks among 1000 numbers, 3.00 among 200000"


@pytest.mark.servers
def test_notebooks_with_webhook__pass_nbval(about: runbook.Runbook, tmp_path: pathlib.Path) -> None:
    """The same notebooks with another parameter; each runs the stages that it lacks."""
    for stem in FORWARD:
        notebook = papermill.iorw.load_notebook_node(str(REPOSITORY / "notebooks" / f"{stem}.ipynb"))
        nbformat.write(
            papermill.parameterize.parameterize_notebook(notebook, {"runbook": NAME}), tmp_path / f"{stem}.ipynb"
        )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-n", "0", "-o", "addopts=", "-p", "no:cacheprovider", tmp_path],
        check=False, capture_output=True, text=True, timeout=250, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
