"""Who owns, reads and executes what, with whose rights, and which roles no policy holds back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pgrunbook.db import Database
from pgrunbook.findings import Check, passed

FUNCTION, VIEW = "function", "view"


@dataclass(frozen=True, slots=True)
class Exposed:
    """A table, view or function and who may use it besides its owner; or a role that passes every policy."""

    kind: str
    object: str
    owner: str
    rights: str
    may_use: str
    definer: bool = field(default=False, repr=False)
    by_public: bool = field(default=False, repr=False)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Exposed:
        return cls(**row)

    @property
    def open_to_all(self) -> bool:
        """Anybody may have the function do something with its owner's rights."""
        return self.definer and self.by_public


@dataclass(frozen=True, slots=True)
class Change:
    """The same before and after, and the verdict where there is a check of it."""

    kind: str
    object: str
    owner: str
    rights_before: str
    rights_after: str
    may_use_before: str
    may_use_after: str
    verdict: str


def find(
    db: Database, *, tables: Sequence[str] = (), views: Sequence[str] = (), functions: Sequence[str] = ()
) -> list[Exposed]:
    """What of these there is; the roles that pass every policy where there are tables to guard."""
    return db.fetch(
        "exposure", Exposed, tables=list(tables), views=list(views), functions=list(functions), roles=bool(tables)
    )


def compare(before: Sequence[Exposed], after: Sequence[Exposed]) -> list[Change]:
    """One row an object, those that are gone or new included."""
    old, new = ({(e.kind, e.object): e for e in found} for found in (before, after))
    verdicts = {c.object: c.verdict.value for c in checks(before, after)}
    rows = []
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        rows.append(
            Change(
                kind=key[0],
                object=key[1],
                owner=(now or was or Exposed(*key, "", "", "")).owner,
                rights_before=was.rights if was else "not there",
                rights_after=now.rights if now else "not there",
                may_use_before=was.may_use if was else "",
                may_use_after=now.may_use if now else "",
                verdict=verdicts.get(key[1], ""),
            )
        )
    return rows


def checks(before: Sequence[Exposed], after: Sequence[Exposed]) -> list[Check]:
    """A SECURITY DEFINER function is for named roles, unless it was open to all before; a view's rights are told."""
    old: Mapping[tuple[str, str], Exposed] = {(e.kind, e.object): e for e in before}
    found = []
    for one in after:
        was = old.get((one.kind, one.object))
        if one.kind == FUNCTION and one.definer:
            as_before = one.open_to_all and was is not None and was.open_to_all
            found.append(
                passed(
                    "may be executed by",
                    one.object,
                    not one.open_to_all or as_before,
                    claimed="named roles, since it acts with its owner's rights",
                    measured=one.may_use + (", as before" if as_before else ""),
                    detail=f"revoke execute on function {one.object} from public" if one.open_to_all else "",
                )
            )
        elif one.kind == VIEW:
            found.append(
                passed(
                    "reads with the rights of",
                    one.object,
                    one.rights == "its reader's",
                    gates=False,
                    claimed="its reader, whose policies apply",
                    measured=one.rights.removesuffix("'s"),
                    detail="" if one.rights == "its reader's" else "security_invoker is not set (15 and newer have it)",
                )
            )
    return found
