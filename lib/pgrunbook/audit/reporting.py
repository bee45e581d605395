"""Many findings in a report: an index that several ask for is told once, and no lint crowds out the others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pgrunbook import sqlfile
from pgrunbook.audit import LEVELS, Finding
from pgrunbook.index_shape import IndexShape, shape


@dataclass(frozen=True, slots=True)
class _Proposed:
    """An index that a finding's remedy makes, and nothing else."""

    finding: Finding
    index: IndexShape

    def serves(self, other: _Proposed) -> bool:
        """Whether its index mends the other finding as well. What is grave gets no column for what is less so."""
        if self.index == other.index:
            return True
        graver = LEVELS.index(self.finding.level) <= LEVELS.index(other.finding.level)
        return graver and self.index.begins_with(other.index)


def one_index_each(findings: Sequence[Finding]) -> list[Finding]:
    """Give findings that one index mends the same statement, so that whoever pastes them all builds it once.

    Of several the longest serves; of equal ones the first, whose name they all get.
    """
    proposed: dict[str, list[_Proposed]] = defaultdict(list)
    making = [f for f in findings if f.remedy.lower().startswith("create")]
    tables = Counter(f.relation for f in making)
    for finding in (f for f in making if tables[f.relation] > 1):  # there may be thousands, and parsing takes time
        statements = sqlfile.split(finding.remedy)
        if [s.node_kind for s in statements] == ["index_stmt"]:
            one = _Proposed(finding, shape(statements[0].node))
            proposed[one.index.table].append(one)
    told: dict[str, Finding] = {}
    for own in proposed.values():
        for one in own:
            best = max((other for other in own if other.serves(one)), key=lambda other: len(other.index.columns))
            if best is not one:
                same = best.index == one.index
                what = "is the same" if same else "begins with these columns, and serves both"
                advice = f"The index of {best.finding.id} {what}."
                told[one.finding.id] = replace(one.finding, remedy=best.finding.remedy, advice=advice)
    return [told.get(finding.id, finding) for finding in findings]


def heaviest(findings: Iterable[Finding], most: int) -> tuple[list[Finding], Counter[tuple[str, str]]]:
    """Of each lint and level the first `most`; and how many are left out, by level and lint."""
    seen: Counter[tuple[str, str]] = Counter()
    shown = []
    for finding in findings:
        seen[finding.level, finding.lint] += 1
        if seen[finding.level, finding.lint] <= most:
            shown.append(finding)
    return shown, Counter({of: count - most for of, count in seen.items() if count > most})
