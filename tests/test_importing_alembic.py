"""Alembic revisions become runbooks through Alembic's own offline SQL, its bookkeeping left out."""

from __future__ import annotations

import pathlib

import pytest

from pgrunbook import errors, sqlfile
from pgrunbook.importing import drafting
from pgrunbook.importing.alembic import of_alembic

INI = """\
[alembic]
script_location = %(here)s/migrations
path_separator = os
sqlalchemy.url = postgresql://nobody@nowhere/none
"""
ENV = """\
from alembic import context
context.configure(url=context.config.get_main_option("sqlalchemy.url"), literal_binds=True)
with context.begin_transaction():
    context.run_migrations()
"""
FIRST = """\
from alembic import op
import sqlalchemy as sa
revision, down_revision = "aa11", None
def upgrade():
    op.create_table("activity", sa.Column("id", sa.Integer, primary_key=True), sa.Column("kind", sa.String(20)))
def downgrade():
    op.drop_table("activity")
"""
SECOND = """\
from alembic import op
revision, down_revision = "bb22", "aa11"
def upgrade():
    op.create_index("ix_kind", "activity", ["kind"], postgresql_using="hash")
    with op.get_context().autocommit_block():
        op.create_index("ix_id", "activity", ["id"], postgresql_concurrently=True, postgresql_where="kind is null")
def downgrade():
    op.drop_index("ix_id", "activity")
"""


@pytest.fixture
def ini(tmp_path: pathlib.Path) -> pathlib.Path:
    """A project of two revisions; the second's way back forgets an index."""
    for path, text in {
        "alembic.ini": INI, "migrations/env.py": ENV, "migrations/script.py.mako": "",
        "migrations/versions/first.py": FIRST, "migrations/versions/second.py": SECOND,
    }.items():  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path / "alembic.ini"


def test_revisions__become_a_runbook_without_the_bookkeeping(ini: pathlib.Path) -> None:
    """The statements of all revisions, what Alembic has to be told of, and the downgrade held against them."""
    source = of_alembic(str(ini), "base:bb22")
    found = drafting.imported("x", source)
    statements = [s.sql.split("(")[0].strip() for s in sqlfile.split(found.draft.migration)]
    assert statements == [
        "BEGIN", "CREATE TABLE activity", "CREATE INDEX ix_kind ON activity USING hash", "COMMIT",
        "CREATE INDEX CONCURRENTLY ix_id ON activity", "BEGIN", "COMMIT",
    ]  # fmt: skip
    left = [r for r in found.report.rows if r.verdict == "left out"]
    assert {r.why for r in left} == {"Alembic's own bookkeeping; after the migration: alembic stamp bb22"}
    assert len(left) == 3
    assert found.report.down == ()  # the table's DROP takes the index along
    assert "alembic_stamped" in {i.id for i in found.draft.about.checklist}
    assert not [s for s in sqlfile.split(found.draft.files["source/down.sql"]) if "alembic_version" in s.sql]
    second = drafting.imported("x", of_alembic(str(ini), "aa11:bb22"))
    assert second.report.down == ("leaves what the migration makes: index ix_kind",)


def test_alembic_that_fails__says_why(ini: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last line of standard error; a downgrade that is not there is only told; other databases' SQL is refused."""
    with pytest.raises(errors.WrongUsage, match="Can't locate revision identified by 'zz'"):
        of_alembic(str(ini), "aa11:zz")
    for wrong in ("aa11", "a:b:c", ":", "-1:x", "a b:c"):
        with pytest.raises(errors.WrongUsage, match="no range of revisions"):
            of_alembic(str(ini), wrong)
    second = ini.parent / "migrations" / "versions" / "second.py"
    never = 'raise NotImplementedError("this never")'  # of another length, or Python might take what it has compiled
    second.write_text(second.read_text().replace('op.drop_index("ix_id", "activity")', never))
    found = of_alembic(str(ini), "aa11:bb22")
    assert (found.down, len(found.notes)) == ((), 1)
    assert "never" in found.notes[0]
    env = ini.parent / "migrations" / "env.py"
    env.write_text("import logging, sys\nlogging.basicConfig(level='INFO', stream=sys.stderr)\n" + env.read_text())
    ini.write_text(INI.replace("postgresql://nobody@nowhere/none", "sqlite://"))
    with pytest.raises(errors.WrongUsage, match="Alembic writes SQL for SQLite, not for PostgreSQL"):
        of_alembic(str(ini), "aa11:bb22")
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    with pytest.raises(errors.WrongUsage, match="Alembic is not installed where pgrunbook is"):
        of_alembic(str(ini), "aa11:bb22")
