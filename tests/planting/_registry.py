"""Which plants there are: functions that put one defect, or one decoy, of a lint into a world."""

from __future__ import annotations

from collections.abc import Callable

from planting.world import World

Plant = Callable[[World], None]
DEFECTS: dict[str, list[Plant]] = {}
DECOYS: dict[str, list[Plant]] = {}


def defect(lint: str) -> Callable[[Plant], Plant]:
    """Register a plant that gives the lint something to find."""

    def register(plant: Plant) -> Plant:
        DEFECTS.setdefault(lint, []).append(plant)
        return plant

    return register


def decoy(lint: str) -> Callable[[Plant], Plant]:
    """Register a plant that looks like the lint's defect and is none."""

    def register(plant: Plant) -> Plant:
        DECOYS.setdefault(lint, []).append(plant)
        return plant

    return register
