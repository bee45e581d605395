"""Behind a pooler in transaction mode locks and settings of a session reach its other clients: it is refused."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import psycopg
import pytest

from fix_faults import until
from fix_project import Project
from fix_servers import Server
from pgrunbook import errors

pytestmark = pytest.mark.servers


@pytest.fixture
def pooled(postgres_15: Server) -> Iterator[str]:
    """pgbouncer in transaction mode with one server connection before a database; yields a connection string."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "pgbouncer is missing: apt-get install pgbouncer"
    with psycopg.connect(postgres_15.dsn, autocommit=True) as admin:
        admin.execute("create database pooled")
    place = pathlib.Path(tempfile.mkdtemp(prefix="pgrb-bouncer-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(place, user)
    config = place / "pgbouncer.ini"
    config.write_text(
        f"[databases]\npooled = host={postgres_15.folder} port={postgres_15.port} user=postgres\n"
        f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {place}\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 1\n"
    )
    dsn = f"host={place} port=6432 dbname=pooled user=postgres"  # the port is no more than a part of the socket's name
    with (place / "log").open("w") as log:
        bouncer = subprocess.Popen([program, str(config)], stdout=log, stderr=subprocess.STDOUT, user=user, cwd="/")
    try:
        until(lambda: _answers(dsn))
        yield dsn
    finally:
        bouncer.kill()  # a newer one, asked to end, waits for its clients
        bouncer.wait()
        shutil.rmtree(place)
        with psycopg.connect(postgres_15.dsn, autocommit=True) as admin:
            admin.execute("drop database pooled with (force)")


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_pooler__is_refused_before_a_setting_or_lock_could_leak(
    project: Project, postgres_15: Server, pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No stage gets through, and the application's next transaction finds the connection as it was."""
    direct = psycopg.conninfo.make_conninfo(postgres_15.dsn, dbname="pooled")
    with psycopg.connect(direct, autocommit=True) as session:
        session.execute("create table t (a int)")
    project.runbook("small", "create index t_a on t (a);")
    monkeypatch.setenv("PGRB_POOLED", pooled)
    with pytest.raises(errors.PreflightFailed, match="is behind a pooler"):
        project.stage("baseline", "small", "env:PGRB_POOLED")
    monkeypatch.setenv("PGRB_POOLED", direct)
    run_id = project.stage("baseline", "small", "env:PGRB_POOLED").run_id
    monkeypatch.setenv("PGRB_POOLED", pooled)
    for stage in ("migrate", "rollback"):
        with pytest.raises(errors.PreflightFailed, match="is behind a pooler") as caught:
            project.stage(stage, "small", "env:PGRB_POOLED", run_id=run_id)
        assert (caught.value.exit_status, caught.value.verdict) == (10, "failed")
        assert "connects to the server directly" in caught.value.remedy
    with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as application:
        settings = "select current_setting('default_transaction_read_only'), current_setting('row_security')"
        assert application.execute(settings).fetchall() == [("off", "on")]
        # of the one connection there is: a backend of the direct stage may not be gone yet
        locks = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
        assert application.execute(locks).fetchall() == [(0,)]
        written = "select to_regclass('t_a'), to_regnamespace('pgrunbook')"
        assert application.execute(written).fetchall() == [(None, None)]
    monkeypatch.setenv("PGRB_POOLED", direct)
    assert project.stage("migrate", "small", "env:PGRB_POOLED", run_id=run_id).verdict == "passed"
