"""What a notebook's thin cells call: open a stage, show a frame, look around with %sql, finish."""

from __future__ import annotations

import ast
import html
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pgrunbook import errors, stages
from pgrunbook.stages import STAGES, Session
from pgrunbook.watch import Progress

if TYPE_CHECKING:
    import pandas as pd

_COLOURS = {
    "passed": "#1a7f37", "rolled_back": "#1a7f37", "failed": "#cf222e", "rollback_failed": "#cf222e",
    "aborted": "#cf222e", "pending": "#9a6700", "not_measurable": "#57606a",
    "holds": "#1a7f37", "does not hold": "#bc4c00", "not measurable": "#57606a",
}  # fmt: skip
_STYLE = (
    "<style>table.pgrunbook td,table.pgrunbook th{text-align:left!important;vertical-align:top;"
    "white-space:pre-wrap;overflow-wrap:anywhere;max-width:34em}</style>"
)
_TELL_EVERY_S = 0.2


def open_stage(name: str, namespace: Mapping[str, Any]) -> Session:
    """Open a stage with the notebook's parameters: `session = open_stage("baseline", globals())`.

    Raises `WrongUsage` naming a parameter that is unknown or of the wrong type; papermill itself only warns.
    """
    watcher = NotebookObserver()
    session = stages.open_stage(name, read_parameters(name, namespace), tell=watcher.tell)
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
            remedy="papermill guesses types: -r NAME VALUE passes text as it is, -y 'NAME: true' a truth value",
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
    """Shows progress in one line that is replaced as it goes; in a log it is plain text."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._last = 0.0
        self._shown_object = ""

    def tell(self, text: str) -> None:
        """One line of what is being done."""
        now = time.monotonic()
        if now - self._last >= _TELL_EVERY_S:
            self._last = now
            self._show(text, f"<code>{html.escape(text)}</code>")

    def progress(self, p: Progress) -> None:
        """A bar where the server tells how far it is, a name where somebody is waited for."""
        share = f" {p.fraction:.0%}" if p.fraction is not None else ""
        waiting = f", waiting for {p.waiting_for}" if p.waiting_for else ""
        text = f"[{p.position}/{p.count}] {p.object}: {p.phase}{share}, {p.seconds:.1f} s{waiting}"
        value = f' value="{p.fraction:.3f}"' if p.fraction is not None else ""
        self._show(text, f"<progress{value} max='1' style='width:16em'></progress> <code>{html.escape(text)}</code>")

    def event(self, name: str, **data: Any) -> None:
        """Changes done and interrupts are told; the journal has the rest."""
        if name == "change_done" or name == "undo_done":
            text = f"{data['object']}: {data['outcome']} in {data['seconds']:.2f} s"
            self._show(text, f"<code>{html.escape(text)}</code>")
        elif name == "interrupt":
            print(data["text"])
        elif name == "stage_finished" and self._handle is not None:
            self._show(f"{data['verdict']}", f"<code>{html.escape(data['verdict'])}</code>")

    def _show(self, text: str, markup: str) -> None:
        from IPython.display import display

        bundle = {"text/plain": text, "text/html": markup}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


def frame(rows: Sequence[Any]) -> pd.DataFrame:
    """Typed rows as a pandas data frame, one column a field, for a reader's own analysis."""
    import pandas as pd

    return pd.DataFrame([asdict(row) for row in rows])


def show(found: Any, *, only: Sequence[str] = ()) -> None:
    """Show a part's result: rows as a table, SVG as a picture. `only` picks columns by their headings.

    Bytes become MB, verdicts get a colour, long texts wrap; the plain text is there for logs.
    """
    from IPython.display import display

    if isinstance(found, str):
        display({"image/svg+xml": found, "text/plain": "a chart of medians before and after"}, raw=True)
        return
    rows = found if isinstance(found, Sequence) else [found]
    headings, lines = _table(rows)
    if only and rows:
        places = [headings.index(name) for name in only]
        headings, lines = list(only), [[line[p] for p in places] for line in lines]
    display({"text/html": _html(headings, lines), "text/plain": _text(headings, lines)}, raw=True)


def _table(rows: Sequence[Any]) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of typed rows, as a person reads them."""
    if not rows:
        return ["nothing"], []
    names = [f.name for f in fields(rows[0])]
    in_bytes = {n for n in names if n == "bytes" or n.endswith("_bytes")}
    headings = [
        "MB" if n == "bytes" else n.removesuffix("bytes").replace("_", " ") + "MB" for n in names if n in in_bytes
    ]
    headings = [headings.pop(0) if n in in_bytes else n.replace("_", " ") for n in names]
    return headings, [[_cell(getattr(r, n), megabytes=n in in_bytes) for n in names] for r in rows]


def _cell(value: Any, *, megabytes: bool = False) -> str:
    if value is None:
        return ""
    if megabytes:
        return f"{value / 2**20:,.1f}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def _html(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(h)}</th>" for h in headings)
    body = "".join(f"<tr>{''.join(_td(cell) for cell in line)}</tr>" for line in lines)
    return f'{_STYLE}<table class="pgrunbook"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _td(cell: str) -> str:
    if cell in _COLOURS:
        return f'<td style="color:{_COLOURS[cell]};font-weight:600">{cell.replace("_", " ")}</td>'
    return f"<td>{html.escape(cell)}</td>"


def _text(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    table = [list(headings), *([cell.replace("\n", " ") for cell in line] for line in lines)]
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
    connection = session.connect("sql", read_only=True)
    session.on_close(connection.close)
    sql.connection.Connection.connections.clear()
    sql.connection.Connection.set("postgresql+psycopg://", False, creator=lambda: connection.driver_connection)
    if sql.connection.Connection.current is None:
        raise errors.BadTarget("%sql has no connection", remedy="run the cell again")
    original = getattr(sql.run.run, "strict_of", sql.run.run)

    def strict(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except SQLAlchemyError as e:  # ipython-sql would print it and let the cell pass
            reason = str(getattr(e, "orig", None) or e).splitlines()[0]
            raise errors.StatementFailed(f"%sql: {reason}", remedy="mend the statement") from None

    strict.strict_of = original  # type: ignore[attr-defined]
    sql.run.run = strict


def finish(session: Session) -> None:
    """End the stage and show its verdict; raises unless it passed, so that papermill's status is not zero."""
    from IPython.display import display

    result = session.finish()
    text = f"{result.stage} of run {result.run_id}: {result.verdict.value}, in {result.seconds:.1f} s"
    colour = _COLOURS.get(result.verdict.value, "")
    display(
        {"text/plain": text, "text/html": f'<b style="color:{colour}">{html.escape(text)}</b>'},
        raw=True,
    )
