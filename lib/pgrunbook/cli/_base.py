"""What the verbs share: `--json`, errors as one sentence with their remedy, the common options, the screen."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from pgrunbook.errors import Aborted, PgRunbookError

if TYPE_CHECKING:
    from pgrunbook.headless import RunOutcome, Screen

# Everything else is imported where it is used: `--help` must not wait for papermill.


def verb(function: Callable[..., int | None]) -> Callable[..., None]:
    """A verb: `--json`, and every error as one sentence with its remedy and its exit status."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout and nothing else there.")
    @wraps(function)
    def run(*args: Any, as_json: bool, **kwargs: Any) -> None:
        try:
            status = function(*args, as_json=as_json, **kwargs)
        except PgRunbookError as e:
            status = _trouble(e, as_json=as_json)
        except KeyboardInterrupt:
            status = _trouble(Aborted("stopped by hand", remedy="run it again"), as_json=as_json)
        sys.exit(status or 0)

    return run


def _trouble(error: PgRunbookError, *, as_json: bool) -> int:
    if as_json:
        print_json({"verdict": error.verdict, "error": error.message, "remedy": error.remedy})
    else:
        from pgrunbook import screen

        screen.trouble(error.message, error.remedy)
    return error.exit_status


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1, default=str))


target_option = click.option(
    "--target", default="sandbox", show_default=True, help="sandbox, a libpq service, env:NAME, or sqlite:FILE."
)
evidence_option = click.option(
    "--evidence", "evidence_dir", default="evidence", show_default=True, help="Folder for the runs' files."
)
run_id_option = click.option("--run-id", default="", help="A run by its name.")
scope_option = click.option(
    "--scope",
    type=click.Choice(["indexes", "all"]),
    default=None,
    help="indexes: quick; all: also what the runbook keeps.",
)


@contextmanager
def watching(as_json: bool) -> Iterator[Screen]:
    from pgrunbook import headless, screen

    if as_json or not screen.interactive():
        yield headless.Silent() if as_json else headless.Lines()
        return
    terminal = screen.Terminal()
    try:
        yield terminal
    finally:
        terminal.close()


def ended(found: RunOutcome, *, as_json: bool, demonstration: bool = False) -> int:
    if as_json:
        print_json(found.as_json())
    else:
        from pgrunbook import runbook, screen

        (screen.demonstration if demonstration else screen.outcome)(found, runbook.project_root())
    return found.exit_status


def common(runbook: str, target: str, run_id: str, evidence_dir: str) -> Any:
    from pgrunbook import db, engines
    from pgrunbook import runbook as runbooks
    from pgrunbook.stages import Parameters
    from pgrunbook.stages._base import check_run_id

    target = engines.typed(target)
    where = db.parse_target(target)
    check_run_id(run_id)
    if where.kind in ("sandbox", "sqlite") and runbook:
        engines.of(where).ready(where, runbooks.load(runbooks.project_root(), runbook), lambda _: None)
    return Parameters(runbook=runbook, target=target, run_id=run_id, evidence_dir=evidence_dir)


def said(text: str, content: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(content)
    else:
        click.echo(text)
