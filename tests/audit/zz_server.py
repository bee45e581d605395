import os, pathlib, pytest, contextlib, tempfile, shutil
import fix_servers
from fix_servers import _run, _server_user, free_port, Server, _npm, _debian
from fix_databases import made
@pytest.fixture(scope="session")
def server():
    v=int(os.environ["ZZV"])
    programs=_debian() if v==15 else _npm(v)
    place = pathlib.Path(tempfile.mkdtemp(prefix=f"pg{v}-", dir=os.environ["PGRUNBOOK_TEST_PLACE"])); user=_server_user()
    if user: os.chown(place, user.pw_uid, user.pw_gid)
    data=place/"data"
    _run(user, programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
    with (data/"postgresql.conf").open("a") as f: f.write("\nshared_preload_libraries='pg_stat_statements'\npg_stat_statements.track='all'\n")
    s=Server(programs, place, free_port()); s.start()
    yield s.dsn
    s.crash(); shutil.rmtree(place, ignore_errors=True)
@pytest.fixture
def database(server):
    with made(server) as p: yield p
