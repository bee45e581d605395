"""What the kinds that make a relation have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pgrunbook.changes._base import Relation, quoted
from pgrunbook.sqlfile import SqlStatement


class MakesRelation:
    """Names of a change that makes one relation; `letter` is its relkind. Stands before `Change` among the bases."""

    __slots__ = ()
    letter: ClassVar[str]
    written: SqlStatement

    @property
    def _node(self) -> Any:
        return self.written.node

    @property
    def _range(self) -> Any:
        """The part of the statement that names the relation."""
        raise NotImplementedError

    @property
    def schema(self) -> str:
        return str(self._range.schemaname)

    @property
    def name(self) -> str:
        return str(self._range.relname)

    @property
    def label(self) -> str:
        return self.name

    @property
    def object(self) -> str:
        return quoted(self.schema, self.name)

    @property
    def creates_in(self) -> str:
        return self.schema

    @property
    def makes(self) -> Relation:
        return Relation(0, self.schema, self.name, self.letter)
