"""What a new runbook rehearses on: an empty database until somebody says more; for Supabase a stand-in of its own."""

from __future__ import annotations

from importlib import resources

_SCHEMA = """\
-- The database that the migration meets. While there is no statement here, that is an empty one.
-- What there is: pg_dump --schema-only --no-owner --no-privileges, of the database as it is before the migration.
"""
_DATA = """\
-- Rows to rehearse on, for what takes its time or its answer from them; none are needed for the schema alone.
-- As many as is worth the wait, made by generate_series: current_setting('pgrunbook.scale')::numeric says how many.
"""


def files(*, supabase: bool) -> dict[str, str]:
    """The files of `sandbox/` by their paths in the runbook's folder."""
    own = (resources.files(__package__) / "supabase.sql").read_text("utf-8") if supabase else _SCHEMA
    return {"sandbox/schema.sql": own, "sandbox/data.sql": _DATA}
