"""A table that a person wrote, read as far as it is right, so that one mistake does not hide the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from pgrunbook.description import Frozen

F = TypeVar("F", bound=Frozen)
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Entry(Generic[F]):
    """A claim or an item of the checklist with its number; not `whole` where parts that are wrong were left out."""

    number: int
    value: F
    whole: bool


def entries(model: type[F], given: object) -> list[Entry[F]]:
    found = [(n, right(model, row)) for n, row in enumerate(given if isinstance(given, list) else [])]
    return [Entry(n, *one) for n, one in found if one]


def whole(model: type[M], given: object) -> M | None:
    """A table that is all right; None where there is none, or where a mistake in it is told already."""
    found = right(model, given) if given is not None else None
    return found[0] if found and found[1] else None


def right(model: type[M], given: object, *, all_of_it: bool = True) -> tuple[M, bool] | None:
    """What of a table is right, and whether that is all: its mistakes are told, the rest is looked at nevertheless.

    >>> from pgrunbook.description import ChecklistItem
    >>> right(ChecklistItem, {"id": "a", "says": "b", "probe": 1, "colour": "red"})
    (ChecklistItem(id='a', says='b', probe='', faster='', person=''), False)
    """
    try:
        return model.model_validate(given), all_of_it
    except ValidationError as e:
        wrong = {m["loc"][0] for m in e.errors(include_url=False) if m["loc"] and m["type"] != "missing"}
    if not wrong or not isinstance(given, dict):
        return None
    return right(model, {k: v for k, v in given.items() if k not in wrong}, all_of_it=False)
