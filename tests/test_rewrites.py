"""A query that takes another one's place: its rows against the other's, on a real server."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from fix_databases import Place
from pgrunbook import errors, runbook
from pgrunbook.findings import Verdict
from pgrunbook.measure.rewrites import Rewritten, compare_rows
from pgrunbook.measure.workload import BindSet

ALL = "select id, at from calls where org = :'org'::int order by at desc, id"
BINDS = """
[binds]
common = "select 1 as org, 2 as most, 0 as skipped"
"""


def a_runbook(root: Path, **queries: str) -> runbook.Runbook:
    """A runbook with these workload files."""
    folder = root / "runbooks" / "calls"
    (folder / "workload").mkdir(parents=True)
    (folder / "runbook.toml").write_text('title = "Calls"\n')
    (folder / "migrate.sql").write_text("create index calls_at_idx on calls (at);\n")
    for name, text in queries.items():
        (folder / "workload" / f"{name}.sql").write_text(textwrap.dedent(text))
    return runbook.load(root, "calls")


def old() -> str:
    return f'/*---\ntitle = "All"\n{BINDS}---*/\n{ALL};\n'


def new(sql: str, **front: str) -> str:
    keys = "\n".join(f"{k} = {v}" for k, v in front.items())
    return f'/*---\ntitle = "New"\nreplaces = "everything"\n{keys}\n---*/\n{sql};\n'


def compared(tmp_path: Path, database: Place, sql: str, *pages: int, **front: str) -> list[Rewritten]:
    """How a rewrite compares with ALL, for pages of two (or once)."""
    database.run(
        "create table calls (id int, org int, at int)",
        "insert into calls select g, 1 + g % 2, g / 3 from generate_series(1, 24) g",
    )
    about = a_runbook(tmp_path, everything=old(), page=new(sql, **front))
    binds = [BindSet(f"page {n}", {"org": "1", "most": "2", "skipped": str(2 * n - 2)}) for n in pages or (1,)]
    with database.connect() as session:
        return compare_rows(session, about.query("everything"), about.query("page"), binds, 30)


PAGE = f"{ALL} limit :'most'::int offset :'skipped'::int"


def test_page_of_the_old_result__has_the_same_rows(tmp_path: Path, database: Place) -> None:
    """The last page is shorter, the one behind it empty; both are right."""
    found = compared(tmp_path, database, PAGE, 1, 6, 7, same='"page"', page='["most", "skipped"]')
    assert [(r.verdict, r.differing, r.rows_before, r.rows_after) for r in found] == [
        (Verdict.PASSED, 0, 2, 2), (Verdict.PASSED, 0, 2, 2), (Verdict.PASSED, 0, 0, 0),
    ]  # fmt: skip
    assert [r.shown for r in found] == ["page 1 of 2", "page 6 of 2", "page 7 of 2"]


def test_limited_fetch__is_right_on_its_first_pages_only(tmp_path: Path, database: Place) -> None:
    """Twice the limit is fetched, then the page is cut out of it: from the third page on nothing is left."""
    fetched = f"select * from ({ALL} limit 2 * :'most'::int) f limit :'most'::int offset :'skipped'::int"
    found = compared(tmp_path, database, fetched, 1, 2, 3, same='"page"', page='["most", "skipped"]')
    assert [r.differing for r in found] == [0, 0, 2]
    assert [r.verdict for r in found] == [Verdict.PASSED, Verdict.PASSED, Verdict.FAILED]


def test_other_order__is_the_same_set_but_not_equal(tmp_path: Path, database: Place) -> None:
    """A set is one with multiplicity, whatever the order."""
    turned = "select id, at from calls where org = :'org'::int order by id"
    (found,) = compared(tmp_path, database, turned, same='"set"')
    assert (found.verdict, found.differing) == (Verdict.PASSED, 0)


def test_equal__sees_another_order(tmp_path: Path, database: Place) -> None:
    """Rows in another place are other rows."""
    (found,) = compared(tmp_path, database, "select id, at from calls where org = :'org'::int order by id")
    assert found.verdict is Verdict.FAILED
    assert found.differing


def test_old_query_over_its_limit__is_not_measurable(tmp_path: Path, database: Place) -> None:
    """Nobody knows what it would have said."""
    slow = "select id, at from calls, pg_sleep(1) where org = :'org'::int"
    about = a_runbook(tmp_path, everything=old(), page=new(slow))
    database.run("create table calls (id int, org int, at int)", "insert into calls values (1, 1, 1)")
    with database.connect() as session:
        binds = [BindSet("common", {"org": "1"})]
        (found,) = compare_rows(session, about.query("everything"), about.query("page"), binds, 0.1)
    assert (found.verdict, found.differing) == (Verdict.NOT_MEASURABLE, None)


def test_rewrite__is_sampled_with_the_query_that_it_replaces(tmp_path: Path) -> None:
    """So both get the same values, and the bind queries stand once."""
    about = a_runbook(tmp_path, everything=old(), page=new(PAGE, same='"page"', page='["most", "skipped"]'))
    assert about.query("everything").sampled == ("org", "most", "skipped")
    assert about.query("page").replaces == "everything"


@pytest.mark.parametrize(
    ("sql", "front", "message"),
    [
        (ALL, {"replaces": '"nothing"'}, "no query 'nothing' that replaces none itself; there are: everything"),
        (ALL, {"same": '"page"'}, "page: names two parameters"),
        (ALL, {"page": '["most", "skipped"]'}, 'page: is for same = "page"'),
        (f"{ALL} limit :'other'::int", {}, "binds.common of everything samples no column other"),
        (f"{ALL}; {ALL}", {}, "need one statement each"),
    ],
)
def test_rewrite_that_does_not_fit__is_told_with_file_and_line(
    tmp_path: Path, sql: str, front: dict[str, str], message: str
) -> None:
    """At reading, long before anything is measured."""
    text = new(sql, **front)
    if "replaces" in front:
        text = text.replace('replaces = "everything"\n', "", 1)
    with pytest.raises(errors.InvalidRunbook) as caught:
        a_runbook(tmp_path, everything=old(), page=text)
    assert message in caught.value.message
    assert "workload/page.sql:" in caught.value.message
