"""ENABLE, DISABLE, FORCE and NO FORCE ROW LEVEL SECURITY: what they say, and the way back to what was."""

from __future__ import annotations

from fix_changes import forth_and_back, planned, state, typed
from fix_databases import Place
from pgrunbook import changes


def test_forth_and_back__restores_what_was(database: Place) -> None:
    """Each command is a change of its own, with a state of its own."""
    database.run('create schema app; create table app."T t" (id int)')
    with database.connect() as on:
        assert state(on, 'alter table app."T t" enable row level security') == "absent"
        assert state(on, 'alter table app."T t" disable row level security') == "present"
        assert state(on, 'alter table app."T t" force row level security') == "absent"
        undo = forth_and_back(on, 'alter table app."T t" enable row level security, force row level security')
        assert undo == [
            'alter table app."T t" no force row level security',
            'alter table app."T t" disable row level security',
        ]
        on.execute('alter table app."T t" enable row level security, force row level security')
        forth_and_back(
            on, 'alter table app."T t" disable row level security; alter table app."T t" no force row level security'
        )


def test_parts__have_one_label_and_a_subject_each() -> None:
    """One key in runbook.toml for a table's row security; with another command beside them all is raw SQL."""
    found = typed("alter table t enable row level security, force row level security")
    assert [(c.kind, c.label, c.subject, c.together) for c in found] == [
        ("row_security", "t.row_security", "row security of t", "row security of t"),
        ("row_security", "t.row_security", "forced row security of t", "row security of t"),
    ]
    assert {c.kind for c in typed("alter table t enable row level security, set logged")} == {"raw_sql"}
    known = changes.again("row_security", "ALTER TABLE app.t ENABLE ROW LEVEL SECURITY", {}, 1)
    assert str(known.undo({})[0]) == "alter table app.t disable row level security;"


def test_lint__says_who_sees_nothing_or_everything(database: Place) -> None:
    """Enabled without a policy, of the target or of the migration, it denies all; disabled it denies nothing."""
    database.run("create table t (id int)", "create table u (id int)", "create policy p on u using (true)")
    enable = "alter table t enable row level security"

    def notes(text: str, position: int = 0) -> str:
        with database.connect() as on:
            return " ".join(planned(on, text)[position].lint()[1:])

    assert "public.t has no policy" in notes(enable)
    assert notes("alter table u enable row level security") == ""
    assert notes(f"{enable}; create policy p on t using (true)") == ""
    assert notes(f"create policy p on t using (true); {enable}", 1) == ""
    assert "no policy" in notes("drop policy p on u; alter table u enable row level security", 1)
    assert "no policy" in notes("alter table u enable row level security; drop policy p on u")
    assert "sees every row" in notes("alter table u disable row level security")
    assert "do not hold for its owner" in notes("alter table u no force row level security")
