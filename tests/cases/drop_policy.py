"""DROP POLICY."""

from __future__ import annotations

from cases import Case
from cases.create_policy import SECURED

CASES = (Case("with_its_comment", SECURED, "drop policy old on t"),)
