"""The ledger beside what others have in its schema."""

from fix_databases import Place
from pgrunbook.ledger import RUNS, WATCHING, Ledger


def test_ledger_in_a_schema_of_others__takes_nothing_from_public(database: Place) -> None:
    """Only its own tables are closed: the application's lie beside them."""
    database.run("create schema app", "grant usage on schema app to public", "create table app.calls (id int)")
    database.run("grant select on app.calls to public")
    with database.connect() as session:
        Ledger(session, "app").create(RUNS + WATCHING)
    assert database.run(
        "select has_schema_privilege('public', 'app', 'usage'), has_table_privilege('public', 'app.calls', 'select'),"
        " has_table_privilege('public', 'app.run', 'select')"
    ) == [(True, True, False)]
