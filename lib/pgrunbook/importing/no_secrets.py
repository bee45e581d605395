"""Secrets in a migration: a runbook is committed, shown and archived, so none may come into it.

What is looked for are passwords where the grammar has them, and texts, comments among them, that are plainly secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pgrunbook import sqlfile
from pgrunbook.sqlfile import SqlStatement

_WITH_OPTIONS = {
    "create_role_stmt", "alter_role_stmt", "create_user_mapping_stmt", "alter_user_mapping_stmt",
    "create_foreign_server_stmt", "alter_foreign_server_stmt", "create_fdw_stmt", "alter_fdw_stmt",
    "create_foreign_table_stmt",
}  # fmt: skip
# of foreign data wrappers; what ends in _id names a secret that is kept elsewhere
_SECRET_OPTION = re.compile(r"(?:ssl)?password|passcode|private_key|.*(?:secret|token|api_?key|access_key)", re.I)
_REFUSED = (
    "holds {}, and would be kept in migrate.sql and source/: leave it out, and set it by hand afterwards, or have the "
    "database read it from where secrets are kept"
)
_PASSWORD, _CONNECTION, _KEY = "a password", "a connection string with its password", "a key or token"
# Bounded, so that a file of megabytes that only looks like them takes no longer than another.
_TEXTS = (
    (_CONNECTION, re.compile(r"://[^\s:/@'\"]{0,200}:[^\s@/'\"]{1,200}@")),
    # password=… beside another keyword of libpq, within one literal; not where a placeholder or || follows
    (
        _CONNECTION,
        re.compile(
            r"'(?=[^'\n]{0,500}?\b(?:host|hostaddr|dbname|user|port|service)=)"
            r"[^'\n]{0,500}?\bpassword=(?!%|\$\d|''?\s*\|\|)'{0,2}[^\s'\"]",
            re.I,
        ),
    ),
    (_PASSWORD, re.compile(r"\bPGPASSWORD\s?=\s?[^\s$]")),
    # in the body of a function, where quotes are doubled
    (_PASSWORD, re.compile(r"\bpassword\s{1,20}(?:E|U&)?'{1,4}[^'\s;,)%]", re.I)),
    (_PASSWORD, re.compile(r"\bSCRAM-SHA-256\$\d")),
    (_KEY, re.compile(r"\beyJ[\w-]{8,2000}\.[\w-]{8,2000}\.[\w-]{8}")),
    (_KEY, re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk_live_|sbp_|AKIA|ASIA)\w{10}")),
    (_KEY, re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----")),
)


def told(sql: str, statements: Sequence[SqlStatement]) -> Iterator[tuple[int, str]]:
    """The lines of a text that hold a secret, each once, and why they are refused.

    >>> list(told(sql := "create role a;\\nalter role a password 'x'", sqlfile.split(sql)))[0][0]
    2
    """
    lines: dict[int, str] = {}
    for one in statements:
        if one.node_kind in _WITH_OPTIONS and _has_option(one):
            lines[one.line] = _PASSWORD
    for what, pattern in _TEXTS:
        for match in pattern.finditer(sql):
            lines.setdefault(1 + sql.count("\n", 0, match.start()), what)
    for line, what in sorted(lines.items()):
        yield line, _REFUSED.format(what)


def _has_option(statement: SqlStatement) -> bool:
    """Whether an option that is a secret is set; PASSWORD NULL and DROP PASSWORD set none."""
    options: list[Any] = [m for _, m in sqlfile.walk(statement.node) if m.DESCRIPTOR.name == "DefElem"]
    return any(_SECRET_OPTION.fullmatch(o.defname) and o.HasField("arg") for o in options)
