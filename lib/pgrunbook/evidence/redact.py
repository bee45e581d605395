"""Keep secrets and personal data out of what is written: journal, notebooks, evidence.

Values are replaced by a keyed tag, so that equal values stay recognisable as equal and no more.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any

import postgast

_TOKEN = postgast.pg_query_pb2.Token
_LITERALS = {_TOKEN.SCONST, _TOKEN.USCONST, _TOKEN.ICONST, _TOKEN.FCONST, _TOKEN.BCONST, _TOKEN.XCONST}
_PATTERNS = (
    # up to the last @, since a password may hold quotes
    re.compile(r"(?P<keep>\bpostgres(?:ql)?(?:\+\w+)?://)(?:\S*@[^\s'\"]*|[^\s'\"]+)", re.I),
    re.compile(
        r"(?P<keep>\b(?:ssl)?password\"?\s*[=:]\s*)"
        r"(?!\[redacted\])(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|(?:\\.|[^\s'\"\\])(?:\\.|\S)*)",
        re.I | re.S,
    ),
    re.compile(r"(?P<keep>\bPGPASSWORD\s*=\s*)(?:'[^']*'|\"[^\"]*\"|\S+)"),
    re.compile(r"(?P<keep>\bpassword\s+)(?:(?:E|U&)?'(?:[^'\\]|''|\\.)*'|(?P<tag>\$\w*\$).*?(?P=tag))", re.I | re.S),
    re.compile(r"(?P<keep>)\bSCRAM-SHA-256\$\S+"),
    re.compile(r"(?P<keep>)\bmd5[0-9a-f]{32}\b"),
    re.compile(r"(?P<keep>)\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    re.compile(r"(?P<keep>\bBearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.I),
    re.compile(r"(?P<keep>)\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk_live_|sbp_|AKIA|ASIA)[A-Za-z0-9_-]{10,}"),
    re.compile(r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.S),
    # a row may hold line ends; what follows it is another field of the error
    re.compile(r"(?P<keep>\bDETAIL:\s+).*?(?=\n\s*(?:[A-Z]+:\s|LINE \d|remedy:)|\Z)", re.S),
    re.compile(r"(?P<keep>\bKey \([^)]*\)=)\(.*\)"),
    re.compile(r"(?P<keep>\bFailing row contains )\(.*\)", re.S),
)
_QUOTED = re.compile(r'"[^"]*"')


def scrub(text: str) -> str:
    """The text without connection strings, passwords, verifiers, tokens, keys and rows quoted by errors.

    >>> scrub("host=db password=hunter2 user=me")
    'host=db password=[redacted] user=me'
    >>> scrub("postgresql://me:pw@db/x failed"), scrub("DETAIL:  Key (email)=(a@b.c) exists")
    ('postgresql://[redacted] failed', 'DETAIL:  [redacted]')
    """
    for pattern in _PATTERNS:
        text = pattern.sub(lambda m: m["keep"] + "[redacted]", text)
    return text


def without_literals(expression: str) -> str:
    """An SQL expression with `?` for each constant; all of it where it can't be read.

    >>> without_literals("((phone ~ '^5'::text) AND (t1.id > 3))")
    '((phone ~ ?::text) AND (t1.id > ?))'
    """
    try:
        tokens = postgast.scan(expression).tokens
    except postgast.PgQueryError:
        return "?"
    raw, out, done = expression.encode(), [], 0
    for t in tokens:
        if t.token in _LITERALS:
            out += [raw[done : t.start], b"?"]
            done = t.end
    return b"".join([*out, raw[done:]]).decode()


def unquoted(message: str) -> str:
    """A server's message without the values, and names, that it quotes.

    >>> unquoted('invalid input syntax for type integer: "a@b.c"')
    'invalid input syntax for type integer: "…"'
    """
    return _QUOTED.sub('"…"', message)


def scrubbed(value: Any) -> Any:
    """`scrub` for every text within a JSON value."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {k: scrubbed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(v) for v in value]
    return value


def tag(key: bytes, value: object) -> str:
    """A keyed hash of a value, 8 hex digits: equal values of one run show the same tag (HMAC-SHA-256).

    >>> tag(b"k", "555") == tag(b"k", "555"), tag(b"k", "555") == tag(b"j", "555")
    (True, False)
    """
    return "#" + hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[:8]
