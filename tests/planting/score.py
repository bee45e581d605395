"""What the audit found held against what was planted: precision and recall of each lint, and what it got wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fix_databases import Place
from pgrunbook.audit import Facts, Finding, Looked, growth, lints, look, policies, statements
from planting import build
from planting.world import Object, Truth, Work
from planting.written import Written

WINDOW_S = 3600.0  # what was run in seconds stands for an hour's work
NOT_PLANTED = {
    "wraparound": "hundreds of millions of transactions",
    "connections": "the server is shared, and its other users would be refused",
    "cache_hits": "a million blocks that are read from disk",
}


@dataclass
class Tally:
    """A lint's account over one database or several."""

    true: int = 0
    hits: int = 0
    counted: int = 0  # what it found, but for what was allowed
    seconds: float = 0.0
    planted_decoys: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float | None:
        return self.hits / self.true if self.true else None

    @property
    def precision(self) -> float | None:
        return self.hits / self.counted if self.counted else None


def of_seed(place: Place, seed: int, *, few: bool, into: dict[str, Tally] | None = None) -> dict[str, Tally]:
    """Make a seed's world in an empty database, audit it, and add what was found to the accounts."""
    world = build.imagine(seed, place.name, few=few)
    try:
        truth = build.build(world, place)
        with build.alive(world, place):
            return tally(looked(place, facts(place, grown=world.growth)), truth, {} if into is None else into)
    finally:
        build.forget(place, world.roles)


def of_schema(place: Place, schema: Written, *, into: dict[str, Tally] | None = None) -> dict[str, Tally]:
    """As `of_seed`, of a schema that was written by hand."""
    with schema.made(place) as truth:
        return tally(looked(place, facts(place, grown=schema.grown)), truth, {} if into is None else into)


def facts(place: Place, *, grown: Sequence[Mapping[str, object]] = ()) -> Facts:
    """The facts of a database, as the audit reads them; the statements' window is an hour, `grown` is added."""
    with place.connect(read_only=True) as session:
        known, predicates, _, unseen = statements.read(session)
        rules, unseen_rules = policies.read(session)
        rates, unseen_rates = growth.read(session, [])
        added = [{**g, "relation": session.value("select $1::regclass::oid::bigint", [g["table"]])} for g in grown]
    instead = {fact["relation"] for fact in added}
    return Facts(
        statements=[{**s, "seconds": WINDOW_S} for s in known] if known is not None else None,
        predicates=predicates,
        policies=rules,
        growth=[*(rate for rate in rates if rate["relation"] not in instead), *added],
        not_seen=[*unseen, *unseen_rules, *unseen_rates],
    )


def looked(place: Place, given: Facts) -> list[Looked]:
    """Every lint's outcome; a lint that fails is no outcome."""
    with place.connect(read_only=True) as session:
        outcomes = list(look(session, lints(), given, timeout_s=30))
    failed = {o.lint.name: f"{o.failed} {o.remedy}" for o in outcomes if o.failed}
    assert not failed, failed
    return outcomes


def tally(outcomes: Iterable[Looked], truth: Truth, into: dict[str, Tally]) -> dict[str, Tally]:
    """Add what was found in one database to the lints' accounts; these are returned."""
    for outcome in outcomes:
        name = outcome.lint.name
        account = into.setdefault(name, Tally())
        account.seconds += outcome.seconds
        _count(account, outcome.findings, name, truth)
    return into


def mistakes(accounts: Mapping[str, Tally]) -> list[str]:
    """All that was missed, false, said twice, or of another level."""
    return [text for account in accounts.values() for text in account.wrong]


def _count(account: Tally, findings: Sequence[Finding], name: str, truth: Truth) -> None:
    found = {finding.object: finding for finding in findings}
    for object_ in sorted({f.object for f in findings if sum(g.object == f.object for g in findings) > 1}):
        account.wrong.append(f"{truth.name}: said twice: {object_}")
    free = {_text(remark.object) for remark in truth.allowed if remark.lint == name}
    decoys = {_text(remark.object): remark.why for remark in truth.decoys if remark.lint == name}
    account.planted_decoys += len(decoys)
    for defect in (d for d in truth.defects if d.lint == name):
        account.true += 1
        hit = [text for text in map(_text, defect.objects) if text in found]
        if hit:
            account.hits += 1
            account.counted += 1
            free |= set(hit)
            if defect.level and found[hit[0]].level != defect.level:
                account.wrong.append(
                    f"{truth.name}: {hit[0]} is {found[hit[0]].level}, not {defect.level} ({defect.why})"
                )
        else:
            account.wrong.append(f"{truth.name}: missed {' or '.join(map(_text, defect.objects))} ({defect.why})")
    for text, finding in found.items():
        if text not in free:
            account.counted += 1
            why = next((w for decoy, w in decoys.items() if text == decoy or text.startswith(f"{decoy} ")), "")
            account.wrong.append(
                f"{truth.name}: false alarm {text}: {finding.detail}" + (f" (decoy: {why})" if why else "")
            )


def table(accounts: Mapping[str, Tally]) -> str:
    """The accounts as a table, and below it what was wrong."""
    lines = [f"{'lint':30} planted  decoys  found  hits  precision  recall  seconds"]
    for name, account in accounts.items():
        note = f"  not planted: {NOT_PLANTED[name]}" if name in NOT_PLANTED else ""
        lines.append(
            f"{name:30} {account.true:7}  {account.planted_decoys:6}  {account.counted:5}  {account.hits:4}"
            f"  {_share(account.precision):>9}  {_share(account.recall):>6}  {account.seconds:7.3f}{note}"
        )
    lines += [f"{name}: {text}" for name, account in accounts.items() for text in account.wrong]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _text(item: Object) -> str:
    return item.object if isinstance(item, Work) else item
