"""Checklist: the document's testing checklist. Probes answer for the database, a person signs for the rest."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pgrunbook import errors
from pgrunbook.description import ChecklistItem
from pgrunbook.findings import Check, Verdict
from pgrunbook.measure.compare import QuerySummary, compare, summarise
from pgrunbook.runbook import Runbook
from pgrunbook.stages import _measuring
from pgrunbook.stages._base import Parameters, Session, StageResult, part
from pgrunbook.stages.migrate import require_applied

_SIGNED = "signed.json"
_SLOWER, _MORE_BUFFERS = 0.9, 1.02


class ChecklistParameters(Parameters):
    """`signed`: a TOML file, or the same as JSON in place, with a table an item: name, note, time, ok.

    `production`: probes that write (and are rolled back) may run on a target that is not the sandbox.
    """

    signed: str = ""
    production: bool = False


class Signature(BaseModel):
    """A person's word on one item. `time` is when it was tried; the time of signing where it is not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    note: str = ""
    time: datetime | None = None
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the checklist, as it stands now."""

    item: str
    says: str
    verdict: Verdict
    probe: str
    person: str
    signed: str


@part
def probes(session: Session) -> list[Check]:
    """Run each probe of the runbook once; on a real system only where `production` says so."""
    require_applied(session)
    allowed = _measuring.may_write(session)
    wanted = {item.probe for item in session.runbook.about.checklist if item.probe}
    found = []
    for probe in session.runbook.probes:
        if probe.name not in wanted:
            continue
        if allowed:
            found.append(_measuring.run_probe(session, probe))
        else:
            found.append(
                Check(
                    probe.name, probe.title, Verdict.NOT_MEASURABLE, gates=False, measured="not run",
                    detail="it writes (and rolls back); on a real system it runs with production = true",
                )
            )  # fmt: skip
    return session.record(found)


@part
def sign_off(session: Session) -> list[Item]:
    """The checklist with probes and signatures; what still needs a person is pending."""
    signatures = _signatures(session)
    session.write_json(_SIGNED, {k: s.model_dump(mode="json") for k, s in signatures.items()})
    summaries = {q.query: q for q in _summaries(session)}
    seen = {c.check: c for c in session.findings}
    if not session.runbook.about.checklist:
        detail = "runbook.toml has no [[checklist]]: nothing is tried, and nobody is asked"
        session.record([Check("checklist", session.runbook.name, Verdict.NOT_MEASURABLE, gates=False, detail=detail)])
    items = []
    for item in session.runbook.about.checklist:
        check = _judge(session, item, seen.get(item.probe), summaries.get(item.faster), signatures.get(item.id))
        session.record([check])
        signature = signatures.get(item.id)
        items.append(
            Item(
                item=item.id,
                says=item.says,
                verdict=check.verdict,
                probe=check.measured,
                person=item.person,
                signed=_shown(signature) if signature else "",
            )
        )
    return items


def _judge(
    session: Session,
    item: ChecklistItem,
    probe: Check | None,
    speed: QuerySummary | None,
    signature: Signature | None,
) -> Check:
    """One item's verdict: a failed probe or signature fails it; on a real system a person has to sign too."""
    words, failed, answered = [], False, False
    if probe is not None:
        words.append(f"probe: {probe.verdict.value}")
        failed |= probe.verdict is Verdict.FAILED
        answered |= probe.verdict is Verdict.PASSED
    if speed is not None:
        words.append(f"{speed.query} {speed.before_ms:,.1f} → {speed.after_ms:,.1f} ms, {speed.factor:.1f}×")
        failed |= speed.factor < _SLOWER and _reads_more(session, speed.query)
        answered = answered or not item.probe
    if signature is not None:
        words.append(_shown(signature))
        failed |= not signature.ok
    # the sandbox has no application behind it that a person could try: there the probe's answer is all there is
    needs_person = bool(item.person) and not (session.is_rehearsal and answered)
    if failed:
        verdict = Verdict.FAILED
    elif signature is None and (needs_person or not answered):
        verdict = Verdict.PENDING
    else:
        verdict = Verdict.PASSED
    detail = item.person if verdict is Verdict.PENDING else ""
    return Check(f"checklist: {item.id}", item.id, verdict, item.says, "; ".join(words), detail=detail)


def _summaries(session: Session) -> list[QuerySummary]:
    if not any(item.faster for item in session.runbook.about.checklist):
        return []
    return summarise(
        compare(_measuring.kept(session, _measuring.BASELINE), _measuring.kept(session, _measuring.VERIFY))
    )


def _reads_more(session: Session, query: str) -> bool:
    """Whether a query reads more buffers than before, or than what it replaces: a time may be the machine's noise."""
    names = (session.runbook.query(query).replaces or query, query)
    kept = (_measuring.kept(session, name) for name in (_measuring.BASELINE, _measuring.VERIFY))
    before, after = (sum(s.buffers for s in own if s.query == name) for own, name in zip(kept, names, strict=True))
    return after > before * _MORE_BUFFERS


def _signatures(session: Session) -> dict[str, Signature]:
    """The signatures kept by earlier tries of this stage, and those given now."""
    path = session.folder / _SIGNED
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    given = signatures(str(getattr(session.parameters, "signed", "")), session.runbook, session.root)
    known = {item.id for item in session.runbook.about.checklist}
    return {k: Signature.model_validate(v) for k, v in kept.items() if k in known} | given


def signatures(signed: str, about: Runbook, root: Path) -> dict[str, Signature]:
    """The signatures of a file, or of JSON in place. Raises `WrongUsage` with every mistake."""
    known = {item.id for item in about.about.checklist}
    given = _given(signed, root)
    mistakes = [f"{k}: no such item; there are: {', '.join(sorted(known)) or 'none'}" for k in given if k not in known]
    found = {}
    for key, value in given.items():
        try:
            read = Signature.model_validate(value)
        except ValidationError as e:
            mistakes += [f"{'.'.join(map(str, (key, *m['loc'])))}: {m['msg'].lower()}" for m in e.errors()]
            continue
        found[key] = read if read.time else read.model_copy(update={"time": datetime.now(UTC)})
        if not read.name.strip():
            mistakes.append(f"{key}.name: nobody signed")
    if mistakes:
        raise errors.WrongUsage("signatures: " + "; ".join(mistakes), remedy='[item_id] name = "…", note = "…"')
    return found


def _given(signed: str, root: Path) -> dict[str, Any]:
    if not signed:
        return {}
    try:
        if signed.lstrip().startswith("{"):
            found = json.loads(signed)
        else:
            found = tomllib.loads((root / signed).read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:  # text that is no UTF-8 is a ValueError too
        reason = e.strerror if isinstance(e, OSError) else str(e)
        name = "" if signed.lstrip().startswith("{") else f" file {signed}"
        raise errors.WrongUsage(
            f"signed{name} can't be read: {reason}", remedy="give a TOML file, or JSON that starts with {"
        ) from None
    return dict(found)


def _shown(signature: Signature) -> str:
    when = f"{signature.time:%Y-%m-%d %H:%M}" if signature.time else ""
    word = "signed" if signature.ok else "found wrong"
    return f"{word} by {signature.name}, {when}{f': {signature.note}' if signature.note else ''}"


def run(session: Session) -> StageResult:
    """The whole stage."""
    probes(session)
    sign_off(session)
    return session.finish()
