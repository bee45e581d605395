"""A runbook out of existing migrations: their statements as they are, with the way back, checks and a report."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgrunbook import authoring, changes, errors, sqlfile
from pgrunbook.authoring import Draft, DraftQuery
from pgrunbook.changes import Change, ObjectOptions, RawSql
from pgrunbook.db import Database
from pgrunbook.derived_checks import checks_of_migration
from pgrunbook.description import ChecklistItem, Description
from pgrunbook.importing import back, by_form, rehearsing
from pgrunbook.importing.cleaning import Cleaned, Kept, cleaned
from pgrunbook.importing.fate import Place
from pgrunbook.importing.objects import course, tables_of
from pgrunbook.importing.report import Report, rows
from pgrunbook.importing.sources import Source

_FOLDER = "source"
_DOWN = "down.sql"
_QUOTED = 80
_FEW = 20
_BOOKKEEPING = "Alembic's own bookkeeping"
_UNDOES = "-- undoes: statement_{}\n"
_HEAD = """\
-- {said}
-- The statements are those of the source, letter for letter; what is left out stands here as a comment.
-- What is carried out, and how to take it back: pgrunbook plan {name}. Why: source/report.md.

"""


@dataclass(frozen=True, slots=True)
class Imported:
    """A runbook that is not written yet, and what became of each statement."""

    draft: Draft
    report: Report
    source: Source
    migration: Cleaned

    def write(self, root: Path) -> Path:
        """Write the runbook; a mistake in it is told where it stands in the source."""
        try:
            return authoring.write(root, self.draft)
        except errors.InvalidRunbook as e:
            raise errors.InvalidRunbook(self._in_source(e.message), remedy=e.remedy) from None

    def _in_source(self, message: str) -> str:
        def place(match: re.Match[str]) -> str:
            found = self.migration.place(int(match[1] or match[2]))
            return _given(self.source, found) if found else match[0]

        own = rf"runbooks/{re.escape(self.draft.name)}/migrate\.sql:(\d+)|(?<=, first in )line (\d+)$"
        return re.sub(own, place, message, flags=re.MULTILINE)


def imported(name: str, source: Source, *, accept: str = "", database: Database | None = None) -> Imported:
    """The runbook `name` of a source.

    `accept` is the reason why statements without a way back may be run. `database`, where it is given, is read for the
    workload. Raises `WrongUsage` for what has no place in a runbook, and for a statement that nothing undoes.
    """
    head = _HEAD.format(said=_one_line(source.said), name=name)
    own = _BOOKKEEPING if source.stamp else ""
    after = f"{own}; after the migration: alembic stamp {source.stamp}" if own else ""
    migration = cleaned(source.texts, source, head=head, bookkeeping=after)
    if not migration.kept:
        raise errors.WrongUsage("there is no statement to migrate", remedy="name the files that have them")
    down_source = replace(source, search_path=migration.search_path)
    down = cleaned(source.down, down_source, bookkeeping=own) if source.down else None
    statements = [k.statement for k in migration.kept]
    made = changes.of_migration(statements, {}, {})
    lacking = _lacking(migration.kept, made)
    # a statement's parts tell more than itself: names that the server would give, what a DO makes
    parts = _parts(migration.kept, made)
    answers = _answers(parts, lacking, down)
    answered = {position: answer.statements for position, answer in answers.by_position.items()}
    left = [k for k in lacking if k.statement.position not in answered]
    if left and not accept.strip():
        _refuse(source, left, made)
    reason = _one_line(accept)
    options = {f"statement_{k.statement.position}": ObjectOptions(irreversible=reason) for k in left}
    inverse = {f"statement_{position}": sql for position, sql in answered.items()}
    if options or inverse:
        made = changes.of_migration(statements, options, inverse)
    there, gone = course(part.statement for part in parts).final()
    asked: list[DraftQuery] = []
    notes = ["no workload: no target was given to draw it from"]
    if database:
        from pgrunbook.importing import workload  # of all this only a target needs the audit

        named = dict.fromkeys(table for s in statements for table in tables_of(s))
        path = migration.search_path
        asked, notes = workload.queries(database, [(s, n) for own, n in named for s in ([own] if own else path)])
    report = Report(
        rows(migration.kept, made, migration.left_out, {p: a.origin for p, a in answers.by_position.items()}),
        (*source.notes, *_unanswering(answers, down), *notes),
        tuple(back.faults(parts, down.kept)) if down else (),
        down_checked=down is not None,
    )
    about = Description(
        title=_title(source, migration),
        source=_one_line(source.said),
        description=_description(source, report),
        search_path=migration.search_path,
        live=True,  # rows change on any real database
        objects=options,
        checklist=tuple(_checklist(source, report, answers, left, made)),
    )
    draft = Draft(
        name=name,
        about=about,
        statements=(),
        workload=tuple(asked),
        checks=tuple(checks_of_migration(made, there, gone)),
        migration=migration.text,
        rollback=_rollback(answers, migration.kept),
        files={**_files(source, down, report, name), **rehearsing.files(supabase=source.supabase)},
    )
    return Imported(draft, report, source, migration)


# -- the way back ------------------------------------------------------------------------------------------------


def _lacking(kept: Sequence[Kept], made: Sequence[Change]) -> list[Kept]:
    """The statements that a runbook refuses until somebody answers for them."""
    refused = {c.written.position for c in made if c.refusal()}
    return [k for k in kept if k.statement.position in refused]


def _parts(kept: Sequence[Kept], made: Sequence[Change]) -> list[Kept]:
    """What the statements are made of, each with its place."""
    places = {k.statement.position: k.place for k in kept}
    return [Kept(places[c.written.position], c.written) for c in made]


def _answers(parts: Sequence[Kept], lacking: Sequence[Kept], down: Cleaned | None) -> back.Answers:
    """What undoes the statements that no kind of change undoes: as it is authored, else by their form."""
    raw = [k for k in lacking if all(isinstance(c, RawSql) for c in changes.typed(k.statement, {}, {}))]
    found = back.answers(parts, raw, down.kept) if down else back.Answers()
    for one in raw:
        position = one.statement.position
        if position in found.by_position:
            continue
        sql, note = by_form.way_back(one.statement)
        if sql:
            found.by_position[position] = back.Answer((sql,), "by form", note)
        elif by_form.nothing_left(one.statement):
            found.by_position[position] = back.Answer(("select",), "by form", "it leaves nothing behind")
    return found


def _refuse(source: Source, left: Sequence[Kept], made: Sequence[Change]) -> None:
    reasons = {c.written.position: c for c in made if c.refusal()}
    lines = [f"{_given(source, k.place)}: this {_word(k)} {_reason(reasons[k.statement.position])}" for k in left]
    unknown = [isinstance(c, RawSql) for c in reasons.values()]
    remedy = 'write the runbook with --accept-irreversible "reason", which says so of each in runbook.toml'
    if any(unknown):
        which = "them" if all(unknown) else "those that lose nothing"
        remedy = (
            f"give the statements that undo {which} with --down FILE; or {remedy}, and write what undoes them into its "
            "rollback.sql by hand"
        )
    raise errors.WrongUsage(
        "nothing was written; these statements have no way back:\n" + "\n".join(lines), remedy=remedy
    )


def _given(source: Source, place: Place) -> str:
    """A place as the person who reads an error knows it."""
    return next((f"{t.given}:{place.line}" for t in source.texts if t.name == place.file), str(place))


def _reason(change: Change) -> str:
    return change.no_way_back if isinstance(change, RawSql) else change.irreversible


def _word(kept: Kept) -> str:
    return kept.statement.node_kind.removesuffix("_stmt").replace("_", " ").upper()


def _unanswering(answers: back.Answers, down: Cleaned | None) -> Iterator[str]:
    if not answers.unmatched or not down:
        return
    lines = {s.position: s.line for s in sqlfile.split(down.text)}
    for one in answers.unmatched:
        place = f"{_FOLDER}/{_DOWN}:{lines[one.statement.position]}"
        shown = textwrap.shorten(one.statement.sql, _QUOTED, placeholder=" …")
        yield f"{place}: this {_word(one)} of the authored way back answers for no statement, and is not run: {shown}"


def _rollback(answers: back.Answers, kept: Sequence[Kept]) -> str:
    """rollback.sql: what undoes the statements that no kind of change undoes; empty for none."""
    places = {k.statement.position: k for k in kept}
    parts = []
    for position, answer in sorted(answers.by_position.items()):
        notes = [f"-- {answer.origin}, of {places[position].place}"]
        if answer.origin == "by form":
            notes[0] += ": a person has to look at it"
        notes += [f"-- {answer.note}"] if answer.note else []
        body = "".join(authoring.ended(sql) for sql in answer.statements)
        parts.append(_UNDOES.format(position) + "".join(f"{_one_line(n)}\n" for n in notes) + body)
    return "\n".join(parts)


# -- what is said ------------------------------------------------------------------------------------------------


def _title(source: Source, migration: Cleaned) -> str:
    files = [t.name for t in source.texts]
    count = len(migration.kept)
    shown = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    return _one_line(f"{count} statement{'s' if count > 1 else ''} of {shown}")


def _description(source: Source, report: Report) -> str:
    names = [_one_line(t.name) for t in source.texts]
    parts = [
        f"Made of an existing migration. {_one_line(source.said)}. What became of each statement: source/report.md."
    ]
    if len(names) > 1:
        shown = [f"- {n}" for n in names[:_FEW]] + ([f"- and {len(names) - _FEW} more"] if len(names) > _FEW else [])
        parts.append("Its files, in this order:\n" + "\n".join(shown))
    parts.append("Of its statements: " + ", ".join(f"{n} {verdict}" for verdict, n in report.counts.items()) + ".")
    if source.stamp:
        parts.append(f"Alembic does not see what a runbook does: afterwards, alembic stamp {source.stamp}.")
    return "\n\n".join(parts)


def _checklist(
    source: Source, report: Report, answers: back.Answers, left: Sequence[Kept], made: Sequence[Change]
) -> Iterator[ChecklistItem]:
    """What a person has to look at; the text of each is a start."""
    yield ChecklistItem(
        id="report_read",
        says="What became of each statement is understood",
        person="Read source/report.md: what is rewritten, run as written, left out.",
    )
    yield ChecklistItem(
        id="works_with_both_schemas",
        says="The application that is deployed works with the schema before and after",
        person="Name the version that is deployed, and where it was tried with both.",
    )
    if left:
        yield ChecklistItem(
            id="irreversible_accepted",
            says=f"Somebody accepts what cannot be undone: {_labels(k.statement.position for k in left)}",
            person="Name who accepts it, and why.",
        )
    destroying = [c.written.position for c in made if c.destroys and c.irreversible]
    if destroying:
        yield ChecklistItem(
            id="dump_taken",
            says=f"What is dropped has been dumped: {_labels(destroying)}",
            person="Name the dump, and when it was restored for trial.",
        )
    by_form = [p for p, a in answers.by_position.items() if a.origin == "by form"]
    if by_form:
        yield ChecklistItem(
            id="rollback_by_form_read",
            says=f"The way back that was derived by form is right: {_labels(by_form)}",
            person="Read rollback.sql, and run pgrunbook prove.",
        )
    if report.down:
        yield ChecklistItem(
            id="authored_way_back_read",
            says="What is wrong with the authored way back is understood; the rollback does not use it as a whole",
            person="Read the last part of source/report.md.",
        )
    if source.stamp:
        yield ChecklistItem(
            id="alembic_stamped",
            says="Alembic knows of the revision",
            person=f"After the migration: alembic stamp {source.stamp}",
        )


def _labels(positions: Collection[int] | Iterator[int]) -> str:
    known = sorted(set(positions))
    more = f" and {len(known) - _FEW} more" if len(known) > _FEW else ""
    return ", ".join(f"statement_{p}" for p in known[:_FEW]) + more


def _files(source: Source, down: Cleaned | None, report: Report, name: str) -> dict[str, str]:
    """The source as it was, the authored way back as it can be run, and the report."""
    found = {"report.md": report.markdown(f"{name}: what became of each statement")}
    if down:
        found[_DOWN] = down.text
    for text in source.texts:
        file, n = text.file, 1
        while file.lower() in {f.lower() for f in found}:
            n += 1
            stem, dot, end = text.file.rpartition(".")
            file = f"{stem or end}_{n}{dot}{end if stem else ''}"
        found[file] = text.whole or text.sql
    return {f"{_FOLDER}/{file}": text for file, text in found.items()}


def _one_line(text: str) -> str:
    return " ".join(text.split())
