"""The command line. Each verb says on stdout what it found, with `--json` as one JSON document and nothing else."""

from __future__ import annotations

import click

from pgrunbook import __version__
from pgrunbook.cli import proving, reading, running, sandbox, writing


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pgrunbook")
def main() -> None:
    """Runbook notebooks that take a change to a PostgreSQL database from baseline to rollback.

    Exit status: 0 passed, 2 wrong usage or target, 10 failed, 11 waits for a person, 20 failed and rolled back,
    30 rollback failed, 40 aborted.
    """


for _command in (
    running.demo, reading.list_runbooks, reading.show, reading.plan, running.run, running.rollback, reading.status,
    running.audit, running.load, running.monitor, writing.new, proving.prove, sandbox.sandbox,
    reading.ledger,
):  # fmt: skip
    main.add_command(_command)
