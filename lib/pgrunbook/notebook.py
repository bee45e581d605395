"""What a notebook's thin cells call: open a stage, show a frame, look around with %sql, finish."""

from __future__ import annotations

import ast
import base64
import html
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pgrunbook import errors, stages
from pgrunbook.findings import Check
from pgrunbook.stages import STAGES, Session
from pgrunbook.watch import Progress

if TYPE_CHECKING:
    import pandas as pd

_TONES = {
    "passed": "good", "rolled_back": "good", "holds": "good", "failed": "bad", "rollback_failed": "bad",
    "aborted": "bad", "pending": "open", "does not hold": "off", "not_measurable": "mute", "not measurable": "mute",
}  # fmt: skip
_COLOURS = {"good": "#1a7f37", "bad": "#cf222e", "open": "#9a6700", "off": "#bc4c00", "mute": "#57606a"}
_HEADINGS = {"position": "#", "waited": "waited s", "p95": "p95 ms", "p99": "p99 ms", "max": "max ms"}
_STYLE = """<style>
table.pgrunbook { margin: 0 }
table.pgrunbook :is(td, th) { vertical-align: top; max-width: 34em }
table.pgrunbook td[style*="pre-wrap"] { min-width: 9em }
table.pgrunbook.upright td { max-width: 64em }
table.pgrunbook.upright th { padding-top: .9em }
table.pgrunbook.upright td:first-child { padding-left: 2em; opacity: .7 }
table.pgrunbook wbr.s { display: none }
[data-jp-theme-light=false] .pgrunbook-good { color: #3fb950 !important }
[data-jp-theme-light=false] .pgrunbook-bad { color: #ff7b72 !important }
[data-jp-theme-light=false] .pgrunbook-open { color: #d29922 !important }
[data-jp-theme-light=false] .pgrunbook-off { color: #f0883e !important }
[data-jp-theme-light=false] .pgrunbook-mute { color: #9198a1 !important }
@media print {
table.pgrunbook { font-size: 7.5pt }
table.pgrunbook :is(td, th) { padding: 2px 4px }
table.pgrunbook tr, table.pgrunbook.upright tbody { break-inside: avoid }
table.pgrunbook wbr.s { display: inline }
}
</style>"""
# the whole notebook when it is printed: nothing cut off at the right, no page left half empty
_PAPER = """<style>
@media print {
@page { margin: 12mm }
:root {
  --jp-content-font-size1: 11px !important; --jp-code-font-size: 10px !important;
  --jp-cell-prompt-width: 44px !important
}
body, .jp-Notebook { padding: 0 !important; margin: 0 !important }
.jp-InputPrompt, .jp-OutputPrompt { font-size: 8px !important }
.highlight pre, .jp-OutputArea-output pre { white-space: pre-wrap !important; overflow-wrap: anywhere }
.jp-OutputArea-output { overflow: visible !important }
.jp-OutputArea-output code { font-size: 10px }
table.dataframe { font-size: 7.5pt !important }
.jp-OutputArea-child { break-inside: auto !important }
.jp-Cell-inputWrapper { break-inside: avoid }
h1, h2, h3 { break-after: avoid }
.anchor-link { display: none !important }
}
</style>"""
_QUANTITY = re.compile(r"(?:[<>] )?[+-]?[\d,]+(?:\.\d+)?(?: ?(?:ms|s|kB|MB|GB|%|×))?")
_HASH = re.compile(r"[0-9a-f]{32,}")
_MAY_BREAK = re.compile(r"([._/])(?=[a-z]\w\w)")
_WORD = re.compile(r"\S{12,}")
_LONG_WORD = 45
_SHORT = 26
_HEADING_BREAKS = 10
_TITLE = ("#", "object", "kind", "state", "level", "finding", "when")
_ORPHAN = {"wait": "it is waited for", "cancel": "it is cancelled"}
_TELL_EVERY_S = 0.2


def open_stage(name: str, namespace: Mapping[str, Any]) -> Session:
    """Open a stage with the notebook's parameters: `session = open_stage("baseline", globals())`.

    Raises `WrongUsage` naming a parameter that is unknown or of the wrong type; papermill itself only warns.
    """
    left = namespace.get("session")
    if isinstance(left, Session):
        left.close()  # opened by an earlier go in this kernel and never finished: it would hold the runbook's lock
    watcher = NotebookObserver()
    session = stages.open_stage(name, read_parameters(name, namespace), tell=watcher.tell)
    now = datetime.now(UTC)
    watcher.settle(
        f"{now:%Y-%m-%d %H:%M} UTC: {name} of run {session.run_id} of {session.runbook.name} on {session.target.name}",
        _PAPER,
    )
    session.observers.append(watcher)
    return session


def read_parameters(name: str, namespace: Mapping[str, Any]) -> stages.Parameters:
    """A stage's parameters from a notebook's names."""
    model = STAGES[name].parameters
    unknown = [n for n in _injected(namespace) if n not in model.model_fields]
    if unknown:
        raise errors.WrongUsage(
            f"{STAGES[name].notebook} has no parameter {', '.join(unknown)}",
            remedy=f"it has: {', '.join(model.model_fields)}",
        )
    given = {n: namespace[n] for n in model.model_fields if n in namespace}
    try:
        return model.model_validate(given)
    except ValidationError as e:
        wrong = "; ".join(
            f"{m['loc'][0]}: {m['msg'].lower()}, not {_kind(m['input'])}" for m in e.errors(include_url=False)
        )
        raise errors.WrongUsage(
            f"{STAGES[name].notebook}: {wrong}",
            remedy="mend the parameters cell; or, since papermill guesses types: -r NAME VALUE passes text as it is, "
            "-y 'NAME: true' a truth value",
        ) from None


def _kind(value: object) -> str:
    """A value as an error may show it: a text could be a secret that was given under the wrong name."""
    return f"{type(value).__name__} {value!r}" if isinstance(value, bool | int | float) else type(value).__name__


def _injected(namespace: Mapping[str, Any]) -> list[str]:
    """The names that papermill's injected cell sets, read from the cells run so far."""
    found: list[str] = []
    for cell in namespace.get("In", ()):
        if cell.lstrip().startswith("# Parameters"):
            for node in ast.parse(cell).body:
                targets = node.targets if isinstance(node, ast.Assign) else []
                found += [t.id for t in targets if isinstance(t, ast.Name)]
    return found


class NotebookObserver:
    """Shows progress in one line that is replaced as it goes, below the cell that runs; in a log it is plain text."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = 0.0
        self._text = ""
        self._done: list[str] = []

    def tell(self, text: str) -> None:
        """One line of what is being done."""
        now = time.monotonic()
        if now - self._last >= _TELL_EVERY_S:
            self._last = now
            self._show(text)

    def progress(self, p: Progress) -> None:
        """A bar where the server tells how far it is, a name where somebody is waited for."""
        share = f" {p.fraction:.0%}" if p.fraction is not None else ""
        waiting = f", waiting for {p.waiting_for}" if p.waiting_for else ""
        place = f"[{p.position}/{p.count}] " if p.position else ""
        value = f' value="{p.fraction:.3f}"' if p.fraction is not None else ""
        self._show(
            f"{place}{p.object}: {p.phase}{share}, {p.seconds:.1f} s{waiting}",
            f"<progress{value} max='1' style='width:10em'></progress> ",
        )

    def event(self, name: str, **data: Any) -> None:
        """Changes done, interrupts and what stands in the way are told; the journal has the rest."""
        if name == "part_started":
            self._handle, self._last, self._done = None, 0.0, []
        elif name in ("change_done", "undo_done"):
            self._done.append(f"{data['object']}: {data['outcome']} in {data['seconds']:.2f} s")
            self._show(self._done[-1])
        elif name == "interrupt":
            print(data["text"])
        elif name == "retry":
            self._show(f"{data['object']}: once more, {data['reason']}")
        elif name == "orphan":
            print(f"{data['object']}: backend {data['pid']} is still at it; {_ORPHAN[data['action']]}")
        elif name == "left_over":
            print(f"{data['object']}: left over, {data['reason']}\n  remedy: {data['remedy']}")
        elif name == "part_finished" and self._handle is not None:
            self.settle(f"took {data['seconds']:.1f} s")
        elif name == "stage_finished" and self._handle is not None:
            last = [] if self._text in self._done else [self._text]
            self.settle("\n".join([*self._done, *last, data["verdict"].replace("_", " ")]))

    def settle(self, text: str, markup: str = "") -> None:
        """Put the last word in the line's place: what was going on is over, and the notebook is kept."""
        self._show(text, markup)
        self._handle = None

    def _show(self, text: str, markup: str = "") -> None:
        from IPython.display import display

        self._text = text
        lines = html.escape(text).replace("\n", "<br>")
        bundle = {"text/plain": text, "text/html": f"{markup}<code>{lines}</code>"}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def frame(rows: Sequence[Any]) -> pd.DataFrame:
    """Typed rows as a pandas data frame, one column a field, for a reader's own analysis."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows])


def show(found: Any, *, only: Sequence[str] = (), upright: bool = False) -> None:
    """Show a part's result: rows as a table, SVG as a picture, any other text as a paragraph.

    `only` picks columns by their headings. `upright` makes a block of each row, a line a column: for long texts.
    Bytes become MB, verdicts get a colour, long texts wrap, a column with nothing in it is left out; the plain text
    is there for logs.
    """
    from IPython.display import display

    if isinstance(found, str):
        display(_picture(found) if found.startswith("<svg") else _paragraph(found), raw=True)
        return
    rows = found if isinstance(found, Sequence) else [found]
    if not rows:
        display(_paragraph("nothing"), raw=True)
        return
    headings, lines = _table(rows)
    places = [headings.index(name) for name in only or headings]
    places = [p for p in places if any(line[p] for line in lines)]
    headings, lines = [headings[p] for p in places], [[line[p] for p in places] for line in lines]
    markup, text = (_upright, _upright_text) if upright else (_html, _text)
    display({"text/html": markup(headings, lines), "text/plain": text(headings, lines)}, raw=True)


def _picture(svg: str) -> dict[str, str]:
    """SVG, and the same as an image of HTML: JupyterLab does not draw the SVG of a notebook that it does not trust."""
    title = svg.partition("<title>")[2].partition("</title>")[0] or "a chart"
    data = base64.b64encode(svg.encode()).decode()
    image = f'<img src="data:image/svg+xml;base64,{data}" alt="{title}" style="width:100%;max-width:800px">'
    return {"text/html": image, "image/svg+xml": svg, "text/plain": html.unescape(title)}


def _paragraph(text: str) -> dict[str, str]:
    return {"text/html": f'<p style="max-width:64em">{html.escape(text)}</p>', "text/plain": text}


def _table(rows: Sequence[Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of typed rows, as a person reads them."""
    names = [f.name for f in fields(rows[0])]
    headings = [_heading(n) for n in names]
    if isinstance(rows[0], Check):
        headings[names.index("claimed")] = "expected"
    return headings, [[_cell(getattr(r, n), n) for n in names] for r in rows]


def _heading(name: str) -> str:
    """A field's name with its unit.

    >>> [_heading(n) for n in ("bytes", "table_bytes", "growth_percent", "plan_after")]
    ['MB', 'table MB', 'growth %', 'plan after']
    """
    if name in _HEADINGS:
        return _HEADINGS[name]
    words, _, last = name.rpartition("_")
    unit = {"bytes": "MB", "mb": "MB", "percent": "%", "ms": "ms"}.get(last, last)
    return f"{words} {unit}".strip().replace("_", " ")


def _cell(value: Any, name: str = "") -> str:
    """A value as a person reads it: the numbers of a column have the same decimals, a plan has a line a scan."""
    if value is None:
        return ""
    if name.endswith("bytes"):
        return f"{value / 2**20:,.1f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.1f}" if name.endswith(("_mb", "_percent")) else f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    if name.startswith("plan"):
        return str(value).replace(", ", "\n")
    return str(value)


def _html(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table. What matters most is said in `style` attributes: a notebook that is not trusted loses its <style>."""
    columns = [[line[p] for line in lines] for p in range(len(headings))]
    styles = [_column_style(heading, cells) for heading, cells in zip(headings, columns, strict=True)]
    head = "".join(
        f'<th style="text-align:{"right" if "right" in style else "left"}'
        f'{"" if len(h) > _HEADING_BREAKS else ";white-space:nowrap"}">{html.escape(h)}</th>'
        for h, style in zip(headings, styles, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_td, line, styles))}</tr>" for line in lines)
    return f'{_STYLE}<table class="pgrunbook"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _column_style(heading: str, cells: Sequence[str]) -> str:
    """Quantities stand at the right and never break, short words don't either: long texts get the room that is left."""
    filled = [c for c in cells if c]
    if heading == "QUERY PLAN" or (filled and all(map(_HASH.fullmatch, filled))):
        return "text-align:left;white-space:pre-wrap;font-family:monospace;max-width:none"
    if filled and all(map(_QUANTITY.fullmatch, filled)):
        return "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;width:1px"
    if all(len(line) <= _SHORT for c in cells for line in c.split("\n")):
        return "text-align:left;white-space:pre;width:1px"
    return "text-align:left;white-space:pre-wrap"


def _td(cell: str, style: str) -> str:
    if tone := _TONES.get(cell):
        words = cell.replace("_", " ")
        return f'<td class="pgrunbook-{tone}" style="{style};color:{_COLOURS[tone]};font-weight:600">{words}</td>'
    text = html.escape(cell)
    if "pre-wrap" in style:
        text = _WORD.sub(_breakable, text)
    return f'<td style="{style}">{text}</td>'


def _breakable(word: re.Match[str]) -> str:
    """A name may break at its dots and underscores: a long one at need, any other one on paper only."""
    return _MAY_BREAK.sub(r"\1<wbr>" if len(word[0]) >= _LONG_WORD else r'\1<wbr class="s">', word[0])


def _upright(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Each row as a block: its number and first words as a title, then a line a column."""
    blocks = []
    left = "text-align:left;white-space:pre-wrap"
    for line in lines:
        title, rest = _titled(headings, line)
        rows = "".join(
            f'<tr><td style="text-align:left;white-space:pre">{html.escape(h)}</td>{_td(c, left)}</tr>' for h, c in rest
        )
        head = f'<tr><th colspan="2" style="text-align:left">{html.escape(title)}</th></tr>'
        blocks.append(f"<tbody>{head}{rows}</tbody>")
    return f'{_STYLE}<table class="pgrunbook upright">{"".join(blocks)}</table>'


def _upright_text(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    width = max((len(h) for h in headings), default=0)
    blocks = []
    for line in lines:
        title, rest = _titled(headings, line)
        blocks.append("\n".join([title, *(f"    {h:<{width}}  {c}" for h, c in rest)]))
    return "\n".join(blocks)


def _titled(headings: Sequence[str], line: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """The leading columns of a row in one line, and the others that say something."""
    pairs = list(zip(headings, line, strict=True))
    count = next((p for p, (h, _) in enumerate(pairs) if h not in _TITLE), len(pairs))
    number, words = (f"{pairs[0][1]}. ", pairs[1:count]) if pairs[0][0] == "#" else ("", pairs[:count])
    return number + ", ".join(c for _, c in words), [(h, c) for h, c in pairs[count:] if c]


def _text(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    table = [list(headings), *([cell.replace("\n", ", ") for cell in line] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table)


@contextmanager
def _without_pandas() -> Iterator[None]:
    """ipython-sql takes pandas along if it is there, for a result's `DataFrame()`, which imports it by itself anyway.

    Loading it is half of what a notebook with a `%sql` cell would cost.
    """
    if "pandas" in sys.modules:
        yield
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]  # the import system's own way to say "not there"
    try:
        yield
    finally:
        del sys.modules["pandas"]


def enable_sql(session: Session) -> None:
    """Let `%sql` read on the session's target, over a second connection that is read-only; its errors are raised."""
    import prettytable

    prettytable.__dict__.setdefault("DEFAULT", prettytable.TableStyle.DEFAULT)  # ipython-sql 0.5 looks it up there
    from IPython import get_ipython

    with _without_pandas():
        import sql.connection
        import sql.magic
        import sql.run
    from sqlalchemy.exc import SQLAlchemyError

    shell = get_ipython()
    if shell is None:
        raise errors.WrongUsage("%sql needs a notebook", remedy="open it in JupyterLab, or run it with papermill")
    shell.extension_manager.load_extension("sql")
    magic = shell.magics_manager.registry["SqlMagic"]
    magic.displaycon = magic.feedback = False
    magic.displaylimit = 200
    session.on_close(sql.connection.Connection.connections.clear)
    url, connection = session.for_sql()
    sql.connection.Connection.connections.clear()
    sql.connection.Connection.set(url, False, creator=lambda: connection)
    if sql.connection.Connection.current is None:
        raise errors.BadTarget("%sql has no connection", remedy="run the cell again")
    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type(sql.run.ResultSet, lambda found: _sql_html(found, magic.displaylimit))
    original = getattr(sql.run.run, "strict_of", sql.run.run)

    def strict(conn: Any, statement: str, *args: Any, **kwargs: Any) -> Any:
        asked, word = session.by_hand(statement)
        if word:
            show(word)
        try:
            return original(conn, asked, *args, **kwargs)
        except SQLAlchemyError as e:  # ipython-sql would print it and let the cell pass
            reason = str(getattr(e, "orig", None) or e).splitlines()[0]
            raise errors.StatementFailed(f"%sql: {reason}", remedy="mend the statement") from None

    strict.strict_of = original  # type: ignore[attr-defined]
    sql.run.run = strict


def _sql_html(found: Any, limit: int) -> str:
    """A result of `%sql` as our own tables look: text at the left, an EXPLAIN with its indentation."""
    if not found.pretty:
        return "<code>done</code>"
    more = f"<p>the first {limit:,} of {len(found):,} rows</p>" if len(found) > limit else ""
    return _html(list(found.keys), [["NULL" if v is None else str(v) for v in row] for row in found[:limit]]) + more


def finish(session: Session) -> None:
    """End the stage and show its verdict; raises unless it passed, so that papermill's status is not zero."""
    from IPython.display import display

    result = session.finish()
    verdict = result.verdict.value
    text = f"{result.stage} of run {result.run_id}: {verdict}, {result.seconds:.1f} s after it was opened"
    tone = _TONES.get(verdict, "mute")
    markup = f'{_STYLE}<b class="pgrunbook-{tone}" style="color:{_COLOURS[tone]}">{html.escape(text)}</b>'
    display({"text/plain": text, "text/html": markup}, raw=True)
