"""A few workspaces, edited at random: what is shipped is what a clean cargo builds. `scripts/fuzz-cache` does more."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fuzzing.judge import FAILED, Judge

pytestmark = pytest.mark.e2e

SITES = {
    "script: compiles C": 1,
    "macro: read ../assets/macro.txt": 2,
    "configuration": 3,
    "build dependency": 6,
}
"""What each of them reads, and its seed."""
EDITS = 2


def test_no_edit_ships_an_old_program(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    verdicts = [
        verdict
        for only, seed in SITES.items()
        for verdict in Judge(tmp_path / f"seed-{seed}", cache, seed, only).verdicts(EDITS)
    ]
    assert sum(verdict.edits for verdict in verdicts) == len(SITES) * EDITS
    assert [str(verdict) for verdict in verdicts if verdict.wrong] == []
    assert len({verdict.right for verdict in verdicts}) > len(verdicts) // 2, "edits change what programs print"
    assert FAILED not in {verdict.right for verdict in verdicts}
    restored, possible = sum(each.restored for each in verdicts), sum(each.possible for each in verdicts)
    assert possible > 0
    assert restored >= 0.9 * possible, [str(verdict) for verdict in verdicts]
