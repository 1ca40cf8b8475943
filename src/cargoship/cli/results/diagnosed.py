"""What the doctor found, as text or JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cargoship.cli.paint import Paint
    from cargoship.toolchain.diagnose import Diagnosis, Prerequisite


def diagnosis_text(diagnosis: Diagnosis, mend: str, paint: Paint) -> str:
    """One line for each thing that a build needs; for one that is missing also what mends it.

    `mend` is the command that mends what can be.
    """
    width = max((len(finding.subject) for finding in diagnosis.findings), default=0)
    lines = [line for finding in diagnosis.findings for line in _lines(finding, width, paint)]
    missing = sum(not finding.ok for finding in diagnosis.findings)
    if not missing:
        return "\n".join([*lines, "nothing is missing"])
    mendable = sum(finding.mend is not None and not finding.ok for finding in diagnosis.findings)
    what = f"{mendable} of them" if mendable < missing else "it" if missing == 1 else "all of them"
    advice = f"; to mend {what}: {mend}" if mendable else ""
    return "\n".join([*lines, f"{missing} {'things are' if missing > 1 else 'thing is'} missing{advice}"])


def _lines(finding: Prerequisite, width: int, paint: Paint) -> list[str]:
    mark = paint.good("ok     ") if finding.ok else paint.bad("missing")
    lines = [f"{mark} {paint.strong(finding.subject.ljust(width))}  {finding.found or finding.problem}"]
    if not finding.ok:
        indent = " " * (width + 10)
        if finding.mend is not None:
            lines.append(f"{indent}mend it: {shlex.join(finding.mend.argv)}")
        lines += [f"{indent}{line}" for line in finding.hint.splitlines()]
    return lines


def diagnosis_document(diagnosis: Diagnosis) -> dict[str, object]:
    """The same for programs: `ok`, and `findings` with what mends each as a list of words."""
    return {
        "ok": diagnosis.ok,
        "findings": [
            {
                "subject": finding.subject,
                "ok": finding.ok,
                "found": finding.found,
                "problem": finding.problem or None,
                "mend": None if finding.mend is None else list(finding.mend.argv),
                "hint": finding.hint or None,
            }
            for finding in diagnosis.findings
        ],
    }
