"""Changes of a type that lose nothing: each value comes through them, and back, as it was, or the server refuses it."""

from __future__ import annotations

import re
from collections.abc import Collection

_TYPE = re.compile(r"([^(]+?)(?:\((-?\d+)(?:,(-?\d+))?\))?((?: with(?:out)? time zone)?)(?: collate .*)?")
_INTEGERS = ("smallint", "integer", "bigint")
# of which a longer one holds all that a shorter one does; without a length they hold all
_BY_LENGTH = ("character varying", "bit varying", "timestamp", "time", "interval")
_TEXT = ("character varying", "text")


def is_exact(was: str, becomes: str, enums: Collection[str] = ()) -> bool:
    """Whether all values of a type survive its change into another and back; `enums` are those of the two that are one.

    >>> is_exact("integer", "bigint"), is_exact("bigint", "integer"), is_exact("numeric(10,2)", "numeric(12,1)")
    (True, True, False)
    >>> is_exact("character varying(5)", "text"), is_exact("text", "character varying(5)"), is_exact("real", "integer")
    (True, False, False)
    """
    if was == becomes:
        return True
    one, other = _TYPE.fullmatch(was), _TYPE.fullmatch(becomes)
    if one is None or other is None:
        return False
    (name, length, scale, zone), (target, most, digits, other_zone) = one.groups(), other.groups()
    if name + zone == target + other_zone and (length, scale) == (most, digits):
        return True  # another collation
    if was in enums and becomes in enums:
        return True  # by their labels: one that the other does not have is refused
    if was in enums or becomes in enums:
        # a text that is no value of the enum is refused
        return (target in _TEXT and most is None) if was in enums else (becomes in enums and name in _TEXT)
    if name in _INTEGERS:
        return target in _INTEGERS or (target == "numeric" and int(digits or 0) >= 0)
    if name == target == "numeric":
        return most is None or (length is not None and int(digits or 0) >= int(scale or 0))
    if (name in _TEXT and target in _TEXT) or (name == "character" and target in (*_TEXT, "character")):
        return most is None or (length is not None and int(most) >= int(length))
    if name == target and name in _BY_LENGTH and zone == other_zone:
        return most is None or (length is not None and int(most) >= int(length))
    return (was, becomes) in (("real", "double precision"), ("date", "timestamp without time zone"))
