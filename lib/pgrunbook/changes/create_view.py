"""CREATE VIEW; one that is replaced comes back, with all that hangs on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pgrunbook import errors, sqlfile
from pgrunbook.changes._base import (
    Defined,
    LockMode,
    Names,
    Observation,
    Phase,
    Relation,
    State,
    Statement,
    one_transaction,
    quoted,
)
from pgrunbook.changes._definitions import RELATION
from pgrunbook.changes._made import MakesRelation
from pgrunbook.changes._parts import part_of
from pgrunbook.changes._remade import OrReplace, held_by, lost_by_drop, no_way_back, replaceable, way_back
from pgrunbook.changes._scratch import scratch
from pgrunbook.db import Database
from pgrunbook.sqlfile import SqlStatement

_INVOKER = "security_invoker"
_INVOKER_SINCE = 150000
_SCRATCH = "pgrunbook_view"  # no name of a table that the view may read


@dataclass(frozen=True, slots=True)
class _View:
    definition: str
    statement: str


@dataclass(frozen=True, slots=True)
class CreateView(MakesRelation, OrReplace):
    """One CREATE [OR REPLACE] VIEW.

    `as_owner`: security_invoker is left out, since the server does not have it. `held` is what depends on the view.
    """

    kind: ClassVar[str] = "create_view"
    letter: ClassVar[str] = "v"

    as_owner: bool = False
    held: tuple[str, ...] = ()

    @classmethod
    def from_ast(cls, statement: SqlStatement) -> CreateView | None:
        node: Any = statement.node
        if statement.node_kind != "view_stmt":
            return None
        temporary = node.view.relpersistence == "t" or node.view.schemaname == "pg_temp" or node.view.catalogname
        return None if temporary else cls(statement)

    @property
    def _range(self) -> Any:
        return self._node.view

    @property
    def subject(self) -> str:
        return f"view {self.object}"

    @property
    def relation(self) -> str:
        return self.object

    @property
    def together(self) -> str:
        return f"relation {self.object}"

    @property
    def idents(self) -> tuple[str, ...]:
        columns = self._columns()
        return (f"relation {self.object}", *(f"column {quoted(self.schema, self.name, c)}" for c in columns))

    def undecided(self, db: Database) -> bool:
        stars = any(field == "a_star" for field, _ in sqlfile.walk(self._node.query))
        return stars or Defined.undecided(self, db)

    def resolve(self, names: Names) -> CreateView:
        schema = self.schema or names.creation_schema
        where = f"line {self.written.line} of migrate.sql"
        if not schema:
            raise errors.PreflightFailed(
                f"{where} makes {self.name} in no schema: none of the search_path exists",
                remedy="check the runbook's search_path and the target",
            )
        old_server = names.db.version < _INVOKER_SINCE
        as_owner = old_server and self._invoker
        if as_owner and not self.options.owner_rights:
            raise errors.PreflightFailed(
                f"{where}: security_invoker exists from PostgreSQL 15 on, {names.db.target.name} runs "
                f"{names.db.version // 10000}: there {self.name} reads with its owner's rights, whom row level "
                "security does not hold",
                remedy='if that is meant, say why in runbook.toml: owner_rights = "reason" under '
                f'[objects."{self.label}"]',
            )

        def qualify(node: Any) -> None:
            node.view.schemaname = schema
            kept = [o for o in node.options if not (old_server and o.def_elem.defname == _INVOKER)]
            del node.options[:]
            node.options.extend(kept)
            self._name_namesakes(node, schema, names.db)

        found = CreateView(part_of(self.written, qualify), self.options, as_owner=as_owner)
        now = names.db.one("relation", Relation, name=found.object) if self.replaces else None
        return replace(found, held=held_by(names, RELATION, now.oid if now and now.kind == self.letter else None))

    def resolved_sql(self) -> str:
        return self.written.sql

    def now(self, db: Database) -> str | None:
        view = _found(db, self.object)
        if view:
            return view.definition
        other = db.one("relation", Relation, name=self.object)
        return f"a relation of another kind ({other.kind})" if other else None

    def planned(self, db: Database) -> str | None:
        with scratch(db, self):
            self._make_on_scratch(db)
            view = _found(db, quoted("pg_temp", _SCRATCH), shown=self.object)
        return view.definition if view else None

    def _state(self, db: Database) -> Observation:
        seen = Defined._state(self, db)
        now = self.now(db)
        if seen.state is not State.ABSENT or now is None:
            return seen
        if _found(db, self.object) is None:
            return Observation(State.DIFFERENT, f"planned: a view; found: {now}")
        if reason := replaceable(db, self, lambda: self._replace_on_scratch(db)):
            return Observation(State.DIFFERENT, f"planned: to replace it; found: {now}, and {reason}")
        return no_way_back(db, self, self.held, now, lambda: self._back(db)) or seen

    def capture(self, db: Database) -> dict[str, Any]:
        before, view = self.now(db), _found(db, self.object)
        if view is None or not self.replaces:
            return {"before": before}
        lost = lost_by_drop(db, self, view=self.object) if replaceable(db, self, lambda: self._back(db)) else []
        return {"before": before, "statement": view.statement, "lost": lost}

    def apply(self, seen: Observation) -> list[Phase]:  # noqa: ARG002
        if self.replaces:
            return one_transaction(self._on_view(self.written.sql))
        return one_transaction(Statement(self.written.sql, LockMode.ACCESS_SHARE, ""))

    def undo(self, captured: Mapping[str, Any]) -> list[Phase]:
        texts = way_back(f"drop view {self.object}", captured.get("statement"), captured.get("lost", []))
        return one_transaction(*map(self._on_view, texts))

    def lint(self) -> list[str]:
        notes = [f"takes ACCESS EXCLUSIVE on {self.object}, briefly: who reads it waits"] if self.replaces else []
        if self.as_owner:
            notes.append(
                "security_invoker is left out, since the server does not have it: the view reads with its owner's "
                f"rights, whom row level security does not hold; accepted: {self.options.owner_rights}"
            )
        elif not self._invoker:
            notes.append(
                "reads with its owner's rights, so the row level security of the tables that it reads does not hold "
                "its readers; with (security_invoker = true) it would (PostgreSQL 15 and newer)"
            )
        return notes

    @property
    def _invoker(self) -> bool:
        """Whether the statement asks for its reader's rights."""
        for option in (o.def_elem for o in self._node.options):
            if option.defname == _INVOKER:
                value = option.arg.string.sval or str(option.arg.integer.ival)
                return not option.HasField("arg") or value.lower() in ("true", "on", "yes", "t", "y", "1")
        return False

    def _columns(self) -> list[str]:
        """The names of its columns as far as the statement tells them: `select *` does not."""
        select = self._node.query.select_stmt
        targets = [t.res_target for t in select.target_list]
        written = [t.name or (t.val.column_ref.fields or [None])[-1] for t in targets]
        names = [str(w if isinstance(w, str) else w.string.sval) for w in written if w]
        aliases = [str(a.string.sval) for a in self._node.aliases]
        return [*aliases, *(n for n in names[len(aliases) :] if n)]

    def _name_namesakes(self, node: Any, schema: str, db: Database) -> None:
        """Qualify the tables of its own name that it reads: once it is made, the name alone may mean itself."""
        below: list[tuple[str, Any]] = list(sqlfile.walk(node.query))
        read = [n for field, n in below if field == "range_var" and n.relname == self.name]
        if any(field == "common_table_expr" and n.ctename == self.name for field, n in below):
            return
        other = db.value(
            "select s.name from unnest(pg_catalog.current_schemas(true)) with ordinality s(name, n)"
            " where s.name <> $1 and pg_catalog.to_regclass(pg_catalog.format('%I.%I', s.name, $2::text)) is not null"
            " order by s.n limit 1",
            [schema, self.name],
        )
        for relation in read:
            relation.schemaname = relation.schemaname or other or ""

    def _on_view(self, text: str) -> Statement:
        return Statement(text, LockMode.ACCESS_EXCLUSIVE, self.object)

    def _make_on_scratch(self, db: Database) -> None:
        def as_temporary(node: Any) -> None:
            node.view.schemaname, node.view.relname = "pg_temp", _SCRATCH

        db.execute(sqlfile.rewritten(self.written.sql, as_temporary))

    def _old_on_scratch(self, db: Database) -> None:
        copy = quoted("pg_temp", _SCRATCH)
        if old := _found(db, self.object, shown=copy):
            db.execute(old.statement)

    def _replace_on_scratch(self, db: Database) -> None:
        self._old_on_scratch(db)
        self._make_on_scratch(db)

    def _back(self, db: Database) -> None:
        self._make_on_scratch(db)
        self._old_on_scratch(db)


def _found(db: Database, name: str, *, shown: str = "") -> _View | None:
    with db.transaction(rollback=True, search_path="pg_catalog"):
        return db.one("view", _View, name=name, shown=shown or name)
