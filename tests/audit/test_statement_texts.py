"""What is shown of the texts of statements."""

import pytest

from fix_databases import Place
from pgrunbook.audit import statements

pytestmark = pytest.mark.usefixtures("few_statements")

UTILITIES = (
    "create table copied as select * from people where name = 'Aida'",
    "create policy own on people using (name = 'Aida')",
    "copy people to program 'echo Aida > /dev/null'",
    "comment on table people is $$Aida$$",
    "alter table people add check (name <> 'Aida')",
    "prepare by_name(text) as select * from people where name = $1",
    "execute by_name('Aida')",
    "do $$begin perform 'Aida'; end$$",
    "create role pgrb_aida password 'Aida'",
    "drop role pgrb_aida",
)


@pytest.fixture
def database(database: Place) -> Place:
    """A database whose utility statements were counted."""
    database.run("create extension pg_stat_statements", "create table people (name text)", *UTILITIES)
    return database


def test_texts_of_utility_statements__hold_no_value(database: Place) -> None:
    """The server leaves them in, and the parser's own normalising takes out but a part of them."""
    with database.connect() as session:
        found = statements.read(session)[0]
    texts = " | ".join(s["text"] for s in found or ())
    assert "copy people to program" in texts
    assert "Aida" not in texts
